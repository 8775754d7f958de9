//! Announcements of data connections in all their spellings (34 to 40, 43, 51).

use serde_json::json;

use super::{
    CLIENT, DONE, OPENING, SERVER, analyzed, assert_link, assert_whole, carry, commands,
    connection, content, content_of, findings, only_transfer, step_of, transfers,
};
use crate::support::connection::{Connection, Side};
use crate::support::conversation::Conversation;

/// `set_up` and its reply, then a download over `data`.
fn download(set_up: (&str, &str), mut data: Connection, ends: (&str, &str)) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(ends.0, ends.1);
    ftp.exchange(set_up.0, set_up.1);
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.reply(OPENING);
    let sender = if set_up.0.starts_with('P') && !set_up.0.starts_with("PORT")
        || set_up.0.starts_with("EPSV")
        || set_up.0.starts_with("LPSV")
    {
        Side::Server
    } else {
        Side::Client
    };
    carry(&mut ftp.wire, &mut data, sender, &content());
    ftp.reply(DONE);
    ftp.quit()
}

fn passive_data() -> Connection {
    connection("10.0.0.2:40001", "10.0.0.1:50001")
}

fn active_data() -> Connection {
    connection("10.0.0.1:20", "10.0.0.2:5001")
}

#[test]
fn pitfall_34_a_227_is_read_wherever_its_six_numbers_stand() {
    let replies = [
        ("227 Entering Passive Mode (10,0,0,1,195,81).", true),
        ("227 10,0,0,1,195,81", true),
        ("227 Entering passive mode. 10,0,0,1,195,81", true),
        (
            "227 Data transfer will passively listen to 10,0,0,1,195,81",
            true,
        ),
        ("227 PASV OK (ftp://0,0,0,0,195,81)", false),
        ("227-listen socket created\r\n227 (127,0,0,1,195,81)", false),
        ("227 =10,0,0,1,195,81", true),
        ("227 Entering Passive Mode (266,0,-256,-255,195,81)", true),
        ("227 Entering Passive Mode (10,0,0,1,-61,337)", true),
        (
            "227 Server 2 of 17, ports 40000-50000: 10,0,0,1,195,81",
            true,
        ),
        ("227 Entering Passive Mode (10, 0, 0, 1, 195, 81)", true),
    ];
    for (number, (reply, own_address)) in replies.into_iter().enumerate() {
        let capture = download(("PASV", reply), passive_data(), (CLIENT, SERVER));
        let report = analyzed(&format!("34-{number}"), &capture);
        let transfer = only_transfer(&report);
        assert_eq!(transfer["mode"], "passive", "{reply}");
        assert_eq!(transfer["announced"]["port"], 50_001, "{reply}");
        assert_whole(transfer, &content());
        if own_address {
            assert_eq!(transfer["announced"]["ip"], "10.0.0.1", "{reply}");
            assert_link(transfer, "announced-address", 1.0);
        } else {
            assert_link(transfer, "control-peer", 0.95);
        }
    }
}

#[test]
fn pitfall_35_a_227_that_says_logout_is_no_address() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PASV", "227 Logout");
    ftp.exchange("EPSV", "229 Entering Extended Passive Mode (|||50001|)");
    let mut data = passive_data();
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Server, &content());
    ftp.exchange("QUIT", "227 Logout");
    ftp.control.close(&mut ftp.wire, Side::Server);
    let report = analyzed("35", &ftp.wire.to_pcap());
    let transfer = only_transfer(&report);
    assert_eq!(transfer["mode"], "extended-passive");
    assert_whole(transfer, &content());
    let steps = report["sessions"][0]["steps"].as_array().expect("a list");
    let quit = steps.iter().find(|step| step["kind"] == "quit");
    assert_eq!(
        commands(quit.expect("a step")),
        [("QUIT".to_owned(), Some(227))]
    );
}

