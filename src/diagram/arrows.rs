//! Arrows in the order in which they stand, before they are made.

use super::model::Levels;

/// What arrows are made of, in order once it is all there.
pub(super) struct Arrows<S> {
    places: Vec<Place<S>>,
    counts: Counts,
}

/// Rows that arrows have, with the smaller headings in front of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Arrows that are not of single packets.
    pub(super) others: usize,
    /// Headings in front of those. The one above may say the same: then there is none.
    pub(super) headings: usize,
    /// Arrows of single packets, with their headings.
    pub(super) packets: usize,
}

struct Place<S> {
    frame: u64,
    /// Place among those of the same frame.
    order: u8,
    source: S,
}

impl<S> Arrows<S> {
    /// One more; `heading` where a smaller heading stands in front of it.
    pub(super) fn push(
        &mut self,
        (frame, order): (u64, u8),
        levels: Levels,
        heading: bool,
        source: impl Into<S>,
    ) {
        if levels == Levels::PACKETS {
            self.counts.packets += 1 + usize::from(heading);
        } else {
            self.counts.others += 1;
            self.counts.headings += usize::from(heading);
        }
        self.places.push(Place {
            frame,
            order,
            source: source.into(),
        });
    }

    /// Puts them in order; those of one place stay as they were pushed.
    pub(super) fn sort(&mut self) {
        self.places.sort_by_key(|place| (place.frame, place.order));
    }

    /// How many rows they have.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// What they are made of.
    pub(super) fn sources(&self) -> impl Iterator<Item = &S> {
        self.places.iter().map(|place| &place.source)
    }
}

impl<S> Default for Arrows<S> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            counts: Counts::default(),
        }
    }
}
