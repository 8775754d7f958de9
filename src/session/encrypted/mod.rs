//! Sessions whose commands cannot be read: TLS and GSSAPI, seen from outside.
//!
//! In: bytes that are no lines, and connections between the hosts of such a session. Out: the facts of the handshake, the lines
//! after a CCC, and records of the data connections.
//!
//! ```text
//! control connection ─> encryption ───────┬─> Handshake, lines in clear
//!                       tls_filter: records ┤
//! data connections ──> encrypted_data ────┴─> records with a confidence
//! ```

pub(crate) mod encrypted_data;
pub(crate) mod encryption;
pub(crate) mod tls_filter;
pub(crate) mod tls_record;
