//! The pages, and what the agent serves besides.

use crate::daemon::eventually;
use crate::daemon::tuermer::Tuermer;

const CONFIG: &str = "modules: { port: { prober: tcp, timeout: 200ms, tcp: { preferred_ip_protocol: ip4 } } }
checks: { closed <b>: { module: port, targets: ['127.0.0.1:1'], interval: 200ms, timeout: 200ms } }
";

#[tokio::test]
async fn the_page_shows_the_check_its_state_and_its_reason() {
    let tuermer = Tuermer::start(CONFIG);
    let page = eventually("the page knows the failure", async || {
        let (status, page) = tuermer.get("/").await;
        assert_eq!(status, 200);
        page.contains("connect_refused").then_some(page)
    })
    .await;
    assert!(page.contains("closed &#60;b&#62;") || page.contains("closed &lt;b&gt;"), "names are escaped");
    let path = page.split('"').find(|part| part.starts_with("./check/")).expect("a link to the check").to_owned();
    let (status, page) = tuermer.get(path.trim_start_matches('.')).await;
    assert_eq!(status, 200);
    for word in ["waterfall", "connect_refused", "127.0.0.1:1"] {
        assert!(page.contains(word), "{word} in {page}");
    }
    assert_eq!(tuermer.get("/check/0123456789abcdef").await.0, 404);
}

#[tokio::test]
async fn pages_forbid_everything_foreign() {
    let tuermer = Tuermer::start(CONFIG);
    let response = reqwest::get(format!("http://{}/", tuermer.address)).await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let page = response.text().await.unwrap();
    assert!(!page.contains("<script") && !page.contains("style="), "works without scripts and inline styles");
}

#[tokio::test]
async fn metrics_are_offered_in_both_formats() {
    let tuermer = Tuermer::start(CONFIG);
    let client = reqwest::Client::new();
    let ask = async |accept: &str| {
        let request = client.get(format!("http://{}/metrics", tuermer.address)).header("accept", accept);
        let response = request.send().await.unwrap();
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        (content_type, response.text().await.unwrap())
    };
    let (content_type, text) = ask("*/*").await;
    assert!(content_type.starts_with("text/plain; version=0.0.4"), "{content_type}");
    assert!(text.contains("\ntuermer_build_info{"), "{text}");
    let (content_type, text) = ask("application/openmetrics-text;version=1.0.0").await;
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn an_answer_is_openmetrics_only_where_the_configuration_wants_more_than_the_reference_has() {
    const MODULE: &str = "modules: { port: { prober: tcp, tcp: { preferred_ip_protocol: ip4 } } }\n";
    let client = reqwest::Client::new();
    for (what, expected, end) in [("blackbox", "text/plain", "\n"), ("all", "application/openmetrics-text", "# EOF\n")]
    {
        let tuermer = Tuermer::start(&format!("{MODULE}probe_metrics: {what}\n"));
        let url = format!("http://{0}/probe?module=port&target={0}", tuermer.address);
        let request = client.get(url).header("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
        let response = request.send().await.unwrap();
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let text = response.text().await.unwrap();
        assert!(content_type.starts_with(expected), "{what}: {content_type}");
        assert!(text.contains("\nprobe_success 1") && text.ends_with(end), "{what}: {text}");
    }
}

#[tokio::test]
async fn requests_for_probes_are_refused_in_the_order_of_the_reference() {
    let tuermer = Tuermer::start(CONFIG);
    assert_eq!(tuermer.get("/probe?module=nothing").await.0, 400);
    assert_eq!(tuermer.get("/probe?module=port").await.0, 400);
    let metrics = tuermer.metrics("/metrics").await;
    assert_eq!(metrics.value("blackbox_module_unknown_total"), Some(1.0));
    let client = reqwest::Client::new();
    let url = format!("http://{}/probe?module=port&target=127.0.0.1:1", tuermer.address);
    for (header, status) in [("abc", 500), ("NaN", 500), ("1", 200), ("-1", 200)] {
        let request = client.get(&url).header("X-Prometheus-Scrape-Timeout-Seconds", header);
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{header}");
    }
}

#[tokio::test]
async fn hostile_targets_harm_nobody() {
    let tuermer = Tuermer::start(
        "modules: { page: { prober: http, timeout: 300ms }, port: { prober: tcp, timeout: 300ms }, ping: { prober: icmp, timeout: 300ms } }",
    );
    let long = "a".repeat(7000);
    for target in [
        "%0d%0aHost:%20x",
        "%00",
        "http://%zz",
        "%f0%28%8c%28",
        "[",
        "http://[::1",
        "http://a@b@c/",
        ":",
        "http://",
        long.as_str(),
        "%3Cscript%3E",
        "http://127.0.0.1:99999/",
    ] {
        for module in ["page", "port", "ping"] {
            let (status, body) = tuermer.get(&format!("/probe?module={module}&target={target}")).await;
            assert!(status == 200 || status == 503 || status == 400, "{module} {target}: {status}");
            assert!(status != 200 || body.contains("probe_success 0"), "{module} {target}: {body}");
            let (_, debug) = tuermer.get(&format!("/probe?module={module}&target={target}&debug=true")).await;
            assert!(!debug.contains('\0'), "{module} {target}");
        }
    }
    assert_eq!(tuermer.get("/-/healthy").await, (200, "Healthy".to_owned()));
}

#[tokio::test]
async fn promtool_finds_nothing_to_complain_about() {
    let Some(promtool) = crate::support::program(&["promtool"]) else { return };
    let tuermer = Tuermer::start(CONFIG);
    let page = eventually("the check has run", async || {
        let (_, page) = tuermer.get("/metrics").await;
        page.contains("probe_failure_info").then_some(page)
    })
    .await;
    let folder = crate::daemon::folder();
    let file = folder.path().join("metrics");
    std::fs::write(&file, page).unwrap();
    let mut command = std::process::Command::new(promtool);
    command.args(["check", "metrics"]).stdin(std::fs::File::open(&file).unwrap());
    let checked = crate::daemon::tuermer::output(&mut command);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    // blackbox_exporter's own names, which its users rely on, are not as promtool likes them.
    let ours: Vec<_> = said.lines().filter(|line| !line.contains("blackbox_") && !line.contains("promhttp_")).collect();
    assert_eq!(ours, Vec::<&str>::new());
}

#[tokio::test]
async fn a_lack_of_file_descriptors_is_never_a_target_that_is_down() {
    let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = target.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = target.accept().await {
            drop(stream);
        }
    });
    let tuermer = Tuermer::start_limited(
        "modules: { port: { prober: tcp, timeout: 5s, tcp: { preferred_ip_protocol: ip4 } } }",
        60,
    );
    let path = format!("/probe?module=port&target={address}");
    let mut asked = tokio::task::JoinSet::new();
    let url = format!("http://{}{path}", tuermer.address);
    for _ in 0..200 {
        let url = url.clone();
        asked.spawn(async move {
            let Ok(response) = reqwest::get(url).await else { return None };
            Some((response.status().as_u16(), response.text().await.unwrap_or_default()))
        });
    }
    let answers = asked.join_all().await;
    let answered: Vec<_> = answers.into_iter().flatten().collect();
    assert!(!answered.is_empty(), "somebody is answered");
    for (status, body) in answered {
        let fine = status == 503 || body.is_empty() || body.contains("probe_success 1");
        assert!(fine, "{status}: {body}");
    }
}

