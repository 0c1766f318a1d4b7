//! The values of a regular page, as they are stored until a batch needs them: conversion to f32 and the
//! check for NaN and infinity are one pass, into the buffer of the batch.

use std::collections::{VecDeque, vec_deque};
use std::ops::Range;

use arrow::buffer::{Buffer, ScalarBuffer};
use bytes::Bytes;
use half::f16;
use half::slice::HalfFloatSliceExt;
use parquet::errors::{ParquetError, Result as ParquetResult};

use crate::samples::embedding_type::{Float, to_f32};
use crate::samples::extract::is_finite;
use crate::storage::SourceFile;
use crate::vectors::vectorised;

use super::dictionary::Indexed;

/// Elements that are converted at once, in the first cache.
const BLOCK: usize = 2048;

/// The elements of a page.
#[derive(Debug, Clone)]
pub(super) enum PageValues {
    /// Plain values that are left in the file, from this offset on.
    InFile(u64, Float),
    /// Plain values.
    Plain(Bytes, Float),
    /// BYTE_STREAM_SPLIT: the first bytes of all elements, then their second bytes, and so on.
    Split(Bytes, Float),
    /// Values in a dictionary.
    Indexed(Indexed),
    /// Those of invalid rows: zeros.
    Missing,
}

/// A range of the elements of a page.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) values: PageValues,
    pub(super) elements: Range<usize>,
}

/// Segments in order.
#[derive(Debug, Default)]
pub(super) struct SegmentQueue(VecDeque<Segment>);

impl SegmentQueue {
    pub(super) fn push(&mut self, segment: Segment) {
        self.0.push_back(segment);
    }

    /// Takes elements from the front, at most those that there are.
    pub(super) fn take(&mut self, mut elements: usize) -> Self {
        let mut taken = Self::default();
        while elements > 0
            && let Some(mut first) = self.0.pop_front()
        {
            let part = if first.elements.len() <= elements {
                first
            } else {
                let part = first.split_to(elements);
                self.0.push_front(first);
                part
            };
            elements -= part.elements.len();
            taken.push(part);
        }
        taken
    }
}

impl IntoIterator for SegmentQueue {
    type Item = Segment;
    type IntoIter = vec_deque::IntoIter<Segment>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Segment {
    /// Takes elements from the front.
    pub(super) fn split_to(&mut self, elements: usize) -> Self {
        let middle = (self.elements.start + elements).min(self.elements.end);
        let front = Self { values: self.values.clone(), elements: self.elements.start..middle };
        self.elements.start = middle;
        front
    }

    /// All elements where they are in the page, if they are f32, as the processor has them, and aligned.
    pub(super) fn in_place(&self) -> Option<ScalarBuffer<f32>> {
        let PageValues::Plain(bytes, Float::F32) = &self.values else { return None };
        let Range { start, end } = self.elements;
        let is_f32 =
            |bytes: &Bytes| cfg!(target_endian = "little") && bytes.as_ptr().cast::<f32>().is_aligned();
        let range = start * size_of::<f32>()..end * size_of::<f32>();
        let bytes = (range.end <= bytes.len()).then(|| bytes.slice(range)).filter(is_f32)?;
        Some(Buffer::from(bytes).into())
    }

    /// Writes all elements as f32. Returns whether all are finite.
    ///
    /// # Errors
    /// Those of reading the file; [`ParquetError::EOF`] where the page ends too soon.
    pub(super) fn read(&self, out: &mut [f32], file: &SourceFile) -> ParquetResult<bool> {
        let Range { start, end } = self.elements.clone();
        let too_short = || ParquetError::EOF("a page has fewer values than levels".to_owned());
        match &self.values {
            PageValues::InFile(offset, Float::F32) => {
                file.read_exact(offset + start as u64 * 4, bytemuck::cast_slice_mut(out))?;
                if cfg!(target_endian = "big") {
                    out.iter_mut().for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
                }
                Ok(is_finite(out))
            }
            PageValues::InFile(offset, float) => {
                let width = float.bytes();
                let mut block = vec![0; (BLOCK * width).min((end - start) * width)];
                let mut all_finite = true;
                for (number, out) in out.chunks_mut(BLOCK).enumerate() {
                    let block = block.get_mut(..out.len() * width).unwrap_or_default();
                    file.read_exact(offset + ((start + number * BLOCK) * width) as u64, block)?;
                    all_finite &= plain(block, *float, out);
                }
                Ok(all_finite)
            }
            PageValues::Plain(bytes, float) => {
                let width = float.bytes();
                let bytes = bytes.get(start * width..end * width).ok_or_else(too_short)?;
                let blocks = bytes.chunks(BLOCK * width).zip(out.chunks_mut(BLOCK));
                Ok(blocks.fold(true, |all, (bytes, out)| all & plain(bytes, *float, out)))
            }
            PageValues::Split(bytes, float) => split(bytes, *float, start..end, out).ok_or_else(too_short),
            PageValues::Indexed(values) => values.read(start..end, out).ok_or_else(beyond_dictionary),
            PageValues::Missing => {
                out.fill(0.0);
                Ok(true)
            }
        }
    }

    /// Writes all elements as they are in memory in their own type, of `width` bytes.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(super) fn read_own_type(&self, width: usize, out: &mut [u8], file: &SourceFile) -> ParquetResult<()> {
        let elements = self.elements.clone();
        let bytes = elements.start * width..elements.end * width;
        let too_short = || ParquetError::EOF("a page has fewer values than levels".to_owned());
        match &self.values {
            PageValues::InFile(offset, _) => file.read_exact(offset + bytes.start as u64, out)?,
            PageValues::Plain(values, _) => out.copy_from_slice(values.get(bytes).ok_or_else(too_short)?),
            PageValues::Split(values, _) => join(values, width, elements, out).ok_or_else(too_short)?,
            PageValues::Indexed(values) => {
                return values.read_own_type(elements, out).ok_or_else(beyond_dictionary);
            }
            PageValues::Missing => out.fill(0),
        }
        if cfg!(target_endian = "big") {
            out.chunks_mut(width).for_each(<[u8]>::reverse);
        }
        Ok(())
    }
}

