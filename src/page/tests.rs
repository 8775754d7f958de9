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
        assert!(!STYLE.contains(word), "{word}");
    }
    assert!(!STYLE.contains("url("));
}
