//! The dialogue of a control connection: lines become commands and replies, and replies find their commands.
//!
//! In: lines of either end, gaps between them, the ends of both streams. Out: [`Outcome`]s, in the order in which they take
//! effect. The dialogue changes nothing but itself; the session applies what it concludes.
//!
//! ```text
//! bytes ─> next_line ─> on_line ─┬─ client ─> command ─> Command, Turn
//!                                └─ server ─> reply ───> pairing ─> ReplyTo, Unsolicited, ReplyLost, Turn
//! gap   ─> begin_gap, end_gap           resynchronise ──────┘
//! ```
//!
//! A server answers each command with at most one 1yz and then one final reply, in the order of the commands (RFC 959 sections
//! 4.2 and 5.4), so a reply goes to the oldest pending command. Not all servers are so exact, and no capture shows all. These
//! rules keep one lost, late, doubled or missing reply from shifting all that follow:
//!
//! 1. A reply that can only answer a later command goes to that one, and those before it are given up; but while a transfer
//!    runs, STAT, ABOR, NOOP and QUIT may be answered before it ends ([`pairing`]).
//! 2. A running transfer is over when the server begins the next one (a 150 for it) or arranges its data connection.
//! 3. A doubtful reply is deferred: one that its command does not usually get, or one in the same words as the reply before.
//!    If another reply to that command comes first, the deferred one was late or doubled, and answers nothing. If the client
//!    sends its next command, it was the answer. A reply without an end point never answers PASV or EPSV.
//! 4. A client has gone on if it sends a command after what it must have taken for the answer: a second 1yz, a line without a
//!    code, the final reply of the transfer it aborted, seconds of silence. The commands before are then answered only by
//!    replies that fit no later one.
//! 5. A reply never answers a command that was captured after it. A client that waits for each reply has one command pending:
//!    after a gap in either stream a reply answers the newest command before it; if the client does not wait, the first that
//!    usually gets such a reply. A command that comes to light only when a hole in the client's stream closes reclaims the
//!    unsolicited replies that arrived meanwhile.
//!
//! 6. Some servers run transfers side by side. While the data connection of the oldest one is open and its sender goes on, that
//!    transfer is not over: rule 2 does not end it, a 150 begins the next one, a 226 ends the one whose data is over, and a
//!    refusal that no running transfer gets answers the next command.
//!
//! Rules 2 to 6 are implemented in [`resynchronise`].

pub(crate) mod outcome;
pub(crate) mod pairing;
pub(crate) mod resynchronise;

use std::collections::VecDeque;

use self::outcome::{CommandLine, LostCommands, Outcome, ReplyTo, ServerReply, Violation};
use self::pairing::{Pairing, Pending, pair};
use self::resynchronise::{Activity, Course, Deferred};
use crate::model::{FrameRef, Timestamp};
use crate::protocol::ftp::{
    Line, LineAssembler, ParsedReply, ReplyAssembler, ReplyLine, Verb, parse_command, reply_code,
};

/// Both ends of one control connection, and the commands that await replies.
#[derive(Debug)]
pub(crate) struct Dialogue {
    client: ControlEnd,
    server: ControlEnd,
    replies: ReplyAssembler,
    /// The capture began after the connection did.
    midstream: bool,
    greeting: Greeting,
    /// Commands read so far; the number of the latest.
    commands: u64,
    /// Replies read so far; the number of the latest.
    replies_read: u64,
    /// Commands without a final reply, oldest first.
    pending: VecDeque<Pending>,
    /// The doubtful reply of rule 3; `None` mostly.
    deferred: Option<Box<Deferred>>,
    /// The latest replies without a command, oldest first, for rule 5.
    unsolicited: VecDeque<ServerReply>,
    course: Course,
    /// Gap in the client's stream since its last command; `None` without one.
    lost_commands: Option<Box<ClientGap>>,
    /// Last frame of the server before the latest gap in its stream; `None` without one.
    lost_replies: Option<FrameRef>,
    /// Numbers of the latest frames with bytes of the server, the latest first: bytes of the client that waited behind a hole
    /// may have been sent before or after an answer.
    answers: VecDeque<u64>,
}

