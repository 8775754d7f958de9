//! pcapng files (draft-ietf-opsawg-pcapng).
//!
//! Blocks of `type, length, body, length`. A section header begins a section, sets its byte order and forgets the
//! interfaces; interface descriptions are numbered within their section. Blocks we do not know are passed over by
//! their length.

use std::collections::BTreeMap;

use super::LinkType;
use super::pcapng_options::{
    ByteOrder, Clock, dropped_before_packet, dropped_by_statistics, section_order,
};
use super::pcapng_secrets::{Secrets, SecretsStore};
use super::record::{MAX_RECORD, Notice, Record, Step, end_of_input};
use super::record_buffer::RecordBuffer;
use crate::model::WarningCode;

/// A reader that stands before or on a packet of a pcapng file.
pub(super) struct PcapNgFile {
    buffer: RecordBuffer,
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// Link types of all interfaces so far, each once.
    links: Vec<LinkType>,
    /// Bytes of the current block, to be let go of when the reader goes on.
    pending: usize,
    record: Record,
    drops: Drops,
    /// Packets of interfaces that were not described.
    orphans: u64,
    secrets: SecretsStore,
    ended: bool,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    /// 0 where there is no limit.
    snap_len: u32,
    clock: Clock,
}

/// Packets that were lost before they were written, as the writer tells.
#[derive(Debug, Default)]
struct Drops {
    /// Of sections that have ended.
    earlier: u64,
    /// By interface: the last statistics count all of them.
    statistics: BTreeMap<u32, u64>,
    /// By interface: the sum of what packets tell.
    packets: BTreeMap<u32, u64>,
}

/// Why a pcapng file could not be begun.
#[derive(Debug)]
pub(super) enum Refused {
    /// The section header is cut.
    Cut,
    /// The section header is damaged, and how.
    Damaged(String),
}

/// Where the parts of a packet block stand.
#[derive(Clone, Copy)]
struct PacketLayout {
    /// Bytes before the packet.
    fixed: usize,
    interface: u32,
    ticks: Option<u64>,
    captured: u32,
    wire: u32,
    dropped: Option<u64>,
}

impl PcapNgFile {
    /// Reads the first section header.
    pub(super) fn new(buffer: RecordBuffer) -> Result<Self, (Refused, RecordBuffer)> {
        let mut file = Self {
            buffer,
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            links: Vec::new(),
            pending: 0,
            record: Record::none(LinkType::NULL),
            drops: Drops::default(),
            orphans: 0,
            secrets: SecretsStore::default(),
            ended: false,
        };
        match file.begin_section() {
            Ok(true) => Ok(file),
            Ok(false) => Err((Refused::Cut, file.buffer)),
            Err(detail) => Err((Refused::Damaged(detail), file.buffer)),
        }
    }

    /// Link types of the interfaces described so far.
    pub(super) fn links(&self) -> &[LinkType] {
        &self.links
    }

    /// TLS secrets and the like that stood in the file so far.
    pub(super) fn take_secrets(&mut self) -> Vec<Secrets> {
        self.secrets.take()
    }

