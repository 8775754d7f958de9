//! Listings: the bytes of LIST, NLST, MLSD or a STAT reply become entries.
//!
//! RFC 959 leaves the form of a LIST to the server, so the form is found out, once for a whole listing:
//!
//! ```text
//! bytes ──> lines ──> which form do the first lines have? ──> an entry for each line of it
//!                     unix, dos, os2, eplf, netware, vms, mainframe, spool, guardian
//! MLSD  ──> lines ──> super::facts (RFC 3659 section 7.2: the one form that is specified)
//! ```
//!
//! Where bytes are missing, the lines that they belong to are no entries: they are told apart ([`Listing::cut_lines`]).
//!
//! What is no entry is passed over: blank lines, `total 12`, the headings of VMS, MVS and `dir`. A heading of `ls -R` tells
//! the folder of the entries that follow it. Any other line
//! that fits no form is an entry of kind `other` whose name is the line, so that nothing is lost; only in a STAT reply,
//! whose text is free, such lines are no entries. Work is linear in the bytes.

pub(super) mod dates;
mod dos;
mod eplf;
mod extent;
pub(super) mod fields;
mod guardian;
mod mainframe;
mod netware;
mod os2;
pub(super) mod parsed;
mod spool;
mod unix;
mod vms;

use std::sync::Arc;

pub use self::extent::Extent;

use self::dates::Clock;
use self::parsed::Parsed;
use super::facts;
use crate::model::Timestamp;
use crate::model::record::{EntryKind, ListingEntry};

/// Which command asked for a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingKind {
    /// LIST: whatever form the server likes.
    List,
    /// NLST: a name a line. A server that got `NLST -l` may send the form of a LIST; that is recognised.
    Names,
    /// MLSD: facts and a name.
    Facts,
    /// STAT with a path: as LIST, between lines of free text.
    Status,
}

/// A parsed listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The entries, in order.
    pub entries: Vec<ListingEntry>,
    /// Entries beyond the bound.
    pub omitted: u64,
    /// What is left of lines that are not all there; none of them is an entry.
    pub cut_lines: Vec<String>,
    /// Such lines beyond the bound.
    pub cut_lines_omitted: u64,
}

/// Parses a listing.
///
/// `captured` fills in the year where the listing leaves it out. `extent` tells which bytes are there. At most `max_entries`
/// entries are kept; the others are counted.
#[must_use]
pub fn parse_listing(
    bytes: &[u8],
    kind: ListingKind,
    captured: Timestamp,
    extent: Extent<'_>,
    max_entries: usize,
) -> Listing {
    let mut listing = Listing::default();
    let clock = Clock::new(captured);
    let whole_lines = extent.whole_lines(
        bytes,
        |line| has_its_beginning(line, kind, &clock),
        |cut| listing.cut(cut),
    );
    let whole_lines = whole_lines.as_ref();
    let Detected { form, sample } = match kind {
        ListingKind::Facts => Detected::default(),
        _ => Form::detect(whole_lines, kind, &clock),
    };
    let mut sample = sample.into_iter();
    // Lines too short for an entry of a LIST reserve nothing: an entry takes more memory than they do.
    let most = whole_lines.len() / SHORT_ENTRY + 1;
    let ends = memchr::memchr_iter(b'\n', whole_lines).count();
    listing
        .entries
        .reserve_exact(ends.min(most).min(max_entries));
    let mut wrapped = Vec::new();
    let mut folder: Option<Arc<str>> = None;
    let mut lines = lines(whole_lines, kind).peekable();
    while let Some(line) = lines.next() {
        let mut line = line;
        if form == Some(Form::Vms)
            && vms::wraps(line)
            && let Some(next) = lines.next_if(|next| next.starts_with(b" "))
        {
            wrapped = [line, b"\n", next].concat();
            line = &wrapped;
        }
        let entry = match (kind, form) {
            (ListingKind::Facts, _) => facts::parse_entry(line).or_else(|| unknown(line, form)),
            (_, Some(form)) => match entry_of(form, line, &clock, &mut sample) {
                Some(parsed) => Some(parsed.into_entry(line)),
                None if form == Form::Unix && folder_heading(line, kind).is_some() => {
                    folder = folder_heading(line, kind).map(|heading| text(heading).into());
                    None
                }
                None if kind == ListingKind::Status => None,
                None => unknown(line, Some(form)),
            },
            (ListingKind::Names, None) => {
                (!line.is_empty()).then(|| Parsed::of(line, EntryKind::Other).into_entry(line))
            }
            (ListingKind::Status, None) => None,
            (ListingKind::List, None) => unknown(line, None),
        };
        match entry {
            Some(mut entry) if listing.entries.len() < max_entries => {
                entry.folder.clone_from(&folder);
                listing.entries.push(entry);
            }
            Some(_) => listing.omitted += 1,
            None => {}
        }
    }
    drop(wrapped);
    listing
}

