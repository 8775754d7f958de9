//! Handshakes, flows captured mid-stream, one-sided flows, and reused ports.

use super::*;

#[test]
fn handshake_is_reported_and_kept_in_the_summary() {
    let mut wire = Wire::new();
    wire.handshake();
    assert_eq!(wire.log(), ["opened 0", "established"]);
    wire.send(client(1000).ack(5000).data("x"));
    let summary = wire.summary();
    assert_eq!(summary.initiator, Some(Direction::Up));
    assert_eq!(summary.established.map(|frame| frame.number), Some(3));
    let syn = |direction| summary.sent(direction).syn.map(|frame| frame.number);
    assert_eq!(
        (syn(Direction::Up), syn(Direction::Down)),
        (Some(1), Some(2))
    );
    assert!(summary.sent(Direction::Up).start.is_some());
    assert!(summary.sent(Direction::Down).start.is_some());
}

#[test]
fn flow_admitted_late_has_its_handshake() {
    let mut wire = Wire::new();
    wire.seen.refuse = true;
    wire.handshake();
    assert!(wire.log().is_empty());
    wire.seen.refuse = false;
    wire.send(server(5000).ack(1000).data("220 hi\r\n"));
    assert_eq!(wire.log(), ["opened 0", "established", "down 0 220 hi\r\n"]);
    let summary = wire.summary();
    assert_eq!(summary.first.number, 1);
    assert_eq!(summary.initiator, Some(Direction::Up));
    assert_eq!(
        summary.sent(Direction::Down).syn.map(|frame| frame.number),
        Some(2)
    );
    assert!(summary.sent(Direction::Down).start.is_some());
}

#[test]
fn handshake_of_an_earlier_connection_is_not_used() {
    let mut wire = Wire::new();
    wire.seen.refuse = true;
    wire.handshake();
    wire.seen.refuse = false;
    wire.send(server(3_000_000_000).ack(90_000).data("220 hi\r\n"));
    assert_eq!(wire.log(), ["opened 0", "established", "down 0 220 hi\r\n"]);
    assert_eq!(wire.summary().initiator, None);
    assert!(wire.summary().sent(Direction::Down).start.is_none());
}

#[test]
fn bytes_sent_before_late_admission_are_missing() {
    let mut wire = Wire::new();
    wire.seen.refuse = true;
    wire.handshake();
    wire.send(server(5000).ack(1000).data("220 hi\r\n"));
    wire.seen.refuse = false;
    wire.send(client(1000).ack(5008).data("USER a\r\n"));
    wire.send(server(5008).ack(1008).data("331\r\n"));
    wire.send(client(1008).ack(5013));
    wire.wait(Span::from_millis(400));
    wire.wait(Span::from_millis(400));
    assert_eq!(
        wire.log(),
        [
            "opened 0",
            "established",
            "up 0 USER a\r\n",
            "down 0 gap 8",
            "down 8 331\r\n"
        ]
    );
}

#[test]
fn midstream_first_captured_byte_is_offset_zero() {
    let mut wire = Wire::new();
    wire.send(server(700).ack(300).data("226 done\r\n"));
    wire.send(client(300).ack(710).data("QUIT\r\n"));
    assert_eq!(
        wire.log(),
        [
            "opened 0",
            "established",
            "down 0 226 done\r\n",
            "up 0 QUIT\r\n"
        ]
    );
    assert!(wire.summary().sent(Direction::Down).start.is_none());
    assert_eq!(wire.summary().initiator, None);
}

#[test]
fn midstream_acknowledgment_reveals_missing_bytes_at_the_start() {
    let mut wire = Wire::new();
    wire.send(server(700).ack(300));
    wire.send(client(310).ack(700).data("QUIT\r\n"));
    wire.send(server(700).ack(316));
    wire.finish();
    assert_eq!(
        wire.log(),
        [
            "opened 0",
            "established",
            "up 0 gap 10",
            "up 10 QUIT\r\n",
            "closed 0 InputEnd"
        ]
    );
}

#[test]
fn midstream_bytes_before_the_first_captured_ones_are_ignored() {
    let mut wire = Wire::new();
    wire.send(client(310).data("def"));
    wire.send(client(305).data("yzabc"));
    wire.send(client(313).data("g"));
    assert_eq!(wire.log(), ["opened 0", "up 0 def", "up 3 g"]);
    assert_eq!(
        wire.summary().sent(Direction::Up).irregular().ignored_bytes,
        5
    );
}

#[test]
fn midstream_keep_alive_does_not_set_the_start() {
    let mut wire = Wire::new();
    wire.send(client(299));
    let mut garbage = client(299).data("\0");
    garbage.flags = 0;
    wire.send(garbage);
    wire.send(client(300).data("NOOP\r\n"));
    assert_eq!(wire.log(), ["opened 0", "up 0 NOOP\r\n"]);
}

