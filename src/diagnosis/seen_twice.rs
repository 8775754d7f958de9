//! `session-seen-twice` and `session-in-halves`: one session, captured before and after address translation.
//!
//! Both legs are there at the same time, and at least one of their addresses differs. Translators keep sequence numbers (RFC
//! 3022 section 4.1): with the same dialogue, those of the first bytes of both streams prove one connection, also where no
//! port is announced, and under TLS. A proxy numbers anew; its legs have the same dialogue and announce the same ports. Sessions that only look alike, as of scheduled clients,
//! differ in the ports that the server announced to them.
//!
//! A firewall that records packets as they arrive has the client's before the translation and the server's after it: two
//! sessions, each with one direction. Each half states the first byte of both streams, one by its SYN and one by its
//! acknowledgment.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{DataTrouble, Draft};
use crate::model::record::{Finding, Opener, Session, Severity};
use crate::model::{Endpoint, Span, Timestamp};
use crate::protocol::ftp::{extended_passive_reply, passive_reply};

/// Sessions that were captured whole on both sides.
#[derive(Debug, Default)]
pub(super) struct SessionLegs {
    /// By the sequence numbers of the first bytes of client and server, and the hash of their dialogue.
    by_starts: Pairing<([u32; 2], u64)>,
    /// By the hash of a dialogue that announces ports.
    by_dialogue: Pairing<u64>,
}

/// Sessions of which one direction was captured on each side, by the sequence numbers of the first bytes of client and server.
#[derive(Debug, Default)]
pub(super) struct SessionHalves(Pairing<[u32; 2]>);

/// Recent sessions by a key that is the same on both sides of a translator, and the pairs found.
#[derive(Debug)]
struct Pairing<K> {
    known: BTreeMap<K, Leg>,
    /// Keys of `known`, oldest first.
    order: VecDeque<K>,
    pairs: Vec<(Leg, Leg)>,
}

/// A session on one side of a translator.
#[derive(Clone, Debug)]
struct Leg {
    session: u64,
    client: Endpoint,
    server: Endpoint,
    start: Timestamp,
    end: Timestamp,
    /// Frame of the greeting, 0 if it was not captured.
    frame: u64,
    /// End whose packets are missing; `None` if both were captured.
    unseen: Option<Opener>,
}

impl SessionLegs {
    /// Adds a finished session and pairs it with an equal one.
    pub(super) fn on_session_end(&mut self, session: &Session, evidence: &[DataTrouble]) {
        let (dialogue, has_announced) = dialogue_hash(session);
        let whole = control_starts(evidence).filter(|(unseen, _)| unseen.is_none());
        if let Some((_, starts)) = whole
            && self
                .by_starts
                .add((starts, dialogue), Leg::of(session, None))
        {
            return;
        }
        // Different sessions may have equal dialogues, but not the same ports.
        if has_announced {
            self.by_dialogue.add(dialogue, Leg::of(session, None));
        }
    }

    /// Returns a finding for each pair, and forgets the pairs.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        let mut findings = self.by_starts.finish(Self::draft);
        findings.extend(self.by_dialogue.finish(Self::draft));
        findings
    }

    fn draft(a: &Leg, b: &Leg) -> Draft<'static> {
        Draft {
            id: "session-seen-twice",
            severity: Severity::Info,
            title: format!(
                "sessions {} and {} are one session, captured on both sides of address translation",
                a.session, b.session
            ),
            explanation: format!(
                "The same was said at the same time from {} to {} and from {} to {}, on the same connection or with the same ports announced for data: the capture holds both legs of one session, so its packets, transfers and bytes count twice.",
                a.client, a.server, b.client, b.server
            ),
            advice: "Look at one of the two only, or capture on one side of the translator.",
            frames: frames_of(a, b),
        }
    }
}

impl SessionHalves {
    /// Adds a finished session of which one direction was captured, and pairs it with its other half.
    pub(super) fn on_session_end(&mut self, session: &Session, evidence: &[DataTrouble]) {
        if let Some((Some(unseen), starts)) = control_starts(evidence) {
            self.0.add(starts, Leg::of(session, Some(unseen)));
        }
    }

