//! Wires the layers into a run: the library's front door.
//!
//! In: a [`PacketSource`]. Out: events, the bytes of transfers, optionally every packet with its relation to FTP, and
//! the [`Summary`] of the run.
//!
//! ```text
//! PacketSource -> Decoder -> FlowTable -> SessionTracker -> EventSink
//!                     └ datagrams, ICMP ----^      └-----> TransferSink
//!                                           └ relation --> PacketSink (module keep)
//! ```
//!
//! One thread and one [`CaptureClock`], advanced by packets and ticks only: the same input gives the same events. For
//! each packet, the layers are called in the order of the picture; timers run after it, at most every 100 ms of capture
//! time.

mod secret_wait;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::capture::{self, CaptureSet, Input, Packet, PacketSource, ReadOptions, SkippedPackets};
use crate::decode::{self, Decoded, Decoder, Segment};
use crate::keep::{PacketSink, Relation};
use crate::model::record::{Accounting, Capture, TlsSecret, Totals};
use crate::model::{
    EventKind, EventSink, FlowKey, FrameRef, HostPair, Span, Timestamp, TransferSink, Warning,
    WarningCode,
};
use crate::pipeline::secret_wait::{KeyLogFollower, POLL, SecretWait};
use crate::protocol::tls::decryption::Keyring;
use crate::reassembly::{CaptureClock, FlowTable, Moment};
pub use crate::session::Options;
use crate::session::{PacketCounts, SessionTracker, Standing};

/// Result of a run beside its events.
#[derive(Debug, Default)]
pub struct Summary {
    /// The inputs with their counts.
    pub captures: Vec<Capture>,
    /// Counts over all inputs.
    pub totals: Totals,
    /// Inputs that could not be opened or read to their end; empty if all were read.
    pub failures: Vec<capture::Error>,
}

/// Analyzes `source` to its end: emits events to `events` and the bytes of transfers to `files`.
///
/// Inputs that cannot be read do not stop the run; they are in [`Summary::failures`].
pub fn analyze(
    source: &mut dyn PacketSource,
    options: &Options,
    events: &mut dyn EventSink,
    files: &mut dyn TransferSink,
) -> Summary {
    analyze_and_keep(source, options, events, files, None)
}

/// Does the same as [`analyze`], and passes every packet to `keeper`.
pub fn analyze_and_keep<'s>(
    source: &mut dyn PacketSource,
    options: &Options,
    events: &'s mut dyn EventSink,
    files: &'s mut dyn TransferSink,
    keeper: Option<&'s mut dyn PacketSink>,
) -> Summary {
    let several_captures = source.captures().len() > 1;
    let mut run = Run {
        decoder: Decoder::new(&options.limits),
        flows: FlowTable::new(&options.limits),
        tracker: SessionTracker::new(options.clone(), several_captures, events, files),
        clock: CaptureClock::default(),
        last: FrameRef::default(),
        ticked: Timestamp::default(),
        live: options.live,
        is_prompt: source.is_prompt(),
        keeper,
        joined: PacketCounts::default(),
        warnings: Vec::new(),
        failures: Vec::new(),
        secrets: Lateness::default(),
    };
    let later = secrets_files(&source.captures());
    run.expect_secrets(options, later.is_empty());
    if !later.is_empty() {
        run.tracker
            .add_further_secrets(Box::new(move |keyring| read_secrets(&later, keyring)));
    }
    source.for_each(&mut |input| {
        run.input(input);
        ControlFlow::Continue(())
    });
    run.finish(source.captures(), source.skipped())
}

/// Returns the files that may carry secrets behind the packets which they open: writers add a block when its key comes.
fn secrets_files(captures: &[Capture]) -> Vec<PathBuf> {
    let paths = captures.iter().map(|capture| PathBuf::from(&capture.path));
    paths.filter(|path| path.is_file()).collect()
}

/// Returns whether a file is a pcap file, which has no secrets blocks: reading all of it again would be in vain.
fn is_pcap(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    let numbers = [0xa1b2_c3d4_u32, 0xa1b2_3c4d];
    read.is_ok()
        && (numbers.contains(&u32::from_le_bytes(magic))
            || numbers.contains(&u32::from_be_bytes(magic)))
}

