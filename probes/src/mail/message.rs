//! The mail that is sent (RFC 5322), and how it travels (RFC 5321 section 4.5.2).

use std::fmt::Write as _;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;
use crate::mail::settings::{Content, Settings};
use crate::mail::sign::Dkim;
use crate::mail::token::Token;
use crate::net::Net;

/// The header that has the token.
pub(super) const TOKEN_HEADER: &str = "X-Tuermer-Token";
/// The other headers that every mail has.
pub(super) const SIGNED: [&str; 9] = [
    "Date",
    "From",
    "To",
    "Message-ID",
    "Subject",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
/// What stands between the parts of a mail with an attachment. Appears in no part.
const BOUNDARY: &str = "tuermer-part-7d1c4e";
/// Characters of a line of padding. Chosen: lines as people write them (RFC 5322 section 2.1.1).
const LINE_CHARACTERS: usize = 72;
/// Bytes of a line of an attachment (RFC 2045 section 6.8: at most 76 characters).
const ATTACHMENT_LINE_BYTES: usize = 54;
/// The text by which filters for unwanted mail are tested, in halves, so that no filter takes the program for such a mail.
const GTUBE: [&str; 2] = ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"];
/// The file by which virus scanners are tested, in halves likewise.
const EICAR: [&str; 2] = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

/// A mail: headers that are watched, and the whole.
#[derive(Debug)]
pub(super) struct Message {
    /// Names and values of the headers that should arrive as they were sent.
    pub(super) watched: Vec<(&'static str, String)>,
    /// What follows the headers.
    pub(super) body: String,
    rest: &'static str,
    /// A header with its line end, if the mail is signed.
    signature: String,
}

impl Message {
    /// The mail that carries this token.
    pub(super) fn new(settings: &Settings, token: &Token) -> Self {
        let text = token.text();
        let (kind, body) = content(settings, &text);
        let mut subject = settings.subject.to_string();
        let _ = write!(subject, "{}{text}", if subject.is_empty() { "" } else { " " });
        let watched = vec![
            ("Date", date(token.sent())),
            ("From", format!("<{}>", settings.from)),
            ("To", format!("<{}>", settings.to)),
            ("Message-ID", format!("<{text}@{}>", settings.from.domain().unwrap_or("localhost"))),
            ("Subject", subject),
            (TOKEN_HEADER, text),
        ];
        Self { watched, body, rest: kind, signature: String::new() }
    }

    /// Signs the mail as it is now.
    pub(super) fn sign(&mut self, net: &Net, dkim: &Dkim) -> Result<(), Failure> {
        self.signature = dkim.sign(net, &(self.text() + "\r\n"))?;
        Ok(())
    }

    /// The mail as it is sent: lines end with CR LF, a dot at the beginning of a line is doubled, a dot ends it all.
    pub(super) fn on_the_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.body.len() + 1024);
        for line in self.text().split("\r\n") {
            if line.starts_with('.') {
                wire.push(b'.');
            }
            wire.extend_from_slice(line.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }

    /// The mail as it is stored, without its last line end.
    fn text(&self) -> String {
        let mut text = String::with_capacity(self.body.len() + 1024);
        text.push_str(&self.signature);
        for (name, value) in &self.watched {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        // RFC 3834 section 5: nobody answers.
        let _ = write!(text, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n{}\r\n\r\n", self.rest);
        text + self.body.strip_suffix("\r\n").unwrap_or(&self.body)
    }
}

/// The header that says what the body is, and the body.
fn content(settings: &Settings, token: &str) -> (&'static str, String) {
    const PLAIN: &str = "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit";
    const MIXED: &str = "Content-Type: multipart/mixed; boundary=\"tuermer-part-7d1c4e\"";
    let mut text =
        format!("This mail watches over the way of mail. Nobody needs to read it.\r\n\r\nToken: {token}\r\n");
    if settings.content == Content::Gtube {
        let _ = write!(text, "\r\n{}\r\n", GTUBE.concat());
    }
    pad(&mut text, settings.padding_bytes);
    let attachment = match settings.content {
        Content::Eicar => Some(("eicar.com", EICAR.concat().into_bytes())),
        Content::Plain | Content::Gtube if settings.attachment_bytes > 0 => {
            let bytes = (0..settings.attachment_bytes).map(|at| (at % 251) as u8).collect();
            Some(("attachment.bin", bytes))
        }
        Content::Plain | Content::Gtube => None,
    };
    let Some((name, bytes)) = attachment else { return (PLAIN, text) };
    let mut body =
        format!("--{BOUNDARY}\r\n{PLAIN}\r\n\r\n{text}\r\n--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\n");
    let _ = write!(
        body,
        "Content-Disposition: attachment; filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    for line in bytes.chunks(ATTACHMENT_LINE_BYTES) {
        STANDARD.encode_string(line, &mut body);
        body.push_str("\r\n");
    }
    let _ = write!(body, "--{BOUNDARY}--\r\n");
    (MIXED, body)
}

/// So many bytes more, in lines.
fn pad(text: &mut String, bytes: u32) {
    let mut left = bytes as usize;
    while left > 2 {
        let characters = LINE_CHARACTERS.min(left - 2);
        text.extend(std::iter::repeat_n('x', characters));
        text.push_str("\r\n");
        left -= characters + 2;
    }
}

/// `date-time` of RFC 5322 section 3.3.
fn date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at).replace("GMT", "+0000")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::settings::tests::settings;
    use crate::mail::token::{CheckId, Key};

    fn message(settings: &Settings) -> (Token, Message) {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
        let token = Token::new(&Key::of_secret("k"), CheckId::of(&["x"]), at, 1).expect("random numbers");
        let message = Message::new(settings, &token);
        (token, message)
    }

    /// What a receiver makes of it (RFC 5321 section 4.5.2).
    fn received(wire: &[u8]) -> String {
        let text = std::str::from_utf8(wire).expect("ASCII").strip_suffix("\r\n.\r\n").expect("an end");
        text.split("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect::<Vec<_>>().join("\r\n")
    }

    #[test]
    fn a_mail_is_as_it_should_be() {
        let (token, message) = message(&settings(serde_json::json!({"subject": "Round trip"})));
        let text = token.text();
        let expected = format!(
            "Date: Sun, 06 Nov 1994 08:49:37 +0000\r\nFrom: <watch@town.example>\r\nTo: <box@town.example>\r\nMessage-ID: <{text}@town.example>\r\nSubject: Round trip {text}\r\nX-Tuermer-Token: {text}\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nThis mail watches over the way of mail. Nobody needs to read it.\r\n\r\nToken: {text}"
        );
        assert_eq!(received(&message.on_the_wire()), expected);
    }

    #[test]
    fn a_line_that_begins_with_a_dot_ends_no_mail() {
        let (_, mut message) = message(&settings(serde_json::json!({})));
        message.body = ".\r\n..\r\n.x\r\n".to_owned();
        let wire = message.on_the_wire();
        assert!(wire.ends_with(b"\r\n\r\n..\r\n...\r\n..x\r\n.\r\n"), "{:?}", String::from_utf8_lossy(&wire));
    }

    #[test]
    fn tests_of_filters_are_in_the_mail() {
        let (_, spam) = message(&settings(serde_json::json!({"content": "gtube"})));
        assert!(spam.body.contains(&GTUBE.concat()));
        let (_, virus) = message(&settings(serde_json::json!({"content": "eicar"})));
        assert!(virus.body.contains(&STANDARD.encode(EICAR.concat())[..72]));
        assert!(virus.text().contains("multipart/mixed"));
    }

    proptest! {
        #[test]
        fn a_mail_has_lines_of_ascii_and_no_more(padding in 0_u32..2000, attachment in 0_u32..500) {
            let settings = settings(serde_json::json!({"padding_bytes": padding, "attachment_bytes": attachment}));
            let (_, message) = message(&settings);
            let wire = message.on_the_wire();
            let text = received(&wire);
            prop_assert!(text.split("\r\n").all(|line| line.len() <= 998 && line.bytes().all(|byte| (b' '..=b'~').contains(&byte))));
            prop_assert_eq!(text, message.text());
        }
    }
}
