//! Diagrams as markup that other programs draw: Mermaid, which GitHub renders within Markdown, and `PlantUML`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::build::{CONSOLE_SOURCE, Drawing, Drawings, title_of};
use super::model::{Channel, Detail, Lane, Row, RowKind};
use crate::model::wire_text::printable;
use crate::report::{CaptureNames, units};

/// Writes all sessions as one Mermaid `sequenceDiagram`, one below the other.
///
/// Rows beyond the size that GitHub draws are omitted, and a note counts them.
pub fn write_mermaid(
    mut drawings: Drawings<'_>,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut body = MermaidBody::default();
    let mut used = UsedLanes::default();
    let mut current = drawings.next_session()?;
    let mut next = drawings.next_session()?;
    // Participants are declared once for all sessions, so they have addresses only if there is one session.
    let is_only = next.is_none();
    let mut addresses = None;
    let mut sessions = 0;
    while let Some(session) = current
        && sessions < MERMAID_SESSIONS
    {
        let drawing = drawings.plan(&session);
        if is_only {
            addresses = Some(drawing.addresses());
        } else {
            body.push(&mermaid_note(&title_of(&session)));
        }
        for row in drawing.rows_at(detail) {
            used.add(&row);
            if body.omitted > 0 {
                body.omitted += 1;
            } else {
                body.push(&mermaid_line(&row, drawing.names(), detail));
            }
        }
        drop(drawing);
        sessions += 1;
        current = next;
        next = drawings.next_session()?;
    }
    writeln!(out, "sequenceDiagram")?;
    for lane in Lane::ALL {
        if lane != Lane::Server && !used.has(lane) {
            continue;
        }
        let address = match lane {
            Lane::Console => CONSOLE_SOURCE,
            _ => addresses
                .as_ref()
                .map_or("", |addresses| &addresses[lane.index()]),
        };
        let address = if address.is_empty() {
            String::new()
        } else {
            format!("<br/>{}", mermaid_escaped(address))
        };
        let (keyword, id) = (keyword(lane), id(lane));
        writeln!(out, "    {keyword} {id} as {}{address}", lane.title())?;
    }
    out.write_all(body.text.as_bytes())?;
    if body.omitted > 0 {
        let rows = units::counted(body.omitted, "row", "rows");
        let hint = format!("{rows} left out: choose a session, or less detail");
        out.write_all(mermaid_note(&hint).as_bytes())?;
    }
    Ok(())
}

/// Lines of a Mermaid diagram up to [`MERMAID_LENGTH`].
#[derive(Default)]
struct MermaidBody {
    text: String,
    /// Count of the lines beyond the limit. After the first of them none is added: shorter ones that still fit would stand
    /// there as if nothing came before them.
    omitted: u64,
}

impl MermaidBody {
    fn push(&mut self, line: &str) {
        if self.omitted > 0 || self.text.len() + line.len() > MERMAID_LENGTH {
            self.omitted += 1;
        } else {
            self.text.push_str(line);
        }
    }
}

/// Lanes that some arrow touches, by [`Lane::index`].
#[derive(Default)]
struct UsedLanes([bool; 4]);

impl UsedLanes {
    fn add(&mut self, row: &Row) {
        if let RowKind::Arrow { from, to, .. } = row.kind {
            self.0[from.index()] = true;
            self.0[to.index()] = true;
        }
    }

    fn has(&self, lane: Lane) -> bool {
        self.0[lane.index()]
    }
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

/// Returns the title of a phase, which says whether its arrows were encrypted or decrypted.
fn phase_title(row: &Row) -> Cow<'_, str> {
    match row.state.encryption() {
        Some(word) => Cow::Owned(format!("{} · {word}", row.label)),
        None => Cow::Borrowed(&row.label),
    }
}

fn mermaid_line(row: &Row, names: &CaptureNames, detail: Detail) -> String {
    match row.kind {
        RowKind::Phase => mermaid_note(&phase_title(row)),
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
            let frame = frame_suffix(row, names, detail, mermaid_escaped);
            format!("    {}{arrow}{}: {label}{frame}\n", id(from), id(to))
        }
    }
}

/// Escapes a string for Mermaid: all but plain characters become entities, since `;`, `#`, `%%` and `end` are syntax.
pub(super) fn mermaid_escaped(text: &str) -> String {
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
    mut drawings: Drawings<'_>,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut is_first = true;
    while let Some(session) = drawings.next_session()? {
        if !is_first {
            writeln!(out)?;
        }
        is_first = false;
        writeln!(out, "@startuml session_{}", session.id)?;
        write_plantuml_diagram(&drawings.plan(&session), detail, out)?;
    }
    // PlantUML reports an error for a file without a diagram.
    if is_first {
        writeln!(out, "@startuml\n@enduml")?;
    }
    Ok(())
}

fn write_plantuml_diagram(
    drawing: &Drawing<'_>,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    // Participants come first, and the rows show which there are.
    let mut rows = Vec::new();
    let mut used = UsedLanes::default();
    let mut count = 0;
    for row in drawing.rows_at(detail) {
        used.add(&row);
        if count < PLANTUML_ROWS {
            write_plantuml_row(&row, drawing.names(), detail, &mut rows)?;
        }
        count += 1;
    }
    writeln!(out, "title {}", plantuml_escaped(&drawing.title()))?;
    let addresses = drawing.addresses();
    for lane in Lane::ALL {
        if lane != Lane::Server && !used.has(lane) {
            continue;
        }
        let address = &addresses[lane.index()];
        let address = if address.is_empty() {
            String::new()
        } else {
            format!("\\n{}", plantuml_escaped(address))
        };
        let (keyword, id) = (keyword(lane), id(lane));
        writeln!(out, "{keyword} \"{}{address}\" as {id}", lane.title())?;
    }
    out.write_all(&rows)?;
    let omitted = count.saturating_sub(PLANTUML_ROWS);
    if omitted > 0 {
        let rows = units::counted(units::to_u64(omitted), "row", "rows");
        writeln!(out, "== {rows} left out ==")?;
    }
    writeln!(out, "@enduml")
}

fn write_plantuml_row(
    row: &Row,
    names: &CaptureNames,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let label = plantuml_escaped(&row.label);
    match row.kind {
        RowKind::Phase => writeln!(out, "== {} ==", plantuml_escaped(&phase_title(row))),
        RowKind::Part => writeln!(out, "... {label} ..."),
        RowKind::Arrow { from, to, channel } => {
            let line = match channel {
                Channel::Data | Channel::Console => "--",
                Channel::Dns | Channel::Control | Channel::Step => "-",
            };
            let color = if row.failed { "[#red]" } else { "" };
            let frame = frame_suffix(row, names, detail, plantuml_escaped);
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

/// Returns the frame number behind a label, with several captures that of its own. Steps span many frames and have none.
fn frame_suffix(
    row: &Row,
    names: &CaptureNames,
    detail: Detail,
    escaped: fn(&str) -> String,
) -> String {
    match row.frame {
        Some(frame) if detail != Detail::Steps => {
            format!(" ({})", escaped(&names.frame(frame, row.place)))
        }
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
