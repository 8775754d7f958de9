//! The dialogue on the control connection, 8 to 14: which reply answers which command.

use serde_json::Value;

use crate::pitfalls::scene::{
    Scene, after_login, analyze, dialogue, findings, left_over, list, session, step_of, steps,
    transfers,
};
use crate::support::connection::Side;

#[test]
fn pitfall_08_a_second_150_is_noise_and_flagged() {
    let mut scene = Scene::logged_in();
    scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR a");
    scene.play("<< 150-Accepted data connection | 150 2.0 kbytes to download");
    scene.play("= 50001 2048\n< 150 0.001 seconds (measured here)\n< 226 done\n> NOOP\n< 200 ok");
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        ["PASV: 227", "RETR a: 150 150 226", "NOOP: 200"]
    );
    assert_eq!(transfers(&report)[0]["completeness"], "complete");
    assert_eq!(findings(&report), ["reply-violation"]);
}

/// pure-ftpd after a download that the client cut short: its last word on it is a second 150.
#[test]
fn pitfall_08_a_second_150_in_place_of_the_final_reply_shifts_nothing() {
    let next = [
        // The next reply, and the title of its step.
        (
            "> PASV\n< 227 ok (198,51,100,21,195,82)\n> RETR b\n< 150 go\n= 50002 30\n< 226 done",
            vec!["PASV: 227", "RETR b: 150 226"],
        ),
        (
            "> PASV\n< 227 ok (198,51,100,21,195,82)\n> RETR b\n= 50002 30\n< 226 done",
            vec!["PASV: 227", "RETR b: 226"],
        ),
        (
            "> CWD /pub\n< 250 ok\n> PWD\n< 257 \"/pub\"",
            vec!["CWD /pub: 250", "PWD: 257"],
        ),
        (
            "> DELE x\n< 550 no\n> NOOP\n< 200 ok",
            vec!["DELE x: 550", "NOOP: 200"],
        ),
        (
            "> TYPE A\n< 200 ok\n> DELE x\n< 250 ok",
            vec!["TYPE A: 200", "DELE x: 250"],
        ),
        ("> QUIT\n< 221 bye", vec!["QUIT: 221"]),
    ];
    for (script, expected) in next {
        let mut scene = Scene::logged_in();
        scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR a\n< 150 go");
        let mut data = scene.ftp.passive_data(40_111, 50_001);
        data.open(&mut scene.ftp.wire);
        data.stream(&mut scene.ftp.wire, Side::Server, &[7; 2800], 1400);
        data.rst(&mut scene.ftp.wire, Side::Client);
        scene.play("< 150 0.012 seconds (measured here), 2.2 Mbytes per second");
        scene.play(script);
        let report = scene.report();
        let mut all = vec!["PASV: 227", "RETR a: 150 150"];
        all.extend(expected);
        assert_eq!(after_login(&report), all);
        assert_eq!(left_over(&report), [0; 0]);
        assert_eq!(transfers(&report)[0]["completeness"], "aborted");
        if let Some(second) = transfers(&report).get(1) {
            assert_eq!(second["completeness"], "complete", "{script}");
            assert_eq!(second["bytes"], 30);
        }
    }
}

#[test]
fn pitfall_09_a_doubled_final_reply_shifts_nothing() {
    // The second 500 comes with the first, after it, or when the next command is on its way.
    for script in [
        "> OPTS MLST type;\n<< 500 what | 500 what\n> PWD\n< 257 \"/\"",
        "> OPTS MLST type;\n< 500 what\n< 500 what\n> PWD\n< 257 \"/\"",
        "> OPTS MLST type;\n< 500 what\n> PWD\n< 500 what\n< 257 \"/\"",
    ] {
        let mut scene = Scene::logged_in();
        scene.play(script);
        scene.play("> TYPE I\n< 200 binary\n> PASV\n< 227 ok (198,51,100,21,195,81)");
        scene.play("> RETR a\n< 150 go\n= 50001 90\n< 226 done\n> QUIT\n< 221 bye");
        let report = scene.report();
        assert_eq!(
            after_login(&report),
            [
                "OPTS MLST type;: 500",
                "PWD: 257",
                "TYPE I: 200",
                "PASV: 227",
                "RETR a: 150 226",
                "QUIT: 221"
            ],
            "{script}"
        );
        assert_eq!(left_over(&report), [500]);
        assert_eq!(transfers(&report)[0]["completeness"], "complete");
        assert_eq!(findings(&report), ["reply-violation"]);
    }
}

