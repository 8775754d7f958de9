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
fn digests_are_whole_on_terminals_narrower_than_they_are() {
    let folder = Folder::new("usage-digests");
    let classic = format!(
        "{}/testdata/captures/classic.pcap",
        env!("CARGO_MANIFEST_DIR")
    );
    for (width, options) in [
        ("40", "-v"),
        ("60", "-v"),
        ("72", "-v"),
        ("40", "--summary"),
        ("60", "--summary"),
    ] {
        let output = folder
            .command(&["analyze", "--hash", "md5,sha1", options, &classic])
            .env("COLUMNS", width)
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        for digest in [
            "c232a16f5c073e3136d1d0de17cc68495ade3aeb0c798153f0e89cc9bca1de87",
            "f849038a06a8b21f4d0f5908907ac97f16fe5e37",
            "b1b4321687b6ba8e13bf6cb6ca90c5dc",
        ] {
            assert!(text.contains(digest), "{width} {options}: {text}");
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
        &["analyze", "--session", "0", "few.pcap"],
        &["analyze", "--where", "user == 'bob'", "few.pcap"],
        &["analyze", "--where", "login.user == bob", "few.pcap"],
        &["live", "-v"],
        &["live", "-r", "few.pcap", "--rotate", "10MB"],
        &["live", "-r", "few.pcap", "--exec", "/bin/true"],
        &["help", "carving"],
    ];
    let answers: Vec<String> = calls.iter().map(|call| of(call)).collect();
    insta::assert_snapshot!(answers.concat());
}

#[test]
fn live_names_the_command_that_follows_a_file() {
    let folder = Folder::new("usage-follow");
    assert_eq!(
        folder.run(&["live", "-r", "few.pcap", "--follow"]),
        "exit 2\n-- stderr\nftpscope: unexpected argument '--follow' found; analyze follows a file that grows: ftpscope analyze --follow FILE\n"
    );
    let help = folder.run(&["live", "--help"]);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        help.contains("a file is read to its end (analyze --follow reads on)"),
        "{help}"
    );
}

#[cfg(feature = "live")]
#[test]
fn live_alone_is_asked_for_an_interface_or_a_file_and_prints_no_help() {
    let folder = Folder::new("usage-live");
    assert_eq!(
        folder.run(&["live"]),
        "exit 2\n-- stderr\nftpscope: there is nothing to read; give -i INTERFACE (ftpscope interfaces lists them) or -r FILE\n"
    );
}

#[test]
fn since_after_until_and_a_network_in_a_list_are_refused_with_a_hint() {
    let folder = Folder::new("usage-bounds");
    folder.write("few.pcap", &many_sessions(1));
    let bounds = ["--since", "2026-03-02T10:00", "--until", "2026-03-01T10:00"];
    let said = folder.run(&[&["analyze", "few.pcap"], &bounds[..]].concat());
    assert!(said.starts_with("exit 2\n"), "{said}");
    assert!(said.contains("--since is after --until"), "{said}");
    for (network, prefix) in [
        ("10.0.0.0/8", "10."),
        ("192.168.7.0/26", "192.168.7."),
        ("fd12:3456::/32", "fd12:3456:"),
    ] {
        let expression = format!("client.ip in '{network}'");
        let said = folder.run(&["analyze", "--where", &expression, "few.pcap"]);
        let hint = format!("client.ip.startsWith(\"{prefix}\")");
        assert!(said.contains(&hint), "{said}");
    }
}

#[test]
fn live_refuses_to_append_packets_to_a_file_that_is_not_pcapng() {
    let folder = Folder::new("usage-append");
    folder.write("few.pcap", &many_sessions(1));
    folder.write("old.pcap", &many_sessions(2));
    let live = ["live", "-r", "few.pcap", "-o", "events", "-w"];
    let said = folder.run(&[&live[..], &["old.pcap"]].concat());
    assert!(said.starts_with("exit 2\n"), "{said}");
    assert!(said.contains("not pcapng"), "{said}");
    for _ in 0..2 {
        let said = folder.run(&[&live[..], &["new.pcapng"]].concat());
        assert!(said.starts_with("exit 0\n"), "{said}");
    }
}

