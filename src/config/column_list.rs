//! A list of column names as typed: one name, or several with commas between them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer};
use serde::ser::Serializer;

/// The names of one flag or variable. A name with a comma in it is written in double quotes, as in SQL, and a
/// quote in it is doubled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnList(Vec<String>);

impl ColumnList {
    /// The names of all of these lists, in order.
    pub fn names(lists: &[Self]) -> Vec<String> {
        lists.iter().flat_map(|list| list.0.iter().cloned()).collect()
    }
}

impl FromStr for ColumnList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let (name, more) = match rest.strip_prefix('"') {
                Some(quoted) => unquoted(quoted)?,
                None => match rest.split_once(',') {
                    Some((name, more)) => (name.to_owned(), Some(more)),
                    None => (rest.to_owned(), None),
                },
            };
            if name.is_empty() {
                return Err("a name in the list is empty; write the columns as image,text".to_owned());
            }
            names.push(name);
            match more {
                Some(more) => rest = more,
                None => return Ok(Self(names)),
            }
        }
    }
}

/// The name up to its closing quote, and what follows the comma behind it.
fn unquoted(text: &str) -> Result<(String, Option<&str>), String> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (before, after) =
            rest.split_once('"').ok_or("a name begins with a quote and does not end with one")?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None if after.is_empty() => return Ok((name, None)),
            None => {
                let more =
                    after.strip_prefix(',').ok_or("a quoted name is followed by a comma or by nothing")?;
                return Ok((name, Some(more)));
            }
        }
    }
}

impl fmt::Display for ColumnList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |name: &String| match name.contains(',') || name.starts_with('"') {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name.clone(),
        };
        f.write_str(&self.0.iter().map(quoted).collect::<Vec<_>>().join(","))
    }
}

/// Writes the names of all lists as one list: in a pipeline file each name is a string of its own.
pub(super) fn serialize<S: Serializer>(lists: &[ColumnList], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ColumnList::names(lists))
}

/// Reads a list of names, in which a comma has no meaning.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ColumnList>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    Ok(names.into_iter().map(|name| ColumnList(vec![name])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_names_outside_quotes() {
        for (text, names) in [
            ("image", vec!["image"]),
            ("image,text", vec!["image", "text"]),
            ("\"a,b\",c", vec!["a,b", "c"]),
            ("c,\"a,\"\"b\"\"\"", vec!["c", "a,\"b\""]),
            ("a\"b,c d", vec!["a\"b", "c d"]),
        ] {
            let list: ColumnList = text.parse().unwrap();
            assert_eq!(list.0, names, "{text}");
            assert_eq!(list.to_string().parse(), Ok(list));
        }
        for wrong in ["", "a,", ",a", "\"a", "\"a\"b", "\"\""] {
            assert!(wrong.parse::<ColumnList>().is_err(), "{wrong}");
        }
    }
}
