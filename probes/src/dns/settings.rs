//! What can be set for a DNS probe.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::codes::{RecordClass, RecordType, ResponseCode};
use super::query::{Flags, Query};
use super::rules::Rules;
use crate::net::{Family, Tls, TlsSettings};
use crate::settings::{IpProtocol, SourceAddress, yes};

/// Longest message over UDP without EDNS (RFC 1035 section 4.2.1).
const UDP_BYTES_MAX: u16 = 512;

/// How the question travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// A datagram (RFC 1035 section 4.2.1).
    Udp,
    /// As `Udp`; if the reply is cut, once more over TCP (RFC 7766 section 5).
    UdpThenTcp,
    /// A stream (RFC 1035 section 4.2.2).
    Tcp,
    /// An encrypted stream (RFC 7858).
    Tls,
}

/// A DNS module's settings, the question written down already.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written", rename = "dns")]
pub(crate) struct Settings {
    pub(super) query: Query,
    pub(super) transport: Transport,
    /// How much of a reply over UDP is read.
    pub(super) udp_reply_bytes_max: u16,
    pub(super) tls: Tls,
    pub(super) family: Family,
    pub(super) source_ip_address: SourceAddress,
    pub(super) valid_rcodes: Vec<ResponseCode>,
    pub(super) answer: Rules,
    pub(super) authority: Rules,
    pub(super) additional: Rules,
    pub(super) validate_response: bool,
    pub(super) fail_if_not_authoritative: bool,
    pub(super) fail_if_not_authenticated: bool,
}

/// The settings as an operator writes them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// The name that is asked for; made absolute.
    query_name: String,
    /// The record type that is asked for: a mnemonic, or TYPE and a number.
    #[serde(default = "any")]
    #[schemars(extend("default" = "ANY"))]
    query_type: RecordType,
    /// The class that is asked for: a mnemonic, or CLASS and a number.
    #[serde(default = "internet")]
    #[schemars(extend("default" = "IN"))]
    query_class: RecordClass,
    /// Ask the server to ask others (flag RD).
    #[serde(default = "yes")]
    recursion_desired: bool,
    /// Ask whether the answer was verified by DNSSEC (flag AD).
    #[serde(default)]
    authentic_data: bool,
    /// Ask for the answer even if the server finds it forged (flag CD).
    #[serde(default)]
    checking_disabled: bool,
    /// Ask with EDNS (RFC 6891). Default: without, as blackbox_exporter does.
    #[serde(default)]
    edns: Option<EdnsSettings>,
    /// How the question travels.
    #[serde(default)]
    #[schemars(extend("default" = "udp"))]
    transport_protocol: WrittenTransport,
    /// Encrypt with TLS (RFC 7858); needs `transport_protocol: tcp`.
    #[serde(default)]
    dns_over_tls: bool,
    /// Repeat the question over TCP if a reply over UDP is cut (flag TC). Default: judge the cut reply.
    #[serde(default)]
    tcp_on_truncation: bool,
    /// How many bytes of a reply over UDP are read, at least 512; a longer one is cut and mostly cannot be read.
    /// Default: 512 as blackbox_exporter does, with `edns` its `udp_payload_size`.
    #[serde(default, deserialize_with = "at_least_512_if_set")]
    #[schemars(range(min = 512))]
    udp_reply_bytes_max: Option<u16>,
    /// Whom the encrypted channel trusts; for `dns_over_tls` only.
    #[serde(default)]
    tls_config: Option<TlsSettings>,
    /// Local address to ask from.
    #[serde(default)]
    source_ip_address: SourceAddress,
    /// Which Internet protocol is tried first.
    #[serde(default)]
    preferred_ip_protocol: IpProtocol,
    /// Whether the other Internet protocol will do.
    #[serde(default = "yes")]
    ip_protocol_fallback: bool,
    /// Response codes that pass.
    #[serde(default, deserialize_with = "not_empty")]
    #[schemars(with = "Vec<ResponseCode>", extend("default" = ["NOERROR"]))]
    valid_rcodes: Option<Vec<ResponseCode>>,
    /// Rules on records of the answer section.
    #[serde(default)]
    validate_answer_rrs: Option<Rules>,
    /// Rules on records of the authority section.
    #[serde(default)]
    validate_authority_rrs: Option<Rules>,
    /// Rules on records of the additional section.
    #[serde(default)]
    validate_additional_rrs: Option<Rules>,
    /// Fail if the reply is not marked as one, repeats another question, or is not as long as it says.
    #[serde(default)]
    validate_response: bool,
    /// Fail if the server does not answer out of its own zone (flag AA).
    #[serde(default)]
    fail_if_not_authoritative: bool,
    /// Fail if the server does not vouch by DNSSEC for its answer (flag AD).
    #[serde(default)]
    fail_if_not_authenticated: bool,
}

