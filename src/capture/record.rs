//! Types that the file format readers hand to the timeline.

use super::LinkType;
use super::compressed::Damage;
use super::record_buffer::RecordBuffer;
use super::waiting::FollowEnd;
use crate::model::{FrameRef, Timestamp, Warning, WarningCode};

/// Metadata of a reader's current packet; the bytes stay in the reader's buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Capture time.
    pub(super) time: Timestamp,
    /// Link type of the packet.
    pub(super) link: LinkType,
    /// Length on the wire in bytes, never below `len`.
    pub(super) wire_len: u32,
    /// Offset of the packet in the reader's buffer.
    pub(super) offset: usize,
    /// Captured length in bytes.
    pub(super) len: usize,
    /// The file says more of the packet or of an interface than is read at once: comments, options.
    pub(super) has_notes: bool,
}

/// Outcome of advancing a reader by one step.
pub(super) enum Advance {
    /// The reader is positioned on a packet.
    Packet,
    /// The reader is positioned on secrets.
    Secrets,
    /// The reader is positioned on names of hosts.
    Names,
    /// A section of a pcapng file begins behind another one.
    Section,
    /// A warning about the input; reading continues.
    Notice(Notice),
    /// The input is open but has no bytes now; the caller may retry later.
    Idle,
    /// The input failed and ends here.
    Failed(std::io::Error),
    /// The input has ended.
    End,
}

/// Reason why a file header was rejected.
#[derive(Debug)]
pub(super) enum HeaderError {
    /// The magic number belongs to another format.
    UnknownMagic,
    /// The input ends inside the header.
    Truncated,
    /// The header is damaged; the text completes "the block at byte N ...".
    Damaged(String),
}

/// A warning without its file name and frame, which the timeline adds.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) code: WarningCode,
    pub(super) text: String,
    pub(super) count: u64,
}

/// Running counts of one input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CaptureCounts {
    pub(super) packets: u64,
    /// Captured bytes of all packets, headers of the file format excluded.
    pub(super) bytes: u64,
    /// Earliest packet time; `None` before the first packet.
    pub(super) first: Option<Timestamp>,
    /// Latest packet time; `None` before the first packet.
    pub(super) last: Option<Timestamp>,
    pub(super) truncated: bool,
    pub(super) ended: bool,
}

impl Record {
    /// Returns the placeholder that stands before the first packet.
    pub(super) fn none(link: LinkType) -> Self {
        Self {
            time: Timestamp::default(),
            link,
            wire_len: 0,
            offset: 0,
            len: 0,
            has_notes: false,
        }
    }
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

    /// Builds the warning about the input called `name`, located at `frame`; `None` before the first packet.
    pub(super) fn warning(&self, name: &str, frame: Option<FrameRef>) -> Warning {
        Warning {
            code: self.code,
            message: format!("{name}: {}", self.text),
            count: self.count,
            frame,
        }
    }
}

impl CaptureCounts {
    /// Counts a packet of which `len` bytes were captured.
    #[inline]
    pub(super) fn add(&mut self, time: Timestamp, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
        // Packets may step back in time, so neither the first nor the last one read is the earliest or latest for sure.
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }

    /// Records the effect of a notice on the input's state.
    pub(super) fn note(&mut self, notice: &Notice) {
        self.truncated |= notice.code == WarningCode::CaptureTruncated;
    }
}

/// Classifies why the buffer could not supply more bytes.
///
/// `part` names the unfinished part if some of its bytes are held, such as `a packet`.
pub(super) fn end_of_input(buffer: &mut RecordBuffer, part: &str) -> Advance {
    if let Some(error) = buffer.take_failure() {
        if let Some(end) = FollowEnd::in_error(&error) {
            return match end {
                // An unfinished packet is not truncated: its writer was still at work when we stopped.
                FollowEnd::Stopped => Advance::End,
                FollowEnd::Shrunk | FollowEnd::Replaced => Advance::Notice(Notice {
                    code: WarningCode::CaptureReplaced,
                    text: end.to_string(),
                    count: 1,
                }),
            };
        }
        return match Damage::in_error(&error) {
            Some(Damage::Cut(kind)) => Advance::Notice(Notice::truncated(format!(
                "the {kind} stream is cut short; the capture was read to {}",
                buffer.describe_position()
            ))),
            _ => Advance::Failed(error),
        };
    }
    if buffer.held().is_empty() {
        return Advance::End;
    }
    Advance::Notice(Notice::truncated(format!(
        "ends inside {part} that begins at {}",
        buffer.describe_position()
    )))
}

/// Largest record or block in bytes that is held as a whole; a larger length field is treated as damage.
///
/// libpcap accepts at most 262,144 bytes per packet, except for USB, D-Bus and automotive links, which never carry FTP.
pub(super) const MAX_RECORD: usize = 64 << 20;
