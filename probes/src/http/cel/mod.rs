//! Rules in CEL, the Common Expression Language: an expression on the JSON in an answer's body.
//!
//! Expressions are compiled when a module is loaded, and what they name is looked at then. The library knows no limits of
//! its own: so the JSON is bounded, each round of a loop is counted, what is copied is charged, and all of it happens on
//! a thread for blocking work, which stops when the probe does.

mod budget;
mod compile;
mod go_time;
mod json;
mod matches;
mod time;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ::cel::common::types::CelBool;
use ::cel::{Context, ExecutionError, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use self::budget::{Budget, Cancel};
use self::compile::Compiled;
use crate::failure::{Failure, Reason};
use crate::recorder::Recorder;

/// Longest time that the rules of a module take. Chosen: a thousand times what a rule on a status page takes.
const EVALUATION_TIME_MAX: Duration = Duration::from_secs(2);
/// One module's rules at a time: what a body becomes in memory is many times its size.
static TURN: Semaphore = Semaphore::const_new(1);
/// How long before the deadline of the run the rules have to be done: so that it is told what took so long.
const MARGIN: Duration = Duration::from_millis(50);

/// An expression, compiled.
pub(crate) struct Expression {
    source: Box<str>,
    compiled: Compiled,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.source.fmt(f)
    }
}

impl Expression {
    /// Compiles an expression. The error says where in it.
    pub(super) fn new(source: &str) -> Result<Self, String> {
        let compiled = compile::compile(source)?;
        Ok(Self { source: source.into(), compiled })
    }

    /// What it says of a body.
    fn evaluate(&self, body: &Body, budget: &Arc<Budget>) -> Result<bool, Failure> {
        let source = &self.source;
        let broken = |why: &dyn std::fmt::Display| {
            Failure::new(Reason::BodyUnexpected, format_args!("CEL `{source}` cannot be evaluated: {why}"))
        };
        let mut context = Context::with_env(Arc::clone(&time::ENV));
        context.set_variable_resolver(body);
        budget::install(&mut context, budget);
        matches::install(&mut context, &self.compiled.patterns);
        let found = Value::resolve_val(&self.compiled.expression, &context);
        // What the expression made of an exhausted budget is of no interest.
        budget.check()?;
        match found {
            Ok(value) => match value.downcast_ref::<CelBool>() {
                Some(value) => Ok(*value.inner()),
                None => Err(broken(&format_args!("it is of type {}, not bool", value.get_type().name()))),
            },
            Err(ExecutionError::NoSuchKey(key)) => Err(broken(&format_args!("no such key: {key}"))),
            Err(error) => Err(broken(&error)),
        }
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Expression {
    fn schema_name() -> Cow<'static, str> {
        "cel".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "cel"})
    }
}

/// The one variable: the body.
struct Body(Box<dyn ::cel::common::value::Val>);

impl ::cel::context::VariableResolver for Body {
    fn resolve<'b>(&'b self, variable: &str) -> Option<::cel::common::value::CowVal<'b, 'b>> {
        (variable == compile::BODY).then(|| ::cel::common::value::CowVal::Borrowed(self.0.as_ref()))
    }
}

/// The CEL rules of a module, of which there is at least one.
#[derive(Debug)]
pub(super) struct Cel {
    fail_if: Option<Expression>,
    fail_if_not: Option<Expression>,
}

impl Cel {
    pub(super) fn of(fail_if: Option<Expression>, fail_if_not: Option<Expression>) -> Option<Arc<Self>> {
        (fail_if.is_some() || fail_if_not.is_some()).then(|| Arc::new(Self { fail_if, fail_if_not }))
    }

    /// Compares a body with the rules.
    pub(super) async fn judge(self: &Arc<Self>, recorder: &Recorder, body: Vec<u8>) -> Result<(), Failure> {
        let (now, deadline) = (recorder.now(), recorder.deadline());
        // Shortly before the deadline it is the answer that was late.
        let last = deadline.checked_sub(MARGIN).filter(|last| *last > now).unwrap_or(deadline);
        let Ok(Ok(turn)) = timeout_at(last, TURN.acquire()).await else {
            return Err(Failure::new(Reason::AgentOverload, "CEL: the rules of other modules take too long"));
        };
        let budget = Arc::new(Budget::new());
        let _cancel = Cancel(Arc::clone(&budget));
        let rules = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also where the one who asked has gone.
            let _turn = turn;
            rules.check(body, &budget)
        });
        match timeout_at(last.min(recorder.now() + EVALUATION_TIME_MAX), work).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => Err(Failure::new(Reason::AgentPanic, format_args!("CEL: {error}"))),
            Err(_) => Err(Failure::new(Reason::AgentOverload, "CEL: the rules take too long on this body")),
        }
    }

    fn check(&self, body: Vec<u8>, budget: &Arc<Budget>) -> Result<(), Failure> {
        let body = Body(json::value(body)?);
        if let Some(rule) = &self.fail_if
            && rule.evaluate(&body, budget)?
        {
            return Err(Failure::new(Reason::BodyUnexpected, format_args!("CEL `{}` is true", rule.source)));
        }
        if let Some(rule) = &self.fail_if_not
            && !rule.evaluate(&body, budget)?
        {
            return Err(Failure::new(Reason::BodyUnexpected, format_args!("CEL `{}` is not true", rule.source)));
        }
        Ok(())
    }
}
