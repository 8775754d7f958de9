//! Text of what may be a listing, kept while it passes: bounded for each content, and for all open contents together.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

/// Memory that the texts of all open contents hold, in bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct ListingTextBudget(Rc<Cell<usize>>);

/// Text of one listing, without the bytes that are missing.
#[derive(Debug, Default)]
pub(super) struct ListingText {
    bytes: Vec<u8>,
    /// Text offsets at which bytes are missing, ascending, the first [`MAX_GAPS`] of them.
    gaps: Vec<usize>,
    /// A limit was exceeded: the text is incomplete, and no more is kept.
    is_cut: bool,
    budget: ListingTextBudget,
}

impl ListingText {
    /// Creates an empty text that counts against `budget`.
    pub(super) fn new(budget: &ListingTextBudget) -> Self {
        Self {
            bytes: Vec::new(),
            gaps: Vec::new(),
            is_cut: false,
            budget: budget.clone(),
        }
    }

    /// Appends as many bytes as the limits allow; `limit` is that of this text.
    pub(super) fn push(&mut self, bytes: &[u8], limit: usize) {
        // Once cut it stays cut, even if another text frees memory: a text with a hole in it cannot be parsed.
        if self.is_cut {
            return;
        }
        let own = limit.saturating_sub(self.bytes.len());
        let held = self.budget.0.get();
        let kept = own.min(MAX_HELD.saturating_sub(held)).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.budget.0.set(held + kept);
        self.is_cut = kept < bytes.len();
    }

    /// Records that bytes are missing after the text so far.
    pub(super) fn mark_gap(&mut self) {
        let end = self.bytes.len();
        if self.gaps.last() != Some(&end) && self.gaps.len() < MAX_GAPS {
            self.gaps.push(end);
        }
    }

    /// Returns the text offsets at which bytes are missing.
    pub(super) fn gaps(&self) -> &[usize] {
        &self.gaps
    }

    /// Returns whether a limit was exceeded.
    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }
}

impl Deref for ListingText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for ListingText {
    fn drop(&mut self) {
        let held = self.budget.0.get();
        self.budget.0.set(held.saturating_sub(self.bytes.len()));
    }
}

/// Bound in bytes on all texts together.
const MAX_HELD: usize = 32 << 20;

/// Bound on gaps kept of one text.
const MAX_GAPS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_together_are_bounded_and_a_dropped_text_frees_its_share() {
        let budget = ListingTextBudget::default();
        let piece = vec![b'x'; 1 << 20];
        let mut texts: Vec<_> = (0..40).map(|_| ListingText::new(&budget)).collect();
        for text in &mut texts {
            text.push(&piece, usize::MAX);
        }
        let whole = texts.iter().filter(|text| !text.is_cut());
        assert_eq!(whole.count(), MAX_HELD >> 20);
        let held: usize = texts.iter().map(|text| text.len()).sum();
        assert_eq!(held, MAX_HELD);
        texts.remove(0);
        let mut next = ListingText::new(&budget);
        next.push(&piece, usize::MAX);
        assert!(!next.is_cut());
    }

    #[test]
    fn a_text_is_cut_at_its_own_limit_and_stays_cut() {
        let mut text = ListingText::default();
        text.push(b"abc", 4);
        assert!(!text.is_cut());
        text.push(b"def", 4);
        text.push(b"g", 100);
        assert!(text.is_cut());
        assert_eq!(&*text, b"abcd");
    }
}
