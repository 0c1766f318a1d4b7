//! Bad files among the inputs: empty, broken, or without the columns. The others are annotated,
//! and the bad ones are named.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

use crate::harness::files::{batch, embeddings, listing, replaced, write};
use crate::harness::{Ran, annotate, bundle, fitted, last_json, lsmi_in, must, refused, rows, run};

/// A folder `in` of two good files, `a.parquet` and `deep/c.parquet`, and an annotated copy of
/// them in `good`.
fn two_good_files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("in/deep")).unwrap();
    write(&dir.path().join("in/a.parquet"), &rows(300));
    fs::copy(fitted().join("in.parquet"), dir.path().join("in/deep/c.parquet")).unwrap();
    assert_eq!(annotate(dir.path(), "in", "good", &[]).code, 0);
    dir
}

/// The bytes of the good files' outputs.
#[track_caller]
fn assert_good(dir: &Path, output: &str) {
    for name in ["a.parquet", "deep/c.parquet"] {
        let same =
            fs::read(dir.join(output).join(name)).unwrap() == fs::read(dir.join("good").join(name)).unwrap();
        assert!(same, "{output}/{name} is not what the good files alone became");
    }
}

/// All files below a folder, hidden ones too.
fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in listing(dir) {
        let path = dir.join(&name);
        if path.is_dir() {
            found.extend(tree(&path).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

const GOOD_TREE: [&str; 2] = ["a.parquet", "deep/c.parquet"];

/// Lines of the log at a level that name a file.
fn lines<'a>(ran: &'a Ran, level: &str, name: &str) -> Vec<&'a str> {
    ran.stderr.lines().filter(|line| line.contains(level) && line.contains(name)).collect()
}

/// Bytes of bad files, with a word of their errors.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = fs::read(fitted().join("in.parquet")).unwrap();
    let reader = SerializedFileReader::new(File::open(fitted().join("in.parquet")).unwrap()).unwrap();
    let (start, _) = reader.metadata().row_groups().last().unwrap().column(0).byte_range();
    let overwritten = |at: usize, bytes: &[u8]| {
        let mut all = whole.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all
    };
    let footer = u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
    vec![
        ("empty", Vec::new(), "it is empty (0 bytes)"),
        ("text", b"x1,x2,y\n".to_vec(), "is not a Parquet file"),
        ("only the magic", b"PAR1".to_vec(), "cut off"),
        ("half a file", whole[..whole.len() / 2].to_vec(), "cut off"),
        ("lost in the middle", [&whole[..whole.len() / 3], &whole[whole.len() / 2..]].concat(), "damaged"),
        ("the footer's length", overwritten(whole.len() - 8, &[0xff; 4]), "damaged"),
        ("a footer of zeros", overwritten(whole.len() - 8 - footer, &vec![0; footer]), "damaged"),
        ("the first page", overwritten(4, &[0xff; 20]), "damaged"),
        // Two row groups are computed and spliced by then.
        ("a page in the last row group", overwritten(start as usize, &[0xff; 20]), "damaged"),
    ]
}

/// Files that are whole, but do not fit the models.
fn unfit(path: &Path, kind: &str) {
    let rows = rows(10);
    let column = |name: &str| rows.column_by_name(name).unwrap().clone();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["text"; 10]));
    let unfit = match kind {
        "a column is missing" => batch(&[("x1", column("x1")), ("y", column("y"))]),
        "another type" => replaced(&rows, "x2", text),
        "another dimension" => replaced(&rows, "x1", embeddings(&vec![Some(vec![0.5; 3]); 10], 3)),
        other => panic!("{other}"),
    };
    write(path, &unfit);
}

