//! `LogFormat` strings of `ProFTPD`, turned into patterns that read lines backwards.
//!
//! A format is literal text between fields. Most fields have a shape: digits, a word without blanks, a time. Some are free
//! text, which clients choose. A pattern is matched from the end of the line: a field begins behind the last occurrence of
//! the text in front of it that leaves values of the right shapes to all fields before it.
//!
//! A format whose lines could be divided in several ways is refused before a line is read:
//!
//! - two fields touch and have bytes in common (`%h%u`, `%b%T`);
//! - the text between two fields may be part of both (`%u-%h`);
//! - two fields of free text have nothing certain between them (`%f %F`; `%f|%F` and `%f %s %F` are read).

use super::scan::{Civil, clf_time, iso_time, month, number, seconds, small, zone, zoneless};
use crate::model::Timestamp;
use crate::reconcile::claim::LogTime;

/// Meaning of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// `%a`.
    Address,
    /// `%h`.
    Host,
    /// `%u`.
    User,
    /// `%t` and its like.
    Time,
    /// `%r`.
    Request,
    /// `%m`.
    Verb,
    /// `%J`.
    Argument,
    /// `%s`.
    Code,
    /// `%b`.
    Bytes,
    /// `%T`.
    Seconds,
    /// `%{transfer-millisecs}`.
    Millis,
    /// `%f`.
    RealPath,
    /// `%F`.
    SeenPath,
    /// `%w`.
    RenamedFrom,
    /// `%P`.
    Pid,
    /// `%{file-size}`.
    FileSize,
    /// `%{transfer-status}`.
    TransferStatus,
    /// `%{transfer-type}`.
    TransferType,
    /// `%{remote-port}`.
    RemotePort,
    /// Any other: read and not used.
    Other,
}

/// Bytes that a field may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// Digits, or `-`.
    Digits,
    /// Digits with a point, or `-`.
    Decimal,
    /// Letters, or `-`.
    Letters,
    /// At least one byte, none of them a blank.
    Word,
    /// A verb, or `SITE` with the word behind it.
    Verb,
    /// `[dd/Mmm/YYYY:hh:mm:ss ±hhmm]`.
    ClfTime,
    /// `YYYY-MM-DD hh:mm:ss,mmm`.
    IsoTime,
    /// A time in a format of strftime.
    Strftime(Vec<u8>),
    /// Any bytes, or none.
    Free,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Literal(Vec<u8>),
    Field {
        field: Field,
        shape: Shape,
        /// The field as it stands in the format.
        name: String,
    },
}

/// A `LogFormat`, ready to read lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogFormat {
    elements: Vec<Element>,
}

/// Values of a line, each with its field.
#[derive(Debug, Default)]
pub(super) struct Values<'a> {
    values: Vec<(Field, &'a [u8])>,
    pub(super) time: Option<LogTime>,
}

impl<'a> Values<'a> {
    /// Returns the value of a field; `None` if the format lacks it or the line has `-`.
    pub(super) fn get(&self, field: Field) -> Option<&'a [u8]> {
        let mut values = self.values.iter();
        let (_, value) = values.find(|(found, value)| *found == field && *value != b"-")?;
        Some(*value)
    }
}

impl LogFormat {
    /// Parses a format, in which `\"` stands for a quote as in the configuration.
    ///
    /// # Errors
    ///
    /// The message names what is ambiguous, unknown or lacking.
    pub(super) fn parse(format: &str) -> Result<Self, String> {
        // The whole directive's argument may have been copied, with the quotes around it.
        let inner = format
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .filter(|_| format.contains("\\\""));
        let text = inner.unwrap_or(format).replace("\\\"", "\"");
        let elements = elements(&text)?;
        refuse_ambiguous(&elements)?;
        let has = |wanted: Field| {
            elements
                .iter()
                .any(|element| matches!(element, Element::Field { field, .. } if *field == wanted))
        };
        if !has(Field::Request) && !has(Field::Verb) {
            return Err("it names no command: neither %r nor %m is in it".to_owned());
        }
        Ok(Self { elements })
    }

