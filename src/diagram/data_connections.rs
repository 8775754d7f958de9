//! Arrows of data connections: opening, contents, closing, and attempts that nobody answered.

use std::collections::BTreeMap;

use super::arrow::{Arrows, Draft, Effect};
use super::captions;
use super::captions::{flag_label, header_fields, is_ack, lanes, levels, segment_label};
use super::model::{Channel, Levels};
use super::recorder::DiagramRecorder;
use crate::model::record::{Connection, Mode, Opener, Session, Step, Transfer, TransferDirection};
use crate::model::trace::{Novelty, TracedConnection, TracedSegment};
use crate::model::{Direction, Endpoint};
use crate::report::units;

/// Data connections of a session, as the source of arrows.
pub(super) struct DataConnections<'a> {
    established: Vec<DataConnection<'a>>,
    attempts: Vec<Attempt<'a>>,
    /// Count of the segments that were not kept, for want of memory.
    pub(super) omitted: u64,
}

/// Arrow of a data connection. The number is the index of the connection, or of the attempt.
#[derive(Clone, Copy)]
pub(super) enum DataArrow<'a> {
    Segment(u32, &'a TracedSegment, Marks),
    /// Closing by a segment that also carries bytes: an arrow at message detail for its FIN or RST alone.
    Closing(u32, &'a TracedSegment, Marks),
    /// Sum of the middle segments of a long transfer.
    Folded(u32),
    /// Sum of all bytes of one direction.
    Contents(u32, Direction),
    /// Opening, if no segment was traced.
    Opened(u32),
    /// Bytes moved, if no segment was traced.
    Moved(u32),
    /// Segment of an attempt; true for its first.
    Unanswered(u32, &'a TracedSegment, bool),
}

/// Parts of a connection that begin with a segment, as bits: every planned segment has one.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks(u8);

impl Marks {
    const OPENS: u8 = 1;
    const CONTENTS: u8 = 2;
    const CLOSES: u8 = 4;

    const fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    /// Returns the subheading above the segment; `None` if no part begins.
    fn heading(self, segment: &TracedSegment) -> Option<&'static str> {
        if self.has(Self::CONTENTS) {
            Some("contents")
        } else if self.has(Self::OPENS) && segment.flags.syn {
            Some("data connection opens")
        } else if self.has(Self::CLOSES) {
            Some(CLOSES)
        } else {
            None
        }
    }
}

/// Established data connection.
struct DataConnection<'a> {
    connection: &'a Connection,
    /// Name of the content for captions.
    name: &'a str,
    /// Payload bytes: from the client, from the server.
    bytes: [u64; 2],
    /// Number of the step that made the transfer; `None` if its content is encrypted.
    step: Option<u64>,
    /// `None` if no segment was traced.
    traced: Option<&'a TracedConnection>,
    /// Direction in which the client sends.
    from_client: Direction,
}

/// Data connection that was never established.
struct Attempt<'a> {
    traced: &'a TracedConnection,
    /// Announced endpoint.
    listener: Endpoint,
    /// Whether the client announced it.
    client_listens: bool,
    /// Number of the step of the transfer.
    step: u64,
}

impl<'a> DataConnections<'a> {
    /// Plans the arrows of all data connections.
    pub(super) fn plan(
        session: &'a Session,
        recorder: &'a DiagramRecorder,
        arrows: &mut Arrows<impl From<DataArrow<'a>>>,
    ) -> Self {
        let mut all = Self {
            established: Vec::new(),
            attempts: Vec::new(),
            omitted: 0,
        };
        // By transfer, as a search for each would be quadratic.
        let steps = session.steps.iter();
        let steps: BTreeMap<u64, &Step> = steps
            .filter_map(|step| Some((step.transfer?, step.as_ref())))
            .collect();
        for transfer in &session.transfers {
            let step = steps.get(&transfer.id).copied();
            let Some(connection) = &transfer.connection else {
                // Attempts after the next transfer's command belong to that transfer.
                let later = steps.range(transfer.id.saturating_add(1)..);
                let next = later.map(|(_, step)| *step).next();
                all.plan_unanswered(recorder, transfer, step, next, arrows);
                continue;
            };
            // The report counts the bytes of the file; the other direction carries none.
            let bytes = match transfer.direction {
                TransferDirection::Upload => [transfer.bytes, 0],
                TransferDirection::Download | TransferDirection::Listing => [0, transfer.bytes],
            };
            let name = transfer.name.as_deref().unwrap_or(&transfer.verb);
            let step = step.map(|step| step.number);
            all.plan_established(recorder, (connection, name, bytes, step), arrows);
        }
        for encrypted in &session.encrypted_data {
            let bytes = [encrypted.bytes_from_client, encrypted.bytes_from_server];
            let data = (&encrypted.connection, "encrypted data", bytes, None);
            all.plan_established(recorder, data, arrows);
        }
        all
    }

