//! Overview of many sessions: who logged in, what was moved, what went wrong.
//!
//! ```text
//! SessionEnd ─> Overview::add ─> groups: logins by client and server, files, findings by id and subject
//!                                   └─> Overview::write, before the blocks of the sessions, or in their place
//! ```
//!
//! Groups hold sums and their first members, and each list of groups has a limit: memory does not grow with the number
//! of sessions. Members that belong to a group beyond the limit are counted.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use super::super::marks::completeness_mark;
use super::super::{Report, units};
use super::block::{
    Block, Column, Grid, Head, Mark, NARROW, TINY, label, omitted, plain, sentence_begun,
    sentence_shortened_to, shortened_to, span,
};
use super::session::{FULL, way, write_digests};
use super::{
    BOLD, DIM, GREEN, Options, RED, YELLOW, completeness_words, severity_style, severity_word,
};
use crate::diagnosis::is_tls_failure;
use crate::model::record::{
    AttemptOutcome, CaptureFrame, Completeness, Finding, LoginOutcome, Session, Severity, Transfer,
    TransferDirection, VerdictStatus,
};
use crate::model::{Endpoint, Timestamp};

/// Facts of all sessions, collected as they end.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    sessions: u64,
    failed: u64,
    warnings: u64,
    /// Start of the first session and end of the last; `None` before the first session.
    period: Option<(Timestamp, Timestamp)>,
    logins: Groups<(IpAddr, Endpoint), Logins>,
    files: Groups<FileKey, FileGroup>,
    /// Count and bytes of the downloads, uploads and listings that moved something.
    moved: [(u64, u64); 3],
    /// Transfers that moved nothing: most of them were refused.
    without_data: u64,
    findings: Groups<FindingKey, FindingGroup>,
    /// Failed sessions that no finding explains, by their verdicts.
    failures: Groups<String, Members>,
}

impl Overview {
    /// Adds a session that has ended.
    pub fn add(&mut self, session: &Session) {
        self.sessions += 1;
        match session.verdict.status {
            VerdictStatus::Ok => {}
            VerdictStatus::Warning => self.warnings += 1,
            VerdictStatus::Failed => self.failed += 1,
        }
        let (start, end) = self.period.unwrap_or((session.start, session.end));
        self.period = Some((start.min(session.start), end.max(session.end)));
        self.add_login(session);
        for transfer in &session.transfers {
            self.add_transfer(session, transfer);
        }
        // A failure that no severe finding explains counts as trouble of its own, in place of the finding in its verdict.
        let verdict = &session.verdict;
        let is_unexplained = verdict.status == VerdictStatus::Failed
            && session
                .findings
                .iter()
                .all(|finding| finding.severity < Severity::Medium);
        if is_unexplained {
            let reason = sentence_begun(&verdict.text, TITLE_CHARACTERS).into_owned();
            self.failures
                .change(reason, MAX_GROUPS, |group| group.add(session.id));
        }
        for finding in &session.findings {
            if !is_unexplained || !verdict.text.contains(&finding.title) {
                self.add_finding(finding, &[session.id]);
            }
        }
    }

    /// Returns true for more sessions than anybody reads through.
    pub(super) fn has_many_sessions(&self) -> bool {
        self.sessions > FEW_SESSIONS
    }

    fn add_login(&mut self, session: &Session) {
        let login = &session.login;
        let user = short(login.user.as_deref().unwrap_or("somebody"));
        let tls_failed = || session.findings.iter().any(is_tls_failure);
        let (outcome, text) = match login.outcome {
            LoginOutcome::Accepted | LoginOutcome::Rejected => (login.outcome, user.into_owned()),
            _ if session.tls.is_some() && !tls_failed() => {
                (LoginOutcome::Unseen, "encrypted login".to_owned())
            }
            LoginOutcome::Incomplete if login.user.is_some() => {
                (LoginOutcome::Incomplete, format!("{user}, unfinished"))
            }
            _ => (LoginOutcome::Unseen, "no login".to_owned()),
        };
        let server = Endpoint::new(session.server.ip, session.server.port);
        let key = (session.client.ip, server);
        self.logins.change(key, MAX_GROUPS, |logins| {
            logins.sessions += 1;
            if logins.name.is_none() {
                logins.name.clone_from(&session.server.name);
            }
            let users = match outcome {
                LoginOutcome::Accepted => &mut logins.accepted,
                LoginOutcome::Rejected => &mut logins.refused,
                _ => &mut logins.others,
            };
            users.change(text, MAX_USERS, |group| group.add(session.id));
        });
    }

