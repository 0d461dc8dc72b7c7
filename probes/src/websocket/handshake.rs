//! The upgrade of a connection (RFC 6455 section 4): a request of HTTP/1.1 whose answer ends HTTP.
//!
//! The HTTP library speaks it, so that its limits and errors are those of the kind `http`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::socket::Socket;
use super::{STATUS_CODE, UPGRADED};
use crate::failure::{Failure, Reason};
use crate::http::judge;
use crate::http::wire::Wire;
use crate::net::{Stamped, Stamps};
use crate::recorder::Recorder;

/// Largest head of an answer in bytes. Chosen: twice what common servers send at most; no page follows.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Most bytes before the final answer is complete: informational answers (RFC 9110 section 15.2) count.
const BYTES_BEFORE_ANSWER_MAX: u64 = 2 * HEAD_BYTES_MAX as u64;

type Connection = http1::Connection<TokioIo<Stamped<Wire>>, Empty<Bytes>>;

/// Asks for the upgrade; gives the websocket.
pub(super) async fn upgrade(
    recorder: &mut Recorder,
    wire: Wire,
    request: Request<Empty<Bytes>>,
) -> Result<Socket, Failure> {
    recorder.sent(format_args!("GET {} HTTP/1.1, to become a websocket", request.uri()));
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let stamps = Stamps::new();
    let io = TokioIo::new(Stamped::new(wire, stamps.clone()));
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true).allow_obsolete_multiline_headers_in_responses(true);
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, mut connection) = builder.handshake(io).await.map_err(|error| judge::exchange(&error))?;
    let mut is_over = false;
    let answer = wait(&mut connection, &mut is_over, sender.send_request(request), &stamps).await?;
    let status = answer.status();
    recorder.read(&STATUS_CODE, f64::from(status.as_u16()));
    recorder.received(format_args!("{:?} {status}", answer.version()));
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let message = format_args!("the server answered {status} and not 101");
        return Err(Failure::new(Reason::StatusUnexpected, message));
    }
    check(answer.headers(), key.as_deref().unwrap_or_default())?;
    if !is_over {
        let ended = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
        ended.map_err(|error| judge::exchange(&error))?;
    }
    recorder.read(&UPGRADED, 1.0);
    let parts = connection.into_parts();
    Ok(Socket::new(parts.io.into_inner(), parts.read_buf.to_vec(), stamps).await)
}

/// Moves the connection until the head of the final answer is there.
async fn wait(
    connection: &mut Connection,
    is_over: &mut bool,
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    stamps: &Stamps,
) -> Result<Response<Incoming>, Failure> {
    let mut answer = pin!(answer);
    let mut cause = None;
    poll_fn(|cx| {
        if !*is_over && let Poll::Ready(ended) = connection.poll_without_shutdown(cx) {
            *is_over = true;
            cause = ended.err();
        }
        match answer.as_mut().poll(cx) {
            Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
            // What ended the connection tells more than that it ended.
            Poll::Ready(Err(error)) => Poll::Ready(Err(judge::exchange(cause.as_ref().unwrap_or(&error)))),
            Poll::Pending if stamps.bytes_read() > BYTES_BEFORE_ANSWER_MAX => {
                let message = format_args!("{BYTES_BEFORE_ANSWER_MAX} bytes came, but no final answer");
                Poll::Ready(Err(Failure::new(Reason::TooLong, message)))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Whether the answer agrees to what was asked (RFC 6455 section 4.1).
fn check(headers: &HeaderMap, key: &str) -> Result<(), Failure> {
    let broken = |what: &str| Err(Failure::new(Reason::ProtocolError, format_args!("the server answered 101 {what}")));
    if !has_token(headers, &header::UPGRADE, "websocket") {
        return broken("without Upgrade: websocket");
    }
    if !has_token(headers, &header::CONNECTION, "upgrade") {
        return broken("without Connection: Upgrade");
    }
    if headers.get(header::SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| accept.as_bytes() != key.as_bytes()) {
        return broken("with a key that does not fit");
    }
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return broken("with an extension that was not asked for");
    }
    Ok(())
}

/// Whether a list in a header has this word, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
}
