//! `bounce`, `address-translation` and `port-theft`: data addresses that belong to neither end of the control connection.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::{DataTrouble, Draft, step_number};
use crate::model::Endpoint;
use crate::model::record::{Command, Finding, LinkMethod, Mode, Session, Severity};
use crate::protocol::ftp::{extended_port_argument, passive_reply, port_argument};

/// Reports announced data addresses other than those of the control connection: one finding for each direction.
pub(super) fn detect_announced(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    // A client that announces a wrong address repeats it with every transfer.
    let mut reported_active = false;
    let mut reported_passive = false;
    if let Some(scan) = bounced(session, evidence) {
        reported_active = true;
        findings.push(scan.finding(session));
    }
    for step in &session.steps {
        for command in &step.commands {
            if !reported_active
                && let Some((ip, port)) = active_address(command)
                && ip != session.client.ip
                && !is_exchange(evidence, Endpoint::new(ip, port))
            {
                reported_active = true;
                findings.push(
                    active_finding(session, command, ip, port)
                        .about(Some(step.number), step.transfer),
                );
            }
            if !reported_passive
                && let Some((ip, frame)) = passive_address(command)
                && ip != session.server.ip
                && !is_behind_proxy(evidence, ip)
            {
                reported_passive = true;
                findings.push(
                    passive_finding(session, ip, frame).about(Some(step.number), step.transfer),
                );
            }
        }
    }
}

/// Returns whether a proxy leads to `ip`, or to a host whose address only the proxy knows.
fn is_behind_proxy(evidence: &[DataTrouble], ip: IpAddr) -> bool {
    evidence.iter().any(|item| match item {
        DataTrouble::Tunnel { target } => target.is_none_or(|target| target.ip() == ip),
        _ => false,
    })
}

/// A third host to many ports of which a client sent the server.
pub(super) struct Bounced {
    pub(super) ip: IpAddr,
    ports: usize,
    frames: Vec<u64>,
}

/// Returns the host to most ports of which PORT and EPRT sent the server; `None` if that are few, as in a transfer between
/// servers.
pub(super) fn bounced(session: &Session, evidence: &[DataTrouble]) -> Option<Bounced> {
    let exchanges: Vec<Endpoint> = evidence
        .iter()
        .filter_map(|item| match item {
            DataTrouble::ServerToServer { end, .. } => Some(*end),
            _ => None,
        })
        .collect();
    let mut hosts: BTreeMap<IpAddr, (BTreeSet<u16>, Vec<u64>)> = BTreeMap::new();
    for command in session.steps.iter().flat_map(|step| &step.commands) {
        // A refused PORT sends the server nowhere (RFC 2577 section 3).
        let accepted = command.replies.iter().any(|reply| reply.code < 400);
        if let Some((ip, port)) = active_address(command).filter(|_| accepted)
            && ip != session.client.ip
            && !exchanges.contains(&Endpoint::new(ip, port))
        {
            let (ports, frames) = hosts.entry(ip).or_default();
            ports.insert(port);
            if frames.len() < super::cross_session::MAX_FRAMES {
                frames.push(command.frame);
            }
        }
    }
    hosts
        .into_iter()
        .map(|(ip, (ports, frames))| Bounced {
            ip,
            ports: ports.len(),
            frames,
        })
        .max_by_key(|host| host.ports)
        .filter(|host| {
            host.ports > MANY_PORTS && (!is_internal(host.ip) || is_internal(session.client.ip))
        })
}

impl Bounced {
    fn finding(self, session: &Session) -> Finding {
        let Self { ip, ports, frames } = self;
        let client = session.client.ip;
        Draft {
            id: "bounce",
            severity: Severity::High,
            title: format!("the server was made to connect to {ports} ports of {ip}"),
            explanation: format!(
                "The client {client} sent the server to {ports} ports of a third host, {ip}, with PORT or EPRT. This is how a host is scanned from the address of an FTP server (RFC 2577 section 2)."
            ),
            advice: "Let the server refuse addresses other than the client's, and look at who the client is.",
            frames,
        }
        .about(None, None)
    }
}

