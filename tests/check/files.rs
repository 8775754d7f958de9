//! Expectation files by hand: matching, ranges, patterns, what must be absent, and mistakes.

use crate::check::{Change, capture};
use crate::support::folder::Folder;

/// The answer to an expectation file on the good run.
fn checked(name: &str, file: &str) -> String {
    let folder = Folder::new(&format!("files-{name}"));
    folder.write("run.pcap", &capture(Change::None));
    folder.write("e.toml", file.as_bytes());
    folder.run(&["check", "--expect", "e.toml", "run.pcap"])
}

fn passes(name: &str, file: &str) {
    let text = checked(name, file);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert!(text.contains(" 0 failed, 0 skipped"), "{text}");
}

#[test]
fn the_example_of_the_documentation_holds() {
    passes(
        "example",
        r#"
sessions = "exactly"

[[session]]
match = 'login.user == "mira"'
steps = ["login", "cwd", "retrieve", "quit"]

  [[session.transfer]]
  path = "/pub/firmware.bin"
  completeness = "complete"

[[rule]]
name = "nobody logs in as root"
for = "session"
assert = 'login.user != "root"'
"#,
    );
}

#[test]
fn ranges_patterns_choices_and_absence() {
    passes(
        "values",
        r#"
absent = ["PORT", "EPRT", "rename", "bounce"]

[[session]]
duration = "..60"
greeting.code = [220, 230]
tls = { absent = true }
transfers = "1.."
findings = 1
steps = ["login mira: ok", { kind = "retrieve", subject = { glob = "*.bin" }, code = 226, duration = "..30" }]
absent = ["DELE"]

  [[session.transfer]]
  name = { matches = "^log-[0-9]+[.]txt$" }
  bytes = "10..20"
  completeness = ["complete", "unverifiable"]
  connection.close = "fin"
"#,
    );
}

#[test]
fn differences_are_reported_with_their_place() {
    insta::assert_snapshot!(checked(
        "differences",
        r#"
absent = ["PASV", "cleartext-credentials"]

[[session]]
match = 'login.user == "eve"'
login.outcome = "accepted"

[[session]]
tls.version = "TLS 1.3"
duration = "100.."
steps = ["cwd pub: failed", "login"]

  [[session.transfer]]
  path = "/pub/firmware.bin"
  bytes = "..100"
  connection.close = "reset"

  [[session.transfer]]
  path = "/pub/nothing.txt"
"#,
    ));
}

#[test]
fn assertion_blocked_by_a_null_fails_and_names_it() {
    let text = checked(
        "null",
        "[[rule]]\nname = \"version\"\nassert = 'tls.version == \"TLS 1.3\"'\n\
         [[rule]]\nname = \"quick lookup\"\nassert = 'dns.response_time < 0.5'\n\
         [[rule]]\nname = \"in a list\"\nassert = 'transfers.all(t, t.decoded.bytes > 5)'\n\
         [[rule]]\nname = \"never met\"\nmatch = 'dns.name == \"x\"'\nassert = 'false'\n",
    );
    assert!(text.starts_with("exit 1\n"), "{text}");
    assert!(text.contains("tls is null"), "{text}");
    assert!(text.contains("dns is null"), "{text}");
    assert!(text.contains("transfers[0].decoded is null"), "{text}");
    assert!(
        text.contains("- never met: skipped, there is no session for which dns.name == \"x\""),
        "{text}"
    );
}

#[test]
fn of_a_list_only_what_does_not_fit_is_shown() {
    let text = checked(
        "list",
        "[[rule]]\nname = \"large\"\nassert = 'transfers.all(t, t.bytes > 100)'\n\
         [[rule]]\nname = \"from transfers\"\nfor = \"transfer\"\nassert = 'session.login.user == \"x\" || report.totals.sessions > 5'\n",
    );
    assert!(text.contains("transfers[1].bytes is 12\n"), "{text}");
    assert!(!text.contains("transfers[0].bytes"), "{text}");
    assert!(
        text.contains("session.login.user is \"mira\", report.totals.sessions is 1"),
        "{text}"
    );
}

