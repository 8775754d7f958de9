//! FTPS read with secrets: what is inside is reported as if it had been sent in clear.

mod damaged;
mod partial;

use std::path::PathBuf;

use crate::support::folder::Folder;
use ftpscope::model::record::TlsSecret;
use ftpscope::model::{Direction, FrameRef};
use ftpscope::protocol::tls::decryption::{Connection, Keyring, Receiver};
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

/// Captures of `tests/lab/ftps.py`: one script against the servers, by `OpenSSL` and `GnuTLS`.
const LAB: [&str; 7] = [
    "proftpd-ccc",
    "proftpd-renegotiation",
    "pureftpd-active-1.2-resumed",
    "pureftpd-lftp-1.3",
    "pyftpdlib-implicit-2121",
    "suite-1.0-AES256-SHA",
    "vsftpd-python-1.3",
];

/// Files of the script: name, size, digest.
const FILES: [(&str, u64, &str); 3] = [
    (
        "data.bin",
        6000,
        "f956bc246092e92aede22cbda5908709d51b9d404749071a776313ff107cb737",
    ),
    (
        "notes.txt",
        500,
        "743355949a7dc32ca13589f493c11440f7fb47ad3c56ae6deda4754c9085c94c",
    ),
    (
        "report.bin",
        3000,
        "310ad9ab4a0349b3ea3c3d3fefcfaba857b1788cb2de7ace39d31723811b79ff",
    ),
];

#[test]
fn sessions_of_real_servers_and_clients_are_read_as_if_in_clear() {
    for name in LAB {
        let report = opened(&format!("lab/{name}"));
        assert_eq!(report["warnings"], json!([]), "{name}");
        let sessions = report["sessions"].as_array().expect("sessions");
        assert_eq!(sessions.len(), 1, "{name}");
        let session = &sessions[0];
        assert_eq!(session["login"]["user"], "mira", "{name}");
        assert_eq!(session["verdict"]["status"], "ok", "{name}");
        assert_eq!(session["encrypted_data"], json!([]), "{name}");
        let tls = &session["tls"];
        assert_eq!(tls["obstacle"], Value::Null, "{name}");
        assert_eq!(tls["records"], tls["records_opened"], "{name}");
        let transfers = session["transfers"].as_array().expect("transfers");
        for (file, size, digest) in FILES {
            let transfer = transfers.iter().find(|one| one["name"] == file);
            let transfer = transfer.unwrap_or_else(|| panic!("{name}: no {file}"));
            assert_eq!(transfer["bytes"], size, "{name} {file}");
            assert_eq!(transfer["sha256"], digest, "{name} {file}");
            assert_eq!(transfer["completeness"], "complete", "{name} {file}");
            assert_eq!(
                transfer["tls"]["close_notify"],
                json!({"client": true, "server": true})
            );
        }
    }
    let tls = &opened("lab/proftpd-renegotiation")["sessions"][0]["tls"];
    assert_eq!(tls["renegotiations"], 1);
}

/// Wrong secrets must not make data connections vanish that without any would be listed.
#[test]
fn session_with_wrong_secrets_lists_its_data_connections() {
    for name in ["pureftpd-active-1.2-resumed", "vsftpd-python-1.3"] {
        let capture = data(&format!("lab/{name}.pcap"));
        let folder = Folder::new("tls-wrong-lab");
        let keys = std::fs::read_to_string(data(&format!("lab/{name}.keys"))).expect("a key log");
        let wrong = |line: &str| {
            let end = if line.ends_with('0') { "1" } else { "0" };
            format!("{}{end}\n", line.split_at(line.len() - 1).0)
        };
        let lines = keys.lines().filter(|line| !line.starts_with('#'));
        folder.write(
            "wrong.keys",
            lines.map(wrong).collect::<String>().as_bytes(),
        );
        let session = &folder.report(&[&capture, "--keylog", "wrong.keys"])["sessions"][0];
        assert_eq!(session["tls"]["obstacle"], "wrong-secret", "{name}");
        let data = session["encrypted_data"].as_array().expect("connections");
        assert_eq!(data.len(), 4, "{name}");
        assert!(data.iter().all(|one| one.get("sha256").is_none()), "{name}");
    }
}

