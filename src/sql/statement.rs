//! Statements run one after another, each one's rows streamed to the writer.

use std::io::Write;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::DFParser;
use futures::StreamExt;

use super::failure::explain;
use super::output::Layout;
use crate::error::{Error, Place, Result};

/// Runs the statements in `sql` in order and writes the rows of each. Rows leave as
/// they come: memory holds one batch, or what the layout must see at once.
///
/// # Errors
/// The first statement that fails ends the run; see [`explain`]. What was written
/// before stays written.
pub async fn execute(
    context: &SessionContext,
    sql: &str,
    layout: &Layout,
    out: &mut dyn Write,
) -> Result<()> {
    let statements = DFParser::parse_sql(sql).map_err(|e| explain(e, ""))?;
    if statements.is_empty() {
        return Err(Error::Usage("the query is empty; give SQL, or a file of it with -f".to_owned()));
    }
    for statement in statements {
        let plan = context.state().statement_to_plan(statement).await.map_err(|e| explain(e, ""))?;
        let inputs = inputs(&plan);
        let frame = context.execute_logical_plan(plan).await.map_err(|e| explain(e, &inputs))?;
        let stream = frame.execute_stream().await.map_err(|e| explain(e, &inputs))?;
        print(stream, &inputs, layout, out).await?;
    }
    out.flush().map_err(writing)
}

/// Writes one statement's rows; nothing for a statement that has no columns.
async fn print(
    mut stream: SendableRecordBatchStream,
    inputs: &str,
    layout: &Layout,
    out: &mut dyn Write,
) -> Result<()> {
    let schema = stream.schema();
    let mut rows = layout.rows(schema.clone());
    let mut text = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| explain(e, inputs))?;
        rows.add(&batch, &mut text).map_err(|e| explain(e.into(), inputs))?;
        out.write_all(&text).map_err(writing)?;
        text.clear();
        if rows.is_full() {
            break;
        }
    }
    if !schema.fields().is_empty() {
        rows.finish(&mut text).map_err(|e| explain(e.into(), inputs))?;
        out.write_all(&text).map_err(writing)?;
    }
    Ok(())
}

fn writing(source: std::io::Error) -> Error {
    Error::io(Place::file("the query's output"), "write", source)
}

/// The names of the tables that a plan reads.
fn inputs(plan: &LogicalPlan) -> String {
    let mut names: Vec<String> = Vec::new();
    // The visitor itself never fails, so neither does the walk.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let name = scan.table_name.table().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    });
    names.join(" or ")
}
