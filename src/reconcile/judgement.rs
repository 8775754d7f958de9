//! Outcomes: differences of matched claims, reasons for those that cannot be compared, and events that lack a line.
//!
//! Nothing is accused that may be innocent. A claim without an event is `log-only` only if the wire was captured without loss
//! just there, by a capture that sees this client, and the clock of the log is known. An event without a line is `wire-only`
//! only if the log covers its time, and its grammar such events.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::ServerChoice;
use super::answer::{ClaimOutcome, Difference, Value};
use super::claim::{Claim, ClaimKind, ClaimStatus, LoggedType};
use super::comparison::{Field, Fields, status_word};
use super::log::{Ending, Sought};
use super::matching::{Held, Match};
use super::names::Prefixes;
use super::wire::{Wire, WireEvent, WireResult, WireSession};
use crate::model::record::Completeness;
use crate::model::{Span, Timestamp};

/// End point of a server.
pub(super) type ServerKey = (IpAddr, u16);

/// The outcome of one claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    /// Outcome.
    pub(super) outcome: ClaimOutcome,
    /// Differences.
    pub(super) differences: Vec<Difference>,
    /// Reason, for `not-comparable`.
    pub(super) reason: Option<&'static str>,
}

impl Judged {
    const fn plain(outcome: ClaimOutcome) -> Self {
        Self {
            outcome,
            differences: Vec::new(),
            reason: None,
        }
    }

    /// Returns the outcome of a claim that cannot be compared.
    #[must_use]
    pub(super) const fn because(reason: &'static str) -> Self {
        Self {
            outcome: ClaimOutcome::NotComparable,
            differences: Vec::new(),
            reason: Some(reason),
        }
    }
}

/// Judges a claim with its event.
#[must_use]
pub(super) fn judge_match(
    held: &Held,
    found: Match,
    wire: &Wire,
    prefixes: &Prefixes,
    times: bool,
) -> Judged {
    let Some(event) = wire.events.get(found.event as usize) else {
        return Judged::plain(ClaimOutcome::Agrees);
    };
    let fields = Fields::of(&held.claim, event, prefixes);
    let mut differences = differences(&held.claim, event, fields);
    if times
        && !found.in_time
        && let Some(&time) = held.times.get(found.shift)
    {
        differences.push(Difference {
            field: "time",
            log: Value::Time(time),
            wire: Value::Time(event.end),
        });
    }
    if !differences.is_empty() {
        return Judged {
            differences,
            ..Judged::plain(ClaimOutcome::Differs)
        };
    }
    if let Some(content) = &event.content
        && held.claim.kind == ClaimKind::Transfer
        && held.claim.bytes.is_some()
    {
        if event.result == WireResult::Done && !content.captured {
            return Judged::because("data connection not captured");
        }
        if content.sealed && content.bytes.is_none() {
            return Judged::because(SEALED);
        }
        // What the capture's end or its losses hide may be more or less than the log says.
        let is_failed = held.claim.status == Some(ClaimStatus::Failed);
        let is_broken = content.completeness == Completeness::Aborted || is_failed;
        if event.result == WireResult::Open
            && !content.sealed
            && content.completeness != Completeness::Complete
            && !is_broken
        {
            return Judged::because("not finished in the capture");
        }
        if fields.bytes == Field::Unknown
            && (content.missing > 0 || content.completeness == Completeness::Gaps)
        {
            return Judged::because(LOSSY);
        }
    }
    Judged::plain(ClaimOutcome::Agrees)
}

fn differences(claim: &Claim, event: &WireEvent, fields: Fields) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut add = |differs: bool, field, log: Value, wire: Value| {
        if differs {
            differences.push(Difference { field, log, wire });
        }
    };
    let content = event.content.as_deref();
    add(
        fields.bytes.differs(),
        "bytes",
        claim
            .bytes
            .map_or(Value::Null(()), |bytes| Value::Count(bytes.count)),
        match content.and_then(|content| content.bytes) {
            Some(bytes) => Value::Count(bytes),
            None => Value::Null(()),
        },
    );
    let status = claim.status.unwrap_or(match claim.code {
        Some(code) if code >= 400 => ClaimStatus::Failed,
        _ => ClaimStatus::Done,
    });
    add(
        fields.status.differs(),
        "status",
        Value::Text(status_word(claim.kind, status).to_owned()),
        Value::Text(wire_status(claim.kind, event).to_owned()),
    );
    add(
        fields.user.differs(),
        "user",
        text(claim.user.as_deref().map(str::as_bytes)),
        text(event.user.as_ref().map(|user| user.name.as_bytes())),
    );
    let (log, wire) = match (&event.renamed, &claim.new_path) {
        (Some(renamed), Some(new)) => {
            let old = claim.path.as_deref().unwrap_or_default();
            let joined = |old: &[u8], new: &[u8]| [old, new].join(&b' ');
            let wire_old = event.path.as_deref().or(event.argument.as_deref());
            let wire_new = renamed.path.as_deref().unwrap_or(&renamed.argument);
            (
                Some(joined(old, new)),
                Some(joined(wire_old.unwrap_or_default(), wire_new)),
            )
        }
        _ => (
            claim.path.clone(),
            event
                .path
                .as_deref()
                .or(event.argument.as_deref())
                .map(<[u8]>::to_vec),
        ),
    };
    add(
        fields.path.differs(),
        "path",
        text(log.as_deref()),
        text(wire.as_deref()),
    );
    let type_name = |ascii| Value::Text(if ascii { "ascii" } else { "image" }.to_owned());
    add(
        fields.data_type.differs(),
        "type",
        type_name(claim.data_type == Some(LoggedType::Ascii)),
        type_name(content.is_some_and(|content| content.ascii)),
    );
    let seconds = |nanos: u64| {
        Value::Seconds(Span::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)).seconds())
    };
    add(
        fields.duration.differs(),
        "duration",
        claim.duration.map_or(Value::Null(()), seconds),
        content.map_or(Value::Null(()), |content| seconds(content.duration.1)),
    );
    differences
}

