//! A page of a column chunk as it is stored: its bytes, its checksum, its codec.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

use crate::error::{Error, Place, Result};
use crate::storage::{SourceFile, io_errors};

use super::codec;
use super::column_chunk::ColumnChunk;
use super::decoder_panics::catch_panics;
use super::page_header::{PageHeader, PageKind};
use super::page_walk::{PageName, check_page};

/// Longer pages are read into memory of the file's pool.
const MAX_STORED_BYTES: usize = 4 << 20;

thread_local! {
    /// A compressed page, until it is decompressed. It is always read into the same memory, which is in the
    /// cache of the thread's core: buffers of the pool come from other pages and cores.
    static STORED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What the pages of a column chunk share.
#[derive(Debug)]
pub(super) struct RawChunk {
    pub(super) file: Arc<SourceFile>,
    pub(super) chunk: ColumnChunk,
    pub(super) metadata: ColumnChunkMetaData,
    pub(super) rows: usize,
    pub(super) locations: Option<Vec<PageLocation>>,
    pub(super) defers_checksums: bool,
}

/// A page as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct RawPage {
    pub(super) chunk: Arc<RawChunk>,
    pub(super) name: PageName,
    pub(super) header: PageHeader,
    /// Its bytes in the file, with the header.
    pub(super) bytes: Range<u64>,
    pub(super) header_bytes: usize,
    /// Rows of a data page, where the header or an index has their number.
    pub(super) rows: Option<usize>,
}

impl RawChunk {
    /// Rows of a data page by an index.
    pub(super) fn indexed_rows(&self, page: usize) -> Option<usize> {
        let locations = self.locations.as_ref()?;
        let first = locations.get(page)?.first_row_index;
        let end = locations.get(page + 1).map_or(i64::try_from(self.rows).ok()?, |next| next.first_row_index);
        usize::try_from(end.checked_sub(first)?).ok()
    }
}

impl RawPage {
    /// Whether it holds the dictionary.
    pub(crate) fn is_dictionary(&self) -> bool {
        self.header.kind == PageKind::Dictionary
    }

    /// Whether it holds values of rows.
    pub(crate) fn is_data(&self) -> bool {
        self.header.is_data()
    }

    /// File, row group and column.
    pub(crate) fn place(&self) -> Place {
        self.chunk.chunk.facts().place.clone()
    }

    /// Its header.
    pub(crate) fn header(&self) -> &PageHeader {
        &self.header
    }

    /// Rows of a data page, where the header or an index has their number.
    pub(crate) fn rows(&self) -> Option<usize> {
        self.rows
    }

    /// Memory that it takes, decompressed.
    pub(crate) fn plain_bytes(&self) -> u64 {
        u64::from(self.header.plain_bytes)
    }

    /// Where its bytes behind the header lie in the file, if they may be used as they are: not
    /// compressed, and without a checksum that nobody else compares.
    pub(crate) fn usable_in_file(&self) -> Option<Range<u64>> {
        let to_check =
            self.chunk.chunk.facts().checksum(&self.header).is_some() && !self.chunk.defers_checksums;
        let is_local = matches!(*self.chunk.file, SourceFile::Local(_));
        (!self.is_compressed() && !to_check && is_local)
            .then(|| self.bytes.start + self.header_bytes as u64..self.bytes.end)
    }

    /// Reads its bytes, and compares them with their checksum.
    ///
    /// # Errors
    /// [`Error::BadData`] with file, row group, column and page; [`Error::Io`].
    pub(crate) fn read(&self) -> Result<Bytes> {
        let bytes = self.chunk.file.get_bytes(self.bytes.start, self.stored_bytes()?);
        let bytes = bytes.map_err(|error| self.error(error))?;
        self.check(&bytes)?;
        Ok(bytes)
    }

