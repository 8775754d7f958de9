//! Servers' logs beside the wire: each claim of a log agrees, differs, stands alone, or cannot be compared.
//!
//! ```text
//! logs (log/) ─> claim ─┬─> clock ─┐
//!                       │          ├─> matching ─> judgement ─> answer (text, JSON, CSV, JUnit)
//! sessions ─> wire ─────┴─> names ─┘                   └─> findings
//! ```
//!
//! Captures are read first, into small events. Logs are read twice: once to learn clocks and prefixes of paths, and once to
//! keep the claims within the captures' time, all others are counted. Memory depends on that time, not on the length of the
//! logs.
//!
//! ```
//! use ftpscope::reconcile::log::{LogOptions, log_inputs};
//! use ftpscope::reconcile::wire::WireBuilder;
//! use ftpscope::reconcile::{Settings, reconcile};
//! use ftpscope::{Options, capture::CaptureSet, pipeline};
//!
//! # let folder = std::env::temp_dir().join(format!("ftpscope-reconcile-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("xferlog");
//! std::fs::write(
//!     &path,
//!     "Fri Nov 20 15:53:08 2026 1 192.168.0.2 1715 /pub/readme.txt a _ o a guest@ ftp 0 * c\n",
//! )?;
//! let mut captures = CaptureSet::open(&["testdata/captures/classic.pcap".into()], Default::default());
//! let mut builder = WireBuilder::default();
//! let summary = pipeline::analyze(&mut captures, &Options::default(), &mut builder, &mut ());
//! let wire = builder.finish(&summary.captures, (None, None));
//! let logs = log_inputs(&[path.into()])?;
//! let answer = reconcile(&wire, &logs, &LogOptions::default(), &Settings::default())?;
//! assert_eq!(answer.claims.len(), 1);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod answer;
pub mod claim;
mod clock;
mod comparison;
mod damage;
mod findings;
mod injection;
mod judgement;
pub mod log;
mod matching;
mod names;
mod secrets;
mod sequence;
pub mod wire;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use jiff::tz::TimeZone;

use self::answer::{Answer, ClaimOutcome, ClaimRecord, ClockRecord, Log, WireOnly};
use self::claim::{Claim, ClaimKind, Direction};
use self::clock::{Clock, ClockSurvey, GroupKey, nearest_quarter};
use self::damage::{Damage, LineOrder, excused};
use self::injection::Injections;
use self::judgement::{AT_EDGE, Judged, OUTSIDE, ServerKey, View, judge_match, sought};
use self::log::{LogError, LogFile, LogInput, LogKind, LogOptions};
use self::matching::{Held, Index, Match, Matcher, fitting};
use self::names::{Prefixes, Relation};
use self::wire::{Wire, WireEvent};
use crate::model::record::WarningRecord;
use crate::model::{Span, Timestamp, WarningCode};
use crate::report::{SCHEMA_VERSION, units};

pub use self::names::PathMap;

/// Options of a comparison.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Distance of times that are the same, the error of the clock left out.
    pub tolerance: Span,
    /// Zone of times that name none; `None` to estimate it.
    pub zone: Option<TimeZone>,
    /// Server of the logs; `None` for those that lines fit.
    pub server: Option<ServerChoice>,
    /// Prefixes of paths in the log and on the wire.
    pub path_map: PathMap,
    /// True to show secrets in lines.
    pub show_secrets: bool,
}

/// A server that logs are of: its address, and its port if another server on the host has logs of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerChoice {
    /// Address.
    pub ip: IpAddr,
    /// Port of control connections; `None` for any.
    pub port: Option<u16>,
}

impl ServerChoice {
    fn holds(self, (ip, port): ServerKey) -> bool {
        self.ip == ip && self.port.is_none_or(|own| own == port)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: Span::from_secs(2),
            zone: None,
            server: None,
            path_map: PathMap::default(),
            show_secrets: false,
        }
    }
}

/// Compares logs with the events of captures. The answer has no captures, and only the warnings about logs.
///
/// # Errors
///
/// A log cannot be read.
pub fn reconcile(
    wire: &Wire,
    inputs: &[LogInput],
    options: &LogOptions,
    settings: &Settings,
) -> Result<Answer, LogError> {
    let mut run = Run::new(wire, settings);
    let options = LogOptions {
        captured: options.captured.or(run.middle),
        ..options.clone()
    };
    let mut read = Vec::new();
    for input in inputs {
        let mut file = match LogFile::open(&input.path, input.kind, &options) {
            Ok(file) => file,
            // A folder of logs holds other files too.
            Err(
                LogError::KindUncertain { .. }
                | LogError::Empty { .. }
                | LogError::IsCapture { .. },
            ) if input.is_from_folder => {
                continue;
            }
            Err(error) => return Err(error),
        };
        let log = run.add(&input.path, file.kind());
        while let Some(claim) = file.next_claim()? {
            run.survey(log, claim);
        }
        read.push((input, file.kind()));
    }
    run.settle();
    let mut files = Vec::new();
    for (log, (input, kind)) in read.into_iter().enumerate() {
        let mut file = LogFile::open(&input.path, Some(kind), &options)?;
        let mut damaged = 0;
        while let Some(claim) = file.next_claim()? {
            let lines = file.damaged_lines().len();
            run.take(log, claim, lines - damaged);
            damaged = lines;
        }
        run.end(log, file.damaged_lines().len() - damaged);
        files.push(file);
    }
    Ok(run.finish(&files))
}

/// A comparison in progress.
struct Run<'w> {
    wire: &'w Wire,
    index: Index,
    settings: &'w Settings,
    logs: Vec<LogState>,
    /// A time in the middle of the captures; `None` without packets.
    middle: Option<Timestamp>,
    /// Claims within the captures' time.
    held: Vec<Held>,
    /// Claims outside of it, as many as are listed.
    outside: Vec<ClaimRecord>,
    /// Claims outside of it that are counted only.
    outside_omitted: u64,
    /// Claims outside of it that are held all the same.
    strays: usize,
    /// Addresses of clients that logs call by name.
    clients: HashMap<String, IpAddr>,
}

