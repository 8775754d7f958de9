//! Transfers of files and listings, and the data connections that carried them.

use std::sync::Arc;

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, CaptureFrame, NamedFrame, Step, Tls, is_zero};
use crate::model::{FrameRef, Timestamp};

/// Direction of a transfer, as the client names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransferDirection {
    /// RETR: server to client.
    Download,
    /// STOR, STOU, APPE: client to server.
    Upload,
    /// LIST, NLST, MLSD: server to client.
    Listing,
}

/// Negotiation that announced the data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// PORT (RFC 959 section 4.1.2).
    Active,
    /// PASV (RFC 959 section 4.1.2).
    Passive,
    /// EPRT (RFC 2428 section 2).
    ExtendedActive,
    /// EPSV (RFC 2428 section 3).
    ExtendedPassive,
    /// LPRT (RFC 1639).
    LongActive,
    /// LPSV (RFC 1639).
    LongPassive,
    /// None: the default data port of RFC 959 section 3.2.
    DefaultPort,
}

impl Mode {
    /// Returns whether the FTP client listens for the data connection.
    #[must_use]
    pub const fn client_listens(self) -> bool {
        matches!(
            self,
            Self::Active | Self::ExtendedActive | Self::LongActive | Self::DefaultPort
        )
    }
}

/// TYPE (RFC 959 section 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// TYPE A, the default.
    #[default]
    Ascii,
    /// TYPE I.
    Image,
    /// TYPE E.
    Ebcdic,
    /// TYPE L.
    Local,
}

/// STRU (RFC 959 section 3.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Structure {
    /// STRU F, the default.
    #[default]
    File,
    /// STRU R.
    Record,
    /// STRU P.
    Page,
}

impl Structure {
    /// Returns true for the default, which JSON omits.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    fn is_file(&self) -> bool {
        *self == Self::File
    }
}

/// MODE (RFC 959 section 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransferMode {
    /// MODE S, the default.
    #[default]
    Stream,
    /// MODE B.
    Block,
    /// MODE C.
    Compressed,
    /// MODE Z.
    Deflate,
}

/// Completeness of a transfer: the first variant that applies, top to bottom.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, PartialOrd, Ord,
)]
#[serde(rename_all = "lowercase")]
pub enum Completeness {
    /// Bytes are missing between the first and the last captured.
    Gaps,
    /// Refused, aborted, or closed by the receiver before the sender's FIN.
    Aborted,
    /// No end by the sender, or fewer bytes than announced.
    Truncated,
    /// FIN of the sender, no gap, final reply 226 or 250, and no known size contradicts.
    Complete,
    /// Any other case.
    Unverifiable,
}

/// Side that opened the data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Opener {
    /// The client, as in passive modes.
    Client,
    /// The server, as in active modes.
    Server,
}

/// End of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Close {
    /// FIN: of the sender of data, of either side of a control connection, or of both.
    Fin,
    /// RST.
    Reset,
    /// No end in the capture.
    Open,
}

/// Second copies of packets that the capture holds, as on a mirror port of a switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Copies {
    /// Copies of packets from the client.
    pub packets_from_client: u64,
    /// Copies of packets from the server.
    pub packets_from_server: u64,
    /// Sum of the IP lengths of copies of packets from the client.
    pub ip_bytes_from_client: u64,
    /// Sum of the IP lengths of copies of packets from the server.
    pub ip_bytes_from_server: u64,
    /// Sum of the frame lengths of copies of packets from the client.
    pub frame_bytes_from_client: u64,
    /// Sum of the frame lengths of copies of packets from the server.
    pub frame_bytes_from_server: u64,
}

