//! Below which names a mail host's TLSA records stand, and whether its addresses are what the zone's owner says
//! (RFC 7672 section 2.2.2): a mail host whose addresses anybody could make up gains nothing by TLSA records.

use hickory_proto::rr::{RData, RecordType};

use super::questions::Questions;
use crate::failure::Failure;
use crate::net::Security;

/// Most aliases that are followed. Chosen: as many as resolvers follow at least.
const ALIASES_MAX: usize = 8;

/// Where a mail host's TLSA records are looked for.
pub(super) struct Base {
    /// The names, in the order in which they are asked; the last is the host's own.
    pub(super) names: Vec<String>,
    /// What is known of the truth of the way to its addresses.
    pub(super) security: Security,
}

/// Follows the aliases of a mail host.
pub(super) async fn find(questions: &mut Questions<'_>, host: &str) -> Result<Base, Failure> {
    let (mut is_alias, mut security) = (false, None);
    for kind in [RecordType::A, RecordType::AAAA] {
        let (Some(answer), proved) = questions.prove(host, kind).await? else { continue };
        is_alias |= answer.is_alias;
        security = Some(security.map_or(proved, |before| weaker(before, proved)));
    }
    let mut names = vec![host.to_owned()];
    // A host without addresses is a fault of the MX.
    let security = security.unwrap_or(Security::Secure);
    if !is_alias {
        return Ok(Base { names, security });
    }
    let aliases = aliases(questions, host).await?;
    Ok(match (security, aliases) {
        // Who is told the other name by the zone's owner asks there first.
        (Security::Secure, Some(last)) => {
            names.insert(0, last);
            Base { names, security }
        }
        // The zone's owner says at least that it is an alias: the records at the host's own name count.
        (Security::Insecure, Some(_)) => Base { names, security: Security::Secure },
        _ => Base { names, security },
    })
}

/// The name at the end of a chain of aliases, as far as DNSSEC vouches for it; `None` if it does not for the first.
async fn aliases(questions: &mut Questions<'_>, host: &str) -> Result<Option<String>, Failure> {
    let mut last = None;
    for _ in 0..ALIASES_MAX {
        let name = last.as_deref().unwrap_or(host);
        let (Some(answer), Security::Secure) = questions.prove(name, RecordType::CNAME).await? else { break };
        let target = answer.data.iter().find_map(|data| if let RData::CNAME(name) = data { Some(name) } else { None });
        let Some(target) = target else { break };
        last = Some(target.0.to_ascii().trim_end_matches('.').to_ascii_lowercase());
    }
    Ok(last)
}

const fn weaker(one: Security, other: Security) -> Security {
    match (one, other) {
        (Security::Insecure, _) | (_, Security::Insecure) => Security::Insecure,
        (Security::Unknown, _) | (_, Security::Unknown) => Security::Unknown,
        (Security::Secure, Security::Secure) => Security::Secure,
    }
}
