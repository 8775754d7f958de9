//! DNS lookups of FTP servers.
//!
//! ```text
//! UDP or TCP payload ──> message (simple-dns) ──> names: latest lookup by client and address
//! ```

/// Server port of DNS, UDP and TCP (RFC 1035 section 4.2).
pub const DNS_PORT: u16 = 53;

mod message;
mod names;

pub use message::{Answer, Message, Question, parse_message};
pub use names::{Lookup, Names};
