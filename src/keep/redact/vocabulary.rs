//! Values to be replaced wherever they occur in a text.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Class;

/// Values by their text in lower case, found in any text in time that does not grow with their number.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    values: BTreeMap<Box<[u8]>, Class>,
    /// One bit for each first byte of a value: most bytes of a text begin none, and need no search.
    first: [u64; 4],
    longest: usize,
}

impl Vocabulary {
    /// Adds a value. One of several classes belongs to the first of them.
    pub(super) fn add(&mut self, value: &[u8], class: Class) {
        if value.len() > LONGEST || self.values.len() >= VALUES {
            return;
        }
        let value = value.to_ascii_lowercase();
        let Some(&first) = value.first() else {
            return;
        };
        self.first[usize::from(first >> 6)] |= 1 << (first & 63);
        self.longest = self.longest.max(value.len());
        let known = self.values.entry(value.into()).or_insert(class);
        *known = class.min(*known);
    }

    /// Iterates over the values of a class.
    pub(super) fn of(&self, class: Class) -> impl Iterator<Item = &[u8]> {
        let values = self.values.iter();
        values
            .filter(move |(_, of)| **of == class)
            .map(|(value, _)| &**value)
    }

    /// Finds the longest value with which `text[at..]` begins, and returns its length and class.
    ///
    /// A short value and a number count as a whole word only: as parts of other words and numbers they mean something else.
    pub(super) fn find(&self, text: &[u8], at: usize) -> Option<(usize, Class)> {
        let first = text.get(at)?.to_ascii_lowercase();
        if self.first[usize::from(first >> 6)] & (1 << (first & 63)) == 0 {
            return None;
        }
        let end = text.len().min(at + self.longest);
        let lower = text[at..end].to_ascii_lowercase();
        let mut window = &*lower;
        // The greatest value up to the window is the longest one, or shares only its beginning with it, and then only a value
        // within that beginning is left.
        while !window.is_empty() {
            let range = (Bound::Unbounded, Bound::Included(window));
            let (value, class) = self.values.range::<[u8], _>(range).next_back()?;
            let common = value.iter().zip(window).take_while(|(a, b)| a == b).count();
            if common == value.len() {
                if is_found(text, at, common, *class) {
                    return Some((common, *class));
                }
                window = &window[..common - 1];
            } else {
                window = &window[..common];
            }
        }
        None
    }
}

/// Returns whether an occurrence of a value counts.
fn is_found(text: &[u8], at: usize, length: usize, class: Class) -> bool {
    let value = &text[at..at + length];
    let least = match class {
        Class::Users => 3,
        _ => 4,
    };
    if length >= least && !value.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let is_inside = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    let behind = text.get(at + length);
    // "(2026 bytes)" is a size, whatever the folder is called.
    let is_size = text[at + length..].starts_with(b" byte");
    class == Class::Paths && !is_size && !is_inside(before) && !is_inside(behind)
}

/// Longest value that is looked for.
const LONGEST: usize = 4096;
/// Values that are looked for.
const VALUES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_value_is_found_whatever_its_case() {
        let mut vocabulary = Vocabulary::default();
        for value in ["read", "readme.txt", "readme", "ab", "2026"] {
            vocabulary.add(value.as_bytes(), Class::Paths);
        }
        vocabulary.add(b"mira", Class::Users);
        let find = |text: &str| {
            vocabulary
                .find(text.as_bytes(), 0)
                .map(|(length, _)| length)
        };
        assert_eq!(find("README.TXT (5 bytes)"), Some(10));
        assert_eq!(find("readme.tx"), Some(6));
        assert_eq!(find("reading"), Some(4));
        assert_eq!(find("rea"), None);
        assert_eq!(find("ab"), Some(2));
        assert_eq!(find("abc"), None);
        assert_eq!(find("2026 bytes"), None);
        assert_eq!(find("20260101"), None);
        assert_eq!(find("2026/"), Some(4));
        assert_eq!(vocabulary.find(b"admiral", 2), Some((4, Class::Users)));
    }
}
