use std::sync::Arc;

use super::*;
use crate::report::example::example_session;

/// The document of these sessions.
fn document(sessions: &[Session], columns: &Columns) -> String {
    let mut finished = FinishedSessions::new();
    for session in sessions {
        finished.push(session.id, |out| write_session(session, columns, out));
    }
    let mut out = Vec::new();
    write_document(finished, columns, &mut out).expect("memory takes it");
    String::from_utf8(out).expect("CSV is UTF-8")
}

/// The cells of a document as a reader of CSV finds them, the header first.
fn cells(document: &str) -> Vec<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(document.as_bytes());
    reader
        .records()
        .map(|row| row.expect("a row").iter().map(str::to_owned).collect())
        .collect()
}

/// The cells of one column, by its name.
fn column(document: &str, name: &str) -> Vec<String> {
    let mut rows = cells(document).into_iter();
    let header = rows.next().expect("a header");
    let place = header.iter().position(|column| column == name);
    let place = place.unwrap_or_else(|| panic!("no {name} in {header:?}"));
    rows.map(|row| row[place].clone()).collect()
}

/// The example session with another path of its download.
fn with_path(path: &str) -> Session {
    let mut session = example_session();
    let mut download = Transfer::clone(&session.transfers[1]);
    download.path = Some(path.to_owned());
    session.transfers = vec![Arc::new(download)];
    session
}

