//! Addresses, ports, and the pairs of them that name a connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and a port. IPv4 is kept as an IPv4-mapped IPv6 address, so that comparing and hashing are plain
/// integer work. Packed, for every connection has many of them and a third would be padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(2))]
pub struct Endpoint {
    /// The address in IPv6 form, most significant byte first.
    pub address: u128,
    /// The TCP or UDP port.
    pub port: u16,
}

/// Two hosts, lower address first: the same value for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPair {
    /// The lower address.
    pub low: u128,
    /// The higher address.
    pub high: u128,
}

/// A connection's two ends, lower end first: the same value for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The lower end point by address, then port.
    pub low: Endpoint,
    /// The higher end point.
    pub high: Endpoint,
}

/// Which way a segment travels within its [`FlowKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From `low` to `high`.
    Up,
    /// From `high` to `low`.
    Down,
}

const V4_MAPPED: u128 = 0xffff_0000_0000;

impl Endpoint {
    /// An end point of an address of either family.
    #[must_use]
    pub fn new(ip: IpAddr, port: u16) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip.octets(), port),
            IpAddr::V6(ip) => Self::v6(ip.octets(), port),
        }
    }

    /// An IPv4 end point from the address bytes as they stand in the header.
    #[must_use]
    pub const fn v4(octets: [u8; 4], port: u16) -> Self {
        Self {
            address: V4_MAPPED | u32::from_be_bytes(octets) as u128,
            port,
        }
    }

    /// An IPv6 end point from the address bytes as they stand in the header.
    #[must_use]
    pub const fn v6(octets: [u8; 16], port: u16) -> Self {
        Self {
            address: u128::from_be_bytes(octets),
            port,
        }
    }

    /// The address in its own family.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the upper bits were just compared"
    )]
    pub const fn ip(self) -> IpAddr {
        if self.address >> 32 == V4_MAPPED >> 32 {
            IpAddr::V4(Ipv4Addr::from_bits(self.address as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(self.address))
        }
    }

    /// The same host with another port.
    #[must_use]
    pub const fn with_port(self, port: u16) -> Self {
        Self {
            address: self.address,
            port,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

impl HostPair {
    /// The pair of two addresses in [`Endpoint::address`] form.
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
    /// The key of a segment from `source` to `destination`, and the way it travels.
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

    /// The end that sends in this direction.
    #[must_use]
    pub const fn source(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::Up => self.low,
            Direction::Down => self.high,
        }
    }

    /// The end that receives in this direction.
    #[must_use]
    pub const fn destination(&self, direction: Direction) -> Endpoint {
        self.source(direction.reverse())
    }

    /// The direction in which `sender` sends; `None` if it is neither end.
    #[must_use]
    pub fn direction_from(&self, sender: Endpoint) -> Option<Direction> {
        if sender == self.low {
            Some(Direction::Up)
        } else if sender == self.high {
            Some(Direction::Down)
        } else {
            None
        }
    }

    /// The two hosts.
    #[must_use]
    pub const fn hosts(&self) -> HostPair {
        HostPair::new(self.low.address, self.high.address)
    }
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// 0 or 1, for arrays with a place for each direction.
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
    fn both_directions_have_one_key() {
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
    fn families_keep_their_form() {
        assert_eq!(Endpoint::v4([192, 0, 2, 1], 21).to_string(), "192.0.2.1:21");
        let v6 = Endpoint::new("2001:db8::1".parse().expect("an address"), 21);
        assert_eq!(v6.to_string(), "[2001:db8::1]:21");
    }
}
