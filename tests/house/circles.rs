//! Circles of files within a room: files that import each other, directly or through
//! others. Every file must be readable after the files that it imports.
//!
//! The imports are read as text. A name that a file re-exports stands for the file that
//! defines it, so that `mod.rs` may list its children's names and the children may import
//! each other through it; a `mod.rs` that also uses these names depends on its children.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{self, Import, SourceFile, sources};

type Module = Vec<String>;

/// The files of a tree and what they import.
struct Tree {
    files: BTreeMap<Module, File>,
}

struct File {
    imports: Vec<Import>,
    /// Paths in the code outside `use`.
    paths: Vec<Vec<String>>,
}

/// The imports of each file: the imported file, and a path that leads there.
type Edges = BTreeMap<Module, BTreeMap<Module, String>>;

impl Tree {
    fn read(files: &[SourceFile]) -> Self {
        let file = |file: &SourceFile| {
            let code = file.code_without_tests();
            (file.module(), File { imports: source::imports(&code), paths: source::paths(&code) })
        };
        Self { files: files.iter().filter(|file| !file.is_test()).map(file).collect() }
    }

    /// The imports between files of one room.
    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (module, file) in &self.files {
            let private = file.imports.iter().filter(|import| !import.public).map(|import| &import.path);
            for path in private.chain(&file.paths) {
                let Some(target) = self.definition(module, path) else { continue };
                if target != *module && target.first() == module.first() {
                    edges.entry(module.clone()).or_default().entry(target).or_insert(path.join("::"));
                }
            }
        }
        edges
    }

    /// The file that defines what a path of `module` names. None where it is of this file,
    /// of another crate, or only names a module around this file.
    fn definition(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (mut at, mut rest) = self.start(module, path)?;
        // Re-exports can't go round in a compiled crate, but a made-up tree's could.
        for _ in 0..32 {
            let Some(name) = rest.first() else { break };
            let child = joined(&at, name);
            if self.files.contains_key(&child) {
                at = child;
                rest.remove(0);
            } else if let Some(import) = self.import(&at, name) {
                let (target, mut names) = self.start(&at, &import.path)?;
                names.extend(rest.drain(1..));
                (at, rest) = (target, names);
            } else {
                break;
            }
        }
        let is_around = rest.is_empty() && module.starts_with(&at);
        (!is_around && self.files.contains_key(&at)).then_some(at)
    }

    /// The module in which a path begins, and the names that follow. None for other crates.
    fn start(&self, module: &Module, path: &[String]) -> Option<(Module, Vec<String>)> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((Vec::new(), rest.to_vec())),
            "self" => Some((module.clone(), rest.to_vec())),
            "super" => {
                let above = rest.iter().take_while(|name| *name == "super").count();
                let at = module.len().checked_sub(above + 1)?;
                Some((module[..at].to_vec(), rest[above..].to_vec()))
            }
            name => {
                let is_child = !rest.is_empty() && self.files.contains_key(&joined(module, name));
                // An import under its own name (`use serde;`) leads nowhere else.
                let is_imported = self.import(module, name).is_some_and(|import| import.path != path);
                (is_child || is_imported).then(|| (module.clone(), path.to_vec()))
            }
        }
    }

    fn import(&self, module: &Module, name: &str) -> Option<&Import> {
        self.files.get(module)?.imports.iter().find(|import| import.name == name)
    }
}

