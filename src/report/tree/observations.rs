//! Observations of files and directories, from the steps and transfers of one session in their order.
//!
//! Their paths are lists of components, parsed from any syntax and ordered as a tree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Happening, Source};
use crate::model::Timestamp;
use crate::model::record::{
    CaptureFrame, Command, Completeness, DataType, EntryKind, ListingEntry, Outcome, Precision,
    Reply, Session, Step, StepKind, Transfer, TransferDirection, TransferMode,
};
use crate::protocol::ftp::listing::is_unread_line;
use crate::protocol::ftp::{facts, path, size_reply};
use crate::report::SessionPlaces;

/// One fact about one path.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) path: TreePath,
    pub(super) time: Timestamp,
    pub(super) frame: u64,
    /// With several captures: place of the frame; otherwise `None`.
    pub(super) place: Option<CaptureFrame>,
    pub(super) session: u64,
    pub(super) source: Source,
    pub(super) fact: Fact,
}

/// A fact about a path.
#[derive(Debug)]
pub(super) enum Fact {
    /// Existence, with the kind if it is known.
    Exists(Option<EntryKind>),
    /// An entry of a listing or MLST.
    Entry(Box<ListingEntry>),
    /// Size in bytes (SIZE).
    Size(u64),
    /// Time of modification in UTC (MDTM, RFC 3659 section 3.1).
    Modified(String, Precision),
    /// A transfer.
    Transferred {
        what: Happening,
        transfer: u64,
        completeness: Completeness,
        /// Size of the whole file, if the transfer proves it.
        size: Option<u64>,
    },
    /// Creation (MKD).
    Created,
    /// New path of a rename (RNTO).
    RenamedTo(TreePath),
    /// Deletion (DELE or RMD).
    Deleted(EntryKind),
}

/// Returns the earliest time of any observation of a session; `None` if it has no reply and no data connection.
pub(super) fn earliest(session: &Session) -> Option<Timestamp> {
    let commands = session.steps.iter().flat_map(|step| &step.commands);
    let replies = commands.filter_map(|command| command.replies.last());
    let data = session.transfers.iter();
    let data = data.filter_map(|transfer| Some(transfer.connection.as_ref()?.end));
    replies.map(|reply| reply.time).chain(data).min()
}

/// Returns all observations of a session.
pub(super) fn observations(session: &Session) -> Vec<Observation> {
    let mut out = Vec::new();
    let mut directory: Option<Vec<u8>> = None;
    // Directories entered by relative names since the working directory is unknown: it may be unknown, but all names are
    // relative to the same one.
    let mut entered: Vec<Vec<u8>> = Vec::new();
    for step in &session.steps {
        let first = out.len();
        of_status(session, step, directory.as_deref(), &mut out);
        for (index, command) in step.commands.iter().enumerate() {
            of_command(
                session,
                step,
                index,
                command,
                directory.as_deref(),
                &mut out,
            );
        }
        if let Some(transfer) = step.transfer.and_then(|id| session.transfer(id)) {
            of_transfer(session, transfer, directory.as_deref(), &mut out);
        }
        if directory.is_none() {
            for observation in out.iter_mut().skip(first) {
                observation.path.enter(&entered);
                if let Fact::RenamedTo(to) = &mut observation.fact {
                    to.enter(&entered);
                }
            }
        }
        let now = step
            .directory
            .as_deref()
            .map(|text| exact(text, step.directory_b64.as_deref()));
        match (&directory, &now) {
            (None, None) => enter(step, &mut entered),
            _ => entered.clear(),
        }
        directory = now;
        if let (StepKind::Cwd | StepKind::Command, Outcome::Ok, Some(now)) =
            (step.kind, step.outcome, &directory)
            && let Some((place, reply)) = TreePath::of(now).zip(last_reply(step))
            && (step.kind == StepKind::Cwd || matches!(verb(step), "PWD" | "XPWD"))
        {
            out.push(Observation {
                path: place,
                time: reply.time,
                frame: reply.frame,
                place: None,
                session: session.id,
                source: Source::WorkingDirectory,
                fact: Fact::Exists(Some(EntryKind::Directory)),
            });
        }
    }
    let places = SessionPlaces::of(session);
    for observation in &mut out {
        observation.place = places.find(observation.frame);
    }
    out
}

