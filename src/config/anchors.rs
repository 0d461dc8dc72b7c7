//! The file that `dnssec_trust_anchors:` names: keys that proofs of DNSSEC begin with.

use tuermer_probes::net::Anchors;

use super::fault::{ConfigError, Fault};
use super::source::Place;

/// Understands the text of such a file. `origin` is what messages call it.
pub fn trust_anchors(text: &str, origin: &str) -> Result<Anchors, ConfigError> {
    Anchors::read(text).map_err(|fault| {
        // The word that is wrong ends where the next begins.
        let rest = text.get(fault.place..).unwrap_or_default();
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let [start, end] = [fault.place, fault.place + length].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        let fault = Fault::new(Place { start, end }, fault.message)
            .with_help("a trust anchor is a DS or DNSKEY record: example.org. IN DS 12345 13 2 0A1B2C...");
        ConfigError::new(vec![fault], text, origin)
    })
}
