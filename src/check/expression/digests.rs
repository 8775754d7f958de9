//! Digests in expressions, whose letters people write in either case.
//!
//! Reports have digests in lower case. A text of hexadecimal digits that stands beside the field of a digest, as in
//! `sha256 == "9F86D081…"`, `t.md5 in ["…"]` or `t.sha1.startsWith("2A")`, is converted before the expression runs.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

/// Converts the digests in an expression to lower case.
pub(super) fn lower_digests(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Select(select) => lower_digests(&mut select.operand),
        Expr::Call(call) => {
            let parts = call.target.as_deref().into_iter().chain(&call.args);
            let is_about_digest = parts.into_iter().any(is_digest);
            let target = call.target.as_deref_mut();
            for part in target.into_iter().chain(&mut call.args) {
                if is_about_digest {
                    lower_text(part);
                }
                lower_digests(part);
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(lower_digests),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    lower_digests(&mut entry.key);
                    lower_digests(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(of) => {
            lower_digests(&mut of.iter_range);
            lower_digests(&mut of.loop_step);
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

/// Returns true for a field that is a digest: `t.md5`, `t["md5"]`, or `md5` alone.
fn is_digest(part: &IdedExpr) -> bool {
    let is_name = |name: &str| matches!(name, "md5" | "sha1" | "sha256");
    match &part.expr {
        Expr::Ident(name) => is_name(name),
        Expr::Select(select) => !select.test && is_name(&select.field),
        Expr::Call(call) if call.func_name == "_[_]" => match call.args.get(1).map(|of| &of.expr) {
            Some(Expr::Literal(LiteralValue::String(name))) => is_name(name.inner()),
            _ => false,
        },
        _ => false,
    }
}

/// Converts a text, or those of a list, to lower case where it may be a digest or a part of one.
fn lower_text(part: &mut IdedExpr) {
    match &mut part.expr {
        Expr::Literal(LiteralValue::String(text)) => {
            let digits = text.inner();
            if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                *text = digits.to_ascii_lowercase().into();
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(lower_text),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::check::{Expression, Scope};

    #[test]
    fn digests_are_compared_without_regard_to_case_and_other_texts_with_it() {
        let session = json!({
            "login": {"user": "AB12"},
            "transfers": [{"name": "AB12", "md5": "0cc175b9c0f1b6a831c399e269772661", "sha256": "ca978112ca1b"}]
        });
        let is_true = |text: &str| {
            let expression = Expression::compile(text, Scope::Session).expect(text);
            expression.is_true(&session)
        };
        for text in [
            "transfers.exists(t, t.md5 == '0CC175B9C0F1B6A831C399E269772661')",
            "transfers.exists(t, '0cc175b9C0F1B6A831c399e269772661' == t['md5'])",
            "transfers.exists(t, t.sha256 in ['AB', 'CA978112CA1B'] && t.name == 'AB12')",
            "transfers.exists(t, t.sha256.startsWith('CA97') && t.name in ['AB12'])",
            "transfers.all(t, t.md5 != 'AB12') && login.user == 'AB12'",
        ] {
            assert!(is_true(text), "{text}");
        }
        for text in [
            "transfers.exists(t, t.md5 != '0CC175B9C0F1B6A831C399E269772661')",
            "transfers.exists(t, t.sha256 != null && t.name == 'ab12')",
        ] {
            assert!(!is_true(text), "{text}");
        }
    }
}
