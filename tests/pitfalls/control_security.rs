//! The dialogue on the control connection, 28 to 33: encryption, other protocols that look alike, and names in any bytes.

use serde_json::Value;

use crate::pitfalls::scene::{
    Scene, after_login, analyze, dialogue, findings, list, session, step_of, steps, transfers,
};
use crate::support::connection::Side;

#[test]
fn pitfall_28_protected_commands_and_replies_make_the_session_opaque() {
    let mut scene = Scene::greeted();
    scene.play("> AUTH GSSAPI\n< 334 send ADAT\n> ADAT YIIBaw0kZXhhbXBsZQ==\n< 335 ADAT=YGgGCSqGSIb3\n> ADAT YmFzZTY0\n< 235 ADAT=b2s=");
    scene.play("> MIC VVNFUiBtaXJh\n< 631 MzMxIHBhc3N3b3Jk\n> ENC UEFTUyBoYXplbA==\n< 632 MjMwIGlu\n> CONF UFdE\n< 633 MjU3");
    scene.ftp.part();
    let report = analyze(&scene.ftp.wire.to_pcap(), &[]);
    let verbs: Vec<String> = dialogue(&report)
        .iter()
        .map(|line| line.replace("<hidden>", "*"))
        .collect();
    assert_eq!(
        verbs[..3],
        ["AUTH GSSAPI: 334", "ADAT *: 335", "ADAT *: 235"],
        "tokens are secrets"
    );
    assert!(verbs[3].starts_with("MIC ") && verbs[3].ends_with(": 631"));
    assert!(verbs[5].starts_with("CONF ") && verbs[5].ends_with(": 633"));
    assert_eq!(session(&report)["login"]["outcome"], "unseen");
    assert_eq!(step_of(&report, "MIC")["outcome"], "unknown");
    assert_eq!(session(&report)["tls"], Value::Null, "it is not TLS");
    assert!(!report.to_string().contains("YIIBaw0kZXhhbXBsZQ"));
}

#[test]
fn pitfall_29_tls_is_what_the_bytes_say_whatever_auth_was_answered() {
    for (auth, reply) in [
        ("AUTH TLS", "234 go"),
        ("AUTH TLS", "200 go"),
        ("auth tls", "234 go"),
        ("AUTH SSL", "234 go"),
        ("AUTH TLS-C", "234 go"),
        ("AUTH TLS-P", "234 go"),
        ("AUTH TLS", "334 go"),
    ] {
        let mut scene = Scene::greeted();
        scene.play(&format!("> {auth}\n< {reply}"));
        handshake(&mut scene);
        hidden(&mut scene, 3);
        let report = scene.report();
        let code = &reply[..3];
        let line = format!(
            "{}: {code}",
            auth.to_ascii_uppercase().replace("TLS", &auth[5..8])
        );
        let line = if auth.starts_with("auth") {
            "AUTH tls: 234".to_owned()
        } else {
            line
        };
        assert_eq!(dialogue(&report), [line]);
        let tls = &session(&report)["tls"];
        assert_eq!(tls["version"], "TLS 1.2", "{auth} {reply}");
        assert_eq!(tls["decrypted"], false);
        assert_eq!(steps(&report, "tls").len(), 1);
        assert_eq!(session(&report)["login"]["outcome"], "unseen");
    }
}

#[test]
fn pitfall_29_an_auth_that_no_tls_follows_encrypts_nothing() {
    let mut scene = Scene::greeted();
    scene.play("> AUTH TLS\n< 234 go\n> USER mira\n< 331 p\n> PASS x\n< 230 in");
    let report = scene.report();
    assert_eq!(
        dialogue(&report),
        ["AUTH TLS: 234", "USER mira: 331", "PASS x: 230"]
    );
    assert_eq!(session(&report)["login"]["outcome"], "accepted");
    let refused = Scene::greeted()
        .play("> AUTH TLS\n< 502 no\n> AUTH SSL\n< 502 no\n> USER mira\n< 331 p")
        .report();
    assert_eq!(
        dialogue(&refused),
        ["AUTH TLS: 502", "AUTH SSL: 502", "USER mira: 331"]
    );
    assert_eq!(session(&refused)["tls"], Value::Null);
}

