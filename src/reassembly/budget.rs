//! Memory limits that all flows share, and the warnings for those that were reached.

use crate::model::{FrameRef, Limits, Warning, WarningCode};

/// Bytes in use against their limits, and how often each limit was reached.
#[derive(Debug)]
pub(super) struct Budget {
    held: usize,
    held_limit: usize,
    history: usize,
    history_limit: usize,
    /// Limit on held bytes of one direction whose other direction is not captured.
    pub(super) held_one_sided: usize,
    /// Holes declared gaps because too much was held.
    pub(super) forced_gaps: LimitHits,
    /// Flows not followed because the table was full.
    pub(super) refused_flows: LimitHits,
    /// Connections with an unanswered SYN, evicted for others.
    pub(super) evicted_half_open: LimitHits,
    /// Connections with one captured side, evicted for others.
    pub(super) evicted_one_sided: LimitHits,
}

/// Occasions on which a limit was reached.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LimitHits {
    count: u64,
    /// `None` while `count` is 0.
    first: Option<FrameRef>,
}

impl LimitHits {
    /// Counts one more occasion.
    pub(super) fn record(&mut self, frame: FrameRef) {
        self.count += 1;
        self.first.get_or_insert(frame);
    }
}

impl Budget {
    /// Creates a budget of which nothing is used.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            held: 0,
            held_limit: limits.held_bytes,
            history: 0,
            history_limit: limits.history_bytes,
            held_one_sided: limits.held_bytes_one_sided,
            forced_gaps: LimitHits::default(),
            refused_flows: LimitHits::default(),
            evicted_half_open: LimitHits::default(),
            evicted_one_sided: LimitHits::default(),
        }
    }

    /// Accounts for a piece of `bytes` that is held from now on.
    pub(super) fn hold(&mut self, bytes: usize) {
        // Overhead counts: an attacker may send a million pieces of one byte each, which take far more than a megabyte.
        self.held = self.held.saturating_add(bytes).saturating_add(OVERHEAD);
    }

    /// Accounts for a piece of `bytes` that is no longer held.
    pub(super) fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes).saturating_sub(OVERHEAD);
    }

    /// Returns the memory of held pieces in bytes.
    #[cfg(test)]
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Returns the memory of histories in bytes.
    #[cfg(test)]
    pub(super) const fn history(&self) -> usize {
        self.history
    }

    /// Returns whether more is held than the limit allows.
    pub(super) const fn is_over_limit(&self) -> bool {
        self.held > self.held_limit
    }

    /// Returns whether flows have given back enough held bytes.
    pub(super) const fn is_relieved(&self) -> bool {
        // An eighth below the limit, or the next segment would start the search for the largest holders again.
        self.held <= self.held_limit / 8 * 7
    }

    /// Reserves `bytes` of history; returns false, and reserves nothing, beyond the limit.
    pub(super) fn reserve_history(&mut self, bytes: usize) -> bool {
        let wanted = self.history.saturating_add(bytes);
        if wanted > self.history_limit {
            return false;
        }
        self.history = wanted;
        true
    }

    /// Gives back `bytes` of history.
    pub(super) fn release_history(&mut self, bytes: usize) {
        self.history = self.history.saturating_sub(bytes);
    }

    /// Returns a warning for each limit that was reached.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let warning = |hits: LimitHits, message: &str| {
            (hits.count > 0).then(|| Warning {
                code: WarningCode::LimitReached,
                message: message.into(),
                count: hits.count,
                frame: hits.first,
            })
        };
        let held = warning(
            self.forced_gaps,
            "too many TCP bytes waited for missing segments; what was missing was given up early and counts as missing",
        );
        let flows = warning(
            self.refused_flows,
            "too many TCP connections at once; segments of further ones were not read",
        );
        let half_open = warning(
            self.evicted_half_open,
            "too many TCP connections at once that nobody answered; the oldest count as unanswered",
        );
        let one_sided = warning(
            self.evicted_one_sided,
            "too many TCP connections at once; those of which only one side was heard were given up first",
        );
        [held, flows, half_open, one_sided]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Approximate cost of a held piece beside its bytes: map entry and allocation.
const OVERHEAD: usize = 128;
