//! Stacks of several folds brought to one standardisation of their inputs, without a change of their
//! values: a row on disk is then standardised once for all folds.

use crate::bundle::Stack;
use crate::fit::classifier_data::ClassifierData;

/// Rewrites a stack for inputs standardised by `data`: of (x − m)/s as of (x − m')/s' is
/// w·s'/s and b + Σ w (m' − m)/s.
pub(super) fn bring_to(stack: &mut Stack, data: &ClassifierData) {
    let scale = stack.scale.iter().zip(&data.scale);
    let ratio: Vec<f64> = scale.map(|(own, common)| f64::from(*common) / f64::from(*own)).collect();
    let mean = stack.mean.iter().zip(&data.mean).zip(&stack.scale);
    let shift: Vec<f64> = mean
        .map(|((own, common), scale)| (f64::from(*common) - f64::from(*own)) / f64::from(*scale))
        .collect();
    let rewrite = |weight: &mut [f32], bias: &mut [f32]| {
        for (weight, bias) in weight.chunks_exact_mut(ratio.len()).zip(bias) {
            let moved: f64 = weight.iter().zip(&shift).map(|(w, shift)| f64::from(*w) * shift).sum();
            *bias = (f64::from(*bias) + moved) as f32;
            weight.iter_mut().zip(&ratio).for_each(|(w, ratio)| *w = (f64::from(*w) * ratio) as f32);
        }
    };
    for map in stack.linear.iter_mut().chain(stack.mlp.first_mut()) {
        rewrite(&mut map.weight, &mut map.bias);
    }
    if let Some(part) = &mut stack.discriminant {
        rewrite(&mut part.weight, &mut part.bias);
    }
    (stack.mean, stack.scale) = (data.mean.clone(), data.scale.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Affine, Discriminant, Ensemble};
    use crate::error::Place;
    use crate::fit::{EmbeddingMatrix, TrainingSet};
    use crate::interaction::Subset;

    fn numbers(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| (i * step % 23) as f32 / 11.0 - 1.0).collect()
    }

    #[test]
    fn the_values_of_a_stack_stay() {
        let affine = |inputs, outputs, step| Affine {
            inputs,
            outputs,
            weight: numbers(inputs * outputs, step),
            bias: numbers(outputs, step + 1),
        };
        let mut stack = Stack {
            dims: vec![2],
            mean: vec![0.5, -1.0],
            scale: vec![2.0, 0.25],
            linear: Some(affine(2, 3, 5)),
            mlp: vec![affine(2, 4, 3), affine(4, 3, 7)],
            discriminant: Some(Discriminant {
                inputs: 2,
                classes: 3,
                centres: 2,
                weight: numbers(12, 9),
                bias: numbers(6, 4),
            }),
            betas: [0.5, 0.7, 0.25],
        };
        let x = numbers(40, 3);
        let set = TrainingSet {
            place: Place::default(),
            x: vec![EmbeddingMatrix { column: "x", dim: 2, values: &x }; 2],
            y: &[0; 20],
            classes: 3,
            groups: None,
            keys: None,
        };
        let before = Ensemble::from(stack.clone()).log_prob(&[&x]);
        let first = Subset::new([0]).unwrap();
        bring_to(&mut stack, &ClassifierData::measure(&set, first, &[0, 1, 2, 3, 4, 5, 6, 7]));
        assert_ne!(stack.mean, [0.5, -1.0]);
        let after = Ensemble::from(stack).log_prob(&[&x]);
        let difference = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(difference < 1e-5, "{difference}");
    }
}
