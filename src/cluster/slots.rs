//! The slots of executors: Ballista's account, corrected by the tasks that run. Ballista gives no slot back of
//! a task whose stage was rolled back when another executor was lost, so that an executor of one slot would
//! never get a task again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::error::Result;
use ballista_core::serde::protobuf::ExecutorHeartbeat;
use ballista_core::serde::scheduler::{ExecutorData, ExecutorMetadata};
use ballista_scheduler::cluster::memory::InMemoryClusterState;
use ballista_scheduler::cluster::{BoundTask, ClusterState, ClusterStateEventStream, ExecutorSlot};
use ballista_scheduler::config::TaskDistributionPolicy;
use ballista_scheduler::state::task_manager::JobInfoCache;
use tokio::sync::Mutex;

/// Ballista's state of executors, with an account of its own of the slots in use.
#[derive(Default)]
pub(super) struct CountedSlots {
    ballista: InMemoryClusterState,
    /// The slots in use by executor.
    used: Mutex<HashMap<String, u32>>,
}

/// The slots that the running tasks of jobs have, by executor.
async fn running(jobs: &HashMap<JobId, JobInfoCache>) -> HashMap<String, u32> {
    let mut slots: HashMap<String, u32> = HashMap::new();
    for job in jobs.values() {
        let graph = job.execution_graph.read().await;
        for task in graph.running_tasks() {
            let taken = graph.task_vcores(task.stage_id, task.task_id).unwrap_or(0);
            *slots.entry(task.executor_id).or_default() += taken;
        }
    }
    slots
}

#[async_trait]
impl ClusterState for CountedSlots {
    async fn bind_schedulable_tasks(
        &self,
        distribution: TaskDistributionPolicy,
        active_jobs: Arc<HashMap<JobId, JobInfoCache>>,
        executors: Option<HashSet<String>>,
    ) -> Result<Vec<BoundTask>> {
        let mut used = self.used.lock().await;
        let running = running(&active_jobs).await;
        let mut leaked = Vec::new();
        for (executor, used) in used.iter_mut() {
            let known = running.get(executor).copied().unwrap_or(0);
            if *used > known {
                leaked.push((executor.clone(), *used - known));
                *used = known;
            }
        }
        self.ballista.unbind_tasks(leaked).await?;
        let bound = self.ballista.bind_schedulable_tasks(distribution, active_jobs, executors).await?;
        for (executor, task) in &bound {
            *used.entry(executor.clone()).or_default() += task.vcores_consumed;
        }
        Ok(bound)
    }

    async fn unbind_tasks(&self, slots: Vec<ExecutorSlot>) -> Result<()> {
        let mut used = self.used.lock().await;
        let mut given = Vec::with_capacity(slots.len());
        for (executor, count) in slots {
            // Those that were found leaked are free already.
            let used = used.entry(executor.clone()).or_default();
            let count = count.min(*used);
            *used -= count;
            given.push((executor, count));
        }
        self.ballista.unbind_tasks(given).await
    }

    async fn register_executor(&self, metadata: ExecutorMetadata, spec: ExecutorData) -> Result<()> {
        let executor = metadata.id.clone();
        self.ballista.register_executor(metadata, spec).await?;
        self.used.lock().await.insert(executor, 0);
        Ok(())
    }

    async fn save_executor_metadata(&self, metadata: ExecutorMetadata) -> Result<()> {
        self.ballista.save_executor_metadata(metadata).await
    }

    async fn get_executor_metadata(&self, executor_id: &str) -> Result<ExecutorMetadata> {
        self.ballista.get_executor_metadata(executor_id).await
    }

    async fn registered_executor_metadata(&self) -> Vec<ExecutorMetadata> {
        self.ballista.registered_executor_metadata().await
    }

    async fn save_executor_heartbeat(&self, heartbeat: ExecutorHeartbeat) -> Result<()> {
        self.ballista.save_executor_heartbeat(heartbeat).await
    }

    async fn remove_executor(&self, executor_id: &str) -> Result<()> {
        self.ballista.remove_executor(executor_id).await?;
        self.used.lock().await.remove(executor_id);
        Ok(())
    }

    fn executor_heartbeats(&self) -> HashMap<String, ExecutorHeartbeat> {
        self.ballista.executor_heartbeats()
    }

    fn get_executor_heartbeat(&self, executor_id: &str) -> Option<ExecutorHeartbeat> {
        self.ballista.get_executor_heartbeat(executor_id)
    }

    async fn cluster_state_events(&self) -> Result<ClusterStateEventStream> {
        self.ballista.cluster_state_events().await
    }
}
