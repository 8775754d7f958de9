//! Block of one session: heading, steps, transfers, findings.

use std::cmp::Reverse;
use std::io::{self, Write};

use anstyle::Style;

use super::super::marks::{step_mark, transfer_mark};
use super::super::{CaptureNames, SessionPlaces, units};
use super::block::{
    Block, Column, Grid, Head, NARROW, TINY, WIDE, hidden_row, label, omitted, plain,
    sentence_shortened, shortened, shortened_to, shown, span,
};
use super::{
    BOLD, DIM, Options, completeness_words, exchange, lines, severity_style, severity_word,
    verdict_style,
};
use crate::diagnosis::{UNCAPTURED_USER, is_tls_failure};
use crate::model::Endpoint;
use crate::model::record::{
    Address, Command, EncryptedConnection, EndState, EntryKind, Finding, ListingEntry,
    LoginOutcome, Outcome, Session, Severity, Step, StepKind, Transfer, TransferDirection,
    VerdictStatus,
};

/// Writes the block of a session.
pub(super) fn write(session: &Session, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let style = verdict_style(session.verdict.status);
    let places = SessionPlaces::of(session);
    let mut block = Block::new(out, options, style);
    heading(session, &places, options, style, &mut block)?;
    steps(session, &places, options, &mut block)?;
    write_transfers(session, options, &mut block)?;
    encrypted_data(session, &mut block)?;
    unsolicited(session, options, &mut block)?;
    if !session.findings.is_empty() {
        block.space()?;
    }
    let mut findings: Vec<&Finding> = session.findings.iter().collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    for finding in findings {
        self::finding(finding, options, &mut block)?;
    }
    omitted(session.findings_omitted, "finding", "findings", &mut block)?;
    block.end()
}

/// Writes the sums of encrypted data connections in one line.
fn encrypted_data(session: &Session, block: &mut Block<'_>) -> io::Result<()> {
    let data = &session.encrypted_data;
    if data.is_empty() {
        return Ok(());
    }
    let sum = |bytes: fn(&EncryptedConnection) -> u64| {
        units::size(data.iter().map(bytes).fold(0, u64::saturating_add))
    };
    let count = units::to_u64(data.len()).saturating_add(session.encrypted_data_omitted);
    let text = format!(
        "{}, {} to the client, {} to the server",
        units::counted(count, "connection", "connections"),
        sum(|one| one.bytes_from_server),
        sum(|one| one.bytes_from_client),
    );
    block.space()?;
    block.text(0, 2, &[span(BOLD, "Encrypted data:"), plain(&text)])
}

/// Writes replies without a captured command, for `-v`.
fn unsolicited(session: &Session, options: &Options, block: &mut Block<'_>) -> io::Result<()> {
    // Steps that were inferred from such replies show them already.
    let inferred = session.steps.iter().any(|step| step.inferred);
    if !options.verbose || inferred || session.unsolicited_replies.is_empty() {
        return Ok(());
    }
    block.space()?;
    block.text(
        0,
        2,
        &[span(BOLD, "Replies that no captured command waits for")],
    )?;
    for reply in &session.unsolicited_replies {
        let frame = format!("({})", options.captures.frame(reply.frame, reply.place()));
        for text in lines(reply) {
            block.text(2, 2, &[plain(&text), span(DIM, &frame)])?;
        }
    }
    let count = session.unsolicited_replies_omitted;
    omitted(count, "reply", "replies", block)
}

/// Writes a finding with its advice.
pub(super) fn finding(
    finding: &Finding,
    options: &Options,
    block: &mut Block<'_>,
) -> io::Result<()> {
    let style = severity_style(finding.severity);
    let severity = severity_word(finding.severity);
    let frames = options.captures.frames(finding);
    let frames = frames.map_or_else(String::new, |frames| format!("({frames})"));
    let title = [
        label(style.bold(), severity, "medium".len()),
        plain(&sentence_shortened(&finding.title)),
        span(DIM, &frames),
    ];
    block.text(0, 7, &title)?;
    if options.verbose {
        block.text(7, 0, &[plain(&options.captures.explanation(finding))])?;
    }
    // Nobody has to act on information.
    if finding.severity > Severity::Info || options.verbose {
        block.text(7, 2, &[span(DIM, "→"), plain(&finding.advice)])?;
    }
    Ok(())
}

