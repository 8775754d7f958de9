//! An earlier report of ftpscope, whose sessions claim what they saw.
//!
//! A report is a document, or lines of NDJSON. Sessions are read one at a time. The line of a claim is that on which its session
//! begins, and its text the command.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;

use super::grammar::{Line, PendingUsers, Reading, RenameSources, command_claim, set_code};
use super::scan::zoneless;
use crate::model::record::{
    Command, Completeness, DataType, Session, StepKind, Transfer, TransferDirection,
};
use crate::reconcile::claim::{
    Claim, ClaimStatus, ClaimedBytes, Counted, Direction, LogTime, LoggedType, PathForm,
};
use crate::report::json::SessionScanner;

/// Reader of a report.
#[derive(Debug, Default)]
pub(super) struct ReportReader {
    form: Option<Form>,
    /// Bytes read.
    offset: u64,
    /// Number and offset of the line on which the session that is read began, and of those behind it.
    line_starts: VecDeque<(u64, u64)>,
}

#[derive(Debug)]
enum Form {
    Document(Box<SessionScanner>),
    Lines,
}

/// A line of NDJSON, as far as it is read.
#[derive(Deserialize)]
struct EventLine {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct EndLine {
    report: Box<Session>,
}

impl ReportReader {
    pub(super) fn read(&mut self, line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
        if self.form.is_none() {
            if line.bytes.trim_ascii_start().first() != Some(&b'{') {
                return Reading::Unreadable;
            }
            self.form = Some(match serde_json::from_slice::<EventLine>(line.bytes) {
                Ok(_) => Form::Lines,
                Err(_) => Form::Document(Box::default()),
            });
        }
        let Some(form) = &mut self.form else {
            return Reading::Unreadable;
        };
        match form {
            Form::Lines => {
                let Ok(event) = serde_json::from_slice::<EventLine>(line.bytes) else {
                    return Reading::Unreadable;
                };
                if event.kind == "session_end" {
                    let Ok(end) = serde_json::from_slice::<EndLine>(line.bytes) else {
                        return Reading::Unreadable;
                    };
                    session_claims(&end.report, line.number, claims);
                }
                Reading::Known
            }
            Form::Document(scanner) => {
                self.line_starts.push_back((line.number, self.offset));
                let mut reading = Reading::Known;
                for &byte in line.bytes.iter().chain(b"\n") {
                    let found = scanner.byte(byte, self.offset);
                    self.offset += 1;
                    let Some((start, text)) = found else {
                        continue;
                    };
                    while matches!(self.line_starts.get(1), Some((_, next)) if *next <= start) {
                        self.line_starts.pop_front();
                    }
                    let number = self
                        .line_starts
                        .front()
                        .map_or(line.number, |(line, _)| *line);
                    match serde_json::from_slice::<Session>(text) {
                        Ok(session) => session_claims(&session, number, claims),
                        Err(_) => reading = Reading::Unreadable,
                    }
                }
                // Lines before the session that is read are not asked for again.
                let limit = self.line_starts.len().saturating_sub(MAX_LINES);
                self.line_starts.drain(..limit);
                reading
            }
        }
    }
}

/// Appends the claims of a session, one for each command that has a final reply.
fn session_claims(session: &Session, line: u64, claims: &mut VecDeque<Claim>) {
    let transfers: HashMap<u64, &Transfer> = session
        .transfers
        .iter()
        .map(|transfer| (transfer.id, &**transfer))
        .collect();
    let (mut users, mut renames) = (PendingUsers::default(), RenameSources::default());
    for step in &session.steps {
        for command in &step.commands {
            let Some(mut claim) = command_line_claim(session, command, line) else {
                continue;
            };
            let transfer = step
                .transfer
                .and_then(|id| transfers.get(&id))
                .filter(|transfer| transfer.verb == command.verb);
            if let Some(transfer) = transfer {
                set_transfer(&mut claim, transfer);
            }
            if step.kind != StepKind::Login && claim.user.is_none() {
                claim.user.clone_from(&session.login.user);
            }
            users.on_claim(b"", true, &mut claim);
            renames.on_claim(b"", &mut claim);
            claims.push_back(claim);
        }
    }
}

fn command_line_claim(session: &Session, command: &Command, line: u64) -> Option<Claim> {
    let reply = command
        .replies
        .iter()
        .rev()
        .find(|reply| reply.code >= 200)?;
    let argument = command.argument.as_deref();
    let text = match argument {
        Some(argument) => format!("session {}: {} {argument}", session.id, command.verb),
        None => format!("session {}: {}", session.id, command.verb),
    };
    let of_text = Line {
        number: line,
        bytes: text.as_bytes(),
    };
    let verb = command.verb.as_bytes();
    let mut claim = command_claim(of_text, verb, argument.map(str::as_bytes));
    claim.time = Some(LogTime {
        offset: Some(0),
        whole_seconds: false,
        ..zoneless(reply.time)
    });
    claim.host = Some(session.client.ip.to_string());
    claim.client_port = Some(session.client.port);
    claim.session_key = Some(session.uid.to_string());
    set_code(&mut claim, Some(reply.code));
    Some(claim)
}

fn set_transfer(claim: &mut Claim, transfer: &Transfer) {
    if let Some(path) = &transfer.path {
        claim.path = Some(path.as_bytes().to_vec());
        claim.path_form = PathForm::Seen;
    }
    claim.direction = match transfer.direction {
        TransferDirection::Download => Some(Direction::Download),
        TransferDirection::Upload => Some(Direction::Upload),
        TransferDirection::Listing => None,
    };
    claim.bytes = Some(ClaimedBytes {
        count: transfer.bytes.saturating_add(transfer.missing_bytes),
        counted: Counted::Wire,
    });
    claim.data_type = match transfer.data_type {
        Some(DataType::Ascii) => Some(LoggedType::Ascii),
        Some(DataType::Image) => Some(LoggedType::Image),
        _ => None,
    };
    if matches!(
        transfer.completeness,
        Completeness::Aborted | Completeness::Truncated
    ) {
        claim.status = Some(ClaimStatus::Failed);
    }
}

/// Lines of an indented session whose numbers are remembered.
const MAX_LINES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::claim::ClaimKind;
    use crate::report::example::example_report;
    use crate::report::json::write_report;

