//! The statement `SUMMARIZE table` or `SUMMARIZE SELECT …`, as in duckdb: a row for each column with its type, its
//! range and moments. It is rewritten as one aggregation over the rows.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::LogicalPlan;

use crate::error::{Error, Result};
use crate::printable::quoted_name;

use super::errors::convert_error;
use super::parse::parse;
use super::session::StoppableRun;

/// Titles of the columns of the result behind the name and the type, which are texts.
const TITLES: [&str; 10] =
    ["min", "max", "approx_unique", "avg", "std", "q25", "q50", "q75", "count", "null_percentage"];

/// The plan of the summary of `rows`, as they stand behind FROM, whose plan is `of`.
///
/// # Errors
/// Of planning.
pub(super) fn summarize(run: &StoppableRun<'_>, rows: &str, of: &LogicalPlan) -> Result<LogicalPlan> {
    let fields = of.schema().as_arrow().fields();
    let query = query_of(rows, fields.iter().map(AsRef::as_ref));
    let Some(statement) = parse(&query)?.pop_front() else {
        return Err(Error::Internal("the query of a summary is empty".to_owned()));
    };
    let context = run.session().context();
    let plan = async { context.state().statement_to_plan(statement).await };
    run.block_on(plan)?.map_err(|e| convert_error(e, ""))
}

fn query_of<'a>(rows: &str, fields: impl Iterator<Item = &'a Field>) -> String {
    let (mut names, mut types) = (Vec::new(), Vec::new());
    let mut aggregates = Vec::new();
    let mut columns = vec![Vec::new(); TITLES.len()];
    for (place, field) in fields.enumerate() {
        names.push(text(field.name()));
        types.push(text(&field.data_type().to_string()));
        for (title, sql) in figures(field).into_iter().enumerate() {
            let name = format!("c{place}_{title}");
            aggregates.push(format!("{sql} AS {name}"));
            if let Some(column) = columns.get_mut(title) {
                column.push(name);
            }
        }
    }
    let titled = TITLES.iter().zip(columns);
    let titled = titled.map(|(title, names)| format!(", unnest([{}]) AS {title}", names.join(", ")));
    format!(
        "SELECT unnest([{}]) AS column_name, unnest([{}]) AS column_type{} FROM (SELECT {} FROM {rows})",
        names.join(", "),
        types.join(", "),
        titled.collect::<String>(),
        aggregates.join(", ")
    )
}

/// SQL of each of the titles.
fn figures(field: &Field) -> [String; TITLES.len()] {
    let column = quoted_name(field.name());
    let (none, no_text) = ("CAST(NULL AS DOUBLE)".to_owned(), "CAST(NULL AS VARCHAR)".to_owned());
    let data_type = field.data_type();
    let is_number = data_type.is_numeric();
    let of = |function: &str, value: &str| format!("CAST({function}({value}) AS VARCHAR)");
    let number = |function: &str| match is_number {
        true => format!("{function}(CAST({column} AS DOUBLE))"),
        false => none.clone(),
    };
    let quantile = |at: &str| match is_number {
        true => format!("approx_percentile_cont({at}) WITHIN GROUP (ORDER BY CAST({column} AS DOUBLE))"),
        false => none.clone(),
    };
    let (min, max, unique) = match data_type {
        // Of lists, such as embeddings, their lengths.
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let length = format!("array_length({column})");
            (of("min", &length), of("max", &length), "CAST(NULL AS BIGINT UNSIGNED)".to_owned())
        }
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) | DataType::Null => {
            (no_text.clone(), no_text, "CAST(NULL AS BIGINT UNSIGNED)".to_owned())
        }
        _ => (of("min", &column), of("max", &column), format!("approx_distinct(CAST({column} AS VARCHAR))")),
    };
    let nulls = format!("round(100.0 * (count(*) - count({column})) / nullif(count(*), 0), 2)");
    [
        min,
        max,
        unique,
        number("avg"),
        number("stddev"),
        quantile("0.25"),
        quantile("0.5"),
        quantile("0.75"),
        format!("count({column})"),
        nulls,
    ]
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Format, Layout, Session, SqlRequest};
    use super::*;

    fn csv(sql: &str) -> Result<String> {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let layout = Layout { format: Format::Csv, ..Layout::default() };
        let view = "CREATE VIEW v AS SELECT value AS n, CASE WHEN value < 3 THEN 'a' END AS t, [1.0, 2.0, 3.0] AS x, \
                    value > 2 AS b, {'f': 1} AS s FROM generate_series(1, 4)";
        let go = AtomicBool::new(false);
        session.run(&view.replace("{'f': 1}", "struct(1, 2)"), &layout, &mut Vec::new(), &go).unwrap();
        let mut out = Vec::new();
        session.run(sql, &layout, &mut out, &go)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_column_is_a_row() {
        for sql in ["SUMMARIZE v", "summarize\nSELECT * FROM v;", " SUMMARIZE v ; -- all"] {
            let text = csv(sql).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines[0], format!("column_name,column_type,{}", TITLES.join(",")), "{sql}");
            assert!(lines[1].starts_with("n,Int64,1,4,4,2.5,1.29"), "{text}");
            assert!(lines[1].ends_with(",4,0.0"), "{text}");
            assert!(lines[2].starts_with("t,Utf8") && lines[2].ends_with("a,a,1,,,,,,2,50.0"), "{text}");
            assert!(lines[3].contains(",3,3,,,,,,,4,0.0"), "{text}");
            assert_eq!(lines[4], "b,Boolean,false,true,2,,,,,,4,0.0");
            assert_eq!(lines.len(), 6);
        }
    }

    #[test]
    fn it_is_one_of_several_statements() {
        let text = csv("SELECT 1 AS one; SUMMARIZE SELECT t FROM v; SELECT 2 AS two").unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["one", "1"]);
        assert!(lines[3].starts_with("t,Utf8"), "{text}");
        assert_eq!(lines[4..], ["two", "2"]);
    }

    #[test]
    fn columns_may_be_named_as_words_of_sql() {
        let text = csv("SUMMARIZE SELECT n AS \"order\", t AS \"Group\" FROM v").unwrap();
        assert!(text.contains("\norder,Int64,1,4") && text.contains("\nGroup,Utf8"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = csv("SUMMARIZE w").unwrap_err();
        assert!(error.to_string().starts_with("there is no table w"), "{error}");
    }
}
