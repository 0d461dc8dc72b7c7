//! The headers of a mail that arrived (RFC 5322 section 2.2), and the dates in them.
//!
//! Whatever a mail says was written by somebody else: everything is bounded, nothing is believed.

use std::time::{Duration, SystemTime};

/// Most headers that are read. Chosen: ten times what mails have after a long way.
const HEADERS_MAX: usize = 500;
/// Longest value of a header that is kept in bytes. Chosen: results of spam filters have a quarter of it.
const VALUE_BYTES_MAX: usize = 8 * 1024;
/// Deepest comment within comments that is left out.
const COMMENT_DEPTH_MAX: usize = 16;

/// The headers of a mail, from the top.
#[derive(Debug, Default)]
pub(super) struct Headers {
    list: Vec<(String, String)>,
}

impl Headers {
    /// The headers, and the body that follows them.
    pub(super) fn split(message: &[u8]) -> (Self, &[u8]) {
        let mut list: Vec<(String, String)> = Vec::new();
        let mut rest = message;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            rest = after;
            let line = line.trim_ascii_end();
            if line.is_empty() {
                break;
            }
            if matches!(line[0], b' ' | b'\t') {
                // A folded line goes on with the value (RFC 5322 section 2.2.3).
                if let Some((_, value)) = list.last_mut()
                    && value.len() + line.len() <= VALUE_BYTES_MAX
                {
                    value.push(' ');
                    value.push_str(&String::from_utf8_lossy(line.trim_ascii_start()));
                }
                continue;
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            if list.len() < HEADERS_MAX {
                let value = line[colon + 1..].trim_ascii();
                let value = &value[..value.len().min(VALUE_BYTES_MAX)];
                let name = String::from_utf8_lossy(line[..colon].trim_ascii_end()).to_ascii_lowercase();
                list.push((name, String::from_utf8_lossy(value).into_owned()));
            }
        }
        (Self { list }, rest)
    }

    /// The values of a header, from the top. The name is in lower case.
    pub(super) fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        self.list.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a header.
    pub(super) fn first<'h>(&'h self, name: &'h str) -> Option<&'h str> {
        self.all(name).next()
    }
}

/// A value without the comments in parentheses (RFC 5322 section 3.2.2).
pub(super) fn without_comments(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut depth = 0_usize;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let escaped = characters.next();
                if depth == 0 {
                    plain.extend(escaped);
                }
            }
            '(' if depth < COMMENT_DEPTH_MAX => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(character),
            _ => {}
        }
    }
    plain
}

/// Reads `date-time` of RFC 5322 section 3.3, and the internal date of RFC 9051 section 9 (`17-Jul-1996 02:44:25 -0700`).
pub(super) fn date(text: &str) -> Option<SystemTime> {
    let text = without_comments(text);
    let text = text.split_once(',').map_or(text.as_str(), |(_, rest)| rest);
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let first = words.next()?;
    let (day, month, year) = match first.split_once('-') {
        Some((day, rest)) => {
            let (month, year) = rest.split_once('-')?;
            (day, month, year)
        }
        None => (first, words.next()?, words.next()?),
    };
    let mut clock = words.next()?.split(':');
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next().unwrap_or("0"));
    let number = |text: &str, most: i64| text.parse::<i64>().ok().filter(|number| (0..=most).contains(number));
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(month))? as i64 + 1;
    let days = days_since_1970(number(year, 9999).filter(|year| *year >= 1970)?, month, number(day, 31)?);
    let seconds = ((days * 24 + number(hour, 23)?) * 60 + number(minute, 59)?) * 60 + number(second, 60)?;
    let seconds = seconds - zone(words.next().unwrap_or("+0000"))?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds ahead of universal time. Names other than `GMT` and `UT` say nothing (RFC 5322 section 4.3).
fn zone(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return Some(0),
    };
    let number: i64 = (digits.len() == 4).then(|| digits.parse().ok())??;
    Some(sign * (number / 100 * 60 + number % 100) * 60)
}

/// Days from 1970-01-01, in the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March ends with the leap day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// A day as IMAP writes it (RFC 9051 section 9, `date`).
pub(super) fn imap_day(at: SystemTime) -> String {
    // "Sun, 06 Nov 1994 08:49:37 GMT"
    let text = httpdate::fmt_http_date(at);
    let mut words = text.split(' ').skip(1);
    let [day, month, year] = std::array::from_fn(|_| words.next().unwrap_or_default());
    format!("{day}-{month}-{year}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        date(text).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs())
    }

    #[test]
    fn headers_are_unfolded_and_told_from_the_body() {
        let (headers, body) = Headers::split(b"A: 1\r\nB: x\r\n\ty\r\na:2\r\nno header\r\n\r\nC: 3\r\n");
        assert_eq!(headers.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(headers.first("b"), Some("x y"));
        assert_eq!(headers.first("c"), None);
        assert_eq!(body, b"C: 3\r\n");
    }

    #[test]
    fn comments_are_left_out() {
        assert_eq!(without_comments("a (b (c) \\) d) e"), "a  e");
        assert_eq!(without_comments("a (b"), "a ");
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 +0000"), Some(784_111_777));
        assert_eq!(seconds("6 Nov 1994 10:49:37 +0200 (EET)"), Some(784_111_777));
        assert_eq!(seconds("06-Nov-1994 00:49:37 -0800"), Some(784_111_777));
        assert_eq!(seconds("Sun, 6 Nov 1994 08:49 GMT"), Some(784_111_740));
        assert_eq!(seconds("29 Feb 2024 00:00:00 +0000"), Some(1_709_164_800));
        for wrong in
            ["", "x", "6 Nov", "6 Foo 1994 08:49:37 +0000", "6 Nov 94 08:49:37 +0000", "6 Nov 1994 25:00 +0000"]
        {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_is_written_for_imap() {
        assert_eq!(imap_day(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)), "06-Nov-1994");
    }

    proptest! {
        #[test]
        fn any_mail_is_taken(message in prop::collection::vec(any::<u8>(), 0..500), text in r"(?s).{0,60}") {
            let (headers, _) = Headers::split(&message);
            for (_, value) in &headers.list {
                let _ = date(value);
            }
            let _ = (date(&text), without_comments(&text));
        }

        #[test]
        fn a_date_is_read_as_it_was_written(at in 0_u64..253_000_000_000) {
            let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(at));
            prop_assert_eq!(seconds(&text), Some(at));
        }
    }
}
