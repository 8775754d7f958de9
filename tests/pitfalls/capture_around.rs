//! Surroundings of sessions in a capture (85 to 88): names, boxes on the way, tunnels and small packets, secrets.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use simple_dns::rdata::{A, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use crate::pitfalls::capture::{assert_plain, plain};
use crate::pitfalls::scene::{
    Scene, after_login, analyze, findings, list, session, step_of, steps, transfers,
};
use crate::support::connection::{Connection, Side};
use crate::support::recording::{packets, pcap};
use crate::support::wire::Wire;
use crate::support::{specimens, wrapping};

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
        crate::pitfalls::scene::CLIENT,
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
        crate::pitfalls::scene::CLIENT,
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
    scene.play("> PAS cedar-harbour\n< 331 what\n> CWD /home\n< 250 In the home of hazel-lantern");
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
