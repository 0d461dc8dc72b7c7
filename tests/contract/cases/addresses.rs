//! Which address is probed: I1 to I10.

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
