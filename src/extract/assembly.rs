//! Assembly of files transferred in parts: REST after an aborted transfer, segments over several connections, APPE
//! after STOR.
//!
//! In: the saved files in their order. Out: for each path that its parts cover without a gap one more file,
//! `<name>~assembled`, and the list of pieces: which bytes come from which part. The parts stay as they are.
//!
//! Parts of one file have the same client, server, path and direction. If a session does not show its working directory
//! (the additional connections of a segmented download do not), its name must be that of one known path, and bytes that
//! parts share must be equal. Parts are used only if the bytes on the wire are those of the file (TYPE I, STRU F, MODE
//! S), and only if at least one begins behind the first byte or is appended. A complete file, and a STOR from the first
//! byte, begin a new version. Of overlapping parts the earlier one is used; differing bytes are counted and their
//! ranges reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::folder::{Folder, numbered, safe_parts};
use crate::model::record::{Address, Completeness};
use crate::model::wire_text::decode;
use crate::model::{Endpoint, Settled, hex};

/// Parts saved so far, by the file they may belong to.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// Versions of each file, and the parts of each version.
    groups: BTreeMap<Key, Vec<Vec<Part>>>,
    parts: usize,
    /// Parts beyond the limit.
    omitted: u64,
}

/// Identity of a file that parts may belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    client: std::net::IpAddr,
    server: (std::net::IpAddr, u16),
    upload: bool,
    name: RemoteName,
}

/// An assembled file as the manifest lists it.
#[derive(Debug, Serialize)]
pub(super) struct Assembled {
    client: std::net::IpAddr,
    server: Address,
    direction: &'static str,
    /// `null` if the working directory of no part is known.
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    pub(super) saved_as: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// Pieces in order of their bytes.
    parts: Vec<Piece>,
    /// Bytes in which overlapping parts differ.
    conflicting_bytes: u64,
    /// Ranges of these bytes, half-open.
    conflicting_ranges: Vec<[u64; 2]>,
}

impl Assembly {
    /// Adds a saved file, if it may be a part of another.
    pub(super) fn add(&mut self, settled: &Settled<'_>, saved_as: &str) {
        let (Some(session), Some(transfer), Some(name)) =
            (settled.session, settled.transfer, RemoteName::of(settled))
        else {
            return;
        };
        if !settled.plain {
            return;
        }
        let key = Key {
            client: settled.client.ip(),
            server: (settled.server.ip(), settled.server.port),
            upload: settled.verb != "RETR",
            name,
        };
        if self.parts >= PARTS {
            self.omitted += 1;
            return;
        }
        let versions = self.groups.entry(key).or_default();
        let appends = settled.verb == "APPE";
        let offset = if appends {
            // APPE begins at the size that the server stated, or else where the parts before it end without a gap.
            let before = versions.last().and_then(|parts| end_of(parts));
            match settled.told_size.or(before) {
                Some(offset) => offset,
                None => return,
            }
        } else {
            settled.restart_offset
        };
        let whole = settled.completeness == Completeness::Complete;
        let part = Part {
            session,
            transfer,
            saved_as: saved_as.to_owned(),
            offset,
            length: settled.length,
            holes: settled.missing_ranges.to_vec(),
            ends: whole,
            stated_size: settled
                .told_size
                .filter(|_| !appends && settled.verb == "RETR"),
            continues: appends || offset > 0,
            placed: settled.path.is_some(),
        };
        // A download from the first byte that broke off is a part of the same version; an upload replaces the file.
        let begins = offset == 0 && !appends && (whole || settled.verb != "RETR");
        if begins || versions.is_empty() {
            if versions.len() >= VERSIONS {
                // The oldest versions are the least likely to be continued.
                versions.remove(0);
            }
            versions.push(Vec::new());
        }
        if let Some(parts) = versions.last_mut() {
            parts.push(part);
            self.parts += 1;
        }
    }

