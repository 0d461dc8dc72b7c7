//! What is probed: a page, an encrypted page, a port and a name server, in a process of their own on the second processor.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tuermer_probes::testkit::Authority;

/// Addresses of loopback over which targets are spread.
const ADDRESSES: u8 = 16;

/// The running targets. They end with this.
pub(crate) struct Targets {
    child: Child,
    http: u16,
    https: u16,
    dns: u16,
    authority: String,
}

impl Targets {
    pub(crate) fn start() -> Self {
        let mut command = Command::new("taskset");
        command.args(["-c", "1"]).arg(std::env::current_exe().expect("this program")).arg("serve");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("taskset of util-linux");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut port = || lines.next().and_then(Result::ok).and_then(|line| line.parse().ok()).expect("a port");
        let (http, https, dns) = (port(), port(), port());
        let authority: Vec<String> = lines.map_while(Result::ok).take_while(|line| line != "end").collect();
        Self { child, http, https, dns, authority: authority.join("\n") }
    }

    /// Paths that ask for a kind, spread over addresses.
    pub(crate) fn paths(&self, kind: &str) -> Vec<String> {
        (1..=ADDRESSES)
            .map(|at| {
                let address = Ipv4Addr::new(127, 0, 1, at);
                match kind {
                    "http" => format!("/probe?module=http&target=http%3A%2F%2F{address}%3A{}%2F", self.http),
                    "https" => format!("/probe?module=https&target=https%3A%2F%2F{address}%3A{}%2F", self.https),
                    "tcp" => format!("/probe?module=tcp&target={address}%3A{}", self.http),
                    "dns" => format!("/probe?module=dns&target={address}%3A{}", self.dns),
                    _ => format!("/probe?module=icmp&target={address}"),
                }
            })
            .collect()
    }

    /// A configuration for both exporters.
    pub(crate) fn config(&self, folder: &Path) -> String {
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, &self.authority).expect("written");
        format!(
            "modules:
  http: {{ prober: http, timeout: 5s, http: {{ preferred_ip_protocol: ip4 }} }}
  https: {{ prober: http, timeout: 5s, http: {{ preferred_ip_protocol: ip4, fail_if_not_ssl: true, tls_config: {{ ca_file: {} }} }} }}
  tcp: {{ prober: tcp, timeout: 5s, tcp: {{ preferred_ip_protocol: ip4 }} }}
  dns: {{ prober: dns, timeout: 5s, dns: {{ preferred_ip_protocol: ip4, query_name: www.example.test, query_type: A }} }}
  icmp: {{ prober: icmp, timeout: 5s, icmp: {{ preferred_ip_protocol: ip4 }} }}
",
            ca.display()
        )
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        // The child ends at the end of its input; the signal is for one that hangs.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The targets' process: prints ports and the authority, serves until its input ends.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let addresses: Vec<String> = (1..=ADDRESSES).map(|at| format!("127.0.1.{at}")).collect();
        let names: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let authority = Authority::new();
        let tls = tokio_rustls::TlsAcceptor::from(Arc::new(authority.leaf(&names).server_config(&[])));
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let http = TcpListener::bind(SocketAddr::new(any, 0)).await.expect("a port");
        let https = TcpListener::bind(SocketAddr::new(any, 0)).await.expect("a port");
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        // One socket for each address: a reply must come from where the query went.
        let dns = UdpSocket::bind("127.0.1.1:0").await.expect("a port");
        let dns_port = dns.local_addr().expect("an address").port();
        tokio::spawn(answer_names(dns));
        for at in 2..=ADDRESSES {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, at), dns_port)).await.expect("the same port");
            tokio::spawn(answer_names(socket));
        }
        println!("{}\n{}\n{dns_port}\n{}end", port(&http), port(&https), authority.pem());
        std::io::stdout().flush().expect("a pipe");
        tokio::spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                tokio::spawn(answer_page(stream));
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = https.accept().await {
                let tls = tls.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        answer_page(stream).await;
                    }
                });
            }
        });
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
            .await
            .expect("read")
            .expect("read");
    });
}

async fn answer_page(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut head = [0; 2048];
    let mut read = 0;
    while !head[..read].ends_with(b"\r\n\r\n") {
        match stream.read(&mut head[read..]).await {
            Ok(more) if more > 0 => read += more,
            _ => return,
        }
    }
    let answer =
        b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nhello, probe\n";
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

/// Answers every question with one address.
async fn answer_names(socket: UdpSocket) {
    let mut message = [0; 512];
    while let Ok((length, peer)) = socket.recv_from(&mut message).await {
        if !(12..=400).contains(&length) {
            continue;
        }
        // A reply, authoritative, with the question and one answer that points to its name.
        message[2] = 0x84 | (message[2] & 1);
        message[3] = 0;
        message[6..8].copy_from_slice(&[0, 1]);
        let answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 1, 1];
        message[length..length + answer.len()].copy_from_slice(&answer);
        let _ = socket.send_to(&message[..length + answer.len()], peer).await;
    }
}
