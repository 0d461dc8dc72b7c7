//! What is meant to bring an agent down: bodies without end, bodies that unpack to a thousand times their size, clients
//! that never finish, and too few file descriptors. None may cost much memory, and none may look like a service that is
//! down.

use std::time::{Duration, Instant};

use flate2::{Compress, Compression, FlushCompress};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tuermer_probes::testkit::{Peer, Responder, close, flood, hear, say};

use crate::daemon::tuermer::Tuermer;

/// Most memory that the agent may ever have had resident, in KiB, beside pages of its own program: 64 MiB, less the 16 that
/// the program takes up as it is built for use. Built for tests it is several times as large.
const RESIDENT_KIB_MAX: u64 = 48 << 10;

/// How many ask at the same time.
const AT_ONCE: usize = 4;

fn assert_small(tuermer: &Tuermer) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", tuermer.daemon.id())).expect("it runs");
    let kib = |name: &str| -> u64 {
        let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of this name");
        value.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("KiB")
    };
    let (peak, program) = (kib("VmHWM"), kib("RssFile"));
    println!("{peak} KiB at most, {program} of them the program");
    assert!(peak - program < RESIDENT_KIB_MAX, "{peak} KiB were resident, {program} of them the program");
}

/// Answers of some probes at once: each with its status and the time it took.
async fn ask(tuermer: &Tuermer, module: &str, target: &str, times: usize) -> Vec<(u16, String, Duration)> {
    let url = format!("http://{}/probe?module={module}&target={target}", tuermer.address);
    let mut asked = JoinSet::new();
    for _ in 0..times {
        let url = url.clone();
        asked.spawn(async move {
            let began = Instant::now();
            let response = reqwest::get(url).await.ok()?;
            Some((response.status().as_u16(), response.text().await.ok()?, began.elapsed()))
        });
    }
    asked.join_all().await.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_body_without_end_costs_little_and_ends_in_time() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
    let server = Peer::play(vec![hear("\r\n\r\n"), say(head), flood(b'x')]).await;
    let tuermer = Tuermer::start(
        "probe_metrics: all
modules:
  body: { prober: http, timeout: 2s, http: { preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ['y{3}z'] } }
  limited: { prober: http, timeout: 2s, limits: { bytes_received: 1000000 }, http: { preferred_ip_protocol: ip4 } }
  whole: { prober: http, timeout: 5s, http: { preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ['y\\B'] } }
  cel: { prober: http, timeout: 5s, http: { preferred_ip_protocol: ip4, fail_if_body_json_matches_cel: 'body.a' } }
  tcp: { prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip4, query_response: [{ expect: y }] } }
",
    );
    for module in ["body", "limited", "whole", "cel", "tcp"] {
        let answers = ask(&tuermer, module, &server.address().to_string(), AT_ONCE).await;
        assert_eq!(answers.len(), AT_ONCE);
        for (status, text, took) in answers {
            assert_eq!(status, 200, "{text}");
            assert!(text.contains("\nprobe_success 0\n"), "{text}");
            assert_eq!(text.contains("reason=\"received_limit\""), module == "limited", "{text}");
            // The machine may be slow; the reference took as long as it liked.
            assert!(took < Duration::from_secs(20), "{took:?}");
        }
    }
    assert_small(&tuermer);
}

/// A gzip file of about a mebibyte that unpacks to a gibibyte of zeros (RFC 1952): one block over and over. Nobody gets as
/// far as its checksum.
fn bomb() -> Vec<u8> {
    let mut block = vec![0; 16 << 10];
    let mut compress = Compress::new(Compression::best(), false);
    let zeros = vec![0; 1 << 20];
    compress.compress(&zeros, &mut block, FlushCompress::Full).expect("it fits");
    block.truncate(usize::try_from(compress.total_out()).expect("small"));
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for _ in 0..1 << 10 {
        bomb.extend_from_slice(&block);
    }
    bomb
}

