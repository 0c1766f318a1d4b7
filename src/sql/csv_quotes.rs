//! A scanner of the quotes of delimited text: where records end, and where a quoted field begins that does not end.
//! Fields are quoted as RFC 4180 has it and Arrow's reader takes it: a quote opens a field only as its first
//! character, and within it two quotes are one.

use memchr::{memchr, memchr_iter, memrchr};

/// What is known after the bytes so far.
#[derive(Debug)]
pub(super) struct CsvQuotes {
    delimiter: u8,
    /// The byte before the next one.
    last: u8,
    /// Whether `last` is a quote that closed a field, which the next quote opens again.
    closed: bool,
    /// Whether the next byte is within a quoted field.
    quoted: bool,
    bytes: u64,
    /// Line breaks, also those within fields.
    lines: u64,
    /// Line breaks before the field that was opened last.
    opened: u64,
    records: usize,
    /// Bytes up to the end of the last record.
    record_end: u64,
}

impl CsvQuotes {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            last: b'\n',
            closed: false,
            quoted: false,
            bytes: 0,
            lines: 0,
            opened: 0,
            records: 0,
            record_end: 0,
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        // A byte order mark is no part of the first field.
        let chunk = match self.bytes {
            0 => chunk.strip_prefix(b"\xef\xbb\xbf").inspect(|_| self.bytes = 3).unwrap_or(chunk),
            _ => chunk,
        };
        let mut rest = chunk;
        while let Some((before, after)) = memchr(b'"', rest).map(|at| rest.split_at(at)) {
            self.pass(before);
            self.quote();
            rest = after.get(1..).unwrap_or_default();
        }
        self.pass(rest);
    }

    /// Bytes without quotes.
    fn pass(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        let lines = memchr_iter(b'\n', bytes).count();
        self.lines += lines as u64;
        if let (false, Some(at)) = (self.quoted, memrchr(b'\n', bytes)) {
            self.records += lines;
            self.record_end = self.bytes + at as u64 + 1;
        }
        self.bytes += bytes.len() as u64;
        (self.last, self.closed) = (*last, false);
    }

    fn quote(&mut self) {
        if self.quoted {
            (self.quoted, self.closed) = (false, true);
        } else if self.closed {
            (self.quoted, self.closed) = (true, false);
        } else if self.last == self.delimiter || matches!(self.last, b'\n' | b'\r') {
            (self.quoted, self.opened) = (true, self.lines);
        }
        self.bytes += 1;
        self.last = b'"';
    }

    /// Records that have ended with a line break, the header among them.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Bytes up to the end of the last record.
    pub(super) fn record_end(&self) -> u64 {
        self.record_end
    }

    /// What is wrong where the bytes end here.
    pub(super) fn unclosed(&self) -> Option<String> {
        self.quoted.then(|| {
            format!(
                "the quote (\") that begins a field in line {} is not closed, and all that follows would be its \
                 value; close it",
                self.opened + 1
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of the open quote, the records and their bytes, which are the same however the text is cut.
    fn scanned(text: &str) -> (Option<u64>, usize, u64) {
        let of_chunks = |size: usize| {
            let mut quotes = CsvQuotes::new(b',');
            text.as_bytes().chunks(size).for_each(|chunk| quotes.push(chunk));
            let open = quotes.unclosed().is_some().then_some(quotes.opened + 1);
            (open, quotes.records(), quotes.record_end())
        };
        let whole = of_chunks(text.len().max(1));
        (3..text.len()).for_each(|size| assert_eq!(of_chunks(size), whole, "{text:?} in chunks of {size}"));
        whole
    }

    #[test]
    fn quotes_open_fields_and_double_within() {
        assert_eq!(scanned("a,b\n1,\"x\ny\"\n2,z"), (None, 2, 12));
        assert_eq!(scanned("a,b\n1,\"\"\n2,\"\"\"\"\n3,\"a\"\"\nb\"\n"), (None, 4, 26));
        // An inch, and a quote behind a closed one.
        assert_eq!(scanned("a,b\n1,5\" disk\n2,\"x\"y\"z\n"), (None, 3, 23));
        assert_eq!(scanned("\u{feff}\"a\nb\",c\n1,2\r\n"), (None, 2, 16));
        assert_eq!(scanned(""), (None, 0, 0));
    }

    #[test]
    fn an_open_quote_is_named_by_its_line() {
        assert_eq!(scanned("a,b\n1,\"x\ny\"\n2,\"z\n3,w\n"), (Some(4), 2, 12));
        assert_eq!(scanned("\"a,b\n1,2\n").0, Some(1));
        assert_eq!(scanned("a\r\"b\r").0, Some(1));
        assert_eq!(scanned("a,b\n1,\"x\"\"\n").0, Some(2));
    }
}
