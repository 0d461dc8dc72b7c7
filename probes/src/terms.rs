//! On what terms a module's probes run, the same for every kind: their way into the network, and what they may cost.
//!
//! Knows no kind. A module without terms costs nothing for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::net::Network;
use crate::phase::Phase;
use crate::settings::Span;

/// On what terms a module's probes run.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// How probes go out into the network.
    pub network: Option<Arc<Network>>,
    /// What a run may cost besides its timeout.
    pub limits: Limits,
}

impl Terms {
    /// Whether they ask for anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.network.is_none() && self.limits.bytes_received.is_none() && self.limits.phases.0.is_empty()
    }
}

/// `limits` of a module: what a run may cost besides its timeout.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Limits {
    /// Most bytes that a run receives over TCP and unix sockets, all connections together, as they arrive: with what
    /// encrypts them, before they are decompressed.
    pub bytes_received: Option<u64>,
    /// Longest time in each of these phases, all stretches of one run or step together.
    #[serde(rename = "phase_timeouts")]
    #[schemars(with = "BTreeMap<String, Span>")]
    pub phases: PhaseLimits,
}

/// Longest time in phases, by their names.
#[derive(Debug, Clone, Default)]
pub struct PhaseLimits(Arc<[Limit]>);

type Limit = (Box<str>, Duration);

impl PhaseLimits {
    /// The limit of a phase.
    pub(crate) fn of(&self, phase: Phase) -> Option<Duration> {
        self.0.iter().find(|(name, _)| **name == *phase.name()).map(|(_, limit)| *limit)
    }

    /// The names of the phases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

impl<'de> Deserialize<'de> for PhaseLimits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<Box<str>, Span>::deserialize(deserializer)?;
        if let Some((name, _)) = read.iter().find(|(_, span)| span.0.is_zero()) {
            return Err(serde::de::Error::custom(format_args!(
                "the limit of phase `{name}` must be longer than nothing"
            )));
        }
        let limits: Vec<_> = read.into_iter().map(|(name, span)| (name, span.0)).collect();
        Ok(Self(limits.into()))
    }
}
