//! Every text of the diagrams once: sessions say much the same.
//!
//! The texts themselves go to a [`SpooledText`], as the list that stands behind the sessions. To find one again it is
//! remembered, up to a bound: then all are forgotten, and what is said again from there on gets a second number. A page
//! of a few sessions has each text once; one of very many has the usual ones now and then once more.

use std::collections::HashMap;
use std::io::{self, Write};

use foldhash::fast::RandomState;

use super::embed::Embedded;
use crate::model::wire_text::printable;
use crate::report::SpooledText;

/// Texts in the order in which they were first said. What cannot be seen or turns text around is written out.
#[derive(Debug)]
pub(super) struct Strings {
    /// The list as JSON, without its ends.
    list: SpooledText,
    count: usize,
    /// Only looked up, never listed.
    places: HashMap<Box<str>, usize, RandomState>,
    /// Bytes that `places` takes.
    remembered: usize,
    bound: usize,
    error: Option<io::Error>,
}

impl Strings {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            list: SpooledText::new(IN_MEMORY),
            count: 0,
            places: HashMap::default(),
            remembered: 0,
            bound: REMEMBERED,
            error: None,
        }
    }

    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> usize {
        let text = printable(text);
        if let Some(place) = self.places.get(text.as_ref()) {
            return *place;
        }
        let place = self.count;
        self.count += 1;
        if self.error.is_none() {
            self.error = self.append(&text).err();
        }
        let weight = text.len() + ENTRY;
        if self.remembered + weight > self.bound {
            self.places.clear();
            self.remembered = 0;
        }
        self.remembered += weight;
        self.places.insert(text.into(), place);
        place
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        if !self.list.is_empty() {
            self.list.write_all(b",")?;
        }
        Ok(serde_json::to_writer(Embedded(&mut self.list), text)?)
    }

    /// Writes the list of all of them. An error that came before comes out here.
    pub(super) fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.error {
            return Err(error);
        }
        out.write_all(b"[")?;
        self.list.copy(0, self.list.len(), out)?;
        out.write_all(b"]")
    }
}

/// A text of its own: what cannot be seen or turns text around is written out.
pub(super) fn text(text: &str) -> String {
    printable(text).into_owned()
}

/// Bytes of the list that stay in memory.
const IN_MEMORY: usize = 4 << 20;
/// Bytes of texts that are remembered.
const REMEMBERED: usize = 8 << 20;
/// Bytes that one takes beside its text: in the table, and for the allocator.
const ENTRY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(strings: Strings) -> Vec<String> {
        let mut out = Vec::new();
        strings.write(&mut out).expect("memory takes it");
        serde_json::from_slice(&out).expect("a list of texts")
    }

    #[test]
    fn each_text_has_one_number() {
        let mut strings = Strings::new();
        let numbers = ["one", "<two>", "one", "\u{202e}"].map(|text| strings.number(text));
        assert_eq!(numbers, [0, 1, 0, 2]);
        assert_eq!(list(strings), ["one", "<two>", "\\u{202e}"]);
        assert!(list(Strings::new()).is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_every_number_leads_to_its_text() {
        let mut strings = Strings {
            bound: 10 * (ENTRY + 4),
            ..Strings::new()
        };
        let said: Vec<String> = (0..200).map(|at| format!("{:04}", at % 50)).collect();
        let numbers: Vec<usize> = said.iter().map(|text| strings.number(text)).collect();
        assert!(strings.places.len() <= 10 && strings.remembered <= strings.bound);
        assert_eq!(strings.number("0049"), numbers[199]);
        let list = list(strings);
        for (text, number) in said.iter().zip(numbers) {
            assert_eq!(&list[number], text);
        }
    }
}
