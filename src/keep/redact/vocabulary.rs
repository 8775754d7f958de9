//! Values to be replaced wherever they occur in a text.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::Class;

/// Values by their text in lower case.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    values: BTreeMap<Box<[u8]>, Class>,
    /// Values that count as a part of a word too; sorted at the first search after the last value.
    parts: OnceCell<Parts>,
    /// Length of the longest value that counts as a whole word only.
    longest_word: usize,
}

/// Values in order, with links to those that they begin with: the longest value at a place is found with one binary search and a
/// logarithmic number of links, whatever beginnings a hostile capture makes them share.
#[derive(Debug)]
struct Parts {
    nodes: Vec<Part>,
    /// One bit for each hash of the first bytes of a value: most places of a text begin none, and need no search.
    first: Box<[u64; FILTER_WORDS]>,
    longest: usize,
}

/// A value and its place among those that it begins with.
#[derive(Debug)]
struct Part {
    value: Box<[u8]>,
    class: Class,
    /// Index of the longest other value that it begins with; its own without any.
    parent: u32,
    /// Index of a shorter one, so that chains are short (Myers, An applicative random-access stack).
    jump: u32,
    /// Number of values that it begins with.
    depth: u32,
}

/// An occurrence of a value in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) class: Class,
}

/// Iterator over the occurrences in a part of a text, which do not overlap. Of several at one place it yields the longest.
#[derive(Clone)]
pub(super) struct Occurrences<'t> {
    vocabulary: &'t Vocabulary,
    text: &'t [u8],
    /// The part of the text in lower case, and where it begins.
    lower: Vec<u8>,
    base: usize,
    at: usize,
    end: usize,
    /// Next occurrence of a value that counts as a part of a word; `None` if there is none.
    part: Option<Occurrence>,
    /// `part` was searched; it holds while it is not passed.
    searched: bool,
}

impl Vocabulary {
    /// Adds a value. One of several classes belongs to the first of them.
    pub(super) fn add(&mut self, value: &[u8], class: Class) {
        if value.is_empty() || value.len() > LONGEST || self.values.len() >= VALUES {
            return;
        }
        let value = value.to_ascii_lowercase();
        if is_whole_word(&value, class) {
            self.longest_word = self.longest_word.max(value.len());
        }
        self.parts.take();
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

    /// Returns the class of a value, whatever its case; `None` if it is none.
    pub(super) fn class_of(&self, text: &[u8]) -> Option<Class> {
        if text.len() > LONGEST {
            return None;
        }
        self.values.get(&*text.to_ascii_lowercase()).copied()
    }

    /// Iterates over the values within `text[range]`.
    ///
    /// A short value and a number count as a whole word only: as parts of other words and numbers they mean something else.
    pub(super) fn occurrences<'t>(
        &'t self,
        text: &'t [u8],
        range: Range<usize>,
    ) -> Occurrences<'t> {
        let end = range.end.min(text.len());
        let base = range.start.min(end);
        Occurrences {
            vocabulary: self,
            text,
            lower: text[base..end].to_ascii_lowercase(),
            base,
            at: base,
            end,
            part: None,
            searched: false,
        }
    }

    /// Returns the length of the longest part of a path that begins at `at`, and behind which no word goes on.
    pub(super) fn longest_path_at(&self, text: &[u8], at: usize) -> Option<usize> {
        let window = text.get(at..)?;
        let lower = window[..window.len().min(LONGEST)].to_ascii_lowercase();
        let (length, class) = self.parts().longest_at(&lower)?;
        let goes_on = window.get(length).copied().is_some_and(is_word_byte);
        (class == Class::Paths && !goes_on).then_some(length)
    }

    fn parts(&self) -> &Parts {
        self.parts.get_or_init(|| {
            let parts = self.values.iter();
            Parts::new(parts.filter(|(value, class)| !is_whole_word(value, **class)))
        })
    }

    /// Returns the longest value that begins at `at`, ends before `end`, and is a word of `text`.
    fn word_at(&self, text: &[u8], at: usize, end: usize) -> Option<Occurrence> {
        if self.longest_word == 0 || (at > 0 && is_word_byte(text[at - 1])) {
            return None;
        }
        let found = |length: usize| {
            let to = at + length;
            if to > end || text.get(to).copied().is_some_and(is_word_byte) {
                return None;
            }
            let class = self.class_of(&text[at..to])?;
            // Users and hosts of few letters are words of any text.
            if class != Class::Paths && length < least(class) {
                return None;
            }
            is_whole_word(&text[at..to], class).then_some(Occurrence {
                from: at,
                to,
                class,
            })
        };
        let digits = text[at..end].iter().take(self.longest_word + 1);
        let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
        // "(2026 bytes)" is a size, whatever the folder is called.
        let is_size = text[at + digits..].starts_with(b" byte");
        if digits > 0
            && !is_size
            && let Some(number) = found(digits)
        {
            return Some(number);
        }
        (1..SHORTEST)
            .rev()
            .filter(|length| *length != digits)
            .find_map(found)
    }
}

