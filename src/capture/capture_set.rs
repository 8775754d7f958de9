//! All input files of a run, merged into one timeline.
//!
//! ```text
//! paths ──> InputListing ──> probe: first packet time ──> slots sorted by (first time, path)
//!                                                              │
//!                  heap of (next packet time, slot) <──────────┘
//!                        │ earliest slot runs until another slot's packet is due
//!                        └──> CaptureStart, Packet, Secrets, Warning, Failed
//! ```
//!
//! The heap holds the due time of every open input except the running one. The running input continues on its own
//! until another one is due, so a single file, and rotated files that follow each other, never touch the heap
//! between packets. An input is opened when its first packet is due: thousands of files need few descriptors.
//!
//! A directory among the paths stands for all files in and below it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{fs, io};

use super::capture_reader::{CaptureReader, Origin};
use super::record::{Advance, CaptureCounts, Notice};
use super::waiting::{GrowingFile, StoppablePipe, open_without_waiting};
use super::{
    Deliver, Error, HostName, Input, Packet, PacketSource, PipeSource, Secrets, SkippedPackets,
    record_buffer,
};
use crate::model::record::Capture;
use crate::model::{CapturePlace, FrameRef, Timestamp, Warning, WarningCode, wire_text};

/// Options for reading capture files.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Start of the delivered time range; earlier packets are counted but not delivered. `None` for no bound.
    pub since: Option<Timestamp>,
    /// End of the delivered time range, exclusive; later packets are counted but not delivered. `None` for no bound.
    pub until: Option<Timestamp>,
    /// Largest decompression window in bytes; a compressed input that needs more is rejected.
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
    /// In timeline order.
    slots: Vec<InputSlot>,
    /// Inputs that could not be opened, not yet delivered.
    failures: Vec<Error>,
    skipped_files: Vec<PathBuf>,
    /// Files in directories that have the name of a capture and are none.
    damaged_files: Vec<Error>,
    options: ReadOptions,
    /// Packets of all inputs so far: the frame number of the latest one.
    packets: u64,
    outside_time_bounds: u64,
    /// Count of open inputs.
    open: usize,
    started: bool,
}

/// One input of the set.
struct InputSlot {
    origin: Origin,
    path: PathBuf,
    /// Path in the form that messages show.
    name: String,
    /// Time of the first packet; `None` for an input without packets.
    first_time: Option<Timestamp>,
    /// `None` before the input is opened and after its end.
    reader: Option<OpenInput>,
    format: String,
    links: Vec<String>,
    counts: CaptureCounts,
    /// Set once [`Input::CaptureStart`] was delivered or the input failed to open.
    started: bool,
    /// Latest packet that was read; `None` before the first.
    last: Option<FrameRef>,
}

/// An open input, positioned on a packet until it ends.
struct OpenInput {
    reader: CaptureReader,
    preamble: Preamble,
    /// Error that ended the input; `None` while it can be read.
    failure: Option<std::io::Error>,
    /// Time of the current packet; `None` after the last one.
    position: Option<Timestamp>,
}

/// Items read on the way to the first packet, copied because the reader has moved past them when they are delivered.
#[derive(Default)]
struct Preamble {
    items: Vec<PreambleItem>,
    secrets_blocks: usize,
    secrets_bytes: usize,
    names: usize,
    /// Secrets blocks omitted because of the limits.
    omitted: u64,
}

enum PreambleItem {
    Notice(Notice),
    Secrets { secrets_type: u32, data: Vec<u8> },
    Names(Vec<HostName>),
}

/// Due time of an input's next packet. Equal times are ordered by slot, so that the result never depends on the heap.
type Due = (Timestamp, usize);

impl CaptureSet {
    /// Finds the captures that `paths` name and sorts them by the time of the first packet, then by path.
    ///
    /// A directory stands for all files in and below it, `-` for standard input. A single input stays open. Of several,
    /// each file is opened to read its first packet and closed again. Inputs that cannot be read are delivered as
    /// [`Input::Failed`] before the first packet.
    #[must_use]
    pub fn open(paths: &[PathBuf], options: ReadOptions) -> Self {
        Self::open_listing(InputListing::of(paths), options)
    }