    /// Reads a line; `None` if it does not have this format.
    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Option<Values<'a>> {
        let mut found = Vec::with_capacity(self.elements.len());
        let mut steps = MAX_STEPS;
        if !match_back(&self.elements, line, &mut found, &mut steps) {
            return None;
        }
        let mut values = Values::default();
        for (index, value) in found {
            let Some(Element::Field { field, shape, .. }) = self.elements.get(index) else {
                continue;
            };
            if *field == Field::Time {
                values.time = shape.time(value);
            } else if *field != Field::Other {
                values.values.push((*field, value));
            }
        }
        Some(values)
    }
}

/// Matches elements with the whole of `line`, the last one first. Appends the values found, with the indices of their
/// elements.
fn match_back<'a>(
    elements: &[Element],
    line: &'a [u8],
    found: &mut Vec<(usize, &'a [u8])>,
    steps: &mut u32,
) -> bool {
    let Some((last, before)) = elements.split_last() else {
        return line.is_empty();
    };
    let shape = match last {
        Element::Literal(text) => {
            return line
                .strip_suffix(text.as_slice())
                .is_some_and(|line| match_back(before, line, found, steps));
        }
        Element::Field { shape, .. } => shape,
    };
    let literal = match before.last() {
        Some(Element::Literal(text)) => text.as_slice(),
        _ => &[],
    };
    if before.is_empty() {
        found.push((0, line));
        return shape.accepts(line) || found.pop().is_none();
    }
    // Nothing of the value may be a byte that the shape excludes: no place before such a byte is a beginning.
    let earliest = match shape {
        Shape::Free => 0,
        _ => line
            .iter()
            .rposition(|byte| !shape.may_hold(*byte))
            .map_or(0, |at| at + 1),
    };
    let mut end = line.len();
    loop {
        // The text in front ends where the value begins.
        let start = if literal.is_empty() {
            end
        } else {
            match memchr::memmem::rfind(&line[..end], literal) {
                Some(at) => at + literal.len(),
                None => return false,
            }
        };
        if start < earliest || *steps == 0 {
            return false;
        }
        *steps -= 1;
        let value = &line[start..];
        if shape.accepts(value) {
            found.push((before.len(), value));
            if match_back(before, &line[..start], found, steps) {
                return true;
            }
            found.pop();
        }
        // The next place to the left; occurrences may overlap.
        let Some(next) = start.checked_sub(1) else {
            return false;
        };
        end = next;
    }
}

impl Shape {
    /// Returns false for bytes that no value of this shape has.
    fn may_hold(&self, byte: u8) -> bool {
        match self {
            Self::Digits => byte.is_ascii_digit() || byte == b'-',
            Self::Decimal => byte.is_ascii_digit() || matches!(byte, b'-' | b'.'),
            Self::Letters => byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'),
            Self::Word => byte != b' ',
            Self::Verb => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b' '),
            Self::ClfTime | Self::IsoTime => {
                byte.is_ascii_alphanumeric() || b"[]/:,+- ".contains(&byte)
            }
            Self::Strftime(_) | Self::Free => true,
        }
    }

    /// Returns false for bytes that are rare within values of this shape, so that they are certain to divide fields.
    fn often_holds(&self, byte: u8) -> bool {
        match self {
            Self::Free => byte.is_ascii_alphanumeric() || b" ._-/".contains(&byte),
            Self::Word => byte.is_ascii_alphanumeric() || b"._-:@".contains(&byte),
            Self::Verb => byte.is_ascii_alphanumeric(),
            Self::Strftime(format) => byte.is_ascii_alphanumeric() || format.contains(&byte),
            _ => self.may_hold(byte),
        }
    }

    fn accepts(&self, value: &[u8]) -> bool {
        match self {
            Self::Free => true,
            Self::Word | Self::Letters => {
                !value.is_empty() && value.iter().all(|byte| self.may_hold(*byte))
            }
            Self::Verb => {
                let word = value.strip_prefix(b"SITE ").unwrap_or(value);
                !word.is_empty()
                    && word
                        .iter()
                        .all(|byte| *byte != b' ' && self.may_hold(*byte))
            }
            Self::Digits => value == b"-" || number(value).is_some(),
            Self::Decimal => value == b"-" || seconds(value).is_some(),
            Self::ClfTime | Self::IsoTime => self.time(value).is_some(),
            Self::Strftime(format) => strftime(format, value).is_some(),
        }
    }

    /// Returns true if values of this shape are hardly found by chance within free text.
    const fn is_certain(&self) -> bool {
        !matches!(self, Self::Free | Self::Word | Self::Letters | Self::Verb)
    }

    fn time(&self, value: &[u8]) -> Option<LogTime> {
        match self {
            Self::ClfTime => clf_time(value.strip_prefix(b"[")?.strip_suffix(b"]")?),
            Self::IsoTime => iso_time(value),
            Self::Strftime(format) => strftime(format, value)?,
            Self::Digits => Some(LogTime {
                offset: Some(0),
                ..zoneless(epoch(value)?)
            }),
            _ => None,
        }
    }
}

