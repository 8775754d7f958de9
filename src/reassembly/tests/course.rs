//! Counts, state and history of connections.

use super::*;

/// Returns state and history after these packets.
fn course(packets: impl IntoIterator<Item = Packet>) -> (String, String) {
    let mut wire = Wire::new();
    wire.send_all(packets);
    wire.finish();
    let summary = wire.summary();
    (summary.tcp_state().to_owned(), summary.tcp_history())
}

fn syn() -> Packet {
    client(999).syn()
}

fn syn_ack() -> Packet {
    server(4999).syn().ack(1000)
}

fn opened() -> [Packet; 3] {
    [syn(), syn_ack(), client(1000).ack(5000)]
}

fn after_opening<const N: usize>(packets: [Packet; N]) -> Vec<Packet> {
    opened().into_iter().chain(packets).collect()
}

#[test]
fn every_state_of_a_connection_has_its_name() {
    let reset = |from: Packet| from.rst();
    let cases: Vec<(&str, &str, Vec<Packet>)> = vec![
        ("S0", "S", vec![syn()]),
        ("REJ", "Sr", vec![syn(), reset(server(0).ack(1000))]),
        ("RSTOS0", "SR", vec![syn(), reset(client(1000))]),
        ("S1", "ShA", opened().into()),
        ("SH", "SF", vec![syn(), client(1000).ack(5000).fin()]),
        ("S2", "ShAF", after_opening([client(1000).ack(5000).fin()])),
        ("S3", "ShAf", after_opening([server(5000).ack(1000).fin()])),
        (
            "SF",
            "ShAFf",
            after_opening([
                client(1000).ack(5000).fin(),
                server(5000).ack(1001).fin(),
                client(1001).ack(5001),
            ]),
        ),
        (
            "RSTO",
            "ShAR",
            after_opening([reset(client(1000).ack(5000))]),
        ),
        (
            "RSTR",
            "ShAr",
            after_opening([reset(server(5000).ack(1000))]),
        ),
        (
            "RSTRH",
            "^hr",
            vec![syn_ack(), reset(server(5000).ack(1000))],
        ),
        ("SHR", "^hf", vec![syn_ack(), server(5000).ack(1000).fin()]),
        ("OTH", "^d", vec![server(5000).ack(1000).data("220 ")]),
        (
            "OTH",
            "DR",
            vec![client(1000).ack(5000).data("QUIT"), reset(client(1004))],
        ),
    ];
    for (state, history, packets) in cases {
        assert_eq!(course(packets), (state.to_owned(), history.to_owned()));
    }
}

#[test]
fn letters_that_count_are_written_at_powers_of_ten() {
    let again = || client(1000).ack(5000).data("abc");
    let mut packets = after_opening([again()]);
    packets.extend((0..12).map(|_| again()));
    assert_eq!(course(packets).1, "ShADTT");
    let mut closed = client(1000).ack(5000);
    closed.window = 0;
    assert_eq!(course(after_opening([closed.clone(), closed])).1, "ShAW");
}

#[test]
fn gap_has_a_letter_once_the_receiver_acknowledged_past_it() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("a"));
    wire.send(client(1003).ack(5000).data("d"));
    wire.send(server(5000).ack(1004));
    wire.wait(Span::from_millis(400));
    assert_eq!(wire.summary().tcp_history(), "ShADaG");
    // Never acknowledged: lost on the way, and perhaps never received.
    wire.send(client(1010).ack(5000).data("x"));
    wire.finish();
    assert_eq!(wire.summary().tcp_history(), "ShADaG");
}

#[test]
fn payload_bytes_are_distances_of_sequence_numbers() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(server(5000).ack(1009));
    wire.send(client(1009).ack(5000).fin());
    wire.finish();
    let course = wire.summary().course;
    assert_eq!(course.payload_bytes(Direction::Up), 9);
    assert_eq!(course.payload_bytes(Direction::Down), 0);
    assert_eq!(course.packets(Direction::Up), 5);
    assert_eq!(course.ip_bytes(Direction::Up), 5 * 40 + 6);
}

#[test]
fn second_copies_are_not_counted_and_have_no_letter() {
    let mut wire = Wire::new();
    let session = [
        syn().numbered(1),
        syn_ack().numbered(9),
        client(1000).ack(5000).numbered(2),
        client(1000).ack(5000).data("abc").numbered(3),
        server(5000).ack(1003).numbered(10),
    ];
    for packet in session {
        wire.send(packet.clone());
        wire.send(packet);
    }
    wire.finish();
    let summary = wire.summary();
    assert_eq!(summary.tcp_history(), "ShADa");
    assert_eq!(summary.course.packets(Direction::Up), 3);
    assert_eq!(summary.course.packets(Direction::Down), 2);
    let copies = [Direction::Up, Direction::Down].map(|way| summary.course.copies(way));
    assert_eq!(copies.map(|of| of.packets), [3, 2]);
    assert_eq!(copies.map(|of| of.ip_bytes), [3 * 40 + 3, 2 * 40]);
}

#[test]
fn packets_after_the_end_are_counted_apart_and_move_the_state_on() {
    let mut wire = Wire::established();
    wire.send_all([
        client(1000).ack(5000).fin(),
        server(5000).ack(1001).data("bye"),
        client(1001).rst(),
    ]);
    let closed = wire.summary();
    assert_eq!(
        (closed.tcp_state(), closed.course.packets(Direction::Down)),
        ("RSTO", 2)
    );
    wire.send_all([
        server(5003).ack(1001).data("late").fin(),
        client(1001).rst(),
    ]);
    wire.finish();
    let late = wire.summary();
    assert_eq!(
        (late.tcp_state(), late.course.packets(Direction::Down)),
        ("SF", 3)
    );
    assert_eq!(late.course.payload_bytes(Direction::Down), 7);
    assert_eq!(
        late.course.packets(Direction::Up),
        closed.course.packets(Direction::Up) + 1
    );
}

#[test]
fn history_has_an_end_however_many_numbers_syns_have() {
    let rejected = |index: u32| client(100_000_000 + index * 1_000_000).rst();
    let mut packets = after_opening([]);
    packets.extend((0..200).map(rejected));
    let (state, history) = course(packets);
    assert_eq!(state, "S1");
    assert!(history.starts_with("ShARRR"));
    assert_eq!(history.len(), 64);
}

#[test]
fn handshake_before_the_flow_was_followed_counts() {
    let mut wire = Wire::new();
    wire.seen.refuse = true;
    wire.send(syn());
    wire.send(syn());
    wire.send(syn_ack());
    wire.seen.refuse = false;
    wire.send(server(5000).ack(1000).data("220 "));
    wire.finish();
    let summary = wire.summary();
    assert_eq!(summary.tcp_history(), "Shd");
    assert_eq!(summary.course.packets(Direction::Up), 2);
    assert_eq!(summary.course.packets(Direction::Down), 2);
}
