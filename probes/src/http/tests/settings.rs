//! What a module may say.

use serde_json::{Value, json};

use crate::http::module::Settings;

fn load(settings: Value) -> Result<(), String> {
    let kind = crate::kind("http").expect("the kind");
    kind.module(settings).map(drop).map_err(|error| error.to_string())
}

#[test]
fn every_key_of_blackbox_exporter_is_taken() {
    let settings = json!({
        "valid_status_codes": [200],
        "valid_http_versions": ["HTTP/1.1", "HTTP/2.0"],
        "preferred_ip_protocol": "ip4",
        "ip_protocol_fallback": false,
        "skip_resolve_phase_with_proxy": true,
        "follow_redirects": false,
        "no_follow_redirects": false,
        "fail_if_ssl": false,
        "fail_if_not_ssl": true,
        "method": "POST",
        "headers": {"Host": "vhost.example", "Accept-Language": null},
        "http_headers": {"X-A": {"values": ["a"], "secrets": ["b"], "files": ["c"]}},
        "body": "x",
        "fail_if_body_matches_regexp": ["a"],
        "fail_if_body_not_matches_regexp": ["b"],
        "fail_if_header_matches": [{"header": "Access", "allow_missing": true, "regexp": "\\*"}],
        "fail_if_header_not_matches": [{"header": "Access", "allow_missing": false, "regexp": "\\*"}],
        "fail_if_body_json_matches_cel": "body.x",
        "fail_if_body_json_not_matches_cel": "body.y",
        "compression": "gzip",
        "body_size_limit": "10MB",
        "enable_http3": false,
        "enable_http2": true,
        "tls_config": {"insecure_skip_verify": false},
        "oauth2": {
            "client_id": "c", "client_secret": "s", "token_url": "http://t/", "scopes": ["a"],
            "endpoint_params": {"a": "b"}, "claims": {"a": 1}, "tls_config": {"ca_file": "x"},
            "proxy_url": "http://p/", "no_proxy": "a", "proxy_connect_header": {"A": ["b"]},
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_certificate_key": "k",
            "client_certificate_key_id": "i", "signature_algorithm": "RS256", "iss": "i", "audience": "a",
        },
        "proxy_url": "http://proxy.example:3128/",
        "no_proxy": "localhost",
        "proxy_connect_header": {"A": ["b"]},
    });
    assert_eq!(load(settings), Ok(()));
    assert_eq!(load(json!({"valid_status_codes": null, "headers": null, "tls_config": null, "method": null})), Ok(()));
    assert_eq!(load(json!({})), Ok(()));
}

