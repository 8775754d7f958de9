//! Redaction: what a stranger must not read is replaced, in every copy of every byte, by something of the same length.
//!
//! ```text
//! first reading:  bytes and parts of streams ─> StreamCollector ─┐
//!                 sessions ───────────────────> SessionFacts ────┴> Redaction: a plan for each connection
//! second reading: packet ─> PacketPatcher (headers, payload by stream offset, checksums) ─> packet
//! ```
//!
//! The plan of a control connection has its bytes before and after, by stream offset: retransmissions, fragments, packets quoted in
//! ICMP errors and both sides of a tunnel all get the same bytes, however they cut the text. A copy with another byte than the one
//! that was read stays different. Bytes that no plan covers were not read, and are hidden.
//!
//! Replacements are drawn by a key ([`substitution`]); [`text`] decides on lines and listings, which parts are replaced.

mod packets;
mod streams;
mod substitution;
mod text;
mod verification;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

pub(super) use packets::{HeldFragment, PacketPatcher};
pub use streams::StreamCollector;
pub use substitution::{Mapping, RedactionKey};
pub use verification::{Leak, Suspects};

use crate::model::record::{Completeness, Session, StepKind, TransferDirection, TransferMode};
use crate::model::{Direction, Endpoint, FlowKey};
use streams::{Connection, Half};
use substitution::Substitution;
use text::Rewriter;

/// A class of texts to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Passwords, and their copies.
    Passwords,
    /// Names of users.
    Users,
    /// IP and MAC addresses.
    Addresses,
    /// Names of hosts.
    Names,
    /// Parts of paths.
    Paths,
    /// Bytes of files and listings.
    Content,
    /// Greetings and descriptions of the server.
    Banners,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 7] = [
        Self::Passwords,
        Self::Users,
        Self::Addresses,
        Self::Names,
        Self::Paths,
        Self::Content,
        Self::Banners,
    ];

    /// Returns the name of the class.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passwords => "passwords",
            Self::Users => "users",
            Self::Addresses => "addresses",
            Self::Names => "names",
            Self::Paths => "paths",
            Self::Content => "content",
            Self::Banners => "banners",
        }
    }
}

/// The classes to replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes(pub BTreeSet<Class>);

impl Classes {
    pub(super) fn has(&self, class: Class) -> bool {
        self.0.contains(&class)
    }

    /// Returns true if texts of control connections are replaced.
    fn has_text(&self) -> bool {
        let only = [Class::Addresses, Class::Content];
        self.0.iter().any(|class| !only.contains(class))
    }

    /// Returns true if listings are rewritten line by line.
    fn has_listings(&self) -> bool {
        [Class::Users, Class::Paths, Class::Content]
            .into_iter()
            .any(|class| self.has(class))
    }

    /// Returns the names of the classes, separated by commas.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<_> = self.0.iter().map(|class| class.name()).collect();
        names.join(", ")
    }
}

/// Kind of a data connection, by the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataKind {
    File,
    Listing,
    /// Block, compressed or deflate mode: nothing in it can be replaced on its own.
    Coded {
        is_listing: bool,
        /// Length of a deflate stream that is whole; `None` for any other.
        deflated: Option<u64>,
    },
    Encrypted,
}

/// Facts of the chosen sessions beside their bytes.
#[derive(Debug, Default)]
pub(super) struct SessionFacts {
    /// Client and server of each session.
    sessions: BTreeMap<u64, [Endpoint; 2]>,
    /// Sessions and numbers of commands whose secret the report shows: passwords of anonymous logins.
    shown: BTreeSet<(u64, u64)>,
    hosts: BTreeSet<Vec<u8>>,
    /// Names of files in listings, and paths.
    entries: BTreeSet<Vec<u8>>,
    /// Kinds of data connections by their first frames.
    data: HashMap<u64, DataKind, RandomState>,
    /// Client and server of data connections with TLS, by their first frames.
    encrypted: BTreeMap<u64, [Endpoint; 2]>,
}

