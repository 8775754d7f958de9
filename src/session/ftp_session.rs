//! One control connection and its state.

use std::collections::{BTreeSet, VecDeque};

use crate::model::record::{Dns, Reply, Server, Transfer};
use crate::model::{Direction, Endpoint, FlowKey, FrameRef};
use crate::protocol::ftp::{LineAssembler, ParsedReply, ReplyAssembler};
use crate::reassembly::{CloseReason, FlowSummary};
use crate::session::by_number::ByNumber;
use crate::session::dialogue::course::Dialogue;
use crate::session::dialogue::end_state::EndState;
use crate::session::dialogue::lost_commands::LostCommands;
use crate::session::dialogue::pairing::Pending;
use crate::session::encrypted::data_connections::EncryptedData;
use crate::session::encrypted::encryption::Encryption;
use crate::session::noted::Noted;
use crate::session::options::Options;
use crate::session::secrets::Secrets;
use crate::session::server_state::known_sizes::KnownSizes;
use crate::session::server_state::login::Logins;
use crate::session::server_state::representation::Representation;
use crate::session::shared::Shared;
use crate::session::steps::emitted::ToldList;
use crate::session::steps::log::StepLog;
use crate::session::transfers::transfer_state::{Negotiation, TransferState};

/// One FTP session. There may be very many at once: what is large and not always there is boxed.
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) key: FlowKey,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    pub(crate) name: Option<String>,
    pub(crate) dns: Option<Box<Dns>>,
    /// What its first payload was wrapped in.
    pub(crate) layers: Vec<String>,
    pub(crate) client_way: Direction,
    pub(crate) midstream: bool,
    pub(crate) secrets: Secrets,

    pub(crate) client_lines: LineAssembler,
    pub(crate) server_lines: LineAssembler,
    pub(crate) replies: ReplyAssembler,
    pub(crate) client_end: EndState,
    pub(crate) server_end: EndState,

    pub(crate) next_sequence: u64,
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) dialogue: Dialogue,
    pub(crate) steps: StepLog,
    pub(crate) told_steps: ToldList<crate::model::record::Step>,
    pub(crate) steps_omitted: u64,

    pub(crate) greeting: Option<Box<Reply>>,
    pub(crate) replies_seen: u64,
    /// Most sessions have none.
    pub(crate) stray: Option<Box<StrayReplies>>,

    pub(crate) logins: Logins,
    /// How the login came out, where only the server's side tells.
    pub(crate) inferred_login: Option<crate::model::record::LoginOutcome>,
    pub(crate) directory: Option<Vec<u8>>,
    pub(crate) representation: Representation,
    /// The data type is known, from the beginning of the session or from what was said since.
    pub(crate) type_certain: bool,
    /// What the client said that was not captured, until its next command.
    pub(crate) lost_commands: Option<Box<LostCommands>>,
    /// What came from the server before it last said something that was not captured.
    pub(crate) lost_replies: Option<FrameRef>,
    pub(crate) restart: u64,
    /// Argument of an RNFR that was accepted.
    pub(crate) renaming: Option<Vec<u8>>,
    /// From ALLO, for the next upload.
    pub(crate) allocated: Option<u64>,
    /// What the server told of files' sizes and digests.
    pub(crate) known_sizes: KnownSizes,
    pub(crate) encryption: Encryption,
    /// Its data connections, while commands cannot be read.
    pub(crate) encrypted_data: EncryptedData,

    pub(crate) negotiations: ByNumber<Box<Negotiation>>,
    pub(crate) negotiation_count: u64,
    /// The one in force.
    pub(crate) negotiation: Option<u64>,
    /// Which PORT, EPRT or LPRT command began which negotiation.
    pub(crate) announced_by: VecDeque<(u64, u64)>,
    pub(crate) transfers: ByNumber<Box<TransferState>>,
    /// The transfers by the numbers of their commands.
    pub(crate) transfer_ids: ByNumber<u64>,
    pub(crate) transfer_count: u64,
    pub(crate) transfers_omitted: u64,
    pub(crate) settled: ToldList<Transfer>,
    pub(crate) refused_transfers: BTreeSet<u64>,

    /// What is said now cannot be read.
    pub(crate) commands_hidden: bool,
    /// Bytes of control lines that are kept.
    pub(crate) kept_bytes: usize,
    /// For the findings; of most sessions nothing.
    pub(crate) noted: Option<Box<Noted>>,
    /// Numbers that tell passwords apart, by the sequence number of PASS.
    pub(crate) passwords: Vec<(u64, u64)>,
    /// Once the control connection is over: how, when, and all about it.
    pub(crate) closed: Option<Box<(CloseReason, FlowSummary)>>,
}

/// Replies that answer no command.
#[derive(Debug, Default)]
pub(crate) struct StrayReplies {
    /// Before the greeting.
    pub(crate) preliminary_greetings: Vec<Reply>,
    pub(crate) unsolicited: Vec<Reply>,
    pub(crate) unsolicited_omitted: u64,
}

impl Session {
    pub(crate) fn new(
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
    pub(crate) fn unsolicited(&self) -> &[Reply] {
        self.stray
            .as_ref()
            .map_or(&[], |stray| stray.unsolicited.as_slice())
    }

    /// The server's end as the report shows it.
    pub(crate) fn server_record(&self) -> Server {
        Server {
            ip: self.server.ip(),
            port: self.server.port,
            name: self.name.clone(),
        }
    }

    /// A reply as the report shows it.
    pub(crate) fn reply_record(
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