/// One end of a control connection.
#[derive(Debug)]
struct ControlEnd {
    lines: LineAssembler,
    /// The next line may be the rest of a line whose beginning was lost.
    after_gap: bool,
    /// The next lines may be the rest of a reply whose beginning was lost.
    within_reply: bool,
    /// A byte was captured that is not within a closed TLS record.
    spoke: bool,
    /// Lines are within TLS records that stay closed.
    hidden: bool,
    /// Frame of the last byte.
    heard: FrameRef,
    /// A line was ended by the other side's answer: this end sends no line ends, and each segment is a line.
    unterminated: bool,
    /// Oddity of the line that was taken last; `None` without one.
    oddity: Option<&'static str>,
    /// Length of the incomplete line when it was last read, in bytes.
    noted: usize,
    /// Stream offset behind the bytes that were read; `None` while they come out of TLS records.
    position: Option<u64>,
}

/// Progress of the greeting.
#[derive(Debug, Default)]
struct Greeting {
    seen: bool,
    /// 120 replies before it.
    preliminary: u64,
}

/// Bytes of the client that were not captured.
#[derive(Clone, Copy, Debug)]
struct ClientGap {
    /// Frame of the last byte before the gap.
    after: FrameRef,
    bytes: u64,
}

/// Circumstances in which a line is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Frame of the line's last byte.
    pub(crate) arrived: FrameRef,
    /// Number of the frame being processed: later than `arrived` for bytes that were held behind a hole.
    pub(crate) now: u64,
    /// Until when a doubtful reply is deferred.
    pub(crate) deadline: Timestamp,
    /// The server has sent TLS records.
    pub(crate) encrypted: bool,
    /// Progress of the running transfers, for rule 6.
    pub(crate) activity: Activity,
}

impl Dialogue {
    /// Creates the dialogue of a new connection. Lines are bounded by `line_bytes`, replies by `reply_lines`.
    pub(crate) fn new(line_bytes: usize, reply_lines: usize, midstream: bool) -> Self {
        Self {
            client: ControlEnd::new(line_bytes),
            server: ControlEnd::new(line_bytes),
            replies: ReplyAssembler::new(reply_lines),
            midstream,
            greeting: Greeting::default(),
            commands: 0,
            replies_read: 0,
            pending: VecDeque::new(),
            deferred: None,
            unsolicited: VecDeque::new(),
            course: Course::default(),
            lost_commands: None,
            lost_replies: None,
            answers: VecDeque::new(),
        }
    }

    /// Returns how many commands were read.
    pub(crate) const fn commands(&self) -> u64 {
        self.commands
    }

    /// Returns whether nothing of the server can be read, so that no command can ever be answered.
    pub(crate) const fn server_is_silent(&self) -> bool {
        !self.server.spoke || self.server.hidden
    }

    /// Hides the server's lines from here on: they stay within TLS records. The order of the commands is all there is.
    pub(crate) fn hide_replies(&mut self, out: &mut Vec<Outcome>) {
        if !std::mem::replace(&mut self.server.hidden, true) {
            for pending in &mut self.pending {
                pending.take_turn_unanswered(out);
            }
        }
    }

    /// Shows the server's lines again (CCC). What was sent before is answered by none of them.
    pub(crate) fn show_replies(&mut self) {
        if std::mem::take(&mut self.server.hidden) {
            self.lose_replies();
        }
    }

    /// Returns the frame of the last byte of an end.
    pub(crate) const fn heard(&self, from_client: bool) -> FrameRef {
        self.end(from_client).heard
    }

    /// Returns the sequence numbers of the transfers that run, oldest first; none unless the oldest pending command is one.
    pub(crate) fn running(&self) -> impl Iterator<Item = u64> {
        let any = self.pending.front().is_some_and(Pending::runs);
        let considered = if any { ABORTABLE } else { 0 };
        let pending = self.pending.iter().take(considered);
        pending.filter(|one| one.runs()).map(|one| one.sequence)
    }

