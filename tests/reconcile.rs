//! Servers' logs beside captures: a capture made by hand, logs written from it, and the same logs altered.

mod servers;

use std::time::Duration;

use serde_json::Value;

use crate::support::assert_fits;
use crate::support::browser::Browser;
use crate::support::connection::Side;
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::folder::Folder;
use crate::support::wire::Wire;

/// Offset of the log's clock: zone +01:00, and half a second slow.
const SHIFT: i64 = 3_600;

/// A session with uploads, downloads, one that breaks off, and changes; `capture.pcap` in a folder.
fn recorded(name: &str) -> Folder {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("TYPE I", "200 Type set to I.");
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    for number in 1..=8_u16 {
        ftp.wire.wait(Duration::from_secs(7));
        let content = vec![b'x'; 1_000 + usize::from(number)];
        ftp.retrieve(
            &format!("file {number}.bin"),
            40_000 + number,
            50_000 + number,
            &content,
        );
    }
    ftp.wire.wait(Duration::from_secs(4));
    ftp.exchange("MKD new", "257 \"/new\" created");
    ftp.wire.wait(Duration::from_secs(4));
    ftp.exchange("RNFR file 1.bin", "350 Ready for RNTO.");
    ftp.exchange("RNTO new/one.bin", "250 Rename successful.");
    ftp.wire.wait(Duration::from_secs(4));
    ftp.exchange("DELE file 2.bin", "250 Deleted.");
    ftp.wire.wait(Duration::from_secs(4));
    ftp.passive(None, 50_020);
    let mut data = ftp.passive_data(40_020, 50_020);
    ftp.command("RETR big.bin");
    data.open(&mut ftp.wire);
    ftp.opening("big.bin", 500_000);
    let content = vec![b'y'; 20_000];
    data.stream(&mut ftp.wire, Side::Server, &content, SEGMENT);
    data.rst(&mut ftp.wire, Side::Client);
    ftp.reply("426 Connection closed; transfer aborted.");
    ftp.wire.wait(Duration::from_secs(9));
    ftp.retrieve("last.bin", 40_021, 50_021, b"the last one");
    let folder = Folder::new(name);
    folder.write("capture.pcap", &ftp.quit());
    folder
}

/// The log that vsftpd would have written of the capture.
fn vsftpd_log(folder: &Folder) -> Vec<String> {
    let report = folder.report(&["capture.pcap"]);
    let session = &report["sessions"][0];
    let mut lines = Vec::new();
    let user = session["login"]["user"].as_str().expect("a user");
    for step in session["steps"].as_array().expect("steps") {
        for command in step["commands"].as_array().expect("commands") {
            let verb = command["verb"].as_str().expect("a verb");
            let Some(reply) = command["replies"].as_array().and_then(|all| all.last()) else {
                continue;
            };
            let ok = match reply["code"].as_u64() {
                Some(..400) => "OK",
                _ => "FAIL",
            };
            let path = || {
                let argument = command["argument"].as_str().expect("an argument");
                format!("/{argument}")
            };
            let bytes = || {
                let id = step["transfer"].as_u64().expect("a transfer");
                let transfers = session["transfers"].as_array().expect("transfers");
                let transfer = transfers.iter().find(|one| one["id"] == id);
                transfer.expect("the transfer")["bytes"]
                    .as_u64()
                    .expect("bytes")
            };
            let claim = match verb {
                "PASS" => format!("{ok} LOGIN: Client \"192.0.2.10\""),
                "RETR" => format!(
                    "{ok} DOWNLOAD: Client \"192.0.2.10\", \"{}\", {} bytes, 9.00Kbyte/sec",
                    path(),
                    bytes()
                ),
                "MKD" => format!("{ok} MKDIR: Client \"192.0.2.10\", \"{}\"", path()),
                "DELE" => format!("{ok} DELETE: Client \"192.0.2.10\", \"{}\"", path()),
                "RNTO" => format!(
                    "{ok} RENAME: Client \"192.0.2.10\", \"/file 1.bin {}\"",
                    path()
                ),
                _ => continue,
            };
            let time: jiff::Timestamp = reply["time"]
                .as_str()
                .expect("a time")
                .parse()
                .expect("a time");
            let time = jiff::Timestamp::from_second(time.as_second() + SHIFT).expect("a time");
            let time = time.strftime("%a %b %e %H:%M:%S %Y");
            lines.push(format!("{time} [pid 7] [{user}] {claim}\n"));
        }
    }
    assert_eq!(lines.len(), 14);
    lines
}

/// The answer as JSON to these logs, each with its lines.
fn answer(folder: &Folder, logs: &[(&str, &[String])], options: &[&str]) -> (i32, Value) {
    let mut arguments = vec!["reconcile", "-q", "--format", "json"];
    arguments.extend(options);
    for (name, lines) in logs {
        folder.write(name, lines.concat().as_bytes());
        arguments.extend(["--log", name]);
    }
    arguments.push("capture.pcap");
    let output = folder.command(&arguments).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.unwrap_or_else(|_| panic!("{errors}"));
    (output.status.code().expect("an exit code"), answer)
}

fn totals(answer: &Value) -> [u64; 5] {
    let names = [
        "agrees",
        "differs",
        "log_only",
        "wire_only",
        "not_comparable",
    ];
    names.map(|name| answer["totals"][name].as_u64().expect("a count"))
}

fn only(answer: &Value, outcome: &str) -> Value {
    let claims = answer["claims"].as_array().expect("claims").iter();
    let mut found = claims.filter(|claim| claim["outcome"] == outcome);
    let first = found.next().expect("one").clone();
    assert_eq!(found.next(), None);
    first
}

#[test]
fn natural_log_of_another_zone_agrees_line_by_line() {
    let folder = recorded("reconcile-natural");
    let lines = vsftpd_log(&folder);
    let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    assert_eq!((code, totals(&answer)), (0, [14, 0, 0, 0, 0]), "{answer:#}");
    let clock = &answer["logs"][0]["clock"];
    assert_eq!(clock["zone"], "+01:00");
    assert!(
        clock["error_seconds"]
            .as_f64()
            .is_some_and(|error| error.abs() <= 1.0)
    );
    assert_eq!(answer["findings"], serde_json::json!([]));
}