#[test]
fn row_has_the_facts_of_a_transfer_and_its_session() {
    let mut rows = cells(&document(&[example_session()], &Columns::default()));
    assert_eq!(rows.len(), 4);
    let download = rows.swap_remove(2);
    let pairs = rows[0].iter().zip(download);
    let lines: Vec<String> = pairs
        .map(|(column, cell)| format!("{column}: {cell}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    session: 1
    start: 2026-11-20T15:54:41.376485000Z
    duration: 42.28
    client: 192.168.0.2
    client_port: 1175
    server: 192.168.0.1
    server_port: 21
    server_name: ftp.any-domain.com
    user: ftp
    login_outcome: accepted
    encrypted: false
    verdict_status: failed
    verdict_text: readme.txt was downloaded whole; the upload of notes.txt was refused (550)
    transfer: 2
    frame: 39
    time: 2026-11-20T15:55:05.261485000Z
    verb: RETR
    argument: readme.txt
    path: /pub/readme.txt
    direction: download
    mode: active
    data_type: ascii
    bytes: 1715
    missing_bytes: 0
    announced_bytes: 1715
    restart_offset: 0
    completeness: complete
    evidence: FIN of the sender; 226; 1715 bytes announced
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    media_type: text/plain
    saved_as: 192.168.0.1_21/1/pub/readme.txt
    connection_client: 192.168.0.2
    connection_client_port: 5002
    connection_server: 192.168.0.1
    connection_server_port: 20
    connection_start: 2026-11-20T15:55:05.265485000Z
    connection_duration: 0.012
    ");
}

#[test]
fn session_without_transfers_has_a_row() {
    let mut silent = example_session();
    silent.id = 2;
    silent.transfers.clear();
    let text = document(&[silent, example_session()], &Columns::default());
    assert_eq!(column(&text, "session"), ["1", "1", "1", "2"]);
    assert_eq!(column(&text, "transfer"), ["1", "2", "3", ""]);
    assert_eq!(column(&text, "evidence")[3], "");
    assert_eq!(column(&text, "verdict_status")[3], "failed");
}

#[test]
fn document_without_sessions_is_the_header() {
    let text = document(&[], &Columns::default());
    assert!(text.starts_with("session,start,duration,client,"));
    assert!(text.ends_with("\r\n"));
    assert_eq!(cells(&text).len(), 1);
}

#[test]
fn commas_and_quotes_stay_in_their_cell() {
    let text = document(&[with_path("/a, \"b\".txt")], &Columns::default());
    assert!(text.contains(",\"/a, \"\"b\"\".txt\","), "{text}");
    assert_eq!(column(&text, "path"), ["/a, \"b\".txt"]);
}

#[test]
fn row_is_one_line_whatever_a_name_contains() {
    let text = document(
        &[with_path("/a\r\n\t\0\x1b]0;b\u{202e}\u{85}.txt")],
        &Columns::default(),
    );
    assert_eq!(text.lines().count(), 2);
    let visible = "/a\\x0d\\x0a\\x09\\x00\\x1b]0;b\\u{202e}\\x85.txt";
    assert_eq!(column(&text, "path"), [visible]);
}

#[test]
fn text_like_a_formula_gets_a_quote() {
    for (name, cell) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        ("\t=1", "\\x09=1"),
    ] {
        let mut session = with_path(name);
        session.login.user = Some(name.to_owned());
        session.server.name = Some(name.to_owned());
        session.verdict.text = name.to_owned();
        let transfer = Arc::make_mut(&mut session.transfers[0]);
        for text in [
            &mut transfer.argument,
            &mut transfer.saved_as,
            &mut transfer.media_type,
        ] {
            *text = Some(name.to_owned());
        }
        transfer.verb = name.to_owned();
        transfer.evidence = vec![name.to_owned(), name.to_owned()];
        let text = document(&[session], &Columns::default());
        for place in [
            "user",
            "server_name",
            "verdict_text",
            "verb",
            "argument",
            "path",
            "saved_as",
            "media_type",
        ] {
            assert_eq!(column(&text, place), [cell], "{place}");
        }
        let evidence = &column(&text, "evidence")[0];
        assert!(evidence.starts_with(cell), "{evidence}");
    }
}

#[test]
fn requested_digests_follow_sha256() {
    let mut session = with_path("/a");
    Arc::make_mut(&mut session.transfers[0]).md5 = Some("d41d8cd9".to_owned());
    let columns = Columns {
        md5: true,
        sha1: true,
        ..Columns::default()
    };
    let text = document(std::slice::from_ref(&session), &columns);
    assert!(text.contains(",sha256,md5,sha1,media_type,"));
    assert_eq!(column(&text, "md5"), ["d41d8cd9"]);
    assert_eq!(column(&text, "sha1"), [""]);
    // A column that nobody asked for is not there, whatever is known.
    let without = document(&[session], &Columns::default());
    assert!(without.contains(",sha256,media_type,"));
    assert!(!without.contains("d41d8cd9"));
}

#[test]
fn several_captures_add_path_and_frame_within_the_capture() {
    let mut session = example_session();
    let captures = vec!["a.pcap".to_owned(), "=b.pcap".to_owned()];
    for step in &mut session.steps {
        for command in &mut Arc::make_mut(step).commands {
            command.capture = Some(u32::from(command.verb == "RETR"));
            command.capture_frame = Some(command.frame + 1_000);
        }
    }
    let columns = Columns {
        captures,
        ..Columns::default()
    };
    let text = document(&[session], &columns);
    assert!(text.contains(",frame,capture_path,capture_frame,time,"));
    let expected = ["a.pcap", "'=b.pcap", "a.pcap"];
    assert_eq!(column(&text, "capture_path"), expected);
    for (frame, within) in column(&text, "frame")
        .iter()
        .zip(column(&text, "capture_frame"))
    {
        let frame: u64 = frame.parse().expect("a number");
        assert_eq!(within, (frame + 1_000).to_string());
    }
}

#[test]
fn transfer_without_a_captured_command_has_no_frame() {
    let mut session = example_session();
    for step in &mut session.steps {
        Arc::make_mut(step).commands.clear();
    }
    let text = document(&[session], &Columns::default());
    assert_eq!(column(&text, "frame"), ["", "", ""]);
    assert_eq!(column(&text, "time"), ["", "", ""]);
    assert_eq!(column(&text, "verb"), ["LIST", "RETR", "STOR"]);
}

#[test]
fn cells_equal_the_fields_of_the_json_report() {
    let session = example_session();
    let text = document(std::slice::from_ref(&session), &Columns::default());
    let json = serde_json::to_value(&session).expect("JSON");
    let shown = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for name in ["start", "duration", "verdict_status", "verdict_text"] {
        let value = match name.split_once('_') {
            Some((object, field)) => &json[object][field],
            None => &json[name],
        };
        assert_eq!(column(&text, name)[0], shown(value), "{name}");
    }
    for name in [
        "verb",
        "argument",
        "path",
        "direction",
        "mode",
        "data_type",
        "bytes",
        "missing_bytes",
        "announced_bytes",
        "restart_offset",
        "completeness",
        "sha256",
        "media_type",
        "saved_as",
    ] {
        let transfers = json["transfers"].as_array().expect("a list");
        let expected: Vec<String> = transfers.iter().map(|one| shown(&one[name])).collect();
        assert_eq!(column(&text, name), expected, "{name}");
    }
}
