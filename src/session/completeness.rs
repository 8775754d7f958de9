//! Whether a file is whole, and on what evidence.
//!
//! Stream mode ends a file with the close of the data connection (RFC 959 section 3.4.1), so a file is whole when its sender
//! said FIN, nothing before that is missing, the server confirmed it, and no known size contradicts. Everything else has a
//! name of its own, in the order of the report's contract.

use super::title::thousands;
use crate::model::FrameRef;
use crate::model::record::Completeness;

/// What is known of one transfer when it is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// A data connection carried it, or could have.
    pub(super) connected: bool,
    /// Payload bytes captured.
    pub(super) bytes: u64,
    /// Bytes known to be missing.
    pub(super) missing: u64,
    /// The first byte of the stream is known to be the first byte sent.
    pub(super) start_known: bool,
    /// The sender's FIN, all before it seen or known to be missing.
    pub(super) sender_fin: Option<FrameRef>,
    /// That was no FIN but the mark of the file's end in MODE B or C.
    pub(super) end_marked: bool,
    /// The sender's RST.
    pub(super) sender_reset: Option<FrameRef>,
    /// The receiver's first FIN or RST.
    pub(super) receiver_end: Option<FrameRef>,
    /// Code, first line and frame of the final reply.
    pub(super) answer: Option<(u16, String, FrameRef)>,
    /// ABOR was sent before the final reply.
    pub(super) abor: Option<FrameRef>,
    /// The byte count on the wire is that of the file (TYPE I in stream mode).
    pub(super) size_counts: bool,
    /// The bytes on the wire are TLS records: neither their number nor their end is that of the file.
    pub(super) encrypted: bool,
    /// From REST.
    pub(super) restart: u64,
    /// What the server said it would be, and where it said so.
    pub(super) announced: Option<(u64, &'static str)>,
    /// What else was said of the size.
    pub(super) stated: Vec<Stated>,
}

/// A size that somebody told beside the announced one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stated {
    /// As told.
    pub(super) bytes: u64,
    /// Where, for a sentence.
    pub(super) place: String,
    /// What it is worth.
    pub(super) weight: Weight,
}

/// What a told size is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Of the whole file, exactly: it can contradict.
    Whole,
    /// Free text, a reservation, a count by other rules: evidence only.
    Hint,
    /// Tenths of 1,024 bytes of what is sent, rounded: evidence only.
    TenthsOfKilobyte,
}

/// The verdict on one transfer, with its reasons.
pub(super) fn judge(facts: &Facts) -> (Completeness, Vec<String>) {
    let mut evidence = Vec::new();
    let mut size = compare_size(facts, &mut evidence);
    if compare_stated(facts, &mut evidence) && size == Size::Unknown {
        size = Size::Other;
    }
    // With TLS either side may close as soon as the other said that it is done (RFC 5246 section 7.2.1).
    let closed_early = facts
        .receiver_end
        .filter(|_| !facts.encrypted)
        .filter(|end| {
            facts.sender_fin.is_none_or(|fin| end.number < fin.number)
                && facts
                    .sender_reset
                    .is_none_or(|reset| end.number < reset.number)
        });
    tell_answer(facts, &mut evidence);
    tell_stream(facts, closed_early, &mut evidence);
    let refused = facts.answer.as_ref().is_some_and(|(code, ..)| *code >= 400);
    let confirmed = facts
        .answer
        .as_ref()
        .is_some_and(|(code, ..)| matches!(code, 226 | 250));
    let reset_at_size = facts.sender_reset.is_some() && (size == Size::Equal || facts.encrypted);
    let completeness = if facts.missing > 0 {
        Completeness::Gaps
    } else if refused || facts.abor.is_some() || closed_early.is_some() {
        Completeness::Aborted
    } else if facts.connected
        && ((facts.sender_fin.is_none() && !reset_at_size) || size == Size::Fewer)
    {
        Completeness::Truncated
    } else if facts.connected
        && confirmed
        && !facts.encrypted
        && size != Size::Other
        && (facts.start_known || size == Size::Equal)
    {
        Completeness::Complete
    } else {
        Completeness::Unverifiable
    };
    (completeness, evidence)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Unknown,
    Equal,
    Fewer,
    Other,
}

