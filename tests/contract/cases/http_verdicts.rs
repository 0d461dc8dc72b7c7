//! `http`: status, lengths, compression, rules on headers and bodies.

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
