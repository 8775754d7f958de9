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
    FollowedKeyLog, FurtherSecrets, Keyring, PrivateKeyError, SecretSources, SessionKey,
};

pub use suite::ClientFlight;

#[cfg(test)]
mod tests;
