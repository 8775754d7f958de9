//! Packets out: what `carve` writes is read back as the same sessions.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::connection::Side;
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::folder::Folder;
use crate::support::recording::{packets, pcap};
use crate::support::specimens;
use crate::support::wire::Wire;
use crate::support::wrapping::{fragmented, wrappings};

/// The sessions of a report without ids, frame numbers and names of captures.
fn sessions(report: &Value) -> Vec<Value> {
    let list = report["sessions"].as_array().expect("a list");
    list.iter().map(comparable).collect()
}

fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| {
                !name.contains("frame")
                    && !["id", "uid", "sessions", "capture", "display_filter"]
                        .contains(&name.as_str())
            });
            Value::Object(
                kept.map(|(name, value)| (name.clone(), comparable(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::String(text) => without_frames(text).into(),
        other => other.clone(),
    }
}

/// Replaces the numbers behind the word "frame".
fn without_frames(text: &str) -> String {
    let mut parts = text.split("frame");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || "s ,#-".contains(c));
        out.push_str("frame ");
        out.push_str(rest);
    }
    out
}

/// Carves a capture and returns the reports before and after.
fn carved(folder: &Folder, capture: &str, options: &[&str]) -> (Value, Value) {
    let mut arguments = vec!["carve", "-q", "-w", "carved.pcapng", capture];
    arguments.extend(options);
    assert_eq!(folder.run(&arguments), "exit 0\n");
    (folder.report(&[capture]), folder.report(&["carved.pcapng"]))
}

#[test]
fn carving_any_capture_gives_the_same_sessions() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let folder = Folder::new("carved");
    let mut compared = 0;
    for entry in fs::read_dir(captures).expect("a folder") {
        let path = entry.expect("an entry").path();
        let path = path.to_str().expect("UTF-8");
        let (before, after) = carved(&folder, path, &[]);
        let before = sessions(&before);
        assert_eq!(before, sessions(&after), "{path}");
        compared += before.len();
    }
    assert!(compared >= 18);
}

#[test]
fn carving_situations_in_which_files_get_lost_gives_the_same_sessions() {
    let folder = Folder::new("specimens");
    for (number, capture) in [
        specimens::plain_passive(),
        specimens::extended_passive_ipv6(),
        specimens::active_from_port_20(),
        specimens::lost_segment(),
        specimens::conflicting_retransmission(),
        specimens::bytes_after_reset(),
        specimens::translated_address(),
        specimens::pipelined(),
    ]
    .into_iter()
    .enumerate()
    {
        folder.write("capture.pcap", &capture);
        let (before, after) = carved(&folder, "capture.pcap", &[]);
        assert_eq!(sessions(&before), sessions(&after), "specimen {number}");
    }
}

#[test]
fn fragments_and_tunnels_are_carved_as_they_were_captured() {
    let folder = Folder::new("fragments");
    let recorded = packets(&specimens::plain_passive());
    let pieces = fragmented(&recorded, 512, |_, pieces| pieces.reverse());
    folder.write("capture.pcap", &pcap(1, &pieces));
    let (before, after) = carved(&folder, "capture.pcap", &[]);
    assert_eq!(sessions(&before), sessions(&after));
    assert_eq!(after["captures"][0]["packets"], pieces.len());
    for wrapping in wrappings() {
        let wrapped = wrapping.apply(&recorded);
        folder.write("capture.pcap", &pcap(wrapping.link_type.into(), &wrapped));
        let (before, after) = carved(&folder, "capture.pcap", &[]);
        assert_eq!(sessions(&before), sessions(&after), "{}", wrapping.name);
        assert_eq!(sessions(&after).len(), 1, "{}", wrapping.name);
    }
}

/// Two sessions at once, and a connection that is no FTP.
fn two_users() -> Vec<u8> {
    let mut first = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    first.retrieve("first.txt", 40_001, 50_001, b"of the first");
    let wire = std::mem::replace(&mut first.wire, Wire::new());
    let mut second = Conversation::open_on(wire, "192.0.2.11:39022", "192.0.2.20:21");
    second.exchange("USER other", "331 Password required.");
    second.exchange("PASS other-secret", "230 Logged in.");
    second.retrieve("second.txt", 40_002, 50_002, b"of the second");
    let mut foreign = second.passive_data(40_003, 8080);
    foreign.open(&mut second.wire);
    foreign.stream(
        &mut second.wire,
        Side::Client,
        b"GET / HTTP/1.1\r\n\r\n",
        SEGMENT,
    );
    foreign.close(&mut second.wire, Side::Client);
    second.part();
    first.wire = second.wire;
    first.quit()
}