#[test]
fn the_others_are_done_and_the_bad_one_is_named() {
    let dir = two_good_files();
    let dir = dir.path();
    let whole = fs::read(fitted().join("in.parquet")).unwrap();
    let unfit_kinds = ["a column is missing", "another type", "another dimension"];
    let unfit_kinds = unfit_kinds.map(|kind| (kind, None, "column"));
    let broken = broken().into_iter().map(|(kind, bytes, word)| (kind, Some(bytes), word));
    for (kind, bytes, word) in broken.chain(unfit_kinds) {
        // It has a folder of its own, and is neither the first nor the last.
        let bad = dir.join("in/b/bad.parquet");
        fs::create_dir_all(dir.join("in/b")).unwrap();
        match bytes {
            Some(bytes) => fs::write(&bad, bytes).unwrap(),
            None => unfit(&bad, kind),
        }
        let ran = annotate(dir, "in", "out", &["--json", "--batch-rows", "64", "--rejects", "rejects"]);
        assert_eq!(ran.code, 65, "{kind}: {}", ran.stderr);
        let [error] = lines(&ran, "ERROR", "")[..] else { panic!("{kind}: not one error: {}", ran.stderr) };
        for word in ["in/b/bad.parquet", word, "1 of 3 files is bad, the others are done"] {
            assert!(error.contains(word), "{kind}: no {word} in {error}");
        }
        assert_eq!(lines(&ran, "WARN", "bad.parquet").len(), 1, "{kind}: {}", ran.stderr);
        assert_good(dir, "out");
        assert_eq!(tree(&dir.join("out")), GOOD_TREE, "{kind}");
        assert_eq!(tree(&dir.join("rejects")), GOOD_TREE, "{kind}");
        let began = ["lost in the middle", "the first page", "a page in the last row group"].contains(&kind);
        assert!(began || !dir.join("out/b").exists(), "{kind}");
        let summary = last_json(&ran);
        assert_eq!((&summary["files"], &summary["rows"]), (&3.into(), &3300.into()), "{summary}");
        let [named] = &summary["bad_files"].as_array().unwrap()[..] else { panic!("{summary}") };
        assert_eq!(named["input"], "in/b/bad.parquet");
        assert!(named["error"].as_str().unwrap().len() > 10, "{summary}");

        // Again: only what is missing, and skipped where that is asked for.
        let skip = ["--json", "--batch-rows", "64", "--rejects", "rejects", "--on-bad-file", "skip"];
        let again = annotate(dir, "in", "out", &skip);
        assert_eq!(again.code, 0, "{kind}: {}", again.stderr);
        let summary = last_json(&again);
        assert_eq!(
            (&summary["skipped_files"], summary["bad_files"].as_array().map(Vec::len)),
            (&2.into(), Some(1))
        );
        assert_eq!(lines(&again, "WARN", "1 of 3 files is bad and left out").len(), 1, "{}", again.stderr);
        let nothing = annotate(dir, "in", "out", &[&skip[..], &["--if-nothing", "exit99"]].concat());
        assert_eq!(nothing.code, 99, "{kind}: {}", nothing.stderr);

        // Mended: it is done, and only it.
        fs::write(&bad, &whole).unwrap();
        let mended = annotate(dir, "in", "out", &["--json", "--rejects", "rejects"]);
        assert_eq!(mended.code, 0, "{kind}: {}", mended.stderr);
        let summary = last_json(&mended);
        assert_eq!((&summary["skipped_files"], &summary["rows"]), (&2.into(), &6300.into()), "{kind}");
        assert_eq!(summary["resumed_rows"], 0, "{kind}");
        assert!(summary.get("bad_files").is_none());
        let bytes = |name: &str| fs::read(dir.join("out").join(name)).unwrap();
        assert!(bytes("b/bad.parquet") == bytes("deep/c.parquet"), "{kind}");
        for folder in ["in/b", "out", "rejects"] {
            fs::remove_dir_all(dir.join(folder)).unwrap();
        }
    }
}

#[test]
fn each_of_several_is_named_and_the_end_says_how_many() {
    let dir = two_good_files();
    let dir = dir.path();
    for (index, (_, bytes, _)) in broken().into_iter().enumerate() {
        fs::write(dir.join(format!("in/b{index}.parquet")), bytes).unwrap();
    }
    for input in ["in", "in/**/*.parquet"] {
        let ran = annotate(dir, input, "out", &["--json"]);
        assert_eq!(ran.code, 65, "{}", ran.stderr);
        let [error] = lines(&ran, "ERROR", "")[..] else { panic!("{}", ran.stderr) };
        assert!(error.contains("in/b0.parquet") && error.contains("9 of 11 files are bad"), "{error}");
        for index in 0..9 {
            assert_eq!(lines(&ran, "WARN", &format!("in/b{index}.parquet")).len(), 1, "{}", ran.stderr);
        }
        let summary = last_json(&ran);
        let places = summary["bad_files"].as_array().unwrap();
        assert_eq!(places.len(), 9);
        assert_eq!((&places[8]["row_group"], &places[8]["column"]), (&2.into(), &"x1".into()), "{summary}");
        assert_good(dir, "out");
        assert_eq!(tree(&dir.join("out")), GOOD_TREE);
    }
}

