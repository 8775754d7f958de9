//! Fields of a session or a transfer against what they may be.

use serde_json::Value;

use super::super::file::FieldExpectation;
use super::super::verdict::Difference;
use super::causes;
use super::subject::Subject;
use crate::model::record::Session;

/// What differs in a field of a session.
pub(super) fn session_field(
    field: &FieldExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let because = match field.path.first().map(String::as_str) {
        Some("login") => causes::of_session(session),
        Some("greeting") => causes::of_greeting(session),
        Some("tls") if session.tls.is_none() => {
            vec![
                "the session is not encrypted: no AUTH TLS was accepted and no TLS record was seen"
                    .to_owned(),
            ]
        }
        _ => Vec::new(),
    };
    let difference = difference(field, value);
    let difference = difference.map(|difference| {
        difference
            .because(because)
            .at(Some(subject.field(session, &field.path)))
    });
    difference.into_iter().collect()
}

/// What differs in a field of an object.
pub(super) fn difference(field: &FieldExpectation, object: &Value) -> Option<Difference> {
    let mut value = object;
    let mut null = None;
    for (depth, name) in field.path.iter().enumerate() {
        if value.is_null() && null.is_none() {
            null = Some(field.path.get(..depth).unwrap_or_default().join("."));
        }
        value = value.get(name).unwrap_or(&Value::Null);
    }
    if field.constraint.allows(value) {
        return None;
    }
    let name = field.name();
    let found = match null {
        Some(of) => format!("nothing: {of} is null"),
        None => field.constraint.found(value),
    };
    Some(Difference::new(
        format!("{name} {}", field.constraint.words()),
        found,
    ))
}
