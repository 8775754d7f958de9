//! What the file readers hand to the timeline.

use super::LinkType;
use super::growing_file::{FollowEnd, follow_end};
use super::record_buffer::RecordBuffer;
use crate::model::{FrameRef, Timestamp, Warning, WarningCode};

/// The packet a reader stands on; its bytes are in the reader's buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Capture time.
    pub(super) time: Timestamp,
    /// What the bytes begin with.
    pub(super) link: LinkType,
    /// Length on the wire.
    pub(super) wire_len: u32,
    /// Where the bytes stand in the buffer, and how many.
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// What a reader found when it went on.
pub(super) enum Step {
    /// It stands on a packet.
    Packet,
    /// Something to say about the input; go on.
    Notice(Notice),
    /// The input has nothing now; go on later.
    Idle,
    /// The input cannot be read on.
    Failed(std::io::Error),
    /// The end.
    End,
}

/// A warning without its frame and file, which the timeline knows.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) code: WarningCode,
    pub(super) text: String,
    pub(super) count: u64,
}

impl Notice {
    pub(super) fn corrupt(text: String) -> Self {
        Self {
            code: WarningCode::CaptureCorrupt,
            text,
            count: 1,
        }
    }

    pub(super) fn truncated(text: String) -> Self {
        Self {
            code: WarningCode::CaptureTruncated,
            text,
            count: 1,
        }
    }

    /// The warning about the input called `name`, behind `frame`.
    pub(super) fn warning(&self, name: &str, frame: Option<FrameRef>) -> Warning {
        Warning {
            code: self.code,
            message: format!("{name}: {}", self.text),
            count: self.count,
            frame,
        }
    }
}

impl Record {
    /// Stands for "none yet".
    pub(super) fn none(link: LinkType) -> Self {
        Self {
            time: Timestamp::default(),
            link,
            wire_len: 0,
            offset: 0,
            len: 0,
        }
    }
}

/// The step that follows when a reader wanted more bytes than the input has.
///
/// `what` names what is cut where some of its bytes are there, as in `a packet`.
pub(super) fn end_of_input(buffer: &mut RecordBuffer, what: &str) -> Step {
    if let Some(error) = buffer.take_failure() {
        if let Some(end) = follow_end(&error) {
            // What is there of a packet is still being written: nothing is cut.
            return match end {
                FollowEnd::Stopped => Step::End,
                FollowEnd::Shrunk | FollowEnd::Replaced => Step::Notice(Notice {
                    code: WarningCode::CaptureReplaced,
                    text: end.to_string(),
                    count: 1,
                }),
            };
        }
        return match super::compressed::damage(&error) {
            Some(super::compressed::Damage::Cut(kind)) => Step::Notice(Notice::truncated(format!(
                "the {kind} stream is cut short; the capture was read to {}",
                buffer.place()
            ))),
            _ => Step::Failed(error),
        };
    }
    if buffer.held().is_empty() {
        return Step::End;
    }
    Step::Notice(Notice::truncated(format!(
        "ends inside {what} that begins at {}",
        buffer.place()
    )))
}

/// No record or block that has to be held as a whole is larger; a length beyond this is damage.
pub(super) const MAX_RECORD: usize = 64 << 20;
