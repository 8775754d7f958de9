//! Capture time for timers: follows the packets, but not every leap.
//!
//! One damaged record with a time years ahead must not expire every table: a leap of more than a minute is believed once 64
//! packets in a row agree with it.

use crate::model::{Span, Timestamp};

/// The time that timers go by.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Timestamp,
    started: bool,
    doubted: Timestamp,
    agreeing: u32,
    /// Packets whose time was not believed.
    pub(super) disbelieved: u64,
}

impl Clock {
    /// A packet of this time; gives the time that it is. Never goes back but by a leap that was believed.
    pub(super) fn packet(&mut self, time: Timestamp) -> Timestamp {
        let ahead = time.since(self.now).nanos();
        if (0..=LEAP.nanos()).contains(&ahead) {
            self.now = time;
            self.agreeing = 0;
        } else if !self.started {
            self.now = time;
            self.started = true;
        } else if ahead > 0 || ahead < -LEAP.nanos() {
            self.doubt(time);
        }
        self.now
    }

    fn doubt(&mut self, time: Timestamp) {
        let near = time.since(self.doubted).nanos().saturating_abs() <= LEAP.nanos();
        self.agreeing = if near { self.agreeing + 1 } else { 1 };
        self.doubted = time;
        if self.agreeing >= AGREEING {
            self.now = time;
            self.agreeing = 0;
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
        assert_eq!(clock.disbelieved, 64);
    }
}
