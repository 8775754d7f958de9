//! File type of a content, recognized from its first bytes.
//!
//! The first bytes are kept until there are enough; each content is bounded, and all contents together are. Then only
//! the conclusion is kept: ten thousand open connections would otherwise hold tens of megabytes of first bytes.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use file_format::FileFormat;

use crate::protocol::tls::record::looks_like_record;

/// Memory that the first bytes of all contents hold, in bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstBytesBudget(Rc<Cell<usize>>);

/// Recognition of the type of one content.
#[derive(Debug, Default)]
pub(super) struct FileType {
    /// First bytes, until there are enough.
    head: FirstBytes,
    /// Conclusion from the first bytes so far, and how many there were; `None` before it was asked for.
    preliminary: Cell<Option<(usize, Conclusion)>>,
    /// Conclusion from enough bytes; `None` before there are enough.
    conclusion: Option<Conclusion>,
}

/// First bytes of one content, which count against the budget of all.
#[derive(Debug, Default)]
struct FirstBytes {
    bytes: Vec<u8>,
    budget: FirstBytesBudget,
}

/// Conclusion from first bytes.
#[derive(Clone, Copy, Debug)]
struct Conclusion {
    is_tls_record: bool,
    is_text: bool,
    format: FileFormat,
    /// Format of bytes that are no text, if it is one that would be damaged by TYPE A; `None` for text or unknown
    /// bytes.
    binary: Option<FileFormat>,
}

impl FileType {
    /// Creates a recognition whose first bytes count against `budget`.
    pub(super) fn new(budget: &FirstBytesBudget) -> Self {
        Self {
            head: FirstBytes::new(budget),
            ..Self::default()
        }
    }

    /// Adds bytes in stream order.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.conclusion.is_some() {
            return;
        }
        let wanted = HEAD_BYTES - self.head.len();
        if bytes.len() < wanted && self.head.keep(bytes, HEAD_BYTES) {
            return;
        }
        let last = &bytes[..bytes.len().min(wanted)];
        let mut head = self.head.take();
        self.conclusion = Some(if head.is_empty() {
            Conclusion::from(last)
        } else {
            head.extend_from_slice(last);
            Conclusion::from(&head)
        });
    }

    /// Returns whether more bytes would not change the type.
    pub(super) const fn is_final(&self) -> bool {
        self.conclusion.is_some()
    }

    /// Returns whether the first bytes look like a TLS record.
    pub(super) fn is_tls_record(&self) -> bool {
        match &self.conclusion {
            Some(conclusion) => conclusion.is_tls_record,
            None => looks_like_record(&self.head),
        }
    }

    /// Returns the media type; `None` before the first byte.
    pub(super) fn media_type(&self) -> Option<String> {
        Some(self.conclude()?.media_type().to_owned())
    }

    /// Returns the media type of bytes that are no text; `None` for text or an unknown format.
    pub(super) fn binary_media_type(&self) -> Option<String> {
        let format = self.conclude()?.binary?;
        Some(format.media_type().to_owned())
    }

    /// Returns the conclusion from the bytes so far; `None` before the first byte.
    fn conclude(&self) -> Option<Conclusion> {
        if self.conclusion.is_some() || self.head.is_empty() {
            return self.conclusion;
        }
        let known = self.preliminary.get();
        let known = known.filter(|(length, _)| *length == self.head.len());
        let conclusion = known.map_or_else(|| Conclusion::from(&self.head), |(_, known)| known);
        // The report asks several times for the type of a short file, and trying all formats takes long.
        self.preliminary.set(Some((self.head.len(), conclusion)));
        Some(conclusion)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.head.len()
    }
}

impl FirstBytes {
    fn new(budget: &FirstBytesBudget) -> Self {
        Self {
            bytes: Vec::new(),
            budget: budget.clone(),
        }
    }

    /// Keeps more bytes, up to `limit` of this content. Returns false, and keeps none, if the budget of all is
    /// exhausted.
    fn keep(&mut self, more: &[u8], limit: usize) -> bool {
        let (kept, capacity) = (self.bytes.len(), self.bytes.capacity());
        if capacity - kept < more.len() {
            let wanted = (kept + more.len()).next_power_of_two().min(limit);
            // The budget counts capacity, which is what the memory really takes.
            let held = self.budget.0.get() + wanted - capacity;
            // Most signatures stand in the first bytes, so that a few of each content are worth exceeding the budget.
            if held > MAX_HELD && wanted > ALWAYS_HELD {
                return false;
            }
            self.bytes.reserve_exact(wanted - kept);
            self.budget.0.set(held);
        }
        self.bytes.extend_from_slice(more);
        true
    }

