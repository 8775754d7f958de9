//! TLS of a connection as the report shows it, and the pieces that come out of one.

use crate::model::record::{CloseNotify, Opener, Tls, TlsAlert, TlsAlertLevel, TlsObstacles};
use crate::model::{Direction, FrameRef, hex};
use crate::protocol::tls::cipher_suite;
use crate::protocol::tls::decryption::{Connection, Receiver};
use crate::protocol::tls::hello::version_name;

/// Piece of an opened stream.
#[derive(Debug)]
pub(crate) struct OpenedPiece {
    /// Direction in which it was sent.
    pub(crate) way: Direction,
    /// Frame in which its record ended.
    pub(crate) at: FrameRef,
    pub(crate) content: OpenedContent,
}

/// Content of an opened stream.
#[derive(Debug)]
pub(crate) enum OpenedContent {
    /// Bytes of one record.
    Bytes(Vec<u8>),
    /// So many bytes of content cannot be read.
    Gap(u64),
}

/// Pieces in the order they come out.
#[derive(Debug, Default)]
pub(crate) struct OpenedPieces(pub(crate) Vec<OpenedPiece>);

impl Receiver for OpenedPieces {
    fn content(&mut self, way: Direction, at: FrameRef, bytes: &[u8]) {
        self.0.push(OpenedPiece {
            way,
            at,
            content: OpenedContent::Bytes(bytes.to_vec()),
        });
    }

    fn gap(&mut self, way: Direction, at: FrameRef, length: u64) {
        self.0.push(OpenedPiece {
            way,
            at,
            content: OpenedContent::Gap(length),
        });
    }
}

/// Returns TLS of a connection for the report.
///
/// `client_way` is the direction in which the FTP client sends; `content_ways` are those whose content counts.
pub(crate) fn tls_record(
    connection: &Connection,
    client_way: Direction,
    content_ways: &[Direction],
    wire_bytes: u64,
) -> Tls {
    let facts = connection.facts();
    let mut tls = Tls {
        resumed: facts.resumed,
        server_name: facts.server_name.clone(),
        obstacle: facts.obstacle,
        secret: facts.secret,
        resumption: facts.resumption,
        resumes: facts.resumes.as_deref().map(str::to_owned),
        application_protocol: facts
            .application_protocol
            .as_deref()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
        extended_master_secret: facts.extended_master_secret,
        encrypt_then_mac: facts.encrypt_then_mac,
        early_data_bytes: facts.early_data_bytes,
        key_updates: facts.key_updates,
        renegotiations: facts.renegotiations,
        certificate_sha256: facts.certificate.map(|digest| hex(&digest)),
        wire_bytes,
        content_bytes_exact: true,
        ..Tls::default()
    };
    if let Some(suite) = facts.cipher_suite {
        tls.version = Some(version_name(connection.version()));
        tls.cipher_suite = Some(cipher_suite::name(suite));
    }
    let of = |way: Direction| facts.obstacles[way.index()];
    let (client, server) = (of(client_way), of(client_way.reverse()));
    tls.obstacles = (client != server).then_some(TlsObstacles { client, server });
    for way in content_ways {
        let (records, opened) = connection.records(*way);
        tls.records += records;
        tls.records_opened += opened;
        let (bytes, exact) = connection.content_bytes(*way);
        tls.content_bytes += bytes;
        tls.content_bytes_exact &= exact;
    }
    tls.decrypted = tls.records_opened > 0 && tls.records_opened == tls.records;
    let said = |way| connection.close_notify(way);
    if let (Some(client), Some(server)) = (said(client_way), said(client_way.reverse())) {
        tls.close_notify = Some(CloseNotify { client, server });
    }
    tls.alerts = facts
        .alerts
        .iter()
        .map(|read| TlsAlert {
            from: if read.way == client_way {
                Opener::Client
            } else {
                Opener::Server
            },
            level: if read.alert.is_fatal() {
                TlsAlertLevel::Fatal
            } else {
                TlsAlertLevel::Warning
            },
            description: read.alert.name().to_owned(),
            time: read.at.time,
            frame: read.at.number,
            capture: None,
            capture_frame: None,
        })
        .collect();
    tls
}