    /// Returns a finding for each pair, and forgets the pairs.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        self.0.finish(|a, b| Draft {
            id: "session-in-halves",
            severity: Severity::Info,
            title: format!(
                "sessions {} and {} are halves of one session, captured on two sides of address translation",
                a.session, b.session
            ),
            explanation: format!(
                "Of {} to {} only one direction was captured, of {} to {} only the other, and the sequence numbers of each fit the other: one connection, recorded as packets arrived at a translator. Nothing is missing: the commands are in one session, their replies in the other, and the bytes of files may be under 'Data connections without a command'.",
                a.client, a.server, b.client, b.server
            ),
            advice: "Read both as one, or capture on one side of the translator.",
            frames: frames_of(a, b),
        })
    }
}

impl<K: Ord + Copy> Pairing<K> {
    /// Adds a session and pairs it with the first one of its key, if that is its other side. Returns whether it is.
    fn add(&mut self, key: K, leg: Leg) -> bool {
        if let Some(known) = self.known.get(&key) {
            let pair = known.is_translation_of(&leg);
            if pair && self.pairs.len() < MAX_PAIRS {
                self.pairs.push((known.clone(), leg));
            }
            return pair;
        }
        self.known.insert(key, leg);
        self.order.push_back(key);
        if self.order.len() > MAX_SESSIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }

    /// Returns the finding that `draft` words for each pair, the session with the lower id first, and forgets the pairs.
    fn finish(&mut self, draft: impl Fn(&Leg, &Leg) -> Draft<'static>) -> Vec<Finding> {
        let pairs = std::mem::take(&mut self.pairs);
        let findings = pairs.into_iter().map(|(a, b)| {
            let (a, b) = if a.session < b.session {
                (a, b)
            } else {
                (b, a)
            };
            let mut finding = draft(&a, &b).about(None, None);
            finding.sessions = vec![a.session, b.session];
            finding
        });
        findings.collect()
    }
}

// Written out: the derived one would demand that keys have a default, too.
impl<K> Default for Pairing<K> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            order: VecDeque::new(),
            pairs: Vec::new(),
        }
    }
}

impl Leg {
    fn of(session: &Session, unseen: Option<Opener>) -> Self {
        Self {
            unseen,
            session: session.id,
            client: Endpoint::new(session.client.ip, session.client.port),
            server: Endpoint::new(session.server.ip, session.server.port),
            start: session.start,
            end: session.end,
            frame: session
                .greeting
                .as_ref()
                .map_or(0, |greeting| greeting.frame),
        }
    }

    /// Returns whether two legs of one key are one session. Of halves, each has to lack what the other has.
    fn is_translation_of(&self, other: &Self) -> bool {
        let near = |a: Timestamp, b: Timestamp| a.max(b).since(a.min(b)) <= MAX_TRANSIT;
        let translated = self.client.address != other.client.address
            || self.server.address != other.server.address;
        let completes = self.unseen.is_none() || self.unseen != other.unseen;
        // Legs are there together; clients that try one after the other are not.
        let overlap = self.start.max(other.start) <= self.end.min(other.end);
        translated
            && completes
            && overlap
            && near(self.start, other.start)
            && near(self.end, other.end)
    }
}

/// Returns the side that was not captured, if one was not, and the sequence numbers of the first bytes; `None` if the
/// handshake is not known.
fn control_starts(evidence: &[DataTrouble]) -> Option<(Option<Opener>, [u32; 2])> {
    evidence.iter().find_map(|item| match item {
        DataTrouble::ControlStarts { unseen, starts } => Some((*unseen, *starts)),
        _ => None,
    })
}

/// Returns the frames of the greetings that were captured.
fn frames_of(a: &Leg, b: &Leg) -> Vec<u64> {
    [a.frame, b.frame]
        .into_iter()
        .filter(|&frame| frame > 0)
        .collect()
}

/// Hashes the dialogue without its addresses. Returns with it whether a passive port was announced.
fn dialogue_hash(session: &Session) -> (u64, bool) {
    // Fixed keys suffice: a forged collision pairs sessions only if times and addresses agree as well.
    let mut hasher = DefaultHasher::new();
    let mut announced = false;
    for command in session.steps.iter().flat_map(|step| &step.commands) {
        command.verb.hash(&mut hasher);
        // A translator that supports FTP rewrites addresses in arguments and replies; ports mostly stay.
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
    (hasher.finish(), announced)
}

/// Limit of the time a packet takes through a translator.
const MAX_TRANSIT: Span = Span::from_millis(250);
/// Limit of the sessions kept for comparison.
const MAX_SESSIONS: usize = 10_000;
/// Limit of the pairs reported.
const MAX_PAIRS: usize = 1000;
