//! `stalled-transfer`: an open data connection without a new byte for many seconds.

use super::{DataTrouble, Draft, StallPlace, display_name, step_number};
use crate::model::Span;
use crate::model::grouped;
use crate::model::record::{Finding, Opener, Session, Severity};

/// Reports long pauses, with the side that caused them.
pub(super) fn detect(session: &Session, evidence: &[DataTrouble], findings: &mut Vec<Finding>) {
    for item in evidence {
        let transfer = item.transfer().and_then(|id| session.transfer(id));
        if let Some(transfer) = transfer
            && let Some(draft) = draft(&transfer.verb, &display_name(transfer), item)
        {
            findings.push(draft.about(step_number(session, transfer.id), Some(transfer.id)));
        }
    }
}

/// Describes a pause in the transfer that `verb` made of `name`; `None` for other evidence, and for a pause that is none.
pub(super) fn draft(verb: &str, name: &str, item: &DataTrouble) -> Option<Draft<'static>> {
    let &DataTrouble::Stalled {
        sender,
        length,
        receiver_closed,
        sent_again,
        place,
        frames,
        ..
    } = item
    else {
        return None;
    };
    if length < MIN_STALL || length >= CLOCK_WAS_SET {
        return None;
    }
    let (sender, receiver) = match sender {
        Opener::Client => ("client", "server"),
        Opener::Server => ("server", "client"),
    };
    let seconds = length.seconds();
    let (first, last) = (frames[0], frames[1]);
    // A window that was closed only briefly does not explain the whole pause.
    let half = length.nanos() / 2;
    // A closed window explains the pause better than retransmissions: those may be the window probes.
    let (cause, advice) = if receiver_closed.nanos() > half {
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
    let lasts = matches!(place, StallPlace::End | StallPlace::Now);
    let severity = if lasts || length >= SEVERE_STALL {
        Severity::Medium
    } else {
        Severity::Low
    };
    let when = match place {
        StallPlace::Start => "before the first byte",
        StallPlace::Middle => "in the middle, and then it went on",
        StallPlace::End => "and it never went on",
        StallPlace::Now => {
            return Some(Draft {
                id: ID,
                severity,
                title: format!("{verb} {name} has stood still for {seconds:.1} s"),
                explanation: format!(
                    "The data connection of {verb} {name} is open, but no new byte has come for {seconds:.1} s, since frame {first}; {cause}."
                ),
                advice,
                frames: if first == last {
                    vec![first]
                } else {
                    frames.to_vec()
                },
            });
        }
    };
    Some(Draft {
        id: ID,
        severity,
        title: format!("{verb} {name} stood still for {seconds:.1} s"),
        explanation: format!(
            "The data connection of {verb} {name} was open, but no new byte came for {seconds:.1} s (frames {first} to {last}), {when}; {cause}."
        ),
        advice,
        frames: frames.to_vec(),
    })
}

/// Id of the finding.
pub(super) const ID: &str = "stalled-transfer";

/// Shortest pause reported. Busy servers and backed-off retransmission timers (RFC 6298 section 5.5) cause shorter ones.
pub(crate) const MIN_STALL: Span = Span::from_secs(10);

/// Pause that no connection survives: timers of servers and translators end it long before. The clock of the capturing
/// machine was set, or captures of different times were put together.
const CLOCK_WAS_SET: Span = Span::from_secs(86_400);

/// Pause from which on people give up.
const SEVERE_STALL: Span = Span::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{session, transfer};
    use crate::model::record::Completeness;

    fn found(seconds: i64, closed: i64, sent_again: u64, place: StallPlace) -> Vec<Finding> {
        let mut session = session();
        session.transfers = vec![transfer(Completeness::Complete).into()];
        let item = DataTrouble::Stalled {
            transfer: 1,
            sender: Opener::Server,
            length: Span::from_secs(seconds),
            receiver_closed: Span::from_secs(closed),
            sent_again,
            place,
            frames: [21, 25],
        };
        let mut findings = Vec::new();
        detect(&session, &[item], &mut findings);
        findings
    }

    #[test]
    fn closed_window_blames_the_receiver_and_silence_the_sender() {
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
    fn pause_that_lasts_is_reported_without_a_word_about_its_end() {
        let found = found(12, 0, 0, StallPlace::Now);
        assert_eq!(found[0].severity, Severity::Medium);
        assert_eq!(
            found[0].title,
            "RETR /pub/readme.txt has stood still for 12.0 s"
        );
        assert_eq!(
            found[0].explanation,
            "The data connection of RETR /pub/readme.txt is open, but no new byte has come for 12.0 s, since frame 21; the server sent nothing."
        );
    }

    #[test]
    fn clock_that_is_set_by_years_during_a_transfer_is_no_stall() {
        assert!(found(491_961_600, 0, 0, StallPlace::Middle).is_empty());
    }

    #[test]
    fn short_pause_reports_nothing_and_a_pause_without_end_is_more_severe() {
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
