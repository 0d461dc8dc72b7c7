use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;
use tuermer_probes::inbox::Inbox as _;

use super::*;
use crate::exposition::Format;
use crate::plan::MailProtocol;

mod encrypted;

const ADDRESS: &str = "a@b.example";
const HELLO: &str = "EHLO me\r\n";
const ENVELOPE: &str = "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n";

/// A receiver without a listener, and a client of it.
struct Scene {
    shared: Arc<Shared>,
    ending: watch::Sender<bool>,
}

impl Scene {
    fn new(change: impl FnOnce(&mut Receive)) -> Self {
        let mut settings = Receive {
            recipients: vec![ADDRESS.into(), "c@b.example".into()],
            hostname: "mx.test".into(),
            ..Receive::default()
        };
        change(&mut settings);
        let settings = Arc::new(settings);
        let shared = Shared {
            settings: Mutex::new(Arc::clone(&settings)),
            post: Arc::default(),
            metrics: Arc::new(AgentMetrics::new()),
            clients: Arc::default(),
            certificates: Certificates::default(),
        };
        shared.post.apply(Some(&settings));
        Self { shared: Arc::new(shared), ending: watch::Sender::new(false) }
    }

    fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let settings = Arc::clone(&self.shared.settings());
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        tokio::spawn(session::serve(near, peer, settings, Arc::clone(&self.shared), self.ending.subscribe()));
        far
    }

    /// What the client hears that says all this at once and then nothing more.
    async fn hear(&self, said: &[u8]) -> String {
        let mut far = self.connect();
        far.write_all(said).await.unwrap();
        far.shutdown().await.unwrap();
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        String::from_utf8(heard).unwrap()
    }

    /// The codes that the client hears that says one thing after the other, each time when it heard the answer.
    async fn codes(&self, said: &[&str]) -> Vec<String> {
        let mut far = self.connect();
        let mut codes = Vec::new();
        let mut reply = reply(&mut far).await;
        for line in said {
            if far.write_all(line.as_bytes()).await.is_err() {
                break;
            }
            reply = self::reply(&mut far).await;
            codes.push(reply.get(..9).unwrap_or(&reply).to_owned());
        }
        drop(reply);
        codes
    }

    fn bodies(&self) -> Vec<String> {
        let kept = self.shared.post.kept(ADDRESS, 0).unwrap();
        kept.messages.iter().map(|message| String::from_utf8_lossy(message.body()).into_owned()).collect()
    }

    fn count(&self, sample: &str) -> Option<f64> {
        let mut out = Vec::new();
        self.shared.metrics.render(Format::Text, &mut out);
        let text = String::from_utf8(out).unwrap();
        text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok())
    }
}

