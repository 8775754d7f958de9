//! What the capture does to the traffic: 81 to 88. What a hole in the control connection costs is in `capture_holes`.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use simple_dns::rdata::{A, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use crate::scene::{
    Scene, after_login, analyze, dialogue, findings, left_over, list, session, step_of, steps,
    transfers,
};
use crate::support::connection::{Connection, Side};
use crate::support::recording::{Recorded, packets, pcap};
use crate::support::wire::Wire;
use crate::support::{specimens, wrapping};

/// One session with a download, a listing-free dialogue around it.
fn plain() -> Vec<u8> {
    let mut scene = Scene::logged_in();
    scene.play("> CWD /pub\n< 250 ok\n> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR f.bin");
    scene.play("< 150 Opening BINARY mode data connection for f.bin (5000 bytes).\n= 50001 5000\n< 226 done");
    scene.ftp.part();
    scene.ftp.wire.to_pcap()
}

const PLAIN: [&str; 4] = [
    "CWD /pub: 250",
    "PASV: 227",
    "RETR f.bin: 150 226",
    "QUIT: 221",
];

fn assert_plain(report: &Value) {
    assert_eq!(after_login(report), PLAIN);
    assert_eq!(left_over(report), [0; 0]);
    let transfer = &transfers(report)[0];
    assert_eq!(transfer["path"], "/pub/f.bin");
    assert_eq!(transfer["bytes"], 5000);
    assert_eq!(transfer["missing_bytes"], 0);
    assert_eq!(transfer["completeness"], "complete");
}

#[test]
fn pitfall_81_times_that_step_back_change_nothing_but_times() {
    for (from, by) in [(9, 2_000_000_000), (20, 500_000), (25, 7_200_000_000_000)] {
        let mut recorded = packets(&plain());
        for packet in &mut recorded[from..] {
            packet.time -= by;
        }
        let report = analyze(&pcap(1, &recorded), &["--show-passwords"]);
        assert_plain(&report);
        for step in list(&session(&report)["steps"]) {
            assert!(
                step["duration"]
                    .as_f64()
                    .is_some_and(|duration| duration >= 0.0)
            );
        }
        assert_eq!(findings(&report), [""; 0]);
    }
}

#[test]
fn pitfall_81_every_packet_twice_is_still_one_session() {
    let recorded = packets(&plain());
    let at_once: Vec<Recorded> = recorded
        .iter()
        .flat_map(|one| [one.clone(), one.clone()])
        .collect();
    let mut later = Vec::new();
    for (index, one) in recorded.iter().enumerate() {
        later.push(one.clone());
        if let Some(earlier) = index.checked_sub(3) {
            later.push(Recorded {
                time: one.time,
                ..recorded[earlier].clone()
            });
        }
    }
    for copies in [at_once, later] {
        let report = analyze(&pcap(1, &copies), &["--show-passwords"]);
        assert_plain(&report);
        assert_eq!(list(&report["sessions"]).len(), 1);
        assert_eq!(findings(&report), [""; 0]);
    }
}

#[test]
fn pitfall_81_packets_of_one_connection_in_any_order_near_their_place() {
    let recorded = packets(&plain());
    // The segments with the two halves of a line, and all of the data connection, change places in pairs.
    for first in 24..recorded.len() - 2 {
        let same_way = recorded[first].bytes[26..34] == recorded[first + 1].bytes[26..34];
        if !same_way {
            continue;
        }
        let mut swapped = recorded.clone();
        swapped.swap(first, first + 1);
        let (earlier, later) = (recorded[first].time, recorded[first + 1].time);
        swapped[first].time = earlier;
        swapped[first + 1].time = later;
        assert_plain(&analyze(&pcap(1, &swapped), &["--show-passwords"]));
    }
}

