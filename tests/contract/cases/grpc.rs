//! `grpc`: G1 to G12.

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
