//! Lookups against name servers that follow a script.

use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::{A, AAAA};

use super::*;
use crate::recorder::Recorder;
use crate::testkit::Responder;

const BRIEF: Duration = Duration::from_millis(300);

fn resolver(servers: &[&Responder]) -> Resolver {
    let servers: Vec<_> = servers.iter().map(|server| server.address()).collect();
    Resolver::build(&servers, Hosts::default(), Vec::new(), 1, BRIEF).expect("a resolver")
}

fn searching(server: &Responder, dots: usize) -> Resolver {
    let search = ["one.test.", "two.test."].map(|domain| domain.into_name().expect("a name"));
    Resolver::build(&[server.address()], Hosts::default(), search.into(), dots, BRIEF).expect("a resolver")
}

fn query(bytes: &[u8]) -> Message {
    Message::from_vec(bytes).expect("a query")
}

/// The name that was asked for.
fn asked(bytes: &[u8]) -> String {
    query(bytes).queries[0].name().to_ascii()
}

fn reply(bytes: &[u8], code: ResponseCode, data: &[RData]) -> Vec<Vec<u8>> {
    let query = query(bytes);
    let name = query.queries[0].name().clone();
    let mut reply = query.into_response();
    reply.metadata.response_code = code;
    reply.answers = data.iter().map(|data| Record::from_rdata(name.clone(), 60, data.clone())).collect();
    vec![reply.to_vec().expect("a reply")]
}

async fn saying(code: ResponseCode) -> Responder {
    Responder::udp(move |bytes| reply(bytes, code, &[])).await
}

/// Has one IPv4 address for every name.
async fn knowing() -> Responder {
    Responder::udp(|bytes| {
        let is_a = query(bytes).queries[0].query_type() == RecordType::A;
        let data = [RData::A(A::new(192, 0, 2, 1))];
        reply(bytes, ResponseCode::NoError, if is_a { &data } else { &[] })
    })
    .await
}

async fn silent() -> Responder {
    Responder::udp(|_| Vec::new()).await
}

