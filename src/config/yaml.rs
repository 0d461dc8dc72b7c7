//! Text to tree: the first YAML document, within limits.
//!
//! Knows no configuration key. Aliases are copied out and merge keys resolved here, against budgets, so that nothing
//! above can meet a cycle or a tree that is much larger than its text.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::fault::Fault;
use super::node::{Entry, Form, Node, Scalar, Value};
use super::source::{Place, line_and_column};

/// Deepest nesting. Chosen: ten times what a module needs.
pub(super) const DEPTH_MAX: usize = 64;
/// Most nodes, copies of aliases included. Chosen: ten for each of 400,000 checks.
pub(super) const NODES_MAX: usize = 4_000_000;
/// Most bytes that aliases may copy. Chosen: the largest file.
const COPIED_BYTES_MAX: usize = 64 << 20;
/// Longest key in characters. Chosen: an URL as a key is no configuration; the parser looks that far ahead.
const KEY_CHARS_MAX: usize = 1024;
/// Maps up to this size are searched for duplicate keys by comparing each with each.
const SMALL_MAP: usize = 12;

/// The root of the first document; `None` if there is no document.
pub(super) fn read(text: &str) -> Result<Option<Node<'_>>, Fault> {
    let options = granit_parser::options! {
        emit_comments: false,
        simple_key_max_lookahead: KEY_CHARS_MAX,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut tree = Tree { text, open: Vec::new(), anchors: HashMap::new(), nodes: 0, copied_bytes: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| scan_fault(text, &error))?;
        match event {
            Event::DocumentEnd | Event::StreamEnd => return Ok(None),
            event => {
                if let Some(root) = tree.take(event, span)? {
                    return Ok(Some(root));
                }
            }
        }
    }
    Ok(None)
}

fn scan_fault(text: &str, error: &ScanError) -> Fault {
    let mut place = Place::TOP;
    if let Some(offset) = error.marker().byte_offset() {
        let start = u32::try_from(offset.min(text.len())).unwrap_or(u32::MAX);
        place = Place { start, end: start };
    }
    let info = error.info();
    let fault = Fault::new(place, format_args!("not valid YAML: {info}"));
    let line_start =
        text[..text.floor_char_boundary(place.start as usize)].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let indentation = &line[..line.len() - line.trim_start().len()];
    if indentation.contains('\t') || info.contains("tab") {
        return fault.with_help("YAML is indented with spaces, not with tabs");
    }
    fault
}

/// A collection whose end has not come yet.
struct Open<'t> {
    place: Place,
    anchor: usize,
    content: Content<'t>,
}

enum Content<'t> {
    List(Vec<Node<'t>>),
    Map { entries: Vec<Entry<'t>>, key: Option<(Cow<'t, str>, Place)>, merged: Vec<(Place, Node<'t>)> },
}

struct Tree<'t> {
    text: &'t str,
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, Node<'t>>,
    nodes: usize,
    copied_bytes: usize,
}

