//! The same mails, looked for in every place.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::post::{Post, Rules};
use super::{AMPLE, HOUR, KEY, SHORT, labelled, message, notice, read, step, token_of};
use crate::mail::settings::tests::written;
use crate::net::Net;
use crate::report::{Report, Verdict};
use crate::testkit::{
    Letters, Peer, ask_in, assert_laps_cover_the_run, close, gist, hear, net, reset, say, wait_for_ever,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Imap,
    Pop3,
    Maildir,
    Receiver,
}

const ALL: [Sort; 4] = [Sort::Imap, Sort::Pop3, Sort::Maildir, Sort::Receiver];

/// A place, and a server that puts into it what becomes of a mail.
struct Scene {
    sort: Sort,
    post: Post,
    folder: Arc<TempDir>,
    letters: Arc<Letters>,
    net: Net,
}

/// Writes a file as if it had lain there for some time.
fn write(folder: &TempDir, part: &str, name: &str, text: &str, age: Duration) {
    let path = folder.path().join(part).join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, text).expect("written");
    File::options().write(true).open(&path).expect("a file").set_modified(SystemTime::now() - age).expect("a time");
}

impl Scene {
    async fn open(sort: Sort, becomes: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self::with(sort, |rules| rules, becomes).await
    }

    async fn with(
        sort: Sort,
        change: impl Fn(Rules) -> Rules,
        becomes: impl Fn(&str) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        for part in ["new", "cur"] {
            fs::create_dir(folder.path().join(part)).expect("a folder");
        }
        let letters = Letters::for_address("box@town.example");
        let (place, inbox) = (Arc::clone(&folder), Arc::clone(&letters));
        let rules = Rules::routed(move |text| {
            let mails = becomes(text);
            match sort {
                Sort::Imap | Sort::Pop3 => {
                    return mails.into_iter().map(|text| ("INBOX", text, Duration::ZERO)).collect();
                }
                Sort::Maildir => {
                    for (index, text) in mails.iter().enumerate() {
                        write(&place, "new", &format!("1700000000.{index}.host"), text, Duration::ZERO);
                    }
                }
                Sort::Receiver => mails.iter().for_each(|text| inbox.arrive("watch@town.example", text)),
            }
            Vec::new()
        });
        let post = Post::open(change(rules)).await;
        let net = net().with_inbox(Arc::clone(&letters) as Arc<dyn crate::inbox::Inbox>);
        Self { sort, post, folder, letters, net }
    }

    fn fetch(&self) -> Value {
        let store = |protocol: &str, host: String| {
            json!({"protocol": protocol, "host": host, "encryption": "none", "username": "box", "password": "pencil",
                "allow_cleartext_login": true})
        };
        match self.sort {
            Sort::Imap => store("imap", self.post.imap.to_string()),
            Sort::Pop3 => store("pop3", self.post.pop3.to_string()),
            Sort::Maildir => json!({"protocol": "maildir", "path": self.folder.path(), "folders": ["Filed"]}),
            Sort::Receiver => json!({"protocol": "receiver"}),
        }
    }

    fn settings(&self) -> Value {
        written(json!({"token_key": KEY, "fetch": self.fetch()}))
    }

    async fn sent_with(&self, more: Value, timeout: Duration) -> Report {
        let mut settings = self.settings();
        settings.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        let report = ask_in(&self.net, "mail", settings, &self.post.smtp.to_string(), timeout).await;
        assert_laps_cover_the_run(&report);
        report
    }

    async fn sent(&self, timeout: Duration) -> Report {
        self.sent_with(json!({}), timeout).await
    }

    /// Puts a mail there, as if it had lain there for some time.
    fn put(&self, name: &str, text: &str, age: Duration) {
        match self.sort {
            Sort::Imap | Sort::Pop3 => self.post.put("INBOX", text.to_owned(), age),
            Sort::Maildir => write(&self.folder, "cur", &format!("1600000000.{name}.host:2,S"), text, age),
            Sort::Receiver => self.letters.arrived_before(age, "", text),
        }
    }

