//! The rows of a diagram as arrays, and the states that they point to.
//!
//! The parts of a row stand in the order of [`Parts`]; `script/diagram.js` reads them in the same.

use std::io::{self, Write};
use std::sync::Arc;

use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use serde_json::{Value, json};

use super::embed::{Embedded, Object};
use super::room::{Drawn, Share};
use super::strings::{Strings, text};
use crate::diagram::{Channel, Drawing, Lane, Levels, Row, RowKind, SessionState};
use crate::model::Timestamp;
use crate::report::{SpooledText, units};

/// Writes as many rows as the page has room for; nothing where there is no room. Tells what became of them, and the time
/// that offsets count from, which is that of the first row.
pub(super) fn write(
    drawing: &Drawing<'_>,
    share: Share,
    strings: &mut Strings,
    states: &mut States,
    object: &mut Object<'_, '_>,
) -> io::Result<(Drawn, Option<Timestamp>)> {
    states.clear();
    let mut rows = drawing.rows().peekable();
    let start = rows.peek().map(|row| row.time);
    let mut drawn = Drawn::default();
    let Some(first) = start.filter(|_| share.rows > 0 || share.packets) else {
        object.field("rows", &Value::Null)?;
        drawn.left = units::to_u64(rows.filter(|row| row.levels != Levels::PACKETS).count());
        return Ok((drawn, start));
    };
    let written = rows.filter_map(|one| {
        if one.levels == Levels::PACKETS {
            if !share.packets {
                return None;
            }
            drawn.packets += 1;
        } else if drawn.rows < share.rows {
            drawn.rows += 1;
        } else {
            drawn.left += 1;
            return None;
        }
        let state = states.number(&one.state);
        Some(row(&one, first, state, strings))
    });
    object.list("rows", written)?;
    Ok((drawn, start))
}

/// The first state of a session whole; of each other what is new: places and values.
#[derive(Debug)]
pub(super) struct States {
    /// They as JSON, without the ends of the list.
    list: SpooledText,
    count: usize,
    known: Option<Arc<SessionState>>,
    parts: Vec<Value>,
    error: Option<io::Error>,
}

impl States {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            list: SpooledText::new(IN_MEMORY),
            count: 0,
            known: None,
            parts: Vec::new(),
            error: None,
        }
    }

    /// Another session begins.
    fn clear(&mut self) {
        self.list.clear();
        self.count = 0;
        self.known = None;
        self.parts.clear();
    }

    fn number(&mut self, state: &Arc<SessionState>) -> usize {
        if self.known.as_deref() != Some(&**state) {
            self.known = Some(Arc::clone(state));
            let parts = parts(state);
            if self.error.is_none() {
                self.error = self.append(&parts).err();
            }
            self.count += 1;
            self.parts = parts;
        }
        self.count.saturating_sub(1)
    }

    fn append(&mut self, parts: &[Value]) -> io::Result<()> {
        let mut out = Embedded(&mut self.list);
        if self.count == 0 {
            return Ok(serde_json::to_writer(out, parts)?);
        }
        let pairs = self.parts.iter().zip(parts).enumerate();
        let new = pairs.filter(|(_, (before, now))| before != now);
        let new: Vec<Value> = new
            .flat_map(|(place, (_, now))| [json!(place), now.clone()])
            .collect();
        out.write_all(b",")?;
        Ok(serde_json::to_writer(out, &new)?)
    }

    /// Writes the list of them. An error that came before comes out here.
    pub(super) fn write(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        out.write_all(b"[")?;
        self.list.copy(0, self.list.len(), out)?;
        out.write_all(b"]")
    }
}

fn parts(state: &SessionState) -> Vec<Value> {
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

fn row(row: &Row, start: Timestamp, state: usize, strings: &mut Strings) -> Parts {
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
            row.time.since(start).nanos() / 1_000,
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
            let lane = |lane: Lane| place(lane.index());
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

/// Bytes of the states of one session that stay in memory.
const IN_MEMORY: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_themselves_and_texts_for_their_place() {
        let mut strings = Strings::new();
        assert_eq!(field("", &mut strings), 0);
        assert_eq!(field("21", &mut strings), -22);
        assert_eq!(field("0", &mut strings), -1);
        for text in ["021", "+21", "4294967296", "21 "] {
            assert!(field(text, &mut strings) > 0, "{text}");
        }
    }

    #[test]
    fn of_a_state_only_what_is_new_is_written() {
        let mut states = States::new();
        let mut state = SessionState {
            data_type: "ASCII".to_owned(),
            ..SessionState::default()
        };
        assert_eq!(states.number(&Arc::new(state.clone())), 0);
        assert_eq!(states.number(&Arc::new(state.clone())), 0);
        state.bytes = 7;
        state.user = Some("mira".to_owned());
        assert_eq!(states.number(&Arc::new(state)), 1);
        let mut out = Vec::new();
        states.write(&mut out).expect("memory takes it");
        let text = String::from_utf8(out).expect("text");
        let whole = r#"[null,null,"ASCII","",[],0,0]"#;
        assert_eq!(text, format!(r#"[{whole},[0,"mira",5,7]]"#));
    }
}
