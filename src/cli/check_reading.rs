//! What `ftpscope check` reads before it judges: the report of the captures, and diagrams where somebody draws them.

use std::sync::Arc;

use super::args_check::CheckArguments;
use super::error_text::Failure;
use super::reading::{Outcome, Reading};
use crate::diagram::{Detail, Recorder, write_mermaid};
use crate::model::trace::Tracing;
use crate::report::{Report, ReportBuilder};

/// What was read.
pub(super) struct Read {
    pub(super) report: Report,
    pub(super) outcome: Outcome,
    /// The sessions as Mermaid text, where somebody draws them.
    pub(super) diagram: Option<String>,
}

/// Reads the captures; `draws` where somebody wants diagrams beside the report.
pub(super) fn read(arguments: &CheckArguments, draws: bool) -> Result<Read, Failure> {
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    if !draws {
        let (report, outcome) = reading.report()?;
        return Ok(Read {
            report,
            outcome,
            diagram: None,
        });
    }
    reading.options.tracing = Tracing::Connections;
    let mut builder = ReportBuilder::new(&reading.options.limits);
    let mut recorder = Recorder::new(&reading.options.limits);
    let mut events = (&mut builder, &mut recorder);
    let outcome = reading.run(&mut events, false, &mut (), Arc::default());
    if outcome.interrupted {
        return Err(Failure::Interrupted);
    }
    let summary = &outcome.summary;
    let report = builder.finish(summary.captures.clone(), summary.totals.clone());
    let diagram = diagram(&report, &recorder);
    Ok(Read {
        report,
        outcome,
        diagram,
    })
}

/// The first sessions, as many as Mermaid draws.
fn diagram(report: &Report, recorder: &Recorder) -> Option<String> {
    let mut count = report.sessions.len().min(MOST_DRAWN);
    while count > 0 {
        let mut text = Vec::new();
        let sessions = report.sessions.iter().take(count);
        let mut diagrams = sessions.map(|session| recorder.diagram(session));
        write_mermaid(&mut diagrams, Detail::Steps, &mut text).ok()?;
        if text.len() <= LONGEST_DIAGRAM {
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
        count /= 2;
    }
    None
}

/// Sessions of a summary that are drawn.
const MOST_DRAWN: usize = 10;

/// Bytes of a diagram; Mermaid draws no more than 50,000 characters.
const LONGEST_DIAGRAM: usize = 45_000;
