//! The dialogue on the control connection, 1 to 7: lines, Telnet, and the form of commands and replies. Pairing is in
//! `control_pairing`, what commands change in `control_state`, encryption and other protocols in `control_security`.

use serde_json::json;

use crate::pitfalls::scene::{
    Scene, after_login, dialogue, findings, left_over, list, session, step_of, steps, transfers,
};
use crate::support::connection::Side;

#[test]
fn pitfall_01_lines_end_at_crlf_and_never_at_a_segment() {
    let script: [(Side, &[u8]); 8] = [
        (Side::Client, b"USER mira\r\n"),
        (Side::Server, b"331 password please\r\n"),
        (Side::Client, b"PASS hazel-lantern\r\n"),
        (Side::Server, b"230-welcome\r\n 220 inside\r\n230 done\r\n"),
        (Side::Client, b"PASV\r\n"),
        (
            Side::Server,
            b"227 Entering Passive Mode (198,51,100,21,195,81)\r\n",
        ),
        (Side::Client, b"RETR a.bin\r\n"),
        (Side::Server, b"150 here it comes (300 bytes)\r\n"),
    ];
    let expected = [
        "USER mira: 331",
        "PASS hazel-lantern: 230",
        "PASV: 227",
        "RETR a.bin: 150 226",
        "QUIT: 221",
    ];
    for size in [1, 2, 3, 7, 27, 1000] {
        let mut scene = Scene::greeted();
        for (side, bytes) in script {
            for piece in bytes.chunks(size) {
                scene.raw(side, piece);
            }
        }
        scene.play("= 50001 300\n< 226 done\n> QUIT\n< 221 bye");
        let report = scene.report();
        assert_eq!(dialogue(&report), expected, "in pieces of {size}");
        assert_eq!(left_over(&report), [0; 0]);
        let transfer = &transfers(&report)[0];
        assert_eq!(transfer["announced"]["port"], 50001);
        assert_eq!(transfer["bytes"], 300);
        assert_eq!(transfer["completeness"], "complete");
    }
}

#[test]
fn pitfall_01_several_lines_in_one_segment_are_several_lines() {
    let mut scene = Scene::greeted();
    scene.play(">> USER mira | PASS hazel-lantern | PWD | CWD /pub");
    scene.play("<< 331 password | 230 welcome | 257 \"/\" is it | 250 ok");
    let report = scene.report();
    assert_eq!(after_login(&report), ["PWD: 257", "CWD /pub: 250"]);
    assert_eq!(step_of(&report, "CWD")["directory"], "/pub");
}

#[test]
fn pitfall_01_a_passive_reply_in_two_segments_still_has_its_port() {
    let mut scene = Scene::logged_in();
    scene.play("> PASV");
    scene.raw(Side::Server, b"227 Entering Passive Mode (");
    scene.raw(Side::Server, b"198,51,100,21,195,8");
    scene.raw(Side::Server, b"1).\r\n");
    scene.play("> RETR f\n< 150 ok\n= 50001 20\n< 226 ok");
    let report = scene.report();
    assert_eq!(transfers(&report)[0]["announced"]["port"], 50001);
    assert_eq!(transfers(&report)[0]["link"]["method"], "announced-address");
    assert_eq!(transfers(&report)[0]["completeness"], "complete");
}

#[test]
fn pitfall_02_a_bare_lf_ends_a_line_and_cr_nul_is_a_cr_in_a_name() {
    let mut scene = Scene::greeted();
    scene.raw(Side::Client, b"USER mira\n");
    scene.raw(Side::Server, b"331 password\n");
    scene.raw(Side::Client, b"PASS hazel-lantern\r\r\n");
    scene.raw(Side::Server, b"230 welcome\r\r\n");
    scene.raw(Side::Client, b"CWD /a\r\0b\r\n");
    scene.raw(Side::Server, b"250 now in \"/a\r\0b\"\r\n");
    scene.raw(Side::Client, b"DELE c\rd\r\n");
    scene.raw(Side::Server, b"250 gone\r\n");
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        ["CWD /a\rb: 250", "DELE c\rd: 250"],
        "CR NUL stands for CR (RFC 2640 section 3.1), and a CR alone is data"
    );
    assert_eq!(step_of(&report, "CWD")["directory"], "/a\rb");
    assert_eq!(session(&report)["login"]["user"], "mira");
}

#[test]
fn pitfall_03_telnet_sequences_are_no_part_of_a_line() {
    let mut scene = Scene::logged_in();
    scene.raw(Side::Server, b"\xff\xfb\x01");
    scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)");
    scene.raw(Side::Client, b"RETR a\xff\xffb.bin\r\n");
    scene.play("< 150 go");
    scene.raw(Side::Client, b"\xff\xf4\xff\xf2ABOR\r\n");
    scene.play("= 50001 700\n< 426 stopped\n< 226 abort done");
    scene.raw(Side::Client, b"\xff\xfe\x01NOOP\r\n");
    scene.play("< 200 ok");
    let report = scene.report();
    let said = after_login(&report);
    assert_eq!(said[2..], ["ABOR: 226", "NOOP: 200"]);
    assert!(said[1].ends_with(": 150 426"), "{}", said[1]);
    let name = &transfers(&report)[0]["argument_b64"];
    assert_eq!(
        name, "Yf9iLmJpbg==",
        "the byte 255 once (RFC 959 section 5.3)"
    );
    assert!(!findings(&report).contains(&"reply-violation"));
}

