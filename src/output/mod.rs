//! Outputs with columns added: a copy of a Parquet file, spliced or encoded again, and record
//! batches of a file or an Arrow IPC stream. Independent of the meaning of the new columns.

mod appended_columns;
mod batch_source;
mod ipc;
mod ipc_message;
mod ipc_messages;
mod ipc_scanner;
mod key_values;
mod omitted_columns;
mod ordered_json;
mod output_file;
mod parquet_types;
mod projection;
mod reencode;
mod row_group_error;
mod row_writer;
mod same_columns;
mod spill;
mod splice;
mod stored_types;
mod stream_file;
mod writer;

pub use appended_columns::AppendedColumns;
pub use batch_source::{BatchSource, SourceRows};
pub(crate) use ipc::{BEHIND_END, NO_END, batch_limit_bytes};
pub(crate) use ipc_message::MessageLengths;
pub use ipc_messages::IpcMessages;
pub(crate) use ipc_scanner::CONTINUATION;
pub use omitted_columns::OmittedColumns;
pub(crate) use parquet_types::{check_known_types, unstorable_column};
pub use row_writer::{ClosedRows, NewColumns, RowWriter, SourceColumns};
pub use same_columns::{Extent, has_columns_of};
pub(crate) use stored_types::{parquet_schema, stored_column, stored_schema};
pub use stream_file::write_stream_file;
pub use writer::{CopyMethod, Writer};
