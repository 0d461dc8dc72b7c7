//! The TLS clients of a module: which name a peer is verified for, and whether it is shown the client's certificate.

use crate::failure::Failure;
use crate::net::{Net, Tls, TlsSettings};

/// The settings' own client, and those for where a redirect may lead.
#[derive(Debug)]
pub(super) struct Clients {
    with_certificate: Pair,
    /// The same without the client's certificate, if there is one.
    without: Option<Box<Pair>>,
    /// Whether the settings can be at fault, which is then found also for a target without TLS.
    has_material: bool,
}

#[derive(Debug)]
struct Pair {
    target: Tls,
    /// For other hosts: `server_name` is not their name.
    elsewhere: Tls,
}

impl Clients {
    /// The clients of a module that offers these application protocols.
    pub(super) fn of(settings: &TlsSettings, alpn: &[&str], check_revoked: bool) -> Self {
        let pair = |settings: TlsSettings| Pair {
            elsewhere: Tls::new(TlsSettings { server_name: None, ..settings.clone() }, alpn)
                .checking_revoked(check_revoked),
            target: Tls::new(settings, alpn).checking_revoked(check_revoked),
        };
        let anonymous = settings.without_certificate();
        Self {
            with_certificate: pair(settings.clone()),
            without: anonymous.map(|settings| Box::new(pair(settings))),
            has_material: has_material(settings),
        }
    }

    /// The client for a hop. The certificate is shown to the target's origin only, as other credentials are.
    pub(super) fn choose(&self, is_target: bool, is_home: bool) -> &Tls {
        let pair = self.without.as_deref().filter(|_| !is_home).unwrap_or(&self.with_certificate);
        if is_target { &pair.target } else { &pair.elsewhere }
    }

    /// Whether the settings can be used.
    pub(super) fn check(&self, net: &Net) -> Result<(), Failure> {
        if self.has_material { self.with_certificate.target.check(net) } else { Ok(()) }
    }
}

/// Whether the settings name anything that can be at fault.
pub(crate) fn has_material(tls: &TlsSettings) -> bool {
    let TlsSettings { insecure_skip_verify: _, server_name: _, ca, ca_file, ca_ref, .. } = tls;
    let TlsSettings { cert, cert_file, cert_ref, key, key_file, key_ref, min_version, max_version, .. } = tls;
    ca.is_some()
        || ca_file.is_some()
        || ca_ref.is_some()
        || cert.is_some()
        || cert_file.is_some()
        || cert_ref.is_some()
        || key.is_some()
        || key_file.is_some()
        || key_ref.is_some()
        || min_version.is_some()
        || max_version.is_some()
}
