//! The page: one HTML file to look at sessions and to step through them.
//!
//! In: events and connections, as they come. Out: one file that asks nobody for anything.
//!
//! ```text
//! events, connections ──> PageBuilder ── session over ──> waiting ──> session (room, rows, strings) ── text ─┐
//! transfer bytes ──> Previews ────────────────────────────────────────^                                      │
//! page.html, page.css, script/*.js ──────────────────────────────────────────────────────────────────────────┴> Page
//! ```
//!
//! A session is drawn when it is over, and stands as text from then on, so that memory does not grow with the capture:
//! only the sessions that are open or still wait for their last packets are there as records. What each part keeps is
//! bounded, and what a bound leaves out is told on the page: rows with their session, all else among the warnings.
//!
//! The page holds one style and one script, named by their hashes in its content policy; nothing else can run in it. Text
//! from the wire stands only in the JSON block, without a character that could end it, and the script puts it into the
//! page as text.

mod builder;
mod data;
mod embed;
mod picture;
mod previews;
mod room;
mod rows;
mod session;
mod strings;
mod waiting;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::diagram::Detail;

pub use builder::{Page, PageBuilder};
pub use previews::{PreviewSink, Previews};
pub use room::SEGMENTS;

/// What a page shows and how.
#[derive(Clone, Debug)]
pub struct PageOptions {
    /// Zone of its times.
    pub zone: TimeZone,
    /// The detail that it begins with. It has packets only where they were recorded.
    pub detail: Detail,
}

/// Writes what stands around the data, and in the midst of it what `data` writes.
fn write_around(
    out: &mut dyn Write,
    data: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let (before_policy, rest) = halves(HTML, "{policy}");
    let (before_style, rest) = halves(rest, "{style}");
    let (before_data, rest) = halves(rest, "{data}");
    let (before_script, end) = halves(rest, "{script}");
    for part in [before_policy, &policy(), before_style, STYLE, before_data] {
        out.write_all(part.as_bytes())?;
    }
    data(out)?;
    for part in [before_script, SCRIPT, end] {
        out.write_all(part.as_bytes())?;
    }
    Ok(())
}

/// What the page may do: nothing but its own style and script, and pictures within it.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// What stands before and after a mark, which is there.
fn halves<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    text.split_once(mark).unwrap_or((text, ""))
}

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// One function around all parts, so that nothing of them is visible outside.
const SCRIPT: &str = concat!(
    include_str!("script/begin.js"),
    include_str!("script/elements.js"),
    include_str!("script/overview.js"),
    include_str!("script/sessions.js"),
    include_str!("script/session.js"),
    include_str!("script/diagram.js"),
    include_str!("script/player.js"),
    include_str!("script/end.js"),
);

#[cfg(test)]
mod tests;