    /// A mail of the check that another run sent.
    fn earlier(&self, key: &str, age: Duration) -> String {
        let sent = SystemTime::now() - age;
        let token = token_of(self.settings(), &self.post, key, sent);
        let date = httpdate::fmt_http_date(sent).replace("GMT", "+0000");
        format!("Received: by mx; {date}\r\nX-Tuermer-Token: {token}\r\n\r\nbody\r\n")
    }

    /// How many mails lie there.
    fn mails(&self) -> usize {
        let files = |part: &str| fs::read_dir(self.folder.path().join(part)).map_or(0, Iterator::count);
        let inbox: &dyn crate::inbox::Inbox = &*self.letters;
        match self.sort {
            Sort::Imap | Sort::Pop3 => self.post.mails().len(),
            Sort::Maildir => files("new") + files("cur"),
            Sort::Receiver => inbox.kept("box@town.example", 0).expect("a known address").messages.len(),
        }
    }
}

#[tokio::test]
async fn a_mail_arrives_in_every_place_and_is_deleted() {
    for sort in ALL {
        let scene = Scene::open(sort, |text| vec![text.to_owned()]).await;
        let report = scene.sent_with(json!({"padding_bytes": 5000, "fail_if_altered": true}), AMPLE).await;
        assert_eq!(gist(&report), "up", "{sort:?}: {}", message(&report));
        for (name, value) in [("arrived", 1.0), ("junk", 0.0), ("body_intact", 1.0), ("deleted_total", 1.0)] {
            assert_eq!(read(&report, name), Some(value), "{sort:?} {name}");
        }
        assert_eq!(labelled(&report, "folder_info", "inbox"), Some(1.0));
        assert_eq!(scene.mails(), 0, "{sort:?}");
    }
}

#[tokio::test]
async fn a_mail_that_arrives_nowhere_is_missing() {
    for sort in ALL {
        let scene = Scene::open(sort, |_| Vec::new()).await;
        let report = scene.sent(SHORT).await;
        assert_eq!((gist(&report).as_str(), step(&report)), ("mail_missing in transit", "fetch"), "{sort:?}");
        assert_eq!((report.verdict(), read(&report, "arrived")), (Verdict::Down, Some(0.0)));
        assert!(report.duration < SHORT, "{:?}", report.duration);
    }
}

#[tokio::test]
async fn late_forged_and_foreign_mails_are_told_apart_in_every_place() {
    for sort in ALL {
        let scene = Scene::open(sort, |text| vec![text.to_owned(), text.to_owned()]).await;
        scene.put("a", &scene.earlier(KEY, HOUR), HOUR);
        scene.put("b", &scene.earlier(KEY, Duration::ZERO), Duration::ZERO);
        scene.put("c", &scene.earlier("another key", Duration::ZERO), Duration::ZERO);
        scene.put("d", &scene.earlier("another key", 2 * HOUR), 2 * HOUR);
        scene.put("e", "Subject: somebody else's\r\n\r\nx\r\n", 2 * HOUR);
        scene.put("f", &notice(&scene.earlier(KEY, HOUR), "failed"), HOUR);
        let report = scene.sent_with(json!({"sweep_after": "90m"}), AMPLE).await;
        assert_eq!(gist(&report), "up", "{sort:?}: {}", message(&report));
        for (name, value) in
            [("late_total", 1.0), ("forged_total", 2.0), ("duplicate_total", 1.0), ("deleted_total", 5.0)]
        {
            assert_eq!(read(&report, name), Some(value), "{sort:?} {name}");
        }
        assert_eq!(labelled(&report, "bounced_total", "5"), Some(1.0), "{sort:?}");
        assert_eq!(scene.mails(), 3, "the young one, the young forged one and somebody else's: {sort:?}");
    }
}

#[tokio::test]
async fn a_notice_of_non_delivery_ends_the_wait_in_every_place() {
    for sort in ALL {
        let scene = Scene::open(sort, |text| vec![notice(text, "failed")]).await;
        let report = scene.sent(AMPLE).await;
        assert_eq!(gist(&report).split(' ').next(), Some("bounced"), "{sort:?}: {}", message(&report));
        assert_eq!((read(&report, "returned"), read(&report, "arrived")), (Some(1.0), Some(0.0)));
        assert_eq!(scene.mails(), 0, "{sort:?}");
    }
}

