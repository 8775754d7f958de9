//! `ftpscope check`: expectations against captures.
//!
//! ```text
//! expectation_files ─> Expectations ─┐
//! captures ─> report, baseline ──────┴─> check (the layer) ─> Answer ─> text, JUnit, GitHub, JSON
//!                └─> record ─> an expectation file
//! ```

mod captures;
mod expectation_files;
mod record;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};

use self::captures::{Read, read_baseline};
use self::expectation_files::read_files;
use self::record::{record_target, update, write_record};
use super::failure::{Exit, Failure};
use super::generated::print;
use super::messages;
use super::options::{
    ExitOptions, FailOnOptions, InputOptions, PresentationOptions, SelectionOptions,
    WholeOutputOptions, known_width,
};
use super::output::Output;
use super::reading::{Outcome, is_of_damage};
use super::terminal::two_columns;
use crate::check::answer::{self, github, junit, text};
use crate::check::baseline::compare;
use crate::check::built_in::{self, BuiltIn};
use crate::check::verdict::{Answer, Group};
use crate::check::{FieldNames, Subject, capture_losses, judge_file, judge_findings, judge_rules};
use crate::model::record::WarningRecord;
use crate::model::system_message;
use crate::report::units;

#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = EXAMPLES,
    group = ArgGroup::new("what").multiple(true).required(true)
        .args(["expect", "rule", "record", "baseline", "fail_on", "list_rules"])
)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    input: InputOptions,
    /// Check what an expectation file (TOML) says; may be given more than once
    #[arg(short, long, value_name = "FILE", help_heading = "Expectations")]
    expect: Vec<PathBuf>,
    /// Check a built-in rule; may be given more than once
    #[arg(long, value_name = "NAME", help_heading = "Expectations")]
    rule: Vec<String>,
    #[command(flatten, next_help_heading = "Expectations")]
    fail_on: FailOnOptions,
    /// Write an expectation file from captures that are known to be good
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "expect", "update", "rule", "fail_on", "baseline", "format", "show_passwords", "output"
        ],
        help_heading = "Expectations"
    )]
    record: Option<PathBuf>,
    /// Rewrite what no longer holds in the files of --expect, and show the difference
    #[arg(
        long,
        requires = "expect",
        conflicts_with_all = ["rule", "fail_on", "baseline", "format", "show_passwords", "output"],
        help_heading = "Expectations"
    )]
    update: bool,
    /// Show the difference to an earlier capture, or to a report that analyze wrote as JSON
    #[arg(long, value_name = "CAPTURE|REPORT", help_heading = "Expectations")]
    baseline: Option<PathBuf>,
    /// List the built-in rules
    #[arg(long, exclusive = true, help_heading = "Expectations")]
    list_rules: bool,
    /// Output format: text, junit (XML), github (annotations and a summary), json (one document)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    format: CheckFormat,
    #[command(flatten)]
    output: WholeOutputOptions,
    #[command(flatten)]
    presentation: PresentationOptions,
    #[command(flatten)]
    selection: SelectionOptions,
    #[command(flatten)]
    exit: ExitOptions,
}

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// For people.
    Text,
    /// `JUnit` XML.
    Junit,
    /// GitHub's workflow commands.
    Github,
    /// One JSON document.
    Json,
}

/// Reads expectations, then captures, and writes which expectations hold.
pub(super) fn run(arguments: &CheckArguments) -> Result<Exit, Failure> {
    if arguments.list_rules {
        return list_rules();
    }
    let files = read_files(&arguments.expect)?;
    let rules = rules(&arguments.rule)?;
    let inputs = arguments
        .input
        .files()
        .with("read as --expect", &arguments.expect);
    let inputs = inputs.with("read as --baseline", &arguments.baseline);
    let output = Output::open(arguments.output.output.as_deref(), &inputs, true)?;
    let record = arguments.record.as_deref();
    let record = record
        .map(|path| record_target(path, &inputs))
        .transpose()?;
    let before = arguments.baseline.as_deref();
    let before = before
        .map(|path| read_baseline(path, arguments))
        .transpose()?;
    let names = FieldNames::of(files.iter().map(|(file, _)| file), rules.iter().copied());
    let read = Read::captures(arguments, &names, summary_path(arguments).is_some())?;
    read.outcome.note_empty_selection(&arguments.presentation);
    let subject = Subject::new(&read.report, &read.sessions, names);
    if let Some(target) = record {
        return write_record(target, &subject, &read, arguments);
    }
    if arguments.update {
        return update(&files, &subject, &read, arguments);
    }
    let mut groups: Vec<Group> = Vec::new();
    // Where no capture could be read, nothing can be said of any session: that they are missing would be a second, wrong message.
    if !read.report.captures.is_empty() || read.outcome.failures == 0 {
        for (file, _) in &files {
            groups.push(judge_file(file, &subject));
        }
        if !rules.is_empty() {
            groups.push(judge_rules(&rules, &subject));
        }
        if let Some((name, before)) = &before {
            groups.push(compare(name, before, &subject));
        }
        if let Some(least) = arguments.fail_on.least() {
            groups.push(judge_findings(least, &subject));
        }
    }
    let answer = answer(arguments, &read, &subject, groups);
    check_sessions(&subject)?;
    write_answer(&answer, arguments, output)?;
    if let Some(path) = summary_path(arguments) {
        write_summary(&answer, &read.diagrams, &path)?;
    }
    Ok(exit(arguments, &read.outcome, answer.failed))
}

