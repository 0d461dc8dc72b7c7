//! Lists of tags, as DKIM, DMARC, MTA-STS and TLS-RPT write them (RFC 6376 section 3.2).
//!
//! Knows no tag.

/// Most tags of one record. Chosen: no policy knows a third of it.
const TAGS_MAX: usize = 32;

/// The tags of a record, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, String> {
        if !text.is_ascii() {
            return Err("it holds what is not ASCII".to_owned());
        }
        let mut tags: Vec<(&str, &str)> = Vec::new();
        let mut parts = text.split(';').map(str::trim).peekable();
        while let Some(part) = parts.next() {
            // One semicolon may stand at the end.
            if part.is_empty() && parts.peek().is_none() {
                break;
            }
            let (name, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is no tag with a value"))?;
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(format!("{name:?} names no tag"));
            }
            if tags.iter().any(|(known, _)| *known == name) {
                return Err(format!("{name} stands there twice"));
            }
            if tags.len() >= TAGS_MAX {
                return Err(format!("more than {TAGS_MAX} tags"));
            }
            tags.push((name, value));
        }
        Ok(Self(tags))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Whether it begins with this tag.
    pub(super) fn begins_with(&self, name: &str, value: &str) -> bool {
        self.0.first() == Some(&(name, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_read_once_each() {
        let tags = Tags::read("v=X1; a = b c ;d=;").expect("tags");
        assert_eq!(tags, Tags(vec![("v", "X1"), ("a", "b c"), ("d", "")]));
        assert!(tags.begins_with("v", "X1"));
        assert_eq!((tags.get("d"), tags.get("e")), (Some(""), None));
        for wrong in ["v=1;v=2", "v", "v=1;;a=2", "=1", "a-b=1", "v=ä", &"a=1;".repeat(2)] {
            assert!(Tags::read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = Tags::read(&text);
        }
    }
}
