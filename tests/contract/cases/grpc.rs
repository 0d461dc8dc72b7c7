//! `grpc`: G1 to G12.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::version::TLS12;
use tuermer_probes::testkit::Peer;

use crate::case::{Case, case};
use crate::serve::{Served, authority};
use crate::serve_grpc::health;

/// What a call shows without TLS.
const SHOWN: &str = "grpc_duration_seconds grpc_ssl grpc_status_code grpc_healthcheck_response \
                     ip_protocol ip_addr_hash dns_lookup_time_seconds";
/// The states where none is reported.
const NO_STATE: &str = "grpc_healthcheck_response{serving_status=UNKNOWN} 0
                        grpc_healthcheck_response{serving_status=SERVING} 0
                        grpc_healthcheck_response{serving_status=NOT_SERVING} 0
                        grpc_healthcheck_response{serving_status=SERVICE_UNKNOWN} 0";

/// A module with these settings.
fn grpc(settings: &str) -> String {
    format!("{{ prober: grpc, timeout: 2s, grpc: {{ preferred_ip_protocol: ip4, {settings} }} }}")
}

/// A server that speaks HTTP/2 over TLS 1.2.
fn encrypted() -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(&authority().leaf(&["127.0.0.1"]).server_of_version(&TLS12));
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

pub(super) fn cases() -> Vec<Case> {
    [answers(), encryption(), oddities()].concat()
}

fn answers() -> Vec<Case> {
    vec![
        case("G1", "a_healthy_server_is_up")
            .module(grpc(""))
            .serve(|| health(None))
            .expect("success 1; grpc_ssl 0; grpc_status_code 0; grpc_healthcheck_response{serving_status=SERVING} 1")
            .expect("grpc_healthcheck_response{serving_status=UNKNOWN} 0")
            .expect("grpc_healthcheck_response{serving_status=NOT_SERVING} 0")
            .expect("grpc_healthcheck_response{serving_status=SERVICE_UNKNOWN} 0")
            .expect("grpc_duration_seconds{phase=resolve} >= 0; grpc_duration_seconds{phase=check} > 0")
            .expect("!grpc_duration_seconds{phase=connect}")
            .only(SHOWN),
        case("G2", "either_family_will_do_without_a_section")
            .module("{ prober: grpc, timeout: 2s }")
            .serve(|| health(None))
            .expect("success 1; ip_protocol 4"),
        case("G3", "a_service_that_does_not_serve_is_down")
            .serve(|| health(None))
            .row("NOT_SERVING")
            .module(grpc("service: bad"))
            .expect("success 0; grpc_status_code 0; grpc_healthcheck_response{serving_status=NOT_SERVING} 1")
            .expect("grpc_healthcheck_response{serving_status=SERVING} 0")
            .row("UNKNOWN")
            .module(grpc("service: dark"))
            .expect("success 0; grpc_status_code 0; grpc_healthcheck_response{serving_status=UNKNOWN} 1")
            .row("SERVICE_UNKNOWN")
            .module(grpc("service: lost"))
            .expect("success 0; grpc_status_code 0; grpc_healthcheck_response{serving_status=SERVICE_UNKNOWN} 1"),
        case("G4", "a_refused_call_has_its_code")
            .serve(|| health(None))
            .row("unknown service")
            .module(grpc("service: nobody"))
            .expect("success 0; grpc_status_code 5; grpc_ssl 0")
            .expect(NO_STATE)
            .row("no health service")
            .module(grpc("service: without health"))
            .expect("success 0; grpc_status_code 12")
            .expect(NO_STATE)
            .row("permission denied")
            .module(grpc("service: refused"))
            .expect("success 0; grpc_status_code 7")
            .expect(NO_STATE),
    ]
}

fn encryption() -> Vec<Case> {
    vec![
        case("G5", "a_call_over_tls_shows_the_certificate")
            .serve(|| health(Some(encrypted())))
            .expect("success 1; grpc_ssl 1; grpc_status_code 0; tls_version_info{version=TLS 1.2} 1")
            .expect("ssl_earliest_cert_expiry > 0; ssl_last_chain_info")
            .only(format!("{SHOWN} tls_version_info ssl_earliest_cert_expiry ssl_last_chain_info"))
            .row("unverified")
            .module(grpc("tls: true, tls_config: { insecure_skip_verify: true }"))
            .row("verified")
            .module(grpc("tls: true, tls_config: { ca_file: '{ca}' }")),
        case("G6", "no_connection_is_unavailable")
            .expect("success 0; grpc_ssl 0; grpc_status_code 14; grpc_duration_seconds{phase=check} >= 0")
            .expect(NO_STATE)
            .expect("!tls_version_info; !ssl_last_chain_info")
            .row("encrypted to plain")
            .module(grpc("tls: true, tls_config: { insecure_skip_verify: true }"))
            .serve(|| health(None))
            .row("plain to encrypted")
            .module(grpc(""))
            .serve(|| health(Some(encrypted())))
            .row("closed")
            .module(grpc(""))
            .serve(|| async { Served::from(Peer::closed_port().await) }),
    ]
}

fn oddities() -> Vec<Case> {
    vec![
        case("G7", "without_an_address_nothing_is_called")
            .module(grpc(""))
            .target("nowhere.test:80")
            .expect("success 0; grpc_status_code 0; grpc_ssl 0; grpc_duration_seconds{phase=resolve} 0; ip_protocol 0")
            .expect("!grpc_healthcheck_response; !grpc_duration_seconds{phase=check}"),
        case("G8", "metadata_arrives")
            .not_in_0_23("module: `metadata` is newer")
            .serve(|| health(None))
            .row("small letters")
            .module(grpc("metadata: { key1: [v1, v2], key2-bin: ['a\u{263a}'], authorization: [Bearer x] }"))
            .expect("success 1")
            .heard_has("key1: v1\nkey1: v2\n")
            .heard_has("key2-bin: YeKYug\n")
            .heard_has("authorization: Bearer x\n")
            .row("capitals")
            .module(grpc("metadata: { Key1: [v1] }"))
            .expect("success 1")
            .heard_has("key1: v1\n"),
        case("G9", "a_slow_server_ends_with_the_timeout")
            .module("{ prober: grpc, timeout: 1s, grpc: { preferred_ip_protocol: ip4, service: slow } }")
            .serve(|| health(None))
            .expect("success 0; grpc_status_code 4; duration_seconds < 3; grpc_duration_seconds{phase=check} > 0.5")
            .expect(NO_STATE)
            .took(0.9, 3.5),
        case("G10", "an_ipv6_address_is_a_target")
            .module("{ prober: grpc, timeout: 2s, grpc: {} }")
            .serve(|| health(None))
            .target("[::1]:{port}")
            .expect("success 1; ip_protocol 6; grpc_status_code 0"),
        case("G11", "a_state_without_a_name_is_a_number")
            .module(grpc("service: odd"))
            .serve(|| health(None))
            .expect("success 0; grpc_status_code 0; grpc_healthcheck_response{serving_status=99} 1")
            .expect(NO_STATE),
        case("G12", "a_scheme_does_not_encrypt")
            .module(grpc(""))
            .serve(|| health(None))
            .target("https://{peer}")
            .expect("success 1; grpc_ssl 0"),
    ]
}
