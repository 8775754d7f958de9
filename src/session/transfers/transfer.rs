//! Negotiations and transfers of one session: from the command to the moment nothing can change any more.

use std::collections::VecDeque;

use crate::diagnosis::Announcement;
use crate::model::record::{DataType, Mode, TransferDirection};
use crate::model::{Endpoint, Timestamp, WarningCode};
use crate::protocol::ftp::representation::Coding;
use crate::protocol::ftp::{Verb, path};
use crate::session::data::data_channel::{DataId, Purpose};
use crate::session::ftp_session::Session;
use crate::session::negotiation::expectation::{Expectation, NegotiationId};
use crate::session::server_state::representation::Representation;
use crate::session::shared::Shared;
use crate::session::transfers::transfer_state::{Negotiation, TransferState, direction_of};

impl Session {
    /// Registers an announced end point. It is in force once the command was answered, or the reply came.
    pub(crate) fn announce(
        &mut self,
        shared: &mut Shared<'_>,
        mode: Mode,
        announced: Endpoint,
        peer_port: Option<u16>,
    ) -> u64 {
        self.negotiation_count += 1;
        let number = self.negotiation_count;
        let id = NegotiationId {
            session: self.id,
            number,
        };
        let (host, peer) = if mode.client_listens() {
            (self.client, self.server)
        } else {
            (self.server, self.client)
        };
        let control_listener = host.with_port(announced.port);
        let listens = mode.client_listens();
        let mut expectation = Expectation::new(id, announced, control_listener, peer, listens);
        expectation.peer_port = peer_port;
        if !shared.expectations.add(expectation) {
            shared.warn(
                WarningCode::LimitReached,
                "too many announced data connections wait at once; some were not followed",
            );
        }
        if mode != Mode::DefaultPort {
            shared.several.announced(Announcement {
                session: self.id,
                client: self.client,
                server: self.server,
                passive: !mode.client_listens(),
                end: announced,
                frame: shared.now.number,
            });
        }
        shared.early.wanted = true;
        self.negotiate(shared, number, mode, Some(announced));
        number
    }

    /// A passive end point was asked for, and the reply that names it was not captured: what the client opens next is it.
    pub(crate) fn expect_unknown(
        &mut self,
        shared: &mut Shared<'_>,
        mode: Mode,
        since: Timestamp,
    ) -> u64 {
        self.negotiation_count += 1;
        let number = self.negotiation_count;
        shared.early.wanted = true;
        self.negotiate(shared, number, mode, None);
        if let Some(negotiation) = self.negotiations.get_mut(number) {
            negotiation.since = since;
        }
        number
    }

    /// The negotiation in force, and its time, if nobody knows its end point and no connection was found for it.
    pub(crate) fn unknown_end(&self, shared: &Shared<'_>) -> Option<(u64, Timestamp)> {
        let number = self.negotiation?;
        let negotiation = self.negotiations.get(number)?;
        let over = negotiation
            .transfer
            .is_some_and(|transfer| !self.transfers.contains(transfer));
        let found = negotiation
            .data
            .iter()
            .any(|data| shared.data.get(data).is_some_and(|one| one.was_open()));
        let open = negotiation.announced.is_none() && !over && !found;
        open.then_some((number, negotiation.since))
    }

    fn negotiate(
        &mut self,
        shared: &mut Shared<'_>,
        number: u64,
        mode: Mode,
        announced: Option<Endpoint>,
    ) {
        self.negotiations.insert(
            number,
            Box::new(Negotiation {
                mode,
                announced,
                since: shared.now.time,
                data: Vec::new(),
                next: VecDeque::new(),
                transfer: None,
            }),
        );
        // An old one that never was used is not looked for any more.
        while self.negotiations.len() > NEGOTIATIONS {
            let Some(oldest) = self.negotiations.numbers().next() else {
                break;
            };
            self.retire(shared, oldest);
            self.negotiations.remove(oldest);
        }
    }

