//! `receive:` — where mail is taken, for whom, and how much of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tuermer_probes::host_name;
use tuermer_probes::settings::{Size, Span};

use super::fault::Fault;
use super::fields::Fields;
use super::node::Entry;
use super::web::section;
use crate::plan::{CertificateFiles, MailProtocol, Receive};
use crate::receive::is_mailbox;

/// The section's key.
pub(super) const KEY: &str = "receive";
/// Most addresses to listen at. Chosen: more than machines have.
const LISTENERS_MAX: usize = 16;
/// Most recipients. Chosen: an address for each backup of a large town.
const RECIPIENTS_MAX: usize = 1000;
/// Largest message that can be allowed, in bytes. Chosen: what mail providers take; as many are held as there are connections.
const SIZE_MAX: u64 = 32 << 20;
/// Most connections that can be allowed. Chosen: with each a message of the default size, a gigabyte.
const CONNECTIONS_MAX: usize = 1000;
/// Most messages in a minute that can be allowed. Chosen: more than anybody tests with.
const RATE_MAX: u32 = 100_000;
/// Most messages that can be kept. Chosen: they are looked through one by one.
const KEEP_MESSAGES_MAX: usize = 10_000;
/// Most bytes that can be kept.
const KEEP_BYTES_MAX: u64 = 1 << 30;
/// Longest time that messages can be kept for. Chosen: a monthly report, and some.
pub(super) const KEEP_FOR_MAX: Duration = Duration::from_secs(40 * 24 * 3600);

/// The section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    listen: Vec<String>,
    #[serde(default)]
    protocol: MailProtocol,
    hostname: String,
    recipients: Vec<String>,
    tls: Option<WrittenTls>,
    #[serde(default)]
    require_tls: bool,
    size_limit: Option<Size>,
    connections: Option<usize>,
    connections_per_client: Option<usize>,
    messages_per_minute: Option<u32>,
    messages_per_minute_per_client: Option<u32>,
    keep_messages: Option<usize>,
    keep_bytes: Option<Size>,
    keep_for: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTls {
    cert_file: PathBuf,
    key_file: PathBuf,
}

/// Reads the section.
pub(super) fn read(entry: &Entry<'_>, faults: &mut Vec<Fault>) -> Option<Arc<Receive>> {
    let written: Written = match section(entry) {
        Ok(written) => written,
        Err(fault) => {
            faults.push(fault);
            return None;
        }
    };
    let before = faults.len();
    let fields = Fields::of(&entry.value, entry.key_place, "`receive`").ok()?;
    let mut judge = Judge { fields, entry, faults };
    judge.list("listen", &written.listen, LISTENERS_MAX, |text| {
        let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        port.is_none().then(|| "is no address to listen at: write 127.0.0.1:2525, [::1]:2525 or :2525".to_owned())
    });
    judge.list("recipients", &written.recipients, RECIPIENTS_MAX, |text| {
        (!is_mailbox(text)).then(|| "is no address that mail can be sent to".to_owned())
    });
    if host_name(&written.hostname).is_err() {
        judge.fault("hostname", format_args!("{:?} is no host name", written.hostname));
    }
    let default = Receive::default();
    let settings = Receive {
        size_max: judge.size("size_limit", written.size_limit, SIZE_MAX, default.size_max),
        connections_max: judge.number("connections", written.connections, CONNECTIONS_MAX, default.connections_max),
        connections_per_client_max: judge.number(
            "connections_per_client",
            written.connections_per_client,
            CONNECTIONS_MAX,
            default.connections_per_client_max,
        ),
        messages_per_minute: judge.number(
            "messages_per_minute",
            written.messages_per_minute,
            RATE_MAX,
            default.messages_per_minute,
        ),
        messages_per_minute_per_client: judge.number(
            "messages_per_minute_per_client",
            written.messages_per_minute_per_client,
            RATE_MAX,
            default.messages_per_minute_per_client,
        ),
        keep_messages_max: judge.number(
            "keep_messages",
            written.keep_messages,
            KEEP_MESSAGES_MAX,
            default.keep_messages_max,
        ),
        keep_bytes_max: judge.size("keep_bytes", written.keep_bytes, KEEP_BYTES_MAX, default.keep_bytes_max),
        keep_for: match written.keep_for {
            None => default.keep_for,
            Some(Span(time)) if !time.is_zero() && time <= KEEP_FOR_MAX => time,
            Some(_) => {
                judge.fault(
                    "keep_for",
                    format_args!("`keep_for` must be above 0 and at most {}h", KEEP_FOR_MAX.as_secs() / 3600),
                );
                default.keep_for
            }
        },
        listen: unique(written.listen),
        protocol: written.protocol,
        hostname: written.hostname.into(),
        recipients: unique(written.recipients),
        tls: written.tls.map(|tls| CertificateFiles { certificate: tls.cert_file, key: tls.key_file }),
        requires_tls: written.require_tls,
    };
    if settings.requires_tls && settings.tls.is_none() {
        judge.fault("require_tls", "`require_tls` needs `tls`");
    }
    if settings.keep_bytes_max < settings.size_max {
        judge.fault("keep_bytes", "`keep_bytes` must be at least `size_limit`");
    }
    (faults.len() == before).then(|| Arc::new(settings))
}

fn unique(texts: Vec<String>) -> Vec<Box<str>> {
    let texts: BTreeSet<_> = texts.into_iter().map(String::into_boxed_str).collect();
    texts.into_iter().collect()
}

/// Tells what is wrong, and where.
struct Judge<'a, 'n, 't> {
    fields: Fields<'n, 't>,
    entry: &'a Entry<'t>,
    faults: &'a mut Vec<Fault>,
}

impl Judge<'_, '_, '_> {
    fn fault(&mut self, key: &str, message: impl std::fmt::Display) {
        let place = self.fields.find(key).map_or(self.entry.key_place, Entry::place);
        self.faults.push(Fault::new(place, message));
    }

    /// A list that may not be empty, each of whose texts is judged.
    fn list(&mut self, key: &str, texts: &[String], most: usize, wrong: impl Fn(&str) -> Option<String>) {
        if texts.is_empty() || texts.len() > most {
            return self.fault(key, format_args!("`{key}` must have 1 to {most} entries"));
        }
        let items = self.fields.find(key).and_then(|entry| entry.list().ok()).unwrap_or_default();
        for (text, item) in texts.iter().zip(items) {
            if let Some(why) = wrong(text) {
                self.faults.push(Fault::new(item.place, format_args!("{text:?} {why}")));
            }
        }
    }

    fn number<N: PartialOrd + From<u8> + std::fmt::Display>(
        &mut self,
        key: &str,
        value: Option<N>,
        most: N,
        default: N,
    ) -> N {
        match value {
            None => default,
            Some(value) if value >= N::from(1) && value <= most => value,
            Some(_) => {
                self.fault(key, format_args!("`{key}` must be a whole number from 1 to {most}"));
                default
            }
        }
    }

    fn size(&mut self, key: &str, value: Option<Size>, most: u64, default: usize) -> usize {
        match value {
            None => default,
            Some(size) => {
                match size.limit().filter(|bytes| *bytes <= most).and_then(|bytes| usize::try_from(bytes).ok()) {
                    Some(bytes) => bytes,
                    None => {
                        self.fault(key, format_args!("`{key}` must be above 0 and at most {}MB", most >> 20));
                        default
                    }
                }
            }
        }
    }
}
