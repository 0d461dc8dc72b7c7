//! Colour and width of a terminal.

use std::fmt;
use std::io::IsTerminal as _;

/// Width where there is no terminal. Chosen: what fits into a report.
const WIDTH_DEFAULT: usize = 100;
/// Widest and narrowest text. Chosen: below nothing fits, above the eye loses the line.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=160;

/// How a text is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Columns to use.
    pub(super) width: usize,
    /// Whether escape sequences colour the text.
    pub(super) colour: bool,
}

/// A colour or weight.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ink {
    Good,
    Bad,
    Doubt,
    Dim,
    Strong,
    Accent,
}

impl Style {
    /// What fits the standard output: colour only on a terminal, and not against the user's will (<https://no-color.org/>).
    pub(super) fn of_stdout() -> Self {
        let forbids = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = std::io::stdout().is_terminal();
        let width = if is_terminal { terminal_size::terminal_size() } else { None };
        let told = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = width.map(|(width, _)| usize::from(width.0)).or_else(told).unwrap_or(WIDTH_DEFAULT);
        let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        Self {
            width: width.clamp(*WIDTHS.start(), *WIDTHS.end()),
            colour: (is_terminal && !is_dumb || forced) && !forbids("NO_COLOR"),
        }
    }

    /// The text in a colour.
    pub(super) fn paint<T: fmt::Display>(self, ink: Ink, text: T) -> Painted<T> {
        Painted { text, code: if self.colour { ink.code() } else { "" } }
    }
}

impl Ink {
    /// The parameters of ECMA-48 SGR.
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "1;32",
            Self::Bad => "1;31",
            Self::Doubt => "1;33",
            Self::Dim => "2",
            Self::Strong => "1",
            Self::Accent => "36",
        }
    }
}

/// A text with its colour.
pub(super) struct Painted<T> {
    text: T,
    code: &'static str,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            "" => self.text.fmt(f),
            code => {
                write!(f, "\u{1b}[{code}m")?;
                self.text.fmt(f)?;
                f.write_str("\u{1b}[0m")
            }
        }
    }
}
