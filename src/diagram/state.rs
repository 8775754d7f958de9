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
            Effect::Open(name) => state.open.push(name.clone()),
            Effect::Closed(name) => {
                if let Some(place) = state.open.iter().position(|open| open == name) {
                    state.open.remove(place);
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
