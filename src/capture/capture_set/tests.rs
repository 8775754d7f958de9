use std::io::Cursor;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::scratch_folder::ScratchFolder;

/// Builds a pcap file of packets with these times (microseconds) and bytes.
fn pcap(packets: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for (micros, data) in packets {
        let len = u32::try_from(data.len()).unwrap();
        for word in [micros / 1_000_000, micros % 1_000_000, len, len] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(data);
    }
    bytes
}

/// Builds a pcap file of one-byte packets.
fn short(packets: &[(u32, u8)]) -> Vec<u8> {
    let packets: Vec<_> = packets
        .iter()
        .map(|(time, byte)| (*time, vec![*byte]))
        .collect();
    pcap(&packets)
}

/// Reader that returns one byte a call, as a pipe may.
struct Drip(Cursor<Vec<u8>>);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

fn set(inputs: Vec<(&str, Vec<u8>)>, options: ReadOptions) -> CaptureSet {
    let inputs = inputs
        .into_iter()
        .map(|(path, bytes)| {
            let reader: Box<dyn Read + Send> = Box::new(Cursor::new(bytes));
            (PathBuf::from(path), reader)
        })
        .collect();
    CaptureSet::from_readers(inputs, options)
}

#[derive(Debug, Default)]
struct Seen {
    packets: Vec<(FrameRef, Vec<u8>)>,
    starts: Vec<String>,
    secrets: Vec<Vec<u8>>,
    warnings: Vec<Warning>,
    failures: Vec<String>,
}

fn run(set: &mut CaptureSet) -> Seen {
    let mut seen = Seen::default();
    set.for_each(&mut |input| {
        match input {
            Input::Packet(packet) => seen.packets.push((packet.frame, packet.data.to_vec())),
            Input::CaptureStart(capture) => seen.starts.push(capture.path.clone()),
            Input::Warning(warning) => seen.warnings.push(warning),
            Input::Failed(error) => seen.failures.push(error.to_string()),
            Input::Secrets(secrets) => seen.secrets.push(secrets.data.to_vec()),
            Input::Notes(_) | Input::SectionStart(_) => {}
            Input::Names(names) => panic!("{names:?}"),
            Input::Tick(_) => panic!("files do not wait"),
        }
        ControlFlow::Continue(())
    });
    seen
}

fn order_of(seen: &Seen) -> Vec<u8> {
    seen.packets.iter().map(|(_, data)| data[0]).collect()
}

#[test]
fn inputs_are_merged_by_time_and_numbered_over_the_timeline() {
    let mut set = set(
        vec![
            ("b", short(&[(2, 20), (5, 50), (6, 60)])),
            ("a", short(&[(1, 10), (5, 51), (9, 90)])),
        ],
        ReadOptions::default(),
    );
    let seen = run(&mut set);
    assert_eq!(order_of(&seen), [10, 20, 51, 50, 60, 90]);
    assert_eq!(seen.starts, ["a", "b"]);
    let frames: Vec<_> = seen
        .packets
        .iter()
        .map(|(frame, _)| (frame.number, frame.capture(), frame.capture_number()))
        .collect();
    assert_eq!(
        frames,
        [
            (1, 0, 1),
            (2, 1, 1),
            (3, 0, 2),
            (4, 1, 2),
            (5, 1, 3),
            (6, 0, 3)
        ]
    );
}

#[test]
fn equal_first_times_are_ordered_by_path_and_empty_captures_go_last() {
    let mut set = set(
        vec![
            ("none", short(&[])),
            ("b", short(&[(7, 2)])),
            ("a", short(&[(7, 1)])),
        ],
        ReadOptions::default(),
    );
    let seen = run(&mut set);
    assert_eq!(order_of(&seen), [1, 2]);
    assert_eq!(seen.starts, ["a", "b", "none"]);
    let none = &set.captures()[2];
    assert_eq!((none.packets, none.first_packet), (Some(0), None));
    assert_eq!(none.truncated, Some(false));
}

