//! `tls-alert`, `tls-data-in-clear`, `tls-weak`, `tls-close-missing` and `tls-commands-in-clear`: TLS that came about, and is
//! less than it could be.

use super::{Draft, step_number};
use crate::model::record::{
    Command, Completeness, Finding, Opener, Session, Severity, StepKind, Tls, TlsAlert,
    TlsAlertLevel, Transfer, TransferDirection,
};
use crate::protocol::tls::alert::Alert;

/// Id of a finding about a fatal alert.
pub(super) const TLS_ALERT: &str = "tls-alert";

/// Reports how TLS was used in a session.
pub(super) fn detect(session: &Session, findings: &mut Vec<Finding>) {
    let Some(tls) = &session.tls else {
        return;
    };
    alerts(session, findings);
    weak(session, tls, findings);
    clear_data(session, tls, findings);
    clear_commands(session, findings);
    for transfer in &session.transfers {
        missing_close(session, transfer, findings);
    }
}

/// Returns whether commands were encrypted at a frame: behind AUTH and before CCC, or from the beginning without AUTH.
pub(super) fn is_encrypted_at(session: &Session, frame: u64) -> bool {
    let opened = session
        .tls
        .as_ref()
        .is_some_and(|tls| tls.records_opened > 0);
    let last = |verb: &str| {
        accepted(session, verb)
            .filter(|command| command.frame < frame)
            .map(|command| command.frame)
            .last()
    };
    let implicit = accepted(session, "AUTH").next().is_none();
    opened
        && match (last("AUTH"), last("CCC")) {
            (Some(auth), Some(ccc)) => auth > ccc,
            (Some(_), None) => true,
            (None, ccc) => implicit && ccc.is_none(),
        }
}

/// Returns the commands of a verb that were answered with 2yz or 3yz.
fn accepted<'a>(session: &'a Session, verb: &'a str) -> impl Iterator<Item = &'a Command> {
    let commands = session.steps.iter().flat_map(|step| &step.commands);
    commands.filter(move |command| {
        let reply = command.replies.last();
        command.verb == verb && reply.is_some_and(|reply| (200..400).contains(&reply.code))
    })
}

/// Reports fatal alerts, one for each connection.
fn alerts(session: &Session, findings: &mut Vec<Finding>) {
    let fatal = |tls: Option<&Tls>| -> Option<TlsAlert> {
        let mut alerts = tls?.alerts.iter();
        alerts
            .find(|alert| alert.level == TlsAlertLevel::Fatal)
            .cloned()
    };
    // An alert that ended the first handshake is reported as its failure.
    let reported = |alert: &TlsAlert| {
        let known = findings.iter().filter(|finding| finding.id == TLS_ALERT);
        known
            .into_iter()
            .any(|finding| finding.frames.contains(&alert.frame))
    };
    if let Some(alert) = fatal(session.tls.as_ref()).filter(|alert| !reported(alert)) {
        findings.push(alerted(&alert, "the control connection").about(None, None));
    }
    for transfer in &session.transfers {
        if let Some(alert) = fatal(transfer.tls.as_ref()) {
            let place = format!("the data connection of {}", transfer.verb);
            let step = step_number(session, transfer.id);
            findings.push(alerted(&alert, &place).about(step, Some(transfer.id)));
        }
    }
    for data in &session.encrypted_data {
        if let Some(alert) = fatal(data.tls.as_ref()) {
            findings.push(alerted(&alert, "a data connection").about(None, None));
        }
    }
}

fn alerted(alert: &TlsAlert, place: &str) -> Draft<'static> {
    let by = match alert.from {
        Opener::Client => "client",
        Opener::Server => "server",
    };
    let known = Alert::named(&alert.description);
    let meaning = known.map_or("it gives no reason that is known", Alert::meaning);
    let advice = match known {
        Some(alert) if alert.is_about_certificate() => {
            "Check the certificates of both sides: their dates, names and issuers, and that the side which complains trusts the issuer."
        }
        Some(alert) if alert.is_about_parameters() => {
            "Let both sides support a version and a cipher suite in common, TLS 1.2 or newer."
        }
        _ => {
            "Look into the log of the side that sent the alert, and at a device in between that may change packets."
        }
    };
    Draft {
        id: TLS_ALERT,
        severity: Severity::Medium,
        title: format!("TLS ended by the {by}: {}", alert.description),
        explanation: format!(
            "On {place}, the {by} sent the fatal alert {} (frame {}): {meaning}.",
            alert.description, alert.frame
        ),
        advice,
        frames: vec![alert.frame],
    }
}

/// Reports old versions and weak suites, once for a session.
fn weak(session: &Session, control: &Tls, findings: &mut Vec<Finding>) {
    let data = session.transfers.iter().filter_map(|transfer| {
        let connection = transfer.connection.as_ref()?;
        Some((transfer.tls.as_ref()?, connection.first_frame))
    });
    let mut all = std::iter::once((control, 0)).chain(data);
    let Some((why, frame)) = all.find_map(|(tls, frame)| Some((weakness(tls)?, frame))) else {
        return;
    };
    let first = accepted(session, "AUTH").next();
    let frame = if frame == 0 {
        first
            .and_then(|auth| auth.replies.last())
            .map(|reply| reply.frame)
    } else {
        Some(frame)
    };
    findings.push(
        Draft {
            id: "tls-weak",
            severity: Severity::Low,
            title: format!("weak TLS: {why}"),
            explanation: format!(
                "Client and server agreed on {why}. Versions before TLS 1.2 are obsolete (RFC 8996), and suites with RC4, 3DES, NULL, export keys or without a certificate do not protect what is sent."
            ),
            advice: "Let both sides support TLS 1.2 or 1.3, and switch older versions and weak suites off in the server.",
            frames: frame.into_iter().collect(),
        }
        .about(None, None),
    );
}

