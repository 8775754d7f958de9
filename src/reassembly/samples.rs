//! Progress of one connection over time: bytes sent and acknowledged, the receiver's window, retransmissions.
//!
//! Points are taken as segments pass. Once there are too many of them, the periods that they stand for are doubled and
//! neighbours become one point: so their number stays bounded, they cover the whole connection, and no count is lost.
//!
//! Off unless asked for: a connection then costs one comparison per segment.

use super::course::Observed;
use super::sequence::SeqNum;
use crate::model::{Direction, Timestamp};

/// Points of one connection, of the direction that carried the first payload byte.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Sender of the payload; `None` before the first byte.
    sender: Option<Direction>,
    points: Vec<Sample>,
    /// Limit of `points`.
    limit: usize,
    /// Time of the first point.
    start: Timestamp,
    /// Period of a point in nanoseconds.
    period: i64,
    /// Sequence number after the last byte sent.
    last: SeqNum,
    /// Bytes sent, each once.
    sent: u64,
    /// Total of retransmitted bytes at the latest segment of the sender.
    retransmitted: u64,
}

/// State at the end of a period, and events within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Latest packet of the period.
    pub time: Timestamp,
    /// Stream bytes sent until then, each once; bytes that the capture lacks included.
    pub sent: u64,
    /// Stream bytes acknowledged until then.
    pub acknowledged: u64,
    /// Bytes up to which the receiver's window reaches; `None` if the scale of its window is not known.
    pub window_end: Option<u64>,
    /// Bytes retransmitted in the period.
    pub retransmitted: u64,
    /// Segments in the period that came behind bytes not yet captured.
    pub holes: u32,
    /// Segments in the period with bytes that were not captured when their turn was: lost before and sent again, or out of
    /// order.
    pub late: u32,
    /// Whether the receiver closed its window in the period.
    pub zero_window: bool,
}

impl Samples {
    /// Creates samples of at most `limit` points; `None` for 0.
    pub(super) fn up_to(limit: usize) -> Option<Box<Self>> {
        (limit > 0).then(|| {
            Box::new(Self {
                sender: None,
                points: Vec::new(),
                // Fewer could not be merged below the limit at the longest period.
                limit: limit.max(4),
                start: Timestamp::default(),
                period: FINEST,
                last: SeqNum(0),
                sent: 0,
                retransmitted: 0,
            })
        })
    }

    /// Returns the direction of the payload; `None` without any.
    #[must_use]
    pub const fn sender(&self) -> Option<Direction> {
        self.sender
    }

    /// Returns the time of the first payload byte.
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        self.start
    }

    /// Returns the points in order of time.
    #[must_use]
    pub fn points(&self) -> &[Sample] {
        &self.points
    }

    /// Records a packet. `shift` is that of the window, if known; `retransmitted` the total of the packet's direction.
    pub(super) fn record(
        &mut self,
        direction: Direction,
        packet: &Observed,
        shift: Option<u8>,
        retransmitted: u64,
    ) {
        if packet.flags.rst() {
            return;
        }
        let sender = match self.sender {
            Some(sender) => sender,
            None if packet.payload > 0 => {
                self.sender = Some(direction);
                self.start = packet.time;
                self.last = packet.sequence;
                direction
            }
            None => return,
        };
        let mut point = self.begin(packet.time);
        if direction == sender {
            if packet.payload > 0 {
                let end = packet.sequence.plus(packet.payload);
                point.holes += u32::from(packet.sequence.distance_from(self.last) > 0);
                let new = u64::try_from(end.distance_from(self.last)).unwrap_or(0);
                if new > 0 {
                    self.last = end;
                    self.sent += new;
                } else if retransmitted == self.retransmitted {
                    // Before the end and no retransmission: a part of a hole.
                    point.late += 1;
                }
            }
            // A copy that the capture made counts for nothing, and gives a lower total than the segment before.
            point.retransmitted += retransmitted.saturating_sub(self.retransmitted);
            self.retransmitted = retransmitted;
            point.sent = self.sent;
        } else if packet.flags.ack() && !packet.flags.syn() {
            let behind = self.last.distance_from(packet.acknowledgment);
            // The FIN takes a number of its own, which is no byte.
            let behind = u64::try_from(behind).unwrap_or(0);
            let acknowledged = self.sent.saturating_sub(behind);
            point.acknowledged = point.acknowledged.max(acknowledged);
            if let Some(shift) = shift {
                let window_end = acknowledged + (u64::from(packet.window) << shift);
                point.window_end = Some(window_end);
            }
            point.zero_window |= packet.window == 0;
        }
        if let Some(last) = self.points.last_mut() {
            *last = point;
        }
    }

    /// Returns the point for a time, the last of the list: a new one begins with the state of the one before.
    fn begin(&mut self, time: Timestamp) -> Sample {
        loop {
            let Some(&last) = self.points.last() else {
                let first = Sample {
                    time,
                    ..Sample::default()
                };
                self.points.push(first);
                return first;
            };
            // Packets that were reordered in the capture belong to the latest point.
            if self.number(time) <= self.number(last.time) {
                return Sample {
                    time: last.time.max(time),
                    ..last
                };
            }
            if self.points.len() < self.limit {
                let next = Sample {
                    time,
                    retransmitted: 0,
                    holes: 0,
                    late: 0,
                    zero_window: false,
                    ..last
                };
                self.points.push(next);
                return next;
            }
            self.halve();
        }
    }

    /// Doubles the period until there are fewer points than the limit.
    fn halve(&mut self) {
        while self.points.len() >= self.limit && self.period < i64::MAX / 2 {
            self.period *= 2;
            let mut merged: Vec<Sample> = Vec::with_capacity(self.limit);
            for &point in &self.points {
                match merged.last_mut() {
                    Some(last) if self.number(last.time) == self.number(point.time) => {
                        *last = Sample {
                            retransmitted: last.retransmitted + point.retransmitted,
                            holes: last.holes.saturating_add(point.holes),
                            late: last.late.saturating_add(point.late),
                            zero_window: last.zero_window || point.zero_window,
                            ..point
                        };
                    }
                    _ => merged.push(point),
                }
            }
            self.points = merged;
        }
    }

    /// Returns the number of the period of a time.
    const fn number(&self, time: Timestamp) -> i64 {
        time.since(self.start).nanos() / self.period
    }
}

