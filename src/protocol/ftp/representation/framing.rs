//! Framing by descriptors and escapes: MODE B, MODE C, and STRU R in stream mode (RFC 959 section 3.4).

use super::{END_OF_FILE, END_OF_RECORD, Output, RESTART_MARKER, SUSPECT};
use crate::model::record::DataType;

/// Decoder of MODE B: blocks with a header of three bytes, descriptor and count (RFC 959 section 3.4.2).
#[derive(Debug)]
pub(super) struct Blocks {
    line_end: &'static [u8],
    header: [u8; 3],
    header_length: usize,
    /// Bytes left of the block's data.
    left: u16,
    in_block: bool,
    ended: bool,
    suspect: bool,
    /// Bytes after the end of the file.
    behind: u64,
}

impl Blocks {
    pub(super) fn new(line_end: &'static [u8]) -> Self {
        Self {
            line_end,
            header: [0; 3],
            header_length: 0,
            left: 0,
            in_block: false,
            ended: false,
            suspect: false,
            behind: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: Output<'_>) {
        let mut bytes = bytes;
        loop {
            // Bytes of the next file on the same connection, or of a sender that does not follow the RFC: counted, not
            // decoded.
            if self.ended {
                self.behind = self.behind.saturating_add(bytes.len() as u64);
                return;
            }
            if !self.in_block {
                let Some((&byte, rest)) = bytes.split_first() else {
                    return;
                };
                bytes = rest;
                if let Some(place) = self.header.get_mut(self.header_length) {
                    *place = byte;
                }
                self.header_length += 1;
                if self.header_length == self.header.len() {
                    let [descriptor, high, low] = self.header;
                    self.left = u16::from_be_bytes([high, low]);
                    self.suspect |= descriptor & SUSPECT != 0;
                    self.in_block = true;
                    self.header_length = 0;
                }
            }
            if self.in_block {
                let descriptor = self.header[0];
                let (data, rest) = bytes.split_at(bytes.len().min(usize::from(self.left)));
                // The text of a restart marker is not part of the file.
                if descriptor & RESTART_MARKER == 0 && !data.is_empty() {
                    out(data);
                }
                self.left -= u16::try_from(data.len()).unwrap_or(self.left);
                bytes = rest;
                if self.left > 0 {
                    return;
                }
                if descriptor & END_OF_RECORD != 0 {
                    out(self.line_end);
                }
                self.ended = descriptor & END_OF_FILE != 0;
                self.in_block = false;
            }
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), String> {
        if !self.ended {
            // An empty file may be sent as no bytes at all.
            if self.header_length == 0 && !self.in_block && self.header == [0; 3] {
                return Ok(());
            }
            return Err("no block ends the file".to_owned());
        }
        if self.behind > 0 {
            return Err(format!("{} bytes behind the end of the file", self.behind));
        }
        if self.suspect {
            return Err("the sender marked blocks as possibly wrong".to_owned());
        }
        Ok(())
    }
}

/// Decoder of MODE C: strings of bytes, repeated bytes and fillers (RFC 959 section 3.4.3).
#[derive(Debug)]
pub(super) struct Runs {
    line_end: &'static [u8],
    /// Space in TYPE A and E, 0 in TYPE I.
    filler: u8,
    state: State,
    /// Whether the next run is the text of a restart marker.
    marker: bool,
    /// Descriptor of the next run; 0 without one.
    descriptor: u8,
    ended: bool,
    started: bool,
    behind: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a header.
    Header,
    /// In a string of bytes, with the number left.
    Plain(u8),
    /// Before the byte to repeat, with the number of repetitions.
    Repeat(u8),
    /// After an escape, before its descriptor.
    Escape,
}

impl Runs {
    pub(super) fn new(line_end: &'static [u8], data_type: DataType) -> Self {
        Self {
            line_end,
            filler: match data_type {
                DataType::Ascii => b' ',
                DataType::Ebcdic => 0x40,
                DataType::Image | DataType::Local => 0,
            },
            state: State::Header,
            marker: false,
            descriptor: 0,
            ended: false,
            started: false,
            behind: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: Output<'_>) {
        let mut bytes = bytes;
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.ended {
                self.behind = self.behind.saturating_add(bytes.len() as u64);
                return;
            }
            self.started = true;
            match self.state {
                State::Plain(left) => {
                    let (data, behind) = bytes.split_at(bytes.len().min(usize::from(left)));
                    self.write(data, out);
                    let left = left - u8::try_from(data.len()).unwrap_or(left);
                    self.state = State::Plain(left);
                    if left == 0 {
                        self.end_run(out);
                    }
                    bytes = behind;
                    continue;
                }
                State::Repeat(count) => {
                    // Counts have 6 bits.
                    self.write(&[byte; 63][..usize::from(count.min(63))], out);
                    self.end_run(out);
                }
                State::Escape => {
                    self.state = State::Header;
                    self.descriptor = byte;
                    self.marker = byte & RESTART_MARKER != 0;
                }
                State::Header => match byte {
                    0 => self.state = State::Escape,
                    1..=0x7f => self.state = State::Plain(byte),
                    0x80..=0xbf => self.state = State::Repeat(byte & 0x3f),
                    0xc0..=0xff => {
                        let filler = [self.filler; 63];
                        self.write(&filler[..usize::from(byte & 0x3f)], out);
                        self.end_run(out);
                    }
                },
            }
            bytes = rest;
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), String> {
        if self.behind > 0 {
            return Err(format!("{} bytes behind the end of the file", self.behind));
        }
        // Some senders end the file with a descriptor and no string of bytes after it.
        if self.ended || !self.started || self.descriptor & END_OF_FILE != 0 {
            Ok(())
        } else {
            Err("nothing ends the file".to_owned())
        }
    }

    fn write(&self, data: &[u8], out: Output<'_>) {
        if !self.marker && !data.is_empty() {
            out(data);
        }
    }

    /// Ends a run, and applies its descriptor.
    fn end_run(&mut self, out: Output<'_>) {
        self.state = State::Header;
        self.marker = false;
        let descriptor = std::mem::take(&mut self.descriptor);
        if descriptor & END_OF_RECORD != 0 {
            out(self.line_end);
        }
        self.ended = descriptor & END_OF_FILE != 0;
    }
}

/// Decoder of STRU R in stream mode: escapes that end records and the file (RFC 959 section 3.4.1).
#[derive(Debug)]
pub(super) struct Records {
    line_end: &'static [u8],
    escaped: bool,
    ended: bool,
    behind: u64,
    /// Number of undefined escapes.
    unknown: u64,
}

impl Records {
    pub(super) fn new(line_end: &'static [u8]) -> Self {
        Self {
            line_end,
            escaped: false,
            ended: false,
            behind: 0,
            unknown: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: Output<'_>) {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            if self.ended {
                self.behind = self.behind.saturating_add(bytes.len() as u64);
                return;
            }
            if std::mem::take(&mut self.escaped) {
                let Some((&code, rest)) = bytes.split_first() else {
                    return;
                };
                match code {
                    ESCAPE => out(&[ESCAPE]),
                    // 1 ends a record, 2 the file, 3 both.
                    1 => out(self.line_end),
                    2 => self.ended = true,
                    3 => {
                        out(self.line_end);
                        self.ended = true;
                    }
                    _ => {
                        self.unknown += 1;
                        out(&[ESCAPE, code]);
                    }
                }
                bytes = rest;
                continue;
            }
            let end = bytes
                .iter()
                .position(|&byte| byte == ESCAPE)
                .unwrap_or(bytes.len());
            let (plain, rest) = bytes.split_at(end);
            if !plain.is_empty() {
                out(plain);
            }
            self.escaped = !rest.is_empty();
            bytes = rest.get(1..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), String> {
        if self.escaped {
            Err("it ends within an escape".to_owned())
        } else if self.behind > 0 {
            Err(format!("{} bytes behind the end of the file", self.behind))
        } else if self.unknown > 0 {
            Err(format!("{} escapes that mean nothing", self.unknown))
        } else {
            // Without an escape for it, the end of the connection is the end of the file.
            Ok(())
        }
    }
}

/// First byte of a two-byte control code (RFC 959 section 3.4.1).
const ESCAPE: u8 = 0xff;
