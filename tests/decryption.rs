//! FTPS read with secrets: what is inside is reported as if it had been sent in clear.

use std::path::PathBuf;

use crate::support::folder::Folder;
use serde_json::{Value, json};

/// Returns the path of a file of `testdata/tls`.
fn data(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("testdata/tls").join(name).display().to_string()
}

fn report(name: &str, arguments: &[&str]) -> Value {
    Folder::new(name).report(arguments)
}

/// Returns the report of a capture, read with its key log.
fn opened(name: &str) -> Value {
    let (capture, keys) = (data(&format!("{name}.pcap")), data(&format!("{name}.keys")));
    report(name, &[&capture, "--keylog", &keys])
}

/// Returns what the script did: verbs, sizes, digests, verdicts, without what TLS and time add.
fn course(report: &Value) -> Vec<Value> {
    let transfers = report["sessions"][0]["transfers"].as_array();
    let mut course: Vec<Value> = transfers
        .expect("transfers")
        .iter()
        .map(|transfer| {
            json!({
                "verb": transfer["verb"],
                "path": transfer["path"],
                "bytes": transfer["bytes"],
                "missing": transfer["missing_ranges"],
                "sha256": transfer["sha256"],
                "completeness": transfer["completeness"],
                "entries": transfer["entries"].as_array().map(|entries| {
                    entries.iter().map(|entry| entry["name"].clone()).collect::<Vec<_>>()
                }),
            })
        })
        .collect();
    course.push(report["sessions"][0]["login"]["user"].clone());
    course.push(report["sessions"][0]["verdict"]["status"].clone());
    course
}

#[test]
fn script_over_tls_gives_the_report_of_the_script_in_clear() {
    let clear = course(&report("tls-clear", &[&data("clear.pcap")]));
    for name in ["tls13", "tls12-resumed", "tls13-resumed"] {
        let opened = opened(name);
        assert_eq!(course(&opened), clear, "{name}");
        let session = &opened["sessions"][0];
        assert_eq!(session["tls"]["decrypted"], true, "{name}");
        assert_eq!(session["tls"]["obstacle"], Value::Null, "{name}");
        assert_eq!(session["tls"]["secret"], "keylog", "{name}");
        for transfer in session["transfers"].as_array().expect("transfers") {
            let tls = &transfer["tls"];
            assert_eq!(tls["decrypted"], true, "{name}");
            assert_eq!(tls["content_bytes"], transfer["bytes"], "{name}");
            let resumed = name.ends_with("resumed");
            assert_eq!(tls["resumed"], resumed, "{name}");
            let control = if resumed {
                &session["uid"]
            } else {
                &Value::Null
            };
            assert_eq!(&tls["resumes"], control, "{name}");
        }
        let ids = session["findings"].as_array().expect("findings");
        assert!(
            ids.iter()
                .all(|finding| finding["id"] != "cleartext-credentials"),
            "{ids:?}"
        );
        assert_eq!(opened["warnings"], json!([]));
    }
}

#[test]
fn without_secrets_sizes_and_obstacles_are_reported() {
    let report = report("tls-closed", &[&data("tls12-resumed.pcap")]);
    let session = &report["sessions"][0];
    assert_eq!(session["tls"]["obstacle"], "no-secret");
    assert_eq!(session["tls"]["decrypted"], false);
    let data = session["encrypted_data"].as_array().expect("connections");
    assert_eq!(data.len(), 3);
    for entry in data {
        assert_eq!(entry["link"]["method"], "tls-session");
        assert_eq!(entry["tls"]["resumes"], session["uid"]);
        assert_eq!(entry["tls"]["obstacle"], "no-secret");
        assert_eq!(entry["tls"]["content_bytes_exact"], true);
    }
    assert_eq!(data[1]["tls"]["content_bytes"], 12_000);
    assert_eq!(data[2]["tls"]["content_bytes"], 8_500);
    assert_eq!(report["warnings"], json!([]));
}

#[test]
fn resumed_connections_of_tls_1_2_open_with_the_line_of_the_first_one() {
    let folder = Folder::new("tls-one-line");
    let keys = std::fs::read_to_string(data("tls12-resumed.keys")).expect("a key log");
    let first = keys.lines().find(|line| line.starts_with("CLIENT_RANDOM"));
    folder.write("one.keys", first.expect("a line").as_bytes());
    let report = folder.report(&[&data("tls12-resumed.pcap"), "--keylog", "one.keys"]);
    assert_eq!(course(&report), course(&opened("tls12-resumed")));
    let tls = &report["sessions"][0]["transfers"][1]["tls"];
    assert_eq!(tls["secret"], "resumed");
}

