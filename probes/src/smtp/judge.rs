//! What a reply to a command means.

use crate::failure::{Failure, Reason};
use crate::smtp::wire::Reply;

/// What a server answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Nothing yet: the connection was opened.
    Greeting,
    Ehlo,
    Helo,
    /// The greeting of LMTP (RFC 2033 section 4.1).
    Lhlo,
    Starttls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The message itself, up to the dot.
    Message,
    Rset,
    Quit,
}

impl Command {
    /// The command as a label value.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Ehlo => "ehlo",
            Self::Helo => "helo",
            Self::Lhlo => "lhlo",
            Self::Starttls => "starttls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Message => "message",
            Self::Rset => "rset",
            Self::Quit => "quit",
        }
    }

    /// Whether the reply says that the server did it (RFC 5321 section 4.3.2, RFC 3207 section 4). Where senders go by
    /// the first digit alone, so does this.
    const fn is_done(self, reply: &Reply) -> bool {
        match self {
            Self::Greeting | Self::Starttls => reply.code == 220,
            Self::Auth => reply.code == 235,
            Self::Data => reply.code == 354,
            _ => reply.is_positive(),
        }
    }
}

/// The failure that a reply means, if it is not the one hoped for. `line` is what was sent, empty for the greeting.
pub(crate) fn judge(command: Command, line: &str, reply: &Reply) -> Result<(), Failure> {
    if command.is_done(reply) {
        return Ok(());
    }
    let reason = match reply.code / 100 {
        4 => temporary(command, reply),
        5 => permanent(command, reply),
        _ => Reason::ProtocolError,
    };
    Err(match command {
        Command::Greeting => Failure::new(reason, format_args!("the server greets with {reply}")),
        _ => Failure::new(reason, format_args!("the answer to {line} is {reply}")),
    })
}

fn temporary(command: Command, reply: &Reply) -> Reason {
    let names_a_sender = matches!(command, Command::Mail | Command::Rcpt);
    // 421 announces that the server closes (RFC 5321 section 3.8).
    if names_a_sender && reply.code != 421 && is_greylisting(reply) {
        Reason::Greylisted
    } else {
        Reason::RejectedTemporarily
    }
}

/// Greylisting (RFC 6647) has no code of its own. Servers that do it say so, or refuse with 450 or 451 and a status that
/// blames neither mailbox nor system, and ask to come again. The status alone does not tell: 4.7.1 is also a missing
/// reverse name, 4.3.0 a broken lookup.
fn is_greylisting(reply: &Reply) -> bool {
    if reply.mentions(&["greylist", "graylist", "grey list", "gray list", "grey-list", "gray-list"]) {
        return true;
    }
    let status = reply.enhanced().map(|status| (status.subject, status.detail));
    matches!(reply.code, 450 | 451)
        && matches!(status, None | Some((7, 0 | 1) | (2, 0)))
        && reply.mentions(&["try again later", "try later", "retry later", "come back later", "try again in "])
}

/// Whether a refusal for now is one for good: Postfix denies relaying so unless told otherwise, so that a mistake in its
/// settings loses no mail (`defer_unauth_destination`): 454 4.7.1 … Relay access denied.
pub(super) fn denies_relaying(reply: &Reply) -> bool {
    reply.code / 100 == 4 && reply.mentions(&["relay access denied", "relaying denied"])
}

fn permanent(command: Command, reply: &Reply) -> Reason {
    let status = reply.enhanced().map(|status| (status.subject, status.detail));
    match (command, status) {
        // The mechanism or the channel, not the credentials (RFC 4954 section 6).
        (Command::Auth, _) if matches!(reply.code, 500..=504 | 534 | 538) => Reason::AuthMissing,
        (Command::Auth, _) => Reason::AuthRefused,
        (Command::Mail, _) => Reason::SenderRefused,
        // A server may judge the sender only when it knows a recipient; the status tells (RFC 3463 section 3.2).
        (Command::Rcpt, Some((1, 7 | 8))) => Reason::SenderRefused,
        (Command::Rcpt, Some((2, 2))) => Reason::MailboxFull,
        (Command::Rcpt, _) => Reason::RecipientRefused,
        _ => Reason::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(command: Command, code: u16, text: &str) -> Option<Reason> {
        let reply = Reply { code, lines: vec![text.as_bytes().into()] };
        judge(command, "X", &reply).err().map(|failure| failure.reason())
    }

    #[test]
    fn the_first_digit_decides_where_senders_go_by_it() {
        for command in [Command::Ehlo, Command::Helo, Command::Mail, Command::Rcpt, Command::Rset, Command::Quit] {
            assert_eq!(verdict(command, 251, "ok"), None);
            assert_eq!(verdict(command, 354, "go on"), Some(Reason::ProtocolError));
        }
        for command in [Command::Greeting, Command::Starttls] {
            assert_eq!(verdict(command, 220, "ok"), None);
            assert_eq!(verdict(command, 250, "ok"), Some(Reason::ProtocolError));
        }
    }

    #[test]
    fn refusals_for_good_say_of_what() {
        let refused = |command| verdict(command, 550, "5.7.1 no");
        assert_eq!(refused(Command::Greeting), Some(Reason::Rejected));
        assert_eq!(refused(Command::Ehlo), Some(Reason::Rejected));
        assert_eq!(refused(Command::Starttls), Some(Reason::Rejected));
        assert_eq!(refused(Command::Mail), Some(Reason::SenderRefused));
        assert_eq!(refused(Command::Rcpt), Some(Reason::RecipientRefused));
        assert_eq!(verdict(Command::Rcpt, 550, "5.1.8 <x@y>: Domain not found"), Some(Reason::SenderRefused));
        let full = "5.2.2 <x@y> Quota exceeded (mailbox for user is full)";
        assert_eq!(verdict(Command::Rcpt, 552, full), Some(Reason::MailboxFull));
    }

    #[test]
    fn relaying_that_is_denied_for_now_is_denied() {
        let denies = |code, text: &str| denies_relaying(&Reply { code, lines: vec![text.as_bytes().into()] });

        assert!(denies(454, "4.7.1 <x@elsewhere.example>: Relay access denied"));
        assert!(!denies(450, "4.2.0 <relay@elsewhere.example>: Recipient address rejected: Greylisted"));
        assert!(!denies(250, "2.1.5 Ok"));
    }

    #[test]
    fn greylisting_is_told_from_other_refusals_for_now() {
        let greylisted = [
            (450, "4.2.0 <a@b>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/b.html"),
            (451, "4.7.1 Greylisting in action, please come back in 00:05:00"),
            (451, "4.7.1 Try again later"),
            (450, "please try again later"),
            (452, "4.2.0 GRAYLISTED"),
        ];
        for (code, text) in greylisted {
            assert_eq!(verdict(Command::Rcpt, code, text), Some(Reason::Greylisted), "{text}");
        }
        let others = [
            (421, "4.7.0 greylisted, closing"),
            (450, "4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]"),
            (450, "4.1.8 <a@b>: Sender address rejected: Domain not found"),
            (451, "4.3.0 Temporary lookup failure, try again later"),
            (452, "4.2.2 mailbox full, try again later"),
            (451, "4.3.2 try again later"),
        ];
        for (code, text) in others {
            assert_eq!(verdict(Command::Rcpt, code, text), Some(Reason::RejectedTemporarily), "{text}");
        }
        assert_eq!(verdict(Command::Ehlo, 451, "4.7.1 greylisted"), Some(Reason::RejectedTemporarily));
    }
}
