//! The README's table of what breaks, and what is seen then: what it names exists, and it leaves no alert out.

use std::collections::BTreeSet;
use std::fs;

use tuermer_probes::{Reason, kind};

use crate::names::known;
use crate::project_file;
use crate::prometheus::alerts;

#[test]
fn the_table_of_misfortunes_names_what_exists() {
    let known = known();
    for [misfortune, verdict, reason, signs, _] in rows() {
        let kinds: Vec<_> = quoted(verdict.split(':').next().unwrap_or_default()).collect();
        assert!(!kinds.is_empty(), "{misfortune}: no kind");
        let kinds: Vec<_> =
            kinds.iter().map(|name| kind(name).unwrap_or_else(|| panic!("{name} is no kind"))).collect();
        for word in quoted(&reason) {
            let is_reason = Reason::ALL.iter().any(|known| known.name() == word);
            let is_phase = kinds.iter().any(|kind| kind.phases.iter().any(|phase| phase.name() == word));
            assert!(is_reason || is_phase, "{misfortune}: {word} is neither a reason nor a phase");
        }
        for sign in quoted(&signs).filter(|sign| sign.starts_with("probe_")) {
            let name = sign.split(['{', ' ']).next().unwrap_or_default();
            let is_known = known.contains(name) || known.contains(&format!("{name}_bucket"));
            assert!(is_known, "{misfortune}: {name} is no metric");
        }
    }
}

#[test]
fn the_table_of_misfortunes_leaves_no_alert_about_mail_out() {
    let all: BTreeSet<String> =
        alerts().iter().map(|alert| alert["alert"].as_str().expect("a name").to_owned()).collect();
    let about_mail = all.iter().filter(|name| name.starts_with("Mail") || name.starts_with("Dnsbl"));
    let mut named = BTreeSet::new();
    for [misfortune, .., alert] in rows() {
        for name in alert.split([' ', ',', ';']).filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())) {
            assert!(all.contains(name), "{misfortune}: {name} is no alert");
            named.insert(name.to_owned());
        }
    }
    assert_eq!(about_mail.filter(|name| !named.contains(*name)).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The rows of the table, cell by cell.
fn rows() -> Vec<[String; 5]> {
    let readme = fs::read_to_string(project_file("README.md")).expect("README");
    let (_, rest) = readme.split_once("| what breaks |").expect("the table");
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        <[String; 5]>::try_from(cells).unwrap_or_else(|cells| panic!("{} cells in {line}", cells.len()))
    };
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(rows.len() > 20, "only {} rows", rows.len());
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
