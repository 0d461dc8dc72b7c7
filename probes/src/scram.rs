//! What SCRAM-SHA-256 computes (RFC 5802, RFC 7677): the client's proof, and the server's.
//!
//! Knows no packing and no order of messages: `sasl` does.

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::{Failure, Reason, shown};
use crate::sasl::{Credentials, QUOTE_BYTES_MAX, broken};

/// Most rounds of key stretching that a server may ask for. Chosen: a fiftieth of a second of one processor; servers ask
/// for 4096 (RFC 5802 section 5.1) to some hundred thousand.
const ITERATIONS_MAX: u32 = 600_000;
/// Fewest rounds that are not a sign of somebody in between (RFC 7677 section 4).
const ITERATIONS_MIN: u32 = 4096;
/// Bytes of a SHA-256.
const HASH_BYTES: usize = 32;

/// `client-first-message-bare` of RFC 5802 section 7.
pub(crate) fn first_bare(username: &str, nonce: &str) -> String {
    format!("n={},r={nonce}", username.replace('=', "=3D").replace(',', "=2C"))
}

/// The `client-final-message` to a `server-first-message`, and what the server must answer (RFC 5802 section 3).
pub(crate) fn proof(credentials: &Credentials, nonce: &str, challenge: &str) -> Result<(String, hmac::Tag), Failure> {
    let says = || format!("the server's challenge {}", shown(challenge.as_bytes(), QUOTE_BYTES_MAX));
    let mut parts = challenge.split(',');
    let mut part = |name: &str| parts.next().and_then(|part| part.strip_prefix(name));
    let (Some(both), Some(salt), Some(rounds)) = (part("r="), part("s="), part("i=")) else {
        return Err(broken(format_args!("{} is none of SCRAM", says())));
    };
    if !both.starts_with(nonce) || both.len() == nonce.len() {
        return Err(broken(format_args!("{} is not for this login", says())));
    }
    let salt = STANDARD.decode(salt).map_err(|_| broken(format_args!("{} has no salt", says())))?;
    let rounds: u32 = rounds.parse().map_err(|_| broken(format_args!("{} has no count", says())))?;
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&rounds) {
        return Err(broken(format_args!(
            "the server asks for {rounds} rounds, not {ITERATIONS_MIN} to {ITERATIONS_MAX}"
        )));
    }
    let rounds = std::num::NonZeroU32::new(rounds).ok_or_else(|| broken("a count of zero"))?;
    let mut salted = [0; HASH_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, credentials.password.as_bytes(), &mut salted);
    let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);

    // "c=biws" repeats "n,,": no binding to the channel.
    let without_proof = format!("c=biws,r={both}");
    let auth = format!("{},{challenge},{without_proof}", first_bare(&credentials.username, nonce));
    let client_key = mac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let signature = mac(stored_key.as_ref(), auth.as_bytes());
    let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, sign)| key ^ sign).collect();
    let server_key = mac(&salted, b"Server Key");
    let server_signature = mac(server_key.as_ref(), auth.as_bytes());
    Ok((format!("{without_proof},p={}", STANDARD.encode(proof)), server_signature))
}

pub(crate) fn verify_server(expected: &hmac::Tag, text: &str) -> Result<(), Failure> {
    let signature = text.split(',').next().and_then(|part| part.strip_prefix("v="));
    match signature.and_then(|packed| STANDARD.decode(packed).ok()) {
        Some(signature) if signature == expected.as_ref() => Ok(()),
        _ if text.starts_with("e=") => {
            let message = format_args!("the server says {}", shown(text.as_bytes(), QUOTE_BYTES_MAX));
            Err(Failure::new(Reason::AuthRefused, message))
        }
        _ => Err(broken("the server does not know the password that it was asked to prove")),
    }
}
