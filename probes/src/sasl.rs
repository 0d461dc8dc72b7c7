//! Logging in: what is said and answered by the mechanisms of SASL (RFC 4422) that mail servers have.
//!
//! Knows no protocol: how a mechanism is announced, and how lines are packed, is the caller's. Nothing of a password or a
//! proof appears in a failure.

use std::fmt;

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::failure::{Failure, Reason, shown};
use crate::net::Net;
use crate::scram::{first_bare, proof, verify_server};
use crate::secret::Secret;

/// Longest challenge in bytes, packed. Chosen: RFC 5802's are a tenth of it.
pub(crate) const CHALLENGE_BYTES_MAX: usize = 8 * 1024;
/// Random bytes in the client's nonce. Chosen: as in RFC 7677's example.
const NONCE_BYTES: usize = 18;
/// How much of a server's words goes into a sentence, in bytes.
pub(crate) const QUOTE_BYTES_MAX: usize = 100;

/// Most challenges of one login. Chosen: the longest mechanism has three.
pub(crate) const CHALLENGES_MAX: usize = 5;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Mechanism {
    /// Name and password (RFC 4616).
    #[serde(rename = "PLAIN")]
    Plain,
    /// Name and password, asked for one after the other (draft-murchison-sasl-login).
    #[serde(rename = "LOGIN")]
    Login,
    /// Each side proves that it knows the password, which is not sent (RFC 5802, RFC 7677).
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// A token instead of a password, as large providers want it.
    #[serde(rename = "XOAUTH2")]
    Xoauth2,
}

impl Mechanism {
    /// The strongest first: what is used where the operator names none.
    pub(crate) const BY_STRENGTH: [Self; 3] = [Self::ScramSha256, Self::Plain, Self::Login];

    /// The registered name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Xoauth2 => "XOAUTH2",
        }
    }

    /// The mechanism of this name, in any case.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Plain, Self::Login, Self::ScramSha256, Self::Xoauth2]
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Whether whoever listens learns the secret.
    pub(crate) const fn shows_the_secret(self) -> bool {
        !matches!(self, Self::ScramSha256)
    }
}

/// Who logs in, and how, as the operator says.
#[derive(Debug)]
pub(crate) struct Account {
    username: Box<str>,
    password: Secret,
    mechanism: Option<Mechanism>,
    allow_cleartext: bool,
}

impl Account {
    /// An account of settings of which all or none must be there.
    pub(crate) fn of_settings(
        username: Option<Box<str>>,
        password: Option<Secret>,
        mechanism: Option<Mechanism>,
        allow_cleartext: bool,
    ) -> Result<Option<Self>, &'static str> {
        // A password in a file is looked at when it is read.
        let is_bad = |text: &str| text.contains(char::is_control);
        if username.as_deref().is_some_and(is_bad)
            || password.as_ref().and_then(|password| password.value().ok()).is_some_and(is_bad)
        {
            return Err("control characters in `username` or `password`");
        }
        match (username, password) {
            (Some(username), Some(password)) => Ok(Some(Self { username, password, mechanism, allow_cleartext })),
            (None, None) if mechanism.is_none() => Ok(None),
            (None, None) => Err("`mechanism` needs `username` and `password`"),
            _ => Err("`username` and `password` go together"),
        }
    }

    /// The mechanism to log in by; `None`: the server offers none that is known here.
    pub(crate) fn choose(&self, offered: &[Mechanism], is_encrypted: bool) -> Result<Option<Mechanism>, Failure> {
        choose(self.mechanism, offered, is_encrypted, self.allow_cleartext)
    }

    /// Name and password at this moment.
    pub(crate) fn credentials(&self, net: &Net) -> Result<Credentials, Failure> {
        Ok(Credentials { username: self.username.to_string(), password: net.secret(&self.password)? })
    }

    /// A login by this mechanism.
    pub(crate) fn login(&self, net: &Net, mechanism: Mechanism) -> Result<Login, Failure> {
        Login::new(mechanism, self.credentials(net)?)
    }

    /// A login with a password that is none.
    pub(crate) fn wrong_login(&self, mechanism: Mechanism) -> Result<Login, Failure> {
        let mut password = [0; NONCE_BYTES];
        rand::fill(&mut password).map_err(|_| no_random_numbers())?;
        let password = STANDARD.encode(password);
        Login::new(mechanism, Credentials { username: self.username.to_string(), password })
    }
}