#[test]
fn mistakes_are_marked_with_a_caret_before_anything_is_read() {
    let folder = Folder::new("files-mistakes");
    folder.write(
        "e.toml",
        b"[[session]]\nmatch = 'login.usr == \"ftp\"'\n\n  [[session.transfer]]\n  completness = \"complete\"\n",
    );
    insta::assert_snapshot!(folder.run(&["check", "--expect", "e.toml", "missing.pcap"]), @r#"
    exit 2
    -- stderr
    ftpscope: e.toml:2:16: there is no usr
      |
    2 | match = 'login.usr == "ftp"'
      |                ^^^
      = did you mean user?
    ftpscope: e.toml:5:3: a transfer has no field completness
      |
    5 |   completness = "complete"
      |   ^^^^^^^^^^^
      = did you mean completeness?
    "#);
    insta::assert_snapshot!(folder.run(&["check", "--expect", "none.toml", "missing.pcap"]), @"
    exit 2
    -- stderr
    ftpscope: cannot read none.toml: no such file or directory; ftpscope check --record writes one
    ");
}

#[test]
fn step_whose_outcome_is_none_is_a_mistake_with_a_code_too() {
    let folder = Folder::new("files-outcome");
    for (expected, part) in [
        (
            "steps = [\"login mira: okay 230\"]",
            "a step never ends okay\n",
        ),
        (
            "steps = [\"login mira ok 230\"]",
            "write \"login mira: ok 230\"; a subject that ends so",
        ),
    ] {
        folder.write("e.toml", format!("[[session]]\n{expected}\n").as_bytes());
        let text = folder.run(&["check", "--expect", "e.toml", "missing.pcap"]);
        assert!(text.starts_with("exit 2\n"), "{text}");
        assert!(text.contains(part), "{text}");
    }
    // As a subject it stands in a table, and names hold anything that is no result.
    for expected in [
        "{ kind = \"retrieve\", subject = \"firmware ok 226\" }",
        "\"retrieve ok 226 firmware\"",
        "\"retrieve notes: Part 226\"",
    ] {
        folder.write(
            "e.toml",
            format!("[[session]]\nsteps = [{expected}]\n").as_bytes(),
        );
        let text = folder.run(&["check", "--expect", "e.toml", "missing.pcap"]);
        assert!(text.starts_with("exit 3\n"), "{text}");
    }
}

#[test]
fn negative_numbers_are_mistakes() {
    let folder = Folder::new("files-negative");
    for number in ["-1", "-0.5"] {
        let text = format!("[[session]]\n[[session.transfer]]\nbytes = {number}\n");
        folder.write("e.toml", text.as_bytes());
        let text = folder.run(&["check", "--expect", "e.toml", "missing.pcap"]);
        assert!(text.starts_with("exit 2\n"), "{text}");
        assert!(
            text.contains("no number of the report is negative"),
            "{text}"
        );
    }
}

#[test]
fn several_sessions_are_taken_in_file_order() {
    let folder = Folder::new("files-several");
    folder.write("run.pcap", &capture(Change::SecondSession));
    folder.write(
        "e.toml",
        b"sessions = \"exactly\"\n[[session]]\nmatch = 'login.outcome == \"rejected\"'\nid = 2\n[[session]]\nid = 1\n",
    );
    let text = folder.run(&["check", "--expect", "e.toml", "run.pcap"]);
    assert!(text.starts_with("exit 0\n"), "{text}");
    // Without exactly, others may stand beside.
    folder.write("e.toml", b"[[session]]\nid = 1\n");
    assert!(
        folder
            .run(&["check", "--expect", "e.toml", "run.pcap"])
            .starts_with("exit 0\n")
    );
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    let folder = Folder::new("files-none");
    let capture = capture(Change::None);
    folder.write("run.pcap", &capture);
    folder.write("latin.toml", b"rules = [\n  \"caf\xe9\"]\n");
    for (file, part) in [
        (
            "run.pcap",
            "it is no text; expectation files are TOML; captures stand behind",
        ),
        ("notes", "is a directory; name a TOML file in it"),
        (
            "missing.toml",
            "no such file or directory; ftpscope check --record writes one",
        ),
        (
            "latin.toml",
            "latin.toml:2:7: this is not UTF-8\n  |\n2 |   \"caf\u{fffd}\"]\n  |       ^\n",
        ),
        ("empty.pcap", "empty.pcap:1:1: nothing is expected here"),
    ] {
        let text = folder.run(&["check", "--expect", file, "run.pcap"]);
        assert!(text.starts_with("exit 2\n"), "{file}: {text}");
        assert!(text.contains(part), "{file}: {text}");
    }
    // A byte order mark, carriage returns and tabs are no mistakes.
    folder.write(
        "windows.toml",
        b"\xef\xbb\xbfsessions = \"exactly\"\r\n[[session]]\r\n\tlogin.user = \"mira\"\r\n",
    );
    let text = folder.run(&["check", "--expect", "windows.toml", "run.pcap"]);
    assert!(text.starts_with("exit 0\n"), "{text}");
}

#[test]
fn a_long_row_of_steps_that_are_not_there_is_cut() {
    let steps = ["\"delete\""; 1000].join(", ");
    let text = checked("row", &format!("[[session]]\nsteps = [{steps}]\n"));
    assert!(text.contains("and 994 more"), "{text}");
    assert!(text.lines().all(|line| line.len() < 500), "{text}");
}

#[test]
fn reordered_steps_are_reported_as_reordered() {
    let text = checked(
        "order",
        "[[session]]\nsteps = [\"store\", \"retrieve firmware.bin: ok 226\"]\n",
    );
    assert!(text.contains("the order is another: "), "{text}");
}
