//! Number formats of the report: a true minus sign, thin spaces between thousands, and a dash for a
//! missing value.

/// A number with a fixed number of decimals.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{:.*}", digits, value.abs());
    // A value that rounds to zero has no sign.
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if value < 0.0 && !is_zero { format!("\u{2212}{text}") } else { text }
}

/// As [`fixed`]; a dash for a missing value.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "–".to_owned(), |value| fixed(value, digits))
}

/// A difference, always with its sign.
pub(super) fn signed(value: Option<f64>, digits: usize) -> String {
    let text = number(value, digits);
    let is_zero = !text.contains(|c: char| c.is_ascii_digit() && c != '0');
    if is_zero || text.starts_with('\u{2212}') { text } else { format!("+{text}") }
}

/// A count with thin spaces between thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun.
pub(super) fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// A share in per cent.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) => return "–".to_owned(),
        (0, _) => return "0 %".to_owned(),
        _ => {}
    }
    let share = 100.0 * part as f64 / whole as f64;
    let digits = usize::from(share < 9.95 || share > 99.0 && share < 100.0);
    format!("{} %", fixed(share, digits))
}

/// An axis tick, without trailing zeros.
pub(super) fn tick(value: f64) -> String {
    let text = fixed(value, 4);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text of at most `most` characters, truncated with an ellipsis.
pub(super) fn truncate(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", start.trim_end())
}

/// Words with commas between them and a conjunction before the last: "r, u1 and s".
pub(super) fn list<T: AsRef<str>>(words: &[T], conjunction: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} {conjunction} {last}", before.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_set_as_print_has_them() {
        assert_eq!(fixed(-1.25, 2), "\u{2212}1.25");
        assert_eq!(fixed(-0.0004, 3), "0.000");
        assert_eq!((signed(Some(0.5), 1), signed(Some(-0.5), 1)), ("+0.5".into(), "\u{2212}0.5".into()));
        assert_eq!((signed(Some(0.0), 2), signed(None, 2)), ("0.00".into(), "–".into()));
        assert_eq!(number(Some(f64::NAN), 2), "–");
        assert_eq!(
            (count(1), count(1234), count(12_345_678)),
            ("1".into(), "1\u{202f}234".into(), "12\u{202f}345\u{202f}678".into())
        );
        assert_eq!(
            (percent(1, 3), percent(1, 300), percent(3, 3), percent(0, 0)),
            ("33 %".into(), "0.3 %".into(), "100 %".into(), "–".into())
        );
        assert_eq!(
            (tick(0.5), tick(-2.0), tick(0.0), tick(100.0)),
            ("0.5".into(), "\u{2212}2".into(), "0".into(), "100".into())
        );
        assert_eq!((truncate("abc", 3), truncate("abcd", 3)), ("abc".into(), "ab…".into()));
    }

    #[test]
    fn words_are_joined() {
        assert_eq!(list(&["r", "u1", "s"], "and"), "r, u1 and s");
        assert_eq!((list(&["r"], "and"), list::<&str>(&[], "or")), ("r".to_owned(), String::new()));
    }
}
