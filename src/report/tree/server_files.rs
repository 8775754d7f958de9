//! Files and directories of one server, to which observations are applied in order of time.

use std::collections::BTreeMap;

use compact_str::CompactString;

use super::observations::{Fact, Observation, Root, TreePath};
use super::{Entry, EntryEvent, Happening, Source};
use crate::model::Timestamp;
use crate::model::record::{EntryKind, ListingEntry};
use crate::model::wire_text::decode;

/// All entries of one server as one user saw them.
#[derive(Debug)]
pub(super) struct ServerFiles {
    entries: BTreeMap<TreePath, State>,
    /// Bytes of paths that may still be kept.
    path_bytes: usize,
    /// Entries beyond the limits.
    omitted: u64,
    /// Entries that renames of their directories may still move.
    // Renaming a large directory back and forth would otherwise cost its size every time.
    moves: usize,
}

#[derive(Clone, Debug)]
struct State {
    facts: Facts,
    first_seen: Timestamp,
    last_seen: Timestamp,
    exists: bool,
    known_from: Sources,
    events: Vec<EntryEvent>,
    events_omitted: u64,
}

/// Facts about an entry that a rename does not change.
#[derive(Clone, Debug, Default)]
struct Facts {
    kind: Option<EntryKind>,
    size: Option<u64>,
    // Boxed, since most entries of a large tree are known by name alone.
    listed: Option<Box<ListedFacts>>,
}

/// Facts that only listings and MDTM show.
#[derive(Clone, Debug, Default)]
struct ListedFacts {
    modified: Option<CompactString>,
    modified_precision: Option<crate::model::record::Precision>,
    permissions: Option<CompactString>,
    owner: Option<CompactString>,
    group: Option<CompactString>,
    target: Option<CompactString>,
}

/// Set of sources, as a bitmap.
#[derive(Clone, Copy, Debug, Default)]
struct Sources(u16);

impl Sources {
    fn insert(&mut self, source: Source) {
        self.0 |= 1 << source as u16;
    }

    fn list(self) -> Vec<Source> {
        let all = Source::ALL.into_iter();
        all.filter(|source| self.0 & (1 << *source as u16) != 0)
            .collect()
    }
}

