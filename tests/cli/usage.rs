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