#[test]
fn pitfall_03_the_data_mark_may_come_alone_or_after_its_abor() {
    for abor in [
        &b"\xff\xf4\xf2ABOR\r\n"[..],
        b"\xf2ABOR\r\n",
        b"\xff\xf4\xffABOR\r\n\xf2",
        b"\xff\xf4\xff\xf2\xff\xf2ABOR\r\n",
    ] {
        let mut scene = Scene::logged_in();
        scene.raw(Side::Client, abor);
        scene.play("< 225 nothing to stop\n> PWD\n< 257 \"/\"");
        let report = scene.report();
        assert_eq!(
            after_login(&report),
            ["ABOR: 225", "PWD: 257"],
            "{}",
            abor.escape_ascii()
        );
    }
}

#[test]
fn pitfall_04_verbs_in_any_case_and_arguments_to_the_byte() {
    let mut scene = Scene::greeted();
    scene.play("> user mira\n< 331 password\n> pAsS hazel-lantern\n< 230 in");
    scene.play(">   cwd /pub\n< 250 ok\n> pasv\n< 227 ok (198,51,100,21,195,81)");
    scene.play(">  RetR   two  spaces \n< 150 go\n= 50001 5\n< 226 ok");
    let report = scene.report();
    assert_eq!(
        dialogue(&report),
        [
            "USER mira: 331",
            "PASS hazel-lantern: 230",
            "CWD /pub: 250",
            "PASV: 227",
            "RETR   two  spaces : 150 226"
        ]
    );
    let transfer = &transfers(&report)[0];
    assert_eq!(transfer["name"], "  two  spaces ");
    assert_eq!(transfer["path"], "/pub/  two  spaces ");
    assert_eq!(session(&report)["login"]["outcome"], "accepted");
}

#[test]
fn pitfall_05_lines_inside_a_reply_may_begin_with_other_codes() {
    let mut scene = Scene::logged_in();
    scene.play("> CWD /pub\n<< 250-\n<< 550 | 250 changed");
    scene.play(
        "> STAT\n<< 211-status | 226 transfers | 500- errors | 2110 no end | 211-still | 211 end",
    );
    scene.play("> PWD\n< 257 \"/pub\"");
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        ["CWD /pub: 250", "STAT: 211", "PWD: 257"]
    );
    let lines = &step_of(&report, "CWD")["commands"][0]["replies"][0]["lines"];
    assert_eq!(lines, &json!(["", "550", "changed"]));
    let lines = &step_of(&report, "STAT")["commands"][0]["replies"][0]["lines"];
    assert_eq!(list(lines).len(), 6);
    assert_eq!(findings(&report), [""; 0]);
}

#[test]
fn pitfall_06_a_reply_that_ends_with_another_code_ends_when_the_client_goes_on() {
    let mut scene = Scene::greeted();
    scene.play("> USER mira\n< 331 password\n> PASS hazel-lantern");
    scene.play("<< 230-welcome to the site | 230-rules: | 226 logged in");
    scene.play("> PWD\n< 257 \"/\"\n> CWD /x\n<< 250-a | 200 b\n> SYST\n< 215 UNIX");
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        ["PWD: 257", "CWD /x: 250", "SYST: 215"]
    );
    assert_eq!(session(&report)["login"]["outcome"], "accepted");
    assert_eq!(left_over(&report), [0; 0]);
    let violations = list(&session(&report)["findings"])
        .iter()
        .filter(|finding| finding["id"] == "reply-violation");
    assert_eq!(violations.count(), 1, "the deviation is marked");
}

#[test]
fn pitfall_07_a_code_alone_is_a_reply() {
    let mut scene = Scene::connected();
    scene.play("< 220\n> USER mira\n< 331\n> PASS hazel-lantern");
    scene.play("<< 230- | 230\n> TYPE I\n< 200");
    scene.raw(Side::Client, b"NOOP\r\n");
    scene.raw(Side::Server, b"200-\r\n200 \r\n");
    let report = scene.report();
    assert_eq!(after_login(&report), ["TYPE I: 200", "NOOP: 200"]);
    assert_eq!(session(&report)["greeting"]["code"], 220);
    assert_eq!(session(&report)["greeting"]["lines"], json!([""]));
    assert_eq!(session(&report)["login"]["outcome"], "accepted");
    assert_eq!(steps(&report, "login")[0]["outcome"], "ok");
    assert_eq!(findings(&report), [""; 0]);
}
