//! Transposition of an input to column-major layout, minus a centre.

use std::sync::Arc;

use tract_hir::internal::*;
use tract_hir::tract_core::{args_1, as_op, op_as_typed_op, op_out_of_plan};

use crate::bundle::TURN;

/// x `[n, d]` and perhaps a centre of `d` values to subtract: `[d, n]`.
#[derive(Debug, Clone)]
pub(super) struct TurnNode;

impl Expansion for TurnNode {
    fn name(&self) -> StaticName {
        TURN.into()
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
        s.equals(&outputs[0].shape[0], &inputs[0].shape[1])?;
        s.equals(&outputs[0].shape[1], &inputs[0].shape[0])
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let x = inputs.first().context("it has no input")?;
        let centre = match inputs.get(1) {
            None => None,
            Some(centre) => {
                let centre = model.outlet_fact(*centre)?.konst.clone();
                Some(centre.context("its centre is not constant")?)
            }
        };
        model.wire_node(prefix, Turn(centre), &[*x])
    }
}

/// A transposition, minus a centre.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Turn(Option<Arc<Tensor>>);

/// Rows and columns of a block, whose values the first cache holds in both orders.
const BLOCK: usize = 16;

impl Op for Turn {
    fn name(&self) -> StaticName {
        TURN.into()
    }

    op_as_typed_op!();
}

impl EvalOp for Turn {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = args_1!(inputs);
        let &[n, d] = x.shape() else { bail!("its input has the shape {:?}", x.shape()) };
        let x = x.try_as_plain_ram()?;
        let x = x.as_slice::<f32>()?;
        let centre = self.0.as_ref().map(|centre| centre.try_as_plain_ram()).transpose()?;
        let centre = centre.as_ref().map(|centre| centre.as_slice::<f32>()).transpose()?;
        ensure!(centre.is_none_or(|centre| centre.len() == d), "its centre has another size than its input");
        let mut out = Tensor::zero::<f32>(&[d, n])?;
        let mut plain = out.try_as_plain_ram_mut()?;
        turn(x, [n, d], centre, plain.as_slice_mut::<f32>()?);
        Ok(tvec!(out.into_tvalue()))
    }
}

/// The transposition of x `[n, d]`, minus the centre.
fn turn(x: &[f32], [n, d]: [usize; 2], centre: Option<&[f32]>, out: &mut [f32]) {
    for row in (0..n).step_by(BLOCK) {
        for column in (0..d).step_by(BLOCK) {
            let mut own = [0.0; BLOCK];
            centre.into_iter().for_each(|centre| fill(&mut own, &centre[column..]));
            let mut block = [[0.0; BLOCK]; BLOCK];
            for (block, x) in block.iter_mut().zip(x[row * d..].chunks(d)) {
                fill(block, &x[column..]);
            }
            let mut turned = [[0.0; BLOCK]; BLOCK];
            for (r, block) in block.iter().enumerate() {
                for (turned, value) in turned.iter_mut().zip(block) {
                    turned[r] = *value;
                }
            }
            for ((turned, centre), out) in turned.iter().zip(own).zip(out[column * n..].chunks_mut(n)) {
                for (out, value) in out[row..].iter_mut().zip(turned) {
                    *out = value - centre;
                }
            }
        }
    }
}

/// The first values, as many as fit.
fn fill(block: &mut [f32; BLOCK], values: &[f32]) {
    match values.first_chunk() {
        Some(whole) => *block = *whole,
        None => block[..values.len()].copy_from_slice(values),
    }
}

impl TypedOp for Turn {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let x = inputs.first().context("it has no input")?;
        Ok(tvec!(f32::fact([x.shape[1].clone(), x.shape[0].clone()])))
    }

    as_op!();
}
