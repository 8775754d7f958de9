//! Meaning of expressions, and the messages for errors in them.

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
fn fields_are_in_scope_alone_and_behind_the_name_of_the_object() {
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
        "1 / 0 == 1",
        "login.user == 'eve'",
        "transfers[9].bytes == 1",
    ] {
        assert!(!is_true(text, &session), "{text}");
    }
}

#[test]
fn unknown_name_is_reported_with_the_nearest_known_one() {
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
fn syntax_errors_are_reported_with_their_position() {
    assert_eq!(
        mistake("login.user =="),
        "the expression ends too early at column 14 of login.user =="
    );
    for (text, message) in [
        ("", "there is no expression"),
        (
            "id == (1",
            "ends too early at column 9 of id == (1; a ) is missing",
        ),
        (
            "id = 1",
            "there is no = in CEL at column 4 of id = 1; write == to compare",
        ),
        ("id =~ 1", "there is no =~ in CEL at column 4"),
        ("id & 1", "write && for and"),
        ("id == 1 and id == 2", "there is no and in CEL at column 9"),
        ("not midstream", "there is no not in CEL"),
        ("id == 1)", ") does not belong here at column 8"),
        ("end_state == \"x", "this text cannot be read at column 14"),
        ("if id", "if is a word that CEL reserves at column 1"),
        ("id == \u{201c}x\u{201d}", "texts stand between"),
        ("midstream ? true", "the expression is not complete"),
        (
            "steps.all(s.kind, true)",
            "a name for the items is expected here at column 12",
        ),
        (
            "steps.all(s)",
            "all takes a name and a condition at column 1",
        ),
        ("foo(id) == 1", "there is no function foo at column 1"),
        ("login.user.startswith('a')", "did you mean startsWith?"),
    ] {
        let found = mistake(text);
        assert!(found.contains(message), "{text}: {found}");
    }
}

#[test]
fn type_errors_are_reported_before_evaluation() {
    for (text, message) in [
        (
            "login.user",
            "login.user is a text, not true or false at column 1 of login.user",
        ),
        ("1 + 1", "this is a number, not true or false"),
        (
            "login.user == 5",
            "login.user is a text, 5 is a number: they are never equal at column 1 of login.user == 5; \
             texts stand in quotes: \"5\"",
        ),
        (
            "size(steps) == '2'",
            "size(…) is a number, \"2\" is a text: they are never equal at column 1 of size(steps) == '2'; \
             numbers stand without quotes: 2",
        ),
        ("midstream == 'true'", "true stands without quotes"),
        ("login.user > 5", "neither is more than the other"),
        (
            "steps > 5",
            "steps is a list, not a number or a text at column 1 of steps > 5; write size(steps)",
        ),
        (
            "login.outcome == 'acepted'",
            "login.outcome is never \"acepted\" at column 18",
        ),
        ("end_state in ['closed', 'rset']", "did you mean \"reset\"?"),
        (
            "steps.exists(s, s.kind == 'logn')",
            "s.kind is never \"logn\"",
        ),
        ("login.user + 5 == 'x'", "CEL does not calculate with both"),
        ("duration / 2 > 1.0", "write 2.0"),
        ("id * duration > 1.0", "write double(id)"),
        (
            "login.user.matches('(')",
            "\"(\" is no regular expression: unclosed group at column 20",
        ),
        ("size(login.user, 5) > 1", "size is for one value"),
        ("id.contains('1')", "id is a number, not a text"),
        ("login['usr'] == 'x'", "there is no usr"),
        (
            "transfers.name == 'x'",
            "transfers is a list and has no field name",
        ),
        (
            "steps.map(s, s.kind).all(k, k > 5)",
            "k is a text, 5 is a number",
        ),
        (
            "steps.filter(s, s.kind).size() > 0",
            "s.kind is a text, not true or false",
        ),
        (
            "login.user.all(c, c == 'x')",
            "login.user is a text, not a list",
        ),
        ("'x' in login.user", "write login.user.contains(…)"),
        (
            "id == 1 && 'x'",
            "\"x\" is a text, not true or false at column 12",
        ),
        ("!login.user", "login.user is a text, not true or false"),
    ] {
        let found = mistake(text);
        assert!(found.contains(message), "{text}: {found}");
    }
    // Fields that may be null, parts of unknown type, and both types of numbers pass.
    for text in [
        "tls == null || tls.version != null",
        "duration < 5 && id < 2.5 && id == 1.0",
        "has(tls.version) && !has(login.user)",
        "size(transfers.filter(t, t.bytes > 5).map(t, t.name)) == 2",
        "transfers.exists_one(t, t.direction == 'listing') ? true : midstream",
        "'x' in login || 'a' in ['a', null]",
        "string(id) == '1' && int('5') == 5 && double(id) / 2.0 > 0.5",
        "[1, 'a'].exists(one, one == 'a')",
        "steps.all(s, s.commands.all(c, c.replies.all(r, r.code < 400)))",
        "max(1, 2) == 2 && start < '2026' && -1 < id",
        "login['user'] == 'x'",
    ] {
        Expression::compile(text, Scope::Session).expect(text);
    }
}

#[test]
fn nested_lists_stop_at_the_work_limit() {
    let steps: Vec<_> = (0..3000).map(|number| json!({"number": number})).collect();
    let session = json!({"id": 1, "steps": steps});
    let text = "steps.all(a, steps.all(b, steps.exists(c, c.number > a.number + b.number + 9000)))";
    let expression = Expression::compile(text, Scope::Session).expect(text);
    let report = json!({});
    let judged = Prepared::new(&expression, &report).judge(&session, None);
    // The first pass over the innermost list decides: `all` stops at the first false.
    assert!(matches!(judged, Judgement::False(_)), "{judged:?}");
    let text = "steps.all(a, steps.all(b, a.number >= 0))";
    let expression = Expression::compile(text, Scope::Session).expect(text);
    let prepared = Prepared::new(&expression, &report);
    assert!(!prepared.is_true(&session, None));
    assert!(prepared.has_given_up());
    let Judgement::Undecided(cause, _) = prepared.judge(&session, None) else {
        panic!("the limit is not exceeded");
    };
    assert!(cause.contains("too much work"), "{cause}");
    // One list after another is no such work, however many objects there are.
    let small = json!({"id": 1, "steps": [{"number": 1}]});
    let text = "steps.all(a, a.number == 1)";
    let expression = Expression::compile(text, Scope::Session).expect(text);
    let prepared = Prepared::new(&expression, &report);
    assert!((0..5000).all(|_| prepared.is_true(&small, None)));
}

#[test]
fn expressions_beyond_the_length_or_depth_limit_are_refused() {
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
    let (Judgement::False(facts) | Judgement::Undecided(_, facts)) = judgement else {
        return Vec::new();
    };
    facts
        .into_iter()
        .map(|fact| (fact.name, fact.value))
        .collect()
}

#[test]
fn report_and_enclosing_session_are_in_scope_of_a_transfer() {
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
fn false_assertion_lists_the_values_that_it_read() {
    let session = json!({
        "login": {"user": "eve", "outcome": "accepted"}, "tls": null,
        "transfers": [{"bytes": 5, "connection": null}, {"bytes": 500, "connection": {"close": "fin"}}]
    });
    let found = facts(judged(
        "login.user == 'bob' || tls != null",
        Scope::Session,
        &session,
    ));
    assert_eq!(
        found,
        [
            ("login.user".to_owned(), json!("eve")),
            ("tls".to_owned(), json!(null))
        ]
    );
    let found = facts(judged(
        "transfers.all(t, t.bytes > 100)",
        Scope::Session,
        &session,
    ));
    assert_eq!(found, [("transfers[0].bytes".to_owned(), json!(5))]);
    let found = facts(judged("size(transfers) > 5", Scope::Session, &session));
    assert_eq!(found, [("size(transfers)".to_owned(), json!(2))]);
}

#[test]
fn null_that_blocks_evaluation_is_named() {
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
        let Judgement::Undecided(found, _) = judged(text, Scope::Session, &session) else {
            panic!("{text} is decided");
        };
        assert_eq!(found, cause, "{text}");
    }
    assert_eq!(
        judged("tls == null", Scope::Session, &session),
        Judgement::True
    );
}
