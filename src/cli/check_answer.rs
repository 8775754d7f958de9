//! What `ftpscope check` says: the answer, its format, the exit code.

use super::args_check::{CheckArguments, CheckFormat};
use super::check_reading::Read;
use super::error_text::Failure;
use super::exit_code::Exit;
use super::output::Output;
use super::reading::Outcome;
use crate::check::answer::{self, github, junit, text};
use crate::check::verdict::{Answer, Group};

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

/// The exit code: without a session it is 4, asked for or not.
pub(super) fn exit(arguments: &CheckArguments, outcome: &Outcome, failed: u64) -> Exit {
    let mut reasons = vec![arguments.exit.exit(outcome, failed > 0)];
    if outcome.summary.totals.sessions == 0 {
        reasons.push(Exit::NoSession);
    }
    Exit::first_of(&reasons)
}
