//! Directory trees of the servers over time, as far as a capture shows them.
//!
//! In: the sessions of a run. Out: for each server and user the files and directories seen, in the order of a tree, each
//! with its facts, their sources, and its events.
//!
//! ```text
//! SessionEnd ──> ServerTrees: KeptSessions, by server and user
//! sessions ──> observations ──(in order of time)──> ServerFiles ──> SeenServer ──> JSON, or report::table::tree
//!  steps: PWD, CWD, MKD, RMD, DELE, RNFR/RNTO, SIZE, MDTM, MLST, STAT
//!  transfers: listings, downloads, uploads
//! ```
//!
//! Later facts win: a SIZE after an upload, a listing after a rename. The directories above an entry are entries too,
//! with [`Source::Path`]. Paths of refused commands are not. Work and memory are limited: entries, the bytes of their
//! paths, events per entry, and entries that renames of directories move. Items beyond a limit are counted.
//!
//! Memory is that of one server's tree: servers are made one after the other, and the sessions of a server are read only
//! while others that overlap them in time are.

mod observations;
mod server_files;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::observations::{Observation, earliest, observations};
use self::server_files::ServerFiles;
use super::{KeptReport, KeptSessions, Report, SCHEMA_VERSION};
use crate::model::record::{Capture, Session, Totals};
use crate::model::record::{Completeness, EntryKind, Precision, is_zero};
use crate::model::{Event, EventKind, EventSink, Limits, Timestamp};

/// Directory trees of all servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Tree {
    /// Version of the format, as in the report.
    pub schema_version: Cow<'static, str>,
    /// Trees in order of address, port and user.
    pub servers: Vec<ServerTree>,
}

/// Directory tree of one server as one user saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ServerTree {
    /// The server.
    pub server: TreeServer,
    /// User name of the login; `null` if no login was captured.
    pub user: Option<String>,
    /// Ids of the sessions with this server and user.
    pub sessions: Vec<u64>,
    /// Files, directories and links, each directory before its entries.
    pub entries: Vec<Entry>,
    /// Entries beyond the limits; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries_omitted: u64,
}

/// Control end point of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TreeServer {
    /// IPv4 or IPv6 address.
    pub ip: IpAddr,
    /// TCP port.
    pub port: u16,
    /// Host name that a client looked up; `null` if no lookup was captured.
    pub name: Option<String>,
}

/// A file, directory or link on a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Entry {
    /// Absolute path; `null` if the directory is unknown.
    pub path: Option<String>,
    /// Exact bytes of a path that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Last component of the path.
    pub name: String,
    /// Exact bytes of a name that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// Number of directories above it.
    pub depth: usize,
    /// Kind of entry; `null` if unknown.
    pub kind: Option<EntryKind>,
    /// Latest known size in bytes; `null` if unknown.
    pub size: Option<u64>,
    /// Time of modification as the server states it, with `Z` only if it is UTC; `null` if unknown.
    pub modified: Option<String>,
    /// Precision of `modified`; `null` without it.
    pub modified_precision: Option<Precision>,
    /// Permissions as listed; `null` if not listed.
    pub permissions: Option<String>,
    /// Owner as listed; `null` if not listed.
    pub owner: Option<String>,
    /// Group as listed; `null` if not listed.
    pub group: Option<String>,
    /// Target of a link; `null` for other entries.
    pub target: Option<String>,
    /// Time of the first observation.
    pub first_seen: Timestamp,
    /// Time of the last observation.
    pub last_seen: Timestamp,
    /// True if it existed at the last observation.
    pub exists: bool,
    /// Sources of the observations.
    pub known_from: Vec<Source>,
    /// Events in order of time.
    pub events: Vec<EntryEvent>,
    /// Events beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub events_omitted: u64,
}

/// Source of an observation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Source {
    /// An entry in a LIST, NLST or MLSD.
    Listing,
    /// The working directory (CWD, or a 257 to PWD).
    WorkingDirectory,
    /// MLST.
    Facts,
    /// SIZE.
    Size,
    /// MDTM.
    ModificationTime,
    /// RETR.
    Download,
    /// STOR, STOU, APPE.
    Upload,
    /// MKD.
    MakeDirectory,
    /// RNFR and RNTO.
    Rename,
    /// DELE or RMD.
    Delete,
    /// An entry in this directory.
    Path,
}