    /// Does the same as [`open`](Self::open). Once `stop` is true, standard input, pipes and devices end as soon as they are
    /// quiet, or a second later.
    #[must_use]
    pub fn open_until(paths: &[PathBuf], stop: &Arc<AtomicBool>, options: ReadOptions) -> Self {
        let mut listing = InputListing::of(paths);
        listing.stop_pipes_at(stop);
        Self::open_listing(listing, options)
    }

    fn open_listing(listing: InputListing, options: ReadOptions) -> Self {
        let mut set = Self::empty(options);
        set.failures = listing.failures;
        set.skipped_files = listing.skipped_files;
        let alone = listing.candidates.len() == 1;
        let mut captures = vec![0_usize; listing.directories.len()];
        let mut others = vec![0_usize; listing.directories.len()];
        for candidate in listing.candidates {
            let directory = candidate.directory;
            let path = candidate.path.clone();
            let count = match set.probe(candidate, alone) {
                Ok(()) => &mut captures,
                // A directory usually holds other files too. The same file named by the user is an error.
                Err(error @ (Error::NotACapture { .. } | Error::Empty { .. }))
                    if directory.is_some() =>
                {
                    if has_capture_name(&path) {
                        set.damaged_files.push(error);
                    } else {
                        set.skipped_files.push(path);
                    }
                    &mut others
                }
                Err(error) => {
                    set.failures.push(error);
                    &mut captures
                }
            };
            if let Some(count) = directory.and_then(|index| count.get_mut(index)) {
                *count += 1;
            }
        }
        for ((directory, captures), files) in listing.directories.iter().zip(captures).zip(others) {
            if captures == 0 && !directory.failed {
                set.failures.push(Error::NoCapture {
                    path: printable_path(&directory.path),
                    files,
                });
            }
        }
        set.skipped_files.sort();
        set.sort();
        set
    }

    /// Reads captures from readers that the caller has opened, each with the name to show for it.
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

