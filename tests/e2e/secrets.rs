//! No secret is shown: every place for one holds the same word, everything is asked, and the word is nowhere.

use tuermer_probes::testkit::{Peer, close, hear, say};

use crate::daemon::eventually;
use crate::daemon::tuermer::Tuermer;

/// The word, and what it becomes on the way: in base64, alone and behind a user's name.
const WORDS: [&str; 4] = ["hunter2", "aHVudGVyMg", "bWU6aHVudGVyMg", "AG1lAGh1bnRlcjI"];

const MODULES: &str = "modules:
  web:
    prober: http
    timeout: 1s
    http:
      preferred_ip_protocol: ip4
      basic_auth: { username: me, password: hunter2 }
      headers: { X-Api-Key: hunter2, Cookie: a=hunter2 }
      http_headers: { X-Mine: { values: [hunter2], secrets: [hunter2] } }
      body: pin=hunter2
  bearer: { prober: http, timeout: 1s, http: { preferred_ip_protocol: ip4, bearer_token: hunter2 } }
  proxied:
    prober: http
    timeout: 1s
    http:
      proxy_url: http://me:hunter2@127.0.0.1:1
      proxy_connect_header: { X-Proxy: [hunter2] }
      oauth2: { client_id: me, client_secret: hunter2, token_url: 'http://127.0.0.1:1', endpoint_params: { a: hunter2 } }
  talk:
    prober: tcp
    timeout: 1s
    tcp:
      preferred_ip_protocol: ip4
      query_response:
        - { expect: '^220', send: HELO me }
        - { expect: '^250', send: AUTH PLAIN hunter2 }
        - { expect: '^334', send: hunter2 }
        - { expect: '^235' }
";

/// A server that repeats what it was told.
async fn gossip() -> Peer {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://me:hunter2@127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    Peer::play(vec![hear("\r\n\r\n"), say(answer), close()]).await
}

#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    let web = gossip().await;
    let talk = Peer::play(vec![
        say("220 hello\r\n"),
        hear("HELO me\n"),
        say("250 hello\r\n"),
        hear("AUTH PLAIN hunter2\n"),
        say("334 go on\r\n"),
        hear("hunter2\n"),
        say("235 hello\r\n"),
        close(),
    ])
    .await;
    let (web, talk) = (web.address(), talk.address());
    let config = format!(
        "probe_metrics: all\nprobe_targets: any\n{MODULES}checks:
  talk: {{ module: talk, targets: ['{talk}'], interval: 1s }}
  web: {{ module: web, targets: ['http://me:hunter2@{web}/'], interval: 1s }}
"
    );
    let tuermer = Tuermer::start_with(&config, &["--log.level=debug", "--log.prober=debug"]);
    let mut shown = String::new();
    for (module, target) in [
        ("web", format!("http://me:hunter2@{web}/")),
        ("bearer", format!("http://{web}/")),
        ("proxied", "http://127.0.0.1:1/".to_owned()),
        ("talk", talk.to_string()),
        ("talk", "http://me:hunter2@h".to_owned()),
    ] {
        for debug in ["", "&debug=true"] {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("target", &target).finish();
            shown += &tuermer.get(&format!("/probe?module={module}&{query}{debug}")).await.1;
        }
    }
    let page = eventually("both checks ran", async || {
        let (_, page) = tuermer.get("/").await;
        (!page.contains("not yet")).then_some(page)
    })
    .await;
    let checks: Vec<&str> = page.split('"').filter(|part| part.contains("check/")).collect();
    assert_eq!(checks.len(), 2, "{page}");
    for check in checks {
        shown += &tuermer.get(check.trim_start_matches('.')).await.1;
    }
    for path in ["/metrics", "/config", "/nothing"] {
        shown += &tuermer.get(path).await.1;
    }
    for id in 0..10 {
        shown += &tuermer.get(&format!("/logs?id={id}")).await.1;
    }
    // A file with a fault next to a secret.
    std::fs::write(tuermer.config_file(), config.replace("password: hunter2", "password: [hunter2")).unwrap();
    shown += &tuermer.post("/-/reload").await.1;
    shown += &page;
    shown += &tuermer.daemon.log();
    assert!(shown.contains("235 hello") && shown.contains("<secret>"), "the dialogue was held: {shown}");
    let leaks: Vec<&str> = shown.lines().filter(|line| WORDS.iter().any(|word| line.contains(word))).collect();
    assert_eq!(leaks, Vec::<&str>::new());
}
