//! A disk that fills up while a monitor runs. Where no small disk can be mounted the tests say so and pass.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::live::monitor::{Monitor, analyzed, capture, events, folder, sessions};
use crate::live::specimen::{Specimen, specimen};
use crate::support::conversation::Conversation;

/// A disk of 256 KiB, which is gone when the test is over.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where there is no right to mount one.
    fn new(name: &str) -> Option<Self> {
        let path = folder(name);
        if !mount(&["-t", "tmpfs", "-o", "size=256k,mode=777", "tmpfs"], &path) {
            crate::support::passed_over("no right to mount a disk");
            return None;
        }
        Some(Self(path))
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut filler = fs::File::create(self.0.join("filler")).expect("a file");
        while filler.write_all(&[0; 512]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &[&str], path: &Path) -> bool {
    Command::new("mount")
        .args(options)
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Gives the monitor one more session, from another client.
fn give(monitor: &mut Monitor, packets: &[Specimen], number: u32) {
    let mut bytes = Vec::new();
    if number == 1 {
        let header = fs::read(capture("classic.pcap")).expect("a capture");
        bytes.extend(&header[..24]);
    }
    crate::live::specimen::write_again(packets, number, number * 30, &mut bytes);
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes).expect("written");
}

#[test]
fn a_full_disk_stops_saving_with_a_warning_and_nothing_else() {
    let Some(disk) = SmallDisk::new("full-disk") else {
        return;
    };
    let packets = specimen();
    let (saved, kept) = (disk.0.join("files"), disk.0.join("kept.pcapng"));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let arguments = ["-r", "-", "--format", "ndjson", "-x", &text(&saved)];
    let mut monitor = Monitor::start(&[&arguments[..], &["-w", &text(&kept)]].concat());
    let is_end = |line: &str| line.contains("\"session_end\"");
    let mut lines = Vec::new();
    give(&mut monitor, &packets, 1);
    lines.extend(monitor.wait_for(is_end));
    // What is kept is written a moment later.
    wait_until(|| !sessions(&analyzed(&kept)).is_empty());
    disk.fill();
    for number in [2, 3] {
        give(&mut monitor, &packets, number);
        lines.extend(monitor.wait_for(is_end));
    }
    // Each of the two outputs warns once.
    for _ in 0..2 {
        if count(&lines, ADVICE) < 2 {
            lines.extend(monitor.wait_for(|line| line.contains(ADVICE)));
        }
    }
    disk.make_room();
    monitor.signal(Signal::HUP);
    // It is heard between packets.
    std::thread::sleep(std::time::Duration::from_secs(1));
    give(&mut monitor, &packets, 4);
    lines.extend(monitor.wait_for(is_end));
    let ended = monitor.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    lines.extend(ended.lines);
    assert_eq!(count(&lines, ADVICE), 2, "{lines:#?}");
    let stopped = lines
        .iter()
        .filter(|line| line.contains("no more files are saved"));
    let named = "cannot save readme.txt of session 2: ";
    assert!(
        stopped.clone().all(|line| line.contains(named)),
        "{lines:#?}"
    );
    assert_eq!(stopped.count(), 1, "{lines:#?}");
    // Behind the last packets of the run it is told on standard error.
    for again in [
        "files are saved again; 2 files were not saved",
        "packets are written again; ",
    ] {
        let told = count(&lines, again) + ended.errors.matches(again).count();
        assert_eq!(told, 1, "{again}: {lines:#?} {}", ended.errors);
    }

    let saved_as: Vec<Value> = events(&lines)
        .iter()
        .filter(|event| event["type"] == "transfer")
        .filter(|event| event["transfer"]["direction"] == "download")
        .map(|event| event["transfer"]["saved_as"].clone())
        .collect();
    let is_saved: Vec<bool> = saved_as.iter().map(Value::is_string).collect();
    assert_eq!(is_saved, [true, false, false, true]);
    let sums = fs::read_to_string(saved.join("SHA256SUMS")).expect("sums");
    for name in [&saved_as[0], &saved_as[3]] {
        let name = name.as_str().expect("a name");
        assert!(sums.contains("c232a16f5c07"), "{sums}");
        assert!(sums.contains(name), "{sums}");
        assert_eq!(fs::read(saved.join(name)).expect("a file").len(), 1715);
    }
    assert_eq!(sums.lines().count(), 2, "{sums}");
    // What was kept before and after is a capture. The last page of the file may have room for some packets of the second session.
    let mut clients: Vec<Value> = sessions(&analyzed(&kept))
        .iter()
        .map(|session| session["client"]["ip"].clone())
        .collect();
    clients.retain(|client| client != "10.0.0.2");
    assert_eq!(clients, ["10.0.0.1", "10.0.0.4"]);
}

#[test]
fn full_disk_is_told_on_standard_error_where_events_go_into_a_file() {
    let Some(disk) = SmallDisk::new("full-disk-quiet") else {
        return;
    };
    let place = folder("full-disk-events");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (kept, events) = (disk.0.join("kept.pcapng"), place.join("events"));
    let (kept, events) = (text(&kept), text(&events));
    let mut monitor = Monitor::start(&["-r", "-", "-o", &events, "-w", &kept]);
    let packets = specimen();
    give(&mut monitor, &packets, 1);
    let has = |word: &str| fs::read_to_string(&events).is_ok_and(|text| text.contains(word));
    wait_until(|| has("session ends") || has("QUIT"));
    disk.fill();
    give(&mut monitor, &packets, 2);
    give(&mut monitor, &packets, 3);
    wait_until(|| has(ADVICE));
    let ended = monitor.end();
    assert!(ended.errors.contains(ADVICE), "{}", ended.errors);
}

#[test]
fn events_that_are_written_again_after_a_full_disk_are_told_once() {
    let Some(disk) = SmallDisk::new("full-events-again") else {
        return;
    };
    let path = disk.0.join("events");
    fs::write(&path, "").expect("written");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("set");
    let packets = specimen();
    let metrics = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = metrics.local_addr().expect("an address").to_string();
    drop(metrics);
    let output = path.to_str().expect("UTF-8");
    let mut monitor = Monitor::start(&["-r", "-", "-o", output, "--metrics", &address]);
    // Lines before the disk is full would take the rest of a page, and those after it would fit.
    give(&mut monitor, &packets, 1);
    let has = |word: &str| fs::read_to_string(&path).is_ok_and(|text| text.contains(word));
    wait_until(|| has("session ends"));
    disk.fill();
    let lost = || {
        let asked = std::net::TcpStream::connect(&address).and_then(|mut stream| {
            stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n")?;
            std::io::read_to_string(stream)
        });
        let text = asked.unwrap_or_default();
        text.contains("events_lost_total") && !text.contains("events_lost_total 0\n")
    };
    let mut number = 2;
    while !lost() {
        give(&mut monitor, &packets, number);
        number += 1;
        assert!(number < 100, "the disk is never full");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    disk.make_room();
    monitor.signal(Signal::HUP);
    // It is heard between packets.
    std::thread::sleep(std::time::Duration::from_secs(1));
    give(&mut monitor, &packets, number);
    give(&mut monitor, &packets, number + 1);
    let ended = monitor.end();
    let times = |text: &str| ended.errors.matches(text).count();
    assert_eq!(times("events cannot be written"), 1, "{}", ended.errors);
    assert_eq!(times("events are written again; "), 1, "{}", ended.errors);
    // Events were lost.
    assert_eq!(ended.code, Some(2));
}

#[test]
fn files_on_a_full_disk_are_in_both_lists_and_the_next_run_leaves_them_alone() {
    let Some(disk) = SmallDisk::new("full-analyze") else {
        return;
    };
    // Entries of the files that do not fit take more than the disk has.
    let mut ftp = Conversation::logged_in("192.168.0.2:40000", "192.168.0.21:21");
    for number in 0..600_u16 {
        let name = format!("a-name-of-some-length-{number}.bin");
        ftp.retrieve(&name, 41_000 + number, 51_000 + number, &[b'x'; 900]);
    }
    let input = folder("full-analyze-capture").join("a.pcap");
    fs::write(&input, ftp.quit()).expect("written");
    let saved = disk.0.join("files");
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_ftpscope"))
            .args(["analyze", "-q", "-x"])
            .arg(&saved)
            .arg(&input)
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let message = run();
    assert!(message.contains("files could not be saved"), "{message}");
    assert!(
        message.contains("make room or choose another disk"),
        "{message}"
    );
    let sums = fs::read_to_string(saved.join("SHA256SUMS")).expect("sums");
    let manifest = fs::read(saved.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let there = fs::read_dir(saved.join("192.168.0.21_21/1")).expect("a folder");
    let there = there.count();
    assert!(there > 0);
    assert_eq!(sums.lines().count(), there);
    let transfers = manifest["transfers"].as_array().expect("a list");
    let omitted = manifest["transfers_omitted"].as_u64().unwrap_or_default();
    let listed = transfers.iter().filter(|one| one["saved_as"].is_string());
    assert_eq!(listed.count(), there);
    assert_eq!(transfers.len() as u64 + omitted, 600);
    run();
    assert_eq!(
        fs::read_to_string(saved.join("SHA256SUMS")).expect("sums"),
        sums
    );
}

#[test]
fn events_that_do_not_fit_are_counted_and_the_file_holds_whole_lines() {
    let Some(disk) = SmallDisk::new("full-events") else {
        return;
    };
    let path = disk.0.join("events");
    fs::write(&path, "").expect("written");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("set");
    let input = capture("classic.pcap");
    let arguments = [
        "-r",
        input.to_str().expect("UTF-8"),
        "--format",
        "ndjson",
        "-o",
        path.to_str().expect("UTF-8"),
    ];
    disk.fill();
    let ended = Monitor::start(&arguments).end();
    assert_eq!(ended.code, Some(2), "{}", ended.errors);
    assert!(
        ended.errors.contains("events cannot be written"),
        "{}",
        ended.errors
    );
    assert!(ended.errors.contains("events not written"));
    let text = fs::read_to_string(&path).expect("text");
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
}

fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it does not come to it");
}

fn count(lines: &[String], what: &str) -> usize {
    lines.iter().filter(|line| line.contains(what)).count()
}

/// Warning when an output stops.
const ADVICE: &str = "make room and send SIGHUP";
