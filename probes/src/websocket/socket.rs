//! A websocket as a dialogue needs it: a message in, a message out, a goodbye (RFC 6455 sections 5 to 7).
//!
//! The frames are the library's; the limits are ours.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_util::{Sink, Stream};
use tokio::io::AsyncWrite;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame, Utf8Bytes};
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use crate::failure::{Failure, Reason, shown};
use crate::http::judge;
use crate::http::wire::Wire;
use crate::net::{Stamped, Stamps};
use crate::tcp::wire::RUN_BYTES_MAX;

/// Largest message, and largest frame, in bytes. Chosen: far above what a dialogue is about.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Most frames that ask for a sign of life, or give one, before a message. Chosen: one a second for a quarter of an hour.
pub(super) const CONTROL_FRAMES_MAX: usize = 1000;
/// Room made for one read. Chosen: a page; dialogues are short.
const READ_BYTES: usize = 4096;
/// Longest reason for closing that is shown, in bytes (RFC 6455 section 5.5: no more fit).
const CLOSE_BYTES_SHOWN: usize = 123;

/// A websocket.
pub(super) struct Socket {
    stream: WebSocketStream<Stamped<Wire>>,
    stamps: Stamps,
}

impl Socket {
    /// A websocket on a connection of which some bytes were read already.
    pub(super) async fn new(wire: Stamped<Wire>, read: Vec<u8>, stamps: Stamps) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let stream = WebSocketStream::from_partially_read(wire, read, Role::Client, Some(config)).await;
        Self { stream, stamps }
    }

    /// The next message, text or bytes. Pings are answered on the way.
    pub(super) async fn message(&mut self) -> Result<bytes::Bytes, Failure> {
        for _ in 0..CONTROL_FRAMES_MAX {
            match self.next().await? {
                Some(Message::Text(text)) => return Ok(text.into()),
                Some(Message::Binary(bytes)) => return Ok(bytes),
                Some(Message::Close(frame)) => return Err(closed(frame)),
                Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                None => return Err(closed(None)),
            }
        }
        let message = format_args!("{CONTROL_FRAMES_MAX} control frames came, but no message");
        Err(Failure::new(Reason::TooLong, message))
    }

    async fn next(&mut self) -> Result<Option<Message>, Failure> {
        let Self { stream, stamps } = self;
        poll_fn(|cx| match Pin::new(&mut *stream).poll_next(cx) {
            Poll::Ready(next) => Poll::Ready(next.transpose().map_err(|error| judge(&error))),
            // The library waits for whole messages, however many fragments of nothing come.
            Poll::Pending if stamps.bytes_read() > RUN_BYTES_MAX as u64 => {
                let message = format_args!("the peer sent more than {RUN_BYTES_MAX} bytes");
                Poll::Ready(Err(Failure::new(Reason::TooLong, message)))
            }
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Sends a message as text, also where it is none: blackbox_exporter sends what a binary message was made of.
    pub(super) async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        let frame = Frame::message(bytes, OpCode::Data(Data::Text), true);
        let mut message = Some(Message::Frame(frame));
        poll_fn(|cx| {
            let mut stream = Pin::new(&mut self.stream);
            if message.is_some() {
                std::task::ready!(stream.as_mut().poll_ready(cx))?;
            }
            if let Some(message) = message.take() {
                stream.as_mut().start_send(message)?;
            }
            stream.poll_flush(cx)
        })
        .await
        .map_err(|error| judge(&error))
    }

    /// Says goodbye (RFC 6455 section 7.1.1) without waiting for anybody.
    pub(super) async fn close(mut self) {
        poll_fn(|cx| {
            let mut stream = Pin::new(&mut self.stream);
            let goodbye = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            // Whether it could be said does not matter: the dialogue is over.
            let _ = stream.as_mut().start_send(Message::Close(Some(goodbye)));
            let _ = stream.as_mut().poll_flush(cx);
            let _ = Pin::new(stream.get_mut().get_mut()).poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
    }
}

/// The peer closed where a message was due.
fn closed(frame: Option<CloseFrame>) -> Failure {
    let words = frame.map_or_else(String::new, |frame| {
        let reason = shown(frame.reason.as_bytes(), CLOSE_BYTES_SHOWN);
        format!(": {} \"{reason}\"", u16::from(frame.code))
    });
    Failure::new(Reason::ClosedEarly, format_args!("the peer closed the websocket where a message was due{words}"))
}

/// What an error of the websocket library means.
fn judge(error: &Error) -> Failure {
    let reason = match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Reason::ClosedEarly,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Reason::ClosedEarly,
        Error::Io(error) => judge::of_io(error),
        Error::Capacity(_) | Error::WriteBufferFull(_) => Reason::TooLong,
        _ => Reason::ProtocolError,
    };
    Failure::new(reason, error)
}
