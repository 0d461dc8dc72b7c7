//! `http`: H64 to H79, TLS, targets, proxies, tokens, and what late answers leave behind.

use std::time::Duration;

use tuermer_probes::testkit::{Leaf, Peer, hear, hear_nothing_more, relay, say, trickle};

use crate::case::{Case, case};
use crate::serve::{Served, Site, certified, noting_names, page};

/// A module with these settings.
fn module(settings: &str) -> String {
    format!("{{ prober: http, timeout: 3s, http: {{ preferred_ip_protocol: ip4, {settings} }} }}")
}

/// What there is as soon as a target could be read.
const BEGUN: &str = "http_status_code http_content_length http_uncompressed_body_length http_redirects http_ssl \
                     http_version failed_due_to_regex";
/// What resolving adds.
const RESOLVED: &str = "dns_lookup_time_seconds ip_protocol ip_addr_hash http_duration_seconds";
/// What a connection adds that was encrypted and verified.
const VERIFIED: &str = "ssl_earliest_cert_expiry; ssl_last_chain_expiry_timestamp_seconds; ssl_last_chain_info; \
                        tls_version_info";
const NO_TLS: &str = "!ssl_earliest_cert_expiry; !ssl_last_chain_expiry_timestamp_seconds; !ssl_last_chain_info; \
                      !tls_version_info; !tls_cipher_info";

pub(super) fn cases() -> Vec<Case> {
    [certificates(), names(), settings(), targets(), proxies(), skipping(), tokens(), late()].concat()
}

/// A site whose certificate vouches for itself.
async fn self_signed() -> Site {
    let leaf = Leaf::self_signed(&["127.0.0.1", "localhost"], |_| {});
    Site::open_encrypted(leaf.server(), |_| page(200, "", "")).await
}

fn certificates() -> Vec<Case> {
    vec![
        case("H64", "a_certificate_that_nobody_trusts_leaves_nothing_behind")
            .module(module(""))
            .serve(self_signed)
            .target("https://{peer}/")
            .expect("success 0; http_ssl 0; http_status_code 0; http_version 0")
            .expect("http_duration_seconds{phase=connect} 0; http_duration_seconds{phase=tls} 0")
            .expect(NO_TLS),
        case("H65", "an_unverified_certificate_has_no_chain")
            .module(module("tls_config: { insecure_skip_verify: true }"))
            .serve(self_signed)
            .target("https://{peer}/")
            .expect("success 1; http_ssl 1; ssl_last_chain_expiry_timestamp_seconds -62135596800")
            .expect("ssl_earliest_cert_expiry > 0"),
    ]
}

fn names() -> Vec<Case> {
    vec![
        case("H66", "the_name_to_verify_is_the_targets")
            .module(module("tls_config: { ca_file: '{ca}' }"))
            .serve(|| Site::open_encrypted(certified(&["localhost"]), |_| page(200, "", "")))
            .target("https://localhost:{port}/")
            .expect("success 1; http_ssl 1; http_duration_seconds{phase=tls} > 0")
            .expect(VERIFIED),
        case("H67", "another_name_can_be_verified")
            .module(module("tls_config: { ca_file: '{ca}', server_name: foo.example.com }"))
            .serve(|| async {
                let (config, names) = noting_names(&["*.example.com"]);
                let site = Site::open_encrypted(config, |_| page(200, "", "")).await;
                Served::from(site).hearing(move || names.all())
            })
            .target("https://localhost:{port}/")
            .expect("success 1; http_ssl 1")
            .heard_has("Host: localhost:{port}\r\n")
            .heard_has("foo.example.com\n"),
        case("H68", "the_port_in_the_host_is_none_of_the_name")
            .module(module("headers: { Host: 'other.test:8443' }, tls_config: { ca_file: '{ca}' }"))
            .serve(|| Site::open_encrypted(certified(&["other.test"]), |_| page(200, "", "")))
            .target("https://{peer}/")
            .expect("success 1; http_ssl 1; http_status_code 200")
            .expect(VERIFIED)
            .heard_has("Host: other.test:8443\r\n"),
    ]
}

