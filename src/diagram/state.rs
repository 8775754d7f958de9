//! What is true at each row: it follows from the replies.

use std::sync::Arc;

use super::State;
use super::model::Levels;
use crate::model::record::{Command, Reply};

/// What a row changes.
#[derive(Clone, Debug, Default)]
pub(super) enum Effect {
    /// Nothing.
    #[default]
    None,
    /// Somebody is logged in.
    User(String),
    /// The working directory, or that it is not known.
    Directory(Option<String>),
    /// TYPE.
    DataType(&'static str),
    /// How data connections are made from here on.
    Mode(&'static str),
    /// AUTH was accepted.
    Encrypted(bool),
    /// A data connection begins.
    Open(String),
    /// A data connection is over, and this many bytes were moved over it.
    Closed(String),
    /// Bytes moved.
    Bytes(u64),
}

/// The state from row to row. Messages tell the bytes of a transfer at once, packets bit by bit: each has its own count.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    state: Arc<State>,
    message_bytes: u64,
    /// Data connections that are open and not named.
    unnamed: u64,
}

impl Tracker {
    pub(super) fn new() -> Self {
        let state = State {
            data_type: "ASCII".to_owned(),
            ..State::default()
        };
        Self {
            state: Arc::new(state),
            message_bytes: 0,
            unnamed: 0,
        }
    }

    /// The state of a row that is drawn at `levels`.
    pub(super) fn at(&self, levels: Levels) -> Arc<State> {
        if levels == Levels::MESSAGES && self.state.bytes != self.message_bytes {
            let mut state = State::clone(&self.state);
            state.bytes = self.message_bytes;
            return Arc::new(state);
        }
        Arc::clone(&self.state)
    }

    /// What a row at `levels` changes. With `packets` the packets tell the bytes, else the messages.
    pub(super) fn apply(&mut self, effect: &Effect, levels: Levels, packets: bool) {
        if let Effect::Bytes(bytes) = effect {
            if levels == Levels::MESSAGES {
                self.message_bytes = self.message_bytes.saturating_add(*bytes);
                if packets {
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
                if named < NAMED && self.unnamed == 0 {
                    state.open.push(name.clone());
                } else {
                    self.unnamed += 1;
                    state.open.truncate(named);
                    state.open.push(format!("{} more", self.unnamed));
                }
            }
            Effect::Closed(name) => {
                if let Some(place) = state.open.iter().position(|open| open == name) {
                    state.open.remove(place);
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

/// What the final reply to a command changes.
pub(super) fn of_reply(command: &Command, reply: &Reply) -> Effect {
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
            _ => Effect::None,
        },
        "PORT" | "EPRT" | "LPRT" if done => Effect::Mode("active"),
        "PASV" | "EPSV" | "LPSV" if done => Effect::Mode("passive"),
        "AUTH" if reply.code == 234 => Effect::Encrypted(true),
        "CCC" if done => Effect::Encrypted(false),
        _ => Effect::None,
    }
}

/// Open data connections that a state names: each row has its state.
const NAMED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_open_connections_are_counted_and_not_all_named() {
        let mut tracker = Tracker::new();
        let name = |number: usize| format!("20 ↔ {number}");
        for number in 0..NAMED + 2 {
            tracker.apply(&Effect::Open(name(number)), Levels::FINE, false);
        }
        let open = |tracker: &Tracker| tracker.at(Levels::FINE).open.clone();
        assert_eq!(open(&tracker).len(), NAMED + 1);
        assert_eq!(open(&tracker).last().map(String::as_str), Some("2 more"));
        for number in 0..NAMED {
            tracker.apply(&Effect::Closed(name(number)), Levels::FINE, false);
        }
        assert_eq!(open(&tracker), ["2 more"]);
        for number in NAMED..NAMED + 2 {
            tracker.apply(&Effect::Closed(name(number)), Levels::FINE, false);
        }
        assert!(open(&tracker).is_empty());
    }
}
