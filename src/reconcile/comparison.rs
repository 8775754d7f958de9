//! Comparison of one claim with one event, field by field.
//!
//! A field differs only where both sides can know: bytes that the capture lost, an end that it does not show and numbers
//! that servers count in their own way are [`Field::Unknown`].

use super::claim::{
    Claim, ClaimKind, ClaimStatus, Counted, Direction, LoggedType, NameChanges, PathForm,
};
use super::names::{self, Prefixes, Relation};
use super::wire::{Content, WireEvent, WireResult, WireUser};
use crate::model::record::Completeness;

/// Result for one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Both sides have it, and it is the same.
    Agrees,
    /// Both sides have it, and it is not the same.
    Differs,
    /// One side does not have it, or cannot know it.
    Unknown,
}

impl Field {
    const fn of(agrees: bool) -> Self {
        if agrees { Self::Agrees } else { Self::Differs }
    }

    /// Returns true for a difference.
    #[must_use]
    pub(super) fn differs(self) -> bool {
        self == Self::Differs
    }
}

/// Results for all fields but the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    /// Path or argument.
    pub(super) path: Field,
    /// User.
    pub(super) user: Field,
    /// Bytes.
    pub(super) bytes: Field,
    /// Result.
    pub(super) status: Field,
    /// Representation type.
    pub(super) data_type: Field,
    /// Duration.
    pub(super) duration: Field,
}

impl Fields {
    /// Compares all fields.
    #[must_use]
    pub(super) fn of(claim: &Claim, event: &WireEvent, prefixes: &Prefixes) -> Self {
        Self {
            path: path(claim, event, prefixes),
            user: user(claim, event),
            bytes: bytes(claim, event),
            status: status(claim, event),
            data_type: data_type(claim, event),
            duration: duration(claim, event),
        }
    }

    /// Counts the differences.
    #[must_use]
    pub(super) fn differences(self) -> usize {
        [
            self.path,
            self.user,
            self.bytes,
            self.status,
            self.data_type,
            self.duration,
        ]
        .into_iter()
        .filter(|field| field.differs())
        .count()
    }
}

/// Compares paths; of listings and commands, the argument where the log has that.
fn path(claim: &Claim, event: &WireEvent, prefixes: &Prefixes) -> Field {
    let is_option = |argument: &[u8]| argument.starts_with(b"-");
    if claim.kind == ClaimKind::List
        && (event.argument.as_deref().is_none_or(is_option)
            || claim.path.as_deref().is_none_or(is_option))
    {
        return Field::Unknown;
    }
    match names::path_of(claim, event) {
        Relation::Prefix(prefix) => Field::of(prefixes.accept(claim.user.as_deref(), &prefix)),
        Relation::Argument => Field::Agrees,
        Relation::Different => Field::of(names_end_of_argument(claim, event)),
        Relation::Unknown => Field::Unknown,
    }
}

/// Returns true if a command's argument ends with the file that the log names: `MFMT 20261129172100 a.txt`.
fn names_end_of_argument(claim: &Claim, event: &WireEvent) -> bool {
    if claim.kind != ClaimKind::Command || claim.path_form == PathForm::Argument {
        return false;
    }
    let path = claim.path.as_deref().unwrap_or_default();
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    let argument = event.argument.as_deref().unwrap_or_default();
    !name.is_empty() && argument.ends_with(name)
}

/// Compares users. `anonymous`, `ftp` and the password given are one user (RFC 1635); Windows puts a domain in front.
fn user(claim: &Claim, event: &WireEvent) -> Field {
    let Some(log) = &claim.user else {
        return Field::Unknown;
    };
    if claim.kind == ClaimKind::Command && event.verb == "USER" {
        return match event.argument.as_deref() {
            Some(argument) => Field::of(names::fits(log.as_bytes(), argument, USER_CHANGES)),
            None => Field::Unknown,
        };
    }
    let Some(wire) = &event.user else {
        return Field::Unknown;
    };
    if claim.user_is_inferred && !same_user(log, wire) {
        return Field::Unknown;
    }
    if log.is_empty() || log == "-" || log == "?" {
        return Field::Unknown;
    }
    Field::of(same_user(log, wire))
}

/// Returns true if the log's name may stand for the user of the wire.
#[must_use]
pub(super) fn same_user(log: &str, wire: &WireUser) -> bool {
    let plain = log.rsplit('\\').next().unwrap_or(log);
    let fits = |name: &str| names::fits(plain.as_bytes(), name.as_bytes(), USER_CHANGES);
    if fits(&wire.name) {
        return true;
    }
    if !wire.is_anonymous() {
        return false;
    }
    // The password of an anonymous login stands for the user in an xferlog; without one, the server writes `?` or its own.
    names::is_anonymous(plain) || wire.password.as_deref().is_none_or(fits)
}

