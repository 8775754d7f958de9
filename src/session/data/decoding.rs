//! Decoding of a transfer's bytes into the file that they represent, while they pass.
//!
//! The line ends of a text sent with TYPE A are restored on request only. If the first bytes of such a file show a
//! binary format, nothing shows whether the sender really converted it: both forms are digested and saved, the bytes as
//! sent and the bytes with their line ends restored.

use std::sync::Arc;

use crate::model::record::Decoded;
use crate::protocol::ftp::representation::{Coding, Decoder};
use crate::session::data::content::Content;
use crate::session::data::content_sink::ContentSink;

/// A decoder and its output so far.
pub(crate) struct Decoding {
    decoder: Decoder,
    /// Transformations that the decoder undoes, by their names in the report.
    steps: Vec<&'static str>,
    pub(crate) content: Content,
    /// Reason why decoding stopped; `None` if it did not.
    problem: Option<String>,
    finished: bool,
    /// First bytes, held until they show whether there is anything to decode; `None` once they have.
    undecided: Option<Vec<u8>>,
    /// Share of the decoders that may run at once; `None` once the bytes proved to be the file.
    reservation: Option<Arc<()>>,
}

impl Decoding {
    /// Creates a decoder; `None` if the bytes are the file, or if too many decoders run already.
    pub(crate) fn new(coding: Coding, is_file: bool, sink: &mut ContentSink<'_>) -> Option<Self> {
        // A file sent with TYPE A is decoded on suspicion, until its first bytes show that it is a text.
        let as_text = Coding {
            text_lines: true,
            ..coding
        };
        let on_the_bytes = coding.steps().is_empty() && as_text.steps() == [LINE_ENDS];
        let undecided = (on_the_bytes && is_file).then(Vec::new);
        let coding = if undecided.is_some() { as_text } else { coding };
        let decoder = Decoder::new(coding)?;
        Some(Self {
            decoder,
            steps: coding.steps(),
            content: sink.new_content(),
            problem: None,
            finished: false,
            undecided,
            reservation: Some(sink.reserve_decoder()?),
        })
    }

    /// Returns whether the file differs from the bytes as sent, as far as the first bytes show.
    pub(crate) const fn applies(&self) -> bool {
        self.reservation.is_some() && self.undecided.is_none()
    }

    /// Returns the reason why decoding stopped; `None` if it did not.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Returns the names of the transformations that are undone.
    pub(crate) fn steps(&self) -> &[&'static str] {
        &self.steps
    }

    /// Decodes bytes in stream order.
    ///
    /// `raw` is the content as sent, these bytes included. `text_limit` bounds the listing text in bytes, 0 for a file;
    /// a file is saved as well (`save`).
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        raw: Option<&Content>,
        text_limit: usize,
        save: bool,
        sink: &mut ContentSink<'_>,
    ) {
        if self.problem.is_some() || self.reservation.is_none() {
            return;
        }
        let mut first = Vec::new();
        if let Some(undecided) = &mut self.undecided {
            undecided.extend_from_slice(bytes);
            // The first segment may be too short to show the format.
            if !raw.is_some_and(Content::is_type_final) {
                return;
            }
            first = std::mem::take(undecided);
            if !self.decide(raw) {
                return;
            }
        }
        let bytes = if first.is_empty() { bytes } else { &first };
        let content = &mut self.content;
        self.decoder.push(bytes, &mut |piece| {
            write(content, piece, text_limit, save, sink);
        });
    }

    /// Returns whether there is anything to decode: the first bytes show a binary format.
    fn decide(&mut self, raw: Option<&Content>) -> bool {
        self.undecided = None;
        // A text: its line ends are restored on request only, so that the reservation goes to another decoder.
        if raw.and_then(Content::binary_format).is_none() {
            self.reservation = None;
        }
        self.reservation.is_some()
    }

    /// Stops decoding, unless it stopped before.
    pub(crate) fn stop(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
    }

    /// Completes the decoding: no bytes follow those in `raw`.
    pub(crate) fn finish(
        &mut self,
        raw: Option<&Content>,
        text_limit: usize,
        save: bool,
        sink: &mut ContentSink<'_>,
    ) {
        if std::mem::replace(&mut self.finished, true) || self.problem.is_some() {
            return;
        }
        let first = self.undecided.take();
        if (first.is_some() && !self.decide(raw)) || self.reservation.is_none() {
            return;
        }
        let content = &mut self.content;
        self.decoder.push(&first.unwrap_or_default(), &mut |piece| {
            write(content, piece, text_limit, save, sink);
        });
        let result = self
            .decoder
            .finish(&mut |piece| write(content, piece, text_limit, save, sink));
        self.problem = result.err();
    }

    /// Returns the decoded file for the report.
    pub(crate) fn record(&self) -> Decoded {
        let digests = self.content.digests();
        Decoded {
            steps: self.steps.iter().map(|&step| step.to_owned()).collect(),
            bytes: self.content.bytes,
            whole: self.finished && self.problem.is_none(),
            problem: self.problem.clone(),
            sha256: digests.sha256.unwrap_or_default(),
            md5: digests.md5,
            sha1: digests.sha1,
            media_type: self.content.media_type(),
            saved_as: None,
        }
    }
}

/// Name of the step that restores the line ends changed by TYPE A.
const LINE_ENDS: &str = "line-ends";

fn write(
    content: &mut Content,
    piece: &[u8],
    text_limit: usize,
    save: bool,
    sink: &mut ContentSink<'_>,
) {
    let offset = content.length;
    content.write(offset, piece, text_limit);
    if !piece.is_empty() {
        content.store(offset, piece, save, sink.files);
    }
}
