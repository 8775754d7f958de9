//! One line of text per event: time, session, end points, action and outcome.

use std::collections::BTreeMap;

use anstyle::Style;
use jiff::tz::TimeZone;

use super::table::{
    BOLD, CYAN, DIM, GREEN, PLAIN, RED, YELLOW, completeness_words, exchange, paint,
    severity_style, severity_word, totals_line, verdict_style,
};
use super::units;
use crate::model::record::{
    Address, AttemptOutcome, Capture, Completeness, Finding, Outcome, Server, Severity, Step,
    Totals, Transfer, TransferDirection,
};
use crate::model::wire_text::printable;
use crate::model::{Event, EventKind};

/// Formatter of events as lines; keeps the end points of open sessions.
#[derive(Debug)]
pub struct LiveLines {
    color: bool,
    zone: TimeZone,
    /// Set to show commands and replies, explanations and evidence below the line of their event.
    verbose: bool,
    /// Client and server as text, by session id.
    ends: BTreeMap<u64, String>,
}

/// Content of a line.
struct Content {
    /// End points; `None` for those of the session.
    ends: Option<String>,
    action: String,
    outcome: (Style, String),
}

impl LiveLines {
    /// Creates a formatter with or without colours, with times in `zone`.
    #[must_use]
    pub fn new(color: bool, zone: TimeZone) -> Self {
        Self {
            color,
            zone,
            verbose: false,
            ends: BTreeMap::new(),
        }
    }

    /// Shows commands and replies, explanations and evidence, if `verbose`, in lines of their own below that of the event.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Returns the line of an event with its line end, and the lines below it; `None` for an event that another line repeats.
    /// `alert` marks it.
    pub fn line(&mut self, event: &Event<'_>, alert: bool) -> Option<String> {
        if let (Some(id), EventKind::SessionStart { client, server }) = (event.session, &event.kind)
        {
            if self.ends.len() >= SESSIONS {
                // Ids ascend: this evicts the oldest session, which most likely has ended.
                self.ends.pop_first();
            }
            self.ends.insert(id, session_ends(*client, server));
        }
        let content = content(event, self.verbose)?;
        // A session that began before the limit evicted it has a line without end points.
        let known = event.session.and_then(|id| self.ends.get(&id)).cloned();
        let ends = content.ends.or(known).unwrap_or_default();
        if let (Some(id), EventKind::SessionEnd(_)) = (event.session, &event.kind) {
            self.ends.remove(&id);
        }
        let (style, outcome) = &content.outcome;
        let mut parts = Vec::new();
        // Before the first packet there is no time: the line is about the run, as the totals at its end are.
        if event.frame.number > 0 {
            let time = units::time_to_millisecond(event.frame.time, &self.zone);
            let session = event
                .session
                .map_or_else(String::new, |id| format!("#{id}"));
            // Fixed widths for time and session, so that lines form columns while they scroll.
            parts.push(paint(self.color, DIM, &format!("{time:<23}")));
            parts.push(paint(self.color, DIM, &format!("{session:<4}")));
        }
        if !ends.is_empty() {
            parts.push(ends);
        }
        if alert {
            parts.push(paint(self.color, RED.bold(), "ALERT"));
        }
        parts.push(content.action);
        if !outcome.is_empty() {
            parts.push(paint(self.color, *style, outcome));
        }
        let mut text = format!("{}\n", parts.join("  ").trim_end());
        if self.verbose {
            for detail in details(event) {
                let line = format!("{DETAIL_INDENT}{}", printable(&detail));
                text.push_str(&paint(self.color, DIM, line.trim_end()));
                text.push('\n');
            }
        }
        Some(text)
    }

    /// Returns the last line, with the counts of the run and the packets `dropped` by the kernel.
    #[must_use]
    pub fn totals(&self, totals: &Totals, dropped: u64) -> String {
        let dropped = match dropped {
            0 => String::new(),
            count => format!(", {} dropped", units::counted(count, "packet", "packets")),
        };
        let text = totals_line(totals, &dropped);
        format!("{}\n", paint(self.color, BOLD, &text))
    }
}

