//! Files that are saved while transfers arrive, and lists that are kept up to date.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::extract::Extractor;
use crate::model::record::{Completeness, Decoded};
use crate::model::{ContentId, Settled, StoreError, Stored, TransferSink, Warning, WarningCode};

/// The folder of a run, or nothing.
pub(super) struct Extraction {
    extractor: Option<Extractor>,
    /// The disk is full: nothing more is saved until files are asked to be opened again.
    stopped: bool,
    warnings: Vec<Warning>,
    refreshed: Instant,
    /// How long the lists may be behind.
    pause: Duration,
    changed: bool,
    failed: bool,
}

/// The bytes of transfers on their way to an [`Extraction`] that others look after too.
pub(super) struct ToExtraction<'a>(pub(super) &'a RefCell<Extraction>);

impl Extraction {
    /// Saves with `extractor`, where there is one.
    pub(super) fn new(extractor: Option<Extractor>) -> Self {
        Self {
            extractor,
            stopped: false,
            warnings: Vec::new(),
            refreshed: Instant::now(),
            pause: LEAST_PAUSE,
            changed: false,
            failed: false,
        }
    }

    /// Removes the files of sessions that turned out not to be asked for.
    pub(super) fn withdraw(&mut self, sessions: &BTreeSet<u64>) {
        if let Some(extractor) = &mut self.extractor
            && let Err(error) = extractor.withdraw(sessions)
        {
            self.warn(error.to_string());
        }
    }

    /// Brings the lists up to date where something has changed; what is to be told.
    pub(super) fn look_after(&mut self) -> Vec<Warning> {
        if self.changed && self.refreshed.elapsed() >= self.pause {
            self.changed = false;
            let began = Instant::now();
            if let Some(extractor) = &mut self.extractor {
                match extractor.refresh() {
                    Ok(()) => self.failed = false,
                    Err(error) => {
                        self.changed = true;
                        if !std::mem::replace(&mut self.failed, true) {
                            self.warn(error.to_string());
                        }
                    }
                }
            }
            self.refreshed = Instant::now();
            // Long lists take long to write.
            self.pause = (began.elapsed() * 20).clamp(LEAST_PAUSE, LONGEST_PAUSE);
        }
        std::mem::take(&mut self.warnings)
    }

    /// Files are saved again, if there was a reason to stop.
    pub(super) fn reopen(&mut self) {
        self.stopped = false;
    }

    /// The folder as it is left behind.
    pub(super) fn into_extractor(self) -> Option<Extractor> {
        self.extractor
    }

    fn warn(&mut self, message: String) {
        self.warnings
            .push(Warning::new(WarningCode::OutputFailed, message, None));
    }

    fn settled(&mut self, stored: &Result<Stored, StoreError>) {
        self.changed = true;
        if let Err(error) = stored
            && is_full(&error.0)
            && !std::mem::replace(&mut self.stopped, true)
        {
            self.warn(format!(
                "{}; no more files are saved, everything else goes on; make room and send SIGHUP",
                error.0
            ));
        }
    }
}

impl TransferSink for ToExtraction<'_> {
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        let mut own = self.0.borrow_mut();
        if !own.stopped
            && let Some(extractor) = &mut own.extractor
        {
            extractor.write(id, offset, bytes);
        }
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError> {
        let mut own = self.0.borrow_mut();
        let stopped = own.stopped;
        let Some(extractor) = &mut own.extractor else {
            return Ok(Stored::default());
        };
        if stopped {
            extractor.discard(id);
            return Ok(Stored::default());
        }
        let stored = extractor.settle(id, settled);
        own.settled(&stored);
        stored
    }

    fn discard(&mut self, id: ContentId) {
        if let Some(extractor) = &mut self.0.borrow_mut().extractor {
            extractor.discard(id);
        }
    }

    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: &Decoded,
    ) -> Result<Stored, StoreError> {
        let mut own = self.0.borrow_mut();
        let stopped = own.stopped;
        let Some(extractor) = &mut own.extractor else {
            return Ok(Stored::default());
        };
        if stopped {
            extractor.discard(id);
            return Ok(Stored::default());
        }
        let stored = extractor.settle_decoded(id, settled, decoded);
        own.settled(&stored);
        stored
    }

    fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        let mut own = self.0.borrow_mut();
        if let Some(extractor) = &mut own.extractor {
            extractor.revise(session, transfer, completeness);
            own.changed = true;
        }
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
