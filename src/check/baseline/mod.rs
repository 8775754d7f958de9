//! Comparison of a report with an earlier one.
//!
//! In: two reports. Out: a [`Group`] with one verdict for each session of either, and the differences in sentences.
//! Times, ports, addresses, frame numbers and passwords are not compared, since they differ in every run.
//!
//! ```text
//! report -> Outline (facts of a session that the same run would reproduce) -> pairs -> differences
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use super::judge::{Row, Subject, align};
use super::verdict::{Difference, Group, Origin, Place, Verdict};
use super::wording::{StepView, session_words, word};
use crate::model::record::{EndState, Session, StepKind, Transfer, TransferDirection};
use crate::report::{KeptSessions, units};

/// Sessions of a baseline, as they are compared.
pub struct Baseline(Vec<Outline>);

impl Baseline {
    /// Collects the sessions of an earlier report.
    pub fn of(sessions: &KeptSessions) -> io::Result<Self> {
        let outlines = sessions.iter().map(|session| Ok(Outline::of(&*session?)));
        Ok(Self(outlines.collect::<io::Result<_>>()?))
    }
}

/// Compares the subject with an earlier report, which messages call `name`.
#[must_use]
pub fn compare(name: &str, before: &Baseline, subject: &Subject<'_>) -> Group {
    let new = (0..subject.session_count()).filter_map(|index| subject.record_at(index));
    let new: Vec<Outline> = new.map(|session| Outline::of(&session)).collect();
    let old = &before.0;
    let mut verdicts = Vec::new();
    for pair in pairs(old, &new) {
        verdicts.push(match pair {
            (Some(old), Some(new)) => Verdict::of(
                format!("{} is as before", new.words),
                differences(old, new, subject),
            ),
            (Some(old), None) => Verdict::of(
                format!("{} is there again", old.words),
                vec![Difference::new(&old.verdict, "no such session")],
            ),
            (None, Some(new)) => Verdict::of(
                format!("{} is not new", new.words),
                vec![
                    Difference::new("no such session", &new.verdict)
                        .at(record_of(new, subject).map(|record| subject.beginning(&record))),
                ],
            ),
            (None, None) => continue,
        });
    }
    if verdicts.is_empty() {
        verdicts.push(Verdict::skipped(
            "sessions",
            "there is no session, before or now",
        ));
    }
    Group {
        kind: Origin::Baseline,
        name: name.to_owned(),
        file: None,
        verdicts,
    }
}

type Pair<'o> = (Option<&'o Outline>, Option<&'o Outline>);

/// Pairs the sessions of two reports: equal ones in order first, then the most similar ones.
fn pairs<'o>(old: &'o [Outline], new: &'o [Outline]) -> Vec<Pair<'o>> {
    let same = |i: usize, j: usize| match (old.get(i), new.get(j)) {
        (Some(old), Some(new)) => old.is_equal(new),
        _ => false,
    };
    let mut partner_of_old = vec![None; old.len()];
    let mut is_taken = vec![false; new.len()];
    let mut take = |i: usize, j: usize, partners: &mut Vec<Option<usize>>| {
        if let (Some(partner), Some(taken)) = (partners.get_mut(i), is_taken.get_mut(j)) {
            *partner = Some(j);
            *taken = true;
        }
    };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for row in align(old.len(), new.len(), same) {
        match row {
            Row::Both(i, j) => take(i, j, &mut partner_of_old),
            Row::Left(i) => left.push(i),
            Row::Right(j) => right.push(j),
        }
    }
    for i in left {
        let Some(one) = old.get(i) else {
            continue;
        };
        let near = right.iter().take(MAX_CANDIDATES).enumerate();
        let scores = near.filter_map(|(place, j)| Some((one.likeness(new.get(*j)?), place)));
        // Of equally similar sessions the earliest, since runs mostly keep their order.
        let best = scores.max_by_key(|(score, place)| (*score, std::cmp::Reverse(*place)));
        if let Some((_, place)) = best.filter(|(score, _)| *score > 0) {
            take(i, right.remove(place), &mut partner_of_old);
        }
    }
    let mut pairs: Vec<Pair<'o>> = Vec::new();
    for (one, partner) in old.iter().zip(&partner_of_old) {
        let partner = partner.and_then(|partner| new.get(partner));
        pairs.push((Some(one), partner));
    }
    let free = new.iter().zip(&is_taken).filter(|(_, taken)| !**taken);
    pairs.extend(free.map(|(one, _)| (None, Some(one))));
    pairs
}

