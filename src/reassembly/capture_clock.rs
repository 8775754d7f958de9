//! A clock that follows packet timestamps but distrusts single outliers.
//!
//! A damaged record may carry a time years ahead, and must not expire every flow, session and expectation. A timestamp
//! more than 60 s ahead of the clock, or behind it, therefore moves it only once 64 packets in a row agree. A pause of
//! the traffic looks the same at first: until it is confirmed, no timer runs, but timers that packets behind the pause
//! start ([`Moment::arrived`]) do not count it.
//!
//! The pipeline owns the one clock of a run. The flow table and the session layer are passed the time.

use crate::model::{Span, Timestamp};

/// Capture clock with outlier rejection, advanced by every packet and tick.
#[derive(Debug, Default)]
pub struct CaptureClock {
    /// The epoch before the first packet.
    now: Timestamp,
    /// Set by the first timestamp more than a minute after the epoch, which is accepted as it is.
    started: bool,
    /// The latest rejected timestamp.
    rejected: Timestamp,
    /// Rejected timestamps in a row that agree with each other.
    agreeing: u32,
    /// Packets ahead of the clock that are outliers unless the clock follows them.
    ahead: u64,
    outliers: u64,
}

/// Clock readings for one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time up to which expired timers run.
    pub now: Timestamp,
    /// Start time for timers that this packet sets.
    pub arrived: Timestamp,
}

impl Moment {
    /// Returns the moment of a trusted timestamp.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now, arrived: now }
    }
}

impl CaptureClock {
    /// Advances the clock for a packet or tick stamped `time`. Goes back only where 64 packets agree on an earlier
    /// time.
    #[inline]
    pub fn advance(&mut self, time: Timestamp) -> Moment {
        let ahead = time.since(self.now).nanos();
        if (0..=TRUSTED.nanos()).contains(&ahead) {
            self.now = time;
            self.agreeing = 0;
            // The clock is back where it was: the packets ahead of it were outliers and no pause.
            self.outliers += std::mem::take(&mut self.ahead);
            return Moment::at(time);
        }
        self.on_leap(time, ahead);
        // A second packet near the rejected time makes a pause more likely than one bad timestamp.
        let arrived = if self.agreeing > 1 {
            time.max(self.now)
        } else {
            self.now
        };
        Moment {
            now: self.now,
            arrived,
        }
    }

    /// Returns the time up to which expired timers run; the epoch before the first packet.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the number of packets whose timestamps proved wrong.
    #[must_use]
    pub const fn outliers(&self) -> u64 {
        self.outliers
    }

    #[cold]
    fn on_leap(&mut self, time: Timestamp, ahead: i64) {
        if !self.started {
            self.now = time;
            self.started = true;
            return;
        }
        if (-TRUSTED.nanos()..0).contains(&ahead) {
            // Packets of several interfaces or threads may be a little late. What was ahead of this one was an outlier.
            self.outliers += std::mem::take(&mut self.ahead);
            return;
        }
        let since_rejected = time.since(self.rejected).nanos();
        // In a slow capture packets are minutes apart: going forward, any order that does not go back agrees.
        let agrees = if ahead > 0 {
            since_rejected >= -TRUSTED.nanos()
        } else {
            since_rejected.saturating_abs() <= TRUSTED.nanos()
        };
        self.agreeing = if agrees { self.agreeing + 1 } else { 1 };
        self.rejected = time;
        if self.agreeing >= CONFIRMATIONS {
            self.now = time;
            self.agreeing = 0;
            self.ahead = 0;
        } else if ahead > 0 {
            self.ahead += 1;
        } else {
            self.outliers += 1;
        }
    }
}

/// Largest step that a single timestamp may move the clock by.
const TRUSTED: Span = Span::from_secs(60);

/// Packets in a row that confirm a larger step.
const CONFIRMATIONS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn one_damaged_timestamp_is_rejected_and_64_agreeing_ones_are_followed() {
        let mut clock = CaptureClock::default();
        let mut now = |time| clock.advance(time).now;
        assert_eq!(now(at(1000)), at(1000));
        assert_eq!(now(at(90_000_000)), at(1000));
        assert_eq!(now(at(1001)), at(1001));
        assert_eq!(now(at(990)), at(1001));
        for _ in 0..63 {
            assert_eq!(now(at(5000)), at(1001));
        }
        assert_eq!(now(at(5000)), at(5000));
        assert_eq!(clock.outliers(), 1);
    }

    #[test]
    fn timers_started_after_a_pause_do_not_count_the_pause() {
        let mut clock = CaptureClock::default();
        let mut readings = |time| {
            let moment = clock.advance(time);
            (moment.now, moment.arrived)
        };
        assert_eq!(readings(at(1000)), (at(1000), at(1000)));
        // It may be an outlier.
        assert_eq!(readings(at(9000)), (at(1000), at(1000)));
        assert_eq!(readings(at(9001)), (at(1000), at(9001)));
        assert_eq!(readings(at(1001)), (at(1001), at(1001)));
        // Times that go back start no timer in the past.
        assert_eq!(readings(at(100)), (at(1001), at(1001)));
        assert_eq!(readings(at(101)), (at(1001), at(1001)));
    }

    #[test]
    fn timestamps_that_contradict_each_other_are_no_pause() {
        let mut clock = CaptureClock::default();
        clock.advance(at(1000));
        for wrong in [at(900_000), at(500_000), at(100_000)] {
            assert_eq!(clock.advance(wrong), Moment::at(at(1000)));
        }
        assert_eq!(clock.advance(at(1001)), Moment::at(at(1001)));
        assert_eq!(clock.advance(at(900_000)), Moment::at(at(1001)));
    }

    #[test]
    fn pauses_and_slow_captures_have_no_outliers() {
        let mut clock = CaptureClock::default();
        for packet in 0..100 {
            clock.advance(at(1000 + packet * 90));
        }
        assert!(clock.advance(at(1000 + 100 * 90)).now > at(1000 + 50 * 90));
        assert_eq!(clock.outliers(), 0);
    }

    #[test]
    fn timestamp_far_behind_the_clock_is_an_outlier() {
        let mut clock = CaptureClock::default();
        clock.advance(at(5000));
        clock.advance(at(1000));
        assert_eq!(clock.advance(at(5001)).now, at(5001));
        assert_eq!(clock.outliers(), 1);
    }
}
