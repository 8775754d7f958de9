//! The answer for GitHub: annotations as workflow commands, and a summary in Markdown.
//!
//! A runner obeys every line that begins with `::`. No line begins with text from the wire, and no such text can end a
//! line.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::super::verdict::{Answer, Group, NO_SESSION, Place, Status, Verdict};
use super::sentence;
use crate::model::wire_text::printable;
use crate::report::units;

/// Writes the annotations, and a line with the counts.
pub fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    for message in &answer.unreadable {
        writeln!(
            out,
            "::error title=capture cannot be read::{}",
            data(message)
        )?;
    }
    for message in &answer.not_whole {
        let message = data(message);
        writeln!(
            out,
            "::error title=not whole, which --strict refuses::{message}"
        )?;
    }
    for message in answer.mere_warnings() {
        writeln!(out, "::warning title=about the capture::{}", data(message))?;
    }
    for group in &answer.groups {
        let is_without_session = |verdict: &Verdict| verdict.reason.as_deref() == Some(NO_SESSION);
        let mut without_session: u64 = 0;
        for verdict in &group.verdicts {
            if is_without_session(verdict) {
                without_session += 1;
            } else {
                annotation(answer, group, verdict, out)?;
            }
        }
        // GitHub shows ten annotations of a kind: one missing session must not use up all of them.
        if without_session > 0 {
            let what = units::counted(without_session, "expectation", "expectations");
            let text = format!("{what} of sessions that are not there: skipped");
            writeln!(out, "::notice title={}::{text}", property(&group.name))?;
        }
    }
    writeln!(out, "ftpscope check: {}", counts(answer))
}

/// Writes the summary; diagrams are Mermaid texts, which GitHub draws.
pub fn write_summary(answer: &Answer, diagrams: &[String], out: &mut dyn Write) -> io::Result<()> {
    let mark = if answer.fails() { "❌" } else { "✅" };
    writeln!(out, "## {mark} ftpscope check\n")?;
    let captures: Vec<_> = answer.captures.iter().map(|path| code(path)).collect();
    let sessions = units::counted(answer.sessions, "session", "sessions");
    writeln!(
        out,
        "{}, {sessions} in {}\n",
        counts(answer),
        captures.join(", ")
    )?;
    for message in &answer.unreadable {
        writeln!(out, "- cannot be read: {}", code(message))?;
    }
    for message in &answer.not_whole {
        writeln!(
            out,
            "- not whole, which --strict refuses: {}",
            code(message)
        )?;
    }
    for message in answer.mere_warnings() {
        writeln!(out, "- about the capture: {}", code(message))?;
    }
    for group in &answer.groups {
        let shown: Vec<_> = group
            .verdicts
            .iter()
            .filter(|verdict| verdict.status != Status::Passed || verdict.reason.is_some())
            .collect();
        let is_held = |verdict: &&Verdict| verdict.status == Status::Passed;
        let held = group.verdicts.iter().filter(is_held).count();
        writeln!(out, "### {}\n", code(&group.name))?;
        if !shown.is_empty() {
            writeln!(out, "| | expectation | expected | found | where |")?;
            writeln!(out, "| --- | --- | --- | --- | --- |")?;
        }
        for verdict in shown.iter().take(MAX_ROWS) {
            rows(verdict, out)?;
        }
        if let Some(more) = shown.len().checked_sub(MAX_ROWS).filter(|more| *more > 0) {
            writeln!(out, "\nand {more} more")?;
        }
        writeln!(out, "\n{held} passed\n")?;
    }
    for diagram in diagrams {
        writeln!(out, "```mermaid\n{}\n```\n", diagram.trim_end())?;
    }
    Ok(())
}

fn annotation(
    answer: &Answer,
    group: &Group,
    verdict: &Verdict,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (kind, message) = match verdict.status {
        Status::Passed => match &verdict.reason {
            Some(reason) => ("notice", format!("passed, but {reason}")),
            None => return Ok(()),
        },
        Status::Skipped => {
            let reason = verdict.reason.as_deref().unwrap_or_default();
            ("notice", format!("skipped: {reason}"))
        }
        Status::Failed => {
            let all: Vec<_> = verdict
                .differences
                .iter()
                .map(|difference| sentence(group.kind, difference))
                .collect();
            ("error", all.join("\n"))
        }
    };
    let mut properties = Vec::new();
    // An annotation needs a file: without an expectation file, the capture.
    let file = group.file.as_ref().or(answer.captures.first());
    if let Some(file) = file.filter(|file| *file != "-") {
        properties.push(format!("file={}", property(file)));
    }
    if let (Some(line), Some(column)) = (verdict.line, verdict.column) {
        properties.push(format!("line={line}"));
        properties.push(format!("col={column}"));
    }
    properties.push(format!("title={}", property(&verdict.name)));
    writeln!(out, "::{kind} {}::{}", properties.join(","), data(&message))
}

fn rows(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let name = cell(&verdict.name);
    if verdict.status == Status::Passed {
        let reason = verdict.reason.as_deref().unwrap_or_default();
        return writeln!(out, "| ✅ | {name} | | passed, but {} | |", cell(reason));
    }
    if verdict.status == Status::Skipped {
        let reason = verdict.reason.as_deref().unwrap_or_default();
        return writeln!(out, "| ➖ | {name} | | skipped: {} | |", cell(reason));
    }
    for (index, difference) in verdict.differences.iter().take(MAX_DIFFERENCES).enumerate() {
        let mut found = cell(&difference.found);
        for cause in difference.because.iter().chain(&difference.advice) {
            found.push_str("<br>");
            found.push_str(&cell(cause));
        }
        let place = difference.place.as_ref();
        let place = place.and_then(Place::words);
        writeln!(
            out,
            "| ❌ | {} | {} | {found} | {} |",
            if index == 0 { name.as_str() } else { "" },
            cell(&difference.expected),
            cell(place.as_deref().unwrap_or_default())
        )?;
    }
    Ok(())
}

fn counts(answer: &Answer) -> String {
    format!(
        "{} passed, {} failed, {} skipped",
        units::count(answer.passed),
        units::count(answer.failed),
        units::count(answer.skipped)
    )
}

/// Escapes the message of a workflow command.
fn data(text: &str) -> String {
    // The runner decodes %0A to a line break, while a raw one would end the command.
    let lines = text.lines().map(|line| printable(line).replace('%', "%25"));
    lines.collect::<Vec<_>>().join("%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Escapes text for a table cell: no Markdown, no HTML, no mention of a user, no end of the cell.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '#' | '@' | '!' | '$' | ':' | '^' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out
}

/// Renders text as code.
fn code(text: &str) -> String {
    format!("<code>{}</code>", cell(text))
}

/// Rows of a summary, which GitHub limits to 1 MiB.
const MAX_ROWS: usize = 200;

/// Differences of one expectation in a summary.
const MAX_DIFFERENCES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_neither_command_nor_markup() {
        assert_eq!(data("a%0A\r\n::error::b\x1b"), "a%250A%0A::error::b\\x1b");
        assert_eq!(property("a,b::c\rd"), "a%2Cb%3A%3Ac\\x0dd");
        assert_eq!(cell("a|b`<x>@me"), "a&#124;b&#96;&lt;x&gt;&#64;me");
    }
}
