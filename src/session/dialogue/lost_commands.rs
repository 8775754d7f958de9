//! A hole in what the client said.

use crate::model::FrameRef;

/// Commands of which the capture holds nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LostCommands {
    /// The last that was captured before them.
    pub(crate) after: FrameRef,
    /// Bytes of the hole.
    pub(crate) length: u64,
}
