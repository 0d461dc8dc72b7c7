//! Redirects, cookies, and where credentials go.

use rcgen::ExtendedKeyUsagePurpose;
use rustls::ServerConfig;
use serde_json::{Value, json};

use super::site::{Seen, Site, page, redirect};
use super::{answer, answering, dialogue, heard, lengths, probe, probe_peer, read, reads};
use crate::report::Report;
use crate::testkit::{Authority, Peer, gist};

/// Status and redirects of a report.
fn outcome(report: &Report) -> (String, [Option<f64>; 2]) {
    (gist(report), reads(report, ["http_status_code", "http_redirects"]))
}

/// `/first` leads to a place, everything else is a page.
async fn site(status: u16, location: impl Fn(&Seen) -> String + Send + Sync + 'static) -> Site {
    Site::open(move |seen| if seen.path == "/first" { redirect(status, &location(seen)) } else { page("arrived") })
        .await
}

#[tokio::test]
async fn a_relative_redirect_is_followed() {
    let site = site(302, |_| "/second?token=hunter2".to_owned()).await;
    let report = probe(json!({"headers": {"Host": "vhost.example"}}), &site.url("/first")).await;
    assert_eq!(outcome(&report), ("up".to_owned(), [Some(200.0), Some(1.0)]));
    assert_eq!(read(&report, "http_uncompressed_body_length"), Some(7.0));
    let hosts: Vec<_> = site.seen().iter().map(|seen| seen.header("host").to_owned()).collect();
    assert_eq!(hosts, ["vhost.example", "vhost.example"]);
    let due = ["> GET /first HTTP/1.1", "< HTTP/1.1 302 Found", "> GET /second HTTP/1.1", "< HTTP/1.1 200 OK"];
    assert_eq!(dialogue(&report), due);
}

#[tokio::test]
async fn an_absolute_redirect_has_the_host_it_names() {
    let site = site(302, |seen| format!("http://localhost:{}/second", port(seen))).await;
    let settings = json!({"headers": {"Host": format!("vhost.example:{}", site.port())}});
    let report = probe(settings, &site.url("/first")).await;
    assert_eq!(outcome(&report), ("up".to_owned(), [Some(200.0), Some(1.0)]));
    assert_eq!(site.seen()[1].header("host"), format!("localhost:{}", site.port()));
}

/// The port that a request asked for.
fn port(seen: &Seen) -> String {
    seen.header("host").rsplit(':').next().expect("a port").to_owned()
}

#[tokio::test]
async fn a_redirect_can_be_the_answer() {
    let site = site(302, |_| "/second".to_owned()).await;
    let settings = json!({"follow_redirects": false, "valid_status_codes": [302]});
    let report = probe(settings, &site.url("/first")).await;
    assert_eq!(outcome(&report), ("up".to_owned(), [Some(302.0), Some(1.0)]));
    assert_eq!(read(&report, "http_uncompressed_body_length"), Some(0.0));
    let settings = json!({"no_follow_redirects": true, "valid_status_codes": [302]});
    assert_eq!(outcome(&probe(settings, &site.url("/first")).await).0, "up");
    let settings = json!({"no_follow_redirects": false, "follow_redirects": false});
    assert_eq!(outcome(&probe(settings, &site.url("/first")).await).1, [Some(200.0), Some(1.0)]);
    assert_eq!(site.seen().len(), 4);
}

#[tokio::test]
async fn the_body_of_a_redirect_is_read_if_a_rule_asks_for_it() {
    let site = site(302, |_| "/second".to_owned()).await;
    let rule = |pattern| {
        json!({
            "follow_redirects": false,
            "valid_status_codes": [302],
            "fail_if_body_not_matches_regexp": [pattern],
        })
    };
    let report = probe(rule("elsewhere"), &site.url("/first")).await;
    assert_eq!((gist(&report), read(&report, "failed_due_to_regex")), ("up".to_owned(), Some(0.0)));
    let report = probe(rule("zzz"), &site.url("/first")).await;
    assert_eq!(gist(&report), "body_unexpected in check");
}

/// `/0` leads to `/1`, and so on to `/last`.
async fn chain(last: u32) -> Site {
    Site::open(move |seen| {
        let number: u32 = seen.path[1..].parse().expect("a number");
        if number == last { page("arrived") } else { redirect(302, &format!("/{}", number + 1)) }
    })
    .await
}