/// Returns the lines that `-v` shows below that of an event.
fn details(event: &Event<'_>) -> Vec<String> {
    match &event.kind {
        EventKind::Step(step) => step.commands.iter().flat_map(exchange).collect(),
        EventKind::Transfer(transfer) => {
            let reasons = transfer.evidence.iter();
            reasons.map(|reason| format!("because: {reason}")).collect()
        }
        EventKind::FindingSoFar(finding) | EventKind::Finding(finding) => {
            vec![finding.explanation.clone(), finding.advice.clone()]
        }
        _ => Vec::new(),
    }
}

/// Returns the parts of a line; `None` for an event without one. With `verbose` the step of a transfer has one too, for its commands.
fn content(event: &Event<'_>, verbose: bool) -> Option<Content> {
    let (ends, action, outcome) = match &event.kind {
        EventKind::Capture(capture) => (None, capture_text(capture), none()),
        EventKind::SessionStart { .. } => (None, "session begins".to_owned(), none()),
        // The transfer has a line of its own.
        EventKind::Step(step) if step.transfer.is_some() && !verbose => return None,
        EventKind::Step(step) => {
            let title = printable(&step.title);
            // The outcome ends the line of every step; some titles end with it as well.
            let action = title.strip_suffix(": ok").unwrap_or(&title).to_owned();
            (None, action, step_outcome(step))
        }
        EventKind::Transfer(transfer) => (
            None,
            transfer_text(transfer),
            completeness(transfer.completeness),
        ),
        EventKind::TransferProgress {
            transfer,
            bytes,
            throughput,
        } => {
            let rate =
                throughput.map_or_else(String::new, |rate| format!(" at {}", units::rate(rate)));
            (
                None,
                format!("transfer {transfer}: {} so far{rate}", units::size(*bytes)),
                (CYAN, "running".to_owned()),
            )
        }
        EventKind::FindingSoFar(finding) | EventKind::Finding(finding) => {
            (None, finding_text(finding), severity(finding.severity))
        }
        EventKind::SessionEnd(session) => (
            None,
            format!(
                "session ends after {}: {}",
                units::duration(session.duration),
                printable(&session.verdict.text)
            ),
            (
                verdict_style(session.verdict.status),
                status(session.verdict.status).to_owned(),
            ),
        ),
        EventKind::UnmatchedData(data) => (
            Some(between(data.connection.client, data.connection.server)),
            format!("data without a command: {}", units::size(data.bytes)),
            completeness(data.completeness),
        ),
        EventKind::ConnectionAttempt(attempt) => (
            Some(between(attempt.client, attempt.server)),
            match attempt.outcome {
                AttemptOutcome::OtherProtocol => "connection without FTP",
                _ => "connection without a byte",
            }
            .to_owned(),
            (YELLOW, attempt.text()),
        ),
        EventKind::LatePackets(_) => return None,
        EventKind::Warning(warning) => (
            None,
            printable(&warning.message).into_owned(),
            (YELLOW, "warning".to_owned()),
        ),
    };
    Some(Content {
        ends,
        action,
        outcome,
    })
}

fn capture_text(capture: &Capture) -> String {
    let path = printable(&capture.path);
    let links = capture.link_types.join(", ");
    match (capture.format.as_str(), &*path) {
        ("live", interface) => format!("listening on {interface} ({links})"),
        (format, "-") => format!("reading standard input ({format}, {links})"),
        (format, path) => format!("reading {path} ({format}, {links})"),
    }
}

fn transfer_text(transfer: &Transfer) -> String {
    let name = transfer
        .path
        .as_ref()
        .or(transfer.argument.as_ref())
        .map_or_else(String::new, |name| format!(" {}", printable(name)));
    let mut text = format!(
        "{}{name}: {}",
        printable(&transfer.verb),
        units::bytes(transfer.bytes)
    );
    if let Some(connection) = &transfer.connection {
        let seconds = connection.end.since(connection.start).seconds();
        text.push_str(" in ");
        text.push_str(&units::duration(seconds));
    }
    if transfer.direction == TransferDirection::Listing {
        let entries =
            units::to_u64(transfer.entries.len()).saturating_add(transfer.entries_omitted);
        text.push_str(", ");
        text.push_str(&units::counted(entries, "entry", "entries"));
    } else if let Some(digest) = &transfer.sha256 {
        text.push_str(", sha256 ");
        text.push_str(digest);
    }
    if let Some(saved) = &transfer.saved_as {
        text.push_str(", saved as ");
        text.push_str(&printable(saved));
    }
    if let Some(reasons) = broken_off(transfer) {
        text.push_str(" (");
        text.push_str(&printable(&reasons));
        text.push(')');
    }
    text
}