#[test]
fn no_input_of_a_command_is_its_output() {
    let folder = Folder::new("usage-inputs");
    folder.write("few.pcap", &many_sessions(1));
    folder.write("keys", b"# no secrets\n");
    folder.write("e.toml", b"[[session]]\n");
    folder.write("key", "0123456789abcdef".repeat(4).as_bytes());
    folder.write(
        "old.json",
        folder.report(&["few.pcap"]).to_string().as_bytes(),
    );
    folder.write(
        "xferlog",
        b"Mon Nov 30 15:00:00 2026 1 10.0.0.2 5 /a b _ o r mira ftp 0 * c\n",
    );
    let carve = [
        "carve",
        "--redact",
        "all",
        "--redact-key",
        "key",
        "few.pcap",
    ];
    for (arguments, written) in [
        (
            &["check", "--expect", "e.toml", "few.pcap", "-o"][..],
            "e.toml",
        ),
        (
            &["check", "--baseline", "old.json", "few.pcap", "-o"],
            "old.json",
        ),
        (&["analyze", "--keylog", "keys", "few.pcap", "-o"], "keys"),
        (&["tree", "--keylog", "keys", "few.pcap", "-o"], "keys"),
        (&["diagram", "--keylog", "keys", "few.pcap", "-o"], "keys"),
        (
            &["check", "--keylog", "keys", "few.pcap", "--record"],
            "keys",
        ),
        (
            &["reconcile", "--log", "xferlog:xferlog", "few.pcap", "-o"],
            "xferlog",
        ),
        (&["live", "-r", "few.pcap", "-o"], "few.pcap"),
        (
            &["live", "-r", "few.pcap", "--keylog", "keys", "-w"],
            "keys",
        ),
        (&[&carve[..], &["-w"]].concat(), "key"),
        (&[&carve[..], &["-w", "out", "--mapping"]].concat(), "key"),
    ] {
        let before = folder.read_bytes(written);
        let said = folder.run(&[arguments, &[written]].concat());
        assert!(said.starts_with("exit 2\n"), "{arguments:?}: {said}");
        let refusals = [": it is one of the captures", ": it is read ", " already"];
        assert!(
            refusals.iter().any(|refusal| said.contains(refusal)),
            "{arguments:?}: {said}"
        );
        assert_eq!(folder.read_bytes(written), before, "{arguments:?}");
    }
}

#[test]
fn tar_archive_is_to_be_unpacked_first() {
    let folder = Folder::new("usage-tar");
    let mut tar = vec![0; 1024];
    tar[..8].copy_from_slice(b"few.pcap");
    tar[257..265].copy_from_slice(b"ustar\x0000");
    folder.write("few.tar", &tar);
    let said = folder.run(&["analyze", "few.tar"]);
    assert!(said.contains("unpack it first"), "{said}");
}

#[test]
fn outcome_with_text_that_is_no_code_is_a_mistake_in_the_file() {
    let folder = Folder::new("usage-outcome");
    folder.write("few.pcap", &many_sessions(1));
    let rules = b"[[session]]\nsteps = [\"login mira: ok 999x\"]\n";
    folder.write("rules.toml", rules);
    let said = folder.run(&["check", "--expect", "rules.toml", "few.pcap"]);
    assert!(said.contains("999x is no reply code"), "{said}");
}

#[test]
fn empty_file_of_a_ring_joins_the_series_of_its_name() {
    let folder = Folder::new("usage-series");
    folder.write("few.pcap", &many_sessions(1));
    let live = [
        "live",
        "-q",
        "-r",
        "few.pcap",
        "-o",
        "events",
        "-w",
        "k1.pcapng",
    ];
    folder.run(&live);
    // A section header alone.
    let whole = std::fs::read(folder.path().join("k1.pcapng")).expect("packets");
    let length = u32::from_le_bytes(whole[4..8].try_into().expect("four bytes"));
    folder.write("k2.pcapng", &whole[..length as usize]);
    let said = folder.run(&["series", "-q", "k1.pcapng", "k2.pcapng"]);
    assert_eq!(said.matches("\"series\":").count(), 1, "{said}");
}

