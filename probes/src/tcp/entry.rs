//! One entry of a `query_response` as blackbox_exporter's users write it.
//!
//! Knows no connection: patterns are compiled and templates split here, once.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::pattern::Pattern;
use crate::secret::names_secrets;
use crate::tcp::template::Template;

/// What is expected and what is answered.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Entry {
    pub(crate) expected: Expected,
    pub(crate) send: Template,
    pub(super) starttls: bool,
    /// Whether it has to do with secrets.
    pub(super) names_secrets: bool,
}

/// What must come before an entry goes on.
#[derive(Debug)]
pub(crate) enum Expected {
    Nothing,
    /// A line that matches; `labels` are shown of it.
    Line {
        pattern: Pattern,
        labels: Option<Vec<LabelOfMatch>>,
    },
    /// Exactly these bytes.
    Bytes(Box<[u8]>),
}

/// A label whose value is made of a match.
#[derive(Debug)]
pub(crate) struct LabelOfMatch {
    pub(super) name: Box<str>,
    pub(super) value: Template,
}

/// An entry as it is written.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Written {
    /// Read lines until one matches.
    expect: Option<Pattern>,
    /// Read as many bytes; they must be these.
    expect_bytes: Option<Text>,
    /// Labels of `probe_expect_info`; values may hold groups of the match.
    labels: Option<Vec<WrittenLabel>>,
    /// Send this and a line feed. Groups of the match (`$1`, `${name}`) are replaced where there is an `expect`,
    /// `${env:NAME}` and `${file:PATH}` everywhere.
    send: Option<Text>,
    /// Go on encrypted.
    starttls: bool,
}

/// A label as it is written.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
struct WrittenLabel {
    /// The label's name.
    name: String,
    /// The label's value.
    value: String,
}

impl TryFrom<Written> for Entry {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let send = written.send.unwrap_or_default().0;
        let bytes = written.expect_bytes.unwrap_or_default().0;
        let starttls = written.starttls;
        let expected_text = written.expect.as_ref().map_or(bytes.as_slice(), |pattern| pattern.source().as_bytes());
        let names_secrets = names_secrets(expected_text, &send);
        match written.expect {
            Some(_) if !bytes.is_empty() => Err("at most one of expect and expect_bytes may be set".to_owned()),
            Some(pattern) => {
                let send = Template::of_match(&send, &pattern)?;
                let label = |label: WrittenLabel| {
                    let value = Template::of_groups(label.value.as_bytes(), &pattern)?;
                    Ok(LabelOfMatch { name: label_name(&label.name), value })
                };
                let labels = written.labels.map(|labels| labels.into_iter().map(label).collect());
                let labels = labels.transpose().map_err(|error: String| error)?;
                Ok(Self { expected: Expected::Line { pattern, labels }, send, starttls, names_secrets })
            }
            None => {
                let expected = if bytes.is_empty() { Expected::Nothing } else { Expected::Bytes(bytes.into()) };
                Ok(Self { expected, send: Template::literal(&send)?, starttls, names_secrets })
            }
        }
    }
}

/// A label name that Prometheus takes: `[A-Za-z_][A-Za-z0-9_]*`, other characters replaced by `_`, and not two
/// underscores at the beginning, which it keeps for itself.
fn label_name(text: &str) -> Box<str> {
    let mut name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.is_empty() {
        name.push('_');
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.replace_range(..1, "_");
    }
    let rest = name.trim_start_matches('_');
    if rest.len() == name.len() { name.into() } else { format!("_{rest}").into() }
}

/// Text that may hold any bytes (YAML's `!!binary`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(Vec<u8>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(bytes.into()))
            }
        }

        // Not as any value: text such as `123` must stay as it was written.
        deserializer.deserialize_string(Visitor)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// An entry that sends or expects bytes that no JSON can hold.
#[cfg(test)]
pub(super) fn of_bytes(send: &[u8], expect: &[u8], starttls: bool) -> Entry {
    let (send, expect_bytes) = (Some(Text(send.into())), Some(Text(expect.into())));
    Entry::try_from(Written { send, expect_bytes, starttls, ..Written::default() }).expect("a good entry")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(entry: serde_json::Value) -> String {
        Entry::deserialize(entry).map(drop).expect_err("a bad entry").to_string()
    }

    #[test]
    fn a_line_and_bytes_exclude_each_other() {
        let both = "at most one of expect and expect_bytes may be set";
        assert_eq!(error(json!({"expect": "a", "expect_bytes": "b"})), both);
        assert_eq!(error(json!({"expect": "", "expect_bytes": "b"})), both);
        let entry = Entry::deserialize(json!({"expect": "a", "expect_bytes": ""})).expect("a good entry");
        assert!(matches!(entry.expected, Expected::Line { .. }));
    }

    #[test]
    fn what_is_misspelt_is_an_error() {
        assert!(error(json!({"expect": ":["})).contains(":["));
        assert!(error(json!({"expects": "a"})).contains("expects"));
        assert!(error(json!({"labels": [{"key": "a"}]})).contains("key"));
    }

    #[test]
    fn nulls_are_as_good_as_nothing() {
        let nothing = json!({"expect": null, "expect_bytes": null, "labels": null, "send": null});
        let entry = Entry::deserialize(nothing).expect("a good entry");
        assert!(matches!(entry.expected, Expected::Nothing));
    }

    #[test]
    fn label_names_are_made_to_fit() {
        assert_eq!(&*label_name("ssh_version"), "ssh_version");
        assert_eq!(&*label_name("a-b:c ä"), "a_b_c__");
        assert_eq!(&*label_name("1st"), "_st");
        assert_eq!(&*label_name("_x"), "_x");
        assert_eq!(&*label_name("__name__"), "_name__");
        assert_eq!(&*label_name(""), "_");
    }

    #[test]
    fn text_may_be_bytes() {
        let bytes = de::value::BytesDeserializer::<de::value::Error>::new(b"\x00\xff");
        assert_eq!(Text::deserialize(bytes), Ok(Text(b"\x00\xff".to_vec())));
        assert_eq!(Text::deserialize(json!("ä")).expect("text"), Text("ä".into()));
    }
}
