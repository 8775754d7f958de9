//! The file that a transfer's bytes stand for, decoded while they pass.

use std::sync::Arc;

use super::content::Content;
use super::shared::ContentSink;
use crate::model::record::Decoded;
use crate::protocol::ftp::representation::{Coding, Decoder};

/// A decoder and what came out of it so far.
pub(super) struct Decoding {
    decoder: Decoder,
    steps: Vec<&'static str>,
    pub(super) content: Content,
    problem: Option<String>,
    finished: bool,
    /// Counts the decoders at work: each has a window of its own.
    _place: Arc<()>,
}

impl Decoding {
    /// A decoder; `None` where the bytes are the file.
    pub(super) fn new(coding: Coding, sink: &mut ContentSink<'_>) -> Option<Self> {
        let decoder = Decoder::new(coding)?;
        Some(Self {
            decoder,
            steps: coding.steps(),
            content: Content::new(sink.next_content(), sink.options),
            problem: None,
            finished: false,
            _place: sink.decoder_place()?,
        })
    }

    /// Bytes in order; `text_room` is how much text may be kept, 0 for what is no listing; `save` for a file.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        text_room: usize,
        save: bool,
        sink: &mut ContentSink<'_>,
    ) {
        if self.problem.is_none() {
            let content = &mut self.content;
            self.decoder.push(bytes, &mut |piece| {
                take(content, piece, text_room, save, sink);
            });
        }
    }

    /// What follows cannot be decoded.
    pub(super) fn stop(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
    }

    /// There are no more bytes.
    pub(super) fn finish(&mut self, text_room: usize, save: bool, sink: &mut ContentSink<'_>) {
        if std::mem::replace(&mut self.finished, true) || self.problem.is_some() {
            return;
        }
        let content = &mut self.content;
        let result = self
            .decoder
            .finish(&mut |piece| take(content, piece, text_room, save, sink));
        self.problem = result.err();
    }

    /// What came out, for the report.
    pub(super) fn record(&self) -> Decoded {
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