/// A TCP connection: control or data.
///
/// Packets after the connection's close do not count, for its record is complete then. Packets that the capture has twice count once, where the IPv4 identification shows it. If several files share a data
/// connection, counts and times are those of one file; `uid`, `tcp_state` and `tcp_history` are those of the connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Connection {
    /// Name that is the same in every run: `C` and up to 17 letters and digits.
    #[schemars(with = "String")]
    pub uid: CompactString,
    /// End point of the FTP client.
    pub client: Address,
    /// End point of the FTP server.
    pub server: Address,
    /// Side that sent the SYN; `null` if it was not captured and the negotiation does not show it.
    pub opened_by: Option<Opener>,
    /// Side whose letters are upper case in `tcp_history`: the one that sent the SYN; if it was not captured, the sender of
    /// the first packet, but not a server's port 20 or 21.
    pub originator: Opener,
    /// Time of the first packet.
    pub start: Timestamp,
    /// Time of the last packet.
    pub end: Timestamp,
    /// Time of the packet with which both sides were closed, by a FIN behind its last byte or a RST; `null` if they were not.
    pub closed_at: Option<Timestamp>,
    /// Time at which the first payload byte was in order; `null` without payload.
    pub first_payload: Option<Timestamp>,
    /// Time at which the last payload byte was in order; `null` without payload.
    pub last_payload: Option<Timestamp>,
    /// Number of the first packet.
    pub first_frame: u64,
    /// Number of the last packet.
    pub last_frame: u64,
    /// With more than one capture: the first and the last packet in each; otherwise omitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<CaptureSpan>,
    /// Captures beyond the limit of `captures`; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub captures_omitted: u64,
    /// Packets from the client.
    pub packets_from_client: u64,
    /// Packets from the server.
    pub packets_from_server: u64,
    /// Sum of the IP lengths of packets from the client, as on the wire.
    pub ip_bytes_from_client: u64,
    /// Sum of the IP lengths of packets from the server, as on the wire.
    pub ip_bytes_from_server: u64,
    /// Sum of the frame lengths of packets from the client, link layer included, as on the wire.
    pub frame_bytes_from_client: u64,
    /// Sum of the frame lengths of packets from the server, link layer included, as on the wire.
    pub frame_bytes_from_server: u64,
    /// Payload bytes from the client by sequence numbers: each once, missing ones included.
    pub payload_bytes_from_client: u64,
    /// Payload bytes from the server by sequence numbers: each once, missing ones included.
    pub payload_bytes_from_server: u64,
    /// Second copies that the capture holds of packets of this connection, which count nowhere else; omitted without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Box<Copies>>,
    /// Payload bytes known to be missing, of both sides.
    pub missing_bytes: u64,
    /// Payload bytes retransmitted. A second copy that the capture made of a packet does not count: it has the IPv4
    /// identification of the first and comes within 10 ms. IPv6 has no identification, so copies count there.
    pub retransmitted_bytes: u64,
    /// Number of times that a side closed its receive window: it did not keep up.
    pub zero_windows: u64,
    /// Seconds for which a receive window was closed.
    pub zero_window_seconds: f64,
    /// End of the connection.
    pub close: Close,
    /// Opening and end in the words of Zeek's `conn_state`: `S0` `S1` `SF` `REJ` `S2` `S3` `RSTO` `RSTR` `RSTOS0` `RSTRH`
    /// `SH` `SHR` `OTH`.
    #[schemars(with = "String")]
    pub tcp_state: CompactString,
    /// Packets in the letters of Zeek's `history`, upper case for the `originator`: `s` SYN, `h` SYN ACK, `a` ACK, `d`
    /// payload, `f` FIN, `r` RST, `g` gap, `t` retransmission, `w` closed window, `i` FIN with RST, `q` other mixes, `^` in
    /// front if the other side sent the first packet. The first 64 letters.
    #[schemars(with = "String")]
    pub tcp_history: CompactString,
    /// Community ID v1 with seed 0.
    pub community_id: String,
    /// Progress of a data connection over time, with `--samples`; otherwise omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Arc<ConnectionSamples>>,
}

/// Progress of a data connection over time. Periods without packets have no point, and the periods of the others are as
/// short as the number of points permits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionSamples {
    /// Side that sends the bytes.
    pub sender: Opener,
    /// Time of the first byte.
    pub start: Timestamp,
    /// Points in order of time, at most 2,000.
    pub points: Vec<SamplePoint>,
}

/// State of a data connection at one time, and events since the point before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SamplePoint {
    /// Time of the latest packet.
    pub time: Timestamp,
    /// Bytes sent until then, each once; bytes that the capture lacks included.
    pub sent: u64,
    /// Bytes acknowledged until then.
    pub acknowledged: u64,
    /// Bytes up to which the receiver's window reaches; `null` before its first packet, and if the scale of the window was
    /// not captured.
    pub window_end: Option<u64>,
    /// Bytes retransmitted since the point before; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retransmitted: u64,
    /// Segments since the point before that came behind bytes not yet captured; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub holes: u64,
    /// Segments since the point before with bytes that such holes lacked; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    /// True if the receiver closed its window since the point before; otherwise omitted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_window: bool,
}

impl Connection {
    /// Returns the place of its first frame; `None` with a single capture.
    #[must_use]
    pub fn first_place(&self) -> Option<CaptureFrame> {
        let mut spans = self.captures.iter();
        let span = spans.find(|span| span.first_frame == self.first_frame)?;
        Some(CaptureFrame {
            capture: span.capture,
            capture_frame: span.first_capture_frame,
        })
    }
}

/// Packets of a connection in one of several captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct CaptureSpan {
    /// Index into `captures` of the report.
    pub capture: u32,
    /// Number of the first packet in it, over all captures.
    pub first_frame: u64,
    /// Number of the same packet within the capture.
    pub first_capture_frame: u64,
    /// Number of the last packet in it, over all captures.
    pub last_frame: u64,
    /// Number of the same packet within the capture.
    pub last_capture_frame: u64,
}

