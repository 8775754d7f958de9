//! The data connections segment by segment: how they open, what they carry, how they close, and those that never open.

use std::collections::BTreeMap;

use super::arrows::Arrows;
use super::captions;
use super::draft::Draft;
use super::model::{Channel, Levels};
use super::recorder::Recorder;
use super::segments::{at, fields, flag_label, is_ack, lanes, levels, segment_label};
use super::state::Effect;
use crate::model::record::{Connection, Mode, Opener, Session, Step, Transfer, TransferDirection};
use crate::model::trace::{Novelty, TracedConnection, TracedSegment};
use crate::model::{Direction, Endpoint};
use crate::report::units;

/// The data connections of a session.
pub(super) struct DataConnections<'a> {
    drawn: Vec<DataConnection<'a>>,
    attempts: Vec<Attempt<'a>>,
    /// Segments that were not kept.
    pub(super) omitted: u64,
}

/// One arrow of a data connection, which is named by its place in the list.
#[derive(Clone, Copy)]
pub(super) enum DataArrow<'a> {
    Segment(u32, &'a TracedSegment, Marks),
    /// A segment that carries bytes and closes, as the messages have it.
    Closing(u32, &'a TracedSegment, Marks),
    Folded(u32),
    Contents(u32, Direction),
    /// That it began, where no segment was recorded.
    Began(u32),
    /// What was moved, where no segment was recorded.
    Moved(u32),
    /// A segment of an attempt; whether it is the first.
    Unanswered(u32, &'a TracedSegment, bool),
}

/// What a segment begins.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks(u8);

impl Marks {
    const OPENS: u8 = 1;
    const CONTENTS: u8 = 2;
    const CLOSES: u8 = 4;

    const fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    /// The smaller heading in front of it.
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

/// A data connection of the report.
struct DataConnection<'a> {
    connection: &'a Connection,
    name: &'a str,
    /// From the client, from the server.
    bytes: [u64; 2],
    step: Option<u64>,
    traced: Option<&'a TracedConnection>,
    /// The direction in which the client sends.
    client_way: Direction,
}

/// A data connection that was never established.
struct Attempt<'a> {
    traced: &'a TracedConnection,
    listener: Endpoint,
    client_listens: bool,
    step: u64,
}

impl<'a> DataConnections<'a> {
    /// Plans the arrows of all data connections.
    pub(super) fn plan(
        session: &'a Session,
        recorder: &'a Recorder,
        arrows: &mut Arrows<impl From<DataArrow<'a>>>,
    ) -> Self {
        let mut all = Self {
            drawn: Vec::new(),
            attempts: Vec::new(),
            omitted: 0,
        };
        let made = session.steps.iter();
        let steps: BTreeMap<u64, &Step> = made
            .filter_map(|step| Some((step.transfer?, step.as_ref())))
            .collect();
        for transfer in &session.transfers {
            let step = steps.get(&transfer.id).copied();
            let Some(connection) = &transfer.connection else {
                let later = steps.range(transfer.id.saturating_add(1)..);
                let next = later.map(|(_, step)| *step).next();
                all.plan_unanswered(recorder, transfer, step, next, arrows);
                continue;
            };
            let bytes = match transfer.direction {
                TransferDirection::Upload => [transfer.bytes, 0],
                TransferDirection::Download | TransferDirection::Listing => [0, transfer.bytes],
            };
            let name = transfer.name.as_deref().unwrap_or(&transfer.verb);
            let step = step.map(|step| step.number);
            all.plan_one(recorder, (connection, name, bytes, step), arrows);
        }
        for encrypted in &session.encrypted_data {
            let bytes = [encrypted.bytes_from_client, encrypted.bytes_from_server];
            let what = (&encrypted.connection, "encrypted data", bytes, None);
            all.plan_one(recorder, what, arrows);
        }
        all
    }

    fn plan_one(
        &mut self,
        recorder: &'a Recorder,
        (connection, name, bytes, step): (&'a Connection, &'a str, [u64; 2], Option<u64>),
        arrows: &mut Arrows<impl From<DataArrow<'a>>>,
    ) {
        let Ok(place) = u32::try_from(self.drawn.len()) else {
            return;
        };
        let traced = recorder.data(connection.first_frame);
        let client = Endpoint::from(connection.client);
        let client_way = traced.and_then(|traced| traced.key.direction_from(client));
        let data = DataConnection {
            connection,
            name,
            bytes,
            step,
            traced,
            client_way: client_way.unwrap_or(Direction::Up),
        };
        self.omitted = self
            .omitted
            .saturating_add(traced.map_or(0, |traced| traced.omitted));
        data.plan(place, arrows);
        self.drawn.push(data);
    }

    /// A data connection that was never established: the attempts, and what answered them, up to the `next` transfer.
    fn plan_unanswered(
        &mut self,
        recorder: &'a Recorder,
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
        for traced in recorder.data_at(announced, from, to) {
            let Ok(place) = u32::try_from(self.attempts.len()) else {
                return;
            };
            let mut is_first = true;
            for segment in &traced.segments {
                let arrow = DataArrow::Unanswered(place, segment, is_first);
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

    /// Makes an arrow.
    pub(super) fn draft(&self, arrow: DataArrow<'a>) -> Option<Draft> {
        let data = |place: u32| self.drawn.get(usize::try_from(place).ok()?);
        match arrow {
            DataArrow::Segment(place, segment, marks) => data(place)?.segment(segment, marks),
            DataArrow::Closing(place, segment, marks) => data(place)?.closing(segment, marks),
            DataArrow::Folded(place) => data(place)?.folded(),
            DataArrow::Contents(place, direction) => data(place)?.contents(direction),
            DataArrow::Began(place) => Some(data(place)?.began()),
            DataArrow::Moved(place) => Some(data(place)?.moved()),
            DataArrow::Unanswered(place, segment, is_first) => {
                let attempt = self.attempts.get(usize::try_from(place).ok()?)?;
                Some(attempt.segment(segment, is_first))
            }
        }
    }
}

impl<'a> DataConnection<'a> {
    fn plan(&self, place: u32, arrows: &mut Arrows<impl From<DataArrow<'a>>>) {
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
                DataArrow::Began(place),
            );
            push(
                (last, UNTRACED),
                Levels::FINE,
                false,
                DataArrow::Moved(place),
            );
            return;
        };
        let mut next = Marks(Marks::OPENS);
        let mut seen = 0;
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
            marks.0 &= !seen;
            seen |= marks.0;
            if closes && segment.bytes > 0 {
                let arrow = DataArrow::Closing(place, segment, marks);
                push(at, Levels::MESSAGES, true, arrow);
            }
            let heading = marks.heading(segment).is_some();
            let arrow = DataArrow::Segment(place, segment, marks);
            push(at, segment_levels(segment), heading, arrow);
        }
        if let Some(folded) = &traced.folded {
            let at = (folded.first.number, SUMMARY);
            push(at, Levels::PACKETS, false, DataArrow::Folded(place));
        }
        for direction in [self.client_way, self.client_way.reverse()] {
            if let Some(first) = traced.payload[direction.index()].first {
                let arrow = DataArrow::Contents(place, direction);
                push((first.number, SUMMARY), Levels::MESSAGES, false, arrow);
            }
        }
    }

    fn ports(&self) -> String {
        let connection = self.connection;
        format!("{} ↔ {}", connection.server.port, connection.client.port)
    }

    fn segment(&self, segment: &TracedSegment, marks: Marks) -> Option<Draft> {
        let server_sends = segment.direction != self.client_way;
        let label = if segment.bytes > 0 {
            segment_label(segment, "DATA")
        } else {
            flag_label(segment)
        };
        let mut draft = Draft {
            caption: captions::data_segment(segment, server_sends, self.name),
            fields: fields(segment, self.traced?),
            is_ack: is_ack(segment),
            failed: segment.flags.rst,
            part: marks.heading(segment),
            ..Draft::new(
                at(segment),
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
        let server_sends = segment.direction != self.client_way;
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

    /// All data of one direction, in one arrow.
    fn contents(&self, direction: Direction) -> Option<Draft> {
        let payload = &self.traced?.payload[direction.index()];
        let first = payload.first?;
        let server_sends = direction != self.client_way;
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
                (first.number, first.time),
                lanes(server_sends, Channel::Data),
                Levels::MESSAGES,
                label,
            )
        })
    }

    /// The midst of a long transfer.
    fn folded(&self) -> Option<Draft> {
        let folded = self.traced?.folded.as_ref()?;
        let [up, down] = folded.bytes;
        let server_sends = (self.client_way == Direction::Up) == (down >= up);
        let bytes = up.saturating_add(down);
        let again = match folded.again {
            0 => String::new(),
            again => format!(", {} retransmitted", units::count(again)),
        };
        let segments = units::counted(folded.segments, "segment", "segments");
        Some(Draft {
            caption: captions::folded(self.name, &segments, bytes, folded.last.number),
            effects: vec![Effect::Bytes(bytes)],
            fields: vec![(
                "frames",
                format!("{}-{}", folded.first.number, folded.last.number),
            )],
            ..Draft::new(
                (folded.first.number, folded.first.time),
                lanes(server_sends, Channel::Data),
                Levels::PACKETS,
                format!("… {segments}, {}{again} …", units::size(bytes)),
            )
        })
    }

    /// That it began, as the report alone tells it.
    fn began(&self) -> Draft {
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

    /// What was moved, as the report alone tells it.
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
            fields: fields(segment, self.traced),
            failed: segment.flags.rst || !listener_sends,
            part: is_first.then_some("data connection does not open"),
            ..Draft::new(
                at(segment),
                lanes(server_sends, Channel::Data),
                Levels::FINE,
                flag_label(segment),
            )
        }
    }
}

/// At which details a segment is drawn.
fn segment_levels(segment: &TracedSegment) -> Levels {
    let flags = segment.flags;
    levels(flags.syn || ((flags.fin || flags.rst) && segment.bytes == 0))
}

const CLOSES: &str = "data connection closes";
/// Place of segments among what has the same frame.
const SEGMENT: u8 = 3;
/// The same of what stands for several of them.
const SUMMARY: u8 = 2;
/// The same of what no segment tells.
const UNTRACED: u8 = 1;
