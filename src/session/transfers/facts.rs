//! What is known of a transfer when it is over: what its judgement rests on.

use crate::model::FrameRef;
use crate::model::record::{DataType, TransferDirection};
use crate::session::data::data_channel::DataChannel;
use crate::session::data::decoding::Decoding;
use crate::session::data::line_ends::LineEnds;
use crate::session::server_state::representation::Representation;
use crate::session::transfers::stated_sizes::{Stated, stated};
use crate::session::transfers::transfer_state::{TransferState, payload_way};

/// What is known of one transfer when it is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// A data connection carried it, or could have.
    pub(crate) connected: bool,
    /// Payload bytes captured.
    pub(crate) bytes: u64,
    /// Bytes known to be missing.
    pub(crate) missing: u64,
    /// The first byte of the stream is known to be the first byte sent.
    pub(crate) start_known: bool,
    /// The sender's FIN, all before it seen or known to be missing; or the acknowledgment of a FIN that was not captured.
    pub(crate) sender_fin: Option<FrameRef>,
    /// That was no FIN but the mark of the file's end in MODE B or C.
    pub(crate) end_marked: bool,
    /// It is such an acknowledgment.
    pub(crate) fin_unseen: bool,
    /// The sender's RST.
    pub(crate) sender_reset: Option<FrameRef>,
    /// The receiver's first FIN or RST.
    pub(crate) receiver_end: Option<FrameRef>,
    /// Code, first line and frame of the final reply.
    pub(crate) answer: Option<(u16, String, FrameRef)>,
    /// ABOR was sent before the final reply.
    pub(crate) abor: Option<FrameRef>,
    /// The byte count on the wire is that of the file (TYPE I in stream mode), and so is the announced one.
    pub(crate) size_counts: bool,
    /// The size of the file where the byte count on the wire is another one.
    pub(crate) own_size: Option<OwnSize>,
    /// What cannot be decoded of it, or what the decoder found wrong.
    pub(crate) decoding_problem: Option<String>,
    /// The bytes themselves say where the file ends, and it was decoded to there (MODE Z, B and C).
    pub(crate) tells_its_end: bool,
    /// The line ends of what was sent as text.
    pub(crate) line_ends: Option<LineEnds>,
    /// Payload bytes that came from the receiver: none of the file.
    pub(crate) backward: u64,
    /// The bytes on the wire are TLS records: neither their number nor their end is that of the file.
    pub(crate) encrypted: bool,
    /// From REST.
    pub(crate) restart: u64,
    /// What the server said it would be, and where it said so.
    pub(crate) announced: Option<(u64, &'static str)>,
    /// What else was said of the size.
    pub(crate) stated: Vec<Stated>,
}

/// The size of a file that is not the number of bytes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnSize {
    pub(crate) bytes: u64,
    /// What has this size, for a sentence.
    pub(crate) of: &'static str,
    /// It can contradict what was told: these are the bytes of the server's file.
    pub(crate) exact: bool,
}

/// What is known of a transfer. `after_tls` tells whether TLS was seen on the control connection.
pub(crate) fn of_transfer(
    state: &TransferState,
    open: Option<&DataChannel>,
    direction: TransferDirection,
    after_tls: bool,
) -> Facts {
    let mut facts = Facts {
        connected: open.is_some(),
        encrypted: open.is_some_and(|channel| channel.is_encrypted(after_tls)),
        answer: state.answer.clone(),
        abor: state.abor,
        restart: state.restart,
        size_counts: state.representation.bytes_are_the_file(),
        ..Facts::default()
    };
    if direction == TransferDirection::Download {
        facts.announced = state
            .announced
            .map(|bytes| (bytes, "the 150 reply"))
            .or(state
                .size
                .as_ref()
                .map(|told| (told.size, "the reply to SIZE")));
        // In TYPE A a server may count what it would send (RFC 3659 section 4).
        facts.size_counts &=
            state.announced.is_some() || state.size.as_ref().is_none_or(|told| told.exact);
    }
    facts.stated = stated(state, direction);
    if let Some(channel) = open {
        let way = payload_way(state.verb, channel.client_way);
        let (sender, receiver) = (
            channel.summary.sent(way),
            channel.summary.sent(way.reverse()),
        );
        if let Some(content) = channel.content(way) {
            facts.bytes = content.bytes;
            facts.missing = content.missing;
            facts.line_ends = content.line_ends().cloned();
        }
        facts.backward = channel
            .content(way.reverse())
            .map_or(0, |content| content.bytes);
        if let Some(decoding) = channel.decoded(way).filter(|_| !facts.encrypted) {
            facts.learn_from(decoding, state.representation);
        } else if let Some(line_ends) = &facts.line_ends {
            facts.own_size = Some(OwnSize {
                bytes: facts.bytes.saturating_sub(line_ends.proper()),
                of: "the text with LF for CR LF",
                exact: false,
            });
        }
        let begins = channel.before.as_ref().is_none_or(|it| it.start_known);
        facts.start_known = sender.start_known && begins;
        facts.sender_fin = sender.fin.filter(|_| sender.finished);
        if sender.fin.is_none() && sender.irregular().rst.is_none() {
            facts.sender_fin = sender.irregular().fin_acknowledged;
            facts.fin_unseen = facts.sender_fin.is_some();
        }
        if facts.sender_fin.is_none() {
            facts.sender_fin = channel.ended;
        }
        facts.end_marked = channel.ended.is_some();
        facts.sender_reset = sender.irregular().rst;
        facts.receiver_end = [receiver.fin, receiver.irregular().rst]
            .into_iter()
            .flatten()
            .filter(|_| channel.ended.is_none())
            .min_by_key(|frame| frame.number);
    }
    facts
}

impl Facts {
    /// What the decoded file tells.
    fn learn_from(&mut self, decoding: &Decoding, representation: Representation) {
        let texts = ["line-ends", "ebcdic"];
        // Odd line ends are no reason to doubt that all of a text is there.
        if decoding.steps().iter().any(|step| !texts.contains(step)) {
            self.decoding_problem = decoding.problem().map(str::to_owned);
        }
        let ending = ["deflate", "blocks", "runs"];
        self.tells_its_end = self.bytes > 0
            && decoding.problem().is_none()
            && decoding.steps().iter().any(|step| ending.contains(step));
        if self.decoding_problem.is_none() && representation.data_type != DataType::Ebcdic {
            self.own_size = Some(OwnSize {
                bytes: decoding.content.bytes,
                of: "the decoded file",
                exact: representation.is_image(),
            });
        }
    }
}
