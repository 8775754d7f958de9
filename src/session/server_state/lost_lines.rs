//! Lines that were not captured: what they leave uncertain, and what the lines around them show all the same.
//!
//! | lost | consequence |
//! | --- | --- |
//! | the reply to CWD or CDUP | the working directory is unknown, until PWD or an absolute path states it |
//! | the reply to TYPE, MODE, STRU or REST | taken as accepted: it hardly ever is not, and the client went on as if it was |
//! | the reply to PASS | the login succeeded if a command that needs one succeeds afterwards |
//! | a command | its reply shows it: 257 of a PWD, the directory in a 250, the type in a 200; any other 250 may be that of a CWD |
//! | a command and its reply | the working directory is unknown if the gap has room for a CWD |
//!
//! Where the type is not certain, in a capture that begins in the middle too, the 150 of a file may name it.

use super::ServerState;
use super::effects::stated_directory;
use crate::model::record::DataType;
use crate::protocol::ftp::{ParsedReply, path};
use crate::session::dialogue::outcome::LostCommands;

impl ServerState {
    /// Applies what a gap in the client's stream leaves uncertain.
    pub(crate) fn on_commands_lost(&mut self, lost: &LostCommands) {
        if lost.replies.is_empty() || lost.replies_lost {
            if lost.bytes >= SHORTEST_CWD {
                self.enter(None);
            }
            self.type_certain &= lost.bytes < SHORTEST_TYPE;
        }
        for reply in &lost.replies {
            self.on_reply_to_lost_command(reply);
        }
    }

    fn on_reply_to_lost_command(&mut self, reply: &ParsedReply) {
        let text = reply.lines.join(&b' ').to_ascii_lowercase();
        let names = |words: &[&[u8]]| words.iter().any(|word| contains(&text, word));
        match reply.code {
            257 if names(&[b"current", b"working"]) => {
                let stated = reply.lines.iter().find_map(|line| path::quoted_path(line));
                self.directory = stated.or(self.directory.take());
            }
            200 | 250 if stated_directory(reply).is_some() => {
                self.directory = stated_directory(reply);
            }
            250 if !names(&[b"dele", b"remove", b"rename", b"transfer", b"closing"]) => {
                self.enter(None);
            }
            200 if names(&[b"dir", b"cdup", b"cwd"]) => self.enter(None),
            200 if names(&[b"type", b"mode"]) => match stated_type(&text) {
                Some(stated) => {
                    self.representation.data_type = Some(stated);
                    self.type_certain = true;
                }
                None => self.type_certain = false,
            },
            _ => {}
        }
    }
}

/// Parses the type in a reply to TYPE, in lower case: `type set to i.`, `switching to ascii mode.`, `type is now 8-bit binary`.
fn stated_type(text: &[u8]) -> Option<DataType> {
    let letter = |letter: u8| {
        text.split(|byte| !byte.is_ascii_alphanumeric())
            .skip(1)
            .any(|word| word == [letter])
    };
    if contains(text, b"ascii") {
        Some(DataType::Ascii)
    } else if contains(text, b"binary") || contains(text, b"image") || letter(b'i') {
        Some(DataType::Image)
    } else if letter(b'a') {
        Some(DataType::Ascii)
    } else {
        None
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

/// Bytes of `CDUP` with its line end; CWD needs one more.
const SHORTEST_CWD: u64 = 6;
/// Bytes of `TYPE I` with its line end.
const SHORTEST_TYPE: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_name_the_type_in_many_ways() {
        for (text, stated) in [
            ("type set to i.", Some(DataType::Image)),
            ("type set to a", Some(DataType::Ascii)),
            ("type set to: binary.", Some(DataType::Image)),
            ("switching to ascii mode.", Some(DataType::Ascii)),
            ("type is now 8-bit binary", Some(DataType::Image)),
            ("type i ok.", Some(DataType::Image)),
            ("mode s ok.", None),
        ] {
            assert_eq!(stated_type(text.as_bytes()), stated, "{text}");
        }
    }

    #[test]
    fn gap_too_short_for_a_command_changes_nothing() {
        let mut state = ServerState::new(true);
        state.directory = Some(b"/pub".to_vec());
        let gap = |bytes| LostCommands {
            bytes,
            replies: Vec::new(),
            replies_lost: false,
        };
        state.on_commands_lost(&gap(5));
        assert_eq!(state.directory(), Some(&b"/pub"[..]));
        state.on_commands_lost(&gap(6));
        assert_eq!((state.directory(), state.type_certain), (None, true));
        state.on_commands_lost(&gap(8));
        assert!(!state.type_certain);
    }
}
