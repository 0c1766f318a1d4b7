//! The same program with the rows of a batch last: a value `[n, w]` becomes `[w, n]`.
//! The embedded engine then stores its products straight and sums squares at full width;
//! with rows first it scatters the one and sums the other in short pieces, which takes
//! two fifths more time at 128 dimensions and a quarter more at 512. Operators that are
//! not known here keep their rows first, behind a transposition.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto, tensor_proto::DataType};

use super::onnx::{int_attribute, integers_tensor, ints_attribute, read_integers, value_info};
use super::opset;
use super::program::{Graph, INPUTS, Program};

/// Operators on single numbers.
const ELEMENTWISE: [&str; 13] =
    ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Relu", "Exp", "Log", "Neg", "Sqrt", "Identity"];
/// Operators over an axis, which they name in an attribute or in their second input.
const REDUCING: [&str; 4] = ["ReduceSum", "ReduceL1", "ReduceMean", "ReduceSumSquare"];

impl Program {
    /// The program with rows last. Its inputs and outputs hold the same numbers in the
    /// same order.
    pub(crate) fn column_major(&self) -> Self {
        let turned = |graph: &Graph| {
            let mut turned = graph.clone();
            let opset = opset::of(&graph.model);
            if let Some(graph) = turned.model.graph.as_mut() {
                turn(graph, self.dims, opset);
            }
            turned
        };
        Self { graphs: self.graphs.iter().map(turned).collect(), apart: self.apart.clone(), ..*self }
    }
}

/// Turns a graph whose inputs are [`INPUTS`].
fn turn(graph: &mut GraphProto, [d1, d2]: [usize; 2], opset: i64) {
    // A graph within a node reads values by names that would no longer be theirs.
    if graph.node.iter().flat_map(|node| &node.attribute).any(|a| a.g.is_some() || !a.graphs.is_empty()) {
        return;
    }
    let mut turning = Turning {
        constants: graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect(),
        inputs: [d1, d2, 1],
        opset,
        turned: HashMap::new(),
        nodes: Vec::new(),
        added: Vec::new(),
        known: HashMap::new(),
    };
    for node in &graph.node {
        if turning.turned_node(node).is_none() {
            let mut node = node.clone();
            node.input.iter_mut().for_each(|input| *input = turning.rows_first(input));
            turning.nodes.push(node);
        }
    }
    let Turning { turned, nodes, added, .. } = turning;
    for output in &mut graph.output {
        if let Some(sizes) = turned.get(&output.name) {
            let sizes: Vec<_> = sizes.iter().copied().map(Some).chain([None]).collect();
            *output = value_info(&output.name, DataType::Float, &sizes);
        }
    }
    graph.node = nodes;
    graph.initializer.extend(added);
    super::onnx::prune(graph);
}

/// What has been turned so far.
struct Turning<'a> {
    constants: HashMap<&'a str, &'a TensorProto>,
    /// Values a row of [`INPUTS`].
    inputs: [usize; 3],
    opset: i64,
    /// The values that have their rows last, each with its other sizes.
    turned: HashMap<String, Vec<usize>>,
    nodes: Vec<NodeProto>,
    added: Vec<TensorProto>,
    /// Transpositions that are there already, by what they read.
    known: HashMap<String, String>,
}