    /// Follows one file that is still being written: waits at its end until `stop` is true or the file shrinks or is
    /// replaced. Compressed files are rejected.
    #[must_use]
    pub fn follow(path: PathBuf, stop: Arc<AtomicBool>, options: ReadOptions) -> Self {
        let mut set = Self::empty(options);
        let name = printable_path(&path);
        match GrowingFile::open(path.clone(), stop) {
            Ok(file) => {
                set = Self::from_readers(vec![(path, Box::new(file))], options);
                let compression = set
                    .slots
                    .first()
                    .and_then(|slot| slot.reader.as_ref()?.reader.compression());
                // A decoder cannot resume behind an unfinished frame, so it would fail at the first wait.
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

    /// Returns the files in the given directories that are not captures, sorted by path.
    #[must_use]
    pub fn skipped_files(&self) -> &[PathBuf] {
        &self.skipped_files
    }

    /// Takes the errors of files in the given directories that have the name of a capture, such as `a.pcap` or `b.pcapng.gz`, and
    /// are empty or something else: damaged ones, most likely. They are no failures of the run.
    #[must_use]
    pub fn take_damaged_files(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.damaged_files)
    }

    /// Returns the paths of the inputs in timeline order.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.slots.iter().map(|slot| slot.path.clone()).collect()
    }

    fn empty(options: ReadOptions) -> Self {
        Self {
            slots: Vec::new(),
            failures: Vec::new(),
            skipped_files: Vec::new(),
            damaged_files: Vec::new(),
            options,
            packets: 0,
            outside_time_bounds: 0,
            open: 0,
            started: false,
        }
    }

    /// Opens an input and reads to its first packet. The input stays open if it is `alone` or cannot be opened twice.
    fn probe(&mut self, candidate: Candidate, alone: bool) -> Result<(), Error> {
        let keep = alone || !candidate.origin.can_be_reopened();
        let capacity = if keep {
            self.capacity()
        } else {
            PROBE_CAPACITY
        };
        let mut slot = InputSlot {
            name: printable_path(&candidate.path),
            origin: candidate.origin,
            path: candidate.path,
            first_time: None,
            reader: None,
            format: String::new(),
            links: Vec::new(),
            counts: CaptureCounts::default(),
            started: false,
            last: None,
        };
        let opened = slot.open(capacity, self.options.window_limit)?;
        slot.first_time = opened.position;
        slot.update_from(&opened.reader);
        if keep {
            slot.reader = Some(opened);
            self.open += 1;
        }
        self.slots.push(slot);
        Ok(())
    }

    /// Returns the buffer size in bytes for one more open input: large for the first 64, small for the rest.
    fn capacity(&self) -> usize {
        if self.open < LARGE_BUFFERS {
            record_buffer::CAPACITY
        } else {
            PROBE_CAPACITY
        }
    }

    fn sort(&mut self) {
        // Inputs without a packet have no place on the timeline; they go last.
        self.slots.sort_by(|one, other| {
            let key = |slot: &InputSlot| (slot.first_time.is_none(), slot.first_time);
            key(one)
                .cmp(&key(other))
                .then_with(|| one.path.as_os_str().cmp(other.path.as_os_str()))
        });
    }

    /// Delivers failures, then all inputs in timeline order.
    fn run(&mut self, deliver: Deliver<'_>) -> ControlFlow<()> {
        self.started = true;
        for failure in std::mem::take(&mut self.failures) {
            deliver(Input::Failed(failure))?;
        }
        let mut due: BinaryHeap<Reverse<Due>> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| !slot.counts.ended)
            .filter_map(|(index, slot)| Some(Reverse((slot.first_time?, index))))
            .collect();
        while let Some(Reverse((_, index))) = due.pop() {
            if !self.has_started(index) && !self.start(index, deliver)? {
                continue;
            }
            let limit = due.peek().map(|Reverse(limit)| *limit);
            if let Some(next) = self.run_until(index, limit, deliver)? {
                due.push(Reverse((next, index)));
            }
        }
        for index in 0..self.slots.len() {
            if !self.has_started(index) {
                self.start(index, deliver)?;
                self.run_until(index, None, deliver)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn has_started(&self, index: usize) -> bool {
        self.slots
            .get(index)
            .is_none_or(|slot| slot.started || slot.counts.ended)
    }

    /// Opens an input if necessary and delivers its start and preamble. Returns false if it cannot be opened.
    fn start(&mut self, index: usize, deliver: Deliver<'_>) -> ControlFlow<(), bool> {
        let (capacity, window_limit) = (self.capacity(), self.options.window_limit);
        let Some(slot) = self.slots.get_mut(index) else {
            return ControlFlow::Continue(false);
        };
        slot.started = true;
        if slot.reader.is_none() {
            match slot.open(capacity, window_limit) {
                Ok(opened) => {
                    slot.reader = Some(opened);
                    self.open += 1;
                }
                // The file was readable when it was probed; it was removed or replaced since.
                Err(error) => {
                    slot.counts.ended = true;
                    deliver(Input::Failed(error))?;
                    return ControlFlow::Continue(false);
                }
            }
        }
        deliver(Input::CaptureStart(&slot.capture(false)))?;
        if let Some(opened) = &mut slot.reader {
            let preamble = std::mem::take(&mut opened.preamble);
            preamble.deliver(&slot.name, &mut slot.counts, deliver)?;
        }
        ControlFlow::Continue(true)
    }

    /// Delivers one input's packets until another input's packet is due at `limit`. Returns the time of its next
    /// packet, `None` at its end.
    fn run_until(
        &mut self,
        index: usize,
        limit: Option<Due>,
        deliver: Deliver<'_>,
    ) -> ControlFlow<(), Option<Timestamp>> {
        let Some(slot) = self.slots.get_mut(index) else {
            return ControlFlow::Continue(None);
        };
        let Some(opened) = slot.reader.as_mut() else {
            return ControlFlow::Continue(None);
        };
        let capture = u32::try_from(index).unwrap_or(u32::MAX);
        let earliest = self.options.since.unwrap_or_default();
        let latest = self.options.until;
        while opened.position.is_some() {
            let record = opened.reader.record();
            if limit.is_some_and(|limit| (record.time, index) > limit) {
                opened.position = Some(record.time);
                return ControlFlow::Continue(opened.position);
            }
            // Numbered before the time bounds are applied: frame numbers in reports stay those that Wireshark shows.
            self.packets += 1;
            slot.counts.add(record.time, record.len);
            let frame = FrameRef {
                time: record.time,
                number: self.packets,
                place: CapturePlace::new(capture, slot.counts.packets),
            };
            slot.last = Some(frame);
            if record.has_notes {
                deliver(Input::Notes(&opened.reader.notes(frame)))?;
            }
            if record.time >= earliest && latest.is_none_or(|latest| record.time < latest) {
                deliver(Input::Packet(Packet {
                    frame,
                    link: record.link,
                    wire_len: record.wire_len,
                    data: opened.reader.data(),
                }))?;
            } else {
                self.outside_time_bounds += 1;
            }
            loop {
                match opened.reader.advance() {
                    Advance::Packet => break,
                    // A followed file: time stands still, but what waits for something else than packets goes on.
                    Advance::Idle => {
                        let time = slot.last.map_or(Timestamp::default(), |frame| frame.time);
                        deliver(Input::Tick(time))?;
                    }
                    Advance::Secrets => deliver(Input::Secrets(opened.reader.secrets()))?,
                    Advance::Section => {
                        if let Some(last) = slot.last {
                            deliver(Input::SectionStart(last))?;
                        }
                    }
                    Advance::Names => deliver(Input::Names(&opened.reader.names()))?,
                    Advance::Notice(notice) => {
                        slot.counts.note(&notice);
                        deliver(Input::Warning(notice.warning(&slot.name, slot.last)))?;
                    }
                    Advance::Failed(cause) => {
                        opened.failure = Some(cause);
                        opened.position = None;
                        break;
                    }
                    Advance::End => {
                        opened.position = None;
                        break;
                    }
                }
            }
        }
        let ended = slot.reader.take();
        slot.counts.ended = true;
        self.open = self.open.saturating_sub(1);
        if let Some(opened) = ended {
            slot.finish(opened, deliver)?;
        }
        ControlFlow::Continue(None)
    }
}

impl InputSlot {
    /// Opens the input and reads to its first packet.
    fn open(&mut self, capacity: usize, window_limit: u64) -> Result<OpenInput, Error> {
        let reader = CaptureReader::open(&mut self.origin, &self.name, capacity, window_limit)?;
        let mut opened = OpenInput {
            reader,
            preamble: Preamble::default(),
            failure: None,
            position: None,
        };
        loop {
            match opened.reader.advance() {
                Advance::Packet => {
                    opened.position = Some(opened.reader.record().time);
                    break;
                }
                Advance::Secrets => opened.preamble.keep_secrets(opened.reader.secrets()),
                Advance::Names => opened.preamble.keep_names(opened.reader.names()),
                Advance::Notice(notice) => opened.preamble.keep_notice(notice),
                Advance::Idle | Advance::Section => {}
                Advance::Failed(cause) => {
                    opened.failure = Some(cause);
                    break;
                }
                Advance::End => break,
            }
        }
        Ok(opened)
    }

    /// Copies format and link types from the reader, which learns of more interfaces as it goes.
    fn update_from(&mut self, reader: &CaptureReader) {
        self.format = reader.format_name();
        self.links = reader.links().iter().map(ToString::to_string).collect();
    }

    /// Records the end of the input and delivers the error that ended it, if any.
    fn finish(&mut self, mut opened: OpenInput, deliver: Deliver<'_>) -> ControlFlow<()> {
        self.update_from(&opened.reader);
        if let Some(cause) = opened.failure.take() {
            self.counts.truncated = true;
            let packets = self.counts.packets;
            let error = opened.reader.name_failure(&self.name, cause, packets);
            deliver(Input::Failed(error))?;
        }
        ControlFlow::Continue(())
    }

    /// Builds the report's record of this input, without counts unless `counted`.
    fn capture(&self, counted: bool) -> Capture {
        let (path, path_b64) = wire_text::decode(self.path.as_os_str().as_encoded_bytes());
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
            // Unknown until the end was reached, even if a warning about a cut has already been delivered.
            truncated: counts
                .filter(|counts| counts.ended)
                .map(|counts| counts.truncated),
            drops: None,
        }
    }
}

impl Preamble {
    fn keep_notice(&mut self, notice: Notice) {
        self.items.push(PreambleItem::Notice(notice));
    }

    /// Copies secrets within the limits. A hostile file could hold gigabytes of them before its first packet.
    fn keep_secrets(&mut self, secrets: Secrets<'_>) {
        let bytes = self.secrets_bytes.saturating_add(secrets.data.len());
        if self.secrets_blocks >= MAX_PREAMBLE_BLOCKS || bytes > MAX_PREAMBLE_BYTES {
            self.omitted += 1;
            return;
        }
        self.secrets_blocks += 1;
        self.secrets_bytes = bytes;
        self.items.push(PreambleItem::Secrets {
            secrets_type: secrets.secrets_type,
            data: secrets.data.to_vec(),
        });
    }

    /// Keeps names of hosts within a limit. A hostile file could hold gigabytes of them before its first packet.
    fn keep_names(&mut self, names: Vec<HostName>) {
        if self.names + names.len() <= MAX_PREAMBLE_NAMES {
            self.names += names.len();
            self.items.push(PreambleItem::Names(names));
        }
    }

    /// Delivers the items in file order, then a warning if secrets were omitted.
    fn deliver(
        self,
        name: &str,
        counts: &mut CaptureCounts,
        deliver: Deliver<'_>,
    ) -> ControlFlow<()> {
        for item in self.items {
            match item {
                PreambleItem::Notice(notice) => {
                    counts.note(&notice);
                    deliver(Input::Warning(notice.warning(name, None)))?;
                }
                PreambleItem::Secrets { secrets_type, data } => {
                    deliver(Input::Secrets(Secrets {
                        secrets_type,
                        data: &data,
                    }))?;
                }
                PreambleItem::Names(names) => deliver(Input::Names(&names))?,
            }
        }
        if self.omitted > 0 {
            deliver(Input::Warning(Warning {
                code: WarningCode::LimitReached,
                message: format!(
                    "{name}: {} blocks of decryption secrets were too many to keep",
                    self.omitted
                ),
                count: self.omitted,
                frame: None,
            }))?;
        }
        ControlFlow::Continue(())
    }
}

impl PacketSource for CaptureSet {
    fn for_each(&mut self, deliver: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        // The caller broke the run itself and knows why.
        let _ = self.run(deliver);
    }

    fn captures(&self) -> Vec<Capture> {
        self.slots
            .iter()
            .map(|slot| slot.capture(self.started))
            .collect()
    }

    fn skipped(&self) -> SkippedPackets {
        SkippedPackets {
            filtered: 0,
            outside_time_bounds: self.outside_time_bounds,
        }
    }
}

/// A file or stream that may be a capture.
pub(super) struct Candidate {
    pub(super) origin: Origin,
    /// Path to show in messages and reports.
    pub(super) path: PathBuf,
    /// Index of the directory it was found in; `None` if the user named it.
    pub(super) directory: Option<usize>,
}

/// Returns true for a name that ends as those of captures do: `.pcap`, `.pcapng` or `.cap`, behind it the number of a ring
/// (`a.pcap3`, `a.pcap.3`) and a compression.
fn has_capture_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let is_suffix = |part: &&str| {
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        is_number || matches!(*part, "gz" | "zst" | "lz4" | "xz")
    };
    let mut endings = name.split('.').skip(1).collect::<Vec<_>>();
    while endings.pop_if(|part| is_suffix(&&**part)).is_some() {}
    endings.last().is_some_and(|ending| {
        let ending = ending.trim_end_matches(|one: char| one.is_ascii_digit());
        matches!(ending, "pcap" | "pcapng" | "cap")
    })
}

/// A directory named by the user.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// Set if this directory or one below it could not be listed.
    pub(super) failed: bool,
}

