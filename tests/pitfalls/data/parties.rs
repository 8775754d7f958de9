//! Hosts at the other end of a data connection (47, 48, 53).

use serde_json::json;

use super::{
    CLIENT, DONE, OPENING, SERVER, analyzed, assert_link, assert_whole, beside, carry, connection,
    content, content_of, findings, hand_over, only_transfer, transfers, unmatched,
};
use crate::support::connection::Side;
use crate::support::conversation::{Conversation, comma_address};

/// Two clients receive the same port; the second connects first.
fn one_port_for_two(second_client: &str, second_data: &str) -> Vec<u8> {
    let mut one = Conversation::logged_in(CLIENT, SERVER);
    one.passive(None, 50_001);
    let mut two = beside(&mut one, second_client, SERVER);
    two.passive(None, 50_001);
    let mut data_of_two = connection(second_data, "10.0.0.1:50001");
    data_of_two.open(&mut two.wire);
    two.command("RETR two.bin");
    hand_over(&mut two, &mut one);
    let mut data_of_one = connection("10.0.0.2:40001", "10.0.0.1:50001");
    data_of_one.open(&mut one.wire);
    one.command("RETR one.bin");
    one.reply(OPENING);
    data_of_one.stream(&mut one.wire, Side::Server, &content_of(1, 4), 1400);
    hand_over(&mut one, &mut two);
    two.reply(OPENING);
    carry(
        &mut two.wire,
        &mut data_of_two,
        Side::Server,
        &content_of(2, 5),
    );
    two.reply(DONE);
    two.part();
    hand_over(&mut two, &mut one);
    data_of_one.close(&mut one.wire, Side::Server);
    one.reply(DONE);
    one.quit()
}

#[test]
fn pitfall_47_one_passive_port_serves_several_clients_at_once() {
    let report = analyzed("47", &one_port_for_two("10.0.0.3:40000", "10.0.0.3:40001"));
    for (session, seed, segments, name) in [(0, 1, 4, "one.bin"), (1, 2, 5, "two.bin")] {
        let all = transfers(&report, session);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0]["name"], name);
        assert_link(&all[0], "announced-address", 1.0);
        assert_whole(&all[0], &content_of(seed, segments));
    }
    assert!(unmatched(&report).is_empty());
}

#[test]
fn pitfall_47_clients_behind_one_address_are_distinguished_by_order() {
    let mut one = Conversation::logged_in(CLIENT, SERVER);
    one.passive(None, 50_001);
    let mut two = beside(&mut one, "10.0.0.2:41000", SERVER);
    hand_over(&mut two, &mut one);
    let mut data = connection("10.0.0.2:40001", "10.0.0.1:50001");
    data.open(&mut one.wire);
    one.command("RETR one.bin");
    hand_over(&mut one, &mut two);
    two.passive(None, 50_001);
    let mut data_of_two = connection("10.0.0.2:40002", "10.0.0.1:50001");
    data_of_two.open(&mut two.wire);
    two.command("RETR two.bin");
    two.reply(OPENING);
    carry(
        &mut two.wire,
        &mut data_of_two,
        Side::Server,
        &content_of(2, 5),
    );
    two.reply(DONE);
    two.part();
    hand_over(&mut two, &mut one);
    one.deliver("one.bin", &mut data, Side::Server, &content_of(1, 4));
    let report = analyzed("47-nat", &one.quit());
    assert_whole(&transfers(&report, 0)[0], &content_of(1, 4));
    assert_whole(&transfers(&report, 1)[0], &content_of(2, 5));
}

/// `first` reads at one server what `second` stores at another, over one connection between the servers; `listen` is what
/// the first was asked for its end point, and what it answered.
fn exchange(second: &str, listen: (&str, &str)) -> Vec<u8> {
    let mut from = Conversation::logged_in(CLIENT, SERVER);
    from.exchange(listen.0, listen.1);
    let mut to = beside(&mut from, second, "10.0.0.9:21");
    to.exchange(
        &format!("PORT {}", comma_address([10, 0, 0, 1], 50_001)),
        "200 PORT command successful.",
    );
    to.command("STOR copy.bin");
    hand_over(&mut to, &mut from);
    from.command("RETR data.bin");
    let mut data = connection("10.0.0.9:20", "10.0.0.1:50001");
    data.open(&mut from.wire);
    from.opening("data.bin", content().len());
    hand_over(&mut from, &mut to);
    to.reply("150 Ok to send data.");
    carry(&mut to.wire, &mut data, Side::Server, &content());
    to.reply(DONE);
    hand_over(&mut to, &mut from);
    from.reply(DONE);
    from.part();
    hand_over(&mut from, &mut to);
    to.quit()
}

