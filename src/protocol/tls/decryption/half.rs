//! State of one direction: the record being read, the keys in force, and the search for the next record after a loss.

use std::collections::VecDeque;

use super::handshake::Messages;
use super::keyring::SecretBytes;
use super::protection::Protection;
use super::suite::ClientFlight;
use crate::model::FrameRef;

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Half {
    header: [u8; HEADER],
    header_bytes: usize,
    /// Bytes left of the current record; 0 until its header is complete.
    left: usize,
    /// Bytes of the current record are missing.
    damaged: bool,
    /// Payload of the current record so far. Allocated at the first record.
    buffer: Vec<u8>,
    pub(super) layer: Layer,
    pub(super) messages: Messages,
    /// A hello was read in this direction.
    pub(super) has_hello: bool,
    /// Records that wait for the hello of the other end.
    pub(super) held: Vec<Held>,
    held_bytes: usize,
    /// `None` unless bytes are missing beyond the end of a record.
    pub(super) search: Option<Box<Search>>,
    pub(super) counts: Counts,
    /// Work spent on trial openings, in bytes.
    pub(super) trials: u64,
    /// Closed records that end the handshake of a TLS 1.3 client.
    pub(super) flight: ClientFlight,
}

/// Way in which the records of a direction are read.
#[derive(Default)]
pub(super) enum Layer {
    /// In clear, up to the first keys.
    #[default]
    Clear,
    /// Encrypted.
    Keyed(Box<Keyed>),
    /// Encrypted, and not opened any more; records are counted.
    Closed,
    /// No record boundary is known; nothing is counted.
    Dead,
}

/// Keys of an encrypted direction.
#[derive(Default)]
pub(super) struct Keyed {
    /// Keys that opened a record; `None` before that, and after a change of keys.
    pub(super) epoch: Option<Epoch>,
    /// Stage of the next keys, at least.
    pub(super) stage: Stage,
    /// Records since the last change of keys that did not open.
    pub(super) unopened: u64,
    /// Bytes of those records.
    pub(super) unopened_bytes: u64,
    /// Records in a row that fail under keys that opened others.
    pub(super) failures: u32,
    /// Longest record payload so far, in bytes.
    pub(super) longest: usize,
    /// Bytes of content in the first record of that length; `None` before one with content was opened.
    pub(super) longest_content: Option<u64>,
    /// Content type and payload length of the records since the last one that opened, the last [`PASSED_MAX`]: damaged ones, and
    /// those that do not open.
    pub(super) passed: VecDeque<(u8, u16)>,
}

/// Keys between two changes of keys.
pub(super) struct Epoch {
    pub(super) protection: Protection,
    pub(super) stage: Stage,
    /// Traffic secret (TLS 1.3 only).
    pub(super) secret: Option<SecretBytes>,
    /// Number of the next record.
    pub(super) sequence: u64,
}

/// Stage of a connection that has keys of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Early data of TLS 1.3.
    #[default]
    Early,
    /// Handshake of TLS 1.3.
    Handshake,
    /// Content; in TLS 1.2 and before everything that is encrypted.
    Application,
}

/// Record that waits for the hello of the other end.
pub(super) struct Held {
    pub(super) header: [u8; HEADER],
    pub(super) payload: Box<[u8]>,
    pub(super) at: FrameRef,
}

/// Search for the next record after a loss that hides where it begins.
#[derive(Default)]
pub(super) struct Search {
    /// Bytes since the beginning of the first damaged record, up to `bytes`.
    pub(super) hidden: u64,
    /// Payload length of the first damaged record in bytes; `None` if its header is missing.
    pub(super) first: Option<u16>,
    /// The loss hides only records under the keys of the content.
    pub(super) settled: bool,
    /// Frame of the last bytes, while the hello of the other end is missing; `None` once they are searched.
    pub(super) waits: Option<FrameRef>,
    /// Captured bytes behind the loss.
    pub(super) bytes: Vec<u8>,
    /// Offset in `bytes` up to which no record begins.
    pub(super) at: usize,
    /// Places tried since the last loss.
    pub(super) places: u32,
}

/// Numbers about the content of a direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Records of content captured whole.
    pub(super) records: u64,
    /// Records of content that were opened.
    pub(super) opened: u64,
    /// Content by the lengths of its records, in bytes.
    pub(super) content: u64,
    /// Content bytes of records behind the point from which on nothing is opened.
    pub(super) closed: u64,
    /// Content bytes of the last of those records.
    pub(super) last: u64,
    /// Padding may hide that `content` is less.
    pub(super) inexact: bool,
    /// Records without content in a row.
    pub(super) empty: u32,
    /// The end sent `close_notify`.
    pub(super) close_notify: bool,
}

