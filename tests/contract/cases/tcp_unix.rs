//! `tcp` and `unix`: T1 to T24, U1 to U4.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::version::TLS12;
use tuermer_probes::testkit::{
    Act, Authority, Leaf, Peer, close, hear, hear_nothing_more, in_days, say, starttls, trickle, wait_for_ever,
};

use crate::case::{Case, case};
use crate::serve::{Served, authority, certified, dual, noting_callers, unix};

const BANNER: &str = "SSH-2.0-OpenSSH_6.9p1 Debian-2\r\n";
const BANNER_PATTERN: &str = "^SSH-2.0-([^ -]+)(?: (.*))?$";
const NO_LABELS: &str = "module: `labels` of an `expect` are newer";
const NO_BYTES: &str = "module: `expect_bytes` is newer";
const NO_UNIX: &str = "module: the prober `unix` is newer";

/// A module with these entries of a dialogue.
fn dialogue(entries: &str) -> String {
    format!("{{ prober: tcp, timeout: 2s, tcp: {{ preferred_ip_protocol: ip4, query_response: [{entries}] }} }}")
}

/// A module of the prober `tcp` with these settings.
fn tcp(settings: &str) -> String {
    format!("{{ prober: tcp, timeout: 2s, tcp: {{ preferred_ip_protocol: ip4, {settings} }} }}")
}

/// A module of the prober `unix` with these settings.
fn socket(settings: &str) -> String {
    format!("{{ prober: unix, timeout: 2s, unix: {{ {settings} }} }}")
}

/// A moment without fractions of a second, and its seconds since 1970.
fn whole_seconds(days: f64) -> (SystemTime, u64) {
    let seconds = in_days(days).duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    (UNIX_EPOCH + Duration::from_secs(seconds), seconds)
}

pub(super) fn cases() -> Vec<Case> {
    [connections(), encryption(), lines(), bytes(), answers(), oddities(), sockets()].concat()
}

fn connections() -> Vec<Case> {
    vec![
        case("T1", "a_connection_that_is_closed_at_once_is_enough")
            .module("{ prober: tcp, timeout: 2s }")
            .peer([close()])
            .expect(
                "success 1; failed_due_to_regex 0; failed_due_to_bytes 0; ip_protocol 4; dns_lookup_time_seconds > 0",
            )
            .only("failed_due_to_regex failed_due_to_bytes ip_protocol ip_addr_hash dns_lookup_time_seconds"),
        case("T2", "a_target_must_be_host_and_port")
            .module("{ prober: tcp, timeout: 2s }")
            .row("empty host")
            .target(":0")
            .expect("success 0; ip_protocol 0; ip_addr_hash 0")
            .row("host only")
            .target("127.0.0.1")
            .expect("success 0")
            .only("")
            .row("scheme")
            .target("tcp://127.0.0.1:80")
            .expect("success 0")
            .only("")
            .row("refused")
            .serve(|| async { Served::from(Peer::closed_port().await) })
            .expect("success 0; ip_protocol 4")
            .only("ip_protocol ip_addr_hash dns_lookup_time_seconds"),
        case("T23", "the_source_address_is_used_and_must_be_one")
            .serve(noting_callers)
            .row("valid")
            .module(tcp("source_ip_address: 127.0.0.9"))
            .expect("success 1")
            .heard("127.0.0.9\n")
            .row("garbage")
            .module(tcp("source_ip_address: garbage"))
            .expect("success 0; ip_protocol 4")
            .heard(""),
        case("T24", "the_address_family_is_chosen")
            .serve(|| dual(vec![close()]))
            .target("both.test:{port}")
            .row("ip4")
            .module("{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip4 } }")
            .expect("success 1; ip_protocol 4; ip_addr_hash 3668918509")
            .row("ip6")
            .module("{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip6 } }")
            .expect("success 1; ip_protocol 6; ip_addr_hash 1751717746")
            .row("unset")
            .module("{ prober: tcp, timeout: 2s }")
            .expect("success 1; ip_protocol 6"),
    ]
}

/// A mail server that offers encryption, and what is said with it.
fn mail_server(config: &Arc<ServerConfig>) -> Vec<Act> {
    vec![
        say("220 mail.example ESMTP\r\n"),
        hear("EHLO prober\n"),
        say("250-mail.example\r\n250-STARTTLS\r\n250 HELP\r\n"),
        hear("STARTTLS\n"),
        say("220 go ahead\r\n"),
        starttls(Arc::clone(config)),
        hear("EHLO prober\n"),
        say("250-mail.example\r\n250-AUTH PLAIN\r\n250 HELP\r\n"),
        hear("QUIT\n"),
    ]
}

