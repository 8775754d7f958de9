//! TLS: version, cipher suite, server name and resumption without keys; content with the secrets of a key log.
//!
//! ```text
//! bytes of one direction ──> record (splits records) ──> hello (joins messages, parses the hellos)
//!                                                         └─ cipher_suite (names)
//!                        ├─> alert (why a handshake ends)
//!                        └─> decryption (secrets and records to content)
//! ```
//!
//! Bytes come in pieces of any size; memory is bounded. Parsing stops without an error at anything that is not TLS.

pub mod alert;
pub mod cipher_suite;
pub mod decryption;
pub mod hello;
pub mod record;
