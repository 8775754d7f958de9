use std::net::Ipv4Addr;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::*;
use crate::diagram::Detail;
use crate::model::record::VerdictStatus;
use crate::model::trace::{Novelty, SegmentFlags, TracedSegment};
use crate::model::{Direction, Endpoint, FlowKey};
use crate::page::budget::DrawnRows;
use crate::report::example::example_session;

fn builder(limits: &Limits) -> PageBuilder {
    let options = PageOptions {
        zone: TimeZone::UTC,
        detail: Detail::Messages,
    };
    PageBuilder::new(limits, options, Previews::default())
}

/// Returns a builder in which no session waits.
fn without_waiting() -> PageBuilder {
    PageBuilder {
        waiting: WaitingSessions::with_limit(0),
        ..builder(&Limits::default())
    }
}

fn session(id: u64, status: VerdictStatus) -> Arc<Session> {
    let mut session = example_session();
    session.id = id;
    session.verdict.status = status;
    session.server.name = Some(format!("ftp{id}.example.org"));
    Arc::new(session)
}

fn end(builder: &mut PageBuilder, session: &Arc<Session>) {
    builder.event(&Event {
        frame: FrameRef::default(),
        session: Some(session.id),
        kind: EventKind::SessionEnd(Arc::clone(session)),
    });
}

/// Returns the JSON block of the page.
fn data(builder: PageBuilder) -> Value {
    let page = builder.finish(Vec::new(), Totals::default());
    let mut out = Vec::new();
    page.write(&mut out).expect("memory takes it");
    let text = String::from_utf8(out).expect("pages are UTF-8");
    let (_, rest) = text.split_once("id=\"data\">").expect("the data");
    let (data, _) = rest.split_once("</script>").expect("its end");
    serde_json::from_str(data).expect("JSON")
}

/// Returns the sessions with strings in index of their numbers, which depend on the order of drawing.
fn sessions_with_strings(data: &Value) -> Vec<Value> {
    let text = |number: &Value| {
        let index = number
            .as_i64()
            .and_then(|number| usize::try_from(number).ok());
        index.map_or_else(|| number.clone(), |index| data["texts"][index].clone())
    };
    let mut sessions = data["sessions"].as_array().expect("a list").clone();
    for session in &mut sessions {
        for row in session["rows"].as_array_mut().into_iter().flatten() {
            for index in [2, 3] {
                row[index] = text(&row[index]);
            }
            for list in row.as_array_mut().into_iter().flatten().skip(9) {
                list.as_array_mut()
                    .into_iter()
                    .flatten()
                    .for_each(|one| *one = text(one));
            }
        }
        for step in session["steps"].as_array_mut().into_iter().flatten() {
            step[1] = text(&step[1]);
        }
        for transfer in session["transfers"].as_array_mut().into_iter().flatten() {
            let evidence = transfer["evidence"].as_array_mut();
            evidence
                .into_iter()
                .flatten()
                .for_each(|one| *one = text(one));
        }
    }
    sessions
}

fn warnings(data: &Value) -> Vec<(String, u64)> {
    let warnings = data["warnings"].as_array().expect("a list").iter();
    let warnings = warnings.map(|warning| {
        let message = warning["message"].as_str().expect("a text").to_owned();
        (message, warning["count"].as_u64().expect("a count"))
    });
    warnings.collect()
}

/// Returns a connection with empty segments.
fn connection(first: u64, data_of: Option<u64>, segments: usize) -> TracedConnection {
    let end = |port| Endpoint::new(Ipv4Addr::LOCALHOST.into(), port);
    let first = FrameRef {
        number: first,
        ..FrameRef::default()
    };
    let segment = TracedSegment {
        frame: first,
        direction: Direction::Up,
        flags: SegmentFlags::default(),
        sequence: 0,
        acknowledgment: 0,
        window: 0,
        bytes: 0,
        novelty: Novelty::New,
    };
    TracedConnection {
        key: FlowKey::new(end(20), end(50_000)).0,
        control_of: None,
        data_of: [data_of, None],
        first,
        segments: vec![segment; segments],
        folded: None,
        omitted: 0,
        payload: Default::default(),
    }
}

