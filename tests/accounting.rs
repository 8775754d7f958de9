//! Every packet is accounted for: the parts add up to the packets read, whatever was in them.

use std::fs;
use std::path::Path;

use ftpscope::capture::ReadOptions;
use serde_json::{Value, json};

use crate::support::recording::{Recorded, packets, pcap};
use crate::support::report::{report, report_on};
use crate::support::{classic, specimens};

fn sum(accounting: &Value) -> u64 {
    let count = |name: &str| accounting[name].as_u64().expect("a count");
    let reasons = accounting["not_decodable"].as_object().expect("reasons");
    ["used", "dns", "not_ftp", "filtered", "outside_time_bounds"]
        .map(count)
        .iter()
        .sum::<u64>()
        + reasons.values().filter_map(Value::as_u64).sum::<u64>()
}

fn accounting(report: &Value) -> Value {
    let totals = &report["totals"];
    assert_eq!(
        Value::from(sum(&totals["accounting"])),
        totals["packets"],
        "{totals}"
    );
    totals["accounting"].clone()
}

#[test]
fn all_of_a_plain_session_is_used() {
    let parts = accounting(&report(specimens::plain_passive()));
    assert_eq!(parts["not_ftp"], 0);
    assert_eq!(parts["not_decodable"], json!({}));
    assert_eq!(parts["cut"], 0);
    let classic = accounting(&report(classic::classic()));
    assert!(classic["dns"].as_u64() > Some(0), "{classic}");
}

#[test]
fn a_session_on_another_port_is_used_with_its_whole_handshake() {
    let parts = accounting(&report(specimens::control_on_port_2121()));
    assert_eq!(parts["not_ftp"], 0, "{parts}");
}

#[test]
fn packets_after_a_reset_still_belong_to_their_connection() {
    let parts = accounting(&report(specimens::bytes_after_reset()));
    assert_eq!(parts["not_ftp"], 0, "{parts}");
}

#[test]
fn every_capture_of_testdata_adds_up() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
        let parts = accounting(&report(bytes));
        assert!(parts["used"].as_u64() > Some(0), "{parts}");
        seen += 1;
    }
    assert!(seen > 10);
}

#[test]
fn what_cannot_be_decoded_has_a_reason_each() {
    let mut recorded = packets(&specimens::plain_passive());
    let all = recorded.len();
    let time = recorded[0].time;
    let ethernet = |rest: &[u8]| Recorded {
        time,
        bytes: [&[2; 12], rest].concat(),
    };
    // ARP, an IP header of 4 bytes, half an Ethernet header, and the first fragment of something.
    let first_fragment = [
        0x08, 0x00, 0x45, 0, 0, 28, 0, 1, 0x20, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 21, 0,
        80, 0, 0, 0, 1,
    ];
    recorded.insert(0, ethernet(&[0x08, 0x06, 0, 1]));
    recorded.insert(0, ethernet(&[0x08, 0x00, 0x41, 0, 0, 20]));
    recorded.insert(0, ethernet(&[]));
    recorded.insert(0, ethernet(&first_fragment));
    let parts = accounting(&report(pcap(1, &recorded)));
    assert_eq!(parts["used"], all);
    assert_eq!(parts["not_ftp"], 1);
    assert_eq!(
        parts["not_decodable"],
        json!({"fragment": 1, "malformed": 2})
    );

    let parts = accounting(&report(pcap(107, &recorded)));
    assert_eq!(
        parts["not_decodable"],
        json!({"link-type-unsupported": all + 4})
    );
}

#[test]
fn what_was_cut_counts_where_it_belongs_and_once_more() {
    let parts = accounting(&report(specimens::short_snap_length()));
    assert!(parts["cut"].as_u64() > Some(0));
    assert_eq!(parts["not_ftp"], 0);
}

#[test]
fn what_lies_outside_the_bounds_on_time_is_counted() {
    let recorded = packets(&specimens::plain_passive());
    let middle = recorded[recorded.len() / 2].time;
    let since = i64::try_from(middle).expect("before 2262");
    let read = ReadOptions {
        since: Some(ftpscope::model::Timestamp::from_nanos(since)),
        ..ReadOptions::default()
    };
    let parts = accounting(&report_on(vec![specimens::plain_passive()], read));
    let before = recorded
        .iter()
        .filter(|packet| packet.time < middle)
        .count();
    assert_eq!(parts["outside_time_bounds"], before);
}
