//! STRU R in stream mode: escapes that end records and the file (RFC 959 section 3.4.1).

use super::Output;

/// Records that are being told apart.
#[derive(Debug)]
pub(super) struct Records {
    line_end: &'static [u8],
    escaped: bool,
    ended: bool,
    behind: u64,
    /// Escapes that mean nothing.
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
            // The end of the file may be told by closing the connection.
            Ok(())
        }
    }
}

const ESCAPE: u8 = 0xff;
