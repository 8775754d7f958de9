//! NDJSON: one JSON object an event, written as it happens.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::builder::warning_record;
use super::compact_json;
use super::told::{Part, Told, WholeSession};
use crate::model::record::{
    Address, Capture, ConnectionAttempt, Finding, Server, Step, Totals, Transfer, UnmatchedData,
    WarningRecord,
};
use crate::model::{Event, EventKind, EventSink, Timestamp};

/// Which events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventChoice {
    /// All of them.
    #[default]
    All,
    /// `session_end`, data without a command, connection attempts, warnings and totals.
    Summary,
}

/// Writes events as lines.
///
/// A line that cannot be written ends the output: the error is kept for [`finish`](Self::finish), and
/// [`stopped`](Self::stopped) tells the source of the events that nobody listens any more.
#[derive(Debug)]
pub struct EventLines<W> {
    out: W,
    choice: EventChoice,
    flush: bool,
    several_captures: bool,
    told: Told,
    error: Option<io::Error>,
    stopped: Arc<AtomicBool>,
}

impl<W: Write> EventLines<W> {
    /// Lines into `out`. `several_captures`: frames are told by capture as well. `flush`: after each event, for readers
    /// that wait for it.
    pub fn new(out: W, choice: EventChoice, several_captures: bool, flush: bool) -> Self {
        // Where the parts have no lines of their own there is nothing to keep.
        let limit = match choice {
            EventChoice::All => TOLD_BYTES,
            EventChoice::Summary => 0,
        };
        Self {
            out,
            choice,
            flush,
            several_captures,
            told: Told::new(limit),
            error: None,
            stopped: Arc::default(),
        }
    }

    /// Why lines could not be written, where they could not.
    pub fn failed(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Becomes true once a line could not be written.
    #[must_use]
    pub fn stopped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    /// Writes the last line, `totals`, and hands the writer back.
    pub fn finish(mut self, captures: &[Capture], totals: &Totals) -> io::Result<W> {
        let time = captures.iter().filter_map(|c| c.last_packet).max();
        let line = Line::Totals {
            time,
            totals,
            captures,
        };
        if self.error.is_none() {
            self.error = write_line(&line, &mut self.out, false).err();
        }
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| self.out),
        }
    }
}

impl<W: Write> EventSink for EventLines<W> {
    fn event(&mut self, event: &Event<'_>) {
        if self.error.is_some() {
            return;
        }
        let Some(line) = Line::of(event, self.several_captures, &mut self.told) else {
            return;
        };
        if self.choice == EventChoice::All || line.is_summary() {
            self.error = write_line(&line, &mut self.out, self.flush).err();
            self.stopped.store(self.error.is_some(), Ordering::Relaxed);
        }
        if let EventKind::SessionEnd(session) = &event.kind {
            self.told.forget(session.id);
        }
    }
}

fn write_line<W: Write>(line: &Line<'_>, out: &mut W, flush: bool) -> io::Result<()> {
    compact_json::write_value(line, out)?;
    out.write_all(b"\n")?;
    if flush { out.flush() } else { Ok(()) }
}

/// One event as a line with its end; empty where `choice` leaves it out. With `alert` the line says so.
pub fn event_text(
    event: &Event<'_>,
    choice: EventChoice,
    several_captures: bool,
    alert: bool,
) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut told = Told::new(0);
    let line = Line::of(event, several_captures, &mut told)
        .filter(|line| choice == EventChoice::All || line.is_summary());
    if let Some(line) = line {
        write_line(&line, &mut text, false)?;
        if alert && text.ends_with(b"}\n") {
            text.truncate(text.len() - 2);
            text.extend_from_slice(b",\"alert\":true}\n");
        }
    }
    Ok(text)
}

/// The last line, `totals`, with its end.
pub fn totals_text(captures: &[Capture], totals: &Totals) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let line = Line::Totals {
        time: captures.iter().filter_map(|c| c.last_packet).max(),
        totals,
        captures,
    };
    write_line(&line, &mut text, false)?;
    Ok(text)
}

