//! What can be set of kind `mail_policy`.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::net::{Tls, TlsSettings};
use crate::target::host_name;

/// Most selectors of one module. Chosen: two or three are in use at a time, for each of a few senders.
const SELECTORS_MAX: usize = 16;
/// Most senders of one module. Chosen: more have their addresses in a block.
const SENDERS_MAX: usize = 8;
/// HTTPS (RFC 9110 section 4.2.2).
pub(crate) const HTTPS: NonZeroU16 = NonZeroU16::new(443).expect("443 is not zero");

/// What a domain can publish for its mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Policy {
    /// Where its mail goes (RFC 5321 section 5.1).
    Mx,
    /// Names of the mail hosts' addresses.
    Reverse,
    /// Who may send its mail (RFC 7208).
    Spf,
    /// Keys that sign its mail (RFC 6376).
    Dkim,
    /// What to do with mail that is not its own (RFC 7489).
    Dmarc,
    /// That mail to it is encrypted, by HTTPS (RFC 8461).
    MtaSts,
    /// Who wants to know of troubles with encryption (RFC 8460).
    TlsRpt,
    /// That mail to it is encrypted, by DNSSEC (RFC 7672).
    Dane,
}

impl Policy {
    /// All, in the order in which they are looked at.
    pub(super) const ALL: [Self; 8] =
        [Self::Mx, Self::Reverse, Self::Spf, Self::Dkim, Self::Dmarc, Self::MtaSts, Self::TlsRpt, Self::Dane];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Reverse => "reverse",
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::MtaSts => "mta_sts",
            Self::TlsRpt => "tls_rpt",
            Self::Dane => "dane",
        }
    }
}

/// Which policies must be good, and what is known of the domain's own senders.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub(crate) struct Settings {
    /// What must be good: `mx`, `reverse`, `spf`, `dkim`, `dmarc`, `mta_sts`, `tls_rpt`, `dane`. The others are only read.
    pub(super) require: Vec<Policy>,
    /// Addresses that send the domain's mail: SPF must let each pass.
    pub(super) spf_senders: Vec<IpAddr>,
    /// Selectors of the domain's DKIM keys. Without any, none is looked for.
    pub(super) dkim_selectors: Vec<Selector>,
    /// Whether a name server on another machine is believed when it says that it verified an answer (DNSSEC). One on
    /// this machine always is. Where nobody is believed, or says so, the agent verifies MX and TLSA records itself.
    pub(super) trust_dnssec: bool,
    /// Port at which MTA-STS policies are fetched; senders use 443.
    pub(super) mta_sts_port: NonZeroU16,
    /// How the channel is built over which the MTA-STS policy is fetched.
    #[serde(deserialize_with = "tls")]
    #[schemars(with = "TlsSettings")]
    pub(super) tls_config: Tls,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            require: vec![Policy::Mx, Policy::Spf, Policy::Dmarc],
            spf_senders: Vec::new(),
            dkim_selectors: Vec::new(),
            trust_dnssec: false,
            mta_sts_port: HTTPS,
            tls_config: client(TlsSettings::default()),
        }
    }
}

/// A client for policy hosts.
pub(crate) fn client(settings: TlsSettings) -> Tls {
    Tls::new(settings, &["http/1.1"])
}

fn tls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tls, D::Error> {
    Ok(client(<TlsSettings as Deserialize>::deserialize(deserializer)?))
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let settings = Self::deserialize(deserializer)?;
        let too_many = |count, what, max| Err(de::Error::custom(format!("{count} {what}, at most {max} are allowed")));
        match (settings.spf_senders.len(), settings.dkim_selectors.len()) {
            (senders, _) if senders > SENDERS_MAX => too_many(senders, "senders", SENDERS_MAX),
            (_, selectors) if selectors > SELECTORS_MAX => too_many(selectors, "selectors", SELECTORS_MAX),
            (_, 0) if settings.require.contains(&Policy::Dkim) => {
                Err(de::Error::custom("`dkim` is required, but `dkim_selectors` names no key"))
            }
            _ => Ok(settings),
        }
    }
}

/// The name of a DKIM key (RFC 6376 section 3.1): labels of the DNS.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Selector(pub(super) Box<str>);

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        host_name(&text).map(Self).map_err(|_| de::Error::custom(format!("{text:?} is no selector of a DKIM key")))
    }
}