    /// Begins a chunk of bytes; `held` if they waited behind a hole, so that their frame says nothing about their order.
    pub(crate) fn begin_chunk(&mut self, from_client: bool, arrived: FrameRef, held: bool) {
        let before = self.heard(from_client).number;
        let end = self.end_mut(from_client);
        end.spoke = true;
        end.heard = arrived;
        self.course.out_of_step = held;
        let between = |frame: &u64| (before..arrived.number).contains(frame);
        let is_answer = if from_client {
            held && self.answers.iter().any(between)
        } else {
            self.answers.truncate(ANSWERS - 1);
            self.answers.push_front(arrived.number);
            !held
        };
        if is_answer {
            self.client.lines.on_answer();
        }
    }

    /// Returns the stream offset behind the bytes of an end that were read; `None` if they came out of TLS records.
    pub(crate) const fn position(&self, from_client: bool) -> Option<u64> {
        self.end(from_client).position
    }

    /// Sets the stream offset of the next byte of an end; `None` if it comes out of a TLS record.
    pub(crate) const fn set_position(&mut self, from_client: bool, position: Option<u64>) {
        self.end_mut(from_client).position = position;
    }

    /// Ends the chunk that [`begin_chunk`](Self::begin_chunk) began.
    pub(crate) fn end_chunk(&mut self) {
        self.course.out_of_step = false;
    }