    /// Plans the arrows of an established data connection.
    fn plan_established(
        &mut self,
        recorder: &'a DiagramRecorder,
        (connection, name, bytes, step): (&'a Connection, &'a str, [u64; 2], Option<u64>),
        arrows: &mut Arrows<impl From<DataArrow<'a>>>,
    ) {
        // 32 bits keep planned arrows small; more data connections than that do not fit into memory.
        let Ok(index) = u32::try_from(self.established.len()) else {
            return;
        };
        let traced = recorder.data(connection.first_frame);
        let client = Endpoint::from(connection.client);
        let from_client = traced.and_then(|traced| traced.key.direction_from(client));
        let data = DataConnection {
            connection,
            name,
            bytes,
            step,
            traced,
            from_client: from_client.unwrap_or(Direction::Up),
        };
        self.omitted = self
            .omitted
            .saturating_add(traced.map_or(0, |traced| traced.omitted));
        data.plan(index, arrows);
        self.established.push(data);
    }

    /// Plans the attempts to open a data connection that was never established, up to the `next` transfer.
    fn plan_unanswered(
        &mut self,
        recorder: &'a DiagramRecorder,
        transfer: &Transfer,
        step: Option<&Step>,
        next: Option<&Step>,
        arrows: &mut Arrows<impl From<DataArrow<'a>>>,
    ) {
        let (Some(announced), Some(step)) = (transfer.announced, step) else {
            return;
        };
        let from = step.commands.first().map_or(0, |command| command.frame);
        let to = next
            .and_then(|next| next.commands.first())
            .map_or(u64::MAX, |command| command.frame);
        let client_listens = matches!(
            transfer.mode,
            Mode::Active | Mode::ExtendedActive | Mode::LongActive
        );
        for traced in recorder.data_of_endpoint(announced, from, to) {
            let Ok(index) = u32::try_from(self.attempts.len()) else {
                return;
            };
            let mut is_first = true;
            for segment in &traced.segments {
                let arrow = DataArrow::Unanswered(index, segment, is_first);
                let at = (segment.frame.number, SEGMENT);
                arrows.push(at, Levels::FINE, is_first, arrow);
                is_first = false;
            }
            self.attempts.push(Attempt {
                traced,
                listener: Endpoint::from(announced),
                client_listens,
                step: step.number,
            });
        }
    }

    /// Makes an arrow; `None` for an index or a sum that does not exist.
    pub(super) fn draft(&self, arrow: DataArrow<'a>) -> Option<Draft> {
        let data = |index: u32| self.established.get(usize::try_from(index).ok()?);
        match arrow {
            DataArrow::Segment(index, segment, marks) => data(index)?.segment(segment, marks),
            DataArrow::Closing(index, segment, marks) => data(index)?.closing(segment, marks),
            DataArrow::Folded(index) => data(index)?.folded(),
            DataArrow::Contents(index, direction) => data(index)?.contents(direction),
            DataArrow::Opened(index) => Some(data(index)?.opened()),
            DataArrow::Moved(index) => Some(data(index)?.moved()),
            DataArrow::Unanswered(index, segment, is_first) => {
                let attempt = self.attempts.get(usize::try_from(index).ok()?)?;
                Some(attempt.segment(segment, is_first))
            }
        }
    }
}

