//! The source files of `src`, read as text: their modules, their code without comments,
//! and the paths that they name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::repository;

/// A source file. `path` is relative to `src`.
pub struct SourceFile {
    pub path: PathBuf,
    pub text: String,
}

/// A name that a `use` brings into a file. `path` leads to it from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub name: String,
    pub path: Vec<String>,
    /// Whether it is `pub use`: a re-export, which is not a dependency by itself.
    pub public: bool,
}

/// All files of `src`.
pub fn sources() -> Vec<SourceFile> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = repository().join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let read = |path: PathBuf| SourceFile {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(&root).unwrap().to_owned(),
    };
    paths.into_iter().map(read).collect()
}

impl SourceFile {
    /// The module that the file holds: `["annotate", "journal"]` for `annotate/journal/mod.rs`.
    pub fn module(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
        names.filter(|name| name != "mod").collect()
    }

    /// Whether the file holds tests only.
    pub fn is_test(&self) -> bool {
        self.module().iter().any(|name| name == "tests")
    }

    /// The code without comments, every string and character literal emptied.
    pub fn code(&self) -> String {
        strip(&self.text, false)
    }

    /// The same without the test module at the end of the file.
    pub fn code_without_tests(&self) -> String {
        before_tests(&self.code()).to_owned()
    }

    /// The code without comments and without the test module, but with its strings.
    pub fn code_with_strings(&self) -> String {
        before_tests(&strip(&self.text, true)).to_owned()
    }
}

/// The code up to the test module that ends a file.
fn before_tests(code: &str) -> &str {
    let starts = code.match_indices("#[cfg(test)]");
    let is_module = |after: &str| {
        let item = after.trim_start().split(['{', ';']).next().unwrap();
        after.trim_start()[item.len()..].starts_with('{') && item.split_whitespace().any(|word| word == "mod")
    };
    let first =
        starts.map(|(at, attribute)| (at, &code[at + attribute.len()..])).find(|(_, after)| is_module(after));
    first.map_or(code, |(at, _)| &code[..at])
}

/// Removes comments and, unless they are kept, the contents of literals.
fn strip(text: &str, keep_strings: bool) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let follows_name = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let literal = if follows_name && first != '"' { None } else { literal_bytes(rest) };
        let length = match literal {
            Some(length) => {
                code += if keep_strings { &rest[..length] } else { "\"\"" };
                length
            }
            None if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            None if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            None => {
                code.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    code
}

/// The length of the string or character literal at the start of a text. None where there
/// is none; a lifetime is none.
fn literal_bytes(text: &str) -> Option<usize> {
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r'));
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let opening = text.len() - raw.len() + hashes + 1;
            return Some(opening + text[opening..].find(&end)? + end.len());
        }
    }
    let mut chars = text.char_indices();
    let (_, quote @ ('"' | '\'')) = chars.next()? else { return None };
    let is_lifetime = quote == '\'' && !text.starts_with("'\\") && text.chars().nth(2) != Some('\'');
    if is_lifetime {
        return None;
    }
    let mut escaped = false;
    for (at, c) in chars {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// What the `use` statements of a code import.
pub fn imports(code: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for (statement, public) in uses(code).0 {
        expand(statement, &[], public, &mut found);
    }
    found
}

/// The paths in a code outside its `use` statements. A single name is a path, too, unless
/// it is a field's or a method's.
pub fn paths(code: &str) -> Vec<Vec<String>> {
    let (_, rest) = uses(code);
    let is_part = |c: char| c.is_alphanumeric() || "_:.".contains(c);
    let mut found = Vec::new();
    for token in rest.split(|c| !is_part(c)) {
        let token = token.strip_prefix("..").unwrap_or(token);
        let token = token.split('.').next().unwrap();
        let path: Vec<String> =
            token.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        // `name:` declares a field, an argument or a binding.
        let names_field = token.ends_with(':') && !token.ends_with("::");
        if !path.is_empty() && !names_field {
            found.push(path);
        }
    }
    found
}

/// The trees of all `use` statements, each with whether it is public, and the code without
/// these statements.
fn uses(code: &str) -> (Vec<(&str, bool)>, String) {
    let (mut trees, mut others) = (Vec::new(), String::new());
    let mut rest = code;
    while let Some(line) = rest.split_inclusive('\n').next() {
        let words = line.trim_start();
        let public = words.starts_with("pub");
        let declared = match words.strip_prefix("pub(") {
            Some(scope) => scope.split_once(')').map_or("", |(_, item)| item),
            None => words.strip_prefix("pub ").unwrap_or(words),
        };
        match declared.trim_start().strip_prefix("use ") {
            Some(tree) => {
                let from = line.len() - tree.len();
                let to = rest.find(';').unwrap_or(rest.len());
                trees.push((&rest[from..to], public));
                rest = rest.get(to + 1..).unwrap_or_default();
            }
            None => {
                others += line;
                rest = &rest[line.len()..];
            }
        }
    }
    (trees, others)
}

/// Expands a tree: `a::{b, c::{self, D as E}}` are `a::b`, `a::c` and `a::c::D` as `E`.
fn expand(tree: &str, base: &[String], public: bool, found: &mut Vec<Import>) {
    for item in items(tree) {
        let (head, group) = item.split_once('{').map_or((item, None), |(head, group)| (head, Some(group)));
        let (head, alias) = head.split_once(" as ").map_or((head, None), |(head, alias)| (head, Some(alias)));
        let names = head.split("::").map(str::trim).filter(|name| !name.is_empty());
        let mut path: Vec<String> = base.iter().cloned().chain(names.map(str::to_owned)).collect();
        if let Some(group) = group {
            expand(group.trim_end().trim_end_matches('}'), &path, public, found);
            continue;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(last) = path.last() {
            let name = alias.map_or(last.as_str(), str::trim).to_owned();
            found.push(Import { name, path, public });
        }
    }
}

/// A list's items, separated by commas outside braces.
fn items(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&list[start..]);
    found.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
}

#[test]
fn comments_literals_and_tests_are_no_code() {
    let text = "//! crate::a\nlet s = \"crate::b // \\\" {\"; // crate::c\nlet c = '\"'; fn f<'a>(x: &'a str) {}\n\
                let r = r#\"crate::d\"#; /* crate::e */ crate::f();\n#[cfg(test)]\npub(super) mod tests { crate::g() }\n";
    let file = SourceFile { path: "a/b/mod.rs".into(), text: text.to_owned() };
    let code = file.code_without_tests();
    assert!(!"abcdeg".chars().any(|name| code.contains(&format!("crate::{name}"))), "{code}");
    assert!(code.contains("crate::f()") && code.contains("<'a>"), "{code}");
    assert!(file.code_with_strings().contains("crate::b //"), "{}", file.code_with_strings());
    assert_eq!(file.module(), ["a", "b"]);
}

#[test]
fn trees_of_imports_are_expanded() {
    let found =
        imports("use a::{\n    b, c::{self, D as E},\n};\npub(super) use self::f::G;\nlet x = h::i();\n");
    let found: Vec<_> = found.iter().map(|i| (i.name.as_str(), i.path.join("::"), i.public)).collect();
    let expected = [
        ("b", "a::b".to_owned(), false),
        ("c", "a::c".to_owned(), false),
        ("E", "a::c::D".to_owned(), false),
        ("G", "self::f::G".to_owned(), true),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        paths("use a::B;\nc::d(x.e, ..F::new());").iter().map(|p| p.join("::")).collect::<Vec<_>>(),
        ["c::d", "x", "F::new"]
    );
}