const MAIL: &str = "{ expect: '^220' }, { send: EHLO prober }, { expect: '^250-STARTTLS' }, { send: STARTTLS }, \
                    { expect: '^220' }, { starttls: true }, { send: EHLO prober }, { expect: '^250-AUTH' }, { send: QUIT }";

fn encryption() -> Vec<Case> {
    let (until, expiry) = whole_seconds(30.0);
    let local = authority().leaf_valid(&["localhost"], in_days(-1.0), until);
    let mut issuers = two_roots();
    let older = issuers.server.pop().expect("a server");
    vec![
        case("T3", "the_certificate_must_be_for_the_target")
            .peer([starttls(local.server_of_version(&TLS12)), wait_for_ever()])
            .row("by address")
            .module(tcp("tls: true, tls_config: { ca_file: '{ca}' }"))
            .expect(
                "success 0; !failed_due_to_regex; !ssl_earliest_cert_expiry; !tls_version_info; !ssl_last_chain_info",
            )
            .row("by name")
            .target("localhost:{port}")
            .module(tcp("tls: true, tls_config: { ca_file: '{ca}' }"))
            .expect(format!("success 1; tls_version_info{{version=\"TLS 1.2\"}} 1; ssl_earliest_cert_expiry {expiry}"))
            .expect(format!("ssl_last_chain_info; ssl_last_chain_expiry_timestamp_seconds {expiry}"))
            .row("by address with server_name")
            .module(tcp("tls: true, tls_config: { ca_file: '{ca}', server_name: localhost }"))
            .expect(format!("success 1; tls_version_info{{version=\"TLS 1.2\"}} 1; ssl_earliest_cert_expiry {expiry}")),
        case("T4", "the_last_chain_outlives_the_root_that_was_sent")
            .module(tcp("tls: true, tls_config: { ca_file: '{roots}', server_name: localhost }"))
            .serve(move || {
                let (server, pem) = (Arc::clone(&older), issuers.pem.clone());
                async move {
                    let peer = Peer::play(vec![starttls(server), wait_for_ever()]).await;
                    Served::from(peer).file("roots", pem)
                }
            })
            .expect(format!("success 1; ssl_earliest_cert_expiry {}", issuers.one_day))
            .expect(format!("ssl_last_chain_expiry_timestamp_seconds {}", issuers.two_days)),
        case("T5", "a_mail_server_goes_on_encrypted")
            .module(tcp(&format!(
                "query_response: [{MAIL}], tls_config: {{ ca_file: '{{ca}}', server_name: localhost }}"
            )))
            .peer(mail_server(&local.server()))
            .expect(format!("success 1; failed_due_to_regex 0; ssl_earliest_cert_expiry {expiry}"))
            .heard_has("EHLO prober\nSTARTTLS\nEHLO prober\nQUIT\n"),
        case("T6", "an_untrusted_mail_server_fails_without_tls_metrics")
            .module(tcp(&format!("query_response: [{MAIL}]")))
            .peer(mail_server(&local.server()))
            .expect("success 0; failed_due_to_regex 0; !ssl_earliest_cert_expiry; !tls_version_info; !tls_cipher_info"),
    ]
}

/// A certificate for two days, below two roots with one key: one ends after it, the other, which is sent, before it.
struct TwoRoots {
    server: Vec<Arc<ServerConfig>>,
    pem: String,
    one_day: u64,
    two_days: u64,
}

fn two_roots() -> TwoRoots {
    let (in_one, one_day) = whole_seconds(1.0);
    let (in_two, two_days) = whole_seconds(2.0);
    let long = Authority::valid(in_days(-1.0), in_days(3.0));
    let short = long.renewed(in_days(-1.0), in_one);
    let leaf = long.leaf_valid(&["localhost"], in_days(-1.0), in_two).with_chain([short.der()]);
    TwoRoots { server: vec![leaf.server()], pem: long.pem() + &short.pem(), one_day, two_days }
}