/// Writers add a secrets block when the key comes, which may be behind the packets it opens.
#[test]
fn secrets_of_a_capture_are_used_wherever_they_stand() {
    let folder = Folder::new("tls-blocks");
    let bytes = std::fs::read(data("tls12-resumed.pcapng")).expect("a capture");
    let (mut others, mut secrets) = (Vec::new(), Vec::new());
    let mut rest = bytes.as_slice();
    while let [a, b, c, d, e, f, g, h, ..] = *rest {
        let length = u32::from_le_bytes([e, f, g, h]) as usize;
        let (block, behind) = rest.split_at(length);
        if u32::from_le_bytes([a, b, c, d]) == SECRETS_BLOCK {
            secrets.extend_from_slice(block);
        } else {
            others.extend_from_slice(block);
        }
        rest = behind;
    }
    assert!(!secrets.is_empty());
    folder.write("behind.pcapng", &[others, secrets].concat());
    let expected = course(&opened("tls12-resumed"));
    for capture in [&data("tls12-resumed.pcapng"), "behind.pcapng"] {
        let report = folder.report(&[capture]);
        assert_eq!(course(&report), expected, "{capture}");
        assert_eq!(report["sessions"][0]["tls"]["secret"], "capture");
    }
    let report = folder.report(&["behind.pcapng", "--no-decrypt"]);
    assert_eq!(report["sessions"][0]["tls"]["obstacle"], "off");
}

/// Type of a decryption secrets block.
const SECRETS_BLOCK: u32 = 10;

#[test]
fn key_log_of_another_client_opens_nothing_and_is_reported() {
    let (capture, keys) = (data("tls13.pcap"), data("tls12-resumed.keys"));
    let report = report("tls-other-keys", &[&capture, "--keylog", &keys]);
    let session = &report["sessions"][0];
    assert_eq!(session["tls"]["obstacle"], "no-secret");
    assert_eq!(session["transfers"], json!([]));
    let warning = &report["warnings"][0];
    assert_eq!(
        (&warning["code"], &warning["count"]),
        (&json!("secrets-missing"), &json!(4))
    );
}

#[test]
fn wrong_secrets_let_no_content_into_the_report() {
    let folder = Folder::new("tls-wrong-keys");
    let keys = std::fs::read_to_string(data("tls13.keys")).expect("a key log");
    let wrong: Vec<String> = keys
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.replace(&line[line.len() - 4..], "0000"))
        .collect();
    folder.write("wrong.keys", wrong.join("\n").as_bytes());
    let report = folder.report(&[&data("tls13.pcap"), "--keylog", "wrong.keys"]);
    let session = &report["sessions"][0];
    assert_eq!(session["tls"]["obstacle"], "wrong-secret");
    assert_eq!(session["tls"]["records_opened"], 0);
    assert_eq!(session["login"]["user"], Value::Null);
}

#[test]
fn no_decrypt_uses_nothing_and_key_files_that_cannot_be_used_are_refused() {
    let report = report("tls-off", &[&data("tls13.pcap"), "--no-decrypt"]);
    assert_eq!(report["sessions"][0]["tls"]["obstacle"], "off");
    let folder = Folder::new("tls-refused");
    let capture = data("tls13.pcap");
    for arguments in [
        ["analyze", &capture, "--keylog", "nowhere"],
        ["analyze", &capture, "--keylog", "."],
        ["analyze", &capture, "--tls-key", &data("ecdsa.key")],
    ] {
        let text = folder.run(&arguments);
        assert!(text.starts_with("exit 2"), "{text}");
    }
}

#[test]
fn check_rules_about_tls_hold_for_a_resumed_session_that_was_read() {
    let folder = Folder::new("tls-rules");
    let rules = [
        "all-decrypted",
        "data-resumes-control",
        "tls-1.2-or-newer",
        "tls-closed-properly",
    ];
    let (capture, keys) = (data("tls12-resumed.pcap"), data("tls12-resumed.keys"));
    for rule in rules {
        let text = folder.run(&["check", &capture, "--keylog", &keys, "--rule", rule]);
        assert!(text.starts_with("exit 0"), "{rule}: {text}");
    }
    // Session ids and tickets of TLS 1.2 prove it without any key.
    let text = folder.run(&["check", &capture, "--rule", "data-resumes-control"]);
    assert!(text.starts_with("exit 0"), "{text}");
    let (capture, keys) = (data("tls13.pcap"), data("tls13.keys"));
    let text = folder.run(&[
        "check",
        &capture,
        "--keylog",
        &keys,
        "--rule",
        "data-resumes-control",
    ]);
    assert!(text.starts_with("exit 1"), "{text}");
}
