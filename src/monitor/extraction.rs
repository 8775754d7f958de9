//! Extraction for runs of weeks: manifests stay current, a full disk does no harm, long lists begin a new folder.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{Notice, Notify};
use crate::extract::{Error, Extractor, is_disk_full};
use crate::model::record::{Completeness, Decoded};
use crate::model::{ContentId, Settled, StoreError, Stored, TransferSink, Warning, WarningCode};
use crate::report::units;

/// An extractor that is maintained while transfers arrive, or one that saves nothing.
pub(super) struct ContinuousExtractor {
    /// The folder asked for; the folders of a run may lie in it.
    folder: PathBuf,
    /// `None` if nothing is saved.
    extractor: Option<Extractor>,
    /// The previous folder as long as files in it grow.
    previous: Option<PreviousFolder>,
    /// Transfers listed in one folder before the next one begins.
    transfer_limit: usize,
    /// Set by a full disk; nothing more is saved until [`resume`](Self::resume).
    stopped: bool,
    /// Set when saving goes on, until the first file is saved.
    resuming: bool,
    /// Files that were not saved since the disk became full.
    unsaved: u64,
    /// Files begun or continued while stopped: they have holes that must not pass for content.
    abandoned: BTreeSet<ContentId>,
    warnings: Vec<Warning>,
    refreshed: Instant,
    /// Time between two updates of the manifest.
    interval: Duration,
    changed: bool,
    /// True if the last update failed, which is warned of once.
    failed: bool,
    /// Earliest time of the next attempt to create a folder; `None` unless the last attempt failed.
    retry_at: Option<Instant>,
}

/// A folder that receives no new files.
struct PreviousFolder {
    extractor: Extractor,
    since: Instant,
}

/// A [`ContinuousExtractor`] that is also used between packets.
pub(super) struct SharedExtractor<'a>(pub(super) &'a RefCell<ContinuousExtractor>);

/// Creates the folder `named` for extracted files, or a `run-N` in it, and notices its properties; `None` without a name.
pub fn open_extractor(named: Option<&Path>, notify: &Notify) -> Result<Option<Extractor>, Error> {
    let Some(named) = named else {
        return Ok(None);
    };
    let extractor = Extractor::create(named)?;
    let used = extractor.folder();
    if used != named {
        notify(&Notice::EarlierRun { named, used });
    }
    notify(&Notice::FilesHoldSecrets(used));
    Ok(Some(extractor))
}

impl ContinuousExtractor {
    /// Wraps the extractor that was created for `folder`; `None` for one that saves nothing.
    pub(super) fn new(extractor: Option<Extractor>, folder: Option<&Path>) -> Self {
        Self {
            folder: folder.unwrap_or(Path::new("")).to_owned(),
            extractor,
            previous: None,
            transfer_limit: TRANSFER_LIMIT,
            stopped: false,
            resuming: false,
            unsaved: 0,
            abandoned: BTreeSet::new(),
            warnings: Vec::new(),
            refreshed: Instant::now(),
            interval: MIN_INTERVAL,
            changed: false,
            failed: false,
            retry_at: None,
        }
    }

    /// Removes the files of sessions that are not selected after all.
    pub(super) fn withdraw(&mut self, sessions: &BTreeSet<u64>) {
        let mut failures = Vec::new();
        for extractor in self.extractors() {
            failures.extend(extractor.withdraw(sessions).err());
        }
        for error in failures {
            self.warn(error.to_string());
        }
    }

    /// Updates the manifests if something has changed, and returns the warnings since the last call.
    pub(super) fn maintain(&mut self) -> Vec<Warning> {
        if self.changed && self.refreshed.elapsed() >= self.interval {
            let began = Instant::now();
            let mut failure = None;
            for extractor in self.extractors() {
                failure = extractor.refresh().err().or(failure);
            }
            self.changed = failure.is_some();
            let is_known = std::mem::replace(&mut self.failed, failure.is_some());
            match failure {
                Some(error) if !is_known => self.warn(error.to_string()),
                None if is_known => {
                    self.warn("manifest.json and SHA256SUMS are written again".to_owned());
                }
                _ => {}
            }
            self.refreshed = Instant::now();
            // Manifests are rewritten whole: with this interval, writing takes at most a twentieth of the time.
            self.interval = (began.elapsed() * 20).clamp(MIN_INTERVAL, MAX_INTERVAL);
            self.rotate_folder();
        }
        std::mem::take(&mut self.warnings)
    }

