//! `http`: H1 to H25, status, version, lengths, compression, method and body.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use tuermer_probes::testkit::{Act, close, hear, say};

use super::http_versions::http2_site;
use crate::case::{Case, case};
use crate::serve::{Site, page};

/// A body of 110 bytes.
const BODY: &str =
    "The quick brown fox jumps over the lazy dog, and over and over and over and over and over again until it rest.";

const PLAIN: &str = "{ prober: http, timeout: 2s }";
const INSECURE: &str = "prober: http\ntimeout: 2s\nhttp:\n  tls_config: { insecure_skip_verify: true }";

/// All there is before a connection is attempted.
const RESOLVED: &str = "dns_lookup_time_seconds ip_protocol ip_addr_hash http_status_code http_content_length \
                        http_uncompressed_body_length http_redirects http_ssl http_version failed_due_to_regex \
                        http_duration_seconds";

/// A module with these settings.
fn module(settings: &str) -> String {
    format!("{{ prober: http, timeout: 2s, http: {{ {settings} }} }}")
}

/// A peer that answers one request with these bytes and closes.
fn answer(bytes: impl AsRef<[u8]>) -> [Act; 3] {
    [hear("\r\n\r\n"), say(bytes.as_ref()), close()]
}

fn gzip(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_ref()).and_then(|()| encoder.finish()).expect("compressed")
}

fn deflate(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_ref()).and_then(|()| encoder.finish()).expect("compressed")
}

fn zlib(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_ref()).and_then(|()| encoder.finish()).expect("compressed")
}

/// A body of at most 64 KiB as one uncompressed block (RFC 7932 section 9.2), and the empty last one.
fn brotli(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = u32::try_from(body.len() - 1).expect("a short body");
    let head = (length << 4 | 1 << 20).to_le_bytes();
    [&head[..3], body, &[0x03]].concat()
}

pub(super) fn cases() -> Vec<Case> {
    [statuses(), lengths(), compressions(), limits(), requests()].concat()
}

fn statuses() -> Vec<Case> {
    let mut any = case("H1", "a_status_from_200_to_299_is_right").module(PLAIN);
    for (status, success) in [(200, 1), (201, 1), (299, 1), (300, 0), (404, 0)] {
        any = any
            .row(status.to_string())
            .peer(answer(page(status, "", "")))
            .expect(format!("success {success}; http_status_code {status}"));
    }
    let mut some =
        case("H2", "other_statuses_are_right_where_they_are_listed").module(module("valid_status_codes: [200, 404]"));
    for (status, success) in [(404, 1), (200, 1), (201, 0)] {
        some = some
            .row(status.to_string())
            .peer(answer(page(status, "", "")))
            .expect(format!("success {success}; http_status_code {status}"));
    }
    let mut versions = case("H3", "versions_are_right_where_they_are_listed");
    for (list, success) in [("[]", 1), ("[HTTP/1.1]", 1), ("[HTTP/1.1, HTTP/2.0]", 1), ("[HTTP/2.0]", 0)] {
        versions = versions
            .row(list)
            .module(module(&format!("valid_http_versions: {list}")))
            .peer(answer(page(200, "", "")))
            .expect(format!("success {success}; http_version 1.1"));
    }
    vec![
        any,
        some,
        versions,
        case("H4", "http_2_is_not_called_http_2")
            .module(format!("{INSECURE}\n  valid_http_versions: [HTTP/2]"))
            .serve(|| http2_site(&["h2", "http/1.1"]))
            .target("https://{peer}/")
            .expect("success 0; http_version 2; http_status_code 200"),
        case("H5", "http_1_0_is_not_http_1_1")
            .module(module("valid_http_versions: [HTTP/1.1]"))
            .peer(answer("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"))
            .expect("success 0; http_version 1"),
    ]
}

