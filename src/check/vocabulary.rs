//! Names that expressions and expectation files may use, taken from the JSON Schema of the report.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use crate::model::Timestamp;
use crate::model::record::{
    Address, Capture, ConnectionAttempt, Finding, Server, Session, Step, Transfer, UnmatchedData,
    WarningRecord,
};
use crate::report::{EventLine, Report};

use super::Scope;
use super::file::FINDINGS;

/// The schema of an object and of those that enclose it.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    scope: Scope,
    definitions: Value,
    object: Value,
    /// Enclosing objects by name.
    enclosing: Vec<(&'static str, Value)>,
}

impl Vocabulary {
    /// Builds the vocabulary of an object alone.
    pub(super) fn new(scope: Scope) -> Self {
        Self::with(scope, &[])
    }

    /// Builds the vocabulary of an object within a report and, for parts of a session, within the session.
    pub(super) fn in_report(scope: Scope) -> Self {
        match scope {
            Scope::Capture | Scope::Event => Self::with(scope, &[]),
            Scope::Session => Self::with(scope, &[Scope::Capture]),
            Scope::Transfer | Scope::Step | Scope::Finding => {
                Self::with(scope, &[Scope::Capture, Scope::Session])
            }
        }
    }

    fn with(scope: Scope, enclosing: &[Scope]) -> Self {
        // Of the serialized form, with renamed fields as users see them.
        let mut generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let object = schema_of(scope, &mut generator);
        let enclosing = enclosing
            .iter()
            .map(|scope| (scope.name(), schema_of(*scope, &mut generator)))
            .collect();
        let mut definitions = Value::Object(generator.take_definitions(true));
        let ids = FINDINGS.iter().map(|(id, _)| (*id).to_owned());
        set_choices(&mut definitions, "Finding", "id", ids.collect());
        if scope == Scope::Event {
            set_choices(&mut definitions, "EventFields", "type", event_types());
        }
        Self {
            scope,
            definitions,
            object,
            enclosing,
        }
    }

    /// Returns the kind of the object.
    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// Returns the schema of an enclosing object; `None` if there is none of this name.
    pub(super) fn enclosing(&self, name: &str) -> Option<(&'static str, &Value)> {
        let (name, schema) = self.enclosing.iter().find(|(known, _)| *known == name)?;
        Some((name, self.resolve(schema)))
    }

    /// Returns the schema of the object.
    pub(super) fn object(&self) -> &Value {
        self.resolve(&self.object)
    }

    /// Returns the schema of a field; `None` if there is none of this name.
    pub(super) fn field<'a>(&'a self, of: &'a Value, name: &str) -> Option<&'a Value> {
        self.resolve(of)
            .get("properties")?
            .get(name)
            .map(|found| self.resolve(found))
    }

    /// Returns the schema of a list's items; `None` for other values.
    pub(super) fn items<'a>(&'a self, of: &'a Value) -> Option<&'a Value> {
        self.resolve(of)
            .get("items")
            .map(|found| self.resolve(found))
    }

    /// Classifies the values of a field.
    pub(super) fn kind<'a>(&'a self, of: &'a Value) -> FieldKind<'a> {
        let schema = self.resolve(of);
        // schemars writes enums with documented variants as `oneOf` of constants.
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let words = choices
                .iter()
                .filter_map(|choice| choice.get("const")?.as_str());
            return FieldKind::Text(words.collect());
        }
        let is = |name: &str| match schema.get("type") {
            Some(Value::Array(types)) => types.iter().any(|one| one == name),
            Some(one) => one == name,
            None => false,
        };
        if is("string") {
            let choices = schema.get("enum").and_then(Value::as_array);
            let words = choices.map(|list| list.iter().filter_map(Value::as_str).collect());
            FieldKind::Text(words.unwrap_or_default())
        } else if is("integer") || is("number") {
            FieldKind::Number
        } else if is("boolean") {
            FieldKind::Flag
        } else if is("array") {
            FieldKind::List
        } else {
            FieldKind::Object
        }
    }

    /// Returns true for a time, which reports write as RFC 3339 with nine digits of a second.
    pub(super) fn is_time(&self, of: &Value) -> bool {
        let schema = self.resolve(of);
        schema.get("format").and_then(Value::as_str) == Some("date-time")
    }

    /// Returns true for an IP address.
    pub(super) fn is_address(&self, of: &Value) -> bool {
        let schema = self.resolve(of);
        schema.get("format").and_then(Value::as_str) == Some("ip")
    }

    /// Returns the least value of an integer; `None` for other fields, and for one without a bound.
    pub(super) fn least(&self, of: &Value) -> Option<i64> {
        self.resolve(of).get("minimum").and_then(Value::as_i64)
    }

    /// Returns the names of all fields; empty for other values than objects.
    pub(super) fn names<'a>(&'a self, of: &'a Value) -> Vec<&'a str> {
        let fields = self
            .resolve(of)
            .get("properties")
            .and_then(Value::as_object);
        fields
            .map(|fields| fields.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// Returns the way to a field of this name one level down: `login.user`, or an item of a list. `None` if there is none.
    pub(super) fn path_to(&self, of: &Value, wanted: &str) -> Option<String> {
        let fields = || self.names(of).into_iter();
        let in_object = fields().find(|name| {
            let object = self.field(of, name);
            object.is_some_and(|object| self.field(object, wanted).is_some())
        });
        if let Some(name) = in_object {
            return Some(format!("{name}.{wanted}"));
        }
        let in_list = fields().find(|name| {
            let items = self.field(of, name).and_then(|list| self.items(list));
            items.is_some_and(|item| self.field(item, wanted).is_some())
        })?;
        Some(format!("{in_list}.exists(one, one.{wanted} == …)"))
    }

    /// Returns the field name most similar to an unknown one; `None` if none is similar.
    pub(super) fn nearest<'a>(&'a self, of: &'a Value, wanted: &str) -> Option<&'a str> {
        nearest(self.names(of), wanted)
    }

    /// Follows `$ref`, and the alternative of `anyOf` that is not null.
    fn resolve<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        // Bounded, since a schema may refer to itself.
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

/// The kind of values that a field has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldKind<'a> {
    /// String; one of these words, or any if there are none.
    Text(Vec<&'a str>),
    /// Number.
    Number,
    /// Boolean.
    Flag,
    /// List.
    List,
    /// Object with fields.
    Object,
}

/// Returns the name most similar to an unknown one, else the only one that it begins; `None` if all others differ in more
/// than a quarter of the letters.
pub(super) fn nearest<'a>(
    names: impl IntoIterator<Item = &'a str>,
    wanted: &str,
) -> Option<&'a str> {
    let names: Vec<&str> = names.into_iter().collect();
    let similar = names.iter().min_by_key(|name| distance(name, wanted));
    let similar = similar.filter(|name| distance(name, wanted) <= 1 + wanted.len() / 4);
    let mut begun = names.iter().filter(|name| name.starts_with(wanted));
    let begun = match (begun.next(), begun.next()) {
        (Some(name), None) if wanted.len() >= LEAST_BEGINNING => Some(name),
        _ => None,
    };
    similar.or(begun).copied()
}

