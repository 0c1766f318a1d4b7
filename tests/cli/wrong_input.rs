//! An input that is not what it must be, each with its message and its exit code.

use std::fs;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type};

use crate::harness::files::{batch, embeddings, listing, replaced, vectors, write};
use crate::harness::{annotate, bundle, fitted, lsmi, lsmi_in, must, refused, rows, run, shell};

#[test]
fn no_such_file() {
    let dir = tempfile::tempdir().unwrap();
    let ran = annotate(dir.path(), "absent.parquet", "out.parquet", &[]);
    refused(&ran, 66, &["absent.parquet", "cannot open the input", "No such file"]);
    assert!(listing(dir.path()).is_empty());
}

#[test]
fn a_slip_is_answered_with_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(fitted().join("bundle"), dir.path().join("bundle")).unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::copy(fitted().join("in.parquet"), dir.path().join("data/train.parquet")).unwrap();
    fs::write(dir.path().join("nightly.toml"), "").unwrap();
    fs::write(dir.path().join("means.sql"), "SELECT 1").unwrap();
    let near = |path: &str| format!("did you mean '{path}'?");
    let ran = |args: &[&str], code: i32, words: &str| refused(&lsmi_in(dir.path(), args), code, &[words]);
    ran(&["annotate", "data/trian.parquet", "out.parquet"], 66, &near("data/train.parquet"));
    ran(&["fit", "dta/train.parquet"], 66, &near("data/train.parquet"));
    ran(&["report", "daat", "-o", "r.html"], 66, &near("data"));
    ran(&["sql", "SELECT 1 FROM 'data/tran.parquet'"], 66, &near("data/train.parquet"));
    ran(&["run", "nighty.toml"], 66, &near("nightly.toml"));
    ran(&["sql", "-f", "mean.sql"], 66, &near("means.sql"));
    ran(&["bundle", "inspect", "bundel"], 78, "not found; did you mean bundle? `lsmi-etl fit`");
    let far = lsmi_in(dir.path(), ["annotate", "elsewhere.parquet", "out.parquet"]);
    refused(&far, 66, &["elsewhere.parquet"]);
    assert!(!far.stderr.contains("did you mean"), "{}", far.stderr);
}

#[test]
fn a_missing_column_that_only_the_bundle_names_is_said_to_be_that() {
    let dir = tempfile::tempdir().unwrap();
    let values = embeddings(&[Some(vec![1.0, 2.0])], 2);
    let label: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    write(
        &dir.path().join("in.parquet"),
        &batch(&[("top", values.clone()), ("bottom", values), ("y", label)]),
    );
    let named = ["column \"x1\": there is no such column", "names this one, --bundle another bundle"];
    refused(&annotate(dir.path(), "in.parquet", "out.parquet", &[]), 65, &named);
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--x1", "tap", "--x2", "bottom"]);
    refused(&ran, 65, &["column \"tap\": there is no such column; did you mean \"top\"?"]);
    assert!(!ran.stderr.contains("another bundle"), "{}", ran.stderr);
}

#[test]
fn another_format_is_named_with_the_way_to_parquet() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fitted().join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    let sql = |args: &[&str]| must(lsmi().current_dir(dir.path()).arg("sql").args(args));
    sql(&["--output", "in.arrow", "SELECT * FROM 'in.parquet'"]);
    fs::copy(dir.path().join("in.arrow"), dir.path().join("misnamed.parquet")).unwrap();
    let arrow = "is not a Parquet file but an Arrow file (Feather); ";
    for command in [&["fit", "in.arrow"][..], &["report", "in.arrow", "-o", "r.html"]] {
        refused(&lsmi_in(dir.path(), command), 65, &["in.arrow", arrow]);
    }
    let ran = annotate(dir.path(), "in.arrow", "out.parquet", &[]);
    refused(&ran, 65, &[arrow, "write it as Parquet: lsmi-etl sql --output in-new.parquet"]);
    let way = &ran.stderr[ran.stderr.find("lsmi-etl sql").unwrap()..];
    must(shell(way.lines().next().unwrap()).current_dir(dir.path()));
    assert_eq!(annotate(dir.path(), "in-new.parquet", "out.parquet", &[]).code, 0);
    let ran = lsmi_in(dir.path(), ["sql", "SELECT 1 FROM 'misnamed.parquet'"]);
    refused(&ran, 65, &[arrow, "name it misnamed.arrow, and write it as Parquet"]);
    fs::write(
        dir.path().join("lfs.parquet"),
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    )
    .unwrap();
    refused(&annotate(dir.path(), "lfs.parquet", "o.parquet", &[]), 65, &["lfs.parquet", "git lfs pull"]);
}

