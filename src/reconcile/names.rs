//! Names of files as logs write them, compared with those of the wire.
//!
//! A log may write `_` for a blank and `?` for a byte that it cannot print, so that a name is a pattern. It may also write
//! the path in the server's own file system, where the wire has the one inside the folder that the user is locked into:
//! the difference is a [`Prefix`], learned from matches that are certain otherwise.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::claim::{Claim, NameChanges, PathForm};
use super::wire::WireEvent;
use crate::protocol::ftp::path::normalise;

/// Returns true for the names of anonymous logins (RFC 1635).
#[must_use]
pub(super) fn is_anonymous(user: &str) -> bool {
    user.eq_ignore_ascii_case("anonymous") || user.eq_ignore_ascii_case("ftp")
}

/// Joins an argument to the working directory and normalizes it; `None` if it is relative and the directory is unknown.
#[must_use]
pub(super) fn absolute(folder: Option<&[u8]>, argument: &[u8]) -> Option<Box<[u8]>> {
    if argument.starts_with(b"/") {
        return Some(normal(argument).into());
    }
    let mut path = folder?.to_vec();
    path.push(b'/');
    path.extend_from_slice(argument);
    Some(normal(&path).into())
}

/// Removes `//`, `/./`, `/../` and a slash at the end; a relative path stays relative.
#[must_use]
pub(super) fn normal(path: &[u8]) -> Vec<u8> {
    let mut normal = normalise(path);
    if !path.starts_with(b"/") {
        normal.remove(0);
    }
    normal
}

/// Hashes the last component of a path so that all forms in which a log may write it have the same hash.
#[must_use]
pub(super) fn loose_hash(path: &[u8]) -> u64 {
    let end = path.strip_suffix(b"/").unwrap_or(path);
    let name = end.rsplit(|&byte| byte == b'/').next().unwrap_or(end);
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    // Blanks may be joined in the log, and one byte be three of a replacement character.
    let mut before = 0;
    let shown = name.iter().filter_map(|&byte| {
        let shown = if is_kept(byte) { byte } else { b'_' };
        let repeats = shown == b'_' && before == b'_';
        before = shown;
        (!repeats).then_some(shown)
    });
    let mut hasher = DefaultHasher::new();
    for byte in shown.take(HASHED_BYTES) {
        hasher.write_u8(byte);
    }
    hasher.finish()
}

/// Returns true if the log's name may stand for the wire's.
#[must_use]
pub(super) fn fits(log: &[u8], wire: &[u8], changes: NameChanges) -> bool {
    if log == wire {
        return true;
    }
    let byte_fits = |log: u8, wire: u8| {
        let unprintable = wire.is_ascii_control() || wire >= 0x80;
        log == wire
            || log == b'_' && changes.underscores && (wire == b' ' || unprintable)
            || log == b'?' && changes.question_marks && unprintable
            || log == b'+' && changes.plus_signs && wire == b' '
    };
    let pairs = || log.iter().zip(wire);
    if log.len() == wire.len() && pairs().all(|(&log, &wire)| byte_fits(log, wire)) {
        return true;
    }
    // Servers cut names to the size of a buffer.
    if log.len() >= CUT_NAME && log.len() < wire.len() {
        return pairs().all(|(&log, &wire)| byte_fits(log, wire));
    }
    if changes.joined_blanks && joined_blanks(wire).is_some_and(|wire| log == wire) {
        return true;
    }
    // Written as UTF-8 by a server that takes the wire's bytes for Latin-1.
    let latin: String = wire.iter().map(|&byte| char::from(byte)).collect();
    log == latin.as_bytes()
}

/// Returns the words of a name with one blank between them, as `ProFTPD` reads and writes them; `None` if it is so already.
///
/// A word ends at white space or, if it begins with a quote, at the next one: `my "draft".txt` is `my draft .txt`.
#[must_use]
pub(super) fn joined_blanks(name: &[u8]) -> Option<Vec<u8>> {
    let is_blank = u8::is_ascii_whitespace;
    let mut words: Vec<&[u8]> = Vec::new();
    let mut rest = name.trim_ascii_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix(b"\"");
        let word = quoted.unwrap_or(rest);
        let ends = |byte: &u8| {
            if quoted.is_some() {
                *byte == b'"'
            } else {
                is_blank(byte)
            }
        };
        let end = word.iter().position(ends).unwrap_or(word.len());
        words.push(&word[..end]);
        rest = word.get(end + 1..).unwrap_or_default().trim_ascii_start();
    }
    let joined = words.join(&b' ');
    (joined != name).then_some(joined)
}

