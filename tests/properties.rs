//! However the same bytes travel, the report is the same: cut into other segments, sent twice, overtaken by one another.

use std::io::Cursor;

use ftpscope::capture::{CaptureSet, ReadOptions};
use ftpscope::pipeline::{Options, analyze};
use ftpscope::report::ReportBuilder;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use crate::support::frames::{Frame, Random, bytes_of, payload, read, same_sender, split, write};

/// Real sessions over Ethernet and IPv4, without loss.
const CAPTURES: &[&str] = &[
    "classic.pcap",
    "classic-real.pcap",
    "passive-lftp.pcap",
    "upload.pcap",
    "failed-login.pcap",
    "pureftpd-curl.pcap",
    "proftpd-lftp.pcap",
    "pyftpdlib-ftplib.pcap",
    "ftps-explicit.pcap",
    "ftps-ccc.pcap",
    "ftps-implicit.pcap",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(959), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_segmentation_gives_the_same_report(capture in capture(), cuts in any::<u64>()) {
        let mut random = Random(cuts);
        let frames: Vec<Frame> = read(capture).iter().flat_map(|frame| split(frame, &mut random)).collect();
        prop_assert_eq!(report(&frames), report(&read(capture)));
    }

    #[test]
    fn repeated_segments_change_nothing(capture in capture(), which in any::<u64>()) {
        let mut random = Random(which);
        let mut frames = Vec::new();
        let mut earlier: Vec<Frame> = Vec::new();
        for frame in read(capture) {
            if random.below(4) == 0 && let Some(again) = earlier.get(random.below(earlier.len())) {
                let time = frame.time;
                frames.push(Frame { time, ..again.clone() });
            }
            if !payload(&frame).is_empty() {
                earlier.push(frame.clone());
                // An old copy of a segment outlives its connection by no more than this.
                if earlier.len() > 8 {
                    earlier.remove(0);
                }
            }
            frames.push(frame);
        }
        prop_assert_eq!(report(&frames), report(&read(capture)));
    }

    #[test]
    fn segments_that_overtake_one_another_change_nothing(capture in capture(), which in any::<u64>()) {
        let mut random = Random(which);
        let mut frames: Vec<Frame> = read(capture).iter().flat_map(|frame| split(frame, &mut random)).collect();
        for at in 1..frames.len() {
            // Pieces of what one end sends in a row may come in any order.
            let free = same_sender(&frames[at - 1], &frames[at])
                && !payload(&frames[at - 1]).is_empty()
                && !payload(&frames[at]).is_empty();
            if free && random.below(3) == 0 {
                frames.swap(at - 1, at);
            }
        }
        prop_assert_eq!(report(&frames), report(&read(capture)));
    }

    #[test]
    fn captured_out_of_step_the_dialogue_is_the_same(capture in capture(), which in any::<u64>()) {
        let mut random = Random(which);
        let mut frames = read(capture);
        // The first packet decides which end is the client.
        for group in frames.chunks_mut(3).filter(|group| !group.iter().any(opens_or_closes)) {
            let times: Vec<[u8; 8]> = group.iter().map(|frame| frame.time).collect();
            for at in (1..group.len()).rev() {
                group.swap(at, random.below(at + 1));
            }
            for (frame, time) in group.iter_mut().zip(times) {
                frame.time = time;
            }
        }
        prop_assert_eq!(dialogues(&frames), dialogues(&read(capture)));
    }
}

/// Two damaged bytes put a reply before its command and make it answer none: it was looked at without end.
#[test]
fn a_reply_that_answers_nothing_is_not_given_again_and_again() {
    let mut capture = bytes_of("pyftpdlib-ftplib.pcap");
    capture[1032] = 151;
    capture[2462] = 242;
    let report = report_of(capture);
    let sessions = report["sessions"].as_array().expect("a list");
    assert!(!sessions.is_empty());
}

fn capture() -> impl Strategy<Value = &'static str> {
    prop::sample::select(CAPTURES)
}

/// Removes the fields of a report that depend on where and when bytes travelled.
fn report(frames: &[Frame]) -> Value {
    report_of(write(frames))
}

fn report_of(capture: Vec<u8>) -> Value {
    let reader: Box<dyn std::io::Read + Send> = Box::new(Cursor::new(capture));
    let mut source = CaptureSet::from_readers(
        vec![("session.pcap".into(), reader)],
        ReadOptions::default(),
    );
    let options = Options {
        show_passwords: true,
        ..Options::default()
    };
    let mut builder = ReportBuilder::new(&options.limits);
    let summary = analyze(&mut source, &options, &mut builder, &mut ());
    let report = builder.finish(summary.captures, summary.totals);
    let mut value = serde_json::to_value(&report).expect("a report");
    for part in ["captures", "totals", "warnings"] {
        value.as_object_mut().expect("an object").remove(part);
    }
    strip(&mut value);
    value
}

/// Every command with its replies, and what was moved.
fn dialogues(frames: &[Frame]) -> Vec<Value> {
    let report = report(frames);
    let list = |of: &Value, name: &str| of[name].as_array().expect("a list").clone();
    let sessions = list(&report, "sessions").into_iter();
    sessions
        .flat_map(|session| {
            let commands = list(&session, "steps").into_iter();
            let commands = commands.flat_map(move |step| list(&step, "commands"));
            let transfers = list(&session, "transfers").into_iter();
            let moved = ["path", "bytes", "completeness", "sha256"];
            let transfers = transfers
                .map(move |transfer| moved.map(|name| transfer[name].clone()).to_vec().into());
            commands.chain(transfers).collect::<Vec<Value>>()
        })
        .collect()
}

/// A SYN, a FIN or a RST.
fn opens_or_closes(frame: &Frame) -> bool {
    let header = frame.bytes.get(14).map(|byte| usize::from(byte & 15) * 4);
    let flags = header.and_then(|length| frame.bytes.get(14 + length + 13));
    flags.is_none_or(|flags| flags & 7 != 0)
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !TRAVEL.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Fields that depend on the packets, not on the bytes in them.
const TRAVEL: &[&str] = &[
    "frame",
    "frames",
    "first_frame",
    "last_frame",
    "query_frame",
    "response_frame",
    "retransmitted_bytes",
    "packets_from_client",
    "packets_from_server",
    "ip_bytes_from_client",
    "ip_bytes_from_server",
    "frame_bytes_from_client",
    "frame_bytes_from_server",
    "copies",
    "tcp_history",
    "first_payload",
    "last_payload",
    "closed_at",
    "time",
    "start",
    "end",
    "duration",
    "response_time",
    "throughput",
    "display_filter",
    "evidence",
    "title",
    "explanation",
    "timing",
];