impl Source {
    /// All sources, in their order.
    pub(super) const ALL: [Self; 11] = [
        Self::Listing,
        Self::WorkingDirectory,
        Self::Facts,
        Self::Size,
        Self::ModificationTime,
        Self::Download,
        Self::Upload,
        Self::MakeDirectory,
        Self::Rename,
        Self::Delete,
        Self::Path,
    ];
}

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Happening {
    /// Part of a listing; several listings in a row are one event.
    Listed,
    /// RETR, with its completeness.
    Downloaded,
    /// STOR, STOU or APPE.
    Uploaded,
    /// MKD.
    Created,
    /// Renamed to `other`.
    RenamedTo,
    /// Renamed from `other`.
    RenamedFrom,
    /// DELE or RMD.
    Deleted,
}

/// An event in the life of an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct EntryEvent {
    /// Kind of event.
    pub what: Happening,
    /// Time of its last packet.
    pub time: Timestamp,
    /// Number of its last packet.
    pub frame: u64,
    /// With more than one capture: index into `captures` of the report; otherwise omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: number of its last packet within that capture; otherwise omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
    /// Id of the session.
    pub session: u64,
    /// Id of the transfer within the session; omitted for other events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<u64>,
    /// Completeness of a download or upload; omitted for other events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Completeness>,
    /// Other name of a rename; omitted for other events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

impl Tree {
    /// Builds the trees from the sessions of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut servers = Vec::new();
        let mut seen = ServerTrees::of(report);
        // The sessions of a report are in memory, of which reading does not fail.
        while let Ok(Some(server)) = seen.next_server() {
            servers.push(ServerTree {
                entries: server.entries().collect(),
                entries_omitted: server.entries_omitted(),
                server: server.server,
                user: server.user,
                sessions: server.sessions,
            });
        }
        Self {
            schema_version: SCHEMA_VERSION.into(),
            servers,
        }
    }
}

/// Sink that collects the sessions of a run for their trees.
#[derive(Debug)]
pub struct TreeBuilder {
    kept: KeptReport,
    groups: Groups,
}

impl TreeBuilder {
    /// Creates a sink that keeps as many sessions as `limits` allow.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            kept: KeptReport::new(limits),
            groups: Groups::default(),
        }
    }

    /// Returns the trees after the last event.
    #[must_use]
    pub fn finish(self) -> ServerTrees {
        let (_, sessions) = self.kept.finish(Vec::<Capture>::new(), Totals::default());
        ServerTrees::new(self.groups, sessions)
    }
}

impl EventSink for TreeBuilder {
    fn event(&mut self, event: &Event<'_>) {
        if let EventKind::SessionEnd(session) = &event.kind {
            self.groups.add(session);
            self.kept.event(event);
        }
    }
}

/// Sessions by server and user.
#[derive(Debug, Default)]
struct Groups(BTreeMap<(IpAddr, u16, Option<String>), Vec<Visit>>);

impl Groups {
    fn add(&mut self, session: &Session) {
        let server = &session.server;
        let key = (server.ip, server.port, session.login.user.clone());
        self.0.entry(key).or_default().push(Visit {
            session: session.id,
            earliest: earliest(session),
        });
    }
}

/// A session of one server and user.
#[derive(Clone, Copy, Debug)]
struct Visit {
    session: u64,
    /// Time before which nothing was observed; `None` if nothing was.
    earliest: Option<Timestamp>,
}

/// Visits by address, port and user.
type VisitsByServer = BTreeMap<(IpAddr, u16, Option<String>), Vec<Visit>>;

/// Trees of all servers, in order of address, port and user, each made when it is asked for.
#[derive(Debug)]
pub struct ServerTrees {
    groups: <VisitsByServer as IntoIterator>::IntoIter,
    sessions: KeptSessions,
    /// Bytes of paths that may still be kept.
    path_bytes: usize,
}

/// Tree of one server as one user saw it, whose entries are made one by one.
#[derive(Debug)]
pub struct SeenServer {
    /// The server.
    pub server: TreeServer,
    /// User name of the login; `None` if no login was captured.
    pub user: Option<String>,
    /// Ids of the sessions with this server and user.
    pub sessions: Vec<u64>,
    files: ServerFiles,
}

