//! The session as one record: its first and last steps, its times, its display filter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::Arc;

use compact_str::CompactString;

use super::connection::Part;
use super::ftp_session::{Closed, Identity};
use super::steps::title::seconds;
use crate::diagnosis;
use crate::model::FrameRef;
use crate::model::record::{
    Address, CaptureFrame, Connection, DisplayFilter, Dns, EndState, Index, Login, Reply, Session,
    Step, StepKind, Timing, Transfer,
};
use crate::protocol::dns::Lookup;
use crate::reassembly::{CloseReason, Course, FlowSummary};

/// Returns the record of a lookup.
pub(super) fn dns_record(lookup: &Lookup, several_captures: bool) -> Dns {
    let place = |frame: FrameRef| several_captures.then(|| CaptureFrame::from(frame));
    Dns {
        name: lookup.name.clone(),
        record_type: lookup.record_type.to_owned(),
        aliases: lookup.aliases.clone(),
        answers: lookup.addresses.clone(),
        resolver: Address::from(lookup.resolver),
        query_frame: lookup.query.map(|frame| frame.number),
        response_frame: lookup.response.number,
        query_place: lookup.query.and_then(place),
        response_place: place(lookup.response),
        response_time: lookup
            .query
            .map(|query| lookup.response.time.since(query.time).seconds()),
    }
}

/// Returns the step of a lookup.
pub(super) fn dns_step(dns: &Dns, lookup: &Lookup) -> Step {
    let start = lookup.query.unwrap_or(lookup.response).time;
    let addresses: Vec<String> = dns
        .answers
        .iter()
        .take(4)
        .map(ToString::to_string)
        .collect();
    let more = if dns.answers.len() > 4 {
        " and more"
    } else {
        ""
    };
    let title = format!("{} is {}{more}", dns.name, addresses.join(", "));
    Step::without_commands(
        StepKind::Dns,
        title,
        start,
        lookup.response.time.since(start).seconds(),
    )
}

/// Returns the step of the TCP handshake; `None` if the capture begins after it.
pub(super) fn connect_step(identity: &Identity, summary: &FlowSummary) -> Option<Step> {
    if identity.midstream {
        return None;
    }
    let start = summary.first.time;
    let took = opened(summary).map(|frame| frame.time.since(start));
    let title = match took {
        Some(took) => format!("connected to {} in {} s", identity.server, seconds(took)),
        None => format!("connected to {}", identity.server),
    };
    let duration = took.map_or(0.0, crate::model::Span::seconds);
    Some(Step::without_commands(
        StepKind::Connect,
        title,
        start,
        duration,
    ))
}

/// Returns the end of the TCP handshake, the client's ACK of the SYN ACK (RFC 9293 section 3.5), on whatever port; `None` if it
/// was not captured.
///
/// Where that ACK is missing in the capture, the client's ACK of the greeting would stand in for it. The SYN ACK is the better
/// end then: the wait for a greeting is no part of connecting.
fn opened(summary: &FlowSummary) -> Option<FrameRef> {
    let first_byte = summary
        .half
        .iter()
        .filter_map(|half| half.first_data)
        .min_by_key(|frame| frame.number);
    summary
        .established
        .filter(|open| first_byte.is_none_or(|byte| open.number <= byte.number))
        .or_else(|| {
            // The greeting shows as well that the handshake ended, and comes before the client's ACK of it.
            let is_open = summary.established.is_some() || first_byte.is_some();
            let answers = summary.half.iter().filter_map(|half| half.syn);
            answers.max_by_key(|frame| frame.number).filter(|_| is_open)
        })
}

/// Returns the step of the teardown; `None` if neither FIN nor RST was captured.
pub(super) fn disconnect_step(
    identity: &Identity,
    reason: CloseReason,
    summary: &FlowSummary,
) -> Option<Step> {
    let client_way = identity.client_way;
    let by = |direction| {
        if direction == client_way {
            "client"
        } else {
            "server"
        }
    };
    let first_fin = [client_way, client_way.reverse()]
        .into_iter()
        .filter_map(|way| summary.sent(way).fin.map(|frame| (frame, way)))
        .min_by_key(|(frame, _)| frame.number);
    let (title, start) = match (reason, first_fin) {
        (CloseReason::Reset(way), None) => (format!("reset by the {}", by(way)), summary.last.time),
        (CloseReason::Reset(reset), Some((frame, way))) => (
            format!("closed by the {}, then reset by the {}", by(way), by(reset)),
            frame.time,
        ),
        (_, Some((frame, way))) => (format!("closed by the {}", by(way)), frame.time),
        (_, None) => return None,
    };
    Some(Step::without_commands(
        StepKind::Disconnect,
        title,
        start,
        summary.last.time.since(start).seconds(),
    ))
}

/// Returns how the control connection ended.
pub(super) fn end_state(closed: &Closed) -> EndState {
    match closed.reason {
        CloseReason::Fin => EndState::Closed,
        CloseReason::Reset(_) => EndState::Reset,
        CloseReason::Expired => EndState::Timeout,
        // A FIN of either end closes it, even if the other end's was not captured.
        CloseReason::Reused | CloseReason::InputEnd
            if closed.summary.half.iter().any(|half| half.fin.is_some()) =>
        {
            EndState::Closed
        }
        CloseReason::Reused | CloseReason::InputEnd => EndState::Open,
    }
}

