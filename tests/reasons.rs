//! Why sessions failed: TLS that did not start, sessions that stalled, what the server says, and verdicts that count all of it.

use std::time::Duration;

use serde_json::Value;

use crate::support::connection::{Connection, Side};
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use crate::support::wire::Wire;

const CLIENT: &str = "10.0.0.2:40000";
const SERVER: &str = "10.0.0.1:21";

fn analyzed(name: &str, capture: &[u8]) -> Value {
    let folder = Folder::new(&format!("reasons_{name}"));
    folder.write("a.pcap", capture);
    folder.report(&["a.pcap"])
}

/// Ends the control connection from one side; gives the pcap file.
fn ended(mut ftp: Conversation, by: Side) -> Vec<u8> {
    ftp.control.close(&mut ftp.wire, by);
    ftp.wire.to_pcap()
}

fn found<'a>(list: &'a Value, id: &str) -> &'a Value {
    let all = list["findings"].as_array().expect("a list");
    all.iter()
        .find(|one| one["id"] == id)
        .unwrap_or_else(|| panic!("no {id} among {all:?}"))
}

fn status(report: &Value, session: usize) -> &str {
    report["sessions"][session]["verdict"]["status"]
        .as_str()
        .expect("a status")
}

fn assert_failed(report: &Value, id: &str, words: &[&str]) {
    let session = &report["sessions"][0];
    let finding = found(session, id);
    for word in words {
        let text = format!(
            "{} {} {}",
            finding["title"], finding["explanation"], finding["advice"]
        );
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
    assert_eq!(status(report, 0), "failed");
    let verdict = session["verdict"]["text"].as_str().expect("a text");
    let title = finding["title"].as_str().expect("a title");
    assert!(verdict.starts_with(title), "{verdict}");
}

/// A hello of TLS 1.2, cut behind its beginning; 1 is the client's, 2 the server's.
fn hello(kind: u8) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(if kind == 1 {
        &[0, 2, 0xc0, 0x2f, 1, 0, 0, 0][..]
    } else {
        &[0xc0, 0x2f, 0, 0, 0]
    });
    let length = u8::try_from(body.len()).expect("short");
    let message = [&[kind, 0, 0, length][..], &body].concat();
    record(22, &message)
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[kind, 3, 3][..], &length, content].concat()
}

fn alert(description: u8) -> Vec<u8> {
    record(21, &[2, description])
}

/// A session over IPv4 or IPv6 in which AUTH TLS was accepted and the client sent its hello.
fn began_tls(client: &str, server: &str) -> Conversation {
    let mut ftp = Conversation::open(client, server);
    ftp.exchange("AUTH TLS", "234 Proceed.");
    ftp.control.say(&mut ftp.wire, Side::Client, &hello(1));
    ftp
}

#[test]
fn alert_of_either_side_fails_the_session_by_its_name() {
    for (client, server) in [(CLIENT, SERVER), ("[fd00::2]:40000", "[fd00::1]:21")] {
        let mut ftp = began_tls(client, server);
        ftp.control.say(&mut ftp.wire, Side::Server, &alert(70));
        let report = analyzed("alert_server", &ended(ftp, Side::Server));
        assert_failed(
            &report,
            "tls-alert",
            &["server sent the alert protocol_version (70)"],
        );
        let mut ftp = began_tls(client, server);
        ftp.control.say(&mut ftp.wire, Side::Server, &hello(2));
        ftp.control.say(&mut ftp.wire, Side::Client, &alert(45));
        let report = analyzed("alert_client", &ended(ftp, Side::Client));
        assert_failed(
            &report,
            "tls-alert",
            &[
                "client sent the alert certificate_expired",
                "certificate that its clients trust",
            ],
        );
    }
}

