//! What was probably meant.

/// Longest word that is compared in bytes. Chosen: longer than any key.
const WORD_BYTES_MAX: usize = 64;

/// The candidate closest to a word, if one is close: at most a third of the word may differ.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    let distances = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// Edits from one word to the other; swapped neighbours are one edit, case counts for nothing.
fn distance(left: &str, right: &str) -> usize {
    if left.len() > WORD_BYTES_MAX || right.len() > WORD_BYTES_MAX {
        return usize::MAX;
    }
    let fold = |word: &str| word.chars().map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let (left, right) = (fold(left), fold(right));
    let mut before = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, &l) in left.iter().enumerate() {
        let mut row = vec![i + 1; right.len() + 1];
        for (j, &r) in right.iter().enumerate() {
            row[j + 1] = (last[j] + usize::from(l != r)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && l == right[j - 1] && left[i - 1] == r {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_suggested_and_far_ones_are_not() {
        let keys = ["interval", "module", "targets", "timeout"];
        assert_eq!(closest("intervall", keys), Some("interval"));
        assert_eq!(closest("target", keys), Some("targets"));
        assert_eq!(closest("tiemout", keys), Some("timeout"));
        assert_eq!(closest("Module", keys), Some("module"));
        assert_eq!(closest("labels", keys), None);
        assert_eq!(closest(&"x".repeat(5000), keys), None);
    }
}