/// How to ask with EDNS.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct EdnsSettings {
    /// Largest reply over UDP to ask for, in bytes.
    #[serde(deserialize_with = "at_least_512")]
    pub(super) udp_payload_size: u16,
    /// Ask for DNSSEC records (flag DO).
    pub(super) dnssec_ok: bool,
    /// Ask for the server's identifier (RFC 5001).
    pub(super) nsid: bool,
}

impl Default for EdnsSettings {
    fn default() -> Self {
        // Chosen as on DNS Flag Day 2020: fits a packet on every path.
        Self { udp_payload_size: 1232, dnssec_ok: false, nsid: false }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
enum WrittenTransport {
    #[default]
    Udp,
    Tcp,
}

impl<'de> Deserialize<'de> for WrittenTransport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Cow::<'de, str>::deserialize(deserializer)?.as_ref() {
            "" | "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            other => Err(de::Error::unknown_variant(other, &["udp", "tcp"])),
        }
    }
}

const fn any() -> RecordType {
    RecordType::ANY
}

const fn internet() -> RecordClass {
    RecordClass::IN
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<ResponseCode>>, D::Error> {
    let rcodes = Option::<Vec<_>>::deserialize(deserializer)?;
    if rcodes.as_ref().is_some_and(Vec::is_empty) {
        return Err(de::Error::custom("valid_rcodes is empty, so nothing could pass; leave it out for NOERROR"));
    }
    Ok(rcodes)
}

/// Smaller values mean 512 anyway (RFC 6891 section 6.2.3).
fn at_least_512<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        size @ UDP_BYTES_MAX.. => Ok(size),
        size => Err(de::Error::custom(format_args!("udp_payload_size is {size}, but must be at least 512"))),
    }
}

/// Every server may send as much (RFC 1035 section 4.2.1).
fn at_least_512_if_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    match Option::<u16>::deserialize(deserializer)? {
        Some(size @ ..UDP_BYTES_MAX) => {
            Err(de::Error::custom(format_args!("udp_reply_bytes_max is {size}, but must be at least 512")))
        }
        size => Ok(size),
    }
}

