//! Options of a run.

use crate::model::Limits;
use crate::model::trace::Tracing;

/// Options of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Show secrets as they were sent.
    pub show_passwords: bool,
    /// MD5 beside SHA-256.
    pub md5: bool,
    /// SHA-1 beside SHA-256.
    pub sha1: bool,
    /// Decode the line ends of TYPE A.
    pub text_lines: bool,
    /// Segments to record for diagrams.
    pub tracing: Tracing,
    /// Packets are read as they happen: the progress of long transfers is emitted, and warnings about the input at once.
    pub live: bool,
    /// Limits of every store.
    pub limits: Limits,
}
