//! Long and hostile sessions: work is linear in their length, memory stays within its limits, and every limit that was
//! reached is reported.

use std::collections::BTreeMap;

use crate::support::conversation::Conversation;
use crate::support::wire::Wire;
use ftpscope::capture::{CaptureSet, ReadOptions};
use ftpscope::model::record::{Session, Weight};
use ftpscope::model::{Event, EventKind, EventSink, Limits};
use ftpscope::pipeline::{self, Options};

/// Emitted events: how often each step and transfer, the warnings, and the last session.
#[derive(Default)]
struct Emitted {
    steps: BTreeMap<u64, u64>,
    transfers: BTreeMap<u64, u64>,
    warnings: Vec<String>,
    session: Option<Session>,
}

impl EventSink for Emitted {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::Step(step) => *self.steps.entry(step.number).or_default() += 1,
            EventKind::Transfer(transfer) => *self.transfers.entry(transfer.id).or_default() += 1,
            EventKind::Warning(warning) => self.warnings.push(warning.message.clone()),
            EventKind::SessionEnd(session) => self.session = Some(Session::clone(session)),
            _ => {}
        }
    }
}

fn emitted(conversation: &Conversation, limits: Limits) -> Emitted {
    let mut emitted = Emitted::default();
    emit(&conversation.wire, limits, &mut emitted);
    emitted
}

fn emit(wire: &Wire, limits: Limits, events: &mut dyn EventSink) {
    let file = std::io::Cursor::new(wire.to_pcap());
    let readers = vec![("test".into(), Box::new(file) as _)];
    let mut source = CaptureSet::from_readers(readers, ReadOptions::default());
    let options = Options {
        limits,
        ..Options::default()
    };
    pipeline::analyze(&mut source, &options, events, &mut ());
}

fn conversation() -> Conversation {
    Conversation::logged_in("10.0.0.2:40000", "10.0.0.1:21")
}

#[test]
fn unanswered_transfers_are_each_emitted_once_and_leave_nothing_open() {
    let mut conversation = conversation();
    for number in 0..6_000 {
        conversation.command(&format!("RETR f{number}"));
    }
    let emitted = emitted(&conversation, Limits::default());
    let session = emitted.session.expect("a session");
    assert_eq!(emitted.transfers.len(), 6_000);
    assert!(emitted.transfers.values().all(|&times| times == 1));
    assert!(emitted.steps.values().all(|&times| times == 1));
    assert_eq!(session.transfers.len(), 6_000);
    // Each transfer has its step, and that step names it.
    for transfer in &session.transfers {
        let step = session.step_of(transfer.id).expect("a step");
        assert_eq!(step.transfer, Some(transfer.id));
        assert!(step.title.starts_with("RETR f"), "{}", step.title);
    }
    let bound = "a session has too many unfinished steps";
    assert!(emitted.warnings.iter().any(|text| text.starts_with(bound)));
}

#[test]
fn records_of_open_sessions_are_limited_and_omissions_counted() {
    let limits = Limits {
        record_bytes: 200_000,
        ..Limits::default()
    };
    let mut conversation = conversation();
    for number in 0..1_000 {
        conversation.exchange(&format!("NOOP {number}"), "200 done");
    }
    let emitted = emitted(&conversation, limits.clone());
    let session = emitted.session.expect("a session");
    let kept: usize = session.steps.iter().map(|step| step.weight()).sum();
    assert!(kept <= limits.record_bytes, "{kept}");
    assert!(kept > limits.record_bytes / 2, "{kept}");
    // Every step was emitted, whatever the record kept of it.
    let all = emitted.steps.len() as u64;
    assert!(all > 1_000);
    assert_eq!(session.steps.len() as u64 + session.steps_omitted, all);
    assert!(session.steps_omitted > 0);
    let bound = "open sessions have too many steps and transfers";
    assert!(emitted.warnings.iter().any(|text| text.starts_with(bound)));
}

#[test]
fn long_lines_count_as_often_as_they_are_held() {
    let limits = Limits {
        record_bytes: 200_000,
        ..Limits::default()
    };
    let mut conversation = conversation();
    let name = "x".repeat(1_000);
    for _ in 0..100 {
        conversation.command(&format!("RETR {name}"));
    }
    let emitted = emitted(&conversation, limits);
    let session = emitted.session.expect("a session");
    let arguments = session
        .transfers
        .iter()
        .filter_map(|one| one.argument.as_ref());
    let held: usize = arguments.map(String::len).sum();
    assert!(held * 2 < 200_000, "{held}");
    let bound = "open sessions hold too much text";
    assert!(emitted.warnings.iter().any(|text| text.starts_with(bound)));
}

#[test]
fn end_of_a_session_frees_its_quota_for_the_next() {
    let limits = Limits {
        record_bytes: 100_000,
        ..Limits::default()
    };
    let mut wire = Wire::new();
    let count = 100;
    for port in 0..20 {
        let client = format!("10.0.0.2:{}", 40_000 + port);
        let mut one = Conversation::open_on(wire, &client, "10.0.0.1:21");
        for number in 0..count {
            one.exchange(&format!("NOOP {number}"), "200 done");
        }
        one.part();
        wire = one.wire;
    }
    let mut omitted = Omitted::default();
    emit(&wire, limits, &mut omitted);
    assert_eq!(omitted.0, [0; 20]);
}

/// Number of steps that each session omitted.
#[derive(Default)]
struct Omitted(Vec<u64>);

impl EventSink for Omitted {
    fn event(&mut self, event: &Event<'_>) {
        if let EventKind::SessionEnd(session) = &event.kind {
            self.0.push(session.steps_omitted);
        }
    }
}

#[test]
fn flood_of_openings_is_reported_and_a_session_survives_it() {
    let mut wire = Wire::new();
    for number in 0..20_000_u32 {
        let client = format!("10.1.{}.{}:1024", number / 200, number % 200 + 1);
        let client = client.parse().expect("an address");
        let server = "10.0.0.1:21".parse().expect("an address");
        crate::support::connection::Connection::new(client, server).syn(&mut wire);
    }
    let mut conversation = Conversation::open_on(wire, "10.0.0.2:40000", "10.0.0.1:21");
    conversation.part();
    let limits = Limits {
        flows: 18_000,
        ..Limits::default()
    };
    let emitted = emitted(&conversation, limits);
    let session = emitted.session.expect("a session");
    assert!(!session.midstream);
    let bound = "too many TCP connections at once that nobody answered";
    assert!(emitted.warnings.iter().any(|text| text.starts_with(bound)));
}
