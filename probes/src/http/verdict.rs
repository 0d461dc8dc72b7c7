//! What an answer must be like.
//!
//! Knows rules and answers, not how answers come.

use http::header::{self, HeaderMap, HeaderName};
use http::{StatusCode, Version};

use super::settings::{HeaderMatch, Written};
use crate::failure::{Failure, Reason, shown};
use crate::pattern::Pattern;
use crate::pattern_scan::Scans;

/// How much of a value that breaks a rule is quoted in bytes. Chosen: enough to recognise it.
const QUOTE_BYTES_MAX: usize = 80;

/// Answer headers whose values are not quoted: they let others in.
const UNQUOTED: [HeaderName; 3] = [header::SET_COOKIE, header::WWW_AUTHENTICATE, header::PROXY_AUTHENTICATE];

/// A module's expectations.
#[derive(Debug)]
pub(super) struct Rules {
    statuses: Vec<i64>,
    versions: Vec<String>,
    header_matches: Vec<HeaderRule>,
    header_not_matches: Vec<HeaderRule>,
    body_matches: Vec<Pattern>,
    body_not_matches: Vec<Pattern>,
    fail_if_ssl: bool,
    fail_if_not_ssl: bool,
}

#[derive(Debug)]
struct HeaderRule {
    name: String,
    pattern: Pattern,
    allow_missing: bool,
}

impl HeaderRule {
    fn of(written: Vec<HeaderMatch>) -> Vec<Self> {
        let rules = written.into_iter().filter_map(|rule| {
            let HeaderMatch { header: name, regexp, allow_missing } = rule;
            Some(Self { name, pattern: regexp?, allow_missing })
        });
        rules.collect()
    }

    /// The first value that matches, unless the header is missing.
    fn find<'h>(&self, headers: &'h HeaderMap) -> Option<Option<&'h [u8]>> {
        let mut values = headers.get_all(&self.name).iter().map(http::HeaderValue::as_bytes).peekable();
        values.peek()?;
        Some(values.find(|value| self.pattern.is_match(value)))
    }

    fn missing(&self) -> Result<(), Failure> {
        if self.allow_missing {
            return Ok(());
        }
        Err(Failure::new(Reason::HeaderUnexpected, format_args!("header {:?} is missing", self.name)))
    }

    fn quoted(&self, headers: &HeaderMap) -> String {
        if UNQUOTED.iter().any(|name| self.name.eq_ignore_ascii_case(name.as_str())) {
            return "its value".to_owned();
        }
        headers.get(&self.name).map_or_else(String::new, |value| shown(value.as_bytes(), QUOTE_BYTES_MAX))
    }
}

impl Rules {
    pub(super) fn of(written: Written) -> Self {
        Self {
            statuses: written.valid_status_codes,
            versions: written.valid_http_versions,
            header_matches: HeaderRule::of(written.fail_if_header_matches),
            header_not_matches: HeaderRule::of(written.fail_if_header_not_matches),
            body_matches: written.fail_if_body_matches_regexp,
            body_not_matches: written.fail_if_body_not_matches_regexp,
            fail_if_ssl: written.fail_if_ssl,
            fail_if_not_ssl: written.fail_if_not_ssl,
        }
    }

    pub(super) fn status(&self, status: StatusCode) -> Result<(), Failure> {
        let fits = match self.statuses.as_slice() {
            [] => status.is_success(),
            statuses => statuses.contains(&i64::from(status.as_u16())),
        };
        match (fits, self.statuses.as_slice()) {
            (true, _) => Ok(()),
            (false, []) => Err(Failure::new(Reason::StatusUnexpected, format_args!("{status} instead of 200 to 299"))),
            (false, due) => Err(Failure::new(Reason::StatusUnexpected, format_args!("{status} instead of {due:?}"))),
        }
    }

    pub(super) fn has_header_rules(&self) -> bool {
        !self.header_matches.is_empty() || !self.header_not_matches.is_empty()
    }

    pub(super) fn headers(&self, headers: &HeaderMap) -> Result<(), Failure> {
        for rule in &self.header_matches {
            match rule.find(headers) {
                None => rule.missing()?,
                Some(None) => {}
                Some(Some(_)) => {
                    let (name, pattern, value) = (&rule.name, rule.pattern.source(), rule.quoted(headers));
                    let message = format_args!("header {name:?} matches `{pattern}`: {value}");
                    return Err(Failure::new(Reason::HeaderUnexpected, message));
                }
            }
        }
        for rule in &self.header_not_matches {
            match rule.find(headers) {
                None => rule.missing()?,
                Some(Some(_)) => {}
                Some(None) => {
                    let (name, pattern, value) = (&rule.name, rule.pattern.source(), rule.quoted(headers));
                    let message = format_args!("header {name:?} does not match `{pattern}`: {value}");
                    return Err(Failure::new(Reason::HeaderUnexpected, message));
                }
            }
        }
        Ok(())
    }

    pub(super) fn has_body_rules(&self) -> bool {
        !self.body_matches.is_empty() || !self.body_not_matches.is_empty()
    }

    /// The searches for all patterns in a body that comes in pieces; `None` if one of them needs it whole.
    pub(super) fn searches(&self) -> Option<Scans<'_>> {
        Scans::of(self.body_matches.iter().chain(&self.body_not_matches))
    }

    /// Compares a body of this length with the patterns: by searches that were made as it came, or else as it was kept.
    pub(super) fn body(&self, kept: &[u8], length: u64, searches: Option<Scans<'_>>) -> Result<(), Failure> {
        let found = searches.map(Scans::finish);
        let is_match = |index: usize, pattern: &Pattern| match &found {
            Some(found) => found[index],
            None => pattern.is_match(kept),
        };
        let mut patterns = self.body_matches.iter().enumerate();
        if let Some((_, pattern)) = patterns.find(|(index, pattern)| is_match(*index, pattern)) {
            return Err(Failure::new(Reason::BodyUnexpected, format_args!("the body matches `{}`", pattern.source())));
        }
        let before = self.body_matches.len();
        let mut patterns = self.body_not_matches.iter().enumerate();
        if let Some((_, pattern)) = patterns.find(|(index, pattern)| !is_match(before + index, pattern)) {
            let pattern = pattern.source();
            let message = format_args!("the body of {length} bytes does not match `{pattern}`");
            return Err(Failure::new(Reason::BodyUnexpected, message));
        }
        Ok(())
    }

    pub(super) fn version(&self, version: Version) -> Result<(), Failure> {
        // Compared as blackbox_exporter does: with the text that Go gives a version.
        let name = match version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_11 => "HTTP/1.1",
            Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/3.0",
        };
        if self.versions.is_empty() || self.versions.iter().any(|version| version == name) {
            return Ok(());
        }
        let due = &self.versions;
        Err(Failure::new(Reason::VersionUnexpected, format_args!("{name} instead of {due:?}")))
    }

    pub(super) fn encryption(&self, is_encrypted: bool) -> Result<(), Failure> {
        match is_encrypted {
            true if self.fail_if_ssl => Err(Failure::new(Reason::TlsUnexpected, "the answer came encrypted")),
            false if self.fail_if_not_ssl => Err(Failure::new(Reason::TlsMissing, "the answer came unencrypted")),
            _ => Ok(()),
        }
    }
}
