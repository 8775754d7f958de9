//! Reader of pcapng files (draft-ietf-opsawg-pcapng).
//!
//! ```text
//! block:   type (4) | total length (4) | body, padded to 4 bytes | total length (4)
//! section: SHB  IDB...  [DSB]  EPB EPB ...  [ISB]      SHB ...
//! ```
//!
//! A Section Header Block (SHB) sets the byte order and discards all interfaces. Interface Description Blocks (IDB) are
//! numbered within their section. Packets (EPB, SPB and the obsolete PB), secrets (DSB) and statistics (ISB) are read;
//! other blocks are skipped by their length.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use super::pcap_file::is_pcap;
use super::pcapng_options::{
    ByteOrder, TimestampScale, comments, dropped_before_packet, dropped_by_statistics,
    interface_options,
};
use super::record::{Advance, HeaderError, MAX_RECORD, Notice, Record, end_of_input};
use super::record_buffer::RecordBuffer;
use super::{DescribedInterface, HostName, LinkType, Secrets};
use crate::model::WarningCode;

/// Reader positioned before or on a packet of a pcapng file.
pub(super) struct PcapNgFile {
    buffer: RecordBuffer,
    order: ByteOrder,
    /// Interfaces of the current section, in the order of their numbers.
    interfaces: Vec<Interface>,
    /// Link types of all interfaces so far, each once.
    links: Vec<LinkType>,
    /// Interfaces described since the last packet with notes.
    described: Vec<DescribedInterface>,
    /// Place of the options of the current packet in its block; empty without any.
    options: Range<usize>,
    /// Bytes of the current block, released by the next [`PcapNgFile::advance`].
    pending: usize,
    record: Record,
    drops: DropTotals,
    /// Count of packets whose interface is not described.
    orphans: u64,
    ended: bool,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    /// Snap length in bytes; 0 for no limit.
    snap_len: u32,
    time_scale: TimestampScale,
}

/// Packets that the writer reports as dropped.
#[derive(Debug, Default)]
struct DropTotals {
    /// Total of earlier sections.
    earlier: u64,
    /// Latest statistics of each interface; they count from the start of the capture.
    statistics: BTreeMap<u32, u64>,
    /// Sum of the drop counts in each interface's packets, used only without statistics.
    packets: BTreeMap<u32, u64>,
}

/// Fields of a packet block, whichever of the three types it is.
#[derive(Clone, Copy)]
struct PacketFields {
    /// Offset of the packet in the block.
    data_offset: usize,
    interface: u32,
    /// Timestamp in units of the interface; `None` in a Simple Packet Block, which has none.
    ticks: Option<u64>,
    captured: u32,
    wire: u32,
    /// Packets dropped before this one; `None` if the field is absent, zero or unknown.
    dropped: Option<u64>,
}

impl PcapNgFile {
    /// Reads the first section header.
    pub(super) fn new(buffer: RecordBuffer) -> Result<Self, (HeaderError, RecordBuffer)> {
        let mut file = Self {
            buffer,
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            links: Vec::new(),
            described: Vec::new(),
            options: 0..0,
            pending: 0,
            record: Record::none(LinkType::NULL),
            drops: DropTotals::default(),
            orphans: 0,
            ended: false,
        };
        match file.begin_section() {
            Ok(true) => Ok(file),
            Ok(false) => Err((HeaderError::Truncated, file.buffer)),
            Err(detail) => Err((HeaderError::Damaged(detail), file.buffer)),
        }
    }

    /// Returns the link types of the interfaces described so far, each once.
    pub(super) fn links(&self) -> &[LinkType] {
        &self.links
    }

    /// Reads up to the next packet, secrets or notice.
    #[inline]
    pub(super) fn advance(&mut self) -> Advance {
        self.buffer.consume(self.pending);
        self.pending = 0;
        loop {
            if self.ended || !self.buffer.try_ensure(BLOCK_HEAD) {
                return self.finish();
            }
            let head: [u8; BLOCK_HEAD] = self.buffer.head();
            let block_type = self.order.word(&head, 0);
            let len = self.order.word(&head, 4) as usize;
            // Nearly every block is a well-formed EPB, so it is tested first and everything else is kept out of line.
            if block_type == ENHANCED_PACKET
                && (32..=MAX_RECORD).contains(&len)
                && len.is_multiple_of(4)
            {
                if !self.buffer.try_ensure(len) {
                    return self.finish();
                }
                if let Some(step) = self.enhanced_packet(len) {
                    return step;
                }
                continue;
            }
            if let Some(step) = self.other_block(block_type, len) {
                return step;
            }
        }
    }

    /// Returns the metadata of the current packet.
    #[inline]
    pub(super) fn record(&self) -> Record {
        self.record
    }

