//! The objects of a file of JSON: on lines, one after the other over several lines, or in one array. A reader of lines
//! takes what follows an array for its end, and an object of several lines for one that is cut off.

use memchr::{memchr_iter, memchr2};

/// The most bytes of an object: one that does not end would take the memory.
const MOST_BYTES: usize = 64 << 20;

/// Finds the objects in the bytes of a file, however these are cut.
#[derive(Debug)]
pub(super) struct JsonRecords {
    place: Place,
    /// Whether the objects are the elements of an array.
    is_array: bool,
    /// Objects and arrays that are open, in an object.
    depth: usize,
    /// Whether the next byte is in a text, or behind a backslash in one.
    quoted: bool,
    escaped: bool,
    /// Of an object whose end is still to come.
    begun: Vec<u8>,
    /// Line breaks before the object, and those in it.
    lines: usize,
    lines_within: usize,
}

/// Where the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before everything but a byte order mark, of which so many bytes have been.
    Start(usize),
    /// Where an object, or, of an array without any so far, its end may come.
    First,
    /// Behind a comma: where an object must come.
    Next,
    /// Behind an object of an array.
    Behind,
    /// In an object.
    Within,
    /// Behind the array.
    Ended,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl JsonRecords {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Start(0),
            is_array: false,
            depth: 0,
            quoted: false,
            escaped: false,
            begun: Vec::new(),
            lines: 0,
            lines_within: 0,
        }
    }

    /// Takes the next bytes, and gives the objects that end in them.
    ///
    /// # Errors
    /// What is wrong, with its line; also of `each`.
    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut rest = chunk;
        while let Some((&byte, after)) = rest.split_first() {
            if self.place == Place::Within {
                let length = self.within(rest);
                let (bytes, after) =
                    rest.split_at_checked(length.unwrap_or(rest.len())).unwrap_or((rest, &[]));
                rest = after;
                self.lines_within += memchr_iter(b'\n', bytes).count();
                if length.is_none() || !self.begun.is_empty() {
                    self.begun.extend_from_slice(bytes);
                }
                if self.begun.len() > MOST_BYTES {
                    return Err(self.told("the object here takes more than 64 MiB, or does not end"));
                }
                if length.is_some() {
                    let begun = std::mem::take(&mut self.begun);
                    let record = if begun.is_empty() { bytes } else { &begun };
                    each(record).map_err(|what| self.told(&what))?;
                    self.lines += std::mem::take(&mut self.lines_within);
                    self.place = if self.is_array { Place::Behind } else { Place::First };
                }
                continue;
            }
            self.place = match (self.place, byte) {
                (Place::Start(at), byte) if MARK.get(at) == Some(&byte) => Place::Start(at + 1),
                (Place::Start(1 | 2), _) => return Err(self.told("is no UTF-8")),
                (place, b'\n') => {
                    self.lines += 1;
                    place.begun()
                }
                (place, b' ' | b'\t' | b'\r') => place.begun(),
                (Place::Start(_), b'[') => {
                    self.is_array = true;
                    Place::First
                }
                // The object itself is taken from here on.
                (Place::Start(_) | Place::First | Place::Next, b'{') => {
                    self.place = Place::Within;
                    continue;
                }
                (Place::Behind, b',') => Place::Next,
                (Place::First, b']') if self.is_array => Place::Ended,
                (Place::Behind, b']') => Place::Ended,
                (Place::Ended, _) => {
                    return Err(self.told(
                        "something follows the array's end; a file is one array, or objects one after the other",
                    ));
                }
                (Place::Behind, _) => return Err(self.told("no comma separates two objects of the array")),
                _ => {
                    return Err(self.told(
                        "there is no object ({…}) where one is expected; a file is one array of objects, or objects one \
                         after the other, each of which is a row",
                    ));
                }
            };
            rest = after;
        }
        Ok(())
    }

    /// The bytes up to the end of the object, where it is among these.
    fn within(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            if std::mem::take(&mut self.escaped) {
                continue;
            }
            match byte {
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                _ if self.quoted => {
                    // To the next of the two.
                    let rest = bytes.get(at..).unwrap_or_default();
                    at += memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The file ends here.
    ///
    /// # Errors
    /// What has not ended.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.place {
            Place::Within => {
                Err(self.told("the file ends within the object here: it is cut off, write it again"))
            }
            Place::First if self.is_array => {
                Err(self.told("the array does not end: the file is cut off, write it again"))
            }
            Place::Next | Place::Behind => {
                Err(self.told("the array does not end: the file is cut off, write it again"))
            }
            Place::Start(_) | Place::First | Place::Ended => Ok(()),
        }
    }

    fn told(&self, what: &str) -> String {
        format!("line {}: {what}", self.lines + 1)
    }
}

