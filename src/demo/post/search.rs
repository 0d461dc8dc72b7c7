//! Searching a mailbox (RFC 9051 section 6.4.4): as much of it as the demo's check and a curious person ask.

use crate::demo::post::mailboxes::Mail;
use crate::demo::post::words::Word;

/// How deep alternatives may stand within alternatives.
const DEPTH_MAX: usize = 16;

/// Whether the mail is one that is looked for; nothing if the question is not understood.
pub(super) fn fits(question: &[Word], mail: &Mail) -> Option<bool> {
    let mut rest = question;
    let mut all = true;
    while !rest.is_empty() {
        all &= key(&mut rest, mail, 0)?;
    }
    Some(all)
}

/// One key of a question, which is taken from its beginning.
fn key(rest: &mut &[Word], mail: &Mail, depth: usize) -> Option<bool> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (first, after) = rest.split_first()?;
    *rest = after;
    let Some(name) = first.text() else {
        return if *first == Word::Open { group(rest, mail, depth) } else { None };
    };
    Some(match name.to_ascii_uppercase().as_str() {
        "ALL" => true,
        "DELETED" => mail.is_deleted,
        "UNDELETED" => !mail.is_deleted,
        // No mail is older than the demo.
        "SINCE" => argument(rest).is_some(),
        "SUBJECT" => header_contains(mail, "Subject", argument(rest)?),
        "TEXT" => contains(&mail.text, argument(rest)?),
        "BODY" => {
            let body = mail.text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            contains(body, argument(rest)?)
        }
        "HEADER" => {
            let name = argument(rest)?;
            header_contains(mail, name, argument(rest)?)
        }
        "NOT" => !key(rest, mail, depth + 1)?,
        "OR" => {
            let one = key(rest, mail, depth + 1)?;
            let other = key(rest, mail, depth + 1)?;
            one || other
        }
        _ => return None,
    })
}

/// Keys up to the closing parenthesis: all must fit.
fn group(rest: &mut &[Word], mail: &Mail, depth: usize) -> Option<bool> {
    let mut all = true;
    while *rest.first()? != Word::Close {
        all &= key(rest, mail, depth + 1)?;
    }
    *rest = &rest[1..];
    Some(all)
}

fn argument<'w>(rest: &mut &'w [Word]) -> Option<&'w str> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    first.text()
}

/// Headers may go on in the next line, which begins with white space.
fn header_contains(mail: &Mail, name: &str, text: &str) -> bool {
    let headers = mail.text.split("\r\n\r\n").next().unwrap_or_default();
    let mut is_in_it = false;
    headers.split("\r\n").any(|line| {
        if !line.starts_with([' ', '\t']) {
            is_in_it = line.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name));
        }
        is_in_it && contains(line, text)
    })
}

fn contains(whole: &str, part: &str) -> bool {
    whole.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::demo::post::mailboxes::Folder;
    use crate::demo::post::words::words;

    #[test]
    fn a_question_fits_a_mail_or_not_or_is_not_understood() {
        let text = "Subject: round\r\n\ttrip\r\nX-Tuermer-Token: t1AB\r\n\r\nSubject: body\r\n";
        let mail = Mail { folder: Folder::Inbox, uid: 1, text: text.into(), at: Timestamp::now(), is_deleted: false };
        let asked = |question: &str| fits(&words(question).expect("words"), &mail);
        for (question, expected) in [
            ("ALL", Some(true)),
            ("UNDELETED OR HEADER X-Tuermer-Token t1ab OR SUBJECT x (SINCE 1-Jan-2026 HEADER A b)", Some(true)),
            ("SUBJECT trip", Some(true)),
            ("SUBJECT body", Some(false)),
            ("TEXT body NOT DELETED", Some(true)),
            ("SINCE 1-Jan-2026 BODY subject", Some(true)),
            ("BODY trip", Some(false)),
            ("OR DELETED (ALL SUBJECT moon)", Some(false)),
            ("LARGER 7", None),
            ("HEADER a", None),
            ("(ALL", None),
            (")", None),
        ] {
            assert_eq!(asked(question), expected, "{question}");
        }
        assert_eq!(asked(&"NOT ".repeat(20)), None);
    }
}
