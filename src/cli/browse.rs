//! `ftpscope browse`: a report looked through in the terminal.
//!
//! Captures are analyzed in a thread while the user looks; a report made before is indexed in one. What the user asks to
//! save or to write reads the captures again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _, pipe, stdin};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use super::carve;
use super::failure::{Exit, Failure};
use super::messages;
use super::options::{InputOptions, PresentationOptions, SelectionOptions};
use super::reading::Reading;
use super::terminal::Environment;
use crate::browse::{
    BrowseOptions, Browser, Contents, End, Feed, Job, Key, ReportFile, Worker, is_possible,
    is_report, render,
};
use crate::diagram::DiagramRecorder;
use crate::extract::Extractor;
use crate::model::record::{Completeness, Decoded, Session};
use crate::model::trace::{TracedConnection, Tracing};
use crate::model::{
    ContentId, Event, EventSink, Limits, Settled, StoreError, Stored, TransferSink, system_message,
};
use crate::report::{CaptureNames, units};

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct BrowseArguments {
    #[command(flatten)]
    input: InputOptions,
    /// Scroll with the mouse; the terminal then selects no text
    #[arg(long, help_heading = "Screen")]
    mouse: bool,
    /// Draw with ASCII characters only, as in a locale that is not UTF-8
    #[arg(long, help_heading = "Screen")]
    ascii: bool,
    /// Print one picture of this size instead, such as 100x30, without a terminal
    #[arg(long, value_name = "WxH", value_parser = size, help_heading = "Screen")]
    render: Option<(u16, u16)>,
    /// Keys to press before the picture.
    #[arg(
        long,
        help = "Keys to press before the picture: characters, <Enter>, <Esc>, <Tab>, <Down>, <PgDn>, <lt> for <",
        value_name = "TEXT",
        requires = "render",
        help_heading = "Screen"
    )]
    keys: Option<String>,
    #[command(flatten)]
    presentation: PresentationOptions,
    #[command(flatten)]
    selection: SelectionOptions,
}

/// Shows the input until the user quits, or prints one picture of it.
pub(super) fn run(arguments: &BrowseArguments) -> Result<Exit, Failure> {
    let keys = keys(arguments)?;
    if arguments.render.is_none() && !is_possible() {
        return Err(Failure::Refused(
            "browse needs a terminal that it can draw on; ftpscope analyze prints the same"
                .to_owned(),
        ));
    }
    // A mistake in an expression is found before anything is read.
    let selection = arguments.selection.selection()?;
    let reports: Arc<[ReportFile]> = reports(&arguments.input)?.into();
    let feed = Feed::within(arguments.input.memory.max_memory);
    let stop = Arc::new(AtomicBool::new(false));
    let title = title(&arguments.input);
    let mut options = BrowseOptions {
        title,
        zone: arguments.presentation.tz.clone(),
        captures: CaptureNames::default(),
        color: false,
        ascii: arguments.ascii || arguments.render.is_none() && !is_utf8_locale(),
        contents: None,
        recorder: Arc::new(Mutex::new(DiagramRecorder::new(&Limits::default()))),
        worker: None,
        absent_digests: Vec::new(),
    };
    options.color = Environment::of_process().color(arguments.presentation.color, is_possible());
    let result;
    let browser = if reports.is_empty() {
        options.absent_digests = vec!["md5", "sha1"];
        options
            .absent_digests
            .retain(|digest| !selection.names_field(digest));
        let (names, finished) = read_captures(arguments, &mut options, &feed, &stop)?;
        options.captures = names;
        result = finished;
        Browser::new(options, feed, reports)
    } else {
        result = index_reports(&reports, &feed, &stop);
        let mut browser = Browser::new(options, feed, reports);
        if !arguments.selection.show_passwords {
            browser.hide_secrets();
        }
        if !selection.is_everything() {
            browser.select(selection, &arguments.selection.text());
        }
        browser
    };
    show(arguments, browser, &keys, &stop, &result)
}

