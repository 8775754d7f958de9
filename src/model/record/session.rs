//! Sessions: one control connection each, from lookup to teardown, with findings and the verdict that summarizes them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Timestamp;
use super::{
    Address, CaptureFrame, Completeness, Connection, Link, Opener, Reply, Step, Transfer,
    TransferDirection, is_zero,
};

/// Server end of the control connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Server {
    /// IPv4 or IPv6 address.
    pub ip: IpAddr,
    /// TCP port.
    pub port: u16,
    /// Host name that the client looked up; `null` if no lookup was captured.
    pub name: Option<String>,
}

/// End of the control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EndState {
    /// Closed with FIN.
    Closed,
    /// Closed with RST.
    Reset,
    /// Still open at the end of the capture.
    Open,
    /// Expired: no packet for two hours.
    Timeout,
}

/// Durations of the beginning of a session, in seconds; `null` if the packets were not captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Timing {
    /// From the first SYN to the SYN ACK.
    pub syn_ack: Option<f64>,
    /// From the first SYN to the ACK that ends the handshake; to the SYN ACK if that ACK was not captured.
    pub handshake: Option<f64>,
    /// From the end of the handshake to the end of the greeting.
    pub greeting: Option<f64>,
}

/// The lookup that gave the server's address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Dns {
    /// Name in the query.
    pub name: String,
    /// Record type: `A` or `AAAA`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// Names of the CNAME chain, in order.
    pub aliases: Vec<String>,
    /// Addresses in the response.
    pub answers: Vec<IpAddr>,
    /// End point that responded.
    pub resolver: Address,
    /// Frame of the query; `null` if it was not captured.
    pub query_frame: Option<u64>,
    /// Frame of the response.
    pub response_frame: u64,
    /// With more than one capture: capture of the query, and its frame there; otherwise omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_place: Option<CaptureFrame>,
    /// With more than one capture: capture of the response, and its frame there; otherwise omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_place: Option<CaptureFrame>,
    /// Seconds from query to response; `null` if the query was not captured.
    pub response_time: Option<f64>,
}

/// Outcome of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoginOutcome {
    /// Reply 230 or another 2yz.
    Accepted,
    /// Reply 4yz or 5yz.
    Rejected,
    /// A login without a final reply.
    Incomplete,
    /// No login in the capture.
    Unseen,
}

/// The successful login, or else the last attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Login {
    /// Outcome.
    pub outcome: LoginOutcome,
    /// Argument of USER; `null` if none was sent or captured.
    pub user: Option<String>,
    /// Exact bytes of a user name that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_b64: Option<String>,
    /// Argument of PASS, `<hidden>` unless requested; `null` if none was sent.
    pub password: Option<String>,
    /// Exact bytes of a password that is not UTF-8, in base64, with `--show-passwords`; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_b64: Option<String>,
    /// Argument of ACCT, `<hidden>` unless requested; `null` if none was sent.
    pub account: Option<String>,
    /// True for user `anonymous` or `ftp` (RFC 1635), unless rejected.
    pub anonymous: bool,
    /// Number of USER commands with a reply.
    pub attempts: u64,
}