#[test]
fn pitfall_36_pasv_answered_by_229_and_epsv_by_227() {
    // CLAT and the translators of RFC 6384 change one into the other on the way.
    for (name, command, reply, mode) in [
        (
            "36-229",
            "PASV",
            "229 Entering Extended Passive Mode (|||50001|)",
            "extended-passive",
        ),
        (
            "36-227",
            "EPSV",
            "227 Entering Passive Mode (10,0,0,1,195,81)",
            "passive",
        ),
    ] {
        let capture = download((command, reply), passive_data(), (CLIENT, SERVER));
        let report = analyzed(name, &capture);
        let transfer = only_transfer(&report);
        assert_eq!(transfer["mode"], mode);
        assert_eq!(
            transfer["announced"],
            json!({"ip": "10.0.0.1", "port": 50_001})
        );
        assert_link(transfer, "announced-address", 1.0);
        assert_whole(transfer, &content());
        let step = step_of(&report, 0, 1);
        assert_eq!(commands(step)[1].0, command);
    }
}

#[test]
fn pitfall_37_a_229_with_any_delimiter_with_spaces_and_with_an_address() {
    for (number, fields) in [
        "(|||50001|)",
        "(!!!50001!)",
        "(~~~50001~)",
        "(xxx50001x)",
        "(||| 50001 |)",
        "|||50001|",
        "(|1|10.0.0.1|50001|)",
        "(|1||50001|).",
    ]
    .into_iter()
    .enumerate()
    {
        let reply = format!("229 Entering Extended Passive Mode {fields}");
        let capture = download(("EPSV", &reply), passive_data(), (CLIENT, SERVER));
        let report = analyzed(&format!("37-{number}"), &capture);
        let transfer = only_transfer(&report);
        assert_eq!(transfer["mode"], "extended-passive", "{fields}");
        assert_link(transfer, "announced-address", 1.0);
        assert_whole(transfer, &content());
    }
}

#[test]
fn pitfall_37_an_address_in_a_229_is_held_against_the_control_peer() {
    let reply = "229 Entering Extended Passive Mode (|1|10.0.0.7|50001|)";
    for (name, listener, method, confidence) in [
        ("37-followed", "10.0.0.7:50001", "announced-address", 1.0),
        ("37-ignored", "10.0.0.1:50001", "control-peer", 0.95),
    ] {
        let data = connection("10.0.0.2:40001", listener);
        let report = analyzed(name, &download(("EPSV", reply), data, (CLIENT, SERVER)));
        let transfer = only_transfer(&report);
        assert_eq!(transfer["announced"]["ip"], "10.0.0.7");
        assert_link(transfer, method, confidence);
        assert_whole(transfer, &content());
    }
}

#[test]
fn pitfall_38_eprt_in_both_families_with_any_delimiter() {
    let v4 = [
        "EPRT |1|10.0.0.2|5001|",
        "EPRT !1!10.0.0.2!5001!",
        "EPRT |2|::ffff:10.0.0.2|5001|",
    ];
    for (number, command) in v4.into_iter().enumerate() {
        let set_up = (command, "200 EPRT command successful.");
        let capture = download(set_up, active_data(), (CLIENT, SERVER));
        let report = analyzed(&format!("38-v4-{number}"), &capture);
        let transfer = only_transfer(&report);
        assert_eq!(transfer["mode"], "extended-active", "{command}");
        assert_eq!(
            transfer["announced"],
            json!({"ip": "10.0.0.2", "port": 5001})
        );
        assert_eq!(transfer["connection"]["opened_by"], "server");
        assert_link(transfer, "announced-address", 1.0);
        assert_whole(transfer, &content());
    }
    let capture = download(
        ("EPRT |2|fe80::2%eth0|5001|", "200 EPRT command successful."),
        connection("[fe80::1]:20", "[fe80::2]:5001"),
        ("[fe80::2]:40000", "[fe80::1]:21"),
    );
    let report = analyzed("38-v6", &capture);
    assert_eq!(only_transfer(&report)["announced"]["ip"], "fe80::2");
    assert_link(only_transfer(&report), "announced-address", 1.0);
    assert_whole(only_transfer(&report), &content());
}

#[test]
fn pitfall_38_a_refused_eprt_counts_for_nothing_and_epsv_takes_a_family() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange(
        "EPRT |3|10.0.0.2|6001|",
        "522 Network protocol not supported, use (1,2)",
    );
    ftp.exchange(
        "EPRT |2|2001:db8::2|6001|",
        "522 Network protocol not supported, use (1)",
    );
    ftp.exchange("EPSV 1", "229 Entering Extended Passive Mode (|||50001|)");
    let mut data = passive_data();
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Server, &content());
    let report = analyzed("38-refused", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_eq!(transfer["mode"], "extended-passive");
    assert_whole(transfer, &content());
    assert_eq!(findings(&report, 0), Vec::<&str>::new());
}

