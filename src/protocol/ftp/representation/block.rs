//! MODE B: blocks with a header of three bytes, descriptor and count (RFC 959 section 3.4.2).

use super::{END_OF_FILE, END_OF_RECORD, Output, RESTART_MARKER, SUSPECT};

/// Blocks that are being taken apart.
#[derive(Debug)]
pub(super) struct Blocks {
    line_end: &'static [u8],
    header: [u8; 3],
    header_length: usize,
    /// Bytes of the block's data still to come.
    left: u16,
    in_block: bool,
    ended: bool,
    suspect: bool,
    /// Bytes behind the end of the file: of the next one on the same connection.
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
                // The text of a restart marker is none of the file.
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
            // An empty file may be no bytes at all.
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
