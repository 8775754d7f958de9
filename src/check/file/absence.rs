//! What must not be there: commands by their verb, steps by their kind, findings by their id.

use super::super::vocabulary::nearest;

/// Something that must not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// A command, by its verb.
    Command(String),
    /// A step, by its kind.
    Step(String),
    /// A finding, by its id.
    Finding(String),
}

impl Absence {
    /// From a word; what is wrong with it and what to write, otherwise.
    pub(super) fn read(word: &str, kinds: &[&str]) -> Result<Self, (String, String)> {
        if word.chars().any(char::is_uppercase) {
            return verb(word).map(Self::Command);
        }
        if kinds.contains(&word) {
            return Ok(Self::Step(word.to_owned()));
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

    /// In words, after "no".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Command(verb) => verb.clone(),
            Self::Step(kind) => format!("{kind} step"),
            Self::Finding(id) => id.clone(),
        }
    }
}

/// A verb that is known; one that is not would be absent for ever, unnoticed.
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

/// The ids of all findings.
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

/// The commands of RFC 5797's registry, and those common beside it.
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

    /// The ids that stand in the sources of the layer that makes findings.
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
                // An id may be chosen between two.
                let rest = &text[at + found.len()..];
                let end = rest.find(&[',', '\n'][..]).unwrap_or(rest.len());
                let parts = rest[..end].split('"').skip(1).step_by(2);
                ids.extend(parts.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_finding_that_is_made_is_known_here() {
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
    fn words_are_told_apart_by_their_letters() {
        let kinds = ["login", "quit"];
        let read = |word| Absence::read(word, &kinds);
        assert_eq!(read("PORT"), Ok(Absence::Command("PORT".to_owned())));
        assert_eq!(read("quit"), Ok(Absence::Step("quit".to_owned())));
        assert_eq!(
            read("port-theft"),
            Ok(Absence::Finding("port-theft".to_owned()))
        );
        let hint = |word| read(word).expect_err(word).1;
        assert_eq!(hint("PROTT"), "did you mean \"PROT\"?");
        assert_eq!(
            hint("cleartext-credential"),
            "did you mean \"cleartext-credentials\"?"
        );
        assert_eq!(hint("port"), "commands are in upper case: \"PORT\"");
    }
}
