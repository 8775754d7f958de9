//! Facts about a transfer that is over: the base of its judgement.

use crate::model::record::{DataType, TransferDirection};
use crate::model::{FrameRef, Span};
use crate::session::data::data_channel::DataChannel;
use crate::session::data::decoding::Decoding;
use crate::session::data::line_ends::LineEnds;
use crate::session::server_state::representation::Representation;

use crate::session::transfers::transfer_state::{Sizes, TransferState, payload_way};

/// Facts about one transfer that is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// A data connection carried it, or could have carried it.
    pub(crate) connected: bool,
    /// Payload bytes captured.
    pub(crate) bytes: u64,
    /// Bytes known to be missing.
    pub(crate) missing: u64,
    /// Doubt about their number, which sequence numbers state only modulo 2^32; `None` without one.
    pub(crate) wrap: Option<Wrap>,
    /// The first byte of the stream is known to be the first byte sent.
    pub(crate) start_known: bool,
    /// Ends of the stream.
    pub(crate) ends: StreamEnds,
    /// Code, text and frame of the final reply; `None` if none was captured.
    pub(crate) answer: Option<(u16, String, FrameRef)>,
    /// ABOR before the final reply; `None` without one.
    pub(crate) abor: Option<FrameRef>,
    /// Sizes that were stated, and those of the bytes.
    pub(crate) sizes: SizeFacts,
    /// Part that cannot be decoded, or fault that the decoder found; `None` if all is well.
    pub(crate) decoding_problem: Option<String>,
    /// The bytes themselves mark the end of the file, and it was decoded to there (MODE Z, B and C).
    pub(crate) end_in_content: bool,
    /// Line ends of a file sent as text; `None` for others.
    pub(crate) line_ends: Option<LineEnds>,
    /// Payload bytes from the receiver: no part of the file.
    pub(crate) backward: u64,
    /// The bytes on the wire are TLS records: neither their number nor their end is that of the file.
    pub(crate) encrypted: bool,
}

/// Reading of a large gap. Sequence numbers wrap every 4 GiB (RFC 9293 section 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// A stated size proves that more bytes are missing than the numbers show.
    Proven {
        /// The largest gap by the numbers, to which the further bytes are counted.
        gap: [u64; 2],
        /// Further bytes, a multiple of 2^32.
        further: u64,
        /// Place of the statement, for a sentence.
        place: String,
        /// There is no other gap that they may be of.
        sole: bool,
    },
    /// No size was stated, and the transfer was long enough for 4 GiB.
    Ambiguous,
}

/// Ends of the stream that carried a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamEnds {
    /// The sender's FIN, with everything before it captured or known to be missing; or the acknowledgment of a FIN that was
    /// not captured. `None` without either.
    pub(crate) sender_fin: Option<FrameRef>,
    /// `sender_fin` is the mark of the file's end in MODE B or C.
    pub(crate) end_marked: bool,
    /// `sender_fin` is the acknowledgment of a FIN that was not captured.
    pub(crate) fin_unseen: bool,
    /// The sender's RST; `None` without one.
    pub(crate) sender_reset: Option<FrameRef>,
    /// Whether the sender said that it closes (`close_notify`); `None` without TLS, or if that cannot be read.
    pub(crate) close_notify: Option<bool>,
    /// The receiver's first FIN or RST; `None` without one.
    pub(crate) receiver_end: Option<FrameRef>,
}

/// Sizes of a file: stated ones, and what they can be compared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct SizeFacts {
    /// The byte count on the wire is that of the file (TYPE I in stream mode), and so is the announced one.
    pub(crate) size_counts: bool,
    /// Size of the file if the byte count on the wire is another one; `None` if it is the same.
    pub(crate) own_size: Option<OwnSize>,
    /// Offset from REST in bytes; 0 without one.
    pub(crate) restart: u64,
    /// Size that the server announced, and where; `None` if it did not.
    pub(crate) announced: Option<(u64, &'static str)>,
    /// Other statements about the size.
    pub(crate) stated: Vec<Stated>,
}

