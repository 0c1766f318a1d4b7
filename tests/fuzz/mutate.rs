//! Mutations of a seed's bytes, determined by a number: flipped bits, numbers that lie, parts cut out,
//! doubled, taken from another seed, and an end too soon. Most strike the parts that steer a reader.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::seeds::Seed;

/// Numbers at the edges of what lengths and offsets can be.
const NUMBERS: [i64; 14] = [
    0,
    1,
    -1,
    127,
    1 << 15,
    1 << 24,
    i32::MAX as i64,
    i32::MIN as i64,
    1 << 32,
    1 << 40,
    1 << 61,
    i64::MAX,
    i64::MIN,
    -1 << 20,
];

/// The mutant of this number.
pub fn mutant(number: u64, seeds: &[Seed]) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(number);
    let seed = &seeds[random.random_range(0..seeds.len())];
    let other = &seeds[random.random_range(0..seeds.len())];
    let mut bytes = seed.bytes.clone();
    let edits = 1 + random.random_range(0..3_usize) * random.random_range(0..2_usize);
    for _ in 0..edits {
        if bytes.is_empty() {
            break;
        }
        let whole = 0..bytes.len();
        let part = match seed.parts.get(random.random_range(0..seed.parts.len().max(1))) {
            Some(part) if random.random_bool(0.75) && part.end <= bytes.len() && !part.is_empty() => {
                part.clone()
            }
            _ => whole,
        };
        let length = bytes.len();
        edit(&mut bytes, part, other, &mut random);
        let in_footer = seed.is_parquet && length > 8 && bytes.len() != length;
        if in_footer {
            correct_footer(&mut bytes, seed, length);
        }
    }
    bytes
}

/// Writes the new length of a footer, so that a reader finds its beginning.
fn correct_footer(bytes: &mut [u8], seed: &Seed, before: usize) {
    let end = seed.bytes.len() - 8;
    let said = u32::from_le_bytes(seed.bytes[end..end + 4].try_into().unwrap());
    let Some(at) = bytes.len().checked_sub(8) else { return };
    let changed = i64::from(said) + bytes.len() as i64 - before as i64;
    if let (Ok(said), Some(field)) = (u32::try_from(changed), bytes.get_mut(at..at + 4)) {
        field.copy_from_slice(&said.to_le_bytes());
    }
}

fn edit(bytes: &mut Vec<u8>, part: Range<usize>, other: &Seed, random: &mut StdRng) {
    let at = random.random_range(part.clone());
    let short = random.random_range(1..=16_usize);
    let end = (at + short).min(bytes.len());
    match random.random_range(0..20) {
        0..=4 => bytes[at] ^= 1 << random.random_range(0..8),
        5..=6 => bytes[at] = [0, 0xff, 0x7f, 0x80, random.random()][random.random_range(0..5)],
        7..=9 => {
            let number = NUMBERS[random.random_range(0..NUMBERS.len())].to_le_bytes();
            let width = if random.random() { 4 } else { 8 };
            // Where a number is likely to begin.
            let at = if random.random() { at } else { at & !3 };
            let end = (at + width).min(bytes.len());
            bytes[at..end].copy_from_slice(&number[..end - at]);
        }
        10..=13 => {
            // In place of a number of Thrift's, protobuf's or a text: of another length, too.
            let length = bytes[at..].iter().take(10).position(|byte| *byte < 0x80).map_or(1, |last| last + 1);
            let number = NUMBERS[random.random_range(0..NUMBERS.len())];
            bytes.splice(at..at + length, varint((number << 1 ^ number >> 63).cast_unsigned()));
        }
        14 => drop(bytes.drain(at..end)),
        15 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        16 => bytes[at..end].fill(if random.random() { 0 } else { 0xff }),
        17 => {
            let from = random.random_range(0..other.bytes.len());
            let taken = &other.bytes[from..other.bytes.len().min(from + short * 4)];
            let end = (at + taken.len()).min(bytes.len());
            bytes.splice(at..end, taken.iter().copied());
        }
        18 => {
            // The bytes of elsewhere in the same file: an offset that leads astray.
            let from = random.random_range(0..bytes.len());
            let taken = bytes[from..bytes.len().min(from + short)].to_vec();
            let end = (at + taken.len()).min(bytes.len());
            let length = end - at;
            bytes[at..end].copy_from_slice(&taken[..length]);
        }
        _ => bytes.truncate(at),
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
