//! Bodies in gzip (RFC 1952). Small ones are wrapped, not compressed: compressing a probe's answer takes longer than the
//! probe's own work, and sending it as it is costs nothing.

use std::io::Write as _;

use flate2::{Compression, Crc, write::GzEncoder};

/// Smallest body that is worth compressing, in bytes. Chosen: below it the time costs more than the way.
const COMPRESSED_BYTES_MIN: usize = 16 * 1024;
/// The head of a member: deflate, no name, no time, of an unknown system (RFC 1952 section 2.3).
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// Longest stored block (RFC 1951 section 3.2.4).
const BLOCK_BYTES_MAX: usize = 65535;

/// A body in gzip.
pub(super) fn packed(body: Vec<u8>) -> Vec<u8> {
    if body.len() < COMPRESSED_BYTES_MIN {
        return wrapped(&body);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    match encoder.write_all(&body).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        Err(_) => wrapped(&body),
    }
}

/// A body in stored blocks.
fn wrapped(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 64);
    out.extend_from_slice(&HEAD);
    let mut rest = body;
    loop {
        let (block, after) = rest.split_at(rest.len().min(BLOCK_BYTES_MAX));
        let length = u16::try_from(block.len()).expect("a block is no longer than 65535 bytes");
        out.push(u8::from(after.is_empty()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let mut crc = Crc::new();
    crc.update(body);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn every_body_is_read_back() {
        for length in [0, 1, 3000, COMPRESSED_BYTES_MIN, BLOCK_BYTES_MAX, BLOCK_BYTES_MAX + 1, 200_000] {
            let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            for packed in [packed(body.clone()), wrapped(&body)] {
                let mut read = Vec::new();
                GzDecoder::new(packed.as_slice()).read_to_end(&mut read).unwrap();
                assert_eq!(read, body, "{length}");
            }
        }
    }
}
