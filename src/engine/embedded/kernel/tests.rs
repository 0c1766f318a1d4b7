//! Tests that kernels compute what the definition of their operator says.

use super::super::affine_map::{Finish, Instructions};
use super::*;

fn numbers(count: usize, step: usize) -> Vec<f32> {
    (0..count).map(|i| (i * step % 23) as f32 / 11.0 - 1.0).collect()
}

/// The output of a map and what it should be, for x `[inputs + 1, n]`: one row more than it reads.
fn applied(
    instructions: Instructions,
    [inputs, outputs, n]: [usize; 3],
    finish: Finish,
    added: bool,
) -> (Vec<f32>, Vec<f32>) {
    let (weight, bias) = (numbers(inputs * outputs, 7), numbers(outputs, 5));
    let x = numbers((inputs + 1) * n, 3);
    let map = AffineMap::new(instructions, inputs, &bias, |i, o| weight[o * inputs + i], finish);
    let added = added.then(|| numbers(outputs * n, 11));
    let mut out = vec![f32::NAN; map.rows() * n];
    apply(&map, &x, n, added.as_deref(), &mut out);
    let value = |o: usize, column: usize| {
        let product: f32 = (0..inputs).map(|i| weight[o * inputs + i] * x[i * n + column]).sum();
        product + bias[o] + added.as_ref().map_or(0.0, |added| added[o * n + column])
    };
    let columns = |row: usize| (0..n).map(move |column| (row, column));
    let truth = (0..map.rows()).flat_map(columns).map(|(row, column)| match finish {
        Finish::Values => value(row, column),
        Finish::Relu => value(row, column).max(0.0),
        Finish::SquaredNorms(components) => {
            let height = outputs / components;
            (row * height..(row + 1) * height).map(|o| value(o, column).powi(2)).sum()
        }
    });
    (out, truth.collect())
}

#[test]
fn a_map_of_any_size_is_what_its_definition_says() {
    for instructions in Instructions::all() {
        let lanes = instructions.lanes();
        for n in [lanes, lanes + 1, 3 * lanes - 1, 7 * lanes + 3] {
            for outputs in (1..20).chain([64]) {
                for (finish, added) in [
                    (Finish::Values, false),
                    (Finish::Values, true),
                    (Finish::Relu, true),
                    (Finish::SquaredNorms(1), false),
                ] {
                    let (found, truth) = applied(instructions, [37, outputs, n], finish, added);
                    for (found, truth) in found.iter().zip(&truth) {
                        let near = (found - truth).abs() <= 1e-5 * truth.abs().max(1.0);
                        assert!(near, "{instructions:?}, {n}, {outputs}, {finish:?}: {found} {truth}");
                    }
                }
            }
        }
    }
}

#[test]
fn components_have_norms_of_their_own() {
    for instructions in Instructions::all() {
        let (found, truth) = applied(instructions, [5, 3 * 11, 50], Finish::SquaredNorms(3), false);
        assert_eq!(found.len(), 150);
        for (found, truth) in found.iter().zip(&truth) {
            assert!((found - truth).abs() <= 1e-5 * truth.max(1.0), "{found} {truth}");
        }
    }
}

#[test]
fn a_column_has_the_same_bits_wherever_it_lies() {
    for instructions in Instructions::all() {
        let map =
            AffineMap::new(instructions, 9, &[0.5; 11], |i, o| (i * 7 + o) as f32 / 9.0, Finish::Values);
        let column = numbers(9, 3);
        let n = 5 * instructions.lanes() + 1;
        let x: Vec<f32> = column.iter().flat_map(|value| std::iter::repeat_n(*value, n)).collect();
        let mut out = vec![0.0; 11 * n];
        apply(&map, &x, n, None, &mut out);
        assert!(out.chunks(n).all(|row| row.iter().all(|value| value.to_bits() == row[0].to_bits())));
    }
}

#[test]
fn not_a_number_passes_through_relu() {
    for instructions in Instructions::all() {
        let map = AffineMap::new(instructions, 1, &[0.0], |_, _| 1.0, Finish::Relu);
        let n = instructions.lanes();
        let mut out = vec![0.0; n];
        apply(&map, &vec![f32::NAN; n], n, None, &mut out);
        assert!(out.iter().all(|value| value.is_nan()));
    }
}
