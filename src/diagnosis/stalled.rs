//! `stalled-transfer`: a data connection was open and nothing came through it for many seconds.

use super::{DataTrouble, Draft, StallPlace, name_of, step_of};
use crate::model::Span;
use crate::model::grouped;
use crate::model::record::{Finding, Opener, Session, Severity};

pub(super) fn stalled(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for trouble in troubles {
        let &DataTrouble::Stalled {
            transfer: id,
            sender,
            length,
            receiver_closed,
            sent_again,
            place,
            frames,
        } = trouble
        else {
            continue;
        };
        let Some(transfer) = session.transfer(id) else {
            continue;
        };
        if length < SHORTEST {
            continue;
        }
        let (sender, receiver) = match sender {
            Opener::Client => ("client", "server"),
            Opener::Server => ("server", "client"),
        };
        let seconds = length.seconds();
        let name = name_of(transfer);
        let (first, last) = (frames[0], frames[1]);
        let when = match place {
            StallPlace::Start => "before the first byte",
            StallPlace::Middle => "in the middle, and then it went on",
            StallPlace::End => "and it never went on",
        };
        let half = length.nanos() / 2;
        let (why, advice) = if receiver_closed.nanos() > half {
            (
                format!(
                    "the {receiver}'s receive window was closed for {:.1} s of it: the {receiver} did not take the bytes",
                    receiver_closed.seconds()
                ),
                "Look at the receiving program: a full disk, a slow device, or a program that waits for somebody.",
            )
        } else if sent_again > 0 {
            (
                format!(
                    "the {sender} sent {} bytes again without an answer: packets are lost on the way",
                    grouped(sent_again)
                ),
                "Look for loss on the way, and for a packet size that does not pass (path MTU).",
            )
        } else {
            (
                format!("the {sender} sent nothing"),
                "Look at the sending program: it waits for its disk, its source, or the end of its work.",
            )
        };
        let severity = if place == StallPlace::End || length >= LONG {
            Severity::Medium
        } else {
            Severity::Low
        };
        findings.push(
            Draft {
                id: "stalled-transfer",
                severity,
                title: format!("{} {name} stood still for {seconds:.1} s", transfer.verb),
                explanation: format!(
                    "The data connection of {} {name} was open, but no new byte came for {seconds:.1} s (frames {first} to {last}), {when}; {why}.",
                    transfer.verb
                ),
                advice,
                frames: frames.to_vec(),
            }
            .about(step_of(session, id), Some(id)),
        );
    }
}

/// Shorter pauses are those of busy servers and of retransmission timers (RFC 6298 section 5.5).
pub(crate) const SHORTEST: Span = Span::from_secs(10);

/// From here on a person has given up, or should have.
const LONG: Span = Span::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{session, transfer};
    use crate::model::record::Completeness;

    fn found(seconds: i64, closed: i64, sent_again: u64, place: StallPlace) -> Vec<Finding> {
        let mut it = session();
        it.transfers = vec![transfer(Completeness::Complete).into()];
        let trouble = DataTrouble::Stalled {
            transfer: 1,
            sender: Opener::Server,
            length: Span::from_secs(seconds),
            receiver_closed: Span::from_secs(closed),
            sent_again,
            place,
            frames: [21, 25],
        };
        let mut findings = Vec::new();
        stalled(&it, &[trouble], &mut findings);
        findings
    }

    #[test]
    fn a_closed_window_blames_the_receiver_and_silence_the_sender() {
        let window = found(41, 40, 3, StallPlace::Middle);
        assert!(
            window[0]
                .explanation
                .contains("the client did not take the bytes")
        );
        assert_eq!(window[0].severity, Severity::Medium);
        assert!(
            found(12, 0, 0, StallPlace::Middle)[0]
                .explanation
                .contains("the server sent nothing")
        );
        assert!(
            found(12, 1, 999, StallPlace::Middle)[0]
                .explanation
                .contains("999 bytes again")
        );
    }

    #[test]
    fn a_pause_of_a_few_seconds_is_none_and_one_without_end_weighs_more() {
        assert!(found(9, 9, 0, StallPlace::Middle).is_empty());
        assert_eq!(
            found(12, 0, 0, StallPlace::Start)[0].severity,
            Severity::Low
        );
        assert_eq!(
            found(12, 0, 0, StallPlace::End)[0].severity,
            Severity::Medium
        );
    }
}
