//! What a run is asked for.

use crate::model::Limits;
use crate::model::trace::Tracing;

/// What a run is asked to do beside reading.
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
    /// Packets come as they happen: the progress of long transfers is told, and warnings about the input at once.
    pub live: bool,
    /// Bounds.
    pub limits: Limits,
}