impl ServerFiles {
    /// Creates a state without entries that keeps paths of `path_bytes` bytes in all.
    pub(super) fn new(path_bytes: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            path_bytes,
            omitted: 0,
            moves: MOVES,
        }
    }

    /// Applies one observation.
    pub(super) fn apply(&mut self, seen: &Observation) {
        if let Fact::RenamedTo(to) = &seen.fact {
            self.rename(seen, to);
            return;
        }
        let Some(state) = self.entry(&seen.path, seen) else {
            return;
        };
        state.exists = true;
        let mut event = EntryEvent {
            what: Happening::Listed,
            time: seen.time,
            frame: seen.frame,
            capture: seen.place.map(|place| place.capture),
            capture_frame: seen.place.map(|place| place.capture_frame),
            session: seen.session,
            transfer: None,
            completeness: None,
            other: None,
        };
        match &seen.fact {
            Fact::Exists(kind) => {
                state.facts.kind = kind.or(state.facts.kind);
                return;
            }
            Fact::Entry(entry) => {
                state.facts.learn(entry);
                // Clients list the same directory again and again.
                let listed = state.events.last().map(|event| event.what);
                if seen.source != Source::Listing || listed == Some(Happening::Listed) {
                    return;
                }
            }
            Fact::Size(size) => {
                state.facts.size = Some(*size);
                return;
            }
            Fact::Modified(text, precision) => {
                let listed = state.facts.listed.get_or_insert_default();
                listed.modified = Some(text.as_str().into());
                listed.modified_precision = Some(*precision);
                return;
            }
            Fact::Transferred {
                what,
                transfer,
                completeness,
                size,
            } => {
                if *what == Happening::Uploaded {
                    // Size and time of the file that was overwritten are no longer true.
                    state.facts.size = None;
                    if let Some(listed) = &mut state.facts.listed {
                        listed.modified = None;
                        listed.modified_precision = None;
                    }
                }
                state.facts.kind = state.facts.kind.or(Some(EntryKind::File));
                state.facts.size = size.or(state.facts.size);
                event.what = *what;
                event.transfer = Some(*transfer);
                event.completeness = Some(*completeness);
            }
            Fact::Created => {
                state.facts.kind = Some(EntryKind::Directory);
                event.what = Happening::Created;
            }
            Fact::Deleted(kind) => {
                state.facts.kind = state.facts.kind.or(Some(*kind));
                state.exists = false;
                event.what = Happening::Deleted;
            }
            Fact::RenamedTo(_) => {}
        }
        state.push(event);
    }

    /// Returns the entries in the order of a tree, each made when it is asked for.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let entries = self.entries.iter();
        entries.map(|(place, state)| state.entry(place))
    }

    /// Returns the depths of the entries, in their order.
    pub(super) fn depths(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.entries.keys().map(TreePath::depth)
    }

    /// Returns the times of the first and the last observation; `None` without entries.
    pub(super) fn times(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.entries.values().map(|state| state.first_seen).min();
        let last = self.entries.values().map(|state| state.last_seen).max();
        first.zip(last)
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the number of entries beyond the limits.
    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Returns the bytes of paths that may still be kept.
    pub(super) fn path_bytes(&self) -> usize {
        self.path_bytes
    }

    /// Returns the state of a path, created with those of the directories above it; `None` beyond the limits.
    fn entry(&mut self, place: &TreePath, seen: &Observation) -> Option<&mut State> {
        if !self.entries.contains_key(place) {
            let mut missing = Vec::new();
            let mut above = place.parent();
            while let Some(directory) = above {
                if self.entries.contains_key(&directory) {
                    break;
                }
                above = directory.parent();
                missing.push(directory);
            }
            let needed: usize = missing.iter().chain([place]).map(TreePath::bytes).sum();
            if needed > self.path_bytes || self.entries.len() + missing.len() >= ENTRIES {
                self.omitted = self.omitted.saturating_add(1);
                return None;
            }
            self.path_bytes -= needed;
            for directory in missing {
                let mut state = State::new(seen.time);
                state.facts.kind = Some(EntryKind::Directory);
                state.known_from.insert(Source::Path);
                self.entries.insert(directory, state);
            }
            self.entries.insert(place.clone(), State::new(seen.time));
        }
        let state = self.entries.get_mut(place)?;
        state.last_seen = state.last_seen.max(seen.time);
        state.known_from.insert(seen.source);
        Some(state)
    }

    /// Renames an entry and, if it is a directory, the entries in it.
    fn rename(&mut self, seen: &Observation, to: &TreePath) {
        let from = &seen.path;
        // Servers accept a rename to the same name; a directory would otherwise move into itself.
        if from == to {
            return;
        }
        let facts = match self.entry(from, seen) {
            Some(state) => {
                state.exists = false;
                state.push(renamed(seen, Happening::RenamedTo, to));
                state.facts.clone()
            }
            None => Facts::default(),
        };
        if let Some(state) = self.entry(to, seen) {
            state.exists = true;
            state.facts = facts;
            state.push(renamed(seen, Happening::RenamedFrom, from));
        }
        let limit = self.moves;
        // Entries of a directory follow it in the map, since paths are in the order of a tree.
        let inside: Vec<(TreePath, Facts)> = self
            .entries
            .range(from..)
            .skip(1)
            .take_while(|(place, _)| {
                place.root == from.root && place.parts.starts_with(&from.parts)
            })
            .filter(|(place, state)| state.exists && !place.parts.starts_with(&to.parts))
            .take(limit)
            .map(|(place, state)| (place.clone(), state.facts.clone()))
            .collect();
        self.moves -= inside.len();
        for (old, facts) in inside {
            let rest = old.parts.get(from.parts.len()..).unwrap_or_default();
            let new = TreePath {
                root: to.root,
                parts: to.parts.iter().chain(rest).cloned().collect(),
            };
            if let Some(state) = self.entries.get_mut(&old) {
                state.exists = false;
                state.last_seen = seen.time;
                state.push(renamed(seen, Happening::RenamedTo, &new));
            }
            if let Some(state) = self.entry(&new, seen) {
                state.exists = true;
                state.facts = facts;
                state.push(renamed(seen, Happening::RenamedFrom, &old));
            }
        }
    }
}

