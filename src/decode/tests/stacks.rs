//! All supported stacks of headers around the same command, and packets that must not be taken for a tunnel.

use super::{
    COMMAND, Harness, IPV4, IPV6, Output, decode, ethernet, ipv4, ipv4_with, ipv6, ipv6_with, udp,
    with_header,
};
use crate::capture::LinkType;
use crate::decode::SkipReason;
use crate::model::WarningCode;

/// Name, link type, bytes and expected result of a stack.
pub(super) type Stack = (&'static str, LinkType, Vec<u8>, Output);

/// Builds all stacks: without a tunnel, and with every kind of tunnel.
pub(super) fn stacks() -> Vec<Stack> {
    let mut stacks = links();
    stacks.extend(tags());
    stacks.extend(extensions());
    stacks.extend(tunnels_over_ip());
    stacks.extend(tunnels_over_udp());
    stacks.extend(tunnels_of_ipv6());
    stacks
}

#[expect(
    clippy::too_many_lines,
    reason = "a table, one entry for each link layer"
)]
fn links() -> Vec<Stack> {
    let v4 =
        |name, link, header: &[u8]| (name, link, with_header(header, &ipv4()), Output::command());
    let v6 = |name, link, header: &[u8]| {
        (
            name,
            link,
            with_header(header, &ipv6()),
            Output::command_v6(),
        )
    };
    let sll = |protocol: u16, hardware: u16| {
        let [a, b] = protocol.to_be_bytes();
        let [c, d] = hardware.to_be_bytes();
        [0, 0, c, d, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, a, b]
    };
    let sll2 = |protocol: u16| {
        let [a, b] = protocol.to_be_bytes();
        [a, b, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0]
    };
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let length = u16::try_from(snap.len() + ipv4().len()).expect("short");
    let wireless = |control: &[u8; 2], rest: usize| [&control[..], &vec![0; rest], &snap].concat();
    let subframe = [&[1; 12][..], &length.to_be_bytes(), &snap].concat();
    let enc = |family: [u8; 4]| [&family[..], &[0, 0, 1, 0, 0, 0, 0, 0]].concat();
    let aggregate = [&[0x88, 1][..], &[0; 22], &[0x80, 0], &subframe].concat();
    vec![
        (
            "Ethernet",
            LinkType::ETHERNET,
            ethernet(IPV4, &ipv4()),
            Output::command(),
        ),
        (
            "Ethernet, IPv6",
            LinkType::ETHERNET,
            ethernet(IPV6, &ipv6()),
            Output::command_v6(),
        ),
        (
            "IEEE 802.3 with SNAP",
            LinkType::ETHERNET,
            ethernet(length, &with_header(&snap, &ipv4())),
            Output::command(),
        ),
        ("raw", LinkType::RAW, ipv4(), Output::command()),
        ("raw, DLT 12", LinkType(12), ipv6(), Output::command_v6()),
        ("raw, DLT 14", LinkType(14), ipv4(), Output::command()),
        ("IPv4", LinkType::IPV4, ipv4(), Output::command()),
        ("IPv6", LinkType::IPV6, ipv6(), Output::command_v6()),
        v4("cooked", LinkType::LINUX_SLL, &sll(IPV4, 1)),
        v6("cooked, tunnel", LinkType::LINUX_SLL, &sll(IPV6, 65534)),
        v4("cooked 2", LinkType::LINUX_SLL2, &sll2(IPV4)),
        v6("cooked 2, IPv6", LinkType::LINUX_SLL2, &sll2(IPV6)),
        v4("loopback, little endian", LinkType::NULL, &[2, 0, 0, 0]),
        v4("loopback, big endian", LinkType::NULL, &[0, 0, 0, 2]),
        v6("loopback, Linux", LinkType::NULL, &[10, 0, 0, 0]),
        v6("loopback, NetBSD", LinkType::NULL, &[24, 0, 0, 0]),
        v6("loopback, FreeBSD", LinkType::NULL, &[0, 0, 0, 28]),
        v6("loopback, macOS", LinkType::NULL, &[30, 0, 0, 0]),
        v6("OpenBSD loopback", LinkType::LOOP, &[0, 0, 0, 24]),
        v4("PPP", LinkType::PPP, &[0, 0x21]),
        v4("PPP with address", LinkType::PPP, &[0xff, 3, 0, 0x21]),
        v6("PPP, short protocol", LinkType::PPP, &[0x57]),
        v4(
            "PPP with direction",
            LinkType::PPP_WITH_DIR,
            &[1, 0xff, 3, 0, 0x21],
        ),
        v4("pppd", LinkType::PPP_PPPD, &[1, 0xff, 3, 0, 0x21]),
        v4(
            "Cisco HDLC with direction",
            LinkType::C_HDLC_WITH_DIR,
            &[1, 0x0f, 0, 8, 0],
        ),
        v4("ATM", LinkType::ATM_RFC1483, &snap),
        v4(
            "log of pf",
            LinkType::PFLOG,
            &[&[61, 2][..], &[0; 62]].concat(),
        ),
        v6(
            "log of pf, IPv6",
            LinkType::PFLOG,
            &[&[100, 24][..], &[0; 98]].concat(),
        ),
        v4("enc, little endian", LinkType::ENC, &enc([2, 0, 0, 0])),
        v6("enc, big endian", LinkType::ENC, &enc([0, 0, 0, 24])),
        (
            "log of netfilter",
            LinkType::NFLOG,
            nflog([2, 0, 0, 5], u16::to_le_bytes, &ipv4()),
            Output::command(),
        ),
        (
            "log of netfilter, big endian",
            LinkType::NFLOG,
            nflog([10, 0, 0, 5], u16::to_be_bytes, &ipv6()),
            Output::command_v6(),
        ),
        v4("PPI", LinkType::PPI, &[0, 0, 8, 0, 101, 0, 0, 0]),
        v4(
            "macOS",
            LinkType::PKTAP,
            &[&[20, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0][..], &[0; 8]].concat(),
        ),
        v4("PPP in HDLC", LinkType::PPP_HDLC, &[0xff, 3, 0, 0x21]),
        v4("Cisco HDLC", LinkType::C_HDLC, &[0x0f, 0, 8, 0]),
        v4("wireless", LinkType::IEEE802_11, &wireless(&[8, 1], 22)),
        v4(
            "wireless, QoS",
            LinkType::IEEE802_11,
            &wireless(&[0x88, 2], 24),
        ),
        v4(
            "wireless bridge",
            LinkType::IEEE802_11,
            &wireless(&[8, 3], 28),
        ),
        v4(
            "wireless, HT",
            LinkType::IEEE802_11,
            &wireless(&[0x88, 0x81], 28),
        ),
        v4("wireless aggregate", LinkType::IEEE802_11, &aggregate),
        v4(
            "radiotap",
            LinkType::IEEE802_11_RADIOTAP,
            &with_header(&[0, 0, 8, 0, 0, 0, 0, 0], &wireless(&[8, 1], 22)),
        ),
        v4(
            "radiotap, time stamp and padding",
            LinkType::IEEE802_11_RADIOTAP,
            &[
                &[0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0][..],
                &[9, 9, 9, 9, 9, 9, 9, 9, 0x20],
                // A header of 26 bytes is padded to 28.
                &wireless(&[0x88, 2], 26),
            ]
            .concat(),
        ),
    ]
}

