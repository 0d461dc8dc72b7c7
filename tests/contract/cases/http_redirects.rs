//! `http`: H26 to H38, redirects.

use tuermer_probes::testkit::Peer;

use crate::case::{Case, case};
use crate::serve::{Asked, Served, Site, noting_names, page};

/// A module with these settings.
fn module(settings: &str) -> String {
    format!("{{ prober: http, timeout: 3s, http: {{ preferred_ip_protocol: ip4, {settings} }} }}")
}

/// A redirect.
fn redirect(status: u16, location: &str) -> Vec<u8> {
    page(status, &format!("Location: {location}\nContent-Type: text/plain"), "elsewhere")
}

/// `/first` leads to a place; everything else is a page.
fn leading(status: u16, location: impl Fn(&Asked) -> String) -> impl Fn(&Asked) -> Vec<u8> {
    move |asked| if asked.path == "/first" { redirect(status, &location(asked)) } else { page(200, "", "arrived") }
}

/// The port that was asked for.
fn port(asked: &Asked) -> String {
    asked.header("host").rsplit(':').next().unwrap_or_default().to_owned()
}

pub(super) fn cases() -> Vec<Case> {
    [followed(), unfollowed(), bodies(), confidential(), encrypted()].concat()
}

fn followed() -> Vec<Case> {
    let chain = |length: u32| {
        move |asked: &Asked| {
            let step: u32 = asked.path[1..].parse().unwrap_or_default();
            if step < length { redirect(302, &format!("/{}", step + 1)) } else { page(200, "", "arrived") }
        }
    };
    vec![
        case("H26", "a_relative_redirect_is_followed")
            .module(module("headers: { Host: vhost.example }"))
            .serve(|| Site::open(leading(302, |_| "/second".to_owned())))
            .target("{peer}/first")
            .expect("success 1; http_redirects 1; http_status_code 200; http_uncompressed_body_length 7")
            .heard_has("GET /first HTTP/1.1\r\nHost: vhost.example\r\n")
            .heard_has("GET /second HTTP/1.1\r\nHost: vhost.example\r\n"),
        case("H29", "ten_redirects_are_followed")
            .module(module(""))
            .target("{peer}/0")
            .row("ten")
            .serve(move || Site::open(chain(10)))
            .expect("success 1; http_redirects 10; http_status_code 200")
            .heard_has("GET /10 ")
            .row("eleven")
            .serve(move || Site::open(chain(11)))
            .expect("success 0; http_redirects 11; http_status_code 302")
            .heard_has("GET /10 ")
            .heard_lacks("GET /11 "),
        case("H30", "a_redirect_to_nowhere_is_an_answer")
            .module(module(""))
            .serve(|| Site::open(|_| page(302, "", "elsewhere")))
            .expect("success 0; http_redirects 0; http_status_code 302; http_content_length 9"),
        case("H31", "a_redirect_to_a_closed_port_is_no_answer")
            .module(module(""))
            .serve(|| async {
                let closed = Peer::closed_port().await;
                Site::open(move |_| redirect(302, &format!("http://{closed}/"))).await
            })
            .expect(
                "success 0; http_redirects 1; http_status_code 0; http_version 0; http_content_length 0; http_ssl 0",
            ),
        case("H34", "a_cookie_set_on_the_way_is_brought_along")
            .module(module(""))
            .serve(|| {
                Site::open(|asked| match asked.path.as_str() {
                    "/first" => page(302, "Location: /second\nSet-Cookie: session=1; Path=/", ""),
                    _ if asked.header("cookie") == "session=1" => page(200, "", ""),
                    _ => page(403, "", ""),
                })
            })
            .target("{peer}/first")
            .expect("success 1; http_redirects 1; http_status_code 200"),
    ]
}

fn unfollowed() -> Vec<Case> {
    vec![
        case("H27", "a_redirect_can_be_the_answer")
            .module(module("follow_redirects: false, valid_status_codes: [302]"))
            .serve(|| Site::open(leading(302, |_| "/second".to_owned())))
            .target("{peer}/first")
            .expect("success 1; http_redirects 1; http_status_code 302; http_uncompressed_body_length 0")
            .heard_lacks("/second"),
        case("H28", "the_body_of_such_a_redirect_is_read_if_a_rule_asks_for_it")
            .serve(|| Site::open(leading(302, |_| "/second".to_owned())))
            .target("{peer}/first")
            .row("it matches not")
            .module(module("follow_redirects: false, valid_status_codes: [302], fail_if_body_matches_regexp: [zzz]"))
            .expect("success 1; failed_due_to_regex 0; http_uncompressed_body_length 9")
            .row("it matches")
            .module(module("follow_redirects: false, valid_status_codes: [302], fail_if_body_matches_regexp: [else]"))
            .expect("success 0; failed_due_to_regex 1"),
    ]
}

fn bodies() -> Vec<Case> {
    let posting = "method: POST, body: hello, headers: { Content-Type: text/x }";
    vec![
        case("H32", "method_and_body_follow_as_the_status_says")
            .module(module(posting))
            .target("{peer}/first")
            .row("302")
            .serve(|| Site::open(second(302, "GET", "", "")))
            .expect("success 1; http_redirects 1")
            .row("303")
            .serve(|| Site::open(second(303, "GET", "", "")))
            .expect("success 1; http_redirects 1")
            .row("307")
            .serve(|| Site::open(second(307, "POST", "text/x", "hello")))
            .expect("success 1; http_redirects 1"),
        case("H33", "a_body_from_a_file_is_not_sent_twice")
            .module(module("method: POST, body_file: '{body}'"))
            .not_in_0_23("module: body_file is newer")
            .serve(|| async {
                let site = Site::open(leading(307, |_| "/second".to_owned())).await;
                Served::from(site).file("body", "hello")
            })
            .target("{peer}/first")
            .expect("success 0; http_redirects 0; http_status_code 307")
            .heard_lacks("/second"),
    ]
}

