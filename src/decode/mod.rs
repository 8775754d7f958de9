//! Packets become TCP segments and UDP datagrams.
//!
//! ```text
//! Packet -> link (Ethernet, SLL, loopback, raw) -> tags (VLAN) -> network (IPv4, IPv6) -> transport (TCP, UDP)
//! ```

mod segment;

pub use segment::{Datagram, Segment, TcpFlags};
