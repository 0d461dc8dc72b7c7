//! One question sent, one reply received: over UDP, TCP or TLS.
//!
//! Knows ids and lengths, nothing else of a message.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::query::{Query, random_id};
use super::wire::{HEADER_BYTES, Header};
use super::{CONNECT, REQUEST};
use crate::failure::{Failure, Reason};
use crate::net::{Net, Source, Tls};
use crate::recorder::Recorder;

/// Most datagrams with another id that are passed over. Chosen: late replies are few, a flood of guesses is not.
const STRAYS_MAX: usize = 1000;

/// Most such datagrams that get a note.
const STRAY_NOTES_MAX: usize = 3;

/// A reply with the id of the question. Only its header was looked at.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) header: Header,
}

/// Asks in a datagram, and reads so many bytes of the reply. Replies with another id are passed over: they may answer
/// an earlier question.
pub(super) async fn over_udp(
    net: &Net,
    recorder: &mut Recorder,
    peer: SocketAddr,
    source: Source,
    query: &Query,
    bytes_max: usize,
) -> Result<Reply, Failure> {
    recorder.enter(CONNECT);
    let socket = net.udp(peer, source).await?;
    let id = random_id();
    recorder.enter(REQUEST);
    recorder.sent(format_args!("{} (id {id}, UDP to {peer})", query.text));
    let failed = |error: &io::Error| Failure::io(&format!("no reply from {peer}"), error);
    socket.send(&query.datagram(id)).await.map_err(|error| failed(&error))?;
    // One byte more tells a reply that is cut from one that just fits.
    let mut bytes = Vec::with_capacity(bytes_max + 1);
    for stray in 0..STRAYS_MAX {
        bytes.clear();
        socket.recv_buf(&mut bytes).await.map_err(|error| failed(&error))?;
        match Header::read(&bytes) {
            None => return Err(too_short(bytes.len())),
            Some(header) if header.id == id => {
                if bytes.len() > bytes_max {
                    bytes.truncate(bytes_max);
                    recorder.note(format_args!("only {bytes_max} bytes of the reply were read (udp_reply_bytes_max)"));
                }
                return Ok(Reply { bytes, header });
            }
            Some(header) if stray < STRAY_NOTES_MAX => {
                recorder.note(format_args!("passed over a reply with id {}", header.id));
            }
            Some(_) => {}
        }
    }
    Err(Failure::new(Reason::ProtocolError, format_args!("{STRAYS_MAX} replies with another id than {id}")))
}

/// Asks on a new TCP connection.
pub(super) async fn over_tcp(
    net: &Net,
    recorder: &mut Recorder,
    peer: SocketAddr,
    source: Source,
    query: &Query,
) -> Result<Reply, Failure> {
    let stream = net.tcp_in(CONNECT, recorder, peer, source).await?;
    over_stream(recorder, stream, query, "TCP").await
}

/// Where an encrypted channel is asked for: the peer, and the name its certificate must have.
pub(super) struct Secure<'a> {
    pub(super) tls: &'a Tls,
    pub(super) name: &'a str,
}

/// Asks on a new TLS connection. The handshake counts as part of connecting, as in blackbox_exporter.
pub(super) async fn over_tls(
    net: &Net,
    recorder: &mut Recorder,
    peer: SocketAddr,
    source: Source,
    secure: Secure<'_>,
    query: &Query,
) -> Result<Reply, Failure> {
    let stream = net.tcp_in(CONNECT, recorder, peer, source).await?;
    let (stream, _session) = secure.tls.handshake_in(CONNECT, net, recorder, stream, secure.name).await?;
    over_stream(recorder, stream, query, "TLS").await
}

async fn over_stream(
    recorder: &mut Recorder,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    query: &Query,
    transport: &str,
) -> Result<Reply, Failure> {
    let id = random_id();
    recorder.enter(REQUEST);
    recorder.sent(format_args!("{} (id {id}, {transport})", query.text));
    let sent = async {
        stream.write_all(&query.framed(id)).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| broken("cannot send the question", &error))?;
    let bytes = read_frame(&mut stream).await?;
    match Header::read(&bytes) {
        None => Err(too_short(bytes.len())),
        Some(header) if header.id == id => Ok(Reply { bytes, header }),
        Some(header) => {
            let message = format_args!("a reply with id {} to the question with id {id}", header.id);
            Err(Failure::new(Reason::ProtocolError, message))
        }
    }
}

/// Reads a message and the length before it (RFC 1035 section 4.2.2).
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Failure> {
    let length = match stream.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(Failure::new(Reason::ClosedEarly, "the connection was closed before a reply came"));
        }
        Err(error) => return Err(broken("no reply", &error)),
    };
    let mut bytes = Vec::with_capacity(length);
    let mut rest = stream.take(length as u64);
    while bytes.len() < length {
        match rest.read_buf(&mut bytes).await {
            Ok(0) => {
                let message = format_args!("the connection was closed after {} of {length} bytes", bytes.len());
                return Err(Failure::new(Reason::ClosedEarly, message));
            }
            Ok(_) => {}
            Err(error) => return Err(broken("no whole reply", &error)),
        }
    }
    Ok(bytes)
}

fn too_short(length: usize) -> Failure {
    let message = format_args!("a reply of {length} bytes, shorter than a header of {HEADER_BYTES}");
    Failure::new(Reason::ProtocolError, message)
}

/// The failure of a stream; bytes that are no TLS are the peer's breach of protocol.
fn broken(doing: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => Failure::new(Reason::ProtocolError, format_args!("{doing}: {error}")),
        _ => Failure::io(doing, error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_end_early(bytes in proptest::collection::vec(any::<u8>(), 0..700), length in 0..800_u16) {
            let framed = [&length.to_be_bytes()[..], &bytes].concat();
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            for bytes in [&bytes, &framed] {
                let read = runtime.block_on(read_frame(&mut &bytes[..]));
                let expected = bytes.split_first_chunk().and_then(|(length, rest)| {
                    rest.get(..usize::from(u16::from_be_bytes(*length)))
                });
                match expected {
                    Some(message) => prop_assert_eq!(read.expect("a message"), message),
                    None => prop_assert_eq!(read.expect_err("too short").reason(), Reason::ClosedEarly),
                }
            }
        }
    }
}
