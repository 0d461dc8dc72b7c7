//! The agent: asks services on a schedule or on demand, and exports the answers.

pub mod config;
pub mod plan;
