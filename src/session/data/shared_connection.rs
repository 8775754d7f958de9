//! Several files over one data connection: in MODE B and C it may stay open (RFC 959 sections 3.3 and 3.4.2).
//!
//! ```text
//! connection  ──file 1──┤EOF├──file 2──┤EOF├── ...
//! channels      part 1         part 2        the rest, which keeps the name of the connection
//! ```
//!
//! At the end of a file its part becomes a channel of its own, with which its transfer is settled; the rest waits for
//! the next transfer command. If the mode's end-of-file mark was lost, the next command ends the file.

use crate::model::record::TransferMode;
use crate::model::{Direction, FrameRef};
use crate::protocol::ftp::representation::FileEnds;
use crate::reassembly::{Chunk, FlowSummary};

/// Position of one file within the byte stream of its data connection.
#[derive(Default)]
pub(super) struct FilePart {
    /// MODE in force when the connection was opened.
    mode: TransferMode,
    /// Finders of the end-of-file mark, by [`Direction::index`]; `None` if only the end of the connection ends a file.
    ends: [Option<FileEnds>; 2],
    /// Stream offset in bytes at which the file begins, by [`Direction::index`].
    base: [u64; 2],
    /// Frame with the end-of-file mark; `None` before it.
    end_mark: Option<FrameRef>,
    /// The next file began before an end-of-file mark.
    cut_off: bool,
    /// State of the connection where this file begins; `None` for the first file of a connection.
    before: Option<Box<Before>>,
}

/// State of a data connection where a file begins that is not its first.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// Flow up to the beginning of the file.
    pub(super) summary: FlowSummary,
    /// The file begins right after the end-of-file mark of the one before.
    pub(super) start_known: bool,
    /// Frame with the first byte of the file; `None` before it arrived.
    pub(super) first_byte: Option<FrameRef>,
}

impl FilePart {
    /// Creates the first part of a connection opened under `mode`.
    pub(super) fn new(mode: TransferMode) -> Self {
        Self {
            mode,
            ends: [FileEnds::new(mode), FileEnds::new(mode)],
            ..Self::default()
        }
    }

    /// Looks for an end-of-file mark in the next bytes. Returns how many of them belong to the file.
    pub(super) fn take_bytes(&mut self, direction: Direction, chunk: &Chunk<'_>) -> usize {
        if let Some(before) = &mut self.before {
            // The time of a file begins with its bytes: the connection may have been silent for hours before.
            before.first_byte.get_or_insert(chunk.arrived);
        }
        let ends = self.ends[direction.index()].as_mut();
        let Some(length) = ends.and_then(|ends| ends.push(chunk.bytes)) else {
            return chunk.bytes.len();
        };
        self.end_mark = Some(chunk.frame);
        length
    }

    /// Passes over bytes that are not in the capture.
    pub(super) fn skip(&mut self, direction: Direction, length: u64) {
        if let Some(ends) = &mut self.ends[direction.index()] {
            ends.skip(length);
        }
    }

    /// Sets the stream offset at which the file begins: behind what a proxy put in front of it.
    pub(super) const fn begin_at(&mut self, direction: Direction, offset: u64) {
        self.base[direction.index()] = offset;
    }

    /// Returns the stream offset at which the file begins.
    pub(super) const fn begin(&self, direction: Direction) -> u64 {
        self.base[direction.index()]
    }

    /// Returns how many of `length` bytes at a stream offset lie before the file.
    pub(super) fn before_file(&self, direction: Direction, offset: u64, length: usize) -> usize {
        let before = self.base[direction.index()].saturating_sub(offset);
        usize::try_from(before).unwrap_or(usize::MAX).min(length)
    }

    /// Returns the offset within the file of a stream offset.
    pub(super) const fn offset_in_file(&self, direction: Direction, offset: u64) -> u64 {
        offset.saturating_sub(self.base[direction.index()])
    }

    /// Returns whether the mode marks the end of a file.
    pub(super) fn marks_ends(&self) -> bool {
        self.ends.iter().any(Option::is_some)
    }

    /// Forgets the end-of-file mark, and looks for no other.
    pub(super) fn ignore_ends(&mut self) {
        self.ends = [None, None];
        self.end_mark = None;
    }

    /// Returns the frame with the end-of-file mark; `None` before it.
    pub(super) const fn end_mark(&self) -> Option<FrameRef> {
        self.end_mark
    }

    /// Returns whether the file has ended although the connection may go on.
    pub(super) const fn is_over(&self) -> bool {
        self.end_mark.is_some() || self.cut_off
    }

    /// Returns the state of the connection where the file begins; `None` for the first file.
    pub(super) fn before(&self) -> Option<&Before> {
        self.before.as_deref()
    }

    /// Ends this part in frame `at`, after `lengths` bytes by [`Direction::index`], and returns the part that follows.
    pub(super) fn split(&mut self, lengths: [u64; 2], summary: &FlowSummary, at: FrameRef) -> Self {
        // Some senders of MODE C omit the string of bytes after the last descriptor, which would complete the mark.
        let at_last_descriptor = self.ends.iter().flatten().any(FileEnds::is_at_end);
        let sure = self.end_mark.is_some() || at_last_descriptor;
        if sure {
            self.end_mark.get_or_insert(at);
        } else {
            // The mark was lost: only the next transfer command shows that the file is over.
            self.cut_off = true;
        }
        Self {
            base: [self.base[0] + lengths[0], self.base[1] + lengths[1]],
            before: Some(Box::new(Before {
                summary: summary.clone(),
                start_known: sure,
                first_byte: None,
            })),
            ..Self::new(self.mode)
        }
    }
}