/// Shows the browser, or prints its picture. Returns the exit code once the user quits.
fn show(
    arguments: &BrowseArguments,
    mut browser: Browser,
    keys: &[Key],
    stop: &AtomicBool,
    result: &Receiver<Exit>,
) -> Result<Exit, Failure> {
    if let Some((width, height)) = arguments.render {
        // Sent when the input ends; the sender is gone if its thread failed.
        let exit = result.recv().unwrap_or(Exit::Unreadable);
        let picture = render(&mut browser, keys, width, height);
        let written = io::stdout().write_all(picture.as_bytes());
        written.map_err(|cause| Failure::stdout(&cause))?;
        return Ok(exit);
    }
    let held = messages::hold();
    let end = crate::browse::run(&mut browser, arguments.mouse, stop);
    // The reader of a pipe may wait for a packet that never comes: it ends with the process.
    stop.store(true, Ordering::Relaxed);
    drop(held);
    match end {
        Ok(End::Quit) => Ok(result.try_recv().unwrap_or(Exit::Done)),
        Ok(End::Interrupted) => Ok(Exit::Interrupted),
        Err(cause) => Err(Failure::Refused(format!(
            "the terminal cannot be used: {}",
            system_message(&cause)
        ))),
    }
}

fn keys(arguments: &BrowseArguments) -> Result<Vec<Key>, Failure> {
    let text = arguments.keys.as_deref().unwrap_or_default();
    Key::parse(text).map_err(|cause| Failure::Refused(format!("--keys: {cause}")))
}

/// Parses `100x30`.
fn size(text: &str) -> Result<(u16, u16), String> {
    let wrong = || "write it like 100x30, each from 1 to 500".to_owned();
    let (width, height) = text.split_once(['x', '×']).ok_or_else(wrong)?;
    let side = |side: &str| side.parse().ok().filter(|side| (1..=500).contains(side));
    side(width).zip(side(height)).ok_or_else(wrong)
}

/// Names the input for the first line.
fn title(input: &InputOptions) -> String {
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    match input.captures.as_slice() {
        [path] if path.as_os_str() == "-" => "standard input".to_owned(),
        [path] => name(path),
        [first, others @ ..] => format!("{} and {} more", name(first), others.len()),
        [] => String::new(),
    }
}

/// Returns whether the locale's characters are UTF-8: of these variables, the first that is set counts.
fn is_utf8_locale() -> bool {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"];
    let set = variables.iter().filter_map(std::env::var_os);
    let locale = set.into_iter().find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Opens the reports among the inputs, recognized by their first byte; none if the inputs are captures.
fn reports(input: &InputOptions) -> Result<Vec<ReportFile>, Failure> {
    let mut reports = Vec::new();
    for path in &input.captures {
        let opened = if path.as_os_str() == "-" {
            standard_input()
        } else {
            ReportFile::open(path)
        };
        // Of a file that cannot be opened, the reader of captures says why.
        reports.extend(opened.ok().flatten());
    }
    if !reports.is_empty() && reports.len() < input.captures.len() {
        return Err(Failure::Refused(
            "give captures or reports, not both; or a file cannot be read".to_owned(),
        ));
    }
    if reports.len() > usize::from(u16::MAX) {
        return Err(Failure::Refused("too many reports; give fewer".to_owned()));
    }
    Ok(reports)
}

/// Reads a report from standard input; `None` if its first byte is that of a capture, which can then be read from there.
fn standard_input() -> io::Result<Option<ReportFile>> {
    // Not through the library's buffer: what it takes is lost to the reader of captures.
    let mut input = File::from(stdin().as_fd().try_clone_to_owned()?);
    let mut start = Vec::new();
    (&mut input).take(1).read_to_end(&mut start)?;
    if is_report(&start) || start.first().is_some_and(u8::is_ascii_whitespace) {
        return ReportFile::spool("standard input", &start, &mut input).map(Some);
    }
    // The byte is put back by a pipe in front of standard input.
    let (reader, mut writer) = pipe()?;
    rustix::stdio::dup2_stdin(&reader)?;
    std::thread::spawn(move || {
        let forwarded = writer
            .write_all(&start)
            .and_then(|()| io::copy(&mut input, &mut writer));
        // Nobody reads on: the user quit.
        drop(forwarded);
    });
    Ok(None)
}

/// Finds the sessions of the reports in a thread, which sends the exit code at its end.
fn index_reports(
    reports: &Arc<[ReportFile]>,
    feed: &Feed,
    stop: &Arc<AtomicBool>,
) -> Receiver<Exit> {
    let (reports, feed, stop) = (Arc::clone(reports), feed.clone(), Arc::clone(stop));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut exit = Exit::Done;
        for (number, report) in (0..).zip(reports.iter()) {
            if let Err(cause) = report.index(number, &feed, &stop) {
                let text = format!("cannot read {}: {}", report.name(), system_message(&cause));
                messages::print(&text);
                feed.warn(text);
                exit = Exit::Unreadable;
            }
        }
        feed.end();
        // The receiver is gone once the user quit.
        let _ = sender.send(exit);
    });
    receiver
}

