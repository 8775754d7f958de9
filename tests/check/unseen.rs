//! What a check says of sessions that it cannot see: encrypted ones, and captures that are not whole.

use std::fs;

use crate::check::{Change, capture};
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
