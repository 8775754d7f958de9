//! Files that are saved while transfers arrive, and lists that are kept up to date.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::extract::{Error, Extractor};
use crate::model::record::{Completeness, Decoded};
use crate::model::{ContentId, Settled, StoreError, Stored, TransferSink, Warning, WarningCode};

/// The folder of a run, or nothing.
pub(super) struct Extraction {
    /// What was asked for; the folder of a run may be one in it.
    folder: PathBuf,
    extractor: Option<Extractor>,
    /// The folder before, as long as files there grow.
    before: Option<Before>,
    /// Transfers in the lists of one folder.
    most: usize,
    /// The disk is full: nothing more is saved until files are asked to be opened again.
    stopped: bool,
    /// Files that were begun or went on while nothing was saved: they have holes, which nobody must take for content.
    given_up: BTreeSet<ContentId>,
    warnings: Vec<Warning>,
    refreshed: Instant,
    /// How long the lists may be behind.
    pause: Duration,
    changed: bool,
    failed: bool,
    /// The next folder could not be made: not tried again before this.
    not_before: Option<Instant>,
}

/// A folder that gets no new files.
struct Before {
    extractor: Extractor,
    since: Instant,
}

/// The bytes of transfers on their way to an [`Extraction`] that others look after too.
pub(super) struct ToExtraction<'a>(pub(super) &'a RefCell<Extraction>);

