//! What a run of the session layer is asked for.

use crate::model::Limits;
use crate::model::trace::Tracing;

/// What the tracker is asked to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Secrets as they were sent.
    pub show_passwords: bool,
    /// MD5 beside SHA-256.
    pub md5: bool,
    /// SHA-1 beside SHA-256.
    pub sha1: bool,
    /// Decode the line ends of TYPE A.
    pub text_lines: bool,
    /// Which segments diagrams want.
    pub tracing: Tracing,
    /// CRC-32 as well, to compare with XCRC; set once a server is seen to know that command.
    pub crc32: bool,
    /// Packets come as they happen: the progress of long transfers is told.
    pub live: bool,
    /// There is more than one capture, so that frames also say which.
    pub several_captures: bool,
    /// Bounds.
    pub limits: Limits,
}
