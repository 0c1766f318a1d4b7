//! A field of CSV or TSV. An empty text is `""` and null is nothing, which Arrow's writer does not tell apart.

/// Appends a text to a line, in quotes where the reader needs them.
pub fn push_field(line: &mut String, text: &str, delimiter: char) {
    match text.is_empty() || text.contains([delimiter, '"', '\n', '\r']) {
        true => {
            line.push('"');
            text.split_inclusive('"').for_each(|part| {
                line.push_str(part);
                if part.ends_with('"') {
                    line.push('"');
                }
            });
            line.push('"');
        }
        false => line.push_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_has_to_be() {
        let field = |text: &str, delimiter| {
            let mut line = String::new();
            push_field(&mut line, text, delimiter);
            line
        };
        for (text, csv) in [
            ("", "\"\""),
            ("a", "a"),
            ("a,b", "\"a,b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("\n", "\"\n\""),
        ] {
            assert_eq!(field(text, ','), csv);
        }
        assert_eq!((field("a,b", '\t'), field("a\tb", '\t')), ("a,b".to_owned(), "\"a\tb\"".to_owned()));
    }
}
