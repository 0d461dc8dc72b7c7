//! An assertion about the client that the client signs (RFC 7523, RFC 7519).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::auth::base64url;
use crate::net::{SignatureScheme, random_bytes, rsa_signature};

/// How long an assertion is good for: so long as blackbox_exporter's.
const VALIDITY: Duration = Duration::from_secs(600);

/// What an assertion says, and how it is signed.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) algorithm: Algorithm,
    /// Identifier of the key; may be empty.
    pub(super) key_id: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audience: String,
    /// Joined by blanks; may be empty.
    pub(super) scope: String,
    /// Further claims, which go before those above.
    pub(super) further: Vec<(String, Value)>,
}

/// RSASSA-PKCS1-v1_5 (RFC 7518 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
}

impl Algorithm {
    /// The algorithm of this name, which was checked when the module was loaded.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            _ => Self::Rs256,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    const fn scheme(self) -> SignatureScheme {
        match self {
            Self::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
            Self::Rs384 => SignatureScheme::RSA_PKCS1_SHA384,
            Self::Rs512 => SignatureScheme::RSA_PKCS1_SHA512,
        }
    }
}

impl Claims {
    /// The assertion, signed with a key in PEM.
    pub(super) fn sign(&self, key: &[u8], now: SystemTime) -> Result<String, &'static str> {
        let mut header = json!({"alg": self.algorithm.name(), "typ": "JWT"});
        if !self.key_id.is_empty() {
            header["kid"] = json!(self.key_id);
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), json!(self.issuer));
        claims.insert("sub".to_owned(), json!(self.subject));
        claims.insert("jti".to_owned(), json!(identifier()?));
        claims.insert("aud".to_owned(), json!(self.audience));
        claims.insert("iat".to_owned(), json!(now.as_secs()));
        claims.insert("exp".to_owned(), json!((now + VALIDITY).as_secs()));
        if !self.scope.is_empty() {
            claims.insert("scope".to_owned(), json!(self.scope));
        }
        for (name, value) in &self.further {
            claims.insert(name.clone(), value.clone());
        }
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let mut token = format!("{}.{}", part(&header), part(&Value::Object(claims)));
        let signature = rsa_signature(key, self.algorithm.scheme(), token.as_bytes())?;
        token.push('.');
        token.push_str(&base64url(&signature));
        Ok(token)
    }
}

/// A random UUID (RFC 9562 section 5.4).
fn identifier() -> Result<String, &'static str> {
    let mut bytes: [u8; 16] = random_bytes().ok_or("the system has no random numbers")?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn identifiers_are_random_uuids() {
        let (one, other) = (identifier().expect("an identifier"), identifier().expect("an identifier"));
        assert_ne!(one, other);
        assert_eq!((one.len(), one.as_bytes()[14]), (36, b'4'));
    }
}
