//! Data that comes before its announcement, or without one (40, 41, 82 of the field guide where they meet data connections).

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    CLIENT, DONE, OPENING, SERVER, analyzed, assert_link, assert_whole, carry, connection, content,
    content_of, only_transfer, sha256, transfers, unmatched,
};
use crate::support::connection::{Connection, Side};
use crate::support::conversation::Conversation;
use crate::support::wire::Wire;

/// A passive download whose 227 arrives `late` frames after its turn.
fn late_announcement(late: impl Fn(usize, usize) -> usize) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.command("PASV");
    let at = ftp.wire.len();
    ftp.reply("227 Entering Passive Mode (10,0,0,1,195,81).");
    let mut data = ftp.passive_data(40_001, 50_001);
    data.open(&mut ftp.wire);
    ftp.command("RETR data.bin");
    ftp.reply(OPENING);
    carry(&mut ftp.wire, &mut data, Side::Server, &content());
    ftp.reply(DONE);
    let to = late(at, ftp.wire.len());
    ftp.wire.move_frame(at, to);
    ftp.quit()
}

#[test]
fn pitfall_41_a_data_connection_that_comes_before_its_227_is_kept_for_it() {
    // Behind the SYN, behind the first bytes, behind all of it.
    for (name, late) in [("41-227-1", 4), ("41-227-2", 10), ("41-227-3", 18)] {
        let report = analyzed(name, &late_announcement(|at, _| at + late));
        let transfer = only_transfer(&report);
        assert_eq!(transfer["mode"], "passive", "{name}");
        assert_eq!(transfer["announced"]["port"], 50_001);
        assert_whole(transfer, &content());
        assert_link(
            transfer,
            "announced-address",
            if late < 3 { 1.0 } else { 0.97 },
        );
        assert!(unmatched(&report).is_empty());
    }
}

#[test]
fn pitfall_41_an_active_connection_that_comes_before_its_port_command_is_kept_for_it() {
    for (name, from) in [("41-port-20", 20), ("41-port-high", 47_011)] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        // The interface of the control connection is behind that of the data.
        let mut data = ftp.active_data(from, 5001);
        data.open(&mut ftp.wire);
        carry(&mut ftp.wire, &mut data, Side::Client, &content());
        ftp.exchange("PORT 10,0,0,2,19,137", "200 PORT command successful.");
        ftp.exchange("RETR data.bin", OPENING);
        ftp.reply(DONE);
        let report = analyzed(name, &ftp.quit());
        let transfer = only_transfer(&report);
        assert_eq!(transfer["mode"], "active");
        assert_link(transfer, "announced-address", 0.97);
        assert_whole(transfer, &content());
        assert!(unmatched(&report).is_empty());
    }
}

#[test]
fn pitfall_41_what_passes_while_the_227_is_held_behind_a_hole_is_not_lost() {
    // The packet before the 227 comes only after all data.
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.command("NOOP");
    let at = ftp.wire.len();
    ftp.control
        .say(&mut ftp.wire, Side::Server, b"200 Zzz.\r\n");
    ftp.exchange("PASV", "227 Entering Passive Mode (10,0,0,1,195,81).");
    let mut data = ftp.passive_data(40_001, 50_001);
    data.open(&mut ftp.wire);
    ftp.command("RETR data.bin");
    ftp.reply(OPENING);
    carry(&mut ftp.wire, &mut data, Side::Server, &content());
    ftp.reply(DONE);
    let to = ftp.wire.len() - 1;
    ftp.wire.move_frame(at, to);
    let report = analyzed("41-hole", &ftp.quit());
    assert_whole(only_transfer(&report), &content());
    assert_link(only_transfer(&report), "announced-address", 0.97);
}

#[test]
fn pitfall_41_a_packet_before_the_227_that_was_never_captured_delays_it_only() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.command("NOOP");
    ftp.control
        .lose(&mut ftp.wire, Side::Server, b"200 Zzz.\r\n");
    ftp.exchange("PASV", "227 Entering Passive Mode (10,0,0,1,195,81).");
    let mut data = ftp.passive_data(40_001, 50_001);
    data.open(&mut ftp.wire);
    ftp.command("RETR data.bin");
    ftp.reply(OPENING);
    carry(&mut ftp.wire, &mut data, Side::Server, &content());
    ftp.reply(DONE);
    let report = analyzed("41-lost-before", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_eq!(transfer["announced"]["port"], 50_001);
    assert_whole(transfer, &content());
}

