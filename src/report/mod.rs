//! The report: one self-contained page on annotated data, the numbers behind it, and its
//! pictures. Reads through SQL in two passes whose memory does not grow with the rows:
//! moments by class first, which tell the scales, then counts and the rows at the ends.
//! Knows nothing of the terminal.

mod bins;
mod charts;
mod classes;
mod fold;
mod format;
mod inputs;
mod links;
mod numbers;
mod origin;
mod page;
mod stream;
mod warnings;

use std::path::PathBuf;

use datafusion::prelude::SessionContext;

pub use charts::{Picture, pictures};
pub use links::Template;
pub use numbers::{
    Cases, Class, Dataset, Density, Difference, Differences, Distribution, FORMAT_VERSION, Figure,
    Information, Models, Parts, Quantile, Report, Sample, Samples, Specificity, Warning,
};
pub use origin::{Origin, Reasons};
pub use page::html;

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::sql;

use self::bins::Scale;
use self::classes::Totals;
use self::fold::{Fold, Scales};
use self::inputs::{Opened, Wanted};

/// Bins on either axis of the finest density, at most.
const DENSITY_BINS: f64 = 480.0;

/// What to report on, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Files, folders and globs of one data set.
    pub inputs: Vec<PathBuf>,
    /// Those of the data set to compare it with.
    pub compare: Vec<PathBuf>,
    /// The label's column; by default the one that annotate read.
    pub label: Option<String>,
    /// Columns that tell a sample from others; by default `id` and `key`, where there.
    pub key: Vec<String>,
    /// Where a sample's picture or record is.
    pub link: Option<Template>,
    /// Samples in each list.
    pub samples: usize,
    /// The heading.
    pub title: Option<String>,
    /// What the session may use.
    pub session: sql::Options,
}

/// Reads the data and gives the numbers. Blocks, on a runtime of its own: not for use
/// inside an async runtime.
///
/// # Errors
/// [`Error::NoInput`], [`Error::BadData`] where a file is not annotated, [`Error::Usage`]
/// where columns can't be told or memory is too small; whatever else reading gives.
pub fn read(options: &Options, bundle: Option<&Bundle>) -> Result<Report> {
    let wanted = Wanted { label: options.label.as_deref(), key: &options.key, link: options.link.as_ref() };
    let first = Opened::new(&options.inputs, wanted)?;
    let second = match &options.compare[..] {
        [] => None,
        inputs => Some(Opened::new(inputs, wanted)?),
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.session.threads {
        builder.worker_threads(threads.get());
    }
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|e| Error::Internal(format!("cannot start the report's threads: {e}")))?;
    runtime.block_on(both(options, first, second, bundle))
}