    fn add_transfer(&mut self, session: &Session, transfer: &Transfer) {
        let [downloads, uploads, listings] = &mut self.moved;
        let (count, bytes) = match transfer.direction {
            TransferDirection::Download => downloads,
            TransferDirection::Upload => uploads,
            TransferDirection::Listing => listings,
        };
        if !transfer.has_moved() {
            self.without_data += 1;
            return;
        }
        *count += 1;
        *bytes = bytes.saturating_add(transfer.bytes);
        if transfer.direction == TransferDirection::Listing {
            return;
        }
        let path = transfer.shown_path().unwrap_or(&transfer.verb);
        let key = FileKey {
            path: short(path).into_owned(),
            server: Endpoint::new(session.server.ip, session.server.port),
            is_upload: transfer.direction == TransferDirection::Upload,
            restart_offset: transfer.restart_offset,
            bytes: transfer.bytes,
            completeness: transfer.completeness,
            sha256: transfer.sha256.clone(),
        };
        self.files.change(key, MAX_GROUPS, |group| {
            group.members.add(session.id);
            if group.members.count == 1 {
                group.other_digests = [transfer.md5.clone(), transfer.sha1.clone()];
            }
        });
    }

    /// Adds a finding about these sessions. Findings are one if severity, id and title agree: the title names the subject.
    fn add_finding(&mut self, finding: &Finding, sessions: &[u64]) {
        let key = FindingKey {
            severity: finding.severity,
            id: finding.id.clone(),
            title: short_sentence(&finding.title).into_owned(),
        };
        self.findings.change(key, MAX_GROUPS, |group| {
            for session in sessions {
                group.members.add(*session);
            }
            group.frame = group.frame.or_else(|| {
                let place = finding.places.first().copied().flatten();
                Some((*finding.frames.first()?, place))
            });
            if group.advice.is_empty() {
                group.advice.clone_from(&finding.advice);
            }
        });
    }

