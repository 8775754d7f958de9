//! TLS as far as it can be read without keys: which version, which cipher suite, which server, resumed or not.
//!
//! ```text
//! bytes of one direction ──> record (splits records) ──> hello (joins messages, reads the hellos)
//!                                                         └─ cipher_suite (names)
//! ```
//!
//! Bytes come in any pieces; what is kept is bounded. Anything that is not TLS ends the reading quietly.

pub mod cipher_suite;
pub mod hello;
pub mod record;
