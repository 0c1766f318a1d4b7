//! Names of columns that are unique in a table, where those of a file are not: the second `v` is `v_1`.

use std::collections::HashSet;

/// The names of the columns, if two are equal in the file.
pub(super) fn unique(names: &[&str]) -> Option<Vec<String>> {
    let taken: HashSet<&str> = names.iter().copied().collect();
    if taken.len() == names.len() {
        return None;
    }
    let mut met = HashSet::new();
    let mut found: Vec<String> = Vec::with_capacity(names.len());
    for &name in names {
        let is_free = |name: &String| !taken.contains(name.as_str()) && !found.contains(name);
        let unique = match met.insert(name) {
            true => Some(name.to_owned()),
            false => (1..).map(|number| format!("{name}_{number}")).find(is_free),
        };
        found.push(unique?);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_column_of_a_name_is_numbered() {
        assert_eq!(unique(&["v", "w"]), None);
        assert_eq!(unique(&["v", "v_1", "v", "v"]).unwrap(), ["v", "v_1", "v_2", "v_3"]);
    }
}
