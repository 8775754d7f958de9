//! The one place where secrets are hidden, between reading and the first record.
//!
//! Hidden are the arguments of PASS, ACCT, ADAT and SITE PSWD, an unknown command that gets a 331 or 332 (a mistyped PASS), the
//! password in `user:pass@` texts, and each later occurrence of such a value of 4 bytes or more.

use std::borrow::Cow;

use crate::model::wire_text;

/// Text in place of a secret.
pub(crate) const HIDDEN: &str = "<hidden>";

/// Secrets of one session, as far as they were sent.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    show: bool,
    values: Vec<Vec<u8>>,
}

impl Secrets {
    /// Creates an empty set; with `show` nothing is hidden.
    pub(crate) const fn new(show: bool) -> Self {
        Self {
            show,
            values: Vec::new(),
        }
    }

    /// Returns whether secrets are shown as they were sent.
    pub(crate) const fn shown(&self) -> bool {
        self.show
    }

    /// Records a secret, so that its later occurrences are hidden.
    pub(crate) fn add(&mut self, value: &[u8]) {
        let known = self.values.iter().any(|one| one == value);
        if value.len() >= SHORTEST && !known && self.values.len() < MOST {
            self.values.push(value.to_vec());
            // Longer ones first, so that a password within another does not leave half of it.
            self.values
                .sort_by_key(|value| std::cmp::Reverse(value.len()));
        }
    }

    /// Returns the text of `bytes` for the report, and the exact bytes in base64 if they are not UTF-8 and hold no secret.
    pub(crate) fn text(&self, bytes: &[u8]) -> (String, Option<String>) {
        match self.clean(bytes) {
            Cow::Borrowed(bytes) => wire_text::decode(bytes),
            Cow::Owned(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), None),
        }
    }

    /// Returns the text of a value that is a secret as a whole.
    pub(crate) fn secret(&self, bytes: &[u8]) -> (String, Option<String>) {
        if self.show {
            wire_text::decode(bytes)
        } else {
            (HIDDEN.to_owned(), None)
        }
    }

    /// Returns `bytes` without secrets; borrowed if there are none.
    pub(crate) fn clean<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.show {
            return Cow::Borrowed(bytes);
        }
        let mut clean = hide_in_addresses(bytes);
        for value in &self.values {
            if let Some(replaced) = replace(&clean, value) {
                clean = Cow::Owned(replaced);
            }
        }
        clean
    }
}

fn replace(text: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let mut at = find(text, value)?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(HIDDEN.as_bytes());
        rest = &rest[at + value.len()..];
        match find(rest, value) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn find(text: &[u8], value: &[u8]) -> Option<usize> {
    let (&first, _) = value.split_first()?;
    let last = text.len().checked_sub(value.len())?;
    (0..=last).find(|&at| text[at] == first && &text[at..at + value.len()] == value)
}

/// Hides the password in each `user:pass@`.
fn hide_in_addresses(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'@') || !text.contains(&b':') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for at in (0..text.len()).filter(|&at| text[at] == b'@') {
        let from = text[done..at]
            .iter()
            .rposition(|byte| {
                byte.is_ascii_whitespace() || matches!(byte, b'/' | b'@' | b'"' | b'<')
            })
            .map_or(done, |before| done + before + 1);
        let Some(colon) = text[from..at]
            .iter()
            .position(|&byte| byte == b':')
            .map(|colon| from + colon)
        else {
            continue;
        };
        if colon > from && colon + 1 < at {
            out.extend_from_slice(&text[done..=colon]);
            out.extend_from_slice(HIDDEN.as_bytes());
            done = at;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[done..]);
    Cow::Owned(out)
}

/// Shortest value that is looked for, in bytes: shorter ones would hide half of every text.
const SHORTEST: usize = 4;

/// Values kept of one session.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_occurrences_are_hidden_and_their_bytes_left_out() {
        let mut secrets = Secrets::new(false);
        secrets.add(b"hunter2");
        secrets.add(b"abc");
        assert_eq!(
            secrets.text(b"your password hunter2, hunter2 \xff abc"),
            ("your password <hidden>, <hidden> \u{fffd} abc".into(), None)
        );
        assert_eq!(secrets.text(b"plain"), ("plain".into(), None));
    }

    #[test]
    fn passwords_in_addresses_are_hidden() {
        let secrets = Secrets::new(false);
        assert_eq!(
            secrets.text(b"get ftp://bob:pw@host/x and eve:x:y@h").0,
            "get ftp://bob:<hidden>@host/x and eve:<hidden>@h"
        );
        assert_eq!(
            secrets.text(b"at 12:30 mail bob@host").0,
            "at 12:30 mail bob@host"
        );
        assert_eq!(secrets.text(b"ftp://:@").0, "ftp://:@");
    }

    #[test]
    fn show_hides_nothing() {
        let mut secrets = Secrets::new(true);
        secrets.add(b"hunter2");
        assert_eq!(secrets.text(b"a:b@ hunter2").0, "a:b@ hunter2");
        assert_eq!(secrets.secret(b"x").0, "x");
    }
}