/// First period in nanoseconds.
const FINEST: i64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::TcpFlags;

    fn packet(micros: i64, sequence: u32, payload: u32) -> Observed {
        Observed {
            time: Timestamp::from_nanos(micros * 1_000),
            sequence: SeqNum(sequence),
            acknowledgment: SeqNum(0),
            flags: TcpFlags(TcpFlags::ACK),
            window: 500,
            payload,
            ip_len: 0,
            frame_len: 0,
        }
    }

    #[test]
    fn points_stay_bounded_and_keep_every_count() {
        let mut samples = Samples::up_to(100).expect("samples");
        // Beginning shortly before the numbers wrap around.
        let first = u32::MAX - 1_000_000;
        let mut retransmitted = 0;
        for number in 0..50_000_u32 {
            let sequence = first.wrapping_add(number * 1_000);
            let micros = i64::from(number) * 70;
            samples.record(
                Direction::Down,
                &packet(micros, sequence, 1_000),
                None,
                retransmitted,
            );
            if number % 1_000 == 0 {
                retransmitted += 1_000;
                samples.record(
                    Direction::Down,
                    &packet(micros, sequence, 1_000),
                    None,
                    retransmitted,
                );
            }
        }
        let points = samples.points();
        assert!((40..=100).contains(&points.len()), "{}", points.len());
        assert!(points.is_sorted_by_key(|point| (point.time, point.sent)));
        assert_eq!(points.last().expect("a point").sent, 50_000_000);
        let sum: u64 = points.iter().map(|point| point.retransmitted).sum();
        assert_eq!(sum, retransmitted);
        assert!(points.iter().all(|point| point.holes == 0));
    }

    #[test]
    fn acknowledgments_windows_and_holes_are_relative_to_the_first_byte() {
        let mut samples = Samples::up_to(100).expect("samples");
        samples.record(Direction::Down, &packet(0, 1_001, 100), None, 0);
        let mut ack = packet(200, 7, 0);
        ack.acknowledgment = SeqNum(1_051);
        samples.record(Direction::Up, &ack, Some(2), 0);
        samples.record(Direction::Down, &packet(400, 1_201, 100), None, 0);
        ack.time = Timestamp::from_nanos(600_000);
        (ack.acknowledgment, ack.window) = (SeqNum(1_302), 0);
        samples.record(Direction::Up, &ack, Some(2), 0);
        let points = samples.points();
        let parts: Vec<_> = points
            .iter()
            .map(|one| {
                (
                    one.sent,
                    one.acknowledged,
                    one.window_end,
                    one.holes,
                    one.zero_window,
                )
            })
            .collect();
        let expected = [
            (100, 0, None, 0, false),
            (100, 50, Some(2_050), 0, false),
            (300, 50, Some(2_050), 1, false),
            (300, 300, Some(300), 0, true),
        ];
        assert_eq!(parts, expected);
        assert_eq!(samples.sender(), Some(Direction::Down));
    }

    #[test]
    fn times_that_go_back_stay_in_the_latest_point() {
        let mut samples = Samples::up_to(10).expect("samples");
        samples.record(Direction::Up, &packet(5_000_000, 1, 10), None, 0);
        samples.record(Direction::Up, &packet(0, 11, 10), None, 0);
        samples.record(Direction::Up, &packet(i64::MAX / 1_000, 21, 10), None, 0);
        assert_eq!(samples.points().len(), 2);
        assert!(Samples::up_to(0).is_none());
    }
}
