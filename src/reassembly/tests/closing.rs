//! FIN, RST, expiry and the end of the input.

use super::*;

#[test]
fn both_fins_acknowledged_close_the_flow_at_the_acknowledgment() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1003).ack(5000).fin());
    wire.send(server(5000).ack(1004).fin());
    assert_eq!(wire.log(), ["up 0 abc", "up finished", "down finished"]);
    wire.send(client(1004).ack(5001));
    assert_eq!(wire.log(), ["closed 0 Fin"]);
    assert_eq!(wire.seen.frame.number, 7);
    assert_eq!(
        wire.summary()
            .sent(Direction::Up)
            .fin
            .map(|frame| frame.number),
        Some(5)
    );
}

#[test]
fn fin_with_data_ends_after_the_data() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc").fin());
    wire.send(client(1000).ack(5000).data("abc").fin());
    assert_eq!(wire.log(), ["up 0 abc", "up finished"]);
}

#[test]
fn empty_stream_finishes_too() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).fin());
    wire.send(client(1000).ack(5001).fin());
    wire.send(server(5001).ack(1001));
    assert_eq!(wire.log(), ["down finished", "up finished", "closed 0 Fin"]);
    assert_eq!(wire.summary().sent(Direction::Down).delivered_bytes, 0);
}

#[test]
fn fin_out_of_order_is_held_until_the_bytes_before_it_arrive() {
    let mut wire = Wire::established();
    wire.send(client(1003).ack(5000).data("def").fin());
    assert!(wire.log().is_empty());
    wire.send(client(1000).ack(5000).data("abc"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 def", "up finished"]);
    assert_eq!(
        wire.summary()
            .sent(Direction::Up)
            .fin
            .map(|frame| frame.number),
        Some(4)
    );
}

#[test]
fn bytes_after_fin_are_ignored() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).data("abc").fin());
    wire.send(client(1003).ack(5000).data("more"));
    wire.send(server(5000).ack(1004).data("x"));
    assert_eq!(wire.log(), ["up 0 abc", "up finished", "down 0 x"]);
    assert_eq!(
        wire.summary().sent(Direction::Up).irregular().ignored_bytes,
        4
    );
}

#[test]
fn fin_is_withdrawn_when_bytes_after_it_are_acknowledged() {
    let mut wire = Wire::established();
    wire.send(client(1006).ack(5000).fin());
    wire.send(client(1000).ack(5000).data("abc"));
    wire.send(client(1003).ack(5000).data("defghi"));
    wire.finish();
    assert_eq!(
        wire.log(),
        ["up 0 abc", "up 3 def", "up finished", "closed 0 InputEnd"]
    );
    let mut wire = Wire::established();
    wire.send(client(1006).ack(5000).fin());
    wire.send(server(5000).ack(1009));
    wire.send(client(1000).ack(5000).data("abcdefghi"));
    assert_eq!(wire.log(), ["up 0 abcdefghi"]);
}

#[test]
fn bytes_after_rst_are_dropped() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(client(1000).ack(5003).rst());
    wire.send(server(5003).ack(1000).data("def"));
    wire.finish();
    assert_eq!(wire.log(), ["down 0 abc", "closed 0 Reset(Up)"]);
    assert_eq!(wire.table.late_segments(), 1);
    assert_eq!(
        wire.summary()
            .sent(Direction::Up)
            .irregular()
            .rst
            .map(|frame| frame.number),
        Some(5)
    );
}

#[test]
fn rst_delivers_held_bytes_that_were_acknowledged() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("ab"));
    wire.send(server(5004).ack(1000).data("ef"));
    wire.send(server(5008).ack(1000).data("ij"));
    wire.send(client(1000).ack(5006));
    wire.send(client(1000).ack(5006).rst());
    assert_eq!(
        wire.log(),
        [
            "down 0 ab",
            "down 2 gap 2",
            "down 4 ef",
            "closed 0 Reset(Up)"
        ]
    );
    assert_eq!(
        wire.summary()
            .sent(Direction::Down)
            .irregular()
            .ignored_bytes,
        2
    );
}

#[test]
fn rst_far_outside_the_window_is_ignored() {
    let mut wire = Wire::established();
    wire.send(server(900_000_000).ack(1000).rst());
    wire.send(client(1000).ack(5000).data("abc"));
    assert_eq!(wire.log(), ["up 0 abc"]);
}

#[test]
fn rst_in_reply_to_a_syn_closes_the_flow() {
    let mut wire = Wire::new();
    wire.send(client(999).syn());
    wire.send(server(0).ack(1000).rst());
    assert_eq!(wire.log(), ["opened 0", "closed 0 Reset(Down)"]);
    wire.send(client(999).syn());
    assert!(wire.log().is_empty());
}

