//! Captures on disk: directories, many files, links, pipes and what cannot be read.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ftpscope::capture::{CaptureSet, Error, Input, PacketSource, ReadOptions};

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