/// Follows a change of the working directory while that is unknown, by the names alone.
fn enter(step: &Step, entered: &mut Vec<Vec<u8>>) {
    if step.kind != StepKind::Cwd || step.outcome == Outcome::Failed {
        return;
    }
    let command = step.commands.last();
    let argument = command.and_then(|command| {
        let text = command.argument.as_deref()?;
        TreePath::unknown(&exact(text, command.argument_b64.as_deref()))
    });
    match (verb(step), argument) {
        ("CWD" | "XCWD", Some(into)) if step.outcome == Outcome::Ok && !into.leads_above() => {
            // Bounds the memory of a session of nothing but CWD; beyond it, names count from another directory.
            if entered.len() + into.parts.len() > ENTERED {
                entered.clear();
            }
            entered.extend(into.parts);
        }
        ("CDUP" | "XCUP", _) if step.outcome == Outcome::Ok => {
            entered.pop();
        }
        // `..`, or a reply that was not captured.
        _ => entered.clear(),
    }
}

fn of_command(
    session: &Session,
    step: &Step,
    index: usize,
    command: &Command,
    directory: Option<&[u8]>,
    out: &mut Vec<Observation>,
) {
    // Paths of refused commands need not exist.
    let Some(reply) = command.replies.last().filter(|reply| reply.code / 100 == 2) else {
        return;
    };
    let argument = command
        .argument
        .as_deref()
        .map(|text| exact(text, command.argument_b64.as_deref()))
        .filter(|argument| !argument.is_empty());
    let place = argument
        .as_deref()
        .and_then(|name| TreePath::resolve(directory, name));
    let first = reply.lines.first().map_or("", String::as_str);
    let found = match command.verb.as_str() {
        "SIZE" => size_reply(first.as_bytes()).map(|size| (place, Source::Size, Fact::Size(size))),
        "MDTM" if reply.code == 213 => moment(first).map(|(text, precision)| {
            (
                place,
                Source::ModificationTime,
                Fact::Modified(text, precision),
            )
        }),
        "MLST" => reply
            .lines
            .iter()
            .find_map(|line| facts::parse_reply_line(line.as_bytes()))
            .map(|entry| {
                let fact = Fact::Entry(Box::new(entry));
                let here = directory.and_then(TreePath::of);
                (place.or(here), Source::Facts, fact)
            }),
        "MKD" | "XMKD" => {
            // The 257 names the directory that was created; it may be relative (RFC 959 appendix II).
            let made = path::quoted_path(first.as_bytes())
                .filter(|_| first.contains('"'))
                .and_then(|made| TreePath::resolve(directory, &made));
            Some((made.or(place), Source::MakeDirectory, Fact::Created))
        }
        "DELE" => Some((place, Source::Delete, Fact::Deleted(EntryKind::File))),
        "RMD" | "XRMD" | "RMDA" => {
            Some((place, Source::Delete, Fact::Deleted(EntryKind::Directory)))
        }
        "RNTO" => {
            // RNFR must immediately precede RNTO (RFC 959 section 4.1.3).
            let from = step.commands.get(..index).unwrap_or_default().iter().rev();
            let from = from
                .take(1)
                .find(|earlier| earlier.verb == "RNFR")
                .and_then(|earlier| {
                    let name = exact(
                        earlier.argument.as_deref()?,
                        earlier.argument_b64.as_deref(),
                    );
                    TreePath::resolve(directory, &name)
                });
            place.map(|to| (from, Source::Rename, Fact::RenamedTo(to)))
        }
        _ => None,
    };
    if let Some((Some(place), source, what)) = found {
        out.push(Observation {
            path: place,
            time: reply.time,
            frame: reply.frame,
            place: None,
            session: session.id,
            source,
            fact: what,
        });
    }
}

/// Adds the entries of a STAT with a path: a listing on the control connection.
fn of_status(session: &Session, step: &Step, directory: Option<&[u8]>, out: &mut Vec<Observation>) {
    let status = step.commands.iter().find(|one| one.verb == "STAT");
    let Some((command, reply)) = status.and_then(|one| Some((one, one.replies.last()?))) else {
        return;
    };
    let argument = command.argument.as_deref().unwrap_or_default();
    let argument = exact(argument, command.argument_b64.as_deref());
    let argument = path::listing_argument(&argument);
    let listed = path::resolve(directory, argument);
    let listed = Listed::new(argument, &step.entries, listed, directory);
    let folder = listed.itself().filter(|_| !step.entries.is_empty());
    let folder = folder.map(|place| {
        let fact = Fact::Exists(Some(EntryKind::Directory));
        (place, Source::Path, fact)
    });
    let entries = step.entries.iter().filter_map(|entry| {
        let fact = Fact::Entry(Box::new(entry.clone()));
        Some((listed.place_of(entry)?, Source::Listing, fact))
    });
    out.extend(
        folder
            .into_iter()
            .chain(entries)
            .map(|(place, source, fact)| Observation {
                path: place,
                time: reply.time,
                frame: reply.frame,
                place: None,
                session: session.id,
                source,
                fact,
            }),
    );
}

