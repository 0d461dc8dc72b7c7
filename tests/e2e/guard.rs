//! TLS, passwords, prefixes and sockets of the agent's own pages, as curl and systemd see them.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tuermer_probes::testkit::Authority;

use crate::daemon::tuermer::{Tuermer, command};
use crate::daemon::{Daemon, folder, free_address};
use crate::support::program;

/// `hunter2`, cost 4.
const USERS: &str = "basic_auth_users: { alice: $2b$04$BWcfIUuHZyP1ZAmgkRcYjOD2qtuG2Tm7MvUlsy6a8D4SRT5Vkj83y }\n";
const TLS: &str = "tls_server_config: { cert_file: server.crt, key_file: server.key }\n";

/// A folder with a certificate for the loopback address, its authority, and a web configuration.
fn web_config(text: &str) -> TempDir {
    let folder = folder();
    let authority = Authority::new();
    let leaf = authority.leaf(&["127.0.0.1"]);
    let files = [("ca.crt", authority.pem()), ("server.crt", leaf.pem.clone()), ("server.key", leaf.key_pem.clone())];
    for (name, text) in files.iter().map(|(name, text)| (*name, text.as_str())).chain([("web.yml", text)]) {
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

/// What curl prints: the body, the status, the version of HTTP.
fn curl(folder: &TempDir, arguments: &[&str]) -> Option<String> {
    let curl = program(&["curl"])?;
    let mut command = Command::new(curl);
    command.args(["--silent", "--max-time", "20", "--write-out", " %{http_code} %{http_version}"]);
    command.arg("--cacert").arg(folder.path().join("ca.crt")).args(arguments).stderr(Stdio::null());
    Some(String::from_utf8_lossy(&command.output().expect("curl runs").stdout).into_owned())
}

#[test]
fn every_path_is_guarded_over_both_versions_of_http() {
    let folder = web_config(&format!("{TLS}{USERS}"));
    let flag = format!("--web.config.file={}", folder.path().join("web.yml").display());
    let tuermer = Tuermer::start_with("{}", &[&flag]);
    for (version, number) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for path in ["/", "/-/healthy", "/-/ready", "/-/reload", "/metrics", "/probe", "/config", "/nowhere"] {
            let url = format!("https://{}{path}", tuermer.address);
            for user in [&[][..], &["--user", "alice:hunter3"], &["--user", "bob:hunter2"]] {
                let Some(answer) = curl(&folder, &[&[version, &url], user].concat()) else { return };
                assert_eq!(answer, format!("Unauthorized\n 401 {number}"), "{path} {user:?}");
            }
        }
        let url = format!("https://{}/-/healthy", tuermer.address);
        let answer = curl(&folder, &[version, "--user", "alice:hunter2", &url]);
        assert_eq!(answer, Some(format!("Healthy 200 {number}")));
    }
    let answer = curl(&folder, &[&format!("http://{}/", tuermer.address)]);
    let answer = answer.expect("curl is there");
    assert!(answer.starts_with("Client sent an HTTP request to an HTTPS server.\n 400 1"), "{answer}");
}

#[test]
fn a_file_that_becomes_wrong_lets_nobody_in() {
    let folder = web_config(USERS);
    let file = folder.path().join("web.yml");
    let tuermer = Tuermer::start_with("{}", &[&format!("--web.config.file={}", file.display())]);
    let url = format!("http://{}/-/healthy", tuermer.address);
    let ask = || curl(&folder, &["--user", "alice:hunter2", &url]);
    let Some(answer) = ask() else { return };
    assert_eq!(answer, "Healthy 200 1.1");
    fs::write(&file, "basic_auth_users: { alice: hunter2 }").expect("written");
    assert_eq!(ask().as_deref(), Some("Internal Server Error\n 500 1.1"));
    assert!(!tuermer.daemon.log().contains("hunter2"), "the log holds no secrets");
    fs::write(&file, USERS).expect("written");
    assert_eq!(ask().as_deref(), Some("Healthy 200 1.1"));
}

#[test]
fn guessing_passwords_does_not_keep_known_ones_out() {
    let folder = web_config("");
    let file = folder.path().join("web.yml");
    // Cost 12: a quarter of a second each.
    let with_slow = USERS.replace(" }", ", bob: $2b$12$BWcfIUuHZyP1ZAmgkRcYjOD2qtuG2Tm7MvUlsy6a8D4SRT5Vkj83y }");
    fs::write(&file, with_slow).expect("written");
    let tuermer = Tuermer::start_with("{}", &[&format!("--web.config.file={}", file.display())]);
    let url = format!("http://{}/-/healthy", tuermer.address);
    let Some(answer) = curl(&folder, &["--user", "alice:hunter2", &url]) else { return };
    assert_eq!(answer, "Healthy 200 1.1");
    std::thread::scope(|scope| {
        let guess = |user: &'static str| curl(&folder, &["--user", user, &url]);
        let guesses: Vec<_> = ["bob:1", "bob:2", "carol:3", "carol:4", "bob:5", "carol:6"]
            .map(|user| scope.spawn(move || guess(user)))
            .into_iter()
            .collect();
        assert_eq!(curl(&folder, &["--user", "alice:hunter2", &url]).as_deref(), Some("Healthy 200 1.1"));
        for guess in guesses {
            assert_eq!(guess.join().expect("no panic").as_deref(), Some("Unauthorized\n 401 1.1"));
        }
    });
}

#[test]
fn silent_connections_do_not_keep_others_from_their_handshake() {
    let folder = web_config(TLS);
    let flag = format!("--web.config.file={}", folder.path().join("web.yml").display());
    let tuermer = Tuermer::start_with("{}", &[&flag]);
    // A byte that begins a handshake, and nothing more; and nothing at all.
    let silent: Vec<_> = (0..200)
        .map(|number| {
            let mut stream = std::net::TcpStream::connect(tuermer.address).expect("a connection");
            if number % 2 == 0 {
                std::io::Write::write_all(&mut stream, &[22]).expect("written");
            }
            stream
        })
        .collect();
    let Some(answer) = curl(&folder, &["--http2", &format!("https://{}/-/healthy", tuermer.address)]) else { return };
    assert_eq!(answer, "Healthy 200 2");
    drop(silent);
}

#[tokio::test]
async fn links_of_the_pages_hold_under_a_prefix() {
    let tuermer = Tuermer::start_with(
        "modules: { port: { prober: tcp, timeout: 200ms } }
checks: { closed: { module: port, targets: ['127.0.0.1:1'], interval: 200ms, timeout: 200ms } }
",
        &["--web.external-url=http://tower.example.org/tower/"],
    );
    let (status, page) = tuermer.get("/tower/").await;
    assert_eq!(status, 200);
    let link = |page: &str, end: &str| {
        let link = page.split('"').find(|part| part.contains(end)).unwrap_or_else(|| panic!("{end} in {page}"));
        link.to_owned()
    };
    let base = url::Url::parse(&format!("http://{}/tower/", tuermer.address)).expect("a URL");
    let style = base.join(&link(&page, "style.css")).expect("a link");
    assert_eq!(style.path(), "/tower/style.css");
    let check = base.join(&link(&page, "check/")).expect("a link");
    let (status, page) = tuermer.get(check.path()).await;
    assert_eq!(status, 200);
    assert_eq!(check.join(&link(&page, "style.css")).expect("a link").path(), "/tower/style.css");
    assert_eq!(tuermer.get(style.path()).await.0, 200);
}

#[tokio::test]
async fn systemd_passes_the_socket() {
    let Some(activate) = program(&["systemd-socket-activate"]) else { return };
    let (folder, address) = (folder(), free_address());
    let config = folder.path().join("tuermer.yml");
    fs::write(&config, "{}").expect("written");
    let mut activated = Command::new(activate);
    activated.arg(format!("--listen={address}")).arg(command().get_program());
    activated.arg(format!("--config.file={}", config.display()));
    activated.args(["--web.systemd-socket", "--web.external-url=http://tower.example.org/"]);
    let daemon = Daemon::start("systemd-socket-activate", folder, &mut activated).until_printed("Listening on");
    let answer = reqwest::get(format!("http://{address}/-/healthy")).await.expect("an answer");
    assert_eq!(answer.text().await.expect("a body"), "Healthy");
    assert!(daemon.log().contains(&format!("address={address}")), "{}", daemon.log());
}