    /// Writes the overview, with the findings about several sessions in `report`.
    pub(super) fn write(
        &self,
        report: &Report,
        options: &Options,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.sessions == 0 && report.findings.is_empty() {
            return Ok(());
        }
        let style = match (self.failed, self.warnings) {
            (0, 0) => GREEN,
            (0, _) => YELLOW,
            _ => RED,
        };
        let mut block = Block::new(out, options, style);
        let ok = self.sessions.saturating_sub(self.failed + self.warnings);
        let counts: Vec<String> = [
            (self.failed, "failed"),
            (self.warnings, "with warnings"),
            (ok, "ok"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", units::count(*count)))
        .collect();
        let title = units::counted(self.sessions, "session:", "sessions:");
        block.text(0, 2, &[span(BOLD, &title), plain(&counts.join(", "))])?;
        if let Some((start, end)) = self.period {
            let (start, end) = (
                units::time(start, &options.zone),
                units::time(end, &options.zone),
            );
            block.text(0, 2, &[span(DIM, &format!("{start} to {end}"))])?;
        }
        let limits = RowLimits::of(options);
        self.write_logins(&limits, &mut block)?;
        self.write_files(&limits, options, &mut block)?;
        self.write_findings(report, &limits, options, &mut block)?;
        if options.summary {
            write_strays(report, &mut block)?;
        }
        block.end()
    }

    fn write_logins(&self, limits: &RowLimits, block: &mut Block<'_>) -> io::Result<()> {
        block.space()?;
        block.text(0, 2, &[span(BOLD, "Who logged in")])?;
        let heads = [
            Head::new(Column::Text, "Client → server"),
            Head::new(Column::Text, "User (sessions)"),
        ];
        let narrow = [Head::new(Column::Text, "Client → server, user (sessions)")];
        let is_narrow = block.width() < NARROW;
        let heads: &[Head] = if is_narrow { &narrow } else { &heads };
        let mut grid = Grid::new(block.width(), heads);
        let mut rows = self.logins.in_order();
        // Logins that succeeded come first, then the clients with most sessions.
        rows.sort_by_key(|(_, logins)| (logins.accepted.is_empty(), Reverse(logins.sessions)));
        for ((client, server), logins) in rows.iter().take(limits.logins) {
            let ends = match &logins.name {
                Some(name) => format!("{client} → {} ({server})", short(name)),
                None => format!("{client} → {server}"),
            };
            let users = logins.lines(limits.users);
            let cells = if is_narrow {
                vec![[vec![ends], users].concat()]
            } else {
                vec![vec![ends], users]
            };
            grid.row(logins.mark(), &cells);
        }
        block.grid(grid)?;
        let hidden = rows.len().saturating_sub(limits.logins);
        limits.hidden(
            hidden,
            "pair of client and server",
            "pairs of client and server",
            block,
        )?;
        omitted(self.logins.omitted, "session", "sessions", block)
    }

    fn write_files(
        &self,
        limits: &RowLimits,
        options: &Options,
        block: &mut Block<'_>,
    ) -> io::Result<()> {
        let words = [
            ("download", "downloads"),
            ("upload", "uploads"),
            ("listing", "listings"),
        ];
        let mut parts: Vec<String> = words
            .iter()
            .zip(self.moved)
            .filter(|(_, (count, _))| *count > 0)
            .map(|(&(one, many), (count, bytes))| {
                let count = units::counted(count, one, many);
                format!("{count} ({})", units::size(bytes))
            })
            .collect();
        if parts.is_empty() {
            parts.push("nothing".to_owned());
        }
        if self.without_data > 0 {
            let count = units::counted(self.without_data, "transfer", "transfers");
            parts.push(format!("{count} without data"));
        }
        let text = parts.join(", ");
        block.space()?;
        block.text(0, 2, &[span(BOLD, "What was moved:"), plain(&text)])?;
        let rows = self.files.in_order();
        if rows.is_empty() {
            return Ok(());
        }
        // Digests are what a summary is searched for; before the sessions they would be there twice.
        let digests = options.summary || options.verbose;
        let has_column = digests && block.width() >= FULL;
        let mut heads = vec![
            Head::new(Column::Text, "File"),
            Head::new(Column::Left, "Way").from(NARROW),
            Head::new(Column::Right, "Size").from(TINY),
            Head::new(Column::Left, "State").from(TINY),
        ];
        if has_column {
            heads.push(Head::new(Column::Left, "SHA-256"));
        }
        heads.push(Head::new(Column::Left, "Sessions").from(NARROW).named());
        let mut grid = Grid::new(block.width(), &heads);
        for (key, group) in rows.iter().take(limits.files) {
            let mark = completeness_mark(key.completeness).into();
            let state = completeness_words(key.completeness);
            let sha256 = key.sha256.as_deref();
            let direction = if key.is_upload {
                TransferDirection::Upload
            } else {
                TransferDirection::Download
            };
            let mut name = vec![key.path.clone()];
            if key.restart_offset > 0 {
                name.push(format!("from byte {}", units::count(key.restart_offset)));
            }
            let mut cells = vec![
                name,
                vec![way(direction).to_owned()],
                vec![units::size(key.bytes)],
                vec![state.to_owned()],
            ];
            if has_column {
                cells.push(vec![sha256.unwrap_or("-").to_owned()]);
            }
            cells.push(vec![group.members.text()]);
            grid.row(mark, &cells);
        }
        block.grid(grid)?;
        let hidden = rows.len().saturating_sub(limits.files);
        limits.hidden(hidden, "file", "files", block)?;
        omitted(self.files.omitted, "transfer", "transfers", block)?;
        if !digests {
            return Ok(());
        }
        let files = rows.iter().take(limits.files).map(|(key, group)| {
            let sha256 = key.sha256.as_ref().filter(|_| !has_column);
            let [md5, sha1] = &group.other_digests;
            let digests = [
                ("sha256", sha256),
                ("md5", md5.as_ref()),
                ("sha1", sha1.as_ref()),
            ];
            (key.path.clone(), digests)
        });
        write_digests(files, block)
    }

    fn write_findings(
        &self,
        report: &Report,
        limits: &RowLimits,
        options: &Options,
        block: &mut Block<'_>,
    ) -> io::Result<()> {
        block.space()?;
        let mut all = Self {
            findings: self.findings.clone(),
            ..Self::default()
        };
        for finding in &report.findings {
            all.add_finding(finding, &finding.sessions);
        }
        let mut rows = all.findings.in_order();
        if rows.is_empty() && self.failures.is_empty() {
            let nothing = [span(BOLD, "What went wrong:"), plain("nothing")];
            return block.text(0, 2, &nothing);
        }
        block.text(0, 2, &[span(BOLD, "What went wrong")])?;
        for (reason, sessions) in self.failures.in_order().iter().take(limits.findings) {
            let label = label(RED.bold(), "failed", LABEL_WIDTH);
            let place = format!("({})", sessions.named());
            block.text(
                0,
                LABEL_WIDTH + 1,
                &[label, plain(reason), span(DIM, &place)],
            )?;
        }
        let hidden = self.failures.len().saturating_sub(limits.findings);
        limits.hidden(hidden, "failure", "failures", block)?;
        rows.sort_by_key(|(key, group)| (Reverse(key.severity), Reverse(group.members.count)));
        let (shown, hidden) = rows.split_at(rows.len().min(limits.findings));
        let mut advised: Vec<&str> = Vec::new();
        for (key, group) in shown {
            let style = severity_style(key.severity);
            let mut place = group.members.named();
            if let Some((frame, at)) = group.frame {
                let frame = options.captures.frame(frame, at);
                let comma = if place.is_empty() { "" } else { ", " };
                place = format!("{place}{comma}{frame}");
            }
            let spans = [
                label(style.bold(), severity_word(key.severity), LABEL_WIDTH),
                plain(&key.title),
                span(DIM, &format!("({place})")),
            ];
            block.text(0, LABEL_WIDTH + 1, &spans)?;
            // Findings of one kind share their advice, which is worth reading once.
            let is_new = !advised.contains(&key.id.as_str());
            if is_new && key.severity >= Severity::Medium {
                advised.push(&key.id);
                let advice = [span(DIM, "→"), plain(&group.advice)];
                block.text(LABEL_WIDTH + 1, 2, &advice)?;
            }
        }
        let mut kinds: BTreeMap<(Reverse<Severity>, &str), u64> = BTreeMap::new();
        for (key, group) in hidden {
            *kinds.entry((Reverse(key.severity), &key.id)).or_default() += group.members.count;
        }
        if !kinds.is_empty() {
            let kinds: Vec<String> = kinds
                .iter()
                .map(|((_, id), count)| format!("{id} ×{}", units::count(*count)))
                .collect();
            let text = format!("… and {}{}", kinds.join(", "), limits.hint);
            block.text(LABEL_WIDTH + 1, 2, &[span(DIM, &text)])?;
        }
        omitted(self.findings.omitted, "finding", "findings", block)
    }
}

/// Shortens a name to about one line: an overview has many of them.
fn short(name: &str) -> Cow<'_, str> {
    shortened_to(name, NAME_CHARACTERS)
}

/// Shortens a sentence that is longer than a title should be, between words.
fn short_sentence(text: &str) -> Cow<'_, str> {
    sentence_shortened_to(text, TITLE_CHARACTERS)
}