fn text(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null(()), |bytes| {
        Value::Text(String::from_utf8_lossy(bytes).into_owned())
    })
}

/// Returns the result of an event: of a transfer its completeness, unless a reply says that it failed.
fn wire_status(kind: ClaimKind, event: &WireEvent) -> &'static str {
    let by_reply = |status| status_word(kind, status);
    match (&event.content, event.result) {
        (Some(content), result) if kind == ClaimKind::Transfer => match content.completeness {
            Completeness::Aborted => "aborted",
            Completeness::Truncated => "truncated",
            Completeness::Gaps => "gaps",
            _ if matches!(result, WireResult::Refused | WireResult::Broken) => "failed",
            Completeness::Complete => "complete",
            Completeness::Unverifiable => "unverifiable",
        },
        (_, WireResult::Done) => by_reply(ClaimStatus::Done),
        (_, WireResult::Refused | WireResult::Broken) => by_reply(ClaimStatus::Failed),
        (_, WireResult::Open) => "unknown",
    }
}

/// The captures' view of one log's server.
pub(super) struct View<'a> {
    wire: &'a Wire,
    /// Servers that lines of the log fit.
    servers: HashSet<ServerKey>,
    /// Sessions of these servers by client.
    sessions: HashMap<IpAddr, Vec<&'a WireSession>>,
    /// Times of sessions with losses.
    losses: Vec<(Timestamp, Timestamp)>,
}

impl<'a> View<'a> {
    /// Collects the sessions of the servers.
    #[must_use]
    pub(super) fn new(
        wire: &'a Wire,
        servers: HashSet<ServerKey>,
        given: Option<ServerChoice>,
    ) -> Self {
        let mut sessions: HashMap<IpAddr, Vec<&WireSession>> = HashMap::new();
        let mut losses = Vec::new();
        for session in &wire.sessions {
            // A session on another port of a server's host may be encrypted, or its server unknown.
            let is_of_log = given.map_or_else(
                || servers.is_empty() || servers.iter().any(|(ip, _)| *ip == session.server.0),
                |given| given.holds(session.server),
            );
            if is_of_log {
                sessions.entry(session.client.ip).or_default().push(session);
                if session.lossy {
                    losses.push((session.start, session.end));
                }
            }
        }
        Self {
            wire,
            servers,
            sessions,
            losses,
        }
    }

    /// Judges a claim without an event.
    #[must_use]
    pub(super) fn judge_unmatched(
        &self,
        held: &Held,
        time: Option<Timestamp>,
        clock_is_known: bool,
    ) -> Judged {
        self.obstacle(held, time, clock_is_known)
            .map_or(Judged::plain(ClaimOutcome::LogOnly), Judged::because)
    }

    /// Returns true for a match of a log whose clock is not known that differs and may be one by chance: names of files occur in
    /// many sessions, of other servers and other days too. The line is about the event only if user and port of the client are
    /// those of the wire, and the clock is off by a zone at most (`is_zone`).
    #[must_use]
    pub(super) fn may_be_chance(
        &self,
        held: &Held,
        found: Match,
        is_zone: bool,
        prefixes: &Prefixes,
    ) -> bool {
        let Some(event) = self.wire.events.get(found.event as usize) else {
            return false;
        };
        let fields = Fields::of(&held.claim, event, prefixes);
        if differences(&held.claim, event, fields).is_empty() {
            return false;
        }
        let session = self.wire.sessions.get(event.session as usize);
        let is_other_port = session
            .zip(held.claim.client_port)
            .is_some_and(|(session, port)| session.client.port != port);
        !is_zone || fields.user.differs() || is_other_port
    }