/// Analyzes the captures in a thread, which sends the exit code at its end. Returns the names of the captures.
fn read_captures(
    arguments: &BrowseArguments,
    options: &mut BrowseOptions,
    feed: &Feed,
    stop: &Arc<AtomicBool>,
) -> Result<(CaptureNames, Receiver<Exit>), Failure> {
    let mut input = arguments.input.clone();
    input.on_screen = true;
    let mut presentation = arguments.presentation.clone();
    presentation.no_progress = true;
    presentation.verbose = false;
    let selection = arguments.selection.clone();
    let contents = Contents::default();
    let recorder = Arc::clone(&options.recorder);
    options.contents = Some(contents.clone());
    options.worker = Some(worker(&input, &presentation, &selection, &contents));
    let (opened, is_opened) = channel();
    let (sender, receiver) = channel();
    let (mut feed, stop) = (feed.clone(), Arc::clone(stop));
    std::thread::spawn(move || {
        let reading = Reading::open(&input, &selection, &presentation);
        let mut reading = match reading {
            Ok(reading) => {
                let names = CaptureNames::new(&reading.several_paths());
                let _ = opened.send(Ok(names));
                reading
            }
            Err(failure) => {
                let _ = opened.send(Err(failure));
                return;
            }
        };
        reading.options.tracing = Tracing::Connections;
        let mut sink = Recording {
            recorder: &recorder,
        };
        let mut files = contents;
        let outcome = reading.run(&mut (&mut feed, &mut sink), false, &mut files, stop);
        feed.end();
        let exit = if outcome.failures > 0 {
            Exit::Unreadable
        } else {
            Exit::Done
        };
        let _ = sender.send(exit);
    });
    let names = is_opened
        .recv()
        .unwrap_or_else(|_| Err(Failure::Refused("the captures cannot be read".to_owned())))?;
    let mut recorder = options
        .recorder
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    recorder.name_captures(names.clone());
    Ok((names, receiver))
}

/// Sink that shares its recorder with the pane that draws.
struct Recording<'r> {
    recorder: &'r Mutex<DiagramRecorder>,
}

impl EventSink for Recording<'_> {
    fn event(&mut self, _: &Event<'_>) {}

    fn connection(&mut self, connection: TracedConnection) {
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        recorder.connection(connection);
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        recorder.session_filtered(session);
    }

    fn wants_connections(&self) -> bool {
        true
    }
}

