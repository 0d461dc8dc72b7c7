//! What configuration files may say: P4 to P28.

use crate::case::{Case, case};
use crate::serve::{Site, page};

/// Everything that is right in one file, written anew after what the reference's own good file tests.
const GOOD: &str = r#"
modules:
  web:
    prober: http
    timeout: 5s
    http:
      valid_status_codes: [200, 204]
      valid_http_versions: ["HTTP/1.1", "HTTP/2.0"]
      method: POST
      headers: { Accept: "application/json", Host: web.example.org }
      body: '{"ping": true}'
      fail_if_not_ssl: true
      fail_if_header_matches:
        - { header: Set-Cookie, regexp: "session=.*" }
      fail_if_header_not_matches:
        - { header: Access-Control-Allow-Origin, regexp: '(\*|example\.org)', allow_missing: true }
      fail_if_body_matches_regexp: ["could not connect", "out of order"]
      fail_if_body_not_matches_regexp: ["^welcome"]
      basic_auth: { username: alice, password: hunter2 }
      tls_config: { insecure_skip_verify: false, server_name: web.example.org }
      preferred_ip_protocol: ip4
      ip_protocol_fallback: false
  plain: { prober: http }
  port: { prober: tcp, timeout: 100ms }
  mailbox:
    prober: tcp
    tcp:
      tls: true
      tls_config: { insecure_skip_verify: true }
      query_response: [{ expect: "^\\+OK" }]
  submission:
    prober: tcp
    tcp:
      query_response:
        - expect: "^220 ([^ ]+) ESMTP"
        - send: "EHLO tower.example.org\r"
        - expect: "^250-STARTTLS"
        - send: "STARTTLS\r"
        - expect: "^220"
        - starttls: true
        - send: "QUIT\r"
  binary: { prober: tcp, tcp: { query_response: [{ send: !!binary AAAA }] } }
  echo: { prober: icmp, timeout: 1m30s, icmp: { payload_size: 64, dont_fragment: true, source_ip_address: "127.0.0.1" } }
  names:
    prober: dns
    dns:
      query_name: example.org
      query_type: SOA
      query_class: IN
      transport_protocol: tcp
      recursion_desired: false
      valid_rcodes: [NOERROR, NXDOMAIN]
      validate_answer_rrs:
        fail_if_matches_regexp: [".*127.0.0.1"]
        fail_if_none_matches_regexp: [".*"]
      validate_authority_rrs: { fail_if_all_match_regexp: ["x"] }
      validate_additional_rrs: { fail_if_not_matches_regexp: ["y"] }
"#;

fn http(settings: &str) -> String {
    format!("{{ prober: http, timeout: 2s, http: {{ {settings} }} }}")
}

/// A case whose rows are modules: what each says, and what must be told, or nothing where it is right.
fn modules(id: &'static str, sentence: &'static str, rows: &[(&str, Option<&str>)]) -> Case {
    rows.iter().fold(case(id, sentence), |case, (module, told)| {
        let case = case.row(*module).module(*module).check();
        match told {
            None => case.exits(0),
            Some(words) => case.exits(1).prints(*words),
        }
    })
}

/// The same for the settings of `http`.
fn of_http(id: &'static str, sentence: &'static str, rows: &[(&str, Option<&str>)]) -> Case {
    let rows: Vec<(String, Option<&str>)> = rows.iter().map(|(settings, told)| (http(settings), *told)).collect();
    let rows: Vec<(&str, Option<&str>)> = rows.iter().map(|(module, told)| (module.as_str(), *told)).collect();
    modules(id, sentence, &rows)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![bad_files()];
    cases.extend(files());
    cases.extend(values());
    cases.extend(settings());
    cases
}

