//! Peers that break the rules and are understood all the same: odd greetings, types and line ends, transfers side by side.

use serde_json::{Value, json};

use crate::pitfalls::scene::{
    CLIENT, Scene, after_login, dialogue, findings, left_over, list, session, steps, transfers,
};
use crate::support::connection::{Connection, Side};

/// Ends of the control connections of these tests.
const ENDS: [(&str, &str); 3] = [
    (CLIENT, "198.51.100.21:21"),
    (CLIENT, "198.51.100.21:2121"),
    ("[2001:db8::7]:39021", "[2001:db8::21]:8021"),
];

/// A data connection with bytes under way.
fn begun(scene: &mut Scene, mut data: Connection, sender: Side, bytes: &[u8]) -> Connection {
    data.open(&mut scene.ftp.wire);
    data.stream(&mut scene.ftp.wire, sender, bytes, 1400);
    data
}

fn completeness(report: &Value) -> Vec<&str> {
    let states = transfers(report).iter();
    states
        .filter_map(|one| one["completeness"].as_str())
        .collect()
}

#[test]
fn greeting_with_any_code_is_the_greeting_on_any_port() {
    for (client, server) in ENDS {
        for line in [
            "200 ready",
            "230 anonymous",
            "250 b",
            "202",
            "220",
            "220Welcome",
        ] {
            let mut scene = Scene::between(client, server);
            scene.play(&format!(
                "< {line}\n> USER mira\n< 331 p\n> PASS hazel-lantern\n< 230 in"
            ));
            let report = scene.report();
            let code: u64 = line[..3].parse().expect("a code");
            assert_eq!(
                session(&report)["greeting"]["code"],
                code,
                "{server}: {line}"
            );
            assert_eq!(steps(&report, "greeting").len(), 1);
            assert_eq!(
                dialogue(&report),
                ["USER mira: 331", "PASS hazel-lantern: 230"]
            );
            assert_eq!(left_over(&report), [0; 0]);
        }
    }
}

#[test]
fn accepted_type_that_no_standard_knows_is_not_the_type_before() {
    let mut scene = Scene::logged_in();
    for (at, (command, data_type)) in [
        ("TYPE B 1", Value::Null),
        ("TYPE E", json!("ebcdic")),
        ("TYPE U 2", Value::Null),
        ("TYPE I", json!("image")),
    ]
    .iter()
    .enumerate()
    {
        let port = 50_001 + at;
        scene.play(&format!("> {command}\n< 200 ok"));
        scene.play(&format!("> PASV\n< 227 ok (198,51,100,21,195,{})", 81 + at));
        scene.play(&format!("> RETR {at}\n< 150 go\n= {port} 14\n< 226 done"));
        if *data_type == json!("image") {
            scene.play("> TYPE F\n< 504 no\n> TYPE X\n< 502 no");
            scene.play("> PASV\n< 227 ok (198,51,100,21,195,95)\n> STOR u\n< 150 go\n=up 50015 14\n< 226 done");
        }
    }
    let report = scene.report();
    let types: Vec<&Value> = transfers(&report)
        .iter()
        .map(|one| &one["data_type"])
        .collect();
    let null = &Value::Null;
    let (ebcdic, image) = (&json!("ebcdic"), &json!("image"));
    assert_eq!(types, [null, ebcdic, null, image, image]);
    assert!(transfers(&report).iter().all(|one| one["bytes"] == 14));
    assert_eq!(completeness(&report), ["complete"; 5]);
}

#[test]
fn replies_to_transfers_side_by_side_go_by_the_ends_of_their_data() {
    // Which transfer ends first, and in which direction the bytes go.
    for second_first in [true, false] {
        for verb in ["RETR", "STOR"] {
            for active in [false, true] {
                // The sides of a data connection are those of its opener and its listener.
                let sender = if (verb == "RETR") == active {
                    Side::Client
                } else {
                    Side::Server
                };
                let mut scene = Scene::logged_in();
                let mut open = Vec::new();
                for (name, low, bytes) in [("a", 81, vec![1; 9000]), ("b", 82, vec![2; 7000])] {
                    let port = 50_000 - 81 + 1 + low;
                    let data = if active {
                        scene.play(&format!("> PORT 192,0,2,10,195,{low}\n< 200 ok"));
                        scene.ftp.active_data(20, port)
                    } else {
                        scene.play(&format!("> PASV\n< 227 ok (198,51,100,21,195,{low})"));
                        scene.ftp.passive_data(40_000 + low, port)
                    };
                    scene.play(&format!("> {verb} {name}\n< 150 go {name}"));
                    open.push((name, begun(&mut scene, data, sender, &bytes)));
                }
                if second_first {
                    open.reverse();
                }
                for (name, mut data) in open {
                    data.close(&mut scene.ftp.wire, sender);
                    scene.play(&format!("< 226 done {name}"));
                }
                scene.play("> QUIT\n< 221 bye");
                let report = scene.report();
                let transfer: Vec<String> = after_login(&report)
                    .into_iter()
                    .filter(|line| line.starts_with(verb))
                    .collect();
                let expected = ["a", "b"].map(|name| format!("{verb} {name}: 150 226"));
                assert_eq!(
                    transfer, expected,
                    "second first: {second_first}, active: {active}"
                );
                for step in steps(&report, if verb == "RETR" { "retrieve" } else { "store" }) {
                    let command = list(&step["commands"]).last().expect("a command");
                    let name = command["argument"].as_str().expect("a name");
                    assert_eq!(command["replies"][1]["lines"][0], format!("done {name}"));
                }
                assert_eq!(completeness(&report), ["complete"; 2]);
                assert_eq!(left_over(&report), [0; 0]);
                assert_eq!(findings(&report), [""; 0]);
            }
        }
    }
}

