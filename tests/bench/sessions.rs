//! The work: real sessions, many times over.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use ftpscope::capture::{CaptureSet, Input, LinkType, Packet, PacketSource, ReadOptions};
use ftpscope::model::FrameRef;

/// A pcap file whose records are those of `name`, `times` over.
pub(crate) fn capture(name: &str, times: usize) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/captures")
        .join(name);
    let file = fs::read(path).expect("a capture of ours");
    let (header, records) = file.split_at(PCAP_HEADER);
    [header, &records.repeat(times)].concat()
}

/// A source that reads `file`.
pub(crate) fn source(file: &[u8]) -> CaptureSet {
    let reader = Box::new(Cursor::new(file.to_vec()));
    CaptureSet::from_readers(vec![("bench".into(), reader as _)], ReadOptions::default())
}

/// A packet that keeps its bytes.
pub(crate) struct Kept {
    frame: FrameRef,
    link: LinkType,
    wire_len: u32,
    data: Vec<u8>,
}

impl Kept {
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet {
            frame: self.frame,
            link: self.link,
            wire_len: self.wire_len,
            data: &self.data,
        }
    }
}

/// The packets of `file`.
pub(crate) fn packets(file: &[u8]) -> Vec<Kept> {
    let mut packets = Vec::new();
    source(file).for_each(&mut |input| {
        if let Input::Packet(packet) = input {
            packets.push(Kept {
                frame: packet.frame,
                link: packet.link,
                wire_len: packet.wire_len,
                data: packet.data.to_vec(),
            });
        }
        std::ops::ControlFlow::Continue(())
    });
    packets
}

const PCAP_HEADER: usize = 24;