/// Returns the evidence that a transfer is not whole: its final reply, and who ended the data connection. `None` for one that is.
fn broken_off(transfer: &Transfer) -> Option<String> {
    let is_broken = matches!(
        transfer.completeness,
        Completeness::Gaps | Completeness::Aborted | Completeness::Truncated
    );
    let evidence = transfer.evidence.iter().map(String::as_str);
    // In one line there is no place for what was looked for and not found.
    let found = evidence.filter(|reason| !reason.starts_with("no "));
    let reasons = found.collect::<Vec<_>>().join("; ");
    (is_broken && !reasons.is_empty()).then_some(reasons)
}

fn finding_text(finding: &Finding) -> String {
    format!("{}: {}", finding.id, printable(&finding.title))
}

fn step_outcome(step: &Step) -> (Style, String) {
    let (style, text) = match step.outcome {
        Outcome::Ok => (GREEN, "ok"),
        Outcome::Failed => (RED, "failed"),
        Outcome::Incomplete => (YELLOW, "incomplete"),
        Outcome::Unknown => (DIM, "unknown"),
    };
    (style, text.to_owned())
}

fn completeness(completeness: Completeness) -> (Style, String) {
    let style = match completeness {
        Completeness::Complete => GREEN,
        Completeness::Unverifiable => DIM,
        Completeness::Gaps | Completeness::Truncated => YELLOW,
        Completeness::Aborted => RED,
    };
    (style, completeness_words(completeness).to_owned())
}

fn severity(severity: Severity) -> (Style, String) {
    (severity_style(severity), severity_word(severity).to_owned())
}

const fn status(status: crate::model::record::VerdictStatus) -> &'static str {
    use crate::model::record::VerdictStatus as Status;
    match status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Failed => "failed",
    }
}

const fn none() -> (Style, String) {
    (PLAIN, String::new())
}

fn session_ends(client: Address, server: &Server) -> String {
    let address = end(Address {
        ip: server.ip,
        port: server.port,
    });
    match &server.name {
        Some(name) => format!("{} → {} ({address})", end(client), printable(name)),
        None => format!("{} → {address}", end(client)),
    }
}

fn between(client: Address, server: Address) -> String {
    format!("{} → {}", end(client), end(server))
}

fn end(address: Address) -> String {
    std::net::SocketAddr::new(address.ip, address.port).to_string()
}

/// Indent of the lines below that of an event: the width of its time and session.
const DETAIL_INDENT: &str = "                               ";