#[test]
fn pitfall_38_after_epsv_all_an_accepted_port_is_a_violation_and_works() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("EPSV ALL", "200 EPSV ALL ok.");
    ftp.exchange("PORT 10,0,0,2,19,137", "200 PORT command successful.");
    ftp.command("RETR data.bin");
    let mut data = active_data();
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Client, &content());
    let report = analyzed("38-all", &ftp.quit());
    assert_eq!(only_transfer(&report)["mode"], "active");
    assert_whole(only_transfer(&report), &content());
    assert_eq!(findings(&report, 0), ["reply-violation"]);
}

#[test]
fn pitfall_39_lprt_and_lpsv_in_both_families() {
    let v6 = "32,1,13,184,0,0,0,0,0,0,0,0,0,0,0";
    let ends = ("[2001:db8::2]:40000", "[2001:db8::1]:21");
    let cases = [
        (
            "39-lprt-4",
            "LPRT 4,4,10,0,0,2,2,19,137".to_owned(),
            "200 LPRT command successful.".to_owned(),
            active_data(),
            (CLIENT, SERVER),
            "long-active",
        ),
        (
            "39-lpsv-4",
            "LPSV".to_owned(),
            "228 Entering Long Passive Mode (4,4,10,0,0,1,2,195,81)".to_owned(),
            passive_data(),
            (CLIENT, SERVER),
            "long-passive",
        ),
        (
            "39-lprt-6",
            format!("LPRT 6,16,{v6},2,2,19,137"),
            "200 LPRT command successful.".to_owned(),
            connection("[2001:db8::1]:20", "[2001:db8::2]:5001"),
            ends,
            "long-active",
        ),
        (
            "39-lpsv-6",
            "LPSV".to_owned(),
            format!("228 Entering Long Passive Mode (6,16,{v6},1,2,195,81)"),
            connection("[2001:db8::2]:40001", "[2001:db8::1]:50001"),
            ends,
            "long-passive",
        ),
    ];
    for (name, command, reply, data, ends, mode) in cases {
        let report = analyzed(name, &download((&command, &reply), data, ends));
        let transfer = only_transfer(&report);
        assert_eq!(transfer["mode"], mode);
        assert_link(transfer, "announced-address", 1.0);
        assert_whole(transfer, &content());
    }
}

#[test]
fn pitfall_39_a_refused_lprt_leaves_the_port_before_it_in_force() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PORT 10,0,0,2,19,137", "200 PORT command successful.");
    ftp.exchange(
        "LPRT 9,2,1,2,2,19,138",
        "521 Supported address families are (4, 6)",
    );
    ftp.command("RETR data.bin");
    let mut data = active_data();
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Client, &content());
    let report = analyzed("39-refused", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_eq!(transfer["mode"], "active");
    assert_eq!(transfer["announced"]["port"], 5001);
    assert_whole(transfer, &content());
}

#[test]
fn pitfall_40_the_announced_address_may_be_one_behind_translation() {
    for (number, address) in ["192,168,7,7", "0,0,0,0", "203,0,113,80"]
        .into_iter()
        .enumerate()
    {
        let reply = format!("227 Entering Passive Mode ({address},195,81).");
        let capture = download(("PASV", &reply), passive_data(), (CLIENT, SERVER));
        let report = analyzed(&format!("40-pasv-{number}"), &capture);
        assert_link(only_transfer(&report), "control-peer", 0.95);
        assert_whole(only_transfer(&report), &content());
        assert_eq!(findings(&report, 0), ["address-translation"]);

        let command = format!("PORT {address},19,137");
        let set_up = (command.as_str(), "200 PORT command successful.");
        let capture = download(set_up, active_data(), (CLIENT, SERVER));
        let report = analyzed(&format!("40-port-{number}"), &capture);
        assert_link(only_transfer(&report), "control-peer", 0.95);
        assert_whole(only_transfer(&report), &content());
    }
}