#[tokio::test]
async fn a_mail_whose_headers_were_all_written_anew_is_found_in_every_place() {
    for sort in ALL {
        let scene = Scene::open(sort, |text| {
            let (_, body) = text.split_once("\r\n\r\n").expect("a body");
            vec![format!("From: gateway@x.example\r\nMessage-ID: <1@x.example>\r\n\r\n{body}")]
        })
        .await;
        let report = scene.sent(AMPLE).await;
        assert_eq!(gist(&report), "up", "{sort:?}: {}", message(&report));
        assert_eq!(labelled(&report, "token_present", "header"), Some(0.0), "{sort:?}");
        assert_eq!(labelled(&report, "token_present", "body"), Some(1.0), "{sort:?}");
        assert_eq!(scene.mails(), 0, "{sort:?}");
    }
}

#[tokio::test]
async fn a_store_that_goes_away_for_a_moment_is_visited_again() {
    for (sort, command) in [
        (Sort::Imap, "UID SEARCH"),
        (Sort::Imap, "IDLE"),
        (Sort::Imap, "UID STORE"),
        (Sort::Pop3, "UIDL"),
        (Sort::Pop3, "DELE"),
    ] {
        // Over POP3 the second look is a visit of its own.
        let times = if command == "DELE" { 2 } else { 1 };
        let rules = |rules| Rules { goes_away: (command, times), ..rules };
        let scene = Scene::with(sort, rules, |text| vec![text.to_owned()]).await;
        // Otherwise there would be nothing to wait for.
        let is_late = command == "IDLE";
        let report = match is_late {
            true => {
                let post = Post::open(Rules {
                    goes_away: (command, 2),
                    ..Rules::routed(|text| vec![("INBOX", text.to_owned(), Duration::from_millis(600))])
                })
                .await;
                Scene { post, ..scene }.sent(AMPLE).await
            }
            false => scene.sent(AMPLE).await,
        };
        assert_eq!(gist(&report), "up", "{sort:?} {command}: {}", message(&report));
        assert_eq!(read(&report, "arrived"), Some(1.0));
        assert_eq!(read(&report, "deleted_total"), Some(1.0), "{sort:?} {command}");
        let tried_again = report.notes.iter().any(|(_, _, text)| text.starts_with("to be tried again"));
        assert!(tried_again, "{sort:?} {command}");
    }
}

