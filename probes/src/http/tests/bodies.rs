//! Bodies: lengths, compression, limits, rules.

use std::time::Duration;

use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{LONG, SHORT, answer, answering, lengths, probe_peer, read, reads, url};
use crate::http::intake::{EXPANSION_FREE_BYTES, KEPT_BYTES_MAX, SEARCHED_WHOLE_BYTES_MAX};
use crate::report::Report;
use crate::testkit::{Peer, ask, flood, gist, hear, hear_nothing_more, say};

macro_rules! compressed {
    ($encoder:ident, $bytes:expr) => {{
        let mut encoder = $encoder::new(Vec::new());
        encoder.write_all($bytes).await.expect("compressed");
        encoder.shutdown().await.expect("compressed");
        encoder.into_inner()
    }};
}

/// 110 bytes, as in blackbox_exporter's own tests.
const TEXT: &[u8] = &[b'x'; 110];

/// An answer with these bytes as its body.
fn with_body(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

async fn probe_body(settings: Value, body: &[u8]) -> Report {
    let peer = answering(with_body("", body)).await;
    probe_peer(settings, &peer).await
}

#[tokio::test]
async fn a_body_is_not_decompressed_unless_the_module_says_so() {
    for coding in ["", "Content-Encoding: identity\r\n", "Content-Encoding: gzip\r\n", "Content-Encoding: odd\r\n"] {
        let peer = answering(with_body(coding, TEXT)).await;
        let report = probe_peer(json!({}), &peer).await;
        assert_eq!(lengths(&report), [Some(200.0), Some(110.0), Some(110.0)], "{coding}");
        assert_eq!(gist(&report), "up");
    }
}

#[tokio::test]
async fn a_body_is_decompressed_as_the_module_says() {
    for (compression, body) in [
        ("gzip", compressed!(GzipEncoder, TEXT)),
        ("GZip", compressed!(GzipEncoder, TEXT)),
        ("br", compressed!(BrotliEncoder, TEXT)),
        ("deflate", compressed!(DeflateEncoder, TEXT)),
        ("deflate", compressed!(ZlibEncoder, TEXT)),
        ("zstd", compressed!(ZstdEncoder, TEXT)),
        ("identity", TEXT.to_vec()),
        ("", TEXT.to_vec()),
    ] {
        let report = probe_body(json!({"compression": compression}), &body).await;
        assert_eq!(gist(&report), "up", "{compression}");
        assert_eq!(lengths(&report), [Some(200.0), Some(body.len() as f64), Some(110.0)], "{compression}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_compressed_so_fails() {
    let gzipped = compressed!(GzipEncoder, TEXT);
    for (compression, body) in [
        ("gzip", TEXT),
        ("deflate", gzipped.as_slice()),
        ("br", TEXT),
        ("zstd", TEXT),
        ("gzip", &gzipped[..gzipped.len() - 9]),
        ("gzip", b""),
    ] {
        let settings = json!({"compression": compression, "fail_if_body_matches_regexp": ["zzz"]});
        let report = probe_body(settings, body).await;
        assert_eq!(gist(&report), "decode_error in transfer", "{compression}");
        assert_eq!(read(&report, "http_status_code"), Some(200.0));
    }
    let report = probe_body(json!({"compression": "deflate"}), &gzipped).await;
    assert_eq!(read(&report, "http_uncompressed_body_length"), Some(0.0));
}

#[tokio::test]
async fn several_members_of_gzip_are_one_body() {
    let body = [compressed!(GzipEncoder, TEXT), compressed!(GzipEncoder, TEXT)].concat();
    let report = probe_body(json!({"compression": "gzip"}), &body).await;
    assert_eq!((gist(&report), read(&report, "http_uncompressed_body_length")), ("up".to_owned(), Some(220.0)));
}

#[tokio::test]
async fn the_size_limit_counts_what_is_read() {
    for (bytes, due, length) in [(127, "up", 127.0), (128, "up", 128.0), (129, "body_too_large in transfer", 128.0)] {
        let body = vec![b'x'; bytes];
        let report = probe_body(json!({"body_size_limit": "128B"}), &body).await;
        assert_eq!(
            (gist(&report), lengths(&report)),
            (due.to_owned(), [Some(200.0), Some(bytes as f64), Some(length)])
        );
        let zipped = compressed!(GzipEncoder, &body);
        let report = probe_body(json!({"body_size_limit": "128B", "compression": "gzip"}), &zipped).await;
        assert_eq!(lengths(&report), [Some(200.0), Some(zipped.len() as f64), Some(length)]);
        assert_eq!(gist(&report), due);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_fails_its_rules_too() {
    let settings = json!({"body_size_limit": "5B", "fail_if_body_not_matches_regexp": ["x"]});
    let report = probe_body(settings, b"xxxxxxxxxx").await;
    assert_eq!(gist(&report), "body_too_large in transfer");
    assert_eq!(reads(&report, ["failed_due_to_regex", "http_uncompressed_body_length"]), [Some(1.0), Some(5.0)]);
}

#[tokio::test]
async fn a_body_without_announced_length_is_read_to_its_end() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    for (text, length) in [(chunked, 11.0), ("HTTP/1.1 200 OK\r\n\r\nhello", 5.0)] {
        let peer = answering(text).await;
        let report = probe_peer(json!({}), &peer).await;
        assert_eq!((gist(&report), lengths(&report)), ("up".to_owned(), [Some(200.0), Some(-1.0), Some(length)]));
    }
}

#[tokio::test]
async fn a_short_body_fails() {
    let peer = answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello").await;
    let report = probe_peer(json!({}), &peer).await;
    assert_eq!(gist(&report), "closed_early in transfer");
    assert_eq!(lengths(&report), [Some(200.0), Some(100.0), Some(5.0)]);
}

#[tokio::test]
async fn a_broken_chunk_fails() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, due) in [
        ("5\r\nhello\r\nxyz\r\n", "protocol_error in transfer"),
        ("5\r\nhelloXX", "protocol_error in transfer"),
        ("5\r\nhello\r\n", "closed_early in transfer"),
        ("ffffffffffffffffff\r\n", "protocol_error in transfer"),
    ] {
        let peer = answering(format!("{head}{chunks}")).await;
        let report = probe_peer(json!({"fail_if_body_matches_regexp": ["zzz"]}), &peer).await;
        assert_eq!(gist(&report), due, "{chunks}");
        assert_eq!(read(&report, "failed_due_to_regex"), Some(1.0));
    }
}

#[tokio::test]
async fn a_body_must_not_match() {
    for (body, due, flag) in
        [("an a", "body_unexpected in check", 1.0), ("a b", "body_unexpected in check", 1.0), ("none", "up", 0.0)]
    {
        let settings = json!({"fail_if_body_matches_regexp": ["\\ba\\b", "b"]});
        let report = probe_body(settings, body.as_bytes()).await;
        assert_eq!((gist(&report), read(&report, "failed_due_to_regex")), (due.to_owned(), Some(flag)), "{body}");
        assert_eq!(read(&report, "http_uncompressed_body_length"), Some(body.len() as f64));
    }
}

#[tokio::test]
async fn a_body_must_match_every_pattern() {
    for (body, due) in [("only a", "body_unexpected in check"), ("a and b", "up"), ("", "body_unexpected in check")] {
        let settings = json!({"fail_if_body_not_matches_regexp": ["\\ba\\b", "b"]});
        let report = probe_body(settings, body.as_bytes()).await;
        assert_eq!(gist(&report), due, "{body}");
    }
    let report = probe_body(json!({"fail_if_body_not_matches_regexp": ["b"]}), b"aaa").await;
    assert_eq!(report.failure().expect("a failure").message(), "the body of 3 bytes does not match `b`");
}

#[tokio::test]
async fn a_rule_sees_the_decompressed_body() {
    let body = compressed!(GzipEncoder, b"hello");
    let settings = json!({"compression": "gzip", "fail_if_body_not_matches_regexp": ["^hello$"]});
    assert_eq!(gist(&probe_body(settings, &body).await), "up");
}

#[tokio::test]
async fn a_bomb_is_defused() {
    let body = compressed!(GzipEncoder, &vec![0; 2 * EXPANSION_FREE_BYTES as usize]);
    let report = probe_body(json!({"compression": "gzip"}), &body).await;
    assert_eq!(gist(&report), "body_too_large in transfer");
    let length = read(&report, "http_uncompressed_body_length").expect("a length");
    assert!(length < 1.1 * EXPANSION_FREE_BYTES as f64, "{length}");
}

#[tokio::test]
async fn an_endless_body_ends_with_the_deadline() {
    let peer = Peer::play(vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\n\r\n"), flood(b'x')]).await;
    let report = ask("http", json!({}), &url(peer.address()), SHORT).await;
    assert_eq!(gist(&report), "timeout in transfer");
    assert!(report.duration < Duration::from_secs(5), "{:?}", report.duration);
    assert!(read(&report, "http_uncompressed_body_length") > Some(0.0));
}

#[tokio::test]
async fn an_endless_body_for_a_rule_that_needs_it_whole_ends_with_the_memory() {
    let peer = Peer::play(vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\n\r\n"), flood(b'x')]).await;
    let settings = json!({"fail_if_body_matches_regexp": ["zzz\\B"]});
    let report = ask("http", settings, &url(peer.address()), LONG).await;
    assert_eq!(gist(&report), "body_too_large in transfer");
    let length = read(&report, "http_uncompressed_body_length").expect("a length");
    assert!(length < 1.1 * KEPT_BYTES_MAX as f64, "{length}");
    assert_eq!(read(&report, "failed_due_to_regex"), Some(1.0));
}

#[tokio::test]
async fn an_endless_body_that_is_searched_as_it_comes_ends_with_the_deadline() {
    let peer = Peer::play(vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\n\r\n"), flood(b'x')]).await;
    let settings = json!({"fail_if_body_matches_regexp": ["zzz"], "fail_if_body_not_matches_regexp": ["(?i)é", "x"]});
    let report = ask("http", settings, &url(peer.address()), SHORT).await;
    assert_eq!(gist(&report), "timeout in transfer");
    assert!(report.duration < Duration::from_secs(5), "{:?}", report.duration);
    assert!(read(&report, "http_uncompressed_body_length") > Some(SEARCHED_WHOLE_BYTES_MAX as f64));
    assert_eq!(read(&report, "failed_due_to_regex"), Some(1.0));
}

#[tokio::test]
async fn a_long_body_is_searched_as_it_comes() {
    let mut body = vec![b'x'; 3 * SEARCHED_WHOLE_BYTES_MAX];
    body.extend_from_slice(b"needle");
    for (pattern, key, due) in [
        ("needle$", "fail_if_body_not_matches_regexp", "up"),
        ("^needle", "fail_if_body_not_matches_regexp", "body_unexpected in check"),
        ("xneed", "fail_if_body_matches_regexp", "body_unexpected in check"),
        ("zzz", "fail_if_body_matches_regexp", "up"),
    ] {
        let report = probe_body(json!({key: [pattern], "body_hash": true}), &body).await;
        assert_eq!(gist(&report), due, "{pattern}");
        assert_eq!(read(&report, "http_uncompressed_body_length"), Some(body.len() as f64));
        assert_eq!(read(&report, "failed_due_to_regex"), Some(f64::from(u8::from(due != "up"))));
    }
}

#[tokio::test]
async fn a_body_can_be_one_of_those_that_are_right() {
    // SHA-256 of "hello".
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let rule = |digest: &str| json!({"valid_body_sha256": [digest.to_uppercase(), "0".repeat(64)]});
    assert_eq!(gist(&probe_body(rule(hello), b"hello").await), "up");
    let report = probe_body(rule(hello), b"hullo").await;
    assert_eq!(gist(&report), "body_unexpected in check");
    assert_eq!((read(&report, "failed_due_to_regex"), read(&report, "http_body_hash")), (Some(0.0), None));
    let report = probe_body(json!({"body_hash": true}), b"hello").await;
    assert_eq!(
        read(&report, "http_body_hash"),
        Some(f64::from(0x2cf2_u32) * 2_f64.powi(32) + f64::from(0x4dba_5fb0_u32))
    );
    let notes: Vec<_> = report.notes.iter().map(|(_, _, text)| text.to_owned()).collect();
    assert!(notes.contains(&format!("the body's SHA-256 is {hello}")), "{notes:?}");
    // The page of an outage is not the one that is watched.
    let settings = json!({"body_hash": true, "valid_status_codes": [404]});
    assert_eq!(read(&probe_body(settings, b"hello").await, "http_body_hash"), None);
    // SHA-256 of nothing.
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(gist(&probe_body(rule(nothing), b"").await), "up");
}

#[tokio::test]
async fn a_module_can_say_how_much_may_be_decompressed() {
    let body = compressed!(GzipEncoder, &vec![0; 2 * EXPANSION_FREE_BYTES as usize]);
    let settings = json!({"compression": "gzip", "expansion_limit": 2000});
    assert_eq!(gist(&probe_body(settings, &body).await), "up");
}

#[tokio::test]
async fn a_body_that_never_comes_shows_what_came_before() {
    let head = "HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\nhalf";
    let peer = Peer::play(vec![hear("\r\n\r\n"), say(head), hear_nothing_more()]).await;
    let report = ask("http", json!({}), &url(peer.address()), SHORT).await;
    assert_eq!(gist(&report), "timeout in transfer");
    assert_eq!(lengths(&report), [Some(500.0), Some(9.0), Some(4.0)]);
    let notes: Vec<_> = report.notes.iter().map(|(_, _, text)| text.to_owned()).collect();
    let due = "500 Internal Server Error instead of 200 to 299".to_owned();
    assert!(notes.contains(&due), "{notes:?}");
}

#[tokio::test]
async fn an_empty_answer_announces_nothing() {
    let peer = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let report = probe_peer(json!({}), &peer).await;
    assert_eq!((gist(&report), lengths(&report)), ("up".to_owned(), [Some(204.0), Some(0.0), Some(0.0)]));
    let peer = answering(answer("200 OK", "", "")).await;
    let report = probe_peer(json!({"fail_if_body_not_matches_regexp": ["^$"]}), &peer).await;
    assert_eq!((gist(&report), lengths(&report)), ("up".to_owned(), [Some(200.0), Some(0.0), Some(0.0)]));
}