/// Divides a format into text and fields.
fn elements(format: &str) -> Result<Vec<Element>, String> {
    let mut elements = Vec::new();
    let mut literal = Vec::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if first != '%' {
            let mut buffer = [0; 4];
            literal.extend_from_slice(first.encode_utf8(&mut buffer).as_bytes());
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (name, length) = field_name(rest)?;
        rest = &rest[length..];
        if name == "%" {
            literal.push(b'%');
            continue;
        }
        let (field, shape) = field(&name)
            .ok_or_else(|| format!("%{name} is no field of a LogFormat that is read"))?;
        if !literal.is_empty() {
            elements.push(Element::Literal(std::mem::take(&mut literal)));
        }
        let name = format!("%{name}");
        elements.push(Element::Field { field, shape, name });
    }
    if !literal.is_empty() {
        elements.push(Element::Literal(literal));
    }
    Ok(elements)
}

/// Returns the name of the field at the start of `text` without its percent sign, and the length of all.
fn field_name(text: &str) -> Result<(String, usize), String> {
    let inside = &text[1..];
    if inside.starts_with('{') {
        let end = inside
            .find('}')
            .ok_or_else(|| format!("{text} has no closing brace"))?;
        let mut length = end + 1;
        // Times and variables of the environment have a letter behind the brace; a literal may begin with one, but only
        // these two mean something.
        if let Some(letter @ ('t' | 'e')) = inside[length..].chars().next()
            && !LONG_NAMES
                .iter()
                .any(|(name, _, _)| *name == &inside[1..end])
        {
            length += letter.len_utf8();
        }
        return Ok((inside[..length].to_owned(), length + 1));
    }
    match inside.chars().next() {
        Some(letter) => Ok((letter.to_string(), 1 + letter.len_utf8())),
        None => Err("it ends with a percent sign".to_owned()),
    }
}

fn field(name: &str) -> Option<(Field, Shape)> {
    if let Some(inside) = name.strip_prefix('{') {
        if let Some(format) = inside.strip_suffix("}t") {
            return Some((Field::Time, Shape::Strftime(expanded(format))));
        }
        if inside.ends_with("}e") || inside.starts_with("note:") {
            return Some((Field::Other, Shape::Free));
        }
        let inside = inside.strip_suffix('}')?;
        let mut known = LONG_NAMES.iter();
        let (_, field, shape) = known.find(|(known, _, _)| *known == inside)?;
        return Some((*field, shape.clone()));
    }
    Some(match name {
        "a" => (Field::Address, Shape::Word),
        "h" => (Field::Host, Shape::Word),
        "u" => (Field::User, Shape::Word),
        "t" => (Field::Time, Shape::ClfTime),
        "r" => (Field::Request, Shape::Free),
        "m" => (Field::Verb, Shape::Verb),
        "J" => (Field::Argument, Shape::Free),
        "s" => (Field::Code, Shape::Digits),
        "b" => (Field::Bytes, Shape::Digits),
        "T" => (Field::Seconds, Shape::Decimal),
        "f" => (Field::RealPath, Shape::Free),
        "F" => (Field::SeenPath, Shape::Free),
        "w" => (Field::RenamedFrom, Shape::Free),
        "P" => (Field::Pid, Shape::Digits),
        "I" | "O" | "p" | "R" => (Field::Other, Shape::Digits),
        "c" | "g" | "H" | "l" | "L" | "U" | "V" => (Field::Other, Shape::Word),
        "A" | "d" | "D" | "E" | "S" | "v" => (Field::Other, Shape::Free),
        _ => return None,
    })
}

