//! `fxp`: one client lets two servers exchange files directly (RFC 959 figure 3).
//!
//! A PORT that names a third host looks like a bounce attack. It is an exchange if that host announced this very endpoint
//! to the same client in another session.

use std::collections::{BTreeMap, VecDeque};

use super::cross_session::MAX_FRAMES;
use super::{DataTrouble, Draft};
use crate::model::Endpoint;
use crate::model::record::{Finding, Severity};

/// An endpoint announced for a data connection, by PASV, PORT or one of their variants.
#[derive(Clone, Copy, Debug)]
pub struct Announcement {
    /// Id of the session.
    pub session: u64,
    /// Client of that session.
    pub client: Endpoint,
    /// Server of that session.
    pub server: Endpoint,
    /// Whether the server listens (PASV, EPSV, LPSV).
    pub passive: bool,
    /// Announced endpoint.
    pub end: Endpoint,
    /// Frame of the announcement.
    pub frame: u64,
}

/// Announced endpoints, and the pairs of sessions that share one.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// The latest [`MAX_ANNOUNCEMENTS`] passive announcements, oldest first.
    passive: VecDeque<Announcement>,
    /// By the ids of the passive and the active session.
    pairs: BTreeMap<(u64, u64), Exchange>,
}

/// A pair of servers that one client connects to each other.
#[derive(Debug)]
struct Exchange {
    /// Server that listens.
    listener: Endpoint,
    /// Server that connects.
    connector: Endpoint,
    client: Endpoint,
    /// Announced endpoints, as either session names them.
    endpoints: Vec<Endpoint>,
    frames: Vec<u64>,
    /// Count of the matching announcements.
    count: u64,
}

impl Exchanges {
    /// Keeps a passive announcement, or matches an active one with those kept.
    pub(super) fn on_announcement(&mut self, announcement: Announcement) {
        if announcement.passive {
            if self.passive.len() >= MAX_ANNOUNCEMENTS {
                self.passive.pop_front();
            }
            self.passive.push_back(announcement);
            return;
        }
        // The client names its own address in nearly all sessions.
        if announcement.end.address == announcement.client.address {
            return;
        }
        // The latest announcement: servers reuse passive ports.
        let other = self.passive.iter().rev().find(|passive| {
            passive.session != announcement.session
                && passive.client.address == announcement.client.address
                && passive.end.port == announcement.end.port
                // A client behind NAT may pass on the address it connected to instead of the announced one.
                && (passive.end.address == announcement.end.address
                    || passive.server.address == announcement.end.address)
        });
        let Some(&other) = other else {
            return;
        };
        let key = (other.session, announcement.session);
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&key) {
            return;
        }
        let exchange = self.pairs.entry(key).or_insert_with(|| Exchange {
            listener: other.server,
            connector: announcement.server,
            client: announcement.client,
            endpoints: Vec::new(),
            frames: Vec::new(),
            count: 0,
        });
        exchange.count += 1;
        for end in [other.end, announcement.end] {
            if exchange.endpoints.len() < MAX_ENDPOINTS && !exchange.endpoints.contains(&end) {
                exchange.endpoints.push(end);
            }
        }
        for frame in [other.frame, announcement.frame] {
            if exchange.frames.len() < MAX_FRAMES && !exchange.frames.contains(&frame) {
                exchange.frames.push(frame);
            }
        }
    }

    /// Returns the endpoints through which a session is half of an exchange, each with the other session.
    pub(super) fn evidence_for(&self, session: u64) -> Vec<DataTrouble> {
        let mut evidence = Vec::new();
        for (&(passive, active), exchange) in &self.pairs {
            let other = if passive == session {
                active
            } else if active == session {
                passive
            } else {
                continue;
            };
            evidence.extend(
                exchange
                    .endpoints
                    .iter()
                    .map(|&end| DataTrouble::ServerToServer { end, other }),
            );
        }
        evidence
    }

    /// Returns a finding for each pair of sessions, and forgets the pairs.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.pairs)
            .into_iter()
            .map(|((passive, active), exchange)| {
                let times = match exchange.count {
                    1 => "once".to_owned(),
                    count => format!("{count} times"),
                };
                let (a, b, client) = (exchange.listener, exchange.connector, exchange.client.ip());
                let end = exchange
                    .endpoints
                    .first()
                    .map_or_else(String::new, ToString::to_string);
                let mut finding = Draft {
                    id: "fxp",
                    severity: Severity::Low,
                    title: format!("{client} lets {a} and {b} exchange files directly"),
                    explanation: format!(
                        "The end point {end} that {a} announced in session {passive} was given to {b} in session {active}, {times}: the two servers connect to each other, and the files do not pass the client (FXP, RFC 959 section 2.3)."
                    ),
                    advice: "If this is not wanted, let the servers refuse PORT and data connections with other hosts than the client (RFC 2577 section 3).",
                    frames: exchange.frames,
                }
                .about(None, None);
                finding.sessions = vec![passive, active];
                finding
            })
            .collect()
    }
}

