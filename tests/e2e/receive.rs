//! Mail to the agent, sent by clients that nobody here wrote: swaks, Python's smtplib, async-smtp.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use async_smtp::{EmailAddress, Envelope, SendableEmail, SmtpClient, SmtpTransport};
use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tuermer_probes::testkit::Authority;

use crate::daemon::tuermer::Tuermer;
use crate::daemon::{eventually, folder, free_address};
use crate::support::{output, program};

const ADDRESS: &str = "backup@tuermer.example.org";

/// An agent that takes mail, and looks for a report every hour.
fn config(listen: SocketAddr, more: &str) -> String {
    format!(
        "modules:
  report: {{ prober: arrival, arrival: {{ every: 1h, subject: '^Backup', fail_if_body_matches_regexp: ['[1-9] errors'] }} }}
checks:
  backup: {{ module: report, targets: [{ADDRESS}], interval: 200ms, timeout: 200ms }}
receive:
  listen: ['{listen}']
  hostname: tuermer.example.org
  recipients: [{ADDRESS}]
{more}"
    )
}

/// Waits until the check says this.
async fn until(tuermer: &Tuermer, series: &str) {
    eventually(series, async || {
        let metrics = tuermer.metrics("/metrics").await;
        let (name, rest) = series.split_once('{').unwrap_or((series, ""));
        metrics.find(name, &[rest]).filter(|(_, value)| *value == 1.0).map(drop)
    })
    .await;
}

fn swaks(program: &Path, server: SocketAddr, subject: &str, body: &str) -> Command {
    let mut command = Command::new(program);
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    command.args(["--server", &host, "--port", &port, "--from", "root@db1.example.org", "--to", ADDRESS]);
    command.args(["--helo", "db1.example.org", "--header", &format!("Subject: {subject}"), "--body", body]);
    command
}

#[tokio::test]
async fn a_report_that_swaks_delivers_turns_up() {
    let Some(program) = program(&["swaks"]) else { return };
    let listen = free_address();
    let tuermer = Tuermer::start(&config(listen, ""));
    until(&tuermer, "probe_failure_info{reason=\"inbox_unusable\"").await;
    assert_eq!(tuermer.metrics("/metrics").await.find("probe_success", &[]), None);
    output(&mut swaks(&program, listen, "Backup of db1", "0 errors\n.\n..dots"));
    until(&tuermer, "probe_success{").await;
    output(&mut swaks(&program, listen, "Backup of db1", "3 errors"));
    until(&tuermer, "probe_failure_info{reason=\"body_unexpected\"").await;
    output(swaks(&program, listen, "something else", "0 errors").arg("--pipeline"));
    let mut stranger = swaks(&program, listen, "Backup", "x");
    stranger.args(["--to", "nobody@tuermer.example.org"]);
    let refused = stranger.output().unwrap();
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success() && said.contains("550 5.1.1"), "{said}");
    let metrics = tuermer.metrics("/metrics").await;
    assert_eq!(metrics.value("tuermer_receive_messages_total{result=\"accepted\"}"), Some(3.0));
    assert_eq!(metrics.value("tuermer_receive_messages_total{result=\"recipient_refused\"}"), Some(1.0));
}

#[tokio::test]
async fn mail_arrives_encrypted_also_after_the_certificate_was_renewed() {
    let Some(program) = program(&["swaks"]) else { return };
    let files = folder();
    let (authority, listen) = (Authority::new(), free_address());
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    let renew = || {
        let leaf = authority.leaf(&["tuermer.example.org"]);
        std::fs::write(&key, &leaf.key_pem).unwrap();
        std::fs::write(&cert, &leaf.pem).unwrap();
    };
    renew();
    let tls = format!("  tls: {{ cert_file: '{}', key_file: '{}' }}\n", cert.display(), key.display());
    let tuermer = Tuermer::start(&config(listen, &tls));
    let send = |subject| output(swaks(&program, listen, subject, "0 errors").arg("--tls"));
    let said = send("Backup of db1");
    assert!(said.contains("TLS started"), "{said}");
    until(&tuermer, "probe_success{").await;
    renew();
    assert!(send("Backup of db1").contains("TLS started"));
    std::fs::write(&cert, "half a certif").unwrap();
    let failed = swaks(&program, listen, "Backup", "x").arg("--tls").output().unwrap();
    assert!(String::from_utf8_lossy(&failed.stdout).contains("454 4.7.0"));
    assert_eq!(
        tuermer.metrics("/metrics").await.value("tuermer_receive_messages_total{result=\"accepted\"}"),
        Some(2.0)
    );
}

