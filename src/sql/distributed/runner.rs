//! What runs the plans of a session's queries elsewhere.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::optimizer::OptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

use crate::bundle::Bundle;
use crate::error::Result;
use crate::samples::OnMissingModality;

/// What became of a plan.
pub enum Rows {
    /// Its rows, partition after partition.
    Of(SendableRecordBatchStream),
    /// It can't leave this process, for this reason, and is to be run here.
    RunHere(String),
}

/// The models of a session, which its plans take along.
pub trait PlanModels {
    /// The bundles that queries have opened, by the folders or URLs that they were given.
    fn bundles(&self) -> Vec<(PathBuf, Arc<Bundle>)>;

    /// The treatment of rows that lack a modality.
    ///
    /// # Errors
    /// Where the session evaluates no models.
    fn on_missing(&self) -> Result<OnMissingModality>;

    /// Sets what stands for the models in a plan that leaves this process.
    fn set_reference(&self, reference: Vec<u8>);
}

/// Runs the physical plans of a session's queries on other machines.
#[async_trait(?Send)]
pub trait PlanRunner: Debug + Send + Sync {
    /// The configuration of sessions whose plans it runs.
    fn config(&self) -> SessionConfig;

    /// The optimizer rules of such sessions, given DataFusion's.
    fn optimizer_rules(
        &self,
        rules: &[Arc<dyn OptimizerRule + Send + Sync>],
    ) -> Vec<Arc<dyn OptimizerRule + Send + Sync>>;

    /// Runs a plan to its end.
    ///
    /// # Errors
    /// Those of one machine; [`Error::Transient`](crate::Error::Transient) where the machines are lost;
    /// [`Error::Interrupted`](crate::Error::Interrupted) where it was told to stop.
    async fn run(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        config: &SessionConfig,
        models: &dyn PlanModels,
        stop: &AtomicBool,
    ) -> Result<Rows>;
}

/// The runner of a session, an extension of its configuration.
#[derive(Debug)]
pub(in crate::sql) struct Runner(pub(in crate::sql) Arc<dyn PlanRunner>);
