//! The answer as text for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::super::verdict::{Answer, Difference, Group, Place, Status, Verdict};
use super::labels;
use crate::report::table::{DIM, PLAIN};
use crate::report::wrapping::{Span, label, verbatim, write_wrapped};
use crate::report::{capture_words, units};

/// Options of the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// True for ANSI colours.
    pub color: bool,
    /// True to name expectations that hold, and to list all differences.
    pub verbose: bool,
    /// Width in columns at which lines are wrapped; `None` for lines of any length.
    pub width: Option<u16>,
}

impl Options {
    /// Writes text; lines after the first are indented by `hang` columns more.
    fn write(
        self,
        (indent, hang): (usize, usize),
        spans: &[Span],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        write_wrapped(spans, self.width, (indent, hang), self.color, out)
    }
}

/// Writes the answer.
pub fn write(answer: &Answer, options: Options, out: &mut dyn Write) -> io::Result<()> {
    for group in &answer.groups {
        let writer = Writer { group, options };
        writer.group(out)?;
    }
    for reason in &answer.not_whole {
        let text = format!("✗ not whole, which --strict refuses: {reason}");
        let style = AnsiColor::Red.on_default();
        options.write((0, 2), &[verbatim(style, &text)], out)?;
    }
    for warning in answer.mere_warnings() {
        let text = format!("! {warning}");
        let style = AnsiColor::Yellow.on_default();
        options.write((0, 2), &[verbatim(style, &text)], out)?;
    }
    let sessions = units::counted(answer.sessions, "session", "sessions");
    let of = match answer.captures.as_slice() {
        [] => "no capture could be read".to_owned(),
        [one] => format!("{sessions} in {}", capture_words(one)),
        several => {
            let count = units::to_u64(several.len());
            format!(
                "{sessions} in {}",
                units::counted(count, "capture", "captures")
            )
        }
    };
    let all = answer.passed + answer.failed + answer.skipped;
    let counts = format!(
        "{}: {} passed, {} failed, {} skipped,",
        units::counted(all, "expectation", "expectations"),
        units::count(answer.passed),
        units::count(answer.failed),
        units::count(answer.skipped)
    );
    let style = match (answer.failed, answer.skipped) {
        _ if answer.fails() => AnsiColor::Red.on_default(),
        (0, 0) => AnsiColor::Green.on_default(),
        (0, _) => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Red.on_default(),
    };
    options.write(
        (0, 2),
        &[verbatim(style, &counts), verbatim(PLAIN, &of)],
        out,
    )
}

/// Writer of one group.
struct Writer<'a> {
    group: &'a Group,
    options: Options,
}

impl Writer<'_> {
    fn group(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut silent: Vec<&Verdict> = Vec::new();
        let mut any = false;
        for verdict in &self.group.verdicts {
            match verdict.status {
                Status::Passed if self.options.verbose || verdict.reason.is_some() => {
                    let but = verdict
                        .reason
                        .iter()
                        .map(|reason| format!(", but {reason}"));
                    let but: String = but.collect();
                    self.line("✓", AnsiColor::Green.on_default(), verdict, &but, out)?;
                    any = true;
                }
                Status::Passed => {}
                Status::Failed => {
                    self.line("✗", AnsiColor::Red.on_default(), verdict, "", out)?;
                    self.differences(verdict, out)?;
                    any = true;
                }
                // A missing session skips all its expectations: their number is enough.
                Status::Skipped if verdict.line.is_some() && !self.options.verbose => {
                    silent.push(verdict);
                    any = true;
                }
                Status::Skipped => {
                    self.skipped(verdict, out)?;
                    any = true;
                }
            }
        }
        if silent.len() > MAX_SKIPPED {
            let text = format!(
                "- {} skipped in {}; -v names them",
                units::counted(units::to_u64(silent.len()), "expectation", "expectations"),
                self.group.name
            );
            let style = AnsiColor::Yellow.on_default();
            self.options.write((0, 2), &[verbatim(style, &text)], out)?;
        } else {
            for verdict in silent {
                self.skipped(verdict, out)?;
            }
        }
        if any {
            writeln!(out)?;
        }
        Ok(())
    }

    fn skipped(&self, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
        let reason = verdict.reason.as_deref().unwrap_or_default();
        let style = AnsiColor::Yellow.on_default();
        self.line("-", style, verdict, &format!(": skipped, {reason}"), out)
    }

    fn line(
        &self,
        mark: &str,
        style: Style,
        verdict: &Verdict,
        more: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let text = format!("{mark} {}{more}", verdict.name);
        let mut spans = vec![verbatim(style, &text)];
        if let (Some(file), Some(line)) = (&self.group.file, verdict.line) {
            // The first blank is one more than that between words.
            spans.push(verbatim(DIM, &format!(" {file}:{line}")));
        }
        self.options.write((0, 2), &spans, out)
    }

    fn differences(&self, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
        let shown = if self.options.verbose {
            verdict.differences.len()
        } else {
            MAX_DIFFERENCES.min(verdict.differences.len())
        };
        let mut before: Option<&Difference> = None;
        for difference in verdict.differences.iter().take(shown) {
            self.difference(difference, before, out)?;
            before = Some(difference);
        }
        let rest = units::to_u64(verdict.differences.len() - shown) + verdict.differences_omitted;
        if rest > 0 {
            let text = format!("and {} more", units::count(rest));
            self.options.write((4, 2), &[verbatim(PLAIN, &text)], out)?;
        }
        Ok(())
    }

    /// Writes a difference without the lines that repeat the one before.
    fn difference(
        &self,
        difference: &Difference,
        before: Option<&Difference>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let row = |name: &str, text: &str, out: &mut dyn Write| {
            let spans = [label(DIM, name, LABEL_WIDTH), verbatim(PLAIN, text)];
            self.options.write((4, LABEL_WIDTH + 1), &spans, out)
        };
        let (expected, found) = labels(self.group.kind);
        if before.is_none_or(|before| before.expected != difference.expected) {
            row(expected, &difference.expected, out)?;
        }
        row(found, &difference.found, out)?;
        let place = difference.place.as_ref().and_then(Place::words);
        let place_before = before.and_then(|before| before.place.as_ref());
        if let Some(place) =
            place.filter(|place| place_before.and_then(Place::words).as_ref() != Some(place))
        {
            row("in", &place, out)?;
        }
        for cause in &difference.because {
            row("because", cause, out)?;
        }
        if let Some(advice) = &difference.advice {
            row("advice", advice, out)?;
        }
        Ok(())
    }
}

/// Skipped expectations named one by one.
const MAX_SKIPPED: usize = 3;

/// Differences of one expectation; `-v` shows all.
const MAX_DIFFERENCES: usize = 8;

/// Columns of the name in front of a value.
const LABEL_WIDTH: usize = 9;
