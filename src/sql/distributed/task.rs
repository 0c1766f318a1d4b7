//! What a process that runs parts of plans needs beside them: an environment, and errors as they are on one
//! machine.

use std::any::Any;
use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

use crate::error::Error;
use crate::printable::panic_message;

use super::super::errors::{convert_error, to_datafusion_error};
use super::super::panics::reader_panic;
use super::super::read_chunks::ReadChunks;
use super::super::store_registry::StoreRegistry;
use super::pieces::FilePiece;

/// The environment of tasks: object stores by the settings of this process, temporary files in a folder.
///
/// # Errors
/// Of DataFusion.
pub fn runtime_env(folder: &Path) -> Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(StoreRegistry::default()))
        .with_object_list_cache_limit(0)
        .with_temp_file_path(folder)
        .build_arc()
}

/// The error of a task as one of this program, where it is none of what runs the plan.
pub fn task_error<T: StdError + 'static>(
    error: DataFusionError,
) -> std::result::Result<Error, DataFusionError> {
    let mut causes =
        std::iter::successors(Some(&error as &(dyn StdError + 'static)), |&error| error.source());
    match causes.any(|cause| cause.is::<T>()) {
        true => Err(error),
        false => Ok(convert_error(error, "")),
    }
}

/// A panic of a reader as an error.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> DataFusionError {
    to_datafusion_error(reader_panic(&panic_message(panic.as_ref())))
}

/// The error of a scan, with the file, row group and column of damage, and files as the user named them.
pub(super) async fn located(
    error: DataFusionError,
    pieces: &[FilePiece],
    read: &ReadChunks,
) -> DataFusionError {
    let mut names: Vec<&str> = pieces.iter().map(FilePiece::name).collect();
    names.dedup();
    let mut error = read.locate(convert_error(error, &names.join(" or "))).await;
    if let Error::NoInput { place, .. }
    | Error::BadData { place, .. }
    | Error::BadRows { place, .. }
    | Error::Io { place, .. }
    | Error::Transient { place, .. } = &mut error
    {
        let named = |piece: &&FilePiece| {
            piece.path().is_some_and(|path| place.file == crate::error::Place::file(path.display()).file)
        };
        if let Some(piece) = pieces.iter().find(named) {
            place.file = crate::error::Place::file(piece.name()).file;
        }
    }
    to_datafusion_error(error)
}