/// Expansion of a list of paths.
#[derive(Default)]
pub(super) struct InputListing {
    pub(super) candidates: Vec<Candidate>,
    pub(super) directories: Vec<Directory>,
    /// Directory entries that are neither regular files nor directories.
    pub(super) skipped_files: Vec<PathBuf>,
    pub(super) failures: Vec<Error>,
}

impl InputListing {
    /// Expands `paths`; `-` is standard input.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut listing = Self::default();
        let mut standard_input = false;
        for path in paths {
            if path.as_os_str() == "-" {
                if standard_input {
                    listing.failures.push(Error::StandardInputTwice);
                    continue;
                }
                standard_input = true;
                listing.add(Origin::StandardInput, path.clone(), None);
                continue;
            }
            match fs::metadata(path) {
                Err(cause) => listing.fail(path, cause),
                Ok(found) if found.is_dir() => {
                    let index = listing.directories.len();
                    let failed = listing.walk(path, index);
                    listing.directories.push(Directory {
                        path: path.clone(),
                        failed,
                    });
                }
                Ok(found) if found.is_file() => {
                    listing.add(Origin::File(path.clone()), path.clone(), None);
                }
                Ok(_) => listing.add(Origin::Pipe(path.clone()), path.clone(), None),
            }
        }
        listing
    }

    /// Opens standard input, pipes and devices so that they end once `stop` is true.
    fn stop_pipes_at(&mut self, stop: &Arc<AtomicBool>) {
        let candidates = std::mem::take(&mut self.candidates);
        for mut candidate in candidates {
            let opened = match &candidate.origin {
                Origin::StandardInput => PipeSource::standard_input(),
                Origin::Pipe(path) => open_without_waiting(path),
                Origin::File(_) | Origin::Reader(_) => {
                    self.candidates.push(candidate);
                    continue;
                }
            };
            match opened {
                Ok(file) => {
                    let pipe = StoppablePipe::new(file, Arc::clone(stop));
                    candidate.origin = Origin::Reader(Some(Box::new(pipe)));
                    self.candidates.push(candidate);
                }
                Err(cause) => self.fail(&candidate.path, cause),
            }
        }
    }

    /// Adds the files in and below directory `top`, sorted by path. Returns true if a directory could not be listed.
    fn walk(&mut self, top: &Path, index: usize) -> bool {
        let failures = self.failures.len();
        let mut found = Vec::new();
        let mut unvisited = vec![top.to_path_buf()];
        while let Some(directory) = unvisited.pop() {
            if let Err(cause) = self.read_directory(&directory, &mut unvisited, &mut found) {
                self.fail(&directory, cause);
            }
        }
        found.sort();
        for path in found {
            self.add(Origin::File(path.clone()), path, Some(index));
        }
        self.failures.len() > failures
    }

    fn read_directory(
        &mut self,
        directory: &Path,
        unvisited: &mut Vec<PathBuf>,
        found: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            // `DirEntry::file_type` does not follow links: a link to a directory may lead in a circle.
            if entry.file_type()?.is_dir() {
                unvisited.push(path);
            } else if fs::metadata(&path).is_ok_and(|target| target.is_file()) {
                found.push(path);
            } else {
                // Opening a pipe or a device found by chance may block for ever.
                self.skipped_files.push(path);
            }
        }
        Ok(())
    }

    fn add(&mut self, origin: Origin, path: PathBuf, directory: Option<usize>) {
        self.candidates.push(Candidate {
            origin,
            path,
            directory,
        });
    }

    fn fail(&mut self, path: &Path, cause: io::Error) {
        self.failures.push(Error::Io {
            path: printable_path(path),
            cause,
        });
    }
}

/// Formats a path for a message: one line, without control characters that a terminal would obey.
pub(super) fn printable_path(path: &Path) -> String {
    wire_text::printable(&path.to_string_lossy()).into_owned()
}

/// Buffer size in bytes for reading a first packet, and for inputs beyond [`LARGE_BUFFERS`].
const PROBE_CAPACITY: usize = 16 << 10;
/// Open inputs that may have a large buffer at the same time: 16 MiB in all.
const LARGE_BUFFERS: usize = 64;
/// Secrets blocks kept before the first packet of an input.
const MAX_PREAMBLE_BLOCKS: usize = 10_000;
/// Names of hosts kept before the first packet of an input; as many as Wireshark reads of them.
const MAX_PREAMBLE_NAMES: usize = 65_536;
/// Bytes of secrets kept before the first packet of an input: 16 MiB hold the log lines of 95,000 TLS 1.2 sessions.
const MAX_PREAMBLE_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests;