#[tokio::test]
async fn nothing_is_taken_in_the_open_where_encryption_is_required() {
    let (Some(swaks_program), Some(python)) = (program(&["swaks"]), program(&["python3"])) else { return };
    let files = folder();
    let (leaf, listen) = (Authority::new().leaf(&["tuermer.example.org"]), free_address());
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    std::fs::write(&key, &leaf.key_pem).unwrap();
    std::fs::write(&cert, &leaf.pem).unwrap();
    let tls =
        format!("  tls: {{ cert_file: '{}', key_file: '{}' }}\n  require_tls: true\n", cert.display(), key.display());
    let tuermer = Tuermer::start(&config(listen, &tls));
    let refused = swaks(&swaks_program, listen, "Backup", "x").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success() && said.contains("530 5.7.0"), "{said}");

    // What is said in the open, in one packet with STARTTLS or in the next, is not obeyed within.
    let script = format!(
        "import socket, ssl
evil = b'MAIL FROM:<evil@x.example>\\r\\nRCPT TO:<{ADDRESS}>\\r\\nDATA\\r\\nSubject: Backup\\r\\n\\r\\n0 errors\\r\\n.\\r\\n'
for together in (True, False):
    s = socket.create_connection(('{}', {}), 20)
    r = s.makefile('rb')
    r.readline()
    s.sendall(b'EHLO x.example\\r\\n')
    while r.readline()[3:4] == b'-': pass
    s.sendall(b'STARTTLS\\r\\n' + (evil if together else b''))
    print(r.readline()[:9].decode())
    if together:
        print(r.read())
        continue
    s.sendall(evil)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_socket(s)
        print('encrypted')
    except (ssl.SSLError, OSError):
        print('no handshake')",
        listen.ip(),
        listen.port()
    );
    let said = output(Command::new(&python).args(["-c", &script]));
    assert_eq!(said, "503 5.5.0\nb''\n220 2.0.0\nno handshake\n");
    let accepted = "tuermer_receive_messages_total{result=\"accepted\"}";
    assert_eq!(tuermer.metrics("/metrics").await.value(accepted), Some(0.0));

    output(swaks(&swaks_program, listen, "Backup of db1", "0 errors").arg("--tls"));
    until(&tuermer, "probe_success{").await;
    assert_eq!(tuermer.metrics("/metrics").await.value(accepted), Some(1.0));
}

#[tokio::test]
async fn python_delivers_over_smtp_and_lmtp() {
    let Some(program) = program(&["python3"]) else { return };
    for (protocol, class) in [("smtp", "SMTP"), ("lmtp", "LMTP")] {
        let listen = free_address();
        let tuermer = Tuermer::start(&config(listen, &format!("  protocol: {protocol}\n")));
        let script = format!(
            "import smtplib, email.message
m = email.message.EmailMessage()
m['Subject'] = 'Backup für db1: 日本'; m['From'] = 'root@db1.example.org'; m['To'] = '{ADDRESS}'
m.set_content('.\\n0 errors, alles gut: äöü\\n.')
s = smtplib.{class}('{}', {})
s.send_message(m); s.noop(); s.quit()",
            listen.ip(),
            listen.port()
        );
        output(Command::new(&program).args(["-c", &script]));
        until(&tuermer, "probe_success{").await;
    }
}

#[tokio::test]
async fn async_smtp_delivers() {
    let listen = free_address();
    let tuermer = Tuermer::start(&config(listen, ""));
    let stream = BufReader::new(TcpStream::connect(listen).await.unwrap());
    let mut transport = SmtpTransport::new(SmtpClient::new(), stream).await.unwrap();
    for _ in 0..2 {
        let address = |text: &str| EmailAddress::new(text.to_owned()).unwrap();
        let envelope = Envelope::new(Some(address("root@db1.example.org")), vec![address(ADDRESS)]).unwrap();
        transport.send(SendableEmail::new(envelope, "Subject: Backup\r\n\r\n0 errors\r\n")).await.unwrap();
    }
    transport.quit().await.unwrap();
    until(&tuermer, "probe_success{").await;
}

#[tokio::test]
async fn a_reload_keeps_what_arrived_and_listeners_that_stay() {
    let Some(program) = program(&["swaks"]) else { return };
    let (first, second) = (free_address(), free_address());
    let mut tuermer = Tuermer::start(&config(first, ""));
    let mut client = BufReader::new(TcpStream::connect(first).await.unwrap());
    let mut line = String::new();
    client.read_line(&mut line).await.unwrap();
    assert_eq!(line, "220 tuermer.example.org ESMTP tuermer\r\n");
    output(&mut swaks(&program, first, "Backup", "0 errors"));
    let both =
        config(first, "  size_limit: 2MB\n").replace(&format!("['{first}']"), &format!("['{first}', '{second}']"));
    std::fs::write(tuermer.config_file(), &both).unwrap();
    assert_eq!(tuermer.post("/-/reload").await, (200, String::new()));
    output(&mut swaks(&program, second, "something else", "x"));
    until(&tuermer, "probe_success{").await;

    // An address that cannot be had changes nothing.
    let taken = both.replace(&format!("'{second}'"), &format!("'{}'", tuermer.address));
    std::fs::write(tuermer.config_file(), taken).unwrap();
    let (status, message) = tuermer.post("/-/reload").await;
    assert!(status == 500 && message.contains("cannot listen on"), "{message}");
    output(&mut swaks(&program, second, "something else", "x"));

    // The first one goes: its client is told.
    std::fs::write(tuermer.config_file(), config(second, "")).unwrap();
    assert_eq!(tuermer.post("/-/reload").await, (200, String::new()));
    line.clear();
    client.read_line(&mut line).await.unwrap();
    assert_eq!(line, "421 4.3.2 closing down\r\n");
    eventually("the first address is free", async || TcpStream::connect(first).await.is_err().then_some(())).await;
    until(&tuermer, "probe_success{").await;

    let mut client = BufReader::new(TcpStream::connect(second).await.unwrap());
    line.clear();
    client.read_line(&mut line).await.unwrap();
    tuermer.daemon.signal(Signal::SIGTERM);
    line.clear();
    client.read_line(&mut line).await.unwrap();
    assert_eq!(line, "421 4.3.2 closing down\r\n");
    drop(client);
    assert!(tuermer.daemon.wait().success());
}
