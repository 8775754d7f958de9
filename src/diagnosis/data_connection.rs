//! `data-connection-blocked`, `data-connection-failed` and `tls-session-not-resumed`: data connections that did not work.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::stalled::MIN_STALL;
use super::{DataTrouble, Draft, Unreachable, final_reply, quote, step_number};
use crate::model::record::{
    Close, Completeness, Finding, Mode, Reply, Session, Severity, Transfer, TransferDirection,
};
use crate::model::{Endpoint, Span};

/// Reports data connections that were attempted and never opened. Where one host did not accept many of them, one finding
/// speaks for all: a thousand of the same kind hide everything else.
pub(super) fn detect_blocked(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    let scanned = super::third_party::bounced(session, evidence).map(|scan| scan.ip);
    let mut by_host: BTreeMap<(IpAddr, bool), Vec<Blocked<'_>>> = BTreeMap::new();
    for item in evidence {
        let Some(blocked) = Blocked::of(session, item) else {
            continue;
        };
        let host = (blocked.listener.ip(), blocked.client_listens);
        // `bounce` covers them.
        if !(blocked.client_listens && scanned == Some(host.0)) {
            by_host.entry(host).or_default().push(blocked);
        }
    }
    for ((ip, client_listens), group) in by_host {
        if group.len() <= MAX_SINGLE {
            findings.extend(group.iter().map(|blocked| blocked.finding(session)));
            continue;
        }
        let Some(first) = group.first() else { continue };
        let ports: BTreeSet<u16> = group.iter().map(|blocked| blocked.listener.port).collect();
        let side = if client_listens { "client" } else { "server" };
        findings.push(
            Draft {
                id: BLOCKED,
                severity: Severity::Medium,
                title: format!(
                    "{} data connections to {ip} blocked on the {side}'s side",
                    group.len()
                ),
                explanation: format!(
                    "{} data connections to {} ports of {ip} were tried and never opened. The first: {}",
                    group.len(),
                    ports.len(),
                    first.explanation()
                ),
                advice: first.advice(),
                frames: group
                    .iter()
                    .map(|blocked| blocked.first_frame)
                    .take(super::cross_session::MAX_FRAMES)
                    .collect(),
            }
            .about(None, None),
        );
    }
}

/// A data connection that was attempted and certainly never opened.
struct Blocked<'a> {
    transfer: Option<u64>,
    client_listens: bool,
    listener: Endpoint,
    attempts: u64,
    refused: Option<u64>,
    unreachable: Option<Unreachable>,
    first_frame: u64,
    /// Refusal of the transfer; `None` without one.
    reply: Option<&'a Reply>,
    waited: Span,
}

impl<'a> Blocked<'a> {
    /// Returns the attempt; `None` for other evidence, and where nobody tried.
    fn tried(item: &DataTrouble) -> Option<Self> {
        match *item {
            DataTrouble::Blocked {
                transfer,
                mode,
                listener,
                attempts: attempts @ 1..,
                refused,
                unreachable,
                waited,
                first_frame,
            } => Some(Self {
                transfer,
                client_listens: mode.client_listens(),
                listener,
                attempts,
                refused,
                unreachable,
                first_frame,
                reply: None,
                waited,
            }),
            _ => None,
        }
    }

    /// Returns the attempt if its failure is certain; `None` for other evidence, and where the answer may have come after the
    /// last packet. That a server gives up does not make it so: the SYN ACK may come a moment later.
    fn of(session: &'a Session, item: &DataTrouble) -> Option<Self> {
        let tried = Self::tried(item)?;
        let answered = tried.refused.is_some() || tried.unreachable.is_some();
        if !answered && tried.attempts < 2 && tried.waited < MAX_ANSWER_TIME {
            return None;
        }
        let reply = tried.transfer.and_then(|id| final_reply(session, id));
        Some(Self {
            reply: reply.filter(|reply| reply.code >= 400),
            ..tried
        })
    }

