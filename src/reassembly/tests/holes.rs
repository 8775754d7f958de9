//! When a hole becomes a gap.

use super::*;

fn with_hole() -> Wire {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(server(5006).ack(1000).data("ghi"));
    wire.log();
    wire
}

#[test]
fn an_acknowledged_hole_is_a_gap_after_64_packets() {
    let mut wire = with_hole();
    wire.send(client(1000).ack(5009));
    wire.send_all((0..63).map(|_| client(1000).ack(5009)));
    assert!(wire.log().is_empty());
    wire.send(client(1000).ack(5009));
    assert_eq!(wire.log(), ["down 3 gap 3", "down 6 ghi"]);
    assert_eq!(
        wire.summary()
            .sent(Direction::Down)
            .irregular()
            .missing_bytes,
        3
    );
}

#[test]
fn an_acknowledged_hole_is_a_gap_after_200_milliseconds() {
    let mut wire = with_hole();
    wire.send(client(1000).ack(5009));
    wire.wait(Span::from_millis(190));
    assert!(wire.log().is_empty());
    wire.wait(Span::from_millis(101));
    assert_eq!(wire.log(), ["down 3 gap 3", "down 6 ghi"]);
}

#[test]
fn time_of_other_flows_decides_too() {
    let mut wire = with_hole();
    wire.send(client(1000).ack(5009));
    wire.frame.time = wire.frame.time.plus(Span::from_millis(300));
    wire.send(client(1).syn().port(1));
    assert_eq!(wire.log(), ["opened 1", "down 3 gap 3", "down 6 ghi"]);
}

#[test]
fn a_hole_that_is_not_acknowledged_waits_for_the_retransmission() {
    let mut wire = with_hole();
    wire.send_all((0..200).map(|_| client(1000).ack(5003)));
    for _ in 0..50 {
        wire.wait(Span::from_millis(100));
        wire.send(client(1000).ack(5003));
    }
    assert!(wire.log().is_empty());
    wire.send(server(5003).ack(1000).data("def"));
    assert_eq!(wire.log(), ["down 3 def", "down 6 ghi"]);
}

#[test]
fn many_holes_do_not_wait_for_one_another() {
    let mut wire = Wire::established();
    for number in 1..=100 {
        wire.send(server(5000 + number * 10).ack(1000).data("xx"));
    }
    wire.send(client(1000).ack(6002));
    wire.send_all((0..64).map(|_| client(1000).ack(6002)));
    assert_eq!(wire.log().len(), 200);
}

#[test]
fn one_sided_a_hole_is_a_gap_after_two_seconds() {
    let mut wire = Wire::new();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(server(5006).ack(1000).data("ghi"));
    wire.log();
    wire.wait(Span::from_millis(1_900));
    assert!(wire.log().is_empty());
    wire.wait(Span::from_millis(101));
    assert_eq!(wire.log(), ["down 3 gap 3", "down 6 ghi"]);
}

#[test]
fn one_sided_a_hole_is_a_gap_when_much_is_held_behind_it() {
    let limits = Limits {
        held_bytes_one_sided: 10,
        ..Limits::default()
    };
    let mut wire = Wire::with(&limits);
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(server(5006).ack(1000).data("ghi"));
    wire.send(server(5009).ack(1000).data("jklmno"));
    wire.log();
    wire.send(server(5015).ack(1000).data("p"));
    assert_eq!(
        wire.log(),
        ["down 3 gap 3", "down 6 ghi", "down 9 jklmno", "down 15 p"]
    );
}

#[test]
fn when_the_other_side_falls_silent_a_hole_is_a_gap_after_two_seconds() {
    let mut wire = with_hole();
    wire.wait(Span::from_millis(1_000));
    wire.send(server(5009).ack(1000).data("jkl"));
    assert!(wire.log().is_empty());
    wire.wait(Span::from_millis(1_100));
    assert_eq!(wire.log(), ["down 3 gap 3", "down 6 ghi", "down 9 jkl"]);
}

#[test]
fn snap_length_cut_is_a_gap() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc").cut(7));
    wire.send(server(5010).ack(1000).data("klm").cut(7).fin());
    wire.send(client(1000).ack(5021).fin());
    wire.send(server(5021).ack(1001));
    wire.wait(Span::from_millis(300));
    assert_eq!(
        wire.log(),
        [
            "down 0 abc",
            "down 3 gap 7",
            "down 10 klm",
            "up finished",
            "down 13 gap 7",
            "down finished",
            "closed 0 Fin"
        ]
    );
}

