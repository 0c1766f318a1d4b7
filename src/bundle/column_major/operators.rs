//! Operators on column-major values. Each returns the sizes of its output other than the rows, `None` where
//! it is not supported.

use tract_onnx::pb::{AttributeProto, NodeProto};

use super::super::onnx::{int_attribute, ints_attribute, read_integers};
use super::LayoutPass;

impl LayoutPass<'_> {
    pub(super) fn elementwise(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        if let Some(sizes) = self.centred(node, output).or_else(|| self.rectified(node, output)) {
            return Some(sizes);
        }
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

    /// x·W + b, without a copy of W.
    pub(super) fn product(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let is_plain = |a: &AttributeProto| match a.name.as_str() {
            "alpha" | "beta" => a.f == 1.0,
            "transA" => a.i == 0,
            _ => true,
        };
        let (x, weight) = (node.input.first()?, node.input.get(1)?);
        let &[rows, columns] = &self.constants.get(weight.as_str())?.dims[..] else { return None };
        let transposed = integer(node, "transB").is_some_and(|flag| flag != 0);
        let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
        let (x, sizes) = self.column_major(x)?;
        if !node.attribute.iter().all(is_plain) || sizes != [inputs as usize] {
            return None;
        }
        if let Some(sizes) = self.affine_map(&x, node, transposed, outputs as usize, output) {
            return Some(sizes);
        }
        let added = match node.input.get(2).filter(|bias| !bias.is_empty()) {
            None => None,
            Some(bias) => Some(self.column_major(bias).or_else(|| self.constant(bias, 1))?.0),
        };
        let equation = AttributeProto {
            name: "equation".into(),
            r#type: tract_onnx::pb::attribute_proto::AttributeType::String as i32,
            s: if transposed { "kn,wk->wn" } else { "kn,kw->wn" }.into(),
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

    pub(super) fn slice(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
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
        if start_at == 0 {
            self.leading.insert(output.to_owned(), x);
        }
        Some(vec![width.min(end_at as usize) - width.min(start_at as usize)])
    }

    pub(super) fn concat(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let parts = node.input.iter().map(|input| self.column_major(input)).collect::<Option<Vec<_>>>()?;
        if !matches!(integer(node, "axis")?, 1 | -1) || parts.iter().any(|(_, sizes)| sizes.len() != 1) {
            return None;
        }
        let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
        self.push("Concat", &names, output, vec![int_attribute("axis", 0)]);
        Some(vec![parts.iter().flat_map(|(_, sizes)| sizes).sum()])
    }

    /// A reshape that preserves the row axis.
    pub(super) fn reshape(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
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

    pub(super) fn unsqueeze(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, mut sizes) = self.column_major(node.input.first()?)?;
        let axis = self.axis(node, sizes.len() + 1)?;
        sizes.insert(axis, 1);
        self.reshaped(&x, &sizes, output);
        Some(sizes)
    }

    /// The single non-row axis of a reduction, counted without the row axis.
    fn axis(&self, node: &NodeProto, others: usize) -> Option<usize> {
        let axes = match node.attribute.iter().find(|a| a.name == "axes") {
            Some(axes) => axes.ints.clone(),
            None => read_integers(self.constants.get(node.input.get(1)?.as_str())?)?,
        };
        let &[axis] = &axes[..] else { return None };
        let axis = if axis < 0 { axis + others as i64 + 1 } else { axis };
        usize::try_from(axis - 1).ok().filter(|&axis| axis < others)
    }

    pub(super) fn reduce(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, mut sizes) = self.column_major(node.input.first()?)?;
        let axis = self.axis(node, sizes.len())?;
        if let Some(sizes) = self.squared_norms(node, &x, &sizes, axis, output) {
            return Some(sizes);
        }
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

    pub(super) fn maximum(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, mut sizes) = self.column_major(node.input.first()?)?;
        let axis = self.axis(node, sizes.len())?;
        let max = self.halved(x, sizes[axis], axis, output);
        reduced(&mut sizes, axis, node);
        self.reshaped(&max, &sizes, output);
        Some(sizes)
    }

    /// The maximum over an axis by repeated halving, each step one vectorised Max over whole
    /// rows. The axis has size one afterwards.
    fn halved(&mut self, mut x: String, mut size: usize, axis: usize, name: &str) -> String {
        let axis = self.integers(format!("{name}:max_axis"), &[axis as i64]);
        while size > 1 {
            let half = size.div_ceil(2);
            // The halves of an odd size overlap in the middle element.
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

    /// Expanded: the engine computes the logarithm of the softmax, which is −∞ where the
    /// softmax underflows.
    pub(super) fn log_softmax(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let (x, sizes) = self.column_major(node.input.first()?)?;
        let axis = sizes.len().checked_sub(1)?;
        let of_last = [-1, sizes.len() as i64];
        if !of_last.contains(&integer(node, "axis").unwrap_or(-1)) {
            return None;
        }
        let [shifted, exp, sum, log] =
            ["shifted", "exp", "sum", "log"].map(|part| format!("{output}:{part}"));
        let max = self.halved(x.clone(), sizes[axis], axis, output);
        self.push("Sub", &[&x, &max], &shifted, Vec::new());
        self.push("Exp", &[&shifted], &exp, Vec::new());
        if self.opset < 13 {
            self.push("ReduceSum", &[&exp], &sum, vec![ints_attribute("axes", &[axis as i64])]);
        } else {
            let axes = self.integers(format!("{output}:axes"), &[axis as i64]);
            self.push("ReduceSum", &[&exp, &axes], &sum, Vec::new());
        }
        self.push("Log", &[&sum], &log, Vec::new());
        self.push("Sub", &[&shifted, &log], output, Vec::new());
        Some(sizes)
    }

    pub(super) fn gather(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
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

pub(super) fn integer(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|a| a.name == name).map(|a| a.i)
}

/// The sizes after a node has reduced an axis.
fn reduced(sizes: &mut Vec<usize>, axis: usize, node: &NodeProto) {
    sizes.remove(axis);
    if integer(node, "keepdims").unwrap_or(1) != 0 {
        sizes.insert(axis, 1);
    }
}
