//! The check that no two modalities have the same column: each would hold all that the other does, and what
//! they share or lack would be no finding about the data.

/// What is wrong where two modalities have one column; `None` stands for a modality without one.
pub fn repeated_column<'a>(columns: impl IntoIterator<Item = Option<&'a str>>) -> Option<String> {
    let columns: Vec<Option<&str>> = columns.into_iter().collect();
    let named = |(index, column): (usize, &Option<&'a str>)| Some((index, (*column)?));
    columns.iter().enumerate().filter_map(named).find_map(|(second, column)| {
        let first = columns.iter().take(second).position(|earlier| *earlier == Some(column))?;
        Some(format!(
            "modalities {} and {} are both the column {column:?}; name another column for one of them",
            first + 1,
            second + 1
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_modalities_are_named() {
        assert_eq!(repeated_column([Some("a"), None, Some("b"), None]), None);
        let what = repeated_column([Some("a"), Some("b"), Some("a")]).unwrap();
        assert!(what.starts_with("modalities 1 and 3 are both the column \"a\";"), "{what}");
    }
}
