//! What a peer says in HTTP/2, frame by frame (RFC 9113 section 4.1).

/// Carries a body (RFC 9113 section 6.1).
pub const DATA: u8 = 0;
/// Opens a stream, or ends it (section 6.2).
pub const HEADERS: u8 = 1;
/// Breaks a stream off (section 6.4).
pub const RST_STREAM: u8 = 3;
/// Says what an endpoint takes (section 6.5).
pub const SETTINGS: u8 = 4;
/// Asks for a sign of life (section 6.7).
pub const PING: u8 = 6;
/// Takes leave (section 6.8).
pub const GOAWAY: u8 = 7;
/// Goes on with headers (section 6.10).
pub const CONTINUATION: u8 = 9;

/// Flag of the last frame of a stream.
pub const END_STREAM: u8 = 1;
/// Flag of headers that are whole.
pub const END_HEADERS: u8 = 4;

/// `:status: 200` (RFC 7541 appendix A).
pub const STATUS_200: &[u8] = &[0x88];

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A header that is in no table (RFC 7541 section 6.2.2).
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text");
    let mut field = vec![0, length(name)];
    field.extend_from_slice(name.as_bytes());
    field.push(length(value));
    field.extend_from_slice(value.as_bytes());
    field
}