#[test]
fn a_run_that_could_do_no_file_fails_in_any_case() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("in")).unwrap();
    for name in ["in/a.parquet", "in/b.parquet"] {
        write(&dir.join(name), &rows(10));
    }
    for more in [&[][..], &["--on-bad-file", "skip"]] {
        // A slip of the pen makes all files bad.
        let ran = annotate(dir, "in", "out", &[&["--x1", "picture"], more].concat());
        refused(&ran, 65, &["in/a.parquet, column \"picture\"", "2 of 2 files are bad)"]);
        assert!(!dir.join("out").exists());
    }
    // But a share may have got the bad file alone.
    fs::write(dir.join("in/b.parquet"), "").unwrap();
    let code = |share: &str, more: &[&str]| {
        annotate(dir, "in", "out", &[&["--files-per-job", share], more].concat()).code
    };
    let mut codes = ["1/2", "2/2"].map(|share| code(share, &[]));
    codes.sort();
    assert_eq!(codes, [0, 65]);
    assert_eq!(["1/2", "2/2"].map(|share| code(share, &["--on-bad-file", "skip"])), [0, 0]);
    assert_eq!(listing(&dir.join("out")), ["a.parquet"]);
}

#[test]
fn one_file_alone_is_refused_as_ever() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.parquet"), "").unwrap();
    for more in [&[][..], &["--on-bad-file", "skip"], &["--on-bad-file", "skip", "--files-per-job", "1/1"]] {
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", more);
        refused(&ran, 65, &["in.parquet", "is not a Parquet file"]);
        assert!(!ran.stderr.contains("is bad"), "{}", ran.stderr);
    }
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn bad_rows_are_no_bad_file() {
    let dir = two_good_files();
    let dir = dir.path();
    let labels = (0..300).map(|row| (row != 250).then_some(row % 4));
    write(&dir.join("in/b.parquet"), &replaced(&rows(300), "y", Arc::new(labels.collect::<Int64Array>())));
    for limit in [["--max-bad-rows", "0"], ["--on-bad-row", "fail"]] {
        let ran = annotate(dir, "in", "out", &[&limit[..], &["--on-bad-file", "skip"]].concat());
        refused(&ran, 65, &["in/b.parquet", "bad"]);
        assert!(!dir.join("out/deep").exists(), "the run went on");
    }
    // What was computed is kept, as for a file alone.
    let ran = annotate(dir, "in", "out", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(last_json(&ran)["resumed_rows"].as_u64().unwrap() > 0, "{}", ran.stdout);
}

#[test]
fn an_output_of_other_work_still_ends_the_run() {
    let dir = two_good_files();
    let dir = dir.path();
    fs::write(dir.join("in/b.parquet"), "").unwrap();
    fs::create_dir_all(dir.join("out/deep")).unwrap();
    fs::write(dir.join("out/deep/c.parquet"), "mine").unwrap();
    for mode in ["fail", "skip"] {
        refused(&annotate(dir, "in", "out", &["--on-bad-file", mode]), 73, &["out/deep/c.parquet exists"]);
    }
    assert_eq!(fs::read(dir.join("out/deep/c.parquet")).unwrap(), b"mine");
    assert_eq!(listing(&dir.join("out")), ["a.parquet", "deep"]);
}

#[test]
fn a_dry_run_names_them_too() {
    let dir = two_good_files();
    let dir = dir.path();
    fs::write(dir.join("in/b.parquet"), "").unwrap();
    unfit(&dir.join("in/d.parquet"), "a column is missing");
    let ran = annotate(dir, "in", "out", &["--dry-run", "--json"]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    let plan = last_json(&ran);
    assert_eq!((&plan["files"], &plan["rows"]), (&4.into(), &3300.into()));
    assert_eq!(plan["bad_files"][1]["input"], "in/d.parquet");
    let ran = annotate(dir, "in", "out", &["--dry-run", "--on-bad-file", "skip"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("files      4, of which 2 can not be annotated"), "{}", ran.stdout);
    assert!(!dir.join("out").exists());
}

/// Makes the last row group's chunk of a column end beyond the file. Only who copies it sees that.
fn with_a_chunk_beyond_the_end(path: &Path, column: &str) {
    let file = File::open(path).unwrap();
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    let mut builder = reader.parse_and_finish(&file).unwrap().into_builder();
    let mut groups = builder.take_row_groups();
    let mut group = groups.pop().unwrap().into_builder();
    for chunk in group.take_columns() {
        let is_it = chunk.column_path().string() == column;
        let bytes = if is_it { 1 << 40 } else { chunk.compressed_size() };
        group =
            group.add_column_metadata(chunk.into_builder().set_total_compressed_size(bytes).build().unwrap());
    }
    groups.push(group.build().unwrap());
    let metadata = builder.set_row_groups(groups).build();
    let mut bytes = fs::read(path).unwrap();
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    fs::write(path, bytes).unwrap();
}

fn shift(ran: &Ran) -> f64 {
    last_json(ran)["adjustment"]["shift_nats"].as_f64().unwrap()
}

#[test]
fn one_shift_is_that_of_the_other_files() {
    let dir = two_good_files();
    let dir = dir.path();
    let adjusted = |output: &str, more: &[&str]| {
        annotate(dir, "in", output, &[&["--json", "--adjust", "dataset"][..], more].concat())
    };
    fs::remove_dir_all(dir.join("good")).unwrap();
    let alone = adjusted("good", &[]);
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    let bad = dir.join("in/b.parquet");
    let in_both_passes = broken().into_iter().map(|(kind, bytes, _)| (kind, Some(bytes)));
    for (kind, bytes) in in_both_passes.chain([("a chunk that only the second pass reads", None)]) {
        match bytes {
            Some(bytes) => fs::write(&bad, bytes).unwrap(),
            None => {
                // Other rows than those of the other files, whose shift they would change.
                let rows = ["--rows", "2000", "--seed", "9", "--row-group-rows", "500", "--overwrite", "-o"];
                must(
                    crate::harness::lsmi().args(["synth", "gaussian", "--classes", "4"]).args(rows).arg(&bad),
                );
                with_a_chunk_beyond_the_end(&bad, "true_r");
            }
        }
        for more in [&[][..], &["--restart"], &["--overwrite"]] {
            let ran = adjusted("out", more);
            assert_eq!(ran.code, 65, "{kind}: {}", ran.stderr);
            assert_eq!(shift(&ran), shift(&alone), "{kind}");
            assert!(ran.stderr.contains("the shift is that of 2 files"), "{kind}: {}", ran.stderr);
            assert_eq!(last_json(&ran)["columns"], last_json(&alone)["columns"], "{kind}");
            assert_good(dir, "out");
            assert_eq!(tree(&dir.join("out")), GOOD_TREE, "{kind}");
            if more != ["--overwrite"] {
                let modified = || fs::metadata(dir.join("out/a.parquet")).unwrap().modified().unwrap();
                let before = modified();
                let again = adjusted("out", &["--on-bad-file", "skip"]);
                assert_eq!(again.code, 0, "{kind}: {}", again.stderr);
                assert_eq!((&last_json(&again)["skipped_files"], modified()), (&2.into(), before), "{kind}");
                fs::remove_dir_all(dir.join("out")).unwrap();
            }
        }
        fs::remove_dir_all(dir.join("out")).unwrap();
    }
    // Mended, it counts, and all are written with the shift of all.
    adjusted("out", &[]);
    fs::copy(dir.join("in/deep/c.parquet"), &bad).unwrap();
    let mended = adjusted("out", &[]);
    assert_eq!(mended.code, 0, "{}", mended.stderr);
    assert_eq!(last_json(&mended)["skipped_files"], 0);
    assert_eq!(shift(&mended), shift(&adjusted("anew", &[])));
    assert!(fs::read(dir.join("out/a.parquet")).unwrap() == fs::read(dir.join("anew/a.parquet")).unwrap());
}

#[test]
fn other_commands_name_it_and_give_no_numbers_of_the_rest() {
    let dir = two_good_files();
    let dir = dir.path();
    for (kind, bytes, _) in broken().into_iter().filter(|(kind, ..)| !kind.contains("page")) {
        fs::write(dir.join("good/b.parquet"), &bytes).unwrap();
        let ran = lsmi_in(dir, ["report", "good", "-o", "report.html"]);
        refused(&ran, 65, &["good/b.parquet"]);
        assert!(!dir.join("report.html").exists(), "{kind}");
        for question in [
            "SELECT count(*) FROM 'good' WHERE y >= 0",
            "SELECT avg(r) AS r FROM 'good/*.parquet' WHERE y = 1",
        ] {
            refused(&lsmi_in(dir, ["sql", question]), 65, &["good/b.parquet"]);
        }
        let ran = lsmi_in(dir, ["fit", "good/b.parquet", "--bundle", "models"]);
        refused(&ran, 65, &["good/b.parquet"]);
        assert!(!dir.join("models").exists(), "{kind}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_a_bad_file() {
    use std::os::unix::fs::symlink;
    let dir = two_good_files();
    let dir = dir.path();
    symlink("nowhere", dir.join("in/b.parquet")).unwrap();
    symlink("itself.parquet", dir.join("in/itself.parquet")).unwrap();
    // A link whose name says nothing of data is none of the inputs.
    symlink("nowhere", dir.join("in/notes")).unwrap();
    let words = ["in/b.parquet", "a link that leads nowhere", "2 of 4 files are bad, the others are done"];
    refused(&annotate(dir, "in", "out", &[]), 65, &words);
    assert_good(dir, "out");
    let skipped = annotate(dir, "in", "skipped", &["--on-bad-file", "skip"]);
    assert_eq!(skipped.code, 0, "{}", skipped.stderr);
    assert_eq!(lines(&skipped, "WARN", "in/itself.parquet").len(), 1, "{}", skipped.stderr);
    assert_good(dir, "skipped");

    let fit = ["fit", "in", "--bundle", "models", "--max-rows", "300"];
    refused(&lsmi_in(dir, fit), 65, &["in/b.parquet", "a link that leads nowhere"]);
    let skipped = lsmi_in(dir, fit.iter().chain(&["--on-bad-file", "skip"]));
    assert_eq!(skipped.code, 0, "{}", skipped.stderr);

    symlink("nowhere", dir.join("good/b.parquet")).unwrap();
    let words = ["good/b.parquet", "a link that leads nowhere"];
    refused(&lsmi_in(dir, ["report", "good", "-o", "report.html"]), 65, &words);
    for files in ["good", "good/*.parquet"] {
        refused(&lsmi_in(dir, ["sql", &format!("SELECT count(*) FROM '{files}'")]), 65, &words);
    }
    // One that is named itself is an input that is not there.
    refused(&annotate(dir, "in/b.parquet", "one.parquet", &[]), 66, &["in/b.parquet"]);
}

/// The totals of a run in a bucket.
fn totals(ran: &Ran) -> Value {
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    last_json(ran)
}

#[test]
fn objects_are_no_other() {
    let (server, dir) = (crate::harness::stores::Server::s3(), two_good_files());
    let dir = dir.path();
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(dir.join("half"), &fs::read(fitted().join("in.parquet")).unwrap()[..5000]).unwrap();
    for (key, file) in [
        ("in/a.parquet", "in/a.parquet"),
        ("in/b.parquet", "empty"),
        ("in/c.parquet", "half"),
        ("in/d.parquet", "in/a.parquet"),
    ] {
        server.put(key, &dir.join(file));
    }
    let annotate = || {
        let mut command = server.lsmi();
        command.current_dir(dir).env("TMPDIR", dir).args([
            "annotate",
            "s3://data/in",
            "s3://data/out",
            "--json",
        ]);
        run(command.arg("--bundle").arg(bundle()))
    };
    for skipped in [0, 2] {
        let totals = totals(&annotate());
        assert_eq!(totals["skipped_files"], skipped);
        let bad: Vec<_> = totals["bad_files"].as_array().unwrap().iter().map(|bad| &bad["input"]).collect();
        assert_eq!(bad, ["s3://data/in/b.parquet", "s3://data/in/c.parquet"]);
        assert!(
            server
                .ask("list", &[])
                .iter()
                .filter(|key| key.starts_with("out/"))
                .eq(["out/a.parquet", "out/d.parquet"])
        );
        assert!(server.ask("uploads", &[]).is_empty());
    }
}