impl SessionFacts {
    /// Adds a chosen session.
    pub(super) fn add(&mut self, session: &Session) {
        let server = Endpoint::new(session.server.ip, session.server.port);
        self.sessions
            .insert(session.id, [session.client.into(), server]);
        let logins = session
            .steps
            .iter()
            .filter(|step| step.kind == StepKind::Login);
        for command in logins.flat_map(|step| &step.commands) {
            if command
                .argument
                .as_deref()
                .is_some_and(|text| text != HIDDEN)
            {
                self.shown.insert((session.id, command.sequence));
            }
        }
        let mut host = |name: &str| {
            let name = name.trim_end_matches('.');
            if !name.is_empty() {
                self.hosts.insert(name.as_bytes().to_vec());
            }
        };
        session.server.name.iter().for_each(|name| host(name));
        if let Some(dns) = &session.dns {
            host(&dns.name);
            dns.aliases.iter().for_each(|name| host(name));
        }
        let secured = session.transfers.iter().map(|one| &one.tls);
        let secured = secured.chain(session.encrypted_data.iter().map(|one| &one.tls));
        for tls in secured.chain([&session.tls]).flatten() {
            tls.server_name.iter().for_each(|name| host(name));
        }
        for transfer in &session.transfers {
            let Some(connection) = &transfer.connection else {
                continue;
            };
            let kind = if transfer.tls.is_some() {
                DataKind::Encrypted
            } else if transfer.transfer_mode != TransferMode::Stream {
                let is_whole = transfer.transfer_mode == TransferMode::Deflate
                    && transfer.completeness == Completeness::Complete;
                DataKind::Coded {
                    is_listing: transfer.direction == TransferDirection::Listing,
                    deflated: is_whole.then_some(transfer.bytes),
                }
            } else if transfer.direction == TransferDirection::Listing {
                DataKind::Listing
            } else {
                DataKind::File
            };
            self.data.insert(connection.first_frame, kind);
            if kind == DataKind::Encrypted {
                let ends = [connection.client.into(), connection.server.into()];
                self.encrypted.insert(connection.first_frame, ends);
            }
            self.add_entries(transfer.entries.iter().map(|entry| {
                let target = entry.target.as_deref().unwrap_or_default();
                [entry.name.as_bytes().to_vec(), target.as_bytes().to_vec()]
            }));
        }
        // Names that only the server said: of a folder, and of a file that STOU stored.
        let named = session.transfers.iter().filter_map(|one| one.shown_path());
        let folders = session
            .steps
            .iter()
            .filter_map(|step| step.directory.as_deref());
        self.add_entries(named.chain(folders).map(|path| [path.as_bytes().to_vec()]));
        for one in &session.encrypted_data {
            let first = one.connection.first_frame;
            let ends = [one.connection.client.into(), one.connection.server.into()];
            self.data.insert(first, DataKind::Encrypted);
            self.encrypted.insert(first, ends);
        }
        for step in &session.steps {
            self.add_entries(step.entries.iter().map(|entry| {
                let target = entry.target.as_deref().unwrap_or_default();
                [entry.name.as_bytes().to_vec(), target.as_bytes().to_vec()]
            }));
        }
    }

    fn add_entries<const N: usize>(&mut self, entries: impl Iterator<Item = [Vec<u8>; N]>) {
        for name in entries.flatten() {
            if self.entries.len() < ENTRIES {
                self.entries.insert(name);
            }
        }
    }
}

/// The plans of all connections, and the replacements.
#[derive(Debug)]
pub struct Redaction {
    classes: Classes,
    rewriter: Rewriter,
    /// Plans by the first frame of the connection.
    plans: HashMap<u64, ConnectionPlan, RandomState>,
    /// Client and server of connections with TLS before redaction, by their first frames.
    encrypted: BTreeMap<u64, [Endpoint; 2]>,
}