fn record_of(outline: &Outline, subject: &Subject<'_>) -> Option<Arc<Session>> {
    subject.record_at(subject.index_of(outline.id)?)
}

/// Describes every difference between two paired sessions, those of the session as a whole first.
fn differences(old: &Outline, new: &Outline, subject: &Subject<'_>) -> Vec<Difference> {
    // Most sessions are as before, and need not be read for places.
    let record = if old.is_equal(new) {
        None
    } else {
        record_of(new, subject)
    };
    let places = Places {
        record: record.as_deref(),
        subject,
    };
    let mut found = facts(old, new, places);
    steps(old, new, places, &mut found);
    transfers(old, new, places, &mut found);
    for (id, title) in &new.findings {
        if !old.findings.iter().any(|(known, _)| known == id) {
            let place = places.finding(id);
            let finding = format!("finding {id}: {title}");
            found.push(Difference::new("no such finding", finding).at(place));
        }
    }
    for (id, title) in &old.findings {
        if !new.findings.iter().any(|(known, _)| known == id) {
            found.push(Difference::new(
                format!("finding {id}: {title}"),
                "no such finding",
            ));
        }
    }
    found
}

/// Places of the parts of one session.
#[derive(Clone, Copy)]
struct Places<'p> {
    /// `None` if no place is needed.
    record: Option<&'p Session>,
    subject: &'p Subject<'p>,
}

impl Places<'_> {
    /// Returns the place that decides a field.
    fn field(self, field: &str) -> Option<Place> {
        let field = [field.to_owned()];
        Some(self.subject.field(self.record?, &field))
    }

    /// Returns the place of a step by its index.
    fn step(self, index: usize) -> Option<Place> {
        let session = self.record?;
        Some(self.subject.step(session, session.steps.get(index)?))
    }

    /// Returns the place of a transfer by its index.
    fn transfer(self, index: usize) -> Option<Place> {
        let session = self.record?;
        Some(
            self.subject
                .transfer(session, session.transfers.get(index)?),
        )
    }

    /// Returns the place of the first finding with this id; `None` if it names no frame.
    fn finding(self, id: &str) -> Option<Place> {
        let session = self.record?;
        let finding = session.findings.iter().find(|finding| finding.id == id)?;
        Some(self.subject.frame(session, *finding.frames.first()?))
    }
}

fn facts(old: &Outline, new: &Outline, places: Places<'_>) -> Vec<Difference> {
    let (was, is) = (&old.facts, &new.facts);
    let mut found = Vec::new();
    let mut add = |field: &str, before: String, now: String| {
        let place = places.field(field);
        found.push(Difference::new(before, now).at(place));
    };
    if was.server != is.server {
        let name = |server: &Option<String>| match server {
            Some(name) => format!("the server was looked up as {name}"),
            None => "the name of the server was not looked up".to_owned(),
        };
        add("dns", name(&was.server), name(&is.server));
    }
    if was.tls != is.tls || was.data_protected != is.data_protected {
        let words = |tls: &Option<String>, data: Option<bool>| match (tls, data) {
            (None, _) => "no encryption".to_owned(),
            (Some(version), Some(true)) => format!("encrypted with {version}, data too"),
            (Some(version), Some(false)) => format!("encrypted with {version}, but not the data"),
            (Some(version), None) => format!("encrypted with {version}"),
        };
        add(
            "tls",
            words(&was.tls, was.data_protected),
            words(&is.tls, is.data_protected),
        );
    }
    if was.user != is.user || was.login != is.login {
        let words = |user: &Option<String>, outcome: &str| match user {
            Some(user) => format!("login as {user}: {outcome}"),
            None => format!("login: {outcome}"),
        };
        add(
            "login",
            words(&was.user, &was.login),
            words(&is.user, &is.login),
        );
    }
    if was.encrypted_data != is.encrypted_data {
        let words = |count: usize| {
            let count = units::to_u64(count);
            units::counted(
                count,
                "encrypted data connection",
                "encrypted data connections",
            )
        };
        add("tls", words(was.encrypted_data), words(is.encrypted_data));
    }
    if was.end_state != is.end_state {
        let words = |end: EndState| match end {
            EndState::Closed => "the connection was closed in order".to_owned(),
            EndState::Reset => "the connection was reset".to_owned(),
            EndState::Open => "the capture ended before the connection did".to_owned(),
            EndState::Timeout => "nothing more was heard of the connection".to_owned(),
        };
        add("end_state", words(was.end_state), words(is.end_state));
    }
    found
}

