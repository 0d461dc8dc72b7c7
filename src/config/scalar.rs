//! What a scalar means (YAML 1.2 core schema, and the words for truth of YAML 1.1 where a truth value is wanted).

/// Whether a plain scalar is null.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A plain scalar as a truth value, where one is wanted.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => Some(false),
        _ => None,
    }
}

/// A plain scalar as a whole number. A leading zero is refused: to some readers it means octal.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'0'..=b'9' | b'_', ..] => return None,
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) || !digits.chars().all(|c| c.is_digit(radix) || c == '_') {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), radix).ok().map(|number| sign * number)
}

/// A plain scalar as a number.
pub(super) fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))
            && text.contains(|c: char| c.is_ascii_digit()) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}

/// The bytes of a `!!binary` scalar: base64 (RFC 4648 section 4), with white space anywhere.
pub(crate) fn binary(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let unpadded = digits.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if !digits.len().is_multiple_of(4) || digits.len() - unpadded > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits[..unpadded].chunks(4) {
        let mut bits = 0_u32;
        for byte in group {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_in_four_bases() {
        let numbers = ["5", "-5", "+5", "0x1F", "0o17", "0b101", "1_000", "0"].map(integer);
        assert_eq!(numbers, [5, -5, 5, 31, 15, 5, 1000, 0].map(Some));
        for wrong in ["", "-", "0x", "010", "1.0", "1e3", "_1", "five", "--5"] {
            assert_eq!(integer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_read_and_words_are_not() {
        assert_eq!(["1.5", "-.5", "1e3", ".inf"].map(float), [1.5, -0.5, 1000.0, f64::INFINITY].map(Some));
        assert_eq!(["inf", "nan", "-", "abc", "infinity"].map(float), [None; 5]);
    }

    #[test]
    fn base64_is_read() {
        assert_eq!(binary("AAAACATS\n Fi8="), Some(vec![0, 0, 0, 8, 4, 210, 22, 47]));
        assert_eq!(binary("YQ=="), Some(b"a".to_vec()));
        assert_eq!(binary(""), Some(Vec::new()));
        for wrong in ["YQ", "Y===", "Y Q = =!", "Y*=="] {
            assert_eq!(binary(wrong), None, "{wrong}");
        }
    }
}
