//! Every text of the diagrams once: sessions say much the same.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::wire_text::printable;

/// Texts in the order in which they were first said. What cannot be seen or turns text around is written out.
#[derive(Debug, Default)]
pub(super) struct Strings {
    texts: Vec<String>,
    /// Only looked up, never listed.
    places: HashMap<String, usize, RandomState>,
}

impl Strings {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> usize {
        let text = printable(text);
        if let Some(place) = self.places.get(text.as_ref()) {
            return *place;
        }
        let place = self.texts.len();
        self.texts.push(text.clone().into_owned());
        self.places.insert(text.into_owned(), place);
        place
    }

    /// All of them.
    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}
