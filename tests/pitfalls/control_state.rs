//! The dialogue on the control connection, 15 to 27: greeting, login, directories, and what commands change.

use serde_json::{Value, json};

use crate::pitfalls::scene::{
    Scene, after_login, analyze, dialogue, findings, left_over, list, session, step_of, steps,
    transfers,
};
use crate::support::connection::Side;

#[test]
fn pitfall_15_a_120_before_the_220_belongs_to_the_greeting() {
    let mut scene = Scene::connected();
    scene.play("< 120 ready in 2 minutes\n~ 120\n<< 220-welcome | 530 no error | 220 ready");
    scene.play("> USER mira\n< 331 p\n> PASS hazel-lantern\n< 230 in");
    let report = scene.report();
    let greeting = &session(&report)["greeting"];
    assert_eq!(greeting["code"], 220);
    assert_eq!(
        greeting["lines"],
        json!(["welcome", "530 no error", "ready"])
    );
    assert_eq!(greeting["preliminary"][0]["code"], 120);
    assert_eq!(
        dialogue(&report),
        ["USER mira: 331", "PASS hazel-lantern: 230"]
    );
    assert_eq!(steps(&report, "greeting").len(), 1);
    assert_eq!(left_over(&report), [0; 0]);
}

#[test]
fn pitfall_15_a_refusal_in_place_of_the_greeting_is_the_greeting() {
    for code in [421, 500, 530] {
        let mut scene = Scene::connected();
        let report = scene
            .play(&format!("< {code} too many connections"))
            .report();
        assert_eq!(session(&report)["greeting"]["code"], code);
        assert_eq!(steps(&report, "greeting")[0]["outcome"], "failed");
        assert_eq!(left_over(&report), [0; 0]);
        assert_eq!(session(&report)["login"]["outcome"], "unseen");
    }
}

#[test]
fn pitfall_15_a_client_that_does_not_wait_for_the_greeting_shifts_nothing() {
    let mut scene = Scene::connected();
    scene.play("> USER mira\n< 220 ready\n< 331 p\n> PASS hazel-lantern\n< 230 in");
    let report = scene.report();
    assert_eq!(session(&report)["greeting"]["code"], 220);
    assert_eq!(
        dialogue(&report),
        ["USER mira: 331", "PASS hazel-lantern: 230"]
    );
}

#[test]
fn pitfall_15_in_the_middle_of_a_session_there_is_no_greeting() {
    let mut scene = Scene::connected();
    scene.ftp.wire = crate::support::wire::Wire::new();
    scene.play("> NOOP\n< 200 ok\n> CWD /pub\n< 250 ok\n> REIN\n< 220 again");
    let report = scene.report();
    assert_eq!(session(&report)["midstream"], true);
    assert_eq!(session(&report)["greeting"], Value::Null);
    assert_eq!(
        dialogue(&report),
        ["NOOP: 200", "CWD /pub: 250", "REIN: 220"]
    );
}

#[test]
fn pitfall_16_every_way_to_log_in() {
    for (script, outcome, attempts) in [
        ("> USER mira\n< 230 in", "accepted", 1),
        ("> USER mira\n< 331 p\n> PASS x\n< 230 in", "accepted", 1),
        (
            "> USER mira\n< 331 p\n> PASS x\n< 332 account\n> ACCT y\n< 230 in",
            "accepted",
            1,
        ),
        (
            "> USER mira\n< 332 account\n> ACCT y\n< 230 in",
            "accepted",
            1,
        ),
        (
            "> USER mira\n< 336 challenge 17\n> PASS x\n< 230 in",
            "accepted",
            1,
        ),
        (
            "> USER mira\n< 331 p\n> PASS x\n< 202 not needed",
            "accepted",
            1,
        ),
        ("> USER mira\n< 232 in by certificate", "accepted", 1),
        ("> USER mira\n< 530 no", "rejected", 1),
        ("> USER mira\n< 331 p\n> PASS x\n< 530 no", "rejected", 1),
        (
            "> USER mira\n< 331 p\n> PASS x\n< 421 too many",
            "rejected",
            1,
        ),
        ("> USER mira\n< 331 p", "incomplete", 1),
        (
            "> USER mira\n< 331 p\n> PASS x\n< 332 account",
            "incomplete",
            1,
        ),
        (
            "> USER m\n< 331 p\n> PASS a\n< 530 no\n> USER mira\n< 331 p\n> PASS x\n< 230 in",
            "accepted",
            2,
        ),
        (
            "> USER mira\n< 331 p\n> PASS a\n< 530 no\n> USER mira\n< 331 p\n> PASS x\n< 530 no",
            "rejected",
            2,
        ),
    ] {
        let report = Scene::greeted().play(script).report();
        let login = &session(&report)["login"];
        assert_eq!(login["outcome"], outcome, "{script}");
        assert_eq!(login["user"], "mira");
        assert_eq!(login["attempts"], attempts, "{script}");
        assert_eq!(steps(&report, "login").len(), attempts, "{script}");
        assert_eq!(left_over(&report), [0; 0]);
    }
}

