//! The client of a scheduler: sends a plan, waits for its end and cancels it. What `execute_physical_plan` of
//! Ballista does, which does not say the job's name, by which it is cancelled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ballista_core::extension::{SessionConfigExt, SessionConfigHelperExt};
use ballista_core::ids::new_instance_id;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, CleanJobDataParams, ExecuteQueryParams, GetJobStatusParams, PartitionLocation,
    RemoveSessionParams, execute_query_result, job_status,
};
use ballista_core::utils::{GrpcClientConfig, create_grpc_client_endpoint};
use ballista_core::version::insert_version_header;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use tonic::transport::Channel;

use crate::error::{Error, Place, Result};

use super::address::HostPort;
use super::executor_watch::{ExecutorWatch, executor_lost, no_executor};
use super::limits::MESSAGE_BYTES;
use super::remote_error;
use super::session::{config, config_with, physical_codec};
use super::tls::{Tls, root};

/// The interval at which the state of a job is asked for.
const POLL: Duration = Duration::from_millis(50);
/// The time without an answer after which the scheduler is gone.
const SCHEDULER_GONE: Duration = Duration::from_secs(10);
/// The time that a cancellation may take.
const CANCELLATION: Duration = Duration::from_secs(5);

/// What the loss of an executor means to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnLoss {
    /// Ballista begins its tasks again.
    Ballista,
    /// The job ends.
    End,
}

/// A connection to a scheduler.
pub(super) struct Client {
    address: HostPort,
    scheduler: SchedulerGrpcClient<Channel>,
    session_id: String,
    /// TLS, which executors use among each other, too.
    tls: Option<Tls>,
}