const LONG_NAMES: [(&str, Field, Shape); 25] = [
    ("basename", Field::Other, Shape::Free),
    ("epoch", Field::Time, Shape::Digits),
    ("file-modified", Field::Other, Shape::Letters),
    ("file-offset", Field::Other, Shape::Digits),
    ("file-size", Field::FileSize, Shape::Digits),
    ("gid", Field::Other, Shape::Digits),
    ("group", Field::Other, Shape::Word),
    ("iso8601", Field::Time, Shape::IsoTime),
    ("microsecs", Field::Other, Shape::Digits),
    ("millisecs", Field::Other, Shape::Digits),
    ("protocol", Field::Other, Shape::Word),
    ("remote-port", Field::RemotePort, Shape::Digits),
    ("rename-from", Field::RenamedFrom, Shape::Free),
    ("total-bytes-in", Field::Other, Shape::Digits),
    ("total-bytes-out", Field::Other, Shape::Digits),
    ("total-bytes-xfer", Field::Other, Shape::Digits),
    ("total-files-in", Field::Other, Shape::Digits),
    ("total-files-out", Field::Other, Shape::Digits),
    ("total-files-xfer", Field::Other, Shape::Digits),
    ("transfer-failure", Field::Other, Shape::Free),
    ("transfer-millisecs", Field::Millis, Shape::Digits),
    ("transfer-port", Field::Other, Shape::Digits),
    ("transfer-status", Field::TransferStatus, Shape::Letters),
    ("transfer-type", Field::TransferType, Shape::Letters),
    ("uid", Field::Other, Shape::Digits),
];

fn refuse_ambiguous(elements: &[Element]) -> Result<(), String> {
    let fields: Vec<(usize, &Shape, &str)> = elements
        .iter()
        .enumerate()
        .filter_map(|(at, element)| match element {
            Element::Field { shape, name, .. } => Some((at, shape, name.as_str())),
            Element::Literal(_) => None,
        })
        .collect();
    for pair in fields.windows(2) {
        let &[(_, left, left_name), (at, right, right_name)] = pair else {
            continue;
        };
        let between = match at.checked_sub(1).and_then(|at| elements.get(at)) {
            Some(Element::Literal(text)) => text.as_slice(),
            _ => &[],
        };
        if between.is_empty() {
            let ends_itself = *left == Shape::ClfTime && !right.may_hold(b']');
            let begins_itself = *right == Shape::ClfTime && !left.may_hold(b'[');
            let shared = (0..=u8::MAX).any(|byte| left.may_hold(byte) && right.may_hold(byte));
            if shared && !ends_itself && !begins_itself {
                return Err(format!(
                    "{left_name} and {right_name} touch: where one ends and the other begins cannot be known"
                ));
            }
        } else if between
            .iter()
            .all(|byte| left.often_holds(*byte) && right.often_holds(*byte))
        {
            return Err(format!(
                "the text '{}' between {left_name} and {right_name} may be part of both",
                String::from_utf8_lossy(between)
            ));
        }
    }
    let free: Vec<_> = fields
        .iter()
        .filter(|(_, shape, _)| **shape == Shape::Free)
        .collect();
    for pair in free.windows(2) {
        let &[&(from, _, left_name), &(to, _, right_name)] = pair else {
            continue;
        };
        let is_divided = elements[from + 1..to].iter().any(|element| match element {
            Element::Literal(text) => text.iter().any(|byte| !Shape::Free.often_holds(*byte)),
            Element::Field { shape, .. } => shape.is_certain(),
        });
        if !is_divided {
            return Err(format!(
                "{left_name} and {right_name} may hold any text, and nothing certain stands between them"
            ));
        }
    }
    Ok(())
}