/// Returns the name of the wire as a log writes it that has replacement characters for bytes that are not UTF-8 (pyftpdlib).
fn replaced<'n>(log: &[u8], wire: &'n [u8]) -> Cow<'n, [u8]> {
    if memchr::memmem::find(log, REPLACEMENT).is_none() {
        return wire.into();
    }
    match String::from_utf8_lossy(wire) {
        Cow::Borrowed(text) => text.as_bytes().into(),
        Cow::Owned(text) => text.into_bytes().into(),
    }
}

/// The beginning of a path that only the log has, and the one that only the wire has; one of them is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Prefix {
    log: Vec<u8>,
    wire: Vec<u8>,
}

/// Relation of two paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// The paths are the same but for a prefix.
    Prefix(Prefix),
    /// Only the argument is known, and it fits.
    Argument,
    /// Different files.
    Different,
    /// One side has no path.
    Unknown,
}

/// Compares a path of a log with the absolute path and the argument on the wire.
#[must_use]
pub(super) fn relate(
    log: &[u8],
    form: PathForm,
    changes: NameChanges,
    path: Option<&[u8]>,
    argument: Option<&[u8]>,
) -> Relation {
    let (path, argument) = (
        path.map(|path| replaced(log, path)),
        argument.map(|argument| replaced(log, argument)),
    );
    let (path, argument) = (path.as_deref(), argument.as_deref());
    if form == PathForm::Argument && argument.is_some_and(|argument| fits(log, argument, changes)) {
        return Relation::Argument;
    }
    let log = normal(log);
    if let Some(path) = path {
        if fits(&log, path, changes) {
            return Relation::Prefix(Prefix::default());
        }
        if let Some(prefix) = extra(&log, path, |log, wire| fits(log, wire, changes)) {
            return Relation::Prefix(Prefix {
                log: prefix,
                wire: Vec::new(),
            });
        }
        if form != PathForm::Argument
            && let Some(prefix) = extra(path, &log, |wire, log| fits(log, wire, changes))
        {
            return Relation::Prefix(Prefix {
                log: Vec::new(),
                wire: prefix,
            });
        }
        return Relation::Different;
    }
    let Some(argument) = argument else {
        return Relation::Unknown;
    };
    let argument = normal(argument);
    let end = argument.strip_prefix(b"/").unwrap_or(&argument);
    let tail = log.len().checked_sub(end.len()).map(|at| log.split_at(at));
    match tail {
        Some((head, tail)) if fits(tail, end, changes) => {
            if head.is_empty() || head.ends_with(b"/") {
                Relation::Argument
            } else {
                Relation::Different
            }
        }
        _ => Relation::Different,
    }
}

/// Returns what `long` has in front of `short`; `None` if it does not end with it.
fn extra(long: &[u8], short: &[u8], same: impl Fn(&[u8], &[u8]) -> bool) -> Option<Vec<u8>> {
    if !short.starts_with(b"/") {
        return None;
    }
    let (head, tail) = long.split_at(long.len().checked_sub(short.len())?);
    // The root alone is the end of a path whose last component it cuts off.
    let short_is_root = short == b"/";
    if short_is_root && !head.is_empty() {
        return Some(long.to_vec());
    }
    (!head.is_empty() && same(tail, short)).then(|| head.to_vec())
}

/// Replacements of `--path-map`.
#[derive(Clone, Debug, Default)]
pub struct PathMap {
    /// Prefix in the log, and what it is on the wire, longest first.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl PathMap {
    /// Creates a map; of several prefixes that fit, the longest counts.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut pairs: Vec<_> = pairs
            .into_iter()
            .map(|(from, to)| (normal(from.as_bytes()), normal(to.as_bytes())))
            .collect();
        pairs.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Self { pairs }
    }

    /// Replaces the prefix of a path in place.
    pub(super) fn apply(&self, path: &mut Vec<u8>) {
        if self.pairs.is_empty() {
            return;
        }
        let plain = normal(path);
        for (from, to) in &self.pairs {
            let Some(rest) = plain.strip_prefix(from.as_slice()) else {
                continue;
            };
            if rest.is_empty() || rest.starts_with(b"/") || from.ends_with(b"/") {
                let mut mapped = to.clone();
                mapped.push(b'/');
                mapped.extend_from_slice(rest);
                *path = normal(&mapped);
                return;
            }
        }
    }
}

/// Prefixes of one log, with the number of certain matches that have them, by user.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    votes: HashMap<(Option<String>, Prefix), u64>,
    totals: HashMap<Option<String>, u64>,
}

