//! `http`: H54 to H62, which rules are asked, and those in CEL.

use crate::case::{Case, case};
use crate::serve::{Site, page};

const NEWER: &str = "module: rules in CEL are newer";

/// A module with these settings, one a line.
fn module(settings: &str) -> String {
    format!("prober: http\ntimeout: 2s\nhttp:\n  {}", settings.replace('\n', "\n  "))
}

fn fail_if(expression: &str) -> String {
    module(&format!("fail_if_body_json_matches_cel: \"{expression}\""))
}

fn fail_if_not(expression: &str) -> String {
    module(&format!("fail_if_body_json_not_matches_cel: \"{expression}\""))
}

/// A row whose answer has this body, and what comes of it.
fn body(case: Case, body: &'static str, success: u8) -> Case {
    case.serve(move || Site::open(move |_| page(200, "", body)))
        .expect(format!("success {success}; failed_due_to_cel {}; failed_due_to_regex 0", 1 - success))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        not_asked(),
        case("H55", "a_header_that_fails_spares_the_body")
            .module(module(
                "fail_if_header_matches: [{ header: X-A, regexp: bad }]\nfail_if_body_matches_regexp: [zzz]",
            ))
            .serve(|| Site::open(|_| page(200, "X-A: bad", "hello")))
            .expect("success 0; failed_due_to_regex 1; http_uncompressed_body_length 5"),
        matches(),
        shapes(),
        no_bool(),
        body(case("H59", "a_key_may_be_asked_after").module(fail_if_not("!has(body.foo)")).not_in_0_23(NEWER), "{}", 1),
        times(numbers()),
        body(
            case("H61", "regular_expressions_and_cel_see_the_same_body")
                .module(module(
                    "fail_if_body_not_matches_regexp: [baz]\nfail_if_body_json_not_matches_cel: \"body.foo == 'baz'\"",
                ))
                .not_in_0_23(NEWER),
            r#"{"foo": "baz"}"#,
            1,
        ),
        case("H62", "without_cel_there_is_no_flag_of_it")
            .module(module("method: GET"))
            .serve(|| Site::open(|_| page(200, "", "{}")))
            .expect("success 1; !failed_due_to_cel"),
    ]
}

fn not_asked() -> Case {
    let wrong = || Site::open(|_| page(500, "X-A: bad", "bad"));
    case("H54", "a_wrong_status_asks_no_rule")
        .row("header")
        .module(module("fail_if_header_matches: [{ header: X-A, regexp: bad }]"))
        .serve(wrong)
        .expect("success 0; failed_due_to_regex 0; http_status_code 500")
        .row("body")
        .module(module("fail_if_body_matches_regexp: [bad]"))
        .serve(wrong)
        .expect("success 0; failed_due_to_regex 0; http_uncompressed_body_length 3")
        .row("CEL")
        .not_in_0_23(NEWER)
        .module(fail_if("true"))
        .serve(wrong)
        .expect("success 0; failed_due_to_regex 0; failed_due_to_cel 0")
}

fn matches() -> Case {
    let mut case = case("H56", "cel_that_is_true_fails").module(fail_if("body.foo.bar == 'baz'")).not_in_0_23(NEWER);
    for (text, success) in [
        (r#"{"foo": {"bar": "baz"}}"#, 0),
        (r#"{"foo": {"bar": "qux"}}"#, 1),
        ("{}", 0),
        ("no JSON", 0),
        ("", 0),
        ("\u{1f389}", 0),
    ] {
        case = body(case.row(text), text, success);
    }
    case
}

fn shapes() -> Case {
    let mut case = case("H57", "every_json_is_a_body").not_in_0_23(NEWER);
    for (text, expression) in [(r#""baz""#, "body == 'baz'"), (r#"["a", "baz"]"#, "body[1] == 'baz'"), ("true", "body")]
    {
        case = body(case.row(text).module(fail_if(expression)), text, 0);
    }
    case
}

fn no_bool() -> Case {
    let text = r#"{"foo": {"bar": "baz"}}"#;
    let case = case("H58", "cel_that_is_no_bool_fails").not_in_0_23(NEWER);
    let case = body(case.row("matches").module(fail_if("body.foo.bar")), text, 0);
    body(case.row("not matches").module(fail_if_not("body.foo.bar")), text, 0)
}

fn numbers() -> Case {
    let mut case = case("H60", "numbers_are_doubles").not_in_0_23(NEWER);
    for (expression, success) in
        [("body.n == 3", 1), ("body.n == 3.0", 1), ("type(body.n) == double", 1), ("body.n % 2 == 1", 0)]
    {
        case = body(case.row(expression).module(fail_if_not(expression)), r#"{"n": 3}"#, success);
    }
    case
}

/// Texts that are moments and spans of time: they are of the standard library too.
fn times(mut case: Case) -> Case {
    for (expression, success) in [
        ("timestamp(body.t) > timestamp('2025-01-01T00:00:00Z')", 1),
        ("timestamp(body.t) > timestamp('2026-01-01T00:00:00Z')", 0),
        ("timestamp(body.t) - timestamp(body.u) < duration('5m')", 1),
        ("timestamp(body.t).getHours('Europe/Berlin') == 6 && timestamp(body.t).getMonth() == 2", 1),
        ("int(timestamp(body.t)) == 1741064767 && string(timestamp(body.t)) == body.t", 1),
        ("duration(body.d) == duration('90m')", 1),
        ("duration(body.t) == duration('90m')", 0),
        ("timestamp(body.d) > timestamp(0)", 0),
    ] {
        let text = r#"{"t": "2025-03-04T05:06:07Z", "u": "2025-03-04T05:02:07Z", "d": "1h30m"}"#;
        case = body(case.row(expression).module(fail_if_not(expression)), text, success);
    }
    case
}