fn epoch(digits: &[u8]) -> Option<Timestamp> {
    // The year 2242, as a limit for numbers that are no times.
    let seconds = number(digits).filter(|seconds| *seconds <= 1 << 33)?;
    Some(Timestamp::from_parts(seconds, 0))
}

/// Replaces the conversions of strftime that stand for several.
fn expanded(format: &str) -> Vec<u8> {
    format
        .replace("%c", "%a %b %e %H:%M:%S %Y")
        .replace("%D", "%m/%d/%y")
        .replace("%F", "%Y-%m-%d")
        .replace("%R", "%H:%M")
        .replace("%r", "%I:%M:%S %p")
        .replace("%T", "%H:%M:%S")
        .into_bytes()
}

/// Parses a time by its format; `Some(None)` if it fits and names no day.
#[expect(
    clippy::option_option,
    reason = "a time of day fits its format, and is no time for a claim"
)]
fn strftime(format: &[u8], value: &[u8]) -> Option<Option<LogTime>> {
    let mut civil = Civil::default();
    let (mut rest, mut offset, mut afternoon, mut absolute) = (value, None, None, None);
    let mut bytes = format.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            rest = rest.strip_prefix(&[byte])?;
            continue;
        }
        let mut digits = |count: usize| {
            let (head, tail) = rest.split_at_checked(count)?;
            rest = tail;
            small(head.trim_ascii_start())
        };
        match bytes.next()? {
            b'Y' => civil.year = digits(4)?,
            b'y' => {
                let year = digits(2)?;
                civil.year = if year < 69 { 2000 + year } else { 1900 + year };
            }
            b'm' => civil.month = digits(2)?,
            b'd' | b'e' => civil.day = digits(2)?,
            b'H' | b'k' | b'I' | b'l' => civil.hour = digits(2)?,
            b'M' => civil.minute = digits(2)?,
            b'S' => civil.second = digits(2)?,
            b'j' => {
                digits(3)?;
            }
            letter @ (b'a' | b'A' | b'b' | b'B' | b'h' | b'p' | b'Z') => {
                let length = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                let (word, tail) = rest.split_at(length);
                rest = tail;
                match letter {
                    b'b' | b'B' | b'h' => civil.month = month(word.get(..3)?)?,
                    b'p' => afternoon = Some(word.eq_ignore_ascii_case(b"PM")),
                    b'Z' if matches!(word, b"UTC" | b"GMT") => offset = Some(0),
                    _ if word.is_empty() => return None,
                    _ => {}
                }
            }
            b'z' => {
                let (head, tail) = rest.split_at_checked(5)?;
                rest = tail;
                offset = Some(zone(head)?);
            }
            b's' => {
                let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                let (head, tail) = rest.split_at(length);
                rest = tail;
                absolute = Some(epoch(head)?);
            }
            b'%' => rest = rest.strip_prefix(b"%")?,
            b'n' => rest = rest.strip_prefix(b"\n")?,
            b't' => rest = rest.strip_prefix(b"\t")?,
            _ => return None,
        }
    }
    if !rest.is_empty() {
        return None;
    }
    if let Some(wall) = absolute {
        return Some(Some(LogTime {
            offset: Some(0),
            ..zoneless(wall)
        }));
    }
    match afternoon {
        Some(true) if civil.hour < 12 => civil.hour += 12,
        Some(false) if civil.hour == 12 => civil.hour = 0,
        _ => {}
    }
    if civil.month == 0 || civil.day == 0 {
        return Some(None);
    }
    let has_year = civil.year != 0;
    if !has_year {
        civil.year = 1972;
    }
    let wall = civil.wall()?;
    Some(Some(LogTime {
        offset,
        has_year,
        ..zoneless(wall)
    }))
}

