//! Graphs that no engine should see, and those that only look like them.

use tract_onnx::pb::{
    AttributeProto, FunctionProto, GraphProto, NodeProto, TensorProto, attribute_proto::AttributeType,
    tensor_proto::DataType,
};

use super::super::check::inputs;
use super::super::onnx::{GraphBuilder, floats_tensor, integers_tensor, value_info};
use super::*;

const DIM: usize = 4;

/// A graph over x `[n, 4]`.
fn graph(build: impl FnOnce(&mut GraphBuilder)) -> ModelProto {
    let mut graph = GraphBuilder::new("test");
    graph.input("x", DIM);
    build(&mut graph);
    graph.finish()
}

fn check_model(model: &ModelProto) -> Result<(), String> {
    check(model, &inputs(model.graph.as_ref().unwrap()), &[DIM])
}

fn checked(build: impl FnOnce(&mut GraphBuilder)) -> Result<(), String> {
    check_model(&graph(build))
}

#[track_caller]
fn refused(words: &[&str], build: impl FnOnce(&mut GraphBuilder)) {
    let what = checked(build).unwrap_err();
    for word in words {
        assert!(what.contains(word), "no {word:?} in {what}");
    }
}

#[test]
fn values_that_cannot_be_allocated() {
    refused(&["node \"big\" (Tile)", "numbers for 64 rows, more than"], |g| {
        let times = g.integers("times", &[1, 1 << 40]);
        g.node("big", "Tile", &["x", &times], &[]);
    });
    refused(&["node \"big\" (Expand)"], |g| {
        let shape = g.integers("shape", &[1 << 20, 1 << 20, 1, 4]);
        g.node("big", "Expand", &["x", &shape], &[]);
    });
    refused(&["node \"big\" (ConstantOfShape)"], |g| {
        let shape = g.integers("shape", &[1 << 31, 1 << 31, 1 << 31]);
        g.node("big", "ConstantOfShape", &[&shape], &[]);
    });
    refused(&["node \"big\" (Range)"], |g| {
        let ends = ["0", "1000000000000", "1"].map(|n| g.integers(n, &[n.parse().unwrap()]));
        g.node("big", "Range", &[&ends[0], &ends[1], &ends[2]], &[]);
    });
    refused(&["(Pad)"], |g| {
        let pads = g.integers("pads", &[0, 0, 0, 1 << 40]);
        g.node("big", "Pad", &["x", &pads], &[]);
    });
    // The shape is computed: the length of x to the sixteenth power, of a square each time.
    refused(&["node \"big\" (Expand)"], |g| {
        let mut size = g.node("shape", "Shape", &["x"], &[]);
        for step in 0..4 {
            size = g.node(&format!("size_{step}"), "Mul", &[&size, &size], &[]);
        }
        g.node("big", "Expand", &["x", &size], &[]);
    });
}

#[test]
fn values_that_grow_step_by_step() {
    refused(&["(Concat)", "numbers"], |g| {
        let mut all = "x".to_owned();
        for step in 0..60 {
            all = g.node(&format!("twice_{step}"), "Concat", &[&all, &all], &[("axis", 1)]);
        }
    });
    refused(&["with those before it"], |g| {
        let shape = g.integers("shape", &[1 << 15, 1 << 12]);
        for step in 0..10 {
            g.node(&format!("large_{step}"), "ConstantOfShape", &[&shape], &[]);
        }
    });
    refused(&["node \"pairs\" (MatMul)", "4096 numbers for 64 rows and 16384 for twice as many"], |g| {
        let columns = g.node("columns", "Transpose", &["x"], &[]);
        g.node("pairs", "MatMul", &["x", &columns], &[]);
    });
}

