//! The page: one HTML file in which sessions can be inspected and stepped through.
//!
//! In: events and traced connections, as they come, and the bytes of transfers. Out: one file that loads nothing else.
//!
//! ```text
//! events, connections ──> PageBuilder ── session end ──> waiting ──> data (rows, string table)    ── JSON ─┐
//! transfer bytes ──> Previews ────────────────────────────────────────^                                    │
//! sessions ──> Timeline ──> SVG ────────────────────────────────────────────────────────────────────────────┤
//! PageLogs (claims of servers' logs, if there are any) ─────────────────────────────────────────────────────┤
//! page.html, page.css, script/*.js ────────────────────────────────────────────────────────────────────────┴> Page
//! ```
//!
//! A session is drawn soon after its end and kept as JSON from then on, in a temporary file if there is much of it. So
//! memory does not grow with the capture: only open sessions, and those that wait for their last segments, are kept as
//! records. Every part has a limit, and the page reports what a limit omitted: rows with their session, all else as
//! warnings.
//!
//! The page holds one style and one script, named by their hashes in its content security policy, so that nothing else
//! can run in it. Strings from the wire are in the JSON block, which cannot contain markup, and the script inserts them as
//! text nodes. The pictures that are drawn here and not by the script hold some more, escaped: they show without it.

mod builder;
mod data;
mod embed;
mod logs;
mod plot;
mod previews;
mod rows;
mod waiting;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::diagram::{Detail, TIMELINE_STYLE};

pub use builder::{Page, PageBuilder};
pub use logs::{PageClaim, PageLogs};
pub use plot::MAX_SAMPLES;
pub use previews::{PreviewSink, Previews};
pub use rows::MAX_SEGMENTS;

/// Options of a page.
#[derive(Clone, Debug)]
pub struct PageOptions {
    /// Time zone of the times shown.
    pub zone: TimeZone,
    /// Detail at which diagrams are shown at first. [`Detail::Packets`] shows packets only if they were traced.
    pub detail: Detail,
}

/// Writes the page; `plots` writes the pictures into it, and `data` the JSON block.
fn write_page(
    out: &mut dyn Write,
    plots: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    data: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let (before_policy, rest) = split_at_mark(HTML, "{policy}");
    let (before_style, rest) = split_at_mark(rest, "{style}");
    let (before_plots, rest) = split_at_mark(rest, "{plots}");
    let (before_data, rest) = split_at_mark(rest, "{data}");
    let (before_script, end) = split_at_mark(rest, "{script}");
    let head = [
        before_policy,
        &policy(),
        before_style,
        PAGE_STYLE,
        TIMELINE_STYLE,
        before_plots,
    ];
    for part in head {
        out.write_all(part.as_bytes())?;
    }
    plots(out)?;
    out.write_all(before_data.as_bytes())?;
    data(out)?;
    for part in [before_script, SCRIPT, end] {
        out.write_all(part.as_bytes())?;
    }
    Ok(())
}

/// Returns the content security policy: the page's own style and script, pictures within it, and nothing else.
fn policy() -> String {
    // Hashes instead of nonces: the file is static, so a nonce in it would be known to everyone.
    let hash = |parts: &[&str]| STANDARD.encode(Sha256::digest(parts.concat().as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(&[PAGE_STYLE, TIMELINE_STYLE]),
        hash(&[SCRIPT])
    )
}

/// Splits a text around a mark.
fn split_at_mark<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    // The marks are in page.html, which is compiled in: the alternative never happens.
    text.split_once(mark).unwrap_or((text, ""))
}

/// Frame of the page, with a mark for each part.
const HTML: &str = include_str!("page.html");
const PAGE_STYLE: &str = include_str!("page.css");
/// All scripts within one function, so that their names are not visible outside.
const SCRIPT: &str = concat!(
    include_str!("script/begin.js"),
    include_str!("script/elements.js"),
    include_str!("script/overview.js"),
    include_str!("script/logs.js"),
    include_str!("script/plots.js"),
    include_str!("script/transfer_plot.js"),
    include_str!("script/sessions.js"),
    include_str!("script/session.js"),
    include_str!("script/diagram.js"),
    include_str!("script/player.js"),
    include_str!("script/end.js"),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;
    use crate::report::example::{example_report, example_session};
    use std::sync::Arc;

    use crate::model::{Event, EventKind, EventSink as _, FrameRef, Limits};

    fn page(report: &Report) -> String {
        let options = PageOptions {
            zone: TimeZone::UTC,
            detail: Detail::Messages,
        };
        let mut builder = PageBuilder::new(&Limits::default(), options, Previews::default());
        for session in &report.sessions {
            builder.event(&Event {
                frame: FrameRef::default(),
                session: Some(session.id),
                late: false,
                kind: EventKind::SessionEnd(Arc::clone(session)),
            });
        }
        let mut out = Vec::new();
        let page = builder.finish(report.captures.clone(), report.totals.clone());
        page.write(&mut out).expect("memory takes it");
        String::from_utf8(out).expect("pages are UTF-8")
    }

    /// Returns the text between two marks.
    fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
        let (_, rest) = page.split_once(from).expect("the beginning");
        rest.split_once(to).expect("the end").0
    }

    #[test]
    fn policy_names_the_one_style_and_the_one_script() {
        let page = page(&example_report());
        let style = between(&page, "<style>", "</style>");
        let script = between(&page, "<script>", "</script>");
        let policy = between(&page, "Content-Security-Policy\" content=\"", "\">");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        for text in [style, script] {
            let hash = STANDARD.encode(Sha256::digest(text.as_bytes()));
            assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.matches("<style").count(), 1);
        assert_eq!(page.matches("<script").count(), 2);
        assert!(!page.contains(" style=") && !page.contains("<link"));
    }

    #[test]
    fn data_is_one_block_of_json_without_markup() {
        let mut session = example_session();
        session.verdict.text = "</script><script>alert(1)</script>\u{2028}".into();
        let mut report = example_report();
        report.sessions = vec![Arc::new(session)];
        let page = page(&report);
        let block = between(
            &page,
            "<script type=\"application/json\" id=\"data\">",
            "</script>",
        );
        assert!(!block.contains(['<', '>', '&', '\u{2028}']));
        let data: serde_json::Value = serde_json::from_str(block).expect("JSON");
        let verdict = data["sessions"][0]["verdict"].as_str().expect("a text");
        assert_eq!(verdict, "</script><script>alert(1)</script>\\u{2028}");
        assert_eq!(data["totals"]["sessions"], 1);
    }

    #[test]
    fn script_creates_no_markup_and_loads_nothing() {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "import(",
            "localStorage",
            "http:",
            "https:",
        ] {
            assert!(!SCRIPT.contains(word), "{word}");
            assert!(
                !PAGE_STYLE.contains(word) && !TIMELINE_STYLE.contains(word),
                "{word}"
            );
        }
        assert!(!PAGE_STYLE.contains("url(") && !TIMELINE_STYLE.contains("url("));
    }
}
