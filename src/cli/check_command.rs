//! `ftpscope check`: holds expectations against captures.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::args_check::{CheckArguments, CheckFormat};
use super::check_answer::{answer, exit, write};
use super::check_baseline::read_baseline;
use super::check_files::read_files;
use super::check_reading::read;
use super::check_record::{record_target, update, write_record};
use super::error_text::Failure;
use super::exit_code::Exit;
use super::output::Output;
use super::schema_command::print;
use crate::check::answer::github;
use crate::check::baseline::compare;
use crate::check::built_in::{self, BuiltIn};
use crate::check::verdict::{Answer, Group};
use crate::check::{Subject, judge_file, judge_findings, judge_rules};
use crate::model::record::Severity;

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
    let read = read(arguments, summary_path(arguments).is_some())?;
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
