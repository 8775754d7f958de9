//! Rows of a diagram as JSON arrays, the states that they refer to, and the budget of rows on a page.
//!
//! The elements of a row are in the order of [`RowParts`], which `script/diagram.js` relies on.
//!
//! Sessions are drawn one after the other as they end, and none is revisited. A part of the budget is reserved for
//! sessions in which something went wrong, so that any number of others cannot crowd them out:
//!
//! ```text
//! rows      0 ─────────────────────────── 300,000 ────── 350,000 ────── 400,000
//! packets   0 ─────────────────────────── 100,000 ────── 125,000 ────── 150,000
//!           any session                   | with warnings | failed
//! ```
//!
//! A session gets 200,000 rows at most, its first ones. Packet rows, those drawn at packet detail only, are on the page
//! for all of a session or not at all, and only if all its other rows are.

use std::io::{self, Write};
use std::sync::Arc;

use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use serde_json::{Value, json};

use super::embed::{Embedded, ObjectWriter, StringTable, visible};
use crate::diagram::{Channel, Drawing, Lane, Levels, Row, RowKind, SessionState};
use crate::model::Timestamp;
use crate::model::record::{CaptureFrame, VerdictStatus};
use crate::report::{SpooledText, units};

/// Writes as many rows as the share permits, `null` if it permits none.
///
/// Returns the counts of the rows, and the time of the first, from which offsets count; `None` without rows.
pub(super) fn write(
    drawing: &Drawing<'_>,
    share: RowShare,
    strings: &mut StringTable,
    states: &mut StateList,
    object: &mut ObjectWriter<'_, '_>,
) -> io::Result<(DrawnRows, Option<Timestamp>)> {
    states.clear();
    let mut rows = drawing.rows().peekable();
    let start = rows.peek().map(|row| row.time);
    let mut drawn = DrawnRows::default();
    let Some(first) = start.filter(|_| share.rows > 0 || share.packets) else {
        object.field("rows", &Value::Null)?;
        // Drawn to be counted: the page says how many rows it omits.
        drawn.omitted = units::to_u64(rows.filter(|row| row.levels != Levels::PACKETS).count());
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
            drawn.omitted += 1;
            return None;
        }
        let state = states.number(&one.state);
        Some(row(&one, first, state, strings))
    });
    object.list("rows", written)?;
    Ok((drawn, start))
}

/// List of the distinct states of a session: the first in full, each other as the indices and values that changed.
#[derive(Debug)]
pub(super) struct StateList {
    /// JSON of the list, without its brackets.
    list: SpooledText,
    count: usize,
    /// Last state; `None` before the first.
    last: Option<Arc<SessionState>>,
    /// Elements of the last state.
    parts: Vec<Value>,
    /// First error of the temporary file; `None` while all is well.
    error: Option<io::Error>,
}

impl StateList {
    /// Creates an empty list.
    pub(super) fn new() -> Self {
        Self {
            list: SpooledText::new(IN_MEMORY),
            count: 0,
            last: None,
            parts: Vec::new(),
            error: None,
        }
    }

    /// Empties the list for another session.
    fn clear(&mut self) {
        self.list.clear();
        self.count = 0;
        self.last = None;
        self.parts.clear();
    }

    /// Returns the number of a state, and adds it if it differs from the last one.
    fn number(&mut self, state: &Arc<SessionState>) -> usize {
        // Only neighbours are compared: equal states further apart are rare.
        if self.last.as_deref() != Some(&**state) {
            self.last = Some(Arc::clone(state));
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
            .flat_map(|(index, (_, now))| [json!(index), now.clone()])
            .collect();
        out.write_all(b",")?;
        Ok(serde_json::to_writer(out, &new)?)
    }

    /// Writes the list. Returns the error of an earlier state if there was one.
    pub(super) fn write(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        out.write_all(b"[")?;
        self.list.copy(0, self.list.len(), out)?;
        out.write_all(b"]")
    }
}

/// Returns the elements of a state, in the order that `script/diagram.js` relies on.
fn parts(state: &SessionState) -> Vec<Value> {
    vec![
        json!(state.user.as_deref().map(visible)),
        json!(state.directory.as_deref().map(visible)),
        json!(state.data_type),
        json!(state.mode),
        json!(state.open),
        json!(state.bytes),
        json!(u8::from(state.encrypted) + u8::from(state.encrypted && state.decrypted)),
    ]
}

/// Elements of a row: levels, kind, label, caption, frame, microseconds since the first row, step, failed, state; then
/// fields and console lines, if there are any. Strings are numbers in the [`StringTable`].
struct RowParts {
    plain: (u8, i64, usize, usize, FrameValue, i64, u64, u8, usize),
    fields: Vec<i64>,
    console: Vec<usize>,
}

/// Frame as the page has it: its number, 0 for none. With several captures the number over all of them, the index of its own
/// capture, and its number there.
pub(super) enum FrameValue {
    Number(u64),
    Place([u64; 3]),
}

impl Serialize for FrameValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Place(place) => place.serialize(serializer),
        }
    }
}

