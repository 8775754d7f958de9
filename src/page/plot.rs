//! Plot of one transfer: its points for the script, and where its time went.

use serde_json::{Value, json};

use crate::model::record::{Connection, ConnectionSamples, Opener, SamplePoint};
use crate::report::units;

/// Points on the page so far.
#[derive(Debug, Default)]
pub(super) struct PlotBudget(usize);

/// Seconds of a transfer by what its next bytes waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Waits {
    /// The receiver's window was full or closed: the receiver did not read.
    receiver: f64,
    /// Bytes were lost, and sent again.
    loss: f64,
    /// Everything was acknowledged, and the sender sent nothing.
    sender: f64,
    /// Bytes were on the way.
    path: f64,
}

impl PlotBudget {
    /// Returns the plot of a transfer; `None` if it has too few points to show anything, or the page too many.
    pub(super) fn plot(&mut self, connection: &Connection) -> Option<Value> {
        let samples = connection.samples.as_deref()?;
        let points = &samples.points;
        if points.len() < LEAST_POINTS || self.0 + points.len() > MAX_POINTS {
            return None;
        }
        self.0 += points.len();
        Some(plot(samples))
    }
}

fn plot(samples: &ConnectionSamples) -> Value {
    let points = &samples.points;
    let rows = points.iter().map(|point| {
        // In microseconds from the first byte: exact for most captures, and short.
        let micros = point.time.since(samples.start).nanos().max(0) / 1_000;
        json!([
            micros,
            point.sent,
            point.acknowledged,
            point.window_end,
            point.retransmitted,
            point.holes,
            point.late,
            u8::from(point.zero_window)
        ])
    });
    let rows: Vec<Value> = rows.collect();
    let (sender, receiver) = match samples.sender {
        Opener::Client => ("client", "server"),
        Opener::Server => ("server", "client"),
    };
    json!({
        "points": rows,
        "sender": sender,
        "waits": waits_in_words(waits(points), sender, receiver),
        "stalls": stalls(points, sender, receiver),
    })
}

/// Cause of the time between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Receiver,
    Loss,
    Sender,
    Path,
}

impl Wait {
    /// Returns what the bytes that come with `after` waited for.
    fn between(before: &SamplePoint, after: &SamplePoint) -> Self {
        let end = before.window_end;
        let is_full = end.is_some_and(|end| end < before.sent.saturating_add(FULL_SEGMENT));
        if before.zero_window || is_full {
            Self::Receiver
        } else if after.retransmitted > 0 || after.late > 0 {
            Self::Loss
        } else if before.acknowledged >= before.sent {
            Self::Sender
        } else {
            Self::Path
        }
    }
}

/// Returns whether the receiver's packets were captured: without them nothing shows what the sender waited for.
fn has_both_sides(points: &[SamplePoint]) -> bool {
    points.iter().any(|point| point.acknowledged > 0)
}

/// Adds up the time between points.
fn waits(points: &[SamplePoint]) -> Option<Waits> {
    if !has_both_sides(points) {
        return None;
    }
    let mut waits = Waits::default();
    for (before, after) in points.iter().zip(points.iter().skip(1)) {
        let slot = match Wait::between(before, after) {
            Wait::Receiver => &mut waits.receiver,
            Wait::Loss => &mut waits.loss,
            Wait::Sender => &mut waits.sender,
            Wait::Path => &mut waits.path,
        };
        *slot += after.time.since(before.time).seconds();
    }
    Some(waits)
}

/// Returns the longest waits: the index of the point before each, and its cause in a few words.
fn stalls(points: &[SamplePoint], sender: &str, receiver: &str) -> Vec<Value> {
    if !has_both_sides(points) {
        return Vec::new();
    }
    let ends = points.first().zip(points.last());
    let whole = ends.map_or(0, |(first, last)| last.time.since(first.time).nanos());
    let least = (whole / STALL_SHARE).max(LEAST_STALL);
    let pairs = points.iter().zip(points.iter().skip(1)).enumerate();
    let long = pairs.filter(|(_, (before, after))| after.time.since(before.time).nanos() >= least);
    long.map(|(at, (before, after))| {
        let words = match Wait::between(before, after) {
            Wait::Receiver => format!("{receiver}: window full"),
            Wait::Loss => "loss".to_owned(),
            Wait::Sender => format!("{sender} sends nothing"),
            Wait::Path => "no answer".to_owned(),
        };
        json!([at, words])
    })
    .collect()
}

/// Returns each kind of wait with its words, longest first.
fn waits_in_words(waits: Option<Waits>, sender: &str, receiver: &str) -> Vec<Value> {
    let Some(waits) = waits else {
        return Vec::new();
    };
    let mut parts = [
        (
            "receiver",
            waits.receiver,
            format!("for the {receiver}, whose window was full"),
        ),
        (
            "loss",
            waits.loss,
            "for lost bytes to be sent again".to_owned(),
        ),
        (
            "sender",
            waits.sender,
            format!("for the {sender}, which sent nothing"),
        ),
        ("path", waits.path, "with bytes on the way".to_owned()),
    ];
    parts.sort_by(|one, other| other.1.total_cmp(&one.1));
    let parts = parts.into_iter().filter(|(_, seconds, _)| *seconds > 0.0);
    parts
        .map(|(kind, seconds, words)| {
            json!([
                kind,
                seconds,
                format!("{} {words}", units::duration(seconds))
            ])
        })
        .collect()
}

/// Limit of the points worth sampling for one transfer: a plot has about as many pixels.
pub const MAX_SAMPLES: usize = 400;
/// Share of the whole time from which on a wait is marked, as its divisor, and the least wait in nanoseconds. So there are
/// at most as many marks as the divisor.
const STALL_SHARE: i64 = 30;
const LEAST_STALL: i64 = 20_000_000;
/// Least points of a plot.
const LEAST_POINTS: usize = 4;
/// Limit of the points on a page.
const MAX_POINTS: usize = 100_000;
/// Window that is left in bytes below which a sender waits for more (RFC 9293 section 3.8.6.2.1).
const FULL_SEGMENT: u64 = 536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn point(seconds: u64, sent: u64, acknowledged: u64, window_end: u64) -> SamplePoint {
        SamplePoint {
            time: Timestamp::from_parts(seconds, 0),
            sent,
            acknowledged,
            window_end: Some(window_end),
            retransmitted: 0,
            holes: 0,
            late: 0,
            zero_window: false,
        }
    }

    #[test]
    fn time_is_charged_to_what_the_next_bytes_waited_for() {
        let mut lost = point(10, 9_000, 5_000, 90_000);
        lost.retransmitted = 1_000;
        let points = [
            point(0, 1_000, 1_000, 90_000),
            point(4, 5_000, 1_000, 90_000),
            point(5, 8_000, 5_000, 90_000),
            lost,
            point(11, 90_000, 9_000, 90_000),
            point(19, 91_000, 91_000, 190_000),
        ];
        let expected = Waits {
            receiver: 8.0,
            loss: 5.0,
            sender: 4.0,
            path: 2.0,
        };
        assert_eq!(waits(&points), Some(expected));
        let words = waits_in_words(Some(expected), "server", "client");
        assert_eq!(words[0][2], "8.0 s for the client, whose window was full");
        assert_eq!(words.len(), 4);
    }

    #[test]
    fn capture_of_the_sender_alone_shows_no_cause() {
        let points = [point(0, 1_000, 0, 0), point(4, 5_000, 0, 0)];
        assert_eq!(waits(&points), None);
        assert!(waits_in_words(None, "server", "client").is_empty());
    }
}