/// Wraps a packet in attributes of netfilter: a prefix of 5 bytes with its padding, then the packet.
fn nflog(header: [u8; 4], number: fn(u16) -> [u8; 2], packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len() + 4).expect("a short packet");
    [
        &header[..],
        &number(9)[..],
        &number(10),
        b"log: ",
        &[0; 3],
        &number(length),
        &number(9),
        packet,
    ]
    .concat()
}

fn tags() -> Vec<Stack> {
    let tagged = |name, ether_type, header: &[u8]| {
        let frame = ethernet(ether_type, &with_header(header, &ipv4()));
        (name, LinkType::ETHERNET, frame, Output::command())
    };
    let many = [0, 7, 0x81, 0].repeat(11);
    let pppoe_length = u16::try_from(ipv4().len() + 2)
        .expect("short")
        .to_be_bytes();
    let pppoe = [&[0x11, 0, 0, 1][..], &pppoe_length, &[0, 0x21]].concat();
    let label = [0, 1, 0, 64];
    let bottom = [0, 1, 1, 64];
    let inner = ethernet(IPV4, &[]);
    vec![
        tagged("VLAN", 0x8100, &[0, 5, 8, 0]),
        tagged("QinQ", 0x88a8, &[0, 5, 0x81, 0, 0, 6, 8, 0]),
        tagged("old QinQ", 0x9100, &[0, 5, 0x81, 0, 0, 6, 8, 0]),
        tagged(
            "twelve VLAN tags",
            0x8100,
            &with_header(&many, &[0, 5, 8, 0]),
        ),
        tagged(
            "VLAN with SNAP",
            0x8100,
            &[0, 5, 0, 70, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0],
        ),
        tagged("MPLS", 0x8847, &bottom),
        tagged("two MPLS labels", 0x8847, &[label, bottom].concat()),
        tagged(
            "MPLS with control word",
            0x8847,
            &[&bottom[..], &[0; 4], &inner].concat(),
        ),
        tagged(
            "MPLS with Ethernet",
            0x8847,
            &with_header(&bottom, &ethernet_from(0x20)),
        ),
        tagged("PPPoE", 0x8864, &pppoe),
        tagged("VN-Tag", 0x8926, &[0, 1, 0, 2, 8, 0]),
        tagged("VN-Tag, VLAN", 0x8926, &[0, 1, 0, 2, 0x81, 0, 0, 5, 8, 0]),
        tagged("HSR", 0x892f, &[0, 60, 0, 1, 8, 0]),
        tagged("R-Tag", 0xf1c1, &[0, 0, 0, 1, 8, 0]),
        tagged("E-Tag", 0x893f, &[0, 0, 0, 1, 0, 0, 8, 0]),
        tagged("Cisco metadata", 0x8909, &[1, 1, 0, 1, 0, 9, 8, 0]),
        tagged("MACsec, integrity", 0x88e5, &[0, 0, 0, 0, 0, 1, 8, 0]),
        tagged(
            "MACsec, channel",
            0x88e5,
            &[0x20, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 0, 1, 8, 0],
        ),
        tagged("PBB", 0x88e7, &[&[0, 0, 0, 7][..], &inner].concat()),
        tagged("FabricPath", 0x8903, &[&[0, 0x60][..], &inner].concat()),
        tagged("TRILL", 0x22f3, &[&[0, 5, 0, 1, 0, 2][..], &inner].concat()),
        tagged(
            "TRILL, options",
            0x22f3,
            &[&[0, 0x45, 0, 1, 0, 2, 9, 9, 9, 9][..], &inner].concat(),
        ),
        tagged("NSH", 0x894f, &[0, 2, 2, 1, 0, 0, 1, 1]),
        (
            "PPPoE alone",
            LinkType::PPP_ETHER,
            with_header(&pppoe, &ipv4()),
            Output::command(),
        ),
        (
            "MPLS alone",
            LinkType::MPLS,
            with_header(&bottom, &ipv4()),
            Output::command(),
        ),
    ]
}

