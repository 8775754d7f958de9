//! Bytes in order, out of order, retransmitted, and with the two directions out of step.

use super::*;

#[test]
fn in_order_bytes_are_delivered_with_their_offsets() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("220 hello\r\n"));
    wire.send(client(1000).ack(5011).data("USER a\r\n"));
    assert_eq!(wire.log(), ["down 0 220 hello\r\n", "up 0 USER a\r\n"]);
    let summary = wire.summary();
    assert_eq!(
        summary
            .sent(Direction::Up)
            .first_data
            .map(|frame| frame.number),
        Some(5)
    );
    assert_eq!(summary.sent(Direction::Down).delivered_bytes, 11);
}

#[test]
fn bytes_out_of_order_are_held_until_their_turn() {
    let mut wire = Wire::established();
    wire.send(client(1006).ack(5000).data("ghi"));
    wire.send(client(1003).ack(5000).data("def"));
    assert!(wire.log().is_empty());
    wire.send(client(1000).ack(5000).data("abc"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 def", "up 6 ghi"]);
    assert_eq!(wire.seen.frame.number, 6);
    assert_eq!(wire.summary().sent(Direction::Up).retransmitted_bytes, 0);
}

#[test]
fn retransmission_is_counted_and_not_delivered() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1003).ack(5000).data("d"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 d"]);
    let half = wire.summary().sent(Direction::Up).clone();
    assert_eq!(
        (half.retransmitted_bytes, half.irregular().conflicting_bytes),
        (3, 0)
    );
}

#[test]
fn second_copy_is_no_retransmission_unless_its_bytes_differ() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc").numbered(7));
    wire.send(client(1000).ack(5000).data("abc").numbered(7));
    wire.send(client(1000).ack(5000).data("abX").numbered(7));
    wire.send(client(1000).ack(5000).data("abc").numbered(8));
    wire.wait(Span::from_millis(20));
    wire.send(client(1000).ack(5000).data("abc").numbered(7));
    wire.finish();
    let copies = wire.summary().course.copies(Direction::Up);
    let half = wire.summary().sent(Direction::Up).clone();
    assert_eq!((half.retransmitted_bytes, copies.packets), (9, 1));
    assert_eq!(half.irregular().conflicting_bytes, 1);
}

#[test]
fn partial_overlap_delivers_only_new_bytes() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1001).ack(5000).data("bcdef"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 def"]);
    assert_eq!(wire.summary().sent(Direction::Up).retransmitted_bytes, 2);
}

#[test]
fn first_of_conflicting_bytes_is_kept_and_the_conflict_counted() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1000).ack(5000).data("aXYdef"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 def"]);
    let half = wire.summary().sent(Direction::Up).clone();
    assert_eq!(half.irregular().conflicting_bytes, 2);
    assert_eq!(
        half.irregular().first_conflict.map(|frame| frame.number),
        Some(5)
    );
}

#[test]
fn first_of_conflicting_held_bytes_is_kept() {
    let mut wire = Wire::established();
    wire.send(client(1002).ack(5000).data("cd"));
    wire.send(client(1000).ack(5000).data("abXYe"));
    assert_eq!(wire.log(), ["up 0 ab", "up 2 cd", "up 4 e"]);
    wire.send(client(1005).ack(5000).data("f"));
    assert_eq!(
        wire.summary()
            .sent(Direction::Up)
            .irregular()
            .conflicting_bytes,
        2
    );
}