impl Client {
    /// Connects to a scheduler.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub(super) async fn connect(address: &HostPort, tls: Option<&Tls>) -> Result<Self> {
        let settings = GrpcClientConfig::from(&config().ballista_config());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = create_grpc_client_endpoint(format!("{scheme}://{address}"), Some(&settings));
        let failed = |e: &dyn std::fmt::Display| Error::Transient {
            place: Place::file(address),
            what: format!("cannot connect to the scheduler: {e}"),
        };
        let mut endpoint = endpoint.map_err(|e| failed(&e))?;
        if let Some(tls) = tls {
            endpoint = tls.secured(endpoint, None).map_err(|e| failed(&root(&e)))?;
        }
        let channel = endpoint.connect().await.map_err(|e| failed(&root(&e)))?;
        let scheduler = SchedulerGrpcClient::new(channel)
            .max_encoding_message_size(MESSAGE_BYTES as usize)
            .max_decoding_message_size(MESSAGE_BYTES as usize);
        Ok(Self { address: address.clone(), scheduler, session_id: new_instance_id(), tls: tls.cloned() })
    }

    /// Runs a plan and returns the places of its rows, one a partition, in their order. Where the flag is
    /// set, the job is cancelled. `waiting` is called again and again.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Transient`] where the scheduler or all executors are lost.
    pub(super) async fn run(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        stop: &AtomicBool,
        waiting: &dyn Fn(),
    ) -> Result<Vec<PartitionLocation>> {
        let plan = encode(plan)?;
        self.run_encoded(plan, &config_with(self.tls.as_ref()), stop, waiting, OnLoss::Ballista)
            .await
            .map(|(_, places)| places)
    }

    /// Runs the encoded plan of a query to its end; returns the job's name and the places of its rows.
    ///
    /// # Errors
    /// As for [`Client::run`], and the error of a task.
    pub(super) async fn run_query(
        &mut self,
        plan: Vec<u8>,
        config: &SessionConfig,
        stop: &AtomicBool,
    ) -> Result<(String, Vec<PartitionLocation>)> {
        self.run_encoded(plan, config, stop, &|| {}, OnLoss::End).await
    }

    async fn run_encoded(
        &mut self,
        plan: Vec<u8>,
        config: &SessionConfig,
        stop: &AtomicBool,
        waiting: &dyn Fn(),
        on_loss: OnLoss,
    ) -> Result<(String, Vec<PartitionLocation>)> {
        let watch = ExecutorWatch::begin(&self.address, self.tls.as_ref());
        let job_id = self.submit(plan, config).await?;
        tracing::debug!("job {job_id} of {}", self.address);
        let places = self.wait(&job_id, stop, waiting, (&watch, on_loss)).await;
        places.map(|places| (job_id, places))
    }

    /// Tells the executors to forget the rows of a job.
    pub(super) async fn forget(&mut self, job_id: String) {
        let forget =
            self.scheduler.clean_job_data(CleanJobDataParams { job_id, remove_stage_ids: Vec::new() });
        let _ = tokio::time::timeout(CANCELLATION, forget).await;
    }

    /// TLS with the cluster.
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The scheduler's address.
    pub(super) fn address(&self) -> &HostPort {
        &self.address
    }

    /// Ends the session.
    pub(super) async fn leave(mut self) {
        let leave = self.scheduler.remove_session(RemoveSessionParams { session_id: self.session_id });
        let _ = tokio::time::timeout(CANCELLATION, leave).await;
    }

    async fn submit(&mut self, plan: Vec<u8>, config: &SessionConfig) -> Result<String> {
        let mut request = tonic::Request::new(ExecuteQueryParams {
            session_id: self.session_id.clone(),
            settings: config.to_key_value_pairs(),
            operation_id: new_instance_id(),
            query: Some(Query::PhysicalPlan(plan)),
        });
        insert_version_header(request.metadata_mut());
        let answer = self.scheduler.execute_query(request).await;
        let answer = answer.map_err(|status| self.lost(&status))?.into_inner();
        match answer.result {
            Some(execute_query_result::Result::Success(job)) => Ok(job.job_id),
            Some(execute_query_result::Result::Failure(failure)) => {
                Err(self.failed(&format!("refuses the job: {failure:?}")))
            }
            None => Err(self.failed("gave no answer")),
        }
    }

    /// Waits for the end of a job; returns the places of its rows. A job that is given up is cancelled.
    async fn wait(
        &mut self,
        job_id: &str,
        stop: &AtomicBool,
        waiting: &dyn Fn(),
        (watch, on_loss): (&ExecutorWatch, OnLoss),
    ) -> Result<Vec<PartitionLocation>> {
        let mut last_answer = Instant::now();
        loop {
            let given_up = if stop.load(Ordering::Relaxed) {
                Some(Error::Interrupted)
            } else if on_loss == OnLoss::End && watch.has_lost() {
                Some(executor_lost(&self.address))
            } else {
                watch.has_none().then(|| no_executor(&self.address))
            };
            if let Some(error) = given_up {
                self.cancel(job_id.to_owned()).await;
                return Err(error);
            }
            waiting();
            let question = GetJobStatusParams { job_id: job_id.to_owned() };
            let answer = tokio::time::timeout(SCHEDULER_GONE, self.scheduler.get_job_status(question)).await;
            match answer.map(|answer| answer.map(tonic::Response::into_inner)) {
                Ok(Ok(answer)) => match answer.status.and_then(|status| status.status) {
                    Some(job_status::Status::Successful(job)) => return Ok(latest(job.partition_location)),
                    Some(job_status::Status::Failed(job)) => {
                        return Err(self.job_error(&job.error));
                    }
                    Some(job_status::Status::Queued(_) | job_status::Status::Running(_)) => {
                        last_answer = Instant::now();
                    }
                    // A scheduler that was started again does not know the job.
                    None if last_answer.elapsed() > SCHEDULER_GONE => {
                        return Err(self.failed("the scheduler does not know the job: it was started again"));
                    }
                    None => {}
                },
                Ok(Err(status)) if last_answer.elapsed() > SCHEDULER_GONE => return Err(self.lost(&status)),
                Err(_) if last_answer.elapsed() > SCHEDULER_GONE => {
                    return Err(self.failed("the scheduler does not answer; files that are done stay"));
                }
                Ok(Err(_)) | Err(_) => {}
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The error of a job that has failed.
    fn job_error(&self, text: &str) -> Error {
        match remote_error::of_text(text) {
            Some(error) => error,
            // One of Ballista's writers, of an expression by which it divides rows.
            None if text.contains("runtime execution error") => Error::Usage(format!("SQL: {text}")),
            None => self.failed(&format!("the job failed: {text}")),
        }
    }

    async fn cancel(&mut self, job_id: String) {
        let cancelled = self.scheduler.cancel_job(CancelJobParams { job_id });
        match tokio::time::timeout(CANCELLATION, cancelled).await {
            Ok(Ok(_)) => tracing::info!("the job is cancelled"),
            Ok(Err(status)) => tracing::warn!("the job could not be cancelled: {}", status.message()),
            Err(_) => tracing::warn!("the scheduler does not confirm the cancellation of the job"),
        }
    }

    fn lost(&self, status: &tonic::Status) -> Error {
        self.failed(&format!("the scheduler does not answer: {}; files that are done stay", status.message()))
    }

    fn failed(&self, what: &str) -> Error {
        Error::Transient { place: Place::file(&self.address), what: what.to_owned() }
    }
}

/// A plan as it travels.
///
/// # Errors
/// [`Error::Internal`].
pub(super) fn encode(plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<u8>> {
    let codec = physical_codec();
    let node = PhysicalPlanNode::try_from_physical_plan(Arc::clone(plan), codec.as_ref());
    let mut bytes = Vec::new();
    let encoded = node.and_then(|node| node.try_encode(&mut bytes));
    encoded.map_err(|e| Error::Internal(format!("the plan can't be encoded: {e}")))?;
    tracing::debug!("a plan of {} bytes", bytes.len());
    Ok(bytes)
}

/// The latest place of each partition. Ballista keeps those on a lost executor beside those of the tasks that
/// were begun again: where that executor was only cut off, its rows would be there twice.
fn latest(places: Vec<PartitionLocation>) -> Vec<PartitionLocation> {
    let partition = |place: &PartitionLocation| place.partition_id.as_ref().map(|id| id.partition_id);
    let places: BTreeMap<_, _> = places.into_iter().map(|place| (partition(&place), place)).collect();
    places.into_values().collect()
}

#[cfg(test)]
mod tests {
    use ballista_core::serde::protobuf::PartitionId;

    use super::*;

    #[test]
    fn of_each_partition_the_latest_place_is_kept() {
        let place = |partition_id, map_partition_id| PartitionLocation {
            map_partition_id,
            partition_id: Some(PartitionId { partition_id, ..PartitionId::default() }),
            ..PartitionLocation::default()
        };
        let kept = latest(vec![place(2, 0), place(0, 1), place(2, 2), place(1, 3)]);
        assert_eq!(kept, [place(0, 1), place(1, 3), place(2, 2)]);
    }
}
