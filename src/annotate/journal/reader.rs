//! A reader of a journal while it grows: columns of a row group, batch by batch, so that a
//! row group of any size takes the memory of a batch.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::Float32Array;
use arrow::buffer::NullBuffer;

use crate::annotate::batch::BadRow;
use crate::error::{Error, Place, Result};
use crate::storage::positioned_io::read_exact_at;

use super::frame::{self, HEAD_BYTES, Head};

/// Reads complete row groups.
#[derive(Debug, Clone)]
pub(in crate::annotate) struct Reader {
    file: Arc<File>,
    path: PathBuf,
    columns: usize,
}

impl Reader {
    pub(super) fn new(file: Arc<File>, path: PathBuf, columns: usize) -> Self {
        Self { file, path, columns }
    }

    /// One column of the row group of `rows` rows that begins at `start`, as an array for each
    /// batch, with `shift` added to each value.
    pub(in crate::annotate) fn column(
        &self,
        start: u64,
        rows: usize,
        column: usize,
        shift: f64,
    ) -> impl Iterator<Item = Result<Float32Array>> {
        self.frames(start, rows).map(move |found| {
            let (at, head) = found?;
            let bytes = self.bytes(
                at + HEAD_BYTES as u64 + head.column_bytes() * column as u64,
                head.column_bytes() as usize,
            )?;
            let mut values = frame::floats(&bytes);
            if shift != 0.0 {
                values.iter_mut().for_each(|value| *value = (f64::from(*value) + shift) as f32);
            }
            let bad = self.bad_in(at, &head)?;
            let valid = (!bad.is_empty()).then(|| {
                let mut valid = vec![true; values.len()];
                for row in bad {
                    if let Some(valid) = valid.get_mut(row.row as usize) {
                        *valid = false;
                    }
                }
                NullBuffer::from(valid)
            });
            Ok(Float32Array::new(values.into(), valid))
        })
    }

    /// The bad rows of a row group, each with the position of its batch in it.
    pub(in crate::annotate) fn bad(
        &self,
        start: u64,
        rows: usize,
    ) -> impl Iterator<Item = Result<(usize, Vec<BadRow>)>> {
        self.frames(start, rows).map(|found| {
            let (at, head) = found?;
            Ok((head.first_row as usize, self.bad_in(at, &head)?))
        })
    }

    /// The frames of a row group, each with its offset.
    fn frames(&self, start: u64, rows: usize) -> impl Iterator<Item = Result<(u64, Head)>> {
        let (mut at, mut left) = (start, rows);
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let found = self.head(at).map(|head| {
                let here = at;
                at += HEAD_BYTES as u64 + head.body_bytes(self.columns);
                left = left.saturating_sub(head.rows as usize);
                (here, head)
            });
            if found.is_err() {
                left = 0;
            }
            Some(found)
        })
    }

    fn head(&self, at: u64) -> Result<Head> {
        let bytes = self.bytes(at, HEAD_BYTES)?;
        let head = bytes.first_chunk().and_then(Head::parse).filter(|head| head.rows > 0);
        head.ok_or_else(|| Error::Internal(format!("the journal has no batch at {at}")))
    }

    fn bad_in(&self, at: u64, head: &Head) -> Result<Vec<BadRow>> {
        if head.bad_bytes == 0 {
            return Ok(Vec::new());
        }
        let from = at + HEAD_BYTES as u64 + head.column_bytes() * self.columns as u64;
        let bytes = self.bytes(from, head.bad_bytes as usize)?;
        frame::bad_rows(&bytes).ok_or_else(|| Error::Internal(format!("the journal's bad rows at {from}")))
    }

    fn bytes(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        read_exact_at(&self.file, &mut bytes, at)
            .map_err(|e| Error::io(Place::file(self.path.display()), "read", e))?;
        Ok(bytes)
    }
}
