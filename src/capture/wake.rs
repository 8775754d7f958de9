//! What ends the waiting for packets: a signal.

use std::io::{ErrorKind, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;

/// Tells a source that waits that something else wants attention, and when to end.
#[derive(Clone, Debug)]
pub struct Wake {
    signal: Arc<UnixStream>,
    stop: Arc<AtomicBool>,
}

impl Wake {
    /// `signal` becomes readable when the waiting shall end; it must not block. Once `stop` is true the source ends with
    /// what has arrived until then.
    #[must_use]
    pub fn new(signal: UnixStream, stop: Arc<AtomicBool>) -> Self {
        Self {
            signal: Arc::new(signal),
            stop,
        }
    }

    /// True once the source shall end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits until one of `others` can be read or has failed, a signal comes, or the time is over. True where it was one of
    /// the others.
    pub(super) fn wait(&self, others: &[BorrowedFd<'_>], longest: Duration) -> bool {
        let mut all: Vec<PollFd<'_>> = others
            .iter()
            .map(|other| PollFd::from_borrowed_fd(*other, PollFlags::IN))
            .collect();
        all.push(PollFd::new(&*self.signal, PollFlags::IN));
        let time = Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: longest.subsec_nanos().into(),
        };
        // A signal may interrupt the call itself: then it was one.
        if poll(&mut all, Some(&time)).is_err() {
            return false;
        }
        let signalled = all.pop().is_some_and(|own| !own.revents().is_empty());
        if signalled {
            self.drain();
        }
        all.iter().any(|other| !other.revents().is_empty())
    }

    fn drain(&self) {
        let mut bytes = [0; 64];
        loop {
            match (&*self.signal).read(&mut bytes) {
                Ok(got) if got == bytes.len() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}
