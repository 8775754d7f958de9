//! Findings and verdicts: conclusions about sessions, each with the frames that prove it.
//!
//! In: the record of a finished session, and the evidence that only its packets hold ([`DataTrouble`]). Out: [`Finding`]s
//! and the verdict, written into the record; and, at the end of a run, findings about several sessions ([`Several`]).
//!
//! ```text
//! record, evidence -> data_connection   blocked, failed, TLS session not resumed
//!                  -> third_party       bounce, address translation, port theft
//!                  -> content           incomplete, conflicting, wrong size, damaged by TYPE A
//!                  -> stalled           pauses within a transfer
//!                  -> capture_loss      bytes that the recording missed
//!                  -> logins            refused login, password in cleartext
//!                  -> control_timeout   control connection given up
//!                  -> tls               TLS that did not come about
//!                  -> encryption        alerts, weak TLS, data or commands in clear beside it, ends that nobody confirmed
//!                  -> unfinished        no answer, refused session or mode, late greeting
//!                  -> refusal           transfers that the server refused, by its own words
//!                  -> violation         replies against the RFCs
//!                  -> traversal         names that leave their directory
//!                  -> verdict           one line that sums the session up
//! all sessions     -> cross_session ─┬ logins        password guessing
//!                                    ├ fxp           transfers between two servers
//!                                    ├ seen_twice    one session, captured on both sides of a translator
//!                                    ├ closed_at_once  servers that close before they greet
//!                                    ├ segmented     files in parts over several sessions
//!                                    └ capture_loss  losses of the whole capture
//! ```
//!
//! While a transfer of a live capture stands still, [`Standstill`] has the finding before its session is finished.
//!
//! Each file holds the ids, severities, explanations and advice of its findings. A wrong finding is worse than none:
//! where the evidence has an innocent explanation, nothing is reported.
//!
//! To add a finding, write a function like `stalled::detect` in a file of its own and call it in [`diagnose`].

mod capture_loss;
mod closed_at_once;
mod content;
mod control_timeout;
mod cross_session;
mod data_connection;
mod encryption;
mod evidence;
mod fxp;
mod logins;
mod refusal;
mod seen_twice;
mod segmented;
mod stalled;
mod third_party;
mod tls;
mod traversal;
mod unfinished;
mod verdict;
mod violation;

use std::borrow::Cow;

use crate::model::record::{Finding, Mode, Opener, Reply, Session, Severity, Transfer};
use crate::model::{Endpoint, Span, Timestamp};

pub use closed_at_once::ClosedByServer;
pub use cross_session::Several;
pub use evidence::{DataTrouble, LineRule, Lost, StallPlace, TlsStart, Unreachable};
pub use fxp::Announcement;
pub(crate) use stalled::MIN_STALL as SHORTEST_STALL;
pub(crate) use tls::is_tls_failure;
pub use verdict::{concern, may_be_concerned, no_verdict};

/// Writes the findings and the verdict into a finished session.
///
/// `capture_end` is the time of the last packet so far: silence counts only as far as the capture could have shown an
/// answer.
pub fn diagnose(session: &mut Session, evidence: &[DataTrouble], capture_end: Timestamp) {
    let mut findings = Vec::new();
    logins::detect_rejected(session, &mut findings);
    logins::detect_cleartext(session, &mut findings);
    // Behind a longer pause another capture begins, which says nothing about how this session went on.
    let capture_end = if capture_end.since(session.end) > LONGEST_PAUSE {
        session.end
    } else {
        capture_end
    };
    data_connection::detect_blocked(session, evidence, &mut findings);
    data_connection::detect_failed(session, evidence, &mut findings);
    data_connection::detect_other_port(session, evidence, &mut findings);
    third_party::detect_announced(session, evidence, &mut findings);
    third_party::detect_port_theft(session, evidence, &mut findings);
    content::detect_incomplete(session, evidence, &mut findings);
    content::detect_conflicts(session, evidence, &mut findings);
    content::detect_wrong_size(session, evidence, &mut findings);
    content::detect_ascii_damage(session, evidence, &mut findings);
    stalled::detect(session, evidence, &mut findings);
    control_timeout::detect(session, capture_end, &mut findings);
    tls::detect(session, evidence, capture_end, &mut findings);
    encryption::detect(session, &mut findings);
    unfinished::detect(session, evidence, capture_end, &mut findings);
    refusal::detect_transfers(session, &mut findings);
    violation::detect(session, evidence, &mut findings);
    traversal::detect(session, &mut findings);
    capture_loss::detect(evidence, &mut findings);
    // Capture order reads as a story. The sort is stable and the id breaks ties, so that the report does not depend on
    // the order of the calls above.
    findings.sort_by_key(|finding| {
        (
            finding.frames.first().copied().unwrap_or(0),
            finding.id.clone(),
        )
    });
    // One session can list hostile names in a million transfers.
    if findings.len() > MAX_FINDINGS {
        session.findings_omitted = (findings.len() - MAX_FINDINGS) as u64;
        findings.truncate(MAX_FINDINGS);
    }
    session.findings = findings;
    session.verdict = verdict::verdict(session);
}