/// Places that are tried for the fields of one line.
const MAX_STEPS: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'a>(format: &str, line: &'a str, fields: &[Field]) -> Vec<&'a str> {
        let format = LogFormat::parse(format).unwrap();
        let values = format
            .read(line.as_bytes())
            .unwrap_or_else(|| panic!("{line}"));
        let text =
            |field: &Field| std::str::from_utf8(values.get(*field).unwrap_or(b"NONE")).unwrap();
        fields.iter().map(text).collect()
    }

    #[test]
    fn free_text_may_hold_the_text_around_it() {
        let fields = [Field::User, Field::Request, Field::Code, Field::Bytes];
        assert_eq!(
            values(
                r#"%h %l %u %t \"%r\" %s %b"#,
                r#"192.0.2.9 UNKNOWN ida [03/Dec/2026:10:15:00 +0000] "RETR a" 226 5 "b" 550 -"#,
                &fields
            ),
            ["ida", r#"RETR a" 226 5 "b"#, "550", "NONE"]
        );
        let fields = [
            Field::Verb,
            Field::Argument,
            Field::SeenPath,
            Field::RealPath,
        ];
        assert_eq!(
            values("%m|%J|%F|%f", "STOR|a b|/in/a b|/srv/in/a b", &fields),
            ["STOR", "a b", "/in/a b", "/srv/in/a b"]
        );
        assert_eq!(
            values("%m %J %s %F", "PASV  227 -", &fields[..3]),
            ["PASV", "", "NONE"]
        );
        assert_eq!(
            values("%h %m %J", "192.0.2.9 SITE CHMOD 644 a b", &fields[..2]),
            ["SITE CHMOD", "644 a b"]
        );
        assert_eq!(
            values("%a|%h %m %J", "192.0.2.9|x STOR a b", &fields[..2]),
            ["STOR", "a b"]
        );
        assert_eq!(
            values(
                r#""%r" %s "%S" %T"#,
                r#""PWD" 257 ""/" is the current directory" -"#,
                &[Field::Request, Field::Code]
            ),
            ["PWD", "257"]
        );
    }

    #[test]
    fn ambiguous_formats_are_refused_with_the_fields_named() {
        for (format, named) in [
            ("%r %f %F", "%r and %f"),
            ("%m %f %F", "%f and %F"),
            ("%m %h%u", "%h and %u touch"),
            ("%b%T %m", "%b and %T touch"),
            ("%u-%h %m", "between %u and %h"),
            ("%m %f %u %F", "nothing certain"),
            ("%h %b", "neither %r nor %m"),
            ("%m %y", "%y is no field"),
            ("%m %{iso8601", "no closing brace"),
            ("%m %", "percent sign"),
        ] {
            let error = LogFormat::parse(format).unwrap_err();
            assert!(error.contains(named), "{format}: {error}");
        }
        for format in [
            "%t%s %m",
            "%f|%F %m %T",
            "%f %s %b %F|%m",
            "100%% %m",
            "\"%r\"",
        ] {
            assert!(LogFormat::parse(format).is_ok(), "{format}");
        }
    }

    #[test]
    fn times_of_every_form_are_read() {
        let wall = 1_796_292_900;
        for (format, line) in [
            ("%{%Y-%m-%d %H:%M:%S}t|%m", "2026-12-03 10:15:00|NOOP"),
            (
                "%{%d/%b/%y %I:%M:%S %p %z}t %m",
                "03/Dec/26 10:15:00 AM +0100 NOOP",
            ),
            ("%{%c}t %m", "Thu Dec  3 10:15:00 2026 NOOP"),
            ("%{iso8601} %m", "2026-12-03 10:15:00,250 NOOP"),
            ("%{epoch} %m", "1796292900 NOOP"),
            ("%{%s}t %m", "1796292900 NOOP"),
        ] {
            let format = LogFormat::parse(format).unwrap();
            let time = format.read(line.as_bytes()).unwrap().time.unwrap();
            assert_eq!(time.wall.nanos() / 1_000_000_000, wall, "{line}");
        }
        let format = LogFormat::parse("%{%H:%M}t %m").unwrap();
        assert_eq!(format.read(b"10:15 NOOP").unwrap().time, None);
    }

    #[test]
    fn long_hostile_line_is_given_up() {
        let format = LogFormat::parse(r#"%h "%r" %s "%S" %b"#).unwrap();
        let line = format!("h {}", "\" 1 \" ".repeat(50_000));
        assert!(format.read(line.as_bytes()).is_none());
    }
}
