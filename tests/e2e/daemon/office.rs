//! A town's mail: Postfix in front, Dovecot behind it.

use std::net::SocketAddr;

use tuermer_probes::testkit::{Authority, Leaf};

use super::dovecot::Dovecot;
use super::nginx::Pem;
use super::postfix::Postfix;
use super::{folder, free_address};

/// A mail server whose users are known to a mail store.
pub(crate) struct Office {
    pub(crate) dovecot: Dovecot,
    pub(crate) postfix: Postfix,
    /// For strangers.
    pub(crate) smtp: SocketAddr,
    /// For users, who encrypt on the way.
    pub(crate) submission: SocketAddr,
    /// For users, encrypted from the start.
    pub(crate) submissions: SocketAddr,
    /// Keeps the authority's file.
    pub(crate) folder: tempfile::TempDir,
    /// How its certificate is believed, as settings of a module.
    pub(crate) tls: String,
}

impl Office {
    /// Starts both; `settings` are lines for Postfix's main.cf.
    pub(crate) fn start(settings: &str) -> Option<Self> {
        Self::start_with(settings, |authority| authority.leaf(&["mail.town.example"]))
    }

    /// The same with a certificate of the test's.
    pub(crate) fn start_with(settings: &str, leaf: impl FnOnce(&Authority) -> Leaf) -> Option<Self> {
        let authority = Authority::new();
        let leaf = leaf(&authority);
        let pem = Pem { certificate: &leaf.pem, key: &leaf.key_pem };
        let folder = folder();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).expect("written");
        let dovecot = Dovecot::start("", &pem)?;
        let (sasl, lmtp) = (dovecot.addresses.sasl, dovecot.addresses.lmtp);
        let settings = format!(
            "smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{sasl}
smtpd_tls_auth_only = yes
local_transport = lmtp:inet:{lmtp}
local_recipient_maps = inline:{{clerk=x, full=x, hashed=x}}
{settings}
"
        );
        let [smtp, submission, submissions] = std::array::from_fn(|_| free_address());
        let for_users = "-o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject \
                         -o smtpd_recipient_restrictions=";
        let services = format!(
            "{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt {for_users}
{submissions} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes {for_users}
"
        );
        let postfix = Postfix::start_with(smtp, &settings, &services, Some(&pem))?;
        let tls = format!("tls_config: {{ ca_file: {}, server_name: mail.town.example }}", ca.display());
        Some(Self { dovecot, postfix, smtp, submission, submissions, folder, tls })
    }
}
