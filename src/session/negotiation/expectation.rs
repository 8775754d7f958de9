//! Announced data end points, waiting for their connection.
//!
//! A PORT or a 227 says where a data connection will come; this is where a new connection is held against all of them. The
//! address may have been rewritten on the way (NAT), so the host of the control connection counts beside the announced one.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::model::{Endpoint, Span, Timestamp};
use crate::session::negotiation::confidence::Agreement;

/// Names a negotiation: session id, and number within the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NegotiationId {
    pub(crate) session: u64,
    pub(crate) number: u64,
}

/// One announced end point.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) negotiation: NegotiationId,
    /// Where somebody listens, as announced.
    pub(crate) listener: Endpoint,
    /// The same port at the control connection's host on that side.
    pub(crate) control_listener: Endpoint,
    /// The control connection's host on the other side.
    pub(crate) peer: Endpoint,
    /// The FTP client listens there.
    pub(crate) client_listens: bool,
    /// Only a connection from this port will do (the default data port).
    pub(crate) peer_port: Option<u16>,
    /// A connection was found.
    pub(crate) fulfilled: bool,
    /// No longer in force since.
    retired: bool,
}

impl Expectation {
    pub(crate) const fn new(
        negotiation: NegotiationId,
        listener: Endpoint,
        control_listener: Endpoint,
        peer: Endpoint,
        client_listens: bool,
    ) -> Self {
        Self {
            negotiation,
            listener,
            control_listener,
            peer,
            client_listens,
            peer_port: None,
            fulfilled: false,
            retired: false,
        }
    }

    fn fit(&self, listener: Endpoint, other: Endpoint) -> Option<Agreement> {
        if listener.port != self.listener.port
            || self.peer_port.is_some_and(|port| port != other.port)
        {
            return None;
        }
        let announced = listener.address == self.listener.address;
        let host = listener.address == self.control_listener.address;
        let peer = other.address == self.peer.address;
        match (announced, host, peer) {
            (_, true, true) if self.peer_port.is_some() => Some(Agreement::DefaultPorts),
            (true, _, true) => Some(Agreement::EndAndPeer),
            (false, true, true) => Some(Agreement::HostAndPeer),
            (true, _, false) => Some(Agreement::End),
            (false, true, false) | (false, false, true) => Some(Agreement::PortAndOneHost),
            (false, false, false) => None,
        }
    }
}

/// A connection that was waited for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) negotiation: NegotiationId,
    pub(crate) agreement: Agreement,
    /// Which of the two ends listens.
    pub(crate) listener: Endpoint,
}

/// All of them, by port.
pub(crate) struct Expectations {
    by_port: HashMap<u16, Vec<Expectation>, RandomState>,
    /// A bit for each port that is expected: what foreign traffic is held against.
    ports: Box<[u64; 1024]>,
    /// Retired ones, oldest first: they go after a while, for a capture may hold packets out of order.
    retired: VecDeque<(Timestamp, u16, NegotiationId)>,
    count: usize,
    limit: usize,
}

