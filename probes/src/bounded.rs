//! A run on a module's own terms: within limits, by a way of its own, at every address.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::{Failure, Reason};
use crate::measure::{Measure, Unit};
use crate::net::{Legs, Net};
use crate::probe::{Run, caught, late};
use crate::recorder::Recorder;
use crate::report::{Outcome, Report};
use crate::terms::Terms;
use crate::watch::Watch;

/// How many addresses were asked.
pub(crate) static ADDRESSES: Measure =
    Measure::level("probe_addresses", Unit::None, "Addresses asked, where a module asks all.").extra();
static ADDRESSES_UP: Measure = Measure::level(
    "probe_addresses_up",
    Unit::None,
    "Addresses that answered as they should, where a module asks all.",
)
.extra();
static ADDRESS_UP: Measure =
    Measure::level("probe_address_up", Unit::None, "Whether this address answered as it should.").extra();

pub(crate) const MEASURES: &[&Measure] = &[&ADDRESSES, &ADDRESSES_UP, &ADDRESS_UP];

/// Asks once, on these terms.
pub(crate) async fn run(asked: &dyn Run, terms: &Terms, net: &Net, timeout: Duration) -> Report {
    let mut recorder = Recorder::start(timeout);
    let watch = Arc::new(Watch::new(recorder.started(), terms.limits.bytes_received));
    recorder.hold(&watch, terms.limits.phases.clone());
    let ended = match net.on(terms, &watch) {
        Err(failure) => Err(failure),
        Ok(net) => match net.legs() {
            None => ask(asked, &net, &mut recorder, &watch).await,
            Some(legs) => ask_all(asked, &net, legs, &mut recorder, &watch).await,
        },
    };
    recorder.finish(match ended {
        Ok(()) => Outcome::Pass,
        Err(failure) => Outcome::Fail(failure),
    })
}

/// The one question, or that of one leg.
async fn ask(asked: &dyn Run, net: &Net, recorder: &mut Recorder, watch: &Watch) -> Result<(), Failure> {
    let deadline = recorder.deadline();
    match watched(caught(asked.run(net, recorder)), watch, deadline).await {
        Ended::Answered(answer) => answer,
        Ended::Late => Err(late(recorder)),
        Ended::TooMuch(max) => {
            Err(Failure::new(Reason::ReceivedLimit, format_args!("the peer sent more than {max} bytes")))
        }
    }
}

/// The question to every address. The first time the kind asks for its host's address all are looked up, and the first is
/// given; from then on each of the others has its turn, with an equal share of the time left.
async fn ask_all(
    asked: &dyn Run,
    net: &Net,
    legs: &Legs,
    recorder: &mut Recorder,
    watch: &Watch,
) -> Result<(), Failure> {
    let mut answer = ask(asked, net, recorder, watch).await;
    let names = legs.names();
    if names.is_empty() {
        return answer;
    }
    let (mut up, mut failures) = (0, Vec::new());
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            legs.turn_to(index);
            recorder.leg(name, recorder.share(recorder.run_deadline(), names.len() - index));
            answer = ask(asked, net, recorder, watch).await;
        }
        recorder.read(&ADDRESS_UP, f64::from(u8::from(answer.is_ok())));
        let too_much = watch.exceeded().is_some();
        match std::mem::replace(&mut answer, Ok(())) {
            Ok(()) => up += 1,
            Err(failure) => failures.push((name, recorder.leg_failed(failure))),
        }
        if too_much {
            break;
        }
    }
    recorder.leave_legs();
    recorder.read(&ADDRESSES, names.len() as f64);
    recorder.read(&ADDRESSES_UP, f64::from(up));
    let failed = failures.len();
    // A service that is down is known to be so; what the agent could not ask may be up.
    let telling = failures.iter().position(|(_, failure)| !failure.reason().is_shortage()).unwrap_or(0);
    if failed == 0 {
        return Ok(());
    }
    let (name, failure) = failures.swap_remove(telling);
    let message = format_args!("{failed} of {} addresses failed; {name}: {}", names.len(), failure.message());
    Err(failure.reworded(message))
}

