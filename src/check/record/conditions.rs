//! `match` expressions that identify the sessions of a report.
//!
//! With them each session finds its own expectations even if one is missing, more are added or their order changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::super::wording::word;
use crate::model::record::{LoginOutcome, Session};
use crate::model::wire_text::is_hostile;

/// Returns the condition for each session; `None` where the order of sessions has to identify it.
pub(super) fn conditions(sessions: &[Arc<Session>]) -> Vec<Option<String>> {
    let parts = logins(sessions);
    let mut alike: BTreeMap<&[String], Vec<usize>> = BTreeMap::new();
    for (index, parts) in parts.iter().enumerate() {
        alike.entry(parts).or_default().push(index);
    }
    let mut by_transfers: Vec<Option<String>> = vec![None; sessions.len()];
    for group in alike.values().filter(|group| group.len() > 1) {
        let group: Vec<(usize, &Session)> = group
            .iter()
            .filter_map(|index| Some((*index, sessions.get(*index)?.as_ref())))
            .collect();
        for (index, condition) in transfers(&group) {
            if let Some(slot) = by_transfers.get_mut(index) {
                *slot = Some(condition);
            }
        }
    }
    let all = parts.into_iter().zip(by_transfers);
    let all = all.map(|(mut parts, by_transfers)| {
        parts.extend(by_transfers);
        (!parts.is_empty()).then(|| parts.join(" && "))
    });
    all.collect()
}

/// Returns conditions on user, login outcome and encryption, each only if it differs between sessions.
fn logins(sessions: &[Arc<Session>]) -> Vec<Vec<String>> {
    let users: BTreeSet<_> = sessions.iter().map(|one| &one.login.user).collect();
    let outcome = |session: &Session| session.login.outcome;
    let mut outcomes: Vec<LoginOutcome> = sessions.iter().map(|one| outcome(one)).collect();
    outcomes.dedup();
    let encrypted: BTreeSet<bool> = sessions.iter().map(|one| one.tls.is_some()).collect();
    let parts = |session: &Arc<Session>| {
        let mut parts = Vec::new();
        if users.len() > 1 {
            parts.push(match &session.login.user {
                Some(user) => format!("login.user == {}", cel(user)),
                None => "login.user == null".to_owned(),
            });
        }
        if outcomes.len() > 1 {
            parts.push(format!("login.outcome == \"{}\"", word(outcome(session))));
        }
        if encrypted.len() > 1 {
            let sign = if session.tls.is_some() { '!' } else { '=' };
            parts.push(format!("tls {sign}= null"));
        }
        parts
    };
    sessions.iter().map(parts).collect()
}

/// Returns conditions on transfers that only one session of the group has; empty unless every session has one.
fn transfers(group: &[(usize, &Session)]) -> Vec<(usize, String)> {
    let mut sessions_with: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut without_any: u64 = 0;
    for (_, session) in group {
        for part in names_and_verbs(session)
            .into_iter()
            .collect::<BTreeSet<_>>()
        {
            *sessions_with.entry(part).or_default() += 1;
        }
        without_any += u64::from(session.transfers.is_empty());
    }
    let mut found = Vec::new();
    for (index, session) in group {
        let is_own = |part: &(&str, &str)| sessions_with.get(part) == Some(&1);
        let mut own: Vec<_> = names_and_verbs(session)
            .into_iter()
            .filter(is_own)
            .collect();
        // A name identifies a session more reliably than a verb, which the next session may use as well.
        own.sort_by_key(|(field, _)| *field != "name");
        let condition = match own.first() {
            Some((field, value)) => format!("transfers.exists(t, t.{field} == {})", cel(value)),
            None if session.transfers.is_empty() && without_any == 1 => {
                "size(transfers) == 0".to_owned()
            }
            None => return Vec::new(),
        };
        found.push((*index, condition));
    }
    found
}

/// Returns the names and verbs of the transfers, in order.
fn names_and_verbs(session: &Session) -> Vec<(&'static str, &str)> {
    let mut parts = Vec::new();
    for transfer in &session.transfers {
        let verb = transfer.verb.as_str();
        let name = transfer.name.as_deref().filter(|name| !name.is_empty());
        // The server chooses a new name for each STOU (RFC 959 section 4.1.3).
        if let Some(name) = name.filter(|_| verb != "STOU") {
            parts.push(("name", name));
        }
        if !verb.is_empty() {
            parts.push(("verb", verb));
        }
    }
    parts
}

/// Renders a string as a CEL literal.
fn cel(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            other if is_hostile(other) => {
                let _ = write!(out, "\\U{:08X}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Transfer;
    use crate::report::example::example_session;

    fn session(user: &str, transfers: &[&str]) -> Arc<Session> {
        let mut session = example_session();
        session.login.user = Some(user.to_owned());
        let any = Transfer::clone(session.transfers.first().expect("a transfer"));
        session.transfers.clear();
        for transfer in transfers {
            let (verb, name) = match transfer.split_once(' ') {
                Some((verb, name)) => (verb, Some(name.to_owned())),
                None => (*transfer, None),
            };
            session.transfers.push(Arc::new(Transfer {
                verb: verb.to_owned(),
                name,
                ..any.clone()
            }));
        }
        Arc::new(session)
    }

    fn texts(sessions: &[Arc<Session>]) -> Vec<String> {
        let conditions = conditions(sessions).into_iter();
        conditions.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn single_session_needs_no_condition() {
        assert_eq!(texts(&[session("mira", &["RETR a"])]), [""]);
    }

    #[test]
    fn different_users_identify_sessions() {
        let sessions = [session("mira", &["RETR a"]), session("o\"x", &["RETR a"])];
        assert_eq!(
            texts(&sessions),
            ["login.user == \"mira\"", "login.user == \"o\\\"x\""]
        );
    }

    #[test]
    fn transfers_identify_sessions_of_one_user() {
        let sessions = [
            session("mira", &["LIST"]),
            session("mira", &["RETR a"]),
            session("mira", &["RETR b"]),
            session("mira", &[]),
        ];
        assert_eq!(
            texts(&sessions),
            [
                "transfers.exists(t, t.verb == \"LIST\")",
                "transfers.exists(t, t.name == \"a\")",
                "transfers.exists(t, t.name == \"b\")",
                "size(transfers) == 0"
            ]
        );
    }

    #[test]
    fn sessions_without_transfers_of_their_own_are_identified_by_order() {
        let sessions = [
            session("mira", &["RETR a"]),
            session("mira", &["RETR a", "RETR b"]),
        ];
        assert_eq!(texts(&sessions), ["", ""]);
    }
}
