//! The cases, in the order of section 7 of the contract.

mod addresses;
mod config;
mod dns;
mod grpc;
mod http_answers;
mod http_cel;
mod http_redirects;
mod http_requests;
mod http_transport;
mod http_verdicts;
mod http_versions;
mod icmp;
mod on_demand;
mod process;
mod tcp_unix;
mod web;
mod websocket;

use crate::case::Case;

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    [
        process::cases(),
        config::cases(),
        on_demand::cases(),
        web::cases(),
        addresses::cases(),
        http_answers::cases(),
        http_requests::cases(),
        http_redirects::cases(),
        http_verdicts::cases(),
        http_cel::cases(),
        http_transport::cases(),
        http_versions::cases(),
        tcp_unix::cases(),
        dns::cases(),
        icmp::cases(),
        grpc::cases(),
        websocket::cases(),
    ]
    .concat()
}
