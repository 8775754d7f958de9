//! Blocks outside of sessions: findings about several sessions, data without a command, attempts, warnings, totals.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::block::{
    Block, Column, Grid, Head, Mark, NARROW, TINY, bare, omitted, plain, shortened, shown, span,
};
use super::{BOLD, CYAN, DIM, Options, YELLOW, completeness_words, session, totals_line};
use crate::model::record::{Accounting, AttemptOutcome, CaptureSpan, Connection};
use crate::report::marks::completeness_mark;
use crate::report::{Report, units};

/// Writes the blocks that follow the sessions, and the totals.
pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if !options.summary {
        findings(report, options, out)?;
        unmatched_data(report, options, out)?;
        attempts(report, options, out)?;
    }
    warnings(report, options, out)?;
    accounting(report, options, out)?;
    totals(report, options, out)
}

fn findings(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.is_empty() {
        return Ok(());
    }
    let mut block = Block::new(out, options, YELLOW);
    block.text(0, 2, &[span(BOLD, "About several sessions")])?;
    let mut findings: Vec<_> = report.findings.iter().collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    for finding in findings {
        session::finding(finding, options, &mut block)?;
    }
    omitted(report.findings_omitted, "finding", "findings", &mut block)?;
    block.end()
}

fn unmatched_data(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if report.unmatched_data.is_empty() {
        return Ok(());
    }
    let mut block = Block::new(out, options, CYAN);
    block.text(0, 2, &[span(BOLD, "Data connections without a command")])?;
    let heads = [
        Head::new(Column::Text, "Client ↔ server"),
        Head::new(Column::Right, "Size").from(TINY),
        Head::new(Column::Left, "State").from(TINY),
        Head::new(Column::Left, "Content").from(NARROW),
        Head::new(Column::Right, "Frames").from(NARROW).named(),
    ];
    let mut grid = Grid::new(block.width(), &heads);
    let (first, hidden, last) = shown(&report.unmatched_data, options);
    for data in first.iter().chain(last) {
        let connection = &data.connection;
        let mut ends = vec![format!(
            "{} ↔ {}",
            session::end_point(connection.client),
            session::end_point(connection.server)
        )];
        if let Some(saved) = &data.saved_as {
            ends.push(format!("saved as {}", shortened(saved)));
        }
        let mark = completeness_mark(data.completeness).into();
        let state = completeness_words(data.completeness);
        grid.row(
            mark,
            &[
                ends,
                vec![units::size(data.bytes)],
                vec![state.to_owned()],
                vec![data.media_type.clone().unwrap_or_else(|| "-".to_owned())],
                connection_frames(connection, options),
            ],
        );
    }
    block.grid(grid)?;
    let not_shown = report.unmatched_data_omitted.saturating_add(hidden);
    omitted(not_shown, "connection", "connections", &mut block)?;
    block.end()
}

/// Returns the first and the last frame of a connection; with several captures a line for each.
fn connection_frames(connection: &Connection, options: &Options) -> Vec<String> {
    if options.captures.is_empty() || connection.captures.is_empty() {
        let (first, last) = (connection.first_frame, connection.last_frame);
        return vec![format!("{first}-{last}")];
    }
    let line = |span: &CaptureSpan| {
        let (first, last) = (span.first_capture_frame, span.last_capture_frame);
        let name = options.captures.name(span.capture);
        format!("{first}-{last} of {}", shortened(name))
    };
    connection
        .captures
        .iter()
        .take(MAX_LINES)
        .map(line)
        .collect()
}

/// Width from which a frame with the name of its capture has a column of its own.
const WIDE: usize = 120;
/// Captures of one connection named in a cell.
const MAX_LINES: usize = 4;