    /// Returns the captured bytes of the current packet.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        self.buffer.slice(self.record.offset, self.record.len)
    }

    /// Returns the comments on the current packet, and the interfaces described since the last call; valid after
    /// [`Advance::Packet`].
    pub(super) fn notes(&mut self) -> (Vec<String>, Vec<DescribedInterface>) {
        let options = self.buffer.slice(self.options.start, self.options.len());
        let comments = comments(options, self.order);
        (comments, std::mem::take(&mut self.described))
    }

    /// Returns the secrets of the current Decryption Secrets Block; valid after [`Advance::Secrets`].
    pub(super) fn secrets(&self) -> Secrets<'_> {
        let block = self.buffer.held();
        let claimed = self.order.word(block, 12) as usize;
        // Lenient towards a length that exceeds the block: key log lines are checked one by one by their parser.
        let len = claimed.min(self.pending.saturating_sub(SECRETS_OFFSET + 4));
        Secrets {
            secrets_type: self.order.word(block, 8),
            data: self.buffer.slice(SECRETS_OFFSET, len),
        }
    }

    /// Returns the names of the current Name Resolution Block; valid after [`Advance::Names`].
    pub(super) fn names(&self) -> Vec<HostName> {
        let len = self.pending.saturating_sub(BLOCK_HEAD + 4);
        let mut records = self.buffer.slice(BLOCK_HEAD, len);
        let mut names = Vec::new();
        // draft-ietf-opsawg-pcapng section 4.5: records of type, length and value, padded to 4 bytes; type 0 ends them.
        while let Some((&[a, b, c, d], rest)) = records.split_first_chunk::<4>() {
            let (record_type, length) = (self.order.u16([a, b]), self.order.u16([c, d]));
            let length = usize::from(length);
            let Some(value) = rest.get(..length) else {
                break;
            };
            records = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            let address = match record_type {
                0 => break,
                1 => value
                    .split_first_chunk::<4>()
                    .map(|(ip, name)| (IpAddr::from(*ip), name)),
                2 => value
                    .split_first_chunk::<16>()
                    .map(|(ip, name)| (IpAddr::from(*ip), name)),
                _ => None,
            };
            // An address may have several names, each ended by a zero byte.
            if let Some((address, text)) = address
                && let Some(name) = text.split(|byte| *byte == 0).next()
                && !name.is_empty()
                && name.len() <= MAX_NAME
                && names.len() < MAX_NAMES
            {
                names.push(HostName {
                    address,
                    name: String::from_utf8_lossy(name).into_owned(),
                });
            }
        }
        names
    }

    #[inline]
    fn enhanced_packet(&mut self, len: usize) -> Option<Advance> {
        let head: [u8; 28] = self.buffer.head();
        let word = |offset| self.order.word(&head, offset);
        let fields = PacketFields {
            data_offset: 28,
            interface: word(8),
            ticks: Some(u64::from(word(12)) << 32 | u64::from(word(16))),
            captured: word(20),
            wire: word(24),
            dropped: None,
        };
        self.packet(len, fields)
    }

    /// Reads a Packet Block, which the Enhanced Packet Block replaced.
    #[cold]
    fn obsolete_packet(&mut self, len: usize) -> Option<Advance> {
        let head: [u8; 28] = self.buffer.head();
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = head;
        let word = |offset| self.order.word(&head, offset);
        let dropped = self.order.u16([c, d]);
        let fields = PacketFields {
            data_offset: 28,
            interface: u32::from(self.order.u16([a, b])),
            ticks: Some(u64::from(word(12)) << 32 | u64::from(word(16))),
            captured: word(20),
            wire: word(24),
            // 0xffff: the writer does not know the count.
            dropped: (dropped != 0 && dropped != u16::MAX).then_some(u64::from(dropped)),
        };
        self.packet(len, fields)
    }

    #[cold]
    fn simple_packet(&mut self, len: usize) -> Option<Advance> {
        let wire = self.order.word(self.buffer.held(), 8);
        // A Simple Packet Block has no captured length: it is the smallest of wire length, snap length and block.
        let snap_len = match self.interfaces.first() {
            Some(interface) if interface.snap_len > 0 => interface.snap_len,
            _ => u32::MAX,
        };
        let available = u32::try_from(len.saturating_sub(16)).unwrap_or(u32::MAX);
        let fields = PacketFields {
            data_offset: 12,
            interface: 0,
            ticks: None,
            captured: wire.min(snap_len).min(available),
            wire,
            dropped: None,
        };
        self.packet(len, fields)
    }

    /// Positions the reader on the packet of a held block. Returns `None` if the block was skipped.
    #[inline]
    fn packet(&mut self, len: usize, fields: PacketFields) -> Option<Advance> {
        let captured = fields.captured as usize;
        let available = len.saturating_sub(fields.data_offset + 4);
        if captured > available {
            return Some(self.damaged(&format!("says {captured} captured bytes in {available}")));
        }
        // The trailing length is the only redundancy of the format: a mismatch means that the reader lost its place.
        if self.order.word(self.buffer.slice(len - 4, 4), 0) as usize != len {
            return Some(self.damaged("ends with another length than it begins with"));
        }
        let Some(interface) = self.interfaces.get(fields.interface as usize).copied() else {
            // Without a description, link type and time unit are unknown.
            self.orphans += 1;
            self.buffer.consume(len);
            return None;
        };
        let options_at = fields.data_offset + captured.next_multiple_of(4);
        self.options = 0..0;
        if options_at + 8 <= len || fields.dropped.is_some() {
            self.count_dropped(fields, options_at, len);
            self.options = options_at.min(len - 4)..len - 4;
        }
        self.pending = len;
        self.record = Record {
            // A packet without a time takes that of the one before it, so that the order of the file is kept.
            time: fields
                .ticks
                .map_or(self.record.time, |ticks| interface.time_scale.time(ticks)),
            link: interface.link,
            wire_len: fields.wire.max(fields.captured),
            offset: fields.data_offset,
            len: captured,
            has_notes: !self.options.is_empty() || !self.described.is_empty(),
        };
        Some(Advance::Packet)
    }

    fn count_dropped(&mut self, fields: PacketFields, options_at: usize, len: usize) {
        let options = self
            .buffer
            .slice(options_at, len.saturating_sub(options_at + 4));
        let dropped = fields
            .dropped
            .or_else(|| dropped_before_packet(options, self.order));
        if let Some(dropped) = dropped.filter(|dropped| *dropped > 0) {
            let sum = self.drops.packets.entry(fields.interface).or_default();
            *sum = sum.saturating_add(dropped);
        }
    }

    /// Reads any block except a well-formed Enhanced Packet Block.
    #[cold]
    fn other_block(&mut self, block_type: u32, len: usize) -> Option<Advance> {
        if block_type == SECTION_HEADER {
            return match self.begin_section() {
                Ok(true) => Some(Advance::Section),
                Ok(false) => Some(self.finish()),
                Err(detail) => Some(self.damaged(&detail)),
            };
        }
        let min_len = match block_type {
            OBSOLETE_PACKET | ENHANCED_PACKET => 32,
            SIMPLE_PACKET => 16,
            INTERFACE_STATISTICS => 24,
            INTERFACE_DESCRIPTION | DECRYPTION_SECRETS => 20,
            // Names are a courtesy: a block of absurd length is skipped, not damage.
            NAME_RESOLUTION if (16..=MAX_RECORD).contains(&len) => 16,
            _ => 12,
        };
        if is_pcap(self.buffer.head()) {
            let detail = "begins a pcap file, behind a pcapng file: give the two as files";
            return Some(self.damaged(detail));
        }
        if len < min_len || !len.is_multiple_of(4) {
            return Some(self.damaged(&format!("claims {len} bytes")));
        }
        // A skipped block need not fit into the buffer, so its length is not limited.
        if min_len == 12 {
            if !self.buffer.skip(len as u64) {
                return Some(self.finish_inside_skipped(len));
            }
            return None;
        }
        if len > MAX_RECORD {
            return Some(self.damaged(&format!("claims {len} bytes")));
        }
        if !self.buffer.try_ensure(len) {
            return Some(self.finish());
        }
        match block_type {
            OBSOLETE_PACKET => return self.obsolete_packet(len),
            SIMPLE_PACKET => return self.simple_packet(len),
            INTERFACE_DESCRIPTION => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Some(self.damaged("describes one interface too many"));
                }
                self.describe_interface(len);
            }
            INTERFACE_STATISTICS => {
                let interface = self.order.word(self.buffer.held(), 8);
                let options = self.buffer.slice(20, len - 24);
                // Only described interfaces are counted, or a hostile file could grow the map without bound.
                if let Some(count) = dropped_by_statistics(options, self.order)
                    && (interface as usize) < self.interfaces.len()
                {
                    self.drops.statistics.insert(interface, count);
                }
            }
            NAME_RESOLUTION => {
                self.pending = len;
                return Some(Advance::Names);
            }
            _ => {
                self.pending = len;
                return Some(Advance::Secrets);
            }
        }
        self.buffer.consume(len);
        None
    }

    fn describe_interface(&mut self, len: usize) {
        let head: [u8; 16] = self.buffer.head();
        let [_, _, _, _, _, _, _, _, a, b, ..] = head;
        let link = LinkType::from_file(self.order.u16([a, b]));
        let options = self.buffer.slice(16, len - 20);
        self.interfaces.push(Interface {
            link,
            snap_len: self.order.word(&head, 12),
            time_scale: TimestampScale::from_options(options, self.order),
        });
        if self.described.len() < MAX_DESCRIBED {
            let (name, options) = interface_options(options, self.order);
            self.described.push(DescribedInterface {
                link,
                snap_len: self.order.word(&head, 12),
                name,
                options,
            });
        }
        if !self.links.contains(&link) && self.links.len() < MAX_LINKS {
            self.links.push(link);
        }
    }

    /// Reads a Section Header Block. Returns false if the input ends inside it, or a description of its damage.
    fn begin_section(&mut self) -> Result<bool, String> {
        if !self.buffer.ensure(SECTION_HEAD) {
            return Ok(false);
        }
        // The length field can only be read once the byte-order magic behind it is known.
        let order = ByteOrder::detect(self.buffer.slice(8, 4)).ok_or("has no byte order mark")?;
        let head: [u8; SECTION_HEAD] = self.buffer.head();
        let len = order.word(&head, 4) as usize;
        if !(28..=MAX_RECORD).contains(&len) || !len.is_multiple_of(4) {
            return Err(format!("claims {len} bytes"));
        }
        let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, ..] = head;
        let major = order.u16([a, b]);
        if major != 1 {
            return Err(format!(
                "has version {major}, of which we know only version 1"
            ));
        }
        if !self.buffer.ensure(len) {
            return Ok(false);
        }
        self.buffer.consume(len);
        self.order = order;
        self.interfaces.clear();
        self.drops.end_section();
        Ok(true)
    }

    /// Ends the input at a damaged block. Unlike pcap, blocks have no field that could confirm a new start.
    #[cold]
    fn damaged(&mut self, detail: &str) -> Advance {
        self.ended = true;
        Advance::Notice(Notice::corrupt(format!(
            "the block at {} {detail}; what follows could not be read",
            self.buffer.describe_position()
        )))
    }

    #[cold]
    fn finish_inside_skipped(&mut self, len: usize) -> Advance {
        self.ended = true;
        match end_of_input(&mut self.buffer, "a block") {
            // Everything held was skipped, so the buffer alone looks like a regular end.
            Advance::End => Advance::Notice(Notice::truncated(format!(
                "ends inside a block of {len} bytes, at {}",
                self.buffer.describe_position()
            ))),
            step => step,
        }
    }

    /// Ends the input: first how it ended, then one notice per call about the input as a whole, then
    /// [`Advance::End`].
    #[cold]
    fn finish(&mut self) -> Advance {
        if self.buffer.take_idle() {
            return Advance::Idle;
        }
        if !self.ended {
            self.ended = true;
            match end_of_input(&mut self.buffer, "a block") {
                Advance::End => {}
                step => return step,
            }
        }
        let orphans = std::mem::take(&mut self.orphans);
        if orphans > 0 {
            return Advance::Notice(Notice {
                count: orphans,
                ..Notice::corrupt(format!(
                    "{orphans} packets name an interface that is not described; they were passed over"
                ))
            });
        }
        let dropped = self.drops.take();
        if dropped > 0 {
            return Advance::Notice(Notice {
                code: WarningCode::PacketsDropped,
                text: format!(
                    "its writer says that {dropped} packets were dropped before they were written"
                ),
                count: dropped,
            });
        }
        Advance::End
    }
}