impl<'t> Tree<'t> {
    /// Takes one event; the root when it is complete.
    fn take(&mut self, event: Event<'t>, span: Span) -> Result<Option<Node<'t>>, Fault> {
        let place = place_of(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(place, 1, 0)?;
                let form = form_of(place, style, tag.as_deref())?;
                self.add(Node { place, value: Value::Scalar(Scalar { text, form }) }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(place, anchor, tag.as_deref(), "seq", Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), key: None, merged: Vec::new() };
                self.open(place, anchor, tag.as_deref(), "map", content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Fault::new(place, "this alias stands inside the value that it repeats"));
                };
                let (nodes, bytes) = node.weight();
                let node = node.clone();
                self.count(place, nodes, bytes)?;
                self.add(node, 0)
            }
            _ => Ok(None),
        }
    }

    fn count(&mut self, place: Place, nodes: usize, copied_bytes: usize) -> Result<(), Fault> {
        self.nodes += nodes;
        self.copied_bytes += copied_bytes;
        if self.nodes > NODES_MAX || self.copied_bytes > COPIED_BYTES_MAX {
            return Err(Fault::new(place, format_args!("too large: more than {NODES_MAX} values with all aliases")));
        }
        Ok(())
    }

    fn open(
        &mut self,
        place: Place,
        anchor: usize,
        tag: Option<&Tag>,
        own_tag: &str,
        content: Content<'t>,
    ) -> Result<Option<Node<'t>>, Fault> {
        self.count(place, 1, 0)?;
        if let Some(tag) = tag
            && core_tag(tag) != Some(own_tag)
        {
            return Err(unknown_tag(place, tag));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(Fault::new(place, format_args!("nested deeper than {DEPTH_MAX} levels")));
        }
        if matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. })) {
            return Err(Fault::new(place, "a key must be a single word, not a list or a map"));
        }
        self.open.push(Open { place, anchor, content });
        Ok(None)
    }

    fn close(&mut self) -> Result<Option<Node<'t>>, Fault> {
        let Some(Open { place, anchor, content }) = self.open.pop() else { return Ok(None) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { mut entries, merged, .. } => {
                self.refuse_duplicates(&entries)?;
                for (place, node) in merged {
                    merge(&mut entries, place, node)?;
                }
                Value::Map(entries)
            }
        };
        self.add(Node { place, value }, anchor)
    }

    /// Puts a complete node where it belongs.
    fn add(&mut self, node: Node<'t>, anchor: usize) -> Result<Option<Node<'t>>, Fault> {
        if anchor != 0 {
            let (nodes, bytes) = node.weight();
            self.count(node.place, nodes, bytes)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else { return Ok(Some(node)) };
        match &mut parent.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, key, merged } => match key.take() {
                None => *key = Some(key_of(node)?),
                Some((name, place)) if name == "<<" => merged.push((place, node)),
                Some((key, key_place)) => entries.push(Entry { key, key_place, value: node }),
            },
        }
        Ok(None)
    }

    fn refuse_duplicates(&self, entries: &[Entry<'t>]) -> Result<(), Fault> {
        let duplicate = if entries.len() <= SMALL_MAP {
            (1..entries.len()).find(|&later| entries[..later].iter().any(|entry| entry.key == entries[later].key))
        } else {
            let mut seen = HashSet::with_capacity(entries.len());
            entries.iter().position(|entry| !seen.insert(entry.key.as_ref()))
        };
        let Some(second) = duplicate.map(|index| &entries[index]) else { return Ok(()) };
        let first = entries.iter().find(|entry| entry.key == second.key).map_or(Place::TOP, |entry| entry.key_place);
        let (line, _) = line_and_column(self.text, first);
        Err(Fault::new(second.key_place, format_args!("duplicate key `{}`", second.key))
            .with_help(format_args!("it is first set in line {line}")))
    }
}

/// Adds what a merge key brings and the map itself does not have (YAML 1.1, <https://yaml.org/type/merge.html>).
fn merge<'t>(entries: &mut Vec<Entry<'t>>, place: Place, node: Node<'t>) -> Result<(), Fault> {
    let maps = match node.value {
        Value::Map(map) => vec![map],
        Value::List(items) => {
            let maps = items.into_iter().map(|item| match item.value {
                Value::Map(map) => Ok(map),
                _ => Err(Fault::new(place, "`<<` takes a map or a list of maps")),
            });
            maps.collect::<Result<_, _>>()?
        }
        Value::Scalar(_) => return Err(Fault::new(place, "`<<` takes a map or a list of maps")),
    };
    let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.to_string()).collect();
    entries.extend(maps.into_iter().flatten().filter(|entry| known.insert(entry.key.to_string())));
    Ok(())
}

fn key_of(node: Node<'_>) -> Result<(Cow<'_, str>, Place), Fault> {
    match node.value {
        Value::Scalar(scalar) if scalar.form == Form::Binary => Err(Fault::new(node.place, "a key must be text")),
        Value::Scalar(scalar) if scalar.is_null() && scalar.text.is_empty() => {
            Err(Fault::new(node.place, "there is no key in front of the colon"))
        }
        Value::Scalar(scalar) => Ok((scalar.text, node.place)),
        Value::List(_) | Value::Map(_) => {
            Err(Fault::new(node.place, "a key must be a single word, not a list or a map"))
        }
    }
}

fn form_of(place: Place, style: ScalarStyle, tag: Option<&Tag>) -> Result<Form, Fault> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { Form::Plain } else { Form::Text });
    };
    match core_tag(tag) {
        Some("str") => Ok(Form::Text),
        Some("binary") => Ok(Form::Binary),
        Some("null" | "bool" | "int" | "float") => Ok(Form::Plain),
        // The non-specific tag `!` says: do not guess.
        None if tag.handle() == "!" && tag.suffix().is_empty() => Ok(Form::Text),
        _ => Err(unknown_tag(place, tag)),
    }
}

fn core_tag(tag: &Tag) -> Option<&str> {
    (tag.handle() == "tag:yaml.org,2002:").then(|| tag.suffix())
}

fn unknown_tag(place: Place, tag: &Tag) -> Fault {
    Fault::new(place, format_args!("tag `{tag}` has no meaning here"))
}

fn place_of(span: Span) -> Place {
    let offset = |bytes: Option<usize>| u32::try_from(bytes.unwrap_or(0)).unwrap_or(u32::MAX);
    Place { start: offset(span.start.byte_offset()), end: offset(span.end.byte_offset()) }
}