/// P4: a good file and one with each fault.
fn bad_files() -> Case {
    let matcher = |kind: &str| format!("{{ prober: http, http: {{ {kind}: ['{}'] }} }}", ":[");
    let dialogue =
        |kind: &str| format!("{{ prober: {kind}, {kind}: {{ query_response: [{{ expect: '{}' }}] }} }}", ":[");
    let rows: Vec<(String, &str)> = vec![
        ("{ prober: tcp, invalid_extra_field: x }".into(), "invalid_extra_field"),
        (http("bearer_token: a, bearer_token_file: b, basic_auth: { username: u }"), "bearer_token"),
        ("{ prober: invalid }".into(), "invalid"),
        ("{ prober: dns, dns: { query_type: A } }".into(), "query_name"),
        ("{ prober: dns, dns: { query_name: x, query_class: X } }".into(), "X"),
        ("{ prober: dns, dns: { query_name: x, query_type: X } }".into(), "X"),
        (http("fail_if_header_matches: [{ header: X }]"), "regexp"),
        (matcher("fail_if_body_matches_regexp"), ":["),
        (matcher("fail_if_body_not_matches_regexp"), ":["),
        (http("fail_if_header_matches: [{ header: X, regexp: ':[' }]"), ":["),
        (http("fail_if_header_not_matches: [{ header: X, regexp: ':[' }]"), ":["),
        (dialogue("tcp"), ":["),
        (dialogue("unix"), ":["),
        (http("compression: gzip, headers: { Accept-Encoding: deflate }"), "deflate"),
        (http("compression: gzip, headers: { Accept-Encoding: '*;q=0.0' }"), "*;q=0.0"),
        (http("enable_http3: true, enable_http2: false, valid_http_versions: ['HTTP/1.1', 'HTTP/3.0']"), "HTTP/1.1"),
        (http("enable_http3: true, enable_http2: false, valid_http_versions: ['HTTP/2.0']"), "HTTP/2.0"),
        (http("enable_http3: true, valid_http_versions: ['HTTP/3.0']"), "enable_http2"),
        (http("enable_http3: true"), "enable_http2"),
        ("{ prober: icmp, icmp: { ttl: -1 } }".into(), "ttl"),
        ("{ prober: icmp, icmp: { ttl: 256 } }".into(), "ttl"),
        (http("body: a, body_file: b"), "body_file"),
    ];
    let good = case("P4", "good_files_load_and_bad_ones_say_why").row("good").config(GOOD).check().exits(0);
    rows.into_iter()
        .fold(good, |case, (module, told)| case.row(module.clone()).module(module).check().exits(1).prints(told))
}

/// P5 to P11: files as a whole.
fn files() -> Vec<Case> {
    vec![
        case("P5", "the_documented_example_loads")
            .not_in_0_23("module: the prober `websocket` is newer")
            .module(
                "{ prober: websocket, timeout: 5s, websocket: { headers: { X-Agent: tower, X-Token: { values: [a] } } } }",
            )
            .check()
            .exits(0),
        case("P6", "a_file_without_anything_is_an_error")
            .row("empty")
            .file("config.yml", "")
            .run(&["--config.check", "--config.file=config.yml"])
            .exits(1)
            .row("comment")
            .file("config.yml", "# nothing\n")
            .run(&["--config.check", "--config.file=config.yml"])
            .exits(1),
        case("P7", "a_file_may_have_no_modules")
            .row("check")
            .config("{}")
            .check()
            .exits(0)
            .row("probe")
            .config("{}")
            .get("/probe?target=127.0.0.1")
            .status(400)
            .has("http_2xx"),
        case("P8", "only_the_first_document_is_read")
            .config("modules: {}\n---\nmodules: { a: { prober: none } }\n")
            .check()
            .exits(0),
        case("P9", "nothing_may_be_said_twice")
            .row("module")
            .config("modules:\n  a: { prober: tcp }\n  a: { prober: icmp }\n")
            .check()
            .exits(1)
            .row("key")
            .config("modules:\n  a: { prober: tcp, timeout: 1s, timeout: 2s }\n")
            .check()
            .exits(1)
            .prints("timeout"),
        of_http(
            "P10",
            "unknown_keys_are_named_wherever_they_are",
            &[
                (
                    "oauth2: { client_id: a, client_secret: b, token_url: 'http://a/', clientid: c }",
                    Some("clientid"),
                ),
                ("tls_config: { ca_fiel: x }", Some("ca_fiel")),
                ("fail_if_header_matches: [{ header: a, regexp: b, allow: true }]", Some("allow")),
            ],
        )
        .row("dialogue")
        .module("{ prober: tcp, tcp: { query_response: [{ expcet: x }] } }")
        .check()
        .exits(1)
        .prints("expcet"),
        case("P11", "all_errors_of_a_map_are_told")
            .module("{ prober: tcp, first: 1, second: 2, third: 3 }")
            .check()
            .exits(1)
            .prints("first")
            .prints("second")
            .prints("third"),
    ]
}

