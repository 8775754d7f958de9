//! Outcomes of the dialogue: what the lines of a control connection mean, before anyone acts on it.

use crate::model::FrameRef;
use crate::protocol::ftp::{ParsedReply, Verb};

/// One conclusion from the lines of a control connection.
///
/// Outcomes of one line are in the order in which they take effect: a command that is given up comes before the reply that
/// shows it, and a command whose turn has come after the reply that ends the one before.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A command was read.
    Command(CommandLine),
    /// All commands before this one were answered: what is in force now holds for it.
    Turn {
        /// Sequence number of the command.
        sequence: u64,
    },
    /// The reply to a command was not captured, but what follows shows that it was accepted.
    Presumed {
        /// Sequence number of the command.
        sequence: u64,
        /// Verb of the command.
        verb: Verb,
    },
    /// A command will not be answered: its reply was not captured.
    ReplyLost {
        /// Sequence number of the command.
        sequence: u64,
        /// Verb of the command.
        verb: Verb,
        /// [`Outcome::Presumed`] came before, so that its effects are in force already.
        presumed: bool,
    },
    /// The greeting, or what came in its place.
    Greeting(ServerReply),
    /// A 120 before the greeting.
    PreliminaryGreeting(ServerReply),
    /// A reply and the command it answers.
    ReplyTo(ReplyTo),
    /// A reply that answers no captured command.
    Unsolicited(ServerReply),
    /// A reply that was reported as unsolicited answers a command that came to light later; the answer follows.
    Reclaimed {
        /// Number of the frame in which the reply arrived.
        frame: u64,
        /// Its code.
        code: u16,
    },
    /// A reply with a code from 600: protected, so that its text and the command it answers cannot be read (RFC 2228 section 5).
    Protected(FrameRef),
    /// The next reply decides which command the last one answered: look again after a while ([`Dialogue::expire`]).
    ///
    /// [`Dialogue::expire`]: super::Dialogue::expire
    Deferred,
    /// A gap in the client's stream ended with this command.
    CommandsLost(LostCommands),
    /// A line that no standard allows.
    Violation(Violation, FrameRef),
    /// The oldest unanswered command was given up to respect the limit.
    TooManyPending,
}

/// A command line, taken apart.
#[derive(Debug)]
pub(crate) struct CommandLine {
    /// Number of the command in its session, from 1.
    pub(crate) sequence: u64,
    /// The command.
    pub(crate) verb: Verb,
    /// The verb in upper case, otherwise as sent.
    pub(crate) verb_text: Vec<u8>,
    /// Bytes after the first space; `None` without a space.
    pub(crate) argument: Option<Vec<u8>>,
    /// The line was cut.
    pub(crate) truncated: bool,
    /// Frame of its last byte.
    pub(crate) arrived: FrameRef,
    /// For ABOR: sequence number of the transfer command it stops (RFC 959 section 4.1.3); `None` if none is running.
    pub(crate) aborts: Option<u64>,
}

/// A reply with its place in the capture.
#[derive(Clone, Debug)]
pub(crate) struct ServerReply {
    /// Number of the reply in its session, from 1.
    pub(crate) number: u64,
    /// Code and lines.
    pub(crate) reply: ParsedReply,
    /// Frame of its last byte.
    pub(crate) arrived: FrameRef,
}

/// A reply paired with its command.
#[derive(Debug)]
pub(crate) struct ReplyTo {
    /// Sequence number of the command.
    pub(crate) sequence: u64,
    /// Verb of the command.
    pub(crate) verb: Verb,
    /// The reply.
    pub(crate) reply: ServerReply,
    /// No later command was pending when the reply arrived.
    pub(crate) last: bool,
}

/// A gap in the client's stream, and what the server said in that time.
#[derive(Debug)]
pub(crate) struct LostCommands {
    /// Bytes of the gap.
    pub(crate) bytes: u64,
    /// Final replies within the gap: they answered the lost commands.
    pub(crate) replies: Vec<ParsedReply>,
    /// Bytes of the server are missing too, so that `replies` may not be all.
    pub(crate) replies_lost: bool,
}

/// A line that RFC 959 section 4.2 does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A line without a code where a reply should begin.
    NoCode {
        /// Sequence number of the command that waits for its reply; `None` if none does.
        waiting: Option<u64>,
    },
    /// A reply of several lines whose last line has another code than its first.
    OtherCode,
    /// A reply whose code stands behind blanks, or has the text directly behind it.
    CodeForm,
    /// A byte at either end of a line, or the end of the line, that no peer minds.
    LineEnd {
        /// The client sent it.
        from_client: bool,
        /// Its name.
        oddity: &'static str,
    },
}
