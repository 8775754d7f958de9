//! Previews of transferred files: the beginning of texts, and small pictures.
//!
//! They are taken from the bytes of transfers as these pass, and kept until the session is drawn. Beyond a memory limit
//! those of the oldest sessions are evicted: their sessions are not on the page, or take very long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::model::record::{Completeness, Decoded};
use crate::model::wire_text::printable;
use crate::model::{ContentId, Settled, StoreError, Stored, TransferSink};

/// Previews of the files of a run. Clones share their content: the sink adds previews, and the page takes them.
#[derive(Clone, Debug, Default)]
pub struct Previews(Arc<Mutex<Store>>);

/// A [`TransferSink`] that takes previews and passes all bytes on.
pub struct PreviewSink<'p> {
    previews: &'p Previews,
    inner: &'p mut dyn TransferSink,
}

/// Previews and beginnings of files. The fields with `bytes` count memory in bytes.
#[derive(Debug, Default)]
struct Store {
    /// Beginnings of files whose transfer is not finished.
    open: BTreeMap<ContentId, Beginning>,
    /// Bytes of all open beginnings.
    open_bytes: usize,
    /// Unfinished files without a preview, for want of memory.
    skipped: BTreeSet<ContentId>,
    /// Finished previews by session and transfer.
    kept: BTreeMap<(u64, u64), Preview>,
    /// Bytes of all finished previews.
    kept_bytes: usize,
    /// Counts of omitted previews by session.
    omitted: BTreeMap<u64, u64>,
    /// Bytes of the previews on the page.
    shown_bytes: usize,
}

/// First bytes of a file.
#[derive(Debug)]
struct Beginning {
    bytes: Vec<u8>,
    /// Whether the file has more bytes, or bytes are missing after these.
    truncated: bool,
}

/// Preview of one file.
#[derive(Debug)]
enum Preview {
    /// Printable text; `more` if the file goes on.
    Text { text: String, more: bool },
    /// Whole picture as a data URL.
    Picture(String),
}

impl Previews {
    /// Returns a sink that takes previews of all bytes before it passes them to `inner`.
    pub fn sink<'p>(&'p self, inner: &'p mut dyn TransferSink) -> PreviewSink<'p> {
        PreviewSink {
            previews: self,
            inner,
        }
    }

    /// Takes the preview of a transfer out; `None` if there is none, or the page has too many.
    pub(super) fn take(&self, session: u64, transfer: u64) -> Option<Value> {
        self.store().take(session, transfer)
    }

    /// Takes the count of a session's omitted previews out, after [`Self::take`] for all of its transfers.
    pub(super) fn take_omitted(&self, session: u64) -> u64 {
        self.store().omitted.remove(&session).unwrap_or_default()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while the lock was held leaves at worst a preview too few.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn take(&mut self, session: u64, transfer: u64) -> Option<Value> {
        let preview = self.kept.remove(&(session, transfer))?;
        self.kept_bytes = self.kept_bytes.saturating_sub(preview.len());
        let shown_bytes = self.shown_bytes.saturating_add(preview.len());
        if shown_bytes > MAX_SHOWN {
            self.count_omitted(session);
            return None;
        }
        self.shown_bytes = shown_bytes;
        Some(match preview {
            Preview::Text { text, more } => json!({"text": text, "more": more}),
            Preview::Picture(picture) => json!({"picture": picture}),
        })
    }

    fn count_omitted(&mut self, session: u64) {
        let omitted = self.omitted.entry(session).or_default();
        *omitted = omitted.saturating_add(1);
        if self.omitted.len() > MAX_COUNTED {
            self.omitted.pop_first();
        }
    }

    /// Adds bytes of a file to its beginning, as far as they belong there.
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        if self.open_bytes >= MAX_OPEN && !self.open.contains_key(&id) {
            if self.skipped.len() < MAX_COUNTED {
                self.skipped.insert(id);
            }
            return;
        }
        // Once skipped, a file stays so: its beginning is gone.
        if self.skipped.contains(&id) {
            return;
        }
        let beginning = self.open.entry(id).or_insert(Beginning {
            bytes: Vec::new(),
            truncated: false,
        });
        if beginning.truncated {
            return;
        }
        let length = beginning.bytes.len();
        // A gap: bytes after it do not continue the beginning.
        if u64::try_from(length) != Ok(offset) {
            beginning.truncated = true;
            return;
        }
        let is_picture = is_picture_start(if length == 0 { bytes } else { &beginning.bytes });
        let limit = if is_picture { MAX_PICTURE } else { MAX_TEXT };
        let free = limit.saturating_sub(length);
        let (kept, rest) = bytes.split_at(free.min(bytes.len()));
        beginning.bytes.extend_from_slice(kept);
        beginning.truncated = !rest.is_empty();
        self.open_bytes += kept.len();
    }

