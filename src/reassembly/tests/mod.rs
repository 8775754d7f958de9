//! A wire between one client and one server, and a handler that logs every call.

mod closing;
mod course;
mod holes;
mod limits;
mod opening;
mod ordering;
mod properties;

use std::collections::{BTreeMap, BTreeSet};

use crate::decode::{Segment, TcpFlags};
use crate::model::{CapturePlace, Direction, Endpoint, FrameRef, Limits, Span, Timestamp};

use super::{
    CaptureClock, Chunk, CloseReason, FlowId, FlowSummary, FlowTable, Gap, Interest, StreamHandler,
};

/// Logs every call as one line.
#[derive(Default)]
struct Recorder {
    log: Vec<String>,
    /// Received bytes by flow and direction.
    streams: BTreeMap<(u32, usize), Received>,
    /// Flows opened and not closed.
    open: BTreeSet<u32>,
    /// The summary of the latest call.
    summary: Option<FlowSummary>,
    /// The frame of the latest call that names one.
    frame: FrameRef,
    /// Admits no flow.
    refuse: bool,
    /// Call of `data` from which on `Ignore` is returned; `None` for never.
    ignore_at: Option<usize>,
    /// Keeps silent flows from expiring.
    needed: bool,
    calls: usize,
}

/// One direction of one flow.
#[derive(Clone, Debug, Default)]
struct Received {
    bytes: Vec<u8>,
    /// Offsets and lengths.
    gaps: Vec<(u64, u64)>,
    end: u64,
}

impl Recorder {
    /// Returns the stream of an open flow.
    fn stream(&mut self, flow: FlowId, direction: Direction) -> &mut Received {
        assert!(
            self.open.contains(&flow.0),
            "nothing comes before opened or after closed"
        );
        self.streams.entry((flow.0, direction.index())).or_default()
    }
}

impl StreamHandler for Recorder {
    fn admit(&mut self, _: &Segment<'_>) -> bool {
        !self.refuse
    }

    fn opened(&mut self, flow: FlowId, summary: &FlowSummary) -> Interest {
        self.summary = Some(summary.clone());
        self.streams.retain(|(known, _), _| *known != flow.0);
        assert!(
            self.open.insert(flow.0),
            "the number of an open flow is not used again"
        );
        self.log.push(format!("opened {}", flow.0));
        Interest::Bytes
    }

    fn established(&mut self, _: FlowId, summary: &FlowSummary) {
        self.summary = Some(summary.clone());
        self.log.push("established".into());
    }

    fn data(
        &mut self,
        flow: FlowId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        assert!(!chunk.bytes.is_empty());
        let stream = self.stream(flow, direction);
        assert_eq!(chunk.offset, stream.end, "chunks follow one another");
        stream.end += chunk.bytes.len() as u64;
        stream.bytes.extend_from_slice(chunk.bytes);
        let half = summary.sent(direction);
        assert_eq!(
            half.delivered_bytes + half.irregular().missing_bytes,
            stream.end
        );
        let text = String::from_utf8_lossy(chunk.bytes);
        let text: String = text.chars().take(20).collect();
        self.log
            .push(format!("{} {} {text}", name(direction), chunk.offset));
        self.summary = Some(summary.clone());
        self.frame = chunk.frame;
        self.calls += 1;
        if self.ignore_at.is_some_and(|at| self.calls > at) {
            self.open.remove(&flow.0);
            Interest::Ignore
        } else {
            Interest::Bytes
        }
    }

    fn gap(&mut self, flow: FlowId, direction: Direction, gap: Gap, summary: &FlowSummary) {
        let stream = self.stream(flow, direction);
        assert_eq!(gap.offset, stream.end, "a gap follows what was before");
        assert!(gap.length > 0);
        stream.end += gap.length;
        stream.gaps.push((gap.offset, gap.length));
        self.log.push(format!(
            "{} {} gap {}",
            name(direction),
            gap.offset,
            gap.length
        ));
        self.summary = Some(summary.clone());
        self.frame = gap.frame;
    }

    fn finished(
        &mut self,
        _: FlowId,
        direction: Direction,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        assert!(summary.sent(direction).finished);
        self.log.push(format!("{} finished", name(direction)));
        self.summary = Some(summary.clone());
        self.frame = frame;
    }

    fn expires(&self, _: FlowId, _: Span) -> bool {
        !self.needed
    }

    fn closed(
        &mut self,
        flow: FlowId,
        reason: CloseReason,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        assert!(self.open.remove(&flow.0), "a flow is closed once");
        self.log.push(format!("closed {} {reason:?}", flow.0));
        self.summary = Some(summary.clone());
        self.frame = frame;
    }

    fn forgotten(&mut self, _: FlowId, summary: &FlowSummary) {
        self.summary = Some(summary.clone());
    }
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

/// A segment to send. The client has the lower address, so that it sends up.
#[derive(Clone, Debug)]
struct Packet {
    from_client: bool,
    client_port: u16,
    identification: u16,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    window: u16,
    scale: Option<u8>,
    payload: Vec<u8>,
    cut: u32,
    checksum: Checksum,
}

/// Checksum of a segment to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checksum {
    /// Not to be verified, for want of the header.
    Unknown,
    Right,
    Wrong,
}

fn client(sequence: u32) -> Packet {
    Packet {
        from_client: true,
        client_port: 40_000,
        identification: 0,
        sequence,
        acknowledgment: 0,
        flags: 0,
        window: 65_535,
        scale: None,
        payload: Vec::new(),
        cut: 0,
        checksum: Checksum::Unknown,
    }
}