/// Size of a file that is not the number of bytes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnSize {
    pub(crate) bytes: u64,
    /// The thing of this size, for a sentence.
    pub(crate) of: &'static str,
    /// These are the bytes of the server's file, so that they can contradict a stated size.
    pub(crate) exact: bool,
}

/// Collects the facts about a transfer. `open` is its connection, if that opened; `after_tls` says that TLS was seen on the
/// control connection.
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
        sizes: SizeFacts {
            restart: state.restart,
            size_counts: state.representation.bytes_are_the_file(),
            ..SizeFacts::default()
        },
        ..Facts::default()
    };
    if direction == TransferDirection::Download {
        facts.sizes.announced = state
            .sizes
            .announced
            .map(|bytes| (bytes, "the 150 reply"))
            .or(state
                .sizes
                .size
                .as_ref()
                .map(|stated| (stated.size, "the reply to SIZE")));
        // In TYPE A a server may count what it would send (RFC 3659 section 4).
        facts.sizes.size_counts &= state.sizes.announced.is_some()
            || state.sizes.size.as_ref().is_none_or(|stated| stated.exact);
    }
    facts.sizes.stated = stated_sizes(&state.sizes, direction);
    if let Some(channel) = open {
        let way = payload_way(state.verb, channel.client_way());
        let (sender, receiver) = (
            channel.summary().sent(way),
            channel.summary().sent(way.reverse()),
        );
        if let Some(content) = channel.content(way) {
            facts.bytes = content.bytes;
            facts.missing = content.missing;
            facts.wrap = facts.wrap_of(&content.gaps, channel);
            if let Some(Wrap::Proven { further, .. }) = &facts.wrap {
                facts.missing = facts.missing.saturating_add(*further);
            }
            facts.line_ends = content.line_ends().cloned();
        }
        let tls = channel.tls().filter(|_| !facts.encrypted);
        facts.ends.close_notify = tls.and_then(|tls| tls.connection().close_notify(way));
        facts.backward = channel
            .content(way.reverse())
            .map_or(0, |content| content.bytes);
        if let Some(decoding) = channel.decoded(way).filter(|_| !facts.encrypted) {
            facts.learn_from(decoding, state.representation);
        } else if let Some(line_ends) = &facts.line_ends {
            facts.sizes.own_size = Some(OwnSize {
                bytes: facts.bytes.saturating_sub(line_ends.proper()),
                of: "the text with LF for CR LF",
                exact: false,
            });
        }
        let begins = channel.is_start_known();
        facts.start_known = sender.start.is_some() && begins;
        facts.ends.sender_fin = sender.fin.filter(|_| sender.finished);
        if sender.fin.is_none() && sender.irregular().rst.is_none() {
            facts.ends.sender_fin = sender.irregular().fin_acknowledged;
            facts.ends.fin_unseen = facts.ends.sender_fin.is_some();
        }
        if facts.ends.sender_fin.is_none() {
            facts.ends.sender_fin = channel.end_mark();
        }
        facts.ends.end_marked = channel.end_mark().is_some();
        facts.ends.sender_reset = sender.irregular().rst;
        facts.ends.receiver_end = [receiver.fin, receiver.irregular().rst]
            .into_iter()
            .flatten()
            .filter(|_| channel.end_mark().is_none())
            .min_by_key(|frame| frame.number);
    }
    facts
}

