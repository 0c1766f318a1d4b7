//! The least that it takes to make f32 values of decompressed pages, and to look for NaN and infinity in
//! them: values a second of all cores, each with its own values in its cache.

use std::hint::black_box;
use std::time::Instant;

use half::f16;
use half::slice::HalfFloatSliceExt;
use lsmi_etl::vectors::vectorised;

/// Values of a block: in the first cache.
const BLOCK: usize = 2048;
const BLOCKS: usize = 40_000;
/// Values that an index of two bytes tells apart.
const TABLE: usize = 1 << 16;
/// Bytes that hold eight indices and more.
const GROUP_BYTES: usize = 16;

/// How the values of a page are stored.
#[derive(Debug, Clone, Copy)]
pub enum Stored {
    /// Behind each other, in so many bytes each.
    Plain(usize),
    /// BYTE_STREAM_SPLIT, in so many bytes each.
    Split(usize),
    /// As indices into a dictionary of so many values.
    Indexed(usize),
}

/// Values a second that `cores` cores decode, convert and check.
pub fn rate(stored: Stored, cores: usize) -> f64 {
    match stored {
        // These are f32 already: they need not be moved.
        Stored::Plain(4) => measured(cores, |_, out| is_finite(black_box(out))),
        Stored::Plain(2) => measured(cores, |bytes, out| {
            let mut halves = [f16::ZERO; BLOCK];
            let stored = bytes.as_chunks::<2>().0;
            halves.iter_mut().zip(stored).for_each(|(half, bytes)| *half = f16::from_le_bytes(*bytes));
            halves.convert_to_f32_slice(out);
            is_finite(out)
        }),
        Stored::Plain(_) => measured(cores, |bytes, out| {
            let stored = bytes.as_chunks::<8>().0;
            out.iter_mut().zip(stored).for_each(|(out, bytes)| *out = f64::from_le_bytes(*bytes) as f32);
            is_finite(out)
        }),
        Stored::Split(2) => measured(cores, |bytes, out| {
            let mut halves = [f16::ZERO; BLOCK];
            let [low, high] = streams(bytes);
            let stored = low.iter().zip(high);
            halves.iter_mut().zip(stored).for_each(|(half, (a, b))| *half = f16::from_le_bytes([*a, *b]));
            halves.convert_to_f32_slice(out);
            is_finite(out)
        }),
        Stored::Split(4) => measured(cores, |bytes, out| {
            let words = words(streams(bytes));
            out.iter_mut().zip(words).for_each(|(out, word)| *out = f32::from_bits(word));
            is_finite(out)
        }),
        Stored::Split(_) => measured(cores, |bytes, out| {
            let [a, b, c, d, e, f, g, h] = streams(bytes);
            let (low, high) = (words([a, b, c, d]), words([e, f, g, h]));
            for (out, (low, high)) in out.iter_mut().zip(low.iter().zip(&high)) {
                *out = f64::from_bits(u64::from(*high) << 32 | u64::from(*low)) as f32;
            }
            is_finite(out)
        }),
        Stored::Indexed(values) => indexed(values.clamp(2, TABLE), cores),
    }
}

/// A dictionary is checked once for all, so that its values need not be.
fn indexed(values: usize, cores: usize) -> f64 {
    let width = values.next_power_of_two().ilog2() as usize;
    let (mask, table) = (u16::MAX >> (16 - width), vec![1.0_f32; TABLE]);
    measured(cores, move |bytes, out| {
        let table = table.first_chunk::<TABLE>().unwrap();
        for (number, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let packed = bytes[number * width..].first_chunk::<GROUP_BYTES>().unwrap();
            let packed = u128::from_le_bytes(*packed);
            let halves = [packed as u64, (packed >> (4 * width)) as u64];
            for (packed, out) in halves.iter().zip(out.as_chunks_mut::<4>().0) {
                for (at, out) in out.iter_mut().enumerate() {
                    *out = table[usize::from((packed >> (at * width)) as u16 & mask)];
                }
            }
        }
        true
    })
}

/// Values a second, where `kernel` makes a block of them of stored bytes.
fn measured(cores: usize, kernel: impl Fn(&[u8], &mut [f32; BLOCK]) -> bool + Sync) -> f64 {
    let kernel = &kernel;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let stored: Vec<u8> =
                    (0..BLOCK * 8 + GROUP_BYTES).map(|at| ((at * 40_503) >> 4) as u8).collect();
                let mut values = [0.0; BLOCK];
                for _ in 0..BLOCKS {
                    black_box(vectorised(
                        #[inline(always)]
                        || kernel(black_box(&stored), &mut values),
                    ));
                    black_box(&mut values);
                }
            });
        }
    });
    (BLOCK * BLOCKS * cores) as f64 / start.elapsed().as_secs_f64()
}

/// The streams of the bytes of a block.
#[inline(always)]
fn streams<const WIDTH: usize>(bytes: &[u8]) -> [&[u8; BLOCK]; WIDTH] {
    std::array::from_fn(|stream| bytes[stream * BLOCK..].first_chunk().unwrap())
}

#[inline(always)]
fn words([a, b, c, d]: [&[u8; BLOCK]; 4]) -> [u32; BLOCK] {
    let mut words = [0; BLOCK];
    for (word, (((a, b), c), d)) in words.iter_mut().zip(a.iter().zip(b).zip(c).zip(d)) {
        *word = u32::from_le_bytes([*a, *b, *c, *d]);
    }
    words
}

#[inline(always)]
fn is_finite(values: &[f32; BLOCK]) -> bool {
    let largest = values.iter().fold(0, |most: u32, value| most.max(value.to_bits() & !(1 << 31)));
    largest < f32::INFINITY.to_bits()
}
