//! The real binary against real servers, asserted through what a user sees: metrics, pages, alerts.

mod access;
mod alerts;
mod asked;
mod bombs;
mod command_line;
mod daemon;
mod dashboards;
mod demo;
mod dnsbl;
mod dnssec;
mod filters;
mod guard;
mod mail;
mod mail_dashboard;
mod mail_policy;
mod mailbox;
mod migration;
mod names;
mod old_tls;
mod pages;
mod patterns;
mod places;
#[path = "../support/process/mod.rs"]
mod process;
mod receive;
mod reload;
mod revocation;
mod round_trip;
mod secrets;
mod signed_mail;
mod submission;
#[path = "../support/mod.rs"]
mod support;
mod trip;
mod verdicts;