#[test]
fn pitfall_82_from_the_clients_side_alone_the_commands_are_told() {
    let mut scene = Scene::logged_in();
    scene.play("> CWD /pub\n< 250 ok\n> PORT 192,0,2,10,19,137\n< 200 ok\n> STOR up.bin\n< 150 go");
    let mut data = scene.ftp.active_data(20, 5001);
    data.open(&mut scene.ftp.wire);
    data.stream(&mut scene.ftp.wire, Side::Server, &[7; 3000], 1400);
    data.close(&mut scene.ftp.wire, Side::Server);
    scene.play("< 226 ok\n> DELE x\n< 550 no");
    scene.ftp.part();
    let client = Ipv4Addr::new(192, 0, 2, 10);
    scene.ftp.wire.keep_only(|source, _| source == client);
    let report = analyze(&scene.ftp.wire.to_pcap(), &["--show-passwords"]);
    assert_eq!(
        dialogue(&report),
        [
            "USER mira:",
            "PASS hazel-lantern:",
            "CWD /pub:",
            "PORT 192,0,2,10,19,137:",
            "STOR up.bin:",
            "DELE x:",
            "QUIT:"
        ]
    );
    for step in list(&session(&report)["steps"]) {
        if !list(&step["commands"]).is_empty() {
            assert_eq!(step["outcome"], "unknown", "{step:#}");
        }
    }
    let transfer = &transfers(&report)[0];
    assert_eq!(transfer["bytes"], 3000, "what the client sent was captured");
    assert_eq!(transfer["completeness"], "unverifiable");
    assert_eq!(session(&report)["login"]["user"], "mira");
    assert_eq!(session(&report)["login"]["outcome"], "incomplete");
    // It is said that the server's side is missing.
    assert!(findings(&report).contains(&"capture-loss"));
}

