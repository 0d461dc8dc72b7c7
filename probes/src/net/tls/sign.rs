//! Random bytes and signatures from the crypto provider, for kinds that show who they are above TLS.

use rustls::SignatureScheme;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::provider;

/// Random bytes; `None` if the system has none now.
pub(crate) fn random_bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    provider().secure_random.fill(&mut bytes).ok().map(|()| bytes)
}

/// Signs a message with an RSA key in PEM. The error never quotes the key.
pub(crate) fn rsa_signature(key: &[u8], scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "the key is not a private key in PEM")?;
    let key = provider().key_provider.load_private_key(key).map_err(|_| "the private key cannot be used")?;
    let signer = key.choose_scheme(&[scheme]).ok_or("the private key is not one of RSA")?;
    signer.sign(message).map_err(|_| "the private key cannot sign")
}
