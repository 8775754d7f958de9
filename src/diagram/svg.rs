//! Diagrams as one SVG picture: light or dark as the reader prefers, light in print.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_width::UnicodeWidthChar as _;

use super::build::{Drawing, Drawings};
use super::model::{Channel, Detail, Lane, Row, RowKind, SessionState};
use crate::model::wire_text::printable;
use crate::report::{SpooledText, units};

/// Writes all sessions one below the other. Rows beyond a limit are omitted, and a line at the end counts them.
pub fn write_svg(
    mut drawings: Drawings<'_>,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    // The height of the picture, which comes first, is known last.
    let mut body = SpooledText::new(IN_MEMORY);
    let mut picture = Picture {
        detail,
        out: Vec::new(),
        y: 0,
        rows: 0,
        omitted: 0,
    };
    while let Some(session) = drawings.next_session()? {
        picture.diagram(&drawings.plan(&session))?;
        body.write_all(&picture.out)?;
        picture.out.clear();
    }
    if picture.omitted > 0 {
        let rows = units::counted(picture.omitted, "row", "rows");
        let hint = format!("{rows} left out: choose a session, or less detail");
        picture.y += ROW;
        let y = picture.y;
        picture.text(MARGIN, y, "start", "t", &hint, WIDTH)?;
        picture.y += ROW;
        body.write_all(&picture.out)?;
    }
    let height = picture.y + 12;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"FTP sessions as sequence diagrams\">"
    )?;
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(
        out,
        "<rect class=\"bg\" width=\"{WIDTH}\" height=\"{height}\"/>"
    )?;
    let length = body.len();
    body.copy(0, length, out)?;
    writeln!(out, "</svg>")
}

/// SVG body under construction. Coordinates are in pixels.
struct Picture {
    detail: Detail,
    /// Text of the current session.
    out: Vec<u8>,
    /// Height so far.
    y: u64,
    /// Count of the rows drawn.
    rows: usize,
    /// Count of the rows beyond [`MAX_ROWS`].
    omitted: u64,
}

impl Picture {
    fn diagram(&mut self, drawing: &Drawing<'_>) -> io::Result<()> {
        let columns = columns(drawing.uses_dns(self.detail));
        self.y += 30;
        let title = drawing.title();
        let y = self.y;
        // Two thirds of the width: the title is set in 16 px, and widths are computed for 12 px.
        self.text(
            MARGIN,
            y,
            "start",
            "h",
            &title,
            (WIDTH - 2 * MARGIN) * 2 / 3,
        )?;
        self.text(
            MARGIN,
            y + 18,
            "start",
            "d",
            &drawing.endpoints(),
            WIDTH - 2 * MARGIN,
        )?;
        if let Some(captures) = drawing.captures_line() {
            self.y += 16;
            self.text(
                MARGIN,
                self.y + 18,
                "start",
                "d",
                &captures,
                WIDTH - 2 * MARGIN,
            )?;
        }
        self.y += 34;
        let top = self.y;
        let addresses = drawing.addresses();
        for lane in Lane::ALL {
            let Some(x) = columns[lane.index()] else {
                continue;
            };
            // The words below the console are longer than an address, and have no other lane beside them.
            let width = if lane == Lane::Console { 180 } else { 140 };
            writeln!(
                self.out,
                "<rect class=\"head\" x=\"{}\" y=\"{top}\" width=\"{width}\" height=\"38\" rx=\"6\"/>",
                x - width / 2
            )?;
            let address = &addresses[lane.index()];
            let y = if address.is_empty() {
                top + 24
            } else {
                top + 16
            };
            self.text(x, y, "middle", "b", lane.title(), 136)?;
            self.text(x, top + 31, "middle", "d", address, width - 4)?;
        }
        self.y += 44;
        let lanes_from = self.y;
        // Lanes are drawn behind the rows, thus before them in the file, but their length is known only afterwards.
        let lanes_position = self.out.len();
        let start = drawing.start();
        for row in drawing.rows_at(self.detail) {
            if self.rows >= MAX_ROWS {
                self.omitted += 1;
                continue;
            }
            self.rows += 1;
            let when = units::offset(row.time, start);
            let frame = drawing.short_frame(&row);
            self.row(&row, (&when, frame), columns)?;
        }
        let mut lanes = Vec::new();
        for x in columns.iter().flatten() {
            writeln!(
                lanes,
                "<line class=\"lane\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/>",
                lanes_from - 6,
                self.y + 6
            )?;
        }
        self.out.splice(lanes_position..lanes_position, lanes);
        self.y += 14;
        Ok(())
    }

