//! Waiting for packets: the poll that signals interrupt, and the clock of a quiet link.

use std::io::{ErrorKind, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;

use crate::model::{Span, Timestamp};

/// Interrupts a source that waits for packets, and asks it to stop.
#[derive(Clone, Debug)]
pub struct Waker {
    signal: Arc<UnixStream>,
    stop: Arc<AtomicBool>,
}

impl Waker {
    /// Creates a waker from the read end of a signal pipe and a stop flag.
    ///
    /// A byte on `signal` interrupts the current wait; the stream must be non-blocking. Once `stop` is true the source
    /// delivers what has already arrived and ends.
    #[must_use]
    pub fn new(signal: UnixStream, stop: Arc<AtomicBool>) -> Self {
        Self {
            signal: Arc::new(signal),
            stop,
        }
    }

    /// Returns true once the source has been asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits at most `timeout` until one of `descriptors` is readable or failed, or a signal arrives. Returns true if a
    /// descriptor is ready.
    pub(super) fn wait(&self, descriptors: &[BorrowedFd<'_>], timeout: Duration) -> bool {
        let mut polled: Vec<PollFd<'_>> = descriptors
            .iter()
            .map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN))
            .collect();
        polled.push(PollFd::new(&*self.signal, PollFlags::IN));
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // EINTR: a signal handler ran during poll, and its byte is read by the next wait.
        if poll(&mut polled, Some(&timeout)).is_err() {
            return false;
        }
        let signalled = polled.pop().is_some_and(|own| !own.revents().is_empty());
        if signalled {
            self.drain();
        }
        // Any event counts, not only POLLIN: after POLLHUP or POLLERR the read that follows reports the end or the
        // error.
        polled.iter().any(|polled| !polled.revents().is_empty())
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

/// Estimate of the current capture time while no packet arrives.
///
/// The machine that stamped the packets may have another wall clock than this one, so only elapsed time is taken
/// from the local (monotonic) clock.
#[derive(Debug, Default)]
pub(super) struct QuietClock {
    /// Time of the latest packet, and when it was read; `None` before the first packet.
    last: Option<(Timestamp, Instant)>,
}

impl QuietClock {
    /// Sets the clock: a packet stamped `time` was just read.
    pub(super) fn on_packet(&mut self, time: Timestamp) {
        self.last = Some((time, Instant::now()));
    }

    /// Returns the estimated time, 200 ms late; the epoch before the first packet.
    pub(super) fn now(&self) -> Timestamp {
        let Some((time, read)) = self.last else {
            return Timestamp::default();
        };
        // A tick must not overtake a packet that the kernel still holds: its timers would expire before it is seen.
        let quiet = read.elapsed().saturating_sub(DELIVERY_LAG);
        time.plus(Span::from_nanos(
            i64::try_from(quiet.as_nanos()).unwrap_or(i64::MAX),
        ))
    }
}

/// Longest time from a packet's timestamp to its delivery: four times the 50 ms the kernel holds a ring block.
const DELIVERY_LAG: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_clock_advances_from_the_last_packet_after_the_lag() {
        let mut clock = QuietClock::default();
        assert_eq!(clock.now(), Timestamp::default());
        let time = Timestamp::from_parts(1_000, 0);
        clock.on_packet(time);
        assert!(clock.now() >= time);
        let read = Instant::now().checked_sub(DELIVERY_LAG * 2);
        clock.last = Some((time, read.expect("a time")));
        assert!(clock.now() > time);
    }
}
