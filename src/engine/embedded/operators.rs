//! The operators of column-major programs that the engine does not have, and products, which are
//! one of them.

use std::sync::Arc;

use tract_hir::internal::*;
use tract_hir::tract_core::{as_op, op_as_typed_op, op_out_of_plan};
use tract_onnx::Onnx;
use tract_onnx::pb::NodeProto;

use crate::bundle::{PRODUCT, TURN};

use super::affine_map::{AffineMap, Finish, Instructions};
use super::kernel::apply;
use super::turn::TurnNode;

/// Whether there are kernels for the operators of column-major programs.
pub(super) fn has_kernels() -> bool {
    Instructions::detect().is_some()
}

/// The engine's reader of ONNX graphs, with the operators of column-major programs.
pub(super) fn reader() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert(PRODUCT, |_, node| {
        let attribute = |name| node.attribute.iter().find(|a| a.name == name).map_or(0, |a| a.i);
        let finish = match (attribute("components"), attribute("relu")) {
            (0, 0) => Finish::Values,
            (0, _) => Finish::Relu,
            (components, _) => Finish::SquaredNorms(usize::try_from(components)?),
        };
        Ok((expand(ProductNode { transposed: attribute("transposed") != 0, finish }), vec![]))
    });
    onnx.op_register.insert(TURN, |_, _: &NodeProto| Ok((expand(TurnNode), vec![])));
    onnx
}

/// x `[≥ k, n]`, a weight `[k, w]` (or `[w, k]`), a bias `[w]` and perhaps a value `[w, n]` to add.
#[derive(Debug, Clone)]
struct ProductNode {
    transposed: bool,
    finish: Finish,
}

impl Expansion for ProductNode {
    fn name(&self) -> StaticName {
        PRODUCT.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.equals(&inputs[0].rank, 2)?;
        s.equals(&outputs[0].rank, 2)?;
        s.equals(&outputs[0].shape[1], &inputs[0].shape[1])?;
        match self.finish {
            Finish::SquaredNorms(components) => s.equals(&outputs[0].shape[0], components.to_dim()),
            _ => s.equals(&outputs[0].shape[0], &inputs[1].shape[usize::from(!self.transposed)]),
        }
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let constant = |input: usize| -> TractResult<Arc<Tensor>> {
            let outlet = inputs.get(input).context("it has no weight or bias")?;
            model.outlet_fact(*outlet)?.konst.clone().context("its weight or bias is not constant")
        };
        let (weight, bias) = (constant(1)?, constant(2)?);
        let (weights, bias) = (weight.try_as_plain_ram()?, bias.try_as_plain_ram()?);
        let (weights, bias) = (weights.as_slice::<f32>()?, bias.as_slice::<f32>()?);
        let &[rows, columns] = weight.shape() else { bail!("its weight has the shape {:?}", weight.shape()) };
        let (k, w) = if self.transposed { (columns, rows) } else { (rows, columns) };
        ensure!(bias.len() == w, "its bias has {} values for {w} outputs", bias.len());
        let at = |input, output| {
            weights[if self.transposed { output * columns + input } else { input * columns + output }]
        };
        let instructions = Instructions::detect().context("there is no kernel for this processor")?;
        let map = Arc::new(AffineMap::new(instructions, k, bias, at, self.finish));
        let values: TVec<OutletId> = inputs.iter().take(1).chain(inputs.iter().skip(3)).copied().collect();
        model.wire_node(prefix, Product(map), &values)
    }
}

/// An affine map of x `[≥ k, n]`, perhaps with a value added to the result.
#[derive(Clone)]
struct Product(Arc<AffineMap>);

impl PartialEq for Product {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Product {}

impl std::fmt::Debug for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Product({} to {}, {:?})", self.0.inputs, self.0.rows(), self.0.finish)
    }
}

impl Op for Product {
    fn name(&self) -> StaticName {
        PRODUCT.into()
    }

    op_as_typed_op!();
}

impl EvalOp for Product {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let map = &self.0;
        let x = inputs.first().context("it has no input")?;
        let &[k, n] = x.shape() else { bail!("its input has the shape {:?}", x.shape()) };
        ensure!(k >= map.inputs, "its input has {k} values per row and not {}", map.inputs);
        let x = x.try_as_plain_ram()?;
        let x = x.as_slice::<f32>()?;
        let added = inputs.get(1).map(|added| added.try_as_plain_ram()).transpose()?;
        let added = added.as_ref().map(|added| added.as_slice::<f32>()).transpose()?;
        let rows = map.rows();
        ensure!(added.is_none_or(|added| added.len() == rows * n), "what it adds has another shape");
        let mut out = Tensor::zero::<f32>(&[rows, n])?;
        let mut plain = out.try_as_plain_ram_mut()?;
        let values = plain.as_slice_mut::<f32>()?;
        let lanes = map.instructions.lanes();
        if n >= lanes {
            apply(map, x, n, added, values);
        } else if n > 0 {
            // A vector of columns at least.
            let widened = |values: &[f32]| widen(values, n, lanes);
            let mut wide = vec![0.0; rows * lanes];
            apply(map, &widened(x), lanes, added.map(widened).as_deref(), &mut wide);
            for (narrow, wide) in values.chunks_exact_mut(n).zip(wide.chunks_exact(lanes)) {
                narrow.copy_from_slice(&wide[..n]);
            }
        }
        Ok(tvec!(out.into_tvalue()))
    }
}

/// Rows of `from` values, each followed by zeros up to `to`.
fn widen(values: &[f32], from: usize, to: usize) -> Vec<f32> {
    let zeros = std::iter::repeat_n(0.0, to - from);
    values.chunks_exact(from).flat_map(|row| row.iter().copied().chain(zeros.clone())).collect()
}

impl TypedOp for Product {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let x = inputs.first().context("it has no input")?;
        Ok(tvec!(f32::fact([self.0.rows().to_dim(), x.shape[1].clone()])))
    }

    as_op!();
}
