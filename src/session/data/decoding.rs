//! The file that a transfer's bytes stand for, decoded while they pass.
//!
//! What TYPE A makes of a text is undone on request only. What was sent as text and is by its first bytes something else
//! has two forms, as it came and with its line ends turned back, and nobody can say which of them is the file: it gets
//! both in any case.

use std::sync::Arc;

use crate::model::record::Decoded;
use crate::protocol::ftp::representation::{Coding, Decoder};
use crate::session::data::content::Content;
use crate::session::data::content_sink::ContentSink;

/// A decoder and what came out of it so far.
pub(crate) struct Decoding {
    decoder: Decoder,
    steps: Vec<&'static str>,
    pub(crate) content: Content,
    problem: Option<String>,
    finished: bool,
    /// The first bytes, while they have not told whether there is anything to decode.
    undecided: Option<Vec<u8>>,
    /// Counts the decoders at work: each has a window of its own. `None` once it turned out that the bytes are the file.
    place: Option<Arc<()>>,
}

impl Decoding {
    /// A decoder; `None` where the bytes are the file. A file that was sent as text may turn out to be none.
    pub(crate) fn new(coding: Coding, is_file: bool, sink: &mut ContentSink<'_>) -> Option<Self> {
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
            place: Some(sink.reserve_decoder()?),
        })
    }

    /// Whether there is anything to decode, as far as it is known.
    pub(crate) const fn applies(&self) -> bool {
        self.place.is_some() && self.undecided.is_none()
    }

    /// What was wrong.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// What was undone.
    pub(crate) fn steps(&self) -> &[&'static str] {
        &self.steps
    }

    /// Bytes in order, the last of those in `raw`; `text_room` is how much text may be kept, 0 for what is no listing; `save`
    /// for a file.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        raw: Option<&Content>,
        text_room: usize,
        save: bool,
        sink: &mut ContentSink<'_>,
    ) {
        if self.problem.is_some() || self.place.is_none() {
            return;
        }
        let mut first = Vec::new();
        if let Some(undecided) = &mut self.undecided {
            undecided.extend_from_slice(bytes);
            if !raw.is_some_and(Content::tells_its_type) {
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
            take(content, piece, text_room, save, sink);
        });
    }

    /// Whether there is anything to decode: the first bytes are those of a format that is no text.
    fn decide(&mut self, raw: Option<&Content>) -> bool {
        self.undecided = None;
        if raw.and_then(Content::binary_format).is_none() {
            self.place = None;
        }
        self.place.is_some()
    }

    /// What follows cannot be decoded.
    pub(crate) fn stop(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
    }

    /// There are no more bytes than those in `raw`.
    pub(crate) fn finish(
        &mut self,
        raw: Option<&Content>,
        text_room: usize,
        save: bool,
        sink: &mut ContentSink<'_>,
    ) {
        if std::mem::replace(&mut self.finished, true) || self.problem.is_some() {
            return;
        }
        let first = self.undecided.take();
        if (first.is_some() && !self.decide(raw)) || self.place.is_none() {
            return;
        }
        let content = &mut self.content;
        self.decoder.push(&first.unwrap_or_default(), &mut |piece| {
            take(content, piece, text_room, save, sink);
        });
        let result = self
            .decoder
            .finish(&mut |piece| take(content, piece, text_room, save, sink));
        self.problem = result.err();
    }

    /// What came out, for the report.
    pub(crate) fn record(&self) -> Decoded {
        let digests = self.content.digests();
        Decoded {
            steps: self.steps.iter().map(|&step| step.to_owned()).collect(),
            bytes: self.content.bytes,
            whole: self.finished && self.problem.is_none(),
            problem: self.problem.clone(),
            sha256: digests.sha256,
            md5: digests.md5,
            sha1: digests.sha1,
            media_type: self.content.media_type(),
            saved_as: None,
        }
    }
}

/// The name of the step that undoes the line ends of TYPE A.
const LINE_ENDS: &str = "line-ends";

fn take(
    content: &mut Content,
    piece: &[u8],
    text_room: usize,
    save: bool,
    sink: &mut ContentSink<'_>,
) {
    let offset = content.length;
    content.write(offset, piece, text_room);
    if save && !piece.is_empty() {
        content.stored = true;
        sink.files.write(content.id, offset, piece);
    }
}