fn steps(old: &Outline, new: &Outline, places: Places<'_>, found: &mut Vec<Difference>) {
    let same = |i: usize, j: usize| match (old.steps.get(i), new.steps.get(j)) {
        (Some(old), Some(new)) => old.request == new.request,
        _ => false,
    };
    let answer = |step: &StepOutline| match step.code {
        Some(code) => format!("{}: {} ({code})", step.request, step.outcome),
        None => format!("{}: {}", step.request, step.outcome),
    };
    let place = |step: &StepOutline| places.step(step.index);
    let mut gone: VecDeque<&StepOutline> = VecDeque::new();
    let mut before: Option<&StepOutline> = None;
    for row in align(old.steps.len(), new.steps.len(), same) {
        match row {
            Row::Left(i) => gone.extend(old.steps.get(i)),
            Row::Right(j) => {
                if let Some(step) = new.steps.get(j) {
                    let was = gone.iter().position(|gone| gone.sort == step.sort);
                    let was = was.and_then(|place| gone.remove(place));
                    let was = was.map_or_else(|| "not asked".to_owned(), answer);
                    found.push(Difference::new(was, answer(step)).at(place(step)));
                }
            }
            Row::Both(i, j) => {
                flush(&mut gone, || before.and_then(place), &answer, found);
                if let (Some(old), Some(new)) = (old.steps.get(i), new.steps.get(j)) {
                    // The login is compared as a fact of the session already.
                    if old.code != new.code && old.request != "login" {
                        found.push(Difference::new(answer(old), answer(new)).at(place(new)));
                    }
                    before = Some(new);
                }
            }
        }
    }
    flush(&mut gone, || before.and_then(place), &answer, found);
}

/// Adds the old steps that no new step replaces.
fn flush(
    gone: &mut VecDeque<&StepOutline>,
    place: impl Fn() -> Option<Place>,
    answer: &impl Fn(&StepOutline) -> String,
    found: &mut Vec<Difference>,
) {
    for step in gone.drain(..) {
        found.push(Difference::new(answer(step), "not asked").at(place()));
    }
}

fn transfers(old: &Outline, new: &Outline, places: Places<'_>, found: &mut Vec<Difference>) {
    let same = |i: usize, j: usize| match (old.transfers.get(i), new.transfers.get(j)) {
        (Some(old), Some(new)) => old.request == new.request,
        _ => false,
    };
    for row in align(old.transfers.len(), new.transfers.len(), same) {
        match row {
            Row::Both(i, j) => {
                if let (Some(old), Some(new_one)) = (old.transfers.get(i), new.transfers.get(j)) {
                    let place = places.transfer(new_one.index);
                    transfer(old, new_one, place.as_ref(), found);
                }
            }
            Row::Left(i) => {
                if let Some(one) = old.transfers.get(i) {
                    found.push(Difference::new(summary(one), "no such transfer"));
                }
            }
            Row::Right(j) => {
                if let Some(one) = new.transfers.get(j) {
                    let place = places.transfer(one.index);
                    found.push(Difference::new("no such transfer", summary(one)).at(place));
                }
            }
        }
    }
}

fn transfer(
    old: &TransferOutline,
    new: &TransferOutline,
    place: Option<&Place>,
    found: &mut Vec<Difference>,
) {
    let mut add = |before: String, now: String, because: Vec<String>| {
        let difference = Difference::new(before, now).because(because);
        found.push(difference.at(place.cloned()));
    };
    let request = &new.request;
    if old.completeness != new.completeness || old.missing_bytes != new.missing_bytes {
        add(summary(old), summary(new), new.evidence.clone());
    } else if old.entries.is_none() && old.bytes != new.bytes {
        add(summary(old), summary(new), Vec::new());
    } else if let (Some(was), Some(is)) = (&old.sha256, &new.sha256)
        && was != is
    {
        add(
            format!("{request}: content with SHA-256 {was}"),
            format!("{request}: content with SHA-256 {is}"),
            vec!["it has the same size and other content".to_owned()],
        );
    }
    if let (Some(was), Some(is)) = (&old.entries, &new.entries)
        && was != is
    {
        let only = |these: &[String], those: &[String]| {
            let those: BTreeSet<&String> = those.iter().collect();
            let names: Vec<_> = these.iter().filter(|name| !those.contains(name)).collect();
            let first: Vec<_> = names
                .iter()
                .take(MAX_NAMES)
                .map(|name| name.as_str())
                .collect();
            match names.len() {
                0 => format!("{request}: nothing beside"),
                count if count > MAX_NAMES => {
                    format!(
                        "{request}: {} and {} more",
                        first.join(", "),
                        count - MAX_NAMES
                    )
                }
                _ => format!("{request}: {}", first.join(", ")),
            }
        };
        let because = vec!["other names are in the listing".to_owned()];
        add(only(was, is), only(is, was), because);
    }
    if old.mode != new.mode {
        let words = |mode: &str| format!("{request}: in {mode} mode");
        add(words(&old.mode), words(&new.mode), Vec::new());
    }
    if old.data_type != new.data_type {
        let words = |data_type: &str| format!("{request}: as {data_type}");
        add(words(&old.data_type), words(&new.data_type), Vec::new());
    }
}

