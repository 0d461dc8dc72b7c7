//! By which methods the encryption is judged, and which of the verdicts decide.

use std::net::IpAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::mail_policy::settings::{self, HTTPS};
use crate::net::{Tls, TlsSettings};
use crate::smtp::asked::Asked;
use crate::smtp::settings::{Encryption, Starttls};
use crate::target::Invalid;

/// What a verdict is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Demand {
    /// Nobody asks for it: it costs nothing.
    Ignore,
    /// It is only shown.
    Report,
    /// The server fails without it.
    Require,
}

/// How a server's encryption is judged.
#[derive(Debug)]
pub(crate) struct TlsPolicy {
    pub(super) webpki: Demand,
    pub(super) dane: Demand,
    pub(super) mta_sts: Demand,
    pub(super) trust_dnssec: bool,
    pub(super) mta_sts_port: NonZeroU16,
    pub(super) mta_sts_tls_config: Tls,
}

/// How a server's encryption is judged, by methods that know nothing of each other. Each is `ignore`, `report` (only
/// shown) or `require` (the server fails without it).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Written {
    /// By authorities (WebPKI): `ignore`, `report` or `require`. Default: `require`, and `report` with `dane: require`,
    /// since senders that go by DANE do not look at authorities. Certificates are for the mail host's name.
    webpki: Option<Demand>,
    /// By TLSA records (DANE, RFC 7672): `ignore`, `report` or `require`. Not `ignore` costs some dozens of questions
    /// to name servers for each mail host, up to half of the time for each: signatures are followed from zone to zone.
    dane: Demand,
    /// By the domain's MTA-STS policy (RFC 8461), be its mode `enforce` or `testing`: `ignore`, `report` or `require`. Not
    /// `ignore` costs a question to name servers and a request over HTTPS in each run. Targets must be domains.
    mta_sts: Demand,
    /// Whether a name server on another machine is believed when it says that it verified an answer (DNSSEC). One on
    /// this machine always is. Where nobody is believed, or says so, the agent verifies MX and TLSA records itself.
    trust_dnssec: bool,
    /// Port at which MTA-STS policies are fetched; senders use 443.
    mta_sts_port: NonZeroU16,
    /// How the channel is built over which the MTA-STS policy is fetched.
    #[serde(deserialize_with = "tls")]
    #[schemars(with = "TlsSettings")]
    mta_sts_tls_config: Tls,
}

fn tls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tls, D::Error> {
    Ok(settings::client(<TlsSettings as Deserialize>::deserialize(deserializer)?))
}

impl Default for Written {
    fn default() -> Self {
        Self {
            webpki: None,
            dane: Demand::Ignore,
            mta_sts: Demand::Ignore,
            trust_dnssec: false,
            mta_sts_port: HTTPS,
            mta_sts_tls_config: settings::client(TlsSettings::default()),
        }
    }
}

impl Written {
    pub(super) fn understood(self, encryption: Encryption, tls: &Tls) -> Result<TlsPolicy, &'static str> {
        let requires = |demand| demand == Demand::Require;
        let is_never = encryption == Encryption::OnTheWay(Starttls::Never);
        if is_never && (requires(self.dane) || requires(self.mta_sts)) {
            return Err("`tls_policy` cannot require what `starttls: never` rules out");
        }
        if tls.settings().insecure_skip_verify && (requires(self.mta_sts) || self.webpki.is_some_and(requires)) {
            return Err(
                "`tls_config.insecure_skip_verify` takes any certificate, and `tls_policy` requires a verified one",
            );
        }
        let by_default = if requires(self.dane) { Demand::Report } else { Demand::Require };
        Ok(TlsPolicy {
            webpki: self.webpki.unwrap_or(by_default),
            dane: self.dane,
            mta_sts: self.mta_sts,
            trust_dnssec: self.trust_dnssec,
            mta_sts_port: self.mta_sts_port,
            mta_sts_tls_config: self.mta_sts_tls_config,
        })
    }
}