/// Formats an end point: `192.168.0.2:1175`, `[2001:db8::1]:21`.
pub(super) fn end_point(address: Address) -> String {
    Endpoint::from(address).to_string()
}

fn heading(
    session: &Session,
    places: &SessionPlaces,
    options: &Options,
    style: Style,
    block: &mut Block<'_>,
) -> io::Result<()> {
    let status = match session.verdict.status {
        VerdictStatus::Ok => "OK",
        VerdictStatus::Warning => "WARNING",
        VerdictStatus::Failed => "FAILED",
    };
    let title = format!("Session {}", session.id);
    block.text(
        0,
        2,
        &[
            span(BOLD, &title),
            span(style.bold(), status),
            plain(&sentence_shortened(&session.verdict.text)),
        ],
    )?;
    let server = Endpoint::new(session.server.ip, session.server.port).to_string();
    let client = end_point(session.client);
    let ends = match &session.server.name {
        Some(name) => format!("{client} → {} ({server})", shortened(name)),
        None => format!("{client} → {server}"),
    };
    block.text(0, 2, &[plain(&ends)])?;
    let mut facts = format!(
        "{}, {}, {}",
        units::time(session.start, &options.zone),
        units::duration(session.duration),
        match session.end_state {
            EndState::Closed => "closed",
            EndState::Reset => "reset",
            EndState::Open => "still open when the capture ended",
            EndState::Timeout => "never closed",
        },
    );
    if session.midstream {
        facts += ", beginning not captured";
    }
    block.text(0, 2, &[span(DIM, &facts)])?;
    let captures = places.captures();
    if let Some((first, others)) = captures.split_first() {
        let name = |capture| shortened(options.captures.name(capture)).into_owned();
        let text = match others {
            [] => format!("in {}, whose frames are counted here", name(*first)),
            [last] => format!("in {} and {}", name(*first), name(*last)),
            [.., last] => format!(
                "in {} to {}, {} captures",
                name(*first),
                name(*last),
                captures.len()
            ),
        };
        block.text(0, 2, &[span(DIM, &text)])?;
    }
    if session.layers.len() > USUAL_LAYERS {
        let layers = format!("inside {}", session.layers.join(" / "));
        block.text(0, 2, &[span(DIM, &layers)])?;
    }
    block.text(0, 2, &[span(DIM, &login(session))])
}

pub(crate) fn login(session: &Session) -> String {
    let login = &session.login;
    let mut text = match (login.outcome, &login.user) {
        (LoginOutcome::Unseen, _) => "login not in the capture".to_owned(),
        (outcome, user) => {
            let outcome = match outcome {
                LoginOutcome::Accepted => "login",
                LoginOutcome::Rejected => "refused login",
                _ => "unfinished login",
            };
            let user = user.as_deref().unwrap_or(UNCAPTURED_USER);
            let named = if login.user.is_some() { "" } else { "as " };
            let user = format!("{named}{}", shortened(user));
            let password = match &login.password {
                Some(password) => format!(", password {}", shortened(password)),
                None => String::new(),
            };
            let anonymous = if login.anonymous { " (anonymous)" } else { "" };
            format!("{outcome} {user}{anonymous}{password}")
        }
    };
    if login.attempts > 1 {
        text.push_str(", ");
        text.push_str(&units::counted(login.attempts, "attempt", "attempts"));
    }
    if let Some(tls) = &session.tls {
        let version = tls.version.as_deref().unwrap_or("TLS");
        let read = if session.findings.iter().any(is_tls_failure) {
            return format!("{text}, {version} failed");
        } else if tls.decrypted {
            "decrypted"
        } else {
            "encrypted"
        };
        text = format!("{text}, {read} ({version})");
    }
    text
}

