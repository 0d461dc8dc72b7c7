//! Moments and spans of time: what CEL in Go says of them (cel-spec, "Timestamps" and "Durations"; Go's `time`).

use super::{refused, says};

const BODY: &str = r#"{"t": "2025-03-04T05:06:07.089Z", "u": "2025-03-04T05:02:07Z", "zone": "Europe/Berlin", "n": 3}"#;

fn all_are(expressions: &[&str]) {
    for expression in expressions {
        assert_eq!(says(expression, BODY), Ok(true), "{expression}");
    }
}

fn none_can_be_said(expressions: &[&str]) {
    for expression in expressions {
        let said = says(expression, BODY);
        assert!(said.is_err(), "{expression}: {said:?}");
    }
}

#[test]
fn moments_are_read_and_compared() {
    all_are(&[
        "timestamp(body.t) > timestamp('2025-01-01T00:00:00Z')",
        "timestamp(body.u) <= timestamp(body.t) && timestamp(body.t) != timestamp(body.u)",
        "timestamp('2025-01-01T12:00:00+02:00') == timestamp('2025-01-01T10:00:00Z')",
        "timestamp('2025-01-01T00:00:00.5Z') == timestamp('2025-01-01T00:00:00.500000000999Z')",
        "timestamp('2025-01-01T1:00:00,5Z') == timestamp('2025-01-01T01:00:00.5Z')",
        "timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
        "timestamp(timestamp(1)) == timestamp(1)",
        "timestamp(-62135596800) == timestamp('0001-01-01T00:00:00Z')",
        "timestamp(253402300799) < timestamp('9999-12-31T23:59:59.999999999Z')",
        "timestamp(int(body.n)) == timestamp(3)",
        "int(timestamp('2009-02-13T23:31:30Z')) == 1234567890",
        "int(timestamp('1969-12-31T23:59:59.5Z')) == -1",
        "timestamp(0) != duration('0s') && !(timestamp(0) == dyn('1970-01-01T00:00:00Z'))",
        "type(timestamp(0)) == google.protobuf.Timestamp && type(duration('0')) == google.protobuf.Duration",
        "timestamp(body.t) in [timestamp(body.u), timestamp('2025-03-04T06:06:07.089+01:00')]",
        "['2025-01-01T00:00:00Z', body.t].all(x, timestamp(x) <= timestamp(body.t))",
    ]);
}

#[test]
fn what_is_no_moment_cannot_be_judged() {
    let texts = [
        "",
        "2025",
        "2025-01-01",
        "2025-01-01T00:00:00",
        "2025-01-01 00:00:00Z",
        "2025-01-01t00:00:00z",
        "2025-01-01T00:00:00 Z",
        "2025-01-01T00:00:00ZZ",
        "2025-01-01T00:00:00.Z",
        "2025-01-01T00:00:60Z",
        "2025-01-01T24:00:00Z",
        "2025-01-01T00:0:00Z",
        "2025-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-1-01T00:00:00Z",
        "2025-01-01T00:00:00+0100",
        "2025-01-01T00:00:00+01",
        "2025-01-01T00:00:00+01:60",
        "2025-01-01T00:00:00\u{2212}01:00",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
        "+025-01-01T00:00:00Z",
    ];
    for text in texts {
        let expression = format!("timestamp('{text}') == timestamp(0) || true");
        // What is true without it is true.
        assert_eq!(says(&expression, BODY), Ok(true), "{expression}");
        let said = says(&format!("timestamp('{text}') != timestamp(0)"), BODY);
        let due = "cannot be evaluated: Error executing function 'timestamp': this is not as in 2006-01-02T15:04:05Z";
        assert!(said.as_ref().is_err_and(|why| why.ends_with(due)), "{text}: {said:?}");
    }
    none_can_be_said(&[
        "timestamp(-62135596801) < timestamp(0)",
        "timestamp(253402300800) > timestamp(0)",
        "timestamp(9223372036854775807) > timestamp(0)",
        "timestamp(body.n) == timestamp(3)",
        "timestamp(body) == timestamp(3)",
        "timestamp(body.missing) == timestamp(3)",
        "timestamp(duration('1s')) == timestamp(1)",
        "timestamp(body.t) > body.t",
        "timestamp(0) < duration('1s')",
        "timestamp(0)",
    ]);
}