#[tokio::test]
async fn a_body_that_unpacks_to_a_gibibyte_costs_little() {
    let bomb = bomb();
    assert!(bomb.len() < 2 << 20, "{} bytes", bomb.len());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
    let server = Peer::play(vec![hear("\r\n\r\n"), say([head.into_bytes(), bomb].concat()), close()]).await;
    let tuermer = Tuermer::start(
        "probe_metrics: all
modules:
  gzip: { prober: http, timeout: 5s, http: { preferred_ip_protocol: ip4, compression: gzip, fail_if_body_not_matches_regexp: [a] } }
",
    );
    for (status, text, _) in ask(&tuermer, "gzip", &server.address().to_string(), AT_ONCE).await {
        assert!(status == 200 && text.contains("\nprobe_success 0\n"), "{status}: {text}");
        assert!(text.contains("reason=\"body_too_large\""), "{text}");
    }
    assert_small(&tuermer);
}

#[tokio::test]
async fn a_body_of_very_many_values_costs_little() {
    let body = format!("[{}{{}}]", r#"{"a":1},"#.repeat(9_900));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let server = Peer::play(vec![hear("\r\n\r\n"), say(head + &body), close()]).await;
    let tuermer = Tuermer::start(
        "probe_metrics: all
modules:
  cel: { prober: http, timeout: 10s, http: { preferred_ip_protocol: ip4, fail_if_body_json_matches_cel: 'body.map(x, x).size() == 3' } }
",
    );
    for (status, text, _) in ask(&tuermer, "cel", &server.address().to_string(), AT_ONCE).await {
        // A slow machine may not get through in the time that rules have.
        assert!(status == 200 && text.contains("\nprobe_success 1\n") || status == 503, "{status}: {text}");
    }
    assert_small(&tuermer);
}

#[tokio::test]
async fn clients_that_never_finish_their_requests_keep_nobody_out() {
    let tuermer = Tuermer::start("modules: {}");
    let mut clients = Vec::new();
    for _ in 0..300 {
        let mut client = TcpStream::connect(tuermer.address).await.expect("a connection");
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-").await.expect("sent");
        clients.push(client);
    }
    assert_eq!(tuermer.get("/-/healthy").await.0, 200);
    let mut ended = JoinSet::new();
    for mut client in clients {
        ended.spawn(async move { client.read_to_end(&mut Vec::new()).await });
    }
    let all = tokio::time::timeout(Duration::from_secs(60), ended.join_all());
    assert!(all.await.is_ok(), "they are thrown out");
    assert_small(&tuermer);
}

/// One A record for whatever is asked (RFC 1035 section 4.1).
fn loopback(query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    // The end of the question is that of the message, but for what the client says of itself.
    answer.truncate(12 + query[12..].iter().position(|byte| *byte == 0).expect("a name") + 5);
    answer[8..12].fill(0);
    answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    answer
}

#[tokio::test]
async fn a_service_is_not_called_down_for_the_agents_lack_of_file_descriptors() {
    let server = Peer::play(vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), close()]).await;
    let names = Responder::udp(|query| vec![loopback(query)]).await;
    let open = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = open.local_addr().expect("an address");
    let accepting = tokio::spawn(async move { while open.accept().await.is_ok() {} });
    let tuermer = Tuermer::start_limited(
        &format!(
            "resolver: ['{}']
modules:
  port: {{ prober: tcp, timeout: 10s, tcp: {{ preferred_ip_protocol: ip4 }} }}
  web: {{ prober: http, timeout: 10s, http: {{ preferred_ip_protocol: ip4 }} }}
  name: {{ prober: tcp, timeout: 10s, tcp: {{ preferred_ip_protocol: ip4 }} }}
",
            names.address()
        ),
        80,
    );
    let name = format!("host.test:{}", address.port());
    for (module, target) in [("port", address.to_string()), ("web", server.address().to_string()), ("name", name)] {
        let answers = ask(&tuermer, module, &target, 480).await;
        assert!(answers.len() > 40, "{module}: {} answers", answers.len());
        for (status, text, _) in answers {
            let is_up = status == 200 && text.contains("\nprobe_success 1\n");
            assert!(status == 503 || is_up, "{module}: {status}: {text}");
        }
    }
    accepting.abort();
    assert_eq!(tuermer.get("/-/healthy").await.0, 200);
    assert_small(&tuermer);
}
