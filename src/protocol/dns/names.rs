//! Who looked up what: the name behind an address, as one client knows it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Message;
use crate::model::{Endpoint, FrameRef, Span, Timestamp};

/// A lookup that was answered.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The name that was asked for.
    pub name: String,
    /// `A` or `AAAA`.
    pub record_type: &'static str,
    /// CNAME chain.
    pub aliases: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Who answered.
    pub resolver: Endpoint,
    /// The query, where it was captured.
    pub query: Option<FrameRef>,
    /// The response.
    pub response: FrameRef,
}

/// Remembers the latest lookup for each client and address, oldest forgotten first.
#[derive(Debug)]
pub struct Names {
    /// By client and the address that was given; addresses as in [`Endpoint::address`].
    known: HashMap<(u128, u128), Lookup, RandomState>,
    order: VecDeque<(u128, u128)>,
    asked: HashMap<(Endpoint, Endpoint, u16), FrameRef, RandomState>,
    asked_order: VecDeque<(Endpoint, Endpoint, u16)>,
    limit: usize,
}

impl Names {
    /// Remembers up to `limit` addresses.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            known: HashMap::default(),
            order: VecDeque::new(),
            asked: HashMap::default(),
            asked_order: VecDeque::new(),
            limit,
        }
    }

    /// A message on the wire.
    pub fn message(
        &mut self,
        message: Message,
        source: Endpoint,
        destination: Endpoint,
        frame: FrameRef,
    ) {
        let Some(answer) = message.answer else {
            let key = (source, destination, message.id);
            // A query that is repeated keeps its first frame.
            if let std::collections::hash_map::Entry::Vacant(e) = self.asked.entry(key) {
                e.insert(frame);
                self.asked_order.push_back(key);
                if self.asked_order.len() > self.limit
                    && let Some(oldest) = self.asked_order.pop_front()
                {
                    self.asked.remove(&oldest);
                }
            }
            return;
        };
        let key = (destination, source, message.id);
        let query = self.asked.remove(&key);
        let lookup = Lookup {
            name: message.question.name,
            record_type: message.question.record_type,
            aliases: answer.aliases,
            addresses: answer.addresses,
            resolver: source,
            query,
            response: frame,
        };
        let asker = if destination.ip().is_ipv4() {
            ASKED_OVER_V4
        } else {
            ASKED_OVER_V6
        };
        let keys = lookup
            .addresses
            .iter()
            .map(|&address| Endpoint::new(address, 0).address);
        for key in keys.flat_map(|address| [(destination.address, address), (asker, address)]) {
            if self
                .known
                .get(&key)
                .is_some_and(|known| known.is_repeated_by(&lookup))
            {
                continue;
            }
            if self.known.insert(key, lookup.clone()).is_none() {
                self.order.push_back(key);
                if self.order.len() > self.limit
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.known.remove(&oldest);
                }
            }
        }
    }

    /// The latest lookup by which `client` knows `server`. On the client's own machine the question may have gone through
    /// a resolver on the loopback interface.
    ///
    /// A host with both families may ask over one and connect over the other: then the lookup of any host of the other family
    /// will do, if it was answered not long before `start`.
    #[must_use]
    pub fn lookup(&self, client: Endpoint, server: Endpoint, start: Timestamp) -> Option<&Lookup> {
        let known = |asker: u128| self.known.get(&(asker, server.address));
        let on_loopback = || {
            LOOPBACK_CLIENTS
                .iter()
                .find_map(|&ip| known(Endpoint::v4(ip, 0).address))
        };
        let over_other_family = || {
            let v4 = client.ip().is_ipv4();
            known(if v4 { ASKED_OVER_V6 } else { ASKED_OVER_V4 })
                .filter(|lookup| start.since(lookup.response.time) <= FRESH)
        };
        known(client.address)
            .or_else(on_loopback)
            .or_else(over_other_family)
            .filter(|lookup| {
                (0..=STALE.nanos()).contains(&start.since(lookup.response.time).nanos())
            })
    }
}

impl Lookup {
    /// True for a second copy of the same response, as a mirrored port has it: the first one keeps its query.
    fn is_repeated_by(&self, other: &Self) -> bool {
        let apart = other.response.time.since(self.response.time).nanos();
        (0..=SECOND_COPY.nanos()).contains(&apart)
            && (self.resolver, &self.name, self.record_type)
                == (other.resolver, &other.name, other.record_type)
    }
}

/// How long after a response its second copy may come.
const SECOND_COPY: Span = Span::from_millis(10);