/// Compares the numbers of bytes.
fn bytes(claim: &Claim, event: &WireEvent) -> Field {
    let (Some(claimed), Some(content)) = (claim.bytes, &event.content) else {
        return Field::Unknown;
    };
    let Some(wire) = content.bytes else {
        return Field::Unknown;
    };
    let count = claimed.count;
    if event.result == WireResult::Refused {
        return Field::of(count == 0);
    }
    // How a server counts blocks and compressed bytes is not known.
    if !content.stream {
        return Field::Unknown;
    }
    let is_append = event.verb == "APPE" || event.verb == "STOU";
    if claimed.counted == Counted::WholeFile && (is_append || event.is_broken()) {
        return Field::Unknown;
    }
    let missing = content.missing;
    let within = |least: u64| (least..=least.saturating_add(missing)).contains(&count);
    let offset = content.restart;
    let decoded = content.decoded.filter(|_| content.ascii);
    let mut agrees = within(wire) || decoded.is_some_and(within);
    if matches!(claimed.counted, Counted::WholeFile | Counted::Unknown) && offset > 0 {
        agrees |= within(wire.saturating_add(offset));
        agrees |= decoded.is_some_and(|decoded| within(decoded.saturating_add(offset)));
    }
    if agrees {
        return Field::Agrees;
    }
    if content.completeness == Completeness::Gaps || missing > 0 && event.is_broken() {
        return Field::Unknown;
    }
    if event.is_broken() {
        return Field::of(broken_bytes(claim, content, count, wire));
    }
    // The end is not in the capture.
    if event.code.is_none() && content.completeness != Completeness::Complete {
        return Field::Unknown;
    }
    Field::Differs
}

/// Returns the distance between the bytes that a line claims and those of the wire; 0 where one side has none.
#[must_use]
pub(super) fn bytes_apart(claim: &Claim, event: &WireEvent) -> u64 {
    let wire = event.content.as_ref().and_then(|content| content.bytes);
    let pair = claim.bytes.zip(wire);
    pair.map_or(0, |(claimed, wire)| claimed.count.abs_diff(wire))
}

/// Returns true if the bytes agree as the server that wrote the line is known to count them.
#[must_use]
pub(super) fn is_exact(claim: &Claim, event: &WireEvent) -> bool {
    let (Some(claimed), Some(content)) = (claim.bytes, &event.content) else {
        return true;
    };
    let wire = Some(claimed.count) == content.bytes;
    match claimed.counted {
        Counted::Wire => wire,
        Counted::File => match content.decoded.filter(|_| content.ascii) {
            Some(decoded) => claimed.count == decoded,
            None => wire,
        },
        Counted::WholeFile | Counted::Unknown => true,
    }
}

/// Compares the bytes of a transfer that broke off.
///
/// A server counts what it gave to its own TCP, of which the wire carried less. The last piece that it gave may not count,
/// though a part of it was sent: at least what the client acknowledged does, less that piece. Of an upload, a server counts what
/// it read before the connection ended, which may be less than what arrived.
fn broken_bytes(claim: &Claim, content: &Content, count: u64, wire: u64) -> bool {
    let arrived = wire.saturating_add(content.missing);
    match claim.direction {
        // Pure-FTPd writes 0 where it learns of the end before it counts.
        Some(Direction::Download)
            if count == 0 && (claim.status.is_none() || !claim.status_is_judged) =>
        {
            true
        }
        Some(Direction::Download) => {
            let mut least = content.decoded.map_or(wire, |decoded| decoded.min(wire));
            least = least.min(content.acknowledged.unwrap_or(wire));
            // Of a text that broke off, it is not known how many line ends were changed: each may be one byte of the file.
            if content.ascii && content.decoded.is_none() && claimed_as_stored(claim) {
                least /= 2;
            }
            let least = least.saturating_sub(PIECE);
            (least..=arrived.saturating_add(SEND_BUFFER)).contains(&count)
        }
        Some(Direction::Upload) => (wire.saturating_sub(SEND_BUFFER)..=arrived).contains(&count),
        None => (wire.saturating_sub(SEND_BUFFER)..=arrived.saturating_add(SEND_BUFFER))
            .contains(&count),
    }
}

/// Returns true if the server may count bytes of the file, before line ends are changed.
fn claimed_as_stored(claim: &Claim) -> bool {
    claim
        .bytes
        .is_some_and(|bytes| bytes.counted != Counted::Wire)
}

