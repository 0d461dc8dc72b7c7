//! The file as a whole. Wrong files with the texts of their errors are in `tests/config/`.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde::Deserialize;

use super::misread::Faults;
use super::reader::Reader;
use super::*;
use crate::plan::{AgentSettings, ProbeMetrics};

fn plan(text: &str) -> Plan {
    parse(text, "tuermer.yml").unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str, expected: &Expect) {
    let error = parse(text, "tuermer.yml").expect_err("the file is wrong");
    expected.assert_eq(&format!("{error}\n"));
}

#[test]
fn a_file_may_say_nothing_but_must_not_be_empty() {
    for text in ["{}", "modules:\n", "modules: {}\nchecks:\n", "---\n"] {
        assert!(plan(text).modules.is_empty(), "{text:?}");
    }
    for text in ["", "\n\n", "# comment\n"] {
        assert!(parse(text, "x").is_err(), "{text:?}");
    }
}

#[test]
fn only_the_first_document_counts() {
    assert!(plan("modules: {m: }\n---\n[\n").modules.contains_key("m"));
}

#[test]
fn a_module_without_a_body_loads_but_cannot_be_asked() {
    assert!(plan("modules:\n  m:\n").modules["m"].module.is_none());
    refused(
        "modules:\n  m:\nchecks:\n  c: {module: m, targets: [a]}\n",
        &expect![[r#"
            error: module `m` cannot be asked: it has no prober
              --> tuermer.yml:4:15
              |
            4 |   c: {module: m, targets: [a]}
              |               ^
        "#]],
    );
}

#[test]
fn the_agents_own_settings_are_read() {
    let text = "dnssec_trust_anchors: /etc/anchors\nresolver: [192.0.2.53, '192.0.2.54:5353', '2001:db8::53', '[2001:db8::54]:54']\n\
                probe_metrics: all\nlimits: {runs_in_flight: 20}\nrevocation_lists: {private_addresses: yes}\n";
    let resolver = ["192.0.2.53:53", "192.0.2.54:5353", "[2001:db8::53]:53", "[2001:db8::54]:54"];
    let resolver = resolver.map(|text| text.parse().expect("an address")).to_vec();
    let expected = AgentSettings {
        resolver,
        dnssec_trust_anchors: Some("/etc/anchors".into()),
        probe_metrics: ProbeMetrics::All,
        runs_in_flight_max: 20,
        private_revocation_lists: true,
    };
    assert_eq!(plan(text).agent, expected);
    assert_eq!(plan("{resolver: , probe_metrics: , limits: }").agent, AgentSettings::default());
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    text: String,
    maybe: Option<String>,
    yes: bool,
    count: u16,
    list: Vec<String>,
    map: BTreeMap<String, String>,
    nested: Option<Box<Self>>,
}

fn sample(text: &str) -> Result<Sample, String> {
    let root = yaml::read(text).map_err(|fault| fault.message().to_owned())?.expect("a document");
    let faults = Faults::default();
    // Through the same wall as a kind's settings.
    let mut erased = <dyn erased_serde::Deserializer<'_>>::erase(Reader::new(&root, root.place, &faults));
    erased_serde::deserialize(&mut erased).map_err(|error| {
        let fault = faults.take(root.place, error);
        format!("{}: {}", source::line_and_column(text, fault.place).0, fault.message())
    })
}

#[test]
fn scalars_are_taken_as_blackbox_exporter_takes_them() {
    let read = sample("{text: 0x1F, maybe: 1.50, yes: on, count: 0x10, map: {a: true, b: , c: ~, d: 1e3}}");
    let map =
        [("a", "true"), ("b", ""), ("c", ""), ("d", "1e3")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let expected = Sample {
        text: "0x1F".into(),
        maybe: Some("1.50".into()),
        yes: true,
        count: 16,
        map: map.into(),
        ..Sample::default()
    };
    assert_eq!(read, Ok(expected));
    assert_eq!(sample("{text: , yes: ~, count: null, list: , nested: }"), Ok(Sample::default()));
    assert_eq!(sample("text: !!binary aGk="), Ok(Sample { text: "hi".into(), ..Sample::default() }));
}

#[test]
fn scalars_of_the_wrong_type_are_refused_where_they_stand() {
    let wrong = |text| sample(text).expect_err(text);
    assert_eq!(wrong("text: a\nyes: \"true\""), "2: expected true or false, found \"true\"");
    assert_eq!(wrong("count: \"5\""), "1: expected a whole number from 0 to 65535, found \"5\"");
    assert_eq!(wrong("count: 70000"), "1: expected a whole number from 0 to 65535, found 70000");
    assert_eq!(wrong("list: x"), "1: expected a list, found \"x\"");
    assert_eq!(wrong("nested:\n  nested:\n    count: x\n"), "3: expected a whole number from 0 to 65535, found \"x\"");
    assert_eq!(wrong("nested:\n  nested:\n    colour: x\n"), "3: unknown key `colour`");
    assert_eq!(wrong("text: {a: b}"), "1: expected a string, found a map");
    assert_eq!(wrong("text: !local x"), "tag `!local` has no meaning here");
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let read = sample("{nested: &n {text: a, yes: true}, map: {<<: [{x: 1}, {x: 2, y: 3}], y: 4}, list: [&t one, *t]}");
    let read = read.expect("valid");
    assert_eq!(read.map.into_iter().collect::<Vec<_>>(), [("x".into(), "1".into()), ("y".into(), "4".into())]);
    assert_eq!(read.list, ["one", "one"]);
    let text = "text: a\nnested: {<<: {text: b, count: 3}, text: c}\n";
    assert_eq!(sample(text).expect("valid").nested.map(|nested| (nested.text, nested.count)), Some(("c".into(), 3)));
}

#[test]
fn an_alias_bomb_is_refused_quickly() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = level - 1;
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{previous}"); 10].join(", ")));
    }
    assert!(parse(&text, "x").expect_err("too large").to_string().contains("too large"));
}

#[test]
fn nesting_is_bounded() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        assert!(parse(&text, "x").is_err());
    }
    let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
    assert!(parse(&deep, "x").expect_err("no map").to_string().contains("must be a map"));
}

