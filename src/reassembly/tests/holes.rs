//! Decisions that a hole becomes a gap.

use super::*;

fn with_hole() -> Wire {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(server(5006).ack(1000).data("ghi"));
    wire.log();
    wire
}

#[test]
fn acknowledged_hole_is_a_gap_after_64_packets() {
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
fn acknowledged_hole_is_a_gap_after_200_milliseconds() {
    let mut wire = with_hole();
    wire.send(client(1000).ack(5009));
    wire.wait(Span::from_millis(190));
    assert!(wire.log().is_empty());
    wire.wait(Span::from_millis(101));
    assert_eq!(wire.log(), ["down 3 gap 3", "down 6 ghi"]);
}

#[test]
fn segments_of_other_flows_advance_the_time() {
    let mut wire = with_hole();
    wire.send(client(1000).ack(5009));
    wire.frame.time = wire.frame.time.plus(Span::from_millis(300));
    wire.send(client(1).syn().port(1));
    assert_eq!(wire.log(), ["opened 1", "down 3 gap 3", "down 6 ghi"]);
}

#[test]
fn unacknowledged_hole_stays_open_for_the_retransmission() {
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
fn many_holes_are_decided_together() {
    let mut wire = Wire::established();
    for number in 1..=100 {
        wire.send(server(5000 + number * 10).ack(1000).data("xx"));
    }
    wire.send(client(1000).ack(6002));
    wire.send_all((0..64).map(|_| client(1000).ack(6002)));
    assert_eq!(wire.log().len(), 200);
}

#[test]
fn one_sided_hole_is_a_gap_after_two_seconds() {
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
fn one_sided_hole_is_a_gap_at_the_limit_of_held_bytes() {
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
fn hole_is_a_gap_two_seconds_after_the_other_side_falls_silent() {
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
fn acknowledged_snap_length_cut_is_a_gap_at_once() {
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
fn full_retransmission_fills_a_snap_length_cut() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc").cut(3));
    wire.send(server(5006).ack(1000).data("ghi"));
    wire.send(server(5000).ack(1000).data("abcdef"));
    assert_eq!(wire.log(), ["down 0 abc", "down 3 def", "down 6 ghi"]);
}

#[test]
fn acknowledged_tail_is_missing_at_the_end() {
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
fn forged_distant_segment_does_not_poison_the_stream() {
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
fn distant_segment_is_delivered_once_acknowledged() {
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
fn one_forged_acknowledgment_declares_no_gap() {
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
fn stream_of_more_than_four_gibibytes_keeps_its_offsets() {
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
fn fin_lost_behind_a_hole_is_no_missing_byte() {
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
fn window_without_a_handshake_counts_as_scaled() {
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
fn scaled_window_accepts_a_segment_beyond_the_plain_one() {
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
fn many_distant_segments_are_not_forged() {
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
fn round_trip_in_a_dialogue_makes_a_hole_a_gap() {
    let mut wire = Wire::established();
    // The client's command is not captured; the server's answer acknowledges it, and the next command the answer.
    wire.send(server(5000).ack(1006).data("331\r\n"));
    wire.send(client(1006).ack(5005).data("PASS"));
    assert!(wire.log().is_empty());
    wire.wait(OUT_OF_STEP);
    assert_eq!(wire.log(), ["down 0 331\r\n", "up 0 gap 6", "up 6 PASS"]);
}

#[test]
fn round_trip_declares_no_early_segment_missing() {
    let mut wire = Wire::established();
    // The first command is not captured, the second one late. All but the bare acknowledgment are early.
    wire.send(server(5000).ack(1004).data("331\r\n"));
    wire.send(client(1008).ack(5005).data("SYST"));
    wire.send(server(5005).ack(1012).data("230\r\n"));
    wire.send(client(1004).ack(5005).data("PASS"));
    wire.send(client(1012).ack(5010));
    wire.finish();
    assert_eq!(
        wire.log()[..5],
        [
            "down 0 331\r\n",
            "up 0 gap 4",
            "down 5 230\r\n",
            "up 4 PASS",
            "up 8 SYST"
        ]
    );
}

#[test]
fn lost_reply_is_a_gap_with_the_next_reply() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("USER"));
    wire.send(client(1004).ack(5005).data("PASS"));
    wire.log();
    wire.send(server(5005).ack(1008).data("230\r\n"));
    wire.wait(OUT_OF_STEP);
    assert_eq!(wire.log(), ["up 4 PASS", "down 0 gap 5", "down 5 230\r\n"]);
}

#[test]
fn pipelined_commands_may_be_reordered() {
    let mut wire = Wire::established();
    wire.send(client(1004).ack(5000).data("PASS"));
    wire.send(server(5000).ack(1008).data("331\r\n"));
    // Sent before the reply was there.
    wire.send(client(1008).ack(5000).data("SYST"));
    assert_eq!(wire.log(), ["down 0 331\r\n"]);
    wire.send(client(1000).ack(5000).data("USER"));
    assert_eq!(wire.log(), ["up 0 USER", "up 4 PASS", "up 8 SYST"]);
}

#[test]
fn acknowledged_numbers_beyond_the_sent_bytes_make_no_gap_after_a_round_trip() {
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
fn retransmitted_reply_begins_no_round_trip() {
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

/// Time after which no early segment is held, and before which no hole is a gap by age alone.
const OUT_OF_STEP: Span = Span::from_millis(110);
