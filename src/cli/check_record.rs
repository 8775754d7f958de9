//! `ftpscope check --record` and `--update`: expectation files that are written by the tool.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::args_check::CheckArguments;
use super::check_answer::{answer, exit, write};
use super::check_reading::Read;
use super::error_text::{self, Failure};
use super::exit_code::Exit;
use super::output::Output;
use super::schema_command::print;
use crate::check::file::{self, Expectations};
use crate::check::record;
use crate::check::{Subject, judge_file};
use crate::model::wire_text::printable;

/// Where a recorded file goes. One that is there may hold what a person wrote: it is not replaced.
pub(super) fn record_target(path: &Path, captures: &[PathBuf]) -> Result<Output, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Output::stdout());
    }
    if fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return Err(Failure::Refused(format!(
            "cannot record to {0}: it is there already; --expect {0} --update rewrites it, or choose another name",
            path.display()
        )));
    }
    Output::open(Some(path), captures, true)
}

/// Writes an expectation file, and what a person should look at.
pub(super) fn write_record(
    mut target: Output,
    subject: &Subject<'_>,
    read: &Read,
    arguments: &CheckArguments,
) -> Result<Exit, Failure> {
    if !is_usable(read) {
        error_text::print(
            "nothing is recorded: the captures cannot be read or have no FTP session",
        );
        return Ok(exit(arguments, &read.outcome, 0));
    }
    let written = target.write_all(record::record(subject).as_bytes());
    target.close(written)?;
    if !arguments.presentation.quiet {
        for doubt in record::doubts(subject) {
            error_text::note(&doubt);
        }
    }
    Ok(exit(arguments, &read.outcome, 0))
}

/// Rewrites files, tells what changed in them, and what does not hold all the same.
pub(super) fn update(
    files: &[(Expectations, String)],
    subject: &Subject<'_>,
    read: &Read,
    arguments: &CheckArguments,
) -> Result<Exit, Failure> {
    if !is_usable(read) {
        error_text::print("nothing is updated: the captures cannot be read or have no FTP session");
        return Ok(exit(arguments, &read.outcome, 0));
    }
    let mut groups = Vec::new();
    for (file, text) in files {
        let name = printable(&file.path);
        let refused = |cause: String| Failure::Refused(format!("cannot update {name}: {cause}"));
        let updated =
            record::update(file, text, subject).map_err(|cause| refused(cause.to_string()))?;
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
        groups.push(judge_file(&again, subject));
    }
    let answer = answer(read, groups);
    if answer.failed > 0 {
        write(&answer, arguments, Output::stdout())?;
    }
    Ok(exit(arguments, &read.outcome, answer.failed))
}

/// What is not good must not become what is expected.
fn is_usable(read: &Read) -> bool {
    read.report.totals.sessions > 0 && read.outcome.failures == 0
}
