//! The rows of a diagram as arrays, and the states that they point to.
//!
//! The parts of a row stand in the order of [`Parts`]; `script/diagram.js` reads them in the same.

use std::io;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use serde_json::{Value, json};

use super::embed::Object;
use super::room::Share;
use super::strings::{Strings, text};
use crate::diagram::{Channel, Diagram, Lane, Levels, Row, RowKind, State};

/// Writes as many rows as the page has room for, and gives the states that they point to; nothing where there is no room.
pub(super) fn write(
    diagram: &Diagram,
    share: Share,
    strings: &mut Strings,
    object: &mut Object<'_, '_>,
) -> io::Result<Option<States>> {
    if share.rows == 0 {
        object.field("rows", &Value::Null)?;
        return Ok(None);
    }
    let mut states = States::default();
    let drawn = diagram.rows.iter();
    let drawn = drawn.filter(|row| share.packets || row.levels != Levels::PACKETS);
    let rows = drawn.take(share.rows).map(|one| {
        let state = states.number(&one.state);
        row(one, diagram, state, strings)
    });
    object.list("rows", rows)?;
    Ok(Some(states))
}

/// The first state whole; of each other what is new: places and values.
#[derive(Default)]
pub(super) struct States {
    /// They as JSON, without the end of the list.
    text: Vec<u8>,
    count: usize,
    known: Option<Arc<State>>,
    parts: Vec<Value>,
}

impl States {
    fn number(&mut self, state: &Arc<State>) -> usize {
        if self.known.as_deref() != Some(&**state) {
            self.known = Some(Arc::clone(state));
            let parts = parts(state);
            self.text.push(if self.count == 0 { b'[' } else { b',' });
            // Memory takes what is written, and what is written is JSON.
            let _ = if self.count == 0 {
                serde_json::to_writer(&mut self.text, &parts)
            } else {
                let pairs = self.parts.iter().zip(&parts).enumerate();
                let new = pairs.filter(|(_, (before, now))| before != now);
                let new: Vec<Value> = new
                    .flat_map(|(place, (_, now))| [json!(place), now.clone()])
                    .collect();
                serde_json::to_writer(&mut self.text, &new)
            };
            self.count += 1;
            self.parts = parts;
        }
        self.count.saturating_sub(1)
    }

    /// The list of them as JSON.
    pub(super) fn into_text(mut self) -> Vec<u8> {
        if self.count == 0 {
            self.text.push(b'[');
        }
        self.text.push(b']');
        self.text
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
struct Parts {
    plain: (u8, i64, usize, usize, u64, i64, u64, u8, usize),
    fields: Vec<i64>,
    console: Vec<usize>,
}

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let (levels, kind, label, caption, frame, micros, step, failed, state) = &self.plain;
        list.serialize_element(levels)?;
        list.serialize_element(kind)?;
        list.serialize_element(label)?;
        list.serialize_element(caption)?;
        list.serialize_element(frame)?;
        list.serialize_element(micros)?;
        list.serialize_element(step)?;
        list.serialize_element(failed)?;
        list.serialize_element(state)?;
        if !(self.fields.is_empty() && self.console.is_empty()) {
            list.serialize_element(&self.fields)?;
        }
        if !self.console.is_empty() {
            list.serialize_element(&self.console)?;
        }
        list.end()
    }
}

fn row(row: &Row, diagram: &Diagram, state: usize, strings: &mut Strings) -> Parts {
    let fields = row
        .fields
        .iter()
        .flat_map(|(name, value)| [place(strings.number(name)), field(value, strings)])
        .collect();
    let console = row
        .console
        .iter()
        .map(|line| strings.number(line))
        .collect();
    let label = strings.number(&row.label);
    let caption = strings.number(&row.caption);
    Parts {
        plain: (
            row.levels.bits(),
            kind(row.kind),
            label,
            caption,
            row.frame.unwrap_or(0),
            row.time.since(diagram.start).nanos() / 1_000,
            row.step.unwrap_or(0),
            u8::from(row.failed),
            state,
        ),
        fields,
        console,
    }
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
        let text = String::from_utf8(states.into_text()).expect("text");
        let whole = r#"[null,null,"ASCII","",[],0,0]"#;
        assert_eq!(text, format!(r#"[{whole},[0,"mira",5,7]]"#));
        assert_eq!(States::default().into_text(), b"[]");
    }
}