#[test]
fn packets_that_step_back_in_time_keep_the_file_order() {
    let mut set = set(
        vec![("a", short(&[(5, 1), (3, 2), (8, 3)]))],
        ReadOptions::default(),
    );
    assert_eq!(order_of(&run(&mut set)), [1, 2, 3]);
    let capture = &set.captures()[0];
    assert_eq!(capture.first_packet, Some(Timestamp::from_nanos(3_000)));
    assert_eq!(capture.last_packet, Some(Timestamp::from_nanos(8_000)));
}

#[test]
fn packets_outside_the_time_bounds_are_counted_but_not_delivered() {
    let options = ReadOptions {
        since: Some(Timestamp::from_nanos(2_000)),
        until: Some(Timestamp::from_nanos(4_000)),
        ..ReadOptions::default()
    };
    let mut set = set(
        vec![("a", short(&[(1, 1), (2, 2), (3, 3), (4, 4)]))],
        options,
    );
    let seen = run(&mut set);
    assert_eq!(order_of(&seen), [2, 3]);
    assert_eq!(seen.packets[0].0.number, 2);
    assert_eq!(set.captures()[0].packets, Some(4));
}

#[test]
fn cut_capture_is_warned_about_at_its_last_whole_packet() {
    let mut bytes = short(&[(1, 1), (2, 2)]);
    bytes.pop();
    let mut set = set(vec![("a.pcap", bytes)], ReadOptions::default());
    let seen = run(&mut set);
    assert_eq!(order_of(&seen), [1]);
    let warning = &seen.warnings[0];
    assert_eq!(warning.code, WarningCode::CaptureTruncated);
    assert_eq!(warning.frame.map(|frame| frame.number), Some(1));
    assert!(warning.message.starts_with("a.pcap: ends inside a packet"));
    assert_eq!(set.captures()[0].truncated, Some(true));
}

#[test]
fn cut_gzip_yields_its_packets_and_one_warning() {
    let packets: Vec<_> = (0..1000_u32)
        .map(|n| (n, n.to_be_bytes().to_vec()))
        .collect();
    let mut encoder =
        flate2::read::GzEncoder::new(Cursor::new(pcap(&packets)), flate2::Compression::default());
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).unwrap();
    packed.truncate(packed.len() / 2);
    let mut set = set(vec![("a.pcap.gz", packed)], ReadOptions::default());
    let seen = run(&mut set);
    assert!(seen.packets.len() > 100);
    for ((_, data), (_, expected)) in seen.packets.iter().zip(&packets) {
        assert_eq!(data, expected);
    }
    assert!(seen.failures.is_empty());
    assert_eq!(seen.warnings.len(), 1);
    assert_eq!(seen.warnings[0].code, WarningCode::CaptureTruncated);
    let capture = &set.captures()[0];
    assert_eq!(capture.format, "gzip pcap");
    assert_eq!(capture.truncated, Some(true));
    assert_eq!(capture.link_types, ["EN10MB"]);
}

#[test]
fn unreadable_inputs_fail_first_and_the_others_continue() {
    let mut set = set(
        vec![
            ("empty", Vec::new()),
            ("notes", b"just a few words\n".to_vec()),
            ("cut", short(&[])[..10].to_vec()),
            ("good", short(&[(1, 1)])),
        ],
        ReadOptions::default(),
    );
    let seen = run(&mut set);
    assert_eq!(
        seen.failures,
        [
            "cannot read empty: it is empty (0 bytes)",
            "cannot read notes: not a pcap or pcapng capture; it looks like text",
            "cannot read cut: it ends inside its pcap file header, after 10 bytes",
        ]
    );
    assert_eq!(order_of(&seen), [1]);
    assert_eq!(set.captures().len(), 1);
}

