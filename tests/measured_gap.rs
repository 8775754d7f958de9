//! One file, sent in every way that makes other tools lose it: each capture goes through the program, and the report
//! must hold the file whole, or say what of it is missing.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::folder::Folder;
use crate::support::specimens::{self, RESUME_AT, SIZE};

#[test]
fn plain_passive() {
    assert_whole_file("plain_passive", &specimens::plain_passive(), "passive");
}

#[test]
fn extended_passive_over_ipv6() {
    assert_whole_file(
        "extended_passive_ipv6",
        &specimens::extended_passive_ipv6(),
        "extended-passive",
    );
}

#[test]
fn active_from_port_20() {
    assert_whole_file(
        "active_from_port_20",
        &specimens::active_from_port_20(),
        "active",
    );
}

#[test]
fn active_from_a_high_port() {
    assert_whole_file(
        "active_from_a_high_port",
        &specimens::active_from_a_high_port(),
        "active",
    );
}

#[test]
fn extended_active() {
    assert_whole_file(
        "extended_active",
        &specimens::extended_active(),
        "extended-active",
    );
}

#[test]
fn data_segments_out_of_order() {
    assert_whole_file("out_of_order", &specimens::out_of_order(), "passive");
}

#[test]
fn retransmission_that_overlaps_and_adds_new_bytes() {
    assert_whole_file(
        "overlap_with_new_bytes",
        &specimens::overlap_with_new_bytes(),
        "passive",
    );
}

#[test]
fn lost_segment_is_a_gap_with_its_range() {
    let report = analyze("lost_segment", &specimens::lost_segment());
    let transfer = only_transfer(&report);
    assert_eq!(transfer["completeness"], "gaps");
    assert_eq!(transfer["missing_bytes"], 1400);
    assert_eq!(transfer["missing_ranges"], json!([[9800, 11_200]]));
    assert_eq!(transfer["bytes"], SIZE - 1400);
    assert_eq!(transfer["sha256"], Value::Null);
}

#[test]
fn first_bytes_win_over_a_conflicting_retransmission() {
    assert_whole_file(
        "conflicting_retransmission",
        &specimens::conflicting_retransmission(),
        "passive",
    );
}

#[test]
fn keep_alive_byte_is_no_data() {
    assert_whole_file("keep_alive", &specimens::keep_alive(), "passive");
}

#[test]
fn sequence_numbers_wrap() {
    assert_whole_file("sequence_wrap", &specimens::sequence_wrap(), "passive");
}

#[test]
fn bytes_after_a_reset_belong_to_no_file() {
    assert_whole_file(
        "bytes_after_reset",
        &specimens::bytes_after_reset(),
        "passive",
    );
}

#[test]
fn passive_reply_with_a_translated_address() {
    assert_whole_file(
        "translated_address",
        &specimens::translated_address(),
        "passive",
    );
}

#[test]
fn passive_reply_with_address_zero() {
    assert_whole_file("zero_address", &specimens::zero_address(), "passive");
}

#[test]
fn commands_between_passive_and_retrieve() {
    let pcap = specimens::commands_between_passive_and_retrieve();
    let report = analyze("commands_between", &pcap);
    assert_file(
        only_transfer(&report),
        "RETR",
        "passive",
        &specimens::content(),
    );
    assert_eq!(only_transfer(&report)["path"], "/pub/f.bin");
}

#[test]
fn lower_case_commands() {
    assert_whole_file("lower_case", &specimens::lower_case(), "passive");
}

#[test]
fn pipelined_commands_in_one_segment() {
    let report = analyze("pipelined", &specimens::pipelined());
    assert_file(
        only_transfer(&report),
        "RETR",
        "passive",
        &specimens::content(),
    );
    let login = &report["sessions"][0]["login"];
    assert_eq!(login["outcome"], "accepted");
    assert_eq!(login["user"], "mira");
    assert_eq!(login["password"], "hazel-lantern");
}

#[test]
fn command_and_reply_split_over_segments() {
    let report = analyze("split_lines", &specimens::split_lines());
    assert_file(
        only_transfer(&report),
        "RETR",
        "passive",
        &specimens::content(),
    );
    let announced = &only_transfer(&report)["announced"];
    assert_eq!(announced["port"], 195 * 256 + 81);
}

#[test]
fn store_unique_has_the_name_the_server_chose() {
    let report = analyze("store_unique", &specimens::store_unique());
    let transfer = only_transfer(&report);
    assert_file(transfer, "STOU", "passive", &specimens::content());
    assert_eq!(transfer["direction"], "upload");
    assert_eq!(transfer["path"], "/incoming/upload.0017");
}

