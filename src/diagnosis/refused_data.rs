//! `data-connection-failed` and `tls-session-not-resumed`: what 425, 426 and 522 mean where no packet shows it.

use super::{DataTrouble, Draft, final_reply, quote, step_of};
use crate::model::record::{Close, TransferDirection};
use crate::model::record::{Completeness, Finding, Mode, Reply, Session, Severity, Transfer};

pub(super) fn refused(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for transfer in &session.transfers {
        let Some(reply) = final_reply(session, transfer.id) else {
            continue;
        };
        let draft = if reply.code >= 400 && speaks_of_resumption(reply) {
            not_resumed(transfer, reply)
        } else if matches!(reply.code, 425 | 426)
            && !is_blocked(transfer.id, troubles)
            && !was_given_up(session, transfer)
        {
            failed(transfer, reply)
        } else {
            continue;
        };
        findings.push(draft.about(step_of(session, transfer.id), Some(transfer.id)));
    }
}

fn not_resumed(transfer: &Transfer, reply: &Reply) -> Draft<'static> {
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

fn failed(transfer: &Transfer, reply: &Reply) -> Draft<'static> {
    let active = matches!(
        transfer.mode,
        Mode::Active | Mode::ExtendedActive | Mode::LongActive
    );
    let told = match transfer.announced {
        Some(end) if active => format!("to the client's {}:{}", end.ip, end.port),
        Some(end) => format!("at {}:{}", end.ip, end.port),
        None => String::new(),
    };
    let (why, advice) = match (&transfer.connection, transfer.mode) {
        _ if asks_for_port(reply) => (
            "no PORT, PASV, EPRT or EPSV is in force for this command; each transfer needs its own".to_owned(),
            "Let the client send PASV or EPSV before each transfer.",
        ),
        (None, Mode::DefaultPort) => (
            "no PORT, PASV, EPRT or EPSV stands before the command, so the server had only the default data port (RFC 959 section 3.2)".to_owned(),
            "Let the client send PASV or EPSV before each transfer.",
        ),
        (None, _) if active => (
            format!("the server could not connect {told}, and the capture holds no attempt: it was blocked before this point, or at the server itself"),
            "Use passive mode, or look at the firewall and the address translation between server and client.",
        ),
        (None, _) => (
            format!("nobody opened the data connection {told} in this capture: the client did not try, or its attempt takes another way"),
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
        id: "data-connection-failed",
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

/// `Use PORT or PASV first`, in the words of any server.
fn asks_for_port(reply: &Reply) -> bool {
    let text = reply.lines.join(" ");
    text.contains("PORT") && text.contains("PASV")
}

/// Texts of `FileZilla` (`TLS session of data connection not resumed`) and vsftpd (`session reuse required`).
fn speaks_of_resumption(reply: &Reply) -> bool {
    let text = reply.lines.join(" ").to_ascii_lowercase();
    text.contains("session")
        && (text.contains("tls") || text.contains("ssl"))
        && (text.contains("resum") || text.contains("reuse"))
}

fn is_blocked(transfer: u64, troubles: &[DataTrouble]) -> bool {
    troubles.iter().any(
        |trouble| matches!(trouble, DataTrouble::Blocked { transfer: id, .. } if *id == Some(transfer)),
    )
}

/// ABOR asks for a 426; and an aborted file has a finding of its own.
fn was_given_up(session: &Session, transfer: &Transfer) -> bool {
    let asked = session
        .step_of(transfer.id)
        .into_iter()
        .flat_map(|step| &step.commands)
        .any(|command| command.verb == "ABOR");
    let told = transfer.connection.is_some()
        && transfer.direction != TransferDirection::Listing
        && matches!(
            transfer.completeness,
            Completeness::Aborted | Completeness::Gaps
        );
    asked || told
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::tests::{command, session, step, transfer};

    fn findings(reply: (u16, &str), change: impl Fn(&mut Session)) -> Vec<Finding> {
        let mut it = session();
        let mut retrieve = transfer(Completeness::Aborted);
        retrieve.connection = None;
        it.transfers = vec![retrieve.into()];
        let mut retrieving = step(vec![command("RETR", Some("readme.txt"), reply)]);
        retrieving.transfer = Some(1);
        it.steps.push(retrieving.into());
        change(&mut it);
        let mut findings = Vec::new();
        refused(&it, &[], &mut findings);
        findings
    }

    #[test]
    fn resumption_is_recognised_by_its_texts() {
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
    fn a_425_without_a_packet_is_explained_by_the_mode() {
        let passive = findings((425, "Can't open data connection."), |_| ());
        assert!(
            passive[0]
                .explanation
                .contains("nobody opened the data connection")
        );
        let active = findings((425, "Can't build data connection"), |it| {
            Arc::make_mut(&mut it.transfers[0]).mode = Mode::Active;
        });
        assert!(active[0].explanation.contains("could not connect"));
    }

    #[test]
    fn a_server_that_asks_for_port_says_why() {
        let found = findings((425, "Use PORT or PASV first."), |_| ());
        assert!(found[0].explanation.contains("each transfer needs its own"));
    }

    #[test]
    fn an_abor_asked_for_it_and_an_aborted_file_is_told_elsewhere() {
        let abor = findings((426, "Transfer aborted"), |it| {
            Arc::make_mut(&mut it.steps[1])
                .commands
                .push(command("ABOR", None, (226, "ok")));
        });
        assert!(abor.is_empty());
        let aborted = findings((426, "Broken pipe"), |it| {
            Arc::make_mut(&mut it.transfers[0]).connection =
                transfer(Completeness::Aborted).connection;
        });
        assert!(aborted.is_empty());
    }
}
