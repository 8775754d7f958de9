//! Ctrl-C, and the polite way to end a process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::exit_code::Exit;

/// Whether the user has asked to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Interruption {
    asked: Arc<AtomicBool>,
}

impl Interruption {
    /// From now on the first SIGINT or SIGTERM only asks, so that no half-written file stays behind, and so that a pipe is read
    /// to its end: Ctrl-C at `tcpdump | ftpscope` reaches both, and the last packets are still on their way. The second
    /// ends the program at once.
    pub(super) fn watch() -> io::Result<Self> {
        let interruption = Self::default();
        let code = Exit::Interrupted.code().into();
        // In this order: the first signal finds the flag down and raises it.
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, code, Arc::clone(&interruption.asked))?;
            flag::register(signal, Arc::clone(&interruption.asked))?;
        }
        Ok(interruption)
    }

    /// Raised by the first signal.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// True after the first signal.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}
