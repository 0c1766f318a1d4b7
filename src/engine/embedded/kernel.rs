//! Matrix products on column-major values, in the widest vectors of the processor. The engine's own
//! products copy what they read into another order, once for each product, and store value by
//! value; at a few dozen columns that costs as much as the arithmetic. Here a tile of a product
//! reads and writes whole vectors where the values lie.
//!
//! A value of the output is the sum over the inputs in their order, whatever its column: a row of
//! a batch gets the same bits among any other rows.

/// The instructions of a kernel. Exists only where the processor has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instructions(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Avx512,
    Avx2,
}

impl Instructions {
    /// The widest that the processor has; `None` where there is no kernel for it.
    pub(super) fn detect() -> Option<Self> {
        Self::all().into_iter().next()
    }

    /// All that the processor has, the widest first.
    pub(super) fn all() -> Vec<Self> {
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let sets = [(is_x86_feature_detected!("avx512f"), Set::Avx512), (has_avx2, Set::Avx2)];
        sets.into_iter().filter(|(has, _)| *has).map(|(_, set)| Self(set)).collect()
    }

    /// Outputs per tile, descending: as many as the registers hold beside the vectors read.
    fn tiles(self) -> [usize; 3] {
        match self.0 {
            Set::Avx512 => [8, 4, 2],
            Set::Avx2 => [6, 4, 2],
        }
    }

    /// Columns per vector.
    pub(super) fn lanes(self) -> usize {
        match self.0 {
            Set::Avx512 => 16,
            Set::Avx2 => 8,
        }
    }
}

/// The affine map of a product, in the order in which a kernel reads it.
pub(super) struct AffineMap {
    pub(super) instructions: Instructions,
    /// Values per column of the input that the map reads.
    pub(super) inputs: usize,
    tiles: Vec<Tile>,
    /// The weights `[inputs, size]` and the bias `[size]` of tile after tile.
    weights: Vec<f32>,
    pub(super) finish: Finish,
}

/// What becomes of the values of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// They are the output.
    Values,
    /// Negative ones become zero.
    Relu,
    /// They are of so many components, one after the other; the output is the sum of squares of each.
    SquaredNorms(usize),
}

/// Outputs that a kernel computes at once.
struct Tile {
    /// Weights per input: the outputs, and zeros up to the next size of a tile.
    size: usize,
    /// Number of outputs.
    outputs: usize,
    /// The first row of the output that it contributes to.
    row: usize,
}

impl AffineMap {
    /// A map whose weight of an input and an output is `weight(input, output)`.
    pub(super) fn new(
        instructions: Instructions,
        inputs: usize,
        bias: &[f32],
        weight: impl Fn(usize, usize) -> f32,
        finish: Finish,
    ) -> Self {
        let components = if let Finish::SquaredNorms(components) = finish { components.max(1) } else { 1 };
        let height = bias.len() / components;
        let mut map = Self { instructions, inputs, tiles: vec![], weights: vec![], finish };
        for component in 0..components {
            let mut start = 0;
            while start < height {
                let left = height - start;
                // One output of zeros is cheaper than a smaller tile.
                let size = instructions.tiles().into_iter().find(|&size| size <= left + 1).unwrap_or(2);
                let outputs = size.min(left);
                let first = component * height + start;
                let row = if let Finish::SquaredNorms(_) = finish { component } else { first };
                let zeros = std::iter::repeat_n(0.0, size - outputs);
                for input in 0..inputs {
                    map.weights.extend((first..first + outputs).map(|output| weight(input, output)));
                    map.weights.extend(zeros.clone());
                }
                map.weights.extend_from_slice(&bias[first..first + outputs]);
                map.weights.extend(zeros);
                map.tiles.push(Tile { size, outputs, row });
                start += outputs;
            }
        }
        map
    }

    /// Rows of the output.
    pub(super) fn rows(&self) -> usize {
        match self.finish {
            Finish::SquaredNorms(components) => components,
            _ => self.tiles.iter().map(|tile| tile.outputs).sum(),
        }
    }

    /// The map of x `[at least inputs, n]`, and the values of `added` `[rows, n]`: `[rows, n]`.
    /// `n` is at least [`Instructions::lanes`].
    pub(super) fn apply(&self, x: &[f32], n: usize, added: Option<&[f32]>, out: &mut [f32]) {
        match self.instructions.0 {
            // SAFETY: `Instructions` exist only where the processor has them.
            Set::Avx512 => unsafe { avx512::apply(self, x, n, added, out) },
            // SAFETY: as above.
            Set::Avx2 => unsafe { avx2::apply(self, x, n, added, out) },
        }
    }
}

