//! Tokens from a token server (OAuth 2.0): fetched for each run, in a phase of their own.
//!
//! The client shows its name and secret (RFC 6749 section 4.4), or an assertion that it signs (RFC 7523 section 2.1).

use std::fmt::Display;

use http::header::{self, HeaderValue};
use http::{Method, Request, Uri};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use url::form_urlencoded;

use super::auth;
use super::body::{AnswerBody, Payload};
use super::client::{Connection, Destination, HeadLimits};
use super::conflicts::JWT_BEARER;
use super::headers::USER_AGENT;
use super::journey::{CLOSE, absolute};
use super::jwt::{Algorithm, Claims};
use super::phases::{OF_TOKEN, TOKEN};
use super::proxy::Proxies;
use super::settings::OAuth2;
use super::url::Url;
use crate::failure::{Failure, Reason};
use crate::net::{Family, Net, Tls};
use crate::recorder::Recorder;
use crate::secret::Secret;

/// Longest answer of a token server in bytes. Chosen: a token has to fit into one header of a request.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Where a module gets its tokens.
#[derive(Debug)]
pub(super) struct TokenServer {
    url: Url,
    client: String,
    grant: Grant,
    /// What every request says besides.
    form: Vec<(String, Secret)>,
    family: Family,
    tls: Tls,
    proxies: Option<Proxies>,
}

/// What is shown for a token.
#[derive(Debug)]
enum Grant {
    /// The client's secret.
    Secret(Secret),
    /// An assertion signed with this key.
    Assertion(Box<Claims>, Secret),
}

/// The answer of a token server (RFC 6749 sections 5.1 and 5.2).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Answered {
    access_token: Option<String>,
    token_type: Option<String>,
    error: Option<String>,
}

/// Why there is no token.
enum Without {
    /// The server said no, perhaps because it wants the secret in another place.
    Refused(Failure),
    /// Nothing that another place of the secret could change.
    Failed(Failure),
}

