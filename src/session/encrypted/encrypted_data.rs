//! Encrypted data connections of which no command is known (RFC 4217 section 7).
//!
//! Where replies can be read and commands cannot, or a command is lost, a reply announces them. Where nothing can be read, they are
//! found by hosts and time. A data connection is opened right after something was sent on its control connection, and the FTP
//! client is the client of TLS, whoever opened it. An active one that does not come from port 20 or 989 is therefore recognized
//! by a TLS hello from the end that was called; a passive one looks like any other TLS connection, so ports of other services
//! are left out, and the confidence says what it is worth.

use super::encryption::Encryption;
use crate::model::record::{EncryptedConnection, Link, LinkMethod, TransferDirection};
use crate::model::{Direction, Endpoint, Span, Timestamp, WarningCode};
use crate::protocol::ftp::{is_data_port, is_ephemeral, is_known_service};
use crate::protocol::tls::decryption::Connection as Engine;
use crate::protocol::tls::hello::ClientHello;
use crate::session::data::data_channel::DataChannel;
use crate::session::data::encrypted_stream::{EncryptedStream, Nature, TICKETS, TRAILER};
use crate::session::data::tls_data::TlsData;
use crate::session::data::unmatched::settle;
use crate::session::encrypted::tls_record::tls_record;
use crate::session::negotiation::Parties;
use crate::session::shared::Shared;

/// Encrypted data connections of one session.
#[derive(Debug, Default)]
pub(crate) struct EncryptedData {
    /// Connections that are open.
    open: u64,
    records: Vec<EncryptedConnection>,
    /// Connections without a record, to respect the limit.
    omitted: u64,
}

impl EncryptedData {
    /// Records that a connection which may belong here was opened.
    pub(crate) const fn on_opened(&mut self) {
        self.open += 1;
    }

    /// Records that such a connection is closed, or turned out to be unrelated.
    pub(crate) const fn on_gone(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Returns whether any is open.
    pub(crate) const fn any_open(&self) -> bool {
        self.open > 0
    }

    /// Keeps the record of a connection that is closed, if it looks like one of this session and cannot be read. `sole` says
    /// that no other session between these hosts has hidden commands. Returns whether it does.
    pub(crate) fn on_closed(
        &mut self,
        shared: &mut Shared<'_>,
        parties: Parties,
        encryption: &Encryption,
        channel: &mut DataChannel,
        sole: bool,
        session_uid: &str,
    ) -> bool {
        let Some(stream) = channel.take_encrypted() else {
            return false;
        };
        let Some(confidence) = confidence(parties, encryption, channel, &stream, sole) else {
            return false;
        };
        let client_way = channel.client_way();
        let direction = stream.direction(client_way);
        let payload_way = match direction {
            Some(TransferDirection::Upload) => client_way,
            _ => client_way.reverse(),
        };
        let resumes = stream
            .connection()
            .and_then(|connection| connection.facts().resumes.as_ref());
        let link = if resumes.is_some_and(|resumed| resumed == session_uid) {
            Link {
                method: LinkMethod::TlsSession,
                confidence: 1.0,
            }
        } else {
            Link {
                method: LinkMethod::EncryptedSession,
                confidence,
            }
        };
        shared.network.count_secret(stream.connection());
        // Without a command nobody knows what file the content is.
        channel.discard(payload_way.reverse(), shared.files);
        let opened = stream.connection().is_some_and(Engine::has_opened);
        let content = if opened {
            Some(settle(shared, channel, payload_way))
        } else {
            channel.discard(payload_way, shared.files);
            None
        };
        let mut tls = stream.connection().map(|connection| {
            let wire = stream.bytes(client_way) + stream.bytes(client_way.reverse());
            tls_record(connection, client_way, &[payload_way], wire)
        });
        if let Some(tls) = &mut tls {
            shared.add_alert_places(tls);
        }
        let record = EncryptedConnection {
            connection: channel.record(payload_way, shared.has_several_captures()),
            link,
            direction,
            bytes_from_client: stream.bytes(client_way),
            bytes_from_server: stream.bytes(client_way.reverse()),
            tls,
            content,
        };
        self.keep(shared, record);
        true
    }

    /// Keeps the record of a connection over TLS that a reply announced and no command used: the client's records stay closed,
    /// or its command is lost. Returns whether it carried TLS.
    pub(crate) fn on_unclaimed(
        &mut self,
        shared: &mut Shared<'_>,
        channel: &mut DataChannel,
        session_uid: &str,
    ) -> bool {
        let engine = channel.tls().map(TlsData::connection);
        let Some(engine) = engine.filter(|_| !channel.is_settled()) else {
            return false;
        };
        let client_way = channel.client_way();
        let direction = content_direction(engine, client_way);
        let opened = engine.has_opened();
        let payload_way = match direction {
            Some(TransferDirection::Upload) => client_way,
            _ => client_way.reverse(),
        };
        let link = if channel.resumed_connection() == Some(session_uid) {
            Link {
                method: LinkMethod::TlsSession,
                confidence: 1.0,
            }
        } else {
            channel.link()
        };
        let mut tls = channel.tls_record(payload_way);
        if let Some(tls) = &mut tls {
            shared.add_alert_places(tls);
        }
        channel.discard(payload_way.reverse(), shared.files);
        let content = if opened {
            Some(settle(shared, channel, payload_way))
        } else {
            channel.discard(payload_way, shared.files);
            None
        };
        let connection = channel.record(payload_way, shared.has_several_captures());
        let record = EncryptedConnection {
            bytes_from_client: connection.payload_bytes_from_client,
            bytes_from_server: connection.payload_bytes_from_server,
            connection,
            link,
            direction,
            tls,
            content,
        };
        self.keep(shared, record);
        true
    }

    fn keep(&mut self, shared: &mut Shared<'_>, record: EncryptedConnection) {
        if self.records.len() < shared.options.limits.transfers {
            self.records.push(record);
        } else {
            self.omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                "a session has too many encrypted data connections; the rest were left out",
            );
        }
    }

