//! Several files over one data connection: in MODE B and C it may stay open (RFC 959 sections 3.3 and 3.4.2).
//!
//! ```text
//! connection  ──file 1──┤EOF├──file 2──┤EOF├── ...
//! channels      part 1         part 2        the rest, which keeps the name of the connection
//! ```
//!
//! At the end of a file its part becomes a channel of its own, with which its transfer is settled; the rest waits for the next
//! transfer command. If the mode's end-of-file mark was lost, the next command ends the file.

use crate::model::record::TransferMode;
use crate::model::{Direction, FrameRef};
use crate::protocol::ftp::representation::FileEnds;
use crate::reassembly::FlowSummary;

/// Position of one file within the byte stream of its data connection.
#[derive(Default)]
pub(super) struct FilePart {
    /// MODE in force when the connection was opened.
    mode: TransferMode,
    /// Finders of the end-of-file mark, by [`Direction::index`]; `None` if only the end of the connection ends a file.
    ends: [Option<FileEnds>; 2],
    /// Stream offset in bytes at which the file begins, by [`Direction::index`].
    base: [u64; 2],
    /// The next file began before an end-of-file mark.
    cut_off: bool,
}

/// State of a data connection where a file begins that is not its first.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// Flow up to the beginning of the file.
    pub(crate) summary: FlowSummary,
    /// The file begins right after the end-of-file mark of the one before.
    pub(crate) start_known: bool,
    /// Frame with the first byte of the file; `None` before it arrived.
    pub(crate) first: Option<FrameRef>,
}

impl FilePart {
    /// Creates the first part of a connection opened under `mode`.
    pub(super) fn new(mode: TransferMode) -> Self {
        Self {
            mode,
            ends: [FileEnds::new(mode), FileEnds::new(mode)],
            base: [0; 2],
            cut_off: false,
        }
    }

    /// Returns the part after this one, which is `lengths` bytes long, by [`Direction::index`].
    pub(super) fn next(&self, lengths: [u64; 2]) -> Self {
        Self {
            base: [self.base[0] + lengths[0], self.base[1] + lengths[1]],
            ..Self::new(self.mode)
        }
    }

    /// Returns where among `bytes` the file ends; `None` if it goes on.
    pub(super) fn find_end(&mut self, direction: Direction, bytes: &[u8]) -> Option<usize> {
        self.ends[direction.index()].as_mut()?.push(bytes)
    }

    /// Passes over bytes that are not in the capture.
    pub(super) fn skip(&mut self, direction: Direction, length: u64) {
        if let Some(ends) = &mut self.ends[direction.index()] {
            ends.skip(length);
        }
    }

    /// Returns the offset within the file of a stream offset.
    pub(super) const fn offset_in_file(&self, direction: Direction, offset: u64) -> u64 {
        offset.saturating_sub(self.base[direction.index()])
    }

    /// Returns whether the mode marks the end of a file.
    pub(super) fn marks_ends(&self) -> bool {
        self.ends.iter().any(Option::is_some)
    }

    /// Stops looking for end-of-file marks.
    pub(super) fn ignore_ends(&mut self) {
        self.ends = [None, None];
    }

    /// Returns whether no record of the file is incomplete.
    pub(super) fn is_at_end(&self) -> bool {
        self.ends.iter().flatten().any(FileEnds::is_at_end)
    }

    /// Ends the part without an end-of-file mark.
    pub(super) const fn cut_off(&mut self) {
        self.cut_off = true;
    }

    /// Returns whether the next file began before an end-of-file mark.
    pub(super) const fn is_cut_off(&self) -> bool {
        self.cut_off
    }
}
