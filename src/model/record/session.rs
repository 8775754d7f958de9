//! One control connection from lookup to teardown.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Address, Connection, Finding, Link, Reply, Step, Transfer, TransferDirection, Verdict, is_zero,
};
use crate::model::Timestamp;

/// The server's end of the control connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Server {
    /// Address.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
    /// What the client looked up.
    pub name: Option<String>,
}

/// How the control connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EndState {
    /// With FIN.
    Closed,
    /// With RST.
    Reset,
    /// The capture ended first.
    Open,
    /// Nothing was seen of it for so long that it was given up.
    Timeout,
}

/// How long the beginning of a session took, in seconds; `null` where its packets were not captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Timing {
    /// From the first SYN to the SYN ACK.
    pub syn_ack: Option<f64>,
    /// From the first SYN to the ACK that ends the handshake.
    pub handshake: Option<f64>,
    /// From the end of the handshake to the end of the greeting.
    pub greeting: Option<f64>,
}

/// The lookup that gave the server's address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Dns {
    /// The name that was asked for.
    pub name: String,
    /// Record type: `A` or `AAAA`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// CNAME chain.
    pub aliases: Vec<String>,
    /// Addresses.
    pub answers: Vec<IpAddr>,
    /// Who answered.
    pub resolver: Address,
    /// Frame of the query, where it was captured.
    pub query_frame: Option<u64>,
    /// Frame of the response.
    pub response_frame: u64,
    /// Seconds between them.
    pub response_time: Option<f64>,
}

/// How the login came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoginOutcome {
    /// 230 or another 2yz.
    Accepted,
    /// 4yz or 5yz.
    Rejected,
    /// Begun, never answered finally.
    Incomplete,
    /// No login in the capture.
    Unseen,
}

/// The login that succeeded, else the last attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Login {
    /// How it came out.
    pub outcome: LoginOutcome,
    /// Argument of USER.
    pub user: Option<String>,
    /// The exact bytes of a user name that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_b64: Option<String>,
    /// Argument of PASS, `<hidden>` unless asked for; `null` where none was sent.
    pub password: Option<String>,
    /// The exact bytes of a password that is not UTF-8, in base64; only with `--show-passwords`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_b64: Option<String>,
    /// Argument of ACCT, `<hidden>` unless asked for.
    pub account: Option<String>,
    /// User `anonymous` or `ftp`, not refused.
    pub anonymous: bool,
    /// USER commands that were answered.
    pub attempts: u64,
}

/// What is known of the encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Tls {
    /// `TLS 1.2` and so on.
    pub version: Option<String>,
    /// IANA name of the cipher suite.
    pub cipher_suite: Option<String>,
    /// Server name the client asked for.
    pub server_name: Option<String>,
    /// Whether an earlier TLS session was resumed.
    pub resumed: Option<bool>,
    /// Whether the records were opened with `--keylog`.
    pub decrypted: bool,
    /// Whether PROT P was in force.
    pub data_protected: Option<bool>,
}

/// A data connection of a session whose commands could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct EncryptedConnection {
    /// The connection.
    pub connection: Connection,
    /// How it was found.
    pub link: Link,
    /// Which way most bytes went.
    pub direction: Option<TransferDirection>,
    /// Payload bytes from the client.
    pub bytes_from_client: u64,
    /// Payload bytes from the server.
    pub bytes_from_server: u64,
}

/// One FTP session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Session {
    /// From 1, in the order in which sessions became known.
    pub id: u64,
    /// The client's end.
    pub client: Address,
    /// The server's end.
    pub server: Server,
    /// Community ID v1 with seed 0, of the control connection.
    pub community_id: String,
    /// Wireshark display filter for the control and data connections.
    pub display_filter: String,
    /// What the control connection's first payload was wrapped in, the link layer first: `EN10MB`, `VLAN 5`, `IPv4`, `GRE`,
    /// `IPv4`, `TCP`.
    pub layers: Vec<String>,
    /// First packet of the control connection.
    pub start: Timestamp,
    /// Last packet of the control connection.
    pub end: Timestamp,
    /// Seconds between them.
    pub duration: f64,
    /// True where neither SYN nor SYN ACK of the control connection is in the capture.
    pub midstream: bool,
    /// How the control connection ended.
    pub end_state: EndState,
    /// How long the beginning took.
    pub timing: Timing,
    /// The lookup that gave the server's address.
    pub dns: Option<Dns>,
    /// The 220, or what came in its place.
    pub greeting: Option<Reply>,
    /// The login.
    pub login: Login,
    /// Encryption, where there was any.
    pub tls: Option<Tls>,
    /// What happened, in order of time.
    pub steps: Vec<Arc<Step>>,
    /// Steps beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_omitted: u64,
    /// Files and listings, in order of their commands.
    pub transfers: Vec<Arc<Transfer>>,
    /// Transfers beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub transfers_omitted: u64,
    /// Data connections whose commands could not be read.
    pub encrypted_data: Vec<EncryptedConnection>,
    /// Encrypted data connections beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub encrypted_data_omitted: u64,
    /// Replies that no captured command waits for.
    pub unsolicited_replies: Vec<Reply>,
    /// Unsolicited replies beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsolicited_replies_omitted: u64,
    /// What deserves attention.
    pub findings: Vec<Finding>,
    /// Findings beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_omitted: u64,
    /// The one line a person reads first.
    pub verdict: Verdict,
    /// Where to find what in it; no part of the report.
    #[serde(skip)]
    pub index: Index,
}

/// What a long session need not be searched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Numbers of the steps that are not as the events before told them.
    pub amended_steps: BTreeSet<u64>,
    /// Ids of the transfers that are not as the events before told them.
    pub amended_transfers: BTreeSet<u64>,
    /// Ids of transfers, ascending, each with the number of the step that made it.
    makers: Vec<(u64, u64)>,
}

impl Index {
    /// The index of steps that are in order of their numbers.
    #[must_use]
    pub fn new(
        steps: &[Arc<Step>],
        amended_steps: BTreeSet<u64>,
        amended_transfers: BTreeSet<u64>,
    ) -> Self {
        let maker = |step: &Arc<Step>| Some((step.transfer?, step.number));
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
    /// The step that made a transfer.
    #[must_use]
    pub fn step_of(&self, transfer: u64) -> Option<&Step> {
        let makers = &self.index.makers;
        if makers.is_empty() {
            // One that was made without an index.
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

    /// The transfer with this id.
    #[must_use]
    pub fn transfer(&self, id: u64) -> Option<&Transfer> {
        let found = self.transfers.binary_search_by_key(&id, |one| one.id);
        self.transfers.get(found.ok()?).map(AsRef::as_ref)
    }
}

/// What has a number within its session, never used twice.
pub trait Numbered {
    /// The number.
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