#[test]
fn removed_line_is_an_event_without_a_line() {
    let folder = recorded("reconcile-removed");
    let mut lines = vsftpd_log(&folder);
    lines.remove(4);
    let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    assert_eq!((code, totals(&answer)), (1, [13, 0, 0, 1, 0]), "{answer:#}");
    let missing = &answer["wire_only"][0];
    assert_eq!(missing["path"], "/file 4.bin");
    assert_eq!(missing["logs"], serde_json::json!([0]));
    assert_eq!(answer["findings"][0]["id"], "log-entry-missing");
}

#[test]
fn added_line_is_in_the_log_only() {
    let folder = recorded("reconcile-added");
    let mut lines = vsftpd_log(&folder);
    let added = lines[5]
        .replace("file 5.bin", "secret.zip")
        .replace("1005", "77000");
    lines.insert(6, added);
    let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    assert_eq!((code, totals(&answer)), (1, [14, 0, 1, 0, 0]), "{answer:#}");
    assert_eq!(only(&answer, "log-only")["line"], 7);
    assert_eq!(answer["findings"][0]["id"], "log-entry-unseen");
}

#[test]
fn altered_fields_are_differences_of_the_same_line() {
    let folder = recorded("reconcile-altered");
    let lines = vsftpd_log(&folder);
    let user = lines[3]
        .split(['[', ']'])
        .nth(3)
        .expect("a user")
        .to_owned();
    for (field, from, to) in [
        ("bytes", "1003 bytes", "2003 bytes"),
        ("user", user.as_str(), "otto"),
        ("path", "/file 3.bin", "/evil.bin"),
        ("status", "OK DOWNLOAD", "FAIL DOWNLOAD"),
    ] {
        let mut lines = lines.clone();
        lines[3] = lines[3].replacen(from, to, 1);
        let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
        assert_eq!((code, totals(&answer)), (1, [13, 1, 0, 0, 0]), "{answer:#}");
        let claim = only(&answer, "differs");
        assert_eq!(claim["line"], 4);
        assert_eq!(claim["differences"][0]["field"], field);
        assert_eq!(claim["transfer"], 3);
    }
}

#[test]
fn broken_transfer_that_the_log_calls_complete_is_found() {
    let folder = recorded("reconcile-complete");
    let mut lines = vsftpd_log(&folder);
    assert!(lines[12].contains("FAIL DOWNLOAD"));
    lines[12] = lines[12]
        .replace("FAIL", "OK")
        .replace("20000 bytes", "500000 bytes");
    let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    assert_eq!((code, totals(&answer)), (1, [13, 1, 0, 0, 0]), "{answer:#}");
    // A server counts what it gave to its own TCP: the number alone is no lie.
    let differences = only(&answer, "differs")["differences"].clone();
    assert_eq!(
        differences,
        serde_json::json!([{"field": "status", "log": "complete", "wire": "aborted"}])
    );
    assert_eq!(answer["findings"][0]["id"], "log-claims-complete");
}

