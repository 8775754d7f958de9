//! The data connections segment by segment: how they open, what they carry, how they close, and those that never open.

use std::collections::BTreeMap;

use super::captions;
use super::draft::Draft;
use super::model::{Channel, Levels};
use super::recorder::Recorder;
use super::segments::{at, fields, flag_label, is_ack, lanes, levels, segment_label};
use super::state::Effect;
use crate::model::record::{
    Connection, EncryptedConnection, Mode, Opener, Session, Step, Transfer, TransferDirection,
};
use crate::model::trace::{Folded, Novelty, TracedConnection};
use crate::model::{Direction, Endpoint};
use crate::report::units;

/// Rows of the data connections. Returns how many segments were not kept.
pub(super) fn drafts(session: &Session, recorder: &Recorder, drafts: &mut Vec<Draft>) -> u64 {
    let mut omitted = 0;
    let made = session.steps.iter();
    let steps: BTreeMap<u64, &Step> = made
        .filter_map(|step| Some((step.transfer?, step.as_ref())))
        .collect();
    for transfer in &session.transfers {
        let step = steps.get(&transfer.id).copied();
        let Some(connection) = &transfer.connection else {
            let later = steps.range(transfer.id.saturating_add(1)..);
            let next = later.map(|(_, step)| *step).next();
            unanswered(recorder, transfer, step, next, drafts);
            continue;
        };
        let bytes = match transfer.direction {
            TransferDirection::Upload => [transfer.bytes, 0],
            TransferDirection::Download | TransferDirection::Listing => [0, transfer.bytes],
        };
        let name = transfer.name.as_deref().unwrap_or(&transfer.verb);
        let what = DataConnection {
            connection,
            name,
            bytes,
            step,
        };
        omitted += what.draw(recorder, drafts);
    }
    for encrypted in &session.encrypted_data {
        let EncryptedConnection {
            connection,
            bytes_from_client,
            bytes_from_server,
            ..
        } = encrypted;
        let what = DataConnection {
            connection,
            name: "encrypted data",
            bytes: [*bytes_from_client, *bytes_from_server],
            step: None,
        };
        omitted += what.draw(recorder, drafts);
    }
    omitted
}

/// A data connection of the report.
struct DataConnection<'a> {
    connection: &'a Connection,
    name: &'a str,
    /// From the client, from the server.
    bytes: [u64; 2],
    step: Option<&'a Step>,
}

