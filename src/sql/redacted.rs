//! Results that repeat statements or name their files: plans, `information_schema` and what SHOW makes of
//! it, and titles of columns. Files named by URL appear in them without the URL's secrets.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::format::ExplainFormat;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

use crate::printable::redact;

/// Whether the rows of a plan tell how tables and views are defined, or another plan.
pub(super) fn tells_definitions(plan: &LogicalPlan) -> bool {
    let mut tells = false;
    // The visitor is infallible.
    let _ = plan.apply_with_subqueries(|node| {
        tells |= match node {
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => true,
            LogicalPlan::TableScan(scan) => scan.table_name.schema() == Some("information_schema"),
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    tells
}

/// The plan of a result that can be searched for URLs: a tree breaks them into lines.
pub(super) fn unbroken(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Explain(mut explain) if has_secret(&explain.plan.display_indent().to_string()) => {
            explain.explain_format = ExplainFormat::Indent;
            LogicalPlan::Explain(explain)
        }
        plan => plan,
    }
}

/// The rows without the secrets of URLs in their texts.
pub(super) fn without_secrets(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => redacted(column),
        _ => Ok(Arc::clone(column)),
    });
    RecordBatch::try_new(batch.schema(), columns.collect::<Result<_, _>>()?)
}

fn redacted(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let texts = cast(column, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>().iter().map(|text| text.map(redact));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    cast(&texts, column.data_type())
}

/// The title of a column.
pub(super) fn title(name: &str) -> Cow<'_, str> {
    if name.contains("://") { redact(name) } else { Cow::Borrowed(name) }
}

/// Whether a title or a plan holds a secret.
pub(super) fn has_secret(text: &str) -> bool {
    title(text) != text
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Format, Layout, Session, SqlRequest};
    #[test]
    fn statements_are_told_without_secrets() {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let run = |sql: &str| {
            let mut out = Vec::new();
            let layout = Layout { format: Format::Ndjson, ..Layout::default() };
            session.run(sql, &layout, &mut out, &AtomicBool::new(false)).unwrap();
            String::from_utf8(out).unwrap()
        };
        let url = "https://me:HUSH@host/a.parquet?sig=HUSH";
        run(&format!("CREATE VIEW v AS SELECT '{url}' AS a"));
        for sql in [
            "SELECT definition FROM information_schema.views".to_owned(),
            "SHOW CREATE TABLE v".to_owned(),
            "SHOW TABLES".to_owned(),
            format!("EXPLAIN SELECT '{url}' || value FROM generate_series(1, 2)"),
            format!("EXPLAIN ANALYZE SELECT '{url}' || value FROM generate_series(1, 2)"),
            format!("EXPLAIN FORMAT TREE SELECT '{url}' || value FROM generate_series(1, 2)"),
            format!("SELECT 1 AS \"sum({url})\""),
        ] {
            let told = run(&sql);
            assert!(!told.contains("HUSH") && !told.is_empty(), "{sql}: {told}");
        }
        // Data are exact.
        assert!(run("SELECT a FROM v").contains(url));
    }
}
