//! Takes an answer's body in: counts it, and keeps it only if a rule asks for it.

use std::pin::Pin;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt};

use super::UNCOMPRESSED_LENGTH;
use super::body::AnswerBody;
use super::decode::Compression;
use super::judge;
use crate::failure::{Failure, Reason};
use crate::net::Stamps;
use crate::recorder::Recorder;

/// Most bytes of a body that are kept for rules. Chosen: far above every page that a rule is written for.
pub(super) const KEPT_BYTES_MAX: usize = 10 << 20;
/// Decompressed bytes that are always taken. Chosen: far above honest pages.
pub(super) const EXPANSION_FREE_BYTES: u64 = 16 << 20;
/// Largest ratio of decompressed to received bytes beyond that. Chosen: text is compressed by 10 to 50.
pub(super) const EXPANSION_RATIO_MAX: u64 = 200;
/// Bytes decompressed at a time.
const SLICE_BYTES: usize = 16 << 10;

/// What is done with a body.
#[derive(Debug)]
pub(super) struct Intake {
    bytes_max: u64,
    keeps: bool,
    taken: u64,
    kept: Vec<u8>,
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

impl Intake {
    /// Takes at most so many bytes, and keeps them if a rule asks for them.
    pub(super) const fn new(bytes_max: Option<u64>, keeps: bool) -> Self {
        let bytes_max = match bytes_max {
            Some(bytes_max) => bytes_max,
            None => u64::MAX,
        };
        Self { bytes_max, keeps, taken: 0, kept: Vec::new() }
    }

    /// What was kept.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// What was kept, for good.
    pub(super) fn into_kept(self) -> Vec<u8> {
        self.kept
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
                tokio::task::coop::consume_budget().await;
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
                    // A bomb is always ready to give more.
                    tokio::task::coop::consume_budget().await;
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
        if self.keeps {
            if self.kept.len() + bytes.len() > KEPT_BYTES_MAX {
                return Err(too_large(format_args!("the body is larger than {KEPT_BYTES_MAX} bytes, all a rule sees")));
            }
            self.kept.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn check_expansion(&self, received: u64) -> Result<(), Failure> {
        if self.taken > EXPANSION_FREE_BYTES && self.taken / EXPANSION_RATIO_MAX > received {
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
        let expands = |taken, received| Intake { taken, ..Intake::new(None, false) }.check_expansion(received).is_ok();
        assert!(expands(EXPANSION_FREE_BYTES, 1));
        assert!(!expands(EXPANSION_FREE_BYTES + EXPANSION_RATIO_MAX, 1000));
        assert!(expands(100 * EXPANSION_FREE_BYTES, EXPANSION_FREE_BYTES));
        assert!(!expands(1000 * EXPANSION_FREE_BYTES, EXPANSION_FREE_BYTES));
    }
}