    /// Draws a row, with its time offset and the number of its frame.
    fn row(
        &mut self,
        row: &Row,
        (when, frame): (&str, Option<String>),
        columns: [Option<u64>; 4],
    ) -> io::Result<()> {
        let y = self.y;
        match row.kind {
            RowKind::Phase => {
                self.y += ROW + 8;
                writeln!(
                    self.out,
                    "<rect class=\"phase\" x=\"{MARGIN}\" y=\"{}\" width=\"{}\" height=\"22\" rx=\"4\"/>",
                    y + 6,
                    WIDTH - 2 * MARGIN
                )?;
                self.text(MARGIN + 8, y + 21, "start", "b", &row.label, 640)?;
                let state = state_text(&row.state);
                self.text(WIDTH - MARGIN - 8, y + 21, "end", "d", &state, 380)
            }
            RowKind::Part => {
                self.y += 20;
                let (server, client) = (columns[1].unwrap_or(0), columns[2].unwrap_or(0));
                let middle = u64::midpoint(server, client);
                self.text(
                    middle,
                    y + 15,
                    "middle",
                    "d",
                    &format!("· {} ·", row.label),
                    400,
                )
            }
            RowKind::Arrow { from, to, channel } => {
                self.y += ROW;
                let (Some(begin), Some(end)) = (columns[from.index()], columns[to.index()]) else {
                    return Ok(());
                };
                let line = y + 22;
                self.text(MARGIN + 58, line, "end", "t", when, 70)?;
                if let Some(frame) = frame {
                    self.text(MARGIN + 66, line, "start", "t", &format!("#{frame}"), 60)?;
                }
                self.arrow(row, channel, (begin, end), line)
            }
        }
    }

    fn arrow(
        &mut self,
        row: &Row,
        channel: Channel,
        (begin, end): (u64, u64),
        y: u64,
    ) -> io::Result<()> {
        let class = match channel {
            _ if row.failed => "bad",
            Channel::Data => "data",
            Channel::Console => "user",
            Channel::Dns | Channel::Control | Channel::Step => "ctl",
        };
        let tip = if begin < end { end - 1 } else { end + 1 };
        let back = if begin < end { tip - 8 } else { tip + 8 };
        let full = printable(&row.caption);
        writeln!(
            self.out,
            "<g class=\"{class}\"><title>{}</title>",
            escaped(&full)
        )?;
        let middle = u64::midpoint(begin, end);
        // A long label may cover the neighbouring lanes, up to the edge of the picture.
        let max_width = 2 * (middle - MARGIN - 110).min(WIDTH - MARGIN - middle);
        self.text(middle, y - 5, "middle", "l", &row.label, max_width)?;
        writeln!(
            self.out,
            "<line x1=\"{begin}\" y1=\"{y}\" x2=\"{back}\" y2=\"{y}\"/><path d=\"M{tip} {y}L{back} {}L{back} {}Z\"/>",
            y - 4,
            y + 4
        )?;
        writeln!(self.out, "</g>")
    }

    /// Writes a text of at most `max_width` pixels, as far as can be estimated without the font.
    fn text(
        &mut self,
        x: u64,
        y: u64,
        anchor: &str,
        class: &str,
        text: &str,
        max_width: u64,
    ) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let text = escaped(&fitted(&printable(text), max_width));
        writeln!(
            self.out,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
        )
    }
}

