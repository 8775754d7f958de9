//! Selection and writing of the packets of FTP sessions.
//!
//! ```text
//! packet ── Session ──────────> ring of a few seconds ──> pcapng file (rotated ones beside it)
//!        ├─ Undecided ──────>   └ dropped there unless a session claims it
//!        └─ Dns ── recent lookups ── claimed by a session ──^
//! ```
//!
//! A control connection on an unusual port is recognized only some packets after its handshake. Packets therefore pass through
//! a ring, in capture order, until it is decided whose they are.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use foldhash::fast::RandomState;

use super::{PacketSink, PcapNgWriter, RecordEnd, Relation, RotatingFile, RotationLimits};
use crate::capture::{LinkType, Packet};
use crate::model::{FlowKey, FrameRef, Span};

/// A sink that writes the packets of FTP sessions to a pcapng file.
///
/// Memory is bounded: 32 MiB of packets in the ring and 4 MiB of DNS packets.
pub struct PacketRecorder {
    file: RotatingFile,
    writer: PcapNgWriter,
    /// Names of the inputs in the order of their capture numbers, for the interface blocks.
    names: Vec<String>,
    /// Complete blocks not yet written.
    blocks: Vec<u8>,
    /// True if the file needs a section header before the next packet.
    needs_section: bool,
    ring: VecDeque<HeldPacket>,
    ring_bytes: usize,
    /// Number of undecided packets in the ring, by connection.
    undecided: HashMap<FlowKey, usize, RandomState>,
    lookups: VecDeque<HeldPacket>,
    lookup_bytes: usize,
    packets_written: u64,
    /// Set by a failed write; cleared by [`reopen`](Self::reopen).
    stopped: bool,
    /// Set by [`reopen`](Self::reopen) after a failed write, until packets are written again.
    resuming: bool,
    /// Packets in `blocks`.
    pending: u64,
    /// Packets lost since the write that failed.
    lost: u64,
    errors: Vec<RecordingError>,
    /// Packets that were lost before writing worked again; `None` unless nobody has taken it yet.
    resumed: Option<u64>,
}

