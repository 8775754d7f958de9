//! The completeness of a file, and the evidence for it.
//!
//! Stream mode ends a file with the close of the data connection (RFC 959 section 3.4.1), so a file is whole if its sender
//! sent FIN, nothing before that is missing, the server confirmed it, and no known size contradicts. Everything else has a
//! name of its own, in the order in which the report documents them.

use crate::model::FrameRef;
use crate::model::grouped;
use crate::model::record::Completeness;
use crate::session::transfers::facts::{Facts, Stated, Weight, Wrap};

/// Judges one transfer. Returns its completeness, and the evidence as sentences.
pub(crate) fn judge(facts: &Facts) -> (Completeness, Vec<String>) {
    let mut evidence = Vec::new();
    let mut size = compare_size(facts, &mut evidence);
    if compare_stated(facts, &mut evidence) && size == Size::Unknown {
        size = Size::Other;
    }
    // With TLS either side may close once the other has sent close_notify (RFC 5246 section 7.2.1), and a receiver that
    // inflates knows where the file ends.
    let closed_early = facts
        .ends
        .receiver_end
        .filter(|_| !facts.encrypted && !facts.end_in_content)
        .filter(|_| facts.ends.close_notify != Some(true))
        .filter(|end| {
            facts
                .ends
                .sender_fin
                .is_none_or(|fin| end.number < fin.number)
                && facts
                    .ends
                    .sender_reset
                    .is_none_or(|reset| end.number < reset.number)
        });
    add_answer(facts, &mut evidence);
    add_stream(facts, closed_early, &mut evidence);
    add_content(facts, &mut evidence);
    add_wrap(facts, &mut evidence);
    let refused = facts.answer.as_ref().is_some_and(|(code, ..)| *code >= 400);
    let confirmed = facts
        .answer
        .as_ref()
        .is_some_and(|(code, ..)| matches!(code, 226 | 250));
    let reset_at_size = facts.ends.sender_reset.is_some() && size == Size::Equal;
    // An end that is authenticated, which no FIN is.
    let said = facts.ends.close_notify == Some(true);
    let ended = facts.ends.sender_fin.is_some() || reset_at_size || said;
    let completeness = if facts.encrypted {
        // Of records that stay closed only the control connection proves anything.
        if refused || facts.abor.is_some() {
            Completeness::Aborted
        } else {
            Completeness::Unverifiable
        }
    } else if facts.missing > 0 {
        Completeness::Gaps
    } else if refused || facts.abor.is_some() || closed_early.is_some() {
        Completeness::Aborted
    } else if facts.connected && (!ended || size == Size::Fewer) {
        Completeness::Truncated
    } else if facts.connected
        && confirmed
        && size != Size::Other
        && facts.decoding_problem.is_none()
        && (facts.start_known || size == Size::Equal)
    {
        Completeness::Complete
    } else {
        Completeness::Unverifiable
    };
    (completeness, evidence)
}

/// Says what is uncertain about the number of missing bytes.
fn add_wrap(facts: &Facts, evidence: &mut Vec<String>) {
    match &facts.wrap {
        Some(Wrap::Proven {
            further,
            place,
            sole,
            ..
        }) => {
            let which = if *sole { "the gap" } else { "the largest gap; which one it is, is not certain" };
            evidence.push(format!(
                "sequence numbers wrap every 4 GiB: by {place} {} bytes more are missing than they show, counted in {which}",
                grouped(*further)
            ));
        }
        Some(Wrap::Ambiguous) => evidence.push(
            "sequence numbers wrap every 4 GiB and no size was stated: a multiple of 4,294,967,296 bytes more may be missing"
                .to_owned(),
        ),
        None => {}
    }
}

/// Captured bytes compared with a stated size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// No size was stated, or not one that counts these bytes.
    Unknown,
    Equal,
    Fewer,
    Other,
}

