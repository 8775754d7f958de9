//! The beginnings of text files and small pictures, for the page, taken from the bytes as they pass.
//!
//! The bytes pass before the session is drawn that they belong to. Until then they are kept, up to a bound: then those of
//! the sessions that began first go, which were not chosen for the page, or take very long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::picture::{begins_picture, picture};
use crate::model::record::{Completeness, Decoded};
use crate::model::wire_text::printable;
use crate::model::{ContentId, Settled, StoreError, Stored, TransferSink};

/// What can be shown of the files of a run. All clones are one: the sink fills it, and the page takes from it.
#[derive(Clone, Debug, Default)]
pub struct Previews(Arc<Mutex<Store>>);

/// Takes bytes for [`Previews`] and hands them on.
pub struct PreviewSink<'p> {
    previews: &'p Previews,
    inner: &'p mut dyn TransferSink,
}

#[derive(Debug, Default)]
struct Store {
    /// Beginnings of files that are still on their way.
    open: BTreeMap<ContentId, Beginning>,
    /// Bytes in them.
    open_bytes: usize,
    /// Files whose beginnings there was no room for.
    passed_over: BTreeSet<ContentId>,
    /// By session and transfer.
    kept: BTreeMap<(u64, u64), Preview>,
    /// Bytes in them.
    kept_bytes: usize,
    /// How many a session had that could not be kept.
    missed: BTreeMap<u64, u64>,
    /// Bytes of those that the page has.
    shown: usize,
}

#[derive(Debug)]
struct Beginning {
    bytes: Vec<u8>,
    /// Bytes are missing, or there are more than are kept.
    cut: bool,
}

/// What a page shows of one file.
#[derive(Debug)]
enum Preview {
    Text { text: String, more: bool },
    Picture(String),
}

impl Previews {
    /// A sink that looks at all bytes before `inner` has them.
    pub fn sink<'p>(&'p self, inner: &'p mut dyn TransferSink) -> PreviewSink<'p> {
        PreviewSink {
            previews: self,
            inner,
        }
    }

    /// What the page has of a transfer, as long as there is room. To be asked once for each.
    pub(super) fn take(&self, session: u64, transfer: u64) -> Option<Value> {
        self.store().take(session, transfer)
    }

    /// How many of a session the page does not have because there was no room for them. To be asked once, after all of
    /// its transfers.
    pub(super) fn missed(&self, session: u64) -> u64 {
        self.store().missed.remove(&session).unwrap_or_default()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn take(&mut self, session: u64, transfer: u64) -> Option<Value> {
        let preview = self.kept.remove(&(session, transfer))?;
        self.kept_bytes = self.kept_bytes.saturating_sub(preview.len());
        let shown = self.shown.saturating_add(preview.len());
        if shown > ON_A_PAGE {
            self.miss(session);
            return None;
        }
        self.shown = shown;
        Some(match preview {
            Preview::Text { text, more } => json!({"text": text, "more": more}),
            Preview::Picture(picture) => json!({"picture": picture}),
        })
    }

    fn miss(&mut self, session: u64) {
        let missed = self.missed.entry(session).or_default();
        *missed = missed.saturating_add(1);
        if self.missed.len() > COUNTED {
            self.missed.pop_first();
        }
    }

    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        if self.open_bytes >= OPEN && !self.open.contains_key(&id) {
            if self.passed_over.len() < COUNTED {
                self.passed_over.insert(id);
            }
            return;
        }
        if self.passed_over.contains(&id) {
            return;
        }
        let beginning = self.open.entry(id).or_insert(Beginning {
            bytes: Vec::new(),
            cut: false,
        });
        if beginning.cut {
            return;
        }
        let length = beginning.bytes.len();
        if u64::try_from(length) != Ok(offset) {
            beginning.cut = true;
            return;
        }
        let is_picture = begins_picture(if length == 0 { bytes } else { &beginning.bytes });
        let most = if is_picture { PICTURE } else { TEXT };
        let room = most.saturating_sub(length);
        let (kept, left) = bytes.split_at(room.min(bytes.len()));
        beginning.bytes.extend_from_slice(kept);
        beginning.cut = !left.is_empty();
        self.open_bytes += kept.len();
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) {
        let passed_over = self.passed_over.remove(&id);
        let beginning = self.discard(id);
        let (Some(session), Some(transfer)) = (settled.session, settled.transfer) else {
            return;
        };
        if passed_over {
            self.miss(session);
        }
        let Some(beginning) = beginning else {
            return;
        };
        if settled.completeness == Completeness::Gaps && beginning.bytes.is_empty() {
            return;
        }
        let key = (session, transfer);
        if let Some(preview) = Preview::of(&beginning)
            && !self.kept.contains_key(&key)
        {
            self.keep(key, preview);
        }
    }

