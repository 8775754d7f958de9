//! Bytes of one direction of a data connection: digests, file type and listing text. Always on, bounded, streaming.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::model::{ContentId, TransferSink, hex};
use crate::session::data::digest_pool::{Algorithm, DigestPool, PooledDigests, Running};
use crate::session::data::file_type::{FileType, FirstBytesBudget};
use crate::session::data::line_ends::LineEnds;
use crate::session::data::listing_text::{ListingText, ListingTextBudget};

/// Everything kept of the bytes of one direction.
pub(crate) struct Content {
    pub(crate) id: ContentId,
    /// `None` if it is left out, or computed on a thread.
    sha256: Option<Sha256>,
    /// `None` if SHA-256 is the only digest.
    // Boxed: most runs want none, and there are two contents for each open connection.
    others: Option<Box<OtherDigests>>,
    /// Threads for the digests of large contents.
    pool: DigestPool,
    /// All digests, once they are computed on threads.
    pooled: Option<Box<PooledDigests>>,
    /// Payload bytes, each counted once.
    pub(crate) bytes: u64,
    /// Offset in bytes after the last byte or gap.
    pub(crate) length: u64,
    /// Gaps as half-open ranges of offsets, the first [`MAX_GAPS`] of them.
    pub(crate) gaps: Vec<[u64; 2]>,
    /// Gaps beyond [`MAX_GAPS`].
    pub(crate) gaps_omitted: u64,
    /// Bytes in all gaps.
    pub(crate) missing: u64,
    file_type: FileType,
    /// `None` once the content is known to be no listing.
    text: Option<ListingText>,
    /// `None` unless line ends are counted from the first byte on.
    line_ends: Option<Box<LineEnds>>,
    /// Bytes were passed to the transfer sink, and all of them: a file is made from the bytes or not at all.
    stored: bool,
    /// Bytes passed that the transfer sink did not get, since they were taken for a listing.
    has_unsaved: bool,
}

/// Selection of digests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DigestChoice {
    pub(crate) omit_sha256: bool,
    pub(crate) md5: bool,
    pub(crate) sha1: bool,
    /// For comparison with the reply to XCRC.
    pub(crate) crc32: bool,
}

/// Digests in lowercase hex; `None` for one that was not computed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests {
    pub(crate) sha256: Option<String>,
    pub(crate) md5: Option<String>,
    pub(crate) sha1: Option<String>,
    /// CRC-32 of ISO 3309, which XCRC reports.
    pub(crate) crc32: Option<String>,
}

impl Content {
    /// Creates a content without bytes that counts against no budget.
    pub(crate) fn new(id: ContentId, wanted: DigestChoice) -> Self {
        Self {
            id,
            sha256: (!wanted.omit_sha256).then(Sha256::new),
            others: OtherDigests::new(wanted).map(Box::new),
            pool: DigestPool::default(),
            pooled: None,
            bytes: 0,
            length: 0,
            gaps: Vec::new(),
            gaps_omitted: 0,
            missing: 0,
            file_type: FileType::default(),
            text: Some(ListingText::default()),
            line_ends: None,
            stored: false,
            has_unsaved: false,
        }
    }

    /// Counts what is kept against budgets that all contents share.
    pub(super) fn with_budgets(
        mut self,
        texts: &ListingTextBudget,
        first_bytes: &FirstBytesBudget,
    ) -> Self {
        self.text = Some(ListingText::new(texts));
        self.file_type = FileType::new(first_bytes);
        self
    }

    /// Computes digests on the threads of `pool` once the content is large.
    pub(super) fn with_pool(mut self, pool: &DigestPool) -> Self {
        self.pool = pool.clone();
        self
    }