impl Facts {
    /// Reads the largest of `gaps` by the sizes that were stated: one that differs from the bytes by a multiple of 2^32 agrees
    /// with them in 32 bits, which is no chance.
    fn wrap_of(&self, gaps: &[[u64; 2]], channel: &DataChannel) -> Option<Wrap> {
        let gap = *gaps
            .iter()
            .max_by_key(|gap| gap[1].saturating_sub(gap[0]))?;
        let seen = self.bytes.saturating_add(self.missing);
        let announced = self.sizes.announced;
        let stated = self.sizes.stated.iter();
        let stated = stated
            .filter(|one| one.weight != Weight::TenthsOfKilobyte)
            .map(|one| (one.bytes, one.place.as_str()));
        let mut any = false;
        for (size, place) in announced.into_iter().chain(stated) {
            any = true;
            // After REST some servers state the whole file, some the rest.
            for size in [size, size.saturating_sub(self.sizes.restart)] {
                if size > seen && (size - seen).is_multiple_of(WRAP) && self.sizes.size_counts {
                    return Some(Wrap::Proven {
                        gap,
                        further: size - seen,
                        place: place.to_owned(),
                        sole: gaps.len() == 1,
                    });
                }
            }
        }
        let summary = channel.summary();
        let long = summary.last.time.since(summary.first.time) >= TIME_OF_A_WRAP;
        (!any && long && gap[1].saturating_sub(gap[0]) >= LARGE_GAP).then_some(Wrap::Ambiguous)
    }

    /// Adds what the decoded file shows.
    fn learn_from(&mut self, decoding: &Decoding, representation: Representation) {
        let texts = ["line-ends", "ebcdic"];
        // Odd line ends are no reason to doubt that all of a text is there.
        if decoding.steps().iter().any(|step| !texts.contains(step)) {
            self.decoding_problem = decoding.problem().map(str::to_owned);
        }
        let ending = ["deflate", "blocks", "runs"];
        self.end_in_content = self.bytes > 0
            && decoding.problem().is_none()
            && decoding.steps().iter().any(|step| ending.contains(step));
        if self.decoding_problem.is_none() && representation.data_type != Some(DataType::Ebcdic) {
            self.sizes.own_size = Some(OwnSize {
                bytes: decoding.content.bytes,
                of: "the decoded file",
                exact: representation.is_image(),
            });
        }
    }
}

/// A statement about the size of a file, beside the announced one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stated {
    /// Stated size, in the unit of `weight`.
    pub(crate) bytes: u64,
    /// Place of the statement, for a sentence.
    pub(crate) place: String,
    /// Worth of the statement.
    pub(crate) weight: Weight,
}

/// Worth of a stated size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Exact size of the whole file: it can contradict.
    Whole,
    /// Free text, a reservation, a count by other rules: evidence only.
    Hint,
    /// Tenths of 1,024 bytes of the payload, rounded: evidence only.
    TenthsOfKilobyte,
}

/// Bytes after which sequence numbers begin again.
const WRAP: u64 = 1 << 32;
/// Time that 4 GiB take at 10 Gbit/s.
const TIME_OF_A_WRAP: Span = Span::from_millis(3_400);
/// Gap of a capture that evidently lacks the bulk of a transfer, in bytes.
const LARGE_GAP: u64 = 64 << 20;

/// Collects the statements about the size of a transfer, but for the announced one.
fn stated_sizes(sizes: &Sizes, direction: TransferDirection) -> Vec<Stated> {
    let mut stated = Vec::new();
    let mut add = |bytes, place, weight| {
        stated.push(Stated {
            bytes,
            place,
            weight,
        });
    };
    if direction == TransferDirection::Download {
        // Without a size in the 150, the reply to SIZE is the announced one.
        if let Some(size) = sizes.size.as_ref().filter(|_| sizes.announced.is_some()) {
            let weight = if size.exact {
                Weight::Whole
            } else {
                Weight::Hint
            };
            add(size.size, "the reply to SIZE".to_owned(), weight);
        }
        if let Some(listed) = &sizes.listed {
            let place = format!("the listing (frame {})", listed.frame);
            add(listed.size, place, Weight::Whole);
        }
        if let Some(tenths) = sizes.kilobytes {
            add(tenths, "the 150 reply".to_owned(), Weight::TenthsOfKilobyte);
        }
    }
    if let Some(bytes) = sizes.allocated {
        add(bytes, "ALLO".to_owned(), Weight::Hint);
    }
    if let Some(bytes) = sizes.moved {
        add(bytes, "the final reply".to_owned(), Weight::Hint);
    }
    stated
}
