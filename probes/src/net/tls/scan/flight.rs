//! Reads a server's first answer: hello and certificates, or an alert (RFC 5246 sections 6.2 and 7.4, RFC 8446 section 4.1.3).

use rustls_pki_types::CertificateDer;

use crate::net::tls::scan::{Agreed, Answer, suite_name};

/// Longest record in bytes (RFC 5246 section 6.2.3, the longest of all versions).
pub(super) const RECORD_BYTES_MAX: usize = (1 << 14) + 2048;

/// Most handshake bytes looked at. As rustls: a certificate message of 64 KiB, and a hello before it.
const HANDSHAKE_BYTES_MAX: usize = 80 * 1024;

/// Most certificates taken. As in a handshake.
const CERTIFICATES_MAX: usize = 16;

/// Most records of one answer. Chosen: a certificate message in pieces of a hundred bytes.
const RECORDS_MAX: usize = 1024;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;

/// What was read of an answer.
#[derive(Debug, Default)]
pub(super) struct Flight {
    handshake: Vec<u8>,
    agreed: Option<Agreed>,
    records: usize,
}

impl Flight {
    /// Takes a record; an answer once it is known, or what the peer says instead of one.
    pub(super) fn take(&mut self, kind: u8, payload: &[u8]) -> Result<Option<Answer>, &'static str> {
        self.records += 1;
        if self.records > RECORDS_MAX {
            return Err("an answer without end");
        }
        match (kind, payload) {
            (HANDSHAKE, payload) => {
                if self.handshake.len() + payload.len() > HANDSHAKE_BYTES_MAX {
                    return Err("a handshake of more than 80 KiB");
                }
                self.handshake.extend_from_slice(payload);
                self.messages()
            }
            // A warning, say that the name is unknown, is no answer yet.
            (ALERT, [1, description]) if *description != 0 => Ok(None),
            (ALERT, [_, description]) => Ok(Some(self.end().unwrap_or(Answer::Alert(*description)))),
            _ => self.end().map(Some).ok_or("not TLS"),
        }
    }

    /// The answer if nothing more comes.
    pub(super) fn end(&mut self) -> Option<Answer> {
        self.agreed.take().map(Answer::Agreed)
    }

    fn messages(&mut self) -> Result<Option<Answer>, &'static str> {
        loop {
            let Some((kind, body, rest)) = message(&self.handshake) else { return Ok(None) };
            match (kind, &mut self.agreed) {
                (SERVER_HELLO, None) => {
                    let agreed = server_hello(body).ok_or("not TLS")?;
                    let is_13 = agreed.version >= 0x0304;
                    self.agreed = Some(agreed);
                    if is_13 {
                        // What follows is encrypted.
                        return Ok(self.end());
                    }
                }
                (CERTIFICATE, Some(agreed)) => {
                    agreed.chain = certificates(body).ok_or("a broken certificate message")?;
                    return Ok(self.end());
                }
                (_, Some(_)) => return Ok(self.end()),
                (_, None) => return Err("not TLS"),
            }
            let taken = self.handshake.len() - rest;
            self.handshake.drain(..taken);
        }
    }
}

/// The first whole message: its type, its body, and how many bytes follow it.
fn message(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (kind, rest) = bytes.split_first()?;
    let (body, rest) = prefixed(rest, 3)?;
    Some((*kind, body, rest.len()))
}

/// What a length of so many bytes leads, and what follows it.
fn prefixed(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(width)?;
    let length = length.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
    rest.split_at_checked(length)
}

fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*number), rest))
}

/// Version, random, session, suite, compression, extensions.
fn server_hello(body: &[u8]) -> Option<Agreed> {
    let (legacy, rest) = number(body)?;
    let (_session, rest) = prefixed(rest.get(32..)?, 1)?;
    let (suite, rest) = number(rest)?;
    let rest = rest.get(1..)?;
    let mut extensions = if rest.is_empty() { rest } else { prefixed(rest, 2)?.0 };
    let mut version = legacy;
    while !extensions.is_empty() {
        let (kind, rest) = number(extensions)?;
        let (value, rest) = prefixed(rest, 2)?;
        // `supported_versions` overrules (RFC 8446 section 4.2.1).
        if kind == 43 {
            version = number(value)?.0;
        }
        extensions = rest;
    }
    (version >> 8 == 3).then(|| Agreed { version, cipher: suite_name(suite), chain: Vec::new() })
}

