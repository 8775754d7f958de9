//! Captures on disk: directories, many files, links, pipes, what cannot be read, and the frames of several captures.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ftpscope::capture::{CaptureSet, Error, Input, PacketSource, ReadOptions};
use serde_json::Value;

use crate::support::classic::classic;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use crate::support::report::report_on;

/// A new, empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A pcap file with a packet of one byte at each of these seconds.
fn write_pcap(path: &Path, packets: &[(u32, u8)]) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65_535, 1] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for (second, byte) in packets {
        for word in [*second, 0, 1, 1] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.push(*byte);
    }
    fs::write(path, bytes).unwrap();
}

fn run(set: &mut CaptureSet) -> (Vec<u8>, Vec<Error>) {
    let (mut packets, mut failures) = (Vec::new(), Vec::new());
    set.for_each(&mut |input| {
        match input {
            Input::Packet(packet) => packets.extend_from_slice(packet.data),
            Input::Failed(error) => failures.push(error),
            Input::Tick(_) => panic!("files do not wait"),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    (packets, failures)
}

#[test]
fn a_directory_stands_for_the_captures_in_and_below_it() {
    let top = folder("directory");
    fs::create_dir_all(top.join("below/deep")).unwrap();
    write_pcap(&top.join("b.pcap"), &[(2, 2)]);
    write_pcap(&top.join("below/deep/a.cap"), &[(1, 1), (3, 3)]);
    fs::write(top.join("notes.txt"), "text").unwrap();
    fs::write(top.join("below/empty"), "").unwrap();
    let mut set = CaptureSet::open(std::slice::from_ref(&top), ReadOptions::default());
    let (packets, failures) = run(&mut set);
    assert_eq!(packets, [1, 2, 3]);
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(
        set.skipped_files(),
        [top.join("below/empty"), top.join("notes.txt")]
    );
    let paths: Vec<_> = set.captures().into_iter().map(|one| one.path).collect();
    let expected = [top.join("below/deep/a.cap"), top.join("b.pcap")];
    assert_eq!(paths, expected.map(|path| path.display().to_string()));
}

#[test]
fn what_cannot_be_read_is_named_with_what_to_do() {
    let top = folder("failures");
    fs::write(top.join("empty.pcap"), "").unwrap();
    fs::create_dir(top.join("no-captures")).unwrap();
    fs::write(top.join("no-captures/page.html"), "<html></html>").unwrap();
    fs::write(top.join("text.pcap"), "10:00:01 IP 10.0.0.1\n").unwrap();
    let paths: Vec<_> = ["missing", "empty.pcap", "no-captures", "text.pcap"]
        .iter()
        .map(|name| top.join(name))
        .collect();
    let (packets, failures) = run(&mut CaptureSet::open(&paths, ReadOptions::default()));
    assert!(packets.is_empty());
    assert!(matches!(
        failures.as_slice(),
        [
            Error::Io { .. },
            Error::Empty { .. },
            Error::NotACapture { .. },
            Error::NoCapture { files: 1, .. },
        ]
    ));
    for failure in failures {
        assert!(failure.hint().is_some(), "{failure}");
        assert_eq!(failure.to_string().lines().count(), 1);
    }
}

#[test]
fn many_rotated_files_are_one_timeline() {
    let top = folder("rotated");
    for file in 0..1000_u32 {
        let byte = u8::try_from(file % 251).unwrap();
        write_pcap(
            &top.join(format!("{file:05}.pcap")),
            &[(file, byte), (file + 1, byte)],
        );
    }
    let mut set = CaptureSet::open(std::slice::from_ref(&top), ReadOptions::default());
    let mut most = 0;
    let mut numbers = Vec::new();
    set.for_each(&mut |input| {
        if let Input::Packet(packet) = input {
            numbers.push(packet.frame.number);
            if packet.frame.number % 50 == 0 {
                most = most.max(open_below(&top));
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!(numbers, (1..=2000).collect::<Vec<_>>());
    assert!(most < 100, "{most} files were open at the same time");
}

/// Returns the number of files below `top` that this process has open; 0 on systems without `/proc`.
fn open_below(top: &Path) -> usize {
    // Only those below `top`: other tests of this process open files at the same time.
    fs::read_dir("/proc/self/fd").map_or(0, |descriptors| {
        descriptors
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(top))
            .count()
    })
}

#[cfg(unix)]
#[test]
fn links_in_circles_and_pipes_in_a_directory_are_no_trap() {
    let top = folder("links");
    write_pcap(&top.join("a.pcap"), &[(1, 1)]);
    std::os::unix::fs::symlink(&top, top.join("circle")).unwrap();
    std::os::unix::fs::symlink(top.join("nowhere"), top.join("dangling")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(top.join("pipe"))
        .status();
    let mut set = CaptureSet::open(std::slice::from_ref(&top), ReadOptions::default());
    let (packets, failures) = run(&mut set);
    assert_eq!(packets, [1]);
    assert!(failures.is_empty());
    let pipes = usize::from(made.is_ok_and(|status| status.success()));
    assert_eq!(set.skipped_files().len(), 2 + pipes);
}

#[test]
fn a_file_that_vanishes_after_the_first_look_fails_alone() {
    let top = folder("vanishes");
    write_pcap(&top.join("a"), &[(1, 1)]);
    write_pcap(&top.join("b"), &[(2, 2)]);
    write_pcap(&top.join("c"), &[(3, 3)]);
    let mut set = CaptureSet::open(std::slice::from_ref(&top), ReadOptions::default());
    fs::remove_file(top.join("b")).unwrap();
    let (packets, failures) = run(&mut set);
    assert_eq!(packets, [1, 3]);
    assert!(matches!(failures.as_slice(), [Error::Io { .. }]));
}

/// Packets of a pcap file, each with its header.
fn packets_of(pcap: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    let mut rest = &pcap[24..];
    while rest.len() > 16 {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let (packet, after) = rest.split_at(16 + length);
        packets.push(packet);
        rest = after;
    }
    packets
}

/// Deals the packets of a pcap file out to several, `turn` at a time.
fn dealt_out(pcap: &[u8], files: usize, turn: usize) -> Vec<Vec<u8>> {
    let mut dealt = vec![pcap[..24].to_vec(); files];
    for (at, packet) in packets_of(pcap).into_iter().enumerate() {
        dealt[at / turn % files].extend_from_slice(packet);
    }
    dealt
}

/// A lookup, a login that is refused, one that is accepted, and two downloads.
fn session_with_findings() -> Vec<u8> {
    let mut ftp = Conversation::open("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("USER mira", "331 Password.");
    ftp.exchange("PASS wrong secret", "530 Login incorrect.");
    ftp.exchange("USER mira", "331 Password.");
    ftp.exchange("PASS right secret", "230 Logged in.");
    ftp.exchange("CWD nowhere", "550 No such directory.");
    ftp.retrieve("a.txt", 40_001, 50_001, b"hello");
    ftp.retrieve("b.bin", 40_002, 50_002, &vec![7; 40_000]);
    ftp.quit()
}

/// A frame as a report names it: its number over all captures, its capture, its number there.
type Named = (u64, usize, u64);

/// Collects every frame that a report names, and panics at one without its place.
fn named_frames(value: &Value, found: &mut Vec<Named>) {
    let number = |value: &Value| value.as_u64().unwrap();
    let index = |value: &Value| usize::try_from(number(value)).unwrap();
    let place = |frame: &Value, place: &Value| {
        let capture = index(&place["capture"]);
        (number(frame), capture, number(&place["capture_frame"]))
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| named_frames(item, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "frame" if field.is_null() => {}
                    "frame" => found.push(place(field, value)),
                    "query_frame" => found.push(place(field, &value["query_place"])),
                    "response_frame" => found.push(place(field, &value["response_place"])),
                    "frames" => {
                        let places = value["places"].as_array().unwrap();
                        assert_eq!(places.len(), field.as_array().unwrap().len());
                        for (frame, at) in field.as_array().unwrap().iter().zip(places) {
                            found.push(place(frame, at));
                        }
                    }
                    "first_frame" | "last_frame" if value.get("capture").is_some() => {
                        let own = &value[name.replace("frame", "capture_frame")];
                        found.push((number(field), index(&value["capture"]), number(own)));
                    }
                    "first_frame" | "last_frame" => {
                        let spans = value["captures"].as_array().unwrap();
                        assert!(spans.iter().any(|span| span[name] == *field), "{value}");
                    }
                    _ => named_frames(field, found),
                }
            }
            if let Some(spans) = fields
                .get("captures")
                .filter(|_| fields.contains_key("uid"))
            {
                named_frames(spans, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_frame_of_several_captures_is_found_in_its_own() {
    for (name, whole) in [
        ("findings", session_with_findings()),
        ("classic", classic()),
    ] {
        let merged = packets_of(&whole);
        for (files, turn) in [(2, 1), (3, 7), (2, 30), (5, 2)] {
            let parts = dealt_out(&whole, files, turn);
            let report = report_on(parts.clone(), ReadOptions::default());
            let mut frames = Vec::new();
            named_frames(&report["sessions"], &mut frames);
            named_frames(&report["findings"], &mut frames);
            named_frames(&report["connection_attempts"], &mut frames);
            assert!(frames.len() > 30, "{name}: {frames:?}");
            for (frame, capture, own) in frames {
                let packets = packets_of(&parts[capture]);
                let at = |number: u64| usize::try_from(number).unwrap() - 1;
                assert_eq!(packets[at(own)], merged[at(frame)], "{name}: frame {frame}");
            }
        }
    }
}

#[test]
fn display_filter_of_each_capture_has_exactly_its_frames_of_the_session() {
    let whole = session_with_findings();
    for turn in [1, 9] {
        let parts = dealt_out(&whole, 2, turn);
        let report = report_on(parts.clone(), ReadOptions::default());
        let filters = report["sessions"][0]["display_filters"].as_array().unwrap();
        assert_eq!(filters.len(), 2);
        for (capture, filter) in filters.iter().enumerate() {
            assert_eq!(filter["capture"], capture);
            let filter = filter["filter"].as_str().unwrap();
            let mut chosen = 0;
            for clause in filter.split(" || ") {
                let numbers = |field: &str| -> Vec<u64> {
                    let texts = clause.split(field).skip(1);
                    texts
                        .map(|text| text.split([' ', ')']).next().unwrap().parse().unwrap())
                        .collect()
                };
                let (numbered, from, to) = (
                    numbers("tcp.port == "),
                    numbers("frame.number >= ")[0],
                    numbers("frame.number <= ")[0],
                );
                let packets = packets_of(&parts[capture]);
                let matches: Vec<u64> = (1..)
                    .zip(packets)
                    .filter(|(_, packet)| {
                        // Behind 16 bytes of the record, 14 of Ethernet and 20 of IPv4.
                        let port = |at: usize| {
                            u64::from(u16::from_be_bytes(packet[at..at + 2].try_into().unwrap()))
                        };
                        let found = [port(50), port(52)];
                        numbered.iter().all(|port| found.contains(port))
                    })
                    .map(|(number, _)| number)
                    .collect();
                assert_eq!(matches.first(), Some(&from), "{clause}");
                assert_eq!(matches.last(), Some(&to), "{clause}");
                chosen += matches.len();
            }
            assert_eq!(chosen, packets_of(&parts[capture]).len());
        }
    }
}

#[test]
fn views_for_people_name_the_capture_of_each_frame() {
    let folder = Folder::new("several-views");
    let parts = dealt_out(&session_with_findings(), 2, 30);
    folder.write("one.pcap", &parts[0]);
    folder.write("two.pcap", &parts[1]);
    let run = |arguments: &[&str]| folder.run(&[arguments, &["one.pcap", "two.pcap"]].concat());

    let table = run(&["analyze", "--color", "never"]);
    assert!(table.contains("│ in one.pcap and two.pcap\n"), "{table}");
    assert!(table.contains("(frame 18 of one.pcap)"), "{table}");
    assert!(table.contains(" two.pcap "), "{table}");

    let diagram = run(&["diagram"]);
    assert!(
        diagram.contains("frames: 1 is one.pcap, 2 is two.pcap"),
        "{diagram}"
    );
    assert!(
        diagram.contains(" #1:1 ") && diagram.contains(" #2:"),
        "{diagram}"
    );
    let mermaid = run(&["diagram", "--format", "mermaid"]);
    assert!(mermaid.contains(" of two.pcap)"), "{mermaid}");

    let page = run(&["analyze", "--format", "html"]);
    assert!(
        page.contains("\"captures\":[0,1]"),
        "a session names its captures"
    );
    assert!(
        page.contains("\"filters\":[[0,\""),
        "a filter for each capture"
    );

    let csv = run(&["analyze", "--format", "csv"]);
    assert!(
        csv.contains(",one.pcap,") && csv.contains(",two.pcap,"),
        "{csv}"
    );

    run(&["analyze", "-q", "-x", "files"]);
    let manifest: Value = serde_json::from_str(&folder.read("files/manifest.json")).unwrap();
    let file = &manifest["transfers"][1];
    assert_eq!(file["capture_path"], "two.pcap");
    assert_eq!(file["user"], "mira");
    assert_eq!(file["client"]["port"], 39_021);
    assert_eq!(file["server"]["port"], 21);
    let frame = usize::try_from(file["capture_frame"].as_u64().unwrap()).unwrap();
    let syn = packets_of(&parts[1])[frame - 1];
    assert_eq!(u16::from_be_bytes([syn[50], syn[51]]), 40_002);

    let tree = run(&["tree", "--format", "json"]);
    let tree = tree.strip_prefix("exit 0\n-- stdout\n").unwrap();
    let tree: Value = serde_json::from_str(tree).unwrap();
    let entries = tree["servers"][0]["entries"].as_array().unwrap();
    let event = |name: &str| {
        let entry = entries.iter().find(|entry| entry["name"] == name);
        entry.unwrap_or_else(|| panic!("{tree}"))["events"][0].clone()
    };
    assert_eq!(event("b.bin")["capture"], 1);
}