    fn explanation(&self) -> String {
        let Self {
            listener,
            refused,
            unreachable,
            ..
        } = self;
        let opener = if self.client_listens {
            "server"
        } else {
            "client"
        };
        let tries = if self.attempts == 1 {
            "once".to_owned()
        } else {
            format!("{} times", self.attempts)
        };
        let answer = match (refused, unreachable) {
            // ICMP names the cause, an RST does not: prefer it if both came.
            (_, Some(Unreachable { frame, reporter, says })) => {
                format!("{reporter} answered with ICMP: {says} (frame {frame})")
            }
            (Some(frame), None) => format!("the answer was RST (frame {frame}): nobody listens there, or a firewall refuses"),
            (None, None) => "nobody answered: a firewall on the way drops it, or the address is not reachable from there".to_owned(),
        };
        let then = self.reply.map_or_else(String::new, |reply| {
            format!(
                " The server then said {} (frame {}).",
                quote(reply),
                reply.frame
            )
        });
        format!(
            "The {opener} tried {tries} to open the data connection to {listener}; {answer}.{then}"
        )
    }

    const fn advice(&self) -> &'static str {
        blocked_advice(self.client_listens)
    }

    fn frames(&self) -> Vec<u64> {
        let mut frames = vec![self.first_frame];
        frames.extend(self.refused);
        frames.extend(self.unreachable.map(|icmp| icmp.frame));
        frames
    }

    fn finding(&self, session: &Session) -> Finding {
        let side = if self.client_listens {
            "client"
        } else {
            "server"
        };
        Draft {
            id: BLOCKED,
            severity: Severity::Medium,
            title: format!(
                "data connection to {} blocked on the {side}'s side",
                self.listener
            ),
            explanation: self.explanation(),
            advice: self.advice(),
            frames: self.frames(),
        }
        .about(
            self.transfer.and_then(|id| step_number(session, id)),
            self.transfer,
        )
    }
}

const fn blocked_advice(client_listens: bool) -> &'static str {
    if client_listens {
        "Use passive mode (PASV or EPSV), or let the client's firewall accept connections from the server's port 20."
    } else {
        "Open the server's passive port range in its firewall, and let the server announce an address that clients can reach."
    }
}

/// Describes a data connection that has been tried for [`MIN_STALL`] and more and may still open; `None` for other evidence.
pub(super) fn still_blocked(item: &DataTrouble) -> Option<Draft<'static>> {
    let blocked = Blocked::tried(item).filter(|tried| tried.waited >= MIN_STALL)?;
    Some(Draft {
        id: BLOCKED,
        severity: Severity::Medium,
        title: format!(
            "data connection to {} has not opened in {:.1} s",
            blocked.listener,
            blocked.waited.seconds()
        ),
        explanation: blocked.explanation(),
        advice: blocked.advice(),
        frames: blocked.frames(),
    })
}

/// Describes a data connection that nobody has tried to open for [`MIN_STALL`] and more, while the transfer command in `frame` has
/// got no reply; `None` before that.
pub(super) fn not_tried(
    verb: &str,
    mode: Mode,
    announced: Endpoint,
    waited: Span,
    frame: u64,
) -> Option<Draft<'static>> {
    if waited < MIN_STALL {
        return None;
    }
    let seconds = waited.seconds();
    let listens = mode.client_listens();
    let listener = if listens { "client" } else { "server" };
    Some(Draft {
        id: FAILED,
        severity: Severity::Medium,
        title: format!("no data connection for {verb} in {seconds:.1} s"),
        explanation: format!(
            "{verb} (frame {frame}) has got no answer for {seconds:.1} s. The {listener} waits for the data connection at {announced}, and no SYN to it is in the capture."
        ),
        advice: if listens {
            "Use passive mode, or look at the firewall and the address translation between server and client."
        } else {
            "Capture at the client: its SYN shows whether it tries the announced address. If it does, a firewall between drops it."
        },
        frames: vec![frame],
    })
}

