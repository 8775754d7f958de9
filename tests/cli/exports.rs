//! `analyze --format zeek`, `zeek-json`, `eve`, `ecs`: reports for other programs.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::conversation::Conversation;
use crate::support::folder::Folder;

/// Creates a folder with `upload.pcap`, in which the tool runs.
fn with_upload(name: &str) -> Folder {
    let folder = Folder::new(name);
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/upload.pcap");
    folder.write("upload.pcap", &fs::read(capture).expect("a capture"));
    folder
}

#[test]
fn logs_of_zeek_share_their_uids_and_are_never_replaced() {
    let folder = with_upload("zeek");
    let arguments = ["analyze", "--format", "zeek", "-o", "logs", "upload.pcap"];
    let text = folder.run(&arguments);
    assert!(text.starts_with("exit 0"), "{text}");
    let log =
        |name: &str| fs::read_to_string(folder.path().join("logs").join(name)).expect("a log");
    let column = |log: &str, index: usize| -> Vec<String> {
        let rows = log.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| row.split('\t').nth(index).unwrap_or_default().to_owned())
            .collect()
    };
    let (ftp, conn, files) = (log("ftp.log"), log("conn.log"), log("files.log"));
    let connections = column(&conn, 1);
    assert!(column(&ftp, 1).iter().all(|uid| connections.contains(uid)));
    assert!(
        column(&files, 2)
            .iter()
            .all(|uid| connections.contains(uid))
    );
    assert!(
        column(&ftp, 18)
            .iter()
            .any(|fuid| column(&files, 1).contains(fuid))
    );
    assert!(
        ftp.contains("#open\t20")
            && ftp
                .trim_end()
                .lines()
                .last()
                .is_some_and(|line| line.starts_with("#close\t"))
    );
    let again = folder.run(&arguments);
    assert!(again.starts_with("exit 2"), "{again}");
    assert!(again.contains("ftp.log"), "{again}");
    assert_eq!(log("ftp.log"), ftp);
}

#[test]
fn formats_of_several_files_ask_for_a_directory() {
    let text = with_upload("zeek-stdout").run(&["analyze", "--format", "zeek", "upload.pcap"]);
    assert!(text.starts_with("exit 2"), "{text}");
    assert!(text.contains("--output"), "{text}");
}

/// Returns the sorted lines of standard output that are JSON.
fn json_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with('{')).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn live_writes_the_lines_of_analyze() {
    let folder = with_upload("exports-live");
    for format in ["zeek-json", "eve", "ecs"] {
        let whole = folder.run(&["analyze", "--format", format, "upload.pcap"]);
        let live = folder.run(&["live", "-q", "--format", format, "-r", "upload.pcap"]);
        assert!(live.starts_with("exit 0"), "{live}");
        assert!(json_lines(&live).len() > 5, "{live}");
        assert_eq!(json_lines(&whole), json_lines(&live), "{format}");
    }
    let text = folder.run(&["live", "--format", "zeek", "-r", "upload.pcap"]);
    assert!(text.starts_with("exit 2"), "{text}");
}

#[test]
fn single_log_of_zeek_needs_no_directory() {
    let folder = with_upload("exports-log");
    let log = folder.run(&[
        "analyze",
        "--format",
        "zeek",
        "--logs",
        "conn",
        "upload.pcap",
    ]);
    assert!(
        log.starts_with("exit 0") && log.contains("#path\tconn\n"),
        "{log}"
    );
    let arguments = [
        "analyze",
        "--format",
        "zeek-json",
        "--logs",
        "ftp",
        "-o",
        "ftp.json",
    ];
    let text = folder.run(&[&arguments[..], &["upload.pcap"]].concat());
    assert!(text.starts_with("exit 0"), "{text}");
    let rows = fs::read_to_string(folder.path().join("ftp.json")).expect("a file");
    assert!(rows.starts_with("{\"ts\":"), "{rows}");
    let named = folder.run(&["analyze", "--format", "zeek-json", "upload.pcap"]);
    for log in ["ftp", "conn", "files"] {
        assert!(named.contains(&format!("{{\"_path\":\"{log}\"")), "{named}");
    }
}

