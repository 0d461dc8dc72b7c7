//! What the evaluation of an expression may cost: steps, copied bytes, and no longer than somebody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::cel::common::types::{CelBytes, CelList, CelMap, CelMapKey, CelString, Kind};
use ::cel::common::value::{CowVal, Val};
use ::cel::functions::FunctionContext;
use ::cel::{Context, ExecutionError};

use super::compile::CHARGE;
use crate::failure::{Failure, Reason};

/// Most steps: rounds of loops, and parts of sums and lists. Chosen: every pair of a thousand things.
const STEPS_MAX: u64 = 1_000_000;
/// Most bytes that an expression may build: what it puts together from texts, lists and maps. Chosen: with the
/// body it stays below what the agent may take in all.
const BUILT_BYTES_MAX: u64 = 8 << 20;
/// What a value within another costs beside its text. Chosen: about what the library allocates for it.
const VALUE_BYTES: u64 = 48;
/// What a map costs besides: its table.
const TABLE_BYTES: u64 = 192;
/// What a number costs that is not kept: less than its step.
const NUMBER_BYTES: u64 = 8;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    steps: AtomicU64,
    bytes: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self {
            steps: AtomicU64::new(STEPS_MAX),
            bytes: AtomicU64::new(BUILT_BYTES_MAX),
            is_cancelled: AtomicBool::new(false),
        }
    }

    /// Whether there is still something left of everything.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let message = if self.is_cancelled.load(Ordering::Relaxed) {
            "CEL: nobody waits for the rules any more".to_owned()
        } else if self.steps.load(Ordering::Relaxed) == 0 {
            format!("CEL: a rule takes more than {STEPS_MAX} steps on this body")
        } else if self.bytes.load(Ordering::Relaxed) == 0 {
            format!("CEL: a rule builds more than {BUILT_BYTES_MAX} bytes from this body")
        } else {
            return Ok(());
        };
        Err(Failure::new(Reason::AgentOverload, message))
    }

    fn charge(&self, value: &dyn Val) -> Result<(), ExecutionError> {
        take(&self.steps, 1);
        let bytes = match value.get_type().kind() {
            Kind::String | Kind::Bytes | Kind::List | Kind::Map => cost(value, self.bytes.load(Ordering::Relaxed)),
            _ => NUMBER_BYTES,
        };
        take(&self.bytes, bytes);
        self.check().map_err(|failure| ExecutionError::function_error(CHARGE, failure.message()))
    }
}

fn take(from: &AtomicU64, cost: u64) {
    // Only one thread takes.
    from.store(from.load(Ordering::Relaxed).saturating_sub(cost), Ordering::Relaxed);
}

/// What a copy of a value costs; counting ends when it is more than there is.
fn cost(value: &dyn Val, left: u64) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return VALUE_BYTES + text.inner().len() as u64;
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        return VALUE_BYTES + bytes.inner().len() as u64;
    }
    let mut sum = VALUE_BYTES;
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        for value in list.inner() {
            if sum > left {
                break;
            }
            sum += cost(value.as_ref(), left - sum);
        }
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        sum += TABLE_BYTES;
        for (key, value) in map.inner() {
            if sum > left {
                break;
            }
            let key = if let CelMapKey::String(key) = key { key.inner().len() as u64 } else { 0 };
            sum += VALUE_BYTES + key + cost(value.as_ref(), left.saturating_sub(sum));
        }
    }
    sum
}

/// A function in a context.
pub(super) type Native =
    Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> + Send + Sync>;

/// Puts [`CHARGE`] into a context: it hands its argument through, and charges for it.
pub(super) fn install(context: &mut Context<'_, '_>, budget: &Arc<Budget>) {
    let budget = Arc::clone(budget);
    let charge: Native = Box::new(move |call| {
        let value = call.args.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
        budget.charge(value.as_ref())?;
        Ok(value)
    });
    // No overload has such a name.
    let _ = context.add_function(CHARGE, charge);
}

/// Stops an evaluation when it is dropped.
pub(super) struct Cancel(pub(super) Arc<Budget>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.is_cancelled.store(true, Ordering::Relaxed);
    }
}
