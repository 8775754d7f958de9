//! Where each arrow of a diagram comes from, in the order in which they stand.
//!
//! A long session has hundreds of thousands of arrows, and their texts take many times the memory of the session itself.
//! So that they never stand in memory together, only their sources are put in order; an arrow is made when it is drawn.

use super::control_connection::{Control, ControlArrow, ReplyParts};
use super::data_connections::{DataArrow, DataConnections};
use super::draft::Draft;
use super::messages::{self, Message};
use super::model::Levels;
use super::recorder::Recorder;
use crate::model::record::Session;

/// The arrows of one session, before they are made.
pub(super) struct Plan<'a> {
    session: &'a Session,
    parts: ReplyParts,
    control: Option<Control<'a>>,
    data: DataConnections<'a>,
    arrows: Arrows<'a>,
    /// Segments of its connections that could not be kept.
    pub(super) omitted: u64,
}

/// What an arrow is made of.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Message(Message<'a>),
    Control(ControlArrow<'a>),
    Data(DataArrow<'a>),
}

/// Sources that are being collected.
#[derive(Default)]
pub(super) struct Arrows<'a> {
    places: Vec<Place<'a>>,
    counts: Counts,
}

/// Rows that arrows have, with the smaller headings in front of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Arrows that are not of single packets.
    pub(super) others: usize,
    /// Headings in front of those. The one above may say the same: then there is none.
    pub(super) headings: usize,
    /// Arrows of single packets, with their headings.
    pub(super) packets: usize,
}

struct Place<'a> {
    frame: u64,
    /// Place among those of the same frame.
    order: u8,
    source: Source<'a>,
}

impl<'a> Arrows<'a> {
    /// One more; `heading` where a smaller heading stands in front of it.
    pub(super) fn push(
        &mut self,
        (frame, order): (u64, u8),
        levels: Levels,
        heading: bool,
        source: Source<'a>,
    ) {
        if levels == Levels::PACKETS {
            self.counts.packets += 1 + usize::from(heading);
        } else {
            self.counts.others += 1;
            self.counts.headings += usize::from(heading);
        }
        self.places.push(Place {
            frame,
            order,
            source,
        });
    }
}

impl<'a> Plan<'a> {
    /// Plans a session, with the segments that were recorded of it.
    pub(super) fn of(session: &'a Session, recorder: &'a Recorder) -> Self {
        let connection = recorder.control(session.id);
        let parts = connection.map_or_else(ReplyParts::default, |connection| {
            ReplyParts::of(session, connection)
        });
        let mut arrows = Arrows::default();
        messages::plan(session, &parts, &mut arrows);
        let control =
            connection.map(|connection| Control::plan(session, connection, &parts, &mut arrows));
        let data = DataConnections::plan(session, recorder, &mut arrows);
        let omitted = connection.map_or(0, |connection| connection.omitted);
        // Those of one place stay in the order in which they were planned.
        arrows
            .places
            .sort_by_key(|place| (place.frame, place.order));
        Self {
            session,
            parts,
            control,
            omitted: omitted.saturating_add(data.omitted),
            data,
            arrows,
        }
    }

    /// Whether packets were recorded, and not only those that open and close connections.
    pub(super) fn has_packets(&self) -> bool {
        self.control.as_ref().is_some_and(Control::has_packets)
    }

    /// How many rows they have.
    pub(super) fn counts(&self) -> Counts {
        self.arrows.counts
    }

    /// Makes one after the other.
    pub(super) fn drafts(&self) -> impl Iterator<Item = Draft> {
        let places = self.arrows.places.iter();
        places.filter_map(|place| {
            let draft = match place.source {
                Source::Message(message) => messages::draft(self.session, message, &self.parts)?,
                Source::Control(arrow) => self.control.as_ref()?.draft(arrow, &self.parts)?,
                Source::Data(arrow) => self.data.draft(arrow)?,
            };
            Some(draft)
        })
    }
}