#[test]
fn pitfall_41_a_227_that_was_never_captured_leaves_hosts_and_time() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    for (seed, port) in [(1, 50_001), (2, 50_002)] {
        ftp.command("PASV");
        let text = format!(
            "227 Entering Passive Mode (10,0,0,1,195,{}).\r\n",
            port - 49_920
        );
        ftp.control
            .lose(&mut ftp.wire, Side::Server, text.as_bytes());
        let mut data = ftp.passive_data(port - 10_000, port);
        data.open(&mut ftp.wire);
        ftp.command(&format!("RETR file{seed}.bin"));
        ftp.reply(OPENING);
        carry(&mut ftp.wire, &mut data, Side::Server, &content_of(seed, 4));
        ftp.reply(DONE);
        ftp.wire.wait(Duration::from_secs(1));
    }
    let report = analyzed("41-never", &ftp.quit());
    let all = transfers(&report, 0);
    assert_eq!(all.len(), 2);
    for (transfer, (seed, port)) in all.iter().zip([(1, 50_001), (2, 50_002)]) {
        assert_eq!(transfer["mode"], "passive");
        assert_eq!(transfer["announced"], Value::Null);
        assert_eq!(transfer["connection"]["server"]["port"], port);
        assert_link(transfer, "port-and-time", 0.5);
        assert_whole(transfer, &content_of(seed, 4));
    }
}

#[test]
fn pitfall_41_a_port_command_whose_200_was_never_captured_was_accepted() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.command("PORT 10,0,0,2,19,137");
    ftp.control.lose(
        &mut ftp.wire,
        Side::Server,
        b"200 PORT command successful.\r\n",
    );
    ftp.exchange("RETR data.bin", OPENING);
    let mut data = ftp.active_data(20, 5001);
    data.open(&mut ftp.wire);
    carry(&mut ftp.wire, &mut data, Side::Client, &content());
    ftp.reply(DONE);
    let report = analyzed("41-lost-200", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_eq!(transfer["mode"], "active");
    assert_link(transfer, "announced-address", 1.0);
    assert_whole(transfer, &content());
}

/// Two passive transfers, an upload and a download, of which one end's packets were captured.
fn one_sided(seen: &str) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    for (seed, command, sender) in [
        (1, "STOR up.bin", Side::Client),
        (2, "RETR down.bin", Side::Server),
    ] {
        let port = 50_000 + u16::from(seed);
        ftp.passive(None, port);
        let mut data = ftp.passive_data(40_000 + u16::from(seed), port);
        data.open(&mut ftp.wire);
        ftp.command(command);
        ftp.reply(OPENING);
        carry(&mut ftp.wire, &mut data, sender, &content_of(seed, 4));
        ftp.reply(DONE);
    }
    let seen: IpAddr = seen.parse().expect("an address");
    ftp.part();
    ftp.wire.keep_only(|source, _| source == seen);
    ftp.wire.to_pcap()
}

#[test]
fn pitfall_82_the_clients_packets_alone_tie_passive_connections_by_hosts_and_time() {
    let report = analyzed("82-client", &one_sided("10.0.0.2"));
    let all = transfers(&report, 0);
    assert_eq!(all.len(), 2);
    for (transfer, port) in all.iter().zip([50_001, 50_002]) {
        assert_eq!(transfer["mode"], "passive");
        assert_eq!(transfer["connection"]["server"]["port"], port);
        assert_link(transfer, "port-and-time", 0.5);
    }
    let (up, down) = (&all[0], &all[1]);
    // Nobody says that the server took it.
    assert_eq!(up["sha256"], sha256(&content_of(1, 4)).as_str());
    assert_eq!(up["completeness"], "unverifiable");
    // What the server sent is known only from the acknowledgments.
    assert_eq!(down["bytes"], 0);
    assert_ne!(down["completeness"], "complete");
}

