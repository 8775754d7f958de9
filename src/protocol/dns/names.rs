//! Who looked up what: the name behind an address, as one client knows it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Message;
use crate::model::{Endpoint, FrameRef};

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
        for &address in &lookup.addresses {
            let key = (destination.address, Endpoint::new(address, 0).address);
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
    #[must_use]
    pub fn lookup(&self, client: Endpoint, server: Endpoint) -> Option<&Lookup> {
        self.known
            .get(&(client.address, server.address))
            .or_else(|| {
                LOOPBACK_CLIENTS.iter().find_map(|ip| {
                    let local = Endpoint::new(IpAddr::V4((*ip).into()), 0);
                    self.known.get(&(local.address, server.address))
                })
            })
    }
}

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
        let lookup = names.lookup(client, server).expect("known");
        assert_eq!(lookup.query.map(|frame| frame.number), Some(1));
        assert_eq!(lookup.response.number, 2);
        assert!(
            names
                .lookup(Endpoint::v4([10, 0, 0, 3], 1), server)
                .is_none()
        );
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let client = Endpoint::v4([10, 0, 0, 2], 4000);
        let resolver = Endpoint::v4([10, 0, 0, 53], 53);
        let mut names = Names::new(2);
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
                .lookup(client, Endpoint::v4([10, 0, 0, 1], 21))
                .is_none()
        );
        assert!(
            names
                .lookup(client, Endpoint::v4([10, 0, 0, 3], 21))
                .is_some()
        );
    }
}
