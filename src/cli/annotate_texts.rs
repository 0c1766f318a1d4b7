//! What `annotate` says of a plan and of what came of it, on the terminal.

use std::collections::{BTreeMap, HashSet};

use crate::annotate::{Adjustment, AnnotateOptions, Means, Plan, Summary, Totals};
use crate::bundle::Class;
use crate::interaction;
use crate::output::CopyMethod;
use crate::printable::counted;
use crate::samples::{Fate, FateCounts, class_examples};

/// Fresh rows of which no more than one is taken for a training row: the filters take one in 6 000 with ten
/// folds, fewer with fewer.
const CHANCE: u64 = 500;

/// Columns on request beyond which a warning names their number.
const MANY_COLUMNS: usize = 100;

/// Warns where the options ask for many columns: the 166 atoms of four modalities.
pub(super) fn warn_about_many_columns(options: &AnnotateOptions, modalities: usize) {
    let resolved = options.extras.iter().filter_map(|extra| extra.resolve(modalities).ok());
    let columns = resolved.flatten().collect::<HashSet<_>>().len();
    if columns > MANY_COLUMNS {
        tracing::warn!(
            "--columns adds {columns} columns of {modalities} modalities, {} bytes a row; those that a query reads can be \
             named alone, as in --columns a_1_23,i_123",
            columns * size_of::<f32>()
        );
    }
}

/// Logs the summary of several files.
pub(super) fn log_totals(totals: &Totals, classes: &[Class]) {
    let bad = totals.bad_files.len();
    let files = counted(totals.files, "file");
    let of = if bad > 0 { format!("{} of {files}", totals.files - bad) } else { files };
    tracing::info!(
        "{}: {of}, {} in {:.1} s{}{}",
        totals.output,
        counted(totals.rows, "row"),
        totals.seconds,
        in_brackets(&[rate(totals.rows_per_second)]),
        means(&totals.columns),
    );
    // Of one file it is said above.
    let is_of_several = totals.files - bad > 1;
    if is_of_several {
        log_trained(totals.trained_rows, totals.fates.good);
        log_reduced(totals.reduced_rows, totals.fates.good);
        warn_about_shift(totals.distribution_shift.as_deref());
    }
    log_shift(totals.adjustment.as_ref());
    if totals.adjustment.is_some() && bad > 0 {
        tracing::warn!(
            "the shift is that of {}, without the bad ones; when these are mended, the next run computes it anew and \
             writes all files again",
            counted(totals.files - bad, "file")
        );
    }
    if is_of_several {
        warn_about_bad_rows(&totals.fates, totals.reduced_rows, &totals.unknown_labels, classes);
    }
}

/// Throughput as text, where there is any.
fn rate(rows_per_second: f64) -> Option<String> {
    (rows_per_second >= 1.0).then(|| format!("{rows_per_second:.0} rows/s"))
}

fn in_brackets(parts: &[Option<String>]) -> String {
    let parts: Vec<&str> = parts.iter().flatten().map(String::as_str).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// R, U1 … UM and S as text; empty where no row was computed.
fn means(columns: &BTreeMap<String, interaction::MomentSummary>) -> String {
    let mean = |name: &&str| Some((name.to_uppercase(), columns.get(*name)?.mean?));
    let means: Vec<String> = interaction::Quantity::DEFAULT_NAMES
        .iter()
        .filter_map(mean)
        .map(|(name, mean)| format!("{name} {mean:.4}"))
        .collect();
    if means.is_empty() { String::new() } else { format!("; {} nats", means.join("  ")) }
}

/// The plan as text.
pub(super) fn plan_text(plan: &Plan) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let (x, label) = plan.reads.split_at(plan.dimensions.len().min(plan.reads.len()));
    let x = x.iter().zip(&plan.dimensions).map(|(name, dim)| format!("{name} [{dim}]"));
    let reads = x.chain(label.iter().cloned()).collect::<Vec<_>>().join(", ");
    let bad = match plan.bad_files.len() {
        0 => String::new(),
        bad => format!(", of which {bad} can not be annotated"),
    };
    let cluster = match &plan.cluster {
        Some(address) => format!(" of this machine alone\ncluster    {address}\n"),
        None => "\n".to_owned(),
    };
    format!(
        "files      {}{bad}\nrows       {} in {}\nreads      {reads}\n\
         adds       {}\nto copy    {:.1} MB\nto decode  {:.1} MB\nto add     {:.1} MB\n\
         engine     {}, {}, {} a batch, {:.0} rows/s\ntime       about {:.1} s{cluster}",
        plan.files,
        plan.rows,
        counted(plan.row_groups, "row group"),
        plan.adds.join(", "),
        megabytes(plan.bytes_to_copy),
        megabytes(plan.bytes_to_decode),
        megabytes(plan.bytes_to_add),
        plan.engine,
        counted(plan.workers, "worker"),
        counted(plan.batch_rows, "row"),
        plan.engine_rows_per_second,
        plan.estimated_seconds,
    )
}

