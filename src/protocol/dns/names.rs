//! Names behind addresses, by the lookups of each client.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::{LLMNR_PORT, MULTICAST_DNS_PORT, Message};
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
    /// Time for which it holds: its TTL, or a minute if that is longer.
    pub valid: Span,
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
    /// Names that hosts asked the link for, latest last, with the host and the first frame of its query.
    asked_by_multicast: VecDeque<(String, Endpoint, FrameRef)>,
    /// Names that the capture states for addresses, without a lookup.
    stated: HashMap<u128, String, RandomState>,
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
            asked_by_multicast: VecDeque::new(),
            stated: HashMap::default(),
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
            if destination.port == MULTICAST_DNS_PORT {
                self.ask_by_multicast(message.question.name, source, frame);
                return;
            }
            let key = (source, unicast(destination), message.id);
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
        let key = (destination, unicast(source), message.id);
        let query = self.queries.remove(&key);
        let asker = self.asker(&message.question.name).filter(|_| {
            // A response by unicast has its client as the destination.
            source.port == MULTICAST_DNS_PORT && destination.ip().is_multicast()
        });
        let query = query.or(asker.map(|(_, query)| query));
        let lookup = Lookup {
            name: message.question.name,
            record_type: message.question.record_type,
            aliases: answer.aliases,
            addresses: answer.addresses,
            resolver: source,
            query,
            response: frame,
            valid: Span::from_secs(i64::from(answer.ttl)).max(SHORTEST_VALID),
        };
        let client = asker.map_or(destination, |(client, _)| client);
        let any_client = if destination.ip().is_multicast() {
            HEARD_BY_MULTICAST
        } else if destination.ip().is_ipv4() {
            QUERIED_OVER_V4
        } else {
            QUERIED_OVER_V6
        };
        let keys = lookup
            .addresses
            .iter()
            .map(|&address| Endpoint::new(address, 0).address);
        // Also under the placeholder, for clients that connect over the other address family.
        for key in keys.flat_map(|address| [(client.address, address), (any_client, address)]) {
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

    /// Records that `client` asked the link for a name. A repeated query keeps its first frame.
    fn ask_by_multicast(&mut self, name: String, client: Endpoint, frame: FrameRef) {
        let repeated = self.asked_by_multicast.iter().any(|(known, by, first)| {
            *by == client
                && known.eq_ignore_ascii_case(&name)
                && frame.time.since(first.time) <= SHORTEST_VALID
        });
        if !repeated {
            if self.asked_by_multicast.len() >= ASKED_BY_MULTICAST {
                self.asked_by_multicast.pop_front();
            }
            self.asked_by_multicast.push_back((name, client, frame));
        }
    }

    /// Returns the host that last asked the link for a name, and the frame of its query; `None` if none did.
    fn asker(&self, name: &str) -> Option<(Endpoint, FrameRef)> {
        let mut latest = self.asked_by_multicast.iter().rev();
        latest
            .find(|(asked, _, _)| asked.eq_ignore_ascii_case(name))
            .map(|(_, client, frame)| (*client, *frame))
    }

    /// Records a name that the capture states for an address: the first one counts.
    pub fn state(&mut self, address: IpAddr, name: &str) {
        if self.stated.len() < self.limit {
            self.stated
                .entry(Endpoint::new(address, 0).address)
                .or_insert_with(|| name.to_owned());
        }
    }

    /// Returns the name that the capture states for a host; `None` if it states none.
    #[must_use]
    pub fn stated(&self, host: Endpoint) -> Option<&str> {
        let address = host.address;
        self.stated.get(&address).map(String::as_str)
    }

    /// Returns the latest lookup by which `client`, at `start`, may have learned the address of `server`; `None` if
    /// there is none that still holds.
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
            .or_else(|| known(HEARD_BY_MULTICAST))
            .or_else(over_other_family)
            .filter(|lookup| {
                // Not below 0: a client cannot have used an answer that came after its SYN.
                (0..=lookup.valid.nanos()).contains(&start.since(lookup.response.time).nanos())
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

/// Returns the endpoint that a query and its response share: of LLMNR, the query goes to a group, and any host answers.
fn unicast(resolver: Endpoint) -> Endpoint {
    if resolver.port == LLMNR_PORT {
        Endpoint::v4([0; 4], LLMNR_PORT)
    } else {
        resolver
    }
}

/// Names that the link was asked for, kept at most: enough for all queries that wait for a response at a time.
const ASKED_BY_MULTICAST: usize = 64;

/// Longest time between a response and its second copy.
const SECOND_COPY: Span = Span::from_millis(10);

/// Placeholders for any client that queried over one address family: addresses of the discard-only prefix (RFC 6666),
/// which no packet has.
const QUERIED_OVER_V4: u128 = 0x0100_0000_0000_0000_0000_0000_0000_0004;
const QUERIED_OVER_V6: u128 = 0x0100_0000_0000_0000_0000_0000_0000_0006;
/// The same for any host of the link, which all hear a response by multicast.
const HEARD_BY_MULTICAST: u128 = 0x0100_0000_0000_0000_0000_0000_0000_00ff;

/// Longest age of a lookup over the other family at the start of a connection.
const FRESH: Span = Span::from_secs(10);

/// Time for which a lookup holds at least: a client may take that long from a response with a short TTL to its SYN.
const SHORTEST_VALID: Span = Span::from_secs(60);

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
                ttl: 0,
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
    fn lookup_holds_for_its_ttl_and_at_least_a_minute() {
        let client = Endpoint::v4([10, 0, 0, 2], 4000);
        let resolver = Endpoint::v4([10, 0, 0, 53], 53);
        let server = Endpoint::v4([10, 0, 0, 1], 21);
        for (ttl, valid) in [(0, 60), (59, 60), (3600, 3600)] {
            let mut names = Names::new(4);
            let mut response = message(9, Some([10, 0, 0, 1]));
            if let Some(answer) = &mut response.answer {
                answer.ttl = ttl;
            }
            names.message(response, resolver, client, FrameRef::default());
            let known = |start| names.lookup(client, server, Timestamp::from_parts(start, 0));
            assert!(known(valid).is_some());
            assert!(known(valid + 1).is_none());
        }
    }

    #[test]
    fn multicast_response_counts_for_its_asker_and_for_the_link() {
        let client = Endpoint::v4([10, 0, 0, 2], MULTICAST_DNS_PORT);
        let group = Endpoint::v4([224, 0, 0, 251], MULTICAST_DNS_PORT);
        let server = Endpoint::v4([10, 0, 0, 1], MULTICAST_DNS_PORT);
        let mut names = Names::new(10);
        let frame = |number| FrameRef {
            number,
            ..FrameRef::default()
        };
        names.message(message(0, None), client, group, frame(1));
        names.message(message(0, Some([10, 0, 0, 1])), server, group, frame(2));
        let at = Timestamp::from_parts(1, 0);
        let lookup = names.lookup(client, server, at).expect("known");
        assert_eq!(lookup.query.map(|frame| frame.number), Some(1));
        let other = Endpoint::v4([10, 0, 0, 3], 4000);
        assert!(names.lookup(other, server, at).is_some());
    }

    #[test]
    fn response_of_llmnr_comes_from_another_address_than_the_query_went_to() {
        let client = Endpoint::v4([10, 0, 0, 2], 50_123);
        let group = Endpoint::v4([224, 0, 0, 252], LLMNR_PORT);
        let server = Endpoint::v4([10, 0, 0, 1], LLMNR_PORT);
        let mut names = Names::new(10);
        names.message(message(7, None), client, group, FrameRef::default());
        let answer = message(7, Some([10, 0, 0, 1]));
        names.message(answer, server, client, FrameRef::default());
        let lookup = names
            .lookup(client, server, Timestamp::from_parts(1, 0))
            .expect("known");
        assert!(lookup.query.is_some());
        let other = Endpoint::v4([10, 0, 0, 3], 4000);
        assert!(
            names
                .lookup(other, server, Timestamp::from_parts(1, 0))
                .is_none()
        );
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
