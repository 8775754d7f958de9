//! Fields of sessions and transfers, by the names that they have in the report: `login.user`, `connection.close`.

use serde_json::Value as Json;
use toml_edit::TableLike;

use super::super::expression::Scope;
use super::super::vocabulary::{FieldKind, Vocabulary};
use super::FieldExpectation;
use super::reader::Reader;

impl Reader<'_> {
    /// A field, or the fields of an object that is one.
    pub(super) fn field(
        &mut self,
        table: &dyn TableLike,
        name: &str,
        scope: Scope,
        keys: &[&str],
    ) -> Vec<FieldExpectation> {
        let words = if scope == Scope::Transfer {
            self.transfer.clone()
        } else {
            self.session.clone()
        };
        let mut fields = Vec::new();
        self.fields_below(
            table,
            name,
            (&words, words.object()),
            keys,
            &mut Vec::new(),
            &mut fields,
        );
        fields
    }

    fn fields_below(
        &mut self,
        table: &dyn TableLike,
        name: &str,
        (words, of): (&Vocabulary, &Json),
        keys: &[&str],
        path: &mut Vec<String>,
        fields: &mut Vec<FieldExpectation>,
    ) {
        let Some((key, item)) = table.get_key_value(name) else {
            return;
        };
        let Some(schema) = words.field(of, name) else {
            let all = words.names(of).into_iter().chain(keys.iter().copied());
            let all: Vec<&str> = all.collect();
            let what = match path.last() {
                Some(object) => object.clone(),
                None => format!("a {}", words.scope().name()),
            };
            self.unknown_key(table, name, &what, &all);
            return;
        };
        path.push(name.to_owned());
        let kind = words.kind(schema);
        let inner = item.as_table_like();
        let has_fields = inner.is_some_and(|inner| {
            let mut names = inner.iter();
            names.any(|(name, _)| !matches!(name, "absent" | "glob" | "matches"))
        });
        match inner {
            Some(inner) if kind == FieldKind::Object && has_fields => {
                for (name, _) in inner.iter() {
                    self.fields_below(inner, name, (words, schema), &[], path, fields);
                }
            }
            _ => {
                if let Some(constraint) = self.constraint(item, &kind) {
                    fields.push(FieldExpectation {
                        at: self.position(key.span()),
                        path: path.clone(),
                        constraint,
                    });
                }
            }
        }
        path.pop();
    }
}