#[tokio::test]
async fn probes_on_demand_are_remembered_on_the_front_page_and_in_the_logs() {
    let config = "modules: { a b: { prober: tcp, timeout: 300ms, tcp: { preferred_ip_protocol: ip4, query_response: [{ send: PASS hunter2 }] } } }";
    let tuermer = Tuermer::start_with(config, &["--history.limit=1"]);
    let page = tuermer.get("/anything/below").await;
    assert_eq!(page.0, 200);
    assert!(page.1.contains("../probe?module=a+b") && page.1.contains("../config"), "{}", page.1);
    assert!(!page.1.contains("logs?id="), "{}", page.1);
    for target in ["x://me:hunter2@h/%3Cb%3E", "127.0.0.1:1"] {
        tuermer.get(&format!("/probe?module=a+b&target={target}")).await;
    }
    let (_, page) = tuermer.get("/").await;
    assert!(!page.contains("hunter2") && page.contains("x://me:xxxxx@h/&#60;b&#62;"), "{page}");
    let (newest, oldest) = (page.find("logs?id=1").unwrap(), page.find("logs?id=0").unwrap());
    assert!(newest < oldest, "the newest comes first: {page}");
    let (status, report) = tuermer.get("/logs?id=1").await;
    assert_eq!(status, 200);
    for part in ["level=ERROR", "reason=connect_refused", "probe_success 0", "send: <secret>"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(tuermer.get("/config").await.1.contains("            -   send: <secret>"));
    let log = tuermer.daemon.log();
    assert!(log.contains("msg=\"Probe failed\"") && !log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn an_unknown_level_of_probes_is_only_a_warning() {
    let tuermer = Tuermer::start_with(CONFIG, &["--log.prober=loud"]);
    assert!(tuermer.daemon.log().contains("level=WARN msg=\"--log.prober"), "{}", tuermer.daemon.log());
}

#[tokio::test]
async fn where_there_is_no_room_a_probe_is_refused_for_now() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tuermer = Tuermer::start(
        "{ limits: { runs_in_flight: 1 }, modules: { wait: { prober: tcp, timeout: 10s, tcp: { query_response: [{ expect: x }] } } } }",
    );
    let url = format!("http://{}/probe?module=wait&target={}", tuermer.address, silent.local_addr().unwrap());
    let first = tokio::spawn(reqwest::get(url.clone()));
    // The run has its room once it reached its target.
    let (_stream, _) = silent.accept().await.unwrap();
    let refused = reqwest::get(url).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    first.abort();
}