#[test]
fn refusal_during_a_transfer_answers_the_command_that_waits() {
    let mut scene = Scene::logged_in();
    scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR a\n< 150 go");
    let data = scene.ftp.passive_data(40_111, 50_001);
    let mut data = begun(&mut scene, data, Side::Server, &[1; 9000]);
    scene.play("> CWD pub\n< 250 ok\n> RETR b\n< 503 one at a time\n> DELE c\n< 550 no");
    data.close(&mut scene.ftp.wire, Side::Server);
    scene.play("< 226 done\n> QUIT\n< 221 bye");
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        [
            "PASV: 227",
            "RETR a: 150 226",
            "CWD pub: 250",
            "RETR b: 503",
            "DELE c: 550",
            "QUIT: 221"
        ]
    );
    assert_eq!(completeness(&report), ["complete", "aborted"]);
}

#[test]
fn failure_of_a_running_transfer_is_not_that_of_the_command_that_waits() {
    let mut scene = Scene::logged_in();
    scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR a\n< 150 go");
    let data = scene.ftp.passive_data(40_111, 50_001);
    let mut data = begun(&mut scene, data, Side::Server, &[1; 9000]);
    scene.play("> CWD pub\n< 451 disk\n< 250 ok");
    data.rst(&mut scene.ftp.wire, Side::Server);
    let report = scene.report();
    assert_eq!(
        after_login(&report),
        ["PASV: 227", "RETR a: 150 451", "CWD pub: 250"]
    );
    assert_eq!(completeness(&report), ["aborted"]);
}

/// A connection to port 21 on which each of these is said in turn, and its report.
fn said(dialogue: &[(Side, &[u8])]) -> Value {
    let mut scene = Scene::connected();
    for (side, bytes) in dialogue {
        scene.raw(*side, bytes);
    }
    scene.report()
}

