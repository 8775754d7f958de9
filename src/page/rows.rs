//! The rows of a diagram as arrays, and the states that they point to.
//!
//! The parts of a row stand in the order of [`row`]; `script/diagram.js` reads them in the same.

use std::sync::Arc;

use serde_json::{Value, json};

use super::data::text;
use super::room::Share;
use super::strings::Strings;
use crate::diagram::{Channel, Diagram, Lane, Levels, Row, RowKind, State};

/// As many rows as the page has room for, and the states that they point to; nothing where there is no room.
pub(super) fn values(diagram: &Diagram, share: Share, strings: &mut Strings) -> (Value, Value) {
    if share.rows == 0 {
        return (Value::Null, Value::Null);
    }
    let mut states = States::default();
    let drawn = diagram.rows.iter();
    let drawn = drawn.filter(|row| share.packets || row.levels != Levels::PACKETS);
    let rows = drawn.take(share.rows).map(|one| {
        let state = states.number(&one.state);
        row(one, diagram, state, strings)
    });
    (rows.collect(), Value::Array(states.values))
}

/// The first state whole; of each other what is new: places and values.
#[derive(Default)]
struct States {
    values: Vec<Value>,
    known: Option<Arc<State>>,
    parts: Vec<Value>,
}

impl States {
    fn number(&mut self, state: &Arc<State>) -> usize {
        if self.known.as_deref() != Some(&**state) {
            self.known = Some(Arc::clone(state));
            let parts = parts(state);
            let value = if self.parts.is_empty() {
                Value::Array(parts.clone())
            } else {
                let pairs = self.parts.iter().zip(&parts).enumerate();
                let new = pairs.filter(|(_, (before, now))| before != now);
                new.flat_map(|(place, (_, now))| [json!(place), now.clone()])
                    .collect()
            };
            self.values.push(value);
            self.parts = parts;
        }
        self.values.len().saturating_sub(1)
    }
}

fn parts(state: &State) -> Vec<Value> {
    vec![
        json!(state.user.as_deref().map(text)),
        json!(state.directory.as_deref().map(text)),
        json!(state.data_type),
        json!(state.mode),
        json!(state.open),
        json!(state.bytes),
        json!(u8::from(state.encrypted)),
    ]
}

/// One row: levels, kind, label, caption, frame, microseconds since the first row, step, failed, state, fields, console.
fn row(row: &Row, diagram: &Diagram, state: usize, strings: &mut Strings) -> Value {
    let fields: Vec<i64> = row
        .fields
        .iter()
        .flat_map(|(name, value)| [place(strings.number(name)), field(value, strings)])
        .collect();
    let console: Vec<usize> = row
        .console
        .iter()
        .map(|line| strings.number(line))
        .collect();
    let label = strings.number(&row.label);
    let caption = strings.number(&row.caption);
    let mut parts = vec![
        json!(row.levels.bits()),
        json!(kind(row.kind)),
        json!(label),
        json!(caption),
        json!(row.frame.unwrap_or(0)),
        json!(row.time.since(diagram.start).nanos() / 1_000),
        json!(row.step.unwrap_or(0)),
        json!(u8::from(row.failed)),
        json!(state),
    ];
    if !(fields.is_empty() && console.is_empty()) {
        parts.push(json!(fields));
    }
    if !console.is_empty() {
        parts.push(json!(console));
    }
    Value::Array(parts)
}

/// -1 for a heading, -2 for a smaller one, else the channel and both lanes in one number.
fn kind(kind: RowKind) -> i64 {
    match kind {
        RowKind::Phase => -1,
        RowKind::Part => -2,
        RowKind::Arrow { from, to, channel } => {
            let channel: i64 = match channel {
                Channel::Dns => 0,
                Channel::Control => 1,
                Channel::Data => 2,
                Channel::Console => 3,
                Channel::Step => 4,
            };
            let lane = |lane: Lane| place(lane.place());
            channel * 16 + lane(from) * 4 + lane(to)
        }
    }
}

/// The place of a value among the texts; where it is a number below 2^32 that is written as one, what it is, below zero.
fn field(value: &str, strings: &mut Strings) -> i64 {
    match value.parse::<u32>() {
        Ok(number) if number.to_string() == value => -1 - i64::from(number),
        _ => place(strings.number(value)),
    }
}

fn place(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_themselves_and_texts_for_their_place() {
        let mut strings = Strings::default();
        assert_eq!(field("", &mut strings), 0);
        assert_eq!(field("21", &mut strings), -22);
        assert_eq!(field("0", &mut strings), -1);
        for text in ["021", "+21", "4294967296", "21 "] {
            assert!(field(text, &mut strings) > 0, "{text}");
        }
    }

    #[test]
    fn of_a_state_only_what_is_new_is_written() {
        let mut states = States::default();
        let mut state = State {
            data_type: "ASCII".to_owned(),
            ..State::default()
        };
        assert_eq!(states.number(&Arc::new(state.clone())), 0);
        assert_eq!(states.number(&Arc::new(state.clone())), 0);
        state.bytes = 7;
        state.user = Some("mira".to_owned());
        assert_eq!(states.number(&Arc::new(state)), 1);
        let whole = json!([null, null, "ASCII", "", [], 0, 0]);
        assert_eq!(states.values, [whole, json!([0, "mira", 5, 7])]);
    }
}