#[test]
fn pitfall_16_unusual_passwords_are_reported_as_they_are() {
    for (user, password, shown, anonymous) in [
        (
            "anonymous",
            "PASS mira@example.com",
            json!("mira@example.com"),
            true,
        ),
        (
            "FTP",
            "PASS -mira@example.com",
            json!("-mira@example.com"),
            true,
        ),
        ("ftp", "PASS ", json!(""), true),
        ("mira", "PASS  two spaces ", json!(" two spaces "), false),
        ("mira", "PASS", Value::Null, false),
    ] {
        let mut scene = Scene::greeted();
        scene.play(&format!("> USER {user}\n< 331 p\n> {password}\n< 230 in"));
        let report = scene.report();
        let login = &session(&report)["login"];
        assert_eq!(login["outcome"], "accepted");
        assert_eq!(login["anonymous"], anonymous, "{user}");
        if password == "PASS" {
            assert!(login["password"].is_null() || login["password"] == "");
        } else {
            assert_eq!(login["password"], shown);
        }
    }
}

#[test]
fn pitfall_17_rein_and_a_second_user_reset_the_session() {
    let setting = "> CWD /deep\n< 250 ok\n> TYPE I\n< 200 ok\n> STRU R\n< 200 ok\n> MODE B\n< 200 ok\n> REST 100\n< 350 ok\n> PASV\n< 227 ok (198,51,100,21,195,81)";
    for again in [
        "> REIN\n< 220 ready\n> USER nora\n< 331 p\n> PASS x\n< 230 in",
        "> REIN\n< 120 wait\n< 220 ready\n> USER mira\n< 331 p\n> PASS x\n< 230 in",
        "> USER nora\n< 331 p\n> PASS x\n< 230 in",
        "> USER nora\n< 230 in",
    ] {
        let mut scene = Scene::logged_in();
        scene.play(setting).play(again);
        scene.play("> PORT 192,0,2,10,19,137\n< 200 ok\n> RETR f\n< 150 go");
        // The server opens it.
        let mut data = scene.ftp.active_data(20, 5001);
        data.open(&mut scene.ftp.wire);
        data.stream(&mut scene.ftp.wire, Side::Client, b"some lines\r\n", 1400);
        data.close(&mut scene.ftp.wire, Side::Client);
        let report = scene.play("< 226 ok").report();
        let transfer = &transfers(&report)[0];
        assert_eq!(transfer["path"], Value::Null, "{again}");
        assert_eq!(transfer["data_type"], "ascii");
        assert_eq!(transfer["transfer_mode"], "stream");
        assert_eq!(transfer["structure"].as_str().unwrap_or("file"), "file");
        assert_eq!(transfer["restart_offset"], 0);
        assert_eq!(transfer["mode"], "active");
        assert_eq!(transfer["completeness"], "complete");
        assert_eq!(left_over(&report), [0; 0]);
    }
}