async fn both(
    options: &Options,
    first: Opened,
    second: Option<Opened>,
    bundle: Option<&Bundle>,
) -> Result<Report> {
    let context = sql::context(&options.session)?;
    let mut one = Pass::begin(&context, first, "data").await?;
    let mut two = match second {
        Some(opened) => Some(Pass::begin(&context, opened, "compare").await?),
        None => None,
    };
    // On one scale, so that the pictures of both compare.
    let scales = match &two {
        Some(two) => scales(&one.totals).with(scales(&two.totals)),
        None => scales(&one.totals),
    };
    one.fold(&context, &scales, options.samples).await?;
    if let Some(two) = &mut two {
        two.fold(&context, &scales, options.samples).await?;
    }
    let cores = Ranges::of(one.fold.iter().chain(two.iter().flat_map(|two| &two.fold)));

    let data = one.dataset(&cores, options)?;
    let compare = two.map(|two| two.dataset(&cores, options)).transpose()?;
    let models = bundle.map(|bundle| models(bundle, &data));
    Ok(Report {
        format_version: FORMAT_VERSION,
        created_by: format!("lsmi-etl {}", env!("CARGO_PKG_VERSION")),
        title: options.title.clone().unwrap_or_else(|| title(&data, compare.as_ref())),
        warnings: warnings::of(&data, compare.as_ref(), models.as_ref()),
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
        bundle: bundle.dir().display().to_string(),
        sha256: bundle.digest().to_owned(),
        is_the_files: data.origin.bundle_sha256.iter().all(|hash| hash == bundle.digest()),
        validation: bundle.manifest().training.as_ref().map(|training| training.validation.clone()),
    }
}

/// One data set on its way through the two passes.
struct Pass {
    opened: Opened,
    tables: Vec<String>,
    totals: Totals,
    fold: Option<Fold>,
}

impl Pass {
    /// The first pass.
    async fn begin(context: &SessionContext, opened: Opened, name: &str) -> Result<Self> {
        let mut tables = Vec::new();
        for (index, input) in opened.inputs.iter().enumerate() {
            let table = format!("report_{name}_{index}");
            sql::register_table(context, &table, &input.display().to_string()).await?;
            tables.push(table);
        }
        let totals = classes::measure(context, &tables, &opened).await?;
        Ok(Self { opened, tables, totals, fold: None })
    }

    /// The second pass.
    async fn fold(&mut self, context: &SessionContext, scales: &Scales, samples: usize) -> Result<()> {
        self.fold = Some(stream::fold(context, &self.tables, &self.opened, scales, samples).await?);
        Ok(())
    }

    fn dataset(self, ranges: &Ranges, options: &Options) -> Result<Dataset> {
        let Self { opened, totals, fold, .. } = self;
        let fold = fold.ok_or_else(|| Error::Internal("the second pass did not run".to_owned()))?;
        if fold.rows != totals.rows {
            // Between the passes the files have changed.
            let names: Vec<String> = opened.inputs.iter().map(|path| path.display().to_string()).collect();
            return Err(Error::Transient {
                place: crate::error::Place::file(names.join(" or ")),
                what: "was changed while it was read".to_owned(),
            });
        }
        let is_adjusted = opened.origin.is_adjusted();
        let names = stream::Names::new(&opened.files);
        let list = |index: usize| {
            let end = fold.ends.get(index);
            end.map(|end| stream::samples(end, &opened, &names, options.link.as_ref())).unwrap_or_default()
        };
        let samples = Samples {
            key: opened.key.iter().take(opened.key_columns).cloned().collect(),
            redundant: list(0),
            unique_1: list(1),
            unique_2: list(2),
            synergistic: list(3),
            contradicted: list(4),
        };
        let [r, u1, u2, s] = &fold.histograms;
        let shown = &ranges.parts;
        let distributions = Parts {
            r: r.distribution(shown.r),
            u1: u1.distribution(shown.u1),
            u2: u2.distribution(shown.u2),
            s: s.distribution(shown.s),
        };
        let density = fold.density(shown.r, shown.s);
        Ok(Dataset {
            name: opened.name(),
            inputs: opened.inputs.iter().map(|path| path.display().to_string()).collect(),
            files: opened.files.len() as u64,
            rows: opened.rows,
            computed_rows: totals.rows,
            bad_rows: opened.rows.saturating_sub(totals.rows),
            label: opened.label.clone(),
            label_entropy_nats: totals.label_entropy_nats,
            parts: totals.parts(),
            information: totals.information(),
            redundancy_bounds_nats: totals.bounds(is_adjusted),
            cases: totals.cases(is_adjusted),
            specificity: totals.specificity(),
            distributions,
            density,
            classes: totals.classes,
            samples,
            origin: opened.origin,
        })
    }
}

/// What the pictures show: the values of all data sets but for the utmost.
struct Ranges {
    parts: Parts<(f64, f64)>,
}

impl Ranges {
    fn of<'a>(folds: impl Iterator<Item = &'a Fold>) -> Self {
        let join = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        let joined = folds.filter(|fold| fold.rows > 0).map(Fold::cores).reduce(|a, b| Parts {
            r: join(a.r, b.r),
            u1: join(a.u1, b.u1),
            u2: join(a.u2, b.u2),
            s: join(a.s, b.s),
        });
        Self {
            parts: joined.unwrap_or(Parts { r: (0.0, 1.0), u1: (0.0, 1.0), u2: (0.0, 1.0), s: (0.0, 1.0) }),
        }
    }
}

/// Scales for the range, mean and deviation of what the first pass has found.
fn scales(totals: &Totals) -> Scales {
    let parts = totals.parts();
    let of = |figure: &Figure| {
        let number = Option::unwrap_or_default;
        let (mean, deviation) = (number(figure.mean_nats), number(figure.std_dev_nats));
        let (min, max) = (number(figure.min_nats), number(figure.max_nats));
        (
            Scale::fine(min, max, mean, deviation),
            min.max(mean - 8.0 * deviation),
            max.min(mean + 8.0 * deviation),
        )
    };
    let coarse = |figure: &Figure| {
        let (_, low, high) = of(figure);
        Scale::coarse(low, high, DENSITY_BINS)
    };
    Scales { parts: parts.each().map(|figure| of(figure).0), density: [coarse(&parts.r), coarse(&parts.s)] }
}