#[test]
fn opened_data_of_a_session_that_stays_closed_has_its_content() {
    let name = "vsftpd-python-1.3";
    let folder = Folder::new("tls-data-only");
    let keys = std::fs::read_to_string(data(&format!("lab/{name}.keys"))).expect("a key log");
    let lines: Vec<&str> = keys.lines().filter(|line| !line.starts_with('#')).collect();
    let control = lines[0].split(' ').nth(1).expect("a random");
    let others = lines.iter().filter(|line| !line.contains(control));
    let others: Vec<&str> = others.copied().collect();
    folder.write("data.keys", others.join("\n").as_bytes());
    let capture = data(&format!("lab/{name}.pcap"));
    let report = folder.report(&[&capture, "--keylog", "data.keys", "--extract", "out"]);
    let session = &report["sessions"][0];
    assert_eq!(session["tls"]["obstacle"], "no-secret");
    let data = session["encrypted_data"].as_array().expect("connections");
    let digests: Vec<&Value> = data.iter().map(|one| &one["sha256"]).collect();
    for ((file, size, digest), entry) in FILES.iter().zip(&data[1..]) {
        assert_eq!(entry["sha256"], *digest, "{file}: {digests:?}");
        assert_eq!(
            (&entry["bytes"], &entry["missing_bytes"]),
            (&json!(size), &json!(0))
        );
        let saved = entry["saved_as"].as_str().expect("a path");
        assert!(saved.starts_with("unmatched/"), "{saved}");
    }
    let directions: Vec<&Value> = data.iter().map(|one| &one["direction"]).collect();
    assert_eq!(directions, ["download", "download", "download", "upload"]);
}

/// Returns the packets of a pcap file: header and bytes of each.
fn packets(capture: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    let mut rest = &capture[24..];
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_le_bytes(length.try_into().expect("4 bytes")) as usize;
        let (packet, behind) = rest.split_at(16 + length);
        packets.push(packet);
        rest = behind;
    }
    packets
}

/// Returns the payload of a TCP packet over IPv4, and whether a port of it is that of the control connection.
fn payload(packet: &[u8]) -> Option<(&[u8], bool)> {
    let frame = packet.get(16..)?;
    let ip = frame.get(14..)?;
    let header = usize::from(ip.first()? & 15) * 4;
    let length = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let tcp = ip.get(header..length)?;
    let ports = [&tcp[0..2], &tcp[2..4]];
    let offset = usize::from(tcp[12] >> 4) * 4;
    Some((&tcp[offset..], ports.contains(&&21_u16.to_be_bytes()[..])))
}

/// What is captured and what is missing have to add up to the file, whatever segments are lost behind the hellos.
#[test]
fn lost_segments_of_data_are_missing_bytes_of_exact_number_and_place() {
    let mut random = 0x9e37_79b9_u32;
    let mut draw = |limit: u32| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random % limit
    };
    for (round, name) in (0..24).zip(LAB.iter().filter(|name| !name.contains("1.0")).cycle()) {
        let capture = std::fs::read(data(&format!("lab/{name}.pcap"))).expect("a capture");
        let per_mille = [1, 10, 50, 100][round % 4];
        let mut lossy = capture[..24].to_vec();
        for packet in packets(&capture) {
            let is_data = payload(packet).is_some_and(|(bytes, control)| {
                // A hello that is lost closes the connection: nothing is to be shown here.
                let is_hello = matches!(bytes, [22, 3, _, _, _, 1 | 2, ..]);
                !control && !bytes.is_empty() && !is_hello && !name.contains("implicit")
            });
            if !is_data || draw(1000) >= per_mille {
                lossy.extend_from_slice(packet);
            }
        }
        let folder = Folder::new("tls-loss");
        folder.write("lossy.pcap", &lossy);
        let keys = data(&format!("lab/{name}.keys"));
        let report = folder.report(&["lossy.pcap", "--keylog", &keys]);
        let transfers = &report["sessions"][0]["transfers"];
        for transfer in transfers.as_array().expect("transfers") {
            let file = FILES.iter().find(|(file, ..)| transfer["name"] == *file);
            let Some((file, size, digest)) = file else {
                continue;
            };
            let place = format!("round {round}, {name}, {file}: {transfer}");
            let tls = &transfer["tls"];
            assert_eq!(tls["records"], tls["records_opened"], "{place}");
            if tls["obstacle"].is_null() {
                let sum = transfer["bytes"]
                    .as_u64()
                    .zip(transfer["missing_bytes"].as_u64());
                assert_eq!(
                    sum.map(|(seen, missing)| seen + missing),
                    Some(*size),
                    "{place}"
                );
            }
            if transfer["missing_bytes"] == 0 && tls["obstacle"].is_null() {
                assert_eq!(transfer["sha256"], *digest, "{place}");
            }
        }
    }
}