    fn keep(&mut self, key: (u64, u64), preview: Preview) {
        self.kept_bytes = self.kept_bytes.saturating_add(preview.len());
        self.kept.insert(key, preview);
        while self.kept_bytes > KEPT
            && let Some(((session, _), preview)) = self.kept.pop_first()
        {
            self.kept_bytes = self.kept_bytes.saturating_sub(preview.len());
            self.miss(session);
        }
    }

    fn discard(&mut self, id: ContentId) -> Option<Beginning> {
        self.passed_over.remove(&id);
        let beginning = self.open.remove(&id)?;
        self.open_bytes = self.open_bytes.saturating_sub(beginning.bytes.len());
        Some(beginning)
    }
}

impl Preview {
    fn of(beginning: &Beginning) -> Option<Self> {
        let bytes = &beginning.bytes;
        if begins_picture(bytes) {
            let picture = picture(bytes)?;
            let small = picture.width.max(picture.height) <= SIDE;
            return (small && !beginning.cut).then(|| {
                let data = STANDARD.encode(bytes);
                Self::Picture(format!("data:{};base64,{data}", picture.media_type))
            });
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            // The last character may be cut in two.
            Err(error) if error.error_len().is_none() && beginning.cut => {
                std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
            }
            Err(_) => return None,
        };
        let is_text =
            |character: char| !character.is_control() || "\t\r\n\u{c}".contains(character);
        if text.is_empty() || !text.chars().all(is_text) {
            return None;
        }
        let lines: Vec<String> = text
            .split('\n')
            .map(|line| {
                let line = line.strip_suffix('\r').unwrap_or(line);
                let cells: Vec<_> = line.split('\t').map(printable).collect();
                cells.join("\t")
            })
            .collect();
        Some(Self::Text {
            text: lines.join("\n"),
            more: beginning.cut,
        })
    }

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

/// Bytes of a text.
const TEXT: usize = 4 << 10;
/// Bytes of a picture.
const PICTURE: usize = 256 << 10;
/// Pixels of its sides.
const SIDE: u32 = 4_096;
/// Bytes of files that are on their way.
const OPEN: usize = 16 << 20;
/// Bytes of previews whose sessions are not drawn yet.
const KEPT: usize = 16 << 20;
/// Bytes of all previews on a page.
const ON_A_PAGE: usize = 8 << 20;
/// Files and sessions that are remembered to have no preview for want of room.
const COUNTED: usize = 100_000;

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
            .and_then(|beginning| Preview::of(&beginning))
    }

    #[test]
    fn a_text_is_shown_with_its_lines_and_without_its_controls() {
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
    fn a_long_text_is_cut_between_characters() {
        let long = format!("{}ü and more", "x".repeat(TEXT - 1));
        let Some(Preview::Text { text, more }) = preview(&[(0, long.as_bytes())]) else {
            panic!("a text");
        };
        assert_eq!((text.len(), more), (TEXT - 1, true));
    }

    #[test]
    fn pictures_are_shown_whole_and_small_or_not_at_all() {
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
        large.resize(PICTURE + 1, 0);
        assert!(preview(&[(0, &large)]).is_none());
        assert!(preview(&[(0, &png(16)), (90, b"after a hole")]).is_none());
    }

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let mut previews = Store::default();
        for number in 0..20_000 {
            previews.write(ContentId(number), 0, &[b'x'; TEXT]);
        }
        assert!(previews.open_bytes <= OPEN + TEXT);
        for number in 0..20_000 {
            previews.discard(ContentId(number));
        }
        assert_eq!(previews.open_bytes, 0);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_by_session() {
        let mut store = Store::default();
        let text = || Preview::Text {
            text: "x".repeat(TEXT),
            more: false,
        };
        let fit = u64::try_from(KEPT / TEXT).expect("small");
        for session in 1..=fit + 1 {
            store.keep((session, 1), text());
        }
        assert!(store.kept_bytes <= KEPT);
        assert_eq!(store.take(1, 1), None);
        assert_eq!(store.missed.get(&1), Some(&1));
        let taken = (2..=fit + 1).filter_map(|session| store.take(session, 1));
        assert_eq!(taken.count(), ON_A_PAGE / TEXT);
        assert_eq!(store.missed.get(&2), None);
        assert_eq!(store.missed.get(&(fit + 1)), Some(&1));
        assert_eq!(store.kept_bytes, 0);
    }
}
