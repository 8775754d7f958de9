//! Where each arrow of a diagram comes from, in the order in which they stand.
//!
//! A long session has hundreds of thousands of arrows, and their texts take many times the memory of the session itself.
//! So that they never stand in memory together, only their sources are put in order; an arrow is made when it is drawn.

use super::arrows::{Arrows, Counts};
use super::control_connection::{Control, ControlArrow, ReplyParts};
use super::data_connections::{DataArrow, DataConnections};
use super::draft::Draft;
use super::messages::{self, Message};
use super::recorder::Recorder;
use crate::model::record::Session;

/// The arrows of one session, before they are made.
pub(super) struct Plan<'a> {
    session: &'a Session,
    parts: ReplyParts,
    control: Option<Control<'a>>,
    data: DataConnections<'a>,
    arrows: Arrows<Source<'a>>,
    /// Segments of its connections that could not be kept.
    pub(super) omitted: u64,
}

/// What an arrow is made of.
#[derive(Clone, Copy)]
enum Source<'a> {
    Message(Message<'a>),
    Control(ControlArrow<'a>),
    Data(DataArrow<'a>),
}

impl<'a> From<Message<'a>> for Source<'a> {
    fn from(message: Message<'a>) -> Self {
        Self::Message(message)
    }
}

impl<'a> From<ControlArrow<'a>> for Source<'a> {
    fn from(arrow: ControlArrow<'a>) -> Self {
        Self::Control(arrow)
    }
}

impl<'a> From<DataArrow<'a>> for Source<'a> {
    fn from(arrow: DataArrow<'a>) -> Self {
        Self::Data(arrow)
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
        arrows.sort();
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
        self.arrows.counts()
    }

    /// Makes one after the other.
    pub(super) fn drafts(&self) -> impl Iterator<Item = Draft> {
        self.arrows.sources().filter_map(|source| match *source {
            Source::Message(message) => messages::draft(self.session, message, &self.parts),
            Source::Control(arrow) => self.control.as_ref()?.draft(arrow, &self.parts),
            Source::Data(arrow) => self.data.draft(arrow),
        })
    }
}