#[test]
fn syn_ack_alone_makes_both_starts_known() {
    let mut wire = Wire::new();
    wire.send(server(4999).syn().ack(1000));
    wire.send(server(5000).ack(1000).data("220\r\n"));
    wire.send(client(1000).ack(5005).data("USER\r\n"));
    assert_eq!(
        wire.log(),
        ["opened 0", "established", "down 0 220\r\n", "up 0 USER\r\n"]
    );
    let summary = wire.summary();
    assert_eq!(summary.initiator, Some(Direction::Up));
    assert!(summary.sent(Direction::Up).start.is_some());
    assert!(summary.sent(Direction::Up).syn.is_none());
}

#[test]
fn one_sided_acknowledgment_after_syn_sets_the_other_start() {
    let mut wire = Wire::new();
    wire.send(client(999).syn());
    wire.send(client(1000).ack(5000));
    wire.send(client(1000).ack(5011).data("USER\r\n"));
    assert_eq!(wire.log(), ["opened 0", "established", "up 0 USER\r\n"]);
    wire.finish();
    assert_eq!(wire.log(), ["down 0 gap 11", "closed 0 InputEnd"]);
    assert!(wire.summary().sent(Direction::Down).start.is_some());
    assert_eq!(
        wire.summary()
            .sent(Direction::Down)
            .irregular()
            .missing_bytes,
        11
    );
}

#[test]
fn syn_with_data_begins_the_stream() {
    let mut wire = Wire::new();
    wire.send(client(999).syn().data("GET "));
    wire.send(server(4999).syn().ack(1004));
    wire.send(client(1004).ack(5000).data("x"));
    assert_eq!(
        wire.log(),
        ["opened 0", "up 0 GET ", "established", "up 4 x"]
    );
}

#[test]
fn late_syn_completes_known_handshake() {
    let mut wire = Wire::new();
    wire.send(client(1000).data("abc"));
    wire.send(client(999).syn());
    wire.send(client(1003).data("def"));
    assert_eq!(wire.log(), ["opened 0", "up 0 abc", "up 3 def"]);
    assert!(wire.summary().sent(Direction::Up).start.is_some());
    assert_eq!(wire.summary().initiator, Some(Direction::Up));
}

#[test]
fn repeated_syn_is_no_new_connection() {
    let mut wire = Wire::new();
    wire.send(client(999).syn());
    wire.handshake();
    wire.send(server(4999).syn().ack(1000));
    wire.send(client(1000).ack(5000).data("x"));
    assert_eq!(wire.log(), ["opened 0", "established", "up 0 x"]);
    assert_eq!(
        wire.summary()
            .sent(Direction::Up)
            .syn
            .map(|frame| frame.number),
        Some(1)
    );
}

#[test]
fn port_reuse_closes_the_old_connection_and_opens_a_new_one() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("old"));
    wire.send(client(1005).ack(5000).data("lost before"));
    wire.send(client(700_000).syn());
    wire.send(server(800_000).syn().ack(700_001));
    wire.send(client(700_001).ack(800_001).data("new"));
    assert_eq!(
        wire.log(),
        [
            "up 0 old",
            "up 3 gap 2",
            "up 5 lost before",
            "closed 0 Reused",
            "opened 0",
            "established",
            "up 0 new"
        ]
    );
    assert_eq!(wire.summary().first.number, 6);
}

#[test]
fn port_reuse_is_detected_by_the_syn_ack_too() {
    let mut wire = Wire::established();
    wire.send(server(800_000).syn().ack(700_001));
    assert_eq!(wire.log(), ["closed 0 Reused", "opened 0", "established"]);
}

#[test]
fn port_reuse_soon_after_a_close_opens_a_new_flow() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).rst());
    wire.send(client(999).syn());
    wire.send(client(20_999).syn());
    assert_eq!(wire.log(), ["closed 0 Reset(Down)", "opened 0"]);
}

/// Sends a connection that always begins with the same numbers.
fn whole_connection(wire: &mut Wire) {
    wire.handshake();
    wire.send(client(1000).ack(5000).data("QUIT\r\n").fin());
    wire.send(server(5000).ack(1007).data("221\r\n").fin());
    wire.send(client(1007).ack(5006));
}

/// Calls for [`whole_connection`].
const WHOLE: [&str; 7] = [
    "opened 0",
    "established",
    "up 0 QUIT\r\n",
    "up finished",
    "down 0 221\r\n",
    "down finished",
    "closed 0 Fin",
];

