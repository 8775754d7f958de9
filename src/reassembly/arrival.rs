//! When a segment came.

use crate::model::FrameRef;

/// The frame a segment came in, and whether that tells the order in which things were sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrival {
    /// The frame.
    pub(super) frame: FrameRef,
    /// It came before what it answers, waited for that in the [`waiting room`](super::waiting_room), and got it. Its bytes may
    /// wait on behind a hole.
    pub(super) waited: bool,
}
