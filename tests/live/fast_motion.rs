//! More than an hour of steady load, as fast as it goes through a pipe: memory stays what it was.

use std::fs;
use std::io::Write as _;

use crate::live::monitor::{Monitor, capture};
use crate::live::specimen::{specimen, write_again};

/// Resident memory in pages.
fn memory(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/statm")).expect("a process");
    let mut fields = text.split_whitespace();
    fields.nth(1).expect("a field").parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_flat_over_hours_of_sessions() {
    let packets = specimen();
    let mut monitor = Monitor::start(&["-r", "-", "--format", "ndjson", "--events", "summary"]);
    let mut input = monitor.input.take().expect("a pipe");
    let header = fs::read(capture("classic.pcap")).expect("a capture");
    input.write_all(&header[..24]).expect("written");
    let mut first = 0;
    // Two sessions a second for three hours; the first hour fills what is kept for an hour.
    for number in 0..SESSIONS {
        let mut bytes = Vec::new();
        write_again(&packets, 256 + number % CLIENTS, number / 2, &mut bytes);
        input.write_all(&bytes).expect("written");
        if number == SESSIONS / 2 {
            first = memory(monitor.id());
        }
        if number % 256 == 0 {
            // What has been read so far is out.
            monitor.wait_for(|line| line.contains("session_end"));
        }
    }
    let last = memory(monitor.id());
    drop(input);
    let ended = monitor.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let totals = ended.lines.last().expect("totals");
    assert!(
        totals.contains(&format!("\"sessions\":{SESSIONS},")),
        "{totals}"
    );
    let grown = last.saturating_sub(first) * 4;
    // Less than a kibibyte a session, which is what the allocator keeps for itself; a session in memory takes far more.
    assert!(grown < 8 << 10, "{grown} KiB more after twice the time");
}

const SESSIONS: u32 = 20_000;
/// They come back after some minutes.
const CLIENTS: u32 = 1_024;