impl DropTotals {
    fn end_section(&mut self) {
        self.earlier = self.take();
    }

    /// Returns the total over all sections and interfaces, and resets it.
    fn take(&mut self) -> u64 {
        let statistics = std::mem::take(&mut self.statistics);
        let mut sum = std::mem::take(&mut self.earlier);
        for (interface, count) in std::mem::take(&mut self.packets) {
            // Statistics already include the drops that packets reported one by one.
            if !statistics.contains_key(&interface) {
                sum = sum.saturating_add(count);
            }
        }
        statistics
            .values()
            .fold(sum, |sum, count| sum.saturating_add(*count))
    }
}

/// Block type that begins every pcapng file; a palindrome of bytes, the same in either byte order.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;
/// Bytes of a block's type and length.
const BLOCK_HEAD: usize = 8;
/// Bytes of a section header up to its version.
const SECTION_HEAD: usize = 16;
/// Offset of the secrets in a Decryption Secrets Block.
const SECRETS_OFFSET: usize = 16;
/// Interfaces of one section at most; obsolete packet blocks have only 16 bits for the number.
const MAX_INTERFACES: usize = 65_536;
/// Interfaces whose descriptions wait for a packet at most.
const MAX_DESCRIBED: usize = 256;
/// Names read of one block at most.
const MAX_NAMES: usize = 65_536;
/// Longest name of a host in bytes (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
/// Link types named in the report at most.
const MAX_LINKS: usize = 64;

#[cfg(test)]
mod tests;
