//! A post office for tests: a server that takes mail and a store that shows it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A mail in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) folder: &'static str,
    pub(super) uid: u32,
    pub(super) text: String,
    pub(super) age: Duration,
    deleted: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) mails: Vec<Stored>,
    uids: u32,
    /// Commands that the store heard.
    pub(super) heard: Vec<String>,
    /// How many connections the store had.
    pub(super) connections: u32,
}

/// What becomes of a mail: folder, text and after which time it is there.
type Route = dyn Fn(&str) -> Vec<(&'static str, String, Duration)> + Send + Sync;

/// What a client gets that sent a mail with its final dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterDot {
    Reply,
    Close,
    Reset,
    Silence,
}

/// How the office works.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) route: Arc<Route>,
    /// The reply to the mail itself.
    pub(super) reply: &'static str,
    pub(super) after_dot: AfterDot,
    pub(super) capabilities: &'static str,
    /// Whether news are told to whoever waits for them.
    pub(super) tells_news: bool,
    /// At which command the store takes leave of its first so many visitors.
    pub(super) goes_away: (&'static str, u32),
    /// Whether names of mails count for one connection only.
    pub(super) forgets_names: bool,
}

impl Rules {
    /// Every mail goes to the inbox at once, as this makes of it.
    pub(super) fn inbox(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::routed(move |text| vec![("INBOX", change(text), Duration::ZERO)])
    }

    pub(super) fn routed(
        route: impl Fn(&str) -> Vec<(&'static str, String, Duration)> + Send + Sync + 'static,
    ) -> Self {
        Self {
            route: Arc::new(route),
            reply: "250 2.0.0 taken",
            after_dot: AfterDot::Reply,
            capabilities: "IMAP4rev1 SASL-IR AUTH=PLAIN UIDPLUS SPECIAL-USE IDLE",
            tells_news: true,
            goes_away: ("", 0),
            forgets_names: false,
        }
    }
}

/// The office. Gone when dropped.
pub(super) struct Post {
    pub(super) smtp: SocketAddr,
    pub(super) imap: SocketAddr,
    pub(super) pop3: SocketAddr,
    state: Arc<Mutex<State>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Post {
    pub(super) async fn open(rules: Rules) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let mut tasks = Vec::new();
        let mut addresses = Vec::new();
        for door in ["smtp", "imap", "pop3"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
            addresses.push(listener.local_addr().expect("an address"));
            let (rules, state) = (rules.clone(), Arc::clone(&state));
            tasks.push(tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (rules, state) = (rules.clone(), Arc::clone(&state));
                    tokio::spawn(async move {
                        // The probe sees how a dialogue ends.
                        let _ = match door {
                            "smtp" => take(stream, &rules, &state).await,
                            "imap" => store(stream, &rules, &state).await,
                            _ => super::pop3::store(stream, &rules, &state).await,
                        };
                    });
                }
            }));
        }
        Self { smtp: addresses[0], imap: addresses[1], pop3: addresses[2], state, tasks }
    }

    /// Puts a mail into a folder, as if it had lain there for some time.
    pub(super) fn put(&self, folder: &'static str, text: String, age: Duration) {
        put(&self.state, folder, text, age);
    }

    /// What lies there.
    pub(super) fn mails(&self) -> Vec<Stored> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).mails.clone()
    }

    /// The store's commands of this name.
    pub(super) fn heard(&self, command: &str) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.heard.iter().filter(|line| line.contains(command)).count()
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Counts a connection.
pub(super) fn connected(state: &Mutex<State>) -> u32 {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.connections += 1;
    state.connections
}

fn put(state: &Mutex<State>, folder: &'static str, text: String, age: Duration) {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.uids += 1;
    let uid = state.uids;
    state.mails.push(Stored { folder, uid, text, age, deleted: false });
}

/// Takes mail.
async fn take(stream: TcpStream, rules: &Rules, state: &Arc<Mutex<State>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 post\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let command = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply = match command.as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                loop {
                    line.clear();
                    stream.read_line(&mut line).await?;
                    if line == ".\r\n" {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                if rules.reply.starts_with('2') {
                    for (folder, text, after) in (rules.route)(&text) {
                        if after.is_zero() {
                            put(state, folder, text, Duration::ZERO);
                        } else {
                            let state = Arc::clone(state);
                            tokio::spawn(async move {
                                tokio::time::sleep(after).await;
                                put(&state, folder, text, Duration::ZERO);
                            });
                        }
                    }
                }
                match rules.after_dot {
                    AfterDot::Reply => rules.reply,
                    AfterDot::Close => return Ok(()),
                    AfterDot::Reset => {
                        return socket2::SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO));
                    }
                    AfterDot::Silence => {
                        while stream.read_line(&mut line).await? > 0 {}
                        return Ok(());
                    }
                }
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

/// Shows what lies there.
async fn store(stream: TcpStream, rules: &Rules, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"* OK ready\r\n").await?;
    let connection = connected(state);
    let (away, times) = rules.goes_away;
    let era = if rules.forgets_names { connection } else { 1 };
    let mut folder = String::new();
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let text = line.trim_end().to_owned();
        line.clear();
        let (tag, command) = text.split_once(' ').unwrap_or((&text, ""));
        if connection <= times && command.starts_with(away) {
            return stream.write_all(b"* BYE down\r\n").await;
        }
        if command == "IDLE" {
            idle(&mut stream, rules, state, &folder).await?;
            stream.write_all(format!("{tag} OK done\r\n").as_bytes()).await?;
            continue;
        }
        let answer = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.heard.push(command.to_owned());
            answer(&mut state, rules, &mut folder, command, era)
        };
        let (data, end) = answer.unwrap_or_else(|no| (String::new(), no));
        stream.write_all(format!("{data}{tag} {end}\r\n").as_bytes()).await?;
    }
    Ok(())
}