/// Returns what saves files and writes packets, by reading the captures again.
fn worker(
    input: &InputOptions,
    presentation: &PresentationOptions,
    selection: &SelectionOptions,
    contents: &Contents,
) -> Worker {
    let (input, contents) = (input.clone(), contents.clone());
    let (presentation, selection) = (presentation.clone(), selection.clone());
    Arc::new(move |job| {
        let is_piped = |path: &std::path::PathBuf| {
            path.as_os_str() == "-" || !path.is_file() && !path.is_dir()
        };
        if input.captures.iter().any(is_piped) {
            return Err(
                "the input can be read only once; browse a file to save from it".to_owned(),
            );
        }
        match job {
            Job::Save {
                session,
                transfer,
                folder,
            } => {
                let ids = contents.ids(session.id, transfer);
                save(&input, &presentation, &selection, ids, &folder)
            }
            Job::Write { session, path } => {
                if path.exists() {
                    return Err(format!(
                        "{} exists already; choose another name",
                        path.display()
                    ));
                }
                carve::write_session(&input, &presentation, session.id, &path)
                    .map(|()| format!("wrote {}", path.display()))
                    .map_err(|failure| failure.to_string())
            }
        }
    })
}

/// Saves the file with these contents below `folder`.
fn save(
    input: &InputOptions,
    presentation: &PresentationOptions,
    selection: &SelectionOptions,
    ids: BTreeSet<ContentId>,
    folder: &Path,
) -> Result<String, String> {
    if ids.is_empty() {
        return Err("no byte of this file is in the capture".to_owned());
    }
    let text = |failure: Failure| failure.to_string();
    let reading = Reading::open(input, selection, presentation).map_err(text)?;
    let several = reading.several_paths();
    let mut extractor =
        Extractor::create(folder).map_err(|error| text(Failure::extraction(&error)))?;
    extractor.name_captures(several);
    let below = extractor.folder().to_owned();
    let mut chosen = ChosenFile {
        ids,
        saved: None,
        extractor,
    };
    reading.run(&mut (), false, &mut chosen, Arc::default());
    let finished = chosen
        .extractor
        .finish()
        .map_err(|error| text(Failure::extraction(&error)))?;
    match (chosen.saved, finished.first_failure) {
        (Some(path), _) => Ok(format!(
            "saved {} ({})",
            below.join(path).display(),
            units::bytes(finished.bytes)
        )),
        (None, Some(cause)) => Err(cause),
        (None, None) => Err("the file was not found again in the captures".to_owned()),
    }
}

/// Sink that saves the contents of one transfer.
struct ChosenFile {
    ids: BTreeSet<ContentId>,
    /// Path of the file that was saved; `None` before.
    saved: Option<String>,
    extractor: Extractor,
}

impl TransferSink for ChosenFile {
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        if self.ids.contains(&id) {
            self.extractor.write(id, offset, bytes);
        }
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError> {
        if !self.ids.contains(&id) {
            return Ok(Stored::default());
        }
        let stored = self.extractor.settle(id, settled)?;
        self.saved = self.saved.take().or_else(|| stored.saved_as.clone());
        Ok(stored)
    }

    fn discard(&mut self, id: ContentId) {
        if self.ids.contains(&id) {
            self.extractor.discard(id);
        }
    }

    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: &Decoded,
    ) -> Result<Stored, StoreError> {
        if !self.ids.contains(&id) {
            return Ok(Stored::default());
        }
        // What people mean by the file is the decoded one.
        let stored = self.extractor.settle_decoded(id, settled, decoded)?;
        self.saved.clone_from(&stored.saved_as);
        Ok(stored)
    }

    fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        self.extractor.revise(session, transfer, completeness);
    }
}

const EXAMPLES: &str = "\
The input may also be a report made before, with --format json or ndjson.

Examples:
  ftpscope browse capture.pcap
  ftpscope browse --where 'verdict.status == \"failed\"' day.ndjson
  ftpscope browse --render 100x30 --keys 5 capture.pcap";
