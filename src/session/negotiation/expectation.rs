//! Expectations: announced end points of data connections that are not open yet.
//!
//! A PORT or a 227 announces where a data connection will be opened; a new connection is compared with all of them. The address
//! may have been rewritten on the way (NAT), so the host of the control connection counts beside the announced one.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::model::{Endpoint, Span, Timestamp};
use crate::session::negotiation::confidence::Agreement;

/// Id of a negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NegotiationId {
    /// Id of its session.
    pub(crate) session: u64,
    /// Number within that session, from 1.
    pub(crate) number: u64,
}

/// One announced end point.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) negotiation: NegotiationId,
    /// Listening end point, as announced.
    pub(crate) listener: Endpoint,
    /// The same port at the control connection's host on that side.
    pub(crate) control_listener: Endpoint,
    /// The control connection's host on the other side.
    pub(crate) peer: Endpoint,
    /// The FTP client listens there.
    pub(crate) client_listens: bool,
    /// Port that the connection must come from (the default data port); `None` for any.
    pub(crate) peer_port: Option<u16>,
    /// A connection was found.
    pub(crate) fulfilled: bool,
    /// The negotiation is superseded, or its transfer is settled.
    retired: bool,
}

impl Expectation {
    /// Creates the expectation of a new announcement.
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

    /// Returns how well a connection from `other` to `listener` fits; `None` if it does not.
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

/// Expectation that a connection fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) negotiation: NegotiationId,
    pub(crate) agreement: Agreement,
    /// End of the connection that listens.
    pub(crate) listener: Endpoint,
}

/// All expectations, by port.
pub(crate) struct Expectations {
    by_port: HashMap<u16, Vec<Expectation>, RandomState>,
    /// One bit for each expected port: unrelated traffic costs one look at it.
    ports: Box<[u64; 1024]>,
    /// Retired expectations, oldest first. They expire after a while only: a capture may hold packets out of order.
    retired: VecDeque<(Timestamp, u16, NegotiationId)>,
    count: usize,
    limit: usize,
}

impl Expectations {
    /// Creates an empty set of at most `limit` expectations.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_port: HashMap::default(),
            ports: Box::new([0; 1024]),
            retired: VecDeque::new(),
            count: 0,
            limit,
        }
    }

    /// Returns whether a connection may be expected at either port. Called for every segment, so it only reads two bits.
    pub(crate) fn may_concern(&self, a: u16, b: u16) -> bool {
        self.has_port(a) || self.has_port(b)
    }

    /// Adds an expectation. Returns false if a limit is reached.
    pub(crate) fn add(&mut self, expectation: Expectation) -> bool {
        let port = expectation.listener.port;
        let list = self.by_port.entry(port).or_default();
        if self.count >= self.limit || list.len() >= PER_PORT {
            return false;
        }
        // Most ports have one. A vector grows to four by itself: tens of megabytes over all ports.
        if list.len() < FEW {
            list.reserve_exact(1);
        }
        list.push(expectation);
        self.count += 1;
        self.ports[usize::from(port >> 6)] |= 1 << (port & 63);
        true
    }

    /// Retires a negotiation: others go first from now on, and after a while it expires.
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

    /// Removes what was retired a while before `now`.
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

    /// Returns the expectation that a connection fits best. `listener` is `None` if the opening was not captured: then either
    /// end may be it.
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
                // Of equal ones the first announced wins: the queue of a server is in that order.
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

    /// Returns the expectation of the other session of a transfer between two servers (RFC 959 section 2.3): one client learned
    /// an end point from one server and sent it to the other, which connects to the first.
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

    /// Records that a connection was found.
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

/// Time for which a retired expectation still finds connections that fit no other.
const GRACE: Span = Span::from_secs(10);

/// Expectations kept of one port.
const PER_PORT: usize = 512;

/// Expectations of one port up to which memory grows by one.
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
    fn announced_address_wins_over_the_control_peer() {
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
    fn rewritten_address_is_found_by_the_control_peer() {
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
    fn both_sessions_of_a_transfer_between_servers_are_found_and_no_other() {
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
    fn unrelated_connection_fits_nothing() {
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
    fn first_announced_wins_at_one_port_and_retired_ones_are_last() {
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
    fn limit_is_kept() {
        let mut all = Expectations::new(1);
        assert!(all.add(passive(1, SERVER.with_port(5001))));
        assert!(!all.add(passive(2, SERVER.with_port(5002))));
    }
}
