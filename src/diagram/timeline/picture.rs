//! The time line as SVG: a file of its own, or the part of the page that shows it.
//!
//! Positions and widths are percentages, heights are pixels: the picture fills any width, and its texts keep their size.
//! Nothing is shown by colour alone: failed sessions are hatched, those with warnings are dashed, downloads are in the
//! upper half of a bar and uploads in the lower one, and findings have shapes by severity.

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::super::svg::{escaped, fitted};
use super::layout::{Column, Lane, LaneContent, Layout, Period, Piece, WHOLE};
use super::{LanesBy, Timeline, TransferSpan};
use crate::model::Timestamp;
use crate::model::record::{Severity, TransferDirection, VerdictStatus};
use crate::model::wire_text::printable;
use crate::report::units;

/// Writes the time line as one SVG file.
pub fn write_svg_timeline(
    timeline: &Timeline,
    by: LanesBy,
    zone: &TimeZone,
    out: &mut dyn Write,
) -> io::Result<()> {
    let layout = timeline.layout(by);
    let mut picture = Picture::new(timeline, zone, by, false);
    picture.lanes(&layout);
    let (margin, width) = (FILE_MARGIN, FILE_WIDTH - 2 * FILE_MARGIN);
    let lanes = format!(
        "<svg class=\"tl t-lanes\" x=\"{margin}\" y=\"{FILE_HEAD}\" width=\"{width}\" height=\"{}\">\n{}</svg>\n",
        picture.y + 2,
        std::mem::take(&mut picture.out)
    );
    picture.y += FILE_HEAD + 22;
    let mut x = FILE_MARGIN;
    for (swatch, words) in LEGEND {
        let width = 44 + 7 * units::to_u64(words.len());
        if x + width > FILE_WIDTH {
            x = FILE_MARGIN;
            picture.y += 22;
        }
        let y = picture.y;
        let swatch = swatch.replace("{id}", picture.id);
        picture.push(&format!(
            "<g transform=\"translate({x} {})\">{swatch}</g><text class=\"t-dim\" x=\"{}\" y=\"{y}\">{words}</text>\n",
            y - 12,
            x + 32
        ));
        x += width;
    }
    let height = picture.y + 14;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tl\" width=\"{FILE_WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {FILE_WIDTH} {height}\" role=\"img\" aria-labelledby=\"tl-title tl-desc\">"
    )?;
    writeln!(
        out,
        "<title id=\"tl-title\">{}</title>",
        escaped(&title(&layout, timeline, by))
    )?;
    writeln!(
        out,
        "<desc id=\"tl-desc\">{}</desc>",
        escaped(&description(&layout, by))
    )?;
    writeln!(out, "<style>{}</style>", file_style())?;
    writeln!(
        out,
        "<rect class=\"t-bg\" width=\"{FILE_WIDTH}\" height=\"{height}\"/>"
    )?;
    writeln!(out, "{}", defs(picture.id))?;
    let when = period_text(&layout.period, zone);
    for (class, y, text) in [
        ("t-h", 24, title(&layout, timeline, by)),
        ("t-dim", 42, when),
    ] {
        writeln!(
            out,
            "<text class=\"{class}\" x=\"16\" y=\"{y}\">{}</text>",
            escaped(&text)
        )?;
    }
    out.write_all(lanes.as_bytes())?;
    out.write_all(picture.out.as_bytes())?;
    writeln!(out, "</svg>")
}

/// Writes the section of the page, nothing without sessions. Bars are links to their sessions.
///
/// Both choices of lanes are drawn, so that choosing one needs no script.
pub fn write_timeline_section(
    timeline: &Timeline,
    zone: &TimeZone,
    out: &mut dyn Write,
) -> io::Result<()> {
    if timeline.is_empty() {
        return Ok(());
    }
    let layouts = [LanesBy::Client, LanesBy::Server].map(|by| (by, timeline.layout(by)));
    let [(_, clients), (_, servers)] = &layouts;
    let has_choice = clients.hosts > 1 || servers.hosts > 1;
    // Lanes of single hosts say more than one lane of all others.
    let by_server = clients.hosts > clients.lanes.len() && servers.hosts < clients.hosts;
    writeln!(
        out,
        "<section id=\"timeline\" class=\"plots\" aria-labelledby=\"timeline-title\">\n<h2 id=\"timeline-title\">Time line</h2>"
    )?;
    writeln!(out, "<div class=\"lanes-choice\">")?;
    if has_choice {
        for (by, words) in [
            (LanesBy::Client, "One lane per client"),
            (LanesBy::Server, "One lane per server"),
        ] {
            let (noun, _) = by.nouns();
            let checked = if (by == LanesBy::Server) == by_server {
                " checked"
            } else {
                ""
            };
            writeln!(
                out,
                "<input type=\"radio\" name=\"lanes\" id=\"lanes-{noun}\"{checked}><label for=\"lanes-{noun}\">{words}</label>"
            )?;
        }
    }
    for (by, layout) in &layouts {
        if *by == LanesBy::Server && !has_choice {
            continue;
        }
        figure(timeline, layout, *by, zone, out)?;
    }
    writeln!(out, "</div>\n</section>")
}

