//! Texts of an expression as the report spells them.
//!
//! Reports have digests in lower case, which people write in either. A text of hexadecimal digits that stands beside the field of
//! a digest, as in `sha256 == "9F86D081…"`, `t.md5 in ["…"]` or `t.sha1.startsWith("2A")`, is converted before the expression
//! runs. So is a time beside the field of one, which the type check found.

use std::collections::BTreeMap;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

use super::impossible::name_of;
use crate::check::vocabulary::digest_digits;

/// Converts the digests in an expression to lower case, and puts `times` in the place of texts, by their ids.
pub(super) fn spell_as_reported(expression: &mut IdedExpr, times: &BTreeMap<u64, String>) {
    each_part(expression, &mut |part| match &mut part.expr {
        Expr::Literal(LiteralValue::String(literal)) => {
            if let Some(time) = times.get(&part.id) {
                *literal = time.clone().into();
            }
        }
        Expr::Call(call) => {
            let mut parts = call.target.as_deref().into_iter().chain(&call.args);
            if parts.any(is_digest) {
                let target = call.target.as_deref_mut();
                target
                    .into_iter()
                    .chain(&mut call.args)
                    .for_each(lower_text);
            }
        }
        _ => {}
    });
}

/// Calls `f` for an expression and each of its parts.
fn each_part(expression: &mut IdedExpr, f: &mut dyn FnMut(&mut IdedExpr)) {
    f(expression);
    match &mut expression.expr {
        Expr::Select(select) => each_part(&mut select.operand, f),
        Expr::Call(call) => {
            let target = call.target.as_deref_mut();
            for part in target.into_iter().chain(&mut call.args) {
                each_part(part, f);
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(|part| each_part(part, f)),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    each_part(&mut entry.key, f);
                    each_part(&mut entry.value, f);
                }
            }
        }
        Expr::Comprehension(of) => {
            each_part(&mut of.iter_range, f);
            each_part(&mut of.loop_step, f);
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

/// Returns true for a field that is a digest: `t.md5`, `t["md5"]`, or `md5` alone.
fn is_digest(part: &IdedExpr) -> bool {
    name_of(part).and_then(digest_digits).is_some()
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
            "transfers": [{"name": "AB12", "md5": "0cc175b9c0f1b6a831c399e269772661", "sha256": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}]
        });
        let is_true = |text: &str| {
            let expression = Expression::compile(text, Scope::Session).expect(text);
            expression.is_true(&session)
        };
        for text in [
            "transfers.exists(t, t.md5 == '0CC175B9C0F1B6A831C399E269772661')",
            "transfers.exists(t, '0cc175b9C0F1B6A831c399e269772661' == t['md5'])",
            "transfers.exists(t, t.sha256 in ['CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB'])",
            "transfers.exists(t, t.sha256.startsWith('CA97') && t.name in ['AB12'])",
            "transfers.all(t, t.md5 != '0CC175B9C0F1B6A831C399E269772662') && login.user == 'AB12'",
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
