//! A few things that are numbered as they begin, and found by their numbers while they are open.

use std::collections::VecDeque;

/// Values by number. Mostly the highest number comes and the lowest goes, and of most sessions there are one or two at a
/// time: a sorted queue for so few takes a third of what a node of a tree does.
#[derive(Debug)]
pub(crate) struct ByNumber<V> {
    /// In the order of their numbers.
    entries: VecDeque<(u64, V)>,
}

impl<V> ByNumber<V> {
    /// Adds a value, or puts it in the place of the one with this number.
    pub(crate) fn insert(&mut self, number: u64, value: V) {
        match self.position(number) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) if at == self.entries.len() => self.entries.push_back((number, value)),
            Err(at) => self.entries.insert(at, (number, value)),
        }
    }

    /// Takes the value with this number out.
    pub(crate) fn remove(&mut self, number: u64) -> Option<V> {
        let at = self.position(number).ok()?;
        self.entries.remove(at).map(|(_, value)| value)
    }

    /// The value with this number.
    pub(crate) fn get(&self, number: u64) -> Option<&V> {
        let at = self.position(number).ok()?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// The value with this number, to be changed.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut V> {
        let at = self.position(number).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Whether there is a value with this number.
    pub(crate) fn contains(&self, number: u64) -> bool {
        self.position(number).is_ok()
    }

    /// The numbers, the lowest first.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|(number, _)| *number)
    }

    /// The values by number, the lowest first.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Mostly the last is asked for, or one that is still to come.
    #[inline]
    fn position(&self, number: u64) -> Result<usize, usize> {
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
    fn values_are_found_by_number_in_whatever_order_they_come_and_go() {
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