/// Returns whether another server announced `endpoint` to the same client: a transfer between servers, which `fxp`
/// reports with both sessions.
fn is_exchange(evidence: &[DataTrouble], endpoint: Endpoint) -> bool {
    evidence
        .iter()
        .any(|item| matches!(item, DataTrouble::ServerToServer { end, .. } if *end == endpoint))
}

/// Returns the address and port that PORT or EPRT announced; `None` for other commands and unreadable arguments.
fn active_address(command: &Command) -> Option<(IpAddr, u16)> {
    // 522: the server does not support the address family, so it opens nothing (RFC 2428 section 2).
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

/// Returns the address in a 227 reply and the frame of the reply; `None` for commands without one.
fn passive_address(command: &Command) -> Option<(IpAddr, u64)> {
    let reply = command.replies.iter().find(|reply| reply.code == 227)?;
    let end = reply
        .lines
        .iter()
        .rev()
        .find_map(|line| passive_reply(line.as_bytes()))?;
    Some((end.ip(), reply.frame))
}

/// Explains the address of a PORT or EPRT that is not that of the client.
fn active_finding(session: &Session, command: &Command, ip: IpAddr, port: u16) -> Draft<'static> {
    let client = session.client.ip;
    let frames = vec![command.frame];
    // A server on the internet could not reach a private victim: that is a client behind NAT, no attack.
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

/// Explains the address of a 227 that is not that of the server.
fn passive_finding(session: &Session, ip: IpAddr, frame: u64) -> Draft<'static> {
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

/// Reports data connections that were opened by neither client nor server.
pub(super) fn detect_port_theft(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    for transfer in &session.transfers {
        let Some(connection) = &transfer.connection else {
            continue;
        };
        let third = transfer
            .link
            .is_some_and(|link| link.method == LinkMethod::ThirdParty);
        let agreed = transfer
            .announced
            .is_some_and(|announced| is_exchange(evidence, Endpoint::from(announced)));
        // Links by weaker methods are guesses: no accusation rests on them.
        if !third || agreed {
            continue;
        }
        let passive = matches!(
            transfer.mode,
            Mode::Passive | Mode::ExtendedPassive | Mode::LongPassive
        );
        let draft = if passive && connection.client.ip != session.client.ip {
            Draft {
                id: "port-theft",
                severity: Severity::Medium,
                title: format!(
                    "{} instead of the client opened the data connection of {}",
                    connection.client.ip, transfer.verb
                ),
                explanation: format!(
                    "The server listened at {}:{} for the client {}, but {} connected, and {} bytes were exchanged with it. Either somebody guessed the port and took the connection (port stealing, RFC 2577 section 8), or the client goes out by several addresses.",
                    connection.server.ip,
                    connection.server.port,
                    session.client.ip,
                    connection.client.ip,
                    transfer.bytes
                ),
                advice: "Let the server accept data connections only from the address of the control connection, and choose passive ports at random.",
                frames: vec![connection.first_frame],
            }
        } else if !passive && connection.server.ip != session.server.ip {
            Draft {
                id: "port-theft",
                severity: Severity::Low,
                title: format!(
                    "{} instead of the server opened the data connection of {}",
                    connection.server.ip, transfer.verb
                ),
                explanation: format!(
                    "The client listened at {}:{} for the server {}, but {} connected. Either somebody guessed the port and took the connection (port stealing, RFC 2577 section 8), or the server has several addresses.",
                    connection.client.ip,
                    connection.client.port,
                    session.server.ip,
                    connection.server.ip
                ),
                advice: "Use passive mode, or let the client accept data connections only from the server.",
                frames: vec![connection.first_frame],
            }
        } else {
            continue;
        };
        findings.push(draft.about(step_number(session, transfer.id), Some(transfer.id)));
    }
}

/// Returns whether an address is not routed on the internet.
pub(super) fn is_internal(ip: IpAddr) -> bool {
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

/// Returns whether an address is in 100.64.0.0/10, the space of carrier-grade NAT (RFC 6598).
const fn is_shared(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    a == 100 && b >= 64 && b < 128
}

/// Ports of one third host that no ordinary client names in one session.
const MANY_PORTS: usize = 10;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::tests::{command, session, step, transfer};
    use crate::model::record::{Completeness, Link};

    fn announced(verb: &str, argument: &str, reply: (u16, &str)) -> Vec<Finding> {
        let mut session = session();
        session
            .steps
            .push(step(vec![command(verb, Some(argument), reply)]).into());
        let mut findings = Vec::new();
        detect_announced(&session, &[], &mut findings);
        findings
    }

    #[test]
    fn own_address_reports_nothing() {
        assert!(announced("PORT", "10,0,0,2,4,1", (200, "ok")).is_empty());
        assert!(announced("PASV", "", (227, "(10,0,0,1,4,1)")).is_empty());
    }

    #[test]
    fn other_server_of_an_exchange_reports_nothing_and_a_third_host_is_a_bounce() {
        let mut session = session();
        let exchange = DataTrouble::ServerToServer {
            end: Endpoint::v4([10, 0, 0, 9], 1025),
            other: 2,
        };
        let mut findings = Vec::new();
        for argument in ["10,0,0,9,4,1", "10,0,0,9,0,25"] {
            Arc::make_mut(&mut session.steps[0]).commands =
                vec![command("PORT", Some(argument), (200, "ok"))];
            detect_announced(&session, std::slice::from_ref(&exchange), &mut findings);
        }
        assert_eq!(findings.len(), 1);
        assert!(findings[0].explanation.contains("port 25"));
    }

    #[test]
    fn third_host_in_port_is_a_bounce_and_in_227_is_address_translation() {
        assert_eq!(
            announced("PORT", "10,0,0,9,4,1", (200, "ok"))[0].id,
            "bounce"
        );
        assert_eq!(
            announced("EPRT", "|1|10.0.0.9|1025|", (200, "ok"))[0].id,
            "bounce"
        );
        assert_eq!(
            announced("PASV", "", (227, "(192,168,1,1,4,1)"))[0].id,
            "address-translation"
        );
    }

    fn connected(method: LinkMethod, peer: [u8; 4], evidence: &[DataTrouble]) -> Vec<Finding> {
        let mut session = session();
        let mut taken = transfer(Completeness::Complete);
        taken.link = Some(Link {
            method,
            confidence: 0.8,
        });
        if let Some(connection) = &mut taken.connection {
            connection.client.ip = peer.into();
            taken.announced = Some(connection.server);
        }
        session.transfers = vec![taken.into()];
        let mut findings = Vec::new();
        detect_port_theft(&session, evidence, &mut findings);
        findings
    }

    #[test]
    fn third_host_at_a_passive_port_is_port_theft() {
        let found = connected(LinkMethod::ThirdParty, [10, 0, 0, 66], &[]);
        assert_eq!(
            (found[0].id.as_str(), found[0].severity),
            ("port-theft", Severity::Medium)
        );
        assert!(
            found[0]
                .title
                .starts_with("10.0.0.66 instead of the client")
        );
    }

    #[test]
    fn client_and_translated_address_at_a_passive_port_report_nothing() {
        assert!(connected(LinkMethod::AnnouncedAddress, [10, 0, 0, 2], &[]).is_empty());
        assert!(connected(LinkMethod::ControlPeer, [10, 0, 0, 2], &[]).is_empty());
        assert!(connected(LinkMethod::PortAndTime, [10, 0, 0, 66], &[]).is_empty());
    }

    #[test]
    fn other_server_of_an_exchange_is_no_port_theft() {
        let exchange = DataTrouble::ServerToServer {
            end: Endpoint::v4([10, 0, 0, 1], 5001),
            other: 2,
        };
        assert!(connected(LinkMethod::ThirdParty, [10, 0, 0, 66], &[exchange]).is_empty());
    }
}
