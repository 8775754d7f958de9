//! The time line as a Mermaid `gantt` chart, which GitHub draws within Markdown.

use std::cmp::Reverse;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::super::markup::mermaid_escaped;
use super::layout::rank;
use super::{LanesBy, SessionSpan, Timeline};
use crate::model::Span;
use crate::model::record::VerdictStatus;
use crate::report::units;

/// Writes sessions as bars, with times in UTC. Beyond a limit failed sessions come first, and the title counts all.
pub fn write_mermaid_timeline(
    timeline: &Timeline,
    by: LanesBy,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut chosen: Vec<&SessionSpan> = timeline.sessions.iter().collect();
    let all = units::to_u64(chosen.len()).saturating_add(timeline.omitted);
    chosen.sort_by_key(|session| (Reverse(rank(session.status)), session.start, session.id));
    chosen.truncate(MAX_TASKS);
    let shown = units::to_u64(chosen.len());
    chosen.sort_by_key(|session| (Timeline::host(session, by), session.start, session.id));
    let (noun, _) = by.nouns();
    let mut title = format!(
        "{} by {noun}, UTC",
        units::counted(all, "FTP session", "FTP sessions")
    );
    if shown < all {
        title = format!(
            "{title} ({} of them, failed ones first)",
            units::count(shown)
        );
    }
    writeln!(out, "gantt")?;
    writeln!(out, "    title {}", mermaid_escaped(&title))?;
    // Wall clock times without a zone: Mermaid shows instants in the zone of the reader, which the report does not use.
    writeln!(out, "    dateFormat YYYY-MM-DD HH:mm:ss.SSS")?;
    writeln!(out, "    axisFormat %H:%M:%S")?;
    let mut last = None;
    for session in chosen {
        let host = Timeline::host(session, by);
        if last.replace(host) != Some(host) {
            let host = timeline.host_title(host);
            writeln!(out, "    section {}", mermaid_escaped(&host))?;
        }
        let (word, class) = match session.status {
            VerdictStatus::Ok => ("ok", ""),
            VerdictStatus::Warning => ("warning", "active, "),
            VerdictStatus::Failed => ("failed", "crit, "),
        };
        let time = |time| units::time_to_millisecond(time, &TimeZone::UTC);
        // A bar without a length would not be drawn.
        let end = session.end.max(session.start.plus(Span::from_millis(1)));
        writeln!(
            out,
            "    session {} {word} :{class}s{}, {}, {}",
            session.id,
            session.id,
            time(session.start),
            time(end)
        )?;
    }
    Ok(())
}

/// Limit of the bars: Mermaid refuses more than 50,000 characters.
const MAX_TASKS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    #[test]
    fn failed_sessions_are_drawn_before_others_and_all_are_counted() {
        let mut timeline = Timeline::default();
        for id in 1..=300 {
            let mut session = example_session();
            session.id = id;
            session.server.name = Some("a:b;#c\nd".into());
            session.verdict.status = VerdictStatus::Ok;
            if id > 250 {
                session.verdict.status = VerdictStatus::Failed;
            }
            timeline.add(&session);
        }
        let mut out = Vec::new();
        write_mermaid_timeline(&timeline, LanesBy::Server, &mut out).expect("memory takes it");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.matches(" failed :crit, s").count(), 50);
        assert_eq!(
            text.lines().filter(|line| line.contains(" :")).count(),
            MAX_TASKS
        );
        assert!(text.contains("300 FTP sessions by server"), "{text}");
        assert!(text.contains("section a#58;b#59;#35;c"), "{text}");
        assert!(text.len() < 45_000);
        let own = [
            "gantt",
            "    title ",
            "    dateFormat",
            "    axisFormat",
            "    section ",
            "    session ",
        ];
        for line in text.lines() {
            assert!(own.iter().any(|start| line.starts_with(start)), "{line}");
        }
    }
}
