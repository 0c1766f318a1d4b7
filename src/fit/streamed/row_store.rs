//! Training rows on disk: every usable row of the files as f32, one file for each fold, in blocks
//! that are read at random or in order.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bytemuck::{cast_slice, cast_slice_mut};
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Place, Result};
use crate::fit::outlying_rows::OutlyingRows;
use crate::fit::reservoir::retain;
use crate::storage::positioned_io::read_exact_at;

/// Bytes of the checksum at the end of a block.
const CHECKSUM: usize = 8;
/// Rows of a block. All blocks of a fold but the last are full.
pub(super) const BLOCK_ROWS: usize = 1024;

/// Rows in memory: a whole block, or several.
#[derive(Debug)]
pub(super) struct RowBlock {
    /// The hashes by which the bundle knows the rows again.
    pub hashes: Vec<u64>,
    /// The classes.
    pub y: Vec<u32>,
    /// The embeddings of each modality, `[n, d]`.
    pub x: Vec<Vec<f32>>,
}

/// The file of one fold.
#[derive(Debug)]
struct FoldFile {
    path: PathBuf,
    file: File,
    rows: usize,
}

/// The rows of all folds.
#[derive(Debug)]
pub(super) struct RowStore {
    folds: Vec<FoldFile>,
    dims: Vec<usize>,
    left_out: Option<OutlyingRows>,
}

/// Writes a [`RowStore`].
pub(super) struct RowStoreWriter {
    folds: Vec<FoldWriter>,
    dims: Vec<usize>,
}

/// The file of one fold in writing.
struct FoldWriter {
    path: PathBuf,
    file: BufWriter<File>,
    rows: usize,
    /// Rows of the block that is not full yet.
    block: RowBlock,
}

/// The file of a fold.
pub(super) fn path_of(folder: &Path, fold: usize) -> PathBuf {
    folder.join(format!("rows-{fold}"))
}

/// Bytes of a row in the store.
pub(super) fn row_bytes(dims: &[usize]) -> usize {
    size_of::<u64>() + size_of::<u32>() + dims.iter().sum::<usize>() * size_of::<f32>()
}

impl RowStoreWriter {
    /// Creates the files.
    ///
    /// # Errors
    /// [`Error::CannotCreate`].
    pub fn create(folder: &Path, folds: usize, dims: &[usize]) -> Result<Self> {
        let open = |fold| {
            let path = path_of(folder, fold);
            let file =
                File::create(&path).map_err(|source| Error::CannotCreate { path: path.clone(), source })?;
            Ok(FoldWriter { path, file: BufWriter::new(file), rows: 0, block: RowBlock::new(dims.len()) })
        };
        Ok(Self { folds: (0..folds).map(open).collect::<Result<_>>()?, dims: dims.to_vec() })
    }

    /// Adds a row to a fold.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn push(&mut self, fold: usize, hash: u64, y: u32, x: &[&[f32]]) -> Result<()> {
        let Self { folds, dims } = self;
        let Some(FoldWriter { path, file, rows, block }) = folds.get_mut(fold) else {
            return Err(Error::Internal(format!("no fold {fold} of the training rows")));
        };
        block.hashes.push(hash);
        block.y.push(y);
        block.x.iter_mut().zip(x).for_each(|(to, from)| to.extend_from_slice(from));
        *rows += 1;
        if block.y.len() == BLOCK_ROWS {
            block.write(file, dims).map_err(|source| write_failed(path, source))?;
            block.clear();
        }
        Ok(())
    }

    /// Writes what is left; returns the rows of each fold.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<Vec<usize>> {
        let end = |FoldWriter { path, mut file, rows, block }| {
            let written = block.write(&mut file, &self.dims).and_then(|()| file.flush());
            written
                .and_then(|()| file.get_ref().sync_data())
                .map_err(|source| write_failed(&path, source))?;
            Ok(rows)
        };
        self.folds.into_iter().map(end).collect()
    }
}

impl RowStore {
    /// Opens the files of a store with these rows in each fold.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(folder: &Path, rows: &[usize], dims: &[usize]) -> Result<Self> {
        let open = |(fold, &rows): (usize, &usize)| {
            let path = path_of(folder, fold);
            let file = File::open(&path).map_err(|source| read_failed(&path, source))?;
            Ok(FoldFile { path, file, rows })
        };
        let folds = rows.iter().enumerate().map(open).collect::<Result<_>>()?;
        Ok(Self { folds, dims: dims.to_vec(), left_out: None })
    }

    /// From now on, these rows are not read.
    pub fn leave_out(&mut self, rows: OutlyingRows) {
        self.left_out = Some(rows);
    }

    /// Number of folds.
    pub fn folds(&self) -> usize {
        self.folds.len()
    }

    /// The embeddings' lengths.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Rows of all folds.
    pub fn rows(&self) -> usize {
        self.folds.iter().map(|fold| fold.rows).sum()
    }

    /// Number of blocks of a fold.
    pub fn blocks(&self, fold: usize) -> usize {
        self.folds[fold].rows.div_ceil(BLOCK_ROWS)
    }

    /// Appends a block of a fold to `rows`, without those that are left out.
    ///
    /// # Errors
    /// [`Error::Io`], also where the block is not what was written.
    pub fn read(&self, fold: usize, block: usize, rows: &mut RowBlock) -> Result<()> {
        let first = rows.len();
        let FoldFile { path, file, rows: all } = &self.folds[fold];
        let n = all.saturating_sub(block * BLOCK_ROWS).min(BLOCK_ROWS);
        let mut at = (block * (BLOCK_ROWS * row_bytes(&self.dims) + CHECKSUM)) as u64;
        let mut next = |bytes: &mut [u8]| {
            let read = read_exact_at(file, bytes, at);
            at += bytes.len() as u64;
            read.map_err(|source| read_failed(path, source))
        };
        next(cast_slice_mut(extended(&mut rows.hashes, n)))?;
        next(cast_slice_mut(extended(&mut rows.y, n)))?;
        for (x, dim) in rows.x.iter_mut().zip(&self.dims) {
            next(cast_slice_mut(extended(x, n * dim)))?;
        }
        let mut checksum = [0; CHECKSUM];
        next(&mut checksum)?;
        if u64::from_ne_bytes(checksum) != rows.checksum(first, &self.dims) {
            return Err(read_failed(path, std::io::ErrorKind::InvalidData.into()));
        }
        if let Some(left_out) = &self.left_out {
            rows.remove(first, &self.dims, left_out);
        }
        Ok(())
    }
}

