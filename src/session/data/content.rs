//! The bytes of one direction of a data connection: digests, first bytes, listing text. Always on, bounded, streaming.

use std::cell::Cell;

use file_format::FileFormat;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::model::{ContentId, hex};
use crate::protocol::tls::record::looks_like_record;
use crate::session::data::first_bytes::{AllFirstBytes, FirstBytes};
use crate::session::data::line_ends::LineEnds;
use crate::session::data::listing_text::{ListingText, ListingTexts};

/// What is kept of the bytes while they pass.
pub(crate) struct Content {
    pub(crate) id: ContentId,
    sha256: Sha256,
    /// Where any are wanted.
    others: Option<Box<OtherDigests>>,
    /// Payload bytes, each once.
    pub(crate) bytes: u64,
    /// End of the stream as far as it is known, holes included.
    pub(crate) length: u64,
    /// Holes: from, to.
    pub(crate) gaps: Vec<[u64; 2]>,
    pub(crate) gaps_omitted: u64,
    pub(crate) missing: u64,
    /// The first bytes, until there are enough to tell what they are.
    head: FirstBytes,
    /// What `head` is so far, with how many bytes told it.
    known: Cell<Option<(usize, Kind)>>,
    /// What the first bytes are, once there were enough.
    kind: Option<Kind>,
    /// The text of what may be a listing; `None` once it is known to be none, or longer than its bound.
    text: Option<ListingText>,
    /// Before which bytes of the text others are missing.
    breaks: Vec<usize>,
    /// The listing was longer than its bound.
    pub(crate) text_cut: bool,
    /// Counted where it was asked for, and from the first byte.
    line_ends: Option<Box<LineEnds>>,
    /// Bytes were given to the transfer sink.
    pub(crate) stored: bool,
}

impl Content {
    pub(crate) fn new(id: ContentId, wanted: DigestChoice) -> Self {
        Self {
            id,
            sha256: Sha256::new(),
            others: OtherDigests::new(wanted).map(Box::new),
            bytes: 0,
            length: 0,
            gaps: Vec::new(),
            gaps_omitted: 0,
            missing: 0,
            head: FirstBytes::default(),
            known: Cell::new(None),
            kind: None,
            text: Some(ListingText::default()),
            breaks: Vec::new(),
            text_cut: false,
            line_ends: None,
            stored: false,
        }
    }

    /// Its text counts for all listings that are open, its first bytes for those of all contents.
    pub(crate) fn among(mut self, texts: &ListingTexts, first_bytes: &AllFirstBytes) -> Self {
        self.text = Some(ListingText::among(texts));
        self.head = FirstBytes::among(first_bytes);
        self
    }

