//! One control connection: its state, and the way from its bytes to command lines and replies.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::encrypted_data::EncryptedData;
use super::encryption::{Encryption, Taken};
use super::known_sizes::KnownSizes;
use super::login::Logins;
use super::pairing::Pending;
use super::secrets::Secrets;
use super::shared::{Options, Shared};
use super::steps::StepLog;
use super::told_list::ToldList;
use super::transfer::{Negotiation, TransferState};
use super::trouble::Sightings;
use crate::diagnosis::{DataTrouble, Lost};
use crate::model::record::{DataType, Dns, Reply, Server, Structure, Transfer, TransferMode};
use crate::model::{Direction, Endpoint, FlowKey, FrameRef};
use crate::protocol::ftp::{
    LineAssembler, ParsedReply, ReplyAssembler, ReplyLine, Verb, parse_command, reply_code,
    strip_telnet,
};
use crate::reassembly::{Chunk, CloseReason, FlowSummary, Gap};

/// TYPE, STRU and MODE in force (RFC 959 sections 3.1 and 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Representation {
    pub(super) data_type: DataType,
    pub(super) transfer_mode: TransferMode,
    pub(super) structure: Structure,
}

/// What one end's stream is at this point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct EndState {
    /// The next line may be the rest of a line whose beginning was lost.
    after_gap: bool,
    /// A byte was seen.
    spoke: bool,
}

