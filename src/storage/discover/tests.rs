//! Tests of discovery in a temporary folder.

use tempfile::TempDir;

use super::*;

fn files(names: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    dir
}

/// The outputs of a plan, below `out`.
fn outputs(dir: &TempDir, input: &str) -> Vec<String> {
    let out = dir.path().join("out");
    let plan = Files::discover(&dir.path().join(input), &out).unwrap();
    let below = |pair: &FilePair| pair.output.strip_prefix(&out).unwrap().to_str().unwrap().to_owned();
    for pair in plan.pairs() {
        assert_eq!(pair.bytes, std::fs::metadata(&pair.input).unwrap().len());
        assert_eq!(pair.input.file_name(), pair.output.file_name());
    }
    plan.pairs().iter().map(below).collect()
}

const TREE: [&str; 9] = [
    "in/b.parquet",
    "in/year=2024/site=a/1.parquet",
    "in/year=2024/site=b/1.PARQUET",
    "in/_split=1/2.parquet",
    "in/notes.txt",
    "in/_SUCCESS",
    "in/_temporary/3.parquet",
    "in/.hidden/4.parquet",
    "in/.b.parquet.abc.partial",
];

#[test]
fn a_folder_keeps_its_shape() {
    let dir = files(&TREE);
    let expected =
        ["_split=1/2.parquet", "b.parquet", "year=2024/site=a/1.parquet", "year=2024/site=b/1.PARQUET"];
    assert_eq!(outputs(&dir, "in"), expected);
    assert_eq!(outputs(&dir, "in/"), expected);
}

#[test]
fn a_glob_keeps_what_lies_below_its_fixed_part() {
    let dir = files(&TREE);
    assert_eq!(outputs(&dir, "in/*.parquet"), ["b.parquet"]);
    assert_eq!(outputs(&dir, "in/year=*/**/*.parquet"), ["year=2024/site=a/1.parquet"]);
    assert_eq!(
        outputs(&dir, "in/**/*.parquet"),
        ["_split=1/2.parquet", "b.parquet", "year=2024/site=a/1.parquet"]
    );
    assert_eq!(outputs(&dir, "in/year=2024/site=[a]/?.parquet"), ["site=a/1.parquet"]);
    assert_eq!(outputs(&dir, "in/_temporary/*.parquet"), ["3.parquet"], "what is named is meant");
}

#[test]
fn a_file_goes_to_a_file() {
    let dir = files(&["in/a [1].parquet"]);
    let input = dir.path().join("in/a [1].parquet");
    let plan = Files::discover(&input, Path::new("there")).unwrap();
    assert!(plan.is_file());
    assert_eq!(
        plan.pairs(),
        [FilePair { input, output: "there".into(), relative: PathBuf::new(), bytes: 16 }]
    );
}

