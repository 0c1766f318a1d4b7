//! The columns of a source that the new ones replace, with `--replace-columns`.

use arrow::datatypes::Schema;
use parquet::file::metadata::KeyValue;

use crate::error::{Error, Place, Result};
use crate::interaction::Quantity;
use crate::output::{BatchSource, OmittedColumns};
use crate::parquet_file::Input;
use crate::provenance::Provenance;

use super::requested_columns::RequestedColumns;

/// The columns of a source that a run replaces, and what a user may not expect of that.
#[derive(Debug, Default)]
pub(super) struct ReplacedColumns {
    omitted: OmittedColumns,
    /// Columns of an earlier annotate that are replaced by none.
    stale: Option<String>,
    /// Columns that stay although they look like annotate's.
    left: Option<String>,
}

impl ReplacedColumns {
    /// Logs what is left out and what stays, where the output is about to be written.
    pub(super) fn log(&self) {
        if let Some(stale) = &self.stale {
            tracing::info!("{stale}");
        }
        if let Some(left) = &self.left {
            tracing::warn!("{left}");
        }
    }
}

impl RequestedColumns {
    /// The input as if annotate had never written the columns that this run replaces, if it does; and these columns.
    ///
    /// # Errors
    /// As for [`Self::replaced`] and [`OmittedColumns::of`].
    pub(super) fn without_replaced(&self, input: &Input) -> Result<(Input, ReplacedColumns)> {
        let pairs = input.metadata().file_metadata().key_value_metadata();
        let pairs = pairs.map(Vec::as_slice).unwrap_or_default();
        let replaced = self.replaced(input.schema(), pairs, &input.place())?;
        Ok((replaced.omitted.of(input)?, replaced))
    }

    /// The rows of a stream likewise, which is about to be written.
    ///
    /// # Errors
    /// As for [`Self::replaced`].
    pub(super) fn rows_without_replaced<'a>(&self, rows: BatchSource<'a>) -> Result<BatchSource<'a>> {
        let replaced = self.replaced_of_schema(rows.schema(), rows.place())?;
        Ok(rows.without(&replaced))
    }

    /// The columns of a schema that this run replaces, which is logged.
    ///
    /// # Errors
    /// As for [`Self::replaced`].
    pub(super) fn replaced_of_schema(&self, schema: &Schema, place: &Place) -> Result<OmittedColumns> {
        let metadata = schema.metadata().iter();
        let pairs: Vec<_> = metadata.map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        let replaced = self.replaced(schema, &pairs, place)?;
        replaced.log();
        Ok(replaced.omitted)
    }

    /// The columns of a source that this run replaces: those of its prefix that annotate has written by what the
    /// key-values say, whether this run computes them or not, and others that have the name of a new one.
    ///
    /// # Errors
    /// [`Error::Usage`] where such a column holds no numbers, or is read.
    fn replaced(&self, schema: &Schema, pairs: &[KeyValue], place: &Place) -> Result<ReplacedColumns> {
        if !self.replaces {
            return Ok(ReplacedColumns::default());
        }
        let (written, new) = (Provenance::written_columns(pairs, self.prefix()), self.names());
        let mut omitted =
            OmittedColumns { columns: Vec::new(), keys: Provenance::keys_of(pairs, self.prefix()) };
        let (mut stale, mut left) = (Vec::new(), Vec::new());
        for (position, field) in schema.fields().iter().enumerate() {
            let name = field.name();
            let is_written = written.contains(name);
            if !is_written && !new.contains(name) {
                if field.data_type().is_floating() && self.names_of_all().contains(name) {
                    left.push(name.as_str());
                }
                continue;
            }
            if self.read().contains(&name.as_str()) {
                return Err(Error::Usage(format!(
                    "{place}, column {name:?}: is read and would be replaced by a new one; --prefix NAME_ gives the new \
                     columns other names"
                )));
            }
            if !is_written && !field.data_type().is_numeric() {
                return Err(Error::Usage(format!(
                    "{place}, column {name:?}: annotate has not written it and it holds {}, so that --replace-columns \
                     leaves it; rename it, or give --prefix NAME_",
                    field.data_type()
                )));
            }
            if !new.contains(name) {
                stale.push(name.as_str());
            }
            omitted.columns.push(position);
        }
        let stale = (!stale.is_empty()).then(|| {
            let stale = stale.join(", ");
            format!("{place}: leaves out {stale} of the earlier annotate; --columns computes these anew, too")
        });
        let left = (!left.is_empty() && !omitted.columns.is_empty()).then(|| {
            format!(
                "{place}: {} have names of annotate's columns and stay, since the file does not say that it wrote them; \
                 they may be of other models than the new ones",
                left.join(", ")
            )
        });
        Ok(ReplacedColumns { omitted, stale, left })
    }

    /// The names of all columns that there may be of this prefix.
    fn names_of_all(&self) -> Vec<String> {
        let modalities = self.modalities();
        let all =
            [Quantity::extras(modalities), Quantity::atoms(modalities), Quantity::pairs(modalities)].concat();
        all.iter().map(|quantity| self.prefix().name(&quantity.name(modalities))).collect()
    }
}
