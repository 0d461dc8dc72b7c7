//! `http`: H80 to H86, versions of HTTP, and what stands before and around an answer.

use std::convert::Infallible;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tuermer_probes::testkit::{Http3Act, Http3Peer, close, hear, in_days, say};

use crate::case::{Case, case};
use crate::serve::{Served, Site, authority, page};

const HTTP_3_IS_NEWER: &str = "module: HTTP/3 is newer";

/// A TLS server for `localhost` that offers these protocols and answers whichever is taken with status 200.
pub(super) async fn http2_site(alpn: &'static [&'static str]) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let config = std::sync::Arc::new(authority().leaf(&["localhost"]).server_config(alpn));
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = config.clone();
            tokio::spawn(async move {
                let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(stream).await else { return };
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = service_fn(|_: Request<hyper::body::Incoming>| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
                });
                // Connections end as they like: the answer is looked at.
                if is_http2 {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                } else {
                    let builder = hyper::server::conn::http1::Builder::new();
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                }
            });
        }
    });
    Served::from(address).keep(task)
}

async fn http3_site() -> Served {
    let config = authority().leaf(&["localhost"]).server_config(&["h3"]);
    let peer = Http3Peer::play(config, |_| Http3Act::page("hello"));
    Served::from(peer.address()).keep(peer)
}

/// A module of HTTP/3 with further settings, one a line.
fn http3(settings: &str) -> String {
    format!(
        "prober: http\ntimeout: 5s\nhttp:\n  enable_http3: true\n  enable_http2: false\n  tls_config: {{ \
         insecure_skip_verify: true }}\n  {settings}"
    )
}

pub(super) fn cases() -> Vec<Case> {
    [http_3(), http_2(), oddities()].concat()
}

fn http_3() -> Vec<Case> {
    let up = "success 1; http_version 3; http_status_code 200; http_ssl 1; http_content_length 5; \
              http_uncompressed_body_length 5; tls_version_info{version=\"TLS 1.3\"} 1; \
              http_duration_seconds{phase=connect} > 0; http_duration_seconds{phase=tls} > 0; \
              http_duration_seconds{phase=processing} > 0; http_duration_seconds{phase=transfer} > 0";
    vec![
        case("H80", "http_3_is_spoken")
            .not_in_0_23(HTTP_3_IS_NEWER)
            .serve(http3_site)
            .target("https://{peer}/")
            .row("any version")
            .module(http3(""))
            .expect(up)
            .row("HTTP/3.0")
            .module(http3("valid_http_versions: [HTTP/3.0]"))
            .expect(up),
        case("H81", "http_3_is_always_encrypted")
            .not_in_0_23(HTTP_3_IS_NEWER)
            .serve(http3_site)
            .module(http3(""))
            .target("HtTp://{peer}/")
            .expect(up),
        case("H82", "http_3_needs_no_scheme")
            .not_in_0_23(HTTP_3_IS_NEWER)
            .serve(http3_site)
            .module(http3(""))
            .target("{peer}")
            .expect(up),
    ]
}

fn http_2() -> Vec<Case> {
    let module = |http2: bool| {
        format!(
            "prober: http\ntimeout: 2s\nhttp:\n  enable_http2: {http2}\n  tls_config: {{ insecure_skip_verify: true }}"
        )
    };
    vec![
        case("H83", "http_2_is_offered_unless_it_is_switched_off")
            .target("https://{peer}/")
            .row("on")
            .serve(|| http2_site(&["h2", "http/1.1"]))
            .module(module(true))
            .expect("success 1; http_version 2; http_ssl 1")
            .row("off")
            .serve(|| http2_site(&["h2", "http/1.1"]))
            .module(module(false))
            .expect("success 1; http_version 1.1; http_ssl 1"),
    ]
}

fn oddities() -> Vec<Case> {
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    vec![
        case("H84", "rules_see_bytes_that_are_no_text")
            .module("prober: http\ntimeout: 2s\nhttp:\n  fail_if_body_not_matches_regexp: ['^..\\x00abc\\n$']")
            .serve(|| Site::open(|_| page(200, "", b"\xff\xfe\x00abc\n")))
            .expect("success 1; failed_due_to_regex 0; http_uncompressed_body_length 7"),
        case("H85", "informational_answers_are_passed_over")
            .module("{ prober: http, timeout: 2s }")
            .peer([hear("\r\n\r\n"), say(&early[..]), close()])
            .expect("success 1; http_status_code 200; http_content_length 2; http_redirects 0"),
        case("H86", "the_certificate_that_ends_first_is_shown")
            .module("prober: http\ntimeout: 2s\nhttp:\n  preferred_ip_protocol: ip4\n  tls_config: { ca_file: '{ca}' }")
            .serve(|| async {
                let until = in_days(10.0);
                let leaf = authority().leaf_valid(&["localhost"], in_days(-1.0), until);
                let leaf = leaf.with_chain([authority().der()]);
                let site = Site::open_encrypted(leaf.server(), |_| page(200, "", "hello")).await;
                let until = until.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
                Served::from(site).with("until", until)
            })
            .target("https://localhost:{port}/")
            .expect(
                "success 1; ssl_earliest_cert_expiry {until}; ssl_last_chain_expiry_timestamp_seconds {until}; \
                 tls_version_info{version=\"TLS 1.3\"} 1",
            ),
    ]
}