/// Returns a frame for the page.
pub(super) fn frame_value(frame: u64, place: Option<CaptureFrame>) -> FrameValue {
    match place {
        Some(place) => FrameValue::Place([frame, place.capture.into(), place.capture_frame]),
        None => FrameValue::Number(frame),
    }
}

impl Serialize for RowParts {
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
        // Most rows have neither: their lists are omitted, not written empty.
        if !(self.fields.is_empty() && self.console.is_empty()) {
            list.serialize_element(&self.fields)?;
        }
        if !self.console.is_empty() {
            list.serialize_element(&self.console)?;
        }
        list.end()
    }
}

fn row(row: &Row, start: Timestamp, state: usize, strings: &mut StringTable) -> RowParts {
    let fields = row
        .fields
        .iter()
        .flat_map(|(name, value)| [signed(strings.intern(name)), field(value, strings)])
        .collect();
    let console = row
        .console
        .iter()
        .map(|line| strings.intern(line))
        .collect();
    let label = strings.intern(&row.label);
    let caption = strings.intern(&row.caption);
    RowParts {
        plain: (
            row.levels.bits(),
            kind(row.kind),
            label,
            caption,
            frame_value(row.frame.unwrap_or(0), row.place),
            // Microseconds are exact for most captures and keep the numbers short.
            row.time.since(start).nanos() / 1_000,
            row.step.unwrap_or(0),
            u8::from(row.failed),
            state,
        ),
        fields,
        console,
    }
}

/// Encodes a kind: -1 for a heading, -2 for a subheading, else `channel * 16 + from * 4 + to`.
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
            let lane = |lane: Lane| signed(lane.index());
            channel * 16 + lane(from) * 4 + lane(to)
        }
    }
}

/// Encodes a field value: `-1 - n` for a number `n` below 2^32 in plain decimal, else the number of the string.
///
/// Most values are sequence numbers, each of them different: as strings they would be most of the table.
fn field(value: &str, strings: &mut StringTable) -> i64 {
    match value.parse::<u32>() {
        Ok(number) if number.to_string() == value => -1 - i64::from(number),
        _ => signed(strings.intern(value)),
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Rows on the page so far.
#[derive(Debug, Default)]
pub(super) struct RowBudget {
    /// Count of all but packet rows.
    rows: usize,
    /// Count of packet rows.
    packets: usize,
}

/// Share of one diagram in the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowShare {
    /// Limit of the rows, without packet rows.
    pub(super) rows: usize,
    /// Whether packet rows are drawn.
    pub(super) packets: bool,
    /// Count of the packet rows omitted.
    pub(super) omitted_packets: u64,
}

/// Counts of the rows of one diagram after drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DrawnRows {
    /// Rows on the page, without packet rows.
    pub(super) rows: usize,
    /// Packet rows on the page.
    pub(super) packets: usize,
    /// Rows omitted, without packet rows.
    pub(super) omitted: u64,
}

impl RowBudget {
    /// Returns the share that a session gets now.
    pub(super) fn share(&self, status: VerdictStatus, drawing: &Drawing<'_>) -> RowShare {
        let others = CountBounds {
            min: drawing.min_rows(),
            max: drawing.max_rows(),
        };
        self.share_of(status, drawing.packet_rows(), others, || {
            let rows = drawing.rows();
            rows.filter(|row| row.levels != Levels::PACKETS).count()
        })
    }

    /// Returns the share for these counts. `count` returns the exact count of the other rows, and takes as long as drawing.
    fn share_of(
        &self,
        status: VerdictStatus,
        packets: usize,
        others: CountBounds,
        count: impl FnOnce() -> usize,
    ) -> RowShare {
        let reserved = Reserved::from(status);
        let rows = MAX_ROWS
            .saturating_sub(reserved.rows)
            .saturating_sub(self.rows);
        let rows = rows.min(MAX_SESSION_ROWS).min(others.max);
        let available = MAX_PACKET_ROWS.saturating_sub(reserved.packets);
        let drawn = packets == 0
            || (packets <= available.saturating_sub(self.packets)
                && others.min <= rows
                // The bounds decide nearly always: counting draws the whole session once more.
                && (others.max <= rows || count() <= rows));
        RowShare {
            rows,
            packets: drawn && packets > 0,
            omitted_packets: if drawn { 0 } else { units::to_u64(packets) },
        }
    }

    /// Charges the rows of a session.
    pub(super) fn charge(&mut self, drawn: DrawnRows) {
        self.rows = self.rows.saturating_add(drawn.rows);
        self.packets = self.packets.saturating_add(drawn.packets);
    }
}

/// Bounds of the count of a diagram's rows, without packet rows.
#[derive(Clone, Copy)]
struct CountBounds {
    min: usize,
    max: usize,
}

/// Rows reserved for sessions with a worse verdict.
struct Reserved {
    rows: usize,
    packets: usize,
}