#[test]
fn reasons_of_the_system_are_told_in_words_without_their_numbers() {
    let folder = Folder::new("usage-system");
    folder.write("few.pcap", &many_sessions(1));
    for arguments in [
        &["analyze", "--keylog", "missing", "few.pcap"][..],
        &["analyze", "--tls-key", "missing", "few.pcap"],
        &["analyze", "--follow", "--keylog", "missing", "few.pcap"],
        &["man", "--directory", "few.pcap/man"],
        &[
            "check",
            "--format",
            "junit",
            "--rule",
            "no-cleartext-login",
            "missing.pcap",
        ],
        &["check", "--baseline", "missing.pcap", "few.pcap"],
        &["reconcile", "--log", "missing", "few.pcap"],
        &["analyze", "-o", "missing/report", "few.pcap"],
        &["analyze", "-x", "few.pcap/files", "few.pcap"],
        &["carve", "-w", "missing/out.pcapng", "few.pcap"],
    ] {
        let said = folder.run(arguments);
        assert!(!said.contains("os error"), "{arguments:?}: {said}");
        let is_named = [
            "no such file or directory",
            "not a directory",
            "file exists",
        ];
        let is_named = is_named.iter().any(|reason| said.contains(reason));
        assert!(is_named, "{arguments:?}: {said}");
    }
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

#[cfg(feature = "live")]
#[test]
fn live_says_that_the_filter_hides_data_connections_or_everything() {
    let folder = Folder::new("usage-live-filter");
    folder.write("classic.pcap", &crate::support::classic::classic());
    let run = |filter| folder.run(&["live", "-r", "classic.pcap", "-f", filter]);
    let hides = "of -f hides data connections";
    let hidden = run("tcp port 21");
    assert_eq!(hidden.matches(hides).count(), 1, "{hidden}");
    let first = hidden.find("LIST").expect("a listing");
    let told = hidden.find(hides).expect("the warning");
    assert!(
        first < told && told < hidden.find("QUIT").expect("an end"),
        "{hidden}"
    );
    let whole = run("host 192.168.0.2");
    assert!(!whole.contains("hides data connections"), "{whole}");
    let nothing = run("tcp port 2121");
    assert!(
        nothing.contains("no packet matched the filter 'tcp port 2121' of -f"),
        "{nothing}"
    );
    assert!(!whole.contains("no packet matched"), "{whole}");
}

#[test]
fn live_of_an_unreadable_file_says_nothing_of_sessions() {
    let folder = Folder::new("usage-live-unreadable");
    folder.write("empty.pcap", b"");
    for name in ["missing.pcap", "empty.pcap"] {
        let text = folder.run(&["live", "-r", name]);
        assert!(!text.contains("No FTP session"), "{text}");
        assert!(text.contains(&format!("cannot read {name}: ")), "{text}");
    }
}

#[test]
fn evidence_names_frames_of_their_own_captures() {
    let folder = Folder::new("usage-evidence");
    let classic = crate::support::classic::classic();
    folder.write("a.pcap", &many_sessions(2));
    folder.write("b.pcap", &classic);
    let unwrapped = |text: String| text.replace("\n│      ", " ");
    let alone = unwrapped(folder.run(&["analyze", "-v", "b.pcap"]));
    assert!(alone.contains("FIN from the sender (frame 54)"), "{alone}");
    let text = unwrapped(folder.run(&["analyze", "-v", "a.pcap", "b.pcap"]));
    assert!(
        text.contains("FIN from the sender (frame 54 of b.pcap)"),
        "{text}"
    );
    let csv = folder.run(&["analyze", "--format", "csv", "a.pcap", "b.pcap"]);
    assert!(
        csv.contains("FIN from the sender (frame 54 of b.pcap)"),
        "{csv}"
    );
    let report = folder.report(&["a.pcap", "b.pcap"]);
    let sessions = report["sessions"].as_array().expect("sessions");
    let named = sessions
        .iter()
        .flat_map(|session| session["transfers"].as_array().expect("transfers"))
        .flat_map(|transfer| {
            transfer["evidence_places"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        })
        .find(|named| named["capture"] == 1 && named["capture_frame"] == 54)
        .expect("the place of the FIN");
    assert!(named["frame"].as_u64() > Some(54), "{named}");
}

#[test]
fn restart_offset_stands_in_the_step() {
    let folder = Folder::new("usage-offset");
    let mut ftp = Conversation::logged_in("10.0.0.2:40000", "10.0.0.1:21");
    ftp.passive(None, 5001);
    ftp.exchange("REST 2000", "350 Restart at 2000.");
    ftp.retrieve("big.bin", 40_001, 5001, b"the rest");
    folder.write("rest.pcap", &ftp.quit());
    let text = folder.run(&["analyze", "rest.pcap"]);
    assert!(
        text.contains("RETR big.bin: 8 bytes from byte 2,000"),
        "{text}"
    );
    let summary = folder.run(&["analyze", "--summary", "rest.pcap"]);
    assert!(summary.contains("from byte 2,000"), "{summary}");
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

#[test]
fn time_without_a_packet_is_told() {
    let folder = Folder::new("usage-outside");
    folder.write("few.pcap", &many_sessions(1));
    let text = folder.run(&["analyze", "--since", "2031-01-01", "few.pcap"]);
    assert!(
        text.contains("none within the time of --since and --until"),
        "{text}"
    );
}
