//! `data-connection-blocked`: the data connection was tried and never opened.

use super::{DataTrouble, Draft, step_of};
use crate::model::record::{Finding, Mode, Session, Severity};

pub(super) fn blocked(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for trouble in troubles {
        let DataTrouble::Blocked {
            transfer,
            mode,
            listener,
            attempts,
            refused,
            first_frame,
        } = trouble
        else {
            continue;
        };
        let client_listens = matches!(
            mode,
            Mode::Active | Mode::ExtendedActive | Mode::LongActive | Mode::DefaultPort
        );
        let (opener, side) = if client_listens {
            ("server", "client")
        } else {
            ("client", "server")
        };
        let tries = if *attempts == 1 {
            "once".to_owned()
        } else {
            format!("{attempts} times")
        };
        let answer = match refused {
            Some(frame) => format!("the answer was RST (frame {frame}): nobody listens there, or a firewall refuses"),
            None => "nobody answered: a firewall on the way drops it, or the address is not reachable from there".to_owned(),
        };
        let mut frames = vec![*first_frame];
        frames.extend(refused);
        let advice = if client_listens {
            "Use passive mode (PASV or EPSV), or let the client's firewall accept connections from the server's port 20."
        } else {
            "Open the server's passive port range in its firewall, and let the server announce an address that clients can reach."
        };
        findings.push(
            Draft {
                id: "data-connection-blocked",
                severity: Severity::Medium,
                title: format!("data connection to {listener} blocked on the {side}'s side"),
                explanation: format!("The {opener} tried {tries} to open the data connection to {listener}; {answer}."),
                advice,
                frames,
            }
            .about(step_of(session, *transfer), Some(*transfer)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::session;
    use crate::model::Endpoint;

    #[test]
    fn an_unanswered_syn_in_active_mode_blames_the_clients_side() {
        let mut findings = Vec::new();
        let trouble = DataTrouble::Blocked {
            transfer: 1,
            mode: Mode::Active,
            listener: Endpoint::v4([10, 0, 0, 2], 5001),
            attempts: 3,
            refused: None,
            first_frame: 17,
        };
        blocked(&session(), &[trouble], &mut findings);
        assert_eq!(
            findings[0].title,
            "data connection to 10.0.0.2:5001 blocked on the client's side"
        );
        assert!(findings[0].explanation.contains("3 times"));
        assert_eq!(findings[0].frames, [17]);
    }

    #[test]
    fn a_conflict_is_no_block() {
        let mut findings = Vec::new();
        blocked(
            &session(),
            &[DataTrouble::Conflict {
                transfer: None,
                bytes: 1,
                frame: 2,
            }],
            &mut findings,
        );
        assert!(findings.is_empty());
    }
}