#[test]
fn same_initial_numbers_later_than_a_minute_after_the_close_are_a_new_connection() {
    for later in [61, 120, 86_400] {
        let mut wire = Wire::new();
        whole_connection(&mut wire);
        assert_eq!(wire.log(), WHOLE);
        // The clock does not believe in so long a pause yet.
        wire.frame.time = wire.frame.time.plus(Span::from_secs(later));
        whole_connection(&mut wire);
        assert_eq!(wire.log(), WHOLE, "after {later} s");
        assert_eq!(wire.summary().first.number, 7);
        assert_eq!(wire.table.late_segments(), 0);
    }
}

#[test]
fn same_initial_numbers_within_a_minute_of_the_close_are_copies() {
    let mut wire = Wire::new();
    whole_connection(&mut wire);
    wire.log();
    wire.frame.time = wire.frame.time.plus(Span::from_secs(59));
    whole_connection(&mut wire);
    assert!(wire.log().is_empty());
    assert_eq!(wire.table.late_segments(), 6);
}

#[test]
fn same_initial_numbers_after_a_minute_of_silence_are_a_new_connection() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.send(client(1000).ack(5000).data("old"));
    wire.log();
    wire.frame.time = wire.frame.time.plus(Span::from_secs(59));
    wire.send(client(999).syn());
    assert!(wire.log().is_empty());
    wire.frame.time = wire.frame.time.plus(Span::from_secs(61));
    wire.handshake();
    wire.send(client(1000).ack(5000).data("new"));
    assert_eq!(
        wire.log(),
        ["closed 0 Reused", "opened 0", "established", "up 0 new"]
    );
    assert_eq!(wire.summary().first.number, 6);
}

#[test]
fn syn_sent_again_for_two_minutes_is_no_new_connection() {
    let mut wire = Wire::new();
    wire.send(client(999).syn());
    for pause in [1, 2, 4, 8, 16, 32, 64] {
        wire.frame.time = wire.frame.time.plus(Span::from_secs(pause));
        wire.send(client(999).syn());
    }
    wire.handshake();
    assert_eq!(wire.log(), ["opened 0", "established"]);
    assert_eq!(wire.summary().first.number, 1);
}

#[test]
fn handshake_of_an_earlier_connection_with_the_same_numbers_is_not_used() {
    let mut wire = Wire::new();
    wire.seen.refuse = true;
    wire.handshake();
    wire.frame.time = wire.frame.time.plus(Span::from_secs(3600));
    wire.handshake();
    wire.seen.refuse = false;
    wire.send(server(5000).ack(1000).data("220 hi\r\n"));
    assert_eq!(wire.summary().first.number, 4);
    assert_eq!(wire.summary().sent(Direction::Up).segments, 2);
}

#[test]
fn midstream_syn_shortly_before_the_first_byte_was_reordered() {
    let mut wire = Wire::new();
    wire.send(client(1100).data("abc"));
    wire.send(client(999).syn());
    wire.send(client(1103).data("def"));
    assert_eq!(wire.log(), ["opened 0", "up 0 abc", "up 3 def"]);
    assert!(wire.summary().sent(Direction::Up).start.is_none());
}

#[test]
fn refused_syn_sent_again_opens_the_connection_once_it_is_answered() {
    let mut wire = Wire::new();
    for _ in 0..2 {
        wire.send(client(999).syn());
        wire.send(server(0).rst().ack(1000));
    }
    assert_eq!(wire.log(), ["opened 0", "closed 0 Reset(Down)"]);
    wire.handshake();
    wire.send(server(5000).ack(1000).data("220 hi\r\n"));
    assert_eq!(wire.log(), ["opened 0", "established", "down 0 220 hi\r\n"]);
    let summary = wire.summary();
    assert_eq!(summary.initiator, Some(Direction::Up));
    // The SYN that was answered, not the first one.
    assert_eq!(summary.first.number, 5);
    assert!(summary.sent(Direction::Up).start.is_some());
}

#[test]
fn late_syn_ack_of_a_reset_connection_opens_none() {
    let mut wire = Wire::new();
    wire.send(client(999).syn());
    wire.send(client(1000).rst());
    wire.send(server(4999).syn().ack(1000));
    assert_eq!(wire.log(), ["opened 0", "closed 0 Reset(Up)"]);
    assert_eq!(wire.table.late_segments(), 1);
}

#[test]
fn reset_that_does_not_acknowledge_the_syn_ends_nothing() {
    for reset in [
        server(0).rst().ack(999),
        server(0).rst().ack(1001),
        server(77).rst(),
    ] {
        let mut wire = Wire::new();
        wire.send(client(999).syn());
        wire.send(reset);
        wire.handshake();
        wire.send(server(5000).ack(1000).data("220 hi\r\n"));
        assert_eq!(wire.log(), ["opened 0", "established", "down 0 220 hi\r\n"]);
    }
}
