//! MODE C: runs of bytes, repeated bytes and fillers (RFC 959 section 3.4.3).

use super::{END_OF_FILE, END_OF_RECORD, Output, RESTART_MARKER};
use crate::model::record::DataType;

/// Runs that are being written out.
#[derive(Debug)]
pub(super) struct Runs {
    line_end: &'static [u8],
    filler: u8,
    state: State,
    /// The run that comes is the text of a restart marker.
    marker: bool,
    /// The descriptor whose string of bytes comes.
    descriptor: u8,
    ended: bool,
    started: bool,
    behind: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Plain(u8),
    Repeat(u8),
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
        // The descriptor of the end may come without a string of bytes behind it.
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

    /// A string of bytes is over; what its descriptor said of it takes effect.
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
