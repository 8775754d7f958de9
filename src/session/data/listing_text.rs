//! The text of what may be a listing, kept while it passes: bounded for each, and for all that are open together.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

/// How much text all listings that are open hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListingTexts(Rc<Cell<usize>>);

/// The text of one listing.
#[derive(Debug, Default)]
pub(crate) struct ListingText {
    bytes: Vec<u8>,
    all: ListingTexts,
}

impl ListingText {
    /// A text that counts for all of them.
    pub(crate) fn among(all: &ListingTexts) -> Self {
        Self {
            bytes: Vec::new(),
            all: all.clone(),
        }
    }

    /// As much of `bytes` as there is room for: `most` for this one. True where that is all.
    pub(crate) fn push(&mut self, bytes: &[u8], most: usize) -> bool {
        let own = most.saturating_sub(self.bytes.len());
        let held = self.all.0.get();
        let room = own.min(ALL_TEXTS.saturating_sub(held)).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
        self.all.0.set(held + room);
        room == bytes.len()
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
        let held = self.all.0.get();
        self.all.0.set(held.saturating_sub(self.bytes.len()));
    }
}

/// Bytes held of all listings together.
const ALL_TEXTS: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_together_are_bounded_and_a_closed_one_makes_room() {
        let all = ListingTexts::default();
        let piece = vec![b'x'; 1 << 20];
        let mut texts: Vec<_> = (0..40).map(|_| ListingText::among(&all)).collect();
        let whole = texts
            .iter_mut()
            .filter_map(|text| text.push(&piece, usize::MAX).then_some(()));
        assert_eq!(whole.count(), ALL_TEXTS >> 20);
        let held: usize = texts.iter().map(|text| text.len()).sum();
        assert_eq!(held, ALL_TEXTS);
        texts.remove(0);
        assert!(texts.last_mut().expect("many").push(&piece, usize::MAX));
    }

    #[test]
    fn one_text_has_a_bound_of_its_own() {
        let mut text = ListingText::default();
        assert!(text.push(b"abc", 4));
        assert!(!text.push(b"def", 4));
        assert_eq!(&*text, b"abcd");
    }
}
