//! What a mail tells that arrived: the way it went, what was changed, what the receiving side thinks of it.

use std::time::{Duration, SystemTime};

use crate::mail::headers::{Headers, date, without_comments};
use crate::mail::message::{Message, TOKEN_HEADER};
use crate::mail::settings::Method;
use crate::mail::token::Token;

/// Most hops that are looked at. RFC 5321 section 6.3 wants servers to take at least 100; no honest way has that many.
const HOPS_MAX: usize = 50;
/// Longest delay of a hop. Chosen: servers give up after five days (RFC 5321 section 4.5.4.1).
const DELAY_MAX: Duration = Duration::from_secs(10 * 24 * 60 * 60);
/// Results that are told apart (RFC 8601 section 2.7); any other is `other`.
const RESULTS: [&str; 8] = ["pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"];

/// The part of a mail's way that one server wrote down (RFC 5321 section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    /// Time since the hop before it, or since the mail was made.
    pub(super) delay: Duration,
    /// Whether the clocks of both disagree so far that the delay would be negative.
    pub(super) is_skewed: bool,
    /// Whether the mail came from another machine in the open (RFC 3848).
    pub(super) in_the_open: bool,
}

/// Places of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) message_id: bool,
    pub(super) header: bool,
    pub(super) subject: bool,
    pub(super) body: bool,
}