#[test]
fn a_store_without_credentials_is_said_to_have_none() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens there, as on a machine of no cloud.
    let nobody = "http://127.0.0.1:9";
    let without = |arguments: &[&str]| {
        let mut command = lsmi();
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.env("AWS_METADATA_ENDPOINT", nobody).env("LSMI_ETL_RETRY_SECONDS", "0");
        run(command.current_dir(dir.path()).args(arguments).arg("--bundle").arg(bundle()))
    };
    let words = ["s3://data/in.parquet", "no credentials", "AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE=true"];
    refused(&without(&["annotate", "s3://data/in.parquet", "out.parquet"]), 78, &words);
    refused(&without(&["sql", "SELECT 1 FROM 's3://data/in.parquet'"]), 78, &words);
    let local = fitted().join("in.parquet");
    let upload = without(&["annotate", local.to_str().unwrap(), "s3://data/out.parquet"]);
    refused(&upload, 78, &["s3://data/out.parquet", "no credentials"]);
    // A dry run, too, of all that would be written.
    let local = local.to_str().unwrap();
    let planned = without(&["annotate", local, "s3://data/out.parquet", "--dry-run"]);
    refused(&planned, 78, &["s3://data/out.parquet", "no credentials"]);
    let rejects = without(&["annotate", local, "out.parquet", "--rejects", "s3://data/bad.csv", "--dry-run"]);
    refused(&rejects, 78, &["s3://data/bad.csv", "no credentials"]);
    let report =
        format!("input = '{local}'\noutput = 'out.parquet'\n[report]\noutput = 's3://data/r.html'\n");
    fs::write(dir.path().join("p.toml"), report).unwrap();
    for more in [&["--dry-run"][..], &[]] {
        refused(&without(&[&["run", "p.toml"], more].concat()), 78, &["s3://data/r.html", "no credentials"]);
    }
    fs::remove_file(dir.path().join("p.toml")).unwrap();
    assert!(listing(dir.path()).is_empty());
}

#[test]
fn a_slip_comes_before_an_output_that_exists() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["in.parquet", "train.parquet", "annotated.parquet"] {
        let from = if name == "train.parquet" { name } else { "in.parquet" };
        fs::copy(fitted().join(from), dir.path().join(name)).unwrap();
    }
    fs::create_dir(dir.path().join("made")).unwrap();
    fs::copy(fitted().join("bundle/bundle.json"), dir.path().join("made/bundle.json")).unwrap();
    let fit = |args: &[&str]| {
        lsmi_in(dir.path(), ["fit", "--bundle", "made"].into_iter().chain(args.iter().copied()))
    };
    refused(&fit(&["absent.parquet"]), 66, &["absent.parquet"]);
    refused(&fit(&["train.parquet", "--label", "lable"]), 65, &["\"lable\"", "no such column"]);
    refused(&fit(&["train.parquet", "--x1", "x1", "--x2", "x22"]), 65, &["\"x22\"", "no such column"]);
    refused(&fit(&["train.parquet"]), 73, &["made exists"]);
    let over = |input: &str, more: &[&str]| annotate(dir.path(), input, "annotated.parquet", more);
    refused(&over("absent.parquet", &[]), 66, &["absent.parquet"]);
    refused(&over("in.parquet", &["--x1", "x11"]), 65, &["\"x11\"", "no such column"]);
    refused(&over("in.parquet", &[]), 73, &["annotated.parquet exists"]);
}

#[test]
fn a_folder_is_no_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in.parquet")).unwrap();
    refused(
        &annotate(dir.path(), "in.parquet", "out.parquet", &[]),
        66,
        &["in.parquet", "no *.parquet file is there; names that begin"],
    );
    fs::write(dir.path().join("in.parquet/data-00000-of-00002.arrow"), "").unwrap();
    fs::write(dir.path().join("in.parquet/data-00001-of-00002.arrow"), "").unwrap();
    fs::write(dir.path().join("in.parquet/dataset_info.json"), "{}").unwrap();
    refused(
        &annotate(dir.path(), "in.parquet", "out.parquet", &[]),
        66,
        &[
            "no *.parquet file is there, but 2 files named *.arrow; write Parquet",
            "FROM 'in.parquet/*.arrow'",
        ],
    );
    // The graver fault is the input without data, not the output that is a file.
    fs::write(dir.path().join("there.parquet"), "").unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let empty = annotate(dir.path(), "empty", "there.parquet", &[]);
    refused(&empty, 66, &["empty", "no *.parquet file is there"]);
    // The bundle in place of the input.
    fs::create_dir(dir.path().join("models")).unwrap();
    fs::write(dir.path().join("models/bundle.json"), "{}").unwrap();
    let ran = annotate(dir.path(), "models", "out.parquet", &[]);
    refused(&ran, 66, &["models", "is a bundle of models, not data; `lsmi-etl bundle inspect` shows it"]);
}