/// Payloads of a connection in their order.
type Talk<'a> = &'a [(Side, &'a [u8])];

#[test]
fn other_protocol_on_port_21_is_an_attempt_and_no_session() {
    use Side::{Client, Server};
    let ssh: &[u8] = b"SSH-2.0-OpenSSH_9.6\r\n";
    let kex: &[u8] = b"\0\0\x05\xdc\x07\x14USER\r\nPASS x\r\n";
    let http: &[u8] = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    let cases: [(&str, Talk<'_>); 8] = [
        (
            "ssh",
            &[(Server, ssh), (Client, ssh), (Client, kex), (Server, kex)],
        ),
        ("ssh", &[(Client, ssh), (Server, ssh), (Client, kex)]),
        ("ssh", &[(Client, ssh)]),
        (
            "http",
            &[(Client, http), (Server, b"HTTP/1.1 200 OK\r\n\r\n<html>")],
        ),
        ("http", &[(Client, http)]),
        (
            "smtp",
            &[
                (Server, b"220 mx ESMTP Postfix\r\n"),
                (Client, b"EHLO me\r\n"),
            ],
        ),
        (
            "telnet",
            &[
                (Server, b"\xff\xfd\x18\xff\xfd\x20"),
                (Client, b"\xff\xfc\x18"),
            ],
        ),
        (
            "rdp",
            &[(
                Client,
                b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",
            )],
        ),
    ];
    for (protocol, dialogue) in cases {
        let report = said(dialogue);
        assert_eq!(report["sessions"], json!([]), "{protocol}");
        let attempts = list(&report["connection_attempts"]);
        assert_eq!(attempts.len(), 1, "{protocol}");
        assert_eq!(attempts[0]["outcome"], "other-protocol", "{protocol}");
        assert_eq!(attempts[0]["protocol"], protocol);
        assert_eq!(findings(&report), [""; 0]);
    }
}

#[test]
fn ftp_server_that_refuses_another_protocol_has_a_session() {
    for line in ["GET / HTTP/1.1", "EHLO me", "SSH-2.0-Go"] {
        // The client speaks first, or waits for the greeting.
        for early in [true, false] {
            let line = format!("{line}\r\n");
            let mut dialogue: Vec<(Side, &[u8])> = vec![
                (Side::Server, b"220 ready\r\n"),
                (Side::Client, line.as_bytes()),
                (Side::Server, b"500 what\r\n"),
            ];
            if early {
                dialogue.swap(0, 1);
            }
            let report = said(&dialogue);
            assert_eq!(session(&report)["greeting"]["code"], 220, "{line}");
            assert_eq!(steps(&report, "command").len(), 1, "{line}");
            assert_eq!(steps(&report, "command")[0]["outcome"], "failed");
            assert_eq!(report["connection_attempts"], json!([]));
        }
    }
}

#[test]
fn bytes_of_no_known_protocol_are_named_no_protocol() {
    let report = said(&[
        (Side::Client, b"\x01\x02\0\0\x10\0\x7f"),
        (Side::Server, b"\x05\0\0\x01"),
    ]);
    assert_eq!(report["sessions"], json!([]));
    let attempt = &report["connection_attempts"][0];
    assert_eq!(attempt["outcome"], "other-protocol");
    assert_eq!(attempt.get("protocol"), None);
    // A first byte of what may be FTP is a session all the same.
    let report = said(&[(Side::Server, b"22")]);
    assert_eq!(list(&report["sessions"]).len(), 1);
}

#[test]
fn bytes_around_lines_cost_nothing_and_are_named() {
    // Which end sends what before, behind and in place of the line end, and what the finding names.
    for (from_client, before, behind, named) in [
        (true, &b"\0\0"[..], &b"\r\n"[..], "NUL"),
        (true, b"", b"\0\r\n", "NUL"),
        (true, b"", b"\n\r", "CR behind LF"),
        (true, b"\xef\xbb\xbf", b"\r\n", "a byte order mark"),
        (true, b"", b"\0\0\0\0", "NUL"),
        (true, b"", b"", "no line end"),
        (false, b"\0", b"\r\n", "NUL"),
        (false, b"", b"\r\n\0", "NUL"),
        (false, b"", b"\n\r", "CR behind LF"),
        (false, b"\xef\xbb\xbf", b"\r\n", "a byte order mark"),
        (false, b"", b"", "no line end"),
        (false, b" ", b"\r\n", "reply code"),
        (false, b"\t", b"\r\n", "reply code"),
    ] {
        for (client, server) in ENDS.into_iter().take(2) {
            let mut scene = Scene::between(client, server);
            let line = |scene: &mut Scene, side: Side, text: &str| {
                let odd = (side == Side::Client) == from_client;
                let (before, behind) = if odd {
                    (before, behind)
                } else {
                    (&b""[..], &b"\r\n"[..])
                };
                scene.raw(side, &[before, text.as_bytes(), behind].concat());
            };
            line(&mut scene, Side::Server, "220 FTP ready");
            for (command, reply) in [
                ("USER mira", "331 p"),
                ("PASS hazel-lantern", "230 in"),
                ("TYPE I", "200 ok"),
                ("PASV", "227 ok (198,51,100,21,195,81)"),
            ] {
                line(&mut scene, Side::Client, command);
                line(&mut scene, Side::Server, reply);
            }
            line(&mut scene, Side::Client, "RETR a");
            line(&mut scene, Side::Server, "150 go");
            scene.play("= 50001 900");
            line(&mut scene, Side::Server, "226 done");
            line(&mut scene, Side::Client, "QUIT");
            line(&mut scene, Side::Server, "221 bye");
            let report = scene.report();
            let context = format!("{server}, {named}, client: {from_client}, {behind:?}");
            assert_eq!(
                dialogue(&report),
                [
                    "USER mira: 331",
                    "PASS hazel-lantern: 230",
                    "TYPE I: 200",
                    "PASV: 227",
                    "RETR a: 150 226",
                    "QUIT: 221"
                ],
                "{context}"
            );
            assert_eq!(session(&report)["greeting"]["code"], 220, "{context}");
            assert_eq!(completeness(&report), ["complete"], "{context}");
            assert_eq!(findings(&report), ["reply-violation"], "{context}");
            let violation = list(&session(&report)["findings"])
                .iter()
                .find(|one| one["id"] == "reply-violation")
                .expect("a violation");
            let text = format!("{} {}", violation["title"], violation["explanation"]);
            assert!(text.contains(named), "{context}: {text}");
            assert_eq!(session(&report)["verdict"]["status"], "ok", "{context}");
        }
    }
}