/// Replaced bytes of a connection.
#[derive(Debug)]
struct ConnectionPlan {
    /// By [`Direction::index`].
    halves: [Option<StreamPlan>; 2],
    rest: [Rest; 2],
    /// End points before redaction; `None` if no byte of the connection was collected.
    key: Option<FlowKey>,
    is_control: bool,
    /// A data connection with TLS.
    is_encrypted: bool,
}

/// Treatment of bytes that the plan of a stream does not cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rest {
    /// They stay.
    #[default]
    Keep,
    /// `x` for each letter and digit.
    Hide,
    /// `.` for each byte but CR and LF.
    Content,
    /// A deflate stream of this length that holds nothing but full stops.
    Deflated(u64),
}

/// Bytes of a stream before and after.
#[derive(Debug)]
struct StreamPlan {
    /// Sequence number of stream offset 0.
    origin: u32,
    /// Stream offset of each run of bytes, and where in the texts it begins.
    runs: Vec<(u64, usize)>,
    original: Vec<u8>,
    replaced: Vec<u8>,
}

impl Redaction {
    /// Plans the redaction of the chosen sessions.
    pub(super) fn new(
        collected: StreamCollector,
        facts: &SessionFacts,
        classes: Classes,
        key: RedactionKey,
    ) -> Self {
        let connections = collected.into_connections();
        let mut chosen: Vec<(u64, Connection)> = connections
            .into_iter()
            .filter(|(first, connection)| match connection.control_of {
                Some(session) => facts.sessions.contains_key(&session),
                None => facts.data.contains_key(first),
            })
            .collect();
        // In a fixed order: the first replacement of several decides in the mapping file.
        chosen.sort_by_key(|(first, _)| *first);
        let mut rewriter = Rewriter::new(classes.clone(), Substitution::new(key));
        for (_, connection) in &chosen {
            if let Some(session) = connection.control_of {
                for half in &connection.halves {
                    let is_shown = |sequence| facts.shown.contains(&(session, sequence));
                    rewriter.begin_to_learn();
                    half.each_part(&mut |bytes, kind| rewriter.learn(bytes, kind, &is_shown));
                }
            }
        }
        rewriter.learn_names(facts.hosts.iter(), facts.entries.iter());
        let mut redaction = Self {
            plans: HashMap::default(),
            encrypted: facts.encrypted.clone(),
            classes,
            rewriter,
        };
        for (first, connection) in chosen {
            if connection.halves.iter().any(Half::is_encrypted)
                && let Some(session) = connection.control_of
                && let Some(ends) = facts.sessions.get(&session)
            {
                redaction.encrypted.insert(first, *ends);
            }
            let plan = redaction.plan(first, connection, facts);
            redaction.plans.insert(first, plan);
        }
        for (first, kind) in &facts.data {
            let rest = redaction.rest_of_data(*kind);
            redaction.plans.entry(*first).or_insert(ConnectionPlan {
                halves: [None, None],
                rest: [rest; 2],
                key: None,
                is_control: false,
                is_encrypted: *kind == DataKind::Encrypted,
            });
        }
        redaction
    }

    /// Returns what became what so far.
    #[must_use]
    pub fn mapping(&self) -> Mapping {
        self.rewriter.mapping()
    }

