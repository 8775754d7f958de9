//! Values that an expression looked at, in words.

use serde_json::Value;

use super::super::constraint::shown;
use super::super::expression::Fact;

/// `login.user is "mira", tls is null`; of a list that was looked through, all values together.
pub(super) fn values(facts: &[Fact]) -> String {
    let mut words: Vec<(String, Vec<String>)> = Vec::new();
    let of_list = |fact: &Fact| without_index(&fact.name);
    for fact in facts {
        let list = of_list(fact).filter(|list| {
            let same = facts
                .iter()
                .filter(|other| of_list(other).as_ref() == Some(list));
            same.count() > FEW
        });
        let name = list.unwrap_or_else(|| fact.name.clone());
        let value = match &fact.value {
            Value::Object(_) => "there".to_owned(),
            value => shown(value),
        };
        match words.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => words.push((name, vec![value])),
        }
    }
    let words = words.into_iter().map(|(name, values)| match values.len() {
        1 => format!("{name} is {}", values.join("")),
        _ => format!("{name} are {}", values.join(", ")),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// `steps[].kind` of `steps[3].kind`.
fn without_index(name: &str) -> Option<String> {
    let (list, rest) = name.split_once('[')?;
    let (_, field) = rest.split_once(']')?;
    Some(format!("{list}[]{field}"))
}

/// Items of a list that are named one by one.
const FEW: usize = 2;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn many_items_of_a_list_are_told_together() {
        let fact = |name: &str, value: &str| Fact {
            name: name.to_owned(),
            value: json!(value),
            is_in_the_way: false,
        };
        let mut facts = vec![
            fact("login.user", "a"),
            fact("steps[0].kind", "dns"),
            fact("steps[1].kind", "login"),
        ];
        assert_eq!(
            values(&facts),
            "login.user is \"a\", steps[0].kind is \"dns\", steps[1].kind is \"login\""
        );
        facts.push(fact("steps[2].kind", "quit"));
        assert_eq!(
            values(&facts),
            "login.user is \"a\", steps[].kind are \"dns\", \"login\", \"quit\""
        );
    }
}
