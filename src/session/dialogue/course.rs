//! The course of a dialogue so far, for [`resynchronise`](crate::session::dialogue::resynchronise).

use std::collections::VecDeque;

use crate::model::{FrameRef, Timestamp};
use crate::protocol::ftp::ParsedReply;

/// What is known of a dialogue beside the commands that wait.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    /// A doubtful reply, until the next line tells.
    pub(crate) held: Option<Box<Held>>,
    /// Code and first line of the final reply before.
    pub(crate) last: Option<(u16, Vec<u8>)>,
    /// Commands up to this number are answered only by what fits no later one: the client has gone on.
    pub(crate) passed: u64,
    /// The transfer with this number got a second 1yz.
    pub(crate) begun_twice: Option<u64>,
    /// Either stream had a hole since all commands were last answered.
    pub(crate) hole: bool,
    /// A command was seen to be sent before the reply to the one before.
    pub(crate) pipelines: bool,
    /// When either end was last heard, and where the last command was captured.
    pub(crate) heard: Timestamp,
    pub(crate) last_command: u64,
    /// An ABOR waits, and what it stopped has had its final reply since.
    pub(crate) aborted: bool,
    /// The last replies that nobody waited for, oldest first.
    pub(crate) unclaimed: VecDeque<Unclaimed>,
    /// The negotiation that the reply being given has announced already.
    pub(crate) announced: Option<u64>,
    /// The bytes in hand were captured before what they answer.
    pub(crate) out_of_step: bool,
}

/// A doubtful reply.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) reply: ParsedReply,
    pub(crate) arrived: FrameRef,
    pub(crate) until: Timestamp,
}

/// A reply that nobody waited for.
#[derive(Debug)]
pub(crate) struct Unclaimed {
    pub(crate) reply: ParsedReply,
    pub(crate) arrived: FrameRef,
    pub(crate) negotiation: Option<u64>,
}

impl Dialogue {
    /// Bytes of either stream are missing.
    pub(crate) fn hole(&mut self) {
        self.hole = true;
    }

    /// A reply is given or left over.
    pub(crate) fn note_reply(&mut self, reply: &ParsedReply) {
        if reply.code >= 200 {
            self.last = Some((reply.code, first_line(reply).to_vec()));
        }
    }

    /// A second 150 or 125 for one transfer.
    pub(crate) fn begun_twice(&mut self, sequence: u64) {
        self.begun_twice = Some(sequence);
    }

    /// The final replies between two frames that nobody waited for.
    pub(crate) fn unclaimed_between(&self, after: u64, before: u64) -> Vec<ParsedReply> {
        self.unclaimed
            .iter()
            .filter(|one| one.arrived.number > after && one.arrived.number < before)
            .filter(|one| one.reply.code >= 200)
            .map(|one| one.reply.clone())
            .collect()
    }

    /// Remembers a reply that nobody waited for.
    pub(crate) fn unclaimed(
        &mut self,
        reply: &ParsedReply,
        arrived: FrameRef,
        negotiation: Option<u64>,
    ) {
        let small = reply.lines.len() <= UNCLAIMED_LINES;
        if !small {
            return;
        }
        if self.unclaimed.len() >= UNCLAIMED {
            self.unclaimed.pop_front();
        }
        self.unclaimed.push_back(Unclaimed {
            reply: reply.clone(),
            arrived,
            negotiation,
        });
    }
}

/// What tells replies with one code apart.
pub(crate) fn first_line(reply: &ParsedReply) -> &[u8] {
    reply.lines.first().map_or(&[], Vec::as_slice)
}

/// Replies without a command that a command may yet turn up for.
const UNCLAIMED: usize = 64;

/// Lines of such a reply.
const UNCLAIMED_LINES: usize = 64;
