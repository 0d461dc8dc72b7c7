//! Whatever may go out to a mail server, a mail store or a name server, in settings or as a target: nothing in it ends a
//! line or a text early.

use serde_json::{Value, json};

use crate::{Target, kind};

/// What could end a command, a header or a text.
const ENDS: [&str; 4] = ["\r", "\n", "\0", "\r\nQUIT\r\n"];

/// A kind, settings with every text of its own that is sent, and a target.
fn kinds() -> Vec<(&'static str, Value, &'static str)> {
    let smtp = json!({
        "mail_from": "watch@town.example",
        "recipients": ["clerk@town.example", "mayor@town.example"],
        "ehlo_name": "watch.town.example",
        "refuses": {"recipient": "nobody@town.example", "relay": "somebody@elsewhere.example"},
    });
    let login = json!({"ehlo_name": "[192.0.2.1]", "username": "clerk", "password": "pencil", "recipients": []});
    let mail = json!({
        "from": "watch@town.example",
        "to": "box@town.example",
        "subject": "watch",
        "submit": {"ehlo_name": "watch.town.example", "username": "watch", "password": "pencil"},
        "dkim": {"domain": "town.example", "selector": "k1", "private_key": "${file:/key.pem}", "headers": ["From"]},
        "fetch": {"host": "imap.town.example", "username": "box", "password": "pencil", "folders": ["Spam"]},
    });
    let mailbox = json!({"username": "clerk", "password": "pencil", "folder": "INBOX"});
    let lists = json!({"address_lists": ["zen.lists.example"], "domain_lists": []});
    let policy = json!({"dkim_selectors": ["k1"], "spf_senders": ["192.0.2.1"]});
    vec![
        ("smtp", smtp, "town.example"),
        ("smtp", login, "mx.town.example:587"),
        ("mail", mail, "mx.town.example:587"),
        ("mailbox", mailbox, "imap.town.example:993"),
        ("dnsbl", lists, "mx.town.example"),
        ("dnsbl", json!({"domain_lists": ["dbl.lists.example"]}), "town.example"),
        ("mail_policy", policy, "town.example"),
        ("arrival", json!({"every": "1h"}), "backup@town.example"),
    ]
}

/// Where the texts stand that are sent.
fn places(settings: &Value, at: &str, found: &mut Vec<String>) {
    match settings {
        // What a file holds is looked at when it is read.
        Value::String(text) if !text.starts_with("${") => found.push(at.to_owned()),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), found)),
        _ => {}
    }
}

/// The text with an end in it: in front, in the middle, behind.
fn spoiled(text: &str) -> impl Iterator<Item = String> {
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let cuts = [0, middle, text.len()];
    ENDS.into_iter().flat_map(move |end| cuts.map(|at| format!("{}{end}{}", &text[..at], &text[at..])))
}

#[test]
fn no_setting_of_a_mail_kind_may_end_a_line() {
    for (name, settings, target) in kinds() {
        let kind = kind(name).expect("a kind");
        let good = kind.module(settings.clone()).expect("settings");
        assert!(good.bind(&Target::new(target)).is_ok(), "{name}");
        let mut found = Vec::new();
        places(&settings, "", &mut found);
        for place in found {
            let text = settings.pointer(&place).and_then(Value::as_str).expect("a text");
            for bad in spoiled(text) {
                let mut settings = settings.clone();
                *settings.pointer_mut(&place).expect("a text") = json!(bad);
                assert!(kind.module(settings).is_err(), "{name} {place}: {bad:?}");
            }
        }
    }
}

#[test]
fn no_target_of_a_mail_kind_may_end_a_line() {
    for (name, settings, target) in kinds() {
        let module = kind(name).expect("a kind").module(settings).expect("settings");
        for bad in spoiled(target) {
            assert!(module.bind(&Target::new(&*bad)).is_err(), "{name}: {bad:?}");
        }
    }
}
