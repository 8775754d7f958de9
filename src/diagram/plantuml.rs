//! Diagrams as `PlantUML` text.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::model::{Channel, Detail, Diagram, Lane, Row, RowKind};
use crate::model::wire_text::printable;
use crate::report::units;

/// Writes one diagram a session; a file may hold several.
pub fn write_plantuml(
    diagrams: &mut dyn Iterator<Item = Diagram>,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut is_first = true;
    for diagram in diagrams {
        if !is_first {
            writeln!(out)?;
        }
        is_first = false;
        write_one(&diagram, detail, out)?;
    }
    if is_first {
        writeln!(out, "@startuml\n@enduml")?;
    }
    Ok(())
}

fn write_one(diagram: &Diagram, detail: Detail, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "@startuml session_{}", diagram.session)?;
    let title = format!("Session {}: {}", diagram.session, diagram.verdict);
    writeln!(out, "title {}", escaped(&title))?;
    for lane in Lane::ALL {
        if lane != Lane::Server && !diagram.uses(lane, detail) {
            continue;
        }
        let keyword = if lane == Lane::Console {
            "actor"
        } else {
            "participant"
        };
        let end = &diagram.ends[lane.place()];
        let end = if end.is_empty() {
            String::new()
        } else {
            format!("\\n{}", escaped(end))
        };
        writeln!(out, "{keyword} \"{}{end}\" as {}", lane.title(), id(lane))?;
    }
    for row in diagram.rows_at(detail).take(ROWS) {
        write_row(row, detail, out)?;
    }
    let left_out = diagram.rows_at(detail).skip(ROWS).count();
    if left_out > 0 {
        let rows = units::counted(units::to_u64(left_out), "row", "rows");
        writeln!(out, "== {rows} left out ==")?;
    }
    writeln!(out, "@enduml")
}

fn write_row(row: &Row, detail: Detail, out: &mut dyn Write) -> io::Result<()> {
    let label = escaped(&row.label);
    match row.kind {
        RowKind::Phase => writeln!(out, "== {label} =="),
        RowKind::Part => writeln!(out, "... {label} ..."),
        RowKind::Arrow { from, to, channel } => {
            let line = match channel {
                Channel::Data | Channel::Console => "--",
                Channel::Dns | Channel::Control | Channel::Step => "-",
            };
            let color = if row.failed { "[#red]" } else { "" };
            let frame = match row.frame {
                Some(frame) if detail != Detail::Steps => format!(" (frame {frame})"),
                _ => String::new(),
            };
            let (from, to) = (id(from), id(to));
            writeln!(out, "{from} {line}{color}> {to} : {label}{frame}")
        }
    }
}

const fn id(lane: Lane) -> &'static str {
    match lane {
        Lane::Dns => "dns",
        Lane::Server => "server",
        Lane::Client => "client",
        Lane::Console => "console",
    }
}

/// Text without anything that its markup or its preprocessor knows: all but plain characters by their number.
fn escaped(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (place, character) in text.chars().enumerate() {
        if place >= LABEL {
            out.push('…');
            break;
        }
        // Twice the same of these is markup.
        let single = "-/_.".contains(character) && character != before;
        if character.is_alphanumeric() || single || " ,+()@?…↔→".contains(character) {
            out.push(character);
        } else {
            let _ = write!(out, "&#{};", u32::from(character));
        }
        before = character;
    }
    out
}

/// Characters of a label.
const LABEL: usize = 160;
/// Rows of one diagram: `PlantUML` takes minutes for more.
const ROWS: usize = 5_000;
