//! Diagrams of real captures and of the classic session, in every format.

use std::process::Command;

use ftpscope::capture::{CaptureSet, ReadOptions};
use ftpscope::diagram::{Channel, Detail, Diagram, DiagramRecorder, Lane, RowKind};
use ftpscope::model::trace::Tracing;
use ftpscope::pipeline::{Options, analyze};
use ftpscope::report::ReportBuilder;

use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use crate::support::wire::Wire;

/// Row by row the textbook picture: where an arrow begins, where it points, and what stands on it.
#[test]
fn the_classic_session_at_packets_has_every_row_of_the_picture() {
    let diagram = classic(Detail::Packets);
    let rows: Vec<(Lane, Lane, &str)> = diagram
        .rows_at(Detail::Packets)
        .filter_map(|row| match row.kind {
            RowKind::Arrow { from, to, .. } => Some((from, to, row.label.as_str())),
            _ => None,
        })
        .collect();
    let expected: Vec<(Lane, Lane, &str)> = PICTURE
        .iter()
        .map(|(way, label)| {
            let (from, to) = lanes(way);
            (from, to, *label)
        })
        .collect();
    for (place, (row, expected)) in rows.iter().zip(&expected).enumerate() {
        assert_eq!(row, expected, "row {place}");
    }
    assert_eq!(rows.len(), expected.len());
    let frames: Vec<u64> = diagram
        .rows_at(Detail::Packets)
        .filter_map(|row| row.frame)
        .collect();
    let all: Vec<u64> = (1..=67).collect();
    assert_eq!(frames, all, "every packet is drawn once, in order");
}

#[test]
fn the_classic_session_has_the_headings_of_the_picture() {
    let diagram = classic(Detail::Packets);
    let phases: Vec<&str> = diagram
        .rows
        .iter()
        .filter(|row| row.kind == RowKind::Phase)
        .map(|row| row.label.as_str())
        .collect();
    assert_eq!(
        phases,
        [
            "DNS query for the server's address",
            "Control connection and login (USER, PASS)",
            "Directory listing (PORT and LIST)",
            "Change directory (CWD)",
            "Download (PORT and RETR)",
            "Logout",
        ]
    );
}

#[test]
fn fields_have_the_names_and_values_of_the_packets() {
    let diagram = classic(Detail::Packets);
    let fields = |label: &str| {
        let row = diagram.rows.iter().find(|row| row.label == label);
        row.expect("the row").fields.clone()
    };
    let has = |label: &str, name: &str, value: &str| {
        let fields = fields(label);
        assert!(
            fields.iter().any(|(n, v)| *n == name && v == value),
            "{label}: {fields:?}"
        );
    };
    has("query A ftp.any-domain.com", "dns.qry.type", "A");
    has("response 192.168.0.21", "dns.count.answers", "1");
    has("SYN", "tcp.srcport", "1175");
    has("SYN", "tcp.dstport", "21");
    has("SYN ACK", "tcp.flags.ack", "1");
    has("220 ANY-DOMAIN.COM FTP Service", "ftp.response.code", "220");
    has("PORT 192,168,0,2,19,137", "ftp.active.port", "5001");
    has("DATA, 115 bytes, FIN ACK", "tcp.flags.fin", "1");
}

#[test]
fn the_state_follows_the_replies() {
    let diagram = classic(Detail::Packets);
    let at = |label: &str| {
        let row = diagram.rows.iter().find(|row| row.label == label);
        row.expect("the row").state.clone()
    };
    assert_eq!(at("USER ftp").user, None);
    let retrieving = at("150 Opening ASCII mode data connection for readme.txt(1715 bytes).");
    assert_eq!(retrieving.user.as_deref(), Some("ftp"));
    assert_eq!(retrieving.mode, "active");
    assert_eq!((retrieving.bytes, retrieving.open.len()), (202, 0));
    let last = at("DATA, 115 bytes, FIN ACK");
    assert_eq!((last.bytes, last.open.len()), (1_917, 0));
    let data = diagram
        .rows
        .iter()
        .find(|row| row.label == "DATA, 400 bytes");
    assert_eq!(data.expect("the row").state.open, ["20 ↔ 5002"]);
}

#[test]
fn messages_need_no_packets() {
    let labels = |diagram: &Diagram| -> Vec<String> {
        diagram
            .rows_at(Detail::Messages)
            .map(|row| row.label.clone())
            .collect()
    };
    assert_eq!(
        labels(&classic(Detail::Messages)),
        labels(&classic(Detail::Packets))
    );
}

