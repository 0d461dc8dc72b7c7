//! Values that must not be seen.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A value that never shows itself: written inline, as `${env:NAME}` or as `${file:PATH}`.
///
/// The environment is read when the configuration is loaded, the file whenever the value is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Source);

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Value(Box<str>),
    File(PathBuf),
}

impl Secret {
    /// A secret given as it is.
    pub fn inline(value: impl Into<Box<str>>) -> Self {
        Self(Source::Value(value.into()))
    }

    /// A secret whose value is a file's content without surrounding white space.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// The value, where no file has to be read for it.
    pub(crate) fn value(&self) -> Result<&str, &PathBuf> {
        match &self.0 {
            Source::Value(value) => Ok(value),
            Source::File(path) => Err(path),
        }
    }

    /// Reads a reference or takes the text as it is.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(reference) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
            return Ok(Self::inline(text));
        };
        match reference.split_once(':') {
            Some(("env", name)) => match std::env::var(name) {
                Ok(value) => Ok(Self::inline(value)),
                Err(_) => Err(format!("environment variable {name:?} is not set or not UTF-8")),
            },
            Some(("file", path)) if !path.is_empty() => Ok(Self::file(path)),
            // Not a reference of ours: blackbox_exporter's users may have such passwords.
            _ => Ok(Self::inline(text)),
        }
    }
}

/// What stands for a secret where it would be shown.
const MARK: &str = "<secret>";

/// What the HTTP library shows for a header's value that is marked as a secret.
const HEADER_MARK: &str = "Sensitive";

/// Whether a step of a dialogue has to do with secrets, by the words that are awaited or sent: what is sent from there on
/// must not be seen.
pub fn names_secrets(awaited: &[u8], sent: &[u8]) -> bool {
    const PROMPTS: [&[u8]; 6] = [b"assword", b"assphrase", b"ogin:", b"sername", b"token", b"secret"];
    const COMMANDS: [&[u8]; 11] = [
        b"auth",
        b"pass",
        b"pwd",
        b"login",
        b"token",
        b"secret",
        b"credential",
        b"key",
        b"bearer",
        b"cookie",
        b"session",
    ];
    let holds = |line: &[u8], word: &&[u8]| line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    PROMPTS.iter().any(|word| holds(awaited, word)) || COMMANDS.iter().any(|word| holds(sent, word))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}

/// A path to what must not be seen: shows itself as a secret, although the path is none.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent, inline)]
pub struct SecretPath(PathBuf);

impl std::ops::Deref for SecretPath {
    type Target = PathBuf;

    fn deref(&self) -> &PathBuf {
        &self.0
    }
}

impl fmt::Debug for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}

/// Whether secrets are among what these settings hold.
pub(crate) fn shows_in(settings: &impl fmt::Debug) -> bool {
    let shown = format!("{settings:?}");
    shown.contains(MARK) || shown.contains(HEADER_MARK)
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "secret"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        assert_eq!(format!("{:?}", Secret::inline("hunter2")), "<secret>");
    }

    #[test]
    fn references_are_told_from_values() {
        assert_eq!(Secret::parse("${file:/run/pw}"), Ok(Secret::file("/run/pw")));
        assert_eq!(Secret::parse("${x}"), Ok(Secret::inline("${x}")));
        assert!(Secret::parse("${env:TUERMER_NO_SUCH_VARIABLE}").is_err());
    }

    #[test]
    fn modules_say_whether_they_carry_secrets() {
        use serde_json::{Value, json};
        let carries = |kind: &str, settings: Value| {
            crate::kind(kind).expect("a kind").module(settings).expect("settings").carries_secrets()
        };
        for (kind, settings) in [
            ("http", json!({"basic_auth": {"username": "u", "password": "p"}})),
            ("http", json!({"basic_auth": {"username": "u", "password_file": "/p"}})),
            ("http", json!({"bearer_token": "t"})),
            ("http", json!({"bearer_token_file": "/t"})),
            ("http", json!({"authorization": {"credentials": "c"}})),
            ("http", json!({"headers": {"Authorization": "Basic dTpw"}})),
            ("http", json!({"headers": {"X-Api-Key": "k"}})),
            ("http", json!({"http_headers": {"X-Thing": {"secrets": ["s"]}}})),
            ("http", json!({"http_headers": {"X-Thing": {"files": ["/s"]}}})),
            ("http", json!({"proxy_url": "http://u:p@proxy/"})),
            ("http", json!({"proxy_url": "http://proxy/", "proxy_connect_header": {"X": ["s"]}})),
            ("http", json!({"tls_config": {"cert_file": "/c", "key_file": "/k"}})),
            ("http", json!({"oauth2": {"client_id": "i", "client_secret": "s", "token_url": "http://t/"}})),
            ("tcp", json!({"tls_config": {"cert": "c", "key": "k"}})),
            ("tcp", json!({"query_response": [{"send": "PASS ${file:/p}"}]})),
            ("tls", json!({"tls_config": {"cert_file": "/c", "key_file": "/k"}})),
            ("smtp", json!({"tls_config": {"cert_file": "/c", "key_file": "/k"}})),
            ("smtp", json!({"refuses": {"relay": "x@elsewhere.example"}})),
            ("smtp", json!({"refuses": {"recipient": "nobody@town.example"}})),
            ("smtp", json!({"username": "u", "password": "p", "refuses": {"wrong_password": true}})),
            ("dns", json!({"query_name": "x", "tls_config": {"cert_file": "/c", "key_file": "/k"}})),
            ("grpc", json!({"metadata": {"token": ["t"]}})),
            ("unix", json!({})),
        ] {
            assert!(carries(kind, settings.clone()), "{kind} {settings}");
        }
        for (kind, settings) in [
            ("http", json!({})),
            ("http", json!({"headers": {"Accept": "text/html", "Host": "h"}, "body": "b"})),
            ("http", json!({"proxy_url": "http://proxy/"})),
            ("http", json!({"tls_config": {"ca_file": "/ca"}, "fail_if_body_matches_regexp": ["Sens"]})),
            ("tcp", json!({"query_response": [{"send": "QUIT"}]})),
            ("dns", json!({"query_name": "x"})),
            ("icmp", json!({})),
            ("tls", json!({})),
            ("smtp", json!({})),
            ("smtp", json!({"recipients": ["x@town.example"], "refuses": {"wrong_password": false}})),
            ("grpc", json!({})),
        ] {
            assert!(!carries(kind, settings.clone()), "{kind} {settings}");
        }
    }
}