#[tokio::test]
async fn names_that_count_no_more_delete_nothing_and_count_nothing_twice() {
    let rules = Rules {
        goes_away: ("IDLE", 1),
        forgets_names: true,
        ..Rules::routed(|text| vec![("INBOX", text.to_owned(), Duration::from_millis(600))])
    };
    let scene = Scene::open(Sort::Imap, |_| Vec::new()).await;
    let scene = Scene { post: Post::open(rules).await, ..scene };
    scene.put("", &scene.earlier(KEY, HOUR), HOUR);
    scene.put("", &scene.earlier("another key", Duration::ZERO), Duration::ZERO);
    scene.put("", "Subject: somebody else's\r\n\r\nx\r\n", HOUR);
    let report = scene.sent(AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    for (name, value) in [("late_total", 1.0), ("forged_total", 1.0), ("duplicate_total", 0.0), ("deleted_total", 2.0)]
    {
        assert_eq!(read(&report, name), Some(value), "{name}");
    }
    assert_eq!(scene.mails(), 2);
}

/// A store over POP3 that says so much, and then acts.
fn pop3_until(last: usize, act: crate::testkit::Act) -> Vec<crate::testkit::Act> {
    let stages = [
        ("CAPA\r\n", "+OK\r\nUSER\r\n.\r\n"),
        ("USER box\r\n", "+OK\r\n"),
        ("PASS pencil\r\n", "+OK\r\n"),
        ("UIDL\r\n", "+OK\r\n1 a\r\n.\r\n"),
    ];
    let mut script = vec![say("+OK ready\r\n")];
    for (heard, said) in &stages[..last] {
        script.extend([hear(*heard), say(*said)]);
    }
    script.push(hear(stages.get(last).map_or("TOP 1", |(heard, _)| heard)));
    script.push(act);
    script
}

#[tokio::test]
async fn a_store_over_pop3_that_cannot_be_looked_into_tells_nothing_about_the_mail() {
    let scene = Scene::open(Sort::Pop3, |text| vec![text.to_owned()]).await;
    for (phase, last, act, timeout) in [
        ("capability", 0, wait_for_ever(), SHORT),
        ("capability", 0, close(), SHORT),
        ("login", 1, wait_for_ever(), SHORT),
        ("login", 2, say("-ERR [AUTH] no\r\n"), AMPLE),
        ("login", 2, say("-ERR [IN-USE] later\r\n"), SHORT),
        ("select", 3, wait_for_ever(), SHORT),
        ("select", 3, say("-ERR what?\r\n"), AMPLE),
        ("select", 3, say("+OK\r\nnonsense\r\n.\r\n"), AMPLE),
        ("select", 3, reset(), SHORT),
        ("transit", 4, wait_for_ever(), SHORT),
        ("transit", 4, say("+OK\r\nSubject: x\r\n"), SHORT),
        ("transit", 4, say("nonsense\r\n"), AMPLE),
    ] {
        let store = Peer::play(pop3_until(last, act)).await;
        let mut fetch = scene.fetch();
        fetch["host"] = json!(store.address().to_string());
        let report = scene.sent_with(json!({"fetch": fetch}), timeout).await;
        assert_eq!(gist(&report), format!("mail_unseen in {phase}"), "{last}: {}", message(&report));
        assert_eq!(report.verdict(), Verdict::Unknown);
        assert_eq!((read(&report, "submitted"), read(&report, "arrived")), (Some(1.0), None));
        assert!(report.duration < timeout, "{:?}", report.duration);
    }
}

#[tokio::test]
async fn a_store_over_pop3_without_top_shows_whole_mails() {
    let scene =
        Scene::with(Sort::Pop3, |rules| Rules { capabilities: "no TOP", ..rules }, |text| vec![text.to_owned()]).await;
    scene.put("", "Subject: somebody else's\r\n\r\n.\r\n..x\r\n", HOUR);
    let report = scene.sent(AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(scene.mails(), 1);
}

#[tokio::test]
async fn a_mail_comes_later_over_pop3() {
    let scene = Scene::open(Sort::Pop3, |_| Vec::new()).await;
    let rules = Rules::routed(|text| vec![("INBOX", text.to_owned(), Duration::from_millis(700))]);
    let scene = Scene { post: Post::open(rules).await, ..scene };
    let report = scene.sent(AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert!(read(&report, "last_delivery_seconds").is_some_and(|seconds| seconds > 0.5));
    assert_eq!(scene.mails(), 0);
}

#[tokio::test]
async fn a_mail_is_found_wherever_a_maildir_keeps_it() {
    for (place, expected, folder) in [
        ("cur", "up", "inbox"),
        (".Junk/new", "mail_junked", "junk"),
        (".Spam/cur", "mail_junked", "junk"),
        (".Filed/new", "up", "other"),
    ] {
        let scene = Scene::open(Sort::Maildir, |_| Vec::new()).await;
        let target = Arc::clone(&scene.folder);
        let rules = Rules::routed(move |text| {
            write(&target, place, "1700000000.M1.host:2,", text, Duration::ZERO);
            Vec::new()
        });
        let scene = Scene { post: Post::open(rules).await, ..scene };
        let report = scene.sent(AMPLE).await;
        assert_eq!(gist(&report).split(' ').next(), Some(expected), "{place}: {}", message(&report));
        assert_eq!(labelled(&report, "folder_info", folder), Some(1.0), "{place}");
        assert!(!scene.folder.path().join(place).join("1700000000.M1.host:2,").exists(), "{place}");
    }
}

#[tokio::test]
async fn a_maildir_that_is_not_there_or_is_a_link_tells_nothing_about_the_mail() {
    let scene = Scene::open(Sort::Maildir, |text| vec![text.to_owned()]).await;
    let fetch = json!({"protocol": "maildir", "path": "/nonexistent/mail"});
    let report = scene.sent_with(json!({"fetch": fetch}), SHORT).await;
    assert_eq!(gist(&report), "mail_unseen in select", "{}", message(&report));
    assert_eq!((report.verdict(), read(&report, "arrived")), (Verdict::Unknown, None));
    // One that is made by the first delivery is found.
    let scene = Scene::open(Sort::Maildir, |_| Vec::new()).await;
    let target = Arc::clone(&scene.folder);
    let rules = Rules::routed(move |text| {
        let (target, text) = (Arc::clone(&target), text.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            write(&target, "later/cur", "x", "", Duration::ZERO);
            write(&target, "later/new", "1700000000.M1.host", &text, Duration::ZERO);
        });
        Vec::new()
    });
    let scene = Scene { post: Post::open(rules).await, ..scene };
    let fetch = json!({"protocol": "maildir", "path": scene.folder.path().join("later")});
    let report = scene.sent_with(json!({"fetch": fetch}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
}

#[tokio::test]
async fn links_in_a_maildir_are_no_mails() {
    let scene = Scene::open(Sort::Maildir, |_| Vec::new()).await;
    let target = Arc::clone(&scene.folder);
    let rules = Rules::routed(move |text| {
        write(&target, "elsewhere", "mail", text, Duration::ZERO);
        symlink(target.path().join("elsewhere/mail"), target.path().join("new/1700000000.M1.host")).expect("a link");
        Vec::new()
    });
    let scene = Scene { post: Post::open(rules).await, ..scene };
    let report = scene.sent(SHORT).await;
    assert_eq!(gist(&report), "mail_missing in transit", "{}", message(&report));
    assert!(scene.folder.path().join("elsewhere/mail").exists() && scene.mails() == 1);
}

#[tokio::test]
async fn the_receiver_knows_when_a_mail_came() {
    let scene = Scene::open(Sort::Receiver, |_| Vec::new()).await;
    let letters = Arc::clone(&scene.letters);
    let rules = Rules::routed(move |text| {
        let (letters, text) = (Arc::clone(&letters), text.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            letters.arrive("watch@town.example", &text);
        });
        Vec::new()
    });
    let scene = Scene { post: Post::open(rules).await, ..scene };
    let report = scene.sent(AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert!(read(&report, "last_delivery_seconds").is_some_and(|seconds| seconds > 0.3));
    assert!(read(&report, "detection_lag_seconds").is_some_and(|seconds| seconds < 1.0));
}

#[tokio::test]
async fn a_receiver_that_takes_no_mail_for_the_address_sends_none() {
    let scene = Scene::open(Sort::Receiver, |text| vec![text.to_owned()]).await;
    let report = scene.sent_with(json!({"to": "other@town.example"}), AMPLE).await;
    assert_eq!(gist(&report), "inbox_unusable in no phase");
    assert_eq!((report.verdict(), read(&report, "submitted")), (Verdict::Unknown, Some(0.0)));
    let scene = Scene { net: net(), ..scene };
    let report = scene.sent(AMPLE).await;
    assert_eq!((gist(&report).as_str(), scene.mails()), ("inbox_unusable in no phase", 0));
}

#[tokio::test]
async fn a_mail_that_had_to_make_room_may_have_arrived() {
    let scene = Scene::open(Sort::Receiver, |_| Vec::new()).await;
    let letters = Arc::clone(&scene.letters);
    let rules = Rules::routed(move |_| {
        letters.forgotten(Duration::ZERO);
        Vec::new()
    });
    let scene = Scene { post: Post::open(rules).await, ..scene };
    let report = scene.sent(SHORT).await;
    assert_eq!(gist(&report), "mail_unseen in transit", "{}", message(&report));
    assert_eq!((report.verdict(), read(&report, "arrived")), (Verdict::Unknown, None));
}