    /// Turns the beginning of a finished file into its preview.
    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) {
        let skipped = self.skipped.remove(&id);
        let beginning = self.discard(id);
        let (Some(session), Some(transfer)) = (settled.session, settled.transfer) else {
            return;
        };
        if skipped {
            self.count_omitted(session);
        }
        let Some(beginning) = beginning else {
            return;
        };
        // The gap is at the start: there is nothing to show.
        if settled.completeness == Completeness::Gaps && beginning.bytes.is_empty() {
            return;
        }
        let key = (session, transfer);
        if let Some(preview) = Preview::new(&beginning)
            // Content that is sent encoded settles twice: the first preview counts.
            && !self.kept.contains_key(&key)
        {
            self.keep(key, preview);
        }
    }

    /// Keeps a preview, and evicts those of the oldest sessions beyond the limit.
    fn keep(&mut self, key: (u64, u64), preview: Preview) {
        self.kept_bytes = self.kept_bytes.saturating_add(preview.len());
        self.kept.insert(key, preview);
        while self.kept_bytes > MAX_KEPT
            && let Some(((session, _), preview)) = self.kept.pop_first()
        {
            self.kept_bytes = self.kept_bytes.saturating_sub(preview.len());
            self.count_omitted(session);
        }
    }

    /// Takes the beginning of a file out; `None` if it has none.
    fn discard(&mut self, id: ContentId) -> Option<Beginning> {
        self.skipped.remove(&id);
        let beginning = self.open.remove(&id)?;
        self.open_bytes = self.open_bytes.saturating_sub(beginning.bytes.len());
        Some(beginning)
    }
}

impl Preview {
    /// Creates the preview of a beginning; `None` for binary files and for large or truncated pictures.
    fn new(beginning: &Beginning) -> Option<Self> {
        let bytes = &beginning.bytes;
        if is_picture_start(bytes) {
            let picture = Picture::parse(bytes)?;
            // A small file can unpack to a picture that exhausts the browser's memory.
            let is_small = picture.width.max(picture.height) <= MAX_SIDE;
            return (is_small && !beginning.truncated).then(|| {
                let data = STANDARD.encode(bytes);
                Self::Picture(format!("data:{};base64,{data}", picture.media_type))
            });
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            // The limit may divide the last character.
            Err(error) if error.error_len().is_none() && beginning.truncated => {
                std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
            }
            Err(_) => return None,
        };
        // Form feeds separate pages in RFCs and other texts for printers.
        let is_text =
            |character: char| !character.is_control() || "\t\r\n\u{c}".contains(character);
        if text.is_empty() || !text.chars().all(is_text) {
            return None;
        }
        let lines: Vec<String> = text
            .split('\n')
            .map(|line| {
                let line = line.strip_suffix('\r').unwrap_or(line);
                // `printable` would escape tabs, which the page shows as they are.
                let cells: Vec<_> = line.split('\t').map(printable).collect();
                cells.join("\t")
            })
            .collect();
        Some(Self::Text {
            text: lines.join("\n"),
            more: beginning.truncated,
        })
    }

    /// Returns the size on the page in bytes.
    fn len(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.len(),
            Self::Picture(picture) => picture.len(),
        }
    }
}

impl TransferSink for PreviewSink<'_> {
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        self.previews.store().write(id, offset, bytes);
        self.inner.write(id, offset, bytes);
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError> {
        self.previews.store().settle(id, settled);
        self.inner.settle(id, settled)
    }

    fn discard(&mut self, id: ContentId) {
        self.previews.store().discard(id);
        self.inner.discard(id);
    }

    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: &Decoded,
    ) -> Result<Stored, StoreError> {
        self.previews.store().settle(id, settled);
        self.inner.settle_decoded(id, settled, decoded)
    }

    fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        self.inner.revise(session, transfer, completeness);
    }
}