/// Reads the secrets that capture files carry, wherever they stand in them. A run does it at most once, for the first TLS
/// connection without a secret.
pub fn read_secrets(paths: &[PathBuf], keyring: &mut Keyring) {
    let paths: Vec<PathBuf> = paths
        .iter()
        .filter(|path| !is_pcap(path))
        .cloned()
        .collect();
    if paths.is_empty() {
        return;
    }
    let mut source = CaptureSet::open(&paths, ReadOptions::default());
    source.for_each(&mut |input| {
        if let Input::Secrets(secrets) = input
            && let Some(log) = secrets.key_log()
        {
            keyring.add_key_log(TlsSecret::Capture, log);
        }
        ControlFlow::Continue(())
    });
}

/// State of one run.
struct Run<'s> {
    decoder: Decoder,
    flows: FlowTable,
    tracker: SessionTracker<'s>,
    clock: CaptureClock,
    /// The latest packet; number 0 before the first.
    last: FrameRef,
    /// Time of the latest timer run.
    ticked: Timestamp,
    live: bool,
    /// Set if a tick proves that no packet has passed; see [`PacketSource::is_prompt`].
    is_prompt: bool,
    /// `None` if packets are not kept.
    keeper: Option<&'s mut dyn PacketSink>,
    /// Packets with earlier IP fragments of datagrams that were used: they count as used too.
    joined: PacketCounts,
    /// Warnings of the input, emitted at the end unless the run is live.
    warnings: Vec<Warning>,
    failures: Vec<capture::Error>,
    secrets: Lateness,
}

/// TLS secrets that come later than the packets they open.
#[derive(Default)]
struct Lateness {
    /// Segments that wait; `None` if no secrets can come late.
    wait: Option<SecretWait>,
    key_logs: Vec<KeyLogFollower>,
    /// Time of the latest look at the key logs; `None` before the first.
    polled: Option<Instant>,
}