/// The mechanism to log in by: the operator's, or the strongest of those the server offers. `None`: the server offers
/// none that is known here. A secret is not shown to whoever listens unless the operator allows it.
fn choose(
    wanted: Option<Mechanism>,
    offered: &[Mechanism],
    is_encrypted: bool,
    allow_cleartext: bool,
) -> Result<Option<Mechanism>, Failure> {
    let may_be_heard = is_encrypted || allow_cleartext;
    let chosen = match wanted {
        Some(wanted) if !offered.contains(&wanted) => {
            let message = format_args!("the server does not offer {}", wanted.name());
            return Err(Failure::new(Reason::AuthMissing, message));
        }
        Some(wanted) => Some(wanted),
        None => Mechanism::BY_STRENGTH
            .into_iter()
            .find(|mechanism| offered.contains(mechanism) && (may_be_heard || !mechanism.shows_the_secret())),
    };
    match chosen {
        Some(chosen) if may_be_heard || !chosen.shows_the_secret() => Ok(Some(chosen)),
        None if may_be_heard => Ok(None),
        _ => {
            let message = "the connection is not encrypted: no password is sent over it (allow_cleartext_login)";
            Err(Failure::new(Reason::ConfigUnusable, message))
        }
    }
}

/// Who logs in. Never shown.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<credentials>")
    }
}

/// One login: what is said first, and what to each challenge.
pub(crate) struct Login {
    credentials: Credentials,
    state: State,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

enum State {
    Plain,
    LoginName,
    LoginPassword,
    Xoauth2,
    ScramFirst {
        nonce: String,
    },
    /// The proof went out; the server's is expected.
    ScramProof {
        server_signature: hmac::Tag,
    },
    /// Everything was said.
    Done,
}

impl Login {
    /// A login with this mechanism. Names and passwords with characters that mechanisms use as signs are refused.
    pub(crate) fn new(mechanism: Mechanism, credentials: Credentials) -> Result<Self, Failure> {
        let has_sign = |text: &str| text.contains(['\0', '\r', '\n', '\u{1}']);
        if has_sign(&credentials.username) || has_sign(&credentials.password) {
            return Err(unusable("a control character in the name or the password"));
        }
        let state = match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::LoginName,
            Mechanism::Xoauth2 => State::Xoauth2,
            Mechanism::ScramSha256 => {
                let mut nonce = [0; NONCE_BYTES];
                rand::fill(&mut nonce).map_err(|_| no_random_numbers())?;
                State::ScramFirst { nonce: STANDARD.encode(nonce) }
            }
        };
        Ok(Self { credentials, state })
    }

    /// What is said with the name of the mechanism, packed; `None`: the server speaks first.
    pub(crate) fn initial(&mut self) -> Option<String> {
        let Credentials { username, password } = &self.credentials;
        match &self.state {
            State::Plain => {
                let text = format!("\0{username}\0{password}");
                self.state = State::Done;
                Some(STANDARD.encode(text))
            }
            State::Xoauth2 => {
                let text = format!("user={username}\u{1}auth=Bearer {password}\u{1}\u{1}");
                self.state = State::Done;
                Some(STANDARD.encode(text))
            }
            State::ScramFirst { nonce } => Some(STANDARD.encode(format!("n,,{}", first_bare(username, nonce)))),
            State::LoginName | State::LoginPassword | State::ScramProof { .. } | State::Done => None,
        }
    }

    /// The answer to a challenge, both packed.
    pub(crate) fn answer(&mut self, challenge: &[u8]) -> Result<String, Failure> {
        let (answer, next) = match &self.state {
            State::LoginName => (self.credentials.username.clone(), State::LoginPassword),
            State::LoginPassword => (self.credentials.password.clone(), State::Done),
            State::ScramFirst { nonce } => {
                let (text, server_signature) = proof(&self.credentials, nonce, &unpacked(challenge)?)?;
                (text, State::ScramProof { server_signature })
            }
            State::ScramProof { server_signature } => {
                verify_server(server_signature, &unpacked(challenge)?)?;
                (String::new(), State::Done)
            }
            // After a refusal, XOAUTH2 servers tell why in a challenge, which is answered with nothing.
            State::Plain | State::Xoauth2 | State::Done => (String::new(), State::Done),
        };
        self.state = next;
        Ok(STANDARD.encode(answer))
    }