#[test]
fn only_the_chosen_session_is_carved() {
    let folder = Folder::new("chosen");
    folder.write("capture.pcap", &two_users());
    let (before, after) = carved(
        &folder,
        "capture.pcap",
        &["--where", "login.user == 'other'"],
    );
    assert_eq!(sessions(&before).len(), 2);
    let chosen = sessions(&after);
    assert_eq!(chosen, sessions(&before)[1..]);
    let bytes = fs::read(folder.path().join("carved.pcapng")).expect("a file");
    let contains = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(contains(b"of the second"));
    assert!(!contains(b"of the first") && !contains(b"GET /"));
    // The comments of packets are made from the report, in which secrets are hidden.
    assert!(contains(b"step 4: RETR second.txt") || contains(b"RETR second.txt: 13 bytes"));
}

#[test]
fn each_session_gets_a_file_where_the_name_has_a_pattern() {
    let folder = Folder::new("split");
    folder.write("capture.pcap", &two_users());
    let arguments = ["carve", "-q", "-w", "session-{id}.pcapng", "capture.pcap"];
    assert_eq!(folder.run(&arguments), "exit 0\n");
    let before = sessions(&folder.report(&["capture.pcap"]));
    for (session, name) in before.iter().zip(["session-1.pcapng", "session-2.pcapng"]) {
        assert_eq!(
            sessions(&folder.report(&[name])),
            std::slice::from_ref(session)
        );
    }
    assert_eq!(
        folder
            .run(&["carve", "-w", "{id}/../one.pcapng", "capture.pcap"])
            .lines()
            .next(),
        Some("exit 2"),
    );
}

#[test]
fn files_are_named_by_the_uids_of_their_sessions() {
    let folder = Folder::new("uids");
    folder.write("capture.pcap", &two_users());
    let arguments = ["carve", "-q", "-w", "{uid}.pcapng", "capture.pcap"];
    assert_eq!(folder.run(&arguments), "exit 0\n");
    let report = folder.report(&["capture.pcap"]);
    for session in report["sessions"].as_array().expect("a list") {
        let uid = session["uid"].as_str().expect("a text");
        let carved = folder.report(&[&format!("{uid}.pcapng")]);
        assert_eq!(carved["sessions"][0]["uid"], uid);
    }
}

#[test]
fn kinds_of_packets_can_be_left_out() {
    let folder = Folder::new("kinds");
    folder.write("capture.pcap", &two_users());
    let (_, after) = carved(&folder, "capture.pcap", &["--only", "control"]);
    for session in after["sessions"].as_array().expect("a list") {
        assert_eq!(session["transfers"][0]["connection"], Value::Null);
    }
}

#[test]
fn what_cannot_be_carved_is_refused_with_a_reason() {
    let folder = Folder::new("refused");
    folder.write("capture.pcap", &two_users());
    folder.write("empty.pcap", &pcap(1, &[]));
    let told = [
        folder.run(&["carve", "-w", "out.pcapng", "-"]),
        folder.run(&["carve", "-w", "capture.pcap", "capture.pcap"]),
        folder.run(&["carve", "-w", "out.pcapng", "empty.pcap"]),
        folder.run(&["carve", "-w", "out.pcapng", "--fail-if-empty", "empty.pcap"]),
        folder.run(&[
            "carve",
            "-w",
            "out.pcapng",
            "--session",
            "7",
            "capture.pcap",
        ]),
        folder.run(&["carve", "-w", "no/such/folder.pcapng", "capture.pcap"]),
        folder.run(&["carve", "-w", "{foo}.pcapng", "capture.pcap"]),
    ];
    insta::assert_snapshot!(told.join("\n"));
    assert!(!folder.path().join("out.pcapng").exists());
}