impl Extraction {
    /// Saves with `extractor`, where there is one, which was made for `folder`.
    pub(super) fn new(extractor: Option<Extractor>, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            extractor,
            before: None,
            most: MOST_TRANSFERS,
            stopped: false,
            given_up: BTreeSet::new(),
            warnings: Vec::new(),
            refreshed: Instant::now(),
            pause: LEAST_PAUSE,
            changed: false,
            failed: false,
            not_before: None,
        }
    }

    /// Removes the files of sessions that turned out not to be asked for.
    pub(super) fn withdraw(&mut self, sessions: &BTreeSet<u64>) {
        let mut failures = Vec::new();
        for extractor in self.extractors() {
            failures.extend(extractor.withdraw(sessions).err());
        }
        for error in failures {
            self.warn(error.to_string());
        }
    }

    /// Brings the lists up to date where something has changed; what is to be told.
    pub(super) fn look_after(&mut self) -> Vec<Warning> {
        if self.changed && self.refreshed.elapsed() >= self.pause {
            let began = Instant::now();
            let mut failure = None;
            for extractor in self.extractors() {
                failure = extractor.refresh().err().or(failure);
            }
            self.changed = failure.is_some();
            let told = std::mem::replace(&mut self.failed, failure.is_some());
            if let Some(error) = failure.filter(|_| !told) {
                self.warn(error.to_string());
            }
            self.refreshed = Instant::now();
            // Long lists take long to write.
            self.pause = (began.elapsed() * 20).clamp(LEAST_PAUSE, LONGEST_PAUSE);
            self.turn();
        }
        std::mem::take(&mut self.warnings)
    }

    /// Finishes the folder before once nothing is said of its files any more, and begins a new one where the lists of this one
    /// are long: they are written whole each time, and a run may last for weeks.
    fn turn(&mut self) {
        let is_full = self
            .extractor
            .as_ref()
            .is_some_and(|extractor| extractor.transfers() >= self.most);
        if let Some(before) = &self.before
            && before.extractor.is_idle()
            && (is_full || before.since.elapsed() >= LAST_WORDS)
            && let Some(before) = self.before.take()
            && let Err(error) = before.extractor.finish()
        {
            self.warn(error.to_string());
        }
        if !is_full
            || self.before.is_some()
            || self.stopped
            || self.not_before.is_some_and(|time| Instant::now() < time)
        {
            return;
        }
        match Extractor::create(&self.folder) {
            Ok(next) => {
                let since = Instant::now();
                self.before = self
                    .extractor
                    .replace(next)
                    .map(|extractor| Before { extractor, since });
            }
            Err(error) => {
                self.not_before = Instant::now().checked_add(BETWEEN_ATTEMPTS);
                self.warn(error.to_string());
            }
        }
    }

    /// Leaves the folders as they are to be found.
    pub(super) fn finish(self) -> Result<(), Error> {
        let before = self.before.map(|before| before.extractor);
        let mut outcome = Ok(());
        for extractor in before.into_iter().chain(self.extractor) {
            outcome = outcome.and(extractor.finish().map(|_| ()));
        }
        outcome
    }

    fn extractors(&mut self) -> impl Iterator<Item = &mut Extractor> {
        let before = self.before.as_mut().map(|before| &mut before.extractor);
        before.into_iter().chain(self.extractor.as_mut())
    }

    /// Where the bytes of a stream go.
    fn place_of(&mut self, id: ContentId) -> Option<&mut Extractor> {
        match &mut self.before {
            Some(before) if before.extractor.holds(id) => Some(&mut before.extractor),
            _ => self.extractor.as_mut(),
        }
    }

    /// Files are saved again, if there was a reason to stop.
    pub(super) fn reopen(&mut self) {
        self.stopped = false;
    }

    fn warn(&mut self, message: String) {
        self.warnings
            .push(Warning::new(WarningCode::OutputFailed, message, None));
    }

    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        if self.stopped {
            if self.given_up.insert(id) {
                self.discard(id);
            }
        } else if !self.given_up.contains(&id)
            && let Some(extractor) = self.place_of(id)
        {
            extractor.write(id, offset, bytes);
        }
    }

    fn discard(&mut self, id: ContentId) {
        if let Some(extractor) = self.place_of(id) {
            extractor.discard(id);
        }
    }

    /// Saves a file with `save`, unless it was given up.
    fn store(
        &mut self,
        id: ContentId,
        save: impl FnOnce(&mut Extractor) -> Result<Stored, StoreError>,
    ) -> Result<Stored, StoreError> {
        if self.given_up.remove(&id) || self.stopped {
            self.discard(id);
            return Ok(Stored::default());
        }
        let Some(extractor) = self.place_of(id) else {
            return Ok(Stored::default());
        };
        let stored = save(extractor);
        self.changed = true;
        if let Err(error) = &stored
            && is_full(&error.0)
            && !std::mem::replace(&mut self.stopped, true)
        {
            self.warn(format!(
                "{}; no more files are saved, everything else goes on; make room and send SIGHUP",
                error.0
            ));
        }
        stored
    }
}

impl TransferSink for ToExtraction<'_> {
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        self.0.borrow_mut().write(id, offset, bytes);
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError> {
        self.0
            .borrow_mut()
            .store(id, |extractor| extractor.settle(id, settled))
    }

    fn discard(&mut self, id: ContentId) {
        let mut own = self.0.borrow_mut();
        own.given_up.remove(&id);
        own.discard(id);
    }

    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: &Decoded,
    ) -> Result<Stored, StoreError> {
        self.0.borrow_mut().store(id, |extractor| {
            extractor.settle_decoded(id, settled, decoded)
        })
    }

    fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        let mut own = self.0.borrow_mut();
        for extractor in own.extractors() {
            extractor.revise(session, transfer, completeness);
        }
        own.changed = true;
    }
}

/// No space, no quota left, or a disk that was made read-only; the sink tells it in the words of the system, with its number.
fn is_full(words: &str) -> bool {
    ["(os error 28)", "(os error 122)", "(os error 30)"]
        .iter()
        .any(|number| words.contains(number))
}