fn settings() -> Vec<Case> {
    vec![
        case("H69", "tls_settings_do_not_matter_without_encryption")
            .serve(|| Site::open(|_| page(200, "", "")))
            .row("unverified")
            .module(module("tls_config: { insecure_skip_verify: true }"))
            .expect("success 1; http_ssl 0")
            .row("an authority")
            .module(module("tls_config: { ca_file: '{ca}', server_name: foo }"))
            .expect("success 1; http_ssl 0"),
        case("H70", "an_impossible_range_of_versions_fails_before_connecting")
            .module(module("tls_config: { min_version: TLS13, max_version: TLS12 }"))
            .serve(|| Site::open(|_| page(200, "", "")))
            .expect("success 0; http_status_code 0; ip_protocol 4")
            .heard(""),
        case("H71", "an_encrypted_probe_has_five_phases")
            .module(module("tls_config: { ca_file: '{ca}' }"))
            .serve(|| Site::open_encrypted(certified(&["127.0.0.1"]), |_| page(200, "", "hello")))
            .target("https://{peer}/")
            .expect("success 1; http_duration_seconds{phase=resolve} > 0; http_duration_seconds{phase=connect} > 0")
            .expect("http_duration_seconds{phase=tls} > 0; http_duration_seconds{phase=processing} > 0")
            .expect("http_duration_seconds{phase=transfer} > 0; http_ssl 1")
            .only(format!(
                "{BEGUN} {RESOLVED} ssl_earliest_cert_expiry ssl_last_chain_expiry_timestamp_seconds \
                           ssl_last_chain_info tls_version_info tls_cipher_info"
            )),
    ]
}

fn targets() -> Vec<Case> {
    vec![
        case("H72", "a_targets_scheme_may_be_written_in_any_case")
            .module(module("tls_config: { ca_file: '{ca}' }"))
            .serve(|| async {
                let plain = Site::open(|_| page(200, "", "")).await;
                let encrypted = Site::open_encrypted(certified(&["127.0.0.1"]), |_| page(200, "", "")).await;
                Served::from(plain).and("encrypted", Served::from(encrypted))
            })
            .row("HTTP")
            .target("HTTP://{peer}/")
            .expect("success 1; http_ssl 0")
            .row("HtTpS")
            .target("HtTpS://{encrypted}/")
            .expect("success 1; http_ssl 1")
            .row("none")
            .target("{peer}")
            .expect("success 1; http_ssl 0")
            .row("another")
            .target("invalid://{peer}/")
            .expect("success 0; http_status_code 0; ip_protocol 0"),
        case("H73", "a_target_that_is_no_url_leaves_nothing_behind")
            .module(module(""))
            .row("port")
            .target("http://127.0.0.1:abc/")
            .expect("success 0")
            .only(BEGUN)
            .row("escape")
            .target("http://127.0.0.1/%zz")
            .expect("success 0")
            .only(BEGUN),
    ]
}

/// A proxy for plain requests.
async fn proxy() -> Site {
    Site::open(|_| page(200, "", "by proxy")).await
}

fn proxies() -> Vec<Case> {
    let tunnelling = || async {
        let site = Site::open_encrypted(certified(&["one.test"]), |_| page(200, "", "")).await;
        let site = Served::from(site);
        let variable = |name: &str| {
            site.variables().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).expect("known")
        };
        let there = variable("peer").parse().expect("an address");
        let script = vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\n\r\n"), relay(there)];
        Served::from(Peer::play(script).await).and("there", site)
    };
    vec![
        case("H75", "a_plain_request_names_the_host_to_the_proxy")
            .module(module("proxy_url: 'http://u:p@{peer}'"))
            .serve(proxy)
            .target("http://one.test/path?query")
            .expect("success 1; http_status_code 200; http_uncompressed_body_length 8; ip_protocol 4")
            .heard_has("GET http://one.test/path?query HTTP/1.1\r\nHost: one.test\r\n")
            .heard_has("Proxy-Authorization: Basic dTpw\r\n"),
        case("H76", "an_encrypted_request_goes_through_a_tunnel")
            .serve(tunnelling)
            .target("https://one.test/")
            .row("by address")
            .module(module(
                "proxy_url: 'http://u:p@{peer}', tls_config: { ca_file: '{ca}' }, proxy_connect_header: { X-A: [b] }",
            ))
            .expect("success 1; http_ssl 1; http_status_code 200")
            .heard_has("CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: 127.0.0.1:443\r\n")
            .heard_has("Proxy-Authorization: Basic dTpw\r\n")
            .heard_has("X-A: b\r\n")
            .row("by name")
            .module(module(
                "proxy_url: 'http://{peer}', tls_config: { ca_file: '{ca}' }, skip_resolve_phase_with_proxy: true",
            ))
            .expect("success 1; http_ssl 1; http_status_code 200; !ip_protocol")
            .heard_has("CONNECT one.test:443 HTTP/1.1\r\n")
            .row("without headers")
            .module(module("proxy_url: 'http://{peer}', tls_config: { ca_file: '{ca}' }"))
            .expect("success 1; http_ssl 1; http_status_code 200")
            .heard_has("CONNECT 127.0.0.1:443 HTTP/1.1\r\n"),
        case("H77", "with_exceptions_this_machine_is_asked_directly")
            .module(module("proxy_url: 'http://{proxy}', no_proxy: other.example"))
            .not_in_0_23("module: no_proxy is newer")
            .serve(|| async {
                let site = Site::open(|_| page(200, "", "directly")).await;
                Served::from(site).and("proxy", Served::from(proxy().await))
            })
            .expect("success 1; http_uncompressed_body_length 8")
            .heard_has("GET / HTTP/1.1\r\nHost: {peer}\r\n")
            .heard_lacks("GET http://"),
    ]
}