#[test]
fn a_secret_is_seen_in_no_error() {
    for text in [
        "modules: {m: {prober: http, http: {basic_auth: hunter2}}}",
        "modules:\n  m:\n    prober: http\n    http:\n      bearer_token: [hunter2]\n",
        "modules:\n  m:\n    http:\n      authorization: hunter2\n",
        "password: hunter2",
        "password: |\n  hunter2\n  hunter2\n bad",
        "password: \"hunter2\nbad: [",
        "checks: {c: {module: m, targets: ['http://me:hunter2@host:x/', 'http://me:hunter2@host:x/']}}",
        "modules:\n  m: {prober: http, http: {headers: {Authorization: {a: hunter2}}}}",
    ] {
        let error = parse(text, "x").expect_err(text).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = load(&folder.path().join("none.yml")).expect_err("missing").to_string();
    assert!(missing.starts_with("error: cannot read ") && missing.contains("No such file"), "{missing}");
    let path = folder.path().join("latin1.yml");
    std::fs::write(&path, b"modules:\n  gr\xfcn:\n").unwrap();
    assert!(load(&path).expect_err("not UTF-8").to_string().ends_with("line 2 is not UTF-8"));
    assert!(load(folder.path()).is_err());
}

#[test]
fn a_loaded_file_keeps_its_text_and_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuermer.yml");
    std::fs::write(&path, "{}").unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(&*loaded.text, "{}");
    assert_eq!(loaded.digest[..4], [0x44, 0x13, 0x6f, 0xa3]);
    assert_eq!(checksum(&path), Ok(loaded.digest));
}

#[test]
fn a_module_is_shown_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuermer.yml");
    std::fs::write(
        &path,
        "modules:\n  a: {prober: websocket}\n  b: {prober: grpc, grpc: {metadata: {k: [hunter2]}}}\n",
    )
    .unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(&**loaded.module_text("b").unwrap(), "prober: grpc\ngrpc:\n  metadata:\n    k:\n    - <secret>\n");
    assert_eq!(loaded.module_text("c"), None);
    assert_eq!(
        loaded.shown(),
        "modules:\n    a:\n        prober: websocket\n    b:\n        prober: grpc\n        grpc:\n            metadata:\n                k:\n                - <secret>\n"
    );
}

const MODULES: &str =
    "modules: {ssh: {prober: tcp, timeout: 5s}, dns: {prober: dns, dns: {query_name: example.org}}}\n";

#[test]
fn a_check_takes_what_it_does_not_say_from_its_module() {
    let text = format!(
        "{MODULES}checks:\n  a: {{module: ssh, targets: ['h:22'], labels: {{b: x, a: 1, c: ''}}}}\n  \
                        b: {{module: dns, targets: [h, g], interval: 4s}}\n  c: {{module: ssh, targets: ['h:1'], timeout: 7s}}\n"
    );
    let plan = plan(&text);
    let times: Vec<_> = plan.checks.iter().map(|check| (check.interval.as_secs(), check.timeout.as_secs())).collect();
    assert_eq!(times, [(60, 5), (4, 4), (4, 4), (60, 7)]);
    let labels: Vec<_> = plan.checks[0].labels.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(labels, [("a", "1"), ("b", "x")]);
    assert!(Arc::ptr_eq(&plan.checks[1].module, &plan.checks[2].module));
    assert_eq!(plan.checks[2].target.text(), "g");
}