    /// Removes the parts of sessions that were filtered out.
    pub(super) fn withdraw(&mut self, sessions: &BTreeSet<u64>) {
        for parts in self.groups.values_mut().flatten() {
            parts.retain(|part| !sessions.contains(&part.session));
        }
    }

    /// Writes all files that can be assembled into the folders that `enter` opens. Returns them in the order of their
    /// first parts, and the number of omitted parts.
    pub(super) fn finish(
        self,
        root: &Folder,
        mut enter: impl FnMut(&[&str]) -> io::Result<Folder>,
    ) -> (Vec<Assembled>, u64) {
        let mut plans: Vec<(Key, Vec<Part>, u64)> = Vec::new();
        for (key, versions) in merge_names_into_paths(self.groups) {
            for parts in versions {
                if let Some(size) = coverable(&parts) {
                    plans.push((key.clone(), parts, size));
                }
            }
        }
        plans.sort_by_key(|(_, parts, _)| {
            parts
                .first()
                .map_or((0, 0), |part| (part.session, part.transfer))
        });
        let mut done = Vec::new();
        for (key, parts, size) in plans {
            // An assembled file is an addition: if a part cannot be read back, the parts themselves are still there.
            if let Ok(assembled) = assemble(&key, &parts, size, root, &mut enter) {
                done.push(assembled);
            }
        }
        (done, self.omitted)
    }
}

fn assemble(
    key: &Key,
    parts: &[Part],
    size: u64,
    root: &Folder,
    enter: &mut impl FnMut(&[&str]) -> io::Result<Folder>,
) -> io::Result<Assembled> {
    let pieces = pieces(parts, size);
    let placed = parts.iter().rfind(|part| part.placed);
    let beside = placed.or(parts.last()).ok_or(io::ErrorKind::NotFound)?;
    let mut place: Vec<&str> = beside.saved_as.split('/').collect();
    let saved = place.pop().unwrap_or_default();
    let name = safe_parts(key.name.text()).pop();
    let name = name.as_deref().unwrap_or(saved);
    let folder = enter(&place)?;
    let (file, local) = create(&folder, &format!("{name}{SUFFIX}"))?;
    let written = (|| {
        let mut sources = Sources::new(root);
        let mut digest = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        for piece in &pieces {
            let mut at = piece.from;
            while at < piece.to {
                let length = usize::try_from(piece.to - at).map_or(BUFFER, |left| left.min(BUFFER));
                let bytes = &mut buffer[..length];
                sources.read(
                    &piece.saved_as,
                    bytes,
                    piece.from_in_part + (at - piece.from),
                )?;
                digest.update(&*bytes);
                file.write_all_at(bytes, at)?;
                at += length as u64;
            }
        }
        let conflicts = conflicts(parts, size, &file, &mut sources)?;
        if conflicts.0 > 0 && parts.iter().any(|part| !part.placed) {
            // Without a known path, differing bytes mean that the parts are of different files.
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((hex(&digest.finalize()), conflicts))
    })();
    let (sha256, (conflicting_bytes, conflicting_ranges)) = match written {
        Ok(written) => written,
        Err(error) => {
            let _ = folder.remove_file(&local);
            return Err(error);
        }
    };
    let (path, path_b64) = key.name.path().map(decode).unzip();
    Ok(Assembled {
        client: key.client,
        server: Endpoint::new(key.server.0, key.server.1).into(),
        direction: if key.upload { "upload" } else { "download" },
        path,
        path_b64: path_b64.flatten(),
        saved_as: folder.path_of(&local),
        bytes: size,
        sha256,
        parts: pieces,
        conflicting_bytes,
        conflicting_ranges,
    })
}

/// Compares every part with the assembled file. Returns the count of differing bytes and their ranges.
fn conflicts(
    parts: &[Part],
    size: u64,
    file: &File,
    sources: &mut Sources<'_>,
) -> io::Result<(u64, Vec<[u64; 2]>)> {
    let (mut count, mut ranges): (u64, Vec<[u64; 2]>) = (0, Vec::new());
    let (mut ours, mut theirs) = (vec![0; BUFFER], vec![0; BUFFER]);
    for part in parts {
        for [from, to] in captured(part) {
            let mut at = from;
            while at < to.min(size) {
                let left = to.min(size) - at;
                let length = usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER));
                file.read_exact_at(&mut ours[..length], at)?;
                sources.read(&part.saved_as, &mut theirs[..length], at - part.offset)?;
                // Nearly always equal: bytes are compared one by one only in blocks that differ.
                if ours[..length] != theirs[..length] {
                    for (index, (a, b)) in (at..).zip(ours.iter().zip(&theirs).take(length)) {
                        if a == b {
                            continue;
                        }
                        count += 1;
                        if let Some(last) = ranges.last_mut().filter(|last| last[1] == index) {
                            last[1] += 1;
                        } else if ranges.len() < CONFLICTS {
                            ranges.push([index, index + 1]);
                        }
                    }
                }
                at += length as u64;
            }
        }
    }
    Ok((count, ranges))
}

