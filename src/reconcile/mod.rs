//! Servers' logs beside the wire: each claim of a log agrees, differs, stands alone, or cannot be compared.
//!
//! ```text
//! log (readers) ─> claim ─┐
//!                         ├─> clock ─> matching ─> judgement ─> answer (text, JSON, CSV, JUnit)
//! report ─> wire events ──┘
//! ```

pub mod claim;
pub mod log;