#[test]
fn encryption_begins_with_the_handshake_and_ends_where_commands_can_be_read_again() {
    let implicit = drawn(&capture("ftps-implicit.pcap"), Detail::Messages);
    let rows: Vec<_> = implicit[0].rows_at(Detail::Messages).collect();
    let handshake = rows
        .iter()
        .position(|row| row.label.starts_with("TLS 1.3"))
        .expect("a handshake");
    let data = rows
        .iter()
        .position(|row| row.label == "data connection opens")
        .expect("data");
    assert!(handshake < data);
    assert_eq!(rows[handshake - 1].label, "Encryption");
    assert!(!rows[handshake - 2].state.encrypted && rows[data].state.encrypted);
    let cleared = drawn(&capture("ftps-ccc.pcap"), Detail::Messages);
    let state = |label: &str| {
        let mut rows = cleared[0].rows_at(Detail::Messages);
        let row = rows.find(|row| row.label.starts_with(label));
        row.expect("a row").state.encrypted
    };
    assert!(state("234"));
    assert!(!state("PWD") && !state("QUIT"));
}

#[test]
fn attempts_to_open_a_data_connection_that_nobody_answers_are_marked() {
    let blocked = drawn(&capture("blocked-active.pcap"), Detail::Messages);
    let rows: Vec<_> = blocked[0].rows_at(Detail::Messages).collect();
    let heading = rows
        .iter()
        .position(|row| row.label == "data connection does not open")
        .expect("a heading");
    assert!(rows[heading + 1].label == "SYN" && rows[heading + 1].failed);
}

#[test]
fn a_long_transfer_is_folded() {
    let diagrams = drawn(&capture("loss.pcap"), Detail::Packets);
    let row = diagrams
        .iter()
        .flat_map(|diagram| &diagram.rows)
        .find(|row| row.label.starts_with('…'))
        .expect("a folded row");
    assert!(row.label.contains(" segments, "), "{}", row.label);
    let data = |row: &&ftpscope::diagram::Row| {
        matches!(
            row.kind,
            RowKind::Arrow {
                channel: Channel::Data,
                ..
            }
        )
    };
    let rows = diagrams
        .iter()
        .flat_map(|diagram| diagram.rows_at(Detail::Packets));
    assert!(rows.filter(data).count() < 150);
}

#[test]
fn diagrams_of_captures_as_text_and_as_other_texts() {
    for (name, detail, format) in [
        ("classic.pcap", "packets", "text"),
        ("classic.pcap", "steps", "text"),
        ("classic.pcap", "messages", "mermaid"),
        ("classic.pcap", "messages", "plantuml"),
        ("classic.pcap", "packets", "svg"),
        ("failed-login.pcap", "messages", "svg"),
        ("failed-login.pcap", "steps", "mermaid"),
        ("failed-login.pcap", "steps", "plantuml"),
        ("blocked-active.pcap", "messages", "text"),
        ("failed-login.pcap", "messages", "text"),
        ("ftps-explicit.pcap", "messages", "text"),
        ("loss.pcap", "packets", "text"),
        ("failed-login.pcap", "timeline", "svg"),
        ("failed-login.pcap", "timeline", "mermaid"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ftpscope"))
            .args(["diagram", "--detail", detail, "--format", format, name])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/captures"))
            .env("COLUMNS", "100")
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{name}");
        let text = String::from_utf8(output.stdout).expect("diagrams are UTF-8");
        insta::assert_snapshot!(format!("{name}-{detail}-{format}"), text);
    }
}

#[test]
fn mermaid_diagram_of_many_sessions_stays_within_what_mermaid_draws_and_has_no_gap() {
    let folder = Folder::new("mermaid-length");
    let mut wire = Wire::new();
    for number in 0..300 {
        let client = format!("192.0.2.10:{}", 30_000 + number);
        let mut ftp = Conversation::open_on(wire, &client, "192.0.2.20:21");
        ftp.exchange(&format!("USER {}", "a;#".repeat(30)), "331 Password?");
        ftp.exchange("PASS hazel", "530 No.");
        ftp.part();
        wire = ftp.wire;
    }
    folder.write("many.pcap", &wire.to_pcap());
    for detail in ["steps", "messages", "packets", "timeline"] {
        let arguments = [
            "diagram",
            "--detail",
            detail,
            "--format",
            "mermaid",
            "many.pcap",
        ];
        let output = folder.command(&arguments).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(
            (40_000..50_000).contains(&text.len()),
            "{detail}: {}",
            text.len()
        );
        if detail != "timeline" {
            // Sessions from the first on, each with all its rows up to the last one.
            let last = text.matches("Note over server,client: Session ").count();
            assert!(
                text.contains(&format!("Session {last}#58;")),
                "{detail}: {last}"
            );
            let left = text.lines().last().expect("a line");
            assert!(left.contains("rows left out"), "{left}");
        }
    }
}

fn classic(detail: Detail) -> Diagram {
    let diagrams = drawn(&crate::support::classic::classic(), detail);
    diagrams.into_iter().next().expect("one session")
}

fn capture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/captures");
    std::fs::read(format!("{folder}/{name}")).expect("a capture")
}

