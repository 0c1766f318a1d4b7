//! A scan of one data set in two passes over its files.

use datafusion::prelude::SessionContext;

use crate::error::{Error, Place, Result};
use crate::printable::without_secrets;
use crate::sql;

use super::annotated_files::AnnotatedFiles;
use super::bins::BinScale;
use super::class_moments::{self, DatasetMoments};
use super::numbers::{Dataset, Figure};
use super::options::ReportOptions;
use super::parts::Parts;
use super::row_accumulator::{RowAccumulator, RowScales};
use super::row_scan;
use super::sample::Samples;
use super::sample_list::{self, FileNames};

/// Maximum number of bins on each axis of the finest density grid.
const DENSITY_BINS: f64 = 480.0;

/// The state of a data set's scan.
pub(super) struct DatasetScan {
    files: AnnotatedFiles,
    tables: Vec<String>,
    pub(super) totals: DatasetMoments,
    pub(super) rows: Option<RowAccumulator>,
}

impl DatasetScan {
    /// Registers the files as tables and runs the first pass.
    pub(super) async fn begin(context: &SessionContext, files: AnnotatedFiles, name: &str) -> Result<Self> {
        let mut tables = Vec::new();
        for (index, input) in files.inputs.iter().enumerate() {
            let table = format!("report_{name}_{index}");
            sql::register_table(context, &table, &input.display().to_string()).await?;
            tables.push(table);
        }
        let totals = class_moments::class_moments(context, &tables, &files).await?;
        Ok(Self { files, tables, totals, rows: None })
    }

    /// Runs the second pass.
    pub(super) async fn scan_rows(
        &mut self,
        context: &SessionContext,
        scales: &RowScales,
        samples: usize,
    ) -> Result<()> {
        self.rows = Some(row_scan::scan_rows(context, &self.tables, &self.files, scales, samples).await?);
        Ok(())
    }

    /// The data set's numbers.
    pub(super) fn dataset(self, ranges: &DisplayRanges, options: &ReportOptions) -> Result<Dataset> {
        let Self { files, totals, rows, .. } = self;
        let accumulator = rows.ok_or_else(|| Error::Internal("the second pass did not run".to_owned()))?;
        if (accumulator.rows, accumulator.complete_rows) != (totals.rows, totals.complete_rows) {
            // The files changed between the passes.
            let names: Vec<String> = files.inputs.iter().map(|path| path.display().to_string()).collect();
            return Err(Error::Transient {
                place: Place::file(names.join(" or ")),
                what: "was changed while it was read".to_owned(),
            });
        }
        let is_adjusted = files.origin.is_adjusted();
        let has_label = !files.label.is_empty();
        let names = FileNames::new(&files.files);
        let list = |ranking| sample_list::samples(ranking, &files, &names, options.link.as_ref());
        let (by_part, others) =
            accumulator.rankings.split_at_checked(accumulator.histograms.len()).unwrap_or_default();
        let by_part = Parts::from_values(by_part.iter().map(list)).unwrap_or_default();
        let samples = Samples {
            limit: options.samples,
            key: files.key.iter().take(files.key_columns).cloned().collect(),
            redundant: by_part.r,
            unique: by_part.u,
            synergistic: by_part.s,
            contradicted: others.first().map(list),
        };
        let shown = ranges.of_parts(accumulator.histograms.len());
        let distributions = accumulator.histograms.iter().zip(shown.each());
        let distributions = distributions.map(|(histogram, range)| histogram.distribution(*range));
        let distributions = Parts::from_values(distributions).unwrap_or_default();
        let density = accumulator.density(shown.r, shown.s);
        Ok(Dataset {
            name: files.name(),
            inputs: files.inputs.iter().map(|path| without_secrets(path)).collect(),
            files: files.files.len() as u64,
            rows: files.rows,
            computed_rows: totals.rows,
            reduced_rows: totals.rows.saturating_sub(totals.complete_rows),
            bad_rows: files.rows.saturating_sub(totals.rows),
            label: files.label.clone(),
            label_entropy_nats: totals.label_entropy_nats.filter(|_| has_label),
            parts: totals.parts(),
            information: totals.information(),
            atoms: totals.atoms(),
            redundancy_bounds_nats: totals.bounds(is_adjusted),
            cases: totals.cases(is_adjusted),
            specificity: totals.specificity(),
            distributions,
            density,
            classes: if has_label { totals.classes } else { Vec::new() },
            samples,
            origin: files.origin,
        })
    }
}

/// Value ranges of the pictures: all data sets without their extreme values.
pub(super) struct DisplayRanges {
    /// None without rows.
    parts: Option<Parts<(f64, f64)>>,
}

impl DisplayRanges {
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a RowAccumulator>) -> Self {
        let join = |a: &(f64, f64), b: &(f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        let ranges = all.filter(|rows| rows.rows > 0).filter_map(RowAccumulator::central_ranges);
        Self { parts: ranges.reduce(|a, b| a.zip_with(&b, join)) }
    }

    fn of_parts(&self, parts: usize) -> Parts<(f64, f64)> {
        let any = || Parts::from_values(vec![(0.0, 1.0); parts]).unwrap_or_default();
        self.parts.clone().unwrap_or_else(any)
    }
}

/// Bin scales that suit the moments of the first pass.
pub(super) fn row_scales(totals: &DatasetMoments) -> RowScales {
    let parts = totals.parts();
    let of = |figure: &Figure| {
        let number = Option::unwrap_or_default;
        let (mean, deviation) = (number(figure.mean_nats), number(figure.std_dev_nats));
        let (min, max) = (number(figure.min_nats), number(figure.max_nats));
        (
            BinScale::fine(min, max, mean, deviation),
            min.max(mean - 8.0 * deviation),
            max.min(mean + 8.0 * deviation),
        )
    };
    let coarse = |figure: &Figure| {
        let (_, low, high) = of(figure);
        BinScale::coarse(low, high, DENSITY_BINS)
    };
    RowScales {
        parts: parts.each().map(|figure| of(figure).0).collect(),
        density: [coarse(&parts.r), coarse(&parts.s)],
    }
}
