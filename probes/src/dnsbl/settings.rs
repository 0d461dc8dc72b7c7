//! What can be set of kind `dnsbl`.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::net::Family;
use crate::settings::{IpProtocol, yes};
use crate::target::host_name;

/// Most lists of one module. Chosen: more than any mail server asks.
const LISTS_MAX: usize = 32;

/// Which lists are asked, and what of their answers counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Settings {
    /// Zones of lists of addresses, as `zen.spamhaus.org`.
    #[serde(default)]
    pub(super) address_lists: Vec<Zone>,
    /// Zones of lists of domains, as `dbl.spamhaus.org`.
    #[serde(default)]
    pub(super) domain_lists: Vec<Zone>,
    /// Answers that do not count as an entry, as `127.0.0.10`.
    #[serde(default)]
    pub(super) ignored_codes: Vec<Ipv4Addr>,
    /// Whether each list is tried first with the entry that it must have and the one that it may not have (RFC 5782
    /// section 5). A list that fails is not believed.
    #[serde(default = "yes")]
    pub(super) self_test: bool,
    /// Address family whose addresses of a target are asked about first.
    #[serde(default)]
    pub(super) preferred_ip_protocol: IpProtocol,
    /// Whether addresses of the other family are asked about too.
    #[serde(default = "yes")]
    pub(super) ip_protocol_fallback: bool,
}

impl Settings {
    pub(super) const fn family(&self) -> Family {
        Family { preferred: self.preferred_ip_protocol, fallback: self.ip_protocol_fallback }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let settings = Self::deserialize(deserializer)?;
        match settings.address_lists.len() + settings.domain_lists.len() {
            0 => Err(de::Error::custom("no list is named: write `address_lists`, `domain_lists` or both")),
            lists if lists > LISTS_MAX => {
                Err(de::Error::custom(format!("{lists} lists, at most {LISTS_MAX} are allowed")))
            }
            _ => Ok(settings),
        }
    }
}

/// The zone of a list: a domain in ASCII, without the final dot.
#[derive(Debug)]
pub(crate) struct Zone(pub(super) Box<str>);

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        host_name(&text).map(Self).map_err(|why| de::Error::custom(format!("{text:?} {why}")))
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "domain".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}