fn of_transfer(
    session: &Session,
    transfer: &Transfer,
    directory: Option<&[u8]>,
    out: &mut Vec<Observation>,
) {
    // Without a data connection no byte of the file was seen.
    let Some(connection) = &transfer.connection else {
        return;
    };
    // Paths of refused commands need not exist.
    if session.has_refused(transfer) {
        return;
    }
    let mut push = |place, source, what| {
        out.push(Observation {
            path: place,
            time: connection.end,
            frame: connection.last_frame,
            place: None,
            session: session.id,
            source,
            fact: what,
        });
    };
    let path: Option<Vec<u8>> = transfer
        .path
        .as_deref()
        .map(|text| exact(text, transfer.path_b64.as_deref()));
    let (what, source) = match transfer.direction {
        TransferDirection::Download => (Happening::Downloaded, Source::Download),
        TransferDirection::Upload => (Happening::Uploaded, Source::Upload),
        TransferDirection::Listing => {
            let argument = transfer.argument.as_deref().unwrap_or_default();
            let argument = exact(argument, transfer.argument_b64.as_deref());
            let argument = path::listing_argument(&argument);
            let listed = Listed::new(argument, &transfer.entries, path, directory);
            if let Some(place) = listed.itself() {
                push(
                    place,
                    Source::Path,
                    Fact::Exists(Some(EntryKind::Directory)),
                );
            }
            // NLST lists names alone, unless options such as `-l` make it a LIST.
            let names_alone =
                transfer.verb == "NLST" && transfer.entries.iter().all(is_unread_line);
            for entry in &transfer.entries {
                if is_unread_line(entry) && !names_alone {
                    continue;
                }
                if let Some(place) = listed.place_of(entry) {
                    let fact = Fact::Entry(Box::new(entry.clone()));
                    push(place, Source::Listing, fact);
                }
            }
            return;
        }
    };
    // The argument of STOU is a wish at most; the reply names the file (RFC 1123 section 4.1.2.9).
    let (named, exactly) = match transfer.verb.as_str() {
        "STOU" => (&transfer.name, &transfer.name_b64),
        _ => (&transfer.argument, &transfer.argument_b64),
    };
    let name = named.as_deref().map(|text| exact(text, exactly.as_deref()));
    let place = match (&path, &name) {
        (Some(path), _) => TreePath::of(path),
        (None, Some(name)) => TreePath::unknown(name),
        (None, None) => None,
    };
    if let Some(place) = place {
        let fact = Fact::Transferred {
            what,
            transfer: transfer.id,
            completeness: transfer.completeness,
            size: size_of(transfer),
        };
        push(place, source, fact);
    }
}

/// The subject of a listing, which decides where its entries are.
struct Listed<'a> {
    folder: Option<Vec<u8>>,
    directory: Option<&'a [u8]>,
    argument: Vec<u8>,
    /// True if the listing is of one file or of a pattern, and not of a directory.
    of_names: bool,
}

impl<'a> Listed<'a> {
    fn new(
        argument: &[u8],
        entries: &[ListingEntry],
        path: Option<Vec<u8>>,
        directory: Option<&'a [u8]>,
    ) -> Self {
        let asked = path::file_name(argument);
        let pattern = asked.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        let itself = match entries {
            [only] => {
                let name = exact(&only.name, only.name_b64.as_deref());
                !argument.is_empty() && name == argument && only.kind != EntryKind::Directory
            }
            _ => false,
        };
        let of_names = pattern || itself;
        let folder = if of_names {
            path.map(|path| path::parent(&path))
        } else {
            path
        };
        Self {
            folder,
            directory,
            argument: argument.to_vec(),
            of_names,
        }
    }

    /// Returns the directory that was listed.
    fn itself(&self) -> Option<TreePath> {
        self.folder.as_deref().and_then(TreePath::of)
    }

