//! What the test binaries share: finding the machine's programs, and running them.
//!
//! Knows no program by name.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian keeps servers that are not in an ordinary user's `PATH`.
const SERVER_DIRECTORIES: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// A program of this machine, under the first of its names that is found.
///
/// Where there is none, the test cannot run: with `DAEMONS=required`, as `.ci/run` sets it, that is a failure;
/// otherwise the test says that it was skipped, and its caller returns.
///
/// ```ignore
/// let Some(promtool) = program(&["promtool"]) else { return };
/// ```
pub(crate) fn program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> =
        env::split_paths(&path).chain(SERVER_DIRECTORIES.iter().map(PathBuf::from)).collect();
    let found = names
        .iter()
        .flat_map(|name| directories.iter().map(move |directory| directory.join(name)))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        let missing = format!("this machine has no {}; tests/install-daemons.sh installs it", names.join(" or "));
        assert!(env::var_os("DAEMONS").is_none_or(|value| value != "required"), "{missing}");
        eprintln!("skipped: {missing}");
    }
    found
}

/// Runs a program to its end, without input, and gives back what it printed. It must succeed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{printed}", output.status);
    printed
}

/// A file of the project, by its path from the root.
pub(crate) fn project_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