/// Returns the findings that one step of a session proves, before the session ends.
///
/// `session` holds this step and its transfer alone, and the login so far; `evidence` is that of the transfer. Findings that
/// depend on other steps are left to [`diagnose`].
#[must_use]
pub fn of_step(session: &Session, evidence: &[DataTrouble]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Whoever mistypes a password is refused again and again: the first time is told at once, the sum at the end.
    if session.login.attempts <= 1 {
        logins::detect_rejected(session, &mut findings);
    }
    logins::detect_cleartext(session, &mut findings);
    data_connection::detect_blocked(session, evidence, &mut findings);
    data_connection::detect_failed(session, evidence, &mut findings);
    content::detect_incomplete(session, evidence, &mut findings);
    content::detect_conflicts(session, evidence, &mut findings);
    content::detect_wrong_size(session, evidence, &mut findings);
    stalled::detect(session, evidence, &mut findings);
    refusal::detect_transfers(session, &mut findings);
    findings
}

/// A transfer of a live capture that stands still, or a data connection that does not open.
#[derive(Clone, Copy, Debug)]
pub struct Standstill<'a> {
    /// Id of the transfer; `None` if the client has not sent its command.
    pub transfer: Option<u64>,
    /// Verb of the transfer command; empty without one.
    pub verb: &'a str,
    /// Path or argument as reports show it; `None` for the working directory.
    pub name: Option<&'a str>,
}

impl Standstill<'_> {
    /// Returns the finding that evidence proves while it lasts: `stalled-transfer` or `data-connection-blocked`.
    ///
    /// The transfer may still go on, so that the finding says nothing of its end. [`diagnose`] has the last word.
    #[must_use]
    pub fn finding(&self, evidence: &DataTrouble) -> Option<Finding> {
        let name = self.name.filter(|name| !name.is_empty());
        let name = name.map_or(Cow::Borrowed("the listing"), shorten);
        let draft = stalled::draft(self.verb, &name, evidence)
            .or_else(|| data_connection::still_blocked(evidence))?;
        Some(draft.about(None, self.transfer))
    }

    /// Returns the finding `data-connection-failed` for a transfer command in `frame` that has `waited` for a reply, where nobody
    /// has tried to open the `announced` data connection; `None` if it has not waited long.
    #[must_use]
    pub fn not_tried(
        &self,
        mode: Mode,
        announced: Endpoint,
        waited: Span,
        frame: u64,
    ) -> Option<Finding> {
        let draft = data_connection::not_tried(self.verb, mode, announced, waited, frame)?;
        Some(draft.about(None, self.transfer))
    }
}

/// Returns whether a transfer has at most one finding of this kind, so that a second one repeats the first.
#[must_use]
pub fn is_one_per_transfer(id: &str) -> bool {
    id == stalled::ID || id == data_connection::BLOCKED || id == data_connection::FAILED
}

/// Returns whether a session has at most one finding of this kind, about its last login: an earlier one no longer holds.
#[must_use]
pub fn is_one_per_session(id: &str) -> bool {
    id == logins::CLEARTEXT || id == logins::REJECTED
}

/// Text in place of a user whose USER was not captured.
pub(crate) const UNCAPTURED_USER: &str = "a user not in the capture";

/// Pause of a capture from which on it is no longer a record of the same events.
const LONGEST_PAUSE: Span = Span::from_secs(86_400);

/// Returns whether bytes of the control connection are missing, so that what was not seen may have been there.
fn control_was_lost(evidence: &[DataTrouble]) -> bool {
    evidence
        .iter()
        .any(|item| matches!(item, DataTrouble::Lost(lost) if lost.control > 0))
}