#[test]
fn pitfall_17_after_rein_nobody_is_logged_in() {
    let mut scene = Scene::logged_in();
    scene.play("> REIN\n< 220 ready\n> USER nora\n< 331 p\n> PASS x\n< 530 no");
    let report = scene.report();
    let login = &session(&report)["login"];
    assert_eq!(login["user"], "mira", "of the login that succeeded");
    assert_eq!(login["outcome"], "accepted");
    let outcomes: Vec<&Value> = steps(&report, "login")
        .iter()
        .map(|step| &step["outcome"])
        .collect();
    assert_eq!(outcomes, ["ok", "failed"]);
    // A REIN that is not known changes nothing.
    let mut scene = Scene::logged_in();
    scene.play("> CWD /a\n< 250 ok\n> REIN\n< 502 not here\n> CWD b\n< 250 ok");
    assert_eq!(step_of(&scene.report(), "CWD b")["directory"], "/a/b");
}

#[test]
fn pitfall_18_x_commands_equal_their_plain_forms() {
    let mut scene = Scene::logged_in();
    scene.play("> XPWD\n< 257 \"/home\"\n> XCWD a\n< 250 ok\n> XMKD b\n< 257 \"b\" made");
    scene.play("> XCUP\n< 250 ok\n> XRMD a\n< 250 gone\n> xcwd c\n< 250 ok");
    let report = scene.report();
    for (line, kind, directory) in [
        ("XPWD", "command", "/home"),
        ("XCWD a", "cwd", "/home/a"),
        ("XMKD b", "command", "/home/a"),
        ("XCUP", "cwd", "/home"),
        ("XRMD a", "delete", "/home"),
        ("XCWD c", "cwd", "/home/c"),
    ] {
        assert_eq!(step_of(&report, line)["kind"], kind, "{line}");
        assert_eq!(step_of(&report, line)["directory"], directory, "{line}");
    }
}

#[test]
fn pitfall_19_the_directory_moves_with_any_success_and_with_no_failure() {
    let mut scene = Scene::logged_in();
    scene.play("> CWD /pub\n< 200 ok\n> CWD a\n< 250 ok\n> CWD b\n< 257 \"/pub/a/b\"");
    scene.play("> CWD c\n< 550 no\n> CWD d\n< 421 not now\n> CDUP\n< 200 ok\n> CDUP\n< 250 ok");
    scene.play(
        "> CWD ..\n< 250 ok\n> CWD ..\n< 250 ok\n> CWD x/./y/../z/\n< 250 ok\n> CDUP\n< 500 no",
    );
    let report = scene.report();
    let directories: Vec<&Value> = steps(&report, "cwd")
        .iter()
        .map(|step| &step["directory"])
        .collect();
    assert_eq!(
        directories,
        [
            "/pub", "/pub/a", "/pub/a/b", "/pub/a/b", "/pub/a/b", "/pub/a", "/pub", "/", "/",
            "/x/z", "/x/z"
        ]
    );
}

#[test]
fn pitfall_19_directories_that_are_not_unix_stay_as_they_were_sent() {
    for (directory, name, path) in [
        ("C:\\data", "f.txt", "C:\\data\\f.txt"),
        ("~", "f.txt", "~/f.txt"),
        ("'HLQ.DATA'", "MEMBER", "'HLQ.DATA'/MEMBER"),
        ("[SYS.PUB]", "F.TXT;1", "[SYS.PUB]/F.TXT;1"),
    ] {
        let mut scene = Scene::logged_in();
        scene.play(&format!(
            "> CWD {directory}\n< 250 ok\n> PASV\n< 227 (198,51,100,21,195,81)"
        ));
        scene.play(&format!("> RETR {name}\n< 150 go\n= 50001 7\n< 226 ok"));
        let report = scene.report();
        assert_eq!(step_of(&report, "CWD")["directory"], directory);
        let transfer = &transfers(&report)[0];
        assert_eq!(transfer["argument"], name);
        let told = transfer["path"].as_str();
        assert!(
            told.is_none()
                || told == Some(path)
                || told.is_some_and(|told| told.starts_with(directory)),
            "{told:?}"
        );
        assert!(
            !told.is_some_and(|told| told.starts_with('/')),
            "no Unix path is made of it"
        );
    }
}

