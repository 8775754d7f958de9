//! Places of facts in the input: which packet, of which capture.

use std::num::NonZeroU64;

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
    /// Returns the place of `frame`, or an empty one unless there are several captures.
    #[must_use]
    pub fn of(frame: FrameRef, several_captures: bool) -> Self {
        Self {
            capture: several_captures.then(|| frame.capture()),
            capture_frame: several_captures.then(|| frame.capture_number()),
        }
    }
}

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

    #[test]
    fn optional_frame_is_as_small_as_a_frame() {
        assert_eq!(size_of::<Option<FrameRef>>(), size_of::<FrameRef>());
    }
}
