//! A configuration written out again, for the eyes of whoever asks the agent: without secrets, and else as it was written,
//! so that it means the same when it is read again.
//!
//! Knows no setting of any kind but by the names under which secrets are found.

use std::borrow::Cow;
use std::fmt::Write as _;

use tuermer_probes::{hide_password, names_secrets};

use super::node::{Entry, Form, Node, Scalar, Value};
use super::scalar;
use super::source::{MASK, Place, is_secret_key};

/// Maps whose values are all secret, whatever their keys.
const SECRET_MAPS: [&str; 4] = ["proxy_connect_header", "metadata", "endpoint_params", "cookies"];
/// Maps of request headers by name.
const HEADER_MAPS: [&str; 2] = ["headers", "http_headers"];
/// Request headers whose values are shown. All others may be somebody's way to send a secret.
const HARMLESS_HEADERS: [&str; 24] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "dnt",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "origin",
    "pragma",
    "range",
    "sec-websocket-protocol",
    "te",
    "upgrade",
    "user-agent",
    "x-requested-with",
];
/// The entries of a map, or a text that stands for another value.
pub(super) fn document(node: &Node<'_>, indent: usize) -> String {
    let mut writer = Writer { out: String::new(), indent };
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => writer.map(entries, 0, Shield::None),
        _ if node.is_null() => writer.out.push_str("{}\n"),
        _ => writer.value(node, 0, Shield::None),
    }
    writer.out
}

/// A written map with one more value in it, at a path of keys, unless something stands there already.
pub(super) fn with_value(text: &str, path: &[&str], value: &str) -> Option<String> {
    let mut root = super::yaml::read(text).ok()??;
    set(&mut root, path, value);
    Some(document(&root, 2))
}

fn set<'t>(node: &mut Node<'t>, path: &[&'t str], value: &'t str) {
    let scalar = |text: &'t str| Value::Scalar(Scalar { text: Cow::Borrowed(text), form: Form::Text });
    let [key, rest @ ..] = path else {
        node.value = scalar(value);
        return;
    };
    if node.is_null() {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else { return };
    match entries.iter_mut().find(|entry| entry.key.eq_ignore_ascii_case(key)) {
        Some(found) if rest.is_empty() && !found.value.is_null() => {}
        Some(found) => set(&mut found.value, rest, value),
        None => {
            let mut added = Node { place: Place::TOP, value: Value::Map(Vec::new()) };
            set(&mut added, rest, value);
            entries.push(Entry { key: Cow::Borrowed(key), key_place: Place::TOP, value: added });
        }
    }
}

/// What of a value must not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shield {
    /// Nothing, unless a key below says so.
    None,
    /// The values of headers that are not harmless: the keys are names of headers.
    Headers,
    /// The value of a header that is not harmless, but not the files that it is read from.
    Header,
    /// Everything.
    All,
}

impl Shield {
    fn below(self, key: &str, value: &Node<'_>) -> Self {
        let is_map = matches!(value.value, Value::Map(_));
        match self {
            Self::All => Self::All,
            Self::Headers if HARMLESS_HEADERS.iter().any(|name| key.eq_ignore_ascii_case(name)) => Self::None,
            Self::Headers if is_map => Self::Header,
            Self::Headers => Self::All,
            Self::Header if key == "files" => Self::None,
            Self::Header => Self::All,
            Self::None if is_map && SECRET_MAPS.contains(&key) => Self::All,
            Self::None if is_map && HEADER_MAPS.contains(&key) => Self::Headers,
            // Maps such as `basic_auth` have keys of their own that say what is secret.
            Self::None if is_map => Self::None,
            Self::None if key == "body" || is_secret_key(key) => Self::All,
            Self::None => Self::None,
        }
    }
}

struct Writer {
    out: String,
    indent: usize,
}