#[test]
fn other_kinds_of_eve_events_come_on_demand() {
    let folder = with_upload("exports-kinds");
    let capture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/ftps-explicit.pcap");
    folder.write("ftps.pcap", &fs::read(capture).expect("a capture"));
    let kinds = |types: &[&str], capture| {
        let mut arguments = vec!["analyze", "--format", "eve"];
        arguments.extend(types);
        arguments.push(capture);
        let text = folder.run(&arguments);
        assert!(text.starts_with("exit 0"), "{text}");
        let events = json_lines(&text).into_iter().map(|line| {
            let event: Value = serde_json::from_str(line).expect("JSON");
            event["event_type"].as_str().expect("a type").to_owned()
        });
        events.collect::<std::collections::BTreeSet<_>>()
    };
    let basic = kinds(&[], "ftps.pcap");
    assert!(
        basic.contains("flow") && !basic.contains("tls"),
        "{basic:?}"
    );
    let all = "tls,dns,anomaly,alert";
    assert!(kinds(&["--eve-types", all], "ftps.pcap").contains("tls"));
    assert!(kinds(&["--eve-types", all], "upload.pcap").contains("anomaly"));
}

#[test]
fn every_table_of_csv_has_its_rows_and_no_password() {
    let folder = with_upload("exports-csv");
    for (table, column) in [
        ("sessions", "uploaded_bytes"),
        ("credentials", "password"),
        ("hosts", "bytes_received"),
        ("files", "sha256"),
    ] {
        let arguments = [
            "analyze",
            "--format",
            "csv",
            "--table",
            table,
            "upload.pcap",
        ];
        let text = folder.run(&arguments);
        assert!(text.starts_with("exit 0"), "{text}");
        assert!(text.contains(column), "{text}");
        let header = text.lines().position(|line| line.contains(column));
        let rows = text.lines().skip(header.expect("a header") + 1);
        assert!(rows.filter(|line| line.contains(',')).count() > 0, "{text}");
        if table == "credentials" {
            assert!(text.contains("<hidden>"), "{text}");
        }
    }
    let text = folder.run(&[
        "analyze",
        "--format",
        "eve",
        "--table",
        "files",
        "upload.pcap",
    ]);
    assert!(
        text.starts_with("exit 2") && text.contains("--format csv"),
        "{text}"
    );
}

#[test]
fn number_of_threads_changes_no_byte() {
    let folder = Folder::new("threads");
    let content: Vec<u8> = (0..1_500_007_u32)
        .map(|at| (at % 251).to_le_bytes()[0])
        .collect();
    let mut talk = Conversation::logged_in("192.0.2.10:40000", "198.51.100.20:21");
    for (client, port) in [(50_001, 60_001), (50_002, 60_002)] {
        talk.retrieve("f.bin", client, port, &content);
    }
    folder.write("large.pcap", &talk.quit());
    let report = |threads| {
        let digests = [
            "analyze",
            "--format",
            "json",
            "--hash",
            "md5,sha1",
            "--threads",
        ];
        folder.run(&[&digests[..], &[threads, "large.pcap"]].concat())
    };
    let one = report("1");
    assert!(one.contains("\"sha1\": \""), "{one}");
    for threads in ["2", "8"] {
        assert_eq!(report(threads), one);
    }
}

#[test]
fn number_of_threads_changes_no_byte_of_decrypted_reports_and_files() {
    let folder = Folder::new("threads-tls");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls");
    for name in ["tls13.pcap", "tls13.keys"] {
        folder.write(name, &fs::read(data.join(name)).expect("a file"));
    }
    let with = |threads, output: &[&str]| {
        let out = folder.path().join("out");
        let _ = fs::remove_dir_all(&out);
        let arguments = [
            "analyze",
            "--keylog",
            "tls13.keys",
            "--hash",
            "md5,sha1",
            "--threads",
            threads,
        ];
        let text = folder.run(&[&arguments[..], output, &["tls13.pcap"]].concat());
        assert!(text.starts_with("exit 0"), "{text}");
        let mut files: Vec<_> = fs::read_dir(&out)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_file())
            .map(|path| (path.clone(), fs::read(path).expect("a file")))
            .collect();
        files.sort();
        assert!(!files.is_empty());
        (text, files)
    };
    let outputs: [&[&str]; 2] = [
        &["--format", "json", "-x", "out"],
        &["--format", "zeek", "-o", "out"],
    ];
    for output in outputs {
        let one = with("1", output);
        for threads in ["2", "8"] {
            assert!(with(threads, output) == one, "{output:?} with {threads}");
        }
    }
}