/// Returns who ended the control connection, for a sentence, and the frame of the FIN or RST.
fn ended_by(evidence: &[DataTrouble]) -> (&'static str, Option<u64>) {
    let end = evidence.iter().find_map(|item| match item {
        DataTrouble::ControlEnd { by, reset, frame } => Some((*by, *reset, *frame)),
        _ => None,
    });
    match end {
        Some((Opener::Client, false, frame)) => ("the client closed the connection", Some(frame)),
        Some((Opener::Client, true, frame)) => ("the client reset the connection", Some(frame)),
        Some((Opener::Server, false, frame)) => ("the server closed the connection", Some(frame)),
        Some((Opener::Server, true, frame)) => ("the server reset the connection", Some(frame)),
        None => ("nothing more came", None),
    }
}

/// Returns the number of the step that made a transfer; `None` if that step was omitted from the record.
fn step_number(session: &Session, transfer: u64) -> Option<u64> {
    session.step_of(transfer).map(|step| step.number)
}

/// Returns the final reply to the command of a transfer; `None` while only 1yz replies have come.
fn final_reply(session: &Session, transfer: u64) -> Option<&Reply> {
    let verb = &session.transfer(transfer)?.verb;
    let step = session.step_of(transfer)?;
    let command = step.commands.iter().find(|command| command.verb == *verb)?;
    command.replies.iter().rev().find(|reply| reply.code >= 200)
}

/// Quotes a reply within a sentence: its code and its last line that is not blank.
fn quote(reply: &Reply) -> String {
    let line = reply
        .lines
        .iter()
        .rev()
        .map(|line| line.trim())
        .find(|line| !line.is_empty());
    let text: String = line
        .unwrap_or_default()
        .chars()
        .take(MAX_QUOTE_CHARS)
        .collect();
    // The sentence around the quotation brings its own full stop.
    let text = text.trim_end_matches('.');
    if text.is_empty() {
        reply.code.to_string()
    } else {
        format!("{} {text}", reply.code)
    }
}

/// Returns the name of a transfer's content for a sentence: its path, else the argument as sent.
fn display_name(transfer: &Transfer) -> Cow<'_, str> {
    transfer
        .path
        .as_deref()
        .or(transfer.argument.as_deref())
        .filter(|name| !name.is_empty())
        .map_or(Cow::Borrowed("the listing"), shorten)
}

/// Shortens a name for a sentence. The record has the whole name beside its command and its transfer.
fn shorten(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

/// Capitalizes the first letter of a phrase, so that it can begin a sentence.
fn capitalize(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// A finding without its subject.
struct Draft<'a> {
    id: &'a str,
    severity: Severity,
    title: String,
    explanation: String,
    advice: &'a str,
    /// Frames that prove the finding, the decisive one first: findings are sorted by it.
    frames: Vec<u64>,
}

impl Draft<'_> {
    /// Completes the finding with the step and the transfer it is about; `None` for the session as a whole.
    fn about(self, step: Option<u64>, transfer: Option<u64>) -> Finding {
        Finding {
            id: self.id.to_owned(),
            severity: self.severity,
            title: self.title,
            explanation: self.explanation,
            advice: self.advice.to_owned(),
            frames: self.frames,
            places: Vec::new(),
            step,
            transfer,
            sessions: Vec::new(),
        }
    }
}

/// Limit of the characters quoted from a reply.
const MAX_QUOTE_CHARS: usize = 160;

/// Limit of the characters of a name within a sentence.
const MAX_NAME_CHARS: usize = 120;

