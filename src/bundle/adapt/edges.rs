//! Casts at the edges of a graph in half or double precision: float32 outside, the model's own
//! precision inside.

use tract_onnx::pb::{GraphProto, NodeProto, tensor_proto::DataType};

use crate::bundle::check;
use crate::bundle::onnx::{any_shape, declared, int_attribute, type_name, value_info};

/// Casts every input and the output that is no float32. `Err` names one that holds no floats.
pub(super) fn cast(graph: &mut GraphProto, changes: &mut Vec<String>) -> Result<(), String> {
    let mut casts = Vec::new();
    for input in check::inputs(graph) {
        let Some((element, shape)) = declared(&input) else { continue };
        if element == DataType::Float as i32 {
            continue;
        }
        let precision = floating(element).ok_or_else(|| {
            format!(
                "input {:?} holds {}, not floats; export the model with float32 inputs",
                input.name,
                type_name(element)
            )
        })?;
        let outside = format!("{}:float32", input.name);
        casts.push(cast_node(&outside, &input.name, element));
        changes.push(format!("input {:?} is cast from float32 to {precision}", input.name));
        // Dimensions other than the rows: checked against the role.
        let shape = shape.unwrap_or_else(|| vec![None; 2]);
        if let Some(declared) = graph.input.iter_mut().find(|declared| declared.name == input.name) {
            *declared = value_info(&outside, DataType::Float, &shape);
        }
    }
    graph.node.splice(0..0, casts);

    let [output] = &graph.output[..] else { return Ok(()) };
    let Some((element, shape)) = declared(output) else { return Ok(()) };
    if element == DataType::Float as i32 {
        return Ok(());
    }
    let inside = output.name.clone();
    let precision = floating(element).ok_or_else(|| {
        format!(
            "output {inside:?} holds {}, not floats; export the model with a float32 output",
            type_name(element)
        )
    })?;
    let outside = format!("{inside}:float32");
    graph.output = vec![match shape {
        Some(shape) => value_info(&outside, DataType::Float, &shape),
        None => any_shape(&outside),
    }];
    graph.node.push(cast_node(&inside, &outside, DataType::Float as i32));
    changes.push(format!("output {inside:?} is cast from {precision} to float32"));
    Ok(())
}

fn cast_node(from: &str, to: &str, element: i32) -> NodeProto {
    NodeProto {
        name: format!("{to}:Cast"),
        op_type: "Cast".into(),
        input: vec![from.into()],
        output: vec![to.into()],
        attribute: vec![int_attribute("to", i64::from(element))],
        ..Default::default()
    }
}

/// The name of a floating-point type other than float32. An output of unknown type counts: a
/// cast does nothing to float32.
fn floating(element: i32) -> Option<&'static str> {
    let is = |candidate: DataType| element == candidate as i32;
    let floating = [DataType::Undefined, DataType::Float16, DataType::Bfloat16, DataType::Double];
    floating.into_iter().any(is).then(|| type_name(element))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::onnx::GraphBuilder;

    fn graph(input: DataType, output: DataType) -> GraphProto {
        let mut builder = GraphBuilder::new("test");
        builder.input("x", 3);
        builder.node("y", "Neg", &["x"], &[]);
        builder.output("y", &[3]);
        let mut graph = builder.finish().graph.unwrap();
        graph.input[0] = value_info("x", input, &[None, Some(3)]);
        graph.output[0] = value_info("y", output, &[None, Some(3)]);
        graph
    }

    #[test]
    fn only_other_precisions_are_cast() {
        let mut single = graph(DataType::Float, DataType::Float);
        let (before, mut changes) = (single.clone(), Vec::new());
        cast(&mut single, &mut changes).unwrap();
        assert_eq!((single, changes.len()), (before, 0));

        for (precision, name) in [(DataType::Float16, "float16"), (DataType::Double, "float64")] {
            let (mut graph, mut changes) = (graph(precision, precision), Vec::new());
            cast(&mut graph, &mut changes).unwrap();
            let operators: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
            assert_eq!(operators, ["Cast", "Neg", "Cast"]);
            let float = Some((DataType::Float as i32, Some(vec![None, Some(3)])));
            assert_eq!([declared(&graph.input[0]), declared(&graph.output[0])], [float.clone(), float]);
            assert_eq!(graph.node[0].input, [graph.input[0].name.clone()]);
            assert_eq!(graph.node[2].output, [graph.output[0].name.clone()]);
            assert!(changes.len() == 2 && changes.iter().all(|change| change.contains(name)), "{changes:?}");
        }
    }

    #[test]
    fn what_is_no_float_is_named() {
        for (input, output, said) in [
            (DataType::Int64, DataType::Float, "input \"x\" holds int64"),
            (DataType::Float, DataType::String, "output \"y\" holds strings"),
        ] {
            let what = cast(&mut graph(input, output), &mut Vec::new()).unwrap_err();
            assert!(what.contains(said), "{what}");
        }
    }
}