impl CaptureSpan {
    /// Returns the packets from `first` to `last`, which are in one capture.
    #[must_use]
    pub fn new(first: FrameRef, last: FrameRef) -> Self {
        Self {
            capture: first.capture(),
            first_frame: first.number,
            first_capture_frame: first.capture_number(),
            last_frame: last.number,
            last_capture_frame: last.capture_number(),
        }
    }
}

/// Evidence that binds a data connection to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LinkMethod {
    /// Both hosts and the announced end point agree.
    AnnouncedAddress,
    /// The announced address is not the one on the wire (address translation): the host of the control connection and
    /// the announced port agree.
    ControlPeer,
    /// The announced end point agrees, with a third host at the other end (FXP).
    ThirdParty,
    /// Only the port and the time agree.
    PortAndTime,
    /// The default data port of RFC 959 section 3.2.
    DefaultPort,
    /// Opened between the hosts of a session whose commands are encrypted, right after a record on its control
    /// connection.
    EncryptedSession,
    /// The data connection resumes the TLS session of the control connection.
    TlsSession,
}

/// Binding of a data connection to its session, with its confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// Evidence.
    pub method: LinkMethod,
    /// Confidence from 0 to 1.
    pub confidence: f64,
}

/// Kind of a listing entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, a socket, or a kind that the listing does not show.
    Other,
}

/// Precision of a listing's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// To the second.
    Second,
    /// To the minute.
    Minute,
    /// To the day.
    Day,
}

/// One entry of a listing.
// Compact strings: captures hold very many entries, and most of these fields fit into 24 bytes without an allocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ListingEntry {
    /// Name as listed.
    #[schemars(with = "String")]
    pub name: CompactString,
    /// Exact bytes of a name that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// Kind of entry.
    pub kind: EntryKind,
    /// Size in bytes; `null` if not listed.
    pub size: Option<u64>,
    /// Time of modification as listed, with `Z` only if it is UTC; `null` if not listed.
    #[schemars(with = "Option<String>")]
    pub modified: Option<CompactString>,
    /// Precision of `modified`; `null` without it.
    pub modified_precision: Option<Precision>,
    /// True if the listing omits the year and the capture time supplied it.
    pub year_inferred: bool,
    /// Permissions as listed: `rwxr-xr-x`, `0755`, or MLSD's `perm`; `null` if not listed.
    #[schemars(with = "Option<String>")]
    pub permissions: Option<CompactString>,
    /// Owner as listed; `null` if not listed.
    #[schemars(with = "Option<String>")]
    pub owner: Option<CompactString>,
    /// Group as listed; `null` if not listed.
    #[schemars(with = "Option<String>")]
    pub group: Option<CompactString>,
    /// Target of a link; `null` for other entries.
    #[schemars(with = "Option<String>")]
    pub target: Option<CompactString>,
    /// Directory of the entry, from a heading of `ls -R`; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<Arc<str>>,
    /// The whole line.
    pub raw: String,
    /// True if the line is longer than 5,000 bytes, and `raw` and the fields from it are cut there; otherwise omitted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// The file behind the bytes of a transfer, after MODE, STRU and TYPE are decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Decoded {
    /// Decoding steps in order: `deflate`, `blocks`, `runs`, `records`, `ebcdic`, `line-ends`.
    pub steps: Vec<String>,
    /// Bytes of the decoded file.
    pub bytes: u64,
    /// True if decoding reached the end without a problem.
    pub whole: bool,
    /// First problem of decoding; `null` if there was none.
    pub problem: Option<String>,
    /// SHA-256 of the decoded bytes, in hex.
    pub sha256: String,
    /// MD5 of these bytes, in hex; omitted unless requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1 of these bytes, in hex; omitted unless requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// Media type detected from the decoded content; `null` if not recognized.
    pub media_type: Option<String>,
    /// Path of the saved file below the extraction directory; `null` if nothing was saved.
    pub saved_as: Option<String>,
}

