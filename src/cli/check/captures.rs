//! The captures of a check, read into a report, and the baseline to compare it with.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::error::Category;

use super::CheckArguments;
use crate::check::FieldNames;
use crate::check::baseline::Baseline;
use crate::cli::failure::Failure;
use crate::cli::messages;
use crate::cli::options::{InputOptions, enable_digests};
use crate::cli::reading::{Outcome, Reading};
use crate::diagram::{
    Detail, DiagramRecorder, Drawings, LanesBy, Timeline, write_mermaid, write_mermaid_timeline,
};
use crate::model::system_message;
use crate::model::trace::Tracing;
use crate::report::{CaptureNames, KeptSessions, Report, SCHEMA_VERSION};

/// The captures as read.
pub(super) struct Read {
    /// Report without its sessions.
    pub(super) report: Report,
    pub(super) sessions: KeptSessions,
    pub(super) outcome: Outcome,
    /// Mermaid texts: the time line, and the first sessions. Empty if no format shows them.
    pub(super) diagrams: Vec<String>,
}

impl Read {
    /// Reads the captures, with the digests that `names` has, and with diagrams if `draws`.
    pub(super) fn captures(
        arguments: &CheckArguments,
        names: &FieldNames,
        draws: bool,
    ) -> Result<Self, Failure> {
        let mut reading = Reading::open(
            &arguments.input,
            &arguments.selection,
            &arguments.presentation,
        )?;
        enable_digests(&mut reading.options, |field| names.names_field(field));
        let mut recorder = DiagramRecorder::new(&reading.options.limits);
        recorder.name_captures(CaptureNames::new(&reading.several_paths()));
        let (report, sessions, outcome) = if draws {
            reading.options.tracing = Tracing::Connections;
            reading.kept(&mut recorder)?
        } else {
            reading.kept(&mut ())?
        };
        let diagrams = if draws {
            let timeline = timeline(&sessions);
            let sequence = diagram(&sessions, &recorder);
            timeline.into_iter().chain(sequence).collect()
        } else {
            Vec::new()
        };
        Ok(Read {
            report,
            sessions,
            outcome,
            diagrams,
        })
    }
}

/// Draws the sessions over time; `None` for a single one, whose diagram has its times.
fn timeline(sessions: &KeptSessions) -> Option<String> {
    if sessions.len() < 2 {
        return None;
    }
    let mut timeline = Timeline::default();
    for session in sessions.iter() {
        timeline.add(&*session.ok()?);
    }
    let mut text = Vec::new();
    write_mermaid_timeline(&timeline, LanesBy::Client, &mut text).ok()?;
    (text.len() <= DIAGRAM_LIMIT).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// Draws the first sessions, as many as Mermaid accepts; `None` for none.
fn diagram(sessions: &KeptSessions, recorder: &DiagramRecorder) -> Option<String> {
    let mut count = sessions.len().min(SESSION_LIMIT);
    while count > 0 {
        let mut text = Vec::new();
        let drawings = Drawings::new(sessions.iter().take(count), recorder);
        write_mermaid(drawings, Detail::Steps, &mut text).ok()?;
        if text.len() <= DIAGRAM_LIMIT {
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
        // Halved until it fits: sessions differ in size, and few of them need more than three rounds.
        count /= 2;
    }
    None
}

/// Reads the baseline, a report or a capture, and returns its name and sessions.
pub(super) fn read_baseline(
    path: &Path,
    arguments: &CheckArguments,
) -> Result<(String, Baseline), Failure> {
    let name = path.display().to_string();
    let baseline = |sessions: &KeptSessions| {
        Baseline::of(sessions).map_err(|cause| Failure::output(path, &cause))
    };
    if let Some(report) = report_at(path)? {
        return Ok((name, baseline(&KeptSessions::of(&report))?));
    }
    let input = InputOptions {
        captures: vec![path.to_owned()],
        // The baseline was recorded at another time.
        since: None,
        until: None,
        follow: false,
        ..arguments.input.clone()
    };
    let reading = Reading::open(&input, &arguments.selection, &arguments.presentation)?;
    let (_, sessions, outcome) = reading.kept(&mut ())?;
    if outcome.failures > 0 {
        if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            messages::note(
                "from a pipe --baseline reads captures alone; save a report to a file first",
            );
        }
        return Err(Failure::Unreadable);
    }
    Ok((name, baseline(&sessions)?))
}

/// Reads a report from a file that begins like JSON; `None` for any other file.
fn report_at(path: &Path) -> Result<Option<Report>, Failure> {
    // A byte read from a pipe would be missing when it is read as a capture.
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return Ok(None);
    }
    let mut first = [0; 1];
    let begins = fs::File::open(path).and_then(|mut file| file.read(&mut first));
    if !begins.is_ok_and(|read| read == 1) || first != *b"{" {
        return Ok(None);
    }
    let refused = |cause: &str| {
        let path = path.display();
        let hint = "write it with ftpscope analyze --format json";
        Failure::Refused(format!("cannot use {path} as a baseline: {cause}; {hint}"))
    };
    let text = fs::read(path).map_err(|cause| refused(&system_message(&cause)))?;
    let of_another_version = || refused("it is no report of this version");
    let report: Report = serde_json::from_slice(&text).map_err(|cause| match cause.classify() {
        // Sound JSON, but without the fields of a report.
        Category::Data => of_another_version(),
        _ => refused(&cause.to_string()),
    })?;
    if report.schema_version != SCHEMA_VERSION {
        return Err(of_another_version());
    }
    Ok(Some(report))
}

/// Limit of sessions drawn in a summary.
const SESSION_LIMIT: usize = 10;

/// Limit of a diagram in bytes; Mermaid refuses more than 50,000 characters.
const DIAGRAM_LIMIT: usize = 45_000;