#[test]
fn snap_length_cut_is_a_gap_at_once_when_it_was_acknowledged() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc").cut(7));
    assert_eq!(wire.log(), ["down 0 abc"]);
    wire.send(client(1000).ack(5010));
    wire.send(server(5010).ack(1000).data("klm"));
    assert_eq!(wire.log(), ["down 3 gap 7", "down 10 klm"]);
}

#[test]
fn snap_length_cut_at_the_end_is_a_gap() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc").cut(7));
    wire.finish();
    assert_eq!(
        wire.log(),
        ["down 0 abc", "down 3 gap 7", "closed 0 InputEnd"]
    );
}

#[test]
fn a_whole_retransmission_fills_what_was_cut() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc").cut(3));
    wire.send(server(5006).ack(1000).data("ghi"));
    wire.send(server(5000).ack(1000).data("abcdef"));
    assert_eq!(wire.log(), ["down 0 abc", "down 3 def", "down 6 ghi"]);
}

#[test]
fn a_tail_that_was_acknowledged_is_missing_at_the_end() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(client(1000).ack(5050));
    wire.finish();
    assert_eq!(
        wire.log(),
        ["down 0 abc", "down 3 gap 47", "closed 0 InputEnd"]
    );
}

#[test]
fn a_forged_far_segment_does_not_poison_the_stream() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(server(500_000_000).ack(1000).data("forged").fin());
    wire.send(client(1000).ack(5003));
    wire.wait(Span::from_secs(5));
    wire.send(server(5003).ack(1000).data("def"));
    wire.finish();
    assert_eq!(
        wire.log(),
        ["down 0 abc", "down 3 def", "closed 0 InputEnd"]
    );
    assert_eq!(
        wire.summary()
            .sent(Direction::Down)
            .irregular()
            .ignored_bytes,
        6
    );
}

#[test]
fn a_far_segment_counts_once_it_is_acknowledged() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(server(3_005_003).ack(1000).data("def"));
    wire.send(client(1000).ack(3_005_006));
    wire.send(client(1000).ack(3_005_006));
    wire.wait(Span::from_millis(300));
    wire.wait(Span::from_millis(300));
    assert_eq!(
        wire.log(),
        ["down 0 abc", "down 3 gap 3000000", "down 3000003 def"]
    );
}

#[test]
fn one_forged_acknowledgment_declares_nothing_missing() {
    let mut wire = Wire::established();
    wire.send(server(5003).ack(1000).data("def"));
    wire.send(client(1000).ack(500_000_000));
    wire.send(client(1000).ack(5000));
    wire.wait(Span::from_millis(300));
    wire.send(server(5000).ack(1000).data("abc"));
    wire.finish();
    assert_eq!(
        wire.log(),
        ["down 0 abc", "down 3 def", "closed 0 InputEnd"]
    );
}

#[test]
fn a_stream_of_more_than_four_gibibytes_keeps_its_offsets() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    let mut number = 5000_u32;
    for _ in 0..10 {
        number = number.wrapping_add(500_000_000);
        wire.send(client(1000).ack(number));
        wire.send(client(1000).ack(number));
    }
    wire.send(server(number).ack(1000).data("def"));
    wire.send(server(number.wrapping_sub(100)).ack(1000).data("xyz"));
    wire.send(client(1000).ack(number.wrapping_add(3)));
    wire.finish();
    assert_eq!(
        wire.log(),
        [
            "down 0 abc",
            "down 3 gap 4999999897",
            "down 4999999900 xyz",
            "down 4999999903 gap 97",
            "down 5000000000 def",
            "closed 0 InputEnd"
        ]
    );
}

#[test]
fn a_fin_that_was_lost_behind_a_hole_is_no_missing_byte() {
    let mut wire = with_hole();
    wire.send(client(1000).ack(5010));
    wire.wait(Span::from_millis(400));
    wire.wait(Span::from_millis(400));
    wire.finish();
    assert_eq!(
        wire.log(),
        ["down 3 gap 3", "down 6 ghi", "closed 0 InputEnd"]
    );
}

#[test]
fn without_the_handshake_a_window_may_be_scaled() {
    let mut wire = Wire::new();
    wire.send(client(1000).ack(5000));
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(server(3_005_003).ack(1000).data("def"));
    wire.log();
    wire.finish();
    assert_eq!(
        wire.log(),
        [
            "down 3 gap 3000000",
            "down 3000003 def",
            "closed 0 InputEnd"
        ]
    );
}