#[test]
fn reply_in_clear_behind_the_hello_is_the_reason() {
    let mut ftp = began_tls(CLIENT, SERVER);
    ftp.reply("421 Cannot open the key.");
    let report = analyzed("clear_reply", &ended(ftp, Side::Server));
    assert_failed(&report, "tls-failed", &["421 Cannot open the key"]);
}

#[test]
fn implicit_tls_at_a_plain_port_keeps_the_greeting_and_advises_auth() {
    let mut ftp = Conversation::connect_on(Wire::new(), CLIENT, SERVER);
    ftp.control.say(&mut ftp.wire, Side::Client, &hello(1));
    ftp.reply("220 Plain FTP.");
    let report = analyzed("implicit", &ended(ftp, Side::Client));
    assert_failed(&report, "tls-failed", &["AUTH TLS", "220 Plain FTP"]);
    assert_eq!(report["sessions"][0]["greeting"]["code"], 220);
}

#[test]
fn handshake_that_is_left_or_not_answered_fails_and_a_finished_one_does_not() {
    let mut ftp = began_tls(CLIENT, SERVER);
    ftp.wire.wait(Duration::from_secs(12));
    let report = analyzed("unanswered_hello", &ended(ftp, Side::Client));
    assert_failed(&report, "tls-failed", &["did not answer"]);
    let mut ftp = began_tls(CLIENT, SERVER);
    let answer = [hello(2), record(20, &[1]), record(22, &[0; 40])].concat();
    ftp.control.say(&mut ftp.wire, Side::Server, &answer);
    let finished = [record(20, &[1]), record(22, &[0; 40])].concat();
    ftp.control.say(&mut ftp.wire, Side::Client, &finished);
    let report = analyzed("finished", &ended(ftp, Side::Client));
    assert_eq!(report["sessions"][0]["findings"], serde_json::json!([]));
    assert_eq!(status(&report, 0), "ok");
}

#[test]
fn login_in_clear_after_a_failed_handshake_is_reported_as_a_downgrade() {
    let mut ftp = began_tls(CLIENT, SERVER);
    ftp.control.say(&mut ftp.wire, Side::Server, &alert(40));
    ftp.exchange("USER bob", "331 Password.");
    ftp.exchange("PASS Kq7vXw", "230 In.");
    ftp.retrieve("f.bin", 40_001, 5001, b"content");
    let report = analyzed("downgrade", &ftp.quit());
    assert_failed(
        &report,
        "tls-alert",
        &["handshake_failure", "went on without TLS"],
    );
    found(&report["sessions"][0], "cleartext-credentials");
    assert_eq!(
        report["sessions"][0]["transfers"][0]["completeness"],
        "complete"
    );
}

#[test]
fn command_without_an_answer_fails_with_its_wait_and_quit_does_not() {
    let mut ftp = Conversation::open(CLIENT, SERVER);
    ftp.command("USER bob");
    ftp.wire.wait(Duration::from_secs(45));
    let report = analyzed("no_answer", &ended(ftp, Side::Client));
    assert_failed(&report, "no-answer", &["USER got no answer in 45 s"]);
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.command("QUIT");
    let report = analyzed("quit", &ended(ftp, Side::Client));
    assert_eq!(status(&report, 0), "ok");
}

#[test]
fn wait_that_nothing_ended_counts_from_ten_seconds_on() {
    for (seconds, expected) in [(25, "failed"), (3, "ok")] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.command("CWD pub");
        ftp.wire.wait(Duration::from_secs(seconds));
        let mut other = Connection::new(
            "10.0.0.7:41000".parse().expect("an address"),
            "10.0.0.1:21".parse().expect("an address"),
        );
        other.open(&mut ftp.wire);
        let report = analyzed(&format!("open_{seconds}"), &ftp.wire.to_pcap());
        assert_eq!(status(&report, 0), expected, "{seconds} s");
    }
}

