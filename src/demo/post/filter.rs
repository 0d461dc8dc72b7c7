//! What becomes of a mail before it is delivered.

use crate::demo::post::letter::Letter;
use crate::demo::post::mailboxes::Folder;
use crate::demo::town::Fault;

/// What is written below a mail.
const FOOTER: &str = "--\r\nThis mail came through the town's filter.\r\n";
/// The header with the token by which the watch knows its own mail.
const TOKEN_HEADER: &str = "\r\nX-Tuermer-Token: ";

/// The mails that are made of one, and where each belongs.
pub(super) fn sort(mut letter: Letter, fault: Option<Fault>) -> Vec<(Folder, Letter)> {
    let folder = Folder::of(&letter.to);
    let opinion = match fault {
        Some(Fault::Junks) => "X-Spam-Flag: YES\r\nX-Spam-Score: 12.5\r\n",
        _ => "X-Spam-Flag: NO\r\nX-Spam-Score: -1.0\r\n",
    };
    letter.text.insert_str(0, opinion);
    match fault {
        Some(Fault::Junks) => vec![(Folder::Junk, letter)],
        Some(Fault::Alters) => {
            letter.text.push_str(FOOTER);
            vec![(folder, letter)]
        }
        Some(Fault::Doubles) => vec![(folder, letter.clone()), (folder, letter)],
        Some(Fault::Forges) => match forged(&letter) {
            Some(forged) => vec![(folder, forged), (folder, letter)],
            None => vec![(folder, letter)],
        },
        _ => vec![(folder, letter)],
    }
}

/// A copy with a token that nobody sealed: its last character is another.
fn forged(letter: &Letter) -> Option<Letter> {
    let (_, rest) = letter.text.split_once(TOKEN_HEADER)?;
    let (token, _) = rest.split_once("\r\n")?;
    let last = token.chars().next_back()?;
    let begin = token.strip_suffix(last)?;
    let other = format!("{begin}{}", if last == '0' { '1' } else { '0' });
    Some(Letter { text: letter.text.replace(token, &other), ..letter.clone() })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn sorted(fault: Option<Fault>) -> Vec<(Folder, String)> {
        let text = "Subject: t1ab\r\nX-Tuermer-Token: t1ab\r\n\r\nbody\r\n".to_owned();
        let letter = Letter { from: "watch@x".to_owned(), to: "clerk@x".to_owned(), text, accepted: Instant::now() };
        let cut = |text: String| text.split_once("Score: ").map(|(_, rest)| rest.to_owned()).expect("an opinion");
        sort(letter, fault).into_iter().map(|(folder, letter)| (folder, cut(letter.text))).collect()
    }

    #[test]
    fn a_mail_becomes_what_the_fault_makes_of_it() {
        let plain = "-1.0\r\nSubject: t1ab\r\nX-Tuermer-Token: t1ab\r\n\r\nbody\r\n".to_owned();
        assert_eq!(sorted(None), [(Folder::Inbox, plain.clone())]);
        assert_eq!(sorted(Some(Fault::Junks)), [(Folder::Junk, plain.replace("-1.0", "12.5"))]);
        assert_eq!(sorted(Some(Fault::Alters)), [(Folder::Inbox, format!("{plain}{FOOTER}"))]);
        assert_eq!(sorted(Some(Fault::Doubles)), [(Folder::Inbox, plain.clone()), (Folder::Inbox, plain.clone())]);
        let forged = plain.replace("t1ab", "t1a0");
        assert_eq!(sorted(Some(Fault::Forges)), [(Folder::Inbox, forged), (Folder::Inbox, plain)]);
    }
}