impl Writer {
    fn map(&mut self, entries: &[Entry<'_>], depth: usize, shield: Shield) {
        for entry in entries {
            let Some((key, value)) = renamed(entry, entries) else { continue };
            self.key(key, depth);
            self.value(&value, depth, shield.below(key, &value));
        }
    }

    fn key(&mut self, key: &str, depth: usize) {
        let indent = self.indent * depth;
        let _ = write!(self.out, "{:indent$}{}:", "", text(key, Form::Plain));
    }

    fn value(&mut self, node: &Node<'_>, depth: usize, shield: Shield) {
        match &node.value {
            Value::Scalar(scalar) if scalar.is_null() => self.out.push('\n'),
            Value::Scalar(scalar) => self.scalar(scalar, shield),
            Value::List(items) if items.is_empty() => self.out.push_str(" []\n"),
            Value::List(items) => {
                self.out.push('\n');
                let mut is_secret_from_here = false;
                for item in items {
                    let indent = self.indent * depth;
                    let _ = write!(self.out, "{:indent$}-", "");
                    match &item.value {
                        Value::Map(entries) if !entries.is_empty() => {
                            is_secret_from_here |= speaks_of_secrets(entries);
                            self.item(entries, depth + 1, shield, is_secret_from_here);
                        }
                        _ => self.value(item, depth + 1, shield),
                    }
                }
            }
            Value::Map(entries) if entries.is_empty() => self.out.push_str(" {}\n"),
            Value::Map(entries) => {
                self.out.push('\n');
                self.map(entries, depth + 1, shield);
            }
        }
    }

    /// A map in a list. In a dialogue, what is sent is hidden from where it comes to secrets.
    fn item(&mut self, entries: &[Entry<'_>], depth: usize, shield: Shield, hides_sent: bool) {
        for (number, entry) in entries.iter().enumerate() {
            let is_hidden = entry.key == "send" && hides_sent;
            if number == 0 {
                // Behind the dash.
                let _ = write!(self.out, "{:indent$}{}:", "", text(&entry.key, Form::Plain), indent = self.indent - 1);
            } else {
                self.key(&entry.key, depth);
            }
            let shield = if is_hidden { Shield::All } else { shield.below(&entry.key, &entry.value) };
            self.value(&entry.value, depth, shield);
        }
    }

    fn scalar(&mut self, scalar: &Scalar<'_>, shield: Shield) {
        let is_hidden = !matches!(shield, Shield::None) && !is_reference(&scalar.text);
        let _ = if is_hidden {
            writeln!(self.out, " {MASK}")
        } else {
            let tag = if scalar.form == Form::Binary { "!!binary " } else { "" };
            writeln!(self.out, " {tag}{}", text(&hide_password(&scalar.text), scalar.form))
        };
    }
}

/// An entry as it is shown: blackbox_exporter folds the old word for the opposite of `follow_redirects` into it.
fn renamed<'n, 't>(entry: &'n Entry<'t>, all: &'n [Entry<'t>]) -> Option<(&'n str, Cow<'n, Node<'t>>)> {
    const OLD: &str = "no_follow_redirects";
    let truth = |entry: &Entry<'_>| match &entry.value.value {
        Value::Scalar(scalar) if scalar.form == Form::Plain => scalar::truth(&scalar.text),
        _ => None,
    };
    match entry.key.as_ref() {
        OLD if entry.value.is_null() => None,
        OLD => {
            let Some(refuses) = truth(entry) else { return Some((&entry.key, Cow::Borrowed(&entry.value))) };
            let text = Cow::Borrowed(if refuses { "false" } else { "true" });
            let value = Value::Scalar(Scalar { text, form: Form::Plain });
            Some(("follow_redirects", Cow::Owned(Node { place: entry.value.place, value })))
        }
        "follow_redirects" if all.iter().any(|other| other.key == OLD && truth(other).is_some()) => None,
        key => Some((key, Cow::Borrowed(&entry.value))),
    }
}

/// Whether a step of a dialogue (`expect`, `send`) has to do with secrets, or sends what cannot be judged.
fn speaks_of_secrets(step: &[Entry<'_>]) -> bool {
    let scalar = |key: &str| match &step.iter().find(|entry| entry.key == key)?.value.value {
        Value::Scalar(scalar) => Some(scalar),
        _ => None,
    };
    let text = |key| scalar(key).map_or("", |scalar| &*scalar.text);
    let is_bytes = |c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t');
    let is_unreadable = scalar("send").is_some_and(|sent| sent.form == Form::Binary) || text("send").contains(is_bytes);
    is_unreadable || names_secrets(text("expect").as_bytes(), text("send").as_bytes())
}

/// Whether this only says where a secret is found.
fn is_reference(text: &str) -> bool {
    (text.starts_with("${env:") || text.starts_with("${file:")) && text.ends_with('}')
}

/// A scalar that is read back as what it was.
pub(super) fn text(text: &str, form: Form) -> String {
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
        _ => quoted(text),
    }
}