/// TLS of a control or data connection (RFC 4217).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Tls {
    /// Protocol version such as `TLS 1.2`; `null` if the server's hello was not captured.
    pub version: Option<String>,
    /// IANA name of the cipher suite; `null` if the server's hello was not captured.
    pub cipher_suite: Option<String>,
    /// Server name that the client requested (SNI); `null` if it requested none.
    pub server_name: Option<String>,
    /// True if an earlier TLS session was resumed; `null` if the hellos do not show it.
    pub resumed: Option<bool>,
    /// True if at least one record of content was opened, and none that was captured whole stayed closed.
    pub decrypted: bool,
    /// True if PROT P was in force; `null` if no PROT was captured, and for a data connection.
    pub data_protected: Option<bool>,
    /// Records of content captured whole.
    #[serde(default)]
    pub records: u64,
    /// Records of content that were opened.
    #[serde(default)]
    pub records_opened: u64,
    /// Why not everything was opened, the first reason that applies; `null` if everything was, or there was nothing to open.
    #[serde(default)]
    pub obstacle: Option<TlsObstacle>,
    /// The reason for each end alone, where only one end stays closed, or the ends differ; omitted otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacles: Option<TlsObstacles>,
    /// Origin of the secret; `null` before a record opens.
    #[serde(default)]
    pub secret: Option<TlsSecret>,
    /// Way in which an earlier TLS session was resumed; `null` if none was, or it cannot be seen.
    #[serde(default)]
    pub resumption: Option<TlsResumption>,
    /// `uid` of the connection whose TLS session is resumed; `null` if none is, or it was not captured.
    #[serde(default)]
    pub resumes: Option<String>,
    /// Application protocol (ALPN) that was agreed; `null` if none was, or it cannot be read.
    #[serde(default)]
    pub application_protocol: Option<String>,
    /// Whether the master secret depends on the handshake (RFC 7627); `null` in TLS 1.3.
    #[serde(default)]
    pub extended_master_secret: Option<bool>,
    /// Whether CBC records are authenticated after encryption (RFC 7366); `null` in TLS 1.3.
    #[serde(default)]
    pub encrypt_then_mac: Option<bool>,
    /// Bytes of early data (RFC 8446 section 2.3); omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub early_data_bytes: u64,
    /// Key updates of both ends (RFC 8446 section 4.6.3); omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub key_updates: u64,
    /// Handshakes within the encrypted connection; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renegotiations: u64,
    /// Whether each end said that it closes; `null` if that cannot be read.
    #[serde(default)]
    pub close_notify: Option<CloseNotify>,
    /// Alerts that can be read, without `close_notify`.
    #[serde(default)]
    pub alerts: Vec<TlsAlert>,
    /// SHA-256 of the server's certificate, in hex; `null` if it cannot be read.
    #[serde(default)]
    pub certificate_sha256: Option<String>,
    /// Payload bytes of the connection, records and handshake included.
    #[serde(default)]
    pub wire_bytes: u64,
    /// Bytes of content by the lengths of its records, also if they stay closed.
    #[serde(default)]
    pub content_bytes: u64,
    /// False if padding may hide that `content_bytes` is less.
    #[serde(default)]
    pub content_bytes_exact: bool,
}

/// Reason why not everything of a TLS connection was opened.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TlsObstacle {
    /// No secret of the connection is known.
    NoSecret,
    /// No record opens with the secrets that are known.
    WrongSecret,
    /// A hello was not captured, or a message that the keys depend on.
    HandshakeMissing,
    /// SSL, or a version that is not known.
    Version,
    /// A cipher suite that is not supported.
    Suite,
    /// Compressed records.
    Compression,
    /// Bytes are missing, and the next record was not found behind them.
    Gap,
    /// A record that does not open among others that do, or one that breaks the rules of TLS.
    Damaged,
    /// More than the limits allow.
    Limit,
    /// `--no-decrypt`.
    Off,
}

/// Origin of a TLS secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TlsSecret {
    /// A key log (`--keylog`).
    Keylog,
    /// A secrets block of the capture.
    Capture,
    /// A private key (`--tls-key`).
    PrivateKey,
    /// The connection that is resumed.
    Resumed,
}

/// Way in which an earlier TLS session was resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TlsResumption {
    /// Session id (RFC 5246 section 7.3).
    SessionId,
    /// Ticket (RFC 5077).
    Ticket,
    /// Pre-shared key of TLS 1.3.
    Psk,
}

/// Why not everything that an end sent was opened, by FTP role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TlsObstacles {
    /// Records of the FTP client; `null` if everything was opened.
    pub client: Option<TlsObstacle>,
    /// Records of the FTP server; `null` if everything was opened.
    pub server: Option<TlsObstacle>,
}

/// Whether each end sent `close_notify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct CloseNotify {
    /// The FTP client did.
    pub client: bool,
    /// The FTP server did.
    pub server: bool,
}

/// Alert of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TlsAlert {
    /// End that sent it.
    pub from: Opener,
    /// Whether it ends the connection.
    pub level: TlsAlertLevel,
    /// Name of RFC 8446 section 6.
    pub description: String,
    /// Time.
    pub time: Timestamp,
    /// Frame.
    pub frame: u64,
    /// With more than one capture: index into `captures`; otherwise omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture; otherwise omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
}

/// Level of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TlsAlertLevel {
    /// A warning.
    Warning,
    /// The end of the connection.
    Fatal,
}