#[test]
fn spans_are_read_in_gos_notation() {
    all_are(&[
        "duration('1h') == duration('60m') && duration('1h30m') == duration('5400s')",
        "duration('1.5h') == duration('1h30m') && duration('.5s') == duration('500ms') && duration('1.s') == duration('1s')",
        "duration('-1m1s') == duration('-61s') && duration('+1s') == duration('1s')",
        "duration('0') == duration('0s') && duration('-0') == duration('0h0m')",
        "duration('1us') == duration('1000ns') && duration('1µs') == duration('1μs')",
        "duration('1.9ns') == duration('1ns') && duration('0.3333333333333333333h') == duration('20m')",
        "int(duration('9223372036854775807ns')) == 9223372036854775807",
        "duration('-9223372036854775808ns') < duration('-2562047h47m16.854775807s')",
        "duration(duration('1s')) == duration('1s')",
        "duration(string(int(body.n)) + 's') == duration('3s')",
        "duration('0.100000000000000000000h') == duration('6m')",
        "duration('0.830103483285477580700h') == duration('49m48.372539827s')",
        "int(duration('1.5s')) == 1500000000",
        "string(duration('1h0.5s')) == '3600.5s' && string(duration('-1ms')) == '-0.001s' && string(duration('0')) == '0s'",
        "string(duration('1ns')) == '0.000000001s' && string(duration('9223372036.854775807s')) == '9223372036.854776s'",
    ]);
    let texts = [
        "",
        "1",
        "s",
        "1x",
        "1 h",
        " 1h",
        "1h ",
        "1hx",
        "1d",
        "1h-30m",
        "--1s",
        "-+1s",
        ".",
        ".s",
        "1e3s",
        "infs",
        "NaNs",
        "1S",
        "1h 30m",
        "0x1s",
        "1..5s",
        "1_000s",
        "9223372036854775808ns",
        "-9223372036854775809ns",
        "2562048h",
        "1m2147483648h",
        "99999999999999999999s",
        "00",
    ];
    for text in texts {
        let said = says(&format!("duration('{text}') != duration('0')"), BODY);
        let due = "cannot be evaluated: Error executing function 'duration': this is not as in 1h30m";
        assert!(said.as_ref().is_err_and(|why| why.ends_with(due)), "{text}: {said:?}");
    }
    none_can_be_said(&[
        "duration(body.n) > duration('1s')",
        "duration(3) > duration('1s')",
        "duration(timestamp(0)) > duration('1s')",
        "duration('1s') > 1",
        "double(duration('1s')) == 1.0",
        "duration('1s')",
    ]);
}

#[test]
fn moments_and_spans_are_added_and_subtracted() {
    all_are(&[
        "timestamp(body.t) - timestamp(body.u) < duration('5m')",
        "timestamp(body.t) - timestamp(body.u) == duration('4m0.089s')",
        "timestamp(body.u) - timestamp(body.t) == duration('-4m0.089s')",
        "timestamp(0) + duration('24h') == timestamp('1970-01-02T00:00:00Z')",
        "duration('24h') + timestamp(0) == timestamp(86400)",
        "timestamp(0) - duration('1ns') == timestamp('1969-12-31T23:59:59.999999999Z')",
        "duration('1h') + duration('1m') - duration('1s') == duration('3659s')",
        "timestamp('9999-12-31T23:59:59Z') + duration('999999999ns') > timestamp(0)",
    ]);
    none_can_be_said(&[
        "timestamp('9999-12-31T23:59:59Z') + duration('1s') > timestamp(0)",
        "duration('1s') + timestamp('9999-12-31T23:59:59Z') > timestamp(0)",
        "timestamp('0001-01-01T00:00:00Z') - duration('1ns') < timestamp(0)",
        "timestamp('9999-12-31T23:59:59Z') - timestamp(0) > duration('0')",
        "duration('9223372036854775807ns') + duration('1ns') > duration('0')",
        "duration('-9223372036854775808ns') - duration('1ns') < duration('0')",
        "timestamp(0) + timestamp(0) > timestamp(0)",
        "duration('1s') - timestamp(0) > duration('0')",
        "timestamp(0) + 1 > timestamp(0)",
        "duration('1s') * 2 == duration('2s')",
        "-duration('1s') == duration('-1s')",
    ]);
}