#[test]
fn announced_address_that_nobody_uses_is_named() {
    for (command, reply, place) in [
        (
            "PASV",
            "227 Entering Passive Mode (10,0,0,1,195,81).",
            "10.0.0.1 port 50001",
        ),
        (
            "EPSV",
            "229 Entering Extended Passive Mode (|||50001|)",
            "10.0.0.1 port 50001",
        ),
    ] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.exchange(command, reply);
        ftp.wire.wait(Duration::from_secs(20));
        let report = analyzed(&format!("unused_{command}"), &ended(ftp, Side::Client));
        assert_failed(&report, "data-address-unused", &[place]);
    }
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let report = analyzed("unused_quit", &ftp.quit());
    assert_eq!(status(&report, 0), "ok", "the client wanted nothing more");
}

#[test]
fn refused_mode_fails_unless_another_way_was_found() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("EPRT |1|10.0.0.2|5001|", "502 Not implemented.");
    let report = analyzed("refused_eprt", &ended(ftp, Side::Server));
    assert_failed(&report, "mode-refused", &["active mode", "passive mode"]);
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("EPSV", "502 Not implemented.");
    ftp.retrieve("f.bin", 40_001, 5001, b"content");
    let report = analyzed("refused_epsv", &ftp.quit());
    assert_eq!(status(&report, 0), "ok");
}

#[test]
fn servers_words_decide_the_advice_for_a_refused_login() {
    for (reply, word) in [
        ("530 Sessions must use TLS.", "FTPS"),
        ("421 Too many users, try later.", "later"),
        ("530 Home directory not available.", "home directory"),
        ("530 No such user.", "name"),
        ("530 Login incorrect.", "Check the account and its password"),
    ] {
        let mut ftp = Conversation::open(CLIENT, SERVER);
        ftp.exchange("USER bob", "331 Password.");
        ftp.exchange("PASS Kq7vXw", reply);
        let report = analyzed("words", &ended(ftp, Side::Server));
        assert_failed_login(&report, word);
    }
}

fn assert_failed_login(report: &Value, word: &str) {
    assert_eq!(status(report, 0), "failed");
    let advice = found(&report["sessions"][0], "login-rejected")["advice"]
        .as_str()
        .expect("an advice");
    assert!(advice.contains(word), "{word}: {advice}");
}

#[test]
fn success_after_six_refused_logins_is_not_ok() {
    let mut wire = Wire::new();
    for attempt in 0..7 {
        let client = format!("10.0.0.2:{}", 40_000 + attempt);
        let mut ftp = Conversation::open_on(wire, &client, SERVER);
        ftp.exchange("USER bob", "331 Password.");
        let right = attempt == 6;
        let answer = if right {
            "230 In."
        } else {
            "530 Login incorrect."
        };
        ftp.exchange(&format!("PASS guess{attempt}"), answer);
        ftp.part();
        wire = ftp.wire;
    }
    let report = analyzed("guessed", &wire.to_pcap());
    assert_eq!(found(&report, "brute-force")["severity"], "high");
    assert_eq!(status(&report, 6), "warning");
}

#[test]
fn late_greeting_is_explained_by_an_ident_lookup() {
    let mut ftp = Conversation::connect_on(Wire::new(), CLIENT, SERVER);
    let mut ident = Connection::new(
        "10.0.0.1:50113".parse().expect("an address"),
        "10.0.0.2:113".parse().expect("an address"),
    );
    ident.syn(&mut ftp.wire);
    ftp.wire.wait(Duration::from_secs(21));
    ftp.reply("220 Hello.");
    ftp.exchange("USER ftp", "230 In.");
    let report = analyzed("ident", &ftp.quit());
    let finding = found(&report["sessions"][0], "slow-greeting");
    let text = finding["explanation"].as_str().expect("a text");
    assert!(text.contains("ident") && text.contains("113"), "{text}");
}

