//! Missing and wrong lengths, the TCP header, ICMP errors, warnings, and fragments.

use super::{
    COMMAND, Harness, IPV4, Output, decode, ethernet, ipv4, ipv4_with, ipv6, ipv6_with, udp,
};
use crate::capture::{LinkType, Packet};
use crate::decode::{Decoded, Decoder, Layer, SkipReason};
use crate::model::{Endpoint, FrameRef, Limits, Span, WarningCode};

fn malformed(layer: Layer) -> Output {
    Output::Skipped(SkipReason::Malformed(layer))
}

#[test]
fn offloaded_packets_end_with_their_frame() {
    let mut packet = ipv4();
    packet[2..4].fill(0);
    assert_eq!(
        decode(LinkType::ETHERNET, &ethernet(IPV4, &packet)),
        Output::command()
    );
    let mut packet = ipv6();
    packet[4..6].fill(0);
    assert_eq!(decode(LinkType::RAW, &packet), Output::command_v6());
    // Offloaded and cut by the snap length.
    let captured = packet.len() - 3;
    let seen = Harness::new().decode(LinkType::RAW, &packet[..captured], packet.len());
    assert!(matches!(seen, Output::Segment { cut: 3, .. }), "{seen:?}");
}

#[test]
fn jumbograms_end_with_their_frame() {
    let tcp = ipv6().split_off(40);
    let length = u32::try_from(tcp.len() + 8).expect("short").to_be_bytes();
    let option = [&[6, 0, 0xc2, 4][..], &length, &tcp].concat();
    let mut packet = ipv6_with(0, &option);
    packet[4..6].fill(0);
    assert_eq!(decode(LinkType::IPV6, &packet), Output::command_v6());
}

#[test]
fn length_below_that_of_the_header_is_malformed() {
    let mut packet = ipv4();
    packet[2..4].copy_from_slice(&[0, 19]);
    assert_eq!(decode(LinkType::RAW, &packet), malformed(Layer::Network));
    let mut packet = ipv4();
    packet[0] = 0x44;
    assert_eq!(decode(LinkType::RAW, &packet), malformed(Layer::Network));
    let mut packet = udp(1000, 53, b"query");
    packet[24..26].copy_from_slice(&[0, 7]);
    assert_eq!(decode(LinkType::RAW, &packet), malformed(Layer::Transport));
    let mut packet = ipv4();
    packet[32] = 0x40;
    assert_eq!(decode(LinkType::RAW, &packet), malformed(Layer::Transport));
    // Options beyond the end of the packet.
    let mut packet = ipv4();
    packet[32] = 0xf0;
    assert_eq!(decode(LinkType::RAW, &packet), malformed(Layer::Transport));
}