#[test]
fn pitfall_30_after_ccc_the_dialogue_is_read_again() {
    for close_notify in [true, false] {
        let mut scene = Scene::greeted();
        scene.play("> AUTH TLS\n< 234 go");
        handshake(&mut scene);
        hidden(&mut scene, 4);
        if close_notify {
            scene.raw(Side::Client, &record(21, &[9; 26]));
            scene.raw(Side::Server, &record(21, &[9; 26]));
        }
        scene.play("> PWD\n< 257 \"/secure\"\n> PASV\n< 227 ok (198,51,100,21,195,81)");
        scene.play("> RETR f\n< 150 go\n= 50001 400\n< 226 done");
        let report = scene.report();
        assert_eq!(
            dialogue(&report),
            ["AUTH TLS: 234", "PWD: 257", "PASV: 227", "RETR f: 150 226"],
            "close_notify: {close_notify}"
        );
        assert_eq!(transfers(&report)[0]["path"], "/secure/f");
        assert_eq!(transfers(&report)[0]["bytes"], 400);
    }
}

#[test]
fn pitfall_31_tls_from_the_first_byte_on_port_990_is_a_session() {
    let mut scene = Scene::between("192.0.2.10:39021", "198.51.100.21:990");
    handshake(&mut scene);
    hidden(&mut scene, 5);
    let report = scene.report();
    let tls = &session(&report)["tls"];
    assert_eq!(tls["version"], "TLS 1.2");
    assert_eq!(session(&report)["server"]["port"], 990);
    assert_eq!(dialogue(&report), [""; 0]);
    assert_eq!(tls["data_protected"], Value::Null, "nobody knows");
}

#[test]
fn pitfall_32_other_protocols_are_not_ftp() {
    for (port, script) in [
        (
            2525,
            "< 220 mail.example.com ready\n> EHLO me\n<< 250-mail | 250 OK\n> MAIL FROM:<a@b>\n< 250 ok\n> QUIT\n< 221 bye",
        ),
        (
            25,
            "< 220 mail.example.com ESMTP\n> HELO me\n< 250 ok\n> RSET\n< 250 ok",
        ),
        (24, "< 220 lmtp.example.com\n> LHLO me\n< 250 ok"),
        (
            110,
            "< +OK ready\n> USER mira\n< +OK\n> PASS hazel-lantern\n< +OK 2 messages\n> LIST\n< +OK",
        ),
        (
            1100,
            "< +OK ready\n> USER mira\n< +OK\n> PASS hazel-lantern\n< +OK 2 messages",
        ),
        (
            119,
            "< 200 news ready\n> MODE READER\n< 200 ok\n> GROUP a.b\n< 211 5 1 5 a.b\n> LIST\n< 215 groups\n> QUIT\n< 205 bye",
        ),
        (
            6667,
            "> PASS secret\n> NICK mira\n> USER mira 0 * :Mira\n< :irc.example.com 001 mira :Welcome\n> JOIN #a",
        ),
        (
            6668,
            "> USER mira 0 * :Mira\n< :irc.example.com NOTICE * :looking up\n> NICK mira",
        ),
        (8080, "> GET / HTTP/1.0\n< HTTP/1.0 200 OK"),
        (
            3535,
            "< 220 spool.example.com\n> AUTHINFO USER mira\n< 381 more\n> LIST\n< 215 list",
        ),
    ] {
        let mut scene = Scene::between("192.0.2.10:39021", &format!("198.51.100.21:{port}"));
        let report = scene.play(script).report();
        assert_eq!(list(&report["sessions"]).len(), 0, "port {port}");
    }
}

#[test]
fn pitfall_32_ftp_on_another_port_is_recognized_by_two_signals() {
    for script in [
        "< 220 ready\n> USER mira\n< 331 p\n> PASS hazel-lantern\n< 230 in",
        "< 220 (an FTP server)\n> AUTH TLS\n< 502 no\n> USER mira\n< 331 p\n> PASS hazel-lantern\n< 230 in",
        "<< 220-welcome | 220-to us | 220 ready\n> FEAT\n< 500 no\n> USER mira\n< 331 p\n> PASS hazel-lantern\n< 230 in",
        "< 220 ready\n> user mira\n< 331 p\n> pass hazel-lantern\n< 230 in",
    ] {
        let mut scene = Scene::between("192.0.2.10:39021", "198.51.100.21:2121");
        let report = scene.play(script).report();
        assert_eq!(session(&report)["login"]["outcome"], "accepted", "{script}");
        assert_eq!(session(&report)["greeting"]["code"], 220);
    }
}