/// Cuts a text to `max_width` pixels, by the character widths of common sans-serif fonts at 12 px, in tenths of a pixel.
pub(super) fn fitted(text: &str, max_width: u64) -> Cow<'_, str> {
    let mut used = 0;
    for (index, character) in text.char_indices() {
        used += match character {
            'i' | 'j' | 'l' | 'f' | 't' | ' ' | '.' | ',' | ':' | ';' | '|' | '!' | '\'' => 42,
            'm' | 'w' | '@' | '%' | 'A'..='Z' => 92,
            _ => match character.width() {
                None | Some(0) => 0,
                Some(1) => 72,
                Some(_) => 122,
            },
        };
        if used > max_width * 10 {
            let kept = text.get(..index).unwrap_or_default();
            let mut kept: String = kept.to_owned();
            // The ellipsis takes the width of the last character.
            kept.pop();
            return Cow::Owned(kept + "…");
        }
    }
    Cow::Borrowed(text)
}

/// Returns the horizontal position of each lane; `None` for a lane that is not drawn.
const fn columns(dns: bool) -> [Option<u64>; 4] {
    if dns {
        [Some(220), Some(390), Some(880), Some(1_090)]
    } else {
        [None, Some(220), Some(860), Some(1_090)]
    }
}

/// Formats the state for the right end of a heading.
fn state_text(state: &SessionState) -> String {
    let mut parts = Vec::new();
    if let Some(user) = &state.user {
        parts.push(format!("user {user}"));
        parts.extend(state.directory.clone());
        parts.push(state.data_type.clone());
    }
    if !state.mode.is_empty() {
        parts.push(state.mode.clone());
    }
    parts.extend(state.encryption().map(str::to_owned));
    parts.join(" · ")
}

/// Escapes a string for XML 1.0: markup becomes entities, characters that XML cannot hold become U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

/// Style sheet. Dark colours are for screens only, so that print stays light.
const STYLE: &str = "\
.bg{fill:#fff}text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1b1f24}.h{font-size:16px;font-weight:600}\
.l{paint-order:stroke;stroke:#fff;stroke-width:4px}.b{font-weight:600}.d,.t{fill:#57606a;font-size:11px}.t{font-variant-numeric:tabular-nums}.head{fill:#f3f5f7;stroke:#c4ccd4}\
.phase{fill:#e8eef5}.lane{stroke:#c4ccd4;stroke-dasharray:3 3}g line{stroke-width:1.4}.ctl line{stroke:#0b5cad}.ctl path{fill:#0b5cad}\
.data line{stroke:#1a7f37;stroke-width:2.6}.data path{fill:#1a7f37}.user line{stroke:#6e5494;stroke-dasharray:5 3}.user path{fill:#6e5494}\
.bad line{stroke:#b42318}.bad path,.bad text{fill:#b42318}\
@media screen and (prefers-color-scheme:dark){.bg{fill:#12161b}.l{stroke:#12161b}text{fill:#e6e9ed}.d,.t{fill:#9aa5b1}.head{fill:#1f252d;stroke:#3c4651}\
.phase{fill:#202c3a}.lane{stroke:#3c4651}.ctl line{stroke:#6cb2f7}.ctl path{fill:#6cb2f7}.data line{stroke:#4cc76b}.data path{fill:#4cc76b}\
.user line{stroke:#b99ce6}.user path{fill:#b99ce6}.bad line{stroke:#ff8b7f}.bad path,.bad text{fill:#ff8b7f}}";
/// Bytes of the body kept in memory before they go to a temporary file.
const IN_MEMORY: usize = 16 << 20;
/// Width of the picture in pixels.
const WIDTH: u64 = 1_180;
const MARGIN: u64 = 16;
/// Height of a row in pixels.
const ROW: u64 = 30;
/// Limit of the rows in a picture: browsers are slow to show more.
const MAX_ROWS: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_the_widths_of_its_characters() {
        assert_eq!(
            fitted("226 Transfer complete.", 200),
            "226 Transfer complete."
        );
        let capitals = "A".repeat(40);
        assert_eq!(fitted(&capitals, 100), format!("{}…", "A".repeat(9)));
        assert_eq!(fitted(&"字".repeat(40), 100).chars().count(), 8);
    }
}
