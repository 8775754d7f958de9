//! Pure parsers: bytes in, values out; no flows, no sessions.

pub mod community_id;
pub mod dns;
pub mod ftp;
pub mod tls;
