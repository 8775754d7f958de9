//! One end of a control connection, between two of its bytes.

use crate::model::FrameRef;

/// What one end's stream is at this point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndState {
    /// The next line may be the rest of a line whose beginning was lost.
    pub(crate) after_gap: bool,
    /// The next lines may be the rest of a reply whose beginning was lost.
    pub(crate) within_reply: bool,
    /// A byte was seen.
    pub(crate) spoke: bool,
    /// Where the last byte arrived.
    pub(crate) heard: FrameRef,
}