/// Format and size of a picture, from its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Picture {
    media_type: &'static str,
    /// Width in pixels.
    width: u32,
    /// Height in pixels.
    height: u32,
}

/// Returns whether a file starts like a picture in one of the formats shown: PNG, JPEG, GIF or WebP.
fn is_picture_start(bytes: &[u8]) -> bool {
    bytes.starts_with(PNG)
        || bytes.starts_with(b"\xff\xd8\xff")
        || bytes.starts_with(b"GIF87a")
        || bytes.starts_with(b"GIF89a")
        || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"))
}

impl Picture {
    /// Parses the header of a picture; `None` if the format is another, or the header truncated or invalid.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (media_type, (width, height)) = if bytes.starts_with(PNG) {
            ("image/png", png_size(bytes)?)
        } else if bytes.starts_with(b"\xff\xd8\xff") {
            ("image/jpeg", jpeg_size(bytes)?)
        } else if bytes.starts_with(b"GIF8") {
            ("image/gif", (little16(bytes, 6)?, little16(bytes, 8)?))
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12)? == b"WEBP" {
            ("image/webp", webp_size(bytes)?)
        } else {
            return None;
        };
        Some(Self {
            media_type,
            width,
            height,
        })
    }
}

/// Parses width and height of a PNG, whose first chunk is IHDR, in network byte order; `None` if truncated.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let side = |at| {
        let side = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(side))
    };
    (bytes.get(12..16)? == b"IHDR").then_some((side(16)?, side(20)?))
}

/// Parses width and height of a JPEG: its frame header (SOF) follows any number of segments, each with its length.
///
/// Returns `None` if the header is truncated, invalid, or too far back.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let big16 = |at: usize| {
        let pair = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(u16::from_be_bytes(pair))
    };
    let mut at: usize = 2;
    for _ in 0..MAX_JPEG_SEGMENTS {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        let marker = *bytes.get(at.checked_add(1)?)?;
        match marker {
            // Markers may be padded with any number of 0xff.
            0xff => at = at.checked_add(1)?,
            // SOF0 to SOF15, without the tables DHT (c4), JPG (c8) and DAC (cc) between them.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let (height, width) = (big16(at.checked_add(5)?)?, big16(at.checked_add(7)?)?);
                return Some((width.into(), height.into()));
            }
            _ => {
                // The length includes its own two bytes, but not the marker.
                let length = big16(at.checked_add(2)?)?;
                at = at.checked_add(2)?.checked_add(length.into())?;
            }
        }
    }
    None
}

/// Parses width and height of a WebP, in little-endian byte order: lossy, lossless or extended.
///
/// Returns `None` for other chunks.
fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let little24 = |at: usize| match bytes.get(at..at + 3)? {
        &[a, b, c] => Some(u32::from_le_bytes([a, b, c, 0])),
        _ => None,
    };
    match bytes.get(12..16)? {
        b"VP8 " if bytes.get(23..26)? == [0x9d, 0x01, 0x2a] => {
            Some((little16(bytes, 26)? & 0x3fff, little16(bytes, 28)? & 0x3fff))
        }
        b"VP8L" if *bytes.get(20)? == 0x2f => {
            let bits = u32::from_le_bytes(bytes.get(21..25)?.try_into().ok()?);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some((little24(24)? + 1, little24(27)? + 1)),
        _ => None,
    }
}

/// Returns the little-endian 16-bit number at an offset; `None` beyond the end.
fn little16(bytes: &[u8], at: usize) -> Option<u32> {
    let pair = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_le_bytes(pair).into())
}

/// Signature of PNG files.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Limit of the segments searched for the frame header.
const MAX_JPEG_SEGMENTS: usize = 1_000;

