//! Expressions on bodies.

mod time;

use std::sync::Arc;

use super::budget::Budget;
use super::{Body, Cel, Expression, json};
use crate::failure::Reason;

/// What an expression says of a body, or why it cannot be said.
fn says(expression: &str, body: &str) -> Result<bool, String> {
    let expression = Expression::new(expression).expect(expression);
    let body = Body(json::value(body.as_bytes().to_vec()).map_err(|failure| failure.message().to_owned())?);
    expression.evaluate(&body, &Arc::new(Budget::new())).map_err(|failure| failure.message().to_owned())
}

fn refused(expression: &str) -> String {
    Expression::new(expression).expect_err(expression)
}

#[test]
fn json_numbers_are_doubles() {
    for (expression, due) in [
        ("body.n == 3", true),
        ("body.n == 3.0", true),
        ("body.n == 3u", true),
        ("type(body.n) == double", true),
        ("type(body.n) == int", false),
        ("body.n > 2", true),
        ("body.n + 1.0 == 4.0", true),
        ("int(body.n) % 2 == 1", true),
        ("body.n in [1, 3]", true),
        ("body.list[0] == 1", true),
        ("body.list[body.n - 2.0] == 2.5", true),
    ] {
        assert_eq!(says(expression, r#"{"n": 3, "list": [1, 2.5]}"#), Ok(due), "{expression}");
    }
    assert!(says("body.n % 2 == 1", r#"{"n": 3}"#).is_err());
    assert!(says("body.n + 1 == 4", r#"{"n": 3}"#).is_err());
}

#[test]
fn the_standard_library_is_there() {
    let body = r#"{"s": "Zürich", "b": true, "z": null, "l": ["a", "b", "c"], "m": {"x": 1, "y": 2}}"#;
    for expression in [
        "body.s.startsWith('Z') && body.s.endsWith('h') && body.s.contains('ri')",
        "body.s.matches('^Z.*h$') && matches(body.s, 'ü')",
        "size(body.s) == 6 && body.l.size() == 3 && size(body.m) == 2",
        "has(body.m.x) && !has(body.m.q)",
        "body.l.all(x, size(x) == 1) && body.l.exists(x, x == 'b') && body.l.exists_one(x, x == 'c')",
        "body.l.map(x, x + x) == ['aa', 'bb', 'cc'] && body.l.filter(x, x != 'a') == ['b', 'c']",
        "body.l.map(x, x != 'b', x + '!') == ['a!', 'c!']",
        "body.m.all(k, body.m[k] > 0) && 'x' in body.m && !('q' in body.m)",
        "body.b && body.z == null && type(body.z) == null_type && type(body.m) == map && type(body.l) == list",
        "body.b ? body.l[0] == 'a' : false",
        "string(1) == '1' && int('2') == 2 && double('1.5') == 1.5 && uint(1) == 1u && bool('true')",
        "bytes('a') == b'a' && string(b'a') == 'a' && dyn(1) == 1",
        "{'a': 1, 'b': [2]}.b[0] == 2",
        "body.nothing == 1 || body.b",
        "body['s'] == 'Z\\u00fcrich'",
        "[1, 2].all(x, [1, 2].exists(y, x == y))",
        "body.l.map(x, {'k': x})[2].k == 'c'",
    ] {
        assert_eq!(says(expression, body), Ok(true), "{expression}");
    }
}

#[test]
fn patterns_are_those_of_re2() {
    let body = r#"{"digits": "\u0663", "dots": "a.b", "lines": "x\ny", "p": "^a.b$"}"#;
    for (expression, due) in [
        (r"body.digits.matches('\\d')", false),
        (r"matches(body.dots, '^\\Qa.b\\E$')", true),
        (r"body.lines.matches('(?m)^y$') && !body.lines.matches('^y$')", true),
        ("body.dots.matches(body.p)", true),
        ("[body.dots, body.lines].exists(x, x.matches(body.p))", true),
        ("[body.dots, body.lines].all(x, x.matches('[ax]'))", true),
    ] {
        assert_eq!(says(expression, body), Ok(due), "{expression}");
    }
}

#[test]
fn what_is_no_json_or_no_bool_says_nothing() {
    for (expression, body) in [
        ("body.foo.bar == 'baz'", "{}"),
        ("body.foo.bar == 'baz'", "not JSON"),
        ("body.foo.bar == 'baz'", ""),
        ("body.foo.bar == 'baz'", "🎉"),
        ("true", "{} {}"),
        ("true", "[1,]"),
        ("body.foo", r#"{"foo": "text"}"#),
        ("1", "{}"),
        ("body[3]", "[1]"),
        ("1 / 0 == 1", "{}"),
        ("body.matches(body + '(')", r#""x""#),
        ("body.matches('x')", "1"),
        ("body.matches(body)", "1"),
    ] {
        assert!(says(expression, body).is_err(), "{expression} of {body}");
    }
}

#[test]
fn any_json_is_a_body() {
    for (expression, body) in [
        ("body == 'baz'", r#""baz""#),
        ("body[1] == 'b'", r#"["a", "b"]"#),
        ("body", "true"),
        ("body.a == 2", r#"{"a": 1, "a": 2}"#),
        ("body == 1e3", " 1000 \n"),
        ("body == 18446744073709551616.0", "18446744073709551616"),
        ("body == '\u{fffd}'", "\"\\ufffd\""),
    ] {
        assert_eq!(says(expression, body), Ok(true), "{expression} of {body}");
    }
}

#[test]
fn mistakes_are_found_at_load_with_their_place() {
    for (expression, due) in [
        ("", "a CEL expression must not be empty"),
        ("  \n", "a CEL expression must not be empty"),
        ("foo.bar", "CEL: line 1, column 1: undeclared reference to 'foo'"),
        ("body.a == 1 &&\n  foo", "CEL: line 2, column 3: undeclared reference to 'foo'"),
        ("'ü' == body.x && foo", "CEL: line 1, column 18: undeclared reference to 'foo'"),
        ("body.a.split(',')", "CEL: line 1, column 13: undeclared reference to 'split'"),
        ("math.greatest(1, 2)", "CEL: line 1, column 14: undeclared reference to 'greatest'"),
        ("optional.of(1)", "CEL: line 1, column 12: undeclared reference to 'of'"),
        ("body.l.all(x, x > y)", "CEL: line 1, column 19: undeclared reference to 'y'"),
        ("body.a.matches('(')", "CEL: line 1, column 15: invalid regular expression \"(\": missing closing )"),
        ("body.a.matches(3)", "CEL: line 1, column 15: 'matches' needs a text as pattern"),
        ("Foo{a: 1}", "CEL: line 1, column 4: undeclared reference to 'Foo'"),
    ] {
        assert_eq!(refused(expression), due, "{expression}");
    }
    for expression in [
        "body.",
        "body..a",
        "(",
        "a b",
        "body.?a",
        "'",
        "1 +",
        "body.all(x)",
        "\u{0}",
        "if",
        "`a`",
        "@charge(1)",
        "body.@x",
    ] {
        let message = refused(expression);
        assert!(message.starts_with("CEL: line 1, column "), "{expression}: {message}");
    }
}

#[test]
fn loads_whatever_its_type() {
    for expression in ["body.foo", "1", "true", "'text'", "body", "double", "[1].map(x, x)"] {
        Expression::new(expression).expect(expression);
    }
}

#[test]
fn texts_without_measure_are_refused() {
    let deep = [
        format!("{}1{}", "(".repeat(4000), ")".repeat(4000)),
        vec!["1"; 4000].join("+"),
        format!("body{}", ".a".repeat(4000)),
        format!("body{}", "[0]".repeat(2000)),
        format!("{}1{}", "[".repeat(4000), "]".repeat(4000)),
        format!("{}1", "1 ? 1 : ".repeat(1000)),
        "x".repeat(9000),
    ];
    for expression in deep {
        let _ = Expression::new(&expression).map(drop).expect_err(&expression[..20]);
    }
    // Wide is not deep, and these cancel each other out.
    assert_eq!(says(&format!("{}true", "!".repeat(8001)), "1"), Ok(false));
    assert_eq!(says(&vec!["body"; 1000].join(" || "), "false"), Ok(false));
    assert_eq!(says(&format!("[{}].size() == 1000", vec!["1"; 1000].join(",")), "false"), Ok(true));
}

#[test]
fn bodies_without_measure_are_refused() {
    let failure = |body: &[u8]| json::value(body.to_vec()).err().map(|failure| failure.reason());
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    let many = |values: u32| format!("[{}1]", "1,".repeat(values as usize - 2)).into_bytes();
    assert_eq!(failure(&nested(json::JSON_DEPTH_MAX as usize)), None);
    assert_eq!(failure(&nested(json::JSON_DEPTH_MAX as usize + 1)), Some(Reason::BodyUnexpected));
    assert_eq!(failure(&nested(1_000_000)), Some(Reason::BodyUnexpected));
    assert_eq!(failure(&many(json::JSON_VALUES_MAX - 1)), None);
    let objects = |count: u32| format!("[{}{{}}]", r#"{"a":1},"#.repeat(count as usize)).into_bytes();
    let fit = (json::JSON_VALUES_MAX - 3) / (json::OBJECT_VALUES + 1);
    assert_eq!(failure(&objects(fit)), None);
    assert_eq!(failure(&objects(fit + 1)), Some(Reason::BodyTooLarge));
    assert_eq!(failure(&many(json::JSON_VALUES_MAX + 1)), Some(Reason::BodyTooLarge));
    assert_eq!(failure(&vec![b' '; json::JSON_BYTES_MAX + 1]), Some(Reason::BodyTooLarge));
}

/// A list of so many numbers, all different.
fn numbers(count: u32) -> Vec<u8> {
    serde_json::to_vec(&(0..count).collect::<Vec<_>>()).unwrap()
}

fn check(expression: &str, body: &[u8]) -> Option<(Reason, String)> {
    let cel = Cel::of(None, Some(Expression::new(expression).expect(expression))).unwrap();
    let failure = cel.check(body.to_vec(), &Arc::new(Budget::new())).err()?;
    Some((failure.reason(), failure.message().to_owned()))
}

#[test]
fn what_costs_too_much_is_the_agents_affair() {
    let steps = "CEL: a rule takes more than 1000000 steps on this body";
    let bytes = "CEL: a rule builds more than 8388608 bytes from this body";
    let long = serde_json::to_vec(&vec!["x".repeat(20_000); 100]).unwrap();
    let wide = numbers(20_000);
    for (expression, body, due) in [
        ("body.all(x, body.all(y, x + y >= 0.0))", &numbers(1500), steps),
        ("body.filter(x, body.filter(y, x == y) == []) == []", &numbers(1500), steps),
        ("body.map(x, body.map(y, y)) == []", &numbers(2000), bytes),
        ("body.map(x, body) == []", &wide, bytes),
        ("body.all(x, size([body, body]) == 2)", &wide, bytes),
        ("body.all(x, size(body + body) > 0)", &wide, bytes),
        ("body.all(x, body.all(y, size(x + y) > 0))", &long, bytes),
        ("body.all(x, size({'a': body}) > 0)", &wide, bytes),
        ("body.all(x, body.all(y, timestamp(int(x)) - timestamp(int(y)) < duration('1h')))", &numbers(1500), steps),
    ] {
        assert_eq!(check(expression, body), Some((Reason::AgentOverload, due.to_owned())), "{expression}");
    }
    assert_eq!(check("body.all(x, body[int(x)] == x)", &wide), None);
    assert_eq!(check("body.map(x, x + 1.0).filter(x, x > 5.0).size() == 19995", &wide), None);
}

#[tokio::test]
async fn an_evaluation_ends_with_the_probe_that_waits_for_it() {
    let recorder = crate::recorder::Recorder::start(std::time::Duration::from_millis(300));
    // Every round takes long: the pattern is compiled anew.
    let expression = Expression::new("body.all(x, string(x).matches(string(x) + '[0-9]{900}|.*'))").unwrap();
    let cel = Cel::of(None, Some(expression)).unwrap();
    let failure = cel.judge(&recorder, numbers(49_000)).await.expect_err("too long");
    assert_eq!(
        (failure.reason(), failure.message()),
        (Reason::AgentOverload, "CEL: the rules take too long on this body")
    );
    assert!(recorder.now() < recorder.deadline());
}
