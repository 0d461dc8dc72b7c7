//! The signature on the mail that is sent (DKIM, RFC 6376; with Ed25519, RFC 8463).

use std::borrow::Cow;
use std::fmt;

use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{DkimSigner, Done};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

use crate::failure::{Failure, Reason};
use crate::mail::message::{SIGNED, TOKEN_HEADER};
use crate::net::Net;
use crate::secret::Secret;
use crate::target::host_name;

/// Most headers that can be named. Chosen: twice what a mail of the kind has.
const HEADERS_MAX: usize = 20;
/// Longest name of a header in bytes. Chosen: no known one has half of it.
const HEADER_BYTES_MAX: usize = 64;

/// How the mail is signed.
#[derive(Debug)]
pub(super) struct Dkim {
    domain: Box<str>,
    selector: Box<str>,
    headers: Vec<Box<str>>,
    key: Key,
}

/// A key that never shows itself.
enum Key {
    /// It was part of the configuration.
    Known(Box<Signer>),
    /// It is read anew for every mail.
    InFile(Secret),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Secret::inline("").fmt(f)
    }
}

/// What signs, by the sort of its key.
enum Signer {
    Rsa(DkimSigner<RsaKey<Sha256>, Done>),
    Ed25519(DkimSigner<Ed25519Key, Done>),
}

impl Signer {
    /// Reads a key in PEM. The error never quotes it.
    fn new(pem: &str, domain: &str, selector: &str, headers: &[Box<str>]) -> Result<Self, &'static str> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "it is not a private key in PEM")?;
        // Named once more than it is there, a header cannot be added either (RFC 6376 section 8.15).
        let headers = || headers.iter().map(|name| String::from(&**name)).chain(["From".to_owned()]);
        if let PrivateKeyDer::Pkcs8(bytes) = &der
            && let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(bytes.secret_pkcs8_der())
        {
            return Ok(Self::Ed25519(DkimSigner::from_key(key).domain(domain).selector(selector).headers(headers())));
        }
        let key = RsaKey::from_key_der(der).map_err(|_| "it is neither Ed25519 nor RSA of 2048 to 8192 bits")?;
        Ok(Self::Rsa(DkimSigner::from_key(key).domain(domain).selector(selector).headers(headers())))
    }

    /// The header that signs the mail, with its line end.
    fn sign(&self, mail: &str) -> Result<String, Failure> {
        let signature = match self {
            Self::Rsa(signer) => signer.sign(mail.as_bytes()),
            Self::Ed25519(signer) => signer.sign(mail.as_bytes()),
        };
        let signature = signature.map_err(|_| Failure::new(Reason::ConfigUnusable, "the mail cannot be signed"))?;
        Ok(signature.to_header())
    }
}

impl Dkim {
    /// The header that signs the mail, with its line end.
    pub(super) fn sign(&self, net: &Net, mail: &str) -> Result<String, Failure> {
        match &self.key {
            Key::Known(signer) => signer.sign(mail),
            Key::InFile(secret) => {
                let pem = net.secret(secret)?;
                let signer = Signer::new(&pem, &self.domain, &self.selector, &self.headers).map_err(|why| {
                    Failure::new(Reason::ConfigUnusable, format_args!("the key of DKIM cannot be used: {why}"))
                })?;
                signer.sign(mail)
            }
        }
    }
}

/// The settings as an operator writes them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Whose signature it is: the domain under which the key is published.
    domain: Box<str>,
    /// The key's name: it is published at `<selector>._domainkey.<domain>`.
    selector: Box<str>,
    /// The private key in PEM: Ed25519, or RSA of at least 2048 bits. A file is read anew for every mail.
    private_key: Secret,
    /// Headers that are signed, `From` among them. Default: all that the mail has.
    #[schemars(extend("maxItems" = 20))]
    headers: Option<Vec<Box<str>>>,
}

impl Written {
    fn understood(self) -> Result<Dkim, Cow<'static, str>> {
        let domain = host_name(&self.domain).map_err(|_| "`domain` is no domain")?;
        let selector = host_name(&self.selector).map_err(|_| "`selector` is no selector of a DKIM key")?;
        let headers = self.headers.unwrap_or_else(|| SIGNED.into_iter().chain([TOKEN_HEADER]).map(Box::from).collect());
        let is_name = |name: &str| {
            (1..=HEADER_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if headers.len() > HEADERS_MAX || !headers.iter().all(|name| is_name(name)) {
            return Err("`headers` are at most 20 names of headers".into());
        }
        if !headers.iter().any(|name| name.eq_ignore_ascii_case("From")) {
            return Err("`headers` lacks `From`, which every signature covers (RFC 6376 section 5.4)".into());
        }
        let key = match self.private_key.value() {
            Ok(pem) => {
                let signer = Signer::new(pem, &domain, &selector, &headers);
                Key::Known(Box::new(signer.map_err(|why| format!("`private_key` cannot be used: {why}"))?))
            }
            Err(_) => Key::InFile(self.private_key),
        };
        Ok(Dkim { domain, selector, headers, key })
    }
}

impl<'de> Deserialize<'de> for Dkim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.understood().map_err(de::Error::custom)
    }
}

impl JsonSchema for Dkim {
    fn schema_name() -> Cow<'static, str> {
        "dkim".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}
