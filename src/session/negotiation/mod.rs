//! Negotiations of data connections: PORT, PASV, EPRT, EPSV, LPRT, LPSV, or nothing at all.
//!
//! In: commands and replies that announce an end point, and the data connections that were found. Out: which negotiation the
//! next transfer uses, and which connections belong to it.
//!
//! ```text
//! announce ──────> in force ──────> used by a transfer ──────> retired
//!    │  PORT at the command, PASV at the reply                    │  superseded, or its transfer is settled
//!    └─> expectation: an end point that new connections are compared with, and how well they fit (confidence)
//! ```
//!
//! A PORT is registered when the command is read, since the server may connect before its reply is captured; it is in force
//! once that reply accepts it. A negotiation stays in force after its transfer: PORT holds until the next one, and a refused
//! transfer leaves its listener. Without any, the server connects from its data port to the client's control port (RFC 959
//! section 3.2).
//!
//! An end point that cannot be read, or that nobody tries, need not stop the other side: it may know its peer, or mend what it
//! was given (RFC 1123 section 4.1.2.6). The first connection between the hosts then counts, by its time: from the client after a
//! passive reply, from the server after PORT and its kin.

pub(crate) mod confidence;
pub(crate) mod expectation;
pub(crate) mod shared_connection;

use std::collections::VecDeque;

use self::expectation::{Expectation, NegotiationId};
use super::by_number::ByNumber;
use super::data::data_channel::{DataChannel, DataId};
use super::shared::Shared;
use crate::diagnosis::Announcement;
use crate::model::record::Mode;
use crate::model::{Endpoint, Timestamp, WarningCode};
use crate::protocol::ftp::{Verb, extended_port_argument, long_address, port_argument};

/// Session and both ends of its control connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties {
    pub(crate) session: u64,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
}

/// The negotiations of one session.
#[derive(Debug, Default)]
pub(crate) struct Negotiations {
    known: ByNumber<Box<Negotiation>>,
    /// Negotiations so far; the number of the latest.
    count: u64,
    /// The one that the next transfer uses; `None` before the first, and after REIN.
    in_force: Option<u64>,
    /// Sequence numbers of PORT, EPRT and LPRT commands, with the negotiations they began.
    by_command: VecDeque<(u64, u64)>,
    /// Numbers of replies that announced an end point without a command, with the negotiations they began.
    by_reply: VecDeque<(u64, u64)>,
}

/// One negotiation.
#[derive(Clone, Debug)]
struct Negotiation {
    mode: Mode,
    /// Announced end point; `None` if the reply that states it was not captured.
    announced: Option<Endpoint>,
    /// Time of the command or reply.
    since: Timestamp,
    /// Connections found for it.
    data: Vec<DataId>,
    /// Parts of such a connection behind the file of the transfer: the files that are over, then the remainder.
    next: VecDeque<DataId>,
    /// Id of the transfer that uses it; `None` before its turn.
    transfer: Option<u64>,
}

/// A negotiation that waits for a connection between unknown end points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownEnd {
    pub(crate) number: u64,
    /// Time of the command or reply.
    pub(crate) since: Timestamp,
    /// True if an end point was announced that nobody tried.
    pub(crate) is_announced: bool,
    pub(crate) client_listens: bool,
}

/// Negotiation that a transfer finds when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InForce {
    /// None is in force: the default data port.
    Nothing,
    /// One that no other transfer uses.
    Unused(u64),
    /// One whose transfer was refused before a connection was found.
    Refused(u64),
    /// One that another transfer used: it holds again.
    Used {
        /// Number of the negotiation.
        number: u64,
        /// Id of the transfer that used it.
        transfer: u64,
    },
}

