//! Constraints on one value of the report.

use regex::Regex;
use serde_json::{Number, Value};

/// The allowed values of a field.
#[derive(Clone, Debug)]
pub enum Constraint {
    /// This string, number or boolean.
    Is(Value),
    /// Number in a range that includes both ends; an end that is `None` is open.
    Between(Option<Number>, Option<Number>),
    /// String that matches a pattern of `*` and `?`: the pattern as written, and its regular expression.
    Like(String, Regex),
    /// String in which a regular expression is found.
    Matches(Regex),
    /// Value that one of these allows.
    OneOf(Vec<Constraint>),
    /// `null`, or a field that the report omits.
    Absent,
    /// Anything but `null`.
    Present,
    /// List of this length.
    Count(Box<Constraint>),
    /// List of items with exactly these names, in any order.
    Names(Vec<String>),
}

impl Constraint {
    /// Returns true if a value of the report is allowed.
    #[must_use]
    pub fn allows(&self, value: &Value) -> bool {
        match self {
            Self::Is(Value::Number(wanted)) => value
                .as_number()
                .is_some_and(|number| equal(number, wanted)),
            Self::Is(wanted) => value == wanted,
            Self::Between(least, most) => value.as_number().is_some_and(|number| {
                least.as_ref().is_none_or(|least| at_least(number, least))
                    && most.as_ref().is_none_or(|most| at_least(most, number))
            }),
            Self::Like(_, pattern) | Self::Matches(pattern) => {
                value.as_str().is_some_and(|text| pattern.is_match(text))
            }
            Self::OneOf(choices) => choices.iter().any(|choice| choice.allows(value)),
            Self::Absent => value.is_null(),
            Self::Present => !value.is_null(),
            Self::Count(count) => value
                .as_array()
                .is_some_and(|items| count.allows(&items.len().into())),
            Self::Names(names) => value.as_array().is_some_and(|items| {
                let (missing, extra) = names_apart(names, items);
                missing.is_empty() && extra.is_empty()
            }),
        }
    }

    /// Returns true for a list of names.
    #[must_use]
    pub const fn is_names(&self) -> bool {
        matches!(self, Self::Names(_))
    }

    /// Renders the constraint as it follows the name of the field: `is 1 to 5`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Is(value) => format!("is {}", shown(value)),
            Self::Between(Some(least), Some(most)) => format!("is {least} to {most}"),
            Self::Between(Some(least), None) => format!("is {least} or more"),
            Self::Between(None, Some(most)) => format!("is {most} or less"),
            Self::Between(None, None) => "is a number".to_owned(),
            Self::Like(text, _) => format!("is like {}", shown(&text.as_str().into())),
            Self::Matches(pattern) => format!("matches {}", shown(&pattern.as_str().into())),
            Self::OneOf(choices) => {
                let words: Vec<_> = choices.iter().map(Self::words).collect();
                words.join(" or ")
            }
            Self::Absent => "is absent".to_owned(),
            Self::Present => "is there".to_owned(),
            Self::Count(count) => format!("count {}", count.words()),
            Self::Names(names) if names.is_empty() => "are none".to_owned(),
            Self::Names(names) => format!("are {}", listed(names)),
        }
    }

    /// Renders a value that is not allowed, as the counterpart of [`words`](Self::words).
    #[must_use]
    pub fn found(&self, value: &Value) -> String {
        match (self, value.as_array()) {
            (Self::Names(names), Some(items)) => {
                let (missing, extra) = names_apart(names, items);
                let mut parts = Vec::new();
                if !missing.is_empty() {
                    parts.push(format!("{} missing", listed(&missing)));
                }
                if !extra.is_empty() {
                    parts.push(format!("{} not expected", listed(&extra)));
                }
                parts.join("; ")
            }
            (_, Some(items)) => items.len().to_string(),
            (_, None) if value.is_null() => "nothing".to_owned(),
            (_, None) => shown(value),
        }
    }
}

