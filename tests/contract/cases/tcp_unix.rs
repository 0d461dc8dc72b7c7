//! `tcp` and `unix`: T1 to T24, U1 to U4.

use tuermer_probes::testkit::{Peer, close, hear, say};

use crate::case::{Case, case};
use crate::serve::Served;

const BANNER: &str = "SSH-2.0-OpenSSH_6.9p1 Debian-2\r\n";

pub(super) fn cases() -> Vec<Case> {
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
            .row("port 0")
            .target(":0")
            .expect("success 0")
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
        case("T7", "an_irc_server_greets_or_throws_out")
            .module(
                "{ prober: tcp, timeout: 2s, tcp: { query_response: [{ send: NICK prober }, { send: USER prober prober \
                 prober prober }, { expect: '^:[^ ]+ 001' }] } }",
            )
            .row("welcome")
            .peer([hear("USER prober prober prober prober\n"), say(":irc.example 001 prober :Welcome\r\n")])
            .expect("success 1; failed_due_to_regex 0")
            .heard("NICK prober\nUSER prober prober prober prober\n")
            .row("error")
            .peer([hear("USER prober prober prober prober\n"), say("ERROR :no\r\n"), close()])
            .expect("success 0; failed_due_to_regex 1"),
        case("T8", "expect_with_labels_expands_into_the_answer")
            .module(
                "{ prober: tcp, timeout: 2s, tcp: { query_response: [{ expect: '^SSH-2.0-([^ -]+)(?: (.*))?$', send: \
                 'CONFIRM ${1}', labels: [{ name: ssh_version, value: '${1}' }, { name: ssh_comments, value: '${2}' }] \
                 }] } }",
            )
            .not_in_0_23("module: `labels` is newer")
            .peer([say(BANNER), hear("\n")])
            .expect("success 1; expect_info{ssh_comments=Debian-2,ssh_version=OpenSSH_6.9p1} 1; failed_due_to_regex 0")
            .heard("CONFIRM OpenSSH_6.9p1\n"),
        case("U1", "a_socket_is_there_or_not")
            .module("{ prober: unix, timeout: 2s }")
            .not_in_0_23("module: the prober unix is newer")
            .row("missing")
            .target("/nonexistent/socket")
            .expect("success 0")
            .only(""),
    ]
}