#[tokio::test]
async fn ten_redirects_are_followed_and_no_more() {
    let site = chain(10).await;
    assert_eq!(outcome(&probe(json!({}), &site.url("/0")).await), ("up".to_owned(), [Some(200.0), Some(10.0)]));
    let site = chain(11).await;
    let report = probe(json!({}), &site.url("/0")).await;
    assert_eq!(outcome(&report), ("redirect_limit in check".to_owned(), [Some(302.0), Some(11.0)]));
    assert_eq!(read(&report, "http_uncompressed_body_length"), Some(0.0));
    assert_eq!(site.seen().len(), 11);
}

#[tokio::test]
async fn a_loop_is_left() {
    let site = Site::open(|seen| redirect(307, &seen.path)).await;
    let report = probe(json!({}), &site.url("/round")).await;
    assert_eq!(outcome(&report), ("redirect_limit in check".to_owned(), [Some(307.0), Some(11.0)]));
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_an_answer() {
    for (status, headers) in [("302 Found", ""), ("302 Found", "Location:\r\n"), ("304 Same", "Location: /x\r\n")] {
        let peer = answering(format!("HTTP/1.1 {status}\r\n{headers}\r\n")).await;
        let report = probe_peer(json!({}), &peer).await;
        let code: f64 = status[..3].parse().expect("a number");
        assert_eq!(outcome(&report), ("status_unexpected in check".to_owned(), [Some(code), Some(0.0)]));
    }
}

#[tokio::test]
async fn a_redirect_to_something_else_fails() {
    for (location, redirects) in
        [("http://[::1/", 0.0), ("http://h:99999/", 0.0), ("ftp://h/", 1.0), ("file:///etc/passwd", 1.0)]
    {
        let peer = answering(answer("302 Found", &format!("Location: {location}\r\n"), "")).await;
        let report = probe_peer(json!({}), &peer).await;
        let due = ("redirect_invalid in processing".to_owned(), [Some(0.0), Some(redirects)]);
        assert_eq!(outcome(&report), due, "{location}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_closed_port_has_no_answer() {
    let closed = Peer::closed_port().await;
    let peer = answering(answer("302 Found", &format!("Location: http://{closed}/\r\n"), "")).await;
    let report = probe_peer(json!({}), &peer).await;
    assert_eq!(outcome(&report), ("connect_refused in connect".to_owned(), [Some(0.0), Some(1.0)]));
    assert_eq!(reads(&report, ["http_version", "http_content_length", "http_ssl"]), [Some(0.0); 3]);
}

#[tokio::test]
async fn method_and_body_follow_as_the_status_says() {
    for (status, method, body) in
        [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "hello"), (308, "POST", "hello")]
    {
        let site = site(status, |_| "/second".to_owned()).await;
        let settings = json!({"method": "POST", "body": "hello", "headers": {"Content-Type": "text/x"}});
        assert_eq!(outcome(&probe(settings, &site.url("/first")).await).0, "up");
        let second = &site.seen()[1];
        assert_eq!((second.method.as_str(), second.body.as_ref()), (method, body.as_bytes()), "{status}");
        assert_eq!(second.headers.contains_key("content-type"), !body.is_empty());
        assert_eq!(second.headers.contains_key("content-length"), !body.is_empty());
    }
    let site = site(302, |_| "/second".to_owned()).await;
    assert_eq!(outcome(&probe(json!({"method": "HEAD"}), &site.url("/first")).await).0, "up");
    assert_eq!(site.seen()[1].method, "HEAD");
}

#[tokio::test]
async fn a_body_from_a_file_is_not_sent_twice() {
    let file = super::requests::Scratch::with("hello");
    let site = site(307, |_| "/second".to_owned()).await;
    let settings = json!({"method": "POST", "body_file": file.path()});
    let report = probe(settings, &site.url("/first")).await;
    assert_eq!(outcome(&report), ("status_unexpected in check".to_owned(), [Some(307.0), Some(0.0)]));
    assert_eq!(lengths(&report)[2], Some(9.0));
}

#[tokio::test]
async fn cookies_set_on_the_way_are_brought_along() {
    let site = Site::open(|seen| {
        let mut page = if seen.path == "/first" { redirect(302, "/second") } else { page("") };
        page.headers_mut().append("set-cookie", "a=1; Path=/; HttpOnly".parse().expect("a value"));
        page.headers_mut().append("set-cookie", "b=2; Path=/elsewhere".parse().expect("a value"));
        page
    })
    .await;
    assert_eq!(gist(&probe(json!({}), &site.url("/first")).await), "up");
    assert_eq!(gist(&probe(json!({"headers": {"Cookie": "own=0"}}), &site.url("/first")).await), "up");
    let cookies: Vec<_> = site.seen().iter().map(|seen| seen.header("cookie").to_owned()).collect();
    assert_eq!(cookies, ["", "a=1", "own=0", "own=0; a=1"]);
}

#[tokio::test]
async fn a_module_can_bring_cookies_and_follow_fewer_redirects() {
    let other = Site::open(|_| page("")).await;
    let away = other.url("/away");
    let site = Site::open(move |seen| match seen.path.as_str() {
        "/first" => {
            let mut page = redirect(302, "/second");
            page.headers_mut().append("set-cookie", "b=new; Path=/".parse().expect("a value"));
            page
        }
        _ => redirect(302, &away),
    })
    .await;
    let mut settings = json!({"cookies": {"a": "hunter2", "b": "old"}});
    let report = probe(settings.clone(), &site.url("/first")).await;
    assert_eq!(outcome(&report), ("up".to_owned(), [Some(200.0), Some(2.0)]));
    let cookies: Vec<_> = site.seen().iter().map(|seen| seen.header("cookie").to_owned()).collect();
    assert_eq!(cookies, ["a=hunter2; b=old", "a=hunter2; b=new"]);
    // The port is another, so the origin is; cookies of servers know no ports (RFC 6265 section 8.5).
    assert_eq!(other.seen()[0].header("cookie"), "b=new");
    let notes: String = report.notes.iter().map(|(_, _, text)| text.to_owned()).collect();
    assert!(!notes.contains("hunter2"), "{notes}");
    settings["redirect_limit"] = json!(1);
    let report = probe(settings, &site.url("/first")).await;
    assert_eq!(outcome(&report), ("redirect_limit in check".to_owned(), [Some(302.0), Some(2.0)]));
    assert_eq!(report.failure().expect("a failure").message(), "more than 1 redirects");
    let report = probe(json!({"cookies": {"a": "b;c"}}), &site.url("/first")).await;
    assert_eq!(gist(&report), "config_unusable in check");
}

/// Credentials of every sort, and a header that is none.
fn credentials() -> Value {
    json!({
        "basic_auth": {"username": "u", "password": "p"},
        "headers": {"Cookie": "own=0", "X-Open": "yes", "Proxy-Authorization": "x"},
        "http_headers": {"X-Key": {"secrets": ["hunter2"]}},
    })
}

/// Which of the credentials a request brought.
fn brought(seen: &Seen) -> [&str; 5] {
    ["authorization", "cookie", "proxy-authorization", "x-key", "x-open"].map(|name| seen.header(name))
}

const ALL: [&str; 5] = ["Basic dTpw", "own=0", "x", "hunter2", "yes"];
const OPEN: [&str; 5] = ["", "", "", "", "yes"];

#[tokio::test]
async fn credentials_stay_with_their_host() {
    let site = site(302, |seen| match seen.header("host").split_once(':') {
        Some((_, port)) => format!("http://127.0.0.1:{port}/second"),
        None => unreachable!("the port is not the default"),
    })
    .await;
    probe(credentials(), &site.url("/first")).await;
    probe(credentials(), &format!("http://localhost:{}/first", site.port())).await;
    let brought: Vec<_> = site.seen().iter().map(|seen| brought(seen).map(str::to_owned)).collect();
    assert_eq!(brought, [ALL, ALL, ALL, OPEN].map(|values| values.map(str::to_owned)));
}

#[tokio::test]
async fn credentials_that_were_dropped_stay_dropped() {
    let site = Site::open(|seen| match seen.path.as_str() {
        "/first" => redirect(302, &format!("http://localhost:{}/away", port(seen))),
        "/away" => redirect(302, &format!("http://127.0.0.1:{}/home", port(seen))),
        _ => page(""),
    })
    .await;
    assert_eq!(outcome(&probe(credentials(), &site.url("/first")).await).0, "up");
    let seen = site.seen();
    assert_eq!([brought(&seen[0]), brought(&seen[1]), brought(&seen[2])], [ALL, OPEN, OPEN]);
}

#[tokio::test]
async fn the_targets_own_name_is_trusted_where_the_module_says_so() {
    let site = site(302, |seen| format!("http://localhost:{}/second", port(seen))).await;
    let target = format!("http://localhost:{}/first", site.port());
    let mut settings = credentials();
    // Without the switch a secret header stays with the target by name, as in blackbox_exporter, but no credentials.
    settings["http_headers"]["X-Auth-Token"] = json!({"values": ["t"]});
    probe(settings.clone(), &target).await;
    settings["trust_own_name_redirects"] = json!(true);
    probe(settings, &target).await;
    let seen = site.seen();
    assert_eq!([brought(&seen[0]), brought(&seen[2]), brought(&seen[3])], [ALL; 3]);
    assert_eq!(brought(&seen[1]), ["", "", "", "hunter2", "yes"]);
    assert!(seen.iter().all(|seen| seen.header("x-auth-token") == "t"));
}

#[tokio::test]
async fn nothing_confidential_goes_to_another_port_or_loses_encryption() {
    let authority = Authority::new();
    let plain = Site::open(|_| page("")).await;
    let port = plain.port();
    let config = authority.leaf(&["localhost"]).server_config(&[]);
    let encrypted = Site::open_encrypted(config, move |_| redirect(302, &format!("http://localhost:{port}/"))).await;
    let port = encrypted.port();
    let entrance = site(302, move |_| format!("https://localhost:{port}/")).await;
    let mut settings = credentials();
    settings["trust_own_name_redirects"] = json!(true);
    settings["headers"]["X-Api-Key"] = json!("hunter2");
    settings["tls_config"] = json!({"ca": authority.pem()});
    let report = probe(settings, &format!("http://localhost:{}/first", entrance.port())).await;
    assert_eq!(outcome(&report), ("up".to_owned(), [Some(200.0), Some(2.0)]));
    assert_eq!(entrance.seen()[0].header("x-api-key"), "hunter2");
    for site in [&encrypted, &plain] {
        assert_eq!(brought(&site.seen()[0]), OPEN);
        assert_eq!(site.seen()[0].header("x-api-key"), "");
    }
    assert_eq!(read(&report, "http_ssl"), Some(0.0));
}

#[tokio::test]
async fn a_client_certificate_stays_with_its_origin() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.leaf(&["localhost"]).server_for_clients_of(&clients, &rustls::version::TLS12);
    let open = |first: Option<u16>| {
        Site::open_encrypted(ServerConfig::clone(&server), move |seen| match (seen.path.as_str(), first) {
            ("/own", _) => redirect(302, &format!("https://localhost:{}/", port(seen))),
            ("/away", Some(port)) => redirect(302, &format!("https://localhost:{port}/")),
            _ => page(""),
        })
    };
    let other = open(None).await;
    let site = open(Some(other.port())).await;
    let client =
        clients.leaf_with(&[], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let tls = json!({"ca": authority.pem(), "cert": client.pem, "key": client.key_pem, "server_name": "localhost"});
    for trusted in [false, true] {
        let settings = json!({"tls_config": tls, "trust_own_name_redirects": trusted});
        let url = |path| format!("https://localhost:{}{path}", site.port());
        assert_eq!(gist(&probe(settings.clone(), &url("/own")).await), "up");
        // The other server takes nobody without a certificate.
        assert_eq!(gist(&probe(settings, &url("/away")).await), "tls_alert in tls");
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn the_targets_user_stays_with_its_host() {
    let site = site(302, |seen| format!("http://localhost:{}/second", port(seen))).await;
    let target = site.url("/first").replace("//", "//u:p@");
    assert_eq!(outcome(&probe(json!({}), &target).await).0, "up");
    let seen = site.seen();
    assert_eq!([seen[0].header("authorization"), seen[1].header("authorization")], ["Basic dTpw", ""]);
}

#[tokio::test]
async fn a_redirect_that_sets_ten_thousand_cookies_is_too_long() {
    let cookies: String = (0..10_000).map(|n| format!("Set-Cookie: c{n}={n}\r\n")).collect();
    let peer = answering(answer("302 Found", &format!("Location: /x\r\n{cookies}"), "")).await;
    assert_eq!(gist(&probe_peer(json!({}), &peer).await), "too_long in processing");
    assert!(!heard(&peer).contains("Cookie"));
}
