//! Where a fact was seen.

use std::num::NonZeroU64;

use super::Timestamp;

/// One packet of the input: when it was captured and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameRef {
    /// Capture time.
    pub time: Timestamp,
    /// Number over the merged timeline, from 1, as Wireshark shows it.
    pub number: u64,
    /// Which input it came from, and where it stands there.
    pub place: CapturePlace,
}

/// A packet's input and its number there, in one word that is never zero: every connection keeps many frames, and those that
/// may be missing take no more room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CapturePlace(NonZeroU64);

impl FrameRef {
    /// Which input it came from: index into the report's `captures`.
    #[must_use]
    pub const fn capture(&self) -> u32 {
        self.place.capture()
    }

    /// Number within that input, from 1.
    #[must_use]
    pub const fn capture_number(&self) -> u64 {
        self.place.number()
    }
}

impl CapturePlace {
    /// Packet `number`, from 1, of the input with index `capture`: the last that can be told where it is beyond 2^40 packets
    /// or 2^24 inputs.
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
        // The number is kept one higher, so that the word is not zero.
        let word = ((capture as u64) << NUMBER_BITS) | number;
        Self(NonZeroU64::MIN.saturating_add(word))
    }

    /// Index of the input.
    #[must_use]
    pub const fn capture(self) -> u32 {
        ((self.0.get() - 1) >> NUMBER_BITS) as u32
    }

    /// Number within the input, from 1.
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

const NUMBER_BITS: u32 = 40;
const NUMBER_MAX: u64 = (1 << NUMBER_BITS) - 1;
/// One less than 24 bits can say, so that the word has room to be one higher.
const CAPTURE_MAX: u32 = (1 << (u64::BITS - NUMBER_BITS)) - 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_tells_its_input_and_number() {
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
    fn what_is_beyond_the_bounds_is_the_last_that_can_be_told() {
        let place = CapturePlace::new(u32::MAX, u64::MAX);
        assert_eq!((place.capture(), place.number()), (CAPTURE_MAX, NUMBER_MAX));
    }

    #[test]
    fn a_frame_that_may_be_missing_takes_no_more_room() {
        assert_eq!(size_of::<Option<FrameRef>>(), size_of::<FrameRef>());
    }
}