/// Logs the summary of one file or stream, annotated with models of these classes.
pub(super) fn log_summary(summary: &Summary, classes: &[Class]) {
    if summary.skipped {
        tracing::info!("{}: already made from this input by this bundle; nothing to do", summary.output);
        warn_about_shift(summary.distribution_shift.as_deref());
        warn_about_bad_rows(&summary.fates, summary.reduced_rows, &summary.unknown_labels, classes);
        return;
    }
    if summary.written == Some(CopyMethod::ReEncoded) {
        tracing::warn!(
            "{}: the input is encrypted, so its columns were encoded anew instead of copied; the output is \
             encrypted with the same keys",
            summary.output
        );
    }
    if summary.resumed_rows > 0 {
        tracing::info!(
            "{} computed by an earlier run and taken from its journal",
            if summary.resumed_rows == 1 {
                "1 row was".to_owned()
            } else {
                format!("{} rows were", summary.resumed_rows)
            }
        );
    }
    let peak = summary.peak_memory_bytes.map(|bytes| format!("{} MB of memory", bytes / 1_000_000));
    tracing::info!(
        "{}: {} in {:.1} s{}{}",
        summary.output,
        counted(summary.rows, "row"),
        summary.seconds,
        in_brackets(&[rate(summary.rows_per_second), peak]),
        means(&summary.columns),
    );
    log_trained(summary.trained_rows, summary.fates.good);
    log_reduced(summary.reduced_rows, summary.fates.good);
    warn_about_shift(summary.distribution_shift.as_deref());
    log_shift(summary.adjustment.as_ref());
    warn_about_bad_rows(&summary.fates, summary.reduced_rows, &summary.unknown_labels, classes);
}

/// Whether so many of the good rows look like training rows that it is not by chance.
pub(super) fn are_trained(rows: u64, good_rows: u64) -> bool {
    // Of many small files, some have one by chance.
    let is_one_of_many = rows == 1 && good_rows > CHANCE / 10;
    rows > 0 && rows.saturating_mul(CHANCE) >= good_rows && !is_one_of_many
}

/// Logs the share of the rows that the models were trained on, where there are any.
fn log_trained(trained_rows: Option<u64>, good_rows: u64) {
    if let Some(rows) = trained_rows.filter(|rows| *rows > 0) {
        if !are_trained(rows, good_rows) {
            let what = match rows {
                1 => "looks like a training row",
                _ => "look like training rows",
            };
            tracing::info!(
                "{rows} of these rows {what}, as one fresh row in some ten thousand does by chance"
            );
            return;
        }
        let share = 100.0 * rows as f64 / good_rows.max(1) as f64;
        tracing::info!(
            "{share:.*} % of these rows ({rows}) were trained on; evaluated out of fold, by models that have not seen them",
            usize::from(share < 1.0)
        );
    }
}

/// Logs the rows that lack a modality, where they have values.
fn log_reduced(reduced_rows: Option<u64>, good_rows: u64) {
    if let Some(rows) = reduced_rows.filter(|rows| *rows > 0) {
        tracing::info!(
            "{rows} of {good_rows} rows with values lack a modality and have the values of the others; each mean is of \
             the rows that have the column"
        );
    }
}

fn warn_about_shift(what: Option<&str>) {
    if let Some(what) = what {
        tracing::warn!("{what} --on-shift fail refuses such rows");
    }
}

fn log_shift(adjustment: Option<&Adjustment>) {
    if let Some(Adjustment { shift_nats, before, .. }) = adjustment {
        let Means { r, u1, u2, s } = before;
        tracing::info!("shifted by {shift_nats:.4} nats from R {r:.4}  U1 {u1:.4}  U2 {u2:.4}  S {s:.4}");
    }
}

/// `reduced_rows` is none where rows that lack a modality have no values.
fn warn_about_bad_rows(
    fates: &FateCounts,
    reduced_rows: Option<u64>,
    unknown_labels: &[String],
    classes: &[Class],
) {
    if fates.bad() == 0 {
        return;
    }
    let labels = label_note(fates, unknown_labels, classes);
    let lacks = |(fate, rows): &(Fate, u64)| matches!(fate, Fate::NullEmbedding(_)) && *rows > 0;
    let reduce = if reduced_rows.is_none() && fates.bad_by_reason().iter().any(lacks) {
        "; with --on-missing-modality reduce, rows that lack a modality have the values of the others"
    } else {
        ""
    };
    let is_of_all =
        |(fate, rows): &(Fate, u64)| matches!(fate, Fate::WrongLength(_)) && *rows == fates.rows();
    let lengths = if fates.bad_by_reason().iter().any(is_of_all) {
        "; no embedding has the length that the models take: check --x1, --x2 and --bundle"
    } else {
        ""
    };
    let have = if fates.bad() == 1 { "has" } else { "have" };
    let rows = counted(fates.bad(), "row");
    tracing::warn!("{rows} {have} no values: {}{labels}{lengths}{reduce}", fates.reasons());
}

/// The labels that were met beside those that are known, where some are unknown or none is known.
fn label_note(fates: &FateCounts, unknown_labels: &[String], classes: &[Class]) -> String {
    let (met, known) = (class_examples(unknown_labels), class_examples(classes));
    let is_any_known = fates.of(Fate::NullLabel) + fates.of(Fate::UnknownLabel) < fates.rows();
    match (unknown_labels.is_empty(), is_any_known) {
        (true, true) => String::new(),
        (true, false) => format!("; no row has a label, the bundle's classes are {known}: check --label"),
        (false, true) => format!("; unknown labels: {met}; the bundle's classes: {known}"),
        (false, false) => format!(
            "; no row has a label that the bundle knows: its classes are {known}, the labels met {met}; check \
             --label and --bundle"
        ),
    }
}
