//! The time line as a Mermaid `gantt` chart, which GitHub draws within Markdown.

use std::cmp::Reverse;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::super::markup::mermaid_escaped;
use super::layout::rank;
use super::{LanesBy, SessionSpan, Timeline, cut};
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
    let ends = chosen.iter().map(|session| session.end).max();
    let starts = chosen.iter().map(|session| session.start).min();
    let whole = ends
        .zip(starts)
        .map_or(0, |(end, start)| end.since(start).nanos());
    let mut length = 0;
    let tasks = chosen.into_iter().take(MAX_TASKS).map(|session| {
        let host = timeline.host_title(Timeline::host(session, by));
        let section = format!("    section {}\n", mermaid_escaped(&host));
        (session, section, task(session, whole))
    });
    let mut tasks: Vec<(&SessionSpan, String, String)> = tasks
        .take_while(|(_, section, task)| {
            length += section.len() + task.len();
            length <= MAX_LENGTH
        })
        .collect();
    let shown = units::to_u64(tasks.len());
    tasks.sort_by_key(|(session, ..)| (Timeline::host(session, by), session.start, session.id));
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
    let axis = AXES.iter().find(|(most, _)| whole <= *most);
    writeln!(
        out,
        "    axisFormat {}",
        axis.map_or("%H:%M:%S", |(_, format)| format)
    )?;
    let mut last = None;
    for (session, section, task) in tasks {
        let host = Timeline::host(session, by);
        if last.replace(host) != Some(host) {
            out.write_all(section.as_bytes())?;
        }
        out.write_all(task.as_bytes())?;
    }
    Ok(())
}

/// Formats the line of a session; `whole` is the time that all of them cover, in nanoseconds.
fn task(session: &SessionSpan, whole: i64) -> String {
    let (word, class) = match session.status {
        VerdictStatus::Ok => ("ok", ""),
        VerdictStatus::Warning => ("warning", "active, "),
        VerdictStatus::Failed => ("failed", "crit, "),
    };
    let time = |time| units::time_to_millisecond(time, &TimeZone::UTC);
    // A bar without a length would not be drawn.
    let end = session.end.max(session.start.plus(Span::from_millis(1)));
    // Nor would be seen a bar narrower than a pixel; a milestone is a diamond of a fixed size.
    let is_short = end.since(session.start).nanos() < whole / LEAST_SHARE;
    let shape = if is_short { "milestone, " } else { "" };
    let said = match &session.title {
        Some(title) => format!(", {}", mermaid_escaped(&cut(title, SAID_LENGTH))),
        None => String::new(),
    };
    format!(
        "    {} {word}{said} :{class}{shape}s{}, {}, {}\n",
        session.id,
        session.id,
        time(session.start),
        time(end)
    )
}

/// Limit of the bars.
const MAX_TASKS: usize = 200;
/// Limit of the bytes of bars and sections: Mermaid refuses more than 50,000 characters.
const MAX_LENGTH: usize = 48_000;
/// Limit of the characters of a verdict.
const SAID_LENGTH: usize = 60;
/// Part of the whole time below which a session is drawn as a milestone, as its divisor.
const LEAST_SHARE: i64 = 300;
/// Formats of the axis, each with the longest time in nanoseconds that it is for.
const AXES: [(i64, &str); 4] = [
    (10 * SECOND, "%H:%M:%S.%L"),
    (24 * 3_600 * SECOND, "%H:%M:%S"),
    (60 * 24 * 3_600 * SECOND, "%m-%d %H:%M"),
    (i64::MAX, "%Y-%m-%d"),
];
const SECOND: i64 = 1_000_000_000;

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
        assert_eq!(text.matches(" :crit, s").count(), 50);
        let drawn = text.lines().filter(|line| line.contains(" :")).count();
        assert!((50..=MAX_TASKS).contains(&drawn), "{drawn}");
        assert!(text.contains(&format!("({drawn} of them")), "{text}");
        assert!(text.contains("300 FTP sessions by server"), "{text}");
        assert!(text.contains("section a#58;b#59;#35;c"), "{text}");
        assert!(text.len() < 50_000);
        let own = [
            "gantt",
            "    title ",
            "    dateFormat",
            "    axisFormat",
            "    section ",
        ];
        for line in text.lines() {
            let is_session = line
                .trim_start()
                .starts_with(|first: char| first.is_ascii_digit());
            assert!(
                is_session || own.iter().any(|start| line.starts_with(start)),
                "{line}"
            );
        }
    }

    #[test]
    fn session_too_short_for_a_bar_is_a_milestone_with_its_verdict() {
        let mut timeline = Timeline::default();
        let mut session = example_session();
        session.end = session.start.plus(Span::from_millis(5));
        session.verdict.status = VerdictStatus::Failed;
        session.verdict.text = "login rejected: %%; end".into();
        timeline.add(&session);
        session.id += 1;
        session.start = session.start.plus(Span::from_secs(100));
        session.end = session.start.plus(Span::from_secs(100));
        session.verdict.status = VerdictStatus::Ok;
        timeline.add(&session);
        let mut out = Vec::new();
        write_mermaid_timeline(&timeline, LanesBy::Server, &mut out).expect("memory takes it");
        let text = String::from_utf8(out).expect("text");
        let milestones = text.lines().filter(|line| line.contains("milestone"));
        let milestones: Vec<&str> = milestones.collect();
        assert_eq!(milestones.len(), 1, "{text}");
        assert!(
            milestones[0].contains("login rejected#58; #37;#37;#59; end"),
            "{text}"
        );
        assert!(milestones[0].contains(" :crit, milestone, s"), "{text}");
        assert!(text.contains("axisFormat %H:%M:%S\n"), "{text}");
    }
}
