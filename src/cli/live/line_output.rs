//! Where events go: standard output, or a file that holds whole lines only, whatever happens to the disk.
//!
//! A line is written in one piece and at once, so that whoever follows the file sees it. What was written of a line that did
//! not fit is taken back; the lines that were lost are counted, and the next one is tried again.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::rc::Rc;

use crate::cli::error_text::{self, Failure};
use crate::keep::{RotatingFile, RotationLimits};

/// An open target for lines.
pub(super) struct LineOutput {
    target: Target,
    /// True once nobody reads standard output any more.
    closed: Rc<Cell<bool>>,
    /// Lines that could not be written.
    lost: u64,
}

enum Target {
    StandardOutput,
    /// A device or a fifo, written as it is.
    Special(File),
    File(RotatingFile),
}

impl LineOutput {
    /// `path`, or standard output where that is `None`. A file that exists is continued.
    pub(super) fn open(path: Option<&Path>, limits: RotationLimits) -> Result<Self, Failure> {
        let target = match path {
            None => Target::StandardOutput,
            Some(path) => {
                let failed = |cause: io::Error| Failure::output(path, &cause);
                if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
                    Target::Special(File::options().write(true).open(path).map_err(failed)?)
                } else {
                    Target::File(RotatingFile::open(path, limits, Vec::new()).map_err(failed)?)
                }
            }
        };
        Ok(Self {
            target,
            closed: Rc::default(),
            lost: 0,
        })
    }

    /// Becomes true once nobody reads standard output any more.
    pub(super) fn closed(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.closed)
    }

    /// Lines that could not be written.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes a whole line, its end included.
    pub(super) fn line(&mut self, line: &[u8]) {
        if line.is_empty() || self.closed.get() {
            return;
        }
        let written = match &mut self.target {
            Target::StandardOutput => {
                let mut out = io::stdout().lock();
                out.write_all(line).and_then(|()| out.flush())
            }
            Target::Special(file) => file.write_all(line),
            Target::File(file) => file.write_record(line),
        };
        let Err(cause) = written else {
            return;
        };
        if cause.kind() == ErrorKind::BrokenPipe {
            self.closed.set(true);
            return;
        }
        if self.lost == 0 {
            let words = error_text::system_words(&cause);
            error_text::print(&format!(
                "events cannot be written: {words}; they are counted, and the next ones are tried again"
            ));
        }
        self.lost = self.lost.saturating_add(1);
    }

    /// Begins a new file where it is time to.
    pub(super) fn look_after(&mut self) {
        let Target::File(file) = &mut self.target else {
            return;
        };
        file.rotate_if_due(0);
        if let Some(cause) = file.take_error() {
            error_text::print(&format!(
                "the old events cannot be put aside: {}; the file is written on",
                error_text::system_words(&cause)
            ));
        }
    }

    /// Opens the file again under its name: somebody has moved it away.
    pub(super) fn reopen(&mut self) {
        if let Target::File(file) = &mut self.target
            && let Err(cause) = file.reopen()
        {
            error_text::print(&format!(
                "the events cannot be opened again: {}; the old file is written on",
                error_text::system_words(&cause)
            ));
        }
    }
}