/// `/first` leads elsewhere with this status; there only this method, type and body are right.
fn second(status: u16, method: &'static str, kind: &'static str, body: &'static str) -> impl Fn(&Asked) -> Vec<u8> {
    move |asked| match asked.path.as_str() {
        "/first" => redirect(status, "/second"),
        _ if (asked.method.as_str(), asked.header("content-type"), asked.body.as_slice())
            == (method, kind, body.as_bytes()) =>
        {
            page(200, "", "")
        }
        _ => page(400, "", ""),
    }
}

fn confidential() -> Vec<Case> {
    // Pages that say whether the second request brought what it should.
    let arriving = |location: fn(&Asked) -> String, due: [(&'static str, &'static str); 2]| {
        move |asked: &Asked| match asked.path.as_str() {
            "/first" => redirect(302, &location(asked)),
            _ if due.iter().all(|(name, value)| asked.header(name) == *value) => page(200, "", ""),
            _ => page(400, "", ""),
        }
    };
    let own_name: fn(&Asked) -> String = |asked| format!("http://one.test:{}/second", port(asked));
    let relative: fn(&Asked) -> String = |_| "/second".to_owned();
    let address: fn(&Asked) -> String = |asked| format!("http://127.0.0.1:{}/second", port(asked));
    let basic = "basic_auth: { username: u, password: p }";
    let shown = [("authorization", "Basic dTpw"), ("host", "one.test:{port}")];
    let hidden = [("authorization", ""), ("x-none", "")];
    vec![
        case("H35", "credentials_are_lost_on_a_redirect_to_the_own_name")
            .module(module(basic))
            .target("http://one.test:{port}/first")
            .row("absolute")
            .serve(move || Site::open(arriving(own_name, hidden)))
            .expect("success 1; http_redirects 1; http_status_code 200")
            .row("relative")
            .serve(move || Site::open(arriving(relative, [shown[0], ("x-none", "")])))
            .expect("success 1; http_redirects 1; http_status_code 200")
            .row("absolute, and the module trusts the own name")
            .module(module(&format!("{basic}, trust_own_name_redirects: true")))
            .not_in_0_23("module: the setting is tuermer's")
            .serve(move || Site::open(arriving(own_name, [shown[0], ("x-none", "")])))
            .expect("success 1; http_redirects 1; http_status_code 200")
            .row("absolute, by address")
            .target("http://127.0.0.1:{port}/first")
            .module(module(basic))
            .serve(move || Site::open(arriving(address, [shown[0], ("x-none", "")])))
            .expect("success 1; http_redirects 1; http_status_code 200"),
        case("H36", "cookies_of_the_module_stay_and_other_headers_go_along")
            .module(module("headers: { Cookie: own=1, X-K: yes }"))
            .target("http://one.test:{port}/first")
            .serve(move || {
                let other: fn(&Asked) -> String = |asked| format!("http://other.test:{}/second", port(asked));
                Site::open(arriving(other, [("cookie", ""), ("x-k", "yes")]))
            })
            .expect("success 1; http_redirects 1; http_status_code 200")
            .heard_has("Cookie: own=1\r\n"),
        case("H37", "an_absolute_redirect_has_the_host_it_names")
            .module(module("headers: { Host: 'v.test:1' }"))
            .target("{peer}/first")
            .row("relative")
            .serve(move || Site::open(arriving(relative, [("host", "v.test:1"), ("x-none", "")])))
            .expect("success 1; http_redirects 1; http_status_code 200")
            .row("absolute")
            .serve(|| async {
                let there = Site::open(|asked| {
                    if asked.header("host").starts_with("other.test:") { page(200, "", "") } else { page(400, "", "") }
                });
                let there = Served::from(there.await);
                let port = there.variables().iter().find(|(name, _)| name == "port").map(|(_, port)| port.clone());
                let location = format!("http://other.test:{}/second", port.expect("a site has a port"));
                Served::from(Site::open(move |_| redirect(302, &location)).await).and("there", there)
            })
            .expect("success 1; http_redirects 1; http_status_code 200"),
    ]
}

fn encrypted() -> Vec<Case> {
    vec![
        case("H38", "a_redirect_may_lead_into_encryption")
            .module(module("tls_config: { ca_file: '{ca}' }"))
            .target("http://one.test:{port}/first")
            .serve(|| async {
                let (config, names) = noting_names(&["other.test"]);
                let there = Served::from(Site::open_encrypted(config, |_| page(200, "", "")).await);
                let port = there.variables().iter().find(|(name, _)| name == "port").map(|(_, port)| port.clone());
                let location = format!("https://other.test:{}/", port.expect("a site has a port"));
                Served::from(Site::open(move |_| redirect(302, &location)).await)
                    .and("there", there)
                    .hearing(move || names.all())
            })
            .expect("success 1; http_redirects 1; http_status_code 200; http_ssl 1; ssl_earliest_cert_expiry > 0")
            .expect("tls_version_info; ssl_last_chain_info; http_duration_seconds{phase=tls} > 0")
            .heard_has("other.test\n"),
    ]
}
