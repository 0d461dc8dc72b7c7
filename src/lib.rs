//! The agent: asks services on a schedule or on demand, and exports the answers.

pub mod agent;
pub mod agent_metrics;
pub mod args;
pub mod cli;
pub mod config;
pub mod demo;
pub mod exposition;
mod folders;
pub mod history;
pub mod log;
pub mod plan;
pub mod receive;
pub mod reload;
pub mod run;
pub mod schedule;
pub mod store;
#[cfg(test)]
mod testkit;
pub mod web;
pub mod world;