    /// Takes the incomplete line of the other end, if bytes of this end show that it has ended without a line end: a server
    /// that answers a command has read all of it, and a client that goes on has read all of the reply.
    ///
    /// Not while more than the one exchange is open: then the bytes may be about an earlier one. RFC 959 section 5.3 wants CR
    /// LF, but servers that read one segment at a time get along without.
    pub(crate) fn line_ended_by_answer(
        &mut self,
        from_client: bool,
        arrived: FrameRef,
        held: bool,
    ) -> Option<Line<'static>> {
        let pending = self.pending.len();
        let end = if from_client {
            &mut self.server
        } else {
            &mut self.client
        };
        let line = end.lines.incomplete();
        if line.is_empty() || held || end.after_gap || end.heard.number >= arrived.number {
            return None;
        }
        // An end that has sent line feeds goes on to do so: the rest of its line is lost or still to come.
        let ended = !end.lines.has_line_feeds()
            && if from_client {
                pending <= 1
                    && !self.course.pipelines
                    && reply_code(line.trim_ascii_start()).is_some()
            } else {
                pending == 0
            };
        if !ended {
            return None;
        }
        end.unterminated = true;
        end.noted = 0;
        end.oddity = Some("no line end");
        end.lines.rest().map(Line::without_telnet)
    }

    /// Returns the incomplete line of the client, as often as it has grown enough to be worth reading; `None` else, and
    /// without one.
    pub(crate) fn incomplete_line(&mut self) -> Option<Line<'static>> {
        let line = self.client.lines.incomplete();
        let noted = std::mem::replace(&mut self.client.noted, line.len());
        // Not each time: a line that grows by a byte with each segment would cost the square of its length.
        if line.len() <= noted || (line.len() > NOTED_BYTES && line.len() < 2 * noted) {
            self.client.noted = noted.min(line.len());
            return None;
        }
        Some(self.client.lines.incomplete_line().without_telnet())
    }

    /// Takes the incomplete line of the server at the end of a segment, if it sends no line ends: 150 and 226 come without a
    /// command between them. Not of the client, whose password may be in several segments.
    pub(crate) fn line_ended_by_segment(&mut self, from_client: bool) -> Option<Line<'static>> {
        let end = &mut self.server;
        if from_client || !end.unterminated || end.lines.has_line_feeds() {
            return None;
        }
        let line = end.lines.rest()?;
        end.oddity = Some("no line end");
        Some(line.without_telnet())
    }

    /// Returns whether the next byte of an end begins a line.
    pub(crate) const fn at_line_start(&self, from_client: bool) -> bool {
        self.end(from_client).lines.at_line_start()
    }

    /// Takes the next line from `bytes`, without its end and without Telnet sequences; `None` until there is a whole one.
    pub(crate) fn next_line<'bytes>(
        &mut self,
        from_client: bool,
        bytes: &mut &'bytes [u8],
    ) -> Option<Line<'bytes>> {
        let end = self.end_mut(from_client);
        let before = bytes.len();
        let line = end.lines.next(bytes);
        if let Some(position) = &mut end.position {
            *position = position.saturating_add((before - bytes.len()) as u64);
        }
        let line = line?;
        // What is incomplete from here on is another line, however short it is.
        end.noted = 0;
        end.oddity = end.lines.take_oddity();
        Some(line.without_telnet())
    }

    /// Returns whether a line is whole: the first one behind a gap may be the rest of a line whose beginning was lost.
    pub(crate) fn is_whole(&mut self, from_client: bool, line: &[u8]) -> bool {
        !std::mem::take(&mut self.end_mut(from_client).after_gap) || begins_line(line, from_client)
    }

    /// Returns the unfinished line of a stream that is over.
    pub(crate) fn last_line(&mut self, from_client: bool) -> Option<Line<'static>> {
        self.end_mut(from_client)
            .lines
            .rest()
            .map(Line::without_telnet)
    }

    /// Reads a line of either end.
    pub(crate) fn on_line(
        &mut self,
        from_client: bool,
        line: &[u8],
        truncated: bool,
        moment: Moment,
        out: &mut Vec<Outcome>,
    ) {
        self.course.activity = moment.activity;
        if let Some(oddity) = self.end_mut(from_client).oddity.take() {
            let violation = Violation::LineEnd {
                from_client,
                oddity,
            };
            out.push(Outcome::Violation(violation, moment.arrived));
        }
        if from_client {
            self.client_line(line, truncated, moment, out);
        } else {
            self.server_line(line, truncated, moment, out);
        }
    }

    /// Begins a gap. Returns the line it cuts, if its beginning says enough to be read.
    pub(crate) fn begin_gap(&mut self, from_client: bool) -> Option<Line<'static>> {
        self.course.gap = true;
        // The bytes behind the gap were held, not the line that it cuts.
        self.course.out_of_step = false;
        let end = self.end_mut(from_client);
        end.after_gap = true;
        end.within_reply = true;
        // What is incomplete behind the gap is another line, however short it is.
        end.noted = 0;
        let begun = end.lines.rest().map(Line::without_telnet);
        begun.filter(|line| says_enough(&line.bytes, from_client))
    }

    /// Ends a gap of `bytes`, after the line it cut was read.
    pub(crate) fn end_gap(
        &mut self,
        from_client: bool,
        bytes: u64,
        moment: Moment,
        out: &mut Vec<Outcome>,
    ) {
        let heard = self.heard(from_client);
        if from_client {
            let gap = self.lost_commands.get_or_insert_with(|| {
                Box::new(ClientGap {
                    after: heard,
                    bytes: 0,
                })
            });
            gap.bytes = gap.bytes.saturating_add(bytes);
        } else {
            self.lost_replies = Some(heard);
            if let Some(reply) = self.replies.hole() {
                self.reply(reply, moment, out);
            }
        }
    }

    /// Ends the stream of an end, after its last line was read.
    pub(crate) fn on_fin(&mut self, from_client: bool, moment: Moment, out: &mut Vec<Outcome>) {
        if !from_client {
            self.on_close(moment, out);
        }
    }

    /// Ends the dialogue: an unfinished reply is all there is of it, and a deferred one is the answer.
    pub(crate) fn on_close(&mut self, moment: Moment, out: &mut Vec<Outcome>) {
        if let Some(reply) = self.replies.give_up() {
            self.reply(reply, moment, out);
        }
        self.release_deferred(out);
    }

    /// Gives up every pending command: nothing of the server's side was captured.
    pub(crate) fn lose_replies(&mut self) {
        self.pending.clear();
    }

    fn client_line(
        &mut self,
        line: &[u8],
        truncated: bool,
        moment: Moment,
        out: &mut Vec<Outcome>,
    ) {
        if let Some(reply) = self.replies.client_went_on() {
            out.push(Outcome::Violation(Violation::OtherCode, moment.arrived));
            self.reply(reply, moment, out);
        }
        let parsed = parse_command(line);
        let verb = Verb::from_bytes(&parsed.verb);
        self.conclude_gap(moment.arrived, out);
        self.client_goes_on(verb, moment.arrived, out);
        self.commands += 1;
        out.push(Outcome::Command(CommandLine {
            sequence: self.commands,
            verb,
            argument: parsed.argument.map(<[u8]>::to_vec),
            verb_text: parsed.verb,
            truncated,
            arrived: moment.arrived,
            aborts: (verb == Verb::Abor).then(|| self.aborted()).flatten(),
        }));
        self.pending.push_back(Pending {
            sequence: self.commands,
            verb,
            frame: moment.arrived.number,
            preliminary: false,
            activated: false,
            presumed: false,
        });
        if self.pending.len() > PENDING {
            out.push(Outcome::TooManyPending);
            self.drop_front(out);
        }
        self.activate_front(out);
        self.reclaim(verb, moment, out);
    }

    fn server_line(
        &mut self,
        line: &[u8],
        truncated: bool,
        moment: Moment,
        out: &mut Vec<Outcome>,
    ) {
        let begins = !self.replies.is_open() && !begins_line(line, false);
        let read = self.replies.line(line, truncated);
        // Understood although it does not have the form of a reply's first line.
        if begins && (matches!(read, ReplyLine::Complete(_)) || self.replies.is_open()) {
            out.push(Outcome::Violation(Violation::CodeForm, moment.arrived));
        }
        match read {
            ReplyLine::Complete(reply) => {
                self.server.within_reply = false;
                self.reply(reply, moment, out);
            }
            ReplyLine::Odd if self.server.within_reply => {}
            // A capture that begins in the middle may begin within a reply.
            ReplyLine::Odd
                if !line.trim_ascii().is_empty() && (!self.midstream || self.replies_read > 0) =>
            {
                let waiting = self.pending.front().map(|pending| pending.sequence);
                self.course.without_code = waiting;
                out.push(Outcome::Violation(
                    Violation::NoCode { waiting },
                    moment.arrived,
                ));
            }
            ReplyLine::Inside | ReplyLine::Odd => {}
        }
    }

    /// Reads a complete reply: the greeting, a doubtful reply, or one that goes to its command at once.
    fn reply(&mut self, reply: ParsedReply, moment: Moment, out: &mut Vec<Outcome>) {
        self.replies_read += 1;
        let code = reply.code;
        let reply = ServerReply {
            number: self.replies_read,
            reply,
            arrived: moment.arrived,
        };
        if code >= 600 {
            out.push(Outcome::Protected(moment.arrived));
        }
        if self.is_greeting(code, moment.encrypted) {
            if code < 200 {
                self.greeting.preliminary = (self.greeting.preliminary + 1).min(PRELIMINARY);
                out.push(Outcome::PreliminaryGreeting(reply));
            } else {
                self.greeting.seen = true;
                out.push(Outcome::Greeting(reply));
            }
            return;
        }
        self.judge_deferred(code, out);
        self.give_up_before(code, moment.arrived, out);
        if self.is_doubtful(&reply.reply) {
            self.deferred = Some(Box::new(Deferred {
                reply,
                until: moment.deadline,
            }));
            out.push(Outcome::Deferred);
        } else {
            self.assign(reply, out);
        }
    }

    /// Pairs a reply with the command it answers.
    fn assign(&mut self, reply: ServerReply, out: &mut Vec<Outcome>) {
        self.course.note_reply(&reply.reply);
        let (code, arrived) = (reply.reply.code, reply.arrived);
        let pairing = self.pair_beside(code, arrived).or_else(|| {
            pair(&self.pending, code).filter(|found| self.was_sent(found.index, arrived))
        });
        let Some(Pairing { index, skips }) = pairing else {
            self.leave_unsolicited(reply, out);
            return;
        };
        if skips || code < 200 {
            self.presume_answered(index, out);
        }
        let index = if skips || self.ends_the_transfer_before(index) {
            for _ in 0..index {
                self.drop_front(out);
            }
            0
        } else {
            index
        };
        let Some(pending) = self.pending.get_mut(index) else {
            return;
        };
        let (sequence, verb) = (pending.sequence, pending.verb);
        let begun_before = pending.preliminary && matches!(code, 125 | 150);
        pending.preliminary |= code < 200;
        self.activate_front(out);
        if code < 200 {
            if begun_before {
                self.course.begun_twice = Some(sequence);
            }
        } else {
            self.note_waiting(index, arrived);
            self.pending.remove(index);
        }
        out.push(Outcome::ReplyTo(ReplyTo {
            sequence,
            verb,
            reply,
            last: self.pending.is_empty(),
        }));
        if code >= 200 {
            self.activate_front(out);
        }
    }

    /// Returns whether a reply is the greeting: the first reply of a stream whose start is known, or a 220 that no command
    /// asked for.
    fn is_greeting(&self, code: u16, encrypted: bool) -> bool {
        if self.greeting.seen || encrypted {
            return false;
        }
        let first = self.replies_read == 1 + self.greeting.preliminary;
        if self.midstream {
            first && self.commands == 0 && matches!(code, 120 | 220)
        } else {
            first
                && (self.pending.is_empty() || matches!(code, 120 | 220 | 421))
                && self.commands == self.pending.len() as u64
        }
    }

    /// Gives the front of the queue its turn: what is in force now holds for it.
    fn activate_front(&mut self, out: &mut Vec<Outcome>) {
        // Without the server's side nothing is ever answered, and the order of the commands is all there is.
        let alone = self.server_is_silent() && self.commands > 1;
        let (first, end) = if alone {
            let activated = self.pending.iter().rposition(|one| one.activated);
            (activated.map_or(0, |last| last + 1), self.pending.len())
        } else {
            (0, 1)
        };
        for at in first..end {
            let Some(pending) = self.pending.get_mut(at) else {
                break;
            };
            if alone {
                pending.take_turn_unanswered(out);
            } else if !std::mem::replace(&mut pending.activated, true) && pending.verb.is_transfer()
            {
                out.push(Outcome::Turn {
                    sequence: pending.sequence,
                });
            }
        }
    }

    /// Presumes that the commands before `place` were accepted: the transfer at `place` has begun, so it had its turn.
    fn presume_answered(&mut self, place: usize, out: &mut Vec<Outcome>) {
        for pending in self.pending.iter_mut().take(place) {
            pending.presume(out);
        }
        if let Some(pending) = self.pending.get_mut(place)
            && pending.verb.is_transfer()
            && !std::mem::replace(&mut pending.activated, true)
        {
            out.push(Outcome::Turn {
                sequence: pending.sequence,
            });
        }
    }

    /// Gives up the oldest command: it will not be answered.
    fn drop_front(&mut self, out: &mut Vec<Outcome>) {
        if let Some(pending) = self.pending.pop_front() {
            out.push(Outcome::ReplyLost {
                sequence: pending.sequence,
                verb: pending.verb,
                presumed: pending.presumed,
            });
        }
    }

    /// Returns the transfer that an ABOR stops: the first one without its final reply (RFC 959 section 4.1.3).
    fn aborted(&self) -> Option<u64> {
        let mut running = self.pending.iter().take(ABORTABLE);
        running
            .find(|one| one.verb.is_transfer())
            .map(|one| one.sequence)
    }

    /// Ends a gap in the client's stream at its next command: the server's replies meanwhile answered what was lost.
    fn conclude_gap(&mut self, next: FrameRef, out: &mut Vec<Outcome>) {
        let Some(gap) = self.lost_commands.take() else {
            return;
        };
        let within = |one: &&ServerReply| {
            one.arrived.number > gap.after.number && one.arrived.number < next.number
        };
        let replies = self.unsolicited.iter().filter(within);
        let replies = replies.filter(|one| one.reply.code >= 200);
        out.push(Outcome::CommandsLost(LostCommands {
            bytes: gap.bytes,
            replies: replies.map(|one| one.reply.clone()).collect(),
            replies_lost: self
                .lost_replies
                .is_some_and(|after| after.number >= gap.after.number),
        }));
    }

    fn leave_unsolicited(&mut self, reply: ServerReply, out: &mut Vec<Outcome>) {
        if reply.reply.lines.len() <= UNSOLICITED_LINES {
            if self.unsolicited.len() >= UNSOLICITED {
                self.unsolicited.pop_front();
            }
            self.unsolicited.push_back(reply.clone());
        }
        out.push(Outcome::Unsolicited(reply));
    }

    /// Returns whether the command at `index` was captured before a reply.
    fn was_sent(&self, index: usize, reply: FrameRef) -> bool {
        self.course.out_of_step
            || self
                .pending
                .get(index)
                .is_none_or(|one| one.was_sent_before(reply))
    }

    const fn end(&self, from_client: bool) -> &ControlEnd {
        if from_client {
            &self.client
        } else {
            &self.server
        }
    }

    const fn end_mut(&mut self, from_client: bool) -> &mut ControlEnd {
        if from_client {
            &mut self.client
        } else {
            &mut self.server
        }
    }
}