/// Returns a session as far as some steps show it, with the transfer of the last, for findings that need no more.
pub(super) fn so_far(
    identity: &Identity,
    login: Login,
    steps: Vec<Arc<Step>>,
    transfer: Option<Arc<Transfer>>,
    now: FrameRef,
) -> Session {
    let summary = FlowSummary {
        key: identity.key,
        initiator: None,
        first: now,
        last: now,
        spans: None,
        established: None,
        half: Default::default(),
        course: Course::default(),
        samples: None,
    };
    let index = Index::new(&steps, BTreeSet::new(), BTreeSet::new());
    Session {
        id: identity.id,
        uid: CompactString::default(),
        client: Address::from(identity.client),
        server: identity.server_record(),
        community_id: String::new(),
        display_filter: String::new(),
        display_filters: Vec::new(),
        display_filters_omitted: 0,
        layers: Vec::new(),
        start: now.time,
        end: now.time,
        duration: 0.0,
        midstream: identity.midstream,
        end_state: EndState::Open,
        control: Part::whole(&summary, identity.client_way, false).record(),
        timing: Timing::default(),
        dns: None,
        greeting: None,
        login,
        tls: None,
        steps,
        steps_omitted: 0,
        transfers: transfer.into_iter().collect(),
        transfers_omitted: 0,
        encrypted_data: Vec::new(),
        encrypted_data_omitted: 0,
        unsolicited_replies: Vec::new(),
        unsolicited_replies_omitted: 0,
        findings: Vec::new(),
        findings_omitted: 0,
        verdict: diagnosis::no_verdict(),
        index,
    }
}

/// Returns how long the beginning took; nothing is known of it if the capture begins in the middle.
pub(super) fn timing(
    identity: &Identity,
    summary: &FlowSummary,
    greeting: Option<&Reply>,
) -> Timing {
    let syn = summary.sent(identity.client_way).syn;
    let syn_ack = summary.sent(identity.client_way.reverse()).syn;
    let between = |from: Option<FrameRef>, to: Option<FrameRef>| {
        let (from, to) = (from?, to?);
        (to.number >= from.number).then(|| to.time.since(from.time).seconds())
    };
    let greeted = greeting
        .zip(opened(summary))
        .filter(|(greeting, open)| greeting.frame >= open.number)
        .map(|(greeting, open)| greeting.time.since(open.time).seconds());
    Timing {
        syn_ack: between(syn, syn_ack),
        handshake: syn_ack.and_then(|_| between(syn, opened(summary))),
        greeting: greeted.filter(|_| syn_ack.is_some() && !identity.midstream),
    }
}

/// Returns a Wireshark display filter for the control connection and the data connections of a session. It is made of
/// addresses, ports and frame ranges: `tcp.stream` would need a table of all connections. With several captures its frames
/// are those of all of them merged.
pub(super) fn display_filter<'a>(
    control: &'a Connection,
    data: impl Iterator<Item = &'a Connection>,
) -> String {
    let mut filter = FilterText::default();
    for connection in std::iter::once(control).chain(data.take(CLAUSES - 1)) {
        filter.add(Clause {
            ends: [connection.client, connection.server],
            frames: [connection.first_frame, connection.last_frame],
        });
    }
    filter.text
}

/// Display filters of one session, with the number of captures left out.
#[derive(Debug, Default)]
pub(super) struct DisplayFilters {
    pub(super) list: Vec<DisplayFilter>,
    pub(super) omitted: u64,
}

/// Returns a display filter for each of several captures, with the frame numbers of that capture; none with one capture.
pub(super) fn display_filters<'a>(
    control: &'a Connection,
    data: impl Iterator<Item = &'a Connection>,
) -> DisplayFilters {
    if control.captures.is_empty() {
        return DisplayFilters::default();
    }
    let mut filters: BTreeMap<u32, FilterText> = BTreeMap::new();
    for connection in std::iter::once(control).chain(data) {
        for span in &connection.captures {
            filters.entry(span.capture).or_default().add(Clause {
                ends: [connection.client, connection.server],
                frames: [span.first_capture_frame, span.last_capture_frame],
            });
        }
    }
    DisplayFilters {
        omitted: filters.len().saturating_sub(FILTERS) as u64,
        list: filters
            .into_iter()
            .take(FILTERS)
            .map(|(capture, filter)| DisplayFilter::new(capture, filter.text))
            .collect(),
    }
}

/// Display filter that is put together clause by clause.
#[derive(Debug, Default)]
struct FilterText {
    text: String,
    clauses: usize,
    /// `None` before the first clause.
    last: Option<Clause>,
}

impl FilterText {
    /// Adds a clause, unless it repeats the one before or there are too many.
    fn add(&mut self, clause: Clause) {
        if self.last == Some(clause) || self.clauses >= CLAUSES {
            return;
        }
        let or = if self.clauses == 0 { "" } else { " || " };
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{or}{clause}");
        self.clauses += 1;
        self.last = Some(clause);
    }
}

/// Part of a display filter that selects one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clause {
    ends: [Address; 2],
    /// First and last frame.
    frames: [u64; 2],
}

impl fmt::Display for Clause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.ends;
        let [first, last] = self.frames;
        let field = if a.ip.is_ipv4() {
            "ip.addr"
        } else {
            "ipv6.addr"
        };
        write!(
            out,
            "({field} == {} && {field} == {} && tcp.port == {} && tcp.port == {} && frame.number >= {first} && frame.number <= {last})",
            a.ip, b.ip, a.port, b.port
        )
    }
}

/// Connections that a display filter names.
const CLAUSES: usize = 64;

/// Captures of a session that get a display filter of their own.
const FILTERS: usize = 256;