/// P12 to P16: values.
fn values() -> Vec<Case> {
    let timeout = |text: &str| format!("{{ prober: tcp, timeout: {text} }}");
    let timeouts = ["5", "'5'", "1d", "5 s", "100ms", "1m30s", "1.5s"].map(timeout);
    let right = [false, false, false, false, true, true, true];
    let timeouts: Vec<(&str, Option<&str>)> =
        timeouts.iter().zip(right).map(|(m, right)| (m.as_str(), (!right).then_some("duration"))).collect();
    vec![
        modules("P12", "a_duration_has_a_unit_of_go", &timeouts),
        case("P13", "a_size_counts_in_1024")
            .row("1MB, just as much")
            .module(http("body_size_limit: 1MB"))
            .serve(|| Site::open(|_| page(200, "", vec![b'x'; 1 << 20])))
            .target("{url}/")
            .expect("success 1; http_uncompressed_body_length 1048576")
            .row("1MB, a byte more")
            .module(http("body_size_limit: 1MB"))
            .serve(|| Site::open(|_| page(200, "", vec![b'x'; (1 << 20) + 1])))
            .target("{url}/")
            .expect("success 0")
            .row("1.5MB")
            .module(http("body_size_limit: 1.5MB"))
            .serve(|| Site::open(|_| page(200, "", vec![b'x'; 3 << 19])))
            .target("{url}/")
            .expect("success 1")
            .row("0 is no limit")
            .module(http("body_size_limit: 0"))
            .serve(|| Site::open(|_| page(200, "", "x")))
            .target("{url}/")
            .expect("success 1")
            .sizes(),
        of_http(
            "P14",
            "statuses_are_a_list_of_numbers",
            &[
                ("valid_status_codes: 200", Some("valid_status_codes")),
                ("valid_status_codes: ['200']", Some("number")),
                ("valid_status_codes: ['2xx']", Some("number")),
                ("valid_status_codes: [200]", None),
            ],
        ),
        case("P15", "a_header_is_text_whatever_it_looks_like")
            .module(http("headers: { X-One: 1, X-True: true, X-Null: null }"))
            .serve(|| Site::open(|_| page(200, "", "hi")))
            .target("{url}/")
            .expect("success 1")
            .heard_has("X-One: 1\r\n")
            .heard_has("X-True: true\r\n")
            .heard_has("X-Null:"),
        of_http(
            "P16",
            "a_truth_value_has_no_quotes",
            &[("fail_if_ssl: 'true'", Some("true or false")), ("fail_if_ssl: yes", None)],
        ),
    ]
}

impl Case {
    /// Sizes that are right or wrong.
    fn sizes(self) -> Self {
        let rows =
            [("1MiB", true), ("1KB512B", true), ("1024", false), ("1mb", false), ("1M", false), ("'1 MB'", false)];
        rows.into_iter().fold(self, |case, (size, right)| {
            let case = case.row(size).module(http(&format!("body_size_limit: {size}"))).check();
            if right { case.exits(0) } else { case.exits(1).prints("body_size_limit") }
        })
    }
}