/// Explains the replies 425, 426 and 522 where no packet shows why the data connection failed.
pub(super) fn detect_failed(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    let blocked: BTreeSet<u64> = evidence
        .iter()
        .filter_map(|item| Blocked::of(session, item)?.transfer)
        .collect();
    let mut failed = 0;
    for transfer in &session.transfers {
        let Some(reply) = final_reply(session, transfer.id) else {
            continue;
        };
        // The code varies (425, 450, 522), the words do not.
        let draft = if reply.code >= 400 && mentions_resumption(reply) {
            tls_session_not_resumed(transfer, reply)
        } else if matches!(reply.code, 425 | 426)
            && !blocked.contains(&transfer.id)
            && !is_expected(session, transfer)
        {
            failed += 1;
            // The first ones show the cause as well as a thousand would.
            if failed > MAX_SINGLE {
                continue;
            }
            data_connection_failed(transfer, reply)
        } else {
            continue;
        };
        findings.push(draft.about(step_number(session, transfer.id), Some(transfer.id)));
    }
    // Of a session whose commands were not captured, the reply is all there is (RFC 959 section 4.2.2).
    let unsolicited = session.unsolicited_replies.iter();
    for reply in unsolicited
        .filter(|reply| matches!(reply.code, 425 | 426))
        .take(1)
    {
        let what = if reply.code == 426 {
            "was broken off"
        } else {
            "could not be opened"
        };
        findings.push(
            Draft {
                id: FAILED,
                severity: Severity::Medium,
                title: format!("a data connection {what} ({})", reply.code),
                explanation: format!(
                    "The server said {} (frame {}); the command that it answers is not in the capture.",
                    quote(reply),
                    reply.frame
                ),
                advice: "Capture the whole session: its PORT or PASV, and the attempts to connect, show why.",
                frames: vec![reply.frame],
            }
            .about(None, None),
        );
    }
}

/// Reports a data connection to another port than the announced one: the side that connected did not believe what it was given.
pub(super) fn detect_other_port(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    let tunneled = evidence
        .iter()
        .any(|item| matches!(item, DataTrouble::Tunnel { .. }));
    let first = session.transfers.iter().find_map(|transfer| {
        let (connection, announced) = (transfer.connection.as_ref()?, transfer.announced?);
        // By (who announced, who connected, what names the port): RFC 959 section 4.1.2.
        let (used, roles) = match transfer.mode {
            Mode::Passive | Mode::ExtendedPassive | Mode::LongPassive => {
                (connection.server.port, ("server", "client", "reply"))
            }
            Mode::Active | Mode::ExtendedActive | Mode::LongActive => {
                (connection.client.port, ("client", "server", "command"))
            }
            Mode::DefaultPort => return None,
        };
        (used != announced.port).then_some((transfer, announced.port, used, connection, roles))
    });
    // A side that announces a wrong port repeats it with every transfer.
    let Some((transfer, announced, used, connection, roles)) = first.filter(|_| !tunneled) else {
        return;
    };
    let (author, opener, line) = roles;
    let why = if announced.swap_bytes() == used {
        "its two bytes are in the wrong order".to_owned()
    } else {
        format!("the {author} was misread or the {line} is wrong")
    };
    let draft = Draft {
        id: "announced-port-unused",
        severity: Severity::Low,
        title: format!("the {author} announced port {announced}, the {opener} used {used}"),
        explanation: format!(
            "The {line} names port {announced}, and the {opener} opened the data connection to port {used} (frame {}): {why}. The connection was found by its hosts and time.",
            connection.first_frame
        ),
        advice: if author == "server" {
            "Let the server announce the port on which it listens, the higher byte first (RFC 959 section 4.1.2), or use EPSV."
        } else {
            "Let the client announce the port on which it listens, the higher byte first (RFC 959 section 4.1.2), or use passive mode."
        },
        frames: vec![connection.first_frame],
    };
    findings.push(draft.about(step_number(session, transfer.id), Some(transfer.id)));
}

fn tls_session_not_resumed(transfer: &Transfer, reply: &Reply) -> Draft<'static> {
    Draft {
        id: "tls-session-not-resumed",
        severity: Severity::Medium,
        title: format!(
            "{} refused: TLS session of the data connection not resumed",
            transfer.verb
        ),
        explanation: format!(
            "The server answered {} (frame {}). It accepts a data connection only where its TLS session resumes that of the control connection, so that nobody else can take it; the client began a new TLS session.",
            quote(reply),
            reply.frame
        ),
        advice: "Use a client that resumes the TLS session on data connections (for TLS 1.3 with the tickets of the control connection), or switch the requirement off in the server, as with vsftpd's require_ssl_reuse=NO.",
        frames: vec![reply.frame],
    }
}