/// Result of reading bytes of a direction.
pub(super) enum Taken<'a> {
    /// More bytes are needed.
    More,
    /// A whole record, with its payload.
    Record([u8; HEADER], Payload<'a>),
    /// The end of a record of which bytes are missing, and its length.
    Damaged([u8; HEADER]),
    /// A record without payload.
    Empty,
    /// The end of a record that is only counted.
    Counted([u8; HEADER]),
    /// No record begins here.
    NoRecord,
}

/// Payload of a record: within the segment, or collected from several.
pub(super) enum Payload<'a> {
    Borrowed(&'a [u8]),
    Collected(Vec<u8>),
}

impl Half {
    /// Takes the next record from `bytes`.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Taken<'a> {
        if self.left == 0 {
            let missing = HEADER - self.header_bytes;
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            for (place, byte) in self.header.iter_mut().skip(self.header_bytes).zip(now) {
                *place = *byte;
            }
            self.header_bytes += now.len();
            *bytes = rest;
            if self.header_bytes < HEADER {
                return Taken::More;
            }
            let Some(length) = plausible_length(self.header) else {
                return Taken::NoRecord;
            };
            self.left = length;
            self.damaged = false;
            if length == 0 {
                self.header_bytes = 0;
                return Taken::Empty;
            }
        }
        let (now, rest) = bytes.split_at(self.left.min(bytes.len()));
        let counted = matches!(self.layer, Layer::Closed);
        let whole = now.len() == self.left && self.buffer.is_empty();
        if !counted && !self.damaged && !whole {
            if self.buffer.capacity() == 0 {
                // Grows with the longest record, which is 16 KiB for files and less for commands.
                self.buffer.reserve(self.left);
            }
            self.buffer.extend_from_slice(now);
        }
        *bytes = rest;
        self.left -= now.len();
        if self.left > 0 {
            return Taken::More;
        }
        self.header_bytes = 0;
        let header = self.header;
        if counted {
            return if self.damaged {
                Taken::More
            } else {
                Taken::Counted(header)
            };
        }
        if std::mem::take(&mut self.damaged) {
            self.buffer.clear();
            return Taken::Damaged(header);
        }
        let payload = if whole {
            Payload::Borrowed(now)
        } else {
            Payload::Collected(std::mem::take(&mut self.buffer))
        };
        Taken::Record(header, payload)
    }

    /// Gives the buffer of a collected payload back.
    pub(super) fn give_back(&mut self, payload: Payload<'_>) {
        if let Payload::Collected(mut buffer) = payload
            && !matches!(self.layer, Layer::Closed | Layer::Dead)
        {
            buffer.clear();
            self.buffer = buffer;
        }
    }

    /// Skips missing bytes. Returns the damaged record if it ends there; `Err` if they extend beyond it, with the bytes from its
    /// beginning on and its payload length, which is `None` if its header is missing.
    pub(super) fn skip(&mut self, length: u64) -> Result<Option<[u8; HEADER]>, (u64, Option<u16>)> {
        match usize::try_from(length) {
            Ok(skipped) if self.left > 0 && skipped <= self.left => {
                self.left -= skipped;
                self.damaged = true;
                self.buffer.clear();
                if self.left > 0 {
                    return Ok(None);
                }
                self.header_bytes = 0;
                self.damaged = false;
                Ok(Some(self.header))
            }
            _ => {
                let mut first = None;
                let begun = if self.left > 0 {
                    let payload = payload_length(self.header);
                    first = u16::try_from(payload).ok();
                    HEADER + payload - self.left
                } else {
                    self.header_bytes
                };
                self.left = 0;
                self.header_bytes = 0;
                self.damaged = false;
                self.buffer.clear();
                Err((length.saturating_add(begun as u64), first))
            }
        }
    }

    /// Keeps a record until the hello of the other end is captured. Returns false if there are too many.
    pub(super) fn hold(&mut self, header: [u8; HEADER], payload: &[u8], at: FrameRef) -> bool {
        self.held_bytes += payload.len() + size_of::<Held>();
        if self.held_bytes > HELD_MAX {
            return false;
        }
        self.held.push(Held {
            header,
            payload: payload.into(),
            at,
        });
        true
    }

    /// Takes the held records.
    pub(super) fn take_held(&mut self) -> Vec<Held> {
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }

    /// Returns the keys of an encrypted direction.
    pub(super) fn keyed(&mut self) -> Option<&mut Keyed> {
        match &mut self.layer {
            Layer::Keyed(keyed) => Some(keyed),
            _ => None,
        }
    }

    /// Returns whether more records may be read.
    pub(super) const fn is_alive(&self) -> bool {
        !matches!(self.layer, Layer::Closed | Layer::Dead)
    }

    /// Stops opening records.
    pub(super) fn close(&mut self, layer: Layer) {
        self.layer = layer;
        self.buffer = Vec::new();
        self.search = None;
        self.messages.lose();
    }
}