    /// Returns the reason why absence from the wire proves nothing; `None` if it does.
    fn obstacle(
        &self,
        held: &Held,
        time: Option<Timestamp>,
        clock_is_known: bool,
    ) -> Option<&'static str> {
        let Some(time) = time else {
            return Some("the line names no time");
        };
        // Nothing of such a client can be compared, whatever the clock.
        let own = held.client.and_then(|client| self.sessions.get(&client));
        if own.is_some_and(|own| own.iter().all(|session| session.sealed)) {
            return Some(SEALED);
        }
        if !clock_is_known {
            // Of a client that is nowhere in the captures, no clock would bring an event.
            let is_elsewhere = held.client.is_some() && own.is_none();
            return Some(if is_elsewhere {
                NO_CLIENT
            } else {
                "clock of the log not known"
            });
        }
        let took = held.claim.duration.unwrap_or(0).min(i64::MAX as u64);
        let began = time.plus(Span::from_nanos(-i64::try_from(took).unwrap_or(i64::MAX)));
        if !self.covers(began, time) {
            let is_inside = self
                .wire
                .covered
                .iter()
                .any(|(first, last)| *first <= time && time <= *last);
            return Some(if is_inside { AT_EDGE } else { OUTSIDE });
        }
        if self.servers.is_empty() {
            let is_sealed = own.is_some_and(|own| own.iter().any(|session| session.sealed));
            return Some(if is_sealed {
                SEALED
            } else {
                "server not captured"
            });
        }
        if self.wire.is_partial {
            return Some("part of the packets was left out");
        }
        let Some(client) = held.client else {
            return Some("the line names no address of the client");
        };
        if held.claim.kind == ClaimKind::Transfer && held.claim.path.is_none() {
            return Some("the line names no file");
        }
        let Some(sessions) = own else {
            // A capture of a single client says nothing of others.
            let sees_many = self.sessions.len() > 1;
            // What a server's host sends to itself passes no interface.
            let is_own = self.servers.iter().any(|(server, _)| *server == client);
            return (!sees_many || is_own || client.is_loopback()).then_some(NO_CLIENT);
        };
        let near = |session: &&&WireSession| {
            session.start <= time.plus(EDGE) && time <= session.end.plus(EDGE)
        };
        for session in sessions.iter().filter(near) {
            if session.sealed {
                return Some(SEALED);
            }
            if session.rejected {
                return Some("session left out by --where or --session");
            }
            if session.lossy {
                return Some(LOSSY);
            }
            if session.midstream && began <= session.start.plus(EDGE) {
                return Some("capture began late");
            }
        }
        let is_lossy = |(start, end): &(Timestamp, Timestamp)| {
            *start <= time.plus(EDGE) && time <= end.plus(EDGE)
        };
        self.losses.iter().any(is_lossy).then_some(LOSSY)
    }

    /// Returns true if one span of the captures holds both times, whatever was cut off the line's time.
    fn covers(&self, began: Timestamp, time: Timestamp) -> bool {
        let inside = |(first, last): &(Timestamp, Timestamp)| {
            first.plus(CUT_BEFORE) <= began && time.plus(CUT_BEHIND) <= *last
        };
        self.wire.covered.iter().any(inside)
    }
}

/// Returns the form in which a log is asked for a line about the event; `None` if a missing line proves nothing.
#[must_use]
pub(super) fn sought(event: &WireEvent) -> Option<Sought<'_>> {
    let code = event.code?;
    if event.verb.is_empty() || event.is_split {
        return None;
    }
    // Most servers write about a rename at RNTO only.
    if event.kind == ClaimKind::Rename && event.verb == "RNFR" {
        return None;
    }
    let is_broken = event.content.as_ref().is_some_and(|content| {
        matches!(
            content.completeness,
            Completeness::Aborted | Completeness::Truncated | Completeness::Gaps
        )
    });
    let ending = match event.result {
        WireResult::Open => return None,
        WireResult::Done if is_broken && event.kind == ClaimKind::Transfer => Ending::BrokenOff,
        WireResult::Done => Ending::Done,
        WireResult::Refused => Ending::Refused,
        WireResult::Broken => Ending::BrokenOff,
    };
    // Refused before the server looked at the file: no data connection, no login, wrong syntax.
    let is_formal =
        matches!(code, 421 | 425 | 500..=504 | 530 | 532 | 534) || event.permission_denied;
    if ending != Ending::Done && is_formal && event.kind != ClaimKind::Login {
        return None;
    }
    if event.kind == ClaimKind::Login && !matches!(code, 230 | 232 | 530) {
        return None;
    }
    Some(Sought {
        kind: event.kind,
        direction: event.direction,
        verb: &event.verb,
        ending,
    })
}

/// Reason of claims outside of the captures.
pub(super) const OUTSIDE: &str = "outside the capture's time";

/// Reason of claims within the captures about what may have begun before them, or ended after them.
pub(super) const AT_EDGE: &str = "too near the beginning or the end of the capture";

const NO_CLIENT: &str = "client not captured";

const SEALED: &str = "TLS not opened";

const LOSSY: &str = "capture lossy";

/// A line about an event before the first packet is at most this much later than that packet: the clock's error is known to a
/// part of the second that was cut off.
const CUT_BEFORE: Span = Span::from_millis(1_000);

/// A line about an event behind the last packet is at most this much earlier than that packet.
const CUT_BEHIND: Span = Span::from_millis(1_000);

/// A server may write about the end of a session this much later.
const EDGE: Span = Span::from_secs(5);