/// Writes the counts of what belongs to no session.
fn write_strays(report: &Report, block: &mut Block<'_>) -> io::Result<()> {
    let data = units::to_u64(report.unmatched_data.len()) + report.unmatched_data_omitted;
    if data > 0 {
        let bytes = report
            .unmatched_data
            .iter()
            .map(|data| data.bytes)
            .fold(0, u64::saturating_add);
        let text = format!("{} ({})", units::count(data), units::size(bytes));
        block.space()?;
        let title = span(BOLD, "Data connections without a command:");
        block.text(0, 2, &[title, plain(&text)])?;
    }
    let count = |outcome| {
        let attempts = report.connection_attempts.iter();
        units::to_u64(attempts.filter(|one| one.outcome == outcome).count())
    };
    let parts: Vec<String> = [
        (count(AttemptOutcome::Refused), "refused"),
        (count(AttemptOutcome::Unanswered), "unanswered"),
        (count(AttemptOutcome::Closed), "closed"),
        (count(AttemptOutcome::OtherProtocol), "of another protocol"),
        (report.connection_attempts_omitted, "left out"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{} {word}", units::count(*count)))
    .collect();
    if !parts.is_empty() {
        block.space()?;
        let title = span(BOLD, "Connections to port 21 that carried no FTP:");
        block.text(0, 2, &[title, plain(&parts.join(", "))])?;
    }
    Ok(())
}

/// Logins of one client at one server.
#[derive(Clone, Debug, Default)]
struct Logins {
    sessions: u64,
    /// Name of the server; `None` if no session knows it.
    name: Option<String>,
    accepted: Groups<String, Members>,
    refused: Groups<String, Members>,
    /// Users and reasons of the sessions without a known outcome.
    others: Groups<String, Members>,
}

impl Logins {
    fn mark(&self) -> Mark {
        match (self.accepted.is_empty(), self.refused.is_empty()) {
            (false, true) => Mark::Good,
            (false, false) => Mark::Attention,
            (true, false) => Mark::Bad,
            (true, true) => Mark::Unknown,
        }
    }

    /// Returns a line for each outcome, with at most `limit` users in each.
    fn lines(&self, limit: usize) -> Vec<String> {
        let outcomes = [
            ("", &self.accepted),
            ("refused: ", &self.refused),
            ("", &self.others),
        ];
        outcomes
            .iter()
            .filter(|(_, users)| !users.is_empty())
            .map(|(outcome, users)| {
                let mut rows = users.in_order();
                rows.sort_by_key(|(_, members)| Reverse(members.count));
                let hidden = rows.split_off(rows.len().min(limit));
                let mut words: Vec<String> = rows
                    .iter()
                    .map(|(user, members)| format!("{user} ({})", members.text()))
                    .collect();
                let more = units::to_u64(hidden.len());
                if more > 0 {
                    words.push(units::counted(more, "other user", "other users"));
                }
                if users.omitted > 0 {
                    let more = units::counted(users.omitted, "session", "sessions");
                    words.push(format!("{more} of others"));
                }
                format!("{outcome}{}", words.join(", "))
            })
            .collect()
    }
}

/// Transfers that show as one: the same file, moved the same way with the same result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileKey {
    path: String,
    server: Endpoint,
    is_upload: bool,
    /// Where it went on from; 0 for a transfer from the beginning.
    restart_offset: u64,
    bytes: u64,
    completeness: Completeness,
    /// `None` without a digest.
    sha256: Option<String>,
}

/// Sessions that moved a file.
#[derive(Clone, Debug, Default)]
struct FileGroup {
    members: Members,
    /// MD5 and SHA-1, `None` where they were not asked for.
    other_digests: [Option<String>; 2],
}

/// Kind and subject of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FindingKey {
    severity: Severity,
    id: String,
    title: String,
}