fn data_connection_failed(transfer: &Transfer, reply: &Reply) -> Draft<'static> {
    let active = matches!(
        transfer.mode,
        Mode::Active | Mode::ExtendedActive | Mode::LongActive
    );
    let endpoint = match transfer.announced {
        Some(end) if active => format!("to the client's {}:{}", end.ip, end.port),
        Some(end) => format!("at {}:{}", end.ip, end.port),
        None => String::new(),
    };
    let (why, advice) = match (&transfer.connection, transfer.mode) {
        // Servers reset PORT and PASV after each transfer, and some clients do not send a new one.
        _ if asks_for_port(reply) => (
            "no PORT, PASV, EPRT or EPSV is in force for this command; each transfer needs its own".to_owned(),
            "Let the client send PASV or EPSV before each transfer.",
        ),
        (None, Mode::DefaultPort) => (
            "no PORT, PASV, EPRT or EPSV stands before the command, so the server had only the default data port (RFC 959 section 3.2)".to_owned(),
            "Let the client send PASV or EPSV before each transfer.",
        ),
        (None, _) if active => (
            format!("the server could not connect {endpoint}, and the capture holds no attempt: it was blocked before this point, or at the server itself"),
            "Use passive mode, or look at the firewall and the address translation between server and client.",
        ),
        (None, _) => (
            format!("nobody opened the data connection {endpoint} in this capture: the client did not try, or its attempt takes another way"),
            "Capture at the client: its SYN shows whether it tries the announced address.",
        ),
        (Some(connection), _) if connection.close == Close::Reset => (
            format!("the data connection was reset (frames {} to {})", connection.first_frame, connection.last_frame),
            "Look at the frames: whoever sent the RST gave up first.",
        ),
        (Some(connection), _) => (
            format!("the data connection ended before the server was done (frames {} to {})", connection.first_frame, connection.last_frame),
            "Look at the frames: whoever closed first gave up.",
        ),
    };
    let aborted = if reply.code == 426 {
        "was broken off"
    } else {
        "could not be opened"
    };
    Draft {
        id: FAILED,
        severity: Severity::Medium,
        title: format!(
            "data connection of {} {aborted} ({})",
            transfer.verb, reply.code
        ),
        explanation: format!(
            "The server answered {} (frame {}): {why}.",
            quote(reply),
            reply.frame
        ),
        advice,
        frames: vec![reply.frame],
    }
}

/// Returns whether a reply demands PORT or PASV first, in the words of any server.
fn asks_for_port(reply: &Reply) -> bool {
    let text = reply.lines.join(" ");
    text.contains("PORT") && text.contains("PASV")
}

/// Returns whether a reply says that the TLS session was not resumed. `FileZilla` writes `TLS session of data connection
/// not resumed`, vsftpd `session reuse required`.
fn mentions_resumption(reply: &Reply) -> bool {
    let text = reply.lines.join(" ").to_ascii_lowercase();
    text.contains("session")
        && (text.contains("tls") || text.contains("ssl"))
        && (text.contains("resum") || text.contains("reuse"))
}

/// Returns whether a 426 needs no explanation: the client asked for it with ABOR (RFC 959 section 4.1.3), or
/// `incomplete-file` covers the aborted transfer.
fn is_expected(session: &Session, transfer: &Transfer) -> bool {
    let asked = session
        .step_of(transfer.id)
        .into_iter()
        .flat_map(|step| &step.commands)
        .any(|command| command.verb == "ABOR");
    let covered = transfer.connection.is_some()
        && transfer.direction != TransferDirection::Listing
        && matches!(
            transfer.completeness,
            Completeness::Aborted | Completeness::Gaps
        );
    asked || covered
}

/// Id of the finding about data connections that were tried and did not open.
pub(super) const BLOCKED: &str = "data-connection-blocked";

/// Id of the finding about data connections that failed for a reason which no packet shows.
pub(super) const FAILED: &str = "data-connection-failed";

/// Failed data connections of one kind that are reported one by one.
const MAX_SINGLE: usize = 10;