    /// Reads and decompresses the page without its header; `read` are its bytes where [`Self::read`] has read
    /// them. Values that are decompressed are aligned to a cache line, in a page of version 1 if they begin at
    /// `values_at`.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(crate) fn load(&self, read: Option<Bytes>, values_at: usize) -> Result<Bytes> {
        let length = self.stored_bytes()?;
        if read.is_none() && self.is_decompressed_here() && length <= MAX_STORED_BYTES {
            return STORED.with_borrow_mut(|memory| {
                memory.resize(memory.len().max(length), 0);
                let stored = memory.split_at_mut(length).0;
                let read = self.chunk.file.read_exact(self.bytes.start, stored);
                read.map_err(|error| self.error(error))?;
                self.check(stored)?;
                self.caught(|| self.decompress(stored, values_at))
            });
        }
        let bytes = read.map_or_else(|| self.read(), Ok)?;
        self.caught(|| match self.is_decompressed_here() {
            true => self.decompress(&bytes, values_at),
            false if self.is_compressed() => Ok(self.decoded_by_crate(bytes)?.buffer().clone()),
            false => Ok(bytes.slice_ref(self.behind_header(&bytes)?)),
        })
    }

    fn stored_bytes(&self) -> Result<usize> {
        let length = usize::try_from(self.bytes.end - self.bytes.start);
        length.map_err(|_| Error::Internal("a page is longer than the memory".to_owned()))
    }

    fn check(&self, bytes: &[u8]) -> Result<()> {
        if self.chunk.defers_checksums {
            return Ok(());
        }
        let body = bytes.get(self.header_bytes..).unwrap_or_default();
        check_page(self.chunk.chunk.facts(), self.name, &self.header, body)
    }

    fn is_compressed(&self) -> bool {
        self.chunk.chunk.facts().is_compressed() && self.header.is_compressed
    }

    fn is_decompressed_here(&self) -> bool {
        self.is_compressed() && codec::is_fast(self.chunk.chunk.facts().codec)
    }

    fn caught<T>(&self, decode: impl FnOnce() -> ParquetResult<T>) -> Result<T> {
        catch_panics(decode).map_err(|error| self.error(error))
    }

    fn behind_header<'a>(&self, bytes: &'a [u8]) -> ParquetResult<&'a [u8]> {
        bytes.get(self.header_bytes..).ok_or_else(too_short)
    }

    fn decompress(&self, bytes: &[u8], values_at: usize) -> ParquetResult<Bytes> {
        let stored = self.behind_header(bytes)?;
        // Levels of version 2 are in front of what is compressed.
        let levels = self.header.level_bytes.map_or(0, |lengths| lengths.iter().map(|n| *n as usize).sum());
        let (levels, values) = stored.split_at_checked(levels).ok_or_else(too_short)?;
        // Those of version 1 have the lengths of their levels within them.
        let values_at = self.header.level_bytes.map_or(values_at, |_| levels.len());
        let mut buffer = self.chunk.file.buffers().take_aligned(self.header.plain_bytes as usize, values_at);
        let (front, behind) = buffer.bytes_mut().split_at_mut_checked(levels.len()).ok_or_else(too_short)?;
        front.copy_from_slice(levels);
        codec::decompress(self.chunk.chunk.facts().codec, values, behind)?;
        Ok(buffer.into_bytes())
    }

    fn decoded_by_crate(&self, bytes: Bytes) -> ParquetResult<Page> {
        let length = i64::try_from(bytes.len()).map_err(|error| ParquetError::External(Box::new(error)))?;
        let metadata = self.chunk.metadata.clone().into_builder();
        let metadata = metadata.set_data_page_offset(0).set_dictionary_page_offset(None);
        let metadata = metadata.set_total_compressed_size(length).build()?;
        let page =
            SerializedPageReader::new(Arc::new(bytes), &metadata, self.chunk.rows, None)?.get_next_page()?;
        page.ok_or_else(|| ParquetError::EOF("a page is none".to_owned()))
    }

    /// The decompressed page as the Parquet crate's decoders take it. None where its header has an
    /// encoding that there is not.
    pub(crate) fn as_page(&self, body: Bytes) -> Option<Page> {
        let PageHeader { values, rows, nulls, encoding, level_encodings, level_bytes, .. } = self.header;
        let (buf, num_values) = (body, values?);
        if self.is_dictionary() {
            let encoding = Encoding::PLAIN;
            return Some(Page::DictionaryPage { buf, num_values, encoding, is_sorted: false });
        }
        let encoding = encoding_of(encoding?)?;
        Some(match level_bytes {
            Some([rep_levels_byte_len, def_levels_byte_len]) => Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls: nulls?,
                num_rows: rows?,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed: self.header.is_compressed,
                statistics: None,
            },
            None => {
                let [definition, repetition] = level_encodings?;
                Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding: encoding_of(definition)?,
                    rep_level_encoding: encoding_of(repetition)?,
                    statistics: None,
                }
            }
        })
    }

    fn error(&self, error: ParquetError) -> Error {
        io_errors::parquet(self.chunk.chunk.facts().place.clone(), "read", error)
    }
}

/// An encoding by Parquet's number.
fn encoding_of(number: u32) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        #[expect(deprecated, reason = "old files have levels in this encoding")]
        4 => Encoding::BIT_PACKED,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

fn too_short() -> ParquetError {
    ParquetError::EOF("a page ends within its header or levels".to_owned())
}
