//! Reports on annotated data: a self-contained HTML page, its numbers as JSON and its charts as SVG.
//! The data are read through SQL in two passes with bounded memory. The first computes moments by
//! class, which determine the bin scales; the second fills histograms and top-k lists. This room
//! does not access the terminal.

mod annotated_files;
mod bins;
mod charts;
mod class_moments;
mod dataset_scan;
mod density_grid;
mod format;
mod link_template;
mod modality_sets;
mod numbers;
mod options;
mod origin;
mod page;
mod parts;
mod path_columns;
mod redundancy_cases;
mod row_accumulator;
mod row_query;
mod row_scan;
mod sample;
mod sample_list;
mod top_k;
mod validation_shift;
mod value_columns;
mod warnings;
mod written_columns;

pub use annotated_files::{modalities, require_column};
pub use charts::{Picture, pictures};
pub use link_template::LinkTemplate;
pub use numbers::{
    Class, Dataset, Density, Difference, Differences, Distribution, FORMAT_VERSION, Figure, Models, Quantile,
    Report, Specificity, Warning,
};
pub use options::ReportOptions;
pub use origin::{ModalityColumns, Origin, Reasons};
pub use page::html;
pub use parts::{Atoms, Information, Parts};
pub use redundancy_cases::Cases;
pub use sample::{Sample, Samples};

use std::num::NonZeroUsize;

use datafusion::prelude::SessionContext;

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::printable::without_secrets;
use crate::sql;
use crate::threads;

use self::annotated_files::{AnnotatedFiles, ColumnOptions};
use self::dataset_scan::{DatasetScan, DisplayRanges, row_scales};

/// The files of a report, whose footers are read.
pub struct ReportFiles {
    first: AnnotatedFiles,
    second: Option<AnnotatedFiles>,
}

/// Finds the files and reads their footers.
///
/// # Errors
/// [`Error::NoInput`], [`Error::BadData`] where a file is not annotated, [`Error::Usage`] where columns are
/// ambiguous.
pub fn open(options: &ReportOptions) -> Result<ReportFiles> {
    let first = AnnotatedFiles::new(&options.inputs, columns(options))?;
    let second = match &options.compare[..] {
        [] => None,
        inputs => Some(AnnotatedFiles::new(inputs, columns(options))?),
    };
    if let Some(second) = &second {
        check_modalities((&first.name(), first.values.modalities), second)?;
    }
    Ok(ReportFiles { first, second })
}

/// Checks the data set to compare with by its footers, beside the name of another and the number of its modalities.
///
/// # Errors
/// As for [`open`].
pub fn check_compared(options: &ReportOptions, first: Option<(&str, usize)>) -> Result<()> {
    let second = AnnotatedFiles::new(&options.compare, columns(options))?;
    first.map_or(Ok(()), |first| check_modalities(first, &second))
}

fn columns(options: &ReportOptions) -> ColumnOptions<'_> {
    ColumnOptions {
        label: options.label.as_deref(),
        key: &options.key,
        link: options.link.as_ref(),
        prefix: &options.prefix,
    }
}

fn check_modalities((first, modalities): (&str, usize), second: &AnnotatedFiles) -> Result<()> {
    let (name, others) = (second.name(), second.values.modalities);
    if modalities == others {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{first} has {modalities} modalities and {name} has {others}; data sets of the same number can be compared"
    )))
}

/// Reads the data and computes the report's numbers. Blocks on a new runtime: not for use inside an
/// async runtime.
///
/// # Errors
/// [`Error::Usage`] where memory is too small; those of reading.
pub fn read(files: ReportFiles, options: &ReportOptions, bundle: Option<&Bundle>) -> Result<Report> {
    let ReportFiles { first, second } = files;
    let runtime = threads::runtime(options.session.threads.map(NonZeroUsize::get), "report")?;
    let context = sql::context(&options.session)?;
    let report =
        sql::catch_reader_panics(|| runtime.block_on(read_both(&context, options, first, second, bundle)));
    report.flatten().map_err(|error| runtime.block_on(sql::locate_damage(&context, error)))
}

async fn read_both(
    context: &SessionContext,
    options: &ReportOptions,
    first: AnnotatedFiles,
    second: Option<AnnotatedFiles>,
    bundle: Option<&Bundle>,
) -> Result<Report> {
    let mut one = DatasetScan::begin(context, first, "data").await?;
    let mut two = match second {
        Some(files) => Some(DatasetScan::begin(context, files, "compare").await?),
        None => None,
    };
    // Both data sets share the scales, so that their pictures are comparable.
    let scales = match &two {
        Some(two) => row_scales(&one.totals).union(&row_scales(&two.totals)),
        None => row_scales(&one.totals),
    };
    one.scan_rows(context, &scales, options.samples).await?;
    if let Some(two) = &mut two {
        two.scan_rows(context, &scales, options.samples).await?;
    }
    let ranges = DisplayRanges::of(one.rows.iter().chain(two.iter().flat_map(|two| &two.rows)));

    let data = one.dataset(&ranges, options)?;
    let compare = two.map(|two| two.dataset(&ranges, options)).transpose()?;
    let models = bundle.map(|bundle| models(bundle, &data));
    let shift = |set: &Dataset| bundle.and_then(|bundle| validation_shift::validation_shift(bundle, set));
    let shifts: Vec<Option<String>> = std::iter::once(&data).chain(&compare).map(shift).collect();
    Ok(Report {
        format_version: FORMAT_VERSION,
        created_by: format!("lsmi-etl {}", env!("CARGO_PKG_VERSION")),
        title: options.title.clone().unwrap_or_else(|| title(&data, compare.as_ref())),
        warnings: warnings::warnings((&data, compare.as_ref()), &shifts, models.as_ref()),
        differences: compare.as_ref().map(|compare| Differences::between(&data, compare)),
        data,
        compare,
        models,
    })
}

fn title(data: &Dataset, compare: Option<&Dataset>) -> String {
    match compare {
        Some(compare) => format!("{} and {}", data.name, compare.name),
        None => data.name.clone(),
    }
}

fn models(bundle: &Bundle, data: &Dataset) -> Models {
    Models {
        bundle: without_secrets(bundle.dir()),
        sha256: bundle.digest().to_owned(),
        is_the_files: data.origin.bundle_sha256.iter().all(|hash| hash == bundle.digest()),
        validation: bundle.manifest().training.as_ref().map(|training| training.validation.clone()),
    }
}
