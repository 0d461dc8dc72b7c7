//! Moments and spans of time: what the library of CEL does otherwise than CEL in Go is done here.
//!
//! The library reads less than Go as a duration and takes more as one, shows moments in UTC and reads the clock of their
//! own zone, where Go does the opposite.

use std::sync::{Arc, LazyLock};

use ::cel::common::types::{self, CelDuration, CelInt, CelString, CelTimestamp};
use ::cel::common::value::{CowVal, Val};
use ::cel::{Env, ExecutionError};
use chrono::{DateTime, Duration};

use super::go_time;

/// Stands for `timestamp`.
pub(super) const TIMESTAMP: &str = "@timestamp";
/// Stands for `duration`.
pub(super) const DURATION: &str = "@duration";
/// Stands for `string`.
pub(super) const STRING: &str = "@string";
/// Hands through what a method is called on that reads a clock: that of UTC, when no zone is named.
pub(super) const UTC: &str = "@utc";

/// What the library knows, and these functions. No overload has such a name, so that none of them is refused.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let any = || vec![types::DYN_TYPE];
    let _ = env.add_overload(TIMESTAMP, TIMESTAMP, any(), timestamp);
    let _ = env.add_overload(DURATION, DURATION, any(), duration);
    let _ = env.add_overload(STRING, STRING, any(), string);
    let _ = env.add_overload(UTC, UTC, any(), utc);
    let _ = env.add_overload("int", "duration_to_int64", vec![types::DURATION_TYPE], int);
    Arc::new(env)
});

type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// The only argument.
fn only<'b, 'v>(mut values: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    values.pop().ok_or_else(ExecutionError::missing_argument_or_target)
}

fn no_overload(name: &str, value: &dyn Val) -> ExecutionError {
    ExecutionError::no_such_overload(name, vec![value.get_type().name().to_owned()])
}

fn timestamp<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let value = only(values)?;
    let error = |message| ExecutionError::function_error("timestamp", message);
    let moment = if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        go_time::moment(text.inner()).ok_or_else(|| error("this is not as in 2006-01-02T15:04:05Z"))?
    } else if let Some(seconds) = value.downcast_ref::<CelInt>() {
        let seconds = Some(*seconds.inner()).filter(|seconds| go_time::SECONDS.contains(seconds));
        let moment = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        moment.ok_or_else(|| error("this is not within the years 1 to 9999"))?.fixed_offset()
    } else if value.downcast_ref::<CelTimestamp>().is_some() {
        return Ok(value);
    } else {
        return Err(no_overload("timestamp", value.as_ref()));
    };
    Ok(CowVal::owned(CelTimestamp::from(moment)))
}

fn duration<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let value = only(values)?;
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        let span = go_time::span(text.inner());
        let span = span.ok_or_else(|| ExecutionError::function_error("duration", "this is not as in 1h30m"))?;
        Ok(CowVal::owned(CelDuration::from(Duration::nanoseconds(span))))
    } else if value.downcast_ref::<CelDuration>().is_some() {
        Ok(value)
    } else {
        Err(no_overload("duration", value.as_ref()))
    }
}

fn string<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let value = only(values)?;
    let text = if let Some(moment) = value.downcast_ref::<CelTimestamp>() {
        go_time::moment_text(moment.inner())
    } else if let Some(span) = value.downcast_ref::<CelDuration>() {
        go_time::span_text(span.inner())
    } else {
        let values = vec![value];
        return match ENV.find_overload("string", &values) {
            Some(string) => string(values),
            None => Err(no_overload("string", only(values)?.as_ref())),
        };
    };
    Ok(CowVal::owned(CelString::from(text)))
}

fn utc<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let value = only(values)?;
    let Some(moment) = value.downcast_ref::<CelTimestamp>() else { return Ok(value) };
    Ok(CowVal::owned(CelTimestamp::from(moment.inner().to_utc().fixed_offset())))
}

fn int<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let value = only(values)?;
    let span = value.downcast_ref::<CelDuration>().and_then(|span| span.inner().num_nanoseconds());
    Ok(CowVal::owned(CelInt::from(span.ok_or_else(|| no_overload("int", value.as_ref()))?)))
}
