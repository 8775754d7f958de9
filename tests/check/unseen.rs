//! What a check says of sessions that it cannot see: encrypted ones, and captures that are not whole.

use std::fs;

use serde_json::Value;

use crate::check::{CLIENT, Change, SERVER, capture};
use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;

/// A folder with a session over TLS, `closed.pcap`, and its secrets, `keys`.
fn encrypted(name: &str) -> Folder {
    let folder = Folder::new(&format!("unseen-{name}"));
    let tls = format!("{}/testdata/tls", env!("CARGO_MANIFEST_DIR"));
    for (from, to) in [("tls13.pcap", "closed.pcap"), ("tls13.keys", "keys")] {
        let bytes = fs::read(format!("{tls}/{from}")).expect("a file");
        folder.write(to, &bytes);
    }
    folder
}

#[test]
fn rules_do_not_pass_on_sessions_that_hide_what_they_read() {
    let folder = encrypted("rules");
    for rule in [
        "no-anonymous-login",
        "all-commands-accepted",
        "rfc-conformant",
        "no-third-parties",
    ] {
        let text = folder.run(&["check", "--rule", rule, "closed.pcap"]);
        assert!(text.contains("0 passed, 0 failed, 1 skipped"), "{text}");
        assert!(text.contains("give its key log with --keylog"), "{text}");
        let text = folder.run(&["check", "--rule", rule, "--keylog", "keys", "closed.pcap"]);
        assert!(text.contains(" 0 skipped"), "{rule}: {text}");
    }
    for assert in [
        "!login.anonymous",
        "login.attempts < 2",
        "steps.all(s, s.outcome != 'failed')",
    ] {
        let rule = format!("[[rule]]\nname = \"own\"\nassert = \"{assert}\"\n");
        folder.write("e.toml", rule.as_bytes());
        let text = folder.run(&["check", "--expect", "e.toml", "closed.pcap"]);
        assert!(text.contains("0 passed, 0 failed, 1 skipped"), "{text}");
    }
    // The author of the rule looks at what was not seen.
    folder.write(
        "e.toml",
        b"[[rule]]\nname = \"own\"\nassert = \"login.outcome == 'unseen' || !login.anonymous\"\n",
    );
    let text = folder.run(&["check", "--expect", "e.toml", "closed.pcap"]);
    assert!(text.contains("1 passed, 0 failed, 0 skipped"), "{text}");
}

#[test]
fn rule_that_passes_names_the_sessions_that_it_could_not_judge() {
    let folder = encrypted("mixed");
    folder.write("good.pcap", &capture(Change::None));
    for (format, part) in [
        ("text", "no-anonymous-login, but session "),
        ("junit", "<system-out>passed, but session "),
        ("github", "::passed, but session "),
        ("json", " is not judged: it is encrypted"),
    ] {
        let text = folder.run(&[
            "check",
            "--format",
            format,
            "--rule",
            "no-anonymous-login",
            "closed.pcap",
            "good.pcap",
        ]);
        assert!(text.starts_with("exit 0\n"), "{text}");
        assert!(text.contains(part), "{format}: {text}");
    }
}

#[test]
fn absent_commands_and_login_fields_are_not_judged_on_encrypted_sessions() {
    let folder = encrypted("absent");
    folder.write(
        "e.toml",
        b"absent = [\"DELE\"]\n[[session]]\nlogin.anonymous = false\nabsent = [\"RMD\"]\n",
    );
    let text = folder.run(&["check", "--expect", "e.toml", "closed.pcap"]);
    assert!(text.contains("1 passed, 0 failed, 3 skipped"), "{text}");
    let text = folder.run(&[
        "check",
        "--expect",
        "e.toml",
        "--keylog",
        "keys",
        "closed.pcap",
    ]);
    assert!(text.contains(" 0 skipped"), "{text}");
}

#[test]
fn forgotten_key_log_is_the_reason_of_what_is_not_found() {
    let folder = encrypted("forgotten");
    let recorded = folder.run(&[
        "check",
        "-q",
        "--record",
        "e.toml",
        "--keylog",
        "keys",
        "closed.pcap",
    ]);
    assert_eq!(recorded, "exit 0\n");
    let text = folder.run(&["check", "--expect", "e.toml", "closed.pcap"]);
    assert!(text.starts_with("exit 1\n"), "{text}");
    assert!(
        text.contains("nothing of its commands is known: it is encrypted"),
        "{text}"
    );
    assert!(text.contains("--keylog"), "{text}");
}

/// A session of which the capture lost a reply.
fn lossy() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    ftp.command("NOOP");
    ftp.control
        .lose(&mut ftp.wire, Side::Server, b"200 NOOP ok.\r\n");
    ftp.control.ack(&mut ftp.wire, Side::Client);
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    ftp.quit()
}

