//! What a line that was not captured leaves uncertain, and what the lines around it tell all the same.
//!
//! | lost | consequence |
//! | --- | --- |
//! | the reply to CWD or CDUP | the working directory is unknown, until PWD or an absolute name tells it |
//! | the reply to TYPE, MODE, STRU or REST | taken as accepted: it hardly ever is not, and the client went on as if it was |
//! | the reply to PASS | the login succeeded if what needs one succeeds afterwards |
//! | a command | its reply tells: 257 of a PWD, the directory in a 250, the type in a 200; a 250 that tells nothing may be that of a CWD |
//! | a command and its reply | the working directory is unknown, if a CWD has room in the hole |
//!
//! Where the type is not certain, in a capture that begins in the middle too, the 150 of a file may name it.

use crate::model::FrameRef;
use crate::model::record::DataType;
use crate::protocol::ftp::{ParsedReply, Verb, path, size_reply};
use crate::session::dialogue::lost_commands::LostCommands;
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;

impl Session {
    /// The reply to a command will not come any more.
    pub(crate) fn reply_is_lost(&mut self, sequence: u64, verb: Verb) {
        let argument = self
            .steps
            .get(sequence)
            .and_then(|command| command.argument.clone())
            .unwrap_or_default();
        match verb {
            Verb::Cwd | Verb::Cdup => self.directory = None,
            Verb::Type | Verb::Mode | Verb::Stru => self.represent(verb, &argument),
            Verb::Rest => self.restart = size_reply(&argument).unwrap_or(0),
            _ => {}
        }
    }

    /// Bytes that the client sent are missing.
    pub(crate) fn commands_are_lost(&mut self, after: FrameRef, length: u64) {
        let before = self.lost_commands.take();
        let (first, before) = before.map_or((after, 0), |before| (before.after, before.length));
        self.lost_commands = Some(Box::new(LostCommands {
            after: first,
            length: before.saturating_add(length),
        }));
    }

    /// The first command after a hole: what came from the server meanwhile answered what was lost.
    pub(crate) fn judge_lost_commands(&mut self, next: FrameRef) {
        let Some(lost) = self.lost_commands.take() else {
            return;
        };
        let replies = self
            .dialogue
            .unclaimed_between(lost.after.number, next.number);
        let replies_too = self
            .lost_replies
            .is_some_and(|after| after.number >= lost.after.number);
        if replies.is_empty() || replies_too {
            if lost.length >= SHORTEST_CWD {
                self.directory = None;
            }
            self.type_certain &= lost.length < SHORTEST_TYPE;
        }
        for reply in replies {
            self.judge_reply_of_lost_command(&reply);
        }
    }

    fn judge_reply_of_lost_command(&mut self, reply: &ParsedReply) {
        let text = reply.lines.join(&b' ').to_ascii_lowercase();
        let says = |words: &[&[u8]]| {
            words
                .iter()
                .any(|word| text.windows(word.len()).any(|part| part == *word))
        };
        match reply.code {
            257 if says(&[b"current", b"working"]) => {
                let told = reply.lines.iter().find_map(|line| path::quoted_path(line));
                self.directory = told.or(self.directory.take());
            }
            200 | 250 if crate::session::server_state::effects::told_directory(reply).is_some() => {
                self.directory = crate::session::server_state::effects::told_directory(reply);
            }
            250 if !says(&[b"dele", b"remove", b"rename", b"transfer", b"closing"]) => {
                self.directory = None;
            }
            200 if says(&[b"dir", b"cdup", b"cwd"]) => self.directory = None,
            200 if says(&[b"type", b"mode"]) => match told_type(&text) {
                Some(told) => {
                    self.representation.data_type = told;
                    self.type_certain = true;
                }
                None => self.type_certain = false,
            },
            _ => {}
        }
    }

    /// A 150 or 125 names the type of a file where it is not known for certain. Of listings servers say ASCII whatever the type.
    pub(crate) fn type_told(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        reply: &ParsedReply,
    ) {
        if self.type_certain {
            return;
        }
        let text = reply.lines.join(&b' ').to_ascii_lowercase();
        let Some(told) = told_mode(&text) else {
            return;
        };
        let Some(id) = self.transfer_of(sequence) else {
            return;
        };
        let is_file = self.transfers.get(id).is_some_and(|state| {
            matches!(
                state.verb,
                Verb::Retr | Verb::Stor | Verb::Stou | Verb::Appe
            )
        });
        if is_file {
            self.representation.data_type = told;
            self.type_certain = true;
            self.retype(shared, id, told);
        }
    }
}

/// `ASCII mode`, `BINARY mode`: what most servers say when they open a data connection.
fn told_mode(text: &[u8]) -> Option<DataType> {
    let says = |words: &[u8]| text.windows(words.len()).any(|part| part == words);
    if says(b"ascii mode") {
        Some(DataType::Ascii)
    } else if says(b"binary mode") || says(b"image mode") {
        Some(DataType::Image)
    } else {
        None
    }
}

/// The type in a reply to TYPE: `Type set to I.`, `Switching to ASCII mode.`, `TYPE is now 8-bit binary`.
fn told_type(text: &[u8]) -> Option<DataType> {
    let says = |words: &[u8]| text.windows(words.len()).any(|part| part == words);
    let letter = |letter: u8| {
        text.split(|byte| !byte.is_ascii_alphanumeric())
            .skip(1)
            .any(|word| word == [letter])
    };
    if says(b"ascii") {
        Some(DataType::Ascii)
    } else if says(b"binary") || says(b"image") || letter(b'i') {
        Some(DataType::Image)
    } else if letter(b'a') {
        Some(DataType::Ascii)
    } else {
        None
    }
}

/// `CDUP` with its line end; CWD needs a byte more.
const SHORTEST_CWD: u64 = 6;
/// `TYPE I` with its line end.
const SHORTEST_TYPE: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_name_the_type_in_many_ways() {
        for (text, told) in [
            ("type set to i.", Some(DataType::Image)),
            ("type set to a", Some(DataType::Ascii)),
            ("type set to: binary.", Some(DataType::Image)),
            ("switching to ascii mode.", Some(DataType::Ascii)),
            ("type is now 8-bit binary", Some(DataType::Image)),
            ("type i ok.", Some(DataType::Image)),
            ("mode s ok.", None),
        ] {
            assert_eq!(told_type(text.as_bytes()), told, "{text}");
        }
    }

    #[test]
    fn only_the_mode_of_a_data_connection_is_a_type() {
        assert_eq!(
            told_mode(b"opening binary mode data connection for binary mode.txt"),
            Some(DataType::Image)
        );
        assert_eq!(told_mode(b"opening data connection for ascii.txt"), None);
    }
}
