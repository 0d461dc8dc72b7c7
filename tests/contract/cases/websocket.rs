//! `websocket`: W1 to W11.

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
