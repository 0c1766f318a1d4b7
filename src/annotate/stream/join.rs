//! The joiner of a stream: results back into source batches, which are written.

use arrow::array::{ArrayRef, Float32Array};
use arrow::buffer::NullBuffer;
use crossbeam_channel::Sender;

use crate::annotate::bad_rows::BadRowPolicy;
use crate::annotate::batch::Batch;
use crate::annotate::progress::{Progress, Stage};
use crate::annotate::rejects::Rejects;
use crate::annotate::workers::TaskResult;
use crate::bundle::Class;
use crate::error::Result;
use crate::evaluate::output_array;
use crate::interaction::Quantity;
use crate::output::RowWriter;

use super::split::SourceBatch;

/// Joins the results of a source batch and writes it with its new columns.
pub(super) struct BatchJoiner<'a> {
    policy: BadRowPolicy<'a>,
    writer: RowWriter,
    rejects: Option<Rejects>,
    progress: &'a dyn Progress,
    columns: &'a [Quantity],
    /// The classes of the label.
    classes: &'a [Class],
    /// The results of a source batch so far.
    parts: Vec<Batch>,
    /// Source batches written.
    batches: usize,
    written: Sender<usize>,
}

/// A stream of which all rows are written, but not its end.
pub(super) struct JoinedStream<'a> {
    pub(super) policy: BadRowPolicy<'a>,
    pub(super) writer: RowWriter,
    pub(super) rejects: Option<Rejects>,
    /// Source batches.
    pub(super) batches: usize,
}

impl<'a> BatchJoiner<'a> {
    pub(super) fn new(
        policy: BadRowPolicy<'a>,
        writer: RowWriter,
        rejects: Option<Rejects>,
        (columns, classes): (&'a [Quantity], &'a [Class]),
        written: Sender<usize>,
        progress: &'a dyn Progress,
    ) -> Self {
        let (parts, batches) = (Vec::new(), 0);
        Self { policy, writer, rejects, progress, columns, classes, parts, batches, written }
    }

    /// Ends the join after the last result.
    ///
    /// # Errors
    /// As for [`BadRowPolicy::finish`].
    pub(super) fn finish(self) -> Result<JoinedStream<'a>> {
        let Self { policy, writer, rejects, batches, .. } = self;
        policy.finish()?;
        Ok(JoinedStream { policy, writer, rejects, batches })
    }

    /// Takes the next result.
    ///
    /// # Errors
    /// Of the policy and of writing.
    pub(super) fn take(&mut self, done: TaskResult<Option<SourceBatch>>) -> Result<()> {
        let (batch, whole) = done.into_batch()?;
        let before = self.policy.row_stats().fates().rows();
        let fates = self.policy.take(&batch)?;
        if let Some(rejects) = &mut self.rejects {
            rejects.push(batch.row_group, before, &batch.bad)?;
        }
        self.progress.advance(&fates);
        self.parts.push(batch);
        if let Some(SourceBatch { rows, bytes }) = whole {
            let columns = joined(&self.parts, self.columns, self.classes);
            self.progress.time(Stage::Write, || self.writer.write(&rows, columns))?;
            self.parts.clear();
            self.batches += 1;
            // A splitter that has ended does not receive it.
            let _ = self.written.send(bytes);
        }
        Ok(())
    }
}

/// The columns of consecutive results; rows without values are null.
fn joined(parts: &[Batch], columns: &[Quantity], classes: &[Class]) -> Vec<ArrayRef> {
    let mut valid = Vec::with_capacity(parts.iter().map(|part| part.rows).sum());
    for part in parts {
        let first = valid.len();
        valid.resize(first + part.rows, true);
        for bad in &part.bad {
            if let Some(valid) = valid.get_mut(first + bad.row as usize) {
                *valid = false;
            }
        }
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid.as_slice()));
    let column = |(place, quantity): (usize, &Quantity)| {
        let values = parts.iter().filter_map(|part| part.columns.get(place)).flatten();
        // A null's value is zero, and not what the models gave for a bad row.
        let values = values.zip(&valid).map(|(value, valid)| if *valid { *value } else { 0.0 });
        output_array(*quantity, Float32Array::new(values.collect(), nulls.clone()), classes)
    };
    columns.iter().enumerate().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::batch::BadRow;
    use crate::samples::Fate;
    use arrow::array::AsArray;
    use arrow::datatypes::{Float32Type, Int32Type};

    #[test]
    fn pieces_become_the_columns_of_a_batch() {
        let part = |values: [f32; 2], bad: &[u32]| Batch {
            rows: 2,
            columns: vec![values.to_vec(), values.map(|value| -value).to_vec(), vec![f32::NAN, 3.0]],
            bad: bad.iter().map(|&row| BadRow { row, fate: Fate::NullLabel, label: None }).collect(),
            ..Batch::default()
        };
        let quantities = [Quantity::R, Quantity::S, Quantity::Fold];
        let columns = joined(&[part([1.0, 2.0], &[]), part([f32::NAN, 4.0], &[0])], &quantities, &[]);
        assert_eq!(columns.len(), 3);
        let floats = |column: usize| columns[column].as_primitive::<Float32Type>();
        assert_eq!(*floats(0), Float32Array::from(vec![Some(1.0), Some(2.0), None, Some(4.0)]));
        assert_eq!(floats(1).values()[..], [-1.0, -2.0, 0.0, -4.0]);
        let folds = columns[2].as_primitive::<Int32Type>();
        assert_eq!(folds.iter().collect::<Vec<_>>(), [None, Some(3), None, Some(3)]);
        assert!(joined(&[part([1.0, 2.0], &[])], &quantities, &[])[0].nulls().is_none());
        assert_eq!(joined(&[], &quantities, &[]).len(), 3);
    }
}