#[test]
fn contradictions_are_found_when_loading() {
    let oauth2 = |extra: Value| {
        let mut oauth2 = json!({"client_id": "c", "token_url": "http://t/"});
        oauth2.as_object_mut().expect("a map").extend(extra.as_object().expect("a map").clone());
        json!({"oauth2": oauth2})
    };
    for (settings, words) in [
        (json!({"body": "x", "body_file": "y"}), "body and body_file"),
        (
            json!({"bearer_token": "a", "bearer_token_file": "b", "basic_auth": {}}),
            "bearer_token and bearer_token_file",
        ),
        (json!({"basic_auth": {}, "authorization": {}}), "basic_auth and authorization"),
        (json!({"basic_auth": {}, "bearer_token": "x"}), "basic_auth and bearer_token"),
        (json!({"basic_auth": {"password": "a", "password_file": "b"}}), "password, password_file"),
        (json!({"basic_auth": {"username": "a", "username_ref": "b"}}), "username, username_file"),
        (json!({"authorization": {"type": " Basic "}}), "basic_auth"),
        (json!({"authorization": {"credentials": "a", "credentials_file": "b"}}), "credentials, credentials_file"),
        (json!({"oauth2": {"token_url": "x"}}), "client_id"),
        (json!({"oauth2": {"client_id": "x"}}), "token_url"),
        (oauth2(json!({"client_secret": "a", "client_secret_file": "b"})), "client_secret, client_secret_file"),
        (oauth2(json!({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"})), "client_certificate_key"),
        (oauth2(json!({"no_proxy": "x"})), "no_proxy needs proxy_url"),
        (json!({"proxy_connect_header": {"A": ["b"]}}), "proxy_connect_header needs"),
        (json!({"no_proxy": "x"}), "no_proxy needs proxy_url"),
        (json!({"proxy_from_environment": true, "proxy_url": "http://p/"}), "excludes"),
        (json!({"proxy_url": "http://p:port/"}), "proxy_url is no URL"),
        (json!({"proxy_url": "socks5://p:99999"}), "proxy_url is no URL"),
        (json!({"http_headers": {"auThorization": {"values": ["x"]}}}), "\"auThorization\" is not allowed"),
        (json!({"valid_http_versions": ["HTTP/3.0"]}), "needs enable_http3"),
        (json!({"enable_http3": true}), "enable_http2: false"),
        (json!({"enable_http3": true, "enable_http2": false, "valid_http_versions": ["HTTP/2.0"]}), "HTTP/2.0 cannot"),
        (json!({"fail_if_body_json_matches_cel": ""}), "CEL"),
        (json!({"fail_if_header_matches": [{"header": "A"}]}), "regexp must be set"),
        (json!({"fail_if_header_matches": [{"regexp": "a"}]}), "header name must be set"),
        (json!({"fail_if_body_matches_regexp": [":["]}), ":["),
        (json!({"compression": "gzip", "headers": {"accEpt-enCoding": "deflate"}}), "\"accEpt-enCoding: deflate\""),
        (json!({"compression": "GZIP", "headers": {"Accept-Encoding": "gzip"}}), "GZIP"),
        (json!({"body_size_limit": "1M"}), "1M"),
        (json!({"valid_body_sha256": ["abc"]}), "64 hexadecimal digits"),
        (json!({"redirect_limit": -1}), ""),
        (json!({"tls_config": {"cert_file": "x"}}), "certificate"),
        (json!({"valid_status_codes": 200}), ""),
        (json!({"valid_status_codes": ["2xx"]}), ""),
        (json!({"fail_if_ssl": "true"}), ""),
        (json!({"no_such_key": 1}), "no_such_key"),
        (json!({"fail_if_header_matches": [{"header": "A", "regexp": "b", "odd": 1}]}), "odd"),
    ] {
        let error = load(settings.clone()).expect_err("an error");
        assert!(error.contains(words), "{settings}: {error}");
    }
    for settings in [
        json!({"compression": "gzip", "headers": {"Accept-Encoding": "*;q=0.5, gzip;q=0"}}),
        json!({"compression": "gzip", "headers": {"Accept-Encoding": ""}}),
        json!({"compression": "odd"}),
        json!({"fail_if_header_matches": [{"header": "not a name", "regexp": "b"}]}),
    ] {
        assert_eq!(load(settings.clone()), Ok(()), "{settings}");
    }
}

#[test]
fn secrets_never_show_themselves() {
    let settings: Settings = serde_json::from_value(json!({
        "basic_auth": {"username": "u", "password": "hunter2"},
        "headers": {"Cookie": "hunter2", "Proxy-Authorization": "hunter2"},
        "http_headers": {"X-A": {"secrets": ["hunter2"]}},
        "tls_config": {"cert": "x", "key": "hunter2"},
        "cookies": {"a": "hunter2"},
        "proxy_url": "socks5://u:hunter2@p:1",
    }))
    .expect("settings");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let settings: Settings = serde_json::from_value(json!({
        "oauth2": {
            "client_id": "c",
            "client_secret": "hunter2",
            "token_url": "http://t/",
            "endpoint_params": {"grant_type": "password", "password": "hunter2"},
            "proxy_url": "https://u:hunter2@p:1",
            "proxy_connect_header": {"X": ["hunter2"]},
        },
    }))
    .expect("settings");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_reference_knows_every_key() {
    let schema = serde_json::to_value(crate::kind("http").expect("the kind").schema()).expect("JSON");
    let keys = schema["properties"].as_object().expect("keys");
    assert_eq!(keys.len(), 43);
    assert!(keys.values().all(|key| key["description"].is_string()), "{schema}");
    assert_eq!(keys["follow_redirects"]["default"], json!(true));
}
