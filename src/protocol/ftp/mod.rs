//! The grammar of FTP: bytes in, values out.
//!
//! ```text
//! control connection
//!   chunks ──> line (with Telnet) ─┬─> command     verb, argument, replies that a verb may receive
//!                                  └─> reply       code, lines
//!                                       ├ data_address   PORT, PASV, EPRT, EPSV, LPRT, LPSV
//!                                       ├ claims         sizes and digests in the text of replies
//!                                       └ path           names, directories, 257
//! data connection
//!   bytes ──> representation ──> bytes             MODE, STRU, TYPE
//!   bytes ──> listing ──> entries                  LIST, NLST, MLSD (listing::facts), STAT
//! either
//!   ports                                          21, 20, 990, 989, and ports of other services
//! ```
//!
//! A new command gets a line in the table of verbs (`command`), its replies in [`Verb::may_get`] and
//! [`Verb::usually_gets`], and a parser for its argument or reply if that has a form of its own.

mod claims;
mod command;
mod data_address;
mod line;
pub mod listing;
pub mod path;
mod ports;
mod reply;
pub mod representation;

pub use claims::{
    Algorithm, ClaimedDigest, claimed_digest, kilobytes_to_download, transferred_size,
    whole_file_argument,
};
pub use command::{
    ParsedCommand, Verb, allocated_size, is_anonymous, is_tls_mechanism, parse_command,
};
pub use data_address::{
    ExtendedPassive, extended_passive_reply, extended_port_argument, long_address, passive_reply,
    port_argument,
};
pub use line::{Line, LineAssembler, strip_telnet};
pub use listing::facts;
pub use ports::{
    FTP_CONTROL_PORT, FTP_DATA_PORT, FTPS_CONTROL_PORT, FTPS_DATA_PORT, is_data_port, is_ephemeral,
    is_known_service,
};
pub use reply::{
    ParsedReply, ReplyAssembler, ReplyLine, announced_size, completes_transfer, first_text_line,
    reply_code, size_reply,
};
