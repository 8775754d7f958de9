//! Names behind addresses, by the lookups of each client.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Message;
use crate::model::{Endpoint, FrameRef, Span, Timestamp};

/// Answered lookup.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Requested name.
    pub name: String,
    /// `A` or `AAAA`.
    pub record_type: &'static str,
    /// CNAME chain, in the order of the answer.
    pub aliases: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Endpoint that answered.
    pub resolver: Endpoint,
    /// Frame of the query; `None` if it was not captured.
    pub query: Option<FrameRef>,
    /// Frame of the response.
    pub response: FrameRef,
}

/// Latest lookup for each client and address. When full, the oldest entry is evicted.
#[derive(Debug)]
pub struct Names {
    /// Lookups by client and resolved address, in the form of [`Endpoint::address`].
    known: HashMap<(u128, u128), Lookup, RandomState>,
    /// Keys of `known`, oldest first.
    order: VecDeque<(u128, u128)>,
    /// Frames of unanswered queries, by client, resolver and identifier.
    queries: HashMap<(Endpoint, Endpoint, u16), FrameRef, RandomState>,
    /// Keys of `queries`, oldest first.
    queries_order: VecDeque<(Endpoint, Endpoint, u16)>,
    limit: usize,
}

impl Names {
    /// Creates an empty table for up to `limit` addresses and as many unanswered queries.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            known: HashMap::default(),
            order: VecDeque::new(),
            queries: HashMap::default(),
            queries_order: VecDeque::new(),
            limit,
        }
    }

    /// Records a query or response.
    pub fn message(
        &mut self,
        message: Message,
        source: Endpoint,
        destination: Endpoint,
        frame: FrameRef,
    ) {
        let Some(answer) = message.answer else {
            let key = (source, destination, message.id);
            // A retransmitted query keeps its first frame: the lookup took as long as the user waited.
            if let std::collections::hash_map::Entry::Vacant(e) = self.queries.entry(key) {
                e.insert(frame);
                self.queries_order.push_back(key);
                // Unanswered queries must not grow the table: a scan may send any number of them.
                if self.queries_order.len() > self.limit
                    && let Some(oldest) = self.queries_order.pop_front()
                {
                    self.queries.remove(&oldest);
                }
            }
            return;
        };
        let key = (destination, source, message.id);
        let query = self.queries.remove(&key);
        let lookup = Lookup {
            name: message.question.name,
            record_type: message.question.record_type,
            aliases: answer.aliases,
            addresses: answer.addresses,
            resolver: source,
            query,
            response: frame,
        };
        let any_client = if destination.ip().is_ipv4() {
            QUERIED_OVER_V4
        } else {
            QUERIED_OVER_V6
        };
        let keys = lookup
            .addresses
            .iter()
            .map(|&address| Endpoint::new(address, 0).address);
        // Also under the placeholder, for clients that connect over the other address family.
        for key in keys.flat_map(|address| [(destination.address, address), (any_client, address)])
        {
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

    /// Returns the latest lookup by which `client`, at `start`, may have learned the address of `server`; `None` if
    /// there is none within 24 h before.
    ///
    /// On the client's own machine the query may have gone through a resolver on the loopback interface. A host with
    /// both address families may query over one and connect over the other: then a lookup by any host over the other
    /// family counts, if it was answered within 10 s before `start`.
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
            known(if v4 { QUERIED_OVER_V6 } else { QUERIED_OVER_V4 })
                .filter(|lookup| start.since(lookup.response.time) <= FRESH)
        };
        known(client.address)
            .or_else(on_loopback)
            .or_else(over_other_family)
            .filter(|lookup| {
                // Not below 0: a client cannot have used an answer that came after its SYN.
                (0..=STALE.nanos()).contains(&start.since(lookup.response.time).nanos())
            })
    }
}

impl Lookup {
    /// Returns whether `other` is a second copy of this response, as a mirror port captures it. The first copy has the
    /// query, and is kept.
    fn is_repeated_by(&self, other: &Self) -> bool {
        let apart = other.response.time.since(self.response.time).nanos();
        (0..=SECOND_COPY.nanos()).contains(&apart)
            && (self.resolver, &self.name, self.record_type)
                == (other.resolver, &other.name, other.record_type)
    }
}

/// Longest time between a response and its second copy.
const SECOND_COPY: Span = Span::from_millis(10);

/// Placeholders for any client that queried over one address family: addresses of the discard-only prefix (RFC 6666),
/// which no packet has.
const QUERIED_OVER_V4: u128 = 0x0100_0000_0000_0000_0000_0000_0000_0004;
const QUERIED_OVER_V6: u128 = 0x0100_0000_0000_0000_0000_0000_0000_0006;

/// Longest age of a lookup over the other family at the start of a connection.
const FRESH: Span = Span::from_secs(10);

/// Longest age of any lookup at the start of a connection: caches keep answers for no more than a day. After a longer
/// pause, or in a capture of another month, the name may have moved.
const STALE: Span = Span::from_secs(86_400);

/// Addresses that programs and the local stub resolver query from.
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
    fn response_finds_its_query_and_counts_for_that_client_only() {
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
    fn oldest_lookup_is_evicted_first() {
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
    fn lookup_older_than_a_day_is_not_used() {
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
    fn host_may_query_over_one_family_and_connect_over_the_other() {
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
