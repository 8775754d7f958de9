//! Keeps the packets of FTP sessions, and nothing else of the link.
//!
//! ```text
//! packet ── ours ──────────────> ring of a few seconds ──> pcapng file (older ones beside it)
//!        ├─ not known yet ─────>   └ dropped there unless a session claims it
//!        └─ DNS ── recent lookups ── claimed by a session ──^
//! ```
//!
//! What a connection on another port is, is known only some packets after its handshake; so packets wait for a moment, in the
//! order in which they came.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::numbers::{Numbers, add};
use super::rotating_file::{RotatingFile, Rotation};
use crate::capture::{LinkType, Packet, PcapNgWriter};
use crate::cli::error_text;
use crate::model::{FlowKey, FrameRef, Span, Warning, WarningCode};
use crate::pipeline::{Bearing, PacketSink};
use crate::session::Origin;

/// Packets on their way into a file.
pub(super) struct Recorder {
    file: RotatingFile,
    writer: PcapNgWriter,
    /// Names of the inputs, for the interfaces in the file.
    names: Vec<String>,
    /// Whole blocks that are not in the file yet.
    blocks: Vec<u8>,
    /// The file needs a section before the next packet.
    needs_section: bool,
    ring: VecDeque<Held>,
    ring_bytes: usize,
    /// Packets in the ring of which it is not known whose they are, by connection.
    open: HashMap<FlowKey, usize, RandomState>,
    lookups: VecDeque<Held>,
    lookup_bytes: usize,
    numbers: Arc<Numbers>,
    /// It could not be written; nothing more is until files are opened again.
    stopped: bool,
    warnings: Vec<Warning>,
}

struct Held {
    frame: FrameRef,
    link: LinkType,
    wire_len: u32,
    data: Box<[u8]>,
    /// `None` for a packet that is ours.
    open: Option<FlowKey>,
}

impl Recorder {
    /// Writes into `path`, behind what is there.
    pub(super) fn open(
        path: &Path,
        rotate: Option<Rotation>,
        keep: Option<u32>,
        names: Vec<String>,
        numbers: Arc<Numbers>,
    ) -> io::Result<Self> {
        let mut writer = PcapNgWriter::default();
        let mut head = Vec::new();
        writer.section(&mut head);
        let file = RotatingFile::open(path, rotate, keep, head)?;
        Ok(Self {
            needs_section: !file.is_fresh(),
            file,
            writer,
            names,
            blocks: Vec::new(),
            ring: VecDeque::new(),
            ring_bytes: 0,
            open: HashMap::default(),
            lookups: VecDeque::new(),
            lookup_bytes: 0,
            numbers,
            stopped: false,
            warnings: Vec::new(),
        })
    }

    /// Writes what is ready; what is to be told.
    pub(super) fn look_after(&mut self) -> Vec<Warning> {
        self.flush();
        self.turn(0);
        if let Some(cause) = self.file.take_trouble() {
            let message = format!(
                "the old packets cannot be put aside: {}; the file is written on",
                error_text::system_words(&cause)
            );
            self.warn(message);
        }
        std::mem::take(&mut self.warnings)
    }

    /// Opens the file again under its name.
    pub(super) fn reopen(&mut self) {
        self.flush();
        self.stopped = false;
        match self.file.reopen() {
            Ok(()) => self.begin(),
            Err(cause) => self.fail(&cause),
        }
    }

    /// Everything that waits is written.
    pub(super) fn finish(&mut self) {
        while self.let_go() {}
        self.flush();
    }

    /// Lets go of the packet that waited longest; false where none waits.
    fn let_go(&mut self) -> bool {
        let Some(held) = self.ring.pop_front() else {
            return false;
        };
        self.ring_bytes = self.ring_bytes.saturating_sub(held.cost());
        if let Some(key) = held.open {
            if let Some(count) = self.open.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.open.remove(&key);
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
            return;
        }
        let more = self.blocks.len().saturating_add(packet.data.len()) + BLOCK;
        if self.file.is_due(more as u64)
            || (!self.blocks.is_empty() && self.file.is_too_much(more as u64))
        {
            self.flush();
            self.turn(packet.data.len() + BLOCK);
        }
        if std::mem::take(&mut self.needs_section) {
            self.writer.section(&mut self.blocks);
        }
        let name = usize::try_from(packet.frame.capture())
            .ok()
            .and_then(|index| self.names.get(index))
            .map_or("", String::as_str);
        self.writer.packet(packet, name, &mut self.blocks);
        add(&self.numbers.packets_written, 1);
        if self.blocks.len() >= BLOCKS {
            self.flush();
        }
    }

    /// Begins a new file where `more` bytes do not belong into this one any more.
    fn turn(&mut self, more: usize) {
        if !self.stopped && self.file.rotate_if_due(more as u64) {
            self.begin();
        }
    }

    /// The file was opened: its first section is there, or one has to be written behind those of others.
    fn begin(&mut self) {
        self.writer = PcapNgWriter::default();
        self.needs_section = !self.file.is_fresh();
    }

    fn flush(&mut self) {
        if self.blocks.is_empty() || self.stopped {
            return;
        }
        if let Err(cause) = self.file.append(&self.blocks) {
            self.fail(&cause);
        }
        self.blocks.clear();
    }