#[test]
fn pitfall_33_names_keep_their_bytes() {
    let names: [(&[u8], &str, Option<&str>); 9] = [
        ("grüße.txt".as_bytes(), "grüße.txt", None),
        (
            b"gr\xfc\xdfe.txt",
            "gr\u{fffd}\u{fffd}e.txt",
            Some("Z3L832UudHh0"),
        ),
        (b"a \"quoted\" name", "a \"quoted\" name", None),
        (b"-leading", "-leading", None),
        (b"semi;colon", "semi;colon", None),
        (b"to -> there", "to -> there", None),
        (b"new\r\0line", "new\rline", None),
        (b" both ends ", " both ends ", None),
        (b"\xe2\x80\xaertl", "\u{202e}rtl", None),
    ];
    for (name, shown, exact) in names {
        let mut scene = Scene::logged_in();
        scene.play(
            "> OPTS UTF8 ON\n< 200 on\n> CWD /d\n< 250 ok\n> PASV\n< 227 (198,51,100,21,195,81)",
        );
        scene.raw(Side::Client, &[b"RETR ", name, b"\r\n"].concat());
        scene.play("< 150 go\n= 50001 10\n< 226 ok");
        let report = scene.report();
        let transfer = &transfers(&report)[0];
        assert_eq!(transfer["argument"], shown);
        assert_eq!(transfer["path"], format!("/d/{shown}"));
        assert_eq!(transfer["argument_b64"].as_str(), exact);
        assert_eq!(transfer["completeness"], "complete");
        // Nobody gives a file a name of two lines by chance.
        let turns: &[&str] = if shown.contains('\r') {
            &["traversal-name"]
        } else {
            &[]
        };
        assert_eq!(findings(&report), turns, "{shown:?}");
    }
}

#[test]
fn pitfall_33_overlong_and_binary_lines_are_limited_and_reported() {
    let mut scene = Scene::logged_in();
    let long = vec![b'a'; 70_000];
    for piece in [&b"RETR "[..], &long, b"\r\n"].concat().chunks(1400) {
        scene.raw(Side::Client, piece);
    }
    scene.play("< 501 too long\n> PWD\n< 257 \"/\"");
    scene.raw(Side::Client, b"\x00\x01\x02\xfe garbage \x7f\r\n");
    scene.play("< 500 what\n> NOOP\n< 200 ok");
    let report = scene.report();
    let said = after_login(&report);
    assert_eq!(said.len(), 4);
    assert!(said[0].ends_with(": 501"));
    let retrieve = &step_of(&report, "RETR")["commands"][0];
    assert_eq!(retrieve["truncated"], true);
    assert_eq!(
        retrieve["argument"].as_str().map(str::len),
        Some(65_535 - 5)
    );
    assert_eq!(said[1], "PWD: 257");
    assert!(said[2].ends_with(": 500"));
    assert_eq!(said[3], "NOOP: 200");
}

/// A handshake of TLS 1.2 that needs no certificate.
fn handshake(scene: &mut Scene) {
    scene.raw(Side::Client, &hello(1));
    scene.raw(
        Side::Server,
        &[hello(2), record(20, &[1]), record(22, &[0; 40])].concat(),
    );
    scene.raw(
        Side::Client,
        &[record(20, &[1]), record(22, &[0; 40])].concat(),
    );
}

/// Commands and replies that nobody can read.
fn hidden(scene: &mut Scene, count: usize) {
    for _ in 0..count {
        scene.raw(Side::Client, &record(23, &[9; 30]));
        scene.raw(Side::Server, &record(23, &[9; 41]));
    }
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[kind, 3, 3][..], &length, content].concat()
}

/// A hello of TLS 1.2: 1 is the client's, 2 the server's.
fn hello(kind: u8) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([4, b's', b'a', b'm', b'e']);
    let suite: &[u8] = if kind == 1 {
        &[0, 2, 0xc0, 0x2f, 1, 0]
    } else {
        &[0xc0, 0x2f, 0]
    };
    body.extend(suite);
    body.extend([0, 0]);
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    record(22, &[&[kind], &length[1..], &body].concat())
}
