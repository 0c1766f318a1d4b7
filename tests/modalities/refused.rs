//! What is refused of more than two modalities, and by which words.

use super::{on, pack, pack_command, system};
use crate::harness::{lsmi, refused, run};

#[test]
fn models_that_are_missing_or_too_many_are_named() {
    let (folder, described) = system("cat");
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let file =
        |kind: &str, set: &str| format!("{set}={}", folder.join(format!("{kind}_{set}.onnx")).display());
    let base = ["--classes", "0,1", "--prior", "0.5,0.5", "--output", "logits"];
    let of = |more: &[String]| {
        let mut command = lsmi();
        command.args(["bundle", "pack"]).arg(&bundle).args(base).args(more);
        run(&mut command)
    };
    let some =
        ["--density".to_owned(), file("density", "1"), "--classifier".to_owned(), file("classifier", "123")];
    refused(&of(&some), 64, &["3 modalities need", "--density 2=FILE", "--classifier 23=FILE"]);
    let mut all = pack_command((folder, described), &bundle, "embedded");
    refused(&run(all.args(["--density", &file("density", "1")])), 64, &["--density 1=FILE is named twice"]);
    let mut all = pack_command((folder, described), &bundle, "embedded");
    let whole = format!("123={}", folder.join("density_12.onnx").display());
    refused(&run(all.args(["--density", &whole])), 64, &["--density 123=FILE", "not needed"]);
    let mut all = pack_command((folder, described), &bundle, "embedded");
    refused(&run(all.args(["--x", "x4"])), 64, &["--x names 4 columns", "3 modalities"]);
    refused(&of(&["--density".to_owned(), "12345=x".to_owned()]), 64, &["5 modalities", "at most 4"]);
    let mut counts = pack_command((folder, described), &bundle, "embedded");
    refused(&run(counts.args(["--prior", "50"])), 64, &["--prior", "sum to 1, and these sum to 51"]);
    for (more, words) in [
        (["--classes", "77"], "--prior must have one probability a class"),
        (["--classes", "0"], "--classes must be two or more classes, all different"),
        (["--classes", ","], "--classes has a class without a name"),
    ] {
        let mut command = pack_command((folder, described), &bundle, "embedded");
        refused(&run(command.args(more)), 64, &[words]);
    }
    assert!(!bundle.exists());
}

#[test]
fn columns_and_commands_of_two_modalities_say_so() {
    let of = system("cat");
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(pack(of, &dir.path().join("bundle"), "embedded").code, 0);
    let input = of.0.join("in.parquet");
    let input = input.to_str().unwrap();
    let annotate = |more: &[&str]| {
        let base = ["annotate", input, "out.parquet", "--bundle", "bundle"];
        on(dir.path(), "embedded", &[&base[..], more].concat())
    };
    refused(
        &annotate(&["--x", "x1", "--x", "x2"]),
        64,
        &["2 embedding columns", "3 modalities", "--x COLUMN"],
    );
    refused(&annotate(&["--columns", "h_123"]), 64, &["--columns h_123", "i_123", "h_23"]);
    refused(&annotate(&["--columns", "a_1_4"]), 64, &["--columns a_1_4", "3 modalities"]);
    refused(
        &annotate(&["--adjust", "dataset"]),
        64,
        &["--adjust dataset", "two modalities", "has 3", "a bundle of two"],
    );
    refused(&annotate(&["--x", "x1,x2,nowhere"]), 65, &["nowhere"]);
    assert!(!dir.path().join("out.parquet").exists());
    // A column of another dimension: of x3.
    refused(&annotate(&["--x", "x1,x2,y"]), 65, &["column \"y\""]);
    assert_eq!(annotate(&[]).code, 0);
}