/// Identity of a file on the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RemoteName {
    /// Absolute path.
    Path(Vec<u8>),
    /// Argument of the command, in an unknown directory.
    Name(Vec<u8>),
}

impl RemoteName {
    /// Returns the name of the file of a transfer, or `None` without an argument.
    fn of(settled: &Settled<'_>) -> Option<Self> {
        if let Some(path) = settled.path {
            return Some(Self::Path(path.to_vec()));
        }
        // STOU stores under a name that the server chooses (RFC 959 section 4.1.3).
        let name = settled.argument.filter(|_| settled.verb != "STOU")?;
        let name = name.strip_prefix(b"./").unwrap_or(name);
        (!name.is_empty()).then(|| Self::Name(name.to_vec()))
    }

    /// Returns the path, or `None` if only the argument is known.
    fn path(&self) -> Option<&[u8]> {
        match self {
            Self::Path(path) => Some(path),
            Self::Name(_) => None,
        }
    }

    /// Returns the path, or else the argument.
    fn text(&self) -> &[u8] {
        match self {
            Self::Path(text) | Self::Name(text) => text,
        }
    }
}

/// Adds parts of which only the name is known to those of the one path that ends in it, if that has one version.
fn merge_names_into_paths(
    groups: BTreeMap<Key, Vec<Vec<Part>>>,
) -> impl Iterator<Item = (Key, Vec<Vec<Part>>)> {
    let (mut placed, mut named) = (BTreeMap::new(), BTreeMap::new());
    for (key, versions) in groups {
        if key.name.path().is_some() {
            placed.insert(key, versions);
        } else {
            named.insert(key, versions);
        }
    }
    named.retain(|key, versions: &mut Vec<Vec<Part>>| {
        let mut fitting = placed.iter_mut().filter(|(other, _)| fits(other, key));
        let (Some((_, target)), None) = (fitting.next(), fitting.next()) else {
            return true;
        };
        let ([parts], [more]) = (target.as_mut_slice(), versions.as_slice()) else {
            return true;
        };
        parts.extend_from_slice(more);
        parts.sort_by_key(|part| (part.session, part.transfer));
        false
    });
    placed.into_iter().chain(named)
}

/// Returns true if a name may be that of a path.
fn fits(placed: &Key, named: &Key) -> bool {
    let same =
        (placed.client, placed.server, placed.upload) == (named.client, named.server, named.upload);
    let before = placed.name.text().strip_suffix(named.name.text());
    same && before.is_some_and(|folder| folder.ends_with(b"/"))
}

/// Reader of parts that keeps the latest file open.
struct Sources<'a> {
    root: &'a Folder,
    open: Option<(String, File)>,
}