impl Run<'_> {
    fn input(&mut self, input: Input<'_>) {
        match input {
            Input::Packet(packet) => self.packet(&packet),
            Input::Tick(time) => self.tick(time),
            Input::Secrets(secrets) => {
                if let Some(log) = secrets.key_log() {
                    self.tracker.add_secrets(log);
                }
            }
            Input::Names(names) => {
                for host in names {
                    self.tracker.name(host.address, &host.name);
                }
            }
            // No report has them.
            Input::Notes(_) => {}
            Input::SectionStart(last) => self.tracker.section_start(last),
            Input::CaptureStart(capture) => self.tracker.emit(EventKind::Capture(capture)),
            Input::Warning(warning) if self.live => {
                self.tracker.emit(EventKind::Warning(&warning));
            }
            Input::Warning(warning) => self.warnings.push(warning),
            Input::Failed(error) => self.failures.push(error),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        let moment = self.clock.advance(packet.frame.time);
        self.last = packet.frame;
        self.tracker.at(packet.frame, moment.arrived);
        let mut connection = None;
        let mut is_dns = false;
        let share = match self.decoder.decode(packet) {
            Decoded::Segment(segment) => {
                let taken = match &mut self.secrets.wait {
                    None => self.flows.segment(&segment, moment, &mut self.tracker),
                    Some(wait) => {
                        let (flows, tracker) = (&mut self.flows, &mut self.tracker);
                        take_or_hold(wait, flows, tracker, &segment, moment)
                    }
                };
                if self.keeper.is_some() {
                    let (key, _) = FlowKey::new(segment.source, segment.destination);
                    connection = Some((key, taken, may_open(&segment)));
                }
                taken.then_some(&mut self.joined.used)
            }
            Decoded::Datagram(datagram) => {
                is_dns = self.tracker.datagram(&datagram);
                is_dns.then_some(&mut self.joined.dns)
            }
            Decoded::Icmp(error) => {
                self.tracker.icmp(&error);
                None
            }
            Decoded::Skipped(_) => None,
        };
        let joined = self.decoder.take_joined_fragments();
        let mut fragments = Vec::new();
        if joined > 0 {
            fragments = self.decoder.take_joined_frames();
            if let Some(share) = share {
                *share += joined;
            }
        }
        self.note_begun(Some(packet));
        if self.keeper.is_some() {
            let relation = match connection {
                Some((key, taken, opens)) => self.relation(key, taken, opens),
                None if is_dns => Relation::Dns,
                None => Relation::Unrelated,
            };
            if let Some(keeper) = &mut self.keeper {
                if !fragments.is_empty() {
                    keeper.fragments(packet.frame, &fragments, relation);
                }
                keeper.packet(packet, relation);
            }
        }
        // The clock may go back after a wrong timestamp, and `ticked` with it.
        if moment.now.since(self.ticked) >= TICK || moment.now < self.ticked {
            self.run_timers(moment.now);
        }
    }

    /// Returns the relation of a segment to FTP; `taken` if the flow table follows its connection.
    fn relation(&mut self, key: FlowKey, taken: bool, opens: bool) -> Relation {
        let standing = self
            .flows
            .flow_between(key)
            .filter(|_| taken)
            .map(|flow| self.tracker.standing(flow));
        match standing {
            Some(Standing::Ours) => Relation::Session(key),
            Some(Standing::Open) => Relation::Undecided(key),
            Some(Standing::Dns) => Relation::Dns,
            // A handshake gets no table entry: the connection may be recognized by its first payload.
            None if opens => Relation::Undecided(key),
            Some(Standing::Foreign) | None => Relation::Unrelated,
        }
    }

    /// Advances the clock while the source has no packet.
    #[cold]
    fn tick(&mut self, time: Timestamp) {
        // Events need a frame to refer to, so that no timer runs before the first packet.
        if self.last.number > 0 {
            let now = self.clock.advance(time).now;
            self.tracker.at(self.last, now);
            self.run_timers(now);
        }
    }

    /// Prepares for secrets that come late; `piped` input cannot be searched for them first.
    fn expect_secrets(&mut self, options: &Options, piped: bool) {
        let secrets = &options.secrets;
        if secrets.off {
            return;
        }
        self.secrets.key_logs = secrets
            .followed
            .iter()
            .cloned()
            .map(KeyLogFollower::new)
            .collect();
        self.poll_key_logs();
        let longest = if secrets.wait.is_zero() {
            // Input that ends by itself is read to its end.
            None
        } else {
            Some(secrets.wait)
        };
        if longest.is_some() || (piped && !options.live) {
            self.tracker.keyring().expect_late();
            let memory = options.limits.held_bytes;
            self.secrets.wait = Some(SecretWait::new(longest, memory));
        }
    }

    /// Reads what was appended to the key logs.
    fn poll_key_logs(&mut self) {
        self.secrets.polled = Some(Instant::now());
        for key_log in &mut self.secrets.key_logs {
            if let Some(message) = key_log.poll(self.tracker.keyring()) {
                let warning = Warning::new(WarningCode::SecretsUnusable, message, None);
                if self.live {
                    self.tracker.emit(EventKind::Warning(&warning));
                } else {
                    self.warnings.push(warning);
                }
            }
        }
    }

    /// Processes the segments that need not wait for a secret any longer; at the `end` of the input all of them.
    fn release(&mut self, end: bool) {
        if self.secrets.wait.is_none() {
            return;
        }
        let polled = self.secrets.polled;
        let is_due = polled.is_none_or(|polled| polled.elapsed() >= POLL);
        if !self.secrets.key_logs.is_empty() && (end || is_due) {
            self.poll_key_logs();
        }
        // Hellos in bytes that a timer delivered have no segment to begin with.
        self.tracker.keyring().take_wanted();
        while let Some(mut released) = self
            .secrets
            .wait
            .as_mut()
            .and_then(|wait| wait.release(self.tracker.keyring(), end))
        {
            if !released.found {
                self.tracker.keyring().give_up(released.wanted);
            }
            self.tracker.set_late(released.found);
            let now = self.clock.now();
            while let Some(held) = released.segments.pop_front() {
                let segment = held.segment();
                let arrived = segment.frame.time.min(now);
                self.tracker.at(segment.frame, arrived);
                let moment = Moment { now, arrived };
                self.flows.segment(&segment, moment, &mut self.tracker);
                self.note_begun(None);
                let wanted = self.tracker.keyring().take_wanted();
                if let (Some(wanted), false, Some(wait)) = (wanted, end, &mut self.secrets.wait) {
                    // The hello of another connection: its secret is missing as well.
                    wait.begin(released.hosts, wanted, Some(held.held()), released.segments);
                    break;
                }
            }
            self.tracker.set_late(false);
        }
        self.tracker.at(self.last, self.clock.now());
    }

    /// Passes a session that the current segment began to the keeper. `packet` is what carried the segment; `None` if it was
    /// held.
    fn note_begun(&mut self, packet: Option<&Packet<'_>>) {
        let Some(session) = self.tracker.take_begun() else {
            return;
        };
        // Only packets that begin a session are worth a second look at their encapsulation.
        if let Some(packet) = packet {
            self.tracker
                .set_layers(session, decode::layer_names(packet));
        }
        if let Some(keeper) = &mut self.keeper
            && let Some(origin) = self.tracker.origin(session)
        {
            keeper.session(origin.connection, &origin.lookup);
        }
    }

    /// Runs every timer due at `now`.
    fn run_timers(&mut self, now: Timestamp) {
        self.release(false);
        self.ticked = now;
        self.flows.tick(now, self.last, &mut self.tracker);
        self.tracker.tick(now);
        // What waits for a secret may be the very bytes that are missed.
        if self.live && self.secrets.wait.as_ref().is_none_or(SecretWait::is_idle) {
            // Packets that a capture program still holds in its buffer are not missing: only a later packet proves silence.
            let now = if self.is_prompt {
                now
            } else {
                now.min(self.last.time)
            };
            for silent in self.tracker.silent_data(now) {
                let flow = self.flows.flow_between(silent.key());
                let summary = flow.and_then(|flow| self.flows.summary(flow));
                self.tracker.report_silence(silent, summary, now);
            }
        }
    }

    fn finish(mut self, captures: Vec<Capture>, skipped: SkippedPackets) -> Summary {
        self.poll_key_logs();
        for key_log in &mut self.secrets.key_logs {
            key_log.finish(self.tracker.keyring());
        }
        self.release(true);
        self.flows
            .finish(self.clock.now(), self.last, &mut self.tracker);
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.extend(self.decoder.warnings());
        warnings.extend(self.flows.warnings());
        warnings.extend(self.tracker.finish());
        if self.clock.outliers() > 0 {
            let message = "time stamps leap by more than a minute; timers did not follow them";
            let warning = Warning::new(WarningCode::TimeJump, message, None);
            warnings.push(Warning {
                count: self.clock.outliers(),
                ..warning
            });
        }
        for warning in &warnings {
            self.tracker.emit(EventKind::Warning(warning));
        }
        let counted = |of: fn(&Capture) -> Option<u64>| captures.iter().filter_map(of).sum();
        let totals = Totals {
            packets: counted(|capture| capture.packets),
            bytes: counted(|capture| capture.bytes),
            accounting: self.accounting(skipped),
            ..self.tracker.totals()
        };
        Summary {
            captures,
            totals,
            failures: self.failures,
        }
    }

    /// Returns the counts that assign every packet to one class.
    fn accounting(&self, skipped: SkippedPackets) -> Accounting {
        let tally = self.decoder.tally();
        let packets = self.tracker.packets();
        let used = packets.used + self.joined.used;
        let dns = packets.dns + self.joined.dns;
        Accounting {
            used,
            dns,
            not_ftp: tally.decoded().saturating_sub(used + dns),
            not_decodable: tally.not_decodable(),
            filtered: skipped.filtered,
            outside_time_bounds: skipped.outside_time_bounds,
            cut: tally.cut.count,
            duplicates: packets.duplicates,
        }
    }
}

/// Processes a segment, or holds it while its hosts wait for a secret. Returns whether its connection is followed.
fn take_or_hold(
    wait: &mut SecretWait,
    flows: &mut FlowTable,
    tracker: &mut SessionTracker<'_>,
    segment: &Segment<'_>,
    moment: Moment,
) -> bool {
    let hosts = HostPair::new(segment.source.address, segment.destination.address);
    if wait.holds(hosts) {
        wait.hold(hosts, segment);
        let (key, _) = FlowKey::new(segment.source, segment.destination);
        return flows.flow_between(key).is_some();
    }
    let taken = flows.segment(segment, moment, tracker);
    if let Some(wanted) = tracker.keyring().take_wanted() {
        wait.begin(hosts, wanted, None, VecDeque::new());
    }
    taken
}

/// Returns whether a segment may belong to the handshake of a connection that is not followed yet.
fn may_open(segment: &Segment<'_>) -> bool {
    segment.payload.is_empty() && !segment.flags.fin() && !segment.flags.rst()
}

/// Least capture time between two timer runs.
const TICK: Span = Span::from_millis(100);
