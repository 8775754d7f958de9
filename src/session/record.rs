//! The first and the last events of a session: lookup and handshake, teardown, and the whole of it as one record.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::diagnosis;
use crate::model::record::{self, Address, Dns, EndState, Step, StepKind, Timing};
use crate::model::{EventKind, FrameRef};
use crate::protocol::community_id::community_id;
use crate::protocol::dns::Lookup;
use crate::reassembly::{CloseReason, FlowSummary};
use crate::session::data::data_channel::DataId;
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;
use crate::session::steps::title::seconds;

impl Session {
    /// The session became known: who, and what came before its first byte.
    pub(crate) fn begin(&mut self, shared: &mut Shared<'_>, summary: &FlowSummary) {
        shared.open.enter(self.key.hosts(), self.id);
        let lookup = shared
            .names
            .lookup(self.client, self.server, summary.first.time);
        if let Some(lookup) = lookup {
            let dns = dns_record(lookup);
            self.name = Some(dns.name.clone());
            self.steps.made(dns_step(&dns, lookup));
            self.dns = Some(Box::new(dns));
        }
        if let Some(step) = self.connect_step(summary) {
            self.steps.made(step);
        }
        let server = self.server_record();
        shared.emit(
            Some(self.id),
            EventKind::SessionStart {
                client: Address::from(self.client),
                server: &server,
            },
        );
        self.tell_steps(shared, false);
    }

    /// The control connection is over. Data connections may still run.
    pub(crate) fn close(
        &mut self,
        shared: &mut Shared<'_>,
        reason: CloseReason,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        if let Some(reply) = self.replies.give_up() {
            self.reply(shared, &reply, frame);
        }
        self.release_held(shared);
        if self.server_is_silent() {
            self.lose_replies();
        }
        self.infer_steps(summary);
        self.tell_handshake(shared);
        shared.encrypted.leave(self.key.hosts(), self.id);
        shared.open.leave(self.key.hosts(), self.id);
        self.closed = Some(Box::new((reason, summary.clone())));
        if let Some(step) = self.disconnect_step(reason, summary) {
            self.steps.made(step);
        }
        let ids: Vec<u64> = self.transfers.numbers().collect();
        for id in ids {
            let running = self
                .transfers
                .get(id)
                .is_some_and(|state| self.has_open_data(shared, state.negotiation));
            self.try_settle(shared, id, !running);
        }
    }

    /// True once nothing more can come.
    pub(crate) fn is_over(&self) -> bool {
        self.closed.is_some() && self.transfers.is_empty() && self.encrypted_data.open == 0
    }

    /// Settles what is left and tells the session as a whole. `reason` is for a session whose end was not seen.
    pub(crate) fn finish(mut self, shared: &mut Shared<'_>) {
        let ids: Vec<u64> = self.transfers.numbers().collect();
        for id in ids {
            self.try_settle(shared, id, true);
        }
        let numbers: Vec<u64> = self.negotiations.numbers().collect();
        for &number in &numbers {
            self.note_unused(shared, number);
        }
        let unused: Vec<DataId> = self
            .negotiations
            .values()
            .flat_map(|negotiation| negotiation.data.iter().chain(&negotiation.next).copied())
            .filter(|data| {
                shared
                    .data
                    .get(data)
                    .is_some_and(|channel| !channel.is_settled())
            })
            .collect();
        for data in unused {
            self.leave_unmatched(shared, data);
        }
        for number in numbers {
            self.retire(shared, number);
        }
        self.tell_steps(shared, true);
        let id = self.id;
        shared.kept_bytes = shared.kept_bytes.saturating_sub(self.kept_bytes);
        let passwords = std::mem::take(&mut self.passwords);
        let troubles = self.take_troubles(shared);
        let Some(mut record) = self.into_record() else {
            return;
        };
        diagnosis::diagnose(&mut record, &troubles, shared.now.time);
        shared.several.session_over(&record, &troubles, &passwords);
        for finding in &record.findings {
            shared.emit(Some(id), EventKind::Finding(finding));
        }
        shared.emit(Some(id), EventKind::SessionEnd(Arc::new(record)));
    }

    /// Whether a data connection of this negotiation is open.
    pub(crate) fn has_open_data(&self, shared: &Shared<'_>, negotiation: Option<u64>) -> bool {
        negotiation
            .and_then(|number| self.negotiations.get(number))
            .is_some_and(|negotiation| {
                negotiation
                    .data
                    .iter()
                    .filter_map(|data| shared.data.get(data))
                    .any(|channel| !channel.is_over() && channel.was_open())
            })
    }