/// Occurrences of a finding.
#[derive(Clone, Debug, Default)]
struct FindingGroup {
    members: Members,
    /// First frame of the first occurrence; `None` if it names none.
    frame: Option<(u64, Option<CaptureFrame>)>,
    advice: String,
}

/// Sessions of a group: their count, and the ids of the first.
#[derive(Clone, Debug, Default)]
struct Members {
    count: u64,
    /// The last session added; 0 before the first.
    last: u64,
    first: Vec<u64>,
}

impl Members {
    /// Adds a session, once for all that it has in the group: sessions are added one after the other.
    fn add(&mut self, session: u64) {
        if self.last == session {
            return;
        }
        self.last = session;
        self.count += 1;
        let place = self.first.partition_point(|&id| id < session);
        if place < KEPT_SESSIONS {
            self.first.insert(place, session);
            self.first.truncate(KEPT_SESSIONS);
        }
    }

    /// Returns the ids and, if these are not all, the count: `3, 8, 9, … 40 in all`.
    fn text(&self) -> String {
        let is_short = self.count == units::to_u64(self.first.len());
        let shown = if is_short {
            KEPT_SESSIONS
        } else {
            NAMED_SESSIONS
        };
        let ids = self.first.iter().take(shown);
        let ids: Vec<String> = ids.map(u64::to_string).collect();
        let ids = ids.join(", ");
        if is_short {
            ids
        } else {
            format!("{ids}, … {} in all", units::count(self.count))
        }
    }

    /// Returns the text with the word `session` or `sessions`, or an empty string without members.
    fn named(&self) -> String {
        match self.count {
            0 => String::new(),
            1 => format!("session {}", self.text()),
            _ => format!("sessions {}", self.text()),
        }
    }
}

/// Groups in order of their first members, with a limit on their count.
#[derive(Clone, Debug)]
struct Groups<K, V> {
    /// Position and value of each group.
    groups: BTreeMap<K, (usize, V)>,
    /// Members of the groups beyond the limit.
    omitted: u64,
}

