//! What can be set of kind `arrival`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::pattern::Pattern;
use crate::settings::Span;

/// Longest time between two messages. Chosen: a yearly report.
const EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Which message must arrive, and how often.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Such a message must arrive at least so often. Give it an hour more than the sender's own interval.
    #[serde(deserialize_with = "every")]
    #[schemars(with = "Span")]
    pub(super) every: Duration,
    /// What the sender must match: the envelope's, or the field `From`.
    #[serde(default)]
    pub(super) from: Option<Pattern>,
    /// What the subject must match, once its encoding is undone.
    #[serde(default)]
    pub(super) subject: Option<Pattern>,
    /// What the body must match. Encodings of text parts are undone; other parts are left out.
    #[serde(default)]
    pub(super) body: Option<Pattern>,
    /// The check fails if the body of the newest such message matches one of these.
    #[serde(default)]
    pub(super) fail_if_body_matches_regexp: Vec<Pattern>,
    /// The check fails if the body of the newest such message does not match all of these.
    #[serde(default)]
    pub(super) fail_if_body_not_matches_regexp: Vec<Pattern>,
}

fn every<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let Span(time) = Span::deserialize(deserializer)?;
    if time.is_zero() || time > EVERY_MAX {
        return Err(de::Error::custom(format!("`every` must be above 0 and at most {}h", EVERY_MAX.as_secs() / 3600)));
    }
    Ok(time)
}
