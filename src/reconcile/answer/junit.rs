//! The answer as `JUnit` XML: a suite for each log, a test case for each claim, and a suite for events without a line.

use std::io::{self, Write};

use super::{Answer, ClaimOutcome, ClaimRecord, Difference, WireOnly};
use crate::check::answer::junit::escaped;
use crate::reconcile::findings::shown;

/// Writes the answer.
pub fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let totals = &answer.totals;
    let failed = totals.differs + totals.log_only + totals.wire_only;
    let tests = totals.agrees + failed + listed_outside(answer);
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="ftpscope reconcile" tests="{tests}" failures="{failed}" errors="0">"#
    )?;
    let mut claims = answer.claims.iter().peekable();
    for (index, log) in (0_u32..).zip(&answer.logs) {
        let mut of_log: Vec<&ClaimRecord> = Vec::new();
        while let Some(claim) = claims.next_if(|claim| claim.log == index) {
            of_log.push(claim);
        }
        let count = |wanted: &[ClaimOutcome]| {
            let chosen = of_log
                .iter()
                .filter(|claim| wanted.contains(&claim.outcome));
            chosen.count()
        };
        writeln!(
            out,
            r#"  <testsuite name="{}" tests="{}" failures="{}" errors="0" skipped="{}">"#,
            escaped(&log.path),
            of_log.len(),
            count(&[ClaimOutcome::Differs, ClaimOutcome::LogOnly]),
            count(&[ClaimOutcome::NotComparable])
        )?;
        for claim in of_log {
            write_claim(claim, &log.path, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    if !answer.wire_only.is_empty() {
        let count = answer.wire_only.len();
        writeln!(
            out,
            r#"  <testsuite name="events without a line" tests="{count}" failures="{count}" errors="0" skipped="0">"#
        )?;
        for event in &answer.wire_only {
            write_event(event, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn listed_outside(answer: &Answer) -> u64 {
    answer
        .totals
        .not_comparable
        .saturating_sub(answer.claims_omitted)
}

fn write_claim(claim: &ClaimRecord, log: &str, out: &mut dyn Write) -> io::Result<()> {
    let path = claim.path.as_deref().unwrap_or_default();
    let name = format!("line {}: {} {path}", claim.line, claim.kind);
    write!(
        out,
        r#"    <testcase classname="{}" name="{}""#,
        escaped(log),
        escaped(name.trim_end())
    )?;
    let text = escaped(&claim.text);
    match claim.outcome {
        ClaimOutcome::Agrees => writeln!(out, "/>"),
        ClaimOutcome::NotComparable => {
            let reason = claim.reason.unwrap_or_default();
            writeln!(out, r#"><skipped message="{reason}"/></testcase>"#)
        }
        ClaimOutcome::Differs => {
            let texts: Vec<String> = claim.differences.iter().map(words).collect();
            writeln!(
                out,
                r#"><failure type="differs" message="{}">{text}</failure></testcase>"#,
                escaped(&texts.join("; "))
            )
        }
        ClaimOutcome::LogOnly => writeln!(
            out,
            r#"><failure type="log-only" message="nothing like it on the wire">{text}</failure></testcase>"#
        ),
    }
}

fn words(difference: &Difference) -> String {
    format!(
        "{}: {} in the log, {} on the wire",
        difference.field,
        shown(&difference.log),
        shown(&difference.wire)
    )
}

fn write_event(event: &WireOnly, out: &mut dyn Write) -> io::Result<()> {
    let path = event.path.as_deref().unwrap_or_default();
    let name = format!(
        "session {}: {} {path} at {}",
        event.session, event.verb, event.time
    );
    writeln!(
        out,
        r#"    <testcase classname="events without a line" name="{}"><failure type="wire-only" message="{}">frames {:?}</failure></testcase>"#,
        escaped(&name),
        event.why,
        event.frames
    )
}