    fn place_of(&self, entry: &ListingEntry) -> Option<TreePath> {
        let name = exact(&entry.name, entry.name_b64.as_deref());
        let facts = entry.raw.split(' ').next().unwrap_or_default();
        let facts = facts.to_ascii_lowercase();
        // The directory itself and its parent, which are no entries (RFC 3659 section 7.5.1).
        if matches!(name.as_slice(), b"." | b"..")
            || facts.contains("type=cdir")
            || facts.contains("type=pdir")
        {
            return None;
        }
        if let Some(heading) = &entry.folder {
            // A heading of `ls -R` names the directory as the command would: relative to the listed one, or in full.
            let heading = path::resolve(self.folder.as_deref(), heading.as_bytes())?;
            return TreePath::resolve(Some(&heading), &name);
        }
        // NLST with a directory or a pattern may put the directory before each name.
        let prefixed = name.contains(&b'/')
            && (self.of_names || (!self.argument.is_empty() && name.starts_with(&self.argument)));
        if prefixed || name.first() == Some(&b'/') {
            return TreePath::resolve(self.directory, &name);
        }
        TreePath::resolve(self.folder.as_deref(), &name)
    }
}

/// Returns the size of the whole file on the server, if the transfer proves it.
fn size_of(transfer: &Transfer) -> Option<u64> {
    let plain = transfer.data_type == Some(DataType::Image)
        && transfer.transfer_mode == TransferMode::Stream;
    // TYPE A changes line ends and with them the size; REST and APPE transfer only a part.
    if !plain || transfer.restart_offset != 0 || transfer.verb == "APPE" {
        return None;
    }
    match transfer.completeness {
        Completeness::Complete => Some(transfer.bytes),
        _ if transfer.direction == TransferDirection::Download => transfer.announced_bytes,
        _ => None,
    }
}

/// Converts `20261120155301`, with an optional fraction, to `2026-11-20T15:53:01Z` (RFC 3659 section 2.3).
fn moment(text: &str) -> Option<(String, Precision)> {
    let text = text.trim();
    let entry = facts::parse_entry(format!("modify={text}; x").as_bytes())?;
    Some((entry.modified?.into(), entry.modified_precision?))
}

/// Directories followed below an unknown one.
const ENTERED: usize = 32;

fn last_reply(step: &Step) -> Option<&Reply> {
    step.commands.last()?.replies.last()
}

fn verb(step: &Step) -> &str {
    step.commands
        .last()
        .map_or("", |command| command.verb.as_str())
}

/// Beginning of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    /// `/`.
    Slash,
    /// A drive letter, `\`, VMS, MVS: kept as sent.
    Foreign,
    /// None: the directory is not known.
    Unknown,
}

/// A path in the order of a tree: a directory precedes its entries, and names are in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TreePath {
    pub(super) root: Root,
    pub(super) parts: Vec<Vec<u8>>,
}

impl TreePath {
    /// Splits a path of a report. Returns `None` if it is longer or deeper than the limits.
    pub(super) fn of(path: &[u8]) -> Option<Self> {
        if path.is_empty() || path.len() > PATH_BYTES {
            return None;
        }
        let (root, parts) = if path.first() == Some(&b'/') {
            (Root::Slash, split(&path::normalise(path), b'/'))
        } else if path.contains(&b'\\') {
            (Root::Foreign, split(path, b'\\'))
        } else {
            (Root::Foreign, vec![path.to_vec()])
        };
        (parts.len() <= DEPTH).then_some(Self { root, parts })
    }

