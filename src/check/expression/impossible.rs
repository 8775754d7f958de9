//! Values that a field of the report never has: a comparison with one is a mistake in the expression, not an answer.
//!
//! A field has its values from the schema (words, bounds of numbers, addresses) or from its name (digests, uids, ids).

use std::net::IpAddr;

use cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::Vocabulary;
use super::types::{Kind, TypeError, network_prefix, words_of};
use crate::check::vocabulary::{digest_digits, nearest};

/// A part of an expression and its type.
type Part<'e, 'a> = (&'e IdedExpr, Kind<'a>);

/// Checks that a literal compared with a field is a value that the field can have.
pub(super) fn is_possible<'e>(
    field: &Part<'_, '_>,
    value: &Part<'e, '_>,
    words: &Vocabulary,
) -> Result<(), TypeError<'e>> {
    let (Expr::Literal(literal), Kind::Field(schema)) = (&value.0.expr, &field.1) else {
        return Ok(());
    };
    let hint = match literal {
        LiteralValue::String(text) => text_mistake(field, text.inner(), words),
        LiteralValue::Int(number) => {
            let least = if is_counted_from_one(field.0) {
                Some(1)
            } else {
                words.least(schema)
            };
            least
                .filter(|least| number.inner() < least)
                .map(|least| format!("it is {least} or more"))
        }
        _ => None,
    };
    match hint {
        Some(hint) => Err(TypeError {
            part: value.0,
            message: format!("{} is never {}", words_of(field.0), words_of(value.0)),
            hint: Some(hint),
        }),
        None => Ok(()),
    }
}

/// Checks the argument of `startsWith`, `endsWith` and `contains`: a part of a digest has digits alone, and no more than it.
pub(super) fn is_possible_part<'e>(
    function: &str,
    field: &Part<'_, '_>,
    value: &Part<'e, '_>,
) -> Result<(), TypeError<'e>> {
    let is_search = matches!(function, "startsWith" | "endsWith" | "contains");
    let (true, Expr::Literal(LiteralValue::String(text)), Some(digits)) = (
        is_search,
        &value.0.expr,
        name_of(field.0).and_then(digest_digits),
    ) else {
        return Ok(());
    };
    if is_hexadecimal(text.inner()) && text.inner().len() <= digits {
        return Ok(());
    }
    Err(TypeError {
        part: value.0,
        message: format!(
            "{} has never {} in it",
            words_of(field.0),
            words_of(value.0)
        ),
        hint: Some(digits_words(digits)),
    })
}

/// Returns how a text that the field never is should be written; `None` if the field can be this text.
fn text_mistake(field: &Part<'_, '_>, text: &str, words: &Vocabulary) -> Option<String> {
    let choices = field.1.choices(words);
    if !choices.is_empty() {
        let hint = || match nearest(choices.iter().copied(), text) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("there are: {}", choices.join(", ")),
        };
        return (!choices.contains(&text)).then(hint);
    }
    let name = name_of(field.0);
    if let Some(digits) = name.and_then(digest_digits) {
        if is_hexadecimal(text) && text.len() == digits {
            return None;
        }
        let whole = digits_words(digits);
        let is_part = is_hexadecimal(text) && (1..digits).contains(&text.len());
        return Some(if is_part {
            format!(
                "{whole}; write {}.startsWith(\"{text}\")",
                words_of(field.0)
            )
        } else {
            whole
        });
    }
    if field.1.is_address(words) {
        return address_mistake(field, text);
    }
    if matches!(name, Some("uid" | "resumes")) && !is_uid(text) {
        return Some("it is C or F, and up to 17 letters and digits".to_owned());
    }
    None
}

/// Returns how an address should be written; `None` if reports write it so.
fn address_mistake(field: &Part<'_, '_>, text: &str) -> Option<String> {
    match text.parse::<IpAddr>() {
        Ok(address) => {
            let as_reported = address.to_string();
            (as_reported != text).then(|| format!("write \"{as_reported}\""))
        }
        Err(_) => Some(match network_prefix(text) {
            Some(prefix) => format!("write {}.startsWith(\"{prefix}\")", words_of(field.0)),
            None => "it is an address, such as \"192.168.0.2\" or \"2001:db8::1\"".to_owned(),
        }),
    }
}