async fn idle(
    stream: &mut BufReader<TcpStream>,
    rules: &Rules,
    state: &Mutex<State>,
    folder: &str,
) -> std::io::Result<()> {
    let count = || {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.mails.iter().filter(|mail| mail.folder == folder).count()
    };
    let before = count();
    let mut told = false;
    stream.write_all(b"+ idling\r\n").await?;
    let mut line = String::new();
    loop {
        tokio::select! {
            read = stream.read_line(&mut line) => {
                read?;
                return Ok(());
            }
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
        if rules.tells_news && !told && count() > before {
            told = true;
            stream.write_all(format!("* {} EXISTS\r\n", count()).as_bytes()).await?;
        }
    }
}

/// Data and the end of the answer, or a refusal.
fn answer(
    state: &mut State,
    rules: &Rules,
    folder: &mut String,
    command: &str,
    era: u32,
) -> Result<(String, String), String> {
    let mut words = command.split(' ');
    let head = match words.next().unwrap_or_default() {
        "UID" => format!("UID {}", words.next().unwrap_or_default()),
        word => word.to_owned(),
    };
    let done = |data: String| Ok((data, "OK done".to_owned()));
    match head.as_str() {
        "CAPABILITY" => done(format!("* CAPABILITY {}\r\n", rules.capabilities)),
        "LIST" if rules.capabilities.contains("SPECIAL-USE") => {
            done("* LIST (\\HasNoChildren \\Junk) \"/\" \"Unwanted\"\r\n".to_owned())
        }
        "LIST" => done("* LIST () \"/\" INBOX\r\n* LIST () \"/\" Spam\r\n".to_owned()),
        "SELECT" => {
            *folder = command.trim_start_matches("SELECT ").trim_matches('"').to_owned();
            if ["INBOX", "Unwanted", "Spam", "Filed"].contains(&folder.as_str()) {
                done(format!("* 1 EXISTS\r\n* OK [UIDVALIDITY {era}] names count\r\n"))
            } else {
                Err("NO no such folder".to_owned())
            }
        }
        "UID SEARCH" => {
            let prefix = command.split(' ').skip_while(|word| *word != "X-Tuermer-Token").nth(1).unwrap_or_default();
            let in_body = command.split_once(" BODY ").map(|(_, prefix)| prefix);
            let fits = |mail: &&Stored| {
                let headers = mail.text.split("\r\n\r\n").next().unwrap_or_default();
                let is_like = match in_body {
                    Some(prefix) => mail.text[headers.len()..].contains(prefix),
                    None => headers.contains(prefix) || headers.contains("delivery-status"),
                };
                mail.folder == folder && !mail.deleted && is_like
            };
            let found: Vec<String> =
                state.mails.iter().filter(fits).map(|mail| (mail.uid + 100 * era).to_string()).collect();
            done(format!("* SEARCH {}\r\n", found.join(" ")))
        }
        "UID FETCH" => {
            let uid: u32 = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
            let Some(mail) = state.mails.iter().find(|mail| mail.uid + 100 * era == uid && mail.folder == folder)
            else {
                return done(String::new());
            };
            let head = mail.text.find("\r\n\r\n").map_or(mail.text.len(), |at| at + 4);
            let (section, text) =
                if command.contains("[HEADER]") { ("HEADER", &mail.text[..head]) } else { ("", &mail.text[..]) };
            let date = httpdate::fmt_http_date(SystemTime::now() - mail.age);
            let date: Vec<&str> = date.split(' ').collect();
            let date = format!("{}-{}-{} {} +0000", date[1], date[2], date[3], date[4]);
            let length = text.len();
            done(format!(
                "* 7 FETCH (FLAGS (\\Recent) UID {uid} INTERNALDATE \"{date}\" BODY[{section}]<0> {{{length}}}\r\n{text})\r\n"
            ))
        }
        "UID STORE" | "UID EXPUNGE" => {
            let uids: Vec<u32> =
                words.next().unwrap_or_default().split(',').filter_map(|uid| uid.parse().ok()).collect();
            state
                .mails
                .iter_mut()
                .filter(|mail| uids.contains(&(mail.uid + 100 * era)))
                .for_each(|mail| mail.deleted = true);
            if head == "UID EXPUNGE" {
                state.mails.retain(|mail| !mail.deleted);
            }
            done(String::new())
        }
        "LOGOUT" => done("* BYE see you\r\n".to_owned()),
        _ => done(String::new()),
    }
}
