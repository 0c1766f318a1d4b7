//! Escapes of characters beyond the first plane, which Python's writers use: Arrow's reader makes other characters of half
//! of them (of `\\ud840\\udc00`, U+20000, it makes U+10000).

use std::borrow::Cow;

use memchr::{memchr, memmem};

/// The object with these characters instead of their escapes, which are two halves (surrogates).
pub(super) fn with_plain_pairs(record: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(record, b"\\ud").or_else(|| memmem::find(record, b"\\uD")).is_none() {
        return Cow::Borrowed(record);
    }
    let (mut plain, mut rest) = (Vec::with_capacity(record.len()), record);
    while let Some((before, escape)) = memchr(b'\\', rest).and_then(|at| rest.split_at_checked(at)) {
        plain.extend_from_slice(before);
        let length = match pair(escape) {
            Some(character) => {
                plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                12
            }
            // The escaped character may be a backslash.
            None => {
                plain.extend_from_slice(escape.get(..2).unwrap_or(escape));
                2
            }
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// The character of two escapes.
fn pair(escape: &[u8]) -> Option<char> {
    let half = |at: usize| {
        let digits = escape.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let halves = [half(0)?, half(6)?];
    char::decode_utf16(halves).next()?.ok().filter(|character| character.len_utf16() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_of_halves_become_characters() {
        for (escaped, expected) in [
            (r#"{"a":"\ud840\udc00"}"#, r#"{"a":"𠀀"}"#),
            (r#"{"\uD842\uDfb7":"\ud83d\ude00x\n\udbff\udfff"}"#, "{\"𠮷\":\"😀x\\n\u{10ffff}\"}"),
            (r#"{"a":"\\ud840\udc00"}"#, r#"{"a":"\\ud840\udc00"}"#),
            (r#"{"a":"\ud840x\u0041\u00e9\\"}"#, r#"{"a":"\ud840x\u0041\u00e9\\"}"#),
            (r#"{"a":"\ud8"#, r#"{"a":"\ud8"#),
        ] {
            let plain = with_plain_pairs(escaped.as_bytes());
            assert_eq!(std::str::from_utf8(&plain).unwrap(), expected, "{escaped}");
        }
    }
}
