//! The round trip of a mail, as tests see it: an agent with one check, and what its runs found.

use crate::daemon::dovecot::PASSWORD;
use crate::daemon::eventually;
use crate::daemon::office::Office;
use crate::daemon::tuermer::{Metrics, Tuermer};

/// The way of a mail from the clerk.
pub(crate) struct Way<'a> {
    pub(crate) office: &'a Office,
    /// Where it is handed in.
    pub(crate) target: String,
    /// How, beside what every test needs: settings with a comma behind each.
    pub(crate) submit: &'a str,
    /// Whose it is.
    pub(crate) to: &'a str,
    /// Where it is looked for.
    pub(crate) fetch: String,
    /// Further lines of the kind's settings.
    pub(crate) settings: &'a str,
    /// Further lines of the file.
    pub(crate) file: String,
    /// Interval and timeout.
    pub(crate) seconds: u32,
}

impl<'a> Way<'a> {
    /// A stranger hands it in, and the clerk looks for it over IMAP.
    pub(crate) fn of(office: &'a Office) -> Self {
        let imap = office.dovecot.addresses.imaps;
        let fetch = format!(
            "host: '{imap}', username: clerk, password: {PASSWORD}, preferred_ip_protocol: ip4, folders: [Copies], {}",
            office.tls
        );
        let target = office.smtp.to_string();
        Self { office, target, submit: "", to: "clerk", fetch, settings: "", file: String::new(), seconds: 15 }
    }

    /// Starts an agent that sends such mails.
    pub(crate) fn start(&self) -> Tuermer {
        let Self { office, target, submit, to, fetch, settings, file, seconds } = self;
        Tuermer::start(&format!(
            "probe_metrics: all
modules:
  trip:
    prober: mail
    mail:
      from: clerk@town.example
      to: {to}@town.example
      token_key: sealed-by-the-town-clerk
      max_mails_per_hour: 3600
      submit: {{ {submit} preferred_ip_protocol: ip4, {} }}
      fetch: {{ {fetch} }}
      {settings}
checks: {{ trip: {{ module: trip, targets: ['{target}'], interval: {seconds}s, timeout: {seconds}s }} }}
{file}
",
            office.tls
        ))
    }
}

/// What the first run found that is like this.
pub(crate) async fn run(tuermer: &Tuermer, what: &str, is_due: impl Fn(&Metrics) -> bool) -> Metrics {
    eventually(what, async || {
        let metrics = tuermer.metrics("/metrics").await;
        let has_ended = success(&metrics) == Some(1.0) || metrics.find("probe_failure_info", &[]).is_some();
        (has_ended && is_due(&metrics)).then_some(metrics)
    })
    .await
}

/// What the first run found.
pub(crate) async fn first_run(tuermer: &Tuermer) -> Metrics {
    run(tuermer, "a run to end", |_| true).await
}

/// The verdict; nothing where it is unknown.
pub(crate) fn success(metrics: &Metrics) -> Option<f64> {
    metrics.find("probe_success", &[]).map(|(_, value)| value)
}

/// A reading of the mail with this label.
pub(crate) fn value(metrics: &Metrics, name: &str, label: &str) -> Option<f64> {
    metrics.find(&format!("probe_mail_{name}"), &[label]).map(|(_, value)| value)
}

/// Readings of the mail.
pub(crate) fn values<const N: usize>(metrics: &Metrics, names: [&str; N]) -> [Option<f64>; N] {
    names.map(|name| value(metrics, name, ""))
}

/// Why the run did not pass.
#[track_caller]
pub(crate) fn assert_failed(metrics: &Metrics, step: &str, phase: &str, reason: &str, office: &Office) {
    let labels = [format!("step=\"{step}\""), format!("phase=\"{phase}\""), format!("reason=\"{reason}\"")];
    let found = metrics.find("probe_failure_info", &labels.each_ref().map(String::as_str));
    let log = office.postfix.log();
    assert!(found.is_some(), "{:?}\n{metrics:?}\n{log}", metrics.find("probe_failure_info", &[]));
    assert_ne!(success(metrics), Some(1.0), "{metrics:?}");
}
