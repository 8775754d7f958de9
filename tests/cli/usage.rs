//! The program as its users meet it: each test is named for a fault that one of them found.

use crate::support::conversation::Conversation;
use crate::support::folder::Folder;

/// Sessions of clients of their own; one has a name of many characters.
fn many_sessions(count: u8) -> Vec<u8> {
    let mut wire = crate::support::wire::Wire::new();
    for number in 1..=count {
        let client = format!("10.0.0.{number}:4000");
        let mut session = Conversation::open_on(wire, &client, "10.0.1.1:21");
        session.exchange("USER mira", "331 Password required.");
        session.exchange("PASS wrong", "530 Login incorrect.");
        if number == 3 {
            session.exchange(
                &format!("RETR {}", "long/".repeat(2_000)),
                "530 Please login.",
            );
        }
        session.part();
        wire = session.wire;
    }
    wire.to_pcap()
}

#[test]
fn overview_comes_before_many_sessions_and_summary_shows_it_alone() {
    let folder = Folder::new("usage-overview");
    folder.write("many.pcap", &many_sessions(7));
    let all = folder.run(&["analyze", "many.pcap"]);
    let at = |text: &str| all.find(text).unwrap_or_else(|| panic!("{text}: {all}"));
    assert!(at("Who logged in") < at("What was moved"));
    assert!(at("What was moved") < at("What went wrong"));
    assert!(at("What went wrong") < at("Session 1 "));
    insta::assert_snapshot!(folder.run(&["analyze", "--summary", "many.pcap"]));
    folder.write("few.pcap", &many_sessions(2));
    assert!(
        !folder
            .run(&["analyze", "few.pcap"])
            .contains("Who logged in")
    );
    let refused = folder.run(&["analyze", "--summary", "--format", "ndjson", "few.pcap"]);
    assert!(refused.contains("use --events summary"), "{refused}");
}

#[test]
fn long_names_are_shortened_and_narrow_terminals_are_respected() {
    let folder = Folder::new("usage-widths");
    folder.write("many.pcap", &many_sessions(7));
    for width in ["40", "60", "80", "200"] {
        for arguments in [
            &["analyze", "many.pcap"][..],
            &["analyze", "--summary", "many.pcap"],
            &["tree", "many.pcap"],
        ] {
            let output = folder
                .command(arguments)
                .env("COLUMNS", width)
                .output()
                .expect("it runs");
            let text = String::from_utf8(output.stdout).expect("text");
            assert!(text.len() < 100_000, "{} bytes", text.len());
            for line in text.lines() {
                let columns = unicode_width::UnicodeWidthStr::width(line);
                assert!(columns <= width.parse().expect("a number"), "{line}");
            }
        }
    }
}

#[test]
fn selection_that_matches_nothing_does_not_deny_the_sessions() {
    let folder = Folder::new("usage-none");
    folder.write("many.pcap", &many_sessions(7));
    for selection in [["--session", "700"], ["--where", "login.user == 'eve'"]] {
        for command in ["analyze", "tree", "diagram"] {
            let [option, value] = selection;
            let text = folder.run(&[command, option, value, "many.pcap"]);
            assert!(text.contains("7 sessions"), "{command}: {text}");
            assert!(text.contains("none matches"), "{command}: {text}");
        }
        let [option, value] = selection;
        let rule = [
            "check",
            "--rule",
            "no-cleartext-login",
            option,
            value,
            "many.pcap",
        ];
        let text = folder.run(&rule);
        assert!(text.contains("7 sessions, none matches"), "{text}");
    }
}

// Without interfaces `live` asks for a file.
#[cfg(feature = "live")]
#[test]
fn wrong_calls_are_answered_with_the_right_ones() {
    let folder = Folder::new("usage-calls");
    folder.write("few.pcap", &many_sessions(1));
    let of = |arguments: &[&str]| {
        folder
            .run(arguments)
            .replace("exit 2\n-- stderr\nftpscope: ", "")
    };
    let calls: &[&[&str]] = &[
        &["few.pcap"],
        &["analyze", "-r", "few.pcap"],
        &["analyze", "--session", "abc", "few.pcap"],
        &["analyze", "--where", "user == 'bob'", "few.pcap"],
        &["analyze", "--where", "login.user == bob", "few.pcap"],
        &["live", "-v"],
        &["live", "-r", "few.pcap", "--rotate", "10MB"],
        &["help", "carving"],
    ];
    let answers: Vec<String> = calls.iter().map(|call| of(call)).collect();
    insta::assert_snapshot!(answers.concat());
}

