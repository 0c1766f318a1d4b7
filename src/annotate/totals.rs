//! The summary of several files in one, from theirs: of files of this process, or of a cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bundle::Bundle;
use crate::evaluate::distribution_shift;
use crate::interaction::Moments;
use crate::printable::without_secrets;
use crate::provenance::Adjustment;
use crate::samples::FateCounts;
use crate::storage::Files;

use super::bad_files::BadFiles;
use super::row_stats::add_distinct;
use super::summary::{self, ClusterUse, Summary, Totals};

/// The outcome of several files, beside the summaries of those that are done.
#[derive(Debug)]
pub struct FilesOutcome {
    /// The files that could not be annotated.
    pub bad: BadFiles,
    /// The shift of all files, where there is one.
    pub adjustment: Option<Adjustment>,
    /// "NAME (VERSION) on DEVICE".
    pub engine: String,
    /// Wall-clock time.
    pub elapsed: Duration,
    /// The use of a cluster, where the files were annotated by one.
    pub cluster: Option<ClusterUse>,
}

impl Totals {
    /// The summary of these files, of which `done` are annotated with this bundle.
    pub fn of<'a>(
        files: &Files,
        bundle: &Bundle,
        done: impl Iterator<Item = &'a Summary>,
        outcome: FilesOutcome,
    ) -> Self {
        let FilesOutcome { bad, adjustment, engine, elapsed, cluster } = outcome;
        let mut sums = Sums { fates: FateCounts::of_modalities(bundle.modalities()), ..Sums::default() };
        done.for_each(|summary| sums.add(summary));
        let Sums {
            rows,
            computed_rows,
            skipped_files,
            resumed_rows,
            fates,
            trained_rows,
            reduced_rows,
            unknown_labels,
            moments,
            information,
            output_bytes,
            peak_memory_bytes,
        } = sums;
        let summaries = |moments: BTreeMap<String, Moments>| {
            moments.into_iter().map(|(name, column)| (name, column.summary())).collect()
        };
        let (columns, information) = (summaries(moments), summaries(information));
        // The memory of this process, of files that it annotated itself.
        let own = if cluster.is_none() { summary::peak_memory_bytes() } else { peak_memory_bytes };
        Self {
            input: without_secrets(files.input()),
            output: without_secrets(files.output()),
            files: files.pairs().len(),
            input_bytes: files.bytes(),
            skipped_files,
            bad_files: bad,
            resumed_rows,
            rows,
            bad_rows: fates.bad(),
            trained_rows,
            reduced_rows,
            distribution_shift: distribution_shift(bundle, &columns, &information),
            unknown_labels,
            columns,
            information,
            adjustment,
            engine,
            bundle_sha256: bundle.digest().to_owned(),
            output_bytes,
            seconds: elapsed.as_secs_f64(),
            rows_per_second: summary::rate(computed_rows, elapsed),
            peak_memory_bytes: own,
            cluster,
            fates,
        }
    }
}

/// Sums over the files that are done.
#[derive(Debug, Default)]
struct Sums {
    rows: u64,
    computed_rows: u64,
    skipped_files: usize,
    resumed_rows: u64,
    fates: FateCounts,
    trained_rows: Option<u64>,
    reduced_rows: Option<u64>,
    unknown_labels: Vec<String>,
    moments: BTreeMap<String, Moments>,
    information: BTreeMap<String, Moments>,
    output_bytes: u64,
    peak_memory_bytes: Option<u64>,
}

impl Sums {
    fn add(&mut self, summary: &Summary) {
        self.rows += summary.rows;
        self.computed_rows += if summary.skipped { 0 } else { summary.rows - summary.resumed_rows };
        self.skipped_files += usize::from(summary.skipped);
        self.resumed_rows += summary.resumed_rows;
        self.fates.merge(&summary.fates);
        if let Some(rows) = summary.trained_rows {
            *self.trained_rows.get_or_insert(0) += rows;
        }
        if let Some(rows) = summary.reduced_rows {
            *self.reduced_rows.get_or_insert(0) += rows;
        }
        add_distinct(&mut self.unknown_labels, &summary.unknown_labels);
        for (all, some) in
            [(&mut self.moments, &summary.columns), (&mut self.information, &summary.information)]
        {
            for (name, column) in some {
                all.entry(name.clone()).or_default().merge(&column.into());
            }
        }
        self.output_bytes += summary.output_bytes;
        self.peak_memory_bytes = self.peak_memory_bytes.max(summary.peak_memory_bytes);
    }
}
