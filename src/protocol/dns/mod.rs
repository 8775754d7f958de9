//! Lookups of FTP servers: DNS, multicast DNS and LLMNR.
//!
//! ```text
//! UDP or TCP payload ──> message (simple-dns) ──> names: latest lookup by client and address
//! ```
//!
//! All three have the message of DNS. They differ in who gets the response:
//!
//! | | query to | response to | belongs to |
//! | --- | --- | --- | --- |
//! | DNS (RFC 1035) | resolver | client | the client |
//! | LLMNR (RFC 4795) | group, port 5355 | client | the client |
//! | multicast DNS (RFC 6762) | group, port 5353 | group, mostly | hosts that asked for the name, and all others of the link |
//!
//! A lookup holds for the longer of its TTL and a minute: clients may keep an answer as long as its TTL, and take longer than
//! a short TTL to connect.

/// Server port of DNS, UDP and TCP (RFC 1035 section 4.2).
pub const DNS_PORT: u16 = 53;
/// Port of multicast DNS (RFC 6762 section 5).
pub const MULTICAST_DNS_PORT: u16 = 5353;
/// Port of LLMNR (RFC 4795 section 2).
pub const LLMNR_PORT: u16 = 5355;

mod message;
mod names;

pub use message::{Answer, Message, Question, parse_message, parse_multicast_message};
pub use names::{Lookup, Names};
