//! The functions that SQL has beyond DataFusion's:
//!
//! | function | gives |
//! |---|---|
//! | `lsmi(x1, x2, y[, 'bundle'])` | a struct of r, u1, u2, s, i1, i2, i12, h1, h2 (f32, nats) by the bundle's models; null where the row is bad |
//! | `lsmi_r(x1, x2, y[, 'bundle'])`, `lsmi_u1`, `lsmi_u2`, `lsmi_s`, `lsmi_i1`, `lsmi_i2`, `lsmi_i12`, `lsmi_h1`, `lsmi_h2` | one of its fields |
//! | `dominant(r, u1, u2, s)` | 'redundancy', 'unique_1', 'unique_2' or 'synergy': the largest |
//! | `lsmi_summary(r, u1, u2, s)` | an aggregate: a struct of rows, nulls, means, standard errors and shares |
//!
//! [`register`] gives them to any DataFusion session. The models run once a row in a
//! query, however many fields it asks for and wherever: in SELECT, WHERE, GROUP BY,
//! ORDER BY or window functions, and for a row that a filter on other columns lets
//! through. A field in one branch of a CASE is computed for the rows of all branches.
//! In a join's condition, in grouping sets and in correlated subqueries every call
//! runs by itself.

mod dominant;
mod exec;
mod models;
mod node;
mod once;
mod pool;
mod scalar;
mod summary;
mod unread;

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

use self::models::Registry;

pub use models::Models;

/// The functions of a session.
#[derive(Debug, Clone)]
pub struct Functions(Arc<Registry>);

impl Functions {
    /// Rows that models have been run on since [`register`].
    pub fn rows_evaluated(&self) -> u64 {
        self.0.rows()
    }
}

/// Gives a session the functions. Bundles and the engine are opened when a query first
/// needs them; a bundle is read once.
///
/// Beside the functions the session gets two rules, which make the models run once a
/// row or, where nothing of them is read, not at all, and a query planner for the
/// operator they run in. Queries without `lsmi` are planned by the planner that the
/// session had. Registering again replaces the models.
///
/// # Examples
///
/// A complete program (in `Cargo.toml`: `lsmi-etl`, `datafusion` and `tokio`) that asks
/// a bundle about files that nobody has annotated:
///
/// ```no_run
/// use datafusion::prelude::{ParquetReadOptions, SessionContext};
/// use lsmi_etl::sql::{Models, register};
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let context = SessionContext::new();
///     let functions = register(&context, Models { bundle: "lsmi-bundle".into(), ..Models::default() });
///     context.register_parquet("samples", "samples.parquet", ParquetReadOptions::default()).await?;
///     let query = "SELECT id, lsmi_r(image, text, label) AS r, lsmi_s(image, text, label) AS s
///                  FROM samples WHERE lsmi_i12(image, text, label) < -1 ORDER BY s LIMIT 20";
///     context.sql(query).await?.show().await?;
///     println!("the models saw {} rows", functions.rows_evaluated());
///     Ok(())
/// }
/// ```
///
/// The other two need no bundle:
///
/// ```
/// use datafusion::prelude::SessionContext;
/// use lsmi_etl::sql::{Models, register};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = SessionContext::new();
/// register(&context, Models::default());
/// let query = "SELECT dominant(r, u1, u2, s) AS mostly, lsmi_summary(r, u1, u2, s)['rows'] AS rows
///              FROM (VALUES (1.4, 0.1, -0.2, 0.3), (1.1, 0.2, 0.0, 0.4), (0.1, 0.0, 0.2, 0.7)) AS t(r, u1, u2, s)
///              GROUP BY 1 ORDER BY 1";
/// let batches = context.sql(query).await?.collect().await?;
/// let table = datafusion::arrow::util::pretty::pretty_format_batches(&batches)?.to_string();
/// assert!(table.contains("| redundancy | 2    |"), "{table}");
/// assert!(table.contains("| synergy    | 1    |"), "{table}");
/// # Ok(())
/// # }
/// ```
pub fn register(context: &SessionContext, models: Models) -> Functions {
    let registry = Arc::new(Registry::new(models));
    for function in scalar::Lsmi::all(&registry) {
        context.register_udf(function);
    }
    context.register_udf(ScalarUDF::new_from_impl(dominant::Dominant::new()));
    context.register_udaf(AggregateUDF::new_from_impl(summary::LsmiSummary::new()));

    let state = context.state_ref();
    let mut state = state.write();
    if !state.analyzer().rules.iter().any(|rule| rule.name() == once::Once::NAME) {
        let id = state.session_id().to_owned();
        let planner = node::Planner { before: Arc::clone(state.query_planner()) };
        *state = SessionStateBuilder::new_from_existing(state.clone())
            .with_session_id(id)
            .with_analyzer_rule(Arc::new(once::Once))
            .with_optimizer_rule(Arc::new(unread::DeferredSamples))
            .with_query_planner(Arc::new(planner))
            .build();
    }
    Functions(registry)
}