#[test]
fn a_scaled_window_has_room_for_what_a_plain_one_has_not() {
    for (scale, delivered) in [(Some(7), 2), (None, 1)] {
        let mut wire = Wire::new();
        wire.send(Packet {
            scale: Some(7),
            ..client(999).syn()
        });
        wire.send(Packet {
            scale,
            ..server(4999).syn().ack(1000)
        });
        wire.send(client(1000).ack(5000));
        wire.send(server(5000).ack(1000).data("abc"));
        wire.send(server(3_005_003).ack(1000).data("def"));
        wire.finish();
        let log = wire.log();
        assert_eq!(
            log.iter()
                .filter(|line| line.ends_with("bc") || line.ends_with("ef"))
                .count(),
            delivered
        );
    }
}

#[test]
fn so_many_far_segments_are_not_forged() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    for number in 0..300 {
        wire.send(
            server(3_000_000 + number * 1000)
                .ack(1000)
                .data([b'x'; 1000]),
        );
    }
    wire.wait(Span::from_secs(1));
    wire.wait(Span::from_secs(2));
    assert_eq!(wire.log()[..2], ["down 0 abc", "down 3 gap 2994997"]);
    assert_eq!(
        wire.summary().sent(Direction::Down).delivered_bytes,
        300_003
    );
}

#[test]
fn in_a_dialogue_a_round_trip_makes_a_hole_a_gap() {
    let mut wire = Wire::established();
    // The client's command is not captured; the server's answer acknowledges it, and the next command the answer.
    wire.send(server(5000).ack(1006).data("331\r\n"));
    wire.send(client(1006).ack(5005).data("PASS"));
    assert!(wire.log().is_empty());
    wire.wait(OUT_OF_STEP);
    assert_eq!(wire.log(), ["down 0 331\r\n", "up 0 gap 6", "up 6 PASS"]);
}

#[test]
fn an_answer_that_was_lost_is_a_gap_with_the_next_answer() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("USER"));
    wire.send(client(1004).ack(5005).data("PASS"));
    wire.log();
    wire.send(server(5005).ack(1008).data("230\r\n"));
    wire.wait(OUT_OF_STEP);
    assert_eq!(wire.log(), ["up 4 PASS", "down 0 gap 5", "down 5 230\r\n"]);
}

#[test]
fn commands_that_were_sent_without_waiting_may_overtake_one_another() {
    let mut wire = Wire::established();
    wire.send(client(1004).ack(5000).data("PASS"));
    wire.send(server(5000).ack(1008).data("331\r\n"));
    // It was sent before the answer was there.
    wire.send(client(1008).ack(5000).data("SYST"));
    assert_eq!(wire.log(), ["down 0 331\r\n"]);
    wire.send(client(1000).ack(5000).data("USER"));
    assert_eq!(wire.log(), ["up 0 USER", "up 4 PASS", "up 8 SYST"]);
}

#[test]
fn numbers_beyond_what_was_sent_make_no_gap_after_a_round_trip_either() {
    let mut wire = Wire::established();
    // A FIN that was not captured, or a translator that shifts numbers.
    wire.send(client(1000).ack(5000).data("QUIT"));
    wire.send(server(5000).ack(1007).data("221\r\n"));
    wire.wait(OUT_OF_STEP);
    wire.send(client(1004).ack(5005));
    wire.send(client(1004).ack(5005).data("NOOP"));
    assert_eq!(wire.log(), ["up 0 QUIT", "down 0 221\r\n", "up 4 NOOP"]);
    assert_eq!(
        wire.summary().sent(Direction::Up).irregular().missing_bytes,
        0
    );
}

#[test]
fn an_answer_that_is_sent_again_begins_no_round_trip() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("220\r\n"));
    wire.send(client(1000).ack(5005));
    wire.send(server(5005).ack(1004));
    wire.send(server(5000).ack(1004).data("220\r\n"));
    wire.send(client(1004).ack(5005).data("PASS"));
    assert_eq!(wire.log(), ["down 0 220\r\n"]);
    wire.send(client(1000).ack(5005).data("USER"));
    assert_eq!(wire.log(), ["up 0 USER", "up 4 PASS"]);
}

/// After it nothing waits any more for what it answers, and no hole is a gap for its age alone.
const OUT_OF_STEP: Span = Span::from_millis(110);
