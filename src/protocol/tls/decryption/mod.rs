//! TLS opened with secrets: records of both directions in, content and content gaps out. Nothing here knows FTP.
//!
//! ```text
//! key logs, private keys ─> keyring ──────────────┐
//! bytes, gaps ─> connection ─ handshake messages ─> handshake ─ secrets ─> key_schedule ─ keys ─> protection
//!                    │                                                                              │
//!                    └── records, sequence numbers ─────────────────────────────────────────────────┴─> content
//! ```
//!
//! - A record counts as opened only where its tag or MAC is right. Nothing of a record that fails leaves this module.
//! - Keys follow from the handshake as captured: without both hellos there is no client random and no suite, so nothing opens.
//! - After a loss, records open again once their sequence number is found; the content bytes that were lost are counted.
//! - Each store is bounded: 64 KiB a handshake message, 256 KiB of records held until the other end's hello is captured.

mod connection;
mod half;
mod handshake;
mod key_log;
mod key_schedule;
mod keyring;
mod protection;
mod suite;

pub use connection::{Connection, Facts, ReadAlert, Receiver};
pub use key_log::{KeyLogReader, Label, Secret, SecretId, Unusable};
pub use keyring::{
    FollowedKeyLog, FurtherSecrets, Keyring, PrivateKeyError, SecretSources, SessionKey, Source,
};

pub use suite::ClientFlight;

/// Reason why not everything of a connection was opened, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// No secret of the connection is known.
    NoSecret,
    /// No record opens with the secrets that are known.
    WrongSecret,
    /// A hello was not captured, or a message that the keys depend on.
    HandshakeMissing,
    /// SSL, or a version that is not known.
    Version,
    /// A cipher suite that is not supported.
    Suite,
    /// Compressed records.
    Compression,
    /// Bytes are missing, and the sequence number behind them was not found.
    Gap,
    /// A record that does not open among others that do, or one that breaks the rules of TLS.
    Damaged,
    /// More than the limits allow.
    Limit,
    /// Secrets must not be used.
    Off,
}

/// Way in which an earlier TLS session was resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Session id (RFC 5246 section 7.3).
    SessionId,
    /// Ticket (RFC 5077).
    Ticket,
    /// Pre-shared key of TLS 1.3 (RFC 8446 section 2.2).
    Psk,
}

#[cfg(test)]
mod tests;
