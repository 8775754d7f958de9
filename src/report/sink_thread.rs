//! An event sink in its own thread, so that reading a capture and writing its report use two processors.
//!
//! ```text
//! analysis ── events ──> batch ── full ──> channel ──> thread ──> sink
//! ```
//!
//! The order of events stays, so that the output is the same byte for byte. Batches are limited by the memory of their
//! events, and the channel by its number of batches: a slow sink slows the analysis down. Events reach the sink when
//! their batch is full, so that output that somebody follows must do without the thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::model::record::Session;
use crate::model::trace::TracedConnection;
use crate::model::{Event, EventSink, KeptEvent};

/// Runs `work`, which emits events, while another thread passes them to `sink`. On return `sink` has received all of
/// them.
///
/// With a single processor, or if no thread can be started, `sink` receives the events directly.
pub fn with_sink_thread<S, T>(sink: &mut S, work: impl FnOnce(&mut dyn EventSink) -> T) -> T
where
    S: EventSink + Send,
{
    if !thread::available_parallelism().is_ok_and(|processors| processors.get() > 1) {
        return work(sink);
    }
    thread::scope(|scope| {
        let (sender, batches) = sync_channel(BATCHES);
        let wants_connections = sink.wants_connections();
        // The sink is sent by a channel, and not moved into the closure: it is still here if the thread cannot be
        // started.
        let (lend, borrowed) = sync_channel::<&mut S>(1);
        let started = thread::Builder::new()
            .name("report".to_owned())
            .spawn_scoped(scope, move || {
                if let Ok(sink) = borrowed.recv() {
                    receive(sink, &batches);
                }
            });
        let Ok(thread) = started else {
            return work(sink);
        };
        // Sending fails only after a panic of the thread, which is resumed below.
        let _ = lend.send(sink);
        let mut batches = BatchSender::new(sender, wants_connections);
        let result = work(&mut batches);
        batches.send();
        drop(batches);
        match thread.join() {
            Ok(()) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Passes the calls of all batches to `sink` until their sender is gone.
fn receive(sink: &mut dyn EventSink, batches: &Receiver<Vec<Call>>) {
    while let Ok(batch) = batches.recv() {
        for call in batch {
            match call {
                Call::Event(event) => event.emit(sink),
                Call::Connection(connection) => sink.connection(*connection),
                Call::SessionFiltered(session) => sink.session_filtered(&session),
            }
        }
    }
}

/// One call of a method of [`EventSink`].
enum Call {
    Event(KeptEvent),
    Connection(Box<TracedConnection>),
    SessionFiltered(Arc<Session>),
}

/// Sink that collects calls into batches and sends them to the thread.
struct BatchSender {
    batch: Vec<Call>,
    /// Bytes of memory of the calls in `batch`.
    weight: usize,
    sender: SyncSender<Vec<Call>>,
    wants_connections: bool,
}

impl BatchSender {
    fn new(sender: SyncSender<Vec<Call>>, wants_connections: bool) -> Self {
        Self {
            batch: Vec::new(),
            weight: 0,
            sender,
            wants_connections,
        }
    }

    fn push(&mut self, call: Call, weight: usize) {
        self.weight += weight;
        self.batch.push(call);
        if self.batch.len() >= BATCH_CALLS || self.weight >= BATCH_BYTES {
            self.send();
        }
    }

    fn send(&mut self) {
        self.weight = 0;
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_CALLS));
        let _ = self.sender.send(batch);
    }
}

impl EventSink for BatchSender {
    fn event(&mut self, event: &Event<'_>) {
        let event = KeptEvent::of(event);
        let weight = event.weight();
        self.push(Call::Event(event), weight);
    }

    fn connection(&mut self, connection: TracedConnection) {
        if self.wants_connections {
            let weight = connection.weight();
            self.push(Call::Connection(Box::new(connection)), weight);
        }
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        // Only sinks that keep connections have something to drop.
        if self.wants_connections {
            self.push(Call::SessionFiltered(Arc::clone(session)), 0);
        }
    }

    fn wants_connections(&self) -> bool {
        self.wants_connections
    }
}

/// Calls per batch. Waking the other thread takes as long as writing several events.
const BATCH_CALLS: usize = 128;

/// Bytes of memory from which on a batch is sent.
const BATCH_BYTES: usize = 256 << 10;

/// Batches in the channel.
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
    fn sink_receives_every_event_once_and_in_order() {
        let session = Arc::new(example_session());
        let warning = Warning::new(WarningCode::LimitReached, "enough", None);
        let emit = |sink: &mut dyn EventSink| {
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
                    late: false,
                    kind,
                });
            }
            "done"
        };
        let mut threaded = Log::default();
        assert_eq!(with_sink_thread(&mut threaded, emit), "done");
        let mut direct = Log::default();
        emit(&mut direct);
        assert!(threaded.0 == direct.0);
    }

    #[test]
    fn connections_arrive_between_events_if_the_sink_wants_them() {
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
            with_sink_thread(&mut sink, |events| {
                for number in 0..1_000 {
                    let frame = FrameRef {
                        number: 2 * number,
                        ..FrameRef::default()
                    };
                    events.event(&Event {
                        frame,
                        session: Some(1),
                        late: false,
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
            last: FrameRef {
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
    fn panic_of_the_sink_is_resumed() {
        struct Broken;
        impl EventSink for Broken {
            fn event(&mut self, _: &Event<'_>) {
                panic!("the sink is broken");
            }
        }
        let warning = Warning::new(WarningCode::LimitReached, "enough", None);
        with_sink_thread(&mut Broken, |sink| {
            for _ in 0..10_000 {
                sink.event(&Event {
                    frame: FrameRef::default(),
                    session: None,
                    late: false,
                    kind: EventKind::Warning(&warning),
                });
            }
        });
    }
}
