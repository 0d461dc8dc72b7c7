//! What is wrong with a file, and how that is told.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use super::source::{self, Place};
use super::suggest;

/// Most faults shown at once. Chosen: what one screen holds.
const FAULTS_SHOWN_MAX: usize = 20;
/// Longest list of allowed words. Chosen: a paragraph.
const ALLOWED_MAX: usize = 60;
/// Longest message in bytes. Chosen: a paragraph; messages quote the file.
const MESSAGE_BYTES_MAX: usize = 600;
/// Longest help in bytes. Chosen: all keys of the largest section.
const HELP_BYTES_MAX: usize = 2400;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) place: Place,
    message: String,
    helps: Vec<String>,
    /// Whether nothing but the value at the place is wrong, so that others can be judged without it.
    pub(super) is_local: bool,
}

impl Fault {
    pub(super) fn new(place: Place, message: impl fmt::Display) -> Self {
        Self { place, message: message.to_string(), helps: Vec::new(), is_local: false }
    }

    /// A word that is not one of the allowed.
    pub(super) fn unknown<'a>(
        place: Place,
        what: &str,
        found: &str,
        allowed: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::new(place, format_args!("unknown {what} `{found}`")).with_allowed(found, allowed)
    }

    pub(super) fn with_help(mut self, help: impl fmt::Display) -> Self {
        self.helps.push(help.to_string());
        self
    }

    pub(super) fn with_allowed<'a>(self, found: &str, allowed: impl IntoIterator<Item = &'a str>) -> Self {
        let mut allowed: Vec<&str> = allowed.into_iter().collect();
        let with_suggestion = match suggest::closest(found, allowed.iter().copied()) {
            Some(word) => self.with_help(format_args!("did you mean `{word}`?")),
            None => self,
        };
        allowed.sort_unstable();
        allowed.dedup();
        let more = allowed.len().saturating_sub(ALLOWED_MAX);
        allowed.truncate(ALLOWED_MAX);
        match (allowed.as_slice(), more) {
            ([], _) => with_suggestion,
            (words, 0) => with_suggestion.with_help(format_args!("allowed: {}", words.join(", "))),
            (words, more) => with_suggestion.with_help(format_args!("allowed: {} and {more} more", words.join(", "))),
        }
    }

    /// The same without a text that must not be seen. Helps list what is allowed, not what was found.
    pub(super) fn without(mut self, secret: &str) -> Self {
        if !secret.is_empty() {
            let escaped = format!("{secret:?}");
            let escaped = &escaped[1..escaped.len() - 1];
            self.message = self.message.replace(escaped, source::MASK).replace(secret, source::MASK);
        }
        self
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The same at another place.
    pub(super) fn at(&self, place: Place) -> Self {
        Self { place, ..self.clone() }
    }

    /// Everything there is to say, led by a word for how bad it is.
    pub(super) fn written(&self, word: &str, text: &str, origin: &str) -> String {
        let mut out = String::new();
        self.write(&mut out, word, text, origin);
        out
    }

    fn write(&self, out: &mut String, word: &str, text: &str, origin: &str) {
        let (line, column) = source::line_and_column(text, self.place);
        let _ = writeln!(out, "{word}: {}", shown(&self.message, MESSAGE_BYTES_MAX));
        let _ = writeln!(out, "  --> {origin}:{line}:{column}");
        source::write_excerpt(out, text, self.place);
        for help in &self.helps {
            let _ = writeln!(out, "  = {}", shown(help, HELP_BYTES_MAX));
        }
    }
}

fn shown(message: &str, max: usize) -> String {
    tuermer_probes::shown(source::hide_userinfo(message).as_bytes(), max)
}

/// Why a configuration cannot be used. Its text says everything: what, where, the line, what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    text: String,
}

impl ConfigError {
    /// The file could not be read at all.
    pub(super) fn unreadable(path: &std::path::Path, why: impl fmt::Display) -> Self {
        Self { text: format!("error: cannot read {}: {why}\n", PathBuf::from(path).display()) }
    }

    /// Nothing is wrong with the file, but it is of no use here.
    pub(super) fn unusable(why: impl fmt::Display) -> Self {
        Self { text: format!("error: {why}\n") }
    }

    /// The faults of a text, in its order.
    pub(super) fn new(mut faults: Vec<Fault>, text: &str, origin: &str) -> Self {
        faults.sort_by_key(|fault| fault.place);
        faults.dedup();
        let more = faults.len().saturating_sub(FAULTS_SHOWN_MAX);
        let mut out = String::new();
        for fault in faults.iter().take(FAULTS_SHOWN_MAX) {
            if !out.is_empty() {
                out.push('\n');
            }
            fault.write(&mut out, "error", text, origin);
        }
        if more > 0 {
            let _ = writeln!(out, "\nand {more} more");
        }
        Self { text: out }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl std::error::Error for ConfigError {}
