//! Part of a configuration written out again, for the eyes of whoever asks the agent: without secrets.

use std::fmt::Write as _;

use super::node::{Form, Node, Value};
use super::scalar;
use super::source::{MASK, hide_userinfo, is_secret_key};

/// What an entry without a secret is written as.
pub(super) fn entry(out: &mut String, key: &str, node: &Node<'_>) {
    write_entry(out, key, node, 0, false);
}

fn write_entry(out: &mut String, key: &str, node: &Node<'_>, depth: usize, is_secret: bool) {
    // Maps such as `basic_auth` have keys of their own that say what is secret; headers of a proxy do not.
    let is_map = matches!(node.value, Value::Map(_));
    let is_secret = is_secret || if is_map { key == "proxy_connect_header" } else { is_secret_key(key) };
    let _ = write!(out, "{:indent$}{}:", "", text(key, Form::Plain), indent = 2 * depth);
    write_value(out, node, depth, is_secret);
}

fn write_value(out: &mut String, node: &Node<'_>, depth: usize, is_secret: bool) {
    match &node.value {
        Value::Scalar(scalar) if scalar.is_null() => out.push('\n'),
        Value::Scalar(_) if is_secret => {
            let _ = writeln!(out, " {MASK}");
        }
        Value::Scalar(scalar) => {
            let tag = if scalar.form == Form::Binary { "!!binary " } else { "" };
            let _ = writeln!(out, " {tag}{}", text(&hide_userinfo(&scalar.text), scalar.form));
        }
        Value::List(items) if items.is_empty() => out.push_str(" []\n"),
        Value::List(items) => {
            out.push('\n');
            for item in items {
                let _ = write!(out, "{:indent$}-", "", indent = 2 * depth);
                match &item.value {
                    Value::Map(entries) if !entries.is_empty() => {
                        out.push('\n');
                        for entry in entries {
                            write_entry(out, &entry.key, &entry.value, depth + 1, is_secret);
                        }
                    }
                    _ => write_value(out, item, depth + 1, is_secret),
                }
            }
        }
        Value::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Value::Map(entries) => {
            out.push('\n');
            for entry in entries {
                write_entry(out, &entry.key, &entry.value, depth + 1, is_secret);
            }
        }
    }
}

/// A scalar that is read back as what it was.
fn text(text: &str, form: Form) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '<' | '+' | '.'))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-' | '+' | '=' | '<' | '>'));
    let is_ambiguous = scalar::is_null(text)
        || scalar::truth(text).is_some()
        || scalar::integer(text).is_some()
        || scalar::float(text).is_some();
    match form {
        Form::Plain if is_word => text.to_owned(),
        Form::Text | Form::Binary if is_word && !is_ambiguous => text.to_owned(),
        // JSON's strings are YAML's (YAML 1.2 section 1.3).
        _ => serde_json::Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    fn dumped(written: &str) -> String {
        let root = yaml::read(written).expect("valid").expect("a document");
        let mut out = String::new();
        if let Value::Map(entries) = &root.value {
            for found in entries {
                entry(&mut out, &found.key, &found.value);
            }
        }
        out
    }

    #[test]
    fn what_is_written_says_the_same() {
        let written = "a: 5\nb: '5'\nc: [x, {y: z, w: }, []]\nd: {}\ne: ~\nf: \"a: b\\n\"\ng: !!binary aGk=\n";
        let out = dumped(written);
        let hash = |text: &str| super::super::hash::of_node(&yaml::read(text).expect("valid").expect("a document"));
        assert_eq!(hash(&out), hash(&written.replace("e: ~", "e: ").replace('~', "")), "{out}");
        assert_eq!(out.lines().nth(1), Some("b: \"5\""));
    }

    #[test]
    fn secrets_are_not_written() {
        let out = dumped(
            "http:\n  basic_auth: {username: me, password: hunter2}\n  authorization: {type: Bearer, credentials: hunter2}\n\
             \x20 bearer_token: hunter2\n  headers: {Authorization: hunter2, Accept: x}\n  proxy_url: http://a:hunter2@b/\n\
             \x20 http_headers: {X: {secrets: [hunter2], values: [y]}}\n  proxy_connect_header: {X: [hunter2]}\n\
             \x20 tls_config: {key: hunter2, key_file: /k}\n  password_file: /p\n",
        );
        assert!(!out.contains("hunter2"), "{out}");
        for kept in ["username: me", "type: Bearer", "Accept: x", "- y", "key_file: /k", "password_file: /p"] {
            assert!(out.contains(kept), "{kept}: {out}");
        }
        assert_eq!(out.matches(MASK).count(), 8, "{out}");
    }
}
