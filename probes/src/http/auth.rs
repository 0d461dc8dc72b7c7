//! Credentials as an `Authorization` header.

use std::borrow::Cow;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;

use super::settings::Credentials;
use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::secret::Secret;

/// A module's credentials.
#[derive(Debug)]
pub(crate) enum Auth {
    /// There are none.
    None,
    /// Known when the module was loaded.
    Ready(HeaderValue),
    /// User name and password, of which one is in a file.
    Basic(Secret, Secret),
    /// A scheme and its credentials, which are in a file.
    Scheme(Box<str>, Secret),
}

impl Auth {
    /// The credentials that these keys give.
    pub(crate) fn of(keys: &Credentials<'_>) -> Result<Self, String> {
        if let Some(basic) = keys.basic_auth {
            let user = basic.username.as_deref().filter(|name| !name.is_empty()).map(Secret::inline);
            let user = or_file(user, basic.username_file.as_ref());
            return Self::basic(user, or_file(basic.password.clone(), basic.password_file.as_ref()));
        }
        if let Some(authorization) = keys.authorization {
            let scheme = authorization.r#type.as_deref().map_or("", str::trim);
            let scheme = if scheme.is_empty() { "Bearer" } else { scheme };
            let credentials = or_file(authorization.credentials.clone(), authorization.credentials_file.as_ref());
            return Self::scheme(scheme, credentials);
        }
        if keys.bearer_token.is_some() || keys.bearer_token_file.is_some() {
            return Self::scheme("Bearer", or_file(keys.bearer_token.cloned(), keys.bearer_token_file));
        }
        Ok(Self::None)
    }

    /// Credentials of the scheme Basic.
    pub(super) fn basic(user: Secret, password: Secret) -> Result<Self, String> {
        match (user.value(), password.value()) {
            (Ok(user), Ok(password)) => basic(user.as_bytes(), password.as_bytes()).map(Self::Ready),
            _ => Ok(Self::Basic(user, password)),
        }
    }

    /// Credentials of another scheme.
    pub(super) fn scheme(scheme: &str, credentials: Secret) -> Result<Self, String> {
        match credentials.value() {
            Ok(value) => sensitive(format!("{scheme} {value}")).map(Self::Ready),
            Err(_) => Ok(Self::Scheme(scheme.into(), credentials)),
        }
    }

    /// The header.
    pub(crate) fn header(&self, net: &Net) -> Result<Option<Cow<'_, HeaderValue>>, Failure> {
        let unusable = |message: String| Failure::new(Reason::ConfigUnusable, message);
        Ok(Some(match self {
            Self::None => return Ok(None),
            Self::Ready(header) => Cow::Borrowed(header),
            Self::Basic(user, password) => {
                let (user, password) = (net.secret(user)?, net.secret(password)?);
                Cow::Owned(basic(user.as_bytes(), password.as_bytes()).map_err(unusable)?)
            }
            Self::Scheme(scheme, credentials) => {
                let credentials = net.secret(credentials)?;
                Cow::Owned(sensitive(format!("{scheme} {credentials}")).map_err(unusable)?)
            }
        }))
    }
}

/// A value, else what a file says, else nothing.
fn or_file(value: Option<Secret>, path: Option<&PathBuf>) -> Secret {
    match (value, path) {
        (Some(value), _) => value,
        (None, Some(path)) if !path.as_os_str().is_empty() => Secret::file(path),
        _ => Secret::inline(""),
    }
}

/// Basic credentials (RFC 7617 section 2).
pub(super) fn basic(user: &[u8], password: &[u8]) -> Result<HeaderValue, String> {
    sensitive(format!("Basic {}", base64(&[user, b":", password].concat())))
}

/// A header value that never shows itself.
pub(super) fn sensitive(value: String) -> Result<HeaderValue, String> {
    let value = value.trim();
    let mut header = HeaderValue::from_bytes(value.as_bytes());
    if let Ok(header) = &mut header {
        header.set_sensitive(true);
    }
    header.map_err(|_| "the credentials have characters that no header can carry".to_owned())
}

/// RFC 4648 section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// RFC 4648 section 5, without padding.
pub(super) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(base64url(plain.as_bytes()), coded.trim_end_matches('='));
        }
        assert_eq!((base64(&[0xfb, 0xff]), base64url(&[0xfb, 0xff])), ("+/8=".to_owned(), "-_8".to_owned()));
    }

    #[test]
    fn credentials_never_show_themselves() {
        let auth = Auth::basic(Secret::inline("u"), Secret::inline("hunter2")).expect("credentials");
        assert_eq!(format!("{auth:?}"), "Ready(Sensitive)");
        assert_eq!(format!("{:?}", basic(b"u", b"p").expect("a header")), "Sensitive");
    }
}
