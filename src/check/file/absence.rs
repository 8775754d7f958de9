//! Items that must be absent: commands by their verb, steps by their kind, findings by their id.

use super::super::vocabulary::nearest;
use super::super::wording::word;
use super::steps::step_kind;
use crate::model::record::StepKind;

/// An item that must be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Command with this verb.
    Command(String),
    /// Step of this kind.
    Step(StepKind),
    /// Finding with this id.
    Finding(String),
}

impl Absence {
    /// Parses an item of `absent`; the error is a message and a hint.
    pub(super) fn parse(word: &str, kinds: &[&str]) -> Result<Self, (String, String)> {
        // Case distinguishes the command `QUIT` from the step `quit`.
        if word.chars().any(char::is_uppercase) {
            return verb(word).map(Self::Command);
        }
        if let Some(kind) = step_kind(word) {
            return Ok(Self::Step(kind));
        }
        if FINDINGS.contains(&word) {
            return Ok(Self::Finding(word.to_owned()));
        }
        let all = FINDINGS.iter().chain(kinds).copied();
        let hint = match nearest(all, word) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if VERBS.contains(&word.to_ascii_uppercase().as_str()) => {
                format!(
                    "commands are in upper case: \"{}\"",
                    word.to_ascii_uppercase()
                )
            }
            None => format!(
                "write a command in upper case, a kind of step or a finding: {}",
                FINDINGS.join(", ")
            ),
        };
        Err((format!("there is no step and no finding {word}"), hint))
    }

    /// Renders the item as it follows "no" in a message.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Command(verb) => verb.clone(),
            Self::Step(kind) => format!("{} step", word(kind)),
            Self::Finding(id) => id.clone(),
        }
    }
}

/// Checks that a verb is known: a misspelled one would be absent forever, and its expectation always pass.
pub(super) fn verb(word: &str) -> Result<String, (String, String)> {
    if VERBS.contains(&word) {
        return Ok(word.to_owned());
    }
    let upper = word.to_ascii_uppercase();
    let hint = match nearest(VERBS.iter().copied(), &upper) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "a [[rule]] for = \"step\" can speak of any command".to_owned(),
    };
    Err((format!("there is no command {word}"), hint))
}

/// Ids of all findings.
pub(super) const FINDINGS: &[&str] = &[
    "address-translation",
    "ascii-damage",
    "bounce",
    "brute-force",
    "capture-loss",
    "cleartext-credentials",
    "conflicting-retransmission",
    "control-timeout",
    "data-connection-blocked",
    "data-connection-failed",
    "fxp",
    "incomplete-file",
    "login-rejected",
    "password-spraying",
    "port-theft",
    "reply-violation",
    "session-seen-twice",
    "size-mismatch",
    "stalled-transfer",
    "tls-session-not-resumed",
    "traversal-name",
];

/// Verbs of the registry that RFC 5797 founded, and common ones beside it.
const VERBS: &[&str] = &[
    "ABOR", "ACCT", "ADAT", "ALGS", "ALLO", "APPE", "AUTH", "AVBL", "CCC", "CDUP", "CLNT", "COMB",
    "CONF", "CPSV", "CSID", "CWD", "DELE", "DSIZ", "ENC", "EPRT", "EPSV", "ESTA", "ESTP", "FEAT",
    "HASH", "HELP", "HOST", "LANG", "LIST", "LPRT", "LPSV", "MD5", "MDTM", "MFCT", "MFF", "MFMT",
    "MIC", "MKD", "MLSD", "MLST", "MMD5", "MODE", "NLST", "NOOP", "OPTS", "PASS", "PASV", "PBSZ",
    "PORT", "PRET", "PROT", "PWD", "QUIT", "RANG", "REIN", "REPL", "REST", "RETR", "RMD", "RMDA",
    "RNFR", "RNTO", "SITE", "SIZE", "SMNT", "SPSV", "SSCN", "STAT", "STOR", "STOU", "STRU", "SYST",
    "THMB", "TYPE", "USER", "XCRC", "XCUP", "XCWD", "XMD5", "XMKD", "XPWD", "XRMD", "XSHA",
    "XSHA1", "XSHA256", "XSHA512",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Collects the ids in the sources of the layer that makes findings.
    fn ids_in_the_source(folder: &Path, ids: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                ids_in_the_source(&path, ids);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source");
            let text = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .expect("a part");
            for (at, found) in text.match_indices("id: ") {
                // `id: if … { "a" } else { "b" }` names two.
                let rest = &text[at + found.len()..];
                let end = rest.find(&[',', '\n'][..]).unwrap_or(rest.len());
                let parts = rest[..end].split('"').skip(1).step_by(2);
                ids.extend(parts.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_finding_of_the_diagnosis_layer_is_known() {
        let mut ids = BTreeSet::new();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnosis");
        ids_in_the_source(&source, &mut ids);
        assert!(ids.len() > 10, "{ids:?}");
        let unknown: Vec<_> = ids
            .iter()
            .filter(|id| !FINDINGS.contains(&id.as_str()))
            .collect();
        assert!(unknown.is_empty(), "add to FINDINGS: {unknown:?}");
    }

    #[test]
    fn case_distinguishes_commands_from_steps_and_findings() {
        let kinds = ["login", "quit"];
        let parse = |word| Absence::parse(word, &kinds);
        assert_eq!(parse("PORT"), Ok(Absence::Command("PORT".to_owned())));
        assert_eq!(parse("quit"), Ok(Absence::Step(StepKind::Quit)));
        assert_eq!(
            parse("port-theft"),
            Ok(Absence::Finding("port-theft".to_owned()))
        );
        let hint = |word| parse(word).expect_err(word).1;
        assert_eq!(hint("PROTT"), "did you mean \"PROT\"?");
        assert_eq!(
            hint("cleartext-credential"),
            "did you mean \"cleartext-credentials\"?"
        );
        assert_eq!(hint("port"), "commands are in upper case: \"PORT\"");
    }
}