enum Ended {
    Answered(Result<(), Failure>),
    /// The deadline, or another limit of time, has passed.
    Late,
    /// More was received than may be.
    TooMuch(u64),
}

async fn watched(asked: impl Future<Output = Result<(), Failure>>, watch: &Watch, deadline: Instant) -> Ended {
    let mut asked = pin!(asked);
    let mut until = deadline;
    let mut sleep = pin!(tokio::time::sleep_until(until));
    std::future::poll_fn(|context| {
        let answer = asked.as_mut().poll(context);
        if let Some(max) = watch.exceeded() {
            return Poll::Ready(Ended::TooMuch(max));
        }
        if let Poll::Ready(answer) = answer {
            return Poll::Ready(Ended::Answered(answer));
        }
        let wanted = watch.until().map_or(deadline, |until| until.min(deadline));
        if wanted != until {
            until = wanted;
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(context).map(|()| Ended::Late)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use serde_json::{Value, json};

    use super::*;
    use crate::net::Net;
    use crate::target::Target;
    use crate::testkit::{self, Peer, assert_laps_cover_the_run, close, flood, gist, say, trickle, wait_for_ever};

    const LONG: Duration = Duration::from_secs(20);

    fn terms(network: Value, limits: Value) -> Terms {
        let network: crate::net::Network = serde_json::from_value(network).expect("a network");
        Terms { network: Some(Arc::new(network)), limits: serde_json::from_value(limits).expect("limits") }
    }

    async fn ask_in(net: &Net, settings: Value, terms: Terms, target: &str, timeout: Duration) -> Report {
        let module = crate::kind("tcp").expect("tcp").module(settings).expect("settings").on(terms);
        let report = module.bind(&Target::new(target)).expect("a target").run(net, timeout).await;
        assert_laps_cover_the_run(&report);
        report
    }

    async fn ask(settings: Value, terms: Terms, target: &str) -> Report {
        ask_in(&testkit::net(), settings, terms, target, LONG).await
    }

    fn greeting() -> Value {
        json!({"query_response": [{"expect": "^hello"}]})
    }

    /// A server on each of some loopback addresses, on the same port.
    async fn servers(scripts: Vec<(u8, Vec<testkit::Act>)>) -> (Vec<Peer>, u16) {
        let mut peers: Vec<Peer> = Vec::new();
        for (last, script) in scripts {
            let port = peers.first().map_or(0, |peer| peer.address().port());
            peers.push(Peer::play_on(SocketAddr::from(([127, 0, 0, last], port)), script).await);
        }
        let port = peers[0].address().port();
        (peers, port)
    }

    fn all(addresses: &[&str]) -> Terms {
        terms(json!({"resolve": {"host.test": addresses}, "addresses": "all"}), json!({}))
    }

    fn readings<'r>(report: &'r Report, name: &str) -> Vec<(Option<&'r str>, f64)> {
        let of_name = report.readings.iter().filter(|reading| reading.measure.name == name);
        of_name.map(|reading| (reading.step.as_deref(), reading.value)).collect()
    }

    #[tokio::test]
    async fn every_address_is_asked_and_all_must_answer() {
        let hello = || vec![say("hello\n")];
        let (_servers, port) = servers(vec![(1, hello()), (2, hello()), (3, hello())]).await;
        let target = format!("host.test:{port}");
        let addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
        let report = ask(greeting(), all(&addresses), &target).await;
        assert_eq!(gist(&report), "up");
        assert_eq!(readings(&report, "probe_addresses"), [(None, 3.0)]);
        assert_eq!(readings(&report, "probe_addresses_up"), [(None, 3.0)]);
        assert_eq!(readings(&report, "probe_address_up"), addresses.map(|address| (Some(address), 1.0)));
        assert_eq!(readings(&report, "probe_dns_lookup_time_seconds").len(), 1, "the host is looked up once");
        assert_eq!(readings(&report, "probe_ip_protocol"), addresses.map(|address| (Some(address), 4.0)));
        assert_eq!(readings(&report, "probe_failed_due_to_regex"), addresses.map(|address| (Some(address), 0.0)));
    }

    #[tokio::test]
    async fn one_address_that_fails_fails_the_run_and_hides_no_other() {
        let hello = || vec![say("hello\n")];
        let (_servers, port) = servers(vec![(1, hello()), (3, hello())]).await;
        let report = ask(greeting(), all(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]), &format!("host.test:{port}")).await;
        assert_eq!(gist(&report), "connect_refused in connect");
        assert_eq!(report.failed_at().and_then(|(step, _)| step), Some("127.0.0.2"));
        let message = report.failure().expect("a failure").message();
        assert!(message.starts_with("1 of 3 addresses failed; 127.0.0.2: cannot connect to 127.0.0.2:"), "{message}");
        assert_eq!(readings(&report, "probe_addresses_up"), [(None, 2.0)]);
        let up = [(Some("127.0.0.1"), 1.0), (Some("127.0.0.2"), 0.0), (Some("127.0.0.3"), 1.0)];
        assert_eq!(readings(&report, "probe_address_up"), up);
    }

    #[tokio::test]
    async fn a_silent_address_takes_no_more_than_its_share_of_the_time() {
        let (_servers, port) = servers(vec![(1, vec![wait_for_ever()]), (2, vec![say("hello\n")])]).await;
        let timeout = Duration::from_secs(2);
        let target = format!("host.test:{port}");
        let terms = all(&["127.0.0.1", "127.0.0.2"]);
        let report = ask_in(&testkit::net(), greeting(), terms, &target, timeout).await;
        assert_eq!(gist(&report), "timeout in exchange");
        assert_eq!(readings(&report, "probe_addresses_up"), [(None, 1.0)]);
        assert!(report.duration < timeout, "{:?}", report.duration);
    }

    #[tokio::test]
    async fn a_host_without_addresses_has_no_steps() {
        let report = ask(greeting(), all(&["127.0.0.1"]), "[fe80::1%nosuchif]:1").await;
        assert_eq!(gist(&report), "target_invalid in resolve");
        assert_eq!(readings(&report, "probe_addresses"), []);
        assert_eq!(readings(&report, "probe_ip_protocol"), [(None, 0.0)]);
    }

    #[tokio::test]
    async fn a_name_can_be_given_an_address_for_one_port() {
        let (_servers, port) = servers(vec![(2, vec![say("hello\n")])]).await;
        let network = json!({"resolve": {(format!("Host.Test:{port}")): "127.0.0.2", "host.test": "127.0.0.9"}});
        let report = ask(greeting(), terms(network, json!({})), &format!("host.test.:{port}")).await;
        assert_eq!(gist(&report), "up");
        let strict = json!({"preferred_ip_protocol": "ip6", "ip_protocol_fallback": false});
        let network = json!({"resolve": {"host.test": ["127.0.0.2"]}});
        let report = ask(strict, terms(network, json!({})), &format!("host.test:{port}")).await;
        assert_eq!(gist(&report), "dns_nodata in resolve");
    }

    #[tokio::test]
    async fn names_are_asked_of_the_modules_own_servers() {
        let server = testkit::Responder::udp(|_| Vec::new()).await;
        let network = json!({"resolver": [server.address().to_string()]});
        let terms = terms(network, json!({"phase_timeouts": {"resolve": "300ms"}}));
        let report = ask(greeting(), terms, "host.test:1").await;
        assert_eq!(gist(&report), "phase_timeout in resolve");
        assert!(!server.heard().is_empty());
    }

    #[tokio::test]
    async fn connections_come_from_the_modules_address() {
        let (servers, port) = servers(vec![(1, vec![say("hello\n")])]).await;
        let network = json!({"source_address": ["127.0.0.7", "::1"]});
        let report = ask(greeting(), terms(network, json!({})), &servers[0].address().to_string()).await;
        assert_eq!(gist(&report), "up");
        // The kind's own setting is the nearer one.
        let settings = json!({"source_ip_address": "192.0.2.1"});
        let network = json!({"source_address": "127.0.0.7"});
        let report = ask(settings, terms(network, json!({})), &format!("127.0.0.1:{port}")).await;
        assert_eq!(gist(&report), "config_unusable in connect");
    }

    #[tokio::test]
    async fn an_interface_that_is_not_there_is_the_agents_lack() {
        let report = ask(greeting(), terms(json!({"interface": "nosuchif0"}), json!({})), "127.0.0.1:1").await;
        // The second where interfaces take a privilege.
        let gist = gist(&report);
        assert!(["agent_no_route in connect", "agent_permission in connect"].contains(&gist.as_str()), "{gist}");
    }

    #[tokio::test]
    async fn a_phase_has_a_limit_of_its_own() {
        let (_servers, port) =
            servers(vec![(1, vec![trickle("hel", Duration::from_millis(50)), wait_for_ever()])]).await;
        let limits = json!({"phase_timeouts": {"connect": "10s", "exchange": "300ms"}});
        let report = ask(greeting(), terms(json!({}), limits), &format!("127.0.0.1:{port}")).await;
        assert_eq!(gist(&report), "phase_timeout in exchange");
        assert!(report.duration < LONG / 2, "{:?}", report.duration);
        assert_eq!(report.failure().expect("a failure").message(), "longer in exchange than its limit of 300ms");
    }

    #[tokio::test]
    async fn the_runs_own_deadline_stays() {
        let (_servers, port) = servers(vec![(1, vec![wait_for_ever()])]).await;
        let terms = terms(json!({}), json!({"phase_timeouts": {"exchange": "1h"}}));
        let timeout = Duration::from_millis(300);
        let report = ask_in(&testkit::net(), greeting(), terms, &format!("127.0.0.1:{port}"), timeout).await;
        assert_eq!(gist(&report), "timeout in exchange");
    }

    #[tokio::test]
    async fn more_bytes_than_allowed_end_the_run() {
        let (_servers, port) = servers(vec![(1, vec![flood(b'x')])]).await;
        let terms = terms(json!({}), json!({"bytes_received": 10_000}));
        let report = ask(greeting(), terms, &format!("127.0.0.1:{port}")).await;
        assert_eq!(gist(&report), "received_limit in exchange");
        assert_eq!(report.failure().expect("a failure").message(), "the peer sent more than 10000 bytes");
    }

    #[tokio::test]
    async fn as_many_bytes_as_allowed_do_no_harm() {
        let (_servers, port) = servers(vec![(1, vec![say("hello\n"), close()])]).await;
        for (most, expected) in [(6, "up"), (5, "received_limit in exchange")] {
            let terms = terms(json!({}), json!({"bytes_received": most}));
            assert_eq!(gist(&ask(greeting(), terms, &format!("127.0.0.1:{port}")).await), expected, "{most}");
        }
    }

    #[test]
    fn networks_that_make_no_sense_are_refused() {
        let read = |value: Value| match serde_json::from_value::<crate::net::Network>(value) {
            Ok(network) => network.fault(),
            Err(error) => Some(error.to_string()),
        };
        assert_eq!(read(json!({"source_address": ["192.0.2.1", "2001:db8::1"], "interface": "eth0.5"})), None);
        assert_eq!(read(json!({"source_address": "fe80::1%1", "resolver": ["fe80::1%1", "[::1]:5353"]})), None);
        for wrong in [
            json!({"source_address": ["192.0.2.1", "192.0.2.2"]}),
            json!({"source_address": "host.test"}),
            json!({"source_address": "fe80::1%nosuchif"}),
            json!({"interface": "a/b"}),
            json!({"interface": "sixteen-letters!"}),
            json!({"resolver": ["192.0.2.53:0"]}),
            json!({"resolve": {"host.test": []}}),
            json!({"resolve": {"192.0.2.1": "192.0.2.2"}}),
            json!({"resolve": {"host.test:port": "192.0.2.2"}}),
            json!({"addresses": "some"}),
            json!({"adresses": "all"}),
        ] {
            assert!(read(wrong.clone()).is_some(), "{wrong}");
        }
    }
}
