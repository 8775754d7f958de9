//! `fxp`: one client lets two servers exchange files directly (RFC 959 figure 3).
//!
//! It looks like a bounce, for a PORT names a third host; but that host announced this very end point to the same client
//! in another session.

use std::collections::{BTreeMap, VecDeque};

use super::MOST_FRAMES;
use crate::diagnosis::{DataTrouble, Draft};
use crate::model::Endpoint;
use crate::model::record::{Finding, Severity};

/// An end point that PASV, PORT or one of their kind announced.
#[derive(Clone, Copy, Debug)]
pub struct Announcement {
    /// Id of the session.
    pub session: u64,
    /// Its client.
    pub client: Endpoint,
    /// Its server.
    pub server: Endpoint,
    /// True where the server listens.
    pub passive: bool,
    /// Where a data connection will come.
    pub end: Endpoint,
    /// The frame that said so.
    pub frame: u64,
}

/// Announced end points, and those that were announced twice.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    passive: VecDeque<Announcement>,
    pairs: BTreeMap<(u64, u64), Exchange>,
}

#[derive(Debug)]
struct Exchange {
    from: Endpoint,
    to: Endpoint,
    client: Endpoint,
    ends: Vec<Endpoint>,
    frames: Vec<u64>,
    count: u64,
}

impl Exchanges {
    pub(super) fn announced(&mut self, announcement: Announcement) {
        if announcement.passive {
            if self.passive.len() >= ANNOUNCEMENTS {
                self.passive.pop_front();
            }
            self.passive.push_back(announcement);
            return;
        }
        if announcement.end.address == announcement.client.address {
            return;
        }
        let other = self.passive.iter().rev().find(|passive| {
            passive.session != announcement.session
                && passive.client.address == announcement.client.address
                && passive.end.port == announcement.end.port
                && (passive.end.address == announcement.end.address
                    || passive.server.address == announcement.end.address)
        });
        let Some(&other) = other else {
            return;
        };
        let key = (other.session, announcement.session);
        if self.pairs.len() >= PAIRS && !self.pairs.contains_key(&key) {
            return;
        }
        let exchange = self.pairs.entry(key).or_insert_with(|| Exchange {
            from: other.server,
            to: announcement.server,
            client: announcement.client,
            ends: Vec::new(),
            frames: Vec::new(),
            count: 0,
        });
        exchange.count += 1;
        for end in [other.end, announcement.end] {
            if exchange.ends.len() < ENDS && !exchange.ends.contains(&end) {
                exchange.ends.push(end);
            }
        }
        for frame in [other.frame, announcement.frame] {
            if exchange.frames.len() < MOST_FRAMES && !exchange.frames.contains(&frame) {
                exchange.frames.push(frame);
            }
        }
    }

    pub(super) fn of(&self, session: u64) -> Vec<DataTrouble> {
        let mut troubles = Vec::new();
        for (&(passive, active), exchange) in &self.pairs {
            let other = if passive == session {
                active
            } else if active == session {
                passive
            } else {
                continue;
            };
            troubles.extend(
                exchange
                    .ends
                    .iter()
                    .map(|&end| DataTrouble::ServerToServer { end, other }),
            );
        }
        troubles
    }

    pub(super) fn finish(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.pairs)
            .into_iter()
            .map(|((passive, active), exchange)| {
                let times = match exchange.count {
                    1 => "once".to_owned(),
                    count => format!("{count} times"),
                };
                let (a, b, client) = (exchange.from, exchange.to, exchange.client.ip());
                let end = exchange
                    .ends
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

/// Passive end points remembered.
const ANNOUNCEMENTS: usize = 4096;
/// Pairs of sessions remembered.
const PAIRS: usize = 1000;
/// End points remembered of one pair.
const ENDS: usize = 1000;

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
    fn an_end_point_of_one_server_told_to_another_is_an_exchange() {
        let mut exchanges = Exchanges::default();
        exchanges.announced(announcement(1, 2, 1, true, (1, 5001)));
        exchanges.announced(announcement(2, 2, 9, false, (1, 5001)));
        assert_eq!(
            exchanges.of(1),
            [DataTrouble::ServerToServer {
                end: Endpoint::v4([10, 0, 0, 1], 5001),
                other: 2
            }]
        );
        assert_eq!(exchanges.of(2).len(), 1);
        assert!(exchanges.of(3).is_empty());
        let findings = exchanges.finish();
        assert_eq!(
            (findings[0].id.as_str(), findings[0].sessions.as_slice()),
            ("fxp", &[1, 2][..])
        );
        assert_eq!(findings[0].frames, [10, 20]);
    }

    #[test]
    fn a_bounce_and_another_client_are_none() {
        let mut exchanges = Exchanges::default();
        exchanges.announced(announcement(1, 2, 1, true, (1, 5001)));
        exchanges.announced(announcement(2, 2, 9, false, (1, 25)));
        exchanges.announced(announcement(3, 66, 9, false, (1, 5001)));
        exchanges.announced(announcement(1, 2, 1, false, (1, 5001)));
        exchanges.announced(announcement(4, 2, 9, false, (2, 5001)));
        assert!(exchanges.finish().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut exchanges = Exchanges::default();
        for session in 0..10_000 {
            exchanges.announced(announcement(session, 2, 1, true, (1, 5001)));
            exchanges.announced(announcement(session + 1, 2, 9, false, (1, 5001)));
        }
        assert_eq!(
            (exchanges.passive.len(), exchanges.pairs.len()),
            (ANNOUNCEMENTS, PAIRS)
        );
    }
}
