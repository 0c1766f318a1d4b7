//! The mean of members whose logits are linear in x, as one member: the mean of their logits, which
//! is ln of the geometric mean of their probabilities up to a constant. On fresh rows it is as good
//! as the mean of the probabilities (the members differ little), for a fifth of the products.

use crate::bundle::{Affine, Stack};

/// One stack for all; `None` where a member has a network or several centres a class.
pub(super) fn merge(members: &[Stack]) -> Option<Stack> {
    let first = members.first()?;
    let (width, classes) = (first.mean.len(), first.classes());
    let mean = |of: fn(&Stack) -> &[f32]| -> Vec<f32> {
        let sum = |j: usize| members.iter().map(|member| f64::from(of(member)[j])).sum::<f64>();
        (0..width).map(|j| (sum(j) / members.len() as f64) as f32).collect()
    };
    let (centre, scale) = (mean(|member| &member.mean), mean(|member| &member.scale));
    let mut weight = vec![0.0; classes * width];
    let mut bias = vec![0.0; classes];
    for member in members {
        for (beta, part_weight, part_bias) in linear_parts(member)? {
            let share = f64::from(beta) / members.len() as f64;
            for (class, row) in weight.chunks_exact_mut(width).enumerate() {
                bias[class] += share * f64::from(part_bias[class]);
                for (j, sum) in row.iter_mut().enumerate() {
                    // Of (x − member's mean)/member's scale, as of (x − centre)/scale.
                    let slope =
                        share * f64::from(part_weight[class * width + j]) / f64::from(member.scale[j]);
                    *sum += slope * f64::from(scale[j]);
                    bias[class] += slope * (f64::from(centre[j]) - f64::from(member.mean[j]));
                }
            }
        }
    }
    let to_f32 = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    let (weight, bias) = (to_f32(weight), to_f32(bias));
    let linear = Some(Affine { inputs: width, outputs: classes, weight, bias });
    let dims = first.dims.clone();
    Some(Stack {
        dims,
        mean: centre,
        scale,
        linear,
        mlp: Vec::new(),
        discriminant: None,
        betas: [1.0, 0.0, 0.0],
    })
}

/// Stack weight, W and b of each part.
fn linear_parts(member: &Stack) -> Option<Vec<(f32, &[f32], &[f32])>> {
    let several = |centres: usize| centres > 1;
    if !member.mlp.is_empty() || member.discriminant.as_ref().is_some_and(|part| several(part.centres)) {
        return None;
    }
    let linear = member.linear.iter().map(|map| (member.betas[0], &map.weight[..], &map.bias[..]));
    let discriminant =
        member.discriminant.iter().map(|part| (member.betas[2], &part.weight[..], &part.bias[..]));
    Some(linear.chain(discriminant).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Discriminant, Ensemble};

    fn numbers(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| (i * step % 23) as f32 / 11.0 - 1.0).collect()
    }

    fn member(seed: usize) -> Stack {
        let (weight, bias) = (numbers(6, 3 + seed), numbers(3, 5 + seed));
        let discriminant = Discriminant {
            inputs: 2,
            classes: 3,
            centres: 1,
            weight: numbers(6, 7 + seed),
            bias: numbers(3, 2),
        };
        Stack {
            dims: vec![2],
            mean: numbers(2, 4 + seed),
            scale: vec![1.0 + seed as f32, 0.5],
            linear: Some(Affine { inputs: 2, outputs: 3, weight, bias }),
            mlp: vec![],
            discriminant: Some(discriminant),
            betas: [0.5, 0.0, 0.75],
        }
    }

    #[test]
    fn equal_members_are_unchanged_and_others_have_their_logits_averaged() {
        let x = numbers(20, 3);
        let difference = |members: &[Stack], truth: &[f64]| -> f64 {
            let merged = Ensemble::from(merge(members).unwrap()).log_prob(&[&x]);
            merged.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let (a, b) = (member(0), member(1));
        assert!(difference(&[a.clone(), a.clone()], &a.log_prob(&[&x])) < 1e-5);
        let [of_a, of_b] = [&a, &b].map(|member| member.log_prob(&[&x]));
        let mut truth: Vec<f64> = of_a.iter().zip(&of_b).map(|(a, b)| 0.5 * (a + b)).collect();
        crate::fit::softmax::log_softmax_rows(&mut truth, 3);
        assert!(difference(&[a.clone(), b], &truth) < 1e-5);
        let mut bent = a;
        bent.mlp = bent.linear.iter().cloned().collect();
        assert!(merge(&[bent]).is_none());
    }
}
