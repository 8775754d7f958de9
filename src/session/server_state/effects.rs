//! What a reply changes: the login, the working directory, the representation, the data connection, the transfer.

use crate::model::record::{DataType, Mode, Structure, TransferMode};
use crate::model::{Endpoint, FrameRef};
use crate::protocol::ftp::{
    ParsedReply, Verb, announced_size, extended_passive_reply, kilobytes_to_download, long_address,
    passive_reply, path, size_reply, transferred_size,
};
use crate::session::encrypted::encryption::is_tls_mechanism;
use crate::session::ftp_session::Session;
use crate::session::server_state::known_sizes::KnownSizes;
use crate::session::server_state::representation::Representation;
use crate::session::shared::Shared;
use crate::session::transfers::file_evidence::allocated_size;
use crate::session::transfers::settle::first_line;

impl Session {
    /// A 1yz: what it says of the transfer it begins.
    pub(crate) fn preliminary(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        reply: &ParsedReply,
    ) {
        if !matches!(reply.code, 125 | 150) {
            return;
        }
        self.type_told(shared, sequence, reply);
        let Some(state) = self
            .transfer_of(sequence)
            .and_then(|id| self.transfers.get_mut(id))
        else {
            return;
        };
        state.announced = state.announced.or_else(|| {
            reply
                .lines
                .iter()
                .rev()
                .find_map(|line| announced_size(line))
        });
        state.kilobytes = state.kilobytes.or_else(|| {
            reply
                .lines
                .iter()
                .find_map(|line| kilobytes_to_download(line))
        });
        if state.verb == Verb::Stou
            && let Some(name) = reply.lines.iter().find_map(|line| stored_name(line))
        {
            state.path = path::resolve(self.directory.as_deref(), &name);
            state.chosen_name = Some(name);
        }
    }

    /// A final reply: what is so from here on.
    pub(crate) fn finally(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        verb: Verb,
        reply: &ParsedReply,
        arrived: FrameRef,
    ) {
        let code = reply.code;
        let accepted = (200..300).contains(&code);
        let argument = self
            .steps
            .get(sequence)
            .and_then(|command| command.argument.clone());
        match verb {
            Verb::User | Verb::Pass | Verb::Acct => self.login_reply(verb, code),
            Verb::Cwd if accepted => {
                self.change_directory(argument.as_deref().unwrap_or_default(), reply);
            }
            Verb::Cdup if accepted => {
                self.directory =
                    told_directory(reply).or_else(|| self.directory.as_deref().map(path::parent));
            }
            Verb::Pwd if code == 257 => {
                if let Some(directory) = reply.lines.iter().find_map(|line| path::quoted_path(line))
                {
                    self.directory = Some(directory);
                }
            }
            Verb::Type | Verb::Mode | Verb::Stru if accepted => {
                self.represent(verb, argument.as_deref().unwrap_or_default());
            }
            Verb::Rest if code == 350 => {
                self.restart = argument.as_deref().and_then(size_reply).unwrap_or(0);
            }
            Verb::Rest => self.restart = 0,
            Verb::Size if code == 213 => self.size_answered(shared, argument, reply, arrived),
            Verb::Feat if accepted => {
                shared.digests.crc32 |= reply
                    .lines
                    .iter()
                    .any(|line| line.trim_ascii().starts_with(b"XCRC"));
            }
            Verb::Allo if accepted => {
                self.allocated = argument.as_deref().and_then(allocated_size);
            }
            Verb::Dele if accepted => {
                self.forget_file(argument.as_deref());
            }
            Verb::Rnto if accepted => {
                let from = self.renaming.take();
                self.forget_file(from.as_deref());
                self.forget_file(argument.as_deref());
            }
            Verb::Rnfr => {
                self.renaming = argument.filter(|_| code == 350);
            }
            Verb::Stat if accepted && argument.as_ref().is_some_and(|name| !name.is_empty()) => {
                let name = argument.unwrap_or_default();
                self.status_told(shared, sequence, &name, reply, arrived);
            }
            Verb::Mlst if accepted => self.facts_told(sequence, reply),
            Verb::Other if accepted => {
                self.digest_told(shared, sequence, argument.as_deref(), reply, arrived);
            }
            Verb::Rein if accepted => self.start_over(),
            Verb::Port | Verb::Eprt | Verb::Lprt => {
                self.end_point_answered(shared, sequence, accepted);
            }
            // 234 by RFC 4217 section 4; some say 200, or 334 as for other mechanisms.
            Verb::Auth if code < 400 && argument.as_deref().is_some_and(is_tls_mechanism) => {
                self.tls_accepted();
            }
            Verb::Prot if accepted => {
                self.encryption
                    .protect(argument.as_deref().unwrap_or_default());
            }
            _ => {}
        }
        // By the reply's code, not by the command: some answer EPSV with 227, and translators PASV with 229.
        // CPSV and its kind are no commands of an RFC.
        if let Some((mode, announced)) = self.passive_end_point(reply)
            && matches!(
                verb,
                Verb::Pasv | Verb::Epsv | Verb::Lpsv | Verb::Other | Verb::Unknown
            )
        {
            let number = match self.dialogue.announced.take() {
                Some(number) => number,
                None => self.announce(shared, mode, announced, None),
            };
            self.put_in_force(shared, number);
        }
        if verb.is_transfer() {
            self.transfer_reply(shared, sequence, reply, arrived);
        }
    }