#[test]
fn server_that_closes_at_once_is_named_and_a_scan_is_not() {
    for (by, expected) in [(Side::Server, 1), (Side::Client, 0)] {
        let mut wire = Wire::new();
        let mut control = Connection::new(
            CLIENT.parse().expect("an address"),
            SERVER.parse().expect("an address"),
        );
        control.open(&mut wire);
        control.close(&mut wire, by);
        let report = analyzed("slammed", &wire.to_pcap());
        assert_eq!(report["findings"].as_array().map(Vec::len), Some(expected));
    }
}

#[test]
fn bounce_scan_is_one_finding() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    for port in 0..40_u16 {
        ftp.exchange(&format!("PORT 192,0,2,9,4,{port}"), "200 PORT ok.");
        ftp.exchange("LIST", "425 Can't build data connection.");
    }
    let report = analyzed("scan", &ftp.quit());
    let session = &report["sessions"][0];
    let bounce = found(session, "bounce");
    assert_eq!(
        bounce["title"],
        "the server was made to connect to 40 ports of 192.0.2.9"
    );
    assert!(session["findings"].as_array().expect("a list").len() < 15);
}

#[test]
fn account_that_the_client_does_not_have_leaves_the_login_unfinished() {
    let mut ftp = Conversation::open(CLIENT, SERVER);
    ftp.exchange("USER mira", "331 Password required.");
    ftp.exchange("PASS larch-cellar", "332 Need account for login.");
    let report = analyzed("account", &ftp.quit());
    assert_failed(&report, "login-unfinished", &["account", "QUIT"]);
}

#[test]
fn refusal_without_its_command_is_no_rejected_login() {
    // The capture begins late, and holds one reply that any command may have got.
    let mut ftp = Conversation::open(CLIENT, SERVER);
    ftp.wire = Wire::new();
    ftp.reply("530 Please login with USER and PASS.");
    ftp.wire
        .keep_only(|source, _| source.to_string() == "10.0.0.1");
    let report = analyzed("refusal", &ftp.wire.to_pcap());
    let session = &report["sessions"][0];
    assert_eq!(session["login"]["outcome"], "unseen");
    assert_eq!(session["steps"][0]["inferred"], true);
    assert!(session["findings"].as_array().expect("a list").is_empty());
}

#[test]
fn reply_behind_a_gap_answers_the_command_behind_it() {
    for (command, reply) in [("CWD pub", "250 Directory changed."), ("SIZE a", "213 5")] {
        let mut ftp = Conversation::open(CLIENT, SERVER);
        ftp.command("USER mira");
        ftp.control.skip(Side::Server, 40);
        ftp.control.skip(Side::Client, 60);
        ftp.control.skip(Side::Server, 200);
        ftp.exchange(command, reply);
        ftp.exchange("PWD", "257 \"/pub\"");
        let report = analyzed("behind_a_gap", &ftp.quit());
        let session = &report["sessions"][0];
        let steps = session["steps"].as_array().expect("a list");
        let codes: Vec<_> = steps
            .iter()
            .flat_map(|step| step["commands"].as_array().expect("a list"))
            .map(|one| (one["verb"].as_str(), one["replies"][0]["code"].as_u64()))
            .collect();
        let verb = command.split(' ').next();
        let code = reply[..3].parse().ok();
        assert!(codes.contains(&(verb, code)), "{codes:?}");
        assert!(codes.contains(&(Some("USER"), None)), "{codes:?}");
        assert!(codes.contains(&(Some("PWD"), Some(257))), "{codes:?}");
    }
}

#[test]
fn line_without_a_code_in_place_of_a_reply_is_told_in_the_step() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("SYST", "UNIX Type: L8");
    ftp.exchange("NOOP", "200 OK.");
    let report = analyzed("no_code", &ftp.quit());
    let steps = report["sessions"][0]["steps"].as_array().expect("steps");
    let titles: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["title"].as_str())
        .collect();
    assert!(
        titles.contains(&"SYST: answered without a reply code"),
        "{titles:?}"
    );
    assert!(titles.contains(&"NOOP: ok"), "{titles:?}");
}

