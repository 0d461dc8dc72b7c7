//! Kind `dnsbl`: asks DNS-based lists (RFC 5782) whether they name an address or a domain.
//!
//! A list that is silent, refuses the agent's resolver or fails its own test has said nothing: its word counts neither
//! for nor against. If no list's word counts, the verdict is unknown.

mod list;
mod measures;
mod settings;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::time::timeout_at;

use crate::dnsbl::list::{About, Word};
use crate::dnsbl::measures::{CODE_INFO, LISTED, LISTINGS, LISTS, LISTS_USABLE, REFUSED, ZONE_OK};
use crate::dnsbl::settings::{Settings, Zone};
use crate::failure::{Failure, Reason};
use crate::measure::Measure;
use crate::net::{Net, RESOLVE};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{Invalid, Target, host_name};

/// A list is being tried with the entries whose answer is known.
const SELF_TEST: Phase = Phase::new("self_test");
/// A list is being asked.
const QUERY: Phase = Phase::new("query");

/// What of the run's time is kept for its end, as a divisor, so that a last list that is silent does not take the
/// verdict of the others with it. Chosen: 2 %.
const RESERVE_DIVISOR: u32 = 50;
/// Most addresses of a host that are asked about. Chosen: senders of mail have a few.
const ADDRESSES_MAX: usize = 8;

/// Asks lists about an address, or about a host with all its addresses.
#[derive(Debug)]
pub(crate) struct Dnsbl {
    settings: Arc<Settings>,
    /// An address, or a name in ASCII without the final dot.
    host: Box<str>,
}

impl Probe for Dnsbl {
    const NAME: &'static str = "dnsbl";
    const ABOUT: &'static str = "Asks blocklists in the DNS whether they name an address or a domain.";
    const TARGET: &'static str = "an address (192.0.2.1, 2001:db8::1), or a name: lists of addresses are asked about each \
                                  of its addresses, lists of domains about the name";
    const PHASES: &'static [Phase] = &[RESOLVE, SELF_TEST, QUERY];
    const HAS_STEPS: bool = true;
    const MEASURES: &'static [&'static Measure] = measures::ALL;
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let text = target.text();
        let is_address = text.parse::<IpAddr>().is_ok();
        if is_address && !settings.domain_lists.is_empty() {
            return Err(Invalid::Target(format!("{text:?} is an address, which no list of domains knows")));
        }
        let host = if is_address {
            text.into()
        } else {
            host_name(text).map_err(|why| Invalid::Target(format!("{text:?} {why}")))?
        };
        Ok(Self { settings: Arc::clone(settings), host })
    }

    fn begin(settings: &Settings, recorder: &mut Recorder) {
        recorder.read(&LISTS, (settings.address_lists.len() + settings.domain_lists.len()) as f64);
        recorder.read(&LISTS_USABLE, 0.0);
        recorder.read(&LISTINGS, 0.0);
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let whole = recorder.deadline() - recorder.started();
        let end = recorder.deadline() - whole / RESERVE_DIVISOR;
        let addresses = self.addresses(net, recorder).await?;
        let domain = [Subject { text: self.host.to_string(), entry: self.host.to_string() }];

        let of = |zones, about, subjects| Asked { zones, about, subjects };
        let all = [
            of(&*self.settings.address_lists, About::Addresses, &*addresses),
            of(&*self.settings.domain_lists, About::Domains, &domain),
        ];
        let mut left = all.iter().map(|asked| asked.zones.len()).sum();
        let mut tally = Tally::default();
        for asked in &all {
            for Zone(zone) in asked.zones {
                recorder.step(&Arc::from(&**zone));
                // Without a share of its own, a silent list would use up the others' time.
                let limit = recorder.share(end, left);
                left -= 1;
                let asking = self.ask(net, recorder, zone, asked, &mut tally.listings);
                let outcome = match timeout_at(limit, asking).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(unusable("no answer within its share of the time")),
                };
                let outcome = outcome.map_err(|failure| {
                    recorder.note(format_args!("{zone}: {}", failure.message()));
                    recorder.leg_failed(failure)
                });
                recorder.leave_step();
                tally.add(outcome);
                recorder.read(&LISTS_USABLE, tally.usable as f64);
                recorder.read(&LISTINGS, tally.listings as f64);
            }
        }
        tally.verdict()
    }
}

