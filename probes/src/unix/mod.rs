//! Kind `unix`: opens a connection to a unix socket and holds the dialogue of kind `tcp`.
//!
//! Behaves as blackbox_exporter's prober of the same name.

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "peers run beside the probe that is tested")]
mod tests;

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::failure::Failure;
use crate::measure::Measure;
use crate::net::{self, Net, Tls, TlsSettings};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{Invalid, Target};
use crate::tcp::dialogue::{self, Dialogue, EXCHANGE};
use crate::tcp::wire::Wire;
use crate::tcp::{default_tls, read_tls};

/// Longest path of a socket in bytes (unix(7): `sun_path` has room for 108 with the zero at the end).
const PATH_BYTES_MAX: usize = 107;

/// A question put to a unix socket.
#[derive(Debug)]
pub(crate) struct Unix {
    settings: Arc<Settings>,
    path: Box<str>,
}

/// How a unix socket is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Settings {
    /// What is expected and sent, in order.
    #[serde(default)]
    query_response: Dialogue,
    /// Whether the connection is encrypted from the start.
    #[serde(default)]
    tls: bool,
    /// How the encrypted channel is built, at the start or by `starttls`. Without `server_name` no certificate fits.
    #[serde(default = "default_tls", deserialize_with = "read_tls")]
    #[schemars(with = "TlsSettings")]
    tls_config: Tls,
    /// Whether lists of revoked certificates are looked into, as `check_revoked` of `tls_config`.
    #[serde(default)]
    check_revoked: bool,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The derived function of the same name.
        let settings = Self::deserialize(deserializer)?;
        Ok(Self { tls_config: settings.tls_config.checking_revoked(settings.check_revoked), ..settings })
    }
}

impl Probe for Unix {
    const NAME: &'static str = "unix";
    const ABOUT: &'static str = "Opens a connection to a unix socket and holds a dialogue.";
    const TARGET: &'static str = "the socket's path";
    const PHASES: &'static [Phase] = &[net::CONNECT, net::TLS, EXCHANGE];
    const PHASES_EXTRA: bool = true;
    const MEASURES: &'static [&'static Measure] = dialogue::MEASURES;
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let path = target.text();
        let invalid = |what: &str| Err(Invalid::Target(format!("{path:?} {what}")));
        match path {
            "" => invalid("is no path"),
            path if path.contains('\0') => invalid("is no path"),
            path if path.len() > PATH_BYTES_MAX => invalid("is longer than a socket's path can be, 107 bytes"),
            path => Ok(Self { settings: Arc::clone(settings), path: path.into() }),
        }
    }

    fn begin(settings: &Settings, recorder: &mut Recorder) {
        recorder.declare(&[net::CONNECT]);
        if settings.tls {
            recorder.declare(&[net::TLS]);
        }
        settings.query_response.declare(recorder);
    }

    /// What listens on a unix socket trusts whoever reaches it: it was not made to be asked from outside.
    fn carries_secrets(_: &Settings) -> bool {
        true
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let Settings { query_response, tls, tls_config, .. } = &*self.settings;
        let mut wire = Wire::new(net.unix(recorder, Path::new(&*self.path)).await?);
        if *tls {
            // No certificate carries a path: as in blackbox_exporter, the settings must give a name.
            wire = wire.secure(net, recorder, tls_config, &self.path).await?;
        }
        query_response.hold(net, recorder, wire, tls_config, "").await
    }
}