    fn fail(&mut self, cause: &io::Error) {
        if !std::mem::replace(&mut self.stopped, true) {
            // The next packet that is written begins a section: what was lost is not known to it.
            self.needs_section = true;
            let message = format!(
                "packets cannot be written: {}; no more are kept, everything else goes on; make room and send SIGHUP",
                error_text::system_words(cause)
            );
            self.warn(message);
        }
    }

    fn warn(&mut self, message: String) {
        self.warnings
            .push(Warning::new(WarningCode::OutputFailed, message, None));
    }

    fn hold(&mut self, held: Held) {
        self.ring_bytes += held.cost();
        if let Some(key) = held.open {
            *self.open.entry(key).or_default() += 1;
        }
        self.ring.push_back(held);
    }

    /// What waits of this connection is ours.
    fn claim(&mut self, connection: FlowKey) {
        if self.open.remove(&connection).is_some() {
            for held in &mut self.ring {
                if held.open == Some(connection) {
                    held.open = None;
                }
            }
        }
    }
}

impl PacketSink for Recorder {
    fn packet(&mut self, packet: &Packet<'_>, bearing: Bearing) {
        let open = match bearing {
            Bearing::Ours(key) => {
                self.claim(key);
                None
            }
            Bearing::Open(key) => Some(key),
            Bearing::Dns => {
                let held = Held::new(packet, None);
                self.lookup_bytes += held.cost();
                self.lookups.push_back(held);
                while self.lookup_bytes > LOOKUP_BYTES
                    && let Some(oldest) = self.lookups.pop_front()
                {
                    self.lookup_bytes = self.lookup_bytes.saturating_sub(oldest.cost());
                }
                return;
            }
            Bearing::Foreign => return,
        };
        while let Some(oldest) = self.ring.front()
            && (self.open.is_empty()
                || self.ring_bytes > RING_BYTES
                || packet.frame.time.since(oldest.frame.time) > WAIT)
        {
            self.let_go();
        }
        if open.is_none() && self.ring.is_empty() {
            self.write(packet);
        } else {
            self.hold(Held::new(packet, open));
        }
    }

    fn session(&mut self, origin: &Origin) {
        self.claim(origin.connection);
        for frame in &origin.lookup {
            let place = self
                .lookups
                .iter()
                .position(|held| held.frame.number == *frame);
            if let Some(held) = place.and_then(|place| self.lookups.remove(place)) {
                self.lookup_bytes = self.lookup_bytes.saturating_sub(held.cost());
                self.ring_bytes += held.cost();
                let place = self
                    .ring
                    .partition_point(|other| other.frame.number < held.frame.number);
                self.ring.insert(place, held);
            }
        }
    }
}

impl Held {
    fn new(packet: &Packet<'_>, open: Option<FlowKey>) -> Self {
        Self {
            frame: packet.frame,
            link: packet.link,
            wire_len: packet.wire_len,
            data: packet.data.into(),
            open,
        }
    }

    fn cost(&self) -> usize {
        self.data.len() + size_of::<Self>()
    }
}

/// How long packets wait for their connection to be recognised.
const WAIT: Span = Span::from_secs(3);
/// Bytes of packets that wait; beyond it the oldest ones are let go.
const RING_BYTES: usize = 32 << 20;
/// Bytes of lookups that are remembered.
const LOOKUP_BYTES: usize = 4 << 20;
/// Bytes that a packet takes beside its own.
const BLOCK: usize = 64;
/// Bytes that are written at once.
const BLOCKS: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CapturePlace, Endpoint, Timestamp};
    use crate::scratch_folder::ScratchFolder;

    fn key(port: u16) -> FlowKey {
        let end = |host, port| Endpoint::v4([10, 0, 0, host], port);
        FlowKey::new(end(1, port), end(2, 2121)).0
    }

    fn recorder(name: &str) -> (Recorder, ScratchFolder) {
        let folder = ScratchFolder::new(name);
        let path = folder.join("packets");
        let names = vec!["eth0".to_owned()];
        let recorder = Recorder::open(&path, None, None, names, Numbers::new()).expect("opened");
        (recorder, folder)
    }

    fn give(recorder: &mut Recorder, number: u64, bearing: Bearing) {
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
        recorder.packet(&packet, bearing);
    }

    /// First byte of each packet that was kept, in order.
    fn kept(mut recorder: Recorder, folder: &Path) -> Vec<u8> {
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
    fn a_session_takes_its_lookup_and_its_handshake_along() {
        let (mut recorder, folder) = recorder("claimed");
        give(&mut recorder, 1, Bearing::Dns);
        give(&mut recorder, 2, Bearing::Dns);
        give(&mut recorder, 3, Bearing::Open(key(1000)));
        give(&mut recorder, 4, Bearing::Open(key(2000)));
        recorder.session(&Origin {
            connection: key(1000),
            lookup: vec![2],
        });
        give(&mut recorder, 5, Bearing::Ours(key(2000)));
        give(&mut recorder, 6, Bearing::Foreign);
        give(&mut recorder, 7, Bearing::Open(key(3000)));
        assert_eq!(kept(recorder, &folder), [2, 3, 4, 5]);
    }

    #[test]
    fn what_nobody_claims_is_gone_after_a_while() {
        let (mut recorder, folder) = recorder("unclaimed");
        give(&mut recorder, 1, Bearing::Open(key(1000)));
        for number in 2..10 {
            give(&mut recorder, number, Bearing::Ours(key(3000)));
        }
        assert!(recorder.open.is_empty());
        assert!(recorder.ring.is_empty());
        assert_eq!(kept(recorder, &folder), [2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
