//! The same IP packets behind every link layer and in every tunnel.

use super::recording::Recorded;

/// A name, a link type, and what is put around an IPv4 packet.
pub(crate) struct Wrapping {
    pub(crate) name: &'static str,
    pub(crate) link_type: u16,
    /// As the report names the layers.
    pub(crate) layers: &'static [&'static str],
    wrap: fn(&[u8]) -> Vec<u8>,
}

impl Wrapping {
    /// The packets of an Ethernet capture, wrapped anew.
    pub(crate) fn apply(&self, packets: &[Recorded]) -> Vec<Recorded> {
        let wrapped = packets.iter().map(|packet| Recorded {
            time: packet.time,
            bytes: (self.wrap)(&packet.bytes[14..]),
        });
        wrapped.collect()
    }
}

/// Link layers and tunnels around IPv4.
pub(crate) fn wrappings() -> Vec<Wrapping> {
    let mut all = links();
    all.extend(tagged());
    all.extend(tunnels());
    all
}

fn links() -> Vec<Wrapping> {
    let new = |name, link_type, layers, wrap| Wrapping {
        name,
        link_type,
        layers,
        wrap,
    };
    vec![
        new("Ethernet", 1, &["EN10MB", "IPv4", "TCP"], ethernet),
        new("padded Ethernet", 1, &["EN10MB", "IPv4", "TCP"], |ip| {
            put(&[&ethernet(ip), &[0; 18]])
        }),
        new("SLL", 113, &["LINUX_SLL", "IPv4", "TCP"], |ip| {
            put(&[&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0], ip])
        }),
        new("SLL2", 276, &["LINUX_SLL2", "IPv4", "TCP"], |ip| {
            put(&[
                &[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0],
                ip,
            ])
        }),
        new(
            "SLL2 with a tag",
            276,
            &["LINUX_SLL2", "VLAN 7", "IPv4", "TCP"],
            |ip| {
                let header = [
                    0x81, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0,
                ];
                put(&[&header, &[0, 7, 8, 0], ip])
            },
        ),
        new("NULL", 0, &["NULL", "IPv4", "TCP"], |ip| {
            put(&[&[2, 0, 0, 0], ip])
        }),
        new("NULL, big endian", 0, &["NULL", "IPv4", "TCP"], |ip| {
            put(&[&[0, 0, 0, 2], ip])
        }),
        new("LOOP", 108, &["LOOP", "IPv4", "TCP"], |ip| {
            put(&[&[0, 0, 0, 2], ip])
        }),
        new("RAW", 101, &["RAW", "IPv4", "TCP"], <[u8]>::to_vec),
        new("RAW 12", 12, &["RAW", "IPv4", "TCP"], <[u8]>::to_vec),
        new("RAW 14", 14, &["RAW", "IPv4", "TCP"], <[u8]>::to_vec),
        new("IPV4", 228, &["IPV4", "IPv4", "TCP"], <[u8]>::to_vec),
        new("PPP", 9, &["PPP", "IPv4", "TCP"], |ip| {
            put(&[&[0xff, 3, 0, 0x21], ip])
        }),
        new("PPP, short", 9, &["PPP", "IPv4", "TCP"], |ip| {
            put(&[&[0x21], ip])
        }),
        new(
            "PPP with direction",
            204,
            &["PPP_WITH_DIR", "PPP", "IPv4", "TCP"],
            |ip| put(&[&[0, 0xff, 3, 0, 0x21], ip]),
        ),
        new("Cisco HDLC", 104, &["C_HDLC", "IPv4", "TCP"], |ip| {
            put(&[&[0x0f, 0, 8, 0], ip])
        }),
        new("log of pf", 117, &["PFLOG", "IPv4", "TCP"], |ip| {
            put(&[&[61, 2], &[0; 62], ip])
        }),
        new("log of netfilter", 239, &["NFLOG", "IPv4", "TCP"], |ip| {
            let length = u16::try_from(ip.len() + 4).expect("short packets");
            let prefix = [2, 0, 0, 0, 6, 0, 10, 0, b'x', 0, 0, 0];
            put(&[&prefix, &length.to_le_bytes(), &[9, 0], ip, &[0; 3]])
        }),
        new("enc", 109, &["ENC", "IPv4", "TCP"], |ip| {
            put(&[&[2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], ip])
        }),
        new("802.11", 105, &["IEEE802_11", "IPv4", "TCP"], wireless),
        new(
            "radiotap",
            127,
            &["IEEE802_11_RADIO", "IPv4", "TCP"],
            |ip| put(&[&[0, 0, 8, 0, 0, 0, 0, 0], &wireless(ip)]),
        ),
        new(
            "radiotap with check sequence",
            127,
            &["IEEE802_11_RADIO", "IPv4", "TCP"],
            |ip| {
                put(&[
                    &[0, 0, 9, 0, 2, 0, 0, 0, 0x10],
                    &wireless(ip),
                    &[1, 2, 3, 4],
                ])
            },
        ),
    ]
}

