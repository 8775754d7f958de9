//! Arrows before they are rows, first as places in an order, then as drafts, and the state that they change from row to
//! row.

use std::sync::Arc;

use super::messages::{Shown, Typed};
use super::model::{Channel, Lane, Levels, SessionState};
use crate::model::record::{Command, Reply};
use crate::model::{FrameRef, Timestamp};

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
    /// The frame, where it is at hand; `None` for one that the record of the session names.
    pub(super) traced: Option<FrameRef>,
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

/// Frame and time of an arrow.
pub(super) struct At {
    frame: u64,
    time: Timestamp,
    traced: Option<FrameRef>,
}

impl From<(u64, Timestamp)> for At {
    fn from((frame, time): (u64, Timestamp)) -> Self {
        Self {
            frame,
            time,
            traced: None,
        }
    }
}

impl From<FrameRef> for At {
    fn from(frame: FrameRef) -> Self {
        Self {
            frame: frame.number,
            time: frame.time,
            traced: Some(frame),
        }
    }
}

impl Draft {
    /// Creates a successful arrow with a label and nothing else.
    pub(super) fn new(
        at: impl Into<At>,
        (from, to, channel): (Lane, Lane, Channel),
        levels: Levels,
        label: String,
    ) -> Self {
        let At {
            frame,
            time,
            traced,
        } = at.into();
        Self {
            frame,
            traced,
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

/// Change that a row makes to the state.
#[derive(Clone, Debug, Default)]
pub(super) enum Effect {
    /// No change.
    #[default]
    None,
    /// Login of this user.
    User(String),
    /// Working directory; `None` if it is no longer known.
    Directory(Option<String>),
    /// Representation type (TYPE).
    DataType(&'static str),
    /// Mode of the next data connections: `active` or `passive`.
    Mode(&'static str),
    /// Encryption of the control connection: on after AUTH, off after CCC.
    Encrypted(bool),
    /// Opening of the data connection of this name.
    Open(String),
    /// Closing of the data connection of this name.
    Closed(String),
    /// Payload bytes on a data connection.
    Bytes(u64),
}

/// Tracker of the state from row to row.
///
/// Rows at message detail count the bytes of a transfer at once, packets one segment at a time. Each has its own count.
#[derive(Clone, Debug)]
pub(super) struct StateTracker {
    /// Shared with the rows: consecutive rows mostly have equal state.
    state: Arc<SessionState>,
    message_bytes: u64,
    /// Count of the open data connections beyond [`MAX_NAMED`].
    unnamed: u64,
}

impl StateTracker {
    /// Creates the state at the start of a session that secrets open, or not; ASCII is the default type (RFC 959 section
    /// 3.1.1.1).
    pub(super) fn new(decrypted: bool) -> Self {
        let state = SessionState {
            data_type: "ASCII".to_owned(),
            decrypted,
            ..SessionState::default()
        };
        Self {
            state: Arc::new(state),
            message_bytes: 0,
            unnamed: 0,
        }
    }

    /// Returns the state for a row drawn at `levels`.
    pub(super) fn at(&self, levels: Levels) -> Arc<SessionState> {
        // Only message rows can differ from the packets before them, and few do: the others share one state.
        if levels == Levels::MESSAGES && self.state.bytes != self.message_bytes {
            let mut state = SessionState::clone(&self.state);
            state.bytes = self.message_bytes;
            return Arc::new(state);
        }
        Arc::clone(&self.state)
    }

    /// Applies an effect of a row at `levels`. With `has_packets`, packets count the bytes shown, else messages do.
    pub(super) fn apply(&mut self, effect: &Effect, levels: Levels, has_packets: bool) {
        if let Effect::Bytes(bytes) = effect {
            if levels == Levels::MESSAGES {
                self.message_bytes = self.message_bytes.saturating_add(*bytes);
                if has_packets {
                    return;
                }
            }
            let state = Arc::make_mut(&mut self.state);
            state.bytes = state.bytes.saturating_add(*bytes);
            return;
        }
        if matches!(effect, Effect::None) {
            return;
        }
        let state = Arc::make_mut(&mut self.state);
        match effect {
            Effect::User(user) => state.user = Some(user.clone()),
            Effect::Directory(directory) => state.directory.clone_from(directory),
            Effect::DataType(data_type) => (*data_type).clone_into(&mut state.data_type),
            Effect::Mode(mode) => (*mode).clone_into(&mut state.mode),
            Effect::Encrypted(encrypted) => state.encrypted = *encrypted,
            Effect::Open(name) => {
                let named = state.open.len() - usize::from(self.unnamed > 0);
                // While some are unnamed, all new ones are: a closing that matches no name then belongs to one of them.
                if named < MAX_NAMED && self.unnamed == 0 {
                    state.open.push(name.clone());
                } else {
                    self.unnamed += 1;
                    state.open.truncate(named);
                    state.open.push(format!("{} more", self.unnamed));
                }
            }
            Effect::Closed(name) => {
                if let Some(index) = state.open.iter().position(|open| open == name) {
                    state.open.remove(index);
                } else if self.unnamed > 0 {
                    self.unnamed -= 1;
                    state.open.pop();
                    if self.unnamed > 0 {
                        state.open.push(format!("{} more", self.unnamed));
                    }
                }
            }
            Effect::None | Effect::Bytes(_) => {}
        }
    }
}

/// Returns the effect of a reply to a command.
pub(super) fn effect_of_reply(command: &Command, reply: &Reply) -> Effect {
    let argument = command.argument.as_deref().unwrap_or_default();
    let done = (200..300).contains(&reply.code);
    match command.verb.as_str() {
        "TYPE" if done => match argument
            .bytes()
            .next()
            .map(|byte| byte.to_ascii_uppercase())
        {
            Some(b'A') => Effect::DataType("ASCII"),
            Some(b'I') => Effect::DataType("image"),
            Some(b'E') => Effect::DataType("EBCDIC"),
            Some(b'L') => Effect::DataType("local"),
            Some(_) => Effect::DataType("unknown type"),
            None => Effect::None,
        },
        "PORT" | "EPRT" | "LPRT" if done => Effect::Mode("active"),
        "PASV" | "EPSV" | "LPSV" if done => Effect::Mode("passive"),
        // 334 only asks for more security data (RFC 2228 section 5.1).
        "AUTH" if reply.code == 234 => Effect::Encrypted(true),
        "CCC" if done => Effect::Encrypted(false),
        _ => Effect::None,
    }
}

/// Limit of the open data connections named: every row that changes the state copies the list.
const MAX_NAMED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_connections_beyond_the_limit_are_counted_instead_of_named() {
        let mut tracker = StateTracker::new(false);
        let name = |number: usize| format!("20 ↔ {number}");
        for number in 0..MAX_NAMED + 2 {
            tracker.apply(&Effect::Open(name(number)), Levels::FINE, false);
        }
        let open = |tracker: &StateTracker| tracker.at(Levels::FINE).open.clone();
        assert_eq!(open(&tracker).len(), MAX_NAMED + 1);
        assert_eq!(open(&tracker).last().map(String::as_str), Some("2 more"));
        for number in 0..MAX_NAMED {
            tracker.apply(&Effect::Closed(name(number)), Levels::FINE, false);
        }
        assert_eq!(open(&tracker), ["2 more"]);
        for number in MAX_NAMED..MAX_NAMED + 2 {
            tracker.apply(&Effect::Closed(name(number)), Levels::FINE, false);
        }
        assert!(open(&tracker).is_empty());
    }
}