    /// Splits a name in an unknown directory: `a/../../b` is `../b`, in the directory above that one. Returns `None` beyond the
    /// limits, and for a directory that only `.` and `..` name.
    pub(super) fn unknown(name: &[u8]) -> Option<Self> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for part in split(name, b'/') {
            match part.as_slice() {
                b"." => {}
                b".." if parts.last().is_some_and(|last| last != b"..") => {
                    parts.pop();
                }
                _ => parts.push(part),
            }
        }
        let is_named = parts.last().is_some_and(|last| last != b"..");
        let fits = parts.len() <= DEPTH && name.len() <= PATH_BYTES;
        (is_named && fits).then_some(Self {
            root: Root::Unknown,
            parts,
        })
    }

    /// Resolves `name` in `directory`, which is `None` if unknown.
    pub(super) fn resolve(directory: Option<&[u8]>, name: &[u8]) -> Option<Self> {
        match path::resolve(directory, name) {
            Some(path) => Self::of(&path),
            None => Self::unknown(name),
        }
    }

    /// Puts a path in an unknown directory below directories that were entered from it. Any other path, and one that would
    /// exceed the limits, stays as it is.
    pub(super) fn enter(&mut self, entered: &[Vec<u8>]) {
        if self.root != Root::Unknown {
            return;
        }
        let above = self.parts.iter().take_while(|part| *part == b"..").count();
        let above = above.min(entered.len());
        let below = &entered[..entered.len() - above];
        if below.len() + self.parts.len() - above <= DEPTH {
            self.parts.splice(0..above, below.iter().cloned());
        }
    }

    /// Returns true if it begins above a directory that is unknown.
    fn leads_above(&self) -> bool {
        self.parts.first().is_some_and(|part| part == b"..")
    }

    /// Returns the directory of the path, or `None` for a root and for a single component without one.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, above) = self.parts.split_last()?;
        (self.root == Root::Slash || !above.is_empty()).then(|| Self {
            root: self.root,
            parts: above.to_vec(),
        })
    }

    /// Returns the bytes of its components and separators.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.len() + 1).sum()
    }

    /// Returns the path as text, or `None` if the directory is unknown.
    pub(super) fn path(&self) -> Option<Vec<u8>> {
        match self.root {
            Root::Slash if self.parts.is_empty() => Some(b"/".to_vec()),
            Root::Slash => Some(self.parts.iter().fold(Vec::new(), |mut path, part| {
                path.push(b'/');
                path.extend_from_slice(part);
                path
            })),
            Root::Foreign => Some(self.parts.join(&b'\\')),
            Root::Unknown => None,
        }
    }

    /// Returns the last component, or `/` for the root.
    pub(super) fn name(&self) -> &[u8] {
        self.parts.last().map_or(b"/", Vec::as_slice)
    }

    /// Returns the number of directories above it.
    pub(super) fn depth(&self) -> usize {
        match self.root {
            Root::Slash => self.parts.len(),
            Root::Foreign | Root::Unknown => self.parts.len().saturating_sub(1),
        }
    }
}

/// Returns the exact bytes of a text in a report, from its `_b64` field if there is one.
pub(super) fn exact(text: &str, base64: Option<&str>) -> Vec<u8> {
    base64
        .and_then(|base64| STANDARD.decode(base64).ok())
        .unwrap_or_else(|| text.as_bytes().to_vec())
}

fn split(path: &[u8], separator: u8) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == separator)
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// Bytes of the longest path; longer ones are omitted. As `PATH_MAX` of Linux.
const PATH_BYTES: usize = 4096;
/// Components of the deepest path; deeper ones are omitted.
const DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_precede_their_entries() {
        let mut places: Vec<_> = ["/a/b", "/a", "/", "/a-b", "/a/b/c"]
            .iter()
            .filter_map(|path| TreePath::of(path.as_bytes()))
            .collect();
        places.sort();
        let paths: Vec<_> = places.iter().filter_map(TreePath::path).collect();
        assert_eq!(
            paths,
            [&b"/"[..], b"/a", b"/a/b", b"/a/b/c", b"/a-b"].map(<[u8]>::to_vec)
        );
    }

    #[test]
    fn paths_of_other_syntaxes_are_kept_as_sent() {
        let place = TreePath::of(b"C:\\temp\\a.txt").expect("a place");
        assert_eq!((place.name(), place.depth()), (&b"a.txt"[..], 2));
        assert_eq!(place.path().as_deref(), Some(&b"C:\\temp\\a.txt"[..]));
        assert_eq!(TreePath::of(b"DISK:[USER]").expect("one").depth(), 0);
    }

    #[test]
    fn names_above_an_unknown_directory_keep_their_dots() {
        let parts = |name: &[u8]| TreePath::unknown(name).map(|place| place.parts.join(&b'/'));
        assert_eq!(
            parts(b"in/../../etc.txt").as_deref(),
            Some(&b"../etc.txt"[..])
        );
        assert_eq!(parts(b"./in/./x").as_deref(), Some(&b"in/x"[..]));
        let mut place = TreePath::unknown(b"../../x").expect("a place");
        place.enter(&[b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
        assert_eq!(place.parts, [b"a", b"x"]);
        let mut place = TreePath::unknown(b"../../x").expect("a place");
        place.enter(&[b"a".to_vec()]);
        assert_eq!(place.parts.join(&b'/'), b"../x");
    }

    #[test]
    fn paths_beyond_the_limits_are_omitted() {
        assert_eq!(TreePath::of(&[b'/', b'a'].repeat(100)), None);
        assert_eq!(TreePath::of(&vec![b'a'; 5000]), None);
        assert_eq!(TreePath::unknown(b"x/../.."), None);
        assert_eq!(TreePath::resolve(None, b"x"), TreePath::unknown(b"x"));
    }
}
