//! What readings of many runs add up to: counters, histograms, and gauges that stand until they are read again.

use tuermer_probes::Shape;

use super::families::FamilyId;

/// Most series that are kept of one check. Chosen: twice those of a mail round trip with every reply and result told apart.
pub(crate) const KEPT_SERIES_MAX: usize = 512;

/// What the runs of a check add up to, packed: sorted by family and labels. A clone is taken only where a scrape holds the
/// one before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    series: Vec<Series>,
    text: Vec<u8>,
    /// Observations per bucket, not added up, those of one histogram after those of the other.
    buckets: Vec<u32>,
    /// Whether a series had no place any more.
    is_full: bool,
}

#[derive(Debug, Clone, Copy)]
struct Series {
    /// Of a histogram the sum of its observations.
    value: f64,
    /// Where its labels stand in the text.
    start: u32,
    end: u32,
    /// Where its buckets begin, if it is a histogram.
    buckets: u32,
    family: FamilyId,
}

/// A number that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptSample<'a> {
    pub(crate) family: FamilyId,
    pub(crate) labels: &'a [u8],
    /// Of a histogram the sum of its observations.
    pub(crate) value: f64,
    /// What [`Kept::buckets`] wants.
    pub(crate) buckets: u32,
}

/// Whether a number found its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Found,
    /// There is none left, which nobody was told yet.
    Full,
    /// There is none left.
    StillFull,
}

impl Kept {
    /// Takes in a reading. `labels` are rendered.
    pub(super) fn take(&mut self, family: FamilyId, shape: Shape, labels: &[u8], value: f64) -> Place {
        let is_countable = value.is_finite() && (value >= 0.0 || shape != Shape::Total);
        if shape != Shape::Lasting && !is_countable {
            return Place::Found;
        }
        let Some(at) = self.place(family, shape, labels) else {
            let place = if self.is_full { Place::StillFull } else { Place::Full };
            self.is_full = true;
            return place;
        };
        let series = &mut self.series[at];
        match shape {
            Shape::Lasting | Shape::Level | Shape::Count => series.value = value,
            Shape::Total => series.value += value,
            Shape::Distribution(bounds) => {
                series.value += value;
                let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
                let count = &mut self.buckets[series.buckets as usize + bucket];
                *count = count.saturating_add(1);
            }
        }
        Place::Found
    }

    /// Where the series is, or is put now.
    fn place(&mut self, family: FamilyId, shape: Shape, labels: &[u8]) -> Option<usize> {
        let text = &self.text;
        let known = self.series.binary_search_by(|series| {
            (series.family, &text[series.start as usize..series.end as usize]).cmp(&(family, labels))
        });
        let at = match known {
            Ok(at) => return Some(at),
            Err(_) if self.series.len() >= KEPT_SERIES_MAX => return None,
            Err(at) => at,
        };
        let offset = |length| u32::try_from(length).expect("the series of a check and their labels are limited");
        let (start, buckets) = (offset(self.text.len()), offset(self.buckets.len()));
        self.text.extend_from_slice(labels);
        if let Shape::Distribution(bounds) = shape {
            self.buckets.resize(self.buckets.len() + bounds.len() + 1, 0);
        }
        let end = offset(self.text.len());
        self.series.insert(at, Series { value: 0.0, start, end, buckets, family });
        Some(at)
    }

    /// Everything that is kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = KeptSample<'_>> {
        self.series.iter().map(|series| KeptSample {
            family: series.family,
            labels: &self.text[series.start as usize..series.end as usize],
            value: series.value,
            buckets: series.buckets,
        })
    }

    /// The observations of a histogram with so many bounds, per bucket, not added up.
    pub(crate) fn buckets(&self, sample: u32, bounds: usize) -> &[u32] {
        let start = sample as usize;
        self.buckets.get(start..=start + bounds).unwrap_or_default()
    }

    /// Whether a label of a series has such a name.
    pub(super) fn has_label(&self, name: &str) -> bool {
        self.iter().any(|sample| has_label(sample.labels, name))
    }
}

