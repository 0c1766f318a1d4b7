//! Matrix products on column-major values, in the widest vectors of the processor. The engine's own
//! products copy what they read into another order, once for each product, and store value by
//! value; at a few dozen columns that costs as much as the arithmetic. Here a tile of a product
//! reads and writes whole vectors where the values lie.
//!
//! A value of the output is the sum over the inputs in their order, whatever its column: a row of
//! a batch gets the same bits among any other rows.

use super::affine_map::{AffineMap, Set};

/// The map of x `[at least inputs, n]`, and the values of `added` `[rows, n]`: `[rows, n]`.
/// `n` is at least the number of lanes.
pub(super) fn apply(map: &AffineMap, x: &[f32], n: usize, added: Option<&[f32]>, out: &mut [f32]) {
    match map.instructions.set() {
        // SAFETY: `Instructions` exist only where the processor has them.
        Set::Avx512 => unsafe { avx512::apply(map, x, n, added, out) },
        // SAFETY: as above.
        Set::Avx2 => unsafe { avx2::apply(map, x, n, added, out) },
    }
}

/// A kernel for vectors of so many columns: a tile is so many vectors, of one of the sizes of outputs.
macro_rules! kernel {
    ($module:ident, $features:literal, $vector:ty, $lanes:literal, $vectors:literal, [$($size:literal)*],
     $load:ident, $store:ident, $zero:ident, $all:ident, $add:ident, $max:ident, $multiply_add:ident) => {
        mod $module {
            use std::arch::x86_64::*;

            use crate::engine::embedded::affine_map::{AffineMap, Finish, Tile};

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
mod tests;
