//! What guards the endpoints, and where they are: A21, A22, A27 to A31.

use crate::case::{Case, case};

const MODULES: &str = "modules: { port: { prober: tcp } }\n";
/// `hunter2`, cost 4.
const USERS: &str = "basic_auth_users: { alice: $2b$04$BWcfIUuHZyP1ZAmgkRcYjOD2qtuG2Tm7MvUlsy6a8D4SRT5Vkj83y }\n";

/// The exporter's own metrics that do not speak of Go.
const OWN: &str = "
    blackbox_exporter_build_info
    blackbox_exporter_config_last_reload_successful 1
    blackbox_exporter_config_last_reload_success_timestamp_seconds > 0
    blackbox_module_unknown_total 0
    promhttp_metric_handler_requests_total{code=200} >= 0
    promhttp_metric_handler_requests_total{code=500} 0
    promhttp_metric_handler_requests_total{code=503} 0
    promhttp_metric_handler_requests_in_flight 1
    process_cpu_seconds_total
    process_max_fds > 0
    process_open_fds > 0
    process_resident_memory_bytes > 0
    process_virtual_memory_bytes > 0
    process_virtual_memory_max_bytes
    process_start_time_seconds > 0
    process_network_receive_bytes_total >= 0
    process_network_transmit_bytes_total >= 0
";

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("A21", "the_agent_is_healthy")
            .get("/-/healthy")
            .has("Healthy")
            .answers_header("content-type", "text/plain; charset=utf-8"),
        case("A22", "reloading_takes_a_post")
            .config(MODULES)
            .get("/-/reload")
            .status(405)
            .get("/-/reload")
            .method("PUT")
            .status(405)
            .get("/-/reload")
            .method("POST")
            .status(200),
        case("A27", "every_other_path_leads_to_the_front_page")
            .get("/anything")
            .status(200)
            .answers_header("content-type", "text/html")
            .get("/-/unknown/deep/path")
            .status(200)
            .answers_header("content-type", "text/html"),
        case("A28", "the_path_of_the_external_url_is_the_prefix_of_all_paths")
            .config(MODULES)
            .flags(&["--web.external-url=http://ex/bb/"])
            .get("/")
            .status(302)
            .answers_header("location", "http://ex/bb")
            .get("/bb/probe?module=port&target=127.0.0.1:1")
            .expect("success 0")
            .get("/bb/metrics")
            .has("blackbox_exporter_build_info")
            .get("/bb/")
            .answers_header("content-type", "text/html")
            .get("/bb/-/healthy")
            .has("Healthy")
            .get("/probe?module=port&target=127.0.0.1:1")
            .status(404)
            .get("/metrics")
            .status(404)
            .get("/bb?x=1")
            .status(307)
            .answers_header("location", "/bb/?x=1"),
        case("A29", "a_route_prefix_of_its_own_wins")
            .config(MODULES)
            .flags(&["--web.external-url=http://ex/bb/", "--web.route-prefix=/"])
            .get("/")
            .status(200)
            .answers_header("content-type", "text/html")
            .get("/-/healthy")
            .has("Healthy")
            .get("/probe?module=port&target=127.0.0.1:1")
            .expect("success 0"),
        guarded(),
        case("A31", "the_exporters_own_metrics_are_there").config(MODULES).get("/metrics").expect(OWN),
    ]
}

/// A30: every path, with no, a wrong, and the right password.
fn guarded() -> Case {
    let case = case("A30", "without_the_password_nothing_is_answered")
        .config(MODULES)
        .file("web.yml", USERS)
        .flags(&["--web.config.file=web.yml"]);
    let paths = ["/", "/-/healthy", "/metrics", "/probe?module=port&target=127.0.0.1:1", "/config", "/nowhere"];
    let case = paths.into_iter().fold(case, |case, path| {
        ["", "Basic YWxpY2U6aHVudGVyMw==", "Basic YWxpY2U6", "Basic Ym9iOmh1bnRlcjI=", "Bearer hunter2"]
            .into_iter()
            .fold(case, |case, said| {
                let case = case.get(path).status(401).has("Unauthorized").answers_header("www-authenticate", "Basic");
                if said.is_empty() { case } else { case.header("Authorization", said) }
            })
    });
    let right = "Basic YWxpY2U6aHVudGVyMg==";
    case.get("/-/healthy")
        .header("Authorization", right)
        .has("Healthy")
        .get("/probe?module=port&target=127.0.0.1:1")
        .header("Authorization", right)
        .expect("success 0")
}