#[test]
fn a_fate_is_a_label_in_which_a_matcher_finds_each_channel() {
    let fate = |fate: &str| {
        let plan = plan(&format!(
            "{MODULES}checks: {{a: {{module: ssh, targets: ['h:22'], labels: {{g: x}}, fate: {fate}}}}}"
        ));
        plan.checks[0].labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(fate("[mail, internet, mail]"), "fate=,internet,mail, g=x");
    assert_eq!(fate("mail"), "fate=,mail, g=x");
    assert_eq!(fate("[]"), "g=x");
    assert_eq!(fate("~"), "g=x");
}

#[test]
fn only_what_matters_to_a_check_makes_it_another() {
    let hashes = |text: &str| {
        let plan = plan(text);
        plan.checks.iter().map(|check| (check.identity, check.content)).collect::<Vec<_>>()
    };
    let base = format!("{MODULES}checks:\n  a: {{module: ssh, targets: ['h:1', 'h:2'], labels: {{x: y}}}}\n");
    let [first, second] = hashes(&base)[..] else { panic!("two targets") };
    assert_ne!(first.0, second.0);
    let same = base.replace("query_name: example.org", "query_name: other.org").replace("{x: y}", "{\"x\": y}");
    assert_eq!(hashes(&same), [first, second]);
    for (from, to) in [("timeout: 5s", "timeout: 6s"), ("{x: y}", "{x: z}"), ("labels:", "interval: 10s, labels:")] {
        let changed = hashes(&base.replace(from, to));
        assert_eq!(changed[0].0, first.0, "{to}");
        assert_ne!(changed[0].1, first.1, "{to}");
    }
    let more = hashes(&base.replace("['h:1', ", "['h:0', 'h:1', "));
    assert_eq!(more[1..], [first, second]);
}

#[test]
fn twenty_thousand_targets_are_loaded() {
    let mut text = format!("{MODULES}checks:\n  many:\n    module: ssh\n    labels: {{site: town}}\n    targets:\n");
    for number in 0..20_000 {
        text.push_str(&format!("      - host-{number}.example.org:22\n"));
    }
    let plan = plan(&text);
    assert_eq!(plan.checks.len(), 20_000);
    assert!(plan.checks.windows(2).all(|pair| Arc::ptr_eq(&pair[0].labels, &pair[1].labels)));
    let mut identities: Vec<_> = plan.checks.iter().map(|check| check.identity).collect();
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), 20_000);
}

#[test]
fn a_modules_timeout_is_read() {
    let timeout =
        |text: &str| plan(&format!("modules: {{m: {{prober: websocket, timeout: {text}}}}}")).modules["m"].timeout;
    assert_eq!(timeout("1m30s"), Some(Duration::from_secs(90)));
    assert_eq!(["\"0\"", "-5s", "~"].map(timeout), [None; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_understood_or_refused(text in "[ \\-:{}\\[\\],&*<!|>'\"#%@`\\t\\na-z0-9~.é\u{202e}]{0,80}") {
        let _ = parse(&text, "x");
    }

    #[test]
    fn any_change_of_a_good_file_is_understood_or_refused(
        at in any::<prop::sample::Index>(), length in 0_usize..12, insert in "[ \\-:{}\\[\\],&*<'\"\\n\\ta-z0-9]{0,6}",
    ) {
        let mut text = GOOD.to_owned();
        let start = text.floor_char_boundary(at.index(text.len()));
        let end = text.floor_char_boundary((start + length).min(text.len()));
        text.replace_range(start..end, &insert);
        let is_secret = text.contains("password: hunter2") && text.contains("X-Token: \"hunter2\"");
        if let (Err(error), true) = (parse(&text, "x"), is_secret) {
            prop_assert!(!error.to_string().contains("hunter2"), "{}", error);
        }
    }
}

const GOOD: &str = "\
# A file of everything.
modules:
  web: &web
    timeout: 5s
    prober: http
    http:
      preferred_ip_protocol: ip4
      basic_auth: { username: ä, password: hunter2 }
      headers: { X-Token: \"hunter2\", Accept: text/html }
  web2:
    <<: *web
    timeout: 6s
  mail:
    prober: smtp
    timeout: 10s
    smtp: { helo: watch.example }
checks:
  home: { module: web, targets: [http://127.0.0.1/, 'http://127.0.0.2/'], interval: 30s, labels: { team: web } }
  post:
    module: mail
    targets:
      - example.org
    timeout: 20s
resolver: [192.0.2.53]
probe_metrics: blackbox
limits: { runs_in_flight: 10 }
";