    /// The server takes the address of PORT and its kin, or does not.
    fn end_point_answered(&mut self, shared: &mut Shared<'_>, sequence: u64, accepted: bool) {
        if let Some(number) = self.announcement(sequence) {
            if accepted {
                self.put_in_force(shared, number);
            } else {
                self.retire(shared, number);
            }
        }
    }

    /// TLS begins with the next byte of the client.
    fn tls_accepted(&mut self) {
        if self.pending.is_empty() {
            self.encryption.accept();
        } else {
            // Clear commands came already: whoever sent them is about to encrypt nothing.
            self.steps.handshake(None);
        }
    }

    /// What SIZE tells.
    fn size_answered(
        &mut self,
        shared: &mut Shared<'_>,
        argument: Option<Vec<u8>>,
        reply: &ParsedReply,
        arrived: FrameRef,
    ) {
        let size = reply.lines.first().and_then(|line| size_reply(line));
        if let (Some(name), Some(size)) = (argument, size) {
            let name = path::resolve(self.directory.as_deref(), &name).unwrap_or(name);
            self.size_told(shared, name, size, arrived);
        }
    }

    /// The working directory is that of the step from here on.
    pub(crate) fn note_directory(&mut self, sequence: u64) {
        let directory = self
            .directory
            .as_deref()
            .map(|bytes| self.secrets.text(bytes));
        self.steps.set_directory(sequence, directory);
    }

    fn login_reply(&mut self, verb: Verb, code: u16) {
        if let Some(refused) = self.logins.refused_password(verb, code) {
            self.secrets.add(&refused);
        }
        let changed = self.logins.is_other_user();
        if self.logins.reply(verb, code) && changed {
            self.directory = None;
            self.representation = Representation::default();
            self.restart = 0;
        }
    }

    fn change_directory(&mut self, argument: &[u8], reply: &ParsedReply) {
        self.directory =
            told_directory(reply).or_else(|| path::resolve(self.directory.as_deref(), argument));
    }

    pub(crate) fn represent(&mut self, verb: Verb, argument: &[u8]) {
        self.type_certain |= verb == Verb::Type;
        let letter = argument.trim_ascii().first().map(u8::to_ascii_uppercase);
        match (verb, letter) {
            (Verb::Type, Some(b'A')) => self.representation.data_type = DataType::Ascii,
            (Verb::Type, Some(b'I')) => self.representation.data_type = DataType::Image,
            (Verb::Type, Some(b'E')) => self.representation.data_type = DataType::Ebcdic,
            (Verb::Type, Some(b'L')) => {
                self.representation.data_type = DataType::Local;
                let size = argument.trim_ascii().get(1..).map(<[u8]>::trim_ascii);
                self.representation.octets = size == Some(b"8");
            }
            (Verb::Mode, Some(b'S')) => self.representation.transfer_mode = TransferMode::Stream,
            (Verb::Mode, Some(b'B')) => self.representation.transfer_mode = TransferMode::Block,
            (Verb::Mode, Some(b'C')) => {
                self.representation.transfer_mode = TransferMode::Compressed;
            }
            (Verb::Stru, Some(b'F')) => self.representation.structure = Structure::File,
            (Verb::Stru, Some(b'R')) => self.representation.structure = Structure::Record,
            (Verb::Stru, Some(b'P')) => self.representation.structure = Structure::Page,
            (Verb::Mode, Some(b'Z')) => self.representation.transfer_mode = TransferMode::Deflate,
            _ => {}
        }
    }

    /// REIN: everything but a running transfer is as at the start (RFC 959 section 4.1.1).
    fn start_over(&mut self) {
        self.logins.forget_current();
        self.directory = None;
        self.representation = Representation::default();
        self.type_certain = true;
        self.restart = 0;
        self.negotiation = None;
        self.known_sizes = KnownSizes::default();
        self.allocated = None;
    }

