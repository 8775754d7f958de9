//! One end of a control connection, between two of its bytes.

use crate::model::FrameRef;

/// What one end's stream is at this point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct EndState {
    /// The next line may be the rest of a line whose beginning was lost.
    pub(in crate::session) after_gap: bool,
    /// The next lines may be the rest of a reply whose beginning was lost.
    pub(in crate::session) within_reply: bool,
    /// A byte was seen.
    pub(in crate::session) spoke: bool,
    /// Where the last byte arrived.
    pub(in crate::session) heard: FrameRef,
}
