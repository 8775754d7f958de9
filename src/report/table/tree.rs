//! Directory trees of the servers, indented.

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::block::{Block, Span, plain, shortened, span};
use super::{BOLD, CYAN, DIM, GREEN, Options, PLAIN, RED, YELLOW};
use crate::model::Timestamp;
use crate::model::record::{Completeness, EntryKind};
use crate::report::tree::{Entry, EntryEvent, Happening, SeenServer, ServerTrees};
use crate::report::units;

/// Writes the directory trees of the servers, one block per server and user.
pub fn render_tree(
    trees: &mut ServerTrees,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut is_empty = true;
    while let Some(server) = trees.next_server()? {
        write_server(&server, options, out)?;
        is_empty = false;
    }
    if is_empty {
        writeln!(out, "nothing was seen of a server's folders")?;
    }
    Ok(())
}

fn write_server(server: &SeenServer, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut block = Block::new(out, options, CYAN);
    block.text(0, 2, &heading(server, options))?;
    let branches = branches(server.depths(), block.width());
    let mut known = true;
    for (entry, (first, rest)) in server.entries().zip(&branches) {
        if known && entry.path.is_none() {
            known = false;
            block.text(0, 0, &[span(DIM, "in a folder that is not known:")])?;
        }
        let mut spans = vec![label(&entry)];
        spans.extend(facts(&entry, options));
        block.branch(first, rest, &spans)?;
    }
    if server.entries_omitted() > 0 {
        let text = format!(
            "{} left out: more than the tree has room for",
            units::counted(server.entries_omitted(), "entry", "entries")
        );
        block.text(0, 2, &[span(YELLOW, &text)])?;
    }
    block.end()
}

fn heading(server: &SeenServer, options: &Options) -> Vec<Span> {
    let address = match server.server.ip {
        std::net::IpAddr::V4(ip) => format!("{ip}:{}", server.server.port),
        std::net::IpAddr::V6(ip) => format!("[{ip}]:{}", server.server.port),
    };
    let name = server.server.name.as_ref();
    let name = name.map_or_else(String::new, |name| format!(" ({})", shortened(name)));
    let user = match &server.user {
        Some(user) => format!("as {}", shortened(user)),
        None => "no login seen".to_owned(),
    };
    let count = units::counted(units::to_u64(server.entry_count()), "entry", "entries");
    let seen = units::counted(units::to_u64(server.sessions.len()), "session", "sessions");
    let times = match server.times() {
        Some((first, last)) => format!(
            ", {} to {}",
            units::time(first, &options.zone),
            units::time(last, &options.zone)
        ),
        None => String::new(),
    };
    vec![
        span(BOLD, &format!("{address}{name}")),
        plain(&format!("{user}: {count} in {seen}{times}")),
    ]
}

/// Returns the prefixes of each entry: the branches of the tree before its first line and before its later lines.
///
/// Entries too deep for the width are at the last level that fits, with the number of their own.
fn branches(depths: impl DoubleEndedIterator<Item = usize>, width: usize) -> Vec<(String, String)> {
    let levels = (width / 3 / LEVEL_WIDTH).max(1);
    let mut branches = Vec::new();
    // By level: true if a sibling of the entry, or of a directory around it, follows. Known by going upwards.
    let mut more: Vec<bool> = Vec::new();
    for depth in depths.rev() {
        let (mut first, mut rest) = (String::new(), String::new());
        for level in 1..=depth.min(levels) {
            let goes_on = more.get(level).copied().unwrap_or_default();
            first.push_str(match (level == depth, goes_on) {
                (true, true) => "├─ ",
                (true, false) => "└─ ",
                (false, true) => "│  ",
                (false, false) => "   ",
            });
            rest.push_str(if goes_on { "│  " } else { "   " });
        }
        if depth > levels {
            // Writing to a `String` cannot fail.
            let _ = write!(first, "{depth}: ");
        }
        let has_more = more.get(depth + 1).copied().unwrap_or_default();
        rest.push_str(if has_more && depth < levels {
            "│  "
        } else {
            "   "
        });
        branches.push((first, rest));
        more.truncate(depth + 1);
        more.resize(depth + 1, false);
        if let Some(level) = more.last_mut() {
            *level = true;
        }
    }
    branches.reverse();
    branches
}

fn label(entry: &Entry) -> Span {
    let style = match entry.kind {
        _ if !entry.exists => DIM,
        Some(EntryKind::Directory) => CYAN,
        _ => PLAIN,
    };
    let mark = match entry.kind {
        Some(EntryKind::Directory) if entry.name != "/" => "/",
        Some(EntryKind::Link) => "@",
        _ => "",
    };
    span(style, &format!("{}{mark}", shortened(&entry.name)))
}

fn facts(entry: &Entry, options: &Options) -> Vec<Span> {
    let mut facts = Vec::new();
    if let Some(target) = &entry.target {
        facts.push((PLAIN, format!("to {}", shortened(target))));
    }
    if let Some(size) = entry.size {
        facts.push((PLAIN, units::bytes(size)));
    }
    if let Some(modified) = &entry.modified {
        facts.push((DIM, format!("modified {modified}")));
    }
    let shown = if options.verbose {
        entry.events.len()
    } else {
        EVENTS
    };
    for event in entry.events.iter().take(shown) {
        let time = moment(event.time, &options.zone);
        facts.push((style_of(event), format!("{} {time}", words(event))));
    }
    let hidden = units::to_u64(entry.events.len().saturating_sub(shown));
    let hidden = hidden.saturating_add(entry.events_omitted);
    if hidden > 0 {
        facts.push((DIM, format!("and {} more", units::count(hidden))));
    }
    let last = facts.len().saturating_sub(1);
    let spans = facts.iter().enumerate().map(|(index, (style, text))| {
        let end = if index < last { "," } else { "" };
        span(*style, &format!("{text}{end}"))
    });
    spans.collect()
}

/// Formats a time without its zone, which the heading names.
fn moment(time: Timestamp, zone: &TimeZone) -> String {
    let text = units::time(time, zone);
    text.get(..MOMENT).unwrap_or(&text).to_owned()
}

fn words(event: &EntryEvent) -> String {
    let other = shortened(event.other.as_deref().unwrap_or_default());
    let state = match event.completeness {
        None | Some(Completeness::Complete) => "",
        Some(Completeness::Gaps) => " with gaps",
        Some(Completeness::Aborted) => " (aborted)",
        Some(Completeness::Truncated) => " (cut short)",
        Some(Completeness::Unverifiable) => " (cannot be verified)",
    };
    match event.what {
        Happening::Listed => "listed".to_owned(),
        Happening::Downloaded => format!("downloaded{state}"),
        Happening::Uploaded => format!("uploaded{state}"),
        Happening::Created => "created".to_owned(),
        Happening::RenamedTo => format!("renamed to {other}"),
        Happening::RenamedFrom => format!("renamed from {other}"),
        Happening::Deleted => "deleted".to_owned(),
    }
}

fn style_of(event: &EntryEvent) -> anstyle::Style {
    match (event.what, event.completeness) {
        (_, Some(Completeness::Complete)) => GREEN,
        (_, Some(Completeness::Unverifiable)) => PLAIN,
        (_, Some(_)) => YELLOW,
        (Happening::Deleted, _) => RED,
        (Happening::Listed, _) => DIM,
        _ => PLAIN,
    }
}

/// Width of one level in columns.
const LEVEL_WIDTH: usize = 3;
/// Length of `2026-11-20 15:53:01`.
const MOMENT: usize = 19;
/// Events of an entry shown without `-v`.
const EVENTS: usize = 6;