impl<K: Ord, V: Default> Groups<K, V> {
    /// Changes a group, which is created if `limit` permits it.
    fn change(&mut self, key: K, limit: usize, change: impl FnOnce(&mut V)) {
        let position = self.groups.len();
        if let Some((_, group)) = self.groups.get_mut(&key) {
            change(group);
        } else if position < limit {
            let (_, group) = self.groups.entry(key).or_insert((position, V::default()));
            change(group);
        } else {
            self.omitted += 1;
        }
    }
}

impl<K, V> Groups<K, V> {
    fn in_order(&self) -> Vec<(&K, &V)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, (position, _))| *position);
        groups
            .into_iter()
            .map(|(key, (_, group))| (key, group))
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn len(&self) -> usize {
        self.groups.len()
    }
}

impl<K, V> Default for Groups<K, V> {
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
            omitted: 0,
        }
    }
}

/// Limits on the rows of each list.
struct RowLimits {
    logins: usize,
    users: usize,
    files: usize,
    findings: usize,
    /// Options that show more, in parentheses.
    hint: &'static str,
}

impl RowLimits {
    fn of(options: &Options) -> Self {
        let all = |rows, users, hint| Self {
            logins: rows,
            users,
            files: rows,
            findings: rows,
            hint,
        };
        match (options.verbose, options.summary) {
            (true, _) => all(MAX_GROUPS, MAX_USERS, ""),
            (false, true) => all(SUMMARY_ROWS, SUMMARY_USERS, " (-v shows them)"),
            (false, false) => Self {
                findings: OVERVIEW_FINDINGS,
                ..all(OVERVIEW_ROWS, OVERVIEW_USERS, " (--summary shows more)")
            },
        }
    }

    fn hidden(&self, count: usize, one: &str, many: &str, block: &mut Block<'_>) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let more = units::counted(units::to_u64(count), one, many);
        let text = format!("… and {more}{}", self.hint);
        block.text(2, 2, &[span(DIM, &text)])
    }
}

