//! The town's switches on the page.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::demo::town::{Fault, Part, Town};
use crate::web::Panel;

/// The town's switches: buttons on the page, and the requests behind them.
#[derive(Debug)]
pub struct TownPanel {
    town: Town,
    received: Arc<AtomicU64>,
}

impl TownPanel {
    pub(super) const fn new(town: Town, received: Arc<AtomicU64>) -> Self {
        Self { town, received }
    }
}

impl Panel for TownPanel {
    fn html(&self) -> String {
        let mut html = String::from("<h2>The town: break it, mend it</h2>\n<div class=\"notice\">\n");
        for part in Part::ALL {
            let (name, about) = (part.name(), part.about());
            let state = self.town.fault(part).map_or("works", Fault::name);
            // Writing to a string cannot fail; all words are the town's own.
            let _ = write!(html, "<div class=\"parts\"><strong>{name}</strong> <span>{about}: {state}</span>");
            match self.town.fault(part) {
                Some(_) => {
                    let _ = write!(
                        html,
                        " <form method=\"post\" action=\"/demo/mend/{name}\"><button>mend</button></form>"
                    );
                }
                None => {
                    for fault in part.faults() {
                        let fault = fault.name();
                        let _ = write!(
                            html,
                            " <form method=\"post\" action=\"/demo/break/{name}/{fault}\"><button>{fault}</button></form>"
                        );
                    }
                }
            }
            html.push_str("</div>\n");
        }
        let received = self.received.load(Ordering::Relaxed);
        let _ = writeln!(html, "<p class=\"faint\">Mails received: {received}</p></div>");
        html
    }

    fn act(&self, path: &str) -> Result<String, String> {
        let mut words = path.trim_matches('/').split('/');
        let (Some("demo"), Some(verb), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err("no such switch".to_owned());
        };
        let part = Part::named(name).ok_or_else(|| {
            let names: Vec<_> = Part::ALL.iter().map(|part| part.name()).collect();
            format!("the town has no part {name:?}; it has {}", names.join(", "))
        })?;
        let fault = match (verb, words.next()) {
            ("mend", None) => None,
            ("break", None) => Some(part.faults()[0]),
            ("break", Some(fault)) => {
                let known = part.faults().iter().find(|known| known.name() == fault);
                Some(*known.ok_or_else(|| {
                    let names: Vec<_> = part.faults().iter().map(|fault| fault.name()).collect();
                    format!("{} cannot be {fault:?}; it can be {}", part.about(), names.join(", "))
                })?)
            }
            _ => return Err("a part is broken or mended".to_owned()),
        };
        self.town.set(part, fault);
        Ok(format!("{}: {}", part.about(), fault.map_or("works", Fault::name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_broken_and_mended_by_name() {
        let town = Town::new();
        let panel = TownPanel::new(town.clone(), Arc::default());
        assert_eq!(panel.act("/demo/break/mail/greylists"), Ok("the mail server: greylists".to_owned()));
        assert_eq!(town.fault(Part::Mail), Some(Fault::Greylists));
        assert!(panel.html().contains("/demo/mend/mail"));
        assert_eq!(panel.act("/demo/mend/mail"), Ok("the mail server: works".to_owned()));
        assert_eq!(town.fault(Part::Mail), None);
        assert_eq!(panel.act("/demo/break/home"), Ok("the home page: down".to_owned()));
        for wrong in ["/demo", "/demo/break", "/demo/break/moon", "/demo/break/gateway/down", "/demo/paint/home"] {
            assert!(panel.act(wrong).is_err(), "{wrong}");
        }
    }
}
