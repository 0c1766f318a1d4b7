//! A decorator of an object store that looks at the text of whole files while they are read. What a reader of CSV or JSON
//! would take without a word ends with an error instead.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};

use crate::error::Error;

use super::compressed_text::{pieces, text_of};
use super::csv_check::CsvCheck;
use super::json_check::JsonCheck;
use super::parquet_reader::FileNames;
use super::table_format::TableFormat;
use super::text_check::TextCheck;

/// Bytes that are read of a local file at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// Bytes of text that a reader gets at a time: at most those of a batch of short rows.
const PIECE_BYTES: usize = 16 << 10;

/// A store of files of text.
#[derive(Debug)]
pub(super) struct CheckedText {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) names: Arc<FileNames>,
    pub(super) format: TableFormat,
    /// The columns of the files.
    pub(super) schema: SchemaRef,
    /// Those that are read.
    pub(super) read: HashSet<usize>,
}

impl CheckedText {
    fn check(&self, file: String) -> Option<Box<dyn TextCheck>> {
        match self.format {
            TableFormat::Csv(layout) => Some(Box::new(CsvCheck::new(file, layout, &self.schema, &self.read))),
            TableFormat::Json(fields) => {
                Some(Box::new(JsonCheck::new(file, fields, &self.schema, &self.read)))
            }
            TableFormat::Parquet | TableFormat::Arrow => None,
        }
    }
}

impl fmt::Display for CheckedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.store)
    }
}

#[async_trait]
impl ObjectStore for CheckedText {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_part = options.head || options.range.is_some();
        let mut result = self.store.get_opts(location, options).await?;
        let name = self.names.get(location).cloned().unwrap_or_else(|| location.to_string());
        let Some(check) = self.check(name.clone()).filter(|_| !is_part) else { return Ok(result) };
        let bytes =
            match std::mem::replace(&mut result.payload, GetResultPayload::Stream(stream::empty().boxed())) {
                GetResultPayload::File(file, _) => stream::iter(chunks(file)).boxed(),
                GetResultPayload::Stream(bytes) => bytes,
            };
        result.payload = GetResultPayload::Stream(checked(text_of(bytes, &name), check));
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

/// The bytes that the check gives, with an error at their end where it has one.
fn checked(
    bytes: BoxStream<'static, Result<Bytes>>,
    mut check: Box<dyn TextCheck>,
) -> BoxStream<'static, Result<Bytes>> {
    let failed = |error: Error| StoreError::Generic { store: "text", source: Box::new(error) };
    let ended = stream::once(ready(None));
    let checked = bytes.map(Some).chain(ended).filter_map(move |chunk| {
        ready(match chunk {
            Some(chunk) => {
                let passed = chunk.and_then(|chunk| check.pass(chunk).map_err(failed));
                Some(passed).filter(|passed| !passed.as_ref().is_ok_and(Bytes::is_empty))
            }
            None => check.end().err().map(|error| Err(failed(error))),
        })
    });
    // A reader takes another piece for each batch, and keeps what it has not decoded.
    checked.flat_map(|text| pieces(text, PIECE_BYTES)).boxed()
}
