//! More than an hour of steady load, as fast as it goes through a pipe: memory stays what it was.

use std::fs;
use std::io::Write as _;

use crate::monitor::{Monitor, capture};

/// One packet of the specimen.
struct Specimen {
    seconds: u32,
    micros: u32,
    bytes: Vec<u8>,
}

fn specimen() -> Vec<Specimen> {
    let file = fs::read(capture("classic.pcap")).expect("a capture");
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(word(0), 0xa1b2_c3d4, "little endian, microseconds");
    let mut packets = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let length = word(at + 8) as usize;
        packets.push(Specimen {
            seconds: word(at),
            micros: word(at + 4),
            bytes: file[at + 16..at + 16 + length].to_vec(),
        });
        at += 16 + length;
    }
    packets
}

/// The specimen from another client, some seconds later.
fn write_again(packets: &[Specimen], number: u32, later: u32, out: &mut Vec<u8>) {
    let [_, b, c, d] = number.to_be_bytes();
    for packet in packets {
        let mut bytes = packet.bytes.clone();
        for at in [26, 30] {
            if bytes[at..at + 4] == [192, 168, 0, 2] {
                bytes[at..at + 4].copy_from_slice(&[10, b, c, d]);
            }
        }
        let length = u32::try_from(bytes.len()).expect("short");
        for word in [packet.seconds + later, packet.micros, length, length] {
            out.extend(word.to_le_bytes());
        }
        out.extend(bytes);
    }
}

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
