//! Findings about logs, one for each contradiction.

use super::INJECTED;
use super::answer::{Answer, ClaimOutcome, ClaimRecord, Difference, Value, WireOnly};
use crate::model::Span;
use crate::model::record::{Finding, Severity};
use crate::report::units;

/// Adds the findings of an answer.
pub(super) fn add(answer: &mut Answer, tolerance: Span) {
    let mut findings = Vec::new();
    for claim in &answer.claims {
        let log = answer.logs.get(claim.log as usize);
        let place = log.map_or_else(String::new, |log| format!("{}:{}", log.path, claim.line));
        match claim.outcome {
            ClaimOutcome::Differs => {
                let differences = claim.differences.iter();
                findings.extend(differences.filter_map(|one| of_difference(claim, one, &place)));
            }
            ClaimOutcome::LogOnly => findings.push(unseen(claim, &place)),
            ClaimOutcome::NotComparable if claim.reason == Some(INJECTED) => {
                findings.push(injected(claim, &place));
            }
            ClaimOutcome::Agrees | ClaimOutcome::NotComparable => {}
        }
    }
    for event in &answer.wire_only {
        findings.push(missing(event, answer));
    }
    for log in &answer.logs {
        let error = log.clock.error_seconds;
        if error.abs() > tolerance.seconds() {
            findings.push(finding(
                "log-clock-off",
                Severity::Info,
                format!("the clock of {} is {} off", log.path, units::duration(error.abs())),
                format!(
                    "{} matches: the log's times are {error:.3} s ahead of the capture's, zone {} left out.",
                    units::count(log.clock.from_matches),
                    log.clock.zone
                ),
                "Set the server's clock by NTP, or that of the host that captures.",
            ));
        }
    }
    answer.findings_omitted = units::to_u64(findings.len().saturating_sub(MAX_FINDINGS));
    findings.truncate(MAX_FINDINGS);
    answer.findings = findings;
}

fn of_difference(claim: &ClaimRecord, difference: &Difference, place: &str) -> Option<Finding> {
    let name = claim.path.as_deref().unwrap_or("a file");
    let (log, wire) = (shown(&difference.log), shown(&difference.wire));
    let (id, severity, title, advice) = match (difference.field, log.as_str()) {
        ("status", "complete") if matches!(wire.as_str(), "aborted" | "truncated" | "gaps") => (
            "log-claims-complete",
            Severity::High,
            format!("the log says that {name} is complete, the wire shows that it is not"),
            "Send the file again, and compare a digest of it.",
        ),
        ("status", _) => (
            "reply-and-log-disagree",
            Severity::Medium,
            format!("the log says {log}, the reply on the wire says {wire}: {name}"),
            "Look at both ends: neither the reply nor the log is to be believed alone.",
        ),
        ("bytes", _) => (
            "log-size-differs",
            Severity::Medium,
            format!("the log says {log} bytes for {name}, the wire carried {wire}"),
            "Compare the size of the file on both ends.",
        ),
        ("user", _) => (
            "log-user-differs",
            Severity::Medium,
            format!("the log names the user {log}, the wire {wire}"),
            "Find out who changed the log, or which alias the server applied.",
        ),
        _ => return None,
    };
    let explanation = format!("{place}: {}", claim.text);
    let finding = finding(id, severity, title, explanation, advice);
    Some(with_place(
        finding,
        claim.frames.clone(),
        claim.session,
        claim.step,
        claim.transfer,
    ))
}

fn unseen(claim: &ClaimRecord, place: &str) -> Finding {
    finding(
        "log-entry-unseen",
        Severity::High,
        format!("the log claims a {} that was never on the wire", claim.kind),
        format!(
            "{place}: {}; the capture holds this time without a loss, and nothing like it.",
            claim.text
        ),
        "Find out who wrote the line; compare it with a copy of the log on another host.",
    )
}

fn injected(claim: &ClaimRecord, place: &str) -> Finding {
    finding(
        "log-line-injected",
        Severity::High,
        format!(
            "a name on the wire made up a line of the log: a {}",
            claim.kind
        ),
        format!(
            "{place}: {}; the same text stands behind a line end in a name that a client sent.",
            claim.text
        ),
        "Take the line for no claim; have the server refuse control characters in names, or escape them in its log.",
    )
}

fn missing(event: &WireOnly, answer: &Answer) -> Finding {
    let logs = event.logs.iter();
    let logs = logs.filter_map(|&log| answer.logs.get(log as usize));
    let logs: Vec<&str> = logs.map(|log| log.path.as_str()).collect();
    let name = event.path.as_deref().unwrap_or_default();
    let title = format!("no line in the log for a {} on the wire", event.kind);
    let explanation = format!(
        "{} {name} in session {}: {} has the lines around it, but none for it.",
        event.verb,
        event.session,
        logs.join(", ")
    );
    let advice = "Find out who removed the line, or why the server did not write it.";
    let finding = finding(
        "log-entry-missing",
        Severity::Medium,
        title,
        explanation,
        advice,
    );
    with_place(
        finding,
        event.frames.clone(),
        Some(event.session),
        event.step,
        event.transfer,
    )
}

fn finding(
    id: &str,
    severity: Severity,
    title: String,
    explanation: String,
    advice: &str,
) -> Finding {
    Finding {
        id: id.to_owned(),
        severity,
        title,
        explanation,
        advice: advice.to_owned(),
        frames: Vec::new(),
        places: Vec::new(),
        step: None,
        transfer: None,
        sessions: Vec::new(),
    }
}

fn with_place(
    finding: Finding,
    frames: Vec<u64>,
    session: Option<u64>,
    step: Option<u64>,
    transfer: Option<u64>,
) -> Finding {
    Finding {
        frames,
        step,
        transfer,
        sessions: session.into_iter().collect(),
        ..finding
    }
}

/// Formats a value for people.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Count(count) => units::count(*count).to_string(),
        Value::Seconds(seconds) => format!("{seconds:.3} s"),
        Value::Text(text) => text.clone(),
        Value::Time(time) => units::time_to_millisecond(*time, &jiff::tz::TimeZone::UTC),
        Value::Null(()) => "nothing".to_owned(),
    }
}

/// Findings of one answer.
const MAX_FINDINGS: usize = 1_000;
