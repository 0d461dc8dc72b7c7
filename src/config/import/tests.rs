use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const MODULES: &str = "modules: \n  http_2xx: { prober: http, timeout: 5s }\n  ssh: { prober: tcp }\n";

/// A folder with a scrape configuration and files beside it.
fn folder(config: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    std::fs::write(folder.path().join("blackbox.yml"), MODULES).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The checks and the notes, without the folder's path.
fn translated(config: &str, files: &[(&str, &str)]) -> (String, String) {
    let folder = folder(config, files);
    let modules = crate::config::load(&folder.path().join("blackbox.yml")).unwrap();
    let imported = import(&folder.path().join("prometheus.yml"), Some(&modules)).unwrap_or_else(|e| panic!("{e}"));
    let path = format!("{}/", folder.path().display());
    let checks = format!("checks:{}", imported.text.split_once("checks:").unwrap().1).replace(&path, "");
    (checks, imported.notes.concat().replace(&path, ""))
}

fn gives(config: &str, files: &[(&str, &str)], checks: &Expect, notes: &Expect) {
    let translated = translated(config, files);
    checks.assert_eq(&translated.0);
    notes.assert_eq(&translated.1);
}

#[test]
fn the_usual_job_becomes_a_check() {
    gives(
        "global: { scrape_interval: 15s }
scrape_configs:
  - job_name: node
    static_configs: [{ targets: ['h:9100'] }]
  - job_name: blackbox
    metrics_path: /probe
    params: { module: [http_2xx] }
    static_configs:
      - targets: ['https://a.example/', 'https://b.example/?x=1', 'https://a.example/']
        labels: { team: web }
      - targets: [c.example]
    relabel_configs:
      - { source_labels: [__address__], target_label: __param_target }
      - { source_labels: [__param_target], target_label: instance }
      - { target_label: __address__, replacement: 'exporter:9115' }
",
        &[],
        &expect![[r#"
            checks:
              blackbox:
                module: http_2xx
                interval: 15s
                labels:
                  job: blackbox
                  team: web
                targets:
                  - "https://a.example/"
                  - "https://b.example/?x=1"
              "blackbox 2":
                module: http_2xx
                interval: 15s
                labels:
                  job: blackbox
                targets:
                  - c.example
        "#]],
        &expect![[""]],
    );
}

#[test]
fn modules_from_labels_files_and_constants_are_followed() {
    gives(
        "scrape_configs:
  - job_name: many
    metrics_path: /probe
    scrape_interval: 2m
    scrape_timeout: 3s
    file_sd_configs: [{ files: ['t-*.yml', t.json, none.yml] }]
    relabel_configs:
      - { source_labels: [module], target_label: __param_module }
      - { source_labels: [__address__], regex: '(.*);(.*)', target_label: __param_target, replacement: '${1}:22' }
      - { source_labels: [__param_target, __address__], separator: '@', regex: '@(.*)', target_label: __param_target }
      - { source_labels: [__param_target], regex: '([^.]*)\\..*', target_label: host }
      - { source_labels: [host], target_label: instance, action: uppercase }
      - { action: labelmap, regex: meta_(.+) }
      - { action: labeldrop, regex: meta_.* }
      - { target_label: __address__, replacement: exporter }
      - { target_label: env, replacement: prod }
      - { source_labels: [host], regex: skip, action: drop }
",
        &[
            ("t-1.yml", "- targets: [one.example:22, 'skip.example:22']\n  labels: { module: ssh, meta_x: y }\n"),
            ("t.json", "[\n\t{\"targets\": [\"two.example\"], \"labels\": {\"module\": \"http_2xx\"}}]"),
        ],
        &expect![[r#"
            checks:
              "many ssh":
                module: ssh
                interval: 120s
                timeout: 2500ms
                labels:
                  env: prod
                  host: one
                  instance: ONE
                  job: many
                  x: "y"
                targets:
                  - "one.example:22"
              "many http_2xx":
                module: http_2xx
                interval: 120s
                timeout: 2500ms
                labels:
                  env: prod
                  host: two
                  instance: TWO
                  job: many
                targets:
                  - two.example
        "#]],
        &expect![[r#"
            not translated: there is no file "none.yml"
              --> prometheus.yml:6:52
              |
            6 |     file_sd_configs: [{ files: ['t-*.yml', t.json, none.yml] }]
              |                                                    ^^^^^^^^
        "#]],
    );
}

#[test]
fn what_cannot_be_translated_is_told_with_its_place() {
    gives(
        "scrape_config_files: [more.yml]
scrape_configs:
  - job_name: a
    metrics_path: /probe
    kubernetes_sd_configs: [{ role: ingress }]
    params: { module: [nothing] }
    static_configs: [{ targets: [x] }]
    metric_relabel_configs: [{ action: labeldrop, regex: x }]
    relabel_configs: [{ source_labels: [__address__], target_label: __param_target }]
  - job_name: b
    metrics_path: /probe
    params: { hostname: [h] }
    static_configs: [{ targets: [x] }]
    relabel_configs: [{ source_labels: [__address__], target_label: __param_target }]
  - job_name: c
    metrics_path: /probe
    params: { module: [ssh] }
    static_configs: [{ targets: ['x://me:hunter2@y', 'h:22'], labels: { phase: x } }]
    relabel_configs: [{ source_labels: [__address__], target_label: __param_target }]
  - job_name: d
    metrics_path: /probe
    static_configs: [{ targets: [x] }]
    relabel_configs: [{ source_labels: [__address__], modulus: 3, target_label: __tmp, action: hashmod }]
  - job_name: e
    metrics_path: /probe
    static_configs: [{ targets: [x] }]
",
        &[],
        &expect![[r#"
            checks:
              c:
                module: ssh
                interval: 60s
                timeout: 9500ms
                labels:
                  job: c
                targets:
                  - "h:22"
        "#]],
        &expect![[r#"
            not translated: further files
              --> prometheus.yml:1:1
              |
            1 | scrape_config_files: [more.yml]
              | ^^^^^^^^^^^^^^^^^^^
              = import each of them by itself
            not translated: `metric_relabel_configs` of job "a"
              --> prometheus.yml:8:5
              |
            8 |     metric_relabel_configs: [{ action: labeldrop, regex: x }]
              |     ^^^^^^^^^^^^^^^^^^^^^^
              = move them to the job that scrapes tuermer
            not translated: `kubernetes_sd_configs`: these targets are not known beforehand
              --> prometheus.yml:5:5
              |
            5 |     kubernetes_sd_configs: [{ role: ingress }]
              |     ^^^^^^^^^^^^^^^^^^^^^
              = let the same source write files, and name them in file_sd_configs
            not translated: job "b" asks this under another name (parameter `hostname`)
              --> prometheus.yml:13:34
               |
            13 |     static_configs: [{ targets: [x] }]
               |                                  ^
              = give that name to a module: `headers: {Host: NAME}` of http, `tls_config: {server_name: NAME}` of tcp
            not translated: relabelling action `hashmod`
              --> prometheus.yml:23:96
               |
            23 |     relabel_configs: [{ source_labels: [__address__], modulus: 3, target_label: __tmp, action: hashmod }]
               |                                                                                                ^^^^^^^
              = no part of this job is translated
            not translated: job "e" gives blackbox_exporter no target for this
              --> prometheus.yml:26:34
               |
            26 |     static_configs: [{ targets: [x] }]
               |                                  ^
              = a rule should write it into __param_target
            not translated: there is no module `nothing`
              --> prometheus.yml:7:34
              |
            7 |     static_configs: [{ targets: [x] }]
              |                                  ^
            not translated: target "x://<secret>@y": "x://<secret>@y" is no host and port, expected host:port
              --> prometheus.yml:18:34
               |
            18 |     static_configs: [{ targets: ['x://<secret>@y', 'h:22'], labels: { phase: x } }]
               |                                  ^^^^^^^^^^^^^^^^^^
            not translated: label `phase`: tuermer sets it itself, to something else
              --> prometheus.yml:18:54
               |
            18 |     static_configs: [{ targets: ['x://<secret>@y', 'h:22'], labels: { phase: x } }]
               |                                                      ^^^^^^
        "#]],
    );
}

#[test]
fn without_modules_their_names_are_told() {
    let folder = folder(
        "scrape_configs: [{ job_name: j, metrics_path: /probe, params: { module: [a, b], target: [t] }, static_configs: [{ targets: [x] }] }]",
        &[],
    );
    let imported = import(&folder.path().join("prometheus.yml"), None).unwrap();
    assert!(
        imported.text.contains("# The modules that it needs are not in here: a.\nchecks:\n  j:\n"),
        "{}",
        imported.text
    );
    assert!(imported.summary.ends_with("1 check with 1 target and 1 module"), "{}", imported.summary);
}

#[test]
fn hostile_files_end_soon() {
    let bombs = [
        // A label that doubles with every rule.
        format!("[{}]", "{ source_labels: [a], target_label: a, replacement: '$1$1' },".repeat(900)),
        // More labels with every rule.
        format!("[{}]", "{ action: labelmap, regex: '(.*)', replacement: 'x$1' },".repeat(900)),
    ];
    for rules in bombs {
        let config = format!(
            "scrape_configs: [{{ job_name: j, metrics_path: /probe, static_configs: [{{ targets: [x], labels: {{ a: b }} }}], relabel_configs: {rules} }}]"
        );
        let (checks, notes) = translated(&config, &[]);
        assert_eq!(checks, "checks: {}\n");
        assert!(notes.contains("more than 256 labels") || notes.contains("longer than 8192 bytes"), "{notes}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(import(&pipe, None).unwrap_err().to_string().contains("it is no file"));
}

#[test]
fn durations_of_prometheus_are_read() {
    let seconds = |text| jobs::span(text).map(|span| span.as_secs_f64());
    assert_eq!(["1h30m", "1d", "500ms", "0"].map(seconds), [5400.0, 86400.0, 0.5, 0.0].map(Some));
    assert_eq!(["", "5", "x", "5x", "99999999999999999999s"].map(seconds), [None; 5]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_of_any_label_loads(
        job in "[ -~é\u{7f}\u{202e}]{1,20}", target in "[ -~é]{1,30}", value in "[ -~é\n\t]{0,20}",
    ) {
        let quoted = |text: &str| crate::config::dump::text(text, crate::config::node::Form::Text);
        let (job, target, value) = (quoted(&job), quoted(&format!("http://h/{target}")), quoted(&value));
        let config = format!(
            "scrape_configs: [{{ job_name: {job}, metrics_path: /probe, params: {{ target: [{target}] }}, \
             static_configs: [{{ targets: [x], labels: {{ team: {value}, check: {value} }} }}] }}]"
        );
        let (checks, _) = translated(&config, &[]);
        prop_assert!(checks.contains("http://h/") || checks == "checks: {}\n", "{}", checks);
    }
}