/// Limit of the findings kept for one session.
const MAX_FINDINGS: usize = 1000;

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::model::record::{
        Address, Close, Command, Completeness, Connection, DataType, EndState, Index, Login,
        LoginOutcome, Mode, Opener, Reply, Server, Session, Step, StepKind, Structure, Timing,
        Transfer, TransferDirection, TransferMode,
    };

    /// Returns a closed session of user bob with an accepted login and no transfer.
    pub(super) fn session() -> Session {
        let mut login = step(vec![
            command("USER", Some("bob"), (331, "password")),
            command("PASS", Some("<hidden>"), (230, "in")),
        ]);
        login.kind = StepKind::Login;
        Session {
            id: 1,
            uid: "C".into(),
            client: Address {
                ip: [10, 0, 0, 2].into(),
                port: 1175,
            },
            server: Server {
                ip: [10, 0, 0, 1].into(),
                port: 21,
                name: None,
            },
            community_id: String::new(),
            layers: vec![],
            display_filter: String::new(),
            display_filters: vec![],
            display_filters_omitted: 0,
            start: Timestamp::default(),
            end: Timestamp::default(),
            duration: 0.0,
            midstream: false,
            end_state: EndState::Closed,
            control: connection(1175, 21),
            timing: Timing::default(),
            dns: None,
            greeting: None,
            login: Login {
                outcome: LoginOutcome::Accepted,
                user: Some("bob".into()),
                user_b64: None,
                password: Some("<hidden>".into()),
                password_b64: None,
                account: None,
                anonymous: false,
                attempts: 1,
            },
            tls: None,
            steps: vec![login.into()],
            steps_omitted: 0,
            transfers: vec![],
            transfers_omitted: 0,
            encrypted_data: vec![],
            encrypted_data_omitted: 0,
            unsolicited_replies: vec![],
            unsolicited_replies_omitted: 0,
            findings: vec![],
            findings_omitted: 0,
            verdict: super::no_verdict(),
            index: Index::default(),
        }
    }

    /// Returns a step of these commands.
    pub(super) fn step(commands: Vec<Command>) -> Step {
        Step {
            number: 1,
            commands,
            ..Step::without_commands(StepKind::Command, String::new(), Timestamp::default(), 0.0)
        }
    }

    /// Returns a command in frame 7 with its reply in frame 8.
    pub(super) fn command(
        verb: &str,
        argument: Option<&str>,
        (code, text): (u16, &str),
    ) -> Command {
        let reply = Reply {
            code,
            lines: vec![text.into()],
            lines_b64: None,
            lines_omitted: 0,
            time: Timestamp::default(),
            frame: 8,
            capture: None,
            capture_frame: None,
            truncated: false,
            preliminary: vec![],
        };
        Command {
            sequence: 1,
            verb: verb.into(),
            verb_b64: None,
            argument: argument.map(Into::into),
            argument_b64: None,
            time: Timestamp::default(),
            frame: 7,
            capture: None,
            capture_frame: None,
            truncated: false,
            response_time: None,
            replies: vec![reply],
        }
    }

    /// Returns a passive download of 100 bytes in frames 20 to 30.
    /// A connection of nine packets, from 10.0.0.2 to 10.0.0.1.
    fn connection(client: u16, server: u16) -> Connection {
        let address = |host, port| Address {
            ip: [10, 0, 0, host].into(),
            port,
        };
        Connection {
            uid: "C".into(),
            client: address(2, client),
            server: address(1, server),
            opened_by: Some(Opener::Client),
            originator: Opener::Client,
            start: Timestamp::default(),
            end: Timestamp::default(),
            closed_at: None,
            first_payload: None,
            last_payload: None,
            first_frame: 20,
            last_frame: 30,
            captures: vec![],
            captures_omitted: 0,
            packets_from_client: 4,
            packets_from_server: 5,
            ip_bytes_from_client: 160,
            ip_bytes_from_server: 300,
            frame_bytes_from_client: 216,
            frame_bytes_from_server: 370,
            payload_bytes_from_client: 0,
            payload_bytes_from_server: 100,
            copies: None,
            missing_bytes: 0,
            retransmitted_bytes: 0,
            zero_windows: 0,
            zero_window_seconds: 0.0,
            close: Close::Fin,
            tcp_state: "SF".into(),
            tcp_history: "ShAdFaf".into(),
            community_id: String::new(),
            samples: None,
        }
    }

    pub(super) fn transfer(completeness: Completeness) -> Transfer {
        Transfer {
            id: 1,
            uid: "F".into(),
            verb: "RETR".into(),
            argument: Some("readme.txt".into()),
            argument_b64: None,
            path: Some("/pub/readme.txt".into()),
            path_b64: None,
            name: Some("readme.txt".into()),
            name_b64: None,
            direction: TransferDirection::Download,
            mode: Mode::Passive,
            data_type: Some(DataType::Image),
            transfer_mode: TransferMode::Stream,
            structure: Structure::File,
            restart_offset: 0,
            announced: None,
            connection: Some(connection(1176, 5001)),
            link: None,
            bytes: 100,
            missing_bytes: 0,
            missing_ranges: vec![],
            missing_ranges_omitted: 0,
            announced_bytes: None,
            completeness,
            evidence: vec![],
            evidence_places: Vec::new(),
            sha256: None,
            md5: None,
            sha1: None,
            decoded: None,
            tls: None,
            media_type: None,
            saved_as: None,
            throughput: None,
            entries: vec![],
            entries_omitted: 0,
            cut_lines: Vec::new(),
            cut_lines_omitted: 0,
        }
    }
}
