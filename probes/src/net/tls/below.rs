//! A chain held against an authority that somebody else than the settings names.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::net::tls::roots::Roots;
use crate::net::tls::verify::Strictness;
use crate::net::tls::{Built, Tls, Trust};
use crate::recorder::Recorder;

impl Tls {
    /// Whether a chain that a peer showed leads to this authority and is for this name, whomever the settings trust: for
    /// authorities that are named by somebody else, such as a zone that is signed.
    pub(crate) fn verify_below(
        &self,
        net: &Net,
        recorder: &Recorder,
        authority: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &str,
    ) -> Result<(), Failure> {
        let roots = Roots::of(std::iter::once(authority.clone().into_owned()));
        let built = Built { roots: Some(Arc::new(roots)), ..self.built(net)? };
        let verifier = self.verifier(built, recorder, name, Strictness::WriteDown);
        verifier.look(chain);
        match verifier.take_seen().trust {
            Trust::Refused(failure) => Err(failure),
            Trust::Verified(_) => Ok(()),
            Trust::NotShown | Trust::NotChecked => Err(Failure::new(Reason::TlsCertInvalid, "there is no certificate")),
        }
    }
}
