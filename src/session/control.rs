//! One control connection and its state.

use std::collections::{BTreeSet, VecDeque};

use super::by_number::ByNumber;
use super::dialogue::course::Dialogue;
use super::dialogue::end_state::EndState;
use super::dialogue::login::Logins;
use super::dialogue::lost_commands::LostCommands;
use super::dialogue::pairing::Pending;
use super::dialogue::secrets::Secrets;
use super::dialogue::steps::StepLog;
use super::dialogue::told_list::ToldList;
use super::encrypted::data_connections::EncryptedData;
use super::encrypted::encryption::Encryption;
use super::noted::Noted;
use super::options::Options;
use super::representation::Representation;
use super::shared::Shared;
use super::transfers::known_sizes::KnownSizes;
use super::transfers::transfer_state::{Negotiation, TransferState};
use crate::model::record::{Dns, Reply, Server, Transfer};
use crate::model::{Direction, Endpoint, FlowKey, FrameRef};
use crate::protocol::ftp::{LineAssembler, ParsedReply, ReplyAssembler};
use crate::reassembly::{CloseReason, FlowSummary};

/// One FTP session. There may be very many at once: what is large and not always there is boxed.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) key: FlowKey,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) name: Option<String>,
    pub(super) dns: Option<Box<Dns>>,
    /// What its first payload was wrapped in.
    pub(super) layers: Vec<String>,
    pub(super) client_way: Direction,
    pub(super) midstream: bool,
    pub(super) secrets: Secrets,

    pub(super) client_lines: LineAssembler,
    pub(super) server_lines: LineAssembler,
    pub(super) replies: ReplyAssembler,
    pub(super) client_end: EndState,
    pub(super) server_end: EndState,

    pub(super) next_sequence: u64,
    pub(super) pending: VecDeque<Pending>,
    pub(super) dialogue: Dialogue,
    pub(super) steps: StepLog,
    pub(super) told_steps: ToldList<crate::model::record::Step>,
    pub(super) steps_omitted: u64,

    pub(super) greeting: Option<Box<Reply>>,
    pub(super) replies_seen: u64,
    /// Most sessions have none.
    pub(super) stray: Option<Box<StrayReplies>>,

    pub(super) logins: Logins,
    /// How the login came out, where only the server's side tells.
    pub(super) inferred_login: Option<crate::model::record::LoginOutcome>,
    pub(super) directory: Option<Vec<u8>>,
    pub(super) representation: Representation,
    /// The data type is known, from the beginning of the session or from what was said since.
    pub(super) type_certain: bool,
    /// What the client said that was not captured, until its next command.
    pub(super) lost_commands: Option<Box<LostCommands>>,
    /// What came from the server before it last said something that was not captured.
    pub(super) lost_replies: Option<FrameRef>,
    pub(super) restart: u64,
    /// Argument of an RNFR that was accepted.
    pub(super) renaming: Option<Vec<u8>>,
    /// From ALLO, for the next upload.
    pub(super) allocated: Option<u64>,
    /// What the server told of files' sizes and digests.
    pub(super) known_sizes: KnownSizes,
    pub(super) encryption: Encryption,
    /// Its data connections, while commands cannot be read.
    pub(super) encrypted_data: EncryptedData,

    pub(super) negotiations: ByNumber<Box<Negotiation>>,
    pub(super) negotiation_count: u64,
    /// The one in force.
    pub(super) negotiation: Option<u64>,
    /// Which PORT, EPRT or LPRT command began which negotiation.
    pub(super) announced_by: VecDeque<(u64, u64)>,
    pub(super) transfers: ByNumber<Box<TransferState>>,
    /// The transfers by the numbers of their commands.
    pub(super) transfer_ids: ByNumber<u64>,
    pub(super) transfer_count: u64,
    pub(super) transfers_omitted: u64,
    pub(super) settled: ToldList<Transfer>,
    pub(super) refused_transfers: BTreeSet<u64>,

    /// What is said now cannot be read.
    pub(super) commands_hidden: bool,
    /// Bytes of control lines that are kept.
    pub(super) kept_bytes: usize,
    /// For the findings; of most sessions nothing.
    pub(super) noted: Option<Box<Noted>>,
    /// Numbers that tell passwords apart, by the sequence number of PASS.
    pub(super) passwords: Vec<(u64, u64)>,
    /// Once the control connection is over: how, when, and all about it.
    pub(super) closed: Option<Box<(CloseReason, FlowSummary)>>,
}