impl TryFrom<Written> for Settings {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let transport = match (written.transport_protocol, written.dns_over_tls, written.tcp_on_truncation) {
            (WrittenTransport::Udp, true, _) => {
                return Err("dns_over_tls needs transport_protocol: tcp".to_owned());
            }
            (WrittenTransport::Tcp, _, true) => {
                return Err("tcp_on_truncation is for transport_protocol: udp".to_owned());
            }
            (WrittenTransport::Udp, false, false) => Transport::Udp,
            (WrittenTransport::Udp, false, true) => Transport::UdpThenTcp,
            (WrittenTransport::Tcp, false, false) => Transport::Tcp,
            (WrittenTransport::Tcp, true, false) => Transport::Tls,
        };
        if written.query_name.is_empty() {
            return Err("query_name is empty; the root is written as a dot".to_owned());
        }
        let flags = Flags {
            recursion_desired: written.recursion_desired,
            authentic_data: written.authentic_data,
            checking_disabled: written.checking_disabled,
        };
        let offered = written.edns.as_ref().map_or(UDP_BYTES_MAX, |edns| edns.udp_payload_size);
        let query =
            Query::new(&written.query_name, written.query_type, written.query_class, flags, written.edns.as_ref());
        Ok(Self {
            query: query.map_err(|error| format!("query_name: {error}"))?,
            transport,
            udp_reply_bytes_max: written.udp_reply_bytes_max.unwrap_or(offered),
            tls: Tls::new(written.tls_config.unwrap_or_default(), &[]),
            family: Family { preferred: written.preferred_ip_protocol, fallback: written.ip_protocol_fallback },
            source_ip_address: written.source_ip_address,
            valid_rcodes: written.valid_rcodes.unwrap_or_else(|| vec![ResponseCode::NOERROR]),
            answer: written.validate_answer_rrs.unwrap_or_default(),
            authority: written.validate_authority_rrs.unwrap_or_default(),
            additional: written.validate_additional_rrs.unwrap_or_default(),
            validate_response: written.validate_response,
            fail_if_not_authoritative: written.fail_if_not_authoritative,
            fail_if_not_authenticated: written.fail_if_not_authenticated,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(settings: serde_json::Value) -> String {
        Settings::deserialize(settings).expect_err("a refusal").to_string()
    }

    #[test]
    fn the_defaults_are_those_of_the_reference() {
        let settings = Settings::deserialize(json!({"query_name": "example.com"})).expect("settings");
        assert_eq!(settings.query.text, "example.com. IN ANY +rd");
        assert_eq!(settings.transport, Transport::Udp);
        assert_eq!(settings.valid_rcodes, [ResponseCode::NOERROR]);
        assert_eq!(settings.family, Family { preferred: IpProtocol::Ip6, fallback: true });
        assert!(!settings.validate_response);
    }

    #[test]
    fn every_key_of_the_reference_is_read() {
        let rules = json!({
            "fail_if_matches_regexp": [".*127.0.0.1"], "fail_if_all_match_regexp": [".*127.0.0.1"],
            "fail_if_not_matches_regexp": ["x\t300\tIN\tA\t127.0.0.1"], "fail_if_none_matches_regexp": ["127.0.0.1"],
        });
        let settings = json!({
            "preferred_ip_protocol": "ip4", "ip_protocol_fallback": false, "source_ip_address": "127.0.0.1",
            "transport_protocol": "tcp", "dns_over_tls": true, "tls_config": {"insecure_skip_verify": true},
            "query_name": "x", "query_type": "A", "query_class": "IN", "recursion_desired": false,
            "valid_rcodes": ["NOERROR", "BADVERS"], "validate_answer_rrs": rules,
            "validate_authority_rrs": rules, "validate_additional_rrs": null,
        });
        let settings = Settings::deserialize(settings).expect("settings");
        assert_eq!((settings.query.text.as_str(), settings.transport), ("x. IN A", Transport::Tls));
        assert_eq!(settings.valid_rcodes, [ResponseCode(0), ResponseCode(16)]);
        let settings = Settings::deserialize(json!({"query_name": "x", "valid_rcodes": null})).expect("settings");
        assert_eq!(settings.valid_rcodes, [ResponseCode::NOERROR]);
    }

    #[test]
    fn empty_texts_mean_the_default() {
        let settings = json!({"query_name": "a", "query_type": "", "query_class": "", "transport_protocol": ""});
        let settings = Settings::deserialize(settings).expect("settings");
        assert_eq!((settings.query.text.as_str(), settings.transport), ("a. IN ANY +rd", Transport::Udp));
    }

    #[test]
    fn what_could_never_work_is_refused_when_it_is_loaded() {
        assert_eq!(refused(json!({})), "missing field `query_name`");
        assert_eq!(refused(json!({"query_name": ""})), "query_name is empty; the root is written as a dot");
        assert_eq!(refused(json!({"query_name": "a..b"})), "query_name: \"a..b\" has an empty label");
        assert_eq!(
            refused(json!({"query_name": "a", "query_type": "a"})),
            "unknown record type \"a\", expected a mnemonic in capitals such as AAAA, or a number such as TYPE65"
        );
        assert_eq!(
            refused(json!({"query_name": "a", "query_class": "X"})),
            "unknown class \"X\", expected IN, CS, CH, HS, NONE, ANY, or a number such as CLASS1"
        );
        assert_eq!(
            refused(json!({"query_name": "a", "transport_protocol": "quic"})),
            "unknown variant `quic`, expected `udp` or `tcp`"
        );
        assert_eq!(
            refused(json!({"query_name": "a", "dns_over_tls": true})),
            "dns_over_tls needs transport_protocol: tcp"
        );
        assert_eq!(
            refused(json!({"query_name": "a", "transport_protocol": "tcp", "tcp_on_truncation": true})),
            "tcp_on_truncation is for transport_protocol: udp"
        );
        assert!(
            refused(json!({"query_name": "a", "valid_rcodes": ["noerror"]}))
                .starts_with("unknown response code \"noerror\", expected one of NOERROR, FORMERR")
        );
        assert_eq!(
            refused(json!({"query_name": "a", "valid_rcodes": []})),
            "valid_rcodes is empty, so nothing could pass; leave it out for NOERROR"
        );
        assert!(
            refused(json!({"query_name": "a", "validate_answer_rrs": {"fail_if_matches_regexp": ["("]}}))
                .starts_with("invalid regular expression \"(\"")
        );
        assert_eq!(
            refused(json!({"query_name": "a", "edns": {"udp_payload_size": 100}})),
            "udp_payload_size is 100, but must be at least 512"
        );
        assert_eq!(
            refused(json!({"query_name": "a", "udp_reply_bytes_max": 511})),
            "udp_reply_bytes_max is 511, but must be at least 512"
        );
        assert!(refused(json!({"query_name": "a", "bogus": 1})).starts_with("unknown field `bogus`"));
    }
}
