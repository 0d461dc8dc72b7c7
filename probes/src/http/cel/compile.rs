//! From the text of an expression to what can be evaluated: finds at load what cel-go finds when it compiles, and has
//! loops and copies charged.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ::cel::IdedExpr;
use ::cel::Program;
use ::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, SourceInfo, operators,
};

use super::matches::{MATCHES_NUMBER, MATCHES_TEXT};
use super::time;
use crate::failure::shown;
use crate::pattern::Pattern;

/// The one variable.
pub(super) const BODY: &str = "body";
/// The function that charges: it cannot be written in an expression.
pub(super) const CHARGE: &str = "@charge";

/// Longest expression in bytes. Chosen: a page of text.
pub(super) const EXPRESSION_BYTES_MAX: usize = 8 << 10;
/// How deep its parts may be within each other: evaluation takes stack for each.
pub(super) const EXPRESSION_DEPTH_MAX: usize = 64;
/// Stack for reading it, which is done before its depth is known: the parser's own limit is on brackets only.
const STACK_BYTES: usize = 64 << 20;

/// The function that knows regular expressions.
const MATCHES: &str = "matches";
/// The functions of the standard library (cel-spec, "List of Standard Definitions"), and how many arguments they take.
const FUNCTIONS: &[(&str, RangeInclusive<usize>)] = &[
    ("bool", 1..=1),
    ("bytes", 1..=1),
    ("double", 1..=1),
    ("duration", 1..=1),
    ("dyn", 1..=1),
    ("int", 1..=1),
    (MATCHES, 2..=2),
    ("size", 1..=1),
    ("string", 1..=1),
    ("timestamp", 1..=1),
    ("type", 1..=1),
    ("uint", 1..=1),
];
/// Its functions that follow a value and a dot.
const METHODS: &[(&str, RangeInclusive<usize>)] =
    &[("contains", 1..=1), ("endsWith", 1..=1), (MATCHES, 1..=1), ("size", 0..=0), ("startsWith", 1..=1)];
/// Those of them that read a clock: of the zone that is named, or of UTC.
const OF_CLOCKS: &[&str] = &[
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
];
/// What is done otherwise than in the library, and what does it.
const REPLACED: &[(&str, &str)] =
    &[("duration", time::DURATION), ("string", time::STRING), ("timestamp", time::TIMESTAMP)];
/// Its types, which are values.
const TYPES: &[&str] = &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];
/// Its types whose names have several parts.
const LONG_TYPES: &[&str] = &["google.protobuf.Duration", "google.protobuf.Timestamp"];

/// Compiles an expression on a thread of its own, which has the stack for every text, and on which a fault of the
/// parser ends.
pub(super) fn compile(source: &str) -> Result<Compiled, String> {
    if source.trim().is_empty() {
        return Err("a CEL expression must not be empty".to_owned());
    }
    if source.len() > EXPRESSION_BYTES_MAX {
        return Err(format!("a CEL expression must not be longer than {EXPRESSION_BYTES_MAX} bytes"));
    }
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("cel".to_owned()).stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, || read(source)).map_err(|error| format!("CEL: {error}"))?;
        thread.join().map_err(|_| "CEL: the expression cannot be read".to_owned())?
    })
}

fn read(source: &str) -> Result<Compiled, String> {
    let program = match Program::compile(source) {
        Ok(program) => program,
        Err(errors) => {
            let Some(error) = errors.errors.first() else { return Err("CEL: no expression".to_owned()) };
            let (line, column) = error.pos;
            // The library counts columns from zero.
            let message = shown(error.msg.as_bytes(), 200);
            return Err(format!("CEL: line {}, column {}: {message}", line.max(1), column.max(0) + 1));
        }
    };
    let mut walk = Walk { bound: Vec::new(), patterns: Vec::new(), depth: 0 };
    let mut expression = program.expression().clone();
    walk.visit(&mut expression).map_err(|Wrong { id, message }| match place(program.source_info(), id) {
        Some((line, column)) => format!("CEL: line {line}, column {column}: {message}"),
        None => format!("CEL: {message}"),
    })?;
    Ok(Compiled { expression, patterns: walk.patterns.into() })
}

/// Line and column of a part of the expression, from one. Offsets count bytes.
fn place(info: &SourceInfo, id: u64) -> Option<(usize, usize)> {
    let offset = usize::try_from(info.offset_for(id)?.0).ok()?;
    let before = info.source.get(..offset)?;
    let line = before.matches('\n').count() + 1;
    Some((line, before.rsplit('\n').next().map_or(0, |text| text.chars().count()) + 1))
}

/// An expression that can be evaluated, with what its functions need.
pub(super) struct Compiled {
    pub(super) expression: IdedExpr,
    pub(super) patterns: Arc<[Pattern]>,
}

struct Wrong {
    id: u64,
    message: String,
}

/// Looks at every part of an expression.
struct Walk {
    /// Variables of the loops around.
    bound: Vec<String>,
    /// Regular expressions that were found.
    patterns: Vec<Pattern>,
    depth: usize,
}