#[test]
fn pitfall_82_the_servers_packets_alone_leave_bytes_without_a_command() {
    let report = analyzed("82-server", &one_sided("10.0.0.1"));
    assert!(transfers(&report, 0).is_empty());
    let all = unmatched(&report);
    let down = all
        .iter()
        .find(|one| one["connection"]["server"]["port"] == 50_002)
        .expect("the download");
    assert_eq!(down["session"], 1);
    assert_eq!(down["sha256"], sha256(&content_of(2, 4)).as_str());
}

#[test]
fn data_without_its_control_connection_is_recognized_on_port_20_only() {
    let mut wire = Wire::new();
    for (client, server, seed) in [
        ("10.0.0.1:20", "10.0.0.2:5001", 1),
        ("10.0.0.1:47011", "10.0.0.2:5002", 2),
    ] {
        let mut data: Connection = connection(client, server);
        data.open(&mut wire);
        carry(&mut wire, &mut data, Side::Client, &content_of(seed, 3));
    }
    let report = analyzed("unmatched-20", &wire.to_pcap());
    let all = unmatched(&report);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(all[0]["session"], Value::Null);
    assert_eq!(all[0]["bytes"], content_of(1, 3).len());
    assert_eq!(all[0]["sha256"], sha256(&content_of(1, 3)).as_str());
    assert_eq!(all[0]["connection"]["opened_by"], "server");
    assert_eq!(report["sessions"], json!([]));
}

#[test]
fn data_at_announced_end_points_without_a_command_is_reported_with_its_session() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let mut unused = ftp.passive_data(40_001, 50_001);
    unused.open(&mut ftp.wire);
    carry(&mut ftp.wire, &mut unused, Side::Server, &content_of(1, 2));
    // From port 20, beside an open session that announced nothing.
    let mut data = ftp.active_data(20, 5009);
    data.open(&mut ftp.wire);
    carry(&mut ftp.wire, &mut data, Side::Client, &content_of(2, 2));
    ftp.wire.wait(Duration::from_secs(20));
    ftp.retrieve("data.bin", 40_002, 50_002, &content());
    let report = analyzed("unmatched-both", &ftp.quit());
    assert_whole(only_transfer(&report), &content());
    let mut told: Vec<_> = unmatched(&report)
        .iter()
        .map(|one| (one["session"].as_u64(), one["sha256"].as_str()))
        .collect();
    told.sort_unstable();
    let (first, second) = (sha256(&content_of(1, 2)), sha256(&content_of(2, 2)));
    assert_eq!(
        told,
        [
            (None, Some(second.as_str())),
            (Some(1), Some(first.as_str()))
        ]
    );
}

#[test]
fn other_traffic_between_the_hosts_of_a_session_is_neither_data_nor_control() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let mut other = connection("10.0.0.2:41000", "10.0.0.1:60000");
    other.open(&mut ftp.wire);
    other.stream(&mut ftp.wire, Side::Client, &content_of(9, 3), 1400);
    ftp.retrieve("data.bin", 40_001, 50_001, &content());
    other.close(&mut ftp.wire, Side::Client);
    // A second session, on a port of its own.
    let wire = std::mem::replace(&mut ftp.wire, Wire::new());
    let mut second = Conversation::open_on(wire, "10.0.0.2:42000", "10.0.0.1:2121");
    second.exchange("USER mira", "331 Please specify the password.");
    second.exchange("PASS hazel-lantern", "230 Login successful.");
    second.exchange("TYPE I", "200 Switching to Binary mode.");
    second.retrieve("other.bin", 40_002, 50_002, &content_of(3, 3));
    second.part();
    ftp.wire = second.wire;
    let report = analyzed("beside", &ftp.quit());
    assert_eq!(report["sessions"].as_array().map(Vec::len), Some(2));
    assert_whole(&transfers(&report, 0)[0], &content());
    assert_whole(&transfers(&report, 1)[0], &content_of(3, 3));
    assert!(unmatched(&report).is_empty());
}
