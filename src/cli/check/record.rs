//! `ftpscope check --record` and `--update`: expectation files written by the tool.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::captures::Read;
use super::{CheckArguments, answer, check_sessions, exit, write_answer};
use crate::check::file::{self, Expectations};
use crate::check::record;
use crate::check::{FieldNames, Subject, judge_file};
use crate::cli::failure::{Exit, Failure};
use crate::cli::generated::print;
use crate::cli::messages;
use crate::cli::output::{Inputs, Output};
use crate::model::wire_text::printable;

/// Opens the file to record to; refuses an existing file, which may contain what a person wrote.
pub(super) fn record_target(path: &Path, inputs: &Inputs) -> Result<Output, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Output::stdout());
    }
    if fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return Err(Failure::Refused(format!(
            "cannot record to {0}: it is there already; --expect {0} --update rewrites it, or choose another name",
            path.display()
        )));
    }
    Output::open(Some(path), inputs, true)
}

/// Writes an expectation file, and notes the doubtful expectations in it.
pub(super) fn write_record(
    mut target: Output,
    subject: &Subject<'_>,
    read: &Read,
    arguments: &CheckArguments,
) -> Result<Exit, Failure> {
    if let Some(reason) = unusable(read, arguments) {
        note_damage(read, arguments);
        messages::print(&format!("nothing is recorded: {reason}"));
        return Ok(exit(arguments, &read.outcome, 0));
    }
    let written = record::record(subject, &mut target);
    target.close(written)?;
    check_sessions(subject)?;
    note_damage(read, arguments);
    if !arguments.presentation.quiet {
        for doubt in record::doubts(subject) {
            messages::note(&doubt);
        }
    }
    Ok(exit(arguments, &read.outcome, 0))
}

/// Rewrites expectation files, prints the differences, and writes the expectations that still do not hold.
pub(super) fn update(
    files: &[(Expectations, String)],
    subject: &Subject<'_>,
    read: &Read,
    arguments: &CheckArguments,
) -> Result<Exit, Failure> {
    if let Some(reason) = unusable(read, arguments) {
        note_damage(read, arguments);
        messages::print(&format!("nothing is updated: {reason}"));
        return Ok(exit(arguments, &read.outcome, 0));
    }
    note_damage(read, arguments);
    let mut updated_files = Vec::new();
    for (file, text) in files {
        let name = printable(&file.path);
        let refused = |cause: String| Failure::Refused(format!("cannot update {name}: {cause}"));
        let updated =
            record::update(file, text, subject).map_err(|cause| refused(cause.to_string()))?;
        check_sessions(subject)?;
        // Read back before it is written: a file that we would not accept must not replace one that was fine.
        let again = file::read(&file.path, &updated.text).map_err(|mistakes| {
            let first = mistakes.into_iter().next().map(|mistake| mistake.message);
            refused(first.unwrap_or_default())
        })?;
        if updated.difference.is_empty() {
            print(format!("{name}: nothing to change\n").as_bytes())?;
        } else {
            let mut target = Output::whole(Path::new(&file.path))?;
            let written = target.write_all(updated.text.as_bytes());
            target.close(written)?;
            print(format!("{name}:\n{}\n", updated.difference).as_bytes())?;
        }
        updated_files.push(again);
    }
    // An updated file may name fields that none of the files read before.
    let names = FieldNames::of(&updated_files, []);
    let subject = Subject::new(&read.report, &read.sessions, names);
    let judged = updated_files.iter().map(|file| judge_file(file, &subject));
    let groups = judged.collect();
    let answer = answer(arguments, read, &subject, groups);
    check_sessions(&subject)?;
    if answer.failed > 0 {
        write_answer(&answer, arguments, Output::stdout())?;
    }
    Ok(exit(arguments, &read.outcome, answer.failed))
}

/// Notes damage of the captures: what they do not show becomes an expectation.
fn note_damage(read: &Read, arguments: &CheckArguments) {
    if !arguments.presentation.quiet {
        messages::note_warnings(&read.report.warnings);
    }
}

/// Returns why the captures cannot serve as expectations; `None` if all were read, as whole as they have to be, and there is a
/// session.
fn unusable(read: &Read, arguments: &CheckArguments) -> Option<&'static str> {
    if read.report.totals.sessions == 0 || read.outcome.failures > 0 {
        return Some("the captures cannot be read or have no FTP session");
    }
    let is_refused = arguments.exit.strict && read.outcome.tally.not_whole;
    is_refused.then_some("the captures are not whole, which --strict refuses")
}
