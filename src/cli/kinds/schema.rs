//! The settings of a kind, flattened from its JSON schema.

use serde_json::Value;

/// Deepest nesting that is shown. Chosen: deeper settings do not exist; a schema that contains itself ends here.
const DEPTH_MAX: usize = 6;

/// One key that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// Where it is written: `tls_config.ca_file`, `query_response[].send`.
    pub(super) path: String,
    /// What is written there.
    pub(super) kind: String,
    /// What stands if nothing is written.
    pub(super) default: Option<String>,
    /// What it means.
    pub(super) about: String,
    /// Whether something must be written.
    pub(super) is_required: bool,
}

impl Setting {
    /// Type and default in a few words.
    pub(super) fn kind(&self) -> String {
        match &self.default {
            _ if self.is_required => format!("{}, required", self.kind),
            Some(default) => format!("{}, default {default}", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// All settings of a schema, in the order in which they are declared.
pub(super) fn settings(schema: &impl serde::Serialize) -> Vec<Setting> {
    let root = serde_json::to_value(schema).unwrap_or_default();
    let mut settings = Vec::new();
    collect(&root, &root, "", 0, &mut settings);
    settings
}

fn collect(root: &Value, schema: &Value, prefix: &str, depth: usize, settings: &mut Vec<Setting>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    if depth > DEPTH_MAX {
        return;
    }
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in properties {
        let path = format!("{prefix}{name}");
        let inner = resolved(root, property);
        settings.push(Setting {
            kind: kind_of(root, inner),
            default: default_of(property, inner),
            about: about_of(property, inner),
            is_required: required.contains(&name.as_str()),
            path: path.clone(),
        });
        collect(root, inner, &format!("{path}."), depth + 1, settings);
        if let Some(items) = inner.get("items") {
            collect(root, resolved(root, items), &format!("{path}[]."), depth + 1, settings);
        }
        if let Some(values @ Value::Object(_)) = inner.get("additionalProperties") {
            collect(root, resolved(root, values), &format!("{path}.NAME."), depth + 1, settings);
        }
    }
}

/// What a schema refers to, without the choice of null.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut schema = schema;
    for _ in 0..DEPTH_MAX {
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        let choices = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema[*word].as_array());
        schema = match (reference.and_then(|pointer| root.pointer(pointer)), choices) {
            (Some(target), _) => target,
            (None, Some(choices)) => {
                let mut real = choices.iter().filter(|choice| choice["type"] != "null");
                match (real.next(), real.next()) {
                    (Some(only), None) => only,
                    _ => return schema,
                }
            }
            (None, None) => return schema,
        };
    }
    schema
}

fn kind_of(root: &Value, schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter(|word| !word.is_null()).map(plain).collect::<Vec<_>>().join(" / ");
    }
    if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let mut kinds: Vec<_> = choices
            .iter()
            .filter(|choice| choice["type"] != "null")
            .map(|choice| match choice.get("const") {
                Some(word) => plain(word),
                None => kind_of(root, resolved(root, choice)),
            })
            .collect();
        kinds.dedup();
        return kinds.join(" / ");
    }
    if let Some(format) = schema["format"].as_str().filter(|format| !is_width(format)) {
        return format.to_owned();
    }
    let name = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("any"),
        Value::String(name) => name,
        _ => "any",
    };
    match name {
        "array" => format!("list of {}", kind_of(root, resolved(root, &schema["items"]))),
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("map of {}", kind_of(root, resolved(root, values))),
            _ => "map".to_owned(),
        },
        "boolean" => "true / false".to_owned(),
        "integer" => "whole number".to_owned(),
        name => name.to_owned(),
    }
}

/// Formats that only say how wide a number of the program is.
fn is_width(format: &str) -> bool {
    matches!(
        format,
        "int8" | "int16" | "int32" | "int64" | "uint" | "uint8" | "uint16" | "uint32" | "uint64" | "double"
    )
}

fn default_of(property: &Value, inner: &Value) -> Option<String> {
    let default = property.get("default").or_else(|| inner.get("default"))?;
    match default {
        Value::Null => None,
        Value::Object(_) => None,
        Value::Array(items) if items.is_empty() => None,
        Value::String(text) if text.is_empty() => None,
        other => Some(plain(other)),
    }
}

fn about_of(property: &Value, inner: &Value) -> String {
    let about = property["description"].as_str().or_else(|| inner["description"].as_str());
    about.unwrap_or_default().to_owned()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_settings_are_flattened() {
        let schema = serde_json::json!({
            "properties": {
                "tls": { "type": "boolean", "default": false, "description": "Encrypt." },
                "wait": { "anyOf": [{ "$ref": "#/$defs/duration" }, { "type": "null" }], "description": "How long." },
                "rules": { "type": "array", "items": { "$ref": "#/$defs/rule" } },
                "names": { "type": ["object", "null"], "additionalProperties": { "type": "string" } },
            },
            "required": ["names"],
            "$defs": {
                "duration": { "type": "string", "format": "duration" },
                "rule": { "type": "object", "properties": { "mode": { "enum": ["a", "b"] } } },
            },
        });
        let settings = settings(&schema);
        let shown: Vec<_> =
            settings.iter().map(|setting| format!("{}: {} {}", setting.path, setting.kind(), setting.about)).collect();
        let expected = [
            "tls: true / false, default false Encrypt.",
            "wait: duration How long.",
            "rules: list of map ",
            "rules[].mode: a / b ",
            "names: map of string, required ",
        ];
        assert_eq!(shown, expected);
    }
}