#[test]
fn copy_that_is_not_redacted_is_noted_and_an_old_file_stays_without_a_session() {
    let folder = Folder::new("carve-notes");
    folder.write("capture.pcap", &two_users());
    let carve = ["carve", "-w", "out.pcapng", "capture.pcap"];
    let said = folder.run(&carve);
    let note = "-w copies packets as they are: out.pcapng may hold secrets";
    assert!(said.contains(note), "{said}");
    let said = folder.run(&[&carve[..], &["--redact", "all"]].concat());
    assert!(!said.contains("may hold secrets"), "{said}");
    let said = folder.run(&[&carve[..], &["--session", "7"]].concat());
    assert!(
        said.contains("nothing is written, out.pcapng stays as it was"),
        "{said}"
    );
}

#[test]
fn embedded_secrets_open_the_carved_file_and_no_other_connection() {
    let folder = Folder::new("embedded");
    let capture = fs::canonicalize("testdata/tls/tls13.pcap").expect("a capture");
    let capture = capture.to_str().expect("a path");
    let keys = fs::read("testdata/tls/tls13.keys").expect("a key log");
    let secret = "a5".repeat(48);
    let stranger = format!("CLIENT_RANDOM {} {secret}\n", "5a".repeat(32));
    folder.write("all.keys", &[stranger.as_bytes(), &keys].concat());
    let keys = ["--keylog", "all.keys"];
    let (before, after) = carved(
        &folder,
        capture,
        &[&["--embed-secrets"], &keys[..]].concat(),
    );
    assert_eq!(before["sessions"][0]["tls"]["decrypted"], false);
    let bytes = fs::read(folder.path().join("carved.pcapng")).expect("a capture");
    assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none());
    assert_eq!(after["sessions"][0]["tls"]["decrypted"], true);
    assert_eq!(after["sessions"][0]["tls"]["secret"], "capture");
    let digests = |report: &Value| -> Vec<Value> {
        let transfers = report["sessions"][0]["transfers"].as_array();
        let transfers = transfers.expect("a list").iter();
        transfers.map(|one| one["sha256"].clone()).collect()
    };
    let opened = folder.report(&[&keys[..], &[capture]].concat());
    assert!(digests(&opened).iter().any(Value::is_string));
    assert_eq!(digests(&after), digests(&opened));

    // Carved once more, the secrets come from the file itself.
    folder.write("once.pcapng", &bytes);
    let (once, twice) = carved(&folder, "once.pcapng", &["--embed-secrets"]);
    assert_eq!(digests(&once), digests(&opened));
    assert_eq!(digests(&twice), digests(&opened));
}

/// The commands of the first session, without the one that begins TLS.
fn verbs(report: &Value) -> Vec<Value> {
    let steps = report["sessions"][0]["steps"].as_array().expect("a list");
    let commands = steps.iter().filter_map(|step| step["commands"].as_array());
    let verbs = commands.flatten().map(|command| command["verb"].clone());
    verbs.filter(|verb| verb != "AUTH").collect()
}

/// Names, sizes, digests and completeness of the transfers of the first session.
fn moved(report: &Value) -> Vec<[Value; 4]> {
    let transfers = report["sessions"][0]["transfers"].as_array();
    let transfers = transfers.expect("a list").iter();
    let fields = ["path", "bytes", "sha256", "completeness"];
    transfers
        .map(|one| fields.map(|name| one[name].clone()))
        .collect()
}

#[test]
fn copy_in_clear_has_the_commands_and_files_of_the_encrypted_session() {
    let folder = Folder::new("clear");
    for name in ["tls13", "tls12-resumed", "tls13-resumed"] {
        let file = |extension: &str| {
            let path = format!("testdata/tls/{name}.{extension}");
            let path = fs::canonicalize(path).expect("a file");
            path.to_str().expect("a path").to_owned()
        };
        let (capture, keys) = (file("pcap"), file("keys"));
        let keys = ["--keylog", keys.as_str()];
        let (closed, clear) = carved(&folder, &capture, &[&["--decrypted"], &keys[..]].concat());
        let opened = folder.report(&[&keys[..], &[capture.as_str()]].concat());
        assert_eq!(verbs(&clear), verbs(&opened), "{name}");
        assert_eq!(moved(&clear), moved(&opened), "{name}");
        assert!(moved(&clear).len() > 2);
        assert_eq!(clear["sessions"][0]["tls"], Value::Null, "{name}");
        let login = |report: &Value| comparable(&report["sessions"][0]["login"]);
        assert_eq!(login(&clear), login(&opened), "{name}");
        assert_ne!(moved(&closed), moved(&opened));
        // What was made has its comment.
        let bytes = fs::read(folder.path().join("carved.pcapng")).expect("a capture");
        let comments = memchr::memmem::find_iter(&bytes, b"made by ftpscope").count();
        assert!(comments > 50, "{comments}");

        // Without secrets nothing can be written in clear.
        let (_, nothing) = carved(&folder, &capture, &["--decrypted"]);
        assert_eq!(nothing["sessions"], serde_json::json!([]), "{name}");
    }
}