impl State {
    fn new(time: Timestamp) -> Self {
        Self {
            facts: Facts::default(),
            first_seen: time,
            last_seen: time,
            exists: true,
            known_from: Sources::default(),
            events: Vec::new(),
            events_omitted: 0,
        }
    }

    fn push(&mut self, event: EntryEvent) {
        if self.events.len() < EVENTS {
            // Most entries have one event; a vector would begin with four.
            if self.events.is_empty() {
                self.events.reserve_exact(1);
            }
            self.events.push(event);
        } else {
            self.events_omitted += 1;
        }
    }

    fn entry(&self, place: &TreePath) -> Entry {
        let (path, path_b64) = place.path().map(|path| decode(&path)).unzip();
        let (name, name_b64) = decode(place.name());
        let listed = self.facts.listed.as_deref();
        let text = |of: fn(&ListedFacts) -> &Option<CompactString>| {
            of(listed?).as_ref().map(CompactString::to_string)
        };
        Entry {
            path,
            path_b64: path_b64.flatten(),
            name,
            name_b64,
            depth: place.depth(),
            kind: self.facts.kind,
            size: self.facts.size,
            modified: text(|listed| &listed.modified),
            modified_precision: listed.and_then(|listed| listed.modified_precision),
            permissions: text(|listed| &listed.permissions),
            owner: text(|listed| &listed.owner),
            group: text(|listed| &listed.group),
            target: text(|listed| &listed.target),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            exists: self.exists,
            known_from: self.known_from.list(),
            events: self.events.clone(),
            events_omitted: self.events_omitted,
        }
    }
}

impl Facts {
    /// Replaces facts by those of a listing entry; facts that it does not show stay.
    fn learn(&mut self, entry: &ListingEntry) {
        // An NLST lists names only: its entries are of no known kind.
        if entry.kind != EntryKind::Other || self.kind.is_none() && entry.raw != entry.name {
            self.kind = Some(entry.kind);
        }
        // The size of a directory is that of its own blocks and says nothing about its content.
        if entry.kind != EntryKind::Directory {
            self.size = entry.size.or(self.size);
        }
        let shown = [
            &entry.modified,
            &entry.permissions,
            &entry.owner,
            &entry.group,
            &entry.target,
        ];
        if shown.iter().all(|fact| fact.is_none()) {
            return;
        }
        let listed = self.listed.get_or_insert_default();
        if entry.modified.is_some() {
            listed.modified.clone_from(&entry.modified);
            listed.modified_precision = entry.modified_precision;
        }
        for (ours, theirs) in [
            (&mut listed.permissions, &entry.permissions),
            (&mut listed.owner, &entry.owner),
            (&mut listed.group, &entry.group),
            (&mut listed.target, &entry.target),
        ] {
            if theirs.is_some() {
                ours.clone_from(theirs);
            }
        }
    }
}

fn renamed(seen: &Observation, what: Happening, other: &TreePath) -> EntryEvent {
    let name = if other.root == Root::Unknown {
        other.parts.join(&b'/')
    } else {
        other.path().unwrap_or_default()
    };
    EntryEvent {
        what,
        time: seen.time,
        frame: seen.frame,
        capture: seen.place.map(|place| place.capture),
        capture_frame: seen.place.map(|place| place.capture_frame),
        session: seen.session,
        transfer: None,
        completeness: None,
        other: Some(decode(&name).0),
    }
}

/// Entries kept per server and user.
const ENTRIES: usize = 200_000;
/// Events kept per entry.
const EVENTS: usize = 64;
/// Entries that all renames of directories together may move.
const MOVES: usize = 100_000;