/// Compiles a pattern of the shell: `*` stands for any characters, `?` for one, `[a-z]` and `[!a-z]` for one of a set, and
/// `[[]` for a bracket (POSIX.1 section 2.14.1, without character classes).
pub fn like(text: &str) -> Result<Constraint, String> {
    // `(?s)`: names from the wire may contain line breaks, which `*` must match as well.
    let mut pattern = String::from("(?s)^");
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            '[' => rest = push_set(rest, &mut pattern)?,
            other => push_literal(other, &mut pattern),
        }
    }
    pattern.push('$');
    Ok(Constraint::Like(text.to_owned(), compile(&pattern)?))
}

/// Appends a set whose `[` was read; returns the text behind its `]`.
fn push_set<'t>(text: &'t str, pattern: &mut String) -> Result<&'t str, String> {
    let unclosed =
        || "the pattern has a [ without ]; write [[] for the character itself".to_owned();
    let (negation, body) = match text.strip_prefix(['!', '^']) {
        Some(body) => ("^", body),
        None => ("", text),
    };
    // A `]` in the first place is one of the characters.
    let first = body.chars().next().ok_or_else(unclosed)?.len_utf8();
    let length = first + body[first..].find(']').ok_or_else(unclosed)?;
    let mut characters = body[..length].chars().peekable();
    pattern.push('[');
    pattern.push_str(negation);
    while let Some(from) = characters.next() {
        push_literal(from, pattern);
        if characters.peek() != Some(&'-') {
            continue;
        }
        characters.next();
        match characters.next() {
            Some(to) if to < from => return Err(format!("nothing is from {from} to {to}")),
            Some(to) => {
                pattern.push('-');
                push_literal(to, pattern);
            }
            // A `-` in the last place is one of the characters.
            None => push_literal('-', pattern),
        }
    }
    pattern.push(']');
    Ok(&body[length + 1..])
}

fn push_literal(character: char, pattern: &mut String) {
    pattern.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
}

/// Compiles a regular expression that may match anywhere in a string.
pub fn matches(text: &str) -> Result<Constraint, String> {
    compile(text).map(Constraint::Matches)
}

/// Parses a range that includes both ends: `1000..2000`, `..5`, `1..`; `None` if it is malformed or reversed.
#[must_use]
pub fn range(text: &str) -> Option<Constraint> {
    let (least, most) = text.split_once("..")?;
    let number = |part: &str| -> Option<Option<Number>> {
        let part = part.trim().replace('_', "");
        if part.is_empty() {
            return Some(None);
        }
        if part.starts_with('.') || part.ends_with('.') {
            return None;
        }
        if let Ok(whole) = part.parse::<i64>() {
            return Some(Some(whole.into()));
        }
        Some(Some(Number::from_f64(part.parse().ok()?)?))
    };
    let (least, most) = (number(least)?, number(most)?);
    let is_in_order = match (&least, &most) {
        (Some(least), Some(most)) => at_least(most, least),
        (None, None) => false,
        _ => true,
    };
    is_in_order.then_some(Constraint::Between(least, most))
}

/// Renders a value of the report: strings in quotes and cut at 200 characters, lists by their length.
#[must_use]
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() > MAX_CHARACTERS => {
            let cut: String = text.chars().take(MAX_CHARACTERS).collect();
            format!("{}…", Value::String(cut))
        }
        Value::Array(items) => match items.len() {
            0 => "empty".to_owned(),
            1 => "1 item".to_owned(),
            count => format!("{count} items"),
        },
        Value::Object(_) => "an object".to_owned(),
        _ => value.to_string(),
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let built = regex::RegexBuilder::new(pattern)
        .size_limit(PATTERN_MEMORY)
        .build();
    built.map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}

/// Returns the expected names that are missing, and the names that are not expected.
fn names_apart(names: &[String], items: &[Value]) -> (Vec<String>, Vec<String>) {
    let mut missing = names.to_vec();
    let mut extra = Vec::new();
    for item in items {
        let name = item.get("name").unwrap_or(item);
        let name = name.as_str().unwrap_or_default();
        match missing.iter().position(|wanted| wanted == name) {
            Some(place) => {
                missing.remove(place);
            }
            None => extra.push(name.to_owned()),
        }
    }
    (missing, extra)
}