#[test]
fn late_segments_of_a_closed_flow_open_no_flow() {
    let mut wire = Wire::established();
    wire.send(client(1000).ack(5000).fin());
    wire.send(server(5000).ack(1001).fin());
    wire.send(client(1001).ack(5001));
    wire.log();
    wire.send(client(1001).ack(5001));
    wire.wait(Span::from_secs(50));
    wire.send(server(5000).ack(1001).fin());
    assert!(wire.log().is_empty());
    wire.wait(Span::from_secs(11));
    wire.send(server(5000).ack(1001).data("later"));
    assert_eq!(wire.log(), ["opened 0", "established", "down 0 later"]);
}

#[test]
fn one_sided_fin_closes_after_the_linger_time() {
    let mut wire = Wire::new();
    wire.send(server(4999).syn().ack(1000));
    wire.send(server(5000).ack(1000).data("abc").fin());
    wire.log();
    wire.wait(Span::from_secs(59));
    assert!(wire.log().is_empty());
    wire.wait(Span::from_secs(2));
    assert_eq!(wire.log(), ["closed 0 Fin"]);
}

#[test]
fn one_sided_last_acknowledged_number_is_the_fin() {
    let mut wire = Wire::new();
    wire.send(client(999).syn());
    wire.send(client(1000).ack(5000));
    wire.send(client(1000).ack(5101).fin());
    wire.finish();
    assert_eq!(
        wire.log(),
        [
            "opened 0",
            "established",
            "up finished",
            "down 0 gap 100",
            "closed 0 Fin"
        ]
    );
}

#[test]
fn lost_fin_is_no_missing_byte() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(client(1000).ack(5004));
    wire.finish();
    assert_eq!(wire.log(), ["down 0 abc", "closed 0 InputEnd"]);
}

#[test]
fn silent_flow_expires_unless_the_handler_needs_it() {
    let mut wire = Wire::established();
    wire.seen.needed = true;
    wire.wait(Span::from_secs(3601));
    wire.wait(Span::from_secs(11));
    assert!(wire.log().is_empty());
    wire.seen.needed = false;
    wire.wait(Span::from_secs(11));
    assert_eq!(wire.log(), ["closed 0 Expired"]);
}

#[test]
fn segment_after_the_idle_limit_begins_a_new_flow() {
    let limits = Limits {
        data_idle: Span::from_secs(5),
        ..Limits::default()
    };
    let mut wire = Wire::with(&limits);
    wire.handshake();
    wire.log();
    wire.wait(Span::from_secs(6));
    wire.send(client(1000).ack(5000).data("abc"));
    assert_eq!(
        wire.log(),
        ["closed 0 Expired", "opened 0", "established", "up 0 abc"]
    );
}

#[test]
fn one_damaged_timestamp_expires_no_flow() {
    let mut wire = Wire::established();
    let time = wire.frame.time;
    wire.frame.time = time.plus(Span::from_secs(1_000_000_000));
    wire.send(client(1000).ack(5000).data("abc"));
    wire.frame.time = time;
    wire.send(client(1003).ack(5000).data("def"));
    assert_eq!(wire.log(), ["up 0 abc", "up 3 def"]);
}

#[test]
fn end_of_input_closes_flows_in_order_of_last_segment_then_first_frame() {
    let mut wire = Wire::new();
    for port in [1, 2, 3] {
        wire.send(client(999).syn().port(port));
    }
    wire.send(client(1000).ack(5000).port(1));
    wire.log();
    wire.finish();
    assert_eq!(
        wire.log(),
        [
            "closed 1 InputEnd",
            "closed 2 InputEnd",
            "closed 0 InputEnd"
        ]
    );
}

#[test]
fn rst_reports_bytes_cut_before_it_as_missing() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc").cut(7));
    wire.send(server(5010).ack(1000).rst());
    assert_eq!(
        wire.log(),
        ["down 0 abc", "down 3 gap 7", "closed 0 Reset(Down)"]
    );
}

#[test]
fn rst_does_not_reach_an_unacknowledged_fin() {
    let mut wire = Wire::established();
    wire.send(server(5000).ack(1000).data("abc"));
    wire.send(server(5006).ack(1000).fin());
    wire.send(client(1000).ack(5003).rst());
    assert_eq!(wire.log(), ["down 0 abc", "closed 0 Reset(Up)"]);
    assert!(!wire.summary().sent(Direction::Down).finished);
}
