//! A spill store for the encoded pages of a column chunk: the first few megabytes stay in
//! memory, the other pages go to a temporary file without a name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use bytes::Bytes;
use parquet::column::page_store::{PageKey, PageStore, PageStoreArgs, PageStoreFactory};
use parquet::errors::{ParquetError, Result as ParquetResult};

use crate::error::{Error, Place};

/// Bytes of a column chunk's pages that stay in memory.
const MEMORY_BYTES: usize = 4 << 20;

/// Makes a store for each column chunk, all with temporary files in one folder.
#[derive(Debug)]
pub(super) struct SpillStoreFactory {
    pub(super) folder: PathBuf,
}

impl PageStoreFactory for SpillStoreFactory {
    fn create(&self, _: &PageStoreArgs<'_>) -> ParquetResult<Box<dyn PageStore>> {
        Ok(Box::new(SpillStore {
            folder: self.folder.clone(),
            pages: Vec::new(),
            memory_bytes: 0,
            file: None,
            written: 0,
        }))
    }
}

struct SpillStore {
    folder: PathBuf,
    pages: Vec<StoredPage>,
    memory_bytes: usize,
    file: Option<File>,
    written: u64,
}

enum StoredPage {
    Memory(Bytes),
    File { offset: u64, length: usize },
}

impl SpillStore {
    fn write(&mut self, page: &[u8]) -> io::Result<StoredPage> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        let offset = self.written;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(page)?;
        self.written += page.len() as u64;
        Ok(StoredPage::File { offset, length: page.len() })
    }

    fn read(&mut self, offset: u64, length: usize) -> io::Result<Bytes> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let mut page = vec![0; length];
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut page)?;
        Ok(page.into())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> ParquetError {
        let place = Place::file(format_args!("a temporary file in {}", self.folder.display()));
        ParquetError::External(Box::new(Error::io(place, doing, source)))
    }
}

impl PageStore for SpillStore {
    fn put(&mut self, page: Bytes) -> ParquetResult<PageKey> {
        let key = PageKey::new(self.pages.len() as u64);
        let page = if self.memory_bytes + page.len() <= MEMORY_BYTES {
            self.memory_bytes += page.len();
            StoredPage::Memory(page)
        } else {
            self.write(&page).map_err(|e| self.failed("write", e))?
        };
        self.pages.push(page);
        Ok(key)
    }

    fn take(&mut self, key: PageKey) -> ParquetResult<Bytes> {
        let unknown = || ParquetError::General(format!("there is no page {}", key.get()));
        let page = usize::try_from(key.get()).ok().and_then(|index| self.pages.get_mut(index));
        let page = std::mem::replace(page.ok_or_else(unknown)?, StoredPage::Memory(Bytes::new()));
        match page {
            StoredPage::Memory(page) => {
                self.memory_bytes -= page.len();
                Ok(page)
            }
            StoredPage::File { offset, length } => {
                self.read(offset, length).map_err(|e| self.failed("read", e))
            }
        }
    }

    fn memory_size(&self) -> usize {
        self.memory_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_back_from_memory_and_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SpillStore {
            folder: folder.path().to_owned(),
            pages: Vec::new(),
            memory_bytes: 0,
            file: None,
            written: 0,
        };
        let page = |seed: u8| Bytes::from(vec![seed; 1 << 20]);
        let keys: Vec<PageKey> = (0..9).map(|seed| store.put(page(seed)).unwrap()).collect();
        assert_eq!(store.memory_size(), MEMORY_BYTES);
        assert_eq!(store.written, 5 << 20);
        // The file has no name: a killed run leaves none.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        for (seed, key) in (0..9).zip(keys) {
            assert_eq!(store.take(key).unwrap(), page(seed));
        }
        assert_eq!(store.memory_size(), 0);
        assert!(store.take(PageKey::new(9)).is_err());
    }

    #[test]
    fn a_folder_that_takes_no_file_is_named() {
        let mut store = SpillStore {
            folder: "/no/such".into(),
            pages: Vec::new(),
            memory_bytes: 0,
            file: None,
            written: 0,
        };
        let error = store.put(Bytes::from(vec![0; MEMORY_BYTES + 1])).unwrap_err();
        let error = crate::storage::io_errors::parquet(Place::file("in"), "write", error);
        assert_eq!(error.exit_code(), 74);
        assert!(error.to_string().contains("/no/such"), "{error}");
    }
}