impl From<VerdictStatus> for Reserved {
    fn from(status: VerdictStatus) -> Self {
        let (rows, packets) = match status {
            VerdictStatus::Ok => (100_000, 50_000),
            VerdictStatus::Warning => (50_000, 25_000),
            VerdictStatus::Failed => (0, 0),
        };
        Self { rows, packets }
    }
}

/// Bytes of the states of one session kept in memory before they go to a temporary file.
const IN_MEMORY: usize = 4 << 20;

/// Limit of the rows on one page, without packet rows.
const MAX_ROWS: usize = 400_000;
/// Limit of the rows of one session, without packet rows.
const MAX_SESSION_ROWS: usize = 200_000;
/// Limit of the packet rows on one page.
const MAX_PACKET_ROWS: usize = 150_000;
/// Limit of the segments worth tracing for one page, which has no more rows than that.
pub const MAX_SEGMENTS: usize = MAX_ROWS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_are_encoded_directly_and_other_values_as_strings() {
        let mut strings = StringTable::new();
        assert_eq!(field("", &mut strings), 0);
        assert_eq!(field("21", &mut strings), -22);
        assert_eq!(field("0", &mut strings), -1);
        for text in ["021", "+21", "4294967296", "21 "] {
            assert!(field(text, &mut strings) > 0, "{text}");
        }
    }

    #[test]
    fn state_is_written_as_its_changes() {
        let mut states = StateList::new();
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

    fn share(budget: &RowBudget, status: VerdictStatus, rows: usize, packets: usize) -> RowShare {
        let others = CountBounds {
            min: rows / 2,
            max: rows * 2,
        };
        budget.share_of(status, packets, others, || rows)
    }

    /// Draws a session within its share, which it returns.
    fn draw(
        budget: &mut RowBudget,
        status: VerdictStatus,
        rows: usize,
        packets: usize,
    ) -> RowShare {
        let share = share(budget, status, rows, packets);
        budget.charge(DrawnRows {
            rows: rows.min(share.rows),
            packets: if share.packets { packets } else { 0 },
            omitted: 0,
        });
        share
    }

    #[test]
    fn session_within_the_budget_gets_all_rows() {
        let share = share(&RowBudget::default(), VerdictStatus::Ok, 100_000, 50_000);
        assert!(share.rows >= 100_000 && share.packets);
        assert_eq!(share.omitted_packets, 0);
    }

    #[test]
    fn long_session_gets_its_first_rows_and_leaves_some_to_others() {
        let mut budget = RowBudget::default();
        let long = draw(&mut budget, VerdictStatus::Ok, MAX_SESSION_ROWS + 7, 30);
        assert_eq!(
            (long.rows, long.packets, long.omitted_packets),
            (MAX_SESSION_ROWS, false, 30)
        );
        assert!(share(&budget, VerdictStatus::Ok, 10, 5).packets);
    }

    #[test]
    fn packet_rows_are_omitted_before_messages() {
        let budget = RowBudget {
            rows: 0,
            packets: MAX_PACKET_ROWS - 50,
        };
        let share = share(&budget, VerdictStatus::Failed, 10, 51);
        assert!(share.rows >= 10);
        assert_eq!((share.packets, share.omitted_packets), (false, 51));
    }

    #[test]
    fn rows_are_counted_only_if_the_bounds_do_not_decide() {
        let budget = RowBudget::default();
        let never = || panic!("a long session is not drawn twice");
        let ok = VerdictStatus::Ok;
        for (min, max) in [(10, 20), (MAX_SESSION_ROWS + 1, MAX_SESSION_ROWS * 2)] {
            budget.share_of(ok, 5, CountBounds { min, max }, never);
        }
        let unsure = CountBounds {
            min: 10,
            max: MAX_SESSION_ROWS * 2,
        };
        budget.share_of(ok, 0, unsure, never);
        assert!(
            !budget
                .share_of(ok, 5, unsure, || MAX_SESSION_ROWS + 1)
                .packets
        );
    }

    #[test]
    fn failed_sessions_get_rows_after_any_number_of_successful_ones() {
        let mut budget = RowBudget::default();
        for _ in 0..10_000 {
            draw(&mut budget, VerdictStatus::Ok, 100, 50);
        }
        assert_eq!(share(&budget, VerdictStatus::Ok, 100, 50).rows, 0);
        for _ in 0..10_000 {
            draw(&mut budget, VerdictStatus::Warning, 100, 50);
        }
        assert_eq!(share(&budget, VerdictStatus::Warning, 100, 50).rows, 0);
        let failed = draw(&mut budget, VerdictStatus::Failed, 100, 50);
        assert!(failed.packets && failed.rows >= 100);
        for _ in 0..10_000 {
            draw(&mut budget, VerdictStatus::Failed, 100, 50);
        }
        assert_eq!((budget.rows, budget.packets), (MAX_ROWS, MAX_PACKET_ROWS));
    }
}