impl Expectations {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_port: HashMap::default(),
            ports: Box::new([0; 1024]),
            retired: VecDeque::new(),
            count: 0,
            limit,
        }
    }

    /// Whether anything may be expected at either port; as cheap as it can be.
    pub(crate) fn may_concern(&self, a: u16, b: u16) -> bool {
        self.has_port(a) || self.has_port(b)
    }

    /// Adds one; false where the bound is reached.
    pub(crate) fn add(&mut self, expectation: Expectation) -> bool {
        let port = expectation.listener.port;
        let list = self.by_port.entry(port).or_default();
        if self.count >= self.limit || list.len() >= PER_PORT {
            return false;
        }
        // Most ports have one; room for four on each of them would be tens of megabytes.
        if list.len() < FEW {
            list.reserve_exact(1);
        }
        list.push(expectation);
        self.count += 1;
        self.ports[usize::from(port >> 6)] |= 1 << (port & 63);
        true
    }

    /// The negotiation is over: others go first from now on, and soon it is forgotten.
    pub(crate) fn retire(&mut self, port: u16, negotiation: NegotiationId, now: Timestamp) {
        let Some(list) = self.by_port.get_mut(&port) else {
            return;
        };
        let mut any = false;
        for expectation in list
            .iter_mut()
            .filter(|one| one.negotiation == negotiation && !one.retired)
        {
            expectation.retired = true;
            any = true;
        }
        if any {
            self.retired.push_back((now, port, negotiation));
        }
    }

    /// Forgets what was retired a while ago.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        while let Some(&(since, port, negotiation)) = self.retired.front() {
            if now.since(since) < GRACE {
                break;
            }
            self.retired.pop_front();
            if let Some(list) = self.by_port.get_mut(&port) {
                let before = list.len();
                list.retain(|one| one.negotiation != negotiation || !one.retired);
                self.count -= before - list.len();
                if list.is_empty() {
                    self.by_port.remove(&port);
                    self.ports[usize::from(port >> 6)] &= !(1 << (port & 63));
                }
            }
        }
    }

    /// The expectation that a connection fits best. `listener` is `None` where the opening was not captured: then either end
    /// may be it.
    pub(crate) fn find(
        &self,
        a: Endpoint,
        b: Endpoint,
        listener: Option<Endpoint>,
    ) -> Option<Found> {
        let mut best: Option<((bool, bool, u8), Found)> = None;
        for (listening, other) in [(a, b), (b, a)] {
            if listener.is_some_and(|known| known != listening) || !self.has_port(listening.port) {
                continue;
            }
            let Some(list) = self.by_port.get(&listening.port) else {
                continue;
            };
            for expectation in list {
                let Some(agreement) = expectation.fit(listening, other) else {
                    continue;
                };
                let rank = (
                    !expectation.retired,
                    !expectation.fulfilled,
                    agreement.weight(),
                );
                // Of equal ones the first announced goes first.
                if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                    let negotiation = expectation.negotiation;
                    best = Some((
                        rank,
                        Found {
                            negotiation,
                            agreement,
                            listener: listening,
                        },
                    ));
                }
            }
        }
        best.map(|(_, found)| found)
    }

    /// The other session of a transfer between two servers (RFC 959 section 2.3): one client was told an end point by one
    /// server, and told it to the other, which connects to the first.
    pub(crate) fn partner(&self, found: Found, other: Endpoint) -> Option<Found> {
        let list = self.by_port.get(&found.listener.port)?;
        let own = list
            .iter()
            .find(|one| one.negotiation == found.negotiation)?;
        list.iter()
            .filter(|one| one.negotiation.session != own.negotiation.session)
            .filter(|one| !one.retired && !one.fulfilled)
            .filter(|one| one.client_listens != own.client_listens)
            .find(|one| {
                let (passive, active): (&Expectation, &Expectation) = if own.client_listens {
                    (one, own)
                } else {
                    (own, one)
                };
                let client = passive.peer.address;
                client == active.control_listener.address
                    && client != other.address
                    && other.address == active.peer.address
                    && [passive.listener, passive.control_listener].contains(&found.listener)
            })
            .map(|one| Found {
                negotiation: one.negotiation,
                agreement: Agreement::EndOfTwoSessions,
                listener: found.listener,
            })
    }

    /// Remembers that a connection was found.
    pub(crate) fn fulfil(&mut self, port: u16, negotiation: NegotiationId) {
        if let Some(list) = self.by_port.get_mut(&port) {
            for expectation in list.iter_mut().filter(|one| one.negotiation == negotiation) {
                expectation.fulfilled = true;
            }
        }
    }

    fn has_port(&self, port: u16) -> bool {
        self.ports[usize::from(port >> 6)] & (1 << (port & 63)) != 0
    }
}

/// How long a retired expectation still finds a connection that nobody else waits for.
const GRACE: Span = Span::from_secs(10);

/// Expectations kept of one port.
const PER_PORT: usize = 512;

