//! The answer as `JUnit` XML: a suite for each group, a test case for each expectation.
//!
//! Valid by the schema of Jenkins (xunit-plugin, `junit-10.xsd`), the strictest one in use: it has no attribute for the
//! line of a test case, which is therefore in the text. Characters that XML 1.0 cannot hold (control characters from
//! the wire) are escaped as they are for people.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::super::verdict::{Answer, Difference, Group, Origin, Place, Status, Verdict};
use super::{labels, sentence};
use crate::model::wire_text::printable;

/// Writes the answer.
pub fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let unreadable = answer
        .unreadable
        .iter()
        .map(|one| ("can be read", "unreadable", one));
    let not_whole = answer
        .not_whole
        .iter()
        .map(|one| ("is whole", "not-whole", one));
    let errors: Vec<_> = unreadable.chain(not_whole).collect();
    let count = errors.len() as u64;
    let tests = answer.passed + answer.failed + answer.skipped + count;
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="ftpscope check" tests="{tests}" failures="{}" errors="{count}">"#,
        answer.failed
    )?;
    if count > 0 {
        writeln!(
            out,
            r#"  <testsuite name="captures" tests="{count}" failures="0" errors="{count}" skipped="0">"#
        )?;
        for (name, kind, message) in errors {
            writeln!(
                out,
                r#"    <testcase classname="captures" name="{name}"><error type="{kind}" message="{}"/></testcase>"#,
                escaped(message)
            )?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    let mut captures = answer.captures.as_slice();
    let warnings: Vec<_> = answer.mere_warnings().map(|one| escaped(one)).collect();
    let mut warnings = warnings.join("\n");
    for group in &answer.groups {
        write_group(group, captures, &warnings, out)?;
        // Some readers merge the properties of all suites and refuse a repeated name.
        captures = &[];
        warnings.clear();
    }
    writeln!(out, "</testsuites>")
}

/// Writes a suite, the first one with the captures, and with the warnings about them, which are escaped.
fn write_group(
    group: &Group,
    captures: &[String],
    warnings: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let count = |status| {
        group
            .verdicts
            .iter()
            .filter(|one| one.status == status)
            .count()
    };
    let file = group.file.as_ref();
    let file = file.map(|file| format!(r#" file="{}""#, escaped(file)));
    let file = file.unwrap_or_default();
    writeln!(
        out,
        r#"  <testsuite name="{}" tests="{}" failures="{}" errors="0" skipped="{}"{file}>"#,
        escaped(&group.name),
        group.verdicts.len(),
        count(Status::Failed),
        count(Status::Skipped)
    )?;
    if !captures.is_empty() {
        writeln!(out, "    <properties>")?;
        for (index, capture) in captures.iter().enumerate() {
            let name = match index {
                0 => "capture".to_owned(),
                _ => format!("capture-{}", index + 1),
            };
            let value = escaped(capture);
            writeln!(out, r#"      <property name="{name}" value="{value}"/>"#)?;
        }
        writeln!(out, "    </properties>")?;
    }
    for verdict in &group.verdicts {
        write_case(group, verdict, out)?;
    }
    if !warnings.is_empty() {
        writeln!(out, "    <system-err>{warnings}</system-err>")?;
    }
    writeln!(out, "  </testsuite>")
}

fn write_case(group: &Group, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        r#"    <testcase classname="{}" name="{}""#,
        escaped(&group.name),
        escaped(&verdict.name)
    )?;
    match verdict.status {
        Status::Passed => match &verdict.reason {
            Some(reason) => {
                let reason = escaped(reason);
                writeln!(
                    out,
                    "><system-out>passed, but {reason}</system-out></testcase>"
                )
            }
            None => writeln!(out, "/>"),
        },
        Status::Skipped => {
            let reason = verdict.reason.as_deref().unwrap_or_default();
            writeln!(
                out,
                r#"><skipped message="{}"/></testcase>"#,
                escaped(reason)
            )
        }
        Status::Failed => {
            let first = verdict.differences.first();
            let first = first.map(|difference| sentence(group.kind, difference));
            let all: Vec<_> = verdict
                .differences
                .iter()
                .map(|difference| paragraph(group.kind, difference))
                .collect();
            let mut text = all.join("\n");
            if let (Some(file), Some(line)) = (&group.file, verdict.line) {
                let _ = write!(text, "\nat: {}:{line}\n", one_line(file));
            }
            if verdict.differences_omitted > 0 {
                let _ = write!(text, "\nand {} more", verdict.differences_omitted);
            }
            writeln!(
                out,
                r#"><failure type="expectation" message="{}">{}</failure></testcase>"#,
                escaped(&first.unwrap_or_default()),
                text.lines().map(escaped).collect::<Vec<_>>().join("\n")
            )
        }
    }
}

/// Renders a difference in several lines.
fn paragraph(origin: Origin, difference: &Difference) -> String {
    let (expected, found) = labels(origin);
    let mut lines = vec![
        format!("{expected}: {}", one_line(&difference.expected)),
        format!("{found}: {}", one_line(&difference.found)),
    ];
    let place = difference.place.as_ref().and_then(Place::words);
    lines.extend(place.map(|place| format!("in: {}", one_line(&place))));
    let because = difference.because.iter();
    lines.extend(because.map(|cause| format!("because: {}", one_line(cause))));
    let advice = difference.advice.iter();
    lines.extend(advice.map(|advice| format!("advice: {}", one_line(advice))));
    lines.join("\n") + "\n"
}

fn one_line(text: &str) -> String {
    printable(text).into_owned()
}

/// Escapes text so that it can end neither an attribute nor an element.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // XML 1.0 allows noncharacters in no form, not even as references.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_break_the_xml() {
        assert_eq!(
            escaped("a\"b'<c>&\x1b[0m\0\u{ffff}\u{202e}]]>"),
            "a&quot;b&apos;&lt;c&gt;&amp;\\x1b[0m\\x00\u{fffd}\\u{202e}]]&gt;"
        );
    }
}
