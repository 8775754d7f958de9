//! Browsing: a report looked through in the terminal.
//!
//! In: sessions from a [`Feed`], which the pipeline fills from captures or [`ReportFile::index`] from a report made before.
//! Out: pictures, on a terminal or as text.
//!
//! ```text
//! Feed ──> sessions (rows, records) ──> state <── keys <── terminal, --keys
//!                                        │ ^
//!            panes, contents (lines) <───┘ └── tick: filter, order, search, in slices of 25 ms
//!                      │
//!                      └─> picture (cells) ──> screen (terminal) | render (text)
//! ```
//!
//! Text from the wire is escaped where it becomes a line, and a finished picture is looked through once more.
//! Secrets were hidden before the sessions came. Nothing is written but by a [`Job`] that the user asks for.

mod contents;
mod keys;
mod line;
mod overlay;
mod panes;
mod picture;
mod report_file;
mod screen;
mod sessions;
mod state;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub use contents::Contents;
pub use keys::Key;
pub use report_file::{ReportFile, is_report};
pub use screen::{End, is_possible, run};
pub use sessions::Feed;
pub use state::{BrowseOptions, Browser, Job, Worker};

/// Takes `keys` and draws one picture as text. The input must have ended.
pub fn render(browser: &mut Browser, keys: &[Key], width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let settle = |browser: &mut Browser| {
        while browser.tick() || browser.is_busy() {}
    };
    let mut buffer = Buffer::empty(area);
    settle(browser);
    // Before each key there is a picture, as for a user: it sets how far a page is.
    picture::draw(browser, &mut buffer, area);
    for key in keys {
        browser.key(*key);
        settle(browser);
        buffer.reset();
        picture::draw(browser, &mut buffer, area);
    }
    let mut text = String::new();
    for row in buffer.content.chunks(usize::from(width.max(1))) {
        let mut line = String::new();
        // A wide character leaves an empty cell behind it.
        let mut covered = 0;
        for cell in row {
            if covered > 0 {
                covered -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            let columns = unicode_width::UnicodeWidthStr::width(cell.symbol());
            covered = columns.saturating_sub(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