/// Announcements of one port up to which each has its room made when it comes.
const FEW: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Endpoint = Endpoint::v4([10, 0, 0, 2], 40_000);
    const SERVER: Endpoint = Endpoint::v4([10, 0, 0, 1], 21);

    fn id(number: u64) -> NegotiationId {
        NegotiationId { session: 1, number }
    }

    fn passive(number: u64, listener: Endpoint) -> Expectation {
        Expectation::new(
            id(number),
            listener,
            SERVER.with_port(listener.port),
            CLIENT,
            false,
        )
    }

    #[test]
    fn the_announced_address_wins_over_the_control_peer() {
        let mut all = Expectations::new(10);
        let nat = Endpoint::v4([192, 168, 9, 9], 5001);
        assert!(all.add(passive(1, nat)));
        assert!(all.add(passive(2, SERVER.with_port(5001))));
        let client = CLIENT.with_port(40_001);
        let found = all
            .find(client, SERVER.with_port(5001), Some(SERVER.with_port(5001)))
            .expect("found");
        assert_eq!(
            (found.negotiation, found.agreement),
            (id(2), Agreement::EndAndPeer)
        );
    }

    #[test]
    fn an_address_that_was_rewritten_is_found_by_the_control_peer() {
        let mut all = Expectations::new(10);
        assert!(all.add(passive(1, Endpoint::v4([0, 0, 0, 0], 5001))));
        let found = all
            .find(CLIENT.with_port(40_001), SERVER.with_port(5001), None)
            .expect("found");
        assert_eq!(found.agreement, Agreement::HostAndPeer);
        assert_eq!(found.listener, SERVER.with_port(5001));
    }

    #[test]
    fn more_that_agrees_is_never_worth_less() {
        let agrees = |announced: bool, host: bool, peer: bool| {
            let stranger = Endpoint::v4([10, 9, 9, 9], 5001);
            let listener = Endpoint::v4([10, 7, 7, 7], 5001);
            let one = Expectation::new(
                id(1),
                if announced { listener } else { stranger },
                if host { listener } else { stranger },
                if peer { CLIENT } else { stranger },
                false,
            );
            one.fit(listener, CLIENT).map_or(0, Agreement::weight)
        };
        let all: Vec<[bool; 3]> = (0..8)
            .map(|bits: u8| [1, 2, 4].map(|bit| bits & bit != 0))
            .collect();
        for less in &all {
            for more in &all {
                let holds = less.iter().zip(more).all(|(less, more)| more >= less);
                if holds {
                    assert!(
                        agrees(more[0], more[1], more[2]) >= agrees(less[0], less[1], less[2]),
                        "{less:?} and {more:?}"
                    );
                }
            }
        }
        assert_eq!(
            (agrees(false, false, false), agrees(true, true, true)),
            (0, 100)
        );
    }

    #[test]
    fn both_sessions_of_a_transfer_between_servers_are_found_and_nobody_elses() {
        let other_server = Endpoint::v4([10, 0, 0, 9], 20);
        let listener = SERVER.with_port(5001);
        let of = |session: u64, client: Endpoint| {
            let negotiation = NegotiationId { session, number: 1 };
            let own = client.with_port(5001);
            Expectation::new(negotiation, listener, own, other_server.with_port(21), true)
        };
        for (client, expected) in [(CLIENT, true), (Endpoint::v4([10, 0, 0, 66], 1), false)] {
            let mut all = Expectations::new(10);
            assert!(all.add(passive(1, listener)));
            assert!(all.add(of(2, client)));
            let found = all
                .find(other_server, listener, Some(listener))
                .expect("found");
            assert_eq!(found.negotiation.session, 2);
            let partner = all.partner(found, other_server);
            assert_eq!(
                partner.map(|partner| (partner.negotiation, partner.agreement)),
                expected.then_some((id(1), Agreement::EndOfTwoSessions))
            );
        }
    }

    #[test]
    fn strangers_find_nothing() {
        let mut all = Expectations::new(10);
        assert!(all.add(passive(1, SERVER.with_port(5001))));
        let stranger = Endpoint::v4([10, 9, 9, 9], 5001);
        assert_eq!(
            all.find(stranger, Endpoint::v4([10, 9, 9, 8], 80), None),
            None
        );
        assert!(!all.may_concern(80, 443));
        assert!(all.may_concern(5001, 443));
    }

    #[test]
    fn of_two_that_wait_at_one_port_the_first_goes_first_and_retired_ones_last() {
        let mut all = Expectations::new(10);
        let listener = SERVER.with_port(5001);
        for number in 1..=3 {
            assert!(all.add(passive(number, listener)));
        }
        all.retire(5001, id(1), Timestamp::from_nanos(1));
        let found = all.find(CLIENT, listener, None).expect("found");
        assert_eq!(found.negotiation, id(2));
        all.fulfil(5001, id(2));
        assert_eq!(
            all.find(CLIENT, listener, None).expect("found").negotiation,
            id(3)
        );
        all.tick(Timestamp::from_parts(11, 0));
        for number in 2..=3 {
            all.retire(5001, id(number), Timestamp::from_parts(12, 0));
        }
        all.tick(Timestamp::from_parts(30, 0));
        assert!(!all.may_concern(5001, 1));
        assert_eq!(all.count, 0);
    }

    #[test]
    fn the_bound_holds() {
        let mut all = Expectations::new(1);
        assert!(all.add(passive(1, SERVER.with_port(5001))));
        assert!(!all.add(passive(2, SERVER.with_port(5002))));
    }
}