impl Negotiations {
    /// Registers the end point of PORT, EPRT or LPRT, an unknown one if `argument` cannot be read.
    pub(crate) fn on_command(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        sequence: u64,
        verb: Verb,
        argument: &[u8],
    ) {
        let mode = match verb {
            Verb::Port => Mode::Active,
            Verb::Eprt => Mode::ExtendedActive,
            Verb::Lprt => Mode::LongActive,
            _ => return,
        };
        let number = if let Some(announced) = active_end_point(verb, argument) {
            self.announce(shared, parties, mode, announced)
        } else {
            let since = shared.now().time;
            self.expect_unknown(shared, parties, mode, since)
        };
        remember(&mut self.by_command, sequence, number, ANNOUNCEMENTS);
    }

    /// Puts the end point of PORT, EPRT or LPRT in force, or retires it if the server refused it.
    pub(crate) fn on_end_point_reply(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        sequence: u64,
        accepted: bool,
    ) {
        if let Some(number) = find(&self.by_command, sequence) {
            if accepted {
                self.put_in_force(shared, parties, number);
            } else {
                self.retire(shared, parties, number);
            }
        }
    }

    /// Registers the end point that a reply announces and puts it in force. `reply` is the number of that reply: one that was
    /// unsolicited when it arrived is registered already.
    pub(crate) fn on_passive_reply(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        reply: u64,
        (mode, announced): (Mode, Endpoint),
    ) {
        let number = match find(&self.by_reply, reply) {
            Some(number) => number,
            None => self.announce(shared, parties, mode, announced),
        };
        self.put_in_force(shared, parties, number);
    }

    /// Does the same for a reply whose command was not captured.
    pub(crate) fn on_unsolicited_reply(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        reply: u64,
        (mode, announced): (Mode, Endpoint),
    ) {
        let number = self.announce(shared, parties, mode, announced);
        remember(&mut self.by_reply, reply, number, UNSOLICITED);
        self.put_in_force(shared, parties, number);
    }

    /// Presumes that a command whose reply was not captured was accepted. After PASV and its kin the client's next connection
    /// is taken for the one they arranged; `since` is the time of the command.
    pub(crate) fn presume(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        sequence: u64,
        verb: Verb,
        command: Option<(Timestamp, Option<&[u8]>)>,
    ) {
        if let Some(number) = find(&self.by_command, sequence) {
            self.put_in_force(shared, parties, number);
            return;
        }
        let mode = match verb {
            Verb::Pasv => Mode::Passive,
            Verb::Epsv => Mode::ExtendedPassive,
            Verb::Lpsv => Mode::LongPassive,
            _ => return,
        };
        let Some((since, argument)) = command else {
            return;
        };
        // EPSV ALL announces that only EPSV will be used (RFC 2428 section 4); it opens no end point.
        if !argument.is_some_and(|argument| argument.eq_ignore_ascii_case(b"ALL")) {
            let number = self.expect_unknown(shared, parties, mode, since);
            self.put_in_force(shared, parties, number);
        }
    }

    /// Registers an announced end point. Returns the number of the negotiation.
    fn announce(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        mode: Mode,
        announced: Endpoint,
    ) -> u64 {
        self.count += 1;
        let number = self.count;
        let listens = mode.client_listens();
        let (host, peer) = if listens {
            (parties.client, parties.server)
        } else {
            (parties.server, parties.client)
        };
        let control_listener = host.with_port(announced.port);
        let id = parties.negotiation(number);
        let mut expectation = Expectation::new(id, announced, control_listener, peer, listens);
        if mode == Mode::DefaultPort {
            // The port beside the control port (RFC 959 section 3.2).
            expectation.peer_port = Some(parties.server.port.wrapping_sub(1));
        }
        if !shared.expectations.add(expectation) {
            shared.warn(
                WarningCode::LimitReached,
                "too many announced data connections wait at once; some were not followed",
            );
        }
        if mode != Mode::DefaultPort {
            shared.several.announced(Announcement {
                session: parties.session,
                client: parties.client,
                server: parties.server,
                passive: !listens,
                end: announced,
                frame: shared.now().number,
            });
        }
        let since = shared.now().time;
        self.insert(shared, parties, mode, Some(announced), since);
        number
    }

