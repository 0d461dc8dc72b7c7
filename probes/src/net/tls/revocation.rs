//! Whether a verified chain was revoked, as far as the lists are known: what blackbox_exporter's `check_revoked` shows.
//!
//! Looks only; the lists are fetched beside the runs.

use std::sync::Arc;

use crate::failure::{Failure, Reason, shown};
use crate::measure::{Measure, Unit};
use crate::net::Net;
use crate::net::revocation::{Serial, Standing};
use crate::net::tls::identity::Identity;
use crate::net::tls::judge::holder;
use crate::recorder::Recorder;

/// Longest address of a list in a message in bytes.
const URL_BYTES_MAX: usize = 200;

const LABELS: &[&str] =
    &["fingerprint_sha256", "subject", "issuer", "subjectalternative", "serialnumber", "chain_pos", "crl_url"];

static REVOKED: Measure = Measure::level(
    "probe_ssl_crl_revoked",
    Unit::None,
    "1 if the certificate is on its authority's list of revoked ones.",
)
.labels(LABELS);
static AVAILABLE: Measure = Measure::level(
    "probe_ssl_crl_available",
    Unit::None,
    "1 if the certificate names a list of revoked ones and the list was had.",
)
.labels(LABELS);
static STALE: Measure =
    Measure::level("probe_ssl_crl_stale", Unit::None, "1 if a newer list of revoked certificates is overdue.")
        .labels(LABELS);
static NEXT_UPDATE: Measure = Measure::level(
    "probe_ssl_crl_next_update_timestamp_seconds",
    Unit::Timestamp,
    "When the next list of revoked certificates is due.",
)
.labels(LABELS);
static FETCH_TIME: Measure = Measure::level(
    "probe_ssl_crl_fetch_time_seconds",
    Unit::Seconds,
    "How long it took to fetch the lists of revoked certificates, outside of the run.",
);

/// What can be read of revocation.
pub(super) const MEASURES: [&Measure; 5] = [&REVOKED, &AVAILABLE, &STALE, &NEXT_UPDATE, &FETCH_TIME];

/// What becomes of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Look and show.
    pub(super) check: bool,
    /// A revoked certificate is refused.
    pub(super) fail_if_revoked: bool,
    /// A certificate whose list could not be had is refused.
    pub(super) fail_if_unavailable: bool,
}

impl Wishes {
    /// Whether anybody wants to know.
    pub(super) const fn any(self) -> bool {
        self.check || self.fail_if_revoked || self.fail_if_unavailable
    }
}

/// What the lists say of a verified path, the peer's own certificate first and the trusted one last.
pub(super) fn judge(net: &Net, recorder: &mut Recorder, wishes: Wishes, path: &[Arc<Identity>]) -> Result<(), Failure> {
    let now = recorder.wall_clock().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    // What another channel of the same leg left.
    MEASURES.into_iter().for_each(|measure| recorder.forget(measure));
    let mut fetch_time = 0.0;
    let mut verdict = Ok(());
    for (position, certificate) in path.iter().enumerate() {
        // Nobody vouches for the trusted one: it is taken out of the trusted ones instead.
        let finding = match path.get(position + 1) {
            Some(authority) => look(net, certificate, authority, position > 0),
            None => Finding::NoList,
        };
        let identity = &**certificate;
        let chain_pos = position.to_string();
        let url = finding.url();
        let labels = [
            &*identity.fingerprint_sha256,
            &identity.subject,
            &identity.issuer,
            &identity.dns_names,
            &identity.serial,
            &chain_pos,
            url,
        ];
        let mut read = |available: bool, revoked: bool, stale: bool| {
            for (measure, is_so) in [(&AVAILABLE, available), (&REVOKED, revoked), (&STALE, stale)] {
                recorder.read_with(measure, &labels, f64::from(u8::from(is_so)));
            }
        };
        let shown_url = || shown(url.as_bytes(), URL_BYTES_MAX);
        match &finding {
            Finding::NoList => read(false, false, false),
            Finding::Awaited(_) => {
                recorder.note(format_args!("the list of revoked certificates at {} is being fetched", shown_url()));
            }
            Finding::Unavailable(_, why) => {
                read(false, false, false);
                let message =
                    format_args!("the list of revoked certificates at {} could not be had: {why}", shown_url());
                recorder.note(message);
                if wishes.fail_if_unavailable && verdict.is_ok() {
                    verdict = Err(Failure::new(Reason::TlsCrlUnavailable, message));
                }
            }
            Finding::Had { revoked, next_update, seconds, .. } => {
                read(true, *revoked, *next_update < now);
                recorder.read_with(&NEXT_UPDATE, &labels, *next_update as f64);
                fetch_time += seconds;
                if *revoked {
                    let message =
                        format_args!("the certificate of {} was revoked, says {}", holder(identity), shown_url());
                    recorder.note(message);
                    if wishes.fail_if_revoked {
                        verdict = Err(Failure::new(Reason::TlsCertRevoked, message));
                    }
                }
            }
        }
    }
    recorder.read(&FETCH_TIME, fetch_time);
    verdict
}

enum Finding<'a> {
    /// It names no list that could be fetched, or is trusted by itself.
    NoList,
    Awaited(&'a str),
    Unavailable(&'a str, Arc<str>),
    Had {
        url: &'a str,
        revoked: bool,
        next_update: i64,
        seconds: f64,
    },
}

impl Finding<'_> {
    const fn url(&self) -> &str {
        match self {
            Self::NoList => "",
            Self::Awaited(url) | Self::Unavailable(url, _) | Self::Had { url, .. } => url,
        }
    }
}

/// Looks at the certificate's lists until one was had.
fn look<'a>(net: &Net, certificate: &'a Identity, authority: &Identity, is_authority: bool) -> Finding<'a> {
    let mut finding = Finding::NoList;
    for url in &certificate.crl_urls {
        finding = match net.revocation_lists().look(url, &authority.signer) {
            Standing::Awaited => return Finding::Awaited(url),
            Standing::Unavailable(why) => Finding::Unavailable(url, why),
            Standing::Had(list) => {
                let revoked = Serial::of(&certificate.serial_bytes).and_then(|serial| list.has(serial, is_authority));
                if let Some(revoked) = revoked {
                    let (next_update, seconds) = (list.next_update, list.fetch_time.as_secs_f64());
                    return Finding::Had { url, revoked, next_update, seconds };
                }
                Finding::Unavailable(url, "the list says nothing of such certificates".into())
            }
        };
    }
    finding
}
