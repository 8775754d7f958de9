//! The two directions of a capture out of step.

use super::*;

#[test]
fn what_answers_waits_for_what_it_answers() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1004).data("331\r\n"));
    wire.send(client(1004).ack(5005).data("PASS"));
    wire.send(server(5005).ack(1008).data("230\r\n"));
    assert!(wire.log().is_empty());
    wire.send(client(1000).ack(5000).data("USER"));
    assert_eq!(
        wire.log(),
        ["up 0 USER", "down 0 331\r\n", "up 4 PASS", "down 5 230\r\n"]
    );
    assert_eq!(wire.summary().sent(Direction::Down).retransmitted_bytes, 0);
}

#[test]
fn a_fin_waits_as_bytes_do() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1004).data("221").fin());
    wire.send(client(1000).ack(5000).data("QUIT"));
    wire.send(client(1004).ack(5004).fin());
    wire.send(server(5004).ack(1005));
    assert_eq!(
        wire.log(),
        [
            "up 0 QUIT",
            "down 0 221",
            "down finished",
            "up finished",
            "closed 0 Fin"
        ]
    );
}

#[test]
fn after_eight_packets_it_was_not_captured() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1004).data("331\r\n"));
    for _ in 0..7 {
        wire.send(client(1004).ack(5005));
    }
    assert!(wire.log().is_empty());
    wire.send(client(1004).ack(5005));
    assert_eq!(wire.log()[0], "down 0 331\r\n");
}

#[test]
fn the_end_of_the_capture_lets_everything_go() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1004).data("331\r\n"));
    wire.send(client(1004).ack(5005).data("PASS"));
    wire.finish();
    let log = wire.log();
    assert_eq!(log[..3], ["down 0 331\r\n", "up 0 gap 4", "up 4 PASS"]);
}

#[test]
fn a_reset_comes_after_what_waits() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1004).data("421\r\n"));
    wire.send(server(5005).ack(1004).flag(TcpFlags::RST));
    assert_eq!(wire.log()[0], "down 0 421\r\n");
}

#[test]
fn nobody_waits_for_a_side_that_is_not_captured() {
    let mut wire = Wire::new();
    wire.send(server(5000).ack(1004).data("331\r\n"));
    wire.send(server(5005).ack(1008).data("230\r\n"));
    assert_eq!(wire.log()[2..], ["down 0 331\r\n", "down 5 230\r\n"]);
}
