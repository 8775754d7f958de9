//! `ftpscope check`: holds expectations against captures.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args_check::{CheckArguments, CheckFormat};
use super::check_baseline::read_baseline;
use super::check_files::read_files;
use super::check_record::{record_target, update, write_record};
use super::error_text::Failure;
use super::exit_code::Exit;
use super::output::Output;
use super::reading::{Outcome, Reading};
use super::schema_command::print;
use crate::check::answer::{self, github, junit, text};
use crate::check::baseline::compare;
use crate::check::built_in::{self, BuiltIn};
use crate::check::verdict::{Answer, Group};
use crate::check::{Subject, judge_file, judge_findings, judge_rules};
use crate::diagram::{Detail, Recorder, write_mermaid};
use crate::model::record::Severity;
use crate::model::trace::Tracing;
use crate::report::{Report, ReportBuilder};

/// Reads expectations, then captures, and tells what holds.
pub(super) fn run(arguments: &CheckArguments) -> Result<Exit, Failure> {
    if arguments.list_rules {
        return list_rules();
    }
    let files = read_files(&arguments.expect)?;
    let rules = rules(&arguments.rule)?;
    let captures = &arguments.input.captures;
    let output = Output::open(arguments.output.as_deref(), captures, true)?;
    let record = arguments.record.as_deref();
    let record = record
        .map(|path| record_target(path, captures))
        .transpose()?;
    let before = arguments.baseline.as_deref();
    let before = before
        .map(|path| read_baseline(path, arguments))
        .transpose()?;
    let read = read(arguments)?;
    let subject = Subject::new(&read.report);
    if let Some(target) = record {
        return write_record(target, &subject, &read, arguments);
    }
    if arguments.update {
        return update(&files, &subject, &read, arguments);
    }
    let mut groups: Vec<Group> = Vec::new();
    for (file, _) in &files {
        groups.push(judge_file(file, &subject));
    }
    if !rules.is_empty() {
        groups.push(judge_rules(&rules, &subject));
    }
    if let Some((name, before)) = &before {
        groups.push(compare(name, before, &subject));
    }
    if let Some(least) = arguments.fail_on {
        groups.push(judge_findings(Severity::from(least), &subject));
    }
    let answer = answer(&read, groups);
    write(&answer, arguments, output)?;
    if let Some(path) = summary_path(arguments) {
        write_summary(&answer, read.diagram.as_deref(), &path)?;
    }
    Ok(exit(arguments, &read.outcome, answer.failed))
}

/// What was read.
pub(super) struct Read {
    pub(super) report: Report,
    pub(super) outcome: Outcome,
    /// The sessions as Mermaid text, where somebody draws them.
    diagram: Option<String>,
}

fn read(arguments: &CheckArguments) -> Result<Read, Failure> {
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    if summary_path(arguments).is_none() {
        let (report, outcome) = reading.report()?;
        return Ok(Read {
            report,
            outcome,
            diagram: None,
        });
    }
    reading.options.tracing = Tracing::Connections;
    let mut builder = ReportBuilder::new(&reading.options.limits);
    let mut recorder = Recorder::default();
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

fn list_rules() -> Result<Exit, Failure> {
    let mut text = String::new();
    let width = built_in::ALL.iter().map(|rule| rule.name.len()).max();
    for rule in built_in::ALL {
        let width = width.unwrap_or_default();
        let _ = writeln!(text, "{:width$}  {}", rule.name, rule.meaning);
    }
    print(text.as_bytes())
}

fn rules(names: &[String]) -> Result<Vec<&'static BuiltIn>, Failure> {
    let find = |name: &String| {
        built_in::named(name).ok_or_else(|| Failure::Option {
            option: "--rule",
            value: name.clone(),
            cause: match built_in::nearest(name) {
                Some(near) => format!("there is no such rule; did you mean {near}?"),
                None => "there is no such rule".to_owned(),
            },
            hint: "ftpscope check --list-rules names them",
        })
    };
    names.iter().map(find).collect()
}

/// Puts what became of expectations together with what was read.
pub(super) fn answer(read: &Read, groups: Vec<Group>) -> Answer {
    let captures = read.report.captures.iter();
    let captures = captures.map(|capture| capture.path.clone()).collect();
    let sessions = read.report.totals.sessions;
    let mut answer = Answer::new(captures, sessions, groups);
    answer.unreadable.clone_from(&read.outcome.summary.failures);
    answer
}

/// Writes the answer in the format that was asked for.
pub(super) fn write(
    answer: &Answer,
    arguments: &CheckArguments,
    mut output: Output,
) -> Result<(), Failure> {
    let layout = arguments.presentation.layout(arguments.output.as_deref());
    let options = text::Options {
        color: layout.color,
        verbose: layout.verbose,
    };
    let written = match arguments.format {
        CheckFormat::Text => text::write(answer, options, &mut output),
        CheckFormat::Junit => junit::write(answer, &mut output),
        CheckFormat::Github => github::write(answer, &mut output),
        CheckFormat::Json => answer::write_json(answer, &mut output),
    };
    output.close(written)
}

/// Where a job on GitHub wants its summary.
fn summary_path(arguments: &CheckArguments) -> Option<PathBuf> {
    if arguments.format != CheckFormat::Github {
        return None;
    }
    let path = std::env::var_os("GITHUB_STEP_SUMMARY")?;
    (!path.is_empty()).then(|| path.into())
}

/// Appends to the summary, which other steps of the job write as well.
fn write_summary(answer: &Answer, diagram: Option<&str>, path: &Path) -> Result<(), Failure> {
    let mut text = Vec::new();
    github::write_summary(answer, diagram, &mut text)
        .and_then(|()| {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            file.write_all(&text)
        })
        .map_err(|cause| Failure::output(path, &cause))
}

/// The exit code: without a session it is 4, asked for or not.
pub(super) fn exit(arguments: &CheckArguments, outcome: &Outcome, failed: u64) -> Exit {
    let mut reasons = vec![arguments.exit.exit(outcome, failed > 0)];
    if outcome.summary.totals.sessions == 0 {
        reasons.push(Exit::NoSession);
    }
    Exit::first_of(&reasons)
}

/// Sessions of a summary that are drawn.
const MOST_DRAWN: usize = 10;

/// Bytes of a diagram; Mermaid draws no more than 50,000 characters.
const LONGEST_DIAGRAM: usize = 45_000;
