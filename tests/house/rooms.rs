//! Rooms: the modules of the crate's root. Each imports only rooms that stand above it in
//! the list, and of these exactly the ones that the list names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::harness::repository;

use super::source::{self, sources};

/// The rooms in their order, each with those that it imports. `docs/design.md` has the same
/// list.
const ROOMS: [(&str, &[&str]); 25] = [
    ("printable", &[]),
    ("error", &["printable"]),
    ("memory", &[]),
    ("vectors", &[]),
    ("threads", &["error"]),
    ("interaction", &["error"]),
    ("storage", &["printable", "error", "threads"]),
    ("parquet_file", &["printable", "error", "storage"]),
    ("bundle", &["printable", "error", "interaction", "storage"]),
    (
        "samples",
        &["printable", "error", "vectors", "threads", "interaction", "storage", "parquet_file", "bundle"],
    ),
    ("output", &["error", "memory", "storage", "parquet_file"]),
    ("provenance", &["error", "interaction", "storage", "parquet_file", "bundle", "samples"]),
    ("engine", &["printable", "error", "threads", "storage", "bundle"]),
    ("evaluate", &["error", "interaction", "storage", "bundle", "samples", "engine"]),
    ("synth", &["error", "interaction", "storage"]),
    (
        "fit",
        &[
            "printable",
            "error",
            "memory",
            "vectors",
            "interaction",
            "storage",
            "parquet_file",
            "bundle",
            "samples",
            "provenance",
        ],
    ),
    ("inspect", &["error", "storage", "parquet_file", "bundle", "samples", "fit"]),
    ("split", &["printable", "error", "storage", "parquet_file", "samples", "output", "provenance"]),
    (
        "annotate",
        &[
            "printable",
            "error",
            "memory",
            "threads",
            "interaction",
            "storage",
            "parquet_file",
            "bundle",
            "samples",
            "output",
            "provenance",
            "engine",
            "evaluate",
        ],
    ),
    (
        "sql",
        &[
            "printable",
            "error",
            "memory",
            "threads",
            "interaction",
            "storage",
            "parquet_file",
            "bundle",
            "samples",
            "output",
            "engine",
            "evaluate",
        ],
    ),
    (
        "report",
        &[
            "printable",
            "error",
            "threads",
            "interaction",
            "storage",
            "parquet_file",
            "bundle",
            "samples",
            "provenance",
            "evaluate",
            "sql",
        ],
    ),
    (
        "cluster",
        &[
            "printable",
            "error",
            "memory",
            "threads",
            "storage",
            "parquet_file",
            "bundle",
            "samples",
            "engine",
            "evaluate",
            "annotate",
            "sql",
        ],
    ),
    (
        "config",
        &["error", "memory", "storage", "parquet_file", "engine", "annotate", "sql", "report", "cluster"],
    ),
    ("telemetry", &["printable", "error", "threads", "interaction", "storage", "samples", "fit", "annotate"]),
    (
        "cli",
        &[
            "printable",
            "error",
            "memory",
            "threads",
            "interaction",
            "storage",
            "parquet_file",
            "bundle",
            "samples",
            "output",
            "provenance",
            "engine",
            "evaluate",
            "synth",
            "fit",
            "inspect",
            "split",
            "annotate",
            "sql",
            "report",
            "cluster",
            "config",
            "telemetry",
        ],
    ),
];

/// Names that are no keys of an annotated file's footer: the metadata of a folded ONNX model,
/// the key-value of a synthetic file, the prefix of the OTLP instruments.
const OTHER_NAMES: [&str; 4] =
    ["\"lsmi_etl.split\"", "\"lsmi_etl.folded\"", "\"lsmi_etl.synth\"", "\"lsmi_etl.{}\""];

#[test]
fn a_room_imports_only_rooms_above_it() {
    for (place, (room, imports)) in ROOMS.iter().enumerate() {
        let above: Vec<&str> = ROOMS[..place].iter().map(|(room, _)| *room).collect();
        let positions = imports.iter().map(|other| above.iter().position(|room| room == other));
        let positions: Vec<usize> = positions
            .map(|place| place.unwrap_or_else(|| panic!("{room} imports a room below it")))
            .collect();
        assert!(positions.is_sorted(), "the imports of {room} are in another order than the rooms");
    }
}

#[test]
fn imports_between_rooms_are_those_of_the_list() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources() {
        let room = file.module().swap_remove(0);
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let listed = ROOMS.iter().find(|(name, _)| *name == room);
        let (_, listed) = listed.unwrap_or_else(|| panic!("{room} is no room of the list"));
        let code = file.code();
        let imports = source::imports(&code).into_iter().map(|import| import.path);
        for path in imports.chain(source::paths(&code)) {
            let [root, other, ..] = &path[..] else { continue };
            if root != "crate" || *other == room || ["Error", "Result"].contains(&other.as_str()) {
                continue;
            }
            assert!(
                listed.contains(&other.as_str()),
                "{} imports {}, but {room} may not import {other}",
                file.path.display(),
                path.join("::")
            );
            found.entry(room.clone()).or_default().insert(other.clone());
        }
    }
    for (room, listed) in ROOMS {
        let found = found.remove(room).unwrap_or_default();
        for other in listed {
            assert!(found.contains(*other), "{room} no longer imports {other}: take it off the list");
        }
    }
}

#[test]
fn the_design_page_has_the_same_list_of_rooms() {
    let page = fs::read_to_string(repository().join("docs/design.md")).unwrap();
    let section = page.split("\n## Rooms\n").nth(1).unwrap().split("\n## ").next().unwrap();
    // | `room` | what it holds | `import`, `import` |
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let shown: Vec<(String, Vec<String>)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [_, room, _, imports, _] = cells[..] else { panic!("not three cells: {row}") };
            let names =
                |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
            (names(room).swap_remove(0), names(imports))
        })
        .collect();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let listed: Vec<_> = ROOMS.iter().map(|(room, imports)| ((*room).to_owned(), owned(imports))).collect();
    for (shown, listed) in shown.iter().zip(&listed) {
        assert_eq!(shown, listed, "docs/design.md differs from tests/house/rooms.rs");
    }
    assert_eq!(shown.len(), listed.len(), "docs/design.md lists another number of rooms");
}

#[test]
fn every_room_is_a_module_with_a_place_in_the_list() {
    let lib = fs::read_to_string(repository().join("src/lib.rs")).unwrap();
    let declared = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let declared: BTreeSet<&str> = declared.collect();
    let listed: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    assert_eq!(declared, listed);
}

#[test]
fn the_footers_keys_are_written_and_read_in_one_room() {
    let (mut inside, mut outside) = (0, Vec::new());
    for file in sources().into_iter().filter(|file| !file.is_test()) {
        let code = file.code_with_strings();
        for (at, _) in code.match_indices("\"lsmi_etl.") {
            if file.path.starts_with("provenance") {
                inside += 1;
            } else if !OTHER_NAMES.iter().any(|key| code[at..].starts_with(key)) {
                let literal = code[at + 1..].split('"').next().unwrap();
                outside.push(format!("{}: {literal}", file.path.display()));
            }
        }
    }
    assert!(outside.is_empty(), "keys outside src/provenance:\n{}", outside.join("\n"));
    assert!(inside > 0, "no key was seen: the test no longer reads them");
}
