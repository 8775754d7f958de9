//! `data-connection-blocked`: the data connection was tried and never opened.

use super::{DataTrouble, Draft, Unreachable, final_reply, quote, step_of};
use crate::model::Span;
use crate::model::record::{Finding, Mode, Session, Severity};

pub(super) fn blocked(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for trouble in troubles {
        let DataTrouble::Blocked {
            transfer,
            mode,
            listener,
            attempts,
            refused,
            unreachable,
            waited,
            first_frame,
        } = trouble
        else {
            continue;
        };
        let reply = transfer
            .and_then(|id| final_reply(session, id))
            .filter(|reply| reply.code >= 400);
        let answered = refused.is_some() || unreachable.is_some();
        // One SYN at the end of a capture proves nothing.
        if *attempts == 0 || (!answered && *attempts < 2 && reply.is_none() && *waited < PATIENCE) {
            continue;
        }
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
        let answer = match (refused, unreachable) {
            (_, Some(Unreachable { frame, reporter, says })) => {
                format!("{reporter} answered with ICMP: {says} (frame {frame})")
            }
            (Some(frame), None) => format!("the answer was RST (frame {frame}): nobody listens there, or a firewall refuses"),
            (None, None) => "nobody answered: a firewall on the way drops it, or the address is not reachable from there".to_owned(),
        };
        let then = reply.map_or_else(String::new, |reply| {
            format!(
                " The server then said {} (frame {}).",
                quote(reply),
                reply.frame
            )
        });
        let mut frames = vec![*first_frame];
        frames.extend(refused);
        frames.extend(unreachable.map(|icmp| icmp.frame));
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
                explanation: format!("The {opener} tried {tries} to open the data connection to {listener}; {answer}.{then}"),
                advice,
                frames,
            }
            .about(transfer.and_then(|id| step_of(session, id)), *transfer),
        );
    }
}

/// After this long without an answer to a SYN there will be none: it would have been repeated twice (RFC 6298 section 2).
const PATIENCE: Span = Span::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::session;
    use crate::model::Endpoint;

    fn trouble(attempts: u64, seconds: i64, unreachable: Option<Unreachable>) -> DataTrouble {
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

    fn found(trouble: DataTrouble) -> Vec<Finding> {
        let mut findings = Vec::new();
        blocked(&session(), &[trouble], &mut findings);
        findings
    }

    #[test]
    fn an_unanswered_syn_in_active_mode_blames_the_clients_side() {
        let findings = found(trouble(3, 7, None));
        assert_eq!(
            findings[0].title,
            "data connection to 10.0.0.2:5001 blocked on the client's side"
        );
        assert!(findings[0].explanation.contains("3 times"));
        assert_eq!(findings[0].frames, [17]);
    }

    #[test]
    fn an_icmp_error_is_the_proof() {
        let icmp = Unreachable {
            frame: 19,
            reporter: [10, 0, 0, 254].into(),
            says: "host unreachable",
        };
        let findings = found(trouble(1, 0, Some(icmp)));
        assert!(
            findings[0]
                .explanation
                .contains("10.0.0.254 answered with ICMP: host unreachable (frame 19)")
        );
        assert_eq!(findings[0].frames, [17, 19]);
    }

    #[test]
    fn one_syn_at_the_end_of_a_capture_is_no_block() {
        assert!(found(trouble(1, 0, None)).is_empty());
        assert!(found(trouble(0, 9, None)).is_empty());
        assert_eq!(found(trouble(1, 3, None)).len(), 1);
    }

    #[test]
    fn a_conflict_is_no_block() {
        let conflict = DataTrouble::Conflict {
            transfer: None,
            bytes: 1,
            frame: 2,
        };
        assert!(found(conflict).is_empty());
    }
}
