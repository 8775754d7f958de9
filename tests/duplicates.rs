//! Packets that come twice, out of order or at equal times, and inputs in any order: the report stays the same.

use ftpscope::capture::ReadOptions;
use serde_json::Value;

use crate::support::recording::{Recorded, packets, pcap};
use crate::support::report::{report, report_on};
use crate::support::{classic, specimens};

/// A session with each packet numbered as Linux does, so that copies can be distinguished from retransmissions.
fn numbered(capture: &[u8]) -> Vec<Recorded> {
    let mut recorded = packets(capture);
    for (packet, number) in recorded.iter_mut().zip(1_u16..) {
        if packet.bytes[12..14] == [8, 0] {
            packet.bytes[18..20].copy_from_slice(&number.to_be_bytes());
        }
    }
    recorded
}

/// A report without frame numbers, and without what counts packets.
fn essence(mut report: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| {
                    let of_captures = ["capture", "captures", "copies", "display_filters"];
                    !name.contains("frame")
                        && !name.contains("place")
                        && !of_captures.contains(&name.as_str())
                });
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::String(text) if text.contains("frame") => {
                text.retain(|character| !character.is_ascii_digit());
            }
            _ => {}
        }
    }
    for field in ["packets", "bytes", "accounting"] {
        report["totals"][field] = Value::Null;
    }
    report["captures"] = Value::Null;
    for session in report["sessions"].as_array_mut().expect("a list") {
        session["display_filter"] = Value::Null;
    }
    strip(&mut report);
    report
}

/// Takes out what depends on when exactly packets came.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let times = [
                "time",
                "start",
                "end",
                "duration",
                "response_time",
                "throughput",
                "first_payload",
                "last_payload",
                "closed_at",
            ];
            fields.retain(|name, _| !times.contains(&name.as_str()));
            // Titles contain durations.
            fields.remove("title");
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// Every packet and, `nanos` later, a copy of it.
fn twice(recorded: &[Recorded], nanos: u64) -> Vec<Recorded> {
    let mut all: Vec<_> = recorded
        .iter()
        .flat_map(|packet| {
            let copy = Recorded {
                time: packet.time + nanos,
                ..packet.clone()
            };
            [packet.clone(), copy]
        })
        .collect();
    all.sort_by_key(|packet| packet.time);
    all
}

/// Index of a session on another port among the captures.
const ON_PORT_2121: usize = 8;

fn captures() -> Vec<Vec<u8>> {
    vec![
        classic::classic(),
        specimens::plain_passive(),
        specimens::active_from_port_20(),
        specimens::out_of_order(),
        specimens::overlap_with_new_bytes(),
        specimens::lost_segment(),
        specimens::bytes_after_reset(),
        specimens::same_four_tuple(),
        specimens::control_on_port_2121(),
        specimens::zero_length(),
    ]
}

/// Facts of each session that do not depend on when it took place, nor on its number.
fn sessions_of(report: &Value) -> Vec<Value> {
    let sessions = report["sessions"].as_array().expect("a list");
    let facts = sessions.iter().map(|session| {
        let transfers = session["transfers"].as_array().expect("a list");
        let transfers: Vec<_> = transfers
            .iter()
            .map(|one| serde_json::json!([one["path"], one["sha256"], one["completeness"]]))
            .collect();
        serde_json::json!({
            "midstream": session["midstream"],
            "login": session["login"],
            "verdict": session["verdict"],
            "duration": session["duration"],
            "control": session["control"]["tcp_history"],
            "commands": session["steps"].as_array().map(Vec::len),
            "transfers": transfers,
        })
    });
    facts.collect()
}

#[test]
fn same_connections_again_later_are_sessions_of_their_own() {
    for capture in [
        classic::classic(),
        specimens::plain_passive(),
        specimens::active_from_port_20(),
        specimens::control_on_port_2121(),
    ] {
        let once = packets(&capture);
        let alone = sessions_of(&report(pcap(1, &once)));
        for seconds in [120, 86_400] {
            let again = once.iter().map(|packet| Recorded {
                time: packet.time + seconds * 1_000_000_000,
                ..packet.clone()
            });
            let both: Vec<_> = once.iter().cloned().chain(again).collect();
            let both = report(pcap(1, &both));
            let expected = [alone.clone(), alone.clone()].concat();
            assert_eq!(sessions_of(&both), expected, "{seconds} s later");
        }
    }
}

