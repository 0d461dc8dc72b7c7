//! Logging in to a mail server (RFC 4954): with the right password, and with a wrong one.

use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::sasl::{self, Account, CHALLENGES_MAX, Login, Mechanism};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::client::Client;
use crate::smtp::judge::{Command, judge};
use crate::smtp::measures::{AUTH_OK, BAD_AUTH_REJECTED};

/// The user logs in.
pub(crate) const AUTH: Phase = Phase::new("auth");
/// A wrong password is tried, which the server must refuse.
pub(crate) const BAD_AUTH: Phase = Phase::new("bad_auth");

/// Logs in, after a wrong password was tried where that is wanted.
pub(super) async fn log_in(
    net: &Net,
    recorder: &mut Recorder,
    client: &mut Client,
    account: &Account,
    capabilities: &Capabilities,
    try_wrong_password: bool,
) -> Result<(), Failure> {
    recorder.enter(AUTH);
    let Some(mechanism) = account.choose(&capabilities.mechanisms(), client.is_encrypted())? else {
        return Err(Failure::new(Reason::AuthMissing, "the server offers no way to log in"));
    };
    if try_wrong_password {
        recorder.enter(BAD_AUTH);
        let refused = authenticate(recorder, client, mechanism, account.wrong_login(mechanism)?).await;
        must_be_refused(recorder, refused)?;
        recorder.enter(AUTH);
    }
    recorder.read_with(&AUTH_OK, &[mechanism.name()], 0.0);
    authenticate(recorder, client, mechanism, account.login(net, mechanism)?).await?;
    recorder.read_with(&AUTH_OK, &[mechanism.name()], 1.0);
    Ok(())
}

/// Only a refusal for good tells that passwords are looked at.
fn must_be_refused(recorder: &mut Recorder, outcome: Result<(), Failure>) -> Result<(), Failure> {
    match outcome {
        Ok(()) => {
            recorder.read(&BAD_AUTH_REJECTED, 0.0);
            Err(Failure::new(Reason::AcceptedUnexpectedly, "the server lets in whoever has a wrong password"))
        }
        Err(failure) if failure.reason() == Reason::AuthRefused => {
            recorder.read(&BAD_AUTH_REJECTED, 1.0);
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

async fn authenticate(
    recorder: &mut Recorder,
    client: &mut Client,
    mechanism: Mechanism,
    mut login: Login,
) -> Result<(), Failure> {
    let shown = format!("AUTH {}", mechanism.name());
    let line = login.initial().map_or_else(|| shown.clone(), |initial| format!("{shown} {initial}"));
    let mut reply = client.ask_shown(recorder, Command::Auth, &line, &shown).await?;
    for _ in 0..CHALLENGES_MAX {
        if reply.code != 334 {
            judge(Command::Auth, &shown, &reply)?;
            return login.succeeded(None);
        }
        let answer = login.answer(reply.lines[0].trim_ascii())?;
        reply = client.ask_shown(recorder, Command::Auth, &answer, "<secret>").await?;
    }
    Err(sasl::too_many_challenges())
}
