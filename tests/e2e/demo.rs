//! The demo, as the README's first command starts it: break and mend each part, and have the tests' pictures taken.

use std::net::SocketAddr;
use std::process::Command;

use tuermer::demo::{CHECKS, SWITCHES, Sign, Switch};
use tuermer_probes::Reason;

use crate::daemon::tuermer::{Metrics, command, listening, output};
use crate::daemon::{Daemon, eventually, folder};

struct Demo {
    daemon: Daemon,
    address: SocketAddr,
}

impl Demo {
    fn start() -> Self {
        let mut command = command();
        command.args(["demo", "--at", "127.0.0.1:0"]);
        let mut daemon = Daemon::start("demo", folder(), &mut command);
        let address = listening(&mut daemon);
        Self { daemon: daemon.until_listening(address), address }
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

    /// Waits until this is on the page of metrics.
    async fn until(&self, what: &str, comes_true: impl Fn(&Metrics) -> bool) {
        eventually(what, async || comes_true(&self.metrics().await).then_some(())).await;
    }

    /// Waits until every check passes.
    async fn until_well(&self) {
        for check in CHECKS {
            self.until(&format!("{check} is well"), |metrics| is_well(metrics, check)).await;
        }
    }

    /// A value of the demo's configuration, from the line that begins with this.
    fn setting(&self, begin: &str) -> String {
        let file = self.config_file();
        let config = std::fs::read_to_string(file).expect("the demo's configuration");
        config.lines().find_map(|line| line.trim().strip_prefix(begin)).expect("a setting").trim().to_owned()
    }

    fn config_file(&self) -> String {
        let log = self.daemon.log();
        let file = log.lines().find_map(|line| line.trim().strip_prefix("settings")).expect("the settings file");
        file.trim().to_owned()
    }
}

/// Whether the check's last run passed; the gateway may be unknown where pings are not permitted.
fn is_well(metrics: &Metrics, check: &str) -> bool {
    let check = format!("check=\"{check}\"");
    metrics.find("probe_success", &[&check]).is_some_and(|(_, value)| value == 1.0) || is_not_permitted(metrics, &check)
}

fn is_not_permitted(metrics: &Metrics, check: &str) -> bool {
    metrics.find("probe_failure_info", &[check, r#"reason="agent_permission""#]).is_some()
}

/// Whether the check says this now, and nothing that contradicts it. Totals have grown since `before`.
fn shows(metrics: &Metrics, check: &str, sign: Sign, before: &Metrics) -> bool {
    let check = format!("check=\"{check}\"");
    match sign {
        Sign::Fails(reason, phase) => {
            let (reason_label, phase_label) = (format!("reason=\"{reason}\""), format!("phase=\"{phase}\""));
            let is_told = metrics.find("probe_failure_info", &[&check, &reason_label, &phase_label]).is_some();
            let success = metrics.find("probe_success", &[&check]).map(|(_, value)| value);
            // Nothing is said of a service that could not be asked.
            let expected = if reason.is_shortage() { None } else { Some(0.0) };
            (is_told && success == expected) || is_not_permitted(metrics, &check)
        }
        Sign::Reads(reading, least) => metrics.all(reading, &[&check]).iter().any(|(series, value)| {
            let known = if reading.ends_with("_total") { before.value(series).unwrap_or_default() } else { 0.0 };
            value - known >= least
        }),
    }
}

/// Breaks a town in these ways, one after the other, and mends it each time.
async fn break_and_mend(switches: &[Switch]) {
    let demo = Demo::start();
    demo.until_well().await;
    for Switch { part, fault, signs, .. } in switches {
        let (part, fault) = (part.name(), fault.name());
        let before = demo.metrics().await;
        assert!(demo.change(&["break", part, fault]).contains(fault), "{part} {fault}");
        let is_only_read = signs.iter().all(|(_, sign)| matches!(sign, Sign::Reads(..)));
        demo.until(&format!("{part} {fault}: {signs:?}"), |metrics| {
            let shown = signs.iter().all(|(check, sign)| shows(metrics, check, *sign, &before));
            shown && (!is_only_read || signs.iter().all(|(check, _)| is_well(metrics, check)))
        })
        .await;
        assert!(demo.change(&["mend", part]).contains("works"), "{part}");
        for (check, _) in *signs {
            demo.until(&format!("{part} is mended: {check}"), |metrics| is_well(metrics, check)).await;
        }
    }
}

/// How many ways to break it one town is broken in: several towns at once take less time.
const FAULTS_OF_A_TOWN: usize = 4;

#[tokio::test]
async fn every_part_of_the_town_can_be_broken_and_mended_in_every_way() {
    futures_util::future::join_all(SWITCHES.chunks(FAULTS_OF_A_TOWN).map(break_and_mend)).await;
}

#[tokio::test]
async fn the_town_knows_its_switches() {
    let demo = Demo::start();
    let page = demo.page().await;
    let help = output(command().args(["demo", "break", "--help"]));
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for Switch { part, fault, about, .. } in SWITCHES {
        let (part, fault) = (part.name(), fault.name());
        assert!(page.contains(&format!("/demo/break/{part}/{fault}")), "the page has {part} {fault}");
        assert!(help.contains(about), "the help has {part} {fault}: {help}");
    }
    for wrong in [&["break", "moon"][..], &["break", "home", "held"], &["mend", "moon"]] {
        let refused = output(command().args(["demo", "--at", &demo.address.to_string()]).args(wrong));
        assert_eq!(refused.status.code(), Some(1), "{wrong:?}");
    }
}

#[tokio::test]
async fn the_demo_post_office_delivers_what_a_stranger_sends() {
    use async_smtp::{Envelope, SendableEmail, SmtpClient, SmtpTransport};
    let demo = Demo::start();
    let server: u16 = demo.setting("port:").parse().expect("a port");
    let stream = tokio::io::BufStream::new(tokio::net::TcpStream::connect(("127.0.0.1", server)).await.expect("open"));
    let mut transport = SmtpTransport::new(SmtpClient::new(), stream).await.expect("a greeting");
    let address = |text: &str| text.parse().expect("an address");
    let envelope = Envelope::new(Some(address("nobody@town.example")), vec![address("clerk@town.example")]);
    let message = "Subject: a birth to record\r\n\r\nGood news.\r\n.\r\nTwo of them.\r\n";
    transport.send(SendableEmail::new(envelope.expect("recipients"), message)).await.expect("accepted");

    let Some(curl) = crate::support::program(&["curl"]) else { return };
    let store = demo.setting("host: store.town.example:");
    let url = format!("imap://clerk:halberd@127.0.0.1:{store}/INBOX");
    let curl = |more: &str, words: &[&str]| {
        let done =
            Command::new(&curl).args(["--silent", "--max-time", "10", &format!("{url}{more}")]).args(words).output();
        String::from_utf8_lossy(&done.expect("curl runs").stdout).into_owned()
    };
    let uid = eventually("the mail is delivered", async || {
        let found = curl("", &["--request", "UID SEARCH SUBJECT birth"]);
        found.trim().strip_prefix("* SEARCH ").map(str::to_owned)
    })
    .await;
    let mail = curl(&format!(";UID={uid}"), &[]);
    assert!(mail.trim_end().ends_with("\r\n\r\nGood news.\r\n.\r\nTwo of them."), "{mail:?}");
    assert_eq!(mail.matches("Received: ").count(), 3, "{mail}");
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
    demo.until_well().await;
    demo.change(&["break", "queue", "late"]);
    let before = demo.metrics().await;
    let missing = Sign::Fails(Reason::MailMissing, "transit");
    demo.until("the mail is missing", |metrics| shows(metrics, "mail round trip", missing, &before)).await;
    let Some(picture) = photograph(&format!("http://{}/", demo.address), "page.png", 1060) else { return };
    keep(&picture, "page.png");

    demo.change(&["break", "mail", "greylists"]);
    let mut probe = command();
    probe
        .args(["probe", "mail", "town.example", "--config.file", &demo.config_file()])
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

#[tokio::test]
async fn the_page_of_the_round_trip_shows_the_journey_of_the_last_mail() {
    let demo = Demo::start();
    demo.until_well().await;
    demo.change(&["break", "queue", "slow"]);
    let before = demo.metrics().await;
    let (_, slow) = SWITCHES.iter().find(|switch| switch.fault.name() == "slow").expect("a switch").signs[0];
    demo.until("the mail is slow", |metrics| shows(metrics, "mail round trip", slow, &before)).await;
    let front = demo.page().await;
    let (before, _) = front.split_once("\">mail round trip</a>").expect("the check on the front page");
    let (_, path) = before.rsplit_once("href=\"").expect("a link");
    let url = format!("http://{}/{}", demo.address, path.trim_start_matches(['.', '/']));
    let page = reqwest::get(&url).await.expect("an answer").text().await.expect("a body");
    for stage in
        ["submit: connect", "submit: auth", "submit: data", "fetch: login", "fetch: transit", "fetch: retrieval"]
    {
        assert!(page.contains(stage), "{stage}: {page}");
    }
    assert!(page.contains("hop=&#34;2&#34;") || page.contains("hop=&quot;2&quot;"), "{page}");
    if let Some(picture) = photograph(&url, "journey.png", 960) {
        keep(&picture, "journey.png");
    }
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