    /// Whether the server may say now that the login succeeded: one that does without having proved that it knows the
    /// password is not the one that was meant (RFC 5802 section 5). `data` is what it said with its success.
    pub(crate) fn succeeded(&self, data: Option<&[u8]>) -> Result<(), Failure> {
        match (&self.state, data) {
            (State::ScramProof { server_signature }, Some(data)) => verify_server(server_signature, &unpacked(data)?),
            (State::ScramProof { .. } | State::ScramFirst { .. }, _) => {
                Err(broken("the server took the login without proving that it knows the password"))
            }
            _ => Ok(()),
        }
    }
}

/// The server asks on and on.
pub(crate) fn too_many_challenges() -> Failure {
    broken(format_args!("more than {CHALLENGES_MAX} challenges"))
}

/// A refusal of a login is one of the credentials, unless it will pass.
pub(crate) fn refused(failure: Failure) -> Failure {
    match failure.reason() {
        Reason::Rejected => Failure::new(Reason::AuthRefused, failure.message()),
        _ => failure,
    }
}

fn no_random_numbers() -> Failure {
    Failure::new(Reason::AgentMemory, "no random numbers for the login")
}

fn unusable(what: &str) -> Failure {
    Failure::new(Reason::ConfigUnusable, format_args!("cannot log in: {what}"))
}

pub(crate) fn broken(what: impl fmt::Display) -> Failure {
    Failure::new(Reason::ProtocolError, what)
}

