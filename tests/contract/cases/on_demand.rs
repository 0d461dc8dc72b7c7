//! `/probe`, `/logs` and what is shown of modules: A1 to A20, A23 to A26, A32, A33. The other endpoints are in `api.rs`.

use tuermer_probes::testkit::{Responder, close, hear};

use crate::case::{Case, case};
use crate::program::{Agent, Seen};
use crate::serve::{Site, certified, page};

/// A port on which nobody listens.
const CLOSED: &str = "127.0.0.1:1";

const PORT: &str = "{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip4 } }";
const WEB: &str = "{ prober: http, timeout: 2s, http: { preferred_ip_protocol: ip4 } }";

const DECODES_ONCE: &str = "0.23 decodes targets once";
const FINDS_BY_ID: &str = "0.23 finds reports by their number only";

pub(super) fn cases() -> Vec<Case> {
    [requests(), timeouts(), formats(), targets(), debug(), hostnames(), history()].concat()
}

fn requests() -> Vec<Case> {
    vec![
        case("A1", "a_target_must_be_given")
            .module(PORT)
            .get("/probe?module={module}")
            .status(400)
            .answers_header("content-type", "text/plain; charset=utf-8")
            .answers_header("x-content-type-options", "nosniff")
            .get("/probe?module={module}&target=")
            .status(400)
            .get("/probe?module={module}&target=&target={peer}")
            .status(400),
        case("A2", "an_unknown_module_is_told_first_and_counted")
            .alone()
            .get("/probe?module=nothing")
            .status(400)
            .has("\"nothing\"")
            .get("/probe?module=nothing&target=x")
            .status(400)
            .has("\"nothing\"")
            .get("/metrics")
            .expect("blackbox_module_unknown_total 2"),
        case("A7", "without_a_module_http_2xx_is_asked")
            .alone()
            .module_named("http_2xx", WEB)
            .serve(|| Site::open(|_| page(200, "", "hello")))
            .get("/probe?target={peer}")
            .expect("success 1; http_status_code 200")
            .get("/probe?module=&target={peer}")
            .expect("success 1; http_status_code 200"),
        case("A10", "parameters_come_from_the_query_alone")
            .module(PORT)
            .peer([close()])
            .get("/probe?module={module}")
            .method("POST")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("target={peer}")
            .status(400)
            .get("/probe?module={module}&target={peer}")
            .method("POST")
            .expect("success 1"),
        case("A11", "head_asks_and_says_nothing")
            .module(WEB)
            .serve(|| Site::open(|_| page(200, "", "hello")))
            .get("/probe?module={module}&target={peer}")
            .method("HEAD")
            .status(200)
            .lacks("probe")
            .heard_has("GET / HTTP/1.1"),
        case("A33", "a_pair_with_a_raw_semicolon_does_not_count")
            .module(PORT)
            .get("/probe?module={module}&target=http://h/a;b")
            .status(400)
            .row("a broken escape")
            .get("/probe?module={module}&target=http://h/%zz")
            .status(400),
    ]
}