#[test]
fn operators_that_cannot_run() {
    refused(&["node \"y\" (Softmax)", "axis 5 is none of the 2 dimensions"], |g| {
        g.node("y", "Softmax", &["x"], &[("axis", 5)]);
    });
    refused(&["node \"y\" (ReduceSum)", "axis -3"], |g| {
        let axes = g.integers("axes", &[-3]);
        g.node("y", "ReduceSum", &["x", &axes], &[]);
    });
    refused(&["node \"y\" (Concat)", "axis 2"], |g| {
        g.node("y", "Concat", &["x", "x"], &[("axis", 2)]);
    });
    refused(&["node \"y\" (Slice)", "its step is 0"], |g| {
        let [start, end, axis, step] = [0, 2, 1, 0].map(|n| g.integers(&format!("c{n}"), &[n]));
        g.node("y", "Slice", &["x", &start, &end, &axis, &step], &[]);
    });
    refused(&["node \"y\" (Div)", "divides integers by zero"], |g| {
        let [one, zero] = [1, 0].map(|n| g.integers(&format!("c{n}"), &[n]));
        g.node("y", "Div", &[&one, &zero], &[]);
    });
    refused(&["node \"y\" (Mod)", "divides integers by zero"], |g| {
        let shape = g.node("shape", "Shape", &["x"], &[]);
        let none = g.node("none", "Sub", &[&shape, &shape], &[]);
        g.node("y", "Mod", &[&shape, &none], &[]);
    });
    refused(&["node \"y\" (Gather)", "place 9 of 4"], |g| {
        let index = g.integers("index", &[9]);
        g.node("y", "Gather", &["x", &index], &[("axis", 1)]);
    });
    refused(&["node \"y\" (MatMul)", "4 columns with 5 rows"], |g| {
        let weight = g.floats("weight", &[5, 2], &[0.0; 10]);
        g.node("y", "MatMul", &["x", &weight], &[]);
    });
    refused(&["node \"y\" (Reshape)", "512 values do not fit", "dynamic batch dimension"], |g| {
        let shape = g.integers("shape", &[64, 4]);
        g.node("y", "Reshape", &["x", &shape], &[]);
    });
}

fn of_graph(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Graph as i32,
        g: Some(graph),
        ..Default::default()
    }
}

#[test]
fn loops_without_end() {
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    let truth = |value: u8| TensorProto {
        name: "yes".into(),
        data_type: DataType::Bool as i32,
        raw_data: vec![value],
        ..Default::default()
    };
    let with = |most: Option<i64>, body: GraphProto| {
        let mut model = graph(|_| ());
        let own = model.graph.as_mut().unwrap();
        own.initializer
            .extend(most.map(|most| TensorProto { dims: vec![], ..integers_tensor("most", &[most]) }));
        own.node.push(NodeProto {
            attribute: vec![of_graph("body", body)],
            ..node("Loop", &[most.map_or("", |_| "most"), "", "x"], "y")
        });
        check_model(&model)
    };
    let own_inputs = || ["i", "cond", "v"].map(|name| value_info(name, DataType::Float, &[])).to_vec();
    let outputs = || ["cond_out", "v_out"].map(|name| value_info(name, DataType::Float, &[])).to_vec();
    let body = |nodes: Vec<NodeProto>, initializer: Vec<TensorProto>| GraphProto {
        node: [nodes, vec![node("Identity", &["v"], "v_out")]].concat(),
        initializer,
        input: own_inputs(),
        output: outputs(),
        ..Default::default()
    };
    let passed_on = || body(vec![node("Identity", &["cond"], "cond_out")], vec![]);
    let constant = |value: u8| body(vec![node("Identity", &["yes"], "cond_out")], vec![truth(value)]);
    let computed = body(vec![node("Not", &["cond"], "cond_out")], vec![]);
    for endless in [passed_on(), constant(1)] {
        let what = with(None, endless).unwrap_err();
        assert!(what.contains("(Loop): it runs without end"), "{what}");
    }
    assert!(with(Some(1 << 40), passed_on()).unwrap_err().contains("1099511627776 times"));
    for bounded in [with(Some(10), passed_on()), with(None, constant(0)), with(None, computed)] {
        bounded.unwrap();
    }
}

