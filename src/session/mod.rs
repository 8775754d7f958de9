//! Sessions: the single owner of all FTP state, from ordered bytes to events.
//!
//! In: ordered bytes and gaps of flows, DNS datagrams, ICMP errors, the clock. Out: events, and the bytes of transfers.
//!
//! ```text
//! StreamHandler ─> tracker          the role of each flow; sessions by number; flows of data, early data, encrypted data
//!   └─> ftp_session                 one session: owns the parts below, and passes outcomes between them in `apply`
//!         ├─ encrypted              TLS seen from outside: which bytes are lines; data connections that no line announces
//!         ├─ dialogue               lines -> commands and replies, paired; what a gap hides
//!         ├─ server_state           login, directory, representation, restart, rename, known files; one place that resets
//!         ├─ negotiation            PORT, PASV and their kin: announce, in force, used, retired; expectations, confidence
//!         ├─ transfers              command -> turn -> replies -> facts -> completeness -> record
//!         ├─ steps                  commands grouped into what a person calls a step, with a title
//!         └─ secrets, anomalies, record, connection   what is hidden; what only packets show; the session and its
//!                                       connections as records
//! data                              bytes of data connections -> content, digests, decoding; several files on one
//! shared                            outputs, limits, expectations, names, data channels: what all sessions share
//! ```
//!
//! No part knows the session or another part's fields; the compiler holds that, since fields are private. Two walks show the
//! order in which rooms are entered, each once:
//!
//! **A 227 reply and its data connection.** `tracker/dispatch` gives the bytes to `Session::on_data`; `encrypted` finds them clear;
//! `dialogue` completes the line, pairs the reply with PASV and returns `ReplyTo`; `Session::apply` asks `server_state::effects`
//! for the end point and passes it to `negotiation`, which registers an expectation. When the client's SYN comes,
//! `tracker/data_flows` finds that expectation, makes a channel in `data`, and reports it by `on_data_opened`;
//! `negotiation` binds it, and `transfers` claims it when the turn of RETR comes.
//!
//! **A control line and the title of its step.** `tracker/dispatch` -> `Session::on_data` -> `dialogue` (`Command`, then `ReplyTo`) ->
//! `server_state` -> `transfers` (settled: record and note) -> `steps::log` (complete: in order) -> `steps::title` -> event.

mod anomalies;
mod by_number;
mod connection;
mod data;
mod dialogue;
mod encrypted;
mod ftp_session;
mod ident;
mod negotiation;
mod record;
mod secrets;
mod server_state;
mod sessions_by_hosts;
mod shared;
mod steps;
mod tracker;
mod transfers;
mod unreachable;

use crate::model::Limits;
use crate::model::trace::Tracing;
use crate::protocol::tls::decryption::SecretSources;
pub use tracker::{Origin, PacketCounts, SessionTracker, Standing};

/// Options of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Show secrets as they were sent.
    pub show_passwords: bool,
    /// Leave out SHA-256, for runs whose report nobody reads.
    pub omit_sha256: bool,
    /// MD5 beside SHA-256.
    pub md5: bool,
    /// SHA-1 beside SHA-256.
    pub sha1: bool,
    /// Decode the line ends of TYPE A.
    pub text_lines: bool,
    /// Segments to record for diagrams.
    pub tracing: Tracing,
    /// Packets are read as they happen: the progress of long transfers is emitted, and warnings about the input at once.
    pub live: bool,
    /// Threads for digests of large files beside the one that analyzes; 0 and 1 for none. Changes speed only.
    pub threads: usize,
    /// TLS secrets that are known before the run.
    pub secrets: SecretSources,
    /// Limits of every store.
    pub limits: Limits,
}