fn timeouts() -> Vec<Case> {
    let table = |case: Case| {
        // Timeout of the module, of the scrape, offset, what is left.
        let rows = [
            ("", "15", "0.5", "14.5"),
            ("", "15", "0", "15"),
            ("20s", "15", "0.5", "14.5"),
            ("20s", "15", "0", "15"),
            ("5s", "15", "0", "5"),
            ("5s", "15", "0.5", "5"),
            ("10s", "", "0.5", "10"),
            ("10s", "10", "0.5", "9.5"),
            ("9.5s", "", "0.5", "9.5"),
            ("9.5s", "", "1", "9.5"),
            ("", "", "0.5", "119.5"),
            ("", "", "0", "120"),
            ("3s", "0.4", "0.5", "3"),
            ("3s", "-1", "0.5", "3"),
            ("3s", "Inf", "0.5", "3"),
        ];
        rows.into_iter().fold(case, |case, (module, scrape, offset, left)| {
            let timeout = if module.is_empty() { String::new() } else { format!(", timeout: {module}") };
            let case = case
                .row(format!("{module}/{scrape}/{offset}"))
                .flags(&[&format!("--timeout-offset={offset}")])
                .module(format!("{{ prober: tcp{timeout}, tcp: {{ preferred_ip_protocol: ip4 }} }}"))
                .peer([close()])
                .expect(format!("success 1; timeout_seconds {left}"));
            if scrape.is_empty() { case } else { case.scrape_timeout(scrape) }
        })
    };
    vec![
        case("A3", "a_scrape_timeout_that_is_none_is_refused")
            .module(PORT)
            .peer([close()])
            .row("a word")
            .scrape_timeout("abc")
            .status(500)
            .row("too large")
            .scrape_timeout("1e400")
            .status(500)
            .row("not a number")
            .scrape_timeout("NaN")
            .status(500),
        table(case("A4", "the_shorter_of_both_timeouts_counts")),
        case("A5", "a_scrape_timeout_equal_to_the_offset_leaves_the_modules")
            .module("{ prober: tcp, timeout: 3s, tcp: { preferred_ip_protocol: ip4 } }")
            .peer([close()])
            .scrape_timeout("0.5")
            .expect("success 1; timeout_seconds 3"),
        case("A6", "a_slow_server_is_given_up_in_time")
            .module("{ prober: http, timeout: 10s, http: { preferred_ip_protocol: ip4 } }")
            .peer([hear("never")])
            .scrape_timeout("1")
            .expect("success 0; timeout_seconds 0.5")
            .took(0.4, 1.8),
    ]
}

fn formats() -> Vec<Case> {
    let text = |escaping: &str| format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}");
    vec![
        case("A8", "the_text_format_is_answered_with_the_escaping_asked_for")
            .module(PORT)
            .peer([close()])
            .row("nothing")
            .answers_header("content-type", text("underscores"))
            .row("anything")
            .header("Accept", "*/*")
            .answers_header("content-type", text("underscores"))
            .row("OpenMetrics alone")
            .header("Accept", "application/openmetrics-text;version=1.0.0")
            .answers_header("content-type", text("underscores"))
            .row("any characters")
            .header(
                "Accept",
                "application/openmetrics-text;q=0.5;escaping=allow-utf-8, text/plain;escaping=allow-utf-8",
            )
            .answers_header("content-type", text("allow-utf-8")),
        case("A9", "gzip_is_answered_and_nothing_else")
            .module(PORT)
            .peer([close()])
            .row("gzip")
            .header("Accept-Encoding", "gzip")
            .answers_header("content-encoding", "gzip")
            .row("zstd")
            .header("Accept-Encoding", "zstd")
            .answers_header("content-encoding", "")
            .expect("success 1")
            .row("gzip refused")
            .header("Accept-Encoding", "gzip;q=0")
            .answers_header("content-encoding", "")
            .expect("success 1"),
    ]
}

fn targets() -> Vec<Case> {
    let site = || Site::open(|_| page(200, "", "hello"));
    vec![
        case("A12", "a_target_may_be_encoded_once_or_twice")
            .module(WEB)
            .serve(site)
            .row("once")
            .get("/probe?module={module}&target=http%3A%2F%2F127.0.0.1%3A{port}%2Fpath")
            .expect("success 1")
            .heard_has("GET /path HTTP/1.1")
            .row("the port twice")
            .get("/probe?module={module}&target=http://127.0.0.1%253A{port}")
            .expect("success 1")
            .not_in_0_23(DECODES_ONCE)
            .row("all of it twice")
            .get("/probe?module={module}&target=http%253A%252F%252F127.0.0.1%253A{port}%252Fpath")
            .expect("success 1")
            .heard_has("GET /path HTTP/1.1")
            .not_in_0_23(DECODES_ONCE)
            .row("a colon in the path")
            .get("/probe?module={module}&target=http://127.0.0.1:{port}/v1%3Alatest")
            .expect("success 1")
            .heard_has("GET /v1:latest HTTP/1.1"),
        case("A13", "the_escapes_of_a_url_are_not_touched")
            .module(WEB)
            .serve(site)
            .get("/probe?module={module}&target=http%3A%2F%2F127.0.0.1%3A{port}%2Fa%252Bb%2520c%2Bd%3Fq%3D%252F")
            .expect("success 1")
            .heard_has("GET /a%2Bb%20c+d?q=%2F HTTP/1.1"),
    ]
}