/// One log.
struct LogState {
    path: String,
    kind: LogKind,
    survey: ClockSurvey,
    prefixes: Prefixes,
    clocks: BTreeMap<GroupKey, Clock>,
    /// Zone named by most lines, in seconds.
    named_zone: i32,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Times of the first and the last claim that are not held, being outside of the captures.
    outside: Option<(Timestamp, Timestamp)>,
    /// Verbs of claims about commands.
    verbs: HashSet<String>,
    /// True if clients' ports in the log are those of the wire, so that a line of another port is about another session.
    has_ports: bool,
    /// Index of the claim before, if it was held; and whether it was outside of the captures.
    before: Option<(Option<usize>, bool)>,
    /// Line of the claim before.
    line: u64,
    /// Order of the lines, and the places of unreadable ones.
    order: LineOrder,
    /// Number of the line that is cut at the beginning or end of the file, though it can be read; `None` without one.
    cut_line: Option<u64>,
}

impl LogState {
    fn see(&mut self, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }

    fn see_outside(&mut self, time: Timestamp) {
        self.outside = Some(self.outside.map_or((time, time), |(first, last)| {
            (first.min(time), last.max(time))
        }));
    }

    /// Returns the groups with their clocks, the one with most matches first.
    fn sorted_clocks(&self) -> Vec<(GroupKey, &Clock)> {
        let mut clocks: Vec<_> = self
            .clocks
            .iter()
            .map(|(key, clock)| (*key, clock))
            .collect();
        clocks.sort_by_key(|(_, clock)| std::cmp::Reverse(clock.matches));
        clocks
    }
}

impl<'w> Run<'w> {
    fn new(wire: &'w Wire, settings: &'w Settings) -> Self {
        let middle = wire.covered.first().zip(wire.covered.last());
        let middle = middle.map(|((first, _), (_, last))| {
            let half = last.since(*first).nanos() / 2;
            first.plus(Span::from_nanos(half))
        });
        Self {
            wire,
            index: Index::new(wire),
            settings,
            logs: Vec::new(),
            middle,
            held: Vec::new(),
            outside: Vec::new(),
            outside_omitted: 0,
            strays: 0,
            clients: HashMap::new(),
        }
    }

    fn add(&mut self, path: &Path, kind: LogKind) -> usize {
        self.logs.push(LogState {
            path: path.display().to_string(),
            kind,
            survey: ClockSurvey::default(),
            prefixes: Prefixes::default(),
            clocks: BTreeMap::new(),
            named_zone: 0,
            first: None,
            last: None,
            outside: None,
            verbs: HashSet::new(),
            has_ports: false,
            before: None,
            line: 0,
            order: LineOrder::default(),
            cut_line: None,
        });
        self.logs.len() - 1
    }

    /// Returns the time of a claim as if its zone were right; `None` without a time.
    fn base(&self, claim: &Claim) -> Option<Timestamp> {
        let time = claim.time.as_ref()?;
        let near = self.middle.unwrap_or(time.wall);
        Some(clock::base(time, self.settings.zone.as_ref(), near))
    }

    /// Learns the clock and the paths of a log from a claim.
    fn survey(&mut self, log: usize, mut claim: Claim) {
        let key = group_of(&claim);
        let base = self.base(&claim);
        let Some(state) = self.logs.get_mut(log) else {
            return;
        };
        if base.is_some() {
            state.survey.see(key);
        }
        if claim.kind == ClaimKind::Command
            && let Some(verb) = &claim.verb
            && state.verbs.len() < MAX_VERBS
            && !state.verbs.contains(verb)
        {
            state.verbs.insert(verb.clone());
        }
        let Some(base) = base else { return };
        let is_wanted = claim.kind != ClaimKind::Command && state.survey.wants(key, claim.line);
        if !is_wanted || !is_near(self.wire, base) {
            return;
        }
        map_paths(&self.settings.path_map, &mut claim);
        let client = address(claim.host.as_deref());
        let mut events = fitting(self.wire, &self.index, &claim, client);
        events.retain(|fit| {
            let event = self.wire.events.get(fit.event as usize);
            event.is_some_and(|event| is_server(self.wire, event, self.settings.server))
        });
        let strong = claim.kind == ClaimKind::Transfer && claim.bytes.is_some();
        state.survey.add(key, claim.line, base, strong, &events);
        if let [only] = events.as_slice()
            && let Some(event) = self.wire.events.get(only.event as usize)
        {
            if let Relation::Prefix(prefix) = names::path_of(&claim, event) {
                state.prefixes.vote(claim.user.as_deref(), &prefix);
            }
            if let (None, Some(name)) = (client, &claim.host)
                && let Some(session) = self.wire.sessions.get(event.session as usize)
                && self.clients.len() < MAX_NAMES
            {
                self.clients.insert(name.clone(), session.client.ip);
            }
        }
    }