#[test]
fn pitfall_20_the_path_of_a_257_is_in_the_first_quotes() {
    for (reply, directory) in [
        ("257 \"/a b\" is the current directory", json!("/a b")),
        ("257 \"/a\"\"b\" is \"it\"", json!("/a\"b")),
        ("257 /plain is the current directory", json!("/plain")),
        ("257 Current directory is \"/told\"", json!("/told")),
        ("257 \"\"", Value::Null),
        ("257 nothing", Value::Null),
    ] {
        let report = Scene::logged_in()
            .play(&format!("> PWD\n< {reply}\n> NOOP\n< 200 ok"))
            .report();
        assert_eq!(step_of(&report, "PWD")["directory"], directory, "{reply}");
    }
    // MKD's 257 names what was made, not where we are.
    let mut scene = Scene::logged_in();
    scene.play(
        "> CWD /here\n< 250 ok\n> MKD new\n< 257 \"/here/new\" created\n> MKD n2\n< 257 \"n2\"",
    );
    let report = scene.report();
    assert_eq!(step_of(&report, "MKD new")["directory"], "/here");
    assert_eq!(step_of(&report, "MKD n2")["directory"], "/here");
}

#[test]
fn pitfall_21_the_first_directory_is_unknown_until_the_server_states_it() {
    let mut scene = Scene::logged_in();
    scene.play("> CWD pub\n< 250 ok\n> PASV\n< 227 (198,51,100,21,195,81)\n> RETR f\n< 150 go\n= 50001 7\n< 226 ok");
    scene.play("> CWD link\n< 250 ok\n> PWD\n< 257 \"/real/place\"\n> CWD sub\n< 250 ok");
    let report = scene.report();
    assert_eq!(step_of(&report, "CWD pub")["directory"], Value::Null);
    assert_eq!(transfers(&report)[0]["path"], Value::Null);
    assert_eq!(transfers(&report)[0]["name"], "f");
    assert_eq!(
        step_of(&report, "PWD")["directory"],
        "/real/place",
        "PWD wins over CWD"
    );
    assert_eq!(step_of(&report, "CWD sub")["directory"], "/real/place/sub");
}

#[test]
fn pitfall_22_what_feat_lists_is_data() {
    for (first, line) in [
        (" MDTM", " 500 no code"),
        ("MDTM", "211 inside? no, the end"),
    ] {
        let mut scene = Scene::logged_in();
        scene.play(&format!(
            "> FEAT\n<< 211-Features: | {first} |  MLST type*;size*;modify*; | {line} | 211 End"
        ));
        scene.play("> OPTS UTF8 ON\n< 200 on\n> PWD\n< 257 \"/\"");
        let report = scene.report();
        let said = after_login(&report);
        assert_eq!(said[0], "FEAT: 211");
        assert_eq!(said[said.len() - 1], "PWD: 257");
        let lines = &step_of(&report, "FEAT")["commands"][0]["replies"][0]["lines"];
        assert!(
            list(lines).contains(&json!(" MLST type*;size*;modify*;")),
            "{lines}"
        );
    }
}

#[test]
fn pitfall_23_host_before_user_gets_a_220_of_its_own() {
    let mut scene = Scene::greeted();
    scene.play(
        "> HOST ftp.example.com\n<< 220-you are on | 220 ftp.example.com\n> USER mira\n< 331 p",
    );
    scene.play("> PASS hazel-lantern\n< 230 in\n> PWD\n< 257 \"/\"");
    let report = scene.report();
    assert_eq!(
        dialogue(&report),
        [
            "HOST ftp.example.com: 220",
            "USER mira: 331",
            "PASS hazel-lantern: 230",
            "PWD: 257"
        ]
    );
    assert_eq!(session(&report)["greeting"]["lines"], json!(["ready"]));
    let refused = Scene::greeted()
        .play("> HOST x\n< 504 unknown\n> USER mira\n< 331 p")
        .report();
    assert_eq!(dialogue(&refused), ["HOST x: 504", "USER mira: 331"]);
}

