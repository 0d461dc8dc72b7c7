//! What is read of lists.

use crate::measure::{Measure, Unit};

pub(super) static LISTS: Measure = Measure::level("probe_dnsbl_lists", Unit::None, "Lists that are asked.");
pub(super) static LISTS_USABLE: Measure = Measure::level(
    "probe_dnsbl_lists_usable",
    Unit::None,
    "Lists whose word counts: they answered and passed their test.",
);
pub(super) static LISTINGS: Measure =
    Measure::level("probe_dnsbl_listings", Unit::None, "Entries found, over all lists and all that was asked about.");
pub(super) static LISTED: Measure =
    Measure::level("probe_dnsbl_listed", Unit::None, "1 if the list names the address or the domain.")
        .labels(&["subject"]);
pub(super) static CODE_INFO: Measure =
    Measure::level("probe_dnsbl_code_info", Unit::Info, "What the list says of an entry: an address of 127.0.0.0/8.")
        .labels(&["subject", "code"]);
pub(super) static ZONE_OK: Measure = Measure::level(
    "probe_dnsbl_zone_ok",
    Unit::None,
    "1 if the list has the entry that every list must have, and not the one that none may have.",
);
pub(super) static REFUSED: Measure =
    Measure::level("probe_dnsbl_refused", Unit::None, "1 if the list does not serve the agent's resolver.");

/// All of them.
pub(super) const ALL: &[&Measure] = &[&LISTS, &LISTS_USABLE, &LISTINGS, &LISTED, &CODE_INFO, &ZONE_OK, &REFUSED];