fn lengths() -> Vec<Case> {
    let mut identity = case("H6", "a_plain_body_has_one_length").module(PLAIN);
    for encoding in ["", "Content-Encoding: identity", "Content-Encoding: unknown"] {
        identity = identity
            .row(encoding)
            .peer(answer(page(200, encoding, BODY)))
            .expect("success 1; http_content_length 110; http_uncompressed_body_length 110");
    }
    let mut left = case("H8", "nothing_is_decompressed_that_the_module_does_not_ask_for").module(PLAIN);
    for (encoding, body) in [("br", brotli(BODY)), ("gzip", gzip(BODY)), ("deflate", deflate(BODY))] {
        let length = body.len();
        left = left
            .row(encoding)
            .peer(answer(page(200, &format!("Content-Encoding: {encoding}"), body)))
            .expect(format!("success 1; http_content_length {length}; http_uncompressed_body_length {length}"));
    }
    vec![
        identity,
        case("H7", "lengths_are_shown_of_wrong_answers_too")
            .module(PLAIN)
            .peer(answer(page(404, "", "not found")))
            .expect("success 0; http_content_length 9; http_uncompressed_body_length 9"),
        left,
        case("H19", "a_length_that_is_not_announced_is_minus_one")
            .module(PLAIN)
            .row("chunked")
            .peer(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
            .expect("success 1; http_content_length -1; http_uncompressed_body_length 5")
            .row("until the end")
            .peer(answer("HTTP/1.1 200 OK\r\n\r\nhello"))
            .expect("success 1; http_content_length -1; http_uncompressed_body_length 5"),
        case("H20", "a_body_that_is_cut_off_fails")
            .module(PLAIN)
            .peer(answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"))
            .expect("success 0; http_status_code 200; http_content_length 100; http_uncompressed_body_length 5"),
        case("H21", "head_announces_a_length_and_has_none")
            .module(module("method: HEAD"))
            .peer(answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"))
            .expect("success 1; http_content_length 10; http_uncompressed_body_length 0")
            .heard_has("HEAD / HTTP/1.1\r\n"),
    ]
}

fn compressions() -> Vec<Case> {
    let mut undone = case("H9", "what_the_module_asks_for_is_decompressed");
    for (name, body) in [
        ("gzip", gzip(BODY)),
        ("br", brotli(BODY)),
        ("deflate", deflate(BODY)),
        ("identity", BODY.into()),
        ("GZip", gzip(BODY)),
    ] {
        let length = body.len();
        undone = undone
            .row(name)
            .module(module(&format!("compression: {name}, fail_if_body_not_matches_regexp: ['^The quick.*rest\\.$']")))
            .peer(answer(page(200, "", body)))
            .expect(format!("success 1; http_content_length {length}; http_uncompressed_body_length 110"));
    }
    let mut accepted = case("H14", "a_compression_fits_the_header_that_accepts_it");
    for header in ["gzip", "br, gzip", "'*'"] {
        accepted = accepted
            .row(header)
            .module(module(&format!(
                "compression: gzip, headers: {{ Accept-Encoding: \"{}\" }}",
                header.trim_matches('\'')
            )))
            .peer(answer(page(200, "Content-Encoding: gzip", gzip(BODY))))
            .expect("success 1; http_uncompressed_body_length 110")
            .heard_has(format!("Accept-Encoding: {}\r\n", header.trim_matches('\'')));
    }
    vec![
        undone,
        case("H10", "deflate_within_a_frame_of_zlib_is_understood_too")
            .module(module("compression: deflate"))
            .peer(answer(page(200, "", zlib(BODY))))
            .expect("success 1; http_uncompressed_body_length 110"),
        case("H11", "gzip_is_no_deflate")
            .module(module("compression: deflate"))
            .peer(answer(page(200, "", gzip(BODY))))
            .expect("success 0; http_uncompressed_body_length 0; http_status_code 200"),
        case("H12", "a_plain_body_is_no_gzip")
            .module(module("compression: gzip"))
            .peer(answer(page(200, "", BODY)))
            .expect("success 0; http_uncompressed_body_length 0; http_status_code 200"),
        case("H13", "zstd_loads_and_is_no_plain_body")
            .module(module("compression: zstd"))
            .peer(answer(page(200, "", BODY)))
            .expect("success 0; http_uncompressed_body_length 0; http_status_code 200"),
        accepted,
    ]
}

fn limits() -> Vec<Case> {
    let mut fits = case("H15", "a_body_of_the_largest_size_is_right").module(module("body_size_limit: 128B"));
    for length in [127, 128] {
        fits = fits
            .row(length.to_string())
            .peer(answer(page(200, "", "x".repeat(length))))
            .expect(format!("success 1; http_content_length {length}; http_uncompressed_body_length {length}"));
    }
    let compressed = gzip("x".repeat(129));
    let length = compressed.len();
    vec![
        fits,
        case("H16", "a_body_above_the_largest_size_fails")
            .module(module("body_size_limit: 128B"))
            .peer(answer(page(200, "", "x".repeat(129))))
            .expect("success 0; http_content_length 129; http_uncompressed_body_length 128; failed_due_to_regex 0"),
        case("H17", "the_size_is_that_after_decompression")
            .module(module("body_size_limit: 128B, compression: gzip"))
            .peer(answer(page(200, "", compressed)))
            .expect(format!("success 0; http_content_length {length}; http_uncompressed_body_length 128")),
        case("H18", "a_body_that_is_too_large_fails_the_rules_on_it")
            .module(module("body_size_limit: 5B, fail_if_body_not_matches_regexp: [x]"))
            .peer(answer(page(200, "", "x".repeat(10))))
            .expect("success 0; failed_due_to_regex 1; http_uncompressed_body_length 5"),
    ]
}

fn requests() -> Vec<Case> {
    let echo = || {
        Site::open(|asked| {
            let is_right = asked.body == b"Test Body" || asked.body == b"9\r\nTest Body\r\n0\r\n\r\n";
            page(if is_right { 200 } else { 500 }, "", "")
        })
    };
    vec![
        case("H22", "the_method_is_the_modules")
            .module(module("method: POST"))
            .serve(|| Site::open(|asked| page(if asked.method == "POST" { 200 } else { 405 }, "", "")))
            .expect("success 1; http_status_code 200"),
        case("H23", "a_method_that_is_no_token_asks_nobody")
            .module(module("method: PO ST"))
            .peer([close()])
            .expect(
                "success 0; http_status_code 0; http_duration_seconds{phase=resolve} >= 0; \
                 !http_duration_seconds{phase=connect}; !http_duration_seconds{phase=tls}; \
                 !http_duration_seconds{phase=processing}; !http_duration_seconds{phase=transfer}",
            )
            .only(RESOLVED)
            .heard(""),
        case("H24", "a_body_arrives")
            .row("inline")
            .module(module("method: POST, body: Test Body"))
            .serve(echo)
            .expect("success 1; http_status_code 200")
            .heard_has("Content-Length: 9\r\n")
            .row("from a file")
            .module(module("method: POST, body_file: body.txt"))
            .not_in_0_23("module: body_file is newer")
            .file("body.txt", "Test Body")
            .serve(echo)
            .expect("success 1; http_status_code 200")
            .heard_has("Transfer-Encoding: chunked\r\n"),
        case("H25", "a_body_that_cannot_be_read_asks_nobody")
            .module(module("method: POST, body_file: /nonexistent/body"))
            .not_in_0_23("module: body_file is newer")
            .peer([close()])
            .expect("success 0; http_status_code 0; !http_duration_seconds{phase=connect}")
            .only(RESOLVED)
            .heard(""),
    ]
}
