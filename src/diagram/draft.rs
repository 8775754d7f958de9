//! An arrow as its source knows it: what it says, and not yet what was true when it came.

use super::console::{Shown, Typed};
use super::model::{Channel, Lane, Levels};
use super::state::Effect;
use crate::model::Timestamp;

/// An arrow before it has its place.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) frame: u64,
    pub(super) time: Timestamp,
    /// The step it begins or belongs to, where it tells.
    pub(super) step: Option<u64>,
    pub(super) from: Lane,
    pub(super) to: Lane,
    pub(super) channel: Channel,
    pub(super) levels: Levels,
    pub(super) label: String,
    pub(super) caption: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) effects: Vec<Effect>,
    pub(super) failed: bool,
    /// A smaller heading in front of it.
    pub(super) part: Option<&'static str>,
    /// An acknowledgement and nothing else.
    pub(super) is_ack: bool,
    /// What the user typed to cause it.
    pub(super) typed: Option<Box<Typed>>,
    /// What the user sees of it.
    pub(super) shown: Option<Box<Shown>>,
    /// Lines on the console.
    pub(super) console: Vec<String>,
}

impl Draft {
    /// An arrow with nothing but a label.
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