/// One FTP session.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) key: FlowKey,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) name: Option<String>,
    pub(super) dns: Option<Dns>,
    /// What its first payload was wrapped in.
    pub(super) layers: Vec<String>,
    pub(super) client_way: Direction,
    pub(super) midstream: bool,
    pub(super) secrets: Secrets,

    client_lines: LineAssembler,
    server_lines: LineAssembler,
    pub(super) replies: ReplyAssembler,
    client_end: EndState,
    server_end: EndState,

    pub(super) next_sequence: u64,
    pub(super) pending: VecDeque<Pending>,
    pub(super) steps: StepLog,
    pub(super) told_steps: ToldList<crate::model::record::Step>,
    pub(super) steps_omitted: u64,

    pub(super) greeting: Option<Reply>,
    pub(super) preliminary_greetings: Vec<Reply>,
    pub(super) replies_seen: u64,
    pub(super) unsolicited: Vec<Reply>,
    pub(super) unsolicited_omitted: u64,

    pub(super) logins: Logins,
    /// How the login came out, where only the server's side tells.
    pub(super) inferred_login: Option<crate::model::record::LoginOutcome>,
    pub(super) directory: Option<Vec<u8>>,
    pub(super) representation: Representation,
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

    pub(super) negotiations: BTreeMap<u64, Negotiation>,
    pub(super) negotiation_count: u64,
    /// The one in force.
    pub(super) negotiation: Option<u64>,
    /// Which PORT, EPRT or LPRT command began which negotiation.
    pub(super) announced_by: VecDeque<(u64, u64)>,
    pub(super) transfers: BTreeMap<u64, TransferState>,
    /// The transfers by the numbers of their commands.
    pub(super) transfer_ids: HashMap<u64, u64, RandomState>,
    pub(super) transfer_count: u64,
    pub(super) transfers_omitted: u64,
    pub(super) settled: ToldList<Transfer>,
    pub(super) refused_transfers: BTreeSet<u64>,

    /// What is said now cannot be read.
    pub(super) commands_hidden: bool,
    /// Bytes of control lines that are kept.
    pub(super) kept_text: usize,
    pub(super) troubles: Vec<DataTrouble>,
    pub(super) lost: Lost,
    pub(super) odd_lines: Sightings,
    pub(super) wrong_ends: Sightings,
    /// Numbers that tell passwords apart, by the sequence number of PASS.
    pub(super) passwords: Vec<(u64, u64)>,
    /// Once the control connection is over: how, when, and all about it.
    pub(super) closed: Option<(CloseReason, FlowSummary)>,
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
            steps: StepLog::default(),
            told_steps: ToldList::new(),
            steps_omitted: 0,
            greeting: None,
            preliminary_greetings: Vec::new(),
            replies_seen: 0,
            unsolicited: Vec::new(),
            unsolicited_omitted: 0,
            logins: Logins::default(),
            inferred_login: None,
            directory: None,
            representation: Representation::default(),
            restart: 0,
            renaming: None,
            allocated: None,
            known_sizes: KnownSizes::default(),
            encryption: Encryption::default(),
            encrypted_data: EncryptedData::default(),
            negotiations: BTreeMap::new(),
            negotiation_count: 0,
            negotiation: None,
            announced_by: VecDeque::new(),
            transfers: BTreeMap::new(),
            transfer_ids: HashMap::default(),
            transfer_count: 0,
            transfers_omitted: 0,
            settled: ToldList::new(),
            refused_transfers: BTreeSet::new(),
            commands_hidden: false,
            kept_text: 0,
            troubles: Vec::new(),
            lost: Lost::default(),
            odd_lines: Sightings::default(),
            wrong_ends: Sightings::default(),
            passwords: Vec::new(),
            closed: None,
        }
    }

    /// The server's end as the report shows it.
    pub(super) fn server_record(&self) -> Server {
        Server {
            ip: self.server.ip(),
            port: self.server.port,
            name: self.name.clone(),
        }
    }

    /// Bytes of either end, in order.
    pub(super) fn bytes(
        &mut self,
        shared: &mut Shared<'_>,
        direction: Direction,
        chunk: Chunk<'_>,
    ) {
        let from_client = direction == self.client_way;
        let end = if from_client {
            &mut self.client_end
        } else {
            &mut self.server_end
        };
        end.spoke = true;
        let mut rest = chunk.bytes;
        while !rest.is_empty() {
            rest = if self.encryption.is_clear(from_client) {
                self.lines(shared, from_client, rest, chunk.arrived)
            } else {
                self.not_lines(shared, from_client, rest, chunk.arrived)
            };
        }
    }

    /// Bytes of an end that speaks in clear; what is left is where TLS begins.
    fn lines<'bytes>(
        &mut self,
        shared: &mut Shared<'_>,
        from_client: bool,
        bytes: &'bytes [u8],
        arrived: FrameRef,
    ) -> &'bytes [u8] {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (end, lines) = if from_client {
                (&mut self.client_end, &mut self.client_lines)
            } else {
                (&mut self.server_end, &mut self.server_lines)
            };
            if lines.at_line_start() && self.encryption.begin(from_client, rest) {
                return rest;
            }
            let Some(line) = lines.next(&mut rest) else {
                break;
            };
            let clean = strip_telnet(line.bytes);
            let whole = !std::mem::take(&mut end.after_gap) || begins_line(&clean, from_client);
            if !whole {
                continue;
            }
            // The line may borrow from this session; what follows needs all of it.
            let (clean, truncated) = (clean.into_owned(), line.truncated);
            if from_client {
                self.client_line(shared, &clean, truncated, arrived);
            } else {
                self.server_line(shared, &clean, truncated, arrived);
            }
        }
        rest
    }

    /// Bytes of an end that is encrypted; what is left is where it is clear again (CCC).
    fn not_lines<'bytes>(
        &mut self,
        shared: &mut Shared<'_>,
        from_client: bool,
        bytes: &'bytes [u8],
        arrived: FrameRef,
    ) -> &'bytes [u8] {
        let taken = self.encryption.take(from_client, bytes, arrived);
        if self.encryption.hides_commands() {
            self.hide_commands(shared);
        }
        if self.encryption.handshake_is_known() {
            self.tell_handshake(shared);
        }
        let Taken::Clear { line, used } = taken else {
            return &[];
        };
        self.lines(shared, from_client, &line, arrived);
        bytes.get(used..).unwrap_or_default()
    }

    /// A hole in the control connection: the line it is in is told as far as it came, if it says anything.
    pub(super) fn hole(&mut self, shared: &mut Shared<'_>, direction: Direction, gap: Gap) {
        let from_client = direction == self.client_way;
        if !self.encryption.is_clear(from_client) {
            self.encryption.hole(from_client, gap.length);
            return;
        }
        let (end, lines) = if from_client {
            (&mut self.client_end, &mut self.client_lines)
        } else {
            (&mut self.server_end, &mut self.server_lines)
        };
        end.after_gap = true;
        let begun = lines
            .rest()
            .map(|line| strip_telnet(line.bytes).into_owned());
        lines.abandon();
        if let Some(line) = begun.filter(|line| says_enough(line, from_client)) {
            if from_client {
                self.client_line(shared, &line, true, gap.frame);
            } else {
                self.server_line(shared, &line, true, gap.frame);
            }
        }
        if !from_client && let Some(reply) = self.replies.hole() {
            self.reply(shared, &reply, gap.frame);
        }
    }

    /// FIN of either end: what came after the last line end is a line as well.
    pub(super) fn stream_end(
        &mut self,
        shared: &mut Shared<'_>,
        direction: Direction,
        frame: FrameRef,
    ) {
        let from_client = direction == self.client_way;
        if let Some(text) = self.encryption.stream_end(from_client) {
            self.lines(shared, from_client, &text, frame);
        }
        let lines = if from_client {
            &mut self.client_lines
        } else {
            &mut self.server_lines
        };
        if let Some(line) = lines.rest() {
            let (clean, truncated) = (strip_telnet(line.bytes).into_owned(), line.truncated);
            if from_client {
                self.client_line(shared, &clean, truncated, frame);
            } else {
                self.server_line(shared, &clean, truncated, frame);
            }
        }
        if !from_client && let Some(reply) = self.replies.give_up() {
            self.reply(shared, &reply, frame);
        }
    }

    /// Without the server's side no command can have its reply.
    pub(super) fn lose_replies(&mut self) {
        self.pending.clear();
        self.steps.lose_replies();
    }

    /// True where nothing of the server's side was captured, so that no reply can be waited for.
    pub(super) const fn server_is_silent(&self) -> bool {
        !self.server_end.spoke
    }

    fn client_line(
        &mut self,
        shared: &mut Shared<'_>,
        line: &[u8],
        truncated: bool,
        arrived: FrameRef,
    ) {
        if let Some(reply) = self.replies.client_went_on() {
            self.note_wrong_end(arrived);
            self.reply(shared, &reply, arrived);
        }
        if self.encryption.clear_command() {
            self.steps.handshake(None);
        }
        self.command(shared, line, truncated, arrived);
    }

    fn server_line(
        &mut self,
        shared: &mut Shared<'_>,
        line: &[u8],
        truncated: bool,
        arrived: FrameRef,
    ) {
        let (line, cut) = shared.keep_text(line);
        self.kept_text += line.len();
        match self.replies.line(line, truncated || cut) {
            ReplyLine::Complete(reply) => self.reply(shared, &reply, arrived),
            // A capture that begins in the middle may begin within a reply.
            ReplyLine::Odd
                if !line.trim_ascii().is_empty() && (!self.midstream || self.replies_seen > 0) =>
            {
                self.note_odd_line(arrived);
            }
            ReplyLine::Inside | ReplyLine::Odd => {}
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
        let place = crate::model::record::Place::of(arrived, shared.options.several_captures);
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

/// Whether what follows a hole is a line of its own, rather than the end of one that was lost.
fn begins_line(line: &[u8], from_client: bool) -> bool {
    if from_client {
        !matches!(Verb::from_bytes(&parse_command(line).verb), Verb::Unknown)
    } else {
        reply_code(line).is_some() && matches!(line.get(3), None | Some(b' ' | b'-'))
    }
}

/// Whether the beginning of a line is worth telling without its end.
fn says_enough(line: &[u8], from_client: bool) -> bool {
    line.len() > 4 && begins_line(line, from_client) && (!from_client || line.contains(&b' '))
}