impl Turning<'_> {
    /// Adds what a node does, on turned values; `None` for one that can't be turned.
    fn turned_node(&mut self, node: &NodeProto) -> Option<()> {
        let output = node.output.first().filter(|_| node.output.len() == 1)?;
        let sizes = match node.op_type.as_str() {
            "Gemm" | "MatMul" => self.product(node, output),
            "Slice" => self.slice(node, output),
            "Concat" => self.concat(node, output),
            "Reshape" => self.reshape(node, output),
            "Unsqueeze" => self.unsqueeze(node, output),
            "ReduceMax" => self.maximum(node, output),
            "LogSoftmax" => self.log_softmax(node, output),
            "GatherElements" => self.gather(node, output),
            op if REDUCING.contains(&op) => self.reduce(node, output),
            op if ELEMENTWISE.contains(&op) => self.elementwise(node, output),
            _ => None,
        }?;
        self.turned.insert(output.clone(), sizes);
        Some(())
    }

    fn push(&mut self, op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            name: format!("{output}:{op}"),
            op_type: op.into(),
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.into()],
            attribute,
            ..Default::default()
        });
    }

    fn integers(&mut self, name: String, values: &[i64]) -> String {
        self.added.push(integers_tensor(&name, values));
        name
    }

    /// A value with its rows last, and its other sizes.
    fn column_major(&mut self, name: &str) -> Option<(String, Vec<usize>)> {
        if let Some(sizes) = self.turned.get(name) {
            return Some((name.to_owned(), sizes.clone()));
        }
        let input = INPUTS.iter().position(|&input| input == name)?;
        Some((self.transposed(name, &[1, 0]), vec![self.inputs[input]]))
    }

    /// A value with its rows first, whatever it is now.
    fn rows_first(&mut self, name: &str) -> String {
        match self.turned.get(name).map(Vec::len) {
            None | Some(0) => name.to_owned(),
            Some(others) => {
                let axes: Vec<i64> = std::iter::once(others as i64).chain(0..others as i64).collect();
                self.transposed(name, &axes)
            }
        }
    }

    fn transposed(&mut self, name: &str, axes: &[i64]) -> String {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let output = format!("{name}:turned");
        self.push("Transpose", &[name], &output, vec![ints_attribute("perm", axes)]);
        self.known.insert(name.to_owned(), output.clone());
        output
    }

    /// A constant that is the same for all rows, for a value of so many other sizes.
    fn constant(&mut self, name: &str, others: usize) -> Option<(String, Vec<usize>)> {
        let tensor = *self.constants.get(name)?;
        let own = match &tensor.dims[..] {
            [1, own @ ..] if own.len() == others => own,
            own if own.len() <= others => own,
            _ => return None,
        };
        let sizes = own.iter().map(|&size| size as usize).collect();
        let dims = [own, &[1]].concat();
        let output = format!("{name}:beside{others}");
        if !self.added.iter().any(|tensor| tensor.name == output) {
            self.added.push(TensorProto { name: output.clone(), dims, ..tensor.clone() });
        }
        Some((output, sizes))
    }

    fn elementwise(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let others =
            node.input.iter().find_map(|input| self.column_major(input)).map(|(_, sizes)| sizes.len())?;
        let mut sizes = vec![1; others];
        let mut inputs = Vec::new();
        for input in &node.input {
            let (name, own) = match self.column_major(input) {
                Some(value) if value.1.len() == others => value,
                Some(_) => return None,
                None => self.constant(input, others)?,
            };
            for (size, own) in sizes.iter_mut().rev().zip(own.iter().rev()) {
                *size = (*size).max(*own);
            }
            inputs.push(name);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.push(&node.op_type, &inputs, output, node.attribute.clone());
        Some(sizes)
    }

    /// x·W + b, with W as it is stored.
    fn product(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let whole = |a: &AttributeProto| match a.name.as_str() {
            "alpha" | "beta" => a.f == 1.0,
            "transA" => a.i == 0,
            _ => true,
        };
        let (x, weight) = (node.input.first()?, node.input.get(1)?);
        let &[rows, columns] = &self.constants.get(weight.as_str())?.dims[..] else { return None };
        let turned = integer(node, "transB").is_some_and(|turned| turned != 0);
        let (inputs, outputs) = if turned { (columns, rows) } else { (rows, columns) };
        let (x, sizes) = self.column_major(x)?;
        if !node.attribute.iter().all(whole) || sizes != [inputs as usize] {
            return None;
        }
        let added = match node.input.get(2).filter(|bias| !bias.is_empty()) {
            None => None,
            Some(bias) => Some(self.column_major(bias).or_else(|| self.constant(bias, 1))?.0),
        };
        let equation = AttributeProto {
            name: "equation".into(),
            r#type: tract_onnx::pb::attribute_proto::AttributeType::String as i32,
            s: if turned { "kn,wk->wn" } else { "kn,kw->wn" }.into(),
            ..Default::default()
        };
        match added {
            None => self.push("Einsum", &[&x, weight], output, vec![equation]),
            Some(added) => {
                let product = format!("{output}:product");
                self.push("Einsum", &[&x, weight], &product, vec![equation]);
                self.push("Add", &[&product, &added], output, Vec::new());
            }
        }
        Some(vec![outputs as usize])
    }

    fn slice(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let [x, start, end, axis] = &node.input[..] else { return None };
        let (x, sizes) = self.column_major(x)?;
        let number = |name: &str| match read_integers(self.constants.get(name)?)?[..] {
            [number] => Some(number),
            _ => None,
        };
        let (start_at, end_at, axis) = (number(start)?, number(end)?, number(axis)?);
        let [width] = sizes[..] else { return None };
        if !matches!(axis, 1 | -1) || start_at < 0 || end_at < start_at {
            return None;
        }
        let axis = self.integers(format!("{output}:axis"), &[0]);
        self.push("Slice", &[&x, start, end, &axis], output, Vec::new());
        Some(vec![width.min(end_at as usize) - width.min(start_at as usize)])
    }

    fn concat(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let parts = node.input.iter().map(|input| self.column_major(input)).collect::<Option<Vec<_>>>()?;
        if !matches!(integer(node, "axis")?, 1 | -1) || parts.iter().any(|(_, sizes)| sizes.len() != 1) {
            return None;
        }
        let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
        self.push("Concat", &names, output, vec![int_attribute("axis", 0)]);
        Some(vec![parts.iter().flat_map(|(_, sizes)| sizes).sum()])
    }

    /// To a shape that leaves the rows alone.
    fn reshape(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, sizes) = self.column_major(node.input.first()?)?;
        let shape = read_integers(self.constants.get(node.input.get(1)?.as_str())?)?;
        let (rows, others) = shape.split_first()?;
        let new = others.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>()?;
        if !matches!(rows, 0 | -1) || new.iter().product::<usize>() != sizes.iter().product::<usize>() {
            return None;
        }
        self.reshaped(&x, &new, output);
        Some(new)
    }

    fn reshaped(&mut self, x: &str, sizes: &[usize], output: &str) {
        let shape: Vec<i64> = sizes.iter().map(|&size| size as i64).chain([-1]).collect();
        let shape = self.integers(format!("{output}:shape"), &shape);
        self.push("Reshape", &[x, &shape], output, Vec::new());
    }

    fn unsqueeze(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, mut sizes) = self.column_major(node.input.first()?)?;
        let axis = self.axis(node, sizes.len() + 1)?;
        sizes.insert(axis, 1);
        self.reshaped(&x, &sizes, output);
        Some(sizes)
    }

    /// The one axis of a reducing node that is not its rows', counted without them.
    fn axis(&self, node: &NodeProto, others: usize) -> Option<usize> {
        let axes = match node.attribute.iter().find(|a| a.name == "axes") {
            Some(axes) => axes.ints.clone(),
            None => read_integers(self.constants.get(node.input.get(1)?.as_str())?)?,
        };
        let &[axis] = &axes[..] else { return None };
        let axis = if axis < 0 { axis + others as i64 + 1 } else { axis };
        usize::try_from(axis - 1).ok().filter(|&axis| axis < others)
    }

    fn reduce(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, mut sizes) = self.column_major(node.input.first()?)?;
        let axis = self.axis(node, sizes.len())?;
        let mut reduce = node.clone();
        reduce.input = vec![x];
        match reduce.attribute.iter_mut().find(|a| a.name == "axes") {
            Some(axes) => axes.ints = vec![axis as i64],
            None => reduce.input.push(self.integers(format!("{output}:axes"), &[axis as i64])),
        }
        self.nodes.push(reduce);
        reduced(&mut sizes, axis, node);
        Some(sizes)
    }

    fn maximum(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, mut sizes) = self.column_major(node.input.first()?)?;
        let axis = self.axis(node, sizes.len())?;
        let kept = self.halved(x, sizes[axis], axis, output);
        reduced(&mut sizes, axis, node);
        self.reshaped(&kept, &sizes, output);
        Some(sizes)
    }

    /// The maximum over an axis, which is then of size one, by the larger of two halves
    /// again and again: each is one pass over whole rows.
    fn halved(&mut self, mut x: String, mut size: usize, axis: usize, name: &str) -> String {
        let axis = self.integers(format!("{name}:max_axis"), &[axis as i64]);
        while size > 1 {
            let half = size.div_ceil(2);
            // The halves of an odd number share the middle one.
            let mut part = |from: usize, to: usize| {
                let start = self.integers(format!("{name}:{size}_{from}_start"), &[from as i64]);
                let end = self.integers(format!("{name}:{size}_{from}_end"), &[to as i64]);
                let output = format!("{name}:{size}_{from}");
                self.push("Slice", &[&x, &start, &end, &axis], &output, Vec::new());
                output
            };
            let (first, second) = (part(0, half), part(size - half, size));
            x = format!("{name}:max_of_{half}");
            self.push("Max", &[&first, &second], &x, Vec::new());
            size = half;
        }
        x
    }

    /// Written out: the engine takes the logarithm of a softmax, which is −∞ where that
    /// is less than f32 can hold.
    fn log_softmax(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, sizes) = self.column_major(node.input.first()?)?;
        let [width] = sizes[..] else { return None };
        if !matches!(integer(node, "axis").unwrap_or(-1), 1 | -1) {
            return None;
        }
        let [shifted, exp, sum, log] =
            ["shifted", "exp", "sum", "log"].map(|part| format!("{output}:{part}"));
        let max = self.halved(x.clone(), width, 0, output);
        self.push("Sub", &[&x, &max], &shifted, Vec::new());
        self.push("Exp", &[&shifted], &exp, Vec::new());
        if self.opset < 13 {
            self.push("ReduceSum", &[&exp], &sum, vec![ints_attribute("axes", &[0])]);
        } else {
            let axes = self.integers(format!("{output}:axes"), &[0]);
            self.push("ReduceSum", &[&exp, &axes], &sum, Vec::new());
        }
        self.push("Log", &[&sum], &log, Vec::new());
        self.push("Sub", &[&shifted, &log], output, Vec::new());
        Some(sizes)
    }

    fn gather(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let [x, at] = &node.input[..] else { return None };
        let (x, of) = self.column_major(x)?;
        let (at, sizes) = self.column_major(at)?;
        if of.len() != 1 || sizes.len() != 1 || !matches!(integer(node, "axis").unwrap_or(0), 1 | -1) {
            return None;
        }
        self.push("GatherElements", &[&x, &at], output, vec![int_attribute("axis", 0)]);
        Some(sizes)
    }
}

fn integer(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|a| a.name == name).map(|a| a.i)
}

/// The sizes after a node has reduced an axis.
fn reduced(sizes: &mut Vec<usize>, axis: usize, node: &NodeProto) {
    sizes.remove(axis);
    if integer(node, "keepdims").unwrap_or(1) != 0 {
        sizes.insert(axis, 1);
    }
}

#[cfg(test)]
mod tests;
