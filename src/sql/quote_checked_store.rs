//! A decorator of an object store whose whole files end with an error where a quoted field is open: a reader of CSV
//! takes all that follows a quote for the field's value, and the end of the file for its end.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};

use crate::error::{Error, Place};

use super::csv_quotes::CsvQuotes;
use super::parquet_reader::FileNames;

/// Bytes that are read of a local file at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// A store of delimited files.
#[derive(Debug)]
pub(super) struct QuoteCheckedStore {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) names: Arc<FileNames>,
    pub(super) delimiter: u8,
}

impl fmt::Display for QuoteCheckedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.store)
    }
}

#[async_trait]
impl ObjectStore for QuoteCheckedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_part = options.head || options.range.is_some();
        let mut result = self.store.get_opts(location, options).await?;
        if is_part {
            return Ok(result);
        }
        let bytes =
            match std::mem::replace(&mut result.payload, GetResultPayload::Stream(stream::empty().boxed())) {
                GetResultPayload::File(file, _) => stream::iter(chunks(file)).boxed(),
                GetResultPayload::Stream(bytes) => bytes,
            };
        let name = self.names.get(location).cloned().unwrap_or_else(|| location.to_string());
        result.payload = GetResultPayload::Stream(checked(bytes, CsvQuotes::new(self.delimiter), name));
        Ok(result)
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

/// The bytes of a local file, as its reader would read them: on the thread that decodes them.
fn chunks(mut file: File) -> impl Iterator<Item = Result<Bytes>> + Send {
    std::iter::from_fn(move || {
        let mut chunk = Vec::new();
        match file.by_ref().take(CHUNK_BYTES).read_to_end(&mut chunk) {
            Ok(0) => None,
            Ok(_) => Some(Ok(chunk.into())),
            Err(error) => Some(Err(StoreError::Generic { store: "local file", source: Box::new(error) })),
        }
    })
}

/// The same bytes, with an error at their end where a quote is open.
fn checked(
    bytes: BoxStream<'static, Result<Bytes>>,
    mut quotes: CsvQuotes,
    name: String,
) -> BoxStream<'static, Result<Bytes>> {
    let ended = stream::once(ready(None));
    let checked = bytes.map(Some).chain(ended).filter_map(move |chunk| {
        ready(match chunk {
            Some(chunk) => {
                chunk.iter().for_each(|chunk| quotes.push(chunk));
                Some(chunk)
            }
            None => quotes.unclosed().map(|what| {
                let error = Error::bad_data(Place::file(&name), what);
                Err(StoreError::Generic { store: "CSV", source: Box::new(error) })
            }),
        })
    });
    checked.boxed()
}
