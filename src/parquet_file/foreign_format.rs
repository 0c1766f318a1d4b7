//! Recognition of files that are not Parquet by their first bytes, so that an error names what they are
//! and how to make Parquet of them.

use std::path::Path;

use crate::storage::FileKind;

/// The first bytes that tell what a file is.
pub(crate) const HEAD_BYTES: u64 = 64;

const LFS: &[u8] = b"version https://git-lfs";
const HTML: (&str, &str) = ("an HTML page, as of a download that failed", "download it again");

/// Beginnings of files that need more than another name, what they are, and what to do.
const MAGICS: [(&[u8], &str, &str); 13] = [
    (LFS, "the pointer of a file in Git LFS", "fetch the file: git lfs pull"),
    (b"FEA1", "a Feather file of version 1", "write it as Parquet, with pyarrow.feather and pyarrow.parquet"),
    (b"ORC", "an ORC file", "write it as Parquet, with pyarrow.orc and pyarrow.parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"\x93NUMPY", "a NumPy array", "write it as Parquet, a list of floats a row"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "write it as Parquet, a list of floats a row"),
    (b"SQLite format 3\0", "a SQLite database", "write its table as Parquet, with duckdb"),
    (
        b"PK\x03\x04",
        "a zip archive, as of numpy.savez and torch.save",
        "unpack it, or write its arrays as Parquet",
    ),
    (b"\x1f\x8b", "compressed as a whole by gzip", "decompress it: gunzip"),
    (b"\x28\xb5\x2f\xfd", "compressed as a whole by zstd", "decompress it: zstd -d"),
    (b"BZh", "compressed as a whole by bzip2", "decompress it: bunzip2"),
    (b"\xfd7zXZ", "compressed as a whole by xz", "decompress it: unxz"),
    (b"\x80\x04", "a pickle", "write it as Parquet, with DataFrame.to_parquet"),
];

/// What is wrong with a file by its size, its first bytes and its last four; none where they are those of a
/// Parquet file.
pub(crate) fn not_parquet(name: &Path, head: &[u8], tail: &[u8], bytes: u64) -> Option<String> {
    match (head.get(..4).unwrap_or(head), tail) {
        (b"PAR1", b"PAR1") | (b"PARE", b"PARE") if bytes >= 12 => None,
        ([], _) => {
            Some("is not a Parquet file: it is empty (0 bytes); write it again or remove it".to_owned())
        }
        (b"PAR1" | b"PARE", _) => {
            Some("is a Parquet file that is cut off: its footer is missing; write it again".to_owned())
        }
        _ => Some(foreign(name, head)),
    }
}

/// What a file is that is read as text and is none, and what to do; none where it may be text.
pub(crate) fn not_text(head: &[u8]) -> Option<String> {
    let is_letters = |head: &[u8]| head.iter().all(|byte| *byte >= b' ' || b"\t\r\n".contains(byte));
    let (what, advice) = match FileKind::of_content(head)? {
        // The name of a column.
        FileKind::Parquet | FileKind::Arrow if is_letters(head) => return None,
        FileKind::Parquet => ("a Parquet file", "name it .parquet"),
        FileKind::Arrow => ("an Arrow file (Feather)", "name it .arrow"),
        FileKind::Html => HTML,
        kind => {
            // Some of the others begin with letters, as text may.
            let is_told = |magic: &[u8]| kind == FileKind::Other || magic == LFS;
            let (_, what, advice) =
                MAGICS.iter().find(|(magic, ..)| is_told(magic) && head.starts_with(magic))?;
            (*what, *advice)
        }
    };
    Some(format!("is {what}; {advice}"))
}

fn foreign(name: &Path, head: &[u8]) -> String {
    if let Some((_, what, advice)) = MAGICS.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return format!("is not a Parquet file but {what}; {advice}");
    }
    let ending = name.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let (what, endings): (&str, &[&str]) = match FileKind::of_content(head) {
        Some(FileKind::Arrow) => ("an Arrow file (Feather)", &["arrow", "arrows", "feather", "ipc"]),
        Some(FileKind::Json | FileKind::Summary) => ("JSON", &["json", "ndjson", "jsonl"]),
        Some(FileKind::Html) => return format!("is not a Parquet file but {}; {}", HTML.0, HTML.1),
        Some(FileKind::Text | FileKind::Metrics) => ("text", &["csv", "tsv"]),
        _ => return "is not a Parquet file; write it as one, or leave it out".to_owned(),
    };
    let stem = name.file_stem().unwrap_or_default().to_string_lossy();
    let (named, table) = match endings.contains(&ending.as_str()) {
        true => (String::new(), name.display().to_string()),
        false => {
            let first = endings.first().unwrap_or(&"");
            (format!("name it {stem}.{first}, and "), name.with_extension(first).display().to_string())
        }
    };
    let query = format!("SELECT * FROM '{}'", table.replace('\'', "''")).replace('"', "\\\"");
    format!(
        "is not a Parquet file but {what}; {named}write it as Parquet: lsmi-etl sql --output {stem}-new.parquet \
         \"{query}\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_parquet_is_named_with_the_way_to_it() {
        let say = |name: &str, head: &[u8]| not_parquet(Path::new(name), head, b"last", 100).unwrap();
        assert_eq!(
            say("in/a.feather", b"ARROW1\0\0"),
            "is not a Parquet file but an Arrow file (Feather); write it as Parquet: lsmi-etl sql --output \
             a-new.parquet \"SELECT * FROM 'in/a.feather'\""
        );
        let renamed = say("in/it's.parquet", b"ARROW1\0\0");
        assert!(renamed.contains("; name it it's.arrow, and write it as Parquet: "), "{renamed}");
        assert!(renamed.ends_with("\"SELECT * FROM 'in/it''s.arrow'\""), "{renamed}");
        for (head, words) in [
            (&b"id,label\n1,2\n"[..], "but text; name it f.csv, and"),
            (b"{\"id\": 1}\n", "but JSON; name it f.json, and"),
            (b"<!doctype html>", "download it again"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"FEA1....", "a Feather file of version 1; write it as Parquet"),
            (b"\x1f\x8b\x08\0", "but compressed as a whole by gzip; decompress it"),
            (b"\x07\0\0\0\xff", "is not a Parquet file; write it as one"),
        ] {
            assert!(say("f.parquet", head).contains(words), "{words}: {}", say("f.parquet", head));
        }
        assert_eq!(not_parquet(Path::new("f"), b"PAR1", b"PAR1", 12), None);
        assert_eq!(
            not_text(b"\x1f\x8b\x08\0").unwrap(),
            "is compressed as a whole by gzip; decompress it: gunzip"
        );
        assert_eq!(not_text(b"PAR1\x15\0").unwrap(), "is a Parquet file; name it .parquet");
        assert!(not_text(b"version https://git-lfs.github.com/spec/v1\n").unwrap().ends_with("git lfs pull"));
        for text in
            [&b"ORC,BZh\n1,2\n"[..], b"PAR1,PAR2\n1,2\n", b"BZh,id\n", b"{}", b"", b"name;stra\xdfe\n"]
        {
            assert_eq!(not_text(text), None, "{text:?}");
        }
        assert!(not_parquet(Path::new("f"), b"PAR1", b"PAR1", 8).unwrap().contains("cut off"));
        assert!(not_parquet(Path::new("f"), b"", b"", 0).unwrap().contains("it is empty"));
    }
}