#[test]
fn corrupt_compression_fails_after_the_packets_before_it() {
    let packets: Vec<_> = (0..50_000_u32)
        .map(|n| (n, n.to_be_bytes().to_vec()))
        .collect();
    let mut encoder =
        flate2::read::GzEncoder::new(Cursor::new(pcap(&packets)), flate2::Compression::default());
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).unwrap();
    let end = packed.len() - 8;
    packed[end] ^= 0xff;
    let mut set = set(vec![("a", packed)], ReadOptions::default());
    let seen = run(&mut set);
    assert_eq!(seen.packets.len(), 50_000);
    assert_eq!(seen.failures.len(), 1);
    assert!(
        seen.failures[0].contains("corrupt gzip stream after 50000 packets"),
        "{}",
        seen.failures[0]
    );
}

#[test]
fn slow_pipe_yields_the_same_packets() {
    let bytes = short(&[(1, 1), (2, 2), (3, 3)]);
    let reader: Box<dyn Read + Send> = Box::new(Drip(Cursor::new(bytes)));
    let mut set = CaptureSet::from_readers(vec![("-".into(), reader)], ReadOptions::default());
    assert_eq!(order_of(&run(&mut set)), [1, 2, 3]);
}

/// Builds a pcapng file of one interface, the given secrets, one packet and the same secrets again.
fn pcapng_with_secrets(secrets: &[&[u8]], micros: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = |block_type: u32, words: &[u32], data: &[u8]| {
        let body = words.len() * 4 + data.len().next_multiple_of(4);
        let len = u32::try_from(body + 12).unwrap();
        for word in [block_type, len].iter().chain(words) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(&len.to_le_bytes());
    };
    block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX], &[]);
    block(1, &[1, 0], &[]);
    for place in 0..2 {
        if place == 1 {
            block(6, &[0, 0, micros, 1, 1], b"p");
        }
        for secrets in secrets {
            let len = u32::try_from(secrets.len()).unwrap();
            block(10, &[Secrets::TLS_KEY_LOG, len], secrets);
        }
    }
    bytes
}

#[test]
fn secrets_before_and_behind_the_first_packet_are_delivered() {
    let file = pcapng_with_secrets(&[b"one", b"two!"], 1);
    let mut set = set(vec![("a", file)], ReadOptions::default());
    let mut items = Vec::new();
    set.for_each(&mut |input| {
        items.push(match input {
            Input::CaptureStart(_) => "start".to_owned(),
            Input::Packet(_) => "packet".to_owned(),
            Input::Secrets(secrets) => String::from_utf8_lossy(secrets.data).into_owned(),
            Input::Notes(_) => return ControlFlow::Continue(()),
            other => panic!("{other:?}"),
        });
        ControlFlow::Continue(())
    });
    assert_eq!(items, ["start", "one", "two!", "packet", "one", "two!"]);
}

#[test]
fn secrets_of_a_probed_file_are_delivered_once() {
    let folder = ScratchFolder::new("probed-secrets");
    for (name, micros) in [("a", 1), ("b", 2)] {
        let file = pcapng_with_secrets(&[name.as_bytes()], micros);
        std::fs::write(folder.join(name), file).unwrap();
    }
    let mut set = CaptureSet::open(&[folder.to_path_buf()], ReadOptions::default());
    assert_eq!(run(&mut set).secrets, [b"a", b"a", b"b", b"b"]);
}

#[test]
fn secrets_before_the_first_packet_are_limited() {
    let large = vec![0; 6 << 20];
    let file = pcapng_with_secrets(&[&large, &large, &large], 1);
    let mut set = set(vec![("a", file)], ReadOptions::default());
    let seen = run(&mut set);
    // Two of the three in front, and all behind the packet, which need not be copied.
    assert_eq!(seen.secrets.len(), 2 + 3);
    assert_eq!(seen.warnings.len(), 1);
    assert_eq!(seen.warnings[0].code, WarningCode::LimitReached);
    assert_eq!(seen.warnings[0].count, 1);
}

