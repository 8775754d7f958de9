//! A session without what changes by itself.

use serde_json::Value;

use super::super::step_text::{StepView, items, text};

/// What is compared of a session.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    /// Its id in its report.
    pub(super) id: u64,
    /// `session 1 (mira at ftp.example)`.
    pub(super) words: String,
    /// Its verdict, in one line.
    pub(super) summary: String,
    /// What is said of it as a whole.
    pub(super) facts: Facts,
    /// What was asked, in order.
    pub(super) steps: Vec<StepOutline>,
    /// What was moved, in order.
    pub(super) transfers: Vec<TransferOutline>,
    /// Findings by id and title.
    pub(super) findings: Vec<(String, String)>,
}

/// What is said of a session as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The name that was looked up.
    pub(super) server: Option<String>,
    /// Who logged in.
    pub(super) user: Option<String>,
    /// How that came out.
    pub(super) login: String,
    /// The TLS version; `None` without TLS.
    pub(super) tls: Option<String>,
    /// Whether data was encrypted too.
    pub(super) data_protected: Option<bool>,
    /// Encrypted data connections.
    pub(super) encrypted_data: usize,
    /// How the control connection ended.
    pub(super) end: String,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepOutline {
    /// Its place among all steps.
    pub(super) place: usize,
    /// What was asked.
    pub(super) what: String,
    /// `ok`.
    pub(super) outcome: String,
    /// The code of the answer.
    pub(super) code: Option<u64>,
}

/// A transfer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TransferOutline {
    /// Its place among all transfers.
    pub(super) place: usize,
    /// `RETR readme.txt`.
    pub(super) what: String,
    /// How the data connection was negotiated.
    pub(super) mode: String,
    /// TYPE.
    pub(super) data_type: String,
    /// Whether it is whole.
    pub(super) completeness: String,
    /// Payload bytes.
    pub(super) bytes: u64,
    /// Bytes that are missing.
    pub(super) missing: u64,
    /// Digest of a file; a listing has another each day.
    pub(super) sha256: Option<String>,
    /// Names in a listing, sorted.
    pub(super) entries: Option<Vec<String>>,
    /// What completeness rests on.
    pub(super) evidence: Vec<String>,
}

impl Outline {
    pub(super) fn of(session: &Value) -> Self {
        let id = number(session, "id");
        let login = field(session, "login");
        let server = field(session, "server");
        let user = text(login, "user").map(str::to_owned);
        let at = text(server, "name")
            .or(text(server, "ip"))
            .unwrap_or_default();
        let words = match &user {
            Some(user) => format!("session {id} ({user} at {at})"),
            None => format!("session {id} (at {at})"),
        };
        let tls = session.get("tls").filter(|tls| !tls.is_null());
        let steps = StepView::all(session).into_iter().enumerate();
        let findings = items(session, "findings").iter();
        Self {
            id,
            words,
            summary: word(field(session, "verdict"), "text"),
            facts: Facts {
                server: text(server, "name").map(str::to_owned),
                user,
                login: word(login, "outcome"),
                tls: tls.map(|tls| text(tls, "version").unwrap_or("TLS").to_owned()),
                data_protected: tls.and_then(|tls| tls.get("data_protected")?.as_bool()),
                encrypted_data: items(session, "encrypted_data").len(),
                end: word(session, "end_state"),
            },
            steps: steps
                .filter(|(_, step)| step.is_asked())
                .map(|(place, step)| StepOutline::of(place, step))
                .collect(),
            transfers: items(session, "transfers")
                .iter()
                .enumerate()
                .map(|(place, transfer)| TransferOutline::of(place, transfer))
                .collect(),
            findings: findings
                .map(|finding| (word(finding, "id"), word(finding, "title")))
                .collect(),
        }
    }

    /// True where there is nothing to tell.
    pub(super) fn is_equal(&self, other: &Self) -> bool {
        let steps = |outline: &Self| -> Vec<_> {
            let steps = outline.steps.iter();
            steps.map(|one| (one.what.clone(), one.code)).collect()
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

    /// How much two sessions have in common; 0 where they are not the same session changed.
    pub(super) fn likeness(&self, other: &Self) -> usize {
        let steps = self.steps.iter();
        let common = steps
            .filter(|step| other.steps.iter().any(|one| one.what == step.what))
            .count();
        let transfers = self.transfers.iter();
        let files = transfers
            .filter(|transfer| other.transfers.iter().any(|one| one.what == transfer.what))
            .count();
        let user = usize::from(self.facts.user.is_some() && self.facts.user == other.facts.user);
        let both_short = usize::from(self.steps.len() <= 1 && other.steps.len() <= 1);
        common + 2 * files + 2 * user + both_short
    }
}

/// Ids of findings.
pub(super) fn ids(outline: &Outline) -> Vec<&str> {
    outline.findings.iter().map(|(id, _)| id.as_str()).collect()
}

impl StepOutline {
    fn of(place: usize, step: StepView<'_>) -> Self {
        let what = match step.kind() {
            "login" => "login".to_owned(),
            "command" => match step.verb() {
                // Another port each time.
                Some(verb @ ("PORT" | "EPRT" | "LPRT")) => verb.to_owned(),
                _ => step.subject().unwrap_or_default(),
            },
            kind => {
                let verb = step.verb().unwrap_or(kind);
                match step.subject() {
                    Some(subject) if verb != "STOU" => format!("{verb} {subject}"),
                    _ => verb.to_owned(),
                }
            }
        };
        Self {
            place,
            what,
            outcome: step.outcome().to_owned(),
            code: step.code(),
        }
    }
}

impl TransferOutline {
    fn of(place: usize, transfer: &Value) -> Self {
        let verb = word(transfer, "verb");
        let is_listing = text(transfer, "direction") == Some("listing");
        let name = ["path", "argument"]
            .into_iter()
            .find_map(|name| text(transfer, name));
        let what = match name.filter(|name| verb != "STOU" && !name.is_empty()) {
            Some(name) => format!("{verb} {name}"),
            None => verb,
        };
        let mut entries: Vec<_> = items(transfer, "entries")
            .iter()
            .map(|entry| word(entry, "name"))
            .collect();
        entries.sort();
        let evidence = items(transfer, "evidence").iter();
        Self {
            place,
            what,
            mode: word(transfer, "mode"),
            data_type: word(transfer, "data_type"),
            completeness: word(transfer, "completeness"),
            bytes: number(transfer, "bytes"),
            missing: number(transfer, "missing_bytes"),
            sha256: text(transfer, "sha256")
                .filter(|_| !is_listing)
                .map(str::to_owned),
            entries: is_listing.then_some(entries),
            evidence: evidence
                .filter_map(|line| line.as_str().map(str::to_owned))
                .collect(),
        }
    }

    /// True where there is nothing to tell.
    pub(super) fn is_equal(&self, other: &Self) -> bool {
        let bytes = |one: &Self| (one.entries.is_none()).then_some((one.bytes, one.missing));
        self.what == other.what
            && self.mode == other.mode
            && self.data_type == other.data_type
            && self.completeness == other.completeness
            && self.sha256 == other.sha256
            && self.entries == other.entries
            && bytes(self) == bytes(other)
    }
}

fn field<'v>(of: &'v Value, name: &str) -> &'v Value {
    of.get(name).unwrap_or(&Value::Null)
}

fn word(of: &Value, name: &str) -> String {
    text(of, name).unwrap_or_default().to_owned()
}

fn number(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or(0)
}
