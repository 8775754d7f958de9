//! Holes in the control connection (83): segments of the control connection that were not captured. One lost line costs
//! itself, and nothing else is reported wrong.

use crate::pitfalls::scene::{Scene, dialogue, left_over, session, step_of, transfers};

/// A dialogue with one line per segment.
const SCRIPT: [&str; 24] = [
    "> USER mira",
    "< 331 password please",
    "> PASS hazel-lantern",
    "< 230 welcome",
    "> SYST",
    "< 215 UNIX Type: L8",
    "> CWD /pub",
    "< 250 directory changed",
    "> MKD new",
    "< 257 \"/pub/new\" created",
    "> DELE old",
    "< 550 no such file",
    "> SIZE f.bin",
    "< 213 300",
    "> TYPE I",
    "< 200 binary",
    "> PASV",
    "< 227 ok (198,51,100,21,195,81)",
    "> RETR f.bin",
    "< 150 here it comes (300 bytes)",
    "< 226 done",
    "> NOOP",
    "< 200 ok",
    "> QUIT",
];

/// The same with one line lost, or none.
fn played(lost: Option<usize>, pause: &str) -> serde_json::Value {
    let mut scene = Scene::greeted();
    for (index, line) in SCRIPT.iter().enumerate() {
        if lost == Some(index) {
            let (side, said) = line.split_at(1);
            scene.play(&format!("{side}!{said}"));
        } else {
            scene.play(line);
        }
        scene.play(pause);
        if line.starts_with("< 150") {
            scene.play("= 50001 300");
        }
    }
    scene.play("< 221 bye").report()
}

#[test]
fn pitfall_83_a_reply_that_was_not_captured_costs_its_command_the_answer_and_nothing_else() {
    // With pauses the hole is known before the next line; without them only at the end.
    for pause in ["", "~ 0.05", "~ 0.5", "~ 4"] {
        let whole = dialogue(&played(None, pause));
        for lost in (0..SCRIPT.len()).filter(|&at| SCRIPT[at].starts_with('<')) {
            let report = played(Some(lost), pause);
            let code = &SCRIPT[lost][1..5];
            let command = SCRIPT[..lost]
                .iter()
                .filter(|line| line.starts_with('>'))
                .count()
                - 1;
            let mut expected = whole.clone();
            expected[command] = expected[command].replacen(code, "", 1);
            assert_eq!(dialogue(&report), expected, "without {}", SCRIPT[lost]);
            assert_eq!(left_over(&report), [0; 0]);
        }
    }
}

#[test]
fn pitfall_83_a_command_that_was_not_captured_leaves_its_reply_over_and_nothing_else() {
    for pause in ["", "~ 0.05", "~ 0.5", "~ 4"] {
        let whole = dialogue(&played(None, pause));
        for lost in (0..SCRIPT.len()).filter(|&at| SCRIPT[at].starts_with('>')) {
            let report = played(Some(lost), pause);
            let command = SCRIPT[..lost]
                .iter()
                .filter(|line| line.starts_with('>'))
                .count();
            let mut expected = whole.clone();
            let codes: Vec<u64> = expected
                .remove(command)
                .split(": ")
                .last()
                .expect("codes")
                .split(' ')
                .map(|code| code.parse().expect("a code"))
                .collect();
            assert_eq!(dialogue(&report), expected, "without {}", SCRIPT[lost]);
            assert_eq!(left_over(&report), codes, "without {}", SCRIPT[lost]);
        }
    }
}

#[test]
fn pitfall_83_a_download_survives_the_loss_of_any_line_but_its_own() {
    for pause in ["", "~ 0.05", "~ 0.5", "~ 3"] {
        for (lost, line) in SCRIPT.iter().enumerate() {
            let report = played(Some(lost), pause);
            if line.contains("RETR") {
                assert_eq!(transfers(&report).len(), 0);
                continue;
            }
            if line.starts_with("< 227") {
                // Nobody said where the data connection would be.
                continue;
            }
            let transfer = &transfers(&report)[0];
            assert_eq!(transfer["bytes"], 300, "without {line}");
            let certain = if line.starts_with("< 226") {
                "unverifiable"
            } else {
                "complete"
            };
            assert_eq!(transfer["completeness"], certain, "without {line}");
            let known = !(line.contains("CWD") || line.contains("< 250"));
            let path = transfer["path"].as_str();
            assert_eq!(path, known.then_some("/pub/f.bin"), "without {line}");
        }
    }
}