fn lines() -> Vec<Case> {
    let irc = "{ send: NICK prober }, { send: USER prober prober prober prober }, { expect: '^:[^ ]+ 001' }";
    vec![
        case("T7", "an_irc_server_greets_or_throws_out")
            .module(dialogue(irc))
            .row("welcome")
            .peer([hear("USER prober prober prober prober\n"), say(":irc.example 001 prober :Welcome\r\n")])
            .expect("success 1; failed_due_to_regex 0")
            .heard("NICK prober\nUSER prober prober prober prober\n")
            .row("error")
            .peer([hear("USER prober prober prober prober\n"), say("ERROR :no\r\n"), close()])
            .expect("success 0; failed_due_to_regex 1"),
        case("T8", "expect_with_labels_expands_into_the_answer")
            .module(dialogue(&format!(
                "{{ expect: '{BANNER_PATTERN}', send: 'CONFIRM ${{1}}', labels: [{{ name: ssh_version, value: '${{1}}' }}, \
                 {{ name: ssh_comments, value: '${{2}}' }}] }}"
            )))
            .not_in_0_23(NO_LABELS)
            .peer([say(BANNER), hear("\n")])
            .expect("success 1; expect_info{ssh_comments=Debian-2,ssh_version=OpenSSH_6.9p1} 1; failed_due_to_regex 0")
            .heard("CONFIRM OpenSSH_6.9p1\n"),
        case("T9", "labels_are_templates")
            .module(dialogue(&format!(
                "{{ expect: '{BANNER_PATTERN}', labels: [{{ name: one, value: 'got ${{1}} here' }}, {{ name: two, value: \
                 '${{1}} on ${{2}}' }}] }}"
            )))
            .not_in_0_23(NO_LABELS)
            .peer([say(BANNER), hear_nothing_more()])
            .expect("success 1; expect_info{one=got OpenSSH_6.9p1 here,two=OpenSSH_6.9p1 on Debian-2} 1"),
        case("T10", "a_peer_that_closes_in_silence_did_not_match")
            .module(dialogue("{ expect: '^220' }"))
            .peer([close()])
            .expect("success 0; failed_due_to_regex 1; failed_due_to_bytes 0"),
        case("T11", "a_silent_peer_is_waited_for_until_the_deadline")
            .module("{ prober: tcp, timeout: 500ms, tcp: { query_response: [{ expect: '^220' }] } }")
            .peer([wait_for_ever()])
            .expect("success 0; failed_due_to_regex 0; duration_seconds > 0.45; duration_seconds < 10"),
        case("T12", "the_last_line_needs_no_end")
            .module(dialogue("{ expect: '^line one$' }"))
            .peer([say("line one"), close()])
            .expect("success 1; failed_due_to_regex 0"),
        case("T13", "a_line_may_end_with_crlf")
            .module(dialogue("{ expect: '^line one$' }"))
            .peer([say("line zero\r\nline one\r\n"), hear_nothing_more()])
            .expect("success 1; failed_due_to_regex 0"),
        case("T14", "lines_that_did_not_match_are_gone")
            .module(dialogue("{ expect: '^c' }, { expect: '^b' }"))
            .peer([say("a\nb\nc\nd\n"), close()])
            .expect("success 0; failed_due_to_regex 1"),
        case("T15", "a_line_of_70000_bytes_is_too_long")
            .module(dialogue("{ expect: 'x$' }"))
            .peer([say(["x".repeat(70_000).as_str(), "\n"].concat()), hear_nothing_more()])
            .expect("success 0; failed_due_to_regex 0"),
    ]
}

fn bytes() -> Vec<Case> {
    vec![
        case("T16", "bytes_are_equal_different_or_missing")
            .module(dialogue("{ expect_bytes: ABCD }"))
            .not_in_0_23(NO_BYTES)
            .row("equal")
            .peer([say("ABCD"), hear_nothing_more()])
            .expect("success 1; failed_due_to_bytes 0; failed_due_to_regex 0")
            .row("different")
            .peer([say("ABCE"), hear_nothing_more()])
            .expect("success 0; failed_due_to_bytes 1; failed_due_to_regex 0")
            .row("short")
            .peer([say("AB"), close()])
            .expect("success 0; failed_due_to_bytes 0")
            .row("none")
            .peer([close()])
            .expect("success 0; failed_due_to_bytes 0"),
        case("T17", "bytes_may_come_one_by_one")
            .module(dialogue("{ expect_bytes: ABCD }"))
            .not_in_0_23(NO_BYTES)
            .peer([trickle("ABCD", Duration::from_millis(20)), hear_nothing_more()])
            .expect("success 1; failed_due_to_bytes 0"),
        case("T18", "bytes_may_come_with_the_line_before")
            .module(dialogue("{ expect: '^220' }, { expect_bytes: ABCD }"))
            .not_in_0_23(NO_BYTES)
            .peer([say("220 hello\r\nABCD"), hear_nothing_more()])
            .expect("success 1; failed_due_to_bytes 0; failed_due_to_regex 0"),
        case("T22", "a_database_is_asked_for_encryption_in_bytes")
            .module(tcp("query_response: [{ send: !!binary AAAACATSFi8= }, { expect_bytes: S }, { starttls: true }], \
                         tls_config: { ca_file: '{ca}' }"))
            .not_in_0_23(NO_BYTES)
            .peer([hear("\u{4}"), say("S"), starttls(certified(&["127.0.0.1"])), wait_for_ever()])
            .expect("success 1; tls_version_info; ssl_earliest_cert_expiry > 0")
            .heard(b"\x00\x00\x00\x08\x04\xd2\x16\x2f\n"),
    ]
}

