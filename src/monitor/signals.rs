//! Signals: the end of a run, a summary on request, files to reopen.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level::pipe};

use crate::capture::Waker;

/// A request to stop, by SIGINT or SIGTERM.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    requested: Arc<AtomicBool>,
}

impl Interruption {
    /// Exit code after a second signal: 128 and the number of SIGINT, as shells report it.
    pub const EXIT_CODE: u8 = 130;

    /// Registers handlers: the first SIGINT or SIGTERM is a request, the second ends the process at once.
    ///
    /// A request leaves time to finish files. It also lets a pipe be read to its end: Ctrl-C at `tcpdump | ftpscope` reaches
    /// both processes while the last packets are still on their way.
    pub fn watch() -> io::Result<Self> {
        let interruption = Self::default();
        let code = Self::EXIT_CODE.into();
        // Handlers run in the order of registration: the first signal must find the flag unset before it sets the flag.
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, code, Arc::clone(&interruption.requested))?;
            flag::register(signal, Arc::clone(&interruption.requested))?;
        }
        Ok(interruption)
    }

    /// Returns the flag that the first signal sets.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.requested)
    }

    /// Returns true after the first signal.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

/// Requests by signal during a monitoring run.
#[derive(Debug)]
pub(super) struct Signals {
    /// SIGINT and SIGTERM.
    interruption: Interruption,
    /// SIGUSR1.
    summary: Arc<AtomicBool>,
    /// SIGHUP.
    reopen: Arc<AtomicBool>,
    /// Becomes readable with each signal.
    readable: UnixStream,
}

impl Signals {
    /// Registers all handlers.
    pub(super) fn watch() -> io::Result<Self> {
        let interruption = Interruption::watch()?;
        let (summary, reopen) = (Arc::default(), Arc::default());
        flag::register(SIGUSR1, Arc::clone(&summary))?;
        flag::register(SIGHUP, Arc::clone(&reopen))?;
        let (readable, writable) = UnixStream::pair()?;
        readable.set_nonblocking(true)?;
        // After the flags: a thread that the pipe wakes must find its flag set.
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

    /// Returns a handle that wakes a waiting source.
    pub(super) fn wake(&self) -> io::Result<Waker> {
        let readable = self.readable.try_clone()?;
        Ok(Waker::new(readable, self.interruption.flag()))
    }

    /// Returns true once the run has to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.interruption.is_requested()
    }

    /// Returns true once after each request for a summary.
    pub(super) fn take_summary(&self) -> bool {
        self.summary.swap(false, Ordering::Relaxed)
    }

    /// Returns true once after each request to reopen files.
    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }
}
