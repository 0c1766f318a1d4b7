//! How much faster is it than what one would write otherwise? Two peers, in Python: a
//! careful script of pyarrow and ONNX Runtime around the same fused graph on two
//! threads, and the reference implementation's modules in PyTorch.

use std::path::Path;
use std::process::Command;

use super::bed::models::bundle;
use super::bed::{
    ROUNDS, annotate, data, folder, install_runtime, json, median, number, program, python, run,
};

pub fn ask() {
    install_runtime();
    script();
    reference();
}

fn script() {
    let python = python("requirements.txt");
    println!("  dim  pyarrow and onnxruntime rows/s  lsmi-etl rows/s  ratio");
    for (dim, rows) in [(128, 1_200_000), (512, 300_000)] {
        let (bundle, input) = (bundle(dim, 5), data(rows, dim, None));
        let graph = folder().join("fused.onnx");
        run(program().args(["bundle", "export", "--overwrite"]).arg(&bundle).arg("-o").arg(&graph));
        let (mut theirs, mut ours, mut ratios) = (vec![], vec![], vec![]);
        for _ in 0..3 {
            let out = folder().join("peer.parquet");
            let mut peer = Command::new(&python);
            peer.arg(peers().join("annotate.py")).arg(&input).arg(&out).arg("--graph").arg(&graph);
            let peer = json(peer.arg("--bundle").arg(&bundle));
            std::fs::remove_file(out).unwrap();
            let peer = number(&peer, "rows_per_second");
            let summary = annotate(&input, &bundle, &["--engine", "onnxruntime", "--workers", "2"]);
            let rate = number(&summary, "rows_per_second");
            theirs.push(peer);
            ours.push(rate);
            ratios.push(rate / peer);
        }
        println!("  {dim:>3}  {:>30.0}  {:>15.0}  {:>5.2}", median(theirs), median(ours), median(ratios));
    }
}

fn reference() {
    let python = python("requirements-torch.txt");
    println!("  dim  reference's modules rows/s  models alone rows/s  ratio");
    for dim in [128, 512] {
        let bundle = bundle(dim, 5);
        let (mut theirs, mut ours, mut ratios) = (vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            let mut peer = Command::new(&python);
            peer.arg(peers().join("reference.py")).args(["--dim", &dim.to_string()]);
            let peer = number(&json(&mut peer), "rows_per_second");
            let mut bench = program();
            bench.args(["bundle", "bench", "--json", "--engine", "onnxruntime", "--workers", "2"]);
            let engine = json(bench.args(["--batch-rows", "512,1024"]).arg(&bundle));
            let rate = number(&engine["engines"][0]["best"], "rows_per_second");
            theirs.push(peer);
            ours.push(rate);
            ratios.push(rate / peer);
        }
        println!("  {dim:>3}  {:>26.0}  {:>19.0}  {:>5.0}", median(theirs), median(ours), median(ratios));
    }
}

fn peers() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers"))
}
