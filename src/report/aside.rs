//! Events told in a thread of their own, so that reading a capture and writing its report take two processors.
//!
//! ```text
//! analysis ── events ──> batch ── full ──> thread ──> sink
//! ```
//!
//! The order stays, so the output is the same byte for byte. What waits is bounded by what it takes in memory. A batch
//! goes over when it is full: who needs each event at once tells it without a thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::model::record::Session;
use crate::model::trace::TracedConnection;
use crate::model::{Event, EventSink, KeptEvent};

/// Runs `work`, which tells events, while another thread hands them to `sink`. All were told when it returns.
pub fn tell_aside<S, T>(sink: &mut S, work: impl FnOnce(&mut dyn EventSink) -> T) -> T
where
    S: EventSink + Send,
{
    if !thread::available_parallelism().is_ok_and(|processors| processors.get() > 1) {
        return work(sink);
    }
    thread::scope(|scope| {
        let (sender, batches) = sync_channel(BATCHES);
        let wants_connections = sink.wants_connections();
        // The sink goes over by a channel, so that it stays here where no thread can be had.
        let (lend, borrowed) = sync_channel::<&mut S>(1);
        let started = thread::Builder::new()
            .name("report".to_owned())
            .spawn_scoped(scope, move || {
                if let Ok(sink) = borrowed.recv() {
                    tell_all(sink, &batches);
                }
            });
        let Ok(thread) = started else {
            return work(sink);
        };
        // Only a panic ends the thread before its time; it is passed on below.
        let _ = lend.send(sink);
        let mut relay = Relay::new(sender, wants_connections);
        let result = work(&mut relay);
        relay.send();
        drop(relay);
        match thread.join() {
            Ok(()) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn tell_all(sink: &mut dyn EventSink, batches: &Receiver<Vec<Told>>) {
    while let Ok(batch) = batches.recv() {
        for told in batch {
            match told {
                Told::Event(event) => event.tell(sink),
                Told::Connection(connection) => sink.connection(*connection),
                Told::LeftOut(session) => sink.left_out(&session),
            }
        }
    }
}

/// What is handed over.
enum Told {
    Event(KeptEvent),
    Connection(Box<TracedConnection>),
    LeftOut(Arc<Session>),
}

/// Collects events and hands them over.
struct Relay {
    batch: Vec<Told>,
    weight: usize,
    sender: SyncSender<Vec<Told>>,
    wants_connections: bool,
}

impl Relay {
    fn new(sender: SyncSender<Vec<Told>>, wants_connections: bool) -> Self {
        Self {
            batch: Vec::new(),
            weight: 0,
            sender,
            wants_connections,
        }
    }

    fn push(&mut self, told: Told, weight: usize) {
        self.weight += weight;
        self.batch.push(told);
        if self.batch.len() >= BATCH || self.weight >= HEAVY {
            self.send();
        }
    }

    fn send(&mut self) {
        self.weight = 0;
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        let _ = self.sender.send(batch);
    }
}

impl EventSink for Relay {
    fn event(&mut self, event: &Event<'_>) {
        let event = KeptEvent::of(event);
        let weight = event.weight();
        self.push(Told::Event(event), weight);
    }

    fn connection(&mut self, connection: TracedConnection) {
        if self.wants_connections {
            let weight = connection.weight();
            self.push(Told::Connection(Box::new(connection)), weight);
        }
    }

    fn left_out(&mut self, session: &Arc<Session>) {
        if self.wants_connections {
            self.push(Told::LeftOut(Arc::clone(session)), 0);
        }
    }

    fn wants_connections(&self) -> bool {
        self.wants_connections
    }
}

/// Events handed over at once: waking the other thread takes as long as writing some of them.
const BATCH: usize = 128;

/// Bytes handed over at once.
const HEAVY: usize = 256 << 10;

/// Batches that wait at most.
const BATCHES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventKind, FrameRef, Warning, WarningCode};
    use crate::report::example::example_session;

    #[derive(Default)]
    struct Log(Vec<(u64, String)>);

    impl EventSink for Log {
        fn event(&mut self, event: &Event<'_>) {
            self.0.push((event.frame.number, format!("{event:?}")));
        }
    }

    #[test]
    fn every_event_is_told_once_and_in_order() {
        let session = Arc::new(example_session());
        let warning = Warning::new(WarningCode::LimitReached, "enough", None);
        let tell = |sink: &mut dyn EventSink| {
            for number in 0..2000 {
                let frame = FrameRef {
                    number,
                    ..FrameRef::default()
                };
                let kind = match number % 5 {
                    0 => EventKind::Step(&session.steps[0]),
                    1 => EventKind::Transfer(&session.transfers[0]),
                    2 => EventKind::Finding(&session.findings[0]),
                    3 => EventKind::SessionEnd(Arc::clone(&session)),
                    _ => EventKind::Warning(&warning),
                };
                sink.event(&Event {
                    frame,
                    session: Some(1),
                    kind,
                });
            }
            "done"
        };
        let mut aside = Log::default();
        assert_eq!(tell_aside(&mut aside, tell), "done");
        let mut here = Log::default();
        tell(&mut here);
        assert!(aside.0 == here.0);
    }

    #[test]
    fn connections_come_in_order_with_events_to_who_wants_them() {
        #[derive(Default)]
        struct Connections(Vec<u64>, bool);
        impl EventSink for Connections {
            fn event(&mut self, event: &Event<'_>) {
                self.0.push(event.frame.number);
            }
            fn connection(&mut self, connection: TracedConnection) {
                self.0.push(connection.first.number);
            }
            fn wants_connections(&self) -> bool {
                self.1
            }
        }
        let session = Arc::new(example_session());
        for (wants, expected) in [(true, 2_000), (false, 1_000)] {
            let mut sink = Connections(Vec::new(), wants);
            tell_aside(&mut sink, |events| {
                for number in 0..1_000 {
                    let frame = FrameRef {
                        number: 2 * number,
                        ..FrameRef::default()
                    };
                    events.event(&Event {
                        frame,
                        session: Some(1),
                        kind: EventKind::SessionEnd(Arc::clone(&session)),
                    });
                    if events.wants_connections() {
                        events.connection(connection(2 * number + 1));
                    }
                }
            });
            assert_eq!(sink.0.len(), expected);
            assert!(sink.0.is_sorted());
        }
    }

    fn connection(number: u64) -> TracedConnection {
        let end = |port| crate::model::Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), port);
        TracedConnection {
            key: crate::model::FlowKey::new(end(20), end(50_000)).0,
            control_of: None,
            data_of: [None; 2],
            first: FrameRef {
                number,
                ..FrameRef::default()
            },
            segments: Vec::new(),
            folded: None,
            omitted: 0,
            payload: Default::default(),
        }
    }

    #[test]
    #[should_panic(expected = "the sink is broken")]
    fn a_panic_of_the_sink_is_passed_on() {
        struct Broken;
        impl EventSink for Broken {
            fn event(&mut self, _: &Event<'_>) {
                panic!("the sink is broken");
            }
        }
        let warning = Warning::new(WarningCode::LimitReached, "enough", None);
        tell_aside(&mut Broken, |sink| {
            for _ in 0..10_000 {
                sink.event(&Event {
                    frame: FrameRef::default(),
                    session: None,
                    kind: EventKind::Warning(&warning),
                });
            }
        });
    }
}
