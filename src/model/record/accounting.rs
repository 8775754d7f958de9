//! What became of every packet.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every packet in exactly one place: `used`, `dns`, `not_ftp`, the reasons of `not_decodable`, `filtered` and
/// `outside_time_bounds` add up to `packets` of the totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Accounting {
    /// Packets of control connections, data connections and connection attempts.
    pub used: u64,
    /// Packets of DNS, from which the names of servers are known.
    pub dns: u64,
    /// Packets that were decoded and are none of these. What a connection on another port than 21 sent before it was
    /// known to be FTP stays here, but for its opening.
    pub not_ftp: u64,
    /// Packets that could not be decoded, by reason: `encrypted`, `fragment` (of a datagram that is incomplete, or a
    /// second copy), `headers-cut`, `link-type-unsupported`, `malformed`, `too-many-layers`.
    pub not_decodable: BTreeMap<String, u64>,
    /// Packets that `-f` hid.
    pub filtered: u64,
    /// Packets that `--since` and `--until` hid.
    pub outside_time_bounds: u64,
    /// Packets of which only a part was captured; they are counted above as well.
    pub cut: u64,
    /// Packets with payload of FTP connections that were captured twice, as on a mirrored port: IPv4 packets with the same
    /// identification within 10 ms. They are counted above as well, and not in `retransmitted_bytes`.
    pub duplicates: u64,
}

impl Accounting {
    /// All packets, each once.
    #[must_use]
    pub fn packets(&self) -> u64 {
        let undecoded = self.not_decodable.values().copied();
        [
            self.used,
            self.dns,
            self.not_ftp,
            self.filtered,
            self.outside_time_bounds,
        ]
        .into_iter()
        .chain(undecoded)
        .fold(0, u64::saturating_add)
    }
}
