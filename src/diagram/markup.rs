//! Diagrams as markup that other programs draw: Mermaid, which GitHub renders within Markdown, and `PlantUML`.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::build::CONSOLE_SOURCE;
use super::model::{Channel, Detail, Diagram, Lane, Row, RowKind};
use crate::model::wire_text::printable;
use crate::report::units;

/// Writes all sessions as one Mermaid `sequenceDiagram`, one below the other.
///
/// Rows beyond the size that GitHub draws are omitted, and a note counts them.
pub fn write_mermaid(
    diagrams: &mut dyn Iterator<Item = Diagram>,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let diagrams: Vec<Diagram> = diagrams.take(MERMAID_SESSIONS).collect();
    writeln!(out, "sequenceDiagram")?;
    // Participants are declared once for all sessions, so they have addresses only if there is one session.
    let only_diagram = match diagrams.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    for lane in Lane::ALL {
        if lane != Lane::Server && !diagrams.iter().any(|diagram| diagram.uses(lane, detail)) {
            continue;
        }
        let address = match lane {
            Lane::Console => CONSOLE_SOURCE,
            _ => only_diagram.map_or("", |diagram| &diagram.addresses[lane.index()]),
        };
        let address = if address.is_empty() {
            String::new()
        } else {
            format!("<br/>{}", mermaid_escaped(address))
        };
        let (keyword, id) = (keyword(lane), id(lane));
        writeln!(out, "    {keyword} {id} as {}{address}", lane.title())?;
    }
    let mut written = 0;
    let mut omitted: u64 = 0;
    for diagram in &diagrams {
        if only_diagram.is_none() {
            let title = format!("Session {}: {}", diagram.session, diagram.verdict);
            let note = mermaid_note(&title);
            written += note.len();
            out.write_all(note.as_bytes())?;
        }
        for row in diagram.rows_at(detail) {
            let line = mermaid_line(row, detail);
            if written + line.len() > MERMAID_LENGTH {
                omitted += 1;
                continue;
            }
            written += line.len();
            out.write_all(line.as_bytes())?;
        }
    }
    if omitted > 0 {
        let rows = units::counted(omitted, "row", "rows");
        let hint = format!("{rows} left out: choose a session, or less detail");
        out.write_all(mermaid_note(&hint).as_bytes())?;
    }
    Ok(())
}

/// Formats a note across server and client.
fn mermaid_note(text: &str) -> String {
    format!(
        "    Note over {},{}: {}\n",
        id(Lane::Server),
        id(Lane::Client),
        mermaid_escaped(text)
    )
}

fn mermaid_line(row: &Row, detail: Detail) -> String {
    match row.kind {
        RowKind::Phase => mermaid_note(&row.label),
        RowKind::Part => format!(
            "    Note right of {}: {}\n",
            id(Lane::Client),
            mermaid_escaped(&row.label)
        ),
        RowKind::Arrow { from, to, channel } => {
            let arrow = match channel {
                _ if row.failed => "-x",
                Channel::Data | Channel::Console => "-->>",
                Channel::Dns | Channel::Control | Channel::Step => "->>",
            };
            let label = mermaid_escaped(&row.label);
            let frame = frame_suffix(row, detail);
            format!("    {}{arrow}{}: {label}{frame}\n", id(from), id(to))
        }
    }
}

/// Escapes a string for Mermaid: all but plain characters become entities, since `;`, `#`, `%%` and `end` are syntax.
fn mermaid_escaped(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    for (index, character) in text.chars().enumerate() {
        if index >= MERMAID_LABEL {
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
    // Mermaid refuses an empty label.
    if out.trim().is_empty() {
        out.push_str("#160;");
    }
    out
}

/// Writes one `PlantUML` diagram per session; a file may hold several.
///
/// Rows beyond a limit are omitted, and a separator counts them.
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
        write_plantuml_diagram(&diagram, detail, out)?;
    }
    // PlantUML reports an error for a file without a diagram.
    if is_first {
        writeln!(out, "@startuml\n@enduml")?;
    }
    Ok(())
}