/// An encrypted data connection of which no command is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct EncryptedConnection {
    /// The connection.
    pub connection: Connection,
    /// Binding to the session.
    pub link: Link,
    /// Direction of most bytes; `null` if both carried as many.
    pub direction: Option<TransferDirection>,
    /// Payload bytes from the client.
    pub bytes_from_client: u64,
    /// Payload bytes from the server.
    pub bytes_from_server: u64,
    /// TLS of the connection; `null` if it is in clear.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Content, in the direction of most bytes; omitted if no record was opened.
    #[serde(flatten)]
    pub content: Option<EncryptedContent>,
}

/// Content of a data connection of which no command is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct EncryptedContent {
    /// Bytes of content that were captured.
    pub bytes: u64,
    /// Bytes of content that are not in the capture.
    pub missing_bytes: u64,
    /// Holes in the content, each from its first byte to behind its last.
    pub missing_ranges: Vec<[u64; 2]>,
    /// Holes without an entry; omitted if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_ranges_omitted: u64,
    /// Completeness of these bytes.
    pub completeness: Completeness,
    /// SHA-256 of the bytes, in hex; `null` if bytes are missing.
    pub sha256: Option<String>,
    /// MD5 of the bytes, in hex; omitted unless requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1 of the bytes, in hex; omitted unless requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// Media type detected from the content; `null` if not recognized.
    pub media_type: Option<String>,
    /// Path of the saved file below the extraction directory; `null` if nothing was saved.
    pub saved_as: Option<String>,
}

/// Display filter of a session for one of several captures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct DisplayFilter {
    /// Index into `captures` of the report.
    pub capture: u32,
    /// Wireshark display filter, with the frame numbers of this capture.
    pub filter: String,
}

impl DisplayFilter {
    /// Creates the filter of a capture.
    #[must_use]
    pub const fn new(capture: u32, filter: String) -> Self {
        Self { capture, filter }
    }
}

/// One FTP session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Session {
    /// Number from 1, in the order in which sessions were recognized.
    pub id: u64,
    /// Name that is the same in every run: that of the control connection.
    #[schemars(with = "String")]
    pub uid: CompactString,
    /// Client end of the control connection.
    pub client: Address,
    /// Server end of the control connection.
    pub server: Server,
    /// Community ID v1 with seed 0, of the control connection.
    pub community_id: String,
    /// Wireshark display filter for the control and data connections. With more than one capture its frames are those of
    /// all of them merged, as by mergecap.
    pub display_filter: String,
    /// With more than one capture: a display filter for each that holds packets of the session; otherwise omitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub display_filters: Vec<DisplayFilter>,
    /// Captures beyond the limit of `display_filters`; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub display_filters_omitted: u64,
    /// Protocol layers of the control connection's first payload, link layer first: `EN10MB`, `VLAN 5`, `IPv4`, `GRE`,
    /// `IPv4`, `TCP`.
    pub layers: Vec<String>,
    /// Time of the first packet of the control connection.
    pub start: Timestamp,
    /// Time of the last packet of the control connection.
    pub end: Timestamp,
    /// Seconds from `start` to `end`.
    pub duration: f64,
    /// True if neither SYN nor SYN ACK of the control connection is in the capture.
    pub midstream: bool,
    /// End of the control connection.
    pub end_state: EndState,
    /// The control connection.
    pub control: Connection,
    /// Durations of the beginning.
    pub timing: Timing,
    /// Lookup of the server's address; `null` if it was not captured.
    pub dns: Option<Dns>,
    /// The 220 reply, or the reply in its place; `null` if it was not captured.
    pub greeting: Option<Reply>,
    /// The login.
    pub login: Login,
    /// Encryption; `null` if there was none.
    pub tls: Option<Tls>,
    /// Steps in order of time.
    pub steps: Vec<Arc<Step>>,
    /// Steps beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_omitted: u64,
    /// Transfers of files and listings, in order of their commands.
    pub transfers: Vec<Arc<Transfer>>,
    /// Transfers beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub transfers_omitted: u64,
    /// Encrypted data connections of which no command is known.
    pub encrypted_data: Vec<EncryptedConnection>,
    /// Encrypted data connections beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub encrypted_data_omitted: u64,
    /// Replies without a command in the capture.
    pub unsolicited_replies: Vec<Reply>,
    /// Unsolicited replies beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsolicited_replies_omitted: u64,
    /// Findings about this session.
    pub findings: Vec<Finding>,
    /// Findings beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_omitted: u64,
    /// Summary in one line.
    pub verdict: Verdict,
    /// Look-up tables for the fields above. Not part of the report, and empty in a session that was read from one.
    #[serde(skip)]
    pub index: Index,
}