    /// Goes to the next packet.
    #[inline]
    pub(super) fn advance(&mut self) -> Step {
        self.buffer.consume(self.pending);
        self.pending = 0;
        loop {
            if self.ended || !self.buffer.need_now(BLOCK_HEAD) {
                return self.finish();
            }
            let head: [u8; BLOCK_HEAD] = self.buffer.head();
            let kind = self.order.word(&head, 0);
            let len = self.order.word(&head, 4) as usize;
            if kind == ENHANCED_PACKET && (32..=MAX_RECORD).contains(&len) && len.is_multiple_of(4)
            {
                if !self.buffer.need_now(len) {
                    return self.finish();
                }
                if let Some(step) = self.enhanced_packet(len) {
                    return step;
                }
                continue;
            }
            if let Some(step) = self.other_block(kind, len) {
                return step;
            }
        }
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

    #[inline]
    fn enhanced_packet(&mut self, len: usize) -> Option<Step> {
        let head: [u8; 28] = self.buffer.head();
        let word = |offset| self.order.word(&head, offset);
        let layout = PacketLayout {
            fixed: 28,
            interface: word(8),
            ticks: Some(u64::from(word(12)) << 32 | u64::from(word(16))),
            captured: word(20),
            wire: word(24),
            dropped: None,
        };
        self.packet(len, layout)
    }

    #[cold]
    fn obsolete_packet(&mut self, len: usize) -> Option<Step> {
        let head: [u8; 28] = self.buffer.head();
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = head;
        let word = |offset| self.order.word(&head, offset);
        let dropped = self.order.u16([c, d]);
        let layout = PacketLayout {
            fixed: 28,
            interface: u32::from(self.order.u16([a, b])),
            ticks: Some(u64::from(word(12)) << 32 | u64::from(word(16))),
            captured: word(20),
            wire: word(24),
            // All ones means that the writer does not know.
            dropped: (dropped != 0 && dropped != u16::MAX).then_some(u64::from(dropped)),
        };
        self.packet(len, layout)
    }

    #[cold]
    fn simple_packet(&mut self, len: usize) -> Option<Step> {
        let wire = self.order.word(self.buffer.held(), 8);
        let snap_len = match self.interfaces.first() {
            Some(interface) if interface.snap_len > 0 => interface.snap_len,
            _ => u32::MAX,
        };
        let room = u32::try_from(len.saturating_sub(16)).unwrap_or(u32::MAX);
        let layout = PacketLayout {
            fixed: 12,
            interface: 0,
            ticks: None,
            captured: wire.min(snap_len).min(room),
            wire,
            dropped: None,
        };
        self.packet(len, layout)
    }

    /// Stands on the packet of a block that is held; `None` where it has none that could be read.
    #[inline]
    fn packet(&mut self, len: usize, layout: PacketLayout) -> Option<Step> {
        let captured = layout.captured as usize;
        let room = len.saturating_sub(layout.fixed + 4);
        if captured > room {
            return Some(self.damaged(&format!("says {captured} captured bytes in {room}")));
        }
        if self.order.word(self.buffer.slice(len - 4, 4), 0) as usize != len {
            return Some(self.damaged("ends with another length than it begins with"));
        }
        let Some(interface) = self.interfaces.get(layout.interface as usize).copied() else {
            self.orphans += 1;
            self.buffer.consume(len);
            return None;
        };
        let options_at = layout.fixed + captured.next_multiple_of(4);
        if options_at + 8 <= len || layout.dropped.is_some() {
            self.count_dropped(layout, options_at, len);
        }
        self.pending = len;
        self.record = Record {
            // A simple packet has no time: it stands where the one before it stands.
            time: layout
                .ticks
                .map_or(self.record.time, |ticks| interface.clock.time(ticks)),
            link: interface.link,
            wire_len: layout.wire.max(layout.captured),
            offset: layout.fixed,
            len: captured,
        };
        Some(Step::Packet)
    }

    fn count_dropped(&mut self, layout: PacketLayout, options_at: usize, len: usize) {
        let options = self
            .buffer
            .slice(options_at, len.saturating_sub(options_at + 4));
        let dropped = layout
            .dropped
            .or_else(|| dropped_before_packet(options, self.order));
        if let Some(dropped) = dropped.filter(|dropped| *dropped > 0) {
            let sum = self.drops.packets.entry(layout.interface).or_default();
            *sum = sum.saturating_add(dropped);
        }
    }

    /// Any block but a well-formed enhanced packet.
    #[cold]
    fn other_block(&mut self, kind: u32, len: usize) -> Option<Step> {
        if kind == SECTION_HEADER {
            return match self.begin_section() {
                Ok(true) => None,
                Ok(false) => Some(self.finish()),
                Err(detail) => Some(self.damaged(&detail)),
            };
        }
        let least = match kind {
            OBSOLETE_PACKET | ENHANCED_PACKET => 32,
            SIMPLE_PACKET => 16,
            INTERFACE_STATISTICS => 24,
            INTERFACE_DESCRIPTION | DECRYPTION_SECRETS => 20,
            _ => 12,
        };
        if len < least || !len.is_multiple_of(4) {
            return Some(self.damaged(&format!("claims {len} bytes")));
        }
        if least == 12 {
            if !self.buffer.skip(len as u64) {
                return Some(self.finish_inside_skipped(len));
            }
            return None;
        }
        if len > MAX_RECORD {
            return Some(self.damaged(&format!("claims {len} bytes")));
        }
        if !self.buffer.need_now(len) {
            return Some(self.finish());
        }
        match kind {
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
                if let Some(count) = dropped_by_statistics(options, self.order)
                    && (interface as usize) < self.interfaces.len()
                {
                    self.drops.statistics.insert(interface, count);
                }
            }
            _ => {
                let secrets_kind = self.order.word(self.buffer.held(), 8);
                let secrets_len = self.order.word(self.buffer.held(), 12) as usize;
                let secrets = self.buffer.slice(16, secrets_len.min(len - 20));
                self.secrets.keep(secrets_kind, secrets);
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
            clock: Clock::from_options(options, self.order),
        });
        if !self.links.contains(&link) && self.links.len() < MAX_LINKS {
            self.links.push(link);
        }
    }