fn certificates(body: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let (mut list, _) = prefixed(body, 3)?;
    let mut chain = Vec::new();
    while !list.is_empty() && chain.len() < CERTIFICATES_MAX {
        let (der, rest) = prefixed(list, 3)?;
        chain.push(CertificateDer::from(der.to_vec()));
        list = rest;
    }
    Some(chain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a peer sends: no panic, and nothing longer than it may be.
        #[test]
        fn a_hostile_answer_does_no_harm(records in proptest::collection::vec((20..24_u8, any::<Vec<u8>>()), 0..8)) {
            let mut flight = Flight::default();
            for (kind, payload) in records {
                if let Ok(Some(Answer::Agreed(agreed))) = flight.take(kind, &payload) {
                    prop_assert!(agreed.chain.len() <= CERTIFICATES_MAX && agreed.version >> 8 == 3);
                }
            }
        }

        /// An honest answer with a byte changed, in pieces of any size.
        #[test]
        fn a_changed_answer_does_no_harm(at: proptest::sample::Index, byte: u8, piece in 1..200_usize) {
            let mut bytes = answer(0x0301, 3);
            *at.get_mut(&mut bytes) = byte;
            let mut flight = Flight::default();
            for piece in bytes.chunks(piece) {
                if !matches!(flight.take(HANDSHAKE, piece), Ok(None)) {
                    break;
                }
            }
        }
    }

    fn wrapped(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        [&[kind], &length[1..], body].concat()
    }

    fn hello(version: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[2, 1, 2, 0, 0x2f, 0]);
        body.extend_from_slice(extensions);
        wrapped(SERVER_HELLO, &body)
    }

    /// Hello, and a certificate message of so many certificates of a hundred bytes.
    fn answer(version: u16, certificates: usize) -> Vec<u8> {
        let list: Vec<u8> = (0..certificates).flat_map(|_| wrapped(0, &[9; 100])[1..].to_vec()).collect();
        [hello(version, &[]), wrapped(CERTIFICATE, &wrapped(0, &list)[1..])].concat()
    }

    fn agreed(version: u16, certificates: usize) -> Answer {
        let chain = vec![CertificateDer::from(vec![9; 100]); certificates];
        Answer::Agreed(Agreed { version, cipher: "TLS_RSA_WITH_AES_128_CBC_SHA".into(), chain })
    }

    #[test]
    fn an_answer_is_read_in_pieces_of_any_size() {
        for piece in [1, 7, 64, 1000] {
            let mut flight = Flight::default();
            let bytes = answer(0x0302, 3);
            let found = bytes.chunks(piece).find_map(|piece| flight.take(HANDSHAKE, piece).expect("honest"));
            assert_eq!(found, Some(agreed(0x0302, 3)));
        }
    }

    #[test]
    fn the_version_is_where_each_protocol_tells_it() {
        let mut flight = Flight::default();
        let extensions = [0, 6, 0, 43, 0, 2, 3, 4];
        assert_eq!(flight.take(HANDSHAKE, &hello(0x0303, &extensions)), Ok(Some(agreed(0x0304, 0))));
    }

    #[test]
    fn an_alert_is_an_answer_but_a_warning_is_none() {
        let mut flight = Flight::default();
        assert_eq!(flight.take(ALERT, &[1, 112]), Ok(None));
        assert_eq!(flight.take(ALERT, &[2, 70]), Ok(Some(Answer::Alert(70))));
    }

    #[test]
    fn a_hello_without_certificates_is_an_answer() {
        let mut flight = Flight::default();
        assert_eq!(flight.take(HANDSHAKE, &hello(0x0301, &[])), Ok(None));
        assert_eq!(flight.end(), Some(agreed(0x0301, 0)));
        let mut flight = Flight::default();
        let done = [hello(0x0301, &[]), wrapped(14, &[])].concat();
        assert_eq!(flight.take(HANDSHAKE, &done), Ok(Some(agreed(0x0301, 0))));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert_eq!(Flight::default().take(b'2', b"20 hi"), Err("not TLS"));
        assert_eq!(Flight::default().take(HANDSHAKE, &wrapped(1, &[])), Err("not TLS"));
        assert_eq!(Flight::default().take(HANDSHAKE, &hello(0x0203, &[])), Err("not TLS"));
        let mut flight = Flight::default();
        let endless = wrapped(SERVER_HELLO, &[0; 16_000]);
        let mut size = endless;
        size[1] = 0xff;
        let refused = (0..8).find_map(|_| flight.take(HANDSHAKE, &size[..16_000]).err());
        assert_eq!(refused, Some("a handshake of more than 80 KiB"));
        let mut flight = Flight::default();
        let refused = (0..2000).find_map(|_| flight.take(HANDSHAKE, &[]).err());
        assert_eq!(refused, Some("an answer without end"));
    }
}