/// One RETR, STOR, STOU, APPE, LIST, NLST or MLSD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Transfer {
    /// Number within the session, from 1 in order of the commands.
    pub id: u64,
    /// Name that is the same in every run: `F` and up to 17 letters and digits.
    #[schemars(with = "String")]
    pub uid: CompactString,
    /// Verb of the command.
    pub verb: String,
    /// Argument of the command; `null` if it has none.
    pub argument: Option<String>,
    /// Exact bytes of an argument that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument_b64: Option<String>,
    /// Absolute path on the server; `null` if the working directory is unknown.
    pub path: Option<String>,
    /// Exact bytes of a path that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Last component of the path or argument; `null` without either.
    pub name: Option<String>,
    /// Exact bytes of a name that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// Direction.
    pub direction: TransferDirection,
    /// Negotiation of the data connection.
    pub mode: Mode,
    /// TYPE in force; `null` after an accepted TYPE that RFC 959 does not know.
    pub data_type: Option<DataType>,
    /// MODE in force.
    pub transfer_mode: TransferMode,
    /// STRU in force; omitted if it is F.
    #[serde(default, skip_serializing_if = "Structure::is_file")]
    pub structure: Structure,
    /// Offset in the server's file of the first byte, from REST (RFC 3659 section 5); 0 without REST.
    pub restart_offset: u64,
    /// Negotiated end point; `null` if none was captured.
    pub announced: Option<Address>,
    /// The data connection; `null` if none was captured.
    pub connection: Option<Connection>,
    /// Binding of the data connection; `null` without one.
    pub link: Option<Link>,
    /// Payload bytes captured, each once.
    pub bytes: u64,
    /// Bytes known to be missing.
    pub missing_bytes: u64,
    /// Gaps as `[from, to)`, in bytes from the first byte of the connection.
    pub missing_ranges: Vec<[u64; 2]>,
    /// Gaps beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_ranges_omitted: u64,
    /// Size in bytes that the server stated before the transfer; `null` if it stated none.
    pub announced_bytes: Option<u64>,
    /// Completeness.
    pub completeness: Completeness,
    /// Evidence for `completeness`, in sentences.
    pub evidence: Vec<String>,
    /// With more than one capture: places of the frames that `evidence` names; otherwise omitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence_places: Vec<NamedFrame>,
    /// SHA-256 of the bytes captured, in hex; `null` with gaps or without a data connection.
    pub sha256: Option<String>,
    /// MD5 of these bytes, in hex; omitted unless requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1 of these bytes, in hex; omitted unless requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// The decoded file if MODE, STRU or TYPE make it differ from the bytes; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded: Option<Decoded>,
    /// TLS of the data connection; `null` if it is in clear, or none was captured.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Media type detected from the content; `null` if not recognized.
    pub media_type: Option<String>,
    /// Path of the saved file below the extraction directory; `null` if nothing was saved.
    pub saved_as: Option<String>,
    /// Bytes per second over the data connection; `null` without a connection or its duration.
    pub throughput: Option<f64>,
    /// Entries of a listing; empty for files.
    pub entries: Vec<ListingEntry>,
    /// Entries beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries_omitted: u64,
    /// Remainders of listing lines that are incomplete since bytes are missing; omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut_lines: Vec<String>,
    /// Incomplete lines beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut_lines_omitted: u64,
}

impl Transfer {
    /// Returns true if anything was transferred, be it an empty file. Summaries, verdicts and pages count these transfers only.
    ///
    /// False without a data connection, and for a transfer that ended in failure before its first byte: a client in passive
    /// mode opens the connection before the server refuses the command (RFC 959 section 3.2).
    #[must_use]
    pub fn has_moved(&self) -> bool {
        let is_empty = self.bytes == 0 && self.missing_bytes == 0;
        self.connection.is_some() && !(is_empty && self.completeness == Completeness::Aborted)
    }

    /// Returns its path, or else what names it: of STOU the server's reply (RFC 1123 section 4.1.2.9), of any other command its
    /// argument. `None` if nothing does.
    #[must_use]
    pub fn shown_path(&self) -> Option<&str> {
        let named = if self.verb == "STOU" {
            &self.name
        } else {
            &self.argument
        };
        self.path.as_deref().or(named.as_deref())
    }

    /// Returns whether the server refused it before it began: without a 1yz and without a byte. A client in passive mode opens
    /// the data connection before that (RFC 959 section 3.2). With 425, 426 and 522 the server says that it tried.
    #[must_use]
    pub fn is_refused(&self, step: &Step) -> bool {
        let own = step.commands.iter().filter(|one| one.verb == self.verb);
        let replies = own.flat_map(|command| &command.replies);
        self.is_refused_by(replies.map(|reply| reply.code))
    }

    /// Returns whether these codes of all replies to its command refused it before it began; see [`is_refused`](Self::is_refused).
    pub(crate) fn is_refused_by(&self, mut codes: impl Iterator<Item = u16>) -> bool {
        let is_empty = self.bytes == 0 && self.missing_bytes == 0;
        let may_refuse = |code: u16| code >= 400 && !matches!(code, 425 | 426 | 522);
        is_empty && codes.next().is_some_and(may_refuse) && codes.next().is_none()
    }

    /// Returns whether the server carried it out without a data connection in the capture.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.connection.is_none() && self.completeness != Completeness::Aborted
    }
}