/// Sessions up to which a report needs no overview.
const FEW_SESSIONS: u64 = 5;
/// Groups kept in each list.
const MAX_GROUPS: usize = 10_000;
/// Users kept for a client at a server, for each outcome.
const MAX_USERS: usize = 100;
/// Sessions of a large group named by their ids.
const NAMED_SESSIONS: usize = 3;
/// Sessions of a group named where these are all: a count in place of one id would be no shorter.
const KEPT_SESSIONS: usize = 4;
/// Rows of a list before the sessions.
const OVERVIEW_ROWS: usize = 10;
/// Findings before the sessions: they are why most readers came.
const OVERVIEW_FINDINGS: usize = 20;
/// Users of a row before the sessions.
const OVERVIEW_USERS: usize = 5;
/// Rows of a list with `--summary`.
const SUMMARY_ROWS: usize = 100;
/// Users of a row with `--summary`.
const SUMMARY_USERS: usize = 20;
/// Characters of a name.
const NAME_CHARACTERS: usize = 80;
/// Characters of the title of a finding: nearly all are shorter, and what is cut out would be the reason.
const TITLE_CHARACTERS: usize = 120;
/// Columns of the severity in front of a finding.
const LABEL_WIDTH: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::{example_report, example_session};

    fn session(id: u64, change: impl FnOnce(&mut Session)) -> Session {
        let mut session = Session {
            id,
            ..example_session()
        };
        change(&mut session);
        session
    }

    fn written(overview: &Overview, width: u16, summary: bool) -> String {
        let options = Options {
            width,
            color: false,
            zone: jiff::tz::TimeZone::UTC,
            verbose: false,
            summary,
            captures: crate::report::CaptureNames::default(),
        };
        let mut out = Vec::new();
        overview
            .write(&example_report(), &options, &mut out)
            .expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn findings_are_sorted_by_severity_and_grouped_by_id_and_subject() {
        let mut overview = Overview::default();
        for id in 1..=30 {
            overview.add(&session(id, |session| {
                if let Some(finding) = session.findings.first_mut() {
                    finding.severity = if id == 29 {
                        Severity::High
                    } else {
                        Severity::Low
                    };
                    finding.id = "guess".into();
                    finding.title = format!("client {} guesses", id % 2);
                }
                session.findings.truncate(1);
                session.verdict.status = VerdictStatus::Warning;
            }));
        }
        let text = written(&overview, 100, false);
        let at = text.find("What went wrong").expect("it is there");
        let lines: Vec<&str> = text[at..].lines().skip(1).collect();
        assert!(
            lines[0].starts_with("│ high   client 1 guesses (session 29"),
            "{text}"
        );
        assert!(
            lines
                .iter()
                .any(|line| line.contains("client 0 guesses (sessions 2, 4, 6, … 15 in all"))
        );
        assert!(
            lines
                .iter()
                .any(|line| line.contains("client 1 guesses (sessions 1, 3, 5, … 14 in all"))
        );
    }

    #[test]
    fn overview_of_many_users_and_files_is_short_and_fits_the_terminal() {
        let mut overview = Overview::default();
        for id in 1..=300 {
            overview.add(&session(id, |session| {
                session.login.user = Some(format!("user{id}\u{202e}"));
                session.login.outcome = LoginOutcome::Rejected;
                session.login.anonymous = false;
                for transfer in session.transfers.iter_mut().map(std::sync::Arc::make_mut) {
                    transfer.path = Some(format!("/{id}/{}", "x".repeat(5_000)));
                }
            }));
        }
        for width in [40, 60, 80, 200] {
            let text = written(&overview, width, false);
            assert!(text.lines().count() < 200, "{text}");
            for line in text.lines() {
                let columns = unicode_width::UnicodeWidthStr::width(line);
                assert!(columns <= usize::from(width), "at {width}: {line}");
            }
            assert!(
                text.contains("95 other users, 200 sessions of others") || width < 200,
                "{text}"
            );
        }
    }

    #[test]
    fn refused_transfer_is_counted_but_not_listed_as_moved() {
        let mut overview = Overview::default();
        overview.add(&session(1, |session| {
            for transfer in session.transfers.iter_mut().map(std::sync::Arc::make_mut) {
                // As a client in passive mode sees it: the connection stands before the server refuses.
                transfer.bytes = 0;
                transfer.missing_bytes = 0;
                transfer.completeness = Completeness::Aborted;
            }
        }));
        let text = written(&overview, 100, true);
        assert!(text.contains("What was moved: nothing, "), "{text}");
        assert!(text.contains(" without data"), "{text}");
        assert!(!text.contains("readme.txt"), "{text}");
    }

    #[test]
    fn summary_shows_titles_of_usual_length_whole_and_all_of_four_sessions() {
        let mut overview = Overview::default();
        let title = "nobody connected to 192.0.2.14 port 45,321 announced by the server within 60 s, \
            then the client closed the connection";
        for id in 1..=4 {
            overview.add(&session(id, |session| {
                session.findings.truncate(1);
                session.findings[0].title = title.to_owned();
                session.verdict.status = VerdictStatus::Warning;
            }));
        }
        let text = written(&overview, 200, true);
        let finding = format!("{title} (sessions 1, 2, 3, 4,");
        assert!(text.contains(&finding), "{text}");
        overview.add(&session(5, |session| {
            session.findings.truncate(1);
            session.findings[0].title = title.to_owned();
            session.verdict.status = VerdictStatus::Warning;
        }));
        let text = written(&overview, 200, true);
        assert!(text.contains("(sessions 1, 2, 3, … 5 in all"), "{text}");
    }

    #[test]
    fn titles_of_findings_are_shortened_between_words() {
        let mut overview = Overview::default();
        let title =
            "the server answered before the client had asked and ".repeat(4) + "closed at once";
        overview.add(&session(1, |session| {
            session.findings.truncate(1);
            session.findings[0].title = title.clone();
            session.verdict.status = VerdictStatus::Warning;
        }));
        let text = written(&overview, 200, true);
        let line = text
            .lines()
            .find(|line| line.contains('…'))
            .expect("a shortened title");
        let (before, after) = line.split_once(" … ").expect("cut between words");
        let before = before.split_whitespace().last().expect("a word");
        let after = after.split_whitespace().next().expect("a word");
        assert!(title.split(' ').any(|word| word == before), "{line}");
        assert!(title.split(' ').any(|word| word == after), "{line}");
    }

    #[test]
    fn summary_shows_digests_whole() {
        let mut overview = Overview::default();
        let session = session(1, |_| {});
        overview.add(&session);
        let digest = session
            .transfers
            .iter()
            .filter(|transfer| transfer.direction != TransferDirection::Listing)
            .find_map(|transfer| transfer.sha256.clone())
            .expect("a digest");
        assert!(written(&overview, 120, true).contains(&digest));
        assert!(written(&overview, 200, true).contains(&digest));
        assert!(!written(&overview, 120, false).contains(&digest));
    }
}
