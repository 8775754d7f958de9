//! Effects of final replies: what a reply to a command changes, as a pure function.

use super::allocation;
use crate::model::Endpoint;
use crate::model::record::{DataType, Mode};
use crate::protocol::ftp::{
    ParsedReply, Verb, extended_passive_reply, first_text_line, is_tls_mechanism, long_address,
    passive_reply, path, size_reply,
};

/// Effect of a final reply to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing changes.
    None,
    /// A login goes on, succeeds or fails.
    Login,
    /// The working directory is the argument of CWD, or the one that the reply states.
    ChangeDirectory {
        /// Absolute path in the reply; `None` if it states none.
        stated: Option<Vec<u8>>,
    },
    /// The working directory is the parent, or the one that the reply states.
    ParentDirectory {
        /// Absolute path in the reply; `None` if it states none.
        stated: Option<Vec<u8>>,
    },
    /// The working directory is this one.
    WorkingDirectory(Vec<u8>),
    /// TYPE, STRU or MODE is what the argument says.
    Representation,
    /// The next transfer begins at this offset in bytes.
    Restart(u64),
    /// The file of the argument has this many bytes, in the representation in force.
    Size(u64),
    /// The server lists its features; `crc32` if XCRC is one of them.
    Features {
        /// XCRC is offered.
        crc32: bool,
    },
    /// Space was reserved for the next upload; `None` if the argument is no number.
    Allocation(Option<u64>),
    /// The file of the argument is gone.
    Deleted,
    /// A rename begins, or was refused.
    RenameFrom {
        /// The reply was 350.
        accepted: bool,
    },
    /// A rename is done.
    Renamed,
    /// The reply is a listing of the argument (RFC 959 section 4.1.3: STAT with a path).
    StatusListing,
    /// The reply holds the facts of one file (RFC 3659 section 7.2: MLST).
    Facts,
    /// The reply may state a digest of the file of the argument.
    Digest,
    /// Everything but a running transfer is as at the start (RFC 959 section 4.1.1: REIN).
    Reinitialized,
    /// The server accepts or refuses the end point of PORT, EPRT or LPRT.
    EndPoint {
        /// The reply was 2yz.
        accepted: bool,
    },
    /// TLS begins with the client's next byte.
    Tls,
    /// The protection of data connections is the argument of PROT.
    Protection,
}

/// Returns the effect of a final reply to `verb`.
pub(crate) fn effect(verb: Verb, argument: Option<&[u8]>, reply: &ParsedReply) -> Effect {
    let code = reply.code;
    let accepted = (200..300).contains(&code);
    match verb {
        Verb::User | Verb::Pass | Verb::Acct => Effect::Login,
        Verb::Cwd if accepted => Effect::ChangeDirectory {
            stated: stated_directory(reply),
        },
        Verb::Cdup if accepted => Effect::ParentDirectory {
            stated: stated_directory(reply),
        },
        Verb::Pwd if code == 257 => reply
            .lines
            .iter()
            .find_map(|line| path::quoted_path(line))
            .map_or(Effect::None, Effect::WorkingDirectory),
        Verb::Type | Verb::Mode | Verb::Stru if accepted => Effect::Representation,
        Verb::Rest if code == 350 => Effect::Restart(argument.and_then(size_reply).unwrap_or(0)),
        Verb::Rest => Effect::Restart(0),
        Verb::Size if code == 213 => reply
            .lines
            .first()
            .and_then(|line| size_reply(line))
            .map_or(Effect::None, Effect::Size),
        Verb::Feat if accepted => Effect::Features {
            crc32: reply
                .lines
                .iter()
                .any(|line| line.trim_ascii().starts_with(b"XCRC")),
        },
        Verb::Allo if accepted => Effect::Allocation(allocation(argument)),
        Verb::Dele if accepted => Effect::Deleted,
        Verb::Rnto if accepted => Effect::Renamed,
        Verb::Rnfr => Effect::RenameFrom {
            accepted: code == 350,
        },
        Verb::Stat if accepted && argument.is_some_and(|name| !name.is_empty()) => {
            Effect::StatusListing
        }
        Verb::Mlst if accepted => Effect::Facts,
        Verb::Other if accepted => Effect::Digest,
        Verb::Rein if accepted => Effect::Reinitialized,
        Verb::Port | Verb::Eprt | Verb::Lprt => Effect::EndPoint { accepted },
        // 234 by RFC 4217 section 4; some servers send 200, or 334 as for other mechanisms.
        Verb::Auth if code < 400 && argument.is_some_and(is_tls_mechanism) => Effect::Tls,
        Verb::Prot if accepted => Effect::Protection,
        _ => Effect::None,
    }
}

/// Parses the end point that a 227, 228 or 229 announces. A 229 without an address means that of the `server` (RFC 2428
/// section 3).
pub(crate) fn passive_end_point(reply: &ParsedReply, server: Endpoint) -> Option<(Mode, Endpoint)> {
    let mut lines = reply.lines.iter().rev();
    match reply.code {
        227 => Some((Mode::Passive, lines.find_map(|line| passive_reply(line))?)),
        228 => Some((
            Mode::LongPassive,
            lines.find_map(|line| long_address(line))?,
        )),
        229 => {
            let found = lines.find_map(|line| extended_passive_reply(line))?;
            let own = server.with_port(found.port);
            let end = found
                .address
                .map_or(own, |address| Endpoint::new(address, found.port));
            Some((Mode::ExtendedPassive, end))
        }
        _ => None,
    }
}

