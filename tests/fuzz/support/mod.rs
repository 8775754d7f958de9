//! Shared parts of the targets: captures out of bytes, and a run over them.

#![allow(dead_code, reason = "every target includes this module and uses its part of it")]

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::PathBuf;

use ftpscope::capture::{CaptureSet, Input, PacketSource, ReadOptions};
use ftpscope::pipeline::{Options, analyze};
use ftpscope::report::{ReportBuilder, json};

/// The bytes as an input of the reader.
pub(crate) fn capture(bytes: &[u8]) -> CaptureSet {
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    let options = ReadOptions {
        window_limit: 1 << 20,
        ..ReadOptions::default()
    };
    CaptureSet::from_readers(vec![(PathBuf::from("input"), reader)], options)
}

/// Reads to the end; what was counted is what was delivered.
pub(crate) fn read(bytes: &[u8]) {
    let mut set = capture(bytes);
    let (mut packets, mut length) = (0_u64, 0_u64);
    set.for_each(&mut |input| {
        if let Input::Packet(packet) = input {
            packets += 1;
            length += packet.data.len() as u64;
            assert!(packet.wire_len as usize >= packet.data.len());
        }
        // A small compressed file may stand for terabytes.
        if length > MOST {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    for capture in set.captures() {
        assert_eq!(capture.packets, Some(packets));
    }
}

/// Packets that are made up.
pub(crate) struct Made {
    /// Time in milliseconds, and an Ethernet frame.
    pub(crate) packets: Vec<(u64, Vec<u8>)>,
    /// Link type.
    pub(crate) link_type: u16,
}

impl Made {
    /// As a pcap file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [0xa1b2_3c4d, 4 << 16 | 2, 0, 0, 65_535, u32::from(self.link_type)] {
            out.extend_from_slice(&u32::to_le_bytes(word));
        }
        for (millis, bytes) in &self.packets {
            let length = u32::try_from(bytes.len()).unwrap_or(0);
            let seconds = 1_700_000_000 + u32::try_from(millis / 1000).unwrap_or(0);
            let rest = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
            for word in [seconds, rest, length, length] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            out.extend_from_slice(bytes);
        }
        out
    }
}

/// The whole way from bytes to the report; every packet must be accounted for.
pub(crate) fn report(file: &[u8]) {
    let mut source = capture(file);
    let options = Options::default();
    let mut builder = ReportBuilder::new(&options.limits);
    let summary = analyze(&mut source, &options, &mut builder, &mut ());
    assert_eq!(summary.totals.accounting.packets(), summary.totals.packets);
    let report = builder.finish(summary.captures, summary.totals);
    json::write_report(&report, &mut Vec::new()).expect("memory takes it");
}

/// A TCP segment in IPv4 in Ethernet.
pub(crate) fn segment(
    from: (u8, u16),
    to: (u8, u16),
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 40).unwrap_or(u16::MAX);
    let mut out = vec![0; 12];
    out.extend_from_slice(&[8, 0, 0x45, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, from.0, 10, 0, 0, to.0]);
    out.extend_from_slice(&from.1.to_be_bytes());
    out.extend_from_slice(&to.1.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&acknowledgment.to_be_bytes());
    out.extend_from_slice(&[0x50, flags, 0x40, 0, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
    out
}

const MOST: u64 = 8 << 20;