/// Time without an answer to a SYN after which none will come: by then the SYN has been sent twice more (RFC 6298
/// section 2: timeouts of 1 s and 2 s).
const MAX_ANSWER_TIME: Span = Span::from_secs(3);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::tests::{command, session, step, transfer};

    fn attempted(attempts: u64, seconds: i64, unreachable: Option<Unreachable>) -> DataTrouble {
        DataTrouble::Blocked {
            transfer: Some(1),
            mode: Mode::Active,
            listener: Endpoint::v4([10, 0, 0, 2], 5001),
            attempts,
            refused: None,
            unreachable,
            waited: Span::from_secs(seconds),
            first_frame: 17,
        }
    }

    fn found(item: DataTrouble) -> Vec<Finding> {
        let mut findings = Vec::new();
        detect_blocked(&session(), &[item], &mut findings);
        findings
    }

    #[test]
    fn unanswered_syn_in_active_mode_is_blocked_on_the_clients_side() {
        let findings = found(attempted(3, 7, None));
        assert_eq!(
            findings[0].title,
            "data connection to 10.0.0.2:5001 blocked on the client's side"
        );
        assert!(findings[0].explanation.contains("3 times"));
        assert_eq!(findings[0].frames, [17]);
    }

    #[test]
    fn icmp_error_proves_the_block_after_one_syn() {
        let icmp = Unreachable {
            frame: 19,
            reporter: [10, 0, 0, 254].into(),
            says: "host unreachable",
        };
        let findings = found(attempted(1, 0, Some(icmp)));
        assert!(
            findings[0]
                .explanation
                .contains("10.0.0.254 answered with ICMP: host unreachable (frame 19)")
        );
        assert_eq!(findings[0].frames, [17, 19]);
    }

    #[test]
    fn one_syn_at_the_end_of_a_capture_reports_nothing() {
        assert!(found(attempted(1, 0, None)).is_empty());
        assert!(found(attempted(0, 9, None)).is_empty());
        assert_eq!(found(attempted(1, 3, None)).len(), 1);
    }

    #[test]
    fn conflicting_bytes_are_not_reported_as_blocked() {
        let conflict = DataTrouble::Conflict {
            transfer: None,
            bytes: 1,
            frame: 2,
        };
        assert!(found(conflict).is_empty());
    }

    fn findings(reply: (u16, &str), change: impl Fn(&mut Session)) -> Vec<Finding> {
        let mut session = session();
        let mut retrieve = transfer(Completeness::Aborted);
        retrieve.connection = None;
        session.transfers = vec![retrieve.into()];
        let mut retrieving = step(vec![command("RETR", Some("readme.txt"), reply)]);
        retrieving.transfer = Some(1);
        session.steps.push(retrieving.into());
        change(&mut session);
        let mut findings = Vec::new();
        detect_failed(&session, &[], &mut findings);
        findings
    }

    #[test]
    fn missing_resumption_is_recognized_by_its_words() {
        for reply in [
            (
                425,
                "Unable to build data connection: TLS session of data connection not resumed.",
            ),
            (
                522,
                "SSL connection failed; session reuse required: see require_ssl_reuse option in vsftpd.conf man page",
            ),
        ] {
            assert_eq!(findings(reply, |_| ())[0].id, "tls-session-not-resumed");
        }
        assert!(findings((550, "No such session"), |_| ()).is_empty());
        assert!(findings((226, "TLS session reused"), |_| ()).is_empty());
    }

    #[test]
    fn reply_425_without_packets_is_explained_by_the_mode() {
        let passive = findings((425, "Can't open data connection."), |_| ());
        assert!(
            passive[0]
                .explanation
                .contains("nobody opened the data connection")
        );
        let active = findings((425, "Can't build data connection"), |session| {
            Arc::make_mut(&mut session.transfers[0]).mode = Mode::Active;
        });
        assert!(active[0].explanation.contains("could not connect"));
    }

    #[test]
    fn demand_for_port_or_pasv_explains_the_425() {
        let found = findings((425, "Use PORT or PASV first."), |_| ());
        assert!(found[0].explanation.contains("each transfer needs its own"));
    }

    #[test]
    fn reply_426_after_abor_or_for_an_incomplete_file_reports_nothing() {
        let abor = findings((426, "Transfer aborted"), |session| {
            Arc::make_mut(&mut session.steps[1])
                .commands
                .push(command("ABOR", None, (226, "ok")));
        });
        assert!(abor.is_empty());
        let aborted = findings((426, "Broken pipe"), |session| {
            Arc::make_mut(&mut session.transfers[0]).connection =
                transfer(Completeness::Aborted).connection;
        });
        assert!(aborted.is_empty());
    }
}