/// Headers between Ethernet and IP.
fn tagged() -> Vec<Wrapping> {
    let new = |name, link_type, layers, wrap| Wrapping {
        name,
        link_type,
        layers,
        wrap,
    };
    vec![
        new("VLAN", 1, &["EN10MB", "VLAN 5", "IPv4", "TCP"], |ip| {
            put(&[&MACS, &[0x81, 0, 0x20, 5, 8, 0], ip])
        }),
        new(
            "QinQ",
            1,
            &["EN10MB", "VLAN 100", "VLAN 4094", "IPv4", "TCP"],
            |ip| put(&[&MACS, &[0x88, 0xa8, 0, 100, 0x81, 0, 0x0f, 0xfe, 8, 0], ip]),
        ),
        new(
            "PPPoE",
            1,
            &["EN10MB", "PPPoE", "PPP", "IPv4", "TCP"],
            |ip| {
                let length = length(ip, 2);
                put(&[&MACS, &[0x88, 0x64, 0x11, 0, 0, 9], &length, &[0, 0x21], ip])
            },
        ),
        new(
            "MPLS",
            1,
            &["EN10MB", "MPLS 1000", "MPLS 16", "IPv4", "TCP"],
            |ip| {
                let labels = [0, 0x3e, 0x80, 64, 0, 1, 1, 64];
                put(&[&MACS, &[0x88, 0x47], &labels, ip])
            },
        ),
        new("VN-Tag", 1, &["EN10MB", "VN-Tag", "IPv4", "TCP"], |ip| {
            put(&[&MACS, &[0x89, 0x26, 0, 3, 0, 0, 8, 0], ip])
        }),
        new(
            "HSR with a tag",
            1,
            &["EN10MB", "HSR", "VLAN 5", "IPv4", "TCP"],
            |ip| put(&[&MACS, &[0x89, 0x2f, 0, 60, 0, 1, 0x81, 0, 0, 5, 8, 0], ip]),
        ),
        new("PRP", 1, &["EN10MB", "IPv4", "TCP"], |ip| {
            put(&[&ethernet(ip), &[0, 1, 0xa0, 60, 0x88, 0xfb]])
        }),
        new(
            "PBB",
            1,
            &["EN10MB", "VLAN 9", "PBB", "Ethernet", "IPv4", "TCP"],
            |ip| {
                let outer = [0x88, 0xa8, 0, 9, 0x88, 0xe7, 0, 0, 1, 0];
                put(&[&MACS, &outer, &ethernet(ip)])
            },
        ),
        new(
            "FabricPath",
            1,
            &["EN10MB", "FabricPath", "Ethernet", "IPv4", "TCP"],
            |ip| put(&[&MACS, &[0x89, 0x03, 0, 0x60], &ethernet(ip)]),
        ),
        new(
            "TRILL",
            1,
            &["EN10MB", "TRILL", "Ethernet", "IPv4", "TCP"],
            |ip| put(&[&MACS, &[0x22, 0xf3, 0, 5, 0, 1, 0, 2], &ethernet(ip)]),
        ),
    ]
}