#[test]
fn keep_alive_byte_is_no_data_and_no_conflict() {
    let mut wire = Wire::established();
    wire.send(client(999).ack(5000).data("?"));
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1002).ack(5000).data("?"));
    wire.send(client(1002).ack(5000));
    wire.send(client(1003).ack(5000).data("d"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 d"]);
    let half = wire.summary().sent(Direction::Up).clone();
    assert_eq!(
        (
            half.retransmitted_bytes,
            half.irregular().conflicting_bytes,
            half.irregular().ignored_bytes
        ),
        (0, 0, 0)
    );
}

#[test]
fn zero_window_probe_is_data() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc"));
    let full = Packet {
        window: 0,
        ..server(5000).ack(1003)
    };
    wire.send(full.clone());
    wire.send(client(1003).ack(5000).data("d"));
    wire.send(full);
    wire.send(client(1003).ack(5000).data("def"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 d", "up 4 ef"]);
}

#[test]
fn stream_continues_when_sequence_numbers_wrap() {
    let mut wire = Wire::new();
    wire.send(client(u32::MAX - 2).syn());
    wire.send(server(u32::MAX).syn().ack(u32::MAX - 1));
    wire.log();
    wire.send(client(0).ack(0).data("cdef"));
    wire.send(client(u32::MAX - 1).ack(0).data("ab"));
    wire.send(server(0).ack(4).data("xyz"));
    assert_eq!(wire.log(), ["up 0 ab", "up 2 cdef", "down 0 xyz"]);
}

#[test]
fn ignored_flow_gets_no_calls_until_a_new_syn() {
    let mut wire = Wire::established();
    wire.seen.ignore_at = Some(1);
    wire.send(client(1003).ack(5000).data("def"));
    wire.send(client(1000).ack(5000).data("abc"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 def"]);
    wire.send(client(1006).ack(5000).data("ghi"));
    wire.send(client(1009).ack(5000).fin());
    wire.finish();
    assert!(wire.log().is_empty());
    let mut wire = Wire::established();
    wire.seen.ignore_at = Some(0);
    wire.send(client(1000).ack(5000).data("abc"));
    wire.log();
    wire.send(client(77_000).syn());
    assert_eq!(wire.log(), ["opened 0"]);
}

#[test]
fn keep_alive_after_a_hole_or_a_fin_is_no_data() {
    let mut wire = Wire::established();
    wire.send(client(1003).ack(5000).data("def"));
    wire.send(client(1005).ack(5000).data("?"));
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1006).ack(5000).fin());
    wire.send(client(1006).ack(5000).data("?"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 def", "up finished"]);
    wire.send(server(5000).ack(1007).data("x"));
    let half = wire.summary().sent(Direction::Up).clone();
    assert_eq!(
        (
            half.retransmitted_bytes,
            half.irregular().conflicting_bytes,
            half.irregular().ignored_bytes
        ),
        (0, 0, 0)
    );
}

#[test]
fn early_segment_is_held_until_the_bytes_it_acknowledges_arrive() {
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
fn early_fin_is_held_like_early_bytes() {
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
fn early_segment_is_released_after_eight_packets() {
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
fn end_of_input_releases_early_segments() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1004).data("331\r\n"));
    wire.send(client(1004).ack(5005).data("PASS"));
    wire.finish();
    let log = wire.log();
    assert_eq!(log[..3], ["down 0 331\r\n", "up 0 gap 4", "up 4 PASS"]);
}

#[test]
fn reset_releases_early_segments_first() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1004).data("421\r\n"));
    wire.send(server(5005).ack(1004).flag(TcpFlags::RST));
    assert_eq!(wire.log()[0], "down 0 421\r\n");
}

#[test]
fn one_sided_capture_holds_no_early_segment() {
    let mut wire = Wire::new();
    wire.send(server(5000).ack(1004).data("331\r\n"));
    wire.send(server(5005).ack(1008).data("230\r\n"));
    assert_eq!(wire.log()[2..], ["down 0 331\r\n", "down 5 230\r\n"]);
}

#[test]
fn copy_of_a_damaged_segment_wins_in_either_direction_and_order() {
    for damaged_first in [true, false] {
        for from_client in [true, false] {
            let mut wire = Wire::established();
            let (sender, receiver, name) = if from_client {
                (client(1000).ack(5000), server(5000), "up")
            } else {
                (server(5000).ack(1000), client(1000), "down")
            };
            let start = sender.sequence;
            let at = |offset: u32| Packet {
                sequence: start + offset,
                ..sender.clone()
            };
            let damaged = at(2).data("XX").wrong();
            let copy = at(2).data("cd").right();
            wire.send(at(0).data("ab").right());
            wire.send(if damaged_first {
                damaged.clone()
            } else {
                copy.clone()
            });
            wire.send(receiver.clone().ack(start + 2));
            wire.send(at(4).data("ef").right());
            wire.send(if damaged_first { copy } else { damaged });
            wire.send(receiver.ack(start + 6));
            wire.finish();
            let stream: String = wire
                .log()
                .iter()
                .filter_map(|line| {
                    line.strip_prefix(name)?
                        .split(' ')
                        .nth(2)
                        .map(str::to_owned)
                })
                .collect();
            assert_eq!(stream, "abcdef", "damaged first: {damaged_first}");
            let summary = wire.summary();
            let way = if from_client {
                Direction::Up
            } else {
                Direction::Down
            };
            let half = summary.sent(way);
            assert_eq!(half.irregular().conflicting_bytes, 0);
            assert_eq!(half.retransmitted_bytes, 2);
        }
    }
}

#[test]
fn acknowledged_segment_counts_whatever_its_checksum() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("ab").right());
    wire.send(server(5002).ack(1000).data("cd").wrong());
    wire.send(client(1000).ack(5004));
    assert_eq!(wire.log(), ["down 0 ab", "down 2 cd"]);
}

#[test]
fn checksums_filled_in_by_the_network_card_change_nothing() {
    let mut wire = Wire::new();
    wire.send(client(999).syn().right());
    wire.send(server(4999).syn().ack(1000).wrong());
    wire.send(client(1000).ack(5000));
    wire.log();
    for at in 0..6 {
        wire.send(server(5000 + at).ack(1000).data("x").wrong());
        let expected = format!("down {at} x");
        assert_eq!(wire.log(), [expected]);
    }
}

#[test]
fn damaged_segment_without_a_copy_counts_at_the_end() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("ab").right());
    wire.send(server(5002).ack(1000).data("XX").wrong());
    wire.send(client(1000).ack(5002));
    wire.finish();
    assert_eq!(wire.log(), ["down 0 ab", "down 2 XX", "closed 0 InputEnd"]);
}