    /// From now on the next transfer uses this one; the one before it is superseded.
    pub(crate) fn put_in_force(&mut self, shared: &mut Shared<'_>, number: u64) {
        if let Some(before) = self.negotiation.replace(number)
            && before != number
        {
            self.retire(shared, before);
        }
    }

    /// Nobody listens there any more.
    pub(crate) fn retire(&mut self, shared: &mut Shared<'_>, number: u64) {
        let announced = self
            .negotiations
            .get(number)
            .and_then(|negotiation| negotiation.announced);
        if let Some(announced) = announced {
            let id = NegotiationId {
                session: self.id,
                number,
            };
            shared.expectations.retire(announced.port, id, shared.clock);
        }
    }

    /// A transfer command was read.
    pub(crate) fn begin_transfer(
        &mut self,
        verb: Verb,
        verb_text: &str,
        sequence: u64,
        argument: Option<&[u8]>,
    ) -> u64 {
        self.transfer_count += 1;
        let id = self.transfer_count;
        self.transfer_ids.insert(sequence, id);
        self.transfers.insert(
            id,
            Box::new(TransferState {
                verb,
                verb_text: verb_text.to_owned(),
                sequence,
                argument: argument.map(<[u8]>::to_vec),
                path: None,
                chosen_name: None,
                representation: self.representation,
                restart: 0,
                negotiation: None,
                mode: Mode::DefaultPort,
                announced: None,
                size: None,
                listed: None,
                allocated: None,
                kilobytes: None,
                moved: None,
                answer: None,
                abor: None,
            }),
        );
        id
    }

    /// The transfer that this command began, while it is not settled.
    pub(crate) fn transfer_of(&self, sequence: u64) -> Option<u64> {
        self.transfer_ids.get(sequence).copied()
    }

    /// It is the transfer's turn: all commands before it were answered. What is in force now holds for it.
    pub(crate) fn activate_transfer(&mut self, shared: &mut Shared<'_>, sequence: u64) {
        let Some(id) = self.transfer_of(sequence) else {
            return;
        };
        let Some(state) = self.transfers.get(id) else {
            return;
        };
        let verb = state.verb;
        let argument = state.argument.clone();
        let path = self.path_of(verb, argument.as_deref());
        let name = path.as_ref().or(argument.as_ref());
        let size = name.and_then(|name| self.known_sizes.size_of(name).cloned());
        let listed = name.and_then(|name| self.known_sizes.listed_size_of(name).cloned());
        let allocated = match direction_of(verb) {
            TransferDirection::Upload => self.allocated.take(),
            _ => None,
        };
        let restart = std::mem::take(&mut self.restart);
        let number = self.negotiation_for(shared, id);
        let representation = self.representation;
        let Some(negotiation) = self.negotiations.get_mut(number) else {
            return;
        };
        negotiation.transfer = Some(id);
        let (mode, data) = (negotiation.mode, negotiation.data.clone());
        if let Some(state) = self.transfers.get_mut(id) {
            state.path = path;
            state.size = size;
            state.listed = listed.filter(|_| verb == Verb::Retr);
            state.allocated = allocated;
            state.restart = restart;
            state.representation = representation;
            state.negotiation = Some(number);
            state.mode = mode;
        }
        for data in data {
            claim(shared, data, verb, representation);
        }
    }

    /// A data connection of this session was found.
    pub(crate) fn data_opened(&mut self, shared: &mut Shared<'_>, number: u64, data: DataId) {
        let Some(negotiation) = self.negotiations.get_mut(number) else {
            return;
        };
        negotiation.data.push(data);
        if let Some(channel) = shared.data.get_mut(&data) {
            channel.carries(self.representation.transfer_mode);
        }
        if let Some(state) = negotiation.transfer.and_then(|id| self.transfers.get(id)) {
            let (verb, representation) = (state.verb, state.representation);
            claim(shared, data, verb, representation);
        }
    }

