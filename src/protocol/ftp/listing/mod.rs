//! Parses listings: the bytes of LIST, NLST, MLSD or a STAT reply become entries.
//!
//! RFC 959 leaves the form of LIST to the server. The form is detected once for a whole listing:
//!
//! ```text
//! bytes ──> extent: complete lines ──> form of most of the first lines ──> an entry for each line
//!                                      unix, dos (OS/2), mainframe (MVS, spool, VM/CMS, AS/400),
//!                                      rare_forms (EPLF, NetWare, VMS, Guardian, OS-9, VxWorks, ...)
//! MLSD  ──> extent: complete lines ──> facts (RFC 3659 section 7.2: the one specified form)
//! ```
//!
//! - Lines with missing bytes are no entries; their remains are [`Listing::cut_lines`].
//! - A byte order mark before the first line is no part of it.
//! - Blank lines, `total 12`, lines of dashes and the headings of VMS, MVS and `dir` are skipped. A heading of `ls -R` is
//!   the folder of the entries after it.
//! - Any other line is an entry of kind `other` with the line as its name, so that nothing is lost; it names no file, which
//!   `is_unread_line` checks. Only in a STAT reply, whose text is free, such lines are skipped.
//! - A line of more than 5,000 bytes is cut there, and its entry marked. The folders of `ls -R`, which are repeated
//!   with their entries, take no more than a small multiple of the listing.
//! - Work is linear in the number of bytes.

mod dates;
mod dos;
mod extent;
pub mod facts;
mod fields;
mod mainframe;
mod rare_forms;
mod unix;

use std::sync::Arc;

pub use self::extent::Extent;

use self::dates::CaptureDate;
use self::fields::Parsed;
use crate::model::Timestamp;
use crate::model::record::{EntryKind, ListingEntry};

/// Command that requested a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingKind {
    /// LIST: any form.
    List,
    /// NLST: one name per line. The reply to `NLST -l` may have the form of a LIST, which is detected.
    Names,
    /// MLSD: facts and a name per line.
    Facts,
    /// STAT with a path: like LIST, between lines of free text.
    Status,
}

/// A parsed listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// Entries in the order of the listing.
    pub entries: Vec<ListingEntry>,
    /// Number of entries beyond the limit.
    pub omitted: u64,
    /// Remains of incomplete lines, which are no entries.
    pub cut_lines: Vec<String>,
    /// Number of incomplete lines beyond the limit of 64.
    pub cut_lines_omitted: u64,
}