#[test]
fn a_dash_as_output_is_standard_output() {
    let folder = Folder::new("usage-dash");
    folder.write("few.pcap", &many_sessions(1));
    for command in ["analyze", "diagram", "tree"] {
        let with = folder.run(&[command, "-o", "-", "few.pcap"]);
        assert_eq!(with, folder.run(&[command, "few.pcap"]));
        assert!(!folder.path().join("-").exists());
    }
    let live = folder.run(&["live", "-r", "few.pcap", "-o", "-"]);
    assert!(live.contains("login as mira"), "{live}");
    assert!(!folder.path().join("-").exists());
}

#[cfg(feature = "live")]
#[test]
fn filter_that_hides_data_connections_is_warned_of_once() {
    let folder = Folder::new("usage-filter");
    folder.write("classic.pcap", &crate::support::classic::classic());
    for format in ["table", "json", "ndjson"] {
        let run =
            |filter| folder.run(&["analyze", "--format", format, "-f", filter, "classic.pcap"]);
        let hidden = run("tcp port 21");
        assert_eq!(
            hidden.matches("of -f hides data connections").count(),
            1,
            "{hidden}"
        );
        let whole = run("host 192.168.0.2");
        assert!(!whole.contains("hides data connections"), "{whole}");
    }
}

#[test]
fn concatenated_captures_on_standard_input_are_read_on() {
    let folder = Folder::new("usage-concatenated");
    let other = Conversation::logged_in("10.9.9.9:4000", "10.0.1.1:21");
    let both = [many_sessions(2), other.quit()].concat();
    folder.write("both.pcap", &both);
    let text = folder.run(&["analyze", "both.pcap"]);
    assert!(text.contains("3 sessions in "), "{text}");
    assert!(!text.contains("could not be read"), "{text}");
}

#[test]
fn manual_keeps_examples_and_has_exit_codes_signals_and_findings() {
    let text = Folder::new("usage-man").run(&["man"]);
    for part in [
        ".nf\nftpscope analyze capture.pcap                 what happened, as tables\n",
        ".SH \"EXIT STATUS\"",
        ".SH \"SIGNALS\"",
        ".SH \"FINDINGS\"",
        "\\fBbrute\\-force\\fR",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let findings = Folder::new("usage-help").run(&["help", "findings"]);
    assert!(findings.contains("\ncleartext-credentials "), "{findings}");
}

#[test]
fn completions_offer_rules_and_zones() {
    let folder = Folder::new("usage-completions");
    for shell in ["bash", "zsh", "fish"] {
        let text = folder.run(&["completions", shell]);
        assert!(text.contains("no-cleartext-login"), "{shell}");
        assert!(text.contains("local"), "{shell}");
    }
}

#[test]
fn console_lane_is_rebuilt_from_the_commands_in_every_format() {
    let folder = Folder::new("usage-console");
    folder.write("classic.pcap", &crate::support::classic::classic());
    for format in ["text", "mermaid", "plantuml", "svg", "html"] {
        let text = folder.run(&["diagram", "--format", format, "classic.pcap"]);
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_said = text.contains("rebuilt from the commands")
            || words.windows(2).any(|two| two == ["rebuilt", "from"]);
        assert!(is_said, "{format}");
    }
}

#[test]
fn every_event_of_a_session_carries_client_server_and_user() {
    let folder = Folder::new("usage-parties");
    folder.write("many.pcap", &many_sessions(3));
    for command in [&["analyze"][..], &["live", "-r"]] {
        let arguments = [command, &["many.pcap", "--format", "ndjson"]].concat();
        let output = folder.command(&arguments).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let mut events = 0;
        let mut with_user = 0;
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if let Some(session) = event["session"].as_u64() {
                events += 1;
                assert_eq!(event["client"]["ip"], format!("10.0.0.{session}"), "{line}");
                assert_eq!(event["server"]["port"], 21, "{line}");
                with_user += usize::from(event["user"] == "mira");
            }
        }
        // Of each session: its login, QUIT, closing and end, and what is found in it.
        assert!(events >= 15 && with_user >= 12, "{text}");
    }
}