#[test]
fn sessions_in_clear_are_carved_as_they_are_beside_copies() {
    let folder = Folder::new("clear-too");
    folder.write("capture.pcap", &two_users());
    let (before, after) = carved(&folder, "capture.pcap", &["--decrypted"]);
    assert_eq!(sessions(&after), sessions(&before));
}

/// A block of a pcapng file in big endian.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = u32::try_from(body.len() + 12).expect("short").to_be_bytes();
    [&kind.to_be_bytes(), &length[..], &body, &length].concat()
}

/// An option in big endian.
fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short");
    let mut option = [code.to_be_bytes(), length.to_be_bytes()].concat();
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

/// The session of two users as pcapng, with a name, a snap length, a filter and a speed of the interface, and a comment on the
/// fourth packet.
fn annotated() -> Vec<u8> {
    let header = [
        0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
    ];
    let interface = [
        vec![0, 1, 0, 0, 0, 0, 0x23, 0x28],
        option(2, b"backup0"),
        option(8, &1_000_000_000_u64.to_be_bytes()),
        option(11, b"\0host customer-nine"),
        option(0, b""),
    ];
    let mut file = [block(0x0a0d_0d0a, &header), block(1, &interface.concat())].concat();
    for (number, packet) in packets(&two_users()).iter().enumerate() {
        let length = u32::try_from(packet.bytes.len())
            .expect("short")
            .to_be_bytes();
        let micros = 1_700_000_000_000_000 + 1000 * number as u64;
        let mut body = [
            &[0; 4][..],
            &micros.to_be_bytes(),
            &length,
            &length,
            &packet.bytes,
        ]
        .concat();
        body.resize(body.len().next_multiple_of(4), 0);
        if number == 3 {
            body.extend(option(1, b"this is where customer-nine hung up"));
            body.extend(option(0, b""));
        }
        file.extend(block(6, &body));
    }
    file
}

#[test]
fn comments_and_descriptions_of_interfaces_are_carried_over_unless_packets_are_redacted() {
    let folder = Folder::new("annotated");
    folder.write("customer-nine.pcapng", &annotated());
    let carve = |options: &[&str]| {
        let mut arguments = vec!["carve", "-q", "-w", "carved.pcapng", "customer-nine.pcapng"];
        arguments.extend(options);
        assert_eq!(folder.run(&arguments), "exit 0\n");
        fs::read(folder.path().join("carved.pcapng")).expect("a capture")
    };
    let count = |bytes: &[u8], text: &[u8]| memchr::memmem::find_iter(bytes, text).count();
    let bytes = carve(&[]);
    for text in [
        &b"this is where customer-nine hung up"[..],
        b"backup0",
        b"\0host customer-nine",
        &1_000_000_000_u64.to_le_bytes(),
        // Link type, reserved bytes, snap length.
        &[1, 0, 0, 0, 0x28, 0x23, 0, 0],
    ] {
        assert_eq!(count(&bytes, text), 1, "{text:?}");
    }
    // What is carved again has the comments still.
    folder.write("customer-nine.pcapng", &bytes);
    assert_eq!(count(&carve(&[]), b"hung up"), 1);
    let bytes = carve(&["--redact", "content"]);
    assert_eq!(count(&bytes, b"customer-nine"), 0);
    assert_eq!(count(&bytes, b"backup0"), 0);
    assert_eq!(count(&bytes, &[1, 0, 0, 0, 0x28, 0x23, 0, 0]), 1);
}
