//! Takes the text of an expression apart; what cannot be read is told in words of the language that people write.

use std::thread;

use cel::Program;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) message: String,
    /// Where, in characters from 0.
    pub(super) at: Option<usize>,
    pub(super) hint: Option<String>,
}

/// Parses on a stack of its own: the parser goes down one level for each operator.
pub(super) fn parse(text: &str) -> Result<Program, Unreadable> {
    let plain = |message: String| Unreadable {
        message,
        at: None,
        hint: None,
    };
    if text.trim().is_empty() {
        return Err(Unreadable {
            hint: Some("write such as login.user == \"mira\"".to_owned()),
            ..plain("there is no expression".to_owned())
        });
    }
    let owned = text.to_owned();
    let worker = thread::Builder::new()
        .stack_size(PARSER_STACK)
        .spawn(move || Program::compile(&owned));
    let parsed = worker.map_err(|error| plain(error.to_string()))?.join();
    match parsed {
        Ok(Ok(program)) => Ok(program),
        Ok(Err(errors)) => {
            let first = errors.errors.first();
            let message = first.map_or("it cannot be read", |error| error.msg.as_str());
            let at = first.and_then(|error| offset(text, error.pos));
            Err(told(text, message, at))
        }
        Err(_) => Err(plain("the expression cannot be read".to_owned())),
    }
}

/// What the parser says, by what stands at the place.
fn told(text: &str, message: &str, at: Option<usize>) -> Unreadable {
    let message = message.lines().next().unwrap_or_default();
    // The parser lists every token that it would have taken.
    let message = message.split(" expecting ").next().unwrap_or_default();
    let message = message.trim_start_matches("Syntax error: ");
    let rest: String = text.chars().skip(at.unwrap_or(0)).collect();
    let rest = rest.trim_start();
    let before: String = text.chars().take(at.unwrap_or(0)).collect();
    let make = |message: String, hint: Option<&str>| Unreadable {
        message,
        at,
        hint: hint.map(str::to_owned),
    };
    if let Some(word) = message.strip_prefix("reserved identifier: ") {
        return make(format!("{word} is a word that CEL reserves"), None);
    }
    if message.contains("simple name") {
        let hint = "write steps.all(s, s.outcome == \"ok\")";
        return make(
            "a name for the items is expected here".to_owned(),
            Some(hint),
        );
    }
    if message.starts_with("Incomplete") {
        let hint = "write condition ? one : other";
        return make("the expression is not complete".to_owned(), Some(hint));
    }
    if rest.is_empty() {
        let hint = CLOSING
            .iter()
            .find(|(sign, _)| message.contains(sign))
            .map(|(_, hint)| *hint);
        return make("the expression ends too early".to_owned(), hint);
    }
    if rest.starts_with(['"', '\'']) && message.contains("token recognition") {
        let hint = "it does not end, or has a \\ that says nothing; \\\\ stands for one";
        return make("this text cannot be read".to_owned(), Some(hint));
    }
    let sign = rest.split(char::is_whitespace).next().unwrap_or_default();
    if let Some((_, hint)) = SIGNS.iter().find(|(wrong, _)| sign.starts_with(wrong)) {
        let end = sign.find(|one: char| one.is_alphanumeric() || matches!(one, '"' | '\'' | '('));
        let sign = sign.get(..end.unwrap_or(sign.len())).unwrap_or(sign);
        return make(format!("there is no {sign} in CEL"), Some(hint));
    }
    let word: String = rest
        .chars()
        .take_while(|one| one.is_alphanumeric() || *one == '_')
        .collect();
    let hint = WORDS.iter().find(|(wrong, _)| *wrong == word);
    if let Some((_, hint)) = hint {
        return make(format!("there is no {word} in CEL"), Some(hint));
    }
    if before.trim_end().ends_with("not") {
        return make("there is no not in CEL".to_owned(), Some("write !"));
    }
    let first: String = if word.is_empty() {
        rest.chars().take(1).collect()
    } else {
        word
    };
    make(format!("{first} does not belong here"), None)
}

/// The character at a line and column, both from 1.
fn offset(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let before = text.split_inclusive('\n').take(line);
    Some(before.map(|line| line.chars().count()).sum::<usize>() + column)
}

/// What is missing at the end.
const CLOSING: &[(&str, &str)] = &[("')'", "a ) is missing"), ("']'", "a ] is missing")];

/// Signs of other languages, and what CEL has for them.
const SIGNS: &[(&str, &str)] = &[
    ("=~", "write text.matches(\"…\")"),
    ("=>", "write >="),
    ("=<", "write <="),
    ("=", "write == to compare"),
    ("&", "write && for and"),
    ("|", "write || for or"),
    ("“", "texts stand between \" or '"),
    ("”", "texts stand between \" or '"),
    ("‘", "texts stand between \" or '"),
    ("’", "texts stand between \" or '"),
];

/// Words of other languages, and what CEL has for them.
const WORDS: &[(&str, &str)] = &[
    ("and", "write &&"),
    ("AND", "write &&"),
    ("or", "write ||"),
    ("OR", "write ||"),
    ("not", "write !"),
    ("is", "write =="),
    ("like", "write text.matches(\"…\")"),
    ("matches", "write text.matches(\"…\")"),
    ("contains", "write text.contains(\"…\")"),
];

/// Enough for the deepest expression of the longest text.
const PARSER_STACK: usize = 64 << 20;
