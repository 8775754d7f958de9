//! `session-seen-twice`: one session, captured before and after address translation.
//!
//! Both legs say the same at the same time between ends of which at least one differs. Two sessions that only look alike
//! differ in the port that the server announced to them, or in what they moved.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::diagnosis::Draft;
use crate::model::record::{Finding, Session, Severity};
use crate::model::{Endpoint, Span, Timestamp};
use crate::protocol::ftp::{extended_passive_reply, passive_reply};

/// Sessions by what was said in them.
#[derive(Debug, Default)]
pub(super) struct Legs {
    known: BTreeMap<u64, Leg>,
    order: VecDeque<u64>,
    pairs: Vec<(Leg, Leg)>,
}

#[derive(Clone, Debug)]
struct Leg {
    session: u64,
    client: Endpoint,
    server: Endpoint,
    start: Timestamp,
    end: Timestamp,
    frame: u64,
}

impl Legs {
    pub(super) fn session_over(&mut self, session: &Session) {
        let Some(said) = said(session) else {
            return;
        };
        let leg = Leg {
            session: session.id,
            client: Endpoint::new(session.client.ip, session.client.port),
            server: Endpoint::new(session.server.ip, session.server.port),
            start: session.start,
            end: session.end,
            frame: session
                .greeting
                .as_ref()
                .map_or(0, |greeting| greeting.frame),
        };
        if let Some(known) = self.known.get(&said) {
            if known.is_of_one_session(&leg) && self.pairs.len() < PAIRS {
                self.pairs.push((known.clone(), leg));
            }
            return;
        }
        self.known.insert(said, leg);
        self.order.push_back(said);
        if self.order.len() > SESSIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn finish(&mut self) -> Vec<Finding> {
        let pairs = std::mem::take(&mut self.pairs);
        let told = pairs.into_iter().map(|(a, b)| {
            let (a, b) = if a.session < b.session { (a, b) } else { (b, a) };
            let mut finding = Draft {
                id: "session-seen-twice",
                severity: Severity::Info,
                title: format!(
                    "sessions {} and {} are one session, captured on both sides of address translation",
                    a.session, b.session
                ),
                explanation: format!(
                    "The same was said at the same time from {} to {} and from {} to {}, with the same ports announced for data: the capture holds both legs of one session, so its packets, transfers and bytes count twice.",
                    a.client, a.server, b.client, b.server
                ),
                advice: "Look at one of the two only, or capture on one side of the translator.",
                frames: vec![a.frame, b.frame].into_iter().filter(|&frame| frame > 0).collect(),
            }
            .about(None, None);
            finding.sessions = vec![a.session, b.session];
            finding
        });
        told.collect()
    }
}

impl Leg {
    fn is_of_one_session(&self, other: &Self) -> bool {
        let near = |a: Timestamp, b: Timestamp| a.max(b).since(a.min(b)) <= TRANSLATION;
        let translated = self.client.address != other.client.address
            || self.server.address != other.server.address;
        translated && near(self.start, other.start) && near(self.end, other.end)
    }
}

/// A number for all that was said, addresses apart; `None` where it is too little to tell one session from another.
fn said(session: &Session) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let mut announced = false;
    for command in session.steps.iter().flat_map(|step| &step.commands) {
        command.verb.hash(&mut hasher);
        if !matches!(command.verb.as_str(), "PORT" | "EPRT" | "LPRT") {
            command.argument.hash(&mut hasher);
        }
        for reply in &command.replies {
            reply.code.hash(&mut hasher);
            let line = reply.lines.last().map_or(&b""[..], |line| line.as_bytes());
            let port = match reply.code {
                227 => passive_reply(line).map(|end| end.port),
                229 => extended_passive_reply(line).map(|found| found.port),
                _ => {
                    reply.lines.hash(&mut hasher);
                    continue;
                }
            };
            announced |= port.is_some();
            port.hash(&mut hasher);
        }
    }
    announced.then(|| hasher.finish())
}

/// How long a packet takes through a translator, at most.
const TRANSLATION: Span = Span::from_millis(250);
/// Sessions remembered.
const SESSIONS: usize = 10_000;
/// Pairs told.
const PAIRS: usize = 1000;
