//! Capture time for timers: follows the packets, but not every leap.
//!
//! One damaged record with a time years ahead must not expire every table: a leap of more than a minute is believed once 64
//! packets in a row agree with it. A pause of the traffic looks the same at first; only where later packets come back to
//! the time before is it known that a time stamp was wrong, and only then is it said.
//!
//! Until a leap is believed, what is due is not done, but what the packets behind it begin is dated behind it too: it has
//! not waited since before the pause.

use crate::model::{Span, Timestamp};

/// The time that timers go by.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Timestamp,
    started: bool,
    doubted: Timestamp,
    agreeing: u32,
    /// Packets ahead of time of which it is not known yet whether their time is wrong.
    ahead: u64,
    /// Packets whose time was wrong.
    pub(super) disbelieved: u64,
}

impl Clock {
    /// A packet of this time; gives the time that it is. Never goes back but by a leap that was believed.
    #[inline]
    pub(super) fn packet(&mut self, time: Timestamp) -> Timestamp {
        let ahead = time.since(self.now).nanos();
        if (0..=LEAP.nanos()).contains(&ahead) {
            self.now = time;
            self.agreeing = 0;
            self.disbelieved += std::mem::take(&mut self.ahead);
        } else {
            self.leap(time, ahead);
        }
        self.now
    }

    /// When the packet came that was given last, for what is timed from it: its own time behind a leap with which another
    /// packet agrees.
    pub(super) fn came(&self, time: Timestamp) -> Timestamp {
        if self.agreeing > 1 {
            time.max(self.now)
        } else {
            self.now
        }
    }

    #[cold]
    fn leap(&mut self, time: Timestamp, ahead: i64) {
        if !self.started {
            self.now = time;
            self.started = true;
            return;
        }
        if (-LEAP.nanos()..0).contains(&ahead) {
            // A little late, as packets may be; what was ahead of it was too far ahead.
            self.disbelieved += std::mem::take(&mut self.ahead);
            return;
        }
        let on_from_doubted = time.since(self.doubted).nanos();
        // Packets that are minutes apart agree too, as long as they follow each other.
        let agrees = if ahead > 0 {
            on_from_doubted >= -LEAP.nanos()
        } else {
            on_from_doubted.saturating_abs() <= LEAP.nanos()
        };
        self.agreeing = if agrees { self.agreeing + 1 } else { 1 };
        self.doubted = time;
        if self.agreeing >= AGREEING {
            self.now = time;
            self.agreeing = 0;
            self.ahead = 0;
        } else if ahead > 0 {
            self.ahead += 1;
        } else {
            self.disbelieved += 1;
        }
    }
}

const LEAP: Span = Span::from_secs(60);
const AGREEING: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn one_damaged_record_moves_nothing_and_a_real_leap_is_believed() {
        let mut clock = Clock::default();
        assert_eq!(clock.packet(at(1000)), at(1000));
        assert_eq!(clock.packet(at(90_000_000)), at(1000));
        assert_eq!(clock.packet(at(1001)), at(1001));
        assert_eq!(clock.packet(at(990)), at(1001));
        for _ in 0..63 {
            assert_eq!(clock.packet(at(5000)), at(1001));
        }
        assert_eq!(clock.packet(at(5000)), at(5000));
        assert_eq!(clock.disbelieved, 1);
    }

    #[test]
    fn what_comes_behind_a_pause_is_dated_behind_it() {
        let mut clock = Clock::default();
        let mut came = |time| {
            let now = clock.packet(time);
            (now, clock.came(time))
        };
        assert_eq!(came(at(1000)), (at(1000), at(1000)));
        // It may be that this one is wrong.
        assert_eq!(came(at(9000)), (at(1000), at(1000)));
        assert_eq!(came(at(9001)), (at(1000), at(9001)));
        assert_eq!(came(at(1001)), (at(1001), at(1001)));
        // Time that seems to have gone back.
        assert_eq!(came(at(100)), (at(1001), at(1001)));
        assert_eq!(came(at(101)), (at(1001), at(1001)));
    }

    #[test]
    fn a_pause_is_no_wrong_time_and_neither_is_a_slow_capture() {
        let mut clock = Clock::default();
        for packet in 0..100 {
            clock.packet(at(1000 + packet * 90));
        }
        assert!(clock.packet(at(1000 + 100 * 90)) > at(1000 + 50 * 90));
        assert_eq!(clock.disbelieved, 0);
    }

    #[test]
    fn time_that_goes_back_far_is_told() {
        let mut clock = Clock::default();
        clock.packet(at(5000));
        clock.packet(at(1000));
        assert_eq!(clock.packet(at(5001)), at(5001));
        assert_eq!(clock.disbelieved, 1);
    }
}
