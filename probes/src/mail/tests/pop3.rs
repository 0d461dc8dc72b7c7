//! The post office's store over POP3: the inbox as it was when the session began.

use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::post::{Rules, State, Stored, connected};

pub(super) async fn store(stream: TcpStream, rules: &Rules, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"+OK ready\r\n").await?;
    let connection = connected(state);
    let (away, times) = rules.goes_away;
    let held = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let mails: Vec<Stored> = held().mails.iter().filter(|mail| mail.folder == "INBOX").cloned().collect();
    let mut deleted = Vec::new();
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let command = line.trim_end().to_owned();
        line.clear();
        if connection <= times && command.starts_with(away) {
            return Ok(());
        }
        held().heard.push(command.clone());
        let mut words = command.split(' ');
        let head = words.next().unwrap_or_default();
        let number = words.next().and_then(|word| word.parse::<usize>().ok());
        let mail = number.and_then(|number| mails.get(number - 1));
        let answer = match (head, mail) {
            ("CAPA", _) => "+OK\r\nUSER\r\nUIDL\r\n.\r\n".to_owned(),
            ("UIDL", _) => {
                let lines: String = mails
                    .iter()
                    .enumerate()
                    .map(|(index, mail)| format!("{} unique-{}\r\n", index + 1, mail.uid))
                    .collect();
                format!("+OK\r\n{lines}.\r\n")
            }
            ("TOP", _) if rules.capabilities == "no TOP" => "-ERR what?\r\n".to_owned(),
            ("TOP" | "RETR", Some(mail)) => {
                let text = mail.text.replace("\r\n.", "\r\n..");
                let text = text.strip_suffix("\r\n").unwrap_or(&text);
                let lines = if head == "TOP" { 60 } else { usize::MAX };
                let text: Vec<&str> = text.split("\r\n").take(lines).collect();
                format!("+OK\r\n{}\r\n.\r\n", text.join("\r\n"))
            }
            ("LIST", Some(mail)) => format!("+OK {} {}\r\n", number.unwrap_or_default(), mail.text.len()),
            ("DELE", Some(mail)) => {
                deleted.push(mail.uid);
                "+OK\r\n".to_owned()
            }
            ("QUIT", _) => {
                held().mails.retain(|mail| !deleted.contains(&mail.uid));
                "+OK bye\r\n".to_owned()
            }
            ("USER" | "PASS", _) => "+OK\r\n".to_owned(),
            _ => "-ERR no\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
