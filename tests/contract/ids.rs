//! The 250 cases of section 7 of the contract, and those that are still to be written.

use std::collections::BTreeSet;

/// Letters and how many cases each has.
const CONTRACT: [(&str, usize); 10] =
    [("P", 35), ("A", 33), ("I", 10), ("H", 86), ("T", 24), ("U", 4), ("D", 28), ("C", 7), ("G", 12), ("W", 11)];

/// Cases that are not written yet, one word each. Take yours out when you add it.
const TO_BE_WRITTEN: &[&str] = &["G1 G2 G3 G4 G5 G6 G7 G8 G9 G10 G11 G12", "W1 W2 W3 W4 W5 W6 W7 W8 W9 W10 W11"];

/// All ids.
pub(crate) fn all() -> Vec<String> {
    CONTRACT.iter().flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}"))).collect()
}

/// Each id is written once, or still to be written.
pub(crate) fn check(written: &[&str]) -> Result<(), String> {
    let all = all();
    let unknown: Vec<&&str> = written.iter().filter(|id| !all.iter().any(|known| known == *id)).collect();
    let to_write: BTreeSet<&str> = TO_BE_WRITTEN.iter().flat_map(|ids| ids.split_whitespace()).collect();
    let once: BTreeSet<&str> = written.iter().copied().collect();
    let both: Vec<&&str> = once.iter().filter(|id| to_write.contains(**id)).collect();
    let missing: Vec<&String> =
        all.iter().filter(|id| !once.contains(id.as_str()) && !to_write.contains(id.as_str())).collect();
    let twice = written.len() - once.len();
    if !(unknown.is_empty() && both.is_empty() && missing.is_empty() && twice == 0) {
        return Err(format!(
            "unknown {unknown:?}, written and to be written {both:?}, missing {missing:?}, {twice} twice"
        ));
    }
    Ok(())
}