fn digits_words(digits: usize) -> String {
    format!("it has {digits} hexadecimal digits")
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Returns true for the form of connections' and files' names.
fn is_uid(text: &str) -> bool {
    let rest = text.strip_prefix(['C', 'F']);
    rest.is_some_and(|rest| {
        (1..=17).contains(&rest.len()) && rest.bytes().all(|one| one.is_ascii_alphanumeric())
    })
}

/// Returns true for the numbers of sessions, transfers, steps and commands, and references to them.
fn is_counted_from_one(field: &IdedExpr) -> bool {
    matches!(
        name_of(field),
        Some("id" | "number" | "sequence" | "session" | "step" | "transfer")
    )
}

/// Returns the name of the field that a part stands for: `t.md5`, `t["md5"]`, or `md5` alone; `None` for other parts.
pub(super) fn name_of(part: &IdedExpr) -> Option<&str> {
    match &part.expr {
        Expr::Ident(name) => Some(name),
        Expr::Select(select) if !select.test => Some(&select.field),
        Expr::Call(call) if call.func_name == "_[_]" => match &call.args.get(1)?.expr {
            Expr::Literal(LiteralValue::String(name)) => Some(name.inner()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{Expression, Scope};

    fn refused(text: &str) -> String {
        match Expression::compile(text, Scope::Session) {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn digest_that_can_never_match_is_refused() {
        let wanted = "sha256 is never \"abc\"";
        for text in [
            "transfers.exists(t, t.sha256 == 'abc')",
            "transfers.exists(t, 'abc' != t.sha256)",
            "transfers.exists(t, t['sha256'] in ['abc'])",
        ] {
            let message = refused(text);
            assert!(message.contains("never \"abc\""), "{message}");
            assert!(message.contains("64 hexadecimal digits"), "{message}");
            assert!(message.contains(".startsWith(\"abc\")"), "{message}");
        }
        assert!(refused("transfers.exists(t, t.sha256 == 'abc')").contains(wanted));
        let md5 = "d41d8cd98f00b204e9800998ecf8427";
        assert!(refused(&format!("transfers.exists(t, t.md5 == '{md5}x')")).contains("32 hex"));
        assert!(refused("tls.certificate_sha256 == ''").contains("it has 64 hexadecimal digits"),);
        for text in ["startsWith('xyz')", "contains('0 ')", "endsWith('-')"] {
            let message = refused(&format!("transfers.exists(t, t.sha1.{text})"));
            assert!(message.contains("40 hexadecimal digits"), "{message}");
        }
        for text in [
            format!("transfers.exists(t, t.md5 == '{md5}E')"),
            "transfers.exists(t, t.sha256.startsWith('AB') || t.name == 'abc')".to_owned(),
            "transfers.exists(t, t.sha256 == null)".to_owned(),
        ] {
            Expression::compile(&text, Scope::Session).expect(&text);
        }
    }

    #[test]
    fn id_that_no_session_has_is_refused() {
        for (text, wanted) in [
            (
                "id == 0",
                "id is never 0 at column 7 of id == 0; it is 1 or more",
            ),
            ("id in [3, 0]", "id is never 0 at column 11"),
            ("session.id == -1", "it is 1 or more"),
            ("steps.exists(s, s.transfer == 0)", "s.transfer is never 0"),
            ("transfers.exists(t, t.bytes == -5)", "it is 0 or more"),
            ("uid == '3'", "C or F"),
        ] {
            let message = refused(text);
            assert!(message.contains(wanted), "{message}");
        }
        for text in ["id == 1", "uid == 'C4J4Th3PJpwUYZZ6gc'", "size(steps) == 0"] {
            Expression::compile(text, Scope::Session).expect(text);
        }
    }

    #[test]
    fn address_that_no_report_has_is_refused_with_its_spelling() {
        for (text, wanted) in [
            ("client.ip == '10.0.0.999'", "never \"10.0.0.999\""),
            ("server.ip == 'ftp.example.com'", "it is an address"),
            (
                "client.ip == '10.1.0.0/16'",
                "client.ip.startsWith(\"10.1.\")",
            ),
            ("client.ip in ['2001:DB8::1']", "write \"2001:db8::1\""),
        ] {
            let message = refused(text);
            assert!(message.contains(wanted), "{message}");
        }
        Expression::compile("client.ip == '2001:db8::1'", Scope::Session).expect("an address");
    }
}
