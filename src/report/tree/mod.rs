//! The servers' folders over time, as far as a capture tells.
//!
//! In: a [`Report`]. Out: for each server and user a list of everything that was seen there, in the order of a tree,
//! with what is known of it, from what, and what happened to it when.
//!
//! ```text
//! sessions ──> observations ──(in order of time)──> folder ──> Tree ──> JSON, or report::table::tree
//!  steps: PWD, CWD, MKD, RMD, DELE, RNFR/RNTO, SIZE, MDTM, MLST, STAT
//!  transfers: listings, downloads, uploads
//! ```
//!
//! What is told later wins: a SIZE after an upload, a listing after a rename. A folder that is only known because
//! something was seen in it is there too, known from its path. What was asked for and refused is not.
//! Work and memory are bounded: entries, the bytes of their paths, events of one entry, and the entries that the rename
//! of a folder takes with it. What is beyond a bound is counted.

mod folder;
mod gather;
mod place;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::folder::Folder;
use self::gather::observations;
use super::Report;
use super::model::{SCHEMA_VERSION, is_zero};
use crate::model::Timestamp;
use crate::model::record::{Completeness, EntryKind, Precision};

/// What was seen of the folders of all servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Tree {
    /// As that of the report.
    pub schema_version: Cow<'static, str>,
    /// By address, port and user.
    pub servers: Vec<ServerTree>,
}

/// What one user saw of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ServerTree {
    /// The server's control port.
    pub server: TreeServer,
    /// Who was logged in; `null` where no login was seen.
    pub user: Option<String>,
    /// Ids of the sessions that tell.
    pub sessions: Vec<u64>,
    /// Everything that was seen, folders before what is in them.
    pub entries: Vec<Entry>,
    /// Entries beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries_omitted: u64,
}

/// Which server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TreeServer {
    /// Address.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
    /// What a client looked up.
    pub name: Option<String>,
}

/// A file, folder or link on a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Entry {
    /// Absolute path; `null` where the folder it is in is not known.
    pub path: Option<String>,
    /// The exact bytes of a path that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Last part of the path.
    pub name: String,
    /// The exact bytes of a name that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// Folders above it.
    pub depth: usize,
    /// What it is.
    pub kind: Option<EntryKind>,
    /// Size in bytes, as it was last known.
    pub size: Option<u64>,
    /// When it was changed, as the server says; `Z` only where it is UTC.
    pub modified: Option<String>,
    /// How exact `modified` is.
    pub modified_precision: Option<Precision>,
    /// As listed.
    pub permissions: Option<String>,
    /// As listed.
    pub owner: Option<String>,
    /// As listed.
    pub group: Option<String>,
    /// Where a link points.
    pub target: Option<String>,
    /// When something first told of it.
    pub first_seen: Timestamp,
    /// When something last told of it.
    pub last_seen: Timestamp,
    /// Whether it was there when something last told of it.
    pub exists: bool,
    /// How it is known.
    pub known_from: Vec<Source>,
    /// What happened to it, in order of time.
    pub events: Vec<EntryEvent>,
    /// Events beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub events_omitted: u64,
}

/// How an entry is known.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Source {
    /// An entry in a LIST, NLST or MLSD.
    Listing,
    /// It is the working directory (CWD, or a 257 to PWD).
    WorkingDirectory,
    /// MLST.
    Facts,
    /// SIZE.
    Size,
    /// MDTM.
    ModificationTime,
    /// RETR.
    Download,
    /// STOR, STOU, APPE.
    Upload,
    /// MKD.
    MakeDirectory,
    /// RNFR and RNTO.
    Rename,
    /// DELE or RMD.
    Delete,
    /// Something was seen in it.
    Path,
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Happening {
    /// It was in a listing; several listings in a row are one event.
    Listed,
    /// RETR; `completeness` says whether all of it came.
    Downloaded,
    /// STOR, STOU or APPE.
    Uploaded,
    /// MKD.
    Created,
    /// It got another name, which is `other`.
    RenamedTo,
    /// It had another name before, which is `other`.
    RenamedFrom,
    /// DELE or RMD.
    Deleted,
}

/// Something that happened to an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct EntryEvent {
    /// What.
    pub what: Happening,
    /// When.
    pub time: Timestamp,
    /// The frame that ended it.
    pub frame: u64,
    /// Id of the session.
    pub session: u64,
    /// Id of the transfer within the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<u64>,
    /// Of a download or upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Completeness>,
    /// The other name of a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

impl Tree {
    /// What a report tells of the servers' folders.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for session in &report.sessions {
            let key = (
                session.server.ip,
                session.server.port,
                session.login.user.as_deref(),
            );
            groups.entry(key).or_default().push(&**session);
        }
        let mut servers = Vec::new();
        let mut room = PATH_BYTES;
        for ((ip, port, user), sessions) in groups {
            let mut seen: Vec<_> = sessions
                .iter()
                .flat_map(|session| observations(session))
                .collect();
            // Stable: what one session tells in one moment stays in its order.
            seen.sort_by_key(|observation| (observation.time, observation.session));
            let mut folder = Folder::new(room);
            for observation in &seen {
                folder.take(observation);
            }
            let (entries, entries_omitted, left) = folder.finish();
            room = left;
            if entries.is_empty() && entries_omitted == 0 {
                continue;
            }
            servers.push(ServerTree {
                server: TreeServer {
                    ip,
                    port,
                    name: sessions
                        .iter()
                        .find_map(|session| session.server.name.clone()),
                },
                user: user.map(str::to_owned),
                sessions: sessions.iter().map(|session| session.id).collect(),
                entries,
                entries_omitted,
            });
        }
        Self {
            schema_version: SCHEMA_VERSION.into(),
            servers,
        }
    }
}

/// Bytes of all paths together.
const PATH_BYTES: usize = 64 << 20;