impl Prefixes {
    /// Counts the prefix of a match.
    pub(super) fn vote(&mut self, user: Option<&str>, prefix: &Prefix) {
        if self.votes.len() >= MAX_PREFIXES {
            return;
        }
        let own = user.map(|user| Some(user.to_owned()));
        for user in own.into_iter().chain([None]) {
            *self
                .votes
                .entry((user.clone(), prefix.clone()))
                .or_default() += 1;
            *self.totals.entry(user).or_default() += 1;
        }
    }

    /// Adds the votes of another log.
    pub(super) fn merge(&mut self, other: &Self) {
        for (key, votes) in &other.votes {
            *self.votes.entry(key.clone()).or_default() += votes;
        }
        for (user, votes) in &other.totals {
            *self.totals.entry(user.clone()).or_default() += votes;
        }
    }

    /// Returns true if the prefix is usual for the user: a single odd one among others is a difference.
    #[must_use]
    pub(super) fn accept(&self, user: Option<&str>, prefix: &Prefix) -> bool {
        let key = (user.map(str::to_owned), prefix.clone());
        let votes = self.votes.get(&key).copied().unwrap_or(0);
        let total = self.totals.get(&key.0).copied().unwrap_or(0);
        votes >= 2 || votes.saturating_mul(2) >= total
    }
}

/// Compares the paths of a claim with those of an event.
#[must_use]
pub(super) fn path_of(claim: &Claim, event: &WireEvent) -> Relation {
    let Some(log) = claim.path.as_deref() else {
        return Relation::Unknown;
    };
    let relation = |log: &[u8], path: Option<&[u8]>, argument: Option<&[u8]>| {
        let (form, changes) = (claim.path_form, claim.name_changes);
        match relate(log, form, changes, path, argument) {
            Relation::Different if event.is_split => relate(
                log,
                form,
                changes,
                path.map(first_line),
                argument.map(first_line),
            ),
            relation => relation,
        }
    };
    let old = |log: &[u8]| relation(log, event.path.as_deref(), event.argument.as_deref());
    let Some(renamed) = &event.renamed else {
        let same = Relation::Prefix(Prefix::default());
        let requested = requested_path(event).map(|path| relation(log, Some(&path), None));
        return match requested {
            Some(found) if found == same => found,
            _ => old(log),
        };
    };
    let new = |log: &[u8]| relation(log, renamed.path.as_deref(), Some(&renamed.argument));
    if claim.names_joined {
        // The blank between the names may be any of them.
        let blanks = log.iter().enumerate().filter(|(_, byte)| **byte == b' ');
        for (at, _) in blanks.take(MAX_BLANKS) {
            let old = old(&log[..at]);
            if old != Relation::Different && new(&log[at + 1..]) != Relation::Different {
                return old;
            }
        }
        return Relation::Different;
    }
    // A line of RNTO may name the new path alone.
    let (old, new) = match &claim.new_path {
        Some(new_path) => (Some(old(log)), new(new_path)),
        None => (None, new(log)),
    };
    // The reader knows the old name from another line, which may be that of another session.
    let is_of_one_line = claim.verb.as_deref() != Some("RNTO");
    match (old.filter(|_| is_of_one_line), new) {
        (Some(Relation::Different), _) | (_, Relation::Different) => Relation::Different,
        (_, new) => new,
    }
}

/// Returns the path that the argument of STOU means, which vsftpd logs in place of the unique one that it chose; without an
/// argument that of the folder. `None` for other commands, or if the unique path is not known.
#[must_use]
pub(super) fn requested_path(event: &WireEvent) -> Option<Vec<u8>> {
    let chosen = event.path.as_deref().filter(|_| event.verb == "STOU")?;
    let folder = &chosen[..memchr::memrchr(b'/', chosen)?];
    let argument = event.argument.as_deref().unwrap_or_default();
    absolute(Some(folder), argument).map(Vec::from)
}

/// Returns a name as far as the first line end in it: more of it does not stand in the same line of a log.
#[must_use]
pub(super) fn first_line(name: &[u8]) -> &[u8] {
    match memchr::memchr3(0, b'\r', b'\n', name) {
        Some(end) => &name[..end],
        None => name,
    }
}

/// Hashes a value for an index.
pub(super) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Bytes of a name that count for its hash; names may be cut behind them.
const HASHED_BYTES: usize = 40;

/// Length from which a name may have been cut.
const CUT_NAME: usize = 200;

/// Prefixes kept for one log.
const MAX_PREFIXES: usize = 10_000;

