//! Diagrams as Mermaid text, which GitHub and others draw where it stands in Markdown.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::model::{Channel, Detail, Diagram, Lane, Row, RowKind};
use crate::model::wire_text::printable;
use crate::report::units;

/// Writes one `sequenceDiagram` with all sessions, one after the other.
///
/// What GitHub draws is bounded; rows beyond it are left out and a note says how many.
pub fn write_mermaid(
    diagrams: &mut dyn Iterator<Item = Diagram>,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let diagrams: Vec<Diagram> = diagrams.take(SESSIONS).collect();
    writeln!(out, "sequenceDiagram")?;
    let one = match diagrams.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    for lane in Lane::ALL {
        if lane != Lane::Server && !diagrams.iter().any(|diagram| diagram.uses(lane, detail)) {
            continue;
        }
        let end = one.map_or("", |diagram| &diagram.ends[lane.place()]);
        let keyword = if lane == Lane::Console {
            "actor"
        } else {
            "participant"
        };
        let end = if end.is_empty() {
            String::new()
        } else {
            format!("<br/>{}", escaped(end))
        };
        writeln!(out, "    {keyword} {} as {}{end}", id(lane), lane.title())?;
    }
    let mut written = 0;
    let mut left_out: u64 = 0;
    for diagram in &diagrams {
        if one.is_none() {
            let title = format!("Session {}: {}", diagram.session, diagram.verdict);
            note(&title, &mut written, out)?;
        }
        for row in diagram.rows_at(detail) {
            let line = line(row, detail);
            if written + line.len() > LENGTH {
                left_out += 1;
                continue;
            }
            written += line.len();
            out.write_all(line.as_bytes())?;
        }
    }
    if left_out > 0 {
        let rows = units::counted(left_out, "row", "rows");
        let hint = format!("{rows} left out: choose a session, or less detail");
        note(&hint, &mut written, out)?;
    }
    Ok(())
}

fn note(text: &str, written: &mut usize, out: &mut dyn Write) -> io::Result<()> {
    let line = format!(
        "    Note over {},{}: {}\n",
        id(Lane::Server),
        id(Lane::Client),
        escaped(text)
    );
    *written += line.len();
    out.write_all(line.as_bytes())
}

fn line(row: &Row, detail: Detail) -> String {
    match row.kind {
        RowKind::Phase => format!(
            "    Note over {},{}: {}\n",
            id(Lane::Server),
            id(Lane::Client),
            escaped(&row.label)
        ),
        RowKind::Part => format!(
            "    Note right of {}: {}\n",
            id(Lane::Client),
            escaped(&row.label)
        ),
        RowKind::Arrow { from, to, channel } => {
            let arrow = match channel {
                _ if row.failed => "-x",
                Channel::Data | Channel::Console => "-->>",
                Channel::Dns | Channel::Control | Channel::Step => "->>",
            };
            let frame = match row.frame {
                Some(frame) if detail != Detail::Steps => format!(" (frame {frame})"),
                _ => String::new(),
            };
            let label = escaped(&row.label);
            format!("    {}{arrow}{}: {label}{frame}\n", id(from), id(to))
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

/// Text that Mermaid takes for nothing else: all but plain characters become entities.
fn escaped(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    for (place, character) in text.chars().enumerate() {
        if place >= LABEL {
            out.push('…');
            break;
        }
        let plain = character.is_alphanumeric() || " .,-+/_()@*=!?'…↔→".contains(character);
        if plain {
            out.push(character);
        } else {
            let _ = write!(out, "#{};", u32::from(character));
        }
    }
    if out.trim().is_empty() {
        out.push_str("#160;");
    }
    out
}

/// Characters of a label.
const LABEL: usize = 120;
/// Characters of the whole text: GitHub draws up to 50,000.
const LENGTH: usize = 48_000;
/// Sessions in one text; more do not fit anyway.
const SESSIONS: usize = 1_000;
