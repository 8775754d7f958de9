//! Each line of `SHA256SUMS` verifies, and the lists name what is in the folder, after any capture.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{CLIENT, DONE, SERVER, analyzed};
use crate::support::classic::classic;
use crate::support::connection::{Connection, Side};
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::recording::{Recorded, packets, pcap};
use crate::support::report::report;
use crate::support::specimens;

/// Damaged variants of each capture.
const VARIANTS: u64 = 12;

#[test]
fn sums_verify_after_every_committed_capture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    for entry in fs::read_dir(folder).expect("the captures are part of the project") {
        let path = entry.expect("an entry").path();
        // Extraction and its check happen in `report`.
        report(fs::read(&path).expect("a capture"));
    }
}

#[test]
fn sums_verify_after_damaged_captures() {
    for (name, capture) in captures() {
        let whole = packets(&capture);
        for seed in 0..VARIANTS {
            let mut random = Random(seed << 8 | name.len() as u64);
            eprintln!("{name}, variant {seed}");
            report(pcap(1, &damaged(&whole, &mut random)));
        }
    }
}

/// A client in passive mode connects before the server refuses its file.
#[test]
fn refused_upload_leaves_no_file_and_no_line_in_the_sums() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    data.open(&mut ftp.wire);
    ftp.exchange("STOR x", "550 Not enough privileges.");
    data.close(&mut ftp.wire, Side::Client);
    // An empty file that was accepted is a file.
    ftp.passive(None, 50_002);
    let mut data = ftp.passive_data(40_002, 50_002);
    data.open(&mut ftp.wire);
    ftp.exchange("STOR y", "150 Ok to send data.");
    data.close(&mut ftp.wire, Side::Client);
    ftp.reply(DONE);
    let (report, folder) = analyzed("refused-upload", &ftp.quit(), &["-x", "out"]);
    let transfer = |index| super::transfer(&report, index);
    assert_eq!(transfer(0)["completeness"], "aborted");
    assert!(transfer(0)["saved_as"].is_null(), "{}", transfer(0));
    let saved = transfer(1)["saved_as"].as_str().expect("a path");
    let sums = fs::read_to_string(folder.path().join("out/SHA256SUMS")).expect("sums");
    let names: Vec<_> = sums
        .lines()
        .filter_map(|line| line.split_once("  "))
        .collect();
    assert_eq!(names.len(), 1, "{sums}");
    assert_eq!(names[0].1, saved);
}

/// The first connection to the announced port is a third host's; the client's own comes after the command.
#[test]
fn connection_released_from_a_listing_is_saved_whole() {
    let capture = released();
    let report = report(capture);
    let unmatched = &report["unmatched_data"][0];
    assert_eq!(unmatched["bytes"], 23, "{unmatched:#}");
    assert_eq!(
        report["sessions"][0]["transfers"][0]["completeness"],
        "complete"
    );
}

fn released() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let ends = |client: &str| {
        let server = "192.0.2.20:50001".parse().expect("an address");
        Connection::new(client.parse().expect("an address"), server)
    };
    let mut stranger = ends("192.0.2.66:40001");
    stranger.open(&mut ftp.wire);
    stranger.stream(&mut ftp.wire, Side::Server, b"from before", SEGMENT);
    ftp.command("LIST");
    stranger.stream(&mut ftp.wire, Side::Server, b"and after it", SEGMENT);
    let mut own = ends("192.0.2.10:40002");
    own.open(&mut ftp.wire);
    ftp.reply(super::OPENING);
    let line = b"-rw-r--r-- 1 ftp ftp 1 Jan 1 2020 f\r\n";
    own.stream(&mut ftp.wire, Side::Server, line, SEGMENT);
    own.close(&mut ftp.wire, Side::Server);
    ftp.reply(DONE);
    stranger.close(&mut ftp.wire, Side::Server);
    ftp.quit()
}

/// Captures whose packets are damaged, by name.
fn captures() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("classic", classic()),
        ("released", released()),
        ("plain_passive", specimens::plain_passive()),
        ("extended_passive_ipv6", specimens::extended_passive_ipv6()),
        ("active_from_port_20", specimens::active_from_port_20()),
        (
            "active_from_a_high_port",
            specimens::active_from_a_high_port(),
        ),
        ("out_of_order", specimens::out_of_order()),
        (
            "overlap_with_new_bytes",
            specimens::overlap_with_new_bytes(),
        ),
        ("lost_segment", specimens::lost_segment()),
        (
            "conflicting_retransmission",
            specimens::conflicting_retransmission(),
        ),
        ("sequence_wrap", specimens::sequence_wrap()),
        ("bytes_after_reset", specimens::bytes_after_reset()),
        ("pipelined", specimens::pipelined()),
        ("store_unique", specimens::store_unique()),
        ("listing", specimens::listing()),
        ("zero_length", specimens::zero_length()),
        ("resumed", specimens::resumed()),
        ("same_four_tuple", specimens::same_four_tuple()),
        ("control_on_port_2121", specimens::control_on_port_2121()),
    ])
}

/// Drops, repeats, delays and cuts packets. Times stay in order.
fn damaged(packets: &[Recorded], random: &mut Random) -> Vec<Recorded> {
    let rate = [8, 20, 60][random.below(3)];
    let mut damaged: Vec<Recorded> = Vec::new();
    for packet in packets {
        match random.below(rate) {
            0 => {}
            1 => damaged.extend([packet.clone(), packet.clone()]),
            2 => {
                let at = damaged.len().saturating_sub(1 + random.below(12));
                damaged.insert(at, packet.clone());
            }
            3 => {
                let mut cut = packet.clone();
                cut.bytes.truncate(54 + random.below(packet.bytes.len()));
                damaged.push(cut);
            }
            4 if !damaged.is_empty() => {
                let again = damaged[random.below(damaged.len())].clone();
                damaged.extend([again, packet.clone()]);
            }
            _ => damaged.push(packet.clone()),
        }
    }
    let mut times: Vec<u64> = damaged.iter().map(|packet| packet.time).collect();
    times.sort_unstable();
    for (packet, time) in damaged.iter_mut().zip(times) {
        packet.time = time;
    }
    if random.below(4) == 0 {
        let end = random.below(damaged.len());
        damaged.truncate(end);
    }
    damaged
}

/// A small generator, so that one number stands for all choices of a variant.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let bound = u64::try_from(bound.max(1)).expect("a small bound");
        usize::try_from(mixed % bound).expect("below a small bound")
    }
}