#[test]
fn schemas_of_all_formats_and_the_module_for_spark_are_printed() {
    let folder = Folder::new("exports-schema");
    for (format, part) in [
        ("csv", "\"credentials\""),
        ("zeek", "#path\tnotice"),
        ("zeek-json", "\"id.orig_h\""),
        ("eve", "\"ftp_data\""),
        ("ecs", "\"index_patterns\""),
        ("ndjson", "session_end"),
    ] {
        let text = folder.run(&["schema", "--format", format]);
        assert!(
            text.starts_with("exit 0") && text.contains(part),
            "{format}: {text}"
        );
    }
    #[cfg(feature = "parquet")]
    assert!(
        folder
            .run(&["schema", "--format", "parquet"])
            .contains("required binary uid (STRING);")
    );
    let alerts = folder.run(&["schema", "--eve-alerts"]);
    assert!(alerts.contains("959 || 5 || brute-force: "), "{alerts}");
    let module = folder.run(&["integration", "spark"]);
    assert!(
        module.contains("class FtpscopeDataSource(DataSource):"),
        "{module}"
    );
}

/// Returns the files of a zip archive whose files are stored.
fn stored_files(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut at = 0;
    while zip[at..].starts_with(b"PK\x03\x04") {
        let number = |from: usize, length: usize| {
            let bytes = &zip[at + from..at + from + length];
            let mut bytes = bytes.iter().rev();
            bytes
                .try_fold(0_usize, |sum, byte| Some(sum * 256 + usize::from(*byte)))
                .expect("a sum")
        };
        let (length, name) = (number(18, 4), number(26, 2));
        let begin = at + 30 + name;
        let name = String::from_utf8_lossy(&zip[at + 30..begin]).into_owned();
        files.push((name, zip[begin..begin + length].to_vec()));
        at = begin + length;
    }
    files
}

#[test]
fn profile_for_wireshark_colours_the_packets_of_each_session() {
    let folder = Folder::new("wireshark");
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let capture = captures.join("failed-login.pcap").display().to_string();
    let output = folder
        .command(&["integration", "wireshark", &capture])
        .output()
        .expect("it runs");
    assert!(output.status.success());
    let files = stored_files(&output.stdout);
    let text = |name: &str| -> String {
        let file = files
            .iter()
            .find(|(path, _)| path == &format!("ftpscope/{name}"));
        String::from_utf8_lossy(&file.expect("a file").1).into_owned()
    };
    let report = folder.report(&[&capture]);
    for session in report["sessions"].as_array().expect("sessions") {
        let filter = session["display_filter"].as_str().expect("a filter");
        assert!(text("colorfilters").contains(&format!("@{filter}@[")));
        assert!(text("dfilter_buttons").contains(&format!("\"{filter}\"")));
        assert!(text("dfilters").contains(filter));
    }
    assert_eq!(text("colorfilters").lines().count(), 4);
    assert_eq!(text("decode_as_entries"), "");
    let Some(rules) = coloring_rules(&folder, &files, &capture) else {
        return;
    };
    let of = |name: &str| rules.lines().filter(|rule| *rule == name).count();
    assert_eq!((of("FTP refused"), of("")), (2, 0), "{rules}");
    assert!(
        of("FTP session 1 failed") > 5 && of("FTP session 3 ok") > 5,
        "{rules}"
    );
}