    /// Expects a connection whose end point is unknown.
    fn expect_unknown(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        mode: Mode,
        since: Timestamp,
    ) -> u64 {
        self.count += 1;
        self.insert(shared, parties, mode, None, since);
        self.count
    }

    fn insert(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        mode: Mode,
        announced: Option<Endpoint>,
        since: Timestamp,
    ) {
        shared.search_early_data();
        self.known.insert(
            self.count,
            Box::new(Negotiation {
                mode,
                announced,
                since,
                data: Vec::new(),
                next: VecDeque::new(),
                transfer: None,
            }),
        );
        while self.known.len() > NEGOTIATIONS {
            let Some(oldest) = self.known.numbers().next() else {
                break;
            };
            self.retire(shared, parties, oldest);
            self.known.remove(oldest);
        }
    }

    /// Makes a negotiation the one that the next transfer uses; the one before it is superseded.
    fn put_in_force(&mut self, shared: &mut Shared<'_>, parties: Parties, number: u64) {
        if let Some(before) = self.in_force.replace(number)
            && before != number
        {
            self.retire(shared, parties, before);
        }
    }

    /// Retires a negotiation: its listener is gone, or will be soon.
    pub(crate) fn retire(&self, shared: &mut Shared<'_>, parties: Parties, number: u64) {
        if let Some(announced) = self.announced(number) {
            let id = parties.negotiation(number);
            shared
                .expectations
                .retire(announced.port, id, shared.clock());
        }
    }

    /// Forgets which one is in force: REIN.
    pub(crate) const fn reset(&mut self) {
        self.in_force = None;
    }

    /// Returns what is in force for the transfer `id`; `refused` says whether an earlier transfer was refused.
    pub(crate) fn in_force(&self, id: u64, refused: impl Fn(u64) -> bool) -> InForce {
        let Some(number) = self.in_force else {
            return InForce::Nothing;
        };
        let Some(known) = self.known.get(number) else {
            return InForce::Unused(number);
        };
        match known.transfer {
            Some(transfer) if transfer != id => {
                if known.data.is_empty() && refused(transfer) {
                    InForce::Refused(number)
                } else {
                    InForce::Used { number, transfer }
                }
            }
            _ => InForce::Unused(number),
        }
    }

    /// Announces the default data port and puts it in force.
    pub(crate) fn use_default_port(&mut self, shared: &mut Shared<'_>, parties: Parties) -> u64 {
        let number = self.announce(shared, parties, Mode::DefaultPort, parties.client);
        self.in_force = Some(number);
        number
    }

    /// Announces what was announced before once more, for another transfer.
    pub(crate) fn renew(&mut self, shared: &mut Shared<'_>, parties: Parties, number: u64) -> u64 {
        let Some(known) = self.known.get(number) else {
            return number;
        };
        let (mode, announced, since) = (known.mode, known.announced, known.since);
        let again = match announced {
            Some(announced) => self.announce(shared, parties, mode, announced),
            None => self.expect_unknown(shared, parties, mode, since),
        };
        self.put_in_force(shared, parties, again);
        self.take_next(shared, number, again);
        again
    }

    /// Gives a negotiation to the transfer `id`. Returns its mode and the connections found so far; `None` if it is unknown.
    pub(crate) fn give_to(&mut self, number: u64, id: u64) -> Option<(Mode, Vec<DataId>)> {
        let negotiation = self.known.get_mut(number)?;
        negotiation.transfer = Some(id);
        Some((negotiation.mode, negotiation.data.clone()))
    }

    /// Records a connection found for a negotiation. Returns the transfer that uses it; `None` before its turn.
    pub(crate) fn on_data_opened(&mut self, number: u64, data: DataId) -> Option<u64> {
        let negotiation = self.known.get_mut(number)?;
        negotiation.data.push(data);
        negotiation.transfer
    }

    /// Forgets the connections of a negotiation whose transfer is settled.
    pub(crate) fn forget_data(&mut self, number: u64) {
        if let Some(negotiation) = self.known.get_mut(number) {
            negotiation.data.clear();
        }
    }