impl ServerTrees {
    /// Collects the sessions of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut groups = Groups::default();
        report.sessions.iter().for_each(|one| groups.add(one));
        Self::new(groups, KeptSessions::of(report))
    }

    fn new(groups: Groups, sessions: KeptSessions) -> Self {
        Self {
            groups: groups.0.into_iter(),
            sessions,
            path_bytes: PATH_BYTES,
        }
    }

    /// Returns the next tree; `None` after the last one.
    ///
    /// # Errors
    ///
    /// A session that is not in memory cannot be read.
    pub fn next_server(&mut self) -> io::Result<Option<SeenServer>> {
        while let Some(((ip, port, user), mut visits)) = self.groups.next() {
            let mut files = ServerFiles::new(self.path_bytes);
            let name = self.visit(&mut visits, &mut files)?;
            self.path_bytes = files.path_bytes();
            // A session that failed before it saw a file has no tree.
            if files.len() == 0 && files.omitted() == 0 {
                continue;
            }
            let mut sessions: Vec<u64> = visits.iter().map(|visit| visit.session).collect();
            sessions.sort_unstable();
            return Ok(Some(SeenServer {
                server: TreeServer { ip, port, name },
                user,
                sessions,
                files,
            }));
        }
        Ok(None)
    }

    /// Applies the observations of all visits in order of time. Returns the host name of the server.
    fn visit(&self, visits: &mut [Visit], files: &mut ServerFiles) -> io::Result<Option<String>> {
        visits.sort_unstable_by_key(|visit| (visit.earliest, visit.session));
        let mut open = OpenVisits::default();
        let mut name: Option<(u64, String)> = None;
        for visit in visits.iter() {
            let index = self.sessions.index_of(visit.session);
            let session = index.map(|index| self.sessions.get(index)).transpose()?;
            let Some(session) = session.flatten() else {
                continue;
            };
            if name.as_ref().is_none_or(|(id, _)| *id > session.id)
                && let Some(found) = &session.server.name
            {
                name = Some((session.id, found.clone()));
            }
            if let Some(earliest) = visit.earliest {
                open.apply_before(Some((earliest, visit.session)), files);
                open.add(&session);
            }
        }
        open.apply_before(None, files);
        Ok(name.map(|(_, name)| name))
    }
}

impl SeenServer {
    /// Returns the files, directories and links, each directory before its entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.files.entries()
    }

    /// Returns the depths of the entries, in their order.
    #[must_use]
    pub fn depths(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.files.depths()
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.files.len()
    }

    /// Returns the number of entries beyond the limits.
    #[must_use]
    pub fn entries_omitted(&self) -> u64 {
        self.files.omitted()
    }

    /// Returns the times of the first and the last observation; `None` without entries.
    #[must_use]
    pub fn times(&self) -> Option<(Timestamp, Timestamp)> {
        self.files.times()
    }
}

/// Observations of the sessions that are visited at one time, merged in order of time.
#[derive(Default)]
struct OpenVisits {
    /// Time of the next observation, session, and index in `visits`, earliest first.
    order: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    /// Remaining observations of each session; empty places are used again.
    visits: Vec<std::vec::IntoIter<Observation>>,
    free: Vec<usize>,
}

impl OpenVisits {
    fn add(&mut self, session: &Arc<Session>) {
        let mut seen = observations(session);
        // A stable sort: observations of one session at one time stay in their order.
        seen.sort_by_key(|observation| observation.time);
        let Some(first) = seen.first() else {
            return;
        };
        let time = first.time;
        let place = self.free.pop().unwrap_or_else(|| {
            self.visits.push(Vec::new().into_iter());
            self.visits.len() - 1
        });
        if let Some(visit) = self.visits.get_mut(place) {
            *visit = seen.into_iter();
            self.order.push(Reverse((time, session.id, place)));
        }
    }

    /// Applies the observations before a time and session; all of them for `None`.
    fn apply_before(&mut self, end: Option<(Timestamp, u64)>, files: &mut ServerFiles) {
        while let Some(&Reverse((time, session, place))) = self.order.peek() {
            if end.is_some_and(|end| (time, session) >= end) {
                return;
            }
            self.order.pop();
            let Some(visit) = self.visits.get_mut(place) else {
                continue;
            };
            // All of one time at once, in their order.
            while let Some(next) = visit.as_slice().first()
                && next.time == time
            {
                if let Some(observation) = visit.next() {
                    files.apply(&observation);
                }
            }
            if let Some(next) = visit.as_slice().first() {
                self.order.push(Reverse((next.time, session, place)));
            } else {
                *visit = Vec::new().into_iter();
                self.free.push(place);
            }
        }
    }
}