/// Holds the bytes against what the server announced. With REST some servers name the whole file, some the rest.
fn compare_size(facts: &Facts, evidence: &mut Vec<String>) -> Size {
    let Some((announced, place)) = facts.announced else {
        return Size::Unknown;
    };
    if !facts.connected || facts.encrypted {
        return Size::Unknown;
    }
    let rest = announced.saturating_sub(facts.restart);
    let seen = facts.bytes.saturating_add(facts.missing);
    let said = thousands(announced);
    if seen == announced || (facts.restart > 0 && seen == rest) {
        evidence.push(format!("{place} said {said} bytes: equal"));
        return Size::Equal;
    }
    if !facts.size_counts {
        evidence.push(format!(
            "{place} said {said} bytes; on the wire line ends and modes make it another number"
        ));
        return Size::Unknown;
    }
    let seen_text = thousands(seen);
    if seen < rest {
        evidence.push(format!("{place} said {said} bytes, {seen_text} were seen"));
        Size::Fewer
    } else {
        evidence.push(format!(
            "{place} said {said} bytes, but {seen_text} were seen"
        ));
        Size::Other
    }
}

/// Holds the bytes against everything else that was said; true where an exact size of the whole file is another one.
fn compare_stated(facts: &Facts, evidence: &mut Vec<String>) -> bool {
    let mut contradicted = false;
    if !facts.connected {
        return false;
    }
    let seen = facts.bytes.saturating_add(facts.missing);
    let seen_text = thousands(seen);
    for Stated {
        bytes,
        place,
        weight,
    } in &facts.stated
    {
        if *weight == Weight::TenthsOfKilobyte {
            let said = format!(
                "{place} said {}.{} kbytes",
                thousands(bytes / 10),
                bytes % 10
            );
            // Rounded to the nearest tenth, so at most half a tenth off.
            let agrees = bytes.saturating_mul(1024).abs_diff(seen.saturating_mul(10)) <= 512;
            evidence.push(if agrees {
                format!("{said}: agrees")
            } else {
                format!("{said}, {seen_text} bytes were seen")
            });
            continue;
        }
        let said = format!("{place} said {} bytes", thousands(*bytes));
        let rest = bytes.checked_sub(facts.restart);
        if seen == *bytes || (facts.restart > 0 && rest == Some(seen)) {
            evidence.push(format!("{said}: equal"));
        } else if facts.size_counts {
            evidence.push(format!("{said}, but {seen_text} were seen"));
            contradicted |= *weight == Weight::Whole;
        } else {
            evidence.push(format!("{said}, {seen_text} were seen"));
        }
    }
    contradicted
}

fn tell_answer(facts: &Facts, evidence: &mut Vec<String>) {
    match &facts.answer {
        Some((code, text, frame)) => evidence
            .push(format!("final reply {code} {text} (frame {})", frame.number).replace("  ", " ")),
        None => evidence.push("no final reply in the capture".to_owned()),
    }
    if let Some(frame) = facts.abor {
        evidence.push(format!(
            "ABOR sent before the final reply (frame {})",
            frame.number
        ));
    }
}

