//! The grammar of FTP: bytes in, values out.
//!
//! ```text
//! chunks -> line -> telnet -> command | reply        the control connection
//!                              ├ data_address        PORT, PASV, EPRT, EPSV, LPRT, LPSV
//!                              ├ claims              sizes and digests in the text of replies
//!                              └ path                names, directories, 257
//! bytes  -> listing | facts                          LIST, NLST, MLSD
//! bytes  -> representation -> bytes                  MODE, STRU, TYPE: what the file is
//! ```

mod claims;
mod command;
mod data_address;
pub mod facts;
mod line;
pub mod listing;
pub mod path;
mod reply;
mod reply_codes;
pub mod representation;
mod telnet;

pub use claims::{
    Algorithm, ClaimedDigest, claimed_digest, kilobytes_to_download, transferred_size,
};
pub use command::{ParsedCommand, Verb, parse_command};
pub use data_address::{
    ExtendedPassive, extended_passive_reply, extended_port_argument, long_address, passive_reply,
    port_argument,
};
pub use line::{Line, LineAssembler};
pub use reply::{ParsedReply, ReplyAssembler, ReplyLine, announced_size, reply_code, size_reply};
pub use telnet::strip as strip_telnet;
