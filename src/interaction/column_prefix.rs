//! The prefix of the names of new columns, by which a table holds the columns of several bundles.

use std::fmt;
use std::str::FromStr;

/// The most characters of a prefix.
const MOST_CHARS: usize = 64;

/// A prefix of names of columns: letters, digits and underscores, the first no digit; empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnPrefix(String);

impl ColumnPrefix {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of a column with the prefix.
    pub fn name(&self, column: &str) -> String {
        format!("{}{column}", self.0)
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ColumnPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_prefix = text.chars().all(is_word) && !text.starts_with(|c: char| c.is_ascii_digit());
        match is_prefix && text.len() <= MOST_CHARS {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("expected at most {MOST_CHARS} letters, digits and _, the first no digit")),
        }
    }
}

impl fmt::Display for ColumnPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_words() {
        let prefix: ColumnPrefix = "img_txt_".parse().unwrap();
        assert_eq!((prefix.name("r").as_str(), prefix.to_string().as_str()), ("img_txt_r", "img_txt_"));
        assert!("".parse::<ColumnPrefix>().unwrap().is_empty());
        for text in ["a.", "1a", "a b", "ä", &"a".repeat(65)] {
            assert!(text.parse::<ColumnPrefix>().is_err(), "{text}");
        }
    }
}