#[test]
fn pitfall_40_a_gateway_that_rewrites_port_shifts_all_later_sequence_numbers() {
    // Inside the client says its own address; outside stands a longer one, so that all that follows is two bytes on.
    let inside = "PORT 10,0,0,2,19,137";
    let outside = "PORT 203,0,113,2,19,137";
    for (name, command, client, listener) in [
        ("40-inside", inside, CLIENT, "10.0.0.2:5001"),
        (
            "40-outside",
            outside,
            "203.0.113.2:40000",
            "203.0.113.2:5001",
        ),
    ] {
        let data = connection("10.0.0.1:20", listener);
        let set_up = (command, "200 PORT command successful.");
        let report = analyzed(name, &download(set_up, data, (client, SERVER)));
        assert_link(only_transfer(&report), "announced-address", 1.0);
        assert_whole(only_transfer(&report), &content());
        assert_eq!(findings(&report, 0), Vec::<&str>::new());
    }
}

#[test]
fn pitfall_43_of_several_announcements_the_last_accepted_one_counts() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_009);
    ftp.exchange("PORT 10,0,0,2,19,136", "200 PORT command successful.");
    ftp.passive(None, 50_001);
    ftp.exchange("PORT 10,0,0,2,0,25", "500 Illegal PORT command.");
    let mut data = passive_data();
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Server, &content());
    let report = analyzed("43", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_eq!(transfer["mode"], "passive");
    assert_eq!(transfer["announced"]["port"], 50_001);
    assert_whole(transfer, &content());
    let step = step_of(&report, 0, 1);
    let expected = [
        ("TYPE", 200),
        ("PASV", 227),
        ("PORT", 200),
        ("PASV", 227),
        ("PORT", 500),
        ("RETR", 226),
    ];
    let expected = expected.map(|(verb, code)| (verb.to_owned(), Some(code)));
    assert_eq!(commands(step), expected);
}

#[test]
fn pitfall_43_a_port_that_tcp_sends_again_is_one_command() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.control
        .say(&mut ftp.wire, Side::Client, b"PORT 10,0,0,2,19,137\r\n");
    ftp.control.retransmit(&mut ftp.wire, Side::Client);
    ftp.control.ack(&mut ftp.wire, Side::Server);
    ftp.reply("200 PORT command successful.");
    ftp.command("RETR data.bin");
    let mut data = active_data();
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Client, &content());
    let report = analyzed("43-again", &ftp.quit());
    assert_whole(only_transfer(&report), &content());
    let verbs: Vec<String> = commands(step_of(&report, 0, 1))
        .into_iter()
        .map(|(verb, _)| verb)
        .collect();
    assert_eq!(verbs, ["TYPE", "PORT", "RETR"]);
}

#[test]
fn pitfall_51_pret_and_rest_in_any_order_and_rest_is_used_up_by_what_fails() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PRET RETR data.bin", "200 OK, will use this for PASV.");
    ftp.exchange("REST 1000", "350 Restarting at 1000.");
    ftp.retrieve("data.bin", 40_001, 50_001, &content_of(1, 3));
    // REST after PASV.
    ftp.passive(None, 50_002);
    ftp.exchange("REST 2000", "350 Restarting at 2000.");
    let mut data = ftp.passive_data(40_002, 50_002);
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Server, &content_of(2, 3));
    // The refused command uses it up.
    ftp.exchange("REST 3000", "350 Restarting at 3000.");
    ftp.passive(None, 50_003);
    ftp.exchange("RETR missing.bin", "550 No such file.");
    let mut data = ftp.passive_data(40_003, 50_003);
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Server, &content_of(3, 3));
    // A range of bytes, as drafted, is no REST.
    ftp.exchange("RANG 0 99", "350 Restarting at 0, ending at 99.");
    ftp.retrieve("data.bin", 40_004, 50_004, &content_of(4, 1)[..100]);
    let report = analyzed("51", &ftp.quit());
    let all = transfers(&report, 0);
    let offsets: Vec<_> = all.iter().map(|one| &one["restart_offset"]).collect();
    assert_eq!(offsets, [1000, 2000, 3000, 0, 0]);
    for (place, seed) in [(0, 1), (1, 2), (3, 3)] {
        assert_whole(&all[place], &content_of(seed, 3));
    }
    assert_eq!(all[2]["completeness"], "aborted");
    assert_whole(&all[4], &content_of(4, 1)[..100]);
    let step = step_of(&report, 0, 1);
    let verbs: Vec<String> = commands(step).into_iter().map(|(verb, _)| verb).collect();
    assert_eq!(verbs, ["TYPE", "PRET", "REST", "PASV", "RETR"]);
}
