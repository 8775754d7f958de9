//! The answer in each format, with hostile text in it.

use serde_json::Value;

use crate::check::{CLIENT, Change, SERVER, capture};
use crate::support::assert_fits;
use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;

/// A file whose name would end a line, an element, a command or a cell.
const HOSTILE: &str = "@me a\u{1b}[31m<b>&\"']]>%0A::error::x|`\u{202e}.txt";

fn hostile_capture() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    ftp.command(&format!("RETR {HOSTILE}"));
    data.open(&mut ftp.wire);
    ftp.deliver("x", &mut data, Side::Server, b"content");
    ftp.quit()
}

fn hostile(format: &str) -> (Folder, String) {
    let folder = Folder::new(&format!("answers-{format}"));
    folder.write("run.pcap", &hostile_capture());
    folder.write(
        "e.toml",
        b"[[session]]\n[[session.transfer]]\npath = \"/other\"\n",
    );
    let text = folder.run(&[
        "check", "--expect", "e.toml", "--format", format, "run.pcap",
    ]);
    assert!(text.starts_with("exit 1\n-- stdout\n"), "{text}");
    (folder, text)
}

#[test]
fn text_has_no_control_characters() {
    let (_, text) = hostile("text");
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{202e}'),
        "{text}"
    );
    assert!(text.contains("\\x1b[31m<b>"), "{text}");
}

#[test]
fn annotations_are_one_line_each() {
    let (_, text) = hostile("github");
    insta::assert_snapshot!(text);
}

#[test]
fn junit_has_a_case_for_each_expectation() {
    let (_, text) = hostile("junit");
    insta::assert_snapshot!(text);
}

#[test]
fn json_is_as_its_schema_says() {
    let (folder, text) = hostile("json");
    let document: Value =
        serde_json::from_str(text.trim_start_matches("exit 1\n-- stdout\n")).expect("JSON");
    assert_eq!(document["failed"], 1);
    let schema = folder.run(&["schema", "--check"]);
    let schema: Value =
        serde_json::from_str(schema.trim_start_matches("exit 0\n-- stdout\n")).expect("a schema");
    assert_fits(schema, &document);
}

#[test]
fn the_summary_is_appended_where_the_runner_wants_it() {
    let folder = Folder::new("answers-summary");
    folder.write("run.pcap", &hostile_capture());
    folder.write(
        "e.toml",
        b"[[session]]\n[[session.transfer]]\npath = \"/other\"\n",
    );
    folder.write("summary.md", b"before\n");
    let run = |format: &str| {
        let mut command = folder.command(&[
            "check", "--expect", "e.toml", "--format", format, "run.pcap",
        ]);
        let output = command.env("GITHUB_STEP_SUMMARY", "summary.md").output();
        assert_eq!(output.expect("it runs").status.code(), Some(1));
    };
    run("text");
    assert_eq!(folder.read("summary.md"), "before\n");
    run("github");
    insta::assert_snapshot!(folder.read("summary.md"));
}

#[test]
fn the_summary_names_captures_also_where_none_could_be_read() {
    let folder = Folder::new("answers-summary-unreadable");
    let mut command = folder.command(&[
        "check",
        "--rule",
        "rfc-conformant",
        "--format",
        "github",
        "missing.pcap",
    ]);
    let output = command.env("GITHUB_STEP_SUMMARY", "summary.md").output();
    assert_eq!(output.expect("it runs").status.code(), Some(3));
    let summary = folder.read("summary.md");
    assert!(summary.contains("cannot read missing.pcap"), "{summary}");
}

#[test]
fn an_unreadable_capture_is_an_error_in_every_format() {
    let folder = Folder::new("answers-unreadable");
    folder.write("run.pcap", &capture(Change::None));
    for (format, part) in [
        (
            "junit",
            "<error type=\"unreadable\" message=\"cannot read missing.pcap",
        ),
        (
            "github",
            "::error title=capture cannot be read::cannot read missing.pcap",
        ),
        ("json", "\"cannot read missing.pcap"),
        ("text", "ftpscope: cannot read missing.pcap"),
    ] {
        let arguments = [
            "check",
            "--rule",
            "rfc-conformant",
            "--format",
            format,
            "missing.pcap",
            "run.pcap",
        ];
        let text = folder.run(&arguments);
        assert!(text.starts_with("exit 3\n"), "{text}");
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn several_captures_name_the_one_with_the_frame() {
    let folder = Folder::new("answers-several");
    let mut first = Conversation::open("10.0.0.7:40000", SERVER);
    first.exchange("USER someone", "530 No.");
    folder.write("a.pcap", &first.quit());
    folder.write("b.pcap", &capture(Change::None));
    folder.write(
        "e.toml",
        b"[[rule]]\nname = \"x\"\nfor = \"transfer\"\nassert = 'bytes > 5000'\n",
    );
    let text = folder.run(&["check", "--expect", "e.toml", "a.pcap", "b.pcap"]);
    assert!(text.contains(" of b.pcap)"), "{text}");
    assert!(text.contains("2 sessions in 2 captures"), "{text}");
}