/// JSON's strings are YAML's (YAML 1.2 section 1.3), but for characters that YAML wants escaped (section 5.1).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use tuermer_probes::KINDS;

    use super::super::yaml;
    use super::*;

    fn dumped(written: &str) -> String {
        document(&yaml::read(written).expect("valid").expect("a document"), 2)
    }

    #[test]
    fn what_is_written_says_the_same() {
        let written = "a: 5\nb: '5'\nc: [x, {y: z, w: }, []]\nd: {}\ne: ~\nf: \"a: b\\n\"\ng: !!binary aGk=\n\
                       i: \"\\x7f\\x85\\u2028\\uFEFF\\\\x\"\n\
                       h: {ip_protocol_fallback: false, recursion_desired: false, follow_redirects: false}\n";
        let hash = |text: &str| super::super::hash::of_node(&yaml::read(text).expect("valid").expect("a document"));
        let expected = hash(&written.replace("e: ~", "e: ").replace('~', ""));
        for indent in [2, 4] {
            let out = document(&yaml::read(written).expect("valid").expect("a document"), indent);
            assert_eq!(hash(&out), expected, "{out}");
            assert_eq!(out.lines().nth(1), Some("b: \"5\""));
        }
        assert_eq!(dumped("{}"), "{}\n".replace("{}", " {}"));
    }

    #[test]
    fn secrets_are_not_written() {
        let out = dumped(
            "http:\n  basic_auth: {username: me, password: hunter2}\n  authorization: {type: Bearer, credentials: hunter2}\n\
             \x20 bearer_token: hunter2\n  headers: {Authorization: hunter2, X-Mine: hunter2, Accept: x}\n\
             \x20 proxy_url: http://a:hunter2@b/\n  body: hunter2\n\
             \x20 http_headers: {X: {secrets: [hunter2], values: [hunter2], files: [/f]}, Range: {values: [y]}}\n\
             \x20 proxy_connect_header: {X: [hunter2]}\n  oauth2: {endpoint_params: {a: hunter2}}\n  cookies: {a: hunter2}\n\
             \x20 tls_config: {key: hunter2, key_file: /k}\n  password_file: /p\ngrpc: {metadata: {a: [hunter2]}}\n",
        );
        assert!(!out.contains("hunter2"), "{out}");
        let kept = ["username: me", "type: Bearer", "Accept: x", "- y", "key_file: /k", "password_file: /p", "- /f"];
        for kept in kept.into_iter().chain(["proxy_url: \"http://a:xxxxx@b/\""]) {
            assert!(out.contains(kept), "{kept}: {out}");
        }
        assert_eq!(out.matches(MASK).count(), 13, "{out}");
    }

    #[test]
    fn what_is_sent_is_hidden_from_where_it_comes_to_secrets() {
        let out = dumped(
            "query_response:\n- send: \"EHLO a\\r\"\n- expect: ^250-AUTH\n  send: AUTH LOGIN\n- send: aHVudGVyMg\n\
             other:\n- expect: 'login:'\n  send: root\n- send: hunter2\nthird:\n- send: !!binary aGk=\n- {send: hunter2}\n",
        );
        assert_eq!((out.matches(MASK).count(), out.contains("EHLO a")), (6, true), "{out}");
    }

    #[test]
    fn a_reference_to_a_secret_is_none() {
        let out = dumped("{password: '${file:/run/pw}', bearer_token: '${env:T}', token: '${x}'}");
        assert_eq!(out, "password: \"${file:/run/pw}\"\nbearer_token: \"${env:T}\"\ntoken: <secret>\n");
    }

    #[test]
    fn the_old_word_for_redirects_is_shown_as_the_new_one() {
        assert_eq!(dumped("{no_follow_redirects: true, follow_redirects: true}"), "follow_redirects: false\n");
        assert_eq!(dumped("{follow_redirects: true, no_follow_redirects: }"), "follow_redirects: true\n");
    }

    #[test]
    fn a_value_is_added_where_none_stands() {
        let path = ["tcp", "tls_config", "server_name"];
        let with = |text: &str| with_value(text, &path, "h: #").expect("valid");
        assert_eq!(with("prober: tcp\n"), "prober: tcp\ntcp:\n  tls_config:\n    server_name: \"h: #\"\n");
        let set = "tcp:\n  tls_config:\n    server_name: x\n";
        assert_eq!(with(set), set);
        assert_eq!(with("tcp: {tls_config: }\n"), set.replace('x', "\"h: #\""));
    }

    /// Every setting that a kind declares to be a secret is hidden by its name.
    #[test]
    fn no_kind_has_a_secret_that_is_shown() {
        fn walk(schema: &serde_json::Value, key: &str, shown: &mut Vec<String>, path: &str) {
            if schema["format"] == "secret" {
                let written = format!("{key}: http://me:hunter2@h/\n");
                if dumped(&written).contains("hunter2") {
                    shown.push(path.to_owned());
                }
            }
            for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                // The values of these are hidden whatever they are called.
                if !SECRET_MAPS.contains(&name.as_str()) {
                    walk(below, name, shown, &format!("{path}.{name}"));
                }
            }
            for below in ["items", "additionalProperties"] {
                if schema[below].is_object() {
                    walk(&schema[below], key, shown, path);
                }
            }
            for below in schema["anyOf"].as_array().into_iter().flatten() {
                walk(below, key, shown, path);
            }
        }
        let mut shown = Vec::new();
        for kind in KINDS {
            walk(kind.schema().as_value(), "", &mut shown, kind.name);
        }
        assert_eq!(shown, Vec::<String>::new());
    }
}
