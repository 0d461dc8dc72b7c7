//! `http`: what is sent (method, headers, body, credentials, proxies).

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