    /// Returns the negotiation in force if no connection was found for it, and the side that connects may use another end point
    /// than the announced one: that is unknown, or nobody tried it. `is_open` says whether a transfer is not settled.
    pub(crate) fn unknown_end(
        &self,
        shared: &Shared<'_>,
        is_open: impl Fn(u64) -> bool,
    ) -> Option<UnknownEnd> {
        let number = self.in_force?;
        let negotiation = self.known.get(number)?;
        let settled = negotiation.transfer.is_some_and(|id| !is_open(id));
        let mut data = negotiation.data.iter();
        let found = data.any(|data| shared.data.get(*data).is_some_and(DataChannel::was_open));
        // A SYN to the announced end point shows that it is believed. The default data port was announced by nobody.
        let believed = negotiation.mode == Mode::DefaultPort || !negotiation.data.is_empty();
        let is_unusable = negotiation.announced.is_none() || !believed;
        (is_unusable && !settled && !found).then_some(UnknownEnd {
            number,
            since: negotiation.since,
            is_announced: negotiation.announced.is_some(),
            client_listens: negotiation.mode.client_listens(),
        })
    }

    /// Returns the mode of a negotiation; `None` if it is unknown.
    pub(crate) fn mode(&self, number: u64) -> Option<Mode> {
        self.known.get(number).map(|known| known.mode)
    }

    /// Returns the announced end point; `None` if it is unknown.
    pub(crate) fn announced(&self, number: u64) -> Option<Endpoint> {
        self.known.get(number)?.announced
    }

    /// Returns the transfer that uses a negotiation; `None` before its turn.
    pub(crate) fn transfer(&self, number: u64) -> Option<u64> {
        self.known.get(number)?.transfer
    }

    /// Returns the connections found for a negotiation.
    pub(crate) fn data(&self, number: Option<u64>) -> &[DataId] {
        number
            .and_then(|number| self.known.get(number))
            .map_or(&[], |negotiation| negotiation.data.as_slice())
    }

    /// Returns whether a connection of a negotiation is open.
    pub(crate) fn has_open_data(&self, shared: &Shared<'_>, number: Option<u64>) -> bool {
        self.data(number)
            .iter()
            .filter_map(|data| shared.data.get(*data))
            .any(|channel| !channel.is_over() && channel.was_open())
    }

    /// Returns the numbers of all negotiations, the first announced first.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.known.numbers().collect()
    }

    /// Returns every connection of a negotiation that no transfer has used up.
    pub(crate) fn unused_data(&self, shared: &Shared<'_>) -> Vec<DataId> {
        self.known
            .values()
            .flat_map(|one| one.data.iter().chain(&one.next).copied())
            .filter(|data| {
                let channel = shared.data.get(*data);
                channel.is_some_and(|channel| !channel.is_settled())
            })
            .collect()
    }
}

impl Parties {
    /// Returns the id of a negotiation of this session.
    const fn negotiation(self, number: u64) -> NegotiationId {
        NegotiationId {
            session: self.session,
            number,
        }
    }
}

fn active_end_point(verb: Verb, argument: &[u8]) -> Option<Endpoint> {
    match verb {
        Verb::Port => port_argument(argument),
        Verb::Eprt => extended_port_argument(argument),
        Verb::Lprt => long_address(argument),
        _ => None,
    }
}

fn remember(list: &mut VecDeque<(u64, u64)>, key: u64, number: u64, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back((key, number));
}

fn find(list: &VecDeque<(u64, u64)>, key: u64) -> Option<u64> {
    let mut latest = list.iter().rev();
    latest
        .find(|(known, _)| *known == key)
        .map(|&(_, number)| number)
}

/// Negotiations kept of one session: an old one that was never used is not looked for any more.
const NEGOTIATIONS: usize = 4096;

/// PORT commands whose reply may be outstanding.
const ANNOUNCEMENTS: usize = 1024;

/// Unsolicited replies whose command may yet come to light: as many as the dialogue keeps.
const UNSOLICITED: usize = 64;
