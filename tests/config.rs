//! Wrong configuration files and what is said about each: `tests/config/NAME.yml` and `NAME.err`. Good files are in
//! `tests/config/good/`.
//!
//! `UPDATE_EXPECT=1` writes the texts anew; they are meant to be read before they are committed.

use std::path::{Path, PathBuf};

use expect_test::expect_file;
use tuermer::config;

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is part of the project")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("readable");
            (path, text)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn wrong_files_are_refused_with_a_text_that_helps() {
    let files = files("tests/config");
    assert!(files.len() >= 100, "only {} files", files.len());
    for (path, text) in files {
        let name = path.file_name().expect("a file").to_string_lossy();
        let error = config::parse(&text, &name).expect_err(&name);
        expect_file![path.with_extension("err")].assert_eq(&format!("{error}\n"));
    }
}

#[test]
fn good_files_are_taken() {
    for (path, text) in files("tests/config/good") {
        if let Err(error) = config::parse(&text, &path.to_string_lossy()) {
            panic!("{error}");
        }
    }
}

/// Whether a module of the kind http with this setting can be loaded.
fn takes(setting: &str) -> bool {
    let setting = setting.replace('\n', "\n      ");
    let text = format!("modules:\n  m:\n    prober: http\n    http:\n      {setting}\n");
    config::parse(&text, "x").is_ok()
}

#[test]
fn settings_are_taken_or_refused_as_blackbox_exporter_does() {
    for good in [
        "body_size_limit: 1MB",
        "body_size_limit: 1MiB",
        "body_size_limit: 1.5MB",
        "body_size_limit: 1KB512B",
        "body_size_limit: 0",
        "headers: {A: 1, B: true, C: null}",
        "body: 5",
        "fail_if_ssl: yes",
        "fail_if_ssl: off",
        "fail_if_ssl:",
        "valid_status_codes: []",
        "valid_http_versions: [HTTP/1.1, HTTP/2.0]",
        "follow_redirects: false",
        "no_follow_redirects: true",
        "basic_auth: {}",
        "compression: br\nheaders: {Accept-Encoding: 'gzip, *'}",
        "compression: br\nheaders: {Accept-Encoding: 'gzip, *;q=0.1'}",
        "compression: br\nheaders: {Accept-Encoding: 'gzip;q=1.0, compress;q=0.5, br;q=0.1, *;q=0.0'}",
        "compression: br\nheaders: {Accept-Encoding: ' *;q=0.0 ,br;q=0.1 '}",
        "compression: gzip\nheaders: {Accept-Encoding: '*;q=0.5, gzip;q=0'}",
        r"fail_if_body_matches_regexp: ['a{1000}', '[a&&b]', 'a{,2}', '\Q.\E', '(?U)a+']",
        "tls_config: {insecure_skip_verify: true, min_version: TLS13, max_version: TLS12}",
        "proxy_url: http://user:password@proxy:3128",
        "http_headers: {X-A: {values: [a], secrets: [b], files: [c]}}",
    ] {
        assert!(takes(good), "{good}");
    }
    for wrong in [
        "body_size_limit: ''",
        "body_size_limit: 1M",
        "compression: br\nheaders: {Accept-Encoding: 'gzip, compress'}",
        "compression: br\nheaders: {Accept-Encoding: 'gzip, br;q=0.0'}",
        "compression: br\nheaders: {Accept-Encoding: 'gzip, *;q=0.0'}",
        "compression: GZIP\nheaders: {Accept-Encoding: gzip}",
        "fail_if_header_matches: [{header: A, regexp: ''}]",
        "fail_if_body_matches_regexp: ['a++']",
        "fail_if_body_matches_regexp: ['a{1001}']",
        r"fail_if_body_matches_regexp: ['\Z']",
        "authorization: {credentials: a, credentials_file: b}",
        "basic_auth: {password: a, password_file: b}",
        "tls_config: {cert_file: a}",
        "tls_config: {ca: a, ca_file: b}",
        "tls_config: {min_version: TLS1.2}",
        "proxy_from_environment: true\nproxy_url: http://proxy",
    ] {
        assert!(!takes(wrong), "{wrong}");
    }
}