fn attempts(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if report.connection_attempts.is_empty() {
        return Ok(());
    }
    let mut block = Block::new(out, options, CYAN);
    block.text(
        0,
        2,
        &[span(BOLD, "Connections to port 21 that carried no FTP")],
    )?;
    // With several captures the frame has a name behind it, which may be long.
    let frame = if options.captures.is_empty() {
        Head::new(Column::Right, "Frame").from(TINY)
    } else {
        Head::new(Column::Left, "Frame").from(WIDE)
    };
    let heads = [
        Head::new(Column::Left, "Time").from(NARROW),
        Head::new(Column::Text, "Client → server"),
        Head::new(Column::Left, "Outcome").from(TINY),
        frame.named(),
    ];
    let mut grid = Grid::new(block.width(), &heads);
    let (first, hidden, last) = shown(&report.connection_attempts, options);
    for attempt in first.iter().chain(last) {
        let mark = match attempt.outcome {
            AttemptOutcome::Refused | AttemptOutcome::Unanswered => Mark::Bad,
            AttemptOutcome::Closed | AttemptOutcome::OtherProtocol => Mark::Note,
        };
        let ends = format!(
            "{} → {}",
            session::end_point(attempt.client),
            session::end_point(attempt.server)
        );
        grid.row(
            mark,
            &[
                vec![units::time(attempt.time, &options.zone)],
                vec![ends],
                vec![attempt.text()],
                vec![options.captures.number(attempt.frame, attempt.place())],
            ],
        );
    }
    block.grid(grid)?;
    let not_shown = report.connection_attempts_omitted.saturating_add(hidden);
    omitted(not_shown, "attempt", "attempts", &mut block)?;
    block.end()
}

fn warnings(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if report.warnings.is_empty() {
        return Ok(());
    }
    let mut block = Block::new(out, options, YELLOW);
    block.text(0, 2, &[span(BOLD, "About the capture")])?;
    for warning in &report.warnings {
        // One line a warning, however often it occurred.
        let mut spans = vec![span(YELLOW, "!"), plain(&warning.message)];
        if warning.count > 1 {
            let times = format!("({} times)", units::count(warning.count));
            spans.push(span(DIM, &times));
        }
        if let Some(frame) = warning.frame {
            let frame = options.captures.frame(frame, warning.place());
            spans.push(span(DIM, &format!("({frame})")));
        }
        block.text(0, 2, &spans)?;
    }
    omitted(report.warnings_omitted, "warning", "warnings", &mut block)?;
    block.end()
}

fn totals(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let totals = &report.totals;
    if report.captures.is_empty() && totals.packets == 0 {
        // No input could be read, which is an error message of its own: there is nothing to sum up.
        return Ok(());
    }
    bare(out, options, BOLD, &totals_line(totals, ""))
}

fn accounting(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let lines = accounting_lines(&report.totals.accounting);
    if !options.verbose || lines.is_empty() {
        return Ok(());
    }
    let mut block = Block::new(out, options, CYAN);
    block.text(0, 2, &[span(BOLD, "What became of the packets")])?;
    for line in lines {
        block.text(0, 2, &[plain(&line)])?;
    }
    block.end()
}

/// Returns the counts of packets as lines. The parts of the first line add up to all packets.
fn accounting_lines(accounting: &Accounting) -> Vec<String> {
    let Accounting {
        used,
        dns,
        not_ftp,
        not_decodable,
        filtered,
        outside_time_bounds,
        cut,
        duplicates,
    } = accounting;
    let parts = [
        (*used, "of FTP"),
        (*dns, "of DNS"),
        (*not_ftp, "of other traffic"),
        (not_decodable.values().sum(), "not decodable"),
        (*filtered, "hidden by the filter"),
        (*outside_time_bounds, "outside the time bounds"),
    ];
    let counts: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{} {kind}", units::count(*count)))
        .collect();
    let mut lines = Vec::new();
    if !counts.is_empty() {
        lines.push(counts.join(", "));
    }
    if !not_decodable.is_empty() {
        let reasons = not_decodable.iter().map(|(reason, count)| {
            format!("{} {}", units::count(*count), reason.replace('-', " "))
        });
        lines.push(format!(
            "not decodable: {}",
            reasons.collect::<Vec<_>>().join(", ")
        ));
    }
    if *cut > 0 {
        lines.push(format!(
            "captured in part: {}, counted above as well",
            units::counted(*cut, "packet", "packets")
        ));
    }
    if *duplicates > 0 {
        lines.push(format!(
            "captured twice: at least {}, counted above as well",
            units::counted(*duplicates, "packet", "packets")
        ));
    }
    lines
}
