//! The short way from captures to results: [`analyze`] for a report, [`Analysis`] for events and files.

use std::io;
use std::path::{Path, PathBuf};

use crate::capture::{self, CaptureSet, ReadOptions};
use crate::extract::{self, Extractor};
use crate::model::{Event, EventSink, TransferSink};
use crate::pipeline::{self, Options, Summary};
use crate::report::{Report, ReportBuilder};

/// Reads the capture at `path` to its end and reports the FTP sessions in it.
///
/// `path` is a pcap or pcapng file, also compressed with gzip, zstd, lz4 or xz; a directory of such files; or `-` for standard
/// input. A capture that is cut short is no error: the report has a warning.
///
/// # Errors
///
/// [`Error::Input`] if any input cannot be opened, is no capture, or fails while it is read.
pub fn analyze(path: impl AsRef<Path>) -> Result<Report, Error> {
    Analysis::of(path).report()
}

/// An analysis of captures, to be configured and then run once.
///
/// ```
/// use ftpscope::{Analysis, EventKind};
///
/// let mut names = Vec::new();
/// let summary = Analysis::of("testdata/captures/classic.pcap")
///     .show_passwords(true)
///     .events(|event| {
///         if let EventKind::Transfer(transfer) = &event.kind {
///             names.extend(transfer.name.clone());
///         }
///     })?;
/// assert_eq!(names, ["readme.txt"]);
/// assert_eq!(summary.totals.packets, 67);
/// # Ok::<(), ftpscope::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    paths: Vec<PathBuf>,
    options: Options,
    read_options: ReadOptions,
}

impl Analysis {
    /// Prepares the analysis of one capture, or of a directory of captures.
    pub fn of(path: impl AsRef<Path>) -> Self {
        Self::of_all([path])
    }

    /// Prepares the analysis of several captures, whose packets are merged into one timeline.
    pub fn of_all<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self {
            paths: paths
                .into_iter()
                .map(|path| path.as_ref().to_owned())
                .collect(),
            ..Self::default()
        }
    }

    /// Sets the options of the pipeline, such as limits and digests.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Sets the options of the reader, such as limits on packet time.
    #[must_use]
    pub fn read_options(mut self, options: ReadOptions) -> Self {
        self.read_options = options;
        self
    }

    /// Shows passwords as they were sent; by default all but those of anonymous logins are hidden.
    #[must_use]
    pub fn show_passwords(mut self, show: bool) -> Self {
        self.options.show_passwords = show;
        self
    }

    /// Runs the analysis and returns the whole report.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] if any input cannot be read.
    pub fn report(self) -> Result<Report, Error> {
        self.report_to(&mut ())
    }

    /// Runs the analysis, emits each event to `on_event` in capture order, and returns the counts.
    ///
    /// Memory stays bounded however long the captures are, in contrast to [`report`](Self::report).
    ///
    /// # Errors
    ///
    /// [`Error::Input`] if any input cannot be read; the events of the others are emitted all the same.
    pub fn events(self, on_event: impl FnMut(&Event<'_>)) -> Result<Summary, Error> {
        self.run(&mut ClosureSink(on_event), &mut ())
    }

    /// Runs the analysis, saves the transferred files below `folder`, and returns the report.
    ///
    /// `saved_as` of each transfer is a path below [`Extractor::folder`], which is `folder` itself unless an earlier run has
    /// used it. `manifest.json` and `SHA256SUMS` list the files.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] if any input cannot be read, [`Error::Extract`] if the folder cannot be used, [`Error::Save`] if a file
    /// could not be saved; the others are saved all the same.
    pub fn extract_to(self, folder: impl AsRef<Path>) -> Result<Report, Error> {
        let mut extractor = Extractor::create(folder.as_ref())?;
        let report = self.report_to(&mut extractor);
        // Finished in any case: what was read before a failure is of use.
        let finished = extractor.finish()?;
        let report = report?;
        match finished.first_failure {
            Some(first) => Err(Error::Save {
                failures: finished.failures,
                first,
            }),
            None => Ok(report),
        }
    }

    fn report_to(self, files: &mut dyn TransferSink) -> Result<Report, Error> {
        let mut builder = ReportBuilder::new(&self.options.limits);
        let summary = self.run(&mut builder, files)?;
        Ok(builder.finish(summary.captures, summary.totals))
    }

    fn run(
        self,
        events: &mut dyn EventSink,
        files: &mut dyn TransferSink,
    ) -> Result<Summary, Error> {
        let mut captures = CaptureSet::open(&self.paths, self.read_options);
        let mut summary = pipeline::analyze(&mut captures, &self.options, events, files);
        match std::mem::take(&mut summary.failures) {
            failures if failures.is_empty() => Ok(summary),
            failures => Err(Error::Input(failures)),
        }
    }
}

/// The reason why an analysis has no complete result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Inputs that cannot be opened or read to their end; at least one.
    #[error("{}", first_of(.0))]
    Input(Vec<capture::Error>),
    /// The folder for files cannot be used, or its lists not be written.
    #[error(transparent)]
    Extract(#[from] extract::Error),
    /// Files that could not be saved.
    #[error("{failures} files could not be saved: {first}")]
    Save {
        /// Number of files.
        failures: u64,
        /// The first failure in words.
        first: String,
    },
}

impl From<Error> for io::Error {
    /// Wraps the error, so that `?` works in functions that return an I/O result.
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

fn first_of(failures: &[capture::Error]) -> String {
    match failures {
        [] => "no input can be read".to_owned(),
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first}; {} more inputs failed", others.len()),
    }
}

/// A sink that calls a closure.
struct ClosureSink<F>(F);

impl<F: FnMut(&Event<'_>)> EventSink for ClosureSink<F> {
    fn event(&mut self, event: &Event<'_>) {
        (self.0)(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_folder::ScratchFolder;

    const CLASSIC: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/captures/classic.pcap"
    );

    #[test]
    fn a_missing_capture_is_a_typed_error() {
        let error = analyze("/nonexistent.pcap").expect_err("nothing to read");
        let Error::Input(failures) = error else {
            panic!("{error}");
        };
        assert!(matches!(failures[..], [capture::Error::Io { .. }]));
    }

    #[test]
    fn extracted_files_are_named_in_the_report() {
        let folder = ScratchFolder::new("analysis");
        let report = Analysis::of(CLASSIC)
            .extract_to(&*folder)
            .expect("a report");
        let transfers = report
            .sessions
            .iter()
            .flat_map(|session| &session.transfers);
        let saved: Vec<_> = transfers
            .filter_map(|transfer| transfer.saved_as.as_deref())
            .collect();
        assert!(!saved.is_empty());
        for path in saved {
            assert!(folder.join(path).is_file(), "{path}");
        }
    }

    #[test]
    fn several_captures_are_one_timeline() {
        let report = Analysis::of_all([CLASSIC, CLASSIC])
            .report()
            .expect("a report");
        assert_eq!(report.captures.len(), 2);
    }
}