    fn update_digests(&mut self, bytes: &[u8]) {
        if self.sha256.is_some() && self.pooled.is_none() && self.pool.takes(self.bytes) {
            self.move_digests();
        }
        if let Some(pooled) = &mut self.pooled {
            pooled.update(bytes);
            return;
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(others) = &mut self.others {
            others.update(bytes);
        }
    }

    /// Gives the digests to threads, if these have room for them.
    #[cold]
    fn move_digests(&mut self) {
        let mut digests = Vec::from_iter(self.sha256.take().map(Running::Sha256));
        if let Some(others) = self.others.take() {
            digests.extend(others.md5.map(Running::Md5));
            digests.extend(others.sha1.map(Running::Sha1));
            digests.extend(others.crc32.map(Running::Crc32));
        }
        let refused = match self.pool.begin(digests) {
            Ok(pooled) => {
                self.pooled = Some(Box::new(pooled));
                return;
            }
            Err(refused) => refused,
        };
        // Once is enough: the content stays with its own digests.
        self.pool = DigestPool::default();
        let mut others = OtherDigests {
            md5: None,
            sha1: None,
            crc32: None,
        };
        for digest in refused {
            match digest {
                Running::Sha256(digest) => self.sha256 = Some(digest),
                Running::Md5(digest) => others.md5 = Some(digest),
                Running::Sha1(digest) => others.sha1 = Some(digest),
                Running::Crc32(digest) => others.crc32 = Some(digest),
            }
        }
        if others.md5.is_some() || others.sha1.is_some() || others.crc32.is_some() {
            self.others = Some(Box::new(others));
        }
    }

    /// Appends bytes. `text_limit` bounds the listing text in bytes; 0 means that the content is no listing.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8], text_limit: usize) {
        // Gaps are passed over: the report leaves digests of incomplete bytes out.
        self.update_digests(bytes);
        self.file_type.add(bytes);
        if text_limit == 0 {
            // Frees the text kept before the command showed that it is a file.
            self.text = None;
        } else if let Some(text) = &mut self.text {
            text.push(bytes, text_limit);
        }
        if let Some(line_ends) = &mut self.line_ends {
            line_ends.count(bytes);
        }
        self.bytes += bytes.len() as u64;
        self.length = self.length.max(offset.saturating_add(bytes.len() as u64));
    }

    /// Passes bytes that were written to `files`, or with `save` false drops the file that would lack them.
    pub(super) fn store(
        &mut self,
        offset: u64,
        bytes: &[u8],
        save: bool,
        files: &mut dyn TransferSink,
    ) {
        if save && !self.has_unsaved {
            self.stored = true;
            files.write(self.id, offset, bytes);
            return;
        }
        self.has_unsaved = true;
        // A file without these bytes would have zeros in their place.
        if std::mem::take(&mut self.stored) {
            files.discard(self.id);
        }
    }

    /// Writes the whole content to `files` if that was not done while it passed and its text was kept.
    pub(super) fn complete_file(&mut self, files: &mut dyn TransferSink) {
        if let Some(text) = &self.text
            && self.has_unsaved
            && !text.is_empty()
            && text.len() as u64 == self.length
        {
            files.write(self.id, 0, text);
            self.has_unsaved = false;
            self.stored = true;
        }
    }

    /// Returns whether bytes passed that no file has.
    pub(crate) const fn has_unsaved(&self) -> bool {
        self.has_unsaved
    }

    /// Returns whether the transfer sink holds a file of all bytes.
    pub(super) const fn is_stored(&self) -> bool {
        self.stored
    }

    /// Records `length` bytes from offset `from` on that are not in the capture.
    pub(super) fn gap(&mut self, from: u64, length: u64) {
        let to = from.saturating_add(length);
        self.missing = self.missing.saturating_add(length);
        self.length = self.length.max(to);
        if let Some(text) = &mut self.text {
            text.mark_gap();
        }
        // A gap declared piece by piece is one gap in the report.
        if let Some(last) = self.gaps.last_mut().filter(|last| last[1] == from) {
            last[1] = to;
        } else if self.gaps.len() < MAX_GAPS {
            self.gaps.push([from, to]);
        } else {
            self.gaps_omitted += 1;
        }
    }

    /// Starts counting line ends. Earlier bytes are counted as well; if they were not kept, nothing is counted.
    pub(super) fn count_line_ends(&mut self) {
        let mut line_ends = LineEnds::default();
        match &self.text {
            Some(text) if text.len() as u64 == self.bytes => line_ends.count(text),
            _ if self.bytes == 0 => {}
            _ => return,
        }
        self.line_ends = Some(Box::new(line_ends));
    }

    /// Returns the line ends; `None` if they were not counted, or if bytes are missing.
    pub(crate) fn line_ends(&self) -> Option<&LineEnds> {
        self.line_ends.as_deref().filter(|_| self.missing == 0)
    }

