//! The demo, as the README's first command starts it: break and mend each part, and have the tests' pictures taken.

use std::net::SocketAddr;
use std::process::Command;

use crate::daemon::tuermer::{Metrics, command, listening, output};
use crate::daemon::{Daemon, eventually, folder};

struct Demo {
    _daemon: Daemon,
    address: SocketAddr,
}

impl Demo {
    fn start() -> Self {
        let mut command = command();
        command.args(["demo", "--at", "127.0.0.1:0"]);
        let mut daemon = Daemon::start("demo", folder(), &mut command);
        let address = listening(&mut daemon);
        Self { _daemon: daemon.until_listening(address), address }
    }

    async fn page(&self) -> String {
        let response = reqwest::get(format!("http://{}/", self.address)).await.expect("an answer");
        response.text().await.expect("a body")
    }

    async fn metrics(&self) -> Metrics {
        let response = reqwest::get(format!("http://{}/metrics", self.address)).await.expect("an answer");
        Metrics::parse(&response.text().await.expect("a body"))
    }

    fn change(&self, words: &[&str]) -> String {
        let done = output(command().args(["demo", "--at", &self.address.to_string()]).args(words));
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Waits until the check's last run says this; the gateway may be unknown where pings are not permitted.
    async fn until(&self, check: &str, success: f64) {
        let check = format!("check=\"{check}\"");
        eventually(&format!("{check} is {success}"), async || {
            let metrics = self.metrics().await;
            let unknown = metrics.find("probe_failure_info", &[&check, r#"reason="agent_permission""#]).is_some();
            let found = metrics.find("probe_success", &[&check]).is_some_and(|(_, value)| value == success);
            (found || unknown).then_some(())
        })
        .await;
    }
}

const CHECKS: [&str; 5] = ["home page", "mail", "name server", "service desk", "gateway"];

#[tokio::test]
async fn every_part_of_the_town_can_be_broken_and_mended() {
    let demo = Demo::start();
    for check in CHECKS {
        demo.until(check, 1.0).await;
    }
    let parts = [
        ("home page", "home", &["down", "silent", "error", "wrong"][..]),
        ("mail", "mail", &["down", "silent", "refuses", "greylists"]),
        ("service desk", "desk", &["down", "silent", "wrong"]),
        ("gateway", "gateway", &["silent"]),
        ("name server", "names", &["silent", "error", "wrong"]),
    ];
    for (check, part, faults) in parts {
        for fault in faults {
            assert!(demo.change(&["break", part, fault]).contains(fault), "{part} {fault}");
            demo.until(check, 0.0).await;
            assert!(demo.change(&["mend", part]).contains("works"), "{part}");
            demo.until(check, 1.0).await;
        }
    }
    assert!(demo.page().await.contains("/demo/break/home/down"), "the page has the switches");
    let refused = output(command().args(["demo", "--at", &demo.address.to_string(), "break", "moon"]));
    assert_eq!(refused.status.code(), Some(1));
}

#[tokio::test]
async fn the_demo_mail_server_really_receives() {
    use async_smtp::{Envelope, SendableEmail, SmtpClient, SmtpTransport};
    let demo = Demo::start();
    let config = eventually("the settings are served", async || {
        let page = demo.page().await;
        page.contains("Mails received: 0").then_some(())
    });
    config.await;
    let mail = mail_address(&demo).await;
    let stream = tokio::io::BufStream::new(tokio::net::TcpStream::connect(mail).await.expect("the mail server"));
    let mut transport = SmtpTransport::new(SmtpClient::new(), stream).await.expect("a greeting");
    let address = |text: &str| text.parse().expect("an address");
    let envelope = Envelope::new(Some(address("clerk@town.example")), vec![address("postmaster@town.example")]);
    let message = "Subject: a birth to record\r\n\r\nGood news.\r\n";
    transport.send(SendableEmail::new(envelope.expect("recipients"), message)).await.expect("accepted");
    assert!(demo.page().await.contains("Mails received: 1"));
}

/// Where the demo's mail server listens: the page of its check names the address it asked.
async fn mail_address(demo: &Demo) -> SocketAddr {
    eventually("the mail check has run", async || {
        let metrics = demo.metrics().await;
        metrics.find("probe_smtp_server_success", &[]).map(drop)
    })
    .await;
    let log = demo._daemon.log();
    let file = log.lines().find_map(|line| line.trim().strip_prefix("settings")).expect("the settings file").trim();
    let config = std::fs::read_to_string(file).expect("the demo's configuration");
    let port = config.lines().find_map(|line| line.trim().strip_prefix("port:")).expect("a port").trim();
    format!("127.0.0.1:{port}").parse().expect("an address")
}

/// A picture of a page by a real browser, if there is one.
fn photograph(url: &str, name: &str, height: u32) -> Option<Vec<u8>> {
    let browser = crate::support::program(&["chromium"])?;
    let folder = folder();
    let picture = folder.path().join(name);
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--hide-scrollbars",
    ]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    command.arg(format!("--window-size=1180,{height}")).arg(format!("--screenshot={}", picture.display())).arg(url);
    let done = output(&mut command);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(std::fs::read(&picture).expect("a picture"))
}

/// Keeps a picture where the README shows it, if the run is to renew them.
fn keep(picture: &[u8], name: &str) {
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "a picture with something on it");
    if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
        let folder = crate::support::project_file("tests/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), picture).expect("written");
    }
}

#[tokio::test]
async fn the_pictures_of_the_readme_are_taken() {
    let demo = Demo::start();
    for check in CHECKS {
        demo.until(check, 1.0).await;
    }
    demo.change(&["break", "mail", "greylists"]);
    demo.until("mail", 0.0).await;
    let Some(picture) = photograph(&format!("http://{}/", demo.address), "page.png", 880) else { return };
    keep(&picture, "page.png");

    let log = demo._daemon.log();
    let file = log.lines().find_map(|line| line.trim().strip_prefix("settings")).expect("the settings file").trim();
    let mut probe = command();
    probe
        .args(["probe", "mail", "town.example", "--config.file", file])
        .env("CLICOLOR_FORCE", "1")
        .env("COLUMNS", "110");
    let done = output(&mut probe);
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(shown.contains("greylisted"), "{shown}");
    let folder = folder();
    let page = folder.path().join("terminal.html");
    std::fs::write(&page, terminal_page("tuermer probe mail town.example", &shown)).expect("written");
    let height = 110 + 21 * u32::try_from(shown.lines().count()).expect("a few lines");
    let picture = photograph(&format!("file://{}", page.display()), "terminal.png", height);
    keep(&picture.expect("the browser was there before"), "terminal.png");
}

/// A terminal's text with its colours as a page.
fn terminal_page(command: &str, text: &str) -> String {
    let mut html = String::from(
        "<!doctype html><meta charset=utf-8><style>body{background:#1b1f24;color:#dfe3e8;margin:24px;font:15px/21px \
         'DejaVu Sans Mono',monospace;white-space:pre}.s1{font-weight:bold}.s2{color:#8b949e}.s31{color:#ff7a6e}\
         .s32{color:#52c88a}.s33{color:#e2bf4a}.s34{color:#7ab7ff}.s35{color:#d2a8ff}.s36{color:#6fd3d8}</style><body>",
    );
    html += &format!("<span class=s2>$</span> {command}\n\n");
    for (at, piece) in text.split("\u{1b}[").enumerate() {
        let (codes, words) = if at == 0 { ("0", piece) } else { piece.split_once('m').unwrap_or(("0", piece)) };
        let classes: Vec<String> = codes.split(';').map(|code| format!("s{code}")).collect();
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        html += &format!("<span class=\"{}\">{words}</span>", classes.join(" "));
    }
    html
}
