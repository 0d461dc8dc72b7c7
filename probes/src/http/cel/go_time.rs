//! How Go reads moments and spans of time from text, and writes them, which is what CEL has from it.

use chrono::{DateTime, Duration, FixedOffset, NaiveDate, Timelike};

/// The first and the last second that a moment of CEL can have: of the years 1 and 9999 (cel-spec, "Overflow").
pub(super) const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Takes digits off a text: as many as there are, from `least` to `most`.
fn digits(text: &mut &[u8], least: usize, most: usize) -> Option<u32> {
    let count = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(count);
    *text = rest;
    (count >= least).then(|| number.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// Takes one of some bytes off a text.
fn one_of(text: &mut &[u8], bytes: &[u8]) -> Option<u8> {
    let (first, rest) = text.split_first()?;
    *text = rest;
    bytes.contains(first).then_some(*first)
}

/// Reads a moment (RFC 3339, section 5.6) as Go's `time.Parse` does: letters are capital, there is no 61st second, an
/// hour may have one digit, a comma may stand for the point, and digits after the ninth say nothing.
pub(super) fn moment(text: &str) -> Option<DateTime<FixedOffset>> {
    let mut text = text.as_bytes();
    let text = &mut text;
    let year = digits(text, 4, 4)?;
    one_of(text, b"-")?;
    let month = digits(text, 2, 2)?;
    one_of(text, b"-")?;
    let day = digits(text, 2, 2)?;
    one_of(text, b"T")?;
    let hour = digits(text, 1, 2)?;
    one_of(text, b":")?;
    let minute = digits(text, 2, 2)?;
    one_of(text, b":")?;
    let second = digits(text, 2, 2)?;
    let mut nanosecond = 0;
    if let [b'.' | b',', ..] = text {
        *text = &text[1..];
        let before = text.len();
        nanosecond = digits(text, 1, 9)?;
        for _ in before - text.len()..9 {
            nanosecond *= 10;
        }
        while let [b'0'..=b'9', rest @ ..] = text {
            *text = rest;
        }
    }
    let offset = match one_of(text, b"Z+-")? {
        b'Z' => 0,
        sign => {
            let hours = digits(text, 2, 2)?;
            one_of(text, b":")?;
            let minutes = digits(text, 2, 2).filter(|minutes| *minutes < 60)?;
            let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
            if sign == b'-' { -seconds } else { seconds }
        }
    };
    if !text.is_empty() {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let moment = date.and_hms_nano_opt(hour, minute, second, nanosecond)?;
    let moment = moment.and_local_timezone(FixedOffset::east_opt(offset)?).single()?;
    SECONDS.contains(&moment.timestamp()).then_some(moment)
}

/// Writes a moment as Go's `time.RFC3339Nano` does: in its own zone, without zeros at the end of the fraction.
pub(super) fn moment_text(moment: &DateTime<FixedOffset>) -> String {
    let mut text = moment.format("%Y-%m-%dT%H:%M:%S").to_string();
    if moment.nanosecond() > 0 {
        let fraction = format!(".{:09}", moment.nanosecond());
        text.push_str(fraction.trim_end_matches('0'));
    }
    match moment.offset().local_minus_utc() {
        0 => text.push('Z'),
        _ => text.push_str(&moment.format("%:z").to_string()),
    }
    text
}

/// Reads a span of time as Go's `time.ParseDuration` does: a sign, then numbers with units; `0` needs none. In
/// nanoseconds.
pub(super) fn span(text: &str) -> Option<i64> {
    let (is_negative, mut rest) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest == b"0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let part = part(&mut rest)?;
        sum = sum.checked_add(part).filter(|sum| *sum <= 1 << 63)?;
    }
    if is_negative { 0_i64.checked_sub_unsigned(sum) } else { i64::try_from(sum).ok() }
}

/// Takes a number and its unit off a text.
fn part(text: &mut &[u8]) -> Option<u64> {
    let before = text.len();
    let mut whole = 0_u64;
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        whole = whole.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        *text = rest;
    }
    let mut has_digits = text.len() < before;
    // As many digits as there is room for; the others say nothing.
    let (mut fraction, mut scale, mut is_full) = (0_u64, 1.0_f64, false);
    if let [b'.', rest @ ..] = text {
        *text = rest;
        while let [digit @ b'0'..=b'9', rest @ ..] = text {
            has_digits = true;
            let longer = fraction.checked_mul(10).and_then(|longer| longer.checked_add(u64::from(digit - b'0')));
            match longer.filter(|longer| !is_full && *longer <= 1 << 63) {
                Some(longer) => (fraction, scale) = (longer, scale * 10.0),
                None => is_full = true,
            }
            *text = rest;
        }
    }
    if !has_digits {
        return None;
    }
    let end = text.iter().position(|byte| *byte == b'.' || byte.is_ascii_digit()).unwrap_or(text.len());
    let (unit, rest) = text.split_at(end);
    *text = rest;
    let unit: u64 = match std::str::from_utf8(unit).ok()? {
        "ns" => 1,
        // The sign for micro, and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    // Less than a unit.
    let fraction = (fraction as f64 * (unit as f64 / scale)) as u64;
    whole.checked_mul(unit)?.checked_add(fraction)
}

/// Writes a span of time as CEL in Go does: in seconds, with as many digits as a double needs.
pub(super) fn span_text(span: &Duration) -> String {
    let seconds = span.num_seconds() as f64 + f64::from(span.subsec_nanos()) / 1e9;
    format!("{seconds}s")
}
