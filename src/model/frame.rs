//! Places of facts in the input: which packet, of which capture.
//!
//! A record keeps the number of a frame over all captures. With more than one capture a person needs the number within
//! the frame's own file too:
//!
//! ```text
//! FrameRef ─┬─> Place, CaptureFrame   beside each frame of a record, where the `FrameRef` is at hand
//!           ├─> PlaceIndex            for the frames of findings, of which only numbers are kept
//!           └─> CaptureSpans          the captures of one connection, for display filters
//! ```

use std::collections::VecDeque;
use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// One packet of the input: its capture time and its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameRef {
    /// Capture time.
    pub time: Timestamp,
    /// Number over the merged timeline of all inputs, from 1, as Wireshark shows it; 0 if no packet is meant.
    pub number: u64,
    /// The input and the number within it.
    pub place: CapturePlace,
}

/// Index of an input and packet number within it, in one word.
// Never zero, so that `Option<FrameRef>` is as small as `FrameRef`: every connection keeps many of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CapturePlace(NonZeroU64);

/// Place of a frame within its own capture, as the report writes it. Empty with a single capture, in which
/// [`FrameRef::number`] says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index into the report's `captures`; `None` with a single capture.
    pub capture: Option<u32>,
    /// Frame number within that capture, from 1; `None` with a single capture.
    pub capture_frame: Option<u64>,
}

/// A frame by its own capture, as the report writes it beside a number over all captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaptureFrame {
    /// Index into the report's `captures`.
    pub capture: u32,
    /// Frame number within that capture, from 1.
    pub capture_frame: u64,
}

/// A frame that a sentence names, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedFrame {
    /// Number over all captures, as in the sentence.
    pub frame: u64,
    /// Place of the frame.
    #[serde(flatten)]
    pub place: CaptureFrame,
}

/// Splits a sentence at the frames that it names: each part ends with `frame `, and the number, if one follows, begins the
/// next. Sentences about frames are written by ftpscope; a reply quoted in one may look like it and is harmless.
pub fn split_at_frames(sentence: &str) -> impl Iterator<Item = (&str, Option<u64>, &str)> {
    let parts = sentence.split_inclusive("frame ");
    let mut is_named = false;
    parts.map(move |part| {
        let was_named = std::mem::replace(&mut is_named, part.ends_with("frame "));
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(if was_named { digits } else { 0 });
        (number, number.parse().ok(), rest)
    })
}

impl From<FrameRef> for CaptureFrame {
    fn from(frame: FrameRef) -> Self {
        Self {
            capture: frame.capture(),
            capture_frame: frame.capture_number(),
        }
    }
}

impl FrameRef {
    /// Returns the index of the input in the report's `captures`.
    #[must_use]
    pub const fn capture(&self) -> u32 {
        self.place.capture()
    }

    /// Returns the packet number within that input, from 1.
    #[must_use]
    pub const fn capture_number(&self) -> u64 {
        self.place.number()
    }
}

impl CapturePlace {
    /// Packs packet `number`, from 1, of the input with index `capture`. Values from 2^40 packets or 2^24 inputs on
    /// saturate.
    #[inline]
    #[must_use]
    pub const fn new(capture: u32, number: u64) -> Self {
        let capture = if capture > CAPTURE_MAX {
            CAPTURE_MAX
        } else {
            capture
        };
        let number = if number > NUMBER_MAX {
            NUMBER_MAX
        } else {
            number
        };
        // Stored one higher, so that the word is not zero.
        let word = ((capture as u64) << NUMBER_BITS) | number;
        Self(NonZeroU64::MIN.saturating_add(word))
    }

    /// Returns the index of the input.
    #[must_use]
    pub const fn capture(self) -> u32 {
        ((self.0.get() - 1) >> NUMBER_BITS) as u32
    }

    /// Returns the packet number within the input, from 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        (self.0.get() - 1) & NUMBER_MAX
    }
}

impl Default for CapturePlace {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl std::fmt::Debug for CapturePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.capture(), self.number())
    }
}