/// The lists are brought up to date no more often than this, and no less often than that.
const LEAST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(9);
/// Transfers in the lists of one folder: some 10 MB, which are written in a moment.
const MOST_TRANSFERS: usize = 20_000;
/// How long the session of a file may go on to say something of it.
const LAST_WORDS: Duration = Duration::from_mins(10);
/// How long after a folder could not be made that is tried again.
const BETWEEN_ATTEMPTS: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Timestamp};
    use crate::scratch_folder::ScratchFolder;

    fn settled(transfer: u64, bytes: u64) -> Settled<'static> {
        Settled {
            session: Some(1),
            transfer: Some(transfer),
            client: Endpoint::v4([192, 0, 2, 10], 39_021),
            server: Endpoint::v4([192, 0, 2, 1], 21),
            first_frame: transfer,
            verb: "RETR",
            path: Some(b"/file"),
            argument: None,
            completeness: Completeness::Complete,
            bytes,
            missing_ranges: &[],
            restart_offset: 0,
            plain: true,
            told_size: None,
            length: bytes,
            sha256: Some("0"),
            md5: None,
            sha1: None,
            media_type: None,
            decoded: None,
            start: Timestamp::default(),
            end: Timestamp::default(),
        }
    }

    fn extraction(name: &str) -> (RefCell<Extraction>, ScratchFolder) {
        let path = ScratchFolder::new(name);
        let extractor = Extractor::create(&path).expect("a folder");
        let mut extraction = Extraction::new(Some(extractor), &path);
        extraction.pause = Duration::ZERO;
        (RefCell::new(extraction), path)
    }

    fn listed(folder: &Path) -> usize {
        let text = std::fs::read(folder.join("manifest.json")).expect("a list");
        let list: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        list["transfers"].as_array().map_or(0, Vec::len)
    }

    #[test]
    fn long_lists_are_followed_by_a_new_folder_and_files_that_grow_stay_in_theirs() {
        let (extraction, path) = extraction("long-lists");
        extraction.borrow_mut().most = 2;
        let mut sink = ToExtraction(&extraction);
        let growing = ContentId(100);
        sink.write(growing, 0, &[1; 10_000]);
        for transfer in 1..=3 {
            sink.write(ContentId(transfer), 0, b"abc");
            let stored = sink.settle(ContentId(transfer), &settled(transfer, 3));
            assert!(stored.expect("saved").saved_as.is_some());
            extraction.borrow_mut().pause = Duration::ZERO;
            assert!(extraction.borrow_mut().look_after().is_empty());
        }
        sink.write(growing, 10_000, &[2; 10_000]);
        let stored = sink.settle(growing, &settled(4, 20_000));
        let saved_as = stored.expect("saved").saved_as.expect("a name");
        extraction.into_inner().finish().expect("finished");
        assert_eq!((listed(&path), listed(&path.join("run-2"))), (3, 1));
        let bytes = std::fs::read(path.join(saved_as)).expect("a file");
        assert_eq!(bytes, [vec![1; 10_000], vec![2; 10_000]].concat());
        for folder in [&*path, &path.join("run-2")] {
            assert!(!folder.join(".unfinished").exists());
        }
    }

    #[test]
    fn a_file_that_was_not_saved_for_a_while_is_not_saved_with_a_hole() {
        let (extraction, path) = extraction("given-up");
        let mut sink = ToExtraction(&extraction);
        let (before, during) = (ContentId(1), ContentId(2));
        sink.write(before, 0, b"abc");
        extraction.borrow_mut().stopped = true;
        sink.write(before, 3, b"def");
        sink.write(during, 0, b"abc");
        extraction.borrow_mut().reopen();
        sink.write(before, 6, b"ghi");
        sink.write(during, 3, b"def");
        for (id, bytes) in [(before, 9), (during, 6)] {
            let stored = sink.settle(id, &settled(id.0, bytes)).expect("settled");
            assert_eq!(stored.saved_as, None);
        }
        let after = ContentId(3);
        sink.write(after, 0, b"abc");
        let stored = sink.settle(after, &settled(3, 3)).expect("settled");
        assert!(stored.saved_as.is_some());
        extraction.into_inner().finish().expect("finished");
        assert_eq!(listed(&path), 1);
    }
}