fn ethernet_from(first: u8) -> Vec<u8> {
    let mut header = ethernet(IPV4, &[]);
    header[0] = first;
    header
}

fn extensions() -> Vec<Stack> {
    let tcp_v6 = ipv6().split_off(40);
    let mut options = ipv4();
    options[0] = 0x46;
    options[3] += 4;
    options.splice(20..20, [1, 1, 1, 0]);
    let mut protected = ipv4();
    protected[9] = 51;
    protected[3] += 16;
    protected.splice(20..20, [6, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9]);
    let chain = [
        &[60, 0, 1, 4, 0, 0, 0, 0][..],
        &[43, 0, 1, 4, 0, 0, 0, 0],
        &[51, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[
            44, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        // An atomic fragment.
        &[6, 0, 0, 0, 0, 0, 0, 9],
        &tcp_v6,
    ];
    vec![
        ("IPv4 options", LinkType::IPV4, options, Output::command()),
        (
            "IPv4 authentication",
            LinkType::IPV4,
            protected,
            Output::command(),
        ),
        (
            "IPv6 extensions",
            LinkType::IPV6,
            ipv6_with(0, &chain.concat()),
            Output::command_v6(),
        ),
    ]
}

fn tunnels_over_ip() -> Vec<Stack> {
    let over = |name, protocol, header: &[u8], payload: &[u8]| {
        let packet = ipv4_with(protocol, &with_header(header, payload));
        (
            name,
            LinkType::ETHERNET,
            ethernet(IPV4, &packet),
            Output::command(),
        )
    };
    let ip = ipv4();
    let frame = ethernet(IPV4, &ip);
    let sequence = [&[0x10, 0, 0x88, 0xbe][..], &[0; 4]].concat();
    let erspan2 = with_header(&sequence, &[0x10; 8]);
    let sequence = [&[0x10, 0, 0x22, 0xeb][..], &[0; 4]].concat();
    let erspan3 = [&sequence[..], &[0x20], &[0; 11]].concat();
    let subheader = [&sequence[..], &[0x20], &[0; 10], &[1], &[7; 8]].concat();
    let pptp_length = length_of(&ip, 1);
    let pptp = [
        &[0x30, 0x81, 0x88, 0x0b][..],
        &pptp_length,
        &[0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x21],
    ];
    vec![
        over("IP in IP", 4, &[], &ip),
        over("GRE", 47, &[0, 0, 8, 0], &ip),
        over(
            "GRE, all options",
            47,
            &[&[0xb0, 0, 8, 0][..], &[0; 12]].concat(),
            &ip,
        ),
        over(
            "GRE, Ethernet",
            47,
            &[0x20, 0, 0x65, 0x58, 0, 0, 0, 7],
            &frame,
        ),
        over("ERSPAN I", 47, &[0, 0, 0x88, 0xbe], &frame),
        over("ERSPAN II", 47, &erspan2, &frame),
        over("ERSPAN III", 47, &erspan3, &frame),
        over("ERSPAN III, subheader", 47, &subheader, &frame),
        over("PPTP", 47, &pptp.concat(), &ip),
        over("Ethernet over IP", 97, &[0x30, 0], &frame),
        over("MPLS over IP", 137, &[0, 1, 1, 64], &ip),
        over("L2TP over IP", 115, &[0, 0, 0, 9], &frame),
    ]
}

fn tunnels_over_udp() -> Vec<Stack> {
    let over = |name, port, header: &[u8], payload: &[u8]| {
        let packet = udp(40_000, port, &with_header(header, payload));
        (
            name,
            LinkType::ETHERNET,
            ethernet(IPV4, &packet),
            Output::command(),
        )
    };
    let ip = ipv4();
    let frame = ethernet(IPV4, &ip);
    let plain = [&[0x30, 0xff][..], &length_of(&ip, 0), &[0, 0, 0, 1]];
    let options = [0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0];
    let extended = [&[0x34, 0xff][..], &length_of(&ip, 8), &options];
    vec![
        over("VXLAN", 4789, &[8, 0, 0, 0, 0, 0, 7, 0], &frame),
        over("VXLAN, policy", 4789, &[0x88, 0, 0, 9, 0, 0, 7, 0], &frame),
        over("VXLAN, Linux port", 8472, &[8, 0, 0, 0, 0, 0, 7, 0], &frame),
        over(
            "Geneve",
            6081,
            &[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 0],
            &frame,
        ),
        over("Geneve, IP", 6081, &[0, 0, 8, 0, 0, 0, 7, 0], &ip),
        over("GTP", 2152, &plain.concat(), &ip),
        over("GTP, extension", 2152, &extended.concat(), &ip),
        over("VXLAN-GPE", 4790, &[0x0c, 0, 0, 3, 0, 0, 7, 0], &frame),
        over("VXLAN-GPE, IP", 4790, &[0x0c, 0, 0, 1, 0, 0, 7, 0], &ip),
        over("MPLS over UDP", 6635, &[0, 1, 0, 64, 0, 1, 1, 64], &ip),
        over("GRE over UDP", 4754, &[0, 0, 8, 0], &ip),
        over("LISP", 4341, &[0x80, 1, 2, 3, 0, 0, 0, 1], &ip),
        over("TZSP", 37_008, &[1, 0, 0, 1, 0, 13, 2, 9, 9, 1], &frame),
        over("L2TP", 1701, &[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21], &ip),
        over(
            "L2TP, all fields",
            1701,
            &[
                &[0x4a, 2][..],
                &length_of(&ip, 19),
                &[0, 1, 0, 2, 0, 3, 0, 4, 0, 2, 9, 9, 0x21],
            ]
            .concat(),
            &ip,
        ),
        over(
            "L2TP 3",
            1701,
            &[0, 3, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4],
            &frame,
        ),
    ]
}

fn tunnels_of_ipv6() -> Vec<Stack> {
    let six = Output::command_v6();
    let origin = with_header(&[0, 0, 1, 2, 3, 4, 5, 6], &ipv6());
    let authentication = [&[0, 1, 0, 0][..], &[0; 9], &ipv6()].concat();
    let ethernet_v6 = ethernet(IPV6, &ipv6_with(4, &ipv4()));
    let ethernet_v4 = ethernet(IPV4, &ipv4_with(41, &ipv6()));
    let from_server = udp(3544, 50_000, &origin);
    let to_server = udp(50_000, 3544, &authentication);
    vec![
        ("6in4", LinkType::ETHERNET, ethernet_v4, six.clone()),
        ("4in6", LinkType::ETHERNET, ethernet_v6, Output::command()),
        ("Teredo", LinkType::RAW, from_server, six.clone()),
        ("Teredo, authentication", LinkType::RAW, to_server, six),
    ]
}

/// Encodes the length of a packet plus `more` bytes for a header.
fn length_of(packet: &[u8], more: usize) -> [u8; 2] {
    let length = u16::try_from(packet.len() + more).expect("a short packet");
    length.to_be_bytes()
}

#[test]
fn every_stack_yields_the_command() {
    for (name, link, bytes, expected) in stacks() {
        assert_eq!(decode(link, &bytes), expected, "{name}");
    }
}

#[test]
fn padding_is_never_payload() {
    for (name, link, bytes, expected) in stacks() {
        // Teredo requires that the length match exactly.
        if name.starts_with("Teredo") {
            continue;
        }
        let padded = with_header(&bytes, &[0xee; 23]);
        assert_eq!(decode(link, &padded), expected, "{name}");
    }
}

#[test]
fn datagram_of_port_53_is_never_decapsulated() {
    let frame = ethernet(IPV4, &ipv4());
    let vxlan = with_header(&[8, 0, 0, 0, 0, 0, 7, 0], &frame);
    for (source, destination) in [(53, 4789), (4789, 53), (53, 8472), (53, 2152), (3544, 53)] {
        let seen = decode(LinkType::RAW, &udp(source, destination, &vxlan));
        assert!(
            matches!(seen, Output::Datagram { .. }),
            "{source} to {destination}"
        );
    }
}

#[test]
fn tunnel_port_with_other_bytes_stays_a_datagram() {
    for port in [
        4789, 8472, 6081, 2152, 3544, 4790, 6635, 4754, 4341, 37_008, 1701,
    ] {
        for payload in [
            COMMAND,
            &[0; 64],
            &[0x30; 64],
            &[],
            &[8, 0, 0, 0, 0, 0, 0, 0],
        ] {
            match decode(LinkType::RAW, &udp(40_000, port, payload)) {
                Output::Datagram { payload: seen, .. } => assert_eq!(seen, payload),
                other => panic!("port {port}: {other:?}"),
            }
        }
    }
}

#[test]
fn ninth_nested_tunnel_exceeds_the_depth_limit() {
    let mut packet = ipv4();
    for _ in 0..8 {
        packet = ipv4_with(4, &packet);
    }
    assert_eq!(decode(LinkType::RAW, &packet), Output::command());
    packet = ipv4_with(4, &packet);
    assert_eq!(
        decode(LinkType::RAW, &packet),
        Output::Skipped(SkipReason::DepthLimit)
    );
}

#[test]
fn endless_vlan_tags_exceed_the_depth_limit() {
    let frame = ethernet(0x8100, &[0, 1, 0x81, 0].repeat(300));
    assert_eq!(
        decode(LinkType::ETHERNET, &frame),
        Output::Skipped(SkipReason::DepthLimit)
    );
}

#[test]
fn encrypted_wireless_frames_are_distinguished_from_management_frames() {
    let mut frame = with_header(&[8, 0x41], &[0; 40]);
    assert_eq!(
        decode(LinkType::IEEE802_11, &frame),
        Output::Skipped(SkipReason::Encrypted)
    );
    frame[0] = 0x80;
    assert_eq!(
        decode(LinkType::IEEE802_11, &frame),
        Output::Skipped(SkipReason::NotIp)
    );
}

#[test]
fn trailer_of_prp_is_never_payload() {
    let frame = ethernet(IPV4, &ipv4());
    let sealed = with_header(&frame, &[0, 1, 0xa0, 60, 0x88, 0xfb]);
    assert_eq!(decode(LinkType::ETHERNET, &sealed), Output::command());
}

#[test]
fn unread_encapsulation_is_named_with_its_share_if_there_is_much_of_it() {
    let mut harness = Harness::new();
    let unread = ethernet(0x1234, &ipv4());
    let esp = ethernet(IPV4, &ipv4_with(50, &[0; 40]));
    let arp = ethernet(0x0806, &[0; 28]);
    let plain = ethernet(IPV4, &ipv4());
    for frame in [&unread, &unread, &esp, &arp, &arp, &arp, &plain, &plain] {
        harness.decode(LinkType::ETHERNET, frame, frame.len());
    }
    let warnings = harness.decoder.warnings();
    let messages: Vec<_> = warnings
        .iter()
        .map(|warning| (warning.code, warning.count, warning.message.as_str()))
        .collect();
    assert_eq!(
        messages,
        [
            (
                WarningCode::EncapsulationUnread,
                2,
                "packets of EtherType 0x1234, 25 % of the capture, were not read; FTP in them is not in the report"
            ),
            (
                WarningCode::EncapsulationUnread,
                1,
                "packets of IP protocol 50 (ESP, encrypted IPsec), 12 % of the capture, were not read; FTP in them is not in the report"
            ),
        ]
    );
    for _ in 0..50 {
        harness.decode(LinkType::ETHERNET, &plain, plain.len());
    }
    assert_eq!(harness.decoder.warnings(), []);
}

#[test]
fn tunnel_over_udp_that_is_not_read_is_named_with_its_share() {
    for (source, destination, words) in [
        (40_000, 51_820, "WireGuard, encrypted (UDP port 51820)"),
        (5247, 12_222, "CAPWAP (UDP port 5247)"),
        (2152, 2152, "GTP-U (UDP port 2152)"),
    ] {
        let mut harness = Harness::new();
        let tunnel = ethernet(IPV4, &udp(source, destination, &[4; 40]));
        let plain = ethernet(IPV4, &ipv4());
        for frame in [&tunnel, &plain, &plain, &plain] {
            harness.decode(LinkType::ETHERNET, frame, frame.len());
        }
        let warnings = harness.decoder.warnings();
        let [warning] = warnings.as_slice() else {
            panic!("{words}: {warnings:?}");
        };
        assert_eq!(warning.code, WarningCode::EncapsulationUnread);
        assert!(
            warning.message.contains(&format!("{words}, 25 %")),
            "{}",
            warning.message
        );
    }
    let mut harness = Harness::new();
    let answer = ethernet(IPV4, &udp(53, 51_820, &[4; 40]));
    harness.decode(LinkType::ETHERNET, &answer, answer.len());
    assert_eq!(harness.decoder.warnings(), []);
}
