//! Beginnings of transferred files, for the pane that shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::line::{DIM, Line, PLAIN, wrapped};
use crate::model::record::Decoded;
use crate::model::{ContentId, Settled, StoreError, Stored, TransferSink};
use crate::report::{SpooledText, units};

/// Beginnings of the files of a run. Clones share their content: the pipeline adds to it, the pane reads.
#[derive(Clone, Debug, Default)]
pub struct Contents(Arc<Mutex<Store>>);

#[derive(Debug)]
struct Store {
    /// Beginnings of files whose transfer is not finished.
    open: BTreeMap<ContentId, Beginning>,
    /// Bytes of all open beginnings.
    open_bytes: usize,
    /// Finished ones by session and transfer, and whether they are decoded.
    kept: BTreeMap<(u64, u64, bool), Kept>,
    text: SpooledText,
}

/// First bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Beginning {
    bytes: Vec<u8>,
    /// Whether the file has more bytes, or bytes are missing after these.
    goes_on: bool,
}

/// Place of the beginning of a finished file.
#[derive(Clone, Copy, Debug)]
struct Kept {
    id: ContentId,
    offset: u64,
    length: u64,
    goes_on: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            open_bytes: 0,
            kept: BTreeMap::new(),
            text: SpooledText::new(IN_MEMORY),
        }
    }
}

impl Contents {
    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while the lock was held leaves at worst a beginning too few.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the identities of the bytes of a transfer, as sent and decoded; none if nothing was captured.
    #[must_use]
    pub fn ids(&self, session: u64, transfer: u64) -> BTreeSet<ContentId> {
        let store = self.store();
        let keys = [(session, transfer, true), (session, transfer, false)];
        let kept = keys.iter().filter_map(|key| store.kept.get(key));
        kept.map(|kept| kept.id).collect()
    }

    /// Returns the beginning of a file as people read it, decoded if it was sent encoded; `None` if it was not kept.
    pub(super) fn beginning(&self, session: u64, transfer: u64) -> Option<Beginning> {
        let mut store = self.store();
        let keys = [(session, transfer, true), (session, transfer, false)];
        let kept = *keys.iter().find_map(|key| store.kept.get(key))?;
        let mut bytes = Vec::new();
        store.text.copy(kept.offset, kept.length, &mut bytes).ok()?;
        Some(Beginning {
            bytes,
            goes_on: kept.goes_on,
        })
    }
}

impl Store {
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        if self.open_bytes >= MAX_OPEN && !self.open.contains_key(&id) {
            return;
        }
        let beginning = self.open.entry(id).or_default();
        let length = beginning.bytes.len();
        // Behind a gap, bytes do not continue the beginning.
        if beginning.goes_on || units::to_u64(length) != offset {
            beginning.goes_on = true;
            return;
        }
        let (kept, rest) = bytes.split_at(bytes.len().min(MAX_BEGINNING.saturating_sub(length)));
        beginning.bytes.extend_from_slice(kept);
        beginning.goes_on = !rest.is_empty();
        self.open_bytes += kept.len();
    }

    fn discard(&mut self, id: ContentId) -> Option<Beginning> {
        let beginning = self.open.remove(&id)?;
        self.open_bytes = self.open_bytes.saturating_sub(beginning.bytes.len());
        Some(beginning)
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>, decoded: bool) {
        let beginning = self.discard(id);
        let (Some(beginning), Some(session), Some(transfer)) =
            (beginning, settled.session, settled.transfer)
        else {
            return;
        };
        let offset = self.text.len();
        if offset >= MAX_KEPT || self.text.write_all(&beginning.bytes).is_err() {
            return;
        }
        let kept = Kept {
            id,
            offset,
            length: beginning.bytes.len() as u64,
            goes_on: beginning.goes_on,
        };
        self.kept.insert((session, transfer, decoded), kept);
    }
}

impl TransferSink for Contents {
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        self.store().write(id, offset, bytes);
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError> {
        self.store().settle(id, settled, false);
        Ok(Stored::default())
    }

    fn discard(&mut self, id: ContentId) {
        self.store().discard(id);
    }

    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        _: &Decoded,
    ) -> Result<Stored, StoreError> {
        self.store().settle(id, settled, true);
        Ok(Stored::default())
    }
}

impl Beginning {
    /// Returns the bytes as lines: as text if they are, else in hexadecimal.
    pub(super) fn lines(&self, width: usize) -> Vec<Line> {
        let mut lines = match self.text() {
            Some(text) => text_lines(text, width),
            None => hex_lines(&self.bytes, width),
        };
        if self.goes_on {
            let end = format!(
                "… the file goes on behind its first {}",
                units::bytes(units::to_u64(self.bytes.len()))
            );
            lines.push(Line::of(DIM, &end));
        }
        lines
    }

    /// Returns the bytes as text; `None` if they are none.
    fn text(&self) -> Option<&str> {
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            // The limit may divide the last character.
            Err(error) if error.error_len().is_none() && self.goes_on => {
                std::str::from_utf8(self.bytes.get(..error.valid_up_to())?).ok()?
            }
            Err(_) => return None,
        };
        let is_text = |one: char| !one.is_control() || "\t\r\n\u{c}".contains(one);
        text.chars().all(is_text).then_some(text)
    }
}

fn text_lines(text: &str, width: usize) -> Vec<Line> {
    let lines = text.lines().flat_map(|line| {
        // Tabs would be escaped; the columns they make are what a reader expects.
        let mut spread = String::new();
        for character in line.chars() {
            if character == '\t' {
                let column = spread.chars().count();
                spread.extend(std::iter::repeat_n(' ', 8 - column % 8));
            } else {
                spread.push(character);
            }
        }
        wrapped(&spread, width)
    });
    lines.map(|line| Line::of(PLAIN, &line)).collect()
}

/// Returns a hex dump: offset, bytes, and the printable ones of them as characters.
fn hex_lines(bytes: &[u8], width: usize) -> Vec<Line> {
    // Offset and its space, then 3 columns a byte, a space, and 1 column a byte.
    let per_line = if width > 10 + 16 * 4 { 16 } else { 8 };
    let lines = bytes.chunks(per_line).enumerate().map(|(index, chunk)| {
        let mut line = Line::of(DIM, &format!("{:08x}  ", index * per_line));
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        line.cell(PLAIN, &hex.join(" "), per_line * 3);
        let shown = chunk.iter().map(|&byte| {
            let is_shown = byte.is_ascii_graphic() || byte == b' ';
            if is_shown { char::from(byte) } else { '.' }
        });
        line.plain(&shown.collect::<String>());
        line
    });
    lines.collect()
}

/// Bytes of a file that are kept.
const MAX_BEGINNING: usize = 16 << 10;
/// Bytes of files that are not finished, over all of them.
const MAX_OPEN: usize = 16 << 20;
/// Bytes of finished files, over all of them.
const MAX_KEPT: u64 = 512 << 20;
/// Bytes in memory before the temporary file is used.
const IN_MEMORY: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], width: usize) -> Vec<String> {
        let beginning = Beginning {
            bytes: bytes.to_vec(),
            goes_on: false,
        };
        beginning.lines(width).iter().map(Line::text).collect()
    }

    #[test]
    fn text_is_shown_as_text_and_all_else_in_hexadecimal() {
        assert_eq!(shown(b"a\tb\r\nc", 40), ["a       b", "c"]);
        assert_eq!(
            shown(b"\x00\x1b[2Jabc", 60),
            ["00000000  00 1b 5b 32 4a 61 62 63  ..[2Jabc"]
        );
    }
}