#[test]
fn integers_divided_by_what_depends_on_the_data() {
    let to = |g: &mut GraphBuilder, name: &str, input: &str, element: DataType| {
        g.node(name, "Cast", &[input], &[("to", element as i64)])
    };
    for op in ["Div", "Mod"] {
        refused(&["node \"y\"", "depends on the data and may be zero"], |g| {
            let whole = to(g, "whole", "x", DataType::Int64);
            g.node("y", op, &[&whole, &whole], &[]);
        });
    }
    refused(&["node \"y\" (Div)", "may be zero"], |g| {
        let place = g.node("place", "ArgMax", &["x"], &[("axis", 1)]);
        let ten = g.integers("ten", &[10]);
        g.node("y", "Div", &[&ten, &place], &[]);
    });
    // Wraps to zero, perhaps.
    refused(&["node \"y\" (Div)", "may be zero"], |g| {
        let (whole, one) = (to(g, "whole", "x", DataType::Int64), g.integers("one", &[1]));
        let above = g.node("above", "Max", &[&whole, &one], &[]);
        let narrow = to(g, "narrow", &above, DataType::Int32);
        g.node("y", "Div", &[&narrow, &narrow], &[]);
    });
    refused(&["node \"y\" (Div)", "by -1"], |g| {
        let (whole, minus) = (to(g, "whole", "x", DataType::Int64), g.integers("minus", &[-1]));
        g.node("y", "Div", &[&whole, &minus], &[]);
    });
    checked(|g| {
        let (whole, one) = (to(g, "whole", "x", DataType::Int64), g.integers("one", &[1]));
        let above = g.node("above", "Max", &[&whole, &one], &[]);
        let ratio = g.node("ratio", "Div", &[&whole, &above], &[]);
        let seven = g.integers("seven", &[7]);
        let rest = g.node("rest", "Mod", &[&ratio, &seven], &[]);
        let rest = to(g, "float", &rest, DataType::Float);
        g.node("y", "Div", &["x", &rest], &[]);
    })
    .unwrap();
    // Floats over their sum: the axis is an integer, the sum is none.
    checked(|g| {
        let axis = g.integers("axis", &[1]);
        let sum = g.node("sum", "ReduceSum", &["x", &axis], &[("keepdims", 1)]);
        g.node("y", "Div", &["x", &sum], &[]);
    })
    .unwrap();
    // Hidden in a branch that the data choose, and in a function.
    let divide = NodeProto {
        op_type: "Div".into(),
        input: vec!["whole".into(), "whole".into()],
        output: vec!["y".into()],
        ..Default::default()
    };
    let branch = || GraphProto {
        node: vec![divide.clone()],
        output: vec![value_info("y", DataType::Int64, &[])],
        ..Default::default()
    };
    let mut model = graph(|g| _ = to(g, "whole", "x", DataType::Int64));
    model.graph.as_mut().unwrap().node.push(NodeProto {
        op_type: "If".into(),
        input: vec!["x".into()],
        output: vec!["z".into()],
        attribute: vec![of_graph("then_branch", branch()), of_graph("else_branch", branch())],
        ..Default::default()
    });
    assert!(check_model(&model).unwrap_err().contains("may be zero"));
    let mut model = graph(|g| _ = to(g, "whole", "x", DataType::Int64));
    model.functions.push(FunctionProto {
        name: Some("Ratio".into()),
        domain: Some("own".into()),
        input: vec!["whole".into()],
        output: vec!["y".into()],
        node: vec![divide],
        ..Default::default()
    });
    model.graph.as_mut().unwrap().node.push(NodeProto {
        op_type: "Ratio".into(),
        domain: "own".into(),
        input: vec!["whole".into()],
        output: vec!["z".into()],
        ..Default::default()
    });
    assert!(check_model(&model).unwrap_err().contains("may be zero"));
}

#[test]
fn constants_that_hold_less_than_they_say() {
    refused(&["constant \"w\"", "[1000000, 1000000]", "the file holds 4"], |g| {
        g.floats("w", &[1_000_000, 1_000_000], &[0.0; 4]);
    });
    let mut model = graph(|_| ());
    let own = model.graph.as_mut().unwrap();
    own.initializer.push(TensorProto { dims: vec![-1], ..floats_tensor("w", &[1], &[0.0]) });
    assert!(check_model(&model).unwrap_err().contains("has the shape [-1]"));
    model.graph.as_mut().unwrap().initializer[0].dims = vec![i64::MAX, i64::MAX];
    assert!(check_model(&model).unwrap_err().contains("constant \"w\""));
}

#[test]
fn what_exporters_write_is_taken() {
    // Shape arithmetic of a dynamic batch, and a division of floats.
    checked(|g| {
        let shape = g.node("shape", "Shape", &["x"], &[]);
        let [first, two] = [0, 2].map(|n| g.integers(&format!("c{n}"), &[n]));
        let rows = g.node("rows", "Gather", &[&shape, &first], &[("axis", 0)]);
        let all = g.node("all", "Concat", &[&rows, &two, &two], &[("axis", 0)]);
        let pairs = g.node("pairs", "Reshape", &["x", &all], &[]);
        let sum = g.node_ints("sum", "ReduceMax", &[&pairs], ("axes", &[-1]), &[("keepdims", 0)]);
        let zero = g.floats("zero", &[1], &[0.0]);
        let over = g.node("over", "Div", &[&sum, &zero], &[]);
        g.node("y", "LogSoftmax", &[&over], &[("axis", -1)]);
    })
    .unwrap();
    // All but the last column, backwards.
    checked(|g| {
        let [start, end, axis, step] =
            [("s", -1), ("e", i64::MIN), ("a", -1), ("t", -1)].map(|(name, n)| g.integers(name, &[n]));
        let back = g.node("back", "Slice", &["x", &start, &end, &axis, &step], &[]);
        let weight = g.floats("weight", &[4, 3], &[0.0; 12]);
        g.node("y", "MatMul", &[&back, &weight], &[]);
    })
    .unwrap();
    // Unknown operators hide what follows from them.
    checked(|g| {
        let odd = g.node("odd", "Frobnicate", &["x"], &[]);
        g.node("y", "Softmax", &[&odd], &[("axis", 7)]);
    })
    .unwrap();
}