#[test]
fn break_ends_the_run_at_once() {
    let mut set = set(
        vec![("a", short(&[(1, 1), (2, 2), (3, 3)]))],
        ReadOptions::default(),
    );
    let mut packets = 0;
    set.for_each(&mut |input| {
        if matches!(input, Input::Packet(_)) {
            packets += 1;
        }
        if packets == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(packets, 2);
    assert_eq!(set.captures()[0].packets, Some(2));
    assert_eq!(set.captures()[0].truncated, None);
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(959), failure_persistence: None, ..ProptestConfig::default() })]

    /// Rotated files: pieces that follow each other, equal times on both sides of a border allowed.
    #[test]
    fn capture_split_into_consecutive_files_is_the_same_timeline(
        steps in proptest::collection::vec(0_u32..3, 1..60),
        borders in proptest::collection::vec(0_usize..60, 0..6),
    ) {
        let packets = timeline(&steps);
        let mut borders: Vec<_> = borders.iter().map(|border| border % packets.len()).collect();
        borders.extend([0, packets.len()]);
        borders.sort_unstable();
        let names: Vec<_> = (0..borders.len()).map(|index| format!("{index:02}")).collect();
        let inputs = borders
            .windows(2)
            .zip(&names)
            .map(|(border, name)| (name.as_str(), pcap(&packets[border[0]..border[1]])))
            .collect();
        prop_assert_eq!(summary(inputs), summary(vec![("whole", pcap(&packets))]));
    }

    /// Parallel writers: every packet in any of the files, all times different.
    #[test]
    fn capture_dealt_out_to_parallel_files_is_the_same_timeline(
        deals in proptest::collection::vec((1_u32..3, 0_usize..4), 1..60),
    ) {
        let steps: Vec<_> = deals.iter().map(|(step, _)| *step).collect();
        let packets = timeline(&steps);
        let names = ["d", "c", "b", "a"];
        let inputs = names
            .iter()
            .enumerate()
            .map(|(file, name)| {
                let part: Vec<_> = packets
                    .iter()
                    .zip(&deals)
                    .filter(|(_, (_, dealt))| *dealt == file)
                    .map(|(packet, _)| packet.clone())
                    .collect();
                (*name, pcap(&part))
            })
            .collect();
        prop_assert_eq!(summary(inputs), summary(vec![("whole", pcap(&packets))]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut damaged = short(&[(1, 1), (2, 2)]);
        damaged.extend_from_slice(&bytes);
        let mut set = set(vec![("a", bytes), ("b", damaged)], ReadOptions::default());
        let seen = run(&mut set);
        prop_assert!(seen.packets.len() >= 2);
    }
}

/// Builds distinct packets, each so many microseconds after the previous one.
fn timeline(steps: &[u32]) -> Vec<(u32, Vec<u8>)> {
    let mut time = 0;
    steps
        .iter()
        .zip(0_u32..)
        .map(|(step, number)| {
            time += step;
            (time, number.to_be_bytes().to_vec())
        })
        .collect()
}

/// Reads inputs and returns the properties that do not depend on how packets are split into files.
fn summary(inputs: Vec<(&str, Vec<u8>)>) -> Vec<(u64, Timestamp, Vec<u8>)> {
    run(&mut set(inputs, ReadOptions::default()))
        .packets
        .into_iter()
        .map(|(frame, data)| (frame.number, frame.time, data))
        .collect()
}

#[test]
fn second_standard_input_is_an_error() {
    let listing = InputListing::of(&["-".into(), "-".into()]);
    assert_eq!(listing.candidates.len(), 1);
    assert!(matches!(
        listing.failures.as_slice(),
        [Error::StandardInputTwice]
    ));
}

#[test]
fn control_characters_in_a_path_are_escaped() {
    let path = printable_path(Path::new("a\nb\u{1b}[2J"));
    assert_eq!(path, "a\\x0ab\\x1b[2J");
}
