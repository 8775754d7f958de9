//! A hole in what the client said.

use crate::model::FrameRef;

/// Commands of which the capture holds nothing.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct LostCommands {
    /// The last that was captured before them.
    pub(in crate::session) after: FrameRef,
    /// Bytes of the hole.
    pub(in crate::session) length: u64,
}