/// Parses the directory that a reply to CWD or CDUP states: quoted (RFC 959 appendix II), or after `directory is`. `None`
/// unless it is absolute.
pub(crate) fn stated_directory(reply: &ParsedReply) -> Option<Vec<u8>> {
    let line = reply.lines.last()?;
    if line.contains(&b'"') {
        return path::quoted_path(line).filter(|path| path.first() == Some(&b'/'));
    }
    let at = end_of(line, b"current directory is ")?;
    let rest = &line[at..];
    (rest.first() == Some(&b'/')).then(|| rest.trim_ascii_end().to_vec())
}

/// Parses the name that the server chose for a STOU: `FILE: name` (RFC 1123 section 4.1.2.9) or `unique file name:name`.
pub(crate) fn chosen_name(line: &[u8]) -> Option<Vec<u8>> {
    if let Some(at) = end_of(line, b"file: ") {
        let name = &line[at..];
        let end = name
            .windows(2)
            .position(|pair| pair == b" (")
            .unwrap_or(name.len());
        let name = name[..end].trim_ascii();
        return (!name.is_empty()).then(|| name.to_vec());
    }
    let at = end_of(line, b"unique file name:")?;
    let name = line[at..].split(|&byte| byte == b')').next()?.trim_ascii();
    (!name.is_empty()).then(|| name.to_vec())
}

/// Parses the data type that a 150 or 125 names: `ASCII mode`, `BINARY mode`, as most servers do.
pub(crate) fn opening_type(reply: &ParsedReply) -> Option<DataType> {
    opening_type_in(&reply.lines.join(&b' '))
}

/// Returns the last line of a reply that has text, as a sentence.
pub(crate) fn last_text_line(reply: &ParsedReply) -> String {
    let last = reply.lines.iter().rev().find(|line| !line.is_empty());
    first_text_line(last.map_or(&[], std::slice::from_ref))
}

fn opening_type_in(text: &[u8]) -> Option<DataType> {
    let names = |words: &[u8]| end_of(text, words).is_some();
    if names(b"ascii mode") {
        Some(DataType::Ascii)
    } else if names(b"binary mode") || names(b"image mode") {
        Some(DataType::Image)
    } else {
        None
    }
}

/// Returns the offset behind `marker`, which is in lower case, in `text` in any case; `None` if it is not in there.
fn end_of(text: &[u8], marker: &[u8]) -> Option<usize> {
    text.windows(marker.len())
        .position(|window| window.eq_ignore_ascii_case(marker))
        .map(|at| at + marker.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, line: &str) -> ParsedReply {
        ParsedReply {
            code,
            lines: vec![line.as_bytes().to_vec()],
            lines_omitted: 0,
            truncated: false,
            irregular: false,
        }
    }

    #[test]
    fn reply_to_cwd_may_state_the_directory() {
        let stated = |line| stated_directory(&reply(250, line));
        assert_eq!(
            stated("OK. Current directory is /pub").as_deref(),
            Some(&b"/pub"[..])
        );
        assert_eq!(
            stated("\"/pub/a\" is current directory.").as_deref(),
            Some(&b"/pub/a"[..])
        );
        assert_eq!(stated("CWD command successful."), None);
    }

    #[test]
    fn stou_names_are_parsed_from_the_usual_places() {
        assert_eq!(
            chosen_name(b"FILE: ftp.x1").as_deref(),
            Some(&b"ftp.x1"[..])
        );
        assert_eq!(
            chosen_name(b"FILE: a b (Opening new data connection).").as_deref(),
            Some(&b"a b"[..])
        );
        assert_eq!(
            chosen_name(b"Transfer complete (unique file name:up.1).").as_deref(),
            Some(&b"up.1"[..])
        );
        assert_eq!(chosen_name(b"Ok to send data."), None);
    }

    #[test]
    fn only_the_mode_of_a_data_connection_is_a_type() {
        assert_eq!(
            opening_type_in(b"Opening BINARY mode data connection for binary mode.txt"),
            Some(DataType::Image)
        );
        assert_eq!(
            opening_type_in(b"opening data connection for ascii.txt"),
            None
        );
    }

    #[test]
    fn refused_commands_have_no_effect_but_on_what_they_set_up() {
        for verb in [Verb::Cwd, Verb::Type, Verb::Dele, Verb::Rein, Verb::Auth] {
            assert_eq!(effect(verb, Some(b"TLS"), &reply(550, "no")), Effect::None);
        }
        assert_eq!(
            effect(Verb::Port, Some(b"1,2,3,4,5,6"), &reply(500, "no")),
            Effect::EndPoint { accepted: false }
        );
        assert_eq!(
            effect(Verb::Rest, Some(b"100"), &reply(501, "no")),
            Effect::Restart(0)
        );
    }
}
