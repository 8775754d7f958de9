//! Update of an expectation file.
//!
//! Expectations that hold stay as they are written, with comments and patterns. Those that fail are replaced by the
//! values found. Rules are requirements, not records: they are never changed.

use serde_json::Value as Json;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, TableLike, Value};

use super::super::file::{Expectations, FieldExpectation, SessionExpectation};
use super::super::judge::{
    self, LoadedSession, Part, Row, SessionPairing, Subject, UpdatedStep, align,
};
use super::{list, quoted};
use crate::model::record::{Session, Transfer};
use crate::model::wire_text::printable;

/// An updated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// New content of the file.
    pub text: String,
    /// Changed lines after `-` and `+`, with context; empty if nothing changed.
    pub difference: String,
}

/// Updates `text`, from which `file` was parsed, with a report.
pub fn update(
    file: &Expectations,
    text: &str,
    subject: &Subject<'_>,
) -> Result<Updated, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let pairing = SessionPairing::find(file, subject);
    let mut gone = Vec::new();
    for (index, expected) in file.sessions.iter().enumerate() {
        let partner = pairing.partners.get(index).copied().flatten();
        match partner.and_then(|partner| subject.session_at(partner)) {
            Some(session) => {
                if let Some(table) = table_mut(document.get_mut("session"), index) {
                    update_session(table, expected, &session, subject);
                }
            }
            None => gone.push(index),
        }
    }
    // From the end, so that the indices before stay valid.
    for index in gone.into_iter().rev() {
        remove(document.as_table_mut(), "session", index);
    }
    if file.exactly {
        let record = |index| subject.record_at(index);
        let conditions = super::conditions(subject.session_count(), record);
        for other in &pairing.unpaired {
            let session = subject.record_at(*other);
            if let (Some(session), Some(condition)) = (session, conditions.get(*other)) {
                let mut text = String::from("\n");
                super::write_session(&session, condition.as_deref(), &mut text);
                append(document.as_table_mut(), &text);
            }
        }
    }
    let new = document.to_string();
    Ok(Updated {
        difference: difference(text, &new),
        text: new,
    })
}

fn update_session(
    table: &mut dyn TableLike,
    expected: &SessionExpectation,
    session: &LoadedSession,
    subject: &Subject<'_>,
) {
    for field in &expected.fields {
        update_field(table, field, session.tree());
    }
    if judge::steps_differ(expected, session, subject) {
        let updated = judge::updated_steps(expected, session, subject);
        if let Some(steps) = table.get_mut("steps").and_then(Item::as_array_mut) {
            update_steps(steps, &updated, session);
        }
    }
    if judge::commands_differ(expected, session, subject) {
        match super::commands(session) {
            Some(commands) => replace(table, &["only_commands".to_owned()], &commands),
            None => {
                table.remove("only_commands");
            }
        }
    }
    let present = judge::present_absences(expected, session, subject);
    if let Some(array) = table.get_mut("absent").and_then(Item::as_array_mut) {
        for index in present.into_iter().rev() {
            array.remove(index);
        }
    }
    let partners = judge::pair_transfers(expected, session, subject);
    let transfers: Vec<Part<'_, Transfer>> = session.transfers().collect();
    let mut gone = Vec::new();
    for (index, (wanted, partner)) in expected.transfers.iter().zip(&partners).enumerate() {
        let transfer = partner.and_then(|partner| transfers.get(partner));
        let table = table_mut(table.get_mut("transfer"), index);
        match (transfer, table) {
            (Some(transfer), Some(table)) => {
                for field in &wanted.fields {
                    update_field(table, field, transfer.tree);
                }
            }
            _ => gone.push(index),
        }
    }
    for index in gone.into_iter().rev() {
        remove(table, "transfer", index);
    }
    if expected.extra_transfers {
        return;
    }
    for (index, transfer) in transfers.iter().enumerate() {
        if !partners.contains(&Some(index)) {
            let mut text = String::from("[[session]]\n\n");
            super::write_transfer(transfer, &mut text);
            append_transfer(table, &text);
        }
    }
}

/// Replaces the steps that differ; the others keep their spelling.
fn update_steps(steps: &mut Array, updated: &[UpdatedStep], session: &Session) {
    let mut old: Vec<Option<Value>> = steps.iter().cloned().map(Some).collect();
    let is_long = updated.len() > MAX_STEPS_PER_LINE;
    let space = steps.iter().next().and_then(|first| {
        let space = first.decor().prefix()?.as_str()?;
        let (_, indent) = space.rsplit_once('\n')?;
        Some(format!("\n{indent}"))
    });
    let was_one_line = space.is_none();
    let space = space.unwrap_or_else(|| if is_long { "\n  " } else { " " }.to_owned());
    steps.clear();
    for (index, step) in updated.iter().enumerate() {
        let mut value = match step {
            UpdatedStep::Kept(index) => old.get_mut(*index).and_then(Option::take),
            UpdatedStep::New(index) => super::step_at(session, *index)
                .and_then(|text| text.parse::<Value>().ok())
                .map(|value| value.decorated(space.as_str(), "")),
        };
        if let Some(value) = &mut value
            && was_one_line
        {
            let first = if is_long { space.as_str() } else { "" };
            value
                .decor_mut()
                .set_prefix(if index == 0 { first } else { space.as_str() });
            value.decor_mut().set_suffix("");
        }
        if let Some(value) = value {
            steps.push_formatted(value);
        }
    }
    if was_one_line && is_long {
        steps.set_trailing_comma(true);
        steps.set_trailing("\n");
    }
}

