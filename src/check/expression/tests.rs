//! What expressions mean, and how their mistakes are told.

use serde_json::json;

use super::*;

fn is_true(text: &str, object: &serde_json::Value) -> bool {
    Expression::compile(text, Scope::Session)
        .expect(text)
        .is_true(object)
}

fn mistake(text: &str) -> String {
    Expression::compile(text, Scope::Session)
        .expect_err(text)
        .to_string()
}

#[test]
fn fields_stand_in_scope_and_behind_the_name_of_the_object() {
    let session = json!({
        "id": 7, "login": {"user": "bob", "password": null}, "dns": null, "start": "2026-01-02T00:00:00Z",
        "transfers": [{"name": "a.zip", "bytes": 10}, {"name": "b.txt", "bytes": 2_000_000}]
    });
    for text in [
        "login.user == 'bob'",
        "session.id == 7",
        "transfers.exists(t, t.bytes > 1000000)",
        "transfers.all(t, t.name.matches('[.](zip|txt)$'))",
        "transfers[0].name == 'a.zip'",
        "dns == null",
        "size(transfers) == 2 && start < '2026-02'",
        "transfers.filter(t, t.bytes > 5.5).size() == 2",
        "'b' in ['a', 'b']",
    ] {
        assert!(is_true(text, &session), "{text}");
    }
    for text in [
        "dns.name == 'x'",
        "login.user",
        "1 / 0 == 1",
        "login.user == 'eve'",
        "transfers[9].bytes == 1",
    ] {
        assert!(!is_true(text, &session), "{text}");
    }
}

#[test]
fn an_unknown_name_is_shown_with_the_nearest_there_is() {
    let text = mistake("login.usr == 'bob'");
    assert_eq!(
        text,
        "there is no usr at column 7 of login.usr == 'bob'; did you mean user?"
    );
    assert!(mistake("lgoin.user == 'bob'").contains("did you mean login?"));
    assert!(mistake("transfers.exists(t, t.sha265 == '')").contains("did you mean sha256?"));
    assert!(mistake("transfers[0].foo == 1").contains("there is no foo"));
    assert!(mistake("report.sessions.size() > 0").contains("there is no report"));
}

#[test]
fn what_cannot_be_read_is_shown_with_its_place() {
    assert_eq!(
        mistake("login.user =="),
        "mismatched input '<EOF>' at column 14 of login.user =="
    );
    assert!(mistake("foo(id) == 1").starts_with("there is no function foo at column 1"));
    assert!(!mistake("").is_empty());
}

#[test]
fn long_and_deep_expressions_are_refused() {
    assert!(mistake(&"a".repeat(5000)).contains("4 KiB"));
    assert!(mistake(&format!("{}1{}", "(".repeat(40), ")".repeat(40))).contains("32 levels"));
    assert!(mistake(&format!("{}true", "!".repeat(2000))).contains("32 levels"));
    assert!(mistake(&vec!["id"; 900].join("+")).contains("32 levels"));
}

fn judged(text: &str, scope: Scope, object: &serde_json::Value) -> Judgement {
    let report =
        json!({"sessions": [{"id": 1}, {"id": 2}], "captures": [], "totals": {"sessions": 2}});
    let session = json!({"id": 2, "login": {"user": "bob"}, "tls": null});
    let expression = Expression::compile_in_report(text, scope).expect(text);
    Prepared::new(&expression, &report).judge(object, Some(&session))
}

fn facts(judgement: Judgement) -> Vec<(String, serde_json::Value)> {
    let (Judgement::False(facts) | Judgement::Stumbled(_, facts)) = judgement else {
        return Vec::new();
    };
    facts
        .into_iter()
        .map(|fact| (fact.name, fact.value))
        .collect()
}

#[test]
fn the_report_and_the_session_around_are_in_scope_where_they_are_at_hand() {
    let transfer = json!({"id": 1, "bytes": 5});
    for text in [
        "session.login.user == 'bob' && bytes == 5",
        "report.totals.sessions == 2",
        "transfer.bytes == report.sessions[0].id + 4",
        "session.tls == null",
    ] {
        assert_eq!(
            judged(text, Scope::Transfer, &transfer),
            Judgement::True,
            "{text}"
        );
    }
    let hint = Expression::compile_in_report("session.lgoin.user == ''", Scope::Transfer);
    assert!(
        hint.expect_err("unknown")
            .to_string()
            .contains("did you mean login?")
    );
    assert!(Expression::compile("session.id == 1", Scope::Transfer).is_err());
}

#[test]
fn what_is_false_tells_the_values_that_it_looked_at() {
    let session = json!({
        "login": {"user": "eve", "outcome": "accepted"}, "tls": null,
        "transfers": [{"bytes": 5, "connection": null}, {"bytes": 500, "connection": {"close": "fin"}}]
    });
    let told = facts(judged(
        "login.user == 'bob' || tls != null",
        Scope::Session,
        &session,
    ));
    assert_eq!(
        told,
        [
            ("login.user".to_owned(), json!("eve")),
            ("tls".to_owned(), json!(null))
        ]
    );
    let told = facts(judged(
        "transfers.all(t, t.bytes > 100)",
        Scope::Session,
        &session,
    ));
    assert_eq!(told, [("transfers[0].bytes".to_owned(), json!(5))]);
    let told = facts(judged("size(transfers) > 5", Scope::Session, &session));
    assert_eq!(told, [("size(transfers)".to_owned(), json!(2))]);
}

#[test]
fn a_null_in_the_way_is_named() {
    let session =
        json!({"tls": null, "transfers": [{"connection": {"close": "fin"}}, {"connection": null}]});
    for (text, cause) in [
        ("tls.version == 'TLS 1.3'", "tls is null"),
        (
            "transfers.all(t, t.connection.close == 'fin')",
            "transfers[1].connection is null",
        ),
        ("session.dns.response_time < 0.5", "session.dns is null"),
    ] {
        let Judgement::Stumbled(found, _) = judged(text, Scope::Session, &session) else {
            panic!("{text} does not stumble");
        };
        assert_eq!(found, cause, "{text}");
    }
    assert_eq!(
        judged("tls == null", Scope::Session, &session),
        Judgement::True
    );
}