#[test]
fn pitfall_09_equal_replies_to_several_commands_are_no_doubles() {
    let mut scene = Scene::logged_in();
    scene.play("> DELE a\n< 250 ok\n> DELE b\n< 250 ok\n> DELE c\n< 250 ok");
    scene.play(">> DELE d | DELE e | DELE f\n<< 250 ok | 250 ok\n< 250 ok\n> QUIT\n< 250 ok");
    let report = scene.report();
    let said = after_login(&report);
    assert_eq!(said.len(), 7);
    assert!(said.iter().all(|line| line.ends_with(": 250")), "{said:?}");
    assert_eq!(left_over(&report), [0; 0]);
    assert_eq!(findings(&report), [""; 0]);
}

#[test]
fn pitfall_10_a_late_reply_does_not_shift_the_pairs() {
    // CWD gets the 200 of something else; its own 250 comes when PASV waits.
    let mut scene = Scene::logged_in();
    scene.play("> CWD /pub\n< 200 ok\n> PASV\n< 250 directory changed");
    scene.play("< 227 ok (198,51,100,21,195,81)\n> RETR a\n< 150 go\n= 50001 90\n< 226 done");
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        ["CWD /pub: 200", "PASV: 227", "RETR a: 150 226"]
    );
    assert_eq!(left_over(&report), [250]);
    assert_eq!(transfers(&report)[0]["path"], "/pub/a");
    assert_eq!(transfers(&report)[0]["completeness"], "complete");
}

#[test]
fn pitfall_10_late_replies_of_all_kinds_answer_nothing() {
    for (late, command, reply) in [
        ("200 ok", "PWD", "257 \"/\""),
        ("331 password", "SYST", "215 UNIX"),
        ("226 transfer complete", "TYPE I", "200 ok"),
        (
            "226 transfer complete",
            "PASV",
            "227 (198,51,100,21,195,81)",
        ),
        ("257 \"/\"", "EPSV", "229 (|||50001|)"),
        ("250 done", "SIZE a", "213 17"),
        ("200 ok", "CWD gone", "550 no"),
    ] {
        let mut scene = Scene::logged_in();
        scene.play("> MKD x\n< 257 \"/x\" made");
        scene.play(&format!(
            "> {command}\n< {late}\n< {reply}\n> NOOP\n< 200 fine"
        ));
        let report = scene.report();
        let code = &reply[..3];
        let expected = if command == "CWD gone" {
            // A CWD may well be answered with 200; what comes then is the one too many.
            ("CWD gone: 200".to_owned(), 550)
        } else {
            (
                format!("{command}: {code}"),
                late[..3].parse().expect("a code"),
            )
        };
        assert_eq!(
            after_login(&report),
            ["MKD x: 257", expected.0.as_str(), "NOOP: 200"]
        );
        assert_eq!(left_over(&report), [expected.1]);
    }
}

#[test]
fn pitfall_10_an_odd_reply_is_the_answer_once_the_client_goes_on() {
    for (command, reply) in [
        ("PWD", "250 you are in /"),
        ("TYPE I", "226 binary it is"),
        ("RNFR a", "250 go on"),
        ("SIZE a", "200 17"),
        ("MKD a", "200 made"),
    ] {
        let mut scene = Scene::logged_in();
        scene.play(&format!(
            "> {command}\n< {reply}\n> NOOP\n< 200 ok\n> QUIT\n< 221 bye"
        ));
        let report = scene.report();
        let code = &reply[..3];
        assert_eq!(
            after_login(&report),
            [
                format!("{command}: {code}"),
                "NOOP: 200".into(),
                "QUIT: 221".into()
            ]
        );
        assert_eq!(left_over(&report), [0; 0]);
    }
}