impl<'a> DataConnection<'a> {
    /// Plans the arrows of all segments, and their sums at message detail.
    fn plan(&self, index: u32, arrows: &mut Arrows<impl From<DataArrow<'a>>>) {
        let mut push = |at, levels, heading, arrow| {
            arrows.push(at, levels, heading, arrow);
        };
        let connection = self.connection;
        let Some(traced) = self.traced else {
            let (first, last) = (connection.first_frame, connection.last_frame);
            push(
                (first, UNTRACED),
                Levels::FINE,
                false,
                DataArrow::Opened(index),
            );
            push(
                (last, UNTRACED),
                Levels::FINE,
                false,
                DataArrow::Moved(index),
            );
            return;
        };
        // Each part begins once: marks already used are masked out.
        let mut next = Marks(Marks::OPENS);
        let mut used = 0;
        for segment in &traced.segments {
            let at = (segment.frame.number, SEGMENT);
            let closes = segment.flags.fin || segment.flags.rst;
            let mut marks = std::mem::take(&mut next);
            if segment.bytes > 0 {
                marks.0 |= Marks::CONTENTS;
            }
            if closes {
                marks.0 |= Marks::CLOSES;
            }
            marks.0 &= !used;
            used |= marks.0;
            if closes && segment.bytes > 0 {
                let arrow = DataArrow::Closing(index, segment, marks);
                push(at, Levels::MESSAGES, true, arrow);
            }
            let heading = marks.heading(segment).is_some();
            let arrow = DataArrow::Segment(index, segment, marks);
            push(at, segment_levels(segment), heading, arrow);
        }
        if let Some(folded) = &traced.folded {
            let at = (folded.first.number, SUMMARY);
            push(at, Levels::PACKETS, false, DataArrow::Folded(index));
        }
        for direction in [self.from_client, self.from_client.reverse()] {
            if let Some(first) = traced.payload[direction.index()].first {
                let arrow = DataArrow::Contents(index, direction);
                push((first.number, SUMMARY), Levels::MESSAGES, false, arrow);
            }
        }
    }

    /// Formats the ports of both sides, which name the connection in the state.
    fn ports(&self) -> String {
        let connection = self.connection;
        format!("{} ↔ {}", connection.server.port, connection.client.port)
    }

    fn segment(&self, segment: &TracedSegment, marks: Marks) -> Option<Draft> {
        let server_sends = segment.direction != self.from_client;
        let label = if segment.bytes > 0 {
            segment_label(segment, "DATA")
        } else {
            flag_label(segment)
        };
        let mut draft = Draft {
            caption: captions::data_segment(segment, server_sends, self.name),
            fields: header_fields(segment, self.traced?),
            is_ack: is_ack(segment),
            failed: segment.flags.rst,
            part: marks.heading(segment),
            ..Draft::new(
                segment.frame,
                lanes(server_sends, Channel::Data),
                segment_levels(segment),
                label,
            )
        };
        if marks.has(Marks::OPENS) {
            draft.step = self.step;
            draft.effects.push(Effect::Open(self.ports()));
        }
        if segment.bytes > 0 && matches!(segment.novelty, Novelty::New | Novelty::Late) {
            draft.effects.push(Effect::Bytes(segment.bytes.into()));
        }
        if marks.has(Marks::CLOSES) {
            draft.effects.push(Effect::Closed(self.ports()));
        }
        Some(draft)
    }

    fn closing(&self, segment: &TracedSegment, marks: Marks) -> Option<Draft> {
        let server_sends = segment.direction != self.from_client;
        let draft = self.segment(segment, marks)?;
        Some(Draft {
            levels: Levels::MESSAGES,
            label: flag_label(segment),
            caption: captions::closing(server_sends),
            effects: Vec::new(),
            part: Some(CLOSES),
            ..draft
        })
    }

    /// Makes the arrow for all bytes of one direction; `None` if there were none.
    fn contents(&self, direction: Direction) -> Option<Draft> {
        let payload = &self.traced?.payload[direction.index()];
        let first = payload.first?;
        let server_sends = direction != self.from_client;
        // The report counts bytes of segments that the trace did not keep, the trace those of a transfer still open.
        let bytes = self.bytes[usize::from(server_sends)].max(payload.bytes);
        let segments = units::counted(payload.segments, "segment", "segments");
        let again = match payload.again {
            0 => String::new(),
            again => format!(", {} retransmitted", units::count(again)),
        };
        let label = format!("{}: {} in {segments}{again}", self.name, units::size(bytes));
        Some(Draft {
            caption: captions::contents(self.name, bytes, server_sends),
            effects: vec![Effect::Bytes(bytes)],
            ..Draft::new(
                first,
                lanes(server_sends, Channel::Data),
                Levels::MESSAGES,
                label,
            )
        })
    }

