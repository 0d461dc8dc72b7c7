//! `http`: H39 to H44, who the module says it is.

use crate::case::{Case, case};
use crate::serve::{Asked, Site, page};

/// A module with these settings.
fn module(settings: &str) -> String {
    format!("{{ prober: http, timeout: 3s, http: {{ preferred_ip_protocol: ip4, {settings} }} }}")
}

/// A page for those who bring these headers.
fn for_those_with(due: &'static [(&'static str, &'static str)]) -> impl Fn(&Asked) -> Vec<u8> {
    move |asked| {
        let brings = due.iter().all(|(name, value)| asked.header(name) == *value);
        page(if brings { 200 } else { 400 }, "", "")
    }
}

pub(super) fn cases() -> Vec<Case> {
    let basic = "basic_auth: { username: u, password: p }";
    vec![
        case("H39", "an_explicit_authorization_goes_before")
            .module(module(&format!("{basic}, headers: {{ Authorization: Own x }}")))
            .serve(|| Site::open(for_those_with(&[("authorization", "Own x")])))
            .expect("success 1; http_status_code 200"),
        case("H40", "the_targets_user_is_sent")
            .module(module(""))
            .serve(|| Site::open(for_those_with(&[("authorization", "Basic dTpw"), ("x-none", "")])))
            .target("http://u:p@{peer}/")
            .expect("success 1; http_status_code 200")
            .heard_lacks("u:p@"),
        case("H41", "a_missing_password_file_fails_the_probe")
            .module(module("basic_auth: { username: u, password_file: /nonexistent/password }"))
            .serve(|| Site::open(|_| page(200, "", "")))
            .expect("success 0; http_status_code 0; http_duration_seconds{phase=connect} 0")
            .expect("http_duration_seconds{phase=tls} 0; http_duration_seconds{phase=processing} 0")
            .expect("http_duration_seconds{phase=transfer} 0; http_duration_seconds{phase=resolve}")
            .heard(""),
        case("H42", "headers_are_sent_as_they_are_written")
            .module(module("headers: { Host: my.test, User-Agent: unsuspicious, Accept-Language: en-US }"))
            .serve(|| {
                Site::open(for_those_with(&[
                    ("host", "my.test"),
                    ("user-agent", "unsuspicious"),
                    ("accept-language", "en-US"),
                ]))
            })
            .expect("success 1; http_status_code 200"),
        case("H43", "no_other_headers_are_sent")
            .module(module(""))
            .serve(|| {
                Site::open(|asked| {
                    let mut names: Vec<_> = asked
                        .head
                        .lines()
                        .skip(1)
                        .filter_map(|line| line.split_once(':'))
                        .map(|(name, _)| name)
                        .collect();
                    names.sort_unstable();
                    page(if names == ["Connection", "Host", "User-Agent"] { 200 } else { 400 }, "", names.join(","))
                })
            })
            .expect("success 1; http_status_code 200")
            .heard_has("Connection: close\r\n")
            .heard_has("Host: {peer}\r\n"),
        case("H44", "one_header_may_have_many_values")
            .module(module(
                "headers: { X-A: one }, http_headers: { X-A: { values: [two, three], secrets: [four], \
                 files: ['{five}'] } }",
            ))
            .not_in_0_23("module: `http_headers` are newer")
            .serve(|| async {
                let site = Site::open(|asked| {
                    let values: Vec<_> = asked.head.lines().filter_map(|line| line.strip_prefix("X-A: ")).collect();
                    page(if values == ["one", "two", "three", "four", "five"] { 200 } else { 400 }, "", "")
                });
                crate::serve::Served::from(site.await).file("five", " five\n")
            })
            .expect("success 1; http_status_code 200"),
    ]
}