/// A failure to write or rotate the packet file. The recorder stays usable after each.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be written; packets are dropped until [`PacketRecorder::reopen`].
    #[error("cannot write packets: {0}")]
    Write(#[source] io::Error),
    /// The file could not be rotated, or a rotated file not be removed; the current file stays in use.
    #[error("cannot rotate the packet file: {0}")]
    Rotate(#[source] io::Error),
}

struct HeldPacket {
    frame: FrameRef,
    link: LinkType,
    wire_len: u32,
    data: Box<[u8]>,
    /// Connection to be decided; `None` for a packet of a session.
    undecided: Option<FlowKey>,
}

impl PacketRecorder {
    /// Opens `path`, appending to an existing pcapng file; `names` are the inputs' names in the order of their capture numbers.
    ///
    /// Fails for a file of another format: no reader would find the packets behind it.
    pub fn open(path: &Path, limits: RotationLimits, names: Vec<String>) -> io::Result<Self> {
        if !begins_section(path)? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "packets are appended, and the file there is not pcapng; choose another name or remove it",
            ));
        }
        let mut writer = PcapNgWriter::default();
        let mut head = Vec::new();
        writer.section(&mut head);
        let file = RotatingFile::open(path, limits, head, RecordEnd::BlockLength)?;
        Ok(Self {
            needs_section: !file.has_only_head(),
            file,
            writer,
            names,
            blocks: Vec::new(),
            ring: VecDeque::new(),
            ring_bytes: 0,
            undecided: HashMap::default(),
            lookups: VecDeque::new(),
            lookup_bytes: 0,
            packets_written: 0,
            stopped: false,
            resuming: false,
            pending: 0,
            lost: 0,
            errors: Vec::new(),
            resumed: None,
        })
    }

    /// Returns the new name of the file that was there before and ended inside a packet; `None` if it ended behind one.
    #[must_use]
    pub fn cut_off(&self) -> Option<&Path> {
        self.file.cut_off()
    }

    /// Number of packets handed to the writer so far.
    #[must_use]
    pub const fn packets_written(&self) -> u64 {
        self.packets_written
    }

    /// Writes completed blocks, rotates the file if due, and returns the failures since the last call.
    ///
    /// To be called several times a second, so that the file lags little behind the link.
    pub fn maintain(&mut self) -> Vec<RecordingError> {
        self.flush();
        self.rotate_if_due(0);
        if let Some(cause) = self.file.take_error() {
            self.errors.push(RecordingError::Rotate(cause));
        }
        std::mem::take(&mut self.errors)
    }

    /// Returns the number of packets that were lost before writing worked again, once after each time that it stopped.
    pub fn take_resumed(&mut self) -> Option<u64> {
        self.resumed.take()
    }

    /// Reopens the file under its name, after it was moved away or a full disk has space again.
    pub fn reopen(&mut self) {
        self.flush();
        self.resuming |= std::mem::replace(&mut self.stopped, false);
        match self.file.reopen() {
            Ok(()) => self.begin_file(),
            Err(cause) => self.fail(cause),
        }
    }

    /// Writes every held packet that belongs to a session.
    pub fn finish(&mut self) {
        while self.release_oldest() {}
        self.flush();
    }

    /// Writes or drops the oldest packet of the ring; returns false if the ring is empty.
    fn release_oldest(&mut self) -> bool {
        let Some(held) = self.ring.pop_front() else {
            return false;
        };
        self.ring_bytes = self.ring_bytes.saturating_sub(held.cost());
        if let Some(key) = held.undecided {
            if let Some(count) = self.undecided.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.undecided.remove(&key);
                }
            }
        } else {
            self.write(&Packet {
                frame: held.frame,
                link: held.link,
                wire_len: held.wire_len,
                data: &held.data,
            });
        }
        true
    }

    fn write(&mut self, packet: &Packet<'_>) {
        if self.stopped {
            self.lost += 1;
            return;
        }
        let more = self.blocks.len().saturating_add(packet.data.len()) + BLOCK_OVERHEAD;
        // Blocks not yet written count as part of the file, or a file would exceed its size limit by up to FLUSH_BYTES.
        if self.file.is_rotation_due(more as u64)
            || (!self.blocks.is_empty() && self.file.exceeds_size(more as u64))
        {
            self.flush();
            self.rotate_if_due(packet.data.len() + BLOCK_OVERHEAD);
        }
        if std::mem::take(&mut self.needs_section) {
            self.writer.section(&mut self.blocks);
        }
        let name = usize::try_from(packet.frame.capture())
            .ok()
            .and_then(|index| self.names.get(index))
            .map_or("", String::as_str);
        self.writer.packet(packet, name, &mut self.blocks);
        self.pending += 1;
        self.packets_written = self.packets_written.saturating_add(1);
        if self.blocks.len() >= FLUSH_BYTES {
            self.flush();
        }
    }

    /// Rotates the file if `more` bytes no longer belong into it.
    fn rotate_if_due(&mut self, more: usize) {
        if !self.stopped && self.file.rotate_if_due(more as u64) {
            self.begin_file();
        }
    }

    /// Resets the writer for a file just opened.
    fn begin_file(&mut self) {
        self.writer = PcapNgWriter::default();
        // A new file already has its section as head. Behind blocks of an earlier run the interface numbers start anew, which
        // pcapng allows only in a new section.
        self.needs_section = !self.file.has_only_head();
    }

    fn flush(&mut self) {
        if self.blocks.is_empty() || self.stopped {
            return;
        }
        let packets = std::mem::take(&mut self.pending);
        match self.file.append(&self.blocks) {
            Ok(()) if std::mem::take(&mut self.resuming) => {
                self.resumed = Some(std::mem::take(&mut self.lost));
            }
            Ok(()) => {}
            Err(cause) => {
                self.lost += packets;
                self.fail(cause);
            }
        }
        self.blocks.clear();
    }

    fn fail(&mut self, cause: io::Error) {
        if !std::mem::replace(&mut self.stopped, true) {
            self.resuming = false;
            // The lost blocks may have described interfaces that later packets refer to.
            self.needs_section = true;
            self.errors.push(RecordingError::Write(cause));
        }
    }

    fn hold(&mut self, held: HeldPacket) {
        self.ring_bytes += held.cost();
        if let Some(key) = held.undecided {
            *self.undecided.entry(key).or_default() += 1;
        }
        self.ring.push_back(held);
    }

    /// Marks the undecided packets of `connection` as packets of a session.
    fn claim(&mut self, connection: FlowKey) {
        if self.undecided.remove(&connection).is_some() {
            for held in &mut self.ring {
                if held.undecided == Some(connection) {
                    held.undecided = None;
                }
            }
        }
    }
}

impl PacketSink for PacketRecorder {
    fn packet(&mut self, packet: &Packet<'_>, relation: Relation) {
        let undecided = match relation {
            Relation::Session(key) => {
                self.claim(key);
                None
            }
            Relation::Undecided(key) => Some(key),
            Relation::Dns => {
                // A lookup precedes its session by any time, so that these are bounded by bytes only.
                let held = HeldPacket::new(packet, None);
                self.lookup_bytes += held.cost();
                self.lookups.push_back(held);
                while self.lookup_bytes > LOOKUP_BYTES
                    && let Some(oldest) = self.lookups.pop_front()
                {
                    self.lookup_bytes = self.lookup_bytes.saturating_sub(oldest.cost());
                }
                return;
            }
            Relation::Unrelated => return,
        };
        while let Some(oldest) = self.ring.front()
            && (self.undecided.is_empty()
                || self.ring_bytes > RING_BYTES
                || packet.frame.time.since(oldest.frame.time) > DECISION_TIME)
        {
            self.release_oldest();
        }
        // The common case on a busy link: nothing is undecided, and the packet is not copied into the ring.
        if undecided.is_none() && self.ring.is_empty() {
            self.write(packet);
        } else {
            self.hold(HeldPacket::new(packet, undecided));
        }
    }