impl Place {
    /// The place behind white space.
    fn begun(self) -> Self {
        match self {
            Self::Start(_) => Self::Start(MARK.len()),
            place => place,
        }
    }
}

/// An error of a value without its position in the object, which is none in the file.
pub(super) fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The objects, and what is wrong, which are the same however the text is cut.
    fn objects(text: &str) -> (Vec<String>, Option<String>) {
        let of_chunks = |size: usize| {
            let (mut records, mut found) = (JsonRecords::new(), Vec::new());
            let pushed = text.as_bytes().chunks(size).try_for_each(|chunk| {
                records.push(chunk, |record| {
                    found.push(String::from_utf8(record.to_vec()).unwrap());
                    Ok(())
                })
            });
            let wrong = pushed.and_then(|()| records.end()).err();
            (found, wrong)
        };
        let whole = of_chunks(text.len().max(1));
        (1..text.len()).for_each(|size| assert_eq!(of_chunks(size), whole, "{text:?} in chunks of {size}"));
        whole
    }

    fn found(text: &str) -> Vec<String> {
        let (found, wrong) = objects(text);
        assert_eq!(wrong, None, "{text:?}");
        found
    }

    #[test]
    fn objects_are_found_on_lines_over_lines_and_in_an_array() {
        let two = ["{\"a\":1}", "{\"a\":[2,{}]}"];
        for text in [
            "{\"a\":1}\n{\"a\":[2,{}]}\n",
            "{\"a\":1}{\"a\":[2,{}]}",
            "\u{feff} [{\"a\":1},\r\n {\"a\":[2,{}]} ]\n",
            "\n[\n{\"a\":1}\n,{\"a\":[2,{}]}]",
        ] {
            assert_eq!(found(text), two, "{text:?}");
        }
        assert_eq!(found("{\n  \"a\": \"}\\\"]\\\\\"\n}\n{}"), ["{\n  \"a\": \"}\\\"]\\\\\"\n}", "{}"]);
        assert!(found("").is_empty() && found(" []\n").is_empty() && found("\u{feff}\n").is_empty());
    }

    #[test]
    fn what_is_no_row_is_named_by_its_line() {
        for (text, count, what) in [
            ("{\"a\":1}\n{\"a\":", 1, "line 2: the file ends within the object"),
            ("{\"a\":1}\n\n{\"a\n\":\"x", 1, "line 3: the file ends within the object"),
            ("[{},\n{}", 2, "line 2: the array does not end"),
            ("[", 0, "line 1: the array does not end"),
            ("[{}]\n{}", 1, "line 2: something follows the array's end"),
            ("[{}][{}]", 1, "line 1: something follows"),
            ("[{} {}]", 1, "line 1: no comma"),
            ("[{},]", 1, "line 1: there is no object"),
            ("{},{}", 1, "line 1: there is no object"),
            ("{}\n1\n", 1, "line 2: there is no object"),
            ("[1]", 0, "line 1: there is no object"),
            ("{}\n[{}]", 1, "line 2: there is no object"),
            ("\u{feff}\u{feff}{}", 0, "line 1: there is no object"),
        ] {
            let (found, wrong) = objects(text);
            assert_eq!(found.len(), count, "{text:?}");
            assert!(wrong.as_ref().unwrap().starts_with(what), "{text:?}: {wrong:?}");
        }
    }
}
