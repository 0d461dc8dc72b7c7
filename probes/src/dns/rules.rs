//! Rules on the records of one section.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::message::Record;
use super::text::Text;
use crate::failure::{Failure, Reason};
use crate::pattern::Pattern;

/// Rules on the records of one section: regular expressions on their text form.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Rules {
    /// Fail if any record matches any of these.
    fail_if_matches_regexp: Vec<Pattern>,
    /// As blackbox_exporter has it, against its name: fail if any record does not match all of these. An empty section
    /// passes.
    fail_if_all_match_regexp: Vec<Pattern>,
    /// Fail if all records match one of these. An empty section passes.
    fail_if_all_records_match_regexp: Vec<Pattern>,
    /// Fail if any record does not match all of these, or if there is none.
    fail_if_not_matches_regexp: Vec<Pattern>,
    /// Fail if no record matches any of these.
    fail_if_none_matches_regexp: Vec<Pattern>,
    /// Fail if there are fewer records.
    fail_if_fewer_records_than: usize,
    /// Fail if there are more records.
    fail_if_more_records_than: Option<usize>,
}

impl Rules {
    /// Whether the records' texts matter.
    fn are_on_text(&self) -> bool {
        let Self {
            fail_if_matches_regexp: a,
            fail_if_all_match_regexp: b,
            fail_if_all_records_match_regexp: c,
            fail_if_not_matches_regexp: d,
            fail_if_none_matches_regexp: e,
            ..
        } = self;
        [a, b, c, d, e].into_iter().any(|patterns| !patterns.is_empty())
    }

    /// Holds the records of a section against the rules.
    pub(super) fn check(&self, section: &str, message: &[u8], records: &[Record]) -> Result<(), Failure> {
        let count = records.len();
        let broken = |what: std::fmt::Arguments<'_>| Err(Failure::new(Reason::RecordUnexpected, what));
        if count < self.fail_if_fewer_records_than {
            return broken(format_args!(
                "{count} {section} records, fewer than the {} of fail_if_fewer_records_than",
                self.fail_if_fewer_records_than
            ));
        }
        if let Some(max) = self.fail_if_more_records_than.filter(|max| count > *max) {
            return broken(format_args!("{count} {section} records, more than the {max} of fail_if_more_records_than"));
        }
        if records.is_empty() {
            let rules = [
                ("fail_if_not_matches_regexp", &self.fail_if_not_matches_regexp),
                ("fail_if_none_matches_regexp", &self.fail_if_none_matches_regexp),
            ];
            return match rules.into_iter().find(|(_, patterns)| !patterns.is_empty()) {
                Some((rule, _)) => broken(format_args!("no {section} record for {rule}")),
                None => Ok(()),
            };
        }
        if !self.are_on_text() {
            return Ok(());
        }

        let mut text = String::new();
        let mut any = self.fail_if_none_matches_regexp.is_empty();
        let mut all: Vec<_> = self.fail_if_all_records_match_regexp.iter().collect();
        for record in records {
            text.clear();
            write!(text, "{}", Text::new(message, record)).expect("a string takes all text");
            let matches = |pattern: &&Pattern| pattern.is_match(text.as_bytes());
            if let Some(pattern) = self.fail_if_matches_regexp.iter().find(matches) {
                return broken(format_args!("{section} record {text:?} matches {:?}", pattern.source()));
            }
            let must_match = self.fail_if_all_match_regexp.iter().chain(&self.fail_if_not_matches_regexp);
            for pattern in must_match {
                if !matches(&pattern) {
                    return broken(format_args!("{section} record {text:?} does not match {:?}", pattern.source()));
                }
            }
            any = any || self.fail_if_none_matches_regexp.iter().any(|pattern| matches(&pattern));
            all.retain(matches);
        }
        if !any {
            return broken(format_args!(
                "none of {count} {section} records matches {:?}",
                self.fail_if_none_matches_regexp
            ));
        }
        match all.first() {
            Some(pattern) => broken(format_args!("all of {count} {section} records match {:?}", pattern.source())),
            None => Ok(()),
        }
    }
}