impl RowBlock {
    /// No rows yet, of so many modalities.
    pub fn new(modalities: usize) -> Self {
        Self { hashes: Vec::new(), y: Vec::new(), x: vec![Vec::new(); modalities] }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.hashes.clear();
        self.y.clear();
        self.x.iter_mut().for_each(Vec::clear);
    }

    fn write(&self, file: &mut impl Write, dims: &[usize]) -> std::io::Result<()> {
        file.write_all(cast_slice(&self.hashes))?;
        file.write_all(cast_slice(&self.y))?;
        self.x.iter().try_for_each(|x| file.write_all(cast_slice(x)))?;
        file.write_all(&self.checksum(0, dims).to_ne_bytes())
    }

    /// XXH3 of the rows from one on.
    fn checksum(&self, first: usize, dims: &[usize]) -> u64 {
        let mut hasher = Xxh3::new();
        hasher.update(cast_slice(&self.hashes[first..]));
        hasher.update(cast_slice(&self.y[first..]));
        self.x.iter().zip(dims).for_each(|(x, dim)| hasher.update(cast_slice(&x[first * dim..])));
        hasher.digest()
    }

    /// Removes outlying rows from one on; returns which of all rows are kept.
    pub fn remove(&mut self, first: usize, dims: &[usize], outlying: &OutlyingRows) -> Vec<bool> {
        let x = |row: usize| self.x.iter().zip(dims).map(move |(x, dim)| &x[row * dim..][..*dim]);
        let is_kept = |row: usize| row < first || !outlying.contains(x(row));
        let kept: Vec<bool> = (0..self.y.len()).map(is_kept).collect();
        if kept.contains(&false) {
            retain(&mut self.hashes, |row| kept[row]);
            retain(&mut self.y, |row| kept[row]);
            self.x.iter_mut().zip(dims).for_each(|(x, dim)| retain(x, |at| kept[at / dim]));
        }
        kept
    }
}

/// The new end of a vector that grows by n values.
fn extended<T: Clone + Default>(values: &mut Vec<T>, n: usize) -> &mut [T] {
    let from = values.len();
    values.resize(from + n, T::default());
    &mut values[from..]
}

fn write_failed(path: &Path, source: std::io::Error) -> Error {
    Error::Io { place: Place::file(path.display()), doing: "write of the training rows", source }
}

fn read_failed(path: &Path, source: std::io::Error) -> Error {
    let source = std::io::Error::new(source.kind(), format!("{source}; fit without --resume to begin anew"));
    Error::Io { place: Place::file(path.display()), doing: "read of the training rows", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_by_fold_and_block() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RowStoreWriter::create(folder.path(), 2, &[2, 1]).unwrap();
        for i in 0..3000u32 {
            let x = i as f32;
            writer.push((i % 3 == 0).into(), u64::from(i) << 33, i % 7, &[&[x, -x], &[x / 2.0]]).unwrap();
        }
        let rows = writer.finish().unwrap();
        assert_eq!(rows, [2000, 1000]);
        let store = RowStore::open(folder.path(), &rows, &[2, 1]).unwrap();
        assert_eq!((store.rows(), store.blocks(0), store.blocks(1)), (3000, 2, 1));
        let mut block = RowBlock::new(2);
        store.read(0, 1, &mut block).unwrap();
        assert_eq!(block.len(), 976);
        // The rows that are no multiple of three: 1, 2, 4, 5, …
        let at = |row: usize| (row / 2 * 3 + row % 2 + 1) as u32;
        let last = at(1999);
        assert_eq!(block.hashes[975], u64::from(last) << 33);
        assert_eq!(block.y[975], last % 7);
        assert_eq!(block.x[0][1950..], [last as f32, -(last as f32)]);
        store.read(1, 0, &mut block).unwrap();
        assert_eq!((block.len(), block.x[1][1975]), (1976, 2997.0 / 2.0));
        let mut bytes = std::fs::read(path_of(folder.path(), 1)).unwrap();
        bytes[9_000] ^= 1;
        std::fs::write(path_of(folder.path(), 1), &bytes).unwrap();
        let error = store.read(1, 0, &mut RowBlock::new(2)).unwrap_err().to_string();
        assert!(
            error.contains("rows-1: read of the training rows failed: invalid data; fit without --resume"),
            "{error}"
        );
        std::fs::write(path_of(folder.path(), 1), b"short").unwrap();
        let error = store.read(1, 0, &mut block).unwrap_err().to_string();
        assert!(error.contains("rows-1: read of the training rows failed"), "{error}");
    }
}
