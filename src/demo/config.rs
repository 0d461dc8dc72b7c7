//! The configuration that the town is watched with.

use std::net::{Ipv4Addr, SocketAddr};

use crate::demo::parts::DOMAIN;
use crate::demo::post::{PASSWORD, USER};
use crate::demo::switches::check;

/// Where the gateway answers pings: an address of its own within loopback.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// Where the parts listen.
pub(super) struct Config {
    pub(super) home: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) store: SocketAddr,
    pub(super) names: SocketAddr,
    pub(super) desk: SocketAddr,
}

impl Config {
    /// The configuration as it stands in a file.
    pub(super) fn text(&self) -> String {
        let Self { names, desk, .. } = self;
        let (home_port, server_port, store_port) = (self.home.port(), self.server.port(), self.store.port());
        format!(
            r#"# The demo's configuration: an ordinary one. Change it, and it is loaded again.
resolver: ["{names}"]

modules:
  page:
    prober: http
    timeout: 1500ms
    http:
      preferred_ip_protocol: ip4
      fail_if_body_not_matches_regexp: ["Welcome to the town"]
  mail:
    prober: smtp
    timeout: 1500ms
    smtp:
      port: {server_port}
      preferred_ip_protocol: ip4
      starttls: never
      recipients: [postmaster@{DOMAIN}]
  trip:
    prober: mail
    timeout: 3s
    mail:
      from: watch@{DOMAIN}
      to: {USER}@{DOMAIN}
      token_key: the seal of the town's watch
      max_mails_per_hour: 3600
      fail_if_altered: true
      # Copies that somebody else sealed are deleted soon.
      sweep_after: 10s
      # Everything happens on loopback: the town has no certificates.
      submit:
        username: {USER}
        password: {PASSWORD}
        allow_cleartext_login: true
        starttls: never
        preferred_ip_protocol: ip4
      fetch:
        host: store.{DOMAIN}:{store_port}
        encryption: none
        username: {USER}
        password: {PASSWORD}
        allow_cleartext_login: true
        preferred_ip_protocol: ip4
        # Where notices to watch@{DOMAIN} lie.
        folders: [Returned]
  name:
    prober: dns
    timeout: 1s
    dns:
      preferred_ip_protocol: ip4
      query_name: www.{DOMAIN}
      query_type: A
  desk:
    prober: tcp
    timeout: 1s
    tcp:
      preferred_ip_protocol: ip4
      query_response:
        - expect: "^READY"
        - send: "PING"
        - expect: "^PONG"
  ping:
    prober: icmp
    timeout: 1s
    icmp:
      preferred_ip_protocol: ip4

checks:
  {home}:
    module: page
    targets: ["http://www.{DOMAIN}:{home_port}/"]
    interval: 2s
    labels: {{ service: homepage }}
  {mail}:
    module: mail
    targets: ["{DOMAIN}"]
    interval: 2s
    labels: {{ service: mail }}
    # An alert about mail does not travel by mail.
    fate: [mail]
  {trip}:
    module: trip
    targets: ["mail.{DOMAIN}:{server_port}"]
    interval: 3s
    labels: {{ service: mail }}
    fate: [mail]
  {name_server}:
    module: name
    targets: ["{names}"]
    interval: 2s
    labels: {{ service: network }}
  {service_desk}:
    module: desk
    targets: ["{desk}"]
    interval: 2s
    labels: {{ service: appointments }}
  {gateway}:
    module: ping
    targets: ["{GATEWAY}"]
    interval: 2s
    labels: {{ service: network }}
"#,
            home = check::HOME,
            mail = check::MAIL,
            trip = check::TRIP,
            name_server = check::NAMES,
            service_desk = check::DESK,
            gateway = check::GATEWAY,
        )
    }
}
