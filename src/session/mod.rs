//! Correlation: the single owner of all FTP state.
//!
//! In: ordered bytes of connections and DNS datagrams. Out: events, and the bytes of transfers.
//!
//! ```text
//! StreamHandler ── tracker, dispatch, recognise    which connection is what, and whom it concerns
//!   ├─ control, finish    one Session each, from its first byte to its record
//!   │    ├─ dialogue/     bytes -> lines -> commands and replies, paired -> login, steps
//!   │    ├─ transfers/    negotiations and commands -> what was moved, whether it is whole, and why
//!   │    └─ encrypted/    TLS seen from outside; data connections of sessions whose commands cannot be read
//!   ├─ connections, data/ bytes of data connections -> content; which session they belong to, and how sure that is
//!   ├─ dns_streams, sessions_by_hosts, unreachable     names, hosts, and what ICMP says of them
//!   ├─ trouble            what only packets tell, for the findings
//!   ├─ standing           what a connection is, for whoever keeps packets
//!   ├─ progress           what is told by the clock while packets come as they happen
//!   └─ trace              segment by segment, for diagrams, where they are asked for
//! ```

mod anomalies;
mod by_number;
mod data;
mod dialogue;
mod encrypted;
mod ftp_session;
mod negotiation;
mod options;
mod record;
mod secrets;
mod server_state;
mod sessions_by_hosts;
mod shared;
mod steps;
mod tracker;
mod transfers;
mod unreachable;

pub use options::Options;
pub use tracker::{Origin, PacketCounts, SessionTracker, Standing};