/// Lists of one sort, and what each is asked about.
struct Asked<'a> {
    zones: &'a [Zone],
    about: About,
    subjects: &'a [Subject],
}

/// What a list is asked about.
struct Subject {
    /// As it is shown.
    text: String,
    /// As it stands in the list's zone.
    entry: String,
}

/// What was found until now.
#[derive(Default)]
struct Tally {
    usable: usize,
    listings: usize,
    listed: Option<Failure>,
    unusable: Option<Failure>,
}

impl Tally {
    fn add(&mut self, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => self.usable += 1,
            Err(failure) if failure.reason() == Reason::Listed => {
                self.usable += 1;
                self.listed.get_or_insert(failure);
            }
            Err(failure) => {
                self.unusable.get_or_insert(failure);
            }
        }
    }

    fn verdict(self) -> Result<(), Failure> {
        match (self.listed, self.unusable) {
            (Some(listed), _) => Err(listed),
            (None, Some(unusable)) if self.usable == 0 => Err(unusable),
            _ => Ok(()),
        }
    }
}

fn unusable(why: &str) -> Failure {
    Failure::new(Reason::ListUnusable, why)
}

impl Dnsbl {
    /// The addresses that lists of addresses are asked about.
    async fn addresses(&self, net: &Net, recorder: &mut Recorder) -> Result<Vec<Subject>, Failure> {
        if self.settings.address_lists.is_empty() {
            return Ok(Vec::new());
        }
        let mut addresses = match self.host.parse() {
            Ok(address) => vec![address],
            Err(_) => net.addresses(recorder, &format!("{}.", self.host), self.settings.family()).await?,
        };
        if addresses.len() > ADDRESSES_MAX {
            recorder.note(format_args!(
                "{} of {} addresses are left out",
                addresses.len() - ADDRESSES_MAX,
                addresses.len()
            ));
            addresses.truncate(ADDRESSES_MAX);
        }
        let subject = |address: IpAddr| Subject { text: address.to_string(), entry: list::reversed(address) };
        Ok(addresses.into_iter().map(subject).collect())
    }

    /// Asks one list, after it was tried. An entry is a failure, and so is a list that says nothing.
    async fn ask(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        zone: &str,
        asked: &Asked<'_>,
        listings: &mut usize,
    ) -> Result<(), Failure> {
        if self.settings.self_test {
            recorder.enter(SELF_TEST);
            recorder.read(&ZONE_OK, 0.0);
            let [present, absent] = asked.about.test_entries();
            match word_of(net, recorder, zone, present).await? {
                Word::Listed(_) => {}
                _ => return Err(unusable(&format!("it lacks {present}, which every list has: it is empty or gone"))),
            }
            match word_of(net, recorder, zone, absent).await? {
                Word::Clear => recorder.read(&ZONE_OK, 1.0),
                _ => return Err(unusable(&format!("it names {absent}, which no list has: it names everybody"))),
            }
        }
        recorder.enter(QUERY);
        let mut first = None;
        for Subject { text, entry } in asked.subjects {
            let codes = match word_of(net, recorder, zone, entry).await? {
                Word::Listed(codes) => codes,
                _ => Vec::new(),
            };
            let counting = |code: &&Ipv4Addr| !self.settings.ignored_codes.contains(code);
            let code = codes.iter().find(counting);
            recorder.read_with(&LISTED, &[text], f64::from(u8::from(code.is_some())));
            for code in &codes {
                recorder.read_with(&CODE_INFO, &[text, &code.to_string()], 1.0);
            }
            let Some(code) = code else { continue };
            *listings += 1;
            if first.is_none() {
                first = Some(Failure::new(Reason::Listed, format_args!("{zone} names {text} with {code}")));
            }
        }
        first.map_or(Ok(()), Err)
    }
}

/// What a list says of an entry, if it says anything.
async fn word_of(net: &Net, recorder: &mut Recorder, zone: &str, entry: &str) -> Result<Word, Failure> {
    let word = list::ask(net, zone, entry).await;
    recorder.read(&REFUSED, f64::from(u8::from(matches!(word, Word::Refused(_)))));
    match word {
        Word::Refused(why) | Word::None(why) => Err(unusable(&why)),
        word => Ok(word),
    }
}
