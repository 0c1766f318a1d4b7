//! The first pass: a SQL query for the moments of every quantity by class, merged into those of the
//! data set.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::error::{Error, Place, Result};
use crate::interaction::Moments;
use crate::sql::convert_error;

use super::annotated_files::AnnotatedFiles;
use super::numbers::{Cases, Class, Figure, Information, Parts, Specificity};

/// Maximum number of classes. A column with more values is not a class label.
const MAX_CLASSES: usize = 10_000;

/// Quantities whose moments are computed for every class: name, and SQL over r, u1, u2 and s. The
/// last three are used only where the files have h1 and h2.
const QUANTITIES: [(&str, &str); 12] = [
    ("r", "r"),
    ("u1", "u1"),
    ("u2", "u2"),
    ("s", "s"),
    ("i1", "r + u1"),
    ("i2", "r + u2"),
    ("i12", "r + u1 + u2 + s"),
    ("least", "r + least(u1, u2)"),
    ("most", "r + greatest(u1, u2)"),
    ("h1", "h1"),
    ("h2", "h2"),
    ("dh", "h1 - h2"),
];

/// Number of quantities that do not need h1 and h2.
const WITHOUT_H: usize = 9;

/// SQL condition of a computed row; false for null, NaN and infinity.
const COMPUTED: &str = "abs(r) < 1e300 AND abs(u1) < 1e300 AND abs(u2) < 1e300 AND abs(s) < 1e300";

/// Moments of a data set and its classes.
#[derive(Debug, Clone)]
pub(super) struct DatasetMoments {
    pub(super) rows: u64,
    pub(super) classes: Vec<Class>,
    pub(super) label_entropy_nats: Option<f64>,
    quantities: [Moments; 12],
    cases: Cases,
}

/// One row of the query's result.
struct ClassRow {
    class: String,
    order: Option<f64>,
    count: u64,
    quantities: [Moments; 12],
    cases: [u64; 3],
    dominant: [u64; 3],
}

/// Computes the moments of all classes.
///
/// # Errors
/// See [`convert_error`]; [`Error::BadData`] where the label has too many values.
pub(super) async fn class_moments(
    context: &SessionContext,
    tables: &[String],
    files: &AnnotatedFiles,
) -> Result<DatasetMoments> {
    let inputs = files.inputs.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ");
    let failed = |e| convert_error(e, &inputs);
    let frame = context.sql(&moments_query(tables, files)).await.map_err(failed)?;
    let mut stream = frame.execute_stream().await.map_err(failed)?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        read(&batch.map_err(failed)?, files.has_specificity, &mut rows)?;
        if rows.len() > MAX_CLASSES {
            return Err(Error::bad_data(
                Place::file(&inputs).column(&files.label),
                format!("has more than {MAX_CLASSES} values, so it is no label; name the label with --label"),
            ));
        }
    }
    rows.sort_by(|a, b| match (a.order, b.order) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.class.cmp(&b.class),
    });
    Ok(DatasetMoments::of(rows))
}

/// SQL for the moments by class over all inputs.
fn moments_query(tables: &[String], files: &AnnotatedFiles) -> String {
    let specificity =
        if files.has_specificity { ", CAST(h1 AS DOUBLE) AS h1, CAST(h2 AS DOUBLE) AS h2" } else { "" };
    let each = tables.iter().zip(&files.path_columns).map(|(table, path)| {
        let label = path.sql(&files.label);
        format!(
            "SELECT {label} AS class, CAST(r AS DOUBLE) AS r, CAST(u1 AS DOUBLE) AS u1, \
             CAST(u2 AS DOUBLE) AS u2, CAST(s AS DOUBLE) AS s{specificity} FROM {table}"
        )
    });
    let rows = each.collect::<Vec<_>>().join(" UNION ALL ");
    let used = if files.has_specificity { QUANTITIES.len() } else { WITHOUT_H };
    let moments = QUANTITIES.iter().take(used).map(|(name, sql)| {
        format!(
            ", avg({sql}) AS {name}_mean, var_pop({sql}) AS {name}_var, min({sql}) AS {name}_min, \
             max({sql}) AS {name}_max"
        )
    });
    let count = |condition: &str| format!(", sum(CASE WHEN {condition} THEN 1 ELSE 0 END)");
    let counts = [
        ("first", "u1 = 0 AND u2 <> 0"),
        ("second", "u2 = 0 AND u1 <> 0"),
        ("both", "u1 = 0 AND u2 = 0"),
        ("most_r", "r >= u1 AND r >= u2 AND r >= s"),
        ("most_u1", "u1 > r AND u1 >= u2 AND u1 >= s"),
        ("most_u2", "u2 > r AND u2 > u1 AND u2 >= s"),
    ]
    .map(|(name, condition)| format!("{} AS {name}", count(condition)));
    format!(
        "SELECT class, count(*) AS n{}{} FROM ({rows}) AS t WHERE {COMPUTED} GROUP BY class",
        moments.collect::<String>(),
        counts.concat()
    )
}

