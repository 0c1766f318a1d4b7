//! Conversion to the two operators that the embedded engine has for column-major values: affine
//! maps with what follows them, and transpositions with the centre subtracted.

use tract_onnx::pb::{NodeProto, tensor_proto::DataType};

use super::super::onnx::{floats_tensor, int_attribute};
use super::super::program::ProgramInput;
use super::operators::integer;
use super::{LayoutPass, PRODUCT, TURN};

impl LayoutPass<'_> {
    /// Whether a value is a constant of `len` f32, in one row.
    fn is_vector(&self, name: &str, len: usize) -> bool {
        self.constants.get(name).is_some_and(|tensor| {
            let fits = matches!(tensor.dims[..], [n] | [1, n] if n as usize == len);
            fits && tensor.data_type == DataType::Float as i32
        })
    }

    /// An input minus a constant.
    pub(super) fn centred(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let [x, centre] = &node.input[..] else { return None };
        let input @ ProgramInput::Embedding(_) = ProgramInput::of_name(x)? else { return None };
        let size = input.width(self.dims);
        if !self.kernels || node.op_type != "Sub" || !self.is_vector(centre, size) {
            return None;
        }
        self.push(TURN, &[x, centre], output, Vec::new());
        Some(vec![size])
    }

    /// x·W + b, of a column-major x with one value per input of W.
    pub(super) fn affine_map(
        &mut self,
        x: &str,
        node: &NodeProto,
        transposed: bool,
        outputs: usize,
        output: &str,
    ) -> Option<Vec<usize>> {
        let weight = node.input.get(1)?;
        if !self.kernels || self.constants.get(weight.as_str())?.data_type != DataType::Float as i32 {
            return None;
        }
        let x = self.leading.get(x).cloned().unwrap_or_else(|| x.to_owned());
        let bias = node.input.get(2).filter(|bias| !bias.is_empty());
        let constant = bias.filter(|bias| self.is_vector(bias, outputs)).cloned();
        let added = match bias.filter(|_| constant.is_none()) {
            None => None,
            Some(bias) => Some(self.column_major(bias).filter(|(_, sizes)| sizes == &[outputs])?.0),
        };
        let constant = constant.unwrap_or_else(|| {
            let name = format!("{output}:no_bias");
            self.added.push(floats_tensor(&name, &[outputs], &vec![0.0; outputs]));
            name
        });
        let inputs: Vec<&str> = [x.as_str(), weight, &constant].into_iter().chain(added.as_deref()).collect();
        self.push(PRODUCT, &inputs, output, vec![int_attribute("transposed", transposed.into())]);
        Some(vec![outputs])
    }

    /// The product that a value is, where nothing else is known of it and all that read it are `readers`.
    fn bare_product(&self, name: &str, readers: usize) -> Option<usize> {
        let found = self.producer(name, PRODUCT, readers)?;
        (self.nodes[found].attribute.len() == 1).then_some(found)
    }

    /// The node of an operator whose output has so many readers.
    fn producer(&self, name: &str, op: &str, readers: usize) -> Option<usize> {
        let found = self.nodes.iter().rposition(|node| node.output.iter().any(|output| output == name))?;
        let fits = self.nodes[found].op_type == op && self.readers.get(name) == Some(&readers);
        (self.kernels && fits).then_some(found)
    }

    /// Relu of a product, as a part of it.
    pub(super) fn rectified(&mut self, node: &NodeProto, output: &str) -> Option<Vec<usize>> {
        let x = node.input.first().filter(|_| node.op_type == "Relu")?;
        let product = self.bare_product(x, 1)?;
        self.finish(product, output, "relu", 1);
        self.converted.get(x).cloned()
    }

    /// Σ z² over the second axis of a product `z`, reshaped to two: the squared norms of components.
    pub(super) fn squared_norms(
        &mut self,
        node: &NodeProto,
        x: &str,
        sizes: &[usize],
        axis: usize,
        output: &str,
    ) -> Option<Vec<usize>> {
        let &[components, _] = sizes else { return None };
        if node.op_type != "ReduceSum" || integer(node, "keepdims") != Some(0) || axis != 1 {
            return None;
        }
        let reshape = self.producer(x, "Reshape", 1)?;
        let squares = self.nodes[reshape].input.first()?;
        let square = self.producer(squares, "Mul", 1)?;
        let [z, z_again] = &self.nodes[square].input[..] else { return None };
        // What a product adds has one value for each of its outputs, and not for each component.
        let is_alone = |product: &usize| z == z_again && self.nodes[*product].input.len() == 3;
        let product = self.bare_product(z, 2).filter(is_alone)?;
        // The two come after the product, whose place so remains.
        [reshape, square].into_iter().for_each(|place| drop(self.nodes.remove(place)));
        self.finish(product, output, "components", components as i64);
        Some(vec![components])
    }

    /// Makes what follows a product a part of it.
    fn finish(&mut self, product: usize, output: &str, attribute: &str, value: i64) {
        let product = &mut self.nodes[product];
        product.attribute.push(int_attribute(attribute, value));
        product.output = vec![output.to_owned()];
    }
}
