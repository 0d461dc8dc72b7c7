//! A mail through Postfix, found again elsewhere than over IMAP: over POP3, in a Maildir, at the agent itself.

use std::fs;
use std::os::unix::fs::symlink;

use crate::daemon::dovecot::PASSWORD;
use crate::daemon::free_address;
use crate::daemon::office::Office;
use crate::daemon::tuermer::{Metrics, Tuermer};
use crate::trip::{Way, assert_failed, first_run, success, values};

/// Starts an agent that sends a mail to the clerk, and looks for it there.
fn agent(office: &Office, fetch: &str, seconds: u32, more: &str) -> Tuermer {
    Way { fetch: fetch.to_owned(), file: more.to_owned(), seconds, ..Way::of(office) }.start()
}

#[track_caller]
fn assert_arrived(metrics: &Metrics, office: &Office) {
    assert_eq!(success(metrics), Some(1.0), "{metrics:?}\n{}\n{}", office.postfix.log(), office.dovecot.log());
    let seen = values(metrics, ["submitted", "arrived", "junk", "body_intact", "returned", "deleted_total"]);
    assert_eq!(seen, [1.0, 1.0, 0.0, 1.0, 0.0, 1.0].map(Some), "{metrics:?}");
}

#[tokio::test]
async fn a_mail_is_found_over_pop3() {
    let Some(office) = Office::start("") else { return };
    let addresses = office.dovecot.addresses;
    let user = format!("username: clerk, password: {PASSWORD}, preferred_ip_protocol: ip4, {}", office.tls);
    for fetch in [
        format!("protocol: pop3, host: '{}', {user}", addresses.pop3s),
        format!("protocol: pop3, host: '{}', encryption: starttls, {user}", addresses.pop3),
    ] {
        let metrics = first_run(&agent(&office, &fetch, 15, "")).await;
        assert_arrived(&metrics, &office);
    }
}

#[tokio::test]
async fn a_mail_is_found_in_a_maildir_with_its_junk() {
    let Some(office) = Office::start("") else { return };
    let path = office.dovecot.maildir("clerk");
    let fetch = format!("protocol: maildir, path: {}", path.display());
    // The folder is made by the first delivery.
    let metrics = first_run(&agent(&office, &fetch, 15, "")).await;
    assert_arrived(&metrics, &office);

    office.dovecot.filter("clerk", "require \"fileinto\";\nfileinto \"Junk\";\n");
    let metrics = first_run(&agent(&office, &fetch, 15, "")).await;
    assert_failed(&metrics, "fetch", "retrieval", "mail_junked", &office);
    assert_eq!(values(&metrics, ["arrived", "junk", "deleted_total"]), [Some(1.0); 3], "{metrics:?}");

    // Links lead nowhere.
    let link = office.folder.path().join("mail");
    fs::create_dir(&link).expect("a folder");
    for part in ["new", "cur"] {
        symlink(path.join(part), link.join(part)).expect("a link");
    }
    let fetch = format!("protocol: maildir, path: {}", link.display());
    let metrics = first_run(&agent(&office, &fetch, 5, "")).await;
    assert_failed(&metrics, "fetch", "select", "mail_unseen", &office);
    assert_eq!(values(&metrics, ["submitted", "arrived"]), [Some(1.0), None], "{metrics:?}");
}

#[tokio::test]
async fn a_mail_is_found_at_the_agent_itself() {
    let listen = free_address();
    let Some(office) = Office::start(&format!("local_transport = lmtp:inet:{listen}")) else { return };
    let receive = |recipient: &str| {
        format!(
            "receive: {{ listen: ['{listen}'], protocol: lmtp, hostname: tuermer.town.example, recipients: [{recipient}] }}"
        )
    };
    let metrics = first_run(&agent(&office, "protocol: receiver", 15, &receive("clerk@town.example"))).await;
    assert_arrived(&metrics, &office);
    assert!(values(&metrics, ["hops"])[0].is_some_and(|hops| hops >= 2.0), "{metrics:?}");
}
