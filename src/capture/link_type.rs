//! Link types: LINKTYPE numbers (draft-ietf-opsawg-pcaplinktype) and their names.

use std::fmt;

/// Link type as capture files carry it: a number of the LINKTYPE registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: address family in the byte order of the capturing machine.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without its HDLC address and control bytes.
    pub const PPP: Self = Self(9);
    /// Raw IP under libpcap's in-memory number (`DLT_RAW`) on most systems.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP under libpcap's in-memory number on OpenBSD.
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC framing (RFC 1662), or Cisco HDLC.
    pub const PPP_HDLC: Self = Self(50);
    /// `PPPoE` without the Ethernet header.
    pub const PPP_ETHER: Self = Self(51);
    /// Raw IP, version 4 or 6 according to the first nibble.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// ATM with IEEE 802.2 headers (RFC 2684).
    pub const ATM_RFC1483: Self = Self(100);
    /// IEEE 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Decrypted `IPsec` of the enc interface of the BSDs.
    pub const ENC: Self = Self(109);
    /// Log of pf.
    pub const PFLOG: Self = Self(117);
    /// PPP of pppd, preceded by a direction byte.
    pub const PPP_PPPD: Self = Self(166);
    /// Per-packet information in front of a packet of another link type.
    pub const PPI: Self = Self(192);
    /// Cisco HDLC, preceded by a direction byte.
    pub const C_HDLC_WITH_DIR: Self = Self(205);
    /// Log of netfilter, as attributes.
    pub const NFLOG: Self = Self(239);
    /// Process and interface of macOS in front of a packet of another link type.
    pub const PKTAP: Self = Self(258);
    /// Linux cooked capture.
    pub const LINUX_SLL: Self = Self(113);
    /// IEEE 802.11, preceded by a radiotap header.
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    /// PPP, preceded by a direction byte.
    pub const PPP_WITH_DIR: Self = Self(204);
    /// MPLS label stack.
    pub const MPLS: Self = Self(219);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);

    /// Converts the number in a file header.
    #[must_use]
    pub fn from_file(number: u16) -> Self {
        match number {
            // Old programs, and those of the BSDs, write libpcap's in-memory number for raw IP instead of 101.
            12 | 14 => Self::RAW,
            number => Self(number),
        }
    }

    /// Returns tcpdump's name, such as `EN10MB` for Ethernet; `None` for a number not in the table.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES
            .binary_search_by_key(&self.0, |(number, _)| *number)
            .ok()
            .and_then(|index| NAMES.get(index))
            .map(|(_, name)| *name)
    }
}

impl fmt::Display for LinkType {
    /// Writes the name, or the number if it has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// tcpdump's names, sorted by number for the binary search.
const NAMES: &[(u16, &str)] = &[
    (0, "NULL"),
    (1, "EN10MB"),
    (2, "EN3MB"),
    (3, "AX25"),
    (6, "IEEE802"),
    (7, "ARCNET"),
    (8, "SLIP"),
    (9, "PPP"),
    (10, "FDDI"),
    (50, "PPP_SERIAL"),
    (51, "PPP_ETHER"),
    (100, "ATM_RFC1483"),
    (101, "RAW"),
    (104, "C_HDLC"),
    (105, "IEEE802_11"),
    (107, "FRELAY"),
    (108, "LOOP"),
    (109, "ENC"),
    (113, "LINUX_SLL"),
    (114, "LTALK"),
    (117, "PFLOG"),
    (119, "PRISM_HEADER"),
    (122, "IP_OVER_FC"),
    (123, "SUNATM"),
    (127, "IEEE802_11_RADIO"),
    (129, "ARCNET_LINUX"),
    (138, "APPLE_IP_OVER_IEEE1394"),
    (140, "MTP2"),
    (141, "MTP3"),
    (143, "DOCSIS"),
    (144, "LINUX_IRDA"),
    (147, "USER0"),
    (148, "USER1"),
    (149, "USER2"),
    (150, "USER3"),
    (151, "USER4"),
    (152, "USER5"),
    (153, "USER6"),
    (154, "USER7"),
    (155, "USER8"),
    (156, "USER9"),
    (157, "USER10"),
    (158, "USER11"),
    (159, "USER12"),
    (160, "USER13"),
    (161, "USER14"),
    (162, "USER15"),
    (163, "IEEE802_11_RADIO_AVS"),
    (166, "PPP_PPPD"),
    (177, "LINUX_LAPD"),
    (187, "BLUETOOTH_HCI_H4"),
    (189, "USB_LINUX"),
    (192, "PPI"),
    (195, "IEEE802_15_4_WITHFCS"),
    (197, "ERF"),
    (201, "BLUETOOTH_HCI_H4_WITH_PHDR"),
    (204, "PPP_WITH_DIR"),
    (205, "C_HDLC_WITH_DIR"),
    (206, "FRELAY_WITH_DIR"),
    (220, "USB_LINUX_MMAPPED"),
    (224, "FC_2"),
    (226, "IPNET"),
    (227, "CAN_SOCKETCAN"),
    (228, "IPV4"),
    (229, "IPV6"),
    (230, "IEEE802_15_4_NOFCS"),
    (231, "DBUS"),
    (235, "DVB_CI"),
    (239, "NFLOG"),
    (240, "NETANALYZER"),
    (242, "IPOIB"),
    (243, "MPEG_2_TS"),
    (247, "INFINIBAND"),
    (248, "SCTP"),
    (249, "USBPCAP"),
    (251, "BLUETOOTH_LE_LL"),
    (252, "WIRESHARK_UPPER_PDU"),
    (253, "NETLINK"),
    (254, "BLUETOOTH_LINUX_MONITOR"),
    (256, "BLUETOOTH_LE_LL_WITH_PHDR"),
    (258, "PKTAP"),
    (259, "EPON"),
    (266, "USB_DARWIN"),
    (271, "VSOCK"),
    (272, "NORDIC_BLE"),
    (276, "LINUX_SLL2"),
    (283, "IEEE802_15_4_TAP"),
    (290, "Z_WAVE_SERIAL"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_number_and_found() {
        assert!(NAMES.is_sorted_by(|one, other| one.0 < other.0));
        assert_eq!(LinkType::ETHERNET.to_string(), "EN10MB");
        assert_eq!(LinkType::LINUX_SLL2.to_string(), "LINUX_SLL2");
        assert_eq!(LinkType(61_000).to_string(), "61000");
    }

    #[test]
    fn in_memory_numbers_of_raw_ip_are_converted() {
        assert_eq!(LinkType::from_file(12), LinkType::RAW);
        assert_eq!(LinkType::from_file(14), LinkType::RAW);
        assert_eq!(LinkType::from_file(1), LinkType::ETHERNET);
    }
}
