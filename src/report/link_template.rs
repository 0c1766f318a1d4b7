//! A template of links from samples to their pictures or records: `https://host/{id}.jpg`, in which
//! column names in braces stand for the row's values.

use crate::error::{Error, Result};

/// A parsed `--link-template`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTemplate(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    Column(String),
}

/// Allowed URL schemes; none of them executes code in a browser.
const SCHEMES: [&str; 4] = ["http", "https", "file", "s3"];

impl LinkTemplate {
    /// Parses a template. `{{` and `}}` are literal braces.
    ///
    /// # Errors
    /// [`Error::Usage`] where a brace is unmatched, no column is named, or the scheme is not allowed.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |what: &str| Err(Error::Usage(format!("--link-template {text}: {what}")));
        let mut segments = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.peek() == Some(&c) => {
                    rest.next();
                    plain.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(c) => name.push(c),
                            None => return refuse("a { is not closed"),
                        }
                    }
                    if name.is_empty() {
                        return refuse("{} names no column");
                    }
                    segments.push(Segment::Text(std::mem::take(&mut plain)));
                    segments.push(Segment::Column(name));
                }
                '}' => return refuse("a } closes nothing; write }} for a brace"),
                c => plain.push(c),
            }
        }
        segments.push(Segment::Text(plain));
        let template = Self(segments);
        if template.columns().is_empty() {
            return refuse("it names no column, as {id} would");
        }
        match template.scheme() {
            Some(scheme) if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) => {
                refuse("a link begins with http://, https://, file:// or s3://, or is a path")
            }
            _ => Ok(template),
        }
    }

    /// The columns that the template names.
    pub fn columns(&self) -> Vec<&str> {
        let column = |segment: &'_ Segment| matches!(segment, Segment::Column(_));
        let columns = self.0.iter().filter(|segment| column(segment)).map(|segment| match segment {
            Segment::Column(name) | Segment::Text(name) => name.as_str(),
        });
        columns.collect()
    }

    /// The link of a row. Values are percent-encoded except for letters, digits and `-._~/`, so that a
    /// value cannot alter the URL's structure.
    pub fn fill<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> String {
        let mut link = String::new();
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => link += text,
                Segment::Column(name) => encode(value(name).unwrap_or_default(), &mut link),
            }
        }
        link
    }

    /// The text before the first colon, if no slash precedes it.
    fn scheme(&self) -> Option<&str> {
        let Some(Segment::Text(start)) = self.0.first() else { return None };
        let (scheme, _) = start.split_once(':')?;
        (!scheme.contains(['/', '?', '#'])).then_some(scheme)
    }
}

fn encode(value: &str, link: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                link.push(char::from(byte));
            }
            byte => *link += &format!("%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_columns_place() {
        let template = LinkTemplate::parse("https://host/{set}/{id}.jpg?q={{{id}}}").unwrap();
        assert_eq!(template.columns(), ["set", "id", "id"]);
        let link = template.fill(|name| Some(if name == "id" { "a b/ü\"<&" } else { "t" }));
        assert_eq!(link, "https://host/t/a%20b/%C3%BC%22%3C%26.jpg?q={a%20b/%C3%BC%22%3C%26}");
        assert_eq!(LinkTemplate::parse("pictures/{id}.png").unwrap().fill(|_| Some("7")), "pictures/7.png");
        assert_eq!(LinkTemplate::parse("{id}").unwrap().fill(|_| Some("javascript:x")), "javascript%3Ax");
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for text in
            ["https://host/1", "https://host/{id", "a}b{id}", "{}", "javascript:{id}", "data:{id}", ""]
        {
            assert_eq!(LinkTemplate::parse(text).unwrap_err().exit_code(), 64, "{text}");
        }
    }
}
