//! Arrows before they are rows: first as places in an order, then as drafts.

use super::console::{Shown, Typed};
use super::model::{Channel, Lane, Levels};
use super::state::Effect;
use crate::model::Timestamp;

/// The sources of all arrows of a diagram, in drawing order once sorted. `S` is whatever an arrow can be made from.
pub(super) struct Arrows<S> {
    planned: Vec<PlannedArrow<S>>,
    counts: Counts,
}

/// Counts of the rows that arrows and their subheadings take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Arrows drawn at more than packet detail.
    pub(super) others: usize,
    /// Subheadings above those: an upper limit, as one that repeats the heading above it is not drawn.
    pub(super) headings: usize,
    /// Arrows drawn at packet detail only, and their subheadings.
    pub(super) packets: usize,
}

/// Position of an arrow and its source.
struct PlannedArrow<S> {
    frame: u64,
    /// Order among arrows of the same frame.
    order: u8,
    source: S,
}

impl<S> Arrows<S> {
    /// Adds an arrow; `heading` if a subheading goes above it.
    pub(super) fn push(
        &mut self,
        (frame, order): (u64, u8),
        levels: Levels,
        heading: bool,
        source: impl Into<S>,
    ) {
        if levels == Levels::PACKETS {
            self.counts.packets += 1 + usize::from(heading);
        } else {
            self.counts.others += 1;
            self.counts.headings += usize::from(heading);
        }
        self.planned.push(PlannedArrow {
            frame,
            order,
            source: source.into(),
        });
    }

    /// Sorts the arrows by frame and order. The sort is stable: several replies in one frame stay in sequence.
    pub(super) fn sort(&mut self) {
        self.planned.sort_by_key(|arrow| (arrow.frame, arrow.order));
    }

    /// Returns the counts of the rows.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the sources in order.
    pub(super) fn sources(&self) -> impl Iterator<Item = &S> {
        self.planned.iter().map(|arrow| &arrow.source)
    }
}

impl<S> Default for Arrows<S> {
    fn default() -> Self {
        Self {
            planned: Vec::new(),
            counts: Counts::default(),
        }
    }
}

/// An arrow made from its source, still without the state of the session.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) frame: u64,
    pub(super) time: Timestamp,
    /// Step that begins with the arrow or contains it; `None` for the step of the arrow before.
    pub(super) step: Option<u64>,
    pub(super) from: Lane,
    pub(super) to: Lane,
    pub(super) channel: Channel,
    pub(super) levels: Levels,
    pub(super) label: String,
    pub(super) caption: String,
    /// Wireshark field names and values.
    pub(super) fields: Vec<(&'static str, String)>,
    /// Changes to the state, in effect from this row on.
    pub(super) effects: Vec<Effect>,
    pub(super) failed: bool,
    /// Subheading above the arrow; `None` for most.
    pub(super) part: Option<&'static str>,
    /// Whether it is a bare acknowledgement.
    pub(super) is_ack: bool,
    /// User input that caused it; `None` if the client sent it without.
    pub(super) typed: Option<Box<Typed>>,
    /// Output on the console that it causes; `None` if the user sees nothing.
    pub(super) shown: Option<Box<Shown>>,
    /// Lines that it prints on the console.
    pub(super) console: Vec<String>,
}

impl Draft {
    /// Creates a successful arrow with a label and nothing else.
    pub(super) fn new(
        (frame, time): (u64, Timestamp),
        (from, to, channel): (Lane, Lane, Channel),
        levels: Levels,
        label: String,
    ) -> Self {
        Self {
            frame,
            time,
            step: None,
            from,
            to,
            channel,
            levels,
            label,
            caption: String::new(),
            fields: Vec::new(),
            effects: Vec::new(),
            failed: false,
            part: None,
            is_ack: false,
            typed: None,
            shown: None,
            console: Vec::new(),
        }
    }
}
