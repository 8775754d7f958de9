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

pub(super) mod answers;
pub(super) mod commands;
pub(super) mod control_lines;
pub(super) mod course;
pub(super) mod end_state;
pub(super) mod inferred;
pub(super) mod login;
pub(super) mod lost_commands;
pub(super) mod lost_lines;
pub(super) mod pairing;
pub(super) mod replies;
pub(super) mod resynchronise;
pub(super) mod secrets;
pub(super) mod steps;
pub(super) mod title;
pub(super) mod told_list;
