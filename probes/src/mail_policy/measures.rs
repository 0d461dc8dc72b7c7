//! What is read of a domain's mail policy.

use crate::measure::{Measure, Unit};
use crate::smtp::measures::{MX_IMPLICIT, MX_NULL, MX_RECORDS};

macro_rules! levels {
    ($($name:ident $metric:literal $unit:ident [$($label:literal),*] $help:literal;)*) => {
        $(pub(crate) static $name: Measure = Measure::level($metric, Unit::$unit, $help).labels(&[$($label),*]);)*

        /// All of them; the first are kind `smtp`'s too.
        pub(crate) const ALL: &[&Measure] = &[&MX_RECORDS, &MX_NULL, &MX_IMPLICIT, $(&$name),*];
    };
}

levels! {
    CHECK_OK "probe_mail_policy_check_ok" None ["policy"] "1 if what the domain publishes for this policy is good, 0 if it is missing or wrong. Absent while nothing is known.";
    CHECK_UNKNOWN "probe_mail_policy_check_unknown" None ["policy"] "1 if nothing is known of this policy: name servers failed or were silent.";

    MX_INFO "probe_mail_mx_info" Info ["mx", "preference"] "A mail host of the domain.";
    MX_ADDRESSES "probe_mail_mx_addresses" None ["mx", "family"] "Addresses of the mail host: family ip4 or ip6.";
    MX_ALIAS "probe_mail_mx_alias" None ["mx"] "1 if the mail host's name is an alias (CNAME), which an MX may not name.";
    MX_SECURE "probe_mail_mx_secure" None [] "1 if signatures vouch for the MX records (DNSSEC), 0 if their zone is proved to be unsigned. Absent if neither is known.";
    REVERSE_CONFIRMED "probe_mail_fcrdns_ok" None ["mx", "ip"] "1 if the address has a name that leads back to it.";

    SPF_RECORDS "probe_spf_records" None [] "SPF records of the domain; one is right.";
    SPF_VALID "probe_spf_valid" None [] "1 if the SPF record and all that it includes can be used.";
    SPF_LOOKUPS "probe_spf_lookups" None [] "Terms of SPF that need a lookup, with all that is included; ten are allowed. Not counted past twenty.";
    SPF_VOID_LOOKUPS "probe_spf_void_lookups" None [] "Of these, lookups that found nothing; two are allowed.";
    SPF_ALL "probe_spf_all_info" Info ["result"] "What SPF says of senders that it does not name: fail, softfail, neutral or pass.";
    SPF_SENDER_PASS "probe_spf_sender_pass" None ["sender"] "1 if SPF lets the configured sender pass.";
    SPF_SENDER_INFO "probe_spf_sender_info" Info ["sender", "result"] "What SPF says of the configured sender.";

    DKIM_KEY_PRESENT "probe_dkim_key_present" None ["selector"] "1 if there is a DKIM record for the selector.";
    DKIM_KEY_BITS "probe_dkim_key_bits" None ["selector"] "Size of the DKIM key in bits.";
    DKIM_KEY_TESTING "probe_dkim_key_testing" None ["selector"] "1 if the DKIM key says that it is only being tested.";
    DKIM_KEY_REVOKED "probe_dkim_key_revoked" None ["selector"] "1 if the DKIM key was revoked: the record is there, its key is empty.";
    DKIM_KEY_INFO "probe_dkim_key_info" Info ["selector", "type"] "The sort of DKIM key: rsa or ed25519.";

    DMARC_VALID "probe_dmarc_present" None [] "1 if there is one DMARC record that can be used.";
    DMARC_INHERITED "probe_dmarc_inherited" None [] "1 if the DMARC record is one of a domain above.";
    DMARC_INFO "probe_dmarc_info" Info ["policy", "subdomain_policy"] "What the DMARC record asks for mail of its own domain and of domains below.";
    DMARC_POLICY "probe_dmarc_policy" None ["policy"] "1 for what DMARC asks of receivers of mail that is not the domain's own: none, quarantine or reject; 0 for the others.";
    DMARC_PERCENT "probe_dmarc_percent" None [] "Part of the messages that DMARC's policy is for, in percent.";
    DMARC_REPORTS "probe_dmarc_report_addresses" None [] "Addresses that aggregate reports of DMARC go to.";
    DMARC_REPORT_AUTHORIZED "probe_dmarc_report_authorized" None ["domain"] "1 if a domain elsewhere that is to get reports of DMARC says that it takes them.";

    MTA_STS_RECORD_VALID "probe_mta_sts_record_valid" None [] "1 if there is one MTA-STS record that can be used.";
    MTA_STS_POLICY_VALID "probe_mta_sts_policy_valid" None [] "1 if the MTA-STS policy was fetched and can be used.";
    MTA_STS_INFO "probe_mta_sts_info" Info ["id", "mode"] "The id of the MTA-STS record and the mode of its policy.";
    MTA_STS_MODE "probe_mta_sts_mode" None ["mode"] "1 for the mode of the MTA-STS policy: enforce, testing or none; 0 for the others.";
    MTA_STS_POLICY_CHANGED "probe_mta_sts_policy_changed_timestamp_seconds" Timestamp [] "When a run first saw that the MTA-STS policy had changed. Absent until one does.";
    MTA_STS_MAX_AGE "probe_mta_sts_max_age_seconds" Seconds [] "How long senders may keep the MTA-STS policy.";
    MTA_STS_MX_MATCH "probe_mta_sts_mx_match" None ["mx"] "1 if the MTA-STS policy names the mail host.";

    TLS_RPT_VALID "probe_tlsrpt_record_valid" None [] "1 if there is one TLS-RPT record that can be used.";

    TLSA_RECORDS "probe_dane_tlsa_records" None ["mx"] "TLSA records of the mail host at port 25.";
    TLSA_USABLE "probe_dane_tlsa_usable" None ["mx"] "Of these, records that mail servers can use.";
    TLSA_SECURE "probe_dane_dnssec_secure" None ["mx"] "1 if signatures vouch for the TLSA records (DNSSEC), 0 if their zone is proved to be unsigned. Absent if neither is known.";
}