    /// The type of a transfer that has begun is another than was thought.
    pub(crate) fn retype(&mut self, shared: &mut Shared<'_>, id: u64, data_type: DataType) {
        let Some(state) = self.transfers.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut state.representation.data_type, data_type) == data_type {
            return;
        }
        let (verb, representation) = (state.verb, state.representation);
        let data = state
            .negotiation
            .and_then(|number| self.negotiations.get(number))
            .map_or_else(Vec::new, |negotiation| negotiation.data.clone());
        for data in data {
            if let Some(channel) = shared.data.get_mut(&data) {
                channel.forget_decoding();
            }
            claim(shared, data, verb, representation);
        }
    }

    /// Mode of a negotiation.
    pub(crate) fn negotiated_mode(&self, number: u64) -> Option<Mode> {
        self.negotiations
            .get(number)
            .map(|negotiation| negotiation.mode)
    }

    /// Absolute path of what a command names.
    pub(crate) fn path_of(&self, verb: Verb, argument: Option<&[u8]>) -> Option<Vec<u8>> {
        let directory = self.directory.as_deref();
        match direction_of(verb) {
            // STOU's argument is a hint at most; the reply names the file (RFC 1123 section 4.1.2.9).
            _ if verb == Verb::Stou => None,
            TransferDirection::Listing => {
                match path::listing_argument(argument.unwrap_or_default()) {
                    b"" => directory.map(<[u8]>::to_vec),
                    name => path::resolve(directory, name),
                }
            }
            _ => path::resolve(directory, argument?),
        }
    }

    /// The negotiation a transfer uses: the one in force; the same again where it was used already, for PORT stays in force
    /// and a refused transfer leaves its listener; else the default data port (RFC 959 section 3.2).
    fn negotiation_for(&mut self, shared: &mut Shared<'_>, id: u64) -> u64 {
        let Some(number) = self.negotiation else {
            let port = self.server.port.wrapping_sub(1);
            let number = self.announce(shared, Mode::DefaultPort, self.client, Some(port));
            self.negotiation = Some(number);
            return number;
        };
        let Some(known) = self.negotiations.get(number) else {
            return number;
        };
        let Some(earlier) = known.transfer.filter(|&earlier| earlier != id) else {
            return number;
        };
        let refused = known.data.is_empty() && self.refused_transfers.contains(&earlier);
        if refused {
            self.take_next(shared, number, number);
            return number;
        }
        let (mode, announced, since) = (known.mode, known.announced, known.since);
        self.end_unmarked(shared, number);
        if self.awaits_end(shared, Some(number)) {
            // It stays open for this one.
            self.try_settle(shared, earlier, true);
        }
        let again = match announced {
            Some(announced) => {
                let default = mode == Mode::DefaultPort;
                let peer_port = default.then(|| self.server.port.wrapping_sub(1));
                self.announce(shared, mode, announced, peer_port)
            }
            None => self.expect_unknown(shared, mode, since),
        };
        self.put_in_force(shared, again);
        self.take_next(shared, number, again);
        again
    }
}

fn claim(shared: &mut Shared<'_>, data: DataId, verb: Verb, representation: Representation) {
    let text_lines = shared.options.text_lines;
    let Some((channel, sink)) = shared.channel(data) else {
        return;
    };
    let direction = direction_of(verb);
    let purpose = match direction {
        TransferDirection::Listing => Purpose::Listing,
        TransferDirection::Download => Purpose::File(channel.client_way.reverse()),
        TransferDirection::Upload => Purpose::File(channel.client_way),
    };
    let coding = Coding {
        mode: representation.transfer_mode,
        structure: representation.structure,
        data_type: representation.data_type,
        text_lines: text_lines && direction != TransferDirection::Listing,
    };
    channel.claim(purpose, coding, sink);
}

/// Negotiations kept of one session.
const NEGOTIATIONS: usize = 4096;
