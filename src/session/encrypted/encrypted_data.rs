//! Data connections of sessions whose commands cannot be read (RFC 4217 section 7): found by hosts and time.
//!
//! Nobody announces them in words. A data connection is opened right after something was said on its control connection, and
//! the FTP client is the client of TLS, whoever opened it. An active one that does not come from port 20 or 989 is therefore
//! told by a TLS hello from the end that was called; a passive one looks like any other TLS connection, so ports that mean
//! something else are left out, and the confidence says what it is worth.

use crate::model::record::{EncryptedConnection, Link, LinkMethod, TransferDirection};
use crate::model::{Endpoint, Span, Timestamp, WarningCode};
use crate::protocol::tls::hello::ClientHello;
use crate::session::data::data_channel::DataChannel;
use crate::session::data::encrypted_stream::Nature;
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;

impl Session {
    /// How long before `time` something was said that cannot be read, if a data connection between `opener` and `listener` may
    /// be what it was about.
    pub(crate) fn may_open(
        &self,
        opener: Endpoint,
        listener: Endpoint,
        time: Timestamp,
    ) -> Option<Span> {
        let heard = self.encryption.heard?;
        if listener == self.server || listener == self.client {
            return None;
        }
        let active = opener.address == self.server.address
            && listener.address == self.client.address
            && is_ephemeral(listener.port);
        let passive = opener.address == self.client.address
            && listener.address == self.server.address
            && is_ephemeral(listener.port)
            && !is_known_service(listener.port);
        let from_data_port = active && is_data_port(opener.port);
        let ago = time.since(heard);
        let fits = from_data_port || ((active || passive) && ago <= RECENT);
        fits.then_some(ago)
    }

    /// One that may be of this session is over: tells it, and says so, if it looks like one and its bytes cannot be read.
    pub(crate) fn encrypted_data_closed(
        &mut self,
        shared: &mut Shared<'_>,
        channel: &mut DataChannel,
        sole: bool,
    ) -> bool {
        let Some(stream) = channel.encrypted.take() else {
            return false;
        };
        if !channel.was_open() && stream.nature() == Nature::Unknown {
            return false;
        }
        let data_port = channel
            .summary
            .initiator
            .is_some_and(|initiator| is_data_port(channel.key.source(initiator).port));
        let hello = stream.client_hello();
        if let Some((direction, _)) = hello
            && !data_port
        {
            if channel.key.source(direction).address != self.client.address {
                return false;
            }
            channel.client_way = direction;
        }
        let confidence = match stream.nature() {
            Nature::Tls if hello.is_some_and(|(_, hello)| self.is_proven_by(hello)) => 0.95,
            Nature::Tls if data_port => 0.9,
            Nature::Tls if sole => 0.8,
            Nature::Tls => 0.6,
            // PROT C: what can be read is told as data without a command, where the port alone says that it is data.
            Nature::Clear if data_port || stream.is_dialogue() => return false,
            Nature::Clear if sole => 0.5,
            Nature::Clear => 0.4,
            Nature::Unknown if data_port => 0.5,
            Nature::Unknown => return false,
        };
        let client_way = channel.client_way;
        let direction = stream.direction(client_way);
        let payload_way = match direction {
            Some(TransferDirection::Upload) => client_way,
            _ => client_way.reverse(),
        };
        self.note_loss(&channel.summary);
        let told = EncryptedConnection {
            connection: channel.record(payload_way),
            link: Link {
                method: LinkMethod::EncryptedSession,
                confidence,
            },
            direction,
            bytes_from_client: stream.bytes(client_way),
            bytes_from_server: stream.bytes(client_way.reverse()),
        };
        if self.encrypted_data.told.len() < shared.options.limits.transfers {
            self.encrypted_data.told.push(told);
        } else {
            self.encrypted_data.omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                "a session has too many encrypted data connections; the rest were left out",
            );
        }
        true
    }

    /// Whether a hello proves that its connection carries data of this session, or says that it carries FTP data.
    fn is_proven_by(&self, hello: &ClientHello) -> bool {
        let names = &hello.application_protocols;
        self.is_session_of(hello) || names.iter().any(|name| name == b"ftp-data")
    }

    /// Whether a hello resumes the TLS session of this very control connection.
    pub(crate) fn is_session_of(&self, hello: &ClientHello) -> bool {
        self.encryption
            .session_id()
            .is_some_and(|id| id == hello.session_id)
    }
}

/// Ports that systems and servers give to data connections.
pub(crate) const fn is_ephemeral(port: u16) -> bool {
    port >= 1024
}

/// `ftp-data` and `ftps-data`.
pub(crate) const fn is_data_port(port: u16) -> bool {
    matches!(port, 20 | 989)
}

/// Services that speak TLS, or much else, on ports from 1024 on.
pub(crate) fn is_known_service(port: u16) -> bool {
    KNOWN_SERVICES.binary_search(&port).is_ok()
}

/// In order: databases, mail and chat, proxies, consoles and web servers beside port 443.
const KNOWN_SERVICES: [u16; 36] = [
    1194, 1433, 1521, 1723, 1883, 2049, 2083, 2087, 2096, 2376, 2379, 2484, 3128, 3269, 3306, 3389,
    4433, 4443, 5061, 5223, 5432, 5671, 5672, 5900, 5986, 6379, 6443, 6514, 6697, 8080, 8443, 8883,
    9090, 9200, 9443, 27017,
];

/// How soon after the last word on the control connection a data connection is opened.
const RECENT: Span = Span::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_other_services_are_known() {
        assert!(KNOWN_SERVICES.is_sorted());
        assert!(is_known_service(8443) && is_known_service(3389));
        assert!(!is_known_service(50_000) && !is_known_service(2121));
    }
}