impl Place {
    /// Returns the place of a record's frame; `None` with a single capture.
    #[must_use]
    pub fn known(capture: Option<u32>, capture_frame: Option<u64>) -> Option<CaptureFrame> {
        Some(CaptureFrame {
            capture: capture?,
            capture_frame: capture_frame?,
        })
    }

    /// Returns the place of `frame`, or an empty one unless there are several captures.
    #[must_use]
    pub fn of(frame: FrameRef, several_captures: bool) -> Self {
        Self {
            capture: several_captures.then(|| frame.capture()),
            capture_frame: several_captures.then(|| frame.capture_number()),
        }
    }
}

/// First and last packet of a connection in each capture, of a connection that is in more than one.
///
/// Up to 256 captures are named, the first ones and the last.
#[derive(Clone, Debug, Default)]
pub struct CaptureSpans {
    /// First and last frame, in order of the captures.
    spans: Vec<(FrameRef, FrameRef)>,
    omitted: u64,
}

impl CaptureSpans {
    /// Records a packet.
    pub fn note(&mut self, frame: FrameRef) {
        let found = self
            .spans
            .binary_search_by_key(&frame.capture(), |(first, _)| first.capture());
        match found {
            Ok(at) => {
                if let Some((first, last)) = self.spans.get_mut(at) {
                    if frame.number < first.number {
                        *first = frame;
                    }
                    if frame.number > last.number {
                        *last = frame;
                    }
                }
            }
            Err(at) if self.spans.len() < MAX_SPANS => self.spans.insert(at, (frame, frame)),
            // The last capture stays known: it has the end of the connection.
            Err(at) if at == MAX_SPANS => {
                self.omitted += 1;
                self.spans.pop();
                self.spans.push((frame, frame));
            }
            // A capture that was counted as omitted before.
            Err(_) => {}
        }
    }

    /// Returns the first and the last frame in each capture, in order of the captures.
    #[must_use]
    pub fn spans(&self) -> &[(FrameRef, FrameRef)] {
        &self.spans
    }

    /// Returns the number of captures that are not named.
    #[must_use]
    pub const fn omitted(&self) -> u64 {
        self.omitted
    }
}

/// Captures named of one connection.
const MAX_SPANS: usize = 256;

/// Places of frames by their numbers over all captures.
///
/// Frames that follow each other in one capture take one entry, so that captures which do not overlap in time need
/// hardly any memory. Beyond 262,144 entries (6 MiB) the oldest are evicted.
#[derive(Debug, Default)]
pub struct PlaceIndex {
    /// In order of frames.
    runs: VecDeque<Run>,
}

/// Frames that follow each other in one capture.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    last: u64,
    /// Place of the first.
    place: CapturePlace,
}

impl Run {
    /// Returns whether a frame is of the same capture as all frames between it and the first of the run: both numbers
    /// grew by the same amount.
    fn reaches(&self, frame: FrameRef) -> bool {
        let ahead = frame.number.checked_sub(self.first);
        frame.capture() == self.place.capture()
            && ahead.is_some()
            && ahead == frame.capture_number().checked_sub(self.place.number())
    }
}

impl PlaceIndex {
    /// Records the place of a frame.
    pub fn note(&mut self, frame: FrameRef) {
        if let Some(latest) = self.runs.back_mut()
            && frame.number >= latest.first
        {
            if latest.reaches(frame) {
                latest.last = latest.last.max(frame.number);
                return;
            }
            if frame.number > latest.last {
                self.insert(self.runs.len(), frame);
            }
            return;
        }
        // A frame of the past, such as the SYN of a connection that was recognized late.
        if self.find(frame.number).is_none() {
            let at = self.runs.partition_point(|run| run.first <= frame.number);
            self.insert(at, frame);
        }
    }

    /// Returns the place of a frame; `None` if it was not recorded, or evicted.
    #[must_use]
    pub fn find(&self, number: u64) -> Option<CaptureFrame> {
        let after = self.runs.partition_point(|run| run.first <= number);
        let run = self.runs.get(after.checked_sub(1)?)?;
        (number <= run.last).then(|| CaptureFrame {
            capture: run.place.capture(),
            capture_frame: run.place.number().saturating_add(number - run.first),
        })
    }

