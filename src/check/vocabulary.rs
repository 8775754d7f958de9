//! The names that an expression may use, taken from the JSON Schema of the report: the names users see are the names there are.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::model::record::{Finding, Session, Step, Transfer};

use super::Scope;

/// The schema of the object that an expression is about.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    definitions: Value,
    object: Value,
}

impl Vocabulary {
    pub(super) fn new(scope: Scope) -> Self {
        let mut generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let object = schema_of(scope, &mut generator);
        let definitions = Value::Object(generator.take_definitions(true));
        Self {
            definitions,
            object,
        }
    }

    /// The object itself.
    pub(super) fn object(&self) -> &Value {
        self.resolve(&self.object)
    }

    /// The schema of one field; `None` where there is none of that name.
    pub(super) fn field<'a>(&'a self, of: &'a Value, name: &str) -> Option<&'a Value> {
        self.resolve(of)
            .get("properties")?
            .get(name)
            .map(|found| self.resolve(found))
    }

    /// The schema of a list's items.
    pub(super) fn items<'a>(&'a self, of: &'a Value) -> Option<&'a Value> {
        self.resolve(of)
            .get("items")
            .map(|found| self.resolve(found))
    }

    /// The names of all fields.
    pub(super) fn names<'a>(&'a self, of: &'a Value) -> Vec<&'a str> {
        let fields = self
            .resolve(of)
            .get("properties")
            .and_then(Value::as_object);
        fields
            .map(|fields| fields.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// The name nearest to one that is not there, if any is near.
    pub(super) fn nearest<'a>(&'a self, of: &'a Value, wanted: &str) -> Option<&'a str> {
        let near = |name: &&str| distance(name, wanted);
        self.names(of)
            .into_iter()
            .min_by_key(near)
            .filter(|name| distance(name, wanted) <= 1 + wanted.len() / 4)
    }

    /// Follows references, and takes of `anyOf` what is not null.
    fn resolve<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..8 {
            if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
                let name = path.rsplit('/').next().unwrap_or_default();
                match self.definitions.get(name) {
                    Some(found) => schema = found,
                    None => return schema,
                }
            } else if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
                let is_null =
                    |choice: &&Value| choice.get("type").and_then(Value::as_str) != Some("null");
                match choices.iter().find(is_null) {
                    Some(found) => schema = found,
                    None => return schema,
                }
            } else {
                return schema;
            }
        }
        schema
    }
}

fn schema_of(scope: Scope, generator: &mut SchemaGenerator) -> Value {
    let schema = match scope {
        Scope::Session => generator.subschema_for::<Session>(),
        Scope::Transfer => generator.subschema_for::<Transfer>(),
        Scope::Step => generator.subschema_for::<Step>(),
        Scope::Finding => generator.subschema_for::<Finding>(),
    };
    schema.to_value()
}

/// How many letters must change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_report() {
        let words = Vocabulary::new(Scope::Session);
        let login = words.field(words.object(), "login").expect("a field");
        assert!(words.field(login, "user").is_some());
        assert!(words.field(login, "usr").is_none());
        assert_eq!(words.nearest(login, "usr"), Some("user"));
        assert_eq!(words.nearest(login, "completely_else"), None);
        let transfer = words
            .items(words.field(words.object(), "transfers").expect("a field"))
            .expect("items");
        assert!(words.field(transfer, "sha256").is_some());
        let dns = words.field(words.object(), "dns").expect("a field");
        assert!(words.field(dns, "aliases").is_some());
    }
}