impl DataConnection<'_> {
    fn draw(&self, recorder: &Recorder, drafts: &mut Vec<Draft>) -> u64 {
        let connection = self.connection;
        let ports = format!("{} ↔ {}", connection.server.port, connection.client.port);
        let Some(traced) = recorder.data(connection.first_frame) else {
            self.untraced(&ports, drafts);
            return 0;
        };
        let client = Endpoint::from(connection.client);
        let client_way = traced.key.direction_from(client).unwrap_or(Direction::Up);
        let step = self.step.map(|step| step.number);
        let mut is_first = true;
        let mut closing = false;
        let mut data_seen = false;
        for segment in &traced.segments {
            let server_sends = segment.direction != client_way;
            let lanes = lanes(server_sends, Channel::Data);
            let flags = segment.flags;
            let closes = flags.fin || flags.rst;
            let mut draft = Draft {
                order: 3,
                caption: captions::data_segment(segment, server_sends, self.name),
                fields: fields(segment, traced),
                is_ack: is_ack(segment),
                failed: flags.rst,
                ..Draft::new(
                    at(segment),
                    lanes,
                    levels(flags.syn || (closes && segment.bytes == 0)),
                    flag_label(segment),
                )
            };
            if is_first {
                is_first = false;
                draft.step = step;
                draft.effects.push(Effect::Open(ports.clone()));
                draft.part = flags.syn.then_some("data connection opens");
            }
            if segment.bytes > 0 {
                draft.label = segment_label(segment, "DATA");
                if !data_seen {
                    data_seen = true;
                    draft.part = Some("contents");
                }
                if matches!(segment.novelty, Novelty::New | Novelty::Late) {
                    draft.effects.push(Effect::Bytes(segment.bytes.into()));
                }
            }
            if closes && !closing {
                closing = true;
                draft.effects.push(Effect::Closed(ports.clone()));
                draft.part = draft.part.or(Some("data connection closes"));
            }
            if closes && segment.bytes > 0 {
                let closing = Draft {
                    levels: Levels::MESSAGES,
                    label: flag_label(segment),
                    caption: captions::closing(server_sends),
                    effects: Vec::new(),
                    part: Some("data connection closes"),
                    ..draft.clone()
                };
                drafts.push(closing);
            }
            drafts.push(draft);
        }
        if let Some(folded) = &traced.folded {
            drafts.push(self.folded(folded, client_way));
        }
        for direction in [client_way, client_way.reverse()] {
            drafts.extend(self.contents(traced, direction, client_way));
        }
        traced.omitted
    }

    /// All data of one direction, in one arrow.
    fn contents(
        &self,
        traced: &TracedConnection,
        direction: Direction,
        client_way: Direction,
    ) -> Option<Draft> {
        let payload = &traced.payload[direction.index()];
        let first = payload.first?;
        let server_sends = direction != client_way;
        let bytes = self.bytes[usize::from(server_sends)].max(payload.bytes);
        let segments = units::counted(payload.segments, "segment", "segments");
        let again = match payload.again {
            0 => String::new(),
            again => format!(", {} retransmitted", units::count(again)),
        };
        let label = format!("{}: {} in {segments}{again}", self.name, units::size(bytes));
        Some(Draft {
            order: 2,
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
    fn folded(&self, folded: &Folded, client_way: Direction) -> Draft {
        let [up, down] = folded.bytes;
        let server_sends = (client_way == Direction::Up) == (down >= up);
        let bytes = up.saturating_add(down);
        let again = match folded.again {
            0 => String::new(),
            again => format!(", {} retransmitted", units::count(again)),
        };
        let segments = units::counted(folded.segments, "segment", "segments");
        Draft {
            order: 2,
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
        }
    }

    /// What the report alone tells.
    fn untraced(&self, ports: &str, drafts: &mut Vec<Draft>) {
        let connection = self.connection;
        let server_sends = self.bytes[1] >= self.bytes[0];
        let bytes = self.bytes[usize::from(server_sends)];
        let by_client = connection.opened_by == Some(Opener::Client);
        drafts.push(Draft {
            step: self.step.map(|step| step.number),
            effects: vec![Effect::Open(ports.to_owned())],
            caption: captions::opening(!by_client),
            ..Draft::new(
                (connection.first_frame, connection.start),
                lanes(!by_client, Channel::Data),
                Levels::FINE,
                format!("data connection {ports}"),
            )
        });
        drafts.push(Draft {
            caption: captions::contents(self.name, bytes, server_sends),
            effects: vec![Effect::Bytes(bytes), Effect::Closed(ports.to_owned())],
            ..Draft::new(
                (connection.last_frame, connection.end),
                lanes(server_sends, Channel::Data),
                Levels::FINE,
                format!("{}: {}", self.name, units::size(bytes)),
            )
        });
    }
}

/// A data connection that was never established: the attempts, and what answered them, up to the `next` transfer.
fn unanswered(
    recorder: &Recorder,
    transfer: &Transfer,
    step: Option<&Step>,
    next: Option<&Step>,
    drafts: &mut Vec<Draft>,
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
        let listener = Endpoint::from(announced);
        let mut part = Some("data connection does not open");
        for segment in &traced.segments {
            let listener_sends = traced.key.source(segment.direction) == listener;
            let server_sends = listener_sends != client_listens;
            drafts.push(Draft {
                order: 3,
                step: Some(step.number),
                caption: captions::unanswered(segment, server_sends),
                fields: fields(segment, traced),
                failed: segment.flags.rst || !listener_sends,
                part: part.take(),
                ..Draft::new(
                    at(segment),
                    lanes(server_sends, Channel::Data),
                    Levels::FINE,
                    flag_label(segment),
                )
            });
        }
    }
}
