//! Correlation: the single owner of all FTP state.
//!
//! In: ordered bytes of connections and DNS datagrams. Out: events, and the bytes of transfers.
//!
//! ```text
//! StreamHandler ── dispatch, recognise    which connection is what, and whom it concerns
//!   ├─ control     one Session each
//!   │    ├─ control_lines  bytes -> lines -> commands, replies
//!   │    ├─ pairing        which command a reply answers; resynchronise where one is lost, late or doubled
//!   │    ├─ answers        what a reply changes
//!   │    ├─ login, steps   who, and what a person would call it
//!   │    └─ transfer       negotiations, transfers -> settle -> completeness
//!   │         └─ known_sizes, file_evidence    what replies and listings say of the same file, before and after
//!   ├─ connections, data_channel   bytes of data connections -> content
//!   │    └─ encrypted_stream   what passes where nobody announced it
//!   ├─ encryption, handshake   TLS on the control connection, seen from outside
//!   ├─ encrypted_data, encrypted_roles   tie data connections to sessions whose commands cannot be read
//!   ├─ standing            what a connection is, for whoever keeps packets
//!   ├─ progress            what is told by the clock while packets come as they happen
//!   ├─ trouble             what only packets tell, for the findings
//!   ├─ trace               segment by segment, for diagrams, where they are asked for
//!   ├─ data_roles, expectation, link   ties the others to theirs, and how sure that is
//!   │    └─ shared_connection   several files on one
//!   └─ early_data, early_roles   keeps for a while what may be announced later
//! ```

mod answers;
mod commands;
mod completeness;
mod connections;
mod content;
mod control;
mod control_lines;
mod data_channel;
mod data_roles;
mod decoding;
mod dispatch;
mod dns_streams;
mod early_data;
mod early_roles;
mod encrypted_data;
mod encrypted_roles;
mod encrypted_stream;
mod encryption;
mod expectation;
mod facts;
mod file_evidence;
mod finish;
mod handshake;
mod inferred;
mod known_sizes;
mod line_ends;
mod link;
mod listing_text;
mod listings;
mod login;
mod lost_lines;
mod pairing;
mod progress;
mod recognise;
mod replies;
mod resynchronise;
mod secrets;
mod sessions_by_hosts;
mod settle;
mod shared;
mod shared_connection;
mod standing;
mod steps;
mod title;
mod told_list;
mod trace;
mod tracker;
mod transfer;
mod transfer_record;
mod trouble;
mod unmatched;
mod unreachable;

pub use shared::Options;
pub use standing::{Origin, Standing};
pub use tracker::{PacketCounts, SessionTracker};
