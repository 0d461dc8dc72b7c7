//! The messages of `grpc.health.v1` (health.proto of gRPC), and how a message lies in a body ("gRPC over HTTP2",
//! Length-Prefixed-Message).

use bytes::Bytes;
use prost::Message;

use super::call::Broken;
use super::status::Code;
use crate::failure::{Failure, Reason};

/// Largest message that is taken, in bytes. Chosen: an answer about health has two.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What stands before a message: whether it is compressed, and its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// What a server says of a service, by number.
pub(super) const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/// The number of the one good state.
pub(super) const SERVING: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    /// A number, because servers may know more states than the four.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// The body of a request about a service.
pub(super) fn question(service: &str) -> Result<Bytes, String> {
    let message = HealthCheckRequest { service: service.to_owned() }.encode_to_vec();
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(format!("service: the name is longer than {MESSAGE_BYTES_MAX} bytes"));
    }
    let length = u32::try_from(message.len()).expect("below the limit");
    Ok([&[0][..], &length.to_be_bytes(), &message].concat().into())
}

/// The length that the beginning of a body announces for its message, if that much is there.
pub(super) fn announced(body: &[u8]) -> Option<usize> {
    let prefix = body.first_chunk::<PREFIX_BYTES>()?;
    Some(u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize)
}

/// The state in the body of an answer, which holds one message.
pub(super) fn state(body: &[u8]) -> Result<i32, Broken> {
    let broken = |what: &str| Broken { code: Code::INTERNAL, failure: Failure::new(Reason::ProtocolError, what) };
    let length = announced(body).ok_or_else(|| broken("the answer has no message"))?;
    let (prefix, message) = body.split_at(PREFIX_BYTES);
    if prefix[0] != 0 {
        return Err(broken("the message is compressed, which was not asked for"));
    }
    if message.len() < length {
        return Err(broken("the message is cut short"));
    }
    if message.len() > length {
        return Err(broken("the answer has more than one message"));
    }
    let answer = HealthCheckResponse::decode(message).map_err(|_| broken("the message is none of the health check"))?;
    Ok(answer.status)
}

/// The name of a state; its number where it has none.
pub(super) fn state_name(state: i32) -> std::borrow::Cow<'static, str> {
    let known = usize::try_from(state).ok().and_then(|state| STATES.get(state));
    known.map_or_else(|| state.to_string().into(), |name| (*name).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_question_names_its_service() {
        assert_eq!(question("").expect("short"), Bytes::from_static(&[0, 0, 0, 0, 0]));
        assert_eq!(question("a.B").expect("short"), Bytes::from_static(b"\0\0\0\0\x05\x0a\x03a.B"));
        assert!(question(&"x".repeat(MESSAGE_BYTES_MAX)).is_err());
    }

    #[test]
    fn a_body_holds_one_message() {
        let read = |body: &[u8]| state(body).map_err(|broken| broken.code);
        assert_eq!(read(b"\0\0\0\0\0"), Ok(0));
        assert_eq!(read(b"\0\0\0\0\x02\x08\x01"), Ok(SERVING));
        assert_eq!(read(b"\0\0\0\0\x04\x08\x63\x10\x01"), Ok(99));
        for body in [
            &b""[..],
            b"\0\0\0\0",
            b"\x01\0\0\0\x02\x08\x01",
            b"\0\0\0\0\x03\x08\x01",
            b"\0\0\0\0\x02\x08\x01\0\0\0\0\0",
            b"\0\0\0\0\x02\xff\xff",
            b"\0\xff\xff\xff\xff\x08\x01",
        ] {
            assert_eq!(read(body), Err(Code::INTERNAL), "{body:?}");
        }
    }

    #[test]
    fn states_without_a_name_are_numbers() {
        assert_eq!(
            [-1, 0, 3, 4].map(|state| state_name(state).into_owned()),
            ["-1", "UNKNOWN", "SERVICE_UNKNOWN", "4"]
        );
    }

    proptest! {
        #[test]
        fn any_body_is_read(body: Vec<u8>) {
            let _ = state(&body);
        }
    }
}