impl Listing {
    fn cut(&mut self, line: &[u8]) {
        if self.cut_lines.len() < CUT_LINES {
            self.cut_lines.push(text(line));
        } else {
            self.cut_lines_omitted += 1;
        }
    }
}

/// Whether a line that may have lost its beginning has the name all the same: a mode, or the facts of MLSD, stand before it
/// and are whole.
fn has_its_beginning(line: &[u8], kind: ListingKind, clock: &Clock) -> bool {
    match kind {
        ListingKind::Facts => {
            facts::parse_entry(line).is_some_and(|entry| entry.kind != EntryKind::Other)
        }
        ListingKind::Names => false,
        ListingKind::List | ListingKind::Status => unix::parse(line, clock).is_some(),
    }
}

/// The forms a LIST can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Unix,
    Dos,
    Os2,
    Eplf,
    Netware,
    Vms,
    As400,
    MvsDatasets,
    MvsMembers,
    Spool,
    Guardian,
}

/// The form of a listing, and what the lines looked at are in it, so that no line is parsed twice in that form.
#[derive(Debug, Default)]
struct Detected<'a> {
    form: Option<Form>,
    /// The first lines that are not blank.
    sample: Vec<Option<Parsed<'a>>>,
}

impl Detected<'_> {
    fn of(form: Form) -> Self {
        Self {
            form: Some(form),
            sample: Vec::new(),
        }
    }
}

/// What the line is; the lines looked at before are known already.
fn entry_of<'line, 'sample: 'line>(
    form: Form,
    line: &'line [u8],
    clock: &Clock,
    sample: &mut impl Iterator<Item = Option<Parsed<'sample>>>,
) -> Option<Parsed<'line>> {
    let known = if is_blank(line) { None } else { sample.next() };
    match known {
        Some(parsed) => parsed,
        None => form.parse(line, clock),
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

impl Form {
    /// The form that most of the first lines have.
    fn detect<'a>(text: &'a [u8], kind: ListingKind, clock: &Clock) -> Detected<'a> {
        let sample = || {
            lines(text, kind)
                .filter(|line| !is_blank(line))
                .take(SAMPLE)
        };
        if let Some(form) = sample().find_map(|line| match mainframe::heading(line)? {
            mainframe::Heading::Datasets => Some(Self::MvsDatasets),
            mainframe::Heading::Members => Some(Self::MvsMembers),
        }) {
            return Detected::of(form);
        }
        let total = sample().count();
        if sample().any(guardian::is_heading) {
            return Detected::of(Self::Guardian);
        }
        let (mut best, mut best_count) = (None, 0);
        let mut best_lines = Vec::new();
        for form in [
            Self::Unix,
            Self::Dos,
            Self::Os2,
            Self::Eplf,
            Self::Netware,
            Self::Vms,
            Self::As400,
            Self::Spool,
        ] {
            // VMS may wrap a line after the name: then half of the lines tell nothing.
            let mut count = 0;
            let mut parsed = Vec::with_capacity(total);
            for (seen, line) in sample().enumerate() {
                // Most listings are of the first form; the others need not be tried on all lines to lose against it.
                if count + (total - seen) <= best_count {
                    break;
                }
                let entry = form.parse(line, clock);
                count += usize::from(entry.is_some());
                parsed.push(entry);
            }
            if count > best_count {
                (best, best_count, best_lines) = (Some(form), count, parsed);
            }
        }
        if best_count == 0 && sample().any(vms::wraps) && kind != ListingKind::Names {
            return Detected::of(Self::Vms);
        }
        // Names may look like anything; a long listing looks like one from its beginning.
        Detected {
            form: best.filter(|_| kind != ListingKind::Names || best_count * 2 > total),
            // VMS puts lines together only when all are parsed.
            sample: match best {
                Some(Self::Vms) => Vec::new(),
                _ => best_lines,
            },
        }
    }

    fn parse<'a>(self, line: &'a [u8], clock: &Clock) -> Option<Parsed<'a>> {
        match self {
            Self::Unix => unix::parse(line, clock),
            Self::Dos => dos::parse(line),
            Self::Os2 => os2::parse(line),
            Self::Eplf => eplf::parse(line),
            Self::Netware => netware::parse(line, clock),
            Self::Vms => vms::parse(line),
            Self::As400 => mainframe::parse_as400(line),
            Self::MvsDatasets => mainframe::parse_dataset(line),
            Self::MvsMembers => mainframe::parse_member(line),
            Self::Spool => spool::parse(line),
            Self::Guardian => guardian::parse(line),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Lines without their ends; every CR before the LF belongs to the end, since some servers send two.
fn lines(text: &[u8], kind: ListingKind) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut line, after) = match memchr::memchr(b'\n', text) {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        rest = after;
        while let Some(shorter) = line.strip_suffix(b"\r") {
            line = shorter;
        }
        Some(if kind == ListingKind::Status {
            without_code(line)
        } else {
            line
        })
    })
}