/// One whole reply; empty if the connection ended.
async fn reply(far: &mut DuplexStream) -> String {
    let mut heard = Vec::new();
    let mut byte = [0];
    while far.read(&mut byte).await.unwrap() > 0 {
        heard.push(byte[0]);
        let last = heard.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if byte == [b'\n'] && last.get(3) == Some(&b' ') {
            break;
        }
    }
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn a_message_is_taken() {
    let scene = Scene::new(|_| {});
    let heard = scene.hear(HELLO.as_bytes()).await;
    assert_eq!(
        heard,
        "220 mx.test ESMTP tuermer\r\n250-mx.test\r\n250-SIZE 1048576\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
    );
    let said = [
        HELLO,
        "MAIL FROM:<s@x.example> SIZE=10\r\n",
        "RCPT TO:<A@B.example>\r\n",
        "DATA\r\n",
        "S: x\r\n\r\n..\r\n.\r\n",
        "QUIT\r\n",
    ];
    let codes = scene.codes(&said).await;
    assert_eq!(codes, ["250-mx.te", "250 2.1.0", "250 2.1.5", "354 go ah", "250 2.0.0", "221 2.0.0"]);
    let message = scene.shared.post.kept(ADDRESS, 0).unwrap().messages.remove(0);
    let text = String::from_utf8(message.bytes.to_vec()).unwrap();
    let (trace, rest) = text.split_once(";\r\n\t").unwrap();
    assert_eq!(trace, "Received: from me ([192.0.2.1])\r\n\tby mx.test with ESMTP\r\n\tfor <A@B.example>");
    let (date, rest) = rest.split_once("\r\n").unwrap();
    assert!(date.ends_with(" +0000"), "{date}");
    assert_eq!(rest, "S: x\r\n\r\n.\r\n");
    assert_eq!((&*message.sender, &*message.recipients), ("s@x.example", &["A@B.example".into()][..]));
    assert_eq!((message.client.address, &*message.client.name), ([192, 0, 2, 1].into(), "me"));
    assert_eq!(scene.count("tuermer_receive_messages_total{result=\"accepted\"}"), Some(1.0));
    assert_eq!(scene.count("tuermer_receive_bytes_total"), Some(15.0));
}

#[tokio::test]
async fn commands_may_come_in_a_pipeline() {
    let scene = Scene::new(|_| {});
    let mut far = scene.connect();
    far.write_all(HELLO.as_bytes()).await.unwrap();
    let (greeting, hello) = (reply(&mut far).await, reply(&mut far).await);
    assert_eq!((&greeting[..3], &hello[..3]), ("220", "250"));
    far.write_all(format!("{ENVELOPE}RCPT TO:<no@b.example>\r\nDATA\r\n").as_bytes()).await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(reply(&mut far).await[..3].to_owned());
    }
    assert_eq!(codes, ["250", "250", "550", "354"]);
    far.write_all(format!("one\r\n.\r\n{ENVELOPE}DATA\r\n").as_bytes()).await.unwrap();
    for _ in 0..4 {
        codes.push(reply(&mut far).await[..3].to_owned());
    }
    assert_eq!(codes[4..], ["250", "250", "250", "354"]);
    far.write_all(b"two\r\n.\r\nQUIT\r\n").await.unwrap();
    assert_eq!((&reply(&mut far).await[..3], &reply(&mut far).await[..3]), ("250", "221"));
    assert_eq!(scene.shared.post.kept(ADDRESS, 0).unwrap().messages.len(), 2);
    assert_eq!(scene.count("tuermer_receive_messages_total{result=\"recipient_refused\"}"), Some(1.0));
}

#[tokio::test]
async fn what_comes_out_of_order_is_refused() {
    let scene = Scene::new(|settings| settings.size_max = 100);
    let (mail, rcpt, data) = ("MAIL FROM:<>\r\n", "RCPT TO:<a@b.example>\r\n", "DATA\r\n");
    for (said, codes) in [
        (vec![mail], vec!["503 5.5.1"]),
        (vec![HELLO, rcpt], vec!["250-mx.te", "503 5.5.1"]),
        (vec![HELLO, data], vec!["250-mx.te", "503 5.5.1"]),
        (vec![HELLO, mail, mail, data], vec!["250-mx.te", "250 2.1.0", "503 5.5.1", "503 5.5.1"]),
        (
            vec![HELLO, mail, rcpt, "RSET\r\n", data],
            vec!["250-mx.te", "250 2.1.0", "250 2.1.5", "250 2.0.0", "503 5.5.1"],
        ),
        (vec![HELLO, mail, rcpt, HELLO, rcpt], vec!["250-mx.te", "250 2.1.0", "250 2.1.5", "250-mx.te", "503 5.5.1"]),
        (vec![HELLO, "MAIL FROM:<> SIZE=101\r\n"], vec!["250-mx.te", "552 5.3.4"]),
        (vec![HELLO, mail, "RCPT TO:<a@c.example>\r\n"], vec!["250-mx.te", "250 2.1.0", "550 5.1.1"]),
        (vec!["LHLO me\r\n", "STARTTLS\r\n"], vec!["500 5.5.1", "503 5.5.1"]),
        (vec!["VRFY a\r\n", "HELP\r\n", "NOOP\r\n"], vec!["252 2.5.2", "214 2.0.0", "250 2.0.0"]),
        (vec!["NOOP\n"], vec!["500 5.5.2"]),
        (vec!["POST / HTTP/1.1\r\n", "x"], vec!["421 4.7.0", ""]),
    ] {
        assert_eq!(scene.codes(&said).await, codes, "{said:?}");
    }
    assert!(scene.bodies().is_empty());
}