    /// Returns the records so far.
    pub(crate) fn records(&self) -> &[EncryptedConnection] {
        &self.records
    }

    /// Returns the records, and how many were left out.
    pub(crate) fn into_records(self) -> (Vec<EncryptedConnection>, u64) {
        (self.records, self.omitted)
    }

    /// Orders the records by their first frames.
    pub(crate) fn sort(&mut self) {
        self.records
            .sort_by_key(|record| record.connection.first_frame);
    }
}

/// Returns the direction of the content, by records; `None` if there is too little of it to decide. Records that stay closed may
/// be tickets or alerts.
fn content_direction(engine: &Engine, client_way: Direction) -> Option<TransferDirection> {
    let content = |way, least| {
        let (bytes, _) = engine.content_bytes(way);
        let (records, opened) = engine.records(way);
        if records == opened || bytes > least {
            bytes
        } else {
            0
        }
    };
    let from_client = content(client_way, TRAILER);
    let from_server = content(client_way.reverse(), TICKETS);
    match from_client.cmp(&from_server) {
        std::cmp::Ordering::Greater => Some(TransferDirection::Upload),
        std::cmp::Ordering::Less => Some(TransferDirection::Download),
        std::cmp::Ordering::Equal => None,
    }
}

/// Returns how long before `time` the session sent bytes that cannot be read, if a connection between `opener` and `listener`
/// may be what they were about.
pub(crate) fn may_open(
    parties: Parties,
    encryption: &Encryption,
    opener: Endpoint,
    listener: Endpoint,
    time: Timestamp,
) -> Option<Span> {
    let heard = encryption.heard()?;
    let (client, server) = (parties.client, parties.server);
    if listener == server || listener == client {
        return None;
    }
    let active = opener.address == server.address
        && listener.address == client.address
        && is_ephemeral(listener.port);
    let passive = opener.address == client.address
        && listener.address == server.address
        && is_ephemeral(listener.port)
        && !is_known_service(listener.port);
    let from_data_port = active && is_data_port(opener.port);
    let ago = time.since(heard);
    let fits = from_data_port || ((active || passive) && ago <= RECENT);
    fits.then_some(ago)
}

/// Returns whether a hello resumes the TLS session of the control connection.
pub(crate) fn resumes_session(encryption: &Encryption, hello: &ClientHello) -> bool {
    let id = encryption.session_id();
    id.is_some_and(|id| id == hello.session_id)
}

/// Returns how sure it is that a closed connection carried data of this session; `None` if it did not, or could be read.
/// Corrects the direction of its FTP client by the hello.
fn confidence(
    parties: Parties,
    encryption: &Encryption,
    channel: &mut DataChannel,
    stream: &EncryptedStream,
    sole: bool,
) -> Option<f64> {
    if !channel.was_open() && stream.nature() == Nature::Unknown {
        return None;
    }
    let data_port = channel
        .summary()
        .initiator
        .is_some_and(|initiator| is_data_port(channel.key().source(initiator).port));
    let hello = stream.client_hello();
    if let Some((direction, _)) = hello
        && !data_port
    {
        if channel.key().source(direction).address != parties.client.address {
            return None;
        }
        channel.set_client_way(direction);
    }
    let proven = |hello: &ClientHello| {
        let names = &hello.application_protocols;
        resumes_session(encryption, hello) || names.iter().any(|name| name == b"ftp-data")
    };
    Some(match stream.nature() {
        Nature::Tls if hello.is_some_and(|(_, hello)| proven(hello)) => 0.95,
        Nature::Tls if data_port => 0.9,
        Nature::Tls if sole => 0.8,
        Nature::Tls => 0.6,
        // PROT C: readable bytes become data without a command, if the port alone shows that they are data.
        Nature::Clear if data_port || stream.is_dialogue() => return None,
        Nature::Clear if sole => 0.5,
        Nature::Clear => 0.4,
        Nature::Unknown if data_port => 0.5,
        Nature::Unknown => return None,
    })
}

/// Longest time from the last bytes on the control connection to the opening of a data connection.
const RECENT: Span = Span::from_secs(10);
