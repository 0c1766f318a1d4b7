//! SQL functions that this program adds to DataFusion's:
//!
//! | function | result |
//! |---|---|
//! | `lsmi(x1, x2, y[, 'bundle'])` | a struct of r, u1, u2, s, i1, i2, i12, h1, h2 (f32, nats) by the bundle's models; null where the row is bad, a field also where the row lacks a modality that it is of |
//! | `lsmi_r(x1, x2, y[, 'bundle'])`, `lsmi_u1`, `lsmi_u2`, `lsmi_s`, `lsmi_i1`, `lsmi_i2`, `lsmi_i12`, `lsmi_h1`, `lsmi_h2` | one of its fields |
//! | `dominant(r, u1, u2, s)` | 'redundancy', 'unique_1', 'unique_2' or 'synergy': the largest |
//! | `lsmi_summary(r, u1, u2, s)` | an aggregate: a struct of rows, nulls, means, standard errors and shares |
//! | `lsmi_check(r, u1, u2, s, i1, i2, i12)` | the largest difference between the i and the sums of parts that they are |
//!
//! Of three modalities they are `lsmi(x1, x2, x3, y)`, a struct of r, u1, u2, u3, s, i_1 … i_123,
//! h_1 … h_23, with `lsmi_u3`, `lsmi_i_123` and so on; `dominant` and `lsmi_summary` of r, u1, u2, u3, s;
//! `lsmi_check` of the 18 atoms and of i_1 … i_123. Of four likewise. The number of modalities is that of
//! the embeddings, or follows from the number of arguments.
//!
//! A row that lacks a modality is bad, or has the values of the others ([`ModelOptions::on_missing`]), as in
//! annotated files: parts that it does not have are null, which `dominant`, `lsmi_summary` and `lsmi_check`
//! leave out.
//!
//! [`register`] adds them to any DataFusion session. A query evaluates the models once a row, for
//! any number of fields in SELECT, WHERE, GROUP BY, ORDER BY and window functions, and only for
//! rows that pass the filters on other columns. A field in one branch of a CASE is computed for
//! the rows of all branches. In a join condition, in grouping sets and in correlated subqueries
//! each call is evaluated separately.

mod ahead;
mod call;
mod check;
mod dominant;
mod drop_unread;
mod estimator;
mod evaluate_once;
mod exec;
mod model_source;
mod models;
mod node;
mod planner;
mod scalar;
mod session_pool;
mod summary;

#[cfg(feature = "cluster")]
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

#[cfg(feature = "cluster")]
use crate::bundle::Bundle;
use crate::error::Error;
#[cfg(feature = "cluster")]
use crate::samples::OnMissingModality;

#[cfg(not(feature = "cluster"))]
use self::models::ModelRegistry;
#[cfg(feature = "cluster")]
use super::distributed::PlanModels;

#[cfg(feature = "cluster")]
pub(super) use self::{exec::LsmiExec, models::ModelRegistry, scalar::LsmiFunction};

pub use model_source::{ModelOptions, ModelSource};

/// A handle to a session's functions.
#[derive(Debug, Clone)]
pub struct Functions(Arc<ModelRegistry>);

impl Functions {
    /// Rows evaluated by models since [`register`].
    pub fn rows_evaluated(&self) -> u64 {
        self.0.rows()
    }

    /// What is off about the rows evaluated since the last call, as an error for each bundle: the models
    /// do not describe them.
    pub fn take_shifts(&self) -> Vec<Error> {
        self.0.take_shifts()
    }
}

#[cfg(feature = "cluster")]
impl PlanModels for Functions {
    fn bundles(&self) -> Vec<(PathBuf, Arc<Bundle>)> {
        self.0.bundles()
    }

    fn on_missing(&self) -> crate::Result<OnMissingModality> {
        self.0.on_missing()
    }

    fn set_reference(&self, reference: Vec<u8>) {
        self.0.set_reference(reference);
    }
}

/// `dominant(r, u1, …, s)`.
pub(super) fn dominant() -> ScalarUDF {
    ScalarUDF::new_from_impl(dominant::Dominant::new())
}

/// `lsmi_check(…)`.
pub(super) fn lsmi_check() -> ScalarUDF {
    ScalarUDF::new_from_impl(check::LsmiCheck::new())
}

/// `lsmi_summary(r, u1, …, s)`.
pub(super) fn lsmi_summary() -> AggregateUDF {
    AggregateUDF::new_from_impl(summary::LsmiSummary::new())
}

/// Registers the functions in a session. The first query that needs a bundle or the engine opens
/// it; each bundle is read once.
///
/// The session also gets an analyzer rule (the models are evaluated once a row), an optimizer rule
/// (and not at all where no column of theirs is read) and a query planner for the operator. The
/// session's previous planner keeps planning queries without `lsmi`. A second registration
/// replaces the models.
///
/// # Examples
///
/// A complete program (in `Cargo.toml`: `lsmi-etl`, `datafusion` and `tokio`) that evaluates a
/// bundle on files that are not annotated:
///
/// ```no_run
/// use datafusion::prelude::{ParquetReadOptions, SessionContext};
/// use lsmi_etl::sql::{ModelOptions, register};
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let context = SessionContext::new();
///     let functions = register(&context, ModelOptions { bundle: "lsmi-bundle".into(), ..ModelOptions::default() });
///     context.register_parquet("samples", "samples.parquet", ParquetReadOptions::default()).await?;
///     let query = "SELECT id, lsmi_r(image, text, label) AS r, lsmi_s(image, text, label) AS s
///                  FROM samples WHERE lsmi_i12(image, text, label) < -1 ORDER BY s LIMIT 20";
///     context.sql(query).await?.show().await?;
///     println!("the models evaluated {} rows", functions.rows_evaluated());
///     Ok(())
/// }
/// ```
///
/// The other functions need no bundle:
///
/// ```
/// use datafusion::prelude::SessionContext;
/// use lsmi_etl::sql::{ModelOptions, register};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = SessionContext::new();
/// register(&context, ModelOptions::default());
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
pub fn register(context: &SessionContext, models: ModelOptions) -> Functions {
    let registry = Arc::new(ModelRegistry::of_options(models));
    for function in scalar::LsmiFunction::all(&registry) {
        context.register_udf(function);
    }
    context.register_udf(dominant());
    context.register_udf(lsmi_check());
    context.register_udaf(lsmi_summary());

    let state = context.state_ref();
    let mut state = state.write();
    if !state.analyzer().rules.iter().any(|rule| rule.name() == evaluate_once::EvaluateOnce::NAME) {
        let id = state.session_id().to_owned();
        let planner = planner::LsmiQueryPlanner { previous: Arc::clone(state.query_planner()) };
        *state = SessionStateBuilder::new_from_existing(state.clone())
            .with_session_id(id)
            .with_analyzer_rule(Arc::new(evaluate_once::EvaluateOnce))
            .with_optimizer_rule(Arc::new(drop_unread::DropUnread))
            .with_query_planner(Arc::new(planner))
            .build();
    }
    Functions(registry)
}
