//! Sessions of which secrets or packets are missing in part: what is left is reported as in clear, with the reason for the rest.

use serde_json::{Value, json};

use super::{data, packets, payload};
use crate::support::folder::Folder;

/// Returns the lines of a key log that `keep` chooses by label and client random.
fn key_log(name: &str, keep: impl Fn(&str, &str) -> bool) -> String {
    let keys = std::fs::read_to_string(data(&format!("{name}.keys"))).expect("a key log");
    let lines = keys.lines().filter(|line| {
        let mut words = line.split_whitespace();
        let (label, random) = (words.next(), words.next());
        label.zip(random).is_some_and(|(a, b)| keep(a, b))
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Returns the client random of the control connection: the first hello of the capture.
fn first_random(name: &str) -> String {
    let capture = std::fs::read(data(&format!("{name}.pcap"))).expect("a capture");
    let hello = packets(&capture)
        .into_iter()
        .filter_map(|packet| payload(packet).map(|(bytes, _)| bytes))
        .find(|bytes| matches!(bytes, [22, 3, _, _, _, 1, ..]))
        .expect("a hello");
    let digits = hello[11..43].iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from_digit(digit.into(), 16).expect("a digit"))
        .collect()
}

fn read(name: &str, keys: &str) -> Value {
    let folder = Folder::new("tls-partial");
    folder.write("some.keys", keys.as_bytes());
    folder.report(&[&data(&format!("{name}.pcap")), "--keylog", "some.keys"])
}

fn list<'a>(session: &'a Value, name: &str) -> &'a [Value] {
    session[name].as_array().expect("a list")
}

/// Verbs, each with the codes of its replies.
fn dialogue(session: &Value) -> Vec<(String, Vec<u64>)> {
    let commands = list(session, "steps")
        .iter()
        .flat_map(|step| list(step, "commands"));
    commands
        .map(|command| {
            let replies = list(command, "replies").iter();
            let codes = replies.filter_map(|reply| reply["code"].as_u64());
            let verb = command["verb"].as_str().expect("a verb");
            (verb.to_owned(), codes.collect())
        })
        .collect()
}

/// TLS 1.3 sessions of a listing, downloads and an upload.
const SESSIONS: [&str; 3] = ["tls13", "tls13-resumed", "lab/vsftpd-python-1.3"];

#[test]
fn server_secrets_alone_tie_data_to_the_session_whose_replies_announce_it() {
    for name in SESSIONS {
        let report = read(name, &key_log(name, |label, _| label.starts_with("SERVER")));
        assert_eq!(report["unmatched_data"], json!([]), "{name}");
        let session = &report["sessions"][0];
        let closed = json!({"client": "no-secret", "server": null});
        assert_eq!(session["tls"]["obstacles"], closed, "{name}");
        let entries = list(session, "encrypted_data");
        let count = if name == SESSIONS[2] { 4 } else { 3 };
        assert_eq!(entries.len(), count, "{name}");
        for entry in entries {
            let resumes = !entry["tls"]["resumes"].is_null();
            let method = if resumes {
                "tls-session"
            } else {
                "announced-address"
            };
            assert_eq!(entry["link"]["method"], method, "{name}");
            assert_eq!(entry["tls"]["obstacles"], closed, "{name}");
            let is_upload = entry["direction"] == "upload";
            assert_eq!(entry["tls"]["decrypted"], !is_upload, "{name}");
            assert_eq!(entry["sha256"].is_string(), !is_upload, "{name}");
        }
    }
}

#[test]
fn client_secrets_alone_bind_data_to_commands_as_without_replies_in_clear() {
    for name in SESSIONS {
        let control = first_random(name);
        let keys = key_log(name, |label, random| {
            label.starts_with("CLIENT") || random != control
        });
        let report = read(name, &keys);
        let whole = read(name, &key_log(name, |_, _| true));
        assert_eq!(report["unmatched_data"], json!([]), "{name}");
        let (session, whole) = (&report["sessions"][0], &whole["sessions"][0]);
        assert_eq!(session["encrypted_data"], json!([]), "{name}");
        let closed = json!({"client": null, "server": "no-secret"});
        assert_eq!(session["tls"]["obstacles"], closed, "{name}");
        let transfers = list(session, "transfers");
        assert_eq!(transfers.len(), list(whole, "transfers").len(), "{name}");
        for (transfer, whole) in transfers.iter().zip(list(whole, "transfers")) {
            assert_eq!(transfer["sha256"], whole["sha256"], "{name}");
            assert_eq!(transfer["completeness"], "unverifiable", "{name}");
            assert_eq!(
                transfer["connection"]["uid"], whole["connection"]["uid"],
                "{name}"
            );
        }
    }
}