/// Returns the weak part of a TLS connection; `None` if there is none.
fn weakness(tls: &Tls) -> Option<String> {
    let version = tls.version.as_deref()?;
    if matches!(version, "SSL 3.0" | "TLS 1.0" | "TLS 1.1") {
        return Some(version.to_owned());
    }
    let suite = tls.cipher_suite.as_deref()?;
    let parts = [
        "_RC4_", "_3DES_", "_NULL_", "_EXPORT_", "_anon_", "_DES_", "_DES40_",
    ];
    parts
        .iter()
        .any(|part| suite.contains(part))
        .then(|| suite.to_owned())
}

/// Reports files and listings in clear beside encrypted commands, once for a session.
fn clear_data(session: &Session, tls: &Tls, findings: &mut Vec<Finding>) {
    // Without the server's hello, or where TLS failed, the commands are in clear as well.
    if tls.version.is_none() || tls.records == 0 {
        return;
    }
    let begun = accepted(session, "AUTH")
        .next()
        .map_or(0, |auth| auth.frame);
    let clear: Vec<&Transfer> = session
        .transfers
        .iter()
        .map(AsRef::as_ref)
        .filter(|transfer| {
            let connection = transfer.connection.as_ref();
            transfer.tls.is_none()
                && transfer.bytes > 0
                && connection.is_some_and(|connection| connection.first_frame > begun)
        })
        .collect();
    let Some((first, connection)) = clear
        .first()
        .and_then(|first| Some((first, first.connection.as_ref()?)))
    else {
        return;
    };
    let why = match tls.data_protected {
        Some(true) => "PROT P was accepted, and the bytes are in clear all the same",
        Some(false) => "the client asked for that with PROT C",
        None => "the client never asked for protection with PROT P",
    };
    let count = clear.len();
    let are = if count == 1 { "one is" } else { "some are" };
    findings.push(
        Draft {
            id: "tls-data-in-clear",
            severity: Severity::Medium,
            title: format!("commands are encrypted, files and listings are not: {} in clear", first.verb),
            explanation: format!(
                "The control connection uses TLS. Of the data connections {are} in clear ({count} in all, the first one from frame {}): {why}. Everybody on the way can read and change these bytes.",
                connection.first_frame
            ),
            advice: "Let the client send PBSZ 0 and PROT P before it transfers anything, and let the server refuse data connections without it.",
            frames: vec![connection.first_frame],
        }
        .about(step_number(session, first.id), Some(first.id)),
    );
}

/// Reports CCC, once for a session.
fn clear_commands(session: &Session, findings: &mut Vec<Finding>) {
    let Some(command) = accepted(session, "CCC").next() else {
        return;
    };
    let step = session.steps.iter().find(|step| {
        let is_it = |one: &Command| one.frame == command.frame && one.verb == "CCC";
        step.kind != StepKind::Tls && step.commands.iter().any(is_it)
    });
    findings.push(
        Draft {
            id: "tls-commands-in-clear",
            severity: Severity::Info,
            title: "commands in clear after CCC".to_owned(),
            explanation: format!(
                "The client asked to go on without TLS on the control connection (CCC, frame {}), mostly so that firewalls can read PORT and PASV. Commands, names and addresses are in clear from there on.",
                command.frame
            ),
            advice: "Leave CCC out where firewalls get along without it: fixed passive ports that are open need no reading of commands.",
            frames: vec![command.frame],
        }
        .about(step.map(|step| step.number), None),
    );
}

/// Reports a file that ended with FIN alone.
fn missing_close(session: &Session, transfer: &Transfer, findings: &mut Vec<Finding>) {
    let Some((tls, connection)) = transfer.tls.as_ref().zip(transfer.connection.as_ref()) else {
        return;
    };
    let Some(said) = tls.close_notify else {
        return;
    };
    let (said, sender) = match transfer.direction {
        TransferDirection::Upload => (said.client, "client"),
        TransferDirection::Download => (said.server, "server"),
        TransferDirection::Listing => return,
    };
    let is_proven = transfer.announced_bytes.is_some_and(|size| {
        size == transfer.bytes || size == transfer.bytes + transfer.restart_offset
    });
    let is_over = matches!(
        transfer.completeness,
        Completeness::Complete | Completeness::Unverifiable
    );
    if said || is_proven || !is_over || !tls.decrypted {
        return;
    }
    findings.push(
        Draft {
            id: "tls-close-missing",
            severity: Severity::Low,
            title: format!("{} ended without close_notify", transfer.verb),
            explanation: format!(
                "The {sender} closed the data connection with FIN and did not end TLS before (close_notify), and no known size shows that the file is whole. Anybody on the way can end a connection like that, which the receiver cannot distinguish from the end of the file (RFC 8446 section 6.1)."
            ),
            advice: "Use a program that closes TLS on data connections, or compare sizes or digests (SIZE, HASH).",
            frames: vec![connection.last_frame],
        }
        .about(step_number(session, transfer.id), Some(transfer.id)),
    );
}
