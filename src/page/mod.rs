//! The page: one HTML file in which sessions can be inspected and stepped through.
//!
//! In: events and traced connections, as they come, and the bytes of transfers. Out: one file that loads nothing else.
//!
//! ```text
//! events, connections ──> PageBuilder ── session end ──> waiting ──> data (budget, rows, strings) ── JSON ─┐
//! transfer bytes ──> Previews ────────────────────────────────────────^                                    │
//! page.html, page.css, script/*.js ────────────────────────────────────────────────────────────────────────┴> Page
//! ```
//!
//! A session is drawn soon after its end and kept as JSON from then on, in a temporary file if there is much of it. So
//! memory does not grow with the capture: only open sessions, and those that wait for their last segments, are kept as
//! records. Every part has a limit, and the page reports what a limit omitted: rows with their session, all else as
//! warnings.
//!
//! The page holds one style and one script, named by their hashes in its content security policy, so that nothing else
//! can run in it. Strings from the wire are only in the JSON block, which cannot contain markup, and the script inserts
//! them as text nodes.

mod budget;
mod builder;
mod data;
mod embed;
mod previews;
mod rows;
mod strings;
mod waiting;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::diagram::Detail;

pub use budget::MAX_SEGMENTS;
pub use builder::{Page, PageBuilder};
pub use previews::{PreviewSink, Previews};

/// Options of a page.
#[derive(Clone, Debug)]
pub struct PageOptions {
    /// Time zone of the times shown.
    pub zone: TimeZone,
    /// Detail at which diagrams are shown at first. [`Detail::Packets`] shows packets only if they were traced.
    pub detail: Detail,
}

/// Writes the page; `data` writes the JSON block into it.
fn write_page(
    out: &mut dyn Write,
    data: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let (before_policy, rest) = split_at_mark(HTML, "{policy}");
    let (before_style, rest) = split_at_mark(rest, "{style}");
    let (before_data, rest) = split_at_mark(rest, "{data}");
    let (before_script, end) = split_at_mark(rest, "{script}");
    for part in [before_policy, &policy(), before_style, STYLE, before_data] {
        out.write_all(part.as_bytes())?;
    }
    data(out)?;
    for part in [before_script, SCRIPT, end] {
        out.write_all(part.as_bytes())?;
    }
    Ok(())
}

/// Returns the content security policy: the page's own style and script, pictures within it, and nothing else.
fn policy() -> String {
    // Hashes instead of nonces: the file is static, so a nonce in it would be known to everyone.
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// Splits a text around a mark.
fn split_at_mark<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    // The marks are in page.html, which is compiled in: the alternative never happens.
    text.split_once(mark).unwrap_or((text, ""))
}

/// Frame of the page, with a mark for each part.
const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// All scripts within one function, so that their names are not visible outside.
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
