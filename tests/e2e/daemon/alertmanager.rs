//! Alertmanager, and the webhook it calls.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{Daemon, PATIENCE, folder, free_address};
use crate::support::program;

pub(crate) struct Alertmanager {
    _daemon: Daemon,
    pub(crate) address: SocketAddr,
}

impl Alertmanager {
    /// Starts Alertmanager with a configuration.
    pub(crate) fn start(config: &str) -> Option<Self> {
        let program = program(&["prometheus-alertmanager", "alertmanager"])?;
        let (folder, address) = (folder(), free_address());
        let at = folder.path();
        fs::write(at.join("alertmanager.yml"), config).expect("written");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", at.join("alertmanager.yml").display()));
        command.arg(format!("--storage.path={}", at.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.arg("--cluster.listen-address=");
        let daemon = Daemon::start("alertmanager", folder, &mut command).until_listening(address);
        Some(Self { _daemon: daemon, address })
    }
}

/// Takes what Alertmanager sends.
pub(crate) struct Webhook {
    pub(crate) address: SocketAddr,
    calls: mpsc::Receiver<Value>,
}

impl Webhook {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let (heard, calls) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                let body = loop {
                    match stream.read(&mut buffer).await {
                        Ok(read) if read > 0 && request.len() < 1 << 20 => request.extend_from_slice(&buffer[..read]),
                        _ => break None,
                    }
                    if let Some(body) = complete_body(&request) {
                        break Some(body);
                    }
                };
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
                if let Some(body) = body {
                    let _ = heard.send(body).await;
                }
            }
        });
        Self { address, calls }
    }

    /// The next call in which an alert of this name has this status (`firing`, `resolved`): that alert.
    pub(crate) async fn alert(&mut self, name: &str, status: &str) -> Value {
        let waiting = async {
            while let Some(call) = self.calls.recv().await {
                let alerts = call["alerts"].as_array().cloned().unwrap_or_default();
                let wanted = |alert: &Value| alert["labels"]["alertname"] == name && alert["status"] == status;
                if let Some(alert) = alerts.into_iter().find(wanted) {
                    return alert;
                }
            }
            panic!("the webhook ended");
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("no alert {name} with status {status}"))
    }
}

fn complete_body(request: &[u8]) -> Option<Value> {
    let head_end = request.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    serde_json::from_slice(&request[head_end..]).ok()
}