#[test]
fn listing_is_a_transfer_with_entries() {
    let report = analyze("listing", &specimens::listing());
    let transfer = only_transfer(&report);
    assert_file(transfer, "LIST", "passive", specimens::LISTING.as_bytes());
    assert_eq!(transfer["direction"], "listing");
    let names: Vec<&Value> = transfer["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, ["pub", "f.bin"]);
}

#[test]
fn file_without_a_byte() {
    let report = analyze("zero_length", &specimens::zero_length());
    let transfer = only_transfer(&report);
    assert_file(transfer, "RETR", "passive", &[]);
    assert_eq!(transfer["name"], "empty.bin");
}

#[test]
fn resumed_transfer_is_two_parts_of_one_file() {
    let report = analyze("resumed", &specimens::resumed());
    let content = specimens::content();
    let transfers = transfers(&report);
    assert_eq!(transfers.len(), 2);
    let (first, second) = (&transfers[0], &transfers[1]);
    assert_eq!(first["completeness"], "aborted");
    assert_eq!(first["sha256"], sha256(&content[..RESUME_AT]));
    assert_eq!(second["restart_offset"], RESUME_AT);
    assert_file(second, "RETR", "passive", &content[RESUME_AT..]);
}

#[test]
fn behind_a_pause_of_the_traffic() {
    let content = vec![b'x'; 100 * SEGMENT];
    for minutes in [0, 2, 3 * 60, 48 * 60] {
        for late in 60..63 {
            let mut earlier = Conversation::logged_in("10.0.0.3:39000", SERVER);
            earlier.part();
            let mut wire = earlier.wire;
            wire.wait(Duration::from_mins(minutes));
            let before = wire.len();
            let mut ftp = Conversation::open_on(wire, "10.0.0.2:40000", SERVER);
            ftp.exchange("USER mira", "331 Please specify the password.");
            ftp.exchange("PASS hazel-lantern", "230 Login successful.");
            ftp.retrieve("f.bin", 40_001, 50_001, &content);
            ftp.part();
            // A packet comes late, while it becomes clear that the time stamps are right.
            ftp.wire.move_frame(before + late, before + late + 8);
            let name = format!("pause_{minutes}_{late}");
            let report = analyze(&name, &ftp.wire.to_pcap());
            let sessions = report["sessions"].as_array().expect("an array");
            assert_eq!(sessions.len(), 2, "{name}");
            let session = &sessions[1];
            assert_eq!(session["end_state"], "closed", "{name}");
            assert_eq!(session["login"]["outcome"], "accepted", "{name}");
            let transfer = &session["transfers"][0];
            assert_file(transfer, "RETR", "passive", &content);
            assert_eq!(report["warnings"], json!([]), "{name}");
        }
    }
}

#[test]
fn control_on_port_2121() {
    let pcap = specimens::control_on_port_2121();
    assert_whole_file("control_on_port_2121", &pcap, "passive");
}

#[test]
fn one_direction_leaves_the_bytes_without_a_command() {
    let report = analyze("one_direction", &specimens::one_direction());
    let unmatched = report["unmatched_data"].as_array().expect("an array");
    assert_eq!(unmatched.len(), 1);
    assert_eq!(unmatched[0]["bytes"], SIZE);
    assert_eq!(unmatched[0]["sha256"], sha256(&specimens::content()));
    let session = &report["sessions"][0];
    assert_eq!(session["login"]["outcome"], "accepted");
    let steps = session["steps"].as_array().expect("an array");
    let retrieve = steps
        .iter()
        .find(|step| step["kind"] == "retrieve")
        .expect("a step known from its replies");
    assert_eq!(retrieve["inferred"], true);
    assert_eq!(retrieve["commands"], serde_json::json!([]));
}

#[test]
fn same_four_tuple_carries_two_files() {
    let report = analyze("same_four_tuple", &specimens::same_four_tuple());
    let transfers = transfers(&report);
    assert_eq!(transfers.len(), 2);
    assert_file(&transfers[0], "RETR", "passive", &specimens::content());
    assert_file(
        &transfers[1],
        "RETR",
        "passive",
        &specimens::second_content(),
    );
    assert_eq!(transfers[1]["name"], "g.bin");
}

#[test]
fn short_snap_length_is_a_gap_in_every_segment() {
    let report = analyze("short_snap_length", &specimens::short_snap_length());
    let transfer = only_transfer(&report);
    assert_eq!(transfer["completeness"], "gaps");
    assert_eq!(transfer["bytes"], 15 * 146);
    assert_eq!(transfer["announced_bytes"], SIZE);
    assert_eq!(transfer["sha256"], Value::Null);
}

/// The capture holds one session with one transfer: the file, whole.
fn assert_whole_file(name: &str, pcap: &[u8], mode: &str) {
    let report = analyze(name, pcap);
    let transfer = only_transfer(&report);
    assert_file(transfer, "RETR", mode, &specimens::content());
    assert_eq!(transfer["name"], specimens::NAME);
    assert_eq!(transfer["direction"], "download");
}

fn assert_file(transfer: &Value, verb: &str, mode: &str, content: &[u8]) {
    assert_eq!(transfer["verb"], verb);
    assert_eq!(transfer["mode"], mode);
    assert_eq!(transfer["bytes"], content.len());
    assert_eq!(transfer["missing_bytes"], 0);
    assert_eq!(transfer["sha256"], sha256(content));
    assert_eq!(transfer["completeness"], "complete");
}

fn only_transfer(report: &Value) -> &Value {
    let transfers = transfers(report);
    assert_eq!(transfers.len(), 1, "one transfer in {report:#}");
    &transfers[0]
}

/// The transfers of the only session.
fn transfers(report: &Value) -> &Vec<Value> {
    let sessions = report["sessions"].as_array().expect("an array");
    assert_eq!(sessions.len(), 1, "one session in {report:#}");
    sessions[0]["transfers"].as_array().expect("an array")
}

/// Returns the report of the program on a capture.
fn analyze(name: &str, pcap: &[u8]) -> Value {
    let folder = Folder::new(&format!("measured-gap-{name}"));
    folder.write("capture.pcap", pcap);
    folder.report(&["--show-passwords", "capture.pcap"])
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
}

const SERVER: &str = "10.0.0.1:21";