#[test]
fn not_parquet() {
    let dir = tempfile::tempdir().unwrap();
    for content in ["x1,x2,y\n1,2,0\n", ""] {
        fs::write(dir.path().join("in.parquet"), content).unwrap();
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
        refused(&ran, 65, &["in.parquet", "is not a Parquet file"]);
    }
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn truncated_at_every_kind_of_place() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(fitted().join("in.parquet")).unwrap();
    let footer = u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
    let ends = [
        ("the magic's last byte", whole.len() - 1),
        ("the footer's length", whole.len() - 6),
        ("half the footer", whole.len() - 8 - footer / 2),
        ("the whole footer", whole.len() - 8 - footer),
        ("half the file", whole.len() / 2),
        ("all but the magic", 4),
    ];
    for (lost, length) in ends {
        fs::write(dir.path().join("in.parquet"), &whole[..length]).unwrap();
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
        assert_eq!(ran.code, 65, "{lost}: {}", ran.stderr);
        refused(&ran, 65, &["in.parquet", "cut off", "write it again"]);
    }
    // Bytes lost in the middle: the footer is there and promises more than the file holds.
    let middle = [&whole[..whole.len() / 3], &whole[whole.len() / 2..]].concat();
    fs::write(dir.path().join("in.parquet"), middle).unwrap();
    refused(&annotate(dir.path(), "in.parquet", "out.parquet", &[]), 65, &["in.parquet", "write it again"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
    for query in ["SELECT sum(true_r) FROM 'in.parquet'", "SELECT * FROM 'in.parquet'"] {
        let ran = lsmi_in(dir.path(), ["sql", "--format", "csv", query]);
        assert_eq!(ran.code, 65, "{}", ran.stderr);
        assert!(ran.stderr.contains("in.parquet"), "{}", ran.stderr);
    }
}

#[test]
fn damaged_pages() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(fitted().join("in.parquet")).unwrap();
    // The first page's header.
    bytes[4..24].fill(0xff);
    fs::write(dir.path().join("in.parquet"), bytes).unwrap();
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    refused(&ran, 65, &["in.parquet, row group 0, column \"x1\"", "damaged, write it again"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn missing_column() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(10);
    let x = |name| rows.column_by_name(name).unwrap().clone();
    write(&dir.path().join("in.parquet"), &batch(&[("x11", x("x1")), ("x2", x("x2")), ("label", x("y"))]));
    let run = |more: &[&str]| annotate(dir.path(), "in.parquet", "out.parquet", more);
    let columns = "the columns are: x11, x2, label";
    refused(&run(&[]), 65, &["in.parquet, column \"x1\"", "did you mean \"x11\"?", columns]);
    refused(&run(&["--x1", "X11"]), 65, &["column \"X11\"", "did you mean \"x11\"?", columns]);
    let ran = run(&["--x1", "x11", "--label", "lable"]);
    refused(&ran, 65, &["column \"lable\"", "did you mean \"label\"?", columns]);
    let ran = run(&["--x1", "x11", "--x2", "picture"]);
    refused(&ran, 65, &["column \"picture\"", columns]);
    assert!(!ran.stderr.contains("did you mean"), "{}", ran.stderr);
    assert_eq!(run(&["--x1", "x11", "--label", "label"]).code, 0);
}

#[test]
fn wrong_dimension() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(200);
    let longer: Vec<_> =
        vectors(&rows, "x2").into_iter().map(|row| row.map(|row| [&row[..], &[0.5]].concat())).collect();
    let fixed = embeddings(&longer, 5);
    let lists = longer.into_iter().map(|row| row.map(|row| row.into_iter().map(Some)));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
    let large = DataType::LargeList(Arc::new(Field::new_list_field(DataType::Float32, true)));
    for x2 in [fixed, cast(&lists, &large).unwrap(), lists] {
        write(&dir.path().join("in.parquet"), &replaced(&rows, "x2", x2));
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
        let what = ["in.parquet", "column \"x2\"", "dimension 5", "models take 4", "another bundle"];
        refused(&ran, 65, &what);
    }
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn columns_of_types_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(10);
    let run = |name: &str, array: ArrayRef| {
        write(&dir.path().join("in.parquet"), &replaced(&rows, name, array));
        annotate(dir.path(), "in.parquet", "out.parquet", &[])
    };
    let y = rows.column_by_name("y").unwrap();
    let days = cast(&cast(y, &DataType::Int32).unwrap(), &DataType::Date32).unwrap();
    let what = ["in.parquet, column \"y\"", "Date32", "no label", "the bundle's classes are integers"];
    refused(&run("y", days), 65, &what);
    let string: ArrayRef = Arc::new(StringArray::from(vec!["cat"; 10]));
    refused(&run("y", string), 65, &["column \"y\"", "holds strings", "classes are integers"]);
    let scalar: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 10]));
    refused(&run("x1", scalar), 65, &["column \"x1\"", "Float64", "no embedding", "FixedSizeList"]);
    let x1 = rows.column_by_name("x1").unwrap().as_fixed_size_list();
    let integers = cast(x1.values(), &DataType::Int32).unwrap();
    let item = Arc::new(Field::new_list_field(DataType::Int32, true));
    let integers = arrow::array::FixedSizeListArray::new(item, 4, integers, None);
    assert_eq!(integers.len(), 10);
    refused(&run("x1", Arc::new(integers)), 65, &["column \"x1\"", "Int32", "no embedding"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn a_column_that_would_be_there_twice() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(10);
    let r: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 10]));
    let mut columns: Vec<_> = ["x1", "x2", "y"].map(|n| (n, rows.column_by_name(n).unwrap().clone())).into();
    columns.push(("r", r));
    write(&dir.path().join("in.parquet"), &batch(&columns));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    refused(&ran, 64, &["in.parquet", "column", "\"r\""]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}
