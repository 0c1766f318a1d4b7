//! The first pass: a SQL query for the moments of every quantity by class, merged into those of the
//! data set.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::error::{Error, Place, Result};
use crate::interaction::{Moments, Subset};
use crate::sql::convert_error;

use super::annotated_files::AnnotatedFiles;
use super::numbers::{Class, Figure, Specificity};
use super::parts::{Atoms, Information, Parts, part_names};
use super::redundancy_cases::Cases;
use super::value_columns::ValueColumns;

/// Maximum number of classes. A column with more values is not a class label.
const MAX_CLASSES: usize = 10_000;

/// The quantities whose moments are computed for every class.
struct Quantities {
    modalities: usize,
    information: Vec<Subset>,
    /// Columns that are computed once for all quantities: name, and SQL over the columns of values.
    derived: Vec<(String, String)>,
    /// Name, and SQL over the columns of values and the derived ones.
    all: Vec<(String, String)>,
    /// SQL conditions of the cases that determine r; none where the columns do not tell them.
    cases: Vec<String>,
    /// Where the quantities begin that only some data sets have.
    bounds: Option<usize>,
    specificity: Option<usize>,
    atoms: Option<usize>,
}

impl Quantities {
    /// r, u1 … uM, s; the information of sets; the least and the largest of single modalities; h of
    /// each and h1 − h2; the atoms. Those that belong together are of complete rows only.
    fn of(values: &ValueColumns) -> Self {
        let modalities = values.modalities;
        let information = values.information();
        let mut all: Vec<(String, String)> =
            part_names(modalities).into_iter().map(|name| (name.to_owned(), name.to_owned())).collect();
        let name = |set: &Subset| format!("i_{set}");
        all.extend(information.iter().map(|(set, _)| (name(set), name(set))));
        let singles: Vec<String> =
            information.iter().filter(|(set, _)| set.len() == 1).map(|(set, _)| name(set)).collect();
        let bounds = (singles.len() == modalities).then_some(all.len());
        if bounds.is_some() {
            all.push(("least".to_owned(), of_complete(&format!("least({})", singles.join(", ")))));
            all.push(("most".to_owned(), of_complete(&format!("greatest({})", singles.join(", ")))));
        }
        let h = values.specificity();
        let specificity = (!h.is_empty()).then_some(all.len());
        if let [h1, h2] = h.as_slice() {
            all.push(("dh".to_owned(), format!("{h1} - {h2}")));
        }
        all.extend(h.into_iter().map(|name| (name.clone(), name)));
        let atoms = values.has_atoms.then_some(all.len());
        let atom = |node: usize| format!("atom_{node}");
        let of_atoms = values.atoms().into_iter().enumerate();
        let of_atoms: Vec<_> = of_atoms.map(|(node, column)| (atom(node), of_complete(&column))).collect();
        all.extend(of_atoms.iter().map(|(name, _)| (name.clone(), name.clone())));
        let sums = information.iter().map(|(set, sql)| (name(set), sql.clone()));
        let by_rank = part_names(modalities).into_iter().map(|part| (ranked(part), known_part(part)));
        let derived = sums.filter(|(name, sql)| name != sql).chain(of_atoms).chain(by_rank).collect();
        let information = information.into_iter().map(|(set, _)| set).collect();
        let cases = Cases::conditions(modalities, &values.single_information());
        Self { modalities, information, derived, all, cases, bounds, specificity, atoms }
    }

    /// The cases' names and SQL conditions.
    fn named_cases(&self) -> Vec<(String, String)> {
        let named = self.cases.iter().enumerate();
        named.map(|(place, condition)| (format!("case_{place}"), condition.clone())).collect()
    }

    fn parts(&self, moments: &[Moments]) -> Parts<Figure> {
        let parts = moments.iter().take(self.modalities + 2).map(Figure::from);
        Parts::from_values(parts).unwrap_or_default()
    }

    fn information(&self, moments: &[Moments]) -> Information<Figure> {
        let figures = moments.iter().skip(self.modalities + 2).map(Figure::from);
        Information::new(self.modalities, self.information.iter().copied().zip(figures))
    }
}

/// SQL of the values of complete rows.
fn of_complete(sql: &str) -> String {
    format!("CASE WHEN is_complete THEN {sql} END")
}

/// The name of a part's values by which rows are ranked.
fn ranked(part: &str) -> String {
    format!("ranked_{part}")
}

/// SQL of a part that is below all others where the row lacks it.
fn known_part(part: &str) -> String {
    format!("coalesce({part}, CAST('-Infinity' AS DOUBLE))")
}