#[test]
fn pitfall_83_a_hole_in_the_middle_of_a_line_costs_that_line() {
    let mut scene = Scene::logged_in();
    scene.play("> CWD /pub");
    scene.raw(crate::support::connection::Side::Server, b"250 direc");
    scene.lost(
        crate::support::connection::Side::Server,
        b"tory changed\r\n",
    );
    scene.play("> PWD\n< 257 \"/pub\"\n> DELE a\n< 550 no\n> NOOP\n< 200 ok");
    let report = scene.report();
    assert_eq!(
        dialogue(&report)[2..],
        ["CWD /pub: 250", "PWD: 257", "DELE a: 550", "NOOP: 200"]
    );
    let reply = &step_of(&report, "CWD")["commands"][0]["replies"][0];
    assert_eq!(reply["truncated"], true);
}

#[test]
fn pitfall_83_a_hole_in_a_reply_of_several_lines_ends_it_there() {
    let mut scene = Scene::greeted();
    scene.play("> USER mira\n< 331 p\n> PASS hazel-lantern\n< 230-welcome");
    scene.play("<! 230-lost\n< 230-more\n< 230 done\n> PWD\n< 257 \"/\"\n> SYST\n< 215 UNIX");
    let report = scene.report();
    assert_eq!(
        dialogue(&report),
        [
            "USER mira: 331",
            "PASS hazel-lantern: 230",
            "PWD: 257",
            "SYST: 215"
        ]
    );
    assert_eq!(session(&report)["login"]["outcome"], "accepted");
    assert_eq!(left_over(&report), [0; 0]);
}

#[test]
fn pitfall_83_several_lost_replies_in_a_row_shift_nothing() {
    let mut scene = Scene::logged_in();
    scene.play(
        "> CWD /a\n<! 250 ok\n> DELE b\n<! 250 ok\n> RNFR c\n<! 350 ok\n> RNTO d\n< 250 renamed",
    );
    scene.play("> DELE e\n< 550 no\n> NOOP\n< 200 ok\n> QUIT\n< 221 bye");
    let report = scene.report();
    assert_eq!(
        dialogue(&report)[2..],
        [
            "CWD /a:",
            "DELE b:",
            "RNFR c:",
            "RNTO d: 250",
            "DELE e: 550",
            "NOOP: 200",
            "QUIT: 221"
        ]
    );
}

#[test]
fn pitfall_83_a_lost_reply_to_a_pipelining_client_is_detected_by_the_next_ones() {
    for (lost, rest, expected) in [
        (
            "250 ok",
            "257 \"/\" | 200 ok | 213 17",
            ["CWD /a:", "PWD: 257", "TYPE I: 200", "SIZE f: 213"],
        ),
        (
            "257 \"/\"",
            "200 ok | 213 17",
            ["CWD /a: 250", "PWD:", "TYPE I: 200", "SIZE f: 213"],
        ),
        (
            "200 ok",
            "213 17",
            ["CWD /a: 250", "PWD: 257", "TYPE I:", "SIZE f: 213"],
        ),
    ] {
        let all = ["250 ok", "257 \"/\"", "200 ok", "213 17"];
        let before = all.iter().take_while(|reply| **reply != lost);
        let mut scene = Scene::logged_in();
        scene.play(">> CWD /a | PWD | TYPE I | SIZE f");
        for reply in before {
            scene.play(&format!("< {reply}"));
        }
        scene.play(&format!("<! {lost}\n<< {rest}"));
        scene.play("> NOOP\n< 200 ok\n> QUIT\n< 221 bye");
        let report = scene.report();
        assert_eq!(dialogue(&report)[2..6], expected);
        assert_eq!(dialogue(&report)[6..], ["NOOP: 200", "QUIT: 221"]);
    }
}