    /// Takes a section header block; false where the input ends inside it.
    fn begin_section(&mut self) -> Result<bool, String> {
        if !self.buffer.need(SECTION_HEAD) {
            return Ok(false);
        }
        let order = section_order(&self.buffer).ok_or("has no byte order mark")?;
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
        if !self.buffer.need(len) {
            return Ok(false);
        }
        self.buffer.consume(len);
        self.order = order;
        self.interfaces.clear();
        self.drops.end_section();
        Ok(true)
    }

    /// Ends the input at a damaged block.
    #[cold]
    fn damaged(&mut self, what: &str) -> Step {
        self.ended = true;
        Step::Notice(Notice::corrupt(format!(
            "the block at {} {what}; what follows could not be read",
            self.buffer.place()
        )))
    }

    #[cold]
    fn finish_inside_skipped(&mut self, len: usize) -> Step {
        self.ended = true;
        match end_of_input(&mut self.buffer, "a block") {
            Step::End => Step::Notice(Notice::truncated(format!(
                "ends inside a block of {len} bytes, at {}",
                self.buffer.place()
            ))),
            step => step,
        }
    }

    /// The end: first how the input ended, then, one a call, what there is to say about all of it.
    #[cold]
    fn finish(&mut self) -> Step {
        if self.buffer.take_idle() {
            return Step::Idle;
        }
        if !self.ended {
            self.ended = true;
            match end_of_input(&mut self.buffer, "a block") {
                Step::End => {}
                step => return step,
            }
        }
        let orphans = std::mem::take(&mut self.orphans);
        if orphans > 0 {
            return Step::Notice(Notice {
                count: orphans,
                ..Notice::corrupt(format!(
                    "{orphans} packets name an interface that is not described; they were passed over"
                ))
            });
        }
        let dropped = self.drops.take();
        if dropped > 0 {
            return Step::Notice(Notice {
                code: WarningCode::PacketsDropped,
                text: format!(
                    "its writer says that {dropped} packets were dropped before they were written"
                ),
                count: dropped,
            });
        }
        let left_out = self.secrets.take_left_out();
        if left_out > 0 {
            return Step::Notice(Notice {
                code: WarningCode::LimitReached,
                text: format!("{left_out} blocks of decryption secrets were too many to keep"),
                count: left_out,
            });
        }
        Step::End
    }
}

impl Drops {
    fn end_section(&mut self) {
        self.earlier = self.take();
    }

    /// The sum over all sections and interfaces.
    fn take(&mut self) -> u64 {
        let statistics = std::mem::take(&mut self.statistics);
        let mut sum = std::mem::take(&mut self.earlier);
        for (interface, count) in std::mem::take(&mut self.packets) {
            if !statistics.contains_key(&interface) {
                sum = sum.saturating_add(count);
            }
        }
        statistics
            .values()
            .fold(sum, |sum, count| sum.saturating_add(*count))
    }
}

/// Begins every pcapng file; reads the same in either byte order.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;
const BLOCK_HEAD: usize = 8;
const SECTION_HEAD: usize = 16;
/// Interfaces of one section; the numbers of obsolete packet blocks reach no further.
const MAX_INTERFACES: usize = 65_536;
/// Link types named in the report.
const MAX_LINKS: usize = 64;

#[cfg(test)]
mod tests;