#[tokio::test]
async fn smuggled_messages_are_not_taken() {
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r"] {
        let scene = Scene::new(|_| {});
        let data = format!(
            "S: x\r\n\r\none{end}MAIL FROM:<evil@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nS: y\r\n\r\n.\r\n"
        );
        let codes = scene.codes(&[HELLO, ENVELOPE, "", "DATA\r\n", &data, "NOOP\r\n"]).await;
        assert_eq!(codes[4..], ["554 5.6.0", "250 2.0.0"], "{end:?}");
        assert!(scene.bodies().is_empty());
        assert_eq!(scene.count("tuermer_receive_messages_total{result=\"malformed\"}"), Some(1.0));
    }
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let scene = Scene::new(|settings| settings.protocol = MailProtocol::Lmtp);
    let codes = scene.codes(&[HELLO, "HELO me\r\n"]).await;
    assert_eq!(codes, ["500 5.5.1", "500 5.5.1"]);
    let mut far = scene.connect();
    far.write_all(b"LHLO me\r\n").await.unwrap();
    assert_eq!(reply(&mut far).await, "220 mx.test LMTP tuermer\r\n");
    reply(&mut far).await;
    far.write_all(format!("{ENVELOPE}RCPT TO:<c@b.example>\r\nRCPT TO:<d@b.example>\r\nDATA\r\n").as_bytes())
        .await
        .unwrap();
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(reply(&mut far).await[..3].to_owned());
    }
    assert_eq!(codes, ["250", "250", "250", "550", "354"]);
    far.write_all(b"x\r\n.\r\nQUIT\r\n").await.unwrap();
    let mut rest = String::new();
    far.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "250 2.0.0 taken\r\n250 2.0.0 taken\r\n221 2.0.0 goodbye\r\n");
}

#[tokio::test]
async fn what_is_said_after_a_command_that_must_be_last_ends_the_connection() {
    for last in ["STARTTLS\r\n", "EHLO me\r\n", "DATA\r\n"] {
        let scene = Scene::new(|settings| {
            let file = std::path::PathBuf::from("/nowhere");
            settings.tls = Some(crate::plan::CertificateFiles { certificate: file.clone(), key: file });
        });
        let heard = scene.hear(format!("{last}RSET\r\n").as_bytes()).await;
        let expected = "220 mx.test ESMTP tuermer\r\n503 5.5.0 wait for the answer to this command\r\n";
        assert_eq!(heard, expected, "{last}");
    }
}

#[tokio::test]
async fn without_a_certificate_that_can_be_used_there_is_no_encryption() {
    let scene = Scene::new(|settings| {
        let file = std::path::PathBuf::from("/nowhere");
        settings.tls = Some(crate::plan::CertificateFiles { certificate: file.clone(), key: file });
    });
    let codes = scene.codes(&["STARTTLS\r\n", HELLO, "STARTTLS\r\n", "NOOP\r\n"]).await;
    assert_eq!(codes, ["503 5.5.1", "250-mx.te", "454 4.7.0", "250 2.0.0"]);
}

#[tokio::test]
async fn too_much_of_anything_ends_the_connection() {
    let scene = Scene::new(|settings| settings.size_max = 100);
    let last = |heard: String| heard.lines().last().map(|line| line[..9].to_owned());
    assert_eq!(last(scene.hear(&[b'x'; 5000]).await).as_deref(), Some("500 5.5.2"));
    assert_eq!(last(scene.hear("what\r\n".repeat(50).as_bytes()).await).as_deref(), Some("421 4.7.0"));
    let tried = format!("MAIL FROM:<>\r\n{}", "RCPT TO:<no@b.example>\r\n".repeat(50));
    let mut far = scene.connect();
    far.write_all(HELLO.as_bytes()).await.unwrap();
    reply(&mut far).await;
    reply(&mut far).await;
    far.write_all(tried.as_bytes()).await.unwrap();
    let mut heard = String::new();
    far.read_to_string(&mut heard).await.unwrap();
    assert_eq!((heard.lines().count(), last(heard).as_deref()), (12, Some("421 4.7.0")));
    assert_eq!(last(scene.hear("NOOP\r\n".repeat(1100).as_bytes()).await).as_deref(), Some("421 4.7.0"));
    let (small, large) = ("x".repeat(101), "x".repeat(1000));
    let mut far = scene.connect();
    reply(&mut far).await;
    for line in [HELLO, "MAIL FROM:<>\r\n", "RCPT TO:<a@b.example>\r\n", "DATA\r\n"] {
        far.write_all(line.as_bytes()).await.unwrap();
        reply(&mut far).await;
    }
    far.write_all(format!("{small}\r\n.\r\n").as_bytes()).await.unwrap();
    assert_eq!(reply(&mut far).await[..9], *"552 5.3.4");
    far.write_all(format!("{ENVELOPE}DATA\r\n").as_bytes()).await.unwrap();
    for _ in 0..3 {
        reply(&mut far).await;
    }
    far.write_all(large.as_bytes()).await.unwrap();
    assert_eq!(reply(&mut far).await[..9], *"421 4.7.0");
    assert_eq!(scene.count("tuermer_receive_messages_total{result=\"too_large\"}"), Some(2.0));
    assert!(scene.bodies().is_empty());
}