    /// The end point that a reply announces.
    pub(crate) fn passive_end_point(&self, reply: &ParsedReply) -> Option<(Mode, Endpoint)> {
        let mut lines = reply.lines.iter().rev();
        match reply.code {
            227 => Some((Mode::Passive, lines.find_map(|line| passive_reply(line))?)),
            228 => Some((
                Mode::LongPassive,
                lines.find_map(|line| long_address(line))?,
            )),
            229 => {
                let found = lines.find_map(|line| extended_passive_reply(line))?;
                // The address is that of the control connection (RFC 2428 section 3), unless the reply has one.
                let own = self.server.with_port(found.port);
                let end = found
                    .address
                    .map_or(own, |address| Endpoint::new(address, found.port));
                Some((Mode::ExtendedPassive, end))
            }
            _ => None,
        }
    }

    fn transfer_reply(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        reply: &ParsedReply,
        arrived: FrameRef,
    ) {
        let Some(id) = self.transfer_of(sequence) else {
            return;
        };
        let Some(state) = self.transfers.get_mut(id) else {
            return;
        };
        let last = reply
            .lines
            .iter()
            .rev()
            .find(|line| !line.is_empty())
            .cloned()
            .unwrap_or_default();
        state.answer = Some((reply.code, first_line(&[last]), arrived));
        state.moved = reply.lines.iter().find_map(|line| transferred_size(line));
        if state.verb == Verb::Stou
            && state.chosen_name.is_none()
            && let Some(name) = reply.lines.iter().find_map(|line| stored_name(line))
        {
            state.path = path::resolve(self.directory.as_deref(), &name);
            state.chosen_name = Some(name);
        }
        self.try_settle(shared, id, false);
        if self.transfers.contains(id) {
            shared.wait_for_data(self.id, id);
        }
    }
}

/// The directory that a reply to CWD or CDUP tells: quoted (RFC 959 appendix II), or after `directory is`.
pub(crate) fn told_directory(reply: &ParsedReply) -> Option<Vec<u8>> {
    let line = reply.lines.last()?;
    if line.contains(&b'"') {
        return path::quoted_path(line).filter(|path| path.first() == Some(&b'/'));
    }
    let lower = line.to_ascii_lowercase();
    let marker = b"current directory is ";
    let at = lower
        .windows(marker.len())
        .position(|window| window == marker)?
        + marker.len();
    let rest = &line[at..];
    (rest.first() == Some(&b'/')).then(|| rest.trim_ascii_end().to_vec())
}

/// The name that the server chose for a STOU: `FILE: name` (RFC 1123 section 4.1.2.9) or `unique file name:name`.
fn stored_name(line: &[u8]) -> Option<Vec<u8>> {
    let lower = line.to_ascii_lowercase();
    let after = |marker: &[u8]| {
        lower
            .windows(marker.len())
            .position(|window| window == marker)
            .map(|at| at + marker.len())
    };
    if let Some(at) = after(b"file: ") {
        let name = &line[at..];
        let end = name
            .windows(2)
            .position(|pair| pair == b" (")
            .unwrap_or(name.len());
        let name = name[..end].trim_ascii();
        return (!name.is_empty()).then(|| name.to_vec());
    }
    let at = after(b"unique file name:")?;
    let name = line[at..].split(|&byte| byte == b')').next()?.trim_ascii();
    (!name.is_empty()).then(|| name.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(line: &str) -> ParsedReply {
        ParsedReply {
            code: 250,
            lines: vec![line.as_bytes().to_vec()],
            lines_omitted: 0,
            truncated: false,
            irregular: false,
        }
    }

    #[test]
    fn a_reply_may_tell_the_directory() {
        assert_eq!(
            told_directory(&reply("OK. Current directory is /pub")).as_deref(),
            Some(&b"/pub"[..])
        );
        assert_eq!(
            told_directory(&reply("\"/pub/a\" is current directory.")).as_deref(),
            Some(&b"/pub/a"[..])
        );
        assert_eq!(told_directory(&reply("CWD command successful.")), None);
    }

    #[test]
    fn stou_names_are_found_in_the_usual_places() {
        assert_eq!(
            stored_name(b"FILE: ftp.x1").as_deref(),
            Some(&b"ftp.x1"[..])
        );
        assert_eq!(
            stored_name(b"FILE: a b (Opening new data connection).").as_deref(),
            Some(&b"a b"[..])
        );
        assert_eq!(
            stored_name(b"Transfer complete (unique file name:up.1).").as_deref(),
            Some(&b"up.1"[..])
        );
        assert_eq!(stored_name(b"Ok to send data."), None);
    }
}
