//! Stacks that were cut, damaged or never were any.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::stacks::stacks;
use super::{Bench, COMMAND, Seen};
use crate::capture::LinkType;
use crate::decode::Tally;

/// Packets by all ways in which they can leave the decoder.
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
fn a_snap_length_cuts_bytes_but_never_the_length() {
    for (name, link, bytes, _) in stacks() {
        for captured in 0..bytes.len() {
            let mut bench = Bench::new();
            match bench.decode(link, &bytes[..captured], bytes.len()) {
                Seen::Segment { payload, cut, .. } => {
                    assert_eq!(
                        payload.len() + cut as usize,
                        COMMAND.len(),
                        "{name}, {captured}"
                    );
                    assert!(COMMAND.starts_with(&payload), "{name}, {captured}");
                }
                Seen::Datagram { cut, .. } => assert!(cut > 0, "{name}, {captured}"),
                other => assert!(
                    matches!(other, Seen::Other(_)) && captured + COMMAND.len() < bytes.len(),
                    "{name}, {captured}: {other:?}"
                ),
            }
            assert_eq!(bench.decoder.tally().cut.count, 1, "{name}, {captured}");
        }
    }
}

#[test]
fn a_frame_shorter_than_its_ip_length_counts_as_cut() {
    for (name, link, bytes, _) in stacks() {
        let end = bytes.len() - 6;
        match Bench::new().decode(link, &bytes[..end], end) {
            Seen::Segment { payload, cut, .. } => {
                assert_eq!((payload.len(), cut), (COMMAND.len() - 6, 6), "{name}");
            }
            // Its length has to fit exactly.
            Seen::Datagram { .. } => assert!(name.starts_with("Teredo"), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn every_byte_may_have_any_value() {
    let mut bench = Bench::new();
    let mut packets = 0;
    for (_, link, mut bytes, _) in stacks() {
        for at in 0..bytes.len() {
            let before = bytes[at];
            for value in [0, 1, 0x40, 0x7f, 0x80, 0xf0, 0xff, before ^ 0x55] {
                bytes[at] = value;
                bench.decode(link, &bytes, bytes.len());
                packets += 1;
            }
            bytes[at] = before;
        }
    }
    assert_eq!(bench.decoder.tally().packets, packets);
    assert_eq!(accounted(bench.decoder.tally()), packets);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(959), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_of_any_link_type_are_accounted_for(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        wire_len in 0_usize..300,
    ) {
        let mut bench = Bench::new();
        for link in 0..300 {
            bench.decode(LinkType(link), &bytes, wire_len);
        }
        prop_assert_eq!(accounted(bench.decoder.tally()), 300);
        prop_assert!(!bench.decoder.warnings().is_empty());
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
        let mut bench = Bench::new();
        bench.decode(*link, &damaged, bytes.len());
        bench.decode(*link, &damaged, damaged.len());
        prop_assert_eq!(accounted(bench.decoder.tally()), 2);
    }
}
