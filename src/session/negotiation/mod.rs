//! negotiation.

pub(crate) mod confidence;
pub(crate) mod expectation;
