//! What is said of the series of an answer, as text.
//!
//! Statements stand on lines of their own or are divided by `;`:
//!
//! ```text
//! success 1                                 the value is 1 (names without a known beginning get `probe_`)
//! duration_seconds > 0.4                    also <, >=, <=, !=, and ~ for "within a tenth"
//! http_duration_seconds{phase=tls} 0        labels in the order of their names; quotes may be left out
//! probe_dns_serial                          it is there, whatever its value
//! !ssl_earliest_cert_expiry                 no series of that name; with labels: not that series
//! ```

use crate::exposition::Exposition;

/// Beginnings of metrics' names that are written out.
const BEGINNINGS: [&str; 6] = ["probe_", "blackbox_", "process_", "promhttp_", "tuermer_", "go_"];

/// Metrics that every answer has.
const ALWAYS: [&str; 3] = ["probe_success", "probe_duration_seconds", "probe_timeout_seconds"];

/// Every statement that does not hold.
pub(crate) fn faults(statements: &str, answer: &Exposition) -> Vec<String> {
    split(statements).iter().filter_map(|statement| fault(statement, answer)).collect()
}

/// What is there beside these metrics, or is missing.
pub(crate) fn faults_of_names(names: &str, answer: &Exposition) -> Vec<String> {
    let mut wanted: Vec<String> =
        names.split([' ', '\n', ';']).filter(|name| !name.is_empty()).map(whole_name).collect();
    wanted.extend(ALWAYS.map(str::to_owned));
    let found = answer.names();
    let missing = wanted.iter().filter(|name| !found.contains(name.as_str())).map(|name| format!("{name} is missing"));
    let extra = found.iter().filter(|name| !wanted.iter().any(|wanted| wanted == *name));
    missing.chain(extra.map(|name| format!("{name} should not be there"))).collect()
}

fn fault(statement: &str, answer: &Exposition) -> Option<String> {
    if let Some(absent) = statement.strip_prefix('!') {
        let series = series(absent.trim());
        let found = if series.contains('{') {
            answer.value(&series).map(|value| (series.clone(), value))
        } else {
            answer.first_of(&series)
        };
        return found.map(|(series, value)| format!("{series} should not be there, but is {value}"));
    }
    let (name, rest) = match statement.rfind('}') {
        Some(end) => statement.split_at(end + 1),
        None => statement.split_at(statement.find(' ').unwrap_or(statement.len())),
    };
    let series = series(name);
    let Some(value) = answer.value(&series) else {
        if rest.trim().is_empty() && answer.first_of(&series).is_some() {
            return None;
        }
        return Some(format!("{series} is missing"));
    };
    let mut words = rest.split_whitespace();
    let (operator, wanted) = match (words.next(), words.next()) {
        (None, _) => return None,
        (Some(value), None) => ("=", value),
        (Some(operator), Some(value)) => (operator, value),
    };
    let wanted: f64 = wanted.parse().unwrap_or_else(|_| panic!("no number in the statement {statement:?}"));
    #[expect(clippy::float_cmp, reason = "the value as it is written")]
    let holds = match operator {
        "=" => value == wanted,
        "!=" => value != wanted,
        ">" => value > wanted,
        "<" => value < wanted,
        ">=" => value >= wanted,
        "<=" => value <= wanted,
        "~" => (value - wanted).abs() <= wanted.abs() / 10.0,
        _ => panic!("what is {operator:?} in the statement {statement:?}?"),
    };
    (!holds).then(|| format!("{series} is {value}, not {operator} {wanted}"))
}

/// The series as it is written in an answer.
fn series(text: &str) -> String {
    let Some((name, labels)) = text.split_once('{') else { return whole_name(text) };
    let labels = labels.strip_suffix('}').expect("labels end");
    if labels.contains('"') || labels.is_empty() {
        return format!("{}{{{labels}}}", whole_name(name));
    }
    let quoted: Vec<String> = labels
        .split(',')
        .map(|label| {
            let (name, value) = label.split_once('=').expect("a label has a value");
            format!("{}=\"{}\"", name.trim(), value.trim())
        })
        .collect();
    format!("{}{{{}}}", whole_name(name), quoted.join(","))
}

fn whole_name(name: &str) -> String {
    if BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) {
        name.to_owned()
    } else {
        format!("probe_{name}")
    }
}

/// Statements of a text; line breaks and semicolons within quotes belong to the statement.
fn split(text: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut is_quoted = false;
    for character in text.chars() {
        if character == '"' {
            is_quoted = !is_quoted;
        }
        match (character, statements.last_mut()) {
            ('\n' | ';', _) if !is_quoted => statements.push(String::new()),
            (_, Some(last)) => last.push(character),
            (_, None) => {}
        }
    }
    statements.iter().map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}