/// Parses a listing.
///
/// A missing year is inferred from `captured`, the time of the capture. `extent` describes the captured part. At most
/// `max_entries` entries are kept; the others are counted.
#[must_use]
pub fn parse_listing(
    bytes: &[u8],
    kind: ListingKind,
    captured: Timestamp,
    extent: Extent<'_>,
    max_entries: usize,
) -> Listing {
    let mut listing = Listing::default();
    // Servers that convert their output from UTF-16 leave the mark in; RFC 2640 section 2.2 has UTF-8 without it.
    let bytes = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) if extent.from_start && extent.holes.is_empty() => rest,
        _ => bytes,
    };
    let mut captured = CaptureDate::new(captured);
    let whole_lines = extent.complete_lines(
        bytes,
        |line| has_beginning(line, kind, &captured),
        |line| listing.add_cut_line(line),
    );
    let whole_lines = whole_lines.as_ref();
    // Most listings have no date of three numbers, and need no look at all their lines.
    let words = || {
        lines(whole_lines, kind)
            .flat_map(|line| line.split(u8::is_ascii_whitespace).take(DATE_WORDS))
    };
    if kind != ListingKind::Facts && words().take(SAMPLE_WORDS).any(dates::is_numeric_date) {
        captured.learn_order(words());
    }
    let Detected { form, sample } = match kind {
        ListingKind::Facts => Detected::default(),
        _ => Form::detect(whole_lines, kind, &captured),
    };
    let mut sample = sample.into_iter();
    // An entry takes more memory than a short line: a listing of a million line ends must not reserve a million entries.
    let most = whole_lines.len() / SHORT_ENTRY + 1;
    let ends = memchr::memchr_iter(b'\n', whole_lines).count();
    listing
        .entries
        .reserve_exact(ends.min(most).min(max_entries));
    let mut wrapped = Vec::new();
    let mut folder: Option<Arc<str>> = None;
    let mut folder_bytes = FOLDER_BYTES.saturating_add(whole_lines.len().saturating_mul(4));
    let mut lines = lines(whole_lines, kind).peekable();
    let mut pushed_back = None;
    while let Some(line) = pushed_back.take().or_else(|| lines.next()) {
        let mut line = line;
        let is_cut = line.len() > LINE_BYTES;
        if is_cut {
            line = &line[..LINE_BYTES];
        }
        if form == Some(Form::Vms)
            && rare_forms::is_wrapped_vms(line)
            && let Some(next) = lines.next_if(|next| !rare_forms::begins_with_vms_name(next))
        {
            let joined = [line, b"\n", next].concat();
            // A line that does not continue the name stands for itself.
            if rare_forms::parse_vms(&joined).is_some() || next.starts_with(b" ") {
                wrapped = joined;
                line = &wrapped;
            } else {
                pushed_back = Some(next);
            }
        }
        let entry = match (kind, form) {
            (ListingKind::Facts, _) => facts::parse_entry(line).or_else(|| unknown(line, form)),
            (_, Some(form)) => match entry_of(form, line, &captured, &mut sample) {
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
                entry.truncated = is_cut;
                let length = folder.as_ref().map_or(0, |folder| folder.len());
                if let Some(left) = folder_bytes.checked_sub(length) {
                    folder_bytes = left;
                    entry.folder.clone_from(&folder);
                }
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
    fn add_cut_line(&mut self, line: &[u8]) {
        if self.cut_lines.len() < CUT_LINES_LIMIT {
            self.cut_lines.push(text(line));
        } else {
            self.cut_lines_omitted += 1;
        }
    }
}

/// Returns whether an entry of a LIST or MLSD is a line that was not understood: kept, but not the name of a file.
///
/// The names of an NLST are entries of this kind too, so callers have to except them.
pub(crate) fn is_unread_line(entry: &ListingEntry) -> bool {
    entry.kind == EntryKind::Other && entry.name == entry.raw
}

/// Returns whether a line whose first bytes may be missing has its whole name: it does if the mode, or the facts of
/// MLSD, before the name are complete.
fn has_beginning(line: &[u8], kind: ListingKind, captured: &CaptureDate) -> bool {
    match kind {
        ListingKind::Facts => {
            facts::parse_entry(line).is_some_and(|entry| entry.kind != EntryKind::Other)
        }
        ListingKind::Names => false,
        ListingKind::List | ListingKind::Status => unix::parse(line, captured).is_some(),
    }
}

/// Form of a LIST.
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
    UnixNumeric,
    Cms,
    Os9,
    SizeFirst,
    NameFirst,
}

/// Detected form of a listing, with the parsed sample, so that no line is parsed twice in that form.
#[derive(Debug, Default)]
struct Detected<'a> {
    /// `None` if no line has a known form.
    form: Option<Form>,
    /// Entries of the first lines that are not blank; `None` for lines of another form.
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

/// Returns the entry of a line, from the sample if the line is part of it.
fn entry_of<'line, 'sample: 'line>(
    form: Form,
    line: &'line [u8],
    captured: &CaptureDate,
    sample: &mut impl Iterator<Item = Option<Parsed<'sample>>>,
) -> Option<Parsed<'line>> {
    let known = if is_blank(line) { None } else { sample.next() };
    match known {
        Some(parsed) => parsed,
        None => form.parse(line, captured),
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

impl Form {
    /// Detects the form that most of the first 64 lines have.
    fn detect<'a>(text: &'a [u8], kind: ListingKind, captured: &CaptureDate) -> Detected<'a> {
        let sample = || {
            lines(text, kind)
                .filter(|line| !is_blank(line))
                .take(SAMPLE)
        };
        // A heading is proof; lines of MVS on their own may pass for several forms.
        if let Some(form) = sample().find_map(|line| match mainframe::heading(line)? {
            mainframe::Heading::Datasets => Some(Self::MvsDatasets),
            mainframe::Heading::Members => Some(Self::MvsMembers),
        }) {
            return Detected::of(form);
        }
        let total = sample().count();
        if sample().any(rare_forms::is_guardian_heading) {
            return Detected::of(Self::Guardian);
        }
        // Facts on a line of their own may pass for another form, so the name on the line before decides.
        if kind != ListingKind::Names
            && sample().zip(sample().skip(1)).any(|(name, facts)| {
                memchr::memchr(b';', name).is_some()
                    && rare_forms::is_wrapped_vms(name)
                    && !rare_forms::begins_with_vms_name(facts)
                    && rare_forms::parse_vms(&[name, b"\n", facts].concat()).is_some()
            })
        {
            return Detected::of(Self::Vms);
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
            Self::UnixNumeric,
            Self::Cms,
            Self::Os9,
            Self::SizeFirst,
            Self::NameFirst,
        ] {
            // VMS may wrap lines after the name, so that half of them have no form: the highest count wins.
            let mut count = 0;
            // Most listings have the first form; the others are not tried on all lines to lose against it.
            if best_count == total {
                break;
            }
            let mut parsed = Vec::with_capacity(total);
            for (seen, line) in sample().enumerate() {
                if count + (total - seen) <= best_count {
                    break;
                }
                let entry = form.parse(line, captured);
                count += usize::from(entry.is_some());
                parsed.push(entry);
            }
            if count > best_count {
                (best, best_count, best_lines) = (Some(form), count, parsed);
            }
        }
        if best_count == 0 && sample().any(rare_forms::is_wrapped_vms) && kind != ListingKind::Names
        {
            return Detected::of(Self::Vms);
        }
        // A few names may look like entries by chance; of a long listing, most lines do.
        Detected {
            form: best.filter(|_| kind != ListingKind::Names || best_count * 2 > total),
            // The sample has wrapped lines of VMS in two parts, which are joined only for the entries.
            sample: match best {
                Some(Self::Vms) => Vec::new(),
                _ => best_lines,
            },
        }
    }

    fn parse<'a>(self, line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
        match self {
            Self::Unix => unix::parse(line, captured),
            Self::Dos => dos::parse_dos(line, captured),
            Self::Os2 => dos::parse_os2(line, captured),
            Self::Eplf => rare_forms::parse_eplf(line),
            Self::Netware => rare_forms::parse_netware(line, captured),
            Self::Vms => rare_forms::parse_vms(line),
            Self::As400 => mainframe::parse_as400(line, captured),
            Self::MvsDatasets => mainframe::parse_dataset(line),
            Self::MvsMembers => mainframe::parse_member(line),
            Self::Spool => mainframe::parse_spool(line),
            Self::Guardian => rare_forms::parse_guardian(line),
            Self::UnixNumeric => unix::parse_numeric(line),
            Self::Cms => mainframe::parse_cms(line, captured),
            Self::Os9 => rare_forms::parse_os9(line),
            Self::SizeFirst => rare_forms::parse_size_first(line, captured),
            Self::NameFirst => rare_forms::parse_name_first(line, captured),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the lines without their ends. All CRs before the LF belong to the end, since some servers send two.
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

/// Parses a heading of `ls -R`: `./sub:`, `sub/deeper:`, `/pub:`.
fn folder_heading(line: &[u8], kind: ListingKind) -> Option<&[u8]> {
    let name = line.strip_suffix(b":")?;
    // Replies to STAT have lines such as `Status follows:`.
    if kind == ListingKind::Status && !matches!(name.first(), Some(b'.' | b'/')) {
        return None;
    }
    let fits = !name.is_empty() && name.len() <= HEADING_BYTES && !is_total(line);
    fits.then_some(name)
}

/// Strips `213-`, which some servers send before each line of a reply.
fn without_code(line: &[u8]) -> &[u8] {
    match line {
        [a, b, c, b'-', rest @ ..] if [a, b, c].iter().all(|byte| byte.is_ascii_digit()) => rest,
        _ => line,
    }
}

/// Returns the entry of a line of no known form; `None` for a heading.
fn unknown(line: &[u8], form: Option<Form>) -> Option<ListingEntry> {
    let trimmed = line.trim_ascii();
    let heading = trimmed.is_empty()
        || trimmed.ends_with(b":")
        // Errors of `ls`, such as `ls: x: No such file or directory`.
        || trimmed.starts_with(b"ls: ")
        || is_total(trimmed)
        || (form.is_some() && is_rule(trimmed))
        || match form {
            Some(Form::Vms) => {
                trimmed.starts_with(b"Directory ")
                    || trimmed.starts_with(b"Total of ")
                    || trimmed.starts_with(b"Grand total of ")
            }
            Some(Form::MvsDatasets | Form::MvsMembers) => mainframe::heading(line).is_some(),
            Some(Form::Spool) => mainframe::is_spool_heading(line),
            Some(Form::Guardian) => rare_forms::is_guardian_heading(line),
            Some(Form::SizeFirst) => rare_forms::is_size_first_heading(line),
            Some(Form::Os9) => rare_forms::is_os9_heading(line),
            // `dir` indents headings and sums.
            Some(Form::Dos) => line.starts_with(b" "),
            _ => false,
        };
    (!heading).then(|| Parsed::of(line, EntryKind::Other).into_entry(line))
}

/// Returns whether a line is `total 12`, in the languages of common servers.
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

/// Returns whether a line underlines a heading: `-----  ----`.
fn is_rule(line: &[u8]) -> bool {
    line.starts_with(b"---") && line.iter().all(|byte| matches!(byte, b'-' | b' ' | b'\t'))
}

/// Byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Longest heading of `ls -R` that is recognized, in bytes.
const HEADING_BYTES: usize = 4096;

/// Longest line that is parsed, in bytes: longer than the longest path (`PATH_MAX` of Linux) and all that stands before it.
const LINE_BYTES: usize = 5000;

/// Bytes of folders that the entries of any listing may repeat; a long listing has 4 more for each of its bytes.
const FOLDER_BYTES: usize = 64 << 10;

/// Incomplete lines that are kept.
const CUT_LINES_LIMIT: usize = 64;

/// Length in bytes of the shortest line that has more than a name.
const SHORT_ENTRY: usize = 32;

/// Lines from which the form is detected.
const SAMPLE: usize = 64;
/// Words of a line among which its date is, those of padding included.
const DATE_WORDS: usize = 40;
/// Words at the beginning of a listing among which a date of three numbers is looked for.
const SAMPLE_WORDS: usize = 2_000;

/// First word of a sum, in several languages.
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
