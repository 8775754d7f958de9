//! Texts as TOML strings.

use std::fmt::Write as _;

use crate::model::wire_text::is_hostile;

/// A basic string in which nothing is hidden: what cannot be seen is written as its number.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if is_hostile(other) => {
                let _ = write!(out, "\\U{:08X}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Texts as a list: in one line where that is short, else one a line with `indent` in front.
pub(super) fn list(texts: &[String], indent: &str) -> String {
    let line = format!("[{}]", texts.join(", "));
    if line.chars().count() <= WIDTH {
        return line;
    }
    let mut out = String::from("[\n");
    for text in texts {
        let _ = writeln!(out, "{indent}  {text},");
    }
    let _ = write!(out, "{indent}]");
    out
}

/// Characters of a list in one line.
const WIDTH: usize = 90;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_again_as_it_was() {
        for text in [
            "",
            "a\"b\\c",
            "\x1b[0m\r\n\t\0",
            "é\u{202e}\u{e0041}x",
            "'''",
        ] {
            let document = format!("x = {}", quoted(text));
            let document = toml_edit::Document::parse(document).expect("TOML");
            assert_eq!(document["x"].as_str(), Some(text));
        }
        assert_eq!(quoted("a\u{202e}"), "\"a\\U0000202E\"");
    }
}
