//! Cost of reporting a session.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use ftpscope::model::record::Session;
use ftpscope::model::{Event, EventKind, EventSink, FrameRef, Limits};
use ftpscope::pipeline::{Options, analyze};
use ftpscope::report::{EventChoice, EventLines, ReportBuilder, json};

use crate::sessions::{capture, source};

#[divan::bench]
fn session_as_json(bencher: Bencher<'_, '_>) {
    let session = session();
    let mut text = Vec::new();
    json::write_session(&session, &mut text).expect("memory takes it");
    bencher
        .counter(BytesCount::of_slice(&text))
        .bench_local(|| {
            text.clear();
            json::write_session(&session, &mut text)
        });
}

/// Steps, transfers and the end of a session, as lines.
#[divan::bench]
fn session_as_lines(bencher: Bencher<'_, '_>) {
    let session = session();
    let mut lines = EventLines::new(std::io::sink(), EventChoice::All, false, false);
    bencher.bench_local(|| {
        for step in &session.steps {
            emit(&mut lines, EventKind::Step(step));
        }
        for transfer in &session.transfers {
            emit(&mut lines, EventKind::Transfer(transfer));
        }
        emit(&mut lines, EventKind::SessionEnd(Arc::clone(&session)));
    });
}

fn emit(sink: &mut impl EventSink, kind: EventKind<'_>) {
    sink.event(&Event {
        frame: FrameRef::default(),
        session: Some(1),
        late: false,
        kind,
    });
}

fn session() -> Arc<Session> {
    let file = capture("pureftpd-curl.pcap", 1);
    let mut builder = ReportBuilder::new(&Limits::default());
    let summary = analyze(
        &mut source(&file),
        &Options::default(),
        &mut builder,
        &mut (),
    );
    let mut report = builder.finish(summary.captures, summary.totals);
    report.sessions.pop().expect("a session")
}
