//! End points, and the pairs of them that name a connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An IP address and a port, compact and quick to compare.
///
/// IPv4 is stored as an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), so that comparing and hashing are integer
/// operations. [`Address`] is the form for the report.
// Packed: every connection has many of these, and a third of each would be padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(2))]
pub struct Endpoint {
    /// Address as a 128-bit number in IPv6 form; the first byte on the wire is the most significant.
    pub address: u128,
    /// TCP or UDP port.
    pub port: u16,
}

/// An IP address and a port as the report writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// IPv4 or IPv6 address.
    pub ip: IpAddr,
    /// TCP or UDP port.
    pub port: u16,
}

/// Two hosts, lower address first; equal for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPair {
    /// Lower address in [`Endpoint::address`] form.
    pub low: u128,
    /// Higher address in [`Endpoint::address`] form.
    pub high: u128,
}

/// The two end points of a connection, lower one first; equal for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Lower end point, by address and then port.
    pub low: Endpoint,
    /// Higher end point.
    pub high: Endpoint,
}

/// Direction of a segment within its [`FlowKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From `low` to `high`.
    Up,
    /// From `high` to `low`.
    Down,
}

const V4_MAPPED: u128 = 0xffff_0000_0000;

impl Endpoint {
    /// Creates an end point from an address of either family.
    #[must_use]
    pub fn new(ip: IpAddr, port: u16) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip.octets(), port),
            IpAddr::V6(ip) => Self::v6(ip.octets(), port),
        }
    }

    /// Creates an IPv4 end point from the address bytes of a header.
    #[must_use]
    pub const fn v4(octets: [u8; 4], port: u16) -> Self {
        Self {
            address: V4_MAPPED | u32::from_be_bytes(octets) as u128,
            port,
        }
    }

    /// Creates an IPv6 end point from the address bytes of a header.
    #[must_use]
    pub const fn v6(octets: [u8; 16], port: u16) -> Self {
        Self {
            address: u128::from_be_bytes(octets),
            port,
        }
    }

    /// Returns the address in its own family. An IPv4-mapped IPv6 address becomes IPv4.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the upper bits are those of the IPv4-mapped prefix"
    )]
    pub const fn ip(self) -> IpAddr {
        if self.address >> 32 == V4_MAPPED >> 32 {
            IpAddr::V4(Ipv4Addr::from_bits(self.address as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(self.address))
        }
    }

    /// Returns the same host with another port.
    #[must_use]
    pub const fn with_port(self, port: u16) -> Self {
        Self {
            address: self.address,
            port,
        }
    }
}

impl fmt::Display for Endpoint {
    /// Formats as `192.0.2.1:21` or `[2001:db8::1]:21`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

impl From<Endpoint> for Address {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            ip: endpoint.ip(),
            port: endpoint.port,
        }
    }
}

impl From<Address> for Endpoint {
    fn from(address: Address) -> Self {
        Self::new(address.ip, address.port)
    }
}

impl HostPair {
    /// Creates the pair of two addresses in [`Endpoint::address`] form, in either order.
    #[must_use]
    pub const fn new(a: u128, b: u128) -> Self {
        if a <= b {
            Self { low: a, high: b }
        } else {
            Self { low: b, high: a }
        }
    }
}

impl FlowKey {
    /// Creates the key of a segment from `source` to `destination`, and its direction.
    #[must_use]
    pub fn new(source: Endpoint, destination: Endpoint) -> (Self, Direction) {
        if source <= destination {
            (
                Self {
                    low: source,
                    high: destination,
                },
                Direction::Up,
            )
        } else {
            (
                Self {
                    low: destination,
                    high: source,
                },
                Direction::Down,
            )
        }
    }

    /// Returns the end point that sends in this direction.
    #[must_use]
    pub const fn source(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::Up => self.low,
            Direction::Down => self.high,
        }
    }

    /// Returns the end point that receives in this direction.
    #[must_use]
    pub const fn destination(&self, direction: Direction) -> Endpoint {
        self.source(direction.reverse())
    }

    /// Returns the direction in which `sender` sends, or `None` if it is neither end point.
    #[must_use]
    // `Up` wins if both end points are equal: a host that connects to itself from the same port (simultaneous open).
    pub fn direction_from(&self, sender: Endpoint) -> Option<Direction> {
        if sender == self.low {
            Some(Direction::Up)
        } else if sender == self.high {
            Some(Direction::Down)
        } else {
            None
        }
    }

    /// Returns the two hosts.
    #[must_use]
    pub const fn hosts(&self) -> HostPair {
        HostPair::new(self.low.address, self.high.address)
    }
}

impl Direction {
    /// Returns the opposite direction.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// Returns 0 for `Up` and 1 for `Down`: the index into arrays with one element per direction.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Up => 0,
            Self::Down => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_share_one_key() {
        let a = Endpoint::v4([10, 0, 0, 2], 1175);
        let b = Endpoint::v4([10, 0, 0, 1], 21);
        let (there, way) = FlowKey::new(a, b);
        let (back, other) = FlowKey::new(b, a);
        assert_eq!(there, back);
        assert_eq!(way, other.reverse());
        assert_eq!(there.source(way), a);
        assert_eq!(there.destination(way), b);
    }

    #[test]
    fn addresses_are_displayed_in_their_own_family() {
        assert_eq!(Endpoint::v4([192, 0, 2, 1], 21).to_string(), "192.0.2.1:21");
        let v6 = Endpoint::new("2001:db8::1".parse().expect("an address"), 21);
        assert_eq!(v6.to_string(), "[2001:db8::1]:21");
    }
}