/// Where these stand in a text, if they stand there in this order.
fn in_order(text: &str, parts: &[&str]) -> bool {
    let places: Option<Vec<usize>> = parts.iter().map(|part| text.find(part)).collect();
    places.is_some_and(|places| places.is_sorted())
}

fn debug() -> Vec<Case> {
    const SECRETS: &str = "modules:
  web:
    prober: http
    http:
      basic_auth: { username: me, password: hunter2 }
      proxy_url: http://me:hunter2@127.0.0.1:1
      headers: { Authorization: hunter2, X-Api-Key: hunter2, Accept: text/html }
      body: 'user=me&pin=hunter2'
      tls_config: { insecure_skip_verify: true }
  token: { prober: http, http: { bearer_token: hunter2 } }
  mail:
    prober: tcp
    tcp:
      query_response: [{ expect: '^220' }, { send: 'EHLO me' }, { send: AUTH PLAIN hunter2 }, { send: hunter2 }]
";
    vec![
        case("A14", "the_debug_report_has_three_parts")
            .module_named("port", PORT)
            .steps(|agent: Agent| async move {
                let answer = agent.get(&format!("/probe?module=port&target={CLOSED}&debug=true")).await;
                let parts = [
                    "Logs for the probe:\n",
                    "Metrics that would have been returned:\n",
                    "probe_success 0\n",
                    "Module configuration:\n",
                    "prober: tcp\n",
                ];
                let mut seen = Seen::new();
                seen.note("status", answer.status);
                seen.note("parts in order", in_order(&answer.text(), &parts));
                seen
            })
            .sees("status", 200)
            .sees("parts in order", true),
        case("A15", "only_the_word_true_asks_for_the_debug_report")
            .module(PORT)
            .peer([close()])
            .query("debug=1")
            .expect("success 1"),
        case("A16", "the_debug_report_hides_a_token")
            .module("{ prober: http, timeout: 2s, http: { bearer_token: mysecret } }")
            .target(CLOSED)
            .query("debug=true")
            .lacks("mysecret")
            .has("<secret>"),
        case("A17", "the_configuration_is_shown_without_secrets")
            .row("in the usual places")
            .config(SECRETS)
            .get("/config")
            .lacks("hunter2")
            .has("<secret>")
            .has("xxxxx")
            .has("text/html")
            .has("EHLO me")
            .row("headers with several values")
            .config("modules: { web: { prober: http, http: { http_headers: { X-A: { secrets: [hunter2], values: [hunter2] } } } } }")
            .get("/config")
            .lacks("hunter2")
            .has("<secret>")
            .not_in_0_23("module: `http_headers` are newer"),
    ]
}

fn hostnames() -> Vec<Case> {
    vec![
        case("A18", "a_hostname_must_not_contradict_the_host_header")
            .module("{ prober: http, timeout: 2s, http: { preferred_ip_protocol: ip4, headers: { hOst: h1 } } }")
            .serve(|| Site::open(|_| page(200, "", "hello")))
            .probe("{peer}")
            .query("hostname=h2")
            .status(400)
            .has("h1")
            .has("h2")
            .probe("{peer}")
            .query("hostname=h1")
            .expect("success 1")
            .heard_has("Host: h1"),
        case("A19", "a_hostname_is_the_tls_name_of_one_probe")
            .not_in_0_23("0.23 knows no hostname for tcp")
            .module(
                "{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip4, tls: true, tls_config: { ca_file: {ca} } } }",
            )
            .serve(|| Site::open_encrypted(certified(&["foo.example.com"]), |_| page(200, "", "")))
            .probe("{peer}")
            .query("hostname=foo.example.com&debug=true")
            .has("probe_success 1")
            .has("server_name: foo.example.com")
            .probe("{peer}")
            .query("hostname=foo.example.com")
            .expect("success 1")
            .probe("{peer}")
            .expect("success 0")
            .probe("{peer}")
            .query("debug=true")
            .lacks("server_name"),
        case("A20", "a_hostname_is_ignored_by_other_kinds")
            .row("icmp")
            .module("{ prober: icmp, timeout: 2s, icmp: { preferred_ip_protocol: ip4 } }")
            .target("127.0.0.1")
            .query("hostname=foo.example.com")
            .expect("success 1")
            .row("dns")
            .module("{ prober: dns, timeout: 2s, dns: { preferred_ip_protocol: ip4, query_name: example.com } }")
            .serve(|| {
                Responder::udp(|query| {
                    let mut answer = query.to_vec();
                    answer[2..4].copy_from_slice(&[0x81, 0x80]);
                    vec![answer]
                })
            })
            .query("hostname=foo.example.com")
            .expect("success 1"),
    ]
}

