//! Renderers of the answer: text for people, `JUnit` XML, GitHub workflow commands and summary, JSON.

pub mod github;
pub mod junit;
pub mod text;

use std::io::{self, Write};

use super::verdict::{Answer, Difference, Origin, Place};
use crate::report::json;

/// Writes the answer as one JSON document.
pub fn write_json(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    json::write_indented(answer, out)
}

/// Returns the JSON Schema of that document.
#[must_use]
pub fn json_schema() -> String {
    json::schema_text::<Answer>()
}

/// Returns the labels of the expected and the found value.
const fn labels(origin: Origin) -> (&'static str, &'static str) {
    match origin {
        Origin::Baseline => ("before", "now"),
        Origin::File | Origin::Rules | Origin::Findings => ("expected", "found"),
    }
}

/// Renders a difference in one line: `expected …, found … (frame 38 of run.pcap)`.
fn sentence(origin: Origin, difference: &Difference) -> String {
    let (expected, found) = labels(origin);
    let mut text = format!(
        "{expected} {}; {found} {}",
        difference.expected, difference.found
    );
    if let Some(place) = difference.place.as_ref().and_then(Place::words) {
        text.push_str(" in ");
        text.push_str(&place);
    }
    for cause in difference.because.iter().chain(&difference.advice) {
        text.push_str("; ");
        text.push_str(cause.trim_end_matches('.'));
    }
    text
}
