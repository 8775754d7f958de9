//! The signals that a run of weeks obeys.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level::pipe};

use crate::capture::Waker;
use crate::cli::interruption::Interruption;

/// What was asked for by signals.
#[derive(Debug)]
pub(super) struct Signals {
    /// SIGINT and SIGTERM: end; the second ends at once.
    interruption: Interruption,
    summary: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
    readable: UnixStream,
}

impl Signals {
    /// Listens from here on.
    pub(super) fn watch() -> io::Result<Self> {
        let interruption = Interruption::watch()?;
        let (summary, reopen) = (Arc::default(), Arc::default());
        flag::register(SIGUSR1, Arc::clone(&summary))?;
        flag::register(SIGHUP, Arc::clone(&reopen))?;
        let (readable, writable) = UnixStream::pair()?;
        readable.set_nonblocking(true)?;
        // Behind the flags: whoever is woken finds them raised.
        for signal in [SIGINT, SIGTERM, SIGUSR1, SIGHUP] {
            pipe::register(signal, writable.try_clone()?)?;
        }
        Ok(Self {
            interruption,
            summary,
            reopen,
            readable,
        })
    }

    /// What wakes a source that waits.
    pub(super) fn wake(&self) -> io::Result<Waker> {
        let readable = self.readable.try_clone()?;
        Ok(Waker::new(readable, self.interruption.flag()))
    }

    /// The run shall end.
    pub(super) fn is_stopping(&self) -> bool {
        self.interruption.is_asked()
    }

    /// A summary is wanted; told once.
    pub(super) fn take_summary(&self) -> bool {
        self.summary.swap(false, Ordering::Relaxed)
    }

    /// Files are to be opened again; told once.
    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }
}