impl Walk {
    fn visit(&mut self, expression: &mut IdedExpr) -> Result<(), Wrong> {
        let id = expression.id;
        let wrong = |message: String| Err(Wrong { id, message });
        if self.depth == EXPRESSION_DEPTH_MAX {
            return wrong(format!("more than {EXPRESSION_DEPTH_MAX} levels"));
        }
        self.depth += 1;
        match &mut expression.expr {
            Expr::Unspecified => return wrong("nothing to evaluate".to_owned()),
            Expr::Literal(_) => {}
            Expr::Ident(name) => {
                let plain = name.strip_prefix('.').unwrap_or(name);
                let is_known = name.starts_with('@') || plain == BODY || TYPES.contains(&plain);
                if !is_known && !self.bound.contains(name) {
                    return wrong(format!("undeclared reference to '{plain}'"));
                }
            }
            Expr::Select(select) => {
                let is_type = !select.test && LONG_TYPES.iter().any(|name| is_name(select, name));
                if !is_type {
                    self.visit(&mut select.operand)?;
                }
            }
            Expr::Call(call) => self.visit_call(id, call)?,
            Expr::List(list) => {
                for element in &mut list.elements {
                    self.visit(element)?;
                    charge(element);
                }
            }
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    match &mut entry.expr {
                        EntryExpr::MapEntry(entry) => {
                            self.visit(&mut entry.key)?;
                            self.visit(&mut entry.value)?;
                            charge(&mut entry.value);
                        }
                        EntryExpr::StructField(field) => self.visit(&mut field.value)?,
                    }
                }
            }
            Expr::Struct(message) => return wrong(format!("undeclared reference to '{}'", message.type_name)),
            Expr::Comprehension(loops) => self.visit_loop(loops)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn visit_call(&mut self, id: u64, call: &mut CallExpr) -> Result<(), Wrong> {
        let name = call.func_name.as_str();
        let is_operator = !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_method = call.target.is_some();
        let is_of_clock = is_method && OF_CLOCKS.contains(&name);
        let known = if is_method { METHODS } else { FUNCTIONS };
        let counts = known.iter().find(|(known, _)| *known == name).map(|(_, counts)| counts);
        let count = call.args.len();
        if !is_operator {
            let message = match counts.or(is_of_clock.then_some(&(0..=1))) {
                None => format!("undeclared reference to '{name}'"),
                Some(counts) if !counts.contains(&count) => format!("'{name}' does not take {count} arguments"),
                Some(_) => String::new(),
            };
            if !message.is_empty() {
                return Err(Wrong { id, message });
            }
        }
        let builds = name == operators::ADD;
        for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
            self.visit(part)?;
            // The parts of a list are charged one by one; what a loop has gathered is handed on, not copied.
            let is_charged = matches!(part.expr, Expr::List(_) | Expr::Literal(_));
            let is_gathered = matches!(&part.expr, Expr::Ident(name) if name.starts_with('@'));
            if builds && !is_charged && !is_gathered {
                charge(part);
            }
        }
        if call.func_name == MATCHES {
            return self.visit_matches(id, call);
        }
        match &mut call.target {
            Some(target) if is_of_clock && count == 0 => wrap(target, time::UTC),
            Some(_) => {}
            None => {
                let replaced = REPLACED.iter().find(|(name, _)| *name == call.func_name);
                call.func_name = replaced.map_or(std::mem::take(&mut call.func_name), |(_, by)| (*by).to_owned());
            }
        }
        Ok(())
    }

    /// Has our own regular expressions do it, compiled here where they are written out.
    fn visit_matches(&mut self, id: u64, call: &mut CallExpr) -> Result<(), Wrong> {
        call.args.splice(..0, call.target.take().map(|target| *target));
        let pattern = call.args.last_mut().map(|pattern| &mut pattern.expr);
        let Some(Expr::Literal(literal)) = pattern else {
            call.func_name = MATCHES_TEXT.to_owned();
            return Ok(());
        };
        let LiteralValue::String(text) = literal else {
            return Err(Wrong { id, message: "'matches' needs a text as pattern".to_owned() });
        };
        let pattern = Pattern::new(text.inner()).map_err(|message| Wrong { id, message })?;
        let number = i64::try_from(self.patterns.len()).unwrap_or(i64::MAX);
        *literal = LiteralValue::Int(number.into());
        call.func_name = MATCHES_NUMBER.to_owned();
        self.patterns.push(pattern);
        Ok(())
    }

    fn visit_loop(&mut self, loops: &mut ComprehensionExpr) -> Result<(), Wrong> {
        self.visit(&mut loops.iter_range)?;
        self.visit(&mut loops.accu_init)?;
        let outer = self.bound.len();
        self.bound.push(loops.accu_var.clone());
        self.bound.push(loops.iter_var.clone());
        self.bound.extend(loops.iter_var2.clone());
        self.visit(&mut loops.loop_cond)?;
        self.visit(&mut loops.loop_step)?;
        self.visit(&mut loops.result)?;
        self.bound.truncate(outer);
        // The library knows the loops of `map` and `filter` by their shape, which stays.
        match (&loops.loop_cond.expr, &mut loops.loop_step.expr) {
            (Expr::Literal(_), Expr::Call(step)) if step.func_name == operators::CONDITIONAL => {
                step.args.iter_mut().take(1).for_each(charge);
            }
            // Its list is charged already.
            (Expr::Literal(_), Expr::Call(step)) if step.func_name == operators::ADD => {}
            (Expr::Literal(_), _) => charge(&mut loops.loop_step),
            _ => charge(&mut loops.loop_cond),
        }
        Ok(())
    }
}

/// Whether what is selected is the name of so many parts.
fn is_name(select: &SelectExpr, name: &str) -> bool {
    let Some((before, last)) = name.rsplit_once('.') else { return false };
    select.field == last
        && match &select.operand.expr {
            Expr::Select(select) => is_name(select, before),
            Expr::Ident(name) => name.strip_prefix('.').unwrap_or(name) == before,
            _ => false,
        }
}

/// Has a part charged whenever it is evaluated.
fn charge(part: &mut IdedExpr) {
    wrap(part, CHARGE);
}

/// Hands a part through a function.
fn wrap(part: &mut IdedExpr, function: &str) {
    let inner = std::mem::take(part);
    let id = inner.id;
    let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] };
    *part = IdedExpr { id, expr: Expr::Call(call) };
}
