//! Passwords in the lines of logs, hidden by the rules for captures: those of accounts, never those of anonymous logins.

use super::claim::{Claim, ClaimKind};
use super::names::is_anonymous;

/// Returns true if the argument of the claim's command is a secret.
pub(super) fn hides_argument(claim: &Claim) -> bool {
    let verb = claim.verb.as_deref().unwrap_or_default();
    let is_secret = verb.eq_ignore_ascii_case("PASS") || verb.eq_ignore_ascii_case("ACCT");
    is_secret && !claim.user.as_deref().is_some_and(is_anonymous)
}

/// Returns the line with the argument of PASS and ACCT hidden, unless the user is anonymous.
pub(super) fn hidden(claim: &Claim) -> String {
    let is_login = matches!(claim.kind, ClaimKind::Login | ClaimKind::Command);
    if !is_login || claim.user.as_deref().is_some_and(is_anonymous) {
        return claim.text.clone();
    }
    let upper = claim.text.to_ascii_uppercase();
    for verb in ["PASS", "ACCT"] {
        for (at, _) in upper.match_indices(verb) {
            let before = upper.get(..at).and_then(|text| text.chars().next_back());
            if before.is_some_and(char::is_alphanumeric) {
                continue;
            }
            let behind = at + verb.len();
            let rest = claim.text.get(behind..).unwrap_or_default();
            // `PASS secret`, `[pass] [secret]`, a column of W3C.
            let gap = rest.len() - rest.trim_start_matches([']', ' ', '[', '\t', '+']).len();
            if gap == 0 {
                continue;
            }
            let start = behind + gap;
            let rest = claim.text.get(start..).unwrap_or_default();
            let end = if rest.contains('"')
                && claim.text.get(..at).is_some_and(|text| text.contains('"'))
            {
                rest.rfind('"').unwrap_or(rest.len())
            } else if claim.text.get(..at).is_some_and(|text| text.ends_with('[')) {
                rest.rfind(']').unwrap_or(rest.len())
            } else {
                rest.len()
            };
            let secret = rest.get(..end).unwrap_or_default();
            let is_masked = secret.starts_with(['(', '<', '*', '-']) || secret.is_empty();
            if is_masked {
                return claim.text.clone();
            }
            let head = claim.text.get(..start).unwrap_or_default();
            let tail = rest.get(end..).unwrap_or_default();
            return format!("{head}<hidden>{tail}");
        }
    }
    claim.text.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        hidden(&Claim::new(ClaimKind::Login, 1, text))
    }

    #[test]
    fn argument_of_pass_is_hidden() {
        assert_eq!(
            line("h - m [t] \"PASS a b\" 230 -"),
            "h - m [t] \"PASS <hidden>\" 230 -"
        );
        assert_eq!(line("Command [pass] [secret]"), "Command [pass] [<hidden>]");
        assert_eq!(line("h \"PASS (hidden)\" 230"), "h \"PASS (hidden)\" 230");
        assert_eq!(line("mypass word"), "mypass word");
    }

    #[test]
    fn anonymous_password_is_shown() {
        let mut claim = Claim::new(ClaimKind::Login, 1, "x \"PASS me@example.com\"");
        claim.user = Some("anonymous".to_owned());
        assert_eq!(hidden(&claim), claim.text);
    }
}
