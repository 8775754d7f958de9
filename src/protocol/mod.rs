//! Pure parsers: bytes in, values out; no flows, no sessions.
//!
//! - [`ftp`]: commands, replies, addresses, listings, representations of files
//! - [`tls`]: records and hellos, without keys
//! - [`dns`]: lookups of addresses, and the names behind addresses
//! - [`proxy`]: what stands in front of a connection through a proxy or load balancer
//! - [`other`]: protocols that are not FTP, by their first bytes
//! - [`community_id`]: a name for a connection that other tools share
//! - [`uid`]: names of connections and files that are the same in every run
//!
//! Parsers never fail on hostile input: they return `None`, or the part that is well formed.

pub mod community_id;
pub mod dns;
pub mod ftp;
pub mod other;
pub mod proxy;
pub mod tls;
pub mod uid;
