//! Rules by name, `--fail-on`, and what the exit code says.

use crate::check::edited::Edited;
use crate::check::{CLIENT, Change, SERVER, capture};
use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;

#[test]
fn rules_are_listed_by_name() {
    insta::assert_snapshot!(Folder::new("rules-list").run(&["check", "--list-rules"]));
}

#[test]
fn a_rule_holds_fails_or_meets_nothing() {
    let folder = Folder::new("rules");
    folder.write("run.pcap", &capture(Change::LostPacket));
    let arguments = [
        "check",
        "-v",
        // The note on threads has the number of processors otherwise.
        "--threads",
        "1",
        "--rule",
        "no-cleartext-login",
        "--rule",
        "all-transfers-complete",
        "--rule",
        "no-active-mode",
        "--rule",
        "sessions-end-with-quit",
        "run.pcap",
    ];
    insta::assert_snapshot!(folder.run(&arguments));
    let classic = format!(
        "{}/testdata/captures/ftps-implicit.pcap",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = folder.run(&["check", "--rule", "all-transfers-complete", &classic]);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert!(
        text.contains("- all-transfers-complete: skipped, there is no transfer"),
        "{text}"
    );
    assert!(text.contains("0 passed, 0 failed, 1 skipped"), "{text}");
}

/// For each rule a capture on which it fails, and one on which it holds.
#[test]
fn every_rule_fails_somewhere_and_holds_elsewhere() {
    let folder = Folder::new("rules-each");
    folder.write("good.pcap", &capture(Change::None));
    folder.write("refused.pcap", &capture(Change::Refused));
    folder.write("lost.pcap", &capture(Change::LostPacket));
    folder.write("active.pcap", &capture(Change::Active));
    folder.write("no-quit.pcap", &capture(Change::NoQuit));
    let mut anonymous = Conversation::open(CLIENT, SERVER);
    anonymous.exchange("USER anonymous", "331 Tell me who you are.");
    anonymous.exchange("PASS a@b", "230 Welcome.");
    folder.write("anonymous.pcap", &anonymous.quit());
    let mut rejected = Conversation::open(CLIENT, SERVER);
    rejected.exchange("USER mira", "331 Password.");
    rejected.exchange("PASS wrong-one", "530 No.");
    folder.write("rejected.pcap", &rejected.quit());
    let mut ascii = Conversation::logged_in(CLIENT, SERVER);
    ascii.exchange("TYPE A", "200 ASCII.");
    ascii.passive(None, 5001);
    let mut data = ascii.passive_data(40_001, 5001);
    ascii.command("RETR a.txt");
    data.open(&mut ascii.wire);
    ascii.deliver("a.txt", &mut data, Side::Server, b"text\r\n");
    folder.write("ascii.pcap", &ascii.quit());
    let mut odd = Conversation::logged_in(CLIENT, SERVER);
    odd.command("NOOP");
    odd.reply("This is no reply.");
    odd.reply("200 Ok.");
    folder.write("odd.pcap", &odd.quit());
    let mut bounce = Conversation::logged_in(CLIENT, SERVER);
    bounce.exchange("PORT 10,9,9,9,0,25", "200 PORT command successful.");
    bounce.exchange("LIST", "425 Cannot connect.");
    folder.write("bounce.pcap", &bounce.quit());
    let captures = format!("{}/testdata/captures", env!("CARGO_MANIFEST_DIR"));
    let encrypted = format!("{captures}/ftps-explicit.pcap");
    let tls = format!("{}/testdata/tls", env!("CARGO_MANIFEST_DIR"));
    // Carries its secrets.
    let opened = format!("{tls}/tls12-resumed.pcapng");
    let closed = format!("{tls}/tls13.pcap");
    let mut cut = Edited::read("passive-lftp.pcap");
    cut.lose(cut.data()[3]);
    folder.write("cut.pcap", &cut.to_pcap());
    for (rule, fails, holds) in [
        ("no-cleartext-login", "good.pcap", "anonymous.pcap"),
        ("no-anonymous-login", "anonymous.pcap", "good.pcap"),
        ("all-logins-accepted", "rejected.pcap", "good.pcap"),
        ("all-commands-accepted", "refused.pcap", "good.pcap"),
        ("all-transfers-complete", "lost.pcap", "good.pcap"),
        ("no-active-mode", "active.pcap", "good.pcap"),
        ("files-in-binary", "ascii.pcap", "good.pcap"),
        ("sessions-encrypted", "good.pcap", encrypted.as_str()),
        ("data-encrypted", "good.pcap", encrypted.as_str()),
        ("all-decrypted", closed.as_str(), opened.as_str()),
        ("data-resumes-control", closed.as_str(), opened.as_str()),
        ("sessions-end-with-quit", "no-quit.pcap", "good.pcap"),
        ("rfc-conformant", "odd.pcap", "good.pcap"),
        ("no-third-parties", "bounce.pcap", "good.pcap"),
        ("capture-whole", "cut.pcap", "good.pcap"),
    ] {
        let failed = folder.run(&["check", "--rule", rule, fails]);
        assert!(failed.starts_with("exit 1\n"), "{rule}: {failed}");
        let held = folder.run(&["check", "--rule", rule, holds]);
        assert!(held.starts_with("exit 0\n"), "{rule}: {held}");
        assert!(
            held.contains("1 passed, 0 failed, 0 skipped"),
            "{rule}: {held}"
        );
    }
    let listed = folder.run(&["check", "--list-rules"]);
    assert_eq!(listed.lines().count(), 2 + 17, "{listed}");
    // The explanation of a finding is shown as the cause.
    let told = folder.run(&["check", "--rule", "no-third-parties", "bounce.pcap"]);
    assert!(
        told.contains("because   PORT asks the server to connect to 10.9.9.9"),
        "{told}"
    );
    let told = folder.run(&["check", "--fail-on", "low", "good.pcap"]);
    assert!(told.contains("    advice    Use FTPS"), "{told}");
}

#[test]
fn rule_beyond_the_work_limit_does_not_pass() {
    let folder = Folder::new("rules-work");
    folder.write("run.pcap", &capture(Change::None));
    let digits = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";
    let mut all = "id > 0".to_owned();
    for name in ["a", "b", "c", "d", "e", "f"] {
        all = format!("{digits}.all({name}, {all})");
    }
    let rules = format!(
        "[[rule]]\nname = \"x\"\nassert = '{all}'\n[[rule]]\nname = \"y\"\nmatch = '{all}'\nassert = 'id == 1'\n"
    );
    folder.write("e.toml", rules.as_bytes());
    let text = folder.run(&["check", "--expect", "e.toml", "run.pcap"]);
    assert!(text.contains("0 passed, 2 failed, 0 skipped"), "{text}");
    assert_eq!(text.matches("it is too much work").count(), 2, "{text}");
    let text = folder.run(&["analyze", "--where", &all, "run.pcap"]);
    assert!(text.starts_with("exit 2\n"), "{text}");
    assert!(text.contains("--where: it is too much work"), "{text}");
}

#[test]
fn exit_codes_are_those_of_the_documentation() {
    let folder = Folder::new("rules-exit");
    folder.write("run.pcap", &capture(Change::None));
    let exit = |arguments: &[&str]| {
        let text = folder.run(arguments);
        text.lines().next().unwrap_or_default().to_owned()
    };
    let rule = ["--rule", "all-transfers-complete"];
    let check = |more: &[&str]| exit(&[&["check"], &rule[..], more].concat());
    assert_eq!(check(&["run.pcap"]), "exit 0");
    assert_eq!(check(&["--fail-on", "low", "run.pcap"]), "exit 1");
    assert_eq!(check(&["--fail-on", "high", "run.pcap"]), "exit 0");
    assert_eq!(check(&["headers.pcap"]), "exit 4");
    assert_eq!(check(&["missing.pcap", "run.pcap"]), "exit 3");
    assert_eq!(
        check(&["--fail-on", "low", "missing.pcap", "run.pcap"]),
        "exit 3"
    );
    assert_eq!(check(&["cut.pcap", "run.pcap"]), "exit 0");
    assert_eq!(check(&["--strict", "cut.pcap", "run.pcap"]), "exit 3");
    assert_eq!(exit(&["check", "run.pcap"]), "exit 2");
    assert_eq!(
        exit(&["check", "--rule", "no-such-rule", "run.pcap"]),
        "exit 2"
    );
    assert_eq!(exit(&["check", "--update", "run.pcap"]), "exit 2");
}

#[test]
fn the_secret_is_shown_only_where_it_is_asked_for() {
    let folder = Folder::new("rules-secret");
    folder.write("run.pcap", &capture(Change::None));
    folder.write(
        "e.toml",
        b"[[rule]]\nname = \"x\"\nassert = 'login.password == null'\n",
    );
    for format in ["text", "junit", "github", "json"] {
        let arguments = [
            "check", "--expect", "e.toml", "--format", format, "run.pcap",
        ];
        let text = folder.run(&arguments);
        assert!(text.starts_with("exit 1\n"), "{text}");
        assert!(
            text.contains("hidden") && !text.contains("hazel-lantern"),
            "{text}"
        );
        let shown = folder.run(&[&arguments[..], &["--show-passwords"]].concat());
        assert!(shown.contains("hazel-lantern"), "{shown}");
    }
}

#[test]
fn captures_that_are_cut_short_are_told_in_every_format() {
    let folder = Folder::new("files-cut");
    let mut whole = capture(Change::None);
    whole.truncate(whole.len() - 10);
    folder.write("cut.pcap", &whole);
    for format in ["text", "github", "json"] {
        let arguments = ["--rule", "all-transfers-complete", "--strict", "cut.pcap"];
        let text = folder.run(&[&["check", "--format", format], &arguments[..]].concat());
        assert!(text.starts_with("exit 3\n"), "{text}");
        assert!(text.contains("ends inside a packet"), "{text}");
    }
}

#[test]
fn where_no_capture_can_be_read_no_session_is_said_to_be_missing() {
    let folder = Folder::new("files-unreadable");
    folder.write("e.toml", b"[[session]]\n[session.login]\nuser = \"mira\"\n");
    for format in ["text", "junit"] {
        let text = folder.run(&[
            "check",
            "--expect",
            "e.toml",
            "--format",
            format,
            "none.pcap",
        ]);
        assert!(text.starts_with("exit 3\n"), "{text}");
        assert!(
            text.contains("cannot read none.pcap: no such file"),
            "{text}"
        );
        assert!(
            !text.contains("mira") && !text.contains("os error"),
            "{text}"
        );
    }
}

#[test]
fn digests_that_are_none_are_mistakes_and_may_be_in_upper_case() {
    let folder = Folder::new("files-digest");
    folder.write("run.pcap", &capture(Change::None));
    let report = folder.report(&["run.pcap"]);
    let transfer = &report["sessions"][0]["transfers"][0];
    let digest = transfer["sha256"]
        .as_str()
        .expect("a digest")
        .to_uppercase();
    let expect = |sha256: &str| {
        let path = transfer["path"].as_str().expect("a path");
        let text =
            format!("[[session]]\n[[session.transfer]]\npath = \"{path}\"\nsha256 = {sha256}\n");
        folder.write("e.toml", text.as_bytes());
        folder.run(&["check", "--expect", "e.toml", "run.pcap"])
    };
    let right = expect(&format!("\"{digest}\""));
    assert!(right.starts_with("exit 0\n"), "{right}");
    for wrong in ["\"abc\"", "[\"abc\"]"] {
        let text = expect(wrong);
        assert!(text.starts_with("exit 2\n"), "{text}");
        assert!(text.contains("it has 64 hexadecimal digits"), "{text}");
    }
}

#[test]
fn cleartext_login_is_cited_where_the_password_was_sent() {
    let folder = Folder::new("files-cleartext");
    folder.write("run.pcap", &capture(Change::None));
    let report = folder.report(&["run.pcap"]);
    let steps = report["sessions"][0]["steps"].as_array().expect("steps");
    let mut commands = steps
        .iter()
        .flat_map(|step| step["commands"].as_array().expect("commands"));
    let pass = commands
        .find(|command| command["verb"] == "PASS")
        .expect("PASS");
    let text = folder.run(&["check", "--rule", "no-cleartext-login", "run.pcap"]);
    let cited = format!("frame {} of run.pcap", pass["frame"]);
    assert!(text.contains(&cited), "{text}");
}

#[test]
fn of_a_conjunction_only_what_fails_is_shown() {
    let folder = Folder::new("files-conjunction");
    folder.write("run.pcap", &capture(Change::None));
    folder.write(
        "e.toml",
        b"[[rule]]\nname = \"two\"\nassert = \"size(steps) > 0 && login.user == 'eve'\"\n",
    );
    let text = folder.run(&["check", "--expect", "e.toml", "run.pcap"]);
    assert!(text.contains("login.user is \"mira\""), "{text}");
    assert!(!text.contains("size(steps) is"), "{text}");
}
