//! Numbers as Go's `strconv.FormatFloat(value, 'g', -1, 64)` writes them, which is how Prometheus' own libraries do.
//!
//! The shortest digits that read back as the same number; an exponent from a million on and below a ten-thousandth.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From this exponent on a number is written with an exponent (Go: `eprec` for the shortest form).
const EXPONENT_MAX: i32 = 6;
/// Below this exponent a number is written with an exponent (Go: `exp < -4`).
const EXPONENT_MIN: i32 = -4;
/// Longest shortest form: a sign, 17 digits, a point, `e-308`.
const SCIENTIFIC_BYTES_MAX: usize = 32;

/// A length of time in seconds. Unlike [`Duration::as_secs_f64`] this is the float nearest to the decimal number, so that
/// its shortest form has nine decimals at most.
pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e9
}

/// A moment in seconds since 1970, to the millisecond.
pub(crate) fn unix_seconds(moment: SystemTime) -> f64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64 / 1e3
}

/// Appends a number.
pub(crate) fn write_number(value: f64, out: &mut Vec<u8>) {
    if value.fract() == 0.0 && value.abs() < 1e6 {
        if value < 0.0 {
            out.push(b'-');
        }
        write_integer(value.abs() as u64, out);
    } else if value.is_finite() {
        write_shortest(value, out);
    } else {
        out.extend_from_slice(match value {
            f64::INFINITY => b"+Inf",
            f64::NEG_INFINITY => b"-Inf",
            _ => b"NaN",
        });
    }
}

/// Appends a count. Counts from a million on have an exponent, as every other number.
pub(crate) fn write_count(value: u64, out: &mut Vec<u8>) {
    if value < 1_000_000 {
        write_integer(value, out);
    } else {
        write_shortest(value as f64, out);
    }
}

/// Appends the decimal digits of a whole number.
pub(crate) fn write_integer(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        let digit = (value % 10) as u8;
        digits[at] = b'0' + digit;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn write_shortest(value: f64, out: &mut Vec<u8>) {
    let mut buffer = [0_u8; SCIENTIFIC_BYTES_MAX];
    let mut rest = &mut buffer[..];
    write!(rest, "{:e}", value.abs()).expect("the shortest form of a number fits");
    let length = SCIENTIFIC_BYTES_MAX - rest.len();
    let scientific = &mut buffer[..length];

    let e = scientific.iter().position(|byte| *byte == b'e').expect("the form has an exponent");
    let exponent = read_exponent(&scientific[e + 1..]);
    // `1.234e5`: move the first digit over the point, so that the digits are one slice.
    let digits = if e > 1 {
        scientific[1] = scientific[0];
        &scientific[1..e]
    } else {
        &scientific[..1]
    };

    if value < 0.0 {
        out.push(b'-');
    }
    if (EXPONENT_MIN..EXPONENT_MAX).contains(&exponent) {
        write_plain(digits, exponent, out);
    } else {
        write_scientific(digits, exponent, out);
    }
}

fn read_exponent(text: &[u8]) -> i32 {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let exponent = digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    if negative { -exponent } else { exponent }
}

fn write_plain(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let Ok(exponent) = usize::try_from(exponent) else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', exponent.unsigned_abs() as usize - 1));
        out.extend_from_slice(digits);
        return;
    };
    let whole = exponent + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn write_scientific(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.unsigned_abs() < 10 {
        out.push(b'0');
    }
    write_integer(u64::from(exponent.unsigned_abs()), out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        write_number(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_look_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (200.0, "200"),
            (100_000.0, "100000"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (4e9, "4e+09"),
            (1_795_403_186.0, "1.795403186e+09"),
            (1_795_403_186.125, "1.795403186125e+09"),
            (-62_135_596_800.0, "-6.21355968e+10"),
            (3_668_918_509.0, "3.668918509e+09"),
            (123_456.789, "123456.789"),
            (0.5, "0.5"),
            (1.5, "1.5"),
            (0.000_976_562_5, "0.0009765625"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (0.000_003_589, "3.589e-06"),
            (0.012_345_678, "0.012345678"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn counts_look_like_other_numbers() {
        for value in [0, 7, 999_999, 1_000_000, 1_048_576, u64::from(u32::MAX)] {
            let mut out = Vec::new();
            write_count(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), written(value as f64));
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back_as_itself(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(written(value).parse::<f64>().unwrap(), value);
        }

        #[test]
        fn durations_read_back_and_are_short(nanos in 0_u64..10_000_000_000) {
            let value = seconds(Duration::from_nanos(nanos));
            let text = written(value);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            prop_assert!(text.len() <= 16, "{}", text);
        }
    }
}