fn drawn(capture: &[u8], detail: Detail) -> Vec<Diagram> {
    let reader = Box::new(std::io::Cursor::new(capture.to_vec()));
    let inputs = vec![("capture".into(), reader as Box<dyn std::io::Read + Send>)];
    let mut source = CaptureSet::from_readers(inputs, ReadOptions::default());
    let options = Options {
        tracing: match detail {
            Detail::Packets => Tracing::Packets,
            _ => Tracing::Connections,
        },
        ..Options::default()
    };
    let mut builder = ReportBuilder::new(&options.limits);
    let mut recorder = DiagramRecorder::default();
    let mut events = (&mut builder, &mut recorder);
    let summary = analyze(&mut source, &options, &mut events, &mut ());
    let report = builder.finish(summary.captures, summary.totals);
    let sessions = report.sessions.iter();
    sessions.map(|session| recorder.diagram(session)).collect()
}

fn lanes(way: &str) -> (Lane, Lane) {
    match way {
        "→" => (Lane::Client, Lane::Server),
        "←" => (Lane::Server, Lane::Client),
        "?" => (Lane::Client, Lane::Dns),
        "!" => (Lane::Dns, Lane::Client),
        "typed" => (Lane::Console, Lane::Client),
        _ => (Lane::Client, Lane::Console),
    }
}

/// `→` client to server, `←` server to client, `?` and `!` to and from the DNS server, `typed` and `shown` at the console.
const PICTURE: &[(&str, &str)] = &[
    ("typed", "ftp ftp.any-domain.com"),
    ("?", "query A ftp.any-domain.com"),
    ("!", "response 192.168.0.21"),
    ("→", "SYN"),
    ("←", "SYN ACK"),
    ("→", "ACK"),
    ("←", "220 ANY-DOMAIN.COM FTP Service"),
    ("shown", "Name:"),
    ("→", "ACK"),
    ("typed", "ftp"),
    ("→", "USER ftp"),
    ("←", "ACK"),
    (
        "←",
        "331 Anonymous access allowed, send identity (e-mail name) as password.",
    ),
    ("shown", "Password:"),
    ("→", "ACK"),
    ("typed", "abc@any-domain.com"),
    ("→", "PASS abc@any-domain.com"),
    ("←", "ACK"),
    ("←", "230-Welcome to ftp.any-domain.com"),
    ("←", "230 Anonymous user logged in."),
    ("shown", "login successful"),
    ("→", "ACK"),
    ("typed", "dir"),
    ("→", "PORT 192,168,0,2,19,137"),
    ("←", "ACK"),
    ("←", "200 PORT command successful."),
    ("→", "LIST"),
    ("←", "ACK"),
    ("←", "150 Opening ASCII mode data connection for /bin/ls."),
    ("←", "SYN"),
    ("→", "SYN ACK"),
    ("←", "ACK"),
    ("←", "DATA, 202 bytes"),
    ("←", "226 Transfer complete."),
    ("→", "ACK"),
    ("→", "ACK"),
    ("shown", "listing: 3 entries"),
    ("←", "FIN ACK"),
    ("→", "ACK"),
    ("→", "FIN ACK"),
    ("←", "ACK"),
    ("typed", "cd pub"),
    ("→", "CWD pub"),
    ("←", "ACK"),
    ("←", "250 CWD command successful."),
    ("→", "ACK"),
    ("typed", "get readme.txt"),
    ("→", "PORT 192,168,0,2,19,138"),
    ("→", "PORT 192,168,0,2,19,138 (retransmission)"),
    ("←", "ACK"),
    ("←", "200 PORT command successful."),
    ("→", "RETR readme.txt"),
    ("←", "ACK"),
    (
        "←",
        "150 Opening ASCII mode data connection for readme.txt(1715 bytes).",
    ),
    ("←", "SYN"),
    ("→", "SYN ACK"),
    ("←", "ACK"),
    ("←", "DATA, 400 bytes"),
    ("←", "DATA, 400 bytes"),
    ("→", "ACK"),
    ("←", "DATA, 400 bytes"),
    ("←", "DATA, 400 bytes"),
    ("→", "ACK"),
    ("←", "DATA, 115 bytes, FIN ACK"),
    ("→", "ACK"),
    ("→", "FIN ACK"),
    ("←", "ACK"),
    ("←", "226 Transfer complete."),
    ("→", "ACK"),
    ("shown", "readme.txt: 1,715 bytes received"),
    ("typed", "bye"),
    ("→", "QUIT"),
    ("←", "ACK"),
    ("←", "221 Thank you for visiting ftp.any-domain.com."),
    ("→", "ACK"),
    ("←", "FIN ACK"),
    ("→", "ACK"),
    ("→", "FIN ACK"),
    ("←", "ACK"),
];
