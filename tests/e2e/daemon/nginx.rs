//! nginx: pages, statuses, TLS.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use super::{Daemon, folder, free_address};
use crate::support::program;

pub(crate) struct Nginx {
    _daemon: Daemon,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
}

/// Certificate and key as PEM.
pub(crate) struct Pem<'a> {
    pub(crate) certificate: &'a str,
    pub(crate) key: &'a str,
}

impl Nginx {
    /// Starts nginx; `locations` is put into both servers.
    pub(crate) fn start(locations: &str, pem: &Pem<'_>) -> Option<Self> {
        Self::start_at(free_address(), free_address(), locations, pem)
    }

    /// Starts nginx at given addresses: the same service again.
    pub(crate) fn start_at(http: SocketAddr, https: SocketAddr, locations: &str, pem: &Pem<'_>) -> Option<Self> {
        let program = program(&["nginx"])?;
        let folder = folder();
        let at = folder.path();
        fs::write(at.join("cert.pem"), pem.certificate).expect("written");
        fs::write(at.join("key.pem"), pem.key).expect("written");
        let here = at.display();
        let config = format!(
            "daemon off; master_process off; pid {here}/pid; error_log stderr notice;
             events {{ worker_connections 256; }}
             http {{
               access_log off;
               client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
               uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
               server {{ listen {http}; {locations} }}
               server {{ listen {https} ssl http2; ssl_certificate {here}/cert.pem; ssl_certificate_key {here}/key.pem; {locations} }}
             }}"
        );
        fs::write(at.join("nginx.conf"), config).expect("written");
        let mut command = Command::new(program);
        command.arg("-p").arg(at).arg("-c").arg(at.join("nginx.conf"));
        let daemon = Daemon::start("nginx", folder, &mut command).until_listening(http).until_listening(https);
        Some(Self { _daemon: daemon, http, https })
    }
}
