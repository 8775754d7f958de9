//! steps.

pub(crate) mod emitted;
pub(crate) mod inferred;
pub(crate) mod log;
pub(crate) mod title;
