//! The answer as text for people: for each contradiction the line of the log, and below it the frames of the wire.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::AnsiColor;
use jiff::tz::TimeZone;

use super::super::findings::shown;
use super::{Answer, ClaimOutcome, ClaimRecord, Difference, Log, WireOnly};
use crate::model::wire_text::printable;
use crate::report::table::{DIM, PLAIN};
use crate::report::units;
use crate::report::wrapping::{Span, label, verbatim, write_wrapped};

/// Options of the text.
#[derive(Clone, Debug)]
pub struct Options {
    /// True for ANSI colours.
    pub color: bool,
    /// True to show all claims; otherwise those that agree or cannot be compared are counted.
    pub verbose: bool,
    /// Zone of times.
    pub zone: TimeZone,
    /// Width in columns at which lines are wrapped; `None` for lines of any length.
    pub width: Option<u16>,
}

impl Options {
    /// Writes text; lines after the first are indented by `hang` columns more.
    fn write(
        &self,
        (indent, hang): (usize, usize),
        spans: &[Span],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        write_wrapped(spans, self.width, (indent, hang), self.color, out)
    }
}

/// Writes the answer.
pub fn write(answer: &Answer, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    for log in &answer.logs {
        options.write((0, 2), &[verbatim(PLAIN, &log_line(log))], out)?;
    }
    writeln!(out)?;
    let mut shown = false;
    for claim in &answer.claims {
        let is_quiet = matches!(
            claim.outcome,
            ClaimOutcome::Agrees | ClaimOutcome::NotComparable
        );
        if !is_quiet || options.verbose {
            write_claim(claim, answer, options, out)?;
            shown = true;
        }
    }
    for event in &answer.wire_only {
        write_missing(event, answer, options, out)?;
        shown = true;
    }
    if shown {
        writeln!(out)?;
    }
    write_totals(answer, options, out)?;
    if let Some(advice) = advice(answer) {
        options.write((0, 2), &[verbatim(PLAIN, advice)], out)?;
    }
    Ok(())
}

/// Returns what to do where nothing could be compared: without it, an answer of zeros passes for a good one.
fn advice(answer: &Answer) -> Option<&'static str> {
    let totals = &answer.totals;
    let compared = totals.agrees + totals.differs + totals.log_only + totals.wire_only;
    (compared == 0 && totals.not_comparable > 0).then_some(
        "Nothing was compared: look whether log and captures are of the same server, clients and time",
    )
}

/// Describes a log: kind, lines, and its clock.
#[must_use]
pub fn log_line(log: &Log) -> String {
    let mut text = format!(
        "{}: {}, {}, {}",
        printable(&log.path),
        log.kind,
        units::counted(log.lines, "line", "lines"),
        units::counted(log.claims, "claim", "claims")
    );
    if log.unreadable > 0 {
        let _ = write!(text, ", {} unreadable", units::count(log.unreadable));
    }
    let clocks = if log.clocks.is_empty() {
        std::slice::from_ref(&log.clock)
    } else {
        &log.clocks
    };
    for clock in clocks {
        let error = clock.error_seconds;
        let side = if error < 0.0 { "behind" } else { "ahead" };
        let _ = write!(text, "; zone {}", clock.zone);
        if clock.from_matches < 3 && log.clocks.is_empty() {
            text.push_str(", clock not known: too few matches, or several that fit equally well");
        } else {
            // Most logs have whole seconds: a fraction of the estimate says nothing.
            let error = if error.abs() < CUT_SECONDS {
                "clock right to about a second".to_owned()
            } else {
                let error = units::duration(error.abs().round());
                format!("clock about {error} {side}")
            };
            let _ = write!(
                text,
                ", {error}, from {}",
                units::counted(clock.from_matches, "match", "matches")
            );
        }
    }
    text
}

/// Error of a clock in seconds that times cut off to seconds may cause, with a server that writes a little late.
const CUT_SECONDS: f64 = 1.5;

/// Names the file and the line of a claim.
#[must_use]
pub fn place(claim: &ClaimRecord, answer: &Answer) -> String {
    let log = answer.logs.get(claim.log as usize);
    let path = log.map_or("", |log| log.path.as_str());
    format!("{}:{}", printable(path), claim.line)
}

/// Names the logs that have no line for an event.
#[must_use]
pub fn logs_without(event: &WireOnly, answer: &Answer) -> String {
    let logs = event.logs.iter();
    let logs = logs.filter_map(|&log| answer.logs.get(log as usize));
    let logs: Vec<String> = logs.map(|log| printable(&log.path).into_owned()).collect();
    logs.join(", ")
}

/// Describes a difference, its field included.
#[must_use]
pub fn difference(difference: &Difference) -> String {
    format!("{}: {}", difference.field, sides(difference))
}

