//! `matches` with the regular expressions of RE2, as everywhere else in a module.

use std::sync::Arc;

use ::cel::common::types::{CelBool, CelInt, CelString};
use ::cel::common::value::CowVal;
use ::cel::functions::FunctionContext;
use ::cel::{Context, ExecutionError};

use super::budget::Native;
use crate::pattern::Pattern;

/// Takes a text and the number of a pattern that was compiled at load.
pub(super) const MATCHES_NUMBER: &str = "@matches_number";
/// Takes a text and a pattern that is only known now.
pub(super) const MATCHES_TEXT: &str = "@matches_text";

/// Puts both into a context.
pub(super) fn install(context: &mut Context<'_, '_>, patterns: &Arc<[Pattern]>) {
    let patterns = Arc::clone(patterns);
    let number: Native = Box::new(move |call| {
        matches(call, |text, pattern| {
            let number = pattern.downcast_ref::<CelInt>().and_then(|number| usize::try_from(*number.inner()).ok())?;
            Some(Ok(patterns.get(number)?.is_match(text)))
        })
    });
    let text: Native = Box::new(|call| {
        matches(call, |text, pattern| {
            let pattern = pattern.downcast_ref::<CelString<'_>>()?;
            let compiled = Pattern::new(pattern.inner());
            Some(compiled.map(|pattern| pattern.is_match(text)))
        })
    });
    // No overload has such a name.
    let _ = context.add_function(MATCHES_NUMBER, number);
    let _ = context.add_function(MATCHES_TEXT, text);
}

fn matches<'c, 'v>(
    call: &mut FunctionContext<'c, 'v>,
    is_match: impl Fn(&[u8], &CowVal<'c, 'v>) -> Option<Result<bool, String>>,
) -> Result<CowVal<'c, 'v>, ExecutionError> {
    let found = match call.args.as_slice() {
        [text, pattern] => {
            let text = text.downcast_ref::<CelString<'_>>();
            text.and_then(|text| is_match(text.inner().as_bytes(), pattern))
        }
        _ => None,
    };
    match found {
        Some(Ok(found)) => Ok(CowVal::owned(CelBool::from(found))),
        Some(Err(why)) => Err(ExecutionError::function_error("matches", why)),
        None => {
            let types = call.args.iter().map(|value| value.get_type().name().to_owned()).collect();
            Err(ExecutionError::no_such_overload("matches", types))
        }
    }
}