/// What a mail tells.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) places: Places,
    /// From the sender on.
    pub(super) hops: Vec<Hop>,
    pub(super) body_intact: bool,
    /// Names of headers, and whether each arrived as it was sent.
    pub(super) headers_intact: Vec<(&'static str, bool)>,
    pub(super) authentication: Vec<(Method, &'static str)>,
    pub(super) spam_score: Option<f64>,
    pub(super) spam_flagged: Option<bool>,
    /// The whole, for whoever verifies it.
    pub(super) stored: Vec<u8>,
}

impl Reading {
    /// Reads the whole mail, as it was stored.
    pub(super) fn of(stored: &[u8], sent: &Message, token: &Token, trusted: &[Box<str>]) -> Self {
        let (headers, body) = Headers::split(stored);
        let holds = |text: &[u8]| Token::all_in(text).any(|found| found == *token);
        let header_holds = |name: &str| headers.all(name).any(|value| holds(value.as_bytes()));
        let intact =
            |name: &str, value: &str| headers.first(&name.to_ascii_lowercase()).is_some_and(|got| got == value);
        Self {
            places: Places {
                message_id: header_holds("message-id"),
                header: header_holds(&TOKEN_HEADER.to_ascii_lowercase()),
                subject: header_holds("subject"),
                body: holds(body),
            },
            hops: hops(&headers, token.sent()),
            body_intact: is_same_text(body, sent.body.as_bytes()),
            headers_intact: sent.watched.iter().map(|(name, value)| (*name, intact(name, value))).collect(),
            authentication: authentication(&headers, trusted),
            spam_score: spam_score(&headers),
            spam_flagged: spam_flagged(&headers),
            stored: stored.to_vec(),
        }
    }

    /// Whether nothing of what was sent was changed.
    pub(super) fn is_intact(&self) -> bool {
        self.body_intact && self.headers_intact.iter().all(|(_, intact)| *intact)
    }

    /// Whether the receiving side found it to pass.
    pub(super) fn passes(&self, method: Method) -> bool {
        self.authentication.iter().any(|(known, result)| *known == method && *result == "pass")
    }
}

/// Whether two texts are the same but for the white space at the ends of lines and of the text (as RFC 6376 section
/// 3.4.4 takes bodies).
fn is_same_text(one: &[u8], other: &[u8]) -> bool {
    let lines = |text| <[u8]>::split(text, |byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines(one.trim_ascii_end()).eq(lines(other.trim_ascii_end()))
}

/// The way, from the sender on.
fn hops(headers: &Headers, sent: SystemTime) -> Vec<Hop> {
    let mut before = sent;
    let received: Vec<&str> = headers.all("received").take(HOPS_MAX).collect();
    let hop = |value: &&str| {
        let in_the_open = is_in_the_open(value);
        let Some(at) = value.rsplit_once(';').and_then(|(_, text)| date(text)) else {
            return Hop { delay: Duration::ZERO, is_skewed: false, in_the_open };
        };
        // The dates have no fractions of a second: of the same second is not before.
        let earlier = before.duration_since(at).unwrap_or_default();
        let hop = Hop {
            delay: at.duration_since(before).unwrap_or_default().min(DELAY_MAX),
            is_skewed: earlier >= Duration::from_secs(1),
            in_the_open,
        };
        before = at;
        hop
    };
    received.iter().rev().map(hop).collect()
}

/// Whether the protocol is one without encryption (RFC 3848, RFC 6531 section 4.3). What a machine hands to itself counts
/// as neither.
fn is_in_the_open(received: &str) -> bool {
    if ["[127.", "[IPv6:::1]", "[::1]", "localhost"].iter().any(|own| received.contains(own)) {
        return false;
    }
    let plain = without_comments(received);
    let mut words = plain.split_ascii_whitespace();
    let with = words.find(|word| word.eq_ignore_ascii_case("with")).and_then(|_| words.next()).unwrap_or_default();
    let with = with.trim_end_matches(';');
    // Some servers write the encryption of an SMTP dialogue into a comment beside it.
    let says_tls = received.contains("TLS") || received.contains("tls");
    ["SMTP", "ESMTP", "ESMTPA", "UTF8SMTP", "UTF8SMTPA"].iter().any(|name| with.eq_ignore_ascii_case(name)) && !says_tls
}

/// What trusted servers found out about the sender (RFC 8601 section 2.2), of each method the topmost word.
fn authentication(headers: &Headers, trusted: &[Box<str>]) -> Vec<(Method, &'static str)> {
    let mut found: Vec<(Method, &'static str)> = Vec::new();
    for value in headers.all("authentication-results") {
        let plain = without_comments(value);
        let mut parts = plain.split(';');
        let id = parts.next().and_then(|part| part.split_ascii_whitespace().next()).unwrap_or_default();
        if !trusted.iter().any(|known| known.eq_ignore_ascii_case(id)) {
            continue;
        }
        let mut here: Vec<(Method, &'static str)> = Vec::new();
        for part in parts {
            let Some((method, rest)) = part.split_once('=') else { continue };
            // A version may follow the method's name.
            let name = method.split('/').next().unwrap_or_default().trim();
            let Some(method) = Method::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name)) else {
                continue;
            };
            let word = rest.split_ascii_whitespace().next().unwrap_or_default();
            let result = RESULTS.into_iter().find(|known| known.eq_ignore_ascii_case(word)).unwrap_or("other");
            match here.iter_mut().find(|(known, _)| *known == method) {
                // A mail may have several signatures: one that is good is enough.
                Some((_, known)) if result == "pass" => *known = result,
                Some(_) => {}
                None => here.push((method, result)),
            }
        }
        found.extend(
            here.into_iter().filter(|(method, _)| !found.iter().any(|(known, _)| known == method)).collect::<Vec<_>>(),
        );
    }
    found
}

/// The points that a spam filter gave, as widespread filters write them.
fn spam_score(headers: &Headers) -> Option<f64> {
    let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    let first = |text: &str| number(text.split_ascii_whitespace().next()?);
    let status = |text: &str| {
        let (_, rest) = text.split_once("score=")?;
        number(rest.split([' ', ',']).next()?)
    };
    // "default: False [-0.10 / 15.00]; ..."
    let result = |text: &str| number(text.split_once('[')?.1.split('/').next()?);
    headers
        .first("x-spam-score")
        .and_then(first)
        .or_else(|| headers.first("x-spam-status").and_then(status))
        .or_else(|| headers.first("x-spamd-result").and_then(result))
}

/// Whether a spam filter took the mail for spam.
fn spam_flagged(headers: &Headers) -> Option<bool> {
    let says_yes = |text: &str| text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("yes"));
    headers
        .first("x-spam-flag")
        .or_else(|| headers.first("x-spam-status"))
        .or_else(|| headers.first("x-spam"))
        .map(says_yes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::settings::tests::settings;
    use crate::mail::token::{CheckId, Key};

    fn sent() -> (Token, Message) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let token = Token::new(&Key::of_secret("k"), CheckId::of(&["x"]), at, 1).expect("random numbers");
        let message = Message::new(&settings(serde_json::json!({})), &token);
        (token, message)
    }

    fn stored(message: &Message, above: &str) -> String {
        let wire = String::from_utf8(message.on_the_wire()).expect("ASCII");
        format!("{above}{}", wire.strip_suffix(".\r\n").expect("an end"))
    }

    fn read(above: &str) -> Reading {
        let (token, message) = sent();
        Reading::of(stored(&message, above).as_bytes(), &message, &token, &["mx.town.example".into()])
    }

    #[test]
    fn an_untouched_mail_is_intact() {
        let reading = read("");
        assert!(reading.is_intact());
        assert_eq!(reading.places, Places { message_id: true, header: true, subject: true, body: true });
        assert_eq!((reading.hops.len(), reading.spam_score, reading.spam_flagged), (0, None, None));
    }

    #[test]
    fn what_was_changed_is_seen() {
        let (token, message) = sent();
        let text = stored(&message, "").replace("Subject: ", "Subject: [external] ") + "-- \r\nSent through a list\r\n";
        let text = text.replace("X-Tuermer-Token:", "X-Removed:");
        let reading = Reading::of(text.as_bytes(), &message, &token, &[]);
        assert!(!reading.body_intact);
        let changed: Vec<_> =
            reading.headers_intact.iter().filter(|(_, intact)| !intact).map(|(name, _)| *name).collect();
        assert_eq!(changed, ["Subject", "X-Tuermer-Token"]);
        assert_eq!(reading.places, Places { message_id: true, header: false, subject: true, body: true });
    }

    #[test]
    fn the_way_is_read_from_the_sender_on() {
        let reading = read(
            "Received: from mx.x by store.x with LMTP id 3; Sun, 06 Nov 1994 08:49:40 +0000\r\n\
             Received: from out.y (out.y [192.0.2.1])\r\n\tby mx.x (Postfix) with ESMTP id 2;\r\n\tSun, 06 Nov 1994 08:59:40 +0000\r\n\
             Received: from [192.0.2.9] by out.y with ESMTPSA id 1; Sun, 06 Nov 1994 08:49:39 +0000 (UTC)\r\n",
        );
        let seconds = Duration::from_secs;
        assert_eq!(
            reading.hops,
            [
                Hop { delay: seconds(2), is_skewed: false, in_the_open: false },
                Hop { delay: seconds(601), is_skewed: false, in_the_open: true },
                Hop { delay: seconds(0), is_skewed: true, in_the_open: false },
            ]
        );
    }

    #[test]
    fn only_trusted_servers_are_believed() {
        let reading = read(
            "Authentication-Results: MX.town.example 1; spf=pass (a; dmarc=pass) smtp.mailfrom=x; dkim=fail header.d=x;\r\n\tdkim=pass header.d=y; dmarc/1=weird\r\n\
             Authentication-Results: mx.town.example; spf=fail; arc=none\r\n\
             Authentication-Results: elsewhere.example; dmarc=pass\r\n",
        );
        assert_eq!(
            reading.authentication,
            [(Method::Spf, "pass"), (Method::Dkim, "pass"), (Method::Dmarc, "other"), (Method::Arc, "none")]
        );
        assert!(reading.passes(Method::Dkim) && !reading.passes(Method::Dmarc));
    }

    #[test]
    fn the_spam_filters_points_are_read() {
        let score = |above: &str| {
            let reading = read(above);
            (reading.spam_score, reading.spam_flagged)
        };
        assert_eq!(score("X-Spam-Flag: YES\r\nX-Spam-Score: 7.5\r\n"), (Some(7.5), Some(true)));
        assert_eq!(score("X-Spam-Status: No, score=-1.2 required=5.0\r\n"), (Some(-1.2), Some(false)));
        assert_eq!(score("X-Spamd-Result: default: False [3.10 / 15.00];\r\n\tX(0.0)[]\r\n"), (Some(3.1), None));
        assert_eq!(score("X-Spam-Score: inf\r\n"), (None, None));
    }

    proptest! {
        #[test]
        fn any_mail_is_read(above in r"(?s)((Received|Authentication-Results|X-Spam-Status): .{0,80}\r\n){0,6}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (token, message) = sent();
            let mut stored = above.into_bytes();
            stored.extend(bytes);
            let _ = Reading::of(&stored, &message, &token, &["x".into()]);
        }
    }
}
