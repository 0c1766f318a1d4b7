//! Models of different opsets: raised and joined where that can be done, run apart where
//! it can't, with the same values either way, which are those of numpy in f64.

use std::path::Path;

use prost::Message;
use tract_onnx::pb::ModelProto;

use super::reference::{compare, exported, packed};
use crate::harness::{lsmi, must};

fn inspected(dir: &Path) -> String {
    must(lsmi().current_dir(dir).args(["bundle", "inspect", "bundle"])).stdout
}

const ONE_GRAPH: &str = "graphs   density_1 + density_2 + classifier_1 + classifier_2 + classifier_12\n";

#[test]
fn five_opsets_become_one_graph() {
    for opsets in [["11", "13", "17", "18", "20"], ["20", "18", "11", "13", "17"]] {
        let dir = tempfile::tempdir().unwrap();
        exported(dir.path(), &[&["--opsets"][..], &opsets].concat());
        packed(dir.path(), &["--no-fold"]);
        assert!(inspected(dir.path()).contains(ONE_GRAPH), "{}", inspected(dir.path()));
        compare(dir.path());
    }
}

#[test]
fn an_operator_that_is_not_known_keeps_a_model_apart() {
    let dir = tempfile::tempdir().unwrap();
    exported(dir.path(), &["--opsets", "17", "17", "13", "17", "17"]);
    let path = dir.path().join("classifier_1.onnx");
    let mut model = ModelProto::decode(&std::fs::read(&path).unwrap()[..]).unwrap();
    // Shrink with these attributes is the identity.
    let nodes = &mut model.graph.as_mut().unwrap().node;
    let relu = nodes.iter_mut().find(|node| node.op_type == "Relu").unwrap();
    let output = std::mem::replace(&mut relu.output[0], "before".into());
    let mut shrink = relu.clone();
    (shrink.op_type, shrink.name) = ("Shrink".into(), "shrink".into());
    (shrink.input, shrink.output) = (vec!["before".into()], vec![output]);
    let number = |name: &str| tract_onnx::pb::AttributeProto {
        name: name.into(),
        r#type: tract_onnx::pb::attribute_proto::AttributeType::Float as i32,
        ..Default::default()
    };
    shrink.attribute = vec![number("lambd"), number("bias")];
    let at = nodes.iter().position(|node| node.op_type == "Relu").unwrap();
    nodes.insert(at + 1, shrink);
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    packed(dir.path(), &["--no-fold"]);
    let seen = inspected(dir.path());
    assert!(seen.contains("density_1 + density_2 + classifier_2 + classifier_12; classifier_1\n"), "{seen}");
    assert!(seen.contains("separate since classifier_1: opset 13 can't be raised to 17: Shrink"), "{seen}");
    compare(dir.path());
}
