//! Brings an expectation file up to date: what still holds stays as it was written, comments and patterns included; what
//! does not is replaced by what was found. Rules are demands, not records: they stay.

use serde_json::Value as Json;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, TableLike, Value};

use super::super::alignment::{Row, align};
use super::super::file::{Expectations, FieldExpectation, SessionExpectation};
use super::super::judge::{self, Current, Partners, Subject};
use super::super::step_text::items;
use super::toml_text::quoted;
use super::{apart, session};
use crate::model::wire_text::printable;

/// A file that was brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// Its new text.
    pub text: String,
    /// What changed, as lines with `-` and `+` in front; empty where nothing did.
    pub difference: String,
}

/// Brings `text`, from which `file` was read, up to date with a report.
pub fn update(
    file: &Expectations,
    text: &str,
    subject: &Subject<'_>,
) -> Result<Updated, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let partners = Partners::find(file, subject);
    let sessions = items(&subject.value, "sessions");
    let mut gone = Vec::new();
    for (index, expected) in file.sessions.iter().enumerate() {
        let partner = partners.of_expected.get(index).copied().flatten();
        match partner.and_then(|partner| Some((partner, sessions.get(partner)?))) {
            Some((partner, value)) => {
                if let Some(table) = table_mut(document.get_mut("session"), index) {
                    update_session(table, expected, (partner, value), subject);
                }
            }
            None => gone.push(index),
        }
    }
    for index in gone.into_iter().rev() {
        remove(document.as_table_mut(), "session", index);
    }
    if file.exactly {
        let conditions = apart::conditions(sessions);
        for other in &partners.others {
            if let (Some(value), Some(condition)) = (sessions.get(*other), conditions.get(*other)) {
                let mut text = String::from("\n");
                session::write(value, condition.as_deref(), &mut text);
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
    (partner, value): (usize, &Json),
    subject: &Subject<'_>,
) {
    for field in &expected.fields {
        update_field(table, field, value);
    }
    let Some((record, _)) = subject.sessions().nth(partner) else {
        return;
    };
    if judge::steps_differ(expected, record, value, subject) {
        let current = judge::current_steps(expected, record, value, subject);
        if let Some(steps) = table.get_mut("steps").and_then(Item::as_array_mut) {
            update_steps(steps, &current, value);
        }
    }
    if judge::commands_differ(expected, record, value, subject) {
        put(
            table,
            &["only_commands".to_owned()],
            &session::commands(value),
        );
    }
    let broken = judge::broken_absences(expected, record, subject);
    if let Some(array) = table.get_mut("absent").and_then(Item::as_array_mut) {
        for index in broken.into_iter().rev() {
            array.remove(index);
        }
    }
    let partners = judge::transfer_partners(expected, record, value, subject);
    let transfers = items(value, "transfers");
    let mut gone = Vec::new();
    for (index, (wanted, partner)) in expected.transfers.iter().zip(&partners).enumerate() {
        let transfer = partner.and_then(|partner| transfers.get(partner));
        let table = table_mut(table.get_mut("transfer"), index);
        match (transfer, table) {
            (Some(transfer), Some(table)) => {
                for field in &wanted.fields {
                    update_field(table, field, transfer);
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
            session::write_transfer(transfer, &mut text);
            append_transfer(table, &text);
        }
    }
}

/// Replaces the steps that differ; those that do not stay as they were written.
fn update_steps(steps: &mut Array, current: &[Current], session: &Json) {
    let mut old: Vec<Option<Value>> = steps.iter().cloned().map(Some).collect();
    let is_long = current.len() > MOST_IN_A_LINE;
    let space = steps.iter().next().and_then(|first| {
        let space = first.decor().prefix()?.as_str()?;
        let (_, indent) = space.rsplit_once('\n')?;
        Some(format!("\n{indent}"))
    });
    let was_one_line = space.is_none();
    let space = space.unwrap_or_else(|| if is_long { "\n  " } else { " " }.to_owned());
    steps.clear();
    for (index, step) in current.iter().enumerate() {
        let mut value = match step {
            Current::Kept(place) => old.get_mut(*place).and_then(Option::take),
            Current::New(place) => session::step_at(session, *place)
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

/// Replaces a field that differs by what was found.
fn update_field(table: &mut dyn TableLike, field: &FieldExpectation, object: &Json) {
    if judge::field_holds(field, object) {
        return;
    }
    let mut found = object;
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
            super::toml_text::list(&names, "  ")
        }
        Json::Array(list) => list.len().to_string(),
        Json::Object(_) => "{ absent = false }".to_owned(),
        other => other.to_string(),
    };
    put(table, &field.path, &text);
}

/// Sets a value that is there, and leaves the space and the comment around it.
fn put(table: &mut dyn TableLike, path: &[String], text: &str) {
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
        put(inner, rest, text);
        return;
    }
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

/// Adds the sessions of a text to a file.
fn append(file: &mut dyn TableLike, text: &str) {
    let Ok(new) = text.parse::<DocumentMut>() else {
        return;
    };
    let Some(Item::ArrayOfTables(tables)) = new.get("session") else {
        return;
    };
    push(file, "session", tables);
}

/// Adds the transfers of a text to a session.
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
        // Without a place of its own it stands behind the one before it.
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

/// What changed between two texts, a line each, with lines around that did not.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let rows = align(old.len(), new.len(), |i, j| old.get(i) == new.get(j));
    let changed = |row: &Row| !matches!(row, Row::Both(..));
    let mut out = String::new();
    let mut before = None;
    for (index, row) in rows.iter().enumerate() {
        let around = index.saturating_sub(AROUND)..(index + AROUND + 1).min(rows.len());
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

/// Steps that stand in one line.
const MOST_IN_A_LINE: usize = 4;

/// Lines that are shown around a change.
const AROUND: usize = 2;