/// Content of both directions, by [`Direction::index`].
#[derive(Default)]
struct Said([Vec<u8>; 2]);

impl Receiver for Said {
    fn content(&mut self, way: Direction, _: FrameRef, bytes: &[u8]) {
        self.0[way.index()].extend_from_slice(bytes);
    }

    fn gap(&mut self, _: Direction, _: FrameRef, _: u64) {}
}

/// Parses a recorded stream: key log lines behind `K`, bytes of client and server behind `C` and `S`.
fn recorded(name: &str) -> (String, Vec<(Direction, Vec<u8>)>) {
    let text = std::fs::read_to_string(data(&format!("streams/{name}.txt"))).expect("a stream");
    let (mut keys, mut flights) = (String::new(), Vec::new());
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').expect("two fields");
        if kind == "K" {
            keys.push_str(rest);
            keys.push('\n');
            continue;
        }
        let digit = |at| u8::from_str_radix(&rest[at..at + 2], 16).expect("hex");
        let bytes = (0..rest.len()).step_by(2).map(digit).collect();
        let way = if kind == "C" {
            Direction::Up
        } else {
            Direction::Down
        };
        flights.push((way, bytes));
    }
    (keys, flights)
}

/// What each side sent at a time.
type Flights = Vec<(Direction, Vec<u8>)>;

#[test]
fn streams_cut_or_changed_at_any_byte_let_only_true_content_out() {
    for name in ["tls13-aes256-gcm", "tls12-aes128-sha", "tls12-aes128-ccm8"] {
        let (keys, flights) = recorded(name);
        let total: usize = flights.iter().map(|(_, bytes)| bytes.len()).sum();
        let said = |change: &dyn Fn(&mut Flights)| {
            let mut changed = flights.clone();
            change(&mut changed);
            let mut keyring = Keyring::default();
            keyring.add_key_log(TlsSecret::Keylog, keys.as_bytes());
            let mut connection = Connection::new("C".into());
            let (mut said, at) = (Said::default(), FrameRef::default());
            for (way, bytes) in &changed {
                connection.data(*way, bytes, at, &mut keyring, &mut said);
            }
            connection.finish(at, &mut keyring, &mut said);
            said.0
        };
        let whole = said(&|_| {});
        assert!(whole.iter().all(|text| !text.is_empty()), "{name}");
        for place in (0..total).step_by(3) {
            let cut = said(&|flights| {
                let mut left = place;
                for (_, bytes) in flights {
                    let kept = left.min(bytes.len());
                    bytes.truncate(kept);
                    left -= kept;
                }
            });
            let flipped = said(&|flights| {
                let mut at = place;
                for (_, bytes) in flights {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 0x20;
                        return;
                    }
                    at -= bytes.len();
                }
            });
            for way in [0, 1] {
                assert!(whole[way].starts_with(&cut[way]), "{name}, cut at {place}");
                let is_part = flipped[way].is_empty()
                    || whole[way]
                        .windows(flipped[way].len())
                        .any(|part| part == flipped[way]);
                assert!(is_part, "{name}, changed at {place}");
            }
        }
    }
}
