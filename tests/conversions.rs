//! One session in every container, compression, link layer, tunnel and cut into every set of files: the transfers and
//! their digests stay the same.

use ftpscope::capture::ReadOptions;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use crate::support::containers::{Container, Squeezed};
use crate::support::recording::{Recorded, packets, pcap};
use crate::support::report::{report, report_on, transfers};
use crate::support::wrapping::{fragmented, wrappings};
use crate::support::{classic, specimens};

const ETHERNET: u16 = 1;

/// The session that is converted, and what must be found in it.
fn session() -> (Vec<Recorded>, Vec<Value>) {
    let capture = specimens::plain_passive();
    let expected = transfers(&report(capture.clone()));
    assert_eq!(expected.len(), 1);
    assert_eq!(expected[0]["completeness"], "complete");
    (packets(&capture), expected)
}

fn codes(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().expect("a list");
    warnings
        .iter()
        .filter_map(|warning| warning["code"].as_str())
        .collect()
}

/// A report without what names the inputs.
fn without_captures(mut report: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("capture");
                fields.remove("capture_frame");
                fields.remove("captures");
                fields.remove("places");
                fields.remove("evidence_places");
                fields.remove("query_place");
                fields.remove("response_place");
                fields.remove("display_filters");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    report["captures"] = Value::Null;
    strip(&mut report);
    report
}

#[test]
fn every_container_and_compression_gives_the_same_report() {
    let recorded = packets(&classic::classic());
    let expected = without_captures(report(pcap(1, &recorded)));
    for container in Container::all() {
        let file = container.write(ETHERNET, &recorded);
        let mut found = without_captures(report(file.clone()));
        // Times are as exact as the container holds them.
        assert_eq!(found, expected, "{container:?}");
        for squeezed in Squeezed::ALL {
            found = without_captures(report(squeezed.squeeze(file.clone())));
            assert_eq!(found, expected, "{container:?} {squeezed:?}");
        }
    }
}

#[test]
fn every_link_layer_and_tunnel_gives_the_same_transfers() {
    let (recorded, expected) = session();
    for wrapping in wrappings() {
        let wrapped = pcap(u32::from(wrapping.link_type), &wrapping.apply(&recorded));
        let found = report(wrapped);
        assert_eq!(transfers(&found), expected, "{}", wrapping.name);
        assert_eq!(codes(&found), [""; 0], "{}", wrapping.name);
        assert_eq!(
            found["totals"]["accounting"]["used"],
            recorded.len(),
            "{}",
            wrapping.name
        );
        assert_eq!(
            found["sessions"][0]["layers"],
            json!(wrapping.layers),
            "{}",
            wrapping.name
        );
    }
}

#[test]
fn packets_of_one_session_may_come_through_different_layers() {
    let (recorded, expected) = session();
    let all = wrappings();
    let ethernet: Vec<_> = all.iter().filter(|one| one.link_type == ETHERNET).collect();
    let mixed: Vec<Recorded> = recorded
        .iter()
        .enumerate()
        .flat_map(|(number, packet)| {
            ethernet[number % ethernet.len()].apply(std::slice::from_ref(packet))
        })
        .collect();
    assert_eq!(transfers(&report(pcap(1, &mixed))), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(959), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_into_any_files_gives_the_same_report(
        places in proptest::collection::vec(0_usize..8, 300),
        kinds in proptest::collection::vec((0_usize..22, 0_usize..5), 8),
    ) {
        // Equal times in different files would come in the order of the files.
        let mut recorded = packets(&classic::classic());
        for (packet, number) in recorded.iter_mut().zip(0_u64..) {
            packet.time = packet.time / 1_000_000 * 1_000_000 + number * 1000;
        }
        recorded.sort_by_key(|packet| packet.time);
        let expected = without_captures(report(pcap(1, &recorded)));
        let containers = Container::all();
        let files: Vec<Vec<u8>> = kinds.iter().enumerate().filter_map(|(file, (container, squeezed))| {
            let part: Vec<Recorded> = recorded
                .iter()
                .zip(&places)
                .filter(|(_, place)| **place == file)
                .map(|(packet, _)| packet.clone())
                .collect();
            let bytes = containers[container % containers.len()].write(ETHERNET, &part);
            // Some kinds of file are without a byte when no packet falls to them, compressed or not: no captures.
            (!bytes.is_empty()).then(|| Squeezed::ALL[*squeezed].squeeze(bytes))
        }).collect();
        let found = without_captures(report_on(files, ReadOptions::default()));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_fragmentation_in_any_order_gives_the_same_transfers(
        units in 1_usize..100,
        seeds in proptest::collection::vec(any::<u64>(), 200),
        again in any::<bool>(),
    ) {
        let (recorded, expected) = session();
        let pieces = fragmented(&recorded, units * 8, |number, pieces| {
            let mut seed = seeds[number % seeds.len()];
            for last in (1..pieces.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                pieces.swap(last, usize::try_from(seed >> 33).expect("31 bits") % (last + 1));
            }
            if again && pieces.len() > 1 {
                pieces.push(pieces[0].clone());
            }
        });
        let count = pieces.len();
        let found = report(pcap(1, &pieces));
        prop_assert_eq!(transfers(&found), expected);
        prop_assert_eq!(codes(&found), [""; 0]);
        if !again {
            prop_assert_eq!(&found["totals"]["accounting"]["used"], &json!(count));
        }
    }
}
