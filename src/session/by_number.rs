//! A map for a few values that are numbered as they begin and found by number while they are open.

use std::collections::VecDeque;

/// Values by number.
///
/// A sorted queue, since the next value mostly has the highest number and the lowest is removed first. Most sessions
/// hold one or two values at a time, for which a queue takes a third of the memory of a tree node.
#[derive(Debug)]
pub(crate) struct ByNumber<V> {
    /// Ascending by number.
    entries: VecDeque<(u64, V)>,
}

impl<V> ByNumber<V> {
    /// Adds a value, or replaces the one with this number.
    pub(crate) fn insert(&mut self, number: u64, value: V) {
        match self.position(number) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) if at == self.entries.len() => self.entries.push_back((number, value)),
            Err(at) => self.entries.insert(at, (number, value)),
        }
    }

    /// Removes and returns the value with this number; `None` if there is none.
    pub(crate) fn remove(&mut self, number: u64) -> Option<V> {
        let at = self.position(number).ok()?;
        self.entries.remove(at).map(|(_, value)| value)
    }

    /// Returns the value with this number; `None` if there is none.
    pub(crate) fn get(&self, number: u64) -> Option<&V> {
        let at = self.position(number).ok()?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// Returns the value with this number for changes; `None` if there is none.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut V> {
        let at = self.position(number).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Returns whether there is a value with this number.
    pub(crate) fn contains(&self, number: u64) -> bool {
        self.position(number).is_ok()
    }

    /// Returns the numbers in ascending order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|(number, _)| *number)
    }

    /// Returns the values in ascending order of their numbers.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Returns the values for changes, in ascending order of their numbers.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the index of a number, or the index at which it would be inserted.
    #[inline]
    fn position(&self, number: u64) -> Result<usize, usize> {
        // Most look-ups are for the last value, or for one that is about to be added: no search.
        match self.entries.back() {
            Some((last, _)) if *last > number => self.search(number),
            Some((last, _)) if *last == number => Ok(self.entries.len() - 1),
            _ => Err(self.entries.len()),
        }
    }

    fn search(&self, number: u64) -> Result<usize, usize> {
        self.entries
            .binary_search_by_key(&number, |(known, _)| *known)
    }
}

impl<V> Default for ByNumber<V> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_any_order_of_insertion_and_removal() {
        let mut map = ByNumber::default();
        for (number, value) in [(3, 'c'), (7, 'g'), (5, 'e'), (1, 'a'), (7, 'G')] {
            map.insert(number, value);
        }
        assert_eq!(map.numbers().collect::<Vec<_>>(), [1, 3, 5, 7]);
        assert_eq!((map.get(7), map.get(4)), (Some(&'G'), None));
        assert_eq!((map.remove(5), map.remove(5)), (Some('e'), None));
        assert!(map.contains(3) && !map.contains(5));
        *map.get_mut(3).expect("it is there") = 'C';
        assert_eq!(map.values().collect::<String>(), "aCG");
        assert_eq!((map.len(), map.is_empty()), (3, false));
    }
}
