//! Decompression of answers, because the module says so: what the answer says of itself is not consulted.

use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use tokio::io::{AsyncBufReadExt, AsyncRead};

use super::body::AnswerBody;
use super::judge;
use crate::failure::{Failure, Reason};

/// Largest window of a zstd stream, as a power of two. RFC 8878 section 3.1.1.1.2 recommends to support 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 1951, with or without the frame of RFC 1950.
    Deflate,
    /// RFC 8878. blackbox_exporter does not know it.
    Zstd,
}

impl Compression {
    /// The compression of this name, in any case; `None` if there is none to undo.
    pub(super) fn of(name: &str) -> Option<Self> {
        let known = [("gzip", Self::Gzip), ("br", Self::Brotli), ("deflate", Self::Deflate), ("zstd", Self::Zstd)];
        known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, compression)| compression)
    }

    /// Whether the name is one of a compression, or says that there is none.
    pub(super) fn is_known(name: &str) -> bool {
        name.is_empty() || name.eq_ignore_ascii_case("identity") || Self::of(name).is_some()
    }

    /// The decompressed body.
    pub(super) async fn decoder(self, mut body: AnswerBody) -> Result<Pin<Box<dyn AsyncRead + Send>>, Failure> {
        let head = body.fill_buf().await.map_err(|error| judge::body(&error))?.first().copied();
        Ok(match self {
            Self::Gzip => {
                if head != Some(0x1f) {
                    return Err(Failure::new(Reason::DecodeError, "the body is not compressed with gzip"));
                }
                let mut decoder = GzipDecoder::new(body);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Self::Brotli => Box::pin(BrotliDecoder::new(body)),
            // RFC 9110 section 8.4.1.2 means the frame of zlib, many servers and blackbox_exporter none. The first byte
            // of such a frame (RFC 1950 section 2.2) begins no stream that a compressor writes.
            Self::Deflate if head.is_some_and(|byte| byte & 0x8f == 0x08) => Box::pin(ZlibDecoder::new(body)),
            Self::Deflate => Box::pin(DeflateDecoder::new(body)),
            Self::Zstd => {
                let window = DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX);
                Box::pin(ZstdDecoder::with_params(body, &[window]))
            }
        })
    }
}
