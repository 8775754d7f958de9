//! Every text of the diagrams once: sessions say much the same.

use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::RandomState;

use crate::model::wire_text::printable;

/// Texts in the order in which they were first said. What cannot be seen or turns text around is written out.
#[derive(Debug, Default)]
pub(super) struct Strings {
    texts: Vec<Rc<str>>,
    /// Only looked up, never listed.
    places: HashMap<Rc<str>, usize, RandomState>,
}

impl Strings {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> usize {
        let text = printable(text);
        if let Some(place) = self.places.get(text.as_ref()) {
            return *place;
        }
        let place = self.texts.len();
        let text: Rc<str> = text.into();
        self.texts.push(Rc::clone(&text));
        self.places.insert(text, place);
        place
    }

    /// All of them.
    pub(super) fn into_texts(self) -> Vec<Rc<str>> {
        self.texts
    }
}

/// A text of its own: what cannot be seen or turns text around is written out.
pub(super) fn text(text: &str) -> String {
    printable(text).into_owned()
}