/// Look-up tables of a session, which may have 100,000 transfers and more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Numbers of the steps that were amended after their event was emitted.
    pub amended_steps: BTreeSet<u64>,
    /// Ids of the transfers that were amended after their event was emitted.
    pub amended_transfers: BTreeSet<u64>,
    /// Pairs of a transfer's id and the number of the step that made it, by id.
    makers: Vec<(u64, u64)>,
}

impl Index {
    /// Builds the index of `steps`, which are in order of their numbers.
    #[must_use]
    pub fn new(
        steps: &[Arc<Step>],
        amended_steps: BTreeSet<u64>,
        amended_transfers: BTreeSet<u64>,
    ) -> Self {
        let maker = |step: &Arc<Step>| Some((step.transfer?, step.number));
        // A linear search per transfer would make the work for a long session quadratic.
        let mut makers: Vec<_> = steps.iter().filter_map(maker).collect();
        makers.sort_unstable();
        Self {
            amended_steps,
            amended_transfers,
            makers,
        }
    }
}

impl Session {
    /// Returns the step that made a transfer, or `None` if it was omitted.
    #[must_use]
    pub fn step_of(&self, transfer: u64) -> Option<&Step> {
        let makers = &self.index.makers;
        if makers.is_empty() {
            // Sessions read from JSON have no index.
            let mut steps = self.steps.iter();
            return steps
                .find(|step| step.transfer == Some(transfer))
                .map(AsRef::as_ref);
        }
        let found = makers.binary_search_by_key(&transfer, |&(id, _)| id).ok()?;
        let &(_, number) = makers.get(found)?;
        let found = self.steps.binary_search_by_key(&number, |step| step.number);
        self.steps.get(found.ok()?).map(AsRef::as_ref)
    }

    /// Returns whether the server refused a transfer before it began, as [`Transfer::is_refused`] has it.
    #[must_use]
    pub fn has_refused(&self, transfer: &Transfer) -> bool {
        let step = self.step_of(transfer.id);
        step.is_some_and(|step| transfer.is_refused(step))
    }

    /// Returns the transfer with this id, or `None` if it was omitted.
    #[must_use]
    pub fn transfer(&self, id: u64) -> Option<&Transfer> {
        let found = self.transfers.binary_search_by_key(&id, |one| one.id);
        self.transfers.get(found.ok()?).map(AsRef::as_ref)
    }
}

/// Part of a session with a unique number in it.
pub trait Numbered {
    /// Returns the number: of a step, or the id of a transfer.
    fn number(&self) -> u64;
}

impl Numbered for Step {
    fn number(&self) -> u64 {
        self.number
    }
}

impl Numbered for Transfer {
    fn number(&self) -> u64 {
        self.id
    }
}

/// Severity of a finding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Unusual, seldom harmful.
    Low,
    /// Something did not work or is not safe.
    Medium,
    /// Needs action.
    High,
}

/// An observation that deserves attention, with the frames that prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Finding {
    /// Stable name in kebab case.
    pub id: String,
    /// Severity.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// Course of events, with the values seen.
    pub explanation: String,
    /// Recommended action.
    pub advice: String,
    /// Numbers of the frames that prove the finding.
    pub frames: Vec<u64>,
    /// With more than one capture: the place of each of `frames`, `null` if it is not known any more; otherwise omitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Option<CaptureFrame>>,
    /// Number of the step concerned; `null` if no single step is.
    pub step: Option<u64>,
    /// Id of the transfer concerned; `null` if no single transfer is.
    pub transfer: Option<u64>,
    /// For findings about several sessions: their ids; otherwise omitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<u64>,
}

/// Overall result of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictStatus {
    /// Login, transfers and findings are in order.
    Ok,
    /// A finding of `medium` or more, or a file that is not complete in the capture.
    Warning,
    /// The login was rejected, or a transfer was not completed on the wire.
    Failed,
}

/// Summary of a session in one line, the first that a person reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Verdict {
    /// Overall result.
    pub status: VerdictStatus,
    /// Reason in one line.
    pub text: String,
}
