//! Escapes of characters that a terminal obeys instead of showing: C0 and C1 controls, DEL, line
//! separators, and the controls of bidirectional text, with which a name is read as another.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes all such characters but the line feed and the tab, which lay out messages and cells.
pub fn escape_controls(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_obeyed(c) && c != '\n' && c != '\t')
}

/// Escapes all such characters: for names, which are on one line.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    escape(text, is_obeyed)
}

/// The text before the first such character: what can be typed of a name.
pub fn before_controls(text: &str) -> &str {
    text.split(is_obeyed).next().unwrap_or_default()
}

/// Escapes such characters in JSON, in JSON's own way, so that its values stay what they are.
/// Serializers escape those below a blank, and the line feed ends a line of JSON.
pub fn escape_for_json(json: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| is_obeyed(c) && c >= ' ';
    replace(json, is_escaped, |c, out| {
        // All of them lie in the basic plane.
        let _ = write!(out, "\\u{:04x}", u32::from(c));
    })
}

fn is_obeyed(c: char) -> bool {
    let is_bidirectional =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_bidirectional || matches!(c, '\u{2028}' | '\u{2029}')
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    replace(text, is_escaped, |c, out| out.extend(c.escape_debug()))
}

fn replace(text: &str, is_replaced: impl Fn(char) -> bool, with: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&is_replaced) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_replaced(c) { with(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        let all = "\u{0}\u{7}\u{8}\r\u{1b}[2J\u{7f}\u{9b}31m";
        assert_eq!(escape_controls(all), "\\0\\u{7}\\u{8}\\r\\u{1b}[2J\\u{7f}\\u{9b}31m");
        for c in
            "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}"
                .chars()
        {
            assert_eq!(escape_line(&c.to_string()), format!("\\u{{{:x}}}", u32::from(c)));
        }
        assert_eq!(escape_controls("a\n\tb"), "a\n\tb");
        assert_eq!(escape_line("a\n\tb"), "a\\n\\tb");
        assert_eq!((before_controls("ab\u{1b}c"), before_controls("日本")), ("ab", "日本"));
        assert!(matches!(escape_line("Größe 日本 “x” 👍🏽"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({"a\u{202e}b": "\u{1b}\u{7f}\u{9b}\n日"});
        let text = serde_json::to_string(&value).unwrap();
        let escaped = escape_for_json(&text);
        assert!(escaped.chars().all(|c| !is_obeyed(c)), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }
}
