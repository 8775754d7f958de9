//! All sessions, and the role of each connection.
//!
//! In: ordered bytes of flows, DNS datagrams, ICMP errors, the clock. Out: events and the bytes of transfers, through
//! `Shared`.
//!
//! ```text
//! StreamHandler ─> dispatch ── roles[flow] ──> Control    -> sessions: one Session each
//!                                          ├─> Candidate  -> recognition: control connections on other ports
//!                                          ├─> Data       -> data_flows, encrypted_flows: which session a connection serves
//!                                          ├─> Early      -> early_flows: data connections ahead of their announcement
//!                                          └─> Dns        -> dns_streams: names of servers
//! tick ─> sessions (timers), early_flows (expiry), live_reports (long transfers, standstills)
//! segment ─> trace: segment by segment, for diagrams
//! ```
//!
//! Only the dispatcher knows all parts. A part owns its fields and returns values; where it has to reach a session it
//! is given [`Sessions`] and [`Shared`].

mod data_flows;
mod dispatch;
mod dns_streams;
mod early_flows;
mod encrypted_flows;
mod live_reports;
mod recognition;
mod roles;
mod sessions;
mod trace;

use std::net::IpAddr;

use crate::decode::{Datagram, IcmpError};
use crate::model::record::{TlsSecret, Totals};
use crate::model::{
    Direction, EventKind, EventSink, FrameRef, Timestamp, TransferSink, Warning, WarningCode,
};
use crate::protocol::dns::{
    DNS_PORT, LLMNR_PORT, MULTICAST_DNS_PORT, parse_message, parse_multicast_message,
};
use crate::protocol::ftp::FTP_DATA_PORT;
use crate::protocol::tls::decryption::{FurtherSecrets, Keyring};
use crate::reassembly::{FlowId, FlowSummary};
use crate::session::Options;
use crate::session::data::unmatched::emit_unmatched;
use crate::session::shared::{Network, Shared};
use crate::session::tracker::early_flows::EarlyFlows;
use crate::session::tracker::live_reports::{LiveReports, SilentData};
use crate::session::tracker::recognition::Candidates;
use crate::session::tracker::roles::Roles;
use crate::session::tracker::sessions::Sessions;
use crate::session::tracker::trace::Traces;

pub use crate::session::tracker::roles::Standing;
pub use crate::session::tracker::sessions::Origin;

/// Owner of all sessions.
///
/// Fed through [`StreamHandler`](crate::reassembly::StreamHandler), [`datagram`](Self::datagram), [`icmp`](Self::icmp)
/// and [`tick`](Self::tick); [`at`](Self::at) precedes each packet.
pub struct SessionTracker<'s> {
    roles: Roles,
    sessions: Sessions,
    candidates: Candidates,
    early: EarlyFlows,
    shared: Shared<'s>,
    packets: PacketCounts,
    /// Session that the current packet began; `None` once taken.
    begun: Option<u64>,
    /// `None` unless diagrams are wanted.
    traces: Option<Box<Traces>>,
    live_reports: LiveReports,
}

/// Returns warnings about TLS secrets: never their text.
fn secrets_warnings(network: &Network) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let keyring = &network.keyring;
    let unusable = keyring.unusable();
    if unusable.lines > 0 {
        let message = format!(
            "lines of a key log are no secrets, the first one is line {}",
            unusable.first
        );
        let warning = Warning::new(WarningCode::SecretsUnusable, message, None);
        warnings.push(Warning {
            count: unusable.lines,
            ..warning
        });
    }
    if keyring.evicted() > 0 {
        let message = "there are more TLS secrets than are kept; the oldest were dropped";
        let warning = Warning::new(WarningCode::LimitReached, message, None);
        warnings.push(Warning {
            count: keyring.evicted(),
            ..warning
        });
    }
    if network.without_secret > 0 && keyring.has_source() {
        let message = "TLS connections stay closed: no secret of them was found";
        let warning = Warning::new(WarningCode::SecretsMissing, message, None);
        warnings.push(Warning {
            count: network.without_secret,
            ..warning
        });
    }
    warnings
}

/// Packets of closed connections and of datagrams. All other packets are unrelated to FTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Packets of control connections, data connections and connection attempts.
    pub used: u64,
    /// DNS packets.
    pub dns: u64,
    /// Packets among `used` that were captured a second time.
    pub duplicates: u64,
}

impl PacketCounts {
    /// Adds the packets of a closed FTP connection.
    fn add_connection(&mut self, summary: &FlowSummary) {
        let [up, down] = &summary.half;
        self.used += up.segments + down.segments;
        let copies = [Direction::Up, Direction::Down].map(|way| summary.course.copies(way).packets);
        self.duplicates += copies.iter().sum::<u64>();
    }
}

impl<'s> SessionTracker<'s> {
    /// Creates a tracker that emits to `events` and writes the bytes of transfers to `files`.
    ///
    /// With `several_captures`, reported frames name their capture as well.
    pub fn new(
        options: Options,
        several_captures: bool,
        events: &'s mut dyn EventSink,
        files: &'s mut dyn TransferSink,
    ) -> Self {
        let traces = Traces::if_wanted(options.tracing, &options.limits).map(Box::new);
        Self {
            roles: Roles::default(),
            sessions: Sessions::default(),
            candidates: Candidates::new(options.limits.candidates),
            early: EarlyFlows::default(),
            shared: Shared::new(options, several_captures, events, files),
            packets: PacketCounts::default(),
            begun: None,
            traces,
            live_reports: LiveReports::default(),
        }
    }