#[test]
fn port_of_the_server_changes_neither_the_loss_nor_the_time_of_the_handshake() {
    let reports = [21, 2121].map(|port| {
        let mut ftp = Conversation::logged_in(CLIENT, &format!("10.0.0.1:{port}"));
        let Conversation { control, wire, .. } = &mut ftp;
        wire.unseen(|wire| control.say(wire, Side::Client, b"PWD\r\n"));
        control.ack(wire, Side::Server);
        ftp.reply("257 \"/\" is the current directory");
        ftp.exchange("SYST", "215 UNIX Type: L8");
        let report = analyzed(&format!("port_{port}"), &ftp.quit());
        let session = &report["sessions"][0];
        let found = session["findings"].as_array().expect("findings").clone();
        let ids: Vec<_> = found.iter().map(|one| one["id"].clone()).collect();
        let title = session["steps"][0]["title"].as_str().expect("a title");
        (ids, title.ends_with(" s"))
    });
    let [known, other] = reports;
    assert_eq!(known, other);
    assert!(known.0.contains(&"capture-loss".into()), "{known:?}");
    assert!(known.1, "the time of the handshake");
}

#[test]
fn file_refused_after_the_client_opened_the_data_connection_is_refused_and_not_cut_short() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    data.open(&mut ftp.wire);
    ftp.exchange("RETR nothere", "550 No such file or directory.");
    data.close(&mut ftp.wire, Side::Client);
    let capture = ftp.quit();
    let report = analyzed("refused_open", &capture);
    let session = &report["sessions"][0];
    let finding = found(session, "transfer-refused");
    assert_eq!(finding["severity"], "low");
    let findings = session["findings"].as_array().expect("findings");
    assert!(findings.iter().all(|one| one["id"] != "incomplete-file"));
    assert_eq!(status(&report, 0), "warning");
    let folder = Folder::new("reasons_refused_tree");
    folder.write("a.pcap", &capture);
    let tree = folder.run(&["tree", "a.pcap"]);
    assert!(!tree.contains("nothere"), "{tree}");
}

/// An upload in passive mode; `confirmed` tells whether the client waits for 226 before it closes both connections.
fn uploaded(confirmed: bool) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_000);
    let mut data = ftp.passive_data(41_000, 50_000);
    ftp.command("STOR big.bin");
    data.open(&mut ftp.wire);
    ftp.reply("150 Ok to send data.");
    data.stream(&mut ftp.wire, Side::Client, &vec![b'x'; 60_000], 1_460);
    data.close(&mut ftp.wire, Side::Client);
    if confirmed {
        ftp.reply("226 Transfer complete.");
        ftp.control.close(&mut ftp.wire, Side::Client);
    } else {
        ftp.control.fin(&mut ftp.wire, Side::Client);
        ftp.reply("226 Transfer complete.");
        ftp.control.fin(&mut ftp.wire, Side::Server);
    }
    ftp.wire.to_pcap()
}

#[test]
fn upload_whose_answer_the_client_did_not_await_may_be_broken_off() {
    let report = analyzed("unconfirmed", &uploaded(false));
    let session = &report["sessions"][0];
    assert_eq!(session["transfers"][0]["completeness"], "complete");
    let unconfirmed = found(session, "upload-unconfirmed");
    assert_eq!(
        unconfirmed["title"],
        "the client left before the answer to STOR big.bin"
    );
    assert!(
        unconfirmed["explanation"]
            .as_str()
            .is_some_and(|text| text.contains("for 60,000 bytes")),
        "{unconfirmed}"
    );
    let report = analyzed("confirmed", &uploaded(true));
    let findings = report["sessions"][0]["findings"].as_array();
    let is_it = |one: &Value| one["id"] == "upload-unconfirmed";
    assert!(!findings.expect("a list").iter().any(is_it), "{report:#}");
}