/// Compares results.
fn status(claim: &Claim, event: &WireEvent) -> Field {
    let by_code = match claim.code {
        Some(code) if code >= 400 => Some(ClaimStatus::Failed),
        Some(200..400) if claim.status.is_none() && claim.kind != ClaimKind::Transfer => {
            Some(ClaimStatus::Done)
        }
        _ => None,
    };
    let Some(claimed) = claim.status.or(by_code) else {
        return Field::Unknown;
    };
    let by_reply = match event.result {
        WireResult::Done => Some(ClaimStatus::Done),
        WireResult::Refused | WireResult::Broken => Some(ClaimStatus::Failed),
        WireResult::Open => None,
    };
    let Some(content) = event
        .content
        .as_ref()
        .filter(|_| claim.kind == ClaimKind::Transfer)
    else {
        return by_reply.map_or(Field::Unknown, |wire| Field::of(wire == claimed));
    };
    match (claimed, content.completeness) {
        (_, Completeness::Gaps) => {
            by_reply.map_or(Field::Unknown, |wire| Field::of(wire == claimed))
        }
        // Lost packets may hide the end.
        (ClaimStatus::Done, Completeness::Truncated) if event.code.is_none() => Field::Unknown,
        (ClaimStatus::Done, Completeness::Aborted) if arrived_whole(claim, event, content) => {
            Field::Agrees
        }
        (ClaimStatus::Done, Completeness::Aborted | Completeness::Truncated) => Field::Differs,
        (ClaimStatus::Done, _) => Field::of(by_reply != Some(ClaimStatus::Failed)),
        (ClaimStatus::Failed, Completeness::Aborted | Completeness::Truncated) => Field::Agrees,
        (ClaimStatus::Failed, _) => {
            by_reply.map_or(Field::Unknown, |wire| Field::of(wire == claimed))
        }
    }
}

/// Returns true if all bytes that a log claims arrived before the receiver closed, and the server was content: a client that
/// knows the size need not wait for the end.
fn arrived_whole(claim: &Claim, event: &WireEvent, content: &Content) -> bool {
    let Some(bytes) = content.bytes else {
        return false;
    };
    event.result == WireResult::Done
        && event.direction == Some(Direction::Download)
        && bytes > 0
        && claim.bytes.is_none_or(|claimed| claimed.count == bytes)
        && content
            .announced
            .map_or(claim.bytes.is_some(), |size| size == bytes)
}

/// Compares types, where the client asked for one: a server's own default is not known.
fn data_type(claim: &Claim, event: &WireEvent) -> Field {
    let (Some(log), Some(content)) = (claim.data_type, &event.content) else {
        return Field::Unknown;
    };
    let moved = content.bytes.is_some_and(|bytes| bytes > 0);
    if !content.type_is_known || !moved {
        return Field::Unknown;
    }
    Field::of((log == LoggedType::Ascii) == content.ascii)
}

/// Compares durations, which servers measure from different moments on: within 1 s or 10 % of one of them.
fn duration(claim: &Claim, event: &WireEvent) -> Field {
    let (Some(log), Some(content)) = (claim.duration, &event.content) else {
        return Field::Unknown;
    };
    if !content.captured || event.code.is_none() || event.is_broken() || content.missing > 0 {
        return Field::Unknown;
    }
    let (shortest, longest) = content.duration;
    let least = shortest
        .min(shortest.saturating_sub(SECOND))
        .min(shortest - shortest / 10);
    let most = longest.saturating_add(SECOND.max(longest / 10));
    Field::of((least..=most).contains(&log))
}

/// The result of an event in the words of a claim.
#[must_use]
pub(super) fn status_word(kind: ClaimKind, status: ClaimStatus) -> &'static str {
    match (kind, status) {
        (ClaimKind::Login, ClaimStatus::Done) => "accepted",
        (ClaimKind::Login, ClaimStatus::Failed) => "rejected",
        (ClaimKind::Transfer | ClaimKind::List, ClaimStatus::Done) => "complete",
        (_, ClaimStatus::Done) => "ok",
        (_, ClaimStatus::Failed) => "failed",
    }
}

/// Bytes of one piece that a server gives to its TCP: if that fails, none of them count, though a part was sent.
const PIECE: u64 = 128 << 10;

/// A server's send buffer: bytes of a broken download that it counts beyond those on the wire.
const SEND_BUFFER: u64 = 16 << 20;

/// Characters of a user that a log may write as others.
const USER_CHANGES: NameChanges = NameChanges {
    underscores: true,
    question_marks: true,
    plus_signs: false,
    joined_blanks: false,
};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
