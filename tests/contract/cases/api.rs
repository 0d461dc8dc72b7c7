//! Endpoints and their parameters: A1 to A33.

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