    /// Returns a text of the report with its values replaced.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut out = text.as_bytes().to_vec();
        self.rewriter.rewrite_text(text.as_bytes(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Returns the title of a step with its values replaced, and without what the server says of itself.
    #[must_use]
    pub fn title(&self, title: &str) -> String {
        let is_own = |word: &str| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
        let tells = |word: &str| ["SYST", "STAT", "FEAT", "HELP"].contains(&word);
        match title.split_once([' ', ':']) {
            Some((word, _))
                if self.classes.has(Class::Banners) && (is_own(word) || tells(word)) =>
            {
                word.to_owned()
            }
            _ => self.text(title),
        }
    }

    /// Returns the replacement of an address in the form of [`Endpoint::address`](crate::model::Endpoint::address).
    #[must_use]
    pub fn address(&self, address: u128) -> u128 {
        if self.classes.has(Class::Addresses) {
            self.rewriter.substitution().address(address)
        } else {
            address
        }
    }

    /// Returns the connections whose TLS records are not looked into, by their first frames.
    #[must_use]
    pub const fn encrypted(&self) -> &BTreeMap<u64, [Endpoint; 2]> {
        &self.encrypted
    }

    /// Returns an end point with its address replaced.
    #[must_use]
    pub fn endpoint(&self, end: Endpoint) -> Endpoint {
        Endpoint {
            address: self.address(end.address),
            ..end
        }
    }

    /// Returns the classes that are replaced.
    #[must_use]
    pub const fn classes(&self) -> &Classes {
        &self.classes
    }

    fn plan(&mut self, first: u64, connection: Connection, facts: &SessionFacts) -> ConnectionPlan {
        let kind = facts.data.get(&first).copied();
        let mut plan = ConnectionPlan {
            halves: [None, None],
            rest: [Rest::Keep; 2],
            key: connection.key,
            is_control: connection.control_of.is_some(),
            is_encrypted: kind == Some(DataKind::Encrypted),
        };
        let is_one_sided = connection.halves.iter().any(|half| half.bytes.is_empty());
        for (index, half) in connection.halves.into_iter().enumerate() {
            if half.bytes.is_empty() {
                plan.rest[index] = match connection.control_of {
                    Some(_) => self.rest_of_control(),
                    None => kind.map_or(Rest::Keep, |kind| self.rest_of_data(kind)),
                };
                if matches!(plan.rest[index], Rest::Deflated(_)) {
                    // Its bytes are made by their offset, which needs the origin.
                    plan.halves[index] = Some(StreamPlan {
                        origin: half.origin,
                        runs: Vec::new(),
                        original: Vec::new(),
                        replaced: Vec::new(),
                    });
                }
                continue;
            }
            let mut replaced = half.bytes.clone();
            match (connection.control_of, kind) {
                (Some(_), _) => {
                    self.rewriter
                        .rewrite_stream(&half, &mut replaced, is_one_sided);
                    plan.rest[index] = if half.is_encrypted() {
                        Rest::Keep
                    } else {
                        self.rest_of_control()
                    };
                }
                (None, Some(kind)) => {
                    plan.rest[index] = self.rest_of_data(kind);
                    let prelude = half.prelude();
                    let (before, new) = replaced.split_at_mut(prelude);
                    self.rewriter
                        .rewrite_prelude(&half.bytes[..prelude], before);
                    let old = &half.bytes[prelude..];
                    match kind {
                        DataKind::Listing if self.classes.has_listings() => {
                            self.rewriter.rewrite_listing(old, new);
                        }
                        DataKind::Encrypted => self.rewriter.rewrite_hello(old, new),
                        DataKind::Listing | DataKind::File | DataKind::Coded { .. } => {
                            plan.rest[index].apply(prelude as u64, old, new);
                        }
                    }
                }
                (None, None) => continue,
            }
            plan.halves[index] = Some(StreamPlan {
                origin: half.origin,
                runs: half.runs,
                original: half.bytes,
                replaced,
            });
        }
        plan
    }

    fn rest_of_control(&self) -> Rest {
        if self.classes.has_text() {
            Rest::Hide
        } else {
            Rest::Keep
        }
    }

    fn rest_of_data(&self, kind: DataKind) -> Rest {
        match kind {
            DataKind::Encrypted => Rest::Keep,
            DataKind::Coded {
                is_listing,
                deflated,
            } => {
                let hides_listing = is_listing && self.classes.has_listings();
                match deflated {
                    _ if !hides_listing && !self.classes.has(Class::Content) => Rest::Keep,
                    Some(length) => Rest::Deflated(length),
                    None => Rest::Content,
                }
            }
            _ if self.classes.has(Class::Content) => Rest::Content,
            DataKind::Listing if self.classes.has_listings() => Rest::Hide,
            _ => Rest::Keep,
        }
    }

    /// Replaces the payload of a segment; `sequence` is the number of its first byte. Returns false if nothing changed.
    fn replace_payload(
        &self,
        first_frame: u64,
        direction: Direction,
        sequence: u32,
        old: &[u8],
        new: &mut [u8],
    ) -> bool {
        let Some(plan) = self.plans.get(&first_frame) else {
            // A data connection without its command: a file or a listing.
            return self.rest_of_data(DataKind::Listing).apply(0, old, new);
        };
        let rest = plan.rest[direction.index()];
        let Some(stream) = &plan.halves[direction.index()] else {
            return rest.apply(0, old, new);
        };
        stream.replace(sequence, rest, old, new)
    }
}

impl StreamPlan {
    fn replace(&self, sequence: u32, rest: Rest, old: &[u8], new: &mut [u8]) -> bool {
        // Control streams and listings are far shorter than half of the sequence numbers.
        let begin = i64::from(sequence.wrapping_sub(self.origin).cast_signed());
        let end = begin + i64::try_from(old.len()).unwrap_or(i64::MAX);
        let mut done = begin;
        let mut changed = false;
        let index = |offset: i64| usize::try_from(offset - begin).unwrap_or_default();
        let offset_of = |offset: i64| u64::try_from(offset).unwrap_or(u64::MAX >> 1);
        for (number, (offset, at)) in self.runs.iter().enumerate() {
            let next = self.runs.get(number + 1);
            let length = next.map_or(self.original.len(), |(_, next)| *next) - at;
            let offset = i64::try_from(*offset).unwrap_or(i64::MAX);
            let run_end = offset.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
            let (from, to) = (offset.max(done), run_end.min(end));
            if from >= to {
                continue;
            }
            let uncovered = index(done)..index(from);
            changed |= rest.apply(
                offset_of(done),
                &old[uncovered.clone()],
                &mut new[uncovered],
            );
            let skipped = usize::try_from(from - offset).unwrap_or_default();
            let covered = index(from)..index(to);
            let original = &self.original[at + skipped..][..covered.len()];
            let replaced = &self.replaced[at + skipped..][..covered.len()];
            changed |= original != replaced;
            copy_replaced(original, replaced, &old[covered.clone()], &mut new[covered]);
            done = to;
        }
        let uncovered = index(done)..old.len();
        changed
            | rest.apply(
                offset_of(done),
                &old[uncovered.clone()],
                &mut new[uncovered],
            )
    }
}

/// Writes the replaced bytes of one copy of a text. Where the copy has another byte than the text that was read, the new copy has
/// another one as well.
fn copy_replaced(original: &[u8], replaced: &[u8], old: &[u8], new: &mut [u8]) {
    if old == original {
        new.copy_from_slice(replaced);
        return;
    }
    for (((original, replaced), old), new) in original.iter().zip(replaced).zip(old).zip(new) {
        *new = if old == original {
            *replaced
        } else if original == replaced {
            *old
        } else {
            other_byte(*replaced)
        };
    }
}

/// Returns another byte of the same kind.
const fn other_byte(byte: u8) -> u8 {
    match byte {
        b'x' => b'y',
        b'.' => b',',
        b'z' => b'a',
        b'Z' => b'A',
        b'9' => b'0',
        b'a'..=b'y' | b'A'..=b'Y' | b'0'..=b'8' => byte + 1,
        _ => byte ^ 1,
    }
}

impl Rest {
    /// Replaces bytes, the first of which stands at `offset` in its stream; returns false if nothing changed.
    fn apply(self, offset: u64, old: &[u8], new: &mut [u8]) -> bool {
        match self {
            Self::Deflated(length) => deflated_stops(length, offset, new),
            Self::Keep => return false,
            Self::Hide => {
                for (new, old) in new.iter_mut().zip(old) {
                    *new = if old.is_ascii_alphanumeric() || *old >= 0x80 {
                        b'x'
                    } else {
                        *old
                    };
                }
            }
            Self::Content => {
                for (new, old) in new.iter_mut().zip(old) {
                    *new = if matches!(old, b'\r' | b'\n') {
                        *old
                    } else {
                        b'.'
                    };
                }
            }
        }
        !old.is_empty()
    }
}

/// Writes a part of a zlib stream (RFC 1950) of `length` bytes, in stored blocks (RFC 1951 section 3.2.4) of full stops.
fn deflated_stops(length: u64, offset: u64, out: &mut [u8]) {
    const HEAD: u64 = 2;
    const BLOCK_HEAD: u64 = 5;
    const BLOCK: u64 = BLOCK_HEAD + 0xffff;
    const SUM: u64 = 4;
    out.fill(b'.');
    let end = offset.saturating_add(out.len() as u64);
    let Some(blocks) = length.checked_sub(HEAD + BLOCK_HEAD + SUM) else {
        return;
    };
    // The last block is never shorter than its head: the one before it leaves as many bytes as are needed.
    let blocks = blocks + BLOCK_HEAD;
    let rest = blocks % BLOCK;
    let spare = if rest > 0 && rest < BLOCK_HEAD {
        BLOCK_HEAD - rest
    } else {
        0
    };
    let count = blocks.div_ceil(BLOCK);
    let mut put = |at: u64, bytes: &[u8]| {
        for (at, byte) in (at..).zip(bytes) {
            let index = at
                .checked_sub(offset)
                .and_then(|index| usize::try_from(index).ok());
            if let Some(out) = index.and_then(|index| out.get_mut(index)) {
                *out = *byte;
            }
        }
    };
    put(0, &[0x78, 0x01]);
    let first = offset.saturating_sub(HEAD + BLOCK) / BLOCK;
    for block in first..count {
        let is_last = block + 1 == count;
        let taken = if is_last { spare } else { 0 };
        let begin = HEAD + block * BLOCK - taken;
        if begin > end {
            break;
        }
        let to = if is_last {
            HEAD + blocks
        } else if block + 2 == count {
            begin + BLOCK - spare
        } else {
            begin + BLOCK
        };
        let size = u16::try_from(to - begin - BLOCK_HEAD).unwrap_or(u16::MAX);
        let [low, high] = size.to_le_bytes();
        put(begin, &[is_last.into(), low, high, !low, !high]);
    }
    // Adler-32 of full stops only.
    let stops = blocks - count * BLOCK_HEAD;
    let stop = u128::from(b'.');
    let count = u128::from(stops);
    let low = (1 + count * stop) % 65_521;
    let high = (count + stop * (count * (count + 1) / 2)) % 65_521;
    let sum = u32::try_from(high << 16 | low).unwrap_or_default();
    put(length - SUM, &sum.to_be_bytes());
}

/// Text that the report has in place of a secret.
const HIDDEN: &str = "<hidden>";
/// Names of files in listings that are known; further ones are found by the form of their lines.
const ENTRIES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn deflated_full_stops_are_a_stream_of_any_length_and_made_in_any_pieces() {
        for length in (11..40)
            .chain(65_530..65_570)
            .chain(131_070..131_100)
            .chain([500_000])
        {
            let mut stream = vec![0; length];
            for (index, piece) in stream.chunks_mut(1447).enumerate() {
                deflated_stops(length as u64, index as u64 * 1447, piece);
            }
            let mut text = Vec::new();
            let mut decoder = flate2::read::ZlibDecoder::new(&stream[..]);
            decoder.read_to_end(&mut text).expect("a stream");
            assert!(text.iter().all(|byte| *byte == b'.'), "{length}");
            assert_eq!(decoder.total_in(), length as u64);
        }
    }
}