/// Fails if a session could not be read again: the verdicts would be on the others alone.
fn check_sessions(subject: &Subject<'_>) -> Result<(), Failure> {
    let refused = |cause| Failure::Refused(format!("cannot check: {}", system_message(&cause)));
    subject
        .failure()
        .map_or(Ok(()), |cause| Err(refused(cause)))
}

fn list_rules() -> Result<Exit, Failure> {
    let rows: Vec<_> = built_in::ALL
        .iter()
        .map(|rule| (rule.name, rule.meaning))
        .collect();
    let text = two_columns(&rows);
    print(text.as_bytes())
}

/// Returns the built-in rules of these names.
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

/// Returns the summary file of a job on GitHub; `None` for other formats and outside of a job.
fn summary_path(arguments: &CheckArguments) -> Option<PathBuf> {
    if arguments.format != CheckFormat::Github {
        return None;
    }
    let path = std::env::var_os("GITHUB_STEP_SUMMARY")?;
    (!path.is_empty()).then(|| path.into())
}

/// Appends to the summary, which other steps of the job write too.
fn write_summary(answer: &Answer, diagrams: &[String], path: &Path) -> Result<(), Failure> {
    let mut text = Vec::new();
    github::write_summary(answer, diagrams, &mut text)
        .and_then(|()| {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            file.write_all(&text)
        })
        .map_err(|cause| Failure::output(path, &cause))
}

/// Combines judged expectations with the captures they were judged on.
fn answer(
    arguments: &CheckArguments,
    read: &Read,
    subject: &Subject<'_>,
    groups: Vec<Group>,
) -> Answer {
    let captures = read.report.captures.iter();
    let captures = captures.map(|capture| capture.path.clone()).collect();
    let sessions = read.report.totals.sessions;
    let mut answer = Answer::new(captures, sessions, groups);
    let failures = read.outcome.summary.failures.iter();
    answer.unreadable = failures.map(messages::input).collect();
    answer.warnings = read.report.warnings.iter().map(warning_words).collect();
    if read.outcome.tally.not_whole {
        let lost = capture_losses(subject);
        if arguments.exit.strict {
            let warnings = read.report.warnings.iter();
            let of_damage = warnings.filter(|warning| is_of_damage(warning.code));
            answer.not_whole = of_damage.map(warning_words).chain(lost.clone()).collect();
            answer.not_whole.extend(read.outcome.damaged_files.clone());
        }
        answer.warnings.extend(lost);
    }
    answer
}

/// Returns a warning about the captures in one line, with the number of times it occurred.
fn warning_words(warning: &WarningRecord) -> String {
    match warning.count {
        0 | 1 => warning.message.clone(),
        times => format!("{} ({} times)", warning.message, units::count(times)),
    }
}

/// Writes the answer in its format.
fn write_answer(
    answer: &Answer,
    arguments: &CheckArguments,
    mut output: Output,
) -> Result<(), Failure> {
    let layout = arguments
        .presentation
        .layout(arguments.output.output.as_deref());
    let options = text::Options {
        color: layout.color,
        verbose: layout.verbose,
        width: known_width(arguments.output.output.as_deref()),
    };
    let written = match arguments.format {
        CheckFormat::Text => text::write(answer, options, &mut output),
        CheckFormat::Junit => junit::write(answer, &mut output),
        CheckFormat::Github => github::write(answer, &mut output),
        CheckFormat::Json => answer::write_json(answer, &mut output),
    };
    output.close(written)
}

/// Returns the exit code: 4 without a session even if not asked for, since then nothing was checked.
fn exit(arguments: &CheckArguments, outcome: &Outcome, failed: u64) -> Exit {
    let mut reasons = vec![arguments.exit.exit(outcome, failed > 0)];
    if outcome.summary.totals.sessions == 0 {
        reasons.push(Exit::NoSession);
    }
    Exit::first_of(&reasons)
}

const EXAMPLES: &str = "\
Examples:
  ftpscope check --record session.toml good.pcap          write what happened; edit it
  ftpscope check --expect session.toml run.pcap           fail where it is not so
  ftpscope check --expect session.toml --update run.pcap  take what is new
  ftpscope check --baseline good.pcap run.pcap            show the difference
  ftpscope check --rule no-cleartext-login --rule all-transfers-complete run.pcap
  ftpscope check --expect session.toml --format junit -o results.xml run.pcap";
