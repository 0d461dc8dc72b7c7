//! The 250 cases of section 7 of the contract.

use std::collections::BTreeSet;

/// Letters and how many cases each has.
const CONTRACT: [(&str, usize); 10] =
    [("P", 35), ("A", 33), ("I", 10), ("H", 86), ("T", 24), ("U", 4), ("D", 28), ("C", 7), ("G", 12), ("W", 11)];

/// All ids.
pub(crate) fn all() -> Vec<String> {
    CONTRACT.iter().flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}"))).collect()
}

/// Each id is written once.
pub(crate) fn check(written: &[&str]) -> Result<(), String> {
    let all = all();
    let unknown: Vec<&&str> = written.iter().filter(|id| !all.iter().any(|known| known == *id)).collect();
    let once: BTreeSet<&str> = written.iter().copied().collect();
    let missing: Vec<&String> = all.iter().filter(|id| !once.contains(id.as_str())).collect();
    let twice = written.len() - once.len();
    if !(unknown.is_empty() && missing.is_empty() && twice == 0) {
        return Err(format!("unknown {unknown:?}, missing {missing:?}, {twice} twice"));
    }
    Ok(())
}
