//! Sessions whose commands cannot be read: TLS and GSSAPI, seen from outside.
//!
//! In: bytes that are no commands. Out: facts of the handshake, and data connections tied to their sessions.
//!
//! ```text
//! encryption ──> handshake                 the control connection
//! encrypted_roles ──> encrypted_stream ──> encrypted_data
//! ```

pub(crate) mod data_connections;
pub(crate) mod encrypted_data;
pub(crate) mod encryption;
pub(crate) mod handshake;
