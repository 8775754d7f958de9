//! The first bytes of contents, kept until there are enough to tell what they are: bounded for each, and for all together.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

/// How much all contents together keep of their first bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllFirstBytes(Rc<Cell<usize>>);

/// The first bytes of one content.
#[derive(Debug, Default)]
pub(crate) struct FirstBytes {
    bytes: Vec<u8>,
    all: AllFirstBytes,
}

impl FirstBytes {
    /// First bytes that count for all of them.
    pub(crate) fn among(all: &AllFirstBytes) -> Self {
        Self {
            bytes: Vec::new(),
            all: all.clone(),
        }
    }

    /// Keeps more bytes, of which there may be `most` in all. False where all contents together hold so much that this one
    /// has to do with what is there.
    pub(crate) fn keep(&mut self, more: &[u8], most: usize) -> bool {
        let (kept, room) = (self.bytes.len(), self.bytes.capacity());
        if room - kept < more.len() {
            let wanted = (kept + more.len()).next_power_of_two().min(most);
            let held = self.all.0.get() + wanted - room;
            if held > ALL && wanted > ALWAYS {
                return false;
            }
            self.bytes.reserve_exact(wanted - kept);
            self.all.0.set(held);
        }
        self.bytes.extend_from_slice(more);
        true
    }

    /// Lets go of them.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let held = self.all.0.get();
        self.all.0.set(held.saturating_sub(self.bytes.capacity()));
        std::mem::take(&mut self.bytes)
    }
}

impl Deref for FirstBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for FirstBytes {
    fn drop(&mut self) {
        self.take();
    }
}

/// First bytes held of all contents together: of 1,000 files that begin at the same time all that is wanted.
const ALL: usize = 4 << 20;
/// So many of each are kept at any rate.
const ALWAYS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 4096;

    #[test]
    fn all_together_are_bounded_and_what_is_let_go_of_makes_room() {
        let all = AllFirstBytes::default();
        let mut many: Vec<_> = (0..3000).map(|_| FirstBytes::among(&all)).collect();
        let whole = many
            .iter_mut()
            .filter_map(|one| one.keep(&[7; 3000], MOST).then_some(()));
        assert_eq!(whole.count(), ALL / MOST);
        let last = many.last_mut().expect("many");
        assert!(last.keep(&[7; 500], MOST));
        assert!(!last.keep(&[7; 500], MOST));
        assert_eq!(last.len(), 500);
        many.drain(..2);
        let last = many.last_mut().expect("many");
        assert!(last.keep(&[7; 500], MOST));
        assert_eq!(last.len(), 1000);
        drop(many);
        assert_eq!(all.0.get(), 0);
    }
}