    /// Estimates the clocks of all logs.
    fn settle(&mut self) {
        let tolerance = self.settings.tolerance;
        let mut shifts: Vec<(u64, i64)> = Vec::new();
        // Rotated files have one clock: a file of its own may hold only another run of the captured work.
        let mut rotated: BTreeMap<(&'static str, String), Vec<usize>> = BTreeMap::new();
        for (at, state) in self.logs.iter().enumerate() {
            let stem = rotation_stem(&state.path).to_owned();
            rotated
                .entry((state.kind.name(), stem))
                .or_default()
                .push(at);
        }
        for mut files in rotated.into_values() {
            files.sort_by_cached_key(|&at| self.logs.get(at).map(|state| state.survey.first()));
            let surveys = files
                .iter()
                .filter_map(|&at| Some(&self.logs.get(at)?.survey));
            let joined = ClockSurvey::join(surveys);
            let clocks = joined.estimate(tolerance, &[]);
            let has_ports = joined.has_ports(&clocks, tolerance);
            for at in files {
                if let Some(state) = self.logs.get_mut(at) {
                    state.clocks.clone_from(&clocks);
                    state.has_ports = has_ports;
                }
            }
        }
        for state in &mut self.logs {
            state.named_zone = state.survey.named_zone();
            for (key, clock) in &state.clocks {
                let zone = clock::nanos(key.1.unwrap_or(0));
                if clock.matches >= 3
                    && let Some(&first) = clock.shifts.first()
                {
                    shifts.push((clock.matches, first + zone));
                }
            }
        }
        shifts.sort_unstable_by(|a, b| b.cmp(a));
        let mut others: Vec<i64> = shifts.into_iter().map(|(_, shift)| shift).collect();
        others.dedup();
        others.truncate(MAX_OTHERS);
        for state in &mut self.logs {
            if state.clocks.values().all(|clock| clock.matches < 3) {
                state.clocks = state.survey.estimate(tolerance, &others);
                state.has_ports = state.survey.has_ports(&state.clocks, tolerance);
            }
            // Pairs may be many; they are not needed any more.
            state.survey = ClockSurvey::default();
        }
    }

    /// Keeps a claim if it may be within the captures' time. `damaged` is the number of unreadable lines before it.
    fn take(&mut self, log: usize, mut claim: Claim, damaged: usize) {
        let key = group_of(&claim);
        let base = self.base(&claim);
        let Some(state) = self.logs.get_mut(log) else {
            return;
        };
        let clock = state.clocks.get(&key).cloned().unwrap_or_default();
        let times: Vec<Timestamp> = base.map_or_else(Vec::new, |base| {
            let shifts = clock.shifts.iter();
            shifts
                .map(|shift| base.plus(Span::from_nanos(-shift)))
                .collect()
        });
        let seconds: Vec<Timestamp> = base.map_or_else(Vec::new, |base| {
            let offsets = clock.offsets.iter();
            offsets
                .map(|offset| base.plus(Span::from_nanos(-offset)))
                .collect()
        });
        let log = u32::try_from(log).unwrap_or(u32::MAX);
        state.order.add(&times, damaged);
        map_paths(&self.settings.path_map, &mut claim);
        if !state.has_ports {
            claim.client_port = None;
        }
        let wire = self.wire;
        let is_away = |margin: i64| {
            let mut inside = times.iter().map(|time| is_inside(wire, *time, margin));
            !times.is_empty() && inside.all(|inside| !inside)
        };
        let is_apart = is_away(0);
        let (before, was_apart) = state.before.take().unwrap_or_default();
        let follows_other = state.line + 1 != claim.line;
        state.line = claim.line;
        if is_apart
            && was_apart
            && let Some(held) = before.and_then(|before| self.held.get_mut(before))
        {
            held.is_apart = true;
        }
        let (is_outside, is_far) = (is_away(clock::SECOND), is_away(NEAR));
        // A line may have been moved out of the captures' time, away from its event; its neighbours are within it then.
        let may_be_moved = is_far
            && !was_apart
            && self.strays < MAX_STRAYS
            && times.iter().any(|time| is_near(self.wire, *time))
            && !self
                .index
                .named(&claim, address(claim.host.as_deref()))
                .is_empty();
        self.strays += usize::from(may_be_moved);
        if is_far && !may_be_moved {
            state.before = Some((None, is_apart));
            if let Some(&time) = times.first() {
                state.see(time);
                state.see_outside(time);
            }
            if self.outside.len() < MAX_OUTSIDE {
                let judged = Judged {
                    outcome: ClaimOutcome::NotComparable,
                    differences: Vec::new(),
                    reason: Some(OUTSIDE),
                };
                let time = times.first().copied();
                let show = self.settings.show_secrets;
                self.outside
                    .push(record(log, &claim, time, judged, None, show));
            } else {
                self.outside_omitted += 1;
            }
            return;
        }
        state.before = Some((Some(self.held.len()), is_apart));
        let host = claim.host.as_deref();
        let client =
            address(host).or_else(|| host.and_then(|name| self.clients.get(name).copied()));
        self.held.push(Held {
            claim,
            log,
            group: key,
            times,
            seconds,
            client,
            follows_other,
            is_injected: false,
            is_outside,
            is_apart: is_apart && was_apart,
        });
    }

    /// Notes the unreadable lines behind the last claim of a log.
    fn end(&mut self, log: usize, damaged: usize) {
        if let Some(state) = self.logs.get_mut(log) {
            state.order.end(damaged);
        }
    }

    /// Matches and judges all claims.
    fn finish(mut self, files: &[LogFile]) -> Answer {
        let mut answer = Answer {
            schema_version: SCHEMA_VERSION,
            ..Answer::default()
        };
        answer.claims = std::mem::take(&mut self.outside);
        answer.claims_omitted = self.outside_omitted;
        answer.totals.not_comparable = answer.claims.len() as u64 + self.outside_omitted;
        Injections::new(self.wire).mark(&mut self.held);
        for held in self.held.iter().filter(|held| held.is_injected) {
            let show = self.settings.show_secrets;
            let judged = Judged::because(INJECTED);
            answer.totals.not_comparable += 1;
            answer.claims.push(record(
                held.log,
                &held.claim,
                held.time(),
                judged,
                None,
                show,
            ));
        }
        self.held.retain(|held| !held.is_injected);
        // Provisional edges, by which rotated files are put together.
        for held in &self.held {
            let state = self.logs.get_mut(held.log as usize);
            if let (Some(state), Some(time)) = (state, held.time()) {
                state.see(time);
            }
        }
        let mut missing: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for family in self.joined(&families(&self.logs), files) {
            self.judge(&family, files, &mut answer, &mut missing);
        }
        answer.claims.sort_by_key(|claim| (claim.log, claim.line));
        for (event, mut logs) in missing {
            logs.sort_unstable();
            if let Some(event) = self.wire.events.get(event as usize) {
                answer.wire_only.extend(wire_only(self.wire, event, logs));
            }
        }
        answer.totals.wire_only = answer.wire_only.len() as u64;
        for (state, file) in self.logs.iter().zip(files) {
            answer
                .logs
                .push(log_record(state, file, self.settings.zone.as_ref()));
            warn(state, file, &mut answer.warnings);
        }
        findings::add(&mut answer, self.settings.tolerance);
        answer
    }

    /// Joins families that are parts of one log: files of one kind and server that share no event. Lines of sessions side by
    /// side need not be in order of time, so that the times of a log's parts may overlap.
    fn joined(&self, families: &[Vec<usize>], files: &[LogFile]) -> Vec<Vec<usize>> {
        let kind = |family: &[usize]| {
            let first = *family.first()?;
            Some((self.logs.get(first)?.kind, files.get(first)?.writer()))
        };
        let has_sibling = |at: usize| {
            let own = families.get(at).map(|family| kind(family));
            let mut others = families.iter().enumerate();
            others.any(|(other, family)| other != at && Some(kind(family)) == own)
        };
        let mut parts: Vec<Part> = Vec::new();
        for (at, family) in families.iter().enumerate() {
            let mut part = Part {
                family: family.clone(),
                server: None,
                events: HashSet::new(),
            };
            if has_sibling(at) && families.len() <= MAX_PARTS {
                let (claims, prefixes) = self.claims_of(family);
                let matches = self.matcher(&claims, &prefixes, family, files, |matcher| {
                    matcher.assign()
                });
                part.server = Servers::of(self.wire, &matches, self.settings.server).main();
                part.events = matches.iter().flatten().map(|found| found.event).collect();
            }
            let sibling = parts.iter_mut().find(|other| {
                part.server.is_some()
                    && other.server == part.server
                    && kind(&other.family) == kind(family)
                    && other.shares_little_with(&part)
            });
            match sibling {
                Some(other) => {
                    other.family.extend(part.family);
                    other.events.extend(part.events);
                }
                None => parts.push(part),
            }
        }
        parts.into_iter().map(|part| part.family).collect()
    }

    /// Returns the claims of a family in order of time, and the prefixes of its paths.
    fn claims_of(&self, family: &[usize]) -> (Vec<&Held>, Prefixes) {
        let mut prefixes = Prefixes::default();
        for &log in family {
            if let Some(state) = self.logs.get(log) {
                prefixes.merge(&state.prefixes);
            }
        }
        let is_of_family = |held: &&Held| family.contains(&(held.log as usize));
        let mut claims: Vec<&Held> = self.held.iter().filter(is_of_family).collect();
        claims.sort_by_key(|held| (held.time(), held.log, held.claim.line));
        (claims, prefixes)
    }

    /// Calls `work` with the matcher of a family.
    fn matcher<R>(
        &self,
        claims: &[&Held],
        prefixes: &Prefixes,
        family: &[usize],
        files: &[LogFile],
        work: impl FnOnce(&Matcher<'_>) -> R,
    ) -> R {
        let coverage = Coverage::of(family, &self.logs, files);
        work(&Matcher {
            edges: self.outside_of(family),
            wire: self.wire,
            index: &self.index,
            claims,
            prefixes,
            tolerance: self.settings.tolerance,
            is_ordered: &|log| {
                let state = self.logs.get(log as usize);
                state.is_some_and(|state| state.order.is_ordered())
            },
            usable: &|event| is_server(self.wire, event, self.settings.server),
            covered: &|event| coverage.holds(event),
        })
    }

    /// Returns the times of the first and the last claim of a family outside of the captures.
    fn outside_of(&self, family: &[usize]) -> Option<(Timestamp, Timestamp)> {
        let outside = family.iter().filter_map(|&log| self.logs.get(log)?.outside);
        outside.reduce(hull)
    }

    /// Judges the claims of one log, or of the rotated files of one.
    fn judge(
        &mut self,
        family: &[usize],
        files: &[LogFile],
        answer: &mut Answer,
        missing: &mut BTreeMap<u32, Vec<u32>>,
    ) {
        let wire = self.wire;
        let (claims, prefixes) = self.claims_of(family);
        let (matches, shifts, span) = self.matcher(&claims, &prefixes, family, files, |matcher| {
            let matches = matcher.assign();
            let shifts = nearest_shifts(&claims, &matches);
            let span = span(matcher, &matches, &shifts);
            (matches, shifts, span)
        });
        let servers = Servers::of(wire, &matches, self.settings.server);
        let view = View::new(wire, servers.seen.clone(), self.settings.server);
        let tolerance = self.settings.tolerance;
        let mut edges: Vec<(u32, Timestamp)> = Vec::new();
        let mut used = HashSet::new();
        let mut damage: Vec<Damage> = Vec::new();
        let mut cut_lines: Vec<(u32, u64)> = Vec::new();
        for ((held, found), shift) in claims.iter().zip(&matches).zip(shifts) {
            let clock = self
                .logs
                .get(held.log as usize)
                .and_then(|state| state.clocks.get(&held.group));
            let is_certain = clock.is_some_and(|clock| clock.certain);
            let is_chance = |found: &Match| {
                let is_zone = clock.is_some_and(|clock| clock.is_zone(found.shift, tolerance));
                !is_certain && view.may_be_chance(held, *found, is_zone, &prefixes)
            };
            let found = &found.filter(|found| !is_chance(found));
            let time = held.times.get(shift).copied();
            edges.extend(time.map(|time| (held.log, time)));
            let mut judged = match found {
                Some(found) => {
                    used.insert(found.event);
                    judge_match(held, *found, wire, &prefixes, is_certain)
                }
                None => view.judge_unmatched(held, time, is_certain),
            };
            if damage::is_cut(held, judged.outcome, wire) {
                judged = Judged::because(CUT);
                cut_lines.push((held.log, held.claim.line));
                if found.is_none() {
                    damage.extend(time.map(|time| Damage::at(time, CUT_SECOND)));
                }
            }
            // The line may be about what the capture's edge hides, or about the event there: one of them, and which is open.
            if found.is_none() && matches!(judged.reason, Some(AT_EDGE | OUTSIDE)) {
                damage.extend(time.map(|time| Damage::at(time, tolerance)));
            }
            let totals = &mut answer.totals;
            *match judged.outcome {
                ClaimOutcome::Agrees => &mut totals.agrees,
                ClaimOutcome::Differs => &mut totals.differs,
                ClaimOutcome::LogOnly => &mut totals.log_only,
                ClaimOutcome::NotComparable => &mut totals.not_comparable,
            } += 1;
            let event = found.and_then(|found| wire.events.get(found.event as usize));
            let place = event.and_then(|event| {
                let session = wire.sessions.get(event.session as usize)?;
                Some((session, event))
            });
            let show = self.settings.show_secrets;
            answer
                .claims
                .push(record(held.log, &held.claim, time, judged, place, show));
        }
        for (log, line) in cut_lines {
            if let Some(state) = self.logs.get_mut(log as usize) {
                state.cut_line.get_or_insert(line);
            }
        }
        self.set_edges(family, &edges);
        for &log in family {
            let Some(state) = self.logs.get(log) else {
                continue;
            };
            let others = family.iter().filter(|&&other| other != log);
            let others = others.filter_map(|&other| self.logs.get(other));
            let edges: Vec<_> = others
                .filter_map(|other| other.first.zip(other.last))
                .collect();
            damage.extend(state.order.damage(&edges, self.settings.tolerance));
        }
        self.find_missing(family, files, span, &servers, &used, damage, missing);
    }

    /// Sets the times of the first and last claims of logs whose clock changes, now that it is known where.
    fn set_edges(&mut self, family: &[usize], edges: &[(u32, Timestamp)]) {
        for &log in family {
            let Some(state) = self.logs.get_mut(log) else {
                continue;
            };
            if state.clocks.values().all(|clock| clock.shifts.len() < 2) {
                continue;
            }
            // Times outside of the captures are far from any edge that matters.
            let outside = |time: &Timestamp| !is_within(self.wire, *time);
            let (first, last) = (state.first.filter(outside), state.last.filter(outside));
            (state.first, state.last) = (first, last);
            for (_, time) in edges.iter().filter(|(of, _)| *of as usize == log) {
                state.see(*time);
            }
        }
    }

    /// Collects the events that the logs of a family cover, and have no line for, not even a damaged one.
    #[expect(clippy::too_many_arguments, reason = "one caller, which has all of it")]
    fn find_missing(
        &self,
        family: &[usize],
        files: &[LogFile],
        span: Option<(Timestamp, Timestamp)>,
        servers: &Servers,
        used: &HashSet<u32>,
        damage: Vec<Damage>,
        missing: &mut BTreeMap<u32, Vec<u32>>,
    ) {
        let mut coverage = Coverage::of(family, &self.logs, files);
        coverage.times = span;
        let states = &coverage.states;
        let clocks = states.iter().flat_map(|(_, state)| state.clocks.values());
        let mut clocks = clocks.peekable();
        if clocks.peek().is_none() || clocks.any(|clock| !clock.certain) {
            return;
        }
        let found = servers.accused(self.wire, used, &|event| coverage.holds(event));
        let excused = excused(self.wire, &found, damage);
        for event in found.into_iter().filter(|event| !excused.contains(event)) {
            let Some(end) = self.wire.events.get(event as usize).map(|event| event.end) else {
                continue;
            };
            // Of rotated files, the last one that begins before the event.
            let begun =
                |(_, state): &&(usize, &LogState)| state.first.is_some_and(|first| first <= end);
            let of = states
                .iter()
                .filter(begun)
                .max_by_key(|(log, state)| (state.first, std::cmp::Reverse(*log)));
            if let Some(&(log, _)) = of.or(states.first()) {
                let logs = missing.entry(event).or_default();
                logs.push(u32::try_from(log).unwrap_or(u32::MAX));
            }
        }
    }
}

/// Events for which a log, or the rotated files of one, has lines.
struct Coverage<'a> {
    states: Vec<(usize, &'a LogState)>,
    files: Vec<&'a LogFile>,
    /// Times of the first and the last claim; `None` without any.
    times: Option<(Timestamp, Timestamp)>,
}

impl<'a> Coverage<'a> {
    fn of(family: &[usize], logs: &'a [LogState], files: &'a [LogFile]) -> Self {
        let states: Vec<(usize, &LogState)> = family
            .iter()
            .filter_map(|&log| Some((log, logs.get(log)?)))
            .collect();
        let first = states.iter().filter_map(|(_, state)| state.first).min();
        let last = states.iter().filter_map(|(_, state)| state.last).max();
        let last = last.map(|last| last.plus(CUT_SECOND));
        Self {
            states,
            files: family.iter().filter_map(|&log| files.get(log)).collect(),
            times: first.zip(last),
        }
    }

    /// Returns true if the log should have a line for the event.
    fn holds(&self, event: &WireEvent) -> bool {
        let Some((first, last)) = self.times else {
            return false;
        };
        if event.settled < first || last < event.end {
            return false;
        }
        // A log may have the verb of a transfer, and no line for the command as such.
        let is_command = event.kind == ClaimKind::Command;
        let has_verb = |state: &LogState| !is_command || state.verbs.contains(&*event.verb);
        if !self.states.iter().any(|(_, state)| has_verb(state)) {
            return false;
        }
        let sought = sought(event);
        sought.is_some_and(|sought| self.files.iter().any(|file| file.has_line_for(&sought)))
    }
}

/// Servers that the lines of a log fit.
struct Servers {
    /// Servers with a match.
    seen: HashSet<ServerKey>,
    /// Matches of each.
    matches: HashMap<ServerKey, u64>,
    /// True if the server was named by the user.
    is_given: bool,
}

impl Servers {
    fn of(wire: &Wire, matches: &[Option<Match>], given: Option<ServerChoice>) -> Self {
        let mut counts: HashMap<ServerKey, u64> = HashMap::new();
        for found in matches.iter().flatten() {
            let event = wire.events.get(found.event as usize);
            let session = event.and_then(|event| wire.sessions.get(event.session as usize));
            if let Some(session) = session {
                *counts.entry(session.server).or_default() += 1;
            }
        }
        Self {
            seen: counts.keys().copied().collect(),
            matches: counts,
            is_given: given.is_some(),
        }
    }

    /// Returns the server with most matches; `None` without any.
    fn main(&self) -> Option<ServerKey> {
        let most = self
            .matches
            .iter()
            .max_by_key(|(server, count)| (**count, **server));
        most.map(|(server, _)| *server)
    }

    /// Returns events without a line, of servers that the log is of.
    ///
    /// A line may fit an event of another server by chance, where a client does the same at both: a server with less than half
    /// of its events in the log is accused only if no other server fits better.
    fn accused(
        &self,
        wire: &Wire,
        used: &HashSet<u32>,
        covers: &dyn Fn(&WireEvent) -> bool,
    ) -> Vec<u32> {
        let mut unmatched: HashMap<ServerKey, Vec<u32>> = HashMap::new();
        for (at, event) in (0_u32..).zip(&wire.events) {
            let Some(session) = wire.sessions.get(event.session as usize) else {
                continue;
            };
            if self.seen.contains(&session.server)
                && !used.contains(&at)
                && !session.rejected
                && covers(event)
            {
                unmatched.entry(session.server).or_default().push(at);
            }
        }
        let most = self.matches.values().max().copied().unwrap_or(0);
        let mut all: Vec<u32> = unmatched
            .into_iter()
            .filter(|(server, events)| {
                let matched = self.matches.get(server).copied().unwrap_or(0);
                self.is_given || matched == most || matched >= events.len() as u64
            })
            .flat_map(|(_, events)| events)
            .collect();
        all.sort_unstable();
        all
    }
}

/// Rotated files of one log, or a part of one under a name of its own.
struct Part {
    family: Vec<usize>,
    /// Server with most matches; `None` if the part stands for itself.
    server: Option<ServerKey>,
    /// Events with a line.
    events: HashSet<u32>,
}

impl Part {
    /// Returns true if few events have a line in both: equal ones may be mistaken for each other.
    fn shares_little_with(&self, other: &Self) -> bool {
        let shared = self.events.intersection(&other.events).count();
        shared * 2 <= self.events.len().min(other.events.len())
    }
}

/// Returns the times of the first and the last event that a log can be expected to have a line for; `None` without a line.
///
/// A line's time is cut to whole seconds, and a log may begin or end within one. The first and the last second therefore count
/// from and to the events of lines that can be about no other event.
fn span(
    matcher: &Matcher<'_>,
    assigned: &[Option<Match>],
    shifts: &[usize],
) -> Option<(Timestamp, Timestamp)> {
    let mut span = matcher.edges;
    let mut add = |own| span = Some(span.map_or(own, |span| hull(span, own)));
    let claims = matcher.claims.iter().zip(assigned).zip(shifts);
    let mut exact = Vec::new();
    for ((held, found), &shift) in claims {
        let found = found.filter(|found| found.in_time);
        let event = found.and_then(|found| matcher.wire.events.get(found.event as usize));
        match (held.times.get(shift), found.zip(event)) {
            (Some(&time), on_wire) => {
                add((time.plus(held.precision()), back(time, held.precision())));
                exact.extend(on_wire.map(|(found, event)| (*held, found, event)));
            }
            (None, Some((_, event))) => add((event.end, event.settled)),
            (None, None) => {}
        }
    }
    for (held, found, event) in exact {
        let is_within = |(low, high)| low <= event.end && event.settled <= high;
        if !span.is_some_and(is_within) && matcher.is_sole(held, found) {
            // A rejected login is answered seconds after its command, and logged at any time between.
            let own = (event.end, event.settled);
            span = Some(span.map_or(own, |span| hull(span, own)));
        }
    }
    span
}

fn hull(a: (Timestamp, Timestamp), b: (Timestamp, Timestamp)) -> (Timestamp, Timestamp) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Returns for each claim the shift of its clock: that of its match, or of the nearest match in the order of lines.
fn nearest_shifts(claims: &[&Held], matches: &[Option<Match>]) -> Vec<usize> {
    let mut anchors: HashMap<(u32, GroupKey), Vec<(u64, usize)>> = HashMap::new();
    for (held, found) in claims.iter().zip(matches) {
        if held.times.len() > 1
            && let Some(found) = found.filter(|found| found.in_time)
        {
            let lines = anchors.entry((held.log, held.group)).or_default();
            lines.push((held.claim.line, found.shift));
        }
    }
    for lines in anchors.values_mut() {
        lines.sort_unstable();
    }
    let nearest = |held: &Held| {
        let lines = anchors.get(&(held.log, held.group))?;
        let at = lines.partition_point(|(line, _)| *line < held.claim.line);
        let before = at.checked_sub(1).and_then(|before| lines.get(before));
        let near = [before, lines.get(at)].into_iter().flatten();
        near.min_by_key(|(line, _)| line.abs_diff(held.claim.line))
            .map(|(_, shift)| *shift)
    };
    claims
        .iter()
        .zip(matches)
        .map(|(held, found)| match found {
            Some(found) => found.shift,
            None => nearest(held).unwrap_or(0),
        })
        .collect()
}

/// Groups logs: rotated files of one log are judged as one.
///
/// Files of one folder whose names differ by a rotation are one log; so are files of one kind whose times do not overlap.
fn families(logs: &[LogState]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..logs.len()).collect();
    order.sort_by_key(|&at| logs.get(at).map(|log| (log.first, at)));
    let mut families: Vec<(Vec<usize>, Option<Timestamp>)> = Vec::new();
    for at in order {
        let Some(log) = logs.get(at) else { continue };
        let stem = rotation_stem(&log.path);
        let joins = |(members, last): &&mut (Vec<usize>, Option<Timestamp>)| {
            let mut members = members.iter().filter_map(|&member| logs.get(member));
            let is_apart = match (*last, log.first) {
                (Some(last), Some(first)) => last <= first.plus(CUT_SECOND),
                _ => false,
            };
            members.any(|member| {
                member.kind == log.kind && (is_apart || rotation_stem(&member.path) == stem)
            })
        };
        let found = families
            .iter_mut()
            .filter(joins)
            .max_by_key(|(_, last)| *last);
        match found {
            Some((members, last)) => {
                members.push(at);
                *last = (*last).max(log.last);
            }
            None => families.push((vec![at], log.last)),
        }
    }
    families.into_iter().map(|(members, _)| members).collect()
}

/// Removes the suffixes of compression and rotation from a path: `xferlog.2.gz`, `xferlog-20261129`.
fn rotation_stem(path: &str) -> &str {
    let mut stem = path;
    for suffix in [".gz", ".zst", ".lz4", ".xz", ".bz2"] {
        stem = stem.strip_suffix(suffix).unwrap_or(stem);
    }
    let plain = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    match plain
        .strip_suffix(['.', '-'])
        .or((plain.len() < stem.len()).then_some(plain))
    {
        Some(plain) if !plain.is_empty() && !plain.ends_with('/') => {
            plain.trim_end_matches(['.', '-'])
        }
        _ => stem,
    }
}

fn group_of(claim: &Claim) -> GroupKey {
    let offset = claim.time.as_ref().and_then(|time| time.offset);
    (claim.clock_group, offset)
}

/// Brings the verb and the paths of a claim into the form of the wire.
fn map_paths(map: &PathMap, claim: &mut Claim) {
    // vsftpd writes `????ABOR` for an ABOR behind Telnet's interrupt (RFC 959 section 3.1).
    if let Some(verb) = &mut claim.verb
        && verb.starts_with('?')
    {
        *verb = verb.trim_start_matches('?').to_owned();
    }
    // ProFTPD writes `OPTS_UTF8 ON` for `OPTS UTF8 ON`. Without the argument, the word alone is no name.
    let parts = claim.verb.as_deref().and_then(|verb| verb.split_once('_'));
    if let Some((verb, word)) = parts.filter(|_| claim.kind == ClaimKind::Command) {
        if let Some(rest) = &claim.path {
            claim.path = Some([word.as_bytes(), rest].join(&b' '));
        }
        claim.verb = Some(verb.to_owned());
    }
    if let Some(path) = &mut claim.path {
        map.apply(path);
    }
    if let Some(path) = &mut claim.new_path {
        map.apply(path);
    }
}

/// Parses a client; `None` for a name. IPv4 in IPv6 is IPv4.
fn address(host: Option<&str>) -> Option<IpAddr> {
    let host = host?;
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let ip: IpAddr = plain.parse().ok()?;
    Some(ip.to_canonical())
}

fn is_server(wire: &Wire, event: &WireEvent, server: Option<ServerChoice>) -> bool {
    let Some(server) = server else { return true };
    let session = wire.sessions.get(event.session as usize);
    session.is_some_and(|session| server.holds(session.server))
}

fn back(time: Timestamp, span: Span) -> Timestamp {
    time.plus(Span::from_nanos(-span.nanos()))
}

/// Returns true if a time may be within the captures, whatever the zone.
fn is_near(wire: &Wire, time: Timestamp) -> bool {
    is_inside(wire, time, clock::FARTHEST)
}

/// Returns true if a time on the capture's clock is within the captures, or so near that a line may be about their end.
fn is_within(wire: &Wire, time: Timestamp) -> bool {
    is_inside(wire, time, NEAR)
}

fn is_inside(wire: &Wire, time: Timestamp, margin: i64) -> bool {
    let margin = Span::from_nanos(margin);
    let inside = |(first, last): &(Timestamp, Timestamp)| {
        *first <= time.plus(margin) && time <= last.plus(margin)
    };
    wire.covered.iter().any(inside)
}

fn wire_only(wire: &Wire, event: &WireEvent, logs: Vec<u32>) -> Option<WireOnly> {
    let session = wire.sessions.get(event.session as usize)?;
    // Commands have a path only to be compared with logs that join it with the directory.
    let path = event
        .path
        .as_deref()
        .filter(|_| event.kind != ClaimKind::Command);
    let path = path.or(event.argument.as_deref());
    Some(WireOnly {
        kind: kind_name(event.kind),
        session_uid: session.uid.clone(),
        session: session.id,
        step: event.step,
        transfer: event.transfer,
        time: event.end,
        client: session.client.ip.to_canonical().to_string(),
        direction: event.direction.map(direction_name),
        verb: event.verb.to_string(),
        path: path.map(lossy),
        user: event.user.as_ref().map(|user| user.name.clone()),
        bytes: event.content.as_ref().and_then(|content| content.bytes),
        frames: event.frames.to_vec(),
        logs,
        why: "no line",
    })
}

fn record(
    log: u32,
    claim: &Claim,
    time: Option<Timestamp>,
    judged: Judged,
    place: Option<(&wire::WireSession, &WireEvent)>,
    show_secrets: bool,
) -> ClaimRecord {
    let is_secret = secrets::hides_argument(claim) && !show_secrets;
    let path = claim.path.as_deref().filter(|_| !is_secret);
    ClaimRecord {
        kind: kind_name(claim.kind),
        outcome: judged.outcome,
        log,
        line: claim.line,
        text: if show_secrets {
            claim.text.clone()
        } else {
            secrets::hidden(claim)
        },
        time,
        direction: claim.direction.map(direction_name),
        client: claim.host.clone(),
        path: path.map(lossy),
        new_path: claim.new_path.as_deref().map(lossy),
        user: claim.user.clone(),
        bytes: claim.bytes.map(|bytes| bytes.count),
        status: claim
            .status
            .map(|status| comparison::status_word(claim.kind, status)),
        verb: claim.verb.clone(),
        session_uid: place.map(|(session, _)| session.uid.clone()),
        session: place.map(|(session, _)| session.id),
        step: place.and_then(|(_, event)| event.step),
        transfer: place.and_then(|(_, event)| event.transfer),
        frames: place.map_or_else(Vec::new, |(_, event)| event.frames.to_vec()),
        on_wire: place.map(|(_, event)| on_wire(event)),
        differences: judged.differences,
        reason: judged.reason,
    }
}

/// Describes an event for people: `RETR /big.bin, 551,530 bytes, 426`.
fn on_wire(event: &WireEvent) -> String {
    let mut text = event.verb.to_string();
    let is_command = matches!(event.kind, ClaimKind::Command | ClaimKind::Login);
    let path = event.path.as_deref().filter(|_| !is_command);
    if let Some(path) = path
        .or(event.argument.as_deref())
        .filter(|_| event.kind != ClaimKind::Login)
    {
        text.push(' ');
        text.push_str(&lossy(path));
    }
    // The path is the old name.
    if let Some(renamed) = &event.renamed {
        let new = renamed.path.as_deref().unwrap_or(&renamed.argument);
        text = format!("RNFR{} RNTO {}", &text[event.verb.len()..], lossy(new));
    }
    if let Some(bytes) = event.content.as_ref().and_then(|content| content.bytes) {
        text.push_str(", ");
        text.push_str(&units::bytes(bytes));
    }
    if let Some(code) = event.code {
        let _ = write!(text, ", {code}");
    }
    text
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Describes a log; `zone` is that of `--log-tz`, which the times of lines that name none are in: a difference from it is an error
/// of the clock, of whole hours too.
fn log_record(state: &LogState, file: &LogFile, zone: Option<&TimeZone>) -> Log {
    let counts = file.counts();
    let given = zone.map(|zone| {
        let first = state.first.unwrap_or_default().nanos();
        let first = jiff::Timestamp::from_nanosecond(i128::from(first)).unwrap_or_default();
        i64::from(zone.to_offset(first).seconds())
    });
    let mut clocks: Vec<ClockRecord> = Vec::new();
    for (key, clock) in state.sorted_clocks() {
        for (place, shift) in clock.shifts.iter().enumerate() {
            let named = clock::nanos(key.1.unwrap_or(0));
            let matches = if place == 0 { clock.matches } else { 0 };
            if clock.certain {
                clocks.push(match given.filter(|_| key.1.is_none()) {
                    Some(zone) => clock_with(zone, *shift, matches),
                    None => clock_record(shift + named, matches),
                });
            }
        }
    }
    let mut different: Vec<ClockRecord> = Vec::new();
    for clock in &clocks {
        if different.iter().all(|other| other.zone != clock.zone) {
            different.push(clock.clone());
        }
    }
    let first = different.first().cloned();
    let unknown = || match given.filter(|_| state.named_zone == 0) {
        Some(zone) => clock_with(zone, 0, 0),
        None => clock_record(clock::nanos(state.named_zone), 0),
    };
    Log {
        path: state.path.clone(),
        kind: state.kind.name().to_owned(),
        lines: counts.lines,
        claims: counts.claims,
        unreadable: counts.unreadable + u64::from(state.cut_line.is_some()),
        first: state.first,
        last: state.last,
        clock: first.unwrap_or_else(unknown),
        clocks: if different.len() > 1 {
            different
        } else {
            Vec::new()
        },
    }
}

/// Describes a clock by its shift: its quarter hours are the zone.
fn clock_record(shift: i64, from_matches: u64) -> ClockRecord {
    let zone = nearest_quarter(shift);
    clock_with(zone / clock::SECOND, shift - zone, from_matches)
}

/// Describes a clock by its zone in seconds and its error in nanoseconds.
fn clock_with(zone: i64, error: i64, from_matches: u64) -> ClockRecord {
    let millis = i32::try_from(error / 1_000_000).unwrap_or(i32::MAX);
    ClockRecord {
        zone: clock::zone_text(zone),
        error_seconds: f64::from(millis) / 1_000.0,
        from_matches,
    }
}

fn warn(state: &LogState, file: &LogFile, warnings: &mut Vec<WarningRecord>) {
    let mut add = |code, message: String, count| {
        warnings.push(WarningRecord {
            code,
            message,
            count,
            frame: None,
            capture: None,
            capture_frame: None,
        });
    };
    let counts = file.counts();
    let cut = state.cut_line;
    if let Some(line) = counts.first_unreadable.into_iter().chain(cut).min() {
        add(
            WarningCode::LogLineUnreadable,
            format!(
                "{}: lines that do not fit {}, the first is line {line}",
                state.path, state.kind
            ),
            counts.unreadable + u64::from(cut.is_some()),
        );
    }
    if let Some(damage) = file.damage() {
        add(
            WarningCode::LogLineUnreadable,
            format!("{}: the end cannot be read: {damage}", state.path),
            1,
        );
    }
}

/// Returns the name of a kind as in JSON.
const fn kind_name(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Login => "login",
        ClaimKind::Transfer => "transfer",
        ClaimKind::List => "list",
        ClaimKind::Delete => "delete",
        ClaimKind::Mkdir => "mkdir",
        ClaimKind::Rmdir => "rmdir",
        ClaimKind::Rename => "rename",
        ClaimKind::Command => "command",
    }
}

const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Download => "download",
        Direction::Upload => "upload",
    }
}

/// A line's time is cut to whole seconds.
const CUT_SECOND: Span = Span::from_secs(1);

/// Nanoseconds around the captures within which claims are kept.
const NEAR: i64 = 60 * clock::SECOND;

/// Reason of lines that a name on the wire made up.
const INJECTED: &str = "a name on the wire holds this line";

/// Reason of lines at the edge of a file whose beginning or end is missing.
const CUT: &str = "the line is cut";

/// Files whose parts are put together by their events.
const MAX_PARTS: usize = 64;

/// Claims outside of the captures that are listed.
const MAX_OUTSIDE: usize = 10_000;

/// Claims outside of the captures that are held.
const MAX_STRAYS: usize = 20_000;

/// Names of clients that are learned.
const MAX_NAMES: usize = 100_000;

/// Verbs of commands that are kept for a log.
const MAX_VERBS: usize = 1_000;

/// Shifts of other logs that are tried.
const MAX_OTHERS: usize = 8;