/// Stand for any client that asked over this family: addresses that no packet has (RFC 6666's discard-only prefix).
const ASKED_OVER_V4: u128 = 0x0100_0000_0000_0000_0000_0000_0000_0004;
const ASKED_OVER_V6: u128 = 0x0100_0000_0000_0000_0000_0000_0000_0006;

/// How long before a connection a lookup over the other family counts.
const FRESH: Span = Span::from_secs(10);

/// How long after a lookup a client may still go by it: caches commonly keep an answer for no more than a day, and behind a
/// longer pause, or in a capture of another month, the name may be elsewhere.
const STALE: Span = Span::from_secs(86_400);

/// Where programs and the local stub resolver ask from.
const LOOPBACK_CLIENTS: [[u8; 4]; 2] = [[127, 0, 0, 1], [127, 0, 0, 53]];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::dns::{Answer, Question};

    fn message(id: u16, address: Option<[u8; 4]>) -> Message {
        Message {
            id,
            question: Question {
                name: "ftp.example.com".into(),
                record_type: "A",
            },
            answer: address.map(|ip| Answer {
                aliases: vec![],
                addresses: vec![IpAddr::V4(ip.into())],
            }),
        }
    }

    #[test]
    fn a_response_finds_its_query_and_names_the_server_for_that_client_only() {
        let client = Endpoint::v4([10, 0, 0, 2], 4000);
        let resolver = Endpoint::v4([10, 0, 0, 53], 53);
        let server = Endpoint::v4([10, 0, 0, 1], 21);
        let mut names = Names::new(10);
        names.message(
            message(9, None),
            client,
            resolver,
            FrameRef {
                number: 1,
                ..FrameRef::default()
            },
        );
        names.message(
            message(9, Some([10, 0, 0, 1])),
            resolver,
            client,
            FrameRef {
                number: 2,
                ..FrameRef::default()
            },
        );
        let lookup = names
            .lookup(client, server, Timestamp::from_parts(1, 0))
            .expect("known");
        assert_eq!(lookup.query.map(|frame| frame.number), Some(1));
        assert_eq!(lookup.response.number, 2);
        assert!(
            names
                .lookup(
                    Endpoint::v4([10, 0, 0, 3], 1),
                    server,
                    Timestamp::from_parts(1, 0)
                )
                .is_none()
        );
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let client = Endpoint::v4([10, 0, 0, 2], 4000);
        let resolver = Endpoint::v4([10, 0, 0, 53], 53);
        let mut names = Names::new(4);
        for last in 1..=3 {
            names.message(
                message(9, Some([10, 0, 0, last])),
                resolver,
                client,
                FrameRef::default(),
            );
        }
        assert!(
            names
                .lookup(
                    client,
                    Endpoint::v4([10, 0, 0, 1], 21),
                    Timestamp::from_parts(1, 0)
                )
                .is_none()
        );
        assert!(
            names
                .lookup(
                    client,
                    Endpoint::v4([10, 0, 0, 3], 21),
                    Timestamp::from_parts(1, 0)
                )
                .is_some()
        );
    }

    #[test]
    fn a_lookup_of_the_day_before_tells_nothing() {
        let client = Endpoint::v4([10, 0, 0, 2], 4000);
        let resolver = Endpoint::v4([10, 0, 0, 53], 53);
        let server = Endpoint::v4([10, 0, 0, 1], 21);
        let mut names = Names::new(4);
        let answer = message(9, Some([10, 0, 0, 1]));
        names.message(answer, resolver, client, FrameRef::default());
        let known = |start| names.lookup(client, server, Timestamp::from_parts(start, 0));
        assert!(known(86_400).is_some());
        assert!(known(86_401).is_none());
    }

    #[test]
    fn a_host_may_ask_over_one_family_and_connect_over_the_other() {
        let resolver = Endpoint::v4([10, 0, 0, 53], 53);
        let server = Endpoint::new("2001:db8::1".parse().expect("an address"), 21);
        let client = Endpoint::new("2001:db8::2".parse().expect("an address"), 4000);
        let mut names = Names::new(10);
        let mut response = message(9, Some([10, 0, 0, 1]));
        if let Some(answer) = &mut response.answer {
            answer.addresses = vec![server.ip()];
        }
        names.message(
            response,
            resolver,
            Endpoint::v4([10, 0, 0, 2], 4000),
            FrameRef::default(),
        );
        assert!(
            names
                .lookup(client, server, Timestamp::from_parts(1, 0))
                .is_some()
        );
        assert!(
            names
                .lookup(client, server, Timestamp::from_parts(60, 0))
                .is_none()
        );
    }
}
