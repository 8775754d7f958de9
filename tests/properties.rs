//! However the same bytes travel, the report is the same: cut into other segments, sent twice, overtaken by one another.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use ftpscope::capture::{CaptureSet, ReadOptions};
use ftpscope::pipeline::{Options, analyze};
use ftpscope::report::ReportBuilder;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

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

/// One frame of a classic pcap file.
#[derive(Clone, Debug)]
struct Frame {
    /// Seconds and microseconds, as in the record header.
    time: [u8; 8],
    bytes: Vec<u8>,
}

fn bytes_of(name: &str) -> Vec<u8> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/captures")
        .join(name);
    fs::read(path).expect("a capture of the test data")
}

fn read(name: &str) -> Vec<Frame> {
    let file = bytes_of(name);
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, tail)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(header[8..12].try_into().expect("four bytes")) as usize;
        let (bytes, tail) = tail.split_at(length);
        frames.push(Frame {
            time: header[..8].try_into().expect("eight bytes"),
            bytes: bytes.to_vec(),
        });
        rest = tail;
    }
    frames
}

fn write(frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let length = u32::try_from(frame.bytes.len())
            .expect("a small frame")
            .to_le_bytes();
        file.extend(frame.time);
        file.extend(length);
        file.extend(length);
        file.extend(&frame.bytes);
    }
    file
}

/// Returns the bounds of the TCP payload in an IPv4 frame; `None` for any other frame.
fn payload_range(frame: &Frame) -> Option<std::ops::Range<usize>> {
    let bytes = &frame.bytes;
    let is_tcp = bytes.get(12..14) == Some(&[8, 0]) && bytes.get(23) == Some(&6);
    if !is_tcp {
        return None;
    }
    let tcp = 14 + usize::from(bytes[14] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    Some(tcp + usize::from(bytes[tcp + 12] >> 4) * 4..14 + total)
}

fn payload(frame: &Frame) -> &[u8] {
    payload_range(frame).map_or(&[], |range| &frame.bytes[range])
}

fn same_sender(a: &Frame, b: &Frame) -> bool {
    let ends = |frame: &Frame| frame.bytes.get(26..38).map(<[u8]>::to_vec);
    payload_range(a).is_some() && payload_range(b).is_some() && ends(a) == ends(b)
}

/// The same payload in segments of random length; FIN goes with the last.
fn split(frame: &Frame, random: &mut Random) -> Vec<Frame> {
    let Some(range) = payload_range(frame).filter(|range| range.len() > 1) else {
        return vec![frame.clone()];
    };
    let tcp = 14 + usize::from(frame.bytes[14] & 15) * 4;
    let sequence = u32::from_be_bytes(
        frame.bytes[tcp + 4..tcp + 8]
            .try_into()
            .expect("four bytes"),
    );
    let is_right = tcp_sum(&frame.bytes[..range.end]) == u16::MAX;
    let mut pieces = Vec::new();
    let mut from = range.start;
    while from < range.end {
        let left = range.end - from;
        let length = if random.below(3) == 0 {
            left
        } else {
            1 + random.below(left)
        };
        let mut bytes = frame.bytes[..range.start].to_vec();
        bytes.extend(&frame.bytes[from..from + length]);
        let total = u16::try_from(bytes.len() - 14).expect("a small frame");
        bytes[16..18].copy_from_slice(&total.to_be_bytes());
        let offset = u32::try_from(from - range.start).expect("a small frame");
        bytes[tcp + 4..tcp + 8].copy_from_slice(&sequence.wrapping_add(offset).to_be_bytes());
        if from + length < range.end {
            bytes[tcp + 13] &= !1;
        }
        // Segments that a sender makes have right checksums, unless its network card fills them in.
        if is_right {
            bytes[tcp + 16..tcp + 18].fill(0);
            let checksum = !tcp_sum(&bytes);
            bytes[tcp + 16..tcp + 18].copy_from_slice(&checksum.to_be_bytes());
        }
        pieces.push(Frame {
            time: frame.time,
            bytes,
        });
        from += length;
    }
    pieces
}

/// Sums a TCP segment over IPv4 with its pseudo-header, in ones' complement (RFC 9293 section 3.1).
fn tcp_sum(frame: &[u8]) -> u16 {
    let tcp = 14 + usize::from(frame[14] & 15) * 4;
    let length = u16::try_from(frame.len() - tcp).expect("a small frame");
    let mut covered = frame[26..34].to_vec();
    covered.extend([0, 6]);
    covered.extend(length.to_be_bytes());
    covered.extend(&frame[tcp..]);
    covered.resize(covered.len().next_multiple_of(2), 0);
    covered.chunks(2).fold(0, |sum: u16, word| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([word[0], word[1]]));
        sum + u16::from(carry)
    })
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

/// A small generator, so that one number stands for all choices of a case.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(bound.max(1)).expect("a small bound"))
            .expect("below a small bound")
    }
}