/// Compares the bytes with the announced size. After REST some servers announce the whole file, some the rest.
fn compare_size(facts: &Facts, evidence: &mut Vec<String>) -> Size {
    let Some((announced, place)) = facts.sizes.announced else {
        return Size::Unknown;
    };
    if !facts.connected || facts.encrypted {
        return Size::Unknown;
    }
    let rest = announced.saturating_sub(facts.sizes.restart);
    let seen = facts.bytes.saturating_add(facts.missing);
    let said = grouped(announced);
    let is_stated = |size| size == announced || (facts.sizes.restart > 0 && size == rest);
    if is_stated(seen) {
        evidence.push(format!("{place} said {said} bytes: equal"));
        return Size::Equal;
    }
    if announced == 0 {
        evidence.push(format!(
            "{place} said 0 bytes, as servers do where they do not know"
        ));
        return Size::Unknown;
    }
    if let Some(own) = facts.sizes.own_size.filter(|_| facts.missing == 0) {
        if is_stated(own.bytes) {
            evidence.push(format!("{place} said {said} bytes: equal to {}", own.of));
            return Size::Equal;
        }
        if own.exact {
            let has = grouped(own.bytes);
            evidence.push(format!(
                "{place} said {said} bytes, but {} has {has}",
                own.of
            ));
            return if own.bytes < rest {
                Size::Fewer
            } else {
                Size::Other
            };
        }
    }
    if !facts.sizes.size_counts {
        evidence.push(format!(
            "{place} said {said} bytes; on the wire line ends and modes make it another number"
        ));
        return Size::Unknown;
    }
    let seen_text = grouped(seen);
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

/// Compares the bytes with every other statement. Returns whether an exact size of the whole file contradicts.
fn compare_stated(facts: &Facts, evidence: &mut Vec<String>) -> bool {
    let mut contradicted = false;
    // The bytes of records that stay closed are not those of the file.
    if !facts.connected || facts.encrypted {
        return false;
    }
    let seen = facts.bytes.saturating_add(facts.missing);
    let seen_text = grouped(seen);
    for Stated {
        bytes,
        place,
        weight,
    } in &facts.sizes.stated
    {
        if *weight == Weight::TenthsOfKilobyte {
            let said = format!("{place} said {}.{} kbytes", grouped(bytes / 10), bytes % 10);
            // Rounded to the nearest tenth, so at most half a tenth off.
            let agrees = bytes.saturating_mul(1024).abs_diff(seen.saturating_mul(10)) <= 512;
            evidence.push(if agrees {
                format!("{said}: agrees")
            } else {
                format!("{said}, {seen_text} bytes were seen")
            });
            continue;
        }
        let said = format!("{place} said {} bytes", grouped(*bytes));
        let rest = bytes.checked_sub(facts.sizes.restart);
        let is_stated = |size| size == *bytes || (facts.sizes.restart > 0 && rest == Some(size));
        let own = facts
            .sizes
            .own_size
            .filter(|own| facts.missing == 0 && is_stated(own.bytes));
        if is_stated(seen) {
            evidence.push(format!("{said}: equal"));
        } else if let Some(own) = own {
            evidence.push(format!("{said}: equal to {}", own.of));
        } else if *bytes == 0 {
            evidence.push(format!("{said}, as servers do where they do not know"));
        } else if facts.sizes.size_counts {
            evidence.push(format!("{said}, but {seen_text} were seen"));
            contradicted |= *weight == Weight::Whole;
        } else {
            evidence.push(format!("{said}, {seen_text} were seen"));
        }
    }
    contradicted
}

/// Adds the final reply and ABOR to the evidence.
fn add_answer(facts: &Facts, evidence: &mut Vec<String>) {
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

/// Adds how the stream ended to the evidence.
fn add_stream(facts: &Facts, closed_early: Option<FrameRef>, evidence: &mut Vec<String>) {
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
            grouped(facts.missing)
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
    match (facts.ends.sender_fin, facts.ends.sender_reset) {
        (Some(frame), _) if facts.ends.end_marked => evidence.push(format!(
            "the sender marked the end of the file (frame {}) and kept the connection",
            frame.number
        )),
        (Some(frame), _) if facts.ends.fin_unseen => evidence.push(format!(
            "the FIN of the sender was not captured; the receiver acknowledged it (frame {})",
            frame.number
        )),
        (Some(frame), _) => evidence.push(format!("FIN from the sender (frame {})", frame.number)),
        (None, Some(frame)) => {
            evidence.push(format!("RST from the sender (frame {})", frame.number));
        }
        (None, None) => evidence.push("no FIN from the sender".to_owned()),
    }
    match facts.ends.close_notify {
        Some(true) => evidence.push("the sender ended TLS with close_notify".to_owned()),
        Some(false) => evidence.push("the sender did not end TLS with close_notify".to_owned()),
        None => {}
    }
}

/// Adds what the bytes show to the evidence.
fn add_content(facts: &Facts, evidence: &mut Vec<String>) {
    if let Some(problem) = &facts.decoding_problem {
        evidence.push(format!("decoding it: {problem}"));
    }
    if let Some(ends) = facts.line_ends.as_ref().filter(|_| !facts.encrypted) {
        let odd = [
            (ends.bare_line_feeds(), "LF alone"),
            (ends.bare_returns(), "CR alone"),
        ];
        let odd: Vec<String> = odd
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(*count)))
            .collect();
        if !odd.is_empty() {
            evidence.push(format!(
                "sent as text with {} line ends of CR LF, {}",
                grouped(ends.proper()),
                odd.join(", ")
            ));
        }
    }
    // Under TLS both ends speak.
    if facts.backward > 0 && !facts.encrypted {
        evidence.push(format!(
            "the receiver sent {} bytes too, which are none of it",
            grouped(facts.backward)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::transfers::facts::{SizeFacts, StreamEnds};

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
            answer: Some((226, "Transfer complete.".into(), frame(60))),
            ends: StreamEnds {
                sender_fin: Some(frame(50)),
                ..StreamEnds::default()
            },
            sizes: SizeFacts {
                size_counts: true,
                ..SizeFacts::default()
            },
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
                sizes: SizeFacts {
                    announced: Some((1715, "150")),
                    ..whole().sizes
                },
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
                ends: StreamEnds {
                    receiver_end: Some(frame(40)),
                    ..whole().ends
                },
                ..whole()
            }),
            Completeness::Aborted
        );
        assert_eq!(
            verdict(&Facts {
                ends: StreamEnds {
                    receiver_end: Some(frame(51)),
                    ..whole().ends
                },
                ..whole()
            }),
            Completeness::Complete
        );
    }

    #[test]
    fn what_is_encrypted_cannot_be_verified_whatever_its_size() {
        let encrypted = Facts {
            encrypted: true,
            ends: StreamEnds {
                receiver_end: Some(frame(40)),
                ..whole().ends
            },
            sizes: SizeFacts {
                announced: Some((1700, "150")),
                ..whole().sizes
            },
            ..whole()
        };
        let (completeness, evidence) = judge(&encrypted);
        assert_eq!(completeness, Completeness::Unverifiable);
        assert!(evidence.iter().any(|text| text.starts_with("encrypted")));
        for missing in [0, 1] {
            let answered = |code| Facts {
                missing,
                answer: Some((code, "Over.".into(), frame(60))),
                ends: StreamEnds::default(),
                sizes: SizeFacts::default(),
                encrypted: true,
                ..whole()
            };
            assert_eq!(verdict(&answered(226)), Completeness::Unverifiable);
            assert_eq!(verdict(&answered(426)), Completeness::Aborted);
        }
    }

    #[test]
    fn without_fin_or_with_fewer_bytes_it_is_truncated() {
        assert_eq!(
            verdict(&Facts {
                ends: StreamEnds {
                    sender_fin: None,
                    ..whole().ends
                },
                ..whole()
            }),
            Completeness::Truncated
        );
        assert_eq!(
            verdict(&Facts {
                sizes: SizeFacts {
                    announced: Some((9999, "150")),
                    ..whole().sizes
                },
                ..whole()
            }),
            Completeness::Truncated
        );
    }

    #[test]
    fn a_reset_counts_as_an_end_once_the_announced_size_was_reached() {
        let facts = Facts {
            ends: StreamEnds {
                sender_fin: None,
                sender_reset: Some(frame(50)),
                ..whole().ends
            },
            ..whole()
        };
        assert_eq!(verdict(&facts), Completeness::Truncated);
        assert_eq!(
            verdict(&Facts {
                sizes: SizeFacts {
                    announced: Some((1715, "SIZE")),
                    ..facts.sizes
                },
                ..facts
            }),
            Completeness::Complete
        );
    }

    #[test]
    fn restart_offsets_are_allowed_for_both_ways() {
        let resumed = Facts {
            sizes: SizeFacts {
                restart: 1000,
                ..whole().sizes
            },
            ..whole()
        };
        assert_eq!(
            verdict(&Facts {
                sizes: SizeFacts {
                    announced: Some((2715, "150")),
                    ..resumed.clone().sizes
                },
                ..resumed.clone()
            }),
            Completeness::Complete
        );
        assert_eq!(
            verdict(&Facts {
                sizes: SizeFacts {
                    announced: Some((1715, "150")),
                    ..resumed.clone().sizes
                },
                ..resumed.clone()
            }),
            Completeness::Complete
        );
        assert_eq!(
            verdict(&Facts {
                sizes: SizeFacts {
                    announced: Some((5000, "150")),
                    ..resumed.sizes
                },
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
                sizes: SizeFacts {
                    announced,
                    ..whole().sizes
                },
                ..whole()
            }),
            Completeness::Unverifiable
        );
        assert_eq!(
            verdict(&Facts {
                sizes: SizeFacts {
                    announced,
                    size_counts: false,
                    ..whole().sizes
                },
                ..whole()
            }),
            Completeness::Complete
        );
    }

    fn also(bytes: u64, weight: Weight) -> Facts {
        let place = "a listing".to_owned();
        Facts {
            sizes: SizeFacts {
                stated: vec![Stated {
                    bytes,
                    place,
                    weight,
                }],
                ..whole().sizes
            },
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
                sizes: SizeFacts {
                    announced: Some((1715, "the 150 reply")),
                    ..also(1716, Weight::Whole).sizes
                },
                ..also(1716, Weight::Whole)
            }),
            Completeness::Complete
        );
        assert_eq!(
            verdict(&Facts {
                sizes: SizeFacts {
                    size_counts: false,
                    ..also(1716, Weight::Whole).sizes
                },
                ..also(1716, Weight::Whole)
            }),
            Completeness::Complete
        );
        assert_eq!(
            verdict(&Facts {
                sizes: SizeFacts {
                    restart: 1000,
                    ..also(2715, Weight::Whole).sizes
                },
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
                ends: StreamEnds {
                    sender_fin: None,
                    ..whole().ends
                },
                ..whole()
            }),
            Completeness::Unverifiable
        );
        assert_eq!(
            verdict(&Facts {
                start_known: false,
                sizes: SizeFacts {
                    announced: Some((1715, "150")),
                    ..whole().sizes
                },
                ..whole()
            }),
            Completeness::Complete
        );
    }
}