    /// Makes the arrow for the middle segments of a long transfer; `None` if all are drawn.
    fn folded(&self) -> Option<Draft> {
        let folded = self.traced?.folded.as_ref()?;
        let [up, down] = folded.bytes;
        let server_sends = (self.from_client == Direction::Up) == (down >= up);
        let bytes = up.saturating_add(down);
        let again = match folded.again {
            0 => String::new(),
            again => format!(", {} retransmitted", units::count(again)),
        };
        let segments = units::counted(folded.segments, "segment", "segments");
        let (first, last) = (folded.first, folded.last);
        // With several captures the row has the number of the first frame within its own.
        let numbers = if self.connection.captures.is_empty() {
            Some([first.number, last.number])
        } else {
            let own = [first.capture_number(), last.capture_number()];
            (first.capture() == last.capture()).then_some(own)
        };
        Some(Draft {
            caption: captions::folded(self.name, &segments, bytes, numbers.map(|[_, last]| last)),
            effects: vec![Effect::Bytes(bytes)],
            fields: numbers
                .map(|[first, last]| ("frames", format!("{first}-{last}")))
                .into_iter()
                .collect(),
            ..Draft::new(
                folded.first,
                lanes(server_sends, Channel::Data),
                Levels::PACKETS,
                format!("… {segments}, {}{again} …", units::size(bytes)),
            )
        })
    }

    /// Makes the arrow of the opening from the report alone.
    fn opened(&self) -> Draft {
        let connection = self.connection;
        let ports = self.ports();
        let by_client = connection.opened_by == Some(Opener::Client);
        Draft {
            step: self.step,
            caption: captions::opening(!by_client),
            effects: vec![Effect::Open(ports.clone())],
            ..Draft::new(
                (connection.first_frame, connection.start),
                lanes(!by_client, Channel::Data),
                Levels::FINE,
                format!("data connection {ports}"),
            )
        }
    }

    /// Makes the arrow of the bytes moved from the report alone.
    fn moved(&self) -> Draft {
        let connection = self.connection;
        let server_sends = self.bytes[1] >= self.bytes[0];
        let bytes = self.bytes[usize::from(server_sends)];
        Draft {
            caption: captions::contents(self.name, bytes, server_sends),
            effects: vec![Effect::Bytes(bytes), Effect::Closed(self.ports())],
            ..Draft::new(
                (connection.last_frame, connection.end),
                lanes(server_sends, Channel::Data),
                Levels::FINE,
                format!("{}: {}", self.name, units::size(bytes)),
            )
        }
    }
}

impl Attempt<'_> {
    fn segment(&self, segment: &TracedSegment, is_first: bool) -> Draft {
        let listener_sends = self.traced.key.source(segment.direction) == self.listener;
        let server_sends = listener_sends != self.client_listens;
        Draft {
            step: Some(self.step),
            caption: captions::unanswered(segment, server_sends),
            fields: header_fields(segment, self.traced),
            // An unanswered SYN is a failure as well, not only the RST.
            failed: segment.flags.rst || !listener_sends,
            part: is_first.then_some("data connection does not open"),
            ..Draft::new(
                segment.frame,
                lanes(server_sends, Channel::Data),
                Levels::FINE,
                flag_label(segment),
            )
        }
    }
}

/// Returns the levels of a segment: at message detail only those that open or close, without bytes.
fn segment_levels(segment: &TracedSegment) -> Levels {
    let flags = segment.flags;
    levels(flags.syn || ((flags.fin || flags.rst) && segment.bytes == 0))
}

const CLOSES: &str = "data connection closes";
/// Order of segments among the arrows of one frame.
const SEGMENT: u8 = 3;
/// Order of the sums of several segments.
const SUMMARY: u8 = 2;
/// Order of arrows without a traced segment.
const UNTRACED: u8 = 1;