    fn claims_of(text: &[u8]) -> Vec<Claim> {
        let mut reader = ReportReader::default();
        let mut claims = VecDeque::new();
        let lines = text.split(|byte| *byte == b'\n');
        for (number, bytes) in (1..).zip(lines).filter(|(_, bytes)| !bytes.is_empty()) {
            let reading = reader.read(Line { number, bytes }, &mut claims);
            assert_eq!(
                reading,
                Reading::Known,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        claims.into()
    }

    #[test]
    fn document_and_lines_give_the_same_claims() {
        let report = example_report();
        let mut document = Vec::new();
        write_report(&report, &mut document).unwrap();
        let claims = claims_of(&document);
        let transfer = claims
            .iter()
            .find(|claim| claim.kind == ClaimKind::Transfer)
            .unwrap();
        assert!(transfer.path.is_some() && transfer.bytes.is_some() && transfer.line > 2);
        assert_eq!(transfer.client_port, Some(report.sessions[0].client.port));
        let lines: Vec<u8> = report
            .sessions
            .iter()
            .flat_map(|session| {
                let session = serde_json::to_string(session).unwrap();
                format!("{{\"type\":\"session_end\",\"report\":{session}}}\n").into_bytes()
            })
            .collect();
        let mut of_lines = claims_of(&lines);
        assert_eq!(of_lines.len(), claims.len());
        for (one, other) in of_lines.iter_mut().zip(&claims) {
            one.line = other.line;
            assert_eq!(one, other);
        }
    }

    #[test]
    fn other_text_is_no_report() {
        let mut reader = ReportReader::default();
        let line = Line {
            number: 1,
            bytes: b"[1]",
        };
        assert_eq!(reader.read(line, &mut VecDeque::new()), Reading::Unreadable);
    }
}
