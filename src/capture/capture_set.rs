//! All inputs of a run, in the order of one timeline.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::counts::Counts;
use super::file_source::{FileSource, Origin};
use super::growing_file::GrowingFile;
use super::input_paths::{Candidate, Listing, shown};
use super::pcapng_secrets::Secrets;
use super::record::{Notice, Step};
use super::record_buffer;
use super::{Error, Hidden, Input, PacketSource};
use crate::model::record::Capture;
use crate::model::{FrameRef, Timestamp, wire_text};

/// How inputs are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Packets before this time are counted but not delivered.
    pub since: Option<Timestamp>,
    /// Packets at or after this time are counted but not delivered.
    pub until: Option<Timestamp>,
    /// A compressed input that wants a larger window (in bytes) than this is refused.
    pub window_limit: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            window_limit: 64 << 20,
        }
    }
}

/// Capture files and pipes, merged by packet time; see [`CaptureSet::open`].
pub struct CaptureSet {
    /// In the order of the timeline.
    pub(super) slots: Vec<Slot>,
    pub(super) failures: Vec<Error>,
    passed_over: Vec<PathBuf>,
    pub(super) options: ReadOptions,
    pub(super) secrets: Vec<Secrets>,
    /// Packets of all inputs so far.
    pub(super) number: u64,
    /// Those of them that lie outside the bounds on time.
    pub(super) outside: u64,
    /// Inputs that are open.
    pub(super) open: usize,
    pub(super) begun: bool,
}

/// One input with what is known of it.
pub(super) struct Slot {
    origin: Origin,
    path: PathBuf,
    /// As messages show it.
    pub(super) name: String,
    /// Time of its first packet; `None` where it has none.
    pub(super) first_time: Option<Timestamp>,
    /// Present while it is open.
    pub(super) opened: Option<Opened>,
    pub(super) format: String,
    pub(super) links: Vec<String>,
    pub(super) counts: Counts,
    /// It was said that it begins.
    pub(super) begun: bool,
    /// The last packet that was read.
    pub(super) last: Option<FrameRef>,
}

/// An input that was opened and stands on its first packet, if it has one.
pub(super) struct Opened {
    pub(super) source: FileSource,
    /// What was found before the first packet.
    pub(super) early: Vec<Notice>,
    /// Why there is no first packet, where the input failed before it.
    pub(super) failure: Option<std::io::Error>,
    /// Time of the packet it stands on.
    pub(super) stands_on: Option<Timestamp>,
}

impl CaptureSet {
    /// Finds the captures that `paths` stand for and puts them in order: by the time of the first packet, then by path.
    ///
    /// A directory stands for the files in and below it, `-` for standard input. A single input is opened once and
    /// stays open. Of several, each is opened for a look at its first packet and closed again, so that thousands of
    /// files need few descriptors. What cannot be read is told as [`Input::Failed`] before the first packet.
    #[must_use]
    pub fn open(paths: &[PathBuf], options: ReadOptions) -> Self {
        let listing = Listing::of(paths);
        let mut set = Self::empty(options);
        set.failures = listing.failures;
        set.passed_over = listing.passed_over;
        let alone = listing.candidates.len() == 1;
        let mut captures = vec![0_usize; listing.directories.len()];
        let mut others = vec![0_usize; listing.directories.len()];
        for candidate in listing.candidates {
            let directory = candidate.directory;
            let path = candidate.path.clone();
            let found = match set.probe(candidate, alone) {
                Ok(()) => &mut captures,
                Err(Error::NotACapture { .. } | Error::Empty { .. }) if directory.is_some() => {
                    set.passed_over.push(path);
                    &mut others
                }
                Err(error) => {
                    set.failures.push(error);
                    &mut captures
                }
            };
            if let Some(count) = directory.and_then(|index| found.get_mut(index)) {
                *count += 1;
            }
        }
        for ((directory, captures), files) in listing.directories.iter().zip(captures).zip(others) {
            if captures == 0 && !directory.failed {
                set.failures.push(Error::NoCapture {
                    path: shown(&directory.path),
                    files,
                });
            }
        }
        set.passed_over.sort();
        set.sort();
        set
    }

    /// Reads captures that the caller has opened; `inputs` are their names with the readers.
    #[must_use]
    pub fn from_readers(
        inputs: Vec<(PathBuf, Box<dyn Read + Send>)>,
        options: ReadOptions,
    ) -> Self {
        let mut set = Self::empty(options);
        for (path, reader) in inputs {
            let candidate = Candidate {
                origin: Origin::Reader(Some(reader)),
                path,
                directory: None,
            };
            if let Err(error) = set.probe(candidate, true) {
                set.failures.push(error);
            }
        }
        set.sort();
        set
    }