/// Moments of a data set and its classes.
pub(super) struct DatasetMoments {
    /// Rows with values.
    pub(super) rows: u64,
    /// Rows that have all parts.
    pub(super) complete_rows: u64,
    pub(super) classes: Vec<Class>,
    pub(super) label_entropy_nats: Option<f64>,
    quantities: Quantities,
    moments: Vec<Moments>,
    cases: Option<Cases>,
}

/// One row of the query's result.
struct ClassRow {
    class: String,
    order: Option<f64>,
    count: u64,
    complete: u64,
    moments: Vec<Moments>,
    /// Rows of the cases.
    cases: Vec<u64>,
    dominant: Parts<u64>,
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
    let quantities = Quantities::of(&files.values);
    let frame = context.sql(&moments_query(tables, files, &quantities)).await.map_err(failed)?;
    let mut stream = frame.execute_stream().await.map_err(failed)?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        read(&batch.map_err(failed)?, &quantities, &mut rows)?;
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
    Ok(DatasetMoments::of(rows, quantities))
}

/// SQL for the moments by class over all inputs.
fn moments_query(tables: &[String], files: &AnnotatedFiles, quantities: &Quantities) -> String {
    let columns = files.values.read().into_iter().map(|name| format!(", {}", files.value(&name)));
    let columns: String = columns.collect();
    let each = tables.iter().zip(&files.path_columns).map(|(table, path)| {
        format!("SELECT {} AS class{columns} FROM {table}", path.label_sql(&files.label))
    });
    let rows = each.collect::<Vec<_>>().join(" UNION ALL ");
    let moments = quantities.all.iter().map(|(name, sql)| {
        format!(
            ", count({sql}) AS {name}_count, avg({sql}) AS {name}_mean, var_pop({sql}) AS {name}_var, \
             min({sql}) AS {name}_min, max({sql}) AS {name}_max"
        )
    });
    let derived: String = quantities.derived.iter().map(|(name, sql)| format!(", {sql} AS {name}")).collect();
    let parts = part_names(files.values.modalities);
    let cases = quantities.named_cases().into_iter();
    let cases = cases.map(|(name, condition)| (name, format!("is_complete AND ({condition})")));
    let conditions = cases.chain(dominant_conditions(&parts));
    let counts = conditions
        .map(|(name, condition)| format!(", sum(CASE WHEN {condition} THEN 1 ELSE 0 END) AS {name}"));
    format!(
        "SELECT class, count(*) AS n, sum(CASE WHEN is_complete THEN 1 ELSE 0 END) AS n_complete{}{} FROM \
         (SELECT *{derived} FROM (SELECT *, {} AS is_complete FROM ({rows}) AS v WHERE {}) AS w) AS t GROUP BY class",
        moments.collect::<String>(),
        counts.collect::<String>(),
        is_complete(&parts),
        files.values.is_computed()
    )
}

/// SQL condition of a row with values that lacks no modality.
fn is_complete(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("{part} IS NOT NULL")).collect::<Vec<_>>().join(" AND ")
}

/// For every part but the last the SQL condition that it is the largest, the first of equal ones.
fn dominant_conditions(parts: &[&str]) -> Vec<(String, String)> {
    let condition = |at: usize, part: &str| {
        let others = parts.iter().enumerate().filter(|(other, _)| *other != at);
        let each = others.map(|(other, name)| {
            format!("{} {} {}", ranked(part), if other < at { ">" } else { ">=" }, ranked(name))
        });
        (format!("most_{part}"), each.collect::<Vec<_>>().join(" AND "))
    };
    let but_last = parts.len().saturating_sub(1);
    parts.iter().enumerate().take(but_last).map(|(at, part)| condition(at, part)).collect()
}

