use std::time::Duration;

use super::*;
use crate::testkit::{Act, Authority, Peer, close, flood, hear, reset, say, starttls, trickle, wait_for_ever};

const PATIENCE: Duration = Duration::from_millis(500);

async fn asked(script: Vec<Act>, version: TlsVersion) -> Result<Answer, Reason> {
    let peer = Peer::play(script).await;
    let stream = tokio::net::TcpStream::connect(peer.address()).await.expect("a peer");
    let name = ServerName::try_from("localhost").expect("a name");
    match tokio::time::timeout(PATIENCE, ask(stream, version, Some(&name))).await {
        Ok(asked) => asked.map_err(|failure| failure.reason()),
        Err(_) => Err(Reason::Timeout),
    }
}

#[tokio::test]
async fn a_server_is_asked_version_by_version() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]).with_chain([authority.der()]);
    let chain = vec![leaf.der.clone(), authority.der()];
    let both = || vec![starttls(leaf.server()), wait_for_ever()];
    let Ok(Answer::Agreed(twelve)) = asked(both(), TlsVersion::Tls12).await else { panic!("TLS 1.2 is spoken") };
    assert_eq!((twelve.version_name(), twelve.chain), ("TLS 1.2", chain));
    assert!(twelve.cipher.starts_with("TLS_ECDHE_ECDSA_WITH_"), "{}", twelve.cipher);
    let Ok(Answer::Agreed(thirteen)) = asked(both(), TlsVersion::Tls13).await else { panic!("TLS 1.3 is spoken") };
    assert_eq!((thirteen.version_name(), thirteen.chain), ("TLS 1.3", vec![]));
    assert!(thirteen.cipher.starts_with("TLS_AES_"), "{}", thirteen.cipher);
    for old in [TlsVersion::Tls10, TlsVersion::Tls11] {
        assert!(matches!(asked(both(), old).await, Ok(Answer::Alert(_))));
    }
    let only_new = vec![starttls(leaf.server_of_version(&rustls::version::TLS13)), wait_for_ever()];
    // protocol_version (RFC 8446 section 6.2).
    assert_eq!(asked(only_new, TlsVersion::Tls12).await, Ok(Answer::Alert(70)));
    let only_old = vec![starttls(leaf.server_of_version(&rustls::version::TLS12)), wait_for_ever()];
    assert!(matches!(asked(only_old, TlsVersion::Tls13).await, Ok(Answer::Alert(_))));
}

#[tokio::test]
async fn misfortunes_are_told_apart() {
    let asked = async |script| asked(script, TlsVersion::Tls10).await;
    assert_eq!(asked(vec![wait_for_ever()]).await, Err(Reason::Timeout));
    assert_eq!(asked(vec![hear("localhost"), close()]).await, Err(Reason::ClosedEarly));
    assert_eq!(asked(vec![hear("localhost"), reset()]).await, Err(Reason::ConnectionReset));
    assert_eq!(asked(vec![say("220 mx.example ESMTP\r\n"), wait_for_ever()]).await, Err(Reason::TlsHandshake));
    assert_eq!(asked(vec![flood(0x16)]).await, Err(Reason::TlsHandshake));
    assert_eq!(asked(vec![flood(0)]).await, Err(Reason::TlsHandshake));
    let slow = vec![trickle([0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1], Duration::from_secs(1))];
    assert_eq!(asked(slow).await, Err(Reason::Timeout));
    let alert = vec![hear("localhost"), say([0x15, 3, 1, 0, 2, 2, 40]), wait_for_ever()];
    assert_eq!(asked(alert).await, Ok(Answer::Alert(40)));
}