fn steps(
    session: &Session,
    places: &SessionPlaces,
    options: &Options,
    block: &mut Block<'_>,
) -> io::Result<()> {
    if session.steps.is_empty() {
        return Ok(());
    }
    block.space()?;
    let wide = block.width() >= WIDE;
    let mut heads = vec![
        Head::new(Column::Right, "#"),
        Head::new(Column::Right, "At").from(NARROW).named(),
        Head::new(Column::Text, "Step"),
    ];
    let texts = wide && !options.verbose;
    let reply = if texts { Column::Text } else { Column::Left };
    heads.push(Head::new(reply, "Reply").from(TINY).named());
    if wide {
        heads.push(Head::new(Column::Right, "Took"));
    }
    heads.push(Head::new(Column::Right, "Frames").from(TINY).named());
    let mut grid = Grid::new(block.width(), &heads);
    let (first, hidden, last) = shown(&session.steps, options);
    let start = session
        .steps
        .first()
        .map_or(session.start, |step| step.time);
    for step in first {
        step_row(step, (session, places), start, wide, options, &mut grid);
    }
    if hidden > 0 {
        hidden_row(hidden, 2, &mut grid);
    }
    for step in last {
        step_row(step, (session, places), start, wide, options, &mut grid);
    }
    block.grid(grid)?;
    omitted(session.steps_omitted, "step", "steps", block)
}

fn step_row(
    step: &Step,
    (session, places): (&Session, &SessionPlaces),
    start: crate::model::Timestamp,
    wide: bool,
    options: &Options,
    grid: &mut Grid,
) {
    let mark = step_mark(step, session).into();
    let mut title = vec![shortened(&step.title).into_owned()];
    if step.inferred {
        title.push("known from its reply alone".to_owned());
    }
    if options.verbose {
        title.extend(step.commands.iter().flat_map(exchange));
        if step.kind == StepKind::Greeting
            && let Some(greeting) = session.greeting.as_ref().filter(|one| one.lines.len() > 1)
        {
            title.extend(lines(greeting));
        }
    }
    // Commands and replies are in the title with `-v`: the text of the reply would be there twice.
    let (code, text) = final_reply(step);
    let reply = if options.verbose {
        code
    } else if wide {
        format!("{code} {}", shortened(&text))
    } else {
        // Without space for a column of reply texts, only steps that did not succeed show theirs, below the title.
        if !text.is_empty() && step.outcome != Outcome::Ok {
            title.insert(1, shortened(&text).into_owned());
        }
        code
    };
    let mut cells = vec![
        vec![step.number.to_string()],
        vec![units::offset(step.time, start)],
        title,
        vec![reply],
    ];
    if wide {
        // A step of one packet has no duration.
        let took = (step.duration > 0.0).then(|| units::duration(step.duration));
        cells.push(took.into_iter().collect());
    }
    cells.push(frames(step, session, places, &options.captures));
    grid.row(mark, &cells);
}

/// Returns the code of the reply that decided a step, and its last line unless the title says the same.
///
/// A transfer is decided by the reply to its own command, not by those to PASV or ABOR.
pub(crate) fn final_reply(step: &Step) -> (String, String) {
    let mut latest_first = step.commands.iter().rev();
    let transfer = step.commands.iter().rev().find(|one| transfers_data(one));
    let reply = transfer.map_or_else(
        || latest_first.find_map(|command| command.replies.last()),
        |transfer| transfer.replies.last(),
    );
    let Some(reply) = reply else {
        return Default::default();
    };
    let text = reply.lines.last().map_or("", |line| line.trim());
    // Some titles quote the reply.
    let text = if step.title.contains(text) { "" } else { text };
    (reply.code.to_string(), text.to_owned())
}

fn transfers_data(command: &Command) -> bool {
    matches!(
        command.verb.as_str(),
        "RETR" | "STOR" | "STOU" | "APPE" | "LIST" | "NLST" | "MLSD"
    )
}

/// Returns the known first and last frame of a step as `9-40`, or nothing. In a session of several captures there is a line for
/// each: `b.pcap 9-40`.
pub(crate) fn frames(
    step: &Step,
    session: &Session,
    places: &SessionPlaces,
    names: &CaptureNames,
) -> Vec<String> {
    let mut seen: Vec<u64> = Vec::new();
    for command in &step.commands {
        seen.push(command.frame);
        seen.extend(command.replies.iter().map(|reply| reply.frame));
    }
    if let Some(connection) = step
        .transfer
        .and_then(|id| session.transfer(id))
        .and_then(|transfer| transfer.connection.as_ref())
    {
        seen.extend([connection.first_frame, connection.last_frame]);
    }
    match (step.kind, &session.dns, &session.greeting) {
        (StepKind::Dns, Some(dns), _) => {
            seen.extend(dns.query_frame);
            seen.push(dns.response_frame);
        }
        (StepKind::Greeting, _, Some(greeting)) => seen.push(greeting.frame),
        _ => {}
    }
    let range = |first: u64, last: u64| {
        if first < last {
            format!("{first}-{last}")
        } else {
            first.to_string()
        }
    };
    let is_split = places.captures().len() > 1;
    if places.captures().is_empty() {
        let ends = seen.iter().min().zip(seen.iter().max());
        return ends
            .map(|(first, last)| range(*first, *last))
            .into_iter()
            .collect();
    }
    let ranges = places.ranges(&seen).into_iter();
    let text = |(capture, first, last)| {
        let range = range(first, last);
        if is_split {
            format!("{} {range}", shortened_to(names.name(capture), SHORT_NAME))
        } else {
            range
        }
    };
    ranges.map(text).collect()
}

