//! Models that would fail, fill the memory or never end: refused when they are packed, checked and
//! opened, with the model, the node and the reason, and never as a lack of the engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use sha2::{Digest, Sha256};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType,
    tensor_shape_proto::Dimension, tensor_shape_proto::dimension::Value as Dim, type_proto,
};

use crate::harness::{Ran, bundle, fitted, lsmi, refused, run, runtime};

const ENGINES: [&str; 2] = ["onnxruntime", "embedded"];
const CLASSES: i64 = 4;

/// The length of x1 in the bundle of the harness.
fn dim() -> i64 {
    manifest(&bundle())["modalities"][0]["dim"].as_i64().unwrap()
}

fn manifest(bundle: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(bundle.join("bundle.json")).unwrap()).unwrap()
}

fn value(name: &str, element: DataType, dims: &[i64]) -> ValueInfoProto {
    let dim = |size: &i64| match size {
        -1 => Dim::DimParam("n".into()),
        size => Dim::DimValue(*size),
    };
    let dim = dims.iter().map(|size| Dimension { value: Some(dim(size)), ..Default::default() }).collect();
    let tensor = type_proto::Tensor { elem_type: element as i32, shape: Some(TensorShapeProto { dim }) };
    let r#type = Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() });
    ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

fn floats(name: &str, dims: &[i64]) -> TensorProto {
    let count = dims.iter().product::<i64>();
    let float_data = (0..count).map(|i| (i % 7) as f32 / 7.0 - 0.5).collect();
    TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data,
        ..Default::default()
    }
}

fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..Default::default()
    }
}

fn integer(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

/// A node of the same name as its output.
fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        name: output.into(),
        op_type: op.into(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.into()],
        attribute,
        ..Default::default()
    }
}

/// x `[n, d]` to the output `p` `[n, 4]`, by these nodes.
fn classifier(node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    model("p", &[-1, CLASSES], node, initializer)
}

fn model(output: &str, dims: &[i64], node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    let graph = GraphProto {
        name: "hostile".into(),
        input: vec![value("x", DataType::Float, &[-1, dim()])],
        output: vec![value(output, DataType::Float, dims)],
        node,
        initializer,
        ..Default::default()
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        graph: Some(graph),
        ..Default::default()
    }
}

/// `logits` `[n, 4]`, and their log-softmax as `p` where the graph ends so.
fn logits() -> (NodeProto, TensorProto) {
    (node("MatMul", &["x", "w"], "logits", vec![]), floats("w", &[dim(), CLASSES]))
}

fn program(dir: &Path, engine: &str, args: &[&str]) -> Ran {
    let mut command: Command = lsmi();
    command.env("LSMI_ETL_RUNTIME_DIR", runtime()).env("LSMI_ETL_TRIAL_SECONDS", "2").current_dir(dir);
    run(command.args(args).args(["--engine", engine]))
}

