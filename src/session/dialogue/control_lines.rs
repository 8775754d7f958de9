//! The bytes of a control connection become lines, and lines become commands and replies.
//!
//! Lines are bounded ([`LineAssembler`](crate::protocol::ftp::LineAssembler)), Telnet sequences are taken out of them, and a hole in either stream costs only the
//! lines it touches: what follows begins with the next line that has the form of a command or a reply.

use crate::model::{Direction, FrameRef};
use crate::protocol::ftp::{ReplyLine, Verb, parse_command, reply_code, strip_telnet};
use crate::reassembly::{Chunk, Gap};
use crate::session::encrypted::encryption::Taken;
use crate::session::ftp_session::Session;
use crate::session::shared::{COPIES, Shared};

impl Session {
    /// Bytes of either end, in order.
    pub(crate) fn bytes(
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
        end.heard = chunk.arrived;
        self.dialogue.out_of_step = chunk.waited;
        let mut rest = chunk.bytes;
        while !rest.is_empty() {
            rest = if self.encryption.is_clear(from_client) {
                self.lines(shared, from_client, rest, chunk.arrived)
            } else {
                self.not_lines(shared, from_client, rest, chunk.arrived)
            };
        }
        self.dialogue.out_of_step = false;
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
            if from_client {
                self.client_line(shared, &clean, line.truncated, arrived);
            } else {
                self.server_line(shared, &clean, line.truncated, arrived);
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
    pub(crate) fn hole(&mut self, shared: &mut Shared<'_>, direction: Direction, gap: Gap) {
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
        end.within_reply = true;
        let heard = end.heard;
        self.dialogue.hole();
        let begun = lines.rest().map(|line| strip_telnet(line.bytes));
        if let Some(line) = begun.filter(|line| says_enough(line, from_client)) {
            if from_client {
                self.client_line(shared, &line, true, heard);
            } else {
                self.server_line(shared, &line, true, heard);
            }
        }
        if from_client {
            self.commands_are_lost(heard, gap.length);
        } else {
            self.lost_replies = Some(heard);
            if let Some(reply) = self.replies.hole() {
                self.reply(shared, &reply, heard);
            }
        }
    }

    /// FIN of either end: what came after the last line end is a line as well.
    pub(crate) fn stream_end(
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
            let clean = strip_telnet(line.bytes);
            if from_client {
                self.client_line(shared, &clean, line.truncated, frame);
            } else {
                self.server_line(shared, &clean, line.truncated, frame);
            }
        }
        if !from_client && let Some(reply) = self.replies.give_up() {
            self.reply(shared, &reply, frame);
        }
        if !from_client {
            self.release_held(shared);
        }
    }

    /// Without the server's side no command can have its reply.
    pub(crate) fn lose_replies(&mut self) {
        self.pending.clear();
        self.steps.lose_replies();
    }

    /// True where nothing of the server's side was captured, so that no reply can be waited for.
    pub(crate) const fn server_is_silent(&self) -> bool {
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
        let verb = Verb::from_bytes(&parse_command(line).verb);
        self.judge_lost_commands(arrived);
        self.client_goes_on(shared, verb, arrived);
        self.command(shared, line, truncated, arrived);
        self.command_sent(shared, verb, arrived);
    }

    fn server_line(
        &mut self,
        shared: &mut Shared<'_>,
        line: &[u8],
        truncated: bool,
        arrived: FrameRef,
    ) {
        let (line, cut) = shared.keep_text(line);
        self.kept_bytes += line.len() * COPIES;
        match self.replies.line(line, truncated || cut) {
            ReplyLine::Complete(reply) => {
                self.server_end.within_reply = false;
                self.reply(shared, &reply, arrived);
            }
            ReplyLine::Odd if self.server_end.within_reply => {}
            // A capture that begins in the middle may begin within a reply.
            ReplyLine::Odd
                if !line.trim_ascii().is_empty() && (!self.midstream || self.replies_seen > 0) =>
            {
                self.note_odd_line(arrived);
            }
            ReplyLine::Inside | ReplyLine::Odd => {}
        }
    }
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
