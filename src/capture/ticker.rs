//! The time that it is on a link where no packet comes.

use std::time::{Duration, Instant};

use crate::model::{Span, Timestamp};

/// Follows the packets, and goes on by the clock of the machine where none comes. Whoever stamped the packets may have
/// another time than we: only distances are taken from the clock.
#[derive(Debug, Default)]
pub(super) struct Ticker {
    last: Option<(Timestamp, Instant)>,
}

impl Ticker {
    /// Packets were read just now, the last one with this time.
    pub(super) fn packets(&mut self, time: Timestamp) {
        self.last = Some((time, Instant::now()));
    }

    /// The time that it is, a little late, so that it is not ahead of a packet that is still on its way to us; 1970 before the
    /// first packet.
    pub(super) fn now(&self) -> Timestamp {
        let Some((time, read)) = self.last else {
            return Timestamp::default();
        };
        let silent = read.elapsed().saturating_sub(LAG);
        time.plus(Span::from_nanos(
            i64::try_from(silent.as_nanos()).unwrap_or(i64::MAX),
        ))
    }
}

/// How long a packet may be on its way from the wire to us.
const LAG: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_the_last_packet() {
        let mut ticker = Ticker::default();
        assert_eq!(ticker.now(), Timestamp::default());
        let time = Timestamp::from_parts(1_000, 0);
        ticker.packets(time);
        assert!(ticker.now() >= time);
        ticker.last = Some((time, Instant::now().checked_sub(LAG * 2).expect("a time")));
        assert!(ticker.now() > time);
    }
}
