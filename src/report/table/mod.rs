//! Tables for people: the facts that somebody wants within ten seconds, one block per session.
//!
//! ```text
//! heading   id, verdict, end points, time, login
//! steps     in order, with reply and duration
//! files     completeness and digest
//! findings  title and advice
//! ```
//!
//! An overview stands before them where there are many sessions; with `--summary` it is all. Blocks for records outside of
//! sessions follow, then one line of totals. Every line of a block begins with a bar, so
//! that text from the wire never begins a line: CI runners execute lines that begin with `::`.

#[cfg(feature = "cli")]
mod block;
#[cfg(feature = "cli")]
mod outside_sessions;
#[cfg(feature = "cli")]
mod overview;
#[cfg(feature = "cli")]
mod session;
#[cfg(feature = "cli")]
mod tree;

#[cfg(feature = "cli")]
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;

use super::{CaptureNames, units};
#[cfg(feature = "cli")]
use super::{FinishedSessions, Report};
#[cfg(feature = "cli")]
use crate::model::record::Session;
use crate::model::record::{Command, Completeness, Reply, Severity, Totals, VerdictStatus};

#[cfg(feature = "cli")]
pub use overview::Overview;
#[cfg(feature = "browse")]
pub(crate) use session::{final_reply, frames, listing_entry, login, transfer_name, way};
#[cfg(feature = "cli")]
pub use tree::render_tree;

/// Appearance of tables.
#[derive(Clone, Debug)]
pub struct Options {
    /// Width of the terminal in columns.
    pub width: u16,
    /// Uses colours.
    pub color: bool,
    /// Time zone for times.
    pub zone: TimeZone,
    /// Shows all rows, the commands and replies of each step, explanations and evidence.
    pub verbose: bool,
    /// Shows the overview without the sessions.
    pub summary: bool,
    /// Names of the captures, which frames are named by if there are several.
    pub captures: CaptureNames,
}

/// Returns a command and its replies as lines, for `-v`.
pub(crate) fn exchange(command: &Command) -> Vec<String> {
    let argument = command.argument.as_deref().unwrap_or_default();
    let mut lines = vec![format!("> {} {argument}", command.verb)];
    for reply in &command.replies {
        lines.extend(self::lines(reply));
    }
    lines
}

/// Returns the lines of a reply, for `-v`.
fn lines(reply: &Reply) -> impl Iterator<Item = String> {
    reply
        .lines
        .iter()
        .map(|line| format!("< {} {line}", reply.code))
}

/// Writes the report as tables.
#[cfg(feature = "cli")]
pub fn render(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut overview = Overview::default();
    for session in &report.sessions {
        overview.add(session);
    }
    overview_first(&overview, report, options, out)?;
    if !options.summary {
        for session in &report.sessions {
            session::write(session, options, out)?;
        }
    }
    outside_sessions::write(report, options, out)
}

/// Writes the block of one session, for [`write_document`].
#[cfg(feature = "cli")]
pub fn write_session(session: &Session, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    session::write(session, options, out)
}

/// Writes the report as [`render`] does, with the sessions that [`write_session`] has written in place of its own.
#[cfg(feature = "cli")]
pub fn write_document(
    report: &Report,
    overview: &Overview,
    sessions: FinishedSessions,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    overview_first(overview, report, options, out)?;
    sessions.write(b"", out)?;
    outside_sessions::write(report, options, out)
}

/// Writes the overview where it is asked for, or needed to find the way among many sessions.
#[cfg(feature = "cli")]
fn overview_first(
    overview: &Overview,
    report: &Report,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    if options.summary || overview.has_many_sessions() {
        overview.write(report, options, out)?;
    }
    Ok(())
}

/// Returns text in a style, or as it is without `color`.
pub(crate) fn paint(color: bool, style: Style, text: &str) -> String {
    if color && style != PLAIN {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Returns the colour of a verdict.
pub(crate) fn verdict_style(status: VerdictStatus) -> Style {
    match status {
        VerdictStatus::Ok => GREEN,
        VerdictStatus::Warning => YELLOW,
        VerdictStatus::Failed => RED,
    }
}

/// Returns the colour of a severity.
pub(crate) fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Info => DIM,
        Severity::Low => CYAN,
        Severity::Medium => YELLOW,
        Severity::High => RED,
    }
}

/// Returns the word for a severity.
pub(crate) const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    }
}

/// Returns the words for a completeness.
pub(crate) const fn completeness_words(completeness: Completeness) -> &'static str {
    match completeness {
        Completeness::Complete => "complete",
        Completeness::Unverifiable => "unverifiable",
        Completeness::Gaps => "has gaps",
        Completeness::Truncated => "truncated",
        Completeness::Aborted => "aborted",
    }
}

