//! Connections of which nobody answered the SYN, or of which one side is not heard: a flood of them must not fill the table.

use std::collections::VecDeque;

use super::FlowSummary;
use crate::model::FlowKey;

/// The flows that began with a SYN, the oldest first; some of them were answered since.
#[derive(Debug, Default)]
pub(super) struct HalfOpen {
    flows: VecDeque<(u32, FlowKey)>,
}

impl HalfOpen {
    /// One more; where that is too many, the oldest, to be given up if it still is one.
    pub(super) fn push(&mut self, place: u32, key: FlowKey) -> Option<(u32, FlowKey)> {
        self.flows.push_back((place, key));
        if self.flows.len() > MOST {
            self.flows.pop_front()
        } else {
            None
        }
    }
}

/// True while one side was heard, and that without data.
pub(super) fn is_half_open(summary: &FlowSummary) -> bool {
    let [up, down] = &summary.half;
    summary.established.is_none()
        && (up.segments == 0 || down.segments == 0)
        && [up, down]
            .iter()
            .all(|half| half.first_data.is_none() && half.fin.is_none())
}

/// True while nothing came from one of the sides: so is all traffic with forged senders.
pub(super) fn is_one_sided(summary: &FlowSummary) -> bool {
    summary.half.iter().any(|half| half.segments == 0)
}

/// Flows that may be half open at once.
const MOST: usize = 16_384;
