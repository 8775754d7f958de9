//! `bounce` and `address-translation`: the announced data address is not that of the control connection.

use std::net::{IpAddr, Ipv4Addr};

use super::{DataTrouble, Draft};
use crate::model::Endpoint;
use crate::model::record::{Command, Finding, Session, Severity};
use crate::protocol::ftp::{extended_port_argument, passive_reply, port_argument};

pub(super) fn announced_elsewhere(
    session: &Session,
    troubles: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    let mut told_active = false;
    let mut told_passive = false;
    for step in &session.steps {
        for command in &step.commands {
            if !told_active
                && let Some((ip, port)) = active_address(command)
                && ip != session.client.ip
                && !is_exchange(troubles, ip, port)
            {
                told_active = true;
                findings.push(
                    active(session, command, ip, port).about(Some(step.number), step.transfer),
                );
            }
            if !told_passive
                && let Some((ip, frame)) = passive_address(command)
                && ip != session.server.ip
            {
                told_passive = true;
                findings.push(passive(session, ip, frame).about(Some(step.number), step.transfer));
            }
        }
    }
}

/// The end point of another server that announced it to the same client: a transfer between servers, told with both
/// sessions.
fn is_exchange(troubles: &[DataTrouble], ip: IpAddr, port: u16) -> bool {
    troubles.iter().any(|trouble| {
        matches!(trouble, DataTrouble::ServerToServer { end, .. } if *end == Endpoint::new(ip, port))
    })
}

fn active_address(command: &Command) -> Option<(IpAddr, u16)> {
    // An address of a family that the server does not speak was tried, and that is all (RFC 2428 section 2).
    if command.replies.iter().any(|reply| reply.code == 522) {
        return None;
    }
    let argument = command.argument.as_deref()?.as_bytes();
    let end = match command.verb.as_str() {
        "PORT" => port_argument(argument),
        "EPRT" => extended_port_argument(argument),
        _ => None,
    }?;
    Some((end.ip(), end.port))
}

fn passive_address(command: &Command) -> Option<(IpAddr, u64)> {
    let reply = command.replies.iter().find(|reply| reply.code == 227)?;
    let end = reply
        .lines
        .iter()
        .rev()
        .find_map(|line| passive_reply(line.as_bytes()))?;
    Some((end.ip(), reply.frame))
}

fn active(session: &Session, command: &Command, ip: IpAddr, port: u16) -> Draft<'static> {
    let client = session.client.ip;
    let frames = vec![command.frame];
    if is_internal(ip) && !is_internal(client) {
        return Draft {
            id: "address-translation",
            severity: Severity::Low,
            title: format!("the client announced its internal address {ip}"),
            explanation: format!(
                "{} named {ip}, port {port}, while the control connection comes from {client}: the client is behind address translation that does not rewrite FTP.",
                command.verb
            ),
            advice: "Use passive mode.",
            frames,
        };
    }
    Draft {
        id: "bounce",
        severity: Severity::Medium,
        title: format!("{} names a third host: {ip}", command.verb),
        explanation: format!(
            "{} asks the server to connect to {ip}, port {port}, but the client is {client}. This is how a server is made to attack others (RFC 2577 section 2), and how two servers exchange files directly.",
            command.verb
        ),
        advice: "Let the server refuse addresses other than the client's, unless server-to-server transfers are wanted.",
        frames,
    }
}

fn passive(session: &Session, ip: IpAddr, frame: u64) -> Draft<'static> {
    let server = session.server.ip;
    let why = if ip.is_unspecified() || is_internal(ip) && !is_internal(server) {
        "the server is behind address translation and does not know its outer address"
    } else {
        "the server has several addresses, or is behind address translation"
    };
    Draft {
        id: "address-translation",
        severity: Severity::Low,
        title: format!("the server announced {ip} instead of {server}"),
        explanation: format!(
            "The 227 reply names {ip} while the control connection goes to {server}: {why}. Clients that believe it cannot connect."
        ),
        advice: "Configure the address that the server announces in passive mode, or use EPSV, which names none.",
        frames: vec![frame],
    }
}

/// Addresses that are not routed in the internet.
fn is_internal(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || is_shared(ip)
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

/// 100.64.0.0/10 (RFC 6598).
const fn is_shared(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    a == 100 && b >= 64 && b < 128
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::tests::{command, session, step};

    fn findings(verb: &str, argument: &str, reply: (u16, &str)) -> Vec<Finding> {
        let mut session = session();
        session
            .steps
            .push(step(vec![command(verb, Some(argument), reply)]).into());
        let mut findings = Vec::new();
        announced_elsewhere(&session, &[], &mut findings);
        findings
    }

    #[test]
    fn the_own_address_raises_nothing() {
        assert!(findings("PORT", "10,0,0,2,4,1", (200, "ok")).is_empty());
        assert!(findings("PASV", "", (227, "(10,0,0,1,4,1)")).is_empty());
    }

    #[test]
    fn the_other_server_of_an_exchange_is_no_victim_but_another_host_still_is() {
        let mut session = session();
        let exchange = DataTrouble::ServerToServer {
            end: Endpoint::v4([10, 0, 0, 9], 1025),
            other: 2,
        };
        let mut findings = Vec::new();
        for argument in ["10,0,0,9,4,1", "10,0,0,9,0,25"] {
            Arc::make_mut(&mut session.steps[0]).commands =
                vec![command("PORT", Some(argument), (200, "ok"))];
            announced_elsewhere(&session, std::slice::from_ref(&exchange), &mut findings);
        }
        assert_eq!(findings.len(), 1);
        assert!(findings[0].explanation.contains("port 25"));
    }

    #[test]
    fn a_third_host_in_port_is_a_bounce_and_another_in_227_is_translation() {
        assert_eq!(
            findings("PORT", "10,0,0,9,4,1", (200, "ok"))[0].id,
            "bounce"
        );
        assert_eq!(
            findings("EPRT", "|1|10.0.0.9|1025|", (200, "ok"))[0].id,
            "bounce"
        );
        assert_eq!(
            findings("PASV", "", (227, "(192,168,1,1,4,1)"))[0].id,
            "address-translation"
        );
    }
}