#[tokio::test]
async fn messages_beyond_the_rate_are_put_off() {
    let scene = Scene::new(|settings| settings.messages_per_minute_per_client = 2);
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(
            scene.codes(&[HELLO, "MAIL FROM:<>\r\n", "RCPT TO:<a@b.example>\r\n", "DATA\r\n", "x\r\n.\r\n"]).await[3]
                .clone(),
        );
    }
    assert_eq!(codes, ["354 go ah", "354 go ah", "451 4.7.1"]);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_connection_in_each_phase() {
    let scene = Scene::new(|_| {});
    for said in [
        vec![],
        vec!["EH"],
        vec![HELLO],
        vec![HELLO, "MAIL FROM:<>\r\n"],
        vec![HELLO, "MAIL FROM:<>\r\n", "RCPT TO:<a@b.example>\r\n", "DATA\r\n"],
    ] {
        let mut far = scene.connect();
        reply(&mut far).await;
        for line in &said {
            far.write_all(line.as_bytes()).await.unwrap();
            if line.ends_with('\n') {
                reply(&mut far).await;
            }
        }
        let since = Instant::now();
        let mut heard = String::new();
        far.read_to_string(&mut heard).await.unwrap();
        assert_eq!(&heard[..3], "421", "{said:?}");
        assert!(since.elapsed() <= Duration::from_secs(301), "{said:?}");
    }
    assert_eq!(scene.count("tuermer_receive_messages_total{result=\"aborted\"}"), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_does_not_hold_a_connection_for_ever() {
    let scene = Scene::new(|_| {});
    for said in [vec![], vec![HELLO, "MAIL FROM:<>\r\n", "RCPT TO:<a@b.example>\r\n", "DATA\r\n"]] {
        let mut far = scene.connect();
        reply(&mut far).await;
        for line in &said {
            far.write_all(line.as_bytes()).await.unwrap();
            reply(&mut far).await;
        }
        let since = Instant::now();
        let (mut ears, mut mouth) = tokio::io::split(far);
        let talking = async {
            while mouth.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let mut heard = String::new();
        tokio::select! {
            () = talking => {}
            heard = ears.read_to_string(&mut heard) => drop(heard),
        }
        assert!(since.elapsed() <= Duration::from_secs(605), "{:?}", since.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_listen_is_cut_off() {
    let scene = Scene::new(|_| {});
    let (near, mut far) = tokio::io::duplex(64);
    let settings = Arc::clone(&scene.shared.settings());
    let serving =
        session::serve(near, "::1".parse().unwrap(), settings, Arc::clone(&scene.shared), scene.ending.subscribe());
    let talking = async { while far.write_all(b"NOOP\r\n").await.is_ok() {} };
    let since = Instant::now();
    tokio::join!(serving, talking);
    assert!(since.elapsed() <= Duration::from_secs(60), "{:?}", since.elapsed());
}

#[tokio::test]
async fn at_the_end_clients_are_told() {
    let scene = Scene::new(|_| {});
    let mut far = scene.connect();
    reply(&mut far).await;
    scene.ending.send_replace(true);
    assert_eq!(reply(&mut far).await, "421 4.3.2 closing down\r\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_a_client_says_is_too_strange(
        said in "(EHLO me\r\n|MAIL FROM:<>\r\n|RCPT TO:<a@b.example>\r\n|DATA\r\n|\\.\r\n|RSET\r\n|STARTTLS\r\n|x|\r|\n|\0|\\PC){0,40}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let heard = runtime.block_on(async { Scene::new(|_| {}).hear(said.as_bytes()).await });
        for line in heard.lines() {
            prop_assert!(line.get(..3).is_some_and(|code| code.parse::<u16>().is_ok()), "{}", heard);
        }
    }
}
