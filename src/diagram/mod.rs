//! Sessions as sequence diagrams: lanes, arrows between them, and the state of the session at each arrow.
//!
//! In: sessions of a report and, where they were traced, the segments of their connections. Out: one [`Diagram`] per
//! session, and the same diagrams as text, SVG, Mermaid or `PlantUML`; the page draws its pictures from the same rows.
//!
//! ```text
//! traced connections -> DiagramRecorder ─┐
//! Session ───────────────────────────────┴> build ─┬ phases of the session, as headings
//!                                                  ├ messages  commands, replies, name lookup; typing and output of the client
//!                                                  ├ control_connection, data_connections    segment by segment
//!                                                  ├ captions  each arrow as a label and a sentence
//!                                                  └ arrow     drafts of arrows; state: user, directory, type, open connections, bytes
//!                                                  = Diagram -> text | svg | markup (Mermaid, PlantUML) | page
//! ```
//!
//! A diagram is made in two passes. Planning puts the sources of all arrows in order, which takes a few bytes each;
//! drawing makes one row after the other from them. So the texts of a session with 300,000 arrows need never be in
//! memory together, and no writer has more than one session.
//!
//! All sessions together are drawn as a [`Timeline`]: bars over time, one lane per client or server.
//!
//! Every row carries the [`Levels`] at which it is drawn, so that one diagram serves all three [`Detail`]s. Strings from
//! the wire are in the rows as in the report, with secrets hidden; each format has one function that escapes them.

mod arrow;
mod build;
mod captions;
mod control_connection;
mod data_connections;
mod markup;
mod messages;
mod model;
mod recorder;
mod svg;
mod text;
mod timeline;