/// One line. `time` is that of the packet that completed the event, `null` where no packet did.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    /// An input begins; its counts are null until `totals`.
    Capture {
        time: Option<Timestamp>,
        capture: &'a Capture,
        /// The interface that packets come from, where they do.
        #[serde(skip_serializing_if = "Option::is_none")]
        interface: Option<&'a str>,
    },
    /// A connection turned out to be an FTP control connection.
    SessionStart {
        time: Option<Timestamp>,
        session: u64,
        client: Address,
        server: &'a Server,
    },
    /// A step is complete.
    Step {
        time: Option<Timestamp>,
        session: u64,
        step: Part<'a, Step>,
    },
    /// A transfer is settled.
    Transfer {
        time: Option<Timestamp>,
        session: u64,
        transfer: Part<'a, Transfer>,
    },
    /// A transfer is running; told by `live`.
    TransferProgress {
        time: Option<Timestamp>,
        session: u64,
        /// Id of the transfer within the session.
        transfer: u64,
        /// Payload bytes so far.
        bytes: u64,
        /// Bytes per second so far.
        throughput: Option<f64>,
    },
    /// Something deserves attention.
    Finding {
        time: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        finding: &'a Finding,
    },
    /// A session is over; this is all of it.
    SessionEnd {
        time: Option<Timestamp>,
        session: u64,
        report: WholeSession<'a>,
    },
    /// A data connection for which there is no command.
    UnmatchedData {
        time: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        unmatched_data: &'a UnmatchedData,
    },
    /// A connection to port 21 that never carried a byte.
    ConnectionAttempt {
        time: Option<Timestamp>,
        connection_attempt: &'a ConnectionAttempt,
    },
    /// Something about the input, or a bound that was reached.
    Warning {
        time: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        warning: WarningRecord,
    },
    /// The end, with the inputs and their counts.
    Totals {
        time: Option<Timestamp>,
        totals: &'a Totals,
        captures: &'a [Capture],
    },
}

impl<'a> Line<'a> {
    /// The line of an event; `None` for an event of a session that does not say which, which no one should send.
    fn of(event: &'a Event<'a>, several_captures: bool, told: &'a mut Told) -> Option<Self> {
        let time = (event.frame.number > 0).then_some(event.frame.time);
        Some(match &event.kind {
            EventKind::Capture(capture) => Self::Capture {
                time,
                capture,
                interface: (capture.format == "live").then_some(capture.path.as_str()),
            },
            EventKind::SessionStart { client, server } => Self::SessionStart {
                time,
                session: event.session?,
                client: *client,
                server,
            },
            EventKind::Step(step) => Self::Step {
                time,
                session: event.session?,
                step: told.step(event.session?, step),
            },
            EventKind::Transfer(transfer) => Self::Transfer {
                time,
                session: event.session?,
                transfer: told.transfer(event.session?, transfer),
            },
            EventKind::TransferProgress {
                transfer,
                bytes,
                throughput,
            } => Self::TransferProgress {
                time,
                session: event.session?,
                transfer: *transfer,
                bytes: *bytes,
                throughput: *throughput,
            },
            EventKind::Finding(finding) => Self::Finding {
                time,
                session: event.session,
                finding,
            },
            EventKind::SessionEnd(session) => Self::SessionEnd {
                time,
                session: session.id,
                report: told.session(session),
            },
            EventKind::UnmatchedData(unmatched_data) => Self::UnmatchedData {
                time,
                session: event.session.or(unmatched_data.session),
                unmatched_data,
            },
            EventKind::ConnectionAttempt(connection_attempt) => Self::ConnectionAttempt {
                time,
                connection_attempt,
            },
            EventKind::Warning(warning) => Self::Warning {
                time,
                session: event.session,
                warning: warning_record(warning, several_captures),
            },
        })
    }

    fn is_summary(&self) -> bool {
        matches!(
            self,
            Self::SessionEnd { .. }
                | Self::UnmatchedData { .. }
                | Self::ConnectionAttempt { .. }
                | Self::Warning { .. }
                | Self::Totals { .. }
        )
    }
}

