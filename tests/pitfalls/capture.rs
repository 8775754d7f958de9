//! Effects of the capture on the traffic (81 to 84). Holes in the control connection are in `capture_holes`, the
//! surroundings of sessions (85 to 88) in `capture_around`.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::pitfalls::scene::{
    Scene, after_login, analyze, dialogue, findings, left_over, list, session, steps, transfers,
};
use crate::support::connection::Side;
use crate::support::recording::{Recorded, packets, pcap};

/// One session with a download, a listing-free dialogue around it.
pub(crate) fn plain() -> Vec<u8> {
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

/// The report on it.
pub(crate) fn assert_plain(report: &Value) {
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
fn pitfall_81_the_two_directions_may_be_out_of_step() {
    let recorded = packets(&plain());
    for distance in 1..4 {
        for first in 3..recorded.len() - distance {
            // The packet is captured some packets too late, after what answers it.
            let mut late = recorded.clone();
            let times: Vec<_> = late.iter().map(|packet| packet.time).collect();
            late[first..=first + distance].rotate_left(1);
            for (packet, time) in late.iter_mut().zip(times) {
                packet.time = time;
            }
            let report = analyze(&pcap(1, &late), &["--show-passwords"]);
            let commands = |report: &Value| -> Vec<Value> {
                let steps = list(&session(report)["steps"]);
                let all = steps.iter().flat_map(|step| list(&step["commands"]));
                all.map(|one| {
                    let codes = list(&one["replies"])
                        .iter()
                        .map(|reply| reply["code"].clone());
                    json!([one["verb"], codes.collect::<Vec<_>>()])
                })
                .collect()
            };
            let whole = analyze(&pcap(1, &recorded), &["--show-passwords"]);
            assert_eq!(commands(&report), commands(&whole), "{first} by {distance}");
            assert_plain(&report);
        }
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
fn pitfall_82_from_the_clients_side_alone_the_commands_are_reported() {
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
fn pitfall_82_from_the_servers_side_alone_steps_are_inferred_from_replies() {
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
fn pitfall_84_both_legs_of_a_translated_session_are_reported_as_one() {
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

/// Replaces an IPv4 address in source and destination.
fn translate(frame: &mut [u8], inside: [u8; 4], outside: [u8; 4]) {
    for at in [26, 30] {
        if frame[at..at + 4] == inside {
            frame[at..at + 4].copy_from_slice(&outside);
        }
    }
}