fn answers() -> Vec<Case> {
    vec![
        case("T19", "a_line_feed_follows_what_is_sent")
            .module(dialogue("{ send: hello }, { send: '' }, { send: \"x\\r\" }"))
            .peer([hear("x\r\n")])
            .expect("success 1")
            .heard("hello\nx\r\n"),
        case("T20", "named_groups_go_into_the_answer")
            .module(dialogue("{ expect: '^(?P<proto>SSH)-(?P<v>[0-9.]+)-', send: '$proto ${v} $v_x ${v}x $' }"))
            .peer([say(BANNER), hear("\n")])
            .expect("success 1")
            .heard("SSH 2.0  2.0x $\n"),
    ]
}

fn oddities() -> Vec<Case> {
    let label = |name: &str| format!("labels: [{{ name: {name}, value: '$1' }}]");
    vec![
        case("T21", "what_breaks_the_reference_has_a_defined_result")
            .alone()
            .row("labels of two entries")
            .not_in_0_23(NO_LABELS)
            .module(dialogue(&format!(
                "{{ expect: '^(a)', {} }}, {{ expect: '^(b)', {} }}",
                label("one"),
                label("two")
            )))
            .peer([say("a\nb\n"), hear_nothing_more()])
            .expect("success 1; expect_info{one=a,two=b} 1; !expect_info{one=a}")
            .get("/logs?id=0")
            .status(200)
            .row("a name twice")
            .not_in_0_23(NO_LABELS)
            .module(dialogue("{ expect: '^(.)(.)', labels: [{ name: one, value: $1 }, { name: one, value: $2 }] }"))
            .peer([say("ab\n"), hear_nothing_more()])
            .expect("success 1; expect_info{one=b} 1")
            .get("/logs?id=0")
            .status(200)
            .row("no text")
            .not_in_0_23(NO_LABELS)
            .module(dialogue(&format!("{{ expect: '^(.*)$', {} }}", label("one"))))
            .peer([say(b"a\xff\n".as_slice()), hear_nothing_more()])
            .expect("success 1; expect_info{one=a\u{fffd}} 1")
            .get("/logs?id=0")
            .status(200)
            .row("encrypted twice")
            .module(tcp("tls: true, query_response: [{ expect: go, starttls: true }], tls_config: { ca_file: '{ca}' }"))
            .peer({
                let server = certified(&["127.0.0.1"]);
                [starttls(Arc::clone(&server)), say("go\n"), starttls(server), hear_nothing_more()]
            })
            .expect("success 1; tls_version_info; ssl_last_chain_info; ssl_earliest_cert_expiry > 0")
            .get("/logs?id=0")
            .status(200),
    ]
}

fn sockets() -> Vec<Case> {
    let leaf: Leaf = authority().leaf(&["localhost"]);
    let server = leaf.server();
    let encrypted = move || {
        let server = Arc::clone(&server);
        async move { unix(vec![starttls(server), wait_for_ever()]).await }
    };
    vec![
        case("U1", "a_socket_is_there_or_not")
            .not_in_0_23(NO_UNIX)
            .module(socket(""))
            .row("there")
            .serve(|| unix(vec![close()]))
            .target("{socket}")
            .expect("success 1")
            .only("failed_due_to_regex failed_due_to_bytes")
            .row("missing")
            .target("/nonexistent/socket")
            .expect("success 0")
            .only(""),
        case("U2", "a_socket_holds_a_dialogue")
            .not_in_0_23(NO_UNIX)
            .module(socket(
                "query_response: [{ expect: '^hello (.*)$', labels: [{ name: who, value: $1 }], send: 'hi $1' }]",
            ))
            .serve(|| unix(vec![say("hello world\n"), hear("\n")]))
            .target("{socket}")
            .expect("success 1; expect_info{who=world} 1")
            .heard("hi world\n"),
        case("U3", "a_socket_has_no_name_to_verify")
            .not_in_0_23(NO_UNIX)
            .serve(encrypted.clone())
            .target("{socket}")
            .row("the path")
            .module(socket("tls: true, tls_config: { ca_file: '{ca}' }"))
            .expect("success 0; !tls_version_info; !ip_protocol")
            .row("a name")
            .module(socket("tls: true, tls_config: { ca_file: '{ca}', server_name: localhost }"))
            .expect("success 1; tls_version_info; ssl_last_chain_info")
            .row("unverified")
            .module(socket("tls: true, tls_config: { insecure_skip_verify: true }"))
            .expect("success 1; ssl_last_chain_expiry_timestamp_seconds -62135596800"),
        case("U4", "an_unreadable_authority_fails_the_probe")
            .alone()
            .not_in_0_23(NO_UNIX)
            .serve(encrypted)
            .target("{socket}")
            .module(socket("tls: true, tls_config: { ca_file: /nonexistent/ca.pem }"))
            .expect("success 0; !tls_version_info")
            .get("/logs?id=0")
            .status(200),
    ]
}
