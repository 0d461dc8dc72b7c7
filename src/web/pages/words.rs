//! Times and lengths in words.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// A moment in UTC.
pub(super) fn moment(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| "?".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// How long ago a moment was.
pub(super) fn ago(at: SystemTime, now: SystemTime) -> String {
    match now.duration_since(at) {
        Ok(past) => format!("{} ago", span(past)),
        Err(_) => "just now".to_owned(),
    }
}

/// A length of time in its two largest units.
pub(super) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A short length of time, with three digits.
pub(super) fn length(length: Duration) -> String {
    let micros = length.as_secs_f64() * 1e6;
    match micros {
        ..1e3 => format!("{micros:.0} µs"),
        ..1e4 => format!("{:.2} ms", micros / 1e3),
        ..1e5 => format!("{:.1} ms", micros / 1e3),
        ..1e6 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_fitting_unit() {
        let cases =
            [(310, "310 µs"), (4_567, "4.57 ms"), (45_670, "45.7 ms"), (456_700, "457 ms"), (4_567_000, "4.57 s")];
        for (micros, words) in cases {
            assert_eq!(length(Duration::from_micros(micros)), words);
        }
        assert_eq!(span(Duration::from_secs(90_061)), "1 d 1 h");
    }
}