/// Sessions whose end points are kept.
const SESSIONS: usize = 200_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::CapturePlace;
    use crate::model::FrameRef;
    use crate::model::Timestamp;
    use crate::report::example::example_session;

    fn event(kind: EventKind<'_>) -> Event<'_> {
        Event {
            frame: FrameRef {
                time: Timestamp::from_parts(1_700_000_000, 250_000_000),
                number: 1,
                place: CapturePlace::new(0, 1),
            },
            session: Some(1),
            late: false,
            kind,
        }
    }

    #[test]
    fn line_has_time_session_end_points_action_and_outcome() {
        let session = example_session();
        let mut lines = LiveLines::new(false, TimeZone::UTC);
        let mut text = String::new();
        let start = EventKind::SessionStart {
            client: session.client,
            server: &session.server,
        };
        text.extend(lines.line(&event(start), false));
        for step in &session.steps {
            text.extend(lines.line(&event(EventKind::Step(step)), false));
        }
        for transfer in &session.transfers {
            text.extend(lines.line(&event(EventKind::Transfer(transfer)), true));
        }
        text.extend(lines.line(&event(EventKind::SessionEnd(Arc::new(session))), false));
        insta::assert_snapshot!(text);
        assert!(lines.ends.is_empty());
    }

    #[test]
    fn line_of_a_broken_transfer_has_its_reply_and_who_ended_it() {
        let session = example_session();
        let last = session.transfers.last().expect("a transfer");
        let mut transfer = Transfer::clone(last);
        transfer.completeness = Completeness::Aborted;
        transfer.evidence = vec![
            "final reply 426 Failure. (frame 9)".to_owned(),
            "no gap in the stream".to_owned(),
            "RST from the \x1bsender (frame 8)".to_owned(),
        ];
        let mut lines = LiveLines::new(false, TimeZone::UTC);
        let mut line = |transfer: &Transfer| {
            let shared = Arc::new(transfer.clone());
            let line = lines.line(&event(EventKind::Transfer(&shared)), false);
            line.expect("a line")
        };
        let text = line(&transfer);
        assert!(
            text.ends_with(
                " (final reply 426 Failure. (frame 9); RST from the \\x1bsender (frame 8))  aborted\n"
            ),
            "{text}"
        );
        transfer.completeness = Completeness::Complete;
        assert!(!line(&transfer).contains("426"));
    }

    #[test]
    fn verbose_shows_commands_replies_and_explanations_below_the_line() {
        let session = example_session();
        let lines = |verbose| {
            let mut lines = LiveLines::new(false, TimeZone::UTC).verbose(verbose);
            let mut text = String::new();
            for step in &session.steps {
                text.extend(lines.line(&event(EventKind::Step(step)), false));
            }
            for finding in &session.findings {
                text.extend(lines.line(&event(EventKind::Finding(finding)), false));
            }
            text
        };
        let (brief, verbose) = (lines(false), lines(true));
        for line in brief.lines() {
            assert!(verbose.lines().any(|other| other == line), "{line}");
        }
        let command = format!("\n{DETAIL_INDENT}> CWD pub\n{DETAIL_INDENT}< 250 ");
        assert!(verbose.contains(&command), "{verbose}");
        assert!(verbose.contains("> RETR "), "{verbose}");
        assert!(!brief.contains("> CWD"), "{brief}");
        let finding = session.findings.first().expect("a finding");
        let explanation = printable(&finding.explanation);
        assert!(
            verbose.contains(&format!("\n{DETAIL_INDENT}{explanation}\n")),
            "{verbose}"
        );
    }

    #[test]
    fn outcome_that_a_title_ends_with_stands_once_in_the_line() {
        let mut session = example_session();
        let step = session.steps.first_mut().expect("a step");
        {
            let step = Arc::make_mut(step);
            step.title = "QUIT: ok".to_owned();
            step.outcome = Outcome::Ok;
            step.transfer = None;
        }
        let step: &Arc<Step> = step;
        let mut lines = LiveLines::new(false, TimeZone::UTC);
        let line = lines
            .line(&event(EventKind::Step(step)), false)
            .expect("a line");
        assert!(line.ends_with("  QUIT  ok\n"), "{line}");
    }

    #[test]
    fn line_before_the_first_packet_begins_with_what_is_listened_to() {
        let line = |path: &str, format: &str| {
            let capture = Capture {
                path: path.to_owned(),
                format: format.to_owned(),
                link_types: vec!["EN10MB".to_owned()],
                path_b64: None,
                packets: None,
                bytes: None,
                first_packet: None,
                last_packet: None,
                truncated: None,
                drops: None,
            };
            let begun = Event {
                frame: FrameRef::default(),
                session: None,
                ..event(EventKind::Capture(&capture))
            };
            let mut lines = LiveLines::new(false, TimeZone::UTC);
            lines.line(&begun, false).expect("a line")
        };
        assert_eq!(line("eth0", "live"), "listening on eth0 (EN10MB)\n");
        assert_eq!(line("-", "pcap"), "reading standard input (pcap, EN10MB)\n");
        assert_eq!(line("a.pcap", "pcap"), "reading a.pcap (pcap, EN10MB)\n");
    }

    #[test]
    fn totals_without_a_session_are_those_of_a_report_without_one() {
        let lines = LiveLines::new(false, TimeZone::UTC);
        assert_eq!(
            lines.totals(&Totals::default(), 0),
            "No FTP session in 0 packets\n"
        );
    }

    #[test]
    fn control_characters_of_a_server_name_are_escaped() {
        let mut session = example_session();
        session.server.name = Some("a\x1b[2Jb\n".to_owned());
        let mut lines = LiveLines::new(false, TimeZone::UTC);
        let start = EventKind::SessionStart {
            client: session.client,
            server: &session.server,
        };
        let line = lines.line(&event(start), false).expect("a line");
        assert!(!line.trim_end().contains(['\x1b', '\n']), "{line}");
    }
}
