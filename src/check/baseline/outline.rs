//! Sessions reduced to facts that the same run would reproduce.

use super::super::wording::{StepView, session_words, word};
use crate::model::record::{EndState, Session, StepKind, Transfer, TransferDirection};

/// A session as a baseline compares it.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    /// Id of the session in its report.
    pub(super) id: u64,
    /// `session 1 (mira at ftp.example)`.
    pub(super) words: String,
    /// Text of the session's verdict.
    pub(super) verdict: String,
    /// Facts about the session as a whole.
    pub(super) facts: Facts,
    /// Requested steps, in order of time.
    pub(super) steps: Vec<StepOutline>,
    /// Files and listings, in order of their commands.
    pub(super) transfers: Vec<TransferOutline>,
    /// Id and title of each finding.
    pub(super) findings: Vec<(String, String)>,
}

/// Facts about a session as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Name that the client looked up; `None` without a captured lookup.
    pub(super) server: Option<String>,
    /// User of the login; `None` without USER.
    pub(super) user: Option<String>,
    /// Outcome of the login.
    pub(super) login: String,
    /// TLS version, `TLS` if it is unknown; `None` for a cleartext session.
    pub(super) tls: Option<String>,
    /// Whether PROT P was in force; `None` if that is unknown or the session is not encrypted.
    pub(super) data_protected: Option<bool>,
    /// Number of encrypted data connections.
    pub(super) encrypted_data: usize,
    /// End of the control connection.
    pub(super) end_state: EndState,
}

/// A step that the client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepOutline {
    /// Index among all steps of the session.
    pub(super) index: usize,
    /// Command and subject, by which steps of two sessions are paired.
    pub(super) request: String,
    /// Outcome of the step.
    pub(super) outcome: String,
    /// Code of the last reply; `None` without a reply.
    pub(super) code: Option<u16>,
}

/// A file or listing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TransferOutline {
    /// Index among all transfers of the session.
    pub(super) index: usize,
    /// `RETR readme.txt`, by which transfers of two sessions are paired.
    pub(super) request: String,
    /// Negotiation of the data connection.
    pub(super) mode: String,
    /// TYPE in force.
    pub(super) data_type: String,
    /// Completeness of the transfer.
    pub(super) completeness: String,
    /// Payload bytes captured.
    pub(super) bytes: u64,
    /// Bytes known to be missing.
    pub(super) missing_bytes: u64,
    /// SHA-256 of a file; `None` for listings, whose dates change from day to day.
    pub(super) sha256: Option<String>,
    /// Sorted names in a listing; `None` for a file.
    pub(super) entries: Option<Vec<String>>,
    /// Evidence for the completeness.
    pub(super) evidence: Vec<String>,
}

impl Outline {
    pub(super) fn of(session: &Session) -> Self {
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
    pub(super) fn is_equal(&self, other: &Self) -> bool {
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
    pub(super) fn likeness(&self, other: &Self) -> usize {
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
pub(super) fn ids(outline: &Outline) -> Vec<&str> {
    outline.findings.iter().map(|(id, _)| id.as_str()).collect()
}

impl StepOutline {
    fn of(index: usize, step: StepView<'_>) -> Self {
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
            data_type: word(transfer.data_type),
            completeness: word(transfer.completeness),
            bytes: transfer.bytes,
            missing_bytes: transfer.missing_bytes,
            sha256: transfer.sha256.clone().filter(|_| !is_listing),
            entries: is_listing.then_some(entries),
            evidence: transfer.evidence.clone(),
        }
    }

    /// Returns true if a comparison would report nothing.
    pub(super) fn is_equal(&self, other: &Self) -> bool {
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