/// Replies that answer no command.
#[derive(Debug, Default)]
pub(super) struct StrayReplies {
    /// Before the greeting.
    pub(super) preliminary_greetings: Vec<Reply>,
    pub(super) unsolicited: Vec<Reply>,
    pub(super) unsolicited_omitted: u64,
}

impl Session {
    pub(super) fn new(
        id: u64,
        summary: &FlowSummary,
        client_way: Direction,
        options: &Options,
    ) -> Self {
        let limits = &options.limits;
        Self {
            id,
            key: summary.key,
            client: summary.key.source(client_way),
            server: summary.key.destination(client_way),
            name: None,
            dns: None,
            layers: Vec::new(),
            client_way,
            midstream: summary.half.iter().all(|half| half.syn.is_none()),
            secrets: Secrets::new(options.show_passwords),
            client_lines: LineAssembler::new(limits.line_bytes),
            server_lines: LineAssembler::new(limits.line_bytes),
            replies: ReplyAssembler::new(limits.reply_lines),
            client_end: EndState::default(),
            server_end: EndState::default(),
            next_sequence: 0,
            pending: VecDeque::new(),
            dialogue: Dialogue::default(),
            steps: StepLog::default(),
            told_steps: ToldList::new(),
            steps_omitted: 0,
            greeting: None,
            replies_seen: 0,
            stray: None,
            logins: Logins::default(),
            inferred_login: None,
            directory: None,
            representation: Representation::default(),
            type_certain: summary.half.iter().any(|half| half.syn.is_some()),
            lost_commands: None,
            lost_replies: None,
            restart: 0,
            renaming: None,
            allocated: None,
            known_sizes: KnownSizes::default(),
            encryption: Encryption::default(),
            encrypted_data: EncryptedData::default(),
            negotiations: ByNumber::default(),
            negotiation_count: 0,
            negotiation: None,
            announced_by: VecDeque::new(),
            transfers: ByNumber::default(),
            transfer_ids: ByNumber::default(),
            transfer_count: 0,
            transfers_omitted: 0,
            settled: ToldList::new(),
            refused_transfers: BTreeSet::new(),
            commands_hidden: false,
            kept_bytes: 0,
            noted: None,
            passwords: Vec::new(),
            closed: None,
        }
    }

    /// Replies that no command got.
    pub(super) fn unsolicited(&self) -> &[Reply] {
        self.stray
            .as_ref()
            .map_or(&[], |stray| stray.unsolicited.as_slice())
    }

    /// The server's end as the report shows it.
    pub(super) fn server_record(&self) -> Server {
        Server {
            ip: self.server.ip(),
            port: self.server.port,
            name: self.name.clone(),
        }
    }

    /// A reply as the report shows it.
    pub(super) fn reply_record(
        &self,
        shared: &Shared<'_>,
        reply: &ParsedReply,
        arrived: FrameRef,
    ) -> Reply {
        let mut exact = false;
        let lines = reply
            .lines
            .iter()
            .map(|line| {
                let (text, bytes) = self.secrets.text(line);
                exact |= bytes.is_some();
                text
            })
            .collect();
        let place = crate::model::record::Place::of(arrived, shared.several_captures);
        Reply {
            code: reply.code,
            lines,
            lines_b64: exact.then(|| {
                reply
                    .lines
                    .iter()
                    .map(|line| base64_of(&self.secrets.clean(line)))
                    .collect()
            }),
            lines_omitted: reply.lines_omitted,
            time: arrived.time,
            frame: arrived.number,
            capture: place.capture,
            capture_frame: place.capture_frame,
            truncated: reply.truncated,
            preliminary: Vec::new(),
        }
    }
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
