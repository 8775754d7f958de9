//! Properties of the terminal: width and colours.

use std::ffi::OsString;
use std::io::{IsTerminal, stdout};

use anstyle::Style;
use clap::ValueEnum;
use unicode_width::UnicodeWidthStr as _;

use crate::report::wrapping::{label, verbatim, write_wrapped};

/// Values of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or it is dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Environment variables about the terminal; `None` for one that is unset or empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    no_color: Option<OsString>,
    force: Option<OsString>,
    term: Option<OsString>,
    columns: Option<OsString>,
}

impl Environment {
    /// Reads the variables of this process.
    pub(super) fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            no_color: variable("NO_COLOR"),
            force: variable("CLICOLOR_FORCE"),
            term: variable("TERM"),
            columns: variable("COLUMNS"),
        }
    }

    /// Returns whether to use colours.
    ///
    /// The option takes precedence, then `NO_COLOR`, then `CLICOLOR_FORCE`, then the target.
    pub(super) fn color(&self, choice: ColorChoice, is_terminal: bool) -> bool {
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if self.no_color.is_some() => false,
            ColorChoice::Auto if self.force.as_ref().is_some_and(|value| value != "0") => true,
            ColorChoice::Auto => {
                is_terminal && self.term.as_ref().is_none_or(|term| term != "dumb")
            }
        }
    }

    /// Returns the width in columns: `COLUMNS`, else that of the terminal, else 120.
    pub(super) fn width(&self, terminal: Option<u16>) -> u16 {
        self.known_width(terminal).unwrap_or(WIDTH_OF_FILES)
    }

    /// Returns the width in columns: `COLUMNS`, else that of the terminal; `None` for text that goes to a file or a pipe, where a
    /// program may look for whole lines.
    pub(super) fn known_width(&self, terminal: Option<u16>) -> Option<u16> {
        let columns = self.columns.as_ref().and_then(|value| value.to_str());
        columns
            .and_then(|value| value.parse().ok())
            .filter(|&width| width > 0)
            .or(terminal)
    }
}

/// Returns true if standard output is a terminal.
pub(super) fn stdout_is_terminal() -> bool {
    stdout().is_terminal()
}

/// Returns the width of the terminal at standard output; `None` if it is none.
pub(super) fn stdout_width() -> Option<u16> {
    terminal_size::terminal_size_of(stdout()).map(|(width, _)| width.0)
}

/// Formats rows of a word and its meaning as two columns, the second wrapped at the width of standard output if that is known.
pub(super) fn two_columns<T: AsRef<str>, U: AsRef<str>>(rows: &[(T, U)]) -> String {
    let width = Environment::of_process().known_width(stdout_width());
    two_columns_within(width, rows)
}

fn two_columns_within<T: AsRef<str>, U: AsRef<str>>(width: Option<u16>, rows: &[(T, U)]) -> String {
    let words = rows.iter().map(|(word, _)| word.as_ref().width());
    let widest = words.max().unwrap_or_default();
    // On a narrow terminal, a second column beside long words would have a word a line.
    let hang = match width {
        Some(width) if widest + LEAST_MEANING > usize::from(width) => NARROW_HANG,
        _ => widest + 2,
    };
    let mut text = Vec::new();
    for (word, meaning) in rows {
        let word = label(Style::new(), word.as_ref(), widest + 1);
        let meaning = verbatim(Style::new(), meaning.as_ref());
        // Writing to a `Vec` cannot fail.
        let _ = write_wrapped(&[word, meaning], width, (0, hang), false, &mut text);
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Columns that a meaning has beside the longest word at least; otherwise its lines begin below the word.
const LEAST_MEANING: usize = 24;

/// Indent of a meaning below its word.
const NARROW_HANG: usize = 4;

/// Returns the width of the terminal at standard error; `None` if it is none.
pub(super) fn stderr_width() -> Option<u16> {
    terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| width.0)
}

/// Width in columns of text that goes to a file or a pipe.
const WIDTH_OF_FILES: u16 = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(no_color: &str, force: &str, term: &str) -> Environment {
        let some = |value: &str| (!value.is_empty()).then(|| value.into());
        Environment {
            no_color: some(no_color),
            force: some(force),
            term: some(term),
            columns: None,
        }
    }

    #[test]
    fn colours_depend_on_option_then_environment_then_terminal() {
        use ColorChoice::{Always, Auto, Never};
        let plain = environment("", "", "xterm");
        assert!(plain.color(Auto, true));
        assert!(!plain.color(Auto, false));
        assert!(!plain.color(Never, true));
        assert!(environment("1", "", "xterm").color(Always, false));
        assert!(!environment("1", "1", "xterm").color(Auto, true));
        assert!(environment("", "1", "xterm").color(Auto, false));
        assert!(!environment("", "0", "xterm").color(Auto, false));
        assert!(!environment("", "", "dumb").color(Auto, true));
    }

    #[test]
    fn the_width_comes_from_columns_then_terminal_then_default() {
        let mut environment = Environment::default();
        assert_eq!(environment.width(None), 120);
        assert_eq!(environment.width(Some(91)), 91);
        environment.columns = Some("200".into());
        assert_eq!(environment.width(Some(91)), 200);
        environment.columns = Some("0".into());
        assert_eq!(environment.width(Some(91)), 91);
        assert_eq!(environment.known_width(None), None);
    }

    #[test]
    fn meanings_are_wrapped_beside_their_words_and_below_long_ones() {
        let rows = [("data-in-clear", "files are sent in clear"), ("x", "y")];
        let wide = "data-in-clear  files are sent in clear\nx              y\n";
        assert_eq!(two_columns_within(None, &rows), wide);
        assert_eq!(
            two_columns_within(Some(37), &rows),
            "data-in-clear  files are sent in\n               clear\nx              y\n"
        );
        assert_eq!(
            two_columns_within(Some(30), &rows),
            "data-in-clear  files are sent\n    in clear\nx              y\n"
        );
    }
}
