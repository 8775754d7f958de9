//! Transfers that stand still and data connections that do not open: emitted while it lasts, and once.

use std::fs;
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use ftpscope::capture::{CaptureSet, Input, PacketSource, ReadOptions};
use ftpscope::model::record::Capture;
use ftpscope::model::{Event, EventKind, EventSink, Span};
use ftpscope::pipeline::{self, Options};
use serde_json::Value;

use crate::live::monitor::{Monitor, events, folder};
use crate::support::connection::{Connection, Side};
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::wire::Wire;

/// Returns a session that has sent the first half of a file of two segments, and its data connection.
fn half_a_file() -> (Conversation, Connection) {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.opening("data.bin", 2 * SEGMENT);
    send(&mut ftp, &mut data);
    (ftp, data)
}

/// The server sends one segment of the file.
fn send(ftp: &mut Conversation, data: &mut Connection) {
    data.stream(&mut ftp.wire, Side::Server, &[b'x'; SEGMENT], SEGMENT);
}

/// Ends a transfer, and the session.
fn end(ftp: &mut Conversation, data: &mut Connection) {
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Transfer complete.");
    ftp.part();
}

/// Another host's packet goes by `seconds` later, which shows how late it is.
fn pass(wire: &mut Wire, seconds: u64) {
    wire.wait(Duration::from_secs(seconds));
    let [from, to] = ["10.9.0.1:5000", "10.9.0.2:6000"];
    wire.datagram(
        from.parse().expect("an address"),
        to.parse().expect("an address"),
        b"tick",
    );
}

/// Returns the events of a recording that `live` reads.
fn watched(name: &str, wire: &Wire) -> Vec<Value> {
    let input = folder(name).join("a.pcap");
    fs::write(&input, wire.to_pcap()).expect("written");
    let input = input.to_str().expect("UTF-8");
    let ended = Monitor::start(&["-r", input, "--format", "ndjson"]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    events(&ended.lines)
}

/// Returns the titles of the findings in events, and of those in the report, of the kind `id`.
fn findings<'a>(events: &'a [Value], id: &str) -> [Vec<&'a str>; 2] {
    let title = |finding: &'a Value| {
        let is_kind = finding["id"] == id;
        is_kind.then(|| finding["title"].as_str().expect("a text"))
    };
    let emitted = events.iter().filter(|event| event["type"] == "finding");
    let emitted = emitted.filter_map(|event| title(&event["finding"]));
    let ends = events.iter().filter(|event| event["type"] == "session_end");
    let reported = ends.flat_map(|event| event["report"]["findings"].as_array().expect("a list"));
    [emitted.collect(), reported.filter_map(title).collect()]
}

/// A capture in memory that waits behind some of its packets: it gives ticks there, second by second.
struct Waiting {
    packets: CaptureSet,
    /// Number of the packet behind which it waits.
    behind: u64,
    seconds: u64,
    is_prompt: bool,
}

impl PacketSource for Waiting {
    fn for_each(&mut self, deliver: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        let (behind, seconds) = (self.behind, self.seconds);
        self.packets.for_each(&mut |input| {
            let frame = match &input {
                Input::Packet(packet) => Some(packet.frame),
                _ => None,
            };
            deliver(input)?;
            if let Some(frame) = frame.filter(|frame| frame.number == behind) {
                for second in 1..=seconds {
                    let waited = Span::from_secs(i64::try_from(second).expect("few"));
                    deliver(Input::Tick(frame.time.plus(waited)))?;
                }
            }
            ControlFlow::Continue(())
        });
    }

    fn captures(&self) -> Vec<Capture> {
        self.packets.captures()
    }

    fn is_prompt(&self) -> bool {
        self.is_prompt
    }
}

/// Titles of the findings of one kind: those that were emitted while the session lasted, and those of the report.
struct Titles {
    id: &'static str,
    emitted: Vec<String>,
    reported: Vec<String>,
}

impl EventSink for Titles {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::FindingSoFar(finding) if finding.id == self.id => {
                self.emitted.push(finding.title.clone());
            }
            EventKind::SessionEnd(session) => {
                let all = session.findings.iter();
                let of_kind = all.filter(|finding| finding.id == self.id);
                self.reported
                    .extend(of_kind.map(|finding| finding.title.clone()));
            }
            _ => {}
        }
    }
}

/// Returns the findings `stalled-transfer` of a live run on `wire` that waits for `seconds` behind the packet `behind`.
fn stalls_of_waiting(wire: &Wire, behind: usize, seconds: u64, is_prompt: bool) -> Titles {
    let bytes = Cursor::new(wire.to_pcap());
    let readers: Vec<(PathBuf, Box<dyn Read + Send>)> = vec![("-".into(), Box::new(bytes))];
    let mut source = Waiting {
        packets: CaptureSet::from_readers(readers, ReadOptions::default()),
        behind: behind as u64,
        seconds,
        is_prompt,
    };
    let options = Options {
        live: true,
        ..Options::default()
    };
    let mut titles = Titles {
        id: "stalled-transfer",
        emitted: Vec::new(),
        reported: Vec::new(),
    };
    pipeline::analyze(&mut source, &options, &mut titles, &mut ());
    titles
}