#[test]
fn pitfall_11_pipelined_commands_are_answered_in_their_order() {
    let mut scene = Scene::greeted();
    scene.play(">> USER mira | PASS hazel-lantern\n< 331 password\n< 230 in");
    scene.play(">> FEAT | CWD /a | SIZE f | MDTM f | TYPE I | EPSV | RETR f | CWD .. | PWD");
    scene.play("<< 211-Features: |  SIZE | 211 End\n<< 250 ok | 213 40 | 213 20260102030405");
    scene.play("<< 200 ok | 229 ok (|||50001|)\n< 150 go\n= 50001 40\n< 226 done");
    scene.play("<< 250 up | 257 \"/\"");
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        [
            "FEAT: 211",
            "CWD /a: 250",
            "SIZE f: 213",
            "MDTM f: 213",
            "TYPE I: 200",
            "EPSV: 229",
            "RETR f: 150 226",
            "CWD ..: 250",
            "PWD: 257"
        ]
    );
    assert_eq!(transfers(&report)[0]["path"], "/a/f");
    assert_eq!(transfers(&report)[0]["completeness"], "complete");
    assert_eq!(findings(&report), [""; 0]);
}

#[test]
fn pitfall_11_a_421_may_come_unasked_and_ends_the_queue() {
    let mut scene = Scene::logged_in();
    scene.play("> NOOP\n< 200 ok\n~ 300\n< 421 timeout");
    let report = scene.report();
    assert_eq!(after_login(&report), ["NOOP: 200"]);
    assert_eq!(left_over(&report), [421]);

    let mut scene = Scene::logged_in();
    scene.play(">> TYPE I | PASV | LIST\n< 421 too many users");
    let report = scene.report();
    assert_eq!(after_login(&report), ["TYPE I: 421", "PASV:", "LIST:"]);
    assert_eq!(step_of(&report, "LIST")["outcome"], "incomplete");
}

#[test]
fn pitfall_12_an_abort_during_a_transfer_gets_426_then_226() {
    let variants = [
        // Replies after ABOR, and what RETR and ABOR got.
        (
            "< 426 stopped\n< 226 abort done",
            "150 426",
            ": 226",
            "aborted",
        ),
        (
            "<< 426 stopped | 226 abort done",
            "150 426",
            ": 226",
            "aborted",
        ),
        (
            "< 226 complete\n< 226 abort done",
            "150 226",
            ": 226",
            "aborted",
        ),
        (
            "< 226 complete\n< 225 nothing to stop",
            "150 226",
            ": 225",
            "aborted",
        ),
        (
            "< 426 stopped\n< 225 nothing",
            "150 426",
            ": 225",
            "aborted",
        ),
        // Some answer only once, or ABOR never.
        ("< 426 stopped", "150 426", ":", "aborted"),
        ("< 226 complete", "150 226", ":", "aborted"),
        ("< 451 stopped", "150 451", ":", "aborted"),
    ];
    for (script, retrieve, abort, completeness) in variants {
        for next in [
            ("TYPE I", "200 ok"),
            ("CWD x", "550 no"),
            ("CWD x", "250 ok"),
            ("PASV", "500 no"),
        ] {
            let mut scene = Scene::logged_in();
            scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR a\n< 150 go\n> ABOR");
            scene.play("= 50001 2000").play(script);
            scene.play(&format!("> {}\n< {}\n> PWD\n< 257 \"/\"", next.0, next.1));
            let report = scene.report();
            assert_eq!(
                after_login(&report),
                [
                    "PASV: 227".to_owned(),
                    format!("RETR a: {retrieve}"),
                    format!("ABOR{abort}"),
                    format!("{}: {}", next.0, &next.1[..3]),
                    "PWD: 257".into()
                ],
                "{script}"
            );
            assert_eq!(left_over(&report), [0; 0]);
            assert_eq!(transfers(&report)[0]["completeness"], completeness);
            let step = steps(&report, "retrieve")[0];
            assert_eq!(
                step["commands"][2]["verb"], "ABOR",
                "it belongs to the transfer"
            );
        }
    }
}

#[test]
fn pitfall_12_an_abort_when_nothing_runs_is_a_command_of_its_own() {
    for reply in ["225 nothing to stop", "226 ok", "500 what"] {
        let mut scene = Scene::logged_in();
        scene.play(&format!("> ABOR\n< {reply}\n> PWD\n< 257 \"/\""));
        let report = scene.report();
        let code = &reply[..3];
        assert_eq!(
            after_login(&report),
            [format!("ABOR: {code}"), "PWD: 257".into()]
        );
        assert_eq!(step_of(&report, "ABOR")["kind"], "command");
    }
}

#[test]
fn pitfall_12_an_abort_that_is_never_answered_does_not_take_the_next_reply() {
    let mut scene = Scene::logged_in();
    scene.play("> ABOR\n~ 10\n> CWD x\n< 550 no\n> PWD\n< 257 \"/\"");
    let report = scene.report();
    assert_eq!(after_login(&report), ["ABOR:", "CWD x: 550", "PWD: 257"]);
}

