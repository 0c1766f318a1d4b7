//! The settings that scheduler, executors and client share: codec, limits and Ballista's options.

use std::sync::Arc;

use ballista_core::ConfigProducer;
use ballista_core::config::{BALLISTA_ADAPTIVE_PLANNER_ENABLED, BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK};
use ballista_core::extension::SessionConfigExt;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;

use super::codec::PlanCodec;
use super::unit_runner::UnitRunner;

/// The largest message: a plan with a bundle, or with a million units.
pub(super) const MESSAGE_BYTES: u32 = 256 << 20;

/// The seconds between two heartbeats of an executor.
pub(super) const HEARTBEAT_SECONDS: u64 = 2;

/// The codec of physical plans.
pub(super) fn physical_codec() -> Arc<dyn PhysicalExtensionCodec> {
    Arc::new(PlanCodec::default())
}

/// The session's configuration.
pub(super) fn config() -> SessionConfig {
    SessionConfig::new_with_ballista()
        .with_ballista_physical_extension_codec(physical_codec())
        .with_ballista_grpc_client_max_message_size(MESSAGE_BYTES as usize)
        // A plan that is sent as a physical one is planned without it in any case.
        .set_bool(BALLISTA_ADAPTIVE_PLANNER_ENABLED, false)
        // A unit is a partition, and a task has one.
        .set_usize(BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK, 1)
}

/// The configuration of tasks in an executor, which carries its runner of units.
pub(super) fn executor_config(runner: &Arc<UnitRunner>) -> ConfigProducer {
    let config = config().with_extension(Arc::clone(runner));
    Arc::new(move || config.clone())
}
