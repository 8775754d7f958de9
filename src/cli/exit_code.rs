//! The exit codes, in one table.

use std::process::ExitCode;

/// How a run ends. The order of the variants is that of precedence: where several apply, the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// The user pressed Ctrl-C before the report was complete.
    Interrupted,
    /// Wrong usage, or output that cannot be written.
    Misuse,
    /// An input could not be read, or was not whole with `--strict`.
    Unreadable,
    /// `--fail-on` found something.
    Found,
    /// No FTP session, with `--fail-if-empty`.
    NoSession,
    /// Nothing of these.
    Done,
}

impl Exit {
    /// The number, as scripts see it.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Found => 1,
            Self::Misuse => 2,
            Self::Unreadable => 3,
            Self::NoSession => 4,
            Self::Interrupted => 130,
        }
    }

    /// What counts of several.
    pub(super) fn first_of(reasons: &[Self]) -> Self {
        reasons.iter().copied().min().unwrap_or(Self::Done)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_is_2_3_1_4() {
        let mut reasons = vec![Exit::NoSession, Exit::Found, Exit::Unreadable, Exit::Misuse];
        let mut codes = vec![];
        while !reasons.is_empty() {
            codes.push(Exit::first_of(&reasons).code());
            reasons.pop();
        }
        assert_eq!(codes, [2, 3, 1, 4]);
        assert_eq!(Exit::first_of(&[]).code(), 0);
    }
}