    /// Finishes the previous folder once its files are settled, and begins a new one if the lists of this one are long.
    fn rotate_folder(&mut self) {
        let is_full = self
            .extractor
            .as_ref()
            .is_some_and(|extractor| extractor.transfers() >= self.transfer_limit);
        if let Some(previous) = &self.previous
            && previous.extractor.is_idle()
            && (is_full || previous.since.elapsed() >= REVISION_TIME)
            && let Some(previous) = self.previous.take()
            && let Err(error) = previous.extractor.finish()
        {
            self.warn(error.to_string());
        }
        if !is_full
            || self.previous.is_some()
            || self.stopped
            || self.retry_at.is_some_and(|time| Instant::now() < time)
        {
            return;
        }
        match Extractor::create(&self.folder) {
            Ok(next) => {
                let since = Instant::now();
                self.previous = self
                    .extractor
                    .replace(next)
                    .map(|extractor| PreviousFolder { extractor, since });
            }
            Err(error) => {
                self.retry_at = Instant::now().checked_add(RETRY_INTERVAL);
                self.warn(error.to_string());
            }
        }
    }

    /// Returns the warnings since the last [`maintain`](Self::maintain), at the end of the run; none while nothing is saved: the
    /// report of the run says that itself.
    pub(super) fn last_warnings(&mut self) -> Vec<Warning> {
        if self.stopped {
            return Vec::new();
        }
        std::mem::take(&mut self.warnings)
    }

    /// Completes all folders.
    pub(super) fn finish(self) -> Result<(), Error> {
        let previous = self.previous.map(|previous| previous.extractor);
        let mut outcome = Ok(());
        for extractor in previous.into_iter().chain(self.extractor) {
            outcome = outcome.and(extractor.finish().map(|_| ()));
        }
        outcome
    }

    fn extractors(&mut self) -> impl Iterator<Item = &mut Extractor> {
        let previous = self.previous.as_mut().map(|folder| &mut folder.extractor);
        previous.into_iter().chain(self.extractor.as_mut())
    }

    /// Returns the extractor that holds the bytes of `id`, or else the current one.
    fn extractor_of(&mut self, id: ContentId) -> Option<&mut Extractor> {
        match &mut self.previous {
            Some(previous) if previous.extractor.holds(id) => Some(&mut previous.extractor),
            _ => self.extractor.as_mut(),
        }
    }

    /// Saves files again after a full disk.
    pub(super) fn resume(&mut self) {
        self.resuming |= std::mem::replace(&mut self.stopped, false);
    }

    /// Counts the files that are not saved on a full disk, and warns once when saving works again.
    fn count_saved(&mut self, stored: &Result<Stored, StoreError>) {
        let is_saved = stored
            .as_ref()
            .is_ok_and(|stored| stored.saved_as.is_some());
        if !is_saved && (self.stopped || self.resuming) {
            self.unsaved += 1;
        } else if is_saved && std::mem::take(&mut self.resuming) {
            let unsaved = std::mem::take(&mut self.unsaved);
            let lost = units::counted(unsaved, "file was", "files were");
            self.warn(format!("files are saved again; {lost} not saved"));
        }
    }

    fn warn(&mut self, message: String) {
        self.warnings
            .push(Warning::new(WarningCode::OutputFailed, message, None));
    }

    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        if self.stopped {
            if self.abandoned.insert(id) {
                self.discard(id);
            }
        } else if !self.abandoned.contains(&id)
            && let Some(extractor) = self.extractor_of(id)
        {
            extractor.write(id, offset, bytes);
        }
    }

    fn discard(&mut self, id: ContentId) {
        if let Some(extractor) = self.extractor_of(id) {
            extractor.discard(id);
        }
    }

    /// Lists a file that is not saved, or not whole, since the disk was full.
    fn list_unsaved(&mut self, settled: &Settled<'_>) {
        if let Some(extractor) = &mut self.extractor {
            extractor.list_unsaved(settled, "the disk was full");
            self.changed = true;
        }
    }

    /// Saves a file with `save`, unless it is abandoned.
    fn store(
        &mut self,
        id: ContentId,
        save: impl FnOnce(&mut Extractor) -> Result<Stored, StoreError>,
    ) -> Result<Stored, StoreError> {
        if self.abandoned.remove(&id) || self.stopped {
            self.discard(id);
            return Ok(Stored::default());
        }
        let Some(extractor) = self.extractor_of(id) else {
            return Ok(Stored::default());
        };
        let stored = save(extractor);
        // Before the event that names the file. A failure is reported with the next update of the lists.
        let _ = extractor.publish_sums();
        self.changed = true;
        if let Err(error) = &stored
            && is_disk_full(&error.0)
            && !std::mem::replace(&mut self.stopped, true)
        {
            self.resuming = false;
            self.warn(format!(
                "{}; no more files are saved, everything else goes on; make room and send SIGHUP",
                error.0
            ));
        }
        stored
    }
}