fn skipping() -> Vec<Case> {
    vec![
        case("H74", "a_name_can_be_left_to_the_proxy")
            .serve(proxy)
            .target("http://one.test/")
            .row("not skipped")
            .module(module("proxy_url: 'http://{peer}', skip_resolve_phase_with_proxy: false"))
            .expect("success 1; ip_protocol 4; http_duration_seconds{phase=resolve}")
            .row("skipped")
            .module(module("proxy_url: 'http://{peer}', skip_resolve_phase_with_proxy: true"))
            .expect("success 1; !http_duration_seconds{phase=resolve}")
            .only(format!("{BEGUN} http_duration_seconds"))
            .row("from the environment, not skipped")
            .environment("HTTP_PROXY", "http://127.0.0.1:1")
            .module(module("proxy_from_environment: true"))
            .not_in_0_23("module: proxy_from_environment is newer")
            .expect("success 0; ip_protocol 4; http_duration_seconds{phase=resolve}")
            .row("from the environment, skipped")
            .environment("HTTP_PROXY", "http://127.0.0.1:1")
            .module(module("proxy_from_environment: true, skip_resolve_phase_with_proxy: true"))
            .not_in_0_23("module: proxy_from_environment is newer")
            .expect("success 0; !ip_protocol; !http_duration_seconds{phase=resolve}")
            .row("without a proxy there is nobody to leave it to")
            .target("http://{peer}/")
            .module(module("skip_resolve_phase_with_proxy: true"))
            .expect("success 1; ip_protocol 4; http_duration_seconds{phase=resolve}"),
    ]
}

fn tokens() -> Vec<Case> {
    vec![
        case("H78", "a_token_is_fetched_and_shown")
            .module(module(
                "oauth2: { client_id: me, client_secret: hunter2, token_url: '{url}/token', scopes: [one, two], \
                 endpoint_params: { audience: a } }",
            ))
            .serve(|| {
                Site::open(|asked| match asked.path.as_str() {
                    "/token" => {
                        let form = String::from_utf8_lossy(&asked.body).into_owned();
                        let mut pairs: Vec<&str> = form.split('&').collect();
                        pairs.sort_unstable();
                        let is_right = asked.method == "POST"
                            && pairs == ["audience=a", "grant_type=client_credentials", "scope=one+two"]
                            && asked.header("content-type") == "application/x-www-form-urlencoded"
                            && asked.header("authorization") == "Basic bWU6aHVudGVyMg==";
                        let token = r#"{"access_token": "tok-1", "token_type": "Bearer"}"#;
                        page(if is_right { 200 } else { 401 }, "Content-Type: application/json", token)
                    }
                    _ if asked.header("authorization") == "Bearer tok-1" => page(200, "", ""),
                    _ => page(401, "", ""),
                })
            })
            .expect("success 1; http_status_code 200; http_duration_seconds{phase=resolve}; !http_duration_seconds{phase=token}")
            .only(format!("{BEGUN} {RESOLVED}")),
    ]
}

fn late() -> Vec<Case> {
    let slowly = "{ prober: http, timeout: 1s, http: { preferred_ip_protocol: ip4 } }";
    vec![
        case("H79", "what_came_before_the_deadline_is_told")
            .module(slowly)
            .row("no head")
            .peer([hear("\r\n\r\n"), hear_nothing_more()])
            .expect("success 0; http_status_code 0; http_duration_seconds{phase=processing} 0")
            .expect("http_duration_seconds{phase=transfer} 0; http_duration_seconds{phase=connect} > 0")
            .took(0.3, 2.5)
            .row("no body")
            .peer([
                hear("\r\n\r\n"),
                say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
                trickle("xxxx", Duration::from_millis(50)),
                hear_nothing_more(),
            ])
            .expect("success 0; http_status_code 200; http_duration_seconds{phase=transfer} > 0")
            .expect("http_duration_seconds{phase=processing} > 0; http_content_length 100")
            .took(0.3, 2.5),
    ]
}