impl Parts {
    /// Creates the list from values in ascending order.
    fn new<'v>(values: impl Iterator<Item = (&'v Box<[u8]>, &'v Class)>) -> Self {
        let mut parts = Self {
            nodes: Vec::new(),
            first: Box::new([0; FILTER_WORDS]),
            longest: 0,
        };
        // The values that the latest one begins with, and itself.
        let mut open: Vec<u32> = Vec::new();
        for (value, class) in values {
            while open
                .last()
                .is_some_and(|last| !value.starts_with(&parts.nodes[*last as usize].value))
            {
                open.pop();
            }
            let number = u32::try_from(parts.nodes.len()).unwrap_or(u32::MAX);
            let (parent, jump, depth) = match open.last() {
                None => (number, number, 0),
                Some(parent) => {
                    let node = &parts.nodes[*parent as usize];
                    let jump = &parts.nodes[node.jump as usize];
                    let far = &parts.nodes[jump.jump as usize];
                    let is_even = node.depth - jump.depth == jump.depth - far.depth;
                    let target = if is_even { jump.jump } else { *parent };
                    (*parent, target, node.depth + 1)
                }
            };
            open.push(number);
            if let Some(first) = value.first_chunk::<FIRST>() {
                let bit = filter_bit(*first);
                parts.first[bit / 64] |= 1 << (bit % 64);
            }
            parts.longest = parts.longest.max(value.len());
            parts.nodes.push(Part {
                value: value.clone(),
                class: *class,
                parent,
                jump,
                depth,
            });
        }
        parts
    }

    /// Returns the length and class of the longest value that `text`, in lower case, begins with.
    fn longest_at(&self, text: &[u8]) -> Option<(usize, Class)> {
        let bit = filter_bit(*text.first_chunk::<FIRST>()?);
        if self.first[bit / 64] & 1 << (bit % 64) == 0 {
            return None;
        }
        let window = text.get(..self.longest).unwrap_or(text);
        // Each value that the window begins with is one that the greatest value up to the window begins with, or that value itself.
        let next = self.nodes.partition_point(|node| &*node.value <= window);
        let mut node = self.nodes.get(next.checked_sub(1)?)?;
        let same = node.value.iter().zip(window).take_while(|(a, b)| a == b);
        let common = same.count();
        while node.value.len() > common {
            let jump = &self.nodes[node.jump as usize];
            if node.depth == 0 {
                return None;
            }
            node = if jump.value.len() > common {
                jump
            } else {
                &self.nodes[node.parent as usize]
            };
        }
        Some((node.value.len(), node.class))
    }
}

/// Returns the bit of the filter for the first bytes of a text.
fn filter_bit(first: [u8; FIRST]) -> usize {
    let [a, b, c] = first.map(usize::from);
    (a ^ b << 5 ^ c << 9) % (FILTER_WORDS * 64)
}

impl Iterator for Occurrences<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        if !self.searched || self.part.is_some_and(|part| part.from < self.at) {
            let parts = self.vocabulary.parts();
            self.searched = true;
            self.part = (self.at..self.end).find_map(|from| {
                let (length, class) = parts.longest_at(&self.lower[from - self.base..])?;
                let to = from + length;
                Some(Occurrence { from, to, class })
            });
        }
        let part = self.part;
        let limit = part.map_or(self.end, |part| part.from + 1);
        let word = (self.at..limit.min(self.end))
            .find_map(|at| self.vocabulary.word_at(self.text, at, self.end));
        let next = match (word, part) {
            (Some(word), Some(part)) if word.from == part.from && part.to >= word.to => Some(part),
            (Some(word), _) => Some(word),
            (None, part) => part,
        };
        self.at = next.map_or(self.end, |next| next.to);
        next
    }
}

/// Returns whether occurrences of a value count only where they are whole words.
fn is_whole_word(value: &[u8], class: Class) -> bool {
    value.len() < least(class) || value.iter().all(u8::is_ascii_digit)
}

/// Returns the length of the shortest value of a class that is found within words.
const fn least(class: Class) -> usize {
    match class {
        Class::Users => FIRST,
        _ => SHORTEST,
    }
}

/// Returns whether a byte is a part of a word.
pub(super) const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// First bytes of a value in the filter: a user of three letters is the shortest value found within words.
const FIRST: usize = 3;
const FILTER_WORDS: usize = 1 << 10;
/// Length of the shortest value that is found within words.
const SHORTEST: usize = 4;
/// Longest value that is looked for.
const LONGEST: usize = 4096;
/// Values that are looked for.
const VALUES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for value in ["read", "readme.txt", "readme", "ab", "2026"] {
            vocabulary.add(value.as_bytes(), Class::Paths);
        }
        vocabulary.add(b"mira", Class::Users);
        vocabulary
    }

    fn found(text: &str) -> Vec<&str> {
        let vocabulary = vocabulary();
        let occurrences = vocabulary.occurrences(text.as_bytes(), 0..text.len());
        occurrences.map(|one| &text[one.from..one.to]).collect()
    }

    #[test]
    fn the_longest_value_is_found_whatever_its_case() {
        for (text, values) in [
            ("README.TXT (5 bytes)", &["README.TXT"][..]),
            ("readme.tx", &["readme"]),
            ("reading", &["read"]),
            ("rea", &[]),
            ("ab, abc, cab: ab", &["ab", "ab"]),
            ("2026 bytes", &[]),
            ("20260101", &[]),
            ("2026/ab/readme", &["2026", "ab", "readme"]),
            ("admiral", &["mira"]),
        ] {
            assert_eq!(found(text), values, "{text}");
        }
    }

    #[test]
    fn values_that_share_beginnings_are_searched_in_linear_time() {
        let mut vocabulary = Vocabulary::default();
        for length in 4..1500 {
            let mut value = vec![b'a'; length];
            vocabulary.add(&value, Class::Paths);
            value.push(1);
            vocabulary.add(&value, Class::Users);
        }
        let text = [&[b'a'; 100][..], b"b"].concat().repeat(2000);
        let found = vocabulary.occurrences(&text, 0..text.len());
        assert!(found.clone().all(|one| one.to - one.from == 100));
        assert_eq!(found.count(), 2000);
    }
}