#[test]
fn window_scale_is_read_only_with_syn() {
    let mut packet = ipv4();
    packet[32] = 0x60;
    packet[40..44].copy_from_slice(&[1, 3, 3, 7]);
    let mut decoder = Decoder::new(&Limits::default());
    for (flags, expected) in [(0x02, Some(7)), (0x12, Some(7)), (0x10, None)] {
        packet[33] = flags;
        let packet = Packet {
            frame: FrameRef::default(),
            link: LinkType::RAW,
            wire_len: 0,
            data: &packet,
        };
        match decoder.decode(&packet) {
            Decoded::Segment(segment) => assert_eq!(segment.window_scale, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn segment_cut_inside_its_options_keeps_its_length() {
    let mut packet = ipv4();
    packet[32] = 0x60;
    let seen = Harness::new().decode(LinkType::RAW, &packet[..41], packet.len());
    match seen {
        Output::Segment { payload, cut, .. } => {
            assert!(payload.is_empty());
            assert_eq!(cut as usize, COMMAND.len() - 4);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn icmp_errors_yield_the_quoted_flow() {
    let quote = &ipv4()[..28];
    let unreachable = ipv4_with(1, &[&[3, 3, 0, 0, 0, 0, 0, 0][..], quote].concat());
    match decode(LinkType::RAW, &unreachable) {
        Output::Icmp(error) => {
            assert_eq!(
                (error.kind, error.code, error.v6, error.protocol),
                (3, 3, false, 6)
            );
            assert_eq!(error.source, Endpoint::v4([10, 0, 0, 2], 1175));
            assert_eq!(error.destination, Endpoint::v4([10, 0, 0, 1], 21));
            let router = Endpoint::v4([192, 0, 2, 1], 0).address;
            assert_eq!(error.reporter, router);
        }
        other => panic!("{other:?}"),
    }
    let quote = [
        &[0x60, 0, 0, 0, 0, 99, 60, 1][..],
        &ipv6()[8..40],
        &[6, 0, 1, 4, 0, 0, 0, 0],
    ];
    let quote = [&quote.concat(), &ipv6()[40..48]].concat();
    let unreachable = ipv6_with(58, &[&[1, 1, 0, 0, 0, 0, 0, 0][..], &quote].concat());
    match decode(LinkType::RAW, &unreachable) {
        Output::Icmp(error) => {
            assert_eq!((error.kind, error.code, error.v6), (1, 1, true));
            assert_eq!(error.destination.port, 21);
        }
        other => panic!("{other:?}"),
    }
    let echo = ipv4_with(1, &[8, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        decode(LinkType::RAW, &echo),
        Output::Skipped(SkipReason::OtherProtocol)
    );
    let nothing = ipv4_with(1, &[3, 3, 0, 0, 0, 0, 0, 0]);
    assert_eq!(decode(LinkType::RAW, &nothing), malformed(Layer::Transport));
}

#[test]
fn skipped_packets_are_counted_with_their_first_frame() {
    let mut harness = Harness::new();
    assert_eq!(
        harness.decode(LinkType::ETHERNET, &ethernet(0x0806, &[0; 28]), 42),
        Output::Skipped(SkipReason::NotIp)
    );
    for _ in 0..2 {
        harness.decode(LinkType(147), &[1, 2, 3], 3);
    }
    harness.decode(LinkType::RAW, &ipv4()[..30], 56);
    harness.decode(LinkType::RAW, &[0x10; 40], 40);
    let tally = harness.decoder.tally();
    assert_eq!(tally.not_ip.first.map(|frame| frame.number), Some(1));
    assert_eq!(tally.header_cut.count, 1);
    let warnings = harness.decoder.warnings();
    let codes: Vec<_> = warnings
        .iter()
        .map(|warning| (warning.code, warning.count))
        .collect();
    assert_eq!(
        codes,
        [
            (WarningCode::LinkTypeUnsupported, 2),
            (WarningCode::PacketsCut, 1),
            (WarningCode::PacketsCut, 1),
            (WarningCode::MalformedPacket, 1),
        ]
    );
    assert!(
        warnings[0].message.contains("147"),
        "{}",
        warnings[0].message
    );
    assert_eq!(warnings[0].frame.map(|frame| frame.number), Some(2));
}

#[test]
fn link_types_beyond_the_limit_share_one_warning() {
    let mut harness = Harness::new();
    for link in 300..400 {
        harness.decode(LinkType(link), &[], 0);
    }
    let warnings = harness.decoder.warnings();
    assert_eq!(warnings.len(), 17);
    assert_eq!(warnings[16].count, 84);
}

/// Splits an IPv4 packet into fragments of `size` payload bytes.
fn fragments_v4(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(20);
    let count = payload.len().div_ceil(size);
    let parts = payload.chunks(size).enumerate();
    parts
        .map(|(index, part)| {
            let mut fragment = [header, part].concat();
            let total = u16::try_from(fragment.len()).expect("short");
            let more = if index + 1 < count { 0x2000 } else { 0 };
            let place = u16::try_from(index * size / 8).expect("short") | more;
            fragment[2..4].copy_from_slice(&total.to_be_bytes());
            fragment[6..8].copy_from_slice(&place.to_be_bytes());
            fragment
        })
        .collect()
}

/// Splits an IPv6 packet into fragments of `size` payload bytes.
fn fragments_v6(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let payload = &packet[40..];
    let count = payload.len().div_ceil(size);
    let parts = payload.chunks(size).enumerate();
    parts
        .map(|(index, part)| {
            let more = u16::from(index + 1 < count);
            let place = u16::try_from(index * size).expect("short") | more;
            let [high, low] = place.to_be_bytes();
            let header = [6, 0, high, low, 0, 0, 0, 77];
            ipv6_with(44, &[&header[..], part].concat())
        })
        .collect()
}

#[test]
fn fragments_in_any_order_yield_the_same_segment() {
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    let v4 = (fragments_v4(&ipv4(), 16), Output::command());
    let v6 = (fragments_v6(&ipv6(), 16), Output::command_v6());
    for (fragments, expected) in [v4, v6] {
        assert_eq!(fragments.len(), 3);
        for order in orders {
            let mut harness = Harness::new();
            let seen = order.map(|index| {
                let fragment = &fragments[index];
                harness.decode(LinkType::RAW, fragment, fragment.len())
            });
            let held = Output::Skipped(SkipReason::FragmentHeld);
            assert_eq!(seen, [held.clone(), held, expected.clone()], "{order:?}");
            assert_eq!(harness.decoder.warnings(), []);
        }
    }
}

#[test]
fn fragments_nested_in_fragments_are_joined() {
    let tunnelled = fragments_v4(&ipv4(), 24).into_iter();
    let outer: Vec<_> = tunnelled
        .enumerate()
        .flat_map(|(index, inner)| {
            let mut packet = ipv4_with(4, &inner);
            packet[5] = u8::try_from(index).expect("few");
            fragments_v4(&packet, 24)
        })
        .collect();
    assert_eq!(outer.len(), 4);
    let mut harness = Harness::new();
    let seen: Vec<_> = outer
        .iter()
        .map(|packet| harness.decode(LinkType::RAW, packet, packet.len()))
        .collect();
    assert_eq!(seen.last(), Some(&Output::command()));
}

#[test]
fn segment_of_a_fragmented_packet_has_the_frame_that_completed_it() {
    let mut decoder = Decoder::new(&Limits::default());
    let mut last = None;
    for (number, fragment) in (5..).zip(fragments_v4(&ipv4(), 16)) {
        let seen = decoder.decode(&Packet {
            frame: FrameRef {
                number,
                ..FrameRef::default()
            },
            link: LinkType::RAW,
            wire_len: 0,
            data: &fragment,
        });
        if let Decoded::Segment(segment) = seen {
            last = Some(segment.frame.number);
        }
    }
    assert_eq!(last, Some(7));
}

#[test]
fn fragment_cut_by_the_snap_length_cuts_the_segment() {
    let fragments = fragments_v4(&ipv4(), 24);
    let mut harness = Harness::new();
    harness.decode(LinkType::RAW, &fragments[0][..42], fragments[0].len());
    match harness.decode(LinkType::RAW, &fragments[1], fragments[1].len()) {
        Output::Segment { payload, cut, .. } => {
            assert_eq!(payload, &COMMAND[..2]);
            assert_eq!(cut as usize, COMMAND.len() - 2);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn incomplete_datagrams_are_warned_about_before_and_after_they_expire() {
    let fragments = fragments_v4(&ipv4(), 16);
    let mut harness = Harness::new();
    harness.decode(LinkType::RAW, &fragments[0], fragments[0].len());
    let warnings = harness.decoder.warnings();
    assert_eq!(
        (warnings[0].code, warnings[0].count),
        (WarningCode::Fragments, 1)
    );
    harness.time = harness.time.plus(Span::from_secs(31));
    harness.decode(LinkType::RAW, &fragments[1], fragments[1].len());
    harness.decode(LinkType::RAW, &fragments[2], fragments[2].len());
    let warnings = harness.decoder.warnings();
    assert_eq!(
        (warnings[0].code, warnings[0].count),
        (WarningCode::Fragments, 2)
    );
}
