//! Whether an `Accept-Encoding` header accepts an algorithm.

/// The rule blackbox_exporter applies when it loads a module: the acceptable codings by falling weight, and the first
/// that is the algorithm or `*` decides. The case of letters counts.
pub(super) fn accepts(header: &str, algorithm: &str) -> bool {
    let mut codings: Vec<(&str, f64)> = header.split(',').map(weighed).collect();
    codings.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    codings.iter().find(|(coding, _)| *coding == algorithm || *coding == "*").is_some_and(|(_, weight)| *weight > 0.0)
}

/// A coding and its weight in thousandths (RFC 9110 section 12.4.2).
fn weighed(item: &str) -> (&str, f64) {
    match item.rsplit_once(';') {
        None => (item.trim(), 1.0),
        Some((coding, parameter)) => {
            let weight = parameter.trim().strip_prefix("q=").and_then(|text| text.trim().parse::<f64>().ok());
            let weight = weight.filter(|weight| weight.is_finite()).unwrap_or(0.0);
            (coding.trim(), (weight * 1000.0).round() / 1000.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn the_first_fitting_coding_by_weight_decides() {
        for (header, algorithm, accepted) in [
            ("gzip, compress", "br", false),
            ("gzip, compress, *", "br", true),
            ("gzip, compress, *;q=0.1", "br", true),
            ("gzip, compress, br;q=0.0", "br", false),
            ("gzip, compress, *;q=0.0", "br", false),
            ("gzip;q=1.0, compress;q=0.5, br;q=0.1, *;q=0.0", "br", true),
            (" *;q=0.0 ,br ;q=0.1, gzip;q=1.0", "br", true),
            ("gzip;q=1, *;q=0", "gzip", true),
            ("gzip;q=1, *;q=0", "br", false),
            ("*;q=0.5, gzip;q=0", "gzip", true),
            ("gzip", "GZIP", false),
            ("gzip;q=x", "gzip", false),
            ("*;q=0.0", "gzip", false),
        ] {
            assert_eq!(accepts(header, algorithm), accepted, "{header} for {algorithm}");
        }
    }
}
