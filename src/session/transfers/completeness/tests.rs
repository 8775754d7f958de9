//! Judgements from one set of facts each.

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
