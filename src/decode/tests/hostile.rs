//! Cut and damaged stacks, and arbitrary bytes.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::stacks::stacks;
use super::{COMMAND, Harness, Output};
use crate::capture::LinkType;
use crate::decode::Tally;

/// Returns the sum of all outcomes, which must equal the number of packets.
fn accounted(tally: &Tally) -> u64 {
    let counts = [
        tally.not_ip,
        tally.other_protocol,
        tally.encrypted,
        tally.header_cut,
        tally.fragment_held,
        tally.depth_limit,
    ];
    let counts = counts.iter().chain(&tally.malformed);
    let unsupported = tally.unsupported.iter().map(|(_, count)| count);
    let others: u64 = counts.chain(unsupported).map(|count| count.count).sum();
    tally.segments + tally.datagrams + tally.icmp_errors + others
}

#[test]
fn snap_length_cuts_bytes_but_keeps_the_length_on_the_wire() {
    for (name, link, bytes, _) in stacks() {
        for captured in 0..bytes.len() {
            let mut harness = Harness::new();
            match harness.decode(link, &bytes[..captured], bytes.len()) {
                Output::Segment { payload, cut, .. } => {
                    assert_eq!(
                        payload.len() + cut as usize,
                        COMMAND.len(),
                        "{name}, {captured}"
                    );
                    assert!(COMMAND.starts_with(&payload), "{name}, {captured}");
                }
                Output::Datagram { cut, .. } => assert!(cut > 0, "{name}, {captured}"),
                other => assert!(
                    matches!(other, Output::Skipped(_)) && captured + COMMAND.len() < bytes.len(),
                    "{name}, {captured}: {other:?}"
                ),
            }
            assert_eq!(harness.decoder.tally().cut.count, 1, "{name}, {captured}");
        }
    }
}

#[test]
fn frame_shorter_than_its_ip_length_counts_as_cut() {
    for (name, link, bytes, _) in stacks() {
        let end = bytes.len() - 6;
        match Harness::new().decode(link, &bytes[..end], end) {
            Output::Segment { payload, cut, .. } => {
                assert_eq!((payload.len(), cut), (COMMAND.len() - 6, 6), "{name}");
            }
            // Teredo requires that the length match exactly.
            Output::Datagram { .. } => assert!(name.starts_with("Teredo"), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn stacks_with_any_byte_replaced_are_accounted_for() {
    let mut harness = Harness::new();
    let mut packets = 0;
    for (_, link, mut bytes, _) in stacks() {
        for at in 0..bytes.len() {
            let before = bytes[at];
            for value in [0, 1, 0x40, 0x7f, 0x80, 0xf0, 0xff, before ^ 0x55] {
                bytes[at] = value;
                harness.decode(link, &bytes, bytes.len());
                packets += 1;
            }
            bytes[at] = before;
        }
    }
    assert_eq!(harness.decoder.tally().packets, packets);
    assert_eq!(accounted(harness.decoder.tally()), packets);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(959), ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_of_any_link_type_are_accounted_for(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        wire_len in 0_usize..300,
    ) {
        let mut harness = Harness::new();
        for link in 0..300 {
            harness.decode(LinkType(link), &bytes, wire_len);
        }
        prop_assert_eq!(accounted(harness.decoder.tally()), 300);
        prop_assert!(!harness.decoder.warnings().is_empty());
    }

    #[test]
    fn damaged_stacks_are_accounted_for(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in any::<prop::sample::Index>(),
    ) {
        let stacks = stacks();
        let (_, link, bytes, _) = which.get(&stacks);
        let mut damaged = bytes.clone();
        for (at, value) in damage {
            let at = at.index(damaged.len());
            damaged[at] = value;
        }
        damaged.truncate(keep.index(bytes.len()) + 1);
        let mut harness = Harness::new();
        harness.decode(*link, &damaged, bytes.len());
        harness.decode(*link, &damaged, damaged.len());
        prop_assert_eq!(accounted(harness.decoder.tally()), 2);
    }
}