impl TlsPolicy {
    /// Trusted authorities only.
    pub(crate) fn plain() -> Self {
        Self {
            webpki: Demand::Require,
            dane: Demand::Ignore,
            mta_sts: Demand::Ignore,
            trust_dnssec: false,
            mta_sts_port: HTTPS,
            mta_sts_tls_config: settings::client(TlsSettings::default()),
        }
    }

    /// Whether what is asked can have what is required.
    pub(super) fn fits(&self, asked: &Asked) -> Result<(), Invalid> {
        let Asked::Host { certificate_name, .. } = asked else { return Ok(()) };
        if self.mta_sts == Demand::Require {
            let message = "`tls_policy.mta_sts: require` needs a domain: one server has no policy";
            return Err(Invalid::Target(message.to_owned()));
        }
        if self.dane == Demand::Require && certificate_name.parse::<IpAddr>().is_ok() {
            let message = "`tls_policy.dane: require` needs a host name: an address has no TLSA records";
            return Err(Invalid::Target(message.to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::smtp::settings::SmtpSettings;
    use crate::target::Target;

    fn error(settings: Value) -> Option<String> {
        serde_json::from_value::<SmtpSettings>(settings).err().map(|error| error.to_string())
    }

    fn webpki(tls_policy: Value) -> Demand {
        let settings = serde_json::from_value::<SmtpSettings>(json!({"tls_policy": tls_policy}));
        settings.expect("valid settings").tls_policy.webpki
    }

    #[test]
    fn authorities_decide_unless_dane_does() {
        assert_eq!(webpki(json!({})), Demand::Require);
        assert_eq!(webpki(json!({"dane": "report", "mta_sts": "require"})), Demand::Require);
        assert_eq!(webpki(json!({"dane": "require"})), Demand::Report);
        assert_eq!(webpki(json!({"dane": "require", "webpki": "require"})), Demand::Require);
        assert_eq!(webpki(json!({"webpki": "ignore"})), Demand::Ignore);
    }

    #[test]
    fn what_cannot_be_had_cannot_be_required() {
        for method in ["dane", "mta_sts"] {
            assert_eq!(error(json!({"starttls": "never", "tls_policy": {method: "report"}})), None);
            assert!(error(json!({"starttls": "never", "tls_policy": {method: "require"}})).is_some(), "{method}");
        }
        let insecure = json!({"insecure_skip_verify": true});
        for (tls_policy, is_refused) in [
            (json!({"dane": "require", "mta_sts": "report"}), false),
            (json!({"mta_sts": "require"}), true),
            (json!({"webpki": "require"}), true),
        ] {
            let settings = json!({"tls_config": insecure, "tls_policy": tls_policy});
            assert_eq!(error(settings).is_some(), is_refused, "{tls_policy}");
        }
        assert!(error(json!({"tls_policy": {"dane": "maybe"}})).is_some());
        assert!(error(json!({"tls_policy": {"spf": "report"}})).is_some());
    }

    #[test]
    fn targets_must_have_what_is_required() {
        let is_refused = |tls_policy: Value, target: &Target| {
            let kind = crate::kind("smtp").expect("the kind");
            kind.module(json!({"tls_policy": tls_policy})).expect("valid settings").bind(target).is_err()
        };
        let (dane, mta_sts) = (json!({"dane": "require"}), json!({"mta_sts": "require"}));
        for (target, without_name, without_domain) in [
            (Target::new("example.org"), false, false),
            (Target::new("mx.example.org:25"), false, true),
            (Target::new("192.0.2.1"), true, true),
            (Target::new("192.0.2.1").with_hostname("mx.example.org"), false, true),
        ] {
            assert_eq!(is_refused(dane.clone(), &target), without_name, "{target:?}");
            assert_eq!(is_refused(mta_sts.clone(), &target), without_domain, "{target:?}");
            assert!(!is_refused(json!({"dane": "report", "mta_sts": "report"}), &target), "{target:?}");
        }
    }
}