/// Returns the totals of a run as one line, with `lost` behind the count of packets.
pub(crate) fn totals_line(totals: &Totals, lost: &str) -> String {
    let packets = units::counted(totals.packets, "packet", "packets");
    let packets = format!("{packets}{lost}");
    let filtered = totals.sessions_filtered;
    let all = totals.sessions.saturating_add(filtered);
    let sessions = units::counted(all, "session", "sessions");
    if all == 0 {
        format!("No FTP session in {packets}")
    } else if totals.sessions == 0 {
        format!("{sessions} in {packets}, none matches")
    } else {
        let chosen = match filtered {
            0 => sessions,
            _ => format!("{} of {sessions}", units::count(totals.sessions)),
        };
        format!(
            "{chosen} in {packets}: {}, {} in files, {}",
            units::counted(totals.transfers, "transfer", "transfers"),
            units::size(totals.file_bytes),
            units::counted(totals.findings, "finding", "findings"),
        )
    }
}

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();

#[cfg(all(test, feature = "cli"))]
mod tests {
    use std::sync::Arc;

    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::model::record::LoginOutcome;
    use crate::model::record::{Finding, Session, Severity};
    use crate::report::example::{example_report, example_session};

    fn rendered(report: &Report, width: u16, color: bool, verbose: bool) -> String {
        let options = Options {
            width,
            color,
            zone: TimeZone::UTC,
            verbose,
            summary: false,
            captures: CaptureNames::default(),
        };
        let mut out = Vec::new();
        render(report, &options, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("tables are text")
    }

    fn with_session(session: Session) -> Report {
        Report {
            sessions: vec![Arc::new(session)],
            ..example_report()
        }
    }

    #[test]
    fn login_without_its_user_is_named_in_the_same_words_as_in_the_verdict() {
        let mut session = example_session();
        session.login.user = None;
        session.login.anonymous = false;
        session.login.password = Some("<hidden>".to_owned());
        let words = session::login(&session);
        assert_eq!(
            words,
            "login as a user not in the capture, password <hidden>"
        );
        session.login.outcome = LoginOutcome::Unseen;
        assert_eq!(session::login(&session), "login not in the capture");
    }

    #[test]
    fn at_80_columns() {
        insta::assert_snapshot!(rendered(&example_report(), 80, false, false));
    }

    #[test]
    fn at_120_columns() {
        insta::assert_snapshot!(rendered(&example_report(), 120, false, false));
    }

    #[test]
    fn at_200_columns() {
        insta::assert_snapshot!(rendered(&example_report(), 200, false, false));
    }

    #[test]
    fn at_60_columns() {
        insta::assert_snapshot!(rendered(&example_report(), 60, false, false));
    }

    #[test]
    fn at_40_columns() {
        insta::assert_snapshot!(rendered(&example_report(), 40, false, false));
    }

    #[test]
    fn verbose_at_100_columns() {
        insta::assert_snapshot!(rendered(&example_report(), 100, false, true));
    }

    #[test]
    fn colours_are_optional_and_change_no_text() {
        let plain = rendered(&example_report(), 100, false, false);
        assert!(!plain.contains('\x1b'));
        let colored = rendered(&example_report(), 100, true, false);
        assert!(colored.contains("\x1b[31m✗\x1b[0m"));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_but_a_digest() {
        let is_digest = |line: &str| {
            let rest = line.trim_start_matches(['│', ' ']);
            rest.len() == 64 && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        for width in [24, 40, 60, 72, 80, 99, 100, 120, 160, 200] {
            let text = rendered(&example_report(), width, false, true);
            let lines = text.lines().filter(|line| line.starts_with('│'));
            for line in lines.filter(|line| !is_digest(line)) {
                assert!(line.width() <= usize::from(width), "at {width}: {line}");
            }
        }
    }

    #[test]
    fn text_from_the_wire_neither_begins_a_line_nor_moves_the_cursor() {
        let hostile =
            "::error::漢字漢字漢字漢字 ::x\r\n::stop\x1b[2J\u{9b}\u{202e}fdp ::y ::z ::w "
                .repeat(9);
        let mut session = example_session();
        session.server.name = Some(hostile.clone());
        session.login.user = Some(hostile.clone());
        session.login.password = Some(hostile.clone());
        session.verdict.text.clone_from(&hostile);
        for step in session.steps.iter_mut().map(Arc::make_mut) {
            step.title.clone_from(&hostile);
            for command in &mut step.commands {
                command.verb.clone_from(&hostile);
                for reply in &mut command.replies {
                    reply.lines = vec![hostile.clone(); 2];
                }
            }
        }
        for transfer in session.transfers.iter_mut().map(Arc::make_mut) {
            transfer.path = Some(hostile.clone());
            transfer.saved_as = Some(hostile.clone());
            for entry in &mut transfer.entries {
                entry.name = hostile.as_str().into();
                entry.target = Some(hostile.as_str().into());
            }
        }
        for finding in &mut session.findings {
            finding.title.clone_from(&hostile);
            finding.explanation.clone_from(&hostile);
            finding.advice.clone_from(&hostile);
        }
        let mut report = with_session(session);
        for warning in &mut report.warnings {
            warning.message.clone_from(&hostile);
        }
        for (width, verbose) in [(80, false), (80, true), (200, false)] {
            let text = rendered(&report, width, false, verbose);
            for line in text.lines().filter(|line| !line.is_empty()) {
                assert!(
                    line.starts_with('│') || line.starts_with("1 session"),
                    "{line}"
                );
                assert!(line.width() <= usize::from(width), "{line}");
            }
            let bad = |c: char| c != '\n' && crate::model::wire_text::is_hostile(c);
            assert!(!text.contains(bad));
        }
    }

    #[test]
    fn long_list_of_steps_shows_the_first_and_last() {
        let mut session = example_session();
        let step = session.steps[0].clone();
        session.steps = (1..=1_000)
            .map(|number| {
                Arc::new(crate::model::record::Step {
                    number,
                    ..crate::model::record::Step::clone(&step)
                })
            })
            .collect();
        let report = with_session(session);
        let text = rendered(&report, 80, false, false);
        assert!(text.contains("… 900 more (-v shows them)"));
        assert!(text.contains("✓ 1000"));
        assert!(text.lines().count() < 160);
        assert!(rendered(&report, 80, false, true).contains("✓  500"));
    }

    #[test]
    fn capture_without_sessions_is_one_line_and_no_capture_is_empty() {
        use crate::model::{Limits, record::Totals};
        use crate::report::ReportBuilder;
        let report =
            |captures| ReportBuilder::new(&Limits::default()).finish(captures, Totals::default());
        let empty = report(example_report().captures);
        assert_eq!(
            rendered(&empty, 80, false, false),
            "No FTP session in 0 packets\n"
        );
        assert_eq!(rendered(&report(vec![]), 80, false, false), "");
    }

    #[test]
    fn findings_about_several_sessions_have_their_own_block() {
        let mut report = example_report();
        report.findings.push(Finding {
            id: "password-guessing".into(),
            severity: Severity::High,
            title: "One client tried 400 passwords in 31 sessions".into(),
            explanation: "192.168.0.2 sent 400 PASS commands.".into(),
            advice: "Block the client and look for a login that was accepted.".into(),
            frames: vec![8],
            places: vec![],
            step: None,
            transfer: None,
            sessions: vec![1, 2],
        });
        let text = rendered(&report, 80, false, false);
        let place = text
            .find("About several sessions")
            .expect("the block is there");
        insta::assert_snapshot!(text[place..].lines().take(3).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn transfer_shows_the_reply_to_its_own_command() {
        let mut session = example_session();
        let step = session
            .steps
            .iter_mut()
            .map(Arc::make_mut)
            .find(|step| step.commands.iter().any(|one| one.verb == "RETR"))
            .expect("it downloads something");
        let retrieve = step
            .commands
            .iter_mut()
            .find(|command| command.verb == "RETR")
            .expect("it is there");
        let mut abort = retrieve.clone();
        abort.verb = "ABOR".into();
        for reply in &mut retrieve.replies {
            reply.code = 426;
        }
        for reply in &mut abort.replies {
            reply.code = 225;
        }
        step.commands.push(abort);
        let text = rendered(&with_session(session), 100, false, false);
        assert!(text.contains(" 426 ") && !text.contains(" 225 "), "{text}");
    }

    #[test]
    fn verbose_shows_unsolicited_replies_and_a_long_greeting() {
        let mut session = example_session();
        let mut reply = session.greeting.clone().expect("it has one");
        if let Some(greeting) = &mut session.greeting {
            greeting.lines.push("All is logged.".into());
        }
        reply.code = 226;
        reply.lines = vec!["Logout.".into()];
        session.unsolicited_replies = vec![reply];
        let report = with_session(session);
        let text = rendered(&report, 100, false, true);
        assert!(text.contains("no captured command waits for"), "{text}");
        assert!(text.contains("< 226 Logout. (frame 6)"), "{text}");
        assert!(text.contains("< 220 All is logged."), "{text}");
        assert!(!rendered(&report, 100, false, false).contains("Logout"));
    }
}