fn read(batch: &RecordBatch, has_specificity: bool, rows: &mut Vec<ClassRow>) -> Result<()> {
    let mismatch = || Error::Internal("the moments by class have other columns than requested".to_owned());
    let number = |name: &str, row: usize| -> Result<f64> {
        let column = batch.column_by_name(name).ok_or_else(mismatch)?;
        let column = column.as_primitive_opt::<Float64Type>().ok_or_else(mismatch)?;
        Ok(if column.is_valid(row) { column.value(row) } else { 0.0 })
    };
    let count = |name: &str, row: usize| -> Result<u64> {
        let column = batch.column_by_name(name).ok_or_else(mismatch)?;
        let column = column.as_primitive_opt::<Int64Type>().ok_or_else(mismatch)?;
        Ok(column.value(row).unsigned_abs())
    };
    let class = batch.column_by_name("class").ok_or_else(mismatch)?;
    let is_number = class.data_type().is_numeric();
    let order = if is_number { cast(class, &DataType::Float64).ok() } else { None };
    let order = order.as_ref().map(|order| order.as_primitive::<Float64Type>());
    for row in 0..batch.num_rows() {
        let n = count("n", row)?;
        let mut quantities = [Moments::default(); 12];
        let used = if has_specificity { QUANTITIES.len() } else { WITHOUT_H };
        for ((name, _), moments) in QUANTITIES.iter().zip(&mut quantities).take(used) {
            let of = |what: &str| number(&format!("{name}_{what}"), row);
            let state = [n as f64, of("mean")?, of("var")? * n as f64, of("min")?, of("max")?];
            *moments = Moments::from_state(state);
        }
        let class = class_name(class, row)?;
        rows.push(ClassRow {
            class,
            order: order.filter(|order| order.is_valid(row)).map(|order| order.value(row)),
            count: n,
            quantities,
            cases: [count("first", row)?, count("second", row)?, count("both", row)?],
            dominant: [count("most_r", row)?, count("most_u1", row)?, count("most_u2", row)?],
        });
    }
    Ok(())
}

/// A class as text, as a bundle names it: a whole float as an integer, binary as its UTF-8.
pub(super) fn class_name(array: &dyn Array, row: usize) -> Result<String> {
    if array.is_null(row) {
        return Ok("null".to_owned());
    }
    let name = text(array, row)?;
    Ok(match array.data_type() {
        float if float.is_floating() => name.strip_suffix(".0").map_or(name.clone(), str::to_owned),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            match cast(&array.slice(row, 1), &DataType::Utf8View) {
                Ok(string) if string.is_valid(0) => text(&string, 0)?,
                _ => name,
            }
        }
        _ => name,
    })
}

/// A value as text, in Arrow's display format.
pub(super) fn text(array: &dyn Array, row: usize) -> Result<String> {
    array_value_to_string(array, row).map_err(|e| Error::Internal(e.to_string()))
}

impl DatasetMoments {
    fn of(rows: Vec<ClassRow>) -> Self {
        let mut quantities = [Moments::default(); 12];
        let mut cases = Cases::default();
        let total: u64 = rows.iter().map(|row| row.count).sum();
        let mut entropy = 0.0;
        for row in &rows {
            for (all, one) in quantities.iter_mut().zip(&row.quantities) {
                all.merge(one);
            }
            let [first, second, both] = row.cases;
            cases.first += first;
            cases.second += second;
            cases.both += both;
            cases.between += row.count.saturating_sub(first + second + both);
            let share = row.count as f64 / total as f64;
            entropy -= share * share.ln();
        }
        let classes = rows.into_iter().map(|row| {
            let [r, u1, u2] = row.dominant;
            Class {
                class: row.class,
                rows: row.count,
                parts: parts(&row.quantities),
                information: information(&row.quantities),
                dominant: Parts { r, u1, u2, s: row.count.saturating_sub(r + u1 + u2) },
            }
        });
        Self {
            rows: total,
            classes: classes.collect(),
            label_entropy_nats: (total > 0).then_some(entropy.max(0.0)),
            quantities,
            cases,
        }
    }

    pub(super) fn parts(&self) -> Parts<Figure> {
        parts(&self.quantities)
    }

    pub(super) fn information(&self) -> Information<Figure> {
        information(&self.quantities)
    }

    /// Rows by the case that determined r; `None` where u1 and u2 are shifted.
    pub(super) fn cases(&self, is_adjusted: bool) -> Option<Cases> {
        (self.rows > 0 && !is_adjusted).then_some(self.cases)
    }

    pub(super) fn bounds(&self, is_adjusted: bool) -> Option<[f64; 2]> {
        let [.., least, most, _, _, _] = &self.quantities;
        if is_adjusted { None } else { Some([least.mean()?, most.mean()?]) }
    }

    pub(super) fn specificity(&self) -> Option<Specificity> {
        let [.., h1, h2, difference] = &self.quantities;
        let figures = Specificity { h1: h1.into(), h2: h2.into(), difference: difference.into() };
        (h1.count() > 0).then_some(figures)
    }
}

fn parts([r, u1, u2, s, ..]: &[Moments; 12]) -> Parts<Figure> {
    Parts { r: r.into(), u1: u1.into(), u2: u2.into(), s: s.into() }
}

fn information([_, _, _, _, i1, i2, i12, ..]: &[Moments; 12]) -> Information<Figure> {
    Information { i1: i1.into(), i2: i2.into(), i12: i12.into() }
}
