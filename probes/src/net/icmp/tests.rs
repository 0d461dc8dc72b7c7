//! What the kernel tells: when a reply came, and that a request did not get through.

use std::io::Read as _;
use std::net::Ipv4Addr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::*;
use crate::testkit::{in_days, net};

fn route(peer: Ipv4Addr) -> EchoRoute {
    EchoRoute {
        peer: peer.into(),
        scope: 0,
        source: Some(peer.into()),
        hop_limit: None,
        dont_fragment: false,
        payload_bytes: 28,
    }
}

/// Waits, but not for ever.
async fn reply(echo: Echo) -> Result<EchoReply, Failure> {
    tokio::time::timeout(Duration::from_secs(10), echo.reply()).await.expect("an answer")
}

#[tokio::test]
async fn the_time_of_arrival_does_not_count_our_delay() {
    let delay = Duration::from_millis(200);
    let echo = match net().echo(&route(Ipv4Addr::LOCALHOST)) {
        Ok(echo) => echo,
        Err(failure) => return assert_eq!(failure.reason(), Reason::AgentPermission),
    };
    echo.send().unwrap();
    thread::sleep(delay);
    let at = reply(echo).await.unwrap().at.expect("the kernel's time");
    assert!(in_days(0.0).duration_since(at).unwrap() >= delay / 2, "the reply came before the delay");
}

/// Answers the next echo request from an address with an ICMP error that quotes it; `None` without a raw socket.
fn refuse_next(from: Ipv4Addr, kind: u8, code: u8) -> Option<JoinHandle<()>> {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).ok()?;
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    Some(thread::spawn(move || {
        let mut packet = [0; 1500];
        let is_request = |packet: &[u8]| packet[12..16] == from.octets() && packet[20] == 8;
        while socket.read(&mut packet).unwrap() < 28 || !is_request(&packet) {}
        let mut error = vec![kind, code, 0, 0, 0, 0, 0, 0];
        // RFC 792: the header and the first eight bytes after it.
        error.extend_from_slice(&packet[..28]);
        let checksum = packet::checksum(&error);
        error[2..4].copy_from_slice(&checksum.to_be_bytes());
        socket.send_to(&error, &SocketAddr::from((from, 0)).into()).unwrap();
    }))
}

#[tokio::test]
async fn the_networks_refusal_ends_the_wait() {
    let net = net().with_blackhole(Arc::new(|_| true));
    let cases = [
        (3, 1, Reason::ConnectUnreachable, "there is no way to it"),
        (3, 13, Reason::ConnectUnreachable, "a rule forbids to reach it"),
        (11, 0, Reason::ConnectUnreachable, "the request took more hops than its limit"),
    ];
    for dont_fragment in [false, true] {
        for (number, (kind, code, reason, words)) in (30..).zip(cases) {
            let peer = Ipv4Addr::new(127, 0, u8::from(dont_fragment), number);
            let Some(refuser) = refuse_next(peer, kind, code) else {
                println!("errors cannot be forged here: no raw socket");
                return;
            };
            let echo = net.echo(&EchoRoute { dont_fragment, ..route(peer) }).unwrap();
            echo.send().unwrap();
            let failure = reply(echo).await.unwrap_err();
            assert_eq!(failure.reason(), reason);
            assert_eq!(failure.message(), format!("{peer}: {peer} says that {words}"));
            refuser.join().unwrap();
        }
    }
}

#[tokio::test]
async fn the_refusal_of_another_request_is_not_ours() {
    let peer = Ipv4Addr::new(127, 0, 0, 40);
    let Some(refuser) = refuse_next(peer, 3, 1) else { return };
    let swallowing = net().with_blackhole(Arc::new(|_| true));
    let refused = swallowing.echo(&route(peer)).unwrap();
    let echo = net().echo(&route(peer)).unwrap();
    refused.send().unwrap();
    assert_eq!(reply(refused).await.unwrap_err().reason(), Reason::ConnectUnreachable);
    refuser.join().unwrap();
    // The error waits in the queue of every raw socket that speaks with this peer.
    echo.send().or_else(|_| echo.send()).unwrap();
    assert!(reply(echo).await.is_ok());
}

#[tokio::test]
async fn a_filter_passes_the_reply_and_nothing_else() {
    for peer in [IpAddr::from([127, 0, 0, 50]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])] {
        let route = EchoRoute { peer, ..route(Ipv4Addr::LOCALHOST) };
        let route = EchoRoute { source: None, ..route };
        let Ok(echo) = net().echo(&route) else { continue };
        if !echo.is_raw() {
            println!("only raw sockets have a filter");
            return;
        }
        let Asked { identifier, sequence, .. } = echo.asked;
        let mut inbox = Inbox::of(100);
        inbox.others = Others::Seen;
        echo.asked.narrow(echo.socket.as_fd(), &mut inbox).unwrap();
        assert_eq!(inbox.others, Others::Filtered);
        for (identifier, sequence) in [(identifier ^ 1, sequence), (identifier, sequence ^ 1)] {
            echo.socket.send(Request::new(peer, identifier, sequence, 0, 28).message()).unwrap();
        }
        let nothing = inbox.take(echo.socket.as_fd(), MsgFlags::empty()).map(|arrival| arrival.length);
        assert_eq!(nothing.map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
        echo.send().unwrap();
        assert!(reply(echo).await.is_ok(), "{peer}");
    }
}

#[tokio::test]
async fn what_is_not_for_this_request_is_passed_over() {
    let peer = Ipv4Addr::new(127, 0, 0, 60);
    let Ok(echo) = net().echo(&route(peer)) else { return };
    let identifier = echo.asked.identifier;
    for sequence in 0..100 {
        // An unprivileged socket is shown all replies with its identifier, a raw one all messages.
        echo.socket.send(Request::new(peer.into(), identifier, sequence, 0, 28).message()).unwrap();
    }
    echo.send().unwrap();
    assert!(reply(echo).await.is_ok());
}