    /// Returns the bytes and releases their share of the budget.
    fn take(&mut self) -> Vec<u8> {
        let held = self.budget.0.get();
        self.budget
            .0
            .set(held.saturating_sub(self.bytes.capacity()));
        std::mem::take(&mut self.bytes)
    }
}

impl Deref for FirstBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for FirstBytes {
    fn drop(&mut self) {
        self.take();
    }
}

impl Conclusion {
    fn from(head: &[u8]) -> Self {
        let is_text = is_text(head);
        // Every other transfer is a listing, and trying all formats takes long.
        let format = if is_text && begins_long_listing(head) {
            FileFormat::PlainText
        } else {
            FileFormat::from_bytes(head)
        };
        let binary = if is_text {
            None
        } else {
            binary_format(head, format)
        };
        Self {
            is_tls_record: looks_like_record(head),
            is_text,
            format,
            binary,
        }
    }

    fn media_type(&self) -> &str {
        match &self.format {
            FileFormat::ArbitraryBinaryData | FileFormat::PlainText | FileFormat::Empty => {
                if self.is_text {
                    "text/plain"
                } else {
                    "application/octet-stream"
                }
            }
            format => format.media_type(),
        }
    }
}

/// Returns the format of bytes that are no text; `None` if it is unknown.
///
/// TYPE A may have changed line ends within them already, as within the signature by which a PNG image shows just that.
fn binary_format(head: &[u8], format: FileFormat) -> Option<FileFormat> {
    if head.starts_with(b"\x89PNG") {
        return Some(FileFormat::PortableNetworkGraphics);
    }
    let is_known = |format: &FileFormat| *format != FileFormat::ArbitraryBinaryData;
    if is_known(&format) {
        return Some(format);
    }
    memchr::memmem::find(head, b"\r\n")?;
    let mut restored = Vec::with_capacity(head.len());
    for (at, byte) in head.iter().enumerate() {
        if !(*byte == b'\r' && head.get(at + 1) == Some(&b'\n')) {
            restored.push(*byte);
        }
    }
    Some(FileFormat::from_bytes(&restored)).filter(is_known)
}

/// Returns whether bytes begin like a line of `ls -l`: kind, nine permission letters, and a space or a mark.
fn begins_long_listing(bytes: &[u8]) -> bool {
    let Some(([kind, permissions @ ..], rest)) = bytes.split_first_chunk::<10>() else {
        return false;
    };
    b"-dlbcps".contains(kind)
        && permissions.iter().all(|bit| b"-rwxsStT".contains(bit))
        && matches!(rest, [b' ' | b'+' | b'.' | b'@', ..])
}

fn is_text(bytes: &[u8]) -> bool {
    // Texts contain tabs, line ends, form feeds, and ESC (27) for terminal colors.
    let control = |byte: &u8| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127);
    if bytes.iter().any(control) {
        return false;
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // The end of the first bytes may cut a character. Latin-1 is text as well, with few bytes that are no ASCII.
        Err(error) => {
            error.error_len().is_none()
                || bytes.iter().filter(|byte| !byte.is_ascii()).count() * 10 < bytes.len() * 3
        }
    }
}

/// First bytes that decide the type.
const HEAD_BYTES: usize = 4096;

/// Bound in bytes on the first bytes of all contents: enough for 1,000 files that begin at the same time.
const MAX_HELD: usize = 4 << 20;

/// First bytes kept of each content even beyond [`MAX_HELD`].
const ALWAYS_HELD: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_first_bytes_make_space_within_the_budget_of_all() {
        let budget = FirstBytesBudget::default();
        let mut many: Vec<_> = (0..3000).map(|_| FirstBytes::new(&budget)).collect();
        let whole = many
            .iter_mut()
            .filter_map(|one| one.keep(&[7; 3000], HEAD_BYTES).then_some(()));
        assert_eq!(whole.count(), MAX_HELD / HEAD_BYTES);
        let last = many.last_mut().expect("many");
        assert!(last.keep(&[7; 500], HEAD_BYTES));
        assert!(!last.keep(&[7; 500], HEAD_BYTES));
        assert_eq!(last.len(), 500);
        many.drain(..2);
        let last = many.last_mut().expect("many");
        assert!(last.keep(&[7; 500], HEAD_BYTES));
        assert_eq!(last.len(), 1000);
        drop(many);
        assert_eq!(budget.0.get(), 0);
    }
}