#[test]
fn pitfall_24_a_size_in_text_type_contradicts_nothing() {
    let mut scene = Scene::logged_in();
    scene.play("> TYPE A\n< 200 ok\n> SIZE f\n< 213 90\n> PASV\n< 227 (198,51,100,21,195,81)");
    scene.play("> RETR f\n< 150 go\n= 50001 100\n< 226 ok\n> SIZE f\n< 550 not in ASCII mode");
    let report = scene.report();
    assert_eq!(transfers(&report)[0]["completeness"], "complete");
    assert_eq!(findings(&report), [""; 0]);
    // In TYPE I it does.
    let mut scene = Scene::logged_in();
    scene.play("> TYPE I\n< 200 ok\n> SIZE f\n< 213 90\n> PASV\n< 227 (198,51,100,21,195,81)");
    scene.play("> RETR f\n< 150 go\n= 50001 80\n< 226 ok");
    let report = scene.report();
    assert_ne!(transfers(&report)[0]["completeness"], "complete");
}

#[test]
fn pitfall_25_mdtm_with_two_arguments_sets_a_time() {
    let mut scene = Scene::logged_in();
    scene.play("> MDTM 20260102030405 f\n< 213 File modification time set.\n> MDTM 20260102030405\n< 213 20260101000000.123");
    scene.play(
        "> MFMT 20260102030405 f\n< 213 modify=20260102030405; f\n> MDTM g\n< 213 20260101000000",
    );
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        [
            "MDTM 20260102030405 f: 213",
            "MDTM 20260102030405: 213",
            "MFMT 20260102030405 f: 213",
            "MDTM g: 213"
        ]
    );
    assert_eq!(findings(&report), [""; 0]);
}

#[test]
fn pitfall_26_a_rename_is_rnfr_and_the_rnto_right_after_it() {
    let mut scene = Scene::logged_in();
    scene.play("> RNFR a\n< 350 go on\n> RNTO b\n< 250 done");
    scene.play("> RNFR c\n< 350 go on\n> NOOP\n< 200 ok\n> RNTO d\n< 503 RNFR first");
    scene.play("> RNFR e\n< 550 no such file\n> RNFR g\n< 350 go on");
    let report = scene.report();
    let renames = steps(&report, "rename");
    let told: Vec<(usize, &Value)> = renames
        .iter()
        .map(|step| (list(&step["commands"]).len(), &step["outcome"]))
        .collect();
    assert_eq!(
        told,
        [
            (2, &json!("ok")),
            (1, &json!("incomplete")),
            (1, &json!("failed")),
            (1, &json!("failed")),
            (1, &json!("incomplete"))
        ]
    );
    assert!(
        renames[0]["title"]
            .as_str()
            .is_some_and(|title| title.contains("a to b"))
    );
}

#[test]
fn pitfall_27_replies_to_site_differ_and_are_reported_as_they_are() {
    let mut scene = Scene::logged_in();
    scene.play("> SITE CHMOD 644 f\n< 200 ok\n> SITE UTIME f 20260102030405\n< 213 done");
    scene.play(
        "> SITE HELP\n<< 214-Commands: |  CHMOD | 214 End\n> SITE CPFR /etc/passwd\n< 350 go on",
    );
    scene
        .play("> SITE CPTO /var/www/x\n< 250 copied\n> SITE EXEC id\n< 502 no\n> PWD\n< 257 \"/\"");
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        [
            "SITE CHMOD 644 f: 200",
            "SITE UTIME f 20260102030405: 213",
            "SITE HELP: 214",
            "SITE CPFR /etc/passwd: 350",
            "SITE CPTO /var/www/x: 250",
            "SITE EXEC id: 502",
            "PWD: 257"
        ]
    );
    let hidden = {
        let mut scene = Scene::logged_in();
        scene.play("> SITE PSWD hazel-lantern larch-cellar\n< 200 changed to larch-cellar");
        scene.ftp.part();
        analyze(&scene.ftp.wire.to_pcap(), &[])
    };
    let text = hidden.to_string();
    assert!(
        !text.contains("larch-cellar") && !text.contains("hazel-lantern"),
        "{text}"
    );
}
