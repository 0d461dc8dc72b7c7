//! What fuzz targets reach of the receiver.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use super::tls::Certificates;
use super::{Shared, command, session};
use crate::agent_metrics::AgentMetrics;
use crate::plan::Receive;

/// Reads each line as a command.
pub fn read(lines: &[u8]) {
    for line in lines.split(|byte| *byte == b'\n') {
        let _ = command::read(line.strip_suffix(b"\r").unwrap_or(line));
    }
}

/// Serves a client that says all this and then hangs up. Whatever it hears is a reply.
pub async fn serve(said: &[u8]) {
    let recipients = vec!["a@b.example".into()];
    let settings = Arc::new(Receive { recipients, size_max: 1000, ..Receive::default() });
    let shared = Shared {
        settings: Mutex::new(Arc::clone(&settings)),
        post: Arc::default(),
        metrics: Arc::new(AgentMetrics::new()),
        clients: Arc::default(),
        certificates: Certificates::default(),
    };
    shared.post.apply(Some(&settings));
    let ending = watch::Sender::new(false);
    // Ample: nobody waits for the other to make room.
    let (near, mut far) = tokio::io::duplex(16 << 20);
    let peer = IpAddr::from(Ipv4Addr::LOCALHOST);
    let serving = session::serve(near, peer, settings, Arc::new(shared), ending.subscribe());
    let talking = async {
        // A server that has had enough hears no more.
        let _ = far.write_all(said).await;
        let _ = far.shutdown().await;
        let mut heard = Vec::new();
        let _ = far.read_to_end(&mut heard).await;
        heard
    };
    let ((), heard) = tokio::join!(serving, talking);
    let heard = String::from_utf8(heard).expect("replies are ASCII");
    for line in heard.lines() {
        assert!(line.get(..3).is_some_and(|code| code.parse::<u16>().is_ok()), "{heard}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_served(said in prop::collection::vec(any::<u8>(), 0..600)) {
            super::read(&said);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(super::serve(&said));
        }
    }
}
