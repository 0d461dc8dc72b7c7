//! Takes an answer's body in: counts it, and keeps it only if a rule asks for it and it is small.

use std::pin::Pin;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt};

use super::UNCOMPRESSED_LENGTH;
use super::body::AnswerBody;
use super::decode::Compression;
use super::judge;
use super::module::Settings;
use super::verdict::Rules;
use crate::failure::{Failure, Reason};
use crate::net::Stamps;
use crate::pattern_scan::Scans;
use crate::recorder::Recorder;

/// Most bytes of a body that are kept for rules that need it whole. Chosen: far above every page that a rule is written
/// for, and so that ten of them at once leave the agent small.
pub(super) const KEPT_BYTES_MAX: usize = 4 << 20;
/// Bytes from which on a body is searched as it comes instead of kept. Chosen: most pages are smaller, and searched
/// faster when they are whole.
pub(super) const SEARCHED_WHOLE_BYTES_MAX: usize = 256 << 10;
/// Decompressed bytes that are always taken. Chosen: far above honest pages.
pub(super) const EXPANSION_FREE_BYTES: u64 = 16 << 20;
/// Largest ratio of decompressed to received bytes beyond that, where the module does not say otherwise. Chosen: text is
/// compressed by 10 to 50.
pub(super) const EXPANSION_RATIO_MAX: u32 = 200;
/// Bytes decompressed at a time.
const SLICE_BYTES: usize = 16 << 10;

/// What is done with a body.
#[derive(Debug)]
pub(super) struct Intake<'r> {
    bytes_max: u64,
    expansion_max: u64,
    /// Whose patterns the body is searched for.
    rules: Option<&'r Rules>,
    /// Whether something needs the body whole.
    keeps_whole: bool,
    taken: u64,
    kept: Vec<u8>,
    /// Once the body is too long to be kept.
    searches: Option<Scans<'r>>,
    digest: Option<Sha256>,
}

/// A body that was taken in.
pub(super) struct Taken<'r> {
    /// Its bytes, where they were kept.
    pub(super) kept: Vec<u8>,
    /// Its length in bytes.
    pub(super) length: u64,
    /// The searches that were made instead of keeping it.
    pub(super) searches: Option<Scans<'r>>,
    pub(super) digest: Option<Sha256>,
}

/// A body from which the first byte can be read.
pub(super) enum Source {
    Plain(AnswerBody),
    Decoded(Pin<Box<dyn AsyncRead + Send>>),
}

impl Source {
    /// Sets up the decompressor, if there is one.
    pub(super) async fn open(body: AnswerBody, compression: Option<Compression>) -> Result<Self, Failure> {
        match compression {
            None => Ok(Self::Plain(body)),
            Some(compression) => compression.decoder(body).await.map(Self::Decoded),
        }
    }
}

impl<'r> Intake<'r> {
    /// Takes so much as a module allows, and does nothing with it but count.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            bytes_max: settings.body_bytes_max.unwrap_or(u64::MAX),
            expansion_max: settings.expansion_max,
            rules: None,
            keeps_whole: false,
            taken: 0,
            kept: Vec::new(),
            searches: None,
            digest: None,
        }
    }

    /// Searches the body for the patterns of these rules.
    pub(super) const fn searched(mut self, rules: &'r Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Keeps the body, however long it is.
    pub(super) const fn kept_whole(mut self) -> Self {
        self.keeps_whole = true;
        self
    }

    /// Digests the body.
    pub(super) fn digested(mut self) -> Self {
        self.digest = Some(Sha256::new());
        self
    }

    /// What was taken in.
    pub(super) fn taken(self) -> Taken<'r> {
        Taken { kept: self.kept, length: self.taken, searches: self.searches, digest: self.digest }
    }

    /// Reads to the end. What was read until an error or the deadline is in the reading.
    pub(super) async fn read(
        &mut self,
        source: Source,
        stamps: &Stamps,
        recorder: &mut Recorder,
    ) -> Result<(), Failure> {
        match source {
            Source::Plain(mut body) => loop {
                let chunk = body.fill_buf().await.map_err(|error| judge::body(&error))?;
                let bytes = chunk.len();
                if bytes == 0 {
                    return Ok(());
                }
                let taken = self.take(chunk);
                recorder.read(&UNCOMPRESSED_LENGTH, self.taken as f64);
                taken?;
                body.consume(bytes);
                self.pause().await;
            },
            Source::Decoded(mut decoder) => {
                let mut slice = vec![0; SLICE_BYTES];
                loop {
                    let bytes = decoder.read(&mut slice).await.map_err(|error| judge::body(&error))?;
                    if bytes == 0 {
                        return Ok(());
                    }
                    let taken = self.take(&slice[..bytes]);
                    recorder.read(&UNCOMPRESSED_LENGTH, self.taken as f64);
                    taken?;
                    self.check_expansion(stamps.bytes_read())?;
                    self.pause().await;
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let taken = self.taken.saturating_add(bytes.len() as u64);
        self.taken = taken.min(self.bytes_max);
        if taken > self.bytes_max {
            return Err(too_large(format_args!("the body is larger than {} bytes", self.bytes_max)));
        }
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        let length = self.kept.len() + bytes.len();
        if let Some(searches) = &mut self.searches {
            searches.feed(bytes);
        } else if length > SEARCHED_WHOLE_BYTES_MAX
            && let Some(mut searches) = self.rules.and_then(Rules::searches)
        {
            searches.feed(&self.kept);
            searches.feed(bytes);
            self.searches = Some(searches);
        }
        if !self.keeps_whole && (self.searches.is_some() || self.rules.is_none()) {
            self.kept = Vec::new();
            return Ok(());
        }
        if length > KEPT_BYTES_MAX {
            return Err(too_large(format_args!("the body is larger than {KEPT_BYTES_MAX} bytes, all a rule sees")));
        }
        if length > self.kept.capacity() && length > SEARCHED_WHOLE_BYTES_MAX {
            // All at once: to grow would need room for two. What is not written to costs no memory.
            self.kept.reserve_exact(KEPT_BYTES_MAX - self.kept.len());
        }
        self.kept.extend_from_slice(bytes);
        Ok(())
    }

    /// Lets the deadline have a look: a peer or a bomb may always be ready to give more.
    async fn pause(&self) {
        if self.searches.is_some() { tokio::task::yield_now().await } else { tokio::task::coop::consume_budget().await }
    }

    fn check_expansion(&self, received: u64) -> Result<(), Failure> {
        if self.taken > EXPANSION_FREE_BYTES && self.taken / self.expansion_max > received {
            let message = format_args!("{received} bytes were decompressed to more than {}", self.taken);
            return Err(too_large(message));
        }
        Ok(())
    }
}

fn too_large(message: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::BodyTooLarge, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_large_and_expands_much_is_a_bomb() {
        let settings: Settings = serde_json::from_value(serde_json::json!({})).expect("settings");
        let expands = |taken, received| Intake { taken, ..Intake::new(&settings) }.check_expansion(received).is_ok();
        assert!(expands(EXPANSION_FREE_BYTES, 1));
        assert!(!expands(EXPANSION_FREE_BYTES + u64::from(EXPANSION_RATIO_MAX), 1000));
        assert!(expands(100 * EXPANSION_FREE_BYTES, EXPANSION_FREE_BYTES));
        assert!(!expands(1000 * EXPANSION_FREE_BYTES, EXPANSION_FREE_BYTES));
    }
}