fn server(sequence: u32) -> Packet {
    Packet {
        from_client: false,
        ..client(sequence)
    }
}

impl Packet {
    fn flag(mut self, flag: u8) -> Self {
        self.flags |= flag;
        self
    }

    fn syn(self) -> Self {
        self.flag(TcpFlags::SYN)
    }

    fn fin(self) -> Self {
        self.flag(TcpFlags::FIN)
    }

    fn rst(self) -> Self {
        self.flag(TcpFlags::RST)
    }

    fn ack(mut self, acknowledgment: u32) -> Self {
        self.acknowledgment = acknowledgment;
        self.flag(TcpFlags::ACK)
    }

    fn data(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self.flag(TcpFlags::PSH)
    }

    fn numbered(mut self, identification: u16) -> Self {
        self.identification = identification;
        self
    }

    fn right(mut self) -> Self {
        self.checksum = Checksum::Right;
        self
    }

    fn wrong(mut self) -> Self {
        self.checksum = Checksum::Wrong;
        self
    }

    /// Returns a header whose checksum is as wanted. Its other fields are 0: only the sum counts here.
    fn header(&self, addresses: [[u8; 4]; 2]) -> Vec<u8> {
        if self.checksum == Checksum::Unknown {
            return Vec::new();
        }
        let mut header = [0; 20];
        let length = u16::try_from(header.len() + self.payload.len()).expect("it is short");
        let mut covered = addresses.concat();
        covered.extend([0, 6]);
        covered.extend(length.to_be_bytes());
        covered.extend(&self.payload);
        covered.resize(covered.len().next_multiple_of(2), 0);
        let words = covered.chunks(2);
        let sum: u32 = words
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
            .sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        let wrong = u16::from(self.checksum == Checksum::Wrong);
        let checksum = !u16::try_from(folded).expect("it is folded") ^ (wrong << 4);
        header[16..18].copy_from_slice(&checksum.to_be_bytes());
        header.to_vec()
    }

    fn cut(mut self, cut: u32) -> Self {
        self.cut = cut;
        self
    }

    fn port(mut self, port: u16) -> Self {
        self.client_port = port;
        self
    }
}

/// Client and server with a flow table between them.
struct Wire {
    table: FlowTable,
    clock: CaptureClock,
    seen: Recorder,
    frame: FrameRef,
}

impl Wire {
    fn new() -> Self {
        Self::with(&Limits::default())
    }

    fn with(limits: &Limits) -> Self {
        Self {
            table: FlowTable::new(limits),
            clock: CaptureClock::default(),
            seen: Recorder::default(),
            frame: FrameRef {
                time: Timestamp::from_parts(1_700_000_000, 0),
                ..FrameRef::default()
            },
        }
    }

    /// Returns a wire after a handshake, with streams that start at 1000 (client) and 5000 (server).
    fn established() -> Self {
        let mut wire = Self::new();
        wire.handshake();
        wire.seen.log.clear();
        wire
    }

    fn handshake(&mut self) {
        self.send(client(999).syn());
        self.send(server(4999).syn().ack(1000));
        self.send(client(1000).ack(5000));
    }

    /// Sends a segment one microsecond after the previous one.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the tests build each packet where they send it"
    )]
    fn send(&mut self, packet: Packet) {
        self.frame.number += 1;
        self.frame.place = CapturePlace::new(0, self.frame.number);
        self.frame.time = self.frame.time.plus(Span::from_nanos(1000));
        let near = Endpoint::v4([10, 0, 0, 1], packet.client_port);
        let far = Endpoint::v4([10, 0, 0, 2], 21);
        let (source, destination) = if packet.from_client {
            (near, far)
        } else {
            (far, near)
        };
        let moment = self.clock.advance(self.frame.time);
        let addresses = [[10, 0, 0, 1], [10, 0, 0, 2]];
        let header = packet.header(addresses);
        self.table.segment(
            &Segment {
                frame: self.frame,
                source,
                destination,
                identification: packet.identification,
                sequence: packet.sequence,
                acknowledgment: packet.acknowledgment,
                flags: TcpFlags(packet.flags),
                window: packet.window,
                window_scale: packet.scale,
                ip_len: 40 + u32::try_from(packet.payload.len()).expect("it is short") + packet.cut,
                frame_len: 54
                    + u32::try_from(packet.payload.len()).expect("it is short")
                    + packet.cut,
                header: &header,
                payload: &packet.payload,
                cut: packet.cut,
            },
            moment,
            &mut self.seen,
        );
    }

    fn send_all(&mut self, packets: impl IntoIterator<Item = Packet>) {
        for packet in packets {
            self.send(packet);
        }
    }

    /// Lets time pass, however much: as after 64 packets that agree on it.
    fn wait(&mut self, span: Span) {
        self.frame.time = self.frame.time.plus(span);
        self.clock = CaptureClock::default();
        self.clock.advance(self.frame.time);
        self.table.tick(self.frame.time, self.frame, &mut self.seen);
    }

    fn finish(&mut self) {
        self.table
            .finish(self.clock.now(), self.frame, &mut self.seen);
    }

    /// Returns the log since the previous call.
    fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen.log)
    }

    fn summary(&self) -> FlowSummary {
        self.seen.summary.clone().expect("a flow was opened")
    }
}