#[test]
fn plans_that_are_refused() {
    let dir = files(&["in/a.parquet", "in/b/c.parquet", "empty/_SUCCESS", "file"]);
    let refused = |input: &str, output: &str, code: u8, words: &str| {
        let found = Files::discover(&dir.path().join(input), &dir.path().join(output));
        let error = found.and_then(Files::require_any).unwrap_err();
        assert_eq!(error.exit_code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused("absent", "out", 66, "absent");
    refused("empty", "out", 66, "no *.parquet file");
    refused("in/z*.parquet", "out", 66, "no *.parquet file");
    refused("in/[a.parquet", "out", 64, "not a glob");
    refused("in", "file", 64, "name a folder");
    refused("in/*.parquet", "file", 64, "name a folder");
    refused("in", "in", 64, "among the inputs");
    refused("in", "in/deep/out", 64, "among the inputs");
    refused("in", "in/../in/out", 64, "among the inputs");
    refused("in/*.parquet", "in", 64, "among the inputs");
    refused("in/**/*.parquet", "in/out", 64, "among the inputs");
    assert_eq!(
        Files::discover(&dir.path().join("in/*.parquet"), &dir.path().join("in/out")).unwrap().bytes(),
        12
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_circles_are_not() {
    use std::os::unix::fs::symlink;
    let dir = files(&["in/a.parquet", "elsewhere/b.parquet"]);
    symlink(dir.path().join("elsewhere"), dir.path().join("in/link")).unwrap();
    symlink(dir.path().join("in"), dir.path().join("in/circle")).unwrap();
    symlink(dir.path().join("in"), dir.path().join("way-in")).unwrap();
    assert_eq!(outputs(&dir, "in"), ["a.parquet", "link/b.parquet"]);
    let through = Files::discover(&dir.path().join("in"), &dir.path().join("way-in/out")).unwrap_err();
    assert_eq!(through.exit_code(), 64);
}

#[cfg(unix)]
#[test]
fn a_file_is_found_once_whatever_leads_to_it() {
    use std::os::unix::fs::symlink;
    let dir = files(&["in/z/deep/f.parquet"]);
    let path = |name: &str| dir.path().join("in").join(name);
    // Links before and after the folder by name, to it, to what is above it, and to the file.
    symlink("z", path("a")).unwrap();
    symlink(".", path("b")).unwrap();
    symlink("..", path("z/deep/up")).unwrap();
    symlink("../..", path("z/deep/top")).unwrap();
    symlink("z/deep/f.parquet", path("c.parquet")).unwrap();
    std::fs::hard_link(path("z/deep/f.parquet"), path("z/deep/g.parquet")).unwrap();
    for input in ["in", "in/**/*.parquet", "in/*/**/*.parquet"] {
        assert_eq!(outputs(&dir, input), ["z/deep/f.parquet"], "{input}");
    }
    // What is named is meant.
    assert_eq!(outputs(&dir, "in/a/*/*.parquet"), ["deep/f.parquet"]);
    assert_eq!(outputs(&dir, "in/*.parquet"), ["c.parquet"]);
    let named = [path("c.parquet"), path("z/deep/f.parquet"), path("a"), dir.path().join("in")];
    assert_eq!(find_files_of(&named).unwrap(), [path("c.parquet")]);
}

#[test]
fn a_glob_looks_into_the_folders_that_it_names() {
    let dir = files(&[
        "in/a/x/1.parquet",
        "in/b/x/1.parquet",
        "in/b/x/y/2.parquet",
        "in/b/3.parquet",
        "in/ä/x/1.parquet",
    ]);
    assert_eq!(outputs(&dir, "in/?/x/*.parquet"), ["a/x/1.parquet", "b/x/1.parquet", "ä/x/1.parquet"]);
    assert_eq!(outputs(&dir, "in/b*/**/*.parquet"), ["b/3.parquet", "b/x/1.parquet", "b/x/y/2.parquet"]);
    assert_eq!(outputs(&dir, "in/**/y/*.parquet"), ["b/x/y/2.parquet"]);
    assert_eq!(outputs(&dir, "in//[ab]//x/*.parquet"), ["a/x/1.parquet", "b/x/1.parquet"]);
    assert_eq!(outputs(&dir, "in/**/x/**/*.parquet").len(), 4);
    #[cfg(unix)]
    {
        // A folder that no file of the pattern can be in is not read.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir.path().join("in/a"), std::fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(outputs(&dir, "in/b*/x/*.parquet"), ["b/x/1.parquet"]);
        std::fs::set_permissions(dir.path().join("in/a"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn shares_of_a_plan() {
    let names: Vec<String> = (0..7).map(|i| format!("in/{}.parquet", "x".repeat(i * i + 1))).collect();
    let dir = files(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let whole = Files::discover(&dir.path().join("in"), &dir.path().join("out")).unwrap();
    let share = |text: &str| whole.clone().share(text.parse().unwrap());
    let mut together: Vec<FilePair> =
        ["1/3", "2/3", "3/3"].into_iter().flat_map(|text| share(text).pairs().to_vec()).collect();
    together.sort_by(|a, b| a.output.cmp(&b.output));
    assert_eq!(together, whole.pairs());
    assert_eq!(share("1/1"), whole);
    assert!(share("9/9").pairs().is_empty());
}