/// Returns the number of hexadecimal digits of a field that is a digest; `None` for other fields.
pub(super) fn digest_digits(field: &str) -> Option<usize> {
    match field {
        "sha256" | "certificate_sha256" => Some(64),
        "sha1" => Some(40),
        "md5" => Some(32),
        _ => None,
    }
}

fn schema_of(scope: Scope, generator: &mut SchemaGenerator) -> Value {
    let schema = match scope {
        Scope::Session => generator.subschema_for::<Session>(),
        Scope::Transfer => generator.subschema_for::<Transfer>(),
        Scope::Step => generator.subschema_for::<Step>(),
        Scope::Finding => generator.subschema_for::<Finding>(),
        Scope::Capture => generator.subschema_for::<Report>(),
        Scope::Event => generator.subschema_for::<EventFields>(),
    };
    schema.to_value()
}

/// Lists the values of a field that the published schema keeps open, so that a misspelled one is found in an expression.
fn set_choices(definitions: &mut Value, of: &str, field: &str, choices: Vec<String>) {
    let properties = definitions
        .get_mut(of)
        .and_then(|object| object.get_mut("properties"));
    if let Some(Value::Object(schema)) = properties.and_then(|all| all.get_mut(field)) {
        schema.insert("enum".to_owned(), choices.into());
    }
}

/// Returns the types of events that an alert may mark: all but the totals, which end a run.
fn event_types() -> Vec<String> {
    let schema = schemars::schema_for!(EventLine).to_value();
    let kinds = schema.get("oneOf").and_then(Value::as_array);
    let name = |kind: &Value| {
        let name = kind
            .get("properties")?
            .get("type")?
            .get("const")?
            .as_str()?;
        (name != "totals").then(|| name.to_owned())
    };
    kinds.into_iter().flatten().filter_map(name).collect()
}

/// Fields of all kinds of events. Those that an event of this `type` does not have are null to an expression.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only the schema is used")]
struct EventFields {
    r#type: String,
    time: Option<Timestamp>,
    session: Option<u64>,
    client: Option<Address>,
    server: Option<Server>,
    user: Option<String>,
    step: Option<Step>,
    transfer: Option<Transfer>,
    bytes: Option<u64>,
    throughput: Option<f64>,
    finding: Option<Finding>,
    report: Option<Session>,
    unmatched_data: Option<UnmatchedData>,
    connection_attempt: Option<ConnectionAttempt>,
    warning: Option<WarningRecord>,
    capture: Option<Capture>,
    interface: Option<String>,
}

/// Letters of a name that are enough to suggest the rest.
const LEAST_BEGINNING: usize = 5;

/// Returns the Levenshtein distance of two names.
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
    fn types_of_events_and_ids_of_findings_are_choices() {
        let words = Vocabulary::new(Scope::Event);
        let kind = |of: &str| {
            let field = words.field(words.object(), of).expect("a field");
            match words.kind(field) {
                FieldKind::Text(choices) => choices,
                other => panic!("{other:?}"),
            }
        };
        let types = kind("type");
        assert!(
            types.contains(&"transfer") && types.contains(&"session_end"),
            "{types:?}"
        );
        assert!(!types.contains(&"totals"), "{types:?}");
        assert!(kind("user").is_empty());
        let finding = words.field(words.object(), "finding").expect("a field");
        let id = words.field(finding, "id").expect("a field");
        assert!(matches!(words.kind(id), FieldKind::Text(ids) if ids.contains(&"brute-force")));
    }

    #[test]
    fn names_are_the_fields_of_the_report() {
        let words = Vocabulary::new(Scope::Session);
        let login = words.field(words.object(), "login").expect("a field");
        assert!(words.field(login, "user").is_some());
        assert!(words.field(login, "usr").is_none());
        assert_eq!(words.nearest(login, "usr"), Some("user"));
        assert_eq!(words.nearest(login, "completely_else"), None);
        assert_eq!(words.nearest(login, "anony"), Some("anonymous"));
        let transfer = words
            .items(words.field(words.object(), "transfers").expect("a field"))
            .expect("items");
        assert!(words.field(transfer, "sha256").is_some());
        let dns = words.field(words.object(), "dns").expect("a field");
        assert!(words.field(dns, "aliases").is_some());
    }
}