/// Writes the picture of one choice of lanes, its legend, and its numbers as a table.
fn figure(
    timeline: &Timeline,
    layout: &Layout,
    by: LanesBy,
    zone: &TimeZone,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (noun, _) = by.nouns();
    let mut picture = Picture::new(timeline, zone, by, true);
    picture.lanes(layout);
    let height = picture.y + 4;
    let when = period_text(&layout.period, zone);
    writeln!(
        out,
        "<figure class=\"by-{noun}\">\n<svg class=\"tl t-lanes\" width=\"100%\" height=\"{height}\" role=\"group\" \
         aria-labelledby=\"tl-{noun}-title tl-{noun}-desc\">\n<title id=\"tl-{noun}-title\">{}</title>\
         <desc id=\"tl-{noun}-desc\">{}</desc>\n{}",
        escaped(&title(layout, timeline, by)),
        escaped(&description(layout, by)),
        defs(picture.id)
    )?;
    out.write_all(picture.out.as_bytes())?;
    writeln!(
        out,
        "</svg>\n<figcaption>{}\n<ul class=\"t-legend\">",
        escaped(&when)
    )?;
    for (swatch, words) in LEGEND {
        let swatch = swatch.replace("{id}", picture.id);
        writeln!(
            out,
            "<li><svg class=\"tl\" width=\"26\" height=\"16\" aria-hidden=\"true\">{swatch}</svg>{words}</li>"
        )?;
    }
    writeln!(
        out,
        "</ul></figcaption>\n<details><summary>The time line as a table</summary>\n\
         <div class=\"scroll\" role=\"region\" aria-label=\"Time line as a table\" tabindex=\"0\"><table class=\"numbers\"><thead><tr>\
         <th scope=\"col\">{}</th>",
        capitalized(noun)
    )?;
    for name in ["Sessions", "Failed", "Warnings", "Files", "Bytes"] {
        writeln!(out, "<th scope=\"col\" class=\"n\">{name}</th>")?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for lane in &layout.lanes {
        let counts = lane.counts;
        write!(
            out,
            "<tr><th scope=\"row\" class=\"wire\">{}</th>",
            shown(&lane.title)
        )?;
        for count in [
            counts.sessions,
            counts.failed,
            counts.warnings,
            counts.files,
            counts.bytes,
        ] {
            write!(out, "<td class=\"n\">{}</td>", units::count(count))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div></details>\n</figure>")
}

/// SVG under construction.
struct Picture<'a> {
    timeline: &'a Timeline,
    zone: &'a TimeZone,
    /// Ending of the names of its definitions, which are unique in a page.
    id: &'static str,
    /// Whether bars are links to sessions of the page.
    is_linked: bool,
    /// Widest gap between data connections of a kind that are drawn as one bar, in thousandths of a percent.
    merge_gap: u64,
    out: String,
    /// Height so far in pixels.
    y: u64,
}

/// Data connections of one kind that are drawn as one bar.
struct TransferBar<'a> {
    first: &'a TransferSpan,
    from: u64,
    to: u64,
    count: u64,
}

impl<'a> Picture<'a> {
    fn new(timeline: &'a Timeline, zone: &'a TimeZone, by: LanesBy, is_linked: bool) -> Self {
        let (id, _) = by.nouns();
        Self {
            timeline,
            zone,
            id,
            is_linked,
            merge_gap: 0,
            out: String::new(),
            y: 0,
        }
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Draws the axis and all lanes.
    fn lanes(&mut self, layout: &Layout) {
        let period = &layout.period;
        let top = self.y;
        self.y += 22;
        let axis = self.out.len();
        self.merge_gap = self.fitting_gap(layout);
        for lane in &layout.lanes {
            self.lane(lane, period);
        }
        if self.timeline.omitted > 0 {
            self.y += 16;
            let omitted = units::counted(self.timeline.omitted, "session", "sessions");
            let y = self.y;
            self.push(&format!(
                "<text class=\"t-dim\" x=\"0\" y=\"{y}\">{omitted} more are not drawn</text>\n"
            ));
            self.y += 6;
        }
        // Behind the bars, thus before them in the file.
        let lines = ticks(period, self.zone, top, self.y);
        self.out.insert_str(axis, &lines);
    }

    /// Returns the smallest gap with which the data connections of single sessions are few enough to be drawn.
    fn fitting_gap(&self, layout: &Layout) -> u64 {
        let mut gap = 100;
        let sessions: Vec<usize> = layout
            .lanes
            .iter()
            .filter_map(|lane| match &lane.content {
                LaneContent::Rows(rows) => Some(rows),
                LaneContent::Columns(_) => None,
            })
            .flatten()
            .flatten()
            .copied()
            .collect();
        while gap < WHOLE {
            let bars = sessions
                .iter()
                .map(|at| self.bars(*at, &layout.period, gap).len());
            if bars.sum::<usize>() <= MAX_TRANSFER_BARS {
                break;
            }
            gap *= 2;
        }
        gap
    }

    fn lane(&mut self, lane: &Lane, period: &Period) {
        let counts = lane.counts;
        let mut words = units::counted(counts.sessions, "session", "sessions");
        if counts.failed > 0 {
            let _ = write!(words, ", {} failed", units::count(counts.failed));
        }
        if counts.files > 0 {
            let files = units::counted(counts.files, "file", "files");
            let _ = write!(words, ", {files}, {}", units::size(counts.bytes));
        }
        if let LaneContent::Columns(columns) = &lane.content {
            let most = columns.iter().map(|column| column.sessions).max();
            let most = units::count(most.unwrap_or_default());
            // Left out where there is no space for it.
            let _ = write!(
                words,
                "<tspan class=\"t-long\">; tallest bar: {most} sessions</tspan>"
            );
        }
        self.y += 18;
        let y = self.y;
        let title = printable(&lane.title);
        let title = escaped(&fitted(&title, 320));
        self.push(&format!(
            "<text class=\"t-lane\" y=\"{y}\">{title} <tspan class=\"t-dim\">{words}</tspan></text>\n"
        ));
        self.y += 6;
        match &lane.content {
            LaneContent::Rows(rows) => {
                for row in rows {
                    for at in row {
                        self.session(*at, period);
                    }
                    self.y += ROW;
                }
            }
            LaneContent::Columns(columns) => self.columns(columns, period),
        }
        self.y += 4;
        let y = self.y;
        self.push(&format!(
            "<line class=\"t-line\" x1=\"0\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>\n"
        ));
    }

    /// Opens the link to a session, or a group where there are none.
    fn open(&mut self, class: &str, id: u64, title: &str) {
        let title = shown(title);
        let tag = if self.is_linked {
            format!("<a class=\"{class}\" href=\"#session-{id}\">")
        } else {
            format!("<g class=\"{class}\">")
        };
        self.push(&format!("{tag}<title>{title}</title>"));
    }

    fn close(&mut self) {
        self.push(if self.is_linked { "</a>\n" } else { "</g>\n" });
    }

    fn session(&mut self, at: usize, period: &Period) {
        let timeline = self.timeline;
        let session = &timeline.sessions[at];
        let y = self.y;
        let (from, to) = (period.position(session.start), period.position(session.end));
        let (class, word) = match session.status {
            VerdictStatus::Ok => ("t-ok", "ok"),
            VerdictStatus::Warning => ("t-warning", "warning"),
            VerdictStatus::Failed => ("t-failed", "failed"),
        };
        let start = units::time(session.start, self.zone);
        let took = units::duration(session.end.since(session.start).seconds());
        let said = session.title.as_deref().unwrap_or_default();
        let title = format!(
            "Session {}, {word}, {} to {}, {start}, {took}. {said}",
            session.id,
            session.client,
            timeline.host_title(session.server)
        );
        self.open(class, session.id, &title);
        let (x, width) = (percent(from), percent((to - from).max(LEAST)));
        self.push(&format!("<rect class=\"t-bar\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\" rx=\"2\"/>"));
        if session.status == VerdictStatus::Failed {
            let id = self.id;
            self.push(&format!(
                "<rect fill=\"url(#t-bad-{id})\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\"/>"
            ));
        }
        for bar in self.bars(at, period, self.merge_gap) {
            self.transfer(&bar);
        }
        for mark in &timeline.marks[session.marks.clone()] {
            self.mark(
                mark.severity,
                period.position(mark.time),
                y + BAR / 2,
                &mark.title,
            );
        }
        let end = period.position(timeline.end_of(session)).max(from + LEAST);
        // At the edge the number stands before the bar.
        let is_before = end > WHOLE - EDGE;
        let at = if is_before { from } else { end };
        // The shape of a finding at that end needs space.
        let mut marks = timeline.marks[session.marks.clone()].iter();
        let is_marked = marks.any(|mark| period.position(mark.time).abs_diff(at) < NEAR);
        let gap = if is_marked { 10 } else { 4 };
        let place = if is_before {
            format!("text-anchor=\"end\" dx=\"-{gap}\"")
        } else {
            format!("dx=\"{gap}\"")
        };
        let x = percent(at);
        self.push(&format!(
            "<text class=\"t-n\" x=\"{x}\" {place} y=\"{}\">{}</text>",
            y + 12,
            session.id
        ));
        self.close();
    }

    /// Returns the data connections of a session, those of a kind with small gaps between them as one bar.
    fn bars(&self, at: usize, period: &Period, gap: u64) -> Vec<TransferBar<'a>> {
        let timeline = self.timeline;
        let session = &timeline.sessions[at];
        let mut bars: Vec<TransferBar<'a>> = Vec::new();
        for transfer in &timeline.transfers[session.transfers.clone()] {
            let (from, to) = (
                period.position(transfer.start),
                period.position(transfer.end),
            );
            let to = to.max(from + LEAST);
            if let Some(last) = bars.last_mut()
                && (last.first.direction, last.first.is_damaged)
                    == (transfer.direction, transfer.is_damaged)
                && from <= last.to + gap
            {
                last.to = last.to.max(to);
                last.count += 1;
                continue;
            }
            bars.push(TransferBar {
                first: transfer,
                from,
                to,
                count: 1,
            });
        }
        bars
    }

    fn transfer(&mut self, bar: &TransferBar<'_>) {
        let (class, offset, height, noun) = match bar.first.direction {
            TransferDirection::Download => ("t-down", 2, 6, ("download", "downloads")),
            TransferDirection::Upload => ("t-up", 8, 6, ("upload", "uploads")),
            TransferDirection::Listing => ("t-list", 7, 2, ("listing", "listings")),
        };
        let said = if bar.count == 1 {
            let title = bar.first.title.as_deref();
            title.map_or_else(|| noun.0.to_owned(), str::to_owned)
        } else {
            let state = if bar.first.is_damaged {
                ", not whole"
            } else {
                ""
            };
            format!("{}{state}", units::counted(bar.count, noun.0, noun.1))
        };
        let (x, width) = (percent(bar.from), percent(bar.to - bar.from));
        let y = self.y + offset;
        let place = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
        self.push(&format!(
            "<rect class=\"{class}\" {place}><title>{}</title></rect>",
            shown(&said)
        ));
        if bar.first.is_damaged {
            let id = self.id;
            self.push(&format!(
                "<rect class=\"t-cut\" fill=\"url(#t-gap-{id})\" {place}/>"
            ));
        }
    }

    fn mark(&mut self, severity: Severity, x: u64, y: u64, title: &str) {
        let (class, word) = match severity {
            Severity::High => ("high", "high"),
            Severity::Medium => ("medium", "medium"),
            Severity::Low => ("low", "low"),
            Severity::Info => ("low", "info"),
        };
        let id = self.id;
        self.push(&format!(
            "<use class=\"t-{class}\" href=\"#t-{class}-{id}\" x=\"{}\" y=\"{y}\"><title>{word}: {}</title></use>",
            percent(x),
            shown(title)
        ));
    }

    /// Draws the counts of a lane: sessions as stacked bars, data connections below them, findings above.
    fn columns(&mut self, columns: &[Column], period: &Period) {
        let most = columns.iter().map(|column| column.sessions).max();
        let most = most.unwrap_or_default().max(1);
        let base = self.y + COLUMN;
        let width = WHOLE / units::to_u64(columns.len()).max(1);
        for (at, column) in columns.iter().enumerate() {
            let Some(worst) = column.worst else { continue };
            let id = self.timeline.sessions[worst].id;
            let x = units::to_u64(at) * WHOLE / units::to_u64(columns.len()).max(1);
            let (from, to) = (period.time(x), period.time(x + width));
            self.open("t-column", id, &self.column_title(column, (from, to), id));
            let place = (percent(x), percent(width.saturating_sub(80).max(LEAST)));
            let mut y = base;
            let ok = column.sessions - column.failed - column.warnings;
            for (class, count) in [
                ("t-failed", column.failed),
                ("t-warning", column.warnings),
                ("t-ok", ok),
            ] {
                if count == 0 {
                    continue;
                }
                let height = (count * (COLUMN - 8) / most).max(3);
                y -= height;
                let place = format!(
                    "x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{height}\"",
                    place.0, place.1
                );
                self.push(&format!("<rect class=\"t-bar {class}\" {place}/>"));
                if class == "t-failed" {
                    let id = self.id;
                    self.push(&format!("<rect fill=\"url(#t-bad-{id})\" {place}/>"));
                }
            }
            for (class, count, offset) in
                [("t-down", column.downloads, 2), ("t-up", column.uploads, 7)]
            {
                if count > 0 {
                    self.push(&format!(
                        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"4\"/>",
                        place.0,
                        base + offset,
                        place.1
                    ));
                }
            }
            if column.findings > 0 {
                let id = self.id;
                self.push(&format!(
                    "<use class=\"t-medium\" href=\"#t-small-{id}\" x=\"{}\" y=\"{}\"/>",
                    percent(x + width / 2),
                    y.saturating_sub(5)
                ));
            }
            self.close();
        }
        self.y = base + 12;
    }

    fn column_title(&self, column: &Column, (from, to): (Timestamp, Timestamp), id: u64) -> String {
        let sessions = units::counted(column.sessions, "session", "sessions");
        let mut title = format!(
            "{} to {}: {sessions}",
            units::time_to_millisecond(from, self.zone),
            units::time_to_millisecond(to, self.zone)
        );
        for (count, one, many) in [
            (column.failed, "failed", "failed"),
            (column.warnings, "with warnings", "with warnings"),
            (column.downloads, "download", "downloads"),
            (column.uploads, "upload", "uploads"),
            (column.listings, "listing", "listings"),
            (column.damaged, "of these not whole", "of these not whole"),
            (column.findings, "finding", "findings"),
        ] {
            if count > 0 {
                let _ = write!(title, ", {}", units::counted(count, one, many));
            }
        }
        if self.is_linked {
            let _ = write!(title, ". Leads to session {id}");
        }
        title
    }
}

/// Draws the axis from `top` to `bottom`: a line and a time at each tick, and a strip where the axis is broken.
fn ticks(period: &Period, zone: &TimeZone, top: u64, bottom: u64) -> String {
    let mut lines = String::new();
    let is_broken = period.pieces.len() > 1;
    // Position from which on a label does not touch the one before.
    let mut free = if is_broken { 0 } else { EDGE };
    for (at, piece) in period.pieces.iter().enumerate() {
        if at > 0 {
            let left = period.pieces[at - 1].right;
            let seconds = piece.from.since(period.pieces[at - 1].to).seconds();
            let _ = writeln!(
                lines,
                "<rect class=\"t-break\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} without a capture</title></rect>",
                percent(left),
                top + 18,
                percent(piece.left - left),
                bottom - top - 18,
                units::duration(seconds)
            );
        }
        if is_broken && piece.left >= free && piece.left + LABEL <= WHOLE {
            let words = local_time(piece.from, zone, "%Y-%m-%d %H:%M");
            let _ = writeln!(
                lines,
                "<text class=\"t-tick t-start\" x=\"{}\" y=\"{}\">{words}</text>",
                percent(piece.left),
                top + 13
            );
            free = piece.left + 2 * LABEL;
        }
        lines.push_str(&piece_ticks(piece, zone, (top, bottom), &mut free));
    }
    lines
}

/// Draws the ticks of one piece, with labels from `free` on.
fn piece_ticks(
    piece: &Piece,
    zone: &TimeZone,
    (top, bottom): (u64, u64),
    free: &mut u64,
) -> String {
    let length = piece.to.since(piece.from).nanos().max(1);
    let count = i64::try_from((piece.right - piece.left) / LABEL).unwrap_or(0);
    let mut lines = String::new();
    let mut steps = STEPS.iter();
    let found = steps.find(|(millis, _)| length / millis.saturating_mul(1_000_000) <= count);
    let Some((millis, format)) = found.filter(|_| count > 1) else {
        return lines;
    };
    let step = millis.saturating_mul(1_000_000);
    let format = match *format {
        // Within one day the date stands in the caption.
        "%H:%M" if length > DAY => "%m-%d %H:%M",
        other => other,
    };
    let shift = instant(piece.from).map_or(0, |time| {
        i64::from(zone.to_offset(time).seconds()).saturating_mul(1_000_000_000)
    });
    let local = piece.from.nanos().saturating_add(shift);
    let first = local
        .div_euclid(step)
        .saturating_add(1)
        .saturating_mul(step)
        .saturating_sub(shift);
    for at in 0..=count {
        let time = Timestamp::from_nanos(first.saturating_add(step.saturating_mul(at)));
        if time >= piece.to {
            break;
        }
        let part = u128::from(time.since(piece.from).nanos().unsigned_abs());
        let part = part * u128::from(piece.right - piece.left) / u128::from(length.unsigned_abs());
        let position = piece.left + u64::try_from(part).unwrap_or(0);
        // Words near the edge would be cut.
        let words = if position < *free || position > WHOLE - EDGE {
            String::new()
        } else {
            *free = position + LABEL / 2;
            local_time(time, zone, format)
        };
        let x = percent(position);
        let _ = writeln!(
            lines,
            "<line class=\"t-line\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{bottom}\"/>\
             <text class=\"t-tick t-tick{}\" x=\"{x}\" y=\"{}\">{words}</text>",
            top + 18,
            at % 2,
            top + 13
        );
    }
    lines
}

fn instant(time: Timestamp) -> Result<jiff::Timestamp, jiff::Error> {
    jiff::Timestamp::from_nanosecond(i128::from(time.nanos()))
}

/// Formats a time in a zone; empty for one beyond the calendar.
fn local_time(time: Timestamp, zone: &TimeZone, format: &str) -> String {
    instant(time).map_or_else(
        |_| String::new(),
        |time| time.to_zoned(zone.clone()).strftime(format).to_string(),
    )
}

/// Returns the title of the picture, for those who do not see it, and for the head of a file.
fn title(layout: &Layout, timeline: &Timeline, by: LanesBy) -> String {
    let (one, many) = by.nouns();
    let sessions = units::to_u64(timeline.sessions.len()).saturating_add(timeline.omitted);
    let failed = layout.lanes.iter().map(|lane| lane.counts.failed).sum();
    let mut title = format!(
        "Time line of {} of {}",
        units::counted(sessions, "session", "sessions"),
        units::counted(units::to_u64(layout.hosts), one, many)
    );
    if failed > 0 {
        let _ = write!(title, ", {} failed", units::count(failed));
    }
    title
}

/// Returns the first lanes in words.
fn description(layout: &Layout, by: LanesBy) -> String {
    let (one, _) = by.nouns();
    let mut words = format!("Sessions are bars over time, one lane per {one}.");
    for lane in layout.lanes.iter().take(DESCRIBED) {
        let counts = lane.counts;
        let _ = write!(
            words,
            " {}: {}, {} failed, {}, {}.",
            printable(&lane.title),
            units::counted(counts.sessions, "session", "sessions"),
            units::count(counts.failed),
            units::counted(counts.files, "file", "files"),
            units::size(counts.bytes)
        );
    }
    words
}

fn period_text(period: &Period, zone: &TimeZone) -> String {
    let (from, to) = period.ends();
    format!("{} – {}", units::time(from, zone), units::time(to, zone))
}

/// Returns the shapes that the bars of one picture refer to.
fn defs(id: &str) -> String {
    format!(
        "<defs><pattern id=\"t-bad-{id}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <line class=\"t-hatch\" y2=\"6\"/></pattern>\
         <pattern id=\"t-gap-{id}\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(-45)\">\
         <line class=\"t-gap\" y2=\"4\"/></pattern>\
         <path id=\"t-high-{id}\" d=\"M0-8 8 6H-8Z\"/><path id=\"t-medium-{id}\" d=\"M0-7 7 0 0 7-7 0Z\"/>\
         <path id=\"t-small-{id}\" d=\"M0-4 4 0 0 4-4 0Z\"/><circle id=\"t-low-{id}\" r=\"4\"/></defs>"
    )
}

fn file_style() -> String {
    let mut style = TIMELINE_STYLE.to_owned();
    let mut dark = TIMELINE_STYLE.to_owned();
    for (name, on_light, on_dark) in COLORS {
        style = style.replace(&format!("var({name})"), on_light);
        dark = dark.replace(&format!("var({name})"), on_dark);
    }
    // Dark colours are for screens only, so that print stays light.
    format!("{style}@media screen and (prefers-color-scheme:dark){{{dark}}}")
}

/// Formats thousandths of a percent.
fn percent(position: u64) -> String {
    let (whole, rest) = (position / 1_000, position % 1_000);
    if rest == 0 {
        format!("{whole}%")
    } else {
        format!("{whole}.{rest:03}%")
    }
}

/// Escapes a string that may come from the wire.
pub(super) fn shown(text: &str) -> String {
    escaped(&printable(text))
}

fn capitalized(noun: &str) -> String {
    let mut letters = noun.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

/// Style sheet of the picture. Colours are variables that the page defines.
pub const TIMELINE_STYLE: &str = include_str!("timeline.css");
/// Values of the variables in a file, light and dark: those of the page.
const COLORS: [(&str, &str, &str); 13] = [
    ("--bg", "#fff", "#12161b"),
    ("--fg", "#1b1f24", "#e6e9ed"),
    ("--dim", "#57606a", "#9aa5b1"),
    ("--line", "#d8dee4", "#2e3740"),
    ("--edge", "#858f99", "#76828e"),
    ("--link", "#0b5cad", "#6cb2f7"),
    ("--data", "#1a7f37", "#4cc76b"),
    ("--user", "#6e5494", "#b99ce6"),
    ("--bad", "#b42318", "#ff8b7f"),
    ("--warn", "#8a5a00", "#e3b341"),
    ("--badbg", "#fdecea", "#3a1d1b"),
    ("--warnbg", "#fff5d6", "#33290f"),
    ("--plainbg", "#eef1f4", "#232b33"),
];
/// Swatches and words of the legend; `{id}` is that of the picture.
const LEGEND: [(&str, &str); 9] = [
    (
        "<rect class=\"t-bar\" x=\"1\" y=\"1\" width=\"24\" height=\"14\" rx=\"2\"/>",
        "session",
    ),
    (
        "<g class=\"t-warning\"><rect class=\"t-bar\" x=\"1\" y=\"1\" width=\"24\" height=\"14\" rx=\"2\"/></g>",
        "with warnings",
    ),
    (
        "<g class=\"t-failed\"><rect class=\"t-bar\" x=\"1\" y=\"1\" width=\"24\" height=\"14\" rx=\"2\"/></g>\
         <rect fill=\"url(#t-bad-{id})\" x=\"1\" y=\"1\" width=\"24\" height=\"14\"/>",
        "failed",
    ),
    (
        "<rect class=\"t-down\" x=\"1\" y=\"3\" width=\"24\" height=\"6\"/>",
        "download, upper half",
    ),
    (
        "<rect class=\"t-up\" x=\"1\" y=\"8\" width=\"24\" height=\"6\"/>",
        "upload, lower half",
    ),
    (
        "<rect class=\"t-list\" x=\"1\" y=\"7\" width=\"24\" height=\"2\"/>",
        "listing",
    ),
    (
        "<rect class=\"t-down\" x=\"1\" y=\"4\" width=\"24\" height=\"7\"/>\
         <rect class=\"t-cut\" fill=\"url(#t-gap-{id})\" x=\"1\" y=\"4\" width=\"24\" height=\"7\"/>",
        "not whole",
    ),
    (
        "<use class=\"t-high\" href=\"#t-high-{id}\" x=\"6\" y=\"9\"/><use class=\"t-medium\" href=\"#t-medium-{id}\" x=\"19\" y=\"8\"/>",
        "finding, high and medium",
    ),
    (
        "<use class=\"t-low\" href=\"#t-low-{id}\" x=\"12\" y=\"8\"/>",
        "smaller finding",
    ),
];
/// Distances of ticks in milliseconds, and the format of their times.
const STEPS: [(i64, &str); 32] = [
    (1, "%H:%M:%S%.3f"),
    (2, "%H:%M:%S%.3f"),
    (5, "%H:%M:%S%.3f"),
    (10, "%H:%M:%S%.3f"),
    (20, "%H:%M:%S%.3f"),
    (50, "%H:%M:%S%.3f"),
    (100, "%H:%M:%S%.3f"),
    (200, "%H:%M:%S%.3f"),
    (500, "%H:%M:%S%.3f"),
    (1_000, "%H:%M:%S"),
    (2_000, "%H:%M:%S"),
    (5_000, "%H:%M:%S"),
    (10_000, "%H:%M:%S"),
    (30_000, "%H:%M:%S"),
    (60_000, "%H:%M"),
    (120_000, "%H:%M"),
    (300_000, "%H:%M"),
    (600_000, "%H:%M"),
    (1_800_000, "%H:%M"),
    (3_600_000, "%H:%M"),
    (10_800_000, "%H:%M"),
    (21_600_000, "%H:%M"),
    (43_200_000, "%H:%M"),
    (86_400_000, "%Y-%m-%d"),
    (172_800_000, "%Y-%m-%d"),
    (604_800_000, "%Y-%m-%d"),
    (2_592_000_000, "%Y-%m-%d"),
    (7_862_400_000, "%Y-%m-%d"),
    (31_536_000_000, "%Y-%m-%d"),
    (157_766_400_000, "%Y-%m-%d"),
    (631_152_000_000, "%Y-%m-%d"),
    (3_155_760_000_000, "%Y-%m-%d"),
];
const DAY: i64 = 86_400_000_000_000;
/// Width of a label of the axis, and of the edges that have none, in thousandths of a percent.
const LABEL: u64 = 12_000;
const EDGE: u64 = 4_000;
/// Distance up to which the shape of a finding would cover a number.
const NEAR: u64 = 700;
/// Limit of the bars of data connections in lanes that draw single sessions.
const MAX_TRANSFER_BARS: usize = 1_500;
/// Lanes in the description of a picture.
const DESCRIBED: usize = 10;
/// Least width of a bar in thousandths of a percent.
const LEAST: u64 = 300;
/// Height of a row of bars, of a bar, and of a lane with columns, in pixels.
const ROW: u64 = 22;
const BAR: u64 = 16;
const COLUMN: u64 = 48;
/// Width of the picture in a file, and space at its sides and for its head.
const FILE_WIDTH: u64 = 1_180;
const FILE_MARGIN: u64 = 16;
const FILE_HEAD: u64 = 52;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::Span;
    use crate::model::record::Session;
    use crate::report::example::example_session;

    const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{202e}<script>alert(1)</script>&\"'";

    fn hostile(id: u64) -> Session {
        let mut session = example_session();
        session.id = id;
        session.server.name = Some(HOSTILE.into());
        session.verdict.text = HOSTILE.into();
        session.login.user = Some(HOSTILE.into());
        let transfer = session.transfers.iter_mut().map(std::sync::Arc::make_mut);
        for transfer in transfer {
            transfer.name = Some(HOSTILE.into());
        }
        session
    }

    fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn every_text_from_the_wire_is_escaped_and_every_tag_is_closed() {
        let mut timeline = Timeline::default();
        (1..=3).for_each(|id| timeline.add(&hostile(id)));
        let zone = TimeZone::UTC;
        let file = written(|out| write_svg_timeline(&timeline, LanesBy::Server, &zone, out));
        let section = written(|out| write_timeline_section(&timeline, &zone, out));
        for text in [file, section] {
            assert!(text.contains("&lt;script&gt;") && !text.contains("<script"));
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']));
            let mut open: Vec<&str> = Vec::new();
            for tag in text.split('<').skip(1) {
                let (tag, _) = tag.split_once('>').expect("each tag is closed");
                if let Some(name) = tag.strip_prefix('/') {
                    assert_eq!(open.pop(), Some(name));
                } else if !tag.ends_with('/') && !tag.starts_with("input") {
                    open.push(tag.split([' ', '\n']).next().expect("a name"));
                }
            }
            assert!(open.is_empty(), "{open:?}");
        }
    }

    #[test]
    fn picture_of_very_many_sessions_and_transfers_stays_small() {
        let mut timeline = Timeline::default();
        for id in 1..=5_000 {
            let mut session = example_session();
            session.id = id;
            session.start = session
                .start
                .plus(Span::from_secs(i64::try_from(id).expect("small")));
            session.end = session.start.plus(Span::from_secs(3));
            timeline.add(&session);
        }
        let section = written(|out| write_timeline_section(&timeline, &TimeZone::UTC, out));
        assert!(section.len() < 250_000, "{}", section.len());
        assert!(section.matches("<a ").count() <= 2 * 720);
        let mut long = example_session();
        let one = long.transfers[1].clone();
        long.transfers = vec![one; 50_000];
        let mut timeline = Timeline::default();
        (0..3).for_each(|_| timeline.add(&long));
        let section = written(|out| write_timeline_section(&timeline, &TimeZone::UTC, out));
        assert!(section.len() < 400_000, "{}", section.len());
    }

    #[test]
    fn ids_of_a_page_are_unique_and_every_reference_leads_to_one() {
        let mut timeline = Timeline::default();
        timeline.add(&example_session());
        let mut other = example_session();
        other.client.ip = "198.51.100.7".parse().expect("an address");
        timeline.add(&other);
        let section = written(|out| write_timeline_section(&timeline, &TimeZone::UTC, out));
        let named = |mark: &str| -> Vec<String> {
            let parts = section.split(mark).skip(1);
            let names = parts.filter_map(|part| part.split(['"', ')']).next());
            names.map(str::to_owned).collect()
        };
        let ids = named(" id=\"");
        let unique: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len());
        for reference in named("url(#")
            .iter()
            .chain(&named("<use class=\"t-high\" href=\"#"))
        {
            assert!(unique.contains(reference), "{reference}");
        }
    }

    #[test]
    fn axis_has_few_ticks_at_round_local_times() {
        let lines = |seconds, zone: &TimeZone| {
            let piece = Piece {
                from: Timestamp::from_parts(1_795_190_081, 0),
                to: Timestamp::from_parts(1_795_190_081_u64.saturating_add(seconds), 0),
                left: 0,
                right: WHOLE,
            };
            ticks(
                &Period {
                    pieces: vec![piece],
                },
                zone,
                0,
                100,
            )
        };
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let shown = lines(14, &zone);
        assert!(shown.contains(">17:54:44</text>"), "{shown}");
        for seconds in [
            1,
            59,
            3_600,
            86_400,
            864_000,
            4_000_000,
            900_000_000,
            u64::MAX,
        ] {
            let count = lines(seconds, &zone).matches("<line").count();
            assert!((1..=9).contains(&count), "{seconds}: {count}");
        }
    }
}
