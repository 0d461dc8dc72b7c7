//! The town's switches on the page.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::demo::post::Office;
use crate::demo::town::{Part, Town};
use crate::web::Panel;

/// The town's switches: buttons on the page, and the requests behind them.
#[derive(Debug)]
pub struct TownPanel {
    town: Town,
    office: Arc<Office>,
}

impl TownPanel {
    pub(super) const fn new(town: Town, office: Arc<Office>) -> Self {
        Self { town, office }
    }
}

impl Panel for TownPanel {
    fn html(&self) -> String {
        let mut html = String::from("<h2>The town: break it, mend it</h2>\n<div class=\"notice\">\n");
        for part in Part::ALL {
            let (name, about) = (part.name(), part.about());
            let fault = self.town.fault(part);
            let broken = fault.and_then(|fault| part.switches().find(|switch| switch.fault == fault));
            let state = broken.map_or("works", |switch| switch.fault.name());
            // Writing to a string cannot fail; all words are the town's own.
            let _ = write!(html, "<div class=\"parts\"><strong>{name}</strong> <span>{about}: {state}</span>");
            match broken {
                Some(switch) => {
                    let _ = write!(
                        html,
                        " <form method=\"post\" action=\"/demo/mend/{name}\"><button>mend</button></form> \
                         <span class=\"faint\">{}</span>",
                        switch.about
                    );
                }
                None => {
                    for switch in part.switches() {
                        let (fault, story) = (switch.fault.name(), switch.story());
                        let _ = write!(
                            html,
                            " <form method=\"post\" action=\"/demo/break/{name}/{fault}\">\
                             <button title=\"{story}\">{fault}</button></form>"
                        );
                    }
                }
            }
            html.push_str("</div>\n");
        }
        let _ = writeln!(html, "<p class=\"faint\">{}</p></div>", self.office.state());
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
        let switch = match (verb, words.next()) {
            ("mend", None) => None,
            ("break", wanted) => {
                let known = part.switches().find(|switch| wanted.is_none_or(|wanted| switch.fault.name() == wanted));
                Some(known.ok_or_else(|| {
                    let names: Vec<_> = part.switches().map(|switch| switch.fault.name()).collect();
                    let wanted = wanted.unwrap_or_default();
                    format!("{} has no fault {wanted:?}; it has {}", part.about(), names.join(", "))
                })?)
            }
            _ => return Err("a part is broken or mended".to_owned()),
        };
        self.town.set(part, switch.map(|switch| switch.fault));
        let state =
            switch.map_or_else(|| "works".to_owned(), |switch| format!("{} ({})", switch.fault.name(), switch.story()));
        Ok(format!("{}: {state}", part.about()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::town::Fault;

    #[tokio::test]
    async fn parts_are_broken_and_mended_by_name() {
        let town = Town::new();
        let office = Arc::new(Office::open(&town).await.expect("loopback ports"));
        let panel = TownPanel::new(town.clone(), office);
        assert_eq!(panel.act("/demo/break/mail/greylists"), Ok("the mail server: greylists (asks to come back later; mail server: greylisted in rcpt, mail round trip: greylisted in rcpt)".to_owned()));
        assert_eq!(town.fault(Part::Mail), Some(Fault::Greylists));
        assert!(panel.html().contains("/demo/mend/mail"));
        assert_eq!(panel.act("/demo/mend/mail"), Ok("the mail server: works".to_owned()));
        assert_eq!(town.fault(Part::Mail), None);
        assert!(panel.act("/demo/break/home").is_ok_and(|told| told.starts_with("the home page: down (")));
        for wrong in ["/demo", "/demo/break", "/demo/break/moon", "/demo/break/gateway/down", "/demo/paint/home"] {
            assert!(panel.act(wrong).is_err(), "{wrong}");
        }
    }
}