fn joined(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// The strongly connected components of more than one file.
fn circles(edges: &Edges) -> Vec<BTreeSet<Module>> {
    let reached = |from: &Module| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            for target in edges.get(module).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(target.clone()) {
                    next.push(target);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        edges.keys().map(|module| (module, reached(module))).collect();
    let circle = |module: &Module| -> BTreeSet<Module> {
        let back = |other: &&Module| reached.get(other).is_some_and(|all| all.contains(module));
        reached[module].iter().filter(back).cloned().collect()
    };
    let all: BTreeSet<BTreeSet<Module>> = edges.keys().map(circle).collect();
    all.into_iter().filter(|circle| circle.len() > 1).collect()
}

/// The imports that make a circle, a line each.
fn shown(circle: &BTreeSet<Module>, edges: &Edges) -> String {
    let mut lines = String::new();
    for module in circle {
        for (target, path) in
            edges.get(module).into_iter().flatten().filter(|(target, _)| circle.contains(*target))
        {
            lines += &format!("  {} imports {} ({path})\n", module.join("/"), target.join("/"));
        }
    }
    lines
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    let edges = Tree::read(&sources()).edges();
    assert!(
        edges.len() > 150,
        "only {} files import others of their room: the test no longer reads them",
        edges.len()
    );
    let found: Vec<String> = circles(&edges).iter().map(|circle| shown(circle, &edges)).collect();
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}

fn tree(files: &[(&str, &str)]) -> Edges {
    let file = |(path, text): &(&str, &str)| SourceFile { path: path.into(), text: (*text).to_owned() };
    Tree::read(&files.iter().map(file).collect::<Vec<_>>()).edges()
}

fn names(files: &[(&str, &str)]) -> Vec<String> {
    let join = |circle: &BTreeSet<Module>| {
        circle.iter().map(|module| module.join("/")).collect::<Vec<_>>().join(" ")
    };
    circles(&tree(files)).iter().map(join).collect()
}

#[test]
fn a_name_that_is_re_exported_leads_to_the_file_that_defines_it() {
    let files = [
        ("a/mod.rs", "mod b;\nmod c;\npub use b::B;\npub(crate) use self::c::{C, D};\n"),
        ("a/b.rs", "use crate::other::Other;\npub struct B;\n"),
        ("a/c.rs", "use super::B;\npub struct C(B);\npub struct D;\n"),
        ("other.rs", "use crate::a::C;\n"),
    ];
    let edges = tree(&files);
    assert_eq!(edges.len(), 1, "{edges:?}");
    assert_eq!(edges[&vec!["a".to_owned(), "c".to_owned()]].keys().next().unwrap().join("/"), "a/b");
    assert!(circles(&edges).is_empty());
}

#[test]
fn circles_of_every_kind_are_found() {
    let through_the_parent = [
        ("a/mod.rs", "mod b;\nmod c;\npub use b::B;\npub use c::C;\n"),
        ("a/b.rs", "use super::{\n    C,\n};\npub struct B;\n"),
        ("a/c.rs", "pub struct C;\nfn f() { super::b::g(); }\n"),
    ];
    assert_eq!(names(&through_the_parent), ["a/b a/c"]);
    let with_the_parent = [
        ("a/mod.rs", "mod b;\npub use b::B;\npub struct P;\nfn f() -> B { B::new() }\n"),
        ("a/b.rs", "use super::P;\npub struct B;\n"),
    ];
    assert_eq!(names(&with_the_parent), ["a a/b"]);
    let of_three = [
        ("a/mod.rs", "mod b;\nmod c;\nmod d;\n"),
        ("a/b.rs", "use crate::a::{c::{self, C}, d};\n"),
        ("a/c.rs", "use super::d::D;\npub struct C;\n"),
        ("a/d/mod.rs", "mod e;\npub struct D;\nfn f() { e::f() }\n"),
        ("a/d/e.rs", "use crate::a::b as other;\nfn f() { other::g() }\n"),
    ];
    assert_eq!(names(&of_three), ["a/b a/c a/d a/d/e"]);
}

#[test]
fn tests_and_comments_make_no_circle() {
    let files = [
        (
            "a/mod.rs",
            "mod b;\npub struct P;\n// b::f()\n#[cfg(test)]\nmod tests {\n    use super::b::f;\n}\n",
        ),
        ("a/b.rs", "use super::P;\npub fn f() {}\n#[cfg(test)]\nmod tests;\n"),
        ("a/b/tests.rs", "use super::f;\nuse crate::a::P;\n"),
    ];
    assert_eq!(names(&files), Vec::<String>::new());
}