async fn ip4(resolver: &Resolver, host: &str) -> Result<Vec<IpAddr>, ResolverError> {
    resolver.addresses(host, IpProtocol::Ip4).await
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[tokio::test]
async fn what_a_server_says_is_told_apart() {
    let expected = [
        (ResponseCode::NXDomain, Reason::DnsNxdomain, "does not exist"),
        (ResponseCode::NoError, Reason::DnsNodata, "has no A record"),
        (ResponseCode::ServFail, Reason::DnsServfail, "says Server Failure"),
        (ResponseCode::Refused, Reason::DnsRefused, "says Query Refused"),
        (ResponseCode::FormErr, Reason::DnsError, "says Form Error"),
    ];
    for (code, reason, words) in expected {
        let server = saying(code).await;
        let error = ip4(&resolver(&[&server]), "host.test").await.expect_err("no address");
        assert_eq!(error.reason, reason);
        assert!(error.message.starts_with("host.test: ") && error.message.ends_with(words), "{}", error.message);
        assert_eq!(server.heard().len(), 1, "{code} is not asked for twice");
    }
    let server = Responder::udp(|bytes| vec![[&bytes[..12], &[0xff; 8]].concat()]).await;
    let error = ip4(&resolver(&[&server]), "host.test").await.expect_err("no address");
    assert_eq!(error.reason, Reason::DnsError);
}

#[tokio::test]
async fn a_silent_server_is_a_timeout() {
    let server = silent().await;
    let error = ip4(&resolver(&[&server]), "host.test").await.expect_err("no address");
    assert_eq!(error.reason, Reason::DnsTimeout);
    assert_eq!(error.message, format!("host.test: no answer from name server {}", server.address()));
}

#[tokio::test]
async fn a_silent_server_costs_one_wait_and_is_not_asked_first_again() {
    let (dead, alive) = (silent().await, knowing().await);
    let resolver = resolver(&[&dead, &alive]);
    let clock = Recorder::start(BRIEF);
    assert_eq!(ip4(&resolver, "host.test").await, Ok(vec![ADDRESS]));
    assert!(clock.elapsed() < 10 * BRIEF, "{:?}", clock.elapsed());
    let heard = dead.heard().len();
    assert!(heard > 0);
    assert_eq!(ip4(&resolver, "other.test").await, Ok(vec![ADDRESS]));
    assert_eq!(dead.heard().len(), heard);
}

#[tokio::test]
async fn a_failing_server_does_not_hide_one_that_works() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        let (failing, alive) = (saying(code).await, knowing().await);
        assert_eq!(ip4(&resolver(&[&failing, &alive]), "host.test").await, Ok(vec![ADDRESS]));
        assert_eq!(failing.heard().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_fails_tells_more_than_one_that_is_silent() {
    let (dead, failing) = (silent().await, saying(ResponseCode::ServFail).await);
    let error = ip4(&resolver(&[&dead, &failing]), "host.test").await.expect_err("no address");
    assert_eq!(error.reason, Reason::DnsServfail);
    assert_eq!(failing.heard().len(), 1);
}

#[tokio::test]
async fn no_such_name_is_an_answer_that_no_other_server_is_asked_for() {
    let (first, second) = (saying(ResponseCode::NXDomain).await, knowing().await);
    let error = ip4(&resolver(&[&first, &second]), "host.test").await.expect_err("no address");
    assert_eq!(error.reason, Reason::DnsNxdomain);
    assert_eq!(second.heard().len(), 0);
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_over_tcp() {
    let server = Responder::udp_and_tcp(
        |bytes| {
            let mut cut = reply(bytes, ResponseCode::NoError, &[]);
            cut[0][2] |= 2;
            cut
        },
        |bytes| reply(bytes, ResponseCode::NoError, &[RData::A(A::new(192, 0, 2, 1))]),
    )
    .await;
    assert_eq!(ip4(&resolver(&[&server]), "host.test").await, Ok(vec![ADDRESS]));
}

#[tokio::test]
async fn short_names_are_tried_with_the_search_domains_first() {
    let server = saying(ResponseCode::NXDomain).await;
    let error = ip4(&searching(&server, 1), "host").await.expect_err("no address");
    assert_eq!((error.reason, error.message.as_str()), (Reason::DnsNxdomain, "host: does not exist"));
    let names: Vec<_> = server.heard().iter().map(|bytes| asked(bytes)).collect();
    assert_eq!(names, ["host.one.test.", "host.two.test.", "host."]);
}

#[tokio::test]
async fn names_with_dots_are_tried_as_they_are_first() {
    let server = saying(ResponseCode::NXDomain).await;
    assert!(ip4(&searching(&server, 1), "a.b").await.is_err());
    let names: Vec<_> = server.heard().iter().map(|bytes| asked(bytes)).collect();
    assert_eq!(names, ["a.b.", "a.b.one.test.", "a.b.two.test."]);

    let server = saying(ResponseCode::NXDomain).await;
    assert!(ip4(&searching(&server, 2), "a.b").await.is_err());
    assert_eq!(asked(&server.heard()[0]), "a.b.one.test.");
}

#[tokio::test]
async fn names_with_a_dot_at_the_end_are_never_searched() {
    let server = saying(ResponseCode::NXDomain).await;
    assert!(ip4(&searching(&server, 1), "host.").await.is_err());
    let names: Vec<_> = server.heard().iter().map(|bytes| asked(bytes)).collect();
    assert_eq!(names, ["host."]);
}

#[tokio::test]
async fn a_search_ends_where_a_server_fails() {
    let server = saying(ResponseCode::ServFail).await;
    let error = ip4(&searching(&server, 1), "a.b").await.expect_err("no address");
    assert_eq!(error.reason, Reason::DnsServfail);
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn the_hosts_file_is_the_last_word_on_its_names() {
    let server = knowing().await;
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf(&b"127.0.0.7 Localhost box # ours\n::7 six\n127.0.0.8 box\n"[..]).expect("hosts");
    let resolver = Resolver::build(&[server.address()], hosts, Vec::new(), 1, BRIEF).expect("a resolver");
    let addresses = |texts: &[&str]| Ok(texts.iter().map(|text| text.parse().expect("an address")).collect());
    for host in ["localhost", "LOCALHOST", "localhost."] {
        assert_eq!(ip4(&resolver, host).await, addresses(&["127.0.0.7"]), "{host}");
    }
    assert_eq!(ip4(&resolver, "box").await, addresses(&["127.0.0.7", "127.0.0.8"]));
    assert_eq!(resolver.addresses("six", IpProtocol::Ip6).await, addresses(&["::7"]));
    let error = resolver.addresses("localhost", IpProtocol::Ip6).await.expect_err("no address");
    assert_eq!((error.reason, error.message.as_str()), (Reason::DnsNodata, "localhost has no IPv6 address"));
    assert_eq!(server.heard().len(), 0, "no server is asked for names in the hosts file");
    assert_eq!(ip4(&resolver, "elsewhere.test").await, Ok(vec![ADDRESS]));
}

#[tokio::test]
async fn texts_that_are_no_names_are_the_targets_fault() {
    let server = knowing().await;
    let resolver = resolver(&[&server]);
    let long = "a".repeat(64);
    for host in ["", "a..b", &long] {
        let error = ip4(&resolver, host).await.expect_err("no address");
        assert_eq!(error.reason, Reason::TargetInvalid, "{host:?}");
    }
    assert_eq!(server.heard().len(), 0);
}

#[tokio::test]
async fn without_servers_nothing_can_be_asked() {
    let error = ip4(&resolver(&[]), "host.test").await.expect_err("no address");
    let message = "host.test: there is no name server to ask";
    assert_eq!((error.reason, error.message.as_str()), (Reason::DnsError, message));
    assert_eq!(ip4(&resolver(&[]), "192.0.2.1").await, Ok(vec![ADDRESS]));
}

#[tokio::test]
async fn ip6_addresses_are_found() {
    let address = "2001:db8::1".parse().expect("an address");
    let server = Responder::udp(move |bytes| reply(bytes, ResponseCode::NoError, &[RData::AAAA(AAAA(address))])).await;
    let found = resolver(&[&server]).addresses("host.test", IpProtocol::Ip6).await;
    assert_eq!(found, Ok(vec![IpAddr::V6(address)]));
}

#[tokio::test]
async fn a_server_that_the_agent_cannot_ask_is_the_agents_lack() {
    // Sending there needs a right that no socket has by itself (socket(7), `SO_BROADCAST`), or a route.
    let server = SocketAddr::from((Ipv4Addr::BROADCAST, PORT));
    let resolver = Resolver::build(&[server], Hosts::default(), Vec::new(), 1, BRIEF).expect("a resolver");
    let error = ip4(&resolver, "host.test").await.expect_err("no address");
    assert!(error.reason.is_shortage(), "{error:?}");
    assert!(error.message.starts_with("host.test: cannot ask name server 255.255.255.255:53: "), "{}", error.message);
}
