//! `@FILE` on the command line stands for the lines of the file, as in Prometheus' programs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;

use super::command;

/// Largest such file in bytes. Chosen: longer than any command line that a system takes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Puts the lines of each `@FILE` in its place; empty lines and those that begin with `#` are left out. What follows a
/// subcommand stays as it is, for a target may begin with `@`.
pub(super) fn expand(words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let commands = command();
    let is_command = |word: &OsStr| commands.get_subcommands().any(|known| word == known.get_name());
    if words.get(1).is_some_and(|word| is_command(word)) {
        return Ok(words);
    }
    let mut expanded = Vec::with_capacity(words.len());
    for (at, word) in words.into_iter().enumerate() {
        match word.to_str().and_then(|word| word.strip_prefix('@')) {
            Some(path) if at > 0 => expanded.extend(lines(path)?),
            _ => expanded.push(word),
        }
    }
    Ok(expanded)
}

fn lines(path: &str) -> Result<Vec<OsString>, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    let bytes = read.map_err(|error| format!("cannot read {path:?}: {error}"))?;
    if bytes as u64 > FILE_BYTES_MAX {
        return Err(format!("{path:?} is larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(OsString::from).collect())
}
