//! What all flows together may keep in memory.

use crate::model::{FrameRef, Limits, Warning, WarningCode};

/// Bytes in use against their bounds, and how often a bound was reached.
#[derive(Debug)]
pub(super) struct Budget {
    held: usize,
    held_limit: usize,
    history: usize,
    history_limit: usize,
    /// Bound of one direction whose other side was not seen.
    pub(super) held_one_sided: usize,
    /// Holes that became gaps because too much was held.
    pub(super) forced_gaps: Reached,
    /// Flows that were not followed because the table was full.
    pub(super) refused_flows: Reached,
    /// Connections whose SYN was not answered and that were given up for others.
    pub(super) forgotten_openings: Reached,
    /// Connections of which one side was not heard and that were given up for others.
    pub(super) forgotten_one_sided: Reached,
}

/// How often a bound was reached, and where first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    /// How often.
    pub(super) count: u64,
    /// The first time.
    pub(super) first: Option<FrameRef>,
}

impl Reached {
    /// Counts one more.
    pub(super) fn note(&mut self, frame: FrameRef) {
        self.count += 1;
        self.first.get_or_insert(frame);
    }
}

impl Budget {
    /// Nothing in use.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            held: 0,
            held_limit: limits.held_bytes,
            history: 0,
            history_limit: limits.history_bytes,
            held_one_sided: limits.held_bytes_one_sided,
            forced_gaps: Reached::default(),
            refused_flows: Reached::default(),
            forgotten_openings: Reached::default(),
            forgotten_one_sided: Reached::default(),
        }
    }

    /// A piece of `bytes` is held now. What the piece costs beside its bytes counts too: a million pieces of one byte
    /// are not a megabyte.
    pub(super) fn hold(&mut self, bytes: usize) {
        self.held = self.held.saturating_add(bytes).saturating_add(PIECE);
    }

    /// A piece of `bytes` is held no longer.
    pub(super) fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes).saturating_sub(PIECE);
    }

    /// Memory of the pieces held.
    #[cfg(test)]
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Memory of histories.
    #[cfg(test)]
    pub(super) const fn history(&self) -> usize {
        self.history
    }

    /// True when more is held than may be.
    pub(super) const fn over(&self) -> bool {
        self.held > self.held_limit
    }

    /// True when so little is held that the next segment will not be over the bound.
    pub(super) const fn relieved(&self) -> bool {
        self.held <= self.held_limit / 8 * 7
    }

    /// Asks for `bytes` more of history.
    pub(super) fn take_history(&mut self, bytes: usize) -> bool {
        let wanted = self.history.saturating_add(bytes);
        if wanted > self.history_limit {
            return false;
        }
        self.history = wanted;
        true
    }

    /// Gives `bytes` of history back.
    pub(super) fn return_history(&mut self, bytes: usize) {
        self.history = self.history.saturating_sub(bytes);
    }

    /// The bounds that were reached.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let reached = |reached: Reached, message: &str| {
            (reached.count > 0).then(|| Warning {
                code: WarningCode::LimitReached,
                message: message.into(),
                count: reached.count,
                frame: reached.first,
            })
        };
        let held = reached(
            self.forced_gaps,
            "too many TCP bytes waited for missing segments; what was missing was given up early and counts as missing",
        );
        let flows = reached(
            self.refused_flows,
            "too many TCP connections at once; segments of further ones were not read",
        );
        let openings = reached(
            self.forgotten_openings,
            "too many TCP connections at once that nobody answered; the oldest count as unanswered",
        );
        let one_sided = reached(
            self.forgotten_one_sided,
            "too many TCP connections at once; those of which only one side was heard were given up first",
        );
        [held, flows, openings, one_sided]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// About what the map entry and the allocation of a held piece cost.
const PIECE: usize = 128;