impl Keyed {
    /// Begins the keys of a stage, which the next record shows.
    pub(super) fn change(&mut self, stage: Stage) {
        self.epoch = None;
        self.stage = stage;
        self.unopened = 0;
        self.unopened_bytes = 0;
        self.failures = 0;
        self.passed.clear();
    }

    /// Notes a record that is damaged or does not open.
    pub(super) fn pass(&mut self, header: [u8; HEADER]) {
        if self.passed.len() == PASSED_MAX {
            self.passed.pop_front();
        }
        let length = u16::from_be_bytes([header[3], header[4]]);
        self.passed.push_back((header[0], length));
    }
}

impl Payload<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Collected(bytes) => bytes,
        }
    }
}

impl Search {
    /// Finds the next place at which a record may begin. Returns its offset and the length of its payload.
    ///
    /// `Err(true)` if more bytes are needed, `Err(false)` if none of the bytes begins a record.
    pub(super) fn next_place(&mut self) -> Result<(usize, usize), bool> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(next) = memchr::memchr(MAJOR, rest) else {
                self.at = self.bytes.len();
                return Err(false);
            };
            let place = (self.at + next).checked_sub(1);
            let Some(place) = place.filter(|place| *place >= self.at.saturating_sub(1)) else {
                self.at += next + 1;
                continue;
            };
            let Some(header) = self.bytes.get(place..).and_then(<[u8]>::first_chunk) else {
                return Err(true);
            };
            match plausible_length(*header) {
                Some(length) if length > 0 => {
                    if self.bytes.len() < place + HEADER + length {
                        return Err(true);
                    }
                    return Ok((place, length));
                }
                _ => self.at = place + 2,
            }
        }
    }

    /// Drops bytes in front of which no record begins, but for the block that a record may depend on.
    pub(super) fn trim(&mut self) {
        let keep = self.at.saturating_sub(BLOCK + 1);
        self.bytes.drain(..keep);
        self.at -= keep;
        self.hidden = self.hidden.saturating_add(keep as u64);
    }

    /// Adds a further loss: no record can extend over it.
    pub(super) fn lose(&mut self, length: u64) {
        let lost = length.saturating_add(self.bytes.len() as u64);
        self.hidden = self.hidden.saturating_add(lost);
        self.bytes.clear();
        self.at = 0;
        self.places = 0;
    }
}

/// Returns the payload length of a header; `None` if it is none.
fn plausible_length(header: [u8; HEADER]) -> Option<usize> {
    let [kind, major, minor, ..] = header;
    let length = payload_length(header);
    ((20..=24).contains(&kind) && major == MAJOR && minor <= 4 && length <= PAYLOAD_MAX)
        .then_some(length)
}

/// Returns the payload length that a header states.
pub(super) fn payload_length(header: [u8; HEADER]) -> usize {
    usize::from(u16::from_be_bytes([header[3], header[4]]))
}

/// Length of a record header in bytes.
pub(super) const HEADER: usize = 5;

/// Longest payload in bytes: 2^14, and 2,048 that encryption may add (RFC 5246 section 6.2.3).
const PAYLOAD_MAX: usize = (1 << 14) + 2048;

/// Most records that are remembered while none opens.
pub(super) const PASSED_MAX: usize = 256;

/// First byte of the version in every header.
const MAJOR: u8 = 3;

/// Most bytes held for the hello of the other end. Early data of TLS 1.3 waits here as well.
pub(super) const HELD_MAX: usize = 256 << 10;

/// Bytes in front of a record that it may depend on: a cipher block and a MAC.
const BLOCK: usize = 16 + 48;