    /// Bytes in order; `text_room` is how much text may be kept, 0 for what is no listing.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8], text_room: usize) {
        self.sha256.update(bytes);
        if let Some(others) = &mut self.others {
            others.update(bytes);
        }
        if self.kind.is_none() {
            self.begin(bytes);
        }
        if let Some(text) = &mut self.text {
            if text_room == 0 {
                self.text = None;
            } else if !self.text_cut {
                self.text_cut |= !text.push(bytes, text_room);
            }
        }
        if let Some(line_ends) = &mut self.line_ends {
            line_ends.count(bytes);
        }
        self.bytes += bytes.len() as u64;
        self.length = self.length.max(offset.saturating_add(bytes.len() as u64));
    }

    /// Bytes that will not come.
    pub(crate) fn gap(&mut self, from: u64, length: u64) {
        let to = from.saturating_add(length);
        self.missing = self.missing.saturating_add(length);
        self.length = self.length.max(to);
        if let Some(text) = &self.text
            && self.breaks.last() != Some(&text.len())
            && self.breaks.len() < GAPS
        {
            self.breaks.push(text.len());
        }
        if let Some(last) = self.gaps.last_mut().filter(|last| last[1] == from) {
            last[1] = to;
        } else if self.gaps.len() < GAPS {
            self.gaps.push([from, to]);
        } else {
            self.gaps_omitted += 1;
        }
    }

    /// From now on counts line ends, those of the bytes so far included where these were kept.
    pub(crate) fn count_line_ends(&mut self) {
        let mut line_ends = LineEnds::default();
        match &self.text {
            Some(text) if text.len() as u64 == self.bytes => line_ends.count(text),
            _ if self.bytes == 0 => {}
            _ => return,
        }
        self.line_ends = Some(Box::new(line_ends));
    }

    /// The line ends, where they were counted and no byte is missing.
    pub(crate) fn line_ends(&self) -> Option<&LineEnds> {
        self.line_ends.as_deref().filter(|_| self.missing == 0)
    }

    /// Whether the first bytes are a TLS record.
    pub(crate) fn begins_with_record(&self) -> bool {
        let record = match &self.kind {
            Some(kind) => kind.record,
            None => looks_like_record(&self.head),
        };
        record && self.gaps.first().is_none_or(|gap| gap[0] > 0)
    }

    /// Whether more bytes will not tell more of the type.
    pub(crate) const fn tells_its_type(&self) -> bool {
        self.kind.is_some()
    }

    /// The format of what was sent as text and is none.
    pub(crate) fn binary_format(&self) -> Option<String> {
        let format = self.first_bytes()?.binary?;
        Some(format.media_type().to_owned())
    }

    /// What the first bytes look like; `None` for no bytes and for a stream whose first bytes are missing.
    pub(crate) fn media_type(&self) -> Option<String> {
        Some(self.first_bytes()?.media_type().to_owned())
    }

    /// What the first bytes are, found out once for as many as there are; `None` where there are none.
    fn first_bytes(&self) -> Option<Kind> {
        let begins_later = self.gaps.first().is_some_and(|gap| gap[0] == 0);
        if begins_later || (self.head.is_empty() && self.kind.is_none()) {
            return None;
        }
        if self.kind.is_some() {
            return self.kind;
        }
        let known = self.known.get();
        let known = known.filter(|(length, _)| *length == self.head.len());
        let kind = known.map_or_else(|| Kind::of(&self.head), |(_, kind)| kind);
        self.known.set(Some((self.head.len(), kind)));
        Some(kind)
    }

    /// Takes first bytes. Once there are enough only what they are is kept: ten thousand open connections would else hold
    /// tens of megabytes of them.
    fn begin(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES - self.head.len();
        if bytes.len() < room && self.head.keep(bytes, HEAD_BYTES) {
            return;
        }
        let last = &bytes[..bytes.len().min(room)];
        let mut head = self.head.take();
        self.kind = Some(if head.is_empty() {
            Kind::of(last)
        } else {
            head.extend_from_slice(last);
            Kind::of(&head)
        });
    }

    /// The text of a listing without what is missing, and before which of its bytes that is.
    pub(crate) fn text(&self) -> Option<(&[u8], &[usize])> {
        let text = self.text.as_ref()?;
        Some((text, &self.breaks))
    }

    /// The digests of the bytes so far, in hex.
    pub(crate) fn digests(&self) -> Digests {
        Digests {
            sha256: hex(&self.sha256.clone().finalize()),
            ..self
                .others
                .as_ref()
                .map_or_else(Digests::default, |others| others.digests())
        }
    }
}

/// Digests beside SHA-256.
struct OtherDigests {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    /// Costs as much as SHA-256, so it is made only where a server was seen to know XCRC.
    crc32: Option<flate2::Crc>,
}

impl OtherDigests {
    fn new(wanted: DigestChoice) -> Option<Self> {
        let any = wanted.md5 || wanted.sha1 || wanted.crc32;
        any.then(|| Self {
            md5: wanted.md5.then(Md5::new),
            sha1: wanted.sha1.then(Sha1::new),
            crc32: wanted.crc32.then(flate2::Crc::new),
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(crc32) = &mut self.crc32 {
            crc32.update(bytes);
        }
    }

    /// Without SHA-256.
    fn digests(&self) -> Digests {
        let crc32 = self.crc32.as_ref();
        Digests {
            sha256: String::new(),
            md5: self.md5.as_ref().map(|md5| hex(&md5.clone().finalize())),
            sha1: self.sha1.as_ref().map(|sha1| hex(&sha1.clone().finalize())),
            crc32: crc32.map(|crc32| hex(&crc32.sum().to_be_bytes())),
        }
    }
}

/// What first bytes are.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// They look like a TLS record.
    record: bool,
    is_text: bool,
    format: FileFormat,
    /// What they are where they should be text and are none.
    binary: Option<FileFormat>,
}

impl Kind {
    fn of(head: &[u8]) -> Self {
        let is_text = is_text(head);
        // Every other transfer is a listing, and all formats there are take long to try.
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
            record: looks_like_record(head),
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

/// The format of bytes that are no text. Where they were sent as text their line ends may have been changed already, as in
/// the mark by which a PNG image shows just that.
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

/// Digests that are made beside SHA-256.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DigestChoice {
    pub(crate) md5: bool,
    pub(crate) sha1: bool,
    /// To compare with XCRC, once a server is seen to know that command.
    pub(crate) crc32: bool,
}

/// Digests in hex.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests {
    pub(crate) sha256: String,
    pub(crate) md5: Option<String>,
    pub(crate) sha1: Option<String>,
    /// CRC-32 of ISO 3309, as XCRC tells it.
    pub(crate) crc32: Option<String>,
}

/// A line of `ls -l`: a letter for the kind, nine for who may do what, and a space or a mark.
fn begins_long_listing(bytes: &[u8]) -> bool {
    let Some(([kind, permissions @ ..], rest)) = bytes.split_first_chunk::<10>() else {
        return false;
    };
    b"-dlbcps".contains(kind)
        && permissions.iter().all(|bit| b"-rwxsStT".contains(bit))
        && matches!(rest, [b' ' | b'+' | b'.' | b'@', ..])
}

fn is_text(bytes: &[u8]) -> bool {
    let control = |byte: &u8| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127);
    if bytes.iter().any(control) {
        return false;
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // A character cut by the end of what is kept is no reason to doubt; Latin-1 text is text as well.
        Err(error) => {
            error.error_len().is_none()
                || bytes.iter().filter(|byte| !byte.is_ascii()).count() * 10 < bytes.len() * 3
        }
    }
}