    /// Sets the current packet, and the time at which timers start that it sets.
    pub fn at(&mut self, frame: FrameRef, clock: Timestamp) {
        self.shared.set_now(frame, clock);
    }

    /// Adds the TLS secrets that a capture carries, in the format of a key log.
    pub fn add_secrets(&mut self, key_log: &[u8]) {
        let keyring = &mut self.shared.network.keyring;
        if !keyring.is_off() {
            keyring.add_key_log(TlsSecret::Capture, key_log);
        }
    }

    /// Returns the TLS secrets.
    pub const fn keyring(&mut self) -> &mut Keyring {
        &mut self.shared.network.keyring
    }

    /// Marks the events that follow as `late`: a secret made them known later than their packets.
    pub const fn set_late(&mut self, late: bool) {
        self.shared.set_late(late);
    }

    /// Adds secrets that are read only once a TLS connection has none.
    pub fn add_further_secrets(&mut self, further: FurtherSecrets) {
        self.shared.network.keyring.add_further(further);
    }

    /// Emits an event that belongs to no session.
    pub fn emit(&mut self, kind: EventKind<'_>) {
        self.shared.emit(None, kind);
    }

    /// Records that a section of a capture ended with this frame.
    pub fn section_start(&mut self, last: FrameRef) {
        self.shared.end_section(last);
    }

    /// Learns names from a UDP datagram. Returns whether it is a DNS message.
    pub fn datagram(&mut self, datagram: &Datagram<'_>) -> bool {
        let ports = [datagram.source.port, datagram.destination.port];
        let message = if ports.contains(&DNS_PORT) || ports.contains(&LLMNR_PORT) {
            parse_message(datagram.payload)
        } else if ports.contains(&MULTICAST_DNS_PORT) {
            parse_multicast_message(datagram.payload)
        } else {
            return false;
        };
        let Some(message) = message else {
            return false;
        };
        self.packets.dns += 1;
        self.shared.names.message(
            message,
            datagram.source,
            datagram.destination,
            datagram.frame,
        );
        true
    }

    /// Learns a name that the capture states for an address.
    pub fn name(&mut self, address: IpAddr, name: &str) {
        self.shared.names.state(address, name);
    }

    /// Remembers an ICMP error that may explain why a data connection does not open.
    pub fn icmp(&mut self, error: &IcmpError) {
        let (source, destination) = (error.source.port, error.destination.port);
        if self.shared.expectations.may_concern(source, destination)
            || source == FTP_DATA_PORT
            || destination == FTP_DATA_PORT
        {
            let now = self.shared.now();
            self.shared.note_place(now);
            self.shared.network.unreachable.note(error);
        }
    }

    /// Runs every timer due at `now`, in capture time.
    pub fn tick(&mut self, now: Timestamp) {
        self.shared.expectations.tick(now);
        while let Some(early) = self.early.take_expired(now) {
            self.release_early(early);
        }
        self.sessions.run_timers(&mut self.shared, now);
        if self.shared.options.live {
            self.live_reports.run(&self.sessions, &mut self.shared, now);
        }
    }

    /// Returns the data connections of a live capture that may stand still at `now`, once a second; then emits what is proven of
    /// transfers without any.
    pub(crate) fn silent_data(&mut self, now: Timestamp) -> Vec<SilentData> {
        let Some(silent) = self.live_reports.silent_data(&self.shared, now) else {
            return Vec::new();
        };
        self.sessions.report_silent_transfers(&mut self.shared, now);
        silent
    }

    /// Emits the finding that a data connection stands still at `now`, if that is proven and new. `summary` is that of the
    /// connection as of its latest segment; `None` if it is not followed any more.
    pub(crate) fn report_silence(
        &mut self,
        silent: SilentData,
        summary: Option<&FlowSummary>,
        now: Timestamp,
    ) {
        silent.report(&mut self.sessions, &mut self.shared, summary, now);
    }

    /// Reports everything still open and returns the warnings. The input has ended, and all connections were closed.
    pub fn finish(&mut self) -> Vec<Warning> {
        for number in self.early.numbers() {
            if let Some(early) = self.early.take(number) {
                self.release_early(early);
            }
        }
        self.sessions.finish_all(&mut self.shared);
        for id in self.shared.data.ids_where(|_| true) {
            if let Some(mut channel) = self.shared.data.remove(id) {
                emit_unmatched(&mut self.shared, &mut channel);
            }
        }
        for mut finding in self.shared.several.finish() {
            self.shared.add_places(&mut finding);
            self.shared.emit(None, EventKind::Finding(&finding));
        }
        let mut warnings = self.shared.take_warnings();
        warnings.extend(secrets_warnings(&self.shared.network));
        warnings
    }

    /// Returns the counts so far. Packets and bytes are counted by the pipeline.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.totals().clone()
    }

    /// Takes the session that the current packet began; `None` if it began none, or it was taken already.
    #[inline]
    pub fn take_begun(&mut self) -> Option<u64> {
        self.begun.take()
    }

    /// Records the protocol layers around the packet that began a session.
    pub fn set_layers(&mut self, session: u64, layers: Vec<String>) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.set_layers(layers);
        }
    }

    /// Returns the packet counts so far.
    #[must_use]
    pub const fn packets(&self) -> PacketCounts {
        self.packets
    }

    /// Returns the relation of a connection to FTP at this moment.
    #[must_use]
    pub fn standing(&self, flow: FlowId) -> Standing {
        self.roles.standing(flow)
    }

    /// Returns the packets that made an open session known; `None` if the session has ended.
    #[must_use]
    pub fn origin(&self, session: u64) -> Option<Origin> {
        self.sessions.get(session).map(Origin::of)
    }
}