    /// Returns whether the first bytes are a TLS record.
    pub(crate) fn begins_with_record(&self) -> bool {
        self.file_type.is_tls_record() && !self.begins_with_gap()
    }

    /// Returns whether more bytes would not change the file type.
    pub(super) const fn is_type_final(&self) -> bool {
        self.file_type.is_final()
    }

    /// Returns the media type of a binary file that was sent as text; `None` if the first bytes are text or unknown.
    pub(crate) fn binary_format(&self) -> Option<String> {
        if self.begins_with_gap() {
            return None;
        }
        self.file_type.binary_media_type()
    }

    /// Returns the media type that the first bytes show; `None` if there are none, or if they are missing.
    pub(crate) fn media_type(&self) -> Option<String> {
        if self.begins_with_gap() {
            return None;
        }
        self.file_type.media_type()
    }

    /// Returns the text of a listing without the missing bytes, and the text offsets at which bytes are missing.
    ///
    /// `None` if the content is no listing.
    pub(crate) fn text(&self) -> Option<(&[u8], &[usize])> {
        let text = self.text.as_ref()?;
        Some((text, text.gaps()))
    }

    /// Returns whether the listing is longer than its limit.
    pub(crate) fn is_text_cut(&self) -> bool {
        self.text.as_ref().is_some_and(ListingText::is_cut)
    }

    /// Returns the digests of the bytes so far.
    pub(crate) fn digests(&self) -> Digests {
        if let Some(pooled) = &self.pooled {
            let mut digests = Digests::default();
            for (algorithm, text) in pooled.report() {
                match algorithm {
                    Algorithm::Sha256 => digests.sha256 = Some(text),
                    Algorithm::Md5 => digests.md5 = Some(text),
                    Algorithm::Sha1 => digests.sha1 = Some(text),
                    Algorithm::Crc32 => digests.crc32 = Some(text),
                }
            }
            return digests;
        }
        Digests {
            // A copy of the state is finalized, for more bytes may follow.
            sha256: self
                .sha256
                .as_ref()
                .map(|sha256| hex(&sha256.clone().finalize())),
            ..self
                .others
                .as_ref()
                .map_or_else(Digests::default, |others| others.digests())
        }
    }

    fn begins_with_gap(&self) -> bool {
        self.gaps.first().is_some_and(|gap| gap[0] == 0)
    }
}

/// Running digests beside SHA-256; `None` for one that is not wanted.
struct OtherDigests {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    /// Costs as much as SHA-256, so that it is wanted only once a server is known to have XCRC.
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

    /// Returns the digests without SHA-256.
    fn digests(&self) -> Digests {
        let crc32 = self.crc32.as_ref();
        Digests {
            sha256: None,
            md5: self.md5.as_ref().map(|md5| hex(&md5.clone().finalize())),
            sha1: self.sha1.as_ref().map(|sha1| hex(&sha1.clone().finalize())),
            crc32: crc32.map(|crc32| hex(&crc32.sum().to_be_bytes())),
        }
    }
}

/// Bound on gaps kept of one content.
const MAX_GAPS: usize = 10_000;

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
            digests.sha256.as_deref(),
            Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        assert_eq!(
            digests.md5.as_deref(),
            Some("900150983cd24fb0d6963f7d28e17f72")
        );
        assert_eq!(digests.sha1, None);
        assert_eq!(content.text(), Some((&b"abc"[..], &[][..])));
    }

    #[test]
    fn adjacent_gaps_are_one_gap() {
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
    fn binary_format_is_recognized_although_its_line_ends_were_changed() {
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
    fn first_bytes_are_dropped_once_they_show_the_type() {
        let file = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[7; 9_000]].concat();
        for size in [1, 100, 1_000, 5_000] {
            let mut content = content();
            for (at, piece) in file.chunks(size).enumerate() {
                content.write((at * size) as u64, piece, 0);
                assert!(content.file_type.held() < 4096);
                assert_eq!(content.is_type_final(), content.bytes >= 4096);
            }
            assert_eq!(content.file_type.held(), 0);
            assert_eq!(content.media_type().as_deref(), Some("image/png"));
            assert!(!content.begins_with_record());
        }
    }

    #[test]
    fn text_and_binary_bytes_are_distinguished() {
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