/// Statuses of reports by their number.
fn reports(case: Case, statuses: impl IntoIterator<Item = (i64, u16)>) -> Case {
    statuses.into_iter().fold(case, |case, (id, status)| case.get(format!("/logs?id={id}")).status(status))
}

fn times(case: Case, number: usize, target: &str, success: u8) -> Case {
    (0..number).fold(case, |case, _| case.probe(target).expect(format!("success {success}")))
}

fn history() -> Vec<Case> {
    let one = |id: &'static str, sentence| case(id, sentence).alone().module(PORT).peer([close()]);
    let a24 = times(
        one("A24", "the_last_reports_are_kept_and_numbers_count_on").flags(&["--history.limit=3"]),
        4,
        "{peer}",
        1,
    );
    let a25 = one("A25", "failures_are_kept_when_they_fall_out").flags(&["--history.limit=3"]);
    let a25 = times(times(times(a25, 3, "{peer}", 1), 6, CLOSED, 0), 3, "{peer}", 1);
    vec![
        reports(
            one("A23", "reports_are_found_or_refused").row("by number").probe("{peer}").expect("success 1"),
            [(0, 200), (1, 404), (-2, 404), (-1, 400)],
        )
        .get("/logs?id=x")
        .status(400)
        .get("/logs")
        .status(400)
        .get("/logs?id=0")
        .has("probe_success 1")
        .row("by target")
        .probe("{peer}")
        .expect("success 1")
        .get("/logs?target={peer}")
        .status(200)
        .get("/logs?target={peer}&module={module}")
        .status(200)
        .get("/logs?target={peer}&module=other")
        .status(404)
        .get("/logs?target=other")
        .status(404)
        .get("/logs?id=0&target={peer}")
        .status(400)
        .get("/logs?id=0&module={module}")
        .status(400)
        .get("/logs?module={module}")
        .status(400)
        .get("/logs?id=-1&target={peer}")
        .status(200),
        reports(a24, [(0, 404), (1, 200), (2, 200), (3, 200), (4, 404)]),
        reports(a25, [(2, 404), (3, 404), (5, 404), (6, 200), (7, 200), (8, 200), (9, 200), (10, 200), (11, 200)]),
        case("A26", "a_report_is_found_by_target_and_module")
            .alone()
            .not_in_0_23(FINDS_BY_ID)
            .module_named("first", PORT)
            .module_named("second", "{ prober: tcp, timeout: 3s }")
            .peer([close()])
            .probe("{peer}")
            .asking("first")
            .expect("success 1")
            .probe("{peer}")
            .asking("second")
            .expect("success 1")
            .get("/logs?target={peer}")
            .has("timeout: 2s")
            .get("/logs?target={peer}&module=second")
            .has("timeout: 3s")
            .get("/logs?target={peer}&module=third")
            .status(404),
        case("A32", "what_was_asked_is_escaped_on_the_front_page")
            .alone()
            .module_named("port", PORT)
            .get("/probe?module=port&target=%3Cb%3E%26%22x")
            .expect("success 0")
            .get("/")
            .has("logs?id=0")
            .has("b&")
            .lacks("<b>&\"x"),
    ]
}
