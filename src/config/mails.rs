//! How much mail checks send: so many an hour to one mailbox, from all of them together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tuermer_probes::{Mailing, Module};

use super::fault::Fault;
use super::node::Entry;
use crate::plan::Check;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// What each mailbox gets by the checks that were read.
#[derive(Debug, Default)]
pub(super) struct Mails(HashMap<Box<str>, Mailbox>);

#[derive(Debug)]
struct Mailbox {
    per_hour: f64,
    /// The smallest that any of them allows.
    per_hour_max: u32,
    is_told: bool,
}

impl Mails {
    /// Adds what the targets of a check get. The check by which it becomes too much is at fault.
    pub(super) fn add(&mut self, entry: &Entry<'_>, checks: &[Arc<Check>], faults: &mut Vec<Fault>) {
        for check in checks {
            let Some(mailing) = check.module.module.as_ref().and_then(Module::mailing) else { continue };
            let Mailing { recipient, per_hour_max } = mailing;
            let mailbox = self.0.entry(recipient.clone());
            let mailbox = mailbox.or_insert(Mailbox { per_hour: 0.0, per_hour_max, is_told: false });
            mailbox.per_hour += HOUR.as_secs_f64() / check.interval.as_secs_f64();
            mailbox.per_hour_max = mailbox.per_hour_max.min(per_hour_max);
            // Sums of parts of an hour are not exact.
            if mailbox.per_hour > f64::from(mailbox.per_hour_max) + 1e-6 && !mailbox.is_told {
                mailbox.is_told = true;
                let Mailbox { per_hour, per_hour_max, .. } = mailbox;
                let message = format_args!(
                    "with check `{}`, {recipient} gets {:.0} mails an hour, more than {per_hour_max}",
                    entry.key,
                    per_hour.ceil()
                );
                let help = "make intervals longer, or set `max_mails_per_hour` in each module that sends mail there";
                faults.push(Fault::new(entry.key_place, message).with_help(help));
            }
        }
    }
}
