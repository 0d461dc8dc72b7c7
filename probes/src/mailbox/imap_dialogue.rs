//! The order of the dialogue over IMAP.

use crate::failure::{Failure, Reason};
use crate::mailbox::imap::wire::Token;
use crate::mailbox::imap::{Imap, quoted, value_of};
use crate::mailbox::measures::{LOGIN_OK, MESSAGES, QUOTA_LIMIT, QUOTA_RATIO, QUOTA_USED, SIZE, UNSEEN};
use crate::mailbox::{
    CAPABILITY_PHASE, GREETING, LOGIN, QUOTA, SELECT, STARTTLS, Visit, part, write_down_capabilities,
};
use crate::net::Channel;
use crate::recorder::Recorder;
use crate::sasl::Mechanism;

/// Bytes of the unit in which storage is counted (RFC 9208 section 5.1.1).
const STORAGE_UNIT: f64 = 1024.0;

pub(super) async fn hold(visit: &Visit<'_>, recorder: &mut Recorder, channel: Channel) -> Result<(), Failure> {
    let mut imap = enter(visit, recorder, channel).await?;
    let mut outcome = Ok(());
    if visit.settings.account.is_some() {
        outcome = count(visit, recorder, &mut imap).await;
    }
    let outcome = outcome.map_err(|failure| recorder.leg_failed(failure));
    part(recorder, async |recorder| imap.command(recorder, "LOGOUT").await.map(drop)).await;
    outcome
}

/// The dialogue up to the point where the user is in.
pub(crate) async fn enter(visit: &Visit<'_>, recorder: &mut Recorder, channel: Channel) -> Result<Imap, Failure> {
    let mut imap = Imap::new(channel);
    recorder.enter(GREETING);
    let known = imap.greeting(recorder).await?;
    introduce(&mut imap, recorder).await?;
    if visit.starts_tls(imap.is_encrypted(), imap.can("STARTTLS"))? {
        recorder.enter(STARTTLS);
        imap.command(recorder, "STARTTLS").await?;
        imap = Imap::new(visit.encrypt(recorder, imap.into_channel()).await?);
        // What was said in the open may have been changed on the way (RFC 9051 section 6.2.1).
        introduce(&mut imap, recorder).await?;
    }
    if let Some(account) = &visit.settings.account {
        recorder.enter(LOGIN);
        if !known {
            let offered: Vec<Mechanism> = imap.mechanisms().collect();
            match account.choose(&offered, imap.is_encrypted())? {
                Some(mechanism) => imap.authenticate(recorder, mechanism, account.login(visit.net, mechanism)?).await?,
                None if imap.can("LOGINDISABLED") => {
                    return Err(Failure::new(Reason::AuthMissing, "the server offers no way to log in"));
                }
                None => {
                    let credentials = account.credentials(visit.net)?;
                    imap.login(recorder, &credentials.username, &credentials.password).await?;
                }
            }
        }
        recorder.read(&LOGIN_OK, 1.0);
        // Some capabilities are told only to those who are in.
        imap.capability(recorder).await?;
    }
    Ok(imap)
}

async fn introduce(imap: &mut Imap, recorder: &mut Recorder) -> Result<(), Failure> {
    recorder.enter(CAPABILITY_PHASE);
    imap.capability(recorder).await?;
    let is_encrypted = imap.is_encrypted();
    write_down_capabilities(recorder, imap.capabilities().iter().map(String::as_str), is_encrypted);
    Ok(())
}

/// Counts messages and room, and holds both against what is expected.
async fn count(visit: &Visit<'_>, recorder: &mut Recorder, imap: &mut Imap) -> Result<(), Failure> {
    recorder.enter(SELECT);
    let folder = quoted(&visit.settings.folder)?;
    let size = if imap.can("STATUS=SIZE") || imap.can("IMAP4REV2") { " SIZE" } else { "" };
    let data = imap.command(recorder, &format!("STATUS {folder} (MESSAGES UNSEEN{size})")).await?;
    let status = data.iter().find(|tokens| tokens.first().is_some_and(|token| token.is("STATUS")));
    let number = |key: &str| status.and_then(|tokens| value_of(tokens, key)).and_then(Token::number);
    let messages = number("MESSAGES")
        .ok_or_else(|| Failure::new(Reason::ProtocolError, "the server does not say how many messages there are"))?;
    recorder.read(&MESSAGES, messages as f64);
    for (key, measure) in [("UNSEEN", &UNSEEN), ("SIZE", &SIZE)] {
        if let Some(number) = number(key) {
            recorder.read(measure, number as f64);
        }
    }
    if imap.can("QUOTA") || imap.capabilities().iter().any(|capability| capability.starts_with("QUOTA=")) {
        recorder.enter(QUOTA);
        let data = imap.command(recorder, &format!("GETQUOTAROOT {folder}")).await?;
        room(visit, recorder, &data)?;
    } else if visit.settings.fail_if_quota_above.is_some() {
        return Err(Failure::new(Reason::AnswerUnexpected, "the server does not tell quotas (fail_if_quota_above)"));
    }
    visit.expect_messages(messages)
}

/// How much of each quota is used (RFC 9208 section 4.2.1): `QUOTA root (STORAGE 10 512 MESSAGE 3 100)`.
fn room(visit: &Visit<'_>, recorder: &mut Recorder, data: &[Vec<Token>]) -> Result<(), Failure> {
    let mut fullest = None;
    for tokens in data.iter().filter(|tokens| tokens.first().is_some_and(|token| token.is("QUOTA"))) {
        for (index, resource) in tokens.iter().enumerate() {
            let is_storage = resource.is("STORAGE");
            if !is_storage && !resource.is("MESSAGE") {
                continue;
            }
            let number = |at: usize| tokens.get(at).and_then(Token::number).map(|number| number as f64);
            let (Some(used), Some(limit)) = (number(index + 1), number(index + 2)) else { continue };
            if is_storage {
                recorder.read(&QUOTA_USED, used * STORAGE_UNIT);
                recorder.read(&QUOTA_LIMIT, limit * STORAGE_UNIT);
            }
            if limit > 0.0 {
                fullest = Some((used / limit).max(fullest.unwrap_or(0.0)));
            }
        }
    }
    let Some(ratio) = fullest else { return Ok(()) };
    recorder.read(&QUOTA_RATIO, ratio);
    match visit.settings.fail_if_quota_above {
        Some(most) if ratio > most => {
            let message = format_args!("{:.0} % of the quota are used, more than {:.0} %", ratio * 100.0, most * 100.0);
            Err(Failure::new(Reason::MailboxFull, message))
        }
        _ => Ok(()),
    }
}