#[test]
fn clocks_are_read_in_utc_and_in_a_zone() {
    all_are(&[
        "timestamp(body.t).getFullYear() == 2025 && timestamp(body.t).getMonth() == 2 && timestamp(body.t).getDate() == 4",
        "timestamp(body.t).getDayOfMonth() == 3 && timestamp(body.t).getDayOfWeek() == 2",
        "timestamp(body.t).getDayOfYear() == 62 && timestamp('2024-12-31T00:00:00Z').getDayOfYear() == 365",
        "timestamp(body.t).getHours() == 5 && timestamp(body.t).getMinutes() == 6 && timestamp(body.t).getSeconds() == 7",
        "timestamp(body.t).getMilliseconds() == 89",
        // Written in another zone, it is still the clock of UTC.
        "timestamp('2025-01-01T01:00:00+02:00').getHours() == 23",
        "timestamp('2025-01-01T01:00:00+02:00').getFullYear() == 2024",
        "timestamp(body.t).getHours('') == 5 && timestamp(body.t).getHours('UTC') == 5",
        // A winter's and a summer's day.
        "timestamp(body.t).getHours(body.zone) == 6 && timestamp('2025-07-01T05:00:00Z').getHours(body.zone) == 7",
        "timestamp('2025-01-01T05:30:00Z').getFullYear('-08:00') == 2024",
        "timestamp('2025-01-01T05:30:00Z').getDate('US/Pacific') == 31",
        "timestamp('2025-01-01T05:30:00Z').getMonth('-08:00') == 11",
        "timestamp('2025-01-01T05:30:00Z').getDayOfYear('-08:00') == 365",
        "timestamp('2025-01-01T05:30:00Z').getDayOfMonth('-08:00') == 30",
        "timestamp('2025-01-01T05:30:00Z').getDayOfWeek('-08:00') == 2",
        "timestamp('2025-01-01T05:30:00Z').getMinutes('+5:45') == 15 && timestamp(0).getHours('02:00') == 2",
        "timestamp('2025-01-01T05:30:15.5Z').getSeconds('Asia/Kolkata') == 15",
        "timestamp('2025-01-01T05:30:15.5Z').getMilliseconds('Asia/Kolkata') == 500",
        "duration('1h30m').getHours() == 1 && duration('1h30m').getMinutes() == 90 && duration('-90s').getMinutes() == -1",
        "duration('1h30m').getSeconds() == 5400 && duration('1.234567s').getMilliseconds() == 1234",
    ]);
    none_can_be_said(&[
        "timestamp(0).getHours('Nowhere/Land') == 0",
        "timestamp(0).getHours('+25:00') == 0",
        "timestamp(0).getHours('+01:60') == 0",
        "timestamp(0).getHours('x:y') == 0",
        "timestamp(0).getHours(1) == 0",
        "duration('1h').getHours('UTC') == 1",
        "duration('1h').getFullYear() == 0",
        "body.t.getHours() == 5",
    ]);
}

#[test]
fn moments_are_written_in_their_own_zone() {
    all_are(&[
        "string(timestamp(body.t)) == body.t",
        "string(timestamp('2025-01-01T12:00:00.120+02:00')) == '2025-01-01T12:00:00.12+02:00'",
        "string(timestamp('2025-01-01T12:00:00+00:00')) == '2025-01-01T12:00:00Z'",
        "string(timestamp('2025-01-01T12:00:00-09:30') + duration('1h')) == '2025-01-01T13:00:00-09:30'",
        "string(timestamp(-62135596800)) == '0001-01-01T00:00:00Z'",
        "string(1) == '1' && string('a') == 'a' && string(true) == 'true' && string(b'a') == 'a' && string(1.5) == '1.5'",
    ]);
    none_can_be_said(&["string(body) == ''", "string([1]) == ''", "string(null) == ''"]);
}

#[test]
fn what_is_no_function_of_time_is_found_at_load() {
    for (expression, due) in [
        ("timestamp() > timestamp(0)", "CEL: line 1, column 10: 'timestamp' does not take 0 arguments"),
        ("duration('1s', 2) == body", "CEL: line 1, column 9: 'duration' does not take 2 arguments"),
        ("body.t.getHours('UTC', 1) == 1", "CEL: line 1, column 16: 'getHours' does not take 2 arguments"),
        ("matches(body.t)", "CEL: line 1, column 8: 'matches' does not take 1 arguments"),
        ("body.t.size(1) == 1", "CEL: line 1, column 12: 'size' does not take 1 arguments"),
        ("getHours(body.t) == 1", "CEL: line 1, column 9: undeclared reference to 'getHours'"),
        ("body.t.timestamp() == 1", "CEL: line 1, column 17: undeclared reference to 'timestamp'"),
        ("timestamp(body.t) > now", "CEL: line 1, column 21: undeclared reference to 'now'"),
        ("timestamp(body.t) > now()", "CEL: line 1, column 24: undeclared reference to 'now'"),
        ("type(body) == google.protobuf.Any", "CEL: line 1, column 15: undeclared reference to 'google'"),
        ("has(google.protobuf.Timestamp)", "CEL: line 1, column 5: undeclared reference to 'google'"),
        (
            "google.protobuf.Timestamp{seconds: 1} == body",
            "CEL: line 1, column 26: undeclared reference to 'google.protobuf.Timestamp'",
        ),
    ] {
        assert_eq!(refused(expression), due, "{expression}");
    }
}
