//! The grammar of FTP: bytes in, values out.
//!
//! ```text
//! chunks -> line -> telnet -> command | reply        the control connection
//!                              ├ data_address        PORT, PASV, EPRT, EPSV, LPRT, LPSV
//!                              ├ claims              sizes and digests in the text of replies
//!                              └ path                names, directories, 257
//! bytes  -> listing | facts                          LIST, NLST, MLSD
//! ports                                              21, 20, 990, 989, and ports that are not FTP's
//! bytes  -> representation -> bytes                  MODE, STRU, TYPE: what the file is
//! ```

mod claims;
mod command;
mod data_address;
pub mod facts;
mod line;
pub mod listing;
pub mod path;
mod ports;
mod reply;
mod reply_codes;
pub mod representation;
mod telnet;

pub use claims::{
    Algorithm, ClaimedDigest, claimed_digest, kilobytes_to_download, transferred_size,
    whole_file_argument,
};
pub use command::{ParsedCommand, Verb, allocated_size, is_tls_mechanism, parse_command};
pub use data_address::{
    ExtendedPassive, extended_passive_reply, extended_port_argument, long_address, passive_reply,
    port_argument,
};
pub use line::{Line, LineAssembler};
pub use ports::{
    FTP_CONTROL_PORT, FTP_DATA_PORT, FTPS_CONTROL_PORT, FTPS_DATA_PORT, is_data_port, is_ephemeral,
    is_known_service,
};
pub use reply::{
    ParsedReply, ReplyAssembler, ReplyLine, announced_size, completes_transfer, first_text_line,
    reply_code, size_reply,
};
pub use telnet::strip as strip_telnet;