fn read(batch: &RecordBatch, quantities: &Quantities, rows: &mut Vec<ClassRow>) -> Result<()> {
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
    let parts = part_names(quantities.modalities);
    for row in 0..batch.num_rows() {
        let n = count("n", row)?;
        let moments = quantities.all.iter().map(|(name, _)| {
            let of = |what: &str| number(&format!("{name}_{what}"), row);
            let rows = count(&format!("{name}_count"), row)? as f64;
            Ok(Moments::from_state([rows, of("mean")?, of("var")? * rows, of("min")?, of("max")?]))
        });
        let counts = |conditions: Vec<(String, String)>| {
            conditions.iter().map(|(name, _)| count(name, row)).collect::<Result<Vec<u64>>>()
        };
        let dominant = counts(dominant_conditions(&parts))?;
        let others = n.saturating_sub(dominant.iter().sum());
        rows.push(ClassRow {
            class: class_name(class, row)?,
            order: order.filter(|order| order.is_valid(row)).map(|order| order.value(row)),
            count: n,
            complete: count("n_complete", row)?,
            moments: moments.collect::<Result<_>>()?,
            cases: counts(quantities.named_cases())?,
            dominant: Parts::from_values(dominant.into_iter().chain([others])).ok_or_else(mismatch)?,
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
    fn of(rows: Vec<ClassRow>, quantities: Quantities) -> Self {
        let mut moments = vec![Moments::default(); quantities.all.len()];
        let mut cases = (!quantities.cases.is_empty()).then(Cases::default);
        let total: u64 = rows.iter().map(|row| row.count).sum();
        let complete: u64 = rows.iter().map(|row| row.complete).sum();
        // That of the rows whose information it bounds.
        let of_entropy = |row: &ClassRow| if complete > 0 { row.complete } else { row.count };
        let rows_of_entropy = rows.iter().map(of_entropy).sum::<u64>() as f64;
        let mut entropy = 0.0;
        for row in &rows {
            for (all, one) in moments.iter_mut().zip(&row.moments) {
                all.merge(one);
            }
            if let (Some(cases), Some(of_class)) = (&mut cases, Cases::of(row.complete, &row.cases)) {
                cases.merge(&of_class);
            }
            let share = of_entropy(row) as f64 / rows_of_entropy;
            if share > 0.0 {
                entropy -= share * share.ln();
            }
        }
        let classes = rows.into_iter().map(|row| Class {
            class: row.class,
            rows: row.count,
            parts: quantities.parts(&row.moments),
            information: quantities.information(&row.moments),
            dominant: row.dominant,
        });
        Self {
            rows: total,
            complete_rows: complete,
            classes: classes.collect(),
            label_entropy_nats: (total > 0).then_some(entropy.max(0.0)),
            quantities,
            moments,
            cases,
        }
    }

    pub(super) fn parts(&self) -> Parts<Figure> {
        self.quantities.parts(&self.moments)
    }

    pub(super) fn information(&self) -> Information<Figure> {
        self.quantities.information(&self.moments)
    }

    /// The atoms of all nodes, where the files have their columns.
    pub(super) fn atoms(&self) -> Option<Atoms<Figure>> {
        let atoms = self.moments.get(self.quantities.atoms?..)?;
        Some(Atoms::new(self.quantities.modalities, atoms.iter().map(Figure::from)))
    }

    /// Rows by the case that determined r; `None` where u1 and u2 are shifted, or the columns do not tell it.
    pub(super) fn cases(&self, is_adjusted: bool) -> Option<Cases> {
        self.cases.clone().filter(|_| self.complete_rows > 0 && !is_adjusted)
    }

    pub(super) fn bounds(&self, is_adjusted: bool) -> Option<[f64; 2]> {
        let at = self.quantities.bounds.filter(|_| !is_adjusted)?;
        Some([self.moments.get(at)?.mean()?, self.moments.get(at + 1)?.mean()?])
    }

    pub(super) fn specificity(&self) -> Option<Specificity> {
        let (at, modalities) = (self.quantities.specificity?, self.quantities.modalities);
        // Of two modalities the difference stands before them.
        let (difference, first) = if modalities == 2 { (self.moments.get(at), at + 1) } else { (None, at) };
        let h = self.moments.get(first..first + modalities)?;
        (h.iter().all(|moments| moments.count() > 0)).then(|| Specificity {
            h: h.iter().map(Figure::from).collect(),
            difference: difference.map(Figure::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_part_is_the_first_of_equal_ones() {
        let conditions = |modalities: usize| {
            let all = dominant_conditions(&part_names(modalities));
            all.into_iter().map(|(name, sql)| format!("{name}: {sql}")).collect::<Vec<_>>()
        };
        assert_eq!(
            conditions(2),
            [
                "most_r: ranked_r >= ranked_u1 AND ranked_r >= ranked_u2 AND ranked_r >= ranked_s",
                "most_u1: ranked_u1 > ranked_r AND ranked_u1 >= ranked_u2 AND ranked_u1 >= ranked_s",
                "most_u2: ranked_u2 > ranked_r AND ranked_u2 > ranked_u1 AND ranked_u2 >= ranked_s"
            ]
        );
        assert!(conditions(3)[3].ends_with("ranked_u3 > ranked_u2 AND ranked_u3 >= ranked_s"));
    }
}