    fn insert(&mut self, at: usize, frame: FrameRef) {
        let run = Run {
            first: frame.number,
            last: frame.number,
            place: frame.place,
        };
        self.runs.insert(at, run);
        if self.runs.len() > MAX_RUNS {
            self.runs.pop_front();
        }
    }
}

/// Entries of the index.
const MAX_RUNS: usize = 1 << 18;

const NUMBER_BITS: u32 = 40;
const NUMBER_MAX: u64 = (1 << NUMBER_BITS) - 1;
/// Highest index of an input: one less than 24 bits hold, since the word is stored one higher.
const CAPTURE_MAX: u32 = (1 << (u64::BITS - NUMBER_BITS)) - 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_place_returns_the_input_and_number_it_was_made_of() {
        for (capture, number) in [
            (0, 0),
            (0, 1),
            (7, 12_345_678_901),
            (CAPTURE_MAX, NUMBER_MAX),
        ] {
            let place = CapturePlace::new(capture, number);
            assert_eq!((place.capture(), place.number()), (capture, number));
        }
    }

    #[test]
    fn capture_place_saturates_beyond_its_bits() {
        let place = CapturePlace::new(u32::MAX, u64::MAX);
        assert_eq!((place.capture(), place.number()), (CAPTURE_MAX, NUMBER_MAX));
    }

    /// Returns frame `number`, which is packet `own` of a capture.
    fn frame(number: u64, capture: u32, own: u64) -> FrameRef {
        FrameRef {
            number,
            place: CapturePlace::new(capture, own),
            ..FrameRef::default()
        }
    }

    #[test]
    fn index_finds_each_recorded_frame_and_no_other() {
        let mut index = PlaceIndex::default();
        // Captures 0 and 1 alternate up to frame 8; then capture 1 goes on alone.
        let frames = [
            (1, 0, 1),
            (3, 0, 2),
            (4, 1, 2),
            (7, 0, 4),
            (9, 1, 5),
            (12, 1, 8),
        ];
        for (number, capture, own) in frames {
            index.note(frame(number, capture, own));
        }
        // Late, and twice.
        index.note(frame(2, 1, 1));
        index.note(frame(3, 0, 2));
        let found = |number| {
            index
                .find(number)
                .map(|place| (place.capture, place.capture_frame))
        };
        assert_eq!(found(1), Some((0, 1)));
        assert_eq!(found(2), Some((1, 1)));
        assert_eq!(found(3), Some((0, 2)));
        assert_eq!(found(4), Some((1, 2)));
        assert_eq!(found(7), Some((0, 4)));
        assert_eq!(found(11), Some((1, 7)), "between two of one capture");
        assert_eq!(
            (found(0), found(5), found(8), found(13)),
            (None, None, None, None)
        );
        assert_eq!(index.runs.len(), 6);
    }

    #[test]
    fn index_beyond_its_bound_forgets_the_oldest() {
        let mut index = PlaceIndex::default();
        for number in 1..=MAX_RUNS as u64 + 2 {
            index.note(frame(number, (number % 2) as u32, number / 2 + 1));
        }
        assert_eq!(index.runs.len(), MAX_RUNS);
        assert!(index.find(2).is_none() && index.find(3).is_some());
    }

    #[test]
    fn spans_beyond_their_bound_keep_the_first_captures_and_the_last() {
        let mut spans = CaptureSpans::default();
        for round in 0..2 {
            for capture in 0..300_u32 {
                let own = u64::from(capture) + round * 300 + 1;
                spans.note(frame(own, capture, own));
            }
        }
        let ends = |at: usize| {
            let (first, last) = spans.spans()[at];
            (first.capture(), first.number, last.number)
        };
        assert_eq!((spans.spans().len(), spans.omitted()), (256, 44));
        assert_eq!((ends(0), ends(255)), ((0, 1, 301), (299, 300, 600)));
    }

    #[test]
    fn optional_frame_is_as_small_as_a_frame() {
        assert_eq!(size_of::<Option<FrameRef>>(), size_of::<FrameRef>());
    }
}