impl ControlEnd {
    fn new(line_bytes: usize) -> Self {
        Self {
            lines: LineAssembler::new(line_bytes),
            after_gap: false,
            within_reply: false,
            spoke: false,
            hidden: false,
            heard: FrameRef::default(),
            unterminated: false,
            oddity: None,
            noted: 0,
            position: None,
        }
    }
}

impl Pending {
    /// Gives a command its turn that will never be answered, and presumes that it was accepted.
    fn take_turn_unanswered(&mut self, out: &mut Vec<Outcome>) {
        let is_new = !std::mem::replace(&mut self.activated, true);
        if !self.verb.is_transfer() {
            self.presume(out);
        } else if is_new {
            out.push(Outcome::Turn {
                sequence: self.sequence,
            });
        }
    }

    fn presume(&mut self, out: &mut Vec<Outcome>) {
        if !std::mem::replace(&mut self.presumed, true) {
            out.push(Outcome::Presumed {
                sequence: self.sequence,
                verb: self.verb,
            });
        }
    }
}

/// Returns whether a line behind a gap has the form of a command or a reply, rather than of the end of a lost one.
fn begins_line(line: &[u8], from_client: bool) -> bool {
    if from_client {
        !matches!(Verb::from_bytes(&parse_command(line).verb), Verb::Unknown)
    } else {
        reply_code(line).is_some() && matches!(line.get(3), None | Some(b' ' | b'-'))
    }
}

/// Returns whether the beginning of a line is worth reading without its end.
fn says_enough(line: &[u8], from_client: bool) -> bool {
    line.len() > 4 && begins_line(line, from_client) && (!from_client || line.contains(&b' '))
}

/// Commands that await a reply at once.
const PENDING: usize = 10_000;

/// Unanswered commands among which running transfers are looked for.
const ABORTABLE: usize = 64;

/// Frames of the server that are remembered, to order bytes of the client that were held.
const ANSWERS: usize = 16;

/// Length up to which an incomplete line is read each time it has grown, in bytes.
const NOTED_BYTES: usize = 1024;

/// Preliminary greetings that are counted.
const PRELIMINARY: u64 = 1000;

/// Unsolicited replies that a command may yet reclaim.
const UNSOLICITED: usize = 64;

/// Lines of such a reply; longer ones are not kept.
const UNSOLICITED_LINES: usize = 64;