impl TokenServer {
    /// A module's token server. The error is found when the module is used, as by blackbox_exporter.
    pub(super) fn of(written: &OAuth2, family: Family, enable_http2: bool) -> Result<Self, String> {
        if written.client_secret_ref.is_some() || written.client_certificate_key_ref.is_some() {
            return Err("oauth2: the keys that end in _ref need a secret manager, and there is none".to_owned());
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let or_file = |secret: &Option<Secret>, file: &Option<std::path::PathBuf>| match (secret, file) {
            (Some(secret), _) => secret.clone(),
            (None, Some(path)) if !path.as_os_str().is_empty() => Secret::file(path),
            _ => Secret::inline(""),
        };
        let (client, address) = (text(&written.client_id), text(&written.token_url));
        let scope = written.scopes.join(" ");
        let is_assertion = written.grant_type.as_deref() == Some(JWT_BEARER);
        let mut form = Vec::with_capacity(written.endpoint_params.len() + 2);
        let grant = if is_assertion {
            let or = |text: String, other: &String| if text.is_empty() { other.clone() } else { text };
            let claims = Claims {
                algorithm: Algorithm::of(written.signature_algorithm.as_deref().unwrap_or_default()),
                key_id: text(&written.client_certificate_key_id),
                issuer: or(text(&written.iss), &client),
                subject: client.clone(),
                audience: or(text(&written.audience), &address),
                scope,
                further: written.claims.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            };
            let key = or_file(&written.client_certificate_key, &written.client_certificate_key_file);
            form.push(("grant_type".to_owned(), Secret::inline(JWT_BEARER)));
            Grant::Assertion(Box::new(claims), key)
        } else {
            let grant_type = written.endpoint_params.get("grant_type").cloned();
            let grant_type = grant_type.unwrap_or_else(|| Secret::inline("client_credentials"));
            form.push(("grant_type".to_owned(), grant_type));
            if !scope.is_empty() {
                form.push(("scope".to_owned(), Secret::inline(scope)));
            }
            Grant::Secret(or_file(&written.client_secret, &written.client_secret_file))
        };
        // blackbox_exporter sends them with a secret only.
        for (name, value) in written.endpoint_params.iter().filter(|(name, _)| !is_assertion && *name != "grant_type") {
            if form.iter().any(|(known, _)| known == name) {
                return Err(format!("oauth2: endpoint_params must not set {name:?}"));
            }
            form.push((name.clone(), value.clone()));
        }
        let alpn: &[&str] = if enable_http2 { &["h2", "http/1.1"] } else { &[] };
        Ok(Self {
            url: Url::parse(&address).map_err(|error| format!("oauth2: token_url: {error}"))?,
            client,
            grant,
            form,
            family: Family { fallback: true, ..family },
            tls: Tls::new(written.tls_config.clone(), alpn),
            proxies: Proxies::of(&written.proxy(), &written.tls_config)
                .map_err(|wrong| format!("oauth2: {}", wrong.message()))?,
        })
    }

    /// Fetches a token, in phase [`TOKEN`], as the header that shows it.
    pub(super) async fn fetch(&self, net: &Net, recorder: &mut Recorder) -> Result<HeaderValue, Failure> {
        recorder.enter(TOKEN);
        let fetched = match &self.grant {
            Grant::Secret(secret) => self.with_secret(net, recorder, secret).await,
            Grant::Assertion(claims, key) => {
                let key = net.secret(key)?;
                let assertion = claims.sign(key.as_bytes(), recorder.wall_clock()).map_err(|error| {
                    Failure::new(Reason::ConfigUnusable, format_args!("oauth2: client_certificate_key: {error}"))
                })?;
                self.ask(net, recorder, None, &[("assertion", &assertion)]).await
            }
        };
        fetched.map_err(|without| match without {
            Without::Refused(failure) | Without::Failed(failure) => told(failure),
        })
    }

    /// The secret goes into a header, and if that is refused into the body: RFC 6749 section 2.3.1 lets servers choose.
    async fn with_secret(&self, net: &Net, recorder: &mut Recorder, secret: &Secret) -> Result<HeaderValue, Without> {
        let secret = net.secret(secret).map_err(Without::Failed)?;
        let coded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let header = auth::basic(coded(&self.client).as_bytes(), coded(&secret).as_bytes());
        let header = header.map_err(|error| Without::Failed(Failure::new(Reason::ConfigUnusable, error)))?;
        match self.ask(net, recorder, Some(header), &[]).await {
            Err(Without::Refused(failure)) => {
                recorder.note(format_args!("{}; asking with the secret in the body", failure.message()));
                let mut more = vec![("client_id", self.client.as_str())];
                if !secret.is_empty() {
                    more.push(("client_secret", &secret));
                }
                self.ask(net, recorder, None, &more).await
            }
            other => other,
        }
    }

    async fn ask(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        authorization: Option<HeaderValue>,
        more: &[(&str, &str)],
    ) -> Result<HeaderValue, Without> {
        let destination = Destination {
            url: &self.url,
            address: None,
            tls: &self.tls,
            name: &self.url.host,
            family: self.family,
            proxies: self.proxies.as_ref(),
            phases: &OF_TOKEN,
            head_limits: HeadLimits::default(),
        };
        let connection = Connection::open(net, recorder, &destination).await.map_err(Without::Failed)?;
        let request = self.request(net, &connection, authorization, more).map_err(Without::Failed)?;
        recorder.sent(format_args!("POST {} for a token", self.url.path.path()));
        let answer = connection.ask(recorder, &OF_TOKEN, request).await.map_err(Without::Failed)?;
        let status = answer.head.status;
        recorder.received(format_args!("{:?} {status}", answer.head.version));
        let is_form = answer.head.headers.get(header::CONTENT_TYPE).is_some_and(is_form);
        let body = read(answer.body).await.map_err(Without::Failed)?;
        let answered = if is_form { of_form(&body) } else { serde_json::from_slice(&body).unwrap_or_default() };
        let refused = |why: &dyn Display| {
            Without::Refused(Failure::new(Reason::TokenError, format_args!("the token server answered {why}")))
        };
        match answered.error.as_deref().filter(|error| !error.is_empty()) {
            Some(error) if REFUSALS.contains(&error) => return Err(refused(&format_args!("{status}: {error}"))),
            Some(_) => return Err(refused(&format_args!("{status} and an error"))),
            None if !status.is_success() => return Err(refused(&status)),
            None => {}
        }
        let Some(token) = answered.access_token.filter(|token| !token.is_empty()) else {
            return Err(refused(&"without a token"));
        };
        auth::sensitive(format!("{} {token}", scheme(answered.token_type.as_deref().unwrap_or_default())))
            .map_err(|_| refused(&"with a token that no header can carry"))
    }

    fn request(
        &self,
        net: &Net,
        connection: &Connection,
        authorization: Option<HeaderValue>,
        more: &[(&str, &str)],
    ) -> Result<Request<Payload>, Failure> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.form {
            form.append_pair(name, &net.secret(value)?);
        }
        form.extend_pairs(more);
        let mut request = Request::new(Payload::of(form.finish().into()));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        if !connection.is_http2() {
            headers.insert(header::HOST, self.url.authority.clone());
            headers.insert(header::CONNECTION, CLOSE);
        }
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        if let Some(authorization) = connection.reader.as_ref().and_then(|proxy| proxy.authorization()) {
            headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        *request.uri_mut() = if connection.is_http2() {
            *request.version_mut() = http::Version::HTTP_2;
            absolute(http::uri::Scheme::HTTPS, &self.url.authority, self.url.path.clone())?
        } else if connection.reader.is_some() {
            absolute(http::uri::Scheme::HTTP, &self.url.authority, self.url.path.clone())?
        } else {
            Uri::from(self.url.path.clone())
        };
        Ok(request)
    }
}

/// Every way to be without a token has one reason, unless the agent, its configuration or the time is at fault.
fn told(failure: Failure) -> Failure {
    match failure.reason() {
        Reason::TokenError | Reason::ConfigUnusable | Reason::Timeout => failure,
        reason if reason.is_shortage() => failure,
        reason => {
            let message = format_args!("the token server: {reason}: {}", failure.message());
            Failure::new(Reason::TokenError, message)
        }
    }
}

async fn read(body: AnswerBody) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    body.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes).await.map_err(|error| super::judge::body(&error))?;
    if bytes.len() as u64 > ANSWER_BYTES_MAX {
        let message = format_args!("the token server's answer is larger than {ANSWER_BYTES_MAX} bytes");
        return Err(Failure::new(Reason::TooLong, message));
    }
    Ok(bytes)
}

/// Whether an answer is a form: so some servers give tokens, though RFC 6749 section 5.1 says JSON.
fn is_form(value: &HeaderValue) -> bool {
    let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [&b"application/x-www-form-urlencoded"[..], b"text/plain"].iter().any(|form| kind.eq_ignore_ascii_case(form))
}

fn of_form(body: &[u8]) -> Answered {
    let mut answered = Answered::default();
    for (name, value) in form_urlencoded::parse(body) {
        match &*name {
            "access_token" => answered.access_token = Some(value.into_owned()),
            "token_type" => answered.token_type = Some(value.into_owned()),
            "error" => answered.error = Some(value.into_owned()),
            _ => {}
        }
    }
    answered
}

/// The words that a server has for a refusal (RFC 6749 section 5.2). No others are quoted: they may repeat a secret.
const REFUSALS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// The scheme that shows a token of this type (RFC 6749 section 7.1), spelt as Go spells it.
fn scheme(token_type: &str) -> &str {
    match token_type {
        "" => "Bearer",
        kind if kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind if kind.eq_ignore_ascii_case("mac") => "MAC",
        kind if kind.eq_ignore_ascii_case("basic") => "Basic",
        kind => kind,
    }
}
