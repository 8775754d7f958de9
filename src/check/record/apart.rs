//! What tells the sessions of a report apart, as `match` expressions: where one is missing or more stand beside, and where
//! they come in another order, each is still held against what was recorded of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::super::step_text::{items, text};
use crate::model::wire_text::is_hostile;

/// What tells sessions apart, for each; `None` where their order does.
pub(super) fn conditions(sessions: &[Value]) -> Vec<Option<String>> {
    let parts = who(sessions);
    let mut alike: BTreeMap<&[String], Vec<usize>> = BTreeMap::new();
    for (index, parts) in parts.iter().enumerate() {
        alike.entry(parts).or_default().push(index);
    }
    let mut what: Vec<Option<String>> = vec![None; sessions.len()];
    for group in alike.values().filter(|group| group.len() > 1) {
        let group: Vec<(usize, &Value)> = group
            .iter()
            .filter_map(|index| Some((*index, sessions.get(*index)?)))
            .collect();
        for (index, condition) in moved(&group) {
            if let Some(what) = what.get_mut(index) {
                *what = Some(condition);
            }
        }
    }
    let all = parts.into_iter().zip(what).map(|(mut parts, what)| {
        parts.extend(what);
        (!parts.is_empty()).then(|| parts.join(" && "))
    });
    all.collect()
}

/// Who logs in, how that comes out, and whether it is encrypted, as far as that is not the same for all.
fn who(sessions: &[Value]) -> Vec<Vec<String>> {
    let login = |session: &Value| session.get("login").cloned().unwrap_or_default();
    let user = |session: &Value| text(&login(session), "user").map(str::to_owned);
    let outcome = |session: &Value| {
        text(&login(session), "outcome")
            .unwrap_or_default()
            .to_owned()
    };
    let differ = |values: BTreeSet<Option<String>>| values.len() > 1;
    let users = differ(sessions.iter().map(user).collect());
    let outcomes = differ(sessions.iter().map(|one| Some(outcome(one))).collect());
    let tls = |session: &Value| session.get("tls").is_some_and(|tls| !tls.is_null());
    let encrypted = sessions.iter().map(tls).collect::<BTreeSet<_>>().len() > 1;
    let parts = |session: &Value| {
        let mut parts = Vec::new();
        if users {
            parts.push(match user(session) {
                Some(user) => format!("login.user == {}", cel(&user)),
                None => "login.user == null".to_owned(),
            });
        }
        if outcomes {
            parts.push(format!("login.outcome == \"{}\"", outcome(session)));
        }
        if encrypted {
            let sign = if tls(session) { '!' } else { '=' };
            parts.push(format!("tls {sign}= null"));
        }
        parts
    };
    sessions.iter().map(parts).collect()
}

/// What only one of these sessions moves. Nothing, where that does not tell every one of them apart: then their order does.
fn moved(group: &[(usize, &Value)]) -> Vec<(usize, String)> {
    let mut sessions_with: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut without_any: u64 = 0;
    for (_, session) in group {
        for what in moves(session).into_iter().collect::<BTreeSet<_>>() {
            *sessions_with.entry(what).or_default() += 1;
        }
        without_any += u64::from(items(session, "transfers").is_empty());
    }
    let mut found = Vec::new();
    for (index, session) in group {
        let is_own = |what: &(&str, &str)| sessions_with.get(what) == Some(&1);
        let mut own: Vec<_> = moves(session).into_iter().filter(is_own).collect();
        // A name says more than a verb does.
        own.sort_by_key(|(field, _)| *field != "name");
        let condition = match own.first() {
            Some((field, value)) => format!("transfers.exists(t, t.{field} == {})", cel(value)),
            None if items(session, "transfers").is_empty() && without_any == 1 => {
                "size(transfers) == 0".to_owned()
            }
            None => return Vec::new(),
        };
        found.push((*index, condition));
    }
    found
}

/// The names and the verbs of what a session moves, in order. What STOU stores has another name each time.
fn moves(session: &Value) -> Vec<(&'static str, &str)> {
    let mut moves = Vec::new();
    for transfer in items(session, "transfers") {
        let verb = text(transfer, "verb").filter(|verb| !verb.is_empty());
        let name = text(transfer, "name").filter(|name| !name.is_empty());
        if let Some(name) = name.filter(|_| verb != Some("STOU")) {
            moves.push(("name", name));
        }
        moves.extend(verb.map(|verb| ("verb", verb)));
    }
    moves
}

/// A text in an expression.
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
    use serde_json::json;

    use super::*;

    fn session(user: &str, names: &[&str]) -> Value {
        let transfers: Vec<_> = names
            .iter()
            .map(|name| match name.split_once(' ') {
                Some((verb, name)) => json!({"verb": verb, "name": name}),
                None => json!({"verb": name, "name": null}),
            })
            .collect();
        json!({"login": {"user": user, "outcome": "accepted"}, "tls": null, "transfers": transfers})
    }

    fn told(sessions: &[Value]) -> Vec<String> {
        let conditions = conditions(sessions).into_iter();
        conditions.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn one_session_needs_no_condition() {
        assert_eq!(told(&[session("mira", &["RETR a"])]), [""]);
    }

    #[test]
    fn who_logs_in_tells_most() {
        let sessions = [session("mira", &["RETR a"]), session("o\"x", &["RETR a"])];
        assert_eq!(
            told(&sessions),
            ["login.user == \"mira\"", "login.user == \"o\\\"x\""]
        );
    }

    #[test]
    fn what_is_moved_tells_the_rest() {
        let sessions = [
            session("mira", &["LIST"]),
            session("mira", &["RETR a"]),
            session("mira", &["RETR b"]),
            session("mira", &[]),
        ];
        assert_eq!(
            told(&sessions),
            [
                "transfers.exists(t, t.verb == \"LIST\")",
                "transfers.exists(t, t.name == \"a\")",
                "transfers.exists(t, t.name == \"b\")",
                "size(transfers) == 0"
            ]
        );
    }

    #[test]
    fn where_one_has_nothing_of_its_own_the_order_tells() {
        let sessions = [
            session("mira", &["RETR a"]),
            session("mira", &["RETR a", "RETR b"]),
        ];
        assert_eq!(told(&sessions), ["", ""]);
    }
}