/// Blanks of a joined pair of names that are tried.
const MAX_BLANKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(log: &str, wire: &str) -> Relation {
        let changes = NameChanges::default();
        relate(
            log.as_bytes(),
            PathForm::Real,
            changes,
            Some(wire.as_bytes()),
            None,
        )
    }

    #[test]
    fn real_path_is_the_seen_one_behind_a_prefix() {
        let Relation::Prefix(found) = prefix("/srv/ftp//pub/a.bin", "/pub/a.bin") else {
            panic!("related");
        };
        assert_eq!(found.log, b"/srv/ftp");
        assert_eq!(
            prefix("/srv/ftp/xpub/a.bin", "/pub/a.bin"),
            Relation::Different
        );
        assert_eq!(
            prefix("/srv/ftp/pub/b.bin", "/pub/a.bin"),
            Relation::Different
        );
    }

    #[test]
    fn odd_prefix_among_usual_ones_is_not_accepted() {
        let mut prefixes = Prefixes::default();
        let usual = Prefix {
            log: b"/srv/ftp".to_vec(),
            wire: Vec::new(),
        };
        let odd = Prefix {
            log: b"/srv/ftp/other".to_vec(),
            wire: Vec::new(),
        };
        for _ in 0..3 {
            prefixes.vote(Some("mira"), &usual);
        }
        prefixes.vote(Some("mira"), &odd);
        assert!(prefixes.accept(Some("mira"), &usual));
        assert!(!prefixes.accept(Some("mira"), &odd));
    }

    #[test]
    fn changed_characters_of_a_name_are_patterns() {
        let changes = NameChanges {
            underscores: true,
            question_marks: true,
            plus_signs: false,
            joined_blanks: false,
        };
        assert!(fits(b"/a_b??.txt", "/a bö.txt".as_bytes(), changes));
        assert!(!fits(b"/a_b.txt", b"/axb.txt", changes));
        assert_eq!(
            loose_hash(b"/x/a_b??.txt"),
            loose_hash("/a bö.txt".as_bytes())
        );
    }

    #[test]
    fn several_blanks_may_be_one_in_the_log() {
        let joined = NameChanges {
            joined_blanks: true,
            ..NameChanges::default()
        };
        assert!(fits(b"a b.txt", b"  a \t b.txt ", joined));
        assert!(fits(b"a  b.txt", b"a  b.txt", joined));
        assert!(!fits(b"a  b.txt", b"a b.txt", joined));
        assert!(!fits(b"a b.txt", b"a  b.txt", NameChanges::default()));
    }

    #[test]
    fn words_in_quotes_are_words_in_the_log() {
        let joined = NameChanges {
            joined_blanks: true,
            ..NameChanges::default()
        };
        assert!(fits(b"my draft .txt", b"my \"draft\".txt", joined));
        assert!(fits(b"a b.bin", b"a\tb.bin", joined));
        assert!(fits(b"qu\"ote\".bin", b"qu\"ote\".bin", joined));
        assert!(!fits(b"qu ote .bin", b"qu\"ote\".bin", joined));
        assert!(!fits(b"my draft.txt", b"my \"draft\".txt", joined));
        for (log, wire) in [
            (&b"my draft .txt"[..], &b"my \"draft\".txt"[..]),
            ("gr\u{fffd}\u{fffd}e.txt".as_bytes(), b"gr\xfc\xdfe.txt"),
        ] {
            assert_eq!(loose_hash(log), loose_hash(wire));
        }
    }

    #[test]
    fn replacement_characters_stand_for_bytes_that_are_not_utf_8() {
        let log = "/srv/ftp/gr\u{fffd}\u{fffd}e.txt".as_bytes();
        let changes = NameChanges::default();
        let related = |argument: &'static [u8], path: Option<&'static [u8]>| {
            relate(log, PathForm::Real, changes, path, Some(argument))
        };
        assert_eq!(related(b"gr\xfc\xdfe.txt", None), Relation::Argument);
        assert_eq!(related(b"gr\xfcse.txt", None), Relation::Different);
        let by_path = related(b"gr\xfc\xdfe.txt", Some(b"/gr\xfc\xdfe.txt"));
        assert!(matches!(by_path, Relation::Prefix(_)), "{by_path:?}");
    }

    #[test]
    fn path_map_replaces_whole_components() {
        let map = PathMap::new([("/srv/ftp".to_owned(), "/".to_owned())]);
        let mut path = b"/srv/ftp/pub/a".to_vec();
        map.apply(&mut path);
        assert_eq!(path, b"/pub/a");
        let mut path = b"/srv/ftpx/a".to_vec();
        map.apply(&mut path);
        assert_eq!(path, b"/srv/ftpx/a");
    }
}