#[test]
fn packets_captured_twice_change_no_more_than_frame_numbers() {
    for (number, capture) in captures().into_iter().enumerate() {
        let recorded = numbered(&capture);
        let expected = essence(report(pcap(1, &recorded)));
        // Copies at the same time, between the packets, and after some later ones.
        for nanos in [0, 10_000, 2_000_000] {
            let mut found = essence(report(pcap(1, &twice(&recorded, nanos))));
            let mut expected = expected.clone();
            if nanos > 0 {
                // The last packet of a connection is now a copy, and that much later.
                without_times(&mut found);
                without_times(&mut expected);
            }
            // Followed from its first line on: of the ACK before it, only a late copy is seen.
            if number == ON_PORT_2121 {
                for report in [&mut found, &mut expected] {
                    let control = &mut report["sessions"][0]["control"];
                    for field in ["packets_from_client", "ip_bytes_from_client", "tcp_history"] {
                        control[field] = Value::Null;
                    }
                }
            }
            assert_same(&found, &expected, &format!("capture {number}, {nanos} ns"));
        }
    }
}

#[test]
fn copies_are_counted_with_and_without_payload_and_are_no_retransmissions() {
    let recorded = numbered(&specimens::plain_passive());
    let found = report(pcap(1, &twice(&recorded, 1000)));
    let accounting = &found["totals"]["accounting"];
    // Of each connection, the copy of the last packet may come behind its end.
    let least = recorded.len() - 2;
    let duplicates = accounting["duplicates"].as_u64();
    assert!(duplicates >= u64::try_from(least).ok(), "{accounting}");
    assert!(duplicates <= u64::try_from(recorded.len()).ok());
    assert_eq!(accounting["used"], recorded.len() * 2);
    let connection = &found["sessions"][0]["transfers"][0]["connection"];
    assert_eq!(connection["retransmitted_bytes"], 0);
}

#[test]
fn what_was_sent_again_has_another_number_or_comes_later() {
    let recorded = numbered(&specimens::plain_passive());
    let mut slow = recorded.clone();
    for packet in &mut slow {
        packet.time = recorded[0].time + (packet.time - recorded[0].time) * 100;
    }
    let later = report(pcap(1, &twice(&slow, 12_000_000)));
    let mut again = twice(&recorded, 1000);
    for packet in again.iter_mut().skip(1).step_by(2) {
        packet.bytes[18] |= 0x80;
    }
    let renumbered = report(pcap(1, &again));
    for found in [later, renumbered] {
        let connection = &found["sessions"][0]["transfers"][0]["connection"];
        assert!(connection["retransmitted_bytes"].as_u64() > Some(0));
        assert_eq!(found["totals"]["accounting"]["duplicates"], 0);
    }
}

#[test]
fn two_halves_may_be_given_in_reverse_order() {
    for capture in captures() {
        let recorded = packets(&capture);
        let (first, second) = recorded.split_at(recorded.len() / 2);
        let expected = essence(report(capture.clone()));
        let halves = vec![pcap(1, second), pcap(1, first)];
        let found = essence(report_on(halves, ReadOptions::default()));
        assert_eq!(found, expected);
    }
}

#[test]
fn equal_times_keep_the_order_of_the_inputs() {
    let mut recorded = packets(&classic::classic());
    let time = recorded[0].time;
    for packet in &mut recorded {
        packet.time = time;
    }
    let expected = essence(report(pcap(1, &recorded)));
    let files: Vec<_> = recorded.chunks(5).map(|part| pcap(1, part)).collect();
    let found = essence(report_on(files, ReadOptions::default()));
    assert_eq!(found, expected);
}

#[test]
fn time_that_goes_back_changes_no_transfer() {
    for capture in captures() {
        let expected = crate::support::report::transfers(&report(capture.clone()));
        let mut recorded = packets(&capture);
        let middle = recorded.len() / 2;
        // The clock was set back by an hour, and jitters from there on.
        for (number, packet) in recorded.iter_mut().enumerate().skip(middle) {
            packet.time -= 3_600_000_000_000 + u64::from(number % 3 == 0) * 5_000_000;
        }
        let found = crate::support::report::transfers(&report(pcap(1, &recorded)));
        assert_eq!(found, expected);
    }
}

/// Compares field by field, so that a difference is named.
fn assert_same(found: &Value, expected: &Value, place: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names = |fields: &serde_json::Map<String, Value>| {
                fields.keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(names(found), names(expected), "{place}");
            for (name, value) in found {
                assert_same(value, &expected[name], &format!("{place}.{name}"));
            }
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert_same(found, expected, &format!("{place}[{index}]"));
            }
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}
