//! Sizes of a transfer that somebody told, and what each is worth.

use crate::model::record::TransferDirection;
use crate::session::transfers::transfer_state::TransferState;

/// A size that somebody told beside the announced one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stated {
    /// As told.
    pub(crate) bytes: u64,
    /// Where, for a sentence.
    pub(crate) place: String,
    /// What it is worth.
    pub(crate) weight: Weight,
}

/// What a told size is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Of the whole file, exactly: it can contradict.
    Whole,
    /// Free text, a reservation, a count by other rules: evidence only.
    Hint,
    /// Tenths of 1,024 bytes of what is sent, rounded: evidence only.
    TenthsOfKilobyte,
}

/// What else was said of the size of a transfer, with its weight.
pub(crate) fn stated(state: &TransferState, direction: TransferDirection) -> Vec<Stated> {
    let mut stated = Vec::new();
    let mut add = |bytes, place, weight| {
        stated.push(Stated {
            bytes,
            place,
            weight,
        });
    };
    if direction == TransferDirection::Download {
        if let Some(told) = state.size.as_ref().filter(|_| state.announced.is_some()) {
            let weight = if told.exact {
                Weight::Whole
            } else {
                Weight::Hint
            };
            add(told.size, "the reply to SIZE".to_owned(), weight);
        }
        if let Some(told) = &state.listed {
            let place = format!("the listing (frame {})", told.frame);
            add(told.size, place, Weight::Whole);
        }
        if let Some(tenths) = state.kilobytes {
            add(tenths, "the 150 reply".to_owned(), Weight::TenthsOfKilobyte);
        }
    }
    if let Some(bytes) = state.allocated {
        add(bytes, "ALLO".to_owned(), Weight::Hint);
    }
    if let Some(bytes) = state.moved {
        add(bytes, "the final reply".to_owned(), Weight::Hint);
    }
    stated
}