pub use build::{Drawing, Drawings};
pub use markup::{write_mermaid, write_plantuml};
pub use model::{Channel, Detail, Diagram, Lane, Levels, Row, RowKind, SessionState};
pub use recorder::DiagramRecorder;
pub use svg::write_svg;
#[cfg(feature = "browse")]
pub(crate) use text::cut_beginning;
pub use text::{DrawnRows, TextOptions, draw_rows, write_text};
pub use timeline::{
    LanesBy, TIMELINE_STYLE, Timeline, write_hosts_section, write_mermaid_timeline,
    write_svg_timeline, write_timeline_section,
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::record::{Session, StepKind};
    use crate::report::example::example_session;

    /// File name with the syntax of every format: terminal escapes, HTML, Mermaid, `PlantUML`, XML, CI commands.
    pub(super) const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{202e}<script>alert(1)</script>\u{2028}\nend\n::error::&\"'#;%%{init}%%]]>.txt";

    /// Returns a session with [`HOSTILE`] in every string from the wire.
    fn hostile() -> Session {
        let mut session = example_session();
        for step in session.steps.iter_mut().map(Arc::make_mut) {
            step.title = format!("RETR {HOSTILE}");
            for command in &mut step.commands {
                if step.kind == StepKind::Retrieve {
                    command.argument = Some(HOSTILE.into());
                }
                for reply in &mut command.replies {
                    reply.lines = vec![HOSTILE.into()];
                }
            }
        }
        for transfer in session.transfers.iter_mut().map(Arc::make_mut) {
            transfer.name = Some(HOSTILE.into());
        }
        session.server.name = Some(HOSTILE.into());
        session.verdict.text = HOSTILE.into();
        session
    }

    fn drawings(session: Session, recorder: &DiagramRecorder) -> Drawings<'_> {
        Drawings::new([Ok(Arc::new(session))].into_iter(), recorder)
    }

    /// Returns the hostile session as a format writes it.
    fn written(
        detail: Detail,
        write: impl Fn(Drawings<'_>, Detail, &mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> String {
        let recorder = DiagramRecorder::default();
        let mut out = Vec::new();
        write(drawings(hostile(), &recorder), detail, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn text_has_no_controls_and_no_line_starts_with_wire_bytes() {
        for detail in [Detail::Steps, Detail::Messages, Detail::Packets] {
            for width in [20, 60, 80, 200] {
                let text = written(detail, |diagrams, detail, out| {
                    let options = TextOptions {
                        detail,
                        width,
                        color: false,
                    };
                    write_text(diagrams, options, out)
                });
                assert!(text.contains("RETR") || width < 60, "{text}");
                for line in text.lines() {
                    assert!(
                        !line.chars().any(crate::model::wire_text::is_hostile),
                        "{line}"
                    );
                    assert!(!line.starts_with("::"), "{line}");
                    let columns = unicode_width::UnicodeWidthStr::width(line);
                    assert!(columns <= usize::from(width), "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn mermaid_escapes_its_syntax_as_entities() {
        let text = written(Detail::Messages, write_mermaid);
        assert!(text.contains("RETR"));
        for line in text.lines() {
            assert!(!line.contains("<script"), "{line}");
            assert!(!line.contains("%%"), "{line}");
            assert!(
                line == "sequenceDiagram" || line.starts_with("    "),
                "{line}"
            );
            assert!(line.matches(':').count() <= 1, "{line}");
        }
    }

    #[test]
    fn plantuml_escapes_its_syntax_as_numbers() {
        let text = written(Detail::Messages, write_plantuml);
        assert!(text.contains("RETR"));
        for line in text.lines() {
            assert!(!line.contains('<') && !line.contains('%'), "{line}");
            assert!(!line.contains("]]"), "{line}");
        }
        assert_eq!(text.matches("@enduml").count(), 1);
    }

    #[test]
    fn svg_is_well_formed_and_contains_no_foreign_markup() {
        let text = written(Detail::Messages, write_svg);
        assert!(text.contains("RETR"));
        assert!(!text.contains("<script"));
        let own = ["svg", "style", "rect", "text", "line", "g", "title", "path"];
        let mut open: Vec<&str> = Vec::new();
        for tag in text.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("each tag is closed");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else {
                let name = tag.split([' ', '/']).next().expect("a name");
                assert!(own.contains(&name), "{tag}");
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
        }
        assert!(open.is_empty());
        let entities = text.split('&').skip(1);
        for entity in entities {
            let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
            assert!(
                known.iter().any(|name| entity.starts_with(name)),
                "{entity}"
            );
        }
    }

    #[test]
    fn session_without_traced_segments_still_shows_its_transfers() {
        let diagram = DiagramRecorder::default().diagram(&example_session());
        let labels: Vec<&str> = diagram
            .rows_at(Detail::Messages)
            .map(|row| row.label.as_str())
            .collect();
        assert!(labels.contains(&"readme.txt: 1,715 bytes"), "{labels:?}");
        assert!(
            labels
                .iter()
                .any(|label| label.starts_with("data connection"))
        );
    }

    #[test]
    fn hidden_secrets_stay_hidden() {
        let mut session = example_session();
        session
            .steps
            .iter_mut()
            .map(Arc::make_mut)
            .for_each(|step| {
                for command in &mut step.commands {
                    if command.verb == "PASS" {
                        command.argument = Some("<hidden>".into());
                    }
                }
            });
        let diagram = DiagramRecorder::default().diagram(&session);
        let typed = diagram.rows.iter().find(|row| {
            row.kind
                == RowKind::Arrow {
                    from: Lane::Console,
                    to: Lane::Client,
                    channel: Channel::Console,
                }
                && row.label == "<hidden>"
        });
        assert!(typed.is_some());
        let console: Vec<&String> = diagram.rows.iter().flat_map(|row| &row.console).collect();
        assert!(console.iter().any(|line| *line == "Password:"));
    }

    #[test]
    fn wide_and_combining_characters_keep_the_lanes_aligned() {
        let mut session = example_session();
        let steps = session.steps.iter_mut().map(Arc::make_mut);
        for command in steps.flat_map(|step| &mut step.commands) {
            if command.verb == "RETR" {
                command.argument = Some("日本語の長いファイル名 cafe\u{301} 👍.txt".into());
            }
        }
        for width in [80, 120, 200] {
            let mut out = Vec::new();
            let options = TextOptions {
                detail: Detail::Messages,
                width,
                color: false,
            };
            let recorder = DiagramRecorder::default();
            let drawings = drawings(session.clone(), &recorder);
            write_text(drawings, options, &mut out).expect("memory takes it");
            let text = String::from_utf8(out).expect("text is UTF-8");
            assert!(text.contains("e\u{301} 👍.txt"), "{text}");
            let lanes = text.lines().filter(|line| line.ends_with(['│', '┤']));
            let columns: std::collections::BTreeSet<usize> =
                lanes.map(unicode_width::UnicodeWidthStr::width).collect();
            assert_eq!(columns.len(), 1, "{columns:?} {text}");
            assert!(text.matches("👍").count() >= 2, "{text}");
        }
    }
}