/// Bytes of the paths of all servers.
const PATH_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{Outcome, Step, StepKind};
    use crate::report::example::{example_report, example_session};

    fn tree_of(session: Session) -> Tree {
        Tree::of(&Report {
            sessions: vec![Arc::new(session)],
            ..example_report()
        })
    }

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.servers
            .iter()
            .flat_map(|server| &server.entries)
            .map(|entry| entry.path.as_deref().unwrap_or(&entry.name))
            .collect()
    }

    #[test]
    fn events_are_ordered_by_time_whatever_the_order_of_sessions() {
        let report = example_report();
        let mut turned = report.clone();
        turned.sessions.reverse();
        let (one, other) = (Tree::of(&report), Tree::of(&turned));
        assert!(!one.servers.is_empty());
        let entries = |tree: &Tree| {
            tree.servers
                .iter()
                .map(|s| s.entries.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(entries(&one), entries(&other));
    }

    #[test]
    fn paths_of_refused_commands_are_absent() {
        let mut session = example_session();
        session
            .transfers
            .retain(|transfer| transfer.connection.is_none());
        session.steps.retain(|step| step.kind == StepKind::Store);
        assert_eq!(
            session.transfers.len(),
            1,
            "the example has a refused upload"
        );
        assert!(
            paths(&tree_of(session))
                .iter()
                .all(|path| *path == "/pub" || *path == "/")
        );
    }

    #[test]
    fn paths_beyond_the_limits_are_counted_or_omitted() {
        let mut session = example_session();
        let listing = session
            .transfers
            .iter_mut()
            .find(|transfer| !transfer.entries.is_empty())
            .map(Arc::make_mut)
            .expect("the example has a listing");
        let mut long = listing.entries[0].clone();
        long.name = "x".repeat(10_000).into();
        let mut deep = listing.entries[0].clone();
        deep.name = "a/".repeat(100).into();
        listing.entries.extend([long, deep]);
        let tree = tree_of(session);
        assert!(paths(&tree).iter().all(|path| path.len() < 5_000));
    }

    #[test]
    fn rename_of_a_directory_moves_its_entries_and_terminates() {
        let mut session = example_session();
        let rename = |number: u64, from: &str, to: &str| {
            let template = example_session()
                .steps
                .into_iter()
                .find(|step| !step.commands.is_empty())
                .expect("the example has commands");
            let command = |verb: &str, name: &str| {
                let mut command = template.commands[0].clone();
                command.verb = verb.to_owned();
                command.argument = Some(name.to_owned());
                let mut reply = session
                    .greeting
                    .clone()
                    .expect("the example has a greeting");
                reply.code = 250;
                command.replies = vec![reply];
                command
            };
            Step {
                number,
                kind: StepKind::Rename,
                commands: vec![command("RNFR", from), command("RNTO", to)],
                transfer: None,
                directory: Some("/".to_owned()),
                ..Step::clone(&template)
            }
        };
        let steps = vec![
            rename(1, "/a/b/c", "/a/b/d"),
            // Into itself, which no server does and a forged capture may say.
            rename(2, "/a", "/a/b"),
            rename(3, "/a", "/z"),
        ];
        session.steps = steps.into_iter().map(Into::into).collect();
        session.transfers.clear();
        let tree = tree_of(session);
        let there: Vec<_> = tree.servers[0]
            .entries
            .iter()
            .filter(|entry| entry.exists)
            .filter_map(|entry| entry.path.as_deref())
            .collect();
        assert!(there.contains(&"/z"), "{there:?}");
        assert!(!there.contains(&"/a"), "{there:?}");
        assert!(there.contains(&"/z/b"), "{there:?}");
    }

    #[test]
    fn names_after_a_relative_cwd_are_below_it_in_an_unknown_directory() {
        let mut session = example_session();
        let template = session
            .steps
            .iter()
            .find(|step| !step.commands.is_empty())
            .map(|step| Step::clone(step))
            .expect("the example has commands");
        let mut reply = session
            .greeting
            .clone()
            .expect("the example has a greeting");
        let mut step = |kind, verb: &str, name: &str, code, text: &str| {
            let mut command = template.commands[0].clone();
            command.verb = verb.to_owned();
            command.argument = Some(name.to_owned());
            reply.code = code;
            reply.lines = vec![text.to_owned()];
            command.replies = vec![reply.clone()];
            Step {
                kind,
                commands: vec![command],
                transfer: None,
                directory: None,
                outcome: Outcome::Ok,
                ..template.clone()
            }
        };
        let steps = vec![
            step(StepKind::Command, "SIZE", "top.txt", 213, "1"),
            step(StepKind::Cwd, "CWD", "pub", 250, "ok"),
            step(StepKind::Command, "SIZE", "readme.txt", 213, "7"),
            step(StepKind::Cwd, "CDUP", "", 250, "ok"),
            step(StepKind::Command, "SIZE", "last.txt", 213, "7"),
        ];
        session.steps = steps.into_iter().map(Into::into).collect();
        session.transfers.clear();
        let tree = tree_of(session);
        let entries: Vec<_> = tree.servers[0]
            .entries
            .iter()
            .map(|entry| (entry.path.as_deref(), entry.name.as_str(), entry.depth))
            .collect();
        assert_eq!(
            entries,
            [
                (None, "last.txt", 0),
                (None, "pub", 0),
                (None, "readme.txt", 1),
                (None, "top.txt", 0)
            ]
        );
    }
}
