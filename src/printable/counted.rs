//! A number of things in words.

use std::fmt::Display;

/// A number with the noun that it counts: 1 row, 2 rows, 3 classes, 0 entries.
pub fn counted(count: impl TryInto<u64> + Display + Copy, noun: &str) -> String {
    if count.try_into().is_ok_and(|count| count == 1) {
        return format!("{count} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ if noun.ends_with('s') => format!("{count} {noun}es"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1_u64, "row"), "1 row");
        assert_eq!(counted(0_usize, "row group"), "0 row groups");
        assert_eq!(counted(12_u32, "class"), "12 classes");
        assert_eq!(counted(2_u64, "modality"), "2 modalities");
        assert_eq!(counted(2_u64, "day"), "2 days");
    }
}