/// Packs the models of the harness' bundle with one of them in place of its own.
fn pack(dir: &Path, engine: &str, role: &str, more: &[&str]) -> Ran {
    let mut args: Vec<String> =
        ["bundle", "pack", "packed", "--output", "log-prob"].map(str::to_owned).into();
    for name in ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"] {
        let own = dir.join("hostile.onnx");
        let path = if name == role { own } else { bundle().join(format!("{name}.onnx")) };
        args.extend([format!("--{}", name.replace('_', "-")), path.to_str().unwrap().to_owned()]);
    }
    args.extend(["--classes", "0,1,2,3", "--prior", "0.25,0.25,0.25,0.25"].map(str::to_owned));
    args.extend(more.iter().map(|more| (*more).to_owned()));
    program(dir, engine, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The bundle of the harness with another model, and its hash in the manifest: as a stranger sends it.
fn bundle_with(dir: &Path, role: &str, bytes: &[u8]) -> PathBuf {
    let sent = dir.join("sent");
    fs::create_dir(&sent).unwrap();
    for entry in fs::read_dir(bundle()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), sent.join(entry.file_name())).unwrap();
    }
    let mut manifest = manifest(&sent);
    let file = format!("{role}.onnx");
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let models = manifest["models"].as_array_mut().unwrap();
    models.iter_mut().find(|model| model["file"] == file.as_str()).unwrap()["sha256"] = hash.into();
    fs::write(sent.join("bundle.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    fs::write(sent.join(file), bytes).unwrap();
    sent
}

#[track_caller]
fn at_fault(ran: &Ran, role: &str, words: &[&str]) {
    refused(ran, 78, words);
    assert!(ran.stderr.contains(&format!("{role}.onnx")), "{}", ran.stderr);
    assert!(!ran.stderr.contains("runtime install"), "{}", ran.stderr);
}

/// The model is refused by every engine and command that opens it, with these words.
fn refused_everywhere(role: &str, model: &ModelProto, words: &[&str], engines: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let bytes = model.encode_to_vec();
    fs::write(dir.join("hostile.onnx"), &bytes).unwrap();
    bundle_with(dir, role, &bytes);
    let input = fitted().join("in.parquet");
    let input = input.to_str().unwrap();
    for engine in engines {
        at_fault(&pack(dir, engine, role, &[]), role, words);
        at_fault(&program(dir, engine, &["bundle", "check", "sent"]), role, words);
        // A bundle is opened with its models as they are fused.
        let annotate = ["annotate", input, "out.parquet", "--bundle", "sent"];
        let ran = program(dir, engine, &annotate);
        assert_eq!(ran.code, 78, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("bundle sent, ") && !ran.stderr.contains("runtime install"),
            "{}",
            ran.stderr
        );
        let sql = format!("SELECT lsmi_r(x1, x2, y) FROM '{input}' LIMIT 1");
        assert_eq!(program(dir, engine, &["sql", &sql, "--bundle", "sent"]).code, 78);
    }
    let left: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the inputs: {left:?}");
}

#[test]
fn graphs_that_cannot_run() {
    let (product, weight) = logits();
    let soft = |input: &str| node("LogSoftmax", &[input], "p", vec![integer("axis", 1)]);
    let case = |nodes: Vec<NodeProto>, constants: Vec<TensorProto>, words: &[&str]| {
        let nodes = [vec![product.clone()], nodes].concat();
        let constants = [vec![weight.clone()], constants].concat();
        refused_everywhere("classifier_1", &classifier(nodes, constants), words, &ENGINES);
    };
    let bad_axis = node("LogSoftmax", &["logits"], "p", vec![integer("axis", 5)]);
    case(vec![bad_axis], vec![], &["node \"p\" (LogSoftmax)", "axis 5"]);
    let slice = node("Slice", &["logits", "zero", "four", "one", "zero"], "cut", vec![]);
    let ends = vec![integers("zero", &[0]), integers("four", &[4]), integers("one", &[1])];
    case(vec![slice, soft("cut")], ends.clone(), &["node \"cut\" (Slice)", "step is 0"]);
    let divided = [
        node("Div", &["one", "zero"], "over", vec![]),
        node("Cast", &["over"], "float", vec![integer("to", DataType::Float as i64)]),
        node("Add", &["logits", "float"], "sum", vec![]),
        soft("sum"),
    ];
    case(divided.to_vec(), ends, &["node \"over\" (Div)", "by zero"]);
    let tiled = [node("Tile", &["logits", "times"], "tiled", vec![]), soft("tiled")];
    case(
        tiled.to_vec(),
        vec![integers("times", &[1, 1 << 40])],
        &["node \"tiled\" (Tile)", "numbers for 64 rows"],
    );
    let made = [
        node("ConstantOfShape", &["shape"], "made", vec![]),
        node("ReduceSum", &["made"], "sum", vec![integer("keepdims", 0)]),
        node("Add", &["logits", "sum"], "shifted", vec![]),
        soft("shifted"),
    ];
    let shape = vec![integers("shape", &[1 << 31, 1 << 20])];
    case(made.to_vec(), shape, &["node \"made\" (ConstantOfShape)", "numbers for 64 rows"]);
    let short = TensorProto { dims: vec![1 << 33, 4], ..floats("short", &[4]) };
    let nodes = [node("Add", &["logits", "short"], "sum", vec![]), soft("sum")];
    case(nodes.to_vec(), vec![short], &["constant \"short\"", "the file holds 4"]);
}

#[test]
fn a_classifier_that_ignores_how_many_rows_there_are() {
    for rows in [1, 7, 64] {
        let table = floats("table", &[rows, CLASSES]);
        let soft = node("LogSoftmax", &["table"], "p", vec![integer("axis", 1)]);
        refused_everywhere("classifier_1", &classifier(vec![soft], vec![table]), &["rows"], &ENGINES);
    }
}

#[test]
fn a_density_that_divides_by_zero() {
    let nodes = vec![
        node("Div", &["x", "zero"], "over", vec![]),
        node("ReduceSum", &["over", "one"], "h", vec![integer("keepdims", 0)]),
    ];
    let zero = TensorProto { float_data: vec![0.0], ..floats("zero", &[1]) };
    let density = model("h", &[-1], nodes, vec![zero, integers("one", &[1])]);
    refused_everywhere("density_1", &density, &[], &ENGINES);
}

/// Only ONNX Runtime has loops.
#[test]
fn a_loop_without_end_is_given_up() {
    let truth = TensorProto {
        name: "yes".into(),
        data_type: DataType::Bool as i32,
        int32_data: vec![1],
        ..Default::default()
    };
    let cases: [(&str, &[&str]); 2] = [
        // Seen in the graph, or only by its not ending: the sum of the counter is never negative.
        ("Identity", &["(Loop)", "without end"]),
        ("LessOrEqual", &["does not end"]),
    ];
    for (op, words) in cases {
        let inputs: &[&str] = if op == "Identity" { &["cond"] } else { &["none", "i"] };
        let body = GraphProto {
            name: "body".into(),
            input: vec![
                value("i", DataType::Int64, &[]),
                value("cond", DataType::Bool, &[]),
                value("v", DataType::Float, &[-1, CLASSES]),
            ],
            output: vec![
                value("cond_out", DataType::Bool, &[]),
                value("v_out", DataType::Float, &[-1, CLASSES]),
            ],
            node: vec![node(op, inputs, "cond_out", vec![]), node("Identity", &["v"], "v_out", vec![])],
            initializer: vec![TensorProto { dims: vec![], ..integers("none", &[0]) }],
            ..Default::default()
        };
        let body = AttributeProto {
            name: "body".into(),
            r#type: AttributeType::Graph as i32,
            g: Some(body),
            ..Default::default()
        };
        let (product, weight) = logits();
        let soft = node("LogSoftmax", &["logits"], "soft", vec![integer("axis", 1)]);
        let repeated = node("Loop", &["", "yes", "soft"], "p", vec![body]);
        let model = classifier(vec![product, soft, repeated], vec![weight, truth.clone()]);
        refused_everywhere("classifier_1", &model, words, &["onnxruntime"]);
    }
}

/// Integers divided by zero end the process; the data decide whether they are.
#[test]
fn integers_divided_by_what_the_data_give() {
    let (product, weight) = logits();
    let nodes = vec![
        product,
        node("Cast", &["logits"], "whole", vec![integer("to", DataType::Int64 as i64)]),
        node("Div", &["ten", "whole"], "ratio", vec![]),
        node("Cast", &["ratio"], "float", vec![integer("to", DataType::Float as i64)]),
        node("LogSoftmax", &["float"], "p", vec![integer("axis", 1)]),
    ];
    let model = classifier(nodes, vec![weight, integers("ten", &[10])]);
    refused_everywhere("classifier_1", &model, &["node \"ratio\" (Div)", "may be zero"], &ENGINES);
}

/// What is constant in a graph is computed when it is loaded.
#[test]
fn a_model_that_takes_hours_to_load_is_given_up() {
    let (product, weight) = logits();
    let mut nodes = vec![product, node("ConstantOfShape", &["square"], "p_0", vec![])];
    for step in 0..24 {
        let power = format!("p_{step}");
        nodes.push(node("MatMul", &[&power, &power], &format!("p_{}", step + 1), vec![]));
    }
    nodes.push(node("ReduceSum", &["p_24"], "sum", vec![integer("keepdims", 0)]));
    nodes.push(node("Add", &["logits", "sum"], "shifted", vec![]));
    nodes.push(node("LogSoftmax", &["shifted"], "p", vec![integer("axis", 1)]));
    let model = classifier(nodes, vec![weight, integers("square", &[6000, 6000])]);
    let dir = tempfile::tempdir().unwrap();
    bundle_with(dir.path(), "classifier_1", &model.encode_to_vec());
    let input = fitted().join("in.parquet");
    for engine in ENGINES {
        let args = ["annotate", input.to_str().unwrap(), "out.parquet", "--bundle", "sent"];
        let mut command: Command = lsmi();
        command.env("LSMI_ETL_RUNTIME_DIR", runtime()).env("LSMI_ETL_TRIAL_SECONDS", "1");
        command.current_dir(dir.path()).args(args).args(["--engine", engine]);
        let start = std::time::Instant::now();
        let ran = run(&mut command);
        assert_eq!(ran.code, 78, "{}", ran.stderr);
        assert!(ran.stderr.contains("LSMI_ETL_TRIAL_SECONDS"), "{}", ran.stderr);
        assert!(start.elapsed().as_secs() < 40, "{engine}: {:?}", start.elapsed());
    }
}

#[test]
fn dimensions_that_no_row_has() {
    for dim in [1_u64 << 31, 1 << 32, u64::MAX] {
        let dir = tempfile::tempdir().unwrap();
        let model = fs::read(bundle().join("classifier_1.onnx")).unwrap();
        let sent = bundle_with(dir.path(), "classifier_1", &model);
        let mut manifest = manifest(&sent);
        manifest["modalities"][0]["dim"] = dim.into();
        fs::write(sent.join("bundle.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
        let input = fitted().join("in.parquet");
        let annotate = ["annotate", input.to_str().unwrap(), "out.parquet", "--bundle", "sent"];
        for args in [&["bundle", "check", "sent"][..], &annotate] {
            refused(&program(dir.path(), "embedded", args), 78, &["bundle.json", "modalities[0].dim"]);
        }
        fs::write(dir.path().join("hostile.onnx"), &model).unwrap();
        let ran = pack(dir.path(), "embedded", "classifier_1", &["--dim-1", &dim.to_string()]);
        refused(&ran, 78, &["density_1.onnx", "values a row"]);
    }
}
