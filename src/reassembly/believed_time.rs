//! The time that the flow table goes by.
//!
//! Ticks tell it; segments move it on in between, but by no more than a minute: one damaged time stamp must not expire every
//! flow. Behind a longer pause it stands still until a tick tells of it. What segments begin there is dated behind the pause
//! all the same, or it would then have waited for all of it.

use crate::model::{Span, Timestamp};

/// Time as it is believed.
#[derive(Debug, Default)]
pub(super) struct BelievedTime {
    now: Option<Timestamp>,
    /// The time of the last segment, where that was too far ahead.
    doubted: Option<Timestamp>,
}

/// The time at a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// What is due by then is done.
    pub(super) now: Timestamp,
    /// When the segment came, for what is timed from it.
    pub(super) came: Timestamp,
}

impl Moment {
    /// A time that is believed.
    pub(super) const fn at(now: Timestamp) -> Self {
        Self { now, came: now }
    }
}

impl BelievedTime {
    /// A segment of this time.
    #[inline]
    pub(super) fn segment(&mut self, time: Timestamp) -> Moment {
        let now = self.now.get_or_insert(time);
        if time.since(*now) <= BELIEVED {
            *now = time.max(*now);
            self.doubted = None;
            return Moment::at(*now);
        }
        // One alone may be wrong.
        let before = self.doubted.replace(time);
        let agrees = before.is_some_and(|before| before.since(time) <= BELIEVED);
        Moment {
            now: *now,
            came: if agrees { time } else { *now },
        }
    }

    /// It is `now`, unless segments have gone a little further; true where time was wrong before and goes back.
    pub(super) fn tick(&mut self, now: Timestamp) -> (Timestamp, bool) {
        let before = self.now.unwrap_or(now);
        let goes_back = before.since(now) > BELIEVED;
        let now = if goes_back { now } else { now.max(before) };
        self.now = Some(now);
        (now, goes_back)
    }
}

/// How far the time stamp of one segment may move time.
const BELIEVED: Span = Span::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn what_comes_behind_a_pause_is_dated_behind_it() {
        let mut time = BelievedTime::default();
        assert_eq!(time.segment(at(1000)), Moment::at(at(1000)));
        // It may be that this one is wrong.
        assert_eq!(time.segment(at(9000)), Moment::at(at(1000)));
        let behind = Moment {
            now: at(1000),
            came: at(9001),
        };
        assert_eq!(time.segment(at(9001)), behind);
        assert_eq!(time.tick(at(9001)), (at(9001), false));
        assert_eq!(time.segment(at(9002)), Moment::at(at(9002)));
    }

    #[test]
    fn time_stamps_that_do_not_follow_each_other_are_no_pause() {
        let mut time = BelievedTime::default();
        time.segment(at(1000));
        for wrong in [at(900_000), at(500_000), at(100_000)] {
            assert_eq!(time.segment(wrong), Moment::at(at(1000)));
        }
        assert_eq!(time.segment(at(1001)), Moment::at(at(1001)));
        assert_eq!(time.segment(at(900_000)), Moment::at(at(1001)));
    }

    #[test]
    fn ticks_may_be_a_little_behind_and_go_back_far_where_time_was_wrong() {
        let mut time = BelievedTime::default();
        time.segment(at(5000));
        assert_eq!(time.tick(at(4999)), (at(5000), false));
        assert_eq!(time.tick(at(1000)), (at(1000), true));
    }
}