/// Renders the first names, separated by commas.
fn listed(names: &[String]) -> String {
    let first: Vec<_> = names
        .iter()
        .take(MAX_NAMES)
        .map(|name| shown(&name.as_str().into()))
        .collect();
    match names.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", first.join(", ")),
        None => first.join(", "),
    }
}

fn equal(a: &Number, b: &Number) -> bool {
    at_least(a, b) && at_least(b, a)
}

// As integers where possible: an f64 cannot distinguish sizes above 2^53 bytes.
fn at_least(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a >= b,
        _ => a.as_f64() >= b.as_f64(),
    }
}

/// Characters of a string in a message.
const MAX_CHARACTERS: usize = 200;

/// Names in a message.
const MAX_NAMES: usize = 12;

/// Bytes of a compiled pattern: expressions such as `(a{999}){999}` would take gigabytes.
const PATTERN_MEMORY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_include_both_ends_and_may_be_open() {
        let between = range("1_000..2000").expect("a range");
        assert!(between.allows(&json!(1000)) && between.allows(&json!(2000)));
        assert!(!between.allows(&json!(999)) && !between.allows(&json!(2000.5)));
        assert_eq!(between.words(), "is 1000 to 2000");
        let most = range("..2.5").expect("a range");
        assert!(most.allows(&json!(-3)) && most.allows(&json!(2.5)) && !most.allows(&json!(3)));
        assert!(!most.allows(&Value::Null));
        let large = Constraint::Is(json!(u64::MAX));
        assert!(large.allows(&json!(u64::MAX)) && !large.allows(&json!(u64::MAX - 1)));
        for wrong in [
            "", "..", "5", "a..b", "1..x", "5..1", "1...5", "1....5", "nan..5",
        ] {
            assert!(range(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn patterns_match_whole_strings_and_expressions_match_parts() {
        let pattern = like("/pub/*.t?t").expect("a pattern");
        assert!(pattern.allows(&json!("/pub/a.b/read\nme.txt")));
        assert!(!pattern.allows(&json!("/pub/x.txt2")) && !pattern.allows(&json!(5)));
        let pattern = like("a[[]1].(b)").expect("a pattern");
        assert!(pattern.allows(&json!("a[1].(b)")));
        let found = matches("[.]zip$").expect("a pattern");
        assert!(found.allows(&json!("x.zip")) && !found.allows(&json!("x.zip.part")));
        assert!(matches("(").is_err());
    }

    #[test]
    fn sets_in_patterns_are_those_of_the_shell() {
        for (pattern, text, is_match) in [
            ("log-[0-9].txt", "log-7.txt", true),
            ("log-[0-9].txt", "log-x.txt", false),
            ("[!a-c]", "d", true),
            ("[!a-c]", "b", false),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("[&&~^]", "&", true),
            ("[\\w]", "a", false),
        ] {
            let found = like(pattern).expect("a pattern").allows(&json!(text));
            assert_eq!(found, is_match, "{pattern} {text}");
        }
        for wrong in ["[", "a[b", "[]", "[!", "[!]", "[z-a]"] {
            assert!(like(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_match_in_any_order() {
        let names = Constraint::Names(vec!["a".to_owned(), "b".to_owned(), "b".to_owned()]);
        let items = |names: &[&str]| -> Value {
            names.iter().map(|name| json!({ "name": name })).collect()
        };
        assert!(names.allows(&items(&["b", "a", "b"])));
        assert!(!names.allows(&items(&["b", "a"])));
        assert_eq!(
            names.found(&items(&["a", "c"])),
            "\"b\", \"b\" missing; \"c\" not expected"
        );
    }

    #[test]
    fn absent_allows_null_only() {
        assert!(Constraint::Absent.allows(&Value::Null));
        assert!(!Constraint::Absent.allows(&json!("")));
        assert!(Constraint::Present.allows(&json!(false)));
        let one = Constraint::OneOf(vec![Constraint::Absent, Constraint::Is(json!("x"))]);
        assert!(one.allows(&Value::Null) && one.allows(&json!("x")) && !one.allows(&json!("y")));
        assert_eq!(one.words(), "is absent or is \"x\"");
    }
}
