//! Classic pcap files.
//!
//! A 24-byte file header, then records of 16 bytes (24 in the format of Alexey Kuznetzov's patched libpcap) and the
//! packet. All numbers stand in the byte order of the machine that wrote them, told by the magic number.

use super::LinkType;
use super::pcap_layout::{Layout, LengthOrder, word_at};
use super::record::{MAX_RECORD, Notice, Record, Step, end_of_input};
use super::record_buffer::RecordBuffer;
use super::resynchronise;
use crate::model::Timestamp;

/// A reader that stands before or on a packet of a pcap file.
pub(super) struct PcapFile {
    buffer: RecordBuffer,
    layout: Layout,
    link: LinkType,
    /// Bytes of the current record, to be let go of when the reader goes on.
    pending: usize,
    record: Record,
    resynchronised: u32,
    ended: bool,
}

/// Why a pcap file could not be begun.
#[derive(Debug)]
pub(super) enum Refused {
    /// The magic number is not one of pcap's.
    NotPcap,
    /// The file header is cut.
    Cut,
}

impl PcapFile {
    /// Reads the file header.
    pub(super) fn new(mut buffer: RecordBuffer) -> Result<Self, (Refused, RecordBuffer)> {
        let magic = if buffer.need(4) {
            u32::from_le_bytes(buffer.head())
        } else {
            0
        };
        let Some((big_endian, nanos_per_unit, header_len)) = read_magic(magic) else {
            return Err((Refused::NotPcap, buffer));
        };
        if !buffer.need(FILE_HEADER_LEN) {
            return Err((Refused::Cut, buffer));
        }
        let header: [u8; FILE_HEADER_LEN] = buffer.head();
        buffer.consume(FILE_HEADER_LEN);
        let word = |index: usize| word_at(&header, index * 4, big_endian);
        // Two 16-bit numbers, the major one first.
        let version = word(1);
        let (major, minor) = if big_endian {
            (version >> 16, version & 0xffff)
        } else {
            (version & 0xffff, version >> 16)
        };
        let length_order = match (major, minor) {
            (2, 3) => LengthOrder::SmallerIsCaptured,
            (2, 0..3) => LengthOrder::WireFirst,
            _ => LengthOrder::CapturedFirst,
        };
        let snap_len = word(4);
        // The upper bits of the last word tell about the frame check sequence.
        let link = LinkType::from_file((word(5) & 0xffff) as u16);
        let largest = u32::try_from(MAX_RECORD).unwrap_or(u32::MAX);
        Ok(Self {
            buffer,
            layout: Layout {
                big_endian,
                nanos_per_unit,
                header_len,
                length_order,
                bound: snap_len.clamp(USUAL_SNAP_LEN, largest),
            },
            link,
            pending: 0,
            record: Record::none(link),
            resynchronised: 0,
            ended: false,
        })
    }

    /// The link type of every packet.
    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// Goes to the next packet.
    #[inline]
    pub(super) fn advance(&mut self) -> Step {
        self.buffer.consume(self.pending);
        self.pending = 0;
        let header_len = self.layout.header_len;
        if self.ended || !self.buffer.need_now(header_len) {
            return self.finish();
        }
        let header = self.layout.header(&self.buffer.head());
        if header.captured > self.layout.bound {
            return self.leave_damage(header.captured);
        }
        let len = header.captured as usize;
        if !self.buffer.need_now(header_len + len) {
            return self.finish();
        }
        self.pending = header_len + len;
        self.record = Record {
            time: self.layout.time(header),
            link: self.link,
            wire_len: header.wire.max(header.captured),
            offset: header_len,
            len,
        };
        Step::Packet
    }

    /// The packet it stands on.
    #[inline]
    pub(super) fn record(&self) -> Record {
        self.record
    }

    /// Its bytes.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        self.buffer.slice(self.record.offset, self.record.len)
    }

    #[cold]
    fn finish(&mut self) -> Step {
        if self.buffer.take_idle() {
            return Step::Idle;
        }
        if self.ended {
            return Step::End;
        }
        self.ended = true;
        end_of_input(&mut self.buffer, "a packet")
    }

    #[cold]
    fn leave_damage(&mut self, claimed: u32) -> Step {
        let place = self.buffer.place();
        let damage = format!("the record at {place} claims {claimed} captured bytes");
        if self.resynchronised < MAX_RESYNCHRONISED {
            self.buffer.need(resynchronise::WINDOW);
            let last = (self.record.time > Timestamp::default()).then_some(self.record.time);
            if let Some(skipped) = resynchronise::find(self.buffer.held(), &self.layout, last) {
                self.resynchronised += 1;
                self.buffer.consume(skipped);
                return Step::Notice(Notice::corrupt(format!(
                    "{damage}; {skipped} bytes were passed over"
                )));
            }
        }
        self.ended = true;
        Step::Notice(Notice::corrupt(format!(
            "{damage}; what follows could not be read"
        )))
    }
}

/// True where these four bytes begin a pcap file.
pub(super) fn is_pcap(head: [u8; 4]) -> bool {
    read_magic(u32::from_le_bytes(head)).is_some()
}

/// Whether it is big endian, nanoseconds a unit and length of record headers, from the magic number read as little endian.
fn read_magic(magic: u32) -> Option<(bool, i64, usize)> {
    let big_endian = !matches!(magic, MICROSECONDS | NANOSECONDS | MODIFIED);
    let (nanos, header_len) = match if big_endian {
        magic.swap_bytes()
    } else {
        magic
    } {
        MICROSECONDS => (1000, 16),
        NANOSECONDS => (1, 16),
        MODIFIED => (1000, 24),
        _ => return None,
    };
    Some((big_endian, nanos, header_len))
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;
const FILE_HEADER_LEN: usize = 24;
/// The largest snap length libpcap gives; writers put smaller ones into the header than they keep to.
const USUAL_SNAP_LEN: u32 = 262_144;
/// Damaged places left behind in one file; one with more is not worth the guessing.
const MAX_RESYNCHRONISED: u32 = 100;

#[cfg(test)]
mod tests;
