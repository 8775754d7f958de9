//! The answer as text for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::super::verdict::{Answer, Difference, Group, Place, Status, Verdict};
use super::labels;
use crate::model::wire_text::printable;
use crate::report::units;

/// Options of the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// True for ANSI colours.
    pub color: bool,
    /// True to name expectations that hold, and to list all differences.
    pub verbose: bool,
}

/// Writes the answer.
pub fn write(answer: &Answer, options: Options, out: &mut dyn Write) -> io::Result<()> {
    for group in &answer.groups {
        let writer = Writer { group, options };
        writer.group(out)?;
    }
    for warning in &answer.warnings {
        let text = format!("! {}", printable(warning));
        let style = AnsiColor::Yellow.on_default();
        writeln!(out, "{}", painted(&text, style, options.color))?;
    }
    let of = match answer.captures.as_slice() {
        [] => "no capture".to_owned(),
        [one] => printable(one).into_owned(),
        several => units::counted(units::to_u64(several.len()), "capture", "captures"),
    };
    let all = answer.passed + answer.failed + answer.skipped;
    let counts = format!(
        "{}: {} passed, {} failed, {} skipped",
        units::counted(all, "expectation", "expectations"),
        units::count(answer.passed),
        units::count(answer.failed),
        units::count(answer.skipped)
    );
    let style = match (answer.failed, answer.skipped) {
        (0, 0) => AnsiColor::Green.on_default(),
        (0, _) => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Red.on_default(),
    };
    writeln!(
        out,
        "{}, {} in {of}",
        painted(&counts, style, options.color),
        units::counted(answer.sessions, "session", "sessions"),
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
                Status::Passed if self.options.verbose => {
                    self.line("✓", AnsiColor::Green.on_default(), verdict, "", out)?;
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
                printable(&self.group.name)
            );
            let style = AnsiColor::Yellow.on_default();
            writeln!(out, "{}", painted(&text, style, self.options.color))?;
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
        let text = format!("{mark} {}{}", printable(&verdict.name), printable(more));
        write!(out, "{}", painted(&text, style, self.options.color))?;
        if let (Some(file), Some(line)) = (&self.group.file, verdict.line) {
            let place = format!("  {}:{line}", printable(file));
            write!(
                out,
                "{}",
                painted(&place, Style::new().dimmed(), self.options.color)
            )?;
        }
        writeln!(out)
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
            writeln!(out, "    and {} more", units::count(rest))?;
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
            let name = painted(
                &format!("{name:9}"),
                Style::new().dimmed(),
                self.options.color,
            );
            writeln!(out, "    {name} {}", printable(text))
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

fn painted(text: &str, style: Style, color: bool) -> String {
    if color {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Skipped expectations named one by one.
const MAX_SKIPPED: usize = 3;

/// Differences of one expectation; `-v` shows all.
const MAX_DIFFERENCES: usize = 8;
