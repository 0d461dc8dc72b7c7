//! Hashes that stay the same across builds, machines and restarts: what a check is, and what it does.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::node::{Form, Node, Value};

/// A growing hash. Every part is led by its length, so that parts cannot run into each other.
pub(super) struct Hash(Sha256);

impl Hash {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_be_bytes());
        self
    }

    pub(super) fn span(self, span: Duration) -> Self {
        self.number(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn finish(self) -> u64 {
        let digest: [u8; 32] = self.0.finalize().into();
        digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }
}

/// What stays the same across reloads and restarts. A promise: the phase of a check and its history hang on it.
pub(super) fn identity(name: &str, module: &str, target: &str) -> u64 {
    Hash::new().bytes(name.as_bytes()).bytes(module.as_bytes()).bytes(target.as_bytes()).finish()
}

/// A hash of what a node says: the order of keys, comments and notation count for nothing.
pub(super) fn of_node(node: &Node<'_>) -> u64 {
    match &node.value {
        Value::Scalar(scalar) => {
            let form = match scalar.form {
                Form::Plain => 0,
                Form::Text => 1,
                Form::Binary => 2,
            };
            Hash::new().number(form).bytes(scalar.text.as_bytes()).finish()
        }
        Value::List(items) => {
            items.iter().fold(Hash::new().number(3), |hash, item| hash.number(of_node(item))).finish()
        }
        Value::Map(entries) => {
            let mut hashes: Vec<u64> = entries
                .iter()
                .map(|entry| Hash::new().bytes(entry.key.as_bytes()).number(of_node(&entry.value)).finish())
                .collect();
            hashes.sort_unstable();
            hashes.into_iter().fold(Hash::new().number(4), Hash::number).finish()
        }
    }
}

/// The checksum of a file.
pub(super) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn an_identity_never_changes() {
        assert_eq!(identity("town-hall", "http_2xx", "https://www.example.org/"), 0xf858_8731_d7f5_9e74);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(identity("a", "bc", "d"), identity("ab", "c", "d"));
    }

    #[test]
    fn only_what_a_node_says_counts() {
        let hash = |text| of_node(&yaml::read(text).expect("valid").expect("a document"));
        assert_eq!(hash("{a: 1, b: [x, y]}"), hash("# comment\nb:\n  - x\n  - y\na: 1\n"));
        assert_ne!(hash("{a: 1}"), hash("{a: '1'}"));
        assert_ne!(hash("[a, b]"), hash("[b, a]"));
        assert_ne!(hash("[]"), hash("{}"));
    }
}
