//! What earlier runs saw of a domain's MTA-STS policy.
//!
//! Senders look at a policy again when its id changes (RFC 8461 section 3.3). So a policy that changes without its id
//! reaches them too late, and mail may be stopped by what they still have.

use std::time::{Duration, SystemTime};

use super::measures::MTA_STS_POLICY_CHANGED;
use crate::memory::{Drawer, Fact};
use crate::recorder::Recorder;

/// How long a policy is remembered: as long as senders may keep one (RFC 8461 section 3.2).
const REMEMBERED: Duration = Duration::from_secs(31_557_600);

/// Under which names the facts are kept.
const POLICY: &[&str] = &["mta_sts", "policy"];
const CHANGE: &[&str] = &["mta_sts", "change"];

/// Compares a policy with what was seen before. `digest` tells policies apart. The error says what is wrong with it.
pub(super) fn compare(memory: Drawer<'_>, recorder: &mut Recorder, id: &str, digest: &str) -> Result<(), String> {
    let now = recorder.now();
    let known = memory.recall(now, POLICY);
    // The id, the policy that was first seen with it, and the one that was seen last.
    let mut words = known.as_ref().map_or("", |fact| &fact.text).split(' ');
    let (old_id, first, last) = (words.next(), words.next(), words.next());
    let is_new_id = old_id != Some(id);
    let first = first.filter(|_| !is_new_id).unwrap_or(digest);
    if let Some(last) = last {
        match (is_new_id, last != digest) {
            (_, true) => {
                recorder.note("the MTA-STS policy has changed since the last run");
                memory.keep(now, CHANGE, fact(recorder, ""), REMEMBERED);
            }
            (true, false) => recorder.note("the MTA-STS record has a new id, but the policy is the old one"),
            (false, false) => {}
        }
    }
    memory.keep(now, POLICY, fact(recorder, &format!("{id} {first} {digest}")), REMEMBERED);
    if let Some(change) = memory.recall(now, CHANGE) {
        let since = change.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        recorder.read(&MTA_STS_POLICY_CHANGED, since.as_secs_f64());
    }
    if first == digest {
        Ok(())
    } else {
        Err(format!("the policy has changed, but the record's id is still {id}: senders do not notice"))
    }
}

fn fact(recorder: &Recorder, text: &str) -> Fact {
    Fact { since: recorder.now(), at: recorder.wall_clock(), text: text.into() }
}