    /// Reads one file that is still being written: at its end it waits for more until `stop` is true, or until the file
    /// shrinks or is replaced.
    #[must_use]
    pub fn follow(path: PathBuf, stop: Arc<AtomicBool>, options: ReadOptions) -> Self {
        let mut set = Self::empty(options);
        let name = shown(&path);
        match GrowingFile::open(path.clone(), stop) {
            Ok(file) => {
                set = Self::from_readers(vec![(path, Box::new(file))], options);
                let compression = set
                    .slots
                    .first()
                    .and_then(|slot| slot.opened.as_ref()?.source.compression());
                if let Some(compression) = compression {
                    set = Self::empty(options);
                    set.failures.push(Error::CompressedFollow {
                        path: name,
                        compression,
                    });
                }
            }
            Err(cause) => set.failures.push(Error::Io { path: name, cause }),
        }
        set
    }

    /// Files in the directories that are no captures, in path order.
    #[must_use]
    pub fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }

    /// Decryption secrets that stood in the captures read so far.
    #[must_use]
    pub fn secrets(&self) -> &[Secrets] {
        &self.secrets
    }

    fn empty(options: ReadOptions) -> Self {
        Self {
            slots: Vec::new(),
            failures: Vec::new(),
            passed_over: Vec::new(),
            options,
            secrets: Vec::new(),
            number: 0,
            outside: 0,
            open: 0,
            begun: false,
        }
    }

    /// Opens an input to its first packet; it stays open if `alone` or if it cannot be opened twice.
    fn probe(&mut self, candidate: Candidate, alone: bool) -> Result<(), Error> {
        let keep = alone || !candidate.origin.can_be_reopened();
        let capacity = if keep {
            self.capacity()
        } else {
            PROBE_CAPACITY
        };
        let mut slot = Slot {
            name: shown(&candidate.path),
            origin: candidate.origin,
            path: candidate.path,
            first_time: None,
            opened: None,
            format: String::new(),
            links: Vec::new(),
            counts: Counts::default(),
            begun: false,
            last: None,
        };
        let opened = slot.open(capacity, self.options.window_limit)?;
        slot.first_time = opened.stands_on;
        slot.learn(&opened.source);
        if keep {
            slot.opened = Some(opened);
            self.open += 1;
        }
        self.slots.push(slot);
        Ok(())
    }

    /// Bytes of buffer for one more input: large, as long as there are few.
    pub(super) fn capacity(&self) -> usize {
        if self.open < LARGE_BUFFERS {
            record_buffer::CAPACITY
        } else {
            PROBE_CAPACITY
        }
    }

    fn sort(&mut self) {
        // Inputs without a packet stand last: they have no place on the timeline.
        self.slots.sort_by(|one, other| {
            let key = |slot: &Slot| (slot.first_time.is_none(), slot.first_time);
            key(one)
                .cmp(&key(other))
                .then_with(|| one.path.as_os_str().cmp(other.path.as_os_str()))
        });
    }
}

impl Slot {
    /// Opens the input and goes to its first packet.
    pub(super) fn open(&mut self, capacity: usize, window_limit: u64) -> Result<Opened, Error> {
        let source = FileSource::open(&mut self.origin, &self.name, capacity, window_limit)?;
        let mut opened = Opened {
            source,
            early: Vec::new(),
            failure: None,
            stands_on: None,
        };
        loop {
            match opened.source.advance() {
                Step::Packet => {
                    opened.stands_on = Some(opened.source.record().time);
                    break;
                }
                Step::Notice(notice) => opened.early.push(notice),
                Step::Idle => {}
                Step::Failed(cause) => {
                    opened.failure = Some(cause);
                    break;
                }
                Step::End => break,
            }
        }
        Ok(opened)
    }

    /// Takes over what an open input tells about itself.
    pub(super) fn learn(&mut self, source: &FileSource) {
        self.format = source.format();
        self.links = source.links().iter().map(ToString::to_string).collect();
    }

    /// The record of this input; without counts where it only begins.
    pub(super) fn capture(&self, counted: bool) -> Capture {
        let (path, path_b64) = path_text(&self.path);
        let counts = counted.then_some(self.counts);
        Capture {
            path,
            path_b64,
            format: self.format.clone(),
            link_types: self.links.clone(),
            packets: counts.map(|counts| counts.packets),
            bytes: counts.map(|counts| counts.bytes),
            first_packet: counts.and_then(|counts| counts.first),
            last_packet: counts.and_then(|counts| counts.last),
            truncated: counts
                .filter(|counts| counts.ended)
                .map(|counts| counts.truncated),
            drops: None,
        }
    }
}

impl PacketSource for CaptureSet {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        // A break needs no further word: the caller made it.
        let _ = self.run(take);
    }

    fn captures(&self) -> Vec<Capture> {
        self.slots
            .iter()
            .map(|slot| slot.capture(self.begun))
            .collect()
    }

    fn hidden(&self) -> Hidden {
        Hidden {
            filtered: 0,
            outside_time_bounds: self.outside,
        }
    }
}

fn path_text(path: &Path) -> (String, Option<String>) {
    wire_text::decode(path.as_os_str().as_encoded_bytes())
}

/// Bytes of buffer for a look at the first packet.
const PROBE_CAPACITY: usize = 16 << 10;
/// Inputs that may have a large buffer at the same time.
const LARGE_BUFFERS: usize = 64;

#[cfg(test)]
mod tests;
