//! The columns of three and four modalities as they are named: twice, with commas, in either notation, by
//! flags, variables and inputs of models.

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{annotated, on, pack, pack_command, system};
use crate::harness::files::{batch, read, write};
use crate::harness::{Ran, lsmi, refused, run};

/// A folder with the `bundle` of a system of three variables and its outcomes as `in.parquet`.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let of = system("cat");
    assert_eq!(pack(of, &dir.path().join("bundle"), "embedded").code, 0);
    std::fs::copy(of.0.join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    dir
}

/// `annotate in.parquet out.parquet` with these flags and variables.
fn annotate(dir: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = lsmi();
    command.current_dir(dir).envs(variables.iter().copied());
    command.args(["annotate", "in.parquet", "out.parquet", "--overwrite", "--bundle", "bundle"]);
    run(command.args(["--engine", "embedded"]).args(flags))
}

#[track_caller]
fn done(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// `bundle pack` of a system with some of its arguments replaced.
fn packed_with(of: &(std::path::PathBuf, Value), bundle: &Path, replace: impl Fn(&str) -> String) -> Ran {
    let command = pack_command((&of.0, &of.1), bundle, "embedded");
    let args: Vec<OsString> = command.get_args().map(|arg| replace(arg.to_str().unwrap()).into()).collect();
    run(lsmi().args(args))
}

#[test]
fn one_column_is_no_two_modalities() {
    let dir = folder();
    let dir = dir.path();
    for (flags, words) in [
        (&["--x", "x1,x1,x1"][..], "modalities 1 and 2 are both the column \"x1\""),
        // The bundle's third modality is x3.
        (&["--x1", "x3"], "modalities 1 and 3 are both the column \"x3\""),
    ] {
        refused(&annotate(dir, flags, &[]), 64, &[words]);
    }
    assert!(!dir.join("out.parquet").exists());
    let of = system("cat");
    let ran = packed_with(of, &dir.join("twice"), |arg| if arg == "x2" { "x1".into() } else { arg.into() });
    refused(&ran, 64, &["modalities 1 and 2 are both the column \"x1\""]);
    assert!(!dir.join("twice").exists());

    let ask = |sql: &str| on(dir, "embedded", &["sql", "--bundle", "bundle", "--format", "ndjson", sql]);
    let twice = ask("SELECT lsmi_r(x1, x2, x1, y) AS r, lsmi_s(x1, x2, x1, y) AS s FROM 'in.parquet'");
    done(&twice);
    let warned =
        twice.stderr.lines().filter(|line| line.contains("modalities 1 and 3 are the same expression"));
    assert_eq!(warned.count(), 1, "{}", twice.stderr);
    let plain = ask("SELECT lsmi_r(x1, x2, x3, y) AS r FROM 'in.parquet'");
    assert!(plain.code == 0 && !plain.stderr.contains("same expression"), "{}", plain.stderr);
}

#[test]
fn a_name_with_a_comma_stands_in_quotes() {
    let dir = folder();
    let dir = dir.path();
    let rows = read(&dir.join("in.parquet"));
    let column = |name: &str| rows.column_by_name(name).unwrap().clone();
    let columns = [("x1", column("x1")), ("x2", column("x2")), ("a,b", column("x3")), ("y", column("y"))];
    write(&dir.join("in.parquet"), &batch(&columns));
    done(&annotate(dir, &["--x", "x1,x2,\"a,b\""], &[]));
    done(&annotate(dir, &["--x", "x1", "--x", "x2", "--x", "\"a,b\""], &[]));
    done(&annotate(dir, &[], &[("LSMI_ETL_X", "x1,x2,\"a,b\"")]));
    refused(&annotate(dir, &["--x", "x1,x2,a,b"], &[]), 64, &["4 embedding columns are named"]);
    let open = annotate(dir, &["--x", "x1,x2,\"a,b"], &[]);
    assert!(open.code == 64 && open.stderr.contains("does not end with one"), "{}", open.stderr);
    std::fs::write(
        dir.join("p.toml"),
        "input = 'in.parquet'\noutput = 'run.parquet'\n[annotate]\nbundle = 'bundle'\nx = ['x1', 'x2', 'a,b']\n",
    )
    .unwrap();
    done(&run(lsmi().current_dir(dir).args(["run", "p.toml"]).env("LSMI_ETL_ENGINE", "embedded")));
}

#[test]
fn flags_override_variables_of_the_other_notation() {
    let dir = folder();
    let dir = dir.path();
    done(&annotate(dir, &["--x1", "x1"], &[("LSMI_ETL_X", "nowhere,x2,x3")]));
    done(&annotate(dir, &["--x", "x1,x2,x3"], &[("LSMI_ETL_X1", "nowhere")]));
    // A flag and a variable of one notation are both taken.
    let two = annotate(dir, &["--x1", "x1"], &[("LSMI_ETL_X2", "x2")]);
    refused(&two, 64, &["2 embedding columns are named", "3 modalities"]);
    let both = annotate(dir, &[], &[("LSMI_ETL_X", "x1,x2,x3"), ("LSMI_ETL_X2", "x2")]);
    refused(&both, 64, &["LSMI_ETL_X and LSMI_ETL_X2 are both set", "unset one"]);
    let both = annotate(dir, &["--x", "x1,x2,x3", "--x1", "x1"], &[("LSMI_ETL_X2", "x2")]);
    refused(&both, 64, &["--x cannot be used with --x1"]);
    refused(&annotate(dir, &["--x", "x1"], &[]), 64, &["1 embedding column is named", "3 modalities"]);
}

#[test]
fn a_missing_model_is_named_in_a_sentence() {
    let dir = folder();
    let path = dir.path().join("bundle/bundle.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["models"].as_array_mut().unwrap().retain(|model| model["file"] != "density_13.onnx");
    std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    refused(&annotate(dir.path(), &[], &[]), 78, &["the main models have no density_13"]);
}

#[test]
fn all_atoms_of_four_modalities_are_counted_in_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let ran = annotated(system("random"), dir.path(), "embedded", &["--columns", "atoms"]);
    assert!(ran.stderr.contains("adds 166 columns of 4 modalities, 664 bytes a row"), "{}", ran.stderr);
    let dir = tempfile::tempdir().unwrap();
    let ran = annotated(system("cat"), dir.path(), "embedded", &["--columns", "atoms"]);
    assert!(!ran.stderr.contains("--columns adds"), "{}", ran.stderr);
}

#[test]
fn inputs_called_like_another_modality_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let of = system("cat");
    let bundle = dir.path().join("bundle");
    let ran = packed_with(of, &bundle, |arg| match arg.strip_prefix("13=") {
        Some(file) if file.contains("density") => format!("13={}", file.replace("density_13", "density_12")),
        _ => arg.to_owned(),
    });
    done(&ran);
    let warned: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("in this order")).collect();
    let [warned] = warned[..] else { panic!("{}", ran.stderr) };
    for words in ["WARN", "density_13: its inputs x1, x2 are taken", "for x1, x3", "called x2 gets x3"] {
        assert!(warned.contains(words), "{warned}");
    }
    let plain = pack(of, &dir.path().join("plain"), "embedded");
    assert!(plain.code == 0 && !plain.stderr.contains("in this order"), "{}", plain.stderr);
    let help = run(lsmi().args(["bundle", "pack", "--help"])).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("are taken by name; all others by their order"), "{help}");
}