    fn session(&mut self, connection: FlowKey, lookup_frames: &[u64]) {
        self.claim(connection);
        for frame in lookup_frames {
            let position = self
                .lookups
                .iter()
                .position(|held| held.frame.number == *frame);
            if let Some(held) = position.and_then(|position| self.lookups.remove(position)) {
                self.lookup_bytes = self.lookup_bytes.saturating_sub(held.cost());
                self.ring_bytes += held.cost();
                // Readers expect capture order, and the lookup is older than the handshake in the ring.
                let position = self
                    .ring
                    .partition_point(|other| other.frame.number < held.frame.number);
                self.ring.insert(position, held);
            }
        }
    }
}

impl HeldPacket {
    fn new(packet: &Packet<'_>, undecided: Option<FlowKey>) -> Self {
        Self {
            frame: packet.frame,
            link: packet.link,
            wire_len: packet.wire_len,
            data: packet.data.into(),
            undecided,
        }
    }

    /// Memory taken, in bytes.
    fn cost(&self) -> usize {
        self.data.len() + size_of::<Self>()
    }
}

/// Longest time in the ring, in capture time: recognition of a control connection takes a greeting and a command.
const DECISION_TIME: Span = Span::from_secs(3);
/// Limit of the ring; beyond it the oldest packets are released early.
const RING_BYTES: usize = 32 << 20;
/// Limit of remembered DNS packets; beyond it the oldest ones are dropped.
const LOOKUP_BYTES: usize = 4 << 20;
/// Upper bound of what a pcapng block adds to the bytes of a packet.
const BLOCK_OVERHEAD: usize = 64;
/// Amount of completed blocks that is written in one call.
const FLUSH_BYTES: usize = 64 << 10;

/// Returns whether packets can be appended to a file: an empty or absent one, or one that begins with a section header.
/// Devices and pipes are not read.
fn begins_section(path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {}
        _ => return Ok(true),
    }
    let mut head = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut head)?;
    Ok(head == SECTION_HEADER)
}

/// Type of the block that begins every pcapng file; the same in both byte orders.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CapturePlace, Endpoint, Timestamp};
    use crate::scratch_folder::ScratchFolder;

    fn key(port: u16) -> FlowKey {
        let end = |host, port| Endpoint::v4([10, 0, 0, host], port);
        FlowKey::new(end(1, port), end(2, 2121)).0
    }

    fn recorder(name: &str) -> (PacketRecorder, ScratchFolder) {
        let folder = ScratchFolder::new(name);
        let path = folder.join("packets");
        let names = vec!["eth0".to_owned()];
        let recorder =
            PacketRecorder::open(&path, RotationLimits::default(), names).expect("opened");
        (recorder, folder)
    }

    fn pass(recorder: &mut PacketRecorder, number: u64, relation: Relation) {
        let frame = FrameRef {
            time: Timestamp::from_parts(1_700_000_000 + number, 0),
            number,
            place: CapturePlace::new(0, number),
        };
        let data = [u8::try_from(number).unwrap_or(0); 4];
        let packet = Packet {
            frame,
            link: LinkType::ETHERNET,
            wire_len: 4,
            data: &data,
        };
        recorder.packet(&packet, relation);
    }

    /// Returns the first byte of each packet in the file, in order.
    fn written(mut recorder: PacketRecorder, folder: &Path) -> Vec<u8> {
        use crate::capture::{CaptureSet, Input, PacketSource as _, ReadOptions};
        recorder.finish();
        let mut set = CaptureSet::open(&[folder.join("packets")], ReadOptions::default());
        let mut first = Vec::new();
        set.for_each(&mut |input| {
            if let Input::Packet(packet) = input {
                first.extend(packet.data.first());
            }
            std::ops::ControlFlow::Continue(())
        });
        first
    }

    #[test]
    fn a_session_claims_its_lookup_and_its_handshake() {
        let (mut recorder, folder) = recorder("claimed");
        pass(&mut recorder, 1, Relation::Dns);
        pass(&mut recorder, 2, Relation::Dns);
        pass(&mut recorder, 3, Relation::Undecided(key(1000)));
        pass(&mut recorder, 4, Relation::Undecided(key(2000)));
        recorder.session(key(1000), &[2]);
        pass(&mut recorder, 5, Relation::Session(key(2000)));
        pass(&mut recorder, 6, Relation::Unrelated);
        pass(&mut recorder, 7, Relation::Undecided(key(3000)));
        assert_eq!(written(recorder, &folder), [2, 3, 4, 5]);
    }

    #[test]
    fn undecided_packets_are_dropped_after_three_seconds() {
        let (mut recorder, folder) = recorder("unclaimed");
        pass(&mut recorder, 1, Relation::Undecided(key(1000)));
        for number in 2..10 {
            pass(&mut recorder, number, Relation::Session(key(3000)));
        }
        assert!(recorder.undecided.is_empty());
        assert!(recorder.ring.is_empty());
        assert_eq!(written(recorder, &folder), [2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