/// Replaces a field that differs by the value found.
fn update_field(table: &mut dyn TableLike, field: &FieldExpectation, tree: &Json) {
    if judge::field_difference(field, tree).is_none() {
        return;
    }
    let mut found = tree;
    for name in &field.path {
        found = found.get(name).unwrap_or(&Json::Null);
    }
    let text = match found {
        Json::Null => "{ absent = true }".to_owned(),
        Json::String(text) => quoted(text),
        Json::Array(entries) if field.constraint.is_names() => {
            let names = entries
                .iter()
                .map(|entry| entry.get("name").unwrap_or(entry));
            let names: Vec<_> = names
                .map(|name| quoted(name.as_str().unwrap_or_default()))
                .collect();
            list(&names, "  ")
        }
        Json::Array(items) => items.len().to_string(),
        Json::Object(_) => "{ absent = false }".to_owned(),
        other => other.to_string(),
    };
    replace(table, &field.path, &text);
}

/// Replaces an existing value and keeps the space and the comment around it.
fn replace(table: &mut dyn TableLike, path: &[String], text: &str) {
    let Ok(mut value) = text.parse::<Value>() else {
        return;
    };
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let Some(item) = table.get_mut(name) else {
        return;
    };
    if !rest.is_empty()
        && let Some(inner) = item.as_table_like_mut()
    {
        replace(inner, rest, text);
        return;
    }
    // The decor holds the space and the comment after the value.
    if let Some(old) = item.as_value() {
        *value.decor_mut() = old.decor().clone();
    }
    *item = Item::Value(value);
}

fn table_mut(item: Option<&mut Item>, index: usize) -> Option<&mut dyn TableLike> {
    match item? {
        Item::ArrayOfTables(tables) => tables
            .get_mut(index)
            .map(|table| table as &mut dyn TableLike),
        Item::Value(Value::Array(array)) => {
            let table = array.get_mut(index)?.as_inline_table_mut()?;
            Some(table as &mut dyn TableLike)
        }
        _ => None,
    }
}

fn remove(from: &mut dyn TableLike, name: &str, index: usize) {
    match from.get_mut(name) {
        Some(Item::ArrayOfTables(tables)) => {
            tables.remove(index);
        }
        Some(Item::Value(Value::Array(array))) => {
            array.remove(index);
        }
        _ => {}
    }
}

/// Appends the sessions in `text` to a file.
fn append(file: &mut dyn TableLike, text: &str) {
    let Ok(new) = text.parse::<DocumentMut>() else {
        return;
    };
    let Some(Item::ArrayOfTables(tables)) = new.get("session") else {
        return;
    };
    push(file, "session", tables);
}

/// Appends the transfers in `text` to a session.
fn append_transfer(session: &mut dyn TableLike, text: &str) {
    let Ok(new) = text.parse::<DocumentMut>() else {
        return;
    };
    let first = table_in(new.get("session"));
    if let Some(Item::ArrayOfTables(tables)) = first.and_then(|table| table.get("transfer")) {
        push(session, "transfer", tables);
    }
}

fn table_in(item: Option<&Item>) -> Option<&dyn TableLike> {
    let tables = item?.as_array_of_tables()?;
    tables.get(0).map(|table| table as &dyn TableLike)
}

fn push(into: &mut dyn TableLike, name: &str, tables: &ArrayOfTables) {
    if into.get(name).is_none() {
        into.insert(name, Item::ArrayOfTables(ArrayOfTables::new()));
    }
    let Some(item) = into.get_mut(name) else {
        return;
    };
    for table in tables {
        let mut table = table.clone();
        // toml_edit prints tables by their position in the text they were parsed from; without one, after their
        // predecessor.
        table.set_position(None);
        for (_, inner) in table.iter_mut() {
            if let Some(inner) = inner.as_array_of_tables_mut() {
                for table in inner.iter_mut() {
                    table.set_position(None);
                }
            }
        }
        match item {
            Item::ArrayOfTables(all) => all.push(table),
            Item::Value(Value::Array(all)) => all.push(table.into_inline_table()),
            _ => {}
        }
    }
}

/// Renders the lines that differ between two texts, with context.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let rows = align(old.len(), new.len(), |i, j| old.get(i) == new.get(j));
    let changed = |row: &Row| !matches!(row, Row::Both(..));
    let mut out = String::new();
    let mut before = None;
    for (index, row) in rows.iter().enumerate() {
        let around = index.saturating_sub(CONTEXT)..(index + CONTEXT + 1).min(rows.len());
        if !rows
            .get(around)
            .is_some_and(|around| around.iter().any(changed))
        {
            continue;
        }
        if before.is_some_and(|before| before + 1 < index) {
            out.push_str("  …\n");
        }
        before = Some(index);
        let (mark, line) = match row {
            Row::Both(i, _) => (' ', old.get(*i)),
            Row::Left(i) => ('-', old.get(*i)),
            Row::Right(j) => ('+', new.get(*j)),
        };
        out.push(mark);
        out.push(' ');
        out.push_str(&printable(line.copied().unwrap_or_default()));
        out.push('\n');
    }
    out
}

/// Steps of a list in one line.
const MAX_STEPS_PER_LINE: usize = 4;

/// Lines of context around a change.
const CONTEXT: usize = 2;
