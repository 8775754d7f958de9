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

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::capture::{
    self, CaptureSet, Input, Packet, PacketSource, ReadOptions, Secrets, SkippedPackets,
};
use crate::decode::{self, Decoded, Decoder, Segment};
use crate::keep::{PacketSink, Relation};
use crate::model::record::{Accounting, Capture, Totals};
use crate::model::{
    EventKind, EventSink, FlowKey, FrameRef, Span, Timestamp, TransferSink, Warning, WarningCode,
};
use crate::protocol::tls::decryption::{Keyring, Source};
use crate::reassembly::{CaptureClock, FlowTable};
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
        keeper,
        joined: PacketCounts::default(),
        warnings: Vec::new(),
        failures: Vec::new(),
    };
    let later = secrets_files(&source.captures());
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

/// Reads all secrets of capture files. Runs at most once, for the first TLS connection without a secret.
fn read_secrets(paths: &[PathBuf], keyring: &mut Keyring) {
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
            && secrets.secrets_type == Secrets::TLS_KEY_LOG
        {
            keyring.add_key_log(Source::Capture, secrets.data);
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
    /// `None` if packets are not kept.
    keeper: Option<&'s mut dyn PacketSink>,
    /// Packets with earlier IP fragments of datagrams that were used: they count as used too.
    joined: PacketCounts,
    /// Warnings of the input, emitted at the end unless the run is live.
    warnings: Vec<Warning>,
    failures: Vec<capture::Error>,
}

impl Run<'_> {
    fn input(&mut self, input: Input<'_>) {
        match input {
            Input::Packet(packet) => self.packet(&packet),
            Input::Tick(time) => self.tick(time),
            Input::Secrets(secrets) if secrets.secrets_type == Secrets::TLS_KEY_LOG => {
                self.tracker.add_secrets(secrets.data);
            }
            Input::Secrets(_) => {}
            Input::Names(names) => {
                for host in names {
                    self.tracker.name(host.address, &host.name);
                }
            }
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
                let taken = self.flows.segment(&segment, moment, &mut self.tracker);
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
        if let Some(session) = self.tracker.take_begun() {
            // Only packets that begin a session are worth a second look at their encapsulation.
            self.tracker
                .set_layers(session, decode::layer_names(packet));
            if let Some(keeper) = &mut self.keeper
                && let Some(origin) = self.tracker.origin(session)
            {
                keeper.session(origin.connection, &origin.lookup);
            }
        }
        let joined = self.decoder.take_joined_fragments();
        let mut fragments = Vec::new();
        if joined > 0 {
            fragments = self.decoder.take_joined_frames();
            if let Some(share) = share {
                *share += joined;
            }
        }
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

    /// Runs every timer due at `now`.
    fn run_timers(&mut self, now: Timestamp) {
        self.ticked = now;
        self.flows.tick(now, self.last, &mut self.tracker);
        self.tracker.tick(now);
    }

    fn finish(mut self, captures: Vec<Capture>, skipped: SkippedPackets) -> Summary {
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

/// Returns whether a segment may belong to the handshake of a connection that is not followed yet.
fn may_open(segment: &Segment<'_>) -> bool {
    segment.payload.is_empty() && !segment.flags.fin() && !segment.flags.rst()
}

/// Least capture time between two timer runs.
const TICK: Span = Span::from_millis(100);
