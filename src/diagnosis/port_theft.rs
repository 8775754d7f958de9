//! `port-theft`: the data connection came from a third host.

use super::{DataTrouble, Draft, step_of};
use crate::model::Endpoint;
use crate::model::record::{Finding, LinkMethod, Mode, Session, Severity};

pub(super) fn theft(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for transfer in &session.transfers {
        let Some(connection) = &transfer.connection else {
            continue;
        };
        let third = transfer
            .link
            .is_some_and(|link| link.method == LinkMethod::ThirdParty);
        let agreed = transfer.announced.is_some_and(|announced| {
            troubles.iter().any(|trouble| {
                matches!(trouble, DataTrouble::ServerToServer { end, .. } if *end == Endpoint::from(announced))
            })
        });
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
        findings.push(draft.about(step_of(session, transfer.id), Some(transfer.id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{session, transfer};
    use crate::model::record::{Completeness, Link};

    fn findings(method: LinkMethod, peer: [u8; 4], troubles: &[DataTrouble]) -> Vec<Finding> {
        let mut it = session();
        let mut taken = transfer(Completeness::Complete);
        taken.link = Some(Link {
            method,
            confidence: 0.8,
        });
        if let Some(connection) = &mut taken.connection {
            connection.client.ip = peer.into();
            taken.announced = Some(connection.server);
        }
        it.transfers = vec![taken.into()];
        let mut findings = Vec::new();
        theft(&it, troubles, &mut findings);
        findings
    }

    #[test]
    fn a_third_host_at_a_passive_port_is_told() {
        let found = findings(LinkMethod::ThirdParty, [10, 0, 0, 66], &[]);
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
    fn the_client_itself_and_a_translated_address_raise_nothing() {
        assert!(findings(LinkMethod::AnnouncedAddress, [10, 0, 0, 2], &[]).is_empty());
        assert!(findings(LinkMethod::ControlPeer, [10, 0, 0, 2], &[]).is_empty());
        assert!(findings(LinkMethod::PortAndTime, [10, 0, 0, 66], &[]).is_empty());
    }

    #[test]
    fn the_other_server_of_a_server_to_server_transfer_is_no_thief() {
        let exchange = DataTrouble::ServerToServer {
            end: Endpoint::v4([10, 0, 0, 1], 5001),
            other: 2,
        };
        assert!(findings(LinkMethod::ThirdParty, [10, 0, 0, 66], &[exchange]).is_empty());
    }
}
