//! Queries on a cluster: a session's plans become jobs, whose rows are fetched from the executors, partition
//! after partition.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ballista_core::optimizer::with_ballista_optimizer_rules;
use ballista_core::serde::protobuf::PartitionLocation;
use datafusion::optimizer::OptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use tokio::runtime::Runtime;

use crate::bundle::Bundle;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Result};
use crate::sql::distributed::{PlanModels, PlanRunner, Rows};
use crate::threads::runtime;

use super::address::{ClusterAddress, HostPort};
use super::bundle_parts;
use super::client::{Client, encode};
use super::job::EngineRequest;
use super::local::LocalCluster;
use super::query_models::QueryModels;
use super::query_rows;
use super::session::config_with;
use super::status;
use super::tls::Tls;

/// Partitions of a stage for each executor of a cluster, whose slots are not known.
const PARTITIONS_AN_EXECUTOR: usize = 4;
/// Times that a query is begun, where executors are lost on the way.
const MOST_TRIES: usize = 5;
/// The pause before a query is begun again.
const PAUSE: Duration = Duration::from_millis(500);

/// A cluster that runs the queries of sessions.
pub struct QueryCluster {
    address: HostPort,
    partitions: usize,
    engine: EngineRequest,
    tls: Option<Tls>,
    /// The places of the parts of bundles that travel, by hash.
    sent: Mutex<HashMap<String, PartitionLocation>>,
    _local: Option<Local>,
}

/// A cluster in this process.
struct Local {
    cluster: LocalCluster,
    runtime: Option<Runtime>,
}

impl Drop for Local {
    fn drop(&mut self) {
        self.cluster.end(Duration::ZERO);
        // It may be dropped by one of another runtime's threads, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for QueryCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryCluster").field("address", &self.address).finish_non_exhaustive()
    }
}

impl QueryCluster {
    /// A cluster by its address. A stage of a query has `partitions`, by default some for each executor.
    ///
    /// # Errors
    /// [`Error::Transient`] where the scheduler does not answer; of finding the engine of a local cluster;
    /// [`Error::Io`]; [`Error::NoThread`].
    pub fn open(
        address: &ClusterAddress,
        engine: &EngineOptions,
        find_engine: &dyn Fn() -> Result<Engine>,
        partitions: Option<NonZeroUsize>,
        tls: Option<Tls>,
    ) -> Result<Self> {
        let (address, executors, local) = match address {
            ClusterAddress::Scheduler(address) => {
                let executors = status::executors(address, tls.as_ref())?;
                match executors {
                    0 => tracing::warn!(
                        "{address} has no executor yet; queries wait two minutes for one: start `lsmi-etl cluster executor`"
                    ),
                    1 => tracing::info!("{address} has 1 executor"),
                    executors => tracing::info!("{address} has {executors} executors"),
                }
                let executors = usize::try_from(executors).unwrap_or(usize::MAX).max(1);
                (address.clone(), executors.saturating_mul(PARTITIONS_AN_EXECUTOR), None)
            }
            ClusterAddress::Local(executors) => {
                let found = find_engine()?;
                let runtime = runtime(None, "cluster")?;
                let cluster = runtime.block_on(LocalCluster::start(*executors, &found, engine))?;
                let local = Local { cluster, runtime: Some(runtime) };
                (local.cluster.address.clone(), executors.get().into(), Some(local))
            }
        };
        Ok(Self {
            address,
            partitions: partitions.map_or(executors, NonZeroUsize::get),
            engine: EngineRequest::of(engine),
            // The parts of one process are reached by nobody else.
            tls: tls.filter(|_| local.is_none()),
            sent: Mutex::default(),
            _local: local,
        })
    }

    /// Sends the bundles that travel and that are not sent yet, and makes the reference of all.
    async fn models(
        &self,
        client: &mut Client,
        of: &dyn PlanModels,
        stop: &AtomicBool,
    ) -> Result<QueryModels> {
        let mut models = QueryModels::new(self.engine.clone(), of.on_missing()?);
        for (asked, bundle) in of.bundles() {
            let known = self.sent().get(bundle.digest()).cloned();
            let place = match known {
                Some(place) => Some(place),
                None => self.send(client, &bundle, stop).await?,
            };
            models.add(asked, &bundle, place.as_ref())?;
        }
        Ok(models)
    }

    async fn send(
        &self,
        client: &mut Client,
        bundle: &Bundle,
        stop: &AtomicBool,
    ) -> Result<Option<PartitionLocation>> {
        let Some(files) = bundle_parts::travelling_files(bundle)? else {
            tracing::info!("executors open the bundle themselves: {}", bundle.dir().display());
            return Ok(None);
        };
        let plan = bundle_parts::source(&files);
        let plan = plan.map_err(|e| Error::Internal(format!("the parts of a bundle: {e}")))?;
        let place = client.run(&plan, stop, &|| {}).await?.pop();
        if let Some(place) = &place {
            self.sent().insert(bundle.digest().to_owned(), place.clone());
        }
        Ok(place)
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, HashMap<String, PartitionLocation>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait(?Send)]
impl PlanRunner for QueryCluster {
    fn config(&self) -> SessionConfig {
        let mut config = config_with(self.tls.as_ref()).with_target_partitions(self.partitions);
        // As on one machine: joins by sorting take -0.0 and 0.0 apart.
        config.options_mut().optimizer.prefer_hash_join = true;
        config
    }

    fn optimizer_rules(
        &self,
        rules: &[Arc<dyn OptimizerRule + Send + Sync>],
    ) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        with_ballista_optimizer_rules(rules)
    }

    async fn run(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        config: &SessionConfig,
        models: &dyn PlanModels,
        stop: &AtomicBool,
    ) -> Result<Rows> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut client = Client::connect(&self.address, self.tls.as_ref()).await?;
            let travelling = self.models(&mut client, models, stop).await?;
            models.set_reference(travelling.encode()?);
            let encoded = match encode(plan) {
                Ok(encoded) => encoded,
                Err(why) => {
                    tracing::debug!("{why}");
                    return Ok(Rows::RunHere("Ballista can't send its plan".to_owned()));
                }
            };
            match client.run_query(encoded, config, stop).await {
                Err(error @ Error::ExecutorLost { .. }) if tries < MOST_TRIES => {
                    tracing::warn!("{error}: the query is begun again");
                    self.sent().clear();
                    client.leave().await;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
                Ok((job, places)) => {
                    return Ok(Rows::Of(query_rows::stream(plan.schema(), client, job, places)));
                }
            }
        }
    }
}