/// Writes the table, and below it the entries of listings.
pub(super) fn write_transfers(
    session: &Session,
    options: &Options,
    block: &mut Block<'_>,
) -> io::Result<()> {
    if session.transfers.is_empty() {
        return Ok(());
    }
    block.space()?;
    let shape = Shape::of(block.width());
    let mut grid = Grid::new(block.width(), &shape.heads());
    let (first, hidden, last) = shown(&session.transfers, options);
    for transfer in first {
        transfer_row(transfer, shape, options, &mut grid);
    }
    if hidden > 0 {
        hidden_row(hidden, 1, &mut grid);
    }
    for transfer in last {
        transfer_row(transfer, shape, options, &mut grid);
    }
    block.grid(grid)?;
    omitted(session.transfers_omitted, "transfer", "transfers", block)?;
    if options.verbose {
        let files = first.iter().chain(last).map(|transfer| {
            let name = transfer_name(transfer);
            let sha256 = transfer.sha256.as_ref().filter(|_| shape != Shape::Full);
            (
                name,
                [
                    ("sha256", sha256),
                    ("md5", transfer.md5.as_ref()),
                    ("sha1", transfer.sha1.as_ref()),
                ],
            )
        });
        write_digests(files, block)?;
    }
    for transfer in first.iter().chain(last) {
        listing_entries(transfer, options, block)?;
    }
    Ok(())
}

/// Writes whole digests, each on a line of its own: one that is broken over the lines of a cell cannot be copied. Where a line
/// has no room for the algorithm beside it, the name stands above.
pub(super) fn write_digests<'a>(
    files: impl Iterator<Item = (String, [(&'static str, Option<&'a String>); 3])>,
    block: &mut Block<'_>,
) -> io::Result<()> {
    let mut is_first = true;
    for (name, digests) in files {
        for (algorithm, digest) in digests {
            let Some(digest) = digest else {
                continue;
            };
            if std::mem::take(&mut is_first) {
                block.space()?;
            }
            let fits = INDENT + algorithm.len() + 1 + digest.len() <= block.width();
            let (algorithm, digest, name) = (span(DIM, algorithm), plain(digest), plain(&name));
            let spans = if fits {
                [algorithm, digest, name]
            } else {
                [algorithm, name, digest]
            };
            block.text(INDENT, 2, &spans)?;
        }
    }
    Ok(())
}

/// Width class of the table of transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Narrow,
    Wide,
    Full,
}

impl Shape {
    fn of(width: usize) -> Self {
        if width >= FULL {
            Self::Full
        } else if width >= WIDE {
            Self::Wide
        } else {
            Self::Narrow
        }
    }

    fn heads(self) -> Vec<Head> {
        let mut heads = vec![
            Head::new(Column::Right, "#"),
            Head::new(Column::Text, "Transfer"),
            Head::new(Column::Left, "Way").from(NARROW),
            Head::new(Column::Right, "Size").from(TINY),
        ];
        if self != Self::Narrow {
            heads.push(Head::new(Column::Right, "Rate"));
        }
        heads.push(Head::new(Column::Left, "State").from(TINY));
        heads.push(Head::new(Column::Left, "SHA-256").from(NARROW).named());
        heads
    }
}

