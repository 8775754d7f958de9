//! Where a fact was seen.

use super::Timestamp;

/// One packet of the input: when it was captured and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameRef {
    /// Capture time.
    pub time: Timestamp,
    /// Number over the merged timeline, from 1, as Wireshark shows it.
    pub number: u64,
    /// Which input it came from: index into the report's `captures`.
    pub capture: u32,
    /// Number within that input, from 1.
    pub capture_number: u64,
}