/// Limit of the bytes of a text.
const MAX_TEXT: usize = 4 << 10;
/// Limit of the bytes of a picture.
const MAX_PICTURE: usize = 256 << 10;
/// Limit of width and height of a picture in pixels.
const MAX_SIDE: u32 = 4_096;
/// Limit of the bytes of unfinished files.
const MAX_OPEN: usize = 16 << 20;
/// Limit of the bytes of previews whose sessions are not drawn yet.
const MAX_KEPT: usize = 16 << 20;
/// Limit of the bytes of all previews on a page.
const MAX_SHOWN: usize = 8 << 20;
/// Limit of the skipped files kept, and of the sessions with counts of omitted previews.
const MAX_COUNTED: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(parts: &[(u64, &[u8])]) -> Option<Preview> {
        let mut previews = Store::default();
        let id = ContentId(1);
        for (offset, bytes) in parts {
            previews.write(id, *offset, bytes);
        }
        previews
            .discard(id)
            .and_then(|beginning| Preview::new(&beginning))
    }

    #[test]
    fn text_is_shown_with_its_lines_and_without_control_characters() {
        let Some(Preview::Text { text, more }) =
            preview(&[(0, b"one\r\n"), (5, "tw\u{202e}o\tthree".as_bytes())])
        else {
            panic!("a text");
        };
        assert_eq!((text.as_str(), more), ("one\ntw\\u{202e}o\tthree", false));
        assert!(preview(&[(0, b"\x1b[2J")]).is_none());
        assert!(preview(&[(0, b"MZ\x90\0")]).is_none());
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = format!("{}ü and more", "x".repeat(MAX_TEXT - 1));
        let Some(Preview::Text { text, more }) = preview(&[(0, long.as_bytes())]) else {
            panic!("a text");
        };
        assert_eq!((text.len(), more), (MAX_TEXT - 1, true));
    }

    #[test]
    fn only_small_and_complete_pictures_are_shown() {
        let png = |width: u32| {
            let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
            bytes.extend(width.to_be_bytes());
            bytes.extend(16_u32.to_be_bytes());
            bytes
        };
        assert!(matches!(
            preview(&[(0, &png(16))]),
            Some(Preview::Picture(_))
        ));
        assert!(preview(&[(0, &png(5_000))]).is_none());
        let mut large = png(16);
        large.resize(MAX_PICTURE + 1, 0);
        assert!(preview(&[(0, &large)]).is_none());
        assert!(preview(&[(0, &png(16)), (90, b"after a hole")]).is_none());
    }

    #[test]
    fn open_beginnings_stay_within_their_limit_and_are_freed() {
        let mut previews = Store::default();
        for number in 0..20_000 {
            previews.write(ContentId(number), 0, &[b'x'; MAX_TEXT]);
        }
        assert!(previews.open_bytes <= MAX_OPEN + MAX_TEXT);
        for number in 0..20_000 {
            previews.discard(ContentId(number));
        }
        assert_eq!(previews.open_bytes, 0);
    }

    #[test]
    fn omitted_previews_are_counted_by_session() {
        let mut store = Store::default();
        let text = || Preview::Text {
            text: "x".repeat(MAX_TEXT),
            more: false,
        };
        let fit = u64::try_from(MAX_KEPT / MAX_TEXT).expect("small");
        for session in 1..=fit + 1 {
            store.keep((session, 1), text());
        }
        assert!(store.kept_bytes <= MAX_KEPT);
        assert_eq!(store.take(1, 1), None);
        assert_eq!(store.omitted.get(&1), Some(&1));
        let taken = (2..=fit + 1).filter_map(|session| store.take(session, 1));
        assert_eq!(taken.count(), MAX_SHOWN / MAX_TEXT);
        assert_eq!(store.omitted.get(&2), None);
        assert_eq!(store.omitted.get(&(fit + 1)), Some(&1));
        assert_eq!(store.kept_bytes, 0);
    }

    #[test]
    fn size_is_parsed_in_all_four_formats() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\0\0\0\x02\0";
        let sides = |bytes: &[u8]| {
            let picture = Picture::parse(bytes).expect("a picture");
            (picture.media_type, picture.width, picture.height)
        };
        assert_eq!(sides(png), ("image/png", 256, 512));
        assert_eq!(sides(b"GIF89a\x10\0\x20\0"), ("image/gif", 16, 32));
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\x00\x30\x00\x40";
        assert_eq!(sides(jpeg), ("image/jpeg", 64, 48));
        let extended = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x0f\0\0\x1f\0\0";
        assert_eq!(sides(extended), ("image/webp", 16, 32));
    }

    #[test]
    fn truncated_and_invalid_headers_are_no_pictures() {
        for bytes in [
            &b""[..],
            b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0",
            b"\xff\xd8\xff\xe0\xff\xff",
            b"\xff\xd8\xff\xe0\0\0\xff\xe0\0\0",
            b"RIFF\0\0\0\0WEBPVP8L",
            b"<svg onload=alert(1)>",
        ] {
            assert_eq!(Picture::parse(bytes), None);
        }
    }
}