/// The error of a page with an index that its dictionary does not have.
fn beyond_dictionary() -> ParquetError {
    ParquetError::General("a page has an index beyond its dictionary".to_owned())
}

/// Joins the bytes of elements of `width` bytes. None where there are fewer.
fn join(bytes: &[u8], width: usize, elements: Range<usize>, out: &mut [u8]) -> Option<()> {
    fn of_width<const WIDTH: usize>(bytes: &[u8], elements: Range<usize>, out: &mut [u8]) -> Option<()> {
        let count = bytes.len() / WIDTH;
        for (number, out) in out.as_chunks_mut::<WIDTH>().0.chunks_mut(BLOCK).enumerate() {
            for byte in 0..WIDTH {
                let stream = bytes.get(byte * count..(byte + 1) * count)?.get(elements.clone())?;
                for (out, value) in out.iter_mut().zip(block_of(stream, number)) {
                    *out.get_mut(byte)? = *value;
                }
            }
        }
        Some(())
    }
    match width {
        2 => of_width::<2>(bytes, elements, out),
        4 => of_width::<4>(bytes, elements, out),
        _ => of_width::<8>(bytes, elements, out),
    }
}

/// Converts plain values of at most [`BLOCK`] elements.
fn plain(bytes: &[u8], float: Float, out: &mut [f32]) -> bool {
    vectorised(
        #[inline(always)]
        || plain_values(bytes, float, out),
    )
}

#[inline(always)]
fn plain_values(bytes: &[u8], float: Float, out: &mut [f32]) -> bool {
    match float {
        Float::F16 => {
            let mut halves = [f16::ZERO; BLOCK];
            let halves = halves.get_mut(..out.len()).unwrap_or_default();
            for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *half = f16::from_le_bytes(*bytes);
            }
            halves.convert_to_f32_slice(out);
        }
        Float::F32 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }
        Float::F64 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *out = to_f32(f64::from_le_bytes(*bytes));
            }
        }
    }
    is_finite(out)
}

/// Converts elements of split bytes. None where there are fewer.
fn split(bytes: &[u8], float: Float, elements: Range<usize>, out: &mut [f32]) -> Option<bool> {
    vectorised(
        #[inline(always)]
        || split_values(bytes, float, elements.clone(), out),
    )
}

#[inline(always)]
fn split_values(bytes: &[u8], float: Float, elements: Range<usize>, out: &mut [f32]) -> Option<bool> {
    let count = bytes.len() / float.bytes();
    let stream = |number: usize| bytes.get(number * count..(number + 1) * count)?.get(elements.clone());
    let mut all_finite = true;
    match float {
        Float::F16 => {
            let (low, high) = (stream(0)?, stream(1)?);
            let blocks = out.chunks_mut(BLOCK).zip(low.chunks(BLOCK).zip(high.chunks(BLOCK)));
            for (out, (low, high)) in blocks {
                let mut halves = [f16::ZERO; BLOCK];
                let halves = halves.get_mut(..out.len()).unwrap_or_default();
                for (half, (low, high)) in halves.iter_mut().zip(low.iter().zip(high)) {
                    *half = f16::from_le_bytes([*low, *high]);
                }
                halves.convert_to_f32_slice(out);
                all_finite &= is_finite(out);
            }
        }
        Float::F32 => {
            let streams = [stream(0)?, stream(1)?, stream(2)?, stream(3)?];
            for (number, out) in out.chunks_mut(BLOCK).enumerate() {
                let [a, b, c, d] = streams.map(|stream| block_of(stream, number));
                for (out, (((a, b), c), d)) in out.iter_mut().zip(a.iter().zip(b).zip(c).zip(d)) {
                    *out = f32::from_le_bytes([*a, *b, *c, *d]);
                }
                all_finite &= is_finite(out);
            }
        }
        Float::F64 => {
            let low = [stream(0)?, stream(1)?, stream(2)?, stream(3)?];
            let high = [stream(4)?, stream(5)?, stream(6)?, stream(7)?];
            for (number, out) in out.chunks_mut(BLOCK).enumerate() {
                let mut words = [[0_u32; BLOCK]; 2];
                for (words, streams) in words.iter_mut().zip([low, high]) {
                    let [a, b, c, d] = streams.map(|stream| block_of(stream, number));
                    for (word, (((a, b), c), d)) in words.iter_mut().zip(a.iter().zip(b).zip(c).zip(d)) {
                        *word = u32::from_le_bytes([*a, *b, *c, *d]);
                    }
                }
                let [low, high] = &words;
                for (out, (low, high)) in out.iter_mut().zip(low.iter().zip(high)) {
                    *out = to_f32(f64::from_bits(u64::from(*high) << 32 | u64::from(*low)));
                }
                all_finite &= is_finite(out);
            }
        }
    }
    Some(all_finite)
}

