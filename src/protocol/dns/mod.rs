//! DNS as far as it names servers.
//!
//! `message` reads one message through simple-dns; `names` remembers who looked up what.

mod message;
mod names;

pub use message::{Answer, Message, Question, parse_message};
pub use names::{Lookup, Names};