/// Limit of the passive announcements kept.
const MAX_ANNOUNCEMENTS: usize = 4096;
/// Limit of the session pairs kept.
const MAX_PAIRS: usize = 1000;
/// Limit of the endpoints kept for one pair.
const MAX_ENDPOINTS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(
        session: u64,
        client: u8,
        server: u8,
        passive: bool,
        end: (u8, u16),
    ) -> Announcement {
        Announcement {
            session,
            client: Endpoint::v4([10, 0, 0, client], 40_000),
            server: Endpoint::v4([10, 0, 0, server], 21),
            passive,
            end: Endpoint::v4([10, 0, 0, end.0], end.1),
            frame: session * 10,
        }
    }

    #[test]
    fn endpoint_of_one_server_passed_to_another_is_an_exchange() {
        let mut exchanges = Exchanges::default();
        exchanges.on_announcement(announcement(1, 2, 1, true, (1, 5001)));
        exchanges.on_announcement(announcement(2, 2, 9, false, (1, 5001)));
        assert_eq!(
            exchanges.evidence_for(1),
            [DataTrouble::ServerToServer {
                end: Endpoint::v4([10, 0, 0, 1], 5001),
                other: 2
            }]
        );
        assert_eq!(exchanges.evidence_for(2).len(), 1);
        assert!(exchanges.evidence_for(3).is_empty());
        let findings = exchanges.finish();
        assert_eq!(
            (findings[0].id.as_str(), findings[0].sessions.as_slice()),
            ("fxp", &[1, 2][..])
        );
        assert_eq!(findings[0].frames, [10, 20]);
    }

    #[test]
    fn bounce_or_another_client_is_no_exchange() {
        let mut exchanges = Exchanges::default();
        exchanges.on_announcement(announcement(1, 2, 1, true, (1, 5001)));
        exchanges.on_announcement(announcement(2, 2, 9, false, (1, 25)));
        exchanges.on_announcement(announcement(3, 66, 9, false, (1, 5001)));
        exchanges.on_announcement(announcement(1, 2, 1, false, (1, 5001)));
        exchanges.on_announcement(announcement(4, 2, 9, false, (2, 5001)));
        assert!(exchanges.finish().is_empty());
    }

    #[test]
    fn announcements_and_pairs_stay_within_their_limits() {
        let mut exchanges = Exchanges::default();
        for session in 0..10_000 {
            exchanges.on_announcement(announcement(session, 2, 1, true, (1, 5001)));
            exchanges.on_announcement(announcement(session + 1, 2, 9, false, (1, 5001)));
        }
        assert_eq!(
            (exchanges.passive.len(), exchanges.pairs.len()),
            (MAX_ANNOUNCEMENTS, MAX_PAIRS)
        );
    }
}
