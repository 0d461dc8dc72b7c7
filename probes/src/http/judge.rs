//! What an error of the HTTP library means. The one place where its errors are judged.

use std::error::Error;
use std::fmt;
use std::io;

use crate::failure::{Failure, Reason};

/// What a broken exchange means.
pub(crate) fn exchange(error: &hyper::Error) -> Failure {
    Failure::new(reason(error), Chain(error))
}

/// What a broken body means: the connection's fault, or the decompressor's.
pub(super) fn body(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    if let Some(failure) = inner.and_then(|inner| inner.downcast_ref::<Failure>()) {
        return failure.clone();
    }
    match inner.and_then(|inner| inner.downcast_ref::<hyper::Error>()) {
        Some(error) => exchange(error),
        None => Failure::new(Reason::DecodeError, format_args!("the body cannot be decompressed: {error}")),
    }
}

fn reason(error: &hyper::Error) -> Reason {
    if error.is_incomplete_message() {
        return Reason::ClosedEarly;
    }
    if error.is_parse_too_large() {
        return Reason::TooLong;
    }
    if error.is_parse() {
        return Reason::ProtocolError;
    }
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return of_io(error);
        }
        source = error.source();
    }
    Reason::ProtocolError
}

/// Errors without a number are the library's own words: the peer's bytes do not fit.
pub(crate) fn of_io(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
            if error.raw_os_error().is_none() =>
        {
            Reason::ProtocolError
        }
        _ => Reason::of_io(error),
    }
}

/// An error and what caused it, in one line.
struct Chain<'a>(&'a hyper::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
