//! Handmade traffic and other helpers of the tests.
//!
//! In: what a client and a server say. Out: the bytes of a classic pcap file, the same on every run.
//!
//! ```text
//! Conversation (FTP dialogue) -> Connection (TCP, both ends) -> Wire (frames with times) -> pcap bytes
//! ```
//!
//! [`classic`] has the textbook session, [`specimens`] one capture for each way in which other tools lose a file.

#[cfg(unix)]
pub(crate) mod browser;
pub(crate) mod classic;
pub(crate) mod connection;
pub(crate) mod containers;
pub(crate) mod conversation;
pub(crate) mod extraction;
pub(crate) mod folder;
pub(crate) mod recording;
pub(crate) mod report;
pub(crate) mod specimens;
pub(crate) mod wire;
pub(crate) mod wrapping;