#[test]
fn strict_run_says_in_each_format_why_the_capture_is_refused() {
    let folder = Folder::new("unseen-strict");
    folder.write("lossy.pcap", &lossy());
    for (format, part) in [
        ("text", "not whole, which --strict refuses: session 1: "),
        ("junit", "<error type=\"not-whole\" message=\"session 1: "),
        (
            "github",
            "::error title=not whole, which --strict refuses::session 1: ",
        ),
        ("json", "\"not_whole\": [\n"),
    ] {
        let arguments = ["--rule", "all-logins-accepted", "lossy.pcap"];
        let check = ["check", "--format", format, "--strict"];
        let text = folder.run(&[&check[..], &arguments[..]].concat());
        assert!(text.starts_with("exit 3\n"), "{text}");
        assert!(text.contains(part), "{format}: {text}");
        // Without --strict it is a warning.
        let text = folder.run(&[&check[..3], &arguments[..]].concat());
        assert!(text.starts_with("exit 0\n"), "{text}");
        assert!(text.contains("not in the capture"), "{format}: {text}");
    }
    let summary = folder.path().join("summary.md");
    let github = [
        "check",
        "--format",
        "github",
        "--strict",
        "--rule",
        "all-logins-accepted",
    ];
    let mut command = folder.command(&[&github[..], &["lossy.pcap"]].concat());
    command.env("GITHUB_STEP_SUMMARY", &summary);
    command.output().expect("it runs");
    let summary = fs::read_to_string(summary).expect("a summary");
    assert!(summary.starts_with("## \u{274c} "), "{summary}");
}

#[test]
fn packets_captured_in_part_by_choice_do_not_make_a_strict_run_fail() {
    let folder = Folder::new("unseen-snapped");
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    ftp.wire.snap(70);
    folder.write("snapped.pcap", &ftp.wire.to_pcap());
    let text = folder.run(&["analyze", "--strict", "snapped.pcap"]);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert!(text.contains("captured in part"), "{text}");
    let rule = ["check", "--rule", "capture-whole", "snapped.pcap"];
    let text = folder.run(&rule);
    assert!(text.starts_with("exit 1\n"), "{text}");
}

#[test]
fn strict_run_on_a_capture_that_is_not_whole_changes_no_expectation_file() {
    let folder = Folder::new("unseen-update");
    folder.write("good.pcap", &capture(Change::None));
    let whole = capture(Change::None);
    folder.write("half.pcap", &whole[..whole.len() / 2]);
    folder.run(&["check", "-q", "--record", "e.toml", "good.pcap"]);
    let before = folder.read("e.toml");
    let update = [
        "check",
        "--strict",
        "--expect",
        "e.toml",
        "--update",
        "half.pcap",
    ];
    let text = folder.run(&update);
    assert!(text.starts_with("exit 3\n"), "{text}");
    assert!(
        text.contains("nothing is updated: the captures are not whole"),
        "{text}"
    );
    assert_eq!(folder.read("e.toml"), before);
    let text = folder.run(&["check", "--strict", "--record", "new.toml", "half.pcap"]);
    assert!(text.starts_with("exit 3\n"), "{text}");
    assert!(!folder.path().join("new.toml").exists());
    let text = folder.run(&["check", "--record", "new.toml", "half.pcap"]);
    assert!(text.starts_with("exit 0\n"), "{text}");
}

#[test]
fn nothing_checked_is_not_said_to_have_passed() {
    let folder = Folder::new("unseen-nothing");
    folder.write("good.pcap", &capture(Change::None));
    let text = folder.run(&["check", "--fail-on", "high", "--session", "9", "good.pcap"]);
    assert!(text.starts_with("exit 4\n"), "{text}");
    assert!(text.contains("0 passed, 0 failed, 1 skipped"), "{text}");
    let text = folder.run(&["check", "--fail-on", "high", "text.txt"]);
    assert!(
        text.contains("0 skipped, no capture could be read"),
        "{text}"
    );
    let json = folder.run(&["check", "--format", "json", "--fail-on", "high", "text.txt"]);
    let json = json.split("-- stdout\n").nth(1).unwrap_or_default();
    let json = json.split("-- stderr\n").next().unwrap_or_default();
    let answer: Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(answer["passed"], 0);
    // The first session that is missing is not one more.
    folder.write("e.toml", b"[[session]]\nlogin.user = \"mira\"\n");
    let text = folder.run(&["check", "--expect", "e.toml", "--session", "9", "good.pcap"]);
    assert!(
        text.contains("expected  a session\n    found     no session\n"),
        "{text}"
    );
}

#[test]
fn commands_that_prepare_a_transfer_beyond_the_end_of_the_capture_are_no_other_steps() {
    let folder = Folder::new("unseen-preparation");
    let with_size = capture(Change::ExtraSize);
    folder.write("good.pcap", &with_size);
    folder.run(&["check", "-q", "--record", "e.toml", "good.pcap"]);
    let mut ftp = Conversation::open(CLIENT, SERVER);
    ftp.exchange("USER mira", "331 Please specify the password.");
    ftp.exchange("PASS hazel-lantern", "230 Login successful.");
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    ftp.exchange("TYPE I", "200 Switching to Binary mode.");
    ftp.exchange("CWD pub", "250 Directory successfully changed.");
    ftp.exchange("SIZE firmware.bin", "213 7000");
    folder.write("cut.pcap", &ftp.wire.to_pcap());
    let text = folder.run(&["check", "--expect", "e.toml", "cut.pcap"]);
    assert!(text.starts_with("exit 1\n"), "{text}");
    assert!(
        text.contains("steps retrieve firmware.bin: ok 226"),
        "{text}"
    );
    assert!(!text.contains("no other step"), "{text}");
}