#[test]
fn sessions_drawn_at_their_end_equal_those_drawn_at_the_end_of_the_input() {
    let sessions = [3, 1, 2].map(|id| session(id, VerdictStatus::Ok));
    let (mut waiting, mut at_once) = (builder(&Limits::default()), without_waiting());
    for session in &sessions {
        end(&mut waiting, session);
        end(&mut at_once, session);
    }
    assert_eq!((waiting.waiting.len(), at_once.waiting.len()), (3, 0));
    let (waiting, at_once) = (
        sessions_with_strings(&data(waiting)),
        sessions_with_strings(&data(at_once)),
    );
    let ids: Vec<_> = waiting
        .iter()
        .map(|session| session["id"].as_u64())
        .collect();
    assert_eq!(ids, [Some(1), Some(2), Some(3)]);
    assert!(
        waiting[0]["rows"]
            .as_array()
            .is_some_and(|rows| rows.len() > 10)
    );
    let mut at_once = at_once;
    for session in &mut at_once {
        let session = session.as_object_mut().expect("an object");
        assert_eq!(session.remove("early"), Some(Value::Bool(true)));
    }
    assert_eq!(at_once, waiting);
}

#[test]
fn records_and_segments_of_drawn_sessions_are_dropped() {
    let mut builder = without_waiting();
    for id in 1..=200 {
        let session = session(id, VerdictStatus::Ok);
        builder.connection(connection(10_000 + id, Some(id), 50));
        end(&mut builder, &session);
        assert_eq!(Arc::strong_count(&session), 1);
        // A connection that comes after its session was drawn is dropped.
        let before = builder.recorder.memory();
        builder.connection(connection(20_000 + id, Some(id), 50));
        assert_eq!(builder.recorder.memory(), before);
    }
    assert_eq!(
        data(builder)["sessions"].as_array().map(Vec::len),
        Some(200)
    );
}

#[test]
fn failed_sessions_get_diagrams_after_many_successful_ones() {
    let mut builder = without_waiting();
    builder.parts.budget.charge(DrawnRows {
        rows: 299_990,
        packets: 0,
        omitted: 0,
    });
    for (id, status) in [
        (1, VerdictStatus::Ok),
        (2, VerdictStatus::Ok),
        (3, VerdictStatus::Warning),
        (4, VerdictStatus::Failed),
    ] {
        end(&mut builder, &session(id, status));
    }
    let data = data(builder);
    let rows = |index: usize| {
        let session = &data["sessions"][index];
        let rows = session["rows"].as_array().map_or(0, Vec::len);
        (rows, session["rowsLeft"].as_u64().expect("a count"))
    };
    let (all, none_left) = rows(3);
    assert!(all > 10 && none_left == 0);
    assert_eq!(rows(2), (all, 0));
    assert_eq!(rows(0), (10, all as u64 - 10));
    assert_eq!(rows(1), (0, all as u64));
    assert_eq!(data["sessions"][1]["rows"], Value::Null);
    assert_eq!(data["sessions"][1]["states"], Value::Null);
}

#[test]
fn limits_that_were_reached_become_warnings() {
    let limits = Limits {
        sessions: 2,
        traced_segments: 100,
        ..Limits::default()
    };
    let mut builder = PageBuilder {
        waiting: WaitingSessions::with_limit(0),
        ..builder(&limits)
    };
    builder.connection(connection(5_000, Some(9), 90));
    builder.connection(connection(6_000, Some(9), 70));
    for id in 1..=3 {
        end(&mut builder, &session(id, VerdictStatus::Ok));
    }
    let data = data(builder);
    assert_eq!(data["sessions"].as_array().map(Vec::len), Some(2));
    let warnings = warnings(&data);
    let count_of = |words: &str| {
        let found = warnings.iter().find(|(message, _)| message.contains(words));
        found.map(|(_, count)| *count)
    };
    assert_eq!(count_of("drawn before"), Some(2), "{warnings:?}");
    assert_eq!(count_of("segments"), Some(70), "{warnings:?}");
    assert_eq!(count_of("sessions were left out"), Some(1), "{warnings:?}");
}

#[test]
fn session_waits_for_its_last_data_connection() {
    let session = session(1, VerdictStatus::Ok);
    let frames = session.transfers.iter();
    let frames = frames.filter_map(|transfer| Some(transfer.connection.as_ref()?.first_frame));
    let mut builder = builder(&Limits::default());
    end(&mut builder, &session);
    for frame in frames {
        builder.connection(connection(frame, Some(1), 3));
    }
    let data = data(builder);
    let rows = data["sessions"][0]["rows"].as_array().expect("rows").iter();
    let packets = rows.filter(|row| row[0] == 4).count();
    assert!(packets >= 3, "{packets}");
    assert_eq!(data["sessions"][0].get("early"), None);
}