fn tell_stream(facts: &Facts, closed_early: Option<FrameRef>, evidence: &mut Vec<String>) {
    if !facts.connected {
        evidence.push("no data connection in the capture".to_owned());
        return;
    }
    if facts.encrypted {
        evidence.push("encrypted: the bytes captured are TLS records".to_owned());
    }
    if facts.missing > 0 {
        evidence.push(format!(
            "{} bytes are missing in the capture",
            thousands(facts.missing)
        ));
    } else {
        evidence.push("no gap in the stream".to_owned());
    }
    if !facts.start_known {
        evidence.push("the opening of the data connection was not captured".to_owned());
    }
    if let Some(frame) = closed_early {
        evidence.push(format!(
            "the receiver closed it before the sender's FIN (frame {})",
            frame.number
        ));
    }
    match (facts.sender_fin, facts.sender_reset) {
        (Some(frame), _) if facts.end_marked => evidence.push(format!(
            "the sender marked the end of the file (frame {}) and kept the connection",
            frame.number
        )),
        (Some(frame), _) => evidence.push(format!("FIN from the sender (frame {})", frame.number)),
        (None, Some(frame)) => {
            evidence.push(format!("RST from the sender (frame {})", frame.number));
        }
        (None, None) => evidence.push("no FIN from the sender".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64) -> FrameRef {
        FrameRef {
            number,
            ..FrameRef::default()
        }
    }

    fn whole() -> Facts {
        Facts {
            connected: true,
            bytes: 1715,
            start_known: true,
            sender_fin: Some(frame(50)),
            answer: Some((226, "Transfer complete.".into(), frame(60))),
            size_counts: true,
            ..Facts::default()
        }
    }

    fn verdict(facts: &Facts) -> Completeness {
        judge(facts).0
    }

    #[test]
    fn fin_and_226_make_it_complete_with_or_without_a_known_size() {
        assert_eq!(verdict(&whole()), Completeness::Complete);
        assert_eq!(
            verdict(&Facts {
                announced: Some((1715, "150")),
                ..whole()
            }),
            Completeness::Complete
        );
        assert!(
            judge(&whole())
                .1
                .contains(&"FIN from the sender (frame 50)".to_owned())
        );
    }

    #[test]
    fn gaps_come_first() {
        let facts = Facts {
            missing: 1,
            answer: Some((426, String::new(), frame(1))),
            ..whole()
        };
        assert_eq!(verdict(&facts), Completeness::Gaps);
    }

    #[test]
    fn refusal_abor_and_an_early_close_abort() {
        assert_eq!(
            verdict(&Facts {
                answer: Some((550, "no".into(), frame(1))),
                connected: false,
                ..whole()
            }),
            Completeness::Aborted
        );
        assert_eq!(
            verdict(&Facts {
                abor: Some(frame(40)),
                ..whole()
            }),
            Completeness::Aborted
        );
        assert_eq!(
            verdict(&Facts {
                receiver_end: Some(frame(40)),
                ..whole()
            }),
            Completeness::Aborted
        );
        assert_eq!(
            verdict(&Facts {
                receiver_end: Some(frame(51)),
                ..whole()
            }),
            Completeness::Complete
        );
    }

    #[test]
    fn what_is_encrypted_cannot_be_verified_whatever_its_size() {
        let encrypted = Facts {
            encrypted: true,
            announced: Some((1700, "150")),
            receiver_end: Some(frame(40)),
            ..whole()
        };
        let (completeness, evidence) = judge(&encrypted);
        assert_eq!(completeness, Completeness::Unverifiable);
        assert!(evidence.iter().any(|text| text.starts_with("encrypted")));
        assert_eq!(
            verdict(&Facts {
                missing: 1,
                ..encrypted
            }),
            Completeness::Gaps
        );
    }

    #[test]
    fn without_fin_or_with_fewer_bytes_it_is_truncated() {
        assert_eq!(
            verdict(&Facts {
                sender_fin: None,
                ..whole()
            }),
            Completeness::Truncated
        );
        assert_eq!(
            verdict(&Facts {
                announced: Some((9999, "150")),
                ..whole()
            }),
            Completeness::Truncated
        );
    }

    #[test]
    fn a_reset_counts_as_an_end_once_the_announced_size_was_reached() {
        let facts = Facts {
            sender_fin: None,
            sender_reset: Some(frame(50)),
            ..whole()
        };
        assert_eq!(verdict(&facts), Completeness::Truncated);
        assert_eq!(
            verdict(&Facts {
                announced: Some((1715, "SIZE")),
                ..facts
            }),
            Completeness::Complete
        );
    }

    #[test]
    fn restart_offsets_are_allowed_for_both_ways() {
        let resumed = Facts {
            restart: 1000,
            ..whole()
        };
        assert_eq!(
            verdict(&Facts {
                announced: Some((2715, "150")),
                ..resumed.clone()
            }),
            Completeness::Complete
        );
        assert_eq!(
            verdict(&Facts {
                announced: Some((1715, "150")),
                ..resumed.clone()
            }),
            Completeness::Complete
        );
        assert_eq!(
            verdict(&Facts {
                announced: Some((5000, "150")),
                ..resumed
            }),
            Completeness::Truncated
        );
    }

    #[test]
    fn sizes_do_not_count_in_ascii_and_too_many_bytes_cannot_be_verified() {
        let announced = Some((1700, "150"));
        assert_eq!(
            verdict(&Facts {
                announced,
                ..whole()
            }),
            Completeness::Unverifiable
        );
        assert_eq!(
            verdict(&Facts {
                announced,
                size_counts: false,
                ..whole()
            }),
            Completeness::Complete
        );
    }

    fn also(bytes: u64, weight: Weight) -> Facts {
        let place = "a listing".to_owned();
        Facts {
            stated: vec![Stated {
                bytes,
                place,
                weight,
            }],
            ..whole()
        }
    }

    #[test]
    fn an_exact_size_contradicts_unless_the_announced_one_agrees() {
        assert_eq!(verdict(&also(1715, Weight::Whole)), Completeness::Complete);
        assert_eq!(
            verdict(&also(1716, Weight::Whole)),
            Completeness::Unverifiable
        );
        assert_eq!(
            verdict(&Facts {
                announced: Some((1715, "the 150 reply")),
                ..also(1716, Weight::Whole)
            }),
            Completeness::Complete
        );
        assert_eq!(
            verdict(&Facts {
                size_counts: false,
                ..also(1716, Weight::Whole)
            }),
            Completeness::Complete
        );
        assert_eq!(
            verdict(&Facts {
                restart: 1000,
                ..also(2715, Weight::Whole)
            }),
            Completeness::Complete
        );
    }

    #[test]
    fn texts_and_reservations_are_evidence_only() {
        let (completeness, evidence) = judge(&also(9999, Weight::Hint));
        assert_eq!(completeness, Completeness::Complete);
        assert_eq!(
            evidence[0],
            "a listing said 9,999 bytes, but 1,715 were seen"
        );
        let (completeness, evidence) = judge(&also(17, Weight::TenthsOfKilobyte));
        assert_eq!(completeness, Completeness::Complete);
        assert_eq!(evidence[0], "a listing said 1.7 kbytes: agrees");
        let (_, evidence) = judge(&also(18, Weight::TenthsOfKilobyte));
        assert_eq!(
            evidence[0],
            "a listing said 1.8 kbytes, 1,715 bytes were seen"
        );
    }

    #[test]
    fn what_was_not_captured_cannot_be_verified() {
        assert_eq!(
            verdict(&Facts {
                answer: None,
                ..whole()
            }),
            Completeness::Unverifiable
        );
        assert_eq!(
            verdict(&Facts {
                start_known: false,
                ..whole()
            }),
            Completeness::Unverifiable
        );
        assert_eq!(
            verdict(&Facts {
                connected: false,
                sender_fin: None,
                ..whole()
            }),
            Completeness::Unverifiable
        );
        assert_eq!(
            verdict(&Facts {
                start_known: false,
                announced: Some((1715, "150")),
                ..whole()
            }),
            Completeness::Complete
        );
    }
}