impl TransferSink for SharedExtractor<'_> {
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        self.0.borrow_mut().write(id, offset, bytes);
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError> {
        let mut own = self.0.borrow_mut();
        let stored = own.store(id, |extractor| extractor.settle(id, settled));
        own.count_saved(&stored);
        // Abandoned: the list names it all the same.
        if stored
            .as_ref()
            .is_ok_and(|stored| stored.saved_as.is_none())
        {
            own.list_unsaved(settled);
        }
        stored
    }

    fn discard(&mut self, id: ContentId) {
        let mut own = self.0.borrow_mut();
        own.abandoned.remove(&id);
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

/// Bounds of the time between two updates of the manifest.
const MIN_INTERVAL: Duration = Duration::from_millis(500);
const MAX_INTERVAL: Duration = Duration::from_secs(9);
/// Transfers listed in one folder: some 10 MB of manifest, written in a moment.
const TRANSFER_LIMIT: usize = 20_000;
/// Time for which the session of a settled file may still revise its completeness.
const REVISION_TIME: Duration = Duration::from_mins(10);
/// Time between two attempts to create a folder.
const RETRY_INTERVAL: Duration = Duration::from_mins(1);

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
            first_place: None,
            user: Some("mira"),
            verb: "RETR",
            path: Some(b"/file"),
            argument: None,
            shown: Some("/file"),
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

    fn extraction(name: &str) -> (RefCell<ContinuousExtractor>, ScratchFolder) {
        let path = ScratchFolder::new(name);
        let extractor = Extractor::create(&path).expect("a folder");
        let mut extraction = ContinuousExtractor::new(Some(extractor), Some(&path));
        extraction.interval = Duration::ZERO;
        (RefCell::new(extraction), path)
    }

    fn listed(folder: &Path) -> usize {
        let text = std::fs::read(folder.join("manifest.json")).expect("a list");
        let list: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        list["transfers"].as_array().map_or(0, Vec::len)
    }

    #[test]
    fn a_full_manifest_begins_a_new_folder_while_growing_files_stay_in_theirs() {
        let (extraction, path) = extraction("long-lists");
        extraction.borrow_mut().transfer_limit = 2;
        let mut sink = SharedExtractor(&extraction);
        let growing = ContentId(100);
        sink.write(growing, 0, &[1; 10_000]);
        for transfer in 1..=3 {
            sink.write(ContentId(transfer), 0, b"abc");
            let stored = sink.settle(ContentId(transfer), &settled(transfer, 3));
            assert!(stored.expect("saved").saved_as.is_some());
            extraction.borrow_mut().interval = Duration::ZERO;
            assert!(extraction.borrow_mut().maintain().is_empty());
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
    fn saving_that_works_again_is_reported_once_with_the_files_that_were_not_saved() {
        let (extraction, path) = extraction("works-again");
        let mut sink = SharedExtractor(&extraction);
        let save = |sink: &mut SharedExtractor<'_>, number: u64| {
            sink.write(ContentId(number), 0, b"abc");
            let stored = sink.settle(ContentId(number), &settled(number, 3));
            stored.expect("settled").saved_as.is_some()
        };
        assert!(save(&mut sink, 1));
        extraction.borrow_mut().stopped = true;
        assert!(!save(&mut sink, 2));
        assert!(!save(&mut sink, 3));
        // A second SIGHUP changes nothing.
        extraction.borrow_mut().resume();
        extraction.borrow_mut().resume();
        assert!(extraction.borrow_mut().warnings.is_empty());
        assert!(save(&mut sink, 4));
        assert!(save(&mut sink, 5));
        let warnings = extraction.borrow_mut().maintain();
        let messages: Vec<_> = warnings.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(messages, ["files are saved again; 2 files were not saved"]);
        extraction.into_inner().finish().expect("finished");
        drop(path);
    }

    #[test]
    fn a_file_continued_after_a_full_disk_is_not_saved() {
        let (extraction, path) = extraction("given-up");
        let mut sink = SharedExtractor(&extraction);
        let (before, during) = (ContentId(1), ContentId(2));
        sink.write(before, 0, b"abc");
        extraction.borrow_mut().stopped = true;
        sink.write(before, 3, b"def");
        sink.write(during, 0, b"abc");
        extraction.borrow_mut().resume();
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
        assert_eq!(listed(&path), 3);
    }

    #[test]
    fn each_file_that_a_full_disk_keeps_from_being_saved_is_listed_with_its_error() {
        let (extraction, path) = extraction("all-unsaved");
        let mut sink = SharedExtractor(&extraction);
        extraction.borrow_mut().stopped = true;
        for transfer in 1..=3 {
            sink.write(ContentId(transfer), 0, b"abc");
            let stored = sink.settle(ContentId(transfer), &settled(transfer, 3));
            assert_eq!(stored.expect("settled").saved_as, None);
        }
        extraction.into_inner().finish().expect("finished");
        let text = std::fs::read(path.join("manifest.json")).expect("a list");
        let list: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let transfers = list["transfers"].as_array().expect("a list");
        assert_eq!(transfers.len(), 3);
        for transfer in transfers {
            assert_eq!(
                transfer["error"],
                "cannot save /file of session 1: the disk was full"
            );
        }
    }
}
