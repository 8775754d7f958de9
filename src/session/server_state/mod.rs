//! server_state.

pub(crate) mod effects;
pub(crate) mod known_sizes;
pub(crate) mod login;
pub(crate) mod lost_lines;
pub(crate) mod representation;