/// First bytes kept for telling the type.
const HEAD_BYTES: usize = 4096;

/// Holes kept of one stream.
const GAPS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        Content::new(
            ContentId(1),
            DigestChoice {
                md5: true,
                ..DigestChoice::default()
            },
        )
    }

    #[test]
    fn digests_do_not_depend_on_pieces() {
        let mut content = content();
        content.write(0, b"a", 100);
        content.write(1, b"bc", 100);
        let digests = content.digests();
        assert_eq!(
            digests.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            digests.md5.as_deref(),
            Some("900150983cd24fb0d6963f7d28e17f72")
        );
        assert_eq!(digests.sha1, None);
        assert_eq!(content.text(), Some((&b"abc"[..], &[][..])));
    }

    #[test]
    fn neighbouring_gaps_are_one() {
        let mut content = content();
        content.gap(0, 10);
        content.gap(10, 5);
        content.write(15, b"x", 0);
        content.gap(16, 4);
        assert_eq!(content.gaps, [[0, 15], [16, 20]]);
        assert_eq!(
            (content.bytes, content.missing, content.length),
            (1, 19, 20)
        );
        assert_eq!(content.media_type(), None);
        assert_eq!(content.text(), None);
    }

    #[test]
    fn a_format_is_known_although_its_line_ends_were_changed() {
        let of = |bytes: &[u8]| {
            let mut content = content();
            content.write(0, bytes, 0);
            content.binary_format()
        };
        let png = Some("image/png".to_owned());
        assert_eq!(of(b"\x89PNG\r\r\n\x1a\r\n\0\0\0\rIHDR"), png);
        assert_eq!(of(b"\x89PNG\r\n\x1a\r\n\0\0\0\rIHDR"), png);
        assert_eq!(of(b"PK\x03\x04\r\n\0").as_deref(), Some("application/zip"));
        assert_eq!(of(b"BMW is no bitmap"), None);
        assert_eq!(of(b"\x00\x01\x02\r\n"), None);
    }

    #[test]
    fn first_bytes_are_let_go_of_once_they_told_what_they_are() {
        let file = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[7; 9_000]].concat();
        for size in [1, 100, 1_000, 5_000] {
            let mut content = content();
            for (at, piece) in file.chunks(size).enumerate() {
                content.write((at * size) as u64, piece, 0);
                assert!(content.head.len() < HEAD_BYTES);
                assert_eq!(content.tells_its_type(), content.bytes >= HEAD_BYTES as u64);
            }
            assert!(content.head.is_empty());
            assert_eq!(content.media_type().as_deref(), Some("image/png"));
            assert!(!content.begins_with_record());
        }
    }

    #[test]
    fn text_is_told_from_other_bytes() {
        for (bytes, expected) in [
            (&b"hello\r\nworld\n"[..], "text/plain"),
            (b"\x00\x01\x02", "application/octet-stream"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
            (
                b"drwxr-xr-x 2 ftp ftp 4096 Jun 19 15:22 pub\r\n",
                "text/plain",
            ),
            (
                b"drwxr-xr-x 2 ftp ftp 4096 Jun 19 15:22 \x00\x01",
                "application/octet-stream",
            ),
            (b"<?xml version=\"1.0\"?>", "text/xml"),
        ] {
            let mut content = content();
            content.write(0, bytes, 0);
            assert_eq!(content.media_type().as_deref(), Some(expected));
        }
    }
}