fn unpacked(challenge: &[u8]) -> Result<String, Failure> {
    let not_packed = || broken(format_args!("a challenge that is not base64: {}", shown(challenge, QUOTE_BYTES_MAX)));
    if challenge.len() > CHALLENGE_BYTES_MAX {
        return Err(Failure::new(
            Reason::TooLong,
            format_args!("a challenge of more than {CHALLENGE_BYTES_MAX} bytes"),
        ));
    }
    let bytes = STANDARD.decode(challenge).map_err(|_| not_packed())?;
    String::from_utf8(bytes).map_err(|_| not_packed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credentials(username: &str, password: &str) -> Credentials {
        Credentials { username: username.to_owned(), password: password.to_owned() }
    }

    fn login(mechanism: Mechanism) -> Login {
        Login::new(mechanism, credentials("user", "pencil")).expect("usable")
    }

    fn packed(text: &str) -> Vec<u8> {
        STANDARD.encode(text).into_bytes()
    }

    fn opened(text: &str) -> String {
        String::from_utf8(STANDARD.decode(text).expect("base64")).expect("UTF-8")
    }

    /// The example of RFC 7677 section 3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SERVER: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn scram() -> Login {
        let state = State::ScramFirst { nonce: NONCE.to_owned() };
        Login { credentials: credentials("user", "pencil"), state }
    }

    #[test]
    fn plain_says_all_at_once() {
        let mut login = login(Mechanism::Plain);
        assert_eq!(login.initial().map(|text| opened(&text)).as_deref(), Some("\0user\0pencil"));
        assert_eq!(login.succeeded(None), Ok(()));
    }

    #[test]
    fn the_strongest_mechanism_that_keeps_the_secret_is_chosen() {
        use Mechanism::{Login, Plain, ScramSha256, Xoauth2};
        let choose = |wanted, offered: &[Mechanism], encrypted, allowed| {
            choose(wanted, offered, encrypted, allowed).map_err(|failure| failure.reason())
        };
        assert_eq!(choose(None, &[Login, Plain, ScramSha256], true, false), Ok(Some(ScramSha256)));
        assert_eq!(choose(None, &[Login, Plain, Xoauth2], true, false), Ok(Some(Plain)));
        assert_eq!(choose(None, &[Xoauth2], true, false), Ok(None));
        assert_eq!(choose(Some(Xoauth2), &[Xoauth2, Plain], true, false), Ok(Some(Xoauth2)));
        assert_eq!(choose(Some(Login), &[Plain], true, false), Err(Reason::AuthMissing));
        assert_eq!(choose(None, &[Plain, ScramSha256], false, false), Ok(Some(ScramSha256)));
        assert_eq!(choose(None, &[Plain], false, false), Err(Reason::ConfigUnusable));
        assert_eq!(choose(None, &[], false, false), Err(Reason::ConfigUnusable));
        assert_eq!(choose(Some(Plain), &[Plain], false, false), Err(Reason::ConfigUnusable));
        assert_eq!(choose(Some(Plain), &[Plain], false, true), Ok(Some(Plain)));
    }

    #[test]
    fn login_answers_two_questions() {
        let mut login = login(Mechanism::Login);
        assert_eq!(login.initial(), None);
        assert_eq!(login.answer(b"VXNlcm5hbWU6").map(|text| opened(&text)).as_deref(), Ok("user"));
        assert_eq!(login.answer(b"UGFzc3dvcmQ6").map(|text| opened(&text)).as_deref(), Ok("pencil"));
        assert_eq!(login.succeeded(None), Ok(()));
    }

    #[test]
    fn xoauth2_sends_the_token() {
        let mut login = login(Mechanism::Xoauth2);
        let expected = "user=user\u{1}auth=Bearer pencil\u{1}\u{1}";
        assert_eq!(login.initial().map(|text| opened(&text)).as_deref(), Some(expected));
        assert_eq!(login.answer(b"eyJzdGF0dXMiOiI0MDEifQ==").as_deref(), Ok(""));
    }

    #[test]
    fn scram_follows_the_example_of_its_rfc() {
        let mut login = scram();
        assert_eq!(login.initial().map(|text| opened(&text)).as_deref(), Some("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(login.answer(&packed(CHALLENGE)).map(|text| opened(&text)).as_deref(), Ok(expected));
        assert_eq!(login.succeeded(Some(&packed(SERVER))), Ok(()));
        assert_eq!(login.answer(&packed(SERVER)).as_deref(), Ok(""));
        assert_eq!(login.succeeded(None), Ok(()));
    }

    #[test]
    fn a_server_that_cannot_prove_itself_is_not_believed() {
        let reason = |result: Result<(), Failure>| result.map_err(|failure| failure.reason());
        let mut login = scram();
        assert_eq!(reason(login.succeeded(None)), Err(Reason::ProtocolError));
        login.answer(&packed(CHALLENGE)).expect("an answer");
        assert_eq!(reason(login.succeeded(None)), Err(Reason::ProtocolError));
        assert_eq!(reason(login.succeeded(Some(&packed("v=AAAA")))), Err(Reason::ProtocolError));
        assert_eq!(reason(login.succeeded(Some(&packed("e=invalid-proof")))), Err(Reason::AuthRefused));
    }

    #[test]
    fn challenges_that_are_none_are_refused() {
        let reason = |challenge: &str| scram().answer(challenge.as_bytes()).map_err(|failure| failure.reason());
        let nonce = format!("r={NONCE}x");
        for challenge in [
            "r=other,s=W22Z,i=4096".to_owned(),
            format!("r={NONCE},s=W22Z,i=4096"),
            format!("{nonce},s=W22Z,i=1"),
            format!("{nonce},s=W22Z,i=4294967295"),
            format!("{nonce},s=!,i=4096"),
            format!("{nonce},s=W22Z"),
            format!("m=ext,{nonce},s=W22Z,i=4096"),
            String::new(),
        ] {
            assert_eq!(reason(&STANDARD.encode(&challenge)), Err(Reason::ProtocolError), "{challenge}");
        }
        assert_eq!(reason("no base64"), Err(Reason::ProtocolError));
        assert_eq!(reason(&"A".repeat(CHALLENGE_BYTES_MAX + 4)), Err(Reason::TooLong));
    }

    #[test]
    fn signs_of_mechanisms_in_names_are_escaped_or_refused() {
        assert_eq!(first_bare("a,b=c", "x"), "n=a=2Cb=3Dc,r=x");
        let refused = Login::new(Mechanism::Plain, credentials("user", "x\r\nQUIT")).map(drop);
        assert_eq!(refused.map_err(|failure| failure.reason()), Err(Reason::ConfigUnusable));
    }

    proptest! {
        #[test]
        fn any_challenge_is_answered_or_refused(challenge in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
            for bytes in [challenge, packed(&text)] {
                for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256, Mechanism::Xoauth2] {
                    let mut login = login(mechanism);
                    login.initial();
                    let _ = login.answer(&bytes);
                    let _ = login.succeeded(Some(&bytes));
                }
            }
        }
    }
}