/// P17 to P28: settings that hang together.
fn settings() -> Vec<Case> {
    let accepting = |encodings: &str| format!("compression: br, headers: {{ Accept-Encoding: '{encodings}' }}");
    let compressions: Vec<(String, Option<&str>)> = [
        ("gzip, compress", false),
        ("gzip, compress, *", true),
        ("gzip, compress, *;q=0.1", true),
        ("gzip, compress, br;q=0.0", false),
        ("gzip, compress, *;q=0.0", false),
        ("gzip;q=1.0, compress;q=0.5, br;q=0.1, *;q=0.0", true),
        ("*;q=0.0, br;q=0.1, gzip;q=1.0, compress;q=0.5", true),
        ("  br ;q=0.1 ,*;q=0.0,   gzip;q=1.0", true),
    ]
    .map(|(encodings, right)| (accepting(encodings), (!right).then_some("br")))
    .into();
    let compressions: Vec<(&str, Option<&str>)> = compressions.iter().map(|(s, told)| (s.as_str(), *told)).collect();
    let pattern = |pattern: &str| format!("fail_if_body_matches_regexp: ['{pattern}']");
    let patterns: Vec<(String, Option<&str>)> = [
        ("(?=a)", Some("(?=a)")),
        (r"(a)\1", Some(r"(a)\")),
        ("a++", Some("a++")),
        ("a{1001}", Some("a{1001}")),
        (r"\Z", Some(r"\Z")),
        ("a{1000}", None),
        ("[a&&b]", None),
        ("a{,2}", None),
        (r"\Q.\E", None),
        ("(?U)a+", None),
    ]
    .map(|(text, told)| (pattern(text), told))
    .into();
    let patterns: Vec<(&str, Option<&str>)> = patterns.iter().map(|(s, told)| (s.as_str(), *told)).collect();
    vec![
        of_http("P17", "an_accepted_encoding_fits_the_compression", &compressions),
        case("P18", "the_spelling_of_a_header_is_told_as_written")
            .module(http("compression: gzip, headers: { accEpt-enCoding: deflate }"))
            .check()
            .exits(1)
            .prints("accEpt-enCoding"),
        of_http(
            "P19",
            "the_first_fitting_encoding_decides",
            &[("compression: gzip, headers: { Accept-Encoding: '*;q=0.5, gzip;q=0' }", None)],
        ),
        of_http(
            "P20",
            "http_3_stands_alone",
            &[
                ("valid_http_versions: ['HTTP/3.0']", Some("HTTP/3.0")),
                ("enable_http3: true", Some("enable_http2")),
                ("enable_http3: true, enable_http2: false, valid_http_versions: ['HTTP/1.1']", Some("HTTP/1.1")),
                ("enable_http3: true, enable_http2: false, valid_http_versions: ['HTTP/2.0']", Some("HTTP/2.0")),
            ],
        ),
        of_http("P21", "patterns_are_those_of_re2", &patterns),
        of_http(
            "P22",
            "rules_of_cel_are_compiled",
            &[
                ("fail_if_body_json_matches_cel: foo.bar", Some("foo")),
                ("fail_if_body_json_matches_cel: ''", Some("cel")),
                ("fail_if_body_json_matches_cel: \"body.a.split(',')\"", Some("split")),
            ],
        )
        .row("right")
        .not_in_0_23("module: CEL is newer")
        .module(http("fail_if_body_json_matches_cel: body.foo"))
        .check()
        .exits(0)
        .row("a number")
        .not_in_0_23("module: CEL is newer")
        .module(http("fail_if_body_json_matches_cel: '1'"))
        .check()
        .exits(0),
        modules(
            "P23",
            "a_ttl_is_a_byte",
            &[
                ("{ prober: icmp, icmp: { ttl: -1 } }", Some("ttl")),
                ("{ prober: icmp, icmp: { ttl: 256 } }", Some("ttl")),
                ("{ prober: icmp, icmp: { ttl: 0 } }", None),
                ("{ prober: icmp, icmp: { ttl: 255 } }", None),
            ],
        ),
        modules(
            "P24",
            "a_question_has_a_name_a_class_and_a_type",
            &[
                ("{ prober: dns }", Some("query_name")),
                ("{ prober: dns, dns: { query_name: x, query_class: X } }", Some("X")),
                ("{ prober: dns, dns: { query_name: x, query_type: X } }", Some("X")),
                ("{ prober: dns, dns: { query_name: x, query_type: a } }", Some("\"a\"")),
            ],
        ),
        modules(
            "P25",
            "what_could_never_succeed_is_refused",
            &[
                (
                    "{ prober: dns, dns: { query_name: x, validate_answer_rrs: { fail_if_matches_regexp: ['['] } } }",
                    Some("["),
                ),
                ("{ prober: dns, dns: { query_name: x, valid_rcodes: [FOO] } }", Some("FOO")),
                ("{ prober: dns, dns: { query_name: x, transport_protocol: sctp } }", Some("sctp")),
                (
                    "{ prober: dns, dns: { query_name: x, transport_protocol: udp, dns_over_tls: true } }",
                    Some("dns_over_tls"),
                ),
            ],
        ),
        of_http(
            "P26",
            "settings_that_exclude_each_other_are_refused",
            &[
                ("body: a, body_file: b", Some("body_file")),
                ("bearer_token: a, bearer_token_file: b", Some("bearer_token_file")),
                ("basic_auth: { username: u }, authorization: { credentials: c }", Some("authorization")),
                ("authorization: { type: Basic, credentials: c }", Some("basic")),
                ("oauth2: { client_secret: b, token_url: 'http://a/' }", Some("client_id")),
                ("proxy_connect_header: { X-A: [b] }", Some("proxy_connect_header")),
                ("no_proxy: a", Some("no_proxy")),
                ("tls_config: { cert_file: a }", Some("key")),
                ("tls_config: { min_version: TLS1.2 }", Some("TLS1.2")),
                ("http_headers: { Host: { values: [a] } }", Some("Host")),
            ],
        ),
        case("P27", "the_old_word_for_redirects_is_understood")
            .row("probe")
            .config("modules: { old: { prober: http, timeout: 2s, http: { no_follow_redirects: true } } }")
            .serve(|| Site::open(|_| page(302, "Location: /next", "")))
            .target("{url}/")
            .asking("old")
            .expect("success 0; http_status_code 302; http_redirects 1")
            .get("/config")
            .has("follow_redirects: false")
            .lacks("no_follow_redirects")
            .row("warning")
            .config("modules: { old: { prober: http, http: { no_follow_redirects: true } } }")
            .check()
            .exits(0)
            .prints("no_follow_redirects"),
        case("P28", "a_module_without_a_body_loads_and_cannot_be_asked")
            .row("check")
            .config("modules: { m: }")
            .check()
            .exits(0)
            .row("probe")
            .config("modules: { m: }")
            .get("/probe?module=m&target=x")
            .status(400),
    ]
}