fn tunnels() -> Vec<Wrapping> {
    let new = |name, layers, wrap| Wrapping {
        name,
        link_type: 1,
        layers,
        wrap,
    };
    vec![
        new("IP in IP", &["EN10MB", "IPv4", "IPv4", "TCP"], |ip| {
            over_ip(4, &[], ip)
        }),
        new("4in6", &["EN10MB", "IPv6", "IPv4", "TCP"], |ip| {
            let header = put(&[&[0x60, 0, 0, 0], &length(ip, 0), &[4, 64], &[0x20; 32]]);
            put(&[&MACS, &[0x86, 0xdd], &header, ip])
        }),
        new("GRE", &["EN10MB", "IPv4", "GRE", "IPv4", "TCP"], |ip| {
            over_ip(47, &[0, 0, 8, 0], ip)
        }),
        new(
            "GRE with key and sequence",
            &["EN10MB", "IPv4", "GRE", "IPv4", "TCP"],
            |ip| over_ip(47, &[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], ip),
        ),
        new(
            "transparent Ethernet",
            &["EN10MB", "IPv4", "GRE", "Ethernet", "IPv4", "TCP"],
            |ip| over_ip(47, &[0, 0, 0x65, 0x58], &ethernet(ip)),
        ),
        new(
            "ERSPAN II",
            &["EN10MB", "IPv4", "GRE", "ERSPAN", "Ethernet", "IPv4", "TCP"],
            |ip| {
                let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0];
                over_ip(47, &header, &ethernet(ip))
            },
        ),
        new(
            "ERSPAN III",
            &["EN10MB", "IPv4", "GRE", "ERSPAN", "Ethernet", "IPv4", "TCP"],
            |ip| {
                let header = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0];
                over_ip(47, &put(&[&header, &[0; 8]]), &ethernet(ip))
            },
        ),
        new(
            "VXLAN",
            &["EN10MB", "IPv4", "UDP", "VXLAN", "Ethernet", "IPv4", "TCP"],
            |ip| over_udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], &ethernet(ip)),
        ),
        new(
            "Geneve",
            &["EN10MB", "IPv4", "UDP", "Geneve", "Ethernet", "IPv4", "TCP"],
            |ip| over_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 42, 0], &ethernet(ip)),
        ),
        new(
            "GTP-U",
            &["EN10MB", "IPv4", "UDP", "GTP-U", "IPv4", "TCP"],
            |ip| {
                let header = put(&[&[0x30, 0xff], &length(ip, 0), &[0, 0, 0, 9]]);
                over_udp(2152, &header, ip)
            },
        ),
        new(
            "VXLAN-GPE",
            &["EN10MB", "IPv4", "UDP", "VXLAN-GPE", "IPv4", "TCP"],
            |ip| over_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 42, 0], ip),
        ),
        new(
            "TZSP",
            &["EN10MB", "IPv4", "UDP", "TZSP", "Ethernet", "IPv4", "TCP"],
            |ip| over_udp(37_008, &[1, 0, 0, 1, 1], &ethernet(ip)),
        ),
        new(
            "L2TP",
            &["EN10MB", "IPv4", "UDP", "L2TP", "PPP", "IPv4", "TCP"],
            |ip| over_udp(1701, &[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21], ip),
        ),
        new(
            "MPLS over UDP",
            &["EN10MB", "IPv4", "UDP", "MPLS 16", "IPv4", "TCP"],
            |ip| over_udp(6635, &[0, 1, 1, 64], ip),
        ),
        new(
            "VLAN in VXLAN in GRE",
            &[
                "EN10MB", "IPv4", "GRE", "IPv4", "UDP", "VXLAN", "Ethernet", "VLAN 9", "IPv4",
                "TCP",
            ],
            |ip| {
                let inner = put(&[&MACS, &[0x81, 0, 0, 9, 8, 0], ip]);
                let vxlan = over_udp(8472, &[8, 0, 0, 0, 0, 0, 42, 0], &inner);
                over_ip(47, &[0, 0, 8, 0], &vxlan[14..])
            },
        ),
    ]
}

/// Splits each packet with a payload into IP fragments of at most `size` bytes, a multiple of 8; `order` puts those of one
/// packet in the order in which they are captured.
pub(crate) fn fragmented(
    packets: &[Recorded],
    size: usize,
    order: impl Fn(usize, &mut Vec<Recorded>),
) -> Vec<Recorded> {
    let mut out = Vec::new();
    for (number, packet) in packets.iter().enumerate() {
        let (link, ip) = packet.bytes.split_at(14);
        let (header, payload) = ip.split_at(20);
        let mut pieces = Vec::new();
        for (index, piece) in payload.chunks(size).enumerate() {
            let mut header = header.to_vec();
            header[2..4].copy_from_slice(&length(piece, 20));
            let id = u16::try_from(number + 1).expect("few packets");
            header[4..6].copy_from_slice(&id.to_be_bytes());
            let offset = u16::try_from(index * size / 8).expect("short packets");
            let more = u16::from((index + 1) * size < payload.len()) << 13;
            header[6..8].copy_from_slice(&(offset | more).to_be_bytes());
            pieces.push(Recorded {
                time: packet.time,
                bytes: put(&[link, &header, piece]),
            });
        }
        order(number, &mut pieces);
        out.extend(pieces);
    }
    out
}

fn put(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn length(bytes: &[u8], more: usize) -> [u8; 2] {
    let length = u16::try_from(bytes.len() + more).expect("short packets");
    length.to_be_bytes()
}

fn ethernet(ip: &[u8]) -> Vec<u8> {
    put(&[&MACS, &[8, 0], ip])
}

/// A data frame to the distribution system, with quality of service.
fn wireless(ip: &[u8]) -> Vec<u8> {
    let header = [&[0x88, 1][..], &[0; 22], &[0, 0]].concat();
    put(&[&header, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], ip])
}

fn over_ip(protocol: u8, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let inner = put(&[header, payload]);
    let outer = [
        &[0x45, 0][..],
        &length(&inner, 20),
        &[0, 1, 0, 0, 64, protocol, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2],
    ];
    put(&[&MACS, &[8, 0], &outer.concat(), &inner])
}

fn over_udp(port: u16, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let inner = put(&[header, payload]);
    let udp = put(&[&[0xc0, 0], &port.to_be_bytes(), &length(&inner, 8), &[0, 0]]);
    over_ip(17, &put(&[&udp, header]), payload)
}

/// Destination and source addresses of Ethernet frames.
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
