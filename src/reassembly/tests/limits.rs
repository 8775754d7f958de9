//! Limits, eviction, and memory given back.

use super::*;

#[test]
fn oldest_hole_becomes_a_gap_at_the_limit_of_held_bytes() {
    let limits = Limits {
        held_bytes: 10_000,
        ..Limits::default()
    };
    let mut wire = Wire::with(&limits);
    wire.handshake();
    wire.send(client(1).syn().port(7));
    wire.send(server(1).syn().ack(2).port(7));
    wire.send(client(3).ack(2).port(7).data("small"));
    wire.log();
    for number in 0..5 {
        wire.send(server(5010 + number * 2010).ack(1000).data([b'x'; 2000]));
    }
    let log = wire.log();
    assert_eq!(log[0], "down 0 gap 10");
    assert_eq!(log.len(), 2);
    let warnings = wire.table.warnings();
    assert_eq!((warnings.len(), warnings[0].count), (1, 1));
    assert_eq!(warnings[0].frame.map(|frame| frame.number), Some(11));
}

#[test]
fn ended_flows_give_their_memory_back() {
    let mut wire = Wire::new();
    for port in 1..=50 {
        wire.send(client(999).syn().port(port));
        wire.send(server(4999).syn().ack(1000).port(port));
        wire.send(server(5000).ack(1000).port(port).data([1; 500]));
        wire.send(server(6000).ack(1000).port(port).data([1; 500]));
        wire.send(server(90_000_000).ack(1000).port(port).data([1; 500]));
    }
    assert!(wire.table.held() > 50 * 1000);
    for port in 1..=50 {
        wire.send(client(1000).ack(5500).port(port).rst());
    }
    assert_eq!((wire.table.held(), wire.table.history()), (0, 0));
    wire.wait(Span::from_secs(61));
    wire.wait(Span::from_secs(11));
    wire.send(client(999).syn().port(99));
    assert_eq!(wire.table.flows(), 1);
}

#[test]
fn full_table_refuses_further_flows_with_a_warning() {
    let limits = Limits {
        flows: 2,
        ..Limits::default()
    };
    let mut wire = Wire::with(&limits);
    for port in [1, 2, 3, 4] {
        wire.send(client(999).syn().port(port));
    }
    assert_eq!(wire.log(), ["opened 0", "opened 1"]);
    assert_eq!(wire.table.warnings()[0].count, 2);
}

#[test]
fn full_table_evicts_closed_flows_first() {
    let limits = Limits {
        flows: 2,
        ..Limits::default()
    };
    let mut wire = Wire::with(&limits);
    wire.send(client(999).syn().port(1));
    wire.send(client(999).syn().port(2));
    wire.send(server(0).ack(1000).port(1).rst());
    wire.send(client(999).syn().port(3));
    assert_eq!(
        wire.log(),
        ["opened 0", "opened 1", "closed 0 Reset(Down)", "opened 0"]
    );
    assert!(wire.table.warnings().is_empty());
}

#[test]
fn full_table_evicts_one_sided_flows_and_keeps_conversations() {
    let limits = Limits {
        flows: 2,
        ..Limits::default()
    };
    let mut wire = Wire::with(&limits);
    wire.send(client(1000).port(1).data(*b"USER"));
    wire.send(client(1000).port(2).data(*b"USER"));
    wire.send(server(5000).ack(1004).port(2).data(*b"331 "));
    wire.wait(Span::from_secs(3));
    wire.log();
    wire.send(client(1000).port(3).data(*b"USER"));
    wire.send(client(1004).ack(5004).port(2).data(*b"PASS"));
    let seen = ["closed 0 Expired", "opened 0", "up 0 USER", "up 4 PASS"];
    assert_eq!(wire.log(), seen);
    assert!(wire.table.warnings()[0].message.contains("one side"));
}
