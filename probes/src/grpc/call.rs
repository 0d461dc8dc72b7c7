//! One call over one connection: HTTP/2 (RFC 9113) moved inside the probe's own future, so that nothing is spawned.
//!
//! Knows no service and no status: it hands back what the peer answered.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::header::HeaderMap;
use http::{Request, response};

use super::message::{self, MESSAGE_BYTES_MAX, PREFIX_BYTES};
use super::status::Code;
use crate::failure::{Failure, Reason};
use crate::http::judge;
use crate::http::wire::Wire;
use crate::net::{Stamped, Stamps};

/// Largest head or trailers of an answer in bytes (RFC 9113 section 6.5.2). Chosen: as other implementations of gRPC.
const METADATA_BYTES_MAX: u32 = 16 << 10;
/// Most bytes of one call: a message, twice metadata, and what the protocol says by itself.
const CALL_BYTES_MAX: u64 = 2 * MESSAGE_BYTES_MAX as u64;
/// Window of the stream and of the connection (RFC 9113 section 5.2): what a peer may send unread.
const WINDOW_BYTES: u32 = 256 << 10;

/// A call that brought no state of a service.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) code: Code,
    pub(super) failure: Failure,
}

/// What the peer answered.
pub(super) struct Answer {
    pub(super) head: response::Parts,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
}

/// Sends one message and takes the whole answer.
pub(super) async fn unary(wire: Wire, request: Request<()>, question: Bytes) -> Result<Answer, Broken> {
    let stamps = Stamps::new();
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(METADATA_BYTES_MAX);
    builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
    let io = Stamped::new(wire, stamps.clone());
    let (sender, mut connection) = builder.handshake(io).await.map_err(|error| broken(&error))?;
    let mut ended = None;
    let answer = {
        let mut call = pin!(exchange(sender, request, question));
        poll_fn(|cx| {
            if ended.is_none()
                && let Poll::Ready(end) = Pin::new(&mut connection).poll(cx)
            {
                ended = Some(end.err());
            }
            match call.as_mut().poll(cx) {
                // What ended the connection tells more than that it ended.
                Poll::Ready(Err(Trouble::Http2(error))) => {
                    let cause = ended.as_ref().and_then(Option::as_ref).filter(|_| !error.is_reset());
                    Poll::Ready(Err(broken(cause.unwrap_or(&error))))
                }
                Poll::Ready(Err(Trouble::TooLong(broken))) => Poll::Ready(Err(broken)),
                Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
                // Nobody is left to wake a call that began when the connection was over already.
                Poll::Pending if ended.is_some() => {
                    let cause = ended.as_ref().and_then(Option::as_ref);
                    Poll::Ready(Err(cause.map_or_else(closed, broken)))
                }
                Poll::Pending if stamps.bytes_read() > CALL_BYTES_MAX => {
                    let message = format_args!("{CALL_BYTES_MAX} bytes came, but no whole answer");
                    Poll::Ready(Err(too_long(message)))
                }
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    };
    if ended.is_none() {
        // Says goodbye (RFC 9113 section 6.8) without waiting for anybody.
        poll_fn(|cx| {
            let _ = Pin::new(&mut connection).poll(cx);
            Poll::Ready(())
        })
        .await;
    }
    answer
}

enum Trouble {
    Http2(h2::Error),
    TooLong(Broken),
}

impl From<h2::Error> for Trouble {
    fn from(error: h2::Error) -> Self {
        Self::Http2(error)
    }
}

async fn exchange(sender: SendRequest<Bytes>, request: Request<()>, question: Bytes) -> Result<Answer, Trouble> {
    let mut sender = sender.ready().await?;
    let (answer, mut stream) = sender.send_request(request, false)?;
    stream.send_data(question, true)?;
    let (head, mut incoming) = answer.await?.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = incoming.data().await {
        let chunk = chunk?;
        incoming.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
        let length = message::announced(&body).unwrap_or(0);
        if length > MESSAGE_BYTES_MAX || body.len() > MESSAGE_BYTES_MAX + PREFIX_BYTES {
            let message = format_args!("the answer has a message of more than {MESSAGE_BYTES_MAX} bytes");
            return Err(Trouble::TooLong(too_long(message)));
        }
    }
    let trailers = incoming.trailers().await?;
    Ok(Answer { head, body, trailers })
}

fn too_long(message: impl std::fmt::Display) -> Broken {
    Broken { code: Code::RESOURCE_EXHAUSTED, failure: Failure::new(Reason::TooLong, message) }
}

fn closed() -> Broken {
    let failure = Failure::new(Reason::ClosedEarly, "the peer closed the connection before it answered");
    Broken { code: Code::UNAVAILABLE, failure }
}

/// What an error of the HTTP/2 library means.
fn broken(error: &h2::Error) -> Broken {
    let code = if error.is_reset() { error.reason().map_or(Code::UNKNOWN, of_reset) } else { Code::UNAVAILABLE };
    let reason = match error.get_io() {
        // The library's word for an end of the stream.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe && error.raw_os_error().is_none() => {
            Reason::ClosedEarly
        }
        Some(error) => judge::of_io(error),
        None => Reason::ProtocolError,
    };
    Broken { code, failure: Failure::new(reason, error) }
}

/// The code for a stream that ended with an HTTP/2 error ("gRPC over HTTP2", Errors).
const fn of_reset(reason: h2::Reason) -> Code {
    match reason {
        h2::Reason::REFUSED_STREAM => Code::UNAVAILABLE,
        h2::Reason::CANCEL => Code::CANCELLED,
        h2::Reason::ENHANCE_YOUR_CALM => Code::RESOURCE_EXHAUSTED,
        h2::Reason::INADEQUATE_SECURITY => Code::PERMISSION_DENIED,
        _ => Code::INTERNAL,
    }
}
