//! `tuermer check`: whether a configuration file can be used.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use super::{fail, print};
use crate::args::EXIT_BAD;
use crate::config::{self, Loaded};
use crate::world;

/// Loads a file and says what it means, or what is wrong with it.
pub fn run(file: &Path) -> ExitCode {
    match config::load(file) {
        Ok(loaded) => {
            if let Err(error) = world::anchors(&loaded.plan.agent) {
                return fail(&error, EXIT_BAD);
            }
            for warning in &loaded.warnings {
                fail(&format!("warning: {warning}"), EXIT_BAD);
            }
            print(format!("{}: {}\n", file.display(), summary(&loaded)).as_bytes())
        }
        Err(error) => fail(&error.to_string(), EXIT_BAD),
    }
}

fn summary(loaded: &Loaded) -> String {
    let counted = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let checks: BTreeSet<_> = loaded.plan.checks.iter().map(|check| &check.name).collect();
    let modules = counted(loaded.plan.modules.len(), "module");
    let targets = counted(loaded.plan.checks.len(), "target");
    format!("good: {modules}, {} with {targets}", counted(checks.len(), "check"))
}