fn summary(transfer: &TransferOutline) -> String {
    let mut text = format!("{}: {}", transfer.request, transfer.completeness);
    if transfer.entries.is_none() {
        text = format!("{text}, {}", units::bytes(transfer.bytes));
    }
    if transfer.missing_bytes > 0 {
        text = format!("{text}, {} missing", units::bytes(transfer.missing_bytes));
    }
    text
}

/// A session as a baseline compares it.
#[derive(Clone, Debug)]
struct Outline {
    /// Id of the session in its report.
    id: u64,
    /// `session 1 (mira at ftp.example)`.
    words: String,
    /// Text of the session's verdict.
    verdict: String,
    /// Facts about the session as a whole.
    facts: Facts,
    /// Requested steps, in order of time.
    steps: Vec<StepOutline>,
    /// Files and listings, in order of their commands.
    transfers: Vec<TransferOutline>,
    /// Id and title of each finding.
    findings: Vec<(String, String)>,
}

/// Facts about a session as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    /// Name that the client looked up; `None` without a captured lookup.
    server: Option<String>,
    /// User of the login; `None` without USER.
    user: Option<String>,
    /// Outcome of the login.
    login: String,
    /// TLS version, `TLS` if it is unknown; `None` for a cleartext session.
    tls: Option<String>,
    /// Whether PROT P was in force; `None` if that is unknown or the session is not encrypted.
    data_protected: Option<bool>,
    /// Number of encrypted data connections.
    encrypted_data: usize,
    /// End of the control connection.
    end_state: EndState,
}

/// A step that the client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StepOutline {
    /// Index among all steps of the session.
    index: usize,
    /// Command and subject, by which steps of two sessions are paired.
    request: String,
    /// Kind and verb: a step replaces only one that has both.
    sort: (StepKind, Option<String>),
    /// Outcome of the step.
    outcome: String,
    /// Code of the last reply; `None` without a reply.
    code: Option<u16>,
}

/// A file or listing.
#[derive(Clone, Debug, PartialEq)]
struct TransferOutline {
    /// Index among all transfers of the session.
    index: usize,
    /// `RETR readme.txt`, by which transfers of two sessions are paired.
    request: String,
    /// Negotiation of the data connection.
    mode: String,
    /// TYPE in force.
    data_type: String,
    /// Completeness of the transfer.
    completeness: String,
    /// Payload bytes captured.
    bytes: u64,
    /// Bytes known to be missing.
    missing_bytes: u64,
    /// SHA-256 of a file; `None` for listings, whose dates change from day to day.
    sha256: Option<String>,
    /// Sorted names in a listing; `None` for a file.
    entries: Option<Vec<String>>,
    /// Evidence for the completeness.
    evidence: Vec<String>,
}

impl Outline {
    fn of(session: &Session) -> Self {
        let login = &session.login;
        let tls = session.tls.as_ref();
        let steps = StepView::all(session).into_iter().enumerate();
        let transfers = session.transfers.iter().enumerate();
        let findings = session.findings.iter();
        Self {
            id: session.id,
            words: session_words(session),
            verdict: session.verdict.text.clone(),
            facts: Facts {
                server: session.server.name.clone(),
                user: login.user.clone(),
                login: word(login.outcome),
                tls: tls.map(|tls| tls.version.clone().unwrap_or_else(|| "TLS".to_owned())),
                data_protected: tls.and_then(|tls| tls.data_protected),
                encrypted_data: session.encrypted_data.len(),
                end_state: session.end_state,
            },
            steps: steps
                .filter(|(_, step)| step.is_requested())
                .map(|(index, step)| StepOutline::of(index, step))
                .collect(),
            transfers: transfers
                .map(|(index, transfer)| TransferOutline::of(index, transfer))
                .collect(),
            findings: findings
                .map(|finding| (finding.id.clone(), finding.title.clone()))
                .collect(),
        }
    }