    fn into_record(mut self) -> Option<record::Session> {
        let (reason, summary) = *self.closed.take()?;
        self.encrypted_data
            .told
            .sort_by_key(|data| data.connection.first_frame);
        let server = self.server_record();
        let display_filter = self.display_filter(&summary);
        let end_state = match reason {
            CloseReason::Fin => EndState::Closed,
            CloseReason::Reset(_) => EndState::Reset,
            CloseReason::Expired => EndState::Timeout,
            // A FIN of either end closes it, even if the other end's was not captured.
            CloseReason::Reused | CloseReason::InputEnd
                if summary.half.iter().any(|half| half.fin.is_some()) =>
            {
                EndState::Closed
            }
            CloseReason::Reused | CloseReason::InputEnd => EndState::Open,
        };
        let timing = self.timing(&summary);
        let stray = self.stray.map(|stray| *stray).unwrap_or_default();
        let (steps, amended_steps) = self.told_steps.into_records();
        let (transfers, amended_transfers) = self.settled.into_records();
        let index = record::Index::new(&steps, amended_steps, amended_transfers);
        let mut record = record::Session {
            id: self.id,
            client: Address::from(self.client),
            server,
            community_id: community_id(&self.key),
            layers: self.layers,
            display_filter,
            start: summary.first.time,
            end: summary.last.time,
            duration: summary.last.time.since(summary.first.time).seconds(),
            midstream: self.midstream,
            end_state,
            timing,
            dns: self.dns.map(|dns| *dns),
            greeting: self.greeting.map(|greeting| *greeting),
            login: self.logins.record(&self.secrets),
            tls: self.encryption.record(),
            steps,
            steps_omitted: self.steps_omitted,
            transfers,
            transfers_omitted: self.transfers_omitted,
            encrypted_data: self.encrypted_data.told,
            encrypted_data_omitted: self.encrypted_data.omitted,
            unsolicited_replies: stray.unsolicited,
            unsolicited_replies_omitted: stray.unsolicited_omitted,
            findings: Vec::new(),
            findings_omitted: 0,
            verdict: diagnosis::no_verdict(),
            index,
        };
        if let Some(outcome) = self.inferred_login {
            record.login.outcome = outcome;
        }
        Some(record)
    }

    /// How long the beginning took. Where the capture begins in the middle, nothing is known.
    fn timing(&self, summary: &FlowSummary) -> Timing {
        let syn = summary.sent(self.client_way).syn;
        let syn_ack = summary.sent(self.client_way.reverse()).syn;
        let between = |from: Option<FrameRef>, to: Option<FrameRef>| {
            let (from, to) = (from?, to?);
            (to.number >= from.number).then(|| to.time.since(from.time).seconds())
        };
        let greeted = self
            .greeting
            .as_ref()
            .zip(summary.established)
            .filter(|(greeting, open)| greeting.frame >= open.number)
            .map(|(greeting, open)| greeting.time.since(open.time).seconds());
        Timing {
            syn_ack: between(syn, syn_ack),
            handshake: syn_ack.and_then(|_| between(syn, summary.established)),
            greeting: greeted.filter(|_| syn_ack.is_some() && !self.midstream),
        }
    }

    /// Addresses, ports and frame ranges select what a table of all connections would.
    fn display_filter(&self, summary: &FlowSummary) -> String {
        let control = Clause {
            ends: [Address::from(self.client), Address::from(self.server)],
            frames: [summary.first.number, summary.last.number],
        };
        let transfers = self.settled.iter();
        let transfers = transfers.filter_map(|transfer| transfer.connection.as_ref());
        let encrypted = self.encrypted_data.told.iter().map(|data| &data.connection);
        let data = transfers.chain(encrypted).map(|connection| Clause {
            ends: [connection.client, connection.server],
            frames: [connection.first_frame, connection.last_frame],
        });
        let mut text = control.to_string();
        let mut last = control;
        for clause in data.take(CLAUSES - 1) {
            if clause != last {
                // Writing to a String cannot fail.
                let _ = write!(text, " || {clause}");
            }
            last = clause;
        }
        text
    }

    fn connect_step(&self, summary: &FlowSummary) -> Option<Step> {
        if self.midstream {
            return None;
        }
        let end = summary
            .established
            .map_or(summary.last.time, |frame| frame.time);
        let start = summary.first.time;
        let took = if summary.established.is_some() {
            format!(" in {} s", seconds(end.since(start)))
        } else {
            String::new()
        };
        let duration = if summary.established.is_some() {
            end.since(start).seconds()
        } else {
            0.0
        };
        Some(Step::without_commands(
            StepKind::Connect,
            format!("connected to {}{took}", self.server),
            start,
            duration,
        ))
    }

    fn disconnect_step(&self, reason: CloseReason, summary: &FlowSummary) -> Option<Step> {
        let by = |direction| {
            if direction == self.client_way {
                "client"
            } else {
                "server"
            }
        };
        let first_fin = [self.client_way, self.client_way.reverse()]
            .into_iter()
            .filter_map(|way| summary.sent(way).fin.map(|frame| (frame, way)))
            .min_by_key(|(frame, _)| frame.number);
        let (title, start) = match (reason, first_fin) {
            (CloseReason::Reset(way), None) => {
                (format!("reset by the {}", by(way)), summary.last.time)
            }
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
}

/// What selects one connection in a display filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clause {
    ends: [Address; 2],
    /// The first and the last.
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

fn dns_record(lookup: &Lookup) -> Dns {
    Dns {
        name: lookup.name.clone(),
        record_type: lookup.record_type.to_owned(),
        aliases: lookup.aliases.clone(),
        answers: lookup.addresses.clone(),
        resolver: Address::from(lookup.resolver),
        query_frame: lookup.query.map(|frame| frame.number),
        response_frame: lookup.response.number,
        response_time: lookup
            .query
            .map(|query| lookup.response.time.since(query.time).seconds()),
    }
}

fn dns_step(dns: &Dns, lookup: &Lookup) -> Step {
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

/// Connections that a display filter names.
const CLAUSES: usize = 64;
