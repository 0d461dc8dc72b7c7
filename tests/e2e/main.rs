//! The real binary against real servers, asserted through what a user sees: metrics, pages, alerts.

mod alerts;
mod command_line;
mod daemon;
mod mail;
mod names;
mod pages;
mod reload;
#[path = "../support/mod.rs"]
mod support;