impl<'a> Sources<'a> {
    const fn new(root: &'a Folder) -> Self {
        Self { root, open: None }
    }

    fn read(&mut self, path: &str, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let file = match self.open.take() {
            Some((open, file)) if open == path => file,
            _ => self.root.read_below(path)?,
        };
        file.read_exact_at(bytes, at)?;
        self.open = Some((path.to_owned(), file));
        Ok(())
    }
}

/// Creates a file under the next free name.
fn create(folder: &Folder, name: &str) -> io::Result<(File, String)> {
    for attempt in 1..=ATTEMPTS {
        let local = numbered(name, attempt, "");
        match folder.create_file(&local) {
            Ok(file) => return Ok((file, local)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// One saved file that may be a part of a larger one.
#[derive(Clone, Debug)]
struct Part {
    session: u64,
    transfer: u64,
    saved_as: String,
    /// Offset of its first byte in the server's file.
    offset: u64,
    /// Bytes of the saved file, gaps included.
    length: u64,
    /// Gaps as half-open ranges of its bytes.
    holes: Vec<[u64; 2]>,
    /// True if its end is the end of the file.
    ends: bool,
    /// Size that the server stated for the whole file; `None` if it stated none.
    stated_size: Option<u64>,
    /// True if it was appended, or begins behind the first byte.
    continues: bool,
    /// True if its path is known, and not only the argument of the command.
    placed: bool,
}

/// Bytes that one part supplies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Piece {
    session: u64,
    transfer: u64,
    saved_as: String,
    /// Offset of the first byte in the assembled file.
    from: u64,
    /// Offset behind the last byte.
    to: u64,
    /// Offset of the first byte in the part.
    from_in_part: u64,
}

/// Returns the end of the parts, or `None` if one of them has a gap.
fn end_of(parts: &[Part]) -> Option<u64> {
    let end = parts
        .iter()
        .filter_map(|part| part.offset.checked_add(part.length))
        .max()?;
    let whole = parts.iter().all(|part| part.holes.is_empty());
    whole.then_some(end)
}

/// Returns the size of the file that the parts cover from its first byte to its last, or `None` if they do not.
fn coverable(parts: &[Part]) -> Option<u64> {
    if parts.len() < 2 || !parts.iter().any(|part| part.continues) {
        return None;
    }
    // The latest statement counts: the file may have grown between transfers.
    let stated = parts.iter().rev().find_map(|part| part.stated_size);
    let agreed = parts
        .iter()
        .all(|part| part.stated_size.is_none_or(|size| Some(size) == stated));
    if !agreed && parts.iter().any(|part| !part.placed) {
        return None;
    }
    let ended = parts
        .iter()
        .filter(|part| part.ends)
        .filter_map(|part| part.offset.checked_add(part.length))
        .max();
    let size = stated.or(ended)?;
    let pieces = pieces(parts, size);
    let mut at = 0;
    for piece in &pieces {
        if piece.from != at {
            return None;
        }
        at = piece.to;
    }
    let several = pieces
        .iter()
        .any(|piece| (piece.session, piece.transfer) != first_of(&pieces));
    (at == size && size > 0 && several).then_some(size)
}

fn first_of(pieces: &[Piece]) -> (u64, u64) {
    pieces
        .first()
        .map_or((0, 0), |piece| (piece.session, piece.transfer))
}

/// Divides `size` bytes among the parts: the earliest part that has a byte supplies it.
fn pieces(parts: &[Part], size: u64) -> Vec<Piece> {
    // Assigned ranges by their beginning.
    let mut assigned: BTreeMap<u64, (u64, Piece)> = BTreeMap::new();
    for part in parts {
        for [from, to] in captured(part) {
            let to = to.min(size);
            let mut at = from;
            while at < to {
                // The range that covers this byte, or else begins next.
                let here = assigned.range(..=at).next_back().map(|(_, (end, _))| *end);
                if let Some(end) = here.filter(|end| *end > at) {
                    at = end;
                    continue;
                }
                let next = assigned.range(at..).next().map_or(to, |(begin, _)| *begin);
                let until = next.min(to);
                assigned.insert(
                    at,
                    (
                        until,
                        Piece {
                            session: part.session,
                            transfer: part.transfer,
                            saved_as: part.saved_as.clone(),
                            from: at,
                            to: until,
                            from_in_part: at - part.offset,
                        },
                    ),
                );
                at = until;
            }
        }
    }
    assigned.into_values().map(|(_, piece)| piece).collect()
}

/// Returns the ranges of the server's file that a part holds.
fn captured(part: &Part) -> Vec<[u64; 2]> {
    let mut ranges = Vec::new();
    let mut at = 0;
    let end = [[part.length, part.length]];
    for [from, to] in part.holes.iter().chain(&end) {
        if *from > at
            && let (Some(from), Some(to)) =
                (part.offset.checked_add(at), part.offset.checked_add(*from))
        {
            ranges.push([from, to]);
        }
        at = at.max(*to);
    }
    ranges
}

/// Suffix of the name of an assembled file.
const SUFFIX: &str = "~assembled";
/// Parts kept per run.
const PARTS: usize = 65_536;
/// Versions kept per path.
const VERSIONS: usize = 64;
/// Names tried for one file.
const ATTEMPTS: u64 = 1_000;
/// Bytes copied or compared at once.
const BUFFER: usize = 64 << 10;
/// Ranges of conflicting bytes reported per file.
const CONFLICTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn part(transfer: u64, offset: u64, length: u64) -> Part {
        Part {
            session: 1,
            transfer,
            saved_as: transfer.to_string(),
            offset,
            length,
            holes: Vec::new(),
            ends: false,
            stated_size: None,
            continues: offset > 0,
            placed: true,
        }
    }

    fn map(parts: &[Part], size: u64) -> Vec<(u64, u64, u64, u64)> {
        pieces(parts, size)
            .iter()
            .map(|piece| (piece.transfer, piece.from, piece.to, piece.from_in_part))
            .collect()
    }

    #[test]
    fn earlier_part_supplies_the_bytes_and_gaps_supply_none() {
        let mut first = part(1, 0, 60);
        first.holes = vec![[20, 30]];
        let parts = [first, part(2, 10, 90)];
        assert_eq!(
            map(&parts, 100),
            [
                (1, 0, 20, 0),
                (2, 20, 30, 10),
                (1, 30, 60, 30),
                (2, 60, 100, 50)
            ]
        );
    }

    #[test]
    fn only_parts_that_cover_the_whole_file_are_assembled() {
        let stated = |parts: [Part; 2]| {
            parts.map(|part| Part {
                stated_size: Some(100),
                ..part
            })
        };
        assert_eq!(
            coverable(&stated([part(1, 0, 60), part(2, 60, 40)])),
            Some(100)
        );
        assert_eq!(coverable(&stated([part(1, 0, 60), part(2, 61, 39)])), None);
        assert_eq!(coverable(&stated([part(1, 0, 60), part(2, 60, 30)])), None);
        assert_eq!(coverable(&[part(1, 0, 60), part(2, 60, 40)]), None);
        let ends = [
            part(1, 0, 60),
            Part {
                ends: true,
                ..part(2, 60, 40)
            },
        ];
        assert_eq!(coverable(&ends), Some(100));
        assert_eq!(coverable(&stated([part(1, 0, 100), part(2, 0, 100)])), None);
    }

    #[test]
    fn offsets_near_the_maximum_do_not_overflow() {
        let parts = [part(1, 0, 10), part(2, u64::MAX - 3, 10)];
        assert_eq!(coverable(&parts), None);
        assert_eq!(map(&parts, u64::MAX), [(1, 0, 10, 0)]);
    }
}
