//! Dialogues that become encrypted.

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tuermer_probes::testkit::Authority;

use super::*;
use crate::plan::CertificateFiles;

/// A receiver with a certificate.
fn town(change: impl FnOnce(&mut Receive)) -> (Scene, Authority, TempDir) {
    let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let leaf = authority.leaf(&["mx.test"]);
    let (certificate, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    std::fs::write(&certificate, &leaf.pem).unwrap();
    std::fs::write(&key, &leaf.key_pem).unwrap();
    let scene = Scene::new(|settings| {
        settings.tls = Some(CertificateFiles { certificate, key });
        change(settings);
    });
    (scene, authority, files)
}

/// A client that was told to go ahead with the handshake.
async fn about_to_encrypt(scene: &Scene) -> DuplexStream {
    let mut far = scene.connect();
    reply(&mut far).await;
    far.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(reply(&mut far).await.contains("STARTTLS"));
    far.write_all(b"STARTTLS\r\n").await.unwrap();
    assert_eq!(reply(&mut far).await, "220 2.0.0 go ahead\r\n");
    far
}

async fn encrypt(far: DuplexStream, authority: &Authority) -> std::io::Result<TlsStream<DuplexStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("mx.test").unwrap(), far).await
}

/// What is heard on a stream that says all this and then nothing more.
async fn heard_within(stream: &mut TlsStream<DuplexStream>, said: &str) -> String {
    stream.write_all(said.as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn silence_in_the_handshake_ends_the_connection() {
    let (scene, _authority, _files) = town(|_| {});
    for said in ["", "\x16", "\x16\x03\x01\x02\x00\x01"] {
        let mut far = about_to_encrypt(&scene).await;
        far.write_all(said.as_bytes()).await.unwrap();
        let since = Instant::now();
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert!(since.elapsed() <= Duration::from_secs(25), "{said:?}: {:?}", since.elapsed());
        assert_eq!(rest, b"", "{said:?}");
    }
    // Nor does a byte now and then help.
    let (mut ears, mut mouth) = tokio::io::split(about_to_encrypt(&scene).await);
    let since = Instant::now();
    let talking = async {
        for byte in b"\x16\x03\x01\x02\x00".iter().chain(std::iter::repeat(&0)) {
            if mouth.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        () = talking => {}
        heard = ears.read_to_end(&mut rest) => drop(heard),
    }
    assert!(since.elapsed() <= Duration::from_secs(25), "{:?}", since.elapsed());
}

#[tokio::test]
async fn what_is_said_before_the_handshake_is_not_heard_within() {
    let (scene, authority, _files) = town(|_| {});
    // In one packet with the command.
    let mut far = scene.connect();
    reply(&mut far).await;
    far.write_all(HELLO.as_bytes()).await.unwrap();
    reply(&mut far).await;
    far.write_all(format!("STARTTLS\r\n{ENVELOPE}").as_bytes()).await.unwrap();
    let mut heard = String::new();
    far.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "503 5.5.0 wait for the answer to this command\r\n");
    // In one of its own.
    let mut far = about_to_encrypt(&scene).await;
    far.write_all(ENVELOPE.as_bytes()).await.unwrap();
    assert!(encrypt(far, &authority).await.is_err());
    // A good client is not taken for the one before.
    let mut stream = encrypt(about_to_encrypt(&scene).await, &authority).await.unwrap();
    let heard = heard_within(&mut stream, "MAIL FROM:<>\r\nQUIT\r\n").await;
    assert_eq!(heard, "503 5.5.1 say who you are first\r\n221 2.0.0 goodbye\r\n");
    assert!(scene.bodies().is_empty());
}

#[tokio::test]
async fn mail_in_the_open_is_refused_where_it_must_be_encrypted() {
    let (scene, authority, _files) = town(|settings| settings.requires_tls = true);
    let (mail, rcpt) = ("MAIL FROM:<>\r\n", "RCPT TO:<a@b.example>\r\n");
    let codes = scene.codes(&[mail, HELLO, mail, rcpt, "DATA\r\n", "VRFY a\r\n", "NOOP\r\n", "QUIT\r\n"]).await;
    let refused = "530 5.7.0";
    assert_eq!(codes, [refused, "250-mx.te", refused, refused, refused, refused, "250 2.0.0", "221 2.0.0"]);
    assert!(scene.bodies().is_empty());

    let mut stream = encrypt(about_to_encrypt(&scene).await, &authority).await.unwrap();
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    let mut hello = vec![0; 512];
    let length = stream.read(&mut hello).await.unwrap();
    let hello = String::from_utf8_lossy(&hello[..length]).into_owned();
    assert!(hello.starts_with("250-mx.test\r\n") && !hello.contains("STARTTLS"), "{hello}");
    stream.write_all(format!("{ENVELOPE}DATA\r\n").as_bytes()).await.unwrap();
    let mut replies = Vec::new();
    while !replies.windows(3).any(|part| part == b"354") {
        replies.push(stream.read_u8().await.unwrap());
    }
    let heard = heard_within(&mut stream, "S: x\r\n\r\nsafe\r\n.\r\nQUIT\r\n").await;
    assert!(heard.ends_with("250 2.0.0 taken\r\n221 2.0.0 goodbye\r\n"), "{heard}");
    assert_eq!(scene.bodies(), ["safe\r\n"]);
    let kept = scene.shared.post.kept(ADDRESS, 0).unwrap();
    let header = String::from_utf8_lossy(kept.messages[0].header()).into_owned();
    assert!(header.contains("by mx.test with ESMTPS"), "{header}");
}