#[test]
fn pitfall_82_from_the_servers_side_alone_the_replies_tell_steps() {
    let mut scene = Scene::logged_in();
    scene.play("> CWD pub\n< 250 Directory successfully changed.\n> PWD\n< 257 \"/pub\" is the current directory");
    scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR f.bin");
    scene.play("< 150 Opening BINARY mode data connection for f.bin (5000 bytes).\n= 50001 5000\n< 226 Transfer complete.");
    scene.play(
        "> PASV\n< 227 ok (198,51,100,21,195,82)\n> LIST\n< 150 Here comes the directory listing.",
    );
    scene.play(
        "= 50002 60\n< 226 Directory send OK.\n> PASV\n< 227 ok (198,51,100,21,195,83)\n> STOR g",
    );
    scene.play("< 150 Ok to send data.\n=up 50003 40\n< 226 Transfer complete.");
    scene.play("> RNFR a\n< 350 Ready for RNTO.\n> RNTO b\n< 250 Rename successful.\n> DELE c\n< 550 Permission denied.");
    scene.ftp.part();
    let server = Ipv4Addr::new(198, 51, 100, 21);
    scene.ftp.wire.keep_only(|source, _| source == server);
    let report = analyze(&scene.ftp.wire.to_pcap(), &[]);
    assert_eq!(session(&report)["login"]["outcome"], "accepted");
    assert_eq!(
        session(&report)["login"]["user"],
        Value::Null,
        "nobody said it"
    );
    let told: Vec<(&str, &str)> = list(&session(&report)["steps"])
        .iter()
        .filter(|step| step["inferred"] == true)
        .map(|step| {
            assert_eq!(step["commands"], json!([]), "no command is invented");
            (
                step["kind"].as_str().expect("a kind"),
                step["outcome"].as_str().expect("an outcome"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("login", "ok"),
            ("cwd", "ok"),
            ("command", "ok"),
            ("retrieve", "ok"),
            ("list", "ok"),
            ("store", "ok"),
            ("rename", "ok"),
            ("command", "failed"),
            ("quit", "ok")
        ]
    );
    let retrieve = steps(&report, "retrieve")[0];
    assert!(
        retrieve["title"]
            .as_str()
            .is_some_and(|title| title.contains("f.bin (5000 bytes)"))
    );
    assert_eq!(retrieve["directory"], "/pub");
    let unmatched = list(&report["unmatched_data"]);
    let bytes: Vec<&Value> = unmatched.iter().map(|data| &data["bytes"]).collect();
    assert_eq!(bytes, [5000, 60], "the upload's bytes are the client's");
    assert_eq!(unmatched[0]["session"], session(&report)["id"]);
}

#[test]
fn pitfall_83_a_capture_that_begins_in_the_middle_is_marked_and_used() {
    let recorded = packets(&plain());
    let command = recorded
        .iter()
        .position(|packet| packet.bytes.windows(4).any(|bytes| bytes == b"PASV"))
        .expect("a PASV");
    let report = analyze(&pcap(1, &recorded[command..]), &[]);
    assert_eq!(session(&report)["midstream"], true);
    assert_eq!(session(&report)["greeting"], Value::Null);
    assert_eq!(session(&report)["login"]["outcome"], "unseen");
    assert_eq!(
        dialogue(&report),
        ["PASV: 227", "RETR f.bin: 150 226", "QUIT: 221"]
    );
    assert_eq!(transfers(&report)[0]["completeness"], "complete");
    assert_eq!(
        transfers(&report)[0]["path"],
        Value::Null,
        "the directory is not known"
    );
}

#[test]
fn pitfall_83_a_capture_that_begins_or_ends_in_a_transfer_keeps_what_it_has() {
    let recorded = packets(&plain());
    let data: Vec<usize> = (0..recorded.len())
        .filter(|&at| recorded[at].bytes.ends_with(&[b'x'; 100]))
        .collect();
    // It ends after the second of four data segments.
    let report = analyze(&pcap(1, &recorded[..=data[1]]), &["--show-passwords"]);
    let transfer = &transfers(&report)[0];
    assert_eq!(transfer["bytes"], 2800);
    assert_eq!(transfer["completeness"], "truncated");
    assert_eq!(transfer["announced_bytes"], 5000);
    assert_eq!(session(&report)["end_state"], "open");
    assert_eq!(after_login(&report)[2], "RETR f.bin: 150");
    // It begins at the third: the bytes have no command, the final reply has none either.
    let report = analyze(&pcap(1, &recorded[data[2]..]), &[]);
    assert_eq!(dialogue(&report), ["QUIT: 221"]);
    assert_eq!(left_over(&report), [226]);
    assert_eq!(session(&report)["midstream"], true);
    assert_eq!(transfers(&report).len(), 0);
}

#[test]
fn pitfall_84_both_legs_of_a_translated_session_are_told_to_be_one() {
    let recorded = packets(&plain());
    let mut both = Vec::new();
    for packet in recorded {
        let mut outside = packet.clone();
        outside.time += 30_000;
        translate(&mut outside.bytes, [192, 0, 2, 10], [203, 0, 113, 99]);
        // From the client inside comes first, from the server outside.
        if packet.bytes[26..30] == [192, 0, 2, 10] {
            both.extend([packet, outside]);
        } else {
            let time = packet.time;
            both.push(Recorded { time, ..outside });
            both.push(Recorded {
                time: time + 30_000,
                ..packet
            });
        }
    }
    let report = analyze(&pcap(1, &both), &["--show-passwords"]);
    let sessions = list(&report["sessions"]);
    assert_eq!(sessions.len(), 2, "two legs");
    for leg in sessions {
        assert_eq!(leg["transfers"][0]["completeness"], "complete");
        assert_eq!(leg["transfers"][0]["bytes"], 5000);
    }
    let found = &list(&report["findings"])[0];
    assert_eq!(found["id"], "session-seen-twice");
    assert_eq!(found["sessions"], json!([1, 2]));
    assert_eq!(list(&report["findings"]).len(), 1);
}

#[test]
fn pitfall_84_two_clients_that_say_the_same_are_two_sessions() {
    let mut first = Scene::logged_in();
    first
        .play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR f\n< 150 go\n= 50001 700\n< 226 ok");
    let mut second = Scene::between("192.0.2.11:39021", "198.51.100.21:21");
    second.play(
        "< 220 ready\n> USER mira\n< 331 password please\n> PASS hazel-lantern\n< 230 welcome",
    );
    second
        .play("> PASV\n< 227 ok (198,51,100,21,195,82)\n> RETR f\n< 150 go\n= 50002 700\n< 226 ok");
    let mut both = packets(&first.ftp.wire.to_pcap());
    both.extend(packets(&second.ftp.wire.to_pcap()));
    both.sort_by_key(|packet| packet.time);
    let report = analyze(&pcap(1, &both), &[]);
    assert_eq!(list(&report["sessions"]).len(), 2);
    assert_eq!(list(&report["findings"]).len(), 0);
}

#[test]
fn pitfall_85_the_name_is_what_this_client_looked_up() {
    let addresses = [
        Ipv4Addr::new(198, 51, 100, 20),
        Ipv4Addr::new(198, 51, 100, 21),
    ];
    let mut wire = Wire::new();
    look_up(
        &mut wire,
        "192.0.2.10:5300",
        "old.example.com",
        None,
        &addresses[1..],
    );
    look_up(
        &mut wire,
        "192.0.2.10:5301",
        "ftp.example.com",
        Some("host7.example.net"),
        &addresses,
    );
    look_up(
        &mut wire,
        "192.0.2.77:5302",
        "other.example.com",
        None,
        &addresses,
    );
    let mut ftp = crate::support::conversation::Conversation::open_on(
        wire,
        crate::scene::CLIENT,
        "198.51.100.21:21",
    );
    ftp.exchange("USER mira", "331 p");
    let report = analyze(&ftp.quit(), &[]);
    let session = session(&report);
    assert_eq!(session["server"]["name"], "ftp.example.com");
    assert_eq!(session["dns"]["aliases"], json!(["host7.example.net"]));
    assert_eq!(
        session["dns"]["answers"],
        json!(["198.51.100.20", "198.51.100.21"])
    );
    assert_eq!(session["dns"]["type"], "A");
    assert_eq!(session["steps"][0]["kind"], "dns");
}

#[test]
fn pitfall_85_a_lookup_that_was_not_seen_is_not_guessed() {
    // Another client's, one that came later, one for another address: none of them is ours.
    let mut wire = Wire::new();
    look_up(
        &mut wire,
        "192.0.2.77:5302",
        "other.example.com",
        None,
        &[Ipv4Addr::new(198, 51, 100, 21)],
    );
    look_up(
        &mut wire,
        "192.0.2.10:5303",
        "else.example.com",
        None,
        &[Ipv4Addr::new(198, 51, 100, 99)],
    );
    let mut ftp = crate::support::conversation::Conversation::open_on(
        wire,
        crate::scene::CLIENT,
        "198.51.100.21:21",
    );
    look_up(
        &mut ftp.wire,
        "192.0.2.10:5304",
        "late.example.com",
        None,
        &[Ipv4Addr::new(198, 51, 100, 21)],
    );
    ftp.exchange("USER mira", "331 p");
    let report = analyze(&ftp.quit(), &[]);
    assert_eq!(session(&report)["server"]["name"], Value::Null);
    assert_eq!(session(&report)["dns"], Value::Null);
    assert_eq!(steps(&report, "dns").len(), 0);
}

#[test]
fn pitfall_86_a_box_that_forgets_the_control_connection_is_named() {
    let mut scene = Scene::logged_in();
    scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR big\n< 150 go");
    let mut data = scene.ftp.passive_data(40_333, 50_001);
    data.open(&mut scene.ftp.wire);
    for _ in 0..40 {
        scene.ftp.wire.wait(std::time::Duration::from_secs(100));
        data.stream(&mut scene.ftp.wire, Side::Server, &[b'x'; 1400], 1400);
    }
    data.close(&mut scene.ftp.wire, Side::Server);
    // The final reply never arrives; the client tries again and again and gets a RST.
    scene.play("~ 60");
    scene
        .ftp
        .control
        .say(&mut scene.ftp.wire, Side::Client, b"NOOP\r\n");
    scene.ftp.control.rst(&mut scene.ftp.wire, Side::Server);
    let report = analyze(&scene.ftp.wire.to_pcap(), &["--show-passwords"]);
    assert!(
        findings(&report).contains(&"control-timeout"),
        "{:?}",
        findings(&report)
    );
    let transfer = &transfers(&report)[0];
    assert_eq!(transfer["bytes"], 56_000);
    assert_eq!(transfer["completeness"], "unverifiable");
    assert_eq!(
        after_login(&report),
        ["PASV: 227", "RETR big: 150", "NOOP:"]
    );
}

#[test]
fn pitfall_86_a_refused_connection_is_an_attempt_whoever_refused_it() {
    let mut wire = Wire::new();
    let client = "192.0.2.10:39021".parse().expect("an address");
    let server = "198.51.100.21:21".parse().expect("an address");
    let mut control = Connection::new(client, server);
    control.syn(&mut wire);
    control.rst(&mut wire, Side::Server);
    let report = analyze(&wire.to_pcap(), &[]);
    assert_eq!(list(&report["sessions"]).len(), 0);
    assert_eq!(report["connection_attempts"][0]["outcome"], "refused");
}

#[test]
fn pitfall_86_a_rewritten_port_that_shifts_sequence_numbers_costs_nothing() {
    // Behind the translator PORT is longer: the server acknowledges more than the client has sent.
    let mut scene = Scene::logged_in();
    scene.play("> PORT 10,0,0,5,19,137\n< 200 ok\n> NOOP\n< 200 ok\n> LIST\n< 150 go\n< 226 ok");
    let mut recorded = packets(&scene.ftp.wire.to_pcap());
    let longer = "PORT 203,0,113,99,19,137\r\n".len() - "PORT 10,0,0,5,19,137\r\n".len();
    let port = recorded
        .iter()
        .position(|packet| packet.bytes.windows(5).any(|bytes| bytes == b"PORT "))
        .expect("a PORT");
    for packet in &mut recorded[port + 1..] {
        if packet.bytes[26..30] == [198, 51, 100, 21] {
            let number = u32::from_be_bytes(packet.bytes[42..46].try_into().expect("four bytes"));
            let shifted = number + u32::try_from(longer).expect("few");
            packet.bytes[42..46].copy_from_slice(&shifted.to_be_bytes());
        }
    }
    let report = analyze(&pcap(1, &recorded), &["--show-passwords"]);
    assert_eq!(
        after_login(&report),
        ["PORT 10,0,0,5,19,137: 200", "NOOP: 200", "LIST: 150 226"]
    );
}

#[test]
fn pitfall_87_fragments_superframes_and_unset_checksums_are_no_loss() {
    let plain = plain();
    let fragments = wrapping::fragmented(&packets(&plain), 64, |number, pieces| {
        if number % 2 == 1 {
            pieces.reverse();
        }
    });
    assert_plain(&analyze(&pcap(1, &fragments), &["--show-passwords"]));

    let mut unset = packets(&plain);
    for packet in &mut unset {
        // The checksums of IP and TCP, as a card that fills them in later leaves them.
        packet.bytes[24..26].fill(0);
        packet.bytes[50..52].fill(0);
    }
    assert_plain(&analyze(&pcap(1, &unset), &["--show-passwords"]));

    let mut scene = Scene::logged_in();
    scene.play("> PASV\n< 227 ok (198,51,100,21,195,81)\n> RETR f\n< 150 go");
    let mut data = scene.ftp.passive_data(40_444, 50_001);
    data.open(&mut scene.ftp.wire);
    data.stream(
        &mut scene.ftp.wire,
        Side::Server,
        &specimens::content(),
        16_000,
    );
    data.close(&mut scene.ftp.wire, Side::Server);
    let report = scene.play("< 226 ok").report();
    assert_eq!(transfers(&report)[0]["bytes"], specimens::SIZE);
    assert_eq!(transfers(&report)[0]["completeness"], "complete");
}

#[test]
fn pitfall_88_no_secret_leaves_unless_asked_for() {
    let mut scene = Scene::greeted();
    scene.play("> USER mira@inner.example.com:larch-cellar@gate\n< 331 p\n> PASS hazel-lantern\n< 332 account for hazel-lantern");
    scene.play("> ACCT birch-window\n< 230 welcome, birch-window\n> SITE PSWD hazel-lantern maple-bridge\n< 200 maple-bridge it is");
    scene.play(
        "> PAS cedar-harbour\n< 331 what\n> CWD /home/hazel-lantern\n< 250 \"/home/hazel-lantern\"",
    );
    scene.play("> RETR ftp://bob:willow-gate@host/x\n< 550 not ftp://bob:willow-gate@host/x");
    scene.play("> PASS second-try\n< 530 no second-try here");
    scene.ftp.part();
    let capture = scene.ftp.wire.to_pcap();
    let secrets = [
        "larch-cellar",
        "hazel-lantern",
        "birch-window",
        "maple-bridge",
        "cedar-harbour",
        "willow-gate",
        "second-try",
    ];
    let hidden = analyze(&capture, &[]).to_string();
    for secret in secrets {
        assert!(!hidden.contains(secret), "{secret} in {hidden}");
    }
    let shown = analyze(&capture, &["--show-passwords"]).to_string();
    for secret in secrets {
        assert!(shown.contains(secret), "{secret}");
    }
}

#[test]
fn pitfall_88_an_anonymous_password_is_an_address_and_no_secret() {
    for (code, shown) in [(230, json!("mira@example.com")), (530, json!("<hidden>"))] {
        let mut scene = Scene::greeted();
        scene.play(&format!(
            "> USER anonymous\n< 331 p\n> PASS mira@example.com\n< {code} so"
        ));
        scene.ftp.part();
        let report = analyze(&scene.ftp.wire.to_pcap(), &[]);
        assert_eq!(session(&report)["login"]["password"], shown);
        assert_eq!(step_of(&report, "PASS")["commands"][1]["argument"], shown);
    }
}

/// Replaces an IPv4 address in source and destination.
fn translate(frame: &mut [u8], inside: [u8; 4], outside: [u8; 4]) {
    for at in [26, 30] {
        if frame[at..at + 4] == inside {
            frame[at..at + 4].copy_from_slice(&outside);
        }
    }
}

/// A query of `client` and its answer.
fn look_up(wire: &mut Wire, client: &str, name: &str, alias: Option<&str>, addresses: &[Ipv4Addr]) {
    let client = client.parse().expect("an address");
    let resolver = "192.0.2.53:53".parse().expect("an address");
    let owned = |name: &str| Name::new_unchecked(name).into_owned();
    let mut query = Packet::new_query(7);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    query.questions.push(Question::new(
        owned(name),
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    wire.datagram(
        client,
        resolver,
        &query.build_bytes_vec().expect("a short query"),
    );
    let mut response = query.into_reply();
    let holder = alias.unwrap_or(name);
    if let Some(alias) = alias {
        let data = RData::CNAME(CNAME(owned(alias)));
        response
            .answers
            .push(ResourceRecord::new(owned(name), CLASS::IN, 60, data));
    }
    for address in addresses {
        let data = RData::A(A::from(*address));
        response
            .answers
            .push(ResourceRecord::new(owned(holder), CLASS::IN, 60, data));
    }
    wire.datagram(
        resolver,
        client,
        &response.build_bytes_vec().expect("a short answer"),
    );
}