#[test]
fn line_moved_in_time_differs_by_its_time() {
    let folder = recorded("reconcile-moved");
    let mut lines = vsftpd_log(&folder);
    let last = lines[9].split(" [").next().expect("a time").to_owned();
    let own = lines[3].split(" [").next().expect("a time").to_owned();
    lines[3] = lines[3].replace(&own, &last);
    let (_, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    assert_eq!(totals(&answer), [13, 1, 0, 0, 0], "{answer:#}");
    let claim = only(&answer, "differs");
    assert_eq!(
        (&claim["line"], &claim["differences"][0]["field"]),
        (&4.into(), &"time".into())
    );
}

#[test]
fn line_of_one_of_several_equal_events_that_is_moved_in_time_differs_at_its_own() {
    let folder = crowded("reconcile-moved-equal");
    let lines = extended_log(&folder);
    let (_, natural) = answer(&folder, &[("x.log", &lines)], &[]);
    let claims = natural["claims"].as_array().expect("claims");
    let is_tried = |at: &usize| lines[*at].contains("same.bin") && at + 10 < lines.len();
    let tried: Vec<usize> = (20..lines.len()).step_by(3).filter(is_tried).collect();
    assert!(tried.len() >= 3);
    for at in tried {
        let mut doctored = lines.clone();
        let hour = doctored[at].split(':').nth(1).expect("an hour");
        let minute = doctored[at].split(':').nth(2).expect("a minute");
        let (own, moved) = (format!(":{hour}:{minute}:"), format!(":{hour}:39:"));
        doctored[at] = doctored[at].replacen(&own, &moved, 1);
        let (_, answer) = answer(&folder, &[("x.log", &doctored)], &[]);
        let claim = only(&answer, "differs");
        assert_eq!(claim["differences"][0]["field"], "time");
        let same = claims.iter().find(|claim| claim["line"] == at as u64 + 1);
        assert_eq!(claim["frames"], same.expect("a claim")["frames"], "{at}");
    }
}

#[test]
fn shuffled_split_and_rotated_logs_give_the_same_outcomes() {
    let folder = recorded("reconcile-order");
    let mut lines = vsftpd_log(&folder);
    lines.remove(4);
    let expected = [13, 0, 0, 1, 0];
    let mut shuffled = lines.clone();
    shuffled.reverse();
    shuffled.swap(2, 9);
    let (_, of_shuffled) = answer(&folder, &[("shuffled.log", &shuffled)], &[]);
    assert_eq!(totals(&of_shuffled), expected, "{of_shuffled:#}");
    let (first, second) = lines.split_at(4);
    let rotated = [("vsftpd.log.1", first), ("vsftpd.log", second)];
    let (_, of_rotated) = answer(&folder, &rotated, &[]);
    assert_eq!(totals(&of_rotated), expected, "{of_rotated:#}");
    let split = [("one.log", first), ("two.log", second)];
    let (_, of_split) = answer(&folder, &split, &[]);
    assert_eq!(totals(&of_split), expected, "{of_split:#}");
}

/// The lines of a vsftpd.log, as if all had been written this many seconds later.
fn later(lines: &[String], seconds: i64) -> Vec<String> {
    const FORM: &str = "%a %b %e %H:%M:%S %Y";
    let moved = |line: &String| {
        let (time, rest) = line.split_at(24);
        let time = jiff::civil::DateTime::strptime(FORM, time).expect("a time");
        let span = jiff::Span::new().seconds(seconds);
        let time = time.checked_add(span).expect("a time").strftime(FORM);
        format!("{time}{rest}")
    };
    lines.iter().map(moved).collect()
}

#[test]
fn other_runs_of_the_same_work_do_not_hide_what_was_done_to_the_captured_one() {
    let folder = recorded("reconcile-runs");
    let own = vsftpd_log(&folder);
    let (before, behind) = (later(&own, -2_843), later(&own, 4_177));
    let all = |own: &[String]| [&before, own, &behind].concat();
    let (code, natural) = answer(&folder, &[("vsftpd.log", &all(&own))], &[]);
    assert_eq!(
        (code, totals(&natural)),
        (0, [14, 0, 0, 0, 28]),
        "{natural:#}"
    );
    assert_eq!(natural["logs"][0]["clock"]["zone"], "+01:00");
    let mut lines = own.clone();
    lines[3] = lines[3].replace("1003 bytes", "2003 bytes");
    lines.remove(6);
    let (code, doctored) = answer(&folder, &[("vsftpd.log", &all(&lines))], &[]);
    assert_eq!(
        (code, totals(&doctored)),
        (1, [12, 1, 0, 1, 28]),
        "{doctored:#}"
    );
    assert_eq!(only(&doctored, "differs")["line"], 18);
    assert_eq!(doctored["wire_only"][0]["path"], "/file 6.bin");
}

#[test]
fn rotated_file_with_only_another_run_has_the_clock_of_its_neighbor() {
    let folder = recorded("reconcile-other-file");
    let own = vsftpd_log(&folder);
    let before = later(&own, -413);
    let logs = [("vsftpd.log", &*own), ("vsftpd.log.1", &*before)];
    let (code, answer) = answer(&folder, &logs, &[]);
    assert_eq!(
        (code, totals(&answer)),
        (0, [14, 0, 0, 0, 14]),
        "{answer:#}"
    );
}

#[test]
fn runs_of_exactly_an_hour_accuse_nobody_without_evidence() {
    let folder = recorded("reconcile-hours");
    let own = vsftpd_log(&folder);
    let mut lines = own.clone();
    lines.remove(6);
    let all = [later(&own, -3_600), lines, later(&own, 3_600)].concat();
    let (code, answer) = answer(&folder, &[("vsftpd.log", &all)], &[]);
    assert_eq!(code, 0, "{answer:#}");
    assert_eq!(totals(&answer)[1..4], [0, 0, 0], "{answer:#}");
}

#[test]
fn ports_of_clients_tell_the_captured_run_from_another() {
    let folder = recorded("reconcile-ports");
    let own: Vec<String> = vsftpd_log(&folder)
        .iter()
        .filter(|line| line.contains("OK DOWNLOAD"))
        .map(|line| {
            let time = jiff::civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", &line[..24]);
            let time = time.expect("a time").strftime("%Y-%m-%d %H:%M:%S");
            let parts: Vec<&str> = line.split('"').collect();
            let bytes = parts[4].split(' ').nth(1).expect("bytes");
            format!(
                "[I {time}] 192.0.2.10:39021-[mira] RETR /srv/ftp{} completed=1 bytes={bytes} seconds=0.01\n",
                parts[3]
            )
        })
        .collect();
    assert_eq!(own.len(), 9);
    let other: Vec<String> = own
        .iter()
        .map(|line| line.replace(":39021", ":40022"))
        .collect();
    // The same second of the same hour: only the port is another.
    let (code, both) = answer(&folder, &[("py.log", &[&*other, &*own].concat())], &[]);
    assert_eq!(code, 1, "{both:#}");
    // The last line may be about what came behind the capture.
    let [agree, differ, alone, ..] = totals(&both);
    assert_eq!((agree, differ), (9, 0), "{both:#}");
    assert!(alone >= 8, "{both:#}");
    let claims = both["claims"].as_array().expect("claims").iter();
    let alone = claims.filter(|claim| claim["outcome"] == "log-only");
    assert!(alone.clone().all(|claim| claim["line"].as_u64() <= Some(9)));
}

#[test]
fn log_that_begins_between_equal_events_misses_none_of_them() {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("TYPE I", "200 Type set to I.");
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    for number in 0..4_u16 {
        ftp.retrieve("same.bin", 40_000 + number, 50_000 + number, &[b'x'; 777]);
        ftp.wire.wait(Duration::from_millis(400));
    }
    for number in 4..8_u16 {
        ftp.wire.wait(Duration::from_secs(3));
        let name = format!("file{number}.bin");
        ftp.retrieve(&name, 40_000 + number, 50_000 + number, &[b'x'; 1_234]);
    }
    let folder = Folder::new("reconcile-begins");
    folder.write("capture.pcap", &ftp.quit());
    let report = folder.report(&["capture.pcap"]);
    let steps = report["sessions"][0]["steps"].as_array().expect("steps");
    let commands = steps.iter().filter_map(|step| step["commands"].as_array());
    let lines: Vec<String> = commands
        .flatten()
        .filter(|command| command["verb"] == "RETR")
        .map(|command| {
            let replies = command["replies"].as_array().expect("replies");
            let time = replies.last().expect("a reply")["time"]
                .as_str()
                .expect("a time");
            let time: jiff::Timestamp = time.parse().expect("a time");
            let time = jiff::Timestamp::from_second(time.as_second()).expect("a time");
            let name = command["argument"].as_str().expect("a name");
            let bytes = if name == "same.bin" { 777 } else { 1_234 };
            format!(
                "{} 1 192.0.2.10 {bytes} /{name} b _ o r mira ftp 0 * c\n",
                time.strftime("%a %b %e %H:%M:%S %Y")
            )
        })
        .collect();
    assert_eq!(lines.len(), 8);
    for begin in 2..4 {
        let (code, answer) = answer(&folder, &[("xferlog", &lines[begin..])], &[]);
        assert_eq!(code, 0, "{answer:#}");
    }
}

#[test]
fn log_of_another_day_cannot_be_compared() {
    let folder = recorded("reconcile-day");
    let lines: Vec<String> = vsftpd_log(&folder)
        .iter()
        .map(|line| line.replacen("2026", "2025", 1).replacen("2023", "2022", 1))
        .collect();
    let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    assert_eq!((code, totals(&answer)), (0, [0, 0, 0, 0, 14]), "{answer:#}");
    assert_eq!(answer["claims"][0]["reason"], "outside the capture's time");
}

#[test]
fn removed_login_among_others_of_the_same_second_is_that_of_its_session() {
    let mut wire = Wire::new();
    for session in 1..=6_u16 {
        let client = format!("192.0.2.10:{}", 39_020 + session);
        let mut ftp = Conversation::open_on(wire, &client, "192.0.2.20:21");
        ftp.exchange("USER mira", "331 Password required for mira");
        ftp.exchange("PASS hazel-lantern", "230 User mira logged in");
        ftp.wire.wait(Duration::from_millis(40));
        let content = vec![b'x'; 900 + usize::from(session)];
        ftp.retrieve(
            &format!("own{session}.bin"),
            40_000 + session,
            50_000 + session,
            &content,
        );
        ftp.wire.wait(Duration::from_millis(170));
        ftp.part();
        wire = ftp.wire;
    }
    let folder = Folder::new("reconcile-logins");
    folder.write("capture.pcap", &wire.to_pcap());
    let whole = extended_log(&folder);
    let is_login = |line: &&String| line.contains("\"PASS");
    assert_eq!(whole.iter().filter(is_login).count(), 6);
    for session in 2..=5 {
        let mut logins = 0;
        let lines: Vec<String> = whole
            .iter()
            .filter(|line| {
                logins += u32::from(is_login(line));
                !(is_login(line) && logins == session)
            })
            .cloned()
            .collect();
        let (code, accused) = answer(&folder, &[("doctored.log", &lines)], &[]);
        let missing = accused["wire_only"].as_array().expect("a list");
        let sessions: Vec<_> = missing.iter().map(|one| one["session"].as_u64()).collect();
        assert_eq!(
            (code, sessions),
            (1, vec![Some(u64::from(session))]),
            "{accused:#}"
        );
    }
}

/// Two clients, one after the other, with six downloads; `capture.pcap` in a folder.
fn two_clients(name: &str) -> Folder {
    let mut wire = Wire::new();
    for (client, files) in [(10, 5_u16), (11, 1)] {
        let address = format!("192.0.2.{client}:39021");
        let mut ftp = Conversation::open_on(wire, &address, "192.0.2.20:21");
        ftp.exchange("USER mira", "331 Password required for mira");
        ftp.exchange("PASS hazel-lantern", "230 User mira logged in");
        ftp.exchange("TYPE I", "200 Type set to I");
        for number in 1..=files {
            ftp.wire.wait(Duration::from_secs(4));
            let content = vec![b'x'; 1_000 + usize::from(client + number)];
            let name = format!("/f{}.bin", client + number);
            ftp.retrieve(&name, 40_000 + number, 50_000 + number, &content);
        }
        ftp.wire.wait(Duration::from_secs(8));
        ftp.exchange("QUIT", "221 Goodbye.");
        wire = std::mem::replace(&mut ftp.wire, Wire::new());
    }
    let folder = Folder::new(name);
    folder.write("capture.pcap", &wire.to_pcap());
    folder
}

/// The xferlog of a capture's downloads.
fn xferlog(folder: &Folder) -> Vec<String> {
    let report = folder.report(&["capture.pcap"]);
    let sessions = report["sessions"].as_array().expect("sessions").iter();
    let of_session = |session: &Value| -> Vec<String> {
        let client = session["client"]["ip"].as_str().expect("an address");
        let transfers = session["transfers"].as_array().expect("transfers").iter();
        let line = |transfer: &Value| {
            let time = transfer["connection"]["end"].as_str().expect("a time");
            let time: jiff::Timestamp = time.parse().expect("a time");
            let time = time.strftime("%a %b %d %H:%M:%S %Y");
            let path = transfer["path"].as_str().expect("a path");
            let bytes = &transfer["bytes"];
            format!("{time} 1 {client} {bytes} {path} b _ o r mira ftp 0 * c\n")
        };
        transfers.map(line).collect()
    };
    sessions.flat_map(of_session).collect()
}

#[test]
fn line_of_the_servers_own_host_is_about_what_no_capture_sees() {
    let folder = two_clients("reconcile-own-host");
    let mut lines = xferlog(&folder);
    lines.insert(3, lines[2].replace("192.0.2.10", "192.0.2.20"));
    let (code, of_server) = answer(&folder, &[("xferlog", &lines)], &[]);
    assert_eq!(
        (code, totals(&of_server)),
        (0, [6, 0, 0, 0, 1]),
        "{of_server:#}"
    );
    let claim = only(&of_server, "not-comparable");
    assert_eq!(claim["reason"], "client not captured");
    // Of a stranger, it is claimed and was not there.
    lines[3] = lines[2].replace("192.0.2.10", "192.0.2.77");
    let (code, of_stranger) = answer(&folder, &[("xferlog", &lines)], &[]);
    assert_eq!(
        (code, totals(&of_stranger)),
        (1, [6, 0, 1, 0, 0]),
        "{of_stranger:#}"
    );
}

#[test]
fn event_beside_a_line_that_the_edge_of_the_capture_excuses_is_not_missed() {
    let folder = crowded("reconcile-edge");
    let lines = extended_log(&folder);
    let place = |lines: &[String]| lines.iter().rposition(|line| line.contains("RNFR a.bin"));
    let last = place(&lines).expect("a line");
    assert_eq!(last + 2, lines.len(), "{}", lines[last]);
    // Within the last second: the line may be about what came behind it, and the event be its own.
    let mut altered = lines.clone();
    altered[last] = altered[last].replace("RNFR a.bin", "MDTM a.bin");
    let (code, edge) = answer(&folder, &[("edge.log", &altered)], &[]);
    let agree = lines.len() as u64 - 1;
    assert_eq!((code, totals(&edge)), (0, [agree, 0, 0, 0, 1]), "{edge:#}");
    let reason = only(&edge, "not-comparable")["reason"].clone();
    assert_eq!(reason, "too near the beginning or the end of the capture");
    // Before it, both are told.
    let earlier = place(&lines[..last]).expect("a line");
    let mut altered = lines.clone();
    altered[earlier] = altered[earlier].replace("RNFR a.bin", "MDTM a.bin");
    let (code, middle) = answer(&folder, &[("middle.log", &altered)], &[]);
    assert_eq!((code, totals(&middle)[3]), (1, 1), "{middle:#}");
}

#[test]
fn server_is_chosen_by_its_port_too() {
    let folder = two_clients("reconcile-server-port");
    let lines = xferlog(&folder);
    for (server, expected) in [
        ("192.0.2.20", (0, [6, 0, 0, 0, 0])),
        ("192.0.2.20:21", (0, [6, 0, 0, 0, 0])),
        ("192.0.2.20:2121", (0, [0, 0, 0, 0, 6])),
    ] {
        let (code, answer) = answer(&folder, &[("xferlog", &lines)], &["--server", server]);
        assert_eq!((code, totals(&answer)), expected, "{server}: {answer:#}");
    }
    let arguments = [
        "reconcile",
        "--log",
        "xferlog",
        "--server",
        "ftp:21",
        "capture.pcap",
    ];
    let output = folder.command(&arguments).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn log_of_other_clients_is_told_as_one() {
    let folder = two_clients("reconcile-other-clients");
    let lines = xferlog(&folder);
    let lines: Vec<String> = lines
        .iter()
        .map(|line| {
            line.replace("192.0.2.1", "198.51.100.1")
                .replace("/f", "/g")
        })
        .collect();
    let (code, strange) = answer(&folder, &[("xferlog", &lines)], &[]);
    assert_eq!(
        (code, totals(&strange)),
        (0, [0, 0, 0, 0, 6]),
        "{strange:#}"
    );
    for claim in strange["claims"].as_array().expect("claims") {
        assert_eq!(claim["reason"], "client not captured");
    }
    let text = folder.run(&["reconcile", "-q", "--log", "xferlog", "capture.pcap"]);
    assert!(text.contains("Nothing was compared"), "{text}");
}

#[test]
fn capture_in_the_place_of_a_log_is_named() {
    let folder = two_clients("reconcile-capture-as-log");
    for log in ["capture.pcap", "ftpscope:capture.pcap"] {
        let arguments = ["reconcile", "--log", log, "capture.pcap"];
        let output = folder.command(&arguments).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("it is a capture"), "{errors}");
        assert_eq!(output.status.code(), Some(3));
    }
}

#[test]
fn given_zone_is_told_as_it_was_given() {
    let folder = recorded("reconcile-zone");
    let lines = vsftpd_log(&folder);
    for (option, zone, error) in [
        ("auto", "+01:00", 0.0),
        ("+01:00", "+01:00", 0.0),
        ("Europe/Berlin", "+01:00", 0.0),
        ("UTC", "+00:00", 3_600.0),
    ] {
        let (_, answer) = answer(&folder, &[("vsftpd.log", &lines)], &["--log-tz", option]);
        let clock = &answer["logs"][0]["clock"];
        assert_eq!(clock["zone"], zone, "{option}");
        let told = clock["error_seconds"].as_f64().expect("a number");
        assert!((told - error).abs() < 1.0, "{option}: {told}");
        assert_eq!(totals(&answer)[0], 14, "{option}");
    }
}

#[test]
fn log_of_another_server_with_a_few_equal_names_accuses_nobody() {
    let folder = recorded("reconcile-other");
    let all = vsftpd_log(&folder);
    let line = |at: usize| all[at].replace("[pid 7] [", "[pid 7] [another");
    // As many lines as would not tell a clock, of a minute within the capture.
    let early = [line(6), line(7)];
    let early = early.map(|line| line.replace(" bytes", "77 bytes"));
    let lines: Vec<String> = later(&early, -10);
    let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    let [agrees, differs, log_only, wire_only, _] = totals(&answer);
    assert_eq!(
        (code, agrees, differs, log_only, wire_only),
        (0, 0, 0, 0, 0),
        "{answer:#}"
    );
}

#[test]
fn events_behind_the_last_line_are_not_missed() {
    let folder = recorded("reconcile-short");
    let mut lines = vsftpd_log(&folder);
    lines.truncate(9);
    let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    assert_eq!((code, totals(&answer)), (0, [9, 0, 0, 0, 0]), "{answer:#}");
}

#[test]
fn answer_is_as_its_schema_says() {
    let folder = recorded("reconcile-schema");
    let mut lines = vsftpd_log(&folder);
    lines.remove(4);
    lines[6] = lines[6].replace("[pid", "[p\u{1b}id");
    let (_, document) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    let schema = folder.run(&["schema", "--reconcile"]);
    let schema = schema.trim_start_matches("exit 0\n-- stdout\n");
    let schema: Value = serde_json::from_str(schema).expect("a schema");
    assert_fits(schema, &document);
}

#[test]
fn text_csv_and_junit_name_what_differs() {
    let folder = recorded("reconcile-formats");
    let mut lines = vsftpd_log(&folder);
    lines[3] = lines[3].replace("1003 bytes", "2003 bytes");
    folder.write("vsftpd.log", lines.concat().as_bytes());
    let run = |format| {
        let arguments = [
            "reconcile",
            "-q",
            "--format",
            format,
            "--log",
            "vsftpd.log",
            "capture.pcap",
        ];
        folder.run(&arguments)
    };
    let text = run("text");
    assert!(
        text.contains("2,003 in the log, 1,003 on the wire"),
        "{text}"
    );
    assert!(text.contains("vsftpd.log:4"), "{text}");
    let csv = run("csv");
    assert!(csv.contains("differs,transfer,vsftpd.log,4,"), "{csv}");
    let junit = run("junit");
    assert!(
        junit.contains("<failure type=\"differs\" message=\"bytes: 2,003"),
        "{junit}"
    );
}

#[test]
fn page_has_a_column_for_the_log() {
    let folder = recorded("reconcile-page");
    let mut lines = vsftpd_log(&folder);
    lines[3] = lines[3].replace("1003 bytes", "2003 bytes");
    let added = lines[5].replace("file 5.bin", "never there.bin");
    assert_ne!(added, lines[5]);
    lines.insert(6, added);
    let removed = lines.remove(8);
    assert!(removed.contains("file 7.bin"), "{removed}");
    folder.write("vsftpd.log", lines.concat().as_bytes());
    let arguments = [
        "reconcile",
        "-q",
        "--format",
        "html",
        "-o",
        "page.html",
        "--log",
        "vsftpd.log",
        "capture.pcap",
    ];
    let status = folder.command(&arguments).status().expect("it runs");
    assert_eq!(status.code(), Some(1));
    let page = folder.path().join("page.html");
    let Some(mut browser) = Browser::open(&page, "reconcile-page", (1280, 900)) else {
        return;
    };
    let overview = browser.text("document.getElementById('logs').innerText");
    for part in [
        "vsftpd.log: vsftpd, 14 lines",
        "12 agree, 1 differs, 1 only in the log, 1 only on the wire",
        "never there.bin",
        "bytes: 2,003 in the log, 1,003 on the wire",
    ] {
        assert!(overview.contains(part), "{part}: {overview}");
    }
    // The steps of the session: each transfer beside its line.
    let steps = browser.text(
        "[...document.querySelectorAll('#session table')[0].querySelectorAll('tr')].map((row) => [...row.cells].slice(3).map((cell) => cell.textContent).join('|')).join('\\n')",
    );
    assert!(steps.starts_with("Log|Step"), "{steps}");
    for (step, log) in [
        ("RETR file 2.bin", "agrees"),
        ("RETR file 3.bin", "differs"),
        ("RETR file 7.bin", "no line"),
        ("connected to", ""),
    ] {
        let row = steps.lines().find(|row| row.contains(step));
        let row = row.unwrap_or_else(|| panic!("{step}: {steps}"));
        assert!(row.starts_with(&format!("{log}|")), "{step}: {steps}");
    }
    let findings = browser.text("document.getElementById('session').innerText");
    assert!(
        findings.contains("no line in the log for a transfer on the wire"),
        "{findings}"
    );
    assert_eq!(browser.troubles, Vec::<String>::new());
}

#[test]
fn exit_codes_distinguish_usage_from_unreadable_logs() {
    let folder = recorded("reconcile-codes");
    let lines = vsftpd_log(&folder);
    folder.write("vsftpd.log", lines[1..].concat().as_bytes());
    let code = |arguments: &[&str]| {
        let mut all = vec!["reconcile", "-q"];
        all.extend(arguments);
        all.push("capture.pcap");
        folder
            .command(&all)
            .output()
            .expect("it runs")
            .status
            .code()
    };
    assert_eq!(code(&["--log", "vsftpd.log"]), Some(0));
    assert_eq!(code(&["--log", "no-such.log"]), Some(3));
    assert_eq!(code(&["--log", "empty.pcap"]), Some(3));
    assert_eq!(code(&["--log", "xferlog:vsftpd.log"]), Some(3));
    assert_eq!(code(&["--log", "text.txt"]), Some(3));
    assert_eq!(code(&["--log", "apache:vsftpd.log"]), Some(2));
    assert_eq!(
        code(&["--log", "vsftpd.log", "--tolerance", "soon"]),
        Some(2)
    );
    assert_eq!(code(&[]), Some(2));
    let mut altered = lines.clone();
    altered[3] = altered[3].replace("1003 bytes", "2003 bytes");
    folder.write("vsftpd.log", altered.concat().as_bytes());
    assert_eq!(code(&["--log", "vsftpd.log"]), Some(1));
    assert_eq!(code(&["--log", "vsftpd.log", "--report-only"]), Some(0));
}

/// Three sessions side by side within some twenty seconds, full of equal commands; `capture.pcap` in a folder.
fn crowded(name: &str) -> Folder {
    let mut wire = Wire::new();
    let mut sessions = Vec::new();
    for port in 0..3 {
        let client = format!("192.0.2.10:{}", 39_021 + port);
        let mut ftp = Conversation::open_on(wire, &client, "192.0.2.20:21");
        ftp.exchange("USER otto", "331 Password required for otto");
        ftp.wire.wait(Duration::from_millis(1_300));
        ftp.exchange("PASS wrong-one", "530 Login incorrect.");
        ftp.exchange("USER mira", "331 Password required for mira");
        ftp.exchange("PASS hazel-lantern", "230 User mira logged in");
        ftp.exchange("TYPE I", "200 Type set to I");
        wire = std::mem::replace(&mut ftp.wire, Wire::new());
        sessions.push(ftp);
    }
    for round in 0..48_u16 {
        let place = usize::from(round) * 7 / 2 % 3;
        let ftp = &mut sessions[place];
        std::mem::swap(&mut ftp.wire, &mut wire);
        ftp.wire.wait(Duration::from_millis(
            [40, 310, 760, 20][usize::from(round) % 4],
        ));
        let content = vec![b'x'; 900];
        match round % 6 {
            0 => ftp.exchange("CWD /pub", "250 CWD command successful"),
            1 | 4 => ftp.retrieve("same.bin", 40_000 + round, 50_000 + round, &content),
            2 => ftp.exchange("DELE none", "550 none: No such file or directory"),
            3 => {
                let name = format!("file{round}.bin");
                ftp.retrieve(&name, 40_000 + round, 50_000 + round, &content);
            }
            _ => {
                ftp.exchange("RNFR a.bin", "350 File exists, ready for destination name");
                ftp.exchange("RNTO b.bin", "250 Rename successful");
            }
        }
        std::mem::swap(&mut ftp.wire, &mut wire);
    }
    let folder = Folder::new(name);
    folder.write("capture.pcap", &wire.to_pcap());
    folder
}

/// The `ExtendedLog` that `ProFTPD` would have written of the capture.
fn extended_log(folder: &Folder) -> Vec<String> {
    let report = folder.report(&["capture.pcap"]);
    let mut lines = Vec::new();
    for session in report["sessions"].as_array().expect("sessions") {
        let mut user = "-";
        let steps = session["steps"].as_array().expect("steps").iter();
        let commands = steps.filter_map(|step| step["commands"].as_array());
        for command in commands.flatten() {
            let reply = command["replies"].as_array().and_then(|all| all.last());
            let Some(reply) = reply else { continue };
            let time = reply["time"].as_str().expect("a time");
            let code = reply["code"].as_u64().expect("a code");
            let request = match (command["verb"].as_str(), command["argument"].as_str()) {
                (Some("PASS"), _) => "PASS (hidden)".to_owned(),
                (Some(verb), Some(argument)) => format!("{verb} {argument}"),
                (verb, _) => verb.expect("a verb").to_owned(),
            };
            if code == 230 {
                user = "mira";
            }
            let bytes = if code == 226 { "900" } else { "-" };
            let instant: jiff::Timestamp = time.parse().expect("a time");
            let written = instant.strftime("%d/%b/%Y:%H:%M:%S +0000");
            let line =
                format!("192.0.2.10 UNKNOWN {user} [{written}] \"{request}\" {code} {bytes}\n");
            lines.push((time.to_owned(), line));
        }
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Lines in another order, the same for the same seed.
fn shuffled(lines: &[String], seed: u64) -> Vec<String> {
    let mut state = seed;
    let mut lines = lines.to_vec();
    for last in (1..lines.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let other = usize::try_from(state >> 33).expect("31 bits") % (last + 1);
        lines.swap(last, other);
    }
    lines
}

/// Outcomes by line, and frames of events without one, whatever the order.
fn outcomes(answer: &Value) -> (Vec<String>, Vec<String>) {
    let claims = answer["claims"].as_array().expect("claims").iter();
    let mut claims: Vec<String> = claims
        .map(|claim| format!("{} {}", claim["outcome"], claim["text"]))
        .collect();
    claims.sort();
    let events = answer["wire_only"].as_array().expect("events").iter();
    (
        claims,
        events.map(|event| event["frames"].to_string()).collect(),
    )
}

#[test]
fn crowded_log_gives_the_same_outcomes_in_any_order_and_in_any_parts() {
    let folder = crowded("reconcile-crowded");
    let whole = extended_log(&folder);
    let (code, natural) = answer(&folder, &[("whole.log", &whole)], &[]);
    assert_eq!(
        (code, natural["totals"]["agrees"].as_u64()),
        (0, Some(whole.len() as u64)),
        "{natural:#}"
    );
    let at = whole
        .iter()
        .position(|line| line.contains("file27.bin"))
        .expect("a line");
    let mut doctored = whole.clone();
    doctored.remove(at);
    let (code, accused) = answer(&folder, &[("doctored.log", &doctored)], &[]);
    assert_eq!(
        (code, accused["wire_only"][0]["path"].as_str()),
        (1, Some("file27.bin")),
        "{accused:#}"
    );
    for (lines, expected) in [
        (&whole, outcomes(&natural)),
        (&doctored, outcomes(&accused)),
    ] {
        for seed in 0..6 {
            let lines = shuffled(lines, seed);
            let (_, answer) = answer(&folder, &[("shuffled.log", &lines)], &[]);
            assert_eq!(outcomes(&answer), expected, "order {seed}");
        }
        for (one, two) in [(7, 20), (at - 3, at + 2), (50, 70), (60, 90)] {
            let (rest, last) = lines.split_at(two);
            let (first, middle) = rest.split_at(one);
            for names in [["c.log", "a.log", "b.log"], ["x.log", "x.log.1", "x.log.2"]] {
                let parts = [(names[0], last), (names[1], middle), (names[2], first)];
                let (_, answer) = answer(&folder, &parts, &[]);
                assert_eq!(outcomes(&answer), expected, "{names:?} at {one} and {two}");
            }
        }
    }
}

#[test]
fn line_that_a_rotation_cut_in_two_is_counted_and_its_event_not_missed() {
    let folder = crowded("reconcile-halves");
    let whole = extended_log(&folder).concat();
    for part in 1..24 {
        let at = whole.len() * part / 24;
        let (first, second) = whole.split_at(at);
        let is_cut = !first.ends_with('\n') && !second.starts_with('\n');
        let (first, second) = ([first.to_owned()], [second.to_owned()]);
        let alone = answer(&folder, &[("x.log", &second)], &[]);
        let both = answer(&folder, &[("x.log", &second), ("x.log.1", &first)], &[]);
        for (code, answer) in [alone, both] {
            let log = answer["logs"]
                .as_array()
                .expect("logs")
                .last()
                .expect("a log");
            assert_eq!(log["unreadable"], u64::from(is_cut), "{at}: {log}");
            assert_eq!(
                (code, &answer["wire_only"]),
                (0, &serde_json::json!([])),
                "{at}"
            );
        }
    }
}

#[test]
fn line_without_its_end_is_no_difference() {
    let folder = recorded("reconcile-open-end");
    let mut lines = vsftpd_log(&folder);
    let time = lines[10].split(" [").next().expect("a time").to_owned();
    lines.truncate(10);
    lines.push(format!("{time} 1 192.0.2.10 900"));
    let (code, answer) = answer(&folder, &[("vsftpd.log", &lines)], &[]);
    assert_eq!((code, totals(&answer)), (0, [10, 0, 0, 0, 0]), "{answer:#}");
    assert_eq!(answer["logs"][0]["unreadable"], 1);
}

#[test]
fn user_of_another_line_does_not_accuse() {
    let folder = crowded("reconcile-inferred");
    let mut lines = extended_log(&folder);
    // The lines of the users that were rejected stand behind their passwords.
    let otto = lines
        .iter()
        .position(|line| line.contains("USER otto"))
        .expect("a line");
    let line = lines.remove(otto);
    lines.insert(otto + 4, line);
    let (code, answer) = answer(&folder, &[("x.log", &lines)], &[]);
    assert_eq!(code, 0, "{answer:#}");
}

#[test]
fn line_that_a_name_on_the_wire_holds_is_no_claim() {
    for end in ["\n", "\0", "\r"] {
        let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
        for number in 1..=5_u16 {
            ftp.wire.wait(Duration::from_secs(4));
            let content = vec![b'x'; 1_000 + usize::from(number)];
            ftp.retrieve(
                &format!("/f{number}.bin"),
                40_000 + number,
                50_000 + number,
                &content,
            );
        }
        let forged = "[I 2026-03-02 10:00:16] 192.0.2.10:39021-[mira] DELE /srv/evidence";
        ftp.exchange(&format!("MKD /a{end}{forged}"), "257 made");
        ftp.wire.wait(Duration::from_secs(4));
        ftp.retrieve("/last.bin", 40_020, 50_020, &[b'x'; 3_000]);
        ftp.wire.wait(Duration::from_secs(4));
        let folder = Folder::new("reconcile-injected");
        folder.write("capture.pcap", &ftp.quit());
        let mut lines: Vec<String> = folder.report(&["capture.pcap"])["sessions"][0]["transfers"]
            .as_array()
            .expect("transfers")
            .iter()
            .map(|transfer| {
                let time = transfer["connection"]["end"].as_str().expect("a time");
                let time: jiff::Timestamp = time.parse().expect("a time");
                format!(
                    "[I {}] 192.0.2.10:39021-[mira] RETR /srv{} completed=1 bytes={} seconds=0.01\n",
                    time.strftime("%Y-%m-%d %H:%M:%S"),
                    transfer["path"].as_str().expect("a path"),
                    transfer["bytes"]
                )
            })
            .collect();
        let head = lines[4].split("RETR").next().expect("a head").to_owned();
        lines.insert(5, format!("{head}MKD /srv/a\n"));
        lines.insert(6, format!("{forged} 257\n"));
        let (code, answer) = answer(&folder, &[("py.log", &lines)], &[]);
        assert_eq!(
            (code, totals(&answer)),
            (0, [6, 0, 0, 0, 1]),
            "{end:?} {answer:#}"
        );
        assert_eq!(only(&answer, "not-comparable")["line"], 7);
        assert_eq!(answer["findings"][0]["id"], "log-line-injected");
    }
}

#[test]
fn missing_one_of_several_equal_events_in_a_second_is_the_one_without_its_line() {
    let folder = crowded("reconcile-equal");
    let lines = extended_log(&folder);
    let (_, natural) = answer(&folder, &[("x.log", &lines)], &[]);
    let claims = natural["claims"].as_array().expect("claims");
    let mut tried = 0;
    for (at, line) in lines.iter().enumerate().skip(20).step_by(3) {
        if !line.contains("same.bin") || at + 10 > lines.len() {
            continue;
        }
        tried += 1;
        let claim = claims
            .iter()
            .find(|claim| claim["line"] == at as u64 + 1)
            .expect("a claim");
        let mut doctored = lines.clone();
        doctored.remove(at);
        let (_, answer) = answer(&folder, &[("x.log", &doctored)], &[]);
        assert_eq!(
            answer["wire_only"].as_array().map(Vec::len),
            Some(1),
            "{at}"
        );
        assert_eq!(answer["wire_only"][0]["frames"], claim["frames"], "{at}");
    }
    assert!(tried >= 3);
}

#[test]
fn transfer_that_the_end_of_the_capture_cuts_cannot_be_compared() {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    for number in 1..=5_u16 {
        ftp.wire.wait(Duration::from_secs(4));
        let content = vec![b'x'; 1_000 + usize::from(number)];
        ftp.retrieve(
            &format!("/f{number}.bin"),
            40_000 + number,
            50_000 + number,
            &content,
        );
    }
    ftp.passive(None, 50_020);
    let mut data = ftp.passive_data(40_020, 50_020);
    ftp.command("RETR /big.bin");
    data.open(&mut ftp.wire);
    ftp.opening("/big.bin", 500_000);
    data.stream(&mut ftp.wire, Side::Server, &vec![b'y'; 20_000], SEGMENT);
    let folder = Folder::new("reconcile-cut-capture");
    folder.write("capture.pcap", &ftp.wire.to_pcap());
    let report = folder.report(&["capture.pcap"]);
    let transfers = report["sessions"][0]["transfers"]
        .as_array()
        .expect("transfers");
    for (bytes, delay) in [(20_000, 0), (500_000, 0), (500_000, 1), (700, 0)] {
        let lines: Vec<String> = transfers
            .iter()
            .map(|transfer| {
                let time = transfer["connection"]["end"].as_str().expect("a time");
                let time: jiff::Timestamp = time.parse().expect("a time");
                let path = transfer["path"].as_str().expect("a path");
                let is_big = path == "/big.bin";
                let later = if is_big { delay } else { 0 };
                let time = jiff::Timestamp::from_second(time.as_second() + later).expect("a time");
                let bytes = if is_big {
                    bytes
                } else {
                    transfer["bytes"].as_u64().expect("bytes")
                };
                format!(
                    "{} 1 192.0.2.10 {bytes} {path} b _ o r mira ftp 0 * c\n",
                    time.strftime("%a %b %e %H:%M:%S %Y")
                )
            })
            .collect();
        let (code, answer) = answer(&folder, &[("xferlog", &lines)], &[]);
        assert_eq!(
            (code, totals(&answer)),
            (0, [5, 0, 0, 0, 1]),
            "{bytes} {answer:#}"
        );
        // Nor is it missed.
        let (code, answer) = self::answer(&folder, &[("xferlog", &lines[..5])], &[]);
        assert_eq!((code, totals(&answer)), (0, [5, 0, 0, 0, 0]), "{answer:#}");
    }
}
