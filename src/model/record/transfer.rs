//! Transfers: files and listings, and the data connections that carried them.

use std::sync::Arc;

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, is_zero};
use crate::model::Timestamp;

/// Which way the bytes went.
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

/// How the data connection was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// PORT.
    Active,
    /// PASV.
    Passive,
    /// EPRT.
    ExtendedActive,
    /// EPSV.
    ExtendedPassive,
    /// LPRT.
    LongActive,
    /// LPSV.
    LongPassive,
    /// Nothing was negotiated: RFC 959 section 3.2.
    DefaultPort,
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
    /// The default, which goes without saying.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
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

/// Whether a file is whole; the first that applies, top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Completeness {
    /// Bytes are missing between the first and the last seen.
    Gaps,
    /// Refused, given up, or closed by the receiver before the sender's FIN.
    Aborted,
    /// The sender did not end it, or fewer bytes than announced.
    Truncated,
    /// FIN of the sender, no gap, final reply 226 or 250, and no known size contradicts.
    Complete,
    /// All else.
    Unverifiable,
}

/// Which end opened the data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Opener {
    /// Passive modes.
    Client,
    /// Active modes.
    Server,
}

/// How a data connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Close {
    /// With FIN of the sender or of both ends.
    Fin,
    /// With RST.
    Reset,
    /// Not seen.
    Open,
}

/// A data connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Connection {
    /// The FTP client's end.
    pub client: Address,
    /// The FTP server's end.
    pub server: Address,
    /// Who sent the SYN; `null` where it was not captured and nothing else tells.
    pub opened_by: Option<Opener>,
    /// Time of its first packet.
    pub start: Timestamp,
    /// Time of its last packet.
    pub end: Timestamp,
    /// Number of its first packet.
    pub first_frame: u64,
    /// Number of its last packet.
    pub last_frame: u64,
    /// Payload bytes that were sent again. A second copy of a packet that the capture made is not: it has the IPv4
    /// identification of the first and comes within 10 ms. IPv6 has none, so copies count there.
    pub retransmitted_bytes: u64,
    /// How often an end closed its receive window: it did not keep up.
    pub zero_windows: u64,
    /// Seconds for which a receive window was closed.
    pub zero_window_seconds: f64,
    /// How it ended.
    pub close: Close,
    /// Community ID v1 with seed 0.
    pub community_id: String,
}

/// How the data connection was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LinkMethod {
    /// Both hosts and the announced end point agree.
    AnnouncedAddress,
    /// The announced address is not the one on the wire (address translation): the host of the control connection and
    /// the announced port decide.
    ControlPeer,
    /// The announced end point, with a third host at the other end.
    ThirdParty,
    /// Only the port and the time agree.
    PortAndTime,
    /// The default data port of RFC 959 section 3.2.
    DefaultPort,
    /// Opened between the hosts of a session whose commands cannot be read, right after they were heard on it.
    EncryptedSession,
}

/// How a data connection was found and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// What it rests on.
    pub method: LinkMethod,
    /// From 0 to 1.
    pub confidence: f64,
}

/// What a listing entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, a socket, or what the listing does not tell.
    Other,
}

/// How exact a listing's time is.
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
// Captures hold many of them, and most of their words are short enough to need no memory of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ListingEntry {
    /// The name as listed.
    #[schemars(with = "String")]
    pub name: CompactString,
    /// The exact bytes of a name that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// What it is.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: Option<u64>,
    /// As the listing says, `Z` only where it is UTC.
    #[schemars(with = "Option<String>")]
    pub modified: Option<CompactString>,
    /// How exact `modified` is.
    pub modified_precision: Option<Precision>,
    /// True where the listing left the year out and the capture time filled it in.
    pub year_inferred: bool,
    /// As listed: `rwxr-xr-x`, `0755`, or MLSD's perm.
    #[schemars(with = "Option<String>")]
    pub permissions: Option<CompactString>,
    /// As listed.
    #[schemars(with = "Option<String>")]
    pub owner: Option<CompactString>,
    /// As listed.
    #[schemars(with = "Option<String>")]
    pub group: Option<CompactString>,
    /// Where a link points.
    #[schemars(with = "Option<String>")]
    pub target: Option<CompactString>,
    /// The folder it is in, where a heading of `ls -R` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<Arc<str>>,
    /// The line.
    pub raw: String,
}

/// What the bytes of a transfer are when MODE, STRU and TYPE are undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Decoded {
    /// What was undone, in this order: `deflate`, `blocks`, `runs`, `records`, `ebcdic`, `line-ends`.
    pub steps: Vec<String>,
    /// Bytes of the decoded file.
    pub bytes: u64,
    /// True where it was decoded to its end and nothing was wrong with it.
    pub whole: bool,
    /// What was wrong.
    pub problem: Option<String>,
    /// SHA-256 of the decoded bytes, in hex.
    pub sha256: String,
    /// MD5, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// What the decoded content looks like.
    pub media_type: Option<String>,
    /// Path below the extraction folder.
    pub saved_as: Option<String>,
}

/// One RETR, STOR, STOU, APPE, LIST, NLST or MLSD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Transfer {
    /// From 1 within the session, in order of the commands.
    pub id: u64,
    /// The command's verb.
    pub verb: String,
    /// The command's argument.
    pub argument: Option<String>,
    /// The exact bytes of an argument that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument_b64: Option<String>,
    /// Absolute path on the server; `null` where the directory is unknown.
    pub path: Option<String>,
    /// The exact bytes of a path that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Last part of the path or argument.
    pub name: Option<String>,
    /// The exact bytes of a name that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// Which way the bytes went.
    pub direction: TransferDirection,
    /// How the data connection was negotiated.
    pub mode: Mode,
    /// TYPE in force.
    pub data_type: DataType,
    /// MODE in force.
    pub transfer_mode: TransferMode,
    /// STRU in force, where it is not that of a plain file.
    #[serde(default, skip_serializing_if = "Structure::is_file")]
    pub structure: Structure,
    /// From REST, else 0.
    pub restart_offset: u64,
    /// The end point that was negotiated.
    pub announced: Option<Address>,
    /// The data connection.
    pub connection: Option<Connection>,
    /// How the data connection was found.
    pub link: Option<Link>,
    /// Payload bytes captured, each once.
    pub bytes: u64,
    /// Bytes known to be missing.
    pub missing_bytes: u64,
    /// Holes: from (inclusive), to (exclusive), counted from the first byte of the connection.
    pub missing_ranges: Vec<[u64; 2]>,
    /// Holes beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_ranges_omitted: u64,
    /// What the server said it would be.
    pub announced_bytes: Option<u64>,
    /// Whether it is whole.
    pub completeness: Completeness,
    /// What `completeness` rests on.
    pub evidence: Vec<String>,
    /// SHA-256 of the bytes captured, in hex.
    pub sha256: Option<String>,
    /// MD5, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// The file that the bytes stand for, where MODE, STRU or TYPE make it another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded: Option<Decoded>,
    /// What the content looks like.
    pub media_type: Option<String>,
    /// Path below the extraction folder.
    pub saved_as: Option<String>,
    /// Bytes per second over the data connection.
    pub throughput: Option<f64>,
    /// Entries of a listing.
    pub entries: Vec<ListingEntry>,
    /// Entries beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries_omitted: u64,
    /// What is left of lines of a listing that are not all there: its end or bytes within it are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut_lines: Vec<String>,
    /// Such lines beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut_lines_omitted: u64,
}