fn transfer_row(transfer: &Transfer, shape: Shape, options: &Options, grid: &mut Grid) {
    let mut text = vec![transfer_name(transfer)];
    if let Some(saved) = &transfer.saved_as {
        text.push(format!("saved as {}", shortened(saved)));
    }
    if transfer.restart_offset > 0 {
        text.push(format!(
            "from byte {}",
            units::count(transfer.restart_offset)
        ));
    }
    if transfer.missing_bytes > 0 {
        text.push(format!("{} missing", units::bytes(transfer.missing_bytes)));
    }
    if options.verbose {
        text.extend(
            transfer
                .evidence
                .iter()
                .map(|reason| options.captures.evidence(transfer, reason))
                .map(|reason| format!("because: {reason}")),
        );
    }
    let mark = transfer_mark(transfer).into();
    let state = completeness_words(transfer.completeness);
    let digest = transfer.sha256.as_deref().unwrap_or("-");
    let digest = if shape == Shape::Full {
        digest
    } else {
        // Enough to compare by eye; `-v`, `--summary` and the JSON report have all digits.
        digest.get(..SHORT_DIGEST).unwrap_or(digest)
    };
    let mut cells = vec![
        vec![transfer.id.to_string()],
        text,
        vec![way(transfer.direction).to_owned()],
        vec![units::size(transfer.bytes)],
    ];
    if shape != Shape::Narrow {
        cells.push(vec![
            transfer
                .throughput
                .map_or_else(|| "-".to_owned(), units::rate),
        ]);
    }
    cells.push(vec![state.to_owned()]);
    cells.push(vec![digest.to_owned()]);
    grid.row(mark, &cells);
}

/// Returns the path of a file, verb and path of a listing, or the verb if the path is unknown.
pub(crate) fn transfer_name(transfer: &Transfer) -> String {
    let path = transfer.shown_path().map(shortened);
    match (path, transfer.direction) {
        (Some(path), TransferDirection::Listing) => format!("{} {path}", transfer.verb),
        (Some(path), _) => path.into_owned(),
        (None, _) => transfer.verb.clone(),
    }
}

/// Writes the entries of a listing: the first few on one line, or with `-v` each on its own.
fn listing_entries(
    transfer: &Transfer,
    options: &Options,
    block: &mut Block<'_>,
) -> io::Result<()> {
    if transfer.entries.is_empty() {
        return Ok(());
    }
    let limit = if options.verbose {
        usize::MAX
    } else {
        FIRST_ENTRIES
    };
    let total = units::to_u64(transfer.entries.len()).saturating_add(transfer.entries_omitted);
    let title = format!(
        "{}: {}",
        transfer_name(transfer),
        units::counted(total, "entry", "entries"),
    );
    let mut names: Vec<String> = transfer
        .entries
        .iter()
        .take(limit)
        .map(listing_entry)
        .collect();
    let more = total.saturating_sub(units::to_u64(names.len()));
    if more > 0 {
        names.push(format!("… {} more", units::count(more)));
    }
    block.space()?;
    if options.verbose {
        block.text(2, 2, &[plain(&title)])?;
        for name in names {
            block.text(4, 2, &[plain(&name)])?;
        }
        return Ok(());
    }
    block.text(
        2,
        2,
        &[plain(&format!("{title}:")), plain(&names.join(", "))],
    )
}

pub(crate) fn listing_entry(entry: &ListingEntry) -> String {
    let slash = if entry.kind == EntryKind::Directory {
        "/"
    } else {
        ""
    };
    let target = match &entry.target {
        Some(target) => format!(" → {}", shortened(target)),
        None => String::new(),
    };
    let size = match entry.size {
        Some(size) if entry.kind == EntryKind::File => format!(" ({})", units::size(size)),
        _ => String::new(),
    };
    format!("{}{slash}{target}{size}", shortened(&entry.name))
}

pub(crate) fn way(direction: TransferDirection) -> &'static str {
    match direction {
        TransferDirection::Download => "download",
        TransferDirection::Upload => "upload",
        TransferDirection::Listing => "listing",
    }
}

/// Columns before the digests of a file.
const INDENT: usize = 2;

/// Number of layers without tunnels: link, IP and TCP. They are not worth a line.
const USUAL_LAYERS: usize = 3;

/// Entries of a listing shown without `-v`.
const FIRST_ENTRIES: usize = 5;

/// Width in columns from which digests are shown whole.
pub(super) const FULL: usize = 158;

/// Digits of a shortened digest.
const SHORT_DIGEST: usize = 12;

/// Characters of the name of a capture in a cell.
const SHORT_NAME: usize = 24;
