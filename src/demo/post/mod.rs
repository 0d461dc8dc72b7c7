//! The town's post office: a mail server, a queue, a filter and a mail store, all in memory.
//!
//! | file | what it knows |
//! |---|---|
//! | `server` | taking mail (SMTP) |
//! | `queue` | mails on their way, and when each goes on |
//! | `letter` | a mail with its envelope, and the notice that it cannot be delivered |
//! | `filter` | what becomes of a mail before it is delivered |
//! | `mailboxes` | mails that were delivered |
//! | `store` | showing them (IMAP), by `search` and `words` |

mod filter;
mod letter;
mod mailboxes;
mod queue;
mod search;
mod server;
mod store;
mod words;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::demo::town::Town;

use mailboxes::Mailboxes;
use queue::Queue;

/// Who may hand in mail and look into the mailboxes.
pub(super) const USER: &str = "clerk";
/// The password. It opens nothing but the demo.
pub(super) const PASSWORD: &str = "halberd";

/// Mails on their way and in mailboxes.
#[derive(Debug)]
pub(super) struct Office {
    queue: Arc<Queue>,
    boxes: Arc<Mailboxes>,
    /// Where mail is handed in.
    pub(super) server: SocketAddr,
    /// Where mailboxes are looked into.
    pub(super) store: SocketAddr,
}

impl Office {
    /// Opens the office.
    pub(super) async fn open(town: &Town) -> io::Result<Self> {
        let (queue, boxes) = (Arc::<Queue>::default(), Arc::<Mailboxes>::default());
        let server = server::open(town, Arc::clone(&queue)).await?;
        let store = store::open(town, Arc::clone(&boxes)).await?;
        tokio::spawn(queue::run(town.clone(), Arc::clone(&queue), Arc::clone(&boxes)));
        Ok(Self { queue, boxes, server, store })
    }

    /// What is to be told of it.
    pub(super) fn state(&self) -> String {
        format!(
            "Mails received: {}; on their way: {}; in mailboxes: {}",
            self.queue.accepted(),
            self.queue.waiting(),
            self.boxes.count()
        )
    }
}

/// Whether the text is name and password of the one who may come in (RFC 4616 section 2, in base64).
fn is_login(text: &str) -> bool {
    let expected = format!("\0{USER}\0{PASSWORD}");
    crate::config::base64(text.trim()).is_some_and(|given| given == expected.as_bytes())
}
