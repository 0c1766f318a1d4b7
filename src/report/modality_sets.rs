//! Sets of modalities, and combinations of such sets, in words.

use crate::interaction::Subset;
use crate::interaction::lattice::Antichain;

use super::format::list;

/// The modalities of a set by the names of their columns: "image, text and audio".
pub(super) fn set_name(names: &[String], set: Subset, conjunction: &str) -> String {
    list(&members(names, set), conjunction)
}

/// All modalities of so many, in words.
pub(super) fn all_together(modalities: usize) -> &'static str {
    match modalities {
        2 => "both",
        3 => "all three",
        _ => "all four",
    }
}

/// The modalities of a set that are needed together: "image + text".
pub(super) fn together(names: &[String], set: Subset) -> String {
    members(names, set).join(" + ")
}

/// A node of the lattice, any of whose sets suffices: "image or text + audio".
pub(super) fn combination(names: &[String], node: &Antichain) -> String {
    let sets: Vec<String> = node.sets().iter().map(|set| together(names, *set)).collect();
    sets.join(" or ")
}

fn members(names: &[String], set: Subset) -> Vec<&str> {
    set.members().filter_map(|index| names.get(index)).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_combinations_are_words() {
        let names = ["image", "text", "audio"].map(str::to_owned);
        assert_eq!(set_name(&names, "123".parse().unwrap(), "and"), "image, text and audio");
        assert_eq!(set_name(&names, "13".parse().unwrap(), "or"), "image or audio");
        assert_eq!(combination(&names, &"1_23".parse().unwrap()), "image or text + audio");
        assert_eq!(
            combination(&names, &"12_13_23".parse().unwrap()),
            "image + text or image + audio or text + audio"
        );
    }
}