#[test]
fn stalled_transfer_is_emitted_while_no_packet_passes_an_interface() {
    let (mut ftp, mut data) = half_a_file();
    let before = ftp.wire.len();
    ftp.wire.wait(Duration::from_secs(41));
    send(&mut ftp, &mut data);
    end(&mut ftp, &mut data);
    let titles = stalls_of_waiting(&ftp.wire, before, 30, true);
    let [emitted] = &titles.emitted[..] else {
        panic!("{:?}", titles.emitted);
    };
    assert!(
        emitted.starts_with("RETR data.bin has stood still for 1"),
        "{emitted}"
    );
    let [reported] = &titles.reported[..] else {
        panic!("{:?}", titles.reported);
    };
    assert!(reported.ends_with(" stood still for 41.0 s"), "{reported}");
}

#[test]
fn packets_that_wait_in_the_buffer_of_tcpdump_are_no_stalled_transfer() {
    let (mut ftp, mut data) = half_a_file();
    let before = ftp.wire.len();
    send(&mut ftp, &mut data);
    end(&mut ftp, &mut data);
    // The rest of the file passed at once, and the pipe gave it half a minute later.
    let titles = stalls_of_waiting(&ftp.wire, before, 30, false);
    assert!(titles.emitted.is_empty(), "{:?}", titles.emitted);
    assert!(titles.reported.is_empty(), "{:?}", titles.reported);
}

#[test]
fn pause_that_ends_before_ten_seconds_is_not_told() {
    for (seconds, expected) in [(8, 0), (11, 1)] {
        let (mut ftp, mut data) = half_a_file();
        pass(&mut ftp.wire, seconds);
        send(&mut ftp, &mut data);
        end(&mut ftp, &mut data);
        let events = watched(&format!("pause-{seconds}"), &ftp.wire);
        let [emitted, reported] = findings(&events, "stalled-transfer");
        let found = [emitted.len(), reported.len()];
        assert_eq!(found, [expected; 2], "{seconds} s: {emitted:?}");
    }
}

#[test]
fn second_pause_is_emitted_once_it_is_longer_than_the_first() {
    let (mut ftp, mut data) = half_a_file();
    pass(&mut ftp.wire, 12);
    send(&mut ftp, &mut data);
    // As long as the first one, and then longer.
    pass(&mut ftp.wire, 11);
    pass(&mut ftp.wire, 4);
    pass(&mut ftp.wire, 4);
    data.fin(&mut ftp.wire, Side::Server);
    data.answer_fin(&mut ftp.wire, Side::Client);
    ftp.reply("226 Transfer complete.");
    ftp.part();
    let events = watched("pauses", &ftp.wire);
    let [emitted, _] = findings(&events, "stalled-transfer");
    let ends: Vec<_> = emitted
        .iter()
        .map(|title| title.rsplit(" for ").next().unwrap_or_default())
        .collect();
    assert_eq!(ends, ["12.0 s", "15.0 s"], "{emitted:?}");
}

#[test]
fn data_connection_that_opens_late_is_emitted_but_not_reported() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    // As curl does: the command follows once the connection is open.
    data.syn(&mut ftp.wire);
    for wait in [1, 2, 4] {
        ftp.wire.wait(Duration::from_secs(wait));
        data.retransmit(&mut ftp.wire, Side::Client);
    }
    pass(&mut ftp.wire, 4);
    pass(&mut ftp.wire, 2);
    data.syn_ack(&mut ftp.wire);
    data.ack(&mut ftp.wire, Side::Client);
    ftp.command("RETR data.bin");
    ftp.opening("data.bin", SEGMENT);
    send(&mut ftp, &mut data);
    end(&mut ftp, &mut data);
    let events = watched("late-opening", &ftp.wire);
    let [emitted, reported] = findings(&events, "data-connection-blocked");
    assert_eq!(
        emitted,
        ["data connection to 192.168.0.21:5001 has not opened in 11.0 s"]
    );
    assert!(reported.is_empty(), "{reported:?}");
}

#[test]
fn data_connection_that_never_opens_is_emitted_before_the_server_gives_up_and_once() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    ftp.command("RETR data.bin");
    data.syn(&mut ftp.wire);
    for wait in [1, 2, 4] {
        ftp.wire.wait(Duration::from_secs(wait));
        data.retransmit(&mut ftp.wire, Side::Client);
    }
    pass(&mut ftp.wire, 8);
    pass(&mut ftp.wire, 15);
    ftp.reply("425 Failed to establish connection.");
    ftp.part();
    let events = watched("no-opening", &ftp.wire);
    let [emitted, reported] = findings(&events, "data-connection-blocked");
    assert_eq!((emitted.len(), reported.len()), (1, 1), "{emitted:?}");
    let at = |wanted: &dyn Fn(&Value) -> bool| events.iter().position(wanted);
    let finding = at(&|event| event["finding"]["id"] == "data-connection-blocked");
    let transfer = at(&|event| event["type"] == "transfer");
    assert!(finding < transfer, "{finding:?} {transfer:?}");
}

#[test]
fn data_connection_that_nobody_tries_is_emitted_once() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    ftp.command("RETR data.bin");
    pass(&mut ftp.wire, 8);
    pass(&mut ftp.wire, 4);
    pass(&mut ftp.wire, 18);
    ftp.reply("425 Failed to establish connection.");
    ftp.part();
    let events = watched("not-tried", &ftp.wire);
    let [emitted, reported] = findings(&events, "data-connection-failed");
    assert_eq!(emitted, ["no data connection for RETR in 12.0 s"]);
    assert_eq!(
        reported,
        ["data connection of RETR could not be opened (425)"]
    );
}

const CLIENT: &str = "192.168.0.2:40000";
const SERVER: &str = "192.168.0.21:21";
