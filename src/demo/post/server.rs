//! The mail server: takes mail for the town's domain (RFC 5321).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::demo::parts::DOMAIN;
use crate::demo::post::is_login;
use crate::demo::post::letter::Letter;
use crate::demo::post::queue::Queue;
use crate::demo::serve::{self, Conversation};
use crate::demo::town::{Fault, Part, Town};

/// Most recipients of a mail. Chosen: a demo needs no more.
const RECIPIENTS_MAX: usize = 10;
/// Longest address in bytes (RFC 5321 section 4.5.3.1.3).
const ADDRESS_BYTES_MAX: usize = 254;
/// Largest mail in bytes, which EHLO tells.
const MAIL_BYTES_MAX: usize = 1 << 20;
/// Most lines of a mail that are heard before the connection is given up. Chosen: a mail of that size has fewer.
const LINES_MAX: usize = 100_000;

/// Listens.
pub(super) async fn open(town: &Town, queue: Arc<Queue>) -> io::Result<SocketAddr> {
    serve::part(town, Part::Mail, move |guest| serve(guest, Arc::clone(&queue))).await
}

/// What is known of the mail to come.
#[derive(Default)]
struct Envelope {
    from: String,
    recipients: Vec<String>,
}

async fn serve(mut guest: Conversation, queue: Arc<Queue>) -> io::Result<()> {
    guest.while_silent().await?;
    guest.say(&format!("220 mail.{DOMAIN} ESMTP\r\n")).await?;
    let mut envelope = Envelope::default();
    let mut name = String::new();
    while let Some(line) = guest.hear().await? {
        guest.while_silent().await?;
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                name = shown_name(rest);
                format!(
                    "250-mail.{DOMAIN}\r\n250-SIZE {MAIL_BYTES_MAX}\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n\
                     250 ENHANCEDSTATUSCODES\r\n"
                )
            }
            "HELO" => {
                name = shown_name(rest);
                format!("250 mail.{DOMAIN}\r\n")
            }
            "AUTH" => log_in(&mut guest, rest).await?.to_owned(),
            "MAIL" => {
                envelope = Envelope { from: address(rest).unwrap_or_default(), recipients: Vec::new() };
                "250 2.1.0 Ok\r\n".to_owned()
            }
            "RCPT" => recipient(&mut envelope, address(rest), guest.fault()).to_owned(),
            "DATA" if envelope.recipients.is_empty() => "503 5.5.1 No recipients\r\n".to_owned(),
            "DATA" => {
                guest.say("354 End with <CR><LF>.<CR><LF>\r\n").await?;
                let text = message(&mut guest).await?;
                guest.while_silent().await?;
                take(std::mem::take(&mut envelope), text, &name, guest.fault(), &queue)
            }
            "RSET" => {
                envelope = Envelope::default();
                "250 2.0.0 Ok\r\n".to_owned()
            }
            "NOOP" => "250 2.0.0 Ok\r\n".to_owned(),
            "QUIT" => return guest.say("221 2.0.0 Bye\r\n").await,
            _ => "500 5.5.2 What?\r\n".to_owned(),
        };
        guest.say(&answer).await?;
    }
    Ok(())
}

/// A guest's name as it may stand in a mail.
fn shown_name(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(ADDRESS_BYTES_MAX).collect()
}

/// What stands between angle brackets, if it is an address.
fn address(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<');
    (is_plain && address.len() <= ADDRESS_BYTES_MAX).then(|| address.to_owned())
}

/// `AUTH PLAIN` (RFC 4954, RFC 4616), with the answer at once or when asked for it.
async fn log_in(guest: &mut Conversation, rest: &str) -> io::Result<&'static str> {
    let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
    if !mechanism.eq_ignore_ascii_case("PLAIN") {
        return Ok("504 5.5.4 Only PLAIN\r\n");
    }
    let mut answer = initial.to_owned();
    if answer.is_empty() {
        guest.say("334 \r\n").await?;
        answer = guest.hear().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    }
    Ok(if is_login(&answer) && guest.fault() != Some(Fault::Locked) {
        "235 2.7.0 Welcome\r\n"
    } else {
        "535 5.7.8 Wrong name or password\r\n"
    })
}

fn recipient(envelope: &mut Envelope, address: Option<String>, fault: Option<Fault>) -> &'static str {
    match (fault, address) {
        (Some(Fault::Refuses), _) => "550 5.1.1 No such mailbox\r\n",
        (Some(Fault::Greylists), _) => "450 4.7.1 Greylisted, please try again later\r\n",
        (_, None) => "501 5.1.3 Not an address\r\n",
        _ if envelope.recipients.len() >= RECIPIENTS_MAX => "452 4.5.3 Too many recipients\r\n",
        (_, Some(address)) if is_of_the_town(&address) => {
            envelope.recipients.push(address);
            "250 2.1.5 Ok\r\n"
        }
        _ => "554 5.7.1 Relaying denied\r\n",
    }
}

fn is_of_the_town(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(DOMAIN))
}

/// Hears a mail up to its end; nothing if it is too large.
async fn message(guest: &mut Conversation) -> io::Result<Option<String>> {
    let mut text = String::new();
    let mut fits = true;
    for _ in 0..LINES_MAX {
        let line = guest.hear().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line == "." {
            return Ok(fits.then_some(text));
        }
        // RFC 5321 section 4.5.2.
        let line = line.strip_prefix('.').unwrap_or(&line);
        fits &= text.len() + line.len() <= MAIL_BYTES_MAX;
        if fits {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    Err(io::Error::other("a mail of too many lines"))
}

fn take(envelope: Envelope, text: Option<String>, name: &str, fault: Option<Fault>, queue: &Queue) -> String {
    let Some(text) = text else { return "552 5.3.4 Too large\r\n".to_owned() };
    if fault == Some(Fault::Rejects) {
        return "554 5.7.1 Message refused\r\n".to_owned();
    }
    let accepted = Instant::now();
    // Word goes only to somebody of the town.
    let from = if is_of_the_town(&envelope.from) { envelope.from } else { String::new() };
    let letter = |to| {
        let mut letter = Letter { from: from.clone(), to, text: text.clone(), accepted };
        letter.stamp(if name.is_empty() { "unknown" } else { name }, "mail", "ESMTP");
        letter
    };
    match queue.accept(envelope.recipients.into_iter().map(letter).collect()) {
        Some(number) => format!("250 2.0.0 Ok: received as {number}\r\n"),
        None => "452 4.3.1 The queue is full\r\n".to_owned(),
    }
}