    /// Returns true if a comparison would report nothing.
    fn is_equal(&self, other: &Self) -> bool {
        let steps = |outline: &Self| -> Vec<_> {
            let steps = outline.steps.iter();
            steps.map(|one| (one.request.clone(), one.code)).collect()
        };
        self.facts == other.facts
            && steps(self) == steps(other)
            && self.transfers.len() == other.transfers.len()
            && self
                .transfers
                .iter()
                .zip(&other.transfers)
                .all(|(one, two)| one.is_equal(two))
            && ids(self) == ids(other)
    }

    /// Scores the similarity of two sessions; 0 if one cannot be a changed run of the other.
    fn likeness(&self, other: &Self) -> usize {
        let steps = self.steps.iter();
        let common = steps
            .filter(|step| other.steps.iter().any(|one| one.request == step.request))
            .count();
        let transfers = self.transfers.iter();
        let files = transfers
            .filter(|transfer| {
                other
                    .transfers
                    .iter()
                    .any(|one| one.request == transfer.request)
            })
            .count();
        let user = usize::from(self.facts.user.is_some() && self.facts.user == other.facts.user);
        let both_short = usize::from(self.steps.len() <= 1 && other.steps.len() <= 1);
        common + 2 * files + 2 * user + both_short
    }
}

/// Returns the ids of the findings.
fn ids(outline: &Outline) -> Vec<&str> {
    outline.findings.iter().map(|(id, _)| id.as_str()).collect()
}

impl StepOutline {
    fn of(index: usize, step: StepView<'_>) -> Self {
        let sort = (step.kind(), step.verb().map(str::to_owned));
        let request = match step.kind() {
            StepKind::Login => "login".to_owned(),
            StepKind::Command => match step.verb() {
                // The announced port differs in every run.
                Some(verb @ ("PORT" | "EPRT" | "LPRT")) => verb.to_owned(),
                _ => step.subject().unwrap_or_default(),
            },
            kind => {
                let verb = step.verb().map_or_else(|| word(kind), str::to_owned);
                match step.subject() {
                    Some(subject) if verb != "STOU" => format!("{verb} {subject}"),
                    _ => verb,
                }
            }
        };
        Self {
            sort,
            index,
            request,
            outcome: word(step.outcome()),
            code: step.code(),
        }
    }
}

impl TransferOutline {
    fn of(index: usize, transfer: &Transfer) -> Self {
        let verb = transfer.verb.clone();
        let is_listing = transfer.direction == TransferDirection::Listing;
        let name = transfer.path.as_ref().or(transfer.argument.as_ref());
        let request = match name.filter(|name| verb != "STOU" && !name.is_empty()) {
            Some(name) => format!("{verb} {name}"),
            None => verb,
        };
        let entries = transfer.entries.iter();
        let mut entries: Vec<String> = entries.map(|entry| entry.name.to_string()).collect();
        entries.sort();
        Self {
            index,
            request,
            mode: word(transfer.mode),
            data_type: transfer
                .data_type
                .map_or_else(|| "a type of no standard".to_owned(), word),
            completeness: word(transfer.completeness),
            bytes: transfer.bytes,
            missing_bytes: transfer.missing_bytes,
            sha256: transfer.sha256.clone().filter(|_| !is_listing),
            entries: is_listing.then_some(entries),
            evidence: transfer.evidence.clone(),
        }
    }

    /// Returns true if a comparison would report nothing.
    fn is_equal(&self, other: &Self) -> bool {
        let bytes = |one: &Self| (one.entries.is_none()).then_some((one.bytes, one.missing_bytes));
        self.request == other.request
            && self.mode == other.mode
            && self.data_type == other.data_type
            && self.completeness == other.completeness
            && self.sha256 == other.sha256
            && self.entries == other.entries
            && bytes(self) == bytes(other)
    }
}

/// Names listed in one difference.
const MAX_NAMES: usize = 12;

/// Unpaired sessions compared with each old one: similarity is quadratic in this number.
const MAX_CANDIDATES: usize = 1000;