/// A kernel for vectors of so many columns: a tile is so many vectors, of one of the sizes of outputs.
macro_rules! kernel {
    ($module:ident, $features:literal, $vector:ty, $lanes:literal, $vectors:literal, [$($size:literal)*],
     $load:ident, $store:ident, $zero:ident, $all:ident, $add:ident, $max:ident, $multiply_add:ident) => {
        mod $module {
            use std::arch::x86_64::*;

            use super::{AffineMap, Finish, Tile};

            #[target_feature(enable = $features)]
            fn load(values: &[f32; $lanes]) -> $vector {
                // SAFETY: it reads as many values as there are, wherever they lie.
                unsafe { $load(values.as_ptr()) }
            }

            #[target_feature(enable = $features)]
            fn store(vector: $vector, values: &mut [f32; $lanes]) {
                // SAFETY: it writes as many values as there are, wherever they lie.
                unsafe { $store(values.as_mut_ptr(), vector) }
            }

            #[target_feature(enable = $features)]
            pub(super) fn apply(map: &AffineMap, x: &[f32], n: usize, added: Option<&[f32]>, out: &mut [f32]) {
                let mut column = 0;
                while column + $vectors * $lanes <= n {
                    columns::<$vectors>(map, x, n, column, added, out);
                    column += $vectors * $lanes;
                }
                while column < n {
                    // The last vector overlaps the one before: the values are the same.
                    columns::<1>(map, x, n, column.min(n - $lanes), added, out);
                    column += $lanes;
                }
            }

            /// All outputs of a few vectors of columns.
            #[target_feature(enable = $features)]
            fn columns<const V: usize>(
                map: &AffineMap,
                x: &[f32],
                n: usize,
                column: usize,
                added: Option<&[f32]>,
                out: &mut [f32],
            ) {
                let x = &x[column..];
                if let Finish::SquaredNorms(_) = map.finish {
                    out[column..].chunks_mut(n).for_each(|row| row[..V * $lanes].fill(0.0));
                }
                let mut weights = &map.weights[..];
                for of_map in &map.tiles {
                    let (own, rest) = weights.split_at((map.inputs + 1) * of_map.size);
                    weights = rest;
                    let at = of_map.row * n + column;
                    let added = added.map(|added| &added[at..]);
                    let out = &mut out[at..];
                    match of_map.size {
                        $($size => tile::<$size, V>(of_map, map.finish, own, x, n, added, out),)*
                        _ => {}
                    }
                }
            }

            /// The products of a tile. A function of its own, so that the sums stay in registers.
            #[inline(never)]
            #[target_feature(enable = $features)]
            fn products<const SIZE: usize, const V: usize>(
                weights: &[[f32; SIZE]],
                x: &[f32],
                n: usize,
            ) -> [[$vector; V]; SIZE] {
                let mut sums = [[$zero(); V]; SIZE];
                for (weights, x) in weights.iter().zip(x.chunks(n)) {
                    let Some(x) = x.as_chunks::<$lanes>().0.first_chunk::<V>() else { break };
                    let x: [$vector; V] = std::array::from_fn(|v| load(&x[v]));
                    for (sums, weight) in sums.iter_mut().zip(weights) {
                        let weight = $all(*weight);
                        for (sum, x) in sums.iter_mut().zip(&x) {
                            *sum = $multiply_add(*x, weight, *sum);
                        }
                    }
                }
                sums
            }

            #[target_feature(enable = $features)]
            fn tile<const SIZE: usize, const V: usize>(
                tile: &Tile,
                finish: Finish,
                weights: &[f32],
                x: &[f32],
                n: usize,
                added: Option<&[f32]>,
                out: &mut [f32],
            ) {
                let Some((bias, weights)) = weights.as_chunks::<SIZE>().0.split_last() else { return };
                let mut sums = products::<SIZE, V>(weights, x, n);
                if let Some(added) = added {
                    for (sums, added) in sums.iter_mut().zip(added.chunks(n)) {
                        for (sum, added) in sums.iter_mut().zip(added.as_chunks::<$lanes>().0) {
                            *sum = $add(*sum, load(added));
                        }
                    }
                }
                if let Finish::SquaredNorms(_) = finish {
                    let mut norms = [$zero(); V];
                    for (sums, bias) in sums.iter().zip(bias) {
                        for (norm, sum) in norms.iter_mut().zip(sums) {
                            let value = $add(*sum, $all(*bias));
                            *norm = $multiply_add(value, value, *norm);
                        }
                    }
                    for (norm, out) in norms.iter().zip(out.as_chunks_mut::<$lanes>().0) {
                        store($add(load(out), *norm), out);
                    }
                    return;
                }
                let least = $all(if finish == Finish::Relu { 0.0 } else { f32::NEG_INFINITY });
                for ((sums, bias), out) in sums.iter().zip(bias).zip(out.chunks_mut(n).take(tile.outputs)) {
                    for (sum, out) in sums.iter().zip(out.as_chunks_mut::<$lanes>().0) {
                        // In this order, the larger of a number and NaN is NaN.
                        store($max(least, $add(*sum, $all(*bias))), out);
                    }
                }
            }
        }
    };
}

kernel!(
    avx512, "avx512f", __m512, 16, 3, [8 4 2],
    _mm512_loadu_ps, _mm512_storeu_ps, _mm512_setzero_ps, _mm512_set1_ps, _mm512_add_ps, _mm512_max_ps, _mm512_fmadd_ps
);
kernel!(
    avx2, "avx2,fma", __m256, 8, 2, [6 4 2],
    _mm256_loadu_ps, _mm256_storeu_ps, _mm256_setzero_ps, _mm256_set1_ps, _mm256_add_ps, _mm256_max_ps, _mm256_fmadd_ps
);

#[cfg(test)]
mod tests {
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
        map.apply(&x, n, added.as_deref(), &mut out);
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
            map.apply(&x, n, None, &mut out);
            assert!(out.chunks(n).all(|row| row.iter().all(|value| value.to_bits() == row[0].to_bits())));
        }
    }

    #[test]
    fn not_a_number_passes_through_relu() {
        for instructions in Instructions::all() {
            let map = AffineMap::new(instructions, 1, &[0.0], |_, _| 1.0, Finish::Relu);
            let n = instructions.lanes();
            let mut out = vec![0.0; n];
            map.apply(&vec![f32::NAN; n], n, None, &mut out);
            assert!(out.iter().all(|value| value.is_nan()));
        }
    }
}