fn sides(difference: &Difference) -> String {
    format!(
        "{} in the log, {} on the wire",
        shown(&difference.log),
        shown(&difference.wire)
    )
}

fn write_claim(
    claim: &ClaimRecord,
    answer: &Answer,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let place = place(claim, answer);
    let style = match claim.outcome {
        ClaimOutcome::Agrees => AnsiColor::Green.on_default(),
        ClaimOutcome::NotComparable => AnsiColor::Yellow.on_default(),
        ClaimOutcome::Differs | ClaimOutcome::LogOnly => AnsiColor::Red.on_default(),
    };
    let outcome = label(style, claim.outcome.name(), OUTCOME_WIDTH);
    options.write((0, 2), &[outcome, verbatim(PLAIN, &place)], out)?;
    row(out, options, "log", &claim.text)?;
    match (claim.session, claim.outcome) {
        (Some(session), _) => {
            let mut text = format!("session {session}");
            if let Some(transfer) = claim.transfer {
                let _ = write!(text, ", transfer {transfer}");
            }
            text.push_str(&frames(&claim.frames));
            if let Some(on_wire) = &claim.on_wire {
                let _ = write!(text, ": {on_wire}");
            }
            row(out, options, "wire", &text)?;
        }
        (None, ClaimOutcome::LogOnly) => row(out, options, "wire", "nothing like it")?,
        (None, _) => {}
    }
    for difference in &claim.differences {
        row(out, options, difference.field, &sides(difference))?;
    }
    if let Some(reason) = claim.reason {
        row(out, options, "reason", reason)?;
    }
    Ok(())
}

fn write_missing(
    event: &WireOnly,
    answer: &Answer,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let outcome = label(AnsiColor::Red.on_default(), "wire-only", OUTCOME_WIDTH);
    let logs = verbatim(PLAIN, &logs_without(event, answer));
    options.write((0, 2), &[outcome, logs], out)?;
    row(out, options, "log", event.why)?;
    let mut text = format!("session {}", event.session);
    if let Some(transfer) = event.transfer {
        let _ = write!(text, ", transfer {transfer}");
    }
    text.push_str(&frames(&event.frames));
    let _ = write!(text, ": {}", self::event(event, &options.zone));
    row(out, options, "wire", &text)
}

/// Describes an event: command, bytes and time.
#[must_use]
pub fn event(event: &WireOnly, zone: &TimeZone) -> String {
    // The path of a rename is the old name, which RNFR has.
    let verb = if event.kind == "rename" {
        "RNFR"
    } else {
        &event.verb
    };
    let mut text = verb.to_owned();
    if let Some(path) = &event.path {
        let _ = write!(text, " {path}");
    }
    if let Some(bytes) = event.bytes {
        let _ = write!(text, ", {}", units::bytes(bytes));
    }
    let _ = match &event.user {
        Some(user) => write!(text, ", {user} from {}", event.client),
        None => write!(text, ", from {}", event.client),
    };
    let _ = write!(text, ", {}", units::time(event.time, zone));
    text
}

fn frames(frames: &[u64]) -> String {
    match frames {
        [first, last] if first != last => format!(", frames {first} to {last}"),
        [first, ..] => format!(", frame {first}"),
        [] => String::new(),
    }
}

fn row(out: &mut dyn Write, options: &Options, name: &str, text: &str) -> io::Result<()> {
    let spans = [label(DIM, name, LABEL_WIDTH), verbatim(PLAIN, text)];
    options.write((4, LABEL_WIDTH + 1), &spans, out)
}

fn write_totals(answer: &Answer, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let style = if answer.disagrees() {
        AnsiColor::Red.on_default()
    } else {
        AnsiColor::Green.on_default()
    };
    options.write((0, 2), &[verbatim(style, &totals(answer))], out)
}

/// Counts the outcomes, with the reasons of claims that cannot be compared.
#[must_use]
pub fn totals(answer: &Answer) -> String {
    let totals = &answer.totals;
    let count = units::count;
    let mut text = format!(
        "{}, {}, {} only in the log, {} only on the wire, {} cannot be compared",
        units::counted(totals.agrees, "agrees", "agree"),
        units::counted(totals.differs, "differs", "differ"),
        count(totals.log_only),
        count(totals.wire_only),
        count(totals.not_comparable)
    );
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for claim in &answer.claims {
        if let Some(reason) = claim.reason {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    if answer.claims_omitted > 0 {
        *reasons.entry(super::super::judgement::OUTSIDE).or_default() += answer.claims_omitted;
    }
    if !reasons.is_empty() {
        let reasons = reasons.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, number)| format!("{} {reason}", count(*number)))
            .collect();
        let _ = write!(text, " ({})", reasons.join(", "));
    }
    text
}

/// Columns of the outcome in front of a place in a log.
const OUTCOME_WIDTH: usize = 14;

/// Columns of the name in front of a value.
const LABEL_WIDTH: usize = 8;
