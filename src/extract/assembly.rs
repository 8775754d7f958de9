//! Files that came in parts: REST after a transfer that broke off, segments over several connections, APPE after STOR.
//!
//! In: what was saved, in the order in which it was. Out: for each path whose parts cover it without a hole one more
//! file, `<name>~assembled`, and the map that tells which bytes come from which part. The parts stay as they are.
//!
//! Only parts of the same client, server, path and direction make a file. Where a session never said in which folder it is
//! (the other connections of a download in segments do not), the name it asked for must be that of one known path, and
//! bytes that parts have in common must be the same. Parts are taken only where the bytes on the wire are the
//! file's own (TYPE I, STRU F, MODE S), and only where at least one of them is said to begin behind the first byte or to
//! go on where another ended. A whole file, and a STOR from the first byte, begin a new version.
//! Where parts overlap, the earlier one is kept; bytes that differ are counted and their ranges told.

mod cover;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use self::cover::{Part, Piece, captured, coverable, end_of, pieces};
use self::place::{Place, bring_together};
use super::folder::Folder;
use super::safe_name::{numbered, safe_parts};
use crate::model::record::{Address, Completeness};
use crate::model::wire_text::decode;
use crate::model::{Endpoint, Settled, hex};

/// The parts that were saved so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    groups: BTreeMap<Key, Vec<Vec<Part>>>,
    parts: usize,
    /// Parts beyond the bound.
    omitted: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    client: std::net::IpAddr,
    server: (std::net::IpAddr, u16),
    upload: bool,
    place: Place,
}

/// An assembled file, as the manifest tells it.
#[derive(Debug, Serialize)]
pub(super) struct Assembled {
    client: std::net::IpAddr,
    server: Address,
    direction: &'static str,
    /// `null` where no part tells the folder.
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    pub(super) saved_as: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// Which bytes come from where, in order.
    parts: Vec<Piece>,
    /// Bytes in which parts that overlap differ.
    conflicting_bytes: u64,
    /// Where they do: from, to.
    conflicting_ranges: Vec<[u64; 2]>,
}

impl Assembly {
    /// A file was saved.
    pub(super) fn add(&mut self, settled: &Settled<'_>, saved_as: &str) {
        let (Some(session), Some(transfer), Some(place)) =
            (settled.session, settled.transfer, Place::of(settled))
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
            place,
        };
        if self.parts >= PARTS {
            self.omitted += 1;
            return;
        }
        let versions = self.groups.entry(key).or_default();
        let appends = settled.verb == "APPE";
        let offset = if appends {
            // The server knows how much it has; else it is what was sent before, all of which must have been seen.
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
            told_size: settled
                .told_size
                .filter(|_| !appends && settled.verb == "RETR"),
            goes_on: appends || offset > 0,
            placed: settled.path.is_some(),
        };
        let begins = offset == 0 && !appends && (whole || settled.verb != "RETR");
        if begins || versions.is_empty() {
            if versions.len() >= VERSIONS {
                versions.remove(0);
            }
            versions.push(Vec::new());
        }
        if let Some(parts) = versions.last_mut() {
            parts.push(part);
            self.parts += 1;
        }
    }

    /// These sessions turned out not to be asked for.
    pub(super) fn withdraw(&mut self, sessions: &BTreeSet<u64>) {
        for parts in self.groups.values_mut().flatten() {
            parts.retain(|part| !sessions.contains(&part.session));
        }
    }

    /// Writes all files that can be assembled into the folders that `enter` opens; gives them in the order of their
    /// first parts, and how many parts were not looked at.
    pub(super) fn finish(
        self,
        root: &Folder,
        mut enter: impl FnMut(&[&str]) -> io::Result<Folder>,
    ) -> (Vec<Assembled>, u64) {
        let mut plans: Vec<(Key, Vec<Part>, u64)> = Vec::new();
        for (key, versions) in bring_together(self.groups) {
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
            // A part that cannot be read back makes no assembled file; the parts are there all the same.
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
    let name = safe_parts(key.place.text()).pop();
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
            // They are of different files.
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
    let (path, path_b64) = key.place.path().map(decode).unzip();
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

/// Compares every part with what was assembled.
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

/// The parts as files, the last one open.
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

/// A new file, under the next free name.
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

/// What stands behind the name of an assembled file.
const SUFFIX: &str = "~assembled";
/// Parts kept of one run.
const PARTS: usize = 65_536;
/// Versions kept of one path.
const VERSIONS: usize = 64;
const ATTEMPTS: u64 = 1_000;
const BUFFER: usize = 64 << 10;
/// Ranges of conflicting bytes told of one file.
const CONFLICTS: usize = 1_000;