#[test]
fn pitfall_48_fxp_is_one_connection_and_a_transfer_in_each_of_two_sessions() {
    let passive = "227 Entering Passive Mode (10,0,0,1,195,81).";
    for (name, listen) in [("48-fxp", "PASV"), ("48-cpsv", "CPSV")] {
        let report = analyzed(name, &exchange("10.0.0.2:40009", (listen, passive)));
        let (from, to) = (&transfers(&report, 0)[0], &transfers(&report, 1)[0]);
        assert_eq!(
            (&from["verb"], &to["verb"]),
            (&json!("RETR"), &json!("STOR"))
        );
        assert_eq!(from["path"], json!(null));
        assert_link(from, "third-party", 0.9);
        assert_link(to, "announced-address", 1.0);
        for transfer in [from, to] {
            assert_whole(transfer, &content());
        }
        assert_eq!(
            from["connection"]["community_id"],
            to["connection"]["community_id"]
        );
        assert_eq!(from["connection"]["server"]["ip"], "10.0.0.1");
        assert_eq!(to["connection"]["server"]["ip"], "10.0.0.9");
        assert_eq!(report["findings"][0]["id"], "fxp");
        assert_eq!(findings(&report, 0), Vec::<&str>::new());
        assert_eq!(findings(&report, 1), Vec::<&str>::new());
        assert!(unmatched(&report).is_empty());
    }
}

#[test]
fn pitfall_48_a_port_that_names_a_third_host_is_a_bounce() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PORT 10,0,0,77,0,25", "200 PORT command successful.");
    ftp.exchange("RETR data.bin", OPENING);
    let mut data = connection("10.0.0.1:20", "10.0.0.77:25");
    data.open(&mut ftp.wire);
    carry(&mut ftp.wire, &mut data, Side::Client, &content());
    ftp.reply(DONE);
    let report = analyzed("48-bounce", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_eq!(findings(&report, 0), ["bounce"]);
    assert_eq!(
        transfer["connection"]["client"],
        json!({"ip": "10.0.0.77", "port": 25})
    );
    assert_link(transfer, "announced-address", 1.0);
    assert_whole(transfer, &content());
    assert_eq!(report["findings"], json!([]));
}

#[test]
fn pitfall_48_a_third_host_that_connects_is_a_theft_and_its_bytes_are_kept() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let mut data = connection("10.0.0.66:41000", "10.0.0.1:50001");
    data.open(&mut ftp.wire);
    ftp.command("RETR data.bin");
    ftp.deliver("data.bin", &mut data, Side::Server, &content());
    let report = analyzed("48-theft", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_eq!(findings(&report, 0), ["port-theft"]);
    assert_eq!(transfer["connection"]["client"]["ip"], "10.0.0.66");
    assert_link(transfer, "third-party", 0.8);
    assert_whole(transfer, &content());
}

#[test]
fn pitfall_48_a_third_host_that_only_knocks_takes_nothing() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let mut stranger = connection("10.0.0.66:41000", "10.0.0.1:50001");
    stranger.open(&mut ftp.wire);
    stranger.rst(&mut ftp.wire, Side::Server);
    let mut data = ftp.passive_data(40_001, 50_001);
    data.open(&mut ftp.wire);
    ftp.command("RETR data.bin");
    ftp.deliver("data.bin", &mut data, Side::Server, &content());
    let report = analyzed("48-knock", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_eq!(findings(&report, 0), Vec::<&str>::new());
    assert_eq!(transfer["connection"]["client"]["ip"], "10.0.0.2");
    assert_link(transfer, "announced-address", 1.0);
    assert_whole(transfer, &content());
}

#[test]
fn pitfall_53_a_server_may_announce_another_of_its_addresses() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(Some([10, 0, 7, 1]), 50_001);
    let mut data = connection("10.0.0.2:40001", "10.0.7.1:50001");
    data.open(&mut ftp.wire);
    ftp.command("RETR data.bin");
    ftp.deliver("data.bin", &mut data, Side::Server, &content());
    let report = analyzed("53", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_link(transfer, "announced-address", 1.0);
    assert_eq!(transfer["connection"]["server"]["ip"], "10.0.7.1");
    assert_whole(transfer, &content());
    assert!(!findings(&report, 0).contains(&"port-theft"));
}

#[test]
fn pitfall_53_an_active_connection_may_come_from_another_address_of_the_server() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PORT 10,0,0,2,19,137", "200 PORT command successful.");
    ftp.exchange("RETR data.bin", OPENING);
    let mut data = connection("10.0.7.1:20", "10.0.0.2:5001");
    data.open(&mut ftp.wire);
    carry(&mut ftp.wire, &mut data, Side::Client, &content());
    ftp.reply(DONE);
    let report = analyzed("53-active", &ftp.quit());
    let transfer = only_transfer(&report);
    assert_link(transfer, "third-party", 0.8);
    assert_whole(transfer, &content());
}
