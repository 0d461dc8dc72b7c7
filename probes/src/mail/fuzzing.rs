//! What fuzz targets reach of the kind: whatever reads what strangers wrote.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::dsn::Notice;
use super::headers::{Headers, date, without_comments};
use super::message::Message;
use super::read::Reading;
use super::settings::{Method, Settings};
use super::token::{CheckId, Key, TEXT_BYTES, Token};
use super::verify::{self, Evidence};
use crate::net::{Net, Resolver};
use crate::recorder::Recorder;
use crate::testkit::DiskFiles;

/// Reads any bytes as a mail, as a notice of non-delivery, and as tokens.
pub fn read(bytes: &[u8]) {
    let (headers, body) = Headers::split(bytes);
    assert!(body.len() <= bytes.len());
    for name in ["received", "date", "authentication-results", "content-type"] {
        for value in headers.all(name) {
            let _ = date(value);
            assert!(without_comments(value).len() <= value.len());
        }
    }
    let _ = Notice::of(bytes);
    for token in Token::all_in(bytes) {
        assert_eq!(token.text().len(), TEXT_BYTES);
        assert!(!token.is_sealed_by(&Key::of_secret("a key that nobody has")), "nobody guesses a seal");
    }
    let (message, token) = sent();
    let _ = Reading::of(bytes, &message, &token, &["mx.town.example".into()]);
}

/// Looks at any bytes as a signed mail, in a world without name servers.
pub async fn verify(bytes: &[u8]) {
    let net = Net::new(Resolver::of_servers(&[]).expect("a resolver"), Arc::new(DiskFiles));
    let mut recorder = Recorder::start(Duration::from_secs(10));
    let evidence = Evidence { stored: bytes, sender_domain: "town.example", client: None };
    let findings = verify::check(&net, &mut recorder, &Method::ALL, &evidence).await;
    assert!(findings.iter().all(|finding| !matches!(finding.result, Ok("pass"))), "without keys nothing passes");
}

fn sent() -> (Message, Token) {
    let settings: Settings = serde_json::from_value(serde_json::json!({
        "from": "watch@town.example", "to": "box@town.example",
        "fetch": {"host": "imap.town.example", "username": "box", "password": "pencil"},
    }))
    .expect("settings");
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let token = Token::new(&Key::of_secret("k"), CheckId::of(&["x"]), at, 1).expect("random numbers");
    (Message::new(&settings, &token), token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Lines that signatures and notices are made of.
    const SIGNED: &str = r"((DKIM-Signature|ARC-Seal|ARC-Message-Signature|ARC-Authentication-Results|From): ?((i=[0-9]{1,3}|v=1|a=(rsa|ed25519)-sha(1|256)|d=[a-zA-Z.ä]{0,9}|s=[a-z.]{0,5}|h=(from|to|:| ){0,9}|bh=[A-Za-z=]{0,9}|b=[A-Za-z=]{0,9}|[xtl]=[0-9]{0,22}|cv=(none|pass|fail)|c=(simple|relaxed)(/simple|/relaxed|/)?|\PC{0,9}); ?(\r\n )?){0,12}\r?\n){0,8}\r\n(\PC|\r\n){0,40}";
    const NOTICE: &str = "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n((--x|--x--|Content-Type: message/delivery-status|Action: (failed|delayed)|Status: [0-9.]{0,9}|X-Tuermer-Token: t1[0-9a-f]{80}|=|\\PC{0,9}|)\r\n){0,20}";

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            super::read(&bytes);
        }

        #[test]
        fn any_notice_is_read(text in NOTICE) {
            super::read(text.as_bytes());
        }

        #[test]
        fn any_signature_is_looked_at(text in SIGNED) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(super::verify(text.as_bytes()));
        }
    }
}