#[test]
fn pitfall_12_stat_and_noop_may_be_answered_while_a_transfer_runs() {
    for script in [
        // In the middle of it, and after its end.
        "> STAT\n<< 211-Status | 211 End\n> NOOP\n< 200 alive\n< 226 done",
        "> STAT\n> NOOP\n< 226 done\n<< 211-Status | 211 End\n< 200 alive",
        "> STAT\n< 213 700 bytes so far\n> NOOP\n< 226 done\n< 200 alive",
    ] {
        let mut scene = Scene::logged_in();
        scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR a\n< 150 go");
        scene
            .play("= 50001 700")
            .play(script)
            .play("> PWD\n< 257 \"/\"");
        let report = scene.report();
        let said = after_login(&report);
        assert_eq!(said[1], "RETR a: 150 226", "{script}");
        assert!(said[2] == "STAT: 211" || said[2] == "STAT: 213");
        assert_eq!(said[3..], ["NOOP: 200", "PWD: 257"]);
        let step = steps(&report, "retrieve")[0];
        let verbs: Vec<&Value> = list(&step["commands"])
            .iter()
            .map(|one| &one["verb"])
            .collect();
        assert_eq!(verbs, ["PASV", "RETR", "STAT"]);
        assert_eq!(transfers(&report)[0]["completeness"], "complete");
    }
}

#[test]
fn pitfall_13_stat_with_a_path_is_a_listing_on_the_control_connection() {
    for code in [211, 212, 213] {
        let mut scene = Scene::logged_in();
        scene.play(&format!(
            "> STAT /pub\n<< {code}-Status of /pub: | -rw-r--r--   1 ftp ftp 1715 Mar  1 10:00 readme.txt | drwxr-xr-x   2 ftp ftp 4096 Mar  1 10:00 pub | {code} End"
        ));
        scene.play("> STAT\n<< 211-Server status | 211 End");
        let report = scene.report();
        let step = step_of(&report, "STAT /pub");
        assert_eq!(step["kind"], "list");
        assert_eq!(step["outcome"], "ok");
        assert_eq!(list(&step["commands"][0]["replies"][0]["lines"]).len(), 4);
        let others = steps(&report, "command");
        assert_eq!(others.len(), 1, "STAT without a path is no listing");
    }
}

#[test]
fn pitfall_14_quit_during_a_transfer_waits_for_its_end() {
    for script in [
        "> QUIT\n= 50001 700\n< 226 done\n< 221 bye",
        "= 50001 700\n> QUIT\n<< 226 done | 221 bye",
        "> QUIT\n< 221 bye, but the transfer goes on\n= 50001 700\n< 226 done",
    ] {
        let mut scene = Scene::logged_in();
        scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR a\n< 150 go");
        let report = scene.play(script).report();
        assert_eq!(
            after_login(&report),
            ["PASV: 227", "RETR a: 150 226", "QUIT: 221"]
        );
        assert_eq!(transfers(&report)[0]["completeness"], "complete");
        assert_eq!(steps(&report, "quit")[0]["outcome"], "ok");
    }
}

#[test]
fn pitfall_14_a_control_connection_lost_in_a_transfer_leaves_it_unfinished() {
    let mut scene = Scene::logged_in();
    scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> STOR up.bin\n< 150 go");
    let mut data = scene.ftp.passive_data(40_222, 50_001);
    data.open(&mut scene.ftp.wire);
    data.stream(&mut scene.ftp.wire, Side::Client, &[3; 4200], 1400);
    scene.ftp.control.rst(&mut scene.ftp.wire, Side::Client);
    data.rst(&mut scene.ftp.wire, Side::Client);
    let report = analyze(&scene.ftp.wire.to_pcap(), &["--show-passwords"]);
    assert_eq!(
        dialogue(&report).last().map(String::as_str),
        Some("STOR up.bin: 150")
    );
    let transfer = &transfers(&report)[0];
    assert_eq!(transfer["bytes"], 4200, "what arrived is kept");
    assert_ne!(transfer["completeness"], "complete");
    assert_eq!(transfer["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(steps(&report, "store")[0]["outcome"], "incomplete");
    assert_eq!(session(&report)["end_state"], "reset");
    assert_ne!(session(&report)["verdict"]["status"], "ok");
}