fn write_plantuml_diagram(
    diagram: &Diagram,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "@startuml session_{}", diagram.session)?;
    let title = format!("Session {}: {}", diagram.session, diagram.verdict);
    writeln!(out, "title {}", plantuml_escaped(&title))?;
    for lane in Lane::ALL {
        if lane != Lane::Server && !diagram.uses(lane, detail) {
            continue;
        }
        let address = &diagram.addresses[lane.index()];
        let address = if address.is_empty() {
            String::new()
        } else {
            format!("\\n{}", plantuml_escaped(address))
        };
        let (keyword, id) = (keyword(lane), id(lane));
        writeln!(out, "{keyword} \"{}{address}\" as {id}", lane.title())?;
    }
    for row in diagram.rows_at(detail).take(PLANTUML_ROWS) {
        write_plantuml_row(row, detail, out)?;
    }
    let omitted = diagram.rows_at(detail).skip(PLANTUML_ROWS).count();
    if omitted > 0 {
        let rows = units::counted(units::to_u64(omitted), "row", "rows");
        writeln!(out, "== {rows} left out ==")?;
    }
    writeln!(out, "@enduml")
}

fn write_plantuml_row(row: &Row, detail: Detail, out: &mut dyn Write) -> io::Result<()> {
    let label = plantuml_escaped(&row.label);
    match row.kind {
        RowKind::Phase => writeln!(out, "== {label} =="),
        RowKind::Part => writeln!(out, "... {label} ..."),
        RowKind::Arrow { from, to, channel } => {
            let line = match channel {
                Channel::Data | Channel::Console => "--",
                Channel::Dns | Channel::Control | Channel::Step => "-",
            };
            let color = if row.failed { "[#red]" } else { "" };
            let frame = frame_suffix(row, detail);
            let (from, to) = (id(from), id(to));
            writeln!(out, "{from} {line}{color}> {to} : {label}{frame}")
        }
    }
}

/// Escapes a string for `PlantUML`, its markup (Creole) and its preprocessor: all but plain characters become numbers.
fn plantuml_escaped(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    let mut previous = ' ';
    for (index, character) in text.chars().enumerate() {
        if index >= PLANTUML_LABEL {
            out.push('…');
            break;
        }
        // Doubled, these are markup: `--` strikes out, `//` is italic, `__` underlined, `..` a rule.
        let single = "-/_.".contains(character) && character != previous;
        if character.is_alphanumeric() || single || " ,+()@?…↔→".contains(character) {
            out.push(character);
        } else {
            let _ = write!(out, "&#{};", u32::from(character));
        }
        previous = character;
    }
    out
}

/// Returns the participant keyword, the same in both languages.
fn keyword(lane: Lane) -> &'static str {
    if lane == Lane::Console {
        "actor"
    } else {
        "participant"
    }
}

/// Returns the identifier of a participant, the same in both languages.
const fn id(lane: Lane) -> &'static str {
    match lane {
        Lane::Dns => "dns",
        Lane::Server => "server",
        Lane::Client => "client",
        Lane::Console => "console",
    }
}

/// Returns the frame number behind a label. Steps span many frames and have none.
fn frame_suffix(row: &Row, detail: Detail) -> String {
    match row.frame {
        Some(frame) if detail != Detail::Steps => format!(" (frame {frame})"),
        _ => String::new(),
    }
}

/// Limit of the characters of a Mermaid label.
const MERMAID_LABEL: usize = 120;
/// Limit of the bytes of a Mermaid diagram: GitHub draws up to 50,000 characters.
const MERMAID_LENGTH: usize = 48_000;
/// Limit of the sessions in a Mermaid diagram; more do not fit into its length anyway.
const MERMAID_SESSIONS: usize = 1_000;
/// Limit of the characters of a `PlantUML` label.
const PLANTUML_LABEL: usize = 160;
/// Limit of the rows of a `PlantUML` diagram: it takes minutes to draw more.
const PLANTUML_ROWS: usize = 5_000;
