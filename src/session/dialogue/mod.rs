//! The control connection: what was said, who answered what, and what a person would call it.
//!
//! In: bytes of a control connection, in order, and where some are missing. Out: steps, and what the session knows by them.
//!
//! ```text
//! bytes -> control_lines -> commands ──> steps, title ──> told_list
//!                       \-> replies ──> pairing ──> answers: login, directory, negotiations
//!                                           └─ resynchronise, lost_lines, inferred   where lines are missing
//! ```
//!
//! Secrets are hidden here, before anything is told ([`secrets`]).

pub(crate) mod commands;
pub(crate) mod control_lines;
pub(crate) mod course;
pub(crate) mod end_state;
pub(crate) mod lost_commands;
pub(crate) mod pairing;
pub(crate) mod replies;
pub(crate) mod resynchronise;