#[test]
fn profile_for_wireshark_decodes_ftp_on_the_ports_of_the_capture() {
    let folder = Folder::new("wireshark-port");
    let mut ftp = Conversation::logged_in("192.0.2.10:40000", "192.0.2.20:3021");
    ftp.exchange("RETR gone.bin", "550 No such file.");
    let capture = folder.path().join("port.pcap").display().to_string();
    folder.write("port.pcap", &ftp.quit());
    let output = folder
        .command(&["integration", "wireshark", &capture])
        .output()
        .expect("it runs");
    let files = stored_files(&output.stdout);
    let Some(rules) = coloring_rules(&folder, &files, &capture) else {
        return;
    };
    let refused = rules.lines().filter(|rule| *rule == "FTP refused").count();
    assert_eq!(refused, 1, "{rules}");
}

/// Returns the rule that colours each packet, a line each, by the program that must accept each file of the profile;
/// `None` where it is not installed.
fn coloring_rules(folder: &Folder, files: &[(String, Vec<u8>)], capture: &str) -> Option<String> {
    let profile = folder.path().join("wireshark/profiles/ftpscope");
    std::fs::create_dir_all(&profile).expect("a folder");
    for (name, bytes) in files {
        let name = name.rsplit('/').next().expect("a name");
        std::fs::write(profile.join(name), bytes).expect("a file");
    }
    let shown = std::process::Command::new("tshark")
        .args([
            "-C",
            "ftpscope",
            "--color",
            "-T",
            "fields",
            "-e",
            "frame.coloring_rule.name",
        ])
        .args(["-r", capture])
        .env("XDG_CONFIG_HOME", folder.path())
        .output();
    let Ok(shown) = shown else {
        crate::support::passed_over("tshark is not installed");
        return None;
    };
    Some(String::from_utf8_lossy(&shown.stdout).into_owned())
}

#[cfg(feature = "parquet")]
#[test]
fn tables_of_several_runs_share_a_directory_and_are_the_same_each_time() {
    let folder = with_upload("parquet");
    let tables = [
        "captures",
        "commands",
        "findings",
        "sessions",
        "steps",
        "transfers",
    ];
    for part in ["a", "b"] {
        let arguments = [
            "analyze",
            "--format",
            "parquet",
            "-o",
            "out",
            "--part",
            part,
            "upload.pcap",
        ];
        let text = folder.run(&arguments);
        assert!(text.starts_with("exit 0"), "{text}");
        assert!(folder.run(&arguments).starts_with("exit 2"));
    }
    for part in ["c", "d"] {
        let arguments = ["analyze", "--format", "parquet", "-o", part, "upload.pcap"];
        assert!(folder.run(&arguments).starts_with("exit 0"));
    }
    let bytes = |path: String| fs::read(folder.path().join(path)).expect("a table");
    for table in tables {
        let [one, two] = ["c", "d"].map(|part| bytes(format!("{part}/{table}.parquet")));
        assert_eq!(one, two, "{table}");
        assert!(
            one.starts_with(b"PAR1") && one.ends_with(b"PAR1"),
            "{table}"
        );
        assert!(!bytes(format!("out/{table}/a.parquet")).is_empty());
    }
    let wrong = [
        "analyze",
        "--format",
        "parquet",
        "-o",
        "e",
        "--part",
        "../x",
        "upload.pcap",
    ];
    assert!(folder.run(&wrong).starts_with("exit 2"));
}

#[test]
fn passwords_are_hidden_in_every_export_unless_they_are_wanted() {
    let folder = with_upload("exports-secrets");
    for format in ["eve", "ecs"] {
        let text = folder.run(&["analyze", "--format", format, "upload.pcap"]);
        assert!(text.starts_with("exit 0"), "{text}");
        let lines = text.lines().filter(|line| line.starts_with('{'));
        assert!(lines.clone().count() > 5, "{text}");
        let commands = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        for event in commands.filter(|event| event["ftp"]["command"] == "PASS") {
            assert_eq!(event["ftp"]["command_data"], "<hidden>");
        }
    }
    let wrong = [
        "analyze",
        "--format",
        "zeek",
        "--local",
        "10.0.0.0/40",
        "upload.pcap",
    ];
    let text = folder.run(&wrong);
    assert!(
        text.starts_with("exit 2") && text.contains("10.0.0.0/40"),
        "{text}"
    );
}