/// Whether rendered labels have one with such a name. Within values every quote has a backslash before it.
pub(super) fn has_label(labels: &[u8], name: &str) -> bool {
    let label = format!("{name}=\"").into_bytes();
    labels.starts_with(&label)
        || labels.windows(label.len() + 1).any(|window| window[0] == b',' && window[1..] == label[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Shape = Shape::Distribution(&[1.0, 10.0]);

    fn seen(kept: &Kept) -> Vec<(FamilyId, String, f64)> {
        let text = |labels: &[u8]| String::from_utf8_lossy(labels).into_owned();
        kept.iter().map(|sample| (sample.family, text(sample.labels), sample.value)).collect()
    }

    #[test]
    fn increments_add_up_and_lasting_numbers_are_replaced() {
        let mut kept = Kept::default();
        for (family, shape, labels, value) in [
            (7, Shape::Total, "b", 0.0),
            (2, Shape::Lasting, "", 5.0),
            (7, Shape::Total, "a", 1.0),
            (7, Shape::Total, "b", 2.0),
            (2, Shape::Lasting, "", -6.0),
            (7, Shape::Total, "b", 2.0),
        ] {
            assert_eq!(kept.take(family, shape, labels.as_bytes(), value), Place::Found);
        }
        let row = |family, labels: &str, value| (family, labels.to_owned(), value);
        assert_eq!(seen(&kept), [row(2, "", -6.0), row(7, "a", 1.0), row(7, "b", 4.0)]);
    }

    #[test]
    fn observations_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let mut kept = Kept::default();
        for (labels, value) in [("a", 0.0), ("b", 2.0), ("a", 1.0), ("a", 1.5), ("b", 11.0), ("a", 10.0)] {
            kept.take(1, BOUNDS, labels.as_bytes(), value);
        }
        let buckets: Vec<_> = kept.iter().map(|sample| (sample.value, kept.buckets(sample.buckets, 2))).collect();
        assert_eq!(buckets, [(12.5, &[2, 2, 0][..]), (13.0, &[0, 1, 1])]);
    }

    #[test]
    fn what_cannot_be_counted_is_left_out() {
        let mut kept = Kept::default();
        for value in [f64::NAN, f64::INFINITY, -1.0] {
            kept.take(1, Shape::Total, b"", value);
        }
        for value in [f64::NAN, f64::NEG_INFINITY] {
            kept.take(2, BOUNDS, b"", value);
        }
        assert_eq!(seen(&kept), []);
    }

    #[test]
    fn series_over_the_limit_are_dropped_and_known_ones_go_on() {
        let mut kept = Kept::default();
        let label = |number: usize| number.to_string().into_bytes();
        for number in 0..KEPT_SERIES_MAX {
            assert_eq!(kept.take(1, Shape::Total, &label(number), 1.0), Place::Found);
        }
        assert_eq!(kept.take(1, Shape::Total, &label(KEPT_SERIES_MAX), 1.0), Place::Full);
        assert_eq!(kept.take(1, Shape::Total, &label(KEPT_SERIES_MAX), 1.0), Place::StillFull);
        assert_eq!(kept.take(1, Shape::Total, b"3", 1.0), Place::Found);
        assert_eq!(kept.iter().count(), KEPT_SERIES_MAX);
        assert_eq!(kept.iter().map(|sample| sample.value).sum::<f64>(), KEPT_SERIES_MAX as f64 + 1.0);
    }

    #[test]
    fn names_of_labels_are_found_outside_of_values() {
        for (labels, name, has) in [
            (r#"a="1",bc="2""#, "a", true),
            (r#"a="1",bc="2""#, "bc", true),
            (r#"a="1",bc="2""#, "c", false),
            (r#"a=",c=\"x""#, "c", false),
            ("", "a", false),
        ] {
            assert_eq!(has_label(labels.as_bytes(), name), has, "{labels} {name}");
        }
    }
}