#[test]
fn each_direction_of_a_data_connection_has_its_own_reason() {
    let name = SESSIONS[0];
    let control = first_random(name);
    let wrong = |side: &str| -> String {
        let lines = key_log(name, |_, _| true);
        let lines = lines.lines().map(|line| {
            let is_control = line.contains(&control);
            if is_control || !line.starts_with(side) {
                format!("{line}\n")
            } else {
                format!("{}00000000\n", &line[..line.len() - 8])
            }
        });
        lines.collect()
    };
    let without = |side: &str| {
        key_log(name, |label, random| {
            random == control || !label.starts_with(side)
        })
    };
    for (keys, client, server) in [
        (without("CLIENT"), Some("no-secret"), None),
        (without("SERVER"), None, Some("no-secret")),
        (wrong("CLIENT"), Some("wrong-secret"), None),
        (wrong("SERVER"), None, Some("wrong-secret")),
    ] {
        let report = read(name, &keys);
        let session = &report["sessions"][0];
        assert_eq!(session["tls"]["decrypted"], true);
        assert_eq!(session["tls"]["obstacles"], Value::Null);
        for transfer in list(session, "transfers") {
            let tls = &transfer["tls"];
            let expected = json!({"client": client, "server": server});
            assert_eq!(tls["obstacles"], expected, "{tls}");
            let sender = if transfer["direction"] == "upload" {
                client
            } else {
                server
            };
            assert_eq!(tls["decrypted"], sender.is_none(), "{tls}");
            assert_eq!(transfer["sha256"].is_string(), sender.is_none(), "{tls}");
        }
    }
}

#[test]
fn implicit_tls_on_any_port_is_recognized_by_replies_alone() {
    let name = "lab/pyftpdlib-implicit-2121";
    let report = read(name, &key_log(name, |label, _| label.starts_with("SERVER")));
    let session = &report["sessions"][0];
    assert_eq!(session["greeting"]["code"], 220);
    assert_eq!(list(session, "encrypted_data").len(), 4);
    assert_eq!(report["unmatched_data"], json!([]));
}

/// Whatever packet of the control connection behind the handshake is lost, all other commands keep their replies.
#[test]
fn lost_record_costs_its_own_command_or_reply_and_shifts_no_other() {
    let mut lost = 0;
    for name in ["clear", "tls13", "lab/pureftpd-lftp-1.3"] {
        let capture = std::fs::read(data(&format!("{name}.pcap"))).expect("a capture");
        let folder = Folder::new("tls-lost");
        let keys = data(&format!("{name}.keys"));
        let report = |packets: &[&[u8]]| -> Value {
            folder.write("a.pcap", &[&capture[..24], &packets.concat()].concat());
            let with_keys = ["a.pcap", "--keylog", &keys];
            let count = if name == "clear" { 1 } else { 3 };
            folder.report(&with_keys[..count])
        };
        let packets = packets(&capture);
        let whole = report(&packets);
        let whole = dialogue(&whole["sessions"][0]);
        for (place, packet) in packets.iter().enumerate() {
            let lines = payload(packet).filter(|(bytes, is_control)| {
                *is_control && matches!(bytes, [23, 3, 3, ..] | [b' '..=b'~', ..])
            });
            if lines.is_none() {
                continue;
            }
            let rest = [&packets[..place], &packets[place + 1..]].concat();
            let report = report(&rest);
            let session = &report["sessions"][0];
            let found = dialogue(session);
            if session["tls"]["obstacle"] == "handshake-missing" {
                continue;
            }
            lost += 1;
            let without_command = |at: usize| [&whole[..at], &whole[at + 1..]].concat() == found;
            let without_reply = |at: usize| {
                (0..whole[at].1.len()).any(|reply| {
                    let mut whole = whole.clone();
                    whole[at].1.remove(reply);
                    whole == found
                })
            };
            let is_right = found == whole
                || (0..whole.len()).any(|at| without_command(at) || without_reply(at));
            assert!(is_right, "{name}, frame {}: {found:?}", place + 1);
        }
    }
    assert!(lost > 90, "{lost}");
}

/// Before TLS 1.3 the keys depend on both hellos (RFC 5246 section 6.3).
#[test]
fn lost_hello_of_a_tls_1_2_server_is_the_reason_and_sizes_are_counted() {
    let name = "tls12-resumed";
    let capture = std::fs::read(data(&format!("{name}.pcap"))).expect("a capture");
    let keys = data(&format!("{name}.keys"));
    let packets = packets(&capture);
    let hellos: Vec<usize> = (0..packets.len())
        .filter(|&at| {
            let bytes = payload(packets[at]).map(|(bytes, _)| bytes);
            matches!(bytes, Some([22, 3, _, _, _, 2, ..]))
        })
        .collect();
    assert_eq!(hellos.len(), 4);
    for (number, lost) in hellos.into_iter().enumerate() {
        let rest = [&packets[..lost], &packets[lost + 1..]].concat().concat();
        let folder = Folder::new("tls-no-hello");
        folder.write("a.pcap", &[&capture[..24], &rest].concat());
        let report = folder.report(&["a.pcap", "--keylog", &keys]);
        let session = &report["sessions"][0];
        // The control connection, then a listing, a download and an upload.
        let Some(number) = number.checked_sub(1) else {
            assert_eq!(session["tls"]["obstacle"], "handshake-missing");
            assert_eq!(list(session, "encrypted_data").len(), 3);
            continue;
        };
        let transfer = &list(session, "transfers")[number];
        let tls = &transfer["tls"];
        assert_eq!(tls["obstacle"], "handshake-missing", "{tls}");
        assert_eq!(tls["obstacles"], Value::Null, "{tls}");
        let bytes = transfer["bytes"].as_u64().expect("a size");
        let least = [65, 12_000, 8_500][number];
        assert!((least..least + 100).contains(&bytes), "{transfer}");
        assert_eq!(tls["content_bytes_exact"], false, "{tls}");
    }
}