/// The folder that a heading of `ls -R` names: `./sub:`, `sub/deeper:`, `/pub:`. In a reply to STAT there are lines such as
/// `Status follows:`.
fn folder_heading(line: &[u8], kind: ListingKind) -> Option<&[u8]> {
    let name = line.strip_suffix(b":")?;
    if kind == ListingKind::Status && !matches!(name.first(), Some(b'.' | b'/')) {
        return None;
    }
    let fits = !name.is_empty() && name.len() <= HEADING_BYTES && !is_total(line);
    fits.then_some(name)
}

/// A line of a reply without its `213-`, which some servers write before each line.
fn without_code(line: &[u8]) -> &[u8] {
    match line {
        [a, b, c, b'-', rest @ ..] if [a, b, c].iter().all(|byte| byte.is_ascii_digit()) => rest,
        _ => line,
    }
}

/// An entry for a line of no known form, unless it is a heading.
fn unknown(line: &[u8], form: Option<Form>) -> Option<ListingEntry> {
    let trimmed = line.trim_ascii();
    let heading = trimmed.is_empty()
        || trimmed.ends_with(b":")
        || trimmed.starts_with(b"ls: ")
        || is_total(trimmed)
        || match form {
            Some(Form::Vms) => {
                trimmed.starts_with(b"Directory ")
                    || trimmed.starts_with(b"Total of ")
                    || trimmed.starts_with(b"Grand total of ")
            }
            Some(Form::MvsDatasets | Form::MvsMembers) => mainframe::heading(line).is_some(),
            Some(Form::Spool) => spool::is_heading(line),
            Some(Form::Guardian) => guardian::is_heading(line),
            // `dir` indents its headings and sums.
            Some(Form::Dos) => line.starts_with(b" "),
            _ => false,
        };
    (!heading).then(|| Parsed::of(line, EntryKind::Other).into_entry(line))
}

/// `total 12`, in the languages of common servers.
fn is_total(line: &[u8]) -> bool {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let (Some(word), Some(number)) = (words.next(), words.next()) else {
        return false;
    };
    let word = word.strip_suffix(b":").unwrap_or(word);
    number.first().is_some_and(u8::is_ascii_digit)
        && words.all(|word| word.first().is_some_and(u8::is_ascii_digit) || word == b"free")
        && TOTALS
            .iter()
            .any(|total| total.as_bytes().eq_ignore_ascii_case(word))
}

/// Longer headings are passed over.
const HEADING_BYTES: usize = 4096;
/// Lines that are not all there.
const CUT_LINES: usize = 64;
/// Bytes of the shortest line that is an entry with more than its name.
const SHORT_ENTRY: usize = 32;
/// Lines looked at to find the form.
const SAMPLE: usize = 64;
const TOTALS: [&str; 11] = [
    "total",
    "totale",
    "totaal",
    "insgesamt",
    "summe",
    "razem",
    "celkem",
    "итого",
    "总用量",
    "總計",
    "合計",
];

#[cfg(test)]
mod tests;