/// Bytes of steps and transfers kept for the last lines of their sessions; below a power of two, so that the text that passes it
/// does not double the room of all.
const TOLD_BYTES: usize = 7 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{CapturePlace, FrameRef, Warning, WarningCode};
    use crate::report::example::{example_report, example_session};

    fn at(number: u64) -> FrameRef {
        FrameRef {
            time: Timestamp::from_parts(1_700_000_000, number),
            number,
            place: CapturePlace::new(0, number),
        }
    }

    fn tell_all(sink: &mut dyn EventSink) {
        let session = Arc::new(example_session());
        let report = example_report();
        let events = [
            (0, EventKind::Capture(&report.captures[0])),
            (
                6,
                EventKind::SessionStart {
                    client: session.client,
                    server: &session.server,
                },
            ),
            (9, EventKind::Step(&session.steps[0])),
            (40, EventKind::Transfer(&session.transfers[0])),
            (41, EventKind::Finding(&session.findings[0])),
            (71, EventKind::SessionEnd(Arc::clone(&session))),
        ];
        for (number, kind) in events {
            sink.event(&Event {
                frame: at(number),
                session: (number > 0).then_some(1),
                kind,
            });
        }
        let warning = Warning::new(WarningCode::CaptureTruncated, "it ends early", Some(at(71)));
        sink.event(&Event {
            frame: at(71),
            session: None,
            kind: EventKind::Warning(&warning),
        });
    }

    fn lines(choice: EventChoice) -> Vec<serde_json::Value> {
        let mut sink = EventLines::new(Vec::new(), choice, false, false);
        tell_all(&mut sink);
        let report = example_report();
        let out = sink
            .finish(&report.captures, &report.totals)
            .expect("memory takes it");
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        assert!(text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str(line).expect("valid JSON"))
            .collect()
    }

    fn types(lines: &[serde_json::Value]) -> Vec<&str> {
        lines.iter().filter_map(|l| l["type"].as_str()).collect()
    }

    #[test]
    fn each_event_is_a_line_and_totals_the_last() {
        let all = lines(EventChoice::All);
        assert_eq!(
            types(&all),
            [
                "capture",
                "session_start",
                "step",
                "transfer",
                "finding",
                "session_end",
                "warning",
                "totals"
            ]
        );
        assert_eq!(all[0]["time"], serde_json::Value::Null);
        assert_eq!(all[2]["session"], 1);
        assert_eq!(all[2]["time"], "2023-11-14T22:13:20.000000009Z");
        assert_eq!(all[5]["report"]["id"], 1);
        assert_eq!(all[6]["warning"]["frame"], 71);
        assert!(all[6].get("session").is_none());
        assert_eq!(all[7]["captures"][0]["packets"], 71);
    }

    #[test]
    fn the_summary_leaves_out_what_session_end_repeats() {
        assert_eq!(
            types(&lines(EventChoice::Summary)),
            ["session_end", "warning", "totals"]
        );
    }

    #[test]
    fn every_line_fits_the_schema() {
        let schema: serde_json::Value =
            serde_json::from_str(&crate::report::json::event_schema()).expect("valid JSON");
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler
            .add_resource("event.json", schema)
            .expect("a schema");
        let index = compiler
            .compile("event.json", &mut schemas)
            .expect("a schema");
        for line in lines(EventChoice::All) {
            if let Err(error) = schemas.validate(&line, index) {
                panic!("{line}: {error:#}");
            }
        }
    }

    #[test]
    fn a_closed_pipe_stops_the_source_and_is_told_at_the_end() {
        #[derive(Debug)]
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut sink = EventLines::new(Closed, EventChoice::All, false, true);
        let stopped = sink.stopped();
        assert!(!stopped.load(Ordering::Relaxed));
        tell_all(&mut sink);
        assert!(stopped.load(Ordering::Relaxed));
        assert_eq!(
            sink.failed().map(io::Error::kind),
            Some(io::ErrorKind::BrokenPipe)
        );
        let error = sink.finish(&[], &Totals::default()).expect_err("it failed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
