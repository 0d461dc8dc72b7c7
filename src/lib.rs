//! The agent: asks services on a schedule or on demand, and exports the answers.

pub mod agent_metrics;
pub mod config;
pub mod exposition;
pub mod plan;
pub mod schedule;
pub mod store;