/// A block of a stream of single bytes.
#[inline(always)]
fn block_of(stream: &[u8], number: usize) -> &[u8] {
    let start = (number * BLOCK).min(stream.len());
    stream.get(start..stream.len().min(start + BLOCK)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::BufferPool;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn split_bytes_are_those_of_plain_values(
            values in proptest::collection::vec(any::<f64>(), 1..6000),
            from in 0_usize..6000,
            to in 0_usize..6000,
        ) {
            let (from, to) = (from.min(to) % values.len(), from.max(to).min(values.len()));
            let elements = from.min(to)..to;
            for float in [Float::F16, Float::F32, Float::F64] {
                let stored: Vec<Vec<u8>> = values.iter().map(|value| match float {
                    Float::F16 => f16::from_f64(*value).to_le_bytes().to_vec(),
                    Float::F32 => (*value as f32).to_le_bytes().to_vec(),
                    Float::F64 => value.to_le_bytes().to_vec(),
                }).collect();
                let expected: Vec<f32> = values.get(elements.clone()).unwrap().iter().map(|value| match float {
                    Float::F16 => f16::from_f64(*value).to_f32(),
                    _ => *value as f32,
                }).collect();
                let streams: Vec<u8> =
                    (0..float.bytes()).flat_map(|byte| stored.iter().map(move |value| value[byte])).collect();
                let file = SourceFile::open(std::path::Path::new(env!("CARGO_MANIFEST_PATH"))).unwrap();
                for values in [
                    PageValues::Plain(stored.concat().into(), float),
                    PageValues::Split(streams.into(), float),
                ] {
                    let mut out = vec![0.5; elements.len()];
                    let segment = Segment { values, elements: elements.clone() };
                    let finite = segment.read(&mut out, &file).unwrap();
                    let width = float.bytes();
                    let wanted = stored.get(elements.clone()).unwrap().concat();
                    if let Some(in_place) = segment.in_place() {
                        prop_assert!(matches!(segment.values, PageValues::Plain(_, Float::F32)));
                        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                        prop_assert_eq!(bits(&in_place), bits(&out));
                    }
                    let mut own = vec![7; elements.len() * width];
                    segment.read_own_type(width, &mut own, &file).unwrap();
                    prop_assert_eq!(own, wanted);
                    prop_assert_eq!(finite, expected.iter().all(|value| value.is_finite()));
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    let nan_is_nan = out.iter().zip(&expected).all(|(a, b)| a.is_nan() == b.is_nan());
                    prop_assert!(nan_is_nan && (bits(&out) == bits(&expected) || expected.iter().any(|v| v.is_nan())));
                }
            }
        }
    }
    #[test]
    fn aligned_values_are_used_where_they_are() {
        let values: Vec<u8> = (0..100_u8).flat_map(|value| f32::from(value).to_le_bytes()).collect();
        let mut page = BufferPool::default().take_aligned(values.len(), 0);
        page.bytes_mut().copy_from_slice(&values);
        let page = page.into_bytes();
        let segment =
            |bytes: Bytes, float| Segment { values: PageValues::Plain(bytes, float), elements: 3..9 };
        let in_place = segment(page.slice(8..), Float::F32).in_place().unwrap();
        assert_eq!(&in_place[..], [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        assert_eq!(in_place.as_ptr().addr(), page.as_ptr().addr() + 20);
        let others = [
            segment(page.slice(1..), Float::F32),
            segment(page.slice(..35), Float::F32),
            segment(page.clone(), Float::F64),
            Segment { values: PageValues::Split(page, Float::F32), elements: 3..9 },
        ];
        assert!(others.iter().all(|segment| segment.in_place().is_none()));
    }
}
