//! The certificate of the receiver: read again when its files change.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tuermer_probes::net::{FileContent, Files as _};

use crate::plan::CertificateFiles;
use crate::world::CachedFiles;

/// Keeps what was made of the files until they change.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    files: CachedFiles,
    now: Mutex<Option<Made>>,
}

/// What was made of which content.
#[derive(Debug)]
struct Made {
    versions: [u64; 2],
    config: Result<Arc<ServerConfig>, Arc<str>>,
}

impl Certificates {
    /// How TLS is served at this moment.
    pub(super) fn config(&self, files: &CertificateFiles) -> Result<Arc<ServerConfig>, Arc<str>> {
        let (chain, key) = (self.read(&files.certificate)?, self.read(&files.key)?);
        let versions = [chain.version, key.version];
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*now
            && made.versions == versions
        {
            return made.config.clone();
        }
        let config = build(&chain, &key).map(Arc::new).map_err(Arc::from);
        if let Err(why) = &config {
            tracing::error!(certificate = %files.certificate.display(), "mail cannot be taken encrypted: {why}");
        }
        *now = Some(Made { versions, config: config.clone() });
        config
    }

    fn read(&self, path: &Path) -> Result<FileContent, Arc<str>> {
        self.files.read(path).map_err(|error| format!("cannot read {}: {error}", path.display()).into())
    }
}

fn build(chain: &FileContent, key: &FileContent) -> Result<ServerConfig, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain.bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("the certificate is not PEM: {error}"))?;
    if chain.is_empty() {
        return Err("no certificate in PEM".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(&key.bytes).map_err(|_| "no key in PEM".to_owned())?;
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| format!("certificate and key cannot be used: {error}"))
}
